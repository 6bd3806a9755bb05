/*
 * tx.h -- transactions that call a contract: EIP-1559 (type 2) and EIP-155 legacy.
 *
 * Contract creation and access lists are not needed here: the former is refused, the latter is
 * written empty and refused when not.
 */
#ifndef ETHEREUM_TX_H
#define ETHEREUM_TX_H

#include "encoding/bytes.h"
#include "encoding/why.h"
#include "ethereum/address.h"
#include "ethereum/error.h"
#include "ethereum/key.h"
#include "ethereum/uint256.h"

/* EIP-2294: the largest chain id whose EIP-155 v still fits 64 bits. */
#define ETH_CHAIN_ID_MAX (UINT64_MAX / 2 - 36)

enum eth_tx_type {
	ETH_TX_LEGACY = 0,
	ETH_TX_DYNAMIC_FEE = 2,
};

struct eth_tx {
	enum eth_tx_type type;
	uint64_t chain_id; /* 1..ETH_CHAIN_ID_MAX */
	uint64_t nonce;
	uint64_t max_priority_fee; /* wei a gas; not for LEGACY */
	uint64_t max_fee;          /* wei a gas; the gas price for LEGACY */
	uint64_t gas;              /* the limit */
	struct eth_address to;
	struct uint256 value; /* wei */
	struct span data;     /* borrowed */
};

/* Appends the signed transaction as eth_sendRawTransaction takes it, and gives its hash. Refused
 * with ETH_BAD_ARGUMENT: a chain id out of range, a tip above the fee cap, a wiped key. On any
 * error raw is as it was. */
enum eth_error eth_tx_sign(struct buf *raw, uint8_t hash[32], const struct eth_tx *tx,
			   const struct eth_key *key, struct why *why);

/* Appends the bytes whose Keccak-256 is signed. ETH_BAD_ARGUMENT and raw as for eth_tx_sign(). */
enum eth_error eth_tx_payload(struct buf *out, const struct eth_tx *tx, struct why *why);

/* As eth_tx_sign(), with a signature that somebody else made: r, s and a v of 0, 1, 27 or 28. An s
 * in the upper half is turned into the lower one. ETH_BAD_SIGNATURE: it is not that of `from`. */
enum eth_error eth_tx_assemble(struct buf *raw, uint8_t hash[32], const struct eth_tx *tx,
			       const uint8_t sig[ETH_SIGNATURE_SIZE],
			       const struct eth_address *from, struct why *why);

/* Reads such a transaction back and recovers its sender; tx->data borrows from raw. Canonical RLP,
 * low s and EIP-155 protection are demanded. */
enum eth_error eth_tx_decode(struct eth_tx *tx, struct eth_address *sender, uint8_t hash[32],
			     struct span raw, struct why *why);

/* The least gas limit that a node accepts for a call with this data: 21,000 and the larger of
 * EIP-2028's price (4 a zero byte, 16 another) and EIP-7623's floor (10 and 40). */
uint64_t eth_tx_intrinsic_gas(struct span data);

#endif
