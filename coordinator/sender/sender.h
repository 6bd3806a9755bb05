/*
 * sender.h -- drives one L1 transaction from a wish to a confirmed receipt. Pure: no sockets, no
 * clock, no files. The world comes in as events, what is wanted of it goes out as actions; the
 * same seed and the same events give the same trace. sender_io.h is the glue to a real world.
 *
 * Order of things: chain state twice (a second opinion) -> fees -> dry run -> gas estimate -> sign
 * -> persist -> broadcast -> poll, resend, raise the fees at the same nonce -> receipt deep enough
 * -> finished. At most one intent at a time.
 *
 *~ Stop 9 of the tour: the last decision before money moves.
 *
 * What it holds to:
 *  - nothing is broadcast that is not persisted;
 *  - a second nonce is signed for an intent only when two views (of different endpoints where
 *    there are several) show the earlier nonce used up, at confirmation depth, by another
 *    transaction, and a node refuses ours for that reason, or in words that nobody knows for as
 *    long as foreign_wait_ms. An endpoint that lies can delay a transaction, not double it, unless
 *    it is alone and speaks in riddles too;
 *  - where an endpoint's lie led to a nonce too high, a few missing ones are filled with empty
 *    calls to ourselves, for the transaction that is out can never be unsigned; where many are
 *    missing it is abandoned: two views must show the lower nonce, which is then signed for. Its
 *    attempt stays in the intent and its receipt is looked for; should the account ever come to
 *    that nonce, the contract refuses what is verified already;
 *  - what no node takes is not sent for ever: after foreign_wait_ms nonce, balance, fees and gas
 *    are read again and a new transaction replaces it at the same nonce;
 *  - both fees stay at or below the operator's maximum;
 *  - after any receipt, a revert or a lost nonce the goal is asked for before judging: a receipt
 *    is a success only when the contract has moved at its block, and without effect only when two
 *    looks say so;
 *  - while an intent is open there is always a wake-up time.
 */
#ifndef COORDINATOR_SENDER_SENDER_H
#define COORDINATOR_SENDER_SENDER_H

#include "coordinator/l1/node_error.h"
#include "encoding/bytes.h"
#include "encoding/why.h"
#include "ethereum/address.h"
#include "ethereum/tx.h"
#include "ethereum/uint256.h"

#define SENDER_ATTEMPTS_MAX 48
/* geth and reth refuse larger transactions. */
#define SENDER_TX_BYTES_MAX    (128u * 1024)
#define SENDER_REVERT_DATA_MAX 4096u

enum sender_kind { SENDER_VERIFY, SENDER_REGISTER, SENDER_UPLOAD /* collateral */ };

#define SENDER_OUTCOME_LIST(X)                                                                     \
	X(SENDER_CONFIRMED, "confirmed")                                                           \
	X(SENDER_NO_EFFECT, "confirmed without effect") /* the contract did not move */            \
	X(SENDER_ALREADY_TRUE, "goal already reached")                                             \
	X(SENDER_REVERTED, "refused by the dry run") /* nothing was sent, no gas spent */          \
	X(SENDER_FAILED_ON_CHAIN, "failed on chain")                                               \
	X(SENDER_TOO_BIG, "too big for one transaction") /* bytes or gas: the owner may bisect */  \
	X(SENDER_NO_FUNDS, "not enough funds")                                                     \
	X(SENDER_GAVE_UP, "gave up") /* before anything was sent; the sentence says why */

enum sender_outcome {
#define X(name, text) name,
	SENDER_OUTCOME_LIST(X)
#undef X
};
#define SENDER_OUTCOMES (SENDER_GAVE_UP + 1)
const char *sender_outcome_text(enum sender_outcome o);

/* ---- the intent: what is persisted ---- */

struct sender_attempt {
	uint64_t nonce;
	uint64_t max_fee; /* wei a gas */
	uint64_t tip;     /* wei a gas */
	uint8_t hash[32];
};

struct sender_intent {
	uint64_t id; /* the owner's */
	enum sender_kind kind;
	struct eth_address from, to;
	uint64_t first_batch, last_batch; /* VERIFY */
	struct eth_address signer;        /* REGISTER, UPLOAD: the key to be registered */
	uint64_t gas;                     /* limit of the newest attempt; 0 before the first */
	struct buf calldata;
	struct buf raw; /* the newest attempt, signed; empty before the first */
	unsigned n_attempts;
	struct sender_attempt attempts[SENDER_ATTEMPTS_MAX]; /* oldest first */
};

