/* work: a lease orders work, it never withholds it; and an address is not an identity. */
#include "work_world.h"

#include <stdio.h>

#define LEASE_MS 600000

static const struct eth_address nobody_key = {{0xee}};

static struct work_limits long_leases(void)
{
	struct work_limits l = limits();

	l.lease_ms = LEASE_MS;
	return l;
}

/* Batches 1 to last, committed. */
static struct work *open_world(uint64_t last)
{
	struct work *w = world_with(long_leases(), TDX, 1, last);

	chain(w, last, 0);
	work_set_signer(w, WORK_SIGNER_IS, &key_a);
	return w;
}

static enum work_request_rc ask_attested(struct work *w, const char *source, uint64_t now,
					 struct work_grant *g)
{
	return work_request(w, "abc1234", &tdx, &(struct work_source){source, true, 0}, now, g,
			    NULL);
}

/* A batch proven well in took_ms by somebody, so that the pace is known. */
static uint64_t prove(struct work *w, uint64_t batch, const char *source, uint64_t from,
		      uint64_t took_ms)
{
	uint64_t id;

	assert_int_equal(ask(w, &tdx, source, from), batch);
	assert_int_equal(offer_at(w, batch, PROVER_TDX, source, 1000 + batch, from + took_ms, &id),
			 WORK_ACCEPT);
	assert_true(work_kept(w, id, from + took_ms));
	assert_true(work_judged(w, id, WORK_GOOD, &key_a, from + took_ms, NULL));
	return id;
}

static void a_silent_holder_keeps_a_batch_for_a_minute_not_for_a_lease(void **state)
{
	struct work *w = open_world(3);
	uint64_t now;

	(void)state;
	for (now = 0; now < 3; now++)
		assert_int_equal(ask(w, &tdx, "silent", now), now + 1);
	assert_int_equal(ask(w, &tdx, "honest", 59000), 0);
	assert_int_equal(ask(w, &tdx, "honest", 60000), 1);
	/* It comes back for the same one: it was restarted. Others first, if there are. */
	assert_int_equal(ask(w, &tdx, "honest", 60010), 2);
	assert_int_equal(ask(w, &tdx, "honest", 60020), 3);
	assert_int_equal(ask(w, &tdx, "honest", 60030), 1);
	work_free(w);
}

static void somebody_who_asks_all_the_time_withholds_nothing(void **state)
{
	struct work *w = open_world(1);
	uint64_t now, got = 0;

	(void)state;
	/* A later grant does not restart the clock. */
	for (now = 0; now < 120000; now += 1000) {
		ask(w, &tdx, "silent", now);
		got += ask(w, &tdx, "honest", now) == 1;
	}
	assert_true(got >= 59);
	work_free(w);
}

static void the_wait_follows_what_good_proofs_took(void **state)
{
	struct work *w = open_world(9);
	uint64_t i;

	(void)state;
	assert_int_equal(work_patience_ms(w, PROVER_TDX), 60000);
	assert_int_equal(work_patience_ms(w, PROVER_SP1), LEASE_MS);
	prove(w, 1, "a", 0, 4999);
	assert_int_equal(work_longest_ms(w, PROVER_TDX), 5000);
	assert_int_equal(work_patience_ms(w, PROVER_TDX), 10000);
	/* A bad one counts for nothing, however long it took. */
	assert_int_equal(ask(w, &tdx, "liar", 100000), 2);
	assert_int_equal(offer_at(w, 2, PROVER_TDX, "liar", 5, 400000, &i), WORK_ACCEPT);
	assert_true(work_kept(w, i, 400000));
	assert_true(work_judged(w, i, WORK_BAD, NULL, 400000, NULL));
	assert_int_equal(work_patience_ms(w, PROVER_TDX), 10000);
	prove(w, 2, "a", 400000, 5000000);
	assert_int_equal(work_patience_ms(w, PROVER_TDX), LEASE_MS);
	work_free(w);
}

