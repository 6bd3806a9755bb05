#include "coordinator/store/input_file.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "coordinator/base/file.h"
#include "encoding/json_scan.h"

/* ---- the directory ---- */

bool input_files_path(char out[PATH_MAX], const char *dir, struct why *why)
{
	int n = snprintf(out, PATH_MAX, "%s/inputs", dir);

	/* Room for a slash and a name is kept, so that input_file_path() cannot overflow. */
	if (n < 0 || n >= PATH_MAX - 80) {
		why_set(why, "the path %.80s... is too long", dir);
		return false;
	}
	return true;
}

bool input_file_path(char out[PATH_MAX], const char *dir, const uint8_t sha256[32], struct why *why)
{
	size_t n;

	if (!input_files_path(out, dir, why))
		return false;
	n = strlen(out);
	out[n] = '/';
	hex_encode(out + n + 1, sha256, 32);
	return true;
}

static enum input_rc rc_of_errno(int error)
{
	return error == ENOSPC || error == EDQUOT ? INPUT_DISK_FULL : INPUT_IO;
}

/* Removes the entries of inputs/ for which `unwanted` says so, then syncs the directory. */
static enum input_rc remove_entries(const char *dir, bool (*unwanted)(const char *, const void *),
				    const void *arg, size_t *removed, struct why *why)
{
	enum input_rc rc = INPUT_IO;
	char path[PATH_MAX];
	struct dirent *d;
	DIR *entries;

	*removed = 0;
	if (!input_files_path(path, dir, why))
		return INPUT_IO;
	entries = opendir(path);
	if (!entries) {
		why_set(why, "cannot read the directory %s: %s", path, strerror(errno));
		return INPUT_IO;
	}
	for (errno = 0; (d = readdir(entries)); errno = 0) {
		if (!unwanted(d->d_name, arg))
			continue;
		if (unlinkat(dirfd(entries), d->d_name, 0) && errno != ENOENT) {
			why_set(why, "cannot remove %s/%s: %s", path, d->d_name, strerror(errno));
			goto out;
		}
		++*removed;
	}
	if (errno) {
		why_set(why, "cannot read the directory %s: %s", path, strerror(errno));
		goto out;
	}
	if (*removed == 0 || file_dir_sync(path, why))
		rc = INPUT_OK;
out:
	closedir(entries);
	return rc;
}

static bool is_leftover(const char *name, const void *arg)
{
	(void)arg;
	return strncmp(name, INPUT_TMP_PREFIX, strlen(INPUT_TMP_PREFIX)) == 0;
}

enum input_rc input_files_prepare(const char *dir, struct why *why)
{
	char path[PATH_MAX];
	size_t removed;

	if (!input_files_path(path, dir, why) || !file_dir_make(path, why))
		return INPUT_IO;
	return remove_entries(dir, is_leftover, NULL, &removed, why);
}

struct keep {
	const uint8_t (*hashes)[32]; /* sorted */
	size_t n;
};

static int compare_hashes(const void *a, const void *b)
{
	return memcmp(a, b, 32);
}

static bool is_unnamed(const char *name, const void *arg)
{
	const struct keep *keep = arg;
	uint8_t hash[32];

	if (strlen(name) != 64 || !hex_decode(hash, sizeof hash, name, 64))
		return false;
	return keep->n == 0 || !bsearch(hash, keep->hashes, keep->n, 32, compare_hashes);
}

enum input_rc input_files_sweep(const char *dir, const uint8_t (*keep)[32], size_t n,
				size_t *removed, struct why *why)
{
	uint8_t(*sorted)[32] = NULL;
	enum input_rc rc;

	*removed = 0;
	if (n) {
		sorted = calloc(n, sizeof *sorted);
		if (!sorted) {
			why_set(why, "out of memory for the hashes of %zu inputs", n);
			return INPUT_IO;
		}
		memcpy(sorted, keep, n * sizeof *sorted);
		qsort(sorted, n, sizeof *sorted, compare_hashes);
	}
	rc = remove_entries(dir, is_unnamed, &(struct keep){(const uint8_t(*)[32])sorted, n},
			    removed, why);
	free(sorted);
	return rc;
}

enum input_rc input_file_open(int *fd, const char *dir, const uint8_t sha256[32], uint64_t size,
			      struct why *why)
{
	char path[PATH_MAX];
	struct stat st;

