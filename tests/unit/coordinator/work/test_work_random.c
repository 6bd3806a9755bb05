/*
 * work in random worlds: a slow, obvious model of what was acknowledged and leased runs beside it,
 * and after every step the promises are checked.
 */
#include "coordinator/work/work.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BATCHES   12
#define PROOFS    4096
#define LEASE_MS  50
#define MAX_CAND  3
#define PER_SRC   8
#define MAX_LEASE 12

static const char *const hashes[] = {"aaaaaaa", "bbbbbbb"};
static const char *const sources[] = {"s0", "s1", "s2"};
static const enum prover_type types[] = {PROVER_TDX, PROVER_SP1};

struct model_proof {
	uint64_t batch;
	enum prover_type type;
	unsigned source;
	uint64_t content;
	enum work_state state;
	uint8_t signer; /* 0: none */
	bool there;     /* acknowledged (or reserved) and its batch not dropped */
	bool forgotten; /* work said that the row may go */
};

struct world {
	struct work *w;
	uint64_t seed, now;
	bool input[BATCHES + 1][2];
	struct work_chain chain;
	uint64_t lease_until[BATCHES + 1][PROVER_TYPES]; /* as granted; 0: none */
	uint64_t first_grant[BATCHES + 1][PROVER_TYPES];
	struct model_proof proof[PROOFS]; /* by id */
	uint8_t key;                      /* on chain; 0: not known */
};

static uint64_t next_random(struct world *o)
{
	o->seed ^= o->seed << 13;
	o->seed ^= o->seed >> 7;
	o->seed ^= o->seed << 17;
	return o->seed;
}

static uint64_t pick(struct world *o, uint64_t n)
{
	return (next_random(o) >> 11) % n;
}

static struct eth_address key_of(uint8_t k)
{
	return (struct eth_address){{k, k, k}};
}

static void gone_candidate(void *arg, uint64_t id)
{
	struct world *o = arg;
	struct model_proof *p = &o->proof[id];

	assert_true(p->there && !p->forgotten);
	/* Only what is verified for good, judged bad, or good twice may be forgotten. */
	assert_true(p->batch <= o->chain.final || p->state == WORK_BAD || p->state == WORK_GOOD ||
		    p->state == WORK_ASIDE);
	p->forgotten = true;
	p->there = false;
}

static void gone_lease(void *arg, uint64_t batch, enum prover_type type)
{
	struct world *o = arg;

	assert_true(batch <= o->chain.final);
	o->lease_until[batch][type] = 0;
}

static void gone_input(void *arg, uint64_t batch, const char *hash, const uint8_t sha[32],
		       uint64_t size, bool last_use)
{
	struct world *o = arg;

	assert_int_equal(size, 1);
	(void)sha;
	(void)last_use;
	assert_true(batch <= o->chain.final);
	o->input[batch][strcmp(hash, hashes[1]) == 0] = false;
}

static struct work_gone gone_of(struct world *o)
{
	return (struct work_gone){gone_input, gone_candidate, gone_lease, o};
}

static bool counts(const struct world *o, const struct model_proof *p)
{
	return p->there && p->state == WORK_GOOD &&
	       (p->type != PROVER_TDX || o->key == 0 || o->key == p->signer);
}

/* Has the batch a proof of the type that is good or, whoever sent it, could be? perhaps: or that
 * could be if who sent it is trusted. */
static bool could_be_good(const struct world *o, uint64_t batch, enum prover_type type,
			  bool perhaps)
{
	size_t i;

	for (i = 0; i < PROOFS; i++) {
		const struct model_proof *p = &o->proof[i];

		if (!p->there || p->batch != batch || p->type != type)
			continue;
		if (counts(o, p) || p->state == WORK_REVERTED)
			return true;
		if (p->state == WORK_CANDIDATE && (perhaps || batch <= o->chain.committed))
			return true;
		if (perhaps && p->state == WORK_UNDECIDED)
			return true;
	}
	return false;
}

/* Has it a good proof that does not count? */
static bool contested(const struct world *o, uint64_t batch, enum prover_type type)
{
	size_t i;

	for (i = 0; i < PROOFS; i++) {
		const struct model_proof *p = &o->proof[i];

		if (p->there && p->batch == batch && p->type == type && p->state == WORK_GOOD &&
		    !counts(o, p))
			return true;
	}
	return false;
}

