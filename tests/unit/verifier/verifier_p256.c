/*
 * Signatures under keys that have a table, beside OpenSSL's own ECDSA: the same answer for every
 * signature, good or not, at the edges of the numbers and where the formulas of p256.c end.
 */
#include "tests/unit/verifier/tables.h"
#include "verifier/internal.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static EC_GROUP *group;
static BN_CTX *ctx;
static const BIGNUM *n;

struct known { /* a key whose secret is known, with its table */
	BIGNUM *secret;
	uint8_t xy[64];
	EVP_PKEY *pkey;
};

static void point_octets(uint8_t xy[64], const EC_POINT *p)
{
	uint8_t octets[65];

	assert_int_equal(
	    EC_POINT_point2oct(group, p, POINT_CONVERSION_UNCOMPRESSED, octets, sizeof octets, ctx),
	    65);
	memcpy(xy, octets + 1, 64);
}

static EVP_PKEY *import(const uint8_t xy[64])
{
	char name[] = "P-256";
	uint8_t octets[65] = {4};
	OSSL_PARAM params[] = {
	    OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, name, 0),
	    OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, octets, sizeof octets),
	    OSSL_PARAM_construct_end(),
	};
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	EVP_PKEY *pkey = NULL;

	memcpy(octets + 1, xy, 64);
	assert_int_equal(EVP_PKEY_fromdata_init(c), 1);
	assert_int_equal(EVP_PKEY_fromdata(c, &pkey, EVP_PKEY_PUBLIC_KEY, params), 1);
	EVP_PKEY_CTX_free(c);
	return pkey;
}

static struct known key_of_point(const EC_POINT *p)
{
	struct known k = {NULL, {0}, NULL};

	point_octets(k.xy, p);
	k.pkey = import(k.xy);
	tables_add(k.xy);
	return k;
}

/* Of a secret number; NULL: any. */
static struct known key_of(const char *decimal)
{
	EC_POINT *p = EC_POINT_new(group);
	BIGNUM *secret = BN_new();
	struct known k;

	if (decimal)
		BN_dec2bn(&secret, decimal);
	else
		BN_rand_range(secret, n);
	if (BN_is_negative(secret))
		BN_add(secret, secret, n);
	EC_POINT_mul(group, p, secret, NULL, NULL, ctx);
	k = key_of_point(p);
	k.secret = secret;
	EC_POINT_free(p);
	return k;
}

static void forget(struct known *k)
{
	BN_free(k->secret);
	EVP_PKEY_free(k->pkey);
}

static bool by_openssl(const struct known *k, struct tdxv_bytes message, const uint8_t rs[64])
{
	ECDSA_SIG *s = ECDSA_SIG_new();
	uint8_t digest[32], der[80], *end = der;
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_pkey(NULL, k->pkey, NULL);
	int size;
	bool ok;

	ECDSA_SIG_set0(s, BN_bin2bn(rs, 32, NULL), BN_bin2bn(rs + 32, 32, NULL));
	size = i2d_ECDSA_SIG(s, &end);
	EVP_Digest(message.p, message.n, digest, NULL, EVP_sha256(), NULL);
	ok = EVP_PKEY_verify_init(c) == 1 &&
	     EVP_PKEY_verify(c, der, (size_t)size, digest, sizeof digest) == 1;
	ECDSA_SIG_free(s);
	EVP_PKEY_CTX_free(c);
	return ok;
}

/* Once out of the table and once without: the same as OpenSSL. Returns the answer. */
static bool all_agree(const struct known *k, struct tdxv_bytes message, const uint8_t rs[64])
{
	const bool want = by_openssl(k, message, rs);
	int on;

	for (on = 0; on < 2; on++) {
		struct key key;

		tables_on = on;
		assert_true(tdxv__key_load(&key, k->xy));
		assert_int_equal(tdxv__verify(&key, message, rs), want);
		tdxv__key_clear(&key);
	}
	return want;
}

static void put(uint8_t out[32], const BIGNUM *a)
{
	assert_int_equal(BN_bn2binpad(a, out, 32), 32);
}

