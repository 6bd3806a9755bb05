/* The operator's word on a key: which is registered next, and which never again. */
#include "coordinator/registrar/internal.h"

bool registrar_promote(struct registrar *r, const struct eth_address *signer, struct why *why)
{
	const struct registrar_prover *p = prover_find(r, signer);
	char text[ETH_ADDRESS_TEXT_SIZE];

	eth_address_print(text, signer);
	if (!p)
		why_set(why, "%s is not registered here: no prover has shown its quote", text);
	else if (prover_is_active(r, p))
		why_set(why, "%s is the contract's key already", text);
	else if (registrar_revoked_by(r, signer))
		registrar_refuses(r, signer, p->payload, why);
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

/* ---- revocations ---- */

const struct revocation *registrar_revoked_by(const struct registrar *r,
					      const struct eth_address *signer)
{
	const struct registrar_prover *p = prover_find(r, signer);
	struct traits key_alone;

	if (p)
		return revocations_find(&r->revoked, &p->traits);
	traits_of(&key_alone, signer, span_of(NULL, 0));
	return revocations_find(&r->revoked, &key_alone);
}

const struct revocation *registrar_refuses(const struct registrar *r,
					   const struct eth_address *signer, struct span payload,
					   struct why *why)
{
	char text[REVOCATION_TEXT_SIZE], key[ETH_ADDRESS_TEXT_SIZE];
	const struct revocation *found;
	struct traits traits;

	traits_of(&traits, signer, payload);
	found = revocations_find(&r->revoked, &traits);
	if (!found)
		return NULL;
	revocation_print(text, found);
	eth_address_print(key, signer);
	if (found->kind == REVOCATION_KEY)
		why_set(why, "the operator revoked the key %s", key);
	else
		why_set(why, "the operator revoked %s, and the quote of %s has it", text, key);
	return found;
}

const struct revocation *registrar_revocation_at(const struct registrar *r, size_t i)
{
	return i < r->revoked.n ? &r->revoked.at[i] : NULL;
}

bool registrar_revokes(const struct registrar *r, const struct revocation *what)
{
	return revocations_has(&r->revoked, what);
}

bool registrar_revoke(struct registrar *r, const struct revocation *what, struct why *why)
{
	if (!revocations_add(&r->revoked, what, why))
		return false;
	if (r->promoted && registrar_revoked_by(r, &r->promoted_key))
		r->promoted = false;
	return true;
}

bool registrar_unrevoke(struct registrar *r, const struct revocation *what, struct why *why)
{
	char text[REVOCATION_TEXT_SIZE];

	if (revocations_remove(&r->revoked, what))
		return true;
	revocation_print(text, what);
	why_set(why, "%s is not revoked", text);
	return false;
}
