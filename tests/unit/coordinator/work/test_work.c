/* work: requests, inputs, candidates. */
#include "work_world.h"

/* ---- requests ---- */

static void oldest_first_and_a_gap_blocks_nothing(void **state)
{
	struct work *w = world_with(limits(), TDX, 5, 7);

	(void)state;
	chain(w, 0, 2); /* 3 and 4 are missing */
	assert_int_equal(ask(w, &tdx, "a", 0), 5);
	assert_int_equal(ask(w, &tdx, "a", 0), 6);
	assert_int_equal(put(w, 3, "abc1234", 3), WORK_INPUT_NEW);
	assert_int_equal(ask(w, &tdx, "a", 0), 3);
	assert_int_equal(ask(w, &tdx, "a", 0), 7);
	assert_int_equal(ask(w, &tdx, "a", 999), 0);
	assert_int_equal(ask(w, &tdx, "a", 1000), 3);
	work_free(w);
}

static void a_grant_says_which_bytes(void **state)
{
	struct work *w = world_with(limits(), TDX, 9, 9);
	struct work_grant g;
	uint8_t sha[32], got[32];
	uint64_t size;

	(void)state;
	assert_int_equal(put(w, 9, "fff0000", 77), WORK_INPUT_NEW);
	assert_int_equal(ask_for(w, "fff0000", &tdx, "a", 5, &g, NULL), WORK_GRANT);
	digest_of(sha, 77);
	assert_memory_equal(g.sha256, sha, 32);
	assert_int_equal(g.size, 87);
	assert_int_equal(g.expires_ms, 1005);
	assert_true(work_input(w, 9, "abc1234", got, &size));
	assert_int_equal(size, 19);
	assert_false(work_input(w, 9, "0000000", got, &size));
	/* Leased for one version is leased for all. */
	assert_int_equal(ask_for(w, "abc1234", &tdx, "a", 5, &g, NULL), WORK_EMPTY);
	work_free(w);
}

static void ungrant_gives_back_only_its_own(void **state)
{
	struct work *w = world_with(limits(), TDX, 1, 1);
	struct work_grant g, h;

	(void)state;
	assert_int_equal(ask_for(w, "abc1234", &tdx, "a", 0, &g, NULL), WORK_GRANT);
	work_ungrant(w, 1, PROVER_TDX, g.ticket);
	assert_int_equal(ask_for(w, "abc1234", &tdx, "b", 0, &h, NULL), WORK_GRANT);
	work_ungrant(w, 1, PROVER_TDX, g.ticket);
	work_ungrant(w, 1, PROVER_TDX, 0);
	work_ungrant(w, 77, PROVER_TDX, 3);
	work_ungrant(w, 1, PROVER_SP1, 3);
	assert_int_equal(ask(w, &tdx, "c", 0), 0);
	work_free(w);
}

static void versions_as_the_design_says(void **state)
{
	struct work_limits l = limits();
	struct work *w = work_new(&l);
	struct work_grant g;
	struct why why;

	(void)state;
	assert_int_equal(put(w, 1, "abc1234", 1), WORK_INPUT_NEW);
	/* Needed types not known: empty, whoever asks. */
	assert_int_equal(ask_for(w, "abc1234", &tdx, "a", 0, &g, &why), WORK_EMPTY);
	assert_int_equal(ask_for(w, "other00", &sp1, "a", 0, &g, &why), WORK_EMPTY);
	assert_non_null(strstr(why.text, "L1 has not yet said"));
	work_set_needed(w, TDX);
	assert_int_equal(ask_for(w, "abc1234", &sp1, "a", 0, &g, &why), WORK_NOT_NEEDED);
	assert_non_null(strstr(why.text, "SP1"));
	assert_int_equal(ask_for(w, "other00", &tdx, "a", 0, &g, &why), WORK_VERSION_MISMATCH);
	assert_non_null(strstr(why.text, "other00"));
	assert_non_null(strstr(why.text, "abc1234"));
	/* Leased under the other hash is still work for it. */
	assert_int_equal(ask(w, &tdx, "a", 0), 1);
	assert_int_equal(ask_for(w, "other00", &tdx, "a", 0, &g, &why), WORK_VERSION_MISMATCH);
	assert_int_equal(ask_for(w, "abc1234", &tdx, "a", 0, &g, &why), WORK_EMPTY);
	/* Proven: nothing for anybody, and the other's is still not the one that inputs come under.
	 */
	chain(w, 1, 0);
	keep(w, 1, PROVER_TDX, "a", 1);
	assert_int_equal(ask_for(w, "other00", &tdx, "a", 0, &g, &why), WORK_VERSION_MISMATCH);
	assert_non_null(strstr(why.text, "inputs come under commit hash abc1234"));
	assert_int_equal(ask_for(w, "", &tdx, "a", 0, &g, &why), WORK_VERSION_MISMATCH);
	assert_int_equal(ask_for(w, "abc1234", &tdx, "a", 0, &g, &why), WORK_EMPTY);
	/* Verified and dropped: they came under it last. */
	chain(w, 1, 1);
	assert_int_equal(ask_for(w, "other00", &tdx, "a", 0, &g, &why), WORK_VERSION_MISMATCH);
	assert_int_equal(ask_for(w, "abc1234", &tdx, "a", 0, &g, &why), WORK_EMPTY);
	/* An upgrade: the former one is told so once nothing is left for it. */
	assert_int_equal(put(w, 2, "abc1234", 2), WORK_INPUT_NEW);
	assert_int_equal(put(w, 3, "other00", 3), WORK_INPUT_NEW);
	assert_int_equal(ask_for(w, "abc1234", &tdx, "a", 0, &g, &why), WORK_GRANT);
	assert_int_equal(ask_for(w, "abc1234", &tdx, "a", 0, &g, &why), WORK_EMPTY);
	chain(w, 3, 1);
	good(w, keep(w, 2, PROVER_TDX, "a", 2), &key_a);
	assert_int_equal(ask_for(w, "abc1234", &tdx, "a", 0, &g, &why), WORK_VERSION_MISMATCH);
	/* Two builds side by side. */
	assert_int_equal(put(w, 3, "abc1234", 4), WORK_INPUT_NEW);
	good(w, keep(w, 3, PROVER_TDX, "a", 3), &key_a);
	assert_int_equal(ask_for(w, "abc1234", &tdx, "a", 0, &g, &why), WORK_EMPTY);
	assert_int_equal(ask_for(w, "other00", &tdx, "a", 0, &g, &why), WORK_EMPTY);
	work_free(w);
}

