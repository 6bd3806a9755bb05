/* A quote written as text: hex, base64, base64url or an array of byte values. */
#include "verifier/tools/quote_text.h"

#include <string.h>

static bool is_space(uint8_t c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static int base64_digit(uint8_t c)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at;

	if (c == '-')
		c = '+';
	else if (c == '_')
		c = '/';
	at = c ? strchr(digits, c) : NULL;
	return at ? (int)(at - digits) : -1;
}

/* Hex digits, wrapped or not, with or without 0x in front. */
static bool decode_hex(struct buf *out, const uint8_t *p, size_t n)
{
	char pair[2];
	unsigned have = 0;
	uint8_t byte;

	if (n && hex_decode_buf(out, (const char *)p, n)) /* as most of them are */
		return true;
	if (n > 2 && p[0] == '0' && (p[1] | 0x20) == 'x') {
		p += 2;
		n -= 2;
	}
	for (; n; p++, n--) {
		if (is_space(*p))
			continue;
		pair[have++] = (char)*p;
		if (have < 2)
			continue;
		if (!hex_decode(&byte, 1, pair, 2) || !buf_add(out, &byte, 1))
			return false;
		have = 0;
	}
	return have == 0 && out->len > 0;
}

/* Either alphabet, wrapped or not, padded or not. */
static bool decode_base64(struct buf *out, const uint8_t *p, size_t n)
{
	uint32_t bits = 0;
	unsigned have = 0;
	uint8_t byte;

	while (n && (p[n - 1] == '=' || is_space(p[n - 1])))
		n--;
	for (; n; p++, n--) {
		int digit = base64_digit(*p);

		if (*p == '\n' || *p == '\r') /* no blanks: a sentence is made of digits too */
			continue;
		if (digit < 0)
			return false;
		bits = (bits << 6 | (uint32_t)digit) & 0xffffff;
		have += 6;
		if (have < 8)
			continue;
		have -= 8;
		byte = (uint8_t)(bits >> have);
		if (!buf_add(out, &byte, 1))
			return false;
	}
	return have < 6 && out->len > 0;
}

/* [4, 0, 2, ...], as Rust and JavaScript print bytes. */
static bool decode_array(struct buf *out, const uint8_t *p, size_t n)
{
	unsigned value = 0, digits = 0;
	uint8_t byte;

	if (n < 2 || p[0] != '[')
		return false;
	for (p++, n--; n; p++, n--) {
		if (*p >= '0' && *p <= '9') {
			value = value * 10 + (unsigned)(*p - '0');
			if (++digits > 3 || value > 255)
				return false;
		} else if (*p == ',' || *p == ']') {
			byte = (uint8_t)value;
			if (digits && !buf_add(out, &byte, 1))
				return false;
			if (*p == ']')
				return out->len > 0;
			if (!digits)
				return false;
			value = digits = 0;
		} else if (!is_space(*p)) {
			return false;
		}
	}
	return false;
}

static bool decode_whole(struct buf *out, const uint8_t *p, size_t n)
{
	static bool (*const form[])(struct buf *, const uint8_t *,
				    size_t) = {decode_hex, decode_array, decode_base64};
	size_t i;

	while (n && (is_space(p[0]) || p[0] == '"' || p[0] == ':')) {
		p++;
		n--;
	}
	while (n && (is_space(p[n - 1]) || p[n - 1] == '"'))
		n--;
	for (i = 0; i < sizeof form / sizeof form[0]; i++) {
		out->len = 0;
		if (form[i](out, p, n))
			return true;
	}
	return false;
}

/* The longest run of characters that the wanted forms are made of. */
static struct span longest_run(const uint8_t *p, size_t n)
{
	struct span best = {p, 0};
	size_t i, run = 0;

	for (i = 0; i <= n; i++) {
		if (i < n && (base64_digit(p[i]) >= 0 || p[i] == '=')) {
			run++;
			continue;
		}
		if (run > best.n)
			best = (struct span){p + i - run, run};
		run = 0;
	}
	return best;
}

/* In a log: what follows the last "Sending quote" on its line, else the longest word. */
static bool decode_log(struct buf *out, const uint8_t *p, size_t n)
{
	static const char marker[] = "Sending quote";
	const uint8_t *end = p + n, *hit, *line_end;
	struct span run;
	bool marked = false;

	while ((hit = memmem(p, (size_t)(end - p), marker, sizeof marker - 1))) {
		p = hit + sizeof marker - 1;
		marked = true;
	}
	if (marked) {
		line_end = memchr(p, '\n', (size_t)(end - p));
		end = line_end ? line_end : end;
		if (decode_whole(out, p, (size_t)(end - p)))
			return true;
	}
	run = longest_run(p, (size_t)(end - p));
	return run.n >= 2 && decode_whole(out, run.p, run.n);
}

bool quote_is_binary(struct span bytes)
{
	size_t i;

	for (i = 0; i < bytes.n && i < 64; i++)
		if (bytes.p[i] < ' ' && !is_space(bytes.p[i]))
			return true;
	return bytes.n == 0;
}

bool decode_quote_text(struct buf *b)
{
	struct buf out;
	bool ok;

	buf_init(&out, b->max);
	ok = decode_whole(&out, b->p, b->len) || decode_log(&out, b->p, b->len);
	buf_free(b);
	*b = out;
	return ok;
}
