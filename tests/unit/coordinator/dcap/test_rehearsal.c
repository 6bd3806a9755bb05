/* rehearsal: the code returns the report that the real verifier would; which reverts count. */
#include "coordinator/dcap/rehearsal.h"

#include "ethereum/abi.h"
#include "tests/unit/verifier/forge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define CODE_HEAD 14

static const uint8_t fmspc[6] = {0x90, 0xc0, 0x6f, 0, 0, 0};

static void check_code(const struct forge *f, enum tdxv_report_layout layout, size_t body_at)
{
	struct abi_value *v = NULL;
	struct tdxv_report r;
	struct forged x;
	struct buf code;
	struct why why = {""};
	size_t n;

	forge_build(&x, f);
	buf_init(&code, 4096);
	if (!rehearsal_code(&code, buf_span(&x.quote), fmspc, layout, &why))
		fail_msg("%s", why.text);
	assert_int_equal(code.p[0], 0x61);
	n = (size_t)(code.p[1] << 8 | code.p[2]);
	assert_int_equal(code.len, CODE_HEAD + n);
	assert_memory_equal(code.p + 1, code.p + 9, 2);
	assert_int_equal(abi_decode(&v, "(bool,bytes)", span_of(code.p + CODE_HEAD, n), &why),
			 ETH_OK);
	assert_true(abi_is_true(&v->items.p[0]));
	assert_int_equal(tdxv_report_parse(&r, v->items.p[1].bytes.p, v->items.p[1].bytes.n, NULL),
			 TDXV_OK);
	assert_int_equal(r.layout, layout);
	assert_int_equal(r.status, 0);
	assert_memory_equal(r.fmspc, fmspc, sizeof fmspc);
	assert_memory_equal(v->items.p[1].bytes.p + body_at, f->body, TDXV_TD10_SIZE);
	abi_value_free(v);
	buf_free(&code);
	forged_free(&x);
}

static void the_code_returns_the_report_in_both_layouts(void **state)
{
	struct forge f;

	(void)state;
	forge_init(&f);
	check_code(&f, TDXV_REPORT_V1_0, 13);
	check_code(&f, TDXV_REPORT_V1_1, 11);
}

static void what_the_layout_cannot_hold_is_said(void **state)
{
	struct forge f;
	struct forged x;
	struct buf code;
	struct why why = {""};

	(void)state;
	forge_init_kind(&f, 5, TDXV_BODY_TD15);
	forge_build(&x, &f);
	buf_init(&code, 4096);
	assert_false(rehearsal_code(&code, buf_span(&x.quote), fmspc, TDXV_REPORT_V1_0, &why));
	assert_true(why.text[0]);
	why.text[0] = '\0';
	assert_false(rehearsal_code(&code, span_of("quote", 5), fmspc, TDXV_REPORT_V1_0, &why));
	assert_true(why.text[0]);
	code.max = 100;
	forged_free(&x);
	forge_init(&f);
	forge_build(&x, &f);
	why.text[0] = '\0';
	assert_false(rehearsal_code(&code, buf_span(&x.quote), fmspc, TDXV_REPORT_V1_1, &why));
	assert_non_null(strstr(why.text, "no room"));
	assert_int_equal(code.len, 0);
	buf_free(&code);
	forged_free(&x);
}

static bool objects(const char *reason, enum tdxv_report_layout layout, bool others_send,
		    struct why *why)
{
	struct abi_value v = abi_bytes(span_of(reason, strlen(reason)));
	struct eth_revert r;
	struct buf b;

	v.kind = ABI_STRING;
	buf_init(&b, 1024);
	assert_int_equal(abi_encode_call(&b, "Error(string)", &v, 1, NULL), ETH_OK);
	revert_read(&r, buf_span(&b));
	buf_free(&b);
	why->text[0] = '\0';
	return rehearsal_objects(&r, layout, others_send, why);
}

static void only_the_tdx_verifier_objects(void **state)
{
	static const char role[] = "TDXVerifier: only sequencer can update keys";
	static const char kind[] = "TDXVerifier: Quote is not of type TDX";
	struct eth_revert nothing;
	struct why why;

	(void)state;
	revert_read(&nothing, span_of(NULL, 0));
	assert_false(rehearsal_objects(&nothing, TDXV_REPORT_V1_1, false, &why));
	/* A node that ignores the replaced code asks the real verifier, which has no collateral. */
	assert_false(
	    objects("TDXVerifier: quote verification failed", TDXV_REPORT_V1_1, false, &why));
	assert_false(objects("something else", TDXV_REPORT_V1_0, false, &why));
	assert_true(objects(role, TDXV_REPORT_V1_1, false, &why));
	assert_non_null(strstr(why.text, "no SEQUENCER role"));
	assert_false(objects(role, TDXV_REPORT_V1_1, true, &why));
	assert_true(objects(kind, TDXV_REPORT_V1_1, true, &why));
	assert_non_null(strstr(why.text, "layout of Automata v1.1"));
	assert_true(objects("TDXVerifier: MRTD mismatch", TDXV_REPORT_V1_0, true, &why));
	assert_non_null(strstr(why.text, "register() would revert: "));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_code_returns_the_report_in_both_layouts),
	    cmocka_unit_test(what_the_layout_cannot_hold_is_said),
	    cmocka_unit_test(only_the_tdx_verifier_objects),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	forge_keys_free();
	return failed;
}
