/* What other coordinators on the same store found out about provers, and what only the leader
 * knows.
 */
#include "coordinator/registrar/internal.h"

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* A proof of the contract's key that was shown elsewhere is a sign of life too. */
static void active_was_heard(struct registrar *r, const struct registrar_prover *p)
{
	if (!prover_is_active(r, p) || p->last_proof_ms <= r->active_proof_ms)
		return;
	r->active_proof_ms = p->last_proof_ms;
	r->silent_ms = 0;
	r->successor = false;
}

bool registrar_foreign(struct registrar *r, const struct registrar_prover *prover, bool *ahead)
{
	const struct registrar_prover *known = prover_find(r, &prover->signer);
	struct registrar_prover row = *prover;
	const bool same = known && known->kind == row.kind && span_eq(known->payload, row.payload);

	*ahead = known && (known->proofs > row.proofs || known->last_proof_ms > row.last_proof_ms);
	row.fit = row.kind == REGISTRAR_QUOTE ? REGISTRAR_FIT_UNKNOWN : REGISTRAR_FIT;
	row.arrived = row.kind == REGISTRAR_QUOTE && !known;
	if (known) {
		row.proofs = later(row.proofs, known->proofs);
		row.last_proof_ms = later(row.last_proof_ms, known->last_proof_ms);
		row.last_seen_ms = later(row.last_seen_ms, known->last_seen_ms);
	}
	if (same) {
		row.fit = known->fit;
		row.arrived = known->arrived;
		row.unfit = known->unfit;
		row.failures = known->failures;
	} else if (r->prepared && eth_address_equal(&r->prepared_key, &row.signer)) {
		r->prepared = false;
	}
	if (!prover_put(r, &row))
		return false;
	active_was_heard(r, prover_find(r, &row.signer));
	return true;
}

bool registrar_foreign_gone(struct registrar *r, const struct eth_address *signer)
{
	const struct registrar_prover *p = prover_find(r, signer);

	if (p && !prover_may_go(r, p))
		return false;
	if (p)
		prover_remove(r, p);
	return true;
}

bool registrar_surplus(const struct registrar *r, uint64_t now_ms, struct eth_address *out)
{
	const struct registrar_prover *p =
	    r->n > r->settings.max_provers ? prover_to_evict(r, now_ms) : NULL;

	if (p)
		*out = p->signer;
	return p != NULL;
}

void registrar_unpromote(struct registrar *r)
{
	r->promoted = false;
}

/* ---- the leader's ---- */

void registrar_yield(struct registrar *r)
{
	r->registering = r->reading_back = r->mined = false;
	r->prepared = false;
	r->verify_in_flight = false;
	r->chosen = false;
	registrar_switch_over(r);
}

void registrar_chose(struct registrar *r, const struct eth_address *signer)
{
	r->chosen = true;
	r->chosen_key = *signer;
}

void registrar_held(struct registrar *r, uint64_t retry_at_ms, const char *reason)
{
	r->chosen = false;
	r->retry_at_ms = retry_at_ms;
	why_set(&r->failure, "%s", reason);
}

bool registrar_holds(const struct registrar *r, uint64_t *retry_at_ms, struct why *reason)
{
	*retry_at_ms = r->retry_at_ms;
	*reason = r->failure;
	return r->retry_at_ms != 0;
}
