#include "verifier/internal.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/sha.h>
#include <string.h>

void tdxv__sha256(uint8_t out[32], struct tdxv_bytes a, struct tdxv_bytes b)
{
	uint8_t joined[64 + 65536];

	/* One call over adjacent bytes: b is at most the QE's authentication data (16-bit size). */
	if (b.n == 0) {
		SHA256(a.p, a.n, out);
		return;
	}
	memcpy(joined, a.p, a.n);
	memcpy(joined + a.n, b.p, b.n);
	SHA256(joined, a.n + b.n, out);
}

struct evp_pkey_st *tdxv__key_new(const uint8_t xy[64])
{
	char group[] = "P-256";
	uint8_t point[65] = {4};
	OSSL_PARAM params[3];
	EVP_PKEY_CTX *ctx;
	EVP_PKEY *key = NULL;

	memcpy(point + 1, xy, 64);
	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0);
	params[1] = OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point);
	params[2] = OSSL_PARAM_construct_end();
	ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	if (ctx && EVP_PKEY_fromdata_init(ctx) == 1 &&
	    EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
		key = NULL;
	EVP_PKEY_CTX_free(ctx);
	return key;
}

struct evp_pkey_st *tdxv__key_like(struct evp_pkey_st *model, const uint8_t xy[64])
{
	uint8_t point[65] = {4};
	EVP_PKEY *key = EVP_PKEY_dup(model);

	memcpy(point + 1, xy, 64);
	if (key && EVP_PKEY_set1_encoded_public_key(key, point, sizeof point) != 1) {
		EVP_PKEY_free(key);
		key = NULL;
	}
	return key;
}

void tdxv__key_free(struct evp_pkey_st *k)
{
	EVP_PKEY_free(k);
}

struct evp_pkey_st *tdxv__key_share(struct evp_pkey_st *k)
{
	return k && EVP_PKEY_up_ref(k) == 1 ? k : NULL;
}

static size_t put_scalar(uint8_t *out, const uint8_t s[32])
{
	size_t skip = 0, n;

	while (skip < 31 && s[skip] == 0)
		skip++;
	n = 32 - skip;
	out[0] = DER_INTEGER;
	if (s[skip] & 0x80) {
		out[1] = (uint8_t)(n + 1);
		out[2] = 0;
		memcpy(out + 3, s + skip, n);
		return n + 3;
	}
	out[1] = (uint8_t)n;
	memcpy(out + 2, s + skip, n);
	return n + 2;
}

bool tdxv__verify(struct evp_pkey_st *k, struct tdxv_bytes message, const uint8_t rs[64])
{
	uint8_t digest[32], der[72];
	EVP_PKEY_CTX *ctx;
	size_t n = 2;
	bool ok;

	n += put_scalar(der + n, rs);
	n += put_scalar(der + n, rs + 32);
	der[0] = DER_SEQUENCE;
	der[1] = (uint8_t)(n - 2);
	tdxv__sha256(digest, message, tdxv__bytes(NULL, 0));
	ctx = EVP_PKEY_CTX_new_from_pkey(NULL, k, NULL);
	ok = ctx && EVP_PKEY_verify_init(ctx) == 1 &&
	     EVP_PKEY_verify(ctx, der, n, digest, sizeof digest) == 1;
	EVP_PKEY_CTX_free(ctx);
	return ok;
}
