/* Two coordinators on one database: any of them keeps a proof, and the one that leads judges it. */
#include "../l1/l1_world.h"
#include "../store/shared_db.h"

#include "coordinator/base/clock.h"
#include "coordinator/proofs/proofs.h"
#include "coordinator/registrar/registrar.h"
#include "ethereum/key.h"

#include <unistd.h>

#define BATCHES 3

struct side {
	char dir[64];
	struct store *store;
	struct work *work;
	struct registrar *registrar;
	struct wake *wake;
	struct l1 *l1;
	struct commitments *commitments;
	struct proofs *proofs;
};

struct world {
	uv_loop_t loop;
	struct l1_world w;
	struct shared_db db;
	struct side side[2];
	struct eth_key key;
	struct eth_address signer;
	unsigned closed, answers;
	enum proof_answer answer;
	char code[32], sentence[256];
};

static void on_foreign(void *arg, const struct store_change *changes, size_t n)
{
	struct side *x = arg;
	struct why why = {""};
	size_t i;

	for (i = 0; i < n; i++)
		if (changes[i].kind == CHANGE_INPUT_PUT)
			assert_int_equal(work_restore_input(x->work, changes[i].input.batch,
							    "abcdef0", changes[i].input.sha256, 10,
							    &why),
					 WORK_INPUT_NEW);
		else if (changes[i].kind == CHANGE_PROOF_PUT || changes[i].kind == CHANGE_PROOF_DEL)
			assert_true(proofs_foreign(x->proofs, &changes[i], &why));
	proofs_judge(x->proofs);
}

static void on_leads(void *arg, uint64_t fence, const struct store_change *intents, size_t n)
{
	struct side *x = arg;

	(void)fence, (void)intents, (void)n;
	proofs_judge(x->proofs);
}

static void on_facts(void *arg, const struct l1_facts *f)
{
	struct side *x = arg;
	const struct work_chain chain = {f->committed, f->verified, f->final};
	struct why why = {""};

	work_set_chain(x->work, &chain, &why);
	proofs_judge(x->proofs);
}

static void on_failed(void *arg, const char *sentence)
{
	(void)arg, (void)sentence;
}

static void on_fatal(void *arg, const char *event, const char *sentence)
{
	(void)arg;
	fail_msg("%s: %s", event, sentence);
}

static void on_wake(void *arg)
{
	(void)arg;
}

static void make_book(struct world *w, struct side *x, unsigned slot)
{
	const struct registrar_settings rs = {.max_provers = 8, .allow_dev_mode = true};
	struct work_limits wl = {.max_batches = 100,
				 .max_inputs = 100,
				 .max_versions = 4,
				 .max_candidates = 4,
				 .max_candidates_per_source = 100,
				 .lease_ms = 60000};
	struct registrar_check check;
	struct why why = {""};
	uint64_t b;
	int t;

	for (t = 0; t < PROVER_TYPES; t++)
		wl.proof_max[t] = 65536;
	x->work = work_new(&wl);
	x->registrar = registrar_new(&rs);
	assert_true(x->work && x->registrar);
	work_set_ids(x->work, slot, STORE_SLOTS);
	work_set_needed(x->work, PROVER_TYPE_BIT(PROVER_TDX));
	for (b = 1; b <= BATCHES; b++) {
		const uint8_t sha[32] = {(uint8_t)b};

		assert_int_equal(work_add_input(x->work, b, "abcdef0", sha, 10, &why),
				 WORK_INPUT_NEW);
	}
	registrar_set_contract(x->registrar, &w->w.verifier, true);
	assert_true(registrar_check(x->registrar, span_of(w->signer.b, 20), NULL, "10.0.0.5",
				    clock_wall_ms(), &check, &why));
	assert_true(registrar_setup(x->registrar, &check, &why));
}

