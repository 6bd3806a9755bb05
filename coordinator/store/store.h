/*
 * store.h -- makes the coordinator's state durable.
 *
 * The libuv loop owns all state in memory; the store keeps a copy that survives a power cut. A
 * state change is a closed, typed list of changes, never SQL at the call site, so that another
 * engine can come behind this header. SQLite is the embedded default.
 *
 * One thread does the disk's work. All that is queued when it comes by goes into one transaction
 * (group commit: one fsync acknowledges all that waited). Callbacks run on the loop, in the order
 * in which the groups were submitted, and never from inside the call that submitted them.
 *
 * All functions are called on the loop's thread, and the store's memory is bounded: see
 * store_options. Unsigned 64-bit numbers keep their full range.
 *
 * A store may be shared: then several coordinators have this state in memory, each with its own
 * store on one database, which puts all groups of all of them in one order. What others stored is
 * shown before the answer of any group that came after it. One of them leads: INTENT_PUT,
 * INTENT_DEL, PROOF_STATE and PROOF_RANGE are the leader's alone.
 */
#ifndef COORDINATOR_STORE_STORE_H
#define COORDINATOR_STORE_STORE_H

#include <uv.h>

#include "coordinator/store/input_file.h"
#include "encoding/bytes.h"
#include "encoding/why.h"

#define STORE_RC_LIST(X)                                                                           \
	X(STORE_OK, "ok")                                                                          \
	X(STORE_FULL, "the store's queue is full") /* try later; nothing was kept */               \
	X(STORE_DISK, "the disk refused")          /* later groups may succeed */                  \
	X(STORE_CONFLICT, "the change contradicts what is stored")                                 \
	X(STORE_NOT_FOUND, "not in the store")                                                     \
	X(STORE_IN_USE, "the data directory is in use")      /* by another daemon */               \
	X(STORE_FOREIGN, "the database is not ours to open") /* newer schema, other program */     \
	X(STORE_CORRUPT, "the database is damaged")          /* nothing is repaired or removed */  \
	X(STORE_TAKEN_AWAY, "the database is not where it was") /* nothing is stored any more */   \
	X(STORE_UNREACHABLE, "the database cannot be reached")  /* as after STORE_DISK */          \
	X(STORE_NOT_LEADER, "another coordinator leads")                                           \
	X(STORE_NO_MEMORY, "out of memory")                                                        \
	X(STORE_CLOSING, "the store is closing")

enum store_rc {
#define X(name, text) name,
	STORE_RC_LIST(X)
#undef X
};

/* A few constant words for logs and metrics labels. */
const char *store_rc_text(enum store_rc rc);

/* ---- rows: the same structs are submitted as changes and shown by store_load() ----
 *
 * Spans are copied when submitted, and valid only during the visit or callback when shown. Text
 * spans are not NUL-terminated. Times are milliseconds since the Unix epoch. The int fields named
 * state, kind and prover_type belong to the caller's enums; the store does not interpret them. */

/* A named value: chain id, needed types, contract addresses, gas spent on a day. Key: key. */
struct store_fact {
	struct span key; /* text */
	struct span value;
};

/* An input file, see input_file.h; the file must be durable before. Key: (batch, commit_hash,
 * sha256). Of one batch and commit hash one row counts, those with replaced_ms were replaced by it.
 * The same content again is fine, and counts again; other content beside one that counts is
 * STORE_CONFLICT. */
struct store_input {
	uint64_t batch;
	struct span commit_hash; /* text, the prover's */
	uint8_t sha256[32];
	uint64_t size;
	uint64_t created_ms;
	uint64_t replaced_ms; /* 0: it counts */
};

/* A proof that was, or will be, acknowledged. Key: id, chosen by the caller; an id that exists is
 * STORE_CONFLICT. In a visit, a blob longer than STORE_VISIT_BLOB_MAX has p == NULL and its true
 * length in n: store_read_proof() fetches it. */
#define STORE_VISIT_BLOB_MAX 512
struct store_proof {
	uint64_t id;
	uint64_t batch;
	int prover_type;
	struct span bytes;
	struct span public_values;
	struct span source; /* text: who sent it */
	uint64_t received_ms;
	int state;
	bool has_signer;
	uint8_t signer[20];
	struct span reason; /* text */
	uint64_t judged_ms; /* 0: not yet */
};

