/* Several books on one store: what another made durable becomes work here, and nobody's is lost. */
#include "work_world.h"

static struct work_proof proof_of(uint64_t batch, const char *source, uint64_t content,
				  uint64_t now)
{
	struct work_proof p = {
	    .batch = batch, .type = PROVER_TDX, .source = source, .received_ms = now, .size = 65};

	digest_of(p.sha256, content);
	return p;
}

static bool show(struct work *w, uint64_t id, uint64_t batch, const char *source, uint64_t content,
		 enum work_state state, bool judged, const struct eth_address *signer)
{
	const struct work_proof p = proof_of(batch, source, content, 100);

	return work_foreign_candidate(w, id, &p, state, judged, signer);
}

static enum work_state state_of(const struct work *w, uint64_t id)
{
	struct work_candidate c;

	return work_find_candidate(w, id, &c) ? c.state : WORK_RESERVED;
}

static size_t leases(const struct work *w)
{
	struct work_counts c;

	work_counts(w, &c);
	return c.leases;
}

static void test_ids_of_two_books_never_meet(void **state)
{
	struct work *w = world_with(limits(), TDX, 1, 9);
	uint64_t id;

	(void)state;
	assert_int_equal(keep(w, 1, PROVER_TDX, "a", 1), 1);
	assert_int_equal(keep(w, 2, PROVER_TDX, "a", 2), 2);
	work_free(w);

	w = world_with(limits(), TDX, 1, 9);
	work_set_ids(w, 5, 64);
	assert_int_equal(keep(w, 1, PROVER_TDX, "a", 1), 5);
	assert_int_equal(keep(w, 2, PROVER_TDX, "a", 2), 64 + 5);
	/* Larger than any that was seen, its own or another's. */
	assert_true(show(w, 10 * 64 + 7, 3, "b", 3, WORK_CANDIDATE, false, NULL));
	id = keep(w, 4, PROVER_TDX, "a", 4);
	assert_int_equal(id, 11 * 64 + 5);
	assert_true(show(w, 20 * 64 + 2, 5, "b", 5, WORK_CANDIDATE, false, NULL));
	assert_int_equal(keep(w, 6, PROVER_TDX, "a", 6), 20 * 64 + 5);
	work_free(w);

	w = world_with(limits(), TDX, 1, 2);
	work_set_ids(w, 0, 64);
	assert_int_equal(keep(w, 1, PROVER_TDX, "a", 1), 64); /* never 0 */
	work_free(w);
}

static void test_a_lease_that_another_gave(void **state)
{
	struct work *w = world_with(limits(), TDX, 1, 2);
	struct work_grant g;
	struct why why;

	(void)state;
	work_foreign_lease(w, 1, PROVER_TDX, "b", 1000, 0);
	work_foreign_lease(w, 1, PROVER_TDX, "b", 999, 1);   /* the same row */
	work_foreign_lease(w, 77, PROVER_TDX, "b", 1000, 0); /* no such batch */
	assert_int_equal(leases(w), 1);
	assert_int_equal(ask_for(w, "abc1234", &tdx, "a", 1, &g, &why), WORK_GRANT);
	assert_int_equal(g.batch, 2);
	/* Another coordinator took that one first: what was given here is over. */
	work_foreign_lease(w, 2, PROVER_TDX, "c", 1000, 1);
	assert_false(work_ungrant(w, 2, PROVER_TDX, g.ticket));
	assert_int_equal(leases(w), 2);
	assert_int_equal(ask(w, &tdx, "a", 2), 0);
	/* Also where it was for the same source, at the same time. */
	work_foreign_unlease(w, 2, PROVER_TDX);
	assert_int_equal(ask_for(w, "abc1234", &tdx, "c", 1, &g, &why), WORK_GRANT);
	assert_int_equal(g.batch, 2);
	work_foreign_lease(w, 2, PROVER_TDX, "c", 1000, 1);
	assert_false(work_ungrant(w, 2, PROVER_TDX, g.ticket));
	assert_int_equal(leases(w), 2);
	/* Given back there. */
	work_foreign_unlease(w, 2, PROVER_TDX);
	work_foreign_unlease(w, 2, PROVER_TDX);
	work_foreign_unlease(w, 77, PROVER_TDX);
	assert_int_equal(ask(w, &tdx, "a", 3), 2);
	/* Expired: by this book's own clock. */
	assert_int_equal(ask(w, &tdx, "d", 1003), 1);
	/* A row whose time is over only ends what was here. */
	work_foreign_lease(w, 2, PROVER_TDX, "b", 0, 1004);
	assert_int_equal(ask(w, &tdx, "d", 1005), 2);
	work_free(w);
}