static void exec_when_the_contract_needs_none(void **state)
{
	struct work *w = world_with(limits(), EXEC, 1, 1);
	struct work_grant g;

	(void)state;
	assert_int_equal(ask_for(w, "abc1234", &tdx, "a", 0, &g, NULL), WORK_NOT_NEEDED);
	assert_int_equal(ask(w, &exec_type, "a", 0), 1);
	work_free(w);
}

static void old_dialects_get_the_oldest_lacking_anything_without_a_lease(void **state)
{
	struct work *w = world_with(limits(), TDX | SP1, 1, 3);
	struct work_grant g;

	(void)state;
	assert_int_equal(ask_for(w, "abc1234", NULL, "old", 0, &g, NULL), WORK_GRANT);
	assert_int_equal(g.batch, 1);
	assert_int_equal(g.ticket, 0);
	assert_int_equal(ask(w, NULL, "old", 0), 1);
	chain(w, 3, 0);
	keep(w, 1, PROVER_TDX, "x", 1);
	assert_int_equal(ask(w, NULL, "old", 0), 1);
	keep(w, 1, PROVER_SP1, "x", 2);
	assert_int_equal(ask(w, NULL, "old", 0), 2);
	assert_int_equal(ask_for(w, "zzz", NULL, "old", 0, &g, NULL), WORK_VERSION_MISMATCH);
	work_free(w);
}

static void a_source_has_a_quota_of_leases(void **state)
{
	struct work_limits l = limits();
	struct work *w;
	struct why why;
	struct work_grant g;

	(void)state;
	l.max_leases_per_source = 2;
	w = world_with(l, TDX, 1, 5);
	chain(w, 5, 0);
	assert_int_equal(ask(w, &tdx, "greedy", 0), 1);
	assert_int_equal(ask(w, &tdx, "greedy", 0), 2);
	assert_int_equal(ask_for(w, "abc1234", &tdx, "greedy", 0, &g, &why), WORK_EMPTY);
	assert_non_null(strstr(why.text, "greedy has 2 batches"));
	assert_int_equal(ask(w, &tdx, "modest", 0), 3);
	keep(w, 1, PROVER_TDX, "greedy", 1);
	assert_int_equal(ask(w, &tdx, "greedy", 0), 4);
	assert_int_equal(ask(w, &tdx, "greedy", 1000), 2); /* its leases have expired */
	work_free(w);
}

static void leases_come_back_after_a_restart(void **state)
{
	struct work *w = world_with(limits(), TDX, 1, 4);

	(void)state;
	work_restore_lease(w, 1, PROVER_TDX, "a", 500, 100);
	work_restore_lease(w, 2, PROVER_TDX, "a", 0, 100);          /* expired */
	work_restore_lease(w, 3, PROVER_TDX, "a", UINT64_MAX, 100); /* a clock that was wrong */
	work_restore_lease(w, 99, PROVER_TDX, "a", 600, 100);       /* no such batch */
	assert_int_equal(ask(w, &tdx, "b", 100), 2);
	assert_int_equal(ask(w, &tdx, "b", 100), 4);
	assert_int_equal(ask(w, &tdx, "b", 100), 0);
	assert_int_equal(ask(w, &tdx, "b", 600), 1);
	assert_int_equal(ask(w, &tdx, "b", 1100), 2);
	assert_int_equal(ask(w, &tdx, "b", 1100), 3);
	work_free(w);
}

/* ---- inputs ---- */

static void inputs_same_other_verified_and_too_many(void **state)
{
	struct work_limits l = limits();
	struct work *w;
	struct why why;
	uint8_t sha[32];
	char text[100];

	(void)state;
	l.max_batches = 3;
	l.max_inputs = 4;
	w = world_with(l, TDX, 11, 13);
	digest_of(sha, 11);
	assert_int_equal(put(w, 11, "abc1234", 11), WORK_INPUT_SAME);
	assert_int_equal(work_check_input(w, 11, "abc1234", NULL, &why), WORK_INPUT_SAME);
	assert_int_equal(put(w, 11, "abc1234", 12), WORK_INPUT_CONFLICT);
	assert_int_equal(work_add_input(w, 14, "abc1234", sha, 1, &why), WORK_INPUT_NO_ROOM);
	assert_non_null(strstr(why.text, "3 batches"));
	chain(w, 0, 10);
	assert_int_equal(work_add_input(w, 10, "abc1234", sha, 1, &why), WORK_INPUT_VERIFIED);
	assert_non_null(strstr(why.text, "batch 10"));
	assert_int_equal(put(w, 11, "v2", 1), WORK_INPUT_NEW);
	assert_int_equal(work_add_input(w, 12, "v2", sha, 1, &why), WORK_INPUT_NO_ROOM);
	assert_non_null(strstr(why.text, "4 inputs"));
	assert_int_equal(put(w, 13, "", 1), WORK_INPUT_BAD);
	memset(text, 'a', sizeof text);
	text[65] = '\0';
	assert_int_equal(put(w, 13, text, 1), WORK_INPUT_BAD);
	work_free(w);
}

