/*
 * rows.h -- what the store keeps of the relay, as facts: each row's writer and reader side by side.
 */
#ifndef COORDINATOR_RELAY_ROWS_H
#define COORDINATOR_RELAY_ROWS_H

#include "coordinator/relay/fetch_plan.h"
#include "coordinator/relay/forward_plan.h"
#include "coordinator/store/store.h"

#define RELAY_KEY_SIZE   160
#define RELAY_VALUE_SIZE (2 * COMMIT_HASH_MAX + 32)

/* A change of a fact, with room for what it borrows; not to be moved. */
struct relay_row {
	struct store_change change;
	char key[RELAY_KEY_SIZE];
	uint8_t value[RELAY_VALUE_SIZE];
};

/* What upstream is asked for: written before it is asked, so that after a crash it is known that an
 * input may have been handed out and be lost until upstream's timeout. */
void demand_row_put(struct relay_row *out, const struct fetch_demand *d, uint64_t wall_ms);
void demand_row_drop(struct relay_row *out, const struct fetch_key *key);
/* What a prover of a coordinator that does not lead wants: the leader asks for it. Of each slot and
 * place (below FETCH_DEMANDS_MAX) one row, so that they are no more and need no end. */
void wanted_row_put(struct relay_row *out, unsigned slot, unsigned place,
		    const struct fetch_key *key);
/* And what it heard then, for that prover: of each place of the leader one. code_hash: upstream's
 * own, "" where it did not say. */
void heard_row_put(struct relay_row *out, unsigned place, const struct fetch_key *key,
		   enum fetch_heard heard, const char *code_hash);
struct demand_row {
	struct fetch_key key;
	uint64_t asked_ms; /* wall clock */
	uint64_t batch;    /* the last input's before; 0: none */
	enum fetch_heard heard;
	char code_hash[COMMIT_HASH_MAX + 1];
};

void forward_row_put(struct relay_row *out, const struct forward_entry *e);
void forward_row_drop(struct relay_row *out, const struct forward_entry *e);

/* At the start: is it one of these? One of another version or not well formed is passed over. */
/* WANTED: demand's key. HEARD: that, heard and code_hash. */
enum relay_row_kind {
	RELAY_ROW_NONE,
	RELAY_ROW_DEMAND,
	RELAY_ROW_WANTED,
	RELAY_ROW_HEARD,
	RELAY_ROW_FORWARD
};
enum relay_row_kind relay_row_get(const struct store_fact *row, struct demand_row *demand,
				  struct forward_entry *entry);

#endif
