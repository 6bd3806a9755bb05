#include "coordinator/work/internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

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

unsigned slot_unjudged_of(const struct slot *s, const struct source *source)
{
	const struct candidate *c;
	unsigned n = 0;

	for (c = s && source ? s->first : NULL; c; c = c->next)
		n += state_is_unjudged(c->state) && c->source == source;
	return n;
}

unsigned slot_places_taken(const struct slot *s)
{
	const struct candidate *c;
	unsigned n = 0;

	for (c = s ? s->first : NULL; c; c = c->next)
		n += state_is_unjudged(c->state) && !c->reserved;
	return n;
}

static bool waits_to_be_judged(const struct candidate *c)
{
	return c->state == WORK_CANDIDATE || c->state == WORK_REVERTED ||
	       (c->state == WORK_ASIDE && !c->looked);
}

void candidate_set_state(struct work *w, struct candidate *c, enum work_state state, bool looked)
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

/* So that candidate_set_state() cannot fail, for one more. */
bool candidate_reserve(struct work *w)
{
	return order_reserve(&w->unjudged, w->unjudged.n + w->by_state[WORK_RESERVED] + 1);
}

/* Puts a new candidate, in state RESERVED, everywhere it belongs. False: out of memory. */
bool candidate_link(struct work *w, struct batch *b, struct candidate *c, const char *source)
{
	struct slot *s = batch_slot_make(b, c->type);
	struct candidate **at;

	if (!s || !candidate_reserve(w))
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

void candidate_drop(struct work *w, struct candidate *c)
{
	struct batch *b = c->batch;
	const enum prover_type type = c->type;

	candidate_unlink(w, c);
	batch_refresh(w, b, type);
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

/* What a verdict says of who sent the proof. */
static void source_learn(struct work *w, struct slot *s, struct candidate *c, uint64_t now_ms)
{
	const uint64_t patience = now_ms + work_patience_ms(w, c->type);

	switch (c->state) {
	case WORK_GOOD:
		if (c->took_ms)
			pace_add(&w->pace[c->type], c->took_ms);
		c->took_ms = 0;
		source_did_well(&w->sources, c->source, now_ms);
		if (!candidate_counts(w, c))
			claim_avoid(w, s, c->source, now_ms + pass_over_ms(w, s, c->source));
		break;
	case WORK_BAD:
		source_did_badly(&w->sources, c->source, c->trusted, w->limits.lease_ms, now_ms);
		claim_avoid(w, s, c->source,
			    c->source->in_good ? now_ms + pass_over_ms(w, s, c->source) : patience);
		break;
	case WORK_UNDECIDED:
		if (!slot_satisfied(w, s))
			claim_avoid(w, s, c->source, patience);
		break;
	case WORK_RESERVED:
	case WORK_CANDIDATE:
	case WORK_REVERTED:
	case WORK_ASIDE: break;
	}
}

void candidate_judge(struct work *w, struct candidate *c, enum work_state state,
		     const struct eth_address *signer, uint64_t now_ms)
{
	candidate_set_state(w, c, state, true);
	c->has_signer = signer != NULL;
	c->signer = signer ? *signer : (struct eth_address){0};
	source_learn(w, c->batch->slot[c->type], c, now_ms);
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

	if (!c || c->state == WORK_RESERVED ||
	    (state != WORK_GOOD && state != WORK_BAD && state != WORK_UNDECIDED &&
	     state != WORK_ASIDE))
		return false;
	b = c->batch;
	candidate_judge(w, c, state, signer, now_ms);
	slot_forget_spent(w, b->slot[c->type], c, gone); /* never c itself */
	batch_refresh(w, b, c->type);
	return true;
}

void slot_revert(struct work *w, struct batch *b, struct slot *s)
{
	struct candidate *c;

	for (c = s->first; c; c = c->next) {
		if (c->state == WORK_RESERVED || c->state == WORK_BAD)
			continue;
		/* Without memory the old judgement stands; a dry run will correct it. */
		if (!b->unjudged && !candidate_reserve(w))
			return;
		c->has_signer = false;
		candidate_set_state(w, c, c->state == WORK_ASIDE ? WORK_ASIDE : WORK_REVERTED,
				    false);
	}
}

bool slot_has_good(const struct work *w, const struct slot *s)
{
	const struct candidate *c;

	for (c = s ? s->first : NULL; c; c = c->next)
		if (candidate_counts(w, c))
			return true;
	return false;
}

bool slot_is_rebuilt(const struct slot *s)
{
	const struct candidate *c;

	for (c = s ? s->first : NULL; c; c = c->next)
		if (c->type == PROVER_TDX && c->state == WORK_GOOD)
			return true;
	return false;
}

bool work_is_rebuilt(const struct work *w, uint64_t batch)
{
	const struct batch *b = work_batch(w, batch);

	return b && slot_is_rebuilt(b->slot[PROVER_TDX]);
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
