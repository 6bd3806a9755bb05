/* Nobody has to read stderr: a line never waits, and what is missing is counted and said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "coordinator/base/log.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LINES 20000 /* more than ring and pipe hold */
#define NOTE  "event=log_dropped lines="

static int reader = -1, keep = -1;
static char text[4 << 20];
static size_t text_len;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* stderr is a pipe that nobody reads, until read_some(). */
static int begin(void **state)
{
	struct why why;
	int p[2];

	(void)state;
	text_len = 0;
	keep = dup(STDERR_FILENO);
	assert_int_equal(pipe(p), 0);
	reader = p[0];
	assert_int_equal(fcntl(reader, F_SETFL, O_NONBLOCK), 0);
	dup2(p[1], STDERR_FILENO);
	close(p[1]);
	log_configure(LOG_INFO, LOG_LOGFMT);
	return log_start(&why) ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	log_stop();
	dup2(keep, STDERR_FILENO);
	close(keep);
	if (reader >= 0)
		close(reader);
	return 0;
}

static bool read_some(void)
{
	struct pollfd p = {.fd = reader, .events = POLLIN};
	ssize_t n;

	if (poll(&p, 1, 300) <= 0)
		return false;
	n = read(reader, text + text_len, sizeof text - 1 - text_len);
	if (n <= 0)
		return false;
	text_len += (size_t)n;
	text[text_len] = '\0';
	return true;
}

static void say(unsigned n)
{
	log_event(LOG_INFO, "line", log_u64("number", n),
		  log_str("padding", "................................................"));
}

/* Each line is whole, in order, and either there or among those that a note counts. */
static unsigned long check_lines(void)
{
	unsigned long next = 0, notes = 0, n;
	char *line, *save = NULL;
	const char *at;

	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		assert_ptr_equal(strstr(line, "ts="), line);
		if ((at = strstr(line, NOTE))) {
			next += strtoul(at + strlen(NOTE), NULL, 10);
			notes++;
			continue;
		}
		at = strstr(line, " number=");
		assert_non_null(at);
		n = strtoul(at + 8, NULL, 10);
		assert_int_equal(n, next);
		assert_non_null(strstr(line, " padding=....."));
		next++;
	}
	assert_true(notes > 0);
	return next;
}

static void test_a_line_never_waits(void **state)
{
	const uint64_t before = log_dropped();
	const double start = now();
	unsigned i;

	(void)state;
	for (i = 0; i < LINES; i++)
		say(i);
	assert_true(now() - start < 10);
	assert_true(log_dropped() - before > LINES / 4 && log_dropped() - before < LINES);
	/* The note comes without another line that would bring it. */
	while (read_some())
		;
	assert_non_null(strstr(text, NOTE));
	for (; i < LINES + 10; i++)
		say(i);
	while (read_some())
		;
	assert_int_equal(check_lines(), LINES + 10);
}

static void *read_slowly(void)
{
	while (read_some())
		usleep(100);
	return NULL;
}

/* What fits is all written before the end, to a slow reader too. */
static void test_nothing_is_lost_at_the_end(void **state)
{
	const uint64_t before = log_dropped();
	unsigned i;
	pid_t child;
	int status;

	(void)state;
	for (i = 0; i < 5000; i++)
		say(i);
	assert_int_equal(log_dropped(), before);
	child = fork();
	if (child == 0) {
		close(STDERR_FILENO);
		read_slowly();
		i = 0;
		for (char *at = text; (at = strstr(at, " number=")); at++)
			i++;
		_exit(i == 5000 ? 0 : 1);
	}
	log_stop();
	dup2(keep, STDERR_FILENO); /* the child sees the end */
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void test_the_end_does_not_wait_either(void **state)
{
	const double start = now();
	unsigned i;

	(void)state;
	for (i = 0; i < LINES; i++)
		say(i);
	log_stop();
	assert_true(now() - start < 10);
}

static void test_a_reader_that_is_gone(void **state)
{
	const uint64_t before = log_dropped();
	const double start = now();
	unsigned i;

	(void)state;
	close(reader);
	reader = -1;
	for (i = 0; i < 100; i++)
		say(i);
	log_stop();
	assert_int_equal(log_dropped() - before, 100);
	assert_true(now() - start < 5);
}

/* The description may be made non-blocking by another process that has it too. */
static void test_a_description_that_does_not_block(void **state)
{
	unsigned i;

	(void)state;
	assert_int_equal(fcntl(STDERR_FILENO, F_SETFL, O_NONBLOCK), 0);
	for (i = 0; i < LINES; i++)
		say(i);
	while (read_some())
		;
	assert_int_equal(check_lines(), LINES);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_a_line_never_waits), TEST(test_nothing_is_lost_at_the_end),
	    TEST(test_the_end_does_not_wait_either), TEST(test_a_reader_that_is_gone),
	    TEST(test_a_description_that_does_not_block)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
