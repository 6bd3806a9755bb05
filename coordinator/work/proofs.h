/*
 * proofs.h -- a proof's way from "received" to "kept" to "judged".
 *
 * A proof for a known batch and a needed type is made durable and only then acknowledged; L1 is
 * never on that path. When its batch is committed it is judged: TDX by rebuilding the public inputs
 * and recovering the signer, Exec by itself, other types by the dry run of their transaction.
 */
#ifndef COORDINATOR_WORK_PROOFS_H
#define COORDINATOR_WORK_PROOFS_H

#include "coordinator/work/work.h"

struct daemon;
struct proofs;

bool proofs_new(struct proofs **out, struct daemon *d, struct why *why);
void proofs_free(struct proofs *p);

/* By what two proofs are known to be the same. False: SHA-256 is not available. */
bool proofs_digest(uint8_t out[32], struct span bytes, struct span public_values);

enum proof_answer { PROOF_ACK, PROOF_REFUSED };
/* code and sentence are for the prover when REFUSED. Called exactly once, maybe at once. */
typedef void proof_answer_cb(void *arg, enum proof_answer answer, const char *code,
			     const char *sentence);
void proofs_submit(struct daemon *d, uint64_t batch, const struct proof *proof, const char *source,
		   proof_answer_cb *cb, void *arg);

/* Judges what can be judged now; called after each round of the chain. */
void proofs_judge(struct daemon *d);

/* A verdict, made durable and told to work. signer may be NULL. */
void proofs_verdict(struct proofs *p, uint64_t id, enum work_state state,
		    const struct eth_address *signer, const char *reason);

/* For work_gone: the row may go. */
void proofs_forget(struct daemon *d, uint64_t id);

#endif
