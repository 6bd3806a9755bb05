#include "fake_engine.h"

#include <stdio.h>
#include <stdlib.h>

#define TURN_MS 5

static struct fake_engine *of(struct engine *e)
{
	return (struct fake_engine *)e;
}

static enum store_rc load(struct engine *e, const struct store_visitor *visitor, void *arg,
			  struct why *why)
{
	(void)e, (void)visitor, (void)arg, (void)why;
	return STORE_OK;
}

static enum store_rc read_proof(struct engine *e, uint64_t id, struct change_group **out,
				struct why *why)
{
	(void)e, (void)id, (void)out;
	why_set(why, "nothing is kept here");
	return STORE_NOT_FOUND;
}

static enum store_rc commit(struct engine *e, struct engine_item *items[], size_t n,
			    struct engine_news_list *news, uint64_t *ns, struct why *why)
{
	struct fake_engine *f = of(e);
	enum store_rc verdict;
	size_t i;

	*ns = 0;
	uv_mutex_lock(&f->mutex);
	verdict = f->verdict;
	f->seen = items[n - 1]->seen;
	if (f->fail_whole) {
		f->fail_whole--;
		verdict = STORE_NO_MEMORY;
		if (!engine_news_add(news, NEWS_FOREIGN, NULL, ++f->rev, ""))
			abort();
	}
	uv_mutex_unlock(&f->mutex);
	if (verdict == STORE_NO_MEMORY) {
		why_set(why, "no memory for all of it");
		return verdict;
	}
	if (verdict == STORE_UNREACHABLE) {
		why_set(why, "the server does not answer");
		return verdict;
	}
	for (i = 0; i < n; i++)
		items[i]->rc = verdict;
	return STORE_OK;
}

static bool tidy(struct engine *e)
{
	(void)e;
	return false;
}

static void turn(struct engine *e, struct engine_news_list *news)
{
	struct fake_engine *f = of(e);

	uv_mutex_lock(&f->mutex);
	if (f->news.first) {
		*news->end = f->news.first;
		news->end = f->news.end;
		engine_news_list_init(&f->news);
	}
	uv_mutex_unlock(&f->mutex);
}

static size_t instances(struct engine *e, struct store_instance *out, size_t max)
{
	struct fake_engine *f = of(e);
	size_t i, n;

	uv_mutex_lock(&f->mutex);
	n = f->n;
	for (i = 0; i < n && i < max; i++)
		out[i] = f->instance[i];
	uv_mutex_unlock(&f->mutex);
	return n;
}

static void say(struct engine *e, const char *status)
{
	struct fake_engine *f = of(e);

	uv_mutex_lock(&f->mutex);
	snprintf(f->said, sizeof f->said, "%s", status);
	uv_mutex_unlock(&f->mutex);
}

static void close_engine(struct engine *e)
{
	struct fake_engine *f = of(e);
	struct engine_news *next;

	for (; f->news.first; f->news.first = next) {
		next = f->news.first->next;
		free(f->news.first);
	}
	uv_mutex_destroy(&f->mutex);
	f->closed = true;
}

struct engine *fake_engine_init(struct fake_engine *f, unsigned slot)
{
	static const struct engine_ops ops = {.load = load,
					      .read_proof = read_proof,
					      .commit = commit,
					      .tidy = tidy,
					      .close = close_engine,
					      .turn = turn,
					      .turn_ms = TURN_MS,
					      .instances = instances,
					      .say = say};

	*f = (struct fake_engine){.e = {.ops = &ops, .slot = slot}, .verdict = STORE_OK};
	engine_news_list_init(&f->news);
	uv_mutex_init(&f->mutex);
	return &f->e;
}

void fake_engine_tell(struct fake_engine *f, enum engine_news_kind kind, uint64_t number,
		      const char *sentence)
{
	uv_mutex_lock(&f->mutex);
	if (!engine_news_add(&f->news, kind, NULL, number, sentence))
		abort();
	uv_mutex_unlock(&f->mutex);
}

void fake_engine_answer(struct fake_engine *f, enum store_rc verdict)
{
	uv_mutex_lock(&f->mutex);
	f->verdict = verdict;
	uv_mutex_unlock(&f->mutex);
}

void fake_engine_add(struct fake_engine *f, const struct store_instance *instance)
{
	uv_mutex_lock(&f->mutex);
	f->instance[f->n++] = *instance;
	uv_mutex_unlock(&f->mutex);
}
