/* TCB levels, convergence, relaunch, the boundaries of every time window, advisories. */
#include "tests/unit/verifier/forge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct tdxv_verdict v;

static void verify(const struct forge *f, const struct tdxv_policy *policy, int64_t now)
{
	struct tdxv_collateral *c;
	struct forged x;

	forge_build(&x, f);
	forged_verify(&v, &c, &x, policy, now);
	/* What the test looks at afterwards is in the verdict itself. */
	tdxv_collateral_free(c);
	forged_free(&x);
}

#define U  TDXV_TCB_UP_TO_DATE
#define H  TDXV_TCB_SW_HARDENING_NEEDED
#define C  TDXV_TCB_CONFIGURATION_NEEDED
#define CH TDXV_TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED
#define O  TDXV_TCB_OUT_OF_DATE
#define OC TDXV_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED
#define R  TDXV_TCB_REVOKED
#define L  TDXV_TCB_TD_RELAUNCH_ADVISED
#define LC TDXV_TCB_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED

/* Platform, worst component, result. */
static const enum tdxv_tcb_status convergence[][3] = {
    {U, U, U}, {H, U, H}, {C, U, C},  {CH, U, CH}, {O, U, O}, {OC, U, OC}, {R, U, R},
    {U, O, O}, {H, O, O}, {C, O, OC}, {CH, O, OC}, {O, O, O}, {OC, O, OC}, {R, O, R},
    {U, R, R}, {H, R, R}, {C, R, R},  {CH, R, R},  {O, R, R}, {OC, R, R},  {R, R, R},
};

/* All platform statuses with all of module and QE, through whole verifications. */
static void every_combination_converges(void **state)
{
	static const enum tdxv_tcb_status component[] = {U, O, R};
	size_t i, m, q;

	(void)state;
	for (i = 0; i < 7; i++) {
		for (m = 0; m < 3; m++) {
			for (q = 0; q < 3; q++) {
				size_t worst = m > q ? m : q;
				struct forge f;

				forge_init(&f);
				f.level[0].status = tdxv_tcb_status_name(convergence[i][0]);
				f.module_level[0].status = tdxv_tcb_status_name(component[m]);
				f.qe_level[0].status = tdxv_tcb_status_name(component[q]);
				verify(&f, NULL, FORGE_NOW);
				assert_int_equal(v.tcb_status, convergence[7 * worst + i][2]);
				assert_int_equal(v.launch.platform, convergence[i][0]);
				assert_int_equal(v.launch.module, component[m]);
				assert_int_equal(v.launch.qe, component[q]);
				assert_true(v.authentic);
				assert_int_equal(v.accepted, v.tcb_status == U);
			}
		}
	}
	for (i = 0; i < sizeof convergence / sizeof convergence[0]; i++)
		assert_int_equal(tdxv_tcb_converge(convergence[i][0], convergence[i][1]),
				 convergence[i][2]);
}

