#include "coordinator/provers/rows.h"

#include <string.h>

void prover_row_put(struct store_change *out, const struct registrar_prover *p)
{
	*out = (struct store_change){.kind = CHANGE_PROVER_PUT};
	out->prover = (struct store_prover){
	    .payload = p->payload,
	    .payload_kind = (int)p->kind,
	    .source = span_of(p->source, strlen(p->source)),
	    .first_seen_ms = p->first_seen_ms,
	    .last_seen_ms = p->last_seen_ms,
	    .last_proof_ms = p->last_proof_ms,
	    .proofs_good = p->proofs,
	    .state = p->revoked ? 1 : 0,
	    .reason = span_of(p->refused.text, strlen(p->refused.text)),
	};
	memcpy(out->prover.signer, p->signer.b, 20);
}

void prover_keep(struct store *store, const struct registrar *registrar,
		 const struct eth_address *signer)
{
	const struct registrar_prover *p = registrar_find(registrar, signer);
	struct store_change change;

	if (!p)
		return;
	prover_row_put(&change, p);
	store_commit_lazy(store, &change, 1);
}

void registrar_gas_keep(struct store *store, const struct registrar *registrar, uint64_t now_ms)
{
	uint64_t kept[2];

	kept[1] = registrar_gas_used(registrar, now_ms, &kept[0]);
	store_put_fact(store, "register_gas", kept, sizeof kept);
}
