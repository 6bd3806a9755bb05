#include "coordinator/base/clock.h"
#include "coordinator/l1/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUEST_MAX (4u * 1024 * 1024)

/* ---- calls ---- */

static void call_finish(struct call *c, enum rpc_status status)
{
	if (c->state == CALL_RUNNING)
		c->rpc->n_running--;
	c->state = CALL_FINISHED;
	c->status = status;
}

static void call_unreachable(struct call *c)
{
	struct rpc *rpc = c->rpc;
	struct why all = {""};
	size_t i, n = 0;

	for (i = 0; i < rpc->n_endpoints; i++) {
		const struct endpoint *e = &rpc->endpoints[i];
		const char *said = e->last_error[0] ? e->last_error : "has not answered yet";
		int w;

		if (n >= sizeof all.text)
			break;
		w = snprintf(all.text + n, sizeof all.text - n, "%s%s: %s", n ? "; " : "", e->name,
			     said);
		n += w > 0 ? (size_t)w : 0;
	}
	c->why = all;
	call_finish(c, c->last_was_bad_reply ? RPC_BAD_REPLY : RPC_UNREACHABLE);
}

static void call_attempt_failed(struct call *c, const char *sentence, bool bad_reply, bool rest)
{
	struct endpoint *e = &c->rpc->endpoints[c->endpoint];

	if (rest)
		rpc_endpoint_failed(e, sentence, false);
	else
		rpc_endpoint_note(e, sentence);
	c->last_was_bad_reply = bad_reply;
	c->tried |= 1u << c->endpoint;
	if (c->no_retry || clock_mono_ms() >= c->deadline) {
		call_unreachable(c);
		return;
	}
	c->state = CALL_WAITING;
	c->rpc->n_running--;
}

/* As with HTTP's 429, which many say in a reply of status 200: it rests, another is asked. */
static void rate_limited(struct call *c, const struct http_answer *a)
{
	why_set(&c->why, "error %lld: %s", (long long)c->parsed.code, c->parsed.message);
	rpc_parsed_free(&c->parsed);
	call_attempt_failed(c, c->why.text, false, true);
	rpc_endpoint_respect(&c->rpc->endpoints[c->endpoint], a);
}

static void on_answer(void *arg, const struct http_answer *a)
{
	struct call *c = arg;
	struct endpoint *e = &c->rpc->endpoints[c->endpoint];
	bool bad_reply, whole_time;

	c->transfer = NULL;
	switch (rpc_read_answer(&c->parsed, a, e, c->cookie, &bad_reply, &c->why)) {
	case RPC_PARSED_RESULT:
	case RPC_PARSED_ERROR:
		rpc_endpoint_answered(e, c->started);
		if (c->parsed.kind == RPC_PARSED_ERROR &&
		    c->parsed.node_error == NODE_RATE_LIMITED) {
			rate_limited(c, a);
			return;
		}
		e->failures = 0;
		c->answered_by = (int)c->endpoint;
		if (c->parsed.kind == RPC_PARSED_ERROR)
			why_set(&c->why, "%s: error %lld: %s", e->name, (long long)c->parsed.code,
				c->parsed.message);
		call_finish(c, c->parsed.kind == RPC_PARSED_ERROR ? RPC_ERROR : RPC_OK);
		return;
	case RPC_PARSED_BAD: break;
	}
	/* a call in a greater hurry than the setting says nothing about the endpoint */
	whole_time = a->arrived || clock_mono_ms() < c->deadline ||
		     clock_mono_ms() - c->started >= c->rpc->opts.call_timeout_ms;
	call_attempt_failed(c, c->why.text, bad_reply, whole_time);
	rpc_endpoint_respect(e, a);
}

static int pick(const struct call *c, uint32_t skip)
{
	const struct rpc *rpc = c->rpc;
	size_t i;

	for (i = 0; i < rpc->n_endpoints; i++)
		if (rpc->endpoints[i].state == RPC_READY && !(skip >> i & 1))
			return (int)i;
	return -1;
}

static int choose(struct call *c)
{
	int i = c->prefer - 1;

	if (i >= 0 && (size_t)i < c->rpc->n_endpoints && !(c->tried >> i & 1) &&
	    c->rpc->endpoints[i].state == RPC_READY)
		return i;
	i = pick(c, c->tried | c->avoid);
	if (i < 0)
		i = pick(c, c->tried);
	if (i < 0) {
		/* what failed before has rested and shown its chain id since */
		i = pick(c, 0);
		if (i >= 0)
			c->tried = 0;
	}
	return i;
}

static void call_start(struct call *c, unsigned endpoint)
{
	struct rpc *rpc = c->rpc;
	uint64_t now = clock_mono_ms();
	uint64_t left = c->deadline > now ? c->deadline - now : 1;
	struct http_request req = {.url = rpc->endpoints[endpoint].url,
				   .body = buf_span(&c->body),
				   .timeout_ms = left < rpc->opts.call_timeout_ms
						     ? (uint32_t)left
						     : rpc->opts.call_timeout_ms,
				   .connect_timeout_ms = rpc->opts.connect_timeout_ms,
				   .answer_max = rpc->opts.body_max};

	c->endpoint = endpoint;
	c->started = now;
	c->state = CALL_RUNNING;
	rpc->n_running++;
	c->transfer = http_post(rpc->http, &req, on_answer, c);
	if (!c->transfer)
		call_attempt_failed(c, "the request could not be started", false, true);
}

