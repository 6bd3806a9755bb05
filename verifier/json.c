/*
 * Collateral is signed over its exact bytes, so it is read in place: no tree, no allocation, no
 * number conversion by locale. Repeated keys are refused, for two readers may not pick the same
 * one; escapes are refused in strings that are used, for the same reason.
 */
#include "verifier/internal.h"

#include <string.h>

#define NUMBER_DIGITS_MAX 308 /* in front of the point: 10^308 fits into a double */

void tdxv__json_init(struct json *j, struct tdxv_bytes text, struct tdxv_why *why)
{
	*j = (struct json){.all = text, .why = why};
}

bool tdxv__json_fail(struct json *j, const char *what)
{
	if (!j->failed)
		tdxv__why(j->why, "byte %zu: %s", j->at, what);
	j->failed = true;
	return false;
}

static void skip_space(struct json *j)
{
	while (j->at < j->all.n && (j->all.p[j->at] == ' ' || j->all.p[j->at] == '\n' ||
				    j->all.p[j->at] == '\r' || j->all.p[j->at] == '\t'))
		j->at++;
}

uint8_t tdxv__json_peek(struct json *j)
{
	skip_space(j);
	return j->at < j->all.n ? j->all.p[j->at] : 0;
}

static bool take(struct json *j, char c)
{
	if (tdxv__json_peek(j) != (uint8_t)c)
		return false;
	j->at++;
	return true;
}

bool tdxv__json_end(struct json *j)
{
	if (j->failed)
		return false;
	skip_space(j);
	return j->at == j->all.n || tdxv__json_fail(j, "something follows the JSON value");
}

/* \uXXXX at this byte. */
static bool code_unit(const struct json *j, size_t at, unsigned *out)
{
	uint8_t octet[2];

	if (j->all.n - at < 6 || memcmp(j->all.p + at, "\\u", 2) != 0 ||
	    !hex_decode(octet, 2, (const char *)j->all.p + at + 2, 4))
		return false;
	*out = (unsigned)octet[0] << 8 | octet[1];
	return true;
}

/* At the backslash; leaves j->at on the escape's last character. */
static bool escape(struct json *j)
{
	const uint8_t *p = j->all.p + j->at;
	unsigned unit, low;

	if (j->all.n - j->at < 2 || !memchr("\"\\/bfnrtu", p[1], 9))
		return false;
	if (p[1] != 'u') {
		j->at++;
		return true;
	}
	if (!code_unit(j, j->at, &unit))
		return false;
	j->at += 5;
	/* The first half of a pair needs the second, which never comes alone. */
	if (unit >> 10 == 0xd800 >> 10) {
		if (!code_unit(j, j->at + 1, &low) || low >> 10 != 0xdc00 >> 10)
			return false;
		j->at += 6;
	}
	return unit >> 10 != 0xdc00 >> 10;
}

/* s: between the quotes. *plain: no escape in it. */
static bool string(struct json *j, struct tdxv_bytes *s, bool *plain)
{
	size_t start;

	if (!take(j, '"'))
		return tdxv__json_fail(j, "a string is expected");
	*plain = true;
	for (start = j->at; j->at < j->all.n; j->at++) {
		uint8_t c = j->all.p[j->at];

		if (c == '"') {
			*s = tdxv__bytes(j->all.p + start, j->at - start);
			j->at++;
			return true;
		}
		if (c < 0x20)
			return tdxv__json_fail(j, "a control character inside a string");
		if (c == '\\') {
			*plain = false;
			if (!escape(j))
				return tdxv__json_fail(j, "an escape that JSON does not have");
		}
	}
	return tdxv__json_fail(j, "a string without an end");
}

bool tdxv__json_string(struct json *j, struct tdxv_bytes *s)
{
	bool plain = false;

	if (j->failed || !string(j, s, &plain))
		return false;
	return plain || tdxv__json_fail(j, "an escape inside a string that must be plain");
}

static bool enter(struct json *j, char open, const char *expected)
{
	if (j->failed)
		return false;
	if (!take(j, open))
		return tdxv__json_fail(j, expected);
	if (++j->depth > JSON_DEPTH_MAX)
		return tdxv__json_fail(j, "too deeply nested");
	return true;
}

bool tdxv__json_object(struct json *j, struct json_object *o)
{
	o->n = 0;
	return enter(j, '{', "an object is expected");
}

