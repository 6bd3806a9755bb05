#include "test.h"

#include "ethereum/abi.h"

/* Encodings in this file are by Foundry's cast calldata. */

#define WORD(last) "00000000000000000000000000000000000000000000000000000000000000" last
#define ONES       "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"

static const struct eth_address vitalik = {{0xd8, 0xda, 0x6b, 0xf2, 0x69, 0x64, 0xaf,
					    0x9d, 0x7e, 0xed, 0x9e, 0x03, 0xe5, 0x34,
					    0x15, 0xd3, 0x7a, 0xa9, 0x60, 0x45}};

static void selectors(void **state)
{
	uint8_t selector[4];

	(void)state;
	abi_selector(selector, "verifyBatches(uint256,bytes[],bytes[],bytes[])");
	assert_hex(selector, 4, "9711f750");
	abi_selector(selector, "InvalidTdxProof()");
	assert_hex(selector, 4, "62013a95");
}

/* Decoding what was encoded, and encoding that, gives the same bytes. */
static void assert_round_trip(const char *types, struct span data)
{
	struct abi_value *v;
	struct why why = {{0}};
	struct buf again;

	if (abi_decode(&v, types, data, &why) != ETH_OK)
		fail_msg("%s", why.text);
	buf_init(&again, data.n);
	assert_int_equal(abi_encode(&again, types, v->items.p, v->items.n, &why), ETH_OK);
	assert_int_equal(again.len, data.n);
	assert_memory_equal(again.p, data.p, data.n);
	buf_free(&again);
	abi_value_free(v);
}

static void verify_batches(void **state)
{
	static const char signature[] = "verifyBatches(uint256,bytes[],bytes[],bytes[])";
	uint8_t threes[33];
	struct abi_value risc0[2], sp1[2], tdx[2], args[4], *v;
	struct span data;
	struct why why;
	struct buf out;
	uint64_t first;

	(void)state;
	memset(threes, 0x33, sizeof threes);
	risc0[0] = risc0[1] = sp1[0] = abi_bytes(span_of(NULL, 0));
	sp1[1] = abi_bytes(span_of("\x01", 1));
	tdx[0] = abi_bytes(span_of("\x11\x22", 2));
	tdx[1] = abi_bytes(span_of(threes, sizeof threes));
	args[0] = abi_u64(7);
	args[1] = abi_list(risc0, 2);
	args[2] = abi_list(sp1, 2);
	args[3] = abi_list(tdx, 2);

	buf_init(&out, 4096);
	assert_int_equal(abi_encode_call(&out, signature, args, 4, &why), ETH_OK);
	assert_hex(out.p, out.len,
		   "9711f750"
		   "0000000000000000000000000000000000000000000000000000000000000007"
		   "0000000000000000000000000000000000000000000000000000000000000080"
		   "0000000000000000000000000000000000000000000000000000000000000120"
		   "00000000000000000000000000000000000000000000000000000000000001e0"
		   "0000000000000000000000000000000000000000000000000000000000000002"
		   "0000000000000000000000000000000000000000000000000000000000000040"
		   "0000000000000000000000000000000000000000000000000000000000000060"
		   "0000000000000000000000000000000000000000000000000000000000000000"
		   "0000000000000000000000000000000000000000000000000000000000000000"
		   "0000000000000000000000000000000000000000000000000000000000000002"
		   "0000000000000000000000000000000000000000000000000000000000000040"
		   "0000000000000000000000000000000000000000000000000000000000000060"
		   "0000000000000000000000000000000000000000000000000000000000000000"
		   "0000000000000000000000000000000000000000000000000000000000000001"
		   "0100000000000000000000000000000000000000000000000000000000000000"
		   "0000000000000000000000000000000000000000000000000000000000000002"
		   "0000000000000000000000000000000000000000000000000000000000000040"
		   "0000000000000000000000000000000000000000000000000000000000000080"
		   "0000000000000000000000000000000000000000000000000000000000000002"
		   "1122000000000000000000000000000000000000000000000000000000000000"
		   "0000000000000000000000000000000000000000000000000000000000000021"
		   "3333333333333333333333333333333333333333333333333333333333333333"
		   "3300000000000000000000000000000000000000000000000000000000000000");

	data = span_of(out.p + 4, out.len - 4);
	assert_round_trip(strchr(signature, '('), data);
	assert_int_equal(abi_decode(&v, strchr(signature, '('), data, &why), ETH_OK);
	assert_int_equal(v->items.n, 4);
	assert_true(abi_to_u64(&first, &v->items.p[0]));
	assert_int_equal(first, 7);
	assert_int_equal(v->items.p[3].items.n, 2);
	assert_true(span_eq(v->items.p[3].items.p[1].bytes, span_of(threes, sizeof threes)));
	assert_false(abi_to_u64(&first, &v->items.p[3]));
	abi_value_free(v);

	/* A prefix of good data is never good: nothing reads behind its end. */
	for (size_t n = 0; n < data.n; n++) {
		uint8_t *cut = malloc(n + !n);

		assert_non_null(cut);
		memcpy(cut, data.p, n);
		assert_int_equal(abi_decode(&v, strchr(signature, '('), span_of(cut, n), &why),
				 ETH_MALFORMED);
		assert_null(v);
		assert_says(&why, "decoding (uint256,bytes[],bytes[],bytes[])");
		free(cut);
	}
	for (size_t max = 0; max < out.len; max += 31) {
		struct buf small;

		buf_init(&small, max);
		assert_int_equal(abi_encode_call(&small, signature, args, 4, &why), ETH_NO_ROOM);
		assert_int_equal(small.len, 0);
		buf_free(&small);
	}
	buf_free(&out);
}