/* r = x of nonce G, s = (e + r secret) / nonce. */
static void sign(uint8_t rs[64], const struct known *k, struct tdxv_bytes message,
		 const BIGNUM *nonce)
{
	EC_POINT *p = EC_POINT_new(group);
	BIGNUM *r = BN_new(), *s = BN_new(), *e = BN_new(), *inverse = BN_new();
	uint8_t digest[32];

	tdxv__sha256(digest, message, tdxv__bytes(NULL, 0));
	BN_bin2bn(digest, sizeof digest, e);
	EC_POINT_mul(group, p, nonce, NULL, NULL, ctx);
	EC_POINT_get_affine_coordinates(group, p, r, NULL, ctx);
	BN_nnmod(r, r, n, ctx);
	BN_mod_mul(s, r, k->secret, n, ctx);
	BN_mod_add(s, s, e, n, ctx);
	BN_mod_inverse(inverse, nonce, n, ctx);
	BN_mod_mul(s, s, inverse, n, ctx);
	put(rs, r);
	put(rs + 32, s);
	BN_free(r);
	BN_free(s);
	BN_free(e);
	BN_free(inverse);
	EC_POINT_free(p);
}

static void signatures_at_random(void **state)
{
	enum { KEYS_TRIED = 6, SIGNATURES = 60 };
	BIGNUM *nonce = BN_new();
	uint8_t message[100], rs[64], bad[64], bit;
	int i, j;

	(void)state;
	for (i = 0; i < KEYS_TRIED; i++) {
		struct known k = key_of(NULL);

		for (j = 0; j < SIGNATURES; j++) {
			memset(message, j, sizeof message);
			message[0] = (uint8_t)i;
			BN_rand_range(nonce, n);
			sign(rs, &k, tdxv__bytes(message, sizeof message), nonce);
			assert_true(all_agree(&k, tdxv__bytes(message, sizeof message), rs));
			memcpy(bad, rs, sizeof bad);
			bit = (uint8_t)(37 * j + i);
			bad[bit / 4] ^= (uint8_t)(1u << bit % 8);
			assert_false(all_agree(&k, tdxv__bytes(message, sizeof message), bad));
			assert_false(all_agree(&k, tdxv__bytes(message, sizeof message - 1), rs));
		}
		forget(&k);
	}
	BN_free(nonce);
}

/* r and s of 0, 1, n - 1, n, n + 1, p - n, p, 2^256 - 1. */
static void numbers_at_the_edge(void **state)
{
	static const char *const edge[] = {
	    "0000000000000000000000000000000000000000000000000000000000000000",
	    "0000000000000000000000000000000000000000000000000000000000000001",
	    "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632550",
	    "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
	    "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632552",
	    "000000000000000000000000000000004319055358e8617b0c46353d039cdaae",
	    "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff",
	    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	};
	enum { EDGES = sizeof edge / sizeof edge[0] };
	struct known k = key_of(NULL);
	BIGNUM *nonce = BN_new();
	struct tdxv_bytes message = tdxv__bytes("message", 7);
	uint8_t good[64], rs[64];
	int i, j;

	(void)state;
	BN_set_word(nonce, 12345);
	sign(good, &k, message, nonce);
	for (i = 0; i < EDGES; i++) {
		for (j = 0; j < EDGES; j++) {
			assert_true(hex_decode(rs, 32, edge[i], 64));
			assert_true(hex_decode(rs + 32, 32, edge[j], 64));
			assert_false(all_agree(&k, message, rs));
		}
		memcpy(rs, good, 64);
		assert_true(hex_decode(rs, 32, edge[i], 64));
		assert_false(all_agree(&k, message, rs));
		memcpy(rs, good, 64);
		assert_true(hex_decode(rs + 32, 32, edge[i], 64));
		assert_false(all_agree(&k, message, rs));
	}
	forget(&k);
	BN_free(nonce);
}

/* Keys whose multiples meet the generator's on the way: small ones, their opposites, and powers of
 * two, with nonces as small. */
