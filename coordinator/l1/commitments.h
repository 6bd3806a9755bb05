/*
 * commitments.h -- what the OnChainProposer was told of a batch (batchCommitments), remembered.
 */
#ifndef COORDINATOR_L1_COMMITMENTS_H
#define COORDINATOR_L1_COMMITMENTS_H

#include "coordinator/l1/rpc.h"
#include "ethereum/address.h"
#include "ethereum/public_inputs.h"

struct commitments;

/* False with the sentence; *out is NULL. */
bool commitments_new(struct commitments **out, struct rpc *rpc, const struct eth_address *proposer,
		     struct why *why);
/* What is on the wire still calls back: only after the RPC client has closed. NULL is fine. */
void commitments_free(struct commitments *c);

/* The commitment of a batch, with initial_state_root from the batch before. NULL: not to be had
 * now (the sentence says why). */
typedef void commitment_cb(void *arg, const struct batch_commitment *commitment,
			   const char *sentence);
/* The callback may come from inside. False: no memory, and no callback. */
bool commitments_get(struct commitments *c, uint64_t batch, uint64_t l2_chain_id, commitment_cb *cb,
		     void *arg);
/* After a reorg or a revertBatch they may be others. */
void commitments_forget(struct commitments *c);

#endif
