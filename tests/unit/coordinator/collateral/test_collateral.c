/* The collateral client against scripted sources on 127.0.0.1. */
#include "collateral_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DAY FORGE_DAY

/* ---- what goes well ---- */

static void test_a_set_comes_from_the_first_source(void **state)
{
	struct world *w = *state;
	struct got g;
	int i;

	world_open(w);
	world_get(w, FORGE_NOW, &g);
	assert_non_null(g.set);
	assert_string_equal(g.sentence, "");
	assert_true(g.set->facts.usable);
	assert_int_equal(g.set->fetched_at, FORGE_NOW);
	assert_int_equal(g.set->facts.tcb_evaluation_number, 17);
	assert_int_equal(g.set->pieces.tcb_info.n, w->good.tcb_info.len);
	assert_memory_equal(g.set->pieces.tcb_signing_chain.p, w->good.tcb_chain.p,
			    w->good.tcb_chain.len);
	for (i = 0; i < COLLATERAL_NUMBERS; i++) {
		assert_int_equal(w->a.n_part[i], 1);
		assert_non_null(strstr(g.set->source[i], "http://127.0.0.1:"));
	}
	assert_int_equal(w->b.n_requests, 0);
	assert_string_equal(w->a.path[COLLATERAL_TCB_INFO],
			    "/tdx/certification/v4/tcb?fmspc=90c06f000000&update=standard");
	assert_string_equal(w->a.path[COLLATERAL_PCK_CRL],
			    "/sgx/certification/v4/pckcrl?ca=platform&encoding=der");
	assert_int_equal(world_count(w, 0, COLLATERAL_OK), 4);
	got_free(&g);
}

static void test_a_quote_verifies_with_it(void **state)
{
	struct world *w = *state;
	struct tdxv_verdict v;
	struct collateral_key key;
	struct got g;

	world_open(w);
	world_get(w, FORGE_NOW, &g);
	tdxv_verify(&v, w->good.quote.p, w->good.quote.len, g.set->checked, NULL, NULL, FORGE_NOW);
	assert_true(v.accepted);
	key = collateral_key_of(&v.pck);
	assert_memory_equal(&key.fmspc, &w->key.fmspc, 6);
	assert_int_equal(key.ca, COLLATERAL_PLATFORM);
	got_free(&g);
}

static bool passed(const struct tdxv_verdict *v, enum tdxv_check_id check)
{
	return v->check[check].status == TDXV_PASS;
}

static void test_a_platform_shows_itself_before_anything_is_fetched(void **state)
{
	struct world *w = *state;
	struct forge f = w->forge;
	struct tdxv_verdict v;
	struct forged x;

	world_open(w);
	tdxv_verify(&v, w->good.quote.p, w->good.quote.len, collateral_root_only(w->c), NULL, NULL,
		    FORGE_NOW);
	assert_true(passed(&v, TDXV_CHECK_PCK_LEAF_SIGNATURE));
	assert_true(passed(&v, TDXV_CHECK_QE_REPORT_SIGNATURE));
	assert_true(passed(&v, TDXV_CHECK_QUOTE_SIGNATURE));
	assert_false(v.authentic);
	assert_memory_equal(v.pck.fmspc, w->key.fmspc, 6);
	f.pck.signer = KEY_EVIL;
	forge_build(&x, &f);
	tdxv_verify(&v, x.quote.p, x.quote.len, collateral_root_only(w->c), NULL, NULL, FORGE_NOW);
	assert_false(passed(&v, TDXV_CHECK_PCK_LEAF_SIGNATURE));
	assert_int_equal(w->a.n_requests, 0);
	forged_free(&x);
}

static void test_it_is_fetched_once_while_fresh(void **state)
{
	struct world *w = *state;
	struct got g;

	world_open(w);
	world_get(w, FORGE_NOW, &g);
	got_free(&g);
	world_get(w, FORGE_NOW + 20 * DAY, &g);
	assert_non_null(g.set);
	got_free(&g);
	assert_int_equal(w->a.n_requests, 4);
	assert_non_null(collateral_peek(w->c, &w->key, FORGE_NOW));
	assert_null(collateral_peek(w->c, &w->key, FORGE_NOW + 40 * DAY));
}

