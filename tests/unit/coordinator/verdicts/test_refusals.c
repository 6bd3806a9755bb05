/* refusals: what is remembered of quotes and of sources, for how long, within which bounds. */
#include "coordinator/verdicts/refusals.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static const struct refusals_settings settings = {.max_quotes = 3,
						  .max_sources = 2,
						  .free_refusals = 2,
						  .first_wait_ms = 100,
						  .max_wait_ms = 350,
						  .forget_ms = 10000};

static struct refusal_key key(uint8_t k)
{
	return (struct refusal_key){{k}};
}

static void remembered(struct refusals *r, uint8_t k, const char *want)
{
	const struct refusal_key q = key(k);
	const char *found = refusals_find(r, &q);

	if (want)
		assert_string_equal(found, want);
	else
		assert_null(found);
}

static void add(struct refusals *r, uint8_t k, bool lasting, const char *sentence)
{
	const struct refusal_key q = key(k);

	refusals_add(r, &q, lasting, sentence);
}

static void a_quote_is_remembered_until_things_change(void **state)
{
	struct refusals *r = refusals_new(&settings);

	(void)state;
	remembered(r, 1, NULL);
	add(r, 1, true, "the signature does not hold");
	add(r, 2, false, "OutOfDate");
	remembered(r, 1, "the signature does not hold");
	remembered(r, 2, "OutOfDate");
	refusals_new_epoch(r);
	remembered(r, 1, "the signature does not hold");
	remembered(r, 2, NULL);
	add(r, 2, false, "Revoked");
	remembered(r, 2, "Revoked");
	refusals_free(r);
}

static void the_quote_unused_for_longest_makes_room(void **state)
{
	struct refusals *r = refusals_new(&settings);

	(void)state;
	add(r, 1, true, "one");
	add(r, 2, true, "two");
	add(r, 3, true, "three");
	remembered(r, 1, "one");
	add(r, 4, true, "four");
	remembered(r, 1, "one");
	remembered(r, 2, NULL);
	remembered(r, 3, "three");
	remembered(r, 4, "four");
	refusals_free(r);
}

static void a_source_waits_longer_and_longer(void **state)
{
	static const uint64_t waits[] = {0, 0, 100, 200, 350, 350};
	struct refusals *r = refusals_new(&settings);
	size_t i;

	(void)state;
	for (i = 0; i < sizeof waits / sizeof *waits; i++) {
		refusals_blame(r, "10.0.0.1", 1000);
		assert_int_equal(refusals_wait_ms(r, "10.0.0.1", 1000), waits[i]);
	}
	assert_int_equal(refusals_wait_ms(r, "10.0.0.1", 1349), 1);
	assert_int_equal(refusals_wait_ms(r, "10.0.0.1", 1350), 0);
	assert_int_equal(refusals_wait_ms(r, "10.0.0.2", 1000), 0);
	/* One is forgotten for each stretch of time without a further one. */
	refusals_blame(r, "10.0.0.1", 1000 + 5 * 10000);
	assert_int_equal(refusals_wait_ms(r, "10.0.0.1", 1000 + 5 * 10000), 0);
	refusals_free(r);
}

static void a_good_quote_absolves(void **state)
{
	struct refusals *r = refusals_new(&settings);
	int i;

	(void)state;
	for (i = 0; i < 5; i++)
		refusals_blame(r, "10.0.0.1", 1000);
	assert_true(refusals_wait_ms(r, "10.0.0.1", 1000) > 0);
	refusals_absolve(r, "10.0.0.1");
	refusals_absolve(r, "10.0.0.9");
	assert_int_equal(refusals_wait_ms(r, "10.0.0.1", 1000), 0);
	refusals_free(r);
}

static void sources_are_bounded(void **state)
{
	struct refusals *r = refusals_new(&settings);
	char name[32];
	int i, k;

	(void)state;
	for (i = 0; i < 50; i++) {
		snprintf(name, sizeof name, "10.0.0.%d", i);
		for (k = 0; k < 3; k++)
			refusals_blame(r, name, 1000);
		assert_int_equal(refusals_wait_ms(r, name, 1000), 100);
	}
	assert_int_equal(refusals_wait_ms(r, "10.0.0.48", 1000), 100);
	assert_int_equal(refusals_wait_ms(r, "10.0.0.0", 1000), 0);
	refusals_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_quote_is_remembered_until_things_change),
	    cmocka_unit_test(the_quote_unused_for_longest_makes_room),
	    cmocka_unit_test(a_source_waits_longer_and_longer),
	    cmocka_unit_test(a_good_quote_absolves),
	    cmocka_unit_test(sources_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
