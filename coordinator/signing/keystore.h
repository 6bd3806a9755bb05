/*
 * keystore.h -- an encrypted key file: version 3 of the Web3 Secret Storage Definition, as geth,
 * foundry and the wallets write it. Pure, but slow and hungry by design.
 *
 * scrypt or PBKDF2-HMAC-SHA256, AES-128-CTR, a Keccak-256 MAC over the second half of the derived
 * key and the ciphertext.
 */
#ifndef COORDINATOR_SIGNING_KEYSTORE_H
#define COORDINATOR_SIGNING_KEYSTORE_H

#include "encoding/bytes.h"
#include "ethereum/key.h"

#define KEYSTORE_FILE_MAX (64u * 1024)
#define KEYSTORE_MEMORY_MAX                                                                        \
	(512ull << 20) /* bytes that scrypt may take: 128 * n * r; geth takes 256 MiB */
#define KEYSTORE_P_MAX      16
#define KEYSTORE_ROUNDS_MAX 10000000u /* of PBKDF2; geth does 262144 */

enum keystore_rc {
	KEYSTORE_OK,
	KEYSTORE_MALFORMED,      /* no keystore of version 3 */
	KEYSTORE_UNSUPPORTED,    /* another cipher or function, or above a ceiling */
	KEYSTORE_WRONG_PASSWORD, /* or the file was changed */
	KEYSTORE_NO_KEY,         /* what was decrypted is no key, or not that of its "address" */
	KEYSTORE_NO_MEMORY,
};

/* The key of a keystore's JSON. On anything but KEYSTORE_OK *key is wiped, and the sentence never
 * quotes password or ciphertext. */
enum keystore_rc keystore_decrypt(struct eth_key *key, struct span json, const char *password,
				  struct why *why);

#endif
