/*
 * p256.h -- the numbers of an ECDSA verification, and sums of multiples of two points of P-256 out
 * of tables made beforehand. Not constant in time: for verification only.
 */
#ifndef VERIFIER_P256_H
#define VERIFIER_P256_H

#include <stdbool.h>
#include <stdint.h>

#define P256_WINDOW    7u
#define P256_WINDOWS   (256u / P256_WINDOW + 1)
#define P256_MULTIPLES (1u << (P256_WINDOW - 1))

/* Coordinates times 2^256 modulo p, four limbs each, lowest first. */
struct p256_point {
	uint64_t x[4], y[4];
};

/* multiple[i][j] is (j + 1) 2^(7 i) times the point. 148 KiB. */
struct p256_table {
	struct p256_point multiple[P256_WINDOWS][P256_MULTIPLES];
};

enum p256_answer {
	P256_NO,
	P256_YES,
	P256_UNKNOWN, /* two equal or opposite points met: ask another implementation */
};

/* A signature holds when x of u1 G + u2 Q is r modulo n (FIPS 186-5, section 6.4.2). Four limbs
 * each, lowest first. */
struct p256_factors {
	uint64_t u1[4], u2[4], r[4];
};

/* False when r or s is none of 1 to n - 1. */
bool tdxv__p256_factors(struct p256_factors *f, const uint8_t digest[32], const uint8_t rs[64]);
/* Of 32 octets, highest first. */
void tdxv__p256_limbs(uint64_t out[4], const uint8_t octets[32]);

/* Whether x of u1 g + u2 q is r modulo the order n. All are below n. */
enum p256_answer tdxv__p256_sum_is(const struct p256_table *g, const struct p256_table *q,
				   const struct p256_factors *f);

/* p256_tables.c, written by the build: the generator's, and the key's (x||y) if it is one of those
 * that Intel signs with, else NULL. */
extern const struct p256_table tdxv__p256_generator;
const struct p256_table *tdxv__p256_table(const uint8_t xy[64]);

#endif
