/*
 * key.h -- a secp256k1 signing key, signatures with recovery, and the EIP-191 personal message.
 *
 * A key that was never set, or was wiped, is all zero: every use of it fails. Nonces follow
 * RFC 6979, so the same key and digest always give the same signature. All functions may be called
 * from any thread.
 */
#ifndef ETHEREUM_KEY_H
#define ETHEREUM_KEY_H

#include "encoding/why.h"
#include "ethereum/address.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ETH_SIGNATURE_SIZE 65 /* r (32), s (32), v (1) */

/* Secret: owned by whoever declared it, who calls eth_key_wipe() on every path. */
struct eth_key {
	uint8_t secret[32];
};

/* 64 hex digits, with or without "0x". On false *key is wiped; the sentence never quotes the text.
 */
bool eth_key_parse(struct eth_key *key, const char *hex, struct why *why);
/* From 32 bytes of the caller's best randomness. False (chance below 2^-127, or a broken source)
 * when they are zero or not below the group order: draw again. The caller wipes random. */
bool eth_key_generate(struct eth_key *key, const uint8_t random[32]);
void eth_key_wipe(struct eth_key *key);
bool eth_key_address(struct eth_address *out, const struct eth_key *key);

#define ETH_POINT_SIZE 64 /* x, y */

/* A public key in hex, with or without "0x": 33 bytes compressed, 65 with the 04 in front, or the
 * 64 of x and y. False with the sentence: none of these, or no point of secp256k1. */
bool eth_public_key_parse(uint8_t point[ETH_POINT_SIZE], const char *hex, struct why *why);
void eth_public_key_address(struct eth_address *out, const uint8_t point[ETH_POINT_SIZE]);

/* r || s || recovery id 0 or 1, s in the lower half. */
bool eth_sign_digest(uint8_t sig[ETH_SIGNATURE_SIZE], const struct eth_key *key,
		     const uint8_t digest[32]);

/* Of r || s || v, with v 0, 1, 27 or 28: s into the lower half, v to 0 or 1. False with the
 * sentence: it is no signature. */
bool eth_signature_normalise(uint8_t sig[ETH_SIGNATURE_SIZE], struct why *why);

enum eth_recover_rules {
	ETH_RECOVER_ANY,          /* v is 0, 1, 27 or 28; any s below the group order */
	ETH_RECOVER_OPENZEPPELIN, /* as OpenZeppelin's ECDSA.recover: v is 27 or 28, s low */
};

/* Whose signature is it? On false *out is untouched and the sentence says which rule failed. */
bool eth_recover(struct eth_address *out, const uint8_t digest[32],
		 const uint8_t sig[ETH_SIGNATURE_SIZE], enum eth_recover_rules rules,
		 struct why *why);

/* keccak256("\x19Ethereum Signed Message:\n" || decimal length || message) */
void eip191_digest(uint8_t out[32], const void *message, size_t n);
/* r || s || v with v 27 or 28, as OpenZeppelin's ECDSA.recover wants it. */
bool eip191_sign(uint8_t sig[ETH_SIGNATURE_SIZE], const struct eth_key *key, const void *message,
		 size_t n);

#endif
