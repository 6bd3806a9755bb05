/* What is asked upstream and when: single rules, then whole worlds with a seed. */
#include "coordinator/relay/fetch_plan.h"
#include "coordinator/relay/health.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TDX PROVER_TYPE_BIT(PROVER_TDX)

static const struct fetch_key p7 = {DIALECT_P7, true, PROVER_TDX, "aaaaaaa"};
static const struct fetch_key p4 = {DIALECT_P3_P5, false, PROVER_EXEC, "bbbbbbb"};

static size_t some_open(void *arg, const struct fetch_key *key)
{
	(void)key;
	return *(size_t *)arg;
}

struct plan {
	struct fetch_plan p;
	struct fetch_view view;
	size_t open;
	struct fetch_key evicted;
};

static void begin(struct plan *x)
{
	memset(x, 0, sizeof *x);
	fetch_plan_init(&x->p, 3, 1000);
	x->view = (struct fetch_view){.open = some_open, .arg = &x->open, .needed = TDX};
}

static struct fetch_demand *want(struct plan *x, const struct fetch_key *key, const char *source,
				 uint64_t now)
{
	return fetch_plan_want(&x->p, key, NULL, source, now, &x->evicted);
}

static void ahead_and_no_further(void **state)
{
	struct fetch_demand *d;
	struct plan x;

	(void)state;
	begin(&x);
	assert_null(fetch_plan_next(&x.p, &x.view, 5000)); /* nobody asked */
	d = want(&x, &p7, "a", 5000);
	assert_ptr_equal(fetch_plan_next(&x.p, &x.view, 5000), d);
	assert_null(fetch_plan_next(&x.p, &x.view, 5000)); /* it is in flight */
	fetch_plan_heard(&x.p, d, FETCH_NEW, 1, 5001);
	assert_true(d->proven && d->row_due);
	assert_ptr_equal(fetch_plan_next(&x.p, &x.view, 5001), d); /* the next at once */
	fetch_plan_heard(&x.p, d, FETCH_NOTHING, 0, 5002);
	assert_null(fetch_plan_next(&x.p, &x.view, 6001));
	assert_ptr_equal(fetch_plan_next(&x.p, &x.view, 6002), d);
	fetch_plan_heard(&x.p, d, FETCH_NEW, 2, 6002);
	x.open = 3;
	assert_null(fetch_plan_next(&x.p, &x.view, 6003));
	d->waiting = 1; /* whoever waits is not told to wait for the others */
	assert_ptr_equal(fetch_plan_next(&x.p, &x.view, 6003), d);
	fetch_plan_heard(&x.p, d, FETCH_NEW, 3, 6003);
	d->waiting = 0;
	/* A hole in front is worth one more now and then. */
	x.view.gap = true;
	assert_ptr_equal(fetch_plan_next(&x.p, &x.view, 6004 + FETCH_GAP_EVERY_MS), d);
	fetch_plan_heard(&x.p, d, FETCH_KNOWN, 7, 6004 + FETCH_GAP_EVERY_MS);
	assert_null(fetch_plan_next(&x.p, &x.view, 6005 + FETCH_GAP_EVERY_MS));
	x.open = 4 * 3 + 64;
	assert_null(fetch_plan_next(&x.p, &x.view, 6005 + 2 * FETCH_GAP_EVERY_MS));
	/* No prover came for ten minutes; one of a type that is not needed is not asked for. */
	x.open = 0;
	assert_null(fetch_plan_next(&x.p, &x.view, 5000 + FETCH_LIVE_MS));
	want(&x, &p7, "a", 700000);
	x.view.needed = PROVER_TYPE_BIT(PROVER_SP1);
	assert_null(fetch_plan_next(&x.p, &x.view, 700000));
}

