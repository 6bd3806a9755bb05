/* The nodes that answer: who is ready, who rests, who is on another chain. */
#include "coordinator/base/clock.h"
#include "coordinator/base/log.h"
#include "coordinator/base/retry.h"
#include "coordinator/base/url.h"
#include "coordinator/l1/internal.h"
#include "encoding/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void rpc_endpoint_note(struct endpoint *e, const char *sentence)
{
	utf8_print(e->last_error, sizeof e->last_error, "%s", sentence);
	e->errors++;
}

void rpc_endpoint_failed(struct endpoint *e, const char *sentence, bool was_probe)
{
	const struct rpc_options *o = &e->rpc->opts;
	const uint64_t wait = retry_backoff(o->backoff_min_ms, o->backoff_max_ms, e->failures);

	rpc_endpoint_note(e, sentence);
	/* requests that were under way together fail together: that is one failure */
	if (e->state == RPC_RESTING && !was_probe)
		return;
	log_limited(LOG_WARN, "endpoint_failed", "", e->name, log_str("endpoint", e->name),
		    log_str("reason", e->last_error));
	e->rest_until = clock_mono_ms() + wait / 2 + retry_random(&e->rpc->random) % (wait / 2 + 1);
	e->failures++;
	e->probe_failed = was_probe;
	e->state = RPC_RESTING;
}

void rpc_endpoint_respect(struct endpoint *e, const struct http_answer *a)
{
	const uint64_t longest = e->rpc->opts.backoff_max_ms;
	uint64_t wait, until;

	if (!a->arrived || e->state != RPC_RESTING)
		return;
	wait = 1000 * (uint64_t)http_retry_after(http_header(a, "Retry-After"),
						 (int64_t)(clock_wall_ms() / 1000));
	until = clock_mono_ms() + (wait < longest ? wait : longest);
	if (until > e->rest_until)
		e->rest_until = until;
}

static bool another_may_answer(const struct rpc *rpc, size_t but)
{
	size_t i;

	for (i = 0; i < rpc->n_endpoints; i++)
		if (i != but && (rpc->endpoints[i].state == RPC_READY ||
				 rpc->endpoints[i].state == RPC_UNPROVEN))
			return true;
	return false;
}

void rpc_doubt(struct rpc *rpc, int endpoint, const char *sentence)
{
	struct endpoint *e;

	if (endpoint < 0 || (size_t)endpoint >= rpc->n_endpoints || rpc->closing)
		return;
	e = &rpc->endpoints[endpoint];
	if (!another_may_answer(rpc, (size_t)endpoint)) {
		rpc_endpoint_note(e, sentence);
		return;
	}
	rpc_endpoint_failed(e, sentence, false);
	e->rest_until = clock_mono_ms() + rpc->opts.backoff_max_ms;
	rpc_pump(rpc);
}

void rpc_endpoint_answered(struct endpoint *e, uint64_t started)
{
	uint64_t took = clock_mono_ms() - started;

	/* 0 means that none is known yet */
	took = took < 1 ? 1 : took > UINT32_MAX ? UINT32_MAX : took;
	e->latency_ms =
	    (uint32_t)(e->latency_ms ? (7 * (uint64_t)e->latency_ms + took + 7) / 8 : took);
	e->answers++;
}

static void chain_id_answered(struct endpoint *e, uint64_t id)
{
	struct rpc *rpc = e->rpc;
	char text[RPC_MESSAGE_SIZE];

	rpc_endpoint_answered(e, e->probe_started);
	if (!rpc->chain_id)
		rpc->chain_id = id;
	if (id == rpc->chain_id) {
		e->state = RPC_READY;
		if (e->probe_failed)
			e->failures = 0;
		return;
	}
	snprintf(text, sizeof text, "is on chain %llu, not on chain %llu: set aside",
		 (unsigned long long)id, (unsigned long long)rpc->chain_id);
	rpc_endpoint_note(e, text);
	log_limited(LOG_ERROR, "endpoint_of_another_chain", "", e->name,
		    log_str("endpoint", e->name), log_str("reason", text),
		    log_str("note", "ETHREX_ETH_RPC_URL names a node of another chain, or "
				    "ETHREX_PROOF_COORDINATOR_L1_CHAIN_ID is wrong"));
	e->state = RPC_SET_ASIDE;
	e->rest_until = clock_mono_ms() + rpc->opts.backoff_max_ms;
}

