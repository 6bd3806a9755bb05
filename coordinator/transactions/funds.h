/*
 * funds.h -- what the sending keys have left to pay gas with.
 *
 * Read once a minute, and after each transaction; a balance below the operator's mark is a warning
 * in the log, once until it is above again. A node that tells no balances is let be.
 */
#ifndef COORDINATOR_TRANSACTIONS_FUNDS_H
#define COORDINATOR_TRANSACTIONS_FUNDS_H

#include "coordinator/transactions/desk.h"
#include "ethereum/uint256.h"

struct funds;

/* verifyBatches is sent by the one, registrations and uploads by the other; may be the same. */
enum funds_key { FUNDS_VERIFY, FUNDS_REGISTER, FUNDS_KEYS };

struct funds_info {
	const char *key; /* "verify", "register" */
	struct eth_address address;
	bool known; /* the group below */
	struct uint256 balance;
	bool low;
};

/* False with the sentence; *out is NULL. */
bool funds_new(struct funds **out, const struct desk *desk, struct why *why);
/* After the RPC client has closed. NULL is fine. */
void funds_free(struct funds *f);

/* Reads where it is time to. Cheap. */
void funds_pump(struct funds *f);
/* They have changed: reads at the next pump. */
void funds_refresh(struct funds *f);

/* False: no such key is given. */
bool funds_of(const struct funds *f, enum funds_key key, struct funds_info *out);

#endif
