/*
 * postgres/internal.h -- the engine's own state, and what its files use of each other.
 */
#ifndef COORDINATOR_POSTGRES_INTERNAL_H
#define COORDINATOR_POSTGRES_INTERNAL_H

#include <stdatomic.h>

#include "coordinator/postgres/postgres.h"
#include "coordinator/pq/link.h"

#define CHANGE_KINDS    (CHANGE_LEASE_DEL_THROUGH + 1)
#define OPEN_MS         5000  /* connecting at the start */
#define RUN_MS          800   /* connecting later, a transaction, any other exchange */
#define RECONNECT_MS    200   /* from one attempt to the next */
#define SAY_MS          5000  /* from one reason that it is lost to another */
#define TROUBLE_MS      10000 /* turns may fail so long before it is said */
#define TURN_MS         100
#define LOCK_TRY_MS     500
#define HEARTBEAT_MS    1000
#define TIDY_MS         60000
#define PAGE_ROWS       1000    /* of each table */
#define HEAD_ROWS       100     /* likewise, by who holds up all others */
#define TRANSACTION_MAX 4194304 /* bytes, unless one group alone has more */
#define KEEP_MS         3600000 /* what was deleted is told for so long */
#define HOLD_MAX_MS     4800    /* the longest that a transaction may take */
#define STUCK_MS        5000    /* who takes no answer for so long has stopped, or is cut off */
#define VAIN_MS         50      /* what waited behind a vain wait has begun within this */
#define APPLICATION     "proof-coordinator "

/* ---- statements (statements.c) ---- */

enum statement {
	/* 0 to CHANGE_KINDS - 1: what each kind of change does. Parameters: the writer, the
	 * revision on which it was decided, then as params_of_change(). One row or a row that was
	 * hit, or it conflicts. */
	S_HEAD =
	    CHANGE_KINDS, /* (rev) rev, mark, fence, trimmed, identity, and the mark of (rev) */
	S_HEAD_LOCK,      /* it is this transaction's turn */
	S_HEAD_NEXT,      /* (mark) a new revision */
	S_FENCE_NEXT,     /* (mark) a new revision, and a new leader's fence: rev, mark, fence */
	S_SINCE_FACT,     /* (rev, limit) rows of a table that are newer, in order */
	S_SINCE_INPUT,
	S_SINCE_PROOF,
	S_SINCE_LEASE,
	S_SINCE_PROVER,
	S_SINCE_INTENT,
	S_SINCE_GONE,
	S_PROOF,
	S_LEAD,      /* tries to take the leader's lock */
	S_LEAD_NOT,  /* gives it back */
	S_LEAD_WHO,  /* of who has it: program, user, process */
	S_END_STUCK, /* (ms) ends sessions that hold all others up, and take no answer: names */
	S_HEARTBEAT, /* (slot, token, rev, skew, fence, status) the time */
	S_INSTANCES,
	S_TRIM_TO,    /* the revision up to which nobody needs to be told what was deleted */
	S_TRIM_GONE,  /* (rev) */
	S_TRIM_MARKS, /* (rev) */
	S_TRIM_HEAD,  /* (rev) */
	S_TRIM_INPUTS,
	S_TRIM_INSTANCES,
	STATEMENTS,
};

#define S_TABLES (S_SINCE_GONE - S_SINCE_FACT + 1)

extern const struct link_statement statements[STATEMENTS];

/* ---- rows (rows.c) ---- */

void params_of_change(struct params *p, const struct store_change *c);

/* Row `at` of the result of S_SINCE_FACT + table, borrowed from it. False: a column of a wrong
 * size. */
bool row_read(uint64_t *rev, struct store_change *out, const PGresult *r, int at, int table);
bool row_read_proof(struct store_proof *out, const PGresult *r);

/* ---- the schema (steps.c, schema.c) ---- */

struct schema_step {
	const char *sql;     /* several statements, each ended by ";\n" */
	int compatible_from; /* the oldest program that may go on after it */
};

