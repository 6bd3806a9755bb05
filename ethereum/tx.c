#include "ethereum/tx.h"

#include "ethereum/keccak.h"
#include "ethereum/rlp.h"

#include <string.h>

static bool add_fields(struct buf *out, const struct eth_tx *tx)
{
	if (tx->type == ETH_TX_DYNAMIC_FEE &&
	    !(rlp_add_u64(out, tx->chain_id) && rlp_add_u64(out, tx->nonce) &&
	      rlp_add_u64(out, tx->max_priority_fee)))
		return false;
	if (tx->type == ETH_TX_LEGACY && !rlp_add_u64(out, tx->nonce))
		return false;
	if (!(rlp_add_u64(out, tx->max_fee) && rlp_add_u64(out, tx->gas) &&
	      rlp_add_bytes(out, tx->to.b, sizeof tx->to.b) && rlp_add_uint256(out, &tx->value) &&
	      rlp_add_bytes(out, tx->data.p, tx->data.n)))
		return false;
	/* EIP-1559 has an access list here; ours is empty. */
	return tx->type == ETH_TX_LEGACY || rlp_list_end(out, rlp_list_begin(out));
}

/* Appends what is signed (sig NULL) or what is sent. */
static bool add_tx(struct buf *out, const struct eth_tx *tx, const uint8_t *sig)
{
	static const uint8_t type = ETH_TX_DYNAMIC_FEE;
	struct uint256 r, s;
	size_t list;

	if (tx->type == ETH_TX_DYNAMIC_FEE && !buf_add(out, &type, 1))
		return false;
	list = rlp_list_begin(out);
	if (!add_fields(out, tx))
		return false;
	if (sig) {
		uint64_t v = tx->type == ETH_TX_LEGACY ? tx->chain_id * 2 + 35 + sig[64] : sig[64];

		uint256_from_bytes(&r, sig, 32);
		uint256_from_bytes(&s, sig + 32, 32);
		if (!(rlp_add_u64(out, v) && rlp_add_uint256(out, &r) && rlp_add_uint256(out, &s)))
			return false;
	} else if (tx->type == ETH_TX_LEGACY) {
		if (!(rlp_add_u64(out, tx->chain_id) && rlp_add_u64(out, 0) && rlp_add_u64(out, 0)))
			return false;
	}
	return rlp_list_end(out, list);
}

/* Room for the data and all fields around it: 9 numbers of at most 33 bytes, the list's prefix. */
static size_t tx_size_max(const struct eth_tx *tx)
{
	return tx->data.n + 512;
}

static bool signing_digest(uint8_t out[32], const struct eth_tx *tx)
{
	struct buf b;
	bool ok;

	buf_init(&b, tx_size_max(tx));
	ok = add_tx(&b, tx, NULL);
	if (ok)
		keccak256(out, b.p, b.len);
	buf_free(&b);
	return ok;
}

static bool fields_valid(const struct eth_tx *tx, struct why *why)
{
	if (tx->chain_id == 0 || tx->chain_id > ETH_CHAIN_ID_MAX) {
		why_set(why, "chain id %llu is not in 1..%llu", (unsigned long long)tx->chain_id,
			(unsigned long long)ETH_CHAIN_ID_MAX);
		return false;
	}
	if (tx->type == ETH_TX_DYNAMIC_FEE && tx->max_priority_fee > tx->max_fee) {
		why_set(why, "the priority fee of %llu wei is above the fee cap of %llu wei",
			(unsigned long long)tx->max_priority_fee, (unsigned long long)tx->max_fee);
		return false;
	}
	return true;
}

/* Appends the signed transaction; raw is as before where there is no room. */
static enum eth_error add_signed(struct buf *raw, uint8_t hash[32], const struct eth_tx *tx,
				 const uint8_t sig[ETH_SIGNATURE_SIZE], struct why *why)
{
	const size_t start = raw->len;

	if (!add_tx(raw, tx, sig)) {
		why_set(why, "no room for the signed transaction below %zu bytes", raw->max);
		raw->len = start;
		return ETH_NO_ROOM;
	}
	keccak256(hash, raw->p + start, raw->len - start);
	return ETH_OK;
}

enum eth_error eth_tx_sign(struct buf *raw, uint8_t hash[32], const struct eth_tx *tx,
			   const struct eth_key *key, struct why *why)
{
	uint8_t digest[32], sig[ETH_SIGNATURE_SIZE];

	if (!fields_valid(tx, why))
		return ETH_BAD_ARGUMENT;
	if (!signing_digest(digest, tx)) {
		why_set(why, "no memory to sign a transaction with %zu bytes of data", tx->data.n);
		return ETH_NO_ROOM;
	}
	if (!eth_sign_digest(sig, key, digest)) {
		why_set(why, "the transaction cannot be signed: the key is empty");
		return ETH_BAD_ARGUMENT;
	}
	return add_signed(raw, hash, tx, sig, why);
}

enum eth_error eth_tx_payload(struct buf *out, const struct eth_tx *tx, struct why *why)
{
	size_t start = out->len;

	if (!fields_valid(tx, why))
		return ETH_BAD_ARGUMENT;
	if (add_tx(out, tx, NULL))
		return ETH_OK;
	out->len = start;
	why_set(why, "no room for the transaction below %zu bytes", out->max);
	return ETH_NO_ROOM;
}