	if (!input_file_path(path, dir, sha256, why))
		return INPUT_IO;
	*fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (*fd < 0 || fstat(*fd, &st)) {
		const int error = errno;

		why_set(why, "cannot open %s: %s", path, strerror(error));
		if (*fd >= 0)
			close(*fd);
		return error == ENOENT || error == ELOOP || error == EACCES ? INPUT_BROKEN
									    : INPUT_IO;
	}
	if (S_ISREG(st.st_mode) && (uint64_t)st.st_size == size)
		return INPUT_OK;
	why_set(why, "%s has %" PRIu64 " bytes instead of %" PRIu64, path, (uint64_t)st.st_size,
		size);
	close(*fd);
	return INPUT_BROKEN;
}

enum input_rc input_file_remove(const char *dir, const uint8_t sha256[32], struct why *why)
{
	char path[PATH_MAX];

	if (!input_file_path(path, dir, sha256, why))
		return INPUT_IO;
	if (unlink(path) && errno != ENOENT) {
		why_set(why, "cannot remove %s: %s", path, strerror(errno));
		return INPUT_IO;
	}
	return INPUT_OK;
}

/* ---- the writer ---- */

enum job { JOB_NONE, JOB_WRITE, JOB_FINISH, JOB_DISCARD };

struct input_writer {
	uv_loop_t *loop;
	uv_work_t work;
	struct input_limits limits;
	enum job job;   /* what the pool is doing */
	bool aborted;   /* discard when the pool lets go */
	uint64_t taken; /* bytes accepted from the caller */
	struct buf chunk;
	input_write_cb *write_cb;
	input_finish_cb *finish_cb;
	void *arg;

	/* the pool's while a job runs */
	char dir[PATH_MAX], inputs[PATH_MAX], tmp[PATH_MAX];
	int fd;
	EVP_MD_CTX *sha;
	struct json_scan scan;
	uint8_t sha256[32];
	enum input_rc rc; /* sticky */
	struct why why;
};

static void fail(struct input_writer *w, enum input_rc rc, const char *what)
{
	int error = errno;

	w->rc = rc == INPUT_OK ? rc_of_errno(error) : rc;
	why_set(&w->why, "%s %s: %s", what, w->tmp, strerror(error));
}

static bool open_tmp(struct input_writer *w)
{
	if (w->fd >= 0)
		return true;
	if (!input_files_path(w->inputs, w->dir, &w->why)) {
		w->rc = INPUT_IO;
		return false;
	}
	snprintf(w->tmp, sizeof w->tmp, "%.*s/" INPUT_TMP_PREFIX "XXXXXX", PATH_MAX - 80,
		 w->inputs);
	w->fd = mkostemp(w->tmp, O_CLOEXEC);
	if (w->fd < 0) {
		fail(w, INPUT_OK, "cannot create");
		w->tmp[0] = '\0';
	}
	return w->fd >= 0;
}

static void check_json(struct input_writer *w, enum json_scan_state state)
{
	if (state == JSON_SCAN_WRONG) {
		w->rc = INPUT_NOT_JSON;
		why_wrap(&w->why, "the input is not JSON");
	} else if (w->scan.first && w->scan.first != '{') {
		w->rc = INPUT_NOT_JSON;
		why_set(&w->why, "the input is JSON, but not an object: it starts with '%c'",
			w->scan.first);
	}
}

static void check_free_space(struct input_writer *w)
{
	struct statvfs fs;
	uint64_t free_bytes;

	if (fstatvfs(w->fd, &fs)) {
		fail(w, INPUT_OK, "cannot ask the file system of");
		return;
	}
	free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
	if (free_bytes < w->chunk.len || free_bytes - w->chunk.len < w->limits.disk_floor) {
		w->rc = INPUT_DISK_FULL;
		why_set(&w->why, "%s has %" PRIu64 " bytes free, and %" PRIu64 " are to stay free",
			w->inputs, free_bytes, w->limits.disk_floor);
	}
}

static void write_chunk(struct input_writer *w)
{
	const uint8_t *p = w->chunk.p;
	size_t left = w->chunk.len;
	ssize_t n;

	check_json(w, json_scan_feed(&w->scan, p, left, &w->why));
	if (w->rc == INPUT_OK && open_tmp(w))
		check_free_space(w);
	if (w->rc != INPUT_OK)
		return;
	if (!EVP_DigestUpdate(w->sha, p, left)) {
		w->rc = INPUT_IO;
		why_set(&w->why, "SHA-256 failed on %s", w->tmp);
		return;
	}
	while (left) {
		n = write(w->fd, p, left);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			fail(w, INPUT_OK, "cannot write");
			return;
		}
		p += n;
		left -= (size_t)n;
	}
}

/* Closes the file, and removes it unless it was published. */
static void let_go(struct input_writer *w)
{
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
	if (w->tmp[0])
		unlink(w->tmp);
	w->tmp[0] = '\0';
}

