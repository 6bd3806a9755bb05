#include "coordinator/base/log_limit.h"

#include <stdio.h>
#include <string.h>

static struct log_limit_kind *find_kind(struct log_limit *l, const char *event, const char *kind)
{
	struct log_limit_kind *k;
	size_t i;

	for (i = 0; i < LOG_LIMIT_KINDS - 1; i++) {
		k = &l->kind[i];
		if (!k->event)
			break;
		if (strcmp(k->event, event) == 0 && strcmp(k->kind, kind) == 0)
			return k;
	}
	/* The last is for all that came too late. */
	k = &l->kind[i];
	k->event = i < LOG_LIMIT_KINDS - 1 ? event : "others";
	k->kind = i < LOG_LIMIT_KINDS - 1 ? kind : "";
	return k;
}

static bool is_free(const struct log_limit_place *p, uint64_t now)
{
	return !p->left_out && (!p->written || now - p->since_ms >= LOG_LIMIT_MS);
}

static struct log_limit_place *find_place(struct log_limit_kind *k, const char *source,
					  uint64_t now)
{
	struct log_limit_place *free = NULL;
	size_t i;

	for (i = 0; i < LOG_LIMIT_SOURCES; i++) {
		struct log_limit_place *p = &k->place[i];

		if (is_free(p, now))
			free = free ? free : p;
		else if (strncmp(p->source, source, sizeof p->source - 1) == 0)
			return p;
	}
	return free ? free : &k->place[LOG_LIMIT_SOURCES];
}

bool log_limit_ask(struct log_limit *l, const char *event, const char *kind, const char *source,
		   uint64_t at_most, uint64_t now)
{
	struct log_limit_place *p = find_place(find_kind(l, event, kind), source, now);

	if (is_free(p, now)) {
		*p = (struct log_limit_place){.since_ms = now};
		snprintf(p->source, sizeof p->source, "%s", source);
	}
	if (p->written < at_most) {
		p->written++;
		return true;
	}
	p->left_out++;
	l->left_out++;
	return false;
}

static bool take(struct log_limit_kind *k, size_t at, struct log_limit_count *out, uint64_t now,
		 bool all)
{
	struct log_limit_place *p = &k->place[at];

	if (!p->left_out || (!all && now - p->since_ms < LOG_LIMIT_MS))
		return false;
	*out = (struct log_limit_count){.event = k->event,
					.kind = k->kind,
					.left_out = p->left_out,
					.within_ms = now - p->since_ms};
	snprintf(out->source, sizeof out->source, "%s",
		 at == LOG_LIMIT_SOURCES ? "others" : p->source);
	*p = (struct log_limit_place){0};
	return true;
}

bool log_limit_due(struct log_limit *l, struct log_limit_count *out, uint64_t now, bool all)
{
	size_t i, j;

	for (i = 0; i < LOG_LIMIT_KINDS && l->kind[i].event; i++)
		for (j = 0; j <= LOG_LIMIT_SOURCES; j++)
			if (take(&l->kind[i], j, out, now, all))
				return true;
	return false;
}
