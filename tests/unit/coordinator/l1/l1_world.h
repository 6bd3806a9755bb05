/*
 * l1_world.h -- an L1 of a few variables behind a scripted node: an OnChainProposer, a TDXVerifier,
 * and an account that mines what it is sent.
 */
#ifndef TESTS_L1_WORLD_H
#define TESTS_L1_WORLD_H

#include "coordinator/l1/rpc.h"
#include "ethereum/address.h"
#include "ethereum/key.h"
#include "ethereum/tx.h"
#include "fake_node.h"

#define L1_WORLD_CHAIN_ID 31337
#define L1_WORLD_L2_CHAIN 65536999
#define L1_WORLD_KEY      "0x0123456789012345678901234567890123456789012345678901234567890123"

struct l1_world {
	struct fake_node node;
	struct fake_node other; /* of a world of two nodes */
	uv_loop_t *loop;
	struct rpc *rpc;
	struct eth_address proposer, verifier, sender;
	struct eth_key key; /* the sender's */
	/* what the contracts say */
	bool needs_tdx, dev_mode, aligned, based, old, no_verify, paused, reads_fail, huge;
	uint64_t committed, verified;
	unsigned recommitted; /* all commitments are others with each of these */
	bool lags;            /* knows no commitment */
	/* The first of two nodes is at its genesis; verified is its word alone, and the other's is
	 * this. */
	bool two, genesis, other_differs;
	uint64_t other_verified;
	const char *ill_method, *ill_answer; /* the first's, an error's object or null */
	bool asked_other;                    /* whose answer is being made */
	uint64_t final_lags; /* lastVerifiedBatch() at an older block is less by this */
	struct eth_address signer;
	const char
	    *refusal; /* an error's signature: verifyBatches reverts with it; NULL: it does not */
	bool register_refused;
	struct eth_address owner, timelock; /* the sender, and a contract that owns nothing yet */
	size_t most_estimated; /* hex digits of call data that an estimate takes; 0: any */
	unsigned n_too_big;
	bool timelock_gone, no_role, no_effect;
	/* the account */
	uint64_t head, time, nonce;
	uint64_t balance; /* 0: 100 ether */
	bool no_balance;  /* the method is not there */
	unsigned n_raw, n_calls, n_dry_runs;
	struct eth_tx tx; /* the last; its data is in calldata */
	struct buf calldata;
	uint8_t hash[32];
	uint64_t mined_at;
};

void l1_world_open(struct l1_world *w, uv_loop_t *loop);
/* With two nodes, which say the same until they are told to differ. */
void l1_world_open_two(struct l1_world *w, uv_loop_t *loop);
/* The same; one that is doubted rests for longer than a test takes. */
void l1_world_open_patient(struct l1_world *w, uv_loop_t *loop);
/* Node and client; turns the loop until they are closed. */
void l1_world_close(struct l1_world *w);
/* Turns the loop until done says so; fails after half a minute. */
void l1_world_until(struct l1_world *w, bool (*done)(void *arg), void *arg);
/* Turns the loop for so long. */
void l1_world_wait(struct l1_world *w, unsigned ms);

#endif
