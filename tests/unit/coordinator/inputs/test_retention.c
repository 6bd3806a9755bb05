/* For how long batches have been confirmed: marks, what takes them back, and the row. */
#include "coordinator/inputs/retention.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DAY  86400000ull
#define STEP (DAY / RETENTION_STEPS)
#define T0   1000000ull

static void test_a_batch_is_old_after_the_retention(void **state)
{
	struct retention r = {0};

	(void)state;
	assert_true(retention_note(&r, 10, T0, DAY));
	assert_int_equal(retention_through(&r, T0 + DAY - 1, DAY), 0);
	assert_int_equal(retention_through(&r, T0 + DAY, DAY), 10);
	assert_int_equal(retention_through(&r, T0, 0), 10);
	/* What comes within a step waits for the next mark. */
	assert_false(retention_note(&r, 12, T0 + STEP - 1, DAY));
	assert_int_equal(retention_through(&r, T0 + DAY, DAY), 10);
	assert_int_equal(retention_through(&r, T0, 0), 12);
	assert_true(retention_note(&r, 12, T0 + STEP, DAY));
	assert_int_equal(retention_through(&r, T0 + STEP + DAY, DAY), 12);
	assert_int_equal(retention_age(&r, 10, T0 + DAY), DAY);
	assert_int_equal(retention_age(&r, 11, T0 + DAY), DAY - STEP);
	assert_int_equal(retention_age(&r, 13, T0 + DAY), 0);
}

static void test_what_is_taken_back_begins_anew(void **state)
{
	struct retention r = {0};

	(void)state;
	retention_note(&r, 10, T0, DAY);
	retention_note(&r, 20, T0 + STEP, DAY);
	retention_note(&r, 30, T0 + 2 * STEP, DAY);
	assert_true(retention_note(&r, 15, T0 + 3 * STEP, DAY));
	/* Up to 15 nothing has changed. */
	assert_int_equal(retention_age(&r, 15, T0 + DAY), DAY - STEP);
	assert_true(retention_note(&r, 30, T0 + 4 * STEP, DAY));
	assert_int_equal(retention_through(&r, T0 + STEP + DAY, DAY), 15);
	assert_int_equal(retention_through(&r, T0 + 4 * STEP + DAY, DAY), 30);
	assert_true(retention_note(&r, 0, T0 + 5 * STEP, DAY));
	assert_int_equal(retention_through(&r, T0 + 10 * DAY, DAY), 0);
	assert_int_equal(retention_through(&r, T0, 0), 0);
}

/* For a year of growing and falling, beside the plain list of what was confirmed since when: never
 * older than it is, and never younger by more than two steps. */
static void test_marks_are_few_and_never_too_old(void **state)
{
	static uint64_t since[4096];
	struct retention r = {0};
	uint64_t now = T0, final = 0, i, b;
	unsigned seed = 7;

	(void)state;
	for (i = 0; i < 20000; i++) {
		const uint64_t was = final;

		seed = seed * 1103515245 + 12345;
		now += (seed >> 8) % (STEP / 2);
		if ((seed >> 16) % 97 == 0)
			final -= (seed >> 4) % (final + 1) % 50;
		else
			final += (seed >> 20) % 2;
		if (final >= 4096)
			final = 0;
		for (b = final + 1; b <= was; b++)
			since[b] = 0;
		for (b = was + 1; b <= final; b++)
			since[b] = now;
		retention_note(&r, final, now, DAY);
		assert_true(r.n <= RETENTION_MARKS);
		b = retention_through(&r, now, DAY);
		assert_true(b <= final && (b == 0 || now - since[b] >= DAY));
		for (b++; b <= final; b++)
			assert_true(now - since[b] < DAY + 2 * STEP);
	}
}

static void test_the_row(void **state)
{
	struct retention r = {0}, got;
	struct buf row;
	size_t i;

	(void)state;
	for (i = 1; i <= 5; i++)
		retention_note(&r, i * 10, T0 + i * STEP, DAY);
	buf_init(&row, RETENTION_ROW_MAX);
	assert_true(retention_put(&row, &r, T0 + 5 * STEP));
	/* The other run's clock began elsewhere; what lies between does not count. */
	retention_get(&got, buf_span(&row), 77);
	assert_int_equal(got.n, 5);
	assert_int_equal(retention_age(&got, 10, 77), 4 * STEP);
	assert_int_equal(retention_age(&got, 50, 77 + STEP), STEP);
	assert_int_equal(retention_through(&got, 77, 0), 0); /* nothing is confirmed in this run */
	for (i = 0; i < row.len; i++) {
		retention_get(&got, span_of(row.p, i), 77);
		assert_int_equal(got.n, i % 16 == 1 ? i / 16 : 0);
	}
	row.p[0]++;
	retention_get(&got, buf_span(&row), 77);
	assert_int_equal(got.n, 0);
	buf_free(&row);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_batch_is_old_after_the_retention),
	    cmocka_unit_test(test_what_is_taken_back_begins_anew),
	    cmocka_unit_test(test_marks_are_few_and_never_too_old),
	    cmocka_unit_test(test_the_row),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