static void step_put(struct world *o)
{
	uint64_t batch = 1 + pick(o, BATCHES);
	unsigned v = (unsigned)pick(o, 2);
	uint8_t sha[32] = {(uint8_t)batch, (uint8_t)v};
	enum work_input_rc rc = work_add_input(o->w, batch, hashes[v], sha, 1, NULL);

	if (batch <= o->chain.final && !o->input[batch][v])
		assert_int_equal(rc, WORK_INPUT_VERIFIED);
	else
		assert_int_equal(rc, o->input[batch][v] ? WORK_INPUT_SAME : WORK_INPUT_NEW);
	if (rc == WORK_INPUT_NEW)
		o->input[batch][v] = true;
}

static void step_request(struct world *o)
{
	enum prover_type type = types[pick(o, 2)];
	unsigned v = (unsigned)pick(o, 2);
	bool old_dialect = pick(o, 8) == 0;
	struct work_grant g;
	struct why why = {{0}};
	enum work_request_rc rc = work_request(
	    o->w, hashes[v], old_dialect ? NULL : &type,
	    &(struct work_source){sources[pick(o, 3)], pick(o, 4) == 0, 0}, o->now, &g, &why);

	assert_int_not_equal(rc, WORK_NOT_NEEDED);
	if (rc != WORK_GRANT) {
		assert_true(strlen(why.text) > 5);
		return;
	}
	assert_true(o->input[g.batch][v]);
	assert_true(g.batch > o->chain.verified);
	assert_int_equal(g.sha256[0], g.batch);
	assert_int_equal(g.sha256[1], v);
	if (old_dialect) {
		assert_int_equal(g.ticket, 0);
		assert_true(!could_be_good(o, g.batch, PROVER_TDX, false) ||
			    !could_be_good(o, g.batch, PROVER_SP1, false));
		return;
	}
	/* Never what somebody has before its time, which runs from the first grant; never what has
	 * a proof that could be good. */
	if (o->lease_until[g.batch][type] > o->now && !contested(o, g.batch, type))
		assert_true(o->now >= o->first_grant[g.batch][type] + LEASE_MS);
	if (o->lease_until[g.batch][type] == 0 && o->first_grant[g.batch][type] == 0)
		o->first_grant[g.batch][type] = o->now;
	assert_false(could_be_good(o, g.batch, type, false));
	assert_int_equal(g.expires_ms, o->now + LEASE_MS);
	o->lease_until[g.batch][type] = g.expires_ms;
	if (pick(o, 6) == 0) {
		work_ungrant(o->w, g.batch, type, g.ticket);
		o->lease_until[g.batch][type] = 0;
	}
}

static void step_submit(struct world *o)
{
	struct work_proof p = {.batch = 1 + pick(o, BATCHES),
			       .type = types[pick(o, 2)],
			       .source = sources[pick(o, 3)],
			       .attested = pick(o, 4) == 0,
			       .received_ms = o->now,
			       .size = 65};
	unsigned source = (unsigned)(p.source[1] - '0'), unjudged = 0;
	uint64_t content = pick(o, 40), id;
	struct why why = {{0}};
	enum work_submit_rc rc;
	size_t i;

	p.sha256[0] = (uint8_t)content;
	p.sha256[1] = 7;
	rc = work_submit_check(o->w, &p, &id, &why);
	if (rc != WORK_ACCEPT) {
		assert_true(rc == WORK_DUPLICATE || rc == WORK_AGAIN || strlen(why.text) > 5);
		if (rc == WORK_AGAIN) {
			assert_true(o->proof[id].there && o->proof[id].state == WORK_BAD);
			o->proof[id].state = WORK_CANDIDATE;
			o->proof[id].signer = 0;
		}
		return;
	}
	assert_true(id < PROOFS && !o->proof[id].there);
	assert_true(o->input[p.batch][0] || o->input[p.batch][1]);
	o->proof[id] =
	    (struct model_proof){p.batch, p.type, source, content, WORK_RESERVED, 0, true, false};
	for (i = 0; i < PROOFS; i++) {
		const struct model_proof *q = &o->proof[i];

		assert_false(i != id && q->there && q->batch == p.batch && q->type == p.type &&
			     q->content == content);
		unjudged += q->there && q->batch > o->chain.final && q->source == source &&
			    q->state != WORK_GOOD && q->state != WORK_BAD &&
			    q->state != WORK_REVERTED && q->state != WORK_ASIDE;
	}
	assert_true(unjudged <= PER_SRC);
}

