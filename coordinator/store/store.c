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
#include "coordinator/store/internal.h"

#define DEFAULT_MAX_QUEUE        4096
#define DEFAULT_MAX_QUEUE_BYTES  (64u << 20)
#define DEFAULT_LAZY_MS          1000
#define DEFAULT_CHECKPOINT_PAGES 1000
#define LAZY_SHARE               4    /* of the queue and of its bytes, at most one in this many */
#define SAY_LOSSES_MS            1000 /* at most one line in this time */

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

/* One transaction for the items first..last. True: each item has its verdict. False: the
 * transaction as a whole failed; nothing is stored and *rc and *why say why. */
static bool commit_together(struct store *s, struct item *first, const struct item *last,
			    enum store_rc *rc, struct why *why)
{
	struct engine_news_list news;
	uint64_t took = 0;
	struct item *i;
	size_t n = 0;

	for (i = first; i != last; i = i->next)
		s->items[n++] = &i->e;
	engine_news_list_init(&news);
	*rc = s->engine->ops->commit(s->engine, s->items, n, &news, &took, why);
	/* Behind what an attempt before this one had to say. */
	store_news_append(&first->before, news.first);
	if (took) {
		uv_mutex_lock(&s->mutex);
		if (*rc == STORE_OK)
			s->stats.transactions++;
		s->stats.commit_ns_last = took;
		s->stats.commit_ns_total += took;
		uv_mutex_unlock(&s->mutex);
	}
	return *rc == STORE_OK;
}

/* Together where possible; else each alone, so that one group that the disk cannot take does not
 * take its neighbours with it. */
static void commit_segment(struct store *s, struct item *first, const struct item *last)
{
	bool alone = first->next == last, vain;
	struct why why = {""};
	enum store_rc rc;
	struct item *i;

	if (commit_together(s, first, last, &rc, &why))
		return;
	for (i = first; i != last; i = i->next) {
		vain = alone || rc == STORE_UNREACHABLE || rc == STORE_TAKEN_AWAY;
		if (vain || !commit_together(s, i, i->next, &rc, &why)) {
			i->e.rc = rc;
			i->e.why = why;
		}
	}
}

