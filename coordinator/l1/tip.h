/*
 * tip.h -- has what is committed become something else behind our back?
 *
 * `revertBatch` and a new commitment between two rounds leave lastCommittedBatch() as it was. So
 * the last committed batch that was seen is asked for again, beside the rounds.
 */
#ifndef COORDINATOR_L1_TIP_H
#define COORDINATOR_L1_TIP_H

#include "coordinator/l1/rpc.h"
#include "ethereum/address.h"

#define TIP_WORDS 7 /* of batchCommitments(): all but the struct's arrays */

struct tip {
	struct rpc *rpc;
	struct eth_address proposer;
	bool asking, known, changed;
	uint64_t batch;  /* whose commitment is looked at; 0: none */
	uint64_t newest; /* the last committed one, to be looked at next */
	uint8_t commitment[TIP_WORDS * 32];
};

/* After a round: committed is lastCommittedBatch(). True, once: the commitment of a batch that was
 * seen before is another one now. */
bool tip_changed(struct tip *t, uint64_t committed);

#endif
