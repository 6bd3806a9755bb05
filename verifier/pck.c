/*
 * The SGX extension of a PCK certificate (Intel SGX PCK Certificate and CRL Profile
 * Specification, OID 1.2.840.113741.1.13.1): a sequence of {OID, value}.
 */
#include "verifier/internal.h"

#include <string.h>

static const uint8_t sgx_arc[] = {0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01};

/* The number that follows the arc, or 0 when the OID is of another family. */
static unsigned suffix(struct tdxv_bytes oid, const uint8_t *arc, size_t n)
{
	if (oid.n != n + 1 || memcmp(oid.p, arc, n) != 0 || oid.p[n] >= 0x80)
		return 0;
	return oid.p[n];
}

static bool octets(struct tdxv_bytes *in, uint8_t *out, size_t n)
{
	struct tdxv_bytes v;

	if (!tdxv__der_take(in, DER_OCTET_STRING, &v, NULL) || v.n != n || in->n)
		return false;
	memcpy(out, v.p, n);
	return true;
}

static bool number(struct tdxv_bytes *in, uint64_t max, uint64_t *out)
{
	struct tdxv_bytes v;

	return tdxv__der_take(in, DER_INTEGER, &v, NULL) && in->n == 0 && tdxv__der_uint(v, out) &&
	       *out <= max;
}

static const char *tcb(struct tdxv_pck *p, struct tdxv_bytes pair)
{
	uint8_t arc[sizeof sgx_arc + 1];
	struct tdxv_bytes list, entry, oid;
	uint32_t seen = 0;
	uint64_t n;

	memcpy(arc, sgx_arc, sizeof sgx_arc);
	arc[sizeof sgx_arc] = 2;
	if (!tdxv__der_take(&pair, DER_SEQUENCE, &list, NULL) || pair.n)
		return "the TCB is malformed";
	while (list.n) {
		unsigned k;

		if (!tdxv__der_take(&list, DER_SEQUENCE, &entry, NULL) ||
		    !tdxv__der_take(&entry, DER_OID, &oid, NULL))
			return "a TCB entry is malformed";
		k = suffix(oid, arc, sizeof arc);
		if (k < 1 || k > 18 || seen & 1u << k)
			return "a TCB entry is unknown or repeated";
		seen |= 1u << k;
		if (k <= 16) {
			if (!number(&entry, UINT8_MAX, &n))
				return "a TCB component SVN is no integer of 0 to 255";
			p->comp_svn[k - 1] = (uint8_t)n;
		} else if (k == 17) {
			if (!number(&entry, UINT16_MAX, &n))
				return "PCESVN is no integer of 0 to 65535";
			p->pcesvn = (uint16_t)n;
		} else if (!octets(&entry, p->cpusvn, 16)) {
			return "CPUSVN is malformed";
		}
	}
	return seen == 0x7fffe ? NULL : "a TCB entry is missing";
}

static const char *configuration(struct tdxv_pck *p, struct tdxv_bytes pair)
{
	uint8_t arc[sizeof sgx_arc + 1];
	struct tdxv_bytes list, entry, oid, v;
	bool *flag[] = {&p->dynamic_platform, &p->cached_keys, &p->smt_enabled};
	unsigned seen = 0;

	memcpy(arc, sgx_arc, sizeof sgx_arc);
	arc[sizeof sgx_arc] = 7;
	if (!tdxv__der_take(&pair, DER_SEQUENCE, &list, NULL) || pair.n)
		return "the configuration is malformed";
	while (list.n) {
		unsigned k;

		if (!tdxv__der_take(&list, DER_SEQUENCE, &entry, NULL) ||
		    !tdxv__der_take(&entry, DER_OID, &oid, NULL) ||
		    !tdxv__der_take(&entry, DER_BOOLEAN, &v, NULL) || entry.n || v.n != 1)
			return "a configuration flag is malformed";
		k = suffix(oid, arc, sizeof arc);
		if (k < 1 || k > 3 || seen & 1u << k)
			return "a configuration flag is unknown or repeated";
		seen |= 1u << k;
		*flag[k - 1] = v.p[0] != 0;
	}
	return NULL;
}

