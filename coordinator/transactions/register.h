/*
 * register.h -- register() of one key, once the chain is prepared for it: sent from here, or left
 * in a file for governance to send.
 */
#ifndef COORDINATOR_TRANSACTIONS_REGISTER_H
#define COORDINATOR_TRANSACTIONS_REGISTER_H

#include "coordinator/transactions/desk.h"
#include "coordinator/transactions/prepare.h"

/* The registrar's REGISTER; the outbox is free. */
void register_start(const struct desk *d, const struct prepare *prepare,
		    const struct registrar_step *step);
/* The same where others send it: writes the call, once for each key. *offered: for whom it was
 * written last. */
void register_offer(const struct desk *d, const struct prepare *prepare,
		    const struct registrar_step *step, struct eth_address *offered);
/* The outbox is done with it. Returns the gas of its receipt. */
uint64_t register_over(const struct desk *d, const struct sender_action *finished);

#endif
