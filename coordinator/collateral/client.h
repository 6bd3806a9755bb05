/*
 * collateral_client.h -- the client itself, for collateral.c (keys, fetches, calls),
 * collateral_deliver.c (the callbacks that it owes) and collateral_life.c (settings, begin, end).
 */
#ifndef COORDINATOR_COLLATERAL_CLIENT_H
#define COORDINATOR_COLLATERAL_CLIENT_H

#include "coordinator/collateral/internal.h"

struct waiter {
	struct waiter *next;
	collateral_cb *cb;
	void *arg;
};

struct entry {
	struct collateral *c;
	struct collateral_key key;
	const struct collateral_set *set;
	struct collateral_fetch *fetch;
	bool wanted, disk_only; /* a fetch, as soon as there is room for one */
	bool again; /* a refresh came while one was under way: what it has asked for may be old */
	bool owed;  /* a refresh that has brought nothing yet, or a list that is wanted */
	bool unsaved;
	int64_t refresh_at;
	struct collateral_rest rest; /* between fetches that fail */
	uint64_t last_used;
	struct waiter *waiters;
	char last_failure[COLLATERAL_SENTENCE_SIZE];
};

enum delivery_kind { DELIVER_ANSWER, DELIVER_CHANGED, DELIVER_NOTE };

/* A callback that is owed, so that none comes from inside a call. */
struct delivery {
	struct delivery *next;
	enum delivery_kind kind;
	struct waiter waiter; /* ANSWER */
	struct collateral_key key;
	const struct collateral_set *set;
	char sentence[COLLATERAL_SENTENCE_SIZE];
};

struct collateral {
	struct collateral_shared s;
	struct entry **entries;
	size_t n_entries;
	unsigned n_waiters, n_fetches;
	uint64_t uses;
	int64_t now; /* of the last call, at loop time now_at */
	uint64_t now_at;
	struct delivery *deliveries, **deliveries_end;
	uv_timer_t soon;
	uv_work_t save;
	bool saving;
	const struct collateral_set *saved_set;
	bool saved;
	struct why save_why;
	void (*on_changed)(void *arg, const struct collateral_key *key,
			   const struct collateral_set *set);
	void (*on_note)(void *arg, const struct collateral_key *key, const char *sentence);
	void *arg;
	bool closing;
	unsigned live; /* what can still call back: timer, http, fetches in the pool, a save */
	void (*closed)(void *arg);
	void *closed_arg;
};

/* ---- collateral_deliver.c ---- */

void collateral_on_soon(uv_timer_t *t);
/* A note or a change that cannot be remembered for want of memory is dropped. */
void collateral_note(struct collateral *c, const struct collateral_key *key, const char *sentence);
void collateral_changed(struct entry *e, const struct collateral_set *set);
/* Owes all who wait for the entry this answer. */
void collateral_answer(struct entry *e, const struct collateral_set *set, const char *sentence);
/* Gives all that is owed the sentence instead, at once. */
void collateral_answer_now(struct collateral *c, const char *sentence);

/* ---- collateral_life.c ---- */

/* One thing less that can call back. */
void collateral_unref(struct collateral *c);

/* ---- collateral.c ---- */

void collateral_entry_free(struct entry *e);
/* Begins to read what is on disk. */
void collateral_load_cache(struct collateral *c);
/* The http client's: curl is off the stack, fetches whose transfers have ended go on. */
void collateral_on_http_round(void *arg);
void collateral_set_clock(struct collateral *c, int64_t now);

#endif