struct schema {
	const struct schema_step *steps;
	int version; /* how many there are */
};

extern const struct schema schema_known;

/* Makes the steps that are missing, whole or not at all; coordinators that start together wait for
 * each other. make false: only looks. STORE_FOREIGN: another program's, or another version's, or
 * such as could not go on run on it. *from: the version from which this one made steps, 0 where
 * there was none; -1: it made none. Sets a deadline of its own. */
enum store_rc schema_settle(struct link *s, int *from, const struct schema *known, bool make,
			    struct why *why);
/* In a transaction, to its end: the schema is one that this program may store in. */
enum store_rc schema_hold(struct link *s, const struct schema *known, struct why *why);
enum store_rc schema_read(struct link *s, int *version, int *compatible_from, struct why *why);

/* tables.c. Behind schema_settle(): is each table there, the one that is meant, durable and
 * nobody else's to write? observe: only to be read. */
enum store_rc tables_check(struct link *s, bool observe, struct why *why);
/* Where there is no schema: not STORE_OK if it is in a place where this user does not look. */
enum store_rc tables_elsewhere(struct link *s, struct why *why);

/* ---- the engine ---- */

struct postgres {
	struct engine engine;
	char *url;
	char password[512], name[STORE_INSTANCE_SIZE], version[STORE_INSTANCE_SIZE];
	char listen[128], where[256];
	char app[96]; /* what the server calls this session */
	bool observe;
	uint64_t token; /* of this run, in its row of instance */

	uv_mutex_t mutex; /* the loop loads while the thread takes its turns */
	struct link main;
	atomic_uint attempts; /* that failed: they turn the list of hosts */
	uint64_t attempt_due, lock_due, beat_due, tidy_due;
	uint64_t trip_us; /* the quickest exchange with the server so far; 0: none yet */
	bool loaded;      /* or committed */
	bool said_lost;
	bool said_skew;
	bool ended;      /* another past: nothing is stored any more */
	struct why lost; /* why there is no connection */
	struct why said; /* what was said of that last; another reason is said later */
	uint64_t say_due;
	uint64_t writer;     /* a new one for each connection */
	uint64_t seen, mark; /* all up to here is known, which looked like this */
	uint64_t fence;      /* 0, or this leader's */
	bool locked;         /* it has the leader's lock */
	bool held_up;        /* by a session that may be stuck */
	uint64_t vain_until; /* what waited while a lock was waited for in vain waits no more */
	struct why vain;
	uint64_t unled;   /* since when no coordinator that lives had the lead, or 0 */
	char noted[400];  /* what was said of the server */
	uint64_t failing; /* since when this coordinator's row could not be written, or 0 */
	int64_t skew_ms;
	bool slot_locked;
	struct engine_news_list late; /* for whoever may show news next */

	uv_mutex_t shown; /* guards all below */
	char status[STORE_STATUS_SIZE];
	struct store_instance instances[STORE_SLOTS];
	size_t n_instances;
};

static inline struct postgres *postgres_of(struct engine *e)
{
	return (struct postgres *)e;
}

static inline uint64_t after_ms(unsigned ms)
{
	return uv_hrtime() + (uint64_t)ms * 1000000;
}

/* reach.c: a connection, if need be a new one that goes on where the former ended. False: none,
 * with the sentence. */
bool postgres_reach(struct postgres *e, struct engine_news_list *news, struct why *why);
/* Something was: a database that was lost is back. One that answers may store nothing, as it waits
 * for a replica. */
void postgres_stored(struct postgres *e, struct engine_news_list *news);
/* After a failure: notices a connection that is lost, and ends one on which no statement will do,
 * whose verdict is then STORE_UNREACHABLE. */
enum store_rc postgres_check(struct postgres *e, struct engine_news_list *news, enum store_rc rc,
			     const struct why *why);
/* Was a lock just waited for in vain? Then what waited for that need not wait for it again: provers
 * are promised an answer within a second. */
