#include "test.h"

#include "ethereum/uint256.h"

static const char *const max_hex =
    "0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff";

static struct uint256 number(const char *hex)
{
	struct uint256 v;
	struct why why = {{0}};

	if (!uint256_from_hex(&v, hex, &why))
		fail_msg("%s", why.text);
	return v;
}

static void quantities(void **state)
{
	static const char *const texts[][3] = {
	    {"0x0", "0x0", "0"},
	    {"0x00", "0x0", "0"},
	    {"0x000000000000000000000000000000000000000000000000000000000000000a", "0xa", "10"},
	    {"0x3b9aca00", "0x3b9aca00", "1000000000"},
	    {"0xFFffFFffFFffFFff", "0xffffffffffffffff", "18446744073709551615"},
	    {"0x10000000000000000", "0x10000000000000000", "18446744073709551616"},
	    {"0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	     "0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	     "115792089237316195423570985008687907853269984665640564039457584007913129639935"},
	};
	char hex[UINT256_HEX_SIZE], decimal[UINT256_DECIMAL_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		struct uint256 v = number(texts[i][0]);

		uint256_to_hex(hex, &v);
		assert_string_equal(hex, texts[i][1]);
		uint256_to_decimal(decimal, &v);
		assert_string_equal(decimal, texts[i][2]);
	}
}

static void bad_quantities(void **state)
{
	static const char *const texts[] = {
	    "",
	    "0",
	    "0x",
	    "12",
	    "x0",
	    "0xg",
	    "0x0x1",
	    "0xx",
	    "0x 1",
	    "0x1 ",
	    "-0x1",
	    "0x-1",
	    "0X1",
	    "0x0X00000000000000000000000000000000000000000000000000000000000000",
	    "0x10000000000000000000000000000000000000000000000000000000000000000",
	    "0x00000000000000000000000000000000000000000000000000000000000000000",
	};
	struct uint256 v = uint256_from_u64(5), five = v;
	struct why why;

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		why.text[0] = '\0';
		assert_false(uint256_from_hex(&v, texts[i], &why));
		assert_true(why.text[0] == '"');
		assert_int_equal(uint256_cmp(&v, &five), 0);
	}
	assert_false(uint256_from_hex(&v, "0x", NULL));
}

static void sixty_four_bits(void **state)
{
	struct uint256 v = number("0xfedcba9876543210");
	uint64_t low = 1;

	(void)state;
	assert_true(uint256_to_u64(&low, &v));
	assert_true(low == 0xfedcba9876543210);
	v = uint256_from_u64(low);
	assert_int_equal(uint256_length(&v), 8);
	v = number("0x10000000000000000");
	assert_false(uint256_to_u64(&low, &v));
	assert_true(low == 0xfedcba9876543210);
	assert_int_equal(uint256_length(&v), 9);
	v = uint256_from_u64(0);
	assert_true(uint256_is_zero(&v));
	assert_int_equal(uint256_length(&v), 0);
}

static void from_bytes(void **state)
{
	uint8_t bytes[33] = {1, 2, 3};
	struct uint256 v, want = uint256_from_u64(0x010203);

	(void)state;
	assert_true(uint256_from_bytes(&v, bytes, 3));
	assert_int_equal(uint256_cmp(&v, &want), 0);
	assert_true(uint256_from_bytes(&v, NULL, 0));
	assert_true(uint256_is_zero(&v));
	assert_true(uint256_from_bytes(&v, bytes, 32));
	assert_false(uint256_from_bytes(&v, bytes, 33));
}

static void arithmetic(void **state)
{
	struct uint256 max = number(max_hex), one = uint256_from_u64(1), zero = uint256_from_u64(0);
	struct uint256 a = number("0xffffffffffffffff"), b, c;

	(void)state;
	assert_true(uint256_add(&b, &a, &one));
	c = number("0x10000000000000000");
	assert_int_equal(uint256_cmp(&b, &c), 0);
	assert_true(uint256_sub(&b, &b, &one));
	assert_int_equal(uint256_cmp(&b, &a), 0);
	assert_true(uint256_cmp(&b, &c) < 0);
	assert_true(uint256_cmp(&c, &b) > 0);

	assert_false(uint256_add(&b, &max, &one));
	assert_false(uint256_sub(&b, &zero, &one));
	assert_int_equal(uint256_cmp(&b, &a), 0);
	assert_true(uint256_add(&b, &max, &zero));
	assert_true(uint256_sub(&b, &b, &max));
	assert_true(uint256_is_zero(&b));

	assert_true(uint256_mul_u64(&b, &a, UINT64_MAX));
	c = number("0xfffffffffffffffe0000000000000001");
	assert_int_equal(uint256_cmp(&b, &c), 0);
	assert_true(uint256_mul_u64(&b, &max, 1));
	assert_int_equal(uint256_cmp(&b, &max), 0);
	assert_false(uint256_mul_u64(&b, &max, 2));
	assert_int_equal(uint256_cmp(&b, &max), 0);
	assert_true(uint256_mul_u64(&b, &max, 0));
	assert_true(uint256_is_zero(&b));
	c = number("0x1000000000000000000000000000000000000000000000000");
	assert_true(uint256_mul_u64(&b, &c, UINT64_MAX));
	assert_false(uint256_mul_u64(&b, &b, 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(quantities),      cmocka_unit_test(bad_quantities),
	    cmocka_unit_test(sixty_four_bits), cmocka_unit_test(from_bytes),
	    cmocka_unit_test(arithmetic),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
