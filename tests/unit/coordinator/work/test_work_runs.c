/* work: what can be sent to L1, what people are told, and many batches. */
#include "work_world.h"

/* ---- runs ---- */

static size_t run_of(const struct work *w, size_t max, bool with_undecided,
		     const struct eth_address *signer, struct work_run *run, struct why *why)
{
	static struct work_run_batch room[WORK_RUN_BATCHES_MAX];

	run->batches = room;
	work_run(w, max, with_undecided, signer, run, why);
	return run->n;
}

static void the_run_is_the_longest_of_one_signer(void **state)
{
	struct work *w = world_with(limits(), TDX, 1, 6);
	struct work_run run;
	struct why why;
	uint64_t id, b2;

	(void)state;
	assert_int_equal(run_of(w, 10, false, NULL, &run, &why), 0);
	assert_non_null(strstr(why.text, "not yet said"));
	chain(w, 6, 0);
	assert_int_equal(run_of(w, 10, false, NULL, &run, &why), 0);
	assert_non_null(strstr(why.text, "batch 1 has no good TDX proof"));
	/* 1: a, b; 2: b, a; 3: b; 4: a */
	id = keep(w, 1, PROVER_TDX, "a", 1);
	assert_int_equal(run_of(w, 10, false, NULL, &run, &why), 0);
	keep(w, 1, PROVER_TDX, "b", 2);
	good(w, id, &key_a);
	good(w, id + 1, &key_b);
	b2 = keep(w, 2, PROVER_TDX, "b", 3);
	keep(w, 2, PROVER_TDX, "a", 4);
	good(w, b2, &key_b);
	good(w, b2 + 1, &key_a);
	good(w, keep(w, 3, PROVER_TDX, "b", 5), &key_b);
	good(w, keep(w, 4, PROVER_TDX, "a", 6), &key_a);
	assert_int_equal(run_of(w, 10, false, NULL, &run, &why), 3);
	assert_int_equal(run.first, 1);
	assert_true(run.has_signer && eth_address_equal(&run.signer, &key_b));
	assert_int_equal(run.batches[1].id[PROVER_TDX], b2);
	assert_true(run.batches[1].decided[PROVER_TDX]);
	assert_int_equal(run.batches[1].id[PROVER_SP1], 0);
	assert_non_null(strstr(why.text, "batch 4"));
	assert_int_equal(run_of(w, 10, false, &key_a, &run, &why), 2);
	assert_int_equal(run_of(w, 2, false, NULL, &run, &why), 2);
	/* What a switch of keys waits for: a's proof of 4 lies behind b's of 3. */
	assert_int_equal(work_signer_batches(w, &key_a), 3);
	assert_int_equal(work_signer_run(w, &key_a), 2);
	assert_int_equal(work_signer_run(w, &key_b), 3);
	chain(w, 6, 2);
	assert_int_equal(work_signer_run(w, &key_a), 0);
	chain(w, 6, 3);
	assert_int_equal(work_signer_run(w, &key_a), 1);
	assert_int_equal(run_of(w, 10, false, NULL, &run, &why), 1);
	assert_true(eth_address_equal(&run.signer, &key_a));
	chain(w, 3, 3);
	assert_int_equal(run_of(w, 10, false, NULL, &run, &why), 0);
	assert_non_null(strstr(why.text, "batch 4 is not committed"));
	work_free(w);
}

static void every_needed_type_is_in_the_run(void **state)
{
	struct work *w = world_with(limits(), TDX | SP1, 1, 2);
	struct work_run run;
	struct why why;
	uint64_t t1, s1;

	(void)state;
	chain(w, 2, 0);
	t1 = keep(w, 1, PROVER_TDX, "a", 1);
	good(w, t1, &key_a);
	assert_int_equal(run_of(w, 10, true, &key_a, &run, &why), 0);
	assert_non_null(strstr(why.text, "SP1"));
	s1 = keep(w, 1, PROVER_SP1, "a", 2);
	work_judged(w, s1, WORK_UNDECIDED, NULL, 0, NULL);
	assert_int_equal(run_of(w, 10, false, &key_a, &run, &why), 0);
	assert_int_equal(run_of(w, 10, true, &key_a, &run, &why), 1);
	assert_int_equal(run.mask, TDX | SP1);
	assert_int_equal(run.batches[0].id[PROVER_TDX], t1);
	assert_int_equal(run.batches[0].id[PROVER_SP1], s1);
	assert_false(run.batches[0].decided[PROVER_SP1]);
	work_free(w);
}

