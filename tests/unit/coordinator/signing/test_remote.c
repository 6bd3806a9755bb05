/* What a Web3Signer's answers mean. What it does on the wire is tested with a stand-in
 * (tests/scenario/test_keys.py). */
#include "coordinator/signing/remote.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define SIG   HEX64 HEX64 "1b"
/* The public key of the secret 1: the generator of the group. */
#define X "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
#define Y "483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8"

static struct span text(const char *s)
{
	return span_of(s, strlen(s));
}

static void test_signatures(void **state)
{
	static const char *const good[] = {"0x" SIG, SIG, "0x" SIG "\n", "\"0x" SIG "\"",
					   "{\"signature\":\"0x" SIG "\"}"};
	static const char *const bad[] = {"",
					  "0x",
					  "0x" HEX64,
					  "0x" SIG "00",
					  "{}",
					  "{\"signature\":3}",
					  "<html>\x1b[31m",
					  "zz" SIG,
					  "{\"signature\":\"0x12\"}"};
	uint8_t sig[ETH_SIGNATURE_SIZE];
	struct why why;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof good / sizeof *good; i++) {
		assert_true(remote_parse_signature(sig, text(good[i]), &why));
		assert_int_equal(sig[0], 0x01);
		assert_int_equal(sig[64], 27);
	}
	for (i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_false(remote_parse_signature(sig, text(bad[i]), &why));
		assert_non_null(strstr(why.text, "no signature of 65 bytes"));
		assert_null(strchr(why.text, 0x1b));
	}
}

static void test_lists_of_keys(void **state)
{
	uint8_t point[ETH_POINT_SIZE];
	struct why why = {""};
	size_t n;

	(void)state;
	assert_true(eth_public_key_parse(point, X Y, &why));
	assert_true(remote_parse_keys(&n, text("[\"0x" X Y "\"]"), point, &why));
	assert_true(remote_parse_keys(&n, text("[3, \"0x12\", \"0x04" X Y "\"]"), point, &why));
	assert_int_equal(n, 3);
	assert_true(remote_parse_keys(&n, text("[\"02" X "\"]"), point, &why));
	assert_false(remote_parse_keys(&n, text("[\"03" X "\"]"), point, &why));
	assert_non_null(strstr(why.text, "it has 1 keys, and not the one"));
	assert_false(remote_parse_keys(&n, text("[]"), point, &why));
	assert_false(remote_parse_keys(&n, text("{}"), point, &why));
	assert_non_null(strstr(why.text, "is no list"));
	assert_false(remote_parse_keys(&n, text(""), point, &why));
}

static void test_refusals(void **state)
{
	struct why why;

	(void)state;
	remote_refusal(&why, 404, text(""));
	assert_non_null(strstr(why.text, "does not know the public key"));
	remote_refusal(&why, 403, text("x"));
	assert_non_null(strstr(why.text, "lets this client in no further (HTTP 403)"));
	remote_refusal(&why, 500, text("Internal\r\nevent=forged"));
	assert_string_equal(why.text, "it answers with HTTP 500: \"Internal  event=forged\"");
	remote_refusal(&why, 502, text(""));
	assert_string_equal(why.text, "it answers with HTTP 502");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_signatures),
					   cmocka_unit_test(test_lists_of_keys),
					   cmocka_unit_test(test_refusals)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
