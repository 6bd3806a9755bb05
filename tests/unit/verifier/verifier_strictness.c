/*
 * Never laxer than Intel's library: bytes that are properly signed, and that Intel's library (or
 * the DER, JSON and PEM that it reads with) refuses all the same. Each has a neighbour that is one
 * step inside of what is allowed, and passes.
 */
#include "tests/unit/verifier/strictness.h"
#include "verifier/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct tdxv_verdict v;
static struct forge made;

/* check TDXV_CHECK_COUNT: accepted. The forge is good again afterwards. */
static void expect(enum tdxv_check_id check, const char *what)
{
	struct tdxv_collateral *c;
	struct forged x;
	char why[2048];

	forge_build(&x, &made);
	forged_verify(&v, &c, &x, NULL, FORGE_NOW);
	tdxv_verdict_summary(why, sizeof why, &v);
	if (check == TDXV_CHECK_COUNT ? !v.accepted
				      : v.accepted || v.check[check].status != TDXV_FAIL)
		fail_msg("%s: %s", what, why);
	tdxv_collateral_free(c);
	forged_free(&x);
	forge_init(&made);
}

/* r and s are below 2^256: a 33rd octet that is not the sign octet is no part to be dropped. */
static void a_signature_has_no_more_than_256_bits(void **state)
{
	uint8_t der[2 + 2 + 33 + 3] = {0x30, 38, 0x02, 33}, rs[64];
	size_t i;

	(void)state;
	memset(der + 4, 0x81, 33);
	memcpy(der + 37, "\x02\x01\x05", 3);
	for (i = 0; i < 256; i++) {
		der[4] = (uint8_t)i;
		assert_int_equal(tdxv__der_signature(tdxv__bytes(der, sizeof der), rs), i == 0);
	}
	der[4] = 0;
	der[5] = 0x7f; /* no sign octet is due: not the shortest form */
	assert_false(tdxv__der_signature(tdxv__bytes(der, sizeof der), rs));
	/* The same for s, after an r of one octet. */
	memcpy(der + 2, "\x02\x01\x05\x02\x21", 5);
	memset(der + 7, 0x81, 33);
	assert_false(tdxv__der_signature(tdxv__bytes(der, sizeof der), rs));
	der[7] = 0;
	assert_true(tdxv__der_signature(tdxv__bytes(der, sizeof der), rs));
}

/* r + 2^256 in the signature of a CRL that is good otherwise: what a lying source would serve. */
static void a_crl_with_such_a_signature_is_refused(void **state)
{
	struct tdxv_bytes outer, tbs, alg, whole_tbs, whole_alg, in;
	uint8_t wide[80] = {0, 0x30, 0}, r[33];
	struct tdxv_collateral *c;
	struct crl crl;
	struct forged x;
	struct buf body, der;
	uint8_t scratch[4096], head[4] = {0x30, 0x82};

	(void)state;
	forge_build(&x, &made);
	assert_true(tdxv__crl_parse(&crl, scratch, tdxv__bytes(x.pck_crl.p, x.pck_crl.len), NULL));
	memcpy(r + 1, crl.signature, 32);
	r[0] = 1;
	memcpy(wide + 3, "\x02\x21", 2);
	memcpy(wide + 5, r, 33);
	wide[38] = 0x02;
	wide[39] = 33;
	wide[40] = 0;
	memcpy(wide + 41, crl.signature + 32, 32);
	if (!(wide[41] & 0x80)) { /* no sign octet is due */
		memmove(wide + 40, wide + 41, 32);
		wide[39] = 32;
	}
	wide[2] = (uint8_t)(2 + 33 + 2 + wide[39]);
	in = tdxv__bytes(x.pck_crl.p, x.pck_crl.len);
	assert_true(tdxv__der_take(&in, DER_SEQUENCE, &outer, NULL) &&
		    tdxv__der_take(&outer, DER_SEQUENCE, &tbs, &whole_tbs) &&
		    tdxv__der_take(&outer, DER_SEQUENCE, &alg, &whole_alg));
	buf_init(&body, 4096);
	buf_init(&der, 4096);
	assert_true(buf_add(&body, whole_tbs.p, whole_tbs.n) &&
		    buf_add(&body, whole_alg.p, whole_alg.n));
	head[2] = (uint8_t)(3u + wide[2]); /* BIT STRING: unused bits, SEQUENCE, length */
	assert_true(buf_add(&body, (uint8_t[]){0x03, head[2]}, 2) && buf_add(&body, wide, head[2]));
	head[2] = (uint8_t)(body.len >> 8);
	head[3] = (uint8_t)body.len;
	assert_true(buf_add(&der, head, 4) && buf_add(&der, body.p, body.len));
	buf_free(&body);
	buf_free(&x.pck_crl);
	x.pck_crl = der;
	forged_verify(&v, &c, &x, NULL, FORGE_NOW);
	assert_int_equal(v.check[TDXV_CHECK_PCK_CRL_FORMAT].status, TDXV_FAIL);
	tdxv_collateral_free(c);
	forged_free(&x);
}