bool tdxv__json_member(struct json *j, struct json_object *o, struct tdxv_bytes *key)
{
	unsigned i;

	if (j->failed)
		return false;
	if (take(j, '}')) {
		j->depth--;
		return false;
	}
	if (o->n && !take(j, ','))
		return tdxv__json_fail(j, "a comma or } is expected");
	if (!tdxv__json_string(j, key))
		return false;
	for (i = 0; i < o->n; i++)
		if (tdxv__bytes_eq(o->key[i], *key))
			return tdxv__json_fail(j, "a member is repeated");
	if (o->n == JSON_KEYS_MAX)
		return tdxv__json_fail(j, "an object with too many members");
	o->key[o->n++] = *key;
	return take(j, ':') || tdxv__json_fail(j, "a colon is expected");
}

bool tdxv__json_array(struct json *j)
{
	return enter(j, '[', "an array is expected");
}

bool tdxv__json_element(struct json *j, bool *first)
{
	if (j->failed)
		return false;
	if (take(j, ']')) {
		j->depth--;
		return false;
	}
	if (!*first && !take(j, ','))
		return tdxv__json_fail(j, "a comma or ] is expected");
	*first = false;
	return true;
}

bool tdxv__json_uint(struct json *j, uint64_t max, uint64_t *out)
{
	uint64_t v = 0;
	size_t start;

	if (j->failed)
		return false;
	skip_space(j);
	for (start = j->at; j->at < j->all.n; j->at++) {
		uint8_t c = j->all.p[j->at];

		if (c < '0' || c > '9')
			break;
		if (j->at - start > 18 || (j->at > start && v == 0))
			return tdxv__json_fail(j, "a number that is too long or begins with 0");
		v = v * 10 + (uint64_t)(c - '0');
	}
	if (j->at == start || (j->at < j->all.n && memchr(".eE", j->all.p[j->at], 3)))
		return tdxv__json_fail(j, "an unsigned integer is expected");
	if (v > max) {
		j->at = start;
		return tdxv__json_fail(j, "a number that is out of range");
	}
	*out = v;
	return true;
}

static bool literal(struct json *j, const char *word)
{
	size_t n = strlen(word);

	skip_space(j);
	if (j->all.n - j->at < n || memcmp(j->all.p + j->at, word, n) != 0)
		return false;
	j->at += n;
	return true;
}

bool tdxv__json_bool(struct json *j, bool *out)
{
	if (j->failed)
		return false;
	*out = literal(j, "true");
	return *out || literal(j, "false") || tdxv__json_fail(j, "true or false is expected");
}

bool tdxv__json_hex(struct json *j, uint8_t *out, size_t n)
{
	struct tdxv_bytes s;

	if (!tdxv__json_string(j, &s))
		return false;
	/* hex_decode() allows 0x in front: the length keeps it out. */
	return (s.n == 2 * n && hex_decode(out, n, (const char *)s.p, s.n)) ||
	       tdxv__json_fail(j, "hex digits are missing, too many, or none");
}

bool tdxv__json_time(struct json *j, int64_t *t)
{
	struct tdxv_bytes s;

	if (!tdxv__json_string(j, &s))
		return false;
	return tdxv_time_parse(t, (const char *)s.p, s.n) ||
	       tdxv__json_fail(j, "a time like 2026-01-31T00:00:00Z is expected");
}

bool tdxv__json_status(struct json *j, enum tdxv_tcb_status *s)
{
	struct tdxv_bytes w;

	if (!tdxv__json_string(j, &w))
		return false;
	return tdxv_tcb_status_parse(s, (const char *)w.p, w.n) ||
	       tdxv__json_fail(j, "an unknown TCB status");
}

/* Returns how many there are. */
static size_t digits(struct json *j)
{
	size_t start = j->at;

	while (j->at < j->all.n && j->all.p[j->at] >= '0' && j->all.p[j->at] <= '9')
		j->at++;
	return j->at - start;
}

/* The value of those digits, or more than limit. */
static size_t value_of(const uint8_t *p, size_t n, size_t limit)
{
	size_t v = 0;

	for (; n && v <= limit; p++, n--)
		v = v * 10 + (size_t)(*p - '0');
	return v;
}

/* One of these characters is next, and is taken. */
static bool one_of(struct json *j, const char *set)
{
	if (j->at == j->all.n || !j->all.p[j->at] || !strchr(set, j->all.p[j->at]))
		return false;
	j->at++;
	return true;
}

/* e+2, e-02; *out stays what it is where there is none, or a negative one. */
static bool exponent(struct json *j, size_t *out)
{
	bool negative;
	size_t n;

	if (!one_of(j, "eE"))
		return true;
	negative = one_of(j, "-");
	if (!negative)
		one_of(j, "+");
	n = digits(j);
	if (!negative)
		*out = value_of(j->all.p + j->at - n, n, NUMBER_DIGITS_MAX);
	return n > 0;
}

