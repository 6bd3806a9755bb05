/*
 * setup.h -- ProverSetup: a key knocks, its quote is verified, its row is kept, and the prover
 * hears what becomes of it.
 *
 * An answer is given when the row is durable; with no live signer it waits for the registration's
 * receipt, as ethrex's does.
 */
#ifndef COORDINATOR_PROVERS_SETUP_H
#define COORDINATOR_PROVERS_SETUP_H

#include "coordinator/base/wake.h"
#include "coordinator/l1/facts.h"
#include "coordinator/provers/quotes.h"
#include "coordinator/registrar/registrar.h"
#include "coordinator/store/store.h"

struct setup;

struct setup_parts {
	struct store *store;
	struct registrar *registrar;
	struct quotes *quotes;
	const struct l1 *l1;
	struct wake *wake; /* a new row may be the next to be registered */
};

enum setup_code { SETUP_ACK, SETUP_REFUSED, SETUP_TRY_AGAIN };
/* conn is what setup_begin() was given. */
struct setup_events {
	/* The prover hears this; the sentence is empty with SETUP_ACK. */
	void (*answer)(void *arg, uint64_t conn, enum setup_code code, const char *sentence);
	/* The answer will take time. */
	void (*hold)(void *arg, uint64_t conn);
	/* Is that prover still there? */
	bool (*waits)(void *arg, uint64_t conn);
	void *arg;
};

/* False with the sentence; *out is NULL. */
bool setup_new(struct setup **out, const struct setup_parts *parts,
	       const struct setup_events *events, struct why *why);
/* After the store and the pool's jobs: both may still call back. NULL is fine. */
void setup_free(struct setup *s);

/* A setup of that connection; the payload is copied. May answer from inside. */
void setup_begin(struct setup *s, uint64_t conn, struct span payload, const char *source);
/* Something about the registered key changed: answers the setups that waited for it. */
void setup_answer_all(struct setup *s);
/* Answers no more: the provers are gone. */
void setup_stop(struct setup *s);

/* Under way. */
size_t setup_waiting(const struct setup *s);
/* Answers by enum registrar_answer. */
const uint64_t *setup_counters(const struct setup *s);

#endif
