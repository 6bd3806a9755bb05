#include "tests/differential/edit.h"

#include <stdio.h>
#include <string.h>

/* Wraps base64 lines at a width (0: one long line), with a line end. */
static void wrap_lines(struct buf *out, const uint8_t *s, size_t n, size_t width, const char *end)
{
	size_t column = 0, i;
	bool dashes = false;

	for (i = 0; i < n; i++) {
		if (s[i] == '\n') {
			/* Between base64 lines the old ends go, around the dashes they stay. */
			if (dashes || (i + 1 < n && s[i + 1] == '-'))
				buf_add_str(out, end);
			column = 0;
			dashes = false;
			continue;
		}
		dashes = dashes || s[i] == '-';
		if (width && !dashes && column == width) {
			buf_add_str(out, end);
			column = 0;
		}
		buf_add(out, s + i, 1);
		column++;
	}
}

static const char *whole(struct buf *out, struct rng *r, const uint8_t *s, size_t n)
{
	static const size_t width[] = {0, 1, 3, 4, 5, 48, 63, 64, 64, 64, 65, 76, 77, 100};

	wrap_lines(out, s, n, width[rng_below(r, sizeof width / sizeof width[0])],
		   rng_below(r, 4) ? "\n" : "\r\n");
	return "lines of another length";
}

static const char *at_random(struct buf *out, struct rng *r, const uint8_t *s, size_t n)
{
	static const char *const piece[] = {
	    "\n", "\r", "\r\n", " ",    "\t",   "=", "==",    "===", "-",  "A", "AA", "AAA", "AAAA",
	    "",   "_",  "*",    "\x80", "\xff", ":", "-----", "\v",  "\f", "@", "[",  "`",   "{"};
	const char *p = piece[rng_below(r, sizeof piece / sizeof piece[0])];
	size_t at, old = rng_below(r, 3);

	/* Near the ends of the leaf's text, or anywhere in it. */
	at = rng_below(r, 3) ? rng_below(r, n / 3) : rng_below(r, 60);
	if (at + old > n)
		old = 0;
	buf_add(out, s, at);
	buf_add_str(out, p);
	if (rng_below(r, 40) == 0)
		buf_add(out, "", 1);
	buf_add(out, s + at + old, n - at - old);
	return "a piece of text";
}

static const uint8_t *end_of_leaf(const uint8_t *s, size_t n)
{
	const uint8_t *p = memmem(s, n, "-----END", 8);

	return p ? p : s + n;
}

/* The last characters of the leaf's base64, where padding and loose bits are. */
static const char *at_end(struct buf *out, struct rng *r, const uint8_t *s, size_t n)
{
	static const char *const tail[] = {"",      "=",    "==",   "===",  "\n=",  "=\n=", "A",
					   "A=",    "A==",  "AA==", "AB==", "AAA=", "AAB=", "AAAA",
					   "AAAAA", "====", "/w==", "//8=", "\n\n", " \n"};
	size_t end = (size_t)(end_of_leaf(s, n) - s), cut = rng_below(r, 6);
	const char *p = tail[rng_below(r, sizeof tail / sizeof tail[0])];

	cut = cut < end ? cut : 0;
	buf_add(out, s, end - cut);
	buf_add_str(out, p);
	if (rng_below(r, 2))
		buf_add_str(out, "\n");
	buf_add(out, s + end, n - end);
	return "another end of the base64";
}

/* A character that gives the same six bits to a decoder which does not look at ranges. */
static const char *look_alike(struct buf *out, struct rng *r, const uint8_t *s, size_t n)
{
	static const char real[] = "+/ACDEabcdef0123/B", like[] = ":;<>?@[\\]^_`{|}~,.";
	size_t end = (size_t)(end_of_leaf(s, n) - s), at = 28 + rng_below(r, end - 28), k = 0, i;

	for (; at < end; at++) {
		k = rng_below(r, sizeof real - 1);
		for (i = 0; i < sizeof real - 1 && s[at] != real[k]; i++)
			k = (k + 1) % (sizeof real - 1);
		if (s[at] == real[k])
			break;
	}
	buf_add(out, s, at);
	if (at < end)
		buf_add(out, like + k, 1);
	buf_add(out, s + at + (at < end), n - at - (at < end));
	return "a look-alike character";
}

static const char *blocks(struct buf *out, struct rng *r, const uint8_t *s, size_t n)
{
	static const char *const text[] = {
	    "text before\n",
	    "\n",
	    " ",
	    "\r\n\r\n",
	    "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n",
	    "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
	    "-----BEGIN CERTIFICATE----\n",
	    "-----BEGIN CERTIFICATE-----\n",
	    "0",
	    "-----BEGIN TRUSTED CERTIFICATE-----\n"};
	const char *p = text[rng_below(r, sizeof text / sizeof text[0])];
	const uint8_t *second = end_of_leaf(s, n);

	second = memmem(second, (size_t)(s + n - second), "-----BEGIN", 10);
	switch (second ? rng_below(r, 5) : 0) {
	case 0:
		buf_add_str(out, p);
		buf_add(out, s, n);
		return "text before the chain";
	case 1: buf_add(out, s, (size_t)(second - s)); return "the leaf alone";
	case 2: buf_add(out, second, (size_t)(s + n - second)); return "no leaf";
	case 3:
		buf_add(out, s, (size_t)(second - s));
		buf_add_str(out, p);
		buf_add(out, second, (size_t)(s + n - second));
		return "text after the leaf";
	default:
		buf_add(out, second, (size_t)(s + n - second));
		buf_add(out, s, (size_t)(second - s));
		return "the leaf last";
	}
}

void edit_pem(struct buf *out, struct rng *r, const uint8_t *text, size_t n, char *what, size_t cap)
{
	const char *did;

	switch (rng_below(r, 6)) {
	case 0: did = whole(out, r, text, n); break;
	case 1: did = blocks(out, r, text, n); break;
	case 2: did = at_end(out, r, text, n); break;
	case 3: did = look_alike(out, r, text, n); break;
	default: did = at_random(out, r, text, n); break;
	}
	snprintf(what, cap, "%s", did);
}
