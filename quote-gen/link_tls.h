/*
 * link_tls.h -- TLS to the coordinator: whom we believe, and who we are.
 *
 * The coordinator is known by its pinned key, or by an authority and its name, or both. We show no
 * certificate, one from a file, or one for a key made in this process, whose hash goes into the
 * quote's report data: then the coordinator knows that the key is this guest's.
 */
#ifndef QUOTE_GEN_LINK_TLS_H
#define QUOTE_GEN_LINK_TLS_H

#include "encoding/why.h"
#include "tls/tls.h"

struct link_tls;

struct link_tls_options {
	const char *server_keys;   /* tls_pins_parse(); "": any */
	const char *ca_file;       /* PEM; "": none. One of the two is needed. */
	const char *identity_file; /* PEM, certificate and private key; "": none */
	bool make_identity;        /* a fresh key instead */
};

/* False with the sentence; *out is NULL. made: the fresh key's hash, where one was wanted. */
bool link_tls_new(struct link_tls **out, uint8_t made[TLS_KEY_HASH],
		  const struct link_tls_options *options, struct why *why);
/* NULL is fine. */
void link_tls_free(struct link_tls *t);

/* What is worth a warning: everyone may read the identity's file. "": nothing. */
const char *link_tls_warning(const struct link_tls *t);

/* A client's side on a connected socket, not yet begun. NULL: out of memory. */
SSL *link_tls_connection(struct link_tls *t, int fd, const char *host);
/* The handshake failed: why, in the words that help. rc: of SSL_connect(). */
void link_tls_failure(const struct link_tls *t, struct why *why, const SSL *ssl, int rc);

#endif