static void nested_tuples(void **state)
{
	struct eth_address one = {{[19] = 1}}, back;
	struct abi_value holders[2], first[2], second[2], flags[2], inner[3], args[2], *v;
	uint8_t three[32] = {0xab, 0xcd, 0xef};
	struct span data;
	struct why why;
	struct buf out;

	(void)state;
	holders[0] = abi_address(&vitalik);
	holders[1] = abi_address(&one);
	first[0] = abi_bool(true);
	first[1] = abi_string("hi");
	second[0] = abi_bool(false);
	second[1] = abi_string("");
	flags[0] = abi_list(first, 2);
	flags[1] = abi_list(second, 2);
	inner[0] = abi_u64(5);
	inner[1] = abi_list(holders, 2);
	inner[2] = abi_list(flags, 2);
	args[0] = abi_list(inner, 3);
	args[1] = abi_bytes32(three);

	buf_init(&out, 4096);
	assert_int_equal(
	    abi_encode_call(&out, "f((uint256,address[2],(bool,string)[]),bytes3)", args, 2, &why),
	    ETH_OK);
	assert_hex(out.p, out.len,
		   "4606ea7e"
		   "0000000000000000000000000000000000000000000000000000000000000040"
		   "abcdef0000000000000000000000000000000000000000000000000000000000"
		   "0000000000000000000000000000000000000000000000000000000000000005"
		   "000000000000000000000000d8da6bf26964af9d7eed9e03e53415d37aa96045"
		   "0000000000000000000000000000000000000000000000000000000000000001"
		   "0000000000000000000000000000000000000000000000000000000000000080"
		   "0000000000000000000000000000000000000000000000000000000000000002"
		   "0000000000000000000000000000000000000000000000000000000000000040"
		   "00000000000000000000000000000000000000000000000000000000000000c0"
		   "0000000000000000000000000000000000000000000000000000000000000001"
		   "0000000000000000000000000000000000000000000000000000000000000040"
		   "0000000000000000000000000000000000000000000000000000000000000002"
		   "6869000000000000000000000000000000000000000000000000000000000000"
		   "0000000000000000000000000000000000000000000000000000000000000000"
		   "0000000000000000000000000000000000000000000000000000000000000040"
		   "0000000000000000000000000000000000000000000000000000000000000000");

	data = span_of(out.p + 4, out.len - 4);
	assert_round_trip("((uint256,address[2],(bool,string)[]),bytes3)", data);
	assert_int_equal(
	    abi_decode(&v, "((uint256,address[2],(bool,string)[]),bytes3)", data, &why), ETH_OK);
	assert_true(abi_to_address(&back, &v->items.p[0].items.p[1].items.p[0]));
	assert_true(eth_address_equal(&back, &vitalik));
	assert_true(abi_is_true(&v->items.p[0].items.p[2].items.p[0].items.p[0]));
	assert_false(abi_is_true(&v->items.p[0].items.p[2].items.p[1].items.p[0]));
	assert_false(abi_to_address(&back, &v->items.p[1]));
	abi_value_free(v);
	buf_free(&out);
}

