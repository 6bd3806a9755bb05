#include "coordinator/server/internal.h"
#include "encoding/utf8.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

/* Descriptors for everything in the process that is not a connection. */
#define DESCRIPTORS_ELSEWHERE 256

static const char *const bad_names[SERVER_BAD_COUNT] = {
    [SERVER_BAD_EMPTY] = "empty",
    [SERVER_BAD_JSON] = "json",
    [SERVER_BAD_TRUNCATED] = "truncated",
    [SERVER_BAD_OVERSIZE] = "oversize",
    [SERVER_BAD_BUSY] = "busy",
    [SERVER_BAD_READ_TIMEOUT] = "read_timeout",
    [SERVER_BAD_TOTAL_TIMEOUT] = "total_timeout",
    [SERVER_BAD_HOLD_TIMEOUT] = "hold_timeout",
    [SERVER_BAD_TLS] = "tls",
};

static const char *const refusal_names[SERVER_REFUSED_COUNT] = {
    [SERVER_REFUSED_CONNECTIONS] = "connections", [SERVER_REFUSED_SOURCE] = "source",
    [SERVER_REFUSED_DESCRIPTORS] = "descriptors", [SERVER_REFUSED_MEMORY] = "memory",
    [SERVER_REFUSED_HANDSHAKES] = "handshakes",
};

const char *server_bad_name(enum server_bad bad)
{
	return bad_names[bad];
}

const char *server_refusal_name(enum server_refusal refusal)
{
	return refusal_names[refusal];
}

static void __attribute__((format(printf, 4, 0)))
log_sentence(struct server *s, bool usual, const char *event, const char *fmt, va_list ap)
{
	char sentence[512];

	utf8_vprint(sentence, sizeof sentence, fmt, ap);
	if (s->options.log)
		s->options.log(s->options.arg, usual, event, sentence);
}

void server_log(struct server *s, const char *event, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_sentence(s, false, event, fmt, ap);
	va_end(ap);
}

void server_note(struct server *s, const char *event, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_sentence(s, true, event, fmt, ap);
	va_end(ap);
}

void server_log_gated(struct server *s, unsigned gate, const char *event, const char *fmt, ...)
{
	struct log_gate *g = &s->gates[gate];
	uint64_t now = uv_now(s->loop);
	char sentence[400];
	va_list ap;

	if (!s->options.log)
		return;
	if (now < g->next) {
		g->left_out++;
		return;
	}
	va_start(ap, fmt);
	utf8_vprint(sentence, sizeof sentence, fmt, ap);
	va_end(ap);
	if (g->left_out > 0)
		server_log(s, event, "%s (and %llu more of this kind before)", sentence,
			   (unsigned long long)g->left_out);
	else
		server_log(s, event, "%s", sentence);
	*g = (struct log_gate){.next = now + 1000};
}

/* -- the table of connections ------------------------------------------------------------------ */

static uint64_t id_of(uint32_t generation, uint32_t slot)
{
	return (uint64_t)generation << 32 | slot;
}

struct conn *server_lookup(struct server *s, uint64_t id)
{
	uint32_t slot = (uint32_t)id;

	if (slot >= s->slots_used || !s->slots[slot].conn || s->slots[slot].conn->id != id)
		return NULL;
	return s->slots[slot].conn;
}

bool server_table_add(struct server *s, struct conn *c)
{
	uint32_t slot;

	if (!deadlines_reserve(s))
		return false;
	if (s->free_slot) {
		slot = s->free_slot - 1;
		s->free_slot = s->slots[slot].next_free;
	} else {
		if (s->slots_used == s->slots_cap) {
			uint32_t cap = s->slots_cap ? s->slots_cap * 2 : 64;
			struct slot *slots = realloc(s->slots, cap * sizeof *slots);

			if (!slots)
				return false;
			s->slots = slots;
			s->slots_cap = cap;
		}
		slot = s->slots_used++;
		s->slots[slot] = (struct slot){0};
	}
	/* Generation 0 is left out: an id is never 0, nor a listener's. */
	if (++s->slots[slot].generation == 0)
		s->slots[slot].generation = 1;
	s->slots[slot].conn = c;
	c->id = id_of(s->slots[slot].generation, slot);
	s->counters.connections++;
	return true;
}

