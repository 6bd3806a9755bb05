#include "protocol/json_read.h"

#include "encoding/utf8.h"

#include <string.h>

const char *json_read_type_name(enum json_type type)
{
	switch (type) {
	case JSON_NULL: return "null";
	case JSON_BOOL: return "a boolean";
	case JSON_NUMBER: return "a number";
	case JSON_STRING: return "a string";
	case JSON_ARRAY: return "an array";
	case JSON_OBJECT: return "an object";
	}
	return "?";
}

void json_read_init(struct json_read *r, struct span valid_text)
{
	*r = (struct json_read){
	    .start = valid_text.p,
	    .p = valid_text.p,
	    .end = valid_text.p + valid_text.n,
	};
}

static void skip_space(struct json_read *r)
{
	while (r->p < r->end && (*r->p == ' ' || *r->p == '\n' || *r->p == '\r' || *r->p == '\t'))
		r->p++;
}

enum json_type json_read_peek(struct json_read *r)
{
	skip_space(r);
	switch (r->p < r->end ? *r->p : 'n') {
	case '{': return JSON_OBJECT;
	case '[': return JSON_ARRAY;
	case '"': return JSON_STRING;
	case 't':
	case 'f': return JSON_BOOL;
	case 'n': return JSON_NULL;
	default: return JSON_NUMBER;
	}
}

size_t json_read_offset(const struct json_read *r)
{
	return (size_t)(r->p - r->start);
}

void json_read_enter(struct json_read *r)
{
	skip_space(r);
	if (r->p < r->end)
		r->p++;
	r->depth++;
}

bool json_read_more(struct json_read *r)
{
	skip_space(r);
	if (r->p < r->end && *r->p == ',') {
		r->p++;
		skip_space(r);
	}
	if (r->p < r->end && *r->p != ']' && *r->p != '}')
		return true;
	if (r->p < r->end)
		r->p++;
	r->depth--;
	return false;
}

struct span json_read_string(struct json_read *r)
{
	const uint8_t *from = ++r->p;

	while (r->p < r->end && *r->p != '"')
		r->p += *r->p == '\\' && r->end - r->p > 1 ? 2 : 1;
	if (r->p == r->end)
		return span_of(from, (size_t)(r->end - from));
	return span_of(from, (size_t)(r->p++ - from));
}

struct span json_read_key(struct json_read *r)
{
	struct span raw = json_read_string(r);

	skip_space(r);
	if (r->p < r->end)
		r->p++;
	return raw;
}

/* Where a value may end: by a bracket or a string's quote anywhere, by the others outside. */
enum { INSIDE = 1, OUTSIDE = 2 };
static const uint8_t stops[256] = {
    ['"'] = INSIDE,  ['{'] = INSIDE,  ['}'] = INSIDE,   ['['] = INSIDE,   [']'] = INSIDE,
    [','] = OUTSIDE, [' '] = OUTSIDE, ['\n'] = OUTSIDE, ['\r'] = OUTSIDE, ['\t'] = OUTSIDE,
};

struct span json_read_value(struct json_read *r)
{
	const uint8_t *from;
	unsigned open = 0;

	json_read_peek(r);
	from = r->p;
	while (r->p < r->end) {
		uint8_t c = *r->p;

		if (!(stops[c] & (open ? INSIDE : INSIDE | OUTSIDE))) {
			r->p++;
			continue;
		}
		if (c == '"') {
			json_read_string(r);
		} else if (c == '{' || c == '[') {
			open++;
			r->p++;
		} else if (c == '}' || c == ']') {
			if (open == 0)
				break;
			open--;
			r->p++;
		}
		if (open == 0)
			break;
	}
	return span_of(from, (size_t)(r->p - from));
}

