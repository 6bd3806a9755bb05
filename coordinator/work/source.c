#include "coordinator/work/internal.h"

#include <stdlib.h>
#include <string.h>

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
