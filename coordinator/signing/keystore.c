#include "coordinator/signing/keystore.h"

#include "ethereum/keccak.h"

#include <inttypes.h>
#include <jansson.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <string.h>
#include <strings.h>

#define DERIVED    32
#define SALT_MAX   256
#define NAME_SHOWN 40 /* characters of a name that are quoted */

/* What a file asks for. */
struct sealed {
	bool scrypt; /* else PBKDF2 */
	uint64_t n, r, p, rounds;
	uint8_t salt[SALT_MAX];
	size_t salt_n;
	uint8_t iv[16], mac[32], ciphertext[32];
	bool has_address;
	struct eth_address address;
};

/* ---- what stands in the file ---- */

static json_t *member(json_t *o, const char *name)
{
	const char *key;
	json_t *v;

	/* Some writers begin "crypto" with a capital. */
	json_object_foreach (o, key, v)
		if (strcasecmp(key, name) == 0)
			return v;
	return NULL;
}

static bool hex_of(json_t *o, const char *name, uint8_t *out, size_t n, struct why *why)
{
	const char *text = json_string_value(json_object_get(o, name));

	if (text && hex_decode(out, n, text, strlen(text)))
		return true;
	why_set(why, "\"%s\" is not %zu bytes in hex", name, n);
	return false;
}

static bool count_of(json_t *o, const char *name, uint64_t *out, struct why *why)
{
	const json_t *v = json_object_get(o, name);

	if (json_is_integer(v) && json_integer_value(v) > 0) {
		*out = (uint64_t)json_integer_value(v);
		return true;
	}
	why_set(why, "\"%s\" is not a number above 0", name);
	return false;
}

static bool is_name(json_t *o, const char *name, const char *expected, struct why *why)
{
	const char *text = json_string_value(json_object_get(o, name));

	if (text && strcmp(text, expected) == 0)
		return true;
	why_set(why, "\"%s\" is \"%.*s\", and only \"%s\" is supported", name, NAME_SHOWN,
		text ? text : "", expected);
	return false;
}

static bool read_salt(struct sealed *k, json_t *params, struct why *why)
{
	const char *text = json_string_value(json_object_get(params, "salt"));
	struct buf salt;
	bool ok;

	buf_init(&salt, SALT_MAX);
	ok = text && hex_decode_buf(&salt, text, strlen(text)) && salt.len > 0;
	if (ok) {
		memcpy(k->salt, salt.p, salt.len);
		k->salt_n = salt.len;
	} else {
		why_set(why, "\"salt\" is not 1 to %d bytes in hex", SALT_MAX);
	}
	buf_free(&salt);
	return ok;
}

static enum keystore_rc check_scrypt(const struct sealed *k, struct why *why)
{
	const bool power = (k->n & (k->n - 1)) == 0;

	if (k->n < 2 || !power)
		why_set(why, "scrypt's n is %" PRIu64 ", which is no power of 2 above 1", k->n);
	else if (k->r < 4 && k->n >> (16 * k->r))
		why_set(why,
			"scrypt with n %" PRIu64 " and r %" PRIu64
			" is outside RFC 7914: n must be below 2^(16 r)",
			k->n, k->r);
	else if (k->n > KEYSTORE_MEMORY_MAX / 128 || k->r > KEYSTORE_MEMORY_MAX / 128 / k->n)
		why_set(why,
			"scrypt with n %" PRIu64 " and r %" PRIu64
			" takes more memory than the %llu MiB that are allowed",
			k->n, k->r, KEYSTORE_MEMORY_MAX >> 20);
	else if (k->p > KEYSTORE_P_MAX)
		why_set(why, "scrypt's p is %" PRIu64 ", more than the %d that are allowed", k->p,
			KEYSTORE_P_MAX);
	else
		return KEYSTORE_OK;
	return KEYSTORE_UNSUPPORTED;
}

static enum keystore_rc read_kdf(struct sealed *k, json_t *crypto, struct why *why)
{
	json_t *params = json_object_get(crypto, "kdfparams");
	const char *kdf = json_string_value(json_object_get(crypto, "kdf"));
	uint64_t length;

	k->scrypt = kdf && strcmp(kdf, "scrypt") == 0;
	if (!k->scrypt && !(kdf && strcmp(kdf, "pbkdf2") == 0)) {
		why_set(why, "\"kdf\" is \"%.*s\", neither scrypt nor pbkdf2", NAME_SHOWN,
			kdf ? kdf : "");
		return KEYSTORE_UNSUPPORTED;
	}
	if (!read_salt(k, params, why) || !count_of(params, "dklen", &length, why))
		return KEYSTORE_MALFORMED;
	if (length != DERIVED) {
		why_set(why, "\"dklen\" is %" PRIu64 ", and only %d is supported", length, DERIVED);
		return KEYSTORE_UNSUPPORTED;
	}
	if (k->scrypt)
		return count_of(params, "n", &k->n, why) && count_of(params, "r", &k->r, why) &&
			       count_of(params, "p", &k->p, why)
			   ? check_scrypt(k, why)
			   : KEYSTORE_MALFORMED;
	if (!count_of(params, "c", &k->rounds, why))
		return KEYSTORE_MALFORMED;
	if (!is_name(params, "prf", "hmac-sha256", why))
		return KEYSTORE_UNSUPPORTED;
	if (k->rounds > KEYSTORE_ROUNDS_MAX) {
		why_set(why, "PBKDF2 with %" PRIu64 " rounds, more than the %u that are allowed",
			k->rounds, KEYSTORE_ROUNDS_MAX);
		return KEYSTORE_UNSUPPORTED;
	}
	return KEYSTORE_OK;
}

