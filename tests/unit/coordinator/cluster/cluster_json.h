/*
 * cluster_json.h -- reading the coordinators' JSON in tests.
 */
#ifndef TESTS_CLUSTER_JSON_H
#define TESTS_CLUSTER_JSON_H

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static inline const char *text_of(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	assert_non_null(s);
	return s;
}

static inline int64_t number_of(const json_t *j, const char *key)
{
	assert_true(json_is_integer(json_object_get(j, key)));
	return json_integer_value(json_object_get(j, key));
}

static inline const json_t *coordinator(const json_t *cluster, size_t i)
{
	return json_array_get(json_object_get(cluster, "coordinators"), i);
}

#endif
