/*
 * engine.h -- what store.c needs of a database. SQLite (sqlite.c) is the embedded one; PostgreSQL,
 * for several coordinators, is the room postgres/.
 *
 * Used from one thread at a time: the loop's until the store's thread starts, then that one's.
 */
#ifndef COORDINATOR_STORE_ENGINE_H
#define COORDINATOR_STORE_ENGINE_H

#include <stdatomic.h>

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

/* "proof 7 of batch 12" */
void change_describe(const struct store_change *c, char *out, size_t n);

/* ---- what an engine has to say by itself: only one that is shared ---- */

enum engine_news_kind {
	NEWS_FOREIGN,    /* rows of others: PUTs and DELs only */
	NEWS_LEADS,      /* with all open intents, and the fence */
	NEWS_LEADS_NOT,  /* another may, from now on */
	NEWS_LOST,       /* the database cannot be reached; the sentence */
	NEWS_BACK,       /* it can again, and all that was missed was shown */
	NEWS_OTHER_PAST, /* it is no continuation of what was loaded; the sentence */
	NEWS_SCHEMA,     /* this one made the tables, or brought them up to date; the sentence */
	NEWS_TROUBLE,    /* something the operator should read, such as a clock that is wrong */
};

/* One allocation each, and one for changes: store.c gives both to free(). */
struct engine_news {
	struct engine_news *next;
	enum engine_news_kind kind;
	struct change_group *changes; /* NULL: none */
	uint64_t rev;                 /* FOREIGN: all up to here is known with this */
	uint64_t fence;               /* LEADS */
	struct why sentence;
};

struct engine_news_list {
	struct engine_news *first, **end;
};

void engine_news_list_init(struct engine_news_list *list);
/* Takes changes, which may be NULL. False: out of memory, and changes is still the caller's. */
bool engine_news_add(struct engine_news_list *list, enum engine_news_kind kind,
		     struct change_group *changes, uint64_t number, const char *sentence);

/* ---- the engine ---- */

/* One group of a transaction, and its verdict. */
struct engine_item {
	const struct change_group *group;
	uint64_t seen; /* the revision of others' rows on which it was decided */
	/* By which the loop led when it was submitted, 0: it did not. A leader's change under
	 * another one than the engine's is STORE_NOT_LEADER. */
	uint64_t fence;
	enum store_rc rc;
	struct why why;
};

struct engine_ops {
	/* As store_load(). */
	enum store_rc (*load)(struct engine *e, const struct store_visitor *visitor, void *arg,
			      struct why *why);
	/* *out: a group of one CHANGE_PROOF_PUT, for free(). */
	enum store_rc (*read_proof)(struct engine *e, uint64_t id, struct change_group **out,
				    struct why *why);
	/* One transaction for n >= 1 groups. STORE_OK: each has its verdict, STORE_OK for those
	 * that are durable; STORE_CONFLICT and STORE_NOT_LEADER left no trace. Anything else:
	 * nothing is stored, and why is the reason for all; store.c then tries each alone, but not
	 * after STORE_UNREACHABLE and STORE_TAKEN_AWAY. What others stored before is added to news.
	 * *ns: what the COMMIT took, 0 if there was none. */
	enum store_rc (*commit)(struct engine *e, struct engine_item *items[], size_t n,
				struct engine_news_list *news, uint64_t *ns, struct why *why);
	/* Upkeep that nobody waits for. True when it did something. */
	bool (*tidy)(struct engine *e);
	void (*close)(struct engine *e);

	/* All below: NULL, or 0, for an engine that is not shared. */

	/* Called when turn_ms passed without a commit, and after commits: what others stored, who
	 * leads, a connection that was lost. */
	void (*turn)(struct engine *e, struct engine_news_list *news);
	unsigned turn_ms;
	/* From any thread, after load: the coordinators as last seen; at most max, the number that
	 * exists is returned. */
	size_t (*instances)(struct engine *e, struct store_instance *out, size_t max);
	/* From any thread: what the others may read about this one, JSON text; copied. */
	void (*say)(struct engine *e, const char *status);
	/* From any thread of libuv's pool. bytes of DIR/inputs/SHA256 to the database, and back;
	 * why as of input_file.h. */
	enum input_rc (*share_input)(struct engine *e, const char *dir, const uint8_t sha256[32],
				     uint64_t size, struct why *why);
	enum input_rc (*fetch_input)(struct engine *e, const char *dir, const uint8_t sha256[32],
				     uint64_t size, struct why *why);
};

/* The first member of each engine's own struct. */
struct engine {
	const struct engine_ops *ops;
	unsigned slot;     /* this coordinator's number, 0..STORE_SLOTS - 1; 0 where it is alone */
	uint64_t identity; /* of the database, drawn when it was made; 0 where it is not shared */
	_Atomic uint64_t led_ms; /* clock_boot_ms() at which this one surely led; see store.h */
};

/* Gives STORE_DISK, STORE_FOREIGN, STORE_CORRUPT or STORE_NO_MEMORY, each with the sentence. A new
 * database is durable, its directory entry included, when this returns. */
enum store_rc sqlite_open(struct engine **out, const char *dir, unsigned checkpoint_pages,
			  struct why *why);

#endif
