/* verdicts: kept newest first, within a bound, and written where a restart finds them. */
#include "coordinator/verdicts/verdicts.h"

#include "coordinator/store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char kept_key[128], dropped_key[128];
static struct buf kept_value;

void store_put_fact(struct store *store, const char *key, const void *value, size_t n)
{
	(void)store;
	snprintf(kept_key, sizeof kept_key, "%s", key);
	buf_free(&kept_value);
	buf_init(&kept_value, 1 << 16);
	assert_true(buf_add(&kept_value, value, n));
}

void store_drop_fact(struct store *store, const char *key)
{
	(void)store;
	snprintf(dropped_key, sizeof dropped_key, "%s", key);
}

static struct span text(const char *s)
{
	return span_of(s, strlen(s));
}

static void keep(struct verdicts *v, uint8_t k, const char *reason)
{
	static const char json[] = "{\"accepted\":false}";
	uint8_t sha[32] = {k};
	const struct verdict_note note = {.sha256 = sha,
					  .at = 1000 + k,
					  .source = "10.0.0.7",
					  .answer = "refused",
					  .sentence = reason,
					  .json = span_of(json, sizeof json - 1)};

	verdicts_keep(v, NULL, &note);
}

static const char *reason_of(const struct verdicts *v, const char *prefix)
{
	return json_string_value(json_object_get(verdicts_find(v, prefix), "reason"));
}

static void the_newest_are_kept(void **state)
{
	struct verdicts *v = verdicts_new(3);
	json_t *list;

	(void)state;
	keep(v, 1, "one");
	keep(v, 2, "two");
	keep(v, 3, "three");
	dropped_key[0] = '\0';
	keep(v, 2, "two again"); /* replaces its former self, nobody else */
	assert_string_equal(dropped_key, "");
	keep(v, 4, "four");
	assert_int_equal(strncmp(dropped_key, "verdict/01", 10), 0);
	assert_null(verdicts_find(v, "0100"));
	assert_string_equal(reason_of(v, "0200"), "two again");
	assert_string_equal(reason_of(v, "0400"), "four");
	assert_null(verdicts_find(v, "04")); /* too short to mean one */
	list = verdicts_list(v);
	assert_int_equal(json_array_size(list), 3);
	assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "reason")),
			    "four");
	assert_null(json_object_get(json_array_get(list, 0), "verdict"));
	json_decref(list);
	verdicts_free(v);
	buf_free(&kept_value);
}

static void a_restart_finds_them(void **state)
{
	struct verdicts *v = verdicts_new(3), *again = verdicts_new(3);

	(void)state;
	keep(v, 7, "RTMR1 differs");
	verdicts_fact_get(again, &(struct store_fact){text(kept_key), buf_span(&kept_value)});
	assert_false(verdicts_fact_get(
	    again, &(struct store_fact){text("verdict/short"), buf_span(&kept_value)}));
	verdicts_fact_get(again, &(struct store_fact){text(kept_key), span_of("{", 1)});
	assert_string_equal(reason_of(again, "0700"), "RTMR1 differs");
	/* What the contract says stays beside whatever is found here next. */
	verdicts_note_contract(v, NULL, (const uint8_t[32]){9}, "of none");
	assert_null(verdicts_find(v, "0900"));
	verdicts_note_contract(v, NULL, (const uint8_t[32]){7}, "OutOfDate");
	keep(v, 7, "RTMR2 differs");
	verdicts_fact_get(again, &(struct store_fact){text(kept_key), buf_span(&kept_value)});
	assert_string_equal(reason_of(again, "0700"), "RTMR2 differs");
	assert_string_equal(
	    json_string_value(json_object_get(verdicts_find(again, "0700"), "contract")),
	    "OutOfDate");
	assert_true(json_is_false(
	    json_object_get(json_object_get(verdicts_find(again, "0700"), "verdict"), "accepted")));
	verdicts_free(v);
	verdicts_free(again);
	buf_free(&kept_value);
}

/* The leader drops the rows that all have pushed out. */
static void others_verdicts_are_kept_too(void **state)
{
	struct verdicts *v = verdicts_new(2), *other = verdicts_new(2);
	struct store_change change = {.kind = CHANGE_FACT_PUT};
	struct store *leaders = (struct store *)(void *)v; /* is not looked into */
	uint8_t k;

	(void)state;
	for (k = 1; k <= 3; k++) {
		keep(other, k, "RTMR1 differs");
		dropped_key[0] = '\0';
		change.fact = (struct store_fact){text(kept_key), buf_span(&kept_value)};
		assert_true(verdicts_fact_foreign(v, &change, k == 3 ? leaders : NULL));
	}
	assert_null(verdicts_find(v, "0100"));
	assert_string_equal(reason_of(v, "0300"), "RTMR1 differs");
	assert_non_null(strstr(dropped_key, "verdict/0100"));
	change.kind = CHANGE_FACT_DEL;
	assert_true(verdicts_fact_foreign(v, &change, leaders));
	change.fact.key = text("chain");
	assert_false(verdicts_fact_foreign(v, &change, leaders));
	verdicts_free(v);
	verdicts_free(other);
	buf_free(&kept_value);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_newest_are_kept),
	    cmocka_unit_test(a_restart_finds_them),
	    cmocka_unit_test(others_verdicts_are_kept_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
