/* The operator's word on a key: which is registered next, and which never again. */
#include "coordinator/provers/internal.h"

#include <stdlib.h>

bool registrar_promote(struct registrar *r, const struct eth_address *signer, struct why *why)
{
	const struct registrar_prover *p = prover_find(r, signer);
	char text[ETH_ADDRESS_TEXT_SIZE];

	eth_address_print(text, signer);
	if (!p)
		why_set(why, "%s is not registered here: no prover has shown its quote", text);
	else if (prover_is_active(r, p))
		why_set(why, "%s is the contract's key already", text);
	else if (p->revoked)
		why_set(why, "%s was revoked", text);
	else if (p->refused.text[0])
		why_set(why, "%s was refused: %.380s", text, p->refused.text);
	else if (p->fit != REGISTRAR_FIT)
		why_set(why, "the quote of %s does not pass now: %.380s", text,
			p->unfit.text[0] ? p->unfit.text : "it is not verified yet");
	else if (p->kind != (r->dev_mode ? REGISTRAR_DEV : REGISTRAR_QUOTE))
		why_set(why, "what %s has shown cannot be registered with this contract", text);
	else {
		r->promoted = true;
		r->promoted_key = *signer;
		return true;
	}
	return false;
}

void registrar_restore_promoted(struct registrar *r, const struct eth_address *signer)
{
	r->promoted = true;
	r->promoted_key = *signer;
}

const struct eth_address *registrar_promoted(const struct registrar *r)
{
	return r->promoted ? &r->promoted_key : NULL;
}

bool registrar_is_revoked(const struct registrar *r, const struct eth_address *signer)
{
	size_t i;

	for (i = 0; i < r->revoked_n; i++)
		if (eth_address_equal(&r->revoked[i], signer))
			return true;
	return false;
}

bool registrar_revoke(struct registrar *r, const struct eth_address *signer, struct why *why)
{
	struct registrar_prover *p = prover_find(r, signer);
	struct eth_address *more;

	if (!registrar_is_revoked(r, signer)) {
		if (r->revoked_n == REGISTRAR_REVOKED_MAX) {
			why_set(why, "%zu keys are revoked: that is the limit", r->revoked_n);
			return false;
		}
		more = realloc(r->revoked, (r->revoked_n + 1) * sizeof *more);
		if (!more) {
			why_set(why, "out of memory");
			return false;
		}
		r->revoked = more;
		r->revoked[r->revoked_n++] = *signer;
	}
	if (p)
		p->revoked = true;
	if (r->promoted && eth_address_equal(&r->promoted_key, signer))
		r->promoted = false;
	return true;
}
