/*
 * addresses.h -- may transactions be sent to the addresses that settings and contracts name?
 *
 * A call to a wrong address may pass and do nothing, at the price of its gas. So at the start, and
 * again after a change of settings, each address is asked what it is: the receiver of verifyBatches
 * has code and owns the OnChainProposer, the sending key may call it (SEQUENCER at a Timelock), the
 * DAO addresses of the settings answer as DAOs of their kind do. Only a plain "no" counts; a
 * contract that does not know the question is left to the dry run. And a receipt without effect
 * makes for a doubt, which holds the sender for a while that doubles, until the check has passed
 * again or the operator says that it may go on.
 */
#ifndef COORDINATOR_TRANSACTIONS_ADDRESSES_H
#define COORDINATOR_TRANSACTIONS_ADDRESSES_H

#include "coordinator/transactions/desk.h"

struct addresses;

/* False with the sentence; *out is NULL. */
bool addresses_new(struct addresses **out, const struct desk *desk, struct why *why);
/* After the RPC client has closed. NULL is fine. */
void addresses_free(struct addresses *a);

/* Begins a check where one is due; its end wakes the desk's owner. Cheap. */
void addresses_pump(struct addresses *a);
/* May a transaction of this kind be sent now? False with the sentence. */
bool addresses_allow(const struct addresses *a, enum sender_kind kind, struct why *why);

/* Asks nothing any more, and wakes nobody. */
void addresses_stop(struct addresses *a);

/* A transaction of this kind was confirmed, and the contract did not move. */
void addresses_doubt(struct addresses *a, enum sender_kind kind, const char *sentence);
/* One was confirmed, and the contract moved: the next doubt begins with the shortest wait. */
void addresses_took_effect(struct addresses *a, enum sender_kind kind);
/* The operator says that the sender may go on: doubts are gone, the check is made again. */
void addresses_trust(struct addresses *a);
/* Settings changed: the check is made again; until then the former one holds. */
void addresses_recheck(struct addresses *a);

#endif