static void silence_means_another_dialect(void **state)
{
	struct fetch_demand *d;
	struct plan x;

	(void)state;
	begin(&x);
	d = want(&x, &(struct fetch_key){DIALECT_P6, true, PROVER_TDX, "aaaaaaa"}, "a", 5000);
	assert_int_equal(d->speaks, DIALECT_P6);
	assert_non_null(fetch_plan_next(&x.p, &x.view, 5000));
	fetch_plan_heard(&x.p, d, FETCH_SILENCE, 0, 5000);
	assert_int_equal(d->speaks, DIALECT_P7);
	assert_int_equal(d->heard, FETCH_NEVER); /* not its last word */
	assert_non_null(fetch_plan_next(&x.p, &x.view, 5060));
	fetch_plan_heard(&x.p, d, FETCH_MISMATCH, 0, 5060);
	assert_int_equal(x.p.spoken, DIALECT_P7);
	assert_int_equal(fetch_demand_word(d, 5061), FETCH_WORD_MISMATCH);
	assert_int_equal(fetch_demand_word(d, 5061 + FETCH_WORD_MS), FETCH_WORD_NONE);
	/* It has become one of p4: each is tried once, then there is a pause. */
	assert_non_null(fetch_plan_next(&x.p, &x.view, 7000));
	fetch_plan_heard(&x.p, d, FETCH_SILENCE, 0, 7000);
	assert_int_equal(d->speaks, DIALECT_P6);
	fetch_plan_heard(&x.p, d, FETCH_SILENCE, 0, 7000);
	assert_int_equal(d->speaks, DIALECT_P3_P5);
	fetch_plan_heard(&x.p, d, FETCH_SILENCE, 0, 7000);
	assert_int_equal(d->heard, FETCH_SILENCE);
	assert_int_equal(d->speaks, DIALECT_P6);
	assert_int_equal(d->next_ms, 8000);
	/* Without a type there is one dialect alone, unless the chain needs one type alone. */
	d = want(&x, &p4, "a", 5000);
	fetch_plan_heard(&x.p, d, FETCH_SILENCE, 0, 7000);
	assert_int_equal(d->heard, FETCH_SILENCE);
	d = fetch_plan_want(&x.p, &p4, &(enum prover_type){PROVER_TDX}, "a", 7000, &x.evicted);
	fetch_plan_heard(&x.p, d, FETCH_SILENCE, 0, 7000);
	assert_int_equal(d->speaks, DIALECT_P7);
	assert_int_equal(d->ask_type, PROVER_TDX);
}

static void strangers_find_no_room_for_more(void **state)
{
	struct fetch_key key = p7;
	struct fetch_demand *good, *d;
	char source[16];
	struct plan x;
	uint64_t now = 100000;
	size_t i, asked = 0;

	(void)state;
	begin(&x);
	good = want(&x, &p7, "good", now);
	fetch_plan_next(&x.p, &x.view, now);
	fetch_plan_heard(&x.p, good, FETCH_NEW, 1, now);
	/* 50 addresses ask for a thousand versions that nobody has. */
	for (i = 0; i < 5000; i++, now += 3) {
		snprintf(key.commit_hash, sizeof key.commit_hash, "%07zx", i);
		snprintf(source, sizeof source, "10.0.0.%zu", i % 50);
		want(&x, &key, source, now);
		assert_string_not_equal(x.evicted.commit_hash, p7.commit_hash);
		d = fetch_plan_next(&x.p, &x.view, now);
		if (d)
			fetch_plan_heard(&x.p, d, d == good ? FETCH_NOTHING : FETCH_MISMATCH, 0,
					 now);
		asked += d && d != good;
		if (d == good)
			want(&x, &p7, "good", now);
	}
	assert_ptr_equal(fetch_plan_find(&x.p, &p7), good);
	assert_true(asked <= 5000 * 3 / FETCH_NEW_EVERY_MS + 1);
	assert_true(asked > 100);
	/* One address has two of those places. */
	begin(&x);
	for (i = 0; i < 10; i++) {
		snprintf(key.commit_hash, sizeof key.commit_hash, "%07zx", i);
		d = want(&x, &key, "10.0.0.1", now);
		assert_int_equal(d != NULL, i < FETCH_NEW_A_SOURCE);
	}
	assert_non_null(want(&x, &p7, "10.0.0.2", now));
}

/* Of a coordinator that does not lead: the leader is told of all in turn, 20 a second, and what
 * strangers ask for keeps nobody out. */
