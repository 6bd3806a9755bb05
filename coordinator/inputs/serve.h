/*
 * serve.h -- InputRequest: which input a prover gets, its lease, and what becomes of it when the
 * bytes do not arrive.
 */
#ifndef COORDINATOR_INPUTS_SERVE_H
#define COORDINATOR_INPUTS_SERVE_H

#include "coordinator/inputs/commit_hash.h"
#include "coordinator/store/store.h"
#include "coordinator/work/work.h"
#include "protocol/proofdata.h"

struct serve;

struct serve_parts {
	struct store *store;
	struct work *work;
	const struct commit_hash_rule *rule;
	const char *data_dir;              /* of the inputs; outlives serve */
	const struct registrar *registrar; /* who is attested */
};

enum serve_rc {
	SERVE_INPUT,      /* *out is set */
	SERVE_EMPTY,      /* nothing to prove now */
	SERVE_MISMATCH,   /* inputs come under other commit hashes */
	SERVE_NOT_NEEDED, /* the contract does not want proofs of this type */
	SERVE_BAD_HASH,   /* the sentence names it */
	SERVE_UNREADABLE, /* the stored input; the sentence is for the prover */
};

struct serve_input {
	uint64_t batch, size;
	int fd; /* the caller's to close, or to hand on */
};

/* False with the sentence; *out is NULL. */
bool serve_new(struct serve **out, const struct serve_parts *parts, struct why *why);
void serve_free(struct serve *s);

/* conn names the connection that the input goes out on, for serve_end(). */
enum serve_rc serve_request(struct serve *s, uint64_t conn, const struct proofdata *request,
			    const char *source, struct serve_input *out, struct why *why);
/* A connection has ended: an input that did not arrive gives its lease back. Unknown: nothing. */
void serve_end(struct serve *s, uint64_t conn, bool delivered);

/* Answers by enum work_request_rc. */
const uint64_t *serve_counters(const struct serve *s);

/* ---- the lease's row ---- */

/* At the start: a row of an earlier run. */
void lease_restore(struct work *work, const struct store_lease *row);
/* For work_gone. */
void lease_drop(struct store *store, uint64_t batch, enum prover_type type);

#endif
