/*
 * tls.h -- what coordinator and prover need beside OpenSSL: identities from PEM or made afresh, the
 * hash by which a key is pinned, and words for what went wrong.
 *
 * TLS 1.3 alone (RFC 8446): both ends are new here, and 1.2 would bring renegotiation. A key is
 * named by the SHA-256 of its certificate's SubjectPublicKeyInfo (DER), as RFC 7469 does; it
 * outlives certificates, which may be renewed for the same key.
 */
#ifndef TLS_TLS_H
#define TLS_TLS_H

#include "encoding/bytes.h"
#include "encoding/why.h"

#include <openssl/ssl.h>

#define TLS_KEY_HASH 32 /* bytes */

/* TLS 1.3, no resumption, no compression, partial writes. method: TLS_server_method() or
 * TLS_client_method(). NULL with the sentence: memory. */
SSL_CTX *tls_context_new(const SSL_METHOD *method, struct why *why);

/* ---- identities ---- */

bool tls_key_hash(uint8_t out[TLS_KEY_HASH], const X509 *certificate);

/* The first certificate of the PEM text is ctx's own, those after it its chain; the key must belong
 * to it. key is a secret: the caller wipes it. False with the sentence. */
bool tls_use_identity(SSL_CTX *ctx, struct span certificates, struct span key, struct why *why);

/* A fresh P-256 key with a certificate that it signed itself, under that name; the key exists in
 * ctx alone. hash: its name. now: seconds since 1970. False with the sentence. */
bool tls_make_identity(SSL_CTX *ctx, uint8_t hash[TLS_KEY_HASH], const char *name, int64_t now,
		       struct why *why);

/* The certificates of the PEM text are ctx's authorities; at least one. False with the sentence. */
bool tls_trust(SSL_CTX *ctx, struct span authorities, struct why *why);

/* ---- pins ---- */

#define TLS_PINS_MAX 64

struct tls_pins {
	uint8_t hash[TLS_PINS_MAX][TLS_KEY_HASH];
	size_t n;
};

/* 64 hex digits each, separated by commas or white space. False with the sentence. */
bool tls_pins_parse(struct tls_pins *out, const char *text, struct why *why);
bool tls_pinned(const struct tls_pins *pins, const uint8_t hash[TLS_KEY_HASH]);

/* ---- words ---- */

/* Why the handshake or a transfer on ssl failed, from this thread's error queue, which is emptied.
 * rc: what the OpenSSL call returned. */
void tls_failure(struct why *why, const SSL *ssl, int rc);

/* Why X509_verify_cert() refused the certificate: verify_result is an X509_V_ERR_*. */
void tls_certificate_refused(struct why *why, const X509 *certificate, long verify_result);

#endif
