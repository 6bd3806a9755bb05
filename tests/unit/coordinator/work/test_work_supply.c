/* What whoever brings inputs asks, and whoever gets batches verified elsewhere. */
#include "work_world.h"

static void keep_good(struct work *w, uint64_t batch, enum prover_type type, uint64_t v,
		      enum work_state state, const struct eth_address *signer)
{
	struct work_proof p = {.batch = batch, .type = type, .source = "a", .size = 65};
	static const struct work_gone nobody;
	struct why why;
	uint64_t id;

	digest_of(p.sha256, v);
	assert_int_equal(work_submit_check(w, &p, &id, &why), WORK_ACCEPT);
	assert_true(work_kept(w, id, 0));
	if (state != WORK_CANDIDATE)
		assert_true(work_judged(w, id, state, signer, 0, &nobody));
}

static void what_is_open_and_wanted(void **state)
{
	struct work *w = world_with(limits(), TDX | SP1, 1, 3);
	const struct work_source from = {"a", false, 0};
	struct work_grant g;

	(void)state;
	assert_int_equal(work_open(w, "abc1234", TDX), 3);
	assert_int_equal(work_request(w, "abc1234", &tdx, &from, 0, &g, NULL), WORK_GRANT);
	assert_int_equal(work_open(w, "abc1234", TDX), 2);
	assert_int_equal(work_wanting(w, "abc1234", TDX), 3);
	assert_int_equal(work_open(w, "abc1234", SP1), 3);
	assert_int_equal(work_open(w, "abc1234", WORK_TYPES_ALL), 3);
	assert_int_equal(work_open(w, "abc1234", EXEC), 0);
	assert_int_equal(work_open(w, "other00", TDX), 0);
	assert_int_equal(work_wanting(w, "other00", TDX), 0);
	work_free(w);
}

static void a_gap_is_seen(void **state)
{
	struct work *w = world_with(limits(), TDX, 1, 3);

	(void)state;
	assert_false(work_has_gap(w)); /* the chain is not known: who knows where it begins */
	chain(w, 0, 0);
	assert_false(work_has_gap(w));
	put(w, 5, "abc1234", 5);
	assert_true(work_has_gap(w));
	put(w, 4, "abc1234", 4);
	assert_false(work_has_gap(w));
	work_input_broken(w, 2, "abc1234");
	assert_true(work_has_gap(w));
	put(w, 2, "abc1234", 2);
	assert_false(work_has_gap(w));
	chain(w, 5, 5);
	assert_false(work_has_gap(w));
	put(w, 7, "abc1234", 7); /* the very next is missing */
	assert_true(work_has_gap(w));
	work_free(w);
}

static void one_hash_alone(void **state)
{
	struct work *w = world_with(limits(), TDX, 1, 2);

	(void)state;
	assert_string_equal(work_only_hash(w), "abc1234");
	put(w, 3, "other00", 3);
	assert_null(work_only_hash(w));
	chain(w, 2, 2); /* the former version's are verified */
	assert_string_equal(work_only_hash(w), "other00");
	chain(w, 3, 3);
	assert_null(work_only_hash(w));
	work_free(w);
}

static void good_proofs_in_order(void **state)
{
	struct work *w = world_with(limits(), TDX | SP1, 1, 5);
	struct work_good at = {0};

	(void)state;
	work_set_signer(w, WORK_SIGNER_IS, &key_a);
	assert_false(work_next_good(w, &at, 100)); /* nothing is known to be committed */
	chain(w, 4, 0);
	keep_good(w, 2, PROVER_TDX, 1, WORK_GOOD, &key_b); /* another key's */
	keep_good(w, 2, PROVER_TDX, 2, WORK_GOOD, &key_a);
	keep_good(w, 2, PROVER_SP1, 3, WORK_UNDECIDED, NULL);
	keep_good(w, 3, PROVER_TDX, 4, WORK_UNDECIDED, NULL); /* nobody's key: no proof */
	keep_good(w, 4, PROVER_TDX, 5, WORK_CANDIDATE, NULL);
	keep_good(w, 4, PROVER_SP1, 6, WORK_BAD, NULL);
	keep_good(w, 5, PROVER_TDX, 7, WORK_GOOD, &key_a); /* not committed */
	assert_true(work_next_good(w, &at, 100));
	assert_int_equal(at.batch, 2);
	assert_int_equal(at.type, PROVER_SP1);
	assert_true(work_is_good(w, at.id));
	assert_true(work_next_good(w, &at, 100));
	assert_int_equal(at.batch, 2);
	assert_int_equal(at.type, PROVER_TDX);
	assert_true(work_is_good(w, at.id));
	assert_false(work_next_good(w, &at, 100));
	/* One batch a look: it goes on where it was. */
	at = (struct work_good){0};
	assert_false(work_next_good(w, &at, 1));
	assert_true(work_next_good(w, &at, 1));
	assert_int_equal(at.batch, 2);
	/* The key changes, and with it whose proof stands. */
	work_set_signer(w, WORK_SIGNER_IS, &key_b);
	at = (struct work_good){2, PROVER_SP1, 1};
	assert_true(work_next_good(w, &at, 100));
	assert_int_equal(at.id, 1);
	assert_false(work_is_good(w, 2));
	chain(w, 4, 2);
	assert_false(work_is_good(w, 1));
	assert_false(work_is_good(w, 99));
	work_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_open_and_wanted),
	    cmocka_unit_test(a_gap_is_seen),
	    cmocka_unit_test(one_hash_alone),
	    cmocka_unit_test(good_proofs_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