bool postgres_in_vain(const struct postgres *e, struct why *why);
/* What the operator should know of the server, once. */
void postgres_note(struct postgres *e, struct engine_news_list *news);
void postgres_end(struct postgres *e, struct engine_news_list *news, const char *sentence);
uint64_t postgres_random(void);
/* Is what is there now what was there when e->seen was, and more? False: it was said, the sentence
 * is in e->lost, and the connection closed. */
#define HEAD_EMPTY                                                                                 \
	"%s: the table head has no row: somebody emptied it; go back to a backup, or begin with "  \
	"an empty database"
struct head {
	bool there;
	uint64_t rev, mark, fence, trimmed, identity;
	bool has_past;
	uint64_t past; /* the mark of what was asked for */
};
bool postgres_goes_on(struct postgres *e, const struct head *head, struct engine_news_list *news);
/* Moves what could not be shown earlier. */
void postgres_late(struct postgres *e, struct engine_news_list *news);

/* follow.c: queues the questions for what is newer than rev. */
void follow_send(struct link *s, uint64_t rev, int limit);
/* Takes their answers and shows them as rows up to head. *all is false when a page was full: then
 * with parts rows are shown up to *rev, and none without. */
enum store_rc follow_take(struct link *s, uint64_t *rev, uint64_t head, int limit, bool parts,
			  bool *all, struct engine_news_list *news, struct why *why);
/* Shows all that is newer than e->seen. */
enum store_rc follow(struct postgres *e, struct engine_news_list *news, struct why *why);
enum store_rc follow_load(struct engine *engine, const struct store_visitor *v, void *arg,
			  struct why *why);
enum store_rc follow_read_proof(struct engine *engine, uint64_t id, struct change_group **out,
				struct why *why);

/* commit.c */
enum store_rc commit_groups(struct engine *engine, struct engine_item *items[], size_t n,
			    struct engine_news_list *news, uint64_t *ns, struct why *why);
/* Queues BEGIN, the head, what is newer than e->seen; takes the answers. *full: of a table there is
 * more than limit rows: all others would wait for as long as this one reads, so the transaction is
 * to be rolled back, and follow() comes first. */
void commit_begin_send(struct postgres *e, int limit);
enum store_rc commit_begin_take(struct postgres *e, struct head *head, int limit, bool *full,
				struct engine_news_list *news, struct why *why);
/* COMMIT, after which all up to rev is known; *why and the connection are lost if it is not known
 * whether it happened. */
enum store_rc commit_end(struct postgres *e, uint64_t rev, uint64_t mark,
			 struct engine_news_list *news, struct why *why);
void head_read(struct head *out, const PGresult *r);
/* S_HEAD, with e->seen: queued, or by itself. */
void head_send(struct postgres *e);
enum store_rc head_ask(struct postgres *e, struct head *head, struct why *why);

/* slot.c: STORE_IN_USE when the name is, or all places are. */
enum store_rc slot_take(struct postgres *e, struct why *why);
/* Tries to have the lock on its number again, on a new connection. */
enum store_rc slot_lock(struct postgres *e, struct why *why);

/* leader.c */
void leader_turn(struct engine *engine, struct engine_news_list *news);
bool leader_tidy(struct engine *engine);
void leader_lost(struct postgres *e, struct engine_news_list *news);
void leader_farewell(struct postgres *e);
size_t leader_instances(struct engine *engine, struct store_instance *out, size_t max);
void leader_say(struct engine *engine, const char *status);
/* Reads the rows of instance for leader_instances(). */
enum store_rc leader_look(struct postgres *e, struct why *why);

/* inputs.c */
enum input_rc inputs_share(struct engine *engine, const char *dir, const uint8_t sha256[32],
			   uint64_t size, struct why *why);
enum input_rc inputs_fetch(struct engine *engine, const char *dir, const uint8_t sha256[32],
			   uint64_t size, struct why *why);

#endif