static void a_source_at_its_quota_still_gets_what_is_overdue(void **state)
{
	struct work_limits l = long_leases();
	struct work *w;

	(void)state;
	l.max_leases_per_source = 1;
	w = world_with(l, TDX, 1, 2);
	chain(w, 2, 0);
	assert_int_equal(ask(w, &tdx, "silent", 0), 1);
	assert_int_equal(ask(w, &tdx, "nat", 0), 2);
	assert_int_equal(ask(w, &tdx, "nat", 0), 0);
	assert_int_equal(ask(w, &tdx, "nat", 60000), 1);
	work_free(w);
}

static void what_broke_while_it_was_out_is_not_handed_out_again(void **state)
{
	struct work *w = open_world(2);

	(void)state;
	assert_int_equal(ask(w, &tdx, "silent", 0), 1);
	assert_int_equal(ask(w, &tdx, "silent", 0), 2);
	work_input_broken(w, 1, "abc1234");
	assert_int_equal(ask(w, &tdx, "honest", 60000), 2);
	assert_int_equal(ask(w, &tdx, "honest", 120000), 2);
	work_free(w);
}

static void a_restart_does_not_restart_the_clock(void **state)
{
	struct work *w = open_world(1);

	(void)state;
	work_restore_lease(w, 1, PROVER_TDX, "silent", LEASE_MS - 50000, 100000);
	assert_int_equal(ask(w, &tdx, "honest", 109999), 0);
	assert_int_equal(ask(w, &tdx, "honest", 110000), 1);
	work_free(w);
}

/* ---- two provers behind one address ---- */

static void a_standby_and_the_active_share_an_address(void **state)
{
	struct work *w = open_world(3);
	uint64_t id, again, now = 0, tries;

	(void)state;
	/* The standby has the head batch first. */
	assert_int_equal(ask(w, &tdx, "nat", now), 1);
	id = keep(w, 1, PROVER_TDX, "nat", 50);
	assert_true(work_judged(w, id, WORK_GOOD, &key_b, now, NULL));
	/* The active is not kept from it for ten minutes: for seconds. */
	assert_int_equal(ask(w, &tdx, "nat", now), 2);
	for (now = 0; now < 60000 && ask(w, &tdx, "nat", now) != 1; now += 500)
		;
	assert_true(now <= 20000);
	/* The standby again: what it offers is a duplicate, and that ends the lease. */
	for (tries = 0; tries < 3; tries++) {
		assert_int_equal(offer_at(w, 1, PROVER_TDX, "nat", 50, now, &again),
				 WORK_DUPLICATE);
		assert_int_equal(again, id);
		while (ask(w, &tdx, "nat", now) != 1)
			now += 500;
	}
	assert_true(now <= 120000);
	/* Both have it at once: who comes second waits for nobody. */
	assert_int_equal(ask(w, &tdx, "nat", now + 1000), 1);
	work_free(w);
}

static void a_duplicate_ends_only_its_own_sources_lease(void **state)
{
	struct work *w = open_world(1);
	struct work_counts c;
	uint64_t id;

	(void)state;
	id = keep(w, 1, PROVER_TDX, "a", 50);
	assert_true(work_judged(w, id, WORK_GOOD, &key_b, 0, NULL));
	assert_int_equal(ask(w, &tdx, "b", 10), 1);
	assert_int_equal(offer_at(w, 1, PROVER_TDX, "a", 50, 20, &id), WORK_DUPLICATE);
	work_counts(w, &c);
	assert_int_equal(c.leases, 1);
	assert_int_equal(offer_at(w, 1, PROVER_TDX, "b", 50, 20, &id), WORK_DUPLICATE);
	work_counts(w, &c);
	assert_int_equal(c.leases, 0);
	work_free(w);
}

/* ---- places ---- */

