/*
 * registration.h -- register() of one key, once the chain is prepared for it: sent from here, or
 * left in a file for governance to send.
 */
#ifndef COORDINATOR_TRANSACTIONS_REGISTER_H
#define COORDINATOR_TRANSACTIONS_REGISTER_H

#include "coordinator/provers/registrar.h"
#include "coordinator/sender/sender.h"

struct daemon;

/* The registrar's REGISTER. now says what came of it, for status output. */
void register_start(struct daemon *d, const struct registrar_step *step, struct why *now);
/* The same where others send it: writes the call, once for each key. *offered: for whom it was
 * written last. */
void register_offer(struct daemon *d, const struct registrar_step *step,
		    struct eth_address *offered, struct why *now);
/* The sender is done with it. */
void register_over(struct daemon *d, const struct sender_action *finished);

/* Has the gas used today kept over restarts. */
void register_keep_gas(struct daemon *d);

#endif