static void test_gets_at_once_share_a_fetch(void **state)
{
	struct world *w = *state;
	struct got g[20];
	int i;

	world_open(w);
	for (i = 0; i < 20; i++)
		world_ask(w, FORGE_NOW, &g[i]);
	for (i = 0; i < 20; i++) {
		world_wait(w, &g[i]);
		assert_ptr_equal(g[i].set, g[0].set);
	}
	assert_int_equal(w->a.n_requests, 4);
	for (i = 0; i < 20; i++)
		got_free(&g[i]);
}

static void test_a_pccs_with_hex_crls_and_old_header(void **state)
{
	struct world *w = *state;
	struct got g;

	snprintf(w->sources, sizeof w->sources, "pccs+http://127.0.0.1:%d/pccs/", w->b.port);
	w->b.hex_crls = w->b.old_header = true;
	w->settings.update = COLLATERAL_EARLY;
	world_open(w);
	world_get(w, FORGE_NOW, &g);
	assert_non_null(g.set);
	assert_string_equal(w->b.path[COLLATERAL_ROOT_CRL], "/pccs/sgx/certification/v4/rootcacrl");
	assert_non_null(strstr(w->b.path[COLLATERAL_QE_IDENTITY], "update=early"));
	assert_int_equal(w->a.n_requests, 0);
	got_free(&g);
}

/* ---- every way in which a source fails, and that the next one is asked ---- */

struct failure {
	enum fake_pcs_mode mode;
	int status;
	unsigned parts;
	enum collateral_outcome outcome;
	const char *says;
};

#define CHAINED (QUOTE_PARTS & ~(1u << COLLATERAL_ROOT_CRL))

static const struct failure failures[] = {
    {PCS_SILENT, 0, 0, COLLATERAL_UNREACHABLE, "no answer: "},
    {PCS_SLAM, 0, 0, COLLATERAL_UNREACHABLE, "no answer: "},
    {PCS_CUT, 0, 0, COLLATERAL_UNREACHABLE, "no answer: "},
    {PCS_HUGE, 0, 0, COLLATERAL_UNREACHABLE, "longer than 1048576 bytes"},
    {PCS_LONG_HEADERS, 0, 0, COLLATERAL_UNREACHABLE, "headers are longer than 65536 bytes"},
    {PCS_GARBAGE, 0, 1u << COLLATERAL_TCB_INFO, COLLATERAL_MALFORMED,
     "the TCB info is well formed"},
    {PCS_GARBAGE, 0, 1u << COLLATERAL_QE_IDENTITY, COLLATERAL_MALFORMED,
     "the QE identity is well formed"},
    {PCS_GARBAGE, 0, 1u << COLLATERAL_PCK_CRL, COLLATERAL_MALFORMED, "the PCK CRL is well formed"},
    {PCS_GARBAGE, 0, 1u << COLLATERAL_ROOT_CRL, COLLATERAL_MALFORMED,
     "the root CRL is well formed"},
    {PCS_EMPTY, 0, 0, COLLATERAL_MALFORMED, "its TCB info is empty"},
    {PCS_STATUS, 301, 0, COLLATERAL_BAD_STATUS, "it redirects (HTTP 301), which is not followed"},
    {PCS_STATUS, 302, 0, COLLATERAL_BAD_STATUS, "it redirects (HTTP 302), which is not followed"},
    {PCS_STATUS, 404, 1u << COLLATERAL_TCB_INFO, COLLATERAL_NOT_FOUND,
     "it has no TCB info for FMSPC 90c06f000000 (HTTP 404)"},
    {PCS_STATUS, 410, 1u << COLLATERAL_TCB_INFO, COLLATERAL_NOT_FOUND,
     "it no longer has the TCB info of tcbEvaluationDataNumber"},
    {PCS_STATUS, 429, 0, COLLATERAL_RATE_LIMITED, "it asks to slow down (HTTP 429)"},
    {PCS_STATUS, 500, 0, COLLATERAL_BAD_STATUS, "it answers with HTTP 500"},
    {PCS_NO_CHAIN, 0, CHAINED, COLLATERAL_MALFORMED,
     "its TCB info comes without its issuer chain (header TCB-Info-Issuer-Chain)"},
    {PCS_TWO_CHAINS, 0, CHAINED, COLLATERAL_MALFORMED, "without its issuer chain"},
    {PCS_BAD_ENCODING, 0, CHAINED, COLLATERAL_MALFORMED,
     "header TCB-Info-Issuer-Chain: a '%' without two hex digits at offset 10"},
};

