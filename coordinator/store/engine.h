/*
 * store_engine.h -- what store.c needs of a database. One engine is linked in: store_sqlite.c.
 *
 * Used from one thread at a time: the loop's until the store's thread starts, then that one's.
 */
#ifndef COORDINATOR_STORE_ENGINE_H
#define COORDINATOR_STORE_ENGINE_H

#include "coordinator/store/store.h"

/* ---- an owned copy of a group of changes (store_change.c) ---- */

struct change_group {
	size_t bytes; /* of the whole allocation */
	size_t n;
	struct store_change changes[];
};

/* One allocation, to be given to free(); NULL: out of memory. */
struct change_group *change_group_new(const struct store_change *changes, size_t n);
/* What change_group_new() would allocate. */
size_t change_group_size(const struct store_change *changes, size_t n);

/* ---- the engine ---- */

struct engine;

/* Gives STORE_DISK, STORE_FOREIGN, STORE_CORRUPT or STORE_NO_MEMORY, each with the sentence. A new
 * database is durable, its directory entry included, when this returns. */
enum store_rc engine_open(struct engine **out, const char *dir, unsigned checkpoint_pages,
			  struct why *why);
void engine_close(struct engine *engine);

enum store_rc engine_load(struct engine *engine, const struct store_visitor *visitor, void *arg,
			  struct why *why);

/* *out: a group of one CHANGE_PROOF_PUT, for free(). */
enum store_rc engine_read_proof(struct engine *engine, uint64_t id, struct change_group **out,
				struct why *why);

enum store_rc engine_begin(struct engine *engine, struct why *why);
/* STORE_CONFLICT: the group left no trace and the transaction goes on. Any other error: the
 * transaction is to be rolled back. */
enum store_rc engine_apply(struct engine *engine, const struct change_group *group,
			   struct why *why);
/* STORE_TAKEN_AWAY: the files are not where they were opened, and never will be again for this
 * engine. STORE_OK: all that was applied is on the disk. Else it is to be rolled back. */
enum store_rc engine_commit(struct engine *engine, struct why *why);
void engine_rollback(struct engine *engine);

/* Upkeep that nobody waits for. True when it did something. */
bool engine_tidy(struct engine *engine);

#endif