static void make_side(struct world *w, unsigned slot)
{
	struct side *x = &w->side[slot];
	const struct store_events events = {.foreign = on_foreign, .leads = on_leads, .arg = x};
	const struct l1_events le = {on_facts, on_failed, on_fatal, x};
	const struct l1_options lo = {
	    .proposer = w->w.proposer, .confirmations = 1, .every_ms = 20};
	struct store_options so = {.dir = x->dir, .lazy_ms = 10, .events = &events};
	struct proofs_parts pp;
	struct l1_parts lp;
	struct why why = {""};

	strcpy(x->dir, "/tmp/test_side.XXXXXX");
	assert_non_null(mkdtemp(x->dir));
	so.engine = shared_engine(&w->db, slot);
	assert_int_equal(store_open(&x->store, &w->loop, &so, &why), STORE_OK);
	make_book(w, x, slot);
	x->wake = wake_new(&w->loop, on_wake, x, &why);
	lp = (struct l1_parts){&w->loop, w->w.rpc, x->store};
	assert_true(l1_new(&x->l1, &lp, &lo, &le, &why));
	assert_true(commitments_new(&x->commitments, w->w.rpc, &w->w.proposer, &why));
	pp = (struct proofs_parts){x->store, x->work, x->registrar, x->l1, x->commitments, x->wake};
	assert_true(proofs_new(&x->proofs, &pp, 65536, &why));
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof *w);

	uv_loop_init(&w->loop);
	l1_world_open(&w->w, &w->loop);
	w->w.committed = BATCHES;
	w->key.secret[31] = 7;
	assert_true(eth_key_address(&w->signer, &w->key));
	shared_db_init(&w->db);
	make_side(w, 0);
	make_side(w, 1);
	*state = w;
	return 0;
}

static void nothing(void *arg)
{
	(void)arg;
}

static void on_closed(void *arg)
{
	((struct world *)arg)->closed++;
}

static int teardown(void **state)
{
	struct world *w = *state;
	char command[128];
	unsigned i;

	for (i = 0; i < 2; i++) {
		proofs_stop(w->side[i].proofs);
		l1_close(w->side[i].l1, nothing, NULL);
		wake_close(w->side[i].wake, nothing, NULL);
		store_close(w->side[i].store, on_closed, w);
	}
	while (w->closed < 2)
		uv_run(&w->loop, UV_RUN_ONCE);
	l1_world_wait(&w->w, 50);
	for (i = 0; i < 2; i++) {
		proofs_free(w->side[i].proofs);
		commitments_free(w->side[i].commitments);
		l1_free(w->side[i].l1);
		work_free(w->side[i].work);
		registrar_free(w->side[i].registrar);
		snprintf(command, sizeof command, "rm -rf %s", w->side[i].dir);
		assert_int_equal(system(command), 0);
	}
	l1_world_close(&w->w);
	eth_key_wipe(&w->key);
	assert_int_equal(uv_loop_close(&w->loop), 0);
	shared_db_free(&w->db);
	free(w);
	return 0;
}

/* ---- steps ---- */

static void on_answer(void *arg, enum proof_answer answer, const char *code, const char *sentence)
{
	struct world *w = arg;

	w->answers++;
	w->answer = answer;
	snprintf(w->code, sizeof w->code, "%s", code);
	snprintf(w->sentence, sizeof w->sentence, "%s", sentence);
}

static enum proof_answer submit(struct world *w, unsigned side, uint64_t batch, const void *bytes,
				size_t n)
{
	struct proof proof = {.prover_type = PROVER_TDX};
	const unsigned before = w->answers;

	buf_init(&proof.bytes, 1000);
	buf_init(&proof.public_values, 1);
	assert_true(buf_add(&proof.bytes, bytes, n));
	proofs_submit(w->side[side].proofs, batch, &proof, NULL, "10.0.0.5", on_answer, w);
	buf_free(&proof.bytes);
	while (w->answers == before)
		uv_run(&w->loop, UV_RUN_ONCE);
	return w->answer;
}

/* The eight words that the chain of l1_world commits for this batch. */
static enum proof_answer prove(struct world *w, unsigned side, uint64_t batch)
{
	uint8_t words[8][32] = {{0}}, sig[65];
	int i;

	words[0][30] = (uint8_t)(batch - 1);
	words[1][30] = (uint8_t)batch;
	words[0][31] = words[1][31] = 0x11;
	for (i = 0; i < 8; i++)
		words[6][24 + i] = (uint8_t)((uint64_t)L1_WORLD_L2_CHAIN >> 8 * (7 - i));
	assert_true(eip191_sign(sig, &w->key, words, sizeof words));
	return submit(w, side, batch, sig, sizeof sig);
}

static void settle(struct world *w)
{
	l1_world_wait(&w->w, 100);
}

static void hear_l1(struct world *w)
{
	l1_start(w->side[0].l1);
	l1_start(w->side[1].l1);
	while (!l1_is_fresh(w->side[0].l1) || !l1_is_fresh(w->side[1].l1))
		settle(w);
}