/* What judging a proof adds to it. An unknown id is STORE_CONFLICT. */
struct store_proof_state {
	uint64_t id;
	int state;
	bool has_signer;
	uint8_t signer[20];
	struct span reason; /* text */
	uint64_t judged_ms;
};

/* Another state for the proofs of the batches first..last whose state is in the set `from`, a bit
 * for each (1 << state). They lose their signer and their judgement. */
struct store_proof_range {
	uint64_t first, last;
	unsigned from;
	int state;
	struct span reason; /* text */
};

/* Key: (batch, prover_type). */
struct store_lease {
	uint64_t batch;
	int prover_type;
	struct span source; /* text */
	uint64_t expires_ms;
};

/* Key: signer. */
struct store_prover {
	uint8_t signer[20];
	struct span payload; /* a quote, or 20 address bytes */
	int payload_kind;
	struct span source; /* text */
	uint64_t first_seen_ms;
	uint64_t last_seen_ms;
	uint64_t last_proof_ms; /* 0: none yet */
	uint64_t proofs_good;
	int state;
	struct span reason; /* text: why it is in this state */
};

/* An L1 transaction, stored before it is broadcast. Key: id, chosen by the caller. */
struct store_intent {
	uint64_t id;
	struct span data; /* all of it, in its owner's encoding */
};

/* ---- changes ---- */

enum store_change_kind {
	CHANGE_FACT_PUT,
	CHANGE_FACT_DEL, /* of fact: the key */
	CHANGE_INPUT_PUT,
	CHANGE_INPUT_REPLACED, /* of input: the key and replaced_ms */
	CHANGE_INPUT_DEL,      /* of input: the key */
	CHANGE_PROOF_PUT,
	CHANGE_PROOF_STATE,
	CHANGE_PROOF_RANGE,
	CHANGE_PROOF_DEL, /* of proof: the id */
	CHANGE_LEASE_PUT,
	CHANGE_LEASE_DEL, /* of lease: batch and prover_type */
	CHANGE_PROVER_PUT,
	CHANGE_PROVER_DEL, /* of prover: the signer */
	CHANGE_INTENT_PUT,
	CHANGE_INTENT_DEL, /* of intent: the id */
	/* All rows of the batches up to `through`. */
	CHANGE_INPUT_DEL_THROUGH,
	CHANGE_PROOF_DEL_THROUGH,
	CHANGE_LEASE_DEL_THROUGH,
};

/* A PUT replaces the row with the same key, except where its struct says STORE_CONFLICT. A DEL of
 * what is not there is fine, so that it can be repeated. In a shared store a FACT, PROVER or LEASE
 * that another coordinator changed, unknown to this one when the group was submitted, is
 * STORE_CONFLICT too: decide anew, the other's row was shown. */
struct store_change {
	enum store_change_kind kind;
	union {
		struct store_fact fact;
		struct store_input input;
		struct store_proof proof;
		struct store_proof_state proof_state;
		struct store_proof_range proof_range;
		struct store_lease lease;
		struct store_prover prover;
		struct store_intent intent;
		uint64_t through;
	};
};

/* ---- life ---- */

struct store;
struct engine;

#define STORE_SLOTS         64  /* coordinators on one database */
#define STORE_INSTANCE_SIZE 64  /* a name with its NUL */
#define STORE_STATUS_SIZE   512 /* what one says of itself, with its NUL */

#define STORE_NOT_SEEN_MS  30000 /* one that was not seen for so long has lost its slot */
#define STORE_SKEW_WARN_MS 2000  /* a clock that is further off the database's is said to be */
#define STORE_SURE_MS      2000  /* below what the database takes to let another one lead */
#define STORE_SKEW_MAX_MS  30000 /* and beyond this neither leads nor gives leases */

