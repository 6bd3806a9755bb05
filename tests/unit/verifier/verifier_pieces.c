/* Pieces of collateral taken apart: exact bytes, signatures, windows; and what is no such piece. */
#include "forge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct forge forge;
static struct forged forged;

static struct tdxv_bytes view(const struct buf *b)
{
	return (struct tdxv_bytes){b->p, b->len};
}

static struct tdxv_bytes text(const char *s)
{
	return (struct tdxv_bytes){(const uint8_t *)s, strlen(s)};
}

static bool is(struct tdxv_bytes b, const char *s)
{
	return b.n == strlen(s) && memcmp(b.p, s, b.n) == 0;
}

static int setup(void **state)
{
	(void)state;
	forge_init(&forge);
	forge_build(&forged, &forge);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	forged_free(&forged);
	forge_keys_free();
	return 0;
}

static void json(void **state)
{
	struct tdxv_piece p;
	int64_t issued, next;
	char hex[129];

	(void)state;
	assert_int_equal(tdxv_piece_json(&p, "tcbInfo", view(&forged.tcb_info), NULL), TDXV_OK);
	assert_true(tdxv_time_parse(&issued, forge.tcb_issued, 20));
	assert_true(tdxv_time_parse(&next, forge.tcb_next, 20));
	assert_true(p.valid_from == issued && p.valid_to == next);
	assert_true(is(p.name, "TDX") && p.has_fmspc);
	assert_memory_equal(p.fmspc, forge.fmspc, 6);
	assert_int_equal(p.evaluation_number, forge.tcb_number);
	/* The exact bytes stand in the response, between the name and the signature. */
	assert_true(p.exact.p > forged.tcb_info.p && p.exact.p[0] == '{');
	assert_memory_equal(p.exact.p + p.exact.n - 1, "},\"signature\"", 13);
	assert_ptr_equal(p.tbs.p, p.exact.p);
	hex_encode(hex, p.signature, 64);
	assert_non_null(memmem(p.exact.p + p.exact.n, 200, hex, 128));

	assert_int_equal(tdxv_piece_json(&p, "enclaveIdentity", view(&forged.qe_identity), NULL),
			 TDXV_OK);
	assert_true(is(p.name, "TD_QE") && !p.has_fmspc);
}

