/* What becomes of a proof that is offered: a place, a duplicate, a refusal. */
#include "coordinator/work/internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static struct candidate *slot_same_proof(const struct slot *s, const uint8_t sha256[32])
{
	struct candidate *c, *bad = NULL;

	for (c = s ? s->first : NULL; c; c = c->next) {
		if (memcmp(c->sha256, sha256, 32) != 0)
			continue;
		if (c->state != WORK_BAD)
			return c;
		bad = c;
	}
	return bad;
}

/* A place of its own: a trusted source's, in a batch that it was granted. */
static bool has_own_place(const struct slot *s, const struct source *src, bool attested)
{
	const struct claim *claim = claim_find(s, src);
	unsigned places;

	if (!claim || !claim->times || !source_is_trusted(src, attested))
		return false;
	places = claim->times < PLACES_PER_CLAIM ? claim->times : PLACES_PER_CLAIM;
	return slot_unjudged_of(s, src) < places;
}

static uint64_t proof_quota_left(const struct work *w)
{
	if (w->limits.max_proof_bytes == 0)
		return UINT64_MAX;
	return w->proof_bytes < w->limits.max_proof_bytes
		   ? w->limits.max_proof_bytes - w->proof_bytes
		   : 0;
}

/* ACCEPT: *own says whether it stands in a place of its source's own. */
static enum work_submit_rc submit_room(const struct work *w, const struct slot *s,
				       const struct work_proof *proof, bool *own, struct why *why)
{
	const struct source *src = source_find(&w->sources, proof->source);
	const char *name = prover_type_name(proof->type);

	*own = has_own_place(s, src, proof->attested);
	if (src && proof->received_ms < src->muted_until_ms) {
		why_set(why,
			"%u bad proofs came from %s: none is taken from there for %" PRIu64
			" s more",
			src->bad, proof->source,
			(src->muted_until_ms - proof->received_ms + 999) / 1000);
		return WORK_SOURCE_QUOTA;
	}
	if (src && src->unjudged >= w->limits.max_candidates_per_source) {
		why_set(why, "%s has sent %u proofs that wait to be judged: that is the limit",
			proof->source, src->unjudged);
		return WORK_SOURCE_QUOTA;
	}
	if (proof_quota_left(w) < proof->size) {
		why_set(why, "the proofs' quota of %" PRIu64 " bytes is used up",
			w->limits.max_proof_bytes);
		return WORK_NO_ROOM;
	}
	if (*own)
		return WORK_ACCEPT;
	if (slot_unjudged_of(s, src)) {
		why_set(why,
			"%s has sent a %s proof for batch %" PRIu64
			" that waits to be judged: one is the limit of a source",
			proof->source, name, proof->batch);
		return WORK_SOURCE_QUOTA;
	}
	if (slot_places_taken(s) >= w->limits.max_candidates) {
		why_set(why,
			"batch %" PRIu64
			" has %u %s proofs that wait to be judged: that is the limit",
			proof->batch, slot_places_taken(s), name);
		return WORK_NO_ROOM;
	}
	return WORK_ACCEPT;
}

/* What the source had to prove here is done, as far as it can. */
static void source_is_done(struct work *w, struct batch *b, enum prover_type type,
			   const char *source, uint64_t now_ms)
{
	struct source *src = source_find(&w->sources, source);
	struct slot *s = b ? b->slot[type] : NULL;

	if (!s || !src)
		return;
	if (claim_find(s, src))
		claim_avoid(w, s, src, now_ms + pass_over_ms(w, s, src));
	if (s->lease.ticket && s->lease.source == src)
		lease_end(w, s);
	batch_refresh(w, b, type);
}

static struct candidate *candidate_new(const struct work_proof *proof, uint64_t id)
{
	struct candidate *c = calloc(1, sizeof *c);

	if (!c)
		return NULL;
	c->id = id;
	c->type = proof->type;
	c->size = proof->size;
	memcpy(c->sha256, proof->sha256, sizeof c->sha256);
	return c;
}