static void test_a_failing_source_is_passed_over(void **state)
{
	struct world *w = *state;
	size_t i;

	for (i = 0; i < sizeof failures / sizeof failures[0]; i++) {
		const struct failure *f = &failures[i];
		struct got g;

		w->settings.timeout_ms = f->mode == PCS_SILENT ? 300 : 10000;
		w->a.mode = f->mode;
		w->a.status = f->status;
		w->a.mode_parts = f->parts;
		w->b.n_requests = 0;
		w->last_note[0] = '\0';
		world_open(w);
		world_get(w, FORGE_NOW, &g);
		assert_non_null(g.set);
		world_settle(w);
		assert_says(w->last_note, f->says);
		assert_true(world_count(w, 0, f->outcome) > 0);
		/* Only what the first lacked. */
		assert_int_equal(w->b.n_requests,
				 __builtin_popcount(f->parts ? f->parts : QUOTE_PARTS));
		got_free(&g);
		world_close(w);
	}
}

static void test_all_sources_fail_and_each_is_named(void **state)
{
	struct world *w = *state;
	size_t i;

	for (i = 0; i < sizeof failures / sizeof failures[0]; i++) {
		const struct failure *f = &failures[i];
		struct collateral_info info;
		struct got g;

		w->settings.timeout_ms = f->mode == PCS_SILENT ? 300 : 10000;
		w->a.mode = w->b.mode = f->mode;
		w->a.status = w->b.status = f->status;
		w->a.mode_parts = w->b.mode_parts = f->parts;
		world_open(w);
		world_get(w, FORGE_NOW, &g);
		assert_null(g.set);
		assert_says(g.sentence, "no collateral for FMSPC 90c06f000000 (Platform CA): ");
		assert_says(g.sentence, f->says);
		assert_says(g.sentence, "; pccs+http://127.0.0.1:");
		assert_true(collateral_at(w->c, 0, &info));
		assert_string_equal(info.last_failure, g.sentence);
		got_free(&g);
		world_close(w);
	}
}

static void test_a_dead_host(void **state)
{
	struct world *w = *state;
	struct got g;
	int port = w->a.port;

	fake_pcs_stop(&w->a);
	uv_run(&w->loop, UV_RUN_NOWAIT);
	snprintf(w->sources, sizeof w->sources, "http://127.0.0.1:%d", port);
	world_open(w);
	world_get(w, FORGE_NOW, &g);
	assert_null(g.set);
	assert_says(g.sentence, "no answer: Failed to connect");
	/* The four requests' one failure is told once. */
	assert_null(strstr(strstr(g.sentence, "Failed to connect") + 1, "Failed to connect"));
	got_free(&g);
}

/* ---- what Intel did not sign, and what was not asked for ---- */

static void expect_passed_over(struct world *w, const struct forge *f,
			       enum collateral_outcome outcome, const char *says)
{
	struct forged x;
	struct got g;