static void json_that_is_no_piece(void **state)
{
#define SIGNATURE                                                                                  \
	"\"signature\":\"00000000000000000000000000000000000000000000000000000000000000000000000"  \
	"000000000000000000000000000000000000000000000000000000000\""
#define DATES "\"issueDate\":\"2026-01-10T00:00:00Z\",\"nextUpdate\":\"2026-02-10T00:00:00Z\""
	static const struct {
		const char *response, *why; /* NULL: it is one */
	} cases[] = {
	    {"{\"x\":{" DATES "}," SIGNATURE "}", NULL},
	    {"", "there is nothing"},
	    {"{\"y\":{" DATES "}," SIGNATURE "}", "there is no body"},
	    {"{\"x\":{" DATES "}}", "there is no signature"},
	    {"{\"x\":[]," SIGNATURE "}", "the body is no object"},
	    {"{\"x\":{\"nextUpdate\":\"2026-02-10T00:00:00Z\"}," SIGNATURE "}",
	     "issueDate or nextUpdate is missing"},
	    {"{\"x\":{" DATES "," DATES "}," SIGNATURE "}", "repeated"},
	    {"{\"x\":{" DATES ",\"fmspc\":\"90C06F\"}," SIGNATURE "}", "hex digits"},
	    {"{\"x\":{" DATES ",\"tcbEvaluationDataNumber\":-1}," SIGNATURE "}", "unsigned"},
	    {"{\"x\":{\"issueDate\":\"yesterday\"}," SIGNATURE "}", "a time like"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct tdxv_why why = {{0}};
		struct tdxv_piece p;
		enum tdxv_error e = tdxv_piece_json(&p, "x", text(cases[i].response), &why);

		assert_int_equal(e, cases[i].why ? TDXV_ERR_PIECE_FORMAT : TDXV_OK);
		if (!cases[i].why)
			continue;
		assert_null(p.exact.p);
		if (!strstr(why.text, cases[i].why))
			fail_msg("\"%s\" does not say \"%s\"", why.text, cases[i].why);
	}
	assert_string_equal(tdxv_error_name(TDXV_ERR_PIECE_FORMAT), "malformed collateral");
}

static void certificates(void **state)
{
	uint8_t room[2048];
	struct tdxv_piece p;
	struct tdxv_why why;

	(void)state;
	assert_int_equal(
	    tdxv_piece_certificate(&p, room, sizeof room, view(&forged.tcb_chain), 0, NULL),
	    TDXV_OK);
	assert_true(is(p.name, forge.tcb.name));
	assert_true(p.valid_from == forge.tcb.from && p.valid_to == forge.tcb.to);
	assert_true(p.exact.p == room && p.tbs.p > room && p.tbs.n < p.exact.n);
	assert_int_equal(
	    tdxv_piece_certificate(&p, room, sizeof room, view(&forged.tcb_chain), 1, NULL),
	    TDXV_OK);
	assert_true(is(p.name, forge.root.name));
	assert_int_equal(
	    tdxv_piece_certificate(&p, room, sizeof room, view(&forged.tcb_chain), 2, &why),
	    TDXV_ERR_CERT_FORMAT);
	assert_non_null(strstr(why.text, "there is no certificate 3"));
	assert_null(p.exact.p);
	assert_int_equal(tdxv_piece_certificate(&p, room, 100, view(&forged.tcb_chain), 0, &why),
			 TDXV_ERR_CERT_FORMAT);
	assert_non_null(strstr(why.text, "longer than 100 bytes"));
	assert_int_equal(tdxv_piece_certificate(&p, room, sizeof room, text(""), 0, &why),
			 TDXV_ERR_CERT_FORMAT);
}

static void crls(void **state)
{
	size_t n = forged.pck_crl.len;
	uint8_t *room = malloc(2 * n + 2), *der = malloc(n);
	char *hex = malloc(2 * n + 2);
	struct tdxv_piece p;
	struct tdxv_why why;

	(void)state;
	assert_int_equal(tdxv_piece_crl(&p, room, view(&forged.pck_crl), NULL), TDXV_OK);
	assert_true(p.valid_from == forge.pck_crl.from && p.valid_to == forge.pck_crl.to);
	assert_true(p.tbs.n < p.exact.n && p.exact.n <= n);
	memcpy(der, p.exact.p, n = p.exact.n);
	/* As hex with a line end, the same DER comes out. */
	hex_encode(hex, der, n);
	strcat(hex, "\n");
	assert_int_equal(tdxv_piece_crl(&p, room, text(hex), NULL), TDXV_OK);
	assert_int_equal(p.exact.n, n);
	assert_memory_equal(p.exact.p, der, n);
	hex[2 * n - 2] = '\0';
	assert_int_equal(tdxv_piece_crl(&p, room, text(hex), &why), TDXV_ERR_PIECE_FORMAT);
	assert_null(p.exact.p);
	free(room);
	free(der);
	free(hex);
}

static void lists_that_name_a_certificate(void **state)
{
	struct tdxv_quote q;
	struct forged x;
	struct forge f;

	(void)state;
	forge_init(&f);
	f.pck_crl.revoked = f.pck.serial;
	f.root_crl.revoked = f.ca.serial;
	forge_build(&x, &f);
	assert_int_equal(tdxv_quote_parse(&q, x.quote.p, x.quote.len, NULL), TDXV_OK);
	assert_true(tdxv_crl_names(view(&x.pck_crl), q.cert_data, 0));
	assert_true(tdxv_crl_names(view(&x.root_crl), q.cert_data, 1));
	/* The same number from another issuer, one that is not there, one that is not named. */
	assert_false(tdxv_crl_names(view(&x.pck_crl), q.cert_data, 1));
	assert_false(tdxv_crl_names(view(&x.root_crl), q.cert_data, 0));
	assert_false(tdxv_crl_names(view(&x.root_crl), q.cert_data, 2));
	assert_false(tdxv_crl_names(view(&x.root_crl), q.cert_data, 3));
	assert_false(tdxv_crl_names(view(&x.quote), q.cert_data, 0));
	assert_false(tdxv_crl_names(view(&x.pck_crl), view(&x.tcb_info), 0));
	assert_false(tdxv_crl_names((struct tdxv_bytes){NULL, 0}, (struct tdxv_bytes){NULL, 0}, 0));
	forged_free(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(json),
	    cmocka_unit_test(json_that_is_no_piece),
	    cmocka_unit_test(certificates),
	    cmocka_unit_test(crls),
	    cmocka_unit_test(lists_that_name_a_certificate),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
