#include "coordinator/signing/process.h"

#include "coordinator/signing/signer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define START_MS   10000
#define SEND_BYTES (2 * WIRE_MESSAGE_MAX) /* one of the largest, and small ones beside it */
#define AT_A_TURN  16

struct signer_process {
	uv_process_t process;
	uv_poll_t poll;
	int fd;
	unsigned open; /* handles */
	bool alive, polled, closing;
	struct process_events events;
	void (*closed)(void *arg);
	void *closed_arg;
	uint8_t packet[WIRE_MESSAGE_MAX + 1];
};

/* ---- the end ---- */

static void on_closed(uv_handle_t *h)
{
	struct signer_process *p = h->data;

	if (--p->open > 0)
		return;
	close(p->fd);
	if (p->closed)
		p->closed(p->closed_arg);
	free(p);
}

static void close_handles(struct signer_process *p)
{
	p->open = p->polled ? 2 : 1;
	if (p->polled)
		uv_close((uv_handle_t *)&p->poll, on_closed);
	uv_close((uv_handle_t *)&p->process, on_closed);
}

static void on_exit_of(uv_process_t *process, int64_t code, int number)
{
	struct signer_process *p = process->data;
	struct why why;

	p->alive = false;
	if (p->polled)
		uv_poll_stop(&p->poll);
	if (p->closing) {
		close_handles(p);
		return;
	}
	if (number)
		why_set(&why, "the process that holds the keys was ended by signal %d (%s)", number,
			strsignal(number));
	else
		why_set(&why, "the process that holds the keys ended with code %lld",
			(long long)code);
	p->events.lost(p->events.arg, why.text);
}

void process_close(struct signer_process *p, void (*done)(void *arg), void *arg)
{
	p->closing = true;
	p->closed = done;
	p->closed_arg = arg;
	/* Its child goes with it. Nothing of theirs is on a disk. */
	if (p->alive)
		uv_process_kill(&p->process, SIGKILL);
	else
		close_handles(p);
}

/* ---- messages ---- */

static bool take(struct signer_process *p, struct wire_message *m)
{
	const ssize_t n = recv(p->fd, p->packet, sizeof p->packet, MSG_DONTWAIT);

	if (n > 0)
		return wire_decode(m, span_of(p->packet, (size_t)n));
	if (n == 0)
		uv_poll_stop(&p->poll); /* its end says why */
	return false;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct signer_process *p = poll->data;
	struct wire_message m;
	int i;

	(void)events;
	if (status < 0)
		return;
	for (i = 0; i < AT_A_TURN && !p->closing && take(p, &m); i++)
		if (m.kind == WIRE_SIGNED || m.kind == WIRE_REFUSED || m.kind == WIRE_ANEW)
			p->events.answer(p->events.arg, &m);
}

bool process_send(struct signer_process *p, const struct wire_message *m, struct why *why)
{
	struct buf packet;
	ssize_t n = -1;

	buf_init(&packet, WIRE_MESSAGE_MAX);
	if (!wire_encode(&packet, m)) {
		why_set(why, "%zu bytes of call data are more than one message holds",
			m->tx.data.n);
	} else {
		n = send(p->fd, packet.p, packet.len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			why_set(why, "the process that holds the keys reads nothing");
		else if (n < 0)
			why_set(why, "the process that holds the keys is not there: %s",
				strerror(errno));
		secret_wipe(packet.p, packet.len);
	}
	buf_free(&packet);
	return n >= 0;
}

int process_pid(const struct signer_process *p)
{
	return p->process.pid;
}

/* ---- the start ---- */

static bool spawn(struct signer_process *p, uv_loop_t *loop, int theirs, struct why *why)
{
	char name[] = "proof-coordinator", verb[] = SIGNER_VERB, *argv[] = {name, verb, NULL};
	char *nothing[] = {NULL};
	uv_stdio_container_t stdio[] = {{.flags = UV_INHERIT_FD, .data.fd = theirs},
					{.flags = UV_IGNORE},
					{.flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO}};
	/* In a session of its own: what a terminal sends to stop the daemon is the daemon's. */
	const uv_process_options_t options = {.exit_cb = on_exit_of,
					      .file = PROCESS_PROGRAM,
					      .args = argv,
					      .env = nothing,
					      .cwd = "/",
					      .flags = UV_PROCESS_DETACHED,
					      .stdio_count = 3,
					      .stdio = stdio};
	const int rc = uv_spawn(loop, &p->process, &options);

	p->process.data = p;
	if (rc == 0)
		return p->alive = true;
	why_set(why, "the process that is to hold the keys does not start: %s", uv_strerror(rc));
	return false;
}

static bool await_ready(struct signer_process *p, struct wire_message *ready, struct why *why)
{
	struct pollfd fd = {.fd = p->fd, .events = POLLIN};
	ssize_t n = 0;
	int rc;

	do
		rc = poll(&fd, 1, START_MS);
	while (rc < 0 && errno == EINTR);
	if (rc > 0)
		n = recv(p->fd, p->packet, sizeof p->packet, MSG_DONTWAIT);
	if (n > 0 && wire_decode(ready, span_of(p->packet, (size_t)n))) {
		if (ready->kind == WIRE_READY)
			return true;
		if (ready->kind == WIRE_REFUSED) {
			why_set(why, "the process that is to hold the keys: %.*s",
				(int)ready->sentence.n, (const char *)ready->sentence.p);
			return false;
		}
	}
	why_set(why, "the process that is to hold the keys %s",
		rc == 0 ? "does not answer" : "ended at its start");
	return false;
}

static bool make_sockets(int fd[2], struct why *why)
{
	const int bytes = SEND_BYTES;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd) != 0) {
		why_set(why, "no socket pair for the process that is to hold the keys: %s",
			strerror(errno));
		return false;
	}
	setsockopt(fd[0], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
	return true;
}

bool process_start(struct signer_process **out, uv_loop_t *loop, const struct wire_message *hello,
		   struct wire_message *ready, const struct process_events *events, struct why *why)
{
	struct signer_process *p = calloc(1, sizeof *p);
	int fd[2];
	bool ok;

	*out = NULL;
	if (!p || !make_sockets(fd, why)) {
		if (!p)
			why_set(why, "out of memory");
		free(p);
		return false;
	}
	p->fd = fd[0];
	p->events = *events;
	ok = spawn(p, loop, fd[1], why);
	close(fd[1]);
	ok = ok && process_send(p, hello, why) && await_ready(p, ready, why);
	p->polled = ok && uv_poll_init(loop, &p->poll, p->fd) == 0;
	if (!p->polled) {
		if (ok)
			why_set(why,
				"the loop takes no socket for the process that holds the keys");
		process_close(p, NULL, NULL);
		return false;
	}
	p->poll.data = p;
	uv_poll_start(&p->poll, UV_READABLE, on_readable);
	*out = p;
	return true;
}