static size_t count(const struct world *w, unsigned side, enum work_state state)
{
	struct work_counts c;

	work_counts(w->side[side].work, &c);
	return c.candidates[state];
}

static void await_count(struct world *w, unsigned side, enum work_state state, size_t n)
{
	const uint64_t until = clock_mono_ms() + 20000;

	while (count(w, side, state) != n && clock_mono_ms() < until)
		l1_world_wait(&w->w, 10);
	assert_int_equal(count(w, side, state), n);
}

static void lead(struct world *w, unsigned side)
{
	shared_lead(&w->db, (int)side);
	while (!store_leads(w->side[side].store) || store_leads(w->side[!side].store))
		l1_world_wait(&w->w, 5);
}

/* ---- tests ---- */

static void test_kept_by_one_and_known_to_all(void **state)
{
	struct world *w = *state;
	struct work_candidate c[2];

	assert_int_equal(prove(w, 0, 1), PROOF_ACK);
	await_count(w, 1, WORK_CANDIDATE, 1);
	/* The prover did not hear it, and asks the other one. */
	assert_int_equal(prove(w, 1, 1), PROOF_ACK);
	assert_int_equal(shared_count(&w->db, CHANGE_PROOF_PUT), 1);
	assert_int_equal(proofs_counters(w->side[1].proofs)->submits[WORK_DUPLICATE], 1);
	assert_int_equal(prove(w, 1, 2), PROOF_ACK);
	await_count(w, 0, WORK_CANDIDATE, 2);
	assert_int_equal(work_candidates(w->side[0].work, 1, PROVER_TDX, &c[0], 1), 1);
	assert_int_equal(work_candidates(w->side[0].work, 2, PROVER_TDX, &c[1], 1), 1);
	assert_int_equal(c[0].id, 64);
	assert_int_equal(c[1].id, 65);
	assert_string_equal(c[1].source, "10.0.0.5");
}

static void test_only_the_leader_judges(void **state)
{
	struct world *w = *state;
	struct work_candidate c;

	assert_int_equal(prove(w, 0, 1), PROOF_ACK);
	hear_l1(w);
	await_count(w, 0, WORK_CANDIDATE, 1);
	assert_int_equal(count(w, 1, WORK_CANDIDATE), 1);
	proofs_verdict(w->side[0].proofs, 64, WORK_BAD, NULL, "by whom?");
	assert_int_equal(count(w, 0, WORK_CANDIDATE), 1);
	/* One leads, and what was open is judged. */
	lead(w, 1);
	await_count(w, 1, WORK_GOOD, 1);
	await_count(w, 0, WORK_GOOD, 1);
	assert_true(work_find_candidate(w->side[0].work, 64, &c));
	assert_true(c.has_signer && eth_address_equal(&c.signer, &w->signer));
	assert_int_equal(shared_count(&w->db, CHANGE_PROOF_STATE), 1);
	/* And what comes to the other, too. */
	assert_int_equal(prove(w, 0, 2), PROOF_ACK);
	await_count(w, 0, WORK_GOOD, 2);
	/* The other takes over. */
	lead(w, 0);
	assert_int_equal(prove(w, 1, 3), PROOF_ACK);
	await_count(w, 1, WORK_GOOD, 3);
	assert_int_equal(shared_count(&w->db, CHANGE_PROOF_STATE), 3);
}

/* One that was found bad comes again, to a coordinator that may say nothing of states. */
static void test_a_bad_one_comes_to_a_follower(void **state)
{
	struct world *w = *state;
	unsigned i;

	hear_l1(w);
	lead(w, 1);
	assert_int_equal(submit(w, 0, 1, "short", 5), PROOF_ACK);
	await_count(w, 0, WORK_BAD, 1);
	/* Its source is good for nothing now: another one of it is good. */
	for (i = 0; i < 2; i++)
		assert_true(work_foreign_candidate(
		    w->side[i].work, 999,
		    &(struct work_proof){.batch = 2, .source = "10.0.0.5", .type = PROVER_TDX},
		    WORK_GOOD, true, &w->signer));
	assert_int_equal(submit(w, 0, 1, "short", 5), PROOF_ACK);
	assert_int_equal(shared_count(&w->db, CHANGE_PROOF_PUT), 2);
	await_count(w, 0, WORK_BAD, 2);
	await_count(w, 1, WORK_BAD, 2);
}