size_t json_read_plain_bytes(struct json_read *r, uint8_t *out, size_t max)
{
	const uint8_t *p = r->p;
	size_t n = 0;

	/* Behind a comma there is another element, so that the last one is never taken here. */
	while (n < max && r->end - p >= 4) {
		unsigned value = p[0] - (unsigned)'0', digit = p[1] - (unsigned)'0';

		if (value > 9)
			break;
		if (digit > 9) {
			p += 1;
		} else {
			value = value * 10 + digit;
			digit = p[2] - (unsigned)'0';
			if (digit <= 9)
				value = value * 10 + digit;
			p += digit <= 9 ? 3 : 2;
		}
		if (*p != ',' || value > UINT8_MAX)
			break;
		out[n++] = (uint8_t)value;
		r->p = ++p;
	}
	return n;
}

static size_t utf8_encode(uint8_t out[4], uint32_t code)
{
	if (code < 0x80) {
		out[0] = (uint8_t)code;
		return 1;
	}
	if (code < 0x800) {
		out[0] = (uint8_t)(0xc0 | code >> 6);
		out[1] = (uint8_t)(0x80 | (code & 0x3f));
		return 2;
	}
	if (code < 0x10000) {
		out[0] = (uint8_t)(0xe0 | code >> 12);
		out[1] = (uint8_t)(0x80 | (code >> 6 & 0x3f));
		out[2] = (uint8_t)(0x80 | (code & 0x3f));
		return 3;
	}
	out[0] = (uint8_t)(0xf0 | code >> 18);
	out[1] = (uint8_t)(0x80 | (code >> 12 & 0x3f));
	out[2] = (uint8_t)(0x80 | (code >> 6 & 0x3f));
	out[3] = (uint8_t)(0x80 | (code & 0x3f));
	return 4;
}

/* A \uXXXX at the front of raw, taken off. */
static bool take_unit(struct span *raw, uint32_t *unit)
{
	uint8_t b[2];

	if (raw->n < 6 || raw->p[0] != '\\' || raw->p[1] != 'u' ||
	    !hex_decode(b, 2, (const char *)raw->p + 2, 4))
		return false;
	*unit = (uint32_t)b[0] << 8 | b[1];
	raw->p += 6;
	raw->n -= 6;
	return true;
}

static enum json_char take_escape(struct span *raw, uint8_t out[4], size_t *n)
{
	static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
	uint32_t unit, low;
	const char *at;

	if (raw->n < 2)
		return JSON_CHAR_BAD;
	if (raw->p[1] != 'u') {
		at = memchr(letters, raw->p[1], sizeof letters - 1);
		if (!at)
			return JSON_CHAR_BAD;
		out[0] = (uint8_t)meanings[at - letters];
		*n = 1;
		raw->p += 2;
		raw->n -= 2;
		return JSON_CHAR;
	}
	if (!take_unit(raw, &unit))
		return JSON_CHAR_BAD;
	if (unit >= 0xd800 && unit < 0xe000) {
		if (unit >= 0xdc00 || !take_unit(raw, &low) || low < 0xdc00 || low >= 0xe000)
			return JSON_CHAR_BAD;
		unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
	}
	*n = utf8_encode(out, unit);
	return JSON_CHAR;
}

enum json_char json_read_next_char(struct span *raw, uint8_t out[4], size_t *n)
{
	if (raw->n == 0)
		return JSON_CHAR_END;
	if (raw->p[0] == '\\')
		return take_escape(raw, out, n);
	*n = utf8_sequence(*raw);
	if (*n == 0)
		return JSON_CHAR_BAD;
	memcpy(out, raw->p, *n);
	raw->p += *n;
	raw->n -= *n;
	return JSON_CHAR;
}

bool json_read_string_is(struct span raw, const char *text)
{
	enum json_char got;
	uint8_t c[4];
	size_t n;

	while ((got = json_read_next_char(&raw, c, &n)) == JSON_CHAR) {
		if (strncmp(text, (const char *)c, n) != 0 || strlen(text) < n)
			return false;
		text += n;
	}
	return got == JSON_CHAR_END && *text == '\0';
}
