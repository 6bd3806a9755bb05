#include "quote-gen/link.h"

#include "quote-gen/clock.h"

#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define READ_CHUNK (256 * 1024)
#define STOP_MS    200 /* how long a stop may go unnoticed */

static void os_error(struct why *why, int error)
{
	why_set(why, "%s (os error %d)", strerror(error), error);
}

/* Waits until the socket is ready for events. False with the sentence. */
static bool wait_for(int fd, short events, uint64_t timeout_ms, const volatile int *stop,
		     struct why *why)
{
	uint64_t deadline = clock_ms() + timeout_ms;

	for (;;) {
		struct pollfd p = {.fd = fd, .events = events};
		uint64_t now = clock_ms();
		int n;

		if (*stop) {
			why_set(why, "stopped");
			return false;
		}
		if (now >= deadline) {
			os_error(why, ETIMEDOUT);
			return false;
		}
		n = poll(&p, 1, deadline - now < STOP_MS ? (int)(deadline - now) : STOP_MS);
		if (n > 0)
			return true;
		if (n < 0 && errno != EINTR) {
			os_error(why, errno);
			return false;
		}
	}
}

static int dial_one(const struct addrinfo *a, const struct link_options *o,
		    const volatile int *stop, struct why *why)
{
	int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int error = 0, one = 1;
	socklen_t n = sizeof error;

	if (fd < 0) {
		os_error(why, errno);
		return -1;
	}
	if (connect(fd, a->ai_addr, a->ai_addrlen) != 0) {
		if (errno != EINPROGRESS) {
			os_error(why, errno);
			goto failed;
		}
		if (!wait_for(fd, POLLOUT, o->connect_timeout_ms, stop, why))
			goto failed;
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n);
		if (error) {
			os_error(why, error);
			goto failed;
		}
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	return fd;
failed:
	close(fd);
	return -1;
}

static int dial(const struct link_options *o, const volatile int *stop, struct why *why)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *list, *a;
	int fd = -1, rc = getaddrinfo(o->host, o->port, &hints, &list);

	if (rc != 0) {
		why_set(why, "failed to lookup address information of %s: %s", o->host,
			gai_strerror(rc));
		return -1;
	}
	for (a = list; a && fd < 0 && !*stop; a = a->ai_next)
		fd = dial_one(a, o, stop, why);
	freeaddrinfo(list);
	return fd;
}

/* ---- bytes, through TLS or not ---- */

struct wire {
	int fd;
	SSL *ssl; /* NULL: plain */
	const struct link_options *o;
	const volatile int *stop;
	struct why *why;
};

/* What OpenSSL waits for; false, with the sentence, when it failed. */
static bool tls_wait(struct wire *w, int rc, uint64_t timeout_ms)
{
	switch (SSL_get_error(w->ssl, rc)) {
	case SSL_ERROR_WANT_READ: return wait_for(w->fd, POLLIN, timeout_ms, w->stop, w->why);
	case SSL_ERROR_WANT_WRITE: return wait_for(w->fd, POLLOUT, timeout_ms, w->stop, w->why);
	default: link_tls_failure(w->o->tls, w->why, w->ssl, rc); return false;
	}
}

static bool shake_hands(struct wire *w)
{
	int rc;

	w->ssl = link_tls_connection(w->o->tls, w->fd, w->o->host);
	if (!w->ssl) {
		why_set(w->why, "out of memory");
		return false;
	}
	while (ERR_clear_error(), errno = 0, (rc = SSL_connect(w->ssl)) != 1) {
		if (!tls_wait(w, rc, w->o->connect_timeout_ms)) {
			why_wrap(w->why, "TLS handshake");
			return false;
		}
	}
	return true;
}

/* Bytes that were taken; -1 with the sentence. Waits until there are some. */
static ssize_t send_some(struct wire *w, const uint8_t *p, size_t n)
{
	for (;;) {
		ssize_t sent;

		if (w->ssl) {
			ERR_clear_error();
			errno = 0;
			sent = SSL_write(w->ssl, p, n > INT_MAX ? INT_MAX : (int)n);
		} else {
			sent = send(w->fd, p, n, MSG_NOSIGNAL);
		}
		if (sent > 0)
			return sent;
		if (w->ssl) {
			if (!tls_wait(w, (int)sent, w->o->io_timeout_ms))
				return -1;
		} else if (errno != EAGAIN && errno != EINTR) {
			os_error(w->why, errno);
			return -1;
		} else if (!wait_for(w->fd, POLLOUT, w->o->io_timeout_ms, w->stop, w->why)) {
			return -1;
		}
	}
}

/* Bytes that came, 0 at the end; -1 with the sentence. Waits until there are some. */
static ssize_t receive_some(struct wire *w, uint8_t *p, size_t n)
{
	for (;;) {
		ssize_t got;

		if (w->ssl) {
			ERR_clear_error();
			errno = 0;
			got = SSL_read(w->ssl, p, (int)n);
			if (got <= 0 && SSL_get_error(w->ssl, (int)got) == SSL_ERROR_ZERO_RETURN)
				return 0;
		} else {
			got = recv(w->fd, p, n, 0);
			if (got == 0)
				return 0;
		}
		if (got > 0)
			return got;
		if (w->ssl) {
			if (!tls_wait(w, (int)got, w->o->io_timeout_ms))
				return -1;
		} else if (errno != EAGAIN && errno != EINTR) {
			os_error(w->why, errno);
			return -1;
		} else if (!wait_for(w->fd, POLLIN, w->o->io_timeout_ms, w->stop, w->why)) {
			return -1;
		}
	}
}

/* Nothing more will be sent. */
static bool half_close(struct wire *w)
{
	int rc;

	if (!w->ssl)
		return shutdown(w->fd, SHUT_WR) == 0 || errno == ENOTCONN;
	while (ERR_clear_error(), errno = 0, (rc = SSL_shutdown(w->ssl)) < 0)
		if (!tls_wait(w, rc, w->o->io_timeout_ms))
			return false;
	return true;
}

static bool send_all(struct wire *w, struct span m)
{
	ssize_t n = 0;

	for (; m.n; m.p += n, m.n -= (size_t)n) {
		n = send_some(w, m.p, m.n);
		if (n < 0)
			return false;
	}
	return true;
}

static bool read_all(struct wire *w, struct buf *reply)
{
	uint8_t *chunk = malloc(READ_CHUNK);
	ssize_t n = -1;

	if (!chunk) {
		why_set(w->why, "out of memory");
		return false;
	}
	while ((n = receive_some(w, chunk, READ_CHUNK)) > 0)
		if (!buf_add(reply, chunk, (size_t)n)) {
			why_set(w->why, "the reply is longer than %zu bytes", reply->max);
			n = -1;
			break;
		}
	free(chunk);
	return n == 0;
}

bool link_exchange(struct buf *reply, const struct link_options *o, struct span message,
		   const volatile int *stop, struct why *why)
{
	struct wire w = {.fd = dial(o, stop, why), .o = o, .stop = stop, .why = why};
	bool ok;

	if (w.fd < 0)
		return false;
	ok = (!o->tls || shake_hands(&w)) && send_all(&w, message) && half_close(&w) &&
	     read_all(&w, reply);
	SSL_free(w.ssl);
	close(w.fd);
	return ok;
}