static void the_batch_all_wait_for_always_finds_room(void **state)
{
	struct work_limits l = limits();
	struct work *w;

	(void)state;
	l.max_batches = 3;
	l.max_inputs = 3;
	w = world_with(l, TDX, 11, 13);
	chain(w, 0, 8);
	assert_int_equal(put(w, 10, "abc1234", 10), WORK_INPUT_NO_ROOM);
	assert_int_equal(put(w, 9, "abc1234", 9), WORK_INPUT_NEW);
	assert_int_equal(ask(w, &tdx, "a", 0), 9);
	work_free(w);
}

static void versions_have_a_ceiling_and_are_freed(void **state)
{
	struct work_limits l = limits();
	struct work *w;

	(void)state;
	l.max_versions = 2;
	w = world_with(l, TDX, 1, 1);
	assert_int_equal(put(w, 2, "second", 2), WORK_INPUT_NEW);
	assert_int_equal(put(w, 3, "third", 3), WORK_INPUT_NO_ROOM);
	chain(w, 1, 1);
	assert_int_equal(put(w, 3, "third", 3), WORK_INPUT_NEW);
	work_free(w);
}

/* ---- candidates ---- */

static void a_kept_proof_ends_the_lease_and_a_duplicate_is_dropped(void **state)
{
	struct work *w = world_with(limits(), TDX, 1, 2);
	uint64_t id, other;

	(void)state;
	chain(w, 2, 0);
	assert_int_equal(ask(w, &tdx, "a", 0), 1);
	assert_int_equal(offer(w, 1, PROVER_TDX, "a", 50, &id), WORK_ACCEPT);
	assert_int_equal(offer(w, 1, PROVER_TDX, "a", 50, &other), WORK_IN_FLIGHT);
	assert_true(work_kept(w, id, 0));
	assert_int_equal(offer(w, 1, PROVER_TDX, "b", 50, &other), WORK_DUPLICATE);
	assert_int_equal(ask(w, &tdx, "b", 0), 2);
	/* Past its lease, and with a candidate there: another one is welcome until one is good. */
	keep(w, 1, PROVER_TDX, "b", 51);
	good(w, id, &key_a);
	assert_int_equal(offer(w, 1, PROVER_TDX, "b", 52, &other), WORK_DUPLICATE);
	assert_int_equal(ask(w, &tdx, "b", 5000), 2);
	work_free(w);
}

static void every_refusal_says_its_value(void **state)
{
	struct work_limits l = limits();
	struct work *w = world_with(l, 0, 1, 3);
	struct work_proof p = {.batch = 1, .type = PROVER_TDX, .source = "10.0.0.7", .size = 65};
	struct why why;
	uint64_t id;

	(void)state;
	assert_int_equal(work_submit_check(w, &p, &id, &why), WORK_NOT_YET);
	work_set_needed(w, TDX);
	p.batch = 4;
	assert_int_equal(work_submit_check(w, &p, &id, &why), WORK_UNKNOWN_BATCH);
	assert_non_null(strstr(why.text, "batch 4"));
	p.batch = 1;
	p.type = PROVER_RISC0;
	assert_int_equal(work_submit_check(w, &p, &id, &why), WORK_TYPE_NOT_NEEDED);
	assert_non_null(strstr(why.text, "RISC0"));
	p.type = PROVER_TDX;
	p.size = 100001;
	assert_int_equal(work_submit_check(w, &p, &id, &why), WORK_TOO_BIG);
	assert_non_null(strstr(why.text, "100001"));
	p.size = 100000;
	keep(w, 1, PROVER_TDX, "10.0.0.7", 1);
	p.sha256[0] = 9;
	assert_int_equal(work_submit_check(w, &p, &id, &why), WORK_SOURCE_QUOTA);
	assert_non_null(strstr(why.text, "10.0.0.7 has sent a TDX proof for batch 1"));
	keep(w, 1, PROVER_TDX, "b", 2);
	keep(w, 1, PROVER_TDX, "c", 3);
	keep(w, 1, PROVER_TDX, "d", 4);
	p.source = "e";
	assert_int_equal(work_submit_check(w, &p, &id, &why), WORK_NO_ROOM);
	assert_non_null(strstr(why.text, "batch 1 has 4 TDX proofs"));
	chain(w, 1, 1);
	assert_int_equal(work_submit_check(w, &p, &id, &why), WORK_DUPLICATE);
	work_free(w);
}

