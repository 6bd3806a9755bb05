/*
 * call.h -- one eth_call: its parameters, and what came of it in four kinds.
 */
#ifndef COORDINATOR_L1_CALL_H
#define COORDINATOR_L1_CALL_H

#include "coordinator/l1/rpc.h"
#include "ethereum/address.h"
#include "ethereum/revert.h"

enum l1_read_kind {
	L1_READ_OK,
	L1_READ_REVERTED, /* revert is set */
	L1_READ_NO_CODE,  /* empty result: no such contract or function */
	L1_READ_FAILED,   /* no endpoint answered; sentence */
};
struct l1_read {
	enum l1_read_kind kind;
	struct span data;         /* OK: ABI-encoded result; REVERTED: what the contract said */
	struct eth_revert revert; /* REVERTED */
	const char *sentence;     /* FAILED */
	int endpoint;
};
typedef void l1_read_cb(void *arg, const struct l1_read *read);

struct l1_call {
	const struct eth_address *from; /* NULL: none */
	const struct eth_address *to;
	struct span calldata;
	uint64_t block; /* 0: latest */
	uint32_t avoid; /* endpoints, see rpc.h */
	/* As if this contract had that code; NULL: all is as it is. Not every node can do it. */
	const struct eth_address *replaced;
	struct span code;
};
/* eth_call. The callback comes later, never from inside; RPC_CANCELLED is a failure like others.
 * False: too many calls, or no memory. */
bool l1_call(struct rpc *rpc, const struct l1_call *call, l1_read_cb *cb, void *arg);

#endif