static void relaunch(void **state)
{
	/* Platform, module SVN at launch, module SVN now, result. */
	static const struct {
		enum tdxv_tcb_status platform;
		uint8_t launch, now;
		enum tdxv_tcb_status result;
	} row[] = {
	    {U, 5, 5, U},   {U, 5, 4, U},   {U, 4, 5, L},   {U, 4, 4, O},   {H, 5, 5, H},
	    {H, 5, 4, H},   {H, 4, 5, L},   {H, 4, 4, O},   {C, 5, 5, C},   {C, 5, 4, C},
	    {C, 4, 5, LC},  {C, 4, 4, OC},  {CH, 5, 5, CH}, {CH, 5, 4, CH}, {CH, 4, 5, LC},
	    {CH, 4, 4, OC}, {O, 5, 5, O},   {O, 5, 4, O},   {O, 4, 5, O},   {O, 4, 4, O},
	    {OC, 5, 5, OC}, {OC, 5, 4, OC}, {OC, 4, 5, OC}, {OC, 4, 4, OC}, {R, 5, 5, R},
	    {R, 5, 4, R},   {R, 4, 5, R},   {R, 4, 4, R},
	};
	struct tdxv_policy p;
	struct forge f;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof row / sizeof row[0]; i++) {
		forge_init_kind(&f, 5, TDXV_BODY_TD15);
		f.level[0].status = tdxv_tcb_status_name(row[i].platform);
		f.body[0] = row[i].launch;
		f.body[TDXV_TD_TEE_TCB_SVN2] = row[i].now;
		verify(&f, NULL, FORGE_NOW);
		assert_true(v.has_current);
		assert_int_equal(v.tcb_status, row[i].result);
		/* Intel's answer alone would accept a TD whose module is out of date now. */
		assert_int_equal(v.accepted, row[i].result == U && row[i].now == 5);
	}
	forge_init_kind(&f, 5, TDXV_BODY_TD15);
	f.body[0] = 4;
	tdxv_policy_default(&p);
	p.accepted_statuses |= 1u << TDXV_TCB_TD_RELAUNCH_ADVISED;
	verify(&f, &p, FORGE_NOW);
	assert_true(v.accepted);
	/* The allow-list is about both moments: here only the one now has an advisory. */
	p.restrict_advisories = true;
	f.body[0] = 5;
	f.body[TDXV_TD_TEE_TCB_SVN2] = 4;
	p.accepted_statuses |= 1u << O;
	verify(&f, &p, FORGE_NOW);
	assert_int_equal(v.tcb_status, U);
	assert_int_equal(v.n_advisories, 0);
	assert_int_equal(v.check[TDXV_CHECK_POLICY_ADVISORIES].status, TDXV_FAIL);
	strcpy(p.advisory[p.n_advisories++], "INTEL-SA-00002");
	verify(&f, &p, FORGE_NOW);
	assert_true(v.accepted);
	tdxv_policy_default(&p);
	p.accepted_statuses |= 1u << TDXV_TCB_TD_RELAUNCH_ADVISED;
	f.body[0] = 4;
	f.body[TDXV_TD_TEE_TCB_SVN2] = 5;
	/* An outdated QE is in both, so there is nothing that a relaunch would mend. */
	f.qe_report[258] = 3;
	verify(&f, &p, FORGE_NOW);
	assert_int_equal(v.tcb_status, O);
	/* Running now under a module that is unknown, below all levels, or revoked. */
	forge_init_kind(&f, 5, TDXV_BODY_TD15);
	f.body[TDXV_TD_TEE_TCB_SVN2 + 1] = 9;
	verify(&f, NULL, FORGE_NOW);
	assert_int_equal(v.tcb_status, TDXV_TCB_NOT_SUPPORTED);
	assert_int_equal(v.check[TDXV_CHECK_CURRENT_TCB].status, TDXV_FAIL);
	f.body[TDXV_TD_TEE_TCB_SVN2 + 1] = 1;
	f.body[TDXV_TD_TEE_TCB_SVN2] = 3;
	f.module_level[1].status = "Revoked";
	verify(&f, NULL, FORGE_NOW);
	assert_int_equal(v.check[TDXV_CHECK_CURRENT_TCB].status, TDXV_FAIL);
	assert_false(v.authentic);
}