	forge_build(&x, f);
	w->a.serves = &x;
	w->last_note[0] = '\0';
	world_open(w);
	world_get(w, FORGE_NOW, &g);
	assert_non_null(g.set);
	world_settle(w);
	assert_says(w->last_note, says);
	assert_true(world_count(w, 0, outcome) > 0);
	got_free(&g);
	world_close(w);
	w->a.serves = &w->good;
	forged_free(&x);
}

static void test_bad_signatures(void **state)
{
	struct world *w = *state;
	struct forge f = w->forge;

	f.tcb_signer = KEY_EVIL;
	expect_passed_over(w, &f, COLLATERAL_UNTRUSTED,
			   "the TCB info is signed by the TCB signing key");
	f = w->forge;
	f.qe_signer = KEY_EVIL;
	expect_passed_over(w, &f, COLLATERAL_UNTRUSTED,
			   "the QE identity is signed by its signing key");
	f = w->forge;
	f.pck_crl.signer = KEY_EVIL;
	expect_passed_over(w, &f, COLLATERAL_UNTRUSTED, "the PCK CRL is signed by the PCK CA");
	f = w->forge;
	f.root_crl.signer = KEY_EVIL;
	expect_passed_over(w, &f, COLLATERAL_UNTRUSTED,
			   "the root CRL is signed by the trusted root");
	f = w->forge;
	f.tcb.signer = KEY_EVIL;
	expect_passed_over(w, &f, COLLATERAL_UNTRUSTED,
			   "the TCB signing chain ends at the trusted root");
	f = w->forge;
	f.root.key = f.root.signer = f.ca.signer = f.tcb.signer = f.root_crl.signer = KEY_EVIL;
	expect_passed_over(w, &f, COLLATERAL_UNTRUSTED, "another key than the trusted one");
}

static void test_a_revoked_signer(void **state)
{
	struct world *w = *state;
	struct forged x;
	struct forge f = w->forge;
	struct got g;

	f.root_crl.revoked = f.tcb.serial;
	forge_build(&x, &f);
	w->a.serves = w->b.serves = &x;
	world_open(w);
	world_get(w, FORGE_NOW, &g);
	assert_null(g.set);
	assert_says(g.sentence, "the TCB signing certificate is not revoked");
	got_free(&g);
	world_close(w);
	forged_free(&x);
}

static void test_another_thing_than_asked_for(void **state)
{
	struct world *w = *state;
	struct forge f = w->forge;

	f.tcb_fmspc = "00606A000000";
	expect_passed_over(w, &f, COLLATERAL_MISTAKEN,
			   "its TCB info is for FMSPC 00606a000000, asked for was 90c06f000000");
	f = w->forge;
	f.tcb_id = "SGX";
	expect_passed_over(w, &f, COLLATERAL_MISTAKEN, "its TCB info is for SGX, not for TDX");
	f = w->forge;
	f.qe_id = "QE";
	expect_passed_over(w, &f, COLLATERAL_MISTAKEN, "its QE identity is not that of the TDX");
	f = w->forge;
	f.ca.name = f.pck_crl.issuer = f.pck.issuer = "Intel SGX PCK Processor CA";
	expect_passed_over(w, &f, COLLATERAL_MISTAKEN,
			   "its PCK CRL is the Processor CA's, asked for was the Platform CA's");
}

static void test_another_evaluation_number(void **state)
{
	struct world *w = *state;
	struct forge f = w->forge;

	w->settings.tcb_evaluation_number = 17;
	f.tcb_number = 18;
	expect_passed_over(w, &f, COLLATERAL_MISTAKEN,
			   "its TCB info has tcbEvaluationDataNumber 18, asked for was 17");
	assert_non_null(strstr(w->a.path[COLLATERAL_TCB_INFO], "&tcbEvaluationDataNumber=17"));
	assert_null(strstr(w->a.path[COLLATERAL_TCB_INFO], "update="));
}

