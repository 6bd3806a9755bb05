/* The relay's rows, there and back, and what is passed over. */
#include "coordinator/relay/rows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void a_demand(void **state)
{
	struct fetch_demand d = {.proven = true, .batch = UINT64_MAX};
	struct forward_entry entry;
	struct demand_row got;
	struct relay_row row;

	(void)state;
	d.key = (struct fetch_key){DIALECT_P6, true, PROVER_SP1, "abc/%d/1"};
	demand_row_put(&row, &d, 1234567890123);
	assert_int_equal(row.change.kind, CHANGE_FACT_PUT);
	assert_int_equal(relay_row_get(&row.change.fact, &got, &entry), RELAY_ROW_DEMAND);
	assert_int_equal(got.key.dialect, DIALECT_P6);
	assert_true(got.key.has_type);
	assert_int_equal(got.key.type, PROVER_SP1);
	assert_string_equal(got.key.commit_hash, "abc/%d/1");
	assert_int_equal(got.asked_ms, 1234567890123);
	assert_int_equal(got.batch, UINT64_MAX);
	d.key.has_type = false;
	d.key.dialect = DIALECT_P3_P5;
	d.proven = false;
	memset(d.key.commit_hash, 'a', COMMIT_HASH_MAX);
	demand_row_put(&row, &d, 1);
	assert_int_equal(relay_row_get(&row.change.fact, &got, &entry), RELAY_ROW_DEMAND);
	assert_false(got.key.has_type);
	assert_int_equal(strlen(got.key.commit_hash), COMMIT_HASH_MAX);
	assert_int_equal(got.batch, 0);
	demand_row_drop(&row, &d.key);
	assert_int_equal(row.change.kind, CHANGE_FACT_DEL);
}

/* Of a prover of a coordinator that does not lead. */
static void what_is_wanted_elsewhere(void **state)
{
	const struct fetch_key key = {DIALECT_P7, true, PROVER_TDX, "abcdef0"};
	struct forward_entry entry;
	struct demand_row got;
	struct relay_row row;

	(void)state;
	wanted_row_put(&row, 63, 31, &key);
	assert_true(span_eq(row.change.fact.key, span_of("relay.wanted/63/31", 18)));
	assert_int_equal(row.change.kind, CHANGE_FACT_PUT);
	assert_int_equal(relay_row_get(&row.change.fact, &got, &entry), RELAY_ROW_WANTED);
	assert_int_equal(got.key.dialect, DIALECT_P7);
	assert_int_equal(got.key.type, PROVER_TDX);
	assert_string_equal(got.key.commit_hash, "abcdef0");
	row.value[0]++;
	assert_int_equal(relay_row_get(&row.change.fact, &got, &entry), RELAY_ROW_NONE);
}