static void equal_and_opposite_points(void **state)
{
	static const char *const secret[] = {"1",  "-1",  "2",   "-2",   "3",     "64",
					     "63", "-64", "128", "-128", "16384", "-16383"};
	static const char *const number[] = {"1", "2", "3", "64", "65", "127", "128", "8192"};
	BIGNUM *nonce = NULL;
	struct tdxv_bytes message = tdxv__bytes("message", 7);
	uint8_t rs[64];
	size_t i, j;

	(void)state;
	for (i = 0; i < sizeof secret / sizeof secret[0]; i++) {
		struct known k = key_of(secret[i]);

		for (j = 0; j < sizeof number / sizeof number[0]; j++) {
			BN_dec2bn(&nonce, number[j]);
			sign(rs, &k, message, nonce);
			assert_true(all_agree(&k, message, rs));
			BN_sub(nonce, n, nonce);
			sign(rs, &k, message, nonce);
			assert_true(all_agree(&k, message, rs));
		}
		forget(&k);
	}
	BN_free(nonce);
}

static void limbs(uint64_t out[4], BN_ULONG word, const BIGNUM *a)
{
	uint8_t octets[32];

	if (a) {
		assert_int_equal(BN_bn2lebinpad(a, octets, 32), 32);
		memcpy(out, octets, 32); /* of this machine, as all that runs the tests */
		return;
	}
	memset(out, 0, 32);
	out[0] = word;
}

/* e / s and r / s beside OpenSSL's, for s at random, small, near n, and with long runs of zeros. */
static void inverses(void **state)
{
	enum { ROUNDS = 20000 };
	BIGNUM *e = BN_new(), *r = BN_new(), *s = BN_new(), *inverse = BN_new(), *u = BN_new();
	uint8_t digest[32], rs[64];
	uint64_t want[4];
	struct p256_factors f;
	int i;

	(void)state;
	for (i = 0; i < ROUNDS; i++) {
		BN_rand_range(r, n);
		BN_rand(e, 256, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY);
		BN_rand_range(s, n);
		if (i % 4 == 1)
			BN_rand(s, 1 + i % 255, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY);
		else if (i % 4 == 2)
			BN_sub(s, n, s);
		else if (i % 4 == 3) {
			BN_rand(s, 1 + i % 40, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY);
			BN_lshift(s, s, i % 215);
			if (i % 8 == 3)
				BN_sub(s, n, s);
		}
		if (BN_is_zero(s) || BN_is_zero(r))
			continue;
		put(digest, e);
		put(rs, r);
		put(rs + 32, s);
		assert_true(tdxv__p256_factors(&f, digest, rs));
		assert_non_null(BN_mod_inverse(inverse, s, n, ctx));
		BN_mod_mul(u, e, inverse, n, ctx);
		limbs(want, 0, u);
		assert_memory_equal(f.u1, want, sizeof want);
		BN_mod_mul(u, r, inverse, n, ctx);
		limbs(want, 0, u);
		assert_memory_equal(f.u2, want, sizeof want);
		limbs(want, 0, r);
		assert_memory_equal(f.r, want, sizeof want);
	}
	BN_free(e);
	BN_free(r);
	BN_free(s);
	BN_free(inverse);
	BN_free(u);
}

/* The sum itself: what p256.c cannot say is said to be unknown, and the sum of nothing is none. */
static void the_formulas_end(void **state)
{
	static const struct {
		int u1, u2; /* of the generator, and of the same point as key */
		enum p256_answer answer;
	} cases[] = {
	    {0, 0, P256_NO},        {5, 5, P256_UNKNOWN},  {5, -5, P256_UNKNOWN},
	    {64, 64, P256_UNKNOWN}, {-1, 1, P256_UNKNOWN}, {127, 1, P256_YES},
	    {0, 64, P256_YES},      {7, 0, P256_YES},
	};
	const struct p256_table *g = &tdxv__p256_generator;
	EC_POINT *p = EC_POINT_new(group);
	BIGNUM *a = BN_new(), *b = BN_new(), *x = BN_new();
	struct p256_factors f;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		BN_set_word(a, (BN_ULONG)abs(cases[i].u1));
		BN_set_word(b, (BN_ULONG)abs(cases[i].u2));
		if (cases[i].u1 < 0)
			BN_sub(a, n, a);
		if (cases[i].u2 < 0)
			BN_sub(b, n, b);
		limbs(f.u1, 0, a);
		limbs(f.u2, 0, b);
		BN_mod_add(a, a, b, n, ctx);
		EC_POINT_mul(group, p, a, NULL, NULL, ctx);
		limbs(f.r, 1, NULL);
		if (!EC_POINT_is_at_infinity(group, p)) {
			EC_POINT_get_affine_coordinates(group, p, x, NULL, ctx);
			BN_nnmod(x, x, n, ctx);
			limbs(f.r, 0, x);
		}
		assert_int_equal(tdxv__p256_sum_is(g, g, &f), cases[i].answer);
		f.r[0] ^= 1;
		assert_int_equal(tdxv__p256_sum_is(g, g, &f),
				 cases[i].answer == P256_YES ? P256_NO : cases[i].answer);
	}
	BN_free(a);
	BN_free(b);
	BN_free(x);
	EC_POINT_free(p);
}