static void a_source_has_a_quota_over_all_batches(void **state)
{
	struct work_limits l = limits();
	struct work *w;
	uint64_t id;

	(void)state;
	l.max_candidates_per_source = 3;
	w = world_with(l, TDX, 1, 9);
	keep(w, 1, PROVER_TDX, "a", 1);
	keep(w, 2, PROVER_TDX, "a", 2);
	assert_int_equal(offer(w, 3, PROVER_TDX, "a", 3, &id), WORK_ACCEPT);
	assert_int_equal(offer(w, 4, PROVER_TDX, "a", 4, &(uint64_t){0}), WORK_SOURCE_QUOTA);
	work_release(w, id);
	work_release(w, id);
	id = keep(w, 4, PROVER_TDX, "a", 4);
	assert_int_equal(offer(w, 5, PROVER_TDX, "a", 5, &(uint64_t){0}), WORK_SOURCE_QUOTA);
	good(w, id, &key_a);
	keep(w, 5, PROVER_TDX, "a", 5);
	keep(w, 6, PROVER_TDX, "b", 6);
	work_free(w);
}

static void a_released_reservation_opens_the_batch(void **state)
{
	struct work_limits l = limits();
	struct work *w;
	uint64_t id;

	(void)state;
	l.max_candidates = 1;
	w = world_with(l, TDX, 1, 1);
	assert_int_equal(offer(w, 1, PROVER_TDX, "a", 1, &id), WORK_ACCEPT);
	assert_int_equal(ask(w, &tdx, "b", 0), 0); /* its proof would find no room */
	work_release(w, id);
	assert_int_equal(ask(w, &tdx, "b", 0), 1);
	work_free(w);
}

static void a_bad_proof_opens_the_batch_but_not_at_once_for_its_source(void **state)
{
	struct work *w = world_with(limits(), TDX, 1, 1);
	uint64_t id;

	(void)state;
	chain(w, 1, 0);
	assert_int_equal(ask(w, &tdx, "liar", 0), 1);
	id = keep(w, 1, PROVER_TDX, "liar", 1);
	assert_int_equal(ask(w, &tdx, "b", 0), 0);
	assert_true(work_judged(w, id, WORK_BAD, NULL, 100, NULL));
	assert_int_equal(ask(w, &tdx, "liar", 200), 0);
	assert_int_equal(ask(w, &tdx, "liar", 1100), 1);
	/* It has been out long enough since its first grant. */
	assert_int_equal(ask(w, &tdx, "b", 1200), 1);
	assert_false(work_judged(w, 999, WORK_BAD, NULL, 0, NULL));
	work_free(w);
}

static void an_undecided_tdx_proof_by_a_stranger_holds_nothing_back(void **state)
{
	struct work *w = world_with(limits(), TDX | SP1, 1, 1);
	uint64_t id;

	(void)state;
	chain(w, 1, 0);
	id = keep(w, 1, PROVER_TDX, "a", 1);
	assert_true(work_judged(w, id, WORK_UNDECIDED, &key_b, 100, NULL));
	assert_int_equal(ask(w, &tdx, "a", 500), 0); /* not at once again */
	assert_int_equal(ask(w, &tdx, "b", 500), 1);
	/* For a zero-knowledge proof only the dry run tells, hours later perhaps: of what a
	 * stranger was granted, it holds the batch as long as its lease would have; unasked for, it
	 * does not.
	 */
	id = keep(w, 1, PROVER_SP1, "x", 2);
	assert_true(work_judged(w, id, WORK_UNDECIDED, NULL, 100, NULL));
	assert_int_equal(ask(w, &sp1, "a", 500), 1);
	assert_int_equal(offer_at(w, 1, PROVER_SP1, "a", 3, 600, &id), WORK_ACCEPT);
	assert_true(work_kept(w, id, 600));
	assert_true(work_judged(w, id, WORK_UNDECIDED, NULL, 700, NULL));
	assert_int_equal(ask(w, &sp1, "b", 1499), 0);
	assert_int_equal(ask(w, &sp1, "b", 1500), 1);
	work_free(w);
}

static void only_the_proofs_of_the_key_on_chain_count(void **state)
{
	struct work *w = world_with(limits(), TDX, 1, 2);
	struct work_counts counts;
	uint64_t a, b;

	(void)state;
	chain(w, 2, 0);
	a = keep(w, 1, PROVER_TDX, "a", 1);
	b = keep(w, 2, PROVER_TDX, "b", 2);
	good(w, a, &key_a);
	good(w, b, &key_b);
	assert_int_equal(ask(w, &tdx, "c", 5000), 0); /* the key is not known: both may count */
	work_set_signer(w, WORK_SIGNER_IS, &key_a);
	assert_int_equal(ask(w, &tdx, "c", 5000), 2);
	work_set_signer(w, WORK_SIGNER_IS, &key_b);
	assert_int_equal(ask(w, &tdx, "c", 5000), 1);
	work_set_signer(w, WORK_SIGNER_NONE, NULL);
	work_counts(w, &counts);
	assert_int_equal(counts.wanting[PROVER_TDX], 2);
	assert_int_equal(ask(w, &tdx, "d", 7000), 1);
	assert_int_equal(ask(w, &tdx, "d", 7000), 2);
	/* Whose proof would count cannot be told from who asks: it keeps no batch to itself. */
	assert_int_equal(ask(w, &tdx, "d", 8000), 1);
	assert_int_equal(work_signer_batches(w, &key_a), 1);
	chain(w, 2, 1);
	assert_int_equal(work_signer_batches(w, &key_a), 0);
	assert_int_equal(work_signer_batches(w, &key_b), 1);
	work_free(w);
}

