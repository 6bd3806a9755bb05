/*
 * clock.h -- the clocks. What outlives a restart is stamped with the wall clock; what is measured
 * while running uses the monotonic one; what may have passed for others while this machine slept,
 * the one that goes on then.
 */
#ifndef COORDINATOR_BASE_CLOCK_H
#define COORDINATOR_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t clock_read_ms(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Milliseconds since the epoch. */
static inline uint64_t clock_wall_ms(void)
{
	return clock_read_ms(CLOCK_REALTIME);
}

/* Milliseconds since some moment before the process began. */
static inline uint64_t clock_mono_ms(void)
{
	return clock_read_ms(CLOCK_MONOTONIC);
}

/* The same, and what the machine slept. */
static inline uint64_t clock_boot_ms(void)
{
	return clock_read_ms(CLOCK_BOOTTIME);
}

#endif
