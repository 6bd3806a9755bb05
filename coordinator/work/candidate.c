#include "coordinator/work/internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PASS_OVER_MIN_MS 2000 /* provers ask every few seconds */

const char *work_state_name(enum work_state state)
{
	switch (state) {
	case WORK_RESERVED: return "reserved";
	case WORK_CANDIDATE: return "candidate";
	case WORK_GOOD: return "good";
	case WORK_BAD: return "bad";
	case WORK_UNDECIDED: return "undecided";
	case WORK_REVERTED: return "reverted";
	case WORK_ASIDE: return "aside";
	}
	return "?";
}

static bool state_is_unjudged(enum work_state state)
{
	return state == WORK_RESERVED || state == WORK_CANDIDATE || state == WORK_UNDECIDED;
}

/* Of this source, or of all with NULL: those that take up room. */
unsigned slot_unjudged(const struct slot *s, const struct source *source)
{
	const struct candidate *c;
	unsigned n = 0;

	for (c = s ? s->first : NULL; c; c = c->next)
		if (state_is_unjudged(c->state) && (!source || c->source == source))
			n++;
	return n;
}

static bool waits_to_be_judged(const struct candidate *c)
{
	return c->state == WORK_CANDIDATE || c->state == WORK_REVERTED ||
	       (c->state == WORK_ASIDE && !c->looked);
}

static void candidate_set_state(struct work *w, struct candidate *c, enum work_state state,
				bool looked)
{
	const bool waited = waits_to_be_judged(c);
	struct batch *b = c->batch;

	w->by_state[c->state]--;
	w->by_state[state]++;
	c->source->unjudged -= state_is_unjudged(c->state);
	c->source->unjudged += state_is_unjudged(state);
	c->state = state;
	c->looked = looked;
	if (waited && !waits_to_be_judged(c) && --b->unjudged == 0)
		order_remove(&w->unjudged, b->number);
	if (!waited && waits_to_be_judged(c) && b->unjudged++ == 0)
		order_insert(&w->unjudged, b->number,
			     b); /* room was reserved by candidate_link() */
}

/* Puts a new candidate, in state RESERVED, everywhere it belongs. False: out of memory. */
static bool candidate_link(struct work *w, struct batch *b, struct candidate *c, const char *source)
{
	struct slot *s = batch_slot_make(b, c->type);
	struct candidate **at;

	if (!s || !order_reserve(&w->unjudged, w->unjudged.n + w->by_state[WORK_RESERVED] + 1))
		return false;
	c->source = source_get(&w->sources, source);
	if (!c->source)
		return false;
	if (!order_insert(&w->candidates, c->id, c)) {
		source_put(&w->sources, c->source);
		return false;
	}
	for (at = &s->first; *at && (*at)->id < c->id; at = &(*at)->next)
		;
	c->next = *at;
	*at = c;
	c->batch = b;
	c->state = WORK_RESERVED;
	w->by_state[WORK_RESERVED]++;
	w->proof_bytes += c->size;
	c->source->unjudged++;
	return true;
}

void candidate_unlink(struct work *w, struct candidate *c)
{
	struct candidate **at = &c->batch->slot[c->type]->first;

	candidate_set_state(w, c, WORK_BAD, false);
	w->by_state[WORK_BAD]--;
	w->proof_bytes -= c->size;
	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	order_remove(&w->candidates, c->id);
	source_put(&w->sources, c->source);
	free(c);
}

/* ---- submitting ---- */

static const struct candidate *slot_same_proof(const struct slot *s, const uint8_t sha256[32])
{
	const struct candidate *c;

	for (c = s ? s->first : NULL; c; c = c->next)
		if (memcmp(c->sha256, sha256, 32) == 0)
			return c;
	return NULL;
}

static bool slot_has_good(const struct work *w, const struct slot *s)
{
	const struct candidate *c;

	for (c = s ? s->first : NULL; c; c = c->next)
		if (candidate_counts(w, c))
			return true;
	return false;
}

