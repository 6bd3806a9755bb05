/*
 * clock.h -- the time that deadlines are counted in.
 */
#ifndef QUOTE_GEN_CLOCK_H
#define QUOTE_GEN_CLOCK_H

#include <stdint.h>

/* Milliseconds of the monotonic clock. */
uint64_t clock_ms(void);

#endif
