/* Buffers with a ceiling, hex, wiping, and the sentence of an error. */
#include "encoding/bytes.h"
#include "encoding/why.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_buf_ceiling(void **state)
{
	uint8_t filler[300] = {7};
	struct buf b;

	(void)state;
	buf_init(&b, 600);
	assert_true(buf_add(&b, filler, 300));
	assert_true(buf_add(&b, filler, 300));
	assert_int_equal(b.len, 600);
	assert_true(b.cap <= 600);
	assert_false(buf_add(&b, "x", 1));
	assert_false(buf_add(&b, filler, SIZE_MAX));
	assert_true(buf_add(&b, NULL, 0));
	assert_int_equal(b.len, 600);
	assert_int_equal(b.p[300], 7);
	buf_free(&b);
	assert_null(b.p);
	assert_int_equal(b.max, 600);
	assert_true(buf_add_str(&b, "again"));
	assert_true(span_eq(buf_span(&b), span_of("again", 5)));
	buf_free(&b);
}

static void test_buf_printf(void **state)
{
	char wide[400];
	struct buf b;

	(void)state;
	memset(wide, 'w', sizeof wide - 1);
	wide[sizeof wide - 1] = '\0';
	buf_init(&b, 512);
	assert_true(buf_printf(&b, "%d-%s", 12, "a"));
	assert_true(buf_printf(&b, "%s", wide));
	assert_int_equal(b.len, 4 + 399);
	assert_memory_equal(b.p, "12-aww", 6);
	assert_false(buf_printf(&b, "%s", wide));
	assert_int_equal(b.len, 4 + 399);
	buf_free(&b);
}

static void test_spans(void **state)
{
	(void)state;
	assert_true(span_eq(span_of(NULL, 0), span_of("", 0)));
	assert_false(span_eq(span_of("ab", 2), span_of("ab", 1)));
	assert_false(span_eq(span_of("ab", 2), span_of("ac", 2)));
}

static void test_hex(void **state)
{
	static const char *const bad[] = {"",     "0x",       "1",     "123",   "12345", "123g",
					  "0x12", "0x0x1234", " 1234", "1234 ", "-123"};
	uint8_t out[2];
	char text[5];
	struct buf b;
	size_t i;

	(void)state;
	assert_true(hex_decode(out, 2, "0xfF01", 6));
	assert_memory_equal(out, "\xff\x01", 2);
	assert_true(hex_decode(out, 2, "ab9C", 4));
	assert_true(hex_decode(out, 0, "0x", 2));
	for (i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_false(hex_decode(out, 2, bad[i], strlen(bad[i])));
	hex_encode(text, "\xab\x0c", 2);
	assert_string_equal(text, "ab0c");

	buf_init(&b, 3);
	assert_true(hex_decode_buf(&b, "0x0102", 6));
	assert_false(hex_decode_buf(&b, "0304", 4));
	assert_false(hex_decode_buf(&b, "0x0g", 4));
	assert_false(hex_decode_buf(&b, "123", 3));
	assert_true(hex_decode_buf(&b, "03", 2));
	assert_int_equal(b.len, 3);
	assert_memory_equal(b.p, "\1\2\3", 3);
	buf_free(&b);
}

static void test_secrets(void **state)
{
	uint8_t key[8] = {1, 2, 3, 4, 5, 6, 7, 8}, zero[8] = {0};

	(void)state;
	assert_true(secret_equal(key, key, 8));
	assert_false(secret_equal(key, zero, 8));
	assert_true(secret_equal(key, zero, 0));
	secret_wipe(key, sizeof key);
	assert_memory_equal(key, zero, 8);
}

static void test_why(void **state)
{
	char wide[600];
	struct why w = {""};

	(void)state;
	why_wrap(&w, "outer");
	assert_string_equal(w.text, "outer");
	why_set(&w, "%d is odd", 3);
	why_wrap(&w, "field %s", "n");
	assert_string_equal(w.text, "field n: 3 is odd");
	memset(wide, 'w', sizeof wide - 1);
	wide[sizeof wide - 1] = '\0';
	why_wrap(&w, "%s", wide);
	assert_int_equal(strlen(w.text), sizeof w.text - 1);
	why_set(NULL, "dropped");
	why_wrap(NULL, "dropped");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_buf_ceiling), cmocka_unit_test(test_buf_printf),
	    cmocka_unit_test(test_spans),       cmocka_unit_test(test_hex),
	    cmocka_unit_test(test_secrets),     cmocka_unit_test(test_why),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
