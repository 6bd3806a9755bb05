/*
 * wake.h -- "look again soon": many calls, one run, from the loop, never from inside a call.
 *
 * Whoever changes what another room may act upon wakes, and returns; nothing is re-entered from
 * below. A wake from inside a run is run again in the loop's next turn.
 */
#ifndef COORDINATOR_BASE_WAKE_H
#define COORDINATOR_BASE_WAKE_H

#include "encoding/why.h"

#include <stdbool.h>

#include <uv.h>

struct wake;

/* NULL with the sentence. */
struct wake *wake_new(uv_loop_t *loop, void (*run)(void *arg), void *arg, struct why *why);
/* Cheap, from anywhere on the loop's thread. */
void wake_up(struct wake *w);
/* No run comes after this. Frees, then calls done from the loop. NULL is fine: done at once. */
void wake_close(struct wake *w, void (*done)(void *arg), void *arg);

#endif