static void publish(struct input_writer *w)
{
	char path[PATH_MAX];

	check_json(w, json_scan_end(&w->scan, &w->why));
	if (w->rc != INPUT_OK)
		return;
	if (!EVP_DigestFinal_ex(w->sha, w->sha256, NULL)) {
		w->rc = INPUT_IO;
		why_set(&w->why, "SHA-256 failed on %s", w->tmp);
		return;
	}
	if (!input_file_path(path, w->dir, w->sha256, &w->why)) {
		w->rc = INPUT_IO;
		return;
	}
	/* In this order: bytes, then the name, and the caller's row after both. */
	if (fsync(w->fd)) {
		fail(w, INPUT_OK, "cannot sync");
		return;
	}
	if (rename(w->tmp, path)) {
		fail(w, INPUT_OK, "cannot rename");
		return;
	}
	w->tmp[0] = '\0';
	if (!file_dir_sync(w->inputs, &w->why))
		w->rc = INPUT_IO;
}

static void in_pool(uv_work_t *work)
{
	struct input_writer *w = work->data;

	switch (w->job) {
	case JOB_WRITE:
		if (w->rc == INPUT_OK)
			write_chunk(w);
		break;
	case JOB_FINISH:
		if (w->rc == INPUT_OK)
			publish(w);
		let_go(w);
		break;
	case JOB_DISCARD: let_go(w); break;
	case JOB_NONE: break;
	}
}

static void writer_free(struct input_writer *w)
{
	EVP_MD_CTX_free(w->sha);
	buf_free(&w->chunk);
	free(w);
}

static void start_job(struct input_writer *w, enum job job);

static void on_pool_done(uv_work_t *work, int status)
{
	struct input_writer *w = work->data;
	enum job job = w->job;

	(void)status; /* only a cancelled job has one, and none is cancelled */
	w->job = JOB_NONE;
	switch (job) {
	case JOB_WRITE:
		w->chunk.len = 0;
		if (w->aborted)
			start_job(w, JOB_DISCARD);
		else
			w->write_cb(w->arg, w->rc, &w->why);
		break;
	case JOB_FINISH:
		if (!w->aborted) {
			struct input_writer last = *w;

			/* Freed first, so that the callback may do what it likes. */
			writer_free(w);
			last.finish_cb(last.arg, last.rc, last.sha256, last.taken, &last.why);
		} else {
			writer_free(w);
		}
		break;
	case JOB_DISCARD:
	case JOB_NONE: writer_free(w); break;
	}
}

static void start_job(struct input_writer *w, enum job job)
{
	w->job = job;
	uv_queue_work(w->loop, &w->work, in_pool, on_pool_done);
}

struct input_writer *input_writer_new(uv_loop_t *loop, const char *dir,
				      const struct input_limits *limits)
{
	struct input_writer *w = calloc(1, sizeof *w);

	if (!w)
		return NULL;
	w->loop = loop;
	w->work.data = w;
	w->limits = *limits;
	w->fd = -1;
	buf_init(&w->chunk, INPUT_CHUNK_MAX);
	json_scan_init(&w->scan, limits->depth_max, true);
	snprintf(w->dir, sizeof w->dir, "%s", dir);
	w->sha = EVP_MD_CTX_new();
	if (!w->sha || !EVP_DigestInit_ex(w->sha, EVP_sha256(), NULL)) {
		writer_free(w);
		return NULL;
	}
	return w;
}

void input_writer_write(struct input_writer *w, const void *bytes, size_t n, input_write_cb *cb,
			void *arg)
{
	assert(w->job == JOB_NONE && !w->aborted && n <= INPUT_CHUNK_MAX);
	w->write_cb = cb;
	w->arg = arg;
	if (w->rc == INPUT_OK && n > w->limits.max_bytes - w->taken) {
		w->rc = INPUT_TOO_BIG;
		why_set(&w->why, "the input is longer than the %" PRIu64 " bytes allowed",
			w->limits.max_bytes);
	} else if (w->rc == INPUT_OK && !buf_add(&w->chunk, bytes, n)) {
		w->rc = INPUT_IO;
		why_set(&w->why, "out of memory for %zu bytes of an input", n);
	} else {
		w->taken += n;
	}
	start_job(w, JOB_WRITE);
}

void input_writer_finish(struct input_writer *w, input_finish_cb *cb, void *arg)
{
	assert(w->job == JOB_NONE && !w->aborted);
	w->finish_cb = cb;
	w->arg = arg;
	start_job(w, JOB_FINISH);
}

void input_writer_abort(struct input_writer *w)
{
	if (!w || w->aborted)
		return;
	w->aborted = true;
	if (w->job == JOB_NONE)
		start_job(w, JOB_DISCARD);
}
