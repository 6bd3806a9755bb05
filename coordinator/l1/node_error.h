/*
 * node_error.h -- what a node means by the error that it answered with.
 *
 * Each client has codes of its own for the same thing, and the codes change on the way through
 * proxies, so the message decides: by lower-cased substring. docs/NODES.md has the whole table, by
 * client. A sentence that is in no row decides nothing: whoever asked reads the state again.
 */
#ifndef COORDINATOR_L1_NODE_ERROR_H
#define COORDINATOR_L1_NODE_ERROR_H

#include <stdbool.h>
#include <stdint.h>

#define NODE_ERROR_LIST(X)                                                                         \
	X(NODE_OK, "accepted")                                                                     \
	X(NODE_NONCE_TOO_LOW, "nonce too low")                                                     \
	X(NODE_NONCE_TOO_HIGH, "nonce too high")                                                   \
	X(NODE_ALREADY_KNOWN, "transaction already known")                                         \
	X(NODE_REPLACEMENT_UNDERPRICED, "replacement underpriced")                                 \
	X(NODE_UNDERPRICED, "transaction underpriced")                                             \
	X(NODE_INSUFFICIENT_FUNDS, "insufficient funds")                                           \
	X(NODE_GAS_TOO_HIGH, "gas limit over the cap of a transaction")                            \
	X(NODE_EXCEEDS_BLOCK_GAS, "gas limit over the block's")                                    \
	X(NODE_REVERTED, "execution reverted")                                                     \
	X(NODE_WRONG_CHAIN_ID, "wrong chain id")                                                   \
	X(NODE_FEE_OVER_CAP, "fee over the node's own cap")                                        \
	X(NODE_OVERSIZED, "transaction oversized")                                                 \
	X(NODE_FEE_BELOW_BASE, "fee cap below the base fee")                                       \
	X(NODE_INDEXING, "node is still indexing")                                                 \
	X(NODE_POOL_FULL, "no room in the pool")                                                   \
	X(NODE_NOT_SYNCED, "node is not in sync")                                                  \
	X(NODE_SIMULATION_NONCE, "the simulation wants the account's nonce")                       \
	X(NODE_SENDER_IS_CONTRACT, "no simulation from a contract")                                \
	X(NODE_NO_METHOD, "method not known")                                                      \
	X(NODE_NOT_FOUND, "no such transaction")                                                   \
	X(NODE_RATE_LIMITED, "too many requests")                                                  \
	X(NODE_OTHER, "other error")

enum node_error {
#define X(name, text) name,
	NODE_ERROR_LIST(X)
#undef X
};

/* A few constant words. */
const char *node_error_text(enum node_error e);

/* Never NODE_OK. code only decides where the message says nothing (3 is a revert, -32601 a method
 * that is not there, 429 too many requests). For NODE_NONCE_TOO_LOW *has_next says whether the
 * message named the account's next nonce. */
enum node_error node_error_classify(int64_t code, const char *message, bool *has_next,
				    uint64_t *next_nonce);

#endif