static void test_out_of_its_time(void **state)
{
	struct world *w = *state;
	struct forge f = w->forge;

	f.tcb_next = "2026-01-14T00:00:00Z";
	expect_passed_over(w, &f, COLLATERAL_EXPIRED, "the TCB info is current: it has expired");
	f = w->forge;
	f.qe_issued = "2026-01-16T00:00:00Z";
	expect_passed_over(w, &f, COLLATERAL_EXPIRED,
			   "the QE identity is current: it is not valid yet");
	f = w->forge;
	f.pck_crl.to = FORGE_NOW - 1;
	expect_passed_over(w, &f, COLLATERAL_EXPIRED, "the PCK CRL is current: it has expired");
	f = w->forge;
	f.root_crl.to = FORGE_NOW - 1;
	expect_passed_over(w, &f, COLLATERAL_EXPIRED, "the root CRL is current: it has expired");
	f = w->forge;
	f.tcb.to = FORGE_NOW - 1;
	expect_passed_over(w, &f, COLLATERAL_EXPIRED, "the TCB signing chain is valid now");
}

/* ---- rests ---- */

static void test_retry_after_is_respected(void **state)
{
	struct world *w = *state;
	struct collateral_source_info info;
	struct got g;

	w->a.mode = PCS_STATUS;
	w->a.status = 429;
	w->a.retry_after = "3600";
	world_open(w);
	world_get(w, FORGE_NOW, &g);
	assert_non_null(g.set);
	got_free(&g);
	assert_true(collateral_source_at(w->c, 0, &info));
	assert_in_range(info.rest_until, FORGE_NOW + 3600, FORGE_NOW + 3601);
	assert_int_equal(info.failures, 1);
	w->a.mode = PCS_OK;
	collateral_refresh(w->c, &w->key, FORGE_NOW + 3500);
	world_settle(w);
	assert_int_equal(w->a.n_requests, 4);
	assert_int_equal(w->b.n_requests, 8);
	assert_says(w->last_note, "rests for 1");
	assert_says(w->last_note, "it asks to slow down (HTTP 429)");
	collateral_refresh(w->c, &w->key, FORGE_NOW + 3602);
	world_settle(w);
	assert_int_equal(w->a.n_requests, 8);
	assert_true(collateral_source_at(w->c, 0, &info));
	assert_int_equal(info.failures, 0);
}

static void test_a_failed_key_is_not_asked_for_at_once_again(void **state)
{
	struct world *w = *state;
	struct got g;

	w->a.mode = w->b.mode = PCS_STATUS;
	w->a.status = w->b.status = 404;
	world_open(w);
	world_get(w, FORGE_NOW, &g);
	assert_null(g.set);
	got_free(&g);
	world_get(w, FORGE_NOW + 1, &g);
	assert_null(g.set);
	assert_says(g.sentence, "HTTP 404");
	got_free(&g);
	assert_int_equal(w->a.n_requests, 4);
	w->a.mode = PCS_OK;
	world_get(w, FORGE_NOW + 60, &g);
	assert_non_null(g.set);
	got_free(&g);
}

static void test_a_404_does_not_rest_the_source(void **state)
{
	struct world *w = *state;
	struct collateral_source_info info;
	struct got g;

	w->a.mode = PCS_STATUS;
	w->a.status = 404;
	world_open(w);
	world_get(w, FORGE_NOW, &g);
	got_free(&g);
	assert_true(collateral_source_at(w->c, 0, &info));
	assert_int_equal(info.rest_until, 0);
	assert_int_equal(info.count[COLLATERAL_NOT_FOUND], 4);
}

/* ---- newer, older, stale ---- */

