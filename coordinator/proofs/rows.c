/* A proof's row: what work is told of one, and a verdict on its way to it. */
#include "coordinator/base/clock.h"
#include "coordinator/base/log.h"
#include "coordinator/proofs/internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- the row ---- */

static bool text_of(char *out, size_t size, struct span s)
{
	if (s.n >= size)
		return false;
	if (s.n)
		memcpy(out, s.p, s.n);
	out[s.n] = '\0';
	return true;
}

/* What work is told of a row; source has room for WORK_SOURCE_SIZE. False: it is no proof. */
static bool row_read(const struct store_proof *row, char *source, struct work_proof *out)
{
	if (row->prover_type < 0 || row->prover_type >= PROVER_TYPES || row->state < 0 ||
	    row->state >= WORK_STATES)
		return false;
	text_of(source, WORK_SOURCE_SIZE, row->source);
	*out = (struct work_proof){.batch = row->batch,
				   .type = (enum prover_type)row->prover_type,
				   .source = source,
				   .received_ms = clock_mono_ms(),
				   .size = row->bytes.n + row->public_values.n};
	/* Large proofs come without their bytes: a later copy of one is then kept once more. */
	if (row->bytes.p || !row->bytes.n)
		return proofs_digest(
		    out->sha256, row->bytes,
		    span_of(row->public_values.p, row->public_values.p ? row->public_values.n : 0));
	memcpy(out->sha256, &row->id, sizeof row->id);
	return true;
}

bool proofs_restore(struct proofs *p, const struct store_proof *row, struct why *why)
{
	/* Who is known now may be others, and another proof may show more: it is judged again. But
	 * where the store is shared, the one who judges has not ended. */
	const bool again = row->state == WORK_UNDECIDED && row->prover_type == PROVER_TDX &&
			   !store_is_shared(p->p.store);
	const enum work_state state = again ? WORK_CANDIDATE : (enum work_state)row->state;
	char source[WORK_SOURCE_SIZE] = "";
	struct eth_address signer;
	struct work_proof wp;

	memcpy(signer.b, row->signer, 20);
	if (row_read(row, source, &wp) &&
	    work_restore_candidate(p->p.work, row->id, &wp, state,
				   row->has_signer && !again ? &signer : NULL))
		return true;
	why_set(why, "the stored proof %" PRIu64 " of batch %" PRIu64 " cannot be taken over",
		row->id, row->batch);
	return false;
}

bool proofs_foreign(struct proofs *p, const struct store_change *change, struct why *why)
{
	const struct store_proof *row = &change->proof;
	char source[WORK_SOURCE_SIZE] = "";
	struct eth_address signer;
	struct work_proof wp;
	bool ok;

	if (change->kind == CHANGE_PROOF_DEL)
		work_foreign_forget(p->p.work, row->id);
	if (change->kind != CHANGE_PROOF_PUT)
		return true;
	memcpy(signer.b, row->signer, 20);
	ok = row_read(row, source, &wp);
	wp.attested = ok && registrar_source_attested(p->p.registrar, source);
	if (ok && work_foreign_candidate(p->p.work, row->id, &wp, (enum work_state)row->state,
					 row->judged_ms != 0, row->has_signer ? &signer : NULL))
		return true;
	why_set(why,
		"another coordinator's proof %" PRIu64 " of batch %" PRIu64 " cannot be taken over",
		row->id, row->batch);
	return false;
}

/* ---- a verdict on its way to its row ---- */

struct verdict {
	struct proofs *proofs;
	uint64_t id;
};

/* Whoever leads judges it again. */
static void unjudge(struct proofs *p, uint64_t id)
{
	struct work_candidate c;
	struct work_proof wp;

	if (!work_find_candidate(p->p.work, id, &c))
		return;
	wp = (struct work_proof){
	    .batch = c.batch, .type = c.type, .source = c.source, .received_ms = clock_mono_ms()};
	work_foreign_candidate(p->p.work, id, &wp, WORK_CANDIDATE, false, NULL);
}

static void on_row(void *arg, enum store_rc rc, const struct store_proof *row,
		   const struct why *why)
{
	struct verdict *v = arg;
	struct store_change change = {.kind = CHANGE_PROOF_PUT};
	struct why note;

	(void)why;
	if (rc == STORE_OK) {
		change.proof = *row;
		proofs_foreign(v->proofs, &change, &note);
	} else if (rc != STORE_NOT_FOUND) {
		unjudge(v->proofs, v->id);
	}
	free(v);
}

/* Else this coordinator would go by a verdict that nobody else knows, and that nobody reaches again
 * while this one leads. */
static void on_kept(void *arg, enum store_rc rc, const struct why *why)
{
	struct verdict *v = arg;

	if (rc == STORE_OK) {
		free(v);
		return;
	}
	log_limited(rc == STORE_NOT_LEADER ? LOG_INFO : LOG_WARN, "verdict_not_kept", "", "",
		    log_u64("id", v->id), log_str("reason", why->text));
	if (store_read_proof(v->proofs->p.store, v->id, on_row, v) == STORE_OK)
		return;
	unjudge(v->proofs, v->id);
	free(v);
}

void verdict_keep(struct proofs *p, const struct store_change *change)
{
	struct verdict *v;

	/* One that is lost in a crash is reached again: it may ride along. */
	if (!store_is_shared(p->p.store)) {
		store_commit_lazy(p->p.store, change, 1);
		return;
	}
	v = malloc(sizeof *v);
	if (v) {
		*v = (struct verdict){p, change->proof_state.id};
		if (store_commit_later(p->p.store, change, 1, on_kept, v) == STORE_OK)
			return;
	}
	free(v);
	unjudge(p, change->proof_state.id);
}
