/*
 * store/internal.h -- the store's own state, for store*.c.
 */
#ifndef COORDINATOR_STORE_INTERNAL_H
#define COORDINATOR_STORE_INTERNAL_H

#include <limits.h>

#include "coordinator/store/engine.h"

/* A group to commit, or a proof to read when group is NULL. */
struct item {
	struct item *next;
	struct engine_item e;       /* what the engine sees of a group, and the verdict of both */
	struct engine_news *before; /* what is shown before its answer */
	struct change_group *group;
	uint64_t id;
	struct change_group *proof; /* what was read */
	store_commit_cb *commit_cb; /* NULL for a lazy group */
	store_proof_cb *proof_cb;
	void *arg;
	size_t cost;
	bool lazy;
};

struct list {
	struct item *first, **end;
};

struct input_work;

struct store {
	struct engine *engine; /* the thread's, once it runs; gone when that has ended */
	bool shared;           /* what callbacks may ask until the end */
	unsigned slot;
	uint64_t identity;
	struct engine_item **items; /* the thread's: room for max_queue */
	struct store_events events;
	char dir[PATH_MAX];
	uint64_t seen; /* the loop's: revision of the others' rows that it was shown */
	/* The loop's too, of a shared store: as last said by the engine. */
	uint64_t fence; /* by which it leads; 0: it does not */
	struct why lost;
	uint64_t lost_at; /* uv_hrtime() */
	uint64_t leads_changed, times_lost;
	bool sharing;                /* an input is on its way to the database */
	struct input_work *to_share; /* and these wait */
	int lock_fd;
	size_t max_queue, max_queue_bytes;
	uint64_t lazy_ns;
	uv_async_t wake; /* the thread has something for the loop */
	uv_thread_t thread;
	bool closing; /* the loop's view; the thread reads `stop` */
	void (*close_cb)(void *arg);
	void *close_arg;
	uint64_t losses, said_losses, said_at; /* lazy changes that were not stored; uv_hrtime() */

	uv_mutex_t mutex; /* guards all below */
	uv_cond_t work;
	struct list queue, done;
	size_t urgent;            /* items in the queue that somebody waits for */
	size_t lazy, lazy_bytes;  /* lazy ones that wait or are in flight */
	uint64_t lazy_due;        /* uv_hrtime() by which the queue's lazy groups go */
	struct engine_news *late; /* what no item waits behind */
	size_t works;             /* inputs on their way, in libuv's pool */
	bool stop, stopped;
	struct store_stats stats;
	struct why refused; /* why the disk took no change, the last time; "" once it took one */
};

/* With the mutex: counts the answer of a group that is not STORE_OK. */
void store_count_failure(struct store *s, enum store_rc rc, const struct change_group *group);
/* Behind what is there already; more may be NULL. */
void store_news_append(struct engine_news **to, struct engine_news *more);
/* On the loop: shows them in order, and frees them. NULL is fine. */
void store_show_news(struct store *s, struct engine_news *first);

#endif
