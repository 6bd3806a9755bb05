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

static bool bignum(BIGNUM *out, const uint64_t limbs[4])
{
	uint8_t octets[32];
	int i;

	for (i = 0; i < 32; i++)
		octets[i] = (uint8_t)(limbs[i / 8] >> i % 8 * 8);
	return BN_lebin2bn(octets, sizeof octets, out) != NULL;
}

static bool by_openssl(const struct p256_factors *f, const struct key *k)
{
	BN_CTX *ctx = BN_CTX_new();
	BIGNUM *n[4] = {BN_new(), BN_new(), BN_new(), BN_new()};
	EC_POINT *sum = p256() ? EC_POINT_new(p256()) : NULL;
	EC_POINT *own = k->point ? NULL : point_new(k->xy);
	const EC_POINT *point = k->point ? k->point : own;
	const bool ok = ctx && sum && point && n[0] && n[1] && n[2] && n[3] &&
			bignum(n[0], f->u1) && bignum(n[1], f->u2) && bignum(n[2], f->r) &&
			EC_POINT_mul(p256(), sum, n[0], point, n[1], ctx) == 1 &&
			!EC_POINT_is_at_infinity(p256(), sum) &&
			EC_POINT_get_affine_coordinates(p256(), sum, n[3], NULL, ctx) == 1 &&
			BN_nnmod(n[3], n[3], EC_GROUP_get0_order(p256()), ctx) == 1 &&
			BN_cmp(n[3], n[2]) == 0;
	int i;

	for (i = 0; i < 4; i++)
		BN_free(n[i]);
	EC_POINT_free(sum);
	EC_POINT_free(own);
	BN_CTX_free(ctx);
	return ok;
}

bool tdxv__verify(const struct key *k, struct tdxv_bytes message, const uint8_t rs[64])
{
	enum p256_answer answer = P256_UNKNOWN;
	struct p256_factors f;
	uint8_t digest[32];

	tdxv__sha256(digest, message, tdxv__bytes(NULL, 0));
	if (!tdxv__p256_factors(&f, digest, rs))
		return false;
	if (k->table)
		answer = tdxv__p256_sum_is(&tdxv__p256_generator, k->table, &f);
	return answer == P256_YES || (answer == P256_UNKNOWN && by_openssl(&f, k));
}
