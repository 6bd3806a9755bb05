/*
 * client_show.h -- what the daemon's JSON says, as tables for a terminal.
 */
#ifndef COORDINATOR_ADMIN_SHOW_H
#define COORDINATOR_ADMIN_SHOW_H

#include <jansson.h>

/* Each prints one answer of the admin API on stdout. */
void show_provers(const json_t *answer);     /* /api/v1/provers */
void show_tcb_status(const json_t *answer);  /* /api/v1/tcb-status */
void show_collateral(const json_t *answer);  /* /api/v1/collateral */
void show_revocations(const json_t *answer); /* /api/v1/revocations */
void show_verdict(const json_t *answer);     /* /api/v1/verdicts/HASH */

#endif