void server_table_remove(struct server *s, struct conn *c)
{
	uint32_t slot = (uint32_t)c->id;

	s->slots[slot].conn = NULL;
	s->slots[slot].next_free = s->free_slot;
	s->free_slot = slot + 1;
	s->counters.connections--;
}

struct conn *server_conn(struct server *s, uint64_t id)
{
	struct conn *c = server_lookup(s, id);

	return c && c->phase == CONN_PENDING ? c : NULL;
}

uint16_t server_port(const struct server *s)
{
	return s->listeners[LISTENER_PLAIN].port;
}

uint16_t server_tls_port(const struct server *s)
{
	return s->listeners[LISTENER_TLS].port;
}

const struct server_counters *server_counters(const struct server *s)
{
	return &s->counters;
}

/* -- birth ------------------------------------------------------------------------------------- */

static enum server_err check_options(const struct server_options *o, struct why *why)
{
	const char *missing = NULL;

	if (!o->handler)
		missing = "handler";
	else if (!o->address)
		missing = "address";
	else if (o->max_message == 0)
		missing = "max_message";
	else if (o->max_connections == 0)
		missing = "max_connections";
	else if (o->max_buffered_total == 0)
		missing = "max_buffered_total";
	else if (o->read_timeout_ms == 0)
		missing = "read_timeout_ms";
	else if (o->write_timeout_ms == 0)
		missing = "write_timeout_ms";
	else if (o->total_timeout_ms == 0)
		missing = "total_timeout_ms";
	else if (o->hold_timeout_ms == 0)
		missing = "hold_timeout_ms";
	else if (o->tls.certificates && !o->tls.address)
		missing = "tls.address";
	else if (o->tls.certificates && o->tls.handshake_timeout_ms == 0)
		missing = "tls.handshake_timeout_ms";
	else if (o->tls.certificates && o->tls.max_handshakes == 0)
		missing = "tls.max_handshakes";
	if (missing) {
		why_set(why, "the server needs %s", missing);
		return SERVER_OPTIONS;
	}
	if (o->max_connections > INT32_MAX) {
		why_set(why, "max_connections %zu is more than %d", o->max_connections, INT32_MAX);
		return SERVER_OPTIONS;
	}
	return SERVER_OK;
}

/* Raises the soft limit, and the hard one where we may; else fewer connections are served, for the
 * rest of the process must still open its files. */
static void fit_descriptors(struct server *s)
{
	rlim_t want = s->options.max_connections + DESCRIPTORS_ELSEWHERE, room;
	struct rlimit limit, more;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= want)
		return;
	more = limit;
	more.rlim_cur = want;
	if (more.rlim_max < want)
		more.rlim_max = want;
	if (setrlimit(RLIMIT_NOFILE, &more) == 0)
		return;
	more = (struct rlimit){limit.rlim_max < want ? limit.rlim_max : want, limit.rlim_max};
	if (setrlimit(RLIMIT_NOFILE, &more) == 0)
		limit = more;
	if (limit.rlim_cur >= want)
		return;
	room = limit.rlim_cur > 2 * DESCRIPTORS_ELSEWHERE ? limit.rlim_cur - DESCRIPTORS_ELSEWHERE
							  : (limit.rlim_cur + 1) / 2;
	if (room >= s->options.max_connections)
		return;
	server_log(s, "fd_limit",
		   "%zu connections need %llu file descriptors, %llu are allowed: at most %llu "
		   "connections will be served",
		   s->options.max_connections, (unsigned long long)want,
		   (unsigned long long)limit.rlim_cur, (unsigned long long)room);
	s->options.max_connections = room;
}

