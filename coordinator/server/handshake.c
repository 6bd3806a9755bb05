/* The TLS listener's first phase: from an accepted socket to a channel, and who is at its end. */
#include "coordinator/server/internal.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

/* A handshake costs some 300 us of the loop: others have their turn in between. */
#define STEPS_IN_A_TURN   16
#define UNKNOWN_LOGGED_MS 60000

bool handshake_begin(struct conn *c)
{
	struct server *s = c->server;

	if (limits_enter(s->handshakes, &c->handshake_ticket, c->source) != LIMITS_OK)
		return false;
	c->phase = CONN_HANDSHAKE;
	s->counters.handshaking++;
	deadlines_set(c, uv_now(s->loop) + s->options.tls.handshake_timeout_ms);
	return true;
}

void handshake_over(struct conn *c)
{
	if (c->phase != CONN_HANDSHAKE)
		return;
	limits_leave(c->server->handshakes, c->handshake_ticket);
	c->server->counters.handshaking--;
}

/* Nothing can be said on this connection: it is reported and ended. */
static void fail(struct conn *c, enum server_bad bad, const struct why *why)
{
	struct server *s = c->server;
	uint64_t id = c->id;

	s->counters.bad[bad]++;
	conn_set_phase(c, CONN_LINGERING);
	if (s->options.on_bad)
		s->options.on_bad(s->options.arg, c, bad, why);
	c = server_lookup(s, id);
	if (!c)
		return;
	channel_free(c->channel);
	c->channel = NULL;
	conn_finish(c);
}

void handshake_expired(struct conn *c)
{
	struct why why;

	why_set(&why, "the TLS handshake was not complete after %llu ms",
		(unsigned long long)c->server->options.tls.handshake_timeout_ms);
	fail(c, SERVER_BAD_TLS, &why);
}

/* Its key is an identity: from here on it is not counted with its address. */
static bool adopt(struct conn *c, const uint8_t hash[TLS_KEY_HASH])
{
	struct limits_source key;

	memcpy(key.bytes, hash, sizeof key.bytes);
	if (limits_move(c->server->limits, &c->ticket, key) != LIMITS_OK)
		return false;
	c->source = key;
	c->has_key = true;
	memcpy(c->key, hash, TLS_KEY_HASH);
	return true;
}

static void log_unknown(struct conn *c, const uint8_t hash[TLS_KEY_HASH], const struct why *why)
{
	struct server *s = c->server;
	struct log_gate *gate = &s->gates[GATE_UNKNOWN_KEY];
	const uint64_t now = uv_now(s->loop);
	char peer[CONN_PEER_TEXT], key[2 * TLS_KEY_HASH + 1];
	const bool due = now >= gate->next;

	hex_encode(key, hash, TLS_KEY_HASH);
	server_log_gated(s, GATE_UNKNOWN_KEY, "tls_key_unknown",
			 "%s shows the key %s and counts as its address: %s, and no quote that "
			 "passed here names it",
			 conn_peer(c, peer), key, why->text);
	if (due)
		gate->next = now + UNKNOWN_LOGGED_MS;
}

/* False: more connections of this key than one source may have. */
static bool identify(struct conn *c)
{
	const struct server_options *o = &c->server->options;
	uint8_t hash[TLS_KEY_HASH];
	struct why why = {""};

	switch (channel_client(c->channel, o->tls.certificates, hash, &why)) {
	case CLIENT_NONE: return true;
	case CLIENT_PINNED:
	case CLIENT_SIGNED: return adopt(c, hash);
	case CLIENT_UNKNOWN: break;
	}
	if (o->tls.attested && o->tls.attested(o->arg, hash))
		return adopt(c, hash);
	log_unknown(c, hash, &why);
	return true;
}

static void done(struct conn *c)
{
	struct server *s = c->server;
	struct why why;

	s->counters.handshakes++;
	conn_set_phase(c, CONN_READING);
	if (!identify(c)) {
		why_set(&why, "too many connections with this key");
		conn_report(c, SERVER_BAD_BUSY, &why);
		return;
	}
	conn_await_message(c);
}

/* Whoever speaks JSON is told, in JSON, that this port does not. False: he was. */
static bool is_tls(struct conn *c)
{
	struct why why;
	uint8_t first;
	ssize_t n = recv(c->fd, &first, 1, MSG_PEEK);

	if (n < 0 || (n == 1 && first == SERVER_TLS_FIRST))
		return true;
	if (n == 0) {
		why_set(&why, "the peer closed without sending a byte");
		fail(c, SERVER_BAD_EMPTY, &why);
		return false;
	}
	why_set(&why, "plain bytes on the TLS port %u: the port for plain TCP is %u",
		c->server->listeners[LISTENER_TLS].port, c->server->listeners[LISTENER_PLAIN].port);
	conn_report(c, SERVER_BAD_TLS, &why);
	return false;
}

void handshake_continue(struct conn *c)
{
	struct server *s = c->server;
	struct why why = {""};

	/* The socket stays ready: this one's turn comes. */
	if (s->handshake_steps++ >= STEPS_IN_A_TURN)
		return;
	if (!c->channel) {
		if (!is_tls(c))
			return;
		c->channel = channel_new(s->options.tls.certificates, c->fd);
	}
	if (!c->channel) {
		why_set(&why, "out of memory");
		fail(c, SERVER_BAD_BUSY, &why);
		return;
	}
	switch (channel_accept(c->channel, &why)) {
	case CHANNEL_DONE: done(c); break;
	case CHANNEL_WANTS_READ: conn_poll(c, EPOLLIN); break;
	case CHANNEL_WANTS_WRITE: conn_poll(c, EPOLLOUT); break;
	case CHANNEL_FAILED:
		why_wrap(&why, "the TLS handshake failed");
		fail(c, SERVER_BAD_TLS, &why);
		break;
	}
}
