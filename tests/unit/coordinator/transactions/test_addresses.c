/* What the addresses of the settings turn out to be, and what a receipt without effect holds. */
#include "../l1/l1_world.h"
#include "../signing/signing_world.h"
#include "coordinator/base/wake.h"
#include "coordinator/transactions/addresses.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
	uv_loop_t loop;
	struct l1_world w;
	struct agenda_parts parts;
	struct agenda_options options;
	struct why now;
	struct desk desk;
	struct outbox *outbox;
	struct addresses *addresses;
	unsigned wakes;
};

static void on_wake(void *arg)
{
	((struct fixture *)arg)->wakes++;
}

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
	x->parts = (struct agenda_parts){
	    .loop = &x->loop, .rpc = x->w.rpc, .wake = wake_new(&x->loop, on_wake, x, &why)};
	x->options = (struct agenda_options){.outbox = {.proposer = x->w.proposer},
					     .verify_to = x->w.proposer,
					     .pccs = {.enabled = true}};
	x->parts.signing = signing_world_open(&x->loop, &x->w.key, &x->w.key, &x->w.proposer);
	op = (struct outbox_parts){&x->loop, x->w.rpc, NULL, x->parts.signing};
	assert_true(outbox_new(&x->outbox, &op, &x->options.outbox, &events, &why));
	x->desk = (struct desk){&x->parts, &x->options, x->outbox, &x->now};
	assert_true(addresses_new(&x->addresses, &x->desk, &why));
	*state = x;
	return 0;
}

static void nothing(void *arg)
{
	(void)arg;
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	signing_world_close(&x->loop, x->parts.signing);
	wake_close(x->parts.wake, nothing, NULL);
	l1_world_close(&x->w);
	addresses_free(x->addresses);
	outbox_free(x->outbox);
	assert_int_equal(uv_loop_close(&x->loop), 0);
	free(x);
	return 0;
}

static bool has_woken(void *arg)
{
	return ((struct fixture *)arg)->wakes > 0;
}

/* A whole check. */
static void check(struct fixture *x)
{
	x->wakes = 0;
	addresses_recheck(x->addresses);
	addresses_pump(x->addresses);
	l1_world_until(&x->w, has_woken, x);
}

/* NULL: allowed. */
static void expect(struct fixture *x, enum sender_kind kind, const char *words)
{
	struct why why = {""};
	const bool allowed = addresses_allow(x->addresses, kind, &why);

	if (allowed != !words || (words && !strstr(why.text, words)))
		fail_msg("allowed: %d, \"%s\"", allowed, why.text);
}

static void test_the_key_owns_the_proposer(void **state)
{
	struct fixture *x = *state;

	expect(x, SENDER_VERIFY, "are being checked");
	check(x);
	expect(x, SENDER_VERIFY, NULL);
	expect(x, SENDER_REGISTER, NULL);
	x->w.owner = x->w.timelock;
	check(x);
	expect(x, SENDER_VERIFY, "is that a Timelock, for ETHREX_TIMELOCK_ADDRESS?");
	expect(x, SENDER_REGISTER, NULL);
}

static void test_a_timelock(void **state)
{
	struct fixture *x = *state;

	x->options.verify_to = x->w.timelock;
	check(x);
	expect(x, SENDER_VERIFY, "not by the Timelock of ETHREX_TIMELOCK_ADDRESS");
	x->w.owner = x->w.timelock;
	x->w.no_role = true;
	check(x);
	expect(x, SENDER_VERIFY, "has not the SEQUENCER role of the Timelock 0x0c03");
	x->w.no_role = false;
	check(x);
	expect(x, SENDER_VERIFY, NULL);
	x->w.timelock_gone = true;
	check(x);
	expect(x, SENDER_VERIFY, "there is no contract at 0x0c03");
}

static void test_a_dao_of_the_settings(void **state)
{
	struct fixture *x = *state;

	x->options.pccs.fmspc_tcb_dao = x->w.timelock;
	check(x);
	expect(x, SENDER_VERIFY, NULL);
	expect(x, SENDER_REGISTER, "the setting FMSPC_TCB_DAO, 0x0c03");
	x->options.pccs.enabled = false;
	check(x);
	expect(x, SENDER_REGISTER, NULL);
}

static void test_a_doubt(void **state)
{
	struct fixture *x = *state;

	check(x);
	addresses_doubt(x->addresses, SENDER_VERIFY, "nothing moved");
	expect(x, SENDER_VERIFY, "held for 15 s, until the addresses pass their check again");
	expect(x, SENDER_VERIFY, "nothing moved");
	expect(x, SENDER_REGISTER, NULL);
	/* not before its time */
	x->w.n_calls = 0;
	addresses_pump(x->addresses);
	l1_world_wait(&x->w, 50);
	assert_int_equal(x->w.n_calls, 0);
	addresses_doubt(x->addresses, SENDER_VERIFY, "again");
	expect(x, SENDER_VERIFY, "held for 30 s");
	addresses_trust(x->addresses);
	expect(x, SENDER_VERIFY, NULL);
	addresses_doubt(x->addresses, SENDER_VERIFY, "and again");
	expect(x, SENDER_VERIFY, "held for 15 s");
}

/* Nobody answered: what was found before holds, and nothing is found where nothing was. */
static void test_silence_is_no_answer(void **state)
{
	struct fixture *x = *state;

	x->w.reads_fail = true;
	addresses_pump(x->addresses);
	l1_world_wait(&x->w, 100);
	expect(x, SENDER_VERIFY, "are being checked");
	x->w.reads_fail = false;
	check(x);
	expect(x, SENDER_VERIFY, NULL);
}

int main(int argc, char **argv)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(test_the_key_owns_the_proposer), T(test_a_timelock),
	    T(test_a_dao_of_the_settings),     T(test_a_doubt),
	    T(test_silence_is_no_answer),
	};

	if (signing_world_is_it(argc, argv))
		return signer_main();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
