/*
 * p256_limbs.h -- numbers of four limbs of 64 bits, lowest first, as p256.c and p256_scalar.c count
 * with them.
 */
#ifndef VERIFIER_P256_LIMBS_H
#define VERIFIER_P256_LIMBS_H

#include <stdint.h>
#ifdef __x86_64__
#include <immintrin.h>
#endif

__extension__ typedef unsigned __int128 u128;
typedef uint64_t number[4];

/* out = a + b + carry; what is carried on. */
static inline uint64_t add_carry(uint64_t *out, uint64_t a, uint64_t b, uint64_t carry)
{
#ifdef __x86_64__ /* compilers do not see by themselves what adc and sbb are for */
	unsigned long long sum;

	carry = _addcarry_u64((unsigned char)carry, a, b, &sum);
	*out = sum;
	return carry;
#else
	uint64_t sum, first = __builtin_add_overflow(a, b, &sum);

	return first | __builtin_add_overflow(sum, carry, out);
#endif
}

static inline uint64_t sub_borrow(uint64_t *out, uint64_t a, uint64_t b, uint64_t borrow)
{
#ifdef __x86_64__
	unsigned long long difference;

	borrow = _subborrow_u64((unsigned char)borrow, a, b, &difference);
	*out = difference;
	return borrow;
#else
	uint64_t difference, first = __builtin_sub_overflow(a, b, &difference);

	return first | __builtin_sub_overflow(difference, borrow, out);
#endif
}

#endif
