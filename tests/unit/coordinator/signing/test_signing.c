/* The process that holds the keys, a real one: what it signs, what it refuses, and its deaths. */
#include "signing_world.h"

#include "ethereum/abi.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define CHAIN 31337

struct fixture {
	uv_loop_t loop;
	struct signing *s;
	struct eth_key keys[SIGNING_ACCOUNTS];
	struct eth_address from[SIGNING_ACCOUNTS], proposer;
	unsigned answers;
	struct signing_answer last;
	struct why sentence, lost;
	struct buf raw;
};

static uint8_t call[100];

static void on_lost(void *arg, const char *sentence)
{
	struct fixture *x = arg;

	why_set(&x->lost, "%s", sentence);
}

static void on_answer(void *arg, const struct signing_answer *a)
{
	struct fixture *x = arg;

	x->answers++;
	x->last = *a;
	why_set(&x->sentence, "%s", a->ok ? "" : a->sentence);
	x->raw.len = 0;
	if (a->ok)
		assert_true(buf_add(&x->raw, a->raw.p, a->raw.n));
}

static bool open_with(struct fixture *x, struct why *why)
{
	const struct signing_events events = {on_lost, x};
	struct signing_options o = {.max_fee = SIGNING_WORLD_FEE,
				    .max_gas = SIGNING_WORLD_GAS,
				    .verify_to = x->proposer,
				    .local_timeout_ms = 500};
	int i;

	for (i = 0; i < SIGNING_ACCOUNTS; i++) {
		o.accounts[i].way = SIGNING_LOCAL;
		o.accounts[i].key = &x->keys[i];
		o.accounts[i].address = x->from[i];
	}
	return signing_new(&x->s, &x->loop, &o, &events, why);
}

static int setup(void **state)
{
	struct fixture *x = calloc(1, sizeof *x);
	struct why why;
	int i;

	uv_loop_init(&x->loop);
	buf_init(&x->raw, 1 << 20);
	x->proposer.b[0] = 0xaa;
	for (i = 0; i < SIGNING_ACCOUNTS; i++) {
		x->keys[i].secret[31] = (uint8_t)(i + 3);
		assert_true(eth_key_address(&x->from[i], &x->keys[i]));
	}
	abi_selector(call, "verifyBatches(uint256,bytes[],bytes[],bytes[])");
	assert_true(open_with(x, &why));
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	signing_world_close(&x->loop, x->s);
	uv_run(&x->loop, UV_RUN_DEFAULT); /* what did not start closes as well */
	buf_free(&x->raw);
	assert_int_equal(uv_loop_close(&x->loop), 0);
	free(x);
	return 0;
}

static void tick(uv_timer_t *t)
{
	(void)t;
}

