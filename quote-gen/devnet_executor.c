#include "quote-gen/devnet_executor.h"

#include "ethereum/header.h"
#include "ethereum/keccak.h"
#include "ethereum/public_inputs.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#define HEADER_MAX 8192

/* ---- fields of a header in JSON ---- */

enum kind { FIXED, QUANTITY, DATA };

static const struct field {
	const char *name;
	enum kind kind;
	size_t at, size;   /* FIXED */
	unsigned optional; /* 1..: its place among the fields that came with forks; 0: always */
} fields[] = {
#define FIXED_AT(f)  FIXED, offsetof(struct eth_header, f), sizeof((struct eth_header *)0)->f
#define NUMBER_AT(f) QUANTITY, offsetof(struct eth_header, f), 8
    {"parentHash", FIXED_AT(parent_hash), 0},
    {"sha3Uncles", FIXED_AT(ommers_hash), 0},
    {"miner", FIXED_AT(beneficiary), 0},
    {"stateRoot", FIXED_AT(state_root), 0},
    {"transactionsRoot", FIXED_AT(transactions_root), 0},
    {"receiptsRoot", FIXED_AT(receipts_root), 0},
    {"logsBloom", FIXED_AT(logs_bloom), 0},
    {"difficulty", QUANTITY, offsetof(struct eth_header, difficulty), 32, 0},
    {"number", NUMBER_AT(number), 0},
    {"gasLimit", NUMBER_AT(gas_limit), 0},
    {"gasUsed", NUMBER_AT(gas_used), 0},
    {"timestamp", NUMBER_AT(timestamp), 0},
    {"extraData", DATA, 0, 0, 0},
    {"mixHash", FIXED_AT(mix_hash), 0},
    {"nonce", FIXED_AT(nonce), 0},
    {"baseFeePerGas", NUMBER_AT(base_fee), 1},
    {"withdrawalsRoot", FIXED_AT(withdrawals_root), 2},
    {"blobGasUsed", NUMBER_AT(blob_gas_used), 3},
    {"excessBlobGas", NUMBER_AT(excess_blob_gas), 4},
    {"parentBeaconBlockRoot", FIXED_AT(parent_beacon_block_root), 5},
    {"requestsHash", FIXED_AT(requests_hash), 6},
    {"blockAccessListHash", FIXED_AT(block_access_list_hash), 7},
    {"slotNumber", NUMBER_AT(slot_number), 8},
};

static bool read_field(struct eth_header *h, struct buf *extra, const struct field *f,
		       const char *text, struct why *why)
{
	uint8_t *at = (uint8_t *)h + f->at;
	struct uint256 v;
	uint64_t n;

	switch (f->kind) {
	case FIXED:
		if (hex_decode(at, f->size, text, strlen(text)))
			return true;
		break;
	case DATA:
		extra->len = 0;
		if (!hex_decode_buf(extra, text, strlen(text)))
			break;
		h->extra_data = buf_span(extra);
		return true;
	case QUANTITY:
		if (!uint256_from_hex(&v, text, NULL))
			break;
		if (f->size == 32) {
			memcpy(at, v.be, 32);
			return true;
		}
		if (!uint256_to_u64(&n, &v))
			break;
		memcpy(at, &n, sizeof n);
		return true;
	}
	why_set(why, "%s \"%.80s\" is malformed", f->name, text);
	return false;
}

static bool read_header(struct eth_header *h, struct buf *extra, const json_t *j, struct why *why)
{
	size_t i;

	memset(h, 0, sizeof *h);
	for (i = 0; i < sizeof fields / sizeof *fields; i++) {
		const struct field *f = &fields[i];
		const char *text = json_string_value(json_object_get(j, f->name));

		if (!text) {
			if (f->optional)
				continue; /* a later one would then be out of order, below */
			why_set(why, "the header has no %s", f->name);
			return false;
		}
		if (f->optional && f->optional != h->optional + 1) {
			why_set(why, "the header has %s without the field of the fork before it",
				f->name);
			return false;
		}
		if (!read_field(h, extra, f, text, why))
			return false;
		h->optional += f->optional ? 1 : 0;
	}
	return true;
}

/* ---- the input ---- */

static bool read_bytes(struct buf *out, const json_t *numbers)
{
	size_t i, n = json_array_size(numbers);

	for (i = 0; i < n; i++) {
		const json_t *v = json_array_get(numbers, i);
		json_int_t x = json_integer_value(v);
		uint8_t byte = (uint8_t)x;

		if (!json_is_integer(v) || x < 0 || x > 255 || !buf_add(out, &byte, 1))
			return false;
	}
	return json_is_array(numbers);
}

static bool hash_text_differs(struct why *why, const char *what, uint64_t number,
			      const uint8_t said[32], const uint8_t is[32])
{
	char a[65], b[65];

	hex_encode(a, said, 32);
	hex_encode(b, is, 32);
	why_set(why, "block %" PRIu64 " names 0x%s as its parent, but %s hashes to 0x%s", number, a,
		what, b);
	return false;
}