static void step_commit(struct world *o, bool all)
{
	size_t i;

	for (i = 0; i < PROOFS; i++) {
		struct model_proof *p = &o->proof[i];

		if (!p->there || p->state != WORK_RESERVED || (!all && pick(o, 3)))
			continue;
		if (pick(o, 5) == 0) {
			work_release(o->w, i);
			p->there = false;
		} else if (work_kept(o->w, i, o->now)) {
			p->state = WORK_CANDIDATE;
			o->lease_until[p->batch][p->type] = 0;
		} else {
			assert_true(p->batch <= o->chain.final);
			p->there = false;
		}
	}
}

static void step_judge(struct world *o)
{
	struct work_judge_at at = {0, 0};
	struct work_candidate c;
	struct work_gone gone = gone_of(o);

	while (work_next_to_judge(o->w, &at, &c)) {
		struct model_proof *p = &o->proof[c.id];
		uint64_t verdict = pick(o, 4);
		uint8_t key = (uint8_t)(1 + pick(o, 2));
		struct eth_address signer = key_of(key);

		assert_true(p->there && p->state == c.state && p->batch == c.batch);
		assert_true(c.state == WORK_CANDIDATE || c.state == WORK_REVERTED ||
			    c.state == WORK_ASIDE);
		assert_true(c.batch <= o->chain.committed && c.batch > o->chain.verified);
		if (verdict == 3)
			continue;
		p->state = work_verdict(o->w, c.id,
					verdict == 0   ? WORK_GOOD
					: verdict == 1 ? WORK_BAD
						       : WORK_UNDECIDED);
		/* Whoever was caught by a revert is never to blame. */
		assert_true(c.state == WORK_CANDIDATE || p->state != WORK_BAD);
		p->signer = verdict == 0 && p->type == PROVER_TDX ? key : 0;
		assert_true(
		    work_judged(o->w, c.id, p->state, p->signer ? &signer : NULL, o->now, &gone));
	}
}

static void step_chain(struct world *o)
{
	struct work_chain was = o->chain;
	struct work_gone gone = gone_of(o);
	uint64_t last;
	size_t i;

	if (pick(o, 6) == 0) { /* reorg */
		o->chain.committed -= pick(o, 3) < o->chain.committed - o->chain.verified;
		o->chain.verified =
		    o->chain.final + pick(o, o->chain.verified - o->chain.final + 1);
	} else if (o->chain.committed < BATCHES) {
		o->chain.committed += pick(o, 2);
		if (o->chain.verified < o->chain.committed)
			o->chain.verified += pick(o, 4) == 0;
		if (o->chain.final < o->chain.verified)
			o->chain.final += pick(o, 4) == 0;
	}
	for (i = 0; i < PROOFS; i++) {
		struct model_proof *p = &o->proof[i];

		if (p->batch > o->chain.committed && p->batch <= was.committed &&
		    (p->state == WORK_GOOD || p->state == WORK_UNDECIDED ||
		     p->state == WORK_CANDIDATE)) {
			p->state = WORK_REVERTED;
			p->signer = 0;
		}
	}
	work_set_chain(o->w, &o->chain, NULL);
	work_drop_through(o->w, o->chain.final - pick(o, o->chain.final + 1), 1 + pick(o, 3),
			  UINT64_MAX, &gone, &last);
}

static void step_key(struct world *o)
{
	struct eth_address signer;

	o->key = (uint8_t)(1 + pick(o, 2));
	signer = key_of(o->key);
	work_set_signer(o->w, WORK_SIGNER_IS, &signer);
}

static void check_run(struct world *o)
{
	struct work_run_batch room[BATCHES];
	struct work_run run = {.batches = room};
	struct eth_address signer = key_of(o->key);
	size_t i;
	int t;

	work_run(o->w, BATCHES, false, o->key ? &signer : NULL, &run, NULL);
	for (i = 0; i < run.n; i++) {
		assert_int_equal(room[i].batch, o->chain.verified + 1 + i);
		assert_true(room[i].batch <= o->chain.committed);
		for (t = 0; t < 2; t++) {
			const struct model_proof *p = &o->proof[room[i].id[types[t]]];

			assert_true(p->there && p->state == WORK_GOOD && p->type == types[t] &&
				    p->batch == room[i].batch);
			if (t == 0) {
				struct eth_address by = key_of(p->signer);

				assert_true(eth_address_equal(&by, &run.signer));
			}
		}
	}
	/* Not shorter than it could be. */
	if (o->key && run.first + run.n <= o->chain.committed) {
		unsigned ready = 0;

		for (t = 0; t < 2; t++) {
			bool have = false;

			for (i = 0; i < PROOFS; i++)
				have |= o->proof[i].there && counts(o, &o->proof[i]) &&
					o->proof[i].batch == run.first + run.n &&
					o->proof[i].type == types[t];
			ready += have;
		}
		assert_true(ready < 2);
	}
}

