#include "coordinator/server/internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/* serde_json stops at the same depth. */
#define MESSAGE_DEPTH 128

/* -- small things ------------------------------------------------------------------------------ */

uint64_t conn_id(const struct conn *c)
{
	return c->id;
}

const char *conn_peer(const struct conn *c, char out[CONN_PEER_TEXT])
{
	char address[INET6_ADDRSTRLEN];

	inet_ntop(c->peer_v4 ? AF_INET : AF_INET6, c->peer_address, address, sizeof address);
	snprintf(out, CONN_PEER_TEXT, c->peer_v4 ? "%s:%u" : "[%s]:%u", address, c->peer_port);
	return out;
}

static void remember_peer(struct conn *c, const struct sockaddr *address)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	if (address->sa_family == AF_INET) {
		memcpy(&v4, address, sizeof v4);
		memcpy(c->peer_address, &v4.sin_addr, 4);
		c->peer_port = ntohs(v4.sin_port);
		c->peer_v4 = true;
	} else if (address->sa_family == AF_INET6) {
		memcpy(&v6, address, sizeof v6);
		memcpy(c->peer_address, &v6.sin6_addr, 16);
		c->peer_port = ntohs(v6.sin6_port);
	}
}

enum limits_verdict conn_append(struct conn *c, struct buf *b, const void *bytes, size_t n)
{
	struct server *s = c->server;
	size_t old = b->cap, want = b->len + n, grown = old * 2;
	enum limits_verdict verdict;

	if (want < b->len || want > b->max)
		return LIMITS_BYTES;
	/* What struct buf will allocate at most, counted before it does. */
	if (want <= old)
		grown = old;
	else if (grown < want)
		grown = want < 256 ? 256 : want;
	if (grown > b->max)
		grown = b->max;
	verdict = limits_grow(s->limits, c->ticket, old, grown);
	if (verdict)
		return verdict;
	if (!buf_add(b, bytes, n))
		verdict = LIMITS_MEMORY;
	if (b->cap < grown)
		limits_shrink(s->limits, c->ticket, grown - b->cap);
	s->counters.buffered = limits_bytes(s->limits);
	return verdict;
}

void conn_release(struct conn *c, struct buf *b)
{
	limits_shrink(c->server->limits, c->ticket, b->cap);
	c->server->counters.buffered = limits_bytes(c->server->limits);
	buf_free(b);
}

void conn_release_message(struct conn *c)
{
	if (!c->pinned)
		conn_release(c, &c->in);
}

void conn_set_phase(struct conn *c, enum conn_phase phase)
{
	handshake_over(c);
	if (c->phase == CONN_PENDING)
		c->server->counters.waiting--;
	if (phase == CONN_PENDING)
		c->server->counters.waiting++;
	c->phase = phase;
}

void conn_progress(struct conn *c, uint64_t timeout_ms)
{
	uint64_t due = uv_now(c->server->loop) + timeout_ms;

	deadlines_set(c, due < c->due_final ? due : c->due_final);
}

void conn_hold(struct conn *c, uint64_t ms)
{
	if (c->phase == CONN_PENDING)
		deadlines_set(c, uv_now(c->server->loop) + ms);
}

bool conn_poll(struct conn *c, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.u64 = c->id};

	if (c->polled && c->events == events && !(events & EPOLLONESHOT))
		return true;
	if (epoll_ctl(c->server->epoll, c->polled ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, c->fd, &event)) {
		server_log(c->server, "epoll_failed", "a connection is closed: epoll_ctl: %s",
			   strerror(errno));
		conn_close(c, false, CONN_RESET);
		return false;
	}
	c->polled = true;
	c->events = events;
	return true;
}

/* -- the end ----------------------------------------------------------------------------------- */

void conn_close(struct conn *c, bool delivered, enum conn_farewell farewell)
{
	const struct linger none = {.l_onoff = 1, .l_linger = 0};
	struct server *s = c->server;
	bool tell = c->handed_over && s->options.on_end && !s->stopping;
	uint64_t id = c->id;

	conn_set_phase(c, CONN_DOOMED);
	c->handed_over = false;
	deadlines_remove(c);
	if (farewell == CONN_RESET)
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
	if (stream_running(c) || c->pinned) {
		if (c->polled)
			epoll_ctl(s->epoll, EPOLL_CTL_DEL, c->fd, NULL);
		shutdown(c->fd, SHUT_RDWR);
	} else {
		stream_free(c->stream);
		channel_free(c->channel);
		close(c->fd);
		conn_release(c, &c->in);
		conn_release(c, &c->out);
		limits_leave(s->limits, c->ticket);
		server_table_remove(s, c);
		free(c);
		server_one_less(s);
	}
	if (tell)
		s->options.on_end(s->options.arg, id, delivered);
}