static enum work_submit_rc submit_room(const struct work *w, const struct slot *s,
				       const struct work_proof *proof, struct why *why)
{
	const struct source *src = source_find(&w->sources, proof->source);
	const char *name = prover_type_name(proof->type);
	unsigned in_all = slot_unjudged(s, NULL);
	/* One source never fills a batch alone: room is left for somebody else's. */
	unsigned share = (w->limits.max_candidates + 1) / 2;

	if (in_all >= w->limits.max_candidates) {
		why_set(why,
			"batch %" PRIu64
			" has %u %s proofs that wait to be judged: that is the limit",
			proof->batch, in_all, name);
		return WORK_NO_ROOM;
	}
	if (w->limits.max_proof_bytes &&
	    proof->size > w->limits.max_proof_bytes - (w->proof_bytes < w->limits.max_proof_bytes
							   ? w->proof_bytes
							   : w->limits.max_proof_bytes)) {
		why_set(why, "the proofs' quota of %" PRIu64 " bytes is used up",
			w->limits.max_proof_bytes);
		return WORK_NO_ROOM;
	}
	if (src && slot_unjudged(s, src) >= share) {
		why_set(why,
			"%s has sent %u %s proofs for batch %" PRIu64
			" that wait to be judged: that is the limit of one source",
			proof->source, slot_unjudged(s, src), name, proof->batch);
		return WORK_SOURCE_QUOTA;
	}
	if (src && src->unjudged >= w->limits.max_candidates_per_source) {
		why_set(why, "%s has sent %u proofs that wait to be judged: that is the limit",
			proof->source, src->unjudged);
		return WORK_SOURCE_QUOTA;
	}
	return WORK_ACCEPT;
}

enum work_submit_rc work_submit_check(struct work *w, const struct work_proof *proof, uint64_t *id,
				      struct why *why)
{
	const char *name = prover_type_name(proof->type);
	struct batch *b = work_batch(w, proof->batch);
	const struct slot *s = b ? b->slot[proof->type] : NULL;
	const struct candidate *same = slot_same_proof(s, proof->sha256);
	enum work_submit_rc rc;
	struct candidate *c;

	*id = 0;
	/* Before that is confirmed it is one node's word, on which no proof is dropped. */
	if (w->chain_known && proof->batch <= w->chain.final)
		return WORK_DUPLICATE;
	if (same && same->state == WORK_RESERVED) {
		why_set(why, "the same proof for batch %" PRIu64 " is being stored", proof->batch);
		return WORK_IN_FLIGHT;
	}
	if (same)
		return WORK_DUPLICATE;
	if (!b || !b->inputs) {
		why_set(why, "batch %" PRIu64 " is not known: no input is stored for it",
			proof->batch);
		return WORK_UNKNOWN_BATCH;
	}
	if (!w->needed_known) {
		why_set(why, "L1 has not yet said which proof types it needs");
		return WORK_NOT_YET;
	}
	if (!(w->needed & PROVER_TYPE_BIT(proof->type))) {
		why_set(why, "the contract needs no %s proof", name);
		return WORK_TYPE_NOT_NEEDED;
	}
	if (slot_has_good(w, s))
		return WORK_DUPLICATE;
	if (proof->size > w->limits.proof_max[proof->type]) {
		why_set(why, "a %s proof of %zu bytes is over the limit of %zu", name, proof->size,
			w->limits.proof_max[proof->type]);
		return WORK_TOO_BIG;
	}
	rc = submit_room(w, s, proof, why);
	if (rc != WORK_ACCEPT)
		return rc;
	c = calloc(1, sizeof *c);
	if (c) {
		c->id = w->next_id;
		c->type = proof->type;
		c->size = proof->size;
		memcpy(c->sha256, proof->sha256, sizeof c->sha256);
	}
	if (!c || !candidate_link(w, b, c, proof->source)) {
		free(c);
		why_set(why, "out of memory for a proof of batch %" PRIu64, proof->batch);
		return WORK_NO_MEMORY;
	}
	*id = w->next_id++;
	batch_refresh(w, b, proof->type);
	return WORK_ACCEPT;
}

bool work_kept(struct work *w, uint64_t id)
{
	struct candidate *c = order_find(&w->candidates, id);
	struct slot *s;

	if (!c)
		return false;
	if (c->state != WORK_RESERVED)
		return true;
	candidate_set_state(w, c, WORK_CANDIDATE, false);
	s = c->batch->slot[c->type];
	if (s->lease.ticket)
		lease_end(w, s);
	batch_refresh(w, c->batch, c->type);
	return true;
}

