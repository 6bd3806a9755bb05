/*
 * store_copy.h -- all that one store has into another, empty one, whatever engines they have.
 *
 * Nothing may run on either meanwhile; the caller sees to that. A copy that fails half-way, or is
 * killed, leaves a target that says so: no coordinator starts on it, and it is to be removed and
 * made anew.
 */
#ifndef COORDINATOR_STORE_COPY_H
#define COORDINATOR_STORE_COPY_H

#include "coordinator/store/engine.h"

enum store_table {
	STORE_FACTS,
	STORE_INPUTS,
	STORE_PROOFS,
	STORE_LEASES,
	STORE_PROVERS,
	STORE_INTENTS,
	STORE_TABLES,
};

extern const char *const store_table_names[STORE_TABLES];

/* An engine, and the directory whose inputs/ goes with it. */
struct store_end {
	struct engine *engine;
	const char *dir;
};

struct store_copied {
	uint64_t from[STORE_TABLES], to[STORE_TABLES]; /* rows that are there */
	uint64_t files, bytes;                         /* input files that were moved */
	uint64_t missing; /* rows of inputs whose file is not at the source either */
};

/* The rows of each table. */
enum store_rc store_count(uint64_t out[STORE_TABLES], struct engine *engine, struct why *why);

/* Does this row say that the store has only a part of what was to be copied there? True with the
 * sentence. */
bool store_copy_mark(const struct store_fact *row, struct why *why);
/* STORE_CONFLICT with that sentence: it has one. */
enum store_rc store_copy_whole(struct engine *engine, struct why *why);

/* The caller knows that the source is whole, before there is a target: from its first row on the
 * target says that it is not. STORE_CONFLICT: the target is not empty, or has other counts
 * afterwards. Otherwise as the engines say. */
enum store_rc store_copy(struct store_copied *out, const struct store_end *from,
			 const struct store_end *to, struct why *why);

#endif
