/*
 * public_inputs.h -- the bytes that a TDX proof signs: a batch's outcome, packed.
 *
 * ethrex's ProgramOutput::encode in the guest, _getPublicInputsFromCommitment in OnChainProposer:
 * eight words, then the balance diffs, then the rolling hashes of L2 messages received. A batch
 * without messages between L2s takes exactly 256 bytes. The signature is EIP-191 over these bytes.
 */
#ifndef ETHEREUM_PUBLIC_INPUTS_H
#define ETHEREUM_PUBLIC_INPUTS_H

#include "encoding/bytes.h"
#include "ethereum/address.h"
#include "ethereum/uint256.h"

#define BLOB_COMMITMENT_SIZE 48 /* a KZG commitment */

struct asset_diff {
	struct eth_address token_l1;
	struct eth_address token_l2;
	struct eth_address dest_token_l2;
	struct uint256 value;
};

/* What leaves for one other L2. */
struct balance_diff {
	struct uint256 chain_id;
	struct uint256 value; /* wei */
	const struct asset_diff *assets;
	size_t assets_n;
	const uint8_t (*message_hashes)[32];
	size_t message_hashes_n;
};

/* What came from one other L2. */
struct message_rolling_hash {
	struct uint256 chain_id;
	uint8_t hash[32];
};

/* All pointers are borrowed. */
struct batch_commitment {
	uint8_t initial_state_root[32]; /* of the last verified batch */
	uint8_t new_state_root[32];
	uint8_t withdrawals_root[32];
	uint8_t privileged_rolling_hash[32];
	uint8_t blob_versioned_hash[32];
	uint8_t last_block_hash[32];
	struct uint256 chain_id; /* of this L2 */
	struct uint256 non_privileged_count;
	const struct balance_diff *balance_diffs;
	size_t balance_diffs_n;
	const struct message_rolling_hash *l2_in;
	size_t l2_in_n;
};

/* Appends. False, with out as it was, when its ceiling or memory is exhausted. */
bool public_inputs_encode(struct buf *out, const struct batch_commitment *c);

/* Whether there is a batch whose public inputs are n bytes. */
bool public_inputs_size(size_t n);

/* EIP-4844: 0x01 and the last 31 bytes of the SHA-256. The all-zero commitment of a validium gives
 * 32 zero bytes. False only if the hash function is not available. */
bool blob_versioned_hash(uint8_t out[32], const uint8_t commitment[BLOB_COMMITMENT_SIZE]);

#endif
