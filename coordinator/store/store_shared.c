/* What there is besides where the database is shared: others' rows, who leads, inputs to fetch. */
#include "coordinator/base/clock.h"
#include "coordinator/store/internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- news ---- */

void engine_news_list_init(struct engine_news_list *list)
{
	list->first = NULL;
	list->end = &list->first;
}

bool engine_news_add(struct engine_news_list *list, enum engine_news_kind kind,
		     struct change_group *changes, uint64_t number, const char *sentence)
{
	struct engine_news *news = calloc(1, sizeof *news);

	if (!news)
		return false;
	news->kind = kind;
	news->changes = changes;
	news->rev = kind == NEWS_FOREIGN ? number : 0;
	news->fence = kind == NEWS_LEADS ? number : 0;
	why_set(&news->sentence, "%s", sentence);
	*list->end = news;
	list->end = &news->next;
	return true;
}

static void note_lead(struct store *s, uint64_t fence)
{
	s->leads_changed += (s->fence != 0) != (fence != 0);
	s->fence = fence;
}

static void note_reach(struct store *s, bool reached, const char *sentence)
{
	if (!reached && !s->lost.text[0]) {
		s->times_lost++;
		s->lost_at = uv_hrtime();
	}
	why_set(&s->lost, "%s", reached ? "" : *sentence ? sentence : "it does not answer");
}

static void show(struct store *s, const struct engine_news *news)
{
	const struct store_change *changes = news->changes ? news->changes->changes : NULL;
	const size_t n = news->changes ? news->changes->n : 0;
	const struct store_events *e = &s->events;
	struct why note;

	switch (news->kind) {
	case NEWS_FOREIGN:
		s->seen = news->rev;
		if (e->foreign && n)
			e->foreign(e->arg, changes, n);
		break;
	case NEWS_LEADS:
	case NEWS_LEADS_NOT:
		note_lead(s, news->fence);
		if (e->leads)
			e->leads(e->arg, news->fence, changes, n);
		break;
	case NEWS_LOST:
		note_reach(s, false, news->sentence.text);
		if (e->reached)
			e->reached(e->arg, false, news->sentence.text);
		break;
	case NEWS_BACK:
		why_set(&note, "it was away for %.1f s", (double)store_lost_ms(s) / 1000);
		note_reach(s, true, "");
		if (e->reached)
			e->reached(e->arg, true, note.text);
		break;
	case NEWS_OTHER_PAST:
		if (e->other_past)
			e->other_past(e->arg, news->sentence.text);
		break;
	case NEWS_SCHEMA:
		if (e->schema)
			e->schema(e->arg, news->sentence.text);
		break;
	case NEWS_TROUBLE:
		if (e->trouble)
			e->trouble(e->arg, news->sentence.text);
		break;
	}
}

void store_news_append(struct engine_news **to, struct engine_news *more)
{
	while (*to)
		to = &(*to)->next;
	*to = more;
}

void store_show_news(struct store *s, struct engine_news *first)
{
	struct engine_news *next;

	for (; first; first = next) {
		next = first->next;
		show(s, first);
		free(first->changes);
		free(first);
	}
}

/* ---- the others ---- */

bool store_is_shared(const struct store *s)
{
	return s->shared;
}

bool store_leads(const struct store *s)
{
	return s->fence || !store_is_shared(s);
}

bool store_leads_surely(const struct store *s)
{
	return store_leads(s) &&
	       (!store_is_shared(s) || clock_boot_ms() - s->engine->led_ms <= STORE_SURE_MS);
}

const char *store_lost(const struct store *s)
{
	return s->lost.text;
}

uint64_t store_lost_ms(const struct store *s)
{
	return s->lost.text[0] ? (uv_hrtime() - s->lost_at) / 1000000 : 0;
}

/* Where there are several, the others' coming first is no failure. */
void store_count_failure(struct store *s, enum store_rc rc, const struct change_group *group)
{
	bool lease = false;
	size_t i;

	if (store_is_shared(s) && rc == STORE_CONFLICT) {
		for (i = 0; group && i < group->n; i++)
			lease = lease || group->changes[i].kind == CHANGE_LEASE_PUT;
		s->stats.conflicts++;
		s->stats.lease_conflicts += lease;
	} else if (rc == STORE_NOT_LEADER) {
		s->stats.not_leader++;
	} else if (rc == STORE_UNREACHABLE) {
		s->stats.unreachable++;
	} else {
		s->stats.groups_failed++;
	}
}

unsigned store_slot(const struct store *s)
{
	return s->slot;
}

