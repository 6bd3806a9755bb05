/*
 * tables.h -- stands in front of p256_tables.c, so that a test may verify with and without tables,
 * and with tables of keys that are not Intel's. Link with TABLES_OF_THE_TEST.
 */
#ifndef TESTS_VERIFIER_TABLES_H
#define TESTS_VERIFIER_TABLES_H

#include "verifier/tools/p256_table.h"

extern bool tables_on; /* false: no key has a table; at first true */

/* Makes a table for this key; at most TABLES_MAX at a time, the oldest goes. */
#define TABLES_MAX 8
void tables_add(const uint8_t xy[64]);
void tables_free(void);

/* What the build wrote. */
const struct p256_table *__real_tdxv__p256_table(const uint8_t xy[64]);

#endif