/* What was acknowledged is there, in the state that it was given, and nothing else is. */
static void check_candidates(struct world *o)
{
	size_t n[WORK_STATES] = {0}, i;
	struct work_counts c;

	for (i = 0; i < PROOFS; i++) {
		struct work_candidate found;
		bool there = work_find_candidate(o->w, i, &found);
		const struct model_proof *p = &o->proof[i];

		if (p->there && p->state == WORK_RESERVED && !there) {
			assert_true(p->batch <= o->chain.final);
			continue;
		}
		assert_int_equal(there, p->there);
		if (!there)
			continue;
		assert_int_equal(found.state, p->state);
		assert_int_equal(found.batch, p->batch);
		assert_int_equal(found.has_signer, p->signer != 0);
		n[p->state]++;
	}
	work_counts(o->w, &c);
	assert_memory_equal(n, c.candidates, sizeof n);
}

/* With all leases over, whatever lacks a proof is handed out to a source that nothing is held
 * against. */
static void check_nothing_is_stuck(struct world *o)
{
	bool handed[BATCHES + 1][2] = {{false}};
	unsigned v, n;
	uint64_t b;

	step_commit(o, true);
	o->now += 10 * LEASE_MS;
	for (v = 0; v < 2; v++)
		for (n = 0; n < 2 * BATCHES; n++) {
			char source[16];
			const struct work_source fresh = {source, false, 0};
			struct work_grant g;

			unsigned asks;

			snprintf(source, sizeof source, "fresh%u", n);
			for (asks = 0;
			     asks < 2 * BATCHES && work_request(o->w, hashes[v], &types[0], &fresh,
								o->now, &g, NULL) == WORK_GRANT;
			     asks++)
				handed[g.batch][0] = true;
		}
	for (b = o->chain.verified + 1; b <= BATCHES; b++) {
		unsigned rooms = 0;
		size_t i;

		for (i = 0; i < PROOFS; i++)
			rooms += o->proof[i].there && o->proof[i].batch == b &&
				 o->proof[i].type == types[0] && o->proof[i].state != WORK_GOOD &&
				 o->proof[i].state != WORK_BAD &&
				 o->proof[i].state != WORK_REVERTED &&
				 o->proof[i].state != WORK_ASIDE;
		if ((o->input[b][0] || o->input[b][1]) && !could_be_good(o, b, types[0], true) &&
		    rooms < MAX_CAND)
			assert_true(handed[b][0]);
	}
}

static void one_world(uint64_t seed)
{
	static struct world o;
	struct work_limits l = {.max_batches = BATCHES,
				.max_inputs = 2 * BATCHES,
				.max_versions = 2,
				.max_candidates = MAX_CAND,
				.max_candidates_per_source = PER_SRC,
				.max_leases_per_source = MAX_LEASE,
				.lease_ms = LEASE_MS};
	int i;

	memset(&o, 0, sizeof o);
	o.seed = seed * 0x9e3779b97f4a7c15u + 1;
	for (i = 0; i < PROVER_TYPES; i++)
		l.proof_max[i] = 1000;
	o.w = work_new(&l);
	assert_non_null(o.w);
	work_set_needed(o.w, PROVER_TYPE_BIT(PROVER_TDX) | PROVER_TYPE_BIT(PROVER_SP1));
	step_chain(&o);
	for (i = 0; i < 300; i++) {
		o.now += pick(&o, 20);
		switch (pick(&o, 12)) {
		case 0: step_chain(&o); break;
		case 1: step_key(&o); break;
		case 2: step_judge(&o); break;
		case 3:
		case 4: step_commit(&o, false); break;
		case 5:
		case 6: step_submit(&o); break;
		case 7:
		case 8: step_put(&o); break;
		default: step_request(&o); break;
		}
		if (i % 8 == 0) {
			check_candidates(&o);
			check_run(&o);
		}
	}
	check_nothing_is_stuck(&o);
	work_free(o.w);
}

static void many_random_worlds(void **state)
{
	uint64_t seed;

	(void)state;
	for (seed = 1; seed <= 400; seed++)
		one_world(seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(many_random_worlds)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
