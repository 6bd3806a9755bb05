/*
 * second.h -- what was verified, as a second node says it.
 *
 * Nothing is deleted on one node's word: a batch counts as confirmed when the contract's state a
 * few blocks back says so, and, where several endpoints are configured, when another one than the
 * first says the same of the same block. The question is asked beside the rounds, which never wait
 * for it.
 */
#ifndef COORDINATOR_L1_SECOND_H
#define COORDINATOR_L1_SECOND_H

#include "coordinator/l1/rpc.h"
#include "ethereum/address.h"

struct second {
	struct rpc *rpc;
	struct eth_address proposer;
	bool asking;
	int first;          /* the endpoint whose word is to be confirmed */
	uint64_t claimed;   /* its word */
	uint64_t confirmed; /* what both said */
};

/* first says that lastVerifiedBatch() is claimed in this block. Gives what is confirmed of that:
 * all of it where there is one endpoint alone, else as far as another one agreed so far; and asks
 * for what is missing. */
uint64_t second_confirm(struct second *s, int first, uint64_t claimed, uint64_t block);

#endif