static void test_refresh_at_half_life(void **state)
{
	struct world *w = *state;
	struct collateral_info info;
	struct forged x;
	struct forge f = w->forge;
	struct got g;

	world_open(w);
	world_get(w, FORGE_NOW, &g);
	got_free(&g);
	assert_true(collateral_at(w->c, 0, &info));
	/* Valid from a day before to 25 days after: half at 12 days, less at most 5 percent. */
	assert_in_range(info.refresh_at, FORGE_NOW + 11 * DAY, FORGE_NOW + 12 * DAY);
	collateral_tick(w->c, info.refresh_at - 1);
	world_settle(w);
	assert_int_equal(w->a.n_requests, 4);
	f.tcb_issued = f.qe_issued = "2026-01-26T00:00:00Z";
	f.tcb_next = f.qe_next = "2026-02-25T00:00:00Z";
	f.tcb_number = 18;
	forge_build(&x, &f);
	w->a.serves = &x;
	collateral_tick(w->c, info.refresh_at);
	world_settle(w);
	assert_int_equal(w->a.n_requests, 8);
	assert_int_equal(w->n_changed, 1);
	world_get(w, FORGE_NOW + 12 * DAY, &g);
	assert_int_equal(g.set->facts.tcb_evaluation_number, 18);
	assert_int_equal(w->a.n_requests, 8);
	got_free(&g);
	world_close(w);
	forged_free(&x);
}

static void test_the_same_again_is_no_change(void **state)
{
	struct world *w = *state;
	struct got g;

	world_open(w);
	world_get(w, FORGE_NOW, &g);
	got_free(&g);
	collateral_refresh(w->c, NULL, FORGE_NOW + DAY);
	world_settle(w);
	assert_int_equal(w->a.n_requests, 8);
	assert_int_equal(w->n_changed, 0);
	world_get(w, FORGE_NOW + DAY, &g);
	assert_int_equal(g.set->fetched_at, FORGE_NOW + DAY);
	got_free(&g);
}

/* What the one under way has asked for may be from before. */
static void test_a_refresh_while_one_is_under_way_is_not_lost(void **state)
{
	struct world *w = *state;
	struct got g;

	world_open(w);
	world_get(w, FORGE_NOW, &g);
	got_free(&g);
	collateral_refresh(w->c, NULL, FORGE_NOW + DAY);
	collateral_refresh(w->c, NULL, FORGE_NOW + DAY);
	world_settle(w);
	assert_int_equal(w->a.n_requests, 12);
	collateral_refresh(w->c, NULL, FORGE_NOW + DAY);
	world_settle(w);
	assert_int_equal(w->a.n_requests, 16);
}

static void refuse_rollback(struct world *w, const struct forge *f, const char *says)
{
	struct forged x;
	struct got g;

	forge_build(&x, f);
	w->a.serves = w->b.serves = &w->good;
	world_open(w);
	world_get(w, FORGE_NOW, &g);
	got_free(&g);
	w->a.serves = w->b.serves = &x;
	collateral_refresh(w->c, &w->key, FORGE_NOW + 60);
	world_settle(w);
	assert_says(w->last_note, "no newer collateral");
	assert_says(w->last_note, says);
	assert_true(world_count(w, 0, COLLATERAL_OLDER) > 0);
	world_get(w, FORGE_NOW + 61, &g);
	assert_non_null(g.set);
	assert_int_equal(g.set->fetched_at, FORGE_NOW);
	got_free(&g);
	assert_int_equal(w->n_changed, 0);
	world_close(w);
	forged_free(&x);
}

static void test_what_is_older_does_not_replace(void **state)
{
	struct world *w = *state;
	struct forge f = w->forge;

	f.tcb_issued = "2026-01-09T00:00:00Z";
	refuse_rollback(w, &f,
			"its TCB info of 2026-01-09T00:00:00Z is older than that in use, of "
			"2026-01-10T00:00:00Z");
	f = w->forge;
	f.tcb_issued = "2026-01-11T00:00:00Z";
	f.tcb_number = 16;
	refuse_rollback(w, &f,
			"its TCB info has tcbEvaluationDataNumber 16, less than that in use, 17");
	f = w->forge;
	f.pck_crl.from -= DAY;
	refuse_rollback(w, &f, "its PCK CRL of");
	f = w->forge;
	f.root_crl.from -= DAY;
	refuse_rollback(w, &f, "its root CRL of");
}

