/*
 * The part of RFC 5280 that Intel's certificates use: version 3, P-256 keys, ECDSA with SHA-256.
 * Anything else is refused by name. Nothing here trusts: that is chain.c's and collateral.c's job.
 */
#include "verifier/internal.h"

#include <string.h>

/* -- PEM -- */

static int base64_digit(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	if (c == '/')
		return 63;
	return -1;
}

static bool base64_decode(struct tdxv_bytes in, uint8_t *out, size_t cap, size_t *n)
{
	uint32_t bits = 0;
	unsigned count = 0, pad = 0;
	size_t i, len = 0;

	for (i = 0; i < in.n; i++) {
		uint8_t c = in.p[i];
		int d;

		if (c == '\n' || c == '\r' || c == ' ' || c == '\t')
			continue;
		if (c == '=') {
			pad++;
			continue;
		}
		d = base64_digit(c);
		if (d < 0 || pad)
			return false;
		bits = bits << 6 | (uint32_t)d;
		if (++count % 4 == 0) {
			if (cap - len < 3)
				return false;
			out[len++] = (uint8_t)(bits >> 16);
			out[len++] = (uint8_t)(bits >> 8);
			out[len++] = (uint8_t)bits;
		}
	}
	if ((count + pad) % 4 || pad > 2 || count % 4 == 1)
		return false;
	if (count % 4 >= 2) {
		if (cap - len < 2)
			return false;
		bits <<= 6 * (4 - count % 4);
		if (bits & (count % 4 == 3 ? 0xffu : 0xffffu))
			return false; /* bits that belong to no byte must be zero */
		out[len++] = (uint8_t)(bits >> 16);
		if (count % 4 == 3)
			out[len++] = (uint8_t)(bits >> 8);
	}
	*n = len;
	return true;
}

static const uint8_t *find(struct tdxv_bytes in, const char *a, const char *b)
{
	size_t na = strlen(a), nb = strlen(b);
	const uint8_t *p = in.p;

	while (in.n >= na + nb) {
		p = memmem(in.p, in.n, a, na);
		if (!p)
			return NULL;
		in.n -= (size_t)(p - in.p);
		in.p = p;
		if (in.n >= na + nb && memcmp(p + na, b, nb) == 0)
			return p;
		in.p++;
		in.n--;
	}
	return NULL;
}

/* As OpenSSL reads PEM, and with it Intel's library: the label stands at the end of its line, and
 * neither an empty line nor anything but the line's start comes before the next dashes. */
static bool lines_are_pem(struct tdxv_bytes text)
{
	bool blank = false; /* the label's own line, whose rest is blank */
	size_t i, first;

	for (i = 0; i < text.n && text.p[i] != '\n'; i++)
		if (text.p[i] != ' ' && text.p[i] != '\t' && text.p[i] != '\r')
			return false;
	for (first = ++i; i < text.n; i++) {
		if (i == first)
			blank = true;
		if (text.p[i] == '\n') {
			if (blank)
				return false;
			first = i + 1;
		} else if (text.p[i] != ' ' && text.p[i] != '\t' && text.p[i] != '\r') {
			blank = false;
		}
	}
	return first == text.n;
}