/* What reaches a coordinator on a shared store unasked, on the loop, never from inside a call. */
struct store_events {
	/* Rows of others as they are now, in the order of their becoming durable: PUTs and DELs
	 * (FACT, INPUT, PROOF, LEASE, PROVER, INTENT and the ..._THROUGH), never PROOF_STATE,
	 * PROOF_RANGE or INPUT_REPLACED: those come as the PUT of the row that they made. Blobs as
	 * in a visit. */
	void (*foreign)(void *arg, const struct store_change *changes, size_t n);
	/* fence > 0: this one leads. All that others stored was shown; intents are all open ones,
	 * as INTENT_PUTs. fence 0: another may lead from now on. */
	void (*leads)(void *arg, uint64_t fence, const struct store_change *intents, size_t n);
	/* False: nothing can be stored now, the sentence says why, and is said again when another
	 * one does; true: it can again, and how long that took. */
	void (*reached)(void *arg, bool reached, const char *sentence);
	/* What is in memory is no copy of what is stored any more: end, and be started anew. */
	void (*other_past)(void *arg, const char *sentence);
	/* This one made the tables, or brought them up to date. */
	void (*schema)(void *arg, const char *sentence);
	/* For the operator. */
	void (*trouble)(void *arg, const char *sentence);
	void *arg;
};

struct store_options {
	const char *dir;           /* created with mode 0700 where absent; its parent must exist */
	size_t max_queue;          /* groups and reads that wait or are in flight; 0: 4096 */
	size_t max_queue_bytes;    /* their memory; 0: 64 MiB */
	unsigned lazy_ms;          /* how long a lazy change may wait; 0: 1000 */
	unsigned checkpoint_pages; /* length of the write-ahead log that is folded back; 0: 1000 */
	struct engine *engine;     /* NULL: SQLite in dir. Is the store's, also after a failure */
	const struct store_events *events; /* NULL: none; copied */
};

/* Locks the directory, opens or creates the database and starts the thread. What is found is
 * never repaired, replaced or removed: STORE_IN_USE names the other process, STORE_FOREIGN a
 * schema newer than this program's or a database of another program, STORE_CORRUPT the file.
 * The store keeps the loop alive until it is closed. *out is NULL unless STORE_OK. */
enum store_rc store_open(struct store **out, uv_loop_t *loop, const struct store_options *options,
			 struct why *why);

/* NULL members are not visited. Proofs and intents come in the order of their ids. A visitor that
 * returns false stops the load, which then gives STORE_CONFLICT; it sets the sentence itself. */
struct store_visitor {
	bool (*fact)(void *arg, const struct store_fact *row, struct why *why);
	bool (*input)(void *arg, const struct store_input *row, struct why *why);
	bool (*proof)(void *arg, const struct store_proof *row, struct why *why);
	bool (*lease)(void *arg, const struct store_lease *row, struct why *why);
	bool (*prover)(void *arg, const struct store_prover *row, struct why *why);
	bool (*intent)(void *arg, const struct store_intent *row, struct why *why);
};

/* Visits every row, from inside the call. To be used before the first commit. */
enum store_rc store_load(struct store *store, const struct store_visitor *visitor, void *arg,
			 struct why *why);

/* STORE_OK: all changes of the group would survive a power cut. Anything else: none of them is
 * stored, and why says the reason; but after STORE_DISK a crash may bring the group back, all of
 * it, since the disk may have taken what it could not confirm. */
typedef void store_commit_cb(void *arg, enum store_rc rc, const struct why *why);

/* Submits n >= 1 changes as one atomic group. STORE_OK: cb will be called exactly once. STORE_FULL,
 * STORE_CLOSING, STORE_NO_MEMORY: nothing was kept and cb will not be called: do not acknowledge.
 */
enum store_rc store_commit(struct store *store, const struct store_change *changes, size_t n,
			   store_commit_cb *cb, void *arg);

/* As store_commit, for what may be lost: rides along with the next durable commit, or goes alone
 * after lazy_ms. No callback. Lazy changes have a quarter of the queue, so that they never take the
 * place of what somebody waits for; what is refused or lost is logged, and counted in store_stats.
 */
enum store_rc store_commit_lazy(struct store *store, const struct store_change *changes, size_t n);

/* As lazily, with a callback as store_commit() has it: for who has to know what was lost. */
enum store_rc store_commit_later(struct store *store, const struct store_change *changes, size_t n,
				 store_commit_cb *cb, void *arg);

/* A fact by name, lazily: what is lost in a crash is said again by who keeps it. */
void store_put_fact(struct store *store, const char *key, const void *value, size_t n);
void store_drop_fact(struct store *store, const char *key);

/* proof has all its blobs; NULL unless STORE_OK. STORE_NOT_FOUND: no such id. */
typedef void store_proof_cb(void *arg, enum store_rc rc, const struct store_proof *proof,
			    const struct why *why);