static void on_epoll(uv_poll_t *poll, int status, int what)
{
	struct server *s = poll->data;
	struct epoll_event events[SERVER_EVENTS];
	int n, i;

	(void)what;
	if (status < 0)
		return;
	s->bulk_left = SERVER_BULK_BUDGET;
	s->handshake_steps = 0;
	n = epoll_wait(s->epoll, events, SERVER_EVENTS, 0);
	for (i = 0; i < n && !s->stopping; i++) {
		if (events[i].data.u64 < ID_CONNECTIONS)
			server_accept(s, (unsigned)events[i].data.u64);
		else
			conn_events(s, events[i].data.u64, events[i].events);
	}
}

static void free_memory(struct server *s)
{
	if (s->epoll >= 0)
		close(s->epoll);
	limits_free(s->limits);
	limits_free(s->handshakes);
	free(s->chunk);
	free(s->slots);
	free(s->heap);
	free(s);
}

enum server_err server_new(struct server **out, uv_loop_t *loop,
			   const struct server_options *options, struct why *why)
{
	struct limits_options limits;
	enum server_err err = check_options(options, why);
	struct server *s;
	int rc;

	*out = NULL;
	if (err)
		return err;
	s = calloc(1, sizeof *s);
	if (!s) {
		why_set(why, "no memory for the server");
		return SERVER_SYSTEM;
	}
	s->loop = loop;
	s->options = *options;
	s->options.backlog = options->backlog > 0 ? options->backlog : 1024;
	s->options.linger_timeout_ms =
	    options->linger_timeout_ms ? options->linger_timeout_ms : 2000;
	s->options.min_write_rate = options->min_write_rate ? options->min_write_rate : 16384;
	s->listeners[LISTENER_PLAIN].fd = s->listeners[LISTENER_TLS].fd = -1;
	s->spare = s->epoll = -1;
	s->timer_at = UINT64_MAX;
	fit_descriptors(s);

	limits = (struct limits_options){
	    .max_connections = s->options.max_connections,
	    .max_connections_per_source = options->max_connections_per_source,
	    .max_bytes = options->max_buffered_total,
	    .max_bytes_per_source = options->max_buffered_per_source,
	    .small = SERVER_SMALL,
	};
	err = SERVER_SYSTEM;
	if (getrandom(&limits.seed, sizeof limits.seed, 0) != sizeof limits.seed) {
		why_set(why, "no random numbers: %s", strerror(errno));
		goto fail;
	}
	s->limits = limits_new(&limits);
	s->chunk = malloc(SERVER_CHUNK);
	if (options->tls.certificates) {
		limits.max_connections = options->tls.max_handshakes;
		limits.max_connections_per_source = options->tls.max_handshakes_per_source;
		s->handshakes = limits_new(&limits);
	}
	if (!s->limits || !s->chunk || (options->tls.certificates && !s->handshakes)) {
		why_set(why, "no memory for the server");
		goto fail;
	}
	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (s->epoll < 0) {
		why_set(why, "epoll_create1: %s", strerror(errno));
		goto fail;
	}
	err = server_listen(s, why);
	if (err)
		goto fail;
	err = SERVER_SYSTEM;
	rc = uv_poll_init(loop, &s->poll, s->epoll);
	if (rc) {
		why_set(why, "uv_poll_init: %s", uv_strerror(rc));
		goto fail;
	}
	uv_timer_init(loop, &s->timer);
	uv_timer_init(loop, &s->pause);
	uv_timer_init(loop, &s->drain);
	s->poll.data = s->timer.data = s->pause.data = s->drain.data = s;
	s->handles = 4;
	*out = s;
	rc = uv_poll_start(&s->poll, UV_READABLE, on_epoll);
	if (rc) {
		why_set(why, "uv_poll_start: %s", uv_strerror(rc));
		*out = NULL;
		server_stop(s, NULL, NULL);
		return SERVER_SYSTEM;
	}
	signal(SIGPIPE, SIG_IGN);
	server_note(s, "listening", "listening on %s port %u", s->options.address, server_port(s));
	if (options->tls.certificates)
		server_note(s, "listening", "listening for TLS on %s port %u",
			    s->options.tls.address, server_tls_port(s));
	return SERVER_OK;
fail:
	server_unlisten(s);
	free_memory(s);
	return err;
}