static void test_it_counts_with_its_source(void **state)
{
	struct work_limits l = limits();
	struct work *w;

	(void)state;
	l.max_leases_per_source = 1;
	w = world_with(l, TDX, 1, 3);
	work_foreign_lease(w, 1, PROVER_TDX, "a", 1000, 0);
	assert_int_equal(ask(w, &tdx, "a", 1), 0);
	assert_int_equal(ask(w, &tdx, "b", 1), 2);
	work_free(w);
}

/* Who was granted a batch elsewhere has its place here, and what it took is learned. */
static void test_a_grant_elsewhere_is_a_claim_here(void **state)
{
	struct work *w = world_with(limits(), TDX, 1, 2);
	const struct work_proof p = {
	    .batch = 1, .type = PROVER_TDX, .source = "b", .received_ms = 300, .size = 65};

	(void)state;
	chain(w, 2, 0);
	work_foreign_lease(w, 1, PROVER_TDX, "b", 1000, 100);
	assert_int_equal(work_longest_ms(w, PROVER_TDX), 0);
	assert_true(work_foreign_candidate(w, 7, &p, WORK_CANDIDATE, false, NULL));
	assert_int_equal(leases(w), 0); /* it has delivered */
	assert_true(work_foreign_candidate(w, 7, &p, WORK_GOOD, true, &key_a));
	assert_int_equal(work_longest_ms(w, PROVER_TDX), 201);
	work_free(w);
}

static void test_requests_spread(void **state)
{
	struct work *w = world_with(limits(), TDX, 1, 4);
	struct work_source from = {"a", false, 2};
	struct work_grant g;
	struct why why;

	(void)state;
	assert_int_equal(work_request(w, "abc1234", &tdx, &from, 0, &g, &why), WORK_GRANT);
	assert_int_equal(g.batch, 3);
	from.skip = 100; /* more than there are: the last */
	assert_int_equal(work_request(w, "abc1234", &tdx, &from, 0, &g, &why), WORK_GRANT);
	assert_int_equal(g.batch, 4);
	from.skip = 0;
	assert_int_equal(work_request(w, "abc1234", &tdx, &from, 0, &g, &why), WORK_GRANT);
	assert_int_equal(g.batch, 1);
	from.skip = 5;
	assert_int_equal(work_request(w, "abc1234", &tdx, &from, 0, &g, &why), WORK_GRANT);
	assert_int_equal(g.batch, 2);
	assert_int_equal(work_request(w, "abc1234", &tdx, &from, 0, &g, &why), WORK_EMPTY);
	work_free(w);
}