/* And what the leader heard for it. */
static void what_was_heard(void **state)
{
	struct fetch_key key = {DIALECT_P3_P5, false, PROVER_EXEC, "abcdef0"};
	char longest[COMMIT_HASH_MAX + 1] = "";
	struct forward_entry entry;
	struct demand_row got;
	struct relay_row row;

	(void)state;
	heard_row_put(&row, 31, &key, FETCH_MISMATCH, "");
	assert_true(span_eq(row.change.fact.key, span_of("relay.heard/31", 14)));
	assert_int_equal(row.change.kind, CHANGE_FACT_PUT);
	assert_int_equal(relay_row_get(&row.change.fact, &got, &entry), RELAY_ROW_HEARD);
	assert_int_equal(got.key.dialect, DIALECT_P3_P5);
	assert_false(got.key.has_type);
	assert_int_equal(got.heard, FETCH_MISMATCH);
	assert_string_equal(got.code_hash, "");
	memset(longest, 'h', COMMIT_HASH_MAX);
	memset(key.commit_hash, 'k', COMMIT_HASH_MAX);
	heard_row_put(&row, 0, &key, FETCH_DOWN, longest);
	assert_int_equal(relay_row_get(&row.change.fact, &got, &entry), RELAY_ROW_HEARD);
	assert_int_equal(got.heard, FETCH_DOWN);
	assert_string_equal(got.code_hash, longest);
	assert_string_equal(got.key.commit_hash, key.commit_hash);
	/* What others wrote is not believed. */
	row.value[7] = 0;
	assert_int_equal(relay_row_get(&row.change.fact, &got, &entry), RELAY_ROW_NONE);
	row.value[7] = 'h';
	row.value[1] = FETCH_HEARD_COUNT;
	assert_int_equal(relay_row_get(&row.change.fact, &got, &entry), RELAY_ROW_NONE);
	row.value[1] = FETCH_DOWN;
	for (row.value[2] = COMMIT_HASH_MAX + 1; row.value[2]; row.value[2]++)
		assert_int_equal(relay_row_get(&row.change.fact, &got, &entry), RELAY_ROW_NONE);
	for (row.change.fact.value.n = 0; row.change.fact.value.n < 6; row.change.fact.value.n++)
		assert_int_equal(relay_row_get(&row.change.fact, &got, &entry), RELAY_ROW_NONE);
}

static void a_forwarded_proof(void **state)
{
	const struct forward_entry e = {.batch = UINT64_MAX,
					.type = PROVER_TDX,
					.id = 77,
					.acknowledged = true,
					.acknowledged_ms = 99};
	struct forward_entry got;
	struct demand_row demand;
	struct relay_row row;

	(void)state;
	forward_row_put(&row, &e);
	assert_int_equal(relay_row_get(&row.change.fact, &demand, &got), RELAY_ROW_FORWARD);
	assert_int_equal(got.batch, UINT64_MAX);
	assert_int_equal(got.type, PROVER_TDX);
	assert_int_equal(got.id, 77);
	assert_true(got.acknowledged);
	assert_int_equal(got.acknowledged_ms, 99);
	forward_row_drop(&row, &e);
	assert_int_equal(row.change.kind, CHANGE_FACT_DEL);
}

static void others_are_passed_over(void **state)
{
	static const struct {
		const char *key, *value;
		size_t n;
	} rows[] = {
	    {"chain", "", 0},
	    {"relay.demand/", "\1aaaaaaaabbbbbbbb", 17},
	    {"relay.demand/99/3/abc", "\1aaaaaaaabbbbbbbb", 17},
	    {"relay.demand/6/99/abc", "\1aaaaaaaabbbbbbbb", 17},
	    {"relay.demand/6/3/abc", "\2aaaaaaaabbbbbbbb", 17},
	    {"relay.demand/6/3/abc", "\1aaaaaaaabbbbbbb", 16},
	    {"relay.forward/7/99", "\1\1aaaaaaaabbbbbbbb", 18},
	    {"relay.forward/7/3", "\1\1aaaaaaaabbbbbbb", 17},
	    {"relay.forward/x/3", "\1\1aaaaaaaabbbbbbbb", 18},
	};
	struct forward_entry entry;
	struct demand_row demand;
	char key[300];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof rows / sizeof *rows; i++) {
		const struct store_fact fact = {span_of(rows[i].key, strlen(rows[i].key)),
						span_of(rows[i].value, rows[i].n)};

		assert_int_equal(relay_row_get(&fact, &demand, &entry), RELAY_ROW_NONE);
	}
	memset(key, 'k', sizeof key);
	assert_int_equal(
	    relay_row_get(&(struct store_fact){span_of(key, sizeof key), {0}}, &demand, &entry),
	    RELAY_ROW_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_demand),
	    cmocka_unit_test(what_is_wanted_elsewhere),
	    cmocka_unit_test(what_was_heard),
	    cmocka_unit_test(a_forwarded_proof),
	    cmocka_unit_test(others_are_passed_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
