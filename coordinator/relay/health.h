/*
 * health.h -- is the upstream coordinator there? What is said of it, and when to try again. Pure.
 *
 * Down is what a connection that nobody takes, or an answer that does not come, shows; any answer,
 * silence included, shows that it is up. A change is said at once, and again while it lasts.
 */
#ifndef COORDINATOR_RELAY_HEALTH_H
#define COORDINATOR_RELAY_HEALTH_H

#include "encoding/why.h"

#include <stdbool.h>
#include <stdint.h>

#define HEALTH_AGAIN_MS     60000u /* between two lines of one outage */
#define HEALTH_RETRY_MIN_MS 250u
#define HEALTH_RETRY_MAX_MS 5000u

struct health {
	enum health_state { HEALTH_UNKNOWN, HEALTH_UP, HEALTH_DOWN } state;
	uint64_t since_ms, said_ms;
	uint64_t try_at_ms; /* not before, while it is down */
	unsigned failures;  /* in a row */
	struct why why;     /* of the last one */
};

enum health_say { HEALTH_QUIET, HEALTH_SAY_UP, HEALTH_SAY_DOWN, HEALTH_SAY_STILL_DOWN };

/* An exchange has ended. All zero is unknown. */
enum health_say health_good(struct health *h, uint64_t now_ms);
enum health_say health_bad(struct health *h, const char *sentence, uint64_t now_ms);
/* "up", "down", "not asked yet" */
const char *health_name(const struct health *h);

#endif
