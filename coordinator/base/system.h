/*
 * claim.h -- one daemon a key: two that send from one account would take each other's nonces.
 *
 * A claim is an abstract Unix socket whose name says which key on which chain; it ends with the
 * process. It is seen by daemons on the same machine and network namespace only.
 */
#ifndef COORDINATOR_BASE_SYSTEM_H
#define COORDINATOR_BASE_SYSTEM_H

#include "encoding/why.h"
#include "ethereum/address.h"

/* where: whatever tells chains apart (endpoints, contract). Returns a descriptor that holds the
 * claim, or -1 with the sentence. */
int claim_key(const struct eth_address *key, const char *where, struct why *why);

#endif
