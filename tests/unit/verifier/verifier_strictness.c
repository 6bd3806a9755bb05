/*
 * Never laxer than Intel's library: bytes that are properly signed, and that Intel's library (or
 * the DER, JSON and PEM that it reads with) refuses all the same. Each has a neighbour that is one
 * step inside of what is allowed, and passes.
 */
#include "tests/unit/verifier/forge.h"
#include "verifier/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct tdxv_verdict v;
static struct forge f;

#define DER(text) ((struct tdxv_bytes){(const uint8_t *)(text), sizeof(text) - 1})

/* check TDXV_CHECK_COUNT: accepted. The forge is good again afterwards. */
static void expect(enum tdxv_check_id check, const char *what)
{
	struct tdxv_collateral *c;
	struct forged x;
	char why[2048];

	forge_build(&x, &f);
	forged_verify(&v, &c, &x, NULL, FORGE_NOW);
	tdxv_verdict_summary(why, sizeof why, &v);
	if (check == TDXV_CHECK_COUNT ? !v.accepted
				      : v.accepted || v.check[check].status != TDXV_FAIL)
		fail_msg("%s: %s", what, why);
	tdxv_collateral_free(c);
	forged_free(&x);
	forge_init(&f);
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
	forge_build(&x, &f);
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

static void serial_numbers(void **state)
{
	(void)state;
	f.pck.serial_der = DER("\x02\x15\x00\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91"
			       "\x91\x91\x91\x91\x91\x91\x91");
	expect(TDXV_CHECK_COUNT, "20 octets and the sign octet");
	f.pck.serial_der = DER("\x02\x15\x01\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91"
			       "\x91\x91\x91\x91\x91\x91\x91");
	expect(TDXV_CHECK_PCK_CHAIN_FORMAT, "21 octets");
	f.pck.serial_der = DER("\x02\x02\x00\x0d");
	expect(TDXV_CHECK_PCK_CHAIN_FORMAT, "not the shortest form");
	f.tcb.serial_der = DER("\x02\x01\x8d");
	expect(TDXV_CHECK_TCB_SIGNING_CHAIN, "negative");
	f.tcb.serial_der = DER("\x02\x00");
	expect(TDXV_CHECK_TCB_SIGNING_CHAIN, "no octets");
	/* In a CRL: 13 with a needless zero in front is 13, and no DER. */
	f.pck_crl.revoked = 13;
	f.pck_crl.revoked_der = DER("\x02\x02\x00\x0d");
	expect(TDXV_CHECK_PCK_CRL_FORMAT, "13 in two octets");
	f.pck_crl.revoked = 13;
	f.pck_crl.revoked_der = DER("\x02\x02\xff\x8d");
	expect(TDXV_CHECK_PCK_CRL_FORMAT, "a negative one in two octets");
	f.pck_crl.revoked = 13;
	f.pck_crl.revoked_der = DER("\x02\x01\x8d");
	expect(TDXV_CHECK_COUNT, "a negative one that nobody has");
	f.root_crl.revoked = 12;
	f.root_crl.revoked_der = DER("\x02\x02\x00\x0c");
	expect(TDXV_CHECK_ROOT_CRL_FORMAT, "12 in two octets");
	f.root_crl.revoked = 12;
	f.root_crl.revoked_der = DER("\x02\x01\x0c");
	expect(TDXV_CHECK_PCK_CA_NOT_REVOKED, "12");
}

#define SGX_ARC "\x06\x0a\x2a\x86\x48\x86\xf8\x4d\x01\x0d\x01"

static void entries_of_the_sgx_extension(void **state)
{
	(void)state;
	f.sgx_more = DER("\x30\x0f" SGX_ARC "\x08\x02\x01\x05");
	expect(TDXV_CHECK_PCK_EXTENSION, "an eighth kind");
	f.sgx_more = DER("\x30\x08\x06\x03\x55\x04\x03\x02\x01\x05");
	expect(TDXV_CHECK_PCK_EXTENSION, "an entry of another family");
	f.sgx_more = DER("\x30\x1e" SGX_ARC "\x06\x04\x10"
			 "0123456789abcdef");
	expect(TDXV_CHECK_PCK_EXTENSION, "a platform instance id alone");
	f.has_platform = true;
	expect(TDXV_CHECK_COUNT, "seven entries");
	f.sgx_more =
	    DER("\x30\x1e" SGX_ARC "\x06\x04\x10"
		"0123456789abcdef"
		"\x30\x2e" SGX_ARC "\x07\x30\x20"
		"\x30\x10\x06\x0b\x2a\x86\x48\x86\xf8\x4d\x01\x0d\x01\x07\x01\x01\x01\xff"
		"\x30\x10\x06\x0b\x2a\x86\x48\x86\xf8\x4d\x01\x0d\x01\x07\x01\x01\x01\x00");
	expect(TDXV_CHECK_PCK_EXTENSION, "a flag twice");
}

static void components_of_the_other_version(void **state)
{
	static const char *const stray[] = {
	    "\"pcesvn\":11,\"sgxtcbcomp01svn\":0", "\"pcesvn\":11,\"sgxtcbcomp17svn\":0",
	    "\"pcesvn\":11,\"sgxtcbcomp1/svn\":0", "\"pcesvn\":11,\"sgxtcbcomp\":0"};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof stray / sizeof stray[0]; i++) {
		f.tcb_find = "\"pcesvn\":11";
		f.tcb_replace = stray[i];
		expect(TDXV_CHECK_TCB_INFO_FORMAT, stray[i]);
	}
	f.tcb_find = "\"pcesvn\":11";
	f.tcb_replace = "\"pcesvn\":11,\"another\":0";
	expect(TDXV_CHECK_COUNT, "an unknown member that names no component");
}

