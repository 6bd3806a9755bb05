/*
 * X.509 version 2 CRLs as Intel issues them (RFC 5280, section 5). PCS gives PEM or DER, a PCCS
 * hex of DER.
 */
#include "verifier/internal.h"

#include <string.h>

static const uint8_t ecdsa_sha256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02};
static const uint8_t oid_number[] = {0x55, 0x1d, 0x14};
static const uint8_t oid_aki[] = {0x55, 0x1d, 0x23};
static const uint8_t oid_reason[] = {0x55, 0x1d, 0x15};

static bool is(struct tdxv_bytes b, const uint8_t *p, size_t n)
{
	return b.n == n && memcmp(b.p, p, n) == 0;
}

static bool take_extension(struct tdxv_bytes *list, struct tdxv_bytes *oid, bool *critical,
			   struct tdxv_bytes *value)
{
	struct tdxv_bytes ext, flag;

	*critical = false;
	if (!tdxv__der_take(list, DER_SEQUENCE, &ext, NULL) || !tdxv__der_oid(&ext, oid))
		return false;
	if (tdxv__der_peek(ext, DER_BOOLEAN)) {
		if (!tdxv__der_take(&ext, DER_BOOLEAN, &flag, NULL) || flag.n != 1)
			return false;
		*critical = flag.p[0] != 0;
	}
	return tdxv__der_take(&ext, DER_OCTET_STRING, value, NULL) && ext.n == 0;
}

static bool entry_is_fine(struct tdxv_bytes entry)
{
	struct tdxv_bytes serial, list, oid, value;
	bool critical;
	int64_t when;

	if (!tdxv__der_serial(&entry, &serial) || !tdxv__der_time(&entry, &when))
		return false;
	if (entry.n == 0)
		return true;
	if (!tdxv__der_take(&entry, DER_SEQUENCE, &list, NULL) || entry.n)
		return false;
	while (list.n)
		if (!take_extension(&list, &oid, &critical, &value) ||
		    (critical && !is(oid, oid_reason, sizeof oid_reason)))
			return false;
	return true;
}

/* Intel's library reads it, though nothing is done with it. */
static bool is_number(struct tdxv_bytes value)
{
	struct tdxv_bytes number;

	return tdxv__der_serial(&value, &number) && value.n == 0;
}

static const char *extensions(struct tdxv_bytes tbs)
{
	struct tdxv_bytes wrapped, list, oid, value;
	bool has_number = false, has_aki = false, critical;

	if (!tdxv__der_take(&tbs, DER_CONTEXT_0, &wrapped, NULL) || tbs.n ||
	    !tdxv__der_take(&wrapped, DER_SEQUENCE, &list, NULL) || wrapped.n)
		return "the extensions are missing or malformed";
	while (list.n) {
		if (!take_extension(&list, &oid, &critical, &value))
			return "an extension is malformed";
		if (is(oid, oid_number, sizeof oid_number)) {
			if (has_number || !is_number(value))
				return "the CRL number is malformed or repeated";
			has_number = true;
		} else if (is(oid, oid_aki, sizeof oid_aki)) {
			has_aki = true;
		} else if (critical) {
			return "an unknown extension is marked critical";
		}
	}
	return has_number && has_aki ? NULL : "the CRL number or the authority key id is missing";
}

static const char *to_be_signed(struct crl *c, struct tdxv_bytes tbs)
{
	struct tdxv_bytes version, alg, name, walk, entry;
	uint64_t n;

	if (!tdxv__der_take(&tbs, DER_INTEGER, &version, NULL) || !tdxv__der_uint(version, &n) ||
	    n != 1)
		return "it is not of version 2";
	if (!tdxv__der_take(&tbs, DER_SEQUENCE, &alg, NULL) ||
	    !is(alg, ecdsa_sha256, sizeof ecdsa_sha256))
		return "the signature algorithm is not ECDSA with SHA-256";
	if (!tdxv__der_take(&tbs, DER_SEQUENCE, &name, &c->issuer))
		return "the issuer is malformed";
	if (!tdxv__der_time(&tbs, &c->this_update) || !tdxv__der_time(&tbs, &c->next_update))
		return "thisUpdate or nextUpdate is missing or malformed";
	if (tdxv__der_peek(tbs, DER_SEQUENCE)) {
		if (!tdxv__der_take(&tbs, DER_SEQUENCE, &c->revoked, NULL))
			return "the list of revoked certificates is malformed";
		for (walk = c->revoked; walk.n; c->entries++)
			if (!tdxv__der_take(&walk, DER_SEQUENCE, &entry, NULL) ||
			    !entry_is_fine(entry))
				return "an entry is malformed";
	}
	return extensions(tbs);
}

