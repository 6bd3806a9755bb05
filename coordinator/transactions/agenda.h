/*
 * settle_owner.h -- what the sender asks of its owner: keep an intent, sign, look at the goal.
 *
 * The callbacks of struct sender_io_owner; arg is the struct daemon. They hold no state.
 */
#ifndef COORDINATOR_TRANSACTIONS_AGENDA_H
#define COORDINATOR_TRANSACTIONS_AGENDA_H

#include "coordinator/sender/sender_io.h"

#define INTENT_MAX (2u << 20) /* bytes of an intent in the store */

void agenda_persist(void *arg, uint64_t ticket, const struct sender_intent *intent);
/* With the TDX key for a registration, with the L1 key for verifyBatches. */
void agenda_sign(void *arg, const struct sender_action *action);
void agenda_check_goal(void *arg, uint64_t ticket, const struct sender_intent *intent);

#endif
