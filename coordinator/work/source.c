#include "coordinator/work/internal.h"

#include <stdlib.h>
#include <string.h>

#define DOES_WELL_MS    3600000u /* a good proof is remembered in its source's favour */
#define MUTE_MIN_MS     10000u
#define ATTESTED_CREDIT 8 /* bad proofs before somebody attested is muted */

static size_t source_bucket(const char *text)
{
	uint32_t h = 2166136261u; /* FNV-1a */
	size_t i;

	for (i = 0; text[i] && i < WORK_SOURCE_SIZE - 1; i++)
		h = (h ^ (uint8_t)text[i]) * 16777619u;
	return (h ^ h >> 16) % SOURCE_BUCKETS;
}

struct source *source_find(const struct sources *s, const char *text)
{
	struct source *at;

	for (at = s->bucket[source_bucket(text)]; at; at = at->next)
		if (strncmp(at->text, text, WORK_SOURCE_SIZE - 1) == 0)
			return at;
	return NULL;
}

struct source *source_get(struct sources *s, const char *text)
{
	struct source *at = source_find(s, text);
	size_t i = source_bucket(text);

	if (!at) {
		at = calloc(1, sizeof *at);
		if (!at)
			return NULL;
		memcpy(at->text, text, strnlen(text, WORK_SOURCE_SIZE - 1));
		at->next = s->bucket[i];
		s->bucket[i] = at;
		s->n++;
	}
	at->refs++;
	return at;
}

void source_put(struct sources *s, struct source *source)
{
	struct source **at;

	if (!source || --source->refs)
		return;
	at = &s->bucket[source_bucket(source->text)];
	while (*at != source)
		at = &(*at)->next;
	*at = source->next;
	s->n--;
	free(source);
}

/* ---- what is remembered: the newest of a kind ---- */

/* The one that makes room; NULL: there was room. */
static struct source *ring_push(struct source_ring *r, size_t max, struct source *source)
{
	struct source *gone = r->at[r->next];

	source->refs++;
	r->at[r->next] = source;
	r->next = (r->next + 1) % max;
	return gone;
}

static void remember_good(struct sources *s, struct source *source)
{
	struct source *gone = ring_push(&s->good, SOURCES_GOOD_MAX, source);

	source->in_good = true;
	if (gone)
		gone->in_good = false;
	source_put(s, gone);
}

static void remember_bad(struct sources *s, struct source *source)
{
	struct source *gone = ring_push(&s->bad, SOURCES_BAD_MAX, source);

	source->in_bad = true;
	if (gone) {
		gone->in_bad = false;
		gone->bad = 0;
		gone->muted_until_ms = 0;
	}
	source_put(s, gone);
}

void sources_free(struct sources *s)
{
	size_t i;

	for (i = 0; i < SOURCES_BAD_MAX; i++) {
		source_put(s, s->good.at[i]);
		source_put(s, s->bad.at[i]);
	}
}

void source_did_well(struct sources *s, struct source *source, uint64_t now_ms)
{
	if (!source->in_good)
		remember_good(s, source);
	source->good_ms = now_ms;
	source->bad = 0;
	source->muted_until_ms = 0;
}

void source_did_badly(struct sources *s, struct source *source, bool attested, uint64_t max_ms,
		      uint64_t now_ms)
{
	unsigned credit = attested ? ATTESTED_CREDIT : 0;
	uint64_t mute = MUTE_MIN_MS;

	if (!source->in_bad)
		remember_bad(s, source);
	if (source->bad < 64)
		source->bad++;
	/* What one key did is not held against the others behind its address. */
	if (source->in_good && now_ms < source->good_ms + DOES_WELL_MS)
		return;
	if (source->bad <= credit)
		return;
	for (credit++; credit < source->bad && mute < max_ms; credit++)
		mute *= 2;
	source->muted_until_ms = now_ms + (mute < max_ms ? mute : max_ms);
}

bool source_is_trusted(const struct source *source, bool attested)
{
	return attested || (source && source->in_good);
}
