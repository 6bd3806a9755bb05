/*
 * proofs.h -- a proof's way from "received" to "kept" to "judged".
 *
 * A proof for a known batch and a needed type is made durable and only then acknowledged; L1 is
 * never on that path. When its batch is committed it is judged: TDX by rebuilding the public inputs
 * and recovering the signer, Exec by itself, other types by the dry run of their transaction. Where
 * the store is shared any coordinator keeps proofs, and the one that leads judges them.
 */
#ifndef COORDINATOR_PROOFS_PROOFS_H
#define COORDINATOR_PROOFS_PROOFS_H

#include "coordinator/base/wake.h"
#include "coordinator/l1/commitments.h"
#include "coordinator/l1/facts.h"
#include "coordinator/registrar/registrar.h"
#include "coordinator/store/store.h"
#include "coordinator/work/work.h"

struct proofs;

struct proofs_parts {
	struct store *store;
	struct work *work;
	struct registrar *registrar;
	const struct l1 *l1;
	struct commitments *commitments;
	struct wake *wake; /* a verdict may complete a run */
};
struct proofs_counters {
	uint64_t submits[WORK_NO_MEMORY + 1]; /* by enum work_submit_rc */
	uint64_t judged[WORK_STATES];         /* by enum work_state */
};

/* max_bytes: of one proof. False with the sentence; *out is NULL. */
bool proofs_new(struct proofs **out, const struct proofs_parts *parts, size_t max_bytes,
		struct why *why);
/* Judges no more. */
void proofs_stop(struct proofs *p);
/* After the store and the RPC client have closed: both may still call back. NULL is fine. */
void proofs_free(struct proofs *p);

/* At the start: a row of an earlier run. False with the sentence. */
bool proofs_restore(struct proofs *p, const struct store_proof *row, struct why *why);

/* PROOF_PUT and PROOF_DEL of another coordinator; PROOF_DEL_THROUGH comes with the inputs'. False
 * with the sentence: out of memory, or a row that is none of a proof. */
bool proofs_foreign(struct proofs *p, const struct store_change *change, struct why *why);

/* By what two proofs are known to be the same. False: SHA-256 is not available. */
bool proofs_digest(uint8_t out[32], struct span bytes, struct span public_values);

enum proof_answer { PROOF_ACK, PROOF_REFUSED };
/* code and sentence are for the prover when REFUSED. Called exactly once, maybe at once. */
typedef void proof_answer_cb(void *arg, enum proof_answer answer, const char *code,
			     const char *sentence);
/* sha256: proofs_digest() of it where the caller has it already, or NULL. */
void proofs_submit(struct proofs *p, uint64_t batch, const struct proof *proof,
		   const uint8_t *sha256, const char *source, proof_answer_cb *cb, void *arg);
/* Before a long proof is there: is it known that it will be refused? The code for the prover, with
 * the sentence; else NULL. text: bytes of its message that came so far. */
const char *proofs_unwanted(struct proofs *p, uint64_t batch, enum prover_type type, size_t text,
			    struct why *why);

/* Judges what can be judged now, where this coordinator leads; called after each round of the
 * chain, when it begins to lead, and when others' proofs came. */
void proofs_judge(struct proofs *p);

/* A verdict, made durable and told to work; nothing, where another leads. signer may be NULL. */
void proofs_verdict(struct proofs *p, uint64_t id, enum work_state state,
		    const struct eth_address *signer, const char *reason);

const struct proofs_counters *proofs_counters(const struct proofs *p);

/* For work_gone: the row may go. */
void proofs_forget(struct proofs *p, uint64_t id);

#endif
