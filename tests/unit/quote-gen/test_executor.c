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
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/executor-test-XXXXXX";

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
	ok = executor_run(out, path, input, timeout_ms, &stop, why);
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
	assert_false(executor_run(&out, "/nonexistent/prover", span_of("x", 1), 1000, &stop, &why));
	assert_non_null(strstr(why.text, "/nonexistent/prover: No such file"));
}

static void one_that_hangs_is_killed_with_its_children(void **state)
{
	char script[200], path[64], text[32] = "";
	FILE *f;
	long pid;
	int i;

	(void)state;
	refused("sleep 1000", 100, 300, "longer than allowed");
	/* It closed its output and lives on: that is no end either. */
	snprintf(path, sizeof path, "%s/pid", dir);
	snprintf(script, sizeof script, "sleep 1000 & echo $! >%s; exec >&-; wait", path);
	refused(script, 100, 1000, "longer than allowed");
	f = fopen(path, "r");
	assert_non_null(f);
	assert_non_null(fgets(text, sizeof text, f));
	fclose(f);
	unlink(path);
	pid = atol(text);
	assert_true(pid > 1);
	/* Killed; whoever reaps orphans does it soon (a zombie still answers). */
	for (i = 0; i < 200 && kill((pid_t)pid, 0) == 0; i++) {
		char stat[64], line[256] = "";

		snprintf(stat, sizeof stat, "/proc/%ld/stat", pid);
		f = fopen(stat, "r");
		if (!f)
			break;
		if (fgets(line, sizeof line, f) && strstr(line, ") Z"))
			i = 1000;
		fclose(f);
		usleep(10000);
	}
	assert_true(i != 200);
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
	    cmocka_unit_test(one_that_hangs_is_killed_with_its_children),
	    cmocka_unit_test(a_stop_ends_it),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
