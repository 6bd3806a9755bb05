/*
 * postgres.h -- the engine for several coordinators: PostgreSQL 14 or newer, through libpq.
 *
 * Every write transaction takes the one row of the table head first, and so has its place in one
 * order, its revision. Rows carry the revision that made them, the table gone has what was deleted:
 * loading and following are both "the rows since". One connection is the store's thread's; who has
 * the advisory lock on it leads. Inputs are copied on connections of their own.
 *
 * No wait is without an end: a transaction has 800 ms, and time for its bytes above 1 MiB. Then the
 * connection is dropped, and made anew by a later call.
 */
#ifndef COORDINATOR_POSTGRES_POSTGRES_H
#define COORDINATOR_POSTGRES_POSTGRES_H

#include "coordinator/store/engine.h"

struct postgres_options {
	const char *url; /* postgres://USER@HOST[:PORT][,HOST...]/DATABASE[?...], with its TLS */
	const char *password; /* a secret, copied and wiped; "" or NULL: none */
	const char *instance; /* this coordinator's name, unique among those on the database */
	const char *version;  /* of this program */
	const char *listen;   /* for the operator: where it serves provers */
	bool observe;         /* takes no slot, never leads, makes no schema, stores nothing */
};

/* Connects, makes the schema or brings it up to date, and takes a slot. STORE_UNREACHABLE: no
 * connection; STORE_FOREIGN: nothing to open, such as a newer schema, a server that is too old,
 * rights that are missing or a table of another program; STORE_IN_USE: a coordinator of that name
 * is there; STORE_CORRUPT, STORE_NO_MEMORY. Each with a sentence, which never has the password. */
enum store_rc postgres_open(struct engine **out, const struct postgres_options *options,
			    struct why *why);

/* What the schema says of itself, for the operator. */
struct postgres_facts {
	int schema, compatible_from, known; /* stored; the oldest that may use it; this program's */
	uint64_t revision, fence;
	unsigned running; /* coordinators that are connected */
	char server[64];  /* its version */
};

enum store_rc postgres_facts(struct engine *e, struct postgres_facts *out, struct why *why);

#endif
