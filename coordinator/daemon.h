/*
 * daemon.h -- the running coordinator.
 */
#ifndef COORDINATOR_DAEMON_H
#define COORDINATOR_DAEMON_H

#include "coordinator/config/config.h"

#define EXIT_CONFIG 78 /* sysexits.h: wrong settings, or a contract of another kind */

/* Runs until a signal or a fatal error; returns the exit code. config stays where it is until the
 * end, and is wiped then. */
int daemon_run(struct config *config);

#endif