uint64_t store_identity(const struct store *s)
{
	return s->identity;
}

size_t store_instances(struct store *s, struct store_instance *out, size_t max)
{
	return !s->closing && s->engine->ops->instances
		   ? s->engine->ops->instances(s->engine, out, max)
		   : 0;
}

bool store_leader(struct store *s, char name[STORE_INSTANCE_SIZE])
{
	static struct store_instance all[STORE_SLOTS];
	const size_t n = store_instances(s, all, STORE_SLOTS);
	size_t i;

	for (i = 0; i < n && i < STORE_SLOTS; i++)
		if (all[i].leads && !all[i].is_this) {
			memcpy(name, all[i].name, STORE_INSTANCE_SIZE);
			return true;
		}
	return false;
}

int64_t store_skew_ms(struct store *s)
{
	static struct store_instance all[STORE_SLOTS];
	const size_t n = store_instances(s, all, STORE_SLOTS);
	size_t i;

	for (i = 0; i < n && i < STORE_SLOTS; i++)
		if (all[i].is_this)
			return all[i].skew_ms;
	return 0;
}

void store_say(struct store *s, const char *status)
{
	if (!s->closing && s->engine->ops->say)
		s->engine->ops->say(s->engine, status);
}

/* ---- inputs ---- */

struct input_work {
	uv_work_t work;
	struct input_work *next; /* of those that wait */
	struct store *store;
	bool fetch;
	uint8_t sha256[32];
	uint64_t size;
	enum input_rc rc;
	struct why why;
	store_input_cb *cb;
	void *arg;
};

static void move_input(uv_work_t *work)
{
	struct input_work *w = work->data;
	const struct engine_ops *ops = w->store->engine->ops;
	enum input_rc (*move)(struct engine *, const char *, const uint8_t *, uint64_t,
			      struct why *) = w->fetch ? ops->fetch_input : ops->share_input;

	if (move)
		w->rc = move(w->store->engine, w->store->dir, w->sha256, w->size, &w->why);
}

static void input_over(struct input_work *w, const char *given_up)
{
	if (given_up) {
		w->rc = INPUT_IO;
		why_set(&w->why, "%s", given_up);
	}
	w->cb(w->arg, w->rc, &w->why);
	free(w);
}

static bool input_start(struct input_work *w);

/* A thread of the pool waits for the database, perhaps for long, and has other work to do. */
static void share_next(struct store *s)
{
	const char *why = s->closing ? "given up" : s->lost.text;
	struct input_work *w;

	while (!s->sharing && (w = s->to_share)) {
		s->to_share = w->next;
		if (*why || !input_start(w))
			input_over(w, *why ? why : "given up");
	}
}

static void input_moved(uv_work_t *work, int status)
{
	struct input_work *w = work->data;
	struct store *s = w->store;

	uv_mutex_lock(&s->mutex);
	s->works--;
	uv_cond_signal(&s->work);
	uv_mutex_unlock(&s->mutex);
	s->sharing = s->sharing && w->fetch;
	input_over(w, status ? "given up" : NULL);
	share_next(s);
}

static bool input_start(struct input_work *w)
{
	struct store *s = w->store;

	if (uv_queue_work(s->wake.loop, &w->work, move_input, input_moved))
		return false;
	s->sharing = s->sharing || !w->fetch;
	uv_mutex_lock(&s->mutex);
	s->works++;
	uv_mutex_unlock(&s->mutex);
	return true;
}

static bool input_work(struct store *s, bool fetch, const uint8_t sha256[32], uint64_t size,
		       store_input_cb *cb, void *arg)
{
	struct input_work *w, **end;

	if (s->closing)
		return false;
	w = calloc(1, sizeof *w);
	if (!w)
		return false;
	w->work.data = w;
	w->store = s;
	w->fetch = fetch;
	memcpy(w->sha256, sha256, sizeof w->sha256);
	w->size = size;
	w->rc = INPUT_OK;
	w->cb = cb;
	w->arg = arg;
	if (!fetch && s->sharing) {
		for (end = &s->to_share; *end; end = &(*end)->next)
			;
		*end = w;
		return true;
	}
	if (input_start(w))
		return true;
	free(w);
	return false;
}

bool store_share_input(struct store *s, const uint8_t sha256[32], uint64_t size, store_input_cb *cb,
		       void *arg)
{
	return input_work(s, false, sha256, size, cb, arg);
}

bool store_fetch_input(struct store *s, const uint8_t sha256[32], uint64_t size, store_input_cb *cb,
		       void *arg)
{
	return input_work(s, true, sha256, size, cb, arg);
}
