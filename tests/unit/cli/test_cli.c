/* Command lines: what is understood, what is said of the rest, and what is made of the table. */
#include "cli/cli.h"
#include "cli/version.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct cli_option json[] = {{"json", NULL, NULL, NULL, "as JSON", false}, {0}};
static const struct cli_option judge[] = {
    {"json", NULL, NULL, NULL, "as JSON", false},
    {"policy", "FILE", NULL, NULL, "what is accepted", false},
    {"layout", "1.0|one|two", NULL, "one", "which bytes", false},
    {0}};

static const struct cli_verb verbs[] = {
    {"status", "", 0, 0, json, true, "what goes on", "It waits 15 s."},
    {"put", "BATCH FILE", 2, 2, NULL, true, "give an input", NULL},
    {"judge", "[QUOTE]", 0, 1, judge, false, "judge a quote", NULL},
    {"sources", "[refresh|fetch QUOTE]", 0, 2, NULL, false, "where it comes from", NULL},
    {"help", "[VERB]", 0, 1, NULL, false, "this", NULL},
};

static const struct cli_option settings[] = {
    {"a.port", "VALUE", "A_PORT", "3900", "port to listen on_*", false},
    {"a.dev", "VALUE", "A_DEV", "false", "development mode", true},
};

static bool setting_at(struct cli_option *out, size_t i)
{
	if (i >= 2)
		return false;
	*out = settings[i];
	return true;
}

static bool setting_of(struct cli_option *out, const char *flag, size_t n)
{
	size_t i;

	for (i = 0; setting_at(out, i); i++)
		if (strlen(out->flag) == n && memcmp(out->flag, flag, n) == 0)
			return true;
	return false;
}

static void all_settings(FILE *out)
{
	fputs("EVERY SETTING\n", out);
}

static const struct cli_exit exits[] = {{0, "done"}, {64, "no sense"}};

static const struct cli_program program = {.name = "prog-ram",
					   .version = "1.2.3",
					   .summary = "does things",
					   .about = "It does this,\nand that.",
					   .verbs = verbs,
					   .n_verbs = 5,
					   .setting_at = setting_at,
					   .setting_of = setting_of,
					   .help_settings = all_settings,
					   .exits = exits,
					   .n_exits = 2,
					   .see_also = "other(1)"};

static char said[65536]; /* on out */
static struct why why;
static struct cli_call call;
static char *words[16];
static int n_words;

static enum cli_rc read_as(const struct cli_program *p, const char *line)
{
	static char copy[512];
	FILE *out = fmemopen(said, sizeof said, "w");
	enum cli_rc rc;
	char *save = NULL, *word;

