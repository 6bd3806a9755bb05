/* internal.h -- what the files of the relay share. */
#ifndef COORDINATOR_RELAY_INTERNAL_H
#define COORDINATOR_RELAY_INTERNAL_H

#include "coordinator/inputs/upload.h"
#include "coordinator/relay/answer.h"
#include "coordinator/relay/exchange.h"
#include "coordinator/relay/forward_plan.h"
#include "coordinator/relay/relay.h"
#include "coordinator/relay/rows.h"

#define RELAY_FLIGHTS 4

/* One question for an input, from its row to the input's. */
struct flight {
	struct relay *relay;
	bool used;
	struct fetch_demand *demand; /* NULL: only to see whether anybody is there */
	enum dialect dialect;
	enum prover_type type;
	uint64_t asked_ms, asked_wall_ms;
	struct exchange *exchange;
	struct answer answer;
	struct upload *upload;
	uint64_t batch;
	bool writing, whole, finishing;
	unsigned slow; /* how often that was said */
};

/* A prover that waits. */
struct waiting {
	struct waiting *next;
	uint64_t conn, until_ms;
	struct fetch_demand *demand;
	struct proofdata request;
	char source[WORK_SOURCE_SIZE];
};

/* The one proof on its way. */
struct errand {
	bool busy;
	struct forward_due due;
	enum dialect dialect;
	struct exchange *exchange;
	struct answer answer;
	struct buf message;
};

struct relay {
	struct relay_parts p;
	struct relay_options o;
	struct relay_events events;
	struct relay_counters counters;
	struct health health;
	uv_timer_t timer;
	bool started, stopped;
	void (*done)(void *arg);
	void *done_arg;

	struct fetch_plan fetch;
	struct flight flights[RELAY_FLIGHTS];
	struct waiting *waiting; /* the oldest first */
	size_t n_waiting;
	char code_hash[COMMIT_HASH_MAX + 1]; /* upstream's own, as p3 and p4 say it */
	struct why trouble;
	struct why lost; /* what was handed out last and is not here; "" nothing */
	bool resumed;    /* an earlier run, or another coordinator, may have lost one */
	uint64_t gap_ms, gap_said_ms;
	uint64_t spin_said_ms;

	struct forward_plan forward;
	struct errand errand;
	struct why forward_said;
	enum dialect submit_dialect; /* where upstream was silent in the one that it speaks */
	unsigned submit_rung;
};

/* ---- relay.c ---- */

/* Look again in the loop's next turn. */
void relay_soon(struct relay *r);
void relay_good(struct relay *r);
void relay_bad(struct relay *r, const char *sentence);
struct exchange_options relay_exchange(const struct relay *r);
/* Wakes provers that wait for this demand: the first that is still there, or all. */
void relay_wake(struct relay *r, const struct fetch_demand *d, bool all);

/* A prover wants it; "": of another coordinator. NULL: no room. */
struct fetch_demand *relay_want(struct relay *r, const struct fetch_key *key, const char *source,
				uint64_t now_ms);

/* ---- shared.c ---- */

/* A prover's demand is one of the coordinator that leads; what is due is told. */
void relay_note_leader(const struct relay *r, struct fetch_demand *d, uint64_t now_ms);
void relay_tell_leader(struct relay *r);
/* What upstream said last, to the provers that wait for it, here and elsewhere. */
void relay_heard(struct relay *r, struct fetch_demand *d);
/* What may have been handed out and be lost. */
void relay_say_resumed(struct relay *r, const struct fetch_key *key, uint64_t batch);

/* ---- fetch.c ---- */

void fetch_pump(struct relay *r);
/* Of an input that is missing before others: why that is, and what becomes of it. */
void fetch_describe_gap(const struct relay *r, struct why *out);
void fetch_stop(struct relay *r);
bool fetch_key_of(struct fetch_key *key, const struct proofdata *request);

/* ---- forward.c ---- */

void forward_pump(struct relay *r);
void forward_stop(struct relay *r);
/* What it acknowledged and does not verify is sent again. */
void forward_overdue(struct relay *r);
/* Upstream handed a batch out. */
void forward_see(struct relay *r, uint64_t batch, enum prover_type type, uint64_t asked_wall_ms);
/* Rows of batches that are final go. */
void forward_drop(struct relay *r);

#endif
