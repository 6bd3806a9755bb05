/*
 * uint256.h -- an unsigned 256-bit number as the 32 big-endian bytes that the EVM sees.
 *
 * For amounts and counters: no modular arithmetic. An operation that does not fit says so.
 */
#ifndef ETHEREUM_UINT256_H
#define ETHEREUM_UINT256_H

#include "encoding/why.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UINT256_HEX_SIZE     67 /* "0x", 64 digits, NUL */
#define UINT256_DECIMAL_SIZE 79 /* 78 digits, NUL */

struct uint256 {
	uint8_t be[32];
};

struct uint256 uint256_from_u64(uint64_t v);
/* False, with *out untouched, when the number needs more than 64 bits. */
bool uint256_to_u64(uint64_t *out, const struct uint256 *v);
/* A number of n <= 32 big-endian bytes. False when n is larger. */
bool uint256_from_bytes(struct uint256 *out, const uint8_t *be, size_t n);

/* A JSON-RPC quantity: "0x" and 1 to 64 hex digits. Leading zeros are accepted, since some nodes
 * send them. On false *out is untouched and the sentence quotes the text. */
bool uint256_from_hex(struct uint256 *out, const char *text, struct why *why);
/* A JSON-RPC quantity: no leading zeros, "0x0" for zero. */
void uint256_to_hex(char out[UINT256_HEX_SIZE], const struct uint256 *v);
void uint256_to_decimal(char out[UINT256_DECIMAL_SIZE], const struct uint256 *v);

bool uint256_is_zero(const struct uint256 *v);
/* Below, equal to, or above zero, as memcmp. */
int uint256_cmp(const struct uint256 *a, const struct uint256 *b);
/* The bytes a number takes without its leading zeros: 0 for zero, at most 32. */
size_t uint256_length(const struct uint256 *v);

/* False, with *out untouched, when the result does not fit (or would be negative). out may be one
 * of the operands. */
bool uint256_add(struct uint256 *out, const struct uint256 *a, const struct uint256 *b);
bool uint256_sub(struct uint256 *out, const struct uint256 *a, const struct uint256 *b);
bool uint256_mul_u64(struct uint256 *out, const struct uint256 *a, uint64_t b);

#endif
