/*
 * abi.h -- the Solidity contract ABI, both ways, driven by the type's own text.
 *
 *     struct abi_value args[] = {abi_u64(7), abi_list(risc0, n), abi_list(sp1, n), abi_list(tdx,
 * n)}; abi_encode_call(&out, "verifyBatches(uint256,bytes[],bytes[],bytes[])", args, 4, &why);
 *
 *     struct abi_value *v;
 *     abi_decode(&v, "(bool,bytes)", data, &why);
 *     if (abi_is_true(&v->items.p[0])) ...
 *     abi_value_free(v);
 *
 * Types: uint8..uint256, address, bool, bytes1..bytes32, bytes, string, T[], T[k] and tuples of
 * them. No white space and no argument names in the text; a type has at most ABI_TYPE_NODES_MAX
 * parts.
 */
#ifndef ETHEREUM_ABI_H
#define ETHEREUM_ABI_H

#include "encoding/bytes.h"
#include "encoding/why.h"
#include "ethereum/address.h"
#include "ethereum/error.h"
#include "ethereum/uint256.h"

#define ABI_TYPE_NODES_MAX 64    /* parts of one type's text */
#define ABI_DEPTH_MAX      8     /* arrays and tuples inside each other */
#define ABI_VALUES_MAX     65536 /* values that one decoding yields */

enum abi_kind {
	ABI_UINT,
	ABI_ADDRESS,
	ABI_BOOL,
	ABI_FIXED_BYTES, /* bytes1..bytes32 */
	ABI_BYTES,
	ABI_STRING,
	ABI_LIST, /* an array or a tuple: the type's text says which */
};

struct abi_value;
struct abi_list {
	struct abi_value *p;
	size_t n;
};

struct abi_value {
	enum abi_kind kind;
	union {
		struct uint256 word;   /* UINT, ADDRESS, BOOL; FIXED_BYTES stand at its start */
		struct span bytes;     /* BYTES, STRING: borrowed */
		struct abi_list items; /* LIST */
	};
};

/* Makers. Nothing is copied: spans, strings and lists are borrowed until the encoding is done. */
struct abi_value abi_u64(uint64_t v);
struct abi_value abi_uint(const struct uint256 *v);
struct abi_value abi_address(const struct eth_address *a);
struct abi_value abi_bool(bool b);
struct abi_value abi_bytes32(const uint8_t b[32]);
struct abi_value abi_bytes(struct span bytes);
struct abi_value abi_string(const char *text);
struct abi_value abi_list(struct abi_value *items, size_t n);

/* Readers of decoded values of the right kind; anything else is false. */
bool abi_is_true(const struct abi_value *v);
bool abi_to_u64(uint64_t *out, const struct abi_value *v);
bool abi_to_address(struct eth_address *out, const struct abi_value *v);

/* The first four bytes of the Keccak-256 of a function's or error's signature. */
void abi_selector(uint8_t out[4], const char *signature);

/* Appends selector and arguments. ETH_BAD_ARGUMENT when a value does not fit its type (the sentence
 * names the argument), or the text is no type. On any error out is as it was. */
enum eth_error abi_encode_call(struct buf *out, const char *signature, const struct abi_value *args,
			       size_t n, struct why *why);
/* The same without a selector: types is a tuple, "(uint256,bytes[])". */
enum eth_error abi_encode(struct buf *out, const char *types, const struct abi_value *args,
			  size_t n, struct why *why);

/* Decodes into a LIST of the tuple's members, owned by the caller, whose bytes borrow from data.
 * Strict: offsets are multiples of 32 that point behind their head, padding is zero, a number fits
 * its type; bytes after the last value are ignored, as Solidity does. Memory is bounded by data.n,
 * never by a count inside the data. On any error *out is NULL. */
enum eth_error abi_decode(struct abi_value **out, const char *types, struct span data,
			  struct why *why);
/* For the result of abi_decode() only. Behaves as free(NULL) on NULL. */
void abi_value_free(struct abi_value *v);

#endif