static void test_a_database_that_cannot_be_reached(void **state)
{
	struct world *w = *state;

	shared_set(&w->db, STORE_UNREACHABLE, false);
	assert_int_equal(prove(w, 0, 1), PROOF_REFUSED);
	assert_string_equal(w->code, "try_again");
	assert_string_equal(w->sentence,
			    "the proof could not be stored: the database cannot be reached");
	assert_int_equal(count(w, 0, WORK_CANDIDATE), 0);
	shared_set(&w->db, STORE_OK, false);
	assert_int_equal(prove(w, 0, 1), PROOF_ACK);
}

/* One that cannot be stored is none here either: it is reached again, and others hear of it. */
static void test_a_verdict_that_is_lost(void **state)
{
	struct world *w = *state;

	lead(w, 0);
	assert_int_equal(prove(w, 0, 1), PROOF_ACK);
	assert_int_equal(prove(w, 0, 2), PROOF_ACK);
	assert_int_equal(prove(w, 0, 3), PROOF_ACK);
	/* What is stored is read. */
	shared_set(&w->db, STORE_DISK, false);
	proofs_verdict(w->side[0].proofs, 64, WORK_BAD, NULL, "it is no good");
	assert_int_equal(count(w, 0, WORK_BAD), 1);
	await_count(w, 0, WORK_CANDIDATE, 3);
	shared_set(&w->db, STORE_OK, false);
	/* That cannot be read either. */
	shared_go(&w->db, true);
	proofs_verdict(w->side[0].proofs, 128, WORK_GOOD, &w->signer, "it is good");
	assert_int_equal(count(w, 0, WORK_GOOD), 1);
	await_count(w, 0, WORK_CANDIDATE, 3);
	shared_go(&w->db, false);
	lead(w, 0);
	await_count(w, 1, WORK_CANDIDATE, 3);
	hear_l1(w);
	await_count(w, 0, WORK_GOOD, 3);
	await_count(w, 1, WORK_GOOD, 3);
}

static void on_commit(void *arg, enum store_rc rc, const struct why *why)
{
	(void)why;
	assert_int_equal(rc, STORE_OK);
	((struct world *)arg)->answers++;
}

/* Handed out by one a moment ago, and proven: the other looks again before it refuses. */
static void test_a_batch_that_is_not_known_yet(void **state)
{
	const struct store_change input = {
	    .kind = CHANGE_INPUT_PUT,
	    .input = {.batch = 9, .commit_hash = span_of("abcdef0", 7), .sha256 = {9}, .size = 10}};
	struct world *w = *state;
	struct why why = {""};

	w->db.quiet = true;
	assert_int_equal(store_commit(w->side[0].store, &input, 1, on_commit, w), STORE_OK);
	while (!w->answers)
		uv_run(&w->loop, UV_RUN_ONCE);
	assert_null(proofs_unwanted(w->side[1].proofs, 9, PROVER_TDX, 100, &why));
	assert_int_equal(prove(w, 1, 9), PROOF_ACK);
	assert_int_equal(prove(w, 1, 10), PROOF_REFUSED);
	assert_string_equal(w->code, "unknown_batch");
	shared_set(&w->db, STORE_UNREACHABLE, false);
	assert_int_equal(prove(w, 1, 10), PROOF_REFUSED);
	assert_string_equal(w->code, "try_again");
	shared_set(&w->db, STORE_OK, false);
}

/* More of them than are looked up at once: a prover would drop what it is told is of no batch. */
static void test_many_of_batches_that_are_not_known_yet(void **state)
{
	struct proof proof = {.prover_type = PROVER_TDX};
	struct world *w = *state;
	char code[sizeof w->code];
	uint64_t batch;

	buf_init(&proof.bytes, 1000);
	buf_init(&proof.public_values, 1);
	assert_true(buf_add(&proof.bytes, "proof", 5));
	shared_set(&w->db, STORE_OK, true);
	for (batch = 11; !w->answers && batch < 100; batch++)
		proofs_submit(w->side[1].proofs, batch, &proof, NULL, "10.0.0.5", on_answer, w);
	memcpy(code, w->code, sizeof code);
	shared_set(&w->db, STORE_OK, false);
	while (w->answers < batch - 11)
		uv_run(&w->loop, UV_RUN_ONCE);
	assert_int_equal(batch, 11 + 16 + 1);
	assert_string_equal(code, "try_again");
	assert_string_equal(w->code, "unknown_batch");
	buf_free(&proof.bytes);
}

