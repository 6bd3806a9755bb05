#include "encoding/bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){.max = max};
}

void buf_free(struct buf *b)
{
	free(b->p);
	*b = (struct buf){.max = b->max};
}

static bool buf_reserve(struct buf *b, size_t n)
{
	size_t want, cap;
	uint8_t *q;

	if (n > b->max - b->len)
		return false;
	want = b->len + n;
	if (want <= b->cap)
		return true;
	cap = b->cap ? b->cap * 2 : 256;
	if (cap < want)
		cap = want;
	if (cap > b->max)
		cap = b->max;
	q = realloc(b->p, cap);
	if (!q)
		return false;
	b->p = q;
	b->cap = cap;
	return true;
}

bool buf_add(struct buf *b, const void *src, size_t n)
{
	if (n == 0)
		return true;
	if (!buf_reserve(b, n))
		return false;
	memcpy(b->p + b->len, src, n);
	b->len += n;
	return true;
}

bool buf_add_str(struct buf *b, const char *s)
{
	return buf_add(b, s, strlen(s));
}

bool buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	char small[256];
	char *big;
	int n;
	bool ok;

	va_start(ap, fmt);
	n = vsnprintf(small, sizeof small, fmt, ap);
	va_end(ap);
	if (n < 0)
		return false;
	if ((size_t)n < sizeof small)
		return buf_add(b, small, (size_t)n);
	big = malloc((size_t)n + 1);
	if (!big)
		return false;
	va_start(ap, fmt);
	vsnprintf(big, (size_t)n + 1, fmt, ap);
	va_end(ap);
	ok = buf_add(b, big, (size_t)n);
	free(big);
	return ok;
}

struct span buf_span(const struct buf *b)
{
	return (struct span){b->p, b->len};
}

struct span span_of(const void *p, size_t n)
{
	return (struct span){p, n};
}

bool span_eq(struct span a, struct span b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

void hex_encode(char *out, const void *src, size_t n)
{
	static const char digit[] = "0123456789abcdef";
	const uint8_t *p = src;
	size_t i;

	for (i = 0; i < n; i++) {
		out[2 * i] = digit[p[i] >> 4];
		out[2 * i + 1] = digit[p[i] & 15];
	}
	out[2 * n] = '\0';
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static void hex_skip_prefix(const char **s, size_t *slen)
{
	if (*slen >= 2 && (*s)[0] == '0' && ((*s)[1] == 'x' || (*s)[1] == 'X')) {
		*s += 2;
		*slen -= 2;
	}
}

bool hex_decode(uint8_t *out, size_t n, const char *s, size_t slen)
{
	size_t i;

	hex_skip_prefix(&s, &slen);
	if (slen % 2 || slen / 2 != n)
		return false;
	for (i = 0; i < n; i++) {
		int hi = hex_digit(s[2 * i]), lo = hex_digit(s[2 * i + 1]);

		if (hi < 0 || lo < 0)
			return false;
		out[i] = (uint8_t)(hi << 4 | lo);
	}
	return true;
}

bool hex_decode_buf(struct buf *b, const char *s, size_t slen)
{
	size_t n;

	hex_skip_prefix(&s, &slen);
	n = slen / 2;
	if (slen % 2 || !buf_reserve(b, n))
		return false;
	if (n && !hex_decode(b->p + b->len, n, s, slen))
		return false;
	b->len += n;
	return true;
}

void secret_wipe(void *p, size_t n)
{
	explicit_bzero(p, n);
}

bool secret_equal(const void *a, const void *b, size_t n)
{
	const volatile uint8_t *x = a, *y = b;
	uint8_t diff = 0;
	size_t i;

	for (i = 0; i < n; i++)
		diff |= x[i] ^ y[i];
	return diff == 0;
}
