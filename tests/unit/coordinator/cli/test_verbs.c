/* The table of the program's verbs, and its settings as flags. */
#include "coordinator/cli/columns.h"
#include "coordinator/cli/verbs.h"
#include "coordinator/config/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static enum cli_rc read_words(struct cli_call *call, struct why *why, char **argv, int argc)
{
	FILE *out = fopen("/dev/null", "w");
	enum cli_rc rc = cli_read(call, &verbs_program, argc, argv, out, why);

	fclose(out);
	return rc;
}

static void test_each_verb_is_whole(void **state)
{
	struct cli_call call;
	size_t i, k;

	(void)state;
	assert_int_equal(verbs_program.n_verbs, VERB_COUNT);
	for (i = 0; i < VERB_COUNT; i++) {
		const struct cli_verb *v = &verbs_program.verbs[i];
		struct why why;
		char name[64], a[] = "a";
		char *argv[] = {a, name, a, a, a};

		assert_non_null(v->name);
		assert_non_null(v->arguments);
		assert_true(v->max >= v->min && v->max <= CLI_ARGUMENTS_MAX);
		assert_true(strlen(v->help) > 10);
		assert_true(strlen(v->name) + strlen(v->arguments) < 36);
		for (k = 0; k < i; k++)
			assert_string_not_equal(v->name, verbs_program.verbs[k].name);
		/* What is asked of a daemon says how long that may take. */
		if (v->settings && i != VERB_RUN && i != VERB_CONFIG)
			assert_non_null(strstr(v->more, "wait"));
		if (i == VERB_HELP)
			continue;
		snprintf(name, sizeof name, "%s", v->name);
		assert_int_equal(read_words(&call, &why, argv, 2 + (int)v->min), CLI_RUN);
		assert_int_equal(verbs_of(&call), i);
	}
}

static void test_every_setting_is_a_flag(void **state)
{
	struct cli_option o, found;
	size_t i, truths = 0;

	(void)state;
	for (i = 0; config_flag_at(&o, i); i++) {
		assert_true(config_flag_of(&found, o.flag, strlen(o.flag)));
		assert_string_equal(found.help, o.help);
		truths += o.optional;
	}
	assert_true(i > 60 && truths >= 4);
	assert_false(config_flag_of(&found, "proof-coordinator.colour", 24));
	/* What is not told of any more is understood all the same. */
	assert_true(config_flag_of(&found, "aligned", 7) && found.optional);
	assert_true(config_flag_of(&found, "proof-coordinator.max-verdicts", 30));
}

static void test_strangers_move_no_cursor(void **state)
{
	json_t *j = columns_plain(json_pack("{s:s, s:[s, {s:s}], s:i}", "a", "x\033[2Jy", "b",
					    "one\ntwo", "c",
					    "\xc2\x9b"
					    "1m\x7f\xc3\xa9",
					    "n", 7));

	(void)state;
	assert_string_equal(json_string_value(json_object_get(j, "a")), "x?[2Jy");
	assert_string_equal(json_string_value(json_array_get(json_object_get(j, "b"), 0)),
			    "one two");
	assert_string_equal(
	    json_string_value(json_object_get(json_array_get(json_object_get(j, "b"), 1), "c")),
	    "??1m?\xc3\xa9");
	assert_int_equal(json_integer_value(json_object_get(j, "n")), 7);
	json_decref(j);
	assert_null(columns_plain(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_each_verb_is_whole),
	    cmocka_unit_test(test_every_setting_is_a_flag),
	    cmocka_unit_test(test_strangers_move_no_cursor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