/* A sum whose x is n or more: r is x - n. Such a point is found, and then the key that sums up to
 * it: Q = (R - u1 G) / u2. */
static void x_above_the_order(void **state)
{
	EC_POINT *sum = EC_POINT_new(group), *q = EC_POINT_new(group);
	BIGNUM *x = BN_new(), *r = BN_new(), *s = BN_new(), *e = BN_new(), *t = BN_new();
	struct tdxv_bytes message = tdxv__bytes("message", 7);
	uint8_t rs[64], digest[32];
	struct known k;

	(void)state;
	for (BN_one(r);; BN_add_word(r, 1)) {
		BN_add(x, r, n);
		if (EC_POINT_set_compressed_coordinates(group, sum, x, 0, ctx) == 1)
			break;
	}
	tdxv__sha256(digest, message, tdxv__bytes(NULL, 0));
	BN_bin2bn(digest, sizeof digest, e);
	/* With s = 1: u1 = e, u2 = r. */
	BN_one(s);
	BN_nnmod(e, e, n, ctx);
	BN_sub(e, n, e);
	BN_mod_inverse(t, r, n, ctx);
	BN_mod_mul(e, e, t, n, ctx);
	EC_POINT_mul(group, q, e, sum, t, ctx);
	k = key_of_point(q);
	put(rs, r);
	put(rs + 32, s);
	assert_true(all_agree(&k, message, rs));
	/* x modulo p, which is none below p: r + n may not be tried then. */
	BN_add(r, r, n);
	put(rs, r);
	assert_false(all_agree(&k, message, rs));
	forget(&k);
	BN_free(x);
	BN_free(r);
	BN_free(s);
	BN_free(e);
	BN_free(t);
	EC_POINT_free(sum);
	EC_POINT_free(q);
}

/* What the build wrote for Intel's keys, and for no other. */
static void tables_of_intel(void **state)
{
	static struct p256_table made;
	const struct p256_table *found;
	struct key key;
	uint8_t xy[64];
	size_t i;

	(void)state;
	assert_true(p256_table_make(&made, NULL));
	assert_memory_equal(&made, &tdxv__p256_generator, sizeof made);
	for (i = 0; i < P256_INTEL_KEYS; i++) {
		assert_true(hex_decode(xy, 64, p256_intel_keys[i].xy, 128));
		found = __real_tdxv__p256_table(xy);
		assert_non_null(found);
		assert_true(p256_table_make(&made, xy));
		assert_memory_equal(found, &made, sizeof made);
		xy[63] ^= 1;
		assert_null(__real_tdxv__p256_table(xy));
		assert_false(tdxv__key_load(&key, xy));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(signatures_at_random),
	    cmocka_unit_test(numbers_at_the_edge),
	    cmocka_unit_test(equal_and_opposite_points),
	    cmocka_unit_test(the_formulas_end),
	    cmocka_unit_test(inverses),
	    cmocka_unit_test(x_above_the_order),
	    cmocka_unit_test(tables_of_intel),
	};
	int failed;

	group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
	ctx = BN_CTX_new();
	n = EC_GROUP_get0_order(group);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	tables_free();
	BN_CTX_free(ctx);
	EC_GROUP_free(group);
	return failed;
}
