#include "coordinator/base/whole_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

bool whole_file_read(struct buf *out, const char *path, struct why *why)
{
	char chunk[4096];
	bool fits = true, ok;
	size_t n;
	FILE *f = fopen(path, "re");

	if (!f) {
		why_set(why, "cannot read %s: %s", path, strerror(errno));
		return false;
	}
	while (fits && (n = fread(chunk, 1, sizeof chunk, f)) > 0)
		fits = buf_add(out, chunk, n);
	ok = fits && !ferror(f);
	if (!fits)
		why_set(why, "%s is longer than the %zu bytes allowed", path, out->max);
	else if (!ok)
		why_set(why, "cannot read %s: %s", path, strerror(errno));
	fclose(f);
	return ok;
}
