#include "verifier/tools/collateral_dir.h"
#include "verifier/tools/tdx_quote.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define INPUT_MAX (4u * 1024u * 1024u)

bool read_file(struct buf *out, const char *path)
{
	bool is_stdin = !path || strcmp(path, "-") == 0;
	const char *name = is_stdin ? "stdin" : path;
	FILE *f = is_stdin ? stdin : fopen(path, "rb");
	uint8_t block[16384];
	bool ok = true;
	size_t n;

	buf_init(out, INPUT_MAX);
	if (!f) {
		complain("%s: %s", name, strerror(errno));
		return false;
	}
	while (ok && (n = fread(block, 1, sizeof block, f)) > 0)
		ok = buf_add(out, block, n);
	if (!ok)
		complain("%s: longer than %u bytes", name, INPUT_MAX);
	if (ferror(f)) {
		complain("%s: %s", name, strerror(errno));
		ok = false;
	}
	if (!is_stdin)
		fclose(f);
	if (!ok)
		buf_free(out);
	return ok;
}

static bool is_digit(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_space(uint8_t c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* The longest run of hex digits after the last "Sending quote", or in the whole text. */
static struct tdxv_bytes longest_run(const uint8_t *p, size_t n)
{
	static const char marker[] = "Sending quote";
	struct tdxv_bytes best = {p, 0};
	const uint8_t *end = p + n, *hit;
	size_t run = 0;

	while ((hit = memmem(p, (size_t)(end - p), marker, sizeof marker - 1)))
		p = hit + sizeof marker - 1;
	for (; p <= end; p++) {
		if (p < end && is_digit(*p)) {
			run++;
			continue;
		}
		if (run > best.n)
			best = (struct tdxv_bytes){p - run, run};
		run = 0;
	}
	return best;
}

/* Replaces text by the bytes that its hex digits stand for. */
static bool decode_text(struct buf *b)
{
	struct buf out;
	struct tdxv_bytes run;
	size_t i, n = 0;
	bool all_hex = true, ok;

	for (i = 0; i < b->len && all_hex; i++)
		all_hex = is_digit(b->p[i]) || is_space(b->p[i]) ||
			  (i && b->p[i - 1] == '0' && (b->p[i] | 0x20) == 'x');
	if (all_hex) { /* wrapped or not, with or without 0x */
		for (i = 0; i < b->len; i++) {
			if (is_digit(b->p[i]))
				b->p[n++] = b->p[i];
			else if (!is_space(b->p[i]))
				n--;
		}
		run = (struct tdxv_bytes){b->p, n};
	} else {
		run = longest_run(b->p, b->len);
	}
	buf_init(&out, INPUT_MAX);
	ok = run.n >= 2 && hex_decode_buf(&out, (const char *)run.p, run.n - run.n % 2);
	buf_free(b);
	*b = out;
	return ok;
}

static bool is_binary(const struct buf *b)
{
	size_t i;

	for (i = 0; i < b->len && i < 64; i++)
		if (b->p[i] < 0x20 && !is_space(b->p[i]))
			return true;
	return b->len == 0;
}

bool read_input(struct input *in, const char *path, bool allow_report)
{
	const char *name = !path || strcmp(path, "-") == 0 ? "stdin" : path;
	struct tdxv_why why, report_why;

	memset(in, 0, sizeof *in);
	if (!read_file(&in->bytes, path))
		return false;
	if (!is_binary(&in->bytes) && !decode_text(&in->bytes)) {
		complain("%s: neither binary nor hex", name);
		goto fail;
	}
	if (tdxv_quote_parse(&in->quote, in->bytes.p, in->bytes.len, &why) == TDXV_OK) {
		in->body_type = in->quote.body_type;
		in->body = in->quote.body;
		return true;
	}
	if (allow_report &&
	    tdxv_report_parse(&in->report, in->bytes.p, in->bytes.len, &report_why) == TDXV_OK) {
		in->is_report = true;
		in->body_type = in->report.body_type;
		in->body = in->report.body;
		return true;
	}
	complain("%s: %s", name, why.text);
fail:
	buf_free(&in->bytes);
	return false;
}

struct tdxv_bytes body_field(const struct input *in, const char *name)
{
	size_t n, i;
	const struct tdxv_field *f = tdxv_body_fields(in->body_type, &n);

	for (i = 0; i < n; i++)
		if (strcmp(f[i].name, name) == 0)
			return (struct tdxv_bytes){in->body.p + f[i].at, f[i].size};
	return (struct tdxv_bytes){NULL, 0};
}

void print_hex(struct tdxv_bytes b)
{
	size_t i;

	for (i = 0; i < b.n; i++)
		printf("%02x", b.p[i]);
}

struct tdxv_collateral *load_collateral(const char *dir, const char *root)
{
	struct tdxv_collateral_input in = {.tcb_info = {NULL, 0}};
	struct buf b[COLLATERAL_FILES] = {{0}}, root_pem = {0};
	struct tdxv_collateral *c = NULL;
	struct tdxv_why why;
	struct why file_why;
	bool ok = true;
	size_t i;

	for (i = 0; ok && i < COLLATERAL_FILES; i++) {
		buf_init(&b[i], INPUT_MAX);
		switch (collateral_file_read(&b[i], dir, (enum collateral_file)i, &file_why)) {
		case COLLATERAL_READ: break;
		case COLLATERAL_ABSENT:
			if (i != FILE_QE_IDENTITY_SIGNING_CHAIN)
				complain("warning: no %s in %s",
					 collateral_file_name((enum collateral_file)i), dir);
			break;
		case COLLATERAL_UNREADABLE:
			complain("%s", file_why.text);
			ok = false;
			break;
		}
		*collateral_file_piece(&in, (enum collateral_file)i) =
		    (struct tdxv_bytes){b[i].p, b[i].len};
	}
	if (ok && root)
		ok = read_file(&root_pem, root);
	if (ok && tdxv_collateral_new(&c, &in, (struct tdxv_bytes){root_pem.p, root_pem.len},
				      &why) != TDXV_OK)
		complain("collateral: %s", why.text);
	for (i = 0; i < COLLATERAL_FILES; i++)
		buf_free(&b[i]);
	buf_free(&root_pem);
	return c;
}

bool chosen_time(int64_t *t, const char *text)
{
	char *end;

	if (!text) {
		*t = (int64_t)time(NULL);
		return true;
	}
	if (tdxv_time_parse(t, text, strlen(text)))
		return true;
	errno = 0;
	*t = strtoll(text, &end, 10);
	if (*text && !*end && errno == 0)
		return true;
	complain("time '%s' is neither like 2026-01-31T00:00:00Z nor a number of seconds", text);
	return false;
}