static void test_a_lower_number_replaces_what_has_expired(void **state)
{
	struct world *w = *state;
	struct forged x;
	struct forge f = w->forge;
	struct got g;

	world_open(w);
	world_get(w, FORGE_NOW, &g);
	got_free(&g);
	f.tcb_number = 16;
	f.tcb_issued = f.qe_issued = "2026-02-10T00:00:00Z";
	f.tcb_next = f.qe_next = "2026-03-10T00:00:00Z";
	forge_build(&x, &f);
	w->a.serves = &x;
	world_get(w, FORGE_NOW + 27 * DAY, &g);
	assert_non_null(g.set);
	assert_int_equal(g.set->facts.tcb_evaluation_number, 16);
	got_free(&g);
	world_close(w);
	forged_free(&x);
}

static void test_stale_is_refused_unless_allowed(void **state)
{
	struct world *w = *state;
	struct got g;
	int64_t end = FORGE_NOW + 25 * DAY;

	world_open(w);
	world_get(w, FORGE_NOW, &g);
	got_free(&g);
	w->a.mode = w->b.mode = PCS_SLAM;
	world_get(w, end, &g);
	assert_non_null(g.set);
	got_free(&g);
	world_get(w, end + 1, &g);
	assert_null(g.set);
	got_free(&g);
	world_close(w);

	w->settings.max_stale = 2 * DAY;
	w->a.mode = w->b.mode = PCS_OK;
	world_open(w);
	world_get(w, FORGE_NOW, &g);
	got_free(&g);
	w->a.mode = w->b.mode = PCS_SLAM;
	world_get(w, end + DAY, &g);
	assert_non_null(g.set);
	assert_true(collateral_set_stale(g.set, end + DAY));
	assert_int_equal(collateral_set_time(g.set, end + DAY), end);
	assert_says(g.sentence, "no newer collateral");
	got_free(&g);
	/* It is not asked for with every question. */
	world_get(w, end + DAY + 1, &g);
	assert_non_null(g.set);
	got_free(&g);
	world_get(w, end + 2 * DAY + 1, &g);
	assert_null(g.set);
	got_free(&g);
}

static void test_stale_from_a_source_is_the_last_resort(void **state)
{
	struct world *w = *state;
	struct forged x;
	struct forge f = w->forge;
	struct got g;

	f.tcb_next = "2026-01-14T00:00:00Z";
	forge_build(&x, &f);
	w->settings.max_stale = 2 * DAY;
	w->a.serves = &x;
	world_open(w);
	world_get(w, FORGE_NOW, &g);
	assert_non_null(g.set);
	assert_false(collateral_set_stale(g.set, FORGE_NOW)); /* the second had a fresh one */
	got_free(&g);
	world_close(w);
	w->b.serves = &x;
	world_open(w);
	world_get(w, FORGE_NOW, &g);
	assert_non_null(g.set);
	assert_true(collateral_set_stale(g.set, FORGE_NOW));
	assert_says(g.sentence, "the TCB info is current: it has expired");
	got_free(&g);
	world_close(w);
	forged_free(&x);
}

/* ---- ceilings, cancel, close ---- */

static void test_keys_have_a_ceiling(void **state)
{
	struct world *w = *state;
	struct why why = {""};
	struct got g[4];
	int i;

	w->settings.max_keys = 2;
	w->a.mode = w->b.mode = PCS_SILENT;
	world_open(w);
	for (i = 0; i < 3; i++) {
		w->key.fmspc[5] = (uint8_t)i;
		g[i] = (struct got){0};
		assert_int_equal(
		    collateral_get(w->c, &w->key, FORGE_NOW, world_on_answer, &g[i], &why), i < 2);
	}
	assert_says(why.text, "collateral is being fetched for 2 platforms");
	world_wait(w, &g[0]);
	world_wait(w, &g[1]);
	/* Nobody waits any more: the third takes the place of the first. */
	assert_true(collateral_get(w->c, &w->key, FORGE_NOW, world_on_answer, &g[2], &why));
	assert_int_equal(collateral_count(w->c), 2);
	world_wait(w, &g[2]);
}

