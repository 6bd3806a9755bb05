/*
 * chain.h -- what L1 says, read again and again.
 *
 * A round reads the contracts in phases (what kind of contract, what it needs; then the heads) and
 * publishes the result as a whole, or not at all. What a round said is kept over restarts by the
 * owner, so that a dead L1 does not stop the start.
 */
#ifndef COORDINATOR_L1_FACTS_H
#define COORDINATOR_L1_FACTS_H

#include "encoding/why.h"
#include "ethereum/address.h"
#include "ethereum/public_inputs.h"
#include "ethereum/revert.h"

struct daemon;
struct chain;

/* Plain old data: kept in the store as it is, under a version. */
#define CHAIN_FACTS_VERSION 2
#define CHAIN_MEASUREMENTS  4 /* MRTD, RTMR0, RTMR1, RTMR2 */
struct chain_facts {
	uint32_t version;
	uint32_t
	    needed; /* WORK_TYPE_BIT set, as the contract requires; Exec where it requires none */
	uint64_t l1_chain_id;
	uint64_t l2_chain_id;
	uint64_t committed, verified, final;
	struct eth_address proposer; /* whose facts these are */
	struct eth_address tdx_verifier;
	struct eth_address signer;
	bool has_tdx_verifier, tdx_dev_mode;
	bool paused;
	/* of a production TDXVerifier */
	bool has_measurements;
	uint8_t measurement[CHAIN_MEASUREMENTS][48];
	struct eth_address quote_verifier;
};

bool chain_new(struct chain **out, struct daemon *d, struct why *why);
/* At the start: what an earlier run was told. */
void chain_restore(struct chain *c, const struct chain_facts *facts);
void chain_start(struct chain *c);
/* Reads a round now (or right after the one under way). */
void chain_refresh(struct chain *c);
/* Reads no more, then calls done. NULL is allowed. What is on the wire still calls back, so the
 * memory goes with chain_free(), after the RPC client has closed. */
void chain_close(struct chain *c, void (*done)(void *arg), void *arg);
void chain_free(struct chain *c);

/* NULL while no round was ever read or restored. */
const struct chain_facts *chain_facts(const struct chain *c);
/* Has this run read a whole round? */
bool chain_is_fresh(const struct chain *c);
/* The head's timestamp in the last round, in seconds; 0: no round in this run. What a dry run and
 * the contracts take for now. */
int64_t chain_head_time(const struct chain *c);
/* The last failure, "" after a good round. */
const char *chain_trouble(const struct chain *c);

/* ---- single reads ---- */

enum chain_read_kind {
	CHAIN_READ_OK,
	CHAIN_READ_REVERTED, /* revert is set */
	CHAIN_READ_NO_CODE,  /* empty result: no such contract or function */
	CHAIN_READ_FAILED,   /* no endpoint answered; sentence */
};
struct chain_read {
	enum chain_read_kind kind;
	struct span data;         /* OK: ABI-encoded result; REVERTED: what the contract said */
	struct eth_revert revert; /* REVERTED */
	const char *sentence;     /* FAILED */
	int endpoint;
};
typedef void chain_read_cb(void *arg, const struct chain_read *read);

struct chain_call {
	const struct eth_address *from; /* NULL: none */
	const struct eth_address *to;
	struct span calldata;
	uint64_t block; /* 0: latest */
	uint32_t avoid; /* endpoints, see rpc.h */
	/* As if this contract had that code; NULL: all is as it is. Not every node can do it. */
	const struct eth_address *replaced;
	struct span code;
};
/* eth_call. The callback comes later, unless the daemon is stopping. False: too many calls. */
bool chain_call(struct chain *c, const struct chain_call *call, chain_read_cb *cb, void *arg);

/* The commitment of a batch, with initial_state_root from the batch before. NULL: not to be had
 * now (the sentence says why). */
typedef void chain_commitment_cb(void *arg, const struct batch_commitment *commitment,
				 const char *sentence);
bool chain_commitment(struct chain *c, uint64_t batch, chain_commitment_cb *cb, void *arg);
/* Commitments are remembered; after a reorg or a revertBatch they may be others. */
void chain_forget_commitments(struct chain *c);

#endif
