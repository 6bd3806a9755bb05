/* quote-gen's settings: flags before environment before defaults, mistakes in words. */
#include "quote-gen/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const names[] = {"ETHREX_TDX_DEV_MODE",      "ETHREX_PROOF_COORDINATOR_URL",
				    "QUOTE_GEN_EXECUTOR",       "QUOTE_GEN_PROVER_TYPE",
				    "QUOTE_GEN_INTERVAL",       "QUOTE_GEN_BATCHES",
				    "QUOTE_GEN_TSM_REPORT_DIR", "VERGEN_GIT_SHA",
				    "QUOTE_GEN_TLS_SERVER_KEY", "QUOTE_GEN_TLS_CA",
				    "QUOTE_GEN_TLS_IDENTITY",   "QUOTE_GEN_WITHOUT_QUOTE"};

static int clean(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof names / sizeof *names; i++)
		unsetenv(names[i]);
	return 0;
}

static enum options_rc read_args(struct options *o, struct why *why, const char *a, const char *b,
				 const char *c, const char *d)
{
	char *argv[6] = {(char *)(uintptr_t) "quote-gen"};
	const char *from[] = {a, b, c, d};
	int argc = 1;

	while (argc < 5 && from[argc - 1]) {
		argv[argc] = (char *)(uintptr_t)from[argc - 1];
		argc++;
	}
	why->text[0] = '\0';
	return options_read(o, argc, argv, why);
}

static void where_the_coordinator_is(void **state)
{
	struct options o;
	struct why why;

	(void)state;
	setenv("QUOTE_GEN_EXECUTOR", "/bin/prove", 1);
	assert_int_equal(read_args(&o, &why, NULL, NULL, NULL, NULL), OPTIONS_RUN);
	assert_string_equal(o.host, "172.17.0.1");
	assert_string_equal(o.port, "3900");
	assert_string_equal(o.executor, "/bin/prove");
	assert_int_equal(o.prover_type, PROVER_TDX);
	assert_int_equal(o.interval_ms, 5000);
	assert_int_equal(strlen(o.commit_hash), 7);
	assert_string_equal(o.without_quote, OPTIONS_REGISTER);
	assert_int_equal(read_args(&o, &why, "--without-quote", OPTIONS_WAIT, NULL, NULL),
			 OPTIONS_RUN);
	assert_string_equal(o.without_quote, OPTIONS_WAIT);
	assert_int_equal(read_args(&o, &why, "--without-quote", "yes", NULL, NULL), OPTIONS_WRONG);
	assert_string_equal(why.text, "--without-quote: \"yes\" is neither register nor wait");
	assert_int_equal(read_args(&o, &why, NULL, NULL, NULL, NULL), OPTIONS_RUN);
	setenv("ETHREX_TDX_DEV_MODE", "false", 1); /* set to anything, as ethrex takes it */
	assert_int_equal(read_args(&o, &why, NULL, NULL, NULL, NULL), OPTIONS_RUN);
	assert_string_equal(o.host, "localhost");
	setenv("ETHREX_PROOF_COORDINATOR_URL", "tcp://10.0.0.1:3911", 1);
	assert_int_equal(read_args(&o, &why, NULL, NULL, NULL, NULL), OPTIONS_RUN);
	assert_string_equal(o.host, "10.0.0.1");
	assert_string_equal(o.port, "3911");
	assert_int_equal(read_args(&o, &why, "--coordinator", "[::1]:1", NULL, NULL), OPTIONS_RUN);
	assert_string_equal(o.host, "::1");
	assert_string_equal(o.port, "1");
}

static void flags_and_environment(void **state)
{
	struct options o;
	struct why why;

	(void)state;
	setenv("QUOTE_GEN_EXECUTOR", OPTIONS_NONE, 1);
	setenv("QUOTE_GEN_INTERVAL", "7", 1);
	setenv("VERGEN_GIT_SHA", "abcdef0", 1);
	assert_int_equal(read_args(&o, &why, "--interval", "9", "--batches", "3"), OPTIONS_RUN);
	assert_int_equal(o.interval_ms, 9);
	assert_string_equal(o.doubt, "--interval: it is 9 milliseconds: are 9 seconds meant? then "
				     "write 9000");
	assert_int_equal(read_args(&o, &why, "--executor-timeout", "3600", NULL, NULL),
			 OPTIONS_RUN);
	assert_string_equal(o.doubt,
			    "--executor-timeout: it is 3600 milliseconds: are 3600 seconds "
			    "meant? then write 3600000");
	assert_int_equal(read_args(&o, &why, "--interval", "9", "--batches", "3"), OPTIONS_RUN);
	assert_int_equal(o.batches, 3);
	assert_string_equal(o.commit_hash, "abcdef0");
	assert_int_equal(read_args(&o, &why, "--commit-hash", "1234567", NULL, NULL), OPTIONS_RUN);
	assert_int_equal(o.interval_ms, 7);
	assert_string_equal(o.commit_hash, "1234567");
	unsetenv("QUOTE_GEN_EXECUTOR");
	assert_int_equal(read_args(&o, &why, "--prover-type", "Exec", NULL, NULL), OPTIONS_RUN);
	assert_int_equal(o.prover_type, PROVER_EXEC);
}