static void no_granted_proof_of_a_trusted_source_finds_no_room(void **state)
{
	struct work *w = world_with(long_leases(), TDX, 1, 2);
	struct work_proof p = {
	    .batch = 1, .type = PROVER_TDX, .source = "honest", .attested = true, .size = 65};
	struct work_grant g;
	char source[16];
	uint64_t id, n;

	(void)state;
	/* Not committed: nothing can be judged, so junk stays. */
	assert_int_equal(ask_attested(w, "honest", 0, &g), WORK_GRANT);
	for (n = 0; n < 4; n++) {
		snprintf(source, sizeof source, "10.0.0.%d", (int)n);
		keep(w, 1, PROVER_TDX, source, n);
	}
	assert_int_equal(offer(w, 1, PROVER_TDX, "10.0.0.9", 77, &id), WORK_NO_ROOM);
	/* A stranger is not even given what it could not deliver, nor does junk end the lease. */
	assert_int_equal(ask(w, &tdx, "stranger", 0), 2);
	p.sha256[0] = 99;
	assert_int_equal(work_submit_check(w, &p, &id, &(struct why){""}), WORK_ACCEPT);
	assert_true(work_kept(w, id, 0));
	/* One place a grant: the next waits to be judged first. */
	p.sha256[0] = 98;
	assert_int_equal(work_submit_check(w, &p, &id, &(struct why){""}), WORK_SOURCE_QUOTA);
	work_free(w);
}

static void junk_before_the_commitment_takes_nothing_from_the_honest(void **state)
{
	struct work *w = world_with(long_leases(), TDX, 1, 1);
	struct work_grant g;

	(void)state;
	chain(w, 0, 0);
	keep(w, 1, PROVER_TDX, "liar", 1);
	assert_int_equal(ask_attested(w, "honest", 0, &g), WORK_GRANT);
	assert_int_equal(g.batch, 1);
	work_free(w);
}

static void a_good_proof_makes_a_source_trusted(void **state)
{
	struct work *w = open_world(3);
	char source[16];
	uint64_t id, n;

	(void)state;
	prove(w, 1, "worker", 0, 1000);
	chain(w, 1, 0); /* 2 is not committed */
	assert_int_equal(ask(w, &tdx, "worker", 5000), 2);
	for (n = 0; n < 4; n++) {
		snprintf(source, sizeof source, "10.0.0.%d", (int)n);
		keep(w, 2, PROVER_TDX, source, n);
	}
	assert_int_equal(offer_at(w, 2, PROVER_TDX, "worker", 50, 6000, &id), WORK_ACCEPT);
	assert_true(work_kept(w, id, 6000));
	/* And its proof is taken to be one, so the batch rests. */
	assert_int_equal(ask(w, &tdx, "other", 700000), 3);
	work_free(w);
}

/* ---- junk costs its source ---- */

static void bad_proofs_mute_a_stranger_longer_each_time(void **state)
{
	struct work *w = open_world(1);
	uint64_t id, now = 0, muted, last = 0, n;

	(void)state;
	for (n = 0; n < 8; n++) {
		assert_int_equal(offer_at(w, 1, PROVER_TDX, "liar", n, now, &id), WORK_ACCEPT);
		assert_true(work_kept(w, id, now));
		assert_true(work_judged(w, id, WORK_BAD, NULL, now, NULL));
		for (muted = 0; offer_at(w, 1, PROVER_TDX, "liar", 100 + n, now + muted, &id) ==
				WORK_SOURCE_QUOTA;
		     muted += 1000)
			;
		work_release(w, id);
		assert_true(muted >= 10000 && muted >= last && muted <= LEASE_MS);
		last = muted;
		now += muted;
	}
	assert_int_equal(last, LEASE_MS);
	work_free(w);
}

static void what_one_key_did_is_not_held_against_its_neighbour(void **state)
{
	struct work *w = open_world(9);
	uint64_t id, n;

	(void)state;
	prove(w, 1, "nat", 0, 1000);
	for (n = 0; n < 30; n++) {
		id = keep(w, 2, PROVER_TDX, "nat", n);
		assert_true(work_judged(w, id, WORK_BAD, NULL, 2000 + n, NULL));
	}
	assert_int_equal(offer_at(w, 2, PROVER_TDX, "nat", 777, 3000, &id), WORK_ACCEPT);
	work_free(w);
}

