#include "coordinator/store/input_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "coordinator/base/file.h"

struct input_sink {
	char dir[PATH_MAX], inputs[PATH_MAX], tmp[PATH_MAX];
	int fd;
	EVP_MD_CTX *sha;
	uint64_t size;
};

static enum input_rc failed(const struct input_sink *s, const char *what, struct why *why)
{
	const int error = errno;

	why_set(why, "%s %.300s: %s", what, s->tmp, strerror(error));
	return error == ENOSPC || error == EDQUOT ? INPUT_DISK_FULL : INPUT_IO;
}

void input_sink_abort(struct input_sink *s)
{
	if (!s)
		return;
	if (s->fd >= 0) {
		close(s->fd);
		unlink(s->tmp);
	}
	EVP_MD_CTX_free(s->sha);
	free(s);
}

enum input_rc input_sink_open(struct input_sink **out, const char *dir, struct why *why)
{
	struct input_sink *s = calloc(1, sizeof *s);
	enum input_rc rc = INPUT_IO;

	*out = NULL;
	if (!s) {
		why_set(why, "out of memory for an input");
		return INPUT_IO;
	}
	s->fd = -1;
	snprintf(s->dir, sizeof s->dir, "%s", dir);
	s->sha = EVP_MD_CTX_new();
	if (!s->sha || !EVP_DigestInit_ex(s->sha, EVP_sha256(), NULL)) {
		why_set(why, "no SHA-256 for an input");
		goto err;
	}
	if (!input_files_path(s->inputs, dir, why))
		goto err;
	snprintf(s->tmp, sizeof s->tmp, "%.*s/" INPUT_TMP_PREFIX "XXXXXX", PATH_MAX - 80,
		 s->inputs);
	s->fd = mkostemp(s->tmp, O_CLOEXEC);
	if (s->fd < 0) {
		rc = failed(s, "cannot create", why);
		goto err;
	}
	*out = s;
	return INPUT_OK;

err:
	input_sink_abort(s);
	return rc;
}

enum input_rc input_sink_write(struct input_sink *s, struct span bytes, struct why *why)
{
	ssize_t n;

	if (!EVP_DigestUpdate(s->sha, bytes.p, bytes.n)) {
		why_set(why, "SHA-256 failed on %.300s", s->tmp);
		return INPUT_IO;
	}
	s->size += bytes.n;
	for (; bytes.n; bytes = span_of(bytes.p + n, bytes.n - (size_t)n)) {
		n = write(s->fd, bytes.p, bytes.n);
		if (n < 0 && errno != EINTR)
			return failed(s, "cannot write", why);
		n = n < 0 ? 0 : n;
	}
	return INPUT_OK;
}

static enum input_rc publish(struct input_sink *s, const uint8_t sha256[32], uint64_t size,
			     struct why *why)
{
	char path[PATH_MAX];
	uint8_t got[32];

	if (!EVP_DigestFinal_ex(s->sha, got, NULL)) {
		why_set(why, "SHA-256 failed on %.300s", s->tmp);
		return INPUT_IO;
	}
	if (s->size != size || memcmp(got, sha256, sizeof got) != 0) {
		why_set(why, "what came are %" PRIu64 " bytes that are not the input", s->size);
		return INPUT_BROKEN;
	}
	if (!input_file_path(path, s->dir, sha256, why))
		return INPUT_IO;
	/* In this order: bytes, then the name. */
	if (fsync(s->fd))
		return failed(s, "cannot sync", why);
	if (rename(s->tmp, path))
		return failed(s, "cannot rename", why);
	close(s->fd);
	s->fd = -1;
	return file_dir_sync(s->inputs, why) ? INPUT_OK : INPUT_IO;
}

enum input_rc input_sink_publish(struct input_sink *s, const uint8_t sha256[32], uint64_t size,
				 struct why *why)
{
	const enum input_rc rc = publish(s, sha256, size, why);

	input_sink_abort(s);
	return rc;
}