void conn_pin(struct conn *c)
{
	c->pinned = true;
	c->server->jobs++;
}

void conn_unpin(struct server *s, uint64_t id)
{
	struct conn *c = server_lookup(s, id);

	c->pinned = false;
	if (c->phase == CONN_DOOMED)
		conn_close(c, false, CONN_RESET);
	else if (c->phase != CONN_PENDING)
		conn_release_message(c);
	server_job_done(s);
}

static void vanished(struct conn *c)
{
	c->server->counters.resets++;
	conn_close(c, false, CONN_IN_ORDER);
}

void conn_report(struct conn *c, enum server_bad bad, const struct why *why)
{
	struct server *s = c->server;
	uint64_t id = c->id;

	s->counters.bad[bad]++;
	conn_set_phase(c, CONN_PENDING);
	conn_release_message(c);
	if (s->options.on_bad)
		s->options.on_bad(s->options.arg, c, bad, why);
	c = server_conn(s, id);
	if (c)
		conn_close_silent(c);
}

void conn_expired(struct conn *c)
{
	struct server *s = c->server;
	struct why why;

	switch (c->phase) {
	case CONN_HANDSHAKE: handshake_expired(c); break;
	case CONN_READING:
		if (uv_now(s->loop) >= c->due_final) {
			why_set(&why, "the message was not complete after %llu ms (%zu bytes came)",
				(unsigned long long)s->options.total_timeout_ms, c->in.len);
			conn_report(c, SERVER_BAD_TOTAL_TIMEOUT, &why);
		} else {
			why_set(&why, "no byte came for %llu ms (%zu bytes before)",
				(unsigned long long)s->options.read_timeout_ms, c->in.len);
			conn_report(c, SERVER_BAD_READ_TIMEOUT, &why);
		}
		break;
	case CONN_PENDING:
		why_set(&why, "the answer was not ready in time");
		conn_report(c, SERVER_BAD_HOLD_TIMEOUT, &why);
		break;
	case CONN_WRITING:
		s->counters.write_timeouts++;
		conn_close(c, false, CONN_RESET);
		break;
	case CONN_LINGERING:
		s->counters.linger_timeouts++;
		conn_close(c, c->answered, CONN_IN_ORDER);
		break;
	case CONN_DOOMED: break;
	}
}

/* -- bytes ------------------------------------------------------------------------------------- */

ssize_t conn_recv(struct conn *c, void *to, size_t n)
{
	return c->channel ? channel_recv(c->channel, to, n) : recv(c->fd, to, n, 0);
}

ssize_t conn_send(struct conn *c, const void *from, size_t n)
{
	return c->channel ? channel_send(c->channel, from, n) : send(c->fd, from, n, MSG_NOSIGNAL);
}

/* -- reading ----------------------------------------------------------------------------------- */

static const char *source_text(const struct conn *c, char out[SERVER_SOURCE_TEXT])
{
	if (!c->has_key)
		return limits_source_text(c->source, out);
	memcpy(out, "key:", 4);
	hex_encode(out + 4, c->key, sizeof c->key);
	return out;
}

static void hand_over(struct conn *c)
{
	struct server *s = c->server;
	char source[SERVER_SOURCE_TEXT];
	uint64_t id = c->id;

	s->counters.messages++;
	conn_set_phase(c, CONN_PENDING);
	c->handed_over = true;
	deadlines_set(c, uv_now(s->loop) + s->options.hold_timeout_ms);
	s->options.handler(s->options.arg, c, buf_span(&c->in), source_text(c, source));
	c = server_conn(s, id);
	/* Still to be answered: watch whether the peer stays. */
	if (c)
		conn_poll(c, c->eof ? 0 : EPOLLIN);
}