bool tdxv__pem_next(struct tdxv_bytes *in, const char *label, uint8_t *out, size_t cap, size_t *n,
		    bool *wrong)
{
	const uint8_t *begin, *end;
	struct tdxv_bytes rest = *in;
	size_t skip;
	bool ok;

	*wrong = false;
	/* Bytes after a NUL are not part of the text. */
	if (rest.n) {
		const uint8_t *nul = memchr(rest.p, 0, rest.n);

		if (nul)
			rest.n = (size_t)(nul - rest.p);
	}
	begin = rest.n ? find(rest, "-----BEGIN ", label) : NULL;
	if (!begin)
		return false;
	skip = strlen("-----BEGIN ") + strlen(label) + 5;
	/* Intel's library looks for the next certificate at the next dash, whatever it begins. */
	if (memchr(rest.p, '-', (size_t)(begin - rest.p)) ||
	    (size_t)(rest.p + rest.n - begin) < skip || memcmp(begin + skip - 5, "-----", 5) != 0) {
		*wrong = true;
		return false;
	}
	rest.n -= (size_t)(begin + skip - rest.p);
	rest.p = begin + skip;
	end = find(rest, "-----END ", label);
	if (!end) {
		*wrong = true;
		return false;
	}
	skip = strlen("-----END ") + strlen(label) + 5;
	ok = (size_t)(rest.p + rest.n - end) >= skip && memcmp(end + skip - 5, "-----", 5) == 0 &&
	     lines_are_pem(tdxv__bytes(rest.p, (size_t)(end - rest.p))) &&
	     base64_decode(tdxv__bytes(rest.p, (size_t)(end - rest.p)), out, cap, n);
	*wrong = !ok;
	if (ok) {
		skip += (size_t)(end - in->p);
		in->p += skip;
		in->n -= skip;
	}
	return ok;
}

/* -- X.509 -- */