static void call_free(struct call *c)
{
	if (c->transfer)
		http_stop(c->transfer);
	rpc_parsed_free(&c->parsed);
	buf_free(&c->body);
	free(c);
}

static void call_unlink(struct call *c)
{
	struct rpc *rpc = c->rpc;
	struct call **p;

	for (p = &rpc->calls; *p != c; p = &(*p)->next)
		;
	*p = c->next;
	if (rpc->tail == &c->next)
		rpc->tail = p;
	rpc->n_calls--;
	if (c->state == CALL_RUNNING)
		rpc->n_running--;
}

/* The call is unlinked before its callback, so that the callback may do anything. */
static void call_deliver(struct call *c)
{
	struct rpc_reply reply = {
	    .status = c->status, .endpoint = -1, .sentence = "", .message = ""};

	call_unlink(c);
	switch (c->status) {
	case RPC_ERROR:
		reply.code = c->parsed.code;
		reply.message = c->parsed.message;
		reply.has_data = c->parsed.has_data;
		reply.data = buf_span(&c->parsed.data);
		reply.node_error = c->parsed.node_error;
		reply.has_next_nonce = c->parsed.has_next_nonce;
		reply.next_nonce = c->parsed.next_nonce;
		reply.endpoint = c->answered_by;
		reply.sentence = c->why.text;
		break;
	case RPC_OK:
		reply.result = c->parsed.result;
		reply.endpoint = c->answered_by;
		break;
	case RPC_UNREACHABLE:
	case RPC_BAD_REPLY: reply.sentence = c->why.text; break;
	case RPC_CANCELLED: reply.sentence = "the call was cancelled"; break;
	}
	c->cb(c->arg, &reply);
	call_free(c);
}

/* ---- the loop's side ---- */

static void on_tick(uv_timer_t *timer);

static void set_timer(struct rpc *rpc)
{
	uint64_t at = UINT64_MAX, now = clock_mono_ms();
	const struct call *c;
	size_t i;

	for (c = rpc->calls; c; c = c->next) {
		uint64_t due = c->state == CALL_FINISHED ? now : c->deadline;

		if (due < at)
			at = due;
	}
	for (i = 0; i < rpc->n_endpoints; i++) {
		const struct endpoint *e = &rpc->endpoints[i];

		if (e->state != RPC_READY && !e->probe && e->rest_until < at)
			at = e->rest_until;
	}
	if (at == UINT64_MAX) {
		uv_timer_stop(&rpc->timer);
		return;
	}
	uv_update_time(rpc->loop);
	uv_timer_start(&rpc->timer, on_tick, at > now ? at - now : 0, 0);
}

void rpc_pump(struct rpc *rpc)
{
	uint64_t now = clock_mono_ms();
	struct call *c;
	size_t i;

	for (i = 0; i < rpc->n_endpoints; i++) {
		struct endpoint *e = &rpc->endpoints[i];

		if (e->state != RPC_READY && !e->probe && e->rest_until <= now)
			rpc_endpoint_probe(e);
	}
	for (c = rpc->calls; c; c = c->next) {
		if (c->state == CALL_WAITING && rpc->n_running < rpc->opts.max_in_flight) {
			int e = choose(c);

			if (e >= 0)
				call_start(c, (unsigned)e);
		}
		if (c->state != CALL_FINISHED && now >= c->deadline) {
			if (c->transfer) {
				http_stop(c->transfer);
				c->transfer = NULL;
				call_attempt_failed(c, "no answer before the call's deadline",
						    false,
						    now - c->started >= rpc->opts.call_timeout_ms);
			} else {
				call_unreachable(c);
			}
		}
	}
	set_timer(rpc);
}

static void deliver(void *arg)
{
	struct rpc *rpc = arg;
	struct call *c;

	/* each callback may change the list: start over after it */
	do {
		for (c = rpc->calls; c && c->state != CALL_FINISHED; c = c->next)
			;
		if (c)
			call_deliver(c);
		if (rpc->closing)
			return;
	} while (c);
	rpc_pump(rpc);
}

static void on_tick(uv_timer_t *timer)
{
	struct rpc *rpc = timer->data;

	rpc_pump(rpc);
	deliver(rpc);
}

/* ---- life ---- */

static void default_u32(uint32_t *v, uint32_t value)
{
	if (!*v)
		*v = value;
}

struct rpc *rpc_new(uv_loop_t *loop, const struct rpc_options *options, struct why *why)
{
	struct rpc *rpc = NULL;
	size_t i;