static void commit_batch(void **state)
{
	static const char types[] = "(uint256,bytes32,bytes32,bytes32,bytes32,uint256,bytes32,"
				    "(uint256,uint256,(address,address,address,uint256)[],bytes32[]"
				    ")[],(uint256,bytes32)[])";
	struct span call =
	    unhex("c0ddc604"
		  "0000000000000000000000000000000000000000000000000000000000000003"
		  "2222222222222222222222222222222222222222222222222222222222222222"
		  "2222222222222222222222222222222222222222222222222222222222222222"
		  "2222222222222222222222222222222222222222222222222222222222222222"
		  "2222222222222222222222222222222222222222222222222222222222222222"
		  "0000000000000000000000000000000000000000000000000000000000000009"
		  "2222222222222222222222222222222222222222222222222222222222222222"
		  "0000000000000000000000000000000000000000000000000000000000000120"
		  "00000000000000000000000000000000000000000000000000000000000003c0"
		  "0000000000000000000000000000000000000000000000000000000000000002"
		  "0000000000000000000000000000000000000000000000000000000000000040"
		  "00000000000000000000000000000000000000000000000000000000000001c0"
		  "0000000000000000000000000000000000000000000000000000000000000005"
		  "0000000000000000000000000000000000000000000000000000000000000006"
		  "0000000000000000000000000000000000000000000000000000000000000080"
		  "0000000000000000000000000000000000000000000000000000000000000120"
		  "0000000000000000000000000000000000000000000000000000000000000001"
		  "000000000000000000000000d8da6bf26964af9d7eed9e03e53415d37aa96045"
		  "000000000000000000000000d8da6bf26964af9d7eed9e03e53415d37aa96045"
		  "000000000000000000000000d8da6bf26964af9d7eed9e03e53415d37aa96045"
		  "0000000000000000000000000000000000000000000000000000000000000007"
		  "0000000000000000000000000000000000000000000000000000000000000002"
		  "2222222222222222222222222222222222222222222222222222222222222222"
		  "2222222222222222222222222222222222222222222222222222222222222222"
		  "0000000000000000000000000000000000000000000000000000000000000008"
		  "0000000000000000000000000000000000000000000000000000000000000000"
		  "0000000000000000000000000000000000000000000000000000000000000080"
		  "00000000000000000000000000000000000000000000000000000000000000a0"
		  "0000000000000000000000000000000000000000000000000000000000000000"
		  "0000000000000000000000000000000000000000000000000000000000000000"
		  "0000000000000000000000000000000000000000000000000000000000000001"
		  "0000000000000000000000000000000000000000000000000000000000000005"
		  "2222222222222222222222222222222222222222222222222222222222222222");
	struct span data = span_of(call.p + 4, call.n - 4);
	struct abi_value *v, *diff;
	struct why why;

	(void)state;
	assert_round_trip(types, data);
	assert_int_equal(abi_decode(&v, types, data, &why), ETH_OK);
	assert_int_equal(v->items.n, 9);
	assert_int_equal(v->items.p[7].items.n, 2);
	diff = &v->items.p[7].items.p[0];
	assert_int_equal(diff->items.p[2].items.n, 1);
	assert_int_equal(diff->items.p[3].items.n, 2);
	assert_int_equal(diff->items.p[3].items.p[1].word.be[31], 0x22);
	abi_value_free(v);
	unhex_free(call);
}

static void good_types(void **state)
{
	static const char *const types[] = {
	    "()",
	    "(uint8)",
	    "(uint256)",
	    "(bytes1,bytes32)",
	    "(uint8[3][2])",
	    "((((((((uint8))))))))",
	    "(uint8[][][][][][][])",
	    "(uint8[65536])",
	};
	struct abi_value *v;
	struct why why;

	(void)state;
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
		assert_int_equal(abi_decode(&v, types[i], span_of(NULL, 0), &why),
				 i == 0 ? ETH_OK : ETH_MALFORMED);
		abi_value_free(v);
	}
}