void candidate_took(struct candidate *c, uint64_t received_ms)
{
	const struct claim *claim = claim_find(c->batch->slot[c->type], c->source);

	if (claim && claim->times && received_ms >= claim->granted_ms)
		c->took_ms = received_ms - claim->granted_ms + 1;
}

/* Room was found for it. */
static enum work_submit_rc submit_new(struct work *w, struct batch *b,
				      const struct work_proof *proof, bool own, uint64_t *id,
				      struct why *why)
{
	struct candidate *c = candidate_new(proof, w->next_id);

	if (!c || !candidate_link(w, b, c, proof->source)) {
		free(c);
		why_set(why, "out of memory for a proof of batch %" PRIu64, proof->batch);
		return WORK_NO_MEMORY;
	}
	c->reserved = own;
	c->trusted = source_is_trusted(c->source, proof->attested);
	candidate_took(c, proof->received_ms);
	*id = w->next_id;
	w->next_id = work_id_after(w, *id);
	batch_refresh(w, b, proof->type);
	return WORK_ACCEPT;
}

/* One that was found bad, perhaps on a lying node's word. */
static enum work_submit_rc submit_again(struct work *w, struct candidate *c, bool own, uint64_t *id,
					struct why *why)
{
	if (!candidate_reserve(w)) {
		why_set(why, "out of memory for a proof of batch %" PRIu64, c->batch->number);
		return WORK_NO_MEMORY;
	}
	c->reserved = own;
	c->has_signer = false;
	candidate_set_state(w, c, WORK_CANDIDATE, false);
	*id = c->id;
	return WORK_AGAIN;
}

/* Verified for good, and gone from here. Within the retention it may be one node's word, on which
 * no proof is dropped. */
static bool is_over(const struct work *w, const struct batch *b, uint64_t batch)
{
	return w->chain_known && batch <= w->chain.final && (!b || !b->inputs);
}

/* A byte takes four characters of a JSON array at most; the rest is for what is around it. */
#define TEXT_OF(bytes) (4 * (bytes) + 65536)

enum work_submit_rc work_submit_wanted(struct work *w, uint64_t batch, enum prover_type type,
				       size_t text, struct why *why)
{
	const struct batch *b = work_batch(w, batch);

	if (is_over(w, b, batch))
		return WORK_ACCEPT; /* a duplicate */
	if (!b || !b->inputs) {
		why_set(why, "batch %" PRIu64 " is not known: no input is stored for it", batch);
		return WORK_UNKNOWN_BATCH;
	}
	if (!w->needed_known) {
		why_set(why, "L1 has not yet said which proof types it needs");
		return WORK_NOT_YET;
	}
	if (!(w->needed & PROVER_TYPE_BIT(type))) {
		why_set(why, "the contract needs no %s proof", prover_type_name(type));
		return WORK_TYPE_NOT_NEEDED;
	}
	if (text > TEXT_OF(w->limits.proof_max[type])) {
		why_set(why, "%zu bytes and more for a %s proof, which may have %zu", text,
			prover_type_name(type), w->limits.proof_max[type]);
		return WORK_TOO_BIG;
	}
	return WORK_ACCEPT;
}

/* ACCEPT: nothing about the proof itself stands against it. */
static enum work_submit_rc submit_wanted(struct work *w, const struct batch *b,
					 const struct work_proof *proof, struct why *why)
{
	const char *name = prover_type_name(proof->type);
	enum work_submit_rc rc = work_submit_wanted(w, proof->batch, proof->type, 0, why);

	if (rc != WORK_ACCEPT)
		return rc;
	if (slot_has_good(w, b->slot[proof->type]))
		return WORK_DUPLICATE;
	if (proof->size > w->limits.proof_max[proof->type]) {
		why_set(why, "a %s proof of %zu bytes is over the limit of %zu", name, proof->size,
			w->limits.proof_max[proof->type]);
		return WORK_TOO_BIG;
	}
	return WORK_ACCEPT;
}

