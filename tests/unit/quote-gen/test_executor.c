/* The executor as a child process: fed, read, bounded, killed. */
#include "quote-gen/executor.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/executor-test-XXXXXX";
static struct executor_limits limits = {60000, 1ull << 32};
static enum executor_rc last; /* of run() */

static int make_dir(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN); /* as quote-gen does */
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	(void)state;
	return rmdir(dir);
}

static bool run(const char *script, struct span input, size_t max, uint64_t timeout_ms, int stopped,
		struct buf *out, struct why *why)
{
	volatile int stop = stopped;
	char path[64];
	FILE *f;
	bool ok;

	snprintf(path, sizeof path, "%s/run", dir);
	f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f, "#!/bin/sh\n%s\n", script);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, 0700), 0);
	buf_init(out, max);
	why->text[0] = '\0';
	limits.timeout_ms = timeout_ms;
	last = executor_run(out, path, input, &limits, &stop, why);
	ok = last == EXECUTOR_OK;
	unlink(path);
	return ok;
}

static void refused(const char *script, size_t max, uint64_t timeout_ms, const char *words)
{
	struct buf out;
	struct why why;

	assert_false(run(script, span_of("in", 2), max, timeout_ms, 0, &out, &why));
	if (!strstr(why.text, words))
		fail_msg("\"%s\" does not say \"%s\"", why.text, words);
	buf_free(&out);
}

static void input_goes_in_and_output_comes_out(void **state)
{
	size_t n = 3u << 20, i;
	uint8_t *big = malloc(n);
	struct buf out;
	struct why why;

	(void)state;
	assert_non_null(big);
	for (i = 0; i < n; i++)
		big[i] = (uint8_t)(i * 2654435761u >> 24);
	/* More than any pipe holds, in both directions. */
	assert_true(run("exec cat", span_of(big, n), n, 60000, 0, &out, &why));
	assert_int_equal(out.len, n);
	assert_memory_equal(out.p, big, n);
	buf_free(&out);
	free(big);
}

static void one_that_reads_nothing_may_succeed(void **state)
{
	static uint8_t big[1 << 20];
	struct buf out;
	struct why why;

	(void)state;
	assert_true(run("printf done", span_of(big, sizeof big), 100, 60000, 0, &out, &why));
	assert_int_equal(out.len, 4);
	assert_memory_equal(out.p, "done", 4);
	buf_free(&out);
}

static void failures_are_told(void **state)
{
	struct buf out;
	struct why why;
	volatile int stop = 0;

	(void)state;
	refused("cat; exit 3", 100, 60000, "exit status 3");
	refused("kill -9 $$", 100, 60000, "killed by signal 9");
	refused("cat >/dev/null", 100, 60000, "wrote no program output");
	refused("yes", 1000, 60000, "more than 1000 bytes");
	buf_init(&out, 100);
	assert_int_equal(
	    executor_run(&out, "/nonexistent/prover", span_of("x", 1), &limits, &stop, &why),
	    EXECUTOR_FAILED);
	assert_non_null(strstr(why.text, "/nonexistent/prover: No such file"));
}

static void a_refused_input_is_the_inputs_fault(void **state)
{
	static const struct {
		int status;
		enum executor_rc rc;
	} cases[] = {{64, EXECUTOR_FAILED},  {65, EXECUTOR_REFUSED}, {70, EXECUTOR_FAILED},
		     {74, EXECUTOR_FAILED},  {79, EXECUTOR_FAILED},  {80, EXECUTOR_REFUSED},
		     {94, EXECUTOR_REFUSED}, {95, EXECUTOR_FAILED}};
	char script[100], words[100];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof cases / sizeof *cases; i++) {
		snprintf(script, sizeof script,
			 "cat; echo first >&2; echo block 7: why >&2; exit %d", cases[i].status);
		snprintf(words, sizeof words, "exit status %d%s: block 7: why", cases[i].status,
			 cases[i].rc == EXECUTOR_REFUSED
			     ? ")"
			     : ", limits 4294967296 bytes of memory and 60000 ms");
		refused(script, 100, 60000, words);
		assert_int_equal(last, cases[i].rc);
	}
}

static void what_it_says_is_kept_and_bounded(void **state)
{
	struct buf out;
	struct why why;

	(void)state;
	assert_true(run("cat; printf 'one\\ntwo\\033[1m\\n' >&2", span_of("in", 2), 100, 60000, 0,
			&out, &why));
	assert_string_equal(why.text, "two?[1m");
	buf_free(&out);
	/* A flood of words blocks neither side. */
	assert_true(run("head -c 3000000 /dev/zero | tr '\\0' x >&2; cat", span_of("in", 2), 100,
			60000, 0, &out, &why));
	assert_int_equal(strlen(why.text), 399);
	buf_free(&out);
}

static void last_words_are_heard_however_many_come_before(void **state)
{
	(void)state;
	/* All in the pipe when the program has ended, and longer than one read. */
	refused("cat >/dev/null; exec >&-; head -c 60000 /dev/zero | tr '\\0' '\\n' >&2; "
		"echo block 7: why >&2; exit 81",
		100, 60000, "exit status 81): block 7: why");
	/* Others that speak on do not keep it. */
	refused("cat >/dev/null; yes >&2 & exec >&-; exit 81", 100, 60000, "exit status 81)");
}

