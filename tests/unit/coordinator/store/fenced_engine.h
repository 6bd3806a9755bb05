/*
 * fenced_engine.h -- a shared store without a database server: SQLite behind, and a test that says
 * who leads, what others stored, and that nothing can be reached.
 */
#ifndef TESTS_FENCED_ENGINE_H
#define TESTS_FENCED_ENGINE_H

#include "coordinator/store/engine.h"

#include <stdlib.h>
#include <string.h>

struct fenced_engine {
	struct engine engine;
	struct engine *sqlite;
	uv_mutex_t mutex; /* guards all below; the test's and the store's thread's */
	uint64_t fence;   /* 0: another leads */
	bool lead_due;    /* to be told, with all intents that are open then */
	bool lost;
	struct engine_news_list news;
	unsigned n_refused; /* groups, for their fence */
	unsigned conflicts; /* so many of the next groups are STORE_CONFLICT */
};

static inline struct fenced_engine *fenced_of(struct engine *e)
{
	return (struct fenced_engine *)(void *)e;
}

static inline bool fenced_is_leaders(const struct change_group *g)
{
	size_t i;

	for (i = 0; i < g->n; i++)
		switch (g->changes[i].kind) {
		case CHANGE_INTENT_PUT:
		case CHANGE_INTENT_DEL:
		case CHANGE_PROOF_STATE:
		case CHANGE_PROOF_RANGE: return true;
		default: break;
		}
	return false;
}

static inline enum store_rc fenced_load(struct engine *e, const struct store_visitor *visitor,
					void *arg, struct why *why)
{
	return fenced_of(e)->sqlite->ops->load(fenced_of(e)->sqlite, visitor, arg, why);
}

static inline enum store_rc fenced_read_proof(struct engine *e, uint64_t id,
					      struct change_group **out, struct why *why)
{
	return fenced_of(e)->sqlite->ops->read_proof(fenced_of(e)->sqlite, id, out, why);
}

static inline enum store_rc fenced_commit(struct engine *e, struct engine_item *items[], size_t n,
					  struct engine_news_list *news, uint64_t *ns,
					  struct why *why)
{
	struct fenced_engine *f = fenced_of(e);
	struct engine_item **passed = calloc(n, sizeof *passed);
	enum store_rc rc = passed ? STORE_OK : STORE_NO_MEMORY;
	size_t i, k = 0;

	uv_mutex_lock(&f->mutex);
	if (f->lost) {
		why_set(why, "the database cannot be reached");
		rc = STORE_UNREACHABLE;
	}
	for (i = 0; rc == STORE_OK && i < n; i++)
		if (fenced_is_leaders(items[i]->group) &&
		    (!f->fence || items[i]->fence != f->fence)) {
			items[i]->rc = STORE_NOT_LEADER;
			why_set(&items[i]->why, "another coordinator leads");
			f->n_refused++;
		} else if (f->conflicts) {
			f->conflicts--;
			items[i]->rc = STORE_CONFLICT;
			why_set(&items[i]->why, "another coordinator changed it meanwhile");
		} else {
			passed[k++] = items[i];
		}
	uv_mutex_unlock(&f->mutex);
	if (rc == STORE_OK && k)
		rc = f->sqlite->ops->commit(f->sqlite, passed, k, news, ns, why);
	free(passed);
	return rc;
}

static inline bool fenced_tidy(struct engine *e)
{
	return fenced_of(e)->sqlite->ops->tidy(fenced_of(e)->sqlite);
}

static inline void fenced_close(struct engine *e)
{
	struct fenced_engine *f = fenced_of(e);
	struct engine_news *next, *news;

	for (news = f->news.first; news; news = next) {
		next = news->next;
		free(news->changes);
		free(news);
	}
	f->sqlite->ops->close(f->sqlite);
	uv_mutex_destroy(&f->mutex);
	free(f);
}

struct fenced_intents {
	struct store_change changes[8];
	struct change_group *copies[8]; /* what the changes borrow from */
	size_t n;
};