static void say_version(const json_t *version, struct why *why)
{
	char text[NAME_SHOWN + 1];
	const size_t n = json_dumpb(version, text, NAME_SHOWN, JSON_ENCODE_ANY | JSON_COMPACT);

	text[n < NAME_SHOWN ? n : NAME_SHOWN] = '\0';
	why_set(why, "a keystore of another version than 3: \"version\" is %s", text);
}

static enum keystore_rc read_sealed(struct sealed *k, json_t *file, struct why *why)
{
	json_t *crypto = member(file, "crypto");
	const json_t *version = member(file, "version");
	const char *address = json_string_value(member(file, "address"));

	if (!json_is_object(crypto) || !version) {
		why_set(why, "no keystore: \"crypto\" and \"version\" are expected");
		return KEYSTORE_MALFORMED;
	}
	if (!json_is_integer(version) || json_integer_value(version) != 3) {
		say_version(version, why);
		return KEYSTORE_UNSUPPORTED;
	}
	if (!is_name(crypto, "cipher", "aes-128-ctr", why))
		return KEYSTORE_UNSUPPORTED;
	if (!hex_of(json_object_get(crypto, "cipherparams"), "iv", k->iv, sizeof k->iv, why) ||
	    !hex_of(crypto, "ciphertext", k->ciphertext, sizeof k->ciphertext, why) ||
	    !hex_of(crypto, "mac", k->mac, sizeof k->mac, why))
		return KEYSTORE_MALFORMED;
	k->has_address =
	    address && hex_decode(k->address.b, sizeof k->address.b, address, strlen(address));
	return read_kdf(k, crypto, why);
}

/* ---- what is in it ---- */

static bool derive(uint8_t out[DERIVED], struct sealed *k, const char *password)
{
	char digest[] = "SHA256";
	uint64_t memory = KEYSTORE_MEMORY_MAX + (64u << 20); /* the ceiling and what is around it */
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, k->scrypt ? "SCRYPT" : "PBKDF2", NULL);
	EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
	OSSL_PARAM params[8], *p = params;
	bool ok = false;
	int any = 1; /* no minimum of NIST's for salt and rounds */

	*p++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_PASSWORD, (void *)password,
						 strlen(password));
	*p++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, k->salt, k->salt_n);
	if (k->scrypt) {
		*p++ = OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_N, &k->n);
		*p++ = OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_R, &k->r);
		*p++ = OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_P, &k->p);
		*p++ = OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_MAXMEM, &memory);
	} else {
		*p++ = OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_ITER, &k->rounds);
		*p++ = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0);
		*p++ = OSSL_PARAM_construct_int(OSSL_KDF_PARAM_PKCS5, &any);
	}
	*p = OSSL_PARAM_construct_end();
	ok = ctx && EVP_KDF_derive(ctx, out, DERIVED, params) == 1;
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	return ok;
}

static bool mac_fits(const uint8_t derived[DERIVED], const struct sealed *k)
{
	struct keccak h;
	uint8_t mac[32];

	keccak_init(&h);
	keccak_update(&h, derived + 16, 16);
	keccak_update(&h, k->ciphertext, sizeof k->ciphertext);
	keccak_final(&h, mac);
	secret_wipe(&h, sizeof h);
	return secret_equal(mac, k->mac, sizeof mac);
}

static bool decipher(uint8_t out[32], const uint8_t derived[DERIVED], const struct sealed *k)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n = 0;
	const bool ok = ctx &&
			EVP_DecryptInit_ex(ctx, EVP_aes_128_ctr(), NULL, derived, k->iv) == 1 &&
			EVP_DecryptUpdate(ctx, out, &n, k->ciphertext, 32) == 1 && n == 32;

	EVP_CIPHER_CTX_free(ctx);
	return ok;
}

static enum keystore_rc open_sealed(struct eth_key *key, struct sealed *k, const char *password,
				    struct why *why)
{
	uint8_t derived[DERIVED], secret[32];
	enum keystore_rc rc = KEYSTORE_NO_KEY;
	struct eth_address address;

	if (!derive(derived, k, password)) {
		why_set(why, "the password's key cannot be derived: out of memory?");
		rc = KEYSTORE_NO_MEMORY;
	} else if (!mac_fits(derived, k)) {
		why_set(why,
			"the password is wrong, or the file was changed: its MAC does not fit");
		rc = KEYSTORE_WRONG_PASSWORD;
	} else if (!decipher(secret, derived, k)) {
		why_set(why, "AES-128-CTR is not there");
		rc = KEYSTORE_NO_MEMORY;
	} else if (!eth_key_generate(key, secret) || !eth_key_address(&address, key)) {
		why_set(why, "what is in it is no secp256k1 key");
	} else if (k->has_address && !eth_address_equal(&address, &k->address)) {
		why_set(why, "its key is not that of the \"address\" that stands in it");
	} else {
		rc = KEYSTORE_OK;
	}
	secret_wipe(derived, sizeof derived);
	secret_wipe(secret, sizeof secret);
	return rc;
}

enum keystore_rc keystore_decrypt(struct eth_key *key, struct span json, const char *password,
				  struct why *why)
{
	json_t *file = json_loadb((const char *)json.p, json.n, JSON_REJECT_DUPLICATES, NULL);
	struct sealed k = {.scrypt = false};
	enum keystore_rc rc = KEYSTORE_MALFORMED;

	eth_key_wipe(key);
	if (!json_is_object(file))
		why_set(why, "no keystore: it is no JSON object");
	else
		rc = read_sealed(&k, file, why);
	json_decref(file);
	if (rc == KEYSTORE_OK)
		rc = open_sealed(key, &k, password, why);
	if (rc != KEYSTORE_OK)
		eth_key_wipe(key);
	return rc;
}
