/*
 * bench_real QUOTE DIR TIME ROUNDS -- a real quote in hex with real collateral, as other verifiers
 * are given it: cold, all pieces parsed and every signature verified each time; warm, collateral
 * and PCK chain known. Prints "cold_us=N warm_us=N operations=N", medians.
 */
#include "verifier/tools/collateral_dir.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS_MAX = 10000 };

static struct tdxv_collateral_input in;
static struct buf quote;
static struct tdxv_verdict v;
static int64_t now;

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static bool load(const char *path, const char *dir)
{
	static struct buf piece[COLLATERAL_FILES];
	static char text[1 << 17];
	FILE *f = fopen(path, "re");
	size_t n = f ? fread(text, 1, sizeof text, f) : 0;
	int i;

	if (f)
		fclose(f);
	while (n && text[n - 1] <= ' ')
		n--;
	buf_init(&quote, sizeof text);
	if (!hex_decode_buf(&quote, text, n))
		return false;
	for (i = 0; i < COLLATERAL_FILES; i++) {
		buf_init(&piece[i], TDXV_COLLATERAL_PIECE_MAX);
		if (collateral_file_read(&piece[i], dir, (enum collateral_file)i, NULL) ==
		    COLLATERAL_UNREADABLE)
			return false;
		*collateral_file_piece(&in, (enum collateral_file)i) =
		    (struct tdxv_bytes){piece[i].p, piece[i].len};
	}
	return true;
}

static struct tdxv_collateral *collateral(void)
{
	struct tdxv_collateral *c;

	if (tdxv_collateral_new(&c, &in, (struct tdxv_bytes){NULL, 0}, NULL) != TDXV_OK)
		abort();
	return c;
}

static void verify(struct tdxv_collateral *c, struct tdxv_cache *cache)
{
	tdxv_verify(&v, quote.p, quote.len, c, NULL, cache, now);
	if (!v.authentic)
		abort();
}

static int ascending(const void *a, const void *b)
{
	double p = *(const double *)a, q = *(const double *)b;

	return (p > q) - (p < q);
}

int main(int argc, char **argv)
{
	static double cold[ROUNDS_MAX], warm[ROUNDS_MAX];
	struct tdxv_collateral_facts facts;
	struct tdxv_cache *cache = tdxv_cache_new(4);
	struct tdxv_collateral *c, *known;
	unsigned operations = 0;
	int rounds, i;

	if (argc != 5 || !load(argv[1], argv[2]))
		return 2;
	now = strtoll(argv[3], NULL, 10);
	rounds = (int)strtol(argv[4], NULL, 10);
	if (rounds < 1 || rounds > ROUNDS_MAX)
		return 2;
	known = collateral();
	verify(known, cache);
	for (i = 0; i < rounds; i++) {
		double start = now_us();

		c = collateral();
		verify(c, NULL);
		cold[i] = now_us() - start;
		tdxv_collateral_facts(&facts, c);
		operations = facts.ecdsa_operations + v.ecdsa_operations;
		tdxv_collateral_free(c);
		start = now_us();
		verify(known, cache);
		warm[i] = now_us() - start;
	}
	qsort(cold, (size_t)rounds, sizeof cold[0], ascending);
	qsort(warm, (size_t)rounds, sizeof warm[0], ascending);
	printf("cold_us=%.1f warm_us=%.1f operations=%u\n", cold[rounds / 2], warm[rounds / 2],
	       operations);
	tdxv_collateral_free(known);
	tdxv_cache_free(cache);
	return 0;
}
