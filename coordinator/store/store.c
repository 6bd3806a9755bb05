/*
 * The queue, the thread and the callbacks; the database is behind store_engine.h.
 */
#include "coordinator/store/store.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "coordinator/base/file.h"
#include "coordinator/base/log.h"
#include "coordinator/store/engine.h"

#define DEFAULT_MAX_QUEUE        4096
#define DEFAULT_MAX_QUEUE_BYTES  (64u << 20)
#define DEFAULT_LAZY_MS          1000
#define DEFAULT_CHECKPOINT_PAGES 1000
#define LAZY_SHARE               4    /* of the queue and of its bytes, at most one in this many */
#define SAY_LOSSES_MS            1000 /* at most one line in this time */

/* A group to commit, or a proof to read when group is NULL. */
struct item {
	struct item *next;
	struct change_group *group;
	uint64_t id;
	struct change_group *proof; /* what was read */
	store_commit_cb *commit_cb; /* NULL for a lazy group */
	store_proof_cb *proof_cb;
	void *arg;
	size_t cost;
	bool lazy;
	enum store_rc rc;
	struct why why;
};

struct list {
	struct item *first, **end;
};

struct store {
	struct engine *engine; /* the thread's, once it runs */
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
	size_t urgent;           /* items in the queue that somebody waits for */
	size_t lazy, lazy_bytes; /* lazy ones that wait or are in flight */
	uint64_t lazy_due;       /* uv_hrtime() by which the queue's lazy groups go */
	bool stop, stopped;
	struct store_stats stats;
};

const char *store_rc_text(enum store_rc rc)
{
	switch (rc) {
#define X(name, text)                                                                              \
	case name: return text;
		STORE_RC_LIST(X)
#undef X
	}
	return "unknown";
}

/* ---- lists ---- */

static void list_init(struct list *l)
{
	l->first = NULL;
	l->end = &l->first;
}

static void list_add(struct list *l, struct item *i)
{
	i->next = NULL;
	*l->end = i;
	l->end = &i->next;
}

static struct item *list_take_all(struct list *l)
{
	struct item *first = l->first;

	list_init(l);
	return first;
}

static void item_free(struct item *i)
{
	free(i->group);
	free(i->proof);
	free(i);
}

/* ---- the store's thread ---- */

static enum store_rc timed_commit(struct store *s, struct why *why)
{
	uint64_t took, start = uv_hrtime();
	enum store_rc rc = engine_commit(s->engine, why);

	took = uv_hrtime() - start;
	uv_mutex_lock(&s->mutex);
	if (rc == STORE_OK)
		s->stats.transactions++;
	s->stats.commit_ns_last = took;
	s->stats.commit_ns_total += took;
	uv_mutex_unlock(&s->mutex);
	return rc;
}

/* One transaction for the items first..last. True: each item has its verdict. False: the
 * transaction as a whole failed; nothing is stored and *rc and *why say why. */
static bool commit_together(struct store *s, struct item *first, const struct item *last,
			    enum store_rc *rc, struct why *why)
{
	struct item *i;
	bool any = false;

	*rc = engine_begin(s->engine, why);
	if (*rc != STORE_OK)
		return false;
	for (i = first; i != last; i = i->next) {
		why_set(&i->why, "%s", "");
		i->rc = engine_apply(s->engine, i->group, &i->why);
		if (i->rc == STORE_OK) {
			any = true;
		} else if (i->rc != STORE_CONFLICT) {
			*rc = i->rc;
			*why = i->why;
			engine_rollback(s->engine);
			return false;
		}
	}
	if (any)
		*rc = timed_commit(s, why);
	if (any && *rc == STORE_OK)
		return true;
	engine_rollback(s->engine);
	return !any;
}

/* Together where possible; else each alone, so that one group that the disk cannot take does not
 * take its neighbours with it. */
static void commit_segment(struct store *s, struct item *first, const struct item *last)
{
	bool alone = first->next == last;
	struct why why = {""};
	enum store_rc rc;
	struct item *i;

	if (commit_together(s, first, last, &rc, &why))
		return;
	for (i = first; i != last; i = i->next) {
		if (alone || !commit_together(s, i, i->next, &rc, &why)) {
			i->rc = rc;
			i->why = why;
		}
	}
}

static void run_items(struct store *s, struct item *first)
{
	struct item *i;

	while (first) {
		if (!first->group) {
			first->rc =
			    engine_read_proof(s->engine, first->id, &first->proof, &first->why);
			first = first->next;
			continue;
		}
		/* A read sees what was submitted before it, and only what is durable. */
		for (i = first; i && i->group; i = i->next)
			;
		commit_segment(s, first, i);
		first = i;
	}
}

/* Waits until there is something to do; the whole queue, or NULL at the end. */
static struct item *wait_for_items(struct store *s)
{
	uint64_t now;

	while (!s->urgent && !s->stop) {
		if (!s->queue.first) {
			uv_cond_wait(&s->work, &s->mutex);
			continue;
		}
		now = uv_hrtime();
		if (now >= s->lazy_due)
			break;
		uv_cond_timedwait(&s->work, &s->mutex, s->lazy_due - now);
	}
	s->urgent = 0;
	return list_take_all(&s->queue);
}

