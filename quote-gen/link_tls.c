#include "quote-gen/link_tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PEM_MAX (32 * 1024)

struct link_tls {
	SSL_CTX *ctx;
	struct tls_pins pins;
	bool has_authority;
	struct why warning;
	struct why refused; /* the pin that the last server's key did not fit */
};

static bool pinned(struct link_tls *t, const X509 *certificate)
{
	uint8_t hash[TLS_KEY_HASH] = {0};
	char text[2 * TLS_KEY_HASH + 1];

	if (tls_key_hash(hash, certificate) && tls_pinned(&t->pins, hash))
		return true;
	hex_encode(text, hash, sizeof hash);
	why_set(&t->refused, "the coordinator's key is %s, which is not pinned", text);
	return false;
}

/* A pinned key alone needs no authority, no name and no date. */
static int judge(X509_STORE_CTX *chain, void *arg)
{
	struct link_tls *t = arg;

	t->refused.text[0] = '\0';
	if (t->pins.n && !pinned(t, X509_STORE_CTX_get0_cert(chain))) {
		X509_STORE_CTX_set_error(chain, X509_V_ERR_APPLICATION_VERIFICATION);
		return 0;
	}
	return t->has_authority ? X509_verify_cert(chain) : 1;
}

/* Into memory of a fixed size, which never moves: it may hold a key. *open_to_all: everyone may
 * read or write the file. */
static bool read_pem(uint8_t out[PEM_MAX], size_t *n, bool *open_to_all, const char *path,
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
	*open_to_all = info.st_mode & S_IRWXO;
	for (*n = 0; *n < PEM_MAX && (got = read(fd, out + *n, PEM_MAX - *n)) > 0;)
		*n += (size_t)got;
	if (got < 0)
		why_set(why, "cannot read %s: %s", path, strerror(errno));
	else if (got > 0)
		why_set(why, "%s is longer than %d bytes", path, PEM_MAX - 1);
	close(fd);
	return got == 0;
}

static bool use_files(struct link_tls *t, const struct link_tls_options *o, struct why *why)
{
	uint8_t text[PEM_MAX];
	bool ok = true, open_to_all = false;
	size_t n;

	t->has_authority = *o->ca_file;
	if (t->has_authority) {
		ok = read_pem(text, &n, &open_to_all, o->ca_file, why);
		if (ok && !tls_trust(t->ctx, span_of(text, n), why)) {
			why_wrap(why, "%s", o->ca_file);
			ok = false;
		}
	}
	if (!ok || !*o->identity_file)
		return ok;
	ok = read_pem(text, &n, &open_to_all, o->identity_file, why);
	if (ok && !tls_use_identity(t->ctx, span_of(text, n), span_of(text, n), why)) {
		why_wrap(why, "%s", o->identity_file);
		ok = false;
	}
	secret_wipe(text, sizeof text);
	if (ok && open_to_all)
		why_set(&t->warning, "everyone may read or write the private key in %s",
			o->identity_file);
	return ok;
}

static bool load(struct link_tls *t, uint8_t made[TLS_KEY_HASH], const struct link_tls_options *o,
		 struct why *why)
{
	t->ctx = tls_context_new(TLS_client_method(), why);
	if (!t->ctx || !tls_pins_parse(&t->pins, o->server_keys, why) || !use_files(t, o, why))
		return false;
	if (!t->pins.n && !t->has_authority) {
		why_set(why, "neither a key nor an authority to know the coordinator by");
		return false;
	}
	SSL_CTX_set_verify(t->ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(t->ctx, judge, t);
	return !o->make_identity ||
	       tls_make_identity(t->ctx, made, "quote-gen", (int64_t)time(NULL), why);
}

bool link_tls_new(struct link_tls **out, uint8_t made[TLS_KEY_HASH],
		  const struct link_tls_options *options, struct why *why)
{
	struct link_tls *t = *out = calloc(1, sizeof *t);

	if (!t) {
		why_set(why, "out of memory");
		return false;
	}
	if (load(t, made, options, why))
		return true;
	link_tls_free(t);
	*out = NULL;
	return false;
}

void link_tls_free(struct link_tls *t)
{
	if (!t)
		return;
	SSL_CTX_free(t->ctx);
	free(t);
}

const char *link_tls_warning(const struct link_tls *t)
{
	return t->warning.text;
}

/* What its certificate must be for. */
static bool expect_host(SSL *ssl, const char *host)
{
	uint8_t address[16];

	if (inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1)
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
	return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

SSL *link_tls_connection(struct link_tls *t, int fd, const char *host)
{
	SSL *ssl = SSL_new(t->ctx);

	if (ssl && expect_host(ssl, host) && SSL_set_fd(ssl, fd) == 1) {
		SSL_set_connect_state(ssl);
		return ssl;
	}
	SSL_free(ssl);
	return NULL;
}

void link_tls_failure(const struct link_tls *t, struct why *why, const SSL *ssl, int rc)
{
	tls_failure(why, ssl, rc);
	if (t->refused.text[0])
		*why = t->refused;
}
