#include "coordinator/store/input_jobs.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- checking ---- */

struct check {
	uv_work_t work;
	char dir[PATH_MAX];
	uint8_t sha256[32];
	uint64_t size;
	enum input_rc rc;
	struct why why;
	input_check_cb *cb;
	void *arg;
};

static bool hash_file(uint8_t out[32], int fd)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t *chunk = malloc(INPUT_CHUNK_MAX);
	bool ok = ctx && chunk && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL);
	ssize_t n;

	while (ok && (n = read(fd, chunk, INPUT_CHUNK_MAX)) != 0)
		ok = n > 0 ? EVP_DigestUpdate(ctx, chunk, (size_t)n) : errno == EINTR;
	ok = ok && EVP_DigestFinal_ex(ctx, out, NULL);
	EVP_MD_CTX_free(ctx);
	free(chunk);
	return ok;
}

static void check_in_pool(uv_work_t *work)
{
	struct check *c = work->data;
	uint8_t got[32];
	int fd;

	c->rc = input_file_open(&fd, c->dir, c->sha256, c->size, &c->why);
	if (c->rc != INPUT_OK)
		return;
	if (!hash_file(got, fd)) {
		c->rc = INPUT_IO;
		why_set(&c->why, "an input cannot be read: %s", strerror(errno));
	} else if (memcmp(got, c->sha256, 32) != 0) {
		c->rc = INPUT_BROKEN;
		why_set(&c->why, "its file has other bytes than were put");
	}
	close(fd);
}

static void on_checked(uv_work_t *work, int status)
{
	struct check *c = work->data;

	(void)status; /* only a cancelled job has one, and none is cancelled */
	c->cb(c->arg, c->rc, &c->why);
	free(c);
}

bool input_file_check(uv_loop_t *loop, const char *dir, const uint8_t sha256[32], uint64_t size,
		      input_check_cb *cb, void *arg)
{
	struct check *c = calloc(1, sizeof *c);

	if (!c)
		return false;
	c->work.data = c;
	snprintf(c->dir, sizeof c->dir, "%s", dir);
	memcpy(c->sha256, sha256, 32);
	c->size = size;
	c->cb = cb;
	c->arg = arg;
	uv_queue_work(loop, &c->work, check_in_pool, on_checked);
	return true;
}

/* ---- removing ---- */

struct removal {
	uv_work_t work;
	char dir[PATH_MAX];
	struct why why;
	input_remove_cb *cb;
	void *arg;
	size_t n;
	uint8_t hashes[][32];
};

static void remove_in_pool(uv_work_t *work)
{
	struct removal *r = work->data;
	struct why why;
	size_t i;

	for (i = 0; i < r->n; i++)
		if (input_file_remove(r->dir, r->hashes[i], &why) != INPUT_OK && !r->why.text[0])
			r->why = why;
}

static void on_removed(uv_work_t *work, int status)
{
	struct removal *r = work->data;

	(void)status;
	r->cb(r->arg, &r->why);
	free(r);
}

bool input_files_remove(uv_loop_t *loop, const char *dir, const uint8_t (*hashes)[32], size_t n,
			input_remove_cb *cb, void *arg)
{
	struct removal *r;

	assert(n <= INPUT_REMOVE_MAX);
	r = calloc(1, sizeof *r + n * sizeof *r->hashes);
	if (!r)
		return false;
	r->work.data = r;
	snprintf(r->dir, sizeof r->dir, "%s", dir);
	memcpy(r->hashes, hashes, n * sizeof *r->hashes);
	r->n = n;
	r->cb = cb;
	r->arg = arg;
	uv_queue_work(loop, &r->work, remove_in_pool, on_removed);
	return true;
}