static void the_leader_is_told(void **state)
{
	struct fetch_key key = p7;
	struct fetch_demand *d;
	char source[16];
	struct plan x;
	uint64_t now = 100000;
	size_t i, told = 0, at = 0;

	(void)state;
	begin(&x);
	for (i = 0; i < 5000; i++, now += 3) {
		snprintf(key.commit_hash, sizeof key.commit_hash, "%07zx", i);
		snprintf(source, sizeof source, "10.0.0.%zu", i % 50);
		d = want(&x, &key, source, now);
		if (d)
			d->tell_due = true;
		while (fetch_plan_tell(&x.p, now))
			told++;
		d = i >= 2500 ? want(&x, &p7, "good", now) : NULL;
		if (d && !d->told_ms)
			d->tell_due = true;
		at = d && d->told_ms && !at ? i : at;
	}
	assert_true(told <= 5000 * 3 / FETCH_NEW_EVERY_MS + 1);
	assert_true(told > 100);
	assert_true(at && at < 2500 + 3000 / 3);
	/* What is known to bring inputs is told at once. */
	d = fetch_plan_restore(&x.p, &p4, 7, now);
	assert_non_null(d);
	d->tell_due = true;
	assert_ptr_equal(fetch_plan_tell(&x.p, now), d);
	assert_false(d->tell_due);
	/* And what the leader heard is the last word here too. */
	fetch_plan_told(d, FETCH_MISMATCH, now);
	assert_true(fetch_demand_is_fresh(&x.p, d, now + 999));
	assert_false(fetch_demand_is_fresh(&x.p, d, now + 1000));
	assert_int_equal(fetch_demand_word(d, now + 1000), FETCH_WORD_MISMATCH);
	/* All provers of others have more places than one source. */
	begin(&x);
	for (i = 0; i < FETCH_DEMANDS_MAX; i++) {
		snprintf(key.commit_hash, sizeof key.commit_hash, "%07zx", i);
		assert_int_equal(want(&x, &key, "", now) != NULL, i < FETCH_NEW_OF_OTHERS);
	}
}

static void a_spinning_upstream(void **state)
{
	struct fetch_demand *d;
	struct plan x;
	uint64_t now = 5000;
	unsigned i;

	(void)state;
	begin(&x);
	d = want(&x, &p7, "a", now);
	fetch_plan_heard(&x.p, d, FETCH_NEW, 9, now);
	for (i = 0; i < FETCH_SPIN_TIMES; i++) {
		assert_false(fetch_demand_spins(d));
		assert_true(fetch_demand_just_had(d, 9, now));
		fetch_plan_heard(&x.p, d, FETCH_KNOWN, 9, now);
		assert_int_equal(d->next_ms, now + 1000); /* it is not asked at once */
		now += 1000;
	}
	assert_true(fetch_demand_spins(d));
	fetch_plan_heard(&x.p, d, FETCH_NOTHING, 0, now);
	assert_false(fetch_demand_spins(d));
	/* After upstream's timeout it is no spin, and the next follows at once. */
	fetch_plan_heard(&x.p, d, FETCH_KNOWN, 9, now + 600000);
	assert_int_equal(d->next_ms, now + 600000);
	/* Before p6 the same one comes until it is proven. */
	d = want(&x, &p4, "a", now);
	for (i = 0; i < 10; i++)
		fetch_plan_heard(&x.p, d, FETCH_KNOWN, 4, now + i);
	assert_false(fetch_demand_spins(d));
}

static void health_is_said_once_and_again(void **state)
{
	struct health h = {0};
	uint64_t now = 1000, said = 0;

	(void)state;
	assert_string_equal(health_name(&h), "not asked yet");
	assert_int_equal(health_good(&h, now), HEALTH_SAY_UP);
	assert_int_equal(health_good(&h, now), HEALTH_QUIET);
	assert_int_equal(health_bad(&h, "refused", now), HEALTH_SAY_DOWN);
	for (; now < 1000 + 200000; now = h.try_at_ms) {
		said += health_bad(&h, "refused", now) == HEALTH_SAY_STILL_DOWN;
		assert_true(h.try_at_ms > now && h.try_at_ms <= now + HEALTH_RETRY_MAX_MS);
	}
	assert_int_equal(said, 3);
	assert_string_equal(health_name(&h), "down");
	assert_int_equal(h.since_ms, 1000);
	assert_int_equal(health_good(&h, now), HEALTH_SAY_UP);
	assert_int_equal(h.try_at_ms, 0);
}

/* ---- worlds: an ethrex with its assignments, provers, crashes of either ---- */

#define BATCHES 60

struct world {
	struct plan x;
	uint64_t now, random, timeout, verified, sealed;
	uint64_t assigned[BATCHES + 1]; /* when; 0: not */
	bool here[BATCHES + 1], leased[BATCHES + 1];
	unsigned given, lost;
	enum dialect speaks;
};

static uint64_t roll(struct world *w, uint64_t n)
{
	w->random = w->random * 6364136223846793005u + 1442695040888963407u;
	return (w->random >> 33) % n;
}

