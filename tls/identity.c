#include "tls/tls.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <limits.h>
#include <string.h>

#define MADE_VALID_S  (10 * 365 * 86400L) /* its process ends long before */
#define MADE_CLOCK_S  86400L              /* the other side's clock may be behind */
#define CHAIN_MAX     8
#define VERIFY_DEPTH  4
#define CERT_LIST_MAX (32 * 1024) /* bytes of a peer's certificates */

static void openssl_says(struct why *why, const char *what)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	why_set(why, "%s: %s", what, reason ? reason : "out of memory");
	ERR_clear_error();
}

SSL_CTX *tls_context_new(const SSL_METHOD *method, struct why *why)
{
	SSL_CTX *ctx = SSL_CTX_new(method);

	if (!ctx || SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) != 1 ||
	    SSL_CTX_set_num_tickets(ctx, 0) != 1) {
		openssl_says(why, "no TLS context");
		SSL_CTX_free(ctx);
		return NULL;
	}
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION |
				     SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	/* A write that the socket does not take is tried again with other memory of the same
	 * content; a connection that waits gives its buffers back. */
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				  SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_verify_depth(ctx, VERIFY_DEPTH);
	SSL_CTX_set_max_cert_list(ctx, CERT_LIST_MAX);
	return ctx;
}

bool tls_key_hash(uint8_t out[TLS_KEY_HASH], const X509 *certificate)
{
	uint8_t *der = NULL;
	int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
	bool ok = n > 0 && EVP_Digest(der, (size_t)n, out, NULL, EVP_sha256(), NULL) == 1;

	OPENSSL_free(der);
	return ok;
}

/* A key under a passphrase is of no use to a service: nobody is asked for one. */
static int no_passphrase(char *buffer, int size, int writing, void *arg)
{
	bool *asked = arg;

	(void)buffer;
	(void)size;
	(void)writing;
	*asked = true;
	return -1;
}

static BIO *reader(struct span text)
{
	return text.n && text.n <= INT_MAX ? BIO_new_mem_buf(text.p, (int)text.n) : NULL;
}

static bool use_key(SSL_CTX *ctx, struct span text, struct why *why)
{
	bool asked = false, ok = false;
	BIO *bio = reader(text);
	EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, &asked) : NULL;

	if (asked)
		why_set(why, "the private key is encrypted with a passphrase");
	else if (!key)
		why_set(why, "no private key in PEM form (\"-----BEGIN PRIVATE KEY-----\")");
	else if (SSL_CTX_use_PrivateKey(ctx, key) != 1 || SSL_CTX_check_private_key(ctx) != 1)
		openssl_says(why, "the private key does not belong to the certificate");
	else
		ok = true;
	EVP_PKEY_free(key);
	BIO_free(bio);
	ERR_clear_error();
	return ok;
}

bool tls_use_identity(SSL_CTX *ctx, struct span certificates, struct span key, struct why *why)
{
	BIO *bio = reader(certificates);
	X509 *own = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL, *next;
	bool ok = own && SSL_CTX_use_certificate(ctx, own) == 1;
	int n = 0;

	if (!own)
		why_set(why, "no certificate in PEM form (\"-----BEGIN CERTIFICATE-----\")");
	else if (!ok)
		openssl_says(why, "the certificate cannot be used");
	while (ok && (next = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
		if (++n > CHAIN_MAX || SSL_CTX_add0_chain_cert(ctx, next) != 1) {
			why_set(why, "more than %d certificates in its chain", CHAIN_MAX);
			X509_free(next);
			ok = false;
		}
	}
	X509_free(own);
	BIO_free(bio);
	ERR_clear_error(); /* the end of the text counts as an error */
	return ok && use_key(ctx, key, why);
}

bool tls_trust(SSL_CTX *ctx, struct span authorities, struct why *why)
{
	X509_STORE *store = SSL_CTX_get_cert_store(ctx);
	BIO *bio = reader(authorities);
	unsigned n = 0;
	X509 *next;

	while (bio && (next = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
		n += X509_STORE_add_cert(store, next) == 1;
		X509_free(next);
	}
	BIO_free(bio);
	ERR_clear_error();
	if (!n)
		why_set(why, "no certificate in PEM form (\"-----BEGIN CERTIFICATE-----\")");
	return n > 0;
}

static bool add_extension(X509 *to, int nid, const char *value)
{
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
	bool ok = e && X509_add_ext(to, e, -1) == 1;

	X509_EXTENSION_free(e);
	return ok;
}

static bool sign_own(X509 *x, EVP_PKEY *key, const char *name, int64_t now)
{
	X509_NAME *subject = X509_get_subject_name(x);

	return X509_set_version(x, X509_VERSION_3) == 1 &&
	       ASN1_INTEGER_set(X509_get_serialNumber(x), 1) == 1 &&
	       ASN1_TIME_set(X509_getm_notBefore(x), (time_t)(now - MADE_CLOCK_S)) &&
	       ASN1_TIME_set(X509_getm_notAfter(x), (time_t)(now + MADE_VALID_S)) &&
	       X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const uint8_t *)name, -1,
					  -1, 0) == 1 &&
	       X509_set_issuer_name(x, subject) == 1 && X509_set_pubkey(x, key) == 1 &&
	       add_extension(x, NID_ext_key_usage, "clientAuth") &&
	       X509_sign(x, key, EVP_sha256()) > 0;
}

bool tls_make_identity(SSL_CTX *ctx, uint8_t hash[TLS_KEY_HASH], const char *name, int64_t now,
		       struct why *why)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	bool ok = key && x && sign_own(x, key, name, now) && tls_key_hash(hash, x) &&
		  SSL_CTX_use_certificate(ctx, x) == 1 && SSL_CTX_use_PrivateKey(ctx, key) == 1;

	if (!ok)
		openssl_says(why, "no fresh TLS key");
	X509_free(x);
	EVP_PKEY_free(key);
	return ok;
}
