/*
 * enroll.h -- what must be true on chain before a quote may be registered.
 *
 * For the key that the registrar has chosen: register() is rehearsed (rehearsal.h), the collateral
 * that the verifying contracts lack is uploaded (pccs.h says what is next), then the quote is
 * verified by an eth_call, for the reason that register() would swallow. Only then is the registrar
 * told that the chain is prepared.
 */
#ifndef COORDINATOR_TRANSACTIONS_PREPARE_H
#define COORDINATOR_TRANSACTIONS_PREPARE_H

#include "coordinator/provers/registrar.h"
#include "coordinator/sender/sender.h"
#include "coordinator/transactions/onchain_pccs.h"

struct daemon;
struct enroll;

bool enroll_new(struct enroll **out, struct daemon *d, struct why *why);
void enroll_free(struct enroll *e);

/* The registrar's PREPARE: begins, or goes on where it is under way. Ends in registrar_prepared()
 * or registrar_register_failed(). */
void enroll_prepare(struct enroll *e, const struct registrar_step *step);
/* An upload waits for the sender to be free: it goes now. False: nothing waits. */
bool enroll_send(struct enroll *e);
/* An upload has come to its end, of this run or of the one before. */
void enroll_upload_over(struct enroll *e, const struct sender_action *finished);

/* Appends the calldata of register() for this quote, as the contracts found take it. */
bool enroll_register_call(const struct enroll *e, struct buf *out, struct span quote,
			  struct why *why);

/* What it is at, "" while idle. */
const char *enroll_sentence(const struct enroll *e);
/* What the contracts hold, as far as it was read. */
const struct pccs *enroll_pccs(const struct enroll *e);
uint64_t enroll_uploads(const struct enroll *e);

#endif