static void test_a_proof_that_another_kept(void **state)
{
	struct work *w = world_with(limits(), TDX, 1, 3);
	struct work_counts before, after;
	struct work_judge_at at = {0};
	struct work_candidate c;
	uint64_t id;

	(void)state;
	chain(w, 3, 0);
	assert_true(show(w, 65, 1, "b", 1, WORK_CANDIDATE, false, NULL));
	work_counts(w, &before);
	assert_true(show(w, 65, 1, "b", 1, WORK_CANDIDATE, false, NULL));
	work_counts(w, &after);
	assert_memory_equal(&before, &after, sizeof before);
	assert_int_equal(ask(w, &tdx, "a", 100), 2);
	/* The same bytes come here: kept already. */
	assert_int_equal(offer(w, 1, PROVER_TDX, "b", 1, &id), WORK_DUPLICATE);
	assert_int_equal(id, 65);
	assert_true(work_next_to_judge(w, &at, &c));
	assert_int_equal(c.id, 65);
	/* The leader judged it. */
	assert_true(show(w, 65, 1, "b", 1, WORK_GOOD, true, &key_a));
	assert_true(show(w, 65, 1, "b", 1, WORK_GOOD, true, &key_a));
	assert_int_equal(state_of(w, 65), WORK_GOOD);
	assert_int_equal(work_signer_batches(w, &key_a), 1);
	assert_true(show(w, 65, 1, "b", 1, WORK_BAD, true, &key_b));
	assert_int_equal(state_of(w, 65), WORK_BAD);
	assert_int_equal(ask(w, &tdx, "c", 101), 1);
	/* Its row is gone. */
	work_foreign_forget(w, 65);
	work_foreign_forget(w, 65);
	assert_false(work_find_candidate(w, 65, &c));
	assert_false(show(w, 0, 1, "b", 1, WORK_CANDIDATE, false, NULL));
	assert_false(show(w, 66, 1, "b", 1, WORK_RESERVED, false, NULL));
	work_free(w);
}

static void test_states_that_wait_again(void **state)
{
	struct work *w = world_with(limits(), TDX, 1, 2);
	struct work_judge_at at = {0};
	struct work_candidate c;

	(void)state;
	chain(w, 2, 0);
	assert_true(show(w, 65, 1, "b", 1, WORK_GOOD, true, &key_a));
	assert_false(work_next_to_judge(w, &at, &c));
	assert_true(show(w, 65, 1, "b", 1, WORK_REVERTED, false, NULL));
	at = (struct work_judge_at){0};
	assert_true(work_next_to_judge(w, &at, &c));
	assert_false(c.has_signer);
	/* Its batch knows now that nobody is to blame. */
	assert_int_equal(work_verdict(w, 65, WORK_BAD), WORK_ASIDE);
	assert_true(show(w, 65, 1, "b", 1, WORK_ASIDE, false, NULL));
	at = (struct work_judge_at){0};
	assert_true(work_next_to_judge(w, &at, &c));
	assert_true(show(w, 65, 1, "b", 1, WORK_ASIDE, true, NULL));
	at = (struct work_judge_at){0};
	assert_false(work_next_to_judge(w, &at, &c));
	work_free(w);
}

/* What is being made durable here survives whatever others say, and is said to be gone once its
 * batch is. */
static void test_what_is_on_its_way_survives(void **state)
{
	static const struct work_gone nobody;
	struct work *w = world_with(limits(), TDX, 1, 3);
	uint64_t id;

	(void)state;
	work_set_ids(w, 3, 64);
	assert_int_equal(offer(w, 1, PROVER_TDX, "a", 1, &id), WORK_ACCEPT);
	assert_true(show(w, 65, 1, "b", 1, WORK_CANDIDATE, false, NULL));
	work_foreign_forget(w, id);
	assert_true(show(w, id, 1, "a", 1, WORK_BAD, true, NULL));
	assert_true(work_kept(w, id, 0));
	assert_int_equal(state_of(w, id), WORK_CANDIDATE);
	assert_int_equal(offer(w, 2, PROVER_TDX, "a", 2, &id), WORK_ACCEPT);
	work_foreign_through(w, 2, &nobody);
	assert_false(work_kept(w, id, 0));
	work_release(w, id);
	work_free(w);
}

static void count_input(void *arg, uint64_t batch, const char *commit_hash,
			const uint8_t sha256[32], uint64_t size, bool last_use)
{
	(void)batch, (void)commit_hash, (void)sha256, (void)size, (void)last_use;
	++*(unsigned *)arg;
}

