/* quote_checked: quotes of a make-believe Intel against a contract's image, collateral and policy.
 */
#include "coordinator/verdicts/quote_check.h"
#include "tests/unit/verifier/forge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct forge f;
static struct forged x;
static struct contract_image image;
static struct tdxv_collateral *nothing, *all;
static struct tdxv_policy policy;
static struct quote_checked a;

static void made(void)
{
	static const struct tdxv_collateral_input no_pieces;
	struct tdxv_collateral_input in;
	struct tdxv_bytes root;

	forge_build(&x, &f);
	root = (struct tdxv_bytes){x.root.p, x.root.len};
	forged_input(&in, &x);
	assert_int_equal(tdxv_collateral_new(&nothing, &no_pieces, root, NULL), TDXV_OK);
	assert_int_equal(tdxv_collateral_new(&all, &in, root, NULL), TDXV_OK);
}

static void dropped(void)
{
	tdxv_collateral_free(nothing);
	tdxv_collateral_free(all);
	nothing = all = NULL;
	forged_free(&x);
	buf_free(&a.json);
}

static int start(void **state)
{
	int i;

	(void)state;
	forge_init(&f);
	memset(f.body + TDXV_TD_REPORTDATA, 0, 64);
	memset(f.body + TDXV_TD_REPORTDATA, 0x5a, 20);
	tdxv_policy_default(&policy);
	memcpy(image.measurement[0], f.body + TDXV_TD_MRTD, 48);
	for (i = 0; i < 3; i++)
		memcpy(image.measurement[1 + i], f.body + TDXV_TD_RTMR0 + 48 * i, 48);
	return 0;
}

static void weigh(bool whole)
{
	const struct quote_check_input in = {.quote = buf_span(&x.quote),
					     .collateral = whole ? all : nothing,
					     .whole = whole,
					     .policy = &policy,
					     .image = &image,
					     .now = FORGE_NOW};

	buf_free(&a.json);
	quote_check(&a, &in);
}

static void says(const char *words)
{
	if (!strstr(a.sentence, words))
		fail_msg("\"%s\" does not say \"%s\"", a.sentence, words);
}

static void a_good_quote_passes_twice(void **state)
{
	struct eth_address signer;

	(void)state;
	made();
	weigh(false);
	if (!a.passed)
		fail_msg("%s", a.sentence);
	assert_int_equal(a.ecdsa_operations, 5); /* root, CA, PCK, QE report, quote */
	assert_memory_equal(a.platform.fmspc, f.fmspc, 6);
	assert_int_equal(a.platform.ca, COLLATERAL_PLATFORM);
	weigh(true);
	assert_true(a.passed);
	assert_string_equal(a.sentence, "");
	assert_int_equal(a.tcb_status, TDXV_TCB_UP_TO_DATE);
	assert_true(a.valid_to > FORGE_NOW);
	memset(signer.b, 0x5a, sizeof signer.b);
	assert_true(eth_address_equal(&a.signer, &signer));
	assert_true(a.json.len > 100 && a.json.p[0] == '{');
	dropped();
}

static void a_broken_signature_is_lasting_and_names_only_these_bytes(void **state)
{
	struct quote_keys keys;
	struct tdxv_quote q;

	(void)state;
	f.quote_signer = KEY_EVIL;
	made();
	weigh(false);
	assert_false(a.passed);
	assert_true(a.lasting);
	/* Else a stranger could have somebody else's genuine quote refused. */
	assert_false(a.authentic_bytes);
	says("signature");
	quote_check_keys(&keys, &q, buf_span(&x.quote));
	assert_memory_equal(&a.keys, &keys, sizeof keys);
	dropped();
}

