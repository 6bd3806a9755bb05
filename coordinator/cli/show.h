/*
 * show.h -- what the daemon's JSON says, for people: sentences and columns.
 */
#ifndef COORDINATOR_CLI_SHOW_H
#define COORDINATOR_CLI_SHOW_H

#include <jansson.h>

/* Each prints one answer of the admin API on stdout. */
void show_status(const json_t *answer);      /* /api/v1/status */
void show_cluster(const json_t *answer);     /* /api/v1/cluster */
void show_provers(const json_t *answer);     /* /api/v1/provers */
void show_tcb_status(const json_t *answer);  /* /api/v1/tcb-status */
void show_collateral(const json_t *answer);  /* /api/v1/collateral */
void show_verdict(const json_t *answer);     /* /api/v1/verdicts/HASH */
void show_revocations(const json_t *answer); /* /api/v1/revocations */
void show_verdicts(const json_t *answer);    /* /api/v1/verdicts */

/* Between show.c and show_*.c: a member's text, "-" where there is none; its number; so
 * many seconds ("12 s", "3 min", "5 h", "2 d"). */
void show_coordinators(const json_t *cluster); /* their table */
const char *show_text(const json_t *object, const char *key);
long long show_number(const json_t *object, const char *key);
const char *show_duration(char out[24], long long s);

#endif
