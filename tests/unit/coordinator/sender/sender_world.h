/*
 * sender_world.h -- a small L1 for the sender to live in: blocks, one account, its pool, several
 * endpoints in front of it that fail, lag and lie, all from one seed. Everything that the sender
 * must never do is asserted while it runs.
 */
#ifndef TESTS_SENDER_WORLD_H
#define TESTS_SENDER_WORLD_H

#include "coordinator/sender/sender.h"

#define WORLD_BLOCKS    12000
#define WORLD_POOL      32
#define WORLD_ENDPOINTS 3
#define WORLD_FIRST     8 /* blocks there at the start */

enum flavour { GETH, RETH, ANVIL };

struct wtx {
	bool ours;
	uint64_t intent, nonce, max_fee, tip, gas;
	uint8_t hash[32];
};

struct wblock {
	uint64_t salt, base_fee;
	uint64_t nonce, verified; /* after this block */
	bool has_tx, ok;
	struct wtx tx;
};

struct wendpoint {
	enum flavour flavour;
	unsigned down_percent, lag;
	int64_t nonce_lie; /* added to what it says */
	unsigned lie_percent;
};

struct world_options {
	uint64_t seed;
	unsigned n_endpoints;
	unsigned down_percent, lost_reply_percent, lag;
	int64_t liar_delta; /* endpoint 0 lies by this */
	unsigned liar_percent;
	uint64_t liar_from_ms;
	unsigned drop_percent;    /* a pool forgets our transaction, a block */
	unsigned reorg_percent;   /* a block */
	unsigned include_percent; /* of a transaction that pays, a block */
	unsigned crash_percent;   /* a step */
	unsigned crash_at_step;   /* exactly this one; 0: none */
	unsigned foreign_percent; /* somebody else uses our nonce, a block */
	bool foreign_pending;     /* ... and did so before we began */
	bool base_fee_spikes;
	bool refuses;           /* the contract, always */
	bool strange_words;     /* nodes refuse in words that nobody knows */
	uint64_t node_gas_cap;  /* of the nodes' own, which they tell nobody; 0: none */
	bool no_effect;         /* it takes the call and does nothing */
	unsigned goal_lies;     /* so often a reached goal is denied */
	bool race;              /* another one reaches the goal just before our block */
	uint64_t estimate;      /* 0: 200000 */
	uint64_t poor_until_ms; /* no balance before */
	uint64_t heal_ms;       /* all faults end */
	struct sender_options sender;
};

struct world {
	struct world_options o;
	uint64_t random, now, next_block_at;
	struct wendpoint endpoints[WORLD_ENDPOINTS];
	struct wblock *blocks;
	uint64_t head;
	struct wtx pool[WORLD_POOL];
	unsigned n_pool;

	struct sender *sender;
	struct sender_wish wish;
	uint64_t wake_at;
	struct buf durable; /* the intent as the store has it */
	struct buf storing; /* what a PERSIST under way will store */
	struct sender_receipt receipts[SENDER_ATTEMPTS_MAX];

	/* the answer under way */
	bool waiting;
	struct sender_action asked;
	struct buf asked_raw;
	uint64_t answer_at;
	bool answer_lost;

	bool finished;
	enum sender_outcome outcome;
	bool had_receipt;
	char sentence[512];
	uint8_t revert_data[64];
	size_t revert_n;

	unsigned steps, crashes, signatures, fills, broadcasts, max_attempts;
	uint64_t signed_nonces[64];
	unsigned n_signed_nonces;
	uint64_t trace;
};

void world_options_default(struct world_options *o, uint64_t seed);
void world_init(struct world *w, const struct world_options *o);
/* Runs until the intent is finished or until_ms. */
void world_run(struct world *w, uint64_t until_ms);
void world_free(struct world *w);
/* Our transactions in the chain as it is, and those of them that succeeded. */
unsigned world_mined(const struct world *w, unsigned *ok);
uint64_t world_verified(const struct world *w);

#endif
