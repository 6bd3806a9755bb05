/*
 * tls_world.h -- a TLS listener on top of server_world.h: certificates made on the spot, and
 * OpenSSL clients whose every wait turns the loop.
 */
#ifndef TESTS_TLS_WORLD_H
#define TESTS_TLS_WORLD_H

#include "server_world.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define DAY 86400L

/* Somebody with a key and a certificate for it. */
struct party {
	EVP_PKEY *key;
	X509 *certificate;
};

struct party_options {
	const char *name;
	const struct party *issuer; /* NULL: signed by itself */
	long from, to;              /* seconds from now; both 0: yesterday to tomorrow */
	const char *usage;          /* extendedKeyUsage; NULL: none */
	bool authority;
};

static inline void party_extend(X509 *x, int nid, const char *value)
{
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	assert_non_null(e);
	assert_int_equal(X509_add_ext(x, e, -1), 1);
	X509_EXTENSION_free(e);
}

static inline struct party party_new(struct party_options o)
{
	static long serial = 1000;
	struct party p = {EVP_EC_gen("P-256"), X509_new()};
	const struct party *issuer = o.issuer ? o.issuer : &p;
	X509 *x = p.certificate;

	X509_set_version(x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x), serial++);
	X509_gmtime_adj(X509_getm_notBefore(x), o.from || o.to ? o.from : -DAY);
	X509_gmtime_adj(X509_getm_notAfter(x), o.from || o.to ? o.to : DAY);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_UTF8,
				   (const uint8_t *)o.name, -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(issuer->certificate));
	X509_set_pubkey(x, p.key);
	if (o.authority)
		party_extend(x, NID_basic_constraints, "critical,CA:TRUE");
	if (o.usage)
		party_extend(x, NID_ext_key_usage, o.usage);
	assert_true(X509_sign(x, issuer->key, EVP_sha256()) > 0);
	return p;
}

static inline void party_free(struct party *p)
{
	EVP_PKEY_free(p->key);
	X509_free(p->certificate);
	*p = (struct party){NULL, NULL};
}

static inline void party_hash(const struct party *p, uint8_t out[TLS_KEY_HASH])
{
	assert_true(tls_key_hash(out, p->certificate));
}

/* "key:<hex>" */
static inline const char *party_source(const struct party *p, char out[SERVER_SOURCE_TEXT])
{
	uint8_t hash[TLS_KEY_HASH];

	party_hash(p, hash);
	memcpy(out, "key:", 4);
	hex_encode(out + 4, hash, sizeof hash);
	return out;
}

/* ---- the server's side ---- */

struct tls_world {
	struct world *w;
	struct certificates *certificates;
	struct party server, authority;
	char dir[64], certificate_file[96], key_file[96], ca_file[96], pins[512];
	uint8_t attested[TLS_KEY_HASH]; /* by a quote */
};

static inline void write_certificate(const char *path, const struct party *p)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(PEM_write_X509(f, p->certificate), 1);
	fclose(f);
}

static inline void write_key(const char *path, const struct party *p)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fchmod(fileno(f), 0600);
	assert_int_equal(PEM_write_PrivateKey(f, p->key, NULL, NULL, 0, NULL, NULL), 1);
	fclose(f);
}

static inline struct certificates_options tls_world_files(const struct tls_world *t)
{
	return (struct certificates_options){t->certificate_file, t->key_file, t->ca_file, t->pins};
}

static inline bool tls_world_attested(void *arg, const uint8_t hash[TLS_KEY_HASH]);

/* The world of the only test that runs: the server's arg is the struct world. */
static struct tls_world *tls_world_now;

static inline struct tls_world *tls_world_new(void)
{
	struct tls_world *t = tls_world_now = calloc(1, sizeof *t);

	assert_non_null(t);
	t->w = world_new();
	strcpy(t->dir, "/tmp/tls-world-XXXXXX");
	assert_non_null(mkdtemp(t->dir));
	snprintf(t->certificate_file, sizeof t->certificate_file, "%s/certificate.pem", t->dir);
	snprintf(t->key_file, sizeof t->key_file, "%s/key.pem", t->dir);
	snprintf(t->ca_file, sizeof t->ca_file, "%s/ca.pem", t->dir);
	t->server = party_new((struct party_options){.name = "coordinator"});
	t->authority = party_new((struct party_options){.name = "provers' CA", .authority = true});
	write_certificate(t->certificate_file, &t->server);
	write_key(t->key_file, &t->server);
	write_certificate(t->ca_file, &t->authority);
	t->w->options.tls = (struct server_tls_options){.address = "127.0.0.1",
							.handshake_timeout_ms = 600000,
							.max_handshakes = 100,
							.attested = tls_world_attested};
	return t;
}

