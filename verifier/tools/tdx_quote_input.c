#include "verifier/tools/collateral_dir.h"
#include "verifier/tools/tdx_quote.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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

bool read_input(struct input *in, const char *path, bool allow_report)
{
	const char *name = !path || strcmp(path, "-") == 0 ? "stdin" : path;
	struct tdxv_why why, report_why;

	memset(in, 0, sizeof *in);
	if (!read_file(&in->bytes, path))
		return false;
	if (!quote_is_binary(buf_span(&in->bytes)) && !decode_quote_text(&in->bytes)) {
		complain("%s: neither binary, hex, base64 nor an array of bytes", name);
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

void print_json_string(const char *s)
{
	json_t *j = json_string(s);

	if (!j || json_dumpf(j, stdout, JSON_ENCODE_ANY) != 0)
		fputs("null", stdout); /* not UTF-8 */
	json_decref(j);
}

/* The pieces as files of a directory; an absent one is only warned about, none at all is not. */
static bool read_directory(struct buf *piece, const char *dir)
{
	struct why why;
	unsigned found = 0;
	int i;

	for (i = 0; i < COLLATERAL_FILES; i++) {
		switch (collateral_file_read(&piece[i], dir, (enum collateral_file)i, &why)) {
		case COLLATERAL_READ: found++; break;
		case COLLATERAL_ABSENT: break;
		case COLLATERAL_UNREADABLE: complain("%s", why.text); return false;
		}
	}
	if (!found) {
		complain("%s holds no piece of collateral: no %s, no %s and so on", dir,
			 collateral_file_name(FILE_TCB_INFO),
			 collateral_file_name(FILE_QE_IDENTITY));
		return false;
	}
	for (i = 0; i < COLLATERAL_FILES; i++)
		if (!piece[i].len && i != FILE_QE_IDENTITY_SIGNING_CHAIN)
			complain("warning: no %s in %s",
				 collateral_file_name((enum collateral_file)i), dir);
	return true;
}

/* The name of a piece in a bundle: that of its file, without an ending. */
static int piece_named(const char *key)
{
	int i;

	for (i = 0; i < COLLATERAL_FILES; i++) {
		const char *name = collateral_file_name((enum collateral_file)i);

		if (strlen(key) == strcspn(name, ".") && strncmp(name, key, strlen(key)) == 0)
			return i;
	}
	return -1;
}

/* One JSON object of strings: {"tcb_info": "{...}", "pck_crl": "3082...", ...}. */
static bool read_bundle(struct buf *piece, const char *path)
{
	json_error_t error;
	json_t *root, *value;
	struct buf text;
	const char *key;
	bool ok;
	int i;

	if (!read_file(&text, path))
		return false;
	strcpy(error.text, "it is empty");
	root = text.len ? json_loadb((const char *)text.p, text.len, JSON_REJECT_DUPLICATES, &error)
			: NULL;
	buf_free(&text);
	ok = json_is_object(root) && json_object_size(root) > 0;
	if (!ok)
		complain("%s is no JSON object with collateral: %s", path,
			 root ? "it is something else, or empty" : error.text);
	json_object_foreach (root, key, value) {
		i = piece_named(key);
		if (i < 0 || !json_is_string(value)) {
			complain(i < 0 ? "%s: '%s' is no piece of collateral"
				       : "%s: '%s' is no string",
				 path, key);
			ok = false;
			break;
		}
		ok = ok && buf_add(&piece[i], json_string_value(value), json_string_length(value));
	}
	json_decref(root);
	return ok;
}

/* Nothing would stand for Intel's root. */
static bool read_root(struct buf *out, const char *path)
{
	if (!read_file(out, path))
		return false;
	if (!out->len)
		complain("%s: there is no root certificate, it is empty", path);
	return out->len > 0;
}

struct tdxv_collateral *load_collateral(const char *path, const char *root)
{
	struct tdxv_collateral_input in = {.tcb_info = {NULL, 0}};
	struct buf b[COLLATERAL_FILES], root_pem = {0};
	struct tdxv_collateral *c = NULL;
	struct tdxv_why why;
	struct stat st;
	bool ok;
	int i;

	for (i = 0; i < COLLATERAL_FILES; i++)
		buf_init(&b[i], INPUT_MAX);
	ok = stat(path, &st) == 0;
	if (!ok)
		complain("%s is no directory or file with collateral: %s", path, strerror(errno));
	ok = ok && (S_ISDIR(st.st_mode) ? read_directory(b, path) : read_bundle(b, path));
	for (i = 0; i < COLLATERAL_FILES; i++)
		*collateral_file_piece(&in, (enum collateral_file)i) =
		    (struct tdxv_bytes){b[i].p, b[i].len};
	if (ok && root)
		ok = read_root(&root_pem, root);
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
	if (strchr("-0123456789", *text) && end > text && !*end && errno == 0)
		return true;
	complain("time '%s' is neither like 2026-01-31T00:00:00Z nor a number of seconds", text);
	return false;
}
