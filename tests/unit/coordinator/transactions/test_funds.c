/* What the sending keys have left, and when that is said. */
#include "../l1/l1_world.h"
#include "../signing/signing_world.h"
#include "coordinator/transactions/funds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

struct fixture {
	uv_loop_t loop;
	struct l1_world w;
	struct agenda_parts parts;
	struct agenda_options options;
	struct desk desk;
	struct outbox *outbox;
	struct funds *funds;
};

static void on_finished(void *arg, const struct sender_action *action)
{
	(void)arg;
	(void)action;
}

static int setup(void **state)
{
	struct fixture *x = calloc(1, sizeof *x);
	const struct outbox_events events = {on_finished, x};
	struct outbox_parts op;
	struct why why = {""};

	uv_loop_init(&x->loop);
	l1_world_open(&x->w, &x->loop);
	x->parts = (struct agenda_parts){.loop = &x->loop, .rpc = x->w.rpc};
	x->options = (struct agenda_options){.funds_low_wei = 1000};
	x->parts.signing = signing_world_open(&x->loop, &x->w.key, NULL, &x->w.proposer);
	op = (struct outbox_parts){&x->loop, x->w.rpc, NULL, x->parts.signing};
	assert_true(outbox_new(&x->outbox, &op, &x->options.outbox, &events, &why));
	x->desk = (struct desk){.p = &x->parts, .o = &x->options, .outbox = x->outbox};
	assert_true(funds_new(&x->funds, &x->desk, &why));
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	signing_world_close(&x->loop, x->parts.signing);
	l1_world_close(&x->w);
	funds_free(x->funds);
	outbox_free(x->outbox);
	assert_int_equal(uv_loop_close(&x->loop), 0);
	free(x);
	return 0;
}

static struct funds_info look(struct fixture *x)
{
	struct funds_info info;

	funds_refresh(x->funds);
	funds_pump(x->funds);
	l1_world_wait(&x->w, 100);
	assert_true(funds_of(x->funds, FUNDS_VERIFY, &info));
	return info;
}

static void test_low_and_restored(void **state)
{
	struct fixture *x = *state;
	struct funds_info info;
	uint64_t wei;

	assert_true(funds_of(x->funds, FUNDS_VERIFY, &info));
	assert_false(info.known || info.low);
	assert_true(eth_address_equal(&info.address, &x->w.sender));
	assert_false(funds_of(x->funds, FUNDS_REGISTER, &info)); /* no such key */
	x->w.balance = 999;
	info = look(x);
	assert_true(info.known && info.low);
	assert_true(uint256_to_u64(&wei, &info.balance) && wei == 999);
	x->w.balance = 1000;
	info = look(x);
	assert_true(info.known && !info.low);
	/* not before a minute is over */
	x->w.balance = 1;
	funds_pump(x->funds);
	l1_world_wait(&x->w, 50);
	assert_true(funds_of(x->funds, FUNDS_VERIFY, &info) && !info.low);
}

static void test_a_node_that_tells_no_balances(void **state)
{
	struct fixture *x = *state;
	struct funds_info info;

	x->w.no_balance = true;
	info = look(x);
	assert_false(info.known || info.low);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_low_and_restored, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_a_node_that_tells_no_balances, setup, teardown),
	};

	if (signing_world_is_it(argc, argv))
		return signer_main();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
