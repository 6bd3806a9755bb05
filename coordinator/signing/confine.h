/*
 * confine.h -- what a process that holds keys gives up: descriptors, core dumps, tracing,
 * privileges, and by seccomp all system calls but those it needs.
 */
#ifndef COORDINATOR_SIGNING_CONFINE_H
#define COORDINATOR_SIGNING_CONFINE_H

#include <stdbool.h>

/* At the start of the process: it dies with its parent, leaves no core, cannot be traced, ignores
 * the signals that stop its parent in order, and has no descriptor above 2. */
void confine_shield(void);

/* From now on it may use its memory and the descriptors it has, and, where it keeps a child, make
 * and await one; never open a file, a socket or a program. Another call fails with EPERM. False
 * where the system or the machine has no such filter. */
bool confine_calls(bool keeps_a_child);

#endif
