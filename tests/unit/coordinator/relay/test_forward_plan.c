/* Which proof goes upstream next: single rules, then worlds in which either side forgets. */
#include "coordinator/relay/forward_plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TDX     PROVER_TYPE_BIT(PROVER_TDX)
#define SP1     PROVER_TYPE_BIT(PROVER_SP1)
#define BATCHES 40

static const struct eth_address key = {{0xaa}}, other = {{0xbb}};

static struct work *book(unsigned needed)
{
	struct work_limits l = {.max_batches = 1000,
				.max_inputs = 1000,
				.max_versions = 2,
				.max_candidates = 8,
				.max_candidates_per_source = 1000,
				.lease_ms = 1000};
	struct work *w;
	uint8_t sha[32] = {0};
	uint64_t b;
	int t;

	for (t = 0; t < PROVER_TYPES; t++)
		l.proof_max[t] = 1000;
	w = work_new(&l);
	work_set_needed(w, needed);
	work_set_signer(w, WORK_SIGNER_IS, &key);
	for (b = 1; b <= BATCHES; b++) {
		sha[0] = (uint8_t)b;
		assert_int_equal(work_add_input(w, b, "abc1234", sha, 10, NULL), WORK_INPUT_NEW);
	}
	return w;
}

static void chain(struct work *w, uint64_t committed, uint64_t verified)
{
	const struct work_chain c = {committed, verified, 0};

	work_set_chain(w, &c, NULL);
}

static uint64_t offer(struct work *w, uint64_t batch, enum prover_type type, uint8_t content)
{
	struct work_proof p = {.batch = batch, .type = type, .size = 65};
	char source[16];
	struct why why;
	uint64_t id;

	snprintf(source, sizeof source, "10.0.0.%u", content);
	p.source = source;
	p.sha256[0] = content;
	p.sha256[1] = (uint8_t)batch;
	p.sha256[2] = (uint8_t)type;
	assert_int_equal(work_submit_check(w, &p, &id, &why), WORK_ACCEPT);
	assert_true(work_kept(w, id, 0));
	return id;
}

static uint64_t keep(struct work *w, uint64_t batch, enum prover_type type, uint8_t content,
		     enum work_state state, const struct eth_address *signer)
{
	static const struct work_gone nobody;
	const uint64_t id = offer(w, batch, type, content);

	assert_true(work_judged(w, id, state, signer, 0, &nobody));
	return id;
}

static void in_order_once_each(void **state)
{
	struct work *w = book(TDX | SP1);
	struct forward_plan p = {0};
	struct forward_due due;
	static const struct work_gone nobody;
	uint64_t good, zk, late;

	(void)state;
	chain(w, 10, 0);
	assert_false(forward_plan_next(&p, w, BATCHES, 0, &due));
	keep(w, 3, PROVER_TDX, 1, WORK_GOOD, &other); /* not the key on chain */
	late = offer(w, 3, PROVER_TDX, 4);
	good = keep(w, 3, PROVER_TDX, 2, WORK_GOOD, &key);
	zk = keep(w, 2, PROVER_SP1, 3, WORK_UNDECIDED, NULL);
	assert_true(forward_plan_next(&p, w, BATCHES, 0, &due));
	assert_int_equal(due.id, zk);
	assert_false(due.chosen);
	assert_true(forward_plan_chosen(&p, &due));
	forward_plan_acknowledged(&p, 2, PROVER_SP1, 1000);
	assert_true(forward_plan_next(&p, w, BATCHES, 0, &due));
	assert_int_equal(due.id, good);
	/* What could not be stored is no choice yet: it is stored before it is sent. */
	assert_true(forward_plan_chosen(&p, &due));
	forward_plan_failed(&p, 3, PROVER_TDX, 0);
	assert_false(forward_plan_next(&p, w, BATCHES, 1, &due));
	assert_true(forward_plan_next(&p, w, BATCHES, FORWARD_RETRY_MIN_MS, &due));
	assert_int_equal(due.id, good);
	assert_false(due.chosen);
	assert_true(forward_plan_chosen(&p, &due));
	forward_plan_stored(&p, &due);
	/* Upstream does not answer: the same one later, and a better one does not take its place.
	 */
	forward_plan_failed(&p, 3, PROVER_TDX, 100);
	work_judged(w, late, WORK_GOOD, &key, 0, &nobody);
	assert_false(forward_plan_next(&p, w, BATCHES, 101, &due));
	assert_true(forward_plan_next(&p, w, BATCHES, 100 + FORWARD_RETRY_MAX_MS, &due));
	assert_int_equal(due.id, good);
	assert_true(due.chosen);
	forward_plan_acknowledged(&p, 3, PROVER_TDX, 1000);
	assert_int_equal(p.acknowledged, 2);
	assert_false(forward_plan_next(&p, w, BATCHES, 50000, &due));
	/* One that is sick holds up nobody. */
	keep(w, 4, PROVER_TDX, 5, WORK_GOOD, &key);
	keep(w, 5, PROVER_TDX, 6, WORK_GOOD, &key);
	assert_true(forward_plan_next(&p, w, BATCHES, 5000, &due));
	assert_int_equal(due.batch, 4);
	assert_true(forward_plan_chosen(&p, &due));
	assert_true(forward_plan_has(&p, 3, 4, PROVER_TDX));
	assert_false(forward_plan_has(&p, 3, 4, PROVER_SP1));
	assert_false(forward_plan_has(&p, 4, 9, PROVER_TDX));
	/* Not beyond the last that may go. */
	assert_false(forward_plan_next(&p, w, 4, 5001, &due));
	forward_plan_failed(&p, 4, PROVER_TDX, 5000);
	assert_true(forward_plan_next(&p, w, BATCHES, 5001, &due));
	assert_int_equal(due.batch, 5);
	forward_plan_free(&p);
	work_free(w);
}

