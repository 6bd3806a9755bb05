/* internal.h -- what rpc.c (calls) and rpc_endpoints.c (the nodes that answer them) share. */
#ifndef COORDINATOR_L1_INTERNAL_H
#define COORDINATOR_L1_INTERNAL_H

#include "coordinator/base/http.h"
#include "coordinator/l1/rpc.h"

struct endpoint {
	struct rpc *rpc;
	char *url;
	char name[RPC_NAME_SIZE];
	enum rpc_endpoint_state state;
	unsigned failures;
	bool probe_failed; /* the last failure was the chain id's */
	uint64_t rest_until;
	uint32_t latency_ms;
	uint64_t answers, errors;
	char last_error[RPC_MESSAGE_SIZE];
	struct http_transfer *probe;
	uint64_t probe_id, probe_started;
	char probe_body[96];
};

enum call_state { CALL_WAITING, CALL_RUNNING, CALL_FINISHED };

struct call {
	struct call *next;
	struct rpc *rpc;
	uint64_t cookie; /* also the request's id */
	enum call_state state;
	struct buf body;
	uint64_t deadline;
	uint32_t avoid, tried;
	int prefer;
	bool no_retry;
	bool last_was_bad_reply;
	struct http_transfer *transfer;
	unsigned endpoint;
	uint64_t started;
	rpc_cb *cb;
	void *arg;
	/* FINISHED */
	enum rpc_status status;
	int answered_by;
	struct rpc_parsed parsed;
	struct why why;
};

struct rpc {
	uv_loop_t *loop;
	struct http *http;
	uv_timer_t timer;
	struct rpc_options opts;
	struct endpoint endpoints[RPC_ENDPOINTS_MAX];
	size_t n_endpoints;
	uint64_t chain_id;
	uint64_t next_id;
	uint64_t random;
	struct call *calls, **tail;
	unsigned n_calls, n_running;
	bool closing;
	unsigned live_handles;
	void (*closed)(void *arg);
	void *closed_arg;
};

/* Starts what waits, where an endpoint is ready; and looks for endpoints to be asked who they are.
 */
void rpc_pump(struct rpc *rpc);

/* ---- rpc_endpoints.c ---- */

bool rpc_endpoint_init(struct rpc *rpc, size_t i, const char *url, struct why *why);
void rpc_endpoints_free(struct rpc *rpc);
/* An error that does not count against it. */
void rpc_endpoint_note(struct endpoint *e, const char *sentence);
/* It rests for its backoff, and must then show its chain id again. */
void rpc_endpoint_failed(struct endpoint *e, const char *sentence, bool was_probe);
/* One that rests does so for as long as its answer asked for (Retry-After), within the longest rest
 * there is. */
void rpc_endpoint_respect(struct endpoint *e, const struct http_answer *a);
/* started: when the request went out, monotonic ms. */
void rpc_endpoint_answered(struct endpoint *e, uint64_t started);
/* Asks for its chain id. */
void rpc_endpoint_probe(struct endpoint *e);
/* What an HTTP answer of this endpoint says to the request of this id. *bad_reply: it came, and is
 * no JSON-RPC. No sentence has a key that stands in the endpoint's URL. */
enum rpc_parsed_kind rpc_read_answer(struct rpc_parsed *p, const struct http_answer *a,
				     const struct endpoint *e, uint64_t id, bool *bad_reply,
				     struct why *why);

#endif
