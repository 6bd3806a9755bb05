#include "coordinator/signing/remote.h"

#include "coordinator/base/log.h"
#include "coordinator/base/retry.h"
#include "coordinator/base/url.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define URL_MAX       1024
#define BODY_MAX      (512u * 1024) /* a transaction of 128 KiB in hex, and the JSON around it */
#define ASK_AGAIN_MIN 5000          /* ms */
#define ASK_AGAIN_MAX 300000
#define QUOTED_MAX    120 /* characters of an answer that are quoted */

struct remote {
	struct remote_options o;
	char host[URL_MASKED_SIZE];
	char sign_url[URL_MAX + 160], keys_url[URL_MAX + 64];
	struct http *http;
	uv_timer_t timer;
	uv_loop_t *loop;
	struct http_transfer *asking;
	unsigned failures;
	unsigned open; /* the timer, the client */
	void (*closed)(void *arg);
	void *closed_arg;
};

struct remote_request {
	struct remote *remote;
	struct http_transfer *transfer;
	struct buf body;
	remote_cb *cb;
	void *arg;
};

/* ---- what its answers mean ---- */

/* Printable characters only, and few of them. */
static void quote(char out[QUOTED_MAX + 1], struct span body)
{
	size_t i;

	for (i = 0; i < body.n && i < QUOTED_MAX; i++)
		out[i] = body.p[i] >= 0x20 && body.p[i] < 0x7f ? (char)body.p[i] : ' ';
	out[i] = '\0';
}

/* White space and quotes around it dropped. */
static struct span bare(struct span s)
{
	while (s.n > 0 && memchr(" \t\r\n\"", s.p[0], 5))
		s = span_of(s.p + 1, s.n - 1);
	while (s.n > 0 && memchr(" \t\r\n\"", s.p[s.n - 1], 5))
		s.n--;
	return s;
}

/* Web3Signer sends the bare hex; in JSON others put it under "signature". */
bool remote_parse_signature(uint8_t sig[ETH_SIGNATURE_SIZE], struct span body, struct why *why)
{
	const struct span text = bare(body);
	char quoted[QUOTED_MAX + 1];
	json_t *o = NULL;
	const char *in_json = NULL;
	bool ok = hex_decode(sig, ETH_SIGNATURE_SIZE, (const char *)text.p, text.n);

	if (!ok && text.n > 0 && text.p[0] == '{') {
		o = json_loadb((const char *)body.p, body.n, JSON_REJECT_DUPLICATES, NULL);
		in_json = json_string_value(json_object_get(o, "signature"));
		ok = in_json && hex_decode(sig, ETH_SIGNATURE_SIZE, in_json, strlen(in_json));
	}
	json_decref(o);
	if (ok)
		return true;
	quote(quoted, body);
	why_set(why, "its answer is no signature of 65 bytes in hex: \"%s\"", quoted);
	return false;
}

bool remote_parse_keys(size_t *n, struct span body, const uint8_t point[ETH_POINT_SIZE],
		       struct why *why)
{
	uint8_t listed[ETH_POINT_SIZE];
	json_t *list = json_loadb((const char *)body.p, body.n, 0, NULL), *key;
	bool found = false;
	size_t i;

	*n = json_array_size(list);
	json_array_foreach (list, i, key) {
		if (json_is_string(key) &&
		    eth_public_key_parse(listed, json_string_value(key), NULL) &&
		    memcmp(listed, point, sizeof listed) == 0)
			found = true;
	}
	if (!json_is_array(list))
		why_set(why, "its list of public keys is no list");
	else if (!found)
		why_set(why, "it has %zu keys, and not the one of REMOTE_SIGNER_PUBLIC_KEY", *n);
	json_decref(list);
	return found;
}

void remote_refusal(struct why *why, long status, struct span body)
{
	char quoted[QUOTED_MAX + 1];

	quote(quoted, body);
	if (status == 404)
		why_set(why, "it does not know the public key, or signs for no Ethereum account "
			     "(HTTP 404)");
	else if (status == 401 || status == 403)
		why_set(why, "it lets this client in no further (HTTP %ld)", status);
	else
		why_set(why, "it answers with HTTP %ld%s%s%s", status, quoted[0] ? ": \"" : "",
			quoted, quoted[0] ? "\"" : "");
}

/* ---- which keys has it? ---- */

static void ask_for_keys(struct remote *r);

static void on_ask_timer(uv_timer_t *timer)
{
	ask_for_keys(timer->data);
}

static void on_keys(void *arg, const struct http_answer *a)
{
	struct remote *r = arg;
	struct why why = {""};
	size_t n = 0;

	r->asking = NULL;
	if (!a->arrived)
		why_set(&why, "it does not answer: %s", a->sentence);
	else if (a->status != 200)
		remote_refusal(&why, a->status, a->body);
	else if (remote_parse_keys(&n, a->body, r->o.point, &why)) {
		log_event(LOG_INFO, "signer_ready", log_str("signer", r->host), log_u64("keys", n));
		return;
	}
	log_event(LOG_WARN, "signer_trouble", log_str("signer", r->host),
		  log_str("reason", why.text));
	uv_timer_start(&r->timer, on_ask_timer,
		       retry_spread(retry_backoff(ASK_AGAIN_MIN, ASK_AGAIN_MAX, r->failures++), 5,
				    retry_random(&r->o.seed)),
		       0);
}

