#include "verifier/internal.h"

#include <string.h>

bool tdxv__der_any(struct tdxv_bytes *in, uint8_t *tag, struct tdxv_bytes *value,
		   struct tdxv_bytes *whole)
{
	const uint8_t *p = in->p;
	size_t head = 2, len, i, octets;

	/* No element of an Intel certificate or CRL has a tag above 30. */
	if (in->n < 2 || (p[0] & 0x1f) == 0x1f)
		return false;
	len = p[1];
	if (len & 0x80) {
		octets = len & 0x7f;
		if (octets == 0 || octets > 3 || in->n - 2 < octets)
			return false;
		len = 0;
		for (i = 0; i < octets; i++)
			len = len << 8 | p[2 + i];
		head += octets;
		/* DER: the shortest form only. */
		if (len < 0x80 || p[2] == 0)
			return false;
	}
	if (len > in->n - head)
		return false;
	*tag = p[0];
	*value = (struct tdxv_bytes){p + head, len};
	if (whole)
		*whole = (struct tdxv_bytes){p, head + len};
	*in = (struct tdxv_bytes){p + head + len, in->n - head - len};
	return true;
}

bool tdxv__der_take(struct tdxv_bytes *in, uint8_t tag, struct tdxv_bytes *value,
		    struct tdxv_bytes *whole)
{
	uint8_t found;

	return tdxv__der_peek(*in, tag) && tdxv__der_any(in, &found, value, whole);
}

bool tdxv__der_peek(struct tdxv_bytes in, uint8_t tag)
{
	return in.n > 0 && in.p[0] == tag;
}

/* In its shortest form, and not negative. */
static bool integer_is_canonical(struct tdxv_bytes v)
{
	if (v.n == 0 || v.p[0] & 0x80)
		return false;
	return v.n == 1 || v.p[0] != 0 || v.p[1] & 0x80;
}

bool tdxv__der_uint(struct tdxv_bytes v, uint64_t *out)
{
	uint64_t x = 0;
	size_t i;

	if (!integer_is_canonical(v) || v.n > 9 || (v.n == 9 && v.p[0] != 0))
		return false;
	for (i = 0; i < v.n; i++)
		x = x << 8 | v.p[i];
	*out = x;
	return true;
}

bool tdxv__der_oid(struct tdxv_bytes *in, struct tdxv_bytes *out)
{
	bool begins = true; /* a number, whose first octet is not 0x80 and whose last is below it */
	size_t i;

	if (!tdxv__der_take(in, DER_OID, out, NULL) || out->n == 0)
		return false;
	for (i = 0; i < out->n; i++) {
		if (begins && out->p[i] == 0x80)
			return false;
		begins = out->p[i] < 0x80;
	}
	return begins;
}

bool tdxv__der_serial(struct tdxv_bytes *in, struct tdxv_bytes *out)
{
	return tdxv__der_take(in, DER_INTEGER, out, NULL) && integer_is_canonical(*out);
}

bool tdxv__serial_is_certificates(struct tdxv_bytes v)
{
	return v.n <= 20 || (v.n == 21 && v.p[0] == 0);
}

static bool two_digits(const uint8_t *p, int *out)
{
	if (p[0] < '0' || p[0] > '9' || p[1] < '0' || p[1] > '9')
		return false;
	*out = (p[0] - '0') * 10 + (p[1] - '0');
	return true;
}

bool tdxv__der_time(struct tdxv_bytes *in, int64_t *t)
{
	struct tdxv_bytes v;
	int century, year, month, day, hour, minute, second;
	uint8_t tag;

	if (!tdxv__der_any(in, &tag, &v, NULL))
		return false;
	if (tag == DER_UTC_TIME && v.n == 13) {
		if (!two_digits(v.p, &year))
			return false;
		century = year >= 50 ? 19 : 20;
	} else if (tag == DER_GENERALIZED_TIME && v.n == 15) {
		if (!two_digits(v.p, &century) || !two_digits(v.p + 2, &year))
			return false;
		v.p += 2;
	} else {
		return false;
	}
	return two_digits(v.p + 2, &month) && two_digits(v.p + 4, &day) &&
	       two_digits(v.p + 6, &hour) && two_digits(v.p + 8, &minute) &&
	       two_digits(v.p + 10, &second) && v.p[12] == 'Z' &&
	       tdxv__civil_time(t, century * 100 + year, month, day, hour, minute, second);
}

static bool scalar(struct tdxv_bytes *in, uint8_t out[32])
{
	struct tdxv_bytes v;

	if (!tdxv__der_take(in, DER_INTEGER, &v, NULL) || !integer_is_canonical(v))
		return false;
	if (v.n == 33 && v.p[0] == 0)
		v = (struct tdxv_bytes){v.p + 1, 32}; /* the sign octet is no part of the number */
	if (v.n > 32)
		return false; /* 2^256 and more: never taken modulo anything */
	memset(out, 0, 32 - v.n);
	memcpy(out + 32 - v.n, v.p, v.n);
	return true;
}

bool tdxv__der_signature(struct tdxv_bytes der, uint8_t rs[64])
{
	struct tdxv_bytes seq;

	return tdxv__der_take(&der, DER_SEQUENCE, &seq, NULL) && der.n == 0 && scalar(&seq, rs) &&
	       scalar(&seq, rs + 32) && seq.n == 0;
}