static void the_bad_are_not_forgotten_for_being_many(void **state)
{
	struct work *w = open_world(1);
	char source[24];
	uint64_t id, n;

	(void)state;
	for (n = 0; n < 200; n++) {
		snprintf(source, sizeof source, "127.0.0.%d", (int)n);
		id = keep(w, 1, PROVER_TDX, source, n);
		assert_true(work_judged(w, id, WORK_BAD, NULL, 0, NULL));
	}
	assert_int_equal(offer_at(w, 1, PROVER_TDX, "127.0.0.0", 999, 5000, &id),
			 WORK_SOURCE_QUOTA);
	work_free(w);
}

static void no_dry_run_is_paid_for_what_a_recover_refuses(void **state)
{
	struct work *w = open_world(2);
	struct work_run_batch room[2];
	struct work_run run = {.batches = room};
	uint64_t id, trusted;

	(void)state;
	id = keep(w, 1, PROVER_TDX, "liar", 1);
	assert_true(work_judged(w, id, WORK_UNDECIDED, &key_b, 0, NULL));
	work_run(w, 2, true, &key_a, &run, NULL);
	assert_int_equal(run.n, 1);
	assert_false(work_is_rebuilt(w, 1));
	/* Another's signer is known, so the inputs are right and the liar's proof is nobody's. */
	good(w, keep(w, 1, PROVER_TDX, "b", 2), &key_b);
	assert_true(work_is_rebuilt(w, 1));
	work_run(w, 2, true, &key_a, &run, NULL);
	assert_int_equal(run.n, 0);
	good(w, keep(w, 1, PROVER_TDX, "a", 3), &key_a);
	/* Of those that only a dry run can tell, the one that is likely to be good. */
	id = keep(w, 2, PROVER_TDX, "liar", 4);
	assert_true(work_judged(w, id, WORK_UNDECIDED, &key_b, 0, NULL));
	trusted = keep(w, 2, PROVER_TDX, "a", 5);
	assert_true(work_judged(w, trusted, WORK_UNDECIDED, &key_b, 0, NULL));
	work_run(w, 2, true, &key_a, &run, NULL);
	assert_int_equal(run.n, 2);
	assert_int_equal(room[1].id[PROVER_TDX], trusted);
	work_free(w);
}

/* What a source did well before a restart still speaks for it, hours after the machine's start. */
static void a_restart_takes_no_trust_away(void **state)
{
	const uint64_t now = 50 * 3600000ull;
	struct work *w = open_world(2);
	struct work_proof p = {
	    .batch = 1, .type = PROVER_TDX, .source = "nat", .received_ms = now, .size = 65};
	uint64_t id;

	(void)state;
	assert_true(work_restore_candidate(w, 7, &p, WORK_GOOD, &key_a));
	id = keep(w, 2, PROVER_TDX, "nat", 1);
	assert_true(work_judged(w, id, WORK_BAD, NULL, now + 10, NULL));
	assert_int_equal(offer_at(w, 2, PROVER_TDX, "nat", 2, now + 20, &id), WORK_ACCEPT);
	work_free(w);
}

/* Junk that was kept before a restart is not worth more after it. */
static void a_restart_lends_no_trust(void **state)
{
	struct work *w = open_world(2);
	struct work_proof p = {.batch = 1, .type = PROVER_TDX, .source = "liar", .size = 65};
	uint64_t n;

	(void)state;
	for (n = 1; n <= 3; n++) {
		p.sha256[0] = (uint8_t)n;
		assert_true(work_restore_candidate(w, n, &p, WORK_UNDECIDED, &key_b));
	}
	assert_int_equal(ask(w, &tdx, "honest", 0), 1);
	work_free(w);
}

