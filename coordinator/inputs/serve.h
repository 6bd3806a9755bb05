/*
 * serve.h -- InputRequest: which input a prover gets, its lease, and what becomes of it when the
 * bytes do not arrive.
 */
#ifndef COORDINATOR_INPUTS_SERVE_H
#define COORDINATOR_INPUTS_SERVE_H

#include "coordinator/inputs/inputs.h"
#include "protocol/proofdata.h"

struct serve;

struct serve_parts {
	struct store *store;
	struct work *work;
	struct inputs *inputs;
	const struct commit_hash_rule *rule;
	const struct registrar *registrar; /* who is attested */
};

#define SERVE_WAITING_MAX 1024 /* requests that wait for the store or for a file */

enum serve_rc {
	SERVE_INPUT,      /* input is set */
	SERVE_EMPTY,      /* nothing to prove now */
	SERVE_MISMATCH,   /* inputs come under other commit hashes */
	SERVE_NOT_NEEDED, /* the contract does not want proofs of this type */
	SERVE_BAD_HASH,   /* the sentence names it */
	SERVE_UNREADABLE, /* the stored input; the sentence is for the prover */
	SERVE_TRY_AGAIN,  /* no lease can be given now; the sentence is for the prover */
};

struct serve_input {
	uint64_t batch, size;
	int fd; /* the callee's to close, or to hand on */
};

/* The request comes back with its answer: its connection may have gone meanwhile. An input is to be
 * ended with serve_end(), also where it cannot be sent. */
struct served {
	uint64_t conn;
	const struct proofdata *request;
	const char *source;
	enum serve_rc rc;
	struct serve_input input;
	const char *sentence;
};
typedef void serve_answer_cb(void *arg, const struct served *answer);

/* False with the sentence; *out is NULL. */
bool serve_new(struct serve **out, const struct serve_parts *parts, struct why *why);
/* After the store has closed. NULL is fine. */
void serve_free(struct serve *s);

/* conn names the connection that the input goes out on. cb is called exactly once, maybe at once:
 * where the store is shared a lease is durable before the input goes out, and what another
 * coordinator took meanwhile is passed over. */
void serve_request(struct serve *s, uint64_t conn, const struct proofdata *request,
		   const char *source, serve_answer_cb *cb, void *arg);
/* A connection has ended: an input that did not arrive gives its lease back. Unknown: nothing. */
void serve_end(struct serve *s, uint64_t conn, bool delivered);

/* Answers by enum work_request_rc. */
const uint64_t *serve_counters(const struct serve *s);

/* ---- the lease's row ---- */

/* At the start: a row of an earlier run. */
void lease_restore(struct work *work, const struct store_lease *row);
/* LEASE_PUT and LEASE_DEL of another coordinator; LEASE_DEL_THROUGH comes with the inputs'. */
void lease_foreign(struct work *work, const struct store_change *change);
/* For work_gone. */
void lease_drop(struct store *store, uint64_t batch, enum prover_type type);

#endif
