/*
 * prepare.h -- what must be true on chain before a quote may be registered.
 *
 * For the key that the registrar has chosen: register() is rehearsed (rehearsal.h), the collateral
 * that the verifying contracts lack is uploaded (onchain_pccs.h says what is next; where they go by
 * another TCB evaluation number the collateral client is told, and the quote judged anew), then the
 * quote is verified by an eth_call, for the reason that register() would swallow. Only then is the
 * registrar told that the chain is prepared.
 */
#ifndef COORDINATOR_TRANSACTIONS_PREPARE_H
#define COORDINATOR_TRANSACTIONS_PREPARE_H

#include "coordinator/transactions/desk.h"

struct prepare;

/* False with the sentence; *out is NULL. */
bool prepare_new(struct prepare **out, const struct desk *desk, struct why *why);
/* Another coordinator leads: what is under way ends in nothing. */
void prepare_yield(struct prepare *prep);
/* Nothing is fetched for it any more. */
void prepare_stop(struct prepare *prep);
void prepare_free(struct prepare *prep);

/* The registrar's PREPARE: begins, or goes on where it is under way. Ends in registrar_prepared()
 * or registrar_register_failed(). */
void prepare_begin(struct prepare *prep, const struct registrar_step *step);
/* An upload waits for the sender to be free: it goes now. False: nothing waits. */
bool prepare_send(struct prepare *prep);
/* An upload has come to its end, of this run or of the one before. */
void prepare_upload_over(struct prepare *prep, const struct sender_action *finished);

/* Appends the calldata of register() for this quote, as the contracts found take it. */
bool prepare_register_call(const struct prepare *prep, struct buf *out, struct span quote,
			   struct why *why);

/* What it is at, "" while idle. */
const char *prepare_sentence(const struct prepare *prep);
/* What the contract that is faced says of the last key's quote, beside Intel's UpToDate; "" before
 * any. */
const char *prepare_verdict(const struct prepare *prep);
/* What the contracts hold, as far as it was read. */
const struct pccs *prepare_pccs(const struct prepare *prep);
uint64_t prepare_uploads(const struct prepare *prep);

#endif