enum eth_error eth_tx_assemble(struct buf *raw, uint8_t hash[32], const struct eth_tx *tx,
			       const uint8_t sig[ETH_SIGNATURE_SIZE],
			       const struct eth_address *from, struct why *why)
{
	uint8_t digest[32], low[ETH_SIGNATURE_SIZE];
	char text[ETH_ADDRESS_TEXT_SIZE], expected[ETH_ADDRESS_TEXT_SIZE];
	struct eth_address by;

	if (!fields_valid(tx, why))
		return ETH_BAD_ARGUMENT;
	if (!signing_digest(digest, tx)) {
		why_set(why, "no memory to sign a transaction with %zu bytes of data", tx->data.n);
		return ETH_NO_ROOM;
	}
	memcpy(low, sig, sizeof low);
	if (!eth_signature_normalise(low, why) ||
	    !eth_recover(&by, digest, low, ETH_RECOVER_ANY, why))
		return ETH_BAD_SIGNATURE;
	if (!eth_address_equal(&by, from)) {
		eth_address_print(text, &by);
		eth_address_print(expected, from);
		why_set(why, "the signature is of %s, not of %s", text, expected);
		return ETH_BAD_SIGNATURE;
	}
	return add_signed(raw, hash, tx, low, why);
}

static bool read_to(struct span *in, struct eth_address *to, struct why *why)
{
	if (in->n > 0 && in->p[0] == 0x80) {
		why_set(why, "the transaction creates a contract, which is not supported here");
		return false;
	}
	return rlp_read_fixed(in, to->b, sizeof to->b, why);
}

static bool read_access_list(struct span *in, struct why *why)
{
	struct span list;

	if (!rlp_read_list(in, &list, why))
		return false;
	if (list.n > 0) {
		why_set(why, "the transaction has an access list, which is not supported here");
		return false;
	}
	return true;
}

/* v into chain id and recovery id, as EIP-155 put them together. */
static bool split_v(struct eth_tx *tx, uint64_t v, uint8_t *recid, struct why *why)
{
	if (tx->type == ETH_TX_DYNAMIC_FEE) {
		if (v > 1)
			goto refuse;
		*recid = (uint8_t)v;
		return true;
	}
	if (v < 37)
		goto refuse;
	tx->chain_id = (v - 35) / 2;
	*recid = (uint8_t)((v - 35) % 2);
	return true;
refuse:
	why_set(why, "a v of %llu in a transaction of type %d", (unsigned long long)v, tx->type);
	return false;
}

static bool read_fields(struct eth_tx *tx, uint8_t sig[ETH_SIGNATURE_SIZE], struct span raw,
			struct why *why)
{
	bool typed = raw.n > 0 && raw.p[0] < 0xc0;
	struct uint256 r, s;
	struct span in;
	uint64_t v;

	*tx = (struct eth_tx){.type = typed ? ETH_TX_DYNAMIC_FEE : ETH_TX_LEGACY};
	if (typed) {
		if (raw.p[0] != ETH_TX_DYNAMIC_FEE) {
			why_set(why, "a transaction of type %u, which is not supported here",
				raw.p[0]);
			return false;
		}
		raw = span_of(raw.p + 1, raw.n - 1);
	}
	if (!rlp_read_list(&raw, &in, why))
		return false;
	if (raw.n > 0) {
		why_set(why, "%zu bytes follow the transaction", raw.n);
		return false;
	}
	if (typed && !rlp_read_u64(&in, &tx->chain_id, why))
		return false;
	if (!rlp_read_u64(&in, &tx->nonce, why))
		return false;
	if (typed && !rlp_read_u64(&in, &tx->max_priority_fee, why))
		return false;
	if (!rlp_read_u64(&in, &tx->max_fee, why) || !rlp_read_u64(&in, &tx->gas, why) ||
	    !read_to(&in, &tx->to, why) || !rlp_read_uint256(&in, &tx->value, why) ||
	    !rlp_read_bytes(&in, &tx->data, why))
		return false;
	if (typed && !read_access_list(&in, why))
		return false;
	if (!rlp_read_u64(&in, &v, why) || !split_v(tx, v, &sig[64], why) ||
	    !rlp_read_uint256(&in, &r, why) || !rlp_read_uint256(&in, &s, why))
		return false;
	if (in.n > 0) {
		why_set(why, "%zu bytes follow the signature", in.n);
		return false;
	}
	memcpy(sig, r.be, 32);
	memcpy(sig + 32, s.be, 32);
	return fields_valid(tx, why);
}

enum eth_error eth_tx_decode(struct eth_tx *tx, struct eth_address *sender, uint8_t hash[32],
			     struct span raw, struct why *why)
{
	uint8_t sig[ETH_SIGNATURE_SIZE], digest[32];

	if (!read_fields(tx, sig, raw, why)) {
		why_wrap(why, "transaction of %zu bytes", raw.n);
		return ETH_MALFORMED;
	}
	if (!signing_digest(digest, tx)) {
		why_set(why, "no memory to check a transaction of %zu bytes", raw.n);
		return ETH_NO_ROOM;
	}
	/* EIP-2 asks for a low s, as OpenZeppelin does. */
	sig[64] = (uint8_t)(sig[64] + 27);
	if (!eth_recover(sender, digest, sig, ETH_RECOVER_OPENZEPPELIN, why)) {
		why_wrap(why, "transaction of %zu bytes", raw.n);
		return ETH_BAD_SIGNATURE;
	}
	keccak256(hash, raw.p, raw.n);
	return ETH_OK;
}

uint64_t eth_tx_intrinsic_gas(struct span data)
{
	uint64_t tokens = 0; /* EIP-7623: 1 for a zero byte, 4 for another */

	for (size_t i = 0; i < data.n; i++)
		tokens += data.p[i] ? 4 : 1;
	/* The standard price is 4 a token and the floor 10, so for a call the floor always wins. */
	return 21000 + 10 * tokens;
}