struct gone_log {
	unsigned inputs, last_uses, leases, n;
	uint64_t id[64];
};

static void log_input(void *arg, uint64_t batch, const char *hash, const uint8_t sha[32],
		      uint64_t size, bool last)
{
	struct gone_log *l = arg;

	assert_true(size >= 10);
	assert_true(batch > 0 && hash[0] && sha[31] == 1);
	l->inputs++;
	l->last_uses += last;
}

static void log_candidate(void *arg, uint64_t id)
{
	struct gone_log *l = arg;

	l->id[l->n++] = id;
}

static void log_lease(void *arg, uint64_t batch, enum prover_type type)
{
	(void)batch;
	(void)type;
	((struct gone_log *)arg)->leases++;
}

static struct work_gone log_to(struct gone_log *l)
{
	*l = (struct gone_log){0};
	return (struct work_gone){log_input, log_candidate, log_lease, l};
}

static void judged_proofs_are_kept_within_bounds(void **state)
{
	struct work *w = world_with(limits(), TDX, 1, 1);
	struct gone_log log;
	struct work_gone gone = log_to(&log);
	struct work_candidate c[64];
	uint64_t first, id, i;

	(void)state;
	work_set_signer(w, WORK_SIGNER_IS, &key_a);
	first = keep(w, 1, PROVER_TDX, "b", 1000);
	assert_true(work_judged(w, first, WORK_GOOD, &key_b, 0, &gone));
	for (i = 0; i < 20; i++) {
		id = keep(w, 1, PROVER_TDX, "b", i);
		assert_true(work_judged(w, id, i % 2 ? WORK_BAD : WORK_GOOD, &key_b, 0, &gone));
	}
	/* The first good one of a key is never forgotten. */
	assert_true(work_find_candidate(w, first, &c[0]));
	assert_int_equal(work_candidates(w, 1, PROVER_TDX, c, 64), 5);
	assert_int_equal(c[0].id, first);
	assert_int_equal(log.n, 16);
	work_free(w);
}

static void what_is_verified_stays_until_it_is_dropped(void **state)
{
	struct work *w = world_with(limits(), TDX, 1, 3);
	struct gone_log log;
	struct work_gone gone = log_to(&log);
	struct work_chain c = {3, 1, 0};
	struct work_counts counts;
	uint64_t id, pending, last = 0;
	struct why why;

	(void)state;
	assert_int_equal(put(w, 1, "v2", 1), WORK_INPUT_NEW); /* the same bytes as abc1234's */
	assert_int_equal(put(w, 2, "v2", 99), WORK_INPUT_NEW);
	chain(w, 2, 0);
	id = keep(w, 1, PROVER_TDX, "a", 1);
	assert_int_equal(ask(w, &tdx, "b", 0), 2);
	assert_int_equal(offer(w, 2, PROVER_TDX, "b", 2, &pending), WORK_ACCEPT);
	assert_int_equal(work_set_chain(w, &c, &why), WORK_CHAIN_FORWARD);
	assert_int_equal(work_set_chain(w, &c, &why), WORK_CHAIN_SAME);
	/* Not final: nothing goes. */
	assert_int_equal(work_drop_through(w, 3, 9, UINT64_MAX, &gone, &last), 0);
	c.verified = c.final = 2;
	assert_int_equal(work_set_chain(w, &c, &why), WORK_CHAIN_FORWARD);
	work_counts(w, &counts);
	assert_int_equal(counts.retained, 2);
	assert_int_equal(counts.batches, 1);
	assert_int_equal(counts.proof_bytes, 130);
	assert_int_equal(log.inputs + log.n + log.leases, 0);
	assert_int_equal(work_drop_through(w, 3, 1, UINT64_MAX, &gone, &last), 1);
	assert_int_equal(last, 1);
	assert_int_equal(log.inputs, 2);
	assert_int_equal(log.last_uses, 1);
	assert_int_equal(log.n, 1);
	assert_int_equal(log.id[0], id);
	gone = log_to(&log);
	assert_int_equal(work_drop_through(w, 3, 9, UINT64_MAX, &gone, &last), 1);
	assert_int_equal(last, 2);
	assert_int_equal(log.leases, 1);
	assert_int_equal(log.n, 0); /* it has no row yet: kept() says that it is gone */
	assert_false(work_kept(w, pending, 0));
	work_release(w, pending);
	assert_int_equal(ask(w, &tdx, "b", 0), 3);
	work_counts(w, &counts);
	assert_int_equal(counts.proof_bytes, 0);
	work_free(w);
}

static void dropping_stops_at_so_many_bytes(void **state)
{
	struct work *w = world_with(limits(), TDX, 1, 9);
	static const struct work_gone nobody;
	struct work_chain c = {9, 9, 9};
	uint64_t i, last = 0;
	struct why why;

	(void)state;
	for (i = 1; i <= 9; i++)
		keep(w, i, PROVER_TDX, "a", i); /* 65 bytes each */
	work_set_chain(w, &c, &why);
	assert_int_equal(work_drop_through(w, 9, 9, 130, &nobody, &last), 2);
	assert_int_equal(last, 2);
	work_free(w);
}