static void what_is_not_verified_is_sent_again(void **state)
{
	struct work *w = book(TDX | SP1);
	struct forward_plan p = {0};
	struct forward_entry e;
	struct forward_due due;
	int i;

	(void)state;
	chain(w, 10, 0);
	keep(w, 1, PROVER_TDX, 1, WORK_GOOD, &key);
	keep(w, 1, PROVER_SP1, 2, WORK_UNDECIDED, NULL);
	for (i = 0; i < 2; i++) {
		assert_true(forward_plan_next(&p, w, BATCHES, 0, &due));
		assert_true(forward_plan_chosen(&p, &due));
		forward_plan_stored(&p, &due);
		/* Not acknowledged yet, it is sent anyway. */
		assert_false(i == 0 && forward_plan_overdue(&p, 1, UINT64_MAX, &e));
		forward_plan_acknowledged(&p, 1, due.type, 1000);
		assert_false(forward_plan_overdue(&p, 1, 1000 + FORWARD_OVERDUE_MS - 1, &e));
		assert_false(forward_plan_overdue(&p, 1, 999, &e)); /* another's clock */
		assert_false(forward_plan_overdue(&p, 2, 1000 + FORWARD_OVERDUE_MS, &e));
		if (i == 0)
			assert_true(forward_plan_overdue(&p, 1, 1000 + FORWARD_OVERDUE_MS, &e));
		forward_plan_acknowledged(&p, 1, due.type, 1000);
	}
	assert_int_equal(p.acknowledged, 2);
	for (i = 0; i < 2; i++)
		assert_true(forward_plan_overdue(&p, 1, 1000 + FORWARD_OVERDUE_MS, &e));
	assert_false(forward_plan_overdue(&p, 1, 1000 + FORWARD_OVERDUE_MS, &e));
	assert_int_equal(p.acknowledged, 0);
	assert_true(forward_plan_next(&p, w, BATCHES, 0, &due));
	assert_int_equal(due.batch, 1);
	assert_true(due.chosen);
	forward_plan_free(&p);
	work_free(w);
}

static void what_upstream_lost_is_sent_again(void **state)
{
	struct work *w = book(TDX);
	struct forward_plan p = {0};
	struct forward_entry e;
	struct forward_due due;
	uint64_t id;

	(void)state;
	chain(w, 10, 0);
	id = keep(w, 1, PROVER_TDX, 1, WORK_GOOD, &key);
	assert_false(forward_plan_handed_out(&p, 1, PROVER_TDX, 1, 0, &e));
	assert_true(forward_plan_next(&p, w, BATCHES, 0, &due));
	forward_plan_chosen(&p, &due);
	/* Handed out before it was there, or asked for before: nothing is lost. */
	assert_false(forward_plan_handed_out(&p, 1, PROVER_TDX, 1, 0, &e));
	forward_plan_acknowledged(&p, 1, PROVER_TDX, 1000);
	assert_false(forward_plan_handed_out(&p, 1, PROVER_TDX, 999, 0, &e));
	assert_true(forward_plan_handed_out(&p, 1, PROVER_TDX, 1001, 2000, &e));
	assert_int_equal(e.again, 1);
	assert_false(e.acknowledged);
	assert_int_equal(p.acknowledged, 0);
	assert_true(forward_plan_next(&p, w, BATCHES, 2000 + FORWARD_RETRY_MIN_MS, &due));
	assert_int_equal(due.id, id);
	/* The key on chain has changed: the proof that stands is another. */
	forward_plan_acknowledged(&p, 1, PROVER_TDX, 3000);
	work_set_signer(w, WORK_SIGNER_IS, &other);
	id = keep(w, 1, PROVER_TDX, 2, WORK_GOOD, &other);
	forward_plan_rewind(&p);
	assert_true(forward_plan_next(&p, w, BATCHES, 9000, &due));
	assert_int_equal(due.id, id);
	assert_false(due.chosen);
	forward_plan_free(&p);
	work_free(w);
}