/* False: the layer above does not want the rest; c may be gone. */
static bool show_beginning(struct conn *c)
{
	struct server *s = c->server;
	char source[SERVER_SOURCE_TEXT];
	uint64_t id = c->id;

	if (!s->options.on_beginning || c->in.len < c->show_at)
		return true;
	c->show_at = 2 * c->in.len;
	c->cut = true;
	conn_set_phase(c, CONN_PENDING);
	s->options.on_beginning(s->options.arg, c, buf_span(&c->in), source_text(c, source));
	c = server_conn(s, id);
	if (!c)
		return false;
	c->cut = false;
	conn_set_phase(c, CONN_READING);
	return true;
}

static void end_of_stream(struct conn *c)
{
	struct why why;

	c->eof = true;
	if (c->in.len == 0) {
		why_set(&why, "the peer closed without sending a byte");
		conn_report(c, SERVER_BAD_EMPTY, &why);
	} else if (json_scan_end(&c->scan, &why) == JSON_SCAN_DONE) {
		hand_over(c);
	} else {
		why_set(&why, "the stream ended%s inside the message, after %zu bytes",
			c->channel && channel_was_cut(c->channel) ? " without TLS's close_notify"
								  : "",
			c->in.len);
		conn_report(c, SERVER_BAD_TRUNCATED, &why);
	}
}

static void say_no_tls(const struct server *s, struct why *why)
{
	if (s->handshakes)
		why_set(why, "a TLS handshake on the port for plain TCP: TLS has port %u",
			server_tls_port(s));
	else
		why_set(why, "a TLS handshake: this coordinator speaks plain TCP only "
			     "(ETHREX_PROOF_COORDINATOR_TLS_LISTEN is not set)");
}

/* A browser, curl, or a prover whose URL is that of another service. */
static bool is_http(const uint8_t *bytes, size_t n)
{
	static const char *const methods[] = {"GET ",     "POST ",    "HEAD ",  "PUT ",  "DELETE ",
					      "OPTIONS ", "CONNECT ", "PATCH ", "TRACE "};
	size_t i;

	for (i = 0; i < sizeof methods / sizeof *methods; i++)
		if (n >= strlen(methods[i]) && memcmp(bytes, methods[i], strlen(methods[i])) == 0)
			return true;
	return false;
}

/* What came instead of a message, where its first bytes tell. */
static void say_other_protocol(const struct conn *c, const uint8_t *bytes, size_t n,
			       struct why *why)
{
	if (c->in.len != 0)
		return;
	if (bytes[0] == SERVER_TLS_FIRST && !c->channel)
		say_no_tls(c->server, why);
	else if (is_http(bytes, n))
		why_set(why, "byte 0: an HTTP request, where a prover's JSON is expected; the "
			     "status page and the API are at "
			     "ETHREX_PROOF_COORDINATOR_ADMIN_LISTEN");
}

/* Takes n bytes of the shared buffer. False: it was bad, and c may be gone. */
static bool take(struct conn *c, const uint8_t *bytes, size_t n, enum json_scan_state *state)
{
	struct server *s = c->server;
	bool whole = *state == JSON_SCAN_DONE;
	enum limits_verdict verdict;
	struct why why;

	if (n > s->options.max_message - c->in.len) {
		why_set(&why, "the message is longer than %zu bytes", s->options.max_message);
		conn_report(c, SERVER_BAD_OVERSIZE, &why);
		return false;
	}
	*state = json_scan_feed(&c->scan, bytes, n, &why);
	if (*state == JSON_SCAN_WRONG) {
		say_other_protocol(c, bytes, n, &why);
		conn_report(c, SERVER_BAD_JSON, &why);
		return false;
	}
	if (c->scan.first != 0 && c->scan.first != '{' && c->scan.first != '"') {
		why_set(&why, "the message is neither a JSON object nor a string");
		conn_report(c, SERVER_BAD_JSON, &why);
		return false;
	}
	if (whole)
		return true; /* white space after it */
	verdict = conn_append(c, &c->in, bytes, n);
	if (verdict) {
		why_set(&why, verdict == LIMITS_SOURCE_BYTES
				  ? "too many bytes from this address wait in memory"
				  : "too many bytes wait in memory");
		conn_report(c, SERVER_BAD_BUSY, &why);
		return false;
	}
	return true;
}

/* How much of it may be read now. 0: in a later turn, the epoll set will tell again. */
static size_t share_of(const struct conn *c)
{
	bool is_long = c->phase != CONN_READING || c->in.len >= SERVER_BEGINNING;

	return is_long ? c->server->bulk_left : SERVER_CHUNK;
}

