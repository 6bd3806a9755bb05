/*
 * Disks that refuse: a full file system, a file size limit, and every write, truncation, open and
 * sync of the store failing once (habit: fail everything once).
 */
#include "store_world.h"

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/resource.h>

/* ---- fail the Nth system call that can fail ---- */

static struct {
	uv_mutex_t mutex;
	long at, seen; /* at < 0: never */
	int error;
} fault;

static int fault_here(void)
{
	bool hit;

	uv_mutex_lock(&fault.mutex);
	hit = fault.at >= 0 && fault.seen++ == fault.at;
	uv_mutex_unlock(&fault.mutex);
	return hit ? fault.error : 0;
}

static ssize_t faulty_pwrite(int fd, const void *p, size_t n, off_t at)
{
	errno = fault_here();
	return errno ? -1 : pwrite(fd, p, n, at);
}

static int faulty_ftruncate(int fd, off_t n)
{
	errno = fault_here();
	return errno ? -1 : ftruncate(fd, n);
}

static int faulty_open(const char *path, int flags, int mode)
{
	errno = fault_here();
	return errno ? -1 : open(path, flags, mode);
}

static void set_call(const char *name, void (*fn)(void))
{
	sqlite3_vfs *vfs = sqlite3_vfs_find("unix");

	assert_int_equal(vfs->xSetSystemCall(vfs, name, (sqlite3_syscall_ptr)fn), SQLITE_OK);
}

struct verdicts {
	bool expected[64], found[64];
};

static bool find(void *arg, const struct store_proof *row, struct why *why)
{
	struct verdicts *v = arg;

	(void)why;
	assert_true(row->id < 64);
	v->found[row->id] = true;
	return true;
}

/* Pairs of proofs in one group each, alone or several groups at once; the log is folded often. */
static void scenario(struct world *w, struct verdicts *v)
{
	uint8_t bytes[3000] = {0};
	struct store_change c[2];
	uint64_t id = 0;
	unsigned calls;

	w->options.checkpoint_pages = 6;
	if (world_open(w) != STORE_OK) {
		assert_true(w->why.text[0]);
		return;
	}
	for (; id < 24; id += 2) {
		c[0] = a_proof(id, span_of(bytes, sizeof bytes));
		c[1] = a_proof(id + 1, span_of(bytes, sizeof bytes));
		v->expected[id] = world_commit(w, c, 2) == STORE_OK;
		v->expected[id + 1] = v->expected[id];
		if (!v->expected[id]) {
			assert_int_equal(w->last_rc, STORE_DISK);
			assert_true(w->why.text[0]);
		}
	}
	calls = w->ok;
	for (; id < 30; id++) {
		c[0] = a_proof(id, span_of(bytes, sizeof bytes));
		assert_int_equal(world_submit(w, c, 1), STORE_OK);
	}
	world_close(w);
	/* One fault stands in the way of one of six at most: the others are retried alone. */
	assert_true(w->ok - calls >= 5);
	for (id = 24; w->ok - calls == 6 && id < 30; id++)
		v->expected[id] = true;
}

static void torture(int error)
{
	struct store_visitor visitor = {.proof = find};
	struct verdicts v;
	struct world w;
	unsigned i, runs = 0, lost = 0;
	long reached;

	fault.error = error;
	for (fault.at = 0;; fault.at++) {
		long at = fault.at;

		memset(&v, 0, sizeof v);
		world_make(&w);
		fault.seen = 0;
		gate.fault = fault_here;
		scenario(&w, &v);
		reached = fault.seen;
		fault.at = -1;
		gate.fault = NULL;
		assert_int_equal(world_open(&w), STORE_OK);
		assert_int_equal(store_load(w.store, &visitor, &v, &w.why), STORE_OK);
		for (i = 0; i < 24; i++) {
			assert_int_equal(v.found[i], v.expected[i]);
			lost += !v.expected[i];
		}
		for (i = 24; i < 30; i++)
			assert_true(v.found[i] || !v.expected[i]);
		world_close(&w);
		world_free(&w);
		fault.at = at;
		runs++;
		if (reached <= fault.at)
			break;
	}
	fault.at = -1;
	printf("every one of %u calls failed once with %s; %u proofs were refused\n", runs - 1,
	       strerror(error), lost);
	assert_true(runs > 50 && lost > 0);
}

