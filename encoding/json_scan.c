#include "encoding/json_scan.h"

#include <endian.h>
#include <stdio.h>
#include <string.h>

/* What the next byte may be. */
enum mode {
	VALUE,
	FIRST_ELEMENT, /* a value or ']' */
	FIRST_KEY,     /* a key or '}' */
	KEY,
	COLON,
	NEXT, /* ',' or the closing bracket */
	STRING,
	ESCAPE,
	ESCAPE_HEX,
	LITERAL,
	MINUS,
	ZERO,
	INTEGER,
	POINT,
	FRACTION,
	EXPONENT,
	EXPONENT_SIGN,
	EXPONENT_DIGITS,
	TRAILER, /* white space only */
};

static const char *const expected[] = {
    [VALUE] = "a value",
    [FIRST_ELEMENT] = "a value or ']'",
    [FIRST_KEY] = "a key or '}'",
    [KEY] = "a key",
    [COLON] = "':'",
    [NEXT] = "',' or a closing bracket",
    [STRING] = "a character of a string",
    [ESCAPE] = "an escape (one of \"\\/bfnrtu)",
    [ESCAPE_HEX] = "a hexadecimal digit",
    [LITERAL] = "true, false or null",
    [MINUS] = "a digit",
    [ZERO] = "the end of a number that starts with 0",
    [INTEGER] = "a digit",
    [POINT] = "a digit",
    [FRACTION] = "a digit",
    [EXPONENT] = "a digit or a sign",
    [EXPONENT_SIGN] = "a digit",
    [EXPONENT_DIGITS] = "a digit",
    [TRAILER] = "nothing but white space after the value",
};

static const char *const literals[] = {"true", "false", "null"};

void json_scan_init(struct json_scan *s, unsigned depth_max, bool check_utf8)
{
	if (depth_max > JSON_SCAN_DEPTH_MAX)
		depth_max = JSON_SCAN_DEPTH_MAX;
	*s = (struct json_scan){
	    .mode = VALUE,
	    .depth_max = (uint16_t)depth_max,
	    .check_utf8 = check_utf8,
	};
}