static void levels(void **state)
{
	struct forge f;
	unsigned i;

	(void)state;
	for (i = 0; i < 16; i++) { /* each SGX component alone decides */
		forge_init(&f);
		f.comp_svn[i] = 4;
		verify(&f, NULL, FORGE_NOW);
		assert_int_equal(v.tcb_status, O);
		assert_false(v.accepted);
		f.comp_svn[i] = 255;
		verify(&f, NULL, FORGE_NOW);
		assert_true(v.accepted);
	}
	for (i = 2; i < 16; i++) { /* TDX components from 2 on, with a module of major 1 */
		forge_init(&f);
		f.body[i] = 4;
		verify(&f, NULL, FORGE_NOW);
		assert_int_equal(v.launch.platform, O);
	}
	forge_init(&f);
	f.pcesvn = 10;
	verify(&f, NULL, FORGE_NOW);
	assert_int_equal(v.tcb_status, O);
	/* Component 0 is the module's own SVN: its identity judges it, the platform level does not.
	 */
	forge_init(&f);
	f.level[0].tdx = 6;
	for (i = 2; i < 16; i++)
		f.body[i] = 6;
	verify(&f, NULL, FORGE_NOW);
	assert_true(v.accepted);
	/* A module of major 0 has no identity: all components count, and 0 is short. */
	f.body[1] = 0;
	verify(&f, NULL, FORGE_NOW);
	assert_int_equal(v.tcb_status, O);
	f.body[0] = 6;
	verify(&f, NULL, FORGE_NOW);
	assert_true(v.accepted);
	/* The order in the file does not matter. */
	forge_init(&f);
	f.level[1] = f.level[0];
	f.level[0] = (struct forge_level){3, 5, 3, "OutOfDate", "2023-08-09T00:00:00Z", NULL};
	verify(&f, NULL, FORGE_NOW);
	assert_true(v.accepted);
}

