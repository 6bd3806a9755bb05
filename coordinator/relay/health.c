#include "coordinator/relay/health.h"

#include "coordinator/base/retry.h"

enum health_say health_good(struct health *h, uint64_t now_ms)
{
	const enum health_state was = h->state;

	h->failures = 0;
	h->try_at_ms = 0;
	if (was == HEALTH_UP)
		return HEALTH_QUIET;
	h->state = HEALTH_UP;
	h->since_ms = now_ms;
	return HEALTH_SAY_UP;
}

enum health_say health_bad(struct health *h, const char *sentence, uint64_t now_ms)
{
	const bool first = h->state != HEALTH_DOWN;

	why_set(&h->why, "%s", sentence);
	h->try_at_ms =
	    now_ms + retry_backoff(HEALTH_RETRY_MIN_MS, HEALTH_RETRY_MAX_MS, h->failures++);
	if (!first && now_ms - h->said_ms < HEALTH_AGAIN_MS)
		return HEALTH_QUIET;
	if (first)
		h->since_ms = now_ms;
	h->state = HEALTH_DOWN;
	h->said_ms = now_ms;
	return first ? HEALTH_SAY_DOWN : HEALTH_SAY_STILL_DOWN;
}

const char *health_name(const struct health *h)
{
	switch (h->state) {
	case HEALTH_UNKNOWN: return "not asked yet";
	case HEALTH_UP: return "up";
	case HEALTH_DOWN: return "down";
	}
	return "down";
}