static void test_rows_that_go_and_rows_that_are_none(void **state)
{
	struct store_change row = {.kind = CHANGE_PROOF_PUT,
				   .proof = {.id = 7, .batch = 1, .prover_type = PROVER_TDX}};
	struct world *w = *state;
	struct proofs *p = w->side[0].proofs;
	struct why why = {""};

	row.proof.state = WORK_CANDIDATE;
	assert_true(proofs_foreign(p, &row, &why));
	assert_true(proofs_foreign(p, &row, &why));
	assert_int_equal(count(w, 0, WORK_CANDIDATE), 1);
	row.kind = CHANGE_PROOF_DEL;
	assert_true(proofs_foreign(p, &row, &why));
	assert_true(proofs_foreign(p, &row, &why));
	assert_int_equal(count(w, 0, WORK_CANDIDATE), 0);
	row.kind = CHANGE_PROOF_PUT;
	row.proof.state = WORK_STATES;
	assert_false(proofs_foreign(p, &row, &why));
	assert_string_equal(why.text,
			    "another coordinator's proof 7 of batch 1 cannot be taken over");
	row.proof.state = WORK_RESERVED;
	assert_false(proofs_foreign(p, &row, &why));
	row.proof.prover_type = PROVER_TYPES;
	assert_false(proofs_foreign(p, &row, &why));
	assert_false(proofs_restore(p, &row.proof, &why));
	/* What only a dry run can judge stays so, at the start too: the one who judges goes on. */
	row.proof = (struct store_proof){
	    .id = 9, .batch = 1, .prover_type = PROVER_TDX, .state = WORK_UNDECIDED};
	assert_true(proofs_restore(p, &row.proof, &why));
	assert_int_equal(count(w, 0, WORK_UNDECIDED), 1);
}

static enum work_request_rc ask(struct world *w, unsigned side, uint64_t *batch)
{
	static const enum prover_type tdx = PROVER_TDX;
	struct work_grant g = {0};
	struct why why;
	const enum work_request_rc rc =
	    work_request(w->side[side].work, "abcdef0", &tdx,
			 &(struct work_source){"10.0.0.9", false, 0}, clock_mono_ms(), &g, &why);

	*batch = g.batch;
	if (rc == WORK_GRANT)
		work_ungrant(w->side[side].work, g.batch, tdx, g.ticket);
	return rc;
}

/* Before its batch is committed a proof frees others where a key of its source is attested, whoever
 * took it. */
static void test_a_proof_of_another_with_an_attested_source(void **state)
{
	const struct registrar_prover attested = {.signer = {{7}},
						  .kind = REGISTRAR_QUOTE,
						  .payload = span_of("quote", 5),
						  .source = "10.0.0.7"};
	struct store_change row = {.kind = CHANGE_PROOF_PUT,
				   .proof = {.id = 64,
					     .batch = 1,
					     .prover_type = PROVER_TDX,
					     .bytes = span_of("proof", 5),
					     .source = span_of("10.0.0.6", 8),
					     .state = WORK_CANDIDATE}};
	struct world *w = *state;
	struct side *x = &w->side[1];
	struct why why = {""};
	uint64_t batch;

	assert_true(registrar_restore(x->registrar, &attested));
	registrar_set_fit(x->registrar, &attested.signer, REGISTRAR_FIT, "");
	assert_true(registrar_source_attested(x->registrar, "10.0.0.7"));
	assert_true(proofs_foreign(x->proofs, &row, &why));
	assert_int_equal(ask(w, 1, &batch), WORK_GRANT);
	assert_int_equal(batch, 1); /* a stranger's may be anything */
	row.proof.id = 128;
	row.proof.source = span_of("10.0.0.7", 8);
	assert_true(proofs_foreign(x->proofs, &row, &why));
	assert_int_equal(ask(w, 1, &batch), WORK_GRANT);
	assert_int_equal(batch, 2);
	assert_int_equal(ask(w, 0, &batch), WORK_GRANT); /* knows nothing of it yet */
	assert_int_equal(batch, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_kept_by_one_and_known_to_all),
	    TEST(test_only_the_leader_judges),
	    TEST(test_a_bad_one_comes_to_a_follower),
	    TEST(test_a_database_that_cannot_be_reached),
	    TEST(test_a_verdict_that_is_lost),
	    TEST(test_a_batch_that_is_not_known_yet),
	    TEST(test_many_of_batches_that_are_not_known_yet),
	    TEST(test_rows_that_go_and_rows_that_are_none),
	    TEST(test_a_proof_of_another_with_an_attested_source),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