/* RFC 8259, section 6; and no more than fits into a double, which other readers make of it. */
static bool number(struct json *j)
{
	size_t whole, power = 0;
	bool ok;

	one_of(j, "-");
	whole = one_of(j, "0") ? 1 : digits(j);
	ok = whole > 0;
	if (ok && one_of(j, "."))
		ok = digits(j) > 0;
	if (!ok || !exponent(j, &power))
		return tdxv__json_fail(j, "a JSON value is expected");
	return whole + power <= NUMBER_DIGITS_MAX ||
	       tdxv__json_fail(j, "a number that may not fit into a double");
}

static bool scalar(struct json *j)
{
	struct tdxv_bytes s;
	bool plain;

	if (tdxv__json_peek(j) == '"')
		return string(j, &s, &plain);
	return literal(j, "true") || literal(j, "false") || literal(j, "null") || number(j);
}

/* Containers are walked with an explicit stack, whose depth is bounded as everywhere else. */
bool tdxv__json_skip(struct json *j, struct tdxv_bytes *raw)
{
	uint8_t kind[JSON_DEPTH_MAX];
	unsigned top = 0, base = j->depth;
	bool want_value = true;
	struct tdxv_bytes key;
	size_t start;
	bool plain;

	if (j->failed)
		return false;
	skip_space(j);
	start = j->at;
	for (;;) {
		/* White space after the value is none of its bytes. */
		uint8_t c = want_value ? tdxv__json_peek(j) : 0;

		if (c == '{' || c == '[') {
			if (base + top >= JSON_DEPTH_MAX)
				return tdxv__json_fail(j, "too deeply nested");
			j->at++;
			kind[top++] = c;
			if (take(j, c == '{' ? '}' : ']'))
				top--, want_value = false;
			else if (c == '{' && !(string(j, &key, &plain) && take(j, ':')))
				return tdxv__json_fail(j, "a member is malformed");
		} else if (want_value) {
			if (!scalar(j))
				return false;
			want_value = false;
		}
		if (want_value)
			continue;
		if (top == 0)
			break;
		if (take(j, ',')) {
			want_value = true;
			if (kind[top - 1] == '{' && !(string(j, &key, &plain) && take(j, ':')))
				return tdxv__json_fail(j, "a member is malformed");
		} else if (take(j, kind[top - 1] == '{' ? '}' : ']')) {
			top--;
		} else {
			return tdxv__json_fail(j, "a comma or an end is expected");
		}
	}
	if (raw)
		*raw = tdxv__bytes(j->all.p + start, j->at - start);
	return true;
}

bool tdxv__json_canonical(struct json *j)
{
	bool inside = false, negative = false;
	size_t run = 0; /* digits up to here */

	for (; j->at < j->all.n; j->at++) {
		uint8_t c = j->all.p[j->at];
		uint8_t next = j->at + 1 < j->all.n ? j->all.p[j->at + 1] : 0;

		if (inside && c == '\\') {
			if (next == 'u' || next == '/')
				return tdxv__json_fail(j, "an escape that has a shorter spelling");
			j->at++;
			continue;
		}
		if (c == '"')
			inside = !inside;
		if (inside)
			continue;
		if (c <= ' ')
			return tdxv__json_fail(j, "white space inside the signed body");
		if (c == '.' || c == 'E' || (c == 'e' && run) || (c == '-' && next == '0'))
			return tdxv__json_fail(j, "a number that is not written as an integer");
		if (c < '0' || c > '9') {
			run = 0;
			negative = c == '-';
		} else if (++run > (negative ? 18 : 19)) {
			return tdxv__json_fail(j, "a number that may not fit into 64 bits");
		}
	}
	j->at = 0;
	return true;
}

bool tdxv__json_signed(struct tdxv_bytes text, const char *name, struct tdxv_bytes *body,
		       uint8_t signature[64], struct tdxv_why *why)
{
	bool has_body = false, has_signature = false;
	struct json_object o;
	struct tdxv_bytes key;
	struct json j;

	tdxv__json_init(&j, text, why);
	if (text.n == 0)
		return tdxv__json_fail(&j, "there is nothing");
	tdxv__json_object(&j, &o);
	while (tdxv__json_member(&j, &o, &key)) {
		if (tdxv__bytes_are(key, name)) {
			if (tdxv__json_peek(&j) != '{')
				return tdxv__json_fail(&j, "the body is no object");
			has_body = tdxv__json_skip(&j, body);
		} else if (tdxv__bytes_are(key, "signature")) {
			has_signature = tdxv__json_hex(&j, signature, 64);
		} else {
			tdxv__json_skip(&j, NULL);
		}
	}
	if (!tdxv__json_end(&j))
		return false;
	return (has_body && has_signature) ||
	       tdxv__json_fail(&j, has_body ? "there is no signature" : "there is no body");
}
