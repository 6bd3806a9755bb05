/* What goes to L1 next. */
#include "agenda_world.h"

#include <sys/syscall.h>
#include <time.h>

static int64_t wall_ahead_s, mono_ahead_s;

/* The program's own symbol comes before the C library's. */
int clock_gettime(clockid_t id, struct timespec *t)
{
	const int rc = (int)syscall(SYS_clock_gettime, id, t);

	if (id == CLOCK_REALTIME)
		t->tv_sec += wall_ahead_s;
	else if (id == CLOCK_MONOTONIC)
		t->tv_sec += mono_ahead_s;
	return rc;
}

/* ---- the tests ---- */

static void test_nothing_before_l1_answers(void **state)
{
	struct fixture *x = *state;

	enlist(x);
	l1_world_wait(&x->w, 60);
	assert_null(agenda_sender(x->agenda));
	assert_int_equal(x->w.n_raw, 0);
	assert_string_equal(agenda_sentence(x->agenda), "");
}

static void test_a_key_is_registered_and_its_proofs_verified(void **state)
{
	struct fixture *x = *state;
	uint64_t b;

	l1_start(x->l1);
	enlist(x);
	l1_world_until(&x->w, is_registered, x);
	assert_int_equal(x->w.n_raw, 1);
	for (b = 1; b <= BATCHES; b++)
		prove(x, b, &x->prover);
	l1_world_until(&x->w, all_verified, x);
	assert_int_equal(x->acks, BATCHES);
	assert_int_equal(agenda_counters(x->agenda)->gas_register, 0xbb80);
	assert_true(agenda_counters(x->agenda)->gas_verify >= 0xbb80);
	assert_int_equal(proofs_counters(x->proofs)->judged[WORK_GOOD], BATCHES);
}

static bool nothing_moved(void *arg)
{
	struct fixture *x = arg;

	return agenda_counters(x->agenda)->txs[SENDER_NO_EFFECT] > 0;
}

/* A receipt is not the truth: where the contract does not move, one is enough. */
static void test_a_receipt_without_effect_holds_the_sender(void **state)
{
	struct fixture *x = *state;

	l1_start(x->l1);
	enlist(x);
	l1_world_until(&x->w, is_registered, x);
	x->w.no_effect = true;
	prove(x, 1, &x->prover);
	l1_world_until(&x->w, nothing_moved, x);
	l1_world_wait(&x->w, 200);
	assert_int_equal(x->w.n_raw, 2);
	assert_non_null(strstr(agenda_sentence(x->agenda), "held for 15 s"));
	assert_int_equal(proofs_counters(x->proofs)->judged[WORK_BAD], 0);
	x->w.no_effect = false;
	agenda_resume_sending(x->agenda);
	while (l1_facts(x->l1)->verified < 1)
		l1_world_wait(&x->w, 5);
	assert_int_equal(x->w.n_raw, 3);
}

static void verify_all(struct fixture *x)
{
	uint64_t b;

	l1_start(x->l1);
	enlist(x);
	l1_world_until(&x->w, is_registered, x);
	/* the first last, so that all are there when the run begins */
	for (b = BATCHES; b >= 1; b--)
		prove(x, b, &x->prover);
	l1_world_until(&x->w, all_verified, x);
}

/* Three batches fit the gas of one transaction, as far as is known. */
static void test_the_gas_of_a_transaction_bounds_the_run(void **state)
{
	struct fixture *x = *state;
	struct agenda_options o = x->options;

	o.gas_cap = 200000;
	agenda_set_options(x->agenda, &o);
	verify_all(x);
	assert_int_equal(x->w.n_raw, 3);
}

/* What did not fit is remembered: the next run does not try it again. */
static void test_what_does_not_fit_is_remembered(void **state)
{
	struct fixture *x = *state;

	x->w.most_estimated = 1300; /* one batch, not two */
	verify_all(x);
	assert_int_equal(x->w.n_raw, 1 + BATCHES);
	assert_int_equal(x->w.n_too_big, 2);
}

/* A verdict completes a run and wakes the agenda: nothing waits for the next round of L1. */
static void test_a_verdict_wakes(void **state)
{
	struct fixture *x = *state;
	uint64_t since;

	l1_start(x->l1);
	enlist(x);
	l1_world_until(&x->w, is_registered, x);
	l1_set_every(x->l1, 3600000);
	l1_world_wait(&x->w, 50); /* the round that was planned before */
	since = x->w.n_raw;
	prove(x, 1, &x->prover);
	while (x->w.n_raw == since)
		l1_world_wait(&x->w, 5);
	assert_int_equal(x->w.verified, 1);
}

