/*
 * verify_batches.h -- a run of proofs becomes one verifyBatches, and a refusal of it becomes a
 * verdict.
 *
 * The longest run of batches whose proofs are good goes in one transaction. Refused, it is halved
 * until one batch is left; the type that the contract names is then looked at: is it the key that
 * went? does a second endpoint say the same? Only then is the proof set aside.
 */
#ifndef COORDINATOR_TRANSACTIONS_VERIFY_BATCHES_H
#define COORDINATOR_TRANSACTIONS_VERIFY_BATCHES_H

#include "coordinator/transactions/desk.h"

struct verify;

/* False with the sentence; *out is NULL. */
bool verify_new(struct verify **out, const struct desk *desk, struct why *why);
/* After the store and the RPC client have closed. NULL is fine. */
void verify_free(struct verify *v);

/* Is a run being put together, or an endpoint asked about a refusal? Nothing else may start. */
bool verify_is_busy(const struct verify *v);
/* Begins the next run where there is one; the outbox is free. */
void verify_next(struct verify *v);
/* The outbox is done with a verifyBatches, of this run or of the one before. */
void verify_over(struct verify *v, const struct sender_action *finished);
/* Another coordinator leads: the run under way is dropped, and what is asked for ends in nothing.
 */
void verify_yield(struct verify *v);
/* Begins nothing any more. */
void verify_stop(struct verify *v);
/* Gas of receipts. */
uint64_t verify_gas(const struct verify *v);

#endif
