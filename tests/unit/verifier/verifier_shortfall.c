/* What is short is named with what it is and what it should be. */
#include "tests/unit/verifier/forge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct tdxv_shortfall s[64];

static size_t shortfalls(const struct forge *f, enum tdxv_tcb_status want)
{
	struct tdxv_collateral *c;
	struct tdxv_verdict v;
	struct forged x;
	size_t n;

	memset(s, 0, sizeof s);
	forge_build(&x, f);
	forged_verify(&v, &c, &x, NULL, FORGE_NOW);
	assert_int_equal(v.tcb_status, want);
	n = tdxv_tcb_shortfalls(s, sizeof s / sizeof *s, &v, c);
	assert_int_equal(tdxv_tcb_shortfalls(NULL, 0, &v, c), n);
	tdxv_collateral_free(c);
	forged_free(&x);
	return n;
}

static void nothing_is_short_of_what_is_current(void **state)
{
	struct forge f;

	(void)state;
	forge_init(&f);
	assert_int_equal(shortfalls(&f, TDXV_TCB_UP_TO_DATE), 0);
}

static void each_component_is_named(void **state)
{
	struct forge f;
	unsigned svn;

	(void)state;
	forge_init(&f);
	f.n_levels = 2;
	f.level[1] = f.level[0];
	f.level[1].status = "OutOfDate";
	svn = f.level[0].sgx;
	f.level[1].sgx = f.level[1].pcesvn = f.level[1].tdx = 0;
	memset(f.comp_svn, (int)svn + 1, sizeof f.comp_svn);
	f.comp_svn[2] = (uint8_t)(svn - 1);
	f.comp_svn[7] = 0;
	assert_int_equal(shortfalls(&f, TDXV_TCB_OUT_OF_DATE), 2);
	assert_string_equal(s[0].what, "SGX TCB component 3");
	assert_int_equal(s[0].have, svn - 1);
	assert_int_equal(s[0].need, svn);
	assert_string_equal(s[1].what, "SEAMLDR ACM (SGX TCB component) 8");
}

static void pce_and_microcode_are_named(void **state)
{
	struct forge f;

	(void)state;
	forge_init(&f);
	f.n_levels = 2;
	f.level[1] = f.level[0];
	f.level[1].status = "OutOfDate";
	f.level[1].sgx = f.level[1].pcesvn = f.level[1].tdx = 0;
	f.level[0].pcesvn = f.pcesvn + 1;
	f.level[0].tdx = 200;
	assert_int_equal(shortfalls(&f, TDXV_TCB_OUT_OF_DATE), 15);
	assert_string_equal(s[0].what, "PCE SVN");
	assert_int_equal(s[0].need, f.pcesvn + 1);
	assert_string_equal(s[1].what, "TDX late microcode update");
	assert_int_equal(s[1].need, 200);
	assert_string_equal(s[2].what, "TDX TCB component 4");
}

static void module_and_quoting_enclave_are_named(void **state)
{
	struct forge f;

	(void)state;
	forge_init(&f);
	f.n_module_levels = f.n_qe_levels = 2;
	f.module_level[1] = f.module_level[0];
	f.module_level[1].sgx = 0;
	f.module_level[1].status = "OutOfDate";
	f.module_level[0].sgx = 250;
	f.qe_level[1] = f.qe_level[0];
	f.qe_level[1].sgx = 0;
	f.qe_level[1].status = "OutOfDate";
	f.qe_level[0].sgx = 65000;
	assert_int_equal(shortfalls(&f, TDXV_TCB_OUT_OF_DATE), 2);
	assert_string_equal(s[0].what, "TDX module SVN");
	assert_int_equal(s[0].need, 250);
	assert_string_equal(s[1].what, "quoting enclave SVN");
	assert_int_equal(s[1].need, 65000);
}

static int end(void **state)
{
	(void)state;
	forge_keys_free();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(nothing_is_short_of_what_is_current),
	    cmocka_unit_test(each_component_is_named),
	    cmocka_unit_test(pce_and_microcode_are_named),
	    cmocka_unit_test(module_and_quoting_enclave_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, end);
}
