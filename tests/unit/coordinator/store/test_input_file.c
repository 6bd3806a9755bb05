#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>

#include "coordinator/store/input_file.h"

/* ---- what reaches the disk, in order; any one of them can be made to fail ---- */

static struct {
	char log[256]; /* f: fsync of a file, d: of a directory, r: rename */
	int fail_at;   /* the nth of these calls fails; 0: none */
	int calls;
} disk;

static bool disk_call(char letter)
{
	size_t n = strlen(disk.log);

	if (n + 1 < sizeof disk.log) {
		disk.log[n] = letter;
		disk.log[n + 1] = '\0';
	}
	errno = EIO;
	return ++disk.calls != disk.fail_at;
}

/* The program's own symbols come before the C library's. */
int fsync(int fd)
{
	struct stat st;

	return disk_call(!fstat(fd, &st) && S_ISDIR(st.st_mode) ? 'd' : 'f')
		   ? (int)syscall(SYS_fsync, fd)
		   : -1;
}

int rename(const char *from, const char *to)
{
	return disk_call('r') ? (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0) : -1;
}

/* ---- the world ---- */

struct world {
	uv_loop_t loop;
	char dir[64], inputs[80];
	struct input_limits limits;
	struct input_writer *writer;
	unsigned writes, finishes;
	enum input_rc rc;
	struct why why;
	uint8_t sha256[32];
	uint64_t size;
};