static void spend(struct server *s, size_t n)
{
	s->counters.bytes_in += n;
	s->bulk_left -= n < s->bulk_left ? n : s->bulk_left;
}

static void read_message(struct conn *c)
{
	struct server *s = c->server;
	enum json_scan_state state = JSON_SCAN_MORE;
	size_t got = 0, share = share_of(c);

	if (share == 0)
		return;
	while (got < share) {
		ssize_t n = conn_recv(c, s->chunk, SERVER_CHUNK);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
			vanished(c);
			return;
		}
		if (n < 0)
			break;
		if (n == 0) {
			end_of_stream(c);
			return;
		}
		got += (size_t)n;
		spend(s, (size_t)n);
		if (!take(c, s->chunk, (size_t)n, &state) ||
		    (state == JSON_SCAN_MORE && !show_beginning(c)))
			return;
		/* A complete value is worth one more look: the end of the stream is often there. */
		if (state == JSON_SCAN_MORE && (size_t)n < SERVER_CHUNK)
			break;
	}
	if (state == JSON_SCAN_DONE) {
		hand_over(c);
		return;
	}
	if (got > 0)
		conn_progress(c, s->options.read_timeout_ms);
	conn_poll(c, EPOLLIN);
}

static ssize_t drop(struct conn *c)
{
	uint8_t *chunk = c->server->chunk;

	/* TCP drops with this flag what it would copy else. */
	return c->channel ? channel_recv(c->channel, chunk, SERVER_CHUNK)
			  : recv(c->fd, chunk, SERVER_CHUNK, MSG_TRUNC);
}

bool conn_discard(struct conn *c)
{
	struct server *s = c->server;
	size_t got = 0, share = share_of(c);

	while (got < share) {
		ssize_t n = drop(c);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN || errno == EWOULDBLOCK;
		if (n == 0) {
			c->eof = true;
			return false;
		}
		got += (size_t)n;
		spend(s, (size_t)n);
	}
	return true;
}

/* -- birth and events -------------------------------------------------------------------------- */

void conn_await_message(struct conn *c)
{
	struct server *s = c->server;

	c->due_final = uv_now(s->loop) + s->options.total_timeout_ms;
	conn_progress(c, s->options.read_timeout_ms);
	/* The message is often here already, and then the epoll set never hears of it. */
	read_message(c);
}

enum conn_born conn_new(struct server *s, int fd, const struct sockaddr *address, uint32_t ticket,
			bool tls)
{
	struct conn *c = calloc(1, sizeof *c);

	if (!c)
		return CONN_NO_MEMORY;
	c->server = s;
	c->fd = fd;
	c->ticket = ticket;
	c->phase = CONN_READING;
	if (!server_table_add(s, c)) {
		free(c);
		return CONN_NO_MEMORY;
	}
	c->source = limits_source_of(address);
	remember_peer(c, address);
	buf_init(&c->in, s->options.max_message);
	buf_init(&c->out, s->options.max_buffered_total);
	c->show_at = SERVER_BEGINNING;
	json_scan_init(&c->scan, MESSAGE_DEPTH, false);
	if (!tls) {
		conn_await_message(c);
	} else if (handshake_begin(c)) {
		conn_poll(c, EPOLLIN);
	} else {
		server_table_remove(s, c);
		free(c);
		return CONN_NO_HANDSHAKE;
	}
	return CONN_BORN;
}

void conn_events(struct server *s, uint64_t id, uint32_t events)
{
	struct conn *c = server_lookup(s, id);

	if (!c)
		return;
	switch (c->phase) {
	case CONN_HANDSHAKE: handshake_continue(c); break;
	case CONN_READING: read_message(c); break;
	case CONN_PENDING:
		if ((events & (EPOLLERR | EPOLLHUP)) || (!conn_discard(c) && !c->eof))
			vanished(c);
		else if (c->eof)
			conn_poll(c, 0);
		break;
	case CONN_WRITING:
		if (c->ending)
			conn_finish(c);
		else if (c->stream)
			stream_continue(c);
		else
			conn_write(c);
		break;
	case CONN_LINGERING:
		if (!conn_discard(c))
			conn_close(c, c->answered && c->eof, CONN_IN_ORDER);
		else if (c->cut)
			conn_progress(c, c->server->options.read_timeout_ms);
		break;
	case CONN_DOOMED: break;
	}
}