static inline bool fenced_on_intent(void *arg, const struct store_intent *row, struct why *why)
{
	const struct store_change change = {.kind = CHANGE_INTENT_PUT, .intent = *row};
	struct fenced_intents *o = arg;

	(void)why;
	if (o->n == 8 || !(o->copies[o->n] = change_group_new(&change, 1)))
		abort();
	o->changes[o->n] = o->copies[o->n]->changes[0];
	o->n++;
	return true;
}

static inline void fenced_tell_lead(struct fenced_engine *f)
{
	const struct store_visitor visitor = {.intent = fenced_on_intent};
	struct fenced_intents o = {.n = 0};
	struct change_group *all = NULL;
	struct why why;
	size_t i;

	if (f->sqlite->ops->load(f->sqlite, &visitor, &o, &why) != STORE_OK)
		abort();
	if (o.n)
		all = change_group_new(o.changes, o.n);
	if ((o.n && !all) || !engine_news_add(&f->news, NEWS_LEADS, all, f->fence, ""))
		abort();
	for (i = 0; i < o.n; i++)
		free(o.copies[i]);
}

static inline void fenced_turn(struct engine *e, struct engine_news_list *news)
{
	struct fenced_engine *f = fenced_of(e);

	uv_mutex_lock(&f->mutex);
	if (f->lead_due)
		fenced_tell_lead(f);
	f->lead_due = false;
	if (f->news.first) {
		*news->end = f->news.first;
		news->end = f->news.end;
		engine_news_list_init(&f->news);
	}
	uv_mutex_unlock(&f->mutex);
}

static inline size_t fenced_instances(struct engine *e, struct store_instance *out, size_t max)
{
	struct fenced_engine *f = fenced_of(e);
	struct store_instance other = {.slot = 1, .name = "other"};

	uv_mutex_lock(&f->mutex);
	other.leads = !f->fence;
	uv_mutex_unlock(&f->mutex);

	if (max)
		*out = other;
	return 1;
}

/* NULL: no memory, or no database in dir. */
static inline struct fenced_engine *fenced_engine_new(const char *dir, struct why *why)
{
	static const struct engine_ops ops = {.load = fenced_load,
					      .read_proof = fenced_read_proof,
					      .commit = fenced_commit,
					      .tidy = fenced_tidy,
					      .close = fenced_close,
					      .turn = fenced_turn,
					      .turn_ms = 5,
					      .instances = fenced_instances};
	struct fenced_engine *f = calloc(1, sizeof *f);

	if (!f || sqlite_open(&f->sqlite, dir, 1000, why) != STORE_OK) {
		free(f);
		return NULL;
	}
	f->engine.ops = &ops;
	uv_mutex_init(&f->mutex);
	engine_news_list_init(&f->news);
	return f;
}

/* ---- what the test says; each takes effect at once, and is told with the next turn ---- */

static inline void fenced_says(struct fenced_engine *f, enum engine_news_kind kind,
			       const struct store_change *changes, size_t n, uint64_t number,
			       const char *sentence)
{
	struct change_group *copy = n ? change_group_new(changes, n) : NULL;

	uv_mutex_lock(&f->mutex);
	if ((n && !copy) || !engine_news_add(&f->news, kind, copy, number, sentence))
		abort();
	uv_mutex_unlock(&f->mutex);
}

/* Without a word to the loop: as while it was paused. */
static inline void fenced_set_fence(struct fenced_engine *f, uint64_t fence)
{
	uv_mutex_lock(&f->mutex);
	f->fence = fence;
	uv_mutex_unlock(&f->mutex);
}

/* 0: another leads. */
static inline void fenced_lead(struct fenced_engine *f, uint64_t fence)
{
	uv_mutex_lock(&f->mutex);
	f->fence = fence;
	f->lead_due = fence != 0;
	uv_mutex_unlock(&f->mutex);
	if (!fence)
		fenced_says(f, NEWS_LEADS_NOT, NULL, 0, 0, "");
}

static inline unsigned fenced_refused(struct fenced_engine *f)
{
	unsigned n;

	uv_mutex_lock(&f->mutex);
	n = f->n_refused;
	uv_mutex_unlock(&f->mutex);
	return n;
}

#endif