static size_t world_open(void *arg, const struct fetch_key *key)
{
	struct world *w = arg;
	size_t n = 0;
	uint64_t b;

	(void)key;
	for (b = w->verified + 1; b <= BATCHES; b++)
		n += w->here[b] && !w->leased[b];
	return n;
}

static bool world_gap(const struct world *w)
{
	uint64_t b, last = w->verified;

	for (b = w->verified + 1; b <= BATCHES; b++)
		if (w->here[b])
			last = b;
	for (b = w->verified + 1; b < last; b++)
		if (!w->here[b])
			return true;
	return false;
}

/* As ethrex's next_batch_to_assign() does it. */
static uint64_t upstream_assigns(struct world *w)
{
	uint64_t b = w->verified + 1;

	while (b <= BATCHES && w->assigned[b] && w->now - w->assigned[b] <= w->timeout)
		b++;
	if (b > w->sealed)
		return 0;
	w->assigned[b] = w->now;
	return b;
}

static void ask(struct world *w, struct fetch_demand *d)
{
	enum fetch_heard heard = FETCH_NOTHING;
	uint64_t b = 0;

	assert_true(d->in_flight);
	if (d->speaks != w->speaks) {
		fetch_plan_heard(&w->x.p, d, FETCH_SILENCE, 0, w->now);
		return;
	}
	b = upstream_assigns(w);
	if (b && roll(w, 10) == 0) {
		w->lost++;
		heard = FETCH_CUT;
		b = 0;
	} else if (b) {
		heard = w->here[b] ? FETCH_KNOWN : FETCH_NEW;
		w->here[b] = true;
		w->given++;
	}
	fetch_plan_heard(&w->x.p, d, heard, b, w->now);
}

/* A prover takes the oldest that nobody has; what is in a row from the first on is verified. */
static void provers_and_chain(struct world *w)
{
	uint64_t b;

	if (roll(w, 3) == 0) {
		want(&w->x, &p7, "prover", w->now);
		for (b = w->verified + 1; b <= BATCHES && (!w->here[b] || w->leased[b]); b++)
			;
		if (b <= BATCHES)
			w->leased[b] = true;
	}
	if (roll(w, 4) == 0 && w->sealed < BATCHES)
		w->sealed++;
	if (roll(w, 4) == 0 && w->verified < BATCHES && w->leased[w->verified + 1])
		w->verified++;
}

static void one_world(uint64_t seed)
{
	struct world w = {.random = seed, .now = 1000, .speaks = DIALECT_P7};
	struct fetch_demand *d;
	unsigned steps = 0;

	begin(&w.x);
	w.x.view.open = world_open;
	w.x.view.arg = &w;
	w.timeout = 1000 + roll(&w, 60000);
	w.speaks = roll(&w, 2) ? DIALECT_P7 : DIALECT_P6;
	for (; w.verified < BATCHES; steps++) {
		assert_true(steps < 200000);
		w.now += 1 + roll(&w, 400);
		provers_and_chain(&w);
		w.x.view.gap = world_gap(&w);
		while ((d = fetch_plan_next(&w.x.p, &w.x.view, w.now))) {
			ask(&w, d);
			w.now++;
			w.x.view.gap = world_gap(&w);
		}
		if (roll(&w, 500) == 0) /* ours ends, and forgets what was not durable */
			fetch_plan_init(&w.x.p, 3, 1000);
		if (roll(&w, 500) == 0) /* upstream's ends, and forgets its assignments */
			memset(w.assigned, 0, sizeof w.assigned);
		if (!w.x.view.gap)
			assert_true(world_open(&w, &p7) <= 3 + 1 + 4 * w.lost);
	}
	/* Nothing that was here is asked for without end. */
	assert_true(w.given <= BATCHES + steps);
}

static void worlds_come_to_their_end(void **state)
{
	uint64_t seed;

	(void)state;
	for (seed = 1; seed <= 200; seed++)
		one_world(seed * 2654435761u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(ahead_and_no_further),
	    cmocka_unit_test(silence_means_another_dialect),
	    cmocka_unit_test(strangers_find_no_room_for_more),
	    cmocka_unit_test(the_leader_is_told),
	    cmocka_unit_test(a_spinning_upstream),
	    cmocka_unit_test(health_is_said_once_and_again),
	    cmocka_unit_test(worlds_come_to_their_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
