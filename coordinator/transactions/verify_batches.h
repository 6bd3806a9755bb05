/*
 * settle.h -- what goes to L1 next: a registration or a run of proofs, one at a time.
 *
 * Glue between the pure parts: the registrar says which key, work says which proofs, the sender
 * carries one transaction to its confirmation; the chain's facts move all three.
 */
#ifndef COORDINATOR_TRANSACTIONS_VERIFY_BATCHES_H
#define COORDINATOR_TRANSACTIONS_VERIFY_BATCHES_H

#include "coordinator/provers/registrar.h"
#include "coordinator/sender/sender.h"
#include "coordinator/store/store.h"

struct daemon;
struct settle;

bool settle_new(struct settle **out, struct daemon *d, struct why *why);
void settle_free(struct settle *s);

/* At the start: an intent of an earlier run, to be followed as if it had been sent. Taken over. */
void settle_resume(struct settle *s, struct sender_intent *intent);

/* At the start, after the load: what an earlier run was told counts until L1 answers. */
void settle_restore(struct daemon *d);
/* The chain's facts are new: tells work and registrar. */
void settle_on_chain(struct daemon *d);
/* Does the next thing, if there is one and nothing is under way. Cheap. */
void settle_tick(struct daemon *d);
/* Settings changed. */
void settle_reload(struct daemon *d);
void settle_registrar_settings(const struct daemon *d, struct registrar_settings *out);

/* What waits and why, for status output. */
const char *settle_sentence(const struct settle *s);

/* Whom the operator promoted, while it is not done: a fact of 20 bytes. */
#define SETTLE_PROMOTED_FACT "promoted"

/* store_prover.state */
enum { PROVER_ROW_USUAL, PROVER_ROW_REVOKED };

/* The row of a prover; borrows from it. */
void settle_prover_row(struct store_change *out, const struct registrar_prover *prover);
/* Has what is known of that prover kept, with the next commit: after a crash, a key that has
 * shown proofs must not look like one that never did. Unknown: nothing to do. */
void settle_keep_prover(struct daemon *d, const struct eth_address *signer);

#endif