/* What nobody will dry-run keeps nobody from proving. */
static void what_is_nobodys_does_not_satisfy(void **state)
{
	struct work *w = open_world(1);
	struct work_grant g;
	uint64_t id;

	(void)state;
	assert_int_equal(ask_attested(w, "a", 0, &g), WORK_GRANT);
	id = keep(w, 1, PROVER_TDX, "a", 1);
	assert_true(work_judged(w, id, WORK_GOOD, &key_b, 0, NULL));
	id = keep(w, 1, PROVER_TDX, "a", 2); /* of a source that does well */
	assert_true(work_judged(w, id, WORK_UNDECIDED, &nobody_key, 0, NULL));
	assert_int_equal(ask(w, &tdx, "b", 0), 1);
	work_free(w);
}

/* One node may lie, for as long as it likes: what it calls final is kept until it is dropped. */
static void a_proof_of_what_one_node_calls_verified_is_kept(void **state)
{
	const struct work_chain says = {2, 1, 1};
	struct work *w = open_world(2);
	uint64_t id;

	(void)state;
	work_set_chain(w, &says, &(struct why){""});
	assert_int_equal(offer(w, 1, PROVER_TDX, "a", 1, &id), WORK_ACCEPT);
	assert_true(work_kept(w, id, 0));
	work_free(w);
}

/* ---- what is offered again is judged again ---- */

static void a_proof_condemned_once_is_judged_again(void **state)
{
	struct work *w = open_world(1);
	struct work_judge_at at = {0, 0};
	struct work_candidate c;
	uint64_t id, again;

	(void)state;
	id = keep(w, 1, PROVER_TDX, "a", 50);
	assert_true(work_judged(w, id, WORK_BAD, NULL, 0, NULL));
	assert_int_equal(offer_at(w, 1, PROVER_TDX, "a", 50, 20000, &again), WORK_AGAIN);
	assert_int_equal(again, id);
	assert_true(work_next_to_judge(w, &at, &c));
	assert_int_equal(c.id, id);
	good(w, id, &key_a);
	assert_int_equal(offer_at(w, 1, PROVER_TDX, "a", 50, 20000, &again), WORK_DUPLICATE);
	work_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_silent_holder_keeps_a_batch_for_a_minute_not_for_a_lease),
	    cmocka_unit_test(somebody_who_asks_all_the_time_withholds_nothing),
	    cmocka_unit_test(the_wait_follows_what_good_proofs_took),
	    cmocka_unit_test(a_source_at_its_quota_still_gets_what_is_overdue),
	    cmocka_unit_test(what_broke_while_it_was_out_is_not_handed_out_again),
	    cmocka_unit_test(a_restart_does_not_restart_the_clock),
	    cmocka_unit_test(a_standby_and_the_active_share_an_address),
	    cmocka_unit_test(a_duplicate_ends_only_its_own_sources_lease),
	    cmocka_unit_test(no_granted_proof_of_a_trusted_source_finds_no_room),
	    cmocka_unit_test(junk_before_the_commitment_takes_nothing_from_the_honest),
	    cmocka_unit_test(a_good_proof_makes_a_source_trusted),
	    cmocka_unit_test(bad_proofs_mute_a_stranger_longer_each_time),
	    cmocka_unit_test(what_one_key_did_is_not_held_against_its_neighbour),
	    cmocka_unit_test(the_bad_are_not_forgotten_for_being_many),
	    cmocka_unit_test(no_dry_run_is_paid_for_what_a_recover_refuses),
	    cmocka_unit_test(a_restart_takes_no_trust_away),
	    cmocka_unit_test(a_restart_lends_no_trust),
	    cmocka_unit_test(what_is_nobodys_does_not_satisfy),
	    cmocka_unit_test(a_proof_of_what_one_node_calls_verified_is_kept),
	    cmocka_unit_test(a_proof_condemned_once_is_judged_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
