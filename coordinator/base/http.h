/*
 * http.h -- HTTP requests by libcurl's multi interface, driven by a libuv loop. For JSON-RPC and
 * for collateral.
 *
 * http and https, certificates verified, no redirects, no compression, no cookies, and no proxy
 * from the environment unless asked for.
 */
#ifndef COORDINATOR_BASE_HTTP_H
#define COORDINATOR_BASE_HTTP_H

#include "encoding/bytes.h"
#include "encoding/why.h"

#include <uv.h>

struct http;
struct http_transfer;

#define HTTP_HEADERS_MAX (64u * 1024u) /* all lines of an answer's headers together */

struct http_request {
	const char *url;     /* copied */
	const char *ca_file; /* NULL, or the only authorities to trust, in PEM */
	struct span body;    /* of a POST; borrowed until the callback or the stop */
	uint32_t timeout_ms, connect_timeout_ms;
	size_t answer_max;
};

/* Valid during the callback. */
struct http_answer {
	bool arrived; /* a whole response came; else sentence says what happened */
	long status;  /* of HTTP */
	struct span body;
	const char *sentence; /* never holds the URL's path, query or user */
	void *headers;        /* for http_header() */
};

typedef void http_cb(void *arg, const struct http_answer *answer);

/* after(arg) is called on the loop when a round of callbacks is over and curl is not on the stack,
 * so that it may do anything, http_close() included. NULL with a sentence on failure. */
struct http *http_new(uv_loop_t *loop, bool proxy_from_environment, void (*after)(void *arg),
		      void *arg, struct why *why);

/* NULL without memory. The transfer is freed after its callback, which may start and stop others,
 * but not close. A POST is one of JSON. */
struct http_transfer *http_post(struct http *http, const struct http_request *req, http_cb *cb,
				void *arg);
struct http_transfer *http_get(struct http *http, const struct http_request *req, http_cb *cb,
			       void *arg);
/* A header of the answer, by its name in any case; NULL where it is absent or came more than once.
 * Valid during the callback. */
const char *http_header(const struct http_answer *answer, const char *name);
/* Seconds from now (since the epoch) that the value of a Retry-After asks for, at most a day; 0:
 * none that can be read. */
uint32_t http_retry_after(const char *value, int64_t now);
/* No callback will come. */
void http_stop(struct http_transfer *t);

/* Every transfer must have been stopped. Frees http, then calls cb. */
void http_close(struct http *http, void (*cb)(void *arg), void *arg);

#endif
