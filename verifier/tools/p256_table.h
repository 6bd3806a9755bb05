/*
 * p256_table.h -- makes a table of p256.h by OpenSSL's arithmetic, for the build and for tests.
 */
#ifndef VERIFIER_TOOLS_P256_TABLE_H
#define VERIFIER_TOOLS_P256_TABLE_H

#include "encoding/bytes.h"
#include "verifier/p256.h"

/* xy: the point, NULL for the generator. False when it is not on the curve, or memory is short. */
bool p256_table_make(struct p256_table *out, const uint8_t xy[64]);

/* Public, in every certificate chain of Intel's. They are trusted no more than others: a key that
 * is here is only verified faster. */
#define P256_INTEL_KEYS 4
extern const struct p256_intel_key {
	const char *name, *xy; /* xy: hex */
} p256_intel_keys[P256_INTEL_KEYS];

#endif