/* The header before the first block: its hash, number and state root, from the witness. */
static bool read_parent(const json_t *witness, uint8_t hash[32], uint64_t *number,
			uint8_t state_root[32], struct why *why)
{
	const json_t *headers = json_object_get(witness, "block_headers_bytes"), *bytes;
	size_t n = json_array_size(headers);
	struct eth_header h;
	struct buf rlp;
	struct why inner = {""};
	bool ok;

	buf_init(&rlp, HEADER_MAX);
	bytes = n ? json_array_get(headers, n - 1) : NULL;
	ok = bytes && read_bytes(&rlp, bytes) &&
	     eth_header_decode(&h, buf_span(&rlp), &inner) == ETH_OK;
	if (ok) {
		keccak256(hash, rlp.p, rlp.len);
		*number = h.number;
		memcpy(state_root, h.state_root, 32);
	} else {
		why_set(why,
			"execution_witness.block_headers_bytes does not end with the parent's "
			"header%s%s",
			inner.text[0] ? ": " : "", inner.text);
	}
	buf_free(&rlp);
	return ok;
}

static bool walk_blocks(const json_t *blocks, struct batch_commitment *c, uint8_t parent[32],
			uint64_t number, struct devnet_summary *s, struct why *why)
{
	const char *what = "the last header of the witness";
	struct eth_header h;
	struct buf extra;
	size_t i;
	bool ok = true;

	buf_init(&extra, ETH_HEADER_EXTRA_MAX);
	for (i = 0; ok && i < json_array_size(blocks); i++) {
		const json_t *block = json_array_get(blocks, i);
		const json_t *txs = json_object_get(json_object_get(block, "body"), "transactions");

		ok = read_header(&h, &extra, json_object_get(block, "header"), why);
		if (ok && h.number != number + 1) {
			why_set(why, "block %" PRIu64 " follows block %" PRIu64, h.number, number);
			ok = false;
		}
		if (ok && memcmp(h.parent_hash, parent, 32) != 0)
			ok = hash_text_differs(why, what, h.number, h.parent_hash, parent);
		if (ok && !json_is_array(txs)) {
			why_set(why, "block %" PRIu64 " has no list of transactions", h.number);
			ok = false;
		}
		ok = ok && eth_header_hash(parent, &h, why) == ETH_OK;
		if (!ok)
			break;
		what = "the block before it";
		number = h.number;
		if (i == 0)
			s->first_block = number;
		s->transactions += json_array_size(txs);
		memcpy(c->new_state_root, h.state_root, 32);
	}
	s->last_block = number;
	memcpy(s->last_block_hash, parent, 32);
	memcpy(c->last_block_hash, parent, 32);
	buf_free(&extra);
	return ok;
}

static bool derive(struct buf *out, struct devnet_summary *s, const json_t *j, struct why *why)
{
	const json_t *witness = json_object_get(j, "execution_witness");
	const json_t *blocks = json_object_get(j, "blocks");
	const json_t *chain = json_object_get(json_object_get(witness, "chain_config"), "chainId");
	struct batch_commitment c = {0};
	struct buf blob;
	uint8_t parent[32];
	uint64_t number;
	bool ok;

	if (json_array_size(blocks) == 0) {
		why_set(why, "the input has no blocks");
		return false;
	}
	if (!json_is_integer(chain) || json_integer_value(chain) <= 0) {
		why_set(why, "execution_witness.chain_config.chainId is missing");
		return false;
	}
	buf_init(&blob, BLOB_COMMITMENT_SIZE);
	ok = read_bytes(&blob, json_object_get(j, "blob_commitment")) &&
	     blob.len == BLOB_COMMITMENT_SIZE && blob_versioned_hash(c.blob_versioned_hash, blob.p);
	if (!ok)
		why_set(why, "blob_commitment is not %d bytes", BLOB_COMMITMENT_SIZE);
	buf_free(&blob);
	ok = ok && read_parent(witness, parent, &number, c.initial_state_root, why) &&
	     walk_blocks(blocks, &c, parent, number, s, why);
	if (!ok)
		return false;
	c.chain_id = uint256_from_u64((uint64_t)json_integer_value(chain));
	c.non_privileged_count = uint256_from_u64(s->transactions);
	if (!public_inputs_encode(out, &c)) {
		why_set(why, "out of memory");
		return false;
	}
	return true;
}

bool devnet_execute(struct buf *out, struct devnet_summary *summary, struct span input,
		    struct why *why)
{
	struct devnet_summary s = {0};
	json_error_t error;
	json_t *j = json_loadb((const char *)input.p, input.n, JSON_REJECT_DUPLICATES, &error);
	bool ok = false;

	if (!j)
		why_set(why, "the input is not JSON: %s", error.text);
	else
		ok = derive(out, &s, j, why);
	json_decref(j);
	if (ok && summary)
		*summary = s;
	return ok;
}
