/*
 * proofs/internal.h -- the room's own state, and what its files use of each other.
 */
#ifndef COORDINATOR_PROOFS_INTERNAL_H
#define COORDINATOR_PROOFS_INTERNAL_H

#include "coordinator/proofs/proofs.h"

#define JUDGING_MAX 16 /* proofs looked at on L1 at once */

struct proofs {
	struct proofs_parts p;
	size_t max_bytes;
	bool stopped;
	unsigned judging;
	unsigned asking;
	uint64_t under_way[JUDGING_MAX]; /* ids; 0: free */
	struct proofs_counters counters;
};

/* rows.c: a PROOF_STATE that work knows. Where it cannot be stored work is told what is. */
void verdict_keep(struct proofs *p, const struct store_change *change);

#endif