static void spelling_of_a_signed_body(void **state)
{
	static const struct {
		const char *value;
		bool passes;
	} row[] = {
	    /* What JSON has, in the spelling of a plain writer. */
	    {"0", true},
	    {"-5", true},
	    {"9223372036854775807", true},
	    {"true", true},
	    {"false", true},
	    {"null", true},
	    {"\"a b\"", true},
	    {"\"\\\"\\\\\\b\\f\\n\\r\\t\"", true},
	    {"{}", true},
	    {"[]", true},
	    {"{\"a\":[1,{\"b\":\"}\"}]}", true},
	    /* The same in another spelling: Intel's library signs what it would write itself. */
	    {" 0", false},
	    {"[1, 2]", false},
	    {"{\"a\" :1}", false},
	    {"1\n", false},
	    {"\"\\u0061\"", false},
	    {"\"\\/\"", false},
	    {"1.5", false},
	    {"1e2", false},
	    {"1E2", false},
	    {"-0", false},
	    {"18446744073709551616", false},
	    /* What JSON does not have. */
	    {"1.2.3", false},
	    {"+1", false},
	    {"-", false},
	    {".5", false},
	    {"5.", false},
	    {"01", false},
	    {"1e", false},
	    {"--1", false},
	    {"1-1", false},
	    {"e", false},
	    {"NaN", false},
	    {"tru", false},
	    {"True", false},
	    {"'x'", false},
	    {"\"\\x\"", false},
	    {"\"\\u12g4\"", false},
	    {"\"\\u12\"", false},
	    {"[1,]", false},
	    {"[,1]", false},
	    {"{\"a\":1,}", false},
	    {"{a:1}", false},
	    {"", false},
	};
	char member[80], qe[80];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof row / sizeof row[0]; i++) {
		snprintf(member, sizeof member, "\"tcbType\":0,\"zz\":%s", row[i].value);
		f.tcb_find = "\"tcbType\":0";
		f.tcb_replace = member;
		expect(row[i].passes ? TDXV_CHECK_COUNT : TDXV_CHECK_TCB_INFO_FORMAT, member);
		snprintf(qe, sizeof qe, "\"isvprodid\":2,\"zz\":%s", row[i].value);
		f.qe_find = "\"isvprodid\":2";
		f.qe_replace = qe;
		expect(row[i].passes ? TDXV_CHECK_COUNT : TDXV_CHECK_QE_IDENTITY_FORMAT, qe);
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
					   "123456789012345678901"};
	static const char *const bad[] = {"1.2.3", "+1", "-",  "--1", ".5",  "5.", "1e",
					  "1e+",   "01", "e5", "0x5", "1-1", "1+", "1.e5"};
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
	    BEGIN "\nQUJD\n" END,      BEGIN "\r\nQUJD\r\n" END "\r\n",
	    BEGIN " \t\nQU\nJD\n" END, "x" BEGIN "\nQUJD\n" END "y",
	    BEGIN "\nQUJD \t\n" END,
	};
	static const char *const bad[] = {
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

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_signature_has_no_more_than_256_bits),
	    cmocka_unit_test(a_crl_with_such_a_signature_is_refused),
	    cmocka_unit_test(serial_numbers),
	    cmocka_unit_test(entries_of_the_sgx_extension),
	    cmocka_unit_test(components_of_the_other_version),
	    cmocka_unit_test(spelling_of_a_signed_body),
	    cmocka_unit_test(numbers_of_json),
	    cmocka_unit_test(lines_of_pem),
	};
	int failures;

	forge_init(&f);
	failures = cmocka_run_group_tests(tests, NULL, NULL);
	forge_keys_free();
	return failures;
}