static const char *entry_value(struct tdxv_pck *p, unsigned k, struct tdxv_bytes pair)
{
	struct tdxv_bytes v;

	switch (k) {
	case 1: return octets(&pair, p->ppid, 16) ? NULL : "PPID is malformed";
	case 2: return tcb(p, pair);
	case 3: return octets(&pair, p->pceid, 2) ? NULL : "PCEID is malformed";
	case 4: return octets(&pair, p->fmspc, 6) ? NULL : "FMSPC is malformed";
	case 5:
		if (!tdxv__der_take(&pair, DER_ENUMERATED, &v, NULL) || pair.n || v.n != 1 ||
		    v.p[0] > 2)
			return "the SGX type is none of 0, 1, 2";
		p->sgx_type = v.p[0];
		return NULL;
	case 6:
		p->has_platform = true;
		return octets(&pair, p->platform_instance_id, 16)
			   ? NULL
			   : "the platform instance id is malformed";
	case 7: return configuration(p, pair);
	}
	return "an entry is unknown or repeated";
}

static const char *sgx_extension(struct tdxv_pck *p, struct tdxv_bytes value)
{
	struct tdxv_bytes list, pair, oid;
	uint32_t seen = 0;
	const char *wrong;

	if (!tdxv__der_take(&value, DER_SEQUENCE, &list, NULL) || value.n)
		return "it is no sequence";
	while (list.n) {
		unsigned k;

		if (!tdxv__der_take(&list, DER_SEQUENCE, &pair, NULL) ||
		    !tdxv__der_take(&pair, DER_OID, &oid, NULL))
			return "an entry is malformed";
		k = suffix(oid, sgx_arc, sizeof sgx_arc);
		if (k < 1 || k > 7 || seen & 1u << k)
			return "an entry is unknown or repeated";
		seen |= 1u << k;
		wrong = entry_value(p, k, pair);
		if (wrong)
			return wrong;
	}
	if ((seen & 0x3e) != 0x3e)
		return "one of PPID, TCB, PCEID, FMSPC, SGX type is missing";
	/* Five entries or seven: the Platform CA writes two more, never one. */
	return (seen & 0xc0) == 0 || (seen & 0xc0) == 0xc0
		   ? NULL
		   : "platform instance id and configuration go together";
}

bool tdxv__pck_parse(struct tdxv_pck *p, const struct cert *leaf, struct tdxv_why *why)
{
	const char *wrong;

	memset(p, 0, sizeof *p);
	wrong = leaf->sgx.p ? sgx_extension(p, leaf->sgx) : "the certificate has none";
	p->platform_ca = tdxv__bytes_are(leaf->issuer_common_name, tdxv__platform_ca);
	if (!wrong)
		return true;
	tdxv__why(why, "SGX extension: %s", wrong);
	memset(p, 0, sizeof *p);
	return false;
}

enum tdxv_error tdxv_quote_pck(struct tdxv_pck *pck, const struct tdxv_quote *q,
			       struct tdxv_why *why)
{
	struct tdxv_bytes left = q->cert_data;
	uint8_t der[CERT_DER_MAX];
	struct cert leaf;
	size_t n;
	bool wrong;

	memset(pck, 0, sizeof *pck);
	if (q->cert_type != 4 && q->cert_type != 5) {
		tdxv__why(why, "certification data of type %u carries no PCK certificate",
			  q->cert_type);
		return TDXV_ERR_CERT_FORMAT;
	}
	if (!tdxv__pem_next(&left, "CERTIFICATE", der, sizeof der, &n, &wrong)) {
		tdxv__why(why, "the quote's certification data holds no certificate in PEM");
		return TDXV_ERR_CERT_FORMAT;
	}
	if (!tdxv__cert_parse(&leaf, tdxv__bytes(der, n), why)) {
		tdxv__why_prefix(why, "PCK certificate: ");
		return TDXV_ERR_CERT_FORMAT;
	}
	return tdxv__pck_parse(pck, &leaf, why) ? TDXV_OK : TDXV_ERR_CERT_FORMAT;
}