void work_release(struct work *w, uint64_t id)
{
	struct candidate *c = order_find(&w->candidates, id);
	struct batch *b;
	enum prover_type type;

	if (!c || c->state != WORK_RESERVED)
		return;
	b = c->batch;
	type = c->type;
	candidate_unlink(w, c);
	batch_refresh(w, b, type);
}

bool work_restore_candidate(struct work *w, uint64_t id, const struct work_proof *proof,
			    enum work_state state, const struct eth_address *signer)
{
	struct batch *b;
	struct candidate *c;

	if (id == 0 || state == WORK_RESERVED || order_find(&w->candidates, id))
		return false;
	b = work_batch_make(w, proof->batch);
	c = calloc(1, sizeof *c);
	if (c) {
		c->id = id;
		c->type = proof->type;
		c->size = proof->size;
		memcpy(c->sha256, proof->sha256, sizeof c->sha256);
		c->has_signer = signer != NULL;
		if (signer)
			c->signer = *signer;
	}
	if (!b || !c || !candidate_link(w, b, c, proof->source)) {
		free(c);
		return false;
	}
	candidate_set_state(w, c, state, false);
	if (state == WORK_REVERTED || state == WORK_ASIDE)
		b->blameless = true;
	if (id >= w->next_id)
		w->next_id = id + 1;
	batch_refresh(w, b, proof->type);
	return true;
}

/* ---- judging ---- */

static void candidate_show(const struct candidate *c, struct work_candidate *out)
{
	*out = (struct work_candidate){
	    .id = c->id,
	    .batch = c->batch->number,
	    .type = c->type,
	    .state = c->state,
	    .has_signer = c->has_signer,
	    .signer = c->signer,
	};
	memcpy(out->source, c->source->text, sizeof out->source);
}

bool work_next_to_judge(const struct work *w, struct work_judge_at *after,
			struct work_candidate *out)
{
	uint64_t first = w->chain.verified + 1;
	size_t i;

	if (!w->chain_known)
		return false;
	if (first < after->batch)
		first = after->batch;
	for (i = order_lower_bound(&w->unjudged, first); i < w->unjudged.n; i++) {
		const struct batch *b = order_at(&w->unjudged, i).item;
		const struct candidate *best = NULL;
		uint64_t after_id = b->number == after->batch ? after->id : 0;
		int t;

		if (b->number > w->chain.committed)
			return false;
		for (t = 0; t < PROVER_TYPES; t++) {
			const struct candidate *c = b->slot[t] ? b->slot[t]->first : NULL;

			for (; c; c = c->next)
				if (waits_to_be_judged(c) && c->id > after_id &&
				    (!best || c->id < best->id))
					best = c;
		}
		if (best) {
			*after = (struct work_judge_at){b->number, best->id};
			candidate_show(best, out);
			return true;
		}
	}
	return false;
}

static bool same_signer(const struct candidate *a, const struct candidate *b)
{
	return a->has_signer == b->has_signer &&
	       (!a->has_signer || eth_address_equal(&a->signer, &b->signer));
}

/* Is it of no further use: bad, or good but not the first good one of its signer? */
static bool candidate_is_spent(const struct slot *s, const struct candidate *c)
{
	const struct candidate *other;

	if (c->state == WORK_BAD || (c->state == WORK_ASIDE && c->looked))
		return true;
	if (c->state != WORK_GOOD)
		return false;
	for (other = s->first; other != c; other = other->next)
		if (other->state == WORK_GOOD && same_signer(other, c))
			return true;
	return false;
}

static void slot_forget_spent(struct work *w, struct slot *s, const struct candidate *judged,
			      const struct work_gone *gone)
{
	struct candidate *c, *oldest;
	unsigned n;

	do {
		oldest = NULL;
		n = 0;
		for (c = s->first; c; c = c->next) {
			if (!candidate_is_spent(s, c))
				continue;
			n++;
			if (!oldest && c != judged)
				oldest = c;
		}
		if (n <= w->limits.max_candidates || !oldest)
			return;
		if (gone && gone->candidate)
			gone->candidate(gone->arg, oldest->id);
		candidate_unlink(w, oldest);
	} while (true);
}

static void slot_avoid(struct work *w, struct slot *s, struct source *source, uint64_t until_ms)
{
	source->refs++;
	source_put(&w->sources, s->avoid);
	s->avoid = source;
	s->avoid_until_ms = until_ms;
}

