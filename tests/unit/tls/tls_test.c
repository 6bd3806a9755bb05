/* Pins, and identities that are made here; the rest is tried with real peers in coordinator/server.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tls/tls.h"

#include <openssl/x509v3.h>

#include <stdio.h>
#include <string.h>

#define A "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define B "FFEEDDCCBBAA99887766554433221100ffeeddccbbaa99887766554433221100"

static void test_pins(void **state)
{
	struct tls_pins pins;
	struct why why = {""};
	uint8_t hash[TLS_KEY_HASH];

	(void)state;
	assert_true(tls_pins_parse(&pins, "", &why));
	assert_int_equal(pins.n, 0);
	assert_true(tls_pins_parse(&pins, " " A ",\n\t" B ", ", &why));
	assert_int_equal(pins.n, 2);
	assert_true(hex_decode(hash, sizeof hash, B, 64));
	assert_true(tls_pinned(&pins, hash));
	hash[31] ^= 1;
	assert_false(tls_pinned(&pins, hash));
	assert_false(tls_pins_parse(&pins, A " " A "0", &why));
	assert_non_null(strstr(why.text, A "0"));
	assert_false(tls_pins_parse(&pins, "sha256//AAAA", &why));
}

static void test_too_many_pins(void **state)
{
	char text[65 * (TLS_PINS_MAX + 1) + 1] = "";
	struct tls_pins pins;
	struct why why;
	int i;

	(void)state;
	for (i = 0; i < TLS_PINS_MAX; i++)
		strcat(text, A ",");
	assert_true(tls_pins_parse(&pins, text, &why));
	strcat(text, A);
	assert_false(tls_pins_parse(&pins, text, &why));
	assert_string_equal(why.text, "more than 64 keys");
}

static void test_made_identities(void **state)
{
	SSL_CTX *ctx = tls_context_new(TLS_client_method(), NULL);
	uint8_t first[TLS_KEY_HASH], second[TLS_KEY_HASH], again[TLS_KEY_HASH];
	const int64_t now = 1700000000;
	struct why why = {""};
	const X509 *x;
	time_t at = now;

	(void)state;
	assert_non_null(ctx);
	assert_true(tls_make_identity(ctx, first, "prover", now, &why));
	assert_true(tls_make_identity(ctx, second, "prover", now, &why));
	assert_memory_not_equal(first, second, sizeof first);
	x = SSL_CTX_get0_certificate(ctx);
	assert_true(tls_key_hash(again, x));
	assert_memory_equal(second, again, sizeof again);
	assert_int_equal(SSL_CTX_check_private_key(ctx), 1);
	assert_int_equal(X509_cmp_time(X509_get0_notBefore(x), &at), -1);
	assert_int_equal(X509_cmp_time(X509_get0_notAfter(x), &at), 1);
	assert_int_equal(X509_verify((X509 *)(uintptr_t)x, X509_get0_pubkey(x)), 1);
	SSL_CTX_free(ctx);
}

static void test_words(void **state)
{
	static const struct {
		long result;
		const char *words;
	} cases[] = {
	    {X509_V_ERR_CERT_HAS_EXPIRED, "has expired"},
	    {X509_V_ERR_CERT_NOT_YET_VALID, "not valid yet"},
	    {X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, "not trusted here"},
	    {X509_V_ERR_HOSTNAME_MISMATCH, "another host"},
	    {X509_V_ERR_INVALID_PURPOSE, "extendedKeyUsage"},
	    {X509_V_ERR_CERT_SIGNATURE_FAILURE, "signature failure"},
	};
	struct why why;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof cases / sizeof *cases; i++) {
		tls_certificate_refused(&why, NULL, cases[i].result);
		if (!strstr(why.text, cases[i].words))
			fail_msg("\"%s\" does not say %s", why.text, cases[i].words);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_pins),
	    cmocka_unit_test(test_too_many_pins),
	    cmocka_unit_test(test_made_identities),
	    cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
