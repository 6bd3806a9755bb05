#include "verifier/tools/p256_table.h"

#include <openssl/ec.h>
#include <openssl/obj_mac.h>
#include <string.h>

const struct p256_intel_key p256_intel_keys[P256_INTEL_KEYS] = {
    {"sgx_root_ca", /* 2018 to 2049 */
     "0ba9c4c0c0c86193a3fe23d6b02cda10a8bbd4e88e48b4458561a36e705525f5"
     "67918e2edc88e40d860bd0cc4ee26aacc988e505a953558c453f6b0904ae7394"},
    {"sgx_tcb_signing", /* of both certificates, 2018 to 2025 and 2025 to 2032 */
     "43451bcc73c9d5917caf766e61af3fe98087dd4f13257b261e851897799dd13d"
     "6811fb47713803bb9bae587fccddc2e31be9a28b86962acc6daf96da58eeca96"},
    {"sgx_pck_platform_ca", /* 2018 to 2033 */
     "35207feeddb595748ed82bb3a71c3be1e241ef61320c6816e6b5c2b71dad5532"
     "eaea12a4eb3f948916429ea47ba6c3af82a15e4b19664e52657939a2d96633de"},
    {"sgx_pck_processor_ca", /* 2018 to 2033 */
     "bf6af8d329d883a0b5d9756e4fee599e7e4c6426f1a0a2f33efc7ecf9f282437"
     "77eb83cd79d54c04f66610c289fc88b89c2f377c0d069f621c1492309309ac13"},
};

struct work {
	EC_GROUP *group;
	BN_CTX *ctx;
	EC_POINT *base, *multiple;
	BIGNUM *p, *x, *y;
};

static bool begin(struct work *w, const uint8_t xy[64])
{
	uint8_t octets[65] = {4};

	w->group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
	w->ctx = BN_CTX_new();
	w->p = BN_new();
	w->x = BN_new();
	w->y = BN_new();
	if (!w->group || !w->ctx || !w->p || !w->x || !w->y)
		return false;
	w->base = EC_POINT_new(w->group);
	w->multiple = EC_POINT_new(w->group);
	if (!w->base || !w->multiple || !EC_GROUP_get_curve(w->group, w->p, NULL, NULL, w->ctx))
		return false;
	if (!xy)
		return EC_POINT_copy(w->base, EC_GROUP_get0_generator(w->group)) == 1;
	memcpy(octets + 1, xy, 64);
	return EC_POINT_oct2point(w->group, w->base, octets, sizeof octets, w->ctx) == 1;
}

static void end(struct work *w)
{
	EC_POINT_free(w->base);
	EC_POINT_free(w->multiple);
	BN_free(w->p);
	BN_free(w->x);
	BN_free(w->y);
	BN_CTX_free(w->ctx);
	EC_GROUP_free(w->group);
}

/* Times 2^256, in limbs. */
static bool limbs(uint64_t out[4], struct work *w, BIGNUM *number)
{
	uint8_t octets[32];
	int i;

	if (!BN_mod_lshift(number, number, 256, w->p, w->ctx) ||
	    BN_bn2lebinpad(number, octets, sizeof octets) != sizeof octets)
		return false;
	for (i = 0; i < 4; i++) {
		int k;

		out[i] = 0;
		for (k = 7; k >= 0; k--)
			out[i] = out[i] << 8 | octets[8 * i + k];
	}
	return true;
}

static bool fill_window(struct p256_point *out, struct work *w)
{
	unsigned j;

	if (!EC_POINT_set_to_infinity(w->group, w->multiple))
		return false;
	for (j = 0; j < P256_MULTIPLES; j++)
		if (!EC_POINT_add(w->group, w->multiple, w->multiple, w->base, w->ctx) ||
		    !EC_POINT_get_affine_coordinates(w->group, w->multiple, w->x, w->y, w->ctx) ||
		    !limbs(out[j].x, w, w->x) || !limbs(out[j].y, w, w->y))
			return false;
	return true;
}

bool p256_table_make(struct p256_table *out, const uint8_t xy[64])
{
	struct work w = {0};
	bool ok = begin(&w, xy);
	unsigned i, k;

	for (i = 0; ok && i < P256_WINDOWS; i++) {
		ok = fill_window(out->multiple[i], &w);
		for (k = 0; ok && k < P256_WINDOW; k++)
			ok = EC_POINT_dbl(w.group, w.base, w.base, w.ctx) == 1;
	}
	end(&w);
	return ok;
}