static void certificates_lists_and_components(void **state)
{
	struct forge *f = &made;

	(void)state;
#define S(change, check)                                                                           \
	change;                                                                                    \
	expect(TDXV_CHECK_##check, #change);
	STRICT_SERIALS(S)
	STRICT_NUMBERS(S)
	STRICT_CERTIFICATES(S)
	STRICT_BYTES(S)
	STRICT_SGX_ENTRIES(S)
	STRICT_COMPONENTS(S)
	STRICT_LABELS(S)
	STRICT_IDENTITIES(S)
#undef S
}

static void spelling_of_a_signed_body(void **state)
{
	char member[80], qe[80];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof strict_value / sizeof strict_value[0]; i++) {
		bool passes = strict_value[i].passes;

		snprintf(member, sizeof member, "\"tcbType\":0,\"zz\":%s", strict_value[i].value);
		made.tcb_find = "\"tcbType\":0";
		made.tcb_replace = member;
		expect(passes ? TDXV_CHECK_COUNT : TDXV_CHECK_TCB_INFO_FORMAT, member);
		snprintf(qe, sizeof qe, "\"isvprodid\":2,\"zz\":%s", strict_value[i].value);
		made.qe_find = "\"isvprodid\":2";
		made.qe_replace = qe;
		expect(passes ? TDXV_CHECK_COUNT : TDXV_CHECK_QE_IDENTITY_FORMAT, qe);
	}
}

/* Outside of the signed body numbers may be any that JSON has, and nothing else. */
static void numbers_of_json(void **state)
{
	static const char *const good[] = {"0",
					   "-0",
					   "10",
					   "1.5",
					   "-1.50",
					   "1e2",
					   "1E2",
					   "1e+2",
					   "1e-02",
					   "0.5e10",
					   "123456789012345678901",
					   "1e307",
					   "1.5e+0307",
					   "1e-999999999999999999999",
					   "0e0"};
	static const char *const bad[] = {"1.2.3", "+1", "-", "--1", ".5", "5.", "1e", "1e+", "01",
					  "e5", "0x5", "1-1", "1+", "1.e5",
					  /* Numbers that no double holds. */
					  "1e309", "10e308", "-1e400", "0e999999999999999999999"};
	char text[200], zeros[129];
	struct tdxv_bytes body;
	uint8_t signature[64];
	size_t i;

	(void)state;
	memset(zeros, '0', 128);
	zeros[128] = '\0';
	for (i = 0; i < sizeof good / sizeof good[0]; i++) {
		snprintf(text, sizeof text, "{\"x\":%s,\"b\":{},\"signature\":\"%s\"}", good[i],
			 zeros);
		assert_true(tdxv__json_signed(tdxv__bytes(text, strlen(text)), "b", &body,
					      signature, NULL));
	}
	for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		snprintf(text, sizeof text, "{\"x\":%s,\"b\":{},\"signature\":\"%s\"}", bad[i],
			 zeros);
		assert_false(tdxv__json_signed(tdxv__bytes(text, strlen(text)), "b", &body,
					       signature, NULL));
	}
}

/* Strings too: half a character of UTF-16 is none. */
static void strings_of_json(void **state)
{
	static const char *const good[] = {
	    "\\u0041", "\\u0000", "\\ud83d\\ude00", "\\uDBFF\\uDFFFx", "\\ud7ff\\ue000", "\\/",
	};
	static const char *const bad[] = {
	    "\\ud83d",        "\\ude00",   "\\ud83d\\ud83d", "\\ud83dx", "\\ud83d\\n",
	    "\\ud83d\\ue000", "\\ud83d\\", "\\u12",          "\\u",      "\\ud83d\\ude0",
	};
	char text[256];
	struct tdxv_bytes body;
	uint8_t signature[64];
	size_t i, k;

	(void)state;
	for (k = 0; k < 2; k++) {
		size_t n = k ? sizeof bad / sizeof bad[0] : sizeof good / sizeof good[0];

		for (i = 0; i < n; i++) {
			snprintf(text, sizeof text,
				 "{\"x\":\"%s\",\"b\":{},\"signature\":\"%0128d\"}",
				 k ? bad[i] : good[i], 0);
			if (tdxv__json_signed(tdxv__bytes(text, strlen(text)), "b", &body,
					      signature, NULL) == (k == 1))
				fail_msg("%s", text);
		}
	}
}