/* On one node's word, which another round takes back, nothing is lost and no proof is dropped. */
static void a_false_verified_batch_costs_nothing(void **state)
{
	struct work *w = world_with(limits(), TDX, 1, 4);
	static const struct work_gone nobody;
	struct work_chain c = {4, 0, 0};
	uint64_t id, other, last;
	struct why why;

	(void)state;
	work_set_chain(w, &c, &why);
	id = keep(w, 1, PROVER_TDX, "a", 1);
	c.verified = 4;
	work_set_chain(w, &c, &why);
	assert_int_equal(ask(w, &tdx, "b", 0), 0);
	assert_int_equal(work_drop_through(w, 4, 9, UINT64_MAX, &nobody, &last), 0);
	/* A proof that comes meanwhile is kept, and so is an input. */
	other = keep(w, 2, PROVER_TDX, "b", 2);
	assert_int_equal(put(w, 3, "v2", 7), WORK_INPUT_NEW);
	c.verified = 0;
	assert_int_equal(work_set_chain(w, &c, &why), WORK_CHAIN_BACK);
	good(w, id, &key_a);
	good(w, other, &key_a);
	assert_int_equal(ask(w, &tdx, "b", 0), 3);
	work_free(w);
}

static void a_reorg_opens_batches_again_and_says_what_is_lost(void **state)
{
	struct work *w = world_with(limits(), TDX, 1, 4);
	static const struct work_gone nobody;
	struct work_chain c = {4, 3, 2};
	uint64_t last;
	struct why why;

	(void)state;
	work_set_chain(w, &c, &why);
	assert_int_equal(work_drop_through(w, 1, 9, UINT64_MAX, &nobody, &last), 1);
	assert_int_equal(ask(w, &tdx, "a", 0), 4);
	/* Below what was final: within retention, so all of it is in work again. */
	c.verified = c.final = 1;
	assert_int_equal(work_set_chain(w, &c, &why), WORK_CHAIN_BACK);
	assert_non_null(strstr(why.text, "from 3 to 1; batches 2 to 3"));
	assert_int_equal(ask(w, &tdx, "a", 0), 2);
	c.verified = c.final = 0;
	assert_int_equal(work_set_chain(w, &c, &why), WORK_CHAIN_BACK_LOST);
	assert_non_null(strstr(why.text, "batch 1 was final"));
	assert_int_equal(put(w, 1, "abc1234", 1), WORK_INPUT_NEW);
	assert_int_equal(ask(w, &tdx, "a", 0), 1);
	work_free(w);
}

static void a_reverted_commitment_has_its_proofs_judged_again(void **state)
{
	static const struct work_chain reverted = {1, 0, 0};
	struct work *w = world_with(limits(), TDX, 1, 3);
	struct work_judge_at at = {0, 0};
	struct work_candidate c;
	struct why why;
	uint64_t id, id2;

	(void)state;
	chain(w, 3, 0);
	id = keep(w, 2, PROVER_TDX, "a", 1);
	good(w, id, &key_a);
	id2 = keep(w, 3, PROVER_TDX, "b", 2);
	assert_int_equal(work_set_chain(w, &reverted, &why), WORK_CHAIN_BACK);
	assert_non_null(strstr(why.text, "lastCommittedBatch went back from 3 to 1"));
	assert_false(work_next_to_judge(w, &at, &c));
	/* A node that lags looks the same: nobody is set to prove anything again. */
	assert_int_equal(ask(w, &tdx, "c", 5000), 1);
	assert_int_equal(ask(w, &tdx, "c", 5000), 0);
	chain(w, 3, 0);
	assert_true(work_next_to_judge(w, &at, &c));
	assert_int_equal(c.id, id);
	assert_int_equal(c.state, WORK_REVERTED);
	assert_false(c.has_signer);
	good(w, id, &key_a);
	/* The other one does not fit what was committed instead: nobody is to blame. */
	assert_true(work_next_to_judge(w, &at, &c));
	assert_int_equal(c.id, id2);
	assert_int_equal(work_verdict(w, id2, WORK_UNDECIDED), WORK_ASIDE);
	assert_int_equal(work_verdict(w, id2, WORK_BAD), WORK_ASIDE);
	assert_int_equal(work_verdict(w, id2, WORK_GOOD), WORK_GOOD);
	assert_true(work_judged(w, id2, WORK_ASIDE, NULL, 5000, NULL));
	assert_false(work_next_to_judge(w, &at, &c));
	assert_int_equal(ask(w, &tdx, "b", 5000), 3); /* at once, and to its source too */
	work_free(w);
}

