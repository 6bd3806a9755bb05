/* Several books on one store: ids that never meet, and what the others made durable. */
#include "coordinator/work/internal.h"

#define SAME_ROW_MS 1000 /* a row's time is mapped to this clock anew each time it is shown */

void work_set_ids(struct work *w, unsigned slot, unsigned stride)
{
	w->slot = slot;
	w->stride = stride;
	w->next_id = work_id_after(w, 0);
}

uint64_t work_id_after(const struct work *w, uint64_t seen)
{
	const uint64_t id = seen - seen % w->stride + w->slot;

	return id > seen ? id : id + w->stride;
}

/* ---- leases ---- */

void work_foreign_lease(struct work *w, uint64_t batch, enum prover_type type, const char *source,
			uint64_t left_ms, uint64_t now_ms)
{
	const struct batch *b = work_batch(w, batch);
	const struct lease *l = b && b->slot[type] ? &b->slot[type]->lease : NULL;
	const uint64_t ends_ms = now_ms + left_ms;

	if (l && l->ticket && l->foreign && l->source == source_find(&w->sources, source) &&
	    l->expires_ms < ends_ms + SAME_ROW_MS && ends_ms < l->expires_ms + SAME_ROW_MS)
		return;
	work_foreign_unlease(w, batch, type);
	work_restore_lease(w, batch, type, source, left_ms, now_ms);
	if (b && b->slot[type])
		b->slot[type]->lease.foreign = true;
}

void work_foreign_unlease(struct work *w, uint64_t batch, enum prover_type type)
{
	struct batch *b = work_batch(w, batch);

	if (!b || !b->slot[type] || !b->slot[type]->lease.ticket)
		return;
	lease_end(w, b->slot[type]);
	batch_refresh(w, b, type);
}

/* ---- proofs ---- */

static bool arrive(struct work *w, uint64_t id, const struct work_proof *proof,
		   enum work_state state, const struct eth_address *signer)
{
	struct candidate *c;

	if (proof->batch <= w->dropped && !work_batch(w, proof->batch))
		return true;
	if (!work_restore_candidate(w, id, proof, state, signer))
		return false;
	c = order_find(&w->candidates, id);
	candidate_took(c, proof->received_ms);
	if (state == WORK_CANDIDATE)
		candidate_came(w, c, proof->received_ms);
	return true;
}

static bool is_as_shown(const struct candidate *c, enum work_state state, bool looked,
			const struct eth_address *signer)
{
	return c->state == state && (state != WORK_ASIDE || c->looked == looked) &&
	       c->has_signer == (signer != NULL) &&
	       (!signer || eth_address_equal(&c->signer, signer));
}

bool work_foreign_candidate(struct work *w, uint64_t id, const struct work_proof *proof,
			    enum work_state state, bool judged, const struct eth_address *signer)
{
	struct candidate *c = order_find(&w->candidates, id);

	if (!c)
		return arrive(w, id, proof, state, signer);
	judged = judged && state != WORK_CANDIDATE && state != WORK_REVERTED;
	if (c->state == WORK_RESERVED || is_as_shown(c, state, judged, signer))
		return true;
	if (state == WORK_RESERVED || !candidate_reserve(w))
		return false;
	if (state == WORK_REVERTED || state == WORK_ASIDE)
		c->batch->blameless = true;
	if (judged) {
		candidate_judge(w, c, state, signer, proof->received_ms);
	} else {
		candidate_set_state(w, c, state, false);
		c->has_signer = false;
	}
	batch_refresh(w, c->batch, c->type);
	return true;
}

void work_foreign_forget(struct work *w, uint64_t id)
{
	struct candidate *c = order_find(&w->candidates, id);

	if (c && c->state != WORK_RESERVED)
		candidate_drop(w, c);
}

void work_foreign_through(struct work *w, uint64_t through, const struct work_gone *gone)
{
	while (w->batches.n && order_at(&w->batches, 0).key <= through)
		work_drop_batch(w, order_at(&w->batches, 0).item, gone);
	if (through > w->dropped)
		w->dropped = through;
}