	memset(said, 0, sizeof said);
	memset(&why, 0, sizeof why);
	snprintf(copy, sizeof copy, "prog-ram %s", line);
	n_words = 0;
	for (word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
		words[n_words++] = word;
	words[n_words] = NULL;
	rc = cli_read(&call, p, n_words, words, out, &why);
	fclose(out);
	return rc;
}

static enum cli_rc read_line(const char *line)
{
	return read_as(&program, line);
}

static void wrong(const char *line, const char *sentence)
{
	assert_int_equal(read_line(line), CLI_WRONG);
	assert_string_equal(why.text, sentence);
}

static void test_flags_before_and_after(void **state)
{
	(void)state;
	assert_int_equal(read_line("status --json"), CLI_RUN);
	assert_ptr_equal(call.verb, &verbs[0]);
	assert_string_equal(cli_value(&call, "json"), "");
	assert_null(cli_value(&call, "policy"));
	assert_int_equal(read_line("--json status"), CLI_RUN);
	assert_non_null(cli_value(&call, "json"));
	assert_int_equal(read_line("--policy a judge --policy=b q --layout one"), CLI_RUN);
	assert_string_equal(cli_value(&call, "policy"), "b");
	assert_string_equal(cli_value(&call, "layout"), "one");
	assert_int_equal(call.n_arguments, 1);
	assert_string_equal(call.argument[0], "q");
	assert_int_equal(read_line("judge -"), CLI_RUN);
	assert_string_equal(call.argument[0], "-");
	assert_int_equal(read_line("judge -- --json"), CLI_RUN);
	assert_string_equal(call.argument[0], "--json");
	assert_int_equal(read_line("judge"), CLI_RUN);
}

static void test_settings_stay_together(void **state)
{
	(void)state;
	assert_int_equal(read_line("--a.dev put --a.port 7 4 --a.dev=true file --a.dev false"),
			 CLI_RUN);
	assert_ptr_equal(call.verb, &verbs[1]);
	assert_int_equal(call.n_arguments, 2);
	assert_string_equal(call.argument[0], "4");
	assert_string_equal(call.argument[1], "file");
	assert_int_equal(call.n_settings, 6);
	assert_string_equal(call.settings[0], "--a.dev");
	assert_string_equal(call.settings[1], "--a.port");
	assert_string_equal(call.settings[2], "7");
	assert_string_equal(call.settings[3], "--a.dev=true");
	assert_string_equal(call.settings[4], "--a.dev");
	assert_string_equal(call.settings[5], "false");
}

static void test_what_makes_no_sense(void **state)
{
	(void)state;
	wrong("", "a verb is missing");
	wrong("--json", "a verb is missing");
	wrong("statsu", "\"statsu\" is not a verb (is status meant?)");
	wrong("frobnicate", "\"frobnicate\" is not a verb");
	wrong("status now", "status takes no arguments: \"now\" is too much");
	wrong("put 4", "put needs BATCH FILE");
	wrong("judge a b", "judge takes [QUOTE] alone: \"b\" is too much");
	wrong("status --policy x", "status takes no --policy");
	wrong("judge --policy", "--policy needs a value: FILE");
	wrong("judge --json=yes", "--json takes no value");
	wrong("judge --polcy=x", "\"--polcy\" is not a flag (is --policy meant?)");
	wrong("status --a.prt 1", "\"--a.prt\" is not a flag (is --a.port meant?)");
	wrong("status --a.port", "--a.port needs a value");
	wrong("status -x", "\"-x\" is not a flag");
	wrong("judge --a.port 1", "judge takes no settings, so not --a.port");
	wrong("put 1 2 3 4 5", "too many arguments, from \"5\" on");
}

static void test_ceilings(void **state)
{
	static char line[512];
	size_t i;

	(void)state;
	line[0] = '\0';
	strcat(line, "status");
	for (i = 0; i < 9; i++)
		strcat(line, " --json");
	assert_int_equal(read_line(line), CLI_RUN);
	assert_int_equal(call.n_given, 9);
}

static void has(const char *text)
{
	if (!strstr(said, text))
		fail_msg("\"%s\" is not in:\n%s", text, said);
}

static void test_help(void **state)
{
	size_t i;

	(void)state;
	assert_int_equal(read_line("--help"), CLI_DONE);
	for (i = 0; i < 5; i++)
		has(verbs[i].help);
	has("prog-ram 1.2.3 - does things");
	has("64  no sense");
	assert_null(strstr(said, "EVERY SETTING"));
	assert_int_equal(read_line("help"), CLI_DONE);
	has("EVERY SETTING");
	assert_int_equal(read_line("help judge"), CLI_DONE);
	has("usage: prog-ram judge [QUOTE] [--json] [--policy FILE] [--layout 1.0|one|two]\n");
	has("--layout 1.0|one|two\n      which bytes [one]\n");
	assert_int_equal(read_line("help nothing"), CLI_WRONG);
	/* Also where the rest makes no sense. */
	assert_int_equal(read_line("put --help"), CLI_DONE);
	has("usage: prog-ram put BATCH FILE [SETTINGS]\n");
	assert_int_equal(read_line("status --help"), CLI_DONE);
	has("It waits 15 s.");
	assert_int_equal(read_line("-h"), CLI_DONE);
	assert_int_equal(read_line("--version"), CLI_DONE);
	assert_string_equal(said, "prog-ram 1.2.3\n");
	assert_true(strlen(program_version) >= 5);
}

static void test_a_program_without_verbs(void **state)
{
	static const struct cli_verb only = {NULL, "", 0, 0, NULL, true, "", NULL};
	struct cli_program p = program;

	(void)state;
	p.verbs = &only;
	p.n_verbs = 1;
	assert_int_equal(read_as(&p, "--a.port 7"), CLI_RUN);
	assert_int_equal(call.n_settings, 2);
	assert_int_equal(read_as(&p, ""), CLI_RUN);
	assert_int_equal(read_as(&p, "word"), CLI_WRONG);
	assert_string_equal(why.text, "prog-ram takes no arguments: \"word\" is too much");
	assert_int_equal(read_as(&p, "--help"), CLI_DONE);
	has("usage: prog-ram [OPTIONS]\n");
	has("--a.port VALUE  (A_PORT)\n      port to listen on_* [3900]\n");
	assert_int_equal(read_as(&p, "--man"), CLI_DONE);
	has("# OPTIONS");
	assert_int_equal(read_as(&p, "--bash-completion"), CLI_DONE);
	has("complete -o filenames -F _prog_ram prog-ram");
}

static void test_man_and_completion(void **state)
{
	size_t i;

	(void)state;
	assert_int_equal(read_line("--man"), CLI_DONE);
	has("prog-ram(1)\n\n# NAME\n\nprog-ram - does things\n");
	for (i = 0; i < 5; i++)
		has(verbs[i].help);
	/* What scdoc would take for its own is escaped. */
	has("## sources\n\n*prog-ram sources* \\[refresh\\|fetch QUOTE\\]++\nwhere it comes from");
	has("*--a\\.port* VALUE (A\\_PORT)\n\tport to listen on\\_\\* (default: 3900)\n");
	assert_int_equal(read_line("--bash-completion"), CLI_DONE);
	has("\tstatus) words=\"\" flags=\"--help --json $settings\" files= ;;\n");
	has("\tsources) words=\" refresh fetch\" flags=\"--help\" files=yes ;;\n");
	has("\t--layout) ");
	has("\t--policy) COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n");
	has("settings=\"--a.port --a.dev\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_flags_before_and_after),
	    cmocka_unit_test(test_settings_stay_together),
	    cmocka_unit_test(test_what_makes_no_sense),
	    cmocka_unit_test(test_ceilings),
	    cmocka_unit_test(test_help),
	    cmocka_unit_test(test_a_program_without_verbs),
	    cmocka_unit_test(test_man_and_completion),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
