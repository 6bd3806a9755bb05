#include "ethereum/keccak.h"

#include <string.h>

/* FIPS 202, section 3.2.5: iota's constants. */
static const uint64_t round_constant[24] = {
    0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000,
    0x000000000000808b, 0x0000000080000001, 0x8000000080008081, 0x8000000000008009,
    0x000000000000008a, 0x0000000000000088, 0x0000000080008009, 0x000000008000000a,
    0x000000008000808b, 0x800000000000008b, 0x8000000000008089, 0x8000000000008003,
    0x8000000000008002, 0x8000000000000080, 0x000000000000800a, 0x800000008000000a,
    0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
};

/* rho and pi in one walk over the lanes other than (0,0): the lane that the walk's next value goes
 * to, and how far it is rotated on the way. */
static const uint8_t walk_lane[24] = {10, 7,  11, 17, 18, 3, 5,  16, 8,  21, 24, 4,
				      15, 23, 19, 13, 12, 2, 20, 14, 22, 9,  6,  1};
static const uint8_t walk_turn[24] = {1,  3,  6,  10, 15, 21, 28, 36, 45, 55, 2,  14,
				      27, 41, 56, 8,  25, 43, 62, 18, 39, 61, 20, 44};

static uint64_t rotate(uint64_t v, unsigned by)
{
	return v << by | v >> (64 - by);
}

static void permute(uint64_t a[25])
{
	for (unsigned round = 0; round < 24; round++) {
		uint64_t column[5], carried, kept;

		for (unsigned x = 0; x < 5; x++)
			column[x] = a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20];
		for (unsigned x = 0; x < 5; x++) {
			uint64_t d = column[(x + 4) % 5] ^ rotate(column[(x + 1) % 5], 1);

			for (unsigned y = 0; y < 25; y += 5)
				a[y + x] ^= d;
		}

		carried = a[1];
		for (unsigned i = 0; i < 24; i++) {
			kept = a[walk_lane[i]];
			a[walk_lane[i]] = rotate(carried, walk_turn[i]);
			carried = kept;
		}

		for (unsigned y = 0; y < 25; y += 5) {
			uint64_t row[5];

			memcpy(row, a + y, sizeof row);
			for (unsigned x = 0; x < 5; x++)
				a[y + x] = row[x] ^ (~row[(x + 1) % 5] & row[(x + 2) % 5]);
		}
		a[0] ^= round_constant[round];
	}
}

void keccak_init(struct keccak *k)
{
	*k = (struct keccak){.at = 0};
}

static void absorb_byte(struct keccak *k, size_t at, uint8_t b)
{
	k->lane[at / 8] ^= (uint64_t)b << (8 * (at % 8));
}

static void absorb_block(struct keccak *k, const uint8_t *p)
{
	for (size_t i = 0; i < KECCAK256_RATE / 8; i++, p += 8) {
		uint64_t lane = 0;

		for (unsigned j = 8; j-- > 0;)
			lane = lane << 8 | p[j];
		k->lane[i] ^= lane;
	}
	permute(k->lane);
}

void keccak_update(struct keccak *k, const void *src, size_t n)
{
	const uint8_t *p = src;

	while (n > 0) {
		if (k->at == 0 && n >= KECCAK256_RATE) {
			absorb_block(k, p);
			p += KECCAK256_RATE;
			n -= KECCAK256_RATE;
			continue;
		}
		absorb_byte(k, k->at++, *p++);
		n--;
		if (k->at == KECCAK256_RATE) {
			permute(k->lane);
			k->at = 0;
		}
	}
}

void keccak_final(struct keccak *k, uint8_t out[32])
{
	/* 0x01 ... 0x80 is Keccak's own padding; SHA3 would start with 0x06. */
	absorb_byte(k, k->at, 0x01);
	absorb_byte(k, KECCAK256_RATE - 1, 0x80);
	permute(k->lane);
	for (size_t i = 0; i < 32; i++)
		out[i] = (uint8_t)(k->lane[i / 8] >> (8 * (i % 8)));
}

void keccak256(uint8_t out[32], const void *src, size_t n)
{
	struct keccak k;

	keccak_init(&k);
	keccak_update(&k, src, n);
	keccak_final(&k, out);
}
