#include "coordinator/secure/certificates.h"

#include "coordinator/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PEM_MAX (256 * 1024)
#define KEY_MAX (16 * 1024)

struct certificates {
	SSL_CTX *ctx;
	bool has_authority;
	struct tls_pins pins;
	struct why warning;
};

/* Nobody has to be known: what the chain is worth is asked after the handshake. */
static int judge_later(X509_STORE_CTX *chain, void *arg)
{
	(void)arg;
	ERR_set_mark();
	X509_verify_cert(chain);
	ERR_pop_to_mark();
	return 1;
}

static int judge_none(X509_STORE_CTX *chain, void *arg)
{
	(void)arg;
	X509_STORE_CTX_set_error(chain, X509_V_ERR_APPLICATION_VERIFICATION);
	return 1;
}

/* Into memory of a fixed size, which never moves: growing would leave copies of the key behind. */
static bool read_key(struct certificates *c, uint8_t out[KEY_MAX], size_t *n, const char *path,
		     struct why *why)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat info;
	ssize_t got = 1;

	if (fd < 0 || fstat(fd, &info) != 0) {
		why_set(why, "cannot open %s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return false;
	}
	if (info.st_mode & S_IRWXO)
		why_set(&c->warning,
			"everyone may read or write the private key %s (mode %03o): chmod 600",
			path, (unsigned)info.st_mode & 0777u);
	for (*n = 0; *n < KEY_MAX && (got = read(fd, out + *n, KEY_MAX - *n)) > 0;)
		*n += (size_t)got;
	if (got < 0)
		why_set(why, "cannot read %s: %s", path, strerror(errno));
	else if (got > 0)
		why_set(why, "%s is longer than %d bytes", path, KEY_MAX - 1);
	close(fd);
	return got == 0;
}

static bool use_identity(struct certificates *c, const struct certificates_options *o,
			 struct why *why)
{
	struct buf certificate;
	uint8_t key[KEY_MAX];
	size_t n = 0;
	bool ok;

	buf_init(&certificate, PEM_MAX);
	ok = file_read(&certificate, o->certificate_file, why) &&
	     read_key(c, key, &n, o->key_file, why);
	if (ok && !tls_use_identity(c->ctx, buf_span(&certificate), span_of(key, n), why)) {
		why_wrap(why, "%s, %s", o->certificate_file, o->key_file);
		ok = false;
	}
	secret_wipe(key, sizeof key);
	buf_free(&certificate);
	return ok;
}

static bool use_authority(struct certificates *c, const char *path, struct why *why)
{
	struct buf text;
	bool ok;

	c->has_authority = *path;
	SSL_CTX_set_cert_verify_callback(c->ctx, *path ? judge_later : judge_none, NULL);
	if (!*path)
		return true;
	buf_init(&text, PEM_MAX);
	ok = file_read(&text, path, why);
	if (ok && !tls_trust(c->ctx, buf_span(&text), why)) {
		why_wrap(why, "%s", path);
		ok = false;
	}
	buf_free(&text);
	return ok;
}

static bool load(struct certificates *c, const struct certificates_options *o, struct why *why)
{
	*c = (struct certificates){.ctx = tls_context_new(TLS_server_method(), why)};
	if (!c->ctx)
		return false;
	/* The names of authorities are not sent: clients would withhold a pinned certificate. */
	SSL_CTX_set_verify(c->ctx, SSL_VERIFY_PEER, NULL);
	if (use_identity(c, o, why) && use_authority(c, o->client_ca_file, why) &&
	    tls_pins_parse(&c->pins, o->client_keys, why))
		return true;
	SSL_CTX_free(c->ctx);
	return false;
}

bool certificates_new(struct certificates **out, const struct certificates_options *options,
		      struct why *why)
{
	struct certificates *c = malloc(sizeof *c);

	*out = NULL;
	if (!c) {
		why_set(why, "out of memory");
		return false;
	}
	if (!load(c, options, why)) {
		free(c);
		return false;
	}
	*out = c;
	return true;
}

bool certificates_reload(struct certificates *c, const struct certificates_options *options,
			 struct why *why)
{
	struct certificates fresh;

	if (!load(&fresh, options, why))
		return false;
	SSL_CTX_free(c->ctx);
	*c = fresh;
	return true;
}

void certificates_free(struct certificates *c)
{
	if (!c)
		return;
	SSL_CTX_free(c->ctx);
	free(c);
}

const char *certificates_warning(const struct certificates *c)
{
	return c->warning.text;
}

SSL *certificates_connection(const struct certificates *c)
{
	SSL *ssl = SSL_new(c->ctx);

	if (ssl)
		SSL_set_accept_state(ssl);
	return ssl;
}

enum client_key certificates_client(const struct certificates *c, const SSL *ssl,
				    uint8_t hash[TLS_KEY_HASH], struct why *why)
{
	const X509 *shown = SSL_get0_peer_certificate(ssl);
	const long result = SSL_get_verify_result(ssl);

	if (!shown || !tls_key_hash(hash, shown))
		return CLIENT_NONE;
	if (tls_pinned(&c->pins, hash))
		return CLIENT_PINNED;
	/* What was verified before a reload was verified against another authority. */
	if (c->has_authority && result == X509_V_OK && SSL_get_SSL_CTX(ssl) == c->ctx)
		return CLIENT_SIGNED;
	if (c->has_authority)
		tls_certificate_refused(why, shown, result);
	else
		why_set(why, "the key is not pinned");
	return CLIENT_UNKNOWN;
}
