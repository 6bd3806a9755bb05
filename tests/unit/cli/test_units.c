/* Numbers and their units: what is meant by a text or a value that does not fit. */
#include "cli/units.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct unit_number read_timeout = {UNIT_MS, 100, 3600000, 30000};
static const struct unit_number retention = {UNIT_SECONDS, 0, 31536000, 86400};
static const struct unit_number message = {UNIT_BYTES, 1024, 1ull << 30, 16777216};
static const struct unit_number fee = {UNIT_WEI, 1, 1000000000000000ull, 10000000000};
static const struct unit_number funds = {UNIT_WEI, 0, UINT64_MAX, 50000000000000000};
static const struct unit_number gas = {UNIT_GAS, 0, UINT64_MAX, 50000000};
static const struct unit_number batches = {UNIT_NONE, 1, 64, 4};

static void refused(const struct unit_number *n, const char *text, const char *sentence)
{
	struct why why = {""};
	uint64_t v;

	assert_false(unit_read(&v, n, text, &why));
	assert_string_equal(why.text, sentence);
}

static void test_texts(void **state)
{
	struct why why;
	uint64_t v;

	(void)state;
	assert_true(unit_read(&v, &read_timeout, "250", &why));
	assert_int_equal(v, 250);
	refused(&read_timeout, "30s",
		"\"30s\" is not a whole number of milliseconds (write 30000)");
	refused(&read_timeout, "1.5 min",
		"\"1.5 min\" is not a whole number of milliseconds (write 90000)");
	refused(&read_timeout, "2d", "\"2d\" is not a whole number of milliseconds");
	refused(&read_timeout, "soon", "\"soon\" is not a whole number of milliseconds");
	refused(&read_timeout, "", "\"\" is not a whole number of milliseconds");
	refused(&read_timeout, "99999999999999999999",
		"99999999999999999999 is not between 100 and 3600000 milliseconds");
	refused(&read_timeout, "-1", "\"-1\" is not a whole number of milliseconds");
	refused(&read_timeout, "30 seconds",
		"\"30 seconds\" is not a whole number of milliseconds (write 30000)");
	refused(&read_timeout, "1 Minute",
		"\"1 Minute\" is not a whole number of milliseconds (write 60000)");
	refused(&read_timeout, "500 msec",
		"\"500 msec\" is not a whole number of milliseconds (write 500)");
	refused(&read_timeout, "30 secondsx",
		"\"30 secondsx\" is not a whole number of milliseconds");
	refused(&retention, "2 weeks",
		"\"2 weeks\" is not a whole number of seconds (write 1209600)");
	refused(&message, "20000 bytes",
		"\"20000 bytes\" is not a whole number of bytes (write 20000)");
	refused(&gas, "5 million", "\"5 million\" is not a whole number of gas (write 5000000)");
	refused(&retention, "1d", "\"1d\" is not a whole number of seconds (write 86400)");
	refused(&message, "16MiB", "\"16MiB\" is not a whole number of bytes (write 16777216)");
	refused(&message, "16m", "\"16m\" is not a whole number of bytes (write 16777216)");
	refused(&message, "16MB", "\"16MB\" is not a whole number of bytes (write 16000000)");
	refused(&fee, "10gwei", "\"10gwei\" is not a whole number of wei (write 10000000000)");
	refused(&fee, "1.5gwei", "\"1.5gwei\" is not a whole number of wei (write 1500000000)");
	refused(&funds, "0.05 ether",
		"\"0.05 ether\" is not a whole number of wei (write 50000000000000000)");
	refused(&funds, "99999999999999ether",
		"\"99999999999999ether\" is not a whole number of wei");
	refused(&gas, "50M", "\"50M\" is not a whole number of gas (write 50000000)");
	refused(&batches, "4k", "\"4k\" is not a whole number");
	refused(&batches, "65", "65 is not between 1 and 64");
}

