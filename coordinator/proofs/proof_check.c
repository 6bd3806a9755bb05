/*~ Stop 7 of the tour: a signature becomes a verdict, without gas and without asking anybody. */
#include "coordinator/proofs/proof_check.h"

#include "ethereum/key.h"

static bool is_known(const struct proof_check_keys *keys, const struct eth_address *signer)
{
	size_t i;

	for (i = 0; i < keys->known_n; i++)
		if (eth_address_equal(&keys->known[i], signer))
			return true;
	return false;
}

static enum proof_check_result judge_signer(const struct eth_address *signer,
					    const struct proof_check_keys *keys, struct why *why)
{
	char is[ETH_ADDRESS_TEXT_SIZE], holds[ETH_ADDRESS_TEXT_SIZE];

	eth_address_print(is, signer);
	if (keys->authorized && eth_address_equal(keys->authorized, signer)) {
		why_set(why, "signed by %s, which the TDXVerifier holds", is);
		return PROOF_CHECK_GOOD;
	}
	if (!is_known(keys, signer)) {
		why_set(why,
			"recovers to %s, which no prover here has: a wrong proof, or a batch with "
			"balance diffs or messages from other L2s; a dry run will tell",
			is);
		return PROOF_CHECK_UNKNOWN_SIGNER;
	}
	if (keys->authorized) {
		eth_address_print(holds, keys->authorized);
		why_set(why, "signed by prover %s, but the TDXVerifier holds %s", is, holds);
	} else {
		why_set(why, "signed by prover %s; the TDXVerifier's key is none or not known", is);
	}
	return PROOF_CHECK_OTHER_SIGNER;
}

enum proof_check_result proof_check_tdx(struct eth_address *signer,
					const struct batch_commitment *commitment,
					const struct proof_check_keys *keys, struct span proof,
					struct why *why)
{
	struct eth_address recovered;
	enum proof_check_result verdict;
	uint8_t digest[32];
	struct buf inputs;

	if (proof.n != ETH_SIGNATURE_SIZE) {
		why_set(why, "a TDX proof is a signature of %d bytes; this one has %zu",
			ETH_SIGNATURE_SIZE, proof.n);
		return PROOF_CHECK_MALFORMED;
	}
	buf_init(&inputs, 1 << 20);
	if (!public_inputs_encode(&inputs, commitment)) {
		why_set(why, "out of memory for the public inputs");
		verdict = PROOF_CHECK_NO_MEMORY;
		goto out;
	}
	eip191_digest(digest, inputs.p, inputs.len);
	if (!eth_recover(&recovered, digest, proof.p, ETH_RECOVER_OPENZEPPELIN, why)) {
		why_wrap(why, "not a signature that the contract accepts");
		verdict = PROOF_CHECK_MALFORMED;
		goto out;
	}
	*signer = recovered;
	verdict = judge_signer(&recovered, keys, why);
out:
	buf_free(&inputs);
	return verdict;
}