/* Of a status that is no JSON-RPC server's: what is most likely wrong. */
static const char *status_hint(long status)
{
	switch (status) {
	case 429: return ": it wants fewer requests; is its plan enough?";
	case 401:
	case 403: return ": is the key in ETHREX_ETH_RPC_URL right?";
	case 404:
	case 405:
	case 501: return ": no JSON-RPC is served there; is ETHREX_ETH_RPC_URL right?";
	case 400:
	case 426: return ": is https:// meant instead of http:// in ETHREX_ETH_RPC_URL?";
	case 402: return ": it wants to be paid; is its plan still good?";
	case 502:
	case 503:
	case 504:
		return ": the node behind it does not serve now; mend it, or add an endpoint to "
		       "ETHREX_ETH_RPC_URL";
	default: return "";
	}
}

static void say_redirect(struct why *why, const struct http_answer *a)
{
	const char *to = http_header(a, "Location");
	char masked[URL_MASKED_SIZE] = "";

	if (to && strstr(to, "://"))
		url_mask(masked, sizeof masked, to);
	why_set(why, "HTTP status %ld: redirects are not followed%s%s", a->status,
		masked[0] ? "; it leads to " : "", masked);
}

static void say_status(struct why *why, const struct http_answer *a)
{
	char words[RPC_WORDS_SIZE];

	rpc_body_words(words, a->body);
	why_set(why, "HTTP status %ld%s%s", a->status, status_hint(a->status), words);
}

/* What an HTTP answer is worth. A 4xx may carry a JSON-RPC error that is the node's true answer;
 * 429 and 5xx say that this endpoint does not work now, whatever they carry. */
static enum rpc_parsed_kind read_answer(struct rpc_parsed *p, const struct http_answer *a,
					uint64_t id, bool *bad_reply, struct why *why)
{
	enum rpc_parsed_kind kind;

	*p = (struct rpc_parsed){.kind = RPC_PARSED_BAD};
	*bad_reply = false;
	if (!a->arrived) {
		why_set(why, "%s", a->sentence);
		return RPC_PARSED_BAD;
	}
	if (a->status == 429 || a->status >= 500) {
		say_status(why, a);
		return RPC_PARSED_BAD;
	}
	if (a->status >= 300 && a->status < 400) {
		say_redirect(why, a);
		return RPC_PARSED_BAD;
	}
	kind = rpc_parse_reply(p, a->body, id, why);
	if (a->status != 200 && kind != RPC_PARSED_ERROR) {
		rpc_parsed_free(p);
		say_status(why, a);
		return RPC_PARSED_BAD;
	}
	*bad_reply = kind == RPC_PARSED_BAD;
	return kind;
}

/* Some quote the path that was asked for, and a hosted node's holds a key. */
#define KEY_MIN 8

static bool repeats_key(struct span body, const char *url)
{
	const char *p = strstr(url, "://") + 3, *at = strpbrk(p, "@/?#");
	size_t n;

	if (!at || *at != '@') /* no user: the host is no secret */
		p = at ? at : "";
	for (; *p; p += n + strspn(p + n, "/?&=:@#")) {
		n = strcspn(p, "/?&=:@#");
		if (n >= KEY_MIN && memmem(body.p, body.n, p, n))
			return true;
	}
	return false;
}

enum rpc_parsed_kind rpc_read_answer(struct rpc_parsed *p, const struct http_answer *a,
				     const struct endpoint *e, uint64_t id, bool *bad_reply,
				     struct why *why)
{
	const enum rpc_parsed_kind kind = read_answer(p, a, id, bad_reply, why);
	static const char hidden[] = "(not shown, for it repeats a part of the URL)";

	if (kind == RPC_PARSED_RESULT || !a->arrived || !repeats_key(a->body, e->url))
		return kind;
	if (kind == RPC_PARSED_ERROR)
		snprintf(p->message, sizeof p->message, "%s", hidden);
	else
		why_set(why, "HTTP status %ld%s, and words %s", a->status, status_hint(a->status),
			hidden);
	return kind;
}