static bool is_space(uint8_t c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static bool is_hex(uint8_t c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool inside_object(const struct json_scan *s)
{
	unsigned level = s->depth - 1u;

	return s->is_object[level / 64] >> (level % 64) & 1;
}

static bool open_container(struct json_scan *s, bool object)
{
	uint64_t bit = (uint64_t)1 << (s->depth % 64);
	uint64_t *word = &s->is_object[s->depth / 64];

	if (s->depth == s->depth_max)
		return false;
	*word = object ? *word | bit : *word & ~bit;
	s->depth++;
	s->mode = object ? FIRST_KEY : FIRST_ELEMENT;
	return true;
}

/* A value has ended before offset `end`. */
static void value_ended(struct json_scan *s, uint64_t end, bool number)
{
	if (s->depth) {
		s->mode = NEXT;
		return;
	}
	s->mode = TRAILER;
	s->used = end;
	if (!number)
		s->state = JSON_SCAN_DONE;
}

static bool close_container(struct json_scan *s, uint8_t c)
{
	if (c != (inside_object(s) ? '}' : ']'))
		return false;
	s->depth--;
	value_ended(s, s->at + 1, false);
	return true;
}

static bool start_string(struct json_scan *s, bool key)
{
	s->mode = STRING;
	s->in_key = key;
	return true;
}

static bool start_literal(struct json_scan *s, uint8_t which)
{
	s->mode = LITERAL;
	s->literal = which;
	s->literal_at = 1;
	return true;
}

static bool start_value(struct json_scan *s, uint8_t c)
{
	if (!s->first)
		s->first = c;
	switch (c) {
	case '{': return open_container(s, true);
	case '[': return open_container(s, false);
	case '"': return start_string(s, false);
	case 't': return start_literal(s, 0);
	case 'f': return start_literal(s, 1);
	case 'n': return start_literal(s, 2);
	case '-': s->mode = MINUS; return true;
	case '0': s->mode = ZERO; return true;
	default: break;
	}
	s->mode = INTEGER;
	return is_digit(c);
}

/* The ranges of Unicode 15, table 3-7: no surrogates, nothing overlong, nothing above 10FFFF. */
static bool utf8_byte(struct json_scan *s, uint8_t c)
{
	if (s->utf8_left) {
		if (c < s->utf8_low || c > s->utf8_high)
			return false;
		s->utf8_left--;
	} else if (c >= 0xc2 && c <= 0xf4) {
		s->utf8_left = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
		s->utf8_low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
		s->utf8_high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
		return true;
	} else if (c >= 0x80) {
		return false;
	}
	s->utf8_low = 0x80;
	s->utf8_high = 0xbf;
	return true;
}

static bool string_byte(struct json_scan *s, uint8_t c)
{
	if (s->check_utf8 && (s->utf8_left || c >= 0x80))
		return utf8_byte(s, c);
	if (c == '"') {
		if (s->in_key)
			s->mode = COLON;
		else
			value_ended(s, s->at + 1, false);
	} else if (c == '\\') {
		s->mode = ESCAPE;
	}
	return c >= 0x20;
}

static bool escape_byte(struct json_scan *s, uint8_t c)
{
	switch (c) {
	case '"':
	case '\\':
	case '/':
	case 'b':
	case 'f':
	case 'n':
	case 'r':
	case 't': s->mode = STRING; return true;
	case 'u':
		s->mode = ESCAPE_HEX;
		s->hex_left = 4;
		return true;
	default: return false;
	}
}

static bool literal_byte(struct json_scan *s, uint8_t c)
{
	const char *word = literals[s->literal];

	if (c != (uint8_t)word[s->literal_at])
		return false;
	if (!word[++s->literal_at])
		value_ended(s, s->at + 1, false);
	return true;
}

/* What a byte makes of a number: true if it belongs to it; else the number has ended if it could.
 */
static bool number_byte(struct json_scan *s, uint8_t c, bool *complete)
{
	bool digit = is_digit(c);

	*complete = false;
	switch ((enum mode)s->mode) {
	case MINUS: s->mode = c == '0' ? ZERO : digit ? INTEGER : MINUS; return digit;
	case POINT: s->mode = digit ? FRACTION : POINT; return digit;
	case EXPONENT:
		if (c == '+' || c == '-') {
			s->mode = EXPONENT_SIGN;
			return true;
		}
		s->mode = digit ? EXPONENT_DIGITS : EXPONENT;
		return digit;
	case EXPONENT_SIGN: s->mode = digit ? EXPONENT_DIGITS : EXPONENT_SIGN; return digit;
	case ZERO:
	case INTEGER:
		if (c == '.') {
			s->mode = POINT;
			return true;
		}
		if (c == 'e' || c == 'E') {
			s->mode = EXPONENT;
			return true;
		}
		*complete = s->mode == INTEGER || !digit;
		return s->mode == INTEGER && digit;
	case FRACTION:
		if (c == 'e' || c == 'E') {
			s->mode = EXPONENT;
			return true;
		}
		*complete = true;
		return digit;
	case EXPONENT_DIGITS: *complete = true; return digit;
	case VALUE:
	case FIRST_ELEMENT:
	case FIRST_KEY:
	case KEY:
	case COLON:
	case NEXT:
	case STRING:
	case ESCAPE:
	case ESCAPE_HEX:
	case LITERAL:
	case TRAILER: break;
	}
	return false;
}

/* One byte; false if it cannot come here. */
static bool scan_byte(struct json_scan *s, uint8_t c)
{
	bool complete;

	switch ((enum mode)s->mode) {
	case VALUE: return is_space(c) || start_value(s, c);
	case FIRST_ELEMENT:
		return is_space(c) || (c == ']' ? close_container(s, c) : start_value(s, c));
	case FIRST_KEY:
		if (c == '}')
			return close_container(s, c);
		return is_space(c) || (c == '"' && start_string(s, true));
	case KEY: return is_space(c) || (c == '"' && start_string(s, true));
	case COLON:
		if (c == ':')
			s->mode = VALUE;
		return c == ':' || is_space(c);
	case NEXT:
		if (c == ',') {
			s->mode = inside_object(s) ? KEY : VALUE;
			return true;
		}
		return is_space(c) || close_container(s, c);
	case STRING: return string_byte(s, c);
	case ESCAPE: return escape_byte(s, c);
	case ESCAPE_HEX:
		if (--s->hex_left == 0)
			s->mode = STRING;
		return is_hex(c);
	case LITERAL: return literal_byte(s, c);
	case MINUS:
	case ZERO:
	case INTEGER:
	case POINT:
	case FRACTION:
	case EXPONENT:
	case EXPONENT_SIGN:
	case EXPONENT_DIGITS:
		if (number_byte(s, c, &complete))
			return true;
		if (!complete)
			return false;
		value_ended(s, s->at, true);
		return is_space(c) || (s->mode == NEXT && scan_byte(s, c));
	case TRAILER: return is_space(c);
	}
	return false;
}

static size_t string_run(const struct json_scan *s, const uint8_t *p, size_t n)
{
	uint8_t limit = s->check_utf8 ? 0x80 : 0xff;
	size_t i = 0;

	while (i < n && p[i] >= 0x20 && p[i] < limit && p[i] != '"' && p[i] != '\\')
		i++;
	return i;
}

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* A mark (0x80) for each byte of v that is c; v has no byte over 0x7f. */
static uint64_t marks_of(uint64_t v, uint8_t c)
{
	return ~((v ^ EACH(c)) + EACH(0x7f)) & EACH(0x80);
}

/* Eight bytes of an array of plain numbers at a time, by marks in the byte that they are about.
 * False, and nothing changed: something else is among them. */
static bool number_word(enum mode *mode, const uint8_t *p)
{
	uint64_t v, comma, digit, begin, lone_zero;

	memcpy(&v, p, sizeof v);
	v = le64toh(v);
	if (v & EACH(0x80))
		return false;
	comma = marks_of(v, ',');
	digit = (v + EACH(0x80 - '0')) & ~(v + EACH(0x80 - '9' - 1)) & EACH(0x80);
	if ((comma | digit) != EACH(0x80))
		return false;
	begin = comma << 8 | (*mode == VALUE ? 0x80 : 0);
	lone_zero = begin & marks_of(v, '0');
	if (begin & comma || (lone_zero << 8 | (*mode == ZERO ? 0x80 : 0)) & digit)
		return false;
	*mode = comma >> 63 ? VALUE : lone_zero >> 63 ? ZERO : INTEGER;
	return true;
}

/* [12,0,255,... */
static size_t number_run(struct json_scan *s, const uint8_t *p, size_t n)
{
	enum mode mode = (enum mode)s->mode;
	size_t i = 0;

	while (n - i >= 8 && number_word(&mode, p + i))
		i += 8;
	for (; i < n; i++) {
		if (mode == VALUE && is_digit(p[i]))
			mode = p[i] == '0' ? ZERO : INTEGER;
		else if (mode != VALUE && p[i] == ',')
			mode = VALUE;
		else if (mode != INTEGER || !is_digit(p[i]))
			break;
	}
	s->mode = (uint8_t)mode;
	return i;
}

/* Byte vectors and long strings are nearly all of a large input: the two get a short way. */
static size_t fast_run(struct json_scan *s, const uint8_t *p, size_t n)
{
	if (s->mode == STRING && !s->utf8_left)
		return string_run(s, p, n);
	if ((s->mode == INTEGER || s->mode == ZERO || s->mode == VALUE) && s->depth &&
	    !inside_object(s))
		return number_run(s, p, n);
	return 0;
}

static const char *byte_in_words(char out[16], uint8_t c)
{
	if (c > 0x20 && c < 0x7f)
		snprintf(out, 16, "'%c'", c);
	else
		snprintf(out, 16, "the byte %u", c);
	return out;
}

static enum json_scan_state found_wrong(struct json_scan *s, enum mode mode, uint8_t c,
					struct why *why)
{
	unsigned long long at = s->at;
	char word[16];

	s->state = JSON_SCAN_WRONG;
	s->used = s->at;
	if ((c == '{' || c == '[') && (mode == VALUE || mode == FIRST_ELEMENT))
		why_set(why, "byte %llu: nested more than %u deep", at, s->depth_max);
	else if (mode == STRING && c >= 0x20)
		why_set(why, "byte %llu: not UTF-8: %s does not belong here", at,
			byte_in_words(word, c));
	else
		why_set(why, "byte %llu: expected %s, found %s", at, expected[mode],
			byte_in_words(word, c));
	return s->state;
}

enum json_scan_state json_scan_feed_value(struct json_scan *s, const void *bytes, size_t n,
					  size_t *taken, struct why *why)
{
	const uint8_t *p = bytes;
	size_t i = 0, run;
	enum mode mode;

	*taken = 0;
	if (s->state == JSON_SCAN_WRONG) {
		why_set(why, "not JSON since byte %llu", (unsigned long long)s->used);
		return s->state;
	}
	while (i < n && s->state != JSON_SCAN_DONE) {
		run = fast_run(s, p + i, n - i);
		i += run;
		s->at += run;
		if (i == n)
			break;
		mode = (enum mode)s->mode;
		if (!scan_byte(s, p[i])) {
			if (s->mode == TRAILER || s->mode == NEXT)
				mode = (enum mode)s->mode;
			return found_wrong(s, mode, p[i], why);
		}
		i++;
		s->at++;
	}
	if (s->mode != TRAILER)
		s->used = s->at;
	*taken = i;
	return s->state;
}

/* After the value: white space alone. */
static enum json_scan_state feed_trailer(struct json_scan *s, const uint8_t *p, size_t n,
					 struct why *why)
{
	size_t i;

	for (i = 0; i < n; i++, s->at++)
		if (!is_space(p[i]))
			return found_wrong(s, TRAILER, p[i], why);
	return s->state;
}

enum json_scan_state json_scan_feed(struct json_scan *s, const void *bytes, size_t n,
				    struct why *why)
{
	size_t taken;

	if (json_scan_feed_value(s, bytes, n, &taken, why) != JSON_SCAN_DONE)
		return s->state;
	return feed_trailer(s, (const uint8_t *)bytes + taken, n - taken, why);
}

enum json_scan_state json_scan_end(struct json_scan *s, struct why *why)
{
	bool complete;

	if (s->state == JSON_SCAN_WRONG) {
		why_set(why, "not JSON since byte %llu", (unsigned long long)s->used);
		return s->state;
	}
	/* A number is complete if white space could follow. */
	if (s->state == JSON_SCAN_MORE && s->depth == 0 &&
	    (s->mode == TRAILER || (!number_byte(s, ' ', &complete) && complete))) {
		s->mode = TRAILER;
		s->state = JSON_SCAN_DONE;
	}
	if (s->state == JSON_SCAN_MORE) {
		why_set(why, "the text ends at byte %llu where %s was expected",
			(unsigned long long)s->at, expected[s->mode]);
		s->state = JSON_SCAN_WRONG;
	}
	return s->state;
}
