/*
 * store_verbs.h -- what an operator does with a shared database while no coordinator runs, and a
 * look at it at any time.
 */
#ifndef COORDINATOR_STORE_VERBS_H
#define COORDINATOR_STORE_VERBS_H

#include "coordinator/config/config.h"

/* The last one has no word of its own: it is status, as JSON. */
enum store_verb { STORE_STATUS, STORE_MIGRATE, STORE_IMPORT, STORE_EXPORT, STORE_STATUS_JSON };

/* False: there is no such word. */
bool store_verb_of(enum store_verb *out, const char *word);

/* What was done goes to stdout, else the sentence to stderr. dir: of import and export. The exit
 * code. */
int store_verb(const struct config *c, enum store_verb verb, const char *dir);

#endif
