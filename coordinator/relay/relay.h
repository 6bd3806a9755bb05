/*
 * relay.h -- an unmodified ethrex behind this coordinator: inputs come from its own, and proofs go
 * back to it where the operator wants that.
 *
 * Inputs are asked for in the prover's own dialect, commit hash and type, and kept, file and row,
 * before any prover sees a byte: upstream hands each out once and not again before its timeout.
 * Proofs are kept here first and forwarded until they are acknowledged, over restarts of either
 * side. A ProverSetup is never forwarded. Of several coordinators on one store the one that leads
 * asks and forwards: upstream takes a second one that asks for another prover, and gives it the
 * next batches. What is decided is in fetch_plan.h, forward_plan.h and
 * health.h.
 */
#ifndef COORDINATOR_RELAY_RELAY_H
#define COORDINATOR_RELAY_RELAY_H

#include "coordinator/inputs/inputs.h"
#include "coordinator/inputs/serve.h"
#include "coordinator/l1/facts.h"
#include "coordinator/proofs/proofs.h"
#include "coordinator/relay/fetch_plan.h"
#include "coordinator/relay/health.h"

struct relay;

#define RELAY_WAITING_MAX 256 /* provers that wait for an input at once */

/* Who sends verifyBatches. */
enum relay_submit { RELAY_SUBMIT_L1, RELAY_SUBMIT_UPSTREAM, RELAY_SUBMIT_BOTH };
const char *relay_submit_name(enum relay_submit submit); /* "l1", "upstream", "both" */

struct relay_parts {
	uv_loop_t *loop;
	struct store *store;
	struct work *work;
	struct inputs *inputs;
	struct proofs *proofs;
	const struct registrar *registrar;
	const struct l1 *l1;
};
struct relay_options {
	const char *host; /* outlives the relay */
	uint16_t port;
	enum relay_submit submit;
	unsigned ahead;     /* inputs fetched before they are asked for, of each demand */
	uint64_t poll_ms;   /* between two questions after "nothing" */
	uint64_t idle_ms;   /* without a byte from upstream */
	uint64_t wait_ms;   /* a prover's, for an input that is being fetched; 0: none waits */
	uint64_t max_bytes; /* of one answer */
};
struct relay_events {
	/* What this request waited for is decided: to be served now. False: who asked has gone. */
	bool (*again)(void *arg, uint64_t conn, const struct proofdata *request,
		      const char *source);
	void *arg;
};

/* False with the sentence; *out is NULL. */
bool relay_new(struct relay **out, const struct relay_parts *parts,
	       const struct relay_options *options, const struct relay_events *events,
	       struct why *why);
/* At the start: is it a row of ours? False with the sentence: there is no room for it. */
bool relay_restore(struct relay *r, const struct store_fact *row, bool *ours, struct why *why);
/* After the rows. */
void relay_start(struct relay *r);
/* On a shared store the leader alone asks upstream and sends there; what is on its way when it
 * leads no more comes to its end. A FACT_PUT or FACT_DEL of another coordinator. False: not of the
 * relay. */
bool relay_foreign(struct relay *r, const struct store_change *change);
/* It leads, or leads no more. */
void relay_lead(struct relay *r, bool leads);
/* Asks and sends nothing more, then done. NULL is fine. */
void relay_close(struct relay *r, void (*done)(void *arg), void *arg);
/* After the store has closed and the loop has ended. NULL is fine. */
void relay_free(struct relay *r);

/* After each round of L1. */
void relay_on_facts(struct relay *r);
/* Has upstream proofs by this key that its sender can use now? They would be refused, and thrown
 * away there, once the contract held another. Not of a key that the operator revoked. */
bool relay_holds(const struct relay *r, const struct eth_address *signer);

enum relay_answer {
	RELAY_AS_SERVED,
	RELAY_WAIT,         /* events->again() comes, in wait_ms at most */
	RELAY_MISMATCH,     /* upstream has nothing for this commit hash */
	RELAY_INVALID_CODE, /* the same in the words of p3 and p4: hash is upstream's */
	RELAY_NOT_NEEDED,
};
/* A prover asked, and served says what is here for it. again: it has waited. hash: room for
 * RELAY_INVALID_CODE's. */
enum relay_answer relay_request(struct relay *r, uint64_t conn, const struct proofdata *request,
				const char *source, enum serve_rc served, bool again,
				char hash[COMMIT_HASH_MAX + 1]);

/* ---- for people ---- */

struct relay_counters {
	uint64_t heard[FETCH_HEARD_COUNT]; /* answers to questions for inputs */
	uint64_t forwarded;                /* proofs acknowledged */
	uint64_t forward_failures;         /* sent, and not acknowledged */
	uint64_t forward_lost;             /* acknowledged, and lost by upstream since */
};
const struct relay_counters *relay_counters(const struct relay *r);

struct relay_info {
	struct why says; /* who asks upstream, and what it lacks */
	bool asks;       /* it is this one: what upstream is like is known here */
	enum relay_submit submit;
	const char *host;
	uint16_t port;
	const struct health *health;
	uint64_t state_for_ms;
	const char *dialect;     /* in which it last answered; "any": never */
	bool spins;              /* it looks as if it ran without a timeout */
	size_t waiting;          /* provers, for an input */
	const char *trouble;     /* what keeps inputs from being fetched; "" nothing */
	size_t acknowledged;     /* proofs that it has */
	size_t not_acknowledged; /* chosen, and not acknowledged */
	const char *forward;     /* what was last said of it */
	uint64_t forward_batch;  /* the first that is not acknowledged; 0: none */
};
void relay_info(const struct relay *r, struct relay_info *out);
/* The i-th demand, or NULL at the end; unused ones are passed over. */
const struct fetch_demand *relay_demand(const struct relay *r, size_t *i);

/* The highest N of those checkpoint_batch_N that upstream keeps and no longer needs: its own sender
 * would have removed them. 0: none. */
uint64_t relay_checkpoints(const struct l1_facts *f);

#endif
