#include "tests/differential/edit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOKENS_MAX 8192

struct token {
	size_t at, n;
};

struct tokens {
	size_t n;
	struct token t[TOKENS_MAX];
};

/* The texts are our own and well formed: strings, numbers and words, single signs. */
static void tokenize(struct tokens *out, const uint8_t *s, size_t n)
{
	size_t i = 0, start;

	out->n = 0;
	while (i < n && out->n < TOKENS_MAX) {
		start = i;
		if (s[i] == '"') {
			for (i++; i < n && s[i] != '"'; i++)
				i += s[i] == '\\';
			i++;
		} else if (strchr("{}[]:,", s[i])) {
			i++;
		} else {
			while (i < n && !strchr("{}[]:,\"", s[i]))
				i++;
		}
		i = i < n ? i : n;
		out->t[out->n++] = (struct token){start, i - start};
	}
}

/* The token after the value that begins at token k. */
static size_t value_end(const struct tokens *t, const uint8_t *s, size_t k)
{
	int depth = 0;

	for (; k < t->n; k++) {
		uint8_t c = s[t->t[k].at];

		depth += c == '{' || c == '[';
		depth -= c == '}' || c == ']';
		if (depth <= 0)
			return k + 1;
	}
	return t->n;
}

static void replace(struct buf *out, const uint8_t *s, size_t n, size_t at, size_t old,
		    const void *text, size_t size)
{
	buf_add(out, s, at);
	buf_add(out, text, size);
	buf_add(out, s + at + old, n - at - old);
}

static size_t pick(struct rng *r, const struct tokens *t, const uint8_t *s, const char *first)
{
	size_t start = rng_below(r, t->n), i;

	for (i = 0; i < t->n; i++) {
		size_t k = (start + i) % t->n;

		if (strchr(first, s[t->t[k].at]))
			return k;
	}
	return 0;
}

static const char *edit_space(struct buf *out, struct rng *r, const struct tokens *t,
			      const uint8_t *s, size_t n)
{
	static const char *const space[] = {" ",  "\n", "\t",       "\r",   "\r\n  ",
					    "\f", "\v", "\xc2\xa0", "/**/", "\xef\xbb\xbf"};
	const char *what = space[rng_below(r, 10)];

	replace(out, s, n, t->t[rng_below(r, t->n)].at, 0, what, strlen(what));
	return "white space";
}

static const char *edit_number(struct buf *out, struct rng *r, const struct tokens *t,
			       const uint8_t *s, size_t n)
{
	static const char *const number[] = {
	    "0",          "1",
	    "2",          "3",
	    "4",          "5",
	    "6",          "255",
	    "256",        "65535",
	    "65536",      "4294967295",
	    "4294967296", "18446744073709551616",
	    "-1",         "+1",
	    "1.0",        "5e0",
	    "5E0",        "05",
	    "0x5",        "\"5\"",
	    "",           "true",
	    "null",       "5 5",
	    "[5]",        "340282366920938463463374607431768211461",
	    "00",         "-0",
	    "5.",         "9223372036854775807"};
	const char *what = number[rng_below(r, sizeof number / sizeof number[0])];
	size_t k = pick(r, t, s, "0123456789");

	replace(out, s, n, t->t[k].at, t->t[k].n, what, strlen(what));
	return "another number";
}