static const uint8_t ecdsa_sha256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02};
/* id-ecPublicKey with prime256v1, as the content of AlgorithmIdentifier */
static const uint8_t p256_key[] = {0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
				   0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
static const uint8_t oid_common_name[] = {0x55, 0x04, 0x03};
static const uint8_t oid_constraints[] = {0x55, 0x1d, 0x13};
static const uint8_t oid_key_usage[] = {0x55, 0x1d, 0x0f};
static const uint8_t oid_aki[] = {0x55, 0x1d, 0x23};
static const uint8_t oid_ski[] = {0x55, 0x1d, 0x0e};
static const uint8_t oid_crl_points[] = {0x55, 0x1d, 0x1f};
static const uint8_t oid_sgx[] = {0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01};

static bool is(struct tdxv_bytes b, const uint8_t *p, size_t n)
{
	return b.n == n && memcmp(b.p, p, n) == 0;
}

static bool signature_algorithm(struct tdxv_bytes *in)
{
	struct tdxv_bytes alg;

	return tdxv__der_take(in, DER_SEQUENCE, &alg, NULL) &&
	       is(alg, ecdsa_sha256, sizeof ecdsa_sha256);
}

/* Intel's names are ASCII, as UTF8String or PrintableString. */
static bool is_text(uint8_t tag, struct tdxv_bytes value)
{
	size_t i;

	for (i = 0; i < value.n; i++)
		if (value.p[i] < ' ' || value.p[i] > '~')
			return false;
	return tag == DER_UTF8_STRING || tag == DER_PRINTABLE_STRING;
}

static bool common_name(struct tdxv_bytes name, struct tdxv_bytes *out)
{
	struct tdxv_bytes set, pair, oid, value;
	uint8_t tag;

	*out = (struct tdxv_bytes){0};
	while (name.n) {
		if (!tdxv__der_take(&name, DER_SET, &set, NULL))
			return false;
		while (set.n) {
			if (!tdxv__der_take(&set, DER_SEQUENCE, &pair, NULL) ||
			    !tdxv__der_oid(&pair, &oid) ||
			    !tdxv__der_any(&pair, &tag, &value, NULL) || pair.n ||
			    !is_text(tag, value))
				return false;
			if (!is(oid, oid_common_name, sizeof oid_common_name))
				continue;
			if (out->p)
				return false; /* two common names: which one counts? */
			*out = value;
		}
	}
	return true;
}

static bool constraints(struct cert *c, struct tdxv_bytes v)
{
	struct tdxv_bytes seq, ca, length;
	uint64_t ignored;

	if (!tdxv__der_take(&v, DER_SEQUENCE, &seq, NULL) || v.n)
		return false;
	if (tdxv__der_peek(seq, DER_BOOLEAN)) {
		if (!tdxv__der_take(&seq, DER_BOOLEAN, &ca, NULL) || ca.n != 1)
			return false;
		c->is_ca = ca.p[0] != 0;
	}
	if (seq.n && (!tdxv__der_take(&seq, DER_INTEGER, &length, NULL) ||
		      !tdxv__der_uint(length, &ignored)))
		return false;
	c->has_constraints = true;
	return seq.n == 0;
}

static bool key_usage(struct cert *c, struct tdxv_bytes v)
{
	struct tdxv_bytes bits;
	unsigned i;

	if (!tdxv__der_take(&v, DER_BIT_STRING, &bits, NULL) || v.n || bits.n < 2 || bits.n > 3 ||
	    bits.p[0] > 7)
		return false;
	for (i = 0; i < 8 * (bits.n - 1); i++)
		if (bits.p[1 + i / 8] & 0x80 >> i % 8)
			c->usage |= (uint16_t)(1u << i);
	c->has_usage = true;
	return true;
}

static const char *extension(struct cert *c, struct tdxv_bytes ext)
{
	struct tdxv_bytes oid, critical, value;
	bool must = false;

	if (!tdxv__der_oid(&ext, &oid))
		return "an extension has no identifier";
	if (tdxv__der_peek(ext, DER_BOOLEAN)) {
		if (!tdxv__der_take(&ext, DER_BOOLEAN, &critical, NULL) || critical.n != 1)
			return "an extension's critical flag is malformed";
		must = critical.p[0] != 0;
	}
	if (!tdxv__der_take(&ext, DER_OCTET_STRING, &value, NULL) || ext.n)
		return "an extension has no value";
	if (is(oid, oid_constraints, sizeof oid_constraints)) {
		if (c->has_constraints || !constraints(c, value))
			return "basicConstraints are malformed or repeated";
	} else if (is(oid, oid_key_usage, sizeof oid_key_usage)) {
		if (c->has_usage || !key_usage(c, value))
			return "keyUsage is malformed or repeated";
	} else if (is(oid, oid_aki, sizeof oid_aki)) {
		c->has_aki = true;
	} else if (is(oid, oid_ski, sizeof oid_ski)) {
		c->has_ski = true;
	} else if (is(oid, oid_crl_points, sizeof oid_crl_points)) {
		c->has_crl_points = true;
	} else if (is(oid, oid_sgx, sizeof oid_sgx)) {
		if (c->sgx.p)
			return "the SGX extension is repeated";
		c->sgx = value;
	} else if (must) {
		return "an unknown extension is marked critical";
	}
	return NULL;
}

static const char *extensions(struct cert *c, struct tdxv_bytes tbs)
{
	struct tdxv_bytes wrapped, list, ext;
	const char *wrong;

	if (!tdxv__der_take(&tbs, DER_CONTEXT_3, &wrapped, NULL) || tbs.n ||
	    !tdxv__der_take(&wrapped, DER_SEQUENCE, &list, NULL) || wrapped.n)
		return "the extensions are missing or malformed";
	while (list.n) {
		if (!tdxv__der_take(&list, DER_SEQUENCE, &ext, NULL))
			return "an extension is malformed";
		wrong = extension(c, ext);
		if (wrong)
			return wrong;
	}
	if (!c->has_aki || !c->has_ski || !c->has_crl_points || !c->has_usage ||
	    !c->has_constraints)
		return "one of the extensions AKI, SKI, CRL distribution points, keyUsage, "
		       "basicConstraints is missing";
	return NULL;
}

static const char *to_be_signed(struct cert *c, struct tdxv_bytes tbs)
{
	struct tdxv_bytes v, version, name, validity, spki, alg, bits;
	uint64_t number;

	if (!tdxv__der_take(&tbs, DER_CONTEXT_0, &v, NULL) ||
	    !tdxv__der_take(&v, DER_INTEGER, &version, NULL) || v.n ||
	    !tdxv__der_uint(version, &number) || number != 2)
		return "it is not of X.509 version 3";
	if (!tdxv__der_serial(&tbs, &c->serial) || !tdxv__serial_is_certificates(c->serial))
		return "the serial number is malformed";
	if (!signature_algorithm(&tbs))
		return "the signature algorithm is not ECDSA with SHA-256";
	if (!tdxv__der_take(&tbs, DER_SEQUENCE, &name, &c->issuer) ||
	    !common_name(name, &c->issuer_common_name))
		return "the issuer is malformed";
	if (!tdxv__der_take(&tbs, DER_SEQUENCE, &validity, NULL) ||
	    !tdxv__der_time(&validity, &c->not_before) ||
	    !tdxv__der_time(&validity, &c->not_after) || validity.n)
		return "the validity is malformed";
	if (!tdxv__der_take(&tbs, DER_SEQUENCE, &name, &c->subject) ||
	    !common_name(name, &c->common_name))
		return "the subject is malformed";
	if (!tdxv__der_take(&tbs, DER_SEQUENCE, &spki, NULL) ||
	    !tdxv__der_take(&spki, DER_SEQUENCE, &alg, NULL) ||
	    !is(alg, p256_key, sizeof p256_key) ||
	    !tdxv__der_take(&spki, DER_BIT_STRING, &bits, NULL) || spki.n || bits.n != 66 ||
	    bits.p[0] != 0 || bits.p[1] != 4)
		return "the public key is not an uncompressed P-256 point";
	c->key = bits.p + 2;
	return extensions(c, tbs);
}

static const char *certificate(struct cert *c, struct tdxv_bytes der)
{
	struct tdxv_bytes outer, tbs, bits;

	if (!tdxv__der_take(&der, DER_SEQUENCE, &outer, &c->der) || der.n)
		return "it is not one DER sequence";
	if (!tdxv__der_take(&outer, DER_SEQUENCE, &tbs, &c->tbs))
		return "the part to be signed is malformed";
	if (!signature_algorithm(&outer))
		return "the signature algorithm is not ECDSA with SHA-256";
	if (!tdxv__der_take(&outer, DER_BIT_STRING, &bits, NULL) || outer.n || bits.n < 2 ||
	    bits.p[0] != 0 ||
	    !tdxv__der_signature(tdxv__bytes(bits.p + 1, bits.n - 1), c->signature))
		return "the signature is malformed";
	return to_be_signed(c, tbs);
}

bool tdxv__cert_parse(struct cert *c, struct tdxv_bytes der, struct tdxv_why *why)
{
	const char *wrong;

	memset(c, 0, sizeof *c);
	wrong = certificate(c, der);
	if (wrong)
		tdxv__why(why, "%s", wrong);
	return wrong == NULL;
}

bool tdxv__chain_parse(struct chain *c, struct tdxv_bytes pem, unsigned want, struct tdxv_why *why)
{
	struct tdxv_bytes left = pem;
	uint8_t extra[CERT_DER_MAX];
	char prefix[48] = "certificate ?: ";
	size_t n;
	bool wrong = false;

	c->n = 0;
	if (pem.n == 0) {
		tdxv__why(why, "there is no certificate");
		return false;
	}
	while (c->n < want &&
	       tdxv__pem_next(&left, "CERTIFICATE", c->der[c->n], CERT_DER_MAX, &n, &wrong)) {
		if (!tdxv__cert_parse(&c->cert[c->n], tdxv__bytes(c->der[c->n], n), why)) {
			prefix[12] = (char)('1' + c->n);
			tdxv__why_prefix(why, prefix);
			return false;
		}
		c->n++;
	}
	if (wrong) {
		tdxv__why(why, "certificate %u is no PEM, or is longer than %u bytes", c->n + 1,
			  CERT_DER_MAX);
		return false;
	}
	if (c->n < want) {
		tdxv__why(why, "there are %u certificates, not %u", c->n, want);
		return false;
	}
	if (tdxv__pem_next(&left, "CERTIFICATE", extra, sizeof extra, &n, &wrong) || wrong) {
		tdxv__why(why, "there are more than %u certificates", want);
		return false;
	}
	return true;
}