static enum work_submit_rc submit_decide(struct work *w, struct batch *b,
					 const struct work_proof *proof, uint64_t *id,
					 struct why *why)
{
	const struct slot *s = b ? b->slot[proof->type] : NULL;
	struct candidate *same = slot_same_proof(s, proof->sha256);
	enum work_submit_rc rc;
	bool own;

	if (same && same->state == WORK_RESERVED) {
		why_set(why, "the same proof for batch %" PRIu64 " is being stored", proof->batch);
		return WORK_IN_FLIGHT;
	}
	if (same && same->state != WORK_BAD) {
		*id = same->id;
		return WORK_DUPLICATE;
	}
	rc = submit_wanted(w, b, proof, why);
	if (rc == WORK_ACCEPT)
		rc = submit_room(w, s, proof, &own, why);
	if (rc != WORK_ACCEPT)
		return rc;
	/* In a shared store one book judges: there it is a new one for all. */
	return same && w->stride == 1 ? submit_again(w, same, own, id, why)
				      : submit_new(w, b, proof, own, id, why);
}

enum work_submit_rc work_submit_check(struct work *w, const struct work_proof *proof, uint64_t *id,
				      struct why *why)
{
	struct batch *b = work_batch(w, proof->batch);
	enum work_submit_rc rc;

	*id = 0;
	if (is_over(w, b, proof->batch))
		return WORK_DUPLICATE;
	rc = submit_decide(w, b, proof, id, why);
	if (rc == WORK_DUPLICATE || rc == WORK_AGAIN)
		source_is_done(w, b, proof->type, proof->source, proof->received_ms);
	return rc;
}

void candidate_came(struct work *w, struct candidate *c, uint64_t now_ms)
{
	struct slot *s = c->batch->slot[c->type];
	const bool satisfied = slot_satisfied(w, s);

	/* A stranger's proof for a batch that nobody can judge yet frees nobody else. */
	if (s->lease.ticket && (s->lease.source == c->source || satisfied))
		lease_end(w, s);
	if (!satisfied)
		claim_avoid(w, s, c->source, now_ms + work_patience_ms(w, c->type));
	batch_refresh(w, c->batch, c->type);
}

bool work_kept(struct work *w, uint64_t id, uint64_t now_ms)
{
	struct candidate *c = order_find(&w->candidates, id);

	if (!c)
		return false;
	if (c->state != WORK_RESERVED)
		return true;
	candidate_set_state(w, c, WORK_CANDIDATE, false);
	candidate_came(w, c, now_ms);
	return true;
}

void work_release(struct work *w, uint64_t id)
{
	struct candidate *c = order_find(&w->candidates, id);

	if (c && c->state == WORK_RESERVED)
		candidate_drop(w, c);
}

bool work_restore_candidate(struct work *w, uint64_t id, const struct work_proof *proof,
			    enum work_state state, const struct eth_address *signer)
{
	struct batch *b;
	struct candidate *c;

	if (id == 0 || state == WORK_RESERVED || order_find(&w->candidates, id))
		return false;
	b = work_batch_make(w, proof->batch);
	c = candidate_new(proof, id);
	if (!b || !c || !candidate_link(w, b, c, proof->source)) {
		free(c);
		return false;
	}
	c->trusted = source_is_trusted(c->source, proof->attested);
	c->has_signer = signer != NULL;
	if (signer)
		c->signer = *signer;
	candidate_set_state(w, c, state, false);
	if (state == WORK_GOOD)
		source_did_well(&w->sources, c->source, proof->received_ms);
	if (state == WORK_REVERTED || state == WORK_ASIDE)
		b->blameless = true;
	if (id >= w->next_id)
		w->next_id = work_id_after(w, id);
	batch_refresh(w, b, proof->type);
	return true;
}