void sender_intent_init(struct sender_intent *in);
void sender_intent_free(struct sender_intent *in);
/* One self-contained blob for the store: appended to out, false when out is full. */
bool sender_intent_encode(const struct sender_intent *in, struct buf *out);
/* in must be initialised; on false it is empty again and the sentence says what is wrong. */
bool sender_intent_decode(struct sender_intent *in, struct span blob, struct why *why);

/* ---- settings ---- */

struct sender_options {
	uint64_t chain_id;
	uint64_t max_fee;                    /* wei a gas; no fee ever above it */
	uint64_t min_tip;                    /* wei a gas, >= 1 */
	uint64_t gas_cap;                    /* of one transaction, where the wish names none */
	unsigned gas_percent;                /* limit in percent of the estimate, >= 100 */
	unsigned bump_permille;              /* new fee in permille of the old, >= 1125 */
	unsigned confirmations;              /* blocks, the receipt's included, >= 1 */
	uint32_t action_timeout_ms;          /* an action without an answer has failed then */
	uint32_t poll_ms;                    /* between looks at the chain */
	uint32_t resend_ms;                  /* between broadcasts of the same bytes */
	uint32_t bump_min_ms, bump_max_ms;   /* wait before fees are raised; doubles */
	uint32_t retry_min_ms, retry_max_ms; /* after failures; doubles, with jitter */
	uint32_t foreign_wait_ms;     /* for somebody else's pending transaction at our nonce,
					 before a gap in front of our nonce is filled, and before
					 what no node takes is planned anew */
	bool replace_foreign;         /* afterwards outbid it; else keep waiting */
	uint64_t no_funds_give_up_ms; /* 0: waits for ever */
	uint64_t give_up_ms;          /* a wish that got nothing sent; 0: never */
	uint64_t seed;                /* of the jitter */
};

/* ethrex's values where it has them, for the rest what suits a 12 s chain. chain_id and seed are
 * left 0. */
void sender_options_default(struct sender_options *o);

/* ---- actions: what the world is asked to do ---- */

enum sender_action_kind {
	/* View of one endpoint, preferably none of `avoid`: eth_getBlockByNumber("latest"),
	 * eth_getTransactionCount(from, "latest" | "pending" | head - depth), eth_getBalance(from),
	 * eth_getTransactionReceipt for each attempt of the intent. -> SENDER_EV_VIEW */
	SENDER_READ_VIEW,
	/* eth_feeHistory(5, "latest", [percentile]), or where a node has none the head's base fee;
	 * without rewards also eth_maxPriorityFeePerGas. -> SENDER_EV_FEES */
	SENDER_READ_FEES,
	/* eth_call {from, nonce, to, data} at block `at_block` (SENDER_LATEST: "latest"), the nonce
	 * read just before. At the latest block REVERTED too where `to` holds no code.
	 * -> SENDER_EV_CALLED */
	SENDER_DRY_RUN,
	/* eth_estimateGas {from, nonce, to, data}. -> SENDER_EV_CALLED with gas */
	SENDER_ESTIMATE,
	/* Sign an EIP-1559 call of value 0 with exactly the fields below, which are not always the
	 * intent's: a gap before our nonce is filled with empty calls to ourselves.
	 * -> SENDER_EV_SIGNED */
	SENDER_SIGN,
	/* Store the intent under its id, replacing what is there. -> SENDER_EV_DONE once durable */
	SENDER_PERSIST,
	/* eth_sendRawTransaction(raw), preferably to none of `avoid`. -> SENDER_EV_SENT */
	SENDER_BROADCAST,
	/* VERIFY: lastVerifiedBatch() >= last_batch? REGISTER: authorizedSignature() == signer?
	 * UPLOAD: false, for its owner reads the chain again anyway. After a receipt at `at_block`,
	 * whose hash is `block_hash` and whose receipt `endpoint` showed, preferably of none of
	 * `avoid`; else at SENDER_LATEST. -> SENDER_EV_GOAL */
	SENDER_CHECK_GOAL,
	/* The end; no event. The owner stores the outcome and removes the intent. A crash before
	 * that is harmless: the resumed intent comes to the same end. */
	SENDER_FINISHED,
};

#define SENDER_LATEST UINT64_MAX

/* Pointers are valid until the next call of a function of this header with this sender. */
struct sender_action {
	enum sender_action_kind kind;
	uint64_t ticket;                    /* to be put into the event */
	const struct sender_intent *intent; /* from, to, calldata, attempts, ... */
	uint32_t avoid;                     /* bit i: endpoint i (as the events number them) */
	uint64_t depth;                     /* READ_VIEW: blocks below the head */
	uint64_t at_block;                  /* DRY_RUN, CHECK_GOAL */
	uint8_t block_hash[32];             /* CHECK_GOAL, not at SENDER_LATEST */
	int endpoint;
	uint64_t chain_id, nonce, gas, max_fee, tip; /* SIGN: the group up to data */
	struct eth_address to;
	struct span data;
	struct span raw; /* BROADCAST */
	/* FINISHED */
	enum sender_outcome outcome;
	struct span revert_data; /* REVERTED, FAILED_ON_CHAIN: what the contract said */
	const char *sentence;
	bool has_receipt; /* the group below */
	uint8_t tx_hash[32];
	uint64_t block_number, gas_used, gas_price;
};

