#include "coordinator/relay/exchange.h"

#include "coordinator/base/listen_at.h"

#include <inttypes.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct exchange {
	uv_tcp_t tcp;
	uv_timer_t timer;
	uv_connect_t connect;
	uv_write_t write;
	uv_shutdown_t shutdown;
	uv_getaddrinfo_t resolve;
	struct addrinfo *found, *next; /* what its name leads to, and what is not tried yet */
	char host[256];
	struct exchange_options o;
	struct buf message;
	const struct exchange_events *events; /* NULL: aborted, or over */
	void *arg;
	enum { CONNECTING, ASKED, ANSWERING } stage;
	uint64_t left_ms; /* of total_ms */
	uint64_t asked_at;
	bool resolving, reading, closing, paused;
	unsigned handles;
	uint8_t chunk[EXCHANGE_CHUNK];
};

/* ---- the end ---- */

static void let_go(struct exchange *x)
{
	if (x->handles || x->resolving)
		return;
	buf_free(&x->message);
	uv_freeaddrinfo(x->found);
	free(x);
}

static void on_closed(uv_handle_t *h)
{
	struct exchange *x = h->data;

	x->handles--;
	let_go(x);
}

static void close_all(struct exchange *x)
{
	if (x->closing)
		return;
	x->closing = true;
	x->events = NULL;
	if (x->resolving)
		uv_cancel((uv_req_t *)&x->resolve);
	if (!uv_is_closing((uv_handle_t *)&x->tcp)) /* else on_given_up() is to come */
		uv_close((uv_handle_t *)&x->tcp, on_closed);
	uv_close((uv_handle_t *)&x->timer, on_closed);
}

static void finish(struct exchange *x, enum exchange_end end, const char *sentence)
{
	const struct exchange_events *events = x->events;
	void *arg = x->arg;

	if (!events)
		return;
	close_all(x);
	events->end(arg, end, sentence);
}

static void failed(struct exchange *x, enum exchange_end end, const char *what, int rc)
{
	struct why why;

	why_set(&why, "%s:%u: %s: %s", x->o.host, x->o.port, what, uv_strerror(rc));
	finish(x, end, why.text);
}

void exchange_abort(struct exchange *x)
{
	if (x)
		close_all(x);
}

/* ---- deadlines ---- */

static void on_late(uv_timer_t *t)
{
	struct exchange *x = t->data;
	struct why why;

	switch (x->stage) {
	case CONNECTING:
		why_set(&why, "%s:%u: no connection within %" PRIu64 " ms", x->o.host, x->o.port,
			x->o.connect_ms);
		finish(x, EXCHANGE_NO_PEER, why.text);
		break;
	case ASKED:
		why_set(&why, "%s:%u: no answer within %" PRIu64 " ms", x->o.host, x->o.port,
			x->o.idle_ms);
		finish(x, EXCHANGE_NO_ANSWER, why.text);
		break;
	case ANSWERING:
		why_set(&why, "%s:%u: the answer stopped for %" PRIu64 " ms, or took too long",
			x->o.host, x->o.port, x->o.idle_ms);
		finish(x, EXCHANGE_BROKEN, why.text);
		break;
	}
}

/* The peer's time alone counts: what the reader takes to keep the bytes does not. */
static void clock_on(struct exchange *x)
{
	x->asked_at = uv_now(x->tcp.loop);
	uv_timer_start(&x->timer, on_late, x->left_ms < x->o.idle_ms ? x->left_ms : x->o.idle_ms,
		       0);
}

static void clock_off(struct exchange *x)
{
	const uint64_t took = uv_now(x->tcp.loop) - x->asked_at;

	x->left_ms -= took < x->left_ms ? took : x->left_ms;
	uv_timer_stop(&x->timer);
}

/* ---- the answer ---- */

static void on_alloc(uv_handle_t *h, size_t wanted, uv_buf_t *out)
{
	struct exchange *x = h->data;

	(void)wanted;
	*out = uv_buf_init((char *)x->chunk, sizeof x->chunk);
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
	struct exchange *x = s->data;

	(void)b;
	if (n == 0 || !x->events)
		return;
	clock_off(x);
	if (n == UV_EOF) {
		finish(x, EXCHANGE_WHOLE, "");
	} else if (n < 0) {
		failed(x, x->stage == ANSWERING ? EXCHANGE_BROKEN : EXCHANGE_NO_ANSWER,
		       "the connection broke", (int)n);
	} else {
		x->stage = ANSWERING;
		uv_read_stop(s);
		x->reading = false;
		x->events->bytes(x->arg, x->chunk, (size_t)n);
	}
}