static void dates_and_advisories(void **state)
{
	struct tdxv_collateral *c, *c2;
	struct tdxv_policy p;
	struct forge f;
	struct forged x, x2;

	(void)state;
	forge_init(&f);
	f.body[0] = 4;
	f.qe_report[258] = 3;
	f.comp_svn[0] = 4;
	f.qe_level[1].advisory = "INTEL-SA-00001"; /* also the platform's: named once */
	f.qe_level[1].date = "2022-01-01T00:00:00Z";
	forge_build(&x, &f);
	forged_verify(&v, &c, &x, NULL, FORGE_NOW);
	assert_int_equal(v.tcb_date, 1640995200);
	assert_int_equal(v.n_advisories, 2);
	assert_memory_equal(v.advisory[0].p, "INTEL-SA-00001", 14);
	assert_memory_equal(v.advisory[1].p, "INTEL-SA-00002", 14);
	assert_int_equal(v.n_platform_advisories, 1);
	{
		uint8_t report[2048];
		size_t n = sizeof report;
		struct tdxv_report r;

		assert_int_equal(tdxv_report_from_verdict(report, &n, TDXV_REPORT_V1_0, &v, NULL),
				 TDXV_OK);
		/* 32 + 32 + 32 + 32 + 32: offset, length, offset, length, one word of text. */
		assert_int_equal(n, 597 + 160);
		assert_int_equal(report[6], 4);
		assert_int_equal(report[597 + 31], 32);
		assert_int_equal(report[597 + 63], 1);
		assert_int_equal(report[597 + 95], 32);
		assert_int_equal(report[597 + 127], 14);
		assert_memory_equal(report + 597 + 128, "INTEL-SA-00001", 14);
		assert_int_equal(tdxv_report_parse(&r, report, n, NULL), TDXV_OK);
		assert_memory_equal(r.body.p, v.quote.body.p, 584);
		n = 596;
		assert_int_equal(tdxv_report_from_verdict(report, &n, TDXV_REPORT_V1_0, &v, NULL),
				 TDXV_ERR_ARGUMENT);
		n = sizeof report;
		assert_int_equal(tdxv_report_from_verdict(report, &n, TDXV_REPORT_V1_1, &v, NULL),
				 TDXV_OK);
		assert_int_equal(n, 595 + 160);
		assert_int_equal(report[3], 2);
	}
	v.tcb_status = R; /* never as a success */
	{
		uint8_t report[2048];
		size_t n = sizeof report;

		assert_int_equal(tdxv_report_from_verdict(report, &n, TDXV_REPORT_V1_0, &v, NULL),
				 TDXV_ERR_ARGUMENT);
		assert_int_equal(n, 0);
	}
	/* The allow-list names what is tolerated. */
	tdxv_policy_default(&p);
	p.accepted_statuses |= 1u << O;
	p.restrict_advisories = true;
	strcpy(p.advisory[p.n_advisories++], "INTEL-SA-00001");
	tdxv_verify(&v, x.quote.p, x.quote.len, c, &p, NULL, FORGE_NOW);
	assert_int_equal(v.check[TDXV_CHECK_POLICY_ADVISORIES].status, TDXV_FAIL);
	strcpy(p.advisory[p.n_advisories++], "INTEL-SA-00002");
	tdxv_verify(&v, x.quote.p, x.quote.len, c, &p, NULL, FORGE_NOW);
	assert_true(v.accepted);
	/* Grace runs from the TCB date, to the second. */
	tdxv_policy_default(&p);
	p.grace_seconds = FORGE_NOW - 1640995200;
	tdxv_verify(&v, x.quote.p, x.quote.len, c, &p, NULL, FORGE_NOW);
	assert_true(v.accepted);
	tdxv_verify(&v, x.quote.p, x.quote.len, c, &p, NULL, FORGE_NOW + 1);
	assert_false(v.accepted);
	tdxv_verify(&v, x.quote.p, x.quote.len, c, &p, NULL, INT64_MAX);
	assert_int_equal(v.check[TDXV_CHECK_POLICY_TCB_STATUS].status, TDXV_FAIL);
	/* From before 1970 to the end of time is more than 63 bits hold. */
	f.qe_level[1].date = "1960-01-01T00:00:00Z";
	forge_build(&x2, &f);
	forged_verify(&v, &c2, &x2, &p, INT64_MAX);
	assert_int_equal(v.check[TDXV_CHECK_POLICY_TCB_STATUS].status, TDXV_FAIL);
	tdxv_collateral_free(c2);
	forged_free(&x2);
	p.grace_seconds = 0;
	p.min_tcb_evaluation_number = 18;
	tdxv_verify(&v, x.quote.p, x.quote.len, c, &p, NULL, FORGE_NOW);
	assert_int_equal(v.check[TDXV_CHECK_POLICY_TCB_EVALUATION].status, TDXV_FAIL);
	tdxv_collateral_free(c);
	forged_free(&x);
	/* The lower of the two numbers counts: either may be the older one. */
	tdxv_policy_default(&p);
	p.min_tcb_evaluation_number = 17;
	forge_init(&f);
	verify(&f, &p, FORGE_NOW);
	assert_true(v.accepted);
	f.tcb_number = 16;
	verify(&f, &p, FORGE_NOW);
	assert_int_equal(v.check[TDXV_CHECK_POLICY_TCB_EVALUATION].status, TDXV_FAIL);
	f.tcb_number = 17;
	f.qe_number = 16;
	verify(&f, &p, FORGE_NOW);
	assert_int_equal(v.check[TDXV_CHECK_POLICY_TCB_EVALUATION].status, TDXV_FAIL);
	assert_int_equal(v.tcb_evaluation_number, 16);
}

