#include "test.h"

#include "ethereum/rlp.h"

static void strings(void **state)
{
	/* From the Ethereum documentation's and the tests repository's well-known examples. */
	static const char *const vectors[][2] = {
	    {"", "80"},
	    {"00", "00"},
	    {"0f", "0f"},
	    {"7f", "7f"},
	    {"80", "8180"},
	    {"0400", "820400"},
	    {"646f67", "83646f67"},
	    {"4c6f72656d20697073756d20646f6c6f722073697420616d65742c20636f6e7365637465747572206164"
	     "697069736963696e6720656c6974",
	     "b8384c6f72656d20697073756d20646f6c6f722073697420616d65742c20636f6e7365637465747572206"
	     "164697069736963696e6720656c6974"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
		struct span in = unhex(vectors[i][0]), rest, out;
		struct buf b;

		buf_init(&b, 100);
		assert_true(rlp_add_bytes(&b, in.p, in.n));
		assert_hex(b.p, b.len, vectors[i][1]);
		rest = buf_span(&b);
		assert_true(rlp_check(rest, 0, NULL));
		assert_true(rlp_read_bytes(&rest, &out, NULL));
		assert_true(span_eq(in, out));
		assert_int_equal(rest.n, 0);
		buf_free(&b);
		unhex_free(in);
	}
}

static void numbers(void **state)
{
	static const struct {
		uint64_t v;
		const char *rlp;
	} vectors[] = {
	    {0, "80"},
	    {1, "01"},
	    {127, "7f"},
	    {128, "8180"},
	    {1000, "8203e8"},
	    {100000, "830186a0"},
	    {UINT64_MAX, "88ffffffffffffffff"},
	};
	struct uint256 wide, back;
	struct span rest;
	struct buf b;
	uint64_t v;

	(void)state;
	for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
		buf_init(&b, 100);
		assert_true(rlp_add_u64(&b, vectors[i].v));
		assert_hex(b.p, b.len, vectors[i].rlp);
		rest = buf_span(&b);
		assert_true(rlp_read_u64(&rest, &v, NULL));
		assert_true(v == vectors[i].v);
		buf_free(&b);
	}
	memset(wide.be, 0xee, 32);
	wide.be[0] = 0;
	buf_init(&b, 100);
	assert_true(rlp_add_uint256(&b, &wide));
	assert_int_equal(b.len, 32);
	assert_int_equal(b.p[0], 0x9f);
	rest = buf_span(&b);
	assert_false(rlp_read_u64(&rest, &v, NULL));
	assert_int_equal(rest.n, 32);
	assert_true(rlp_read_uint256(&rest, &back, NULL));
	assert_int_equal(uint256_cmp(&wide, &back), 0);
	buf_free(&b);
}

static void lists(void **state)
{
	size_t outer, inner;
	struct span rest, items, cat, dog;
	struct why why;
	struct buf b;

	(void)state;
	buf_init(&b, 4096);
	outer = rlp_list_begin(&b);
	assert_true(rlp_add_bytes(&b, "cat", 3) && rlp_add_bytes(&b, "dog", 3) &&
		    rlp_list_end(&b, outer));
	assert_hex(b.p, b.len, "c88363617483646f67");
	rest = buf_span(&b);
	assert_true(rlp_read_list(&rest, &items, &why));
	assert_true(rlp_read_bytes(&items, &cat, &why));
	assert_true(rlp_read_bytes(&items, &dog, &why));
	assert_true(span_eq(dog, span_of("dog", 3)));
	assert_false(rlp_read_bytes(&items, &dog, &why));
	assert_says(&why, "an item is missing");
	buf_free(&b);

	/* [ [], [[]], [ [], [[]] ] ] */
	outer = rlp_list_begin(&b);
	assert_true(rlp_list_end(&b, rlp_list_begin(&b)));
	inner = rlp_list_begin(&b);
	assert_true(rlp_list_end(&b, rlp_list_begin(&b)) && rlp_list_end(&b, inner));
	inner = rlp_list_begin(&b);
	assert_true(buf_add(&b, "\xc0\xc1\xc0", 3) && rlp_list_end(&b, inner));
	assert_true(rlp_list_end(&b, outer));
	assert_hex(b.p, b.len, "c7c0c1c0c3c0c1c0");
	assert_true(rlp_check(buf_span(&b), 4, &why));
	assert_false(rlp_check(buf_span(&b), 3, &why));
	assert_says(&why, "deeper than 3");
	buf_free(&b);

	/* 1,024 bytes of items behind a long prefix. */
	outer = rlp_list_begin(&b);
	for (unsigned i = 0; i < 1024; i++)
		assert_true(rlp_add_u64(&b, 1));
	assert_true(rlp_list_end(&b, outer));
	assert_int_equal(b.len, 1027);
	assert_hex(b.p, 4, "f9040001");
	assert_true(rlp_check(buf_span(&b), 1, &why));
	buf_free(&b);
}