static inline bool tls_world_attested(void *arg, const uint8_t hash[TLS_KEY_HASH])
{
	assert_ptr_equal(arg, tls_world_now->w);
	return memcmp(tls_world_now->attested, hash, TLS_KEY_HASH) == 0;
}

static inline void tls_world_start(struct tls_world *t)
{
	const struct certificates_options files = tls_world_files(t);
	struct why why = {""};

	assert_true(certificates_new(&t->certificates, &files, &why));
	t->w->options.tls.certificates = t->certificates;
	world_start(t->w);
	assert_true(server_tls_port(t->w->server) > 0);
}

static inline void tls_world_free(struct tls_world *t)
{
	world_free(t->w);
	certificates_free(t->certificates);
	unlink(t->certificate_file);
	unlink(t->key_file);
	unlink(t->ca_file);
	rmdir(t->dir);
	party_free(&t->server);
	party_free(&t->authority);
	free(t);
}

/* ---- a client ---- */

struct peer {
	int fd;
	SSL_CTX *ctx;
	SSL *ssl;
};

static inline int tls_socket(struct tls_world *t, const char *source, int receive_buffer)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons(server_tls_port(t->w->server))};

	return client_to(t->w, to, source, receive_buffer);
}

/* who: its certificate; NULL: none. Says nothing yet. */
static inline struct peer peer_new(int fd, const struct party *who)
{
	struct peer p = {fd, SSL_CTX_new(TLS_client_method()), NULL};

	assert_non_null(p.ctx);
	if (who) {
		assert_int_equal(SSL_CTX_use_certificate(p.ctx, who->certificate), 1);
		assert_int_equal(SSL_CTX_use_PrivateKey(p.ctx, who->key), 1);
	}
	p.ssl = SSL_new(p.ctx);
	assert_non_null(p.ssl);
	SSL_set_fd(p.ssl, fd);
	SSL_set_connect_state(p.ssl);
	SSL_set_mode(p.ssl, SSL_MODE_ENABLE_PARTIAL_WRITE);
	return p;
}

static inline void peer_free(struct peer *p)
{
	SSL_free(p->ssl);
	SSL_CTX_free(p->ctx);
	close(p->fd);
}

static inline bool peer_waits(const struct peer *p, int rc)
{
	const int kind = SSL_get_error(p->ssl, rc);

	return kind == SSL_ERROR_WANT_READ || kind == SSL_ERROR_WANT_WRITE;
}

/* False: it failed, and OpenSSL's error is the newest of the queue. */
static inline bool peer_shakes_hands(struct tls_world *t, struct peer *p)
{
	const time_t give_up = world_give_up();

	for (;;) {
		int rc;

		ERR_clear_error();
		rc = SSL_connect(p->ssl);
		if (rc == 1)
			return true;
		if (!peer_waits(p, rc))
			return false;
		assert_true(time(NULL) < give_up);
		world_turn(t->w);
	}
}

static inline struct peer peer_connect(struct tls_world *t, const struct party *who)
{
	struct peer p = peer_new(tls_socket(t, "127.0.0.1", 0), who);

	assert_true(peer_shakes_hands(t, &p));
	return p;
}

static inline void peer_send(struct tls_world *t, struct peer *p, const void *bytes, size_t n)
{
	const time_t give_up = world_give_up();
	const char *from = bytes;

	while (n > 0) {
		int rc;

		ERR_clear_error();
		rc = SSL_write(p->ssl, from, (int)n);
		if (rc > 0) {
			from += rc;
			n -= (size_t)rc;
			continue;
		}
		assert_true(peer_waits(p, rc));
		assert_true(time(NULL) < give_up);
		world_turn(t->w);
	}
}

static inline void peer_say(struct tls_world *t, struct peer *p, const char *text)
{
	peer_send(t, p, text, strlen(text));
}

/* Reads until close_notify: the length. -1: it ended otherwise. */
static inline long peer_read(struct tls_world *t, struct peer *p, char *out, size_t max)
{
	const time_t give_up = world_give_up();
	size_t got = 0;

	for (;;) {
		int rc;

		ERR_clear_error();
		rc = SSL_read(p->ssl, out + got, (int)(max - got));
		if (rc > 0) {
			got += (size_t)rc;
			continue;
		}
		if (!peer_waits(p, rc))
			return SSL_get_error(p->ssl, rc) == SSL_ERROR_ZERO_RETURN ? (long)got : -1;
		assert_true(time(NULL) < give_up);
		world_turn(t->w);
	}
}

/* Expects this reply and close_notify, and ends. */
static inline void peer_expect(struct tls_world *t, struct peer *p, const char *want)
{
	char got[4096];
	long n = peer_read(t, p, got, sizeof got - 1);

	assert_true(n >= 0);
	got[n] = '\0';
	assert_string_equal(got, want);
	peer_free(p);
}

#endif