static void on_probe(void *arg, const struct http_answer *a)
{
	struct endpoint *e = arg;
	struct rpc_parsed p;
	struct why why = {""};
	uint64_t id = 0;
	bool bad_reply;

	e->probe = NULL;
	switch (rpc_read_answer(&p, a, e, e->probe_id, &bad_reply, &why)) {
	case RPC_PARSED_RESULT:
		if (rpc_parse_u64(p.result, &id, &why) && id != 0) {
			chain_id_answered(e, id);
		} else {
			why_wrap(&why, "eth_chainId");
			rpc_endpoint_failed(e, why.text, true);
		}
		break;
	case RPC_PARSED_ERROR:
		why_set(&why, "eth_chainId: error %lld: %s", (long long)p.code, p.message);
		rpc_endpoint_failed(e, why.text, true);
		break;
	case RPC_PARSED_BAD: rpc_endpoint_failed(e, why.text, true); break;
	}
	rpc_endpoint_respect(e, a);
	rpc_parsed_free(&p);
}

void rpc_endpoint_probe(struct endpoint *e)
{
	struct rpc *rpc = e->rpc;
	struct http_request req = {.url = e->url,
				   .timeout_ms = rpc->opts.call_timeout_ms,
				   .connect_timeout_ms = rpc->opts.connect_timeout_ms,
				   .answer_max = rpc->opts.body_max};
	int n;

	e->probe_id = ++rpc->next_id;
	e->probe_started = clock_mono_ms();
	n = snprintf(e->probe_body, sizeof e->probe_body,
		     "{\"jsonrpc\":\"2.0\",\"id\":%llu,\"method\":\"eth_chainId\",\"params\":[]}",
		     (unsigned long long)e->probe_id);
	req.body = span_of(e->probe_body, (size_t)n);
	e->probe = http_post(rpc->http, &req, on_probe, e);
	if (!e->probe)
		rpc_endpoint_failed(e, "the request could not be started", true);
}

bool rpc_endpoint_init(struct rpc *rpc, size_t i, const char *url, struct why *why)
{
	struct endpoint *e = &rpc->endpoints[i];

	url_mask(e->name, sizeof e->name, url);
	if (strncmp(e->name, "http://", 7) != 0 && strncmp(e->name, "https://", 8) != 0) {
		why_set(why, "RPC URL %zu (%s) is not an http:// or https:// URL", i + 1, e->name);
		return false;
	}
	e->rpc = rpc;
	e->url = strdup(url);
	if (!e->url)
		why_set(why, "out of memory");
	return e->url != NULL;
}

void rpc_endpoints_free(struct rpc *rpc)
{
	size_t i;

	for (i = 0; i < RPC_ENDPOINTS_MAX; i++) {
		/* may hold an API key */
		if (rpc->endpoints[i].url)
			secret_wipe(rpc->endpoints[i].url, strlen(rpc->endpoints[i].url));
		free(rpc->endpoints[i].url);
	}
}

/* ---- status ---- */

size_t rpc_endpoint_count(const struct rpc *rpc)
{
	return rpc->n_endpoints;
}

bool rpc_endpoint_info(const struct rpc *rpc, size_t i, struct rpc_endpoint_info *out)
{
	const struct endpoint *e = &rpc->endpoints[i];

	if (i >= rpc->n_endpoints)
		return false;
	*out = (struct rpc_endpoint_info){.state = e->state,
					  .failures = e->failures,
					  .latency_ms = e->latency_ms,
					  .answers = e->answers,
					  .errors = e->errors};
	memcpy(out->name, e->name, sizeof out->name);
	memcpy(out->last_error, e->last_error, sizeof out->last_error);
	return true;
}

void rpc_expect_chain(struct rpc *rpc, uint64_t chain_id)
{
	if (!rpc->chain_id)
		rpc->chain_id = chain_id;
}

uint64_t rpc_chain_id(const struct rpc *rpc)
{
	return rpc->chain_id;
}