void exchange_more(struct exchange *x)
{
	if (x->closing || x->reading)
		return;
	x->reading = true;
	clock_on(x);
	uv_read_start((uv_stream_t *)&x->tcp, on_alloc, on_read);
}

/* ---- the question ---- */

static void on_shut(uv_shutdown_t *r, int rc)
{
	(void)r;
	(void)rc; /* a broken connection shows itself in reading */
}

static void on_written(uv_write_t *r, int rc)
{
	struct exchange *x = r->data;

	if (rc == 0 && x->events)
		uv_shutdown(&x->shutdown, (uv_stream_t *)&x->tcp, on_shut);
}

static void try_next(struct exchange *x);

static void on_given_up(uv_handle_t *h)
{
	struct exchange *x = h->data;

	if (x->closing)
		on_closed(h);
	else
		try_next(x);
}

/* A name may lead to several addresses (localhost to [::1] and 127.0.0.1), of which one serves. */
static void not_connected(struct exchange *x, int rc)
{
	if (x->next)
		uv_close((uv_handle_t *)&x->tcp, on_given_up);
	else
		failed(x, EXCHANGE_NO_PEER, "no connection", rc);
}

static void on_connected(uv_connect_t *r, int rc)
{
	struct exchange *x = r->data;
	uv_buf_t b = uv_buf_init((char *)x->message.p, (unsigned)x->message.len);

	if (!x->events)
		return;
	if (rc != 0) {
		not_connected(x, rc);
		return;
	}
	rc = uv_write(&x->write, (uv_stream_t *)&x->tcp, &b, 1, on_written);
	if (rc != 0) {
		failed(x, EXCHANGE_NO_PEER, "no connection", rc);
		return;
	}
	x->stage = ASKED;
	uv_timer_stop(&x->timer);
	exchange_more(x);
}

static int connect_to(struct exchange *x, const struct sockaddr *to)
{
	return uv_tcp_connect(&x->connect, &x->tcp, to, on_connected);
}

static void try_next(struct exchange *x)
{
	const struct addrinfo *to = x->next;
	int rc;

	uv_tcp_init(x->timer.loop, &x->tcp);
	x->next = to->ai_next;
	rc = connect_to(x, to->ai_addr);
	if (rc != 0)
		not_connected(x, rc);
}

static void on_resolved(uv_getaddrinfo_t *r, int rc, struct addrinfo *found)
{
	struct exchange *x = r->data;

	x->resolving = false;
	x->found = x->next = found;
	if (x->closing)
		let_go(x);
	else
		not_connected(x, rc);
}

static int find_peer(struct exchange *x)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct listen_at at;
	char port[8];
	int rc;

	if (listen_at_ip(&at, x->o.host, x->o.port, NULL))
		return connect_to(x, (const struct sockaddr *)&at.address);
	snprintf(port, sizeof port, "%u", x->o.port);
	rc = uv_getaddrinfo(x->tcp.loop, &x->resolve, on_resolved, x->o.host, port, &hints);
	x->resolving = rc == 0;
	return rc;
}

bool exchange_new(struct exchange **out, uv_loop_t *loop, const struct exchange_options *options,
		  struct span message, const struct exchange_events *events, void *arg,
		  struct why *why)
{
	struct exchange *x = *out = malloc(sizeof *x);
	int rc;

	if (!x) {
		why_set(why, "out of memory for a connection upstream");
		return false;
	}
	memset(x, 0, offsetof(struct exchange, chunk));
	x->o = *options;
	snprintf(x->host, sizeof x->host, "%s", options->host);
	x->o.host = x->host;
	x->left_ms = options->total_ms;
	x->arg = arg;
	buf_init(&x->message, message.n + 1);
	uv_tcp_init(loop, &x->tcp);
	uv_timer_init(loop, &x->timer);
	x->handles = 2;
	x->tcp.data = x->timer.data = x->connect.data = x->write.data = x->resolve.data = x;
	uv_timer_start(&x->timer, on_late, options->connect_ms, 0);
	rc = buf_add(&x->message, message.p, message.n) ? find_peer(x) : UV_ENOMEM;
	if (rc != 0) {
		why_set(why, "%s:%u: %s", x->host, options->port, uv_strerror(rc));
		close_all(x);
		*out = NULL;
		return false;
	}
	x->events = events;
	return true;
}