static void bad_types(void **state)
{
	static const char *const types[] = {
	    "",
	    "uint8",
	    "(",
	    "(uint8",
	    "(uint8,",
	    "(uint8,)",
	    "(,uint8)",
	    "(uint)",
	    "(uint0)",
	    "(uint7)",
	    "(uint08)",
	    "(uint264)",
	    "(uint99999999999999999999)",
	    "(int256)",
	    "(bytes0)",
	    "(bytes33)",
	    "(bytes08)",
	    "(addresses)",
	    "(uint8[)",
	    "(uint8[0])",
	    "(uint8[-1])",
	    "(uint8[65537])",
	    "(uint8[65536][65536])",
	    "(uint8[99999999999999999999])",
	    "(uint8 )",
	    "( uint8)",
	    "(uint8)x",
	    "(uint8)[]",
	    "(())",
	    "(()[])",
	    "(uint8[][][][][][][][])",
	    "(((((((((uint8)))))))))",
	    "((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((",
	    "(uint8,uint8,uint8,uint8,uint8,uint8,uint8,uint8,uint8,uint8,uint8,uint8,uint8,uint8,"
	    "uint8,uint8,uint8,uint8,uint8,uint8,uint8,uint8,uint8,uint8,uint8,uint8,uint8,uint8,"
	    "uint8,uint8,uint8,uint8,uint8,uint8,uint8,uint8,uint8,uint8,uint8,uint8,uint8,uint8,"
	    "uint8,uint8,uint8,uint8,uint8,uint8,uint8,uint8,uint8,uint8,uint8,uint8,uint8,uint8,"
	    "uint8,uint8,uint8,uint8,uint8,uint8,uint8,uint8,uint8,uint8,uint8,uint8,uint8,uint8)",
	};
	static const uint8_t zeros[1024];
	struct abi_value *v;
	struct why why;
	struct buf out;

	(void)state;
	buf_init(&out, 100);
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
		if (abi_decode(&v, types[i], span_of(zeros, sizeof zeros), &why) !=
		    ETH_BAD_ARGUMENT)
			fail_msg("%s is taken", types[i]);
		assert_null(v);
		assert_says(&why, "is no ABI type");
		assert_int_equal(abi_encode(&out, types[i], NULL, 0, &why), ETH_BAD_ARGUMENT);
	}
	assert_int_equal(abi_encode_call(&out, "noParentheses", NULL, 0, &why), ETH_BAD_ARGUMENT);
	assert_int_equal(abi_encode_call(&out, "(uint8)", NULL, 0, &why), ETH_BAD_ARGUMENT);
	assert_int_equal(abi_encode_call(&out, "f()", NULL, 0, &why), ETH_OK);
	assert_hex(out.p, out.len, "26121ff0");
	buf_free(&out);
}

static void bad_arguments(void **state)
{
	uint8_t ones[32];
	struct abi_value two[2], v;
	struct uint256 wide;
	struct why why;
	struct buf out;

	(void)state;
	memset(ones, 0xff, sizeof ones);
	memcpy(wide.be, ones, 32);
	buf_init(&out, 1000);
	v = abi_u64(256);
	assert_int_equal(abi_encode(&out, "(uint8)", &v, 1, &why), ETH_BAD_ARGUMENT);
	assert_says(&why, "value 1: 0x100 does not fit uint8");
	assert_int_equal(abi_encode(&out, "(bool)", &v, 1, &why), ETH_BAD_ARGUMENT);
	assert_says(&why, "a number is given where a bool is expected");
	assert_int_equal(abi_encode(&out, "(uint256,uint256)", &v, 1, &why), ETH_BAD_ARGUMENT);
	assert_says(&why, "1 values are given");
	v = abi_uint(&wide);
	v.kind = ABI_ADDRESS;
	assert_int_equal(abi_encode(&out, "(address)", &v, 1, &why), ETH_BAD_ARGUMENT);
	assert_says(&why, "is not an address");
	v = abi_bytes32(ones);
	assert_int_equal(abi_encode(&out, "(bytes31)", &v, 1, &why), ETH_BAD_ARGUMENT);
	assert_says(&why, "does not fit bytes31");
	two[0] = abi_u64(1);
	two[1] = abi_string("x");
	v = abi_list(two, 2);
	assert_int_equal(abi_encode(&out, "(uint256[])", &v, 1, &why), ETH_BAD_ARGUMENT);
	assert_says(&why, "value 1: value 2: a string is given where a number is expected");
	assert_int_equal(abi_encode(&out, "(uint256[3])", &v, 1, &why), ETH_BAD_ARGUMENT);
	assert_says(&why, "a list of 2 values is given where 3 are expected");
	assert_int_equal(abi_encode_call(&out, "f((uint256,bool))", &v, 1, &why), ETH_BAD_ARGUMENT);
	assert_int_equal(out.len, 0);
	buf_free(&out);
}

