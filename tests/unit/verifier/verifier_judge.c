/* From bytes to JSON in one call, and objects without their layout. */
#include "verifier/include/tdxverify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t nothing[4];

/* What is said of a bundle that is none, or of a policy. */
static void refused(const char *collateral, const char *policy, const char *error,
		    const char *message)
{
	char *text = tdxv_judge(nothing, sizeof nothing, collateral, policy, NULL, 0);

	assert_non_null(text);
	if (!strstr(text, error) || !strstr(text, message) || strncmp(text, "{\"error\":\"", 10))
		fail_msg("%s: %s", collateral, text);
	tdxv_text_free(text);
}

static void test_what_cannot_be_judged(void **state)
{
	(void)state;
	refused("", NULL, tdxv_error_name(TDXV_ERR_PIECE_FORMAT), "object is expected");
	refused("[]", NULL, tdxv_error_name(TDXV_ERR_PIECE_FORMAT), "object is expected");
	refused("{\"tcb_inof\":\"x\"}", NULL, tdxv_error_name(TDXV_ERR_PIECE_FORMAT),
		"no piece of collateral");
	refused("{\"tcb_info\":{}}", NULL, tdxv_error_name(TDXV_ERR_PIECE_FORMAT), "no string");
	refused("{\"tcb_info\":\"\\u0000\"}", NULL, tdxv_error_name(TDXV_ERR_PIECE_FORMAT),
		"escape");
	refused("{\"tcb_info\":\"\\u00e9\"}", NULL, tdxv_error_name(TDXV_ERR_PIECE_FORMAT),
		"escape");
	refused("{\"tcb_info\":\"a\",\"tcb_info\":\"b\"}", NULL,
		tdxv_error_name(TDXV_ERR_PIECE_FORMAT), "repeated");
	refused("{\"tcb_info\":\"a\"} x", NULL, tdxv_error_name(TDXV_ERR_PIECE_FORMAT), "");
	refused("{\"tcb_info\":\"a", NULL, tdxv_error_name(TDXV_ERR_PIECE_FORMAT), "");
	refused("{}", "{\"unknown\":1}", tdxv_error_name(TDXV_ERR_POLICY_FORMAT), "unknown");
}

static void test_a_verdict_against_it(void **state)
{
	char *text = tdxv_judge(nothing, sizeof nothing,
				"{\"tcb_info\":\"\\u007b\\\"a\\\\\\n\\/\"}", NULL, NULL, 0);

	(void)state;
	assert_non_null(text);
	assert_non_null(strstr(text, "\"accepted\":false"));
	assert_non_null(strstr(text, "quote_format"));
	tdxv_text_free(text);
	tdxv_text_free(NULL);
}

static void test_objects_without_layout(void **state)
{
	struct tdxv_verdict *v = tdxv_verdict_new();
	struct tdxv_policy *p = tdxv_policy_new(), same;
	struct tdxv_collateral_input none = {.tcb_info = {NULL, 0}};
	struct tdxv_collateral *c;

	(void)state;
	assert_non_null(v);
	assert_non_null(p);
	memset(&same, 0, sizeof same);
	tdxv_policy_default(&same);
	assert_memory_equal(p, &same, sizeof same);
	assert_int_equal(tdxv_collateral_new(&c, &none, (struct tdxv_bytes){NULL, 0}, NULL),
			 TDXV_OK);
	tdxv_verify(v, nothing, sizeof nothing, c, p, NULL, 0);
	assert_false(tdxv_verdict_accepted(v));
	assert_false(tdxv_verdict_authentic(v));
	assert_int_equal(tdxv_verdict_tcb_status(v), TDXV_TCB_NOT_EVALUATED);
	tdxv_verdict_free(v);
	tdxv_verdict_free(NULL);
	tdxv_policy_free(p);
	tdxv_collateral_free(c);
	assert_string_equal(tdxv_version(), TDXV_VERSION);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_what_cannot_be_judged),
	    cmocka_unit_test(test_a_verdict_against_it),
	    cmocka_unit_test(test_objects_without_layout),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
