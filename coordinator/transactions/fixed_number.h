/*
 * fixed_number.h -- does the quote verifier go by one TCB evaluation number for ever?
 *
 * A DcapVerifier may have been deployed with a fixed number (evaluationChoice()). A quote is judged
 * here with the collateral of that number too, whether the chain has its documents or not: so the
 * contract is asked as soon as it is known, and the collateral client told, before any quote waits
 * for it. Contracts of other kinds do not know the question.
 */
#ifndef COORDINATOR_TRANSACTIONS_FIXED_NUMBER_H
#define COORDINATOR_TRANSACTIONS_FIXED_NUMBER_H

#include "coordinator/transactions/desk.h"

struct fixed_number;

/* False with the sentence; *out is NULL. */
bool fixed_number_new(struct fixed_number **out, const struct desk *desk, struct why *why);
/* After the RPC client has closed. NULL is fine. */
void fixed_number_free(struct fixed_number *f);

/* Asks each quote verifier once; where no node answers, again after a while. Cheap. */
void fixed_number_pump(struct fixed_number *f);

#endif
