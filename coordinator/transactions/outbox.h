/*
 * outbox.h -- one L1 transaction at a time, and what the sender asks of its owner: keep an intent,
 * sign, look at the goal.
 *
 * A wish gets an id and the address it is sent from; its intent is durable before anything is
 * broadcast, and an intent of an earlier run is followed as if it had been sent by this one.
 */
#ifndef COORDINATOR_TRANSACTIONS_OUTBOX_H
#define COORDINATOR_TRANSACTIONS_OUTBOX_H

#include "coordinator/sender/sender_io.h"
#include "coordinator/signing/signing.h"
#include "coordinator/store/store.h"

#define OUTBOX_INTENT_MAX (2u << 20) /* bytes of an intent in the store */

struct outbox;

struct outbox_parts {
	uv_loop_t *loop;
	struct rpc *rpc;
	struct store *store;
	struct signing *signing;
};
struct outbox_options {
	struct eth_address proposer;  /* whose lastVerifiedBatch() tells that a run is verified */
	struct sender_options sender; /* chain id and seed are set here */
};
struct outbox_events {
	/* The end of an intent, its row already on its way out of the store. A new wish may be
	 * made from inside. */
	void (*finished)(void *arg, const struct sender_action *action);
	void *arg;
};

/* False with the sentence; *out is NULL. */
bool outbox_new(struct outbox **out, const struct outbox_parts *parts,
		const struct outbox_options *options, const struct outbox_events *events,
		struct why *why);

/* At the start: a row of an earlier run. False with the sentence: it cannot be read. */
bool outbox_restore(struct outbox *o, const struct store_intent *row, struct why *why);
/* What an earlier run left open; NULL: nothing, or it goes on already. */
const struct sender_intent *outbox_left_open(const struct outbox *o);

/* A transaction is signed for one chain id, so nothing is sent before L1 has named it. Goes on
 * with what was left open. Nothing to do when open. False with the sentence. */
bool outbox_open(struct outbox *o, uint64_t chain_id, struct why *why);
/* May a wish be made now? */
bool outbox_is_free(const struct outbox *o);

/* Sends wish; its id and from are set here. False with the sentence, and nothing was begun. */
bool outbox_wish(struct outbox *o, struct sender_wish *wish, struct why *why);
/* The address that sends wishes of this kind. False: nobody signs for it. */
bool outbox_from(const struct outbox *o, enum sender_kind kind, struct eth_address *out);

/* Settings changed: fees, and how often the chain is looked at. */
void outbox_set_options(struct outbox *o, const struct sender_options *options);
/* Says in the log what has kept a transaction from being sent for half a minute, once. Cheap. */
void outbox_watch(struct outbox *o);
/* NULL before outbox_open(); for status output. */
struct sender_io *outbox_sender(const struct outbox *o);

/* ---- several coordinators (store.h) ---- */

/* This one leads from now on: goes on, after outbox_open(), with what the former leader left open,
 * as with what an earlier run left; intents come in the order of their ids. False with the
 * sentence: one cannot be read. Each signature then waits for the store's word that it still leads.
 */
bool outbox_lead(struct outbox *o, const struct store_change *intents, size_t n, struct why *why);
/* It leads no more: what is under way is broken off, signs and sends nothing further, and ends
 * without an event; its row stays. To be opened again after the next outbox_lead(). */
void outbox_yield(struct outbox *o);

/* Stops; the intent under way stays in the store. Then done. NULL is fine. */
void outbox_close(struct outbox *o, void (*done)(void *arg), void *arg);
/* After the RPC client, the store and whoever signs have closed: they may still call back. NULL is
 * fine. */
void outbox_free(struct outbox *o);

#endif
