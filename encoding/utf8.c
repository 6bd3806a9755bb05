#include "encoding/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

size_t utf8_sequence(struct span s)
{
	uint8_t c, low = 0x80, high = 0xbf;
	size_t n, i;

	if (s.n == 0)
		return 0;
	c = s.p[0];
	if (c < 0x80)
		return 1;
	if (c < 0xc2 || c > 0xf4)
		return 0;
	n = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
	/* No overlong forms, no surrogates, nothing above U+10FFFF. */
	if (c == 0xe0)
		low = 0xa0;
	else if (c == 0xed)
		high = 0x9f;
	else if (c == 0xf0)
		low = 0x90;
	else if (c == 0xf4)
		high = 0x8f;
	if (s.n < n)
		return 0;
	for (i = 1; i < n; i++) {
		if (s.p[i] < low || s.p[i] > high)
			return 0;
		low = 0x80;
		high = 0xbf;
	}
	return n;
}

void utf8_mend(char *text)
{
	struct span rest = span_of(text, strlen(text));

	while (rest.n) {
		size_t n = utf8_sequence(rest);

		if (n == 0) {
			text[(const char *)rest.p - text] = '?';
			n = 1;
		}
		rest.p += n;
		rest.n -= n;
	}
}

void utf8_vprint(char *out, size_t size, const char *fmt, va_list ap)
{
	vsnprintf(out, size, fmt, ap);
	utf8_mend(out);
}

void utf8_print(char *out, size_t size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	utf8_vprint(out, size, fmt, ap);
	va_end(ap);
}
