/*
 * P-256 for signatures under keys that are known beforehand: u1 G + u2 Q is a sum of points out of
 * two tables, without a doubling. Everything here is public, so nothing takes constant time. What
 * the formulas do not cover is not worked out here but handed back (OpenSSL does it then).
 *
 * Numbers modulo p are four limbs, lowest first, in Montgomery form (times 2^256), below p.
 */
#include "verifier/p256.h"
#include "verifier/p256_limbs.h"

#include <string.h>

#define P0 0xffffffffffffffffu
#define P1 0x00000000ffffffffu
#define P2 0x0000000000000000u
#define P3 0xffffffff00000001u

static const number two_512 = {0x0000000000000003u, 0xfffffffbffffffffu, 0xfffffffffffffffeu,
			       0x00000004fffffffdu};
static const number order = {0xf3b9cac2fc632551u, 0xbce6faada7179e84u, 0xffffffffffffffffu,
			     0xffffffff00000000u};

/* Of high 2^256 + t, below 2p, what remains modulo p. */
static inline void reduce_once(number r, const number t, uint64_t high)
{
	uint64_t l0, l1, l2, l3, borrow;
	bool below;

	borrow = sub_borrow(&l0, t[0], P0, 0);
	borrow = sub_borrow(&l1, t[1], P1, borrow);
	borrow = sub_borrow(&l2, t[2], P2, borrow);
	borrow = sub_borrow(&l3, t[3], P3, borrow);
	below = borrow > high;
	r[0] = below ? t[0] : l0;
	r[1] = below ? t[1] : l1;
	r[2] = below ? t[2] : l2;
	r[3] = below ? t[3] : l3;
}

/* t + a b, and then t / 2^64 modulo p: t[0] p is added, which makes the lowest limb zero, for -1/p
 * is 1 modulo 2^64. By the shape of p that is t[0] 2^96 and t[0] P3 2^192, less t[0]. */
static inline void multiply_limb(uint64_t t[5], const number a, uint64_t b)
{
	uint64_t carry, low, top;
	u128 x = (u128)a[0] * b + t[0];

	low = (uint64_t)x;
	x = (u128)a[1] * b + t[1] + (uint64_t)(x >> 64);
	t[1] = (uint64_t)x;
	x = (u128)a[2] * b + t[2] + (uint64_t)(x >> 64);
	t[2] = (uint64_t)x;
	x = (u128)a[3] * b + t[3] + (uint64_t)(x >> 64);
	t[3] = (uint64_t)x;
	top = t[4] + (uint64_t)(x >> 64);

	x = (u128)low * P3;
	carry = add_carry(&t[0], t[1], low << 32, 0);
	carry = add_carry(&t[1], t[2], low >> 32, carry);
	carry = add_carry(&t[2], t[3], (uint64_t)x, carry);
	t[4] = add_carry(&t[3], top, (uint64_t)(x >> 64), carry);
}

/* r = a b / 2^256; r may be a or b. */
static void multiply(number r, const number a, const number b)
{
	uint64_t t[5] = {0};

	multiply_limb(t, a, b[0]);
	multiply_limb(t, a, b[1]);
	multiply_limb(t, a, b[2]);
	multiply_limb(t, a, b[3]);
	reduce_once(r, t, t[4]);
}

static inline void subtract(number r, const number a, const number b)
{
	uint64_t r0, r1, r2, r3, borrow, less;

	borrow = sub_borrow(&r0, a[0], b[0], 0);
	borrow = sub_borrow(&r1, a[1], b[1], borrow);
	borrow = sub_borrow(&r2, a[2], b[2], borrow);
	borrow = sub_borrow(&r3, a[3], b[3], borrow);
	less = 0 - borrow; /* p comes back when a was below b */
	borrow = add_carry(&r[0], r0, P0 & less, 0);
	borrow = add_carry(&r[1], r1, P1 & less, borrow);
	borrow = add_carry(&r[2], r2, P2 & less, borrow);
	add_carry(&r[3], r3, P3 & less, borrow);
}

