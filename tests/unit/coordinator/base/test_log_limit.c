/* However often strangers say something, the log has a bounded number of lines about it, and says
 * how often it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "coordinator/base/log.h"
#include "coordinator/base/log_limit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct log_limit l;

static int begin(void **state)
{
	(void)state;
	memset(&l, 0, sizeof l);
	return 0;
}

static void expect_count(uint64_t now, bool all, const char *event, const char *source, uint64_t n)
{
	struct log_limit_count c;

	assert_true(log_limit_due(&l, &c, now, all));
	assert_string_equal(c.event, event);
	assert_string_equal(c.source, source);
	assert_int_equal(c.left_out, n);
}

static void expect_none(uint64_t now)
{
	struct log_limit_count c;

	assert_false(log_limit_due(&l, &c, now, false));
}

static void test_first_then_a_count(void **state)
{
	unsigned i;

	(void)state;
	assert_true(log_limit_ask(&l, "refused", "json", "10.0.0.5", 1, 1000));
	for (i = 0; i < 12000; i++)
		assert_false(log_limit_ask(&l, "refused", "json", "10.0.0.5", 1, 1001 + i / 12));
	/* Another reason, source or event is a first one. */
	assert_true(log_limit_ask(&l, "refused", "size", "10.0.0.5", 1, 2500));
	assert_true(log_limit_ask(&l, "refused", "json", "10.0.0.6", 1, 2500));
	assert_true(log_limit_ask(&l, "kept", "json", "10.0.0.5", 1, 2500));
	expect_none(1000 + LOG_LIMIT_MS - 1);
	expect_count(1000 + LOG_LIMIT_MS, false, "refused", "10.0.0.5", 12000);
	expect_none(1000 + LOG_LIMIT_MS);
	assert_int_equal(l.left_out, 12000);
	/* The next minute has its first one too. */
	assert_true(log_limit_ask(&l, "refused", "json", "10.0.0.5", 1, 1000 + LOG_LIMIT_MS));
	assert_false(log_limit_ask(&l, "refused", "json", "10.0.0.5", 1, 1000 + LOG_LIMIT_MS));
}

static void test_a_count_is_never_forgotten(void **state)
{
	(void)state;
	assert_true(log_limit_ask(&l, "refused", "json", "a", 1, 0));
	assert_false(log_limit_ask(&l, "refused", "json", "a", 1, 1));
	/* Long after, and nobody has asked for the count meanwhile: it goes on. */
	assert_false(log_limit_ask(&l, "refused", "json", "a", 1, 10 * LOG_LIMIT_MS));
	expect_count(10 * LOG_LIMIT_MS, false, "refused", "a", 2);
	/* At the end all of them. */
	assert_true(log_limit_ask(&l, "refused", "json", "a", 1, 10 * LOG_LIMIT_MS));
	assert_false(log_limit_ask(&l, "refused", "json", "a", 1, 10 * LOG_LIMIT_MS));
	expect_count(10 * LOG_LIMIT_MS, true, "refused", "a", 1);
}

static void test_several_a_minute(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < 30; i++)
		assert_int_equal(log_limit_ask(&l, "granted", "", "a", 20, i), i < 20);
	expect_count(LOG_LIMIT_MS, false, "granted", "a", 10);
}

/* A thousand sources, a thousand kinds: a minute has a fixed number of lines at most. */
static void test_ceilings(void **state)
{
	static char names[1000][8];
	uint64_t lines = 0, counted = 0;
	struct log_limit_count c;
	char source[16];
	unsigned i, j;

	(void)state;
	for (i = 0; i < 1000; i++)
		snprintf(names[i], sizeof names[i], "k%u", i);
	for (i = 0; i < 1000; i++)
		for (j = 0; j < 100; j++) {
			snprintf(source, sizeof source, "10.0.%u.1", (i * j) % 1000);
			lines += log_limit_ask(&l, "refused", names[i], source, 1, 5);
		}
	assert_true(lines > LOG_LIMIT_KINDS && lines <= LOG_LIMIT_KINDS * (LOG_LIMIT_SOURCES + 1));
	while (log_limit_due(&l, &c, LOG_LIMIT_MS + 5, false)) {
		lines++;
		counted += c.left_out;
	}
	assert_true(lines <= 2 * LOG_LIMIT_KINDS * (LOG_LIMIT_SOURCES + 1));
	assert_int_equal(counted, l.left_out);
	/* All of it is free again. */
	assert_true(log_limit_ask(&l, "refused", names[0], "a", 1, LOG_LIMIT_MS + 5));
}

static void test_others_share_a_place(void **state)
{
	char source[16];
	unsigned i;

	(void)state;
	for (i = 0; i < 20; i++) {
		snprintf(source, sizeof source, "10.0.0.%u", i);
		assert_int_equal(log_limit_ask(&l, "refused", "", source, 1, 0),
				 i <= LOG_LIMIT_SOURCES);
	}
	expect_count(LOG_LIMIT_MS, false, "refused", "others", 20 - LOG_LIMIT_SOURCES - 1);
	expect_none(LOG_LIMIT_MS);
}

/* ---- the lines ---- */

static unsigned count_of(const char *text, const char *words)
{
	unsigned n = 0;

	for (; (text = strstr(text, words)); text++)
		n++;
	return n;
}

static void written(char *text, size_t size, enum log_level level)
{
	int p[2], keep = dup(STDERR_FILENO);
	unsigned i;
	ssize_t n;

	assert_int_equal(pipe(p), 0);
	dup2(p[1], STDERR_FILENO);
	log_configure(level, LOG_LOGFMT);
	for (i = 0; i < 50; i++) {
		log_limited(LOG_WARN, "a_refusal", "bad_json", "10.0.0.5", log_u64("n", i));
		log_limited(LOG_INFO, "a_grant", "", "10.0.0.5", log_u64("n", i));
	}
	log_limited_say(true);
	dup2(keep, STDERR_FILENO);
	close(keep);
	close(p[1]);
	n = read(p[0], text, size - 1);
	text[n > 0 ? n : 0] = '\0';
	close(p[0]);
}

static void test_lines(void **state)
{
	static char text[65536];
	const uint64_t before = log_limited_left_out();

	(void)state;
	written(text, sizeof text, LOG_INFO);
	assert_int_equal(count_of(text, "event=a_refusal n=0\n"), 1);
	assert_int_equal(count_of(text, "event=a_refusal"), 1);
	assert_int_equal(count_of(text, "event=a_grant"), 20);
	assert_int_equal(count_of(text, "level=warn event=repeated of=a_refusal kind=bad_json "
					"source=10.0.0.5 more=49 within_s="),
			 1);
	assert_int_equal(count_of(text, "of=a_grant kind=\"\" source=10.0.0.5 more=30 "), 1);
	assert_int_equal(log_limited_left_out() - before, 79);
	/* What is not wanted is not counted; who wants all gets all. */
	written(text, sizeof text, LOG_ERROR);
	assert_string_equal(text, "");
	written(text, sizeof text, LOG_DEBUG);
	assert_int_equal(count_of(text, "event=a_refusal"), 50);
	assert_int_equal(count_of(text, "event=a_grant"), 50);
	assert_int_equal(log_limited_left_out() - before, 79);
}

#define TEST(name) cmocka_unit_test_setup(name, begin)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_first_then_a_count),   TEST(test_a_count_is_never_forgotten),
	    TEST(test_several_a_minute),     TEST(test_ceilings),
	    TEST(test_others_share_a_place), TEST(test_lines)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
