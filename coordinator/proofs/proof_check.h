/*
 * proof_check.h -- is this TDX proof good for this batch?
 *
 * A TDX proof is a signature over the batch's public inputs, which the contract rebuilds from the
 * batch's commitment. The same is done here, as soon as the batch is committed: no gas, no call.
 * What the getter batchCommitments() does not give (balance diffs, messages from other L2s) cannot
 * be rebuilt; a proof for such a batch recovers to an unknown key and is left to the dry run.
 *
 * Public values that a prover sent along (p1..p5) are never trusted: the contract does not see
 * them.
 */
#ifndef COORDINATOR_PROOFS_PROOF_CHECK_H
#define COORDINATOR_PROOFS_PROOF_CHECK_H

#include "encoding/why.h"
#include "ethereum/public_inputs.h"

enum proof_check_result {
	PROOF_CHECK_GOOD,           /* signed by the key that the contract holds */
	PROOF_CHECK_OTHER_SIGNER,   /* genuine, by a key that is known but not registered now */
	PROOF_CHECK_UNKNOWN_SIGNER, /* undecided: only a dry run can tell */
	PROOF_CHECK_MALFORMED,      /* final: no contract accepts these bytes as a signature */
	PROOF_CHECK_NO_MEMORY,      /* nothing was decided */
};

struct proof_check_keys {
	const struct eth_address *authorized; /* the contract's key; NULL: not known, or none */
	const struct eth_address *known;      /* provers that registered here */
	size_t known_n;
};

/* commitment: of the batch, with initial_state_root = the new state root of the batch before it.
 * *signer is set for GOOD, OTHER_SIGNER and UNKNOWN_SIGNER. Every verdict has a sentence. */
enum proof_check_result proof_check_tdx(struct eth_address *signer,
					const struct batch_commitment *commitment,
					const struct proof_check_keys *keys, struct span proof,
					struct why *why);

#endif