static inline bool is_zero(const number a)
{
	return (a[0] | a[1] | a[2] | a[3]) == 0;
}

/* (x/z^2, y/z^3); z is zero only before the first point. */
struct sum {
	number x, y, z;
};

/* "madd" of the Explicit-Formulas Database for short Weierstrass curves, Jacobian coordinates, in
 * the form 8M + 3S. False when both are equal or opposite. */
static bool add_point(struct sum *s, const struct p256_point *point, bool negative)
{
	static const number zero;
	number y, zz, h, hh, hhh, r, v, t;

	if (negative)
		subtract(y, zero, point->y);
	else
		memcpy(y, point->y, sizeof y);
	if (is_zero(s->z)) {
		static const number one = {1, 0xffffffff00000000u, 0xffffffffffffffffu,
					   0x00000000fffffffeu};

		memcpy(s->x, point->x, sizeof s->x);
		memcpy(s->y, y, sizeof s->y);
		memcpy(s->z, one, sizeof s->z);
		return true;
	}
	multiply(zz, s->z, s->z);
	multiply(h, point->x, zz);
	subtract(h, h, s->x);
	if (is_zero(h))
		return false;
	multiply(t, s->z, zz);
	multiply(r, y, t);
	subtract(r, r, s->y);
	multiply(s->z, s->z, h);
	multiply(hh, h, h);
	multiply(hhh, hh, h);
	multiply(v, s->x, hh);
	multiply(s->x, r, r);
	subtract(s->x, s->x, hhh);
	subtract(s->x, s->x, v);
	subtract(s->x, s->x, v);
	subtract(v, v, s->x);
	multiply(v, v, r);
	multiply(t, s->y, hhh);
	subtract(s->y, v, t);
	return true;
}

/* In windows of seven bits whose digits go from -63 to 64: half as many multiples are kept. */
static bool add_multiple(struct sum *s, const struct p256_table *table, const number scalar)
{
	uint64_t bits[5];
	unsigned i, carry = 0;

	memcpy(bits, scalar, sizeof(number));
	bits[4] = 0;
	for (i = 0; i < P256_WINDOWS; i++) {
		const unsigned at = i * P256_WINDOW, limb = at / 64, shift = at % 64;
		uint64_t two = bits[limb] >> shift;
		unsigned digit;
		bool negative;

		if (shift > 64 - P256_WINDOW)
			two |= bits[limb + 1] << (64 - shift);
		digit = (unsigned)(two & ((1u << P256_WINDOW) - 1)) + carry;
		negative = digit > P256_MULTIPLES;
		carry = negative;
		if (negative)
			digit = (1u << P256_WINDOW) - digit;
		if (digit && !add_point(s, &table->multiple[i][digit - 1], negative))
			return false;
	}
	return true;
}

/* x = value z^2, for the sum's x and z. */
static bool x_is(const struct sum *s, const number value)
{
	number t, zz;

	multiply(t, value, two_512);
	multiply(zz, s->z, s->z);
	multiply(t, t, zz);
	return memcmp(t, s->x, sizeof t) == 0;
}

enum p256_answer tdxv__p256_sum_is(const struct p256_table *g, const struct p256_table *q,
				   const struct p256_factors *f)
{
	static const number p = {P0, P1, P2, P3};
	struct sum s = {{0}, {0}, {0}};
	number more, unused;
	uint64_t carry = 0, borrow = 0;
	int i;

	if (!add_multiple(&s, g, f->u1) || !add_multiple(&s, q, f->u2))
		return P256_UNKNOWN;
	if (is_zero(s.z))
		return P256_NO;
	if (x_is(&s, f->r))
		return P256_YES;
	/* x is below p, which is above n: r + n may be it. */
	for (i = 0; i < 4; i++)
		carry = add_carry(&more[i], f->r[i], order[i], carry);
	for (i = 0; i < 4; i++)
		borrow = sub_borrow(&unused[i], more[i], p[i], borrow);
	return !carry && borrow && x_is(&s, more) ? P256_YES : P256_NO;
}