static void ceilings(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 3);
	assert_false(rlp_add_bytes(&b, "dog", 3));
	buf_free(&b);
	assert_true(rlp_add_u64(&b, 1) && rlp_add_u64(&b, 2) && rlp_add_u64(&b, 3));
	assert_false(rlp_list_end(&b, 0));
	buf_free(&b);
}

/* Lists inside each other, made from the inside out. */
static void depth_bomb(void **state)
{
	struct why why;
	struct buf b;

	(void)state;
	buf_init(&b, 4096);
	for (unsigned depth = 1; depth <= RLP_DEPTH_MAX + 8; depth++) {
		assert_true(rlp_list_end(&b, 0));
		assert_int_equal(rlp_check(buf_span(&b), UINT32_MAX, &why), depth <= RLP_DEPTH_MAX);
		assert_int_equal(rlp_check(buf_span(&b), 20, &why), depth <= 20);
	}
	assert_says(&why, "deeper than 20");
	buf_free(&b);
}

static void malformed(void **state)
{
	static const char *const vectors[][2] = {
	    {"", "an item is missing"},
	    {"81", "only 0 bytes are left"},
	    {"83646f", "only 2 bytes are left"},
	    {"c1", "only 0 bytes are left"},
	    {"c883636174", "only 4 bytes are left"},
	    {"8100", "must not have"},
	    {"817f", "must not have"},
	    {"b800", "starts with a zero byte"},
	    {"b8", "only 0 bytes are left"},
	    {"b9ff", "only 1 bytes are left"},
	    {"b80100", "written in the long form"},
	    {"b837", "written in the long form"},
	    {"b838", "an item of 56 bytes"},
	    {"b90038", "starts with a zero byte"},
	    {"f800", "starts with a zero byte"},
	    {"f80180", "written in the long form"},
	    {"f7", "an item of 55 bytes"},
	    {"bfffffffffffffffff", "an item of 18446744073709551615 bytes"},
	    {"ffffffffffffffffff", "an item of 18446744073709551615 bytes"},
	    {"bf0100000000000000", "an item of 72057594037927936 bytes"},
	    {"0000", "1 bytes follow"},
	    {"c08080", "2 bytes follow"},
	    {"c28100", "must not have"},
	    {"c3c2c1c0c0", "1 bytes follow"},
	    {"c2c181", "only 0 bytes are left"},
	};
	struct why why;

	(void)state;
	for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
		struct span in = unhex(vectors[i][0]);

		why.text[0] = '\0';
		assert_false(rlp_check(in, RLP_DEPTH_MAX, &why));
		assert_says(&why, vectors[i][1]);
		unhex_free(in);
	}
}

static void wrong_kinds(void **state)
{
	struct span list = unhex("c101"), text = unhex("8401020304"), zero = unhex("00"),
		    padded = unhex("820001"), wide = unhex("89010203040506070809"), out, rest;
	uint8_t five[5];
	struct uint256 number;
	struct why why;
	uint64_t v;

	(void)state;
	rest = list;
	assert_false(rlp_read_bytes(&rest, &out, &why));
	assert_says(&why, "a list of 1 bytes where a string is expected");
	assert_true(span_eq(rest, list));
	assert_false(rlp_read_u64(&rest, &v, &why));
	rest = text;
	assert_false(rlp_read_list(&rest, &out, &why));
	assert_says(&why, "a string of 4 bytes where a list is expected");
	assert_false(rlp_read_fixed(&rest, five, 5, &why));
	assert_says(&why, "4 bytes where 5 are expected");
	assert_true(span_eq(rest, text));
	assert_true(rlp_read_fixed(&rest, five, 4, &why));
	assert_int_equal(rest.n, 0);
	rest = zero;
	assert_false(rlp_read_u64(&rest, &v, &why));
	assert_says(&why, "starts with a zero byte");
	rest = padded;
	assert_false(rlp_read_uint256(&rest, &number, &why));
	assert_true(span_eq(rest, padded));
	rest = wide;
	assert_false(rlp_read_u64(&rest, &v, &why));
	assert_says(&why, "at most 8");
	assert_true(rlp_read_uint256(&rest, &number, &why));
	unhex_free(list);
	unhex_free(text);
	unhex_free(zero);
	unhex_free(padded);
	unhex_free(wide);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(strings),     cmocka_unit_test(numbers),
	    cmocka_unit_test(lists),       cmocka_unit_test(ceilings),
	    cmocka_unit_test(depth_bomb),  cmocka_unit_test(malformed),
	    cmocka_unit_test(wrong_kinds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
