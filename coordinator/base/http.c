#include "coordinator/base/http.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_AFTER_MAX 86400 /* s */

struct http {
	uv_loop_t *loop;
	CURLM *multi;
	struct curl_slist *headers;
	uv_timer_t timer;
	unsigned live_handles; /* uv handles that still can call back */
	bool proxy_from_environment;
	void (*after)(void *arg);
	void *arg;
	void (*closed)(void *arg);
	void *closed_arg;
};

struct http_transfer {
	struct http *http;
	CURL *easy;
	struct buf body;
	bool too_long, headers_too_long;
	size_t header_bytes;
	char error[CURL_ERROR_SIZE];
	http_cb *cb;
	void *arg;
};

struct watch {
	uv_poll_t poll;
	struct http *http;
	curl_socket_t fd;
};

static void http_unref(struct http *http)
{
	void (*closed)(void *) = http->closed;
	void *arg = http->closed_arg;

	if (--http->live_handles > 0)
		return;
	free(http);
	curl_global_cleanup();
	if (closed)
		closed(arg);
}

static void on_watch_closed(uv_handle_t *h)
{
	struct watch *w = h->data;
	struct http *http = w->http;

	free(w);
	http_unref(http);
}

static void on_timer_closed(uv_handle_t *h)
{
	http_unref(h->data);
}

static void transfer_free(struct http_transfer *t)
{
	curl_multi_remove_handle(t->http->multi, t->easy);
	curl_easy_cleanup(t->easy);
	buf_free(&t->body);
	free(t);
}

/* What may be wrong, where libcurl says what happened alone; "": nothing more is known. */
static const char *hint(CURLcode rc, const char *said)
{
	switch (rc) {
	case CURLE_COULDNT_RESOLVE_HOST:
		return ": is the name right, and does this machine's DNS answer?";
	case CURLE_SSL_CONNECT_ERROR:
		return strstr(said, "wrong version number") ||
			       strstr(said, "packet length too long")
			   ? ": no TLS is spoken there; is http:// meant?"
			   : ": TLS with it fails; is https:// right for that port?";
	case CURLE_PEER_FAILED_VERIFICATION:
		if (strstr(said, "expired") || strstr(said, "not yet valid"))
			return ": renew it there, or is this machine's clock wrong?";
		if (strstr(said, "subject name"))
			return ": its certificate is for another name than the URL's";
		return ": it is trusted once its authority is among this machine's, or among the "
		       "setting's where there is a ..._CA_FILE";
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_UNSUPPORTED_PROTOCOL:
		return ": no HTTP is spoken there; is https:// meant, or another port?";
	default: return "";
	}
}

static void finish(struct http_transfer *t, CURLcode rc)
{
	struct http_answer a = {
	    .arrived = rc == CURLE_OK, .body = buf_span(&t->body), .headers = t->easy};
	char text[CURL_ERROR_SIZE + 128] = "";

	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &a.status);
	if (t->too_long)
		snprintf(text, sizeof text, "the reply is longer than %zu bytes", t->body.max);
	else if (t->headers_too_long)
		snprintf(text, sizeof text, "the reply's headers are longer than %u bytes",
			 HTTP_HEADERS_MAX);
	else if (rc != CURLE_OK)
		snprintf(text, sizeof text, "%s%s", t->error[0] ? t->error : curl_easy_strerror(rc),
			 hint(rc, t->error));
	a.sentence = text;
	t->cb(t->arg, &a);
	transfer_free(t);
}

static void drain(struct http *http)
{
	CURLMsg *msg;
	int left;

	while ((msg = curl_multi_info_read(http->multi, &left))) {
		struct http_transfer *t = NULL;
		CURLcode rc = msg->data.result;

		if (msg->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&t);
		finish(t, rc);
	}
	http->after(http->arg);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct watch *w = poll->data;
	struct http *http = w->http;
	int flags = 0, running;

	/* Not as an error: libuv says EBADF of each, but the read that follows says which it was.
	 */
	if (status < 0)
		flags = CURL_CSELECT_IN | CURL_CSELECT_OUT;
	if (events & UV_READABLE)
		flags |= CURL_CSELECT_IN;
	if (events & UV_WRITABLE)
		flags |= CURL_CSELECT_OUT;
	curl_multi_socket_action(http->multi, w->fd, flags, &running);
	drain(http);
}

static void on_timeout(uv_timer_t *timer)
{
	struct http *http = timer->data;
	int running;

	curl_multi_socket_action(http->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	drain(http);
}

static int want_timer(CURLM *multi, long ms, void *arg)
{
	struct http *http = arg;

	(void)multi;
	if (ms < 0) {
		uv_timer_stop(&http->timer);
	} else {
		uv_update_time(http->loop);
		uv_timer_start(&http->timer, on_timeout, (uint64_t)ms, 0);
	}
	return 0;
}

static int want_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *sockp)
{
	struct http *http = arg;
	struct watch *w = sockp;
	int events = 0;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (w) {
			curl_multi_assign(http->multi, fd, NULL);
			uv_close((uv_handle_t *)&w->poll, on_watch_closed);
		}
		return 0;
	}
	if (!w) {
		w = calloc(1, sizeof *w);
		if (!w || uv_poll_init_socket(http->loop, &w->poll, fd)) {
			free(w);
			return -1;
		}
		w->http = http;
		w->fd = fd;
		w->poll.data = w;
		http->live_handles++;
		curl_multi_assign(http->multi, fd, w);
	}
	if (what & CURL_POLL_IN)
		events |= UV_READABLE;
	if (what & CURL_POLL_OUT)
		events |= UV_WRITABLE;
	return uv_poll_start(&w->poll, events, on_readable) ? -1 : 0;
}

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
	struct http_transfer *t = arg;

	if (!buf_add(&t->body, p, size * n)) {
		t->too_long = true;
		return 0;
	}
	return size * n;
}