/* Each window alone: its first and last second are good, the ones beside them are not. */
static void time_boundaries(void **state)
{
	static const char from_text[] = "2026-01-15T00:00:00Z", to_text[] = "2026-01-16T00:00:00Z";
	const int64_t from = FORGE_NOW, to = FORGE_NOW + FORGE_DAY;
	/* Every check that looks at the piece: a CA stands in several chains. */
	static const struct {
		enum tdxv_check_id id[4];
		size_t n;
	} row[] = {
	    {{TDXV_CHECK_PCK_CHAIN_TIME, TDXV_CHECK_PCK_CRL_CHAIN_TIME, TDXV_CHECK_TCB_SIGNING_TIME,
	      TDXV_CHECK_QE_SIGNING_TIME},
	     4},
	    {{TDXV_CHECK_PCK_CHAIN_TIME, TDXV_CHECK_PCK_CRL_CHAIN_TIME}, 2},
	    {{TDXV_CHECK_PCK_CHAIN_TIME}, 1},
	    {{TDXV_CHECK_TCB_SIGNING_TIME, TDXV_CHECK_QE_SIGNING_TIME}, 2},
	    {{TDXV_CHECK_ROOT_CRL_TIME}, 1},
	    {{TDXV_CHECK_PCK_CRL_TIME}, 1},
	    {{TDXV_CHECK_TCB_INFO_TIME}, 1},
	    {{TDXV_CHECK_QE_IDENTITY_TIME}, 1},
	};
	const int64_t at[] = {from - 1, from, to, to + 1, INT64_MIN, INT64_MAX, 0};
	struct forge f;
	size_t i, j, k;

	(void)state;
	for (i = 0; i < sizeof row / sizeof row[0]; i++) {
		struct tdxv_collateral *c;
		struct tdxv_cache *cache = tdxv_cache_new(2);
		struct forged x;
		struct forge_cert *cert[] = {&f.root, &f.ca, &f.pck, &f.tcb};
		struct forge_crl *crl[] = {&f.root_crl, &f.pck_crl};

		forge_init(&f);
		if (i < 4) {
			cert[i]->from = from;
			cert[i]->to = to;
		} else if (i < 6) {
			crl[i - 4]->from = from;
			crl[i - 4]->to = to;
		} else if (i == 6) {
			f.tcb_issued = from_text;
			f.tcb_next = to_text;
		} else {
			f.qe_issued = from_text;
			f.qe_next = to_text;
		}
		forge_build(&x, &f);
		forged_verify(&v, &c, &x, NULL, FORGE_NOW);
		for (k = 0; k < sizeof at / sizeof at[0]; k++) {
			bool inside = at[k] >= from && at[k] <= to;

			/* With the chain cached from the first good time on. */
			tdxv_verify(&v, x.quote.p, x.quote.len, c, NULL, cache, at[k]);
			assert_int_equal(v.accepted, inside);
			for (j = 0; j < row[i].n; j++)
				assert_int_equal(v.check[row[i].id[j]].status,
						 inside ? TDXV_PASS : TDXV_FAIL);
			if (inside)
				assert_int_equal(v.collateral_valid_to, to);
		}
		tdxv_collateral_free(c);
		tdxv_cache_free(cache);
		forged_free(&x);
	}
}

static void times_in_words(void **state)
{
	static const struct {
		int64_t t;
		const char *text;
	} row[] = {{0, "1970-01-01T00:00:00Z"},           {951782400, "2000-02-29T00:00:00Z"},
		   {FORGE_NOW, "2026-01-15T00:00:00Z"},   {253402300799, "9999-12-31T23:59:59Z"},
		   {-1, "1969-12-31T23:59:59Z"},          {4107542399, "2100-02-28T23:59:59Z"},
		   {-62167219200, "0000-01-01T00:00:00Z"}};
	static const char *const bad[] = {
	    "2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-01-01T24:00:00Z",
	    "2026-01-01 00:00:00Z", "2026-01-01T00:00:00",  "2100-02-29T00:00:00Z",
	    "2026-00-10T00:00:00Z", "2026-01-01T00:00:60Z", ""};
	char text[64];
	int64_t t;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof row / sizeof row[0]; i++) {
		assert_int_equal(tdxv_time_text(text, sizeof text, row[i].t), 20);
		assert_string_equal(text, row[i].text);
		assert_true(tdxv_time_parse(&t, row[i].text, 20));
		assert_int_equal(t, row[i].t);
	}
	for (i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_false(tdxv_time_parse(&t, bad[i], strlen(bad[i])));
	tdxv_time_text(text, sizeof text, INT64_MAX);
	assert_string_equal(text, "9223372036854775807");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_combination_converges),
	    cmocka_unit_test(relaunch),
	    cmocka_unit_test(levels),
	    cmocka_unit_test(dates_and_advisories),
	    cmocka_unit_test(time_boundaries),
	    cmocka_unit_test(times_in_words),
	};
	int failures = cmocka_run_group_tests(tests, NULL, NULL);

	forge_keys_free();
	return failures;
}