static const char *list(struct crl *c, struct tdxv_bytes der)
{
	struct tdxv_bytes outer, tbs, alg, bits;

	/* One byte after the DER is tolerated: some services end the text with a newline or NUL. */
	if (!tdxv__der_take(&der, DER_SEQUENCE, &outer, NULL) || der.n > 1)
		return "it is not one DER sequence";
	if (!tdxv__der_take(&outer, DER_SEQUENCE, &tbs, &c->tbs))
		return "the part to be signed is malformed";
	if (!tdxv__der_take(&outer, DER_SEQUENCE, &alg, NULL) ||
	    !is(alg, ecdsa_sha256, sizeof ecdsa_sha256))
		return "the signature algorithm is not ECDSA with SHA-256";
	if (!tdxv__der_take(&outer, DER_BIT_STRING, &bits, NULL) || outer.n || bits.n < 2 ||
	    bits.p[0] != 0 ||
	    !tdxv__der_signature(tdxv__bytes(bits.p + 1, bits.n - 1), c->signature))
		return "the signature is malformed";
	return to_be_signed(c, tbs);
}

static const char *decode(uint8_t *out, size_t *n, struct tdxv_bytes raw)
{
	bool wrong;

	if (raw.n == 0)
		return "there is nothing";
	if (raw.p[0] == DER_SEQUENCE && raw.n > 1 && raw.p[1] >= 0x80) {
		memcpy(out, raw.p, raw.n);
		*n = raw.n;
		return NULL;
	}
	if (raw.p[0] == '3' || raw.p[0] == '"') {
		if (raw.p[0] == '"')
			raw = tdxv__bytes(raw.p + 1, raw.n - 1);
		while (raw.n && (raw.p[raw.n - 1] <= ' ' || raw.p[raw.n - 1] == '"'))
			raw.n--;
		*n = raw.n / 2;
		return hex_decode(out, *n, (const char *)raw.p, raw.n) ? NULL : "it is no hex";
	}
	/* As OpenSSL reads it: no text in front, none on the line of the end. */
	if (raw.p[0] != '-' || !tdxv__pem_next(&raw, "X509 CRL", out, raw.n, n, &wrong))
		return "it is neither DER nor PEM nor hex";
	while (raw.n && (raw.p[0] == ' ' || raw.p[0] == '\t' || raw.p[0] == '\r'))
		raw = tdxv__bytes(raw.p + 1, raw.n - 1);
	return raw.n == 0 || raw.p[0] == '\n' || raw.p[0] == 0
		   ? NULL
		   : "something follows the end of the PEM on its line";
}

bool tdxv__crl_parse(struct crl *c, uint8_t *scratch, struct tdxv_bytes raw, struct tdxv_why *why)
{
	const char *wrong;
	size_t n = 0;

	memset(c, 0, sizeof *c);
	wrong = decode(scratch, &n, raw);
	if (!wrong)
		wrong = list(c, tdxv__bytes(scratch, n));
	if (wrong)
		tdxv__why(why, "%s", wrong);
	return wrong == NULL;
}

bool tdxv__crl_has(const struct crl *c, struct tdxv_bytes serial)
{
	struct tdxv_bytes walk = c->revoked, entry, found;

	while (walk.n && tdxv__der_take(&walk, DER_SEQUENCE, &entry, NULL))
		if (tdxv__der_take(&entry, DER_INTEGER, &found, NULL) &&
		    tdxv__bytes_eq(found, serial))
			return true;
	return false;
}