static const char *edit_string(struct buf *out, struct rng *r, const struct tokens *t,
			       const uint8_t *s, size_t n)
{
	static const char *const word[] = {"\"UpToDate\"",
					   "\"OutOfDate\"",
					   "\"Revoked\"",
					   "\"SWHardeningNeeded\"",
					   "\"uptodate\"",
					   "\"ConfigurationNeeded\"",
					   "\"OutOfDateConfigurationNeeded\"",
					   "\"TDRelaunchAdvised\"",
					   "\"NotSupported\"",
					   "\"\"",
					   "\"TDX\"",
					   "\"SGX\"",
					   "\"TD_QE\"",
					   "\"TDX_01\"",
					   "\"tdx_01\"",
					   "\"Tdx_01\"",
					   "\"TDX_00\"",
					   "\"TDX_1\"",
					   "\"2026-01-10T00:00:00Z\"",
					   "\"2026-01-10T00:00:00.0Z\"",
					   "\"2026-01-10t00:00:00z\"",
					   "\"2026-02-29T00:00:00Z\"",
					   "\"2024-02-29T00:00:00Z\"",
					   "\"2026-01-10T24:00:00Z\"",
					   "\"2026-01-10T00:00:60Z\"",
					   "\"2026-1-10T00:00:00Z\"",
					   "\"0000-01-01T00:00:00Z\"",
					   "\"9999-12-31T23:59:59Z\"",
					   "\"1969-12-31T23:59:59Z\"",
					   "\"0000\"",
					   "\"0x00\"",
					   "\"90c06f000000\"",
					   "\"90C06F000000\"",
					   "5",
					   "null",
					   "{}",
					   "[]"};
	static const char *const piece[] = {"\\u0055", "\\n",  "\\\"", "\\",       "\n",
					    "\x01",    "\x7f", "\xff", "\xc3\xa9", " ",
					    "A",       "0",    "\""};
	size_t k = pick(r, t, s, "\""), at = t->t[k].at, size = t->t[k].n, i;
	const char *what;
	uint8_t c;

	switch (rng_below(r, 5)) {
	case 0:
		what = word[rng_below(r, sizeof word / sizeof word[0])];
		replace(out, s, n, at, size, what, strlen(what));
		return "another string";
	case 1:
		what = piece[rng_below(r, sizeof piece / sizeof piece[0])];
		replace(out, s, n, at + 1 + rng_below(r, size - 1), 0, what, strlen(what));
		return "something inside a string";
	case 2:
		if (size <= 2)
			break;
		replace(out, s, n, at + 1 + rng_below(r, size - 2), 1, "", 0);
		return "a character less in a string";
	case 3:
		if (size <= 2)
			break;
		i = at + 1 + rng_below(r, size - 2);
		c = (uint8_t)(s[i] ^ 0x20);
		replace(out, s, n, i, 1, &c, 1);
		return "another case in a string";
	default:
		if (size <= 2)
			break;
		i = at + 1 + rng_below(r, size - 2);
		c = (uint8_t)('0' + rng_below(r, 10));
		replace(out, s, n, i, 1, &c, 1);
		return "another digit in a string";
	}
	replace(out, s, n, at, 0, "", 0);
	return "nothing";
}

static const char *const unknown_value[] = {"1",
					    "-1",
					    "-0",
					    "1e5",
					    "9999999999999999999",
					    "-999999999999999999",
					    "-9999999999999999999",
					    "\"\\/\"",
					    "\"\\b\\f\\n\\r\\t\"",
					    "\"\\v\"",
					    "-1.5e+3",
					    "true",
					    "false",
					    "null",
					    "\"text\"",
					    "\"a\\\"b\\\\\"",
					    "\"\\u00e9\"",
					    "{}",
					    "[]",
					    "{\"a\":{\"b\":[1,2,{\"c\":\"}\"}]}}",
					    "[[[[[[[[[[[[1]]]]]]]]]]]]",
					    "[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]",
					    "{\"a\":1,\"a\":2}",
					    "1.2.3",
					    "tru",
					    "[1,]",
					    "{\"a\":1,}",
					    "\"\xc3\xa9\"",
					    "\"open",
					    "{]",
					    "[}",
					    "'x'",
					    "NaN",
					    "\"]\"",
					    "{\"svn\":1}",
					    ""};

static const char *const unknown_name[] = {
    "zz", "zz", "zz", "zz", "Id", "sgxtcbcomp01svn", "sgxtcbcomp", "z\\u0041", "z\\/"};