static void hand_back(struct store *s, struct item *first)
{
	struct item *next;

	for (; first; first = next) {
		next = first->next;
		if (first->proof) {
			first->cost += first->proof->bytes;
			s->stats.queue_bytes += first->proof->bytes;
		}
		if (first->rc == STORE_OK && first->group) {
			s->stats.groups++;
			s->stats.changes += first->group->n;
		} else if (first->rc != STORE_OK) {
			s->stats.groups_failed++;
		}
		list_add(&s->done, first);
	}
}

static void thread_main(void *arg)
{
	struct store *s = arg;
	struct item *items;

	uv_mutex_lock(&s->mutex);
	while ((items = wait_for_items(s))) {
		uv_mutex_unlock(&s->mutex);
		run_items(s, items);
		uv_mutex_lock(&s->mutex);
		hand_back(s, items);
		uv_mutex_unlock(&s->mutex);
		uv_async_send(&s->wake);
		/* After the answers, so that nobody's acknowledgement waits for the upkeep. */
		if (engine_tidy(s->engine)) {
			uv_mutex_lock(&s->mutex);
			s->stats.checkpoints++;
			uv_mutex_unlock(&s->mutex);
		}
		uv_mutex_lock(&s->mutex);
	}
	uv_mutex_unlock(&s->mutex);
	engine_close(s->engine);
	uv_mutex_lock(&s->mutex);
	s->stopped = true;
	uv_mutex_unlock(&s->mutex);
	uv_async_send(&s->wake);
}

/* ---- the loop ---- */

static void on_wake_closed(uv_handle_t *handle)
{
	struct store *s = handle->data;
	void (*cb)(void *) = s->close_cb;
	void *arg = s->close_arg;

	close(s->lock_fd);
	uv_cond_destroy(&s->work);
	uv_mutex_destroy(&s->mutex);
	free(s);
	if (cb)
		cb(arg);
}

/* Nobody hears of a lazy change that is lost, so the log does. */
static void say_loss(struct store *s, const char *reason)
{
	const uint64_t now = uv_hrtime();

	s->losses++;
	if (s->said_at && now - s->said_at < SAY_LOSSES_MS * UINT64_C(1000000))
		return;
	log_event(LOG_WARN, "store_change_lost", log_u64("changes", s->losses - s->said_losses),
		  log_str("reason", reason));
	s->said_losses = s->losses;
	s->said_at = now;
}

static void answer(struct store *s, struct item *i)
{
	if (i->lazy && i->rc != STORE_OK)
		say_loss(s, i->why.text);
	if (i->commit_cb)
		i->commit_cb(i->arg, i->rc, &i->why);
	if (i->proof_cb)
		i->proof_cb(i->arg, i->rc, i->proof ? &i->proof->changes[0].proof : NULL, &i->why);
	item_free(i);
}

static void on_wake(uv_async_t *handle)
{
	struct store *s = handle->data;
	struct item *i, *next;
	bool stopped;

	uv_mutex_lock(&s->mutex);
	i = list_take_all(&s->done);
	stopped = s->stopped;
	for (next = i; next; next = next->next) {
		s->stats.queue--;
		s->stats.queue_bytes -= next->cost;
		s->lazy -= next->lazy;
		s->lazy_bytes -= next->lazy ? next->cost : 0;
	}
	uv_mutex_unlock(&s->mutex);
	for (; i; i = next) {
		next = i->next;
		answer(s, i);
	}
	if (stopped && !uv_is_closing((uv_handle_t *)handle)) {
		uv_thread_join(&s->thread);
		uv_close((uv_handle_t *)handle, on_wake_closed);
	}
}

enum store_rc store_open(struct store **out, uv_loop_t *loop, const struct store_options *o,
			 struct why *why)
{
	enum store_rc rc = STORE_NO_MEMORY;
	struct store *s;

	*out = NULL;
	s = calloc(1, sizeof *s);
	if (!s) {
		why_set(why, "out of memory");
		goto err0;
	}
	list_init(&s->queue);
	list_init(&s->done);
	s->max_queue = o->max_queue ? o->max_queue : DEFAULT_MAX_QUEUE;
	s->max_queue_bytes = o->max_queue_bytes ? o->max_queue_bytes : DEFAULT_MAX_QUEUE_BYTES;
	s->lazy_ns = (uint64_t)(o->lazy_ms ? o->lazy_ms : DEFAULT_LAZY_MS) * 1000000;

	rc = STORE_DISK;
	if (!file_dir_make(o->dir, why))
		goto err1;
	switch (file_dir_lock(o->dir, &s->lock_fd, why)) {
	case FILE_DIR_LOCKED: break;
	case FILE_DIR_IN_USE: rc = STORE_IN_USE; goto err1;
	case FILE_DIR_FAILED: goto err1;
	}
	rc = engine_open(&s->engine, o->dir,
			 o->checkpoint_pages ? o->checkpoint_pages : DEFAULT_CHECKPOINT_PAGES, why);
	if (rc != STORE_OK)
		goto err2;