static void malformed_data(void **state)
{
	static const char *const vectors[][3] = {
	    {"(uint256)", "", "32 bytes are expected, 0 are left"},
	    {"(uint8)", WORD("01") "00", NULL},
	    {"(uint8)", ONES, "does not fit uint8"},
	    {"(bool)", WORD("02"), "0x2 is not a bool"},
	    {"(bool)", ONES, "is not a bool"},
	    {"(address)", ONES, "is not an address"},
	    {"(bytes4)", WORD("01"), "does not fit bytes4"},
	    {"(bytes)", WORD("20"), "the data ends 0 bytes into a word"},
	    {"(bytes)", WORD("00") WORD("00"), "an offset of 0 into a head of 32 bytes"},
	    {"(bytes)", WORD("21") WORD("00") "00", "an offset of 33 into"},
	    {"(bytes)", WORD("60") WORD("00"), "an offset of 0x60, but the data has room for 64"},
	    {"(bytes)", ONES WORD("00"), "an offset of 0xffff"},
	    {"(bytes)", WORD("20") WORD("00"), NULL},
	    {"(bytes)", WORD("20") WORD("01"), "a length of 0x1, but the data has room for 0"},
	    {"(bytes)", WORD("20") ONES WORD("00"), "a length of 0xffff"},
	    {"(bytes)", WORD("20") WORD("01") "aa", "the padding behind 1 bytes"},
	    {"(bytes)", WORD("20") WORD("01") WORD("aa"), "the padding behind 1 bytes"},
	    {"(string)", WORD("20") WORD("20") ONES, NULL},
	    {"(uint256[])", WORD("20") ONES, "a count of 0xffff"},
	    {"(uint256[])", WORD("20") WORD("01"), "a count of 0x1, but the data has room for 0"},
	    {"(uint256[])", WORD("20") WORD("00"), NULL},
	    {"(bytes[])", WORD("20") WORD("01") WORD("00"), "an offset of 0 into"},
	    {"(bytes[])", WORD("20") WORD("01") WORD("20") WORD("00"), NULL},
	    {"(uint256[2])", WORD("20"), "64 bytes are expected"},
	    {"(uint8[65536][8])", WORD("20"), "16777216 bytes are expected"},
	};
	struct abi_value *v;
	struct why why;

	(void)state;
	for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
		struct span data = unhex(vectors[i][1]);
		enum eth_error err = abi_decode(&v, vectors[i][0], data, &why);

		if (vectors[i][2]) {
			assert_int_equal(err, ETH_MALFORMED);
			assert_null(v);
			assert_says(&why, vectors[i][2]);
		} else {
			assert_int_equal(err, ETH_OK);
		}
		abi_value_free(v);
		unhex_free(data);
	}
	abi_value_free(NULL);
}

/* n offsets that all name the same array of n numbers: n * n values from 2n words. */
static void overlapping_offsets(void **state)
{
	enum { N = 500 };
	struct uint256 word;
	struct abi_value *v;
	struct why why;
	struct buf data;

	(void)state;
	buf_init(&data, 1 << 20);
	word = uint256_from_u64(32);
	assert_true(buf_add(&data, word.be, 32));
	word = uint256_from_u64(N);
	assert_true(buf_add(&data, word.be, 32));
	word = uint256_from_u64(N * 32);
	for (size_t i = 0; i < N; i++)
		assert_true(buf_add(&data, word.be, 32));
	word = uint256_from_u64(N);
	for (size_t i = 0; i <= N; i++)
		assert_true(buf_add(&data, word.be, 32));
	assert_int_equal(abi_decode(&v, "(uint256[][])", buf_span(&data), &why), ETH_MALFORMED);
	assert_says(&why, "more values than the data can hold");
	buf_free(&data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(selectors),           cmocka_unit_test(verify_batches),
	    cmocka_unit_test(nested_tuples),       cmocka_unit_test(commit_batch),
	    cmocka_unit_test(good_types),          cmocka_unit_test(bad_types),
	    cmocka_unit_test(bad_arguments),       cmocka_unit_test(malformed_data),
	    cmocka_unit_test(overlapping_offsets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