static void run_items(struct store *s, struct item *first)
{
	const struct engine_ops *ops = s->engine->ops;
	struct item *i;

	while (first) {
		if (!first->group) {
			first->e.rc =
			    ops->read_proof(s->engine, first->id, &first->proof, &first->e.why);
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

/* What a shared engine has to do from time to time, and to say. */
static void take_turn(struct store *s, uint64_t *due)
{
	struct engine_news_list news;

	if (!s->engine->ops->turn_ms || uv_hrtime() < *due)
		return;
	engine_news_list_init(&news);
	s->engine->ops->turn(s->engine, &news);
	*due = uv_hrtime() + (uint64_t)s->engine->ops->turn_ms * 1000000;
	if (!news.first)
		return;
	uv_mutex_lock(&s->mutex);
	store_news_append(&s->late, news.first);
	uv_mutex_unlock(&s->mutex);
	uv_async_send(&s->wake);
}

/* Waits until there is something to do, at most until turn_due (0: it never is). False: the end;
 * else the whole queue, which may be empty. */
static bool wait_for_items(struct store *s, uint64_t turn_due, struct item **out)
{
	uint64_t now, due;

	while (!s->urgent && !s->stop) {
		due = s->queue.first ? s->lazy_due : UINT64_MAX;
		if (turn_due && turn_due < due)
			due = turn_due;
		now = uv_hrtime();
		if (now >= due)
			break;
		if (due == UINT64_MAX)
			uv_cond_wait(&s->work, &s->mutex);
		else
			uv_cond_timedwait(&s->work, &s->mutex, due - now);
	}
	/* A turn is no reason for lazy groups to go. */
	*out = NULL;
	if (s->urgent || s->stop || (s->queue.first && uv_hrtime() >= s->lazy_due)) {
		s->urgent = 0;
		*out = list_take_all(&s->queue);
	}
	return *out || !s->stop;
}

static void hand_back(struct store *s, struct item *first)
{
	struct item *next;

	if (first) {
		store_news_append(&s->late, first->before);
		first->before = s->late;
		s->late = NULL;
	}
	for (; first; first = next) {
		next = first->next;
		if (first->proof) {
			first->cost += first->proof->bytes;
			s->stats.queue_bytes += first->proof->bytes;
		}
		if (first->e.rc == STORE_OK && first->group) {
			s->stats.groups++;
			s->stats.changes += first->group->n;
			s->refused.text[0] = '\0';
		} else if (first->e.rc != STORE_OK) {
			store_count_failure(s, first->e.rc, first->group);
			if (first->e.rc == STORE_DISK || first->e.rc == STORE_TAKEN_AWAY)
				s->refused = first->e.why;
		}
		list_add(&s->done, first);
	}
}

static void thread_main(void *arg)
{
	struct store *s = arg;
	const struct engine_ops *ops = s->engine->ops;
	uint64_t turn_due = ops->turn_ms ? 1 : 0;
	struct item *items;

	uv_mutex_lock(&s->mutex);
	while (wait_for_items(s, turn_due, &items)) {
		uv_mutex_unlock(&s->mutex);
		if (items) {
			run_items(s, items);
			uv_mutex_lock(&s->mutex);
			hand_back(s, items);
			uv_mutex_unlock(&s->mutex);
			uv_async_send(&s->wake);
		}
		take_turn(s, &turn_due);
		/* After the answers, so that nobody's acknowledgement waits for the upkeep. */
		if (ops->tidy(s->engine)) {
			uv_mutex_lock(&s->mutex);
			s->stats.checkpoints++;
			uv_mutex_unlock(&s->mutex);
		}
		uv_mutex_lock(&s->mutex);
	}
	while (s->works)
		uv_cond_wait(&s->work, &s->mutex);
	uv_mutex_unlock(&s->mutex);
	ops->close(s->engine);
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
	free(s->items);
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

/* What a lazy change would have said another coordinator said meanwhile, or has to say: no loss. */
static bool is_loss(const struct store *s, enum store_rc rc)
{
	return rc != STORE_OK &&
	       !(store_is_shared(s) && (rc == STORE_CONFLICT || rc == STORE_NOT_LEADER));
}

static void answer(struct store *s, struct item *i)
{
	const enum store_rc rc = i->e.rc;

	store_show_news(s, i->before);
	if (i->lazy && !i->commit_cb && is_loss(s, rc))
		say_loss(s, i->e.why.text);
	if (i->commit_cb)
		i->commit_cb(i->arg, rc, &i->e.why);
	if (i->proof_cb)
		i->proof_cb(i->arg, rc, i->proof ? &i->proof->changes[0].proof : NULL, &i->e.why);
	item_free(i);
}

static void on_wake(uv_async_t *handle)
{
	struct store *s = handle->data;
	struct engine_news *late;
	struct item *i, *next;
	bool stopped;

	uv_mutex_lock(&s->mutex);
	i = list_take_all(&s->done);
	late = s->late;
	s->late = NULL;
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
	store_show_news(s, late);
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
		if (o->engine)
			o->engine->ops->close(o->engine);
		goto err0;
	}
	list_init(&s->queue);
	list_init(&s->done);
	s->engine = o->engine;
	if (o->events)
		s->events = *o->events;
	s->max_queue = o->max_queue ? o->max_queue : DEFAULT_MAX_QUEUE;
	s->items = calloc(s->max_queue, sizeof(struct engine_item *));
	if (!s->items) {
		why_set(why, "out of memory");
		goto err1;
	}
	s->max_queue_bytes = o->max_queue_bytes ? o->max_queue_bytes : DEFAULT_MAX_QUEUE_BYTES;
	s->lazy_ns = (uint64_t)(o->lazy_ms ? o->lazy_ms : DEFAULT_LAZY_MS) * 1000000;

	rc = STORE_DISK;
	if (snprintf(s->dir, sizeof s->dir, "%s", o->dir) >= (int)sizeof s->dir) {
		why_set(why, "the path %.80s... is too long", o->dir);
		goto err1;
	}
	if (!file_dir_make(o->dir, why))
		goto err1;
	switch (file_dir_lock(o->dir, &s->lock_fd, why)) {
	case FILE_DIR_LOCKED: break;
	case FILE_DIR_IN_USE: rc = STORE_IN_USE; goto err1;
	case FILE_DIR_FAILED: goto err1;
	}
	rc = STORE_OK;
	if (!s->engine)
		rc = sqlite_open(
		    &s->engine, o->dir,
		    o->checkpoint_pages ? o->checkpoint_pages : DEFAULT_CHECKPOINT_PAGES, why);
	if (rc != STORE_OK)
		goto err2;
	s->shared = s->engine->ops->turn_ms != 0;
	s->slot = s->engine->slot;
	s->identity = s->engine->identity;

	rc = STORE_NO_MEMORY;
	why_set(why, "no resources for the store's thread");
	if (uv_mutex_init(&s->mutex))
		goto err2;
	if (uv_cond_init(&s->work))
		goto err3;
	if (uv_async_init(loop, &s->wake, on_wake))
		goto err4;
	s->wake.data = s;
	if (uv_thread_create(&s->thread, thread_main, s)) {
		s->engine->ops->close(s->engine);
		uv_close((uv_handle_t *)&s->wake, on_wake_closed);
		goto err0;
	}
	why_set(why, "%s", "");
	*out = s;
	return STORE_OK;

err4:
	uv_cond_destroy(&s->work);
err3:
	uv_mutex_destroy(&s->mutex);
err2:
	close(s->lock_fd);
err1:
	if (s->engine)
		s->engine->ops->close(s->engine);
	free(s->items);
	free(s);
err0:
	return rc;
}

enum store_rc store_load(struct store *s, const struct store_visitor *visitor, void *arg,
			 struct why *why)
{
	return s->engine->ops->load(s->engine, visitor, arg, why);
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
		i->e.group = i->group;
		i->e.seen = s->seen;
		i->e.fence = s->fence;
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

enum store_rc store_commit_later(struct store *s, const struct store_change *changes, size_t n,
				 store_commit_cb *cb, void *arg)
{
	assert(n && cb);
	return submit(s, &(struct item){.commit_cb = cb, .arg = arg}, changes, n, false);
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
	out->leads_changed = s->leads_changed;
	out->times_lost = s->times_lost;
}

bool store_refused(struct store *s, struct why *why)
{
	uv_mutex_lock(&s->mutex);
	why_set(why, "%s", s->refused.text);
	uv_mutex_unlock(&s->mutex);
	return why->text[0] != '\0';
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
