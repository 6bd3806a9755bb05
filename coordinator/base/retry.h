/*
 * retry.h -- how long to wait after failures, and the random numbers that spread waits. Not for
 * secrets. No clock, no I/O.
 */
#ifndef COORDINATOR_BASE_RETRY_H
#define COORDINATOR_BASE_RETRY_H

#include <stdint.h>

/* min doubled once for each failure before, never above max. */
uint64_t retry_backoff(uint64_t min, uint64_t max, unsigned failures);

/* The next number of a sequence (splitmix64). state: seeded by the caller. */
uint64_t retry_random(uint64_t *state);

/* value less and plus at most part of it: retry_spread(100, 4, r) is in 75..125. */
uint64_t retry_spread(uint64_t value, unsigned part, uint64_t random);

#endif