static void rows_come_and_go(void **state)
{
	const struct forward_entry rows[] = {
	    {.batch = 5, .type = PROVER_TDX, .id = 1},
	    {.batch = 2, .type = PROVER_TDX, .id = 2, .acknowledged = true},
	    {.batch = 2, .type = PROVER_SP1, .id = 3}};
	struct forward_plan p = {0};
	struct forward_entry e;
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++)
		assert_true(forward_plan_restore(&p, &rows[i]));
	assert_true(forward_plan_restore(&p, &rows[1])); /* twice is once */
	assert_int_equal(p.n, 3);
	assert_int_equal(p.acknowledged, 1);
	assert_int_equal(forward_plan_find(&p, 2, PROVER_SP1)->id, 3);
	assert_null(forward_plan_find(&p, 3, PROVER_SP1));
	assert_false(forward_plan_drop(&p, 1, &e));
	assert_true(forward_plan_drop(&p, 4, &e));
	assert_int_equal(e.id, 3);
	assert_true(forward_plan_drop(&p, 4, &e));
	assert_int_equal(e.id, 2);
	assert_int_equal(p.acknowledged, 0);
	assert_false(forward_plan_drop(&p, 4, &e));
	forward_plan_free(&p);
}

/* ---- worlds ---- */

struct world {
	uint64_t random, now;
	uint64_t upstream[BATCHES + 1]; /* the proof that it has; 0: none */
	struct forward_entry rows[BATCHES + 1];
	bool stored[BATCHES + 1];
};

static uint64_t roll(struct world *x, uint64_t n)
{
	x->random = x->random * 6364136223846793005u + 1442695040888963407u;
	return (x->random >> 33) % n;
}

static void store(struct world *x, const struct forward_plan *p, uint64_t batch)
{
	x->rows[batch] = *forward_plan_find(p, batch, PROVER_TDX);
	x->rows[batch].failures = x->rows[batch].again = 0;
	x->rows[batch].next_ms = 0;
	x->stored[batch] = true;
}

static void restart(struct world *x, struct forward_plan *p)
{
	uint64_t b;

	forward_plan_free(p);
	for (b = 1; b <= BATCHES; b++)
		if (x->stored[b])
			assert_true(forward_plan_restore(p, &x->rows[b]));
}

/* Sends one; a crash may come after each step. */
static void send_one(struct world *x, struct forward_plan *p, struct work *w)
{
	struct forward_due due;

	if (!forward_plan_next(p, w, BATCHES, x->now, &due))
		return;
	if (!due.chosen) {
		assert_true(forward_plan_chosen(p, &due));
		store(x, p, due.batch);
		forward_plan_stored(p, &due);
	}
	if (roll(x, 10) == 0) {
		restart(x, p);
		return;
	}
	if (roll(x, 4) == 0) { /* it does not arrive, or its answer does not */
		if (roll(x, 2) && !x->upstream[due.batch])
			x->upstream[due.batch] = due.id;
		forward_plan_failed(p, due.batch, due.type, x->now);
		return;
	}
	if (!x->upstream[due.batch])
		x->upstream[due.batch] = due.id;
	assert_int_equal(x->upstream[due.batch], due.id); /* it keeps the first: this one */
	if (roll(x, 10) == 0) {
		restart(x, p);
		return;
	}
	forward_plan_acknowledged(p, due.batch, due.type, x->now);
	store(x, p, due.batch);
}

static void one_world(uint64_t seed)
{
	struct world x = {.random = seed, .now = 1};
	struct work *w = book(TDX);
	struct forward_plan p = {0};
	struct forward_entry e;
	uint64_t ids[BATCHES + 1], b;
	unsigned step, there = 0;

	chain(w, BATCHES, 0);
	for (b = BATCHES; b >= 1; b--)
		ids[b] = keep(w, b, PROVER_TDX, (uint8_t)(1 + roll(&x, 5)), WORK_GOOD, &key);
	for (step = 0; there < BATCHES; step++) {
		assert_true(step < 100000);
		x.now += 1 + roll(&x, 300);
		send_one(&x, &p, w);
		if (roll(&x, 300) == 0) /* its store was in memory */
			memset(x.upstream, 0, sizeof x.upstream);
		b = 1 + roll(&x, BATCHES);
		if (!x.upstream[b]) /* what it has no proof of it hands out */
			forward_plan_handed_out(&p, b, PROVER_TDX, x.now, x.now, &e);
		for (b = 1, there = 0; b <= BATCHES; b++)
			there += x.upstream[b] == ids[b];
	}
	forward_plan_free(&p);
	work_free(w);
}

static void worlds_come_to_their_end(void **state)
{
	uint64_t seed;

	(void)state;
	for (seed = 1; seed <= 100; seed++)
		one_world(seed * 2654435761u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(in_order_once_each),
	    cmocka_unit_test(what_is_not_verified_is_sent_again),
	    cmocka_unit_test(what_upstream_lost_is_sent_again),
	    cmocka_unit_test(rows_come_and_go),
	    cmocka_unit_test(worlds_come_to_their_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
