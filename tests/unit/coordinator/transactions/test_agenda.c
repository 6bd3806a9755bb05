/* What goes to L1 next: with a real store, sender and client, and an L1 of a few variables. */
#include "../l1/l1_world.h"
#include "../signing/signing_world.h"
#include "coordinator/base/clock.h"
#include "coordinator/proofs/proofs.h"
#include "coordinator/provers/quotes.h"
#include "coordinator/transactions/agenda.h"
#include "ethereum/abi.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define BATCHES 4

struct fixture {
	uv_loop_t loop;
	struct l1_world w;
	char dir[64];
	struct store *store;
	struct work *work;
	struct registrar *registrar;
	struct l1 *l1;
	struct commitments *commitments;
	struct proofs *proofs;
	struct wake *wake;
	struct signing *signing;
	struct agenda *agenda;
	struct agenda_options options;
	struct eth_key prover;
	struct eth_address signer;
	unsigned acks;
	bool store_is_closed;
};

/* Quotes have tests of their own; a dev-mode contract asks for none. */
const struct evidence *quotes_evidence(const struct quotes *a, const struct eth_address *signer)
{
	(void)a;
	(void)signer;
	return NULL;
}

void quotes_changed(struct quotes *a)
{
	(void)a;
}

void quotes_note_contract(struct quotes *a, const struct eth_address *signer, const char *words)
{
	(void)a;
	(void)signer;
	(void)words;
}

static void on_facts(void *arg, const struct l1_facts *f)
{
	struct fixture *x = arg;
	const struct work_chain chain = {f->committed, f->verified, f->final};
	const struct eth_address *counting;
	struct why why = {""};

	work_set_needed(x->work, f->needed);
	work_set_chain(x->work, &chain, &why);
	registrar_set_contract(x->registrar, &f->tdx_verifier, f->tdx_dev_mode);
	registrar_set_signer(x->registrar, &f->signer, clock_wall_ms(), &why);
	counting = registrar_counting_signer(x->registrar);
	work_set_signer(x->work, counting ? WORK_SIGNER_IS : WORK_SIGNER_NONE, counting);
	assert_true(agenda_open(x->agenda, f->l1_chain_id, &why));
	proofs_judge(x->proofs);
	wake_up(x->wake);
}

static void on_failed(void *arg, const char *sentence)
{
	(void)arg;
	(void)sentence;
}

static void on_fatal(void *arg, const char *event, const char *sentence)
{
	(void)arg;
	fail_msg("%s: %s", event, sentence);
}

static void on_wake(void *arg)
{
	struct fixture *x = arg;

	if (x->agenda)
		agenda_next(x->agenda);
}

static void make_agenda(struct fixture *x)
{
	const struct agenda_parts parts = {.loop = &x->loop,
					   .store = x->store,
					   .rpc = x->w.rpc,
					   .l1 = x->l1,
					   .registrar = x->registrar,
					   .work = x->work,
					   .proofs = x->proofs,
					   .wake = x->wake,
					   .signing = x->signing};
	struct why why = {""};

	assert_true(agenda_new(&x->agenda, &parts, &x->options, &why));
}

static void make_book(struct fixture *x)
{
	const struct registrar_settings rs = {.max_provers = 8,
					      .allow_dev_mode = true,
					      .silence_ms = 600000,
					      .drain_ms = 600000,
					      .gas_per_day = 50000000,
					      .gas_per_registration = 60000,
					      .retry_min_ms = 5000,
					      .retry_max_ms = 600000};
	struct work_limits wl = {.max_batches = 100,
				 .max_inputs = 100,
				 .max_versions = 4,
				 .max_candidates = 4,
				 .max_candidates_per_source = 100,
				 .lease_ms = 60000};
	struct why why = {""};
	uint64_t b;
	int t;

	for (t = 0; t < PROVER_TYPES; t++)
		wl.proof_max[t] = 65536;
	x->work = work_new(&wl);
	x->registrar = registrar_new(&rs);
	assert_true(x->work && x->registrar);
	for (b = 1; b <= BATCHES; b++) {
		const uint8_t sha[32] = {(uint8_t)b};

		assert_int_equal(work_add_input(x->work, b, "abcdef0", sha, 10, &why),
				 WORK_INPUT_NEW);
	}
}

static void open_parts(struct fixture *x)
{
	const struct store_options so = {.dir = x->dir};
	const struct l1_events events = {on_facts, on_failed, on_fatal, x};
	const struct l1_options lo = {
	    .proposer = x->w.proposer, .confirmations = 1, .every_ms = 20};
	struct proofs_parts pp;
	struct l1_parts lp;
	struct why why = {""};

	assert_int_equal(store_open(&x->store, &x->loop, &so, &why), STORE_OK);
	make_book(x);
	x->wake = wake_new(&x->loop, on_wake, x, &why);
	lp = (struct l1_parts){&x->loop, x->w.rpc, x->store};
	assert_true(l1_new(&x->l1, &lp, &lo, &events, &why));
	assert_true(commitments_new(&x->commitments, x->w.rpc, &x->w.proposer, &why));
	pp = (struct proofs_parts){x->store, x->work, x->registrar, x->l1, x->commitments, x->wake};
	assert_true(proofs_new(&x->proofs, &pp, 65536, &why));
	x->signing = signing_world_open(&x->loop, &x->w.key, &x->w.key, &x->w.proposer);
	make_agenda(x);
}