/* Turns the loop until so many answers are there, and the loss is, or fails after 20 s. */
static void await(struct fixture *x, unsigned answers, bool lost)
{
	uv_timer_t timer;
	int i;

	uv_timer_init(&x->loop, &timer);
	uv_timer_start(&timer, tick, 10, 10);
	for (i = 0; i < 2000 && (x->answers < answers || (lost && !x->lost.text[0])); i++)
		uv_run(&x->loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(&x->loop, UV_RUN_NOWAIT);
	assert_int_equal(x->answers, answers);
	assert_int_equal(x->lost.text[0] != '\0', lost);
}

static struct eth_tx good(const struct fixture *x, uint64_t nonce)
{
	return (struct eth_tx){.type = ETH_TX_DYNAMIC_FEE,
			       .chain_id = CHAIN,
			       .nonce = nonce,
			       .max_priority_fee = 1,
			       .max_fee = 100,
			       .gas = 100000,
			       .to = x->proposer,
			       .data = span_of(call, sizeof call)};
}

static void ask(struct fixture *x, enum signing_kind kind, const struct eth_tx *tx)
{
	signing_sign(x->s, kind, tx, on_answer, x);
}

static void expect_refused(struct fixture *x, enum signing_kind kind, const struct eth_tx *tx,
			   const char *words)
{
	const unsigned before = x->answers;

	ask(x, kind, tx);
	await(x, before + 1, false);
	if (x->last.ok || !strstr(x->sentence.text, words))
		fail_msg("signed: %d, \"%s\"", x->last.ok, x->sentence.text);
}

static void expect_signed(struct fixture *x, enum signing_kind kind, const struct eth_tx *tx)
{
	struct eth_address by;
	uint8_t hash[32];
	struct eth_tx back;
	struct why why;
	const unsigned before = x->answers;

	ask(x, kind, tx);
	await(x, before + 1, false);
	if (!x->last.ok)
		fail_msg("%s", x->sentence.text);
	assert_int_equal(eth_tx_decode(&back, &by, hash, buf_span(&x->raw), &why), ETH_OK);
	assert_true(eth_address_equal(&by, &x->from[signing_who(kind)]));
	assert_memory_equal(hash, x->last.hash, 32);
	assert_int_equal(back.nonce, tx->nonce);
	assert_true(span_eq(back.data, tx->data));
}

static pid_t keeper(const struct fixture *x)
{
	struct signing_info info;
	int pid;

	assert_true(signing_info(x->s, SIGNING_SENDER, &info));
	assert_int_equal(sscanf(info.where, "process %d", &pid), 1);
	return pid;
}

/* Once it has signed something: before, it has not yet said that it dies with its parent. */
static pid_t child(struct fixture *x)
{
	const struct eth_tx tx = good(x, 999);
	char path[64];
	int pid = 0, tries;

	expect_signed(x, SIGNING_VERIFY, &tx);
	snprintf(path, sizeof path, "/proc/%d/task/%d/children", keeper(x), keeper(x));
	for (tries = 0; tries < 500 && !pid; tries++) {
		FILE *f = fopen(path, "r");

		assert_non_null(f);
		if (fscanf(f, "%d", &pid) != 1)
			pid = 0;
		fclose(f);
		if (!pid)
			usleep(10000);
	}
	assert_int_not_equal(pid, 0);
	return pid;
}

static void test_signs(void **state)
{
	static uint8_t large[128 * 1024 - 256];
	struct fixture *x = *state;
	struct eth_tx tx = good(x, 1);

	expect_signed(x, SIGNING_VERIFY, &tx);
	tx.nonce = 2;
	memcpy(large, call, 4);
	tx.data = span_of(large, sizeof large);
	expect_signed(x, SIGNING_VERIFY, &tx);
}

static void test_many_at_once(void **state)
{
	struct fixture *x = *state;
	struct eth_tx tx;
	unsigned i;

	for (i = 0; i <= SIGNING_REQUESTS_MAX; i++) {
		tx = good(x, i);
		ask(x, SIGNING_VERIFY, &tx);
	}
	/* One too many is told at once. */
	assert_int_equal(x->answers, 1);
	assert_non_null(strstr(x->sentence.text, "too many transactions wait"));
	await(x, SIGNING_REQUESTS_MAX + 1, false);
	assert_true(x->last.ok);
}

static void test_refuses(void **state)
{
	struct fixture *x = *state;
	struct eth_tx tx = good(x, 1);
	struct eth_address other = {.b = {7}};
	uint8_t data[8] = {0};

	expect_refused(x, SIGNING_REGISTER, &tx, "no contract of its kind");
	tx.to = other;
	expect_refused(x, SIGNING_VERIFY, &tx, "the signer refuses: verifyBatches to 0x07");
	tx = good(x, 1);
	tx.max_fee = SIGNING_WORLD_FEE * SIGNING_FEE_ROOM + 1;
	expect_refused(x, SIGNING_VERIFY, &tx, "ceiling");
	/* L1 names a contract: then its functions are signed for, and no others. */
	abi_selector(data, "register(bytes)");
	signing_add_contracts(x->s, SIGNING_REGISTER, &other, span_of(NULL, 0));
	tx = good(x, 1);
	tx.to = other;
	expect_refused(x, SIGNING_REGISTER, &tx, "not one for a registration");
	tx.data = span_of(data, sizeof data);
	expect_signed(x, SIGNING_REGISTER, &tx);
	/* One call a nonce. */
	data[7] = 1;
	expect_refused(x, SIGNING_REGISTER, &tx, "another call is signed at nonce 1");
	signing_settle(x->s, SIGNING_REGISTER, 1);
	expect_signed(x, SIGNING_REGISTER, &tx);
}

static void test_its_child_dies(void **state)
{
	struct fixture *x = *state;
	struct eth_tx tx = good(x, 1);
	uint8_t other[100];
	pid_t first;
	int i;

	expect_signed(x, SIGNING_VERIFY, &tx);
	for (i = 0; i < 3; i++) {
		first = child(x);
		kill(first, SIGSTOP); /* so that the request is under way when it dies */
		ask(x, SIGNING_VERIFY, &tx);
		kill(first, SIGKILL);
		await(x, x->answers + 1, false);
		assert_false(x->last.ok);
		assert_non_null(strstr(x->sentence.text, "another one is in its place: it was "
							 "ended by signal 9"));
		/* Or the new one has read it meanwhile: then its answer is nobody's. */
		expect_signed(x, SIGNING_VERIFY, &tx);
		assert_int_not_equal(child(x), first);
	}
	/* What its predecessors signed is known. */
	memcpy(other, call, sizeof other);
	other[99] = 1;
	tx.data = span_of(other, sizeof other);
	expect_refused(x, SIGNING_VERIFY, &tx, "another call is signed at nonce 1");
}

static void test_its_child_hangs(void **state)
{
	struct fixture *x = *state;
	struct eth_tx tx = good(x, 1);
	const pid_t pid = child(x);
	int i;

	kill(pid, SIGSTOP);
	expect_refused(x, SIGNING_VERIFY, &tx, "does not answer in 500 ms");
	kill(pid, SIGCONT);
	/* A busy machine may need longer than that once more. */
	for (i = 0; i < 50 && !x->last.ok; i++) {
		ask(x, SIGNING_VERIFY, &tx);
		await(x, x->answers + 1, false);
	}
	expect_signed(x, SIGNING_VERIFY, &tx);
}

/* Its buffer fills up, and nobody waits. */
static void test_it_reads_nothing(void **state)
{
	static uint8_t large[120000];
	struct fixture *x = *state;
	struct eth_tx tx = good(x, 1);
	const pid_t pid = child(x);
	unsigned i, before;

	memcpy(large, call, 4);
	tx.data = span_of(large, sizeof large);
	kill(pid, SIGSTOP);
	for (i = 0; i < 30; i++)
		ask(x, SIGNING_VERIFY, &tx);
	assert_in_range(x->answers, 2, 30);
	assert_non_null(strstr(x->sentence.text, "reads nothing"));
	await(x, 31, false);
	kill(pid, SIGCONT);
	tx = good(x, 2);
	do {
		before = x->answers;
		usleep(1000);
		ask(x, SIGNING_VERIFY, &tx);
		await(x, before + 1, false);
	} while (!x->last.ok);
}

/* It is told later, and before the next call. */
static void test_what_is_settled_while_it_reads_nothing(void **state)
{
	static uint8_t large[120000];
	struct fixture *x = *state;
	struct eth_tx tx = good(x, 1);
	const pid_t pid = child(x);
	unsigned i, before;

	expect_signed(x, SIGNING_VERIFY, &tx);
	before = x->answers;
	memcpy(large, call, 4);
	tx = good(x, 2);
	tx.data = span_of(large, sizeof large);
	kill(pid, SIGSTOP);
	for (i = 0; i < 30; i++)
		ask(x, SIGNING_VERIFY, &tx);
	assert_non_null(strstr(x->sentence.text, "reads nothing"));
	signing_settle(x->s, SIGNING_VERIFY, 1);
	await(x, before + 30, false);
	kill(pid, SIGCONT);
	tx.nonce = 1;
	do {
		before = x->answers;
		usleep(1000);
		ask(x, SIGNING_VERIFY, &tx);
		await(x, before + 1, false);
		assert_null(strstr(x->sentence.text, "another call"));
	} while (!x->last.ok);
}

static void test_its_keeper_dies(void **state)
{
	struct fixture *x = *state;
	struct eth_tx tx = good(x, 1);
	const pid_t grandchild = child(x);
	int i;

	kill(grandchild, SIGSTOP);
	ask(x, SIGNING_VERIFY, &tx);
	kill(keeper(x), SIGKILL);
	await(x, 2, true);
	assert_non_null(strstr(x->lost.text, "was ended by signal 9"));
	assert_false(x->last.ok);
	for (i = 0; i < 500 && kill(grandchild, 0) == 0; i++)
		usleep(10000);
	assert_int_equal(kill(grandchild, 0), -1);
	ask(x, SIGNING_VERIFY, &tx);
	assert_int_equal(x->answers, 3);
	assert_non_null(strstr(x->sentence.text, "is not there"));
}

static void test_closed_while_it_works(void **state)
{
	struct fixture *x = *state;
	struct eth_tx tx = good(x, 1);

	kill(child(x), SIGSTOP);
	ask(x, SIGNING_VERIFY, &tx);
	signing_world_close(&x->loop, x->s);
	assert_int_equal(x->answers, 2);
	assert_string_equal(x->sentence.text, "the coordinator is stopping");
	x->s = NULL;
}

static void test_a_key_of_another_address(void **state)
{
	struct fixture *x = *state;
	struct signing *before = x->s;
	struct why why = {""};

	x->from[1].b[0] ^= 1;
	assert_false(open_with(x, &why));
	assert_null(x->s);
	assert_non_null(strstr(why.text, "has another one"));
	x->s = before;
}

/* It has no descriptor but its socket, and cannot be looked into. */
static void test_what_it_gave_up(void **state)
{
	struct fixture *x = *state;
	const pid_t pids[] = {keeper(x), child(x)};
	struct signing_info info;
	char path[64], line[256];
	unsigned seccomp, privileges;
	size_t i;
	FILE *f;

	assert_true(signing_info(x->s, SIGNING_SENDER, &info));
	assert_non_null(strstr(info.where, "confined"));
	for (i = 0; i < 2; i++) {
		snprintf(path, sizeof path, "/proc/%d/status", pids[i]);
		f = fopen(path, "r");
		assert_non_null(f);
		seccomp = privileges = 0;
		while (fgets(line, sizeof line, f)) {
			sscanf(line, "Seccomp: %u", &seccomp);
			sscanf(line, "NoNewPrivs: %u", &privileges);
		}
		fclose(f);
		assert_int_equal(seccomp, 2);
		assert_int_equal(privileges, 1);
		snprintf(path, sizeof path, "/proc/%d/cmdline", pids[i]);
		f = fopen(path, "r");
		assert_non_null(f);
		memset(line, 0, sizeof line);
		assert_true(fread(line, 1, sizeof line, f) > 0);
		fclose(f);
		assert_string_equal(line, "proof-coordinator");
		assert_string_equal(line + strlen(line) + 1, SIGNER_VERB);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {TEST(test_signs),
					   TEST(test_many_at_once),
					   TEST(test_refuses),
					   TEST(test_its_child_dies),
					   TEST(test_its_child_hangs),
					   TEST(test_it_reads_nothing),
					   TEST(test_what_is_settled_while_it_reads_nothing),
					   TEST(test_its_keeper_dies),
					   TEST(test_closed_while_it_works),
					   TEST(test_a_key_of_another_address),
					   TEST(test_what_it_gave_up)};

	if (signing_world_is_it(argc, argv))
		return signer_main();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