/* The text of a PEM with the one line "QUJD" of base64 ("ABC"). */
static bool pem(const char *text)
{
	struct tdxv_bytes in = tdxv__bytes(text, strlen(text));
	uint8_t out[16];
	size_t n = 0;
	bool wrong;

	if (!tdxv__pem_next(&in, "CERTIFICATE", out, sizeof out, &n, &wrong))
		return false;
	return n == 3 && memcmp(out, "ABC", 3) == 0;
}

#define BEGIN "-----BEGIN CERTIFICATE-----"
#define END   "-----END CERTIFICATE-----"

static void lines_of_pem(void **state)
{
	static const char *const good[] = {
	    "x\n" BEGIN "\nQUJD\n" END,      BEGIN "\nQUJD\n" END,
	    BEGIN "\r\nQUJD\r\n" END "\r\n", BEGIN " \t\nQU\nJD\n" END,
	    "x" BEGIN "\nQUJD\n" END "y",    BEGIN "\nQUJD \t\n" END,
	};
	static const char *const bad[] = {
	    "-" BEGIN "\nQUJD\n" END,
	    "a-b\n" BEGIN "\nQUJD\n" END,
	    END BEGIN "\nQUJD\n" END,
	    BEGIN "\nQUJD\n-----END CERTIFICATE----",
	    BEGIN "QUJD" END,
	    BEGIN "\nQUJD" END,
	    BEGIN "QUJD\n" END,
	    BEGIN "\rQUJD\r" END,
	    BEGIN "\nQUJD\n " END,
	    BEGIN "\n\nQUJD\n" END,
	    BEGIN "\nQU\n\nJD\n" END,
	    BEGIN "\nQUJD\n\n" END,
	    BEGIN "\nQUJD\n \t\r\n" END,
	    BEGIN "\nA: b\nQUJD\n" END,
	    BEGIN END,
	    BEGIN " QUJD\n" END,
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof good / sizeof good[0]; i++)
		if (!pem(good[i]))
			fail_msg("good %zu: %s", i, good[i]);
	for (i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (pem(bad[i]))
			fail_msg("bad %zu: %s", i, bad[i]);
}

static struct buf made_text;

/* text, then n parts of which each has its number, then end. */
static char *many(const char *text, unsigned n, void (*part)(struct buf *b, unsigned i),
		  const char *end)
{
	unsigned i;

	buf_free(&made_text);
	buf_init(&made_text, 1 << 17);
	assert_true(buf_add_str(&made_text, text));
	for (i = 0; i < n; i++)
		part(&made_text, i);
	assert_true(buf_add(&made_text, end, strlen(end) + 1));
	return (char *)made_text.p;
}

static void a_member(struct buf *b, unsigned i)
{
	assert_true(buf_printf(b, "\"m%u\":0,", i));
}

static void a_level_of_16(struct buf *b, unsigned i)
{
	assert_true(buf_printf(b,
			       "{\"tcb\":{\"isvsvn\":%u},\"tcbDate\":\"2024-03-13T00:00:00Z\","
			       "\"tcbStatus\":\"UpToDate\"},",
			       100 - i));
}

static void components(struct buf *b)
{
	unsigned i;

	for (i = 0; i < 16; i++)
		assert_true(buf_add_str(b, i ? ",{\"svn\":0}" : "{\"svn\":0}"));
}

static void a_level_of_64(struct buf *b, unsigned i)
{
	assert_true(buf_add_str(b, "{\"tcb\":{\"sgxtcbcomponents\":["));
	components(b);
	assert_true(buf_printf(b, "],\"pcesvn\":%u,\"tdxtcbcomponents\":[", 1000 + i));
	components(b);
	assert_true(
	    buf_add_str(b, "]},\"tcbDate\":\"2024-03-13T00:00:00Z\",\"tcbStatus\":\"UpToDate\"},"));
}

static void a_module(struct buf *b, unsigned i)
{
	assert_true(buf_printf(
	    b,
	    "{\"id\":\"TDX_%02X\",\"mrsigner\":\"%096d\",\"attributes\":\"0000000000000000\","
	    "\"attributesMask\":\"FFFFFFFFFFFFFFFF\",\"tcbLevels\":[{\"tcb\":{\"isvsvn\":2},"
	    "\"tcbDate\":\"2024-03-13T00:00:00Z\",\"tcbStatus\":\"UpToDate\"}]},",
	    16 + i, 0));
}

/* Everything has a ceiling, and reaches it. */
static void too_much_of_everything(void **state)
{
	static const char levels[] = "\"tcbLevels\":[{\"tcb\":{\"sgx",
			  modules[] = "\"tdxModuleIdentities\":[", of_qe[] = "\"tcbLevels\":[",
			  type[] = "\"tcbType\":0";
	static uint8_t wide[1300 + 4 + 9] = {0x30, 0x82, 0x05, 0x1d, 0x06, 0x03, 0x55,
					     0x1d, 0x20, 0x04, 0x82, 0x05, 0x14};
	unsigned more;

	(void)state;
	for (more = 0; more < 2; more++) {
		/* The forge has two levels of each kind, one module, nine members. */
		made.tcb_find = levels;
		made.tcb_replace = many("\"tcbLevels\":[", 62 + more, a_level_of_64, levels + 13);
		expect(more ? TDXV_CHECK_TCB_INFO_FORMAT : TDXV_CHECK_COUNT, "levels");
		made.tcb_find = modules;
		made.tcb_replace = many(modules, 15 + more, a_module, "");
		expect(more ? TDXV_CHECK_TCB_INFO_FORMAT : TDXV_CHECK_COUNT, "modules");
		made.qe_find = of_qe;
		made.qe_replace = many(of_qe, 14 + more, a_level_of_16, "");
		expect(more ? TDXV_CHECK_QE_IDENTITY_FORMAT : TDXV_CHECK_COUNT, "levels of the QE");
		made.tcb_find = type;
		made.tcb_replace = many("", 64 - 11 + more, a_member, type);
		expect(more ? TDXV_CHECK_TCB_INFO_FORMAT : TDXV_CHECK_COUNT, "members");
	}
	made.tcb_find = type;
	made.tcb_replace = "\"tcbType\":0,\"x\":[[[[[[[[[[[[[[]]]]]]]]]]]]]]";
	expect(TDXV_CHECK_COUNT, "a depth of 16");
	made.tcb_find = type;
	made.tcb_replace = "\"tcbType\":0,\"x\":[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]";
	expect(TDXV_CHECK_TCB_INFO_FORMAT, "a depth of 17");
	made.pck.more_extensions = tdxv__bytes(wide, sizeof wide);
	expect(TDXV_CHECK_PCK_CHAIN_FORMAT, "a certificate of more than 2048 bytes");
	buf_free(&made_text);
}

static void the_chain_is_in_order(void **state)
{
	struct tdxv_bytes leaf, rest;
	struct tdxv_quote q;
	struct forged x;
	struct buf chain;
	const uint8_t *second;

	(void)state;
	forge_build(&x, &made);
	assert_int_equal(tdxv_quote_parse(&q, x.quote.p, x.quote.len, NULL), TDXV_OK);
	second = memmem(q.cert_data.p + 1, q.cert_data.n - 1, BEGIN, strlen(BEGIN));
	assert_non_null(second);
	leaf = tdxv__bytes(q.cert_data.p, (size_t)(second - q.cert_data.p));
	rest = tdxv__bytes(second, q.cert_data.n - leaf.n - 1); /* without the NUL */
	buf_init(&chain, 1 << 16);
	assert_true(buf_add(&chain, rest.p, rest.n) && buf_add(&chain, leaf.p, leaf.n));
	made.pck_chain = tdxv__bytes(chain.p, chain.len);
	expect(TDXV_CHECK_PCK_CHAIN_NAMES, "the leaf last");
	buf_free(&chain);
	forged_free(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_signature_has_no_more_than_256_bits),
	    cmocka_unit_test(a_crl_with_such_a_signature_is_refused),
	    cmocka_unit_test(certificates_lists_and_components),
	    cmocka_unit_test(spelling_of_a_signed_body),
	    cmocka_unit_test(numbers_of_json),
	    cmocka_unit_test(strings_of_json),
	    cmocka_unit_test(lines_of_pem),
	    cmocka_unit_test(too_much_of_everything),
	    cmocka_unit_test(the_chain_is_in_order),
	};
	int failures;

	forge_init(&made);
	failures = cmocka_run_group_tests(tests, NULL, NULL);
	forge_keys_free();
	return failures;
}