static void a_run_stops_at_a_gap(void **state)
{
	struct work *w = world_with(limits(), EXEC, 1, 1);
	struct work_run run;
	struct why why;

	(void)state;
	assert_int_equal(put(w, 3, "abc1234", 3), WORK_INPUT_NEW);
	chain(w, 3, 0);
	good(w, keep(w, 1, PROVER_EXEC, "a", 1), NULL);
	good(w, keep(w, 3, PROVER_EXEC, "a", 3), NULL);
	assert_int_equal(run_of(w, 10, false, NULL, &run, &why), 1);
	assert_false(run.has_signer);
	assert_non_null(strstr(why.text, "batch 2 has no input"));
	work_free(w);
}

/* ---- for people ---- */

static const char *waiting(struct work *w, uint64_t now, uint64_t expect)
{
	static struct why why;
	uint64_t batch = 0;

	assert_true(work_oldest_waiting(w, now, &batch, &why));
	assert_int_equal(batch, expect);
	return why.text;
}

static void it_is_said_what_the_oldest_batch_waits_for(void **state)
{
	struct work *w = world_with(limits(), 0, 8, 9);
	struct why why;
	uint64_t id, batch;

	(void)state;
	assert_non_null(strstr(waiting(w, 0, 0), "L1 has not yet said"));
	work_set_needed(w, TDX);
	chain(w, 8, 6);
	assert_string_equal(waiting(w, 0, 7), "batch 7 waits for its input");
	chain(w, 8, 7);
	assert_string_equal(waiting(w, 0, 8),
			    "batch 8 waits for a TDX prover with commit hash abc1234");
	assert_int_equal(ask(w, &tdx, "10.0.0.7", 0), 8);
	assert_string_equal(
	    waiting(w, 400, 8),
	    "batch 8 waits: TDX is leased to 10.0.0.7, and for 1 s more to nobody else");
	id = keep(w, 8, PROVER_TDX, "10.0.0.7", 1);
	assert_non_null(strstr(waiting(w, 0, 8), "1 TDX proof is to be judged"));
	work_judged(w, id, WORK_UNDECIDED, NULL, 0, NULL);
	assert_non_null(strstr(waiting(w, 0, 8), "dry run"));
	work_judged(w, id, WORK_BAD, NULL, 0, NULL);
	assert_non_null(strstr(waiting(w, 0, 8), "1 proof was bad"));
	work_set_signer(w, WORK_SIGNER_IS, &key_a);
	id = keep(w, 8, PROVER_TDX, "b", 2);
	good(w, id, &key_b);
	assert_non_null(strstr(waiting(w, 0, 8), "by another key"));
	work_set_signer(w, WORK_SIGNER_IS, &key_b);
	keep(w, 9, PROVER_TDX, "b", 3);
	assert_non_null(strstr(waiting(w, 0, 9), "waits to be committed"));
	chain(w, 9, 9);
	assert_false(work_oldest_waiting(w, 0, &batch, &why));
	assert_string_equal(why.text, "no batch waits for a proof");
	chain(w, 12, 9);
	assert_string_equal(waiting(w, 0, 10), "batch 10 waits for its input");
	work_free(w);
}

static void batches_and_counts_are_listed(void **state)
{
	struct work *w = world_with(limits(), TDX, 4, 5);
	struct work_batch_info info;
	struct work_counts counts;

	(void)state;
	chain(w, 4, 3);
	assert_int_equal(put(w, 5, "v2", 1000), WORK_INPUT_NEW);
	assert_int_equal(ask(w, &tdx, "x", 0), 4);
	keep(w, 5, PROVER_TDX, "y", 1);
	assert_true(work_next_batch(w, 0, 10, &info));
	assert_int_equal(info.batch, 4);
	assert_true(info.committed && !info.verified && info.type[PROVER_TDX].leased);
	assert_string_equal(info.type[PROVER_TDX].lease_source, "x");
	assert_true(work_next_batch(w, 5, 10, &info));
	assert_int_equal(info.inputs, 2);
	assert_int_equal(info.input_bytes, 15 + 1010);
	/* A stranger's proof that nobody can judge yet. */
	assert_true(!info.committed && !info.type[PROVER_TDX].satisfied);
	assert_int_equal(info.type[PROVER_TDX].candidates[WORK_CANDIDATE], 1);
	assert_false(work_next_batch(w, 6, 10, &info));
	work_counts(w, &counts);
	assert_int_equal(counts.batches, 2);
	assert_int_equal(counts.inputs, 3);
	assert_int_equal(counts.versions, 2);
	assert_int_equal(counts.leases, 1);
	assert_int_equal(counts.sources, 2);
	assert_int_equal(counts.wanting[PROVER_TDX], 2);
	work_free(w);
}

