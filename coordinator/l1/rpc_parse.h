/*
 * rpc_parse.h -- bytes of a JSON-RPC 2.0 reply -> typed values. Pure: no sockets, no clock.
 *
 * A node is a stranger: every shape and length is checked, every string that is kept is cut to a
 * bound and freed of control characters.
 */
#ifndef COORDINATOR_L1_RPC_PARSE_H
#define COORDINATOR_L1_RPC_PARSE_H

#include "coordinator/l1/node_error.h"
#include "encoding/bytes.h"
#include "encoding/why.h"

#include <jansson.h>

#define RPC_MESSAGE_SIZE   256
#define RPC_ERROR_DATA_MAX (64u * 1024)
#define RPC_WORDS_SIZE     128

enum rpc_parsed_kind {
	RPC_PARSED_RESULT, /* result is set */
	RPC_PARSED_ERROR,  /* code, message, data are set */
	RPC_PARSED_BAD,    /* not a reply to this request; the sentence says why */
};

struct rpc_parsed {
	enum rpc_parsed_kind kind;
	json_t *root;   /* owned; NULL for BAD */
	json_t *result; /* borrowed from root; JSON null is a valid result */
	int64_t code;
	char message[RPC_MESSAGE_SIZE]; /* printable, cut to fit */
	bool has_data;                  /* revert data came with the error, maybe of length 0 */
	struct buf data;
	enum node_error node_error;
	bool has_next_nonce;
	uint64_t next_nonce;
};

/* One strict JSON object with "jsonrpc":"2.0", the id of the request (or null together with an
 * error) and exactly one of result and error. Error data is taken from error.data,
 * error.data.data, or a hex string at the end of the message. Always release with
 * rpc_parsed_free(). */
enum rpc_parsed_kind rpc_parse_reply(struct rpc_parsed *out, struct span body, uint64_t id,
				     struct why *why);
void rpc_parsed_free(struct rpc_parsed *p);

/* How an answer that is no reply begins, for the end of a sentence: " (its first characters)", or
 * "" where it is empty, a web page or no text. */
void rpc_body_words(char out[RPC_WORDS_SIZE], struct span body);

/* "0x" and 1..16 hex digits (leading zeros tolerated up to 64 digits). */
bool rpc_parse_u64(const json_t *v, uint64_t *out, struct why *why);
/* The same as 32 big-endian bytes. */
bool rpc_parse_quantity(const json_t *v, uint8_t out[32], struct why *why);
/* "0x" and an even number of digits, appended to b within its ceiling. */
bool rpc_parse_data(const json_t *v, struct buf *b, struct why *why);
/* Exactly n bytes of data. */
bool rpc_parse_fixed(const json_t *v, uint8_t *out, size_t n, struct why *why);

struct rpc_receipt {
	bool ok; /* status 1 */
	uint8_t tx_hash[32];
	uint8_t block_hash[32];
	uint64_t block_number;
	uint64_t gas_used;
	uint64_t effective_gas_price; /* wei; 0 where the node does not say */
};

/* *found is false for null and for a receipt without a block (pending). A receipt without status
 * is refused: pre-Byzantium receipts cannot tell success from failure. */
bool rpc_parse_receipt(const json_t *v, bool *found, struct rpc_receipt *out, struct why *why);

struct rpc_fee_history {
	uint64_t next_base_fee; /* wei a gas */
	bool has_tip;
	uint64_t tip; /* median over the blocks of the first percentile asked for; blocks
			 without gas used, which report 0, are left out */
};
bool rpc_parse_fee_history(const json_t *v, struct rpc_fee_history *out, struct why *why);

struct rpc_block {
	uint64_t number;
	uint64_t timestamp; /* seconds */
	uint8_t hash[32];
	uint8_t parent_hash[32];
	bool has_base_fee; /* not everybody asks for it, and not every fake has it */
	uint64_t base_fee; /* wei a gas */
};
/* *found is false for null. */
bool rpc_parse_block(const json_t *v, bool *found, struct rpc_block *out, struct why *why);

#endif
