/*
 * attested_key.h -- the TLS key that a quote's report data names beside the prover's address.
 *
 * Report data, 64 bytes: 0..20 the address (all that TDXVerifier reads), 20..32 zero, 32..64 the
 * SHA-256 of the key's SubjectPublicKeyInfo; all zero: none. Whoever shows in a handshake that he
 * has this key is the guest that the quote was made in.
 */
#ifndef COORDINATOR_SERVER_ATTESTED_KEY_H
#define COORDINATOR_SERVER_ATTESTED_KEY_H

#include "coordinator/registrar/registrar.h"
#include "tls/tls.h"

/* Of a prover that is kept (its quote has passed), and neither revoked nor unfit today. */
bool attested_key(const struct registrar *r, const uint8_t hash[TLS_KEY_HASH]);

#endif