static void nothing(void *arg)
{
	(void)arg;
}

static void on_store_closed(void *arg)
{
	((struct fixture *)arg)->store_is_closed = true;
}

/* What is on the wire still calls back, and must find nobody. */
static void close_parts(struct fixture *x)
{
	proofs_stop(x->proofs);
	l1_close(x->l1, nothing, NULL);
	agenda_close(x->agenda, nothing, NULL);
	signing_world_close(&x->loop, x->signing);
	wake_close(x->wake, nothing, NULL);
	x->store_is_closed = false;
	store_close(x->store, on_store_closed, x);
	while (!x->store_is_closed)
		uv_run(&x->loop, UV_RUN_ONCE);
	l1_world_wait(&x->w, 50);
	agenda_free(x->agenda);
	proofs_free(x->proofs);
	commitments_free(x->commitments);
	l1_free(x->l1);
	work_free(x->work);
	registrar_free(x->registrar);
}

static int setup(void **state)
{
	struct fixture *x = calloc(1, sizeof *x);

	uv_loop_init(&x->loop);
	l1_world_open(&x->w, &x->loop);
	x->w.committed = BATCHES;
	strcpy(x->dir, "/tmp/test_agenda.XXXXXX");
	assert_non_null(mkdtemp(x->dir));
	x->options = (struct agenda_options){.outbox = {.proposer = x->w.proposer},
					     .verify_to = x->w.proposer,
					     .max_batches = 32,
					     .max_proof_bytes = 65536,
					     .gas_cap = 16777216,
					     .data_dir = x->dir};
	sender_options_default(&x->options.outbox.sender);
	x->options.outbox.sender.confirmations = 1;
	x->options.outbox.sender.poll_ms = 10;
	x->options.outbox.sender.retry_min_ms = 5;
	open_parts(x);
	x->prover.secret[31] = 7;
	assert_true(eth_key_address(&x->signer, &x->prover));
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;
	char command[128];

	close_parts(x);
	l1_world_close(&x->w);
	eth_key_wipe(&x->prover);
	assert_int_equal(uv_loop_close(&x->loop), 0);
	snprintf(command, sizeof command, "rm -rf %s", x->dir);
	assert_int_equal(system(command), 0);
	free(x);
	return 0;
}

/* A ProverSetup of 20 bytes, kept. */
static void enlist(struct fixture *x)
{
	struct registrar_check check;
	struct why why = {""};

	registrar_set_contract(x->registrar, &x->w.verifier, true);
	if (!registrar_check(x->registrar, span_of(x->signer.b, 20), NULL, "10.0.0.5",
			     clock_wall_ms(), &check, &why))
		fail_msg("%s", why.text);
	assert_true(registrar_setup(x->registrar, &check, &why));
	wake_up(x->wake);
}

static void on_answer(void *arg, enum proof_answer answer, const char *code, const char *sentence)
{
	struct fixture *x = arg;

	(void)code;
	if (answer != PROOF_ACK)
		fail_msg("%s", sentence);
	x->acks++;
}

/* The eight words that the chain of l1_world commits for this batch. */
static void prove(struct fixture *x, uint64_t batch, const struct eth_key *key)
{
	uint8_t words[8][32] = {{0}}, sig[65];
	struct proof proof = {.prover_type = PROVER_TDX};
	int i;

	words[0][30] = (uint8_t)(batch - 1);
	words[1][30] = (uint8_t)batch;
	words[0][31] = words[1][31] = 0x11;
	for (i = 0; i < 8; i++)
		words[6][24 + i] = (uint8_t)((uint64_t)L1_WORLD_L2_CHAIN >> 8 * (7 - i));
	assert_true(eip191_sign(sig, key, words, sizeof words));
	buf_init(&proof.bytes, 65);
	buf_init(&proof.public_values, 1);
	assert_true(buf_add(&proof.bytes, sig, sizeof sig));
	proofs_submit(x->proofs, batch, &proof, NULL, "10.0.0.5", on_answer, x);
	buf_free(&proof.bytes);
}

static bool is_registered(void *arg)
{
	struct fixture *x = arg;
	const struct eth_address *signer = registrar_signer(x->registrar);

	return signer && eth_address_equal(signer, &x->signer) &&
	       agenda_counters(x->agenda)->txs[SENDER_CONFIRMED] > 0;
}

static bool outbox_is_idle(const struct fixture *x)
{
	return !sender_busy(sender_io_sender(agenda_sender(x->agenda)));
}

static bool all_verified(void *arg)
{
	struct fixture *x = arg;

	/* the chain says so, and what was sent has come to its end */
	return l1_facts(x->l1) && l1_facts(x->l1)->verified == BATCHES && outbox_is_idle(x);
}

static bool dry_run_was_refused(void *arg)
{
	struct fixture *x = arg;

	return agenda_counters(x->agenda)->txs[SENDER_REVERTED] > 0;
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

static bool says_paused(void *arg)
{
	struct fixture *x = arg;

	return strcmp(agenda_sentence(x->agenda), "the OnChainProposer is paused") == 0;
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
	l1_world_until(&x->w, says_paused, x);
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