	rc = STORE_NO_MEMORY;
	why_set(why, "no resources for the store's thread");
	if (uv_mutex_init(&s->mutex))
		goto err3;
	if (uv_cond_init(&s->work))
		goto err4;
	if (uv_async_init(loop, &s->wake, on_wake))
		goto err5;
	s->wake.data = s;
	if (uv_thread_create(&s->thread, thread_main, s)) {
		engine_close(s->engine);
		uv_close((uv_handle_t *)&s->wake, on_wake_closed);
		goto err0;
	}
	why_set(why, "%s", "");
	*out = s;
	return STORE_OK;

err5:
	uv_cond_destroy(&s->work);
err4:
	uv_mutex_destroy(&s->mutex);
err3:
	engine_close(s->engine);
err2:
	close(s->lock_fd);
err1:
	free(s);
err0:
	return rc;
}

enum store_rc store_load(struct store *s, const struct store_visitor *visitor, void *arg,
			 struct why *why)
{
	return engine_load(s->engine, visitor, arg, why);
}

static size_t share(size_t whole)
{
	return whole / LAZY_SHARE ? whole / LAZY_SHARE : 1;
}

/* A queued copy of the item `like`, with a copy of the changes. */
static enum store_rc submit(struct store *s, const struct item *like,
			    const struct store_change *changes, size_t n, bool urgent)
{
	size_t cost = sizeof *like + (n ? change_group_size(changes, n) : 0);
	struct item *i;
	bool full;

	if (s->closing)
		return STORE_CLOSING;
	uv_mutex_lock(&s->mutex);
	full = s->stats.queue >= s->max_queue || s->stats.queue_bytes > s->max_queue_bytes ||
	       cost > s->max_queue_bytes - s->stats.queue_bytes ||
	       (!urgent && (s->lazy >= share(s->max_queue) ||
			    s->lazy_bytes + cost > share(s->max_queue_bytes)));
	s->stats.groups_refused += full;
	s->stats.lazy_refused += full && !urgent;
	uv_mutex_unlock(&s->mutex);
	if (full && !urgent)
		say_loss(s, store_rc_text(STORE_FULL));
	if (full)
		return STORE_FULL;

	i = malloc(sizeof *i);
	if (!i)
		return STORE_NO_MEMORY;
	*i = *like;
	i->cost = cost;
	i->lazy = !urgent;
	if (n) {
		i->group = change_group_new(changes, n);
		if (!i->group) {
			free(i);
			return STORE_NO_MEMORY;
		}
	}
	uv_mutex_lock(&s->mutex);
	if (!urgent && !s->queue.first)
		s->lazy_due = uv_hrtime() + s->lazy_ns;
	list_add(&s->queue, i);
	s->urgent += urgent;
	s->lazy += !urgent;
	s->lazy_bytes += urgent ? 0 : cost;
	/* What fills its share goes now. */
	if (s->lazy > share(s->max_queue) / 2 || s->lazy_bytes > share(s->max_queue_bytes) / 2)
		s->lazy_due = 0;
	s->stats.queue++;
	s->stats.queue_bytes += cost;
	uv_cond_signal(&s->work);
	uv_mutex_unlock(&s->mutex);
	return STORE_OK;
}

enum store_rc store_commit(struct store *s, const struct store_change *changes, size_t n,
			   store_commit_cb *cb, void *arg)
{
	assert(n && cb);
	return submit(s, &(struct item){.commit_cb = cb, .arg = arg}, changes, n, true);
}

enum store_rc store_commit_lazy(struct store *s, const struct store_change *changes, size_t n)
{
	assert(n);
	return submit(s, &(struct item){.commit_cb = NULL}, changes, n, false);
}

enum store_rc store_read_proof(struct store *s, uint64_t id, store_proof_cb *cb, void *arg)
{
	assert(cb);
	return submit(s, &(struct item){.id = id, .proof_cb = cb, .arg = arg}, NULL, 0, true);
}

void store_stats(struct store *s, struct store_stats *out)
{
	uv_mutex_lock(&s->mutex);
	*out = s->stats;
	uv_mutex_unlock(&s->mutex);
}

void store_close(struct store *s, void (*cb)(void *arg), void *arg)
{
	assert(!s->closing);
	s->closing = true;
	s->close_cb = cb;
	s->close_arg = arg;
	uv_mutex_lock(&s->mutex);
	s->stop = true;
	uv_cond_signal(&s->work);
	uv_mutex_unlock(&s->mutex);
}

void store_put_fact(struct store *store, const char *key, const void *value, size_t n)
{
	const struct store_change change = {
	    .kind = CHANGE_FACT_PUT,
	    .fact = {.key = span_of(key, strlen(key)), .value = span_of(value, n)}};

	store_commit_lazy(store, &change, 1);
}

void store_drop_fact(struct store *store, const char *key)
{
	const struct store_change change = {.kind = CHANGE_FACT_DEL,
					    .fact = {.key = span_of(key, strlen(key))}};

	store_commit_lazy(store, &change, 1);
}