/* Reads one proof on the store's thread; sees all that was submitted before. */
enum store_rc store_read_proof(struct store *store, uint64_t id, store_proof_cb *cb, void *arg);

/* ---- several coordinators ---- */

/* A coordinator on the same database, as last seen. */
struct store_instance {
	unsigned slot;
	char name[STORE_INSTANCE_SIZE];
	char version[STORE_INSTANCE_SIZE];
	unsigned schema;              /* version of the schema that it writes */
	uint64_t started_ms, seen_ms; /* by the database's clock */
	uint64_t seen_before_ms;      /* how long ago, by the same clock */
	int64_t skew_ms;              /* its clock less the database's */
	bool leads, is_this;
	char status[STORE_STATUS_SIZE]; /* JSON; "" if it said nothing */
};

bool store_is_shared(const struct store *store);
/* Does this one lead? Always, where it is alone. */
bool store_leads(const struct store *store);
/* The same, for what the database cannot refuse afterwards: was that so STORE_SURE_MS ago at most?
 * One that was stopped, or is cut off, may not have heard yet that another leads. */
bool store_leads_surely(const struct store *store);
/* Why nothing can be stored now, as events.reached said it; "" while it can. */
const char *store_lost(const struct store *store);
/* Why the disk took no change, the last time that one was given to it. False: it took it. */
bool store_refused(struct store *store, struct why *why);
/* For how long, in milliseconds; 0 while it can. */
uint64_t store_lost_ms(const struct store *store);
/* 0..STORE_SLOTS - 1, 0 where it is alone. Two live coordinators never have the same. */
unsigned store_slot(const struct store *store);
/* Who leads, as last seen; false: nobody, or this one. */
bool store_leader(struct store *store, char name[STORE_INSTANCE_SIZE]);
/* Of the shared database: each has its own. 0 where it is alone. */
uint64_t store_identity(const struct store *store);
/* At most max are written, by slot; the number that exists is returned. 0 where it is alone. */
size_t store_instances(struct store *store, struct store_instance *out, size_t max);
/* This coordinator's clock less the database's, as last measured; 0 where it is alone. */
int64_t store_skew_ms(struct store *store);
/* What the others may show about this one: a small JSON object. */
void store_say(struct store *store, const char *status);

/* Beside the database stands each coordinator's own directory of inputs (input_file.h), which is a
 * copy where the store is shared: what a row names is to be shared before, and fetched before it is
 * opened. Where the store is not shared both are INPUT_OK. Callbacks come from the loop. */
typedef void store_input_cb(void *arg, enum input_rc rc, const struct why *why);
/* False: no memory, or the store is closing, and no callback. One is shared at a time. */
bool store_share_input(struct store *store, const uint8_t sha256[32], uint64_t size,
		       store_input_cb *cb, void *arg);
bool store_fetch_input(struct store *store, const uint8_t sha256[32], uint64_t size,
		       store_input_cb *cb, void *arg);

/* ---- figures, and the end ---- */

struct store_stats {
	uint64_t transactions; /* committed: one fsync each */
	uint64_t groups;       /* stored */
	uint64_t changes;      /* stored */
	/* Answered with anything else, or lazy and lost; but not those that are counted below. */
	uint64_t groups_failed;
	uint64_t groups_refused; /* STORE_FULL */
	uint64_t lazy_refused;   /* of those, lazy ones */
	uint64_t checkpoints;
	/* Of a shared store: groups that another coordinator's rows contradicted; of those, such
	 * as had a lease; groups that were the leader's alone, and of a database out of reach. */
	uint64_t conflicts, lease_conflicts, not_leader, unreachable;
	uint64_t leads_changed; /* how often this one began to lead, or ended to */
	uint64_t times_lost;    /* how often the database went out of reach */
	size_t queue;           /* groups and reads that wait or are in flight */
	size_t queue_bytes;
	uint64_t commit_ns_last; /* the last COMMIT, fsync included */
	uint64_t commit_ns_total;
};

void store_stats(struct store *store, struct store_stats *out);

/* Refuses new work, stores what is queued (lazy changes too), calls every outstanding callback,
 * releases the lock, frees the store and then calls cb (which may be NULL). */
void store_close(struct store *store, void (*cb)(void *arg), void *arg);

#endif
