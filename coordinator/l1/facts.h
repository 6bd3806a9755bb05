/*
 * facts.h -- what L1 says, read again and again.
 *
 * A round reads the contracts in phases (what kind of contract, what it needs; then the heads) and
 * publishes the result as a whole, or not at all. What a round said is kept over restarts, so that
 * a dead L1 does not stop the start.
 */
#ifndef COORDINATOR_L1_FACTS_H
#define COORDINATOR_L1_FACTS_H

#include "coordinator/l1/rpc.h"
#include "coordinator/store/store.h"
#include "encoding/why.h"
#include "ethereum/address.h"

struct l1;

#define L1_MEASUREMENTS 4 /* MRTD, RTMR0, RTMR1, RTMR2 */
struct l1_facts {
	uint32_t needed; /* PROVER_TYPE_BIT set, as the contract requires; Exec where it requires
			    none */
	uint64_t l1_chain_id;
	uint64_t l2_chain_id;
	uint64_t committed, verified; /* at the head, as one node says; verified <= committed */
	uint64_t final;   /* verified with enough confirmations, by two nodes where there are two */
	bool recommitted; /* since the last round, what was committed became something else */
	struct eth_address proposer; /* whose facts these are */
	struct eth_address tdx_verifier;
	struct eth_address signer;
	bool has_tdx_verifier, tdx_dev_mode;
	bool paused;
	/* of a production TDXVerifier */
	bool has_measurements;
	uint8_t measurement[L1_MEASUREMENTS][48];
	struct eth_address quote_verifier;
};

struct l1_parts {
	uv_loop_t *loop;
	struct rpc *rpc;
	struct store *store;
};
struct l1_options {
	struct eth_address proposer;
	unsigned confirmations; /* blocks until a verified batch counts as final */
	uint64_t every_ms;      /* between two rounds */
};
struct l1_events {
	void (*facts)(void *arg, const struct l1_facts *f); /* after a whole round */
	void (*failed)(void *arg, const char *sentence);    /* a round came to nothing */
	/* A contract of another kind: no reason to try again. */
	void (*fatal)(void *arg, const char *event, const char *sentence);
	void *arg;
};

/* False with the sentence; *out is NULL. */
bool l1_new(struct l1 **out, const struct l1_parts *parts, const struct l1_options *options,
	    const struct l1_events *events, struct why *why);

/* At the start: the row that an earlier run kept under this key. A row of another version is
 * passed over. False with the sentence: it is about another contract than the options say. */
#define L1_FACT "chain"
bool l1_restore(struct l1 *c, struct span row, struct why *why);

/* On a shared store the leader keeps that row, from now on this one. A round that is under way
 * counts for nothing: what the former leader sent last may be missing in it. */
void l1_lead(struct l1 *c);
/* Each reads for itself, but another's row must be about the same contract. False with the
 * sentence.
 */
bool l1_foreign(const struct l1 *c, struct span row, struct why *why);

void l1_start(struct l1 *c);
/* Reads a round now (or right after the one under way). */
void l1_refresh(struct l1 *c);
/* Settings changed: the pause after the round under way. */
void l1_set_every(struct l1 *c, uint64_t every_ms);
/* Reads no more, then calls done. NULL is allowed. What is on the wire still calls back, so the
 * memory goes with l1_free(), after the RPC client has closed. */
void l1_close(struct l1 *c, void (*done)(void *arg), void *arg);
void l1_free(struct l1 *c);

/* NULL while no round was ever read or restored. */
const struct l1_facts *l1_facts(const struct l1 *c);
/* Has this run read a whole round? */
bool l1_is_fresh(const struct l1 *c);
/* The head's timestamp in the last round, in seconds; 0: no round in this run. What a dry run and
 * the contracts take for now. */
int64_t l1_head_time(const struct l1 *c);
/* That block's number; 0 likewise. */
uint64_t l1_head_number(const struct l1 *c);
/* That time, while it agrees with this machine's clock within max_skew_s seconds (0: whatever it
 * is). False with the sentence. */
bool l1_time(const struct l1 *c, int64_t max_skew_s, int64_t *now, struct why *why);
/* With the sentence: no block has come for long, or one of the two clocks is wrong. */
bool l1_head_is_far(const struct l1 *c, struct why *why);
/* The last failure, "" after a good round. */
const char *l1_trouble(const struct l1 *c);

#endif