static void an_input_is_replaced_before_its_batch_is_committed(void **state)
{
	struct work *w = world_with(limits(), TDX, 1, 2);
	struct work_judge_at at = {0, 0};
	struct gone_log log;
	struct work_gone gone = log_to(&log);
	struct work_candidate c;
	struct work_grant g;
	uint8_t old[32], sha[32];
	uint64_t id;
	struct why why;

	(void)state;
	digest_of(old, 2);
	digest_of(sha, 22);
	/* Whether it is committed is not known yet. */
	assert_int_equal(put(w, 2, "abc1234", 22), WORK_INPUT_CONFLICT);
	chain(w, 1, 0);
	work_chain_is_old(w);
	assert_int_equal(put(w, 2, "abc1234", 22), WORK_INPUT_CONFLICT);
	chain(w, 1, 0);
	id = keep(w, 2, PROVER_TDX, "a", 1);
	assert_int_equal(put(w, 1, "abc1234", 22), WORK_INPUT_CONFLICT);
	assert_int_equal(put(w, 2, "abc1234", 22), WORK_INPUT_REPLACE);
	assert_int_equal(ask(w, &tdx, "b", 0), 1);
	assert_true(work_replace_input(w, 2, "abc1234", sha, 32, &gone));
	assert_false(work_replace_input(w, 7, "abc1234", sha, 32, &gone));
	assert_false(work_uses_bytes(w, old));
	assert_true(work_uses_bytes(w, sha));
	/* The proof of the former input waits, and keeps nobody from the new one. */
	assert_int_equal(ask_for(w, "abc1234", &tdx, "a", 0, &g, &why), WORK_GRANT);
	assert_int_equal(g.batch, 2);
	assert_memory_equal(g.sha256, sha, 32);
	assert_int_equal(g.size, 32);
	assert_true(work_find_candidate(w, id, &c));
	assert_int_equal(c.state, WORK_ASIDE);
	/* Replaced again while somebody proves it: the lease is over. */
	digest_of(sha, 23);
	assert_true(work_replace_input(w, 2, "abc1234", sha, 33, &gone));
	assert_int_equal(log.leases, 1);
	assert_int_equal(log.inputs + log.n, 0);
	chain(w, 2, 0);
	/* Should its input be what was committed after all, the proof counts. */
	while (work_next_to_judge(w, &at, &c) && c.id != id)
		;
	assert_int_equal(c.id, id);
	good(w, id, &key_a);
	assert_int_equal(ask(w, &tdx, "c", 0), 0);
	work_free(w);
}

static void an_input_is_taken_away_by_hand(void **state)
{
	struct work *w = world_with(limits(), TDX, 1, 2);
	struct gone_log log;
	struct work_gone gone = log_to(&log);
	struct why why;
	uint64_t batch;

	(void)state;
	chain(w, 2, 0);
	assert_int_equal(ask(w, &tdx, "a", 0), 1);
	assert_true(work_drop_input(w, 1, "abc1234", &gone));
	assert_false(work_drop_input(w, 1, "abc1234", &gone));
	assert_int_equal(log.inputs, 1);
	assert_int_equal(log.last_uses, 1);
	assert_int_equal(log.leases, 1);
	assert_true(work_oldest_waiting(w, 0, &batch, &why));
	assert_string_equal(why.text, "batch 1 waits for its input");
	/* Another one may be put though the batch is committed. */
	assert_int_equal(put(w, 1, "abc1234", 77), WORK_INPUT_NEW);
	assert_int_equal(ask(w, &tdx, "a", 0), 1);
	work_free(w);
}

static void a_broken_input_is_passed_over_until_it_is_put_again(void **state)
{
	struct work *w = world_with(limits(), TDX, 1, 3);
	struct work_input_info info[2];
	struct work_counts counts;
	struct why why;
	uint64_t batch;

	(void)state;
	chain(w, 0, 0);
	work_input_broken(w, 1, "abc1234");
	work_input_broken(w, 1, "abc1234");
	work_input_broken(w, 9, "abc1234");
	work_counts(w, &counts);
	assert_int_equal(counts.broken, 1);
	assert_true(work_oldest_waiting(w, 0, &batch, &why));
	assert_non_null(strstr(why.text, "batch 1 waits for its input to be put again"));
	assert_int_equal(ask(w, &tdx, "a", 0), 2);
	assert_int_equal(work_next_inputs(w, 0, info, 2), 1);
	assert_true(info[0].broken && info[0].batch == 1);
	assert_int_equal(put(w, 1, "abc1234", 1), WORK_INPUT_NEW);
	assert_int_equal(put(w, 1, "abc1234", 1), WORK_INPUT_SAME);
	assert_int_equal(ask(w, &tdx, "a", 0), 1);
	/* One that goes while it is broken leaves no trace. */
	work_input_broken(w, 3, "abc1234");
	chain(w, 3, 3);
	work_counts(w, &counts);
	assert_int_equal(counts.broken + counts.inputs + counts.retained, 0);
	work_free(w);
}

static void all_proofs_together_have_a_quota(void **state)
{
	struct work_limits l = limits();
	struct work *w;
	uint64_t id;

	(void)state;
	l.max_proof_bytes = 2 * 65 + 64;
	w = world_with(l, TDX, 1, 4);
	keep(w, 1, PROVER_TDX, "a", 1);
	keep(w, 2, PROVER_TDX, "b", 2);
	assert_int_equal(offer(w, 3, PROVER_TDX, "c", 3, &id), WORK_NO_ROOM);
	chain(w, 1, 1);
	assert_int_equal(offer(w, 3, PROVER_TDX, "c", 3, &id), WORK_ACCEPT);
	work_free(w);
}

static void committed_batches_are_judged_in_order(void **state)
{
	struct work *w = world_with(limits(), TDX | SP1, 1, 5);
	struct work_judge_at at = {0, 0};
	struct work_candidate c;
	uint64_t id[4];

	(void)state;
	id[0] = keep(w, 3, PROVER_TDX, "a", 1);
	id[1] = keep(w, 2, PROVER_SP1, "a", 2);
	id[2] = keep(w, 2, PROVER_TDX, "b", 3);
	id[3] = keep(w, 4, PROVER_TDX, "a", 4);
	assert_false(work_next_to_judge(w, &at, &c)); /* nothing known of the chain */
	chain(w, 3, 1);
	assert_true(work_next_to_judge(w, &at, &c));
	assert_int_equal(c.id, id[1]);
	assert_string_equal(c.source, "a");
	assert_true(work_next_to_judge(w, &at, &c));
	assert_int_equal(c.id, id[2]);
	good(w, c.id, &key_a);
	assert_true(work_next_to_judge(w, &at, &c));
	assert_int_equal(c.id, id[0]);
	assert_false(work_next_to_judge(w, &at, &c));
	at = (struct work_judge_at){0, 0};
	assert_true(work_next_to_judge(w, &at, &c));
	assert_int_equal(c.id, id[1]);
	chain(w, 4, 1);
	at = (struct work_judge_at){3, id[0]};
	assert_true(work_next_to_judge(w, &at, &c));
	assert_int_equal(c.id, id[3]);
	work_free(w);
}