/* One batch, refused for its TDX proof, by the key that the contract holds: the proof is bad. */
static void test_a_refused_proof_is_set_aside(void **state)
{
	struct fixture *x = *state;

	l1_start(x->l1);
	enlist(x);
	l1_world_until(&x->w, is_registered, x);
	x->w.refusal = "InvalidTdxProof()";
	prove(x, 1, &x->prover);
	l1_world_until(&x->w, dry_run_was_refused, x);
	while (!proofs_counters(x->proofs)->judged[WORK_BAD])
		l1_world_wait(&x->w, 5);
	assert_int_equal(x->w.n_raw, 1); /* the registration: no gas was spent on the refusal */
	assert_int_equal(proofs_counters(x->proofs)->judged[WORK_BAD], 1);
	/* Its batch wants a proof again, and a good one is verified. */
	x->w.refusal = NULL;
	x->prover.secret[31] = 7;
	l1_world_wait(&x->w, 50);
	assert_int_equal(x->w.verified, 0);
}

static bool is_halved(void *arg)
{
	struct fixture *x = arg;

	return agenda_counters(x->agenda)->txs[SENDER_REVERTED] >= 3;
}

static bool is_read_as_paused(void *arg)
{
	const struct l1_facts *f = l1_facts(((struct fixture *)arg)->l1);

	return f && f->paused;
}

static bool all_are_good(void *arg)
{
	struct fixture *x = arg;

	return proofs_counters(x->proofs)->judged[WORK_GOOD] == BATCHES;
}

/* A refusal of many is halved until the one that is bad stands alone. */
static void test_a_refused_run_is_halved(void **state)
{
	struct fixture *x = *state;
	uint64_t b;

	l1_start(x->l1);
	enlist(x);
	l1_world_until(&x->w, is_registered, x);
	x->w.refusal = "InvalidTdxProof()";
	x->w.paused = true;
	l1_world_until(&x->w, is_read_as_paused, x);
	for (b = 1; b <= BATCHES; b++)
		prove(x, b, &x->prover);
	l1_world_until(&x->w, all_are_good, x);
	x->w.paused = false;
	l1_world_until(&x->w, is_halved, x);
	while (!proofs_counters(x->proofs)->judged[WORK_BAD])
		l1_world_wait(&x->w, 5);
	assert_int_equal(x->w.verified, 0);
}

/* Another key is on chain than the one that signed: the proof is not to blame. */
static void test_a_proof_of_a_key_that_went_is_kept(void **state)
{
	struct fixture *x = *state;
	unsigned calls;

	l1_start(x->l1);
	enlist(x);
	l1_world_until(&x->w, is_registered, x);
	x->w.refusal = "InvalidTdxProof()";
	l1_set_every(x->l1, 3600000);
	do { /* the round that is under way ends */
		calls = x->w.n_calls;
		l1_world_wait(&x->w, 200);
	} while (x->w.n_calls != calls);
	x->w.signer = (struct eth_address){{0xdd}}; /* L1 was not read since */
	prove(x, 1, &x->prover);
	l1_world_until(&x->w, dry_run_was_refused, x);
	l1_world_wait(&x->w, 100);
	assert_int_equal(proofs_counters(x->proofs)->judged[WORK_BAD], 0);
}

static bool was_refused(void *arg)
{
	struct fixture *x = arg;

	return agenda_counters(x->agenda)->txs[SENDER_REVERTED] > 0;
}

static bool first_is_verified(void *arg)
{
	struct fixture *x = arg;

	return l1_facts(x->l1)->verified >= 1;
}

/* The wait after a refusal is over in time, whatever is said of the time of day. */
static void test_a_clock_that_is_set_back(void **state)
{
	struct fixture *x = *state;

	l1_start(x->l1);
	enlist(x);
	l1_world_until(&x->w, is_registered, x);
	x->w.refusal = "Another()";
	prove(x, 1, &x->prover);
	l1_world_until(&x->w, was_refused, x);
	x->w.refusal = NULL;
	wall_ahead_s = -3600;
	mono_ahead_s = 16;
	l1_world_until(&x->w, first_is_verified, x);
	wall_ahead_s = mono_ahead_s = 0;
	assert_int_equal(proofs_counters(x->proofs)->judged[WORK_BAD], 0);
}

static void test_a_refused_registration_costs_nothing(void **state)
{
	struct fixture *x = *state;

	x->w.register_refused = true;
	l1_start(x->l1);
	enlist(x);
	l1_world_until(&x->w, dry_run_was_refused, x);
	l1_world_wait(&x->w, 50);
	assert_int_equal(x->w.n_raw, 0);
	assert_int_equal(agenda_counters(x->agenda)->txs[SENDER_REVERTED], 1); /* and it waits */
}

static void test_a_registration_that_others_send(void **state)
{
	struct fixture *x = *state;
	char path[256], text[ETH_ADDRESS_TEXT_SIZE];

	x->options.register_by_file = true;
	agenda_set_options(x->agenda, &x->options);
	l1_start(x->l1);
	enlist(x);
	eth_address_print(text, &x->signer);
	snprintf(path, sizeof path, "%s/proposals/%s.json", x->dir, text);
	while (access(path, R_OK))
		l1_world_wait(&x->w, 5);
	assert_int_equal(x->w.n_raw, 0);
	assert_non_null(agenda_sentence(x->agenda));
}