/* Numbers as people write them, in which nothing else is wrong. */
static void test_ways_to_write_a_number(void **state)
{
	static const struct unit_number port = {UNIT_NONE, 0, 65535, 3900};

	(void)state;
	refused(&port, "3900 ", "\"3900 \" is not a whole number (write 3900)");
	refused(&port, " 3900", "\" 3900\" is not a whole number (write 3900)");
	refused(&port, "+3900", "\"+3900\" is not a whole number (write 3900)");
	refused(&port, "3900.0", "\"3900.0\" is not a whole number (write 3900)");
	refused(&port, "3.9e3", "\"3.9e3\" is not a whole number (write 3900)");
	refused(&port, "0x1F90", "\"0x1F90\" is not a whole number (write 8080)");
	refused(&port, "3,900", "\"3,900\" is not a whole number (write 3900)");
	refused(&funds, "1_000_000", "\"1_000_000\" is not a whole number of wei (write 1000000)");
	refused(&funds, "1e18",
		"\"1e18\" is not a whole number of wei (write 1000000000000000000)");
	refused(&funds, "1e99999999999", "\"1e99999999999\" is not a whole number of wei");
	refused(&port, "0x", "\"0x\" is not a whole number");
	refused(&port, "0x1F90z", "\"0x1F90z\" is not a whole number");
	refused(&port, "3,9", "\"3,9\" is not a whole number");
	refused(&port, "3900.05", "\"3900.05\" is not a whole number");
	refused(&port, "3900.5", "\"3900.5\" is not a whole number");
	refused(&port, "1.2.3", "\"1.2.3\" is not a whole number");
	refused(&port, "0xFFFFF", "\"0xFFFFF\" is not a whole number");
	refused(&port, "--3900", "\"--3900\" is not a whole number");
	refused(&port, "e3", "\"e3\" is not a whole number");
	refused(&port, "00000000000000000000000000000000003900x",
		"\"00000000000000000000000000000000003900x\" is not a whole number");
}

static void test_ranges(void **state)
{
	(void)state;
	refused(
	    &read_timeout, "30",
	    "30 is not between 100 and 3600000 milliseconds (are 30 seconds meant? write 30000)");
	refused(&read_timeout, "3600001", "3600001 is not between 100 and 3600000 milliseconds");
	refused(&message, "16",
		"16 is not between 1024 and 1073741824 bytes (are 16 MiB meant? write 16777216)");
}

static void suspected(const struct unit_number *n, uint64_t v, const char *sentence)
{
	struct why why = {""};

	assert_int_equal(unit_suspect(n, v, &why), sentence != NULL);
	if (sentence)
		assert_string_equal(why.text, sentence);
}

static void test_suspicions(void **state)
{
	static const struct unit_number prover = {UNIT_MS, 1000, 86400000, 600000};

	(void)state;
	suspected(&fee, 10, "it is 10 wei: are 10 gwei meant? then write 10000000000");
	suspected(&fee, 1000000000, NULL);
	suspected(&fee, 10000000000, NULL);
	suspected(&funds, 1, "it is 1 wei: are 1 ether meant? then write 1000000000000000000");
	suspected(&funds, 0, NULL);
	suspected(&prover, 600, "it is 600 milliseconds: are 600 seconds meant? then write 600000");
	suspected(&prover, 10, "it is 10 milliseconds: are 10 minutes meant? then write 600000");
	suspected(&prover, 2000, NULL); /* nobody means half an hour */
	suspected(&prover, 60000, NULL);
	suspected(&retention, 24, "it is 24 seconds: are 24 hours meant? then write 86400");
	suspected(&retention, 3600, NULL);
	suspected(&gas, 50, "it is 50 gas: are 50 million meant? then write 50000000");
	suspected(&batches, 1, NULL);
}

static void test_units_of_help(void **state)
{
	(void)state;
	assert_int_equal(unit_of_help("ms for one JSON-RPC answer"), UNIT_MS);
	assert_int_equal(unit_of_help("longest silence of the active key, in ms, before"), UNIT_MS);
	assert_int_equal(unit_of_help("wei a gas that is never exceeded"), UNIT_WEI);
	assert_int_equal(unit_of_help("gas of one transaction at most"), UNIT_GAS);
	assert_int_equal(unit_of_help("batches at most (as many as its gas allows)"), UNIT_NONE);
	assert_int_equal(unit_of_help("msgs"), UNIT_NONE);
	assert_string_equal(unit_name(UNIT_NONE), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_texts),         cmocka_unit_test(test_ways_to_write_a_number),
	    cmocka_unit_test(test_ranges),        cmocka_unit_test(test_suspicions),
	    cmocka_unit_test(test_units_of_help),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
