/*
 * keccak.h -- Keccak-256 as Ethereum uses it: the original padding, not FIPS 202's SHA3-256.
 */
#ifndef ETHEREUM_KECCAK_H
#define ETHEREUM_KECCAK_H

#include <stddef.h>
#include <stdint.h>

#define KECCAK256_RATE 136

struct keccak {
	uint64_t lane[25];
	size_t at; /* bytes absorbed into the current block, < KECCAK256_RATE */
};

void keccak_init(struct keccak *k);
void keccak_update(struct keccak *k, const void *src, size_t n);
/* Ends the message; *k must be initialised again before another use. */
void keccak_final(struct keccak *k, uint8_t out[32]);

void keccak256(uint8_t out[32], const void *src, size_t n);

#endif
