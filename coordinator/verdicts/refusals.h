/*
 * refusals.h -- which quotes were refused before, and which sources keep offering bad ones.
 *
 * A refused quote that comes again is answered from here. ECDSA signatures are malleable, so what
 * was refused for what its quoting enclave signed is known by a hash of the signed part; but a
 * stranger can put a broken signature under somebody else's signed part, so what was refused for
 * anything else is known by a hash of all its bytes.
 *
 * A source (an address; several machines may share it) that offers bad quotes one after the other
 * has to wait longer and longer before its next is looked at.
 *
 * Pure. Both tables are bounded: the entry unused for longest makes room.
 */
#ifndef COORDINATOR_VERDICTS_REFUSALS_H
#define COORDINATOR_VERDICTS_REFUSALS_H

#include "encoding/bytes.h"
#include "encoding/why.h"

struct refusals;

struct refusals_settings {
	size_t max_quotes, max_sources; /* at least 1 each */
	unsigned free_refusals;         /* of one source, before it has to wait */
	uint64_t first_wait_ms;         /* then; doubles with each further one */
	uint64_t max_wait_ms;
	uint64_t forget_ms; /* one refusal of a source is forgotten each time this has passed */
};

/* NULL: out of memory. */
struct refusals *refusals_new(const struct refusals_settings *settings);
void refusals_free(struct refusals *r);

struct refusal_key {
	uint8_t sha256[32];
};

/* Takes a new epoch: what was refused for reasons that have changed (collateral, policy, contract)
 * is looked at anew. */
void refusals_new_epoch(struct refusals *r);

/* lasting: no other collateral, policy or contract will change it. */
void refusals_add(struct refusals *r, const struct refusal_key *key, bool lasting,
		  const char *sentence);
/* NULL: not refused before, or in a former epoch. The sentence is good until the next call. */
const char *refusals_find(struct refusals *r, const struct refusal_key *key);

/* The source offered a bad quote that had to be looked at. */
void refusals_blame(struct refusals *r, const char *source, uint64_t now_ms);
/* A good one: its refusals are forgotten. */
void refusals_absolve(struct refusals *r, const char *source);
/* How long it has to wait; 0: its next quote is looked at. */
uint64_t refusals_wait_ms(struct refusals *r, const char *source, uint64_t now_ms);

#endif
