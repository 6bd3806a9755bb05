#include "quote-gen/link.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
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

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Waits until the socket is ready for events. False with the sentence. */
static bool wait_for(int fd, short events, uint64_t timeout_ms, const volatile int *stop,
		     struct why *why)
{
	uint64_t deadline = now_ms() + timeout_ms;

	for (;;) {
		struct pollfd p = {.fd = fd, .events = events};
		uint64_t now = now_ms();
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

static bool send_all(int fd, struct span m, const struct link_options *o, const volatile int *stop,
		     struct why *why)
{
	size_t at = 0;

	while (at < m.n) {
		ssize_t n = send(fd, m.p + at, m.n - at, MSG_NOSIGNAL);

		if (n > 0) {
			at += (size_t)n;
		} else if (errno == EAGAIN || errno == EINTR) {
			if (!wait_for(fd, POLLOUT, o->io_timeout_ms, stop, why))
				return false;
		} else {
			os_error(why, errno);
			return false;
		}
	}
	return true;
}

static bool read_all(int fd, struct buf *reply, const struct link_options *o,
		     const volatile int *stop, struct why *why)
{
	uint8_t *chunk = malloc(READ_CHUNK);
	bool ok = false;
	ssize_t n;

	if (!chunk) {
		why_set(why, "out of memory");
		return false;
	}
	for (;;) {
		n = recv(fd, chunk, READ_CHUNK, 0);
		if (n == 0) {
			ok = true;
			break;
		}
		if (n > 0) {
			if (buf_add(reply, chunk, (size_t)n))
				continue;
			why_set(why, "the reply is longer than %zu bytes", reply->max);
			break;
		}
		if (errno != EAGAIN && errno != EINTR) {
			os_error(why, errno);
			break;
		}
		if (!wait_for(fd, POLLIN, o->io_timeout_ms, stop, why))
			break;
	}
	free(chunk);
	return ok;
}

bool link_exchange(struct buf *reply, const struct link_options *o, struct span message,
		   const volatile int *stop, struct why *why)
{
	int fd = dial(o, stop, why);
	bool ok;

	if (fd < 0)
		return false;
	ok = send_all(fd, message, o, stop, why);
	if (ok)
		shutdown(fd, SHUT_WR);
	ok = ok && read_all(fd, reply, o, stop, why);
	close(fd);
	return ok;
}