static struct http_request request_to(const struct remote *r, const char *url)
{
	return (struct http_request){.url = url,
				     .ca_file = r->o.ca_file[0] ? r->o.ca_file : NULL,
				     .timeout_ms = r->o.timeout_ms,
				     .connect_timeout_ms = r->o.timeout_ms,
				     .answer_max = REMOTE_ANSWER_MAX};
}

static void ask_for_keys(struct remote *r)
{
	struct http_request req = request_to(r, r->keys_url);

	req.answer_max = REMOTE_KEYS_MAX;
	r->asking = http_get(r->http, &req, on_keys, r);
	if (!r->asking)
		uv_timer_start(&r->timer, on_ask_timer, ASK_AGAIN_MIN, 0);
}

/* ---- a signature ---- */

static void request_free(struct remote_request *q)
{
	buf_free(&q->body);
	free(q);
}

static void on_signature(void *arg, const struct http_answer *a)
{
	struct remote_request *q = arg;
	uint8_t sig[ETH_SIGNATURE_SIZE];
	struct why why = {""};
	bool ok = false;

	if (!a->arrived)
		why_set(&why, "it does not answer: %s", a->sentence);
	else if (a->status != 200)
		remote_refusal(&why, a->status, a->body);
	else
		ok = remote_parse_signature(sig, a->body, &why);
	if (!ok)
		why_wrap(&why, "the remote signer %s", q->remote->host);
	q->cb(q->arg, ok ? sig : NULL, why.text);
	request_free(q);
}

static bool add_hex(struct buf *out, struct span bytes)
{
	char text[2 * 256 + 1];
	size_t at, n;

	for (at = 0; at < bytes.n; at += n) {
		n = bytes.n - at < 256 ? bytes.n - at : 256;
		hex_encode(text, bytes.p + at, n);
		if (!buf_add_str(out, text))
			return false;
	}
	return true;
}

struct remote_request *remote_sign(struct remote *r, struct span payload, remote_cb *cb, void *arg,
				   struct why *why)
{
	struct http_request req = request_to(r, r->sign_url);
	struct remote_request *q = calloc(1, sizeof *q);

	if (!q) {
		why_set(why, "out of memory");
		return NULL;
	}
	*q = (struct remote_request){.remote = r, .cb = cb, .arg = arg};
	buf_init(&q->body, BODY_MAX);
	if (buf_add_str(&q->body, "{\"data\":\"0x") && add_hex(&q->body, payload) &&
	    buf_add_str(&q->body, "\"}")) {
		req.body = buf_span(&q->body);
		q->transfer = http_post(r->http, &req, on_signature, q);
	}
	if (q->transfer)
		return q;
	why_set(why, "the remote signer cannot be asked: out of memory for %zu bytes", payload.n);
	request_free(q);
	return NULL;
}

void remote_stop(struct remote_request *q)
{
	http_stop(q->transfer);
	request_free(q);
}

const char *remote_host(const struct remote *r)
{
	return r->host;
}

/* ---- life ---- */

static void after_round(void *arg)
{
	(void)arg;
}

static void make_urls(struct remote *r)
{
	char point[2 * ETH_POINT_SIZE + 1];
	size_t n = strlen(r->o.url);

	while (n > 0 && r->o.url[n - 1] == '/')
		n--;
	hex_encode(point, r->o.point, ETH_POINT_SIZE);
	snprintf(r->sign_url, sizeof r->sign_url, "%.*s/api/v1/eth1/sign/%s", (int)n, r->o.url,
		 point);
	snprintf(r->keys_url, sizeof r->keys_url, "%.*s/api/v1/eth1/publicKeys", (int)n, r->o.url);
	url_mask(r->host, sizeof r->host, r->o.url);
}

bool remote_new(struct remote **out, uv_loop_t *loop, const struct remote_options *options,
		struct why *why)
{
	struct remote *r = calloc(1, sizeof *r);

	*out = NULL;
	if (!r || strlen(options->url) > URL_MAX) {
		why_set(why, r ? "the remote signer's URL is too long" : "out of memory");
		free(r);
		return false;
	}
	r->o = *options;
	r->loop = loop;
	make_urls(r);
	r->http = http_new(loop, false, after_round, r, why);
	if (!r->http) {
		free(r);
		return false;
	}
	uv_timer_init(loop, &r->timer);
	r->timer.data = r;
	r->open = 2;
	ask_for_keys(r);
	*out = r;
	return true;
}

static void closed_one(struct remote *r)
{
	if (--r->open > 0)
		return;
	r->closed(r->closed_arg);
	free(r);
}

static void on_timer_closed(uv_handle_t *h)
{
	closed_one(h->data);
}

static void on_http_closed(void *arg)
{
	closed_one(arg);
}

void remote_close(struct remote *r, void (*done)(void *arg), void *arg)
{
	r->closed = done;
	r->closed_arg = arg;
	if (r->asking)
		http_stop(r->asking);
	r->asking = NULL;
	uv_close((uv_handle_t *)&r->timer, on_timer_closed);
	http_close(r->http, on_http_closed, r);
}