static void where_quotes_come_from(void **state)
{
	struct options o;
	struct why why;

	(void)state;
	setenv("QUOTE_GEN_EXECUTOR", "/bin/prove", 1);
	assert_int_equal(read_args(&o, &why, NULL, NULL, NULL, NULL), OPTIONS_RUN);
	assert_string_equal(o.reports, "/sys/kernel/config/tsm/report");
	setenv("QUOTE_GEN_TSM_REPORT_DIR", "/run/reports", 1);
	assert_int_equal(read_args(&o, &why, NULL, NULL, NULL, NULL), OPTIONS_RUN);
	assert_string_equal(o.reports, "/run/reports");
	assert_int_equal(read_args(&o, &why, "--tsm-report-dir", "/tmp/r", NULL, NULL),
			 OPTIONS_RUN);
	assert_string_equal(o.reports, "/tmp/r");
}

static void wrong(const char *flag, const char *value, const char *words)
{
	struct options o;
	struct why why;

	assert_int_equal(read_args(&o, &why, flag, value, NULL, NULL), OPTIONS_WRONG);
	if (!strstr(why.text, words))
		fail_msg("\"%s\" does not say \"%s\"", why.text, words);
}

static void mistakes_are_named(void **state)
{
	char longest[200];

	(void)state;
	setenv("PATH", "", 1); /* none is found there, and none lies beside this test */
	wrong(NULL, NULL, "--executor is needed");
	wrong(NULL, NULL, "--executor none");
	setenv("QUOTE_GEN_EXECUTOR", "x", 1);
	wrong("--coordinator", "nowhere", "\"nowhere\" is not HOST:PORT");
	wrong("--coordinator", ":3900", "is not HOST:PORT");
	wrong("--coordinator", "host:", "is not HOST:PORT");
	wrong("--coordinator", "host:65536", "is not HOST:PORT");
	wrong("--coordinator", "host:0", "is not HOST:PORT");
	wrong("--coordinator", "http://host:3900", "\"http://host:3900\" is not HOST:PORT");
	wrong("--coordinator", "tcp://user@host:3900", "is not HOST:PORT");
	wrong("--coordinator", "a host:3900", "is not HOST:PORT");
	wrong("--coordinator", "host:39x0", "is not HOST:PORT");
	wrong("--interval", "0", "--interval: 0 is not between 1 and 3600000 milliseconds");
	wrong("--interval", "5s", "\"5s\" is not a whole number of milliseconds (write 5000)");
	wrong("--interval", "-5", "\"-5\"");
	wrong("--interval", "1e3", "\"1e3\"");
	wrong("--interval", "", "--interval");
	wrong("--batches", "18446744073709551616", "18446744073709551616");
	wrong("--prover-type", "SP1", "\"SP1\" is neither TDX nor Exec");
	wrong("--prover-type", "tdx", "\"tdx\"");
	wrong("--frobnicate", "1", "\"--frobnicate\" is not a flag");
	wrong("--interval", NULL, "--interval needs a value");
	memset(longest, 'a', sizeof longest);
	longest[65] = '\0';
	wrong("--commit-hash", longest, "longer than 64");
	setenv("QUOTE_GEN_BATCHES", "many", 1);
	wrong(NULL, NULL, "\"many\"");
}

static void help_and_version_end_it(void **state)
{
	struct options o;
	struct why why;

	(void)state;
	assert_int_equal(read_args(&o, &why, "--interval", "9", "--help", NULL), OPTIONS_EXIT);
	assert_int_equal(read_args(&o, &why, "--version", NULL, NULL, NULL), OPTIONS_EXIT);
}

static void tls_is_whole_or_none(void **state)
{
	struct options o;
	struct why why;

	(void)state;
	setenv("QUOTE_GEN_EXECUTOR", "/bin/prove", 1);
	assert_int_equal(read_args(&o, &why, NULL, NULL, NULL, NULL), OPTIONS_RUN);
	assert_false(options_tls(&o));
	assert_string_equal(o.tls_identity, OPTIONS_NONE);
	assert_int_equal(read_args(&o, &why, "--tls-identity", "attested", NULL, NULL),
			 OPTIONS_WRONG);
	assert_non_null(strstr(why.text, "--tls-server-key or --tls-ca"));
	assert_int_equal(
	    read_args(&o, &why, "--tls-identity", "attested", "--tls-ca", "/etc/ca.pem"),
	    OPTIONS_RUN);
	assert_true(options_tls(&o));
	setenv("QUOTE_GEN_TLS_SERVER_KEY", "00", 1);
	assert_int_equal(read_args(&o, &why, "--tls-identity", "attested", "--prover-type", "Exec"),
			 OPTIONS_WRONG);
	assert_non_null(strstr(why.text, "needs a quote"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(where_the_coordinator_is, clean),
	    cmocka_unit_test_setup(tls_is_whole_or_none, clean),
	    cmocka_unit_test_setup(flags_and_environment, clean),
	    cmocka_unit_test_setup(where_quotes_come_from, clean),
	    cmocka_unit_test_setup(mistakes_are_named, clean),
	    cmocka_unit_test_setup(help_and_version_end_it, clean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
