/* Numbers, bytes and text as PostgreSQL's binary parameters and columns. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "coordinator/pq/link.h"
#include "encoding/endian.h"

static void param(struct params *p, const void *v, size_t n)
{
	assert(p->n < PARAMS_MAX);
	p->values[p->n] = v;
	p->lengths[p->n] = (int)n;
	p->formats[p->n++] = 1;
}

void param_u64(struct params *p, uint64_t v)
{
	put_be64(p->numbers[p->n], v);
	param(p, p->numbers[p->n], 8);
}

void param_int(struct params *p, int v)
{
	put_be32(p->numbers[p->n], (uint32_t)v);
	param(p, p->numbers[p->n], 4);
}

/* An empty span may have a NULL pointer, which would be an SQL NULL. */
void param_bytes(struct params *p, struct span v)
{
	param(p, v.n ? (const void *)v.p : "", v.n);
}

void param_text(struct params *p, const char *v)
{
	param(p, v, strlen(v));
}

void param_null(struct params *p)
{
	param(p, NULL, 0);
}

uint64_t cell_u64(const PGresult *r, int row, int column)
{
	return PQgetlength(r, row, column) == 8 ? be64((const uint8_t *)PQgetvalue(r, row, column))
						: 0;
}

int cell_int(const PGresult *r, int row, int column)
{
	return PQgetlength(r, row, column) == 4
		   ? (int)be32((const uint8_t *)PQgetvalue(r, row, column))
		   : 0;
}

struct span cell_bytes(const PGresult *r, int row, int column)
{
	return span_of(PQgetvalue(r, row, column), (size_t)PQgetlength(r, row, column));
}

void cell_text(char *out, size_t size, const PGresult *r, int row, int column)
{
	snprintf(out, size, "%.*s", PQgetlength(r, row, column), PQgetvalue(r, row, column));
}
