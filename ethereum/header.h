/*
 * header.h -- an Ethereum block header: its fields, its RLP, its hash.
 *
 * Fields appear in the order of the encoding. Those after the nonce came with forks, one after the
 * other: a field is present only if all before it are.
 */
#ifndef ETHEREUM_HEADER_H
#define ETHEREUM_HEADER_H

#include "encoding/bytes.h"
#include "encoding/why.h"
#include "ethereum/address.h"
#include "ethereum/error.h"
#include "ethereum/uint256.h"

/* Longer extra data than any chain allows; a bound for readers. */
#define ETH_HEADER_EXTRA_MAX 1024

struct eth_header {
	uint8_t parent_hash[32];
	uint8_t ommers_hash[32];
	struct eth_address beneficiary;
	uint8_t state_root[32];
	uint8_t transactions_root[32];
	uint8_t receipts_root[32];
	uint8_t logs_bloom[256];
	struct uint256 difficulty;
	uint64_t number;
	uint64_t gas_limit;
	uint64_t gas_used;
	uint64_t timestamp;     /* seconds since 1970 */
	struct span extra_data; /* borrowed */
	uint8_t mix_hash[32];
	uint8_t nonce[8];

	unsigned optional; /* how many of the following are present, 0..ETH_HEADER_OPTIONAL_MAX */
	uint64_t base_fee; /* 1: London */
	uint8_t withdrawals_root[32];         /* 2: Shanghai */
	uint64_t blob_gas_used;               /* 3: Cancun */
	uint64_t excess_blob_gas;             /* 4 */
	uint8_t parent_beacon_block_root[32]; /* 5 */
	uint8_t requests_hash[32];            /* 6: Prague */
	uint8_t block_access_list_hash[32];   /* 7: Amsterdam */
	uint64_t slot_number;                 /* 8 */
};

#define ETH_HEADER_OPTIONAL_MAX 8

/* Appends the RLP. On error out is as it was. */
enum eth_error eth_header_encode(struct buf *out, const struct eth_header *h, struct why *why);
/* Keccak-256 of the RLP: the block's hash. */
enum eth_error eth_header_hash(uint8_t hash[32], const struct eth_header *h, struct why *why);
/* Exactly one header; h->extra_data borrows from rlp. The hash of what was read is keccak256(rlp).
 */
enum eth_error eth_header_decode(struct eth_header *h, struct span rlp, struct why *why);

#endif