static void candidates_come_back_after_a_restart(void **state)
{
	struct work *w = world_with(limits(), TDX, 1, 2);
	struct work_proof p = {.batch = 1, .type = PROVER_TDX, .source = "a", .size = 65};
	struct work_candidate c[3];
	struct work_counts counts;
	uint64_t id;

	(void)state;
	chain(w, 2, 0);
	p.sha256[0] = 1;
	assert_true(work_restore_candidate(w, 41, &p, WORK_CANDIDATE, NULL));
	assert_false(work_restore_candidate(w, 41, &p, WORK_CANDIDATE, NULL));
	assert_false(work_restore_candidate(w, 0, &p, WORK_CANDIDATE, NULL));
	assert_false(work_restore_candidate(w, 42, &p, WORK_RESERVED, NULL));
	p.batch = 2;
	p.sha256[0] = 2;
	assert_true(work_restore_candidate(w, 17, &p, WORK_GOOD, &key_a));
	p.batch = 7; /* its input is gone, its proof is not */
	assert_true(work_restore_candidate(w, 18, &p, WORK_GOOD, &key_a));
	assert_int_equal(ask(w, &tdx, "b", 0), 0);
	assert_int_equal(offer(w, 2, PROVER_TDX, "b", 9, &id), WORK_DUPLICATE);
	assert_int_equal(offer(w, 1, PROVER_TDX, "b", 9, &id), WORK_ACCEPT);
	assert_int_equal(id, 42);
	assert_int_equal(work_candidates(w, 2, PROVER_TDX, c, 3), 1);
	assert_true(c[0].has_signer && eth_address_equal(&c[0].signer, &key_a));
	assert_int_equal(work_candidates(w, 1, PROVER_TDX, c, 3), 1);
	work_counts(w, &counts);
	assert_int_equal(counts.candidates[WORK_GOOD], 2);
	assert_int_equal(counts.candidates[WORK_RESERVED], 1);
	work_free(w);
}

static void limits_are_checked(void **state)
{
	struct work_limits l = limits();

	(void)state;
	l.max_candidates = 65;
	assert_null(work_new(&l));
	l.max_candidates = 0;
	assert_null(work_new(&l));
	l = limits();
	l.lease_ms = 0;
	assert_null(work_new(&l));
	work_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(oldest_first_and_a_gap_blocks_nothing),
	    cmocka_unit_test(a_grant_says_which_bytes),
	    cmocka_unit_test(ungrant_gives_back_only_its_own),
	    cmocka_unit_test(versions_as_the_design_says),
	    cmocka_unit_test(exec_when_the_contract_needs_none),
	    cmocka_unit_test(old_dialects_get_the_oldest_lacking_anything_without_a_lease),
	    cmocka_unit_test(a_source_has_a_quota_of_leases),
	    cmocka_unit_test(leases_come_back_after_a_restart),
	    cmocka_unit_test(inputs_same_other_verified_and_too_many),
	    cmocka_unit_test(the_batch_all_wait_for_always_finds_room),
	    cmocka_unit_test(versions_have_a_ceiling_and_are_freed),
	    cmocka_unit_test(a_kept_proof_ends_the_lease_and_a_duplicate_is_dropped),
	    cmocka_unit_test(every_refusal_says_its_value),
	    cmocka_unit_test(a_source_has_a_quota_over_all_batches),
	    cmocka_unit_test(a_released_reservation_opens_the_batch),
	    cmocka_unit_test(a_bad_proof_opens_the_batch_but_not_at_once_for_its_source),
	    cmocka_unit_test(an_undecided_tdx_proof_by_a_stranger_holds_nothing_back),
	    cmocka_unit_test(only_the_proofs_of_the_key_on_chain_count),
	    cmocka_unit_test(judged_proofs_are_kept_within_bounds),
	    cmocka_unit_test(what_is_verified_stays_until_it_is_dropped),
	    cmocka_unit_test(dropping_stops_at_so_many_bytes),
	    cmocka_unit_test(a_false_verified_batch_costs_nothing),
	    cmocka_unit_test(a_reorg_opens_batches_again_and_says_what_is_lost),
	    cmocka_unit_test(a_reverted_commitment_has_its_proofs_judged_again),
	    cmocka_unit_test(an_input_is_replaced_before_its_batch_is_committed),
	    cmocka_unit_test(an_input_is_taken_away_by_hand),
	    cmocka_unit_test(a_broken_input_is_passed_over_until_it_is_put_again),
	    cmocka_unit_test(all_proofs_together_have_a_quota),
	    cmocka_unit_test(committed_batches_are_judged_in_order),
	    cmocka_unit_test(candidates_come_back_after_a_restart),
	    cmocka_unit_test(limits_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
