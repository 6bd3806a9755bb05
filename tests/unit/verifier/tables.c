#include "tests/unit/verifier/tables.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct p256_table *__wrap_tdxv__p256_table(const uint8_t xy[64]);

bool tables_on = true;
static struct made {
	uint8_t xy[64];
	struct p256_table table;
} * made[TABLES_MAX];
static unsigned count;

void tables_add(const uint8_t xy[64])
{
	struct made **m = &made[count++ % TABLES_MAX];

	free(*m);
	*m = malloc(sizeof **m);
	if (!*m || !p256_table_make(&(*m)->table, xy)) {
		fputs("no table\n", stderr);
		abort();
	}
	memcpy((*m)->xy, xy, 64);
}

void tables_free(void)
{
	unsigned i;

	for (i = 0; i < TABLES_MAX; i++) {
		free(made[i]);
		made[i] = NULL;
	}
}

const struct p256_table *__wrap_tdxv__p256_table(const uint8_t xy[64])
{
	unsigned i;

	if (!tables_on)
		return NULL;
	for (i = 0; i < TABLES_MAX; i++)
		if (made[i] && memcmp(made[i]->xy, xy, 64) == 0)
			return &made[i]->table;
	return __real_tdxv__p256_table(xy);
}
