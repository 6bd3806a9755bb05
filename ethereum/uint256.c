#include "ethereum/uint256.h"

#include "encoding/bytes.h"

#include <string.h>

struct uint256 uint256_from_u64(uint64_t v)
{
	struct uint256 out = {{0}};

	for (size_t i = 32; i-- > 24; v >>= 8)
		out.be[i] = (uint8_t)v;
	return out;
}

bool uint256_to_u64(uint64_t *out, const struct uint256 *v)
{
	uint64_t low = 0;

	if (uint256_length(v) > 8)
		return false;
	for (size_t i = 24; i < 32; i++)
		low = low << 8 | v->be[i];
	*out = low;
	return true;
}

bool uint256_from_bytes(struct uint256 *out, const uint8_t *be, size_t n)
{
	if (n > 32)
		return false;
	memset(out->be, 0, 32 - n);
	if (n > 0)
		memcpy(out->be + 32 - n, be, n);
	return true;
}

bool uint256_from_hex(struct uint256 *out, const char *text, struct why *why)
{
	struct uint256 parsed;
	char padded[64];
	size_t n = strlen(text);

	if (n < 3 || text[0] != '0' || text[1] != 'x') {
		why_set(why, "\"%.80s\" is not a quantity: 0x and hex digits are expected", text);
		return false;
	}
	n -= 2;
	if (n > sizeof padded) {
		why_set(why, "\"%.80s\" has %zu hex digits: a number of 256 bits has at most 64",
			text, n);
		return false;
	}
	memset(padded, '0', sizeof padded);
	memcpy(padded + sizeof padded - n, text + 2, n);
	/* A second "0x" among the digits must not pass as a prefix. */
	if (memchr(padded, 'x', sizeof padded) || memchr(padded, 'X', sizeof padded) ||
	    !hex_decode(parsed.be, 32, padded, sizeof padded)) {
		why_set(why, "\"%.80s\" is not a quantity: a character is no hex digit", text);
		return false;
	}
	*out = parsed;
	return true;
}

void uint256_to_hex(char out[UINT256_HEX_SIZE], const struct uint256 *v)
{
	char digits[65];
	size_t zeros = 0;

	hex_encode(digits, v->be, 32);
	while (zeros < 63 && digits[zeros] == '0')
		zeros++;
	memcpy(out, "0x", 2);
	memcpy(out + 2, digits + zeros, sizeof digits - zeros);
}

void uint256_to_decimal(char out[UINT256_DECIMAL_SIZE], const struct uint256 *v)
{
	char digits[UINT256_DECIMAL_SIZE];
	struct uint256 left = *v;
	size_t at = sizeof digits;

	digits[--at] = '\0';
	do {
		unsigned rest = 0;

		for (size_t i = 0; i < 32; i++) {
			rest = rest << 8 | left.be[i];
			left.be[i] = (uint8_t)(rest / 10);
			rest %= 10;
		}
		digits[--at] = (char)('0' + rest);
	} while (!uint256_is_zero(&left));
	memcpy(out, digits + at, sizeof digits - at);
}

bool uint256_is_zero(const struct uint256 *v)
{
	return uint256_length(v) == 0;
}

int uint256_cmp(const struct uint256 *a, const struct uint256 *b)
{
	return memcmp(a->be, b->be, 32);
}

size_t uint256_length(const struct uint256 *v)
{
	size_t zeros = 0;

	while (zeros < 32 && v->be[zeros] == 0)
		zeros++;
	return 32 - zeros;
}

bool uint256_add(struct uint256 *out, const struct uint256 *a, const struct uint256 *b)
{
	struct uint256 sum;
	unsigned carry = 0;

	for (size_t i = 32; i-- > 0;) {
		carry += (unsigned)a->be[i] + b->be[i];
		sum.be[i] = (uint8_t)carry;
		carry >>= 8;
	}
	if (carry)
		return false;
	*out = sum;
	return true;
}

bool uint256_sub(struct uint256 *out, const struct uint256 *a, const struct uint256 *b)
{
	struct uint256 rest;
	int borrow = 0;

	if (uint256_cmp(a, b) < 0)
		return false;
	for (size_t i = 32; i-- > 0;) {
		int d = a->be[i] - b->be[i] - borrow;

		borrow = d < 0;
		rest.be[i] = (uint8_t)(d + (borrow ? 256 : 0));
	}
	*out = rest;
	return true;
}

bool uint256_mul_u64(struct uint256 *out, const struct uint256 *a, uint64_t b)
{
	struct uint256 product;
	unsigned __int128 carry = 0; /* below 2^72 */

	for (size_t i = 32; i-- > 0;) {
		carry += (unsigned __int128)b * a->be[i];
		product.be[i] = (uint8_t)carry;
		carry >>= 8;
	}
	if (carry)
		return false;
	*out = product;
	return true;
}