/* What a SIGN wants signed; borrows its data. */
struct eth_tx sender_action_tx(const struct sender_action *a);

struct sender_actions {
	unsigned n; /* 0 or 1: one thing at a time */
	struct sender_action a[1];
	uint64_t wake_at_ms; /* call sender_step with SENDER_EV_TICK then; UINT64_MAX: never */
};

/* ---- events: what the world answers ---- */

enum sender_event_kind {
	SENDER_EV_TICK,   /* time has passed; no ticket */
	SENDER_EV_FAILED, /* the action could not be done or answered; sentence */
	SENDER_EV_DONE,
	SENDER_EV_VIEW,
	SENDER_EV_FEES,
	SENDER_EV_CALLED,
	SENDER_EV_SIGNED,
	SENDER_EV_SENT,
	SENDER_EV_GOAL,
};

struct sender_receipt {
	bool found; /* mined in a block that the node holds canonical */
	bool ok;    /* status 1 */
	uint64_t block_number, gas_used, gas_price;
	uint8_t block_hash[32];
};

struct sender_view {
	uint64_t head; /* number of the latest block */
	uint64_t nonce_latest, nonce_pending;
	uint64_t nonce_deep; /* at head - depth (at 0 where the chain is shorter) */
	bool has_balance;    /* not every node tells it: then the broadcast will */
	struct uint256 balance;
	unsigned n_receipts; /* as many as the intent had attempts when it was asked */
	const struct sender_receipt *receipts;
};

enum sender_called {
	SENDER_CALL_OK,
	SENDER_CALL_REVERTED,     /* data: what the contract said, may be empty */
	SENDER_CALL_DOES_NOT_FIT, /* more gas than a transaction or block may have */
	SENDER_CALL_UNUSABLE,     /* the node simulates no such call; says nothing of it */
};

struct sender_event {
	enum sender_event_kind kind;
	uint64_t ticket;
	int endpoint;         /* who answered; -1 where it is not known */
	const char *sentence; /* FAILED, SENT, CALLED: the node's words; may be NULL */
	union {
		struct sender_view view;
		struct {
			uint64_t next_base_fee, tip;
		} fees;
		struct {
			enum sender_called result;
			uint64_t gas;
			struct span data;
		} called;
		struct {
			struct span raw;
			uint8_t hash[32];
		} done_signed;
		enum node_error sent;
		bool goal;
	};
};

/* ---- life ---- */

struct sender;

/* NULL with a sentence naming the option that is out of range, or no memory. */
struct sender *sender_new(const struct sender_options *options, struct why *why);
void sender_free(struct sender *s);

struct sender_wish {
	uint64_t id;
	enum sender_kind kind;
	struct eth_address from, to;
	struct span calldata; /* copied */
	uint64_t gas_cap;     /* 0: the option's */
	uint64_t first_batch, last_batch;
	struct eth_address signer;
};

/* Starts a wish. False with a sentence while another is open, or without memory. */
bool sender_wish(struct sender *s, const struct sender_wish *wish, uint64_t now_ms,
		 struct sender_actions *out, struct why *why);

/* Takes over an intent as it was persisted, leaving *intent empty. It may or may not have been
 * broadcast: it is followed as if it had. False as for sender_wish. */
bool sender_resume(struct sender *s, struct sender_intent *intent, uint64_t now_ms,
		   struct sender_actions *out, struct why *why);

/* Events with an old ticket are ignored. now_ms is monotonic. */
void sender_step(struct sender *s, const struct sender_event *event, uint64_t now_ms,
		 struct sender_actions *out);

bool sender_busy(const struct sender *s);
/* The open intent, or NULL. */
const struct sender_intent *sender_intent(const struct sender *s);
/* The operator changed the maximum; takes effect with the next fee. */
void sender_set_max_fee(struct sender *s, uint64_t max_fee);
/* From the next look on. 0: as it was. */
void sender_set_poll(struct sender *s, uint32_t poll_ms, uint32_t resend_ms);
/* What keeps the open intent waiting, "" where nothing does. */
const char *sender_trouble(const struct sender *s);
/* One sentence for status output. */
void sender_describe(const struct sender *s, uint64_t now_ms, char *out, size_t size);

#endif
