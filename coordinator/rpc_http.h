/*
 * rpc_http.h -- HTTP POSTs by libcurl's multi interface, driven by a libuv loop. Only for rpc.c.
 *
 * http and https, certificates verified, no redirects, no compression, no cookies, and no proxy
 * from the environment unless asked for.
 */
#ifndef COORDINATOR_RPC_HTTP_H
#define COORDINATOR_RPC_HTTP_H

#include "encoding/bytes.h"
#include "encoding/why.h"

#include <uv.h>

struct rpc_http;
struct rpc_http_transfer;

struct rpc_http_request {
	const char *url;  /* copied */
	struct span body; /* borrowed until the callback or the stop */
	uint32_t timeout_ms, connect_timeout_ms;
	size_t answer_max;
};

/* Valid during the callback. */
struct rpc_http_answer {
	bool arrived; /* a whole response came; else sentence says what happened */
	long status;  /* of HTTP */
	struct span body;
	const char *sentence; /* never holds the URL's path, query or user */
};

typedef void rpc_http_cb(void *arg, const struct rpc_http_answer *answer);

/* after(arg) is called on the loop when a round of callbacks is over and curl is not on the stack,
 * so that it may do anything, rpc_http_close() included. NULL with a sentence on failure. */
struct rpc_http *rpc_http_new(uv_loop_t *loop, bool proxy_from_environment,
			      void (*after)(void *arg), void *arg, struct why *why);

/* NULL without memory. The transfer is freed after its callback, which may start and stop others,
 * but not close. */
struct rpc_http_transfer *rpc_http_post(struct rpc_http *http, const struct rpc_http_request *req,
					rpc_http_cb *cb, void *arg);
/* No callback will come. */
void rpc_http_stop(struct rpc_http_transfer *t);

/* Every transfer must have been stopped. Frees http, then calls cb. */
void rpc_http_close(struct rpc_http *http, void (*cb)(void *arg), void *arg);

#endif
