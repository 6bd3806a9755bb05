#include "ethereum/header.h"

#include "ethereum/keccak.h"
#include "ethereum/rlp.h"

#include <string.h>

/* All fields with the longest values and their prefixes take less. */
#define HEADER_SIZE_MAX (1024 + ETH_HEADER_EXTRA_MAX)

static bool add_fields(struct buf *out, const struct eth_header *h)
{
	return rlp_add_bytes(out, h->parent_hash, 32) && rlp_add_bytes(out, h->ommers_hash, 32) &&
	       rlp_add_bytes(out, h->beneficiary.b, 20) && rlp_add_bytes(out, h->state_root, 32) &&
	       rlp_add_bytes(out, h->transactions_root, 32) &&
	       rlp_add_bytes(out, h->receipts_root, 32) && rlp_add_bytes(out, h->logs_bloom, 256) &&
	       rlp_add_uint256(out, &h->difficulty) && rlp_add_u64(out, h->number) &&
	       rlp_add_u64(out, h->gas_limit) && rlp_add_u64(out, h->gas_used) &&
	       rlp_add_u64(out, h->timestamp) &&
	       rlp_add_bytes(out, h->extra_data.p, h->extra_data.n) &&
	       rlp_add_bytes(out, h->mix_hash, 32) && rlp_add_bytes(out, h->nonce, 8);
}

static bool add_optional(struct buf *out, const struct eth_header *h)
{
	unsigned n = h->optional;

	return (n < 1 || rlp_add_u64(out, h->base_fee)) &&
	       (n < 2 || rlp_add_bytes(out, h->withdrawals_root, 32)) &&
	       (n < 3 || rlp_add_u64(out, h->blob_gas_used)) &&
	       (n < 4 || rlp_add_u64(out, h->excess_blob_gas)) &&
	       (n < 5 || rlp_add_bytes(out, h->parent_beacon_block_root, 32)) &&
	       (n < 6 || rlp_add_bytes(out, h->requests_hash, 32)) &&
	       (n < 7 || rlp_add_bytes(out, h->block_access_list_hash, 32)) &&
	       (n < 8 || rlp_add_u64(out, h->slot_number));
}

enum eth_error eth_header_encode(struct buf *out, const struct eth_header *h, struct why *why)
{
	size_t start = out->len, list = rlp_list_begin(out);

	if (h->optional > ETH_HEADER_OPTIONAL_MAX || h->extra_data.n > ETH_HEADER_EXTRA_MAX) {
		why_set(why, "a header with %u optional fields and %zu bytes of extra data",
			h->optional, h->extra_data.n);
		return ETH_BAD_ARGUMENT;
	}
	if (add_fields(out, h) && add_optional(out, h) && rlp_list_end(out, list))
		return ETH_OK;
	out->len = start;
	why_set(why, "no room for a block header below %zu bytes", out->max);
	return ETH_NO_ROOM;
}

enum eth_error eth_header_hash(uint8_t hash[32], const struct eth_header *h, struct why *why)
{
	enum eth_error err;
	struct buf b;

	buf_init(&b, HEADER_SIZE_MAX);
	err = eth_header_encode(&b, h, why);
	if (!err)
		keccak256(hash, b.p, b.len);
	buf_free(&b);
	return err;
}

static bool read_fields(struct eth_header *h, struct span *in, struct why *why)
{
	return rlp_read_fixed(in, h->parent_hash, 32, why) &&
	       rlp_read_fixed(in, h->ommers_hash, 32, why) &&
	       rlp_read_fixed(in, h->beneficiary.b, 20, why) &&
	       rlp_read_fixed(in, h->state_root, 32, why) &&
	       rlp_read_fixed(in, h->transactions_root, 32, why) &&
	       rlp_read_fixed(in, h->receipts_root, 32, why) &&
	       rlp_read_fixed(in, h->logs_bloom, 256, why) &&
	       rlp_read_uint256(in, &h->difficulty, why) && rlp_read_u64(in, &h->number, why) &&
	       rlp_read_u64(in, &h->gas_limit, why) && rlp_read_u64(in, &h->gas_used, why) &&
	       rlp_read_u64(in, &h->timestamp, why) && rlp_read_bytes(in, &h->extra_data, why) &&
	       rlp_read_fixed(in, h->mix_hash, 32, why) && rlp_read_fixed(in, h->nonce, 8, why);
}

/* Optional field number n, counted from 1. */
static bool read_optional(struct eth_header *h, unsigned n, struct span *in, struct why *why)
{
	switch (n) {
	case 1: return rlp_read_u64(in, &h->base_fee, why);
	case 2: return rlp_read_fixed(in, h->withdrawals_root, 32, why);
	case 3: return rlp_read_u64(in, &h->blob_gas_used, why);
	case 4: return rlp_read_u64(in, &h->excess_blob_gas, why);
	case 5: return rlp_read_fixed(in, h->parent_beacon_block_root, 32, why);
	case 6: return rlp_read_fixed(in, h->requests_hash, 32, why);
	case 7: return rlp_read_fixed(in, h->block_access_list_hash, 32, why);
	case 8: return rlp_read_u64(in, &h->slot_number, why);
	}
	why_set(why, "%zu bytes follow the last field that this program knows", in->n);
	return false;
}

enum eth_error eth_header_decode(struct eth_header *h, struct span rlp, struct why *why)
{
	struct span in;

	*h = (struct eth_header){.optional = 0};
	if (!rlp_read_list(&rlp, &in, why))
		goto refuse;
	if (rlp.n > 0) {
		why_set(why, "%zu bytes follow it", rlp.n);
		goto refuse;
	}
	if (!read_fields(h, &in, why))
		goto refuse;
	if (h->extra_data.n > ETH_HEADER_EXTRA_MAX) {
		why_set(why, "%zu bytes of extra data", h->extra_data.n);
		goto refuse;
	}
	while (in.n > 0) {
		if (!read_optional(h, h->optional + 1, &in, why))
			goto refuse;
		h->optional++;
	}
	return ETH_OK;
refuse:
	why_wrap(why, "block header");
	return ETH_MALFORMED;
}
