/*
 * bench_verifier [ROUNDS] -- what a verification costs beside the bare ECDSA that it must do, by
 * OpenSSL's EVP_PKEY_verify, in the same run: rounds of each are interleaved and the median of each
 * is compared.
 *
 * bench_verifier --warm N | --parse N | --cold N runs that alone, N times, for callgrind.
 */
#include "tests/unit/verifier/forge.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct tdxv_verdict v;
static struct forged x;
static struct tdxv_collateral *collateral;
static struct tdxv_cache *cache;
static EVP_PKEY *key;
static EVP_PKEY_CTX *ctx;
static uint8_t point[65] = {4}, digest[32], der[80];
static size_t der_n;

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static EVP_PKEY *import(void)
{
	char group[] = "P-256";
	OSSL_PARAM params[] = {
	    OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
	    OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, 65),
	    OSSL_PARAM_construct_end(),
	};
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	EVP_PKEY *k = NULL;

	if (EVP_PKEY_fromdata_init(c) != 1 ||
	    EVP_PKEY_fromdata(c, &k, EVP_PKEY_PUBLIC_KEY, params) != 1)
		abort();
	EVP_PKEY_CTX_free(c);
	return k;
}

static void parse(void)
{
	struct tdxv_quote q;

	if (tdxv_quote_parse(&q, x.quote.p, x.quote.len, NULL) != TDXV_OK)
		abort();
}

static void warm(void)
{
	tdxv_verify(&v, x.quote.p, x.quote.len, collateral, NULL, cache, FORGE_NOW);
	if (!v.accepted)
		abort();
}

static void cold(void)
{
	struct tdxv_collateral_facts facts;
	struct tdxv_collateral *c;

	forged_verify(&v, &c, &x, NULL, FORGE_NOW);
	tdxv_collateral_facts(&facts, c);
	v.ecdsa_operations += facts.ecdsa_operations;
	if (!v.accepted)
		abort();
	tdxv_collateral_free(c);
}

static void bare_verification(void)
{
	if (EVP_PKEY_verify(ctx, der, der_n, digest, 32) != 1)
		abort();
}

static void bare_import(void)
{
	EVP_PKEY_free(import());
}

static void copy(void)
{
	static uint8_t out[65536];

	memcpy(out, x.quote.p, x.quote.len);
	__asm__ volatile("" : : "r"(out) : "memory");
}

static const struct job {
	const char *name;
	void (*run)(void);
	int times; /* in one round */
} jobs[] = {
    {"bare verification", bare_verification, 40},
    {"bare key import", bare_import, 40},
    {"warm", warm, 20},
    {"cold", cold, 4},
    {"parse", parse, 2000},
    {"copy of the quote", copy, 2000},
};

#define JOBS (sizeof jobs / sizeof jobs[0])

static int ascending(const void *a, const void *b)
{
	double p = *(const double *)a, q = *(const double *)b;

	return (p > q) - (p < q);
}

static void prepare(void)
{
	struct forge f;
	struct tdxv_quote q;
	EVP_MD_CTX *md = EVP_MD_CTX_new();

	forge_init(&f);
	forge_build(&x, &f);
	forged_verify(&v, &collateral, &x, NULL, FORGE_NOW);
	cache = tdxv_cache_new(4);
	warm();
	/* The quote's own signature and key serve as the floor's. */
	if (tdxv_quote_parse(&q, x.quote.p, x.quote.len, NULL) != TDXV_OK)
		abort();
	memcpy(point + 1, q.attestation_key.p, 64);
	key = import();
	EVP_Digest(q.signed_part.p, q.signed_part.n, digest, NULL, EVP_sha256(), NULL);
	{
		ECDSA_SIG *sig = ECDSA_SIG_new();
		uint8_t *out = der;

		ECDSA_SIG_set0(sig, BN_bin2bn(q.signature.p, 32, NULL),
			       BN_bin2bn(q.signature.p + 32, 32, NULL));
		der_n = (size_t)i2d_ECDSA_SIG(sig, &out);
		ECDSA_SIG_free(sig);
	}
	ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
	EVP_PKEY_verify_init(ctx);
	EVP_MD_CTX_free(md);
}

static int alone(const char *what, const char *count)
{
	long n = strtol(count, NULL, 10);
	void (*run)(void) = strcmp(what, "--warm") == 0    ? warm
			    : strcmp(what, "--cold") == 0  ? cold
			    : strcmp(what, "--parse") == 0 ? parse
							   : NULL;

	if (!run)
		return 2;
	while (n-- > 0)
		run();
	return 0;
}

int main(int argc, char **argv)
{
	enum { MAX_ROUNDS = 2001 };
	static double took[JOBS][MAX_ROUNDS];
	double median[JOBS], floor_warm, floor_cold;
	int rounds = 101, r, k;
	size_t j;

	prepare();
	if (argc == 3)
		return alone(argv[1], argv[2]);
	if (argc == 2)
		rounds = atoi(argv[1]);
	if (rounds < 1 || rounds > MAX_ROUNDS)
		return 2;
	for (r = 0; r < rounds; r++) {
		for (j = 0; j < JOBS; j++) {
			double start = now_us();

			for (k = 0; k < jobs[j].times; k++)
				jobs[j].run();
			took[j][r] = (now_us() - start) / jobs[j].times;
		}
	}
	for (j = 0; j < JOBS; j++) {
		qsort(took[j], (size_t)rounds, sizeof took[j][0], ascending);
		median[j] = took[j][rounds / 2];
		printf("%-20s %9.3f us\n", jobs[j].name, median[j]);
	}
	warm();
	floor_warm = 2 * median[0] + median[1];
	printf("warm: %u ECDSA operations; %.3f x (two verifications + one key import)\n",
	       v.ecdsa_operations, median[2] / floor_warm);
	cold();
	/* Nine signatures are needed: the self-signature of a root whose key is pinned, which this
	 * make-believe root makes a tenth, is not. Five keys must be imported: root, TCB signing,
	 * PCK CA, PCK, attestation, and no other. These are not Intel's keys: none has a table, so
	 * this is the slow way (bench_real shows the other). */
	floor_cold = 9 * median[0];
	printf("cold: %u ECDSA operations; %.3f x nine alone, %.3f x with 5 key imports\n",
	       v.ecdsa_operations, median[3] / floor_cold,
	       median[3] / (floor_cold + 5 * median[1]));
	printf("parse: %.2f x a copy of the quote\n", median[4] / median[5]);
	return 0;
}
