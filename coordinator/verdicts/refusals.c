#include "coordinator/verdicts/refusals.h"

#include "coordinator/base/retry.h"

#include <stdlib.h>
#include <string.h>

#define SOURCE_SIZE 72

struct quote {
	struct refusal_key key;
	bool used, lasting;
	uint64_t epoch, touched;
	struct why why;
};

struct source {
	char name[SOURCE_SIZE]; /* empty: free */
	unsigned refusals;
	uint64_t last_ms; /* of the last refusal, moved on by what was forgotten since */
	uint64_t touched;
};

struct refusals {
	struct refusals_settings settings;
	struct quote *quotes;
	struct source *sources;
	uint64_t epoch, clock; /* clock counts uses: the least is the oldest */
};

struct refusals *refusals_new(const struct refusals_settings *settings)
{
	struct refusals *r = calloc(1, sizeof *r);

	if (!r)
		return NULL;
	r->settings = *settings;
	r->quotes = calloc(settings->max_quotes, sizeof *r->quotes);
	r->sources = calloc(settings->max_sources, sizeof *r->sources);
	if (r->quotes && r->sources)
		return r;
	refusals_free(r);
	return NULL;
}

void refusals_free(struct refusals *r)
{
	if (!r)
		return;
	free(r->quotes);
	free(r->sources);
	free(r);
}

void refusals_new_epoch(struct refusals *r)
{
	r->epoch++;
}

/* ---- quotes ---- */

static bool is_valid(const struct refusals *r, const struct quote *q)
{
	return q->used && (q->lasting || q->epoch == r->epoch);
}

static struct quote *quote_of(struct refusals *r, const struct refusal_key *key)
{
	size_t i;

	for (i = 0; i < r->settings.max_quotes; i++)
		if (r->quotes[i].used && memcmp(&r->quotes[i].key, key, sizeof *key) == 0)
			return &r->quotes[i];
	return NULL;
}

void refusals_add(struct refusals *r, const struct refusal_key *key, bool lasting,
		  const char *sentence)
{
	struct quote *q = quote_of(r, key);
	size_t i;

	if (!q) {
		q = &r->quotes[0];
		for (i = 1; i < r->settings.max_quotes && q->used; i++)
			if (!r->quotes[i].used || r->quotes[i].touched < q->touched)
				q = &r->quotes[i];
	}
	*q = (struct quote){.key = *key,
			    .used = true,
			    .lasting = lasting,
			    .epoch = r->epoch,
			    .touched = ++r->clock};
	why_set(&q->why, "%s", sentence);
}

const char *refusals_find(struct refusals *r, const struct refusal_key *key)
{
	struct quote *q = quote_of(r, key);

	if (!q || !is_valid(r, q))
		return NULL;
	q->touched = ++r->clock;
	return q->why.text;
}

/* ---- sources ---- */

static struct source *source_of(struct refusals *r, const char *name)
{
	size_t i;

	for (i = 0; i < r->settings.max_sources; i++)
		if (r->sources[i].name[0] &&
		    strncmp(r->sources[i].name, name, SOURCE_SIZE - 1) == 0)
			return &r->sources[i];
	return NULL;
}

static void forget_some(const struct refusals *r, struct source *s, uint64_t now_ms)
{
	while (s->refusals && now_ms >= s->last_ms + r->settings.forget_ms) {
		s->refusals--;
		s->last_ms += r->settings.forget_ms;
	}
}

void refusals_blame(struct refusals *r, const char *source, uint64_t now_ms)
{
	struct source *s = source_of(r, source);
	size_t i;

	if (!s) {
		s = &r->sources[0];
		for (i = 1; i < r->settings.max_sources && s->name[0]; i++)
			if (!r->sources[i].name[0] || r->sources[i].touched < s->touched)
				s = &r->sources[i];
		memset(s, 0, sizeof *s);
		memcpy(s->name, source, strnlen(source, SOURCE_SIZE - 1));
	}
	forget_some(r, s, now_ms);
	if (s->refusals < 1000)
		s->refusals++;
	s->last_ms = now_ms;
	s->touched = ++r->clock;
}

void refusals_absolve(struct refusals *r, const char *source)
{
	struct source *s = source_of(r, source);

	if (s)
		s->name[0] = '\0';
}

uint64_t refusals_wait_ms(struct refusals *r, const char *source, uint64_t now_ms)
{
	struct source *s = source_of(r, source);
	uint64_t wait;

	if (!s)
		return 0;
	forget_some(r, s, now_ms);
	if (s->refusals <= r->settings.free_refusals)
		return 0;
	wait = retry_backoff(r->settings.first_wait_ms, r->settings.max_wait_ms,
			     s->refusals - r->settings.free_refusals - 1);
	return s->last_ms + wait > now_ms ? s->last_ms + wait - now_ms : 0;
}