static void test_cancelled_callbacks_do_not_come(void **state)
{
	struct world *w = *state;
	struct got a, b, cached;

	world_open(w);
	world_ask(w, FORGE_NOW, &a);
	world_ask(w, FORGE_NOW, &b);
	collateral_cancel(w->c, &a);
	world_wait(w, &b);
	assert_int_equal(a.n, 0);
	world_ask(w, FORGE_NOW, &cached);
	collateral_cancel(w->c, &cached);
	world_settle(w);
	assert_int_equal(cached.n, 0);
	got_free(&b);
}

/* Closed after every possible number of rounds of the loop, with slow and quick sources. */
static void test_close_at_any_moment(void **state)
{
	struct world *w = *state;
	int rounds, i, mode;

	w->settings.data_dir = w->dir;
	for (mode = 0; mode < 3; mode++) {
		w->a.mode = mode == 1 ? PCS_SILENT : mode == 2 ? PCS_GARBAGE : PCS_OK;
		for (rounds = 0; rounds < 40; rounds++) {
			struct got g;

			world_open(w);
			world_ask(w, FORGE_NOW, &g);
			for (i = 0; i < rounds && !g.n; i++)
				uv_run(&w->loop, UV_RUN_NOWAIT);
			world_close(w);
			assert_int_equal(g.n, 1);
			if (!g.set)
				assert_string_equal(g.sentence, "the collateral client was closed");
			got_free(&g);
		}
	}
}

struct l1 {
	struct world *w;
	unsigned left;
};

static void ask_again(void *arg, const struct collateral_set *set, const char *sentence)
{
	struct l1 *c = arg;

	(void)sentence;
	assert_non_null(set);
	if (--c->left)
		assert_true(collateral_get(c->w->c, &c->w->key, FORGE_NOW, ask_again, c, NULL));
}

static void test_a_callback_may_ask_again(void **state)
{
	struct world *w = *state;
	struct l1 c = {w, 5};

	world_open(w);
	ask_again(&c, (const struct collateral_set *)w, "");
	while (c.left)
		uv_run(&w->loop, UV_RUN_ONCE);
	assert_int_equal(w->a.n_requests, 4);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_a_set_comes_from_the_first_source),
	    TEST(test_a_quote_verifies_with_it),
	    TEST(test_a_platform_shows_itself_before_anything_is_fetched),
	    TEST(test_it_is_fetched_once_while_fresh),
	    TEST(test_gets_at_once_share_a_fetch),
	    TEST(test_a_pccs_with_hex_crls_and_old_header),
	    TEST(test_a_failing_source_is_passed_over),
	    TEST(test_all_sources_fail_and_each_is_named),
	    TEST(test_a_dead_host),
	    TEST(test_bad_signatures),
	    TEST(test_a_revoked_signer),
	    TEST(test_another_thing_than_asked_for),
	    TEST(test_another_evaluation_number),
	    TEST(test_out_of_its_time),
	    TEST(test_retry_after_is_respected),
	    TEST(test_a_failed_key_is_not_asked_for_at_once_again),
	    TEST(test_a_404_does_not_rest_the_source),
	    TEST(test_refresh_at_half_life),
	    TEST(test_the_same_again_is_no_change),
	    TEST(test_a_refresh_while_one_is_under_way_is_not_lost),
	    TEST(test_what_is_older_does_not_replace),
	    TEST(test_a_lower_number_replaces_what_has_expired),
	    TEST(test_stale_is_refused_unless_allowed),
	    TEST(test_stale_from_a_source_is_the_last_resort),
	    TEST(test_keys_have_a_ceiling),
	    TEST(test_cancelled_callbacks_do_not_come),
	    TEST(test_close_at_any_moment),
	    TEST(test_a_callback_may_ask_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
