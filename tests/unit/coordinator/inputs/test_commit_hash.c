/* Which commit hashes a rule lets through, and the sentences of those it does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "coordinator/inputs/commit_hash.h"
#include "protocol/proofdata.h"

static void test_pattern(void **state)
{
	struct commit_hash_rule *rule;
	struct why why = {""};

	(void)state;
	assert_true(commit_hash_rule_new(&rule, "^[0-9a-f]{7,40}$", &why));
	assert_true(commit_hash_ok(rule, "abc1234", &why));
	assert_string_equal(why.text, "");
	assert_false(commit_hash_ok(rule, "ABC1234", &why));
	assert_string_equal(why.text, "commit hash \"ABC1234\" does not match ^[0-9a-f]{7,40}$");
	assert_false(commit_hash_ok(rule, "", &why));
	commit_hash_rule_free(rule);
}

static void test_length(void **state)
{
	char hash[COMMIT_HASH_MAX + 2];
	struct commit_hash_rule *rule;
	struct why why = {""};

	(void)state;
	assert_true(commit_hash_rule_new(&rule, ".*", &why));
	memset(hash, 'a', sizeof hash);
	hash[COMMIT_HASH_MAX + 1] = '\0';
	assert_false(commit_hash_ok(rule, hash, &why));
	hash[COMMIT_HASH_MAX] = '\0';
	assert_true(commit_hash_ok(rule, hash, &why));
	commit_hash_rule_free(rule);
}

static void test_no_pattern(void **state)
{
	struct commit_hash_rule *rule;
	struct why why = {""};

	(void)state;
	assert_false(commit_hash_rule_new(&rule, "[a", &why));
	assert_null(rule);
	assert_non_null(strstr(why.text, "the commit hash pattern \"[a\" is none"));
	commit_hash_rule_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_pattern),
	    cmocka_unit_test(test_length),
	    cmocka_unit_test(test_no_pattern),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