static void test_every_call_fails_once(void **state)
{
	(void)state;
	set_call("pwrite", (void (*)(void))faulty_pwrite);
	set_call("pwrite64", (void (*)(void))faulty_pwrite);
	set_call("ftruncate", (void (*)(void))faulty_ftruncate);
	set_call("open", (void (*)(void))faulty_open);
	torture(EIO);
	torture(ENOSPC);
	set_call("pwrite", NULL);
	set_call("pwrite64", NULL);
	set_call("ftruncate", NULL);
	set_call("open", NULL);
}

/* ---- disks that are full for a while ---- */

static unsigned fill(struct world *w, uint64_t *id)
{
	static uint8_t bytes[20000];
	struct store_change c;
	unsigned stored = 0;

	for (;;) {
		c = a_proof(*id, span_of(bytes, sizeof bytes));
		if (world_commit(w, &c, 1) != STORE_OK)
			return stored;
		stored++;
		++*id;
		assert_true(stored < 1000);
	}
}

static void test_file_size_limit(void **state)
{
	struct rlimit old, small;
	struct store_change c;
	struct world w;
	uint64_t id = 0;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	world_make(&w);
	assert_int_equal(world_open(&w), STORE_OK);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = old;
	small.rlim_cur = 400000;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_true(fill(&w, &id) > 3);
	assert_int_equal(w.last_rc, STORE_DISK);
	assert_non_null(strstr(w.why.text, "File too large"));
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	c = a_proof(id, text("now there is room"));
	assert_int_equal(world_commit(&w, &c, 1), STORE_OK);
	world_close(&w);
	world_free(&w);
}

static void test_full_file_system(void **state)
{
	struct store_visitor visitor = {.proof = find};
	struct verdicts v = {0};
	struct store_change c;
	struct world w;
	uint64_t id = 0;
	char ballast[100];
	unsigned i;
	int fd;

	(void)state;
	world_make(&w);
	if (mount("tmpfs", w.root, "tmpfs", 0, "size=1M")) {
		world_free(&w);
		printf("SKIPPED: no tmpfs can be mounted here (%s)\n", strerror(errno));
		skip();
	}
	snprintf(ballast, sizeof ballast, "%s/ballast", w.root);
	fd = open(ballast, O_WRONLY | O_CREAT, 0600);
	assert_int_equal(ftruncate(fd, 0) | posix_fallocate(fd, 0, 400000), 0);
	assert_int_equal(world_open(&w), STORE_OK);
	assert_true(fill(&w, &id) > 3);
	assert_int_equal(w.last_rc, STORE_DISK);
	assert_non_null(strstr(w.why.text, "full"));
	assert_int_equal(ftruncate(fd, 0), 0);
	c = a_proof(id++, text("now there is room"));
	assert_int_equal(world_commit(&w, &c, 1), STORE_OK);
	world_close(&w);
	assert_int_equal(world_open(&w), STORE_OK);
	assert_int_equal(store_load(w.store, &visitor, &v, &w.why), STORE_OK);
	for (i = 0; i < id; i++)
		assert_true(v.found[i]);
	world_close(&w);
	close(fd);
	assert_int_equal(umount(w.root), 0);
	world_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_every_call_fails_once),
	    cmocka_unit_test(test_file_size_limit),
	    cmocka_unit_test(test_full_file_system),
	};

	fault.at = -1;
	uv_mutex_init(&fault.mutex);
	gate_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