/* Somebody has it still, and need not go on. */
static void a_lease_of_what_is_there_is_no_work(void **state)
{
	struct work *w = world_with(limits(), TDX, 1, 3);
	struct work_batch_info info;
	struct work_counts counts;

	(void)state;
	assert_int_equal(ask(w, &tdx, "x", 0), 1);
	assert_int_equal(ask(w, &tdx, "x", 0), 2);
	assert_int_equal(ask(w, &tdx, "x", 0), 3);
	/* Another had it before, and its proof was kept elsewhere and judged there. */
	chain(w, 3, 0);
	good(w, keep(w, 1, PROVER_TDX, "y", 1), &key_a);
	assert_true(work_foreign_candidate(w, 65,
					   &(struct work_proof){.batch = 2,
								.type = PROVER_TDX,
								.source = "z",
								.received_ms = 5,
								.size = 65,
								.sha256 = {9}},
					   WORK_GOOD, true, &key_a));
	work_counts(w, &counts);
	assert_int_equal(counts.leases, 1);
	assert_true(work_next_batch(w, 2, 10, &info));
	assert_int_equal(info.batch, 2);
	assert_true(info.type[PROVER_TDX].satisfied && !info.type[PROVER_TDX].leased);
	/* It is bad after all, and the first is verified: who has it may go on. */
	assert_true(work_foreign_candidate(w, 65,
					   &(struct work_proof){.batch = 2,
								.type = PROVER_TDX,
								.source = "z",
								.received_ms = 5,
								.size = 65,
								.sha256 = {9}},
					   WORK_BAD, true, NULL));
	work_counts(w, &counts);
	assert_int_equal(counts.leases, 2);
	assert_true(work_next_batch(w, 2, 10, &info));
	assert_true(info.type[PROVER_TDX].leased);
	work_set_needed(w, SP1);
	work_counts(w, &counts);
	assert_int_equal(counts.leases, 0);
	work_set_needed(w, TDX);
	chain(w, 3, 2);
	work_counts(w, &counts);
	assert_int_equal(counts.leases, 1);
	chain(w, 3, 3);
	work_counts(w, &counts);
	assert_int_equal(counts.leases, 0);
	work_free(w);
}

static void a_lease_ends_though_nobody_asks(void **state)
{
	struct work *w = world_with(limits(), TDX, 1, 1);
	struct work_counts counts;

	(void)state;
	assert_int_equal(ask(w, &tdx, "x", 0), 1);
	work_expire(w, 999);
	work_counts(w, &counts);
	assert_int_equal(counts.leases, 1);
	work_expire(w, 1000);
	work_counts(w, &counts);
	assert_int_equal(counts.leases, 0);
	work_free(w);
}

/* 100,000 batches, put in an awkward order, leased, proven out of order and verified: it would take
 * minutes if any step looked at all of them. */
static void a_hundred_thousand_batches(void **state)
{
	struct work_limits l = limits();
	const uint64_t n = 100000;
	struct work *w;
	uint64_t i, id;
	struct work_counts counts;

	(void)state;
	l.max_batches = l.max_inputs = n;
	l.max_candidates_per_source = 1000000;
	l.lease_ms = 1000000;
	w = work_new(&l);
	work_set_needed(w, TDX);
	chain(w, 0, 0);
	for (i = 0; i < n / 2; i++) {
		assert_int_equal(put(w, n / 2 - i, "abc1234", i), WORK_INPUT_NEW);
		assert_int_equal(put(w, n / 2 + 1 + i, "abc1234", i), WORK_INPUT_NEW);
	}
	for (i = 1; i <= n; i++)
		assert_int_equal(ask(w, &tdx, "a", 0), i);
	assert_int_equal(ask(w, &tdx, "a", 0), 0);
	for (i = n; i >= 1; i--) {
		id = keep(w, i, PROVER_TDX, "a", i);
		good(w, id, &key_a);
	}
	work_counts(w, &counts);
	assert_int_equal(counts.candidates[WORK_GOOD], n);
	assert_int_equal(counts.leases, 0);
	for (i = 1; i <= n; i += 10)
		chain(w, n, i);
	chain(w, n, n);
	work_counts(w, &counts);
	assert_int_equal(counts.batches + counts.inputs, 0);
	assert_int_equal(counts.sources, 1); /* it did well: that is remembered */
	work_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_run_is_the_longest_of_one_signer),
	    cmocka_unit_test(every_needed_type_is_in_the_run),
	    cmocka_unit_test(a_run_stops_at_a_gap),
	    cmocka_unit_test(it_is_said_what_the_oldest_batch_waits_for),
	    cmocka_unit_test(batches_and_counts_are_listed),
	    cmocka_unit_test(a_lease_of_what_is_there_is_no_work),
	    cmocka_unit_test(a_lease_ends_though_nobody_asks),
	    cmocka_unit_test(a_hundred_thousand_batches),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
