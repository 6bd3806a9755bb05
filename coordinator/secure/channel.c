#include "coordinator/secure/channel.h"

#include <openssl/err.h>

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

enum stop { GOES_ON, ENDED, CUT, BROKEN };

struct channel {
	SSL *ssl;
	bool notified; /* by the peer's close_notify */
	enum stop stop;
	int error; /* errno of BROKEN */
};

static void on_info(const SSL *ssl, int where, int alert)
{
	struct channel *ch = SSL_get_app_data(ssl);

	if (where == SSL_CB_READ_ALERT && (alert & 0xff) == SSL3_AD_CLOSE_NOTIFY)
		ch->notified = true;
}

struct channel *channel_new(const struct certificates *certificates, int fd)
{
	struct channel *ch = calloc(1, sizeof *ch);

	if (!ch)
		return NULL;
	ch->ssl = certificates_connection(certificates);
	if (!ch->ssl || SSL_set_fd(ch->ssl, fd) != 1 || SSL_set_app_data(ch->ssl, ch) != 1) {
		channel_free(ch);
		return NULL;
	}
	/* A peer whose TCP ends without close_notify can be answered all the same: whether a
	 * message is whole, it says itself. */
	SSL_set_options(ch->ssl, SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_set_info_callback(ch->ssl, on_info);
	/* Who sends key updates without end does not get the loop for himself. */
	SSL_clear_mode(ch->ssl, SSL_MODE_AUTO_RETRY);
	return ch;
}

void channel_free(struct channel *ch)
{
	if (!ch)
		return;
	SSL_free(ch->ssl);
	free(ch);
}

/* What is to be done before the call is made again; FAILED when it is of no use. */
static enum channel_step wants(const struct channel *ch, int rc)
{
	switch (SSL_get_error(ch->ssl, rc)) {
	case SSL_ERROR_WANT_READ: return CHANNEL_WANTS_READ;
	case SSL_ERROR_WANT_WRITE: return CHANNEL_WANTS_WRITE;
	default: return CHANNEL_FAILED;
	}
}

enum channel_step channel_accept(struct channel *ch, struct why *why)
{
	enum channel_step step;
	int rc;

	ERR_clear_error();
	errno = 0;
	rc = SSL_accept(ch->ssl);
	if (rc == 1)
		return CHANNEL_DONE;
	step = wants(ch, rc);
	if (step == CHANNEL_FAILED)
		tls_failure(why, ch->ssl, rc);
	return step;
}

enum client_key channel_client(const struct channel *ch, const struct certificates *certificates,
			       uint8_t hash[TLS_KEY_HASH], struct why *why)
{
	return certificates_client(certificates, ch->ssl, hash, why);
}

/* OpenSSL must not be asked again after an error: what it was is kept. */
static void stopped(struct channel *ch, int rc)
{
	const int saved = errno, kind = SSL_get_error(ch->ssl, rc);

	if (kind == SSL_ERROR_ZERO_RETURN)
		ch->stop = ch->notified ? ENDED : CUT;
	else
		ch->stop = BROKEN;
	ch->error = kind == SSL_ERROR_SYSCALL && saved ? saved : EPROTO;
	ERR_clear_error();
}

static ssize_t how_stopped(const struct channel *ch)
{
	if (ch->stop != BROKEN)
		return 0;
	errno = ch->error;
	return -1;
}

ssize_t channel_recv(struct channel *ch, void *to, size_t n)
{
	int rc;

	if (ch->stop != GOES_ON)
		return how_stopped(ch);
	ERR_clear_error();
	errno = 0;
	rc = SSL_read(ch->ssl, to, n > INT_MAX ? INT_MAX : (int)n);
	if (rc > 0)
		return rc;
	if (wants(ch, rc) == CHANNEL_FAILED) {
		stopped(ch, rc);
		return how_stopped(ch);
	}
	errno = EAGAIN;
	return -1;
}

bool channel_was_cut(const struct channel *ch)
{
	return ch->stop == CUT;
}

ssize_t channel_send(struct channel *ch, const void *from, size_t n)
{
	int rc;

	if (ch->stop == BROKEN)
		return how_stopped(ch);
	ERR_clear_error();
	errno = 0;
	rc = SSL_write(ch->ssl, from, n > CHANNEL_RECORD ? CHANNEL_RECORD : (int)n);
	if (rc > 0)
		return rc;
	if (wants(ch, rc) != CHANNEL_FAILED) {
		errno = EAGAIN;
		return -1;
	}
	stopped(ch, rc);
	ch->stop = BROKEN;
	return how_stopped(ch);
}

enum channel_step channel_end(struct channel *ch)
{
	enum channel_step step;
	int rc;

	if (ch->stop == BROKEN)
		return CHANNEL_FAILED;
	ERR_clear_error();
	rc = SSL_shutdown(ch->ssl);
	step = rc >= 0 ? CHANNEL_DONE : wants(ch, rc);
	ERR_clear_error();
	return step;
}
