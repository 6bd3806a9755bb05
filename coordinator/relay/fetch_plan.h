/*
 * fetch_plan.h -- which input the upstream coordinator is asked for, and when. Pure.
 *
 * A demand is what provers ask for: dialect, commit hash and prover type. While provers come,
 * inputs are fetched for it until as many are open here as the operator wants ahead. What is known
 * of ethrex's coordinator decides the rest: a repeat yields the next batch; what was handed out
 * comes again after its --proof-coordinator.prover-timeout only; a message that it does not know is
 * closed without a word.
 *
 * Anybody may ask for anything, so demands are few, those that brought an input stay, of the others
 * one source has two, and they are asked for in turn, 20 a second at most. Of several coordinators
 * one asks; the others tell it what their provers want, and are told what it heard.
 */
#ifndef COORDINATOR_RELAY_FETCH_PLAN_H
#define COORDINATOR_RELAY_FETCH_PLAN_H

#include "coordinator/work/work.h"

#define FETCH_DEMANDS_MAX   32
#define FETCH_NEW_A_SOURCE  2
#define FETCH_NEW_OF_OTHERS 16 /* of all provers of other coordinators */
#define FETCH_NEW_EVERY_MS  50
#define FETCH_LIVE_MS       600000u /* a demand is served for as long after its last prover */
#define FETCH_WORD_MS       30000u  /* what upstream said counts for as long */
#define FETCH_BACKOFF_MS    5000u   /* the longest pause after answers that were none */
#define FETCH_FULL_MS       60000u  /* after inputs that could not be kept */
#define FETCH_GAP_EVERY_MS  15000u  /* beyond what is wanted ahead, for an input that is missing */
#define FETCH_SPIN_MS       10000u  /* the same batch again this soon: upstream's timeout is none */
#define FETCH_SPIN_TIMES    3
#define FETCH_KNOWN_AT_ONCE 256 /* inputs that are here already, passed over without a pause */

struct fetch_key {
	enum dialect dialect;
	bool has_type;
	enum prover_type type;
	char commit_hash[COMMIT_HASH_MAX + 1];
};

enum fetch_heard {
	FETCH_NEVER,
	FETCH_NEW,        /* an input that was not here, and is now */
	FETCH_KNOWN,      /* one that is here, or whose batch is verified */
	FETCH_NOT_KEPT,   /* one that could not be kept */
	FETCH_NOTHING,    /* the empty response */
	FETCH_MISMATCH,   /* nothing for this commit hash */
	FETCH_NOT_NEEDED, /* nor for this type */
	FETCH_SILENCE,    /* closed without a byte: a message that it does not know, or a failure */
	FETCH_CUT,        /* broken off, or no message: what it was of is lost for a while */
	FETCH_DOWN,       /* nobody there */
};
const char *fetch_heard_name(enum fetch_heard heard); /* "new", "nothing", ...: for metrics */
#define FETCH_HEARD_COUNT (FETCH_DOWN + 1)

struct fetch_demand {
	bool used;
	struct fetch_key key;
	enum prover_type ask_type; /* the key's; of a key without one: the only type needed */
	bool has_ask_type;
	enum dialect speaks; /* in which it is asked: the key's, or one that upstream answers in */
	unsigned silent;     /* bit set of dialects that it closed on, since it last answered */
	char source[WORK_SOURCE_SIZE]; /* who asked first */
	bool proven;                   /* it brought an input, in this run or before */
	bool in_flight;
	bool row_due;     /* what is asked next is to be made durable before */
	bool tell_due;    /* to the leader */
	uint64_t told_ms; /* when the leader was told of it; 0: never */
	bool others;      /* another coordinator wants to know what is heard next */
	unsigned waiting;
	uint64_t wanted_ms, asked_ms, next_ms;
	unsigned failures, known;
	enum fetch_heard heard;
	uint64_t heard_ms;
	uint64_t batch, batch_ms; /* the last input's */
	unsigned repeats;         /* of that batch, too soon */
};

struct fetch_plan {
	unsigned ahead;
	uint64_t poll_ms;
	struct fetch_demand demand[FETCH_DEMANDS_MAX];
	enum dialect spoken; /* in which upstream last answered; DIALECT_ANY: never */
	uint64_t new_asked_ms, gap_asked_ms, asked_ms;
	unsigned probe; /* how many dialects were tried while none is known */
};

void fetch_plan_init(struct fetch_plan *p, unsigned ahead, uint64_t poll_ms);

/* A prover asked, of another coordinator where source is ""; NULL: it is known to bring inputs.
 * only_type: where the chain needs one type alone; else NULL. *evicted: the key that has to make
 * room, commit_hash "" for none. NULL: no room. */
struct fetch_demand *fetch_plan_want(struct fetch_plan *p, const struct fetch_key *key,
				     const enum prover_type *only_type, const char *source,
				     uint64_t now_ms, struct fetch_key *evicted);
struct fetch_demand *fetch_plan_find(struct fetch_plan *p, const struct fetch_key *key);
/* As an earlier run kept it, or the coordinator that asks. */
struct fetch_demand *fetch_plan_restore(struct fetch_plan *p, const struct fetch_key *key,
					uint64_t batch, uint64_t now_ms);

/* What is here. */
struct fetch_view {
	size_t (*open)(void *arg, const struct fetch_key *key); /* inputs that nobody has yet */
	void *arg;
	bool gap;        /* an input is missing before others */
	unsigned needed; /* types, bit set */
};
/* What is to be asked now; it is in flight then. NULL: nothing. */
struct fetch_demand *fetch_plan_next(struct fetch_plan *p, const struct fetch_view *view,
				     uint64_t now_ms);
/* The answer. batch: of an input, else 0. */
void fetch_plan_heard(struct fetch_plan *p, struct fetch_demand *d, enum fetch_heard heard,
		      uint64_t batch, uint64_t now_ms);

/* Another coordinator asks: what it is to be told of now. NULL: nothing. */
struct fetch_demand *fetch_plan_tell(struct fetch_plan *p, uint64_t now_ms);
/* What it heard. */
void fetch_plan_told(struct fetch_demand *d, enum fetch_heard heard, uint64_t now_ms);

/* Nobody asks for anything, and nothing was asked for a while: is upstream there? The dialect to
 * say it in. */
bool fetch_plan_probe(struct fetch_plan *p, uint64_t now_ms, enum dialect *dialect);
void fetch_plan_probed(struct fetch_plan *p, enum dialect dialect, enum fetch_heard heard);

/* Was this the batch of the last input, and is that short ago? */
bool fetch_demand_just_had(const struct fetch_demand *d, uint64_t batch, uint64_t now_ms);
/* Does upstream hand out the same batch again and again, as it does without a timeout? */
bool fetch_demand_spins(const struct fetch_demand *d);
/* Was it asked so lately that asking again would tell nothing new? */
bool fetch_demand_is_fresh(const struct fetch_plan *p, const struct fetch_demand *d,
			   uint64_t now_ms);

/* What upstream's last word is for the prover whose demand it is. */
enum fetch_word { FETCH_WORD_NONE, FETCH_WORD_MISMATCH, FETCH_WORD_NOT_NEEDED };
enum fetch_word fetch_demand_word(const struct fetch_demand *d, uint64_t now_ms);

#endif
