#include "coordinator/collateral/numbers.h"

#include <jansson.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <string.h>

#define MEMBER    "tcbEvaluationDataNumbers"
#define YEAR      (365 * 86400)
#define CERT_ROOM 2048

/* ---- reading ---- */

static bool time_of(int64_t *out, const json_t *object, const char *name)
{
	const json_t *v = json_object_get(object, name);

	return json_is_string(v) &&
	       tdxv_time_parse(out, json_string_value(v), json_string_length(v));
}

static bool number_of(uint32_t *out, const json_t *object, const char *name)
{
	const json_t *v = json_object_get(object, name);
	const json_int_t n = json_integer_value(v);

	*out = (uint32_t)n;
	return json_is_integer(v) && n > 0 && n <= UINT32_MAX;
}

static bool read_entries(struct collateral_numbers *out, const json_t *entries, struct why *why)
{
	const size_t n = json_array_size(entries);
	int64_t date;

	if (n == 0 || n > COLLATERAL_NUMBERS_MAX) {
		why_set(why, "it has %zu numbers, 1 to %d are possible", n, COLLATERAL_NUMBERS_MAX);
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		const json_t *e = json_array_get(entries, i);

		if (!number_of(&out->entry[i].number, e, "tcbEvaluationDataNumber") ||
		    !time_of(&out->entry[i].recovery, e, "tcbRecoveryEventDate") ||
		    !time_of(&date, e, "tcbDate")) {
			why_set(why, "its entry %zu lacks a number or a date", i);
			return false;
		}
	}
	out->n = n;
	return true;
}

bool collateral_numbers_read(struct collateral_numbers *out, struct tdxv_bytes response,
			     struct why *why)
{
	struct tdxv_piece piece;
	struct tdxv_why reason;
	json_error_t error;
	json_t *root;
	uint32_t version;
	bool ok;

	*out = (struct collateral_numbers){0};
	if (tdxv_piece_json(&piece, MEMBER, response, &reason) != TDXV_OK) {
		why_set(why, "%s", reason.text);
		return false;
	}
	root =
	    json_loadb((const char *)piece.exact.p, piece.exact.n, JSON_REJECT_DUPLICATES, &error);
	if (!root || piece.name.n != 3 || memcmp(piece.name.p, "TDX", 3) != 0 ||
	    !number_of(&version, root, "version") || version != 1) {
		why_set(why, "%s", root ? "it is no list for TDX of version 1" : error.text);
		json_decref(root);
		return false;
	}
	out->issued = piece.valid_from;
	out->next_update = piece.valid_to;
	ok = read_entries(out, json_object_get(root, "tcbEvalNumbers"), why);
	json_decref(root);
	if (!ok)
		out->n = 0;
	return ok;
}

/* ---- the signature ---- */

/* r||s as OpenSSL reads it. 0: no memory. */
static int der_of(unsigned char **out, const uint8_t rs[64])
{
	ECDSA_SIG *sig = ECDSA_SIG_new();
	BIGNUM *r = BN_bin2bn(rs, 32, NULL), *s = BN_bin2bn(rs + 32, 32, NULL);
	int n = 0;

	*out = NULL;
	if (sig && r && s && ECDSA_SIG_set0(sig, r, s)) {
		r = s = NULL;
		n = i2d_ECDSA_SIG(sig, out);
	}
	BN_free(r);
	BN_free(s);
	ECDSA_SIG_free(sig);
	return n > 0 ? n : 0;
}

static bool holds(const struct tdxv_piece *piece, struct tdxv_bytes certificate)
{
	const unsigned char *p = certificate.p;
	X509 *cert = d2i_X509(NULL, &p, (long)certificate.n);
	EVP_PKEY *key = cert ? X509_get0_pubkey(cert) : NULL;
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	unsigned char *der;
	const int n = der_of(&der, piece->signature);
	const bool ok = key && md && n &&
			EVP_DigestVerifyInit(md, NULL, EVP_sha256(), NULL, key) == 1 &&
			EVP_DigestVerify(md, der, (size_t)n, piece->tbs.p, piece->tbs.n) == 1;

	OPENSSL_free(der);
	EVP_MD_CTX_free(md);
	X509_free(cert);
	return ok;
}

bool collateral_numbers_signed(struct tdxv_bytes response, struct tdxv_bytes chain_pem,
			       struct why *why)
{
	struct tdxv_piece piece, leaf;
	struct tdxv_why reason;
	uint8_t room[CERT_ROOM];

	if (tdxv_piece_json(&piece, MEMBER, response, &reason) != TDXV_OK ||
	    tdxv_piece_certificate(&leaf, room, sizeof room, chain_pem, 0, &reason) != TDXV_OK) {
		why_set(why, "%s", reason.text);
		return false;
	}
	if (holds(&piece, leaf.exact))
		return true;
	why_set(why, "it is not signed with the key of the TCB info's signing certificate");
	return false;
}

/* ---- which counts ---- */

uint32_t collateral_numbers_standard(const struct collateral_numbers *list, int64_t now)
{
	uint32_t number = 0;

	for (size_t i = 0; i < list->n; i++)
		if (list->entry[i].recovery + YEAR <= now && list->entry[i].number > number)
			number = list->entry[i].number;
	return number;
}

uint32_t collateral_numbers_early(const struct collateral_numbers *list)
{
	uint32_t number = 0;

	for (size_t i = 0; i < list->n; i++)
		if (list->entry[i].number > number)
			number = list->entry[i].number;
	return number;
}