static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
	struct http_transfer *t = arg;

	(void)p;
	t->header_bytes += size * n;
	t->headers_too_long = t->header_bytes > HTTP_HEADERS_MAX;
	return t->headers_too_long ? 0 : size * n;
}

const char *http_header(const struct http_answer *answer, const char *name)
{
	struct curl_header *h;

	if (curl_easy_header(answer->headers, name, 0, CURLH_HEADER, -1, &h) || h->amount != 1)
		return NULL;
	return h->value;
}

uint32_t http_retry_after(const char *value, int64_t now)
{
	int64_t seconds;
	char *end;

	if (!value || !*value)
		return 0;
	seconds = strtoll(value, &end, 10);
	if (*end) {
		time_t at = curl_getdate(value, NULL);

		seconds = at == -1 ? 0 : at - now;
	}
	if (seconds < 0)
		return 0;
	return seconds > RETRY_AFTER_MAX ? RETRY_AFTER_MAX : (uint32_t)seconds;
}

struct http *http_new(uv_loop_t *loop, bool proxy_from_environment, void (*after)(void *arg),
		      void *arg, struct why *why)
{
	static const char *const lines[] = {"Content-Type: application/json",
					    "Accept: application/json", "Expect:"};
	struct http *http = calloc(1, sizeof *http);
	size_t i;

	if (!http || curl_global_init(CURL_GLOBAL_DEFAULT)) {
		free(http);
		why_set(why, "libcurl does not start");
		return NULL;
	}
	http->multi = curl_multi_init();
	for (i = 0; i < sizeof lines / sizeof lines[0]; i++) {
		struct curl_slist *more = curl_slist_append(http->headers, lines[i]);

		if (!more || !http->multi)
			goto no_memory;
		http->headers = more;
	}
	http->loop = loop;
	http->proxy_from_environment = proxy_from_environment;
	http->after = after;
	http->arg = arg;
	uv_timer_init(loop, &http->timer);
	http->timer.data = http;
	http->live_handles = 1;
	curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, want_socket);
	curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
	curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, want_timer);
	curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
	return http;
no_memory:
	curl_slist_free_all(http->headers);
	curl_multi_cleanup(http->multi);
	curl_global_cleanup();
	free(http);
	why_set(why, "out of memory for libcurl");
	return NULL;
}

static bool set_options(struct http_transfer *t, const struct http_request *req, bool post)
{
	CURL *e = t->easy;
	CURLcode rc = CURLE_OK;

	/* any option that curl does not take would weaken what the header promises */
	rc |= curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	rc |= curl_easy_setopt(e, CURLOPT_URL, req->url);
	rc |= curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
	rc |= curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 1L);
	rc |= curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 2L);
	rc |= curl_easy_setopt(e, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
	rc |= curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	/* A lookup that is given up ends on its own thread: else the loop would wait for it, and
	 * all with it, for as long as a DNS that is silent takes. */
	rc |= curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L);
	if (post) {
		rc |= curl_easy_setopt(e, CURLOPT_POST, 1L);
		rc |= curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)req->body.n);
		rc |= curl_easy_setopt(e, CURLOPT_POSTFIELDS, req->body.p);
		rc |= curl_easy_setopt(e, CURLOPT_HTTPHEADER, t->http->headers);
	}
	if (req->ca_file) {
		rc |= curl_easy_setopt(e, CURLOPT_CAINFO, req->ca_file);
		rc |= curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
	}
	rc |= curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)req->timeout_ms);
	rc |= curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)req->connect_timeout_ms);
	rc |= curl_easy_setopt(e, CURLOPT_ERRORBUFFER, t->error);
	rc |= curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
	rc |= curl_easy_setopt(e, CURLOPT_WRITEDATA, t);
	rc |= curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
	rc |= curl_easy_setopt(e, CURLOPT_HEADERDATA, t);
	rc |= curl_easy_setopt(e, CURLOPT_PRIVATE, t);
	if (!t->http->proxy_from_environment)
		rc |= curl_easy_setopt(e, CURLOPT_PROXY, "");
	return rc == CURLE_OK;
}

static struct http_transfer *start(struct http *http, const struct http_request *req, bool post,
				   http_cb *cb, void *arg)
{
	struct http_transfer *t = calloc(1, sizeof *t);

	if (!t)
		return NULL;
	t->http = http;
	t->cb = cb;
	t->arg = arg;
	buf_init(&t->body, req->answer_max);
	t->easy = curl_easy_init();
	if (!t->easy || !set_options(t, req, post) || curl_multi_add_handle(http->multi, t->easy)) {
		curl_easy_cleanup(t->easy);
		free(t);
		return NULL;
	}
	return t;
}

struct http_transfer *http_post(struct http *http, const struct http_request *req, http_cb *cb,
				void *arg)
{
	return start(http, req, true, cb, arg);
}

struct http_transfer *http_get(struct http *http, const struct http_request *req, http_cb *cb,
			       void *arg)
{
	return start(http, req, false, cb, arg);
}

void http_stop(struct http_transfer *t)
{
	transfer_free(t);
}

void http_close(struct http *http, void (*cb)(void *arg), void *arg)
{
	http->closed = cb;
	http->closed_arg = arg;
	curl_multi_cleanup(http->multi);
	curl_slist_free_all(http->headers);
	uv_close((uv_handle_t *)&http->timer, on_timer_closed);
}
