/*
 * Collateral as somebody else stores it: the exact bytes, their signature, their window. The same
 * parsers as for a verification, without its judgements.
 */
#include "verifier/internal.h"

#include <stdlib.h>
#include <string.h>

enum { HAS_ISSUED = 1, HAS_NEXT = 2 };

static unsigned member(struct tdxv_piece *out, struct json *j, struct tdxv_bytes key)
{
	uint64_t n = 0;

	if (tdxv__bytes_are(key, "issueDate"))
		return tdxv__json_time(j, &out->valid_from) ? HAS_ISSUED : 0;
	if (tdxv__bytes_are(key, "nextUpdate"))
		return tdxv__json_time(j, &out->valid_to) ? HAS_NEXT : 0;
	if (tdxv__bytes_are(key, "id")) {
		tdxv__json_string(j, &out->name);
	} else if (tdxv__bytes_are(key, "fmspc")) {
		out->has_fmspc = tdxv__json_hex(j, out->fmspc, sizeof out->fmspc);
	} else if (tdxv__bytes_are(key, "tcbEvaluationDataNumber")) {
		tdxv__json_uint(j, UINT32_MAX, &n);
		out->evaluation_number = (uint32_t)n;
	} else {
		tdxv__json_skip(j, NULL);
	}
	return 0;
}

static bool json_piece(struct tdxv_piece *out, const char *name, struct tdxv_bytes response,
		       struct tdxv_why *why)
{
	struct json_object o;
	struct tdxv_bytes key;
	unsigned seen = 0;
	struct json j;

	if (!tdxv__json_signed(response, name, &out->exact, out->signature, why))
		return false;
	out->tbs = out->exact;
	tdxv__json_init(&j, out->exact, why);
	tdxv__json_object(&j, &o);
	while (tdxv__json_member(&j, &o, &key))
		seen |= member(out, &j, key);
	if (!tdxv__json_end(&j))
		return false;
	return seen == (HAS_ISSUED | HAS_NEXT) ||
	       tdxv__json_fail(&j, "issueDate or nextUpdate is missing");
}

enum tdxv_error tdxv_piece_json(struct tdxv_piece *out, const char *name,
				struct tdxv_bytes response, struct tdxv_why *why)
{
	*out = (struct tdxv_piece){0};
	if (json_piece(out, name, response, why))
		return TDXV_OK;
	*out = (struct tdxv_piece){0};
	return TDXV_ERR_PIECE_FORMAT;
}

enum tdxv_error tdxv_piece_certificate(struct tdxv_piece *out, uint8_t *room, size_t room_size,
				       struct tdxv_bytes pem, unsigned index, struct tdxv_why *why)
{
	struct tdxv_bytes left = pem;
	bool wrong = false;
	struct cert c;
	size_t n = 0;

	*out = (struct tdxv_piece){0};
	for (unsigned i = 0; i <= index; i++) {
		if (tdxv__pem_next(&left, "CERTIFICATE", room, room_size, &n, &wrong))
			continue;
		tdxv__why(why,
			  wrong ? "certificate %u is no PEM, or is longer than %zu bytes"
				: "there is no certificate %u (room for %zu bytes)",
			  i + 1, room_size);
		return TDXV_ERR_CERT_FORMAT;
	}
	if (!tdxv__cert_parse(&c, tdxv__bytes(room, n), why))
		return TDXV_ERR_CERT_FORMAT;
	*out = (struct tdxv_piece){.exact = c.der,
				   .tbs = c.tbs,
				   .name = c.common_name,
				   .valid_from = c.not_before,
				   .valid_to = c.not_after};
	memcpy(out->signature, c.signature, sizeof out->signature);
	return TDXV_OK;
}

enum tdxv_error tdxv_piece_crl(struct tdxv_piece *out, uint8_t *room, struct tdxv_bytes raw,
			       struct tdxv_why *why)
{
	struct tdxv_bytes whole, value;
	struct crl c;

	*out = (struct tdxv_piece){0};
	if (!tdxv__crl_parse(&c, room, raw, why))
		return TDXV_ERR_PIECE_FORMAT;
	/* The text around it may have left a byte behind the DER. */
	whole = tdxv__bytes(room, raw.n);
	tdxv__der_take(&whole, DER_SEQUENCE, &value, &out->exact);
	out->tbs = c.tbs;
	out->valid_from = c.this_update;
	out->valid_to = c.next_update;
	memcpy(out->signature, c.signature, sizeof out->signature);
	return TDXV_OK;
}

bool tdxv_crl_names(struct tdxv_bytes crl, struct tdxv_bytes pem, unsigned index)
{
	uint8_t der[CERT_DER_MAX], *room = malloc(crl.n + 1);
	struct tdxv_bytes left = pem;
	struct crl list;
	struct cert c;
	size_t n = 0;
	bool wrong, ok = room != NULL;

	for (unsigned i = 0; ok && i <= index; i++)
		ok = tdxv__pem_next(&left, "CERTIFICATE", der, sizeof der, &n, &wrong);
	ok = ok && tdxv__cert_parse(&c, tdxv__bytes(der, n), NULL) &&
	     tdxv__crl_parse(&list, room, crl, NULL) && tdxv__bytes_eq(c.issuer, list.issuer) &&
	     tdxv__crl_has(&list, c.serial);
	free(room);
	return ok;
}