struct loading {
	struct fixture *x;
	unsigned n;
};

static bool load_intent(void *arg, const struct store_intent *row, struct why *why)
{
	struct loading *l = arg;

	l->n++;
	return agenda_restore_intent(l->x->agenda, row, why);
}

/* What was signed before a crash is followed after it, under the same id and nonce. */
static void test_an_intent_outlives_a_crash(void **state)
{
	struct fixture *x = *state;
	const struct store_visitor visitor = {.intent = load_intent};
	struct loading l = {x, 0};
	struct why why = {""};

	l1_start(x->l1);
	enlist(x);
	while (!x->w.n_raw)
		uv_run(&x->loop, UV_RUN_ONCE);
	close_parts(x);
	open_parts(x);
	assert_int_equal(store_load(x->store, &visitor, &l, &why), STORE_OK);
	assert_int_equal(l.n, 1);
	agenda_resume(x->agenda);
	l1_start(x->l1);
	l1_world_until(&x->w, is_registered, x);
	assert_int_equal(x->w.n_raw, 1);
}

static bool says_whose_intent_it_is(void *arg)
{
	const struct fixture *x = arg;
	char text[512] = "";

	if (agenda_sender(x->agenda))
		sender_io_describe(agenda_sender(x->agenda), text, sizeof text);
	return strstr(text, "the signing key is not that of the intent's sender") != NULL;
}

static void test_an_intent_of_another_key(void **state)
{
	struct fixture *x = *state;
	struct sender_intent in;
	struct store_intent row = {.id = 1};
	struct why why = {""};
	uint8_t call[4];
	struct buf blob;

	sender_intent_init(&in);
	buf_init(&blob, OUTBOX_INTENT_MAX);
	abi_selector(call, "register(bytes)");
	in.id = 1;
	in.kind = SENDER_REGISTER;
	in.from.b[0] = 0x77;
	in.to = x->w.verifier;
	in.signer = x->signer;
	assert_true(buf_add(&in.calldata, call, sizeof call));
	assert_true(sender_intent_encode(&in, &blob));
	row.data = buf_span(&blob);
	assert_true(agenda_restore_intent(x->agenda, &row, &why));
	agenda_resume(x->agenda);
	l1_start(x->l1);
	l1_world_until(&x->w, says_whose_intent_it_is, x);
	assert_int_equal(x->w.n_raw, 0);
	sender_intent_free(&in);
	buf_free(&blob);
}

static void test_a_row_that_is_none(void **state)
{
	struct fixture *x = *state;
	const struct store_intent row = {.id = 3, .data = span_of("nonsense", 8)};
	struct why why = {""};

	assert_false(agenda_restore_intent(x->agenda, &row, &why));
	assert_true(why.text[0]);
	agenda_resume(x->agenda);
}

static bool says_that_no_key_is_there(void *arg)
{
	const struct fixture *x = arg;

	return strcmp(agenda_sentence(x->agenda),
		      "no key is registered yet: nothing can be verified") == 0;
}

static void test_without_a_key(void **state)
{
	struct fixture *x = *state;

	agenda_close(x->agenda, nothing, NULL);
	agenda_free(x->agenda);
	signing_world_close(&x->loop, x->signing);
	x->signing = signing_world_open(&x->loop, &x->w.key, NULL, &x->w.proposer);
	make_agenda(x);
	l1_start(x->l1);
	enlist(x);
	l1_world_until(&x->w, says_that_no_key_is_there, x);
	assert_int_equal(x->w.n_raw, 0);
}

static void test_stopped(void **state)
{
	struct fixture *x = *state;

	agenda_stop(x->agenda);
	l1_start(x->l1);
	enlist(x);
	l1_world_wait(&x->w, 100);
	assert_int_equal(x->w.n_raw, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {TEST(test_nothing_before_l1_answers),
					   TEST(test_a_key_is_registered_and_its_proofs_verified),
					   TEST(test_a_receipt_without_effect_holds_the_sender),
					   TEST(test_the_gas_of_a_transaction_bounds_the_run),
					   TEST(test_what_does_not_fit_is_remembered),
					   TEST(test_a_verdict_wakes),
					   TEST(test_a_refused_proof_is_set_aside),
					   TEST(test_a_refused_run_is_halved),
					   TEST(test_a_proof_of_a_key_that_went_is_kept),
					   TEST(test_a_clock_that_is_set_back),
					   TEST(test_a_refused_registration_costs_nothing),
					   TEST(test_a_registration_that_others_send),
					   TEST(test_an_intent_outlives_a_crash),
					   TEST(test_an_intent_of_another_key),
					   TEST(test_a_row_that_is_none),
					   TEST(test_without_a_key),
					   TEST(test_stopped)};

	if (signing_world_is_it(argc, argv))
		return signer_main();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
