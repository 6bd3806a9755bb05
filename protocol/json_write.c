#include "protocol/json_write.h"
#include "encoding/utf8.h"
#include "protocol/json_read.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void put(struct json_write *w, const void *p, size_t n)
{
	if (!w->full && !w->not_utf8)
		w->full = !buf_add(w->out, p, n);
}

void json_put(struct json_write *w, const char *text)
{
	put(w, text, strlen(text));
}

void json_put_raw(struct json_write *w, struct span text)
{
	put(w, text.p, text.n);
}

void json_put_u64(struct json_write *w, uint64_t n)
{
	char digits[24];

	put(w, digits, (size_t)snprintf(digits, sizeof digits, "%" PRIu64, n));
}

void json_put_bytes(struct json_write *w, struct span bytes)
{
	char chunk[1024];
	size_t i, n = 0;

	chunk[n++] = '[';
	for (i = 0; i < bytes.n; i++) {
		uint8_t b = bytes.p[i];

		if (n > sizeof chunk - 8) {
			put(w, chunk, n);
			n = 0;
		}
		if (i)
			chunk[n++] = ',';
		if (b >= 100)
			chunk[n++] = (char)('0' + b / 100);
		if (b >= 10)
			chunk[n++] = (char)('0' + b / 10 % 10);
		chunk[n++] = (char)('0' + b % 10);
	}
	chunk[n++] = ']';
	put(w, chunk, n);
}

static void put_control(struct json_write *w, uint8_t c)
{
	static const char letters[] = "btn?fr"; /* 8, 9, 10, -, 12, 13 */
	char escape[8];

	if (c >= 8 && c <= 13 && c != 11)
		snprintf(escape, sizeof escape, "\\%c", letters[c - 8]);
	else
		snprintf(escape, sizeof escape, "\\u%04x", c);
	json_put(w, escape);
}

void json_put_string(struct json_write *w, const char *text)
{
	struct span rest = span_of(text, strlen(text));
	size_t n;

	json_put(w, "\"");
	while (rest.n) {
		n = utf8_sequence(rest);
		if (n == 0) {
			w->not_utf8 = true;
			return;
		}
		if (rest.p[0] == '"' || rest.p[0] == '\\')
			json_put(w, "\\");
		if (rest.p[0] < 0x20)
			put_control(w, rest.p[0]);
		else
			put(w, rest.p, n);
		rest.p += n;
		rest.n -= n;
	}
	json_put(w, "\"");
}