static void its_memory_has_a_ceiling(void **state)
{
	(void)state;
	limits.memory = 64u << 20;
	refused("cat; ulimit -v >&2; kill -ABRT $$", 100, 60000,
		"limits 67108864 bytes of memory and 60000 ms: 65536");
	assert_int_equal(last, EXECUTOR_FAILED);
	limits.memory = 1ull << 32;
}

static void a_lower_ceiling_of_ours_is_its_own(void **state)
{
	const rlim_t ours = (rlim_t)1 << 47;
	struct rlimit lower = {ours, ours};

	(void)state;
	assert_int_equal(setrlimit(RLIMIT_AS, &lower), 0);
	limits.memory = (uint64_t)1 << 48;
	refused("cat; ulimit -v >&2; exit 70", 100, 60000,
		"limits 140737488355328 bytes of memory and 60000 ms: 137438953472");
	limits.memory = 1ull << 32;
}

static void it_is_found_on_path(void **state)
{
	char path[64], found[64], small[8];
	FILE *f;

	(void)state;
	setenv("PATH", "", 1);
	assert_false(executor_find(found, sizeof found));
	snprintf(path, sizeof path, "%s/" EXECUTOR_NAME, dir);
	f = fopen(path, "w");
	assert_non_null(f);
	fclose(f);
	assert_int_equal(setenv("PATH", dir, 1), 0);
	assert_false(executor_find(found, sizeof found)); /* no program yet */
	chmod(path, 0700);
	assert_true(executor_find(found, sizeof found));
	assert_string_equal(found, path);
	assert_false(executor_find(small, sizeof small));
	unlink(path);
}

/* Whoever reaps orphans does it soon (a zombie still answers). */
static void is_gone(long pid)
{
	char stat[64], line[256];
	FILE *f;
	int i;

	assert_true(pid > 1);
	snprintf(stat, sizeof stat, "/proc/%ld/stat", pid);
	for (i = 0; i < 200; i++) {
		line[0] = '\0';
		f = fopen(stat, "r");
		if (!f)
			return;
		if (fgets(line, sizeof line, f) && strstr(line, ") Z"))
			i = 1000;
		fclose(f);
		usleep(10000);
	}
	assert_true(i != 200);
}

static long pid_in(const char *path)
{
	char text[32] = "";
	FILE *f = fopen(path, "r");

	assert_non_null(f);
	assert_non_null(fgets(text, sizeof text, f));
	fclose(f);
	unlink(path);
	return strtol(text, NULL, 10);
}

static void one_that_hangs_is_killed_with_its_children(void **state)
{
	char script[200], path[64];

	(void)state;
	refused("sleep 1000", 100, 300, "longer than allowed");
	/* It closed its output and lives on: that is no end either. */
	snprintf(path, sizeof path, "%s/pid", dir);
	snprintf(script, sizeof script, "sleep 1000 & echo $! >%s; exec >&-; wait", path);
	refused(script, 100, 1000, "longer than allowed");
	is_gone(pid_in(path));
}

static void what_it_leaves_behind_neither_holds_nor_survives_it(void **state)
{
	char script[200], path[64];
	struct buf out;
	struct why why;

	(void)state;
	snprintf(path, sizeof path, "%s/pid", dir);
	/* It has stdout and stderr. */
	snprintf(script, sizeof script, "cat; yes >&2 & sleep 1000 & echo $! >%s; exit 81", path);
	refused(script, 100, 60000, "exit status 81)");
	is_gone(pid_in(path));
	snprintf(script, sizeof script, "cat; sleep 1000 >/dev/null 2>&1 & echo $! >%s", path);
	assert_true(run(script, span_of("in", 2), 100, 60000, 0, &out, &why));
	buf_free(&out);
	is_gone(pid_in(path));
}

static void a_stop_ends_it(void **state)
{
	struct buf out;
	struct why why;

	(void)state;
	assert_false(run("sleep 1000", span_of("in", 2), 100, 60000, 1, &out, &why));
	assert_string_equal(why.text, "stopped");
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(input_goes_in_and_output_comes_out),
	    cmocka_unit_test(one_that_reads_nothing_may_succeed),
	    cmocka_unit_test(failures_are_told),
	    cmocka_unit_test(a_refused_input_is_the_inputs_fault),
	    cmocka_unit_test(what_it_says_is_kept_and_bounded),
	    cmocka_unit_test(last_words_are_heard_however_many_come_before),
	    cmocka_unit_test(its_memory_has_a_ceiling),
	    cmocka_unit_test(a_lower_ceiling_of_ours_is_its_own),
	    cmocka_unit_test(one_that_hangs_is_killed_with_its_children),
	    cmocka_unit_test(what_it_leaves_behind_neither_holds_nor_survives_it),
	    cmocka_unit_test(a_stop_ends_it),
	    cmocka_unit_test(it_is_found_on_path), /* last: it changes PATH */
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