/* What a refusal may be known by: never by less than what was judged. */
static void the_names_of_a_quote(void **state)
{
	struct quote_keys first, other;
	struct tdxv_quote q;

	(void)state;
	f.comp_svn[3] = 1; /* OutOfDate */
	made();
	weigh(true);
	assert_false(a.passed);
	assert_true(a.authentic_bytes);
	assert_false(a.signed_part_refused);
	first = a.keys;
	/* The two signatures are malleable. */
	assert_int_equal(tdxv_quote_parse(&q, x.quote.p, x.quote.len, NULL), TDXV_OK);
	((uint8_t *)q.signature.p)[3] ^= 1;
	((uint8_t *)q.qe_report_signature.p)[3] ^= 1;
	quote_check_keys(&other, &q, buf_span(&x.quote));
	assert_memory_not_equal(&first.whole, &other.whole, sizeof first.whole);
	assert_memory_equal(&first.judged, &other.judged, sizeof first.judged);
	assert_memory_equal(&first.signed_part, &other.signed_part, sizeof first.signed_part);
	dropped();
	/* The same header and body from another platform. */
	f.comp_svn[3] = 5;
	made();
	quote_check_keys(&other, &q, buf_span(&x.quote));
	assert_memory_not_equal(&first.judged, &other.judged, sizeof first.judged);
	assert_memory_equal(&first.signed_part, &other.signed_part, sizeof first.signed_part);
	dropped();
	/* The image is in the signed part. */
	f.body[TDXV_TD_RTMR0 + 48] ^= 1;
	made();
	weigh(true);
	assert_true(a.signed_part_refused);
	dropped();
}

static void everything_wrong_is_named_at_once(void **state)
{
	(void)state;
	f.body[TDXV_TD_RTMR0 + 48] ^= 1;
	f.body[TDXV_TD_MRTD + 47] ^= 1;
	f.body[TDXV_TD_TDATTRIBUTES] |= 1;
	made();
	weigh(false);
	assert_false(a.passed);
	assert_false(a.lasting);
	assert_true(a.authentic_bytes);
	says("RTMR1 differs from the TDXVerifier's: quote ");
	says("MRTD differs");
	says("debugged");
	/* No check of what was never fetched is told as failed. */
	assert_true(buf_add(&a.json, "", 1));
	assert_null(strstr((const char *)a.json.p, "\"fail\""));
	assert_non_null(strstr((const char *)a.json.p, "\"pass\""));
	dropped();
}

static void an_old_tcb_is_named_with_its_status(void **state)
{
	(void)state;
	f.level[0].status = "OutOfDate";
	made();
	weigh(false);
	assert_true(a.passed); /* nothing of that needs no collateral is wrong */
	weigh(true);
	assert_false(a.passed);
	assert_false(a.lasting);
	says("OutOfDate");
	/* The policy may tolerate it; the contract does not. */
	policy.accepted_statuses |= 1u << TDXV_TCB_OUT_OF_DATE;
	weigh(true);
	assert_false(a.passed);
	says("the TDXVerifier takes only UpToDate");
	dropped();
}

static void other_kinds_of_quotes_are_not_for_this_contract(void **state)
{
	(void)state;
	forge_init_kind(&f, 5, TDXV_BODY_TD15);
	made();
	weigh(false);
	assert_false(a.passed);
	says("version 5");
	dropped();
	forge_init_kind(&f, 3, TDXV_BODY_SGX);
	made();
	weigh(false);
	assert_false(a.passed);
	says("SGX");
	dropped();
}

static void nobody_signs_for_the_zero_address(void **state)
{
	(void)state;
	memset(f.body + TDXV_TD_REPORTDATA, 0, 64);
	made();
	weigh(false);
	assert_false(a.passed);
	says("zero address");
	dropped();
}

static void bytes_that_are_no_quote(void **state)
{
	(void)state;
	made();
	x.quote.len = 100;
	weigh(false);
	assert_false(a.passed);
	assert_true(a.lasting);
	assert_true(strlen(a.sentence) > 10);
	dropped();
}

static int end(void **state)
{
	(void)state;
	forge_keys_free();
	return 0;
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup(t, start)
	const struct CMUnitTest tests[] = {
	    TEST(a_good_quote_passes_twice),
	    TEST(a_broken_signature_is_lasting_and_names_only_these_bytes),
	    TEST(the_names_of_a_quote),
	    TEST(everything_wrong_is_named_at_once),
	    TEST(an_old_tcb_is_named_with_its_status),
	    TEST(other_kinds_of_quotes_are_not_for_this_contract),
	    TEST(nobody_signs_for_the_zero_address),
	    TEST(bytes_that_are_no_quote),
	};

	return cmocka_run_group_tests(tests, NULL, end);
}
