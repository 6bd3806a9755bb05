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
	CAPTURE(LOG_INFO, "proof_kept", "batch=%d source=%s note=two words", 7, "10.0.0.5");
	assert_non_null(strstr(line, " level=info event=proof_kept batch=7 source=10.0.0.5 "
				     "note=\"two words\"\n"));
	assert_ptr_equal(strstr(line, "ts=20"), line);
}

static void test_no_forged_line(void **state)
{
	(void)state;
	log_configure(LOG_INFO, LOG_LOGFMT);
	CAPTURE(LOG_WARN, "refused", "reason=%s after=%d",
		"x\nts=2026 level=info event=registered \"quoted\" a=b", 3);
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
	CAPTURE(LOG_ERROR, "e", "n=%d s=%s empty=%s", 42, "a\"b\\c\td", "");
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
	CAPTURE(LOG_INFO, "e", "a=%d", 1);
	assert_string_equal(line, "");
	CAPTURE(LOG_WARN, "e", "a=%d", 1);
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
	CAPTURE(LOG_INFO, "e", "big=%s", big);
	assert_true(strlen(line) > 1000 && strlen(line) < 1200);
	assert_int_equal(line[strlen(line) - 1], '\n');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_plain_fields), cmocka_unit_test(test_no_forged_line),
	    cmocka_unit_test(test_json), cmocka_unit_test(test_levels),
	    cmocka_unit_test(test_long_values_are_cut)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
