/*
 * facts_row.h -- the facts as they are kept: one JSON object with a version, written and read here.
 */
#ifndef COORDINATOR_L1_FACTS_ROW_H
#define COORDINATOR_L1_FACTS_ROW_H

#include "coordinator/l1/facts.h"
#include "encoding/bytes.h"

#define L1_ROW_MAX 4096

/* As the store's fact of the name L1_FACT. */
void l1_row_keep(struct store *store, const struct l1_facts *f);
/* False: no memory. */
bool l1_row_put(struct buf *out, const struct l1_facts *f);
/* False: no row of this version, or one that does not hold what it must. */
bool l1_row_get(struct l1_facts *out, struct span row);

/* Is it about this contract, and on this chain (0: whichever)? False with the sentence. */
bool l1_row_fits(const struct l1_facts *f, const struct eth_address *proposer, uint64_t chain_id,
		 struct why *why);

/* To the log. */
void l1_say_facts(const struct l1_facts *f);

/* Is there nothing new in the one that would not be in the other? */
bool l1_same_facts(const struct l1_facts *a, const struct l1_facts *b);

#endif