	if (options->n_urls < 1 || options->n_urls > RPC_ENDPOINTS_MAX) {
		why_set(why, "%zu RPC URLs given; 1 to %d are needed", options->n_urls,
			RPC_ENDPOINTS_MAX);
		return NULL;
	}
	rpc = calloc(1, sizeof *rpc);
	if (!rpc) {
		why_set(why, "out of memory");
		return NULL;
	}
	rpc->opts = *options;
	rpc->opts.urls = NULL;
	default_u32(&rpc->opts.call_timeout_ms, 10000);
	default_u32(&rpc->opts.connect_timeout_ms, 5000);
	default_u32(&rpc->opts.deadline_ms, 30000);
	default_u32(&rpc->opts.max_in_flight, 16);
	default_u32(&rpc->opts.max_calls, 256);
	default_u32(&rpc->opts.backoff_min_ms, 500);
	default_u32(&rpc->opts.backoff_max_ms, 30000);
	if (!rpc->opts.body_max)
		rpc->opts.body_max = 4u * 1024 * 1024;
	for (i = 0; i < options->n_urls; i++)
		if (!rpc_endpoint_init(rpc, i, options->urls[i], why))
			goto fail;
	rpc->n_endpoints = options->n_urls;
	rpc->loop = loop;
	rpc->chain_id = options->chain_id;
	rpc->random = options->seed;
	rpc->tail = &rpc->calls;
	rpc->http = http_new(loop, options->proxy_from_environment, deliver, rpc, why);
	if (!rpc->http)
		goto fail;
	uv_timer_init(loop, &rpc->timer);
	rpc->timer.data = rpc;
	rpc->live_handles = 2;
	rpc_pump(rpc);
	return rpc;
fail:
	rpc_endpoints_free(rpc);
	free(rpc);
	return NULL;
}

uint64_t rpc_call(struct rpc *rpc, const char *method, const char *params,
		  const struct rpc_call_options *options, rpc_cb *cb, void *arg, struct why *why)
{
	static const struct rpc_call_options none;
	const struct rpc_call_options *o = options ? options : &none;
	struct call *c = NULL;

	if (rpc->closing) {
		why_set(why, "%s: the RPC client is closing", method);
		return 0;
	}
	if (rpc->n_calls >= rpc->opts.max_calls) {
		why_set(why, "%s: %u RPC calls are waiting already", method, rpc->n_calls);
		return 0;
	}
	c = calloc(1, sizeof *c);
	if (!c)
		goto no_memory;
	buf_init(&c->body, REQUEST_MAX);
	buf_init(&c->parsed.data, 0);
	c->cookie = rpc->next_id + 1;
	if (!buf_printf(&c->body, "{\"jsonrpc\":\"2.0\",\"id\":%llu,\"method\":\"%s\",\"params\":",
			(unsigned long long)c->cookie, method) ||
	    !buf_add_str(&c->body, params) || !buf_add_str(&c->body, "}"))
		goto no_memory;
	rpc->next_id++;
	c->rpc = rpc;
	c->deadline = clock_mono_ms() + (o->deadline_ms ? o->deadline_ms : rpc->opts.deadline_ms);
	c->avoid = o->avoid;
	c->prefer = o->prefer;
	c->no_retry = o->no_retry;
	c->answered_by = -1;
	c->cb = cb;
	c->arg = arg;
	*rpc->tail = c;
	rpc->tail = &c->next;
	rpc->n_calls++;
	rpc_pump(rpc);
	return c->cookie;
no_memory:
	if (c)
		call_free(c);
	why_set(why, "%s: no memory for the request, or it is over %u bytes", method, REQUEST_MAX);
	return 0;
}

static void call_cancel(struct call *c)
{
	if (c->transfer)
		http_stop(c->transfer);
	c->transfer = NULL;
	call_finish(c, RPC_CANCELLED);
	call_deliver(c);
}

void rpc_cancel(struct rpc *rpc, uint64_t cookie)
{
	struct call *c;

	for (c = rpc->calls; c && c->cookie != cookie; c = c->next)
		;
	if (c)
		call_cancel(c);
}

static void rpc_unref(struct rpc *rpc)
{
	void (*closed)(void *) = rpc->closed;
	void *arg = rpc->closed_arg;

	if (--rpc->live_handles > 0)
		return;
	rpc_endpoints_free(rpc);
	free(rpc);
	if (closed)
		closed(arg);
}

static void on_http_closed(void *arg)
{
	rpc_unref(arg);
}

static void on_timer_closed(uv_handle_t *h)
{
	rpc_unref(h->data);
}

void rpc_close(struct rpc *rpc, void (*cb)(void *arg), void *arg)
{
	size_t i;

	if (rpc->closing)
		return;
	rpc->closing = true;
	rpc->closed = cb;
	rpc->closed_arg = arg;
	while (rpc->calls)
		call_cancel(rpc->calls);
	for (i = 0; i < rpc->n_endpoints; i++) {
		if (rpc->endpoints[i].probe)
			http_stop(rpc->endpoints[i].probe);
		rpc->endpoints[i].probe = NULL;
	}
	http_close(rpc->http, on_http_closed, rpc);
	uv_close((uv_handle_t *)&rpc->timer, on_timer_closed);
}

unsigned rpc_pending(const struct rpc *rpc)
{
	return rpc->n_calls;
}