/* -- drain and death --------------------------------------------------------------------------- */

static void on_drain(uv_timer_t *timer)
{
	struct server *s = timer->data;
	void (*done)(void *arg) = s->drained;
	uint32_t i;

	if (s->counters.connections > 0)
		server_log(s, "drain_deadline", "%zu connections did not finish in time",
			   s->counters.connections);
	for (i = 0; i < s->slots_used && !s->stopping; i++) {
		if (s->slots[i].conn && s->slots[i].conn->phase != CONN_DOOMED)
			conn_close(s->slots[i].conn, false, CONN_RESET);
	}
	s->drained = NULL;
	if (done && !s->stopping)
		done(s->drained_arg);
}

void server_one_less(struct server *s)
{
	/* Through the timer, so that done never runs inside a caller of ours. */
	if (s->draining && s->counters.connections == 0 && !s->stopping && s->drained)
		uv_timer_start(&s->drain, on_drain, 0, 0);
}

void server_drain(struct server *s, uint64_t deadline_ms, void (*done)(void *arg), void *arg)
{
	uint32_t i;

	if (s->stopping)
		return;
	s->drained = done;
	s->drained_arg = arg;
	if (!s->draining) {
		s->draining = true;
		server_unlisten(s);
		server_note(s, "drain", "no new connections; %zu are open",
			    s->counters.connections);
	}
	uv_update_time(s->loop);
	uv_timer_start(&s->drain, on_drain, s->counters.connections ? deadline_ms : 0, 0);
	for (i = 0; i < s->slots_used && !s->stopping; i++) {
		struct conn *c = s->slots[i].conn;
		uint64_t id;

		if (!c || (c->phase != CONN_READING && c->phase != CONN_HANDSHAKE) || c->in.len > 0)
			continue;
		/* Its first bytes may be here and not read yet. */
		id = c->id;
		conn_events(s, id, EPOLLIN);
		c = server_lookup(s, id);
		if (c && (c->phase == CONN_READING || c->phase == CONN_HANDSHAKE) && c->in.len == 0)
			conn_close(c, false, CONN_IN_ORDER);
	}
}

static void maybe_free(struct server *s)
{
	void (*stopped)(void *arg) = s->stopped;
	void *arg = s->stopped_arg;

	if (s->handles > 0 || s->jobs > 0)
		return;
	free_memory(s);
	if (stopped)
		stopped(arg);
}

void server_job_done(struct server *s)
{
	s->jobs--;
	if (s->stopping)
		maybe_free(s);
}

static void on_handle_closed(uv_handle_t *handle)
{
	struct server *s = handle->data;

	s->handles--;
	maybe_free(s);
}

void server_stop(struct server *s, void (*done)(void *arg), void *arg)
{
	uint32_t i;

	if (!s || s->stopping)
		return;
	s->stopping = true;
	s->stopped = done;
	s->stopped_arg = arg;
	server_unlisten(s);
	for (i = 0; i < s->slots_used; i++) {
		if (s->slots[i].conn && s->slots[i].conn->phase != CONN_DOOMED)
			conn_close(s->slots[i].conn, false, CONN_RESET);
	}
	uv_close((uv_handle_t *)&s->poll, on_handle_closed);
	uv_close((uv_handle_t *)&s->timer, on_handle_closed);
	uv_close((uv_handle_t *)&s->pause, on_handle_closed);
	uv_close((uv_handle_t *)&s->drain, on_handle_closed);
}

void server_set_refusal(struct server *s, struct span refusal)
{
	s->options.refusal = refusal;
}