static void test_batches_that_the_leader_dropped(void **state)
{
	struct work *w = world_with(limits(), TDX, 1, 4);
	unsigned inputs = 0;
	const struct work_gone gone = {.input = count_input, .arg = &inputs};
	struct work_counts c;

	(void)state;
	/* L1 is not heard here yet. */
	assert_true(show(w, 65, 2, "b", 2, WORK_CANDIDATE, false, NULL));
	work_foreign_lease(w, 1, PROVER_TDX, "b", 1000, 0);
	work_foreign_through(w, 2, &gone);
	work_foreign_through(w, 2, &gone);
	assert_int_equal(inputs, 2);
	/* Rows of what was dropped are nobody's. */
	assert_true(show(w, 66, 2, "b", 3, WORK_CANDIDATE, false, NULL));
	work_foreign_lease(w, 2, PROVER_TDX, "b", 1000, 0);
	work_counts(w, &c);
	assert_int_equal(c.batches, 2);
	assert_int_equal(c.leases, 0);
	assert_int_equal(c.candidates[WORK_CANDIDATE], 0);
	/* Put again, after L1 went back there: it is work again. */
	assert_int_equal(put(w, 2, "abc1234", 2), WORK_INPUT_NEW);
	assert_true(show(w, 67, 2, "b", 3, WORK_CANDIDATE, false, NULL));
	assert_int_equal(state_of(w, 67), WORK_CANDIDATE);
	work_free(w);
}

/* In a shared store a proof that was found bad is kept as a new one, for the one that judges. */
static void test_a_bad_one_comes_again(void **state)
{
	struct work *w = world_with(limits(), TDX, 1, 2);
	uint64_t id, again;

	(void)state;
	work_set_ids(w, 1, 64);
	chain(w, 2, 0);
	id = keep(w, 1, PROVER_TDX, "a", 1);
	assert_true(work_judged(w, id, WORK_BAD, NULL, 0, NULL));
	assert_int_equal(offer_at(w, 1, PROVER_TDX, "a", 1, 100000, &again), WORK_ACCEPT);
	assert_int_not_equal(again, id);
	assert_int_equal(offer_at(w, 1, PROVER_TDX, "a", 1, 100000, &id), WORK_IN_FLIGHT);
	assert_true(work_kept(w, again, 100000));
	assert_int_equal(offer_at(w, 1, PROVER_TDX, "a", 1, 100000, &id), WORK_DUPLICATE);
	assert_int_equal(id, again);
	work_free(w);
}

/* What is stored is never refused, wherever L1 seems to be from here. */
static void test_inputs_beyond_the_chain_and_the_ceilings(void **state)
{
	struct work_limits l = limits();
	uint8_t sha[32];
	struct why why;
	struct work *w;

	(void)state;
	l.max_batches = 2;
	w = world_with(l, TDX, 1, 2);
	chain(w, 5, 0);
	digest_of(sha, 9);
	assert_int_equal(work_restore_input(w, 3, "abc1234", sha, 1, &why), WORK_INPUT_NEW);
	assert_int_equal(work_restore_input(w, 3, "abc1234", sha, 1, &why), WORK_INPUT_SAME);
	/* Broken here, and put again elsewhere: one input, and whole. */
	work_input_broken(w, 3, "abc1234");
	assert_int_equal(work_restore_input(w, 3, "abc1234", sha, 1, &why), WORK_INPUT_NEW);
	assert_int_equal(work_wanting(w, "abc1234", TDX), 3);
	chain(w, 5, 4);
	assert_int_equal(work_restore_input(w, 4, "abc1234", sha, 1, &why), WORK_INPUT_NEW);
	assert_int_equal(work_wanting(w, "abc1234", TDX), 0);
	work_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_ids_of_two_books_never_meet),
	    cmocka_unit_test(test_a_lease_that_another_gave),
	    cmocka_unit_test(test_it_counts_with_its_source),
	    cmocka_unit_test(test_a_grant_elsewhere_is_a_claim_here),
	    cmocka_unit_test(test_requests_spread),
	    cmocka_unit_test(test_a_proof_that_another_kept),
	    cmocka_unit_test(test_states_that_wait_again),
	    cmocka_unit_test(test_what_is_on_its_way_survives),
	    cmocka_unit_test(test_batches_that_the_leader_dropped),
	    cmocka_unit_test(test_a_bad_one_comes_again),
	    cmocka_unit_test(test_inputs_beyond_the_chain_and_the_ceilings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