static const char *edit_member(struct buf *out, struct rng *r, const struct tokens *t,
			       const uint8_t *s, size_t n)
{
	size_t k = pick(r, t, s, ":"), from, to, end;
	char text[256];
	int size;

	if (k == 0) {
		replace(out, s, n, 0, 0, "", 0);
		return "nothing";
	}
	from = t->t[k - 1].at;
	end = value_end(t, s, k + 1);
	to = end < t->n ? t->t[end].at : n;
	switch (rng_below(r, 4)) {
	case 0: /* twice */
		buf_add(out, s, to);
		buf_add(out, ",", 1);
		buf_add(out, s + from, n - from);
		return "a member twice";
	case 1: /* without it, and the comma after it */
		if (end < t->n && s[to] == ',')
			to++;
		replace(out, s, n, from, to - from, "", 0);
		return "a member less";
	case 2:
		size = snprintf(
		    text, sizeof text, "\"%s\":%s,",
		    unknown_name[rng_below(r, sizeof unknown_name / sizeof unknown_name[0])],
		    unknown_value[rng_below(r, sizeof unknown_value / sizeof unknown_value[0])]);
		replace(out, s, n, from, 0, text, (size_t)size);
		return "an unknown member";
	default: /* moved to the front of its object's remaining members: order does not matter */
		if (end + 2 >= t->n || s[to] != ',') {
			replace(out, s, n, 0, 0, "", 0);
			return "nothing";
		}
		{
			size_t next = value_end(t, s, end + 3),
			       last = next < t->n ? t->t[next].at : n;

			buf_add(out, s, from);
			buf_add(out, s + to + 1, last - to - 1);
			buf_add(out, ",", 1);
			buf_add(out, s + from, to - from);
			buf_add(out, s + last, n - last);
		}
		return "two members swapped";
	}
}

static const char *edit_array(struct buf *out, struct rng *r, const struct tokens *t,
			      const uint8_t *s, size_t n)
{
	size_t k = pick(r, t, s, "["), end, from, to;

	from = k + 1 < t->n ? t->t[k + 1].at : n;
	if (s[t->t[k].at] != '[' || s[from] == ']') {
		replace(out, s, n, 0, 0, "", 0);
		return "nothing";
	}
	end = value_end(t, s, k + 1);
	to = t->t[end].at;
	switch (rng_below(r, 4)) {
	case 0:
		buf_add(out, s, to);
		buf_add(out, ",", 1);
		buf_add(out, s + from, n - from);
		return "an array element twice";
	case 1:
		if (s[to] == ',')
			to++;
		replace(out, s, n, from, to - from, "", 0);
		return "an array element less";
	case 2:
		replace(out, s, n, from, t->t[value_end(t, s, k) - 1].at - from, "", 0);
		return "an empty array";
	default: replace(out, s, n, from, 0, "{},", 3); return "an empty object in an array";
	}
}

static const char *edit_token(struct buf *out, struct rng *r, const struct tokens *t,
			      const uint8_t *s, size_t n)
{
	size_t k = rng_below(r, t->n);
	uint8_t c = (uint8_t)rng_below(r, 256);

	switch (rng_below(r, 4)) {
	case 0: replace(out, s, n, t->t[k].at, t->t[k].n, "", 0); return "a token less";
	case 1:
		replace(out, s, n, t->t[k].at, 0, s + t->t[k].at, t->t[k].n);
		return "a token twice";
	case 2: replace(out, s, n, rng_below(r, n), 1, &c, 1); return "another byte";
	default: replace(out, s, n, rng_below(r, 2) ? n : 0, 0, &c, 1); return "a byte outside";
	}
}

static const char *edit_once(struct buf *out, struct rng *r, const uint8_t *s, size_t n)
{
	static struct tokens t;

	tokenize(&t, s, n);
	if (t.n == 0) {
		buf_add(out, s, n);
		return "nothing";
	}
	switch (rng_below(r, 8)) {
	case 0: return edit_space(out, r, &t, s, n);
	case 1: return edit_number(out, r, &t, s, n);
	case 2:
	case 3: return edit_string(out, r, &t, s, n);
	case 4:
	case 5: return edit_member(out, r, &t, s, n);
	case 6: return edit_array(out, r, &t, s, n);
	default: return edit_token(out, r, &t, s, n);
	}
}

void edit_json(struct buf *out, struct rng *r, const uint8_t *text, size_t n, char *what,
	       size_t cap)
{
	struct buf first;
	const char *did;

	if (rng_below(r, 4)) {
		snprintf(what, cap, "%s", edit_once(out, r, text, n));
		return;
	}
	buf_init(&first, out->max);
	did = edit_once(&first, r, text, n);
	snprintf(what, cap, "%s, %s", did, edit_once(out, r, first.p, first.len));
	buf_free(&first);
}