/* A genuine proof by a key that does not count just now: several provers may share its source, and
 * one of the others is the one whose proof counts. So the source is passed over for a few polls
 * only, of a length that keeps provers in step from meeting the same batch for ever. */
static uint64_t pass_over_ms(const struct work *w, uint64_t id)
{
	uint64_t poll = w->limits.lease_ms / 120;

	if (poll < PASS_OVER_MIN_MS)
		poll = PASS_OVER_MIN_MS;
	return poll * (1 + id % 3);
}

enum work_state work_verdict(const struct work *w, uint64_t id, enum work_state state)
{
	const struct candidate *c = order_find(&w->candidates, id);

	if (!c || !c->batch->blameless || state == WORK_GOOD)
		return state;
	/* Only a dry run tells of a proof of another type that waited, and may still find it good.
	 */
	if (state == WORK_UNDECIDED && c->type != PROVER_TDX && c->state != WORK_ASIDE)
		return state;
	return WORK_ASIDE;
}

bool work_judged(struct work *w, uint64_t id, enum work_state state,
		 const struct eth_address *signer, uint64_t now_ms, const struct work_gone *gone)
{
	struct candidate *c = order_find(&w->candidates, id);
	struct batch *b;
	struct slot *s;
	enum prover_type type;
	uint64_t until_ms = now_ms + w->limits.lease_ms;

	if (!c || c->state == WORK_RESERVED ||
	    (state != WORK_GOOD && state != WORK_BAD && state != WORK_UNDECIDED &&
	     state != WORK_ASIDE))
		return false;
	b = c->batch;
	type = c->type;
	s = b->slot[type];
	candidate_set_state(w, c, state, true);
	c->has_signer = signer != NULL;
	c->signer = signer ? *signer : (struct eth_address){0};
	if (state == WORK_BAD)
		slot_avoid(w, s, c->source, until_ms);
	if (state == WORK_GOOD && !candidate_counts(w, c))
		slot_avoid(w, s, c->source, now_ms + pass_over_ms(w, id));
	if (state == WORK_UNDECIDED && type == PROVER_TDX) {
		slot_avoid(w, s, c->source, until_ms);
		if (!s->lease.ticket && !slot_satisfied(w, s, type))
			lease_begin(w, b, type, NULL, until_ms);
	}
	/* A proof is bad: whatever held its batch back for it does so no more. A lease that
	 * somebody took since then is theirs. */
	if (state == WORK_BAD && s->lease.ticket && !s->lease.source)
		lease_end(w, s);
	slot_forget_spent(w, s, c, gone);
	batch_refresh(w, b, type);
	return true;
}

void slot_revert(struct work *w, struct batch *b, struct slot *s)
{
	struct candidate *c;

	for (c = s->first; c; c = c->next) {
		if (c->state == WORK_RESERVED || c->state == WORK_BAD)
			continue;
		/* Without memory the old judgement stands; a dry run will correct it. */
		if (!b->unjudged &&
		    !order_reserve(&w->unjudged, w->unjudged.n + w->by_state[WORK_RESERVED] + 1))
			return;
		c->has_signer = false;
		candidate_set_state(w, c, c->state == WORK_ASIDE ? WORK_ASIDE : WORK_REVERTED,
				    false);
	}
}

void slot_set_aside(struct work *w, struct slot *s)
{
	struct candidate *c;

	/* Those that wait go on waiting, so that no room is needed. */
	for (c = s->first; c; c = c->next)
		if (c->state == WORK_CANDIDATE || c->state == WORK_REVERTED ||
		    c->state == WORK_UNDECIDED)
			candidate_set_state(w, c, WORK_ASIDE, c->state == WORK_UNDECIDED);
}

bool work_find_candidate(const struct work *w, uint64_t id, struct work_candidate *out)
{
	const struct candidate *c = order_find(&w->candidates, id);

	if (!c)
		return false;
	candidate_show(c, out);
	return true;
}

size_t work_candidates(const struct work *w, uint64_t batch, enum prover_type type,
		       struct work_candidate *out, size_t max)
{
	const struct batch *b = work_batch(w, batch);
	const struct candidate *c = b && b->slot[type] ? b->slot[type]->first : NULL;
	size_t n = 0;

	for (; c; c = c->next) {
		if (c->state == WORK_RESERVED)
			continue;
		if (n < max)
			candidate_show(c, &out[n]);
		n++;
	}
	return n;
}
