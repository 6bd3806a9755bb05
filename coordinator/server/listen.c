#include "coordinator/server/internal.h"

#include "coordinator/base/listen_at.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

static bool watch_listeners(struct server *s, uint32_t events)
{
	struct epoll_event event = {.events = events};
	bool ok = true;

	for (; event.data.u64 < LISTENERS; event.data.u64++) {
		const int fd = s->listeners[event.data.u64].fd;

		if (fd >= 0 && epoll_ctl(s->epoll, EPOLL_CTL_MOD, fd, &event) != 0)
			ok = epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &event) == 0 && ok;
	}
	return ok;
}

static enum server_err listen_on(struct listener *l, const char *text, uint16_t port, int backlog,
				 const char *setting, struct why *why)
{
	char what[128];
	struct sockaddr_in6 bound;
	socklen_t bound_size = sizeof bound;
	struct listen_at at;
	const int on = 1;

	if (!listen_at_ip(&at, text, port, why)) {
		why_wrap(why, "the listen address \"%s\"", text);
		return SERVER_OPTIONS;
	}
	l->fd = socket(at.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->fd < 0) {
		why_set(why, "no descriptor for the listener: %s", strerror(errno));
		return SERVER_SYSTEM;
	}
	setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	/* Accepted sockets inherit it. */
	setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (bind(l->fd, (struct sockaddr *)&at.address, at.size) || listen(l->fd, backlog) ||
	    getsockname(l->fd, (struct sockaddr *)&bound, &bound_size)) {
		const int error = errno;

		snprintf(what, sizeof what, "%.100s port %u", text, port);
		listen_at_refused(why, what, error, setting);
		return SERVER_BIND;
	}
	/* The port lies at the same place in both kinds of address. */
	l->port = ntohs(bound.sin6_port);
	return SERVER_OK;
}

enum server_err server_listen(struct server *s, struct why *why)
{
	const struct server_options *o = &s->options;
	enum server_err err;

	s->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
	err = listen_on(&s->listeners[LISTENER_PLAIN], o->address, o->port, o->backlog,
			"ETHREX_PROOF_COORDINATOR_LISTEN_ADDRESS or ..._LISTEN_PORT", why);
	if (!err && o->tls.certificates)
		err = listen_on(&s->listeners[LISTENER_TLS], o->tls.address, o->tls.port,
				o->backlog, "ETHREX_PROOF_COORDINATOR_TLS_LISTEN", why);
	if (err)
		return err;
	if (s->spare < 0 || !watch_listeners(s, EPOLLIN)) {
		why_set(why, "cannot watch the listener: %s", strerror(errno));
		return SERVER_SYSTEM;
	}
	return SERVER_OK;
}

void server_unlisten(struct server *s)
{
	unsigned i;

	for (i = 0; i < LISTENERS; i++) {
		if (s->listeners[i].fd >= 0)
			close(s->listeners[i].fd);
		s->listeners[i].fd = -1;
	}
	if (s->spare >= 0)
		close(s->spare);
	s->spare = -1;
}

/* Says why, takes what already came so that closing is no reset, and closes. */
static void refuse(struct server *s, int fd, bool tls, enum server_refusal refusal)
{
	struct span text = s->options.refusal;

	s->counters.refused[refusal]++;
	if (!tls && text.n > 0 && send(fd, text.p, text.n, MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
		s->counters.bytes_out += text.n;
	shutdown(fd, SHUT_WR);
	(void)!recv(fd, s->chunk, SERVER_CHUNK, MSG_DONTWAIT);
	close(fd);
}

void server_accept_resume(uv_timer_t *timer)
{
	struct server *s = timer->data;

	s->paused = false;
	if (s->spare < 0)
		s->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
	watch_listeners(s, EPOLLIN);
}

static void pause_accepting(struct server *s)
{
	s->paused = true;
	s->counters.accept_pauses++;
	watch_listeners(s, 0);
	uv_timer_start(&s->pause, server_accept_resume, SERVER_PAUSE_MS, 0);
}

/* No descriptor is left: the spare one serves to tell those who wait, then it is quiet a while. */
static void out_of_descriptors(struct server *s, unsigned listener, int error)
{
	int i;

	server_log_gated(s, GATE_ACCEPT, "accept_failed",
			 "connections are refused: %s; %zu are open", strerror(error),
			 s->counters.connections);
	for (i = 0; i < SERVER_ACCEPTS && s->spare >= 0; i++) {
		int fd;

		close(s->spare);
		fd = accept4(s->listeners[listener].fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0)
			refuse(s, fd, listener == LISTENER_TLS, SERVER_REFUSED_DESCRIPTORS);
		s->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			break;
	}
	pause_accepting(s);
}

static void admit(struct server *s, int fd, const struct sockaddr *address, bool tls)
{
	struct limits_source source = limits_source_of(address);
	enum server_refusal refusal = SERVER_REFUSED_MEMORY;
	char text[LIMITS_SOURCE_TEXT];
	uint32_t ticket;

	switch (limits_enter(s->limits, &ticket, source)) {
	case LIMITS_OK:
		switch (conn_new(s, fd, address, ticket, tls)) {
		case CONN_BORN: return;
		case CONN_NO_HANDSHAKE: refusal = SERVER_REFUSED_HANDSHAKES; break;
		case CONN_NO_MEMORY: break;
		}
		limits_leave(s->limits, ticket);
		break;
	case LIMITS_CONNECTIONS: refusal = SERVER_REFUSED_CONNECTIONS; break;
	case LIMITS_SOURCE_CONNECTIONS: refusal = SERVER_REFUSED_SOURCE; break;
	case LIMITS_BYTES:
	case LIMITS_SOURCE_BYTES:
	case LIMITS_MEMORY: break;
	}
	server_log_gated(s, refusal, "refused",
			 "connection from %s refused: limit on %s; %zu are open",
			 limits_source_text(source, text), server_refusal_name(refusal),
			 s->counters.connections);
	refuse(s, fd, tls, refusal);
}

void server_accept(struct server *s, unsigned listener)
{
	struct sockaddr_storage address;
	int i;

	for (i = 0; i < SERVER_ACCEPTS && s->listeners[listener].fd >= 0 && !s->paused; i++) {
		socklen_t size = sizeof address;
		int fd = accept4(s->listeners[listener].fd, (struct sockaddr *)&address, &size,
				 SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			s->counters.accepted++;
			admit(s, fd, (struct sockaddr *)&address, listener == LISTENER_TLS);
			continue;
		}
		if (errno == EAGAIN || errno == EWOULDBLOCK)
			return;
		if (errno == EMFILE || errno == ENFILE) {
			out_of_descriptors(s, listener, errno);
		} else if (errno == ENOMEM || errno == ENOBUFS) {
			server_log_gated(s, GATE_ACCEPT, "accept_failed", "accept: %s",
					 strerror(errno));
			pause_accepting(s);
		}
		/* Anything else is about the one connection that was not accepted. */
	}
}
