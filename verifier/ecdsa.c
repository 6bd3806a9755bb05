/* Of OpenSSL's low-level calls only SHA256_* are deprecated: those that took their place look the
 * algorithm up by name each time, and load every algorithm for the first. */
#define OPENSSL_API_COMPAT 0x10101000L

#include "verifier/internal.h"
#include "verifier/p256.h"

#include <openssl/ec.h>
#include <openssl/obj_mac.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <string.h>

void tdxv__sha256(uint8_t out[32], struct tdxv_bytes a, struct tdxv_bytes b)
{
	SHA256_CTX ctx;

	SHA256_Init(&ctx);
	SHA256_Update(&ctx, a.p, a.n);
	SHA256_Update(&ctx, b.p, b.n);
	SHA256_Final(out, &ctx);
}

/* Made once, never changed: any number of threads reads it. NULL when memory was short. */
static EC_GROUP *curve;

static void make_curve(void)
{
	curve = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
}

static const EC_GROUP *p256(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, make_curve);
	return curve;
}

/* NULL when it is not on the curve or memory is short. */
static EC_POINT *point_new(const uint8_t xy[64])
{
	uint8_t octets[65] = {POINT_CONVERSION_UNCOMPRESSED};
	EC_POINT *point = p256() ? EC_POINT_new(p256()) : NULL;

	memcpy(octets + 1, xy, 64);
	if (point && EC_POINT_oct2point(p256(), point, octets, sizeof octets, NULL) != 1) {
		EC_POINT_free(point);
		point = NULL;
	}
	return point;
}

bool tdxv__key_load(struct key *k, const uint8_t xy[64])
{
	memcpy(k->xy, xy, sizeof k->xy);
	k->table = tdxv__p256_table(xy);
	k->point = k->table ? NULL : point_new(xy);
	return k->table || k->point;
}

void tdxv__key_clear(struct key *k)
{
	EC_POINT_free(k->point);
	*k = (struct key){.table = NULL};
}

/* Of a verification, as FIPS 186-5, section 6.4.2, names them; owned by a BN_CTX. */
struct numbers {
	const BIGNUM *n;
	BIGNUM *r, *s, *e, *u1, *u2, *x;
};

static bool is_scalar(const BIGNUM *a, const BIGNUM *n)
{
	return !BN_is_zero(a) && BN_cmp(a, n) < 0;
}

static bool prepare(struct numbers *a, BN_CTX *ctx, struct tdxv_bytes message, const uint8_t rs[64])
{
	uint8_t digest[32];
	BIGNUM *inverse;

	a->n = p256() ? EC_GROUP_get0_order(p256()) : NULL;
	a->r = BN_CTX_get(ctx);
	a->s = BN_CTX_get(ctx);
	a->e = BN_CTX_get(ctx);
	a->u1 = BN_CTX_get(ctx);
	a->u2 = BN_CTX_get(ctx);
	inverse = BN_CTX_get(ctx);
	a->x = BN_CTX_get(ctx); /* NULL when any before it is */
	tdxv__sha256(digest, message, tdxv__bytes(NULL, 0));
	return a->n && a->x && BN_bin2bn(rs, 32, a->r) && BN_bin2bn(rs + 32, 32, a->s) &&
	       is_scalar(a->r, a->n) && is_scalar(a->s, a->n) &&
	       BN_bin2bn(digest, sizeof digest, a->e) && BN_mod_inverse(inverse, a->s, a->n, ctx) &&
	       BN_mod_mul(a->u1, a->e, inverse, a->n, ctx) &&
	       BN_mod_mul(a->u2, a->r, inverse, a->n, ctx);
}

static bool limbs(uint64_t out[4], const BIGNUM *a)
{
	uint8_t octets[32];
	int i, k;

	if (BN_bn2lebinpad(a, octets, sizeof octets) != sizeof octets)
		return false;
	for (i = 0; i < 4; i++)
		for (out[i] = 0, k = 7; k >= 0; k--)
			out[i] = out[i] << 8 | octets[8 * i + k];
	return true;
}

static enum p256_answer by_table(const struct numbers *a, const struct p256_table *table)
{
	uint64_t u1[4], u2[4], r[4];

	if (!table || !limbs(u1, a->u1) || !limbs(u2, a->u2) || !limbs(r, a->r))
		return P256_UNKNOWN;
	return tdxv__p256_sum_is(&tdxv__p256_generator, u1, table, u2, r);
}

static bool by_openssl(const struct numbers *a, BN_CTX *ctx, const struct key *k)
{
	EC_POINT *sum = EC_POINT_new(p256()), *own = k->point ? NULL : point_new(k->xy);
	const EC_POINT *point = k->point ? k->point : own;
	bool ok = sum && point && EC_POINT_mul(p256(), sum, a->u1, point, a->u2, ctx) == 1 &&
		  !EC_POINT_is_at_infinity(p256(), sum) &&
		  EC_POINT_get_affine_coordinates(p256(), sum, a->x, NULL, ctx) == 1 &&
		  BN_nnmod(a->x, a->x, a->n, ctx) == 1 && BN_cmp(a->x, a->r) == 0;

	EC_POINT_free(sum);
	EC_POINT_free(own);
	return ok;
}

bool tdxv__verify(const struct key *k, struct tdxv_bytes message, const uint8_t rs[64])
{
	enum p256_answer answer;
	struct numbers a;
	BN_CTX *ctx = BN_CTX_new();
	bool ok = false;

	if (!ctx)
		return false;
	BN_CTX_start(ctx);
	if (prepare(&a, ctx, message, rs)) {
		answer = by_table(&a, k->table);
		ok = answer == P256_YES || (answer == P256_UNKNOWN && by_openssl(&a, ctx, k));
	}
	BN_CTX_end(ctx);
	BN_CTX_free(ctx);
	return ok;
}
