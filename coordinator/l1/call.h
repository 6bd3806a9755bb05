/*
 * call.h -- one eth_call: its parameters, and what came of it in four kinds.
 *
 * Not every node simulates as geth does. With `from` some want the account's nonce too (ethrex), so
 * it is read from the same node just before; a node that finds it wrong all the same has moved on
 * meanwhile and is asked again. That is never the contract's word: it ends in L1_READ_FAILED.
 * `from` is an account with a key, never a contract, for some nodes refuse that.
 *
 * An endpoint that has no answer on the newest state is doubted (rpc.h).
 */
#ifndef COORDINATOR_L1_CALL_H
#define COORDINATOR_L1_CALL_H

#include "coordinator/l1/rpc.h"
#include "ethereum/address.h"
#include "ethereum/revert.h"

/* Times that a nonce is read for one simulation. */
#define L1_NONCE_READS 3

enum l1_read_kind {
	L1_READ_OK,
	L1_READ_REVERTED, /* revert is set */
	L1_READ_NO_CODE,  /* empty result: no such contract or function */
	L1_READ_FAILED,   /* no endpoint answered, or none simulates this; sentence */
};
struct l1_read {
	enum l1_read_kind kind;
	struct span data;         /* OK: ABI-encoded result; REVERTED: what the contract said */
	struct eth_revert revert; /* REVERTED */
	const char *sentence;     /* FAILED */
	int endpoint;
};
typedef void l1_read_cb(void *arg, const struct l1_read *read);

/* Copied; needs to live for the call of l1_call() only. */
struct l1_call {
	const struct eth_address *from; /* NULL: none */
	const struct eth_address *to;
	struct span calldata;
	uint64_t block;            /* 0: latest */
	const uint8_t *block_hash; /* takes the place of block (EIP-1898); NULL: none */
	uint32_t avoid;            /* endpoints, see rpc.h */
	int prefer;                /* 1 + endpoint, see rpc.h; 0: none */
	/* As if this contract had that code; NULL: all is as it is. Not every node can do it. */
	const struct eth_address *replaced;
	struct span code;
};
/* eth_call. The callback comes later, never from inside; RPC_CANCELLED is a failure like others.
 * False: too many calls, or no memory. */
bool l1_call(struct rpc *rpc, const struct l1_call *call, l1_read_cb *cb, void *arg);

#endif
