#include "cli/guess.h"

#include <string.h>

#define NEAR 2 /* letters that a word may differ in to be taken for another */
#define WORD 64

static unsigned least(unsigned a, unsigned b, unsigned c)
{
	const unsigned ab = a < b ? a : b;

	return ab < c ? ab : c;
}

/* Levenshtein's distance. */
static unsigned distance(const char *a, size_t n, const char *b)
{
	unsigned row[WORD + 1];
	const size_t m = strlen(b);
	size_t i, k;

	if (n > WORD || m > WORD)
		return WORD;
	for (k = 0; k <= m; k++)
		row[k] = (unsigned)k;
	for (i = 1; i <= n; i++) {
		unsigned corner = row[0];

		row[0] = (unsigned)i;
		for (k = 1; k <= m; k++) {
			const unsigned above = row[k];

			row[k] = least(above + 1, row[k - 1] + 1, corner + (a[i - 1] != b[k - 1]));
			corner = above;
		}
	}
	return row[m];
}

struct guess guess_of(const char *typed, size_t n)
{
	return (struct guess){typed, n, NULL, WORD};
}

void guess_consider(struct guess *g, const char *word)
{
	const unsigned d = distance(g->typed, g->n, word);

	if (d <= NEAR && d < g->n && d < g->distance) {
		g->distance = d;
		g->best = word;
	}
}
