/*
 * rpc.h -- JSON-RPC over HTTP to several L1 nodes, on a libuv loop.
 *
 * Endpoints are preferred in the order given. An endpoint serves calls only after it has answered
 * eth_chainId with the pinned chain id; where none was pinned the first answer pins it. One that
 * answers with another id is set aside and asked again now and then. One that fails (transport,
 * HTTP status, a reply that is not JSON-RPC, one that says "too many requests") rests for a backoff
 * with jitter and must then show its chain id again. A call moves on to another endpoint until its
 * deadline.
 *
 * Any other error object of the node's is an answer, not a failure of the endpoint: RPC_ERROR.
 *
 * All functions are called on the loop's thread. Callbacks run from the loop, or from inside
 * rpc_cancel() and rpc_close(), never from inside rpc_call(). They may call any function here.
 */
#ifndef COORDINATOR_L1_RPC_H
#define COORDINATOR_L1_RPC_H

#include "coordinator/l1/rpc_parse.h"

#include <uv.h>

#define RPC_ENDPOINTS_MAX 16
#define RPC_NAME_SIZE     128

struct rpc;

struct rpc_options {
	const char *const *urls;     /* http:// or https://; may hold credentials */
	size_t n_urls;               /* 1..RPC_ENDPOINTS_MAX */
	uint64_t chain_id;           /* 0: the first answer pins it */
	uint32_t call_timeout_ms;    /* one attempt; 0: 10000 */
	uint32_t connect_timeout_ms; /* 0: 5000 */
	uint32_t deadline_ms;        /* a call in all, where it names none; 0: 30000 */
	size_t body_max;             /* of a reply; 0: 4 MiB */
	unsigned max_in_flight;      /* requests on the wire; 0: 16 */
	unsigned max_calls;          /* waiting and on the wire; 0: 256 */
	uint32_t backoff_min_ms;     /* 0: 500 */
	uint32_t backoff_max_ms;     /* 0: 30000 */
	uint64_t seed;               /* of the jitter */
	bool proxy_from_environment; /* else http_proxy and friends are ignored */
};

enum rpc_status {
	RPC_OK,          /* result */
	RPC_ERROR,       /* the node answered with an error object: code, message, data */
	RPC_UNREACHABLE, /* no endpoint answered; the sentence names each one's failure */
	RPC_BAD_REPLY,   /* as RPC_UNREACHABLE, and the last failure was an unusable reply */
	RPC_CANCELLED,
};

/* Valid during the callback. */
struct rpc_reply {
	enum rpc_status status;
	const json_t *result; /* OK */
	int64_t code;         /* ERROR: the rest of the group */
	const char *message;
	bool has_data;
	struct span data; /* revert data */
	enum node_error node_error;
	bool has_next_nonce;
	uint64_t next_nonce;
	int endpoint;         /* who answered; -1 where nobody did */
	const char *sentence; /* why it failed; empty for OK */
};

typedef void rpc_cb(void *arg, const struct rpc_reply *reply);

struct rpc_call_options {
	uint32_t deadline_ms; /* 0: the default */
	uint32_t avoid;       /* bit i: rather not endpoint i (a second opinion) */
	int prefer;           /* 1 + endpoint to be used where it is ready; 0: no wish */
	bool no_retry;        /* one attempt: its failure is the call's */
};

/* NULL with a sentence: a URL that is not http(s), a curl that does not start, no memory. */
struct rpc *rpc_new(uv_loop_t *loop, const struct rpc_options *options, struct why *why);

/* Starts method with params, which is JSON text ("[]") that the caller vouches for and that is
 * copied. options may be NULL. Gives a cookie; 0 with a sentence, and no callback, when max_calls
 * is reached, memory is out, or the client is closing. */
uint64_t rpc_call(struct rpc *rpc, const char *method, const char *params,
		  const struct rpc_call_options *options, rpc_cb *cb, void *arg, struct why *why);

/* Calls the callback with RPC_CANCELLED before it returns. An unknown cookie is ignored. */
void rpc_cancel(struct rpc *rpc, uint64_t cookie);

/* Cancels all calls, closes the handles, frees rpc and then calls cb (which may be NULL). */
void rpc_close(struct rpc *rpc, void (*cb)(void *arg), void *arg);

/* ---- for status output ---- */

enum rpc_endpoint_state {
	RPC_UNPROVEN,  /* has not shown its chain id yet */
	RPC_READY,     /* serves calls */
	RPC_RESTING,   /* failed; waits for its backoff */
	RPC_SET_ASIDE, /* is on another chain */
};

struct rpc_endpoint_info {
	char name[RPC_NAME_SIZE]; /* scheme://host:port */
	enum rpc_endpoint_state state;
	unsigned failures;        /* in a row */
	uint32_t latency_ms;      /* smoothed; 0 before the first answer */
	uint64_t answers, errors; /* in all */
	char last_error[RPC_MESSAGE_SIZE];
};

size_t rpc_endpoint_count(const struct rpc *rpc);
/* False for an index out of range. */
bool rpc_endpoint_info(const struct rpc *rpc, size_t i, struct rpc_endpoint_info *out);
/* Pins the chain id where none is pinned yet: what an earlier run was told. */
void rpc_expect_chain(struct rpc *rpc, uint64_t chain_id);
/* The pinned chain id, 0 while none is known. */
uint64_t rpc_chain_id(const struct rpc *rpc);
/* What this endpoint answered cannot be true of a node that has seen the chain, or is no answer: it
 * rests, for as long as one ever does, and is probed anew. One that is alone does not, or where all
 * others rest already: it is asked again. Out of range: nothing. */
void rpc_doubt(struct rpc *rpc, int endpoint, const char *sentence);
/* Calls waiting and on the wire. */
unsigned rpc_pending(const struct rpc *rpc);

#endif
