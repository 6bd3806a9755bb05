/* What a peer says can never look like another event or another field. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "coordinator/base/log.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char line[16384];

/* Runs log_event with stderr in a pipe. */
#define CAPTURE(...)                                                                               \
	do {                                                                                       \
		int p[2], keep = dup(STDERR_FILENO);                                               \
		ssize_t n;                                                                         \
		assert_int_equal(pipe(p), 0);                                                      \
		fcntl(p[0], F_SETFL, O_NONBLOCK);                                                  \
		dup2(p[1], STDERR_FILENO);                                                         \
		log_event(__VA_ARGS__);                                                            \
		dup2(keep, STDERR_FILENO);                                                         \
		close(keep);                                                                       \
		close(p[1]);                                                                       \
		n = read(p[0], line, sizeof line - 1);                                             \
		line[n > 0 ? n : 0] = '\0';                                                        \
		close(p[0]);                                                                       \
	} while (0)

static void test_plain_fields(void **state)
{
	(void)state;
	log_configure(LOG_INFO, LOG_LOGFMT);
	CAPTURE(LOG_INFO, "proof_kept", log_i64("batch", 7), log_str("source", "10.0.0.5"),
		log_str("note", "two words"));
	assert_non_null(strstr(line, " level=info event=proof_kept batch=7 source=10.0.0.5 "
				     "note=\"two words\"\n"));
	assert_ptr_equal(strstr(line, "ts=20"), line);
}

static void test_no_forged_line(void **state)
{
	(void)state;
	log_configure(LOG_INFO, LOG_LOGFMT);
	CAPTURE(LOG_WARN, "refused",
		log_str("reason", "x\nts=2026 level=info event=registered \"quoted\" a=b"),
		log_i64("after", 3));
	assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
	assert_non_null(strstr(line, "reason=\"x\\u000ats=2026 level=info event=registered "
				     "\\\"quoted\\\" a=b\" after=3\n"));
}

static void test_json(void **state)
{
	json_error_t error;
	json_t *j;

	(void)state;
	log_configure(LOG_INFO, LOG_JSON);
	CAPTURE(LOG_ERROR, "e", log_i64("n", 42), log_str("s", "a\"b\\c\td"), log_str("empty", ""));
	j = json_loads(line, 0, &error);
	assert_non_null(j);
	assert_int_equal(json_integer_value(json_object_get(j, "n")), 42);
	assert_string_equal(json_string_value(json_object_get(j, "s")), "a\"b\\c\td");
	assert_string_equal(json_string_value(json_object_get(j, "empty")), "");
	assert_string_equal(json_string_value(json_object_get(j, "level")), "error");
	json_decref(j);
}

static void test_levels(void **state)
{
	enum log_level level;

	(void)state;
	log_configure(LOG_WARN, LOG_LOGFMT);
	CAPTURE(LOG_INFO, "e", log_i64("a", 1));
	assert_string_equal(line, "");
	CAPTURE(LOG_WARN, "e", log_i64("a", 1));
	assert_string_not_equal(line, "");
	assert_true(log_level_parse(&level, "debug"));
	assert_int_equal(level, LOG_DEBUG);
	assert_false(log_level_parse(&level, "loud"));
}

static void test_long_values_are_cut(void **state)
{
	static char big[6000];

	(void)state;
	memset(big, 'x', sizeof big - 1);
	log_configure(LOG_INFO, LOG_LOGFMT);
	CAPTURE(LOG_INFO, "e", log_str("big", big));
	assert_true(strlen(line) > 1000 && strlen(line) < 1200);
	assert_int_equal(line[strlen(line) - 1], '\n');
}

/* Once a value that held this byte cut the line: fields were found in one rendered text. */
static void test_a_separator_is_a_byte_like_others(void **state)
{
	(void)state;
	log_configure(LOG_INFO, LOG_LOGFMT);
	CAPTURE(LOG_INFO, "e",
		log_str("commit_hash", "ab\x1f\x1f"
				       "cd"),
		log_u64("batch", 7));
	assert_non_null(strstr(line, "commit_hash=\"ab\\u001f\\u001fcd\" batch=7\n"));
}

static void test_every_field_is_written(void **state)
{
	(void)state;
	log_configure(LOG_INFO, LOG_LOGFMT);
	CAPTURE(LOG_INFO, "e", log_u64("a", 1), log_u64("b", 2), log_u64("c", 3), log_u64("d", 4),
		log_u64("e", 5), log_u64("f", 6), log_u64("g", 7), log_u64("h", 8), log_u64("i", 9),
		log_u64("j", 10), log_u64("k", 11), log_u64("l", 12), log_u64("m", 13),
		log_i64("n", -14));
	assert_non_null(strstr(line, " l=12 m=13 n=-14\n"));
}

static void test_kinds_in_json(void **state)
{
	json_t *j;

	(void)state;
	log_configure(LOG_INFO, LOG_JSON);
	CAPTURE(LOG_INFO, "e", log_str("hash", "1234567"), log_u64("big", UINT64_MAX),
		log_i64("skew", -5));
	j = json_loads(line, 0, NULL);
	assert_non_null(j);
	assert_string_equal(json_string_value(json_object_get(j, "hash")), "1234567");
	assert_string_equal(json_string_value(json_object_get(j, "big")), "18446744073709551615");
	assert_int_equal(json_integer_value(json_object_get(j, "skew")), -5);
	json_decref(j);
}

static void test_a_line_that_is_cut_is_whole(void **state)
{
	static char big[1100];
	json_t *j;

	(void)state;
	memset(big, 1, sizeof big - 1);
	log_configure(LOG_INFO, LOG_JSON);
	CAPTURE(LOG_INFO, "e", log_str("a", big), log_str("b", big), log_u64("c", 3));
	j = json_loads(line, 0, NULL);
	assert_non_null(j);
	assert_non_null(json_object_get(j, "a"));
	assert_null(json_object_get(j, "b"));
	json_decref(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_plain_fields),
					   cmocka_unit_test(test_no_forged_line),
					   cmocka_unit_test(test_json),
					   cmocka_unit_test(test_levels),
					   cmocka_unit_test(test_long_values_are_cut),
					   cmocka_unit_test(test_a_separator_is_a_byte_like_others),
					   cmocka_unit_test(test_every_field_is_written),
					   cmocka_unit_test(test_kinds_in_json),
					   cmocka_unit_test(test_a_line_that_is_cut_is_whole)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
