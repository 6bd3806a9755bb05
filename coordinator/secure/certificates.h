/*
 * certificates.h -- what the TLS listener shows, and whose keys it knows.
 *
 * Its own certificate and private key, the authority that signs provers' certificates, and the
 * pinned keys of provers. A client is asked for a certificate and needs none: whose key is known
 * has an identity, everybody else has an address. Files are read at the start and at each reload;
 * connections that are open keep what they began with.
 */
#ifndef COORDINATOR_SECURE_CERTIFICATES_H
#define COORDINATOR_SECURE_CERTIFICATES_H

#include "tls/tls.h"

struct certificates;

struct certificates_options {
	const char *certificate_file; /* PEM: its own, then the chain */
	const char *key_file;         /* PEM; a secret */
	const char *client_ca_file;   /* PEM; "": none */
	const char *client_keys;      /* tls_pins_parse(); "": none */
};

/* False with the sentence, which names the file or the key; *out is NULL. */
bool certificates_new(struct certificates **out, const struct certificates_options *options,
		      struct why *why);
/* Reads everything again. False with the sentence: the former stays. */
bool certificates_reload(struct certificates *c, const struct certificates_options *options,
			 struct why *why);
/* After the last connection. NULL is fine. */
void certificates_free(struct certificates *c);

/* What an operator should mend though it works: the key file is everybody's to read. "": nothing.
 */
const char *certificates_warning(const struct certificates *c);

/* One server side; NULL: out of memory. */
SSL *certificates_connection(const struct certificates *c);

enum client_key {
	CLIENT_NONE,    /* no certificate was shown */
	CLIENT_PINNED,  /* one of client_keys */
	CLIENT_SIGNED,  /* its certificate is the client authority's, and current */
	CLIENT_UNKNOWN, /* the client has the key, and nobody here vouches for it; the sentence says
			 * why not */
};
/* After the handshake. hash is the key's name but with CLIENT_NONE. */
enum client_key certificates_client(const struct certificates *c, const SSL *ssl,
				    uint8_t hash[TLS_KEY_HASH], struct why *why);

#endif
