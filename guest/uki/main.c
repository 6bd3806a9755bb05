/* guest-uki: makes a unified kernel image of files (uki.h). */
#include "guest/uki/uki.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: guest-uki STUB OUT NAME=FILE...     NAME: of a section, \".cmdline\"\n";

static bool read_file(struct buf *out, const char *path, struct why *why)
{
	FILE *f = fopen(path, "rbe");
	char chunk[65536];
	size_t n;
	bool ok = f != NULL;

	buf_init(out, UKI_MAX);
	while (ok && (n = fread(chunk, 1, sizeof chunk, f)) > 0)
		ok = buf_add(out, chunk, n);
	if (!ok || ferror(f)) {
		why_set(why, "%s: %s", path, errno ? strerror(errno) : "too long");
		ok = false;
	}
	if (f)
		fclose(f);
	return ok;
}

static bool write_file(const char *path, struct span data, struct why *why)
{
	FILE *f = fopen(path, "wbe");
	bool ok = f && fwrite(data.p, 1, data.n, f) == data.n;

	if (f && fclose(f) != 0)
		ok = false;
	if (!ok)
		why_set(why, "%s: %s", path, strerror(errno));
	return ok;
}

int main(int argc, char **argv)
{
	struct uki_section sections[UKI_SECTIONS_MAX] = {{0}};
	struct buf stub = {0}, image, files[UKI_SECTIONS_MAX] = {{0}};
	struct why why = {""};
	size_t i, n = argc < 4 ? 0 : (size_t)argc - 3;
	bool ok = true;

	if (n == 0 || n > UKI_SECTIONS_MAX) {
		fputs(usage, stderr);
		return 64;
	}
	buf_init(&image, UKI_MAX);
	ok = read_file(&stub, argv[1], &why);
	for (i = 0; ok && i < n; i++) {
		char *equals = strchr(argv[3 + i], '=');

		if (!equals) {
			fputs(usage, stderr);
			return 64;
		}
		*equals = '\0';
		ok = read_file(&files[i], equals + 1, &why);
		sections[i] = (struct uki_section){argv[3 + i], buf_span(&files[i])};
	}
	ok = ok && uki_make(&image, buf_span(&stub), sections, n, &why) &&
	     write_file(argv[2], buf_span(&image), &why);
	if (!ok)
		fprintf(stderr, "guest-uki: %s\n", why.text);
	for (i = 0; i < n; i++)
		buf_free(&files[i]);
	buf_free(&stub);
	buf_free(&image);
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
