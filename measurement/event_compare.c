#include "measurement/event_log.h"

#include <string.h>

/* The next event of a register at or after i; the log's length when there is none. */
static size_t next_of(const struct event_log *log, unsigned rtmr, size_t i)
{
	while (i < log->n && log->events[i].rtmr != (int)rtmr)
		i++;
	return i;
}

enum variation { WITHOUT, TWICE };

/* The register's value when one event is left out or happens twice. */
static void replay_varied(uint8_t out[DIGEST_SIZE], const struct event_log *log, unsigned rtmr,
			  size_t varied, enum variation how)
{
	size_t i;

	memset(out, 0, DIGEST_SIZE);
	for (i = next_of(log, rtmr, 0); i < log->n; i = next_of(log, rtmr, i + 1)) {
		if (i == varied && how == WITHOUT)
			continue;
		digest_extend(out, log->events[i].digest);
		if (i == varied)
			digest_extend(out, log->events[i].digest);
	}
}

static bool same(const uint8_t a[DIGEST_SIZE], const uint8_t b[DIGEST_SIZE])
{
	return memcmp(a, b, DIGEST_SIZE) == 0;
}

struct register_difference event_log_compare(const struct event_log *log, unsigned rtmr,
					     const uint8_t value[DIGEST_SIZE])
{
	const size_t first = next_of(log, rtmr, 0);
	struct register_difference d = {REGISTER_OTHER, first};
	uint8_t reg[DIGEST_SIZE] = {0}, varied[DIGEST_SIZE];
	size_t i, n = 0;

	for (i = first; i < log->n; i = next_of(log, rtmr, i + 1), n++) {
		if (d.match == REGISTER_OTHER && same(reg, value))
			d = (struct register_difference){REGISTER_STOPPED_BEFORE, i};
		digest_extend(reg, log->events[i].digest);
	}
	if (same(reg, value))
		return (struct register_difference){REGISTER_SAME, log->n};
	if (d.match == REGISTER_STOPPED_BEFORE || n > COMPARE_EVENTS_MAX)
		return d;
	for (i = first; i < log->n; i = next_of(log, rtmr, i + 1)) {
		replay_varied(varied, log, rtmr, i, WITHOUT);
		if (same(varied, value))
			return (struct register_difference){REGISTER_WITHOUT, i};
		replay_varied(varied, log, rtmr, i, TWICE);
		if (same(varied, value))
			return (struct register_difference){REGISTER_TWICE, i};
	}
	return d;
}

bool event_log_first_difference(size_t *in_a, size_t *in_b, const struct event_log *a,
				const struct event_log *b, unsigned rtmr)
{
	size_t i = next_of(a, rtmr, 0), k = next_of(b, rtmr, 0);

	while (i < a->n && k < b->n && same(a->events[i].digest, b->events[k].digest)) {
		i = next_of(a, rtmr, i + 1);
		k = next_of(b, rtmr, k + 1);
	}
	*in_a = i;
	*in_b = k;
	return i < a->n || k < b->n;
}
