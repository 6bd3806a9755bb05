/*
 * agenda.h -- what goes to L1 next: a registration (with its uploads) or a run of proofs, one at a
 * time.
 *
 * Glue between the pure parts: the registrar says which key, work says which proofs, the outbox
 * carries one transaction to its confirmation.
 */
#ifndef COORDINATOR_TRANSACTIONS_AGENDA_H
#define COORDINATOR_TRANSACTIONS_AGENDA_H

#include "coordinator/transactions/desk.h"

struct agenda;
struct funds;

/* The parts outlive it. False with the sentence; *out is NULL. */
bool agenda_new(struct agenda **out, const struct agenda_parts *parts,
		const struct agenda_options *options, struct why *why);

/* At the start: the row of a transaction of an earlier run. False with the sentence. On a shared
 * store it is the leader's, and only told of. */
bool agenda_restore_intent(struct agenda *a, const struct store_intent *row, struct why *why);
/* At the start, after all rows: what was left open keeps the registrar from starting another. */
void agenda_resume(struct agenda *a);

/* ---- several coordinators: on a shared store (store.h) nothing is done before agenda_lead() ----
 *
 * A new leader takes over what the former one left open as a start does: it reads the chain before
 * it signs anything, and what was signed by the other is followed as if it had been sent here. */

/* Open intents come as INTENT_PUTs in the order of their ids; agenda_open() is then due again, with
 * the first facts that L1 tells. False with the sentence: one cannot be read. */
bool agenda_lead(struct agenda *a, const struct store_change *intents, size_t n, struct why *why);
/* From now on nothing is signed or sent; what is under way is left to the next leader. */
void agenda_yield(struct agenda *a);
bool agenda_leads(const struct agenda *a);
/* What the leader does: an INTENT_PUT or INTENT_DEL of its. */
void agenda_foreign(struct agenda *a, const struct store_change *change);

/* L1 has named its chain: transactions can be signed. Nothing to do the second time, or while
 * another coordinator leads. False with the sentence. */
bool agenda_open(struct agenda *a, uint64_t chain_id, struct why *why);
/* Does the next thing, if there is one and nothing is under way. Cheap; only from the loop. */
void agenda_next(struct agenda *a);
/* Begins nothing any more; what is sent is followed on. */
void agenda_stop(struct agenda *a);
/* Settings changed; the strings in it outlive the agenda as the former ones did. */
void agenda_set_options(struct agenda *a, const struct agenda_options *options);

/* The operator says that what a receipt without effect holds may go on (addresses.h). */
void agenda_resume_sending(struct agenda *a);

/* What waits and why, for status output. */
const char *agenda_sentence(const struct agenda *a);
/* NULL before L1 has named its chain. */
struct sender_io *agenda_sender(const struct agenda *a);
const struct funds *agenda_funds(const struct agenda *a);
const struct prepare *agenda_prepare(const struct agenda *a);

struct agenda_counters {
	uint64_t txs[SENDER_OUTCOMES]; /* by enum sender_outcome */
	uint64_t gas_verify, gas_register, gas_upload;
};
const struct agenda_counters *agenda_counters(const struct agenda *a);

/* A transaction that is over. */
struct agenda_past {
	enum sender_kind kind;
	uint64_t first_batch, last_batch; /* VERIFY */
	struct eth_address signer;        /* REGISTER, UPLOAD */
	enum sender_outcome outcome;
	struct why sentence; /* may be empty */
	uint64_t at_ms;      /* wall clock */
	unsigned attempts;
	bool has_receipt; /* the group below */
	uint8_t hash[32];
	uint64_t block, gas_used, gas_price; /* price: wei a gas */
};
#define AGENDA_PAST_MAX 16
/* Of this run, the newest first. NULL: no more. */
const struct agenda_past *agenda_past(const struct agenda *a, size_t i);

/* Sends no more; the transaction under way stays in the store. Then done. NULL is fine. */
void agenda_close(struct agenda *a, void (*done)(void *arg), void *arg);
/* After the RPC client and the store have closed. NULL is fine. */
void agenda_free(struct agenda *a);

#endif
