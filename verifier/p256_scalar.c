/* Numbers modulo the order n of P-256's points, for public values: not constant in time. */
#include "verifier/p256.h"
#include "verifier/p256_limbs.h"

#include <string.h>

static const number n = {0xf3b9cac2fc632551u, 0xbce6faada7179e84u, 0xffffffffffffffffu,
			 0xffffffff00000000u};

#define MINUS_ONE_BY_N 0xccd1c8aaee00bc4fu /* -1/n modulo 2^64 */

static bool below_n(const number a)
{
	number unused;
	uint64_t borrow = 0;
	int i;

	for (i = 0; i < 4; i++)
		borrow = sub_borrow(&unused[i], a[i], n[i], borrow);
	return borrow;
}

/* Of high 2^256 + a, below 2n, what remains modulo n. */
static void reduce_once(number a, uint64_t high)
{
	uint64_t borrow = 0;
	int i;

	if (!high && below_n(a))
		return;
	for (i = 0; i < 4; i++)
		borrow = sub_borrow(&a[i], a[i], n[i], borrow);
}

/* t += a b */
static inline void add_product(uint64_t t[6], const number a, uint64_t b)
{
	uint64_t carry = 0;
	int i;

	for (i = 0; i < 4; i++) {
		u128 x = (u128)a[i] * b + t[i] + carry;

		t[i] = (uint64_t)x;
		carry = (uint64_t)(x >> 64);
	}
	t[5] += add_carry(&t[4], t[4], carry, 0);
}

/* r = a b / 2^256 modulo n (Montgomery's product); b below n. r may be a or b. */
static void multiply(number r, const number a, const number b)
{
	uint64_t t[6] = {0};
	int i;

	for (i = 0; i < 4; i++) {
		add_product(t, b, a[i]);
		add_product(t, n, t[0] * MINUS_ONE_BY_N);
		memmove(t, t + 1, 5 * sizeof *t);
		t[5] = 0;
	}
	memcpy(r, t, sizeof(number));
	reduce_once(r, t[4]);
}

/* a / 2^z and b 2^z, until a is odd; how far. */
static inline unsigned make_odd(number a, number b)
{
	unsigned total = 0, z;

	while (!(a[0] & 1)) {
		z = a[0] ? (unsigned)__builtin_ctzll(a[0]) : 63;
		a[0] = a[0] >> z | a[1] << (64 - z);
		a[1] = a[1] >> z | a[2] << (64 - z);
		a[2] = a[2] >> z | a[3] << (64 - z);
		a[3] >>= z;
		b[3] = b[3] << z | b[2] >> (64 - z);
		b[2] = b[2] << z | b[1] >> (64 - z);
		b[1] = b[1] << z | b[0] >> (64 - z);
		b[0] <<= z;
		total += z;
	}
	return total;
}

static inline bool is_below(const number a, const number b)
{
	uint64_t unused, borrow;

	borrow = sub_borrow(&unused, a[0], b[0], 0);
	borrow = sub_borrow(&unused, a[1], b[1], borrow);
	borrow = sub_borrow(&unused, a[2], b[2], borrow);
	return sub_borrow(&unused, a[3], b[3], borrow);
}

/* a -= b, c += d; nothing is carried out of the highest limb. */
static inline void step(number a, const number b, number c, const number d)
{
	uint64_t carry;

	carry = sub_borrow(&a[0], a[0], b[0], 0);
	carry = sub_borrow(&a[1], a[1], b[1], carry);
	carry = sub_borrow(&a[2], a[2], b[2], carry);
	sub_borrow(&a[3], a[3], b[3], carry);
	carry = add_carry(&c[0], c[0], d[0], 0);
	carry = add_carry(&c[1], c[1], d[1], carry);
	carry = add_carry(&c[2], c[2], d[2], carry);
	add_carry(&c[3], c[3], d[3], carry);
}

/*
 * 2^256 / a modulo n, for a of 1 to n - 1: Kaliski's almost inverse (IEEE Transactions on Computers
 * 44, 1995). Throughout, a r = -u 2^k and a s = v 2^k modulo n, and u s + v r = n, so that r and s
 * stay below n. In the end u = v = 1.
 */
static void invert(number out, const number a)
{
	number u, v, r = {0}, s = {1}, power = {0};
	unsigned k;

	memcpy(u, n, sizeof u);
	memcpy(v, a, sizeof v);
	k = make_odd(v, r);
	while (memcmp(u, v, sizeof u) != 0) {
		if (is_below(v, u)) {
			step(u, v, r, s);
			k += make_odd(u, s);
		} else {
			step(v, u, s, r);
			k += make_odd(v, r);
		}
	}
	for (; k < 257; k++) { /* 512 - k must be below 256; k is 255 at least */
		uint64_t high = s[3] >> 63;

		s[3] = s[3] << 1 | s[2] >> 63;
		s[2] = s[2] << 1 | s[1] >> 63;
		s[1] = s[1] << 1 | s[0] >> 63;
		s[0] <<= 1;
		reduce_once(s, high);
	}
	power[(512 - k) / 64] = (uint64_t)1 << (512 - k) % 64;
	multiply(out, s, power);
}

static bool is_scalar(const number a)
{
	return (a[0] | a[1] | a[2] | a[3]) != 0 && below_n(a);
}

void tdxv__p256_limbs(uint64_t out[4], const uint8_t octets[32])
{
	int i, k;

	for (i = 0; i < 4; i++)
		for (out[i] = 0, k = 0; k < 8; k++)
			out[i] = out[i] << 8 | octets[8 * (3 - i) + k];
}

bool tdxv__p256_factors(struct p256_factors *f, const uint8_t digest[32], const uint8_t rs[64])
{
	number e, s, inverse;

	tdxv__p256_limbs(e, digest);
	tdxv__p256_limbs(f->r, rs);
	tdxv__p256_limbs(s, rs + 32);
	if (!is_scalar(f->r) || !is_scalar(s))
		return false;
	invert(inverse, s);
	multiply(f->u1, e, inverse);
	multiply(f->u2, f->r, inverse);
	return true;
}