static void world_make(struct world *w)
{
	memset(w, 0, sizeof *w);
	strcpy(w->dir, "/tmp/test_input.XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	snprintf(w->inputs, sizeof w->inputs, "%s/inputs", w->dir);
	w->limits = (struct input_limits){.max_bytes = 8 << 20, .depth_max = 16};
	assert_int_equal(uv_loop_init(&w->loop), 0);
	memset(&disk, 0, sizeof disk);
	assert_int_equal(input_files_prepare(w->dir, &w->why), INPUT_OK);
	memset(&disk, 0, sizeof disk);
}

static void world_free(struct world *w)
{
	char command[128];

	assert_int_equal(uv_loop_close(&w->loop), 0);
	snprintf(command, sizeof command, "rm -rf %s", w->dir);
	assert_int_equal(system(command), 0);
}

static unsigned entries(const struct world *w)
{
	DIR *d = opendir(w->inputs);
	unsigned n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

static void on_write(void *arg, enum input_rc rc, const struct why *why)
{
	struct world *w = arg;

	w->writes++;
	w->rc = rc;
	w->why = *why;
}

static void on_finish(void *arg, enum input_rc rc, const uint8_t sha256[32], uint64_t size,
		      const struct why *why)
{
	struct world *w = arg;

	w->finishes++;
	w->rc = rc;
	w->why = *why;
	w->size = size;
	memcpy(w->sha256, sha256, 32);
}

static enum input_rc write_chunk(struct world *w, const void *p, size_t n)
{
	unsigned before = w->writes;

	input_writer_write(w->writer, p, n, on_write, w);
	assert_int_equal(w->writes, before);
	uv_run(&w->loop, UV_RUN_DEFAULT);
	assert_int_equal(w->writes, before + 1);
	return w->rc;
}

static void begin(struct world *w)
{
	w->writer = input_writer_new(&w->loop, w->dir, &w->limits);
	assert_non_null(w->writer);
}

static void abandon(struct world *w)
{
	input_writer_abort(w->writer);
	uv_run(&w->loop, UV_RUN_DEFAULT);
}

static enum input_rc finish(struct world *w)
{
	unsigned before = w->finishes;

	input_writer_finish(w->writer, on_finish, w);
	uv_run(&w->loop, UV_RUN_DEFAULT);
	assert_int_equal(w->finishes, before + 1);
	return w->rc;
}

/* The whole text in chunks of n bytes; the first error, or the finish's verdict. */
static enum input_rc put(struct world *w, const char *text, size_t n)
{
	size_t at, len = strlen(text);

	begin(w);
	for (at = 0; at < len; at += n) {
		if (write_chunk(w, text + at, len - at < n ? len - at : n) != INPUT_OK) {
			enum input_rc rc = w->rc;

			abandon(w);
			return rc;
		}
	}
	return finish(w);
}

/* ---- tests ---- */

static const char some_hash[] = "5e2d1fdb6c4d4cd50bb35ae34ee1b39f3f13a2f8f95a33ee5d32f8d5a7aa2cbd";

static void test_content_address(void **state)
{
	static const char text[] = "{\"blocks\":[{\"a\":1.5e3}],\"s\":\"\\u00e9 \xc3\xa9\"}\n";
	char name[80], path[200], back[sizeof text];
	uint8_t first[32];
	struct world w;
	size_t n;
	int fd;

	(void)state;
	world_make(&w);
	for (n = 1; n < sizeof text; n++) {
		memset(&disk, 0, sizeof disk);
		assert_int_equal(put(&w, text, n), INPUT_OK);
		assert_int_equal(w.size, sizeof text - 1);
		/* The bytes, then the name, then the name's durability. */
		assert_string_equal(disk.log, "frd");
		assert_int_equal(entries(&w), 1);
		if (n > 1)
			assert_memory_equal(w.sha256, first, 32);
		memcpy(first, w.sha256, 32);
	}
	assert_int_equal(input_file_open(&fd, w.dir, first, sizeof text - 1, &w.why), INPUT_OK);
	assert_int_equal(read(fd, back, sizeof back), sizeof text - 1);
	assert_memory_equal(back, text, sizeof text - 1);
	close(fd);
	hex_encode(name, first, 32);
	snprintf(path, sizeof path, "%s/%s", w.inputs, name);
	assert_int_equal(access(path, R_OK), 0);

	/* An independent SHA-256: the empty object's. */
	assert_int_equal(put(&w, "{}", 2), INPUT_OK);
	hex_encode(name, w.sha256, 32);
	assert_string_equal(name,
			    "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
	assert_int_equal(entries(&w), 2);
	assert_int_equal(input_file_remove(w.dir, w.sha256, &w.why), INPUT_OK);
	assert_int_equal(input_file_remove(w.dir, w.sha256, &w.why), INPUT_OK);
	assert_int_equal(input_file_open(&fd, w.dir, w.sha256, 2, &w.why), INPUT_BROKEN);
	assert_non_null(strstr(w.why.text, name));
	assert_int_equal(entries(&w), 1);
	world_free(&w);
}

static void test_not_json(void **state)
{
	static const char *const bad[] = {
	    "",
	    " ",
	    "{",
	    "{}}",
	    "{} {}",
	    "[1]",
	    "\"text\"",
	    "17",
	    "null",
	    "{\"a\":}",
	    "{\"a\":\"\xff\"}",
	    "{\"a\":\"\xc3\"}",
	    "{\"a\":[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]}",
	    "{\"a\":\"\n\"}",
	};
	struct world w;
	size_t i, n;

	(void)state;
	world_make(&w);
	for (i = 0; i < sizeof bad / sizeof *bad; i++) {
		for (n = 1; n < 9; n += 3) {
			assert_int_equal(put(&w, bad[i], n), INPUT_NOT_JSON);
			assert_non_null(strstr(w.why.text, "JSON"));
			assert_int_equal(entries(&w), 0);
		}
	}
	assert_int_equal(put(&w, "{\"a\":x}", 100), INPUT_NOT_JSON);
	assert_non_null(strstr(w.why.text, "5"));
	assert_int_equal(put(&w, "[]", 100), INPUT_NOT_JSON);
	assert_string_equal(w.why.text, "the input is JSON, but not an object: it starts with '['");
	/* An error sticks: a finish after it does not publish. */
	begin(&w);
	assert_int_equal(write_chunk(&w, "[", 1), INPUT_NOT_JSON);
	assert_int_equal(finish(&w), INPUT_NOT_JSON);
	assert_int_equal(entries(&w), 0);
	world_free(&w);
}

static void test_ceilings(void **state)
{
	struct world w;

	(void)state;
	world_make(&w);
	w.limits.max_bytes = 7;
	assert_int_equal(put(&w, "{\"a\":1}", 3), INPUT_OK);
	assert_int_equal(put(&w, "{\"a\":12}", 3), INPUT_TOO_BIG);
	assert_string_equal(w.why.text, "the input is longer than the 7 bytes allowed");
	assert_int_equal(entries(&w), 1);

	w.limits.max_bytes = 1 << 20;
	w.limits.disk_floor = UINT64_MAX;
	assert_int_equal(put(&w, "{}", 1), INPUT_DISK_FULL);
	assert_non_null(strstr(w.why.text, "18446744073709551615 are to stay free"));
	assert_int_equal(entries(&w), 1);
	world_free(&w);
}

static void test_abort(void **state)
{
	static uint8_t spaces[INPUT_CHUNK_MAX];
	struct world w;

	(void)state;
	memset(spaces, ' ', sizeof spaces);
	world_make(&w);
	input_writer_abort(NULL);
	/* before anything, between two chunks, with a chunk in flight, with a finish in flight */
	begin(&w);
	abandon(&w);
	begin(&w);
	assert_int_equal(write_chunk(&w, "{", 1), INPUT_OK);
	assert_int_equal(entries(&w), 1);
	abandon(&w);
	assert_int_equal(entries(&w), 0);
	begin(&w);
	assert_int_equal(write_chunk(&w, spaces, sizeof spaces), INPUT_OK);
	input_writer_write(w.writer, spaces, sizeof spaces, on_write, &w);
	abandon(&w);
	assert_int_equal(w.writes, 2);
	assert_int_equal(entries(&w), 0);
	begin(&w);
	assert_int_equal(write_chunk(&w, "{", 1), INPUT_OK);
	input_writer_finish(w.writer, on_finish, &w);
	abandon(&w);
	assert_int_equal(w.finishes, 0);
	assert_int_equal(entries(&w), 0);
	world_free(&w);
}

static void touch(const struct world *w, const char *name)
{
	char path[300];
	int fd;

	snprintf(path, sizeof path, "%s/%s", w->inputs, name);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	close(fd);
}

static void test_directory(void **state)
{
	uint8_t keep[2][32];
	struct world w;
	struct stat st;
	size_t removed;
	char missing[100];

	(void)state;
	world_make(&w);
	assert_int_equal(stat(w.inputs, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_int_equal(put(&w, "{\"a\":1}", 3), INPUT_OK);
	memcpy(keep[1], w.sha256, 32);
	assert_int_equal(put(&w, "{\"a\":2}", 3), INPUT_OK);
	memcpy(keep[0], w.sha256, 32);
	assert_int_equal(put(&w, "{\"a\":3}", 3), INPUT_OK);
	touch(&w, some_hash);
	touch(&w, "tmp-abcdef");
	touch(&w, "README");
	assert_int_equal(entries(&w), 6);

	/* Only names that are a hash are swept, only leftovers are removed at the start. */
	assert_int_equal(input_files_sweep(w.dir, (const uint8_t(*)[32])keep, 2, &removed, &w.why),
			 INPUT_OK);
	assert_int_equal(removed, 2);
	assert_int_equal(entries(&w), 4);
	assert_int_equal(input_files_prepare(w.dir, &w.why), INPUT_OK);
	assert_int_equal(entries(&w), 3);
	assert_int_equal(input_files_sweep(w.dir, NULL, 0, &removed, &w.why), INPUT_OK);
	assert_int_equal(removed, 2);
	assert_int_equal(entries(&w), 1);

	snprintf(missing, sizeof missing, "%s/none", w.dir);
	assert_int_equal(input_files_sweep(missing, NULL, 0, &removed, &w.why), INPUT_IO);
	assert_non_null(strstr(w.why.text, missing));
	snprintf(missing, sizeof missing, "%s/none/none", w.dir);
	assert_int_equal(input_files_prepare(missing, &w.why), INPUT_IO);
	world_free(&w);
}

/* Each of the three steps of a finish fails once: nothing but a file that no row names is left. */
static void test_finish_fails(void **state)
{
	struct world w;
	size_t removed;
	int at;

	(void)state;
	for (at = 1; at <= 3; at++) {
		world_make(&w);
		disk.fail_at = at;
		assert_int_equal(put(&w, "{\"a\":1}", 3), INPUT_IO);
		assert_non_null(strstr(w.why.text, "Input/output error"));
		assert_non_null(strstr(w.why.text, w.inputs));
		assert_int_equal(entries(&w), at == 3);
		assert_int_equal(input_files_sweep(w.dir, NULL, 0, &removed, &w.why), INPUT_OK);
		assert_int_equal(entries(&w), 0);
		world_free(&w);
	}
}

static void test_full_file_system(void **state)
{
	static char big[INPUT_CHUNK_MAX];
	struct world w;

	(void)state;
	world_make(&w);
	if (mount("tmpfs", w.dir, "tmpfs", 0, "size=512k")) {
		world_free(&w);
		printf("SKIPPED: no tmpfs can be mounted here (%s)\n", strerror(errno));
		skip();
	}
	assert_int_equal(input_files_prepare(w.dir, &w.why), INPUT_OK);
	memset(big, ' ', sizeof big);
	memcpy(big, "{\"a\":1}", 7);
	w.limits.disk_floor = 0;
	big[300000] = '\0';
	assert_int_equal(put(&w, big, 100000), INPUT_OK);
	big[300000] = ' ';
	big[700000] = '\0';
	assert_int_equal(put(&w, big, 100000), INPUT_DISK_FULL);
	assert_int_equal(entries(&w), 1);
	assert_int_equal(umount(w.dir), 0);
	world_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_content_address),  cmocka_unit_test(test_not_json),
	    cmocka_unit_test(test_ceilings),         cmocka_unit_test(test_abort),
	    cmocka_unit_test(test_directory),        cmocka_unit_test(test_finish_fails),
	    cmocka_unit_test(test_full_file_system),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
