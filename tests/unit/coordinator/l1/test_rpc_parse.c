/* Bytes of JSON-RPC replies -> values, and node errors -> meanings. */
#include "coordinator/l1/rpc_parse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HASH_A "0xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HASH_B "0xbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static enum rpc_parsed_kind parse(struct rpc_parsed *p, const char *text, struct why *why)
{
	why->text[0] = '\0';
	return rpc_parse_reply(p, span_of(text, strlen(text)), 7, why);
}

static void test_results(void **state)
{
	static const char *const good[] = {
	    "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":null}",
	    " {\"result\":\"0x1\",\"id\":7,\"jsonrpc\":\"2.0\"} \n",
	    "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{},\"error\":null}",
	    "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":[],\"extra\":1}",
	};
	struct rpc_parsed p;
	struct why why;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof good / sizeof good[0]; i++) {
		assert_int_equal(parse(&p, good[i], &why), RPC_PARSED_RESULT);
		assert_non_null(p.result);
		rpc_parsed_free(&p);
	}
}

static void test_bad_replies(void **state)
{
	static const char *const bad[] = {
	    "",
	    "null",
	    "[]",
	    "{}",
	    "{\"jsonrpc\":\"2.0\",\"id\":7}",
	    "{\"jsonrpc\":\"1.0\",\"id\":7,\"result\":1}",
	    "{\"id\":7,\"result\":1}",
	    "{\"jsonrpc\":\"2.0\",\"result\":1}",
	    "{\"jsonrpc\":\"2.0\",\"id\":8,\"result\":1}",
	    "{\"jsonrpc\":\"2.0\",\"id\":\"7\",\"result\":1}",
	    "{\"jsonrpc\":\"2.0\",\"id\":7.0,\"result\":1}",
	    "{\"jsonrpc\":\"2.0\",\"id\":null,\"result\":1}",
	    "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":1}{}",
	    "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":1,\"result\":2}",
	    "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":1,\"error\":{\"code\":1,\"message\":\"x\"}}",
	    "{\"jsonrpc\":\"2.0\",\"id\":7,\"error\":null}",
	    "{\"jsonrpc\":\"2.0\",\"id\":7,\"error\":\"x\"}",
	    "{\"jsonrpc\":\"2.0\",\"id\":7,\"error\":{\"code\":\"1\",\"message\":\"x\"}}",
	    "{\"jsonrpc\":\"2.0\",\"id\":7,\"error\":{\"code\":1}}",
	    "[{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":1}]",
	    "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":1",
	    "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":\"\xff\"}",
	};
	struct rpc_parsed p;
	struct why why;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		if (parse(&p, bad[i], &why) != RPC_PARSED_BAD)
			fail_msg("accepted: %s", bad[i]);
		assert_true(why.text[0]);
		assert_null(p.root);
	}
}

/* The value that failed stands in the sentence. */
static void test_what_bad_replies_say(void **state)
{
	static const struct {
		const char *text, *said;
	} bad[] = {
	    {"{\"message\":\"Limit Exceeded\"}",
	     "the reply is not a JSON-RPC 2.0 object ({\"message\":\"Limit Exceeded\"})"},
	    {"{\"jsonrpc\":\"2.0\",\"id\":\"7\",\"result\":1}",
	     "the reply carries another id (\"7\") than the request's 7"},
	    {"{\"jsonrpc\":\"2.0\",\"result\":1}", "another id ((absent)) than"},
	    {"{\"jsonrpc\":\"2.0\",\"id\":7,\"error\":\"over quota\"}",
	     "no integer code and string message: \"over quota\""},
	    {"{\"jsonrpc\":\"2.0\",\"id\":7,\"error\":{\"code\":\"-1\",\"message\":\"quota\"}}",
	     "{\"code\":\"-1\",\"message\":\"quota\"}"},
	    {"{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":1,\"error\":{\"code\":1,\"message\":\"x\"}}",
	     "both result and error ({"},
	    {"\x1f\x8b\x08", "the reply of 3 bytes is compressed"},
	};
	struct rpc_parsed p;
	struct why why;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_int_equal(parse(&p, bad[i].text, &why), RPC_PARSED_BAD);
		if (!strstr(why.text, bad[i].said))
			fail_msg("%s", why.text);
	}
}

static void test_errors(void **state)
{
	static const struct {
		const char *error;
		enum node_error meaning;
		int data; /* length, -1: none */
	} cases[] = {
	    {"{\"code\":3,\"message\":\"execution reverted\",\"data\":\"0x\"}", NODE_REVERTED, 0},
	    {"{\"code\":3,\"message\":\"execution reverted\"}", NODE_REVERTED, -1},
	    {"{\"code\":3,\"message\":\"whatever\",\"data\":\"0x62013a95\"}", NODE_REVERTED, 4},
	    {"{\"code\":-32000,\"message\":\"execution "
	     "reverted\",\"data\":{\"data\":\"0x62013a95\"}}",
	     NODE_REVERTED, 4},
	    {"{\"code\":-32603,\"message\":\"Execution reverted\",\"data\":{\"originalError\":"
	     "{\"code\":3,\"data\":\"0x6201\"}}}",
	     NODE_REVERTED, 2},
	    {"{\"code\":-32015,\"message\":\"VM execution error.\",\"data\":\"Reverted "
	     "0x62013a95\"}",
	     NODE_REVERTED, 4},
	    {"{\"code\":-32000,\"message\":\"execution reverted: 0x62013a95\"}", NODE_REVERTED, 4},
	    {"{\"code\":-32000,\"message\":\"execution reverted: 0x62013a9\"}", NODE_REVERTED, -1},
	    /* a hash in some other message is no revert data */
	    {"{\"code\":-32000,\"message\":\"unknown block 0x62013a95\"}", NODE_OTHER, -1},
	    {"{\"code\":-32000,\"message\":\"World state unavailable\",\"data\":\"of block "
	     "0x62013a95\"}",
	     NODE_OTHER, -1},
	    {"{\"code\":-32000,\"message\":\"x\",\"data\":[1]}", NODE_OTHER, -1},
	    {"{\"code\":-32000,\"message\":\"x\",\"data\":\"0xzz\"}", NODE_OTHER, -1},
	};
	struct rpc_parsed p;
	struct why why;
	char text[512];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		snprintf(text, sizeof text, "{\"jsonrpc\":\"2.0\",\"id\":7,\"error\":%s}",
			 cases[i].error);
		assert_int_equal(parse(&p, text, &why), RPC_PARSED_ERROR);
		assert_int_equal(p.node_error, cases[i].meaning);
		assert_int_equal(p.has_data, cases[i].data >= 0);
		if (p.has_data)
			assert_int_equal(p.data.len, cases[i].data);
		rpc_parsed_free(&p);
	}
	/* the request could not be read, so the id is null */
	assert_int_equal(parse(&p,
			       "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32600,"
			       "\"message\":\"bad\\u001b[31m\\nreq\\u0000est\"}}",
			       &why),
			 RPC_PARSED_ERROR);
	assert_string_equal(p.message, "bad [31m req est");
	rpc_parsed_free(&p);
}

static void test_an_error_with_a_null_result(void **state)
{
	struct rpc_parsed p;
	struct why why;

	(void)state;
	assert_int_equal(parse(&p,
			       "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":null,"
			       "\"error\":{\"code\":3,\"message\":\"execution reverted\"}}",
			       &why),
			 RPC_PARSED_ERROR);
	assert_int_equal(p.node_error, NODE_REVERTED);
	rpc_parsed_free(&p);
}

static void test_long_message_is_cut_between_characters(void **state)
{
	struct rpc_parsed p;
	struct why why;
	char text[2048] = "{\"jsonrpc\":\"2.0\",\"id\":7,\"error\":{\"code\":1,\"message\":\"";
	size_t n;
	int i;

	(void)state;
	for (i = 0; i < 200; i++)
		strcat(text, "\xe2\x82\xac"); /* three bytes each */
	strcat(text, "\"}}");
	assert_int_equal(parse(&p, text, &why), RPC_PARSED_ERROR);
	n = strlen(p.message);
	assert_true(n > 200 && n < sizeof p.message);
	assert_int_equal(n % 3, 0);
	rpc_parsed_free(&p);
}

static void test_classes(void **state)
{
	static const struct {
		const char *message;
		enum node_error meaning;
	} cases[] = {
	    {"nonce too low: next nonce 12, tx nonce 9", NODE_NONCE_TOO_LOW},
	    {"nonce too low", NODE_NONCE_TOO_LOW},
	    {"already known", NODE_ALREADY_KNOWN},
	    {"transaction already imported", NODE_ALREADY_KNOWN},
	    {"replacement transaction underpriced", NODE_REPLACEMENT_UNDERPRICED},
	    {"transaction underpriced", NODE_UNDERPRICED},
	    {"insufficient funds for gas * price + value: balance 1, tx cost 2, overshot 1",
	     NODE_INSUFFICIENT_FUNDS},
	    {"Insufficient funds for gas * price + value", NODE_INSUFFICIENT_FUNDS},
	    {"max fee per gas less than block base fee", NODE_FEE_BELOW_BASE},
	    {"gas required exceeds allowance (16777216)", NODE_GAS_TOO_HIGH},
	    {"transaction gas limit too high (cap: 16777216, tx: 20000000)", NODE_GAS_TOO_HIGH},
	    {"intrinsic gas too high -- tx.gas_limit > env.cfg.tx_gas_limit_cap",
	     NODE_GAS_TOO_HIGH},
	    {"exceeds max transaction gas limit", NODE_GAS_TOO_HIGH},
	    {"exceeds block gas limit", NODE_EXCEEDS_BLOCK_GAS},
	    {"invalid sender: invalid chain id for signer: have 1 want 2", NODE_WRONG_CHAIN_ID},
	    {"invalid chain ID", NODE_WRONG_CHAIN_ID},
	    {"tx fee (2.00 ether) exceeds the configured cap (1.00 ether)", NODE_FEE_OVER_CAP},
	    {"oversized data: transaction size 140000, limit 131072", NODE_OVERSIZED},
	    {"transaction indexing is in progress", NODE_INDEXING},
	    {"execution reverted: nonce too low", NODE_REVERTED},
	    {"out of gas", NODE_GAS_TOO_HIGH},
	    {"max priority fee per gas higher than max fee per gas", NODE_OTHER},
	    {"", NODE_OTHER},
	};
	uint64_t next = 0;
	bool has;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		assert_int_equal(node_error_classify(-32000, cases[i].message, &has, &next),
				 cases[i].meaning);
		assert_int_equal(has, i == 0);
		assert_true(node_error_text(cases[i].meaning)[0]);
	}
	assert_int_equal(next, 12);
	node_error_classify(-32000, "nonce too low: next nonce 99999999999999999999, tx nonce 1",
			    &has, &next);
	assert_false(has);
	node_error_classify(-32000, "nonce too low: address 0x1, tx: 5 state: 7", &has, &next);
	assert_true(has && next == 7);
}

static json_t *json(const char *text)
{
	json_t *v = json_loads(text, JSON_DECODE_ANY, NULL);

	assert_non_null(v);
	return v;
}

static void test_numbers(void **state)
{
	static const struct {
		const char *text;
		bool ok;
		uint64_t value;
	} cases[] = {
	    {"\"0x0\"", true, 0},
	    {"\"0x0000000000000000000000000000000000000000000000000000000000000001\"", true, 1},
	    {"\"0xffffffffffffffff\"", true, UINT64_MAX},
	    {"\"0xAbC\"", true, 0xabc},
	    {"\"0x10000000000000000\"", false, 0},
	    {"\"0x\"", false, 0},
	    {"\"1\"", false, 0},
	    {"\"0x0x\"", false, 0},
	    {"\"0x0x1234567812345678123456781234567812345678123456781234567812345678\"", false, 0},
	    {"\"0xg\"", false, 0},
	    {"\"-0x1\"", false, 0},
	    {"\"0x00000000000000000000000000000000000000000000000000000000000000001\"", false, 0},
	    {"1", false, 0},
	    {"null", false, 0},
	};
	struct why why;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		json_t *v = json(cases[i].text);
		uint64_t out = 77;

		why.text[0] = '\0';
		if (rpc_parse_u64(v, &out, &why) != cases[i].ok)
			fail_msg("%s", cases[i].text);
		assert_true(out == (cases[i].ok ? cases[i].value : 77));
		assert_true(cases[i].ok || why.text[0]);
		json_decref(v);
	}
}

static void test_data(void **state)
{
	json_t *v = json("\"0x0102\""), *odd = json("\"0x012\""), *plain = json("\"0102\"");
	uint8_t two[2];
	struct buf b;
	struct why why;

	(void)state;
	buf_init(&b, 3);
	assert_true(rpc_parse_data(v, &b, &why));
	assert_int_equal(b.len, 2);
	assert_false(rpc_parse_data(v, &b, &why)); /* over the ceiling */
	assert_int_equal(b.len, 2);
	assert_false(rpc_parse_data(odd, &b, &why));
	assert_false(rpc_parse_data(plain, &b, &why));
	assert_true(rpc_parse_fixed(v, two, 2, &why));
	assert_int_equal(two[1], 2);
	assert_false(rpc_parse_fixed(v, two, 1, &why));
	buf_free(&b);
	json_decref(v);
	json_decref(odd);
	json_decref(plain);
}

#define RECEIPT(status, block)                                                                     \
	"{\"status\":" status ",\"blockNumber\":" block ",\"blockHash\":\"" HASH_A                 \
	"\",\"transactionHash\":\"" HASH_B                                                         \
	"\",\"gasUsed\":\"0x5208\",\"effectiveGasPrice\":\"0x3b9aca00\"}"

static void test_receipts(void **state)
{
	static const char *const bad[] = {"[]", RECEIPT("\"0x2\"", "\"0x5\""),
					  RECEIPT("null", "\"0x5\""), RECEIPT("\"0x1\"", "5"),
					  "{\"blockNumber\":\"0x1\",\"blockHash\":\"0x12\"}"};
	static const char *const said[] = {
	    "not an object", "status 2 is neither", "receipt: status: null is not a hex quantity",
	    "receipt: blockNumber: 5 is not", "receipt: status: (absent) is not"};
	struct rpc_receipt r;
	struct why why;
	bool found = true;
	json_t *v;
	size_t i;

	(void)state;
	v = json("null");
	assert_true(rpc_parse_receipt(v, &found, &r, &why));
	assert_false(found);
	json_decref(v);
	v = json(RECEIPT("\"0x1\"", "null"));
	assert_true(rpc_parse_receipt(v, &found, &r, &why));
	assert_false(found);
	json_decref(v);
	v = json(RECEIPT("\"0x1\"", "\"0x10\""));
	assert_true(rpc_parse_receipt(v, &found, &r, &why));
	assert_true(found && r.ok);
	assert_int_equal(r.block_number, 16);
	assert_int_equal(r.gas_used, 21000);
	assert_int_equal(r.effective_gas_price, 1000000000);
	assert_int_equal(r.tx_hash[0], 0xbb);
	assert_int_equal(r.block_hash[31], 0xaa);
	json_decref(v);
	v = json(RECEIPT("\"0x0\"", "\"0x10\""));
	assert_true(rpc_parse_receipt(v, &found, &r, &why));
	assert_true(found && !r.ok);
	json_decref(v);
	for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		v = json(bad[i]);
		found = true;
		why.text[0] = '\0';
		assert_false(rpc_parse_receipt(v, &found, &r, &why));
		assert_false(found);
		if (!strstr(why.text, said[i]))
			fail_msg("%s", why.text);
		json_decref(v);
	}
}

static void test_fee_history(void **state)
{
	static const char *const bad[] = {"null", "{}", "{\"baseFeePerGas\":[]}",
					  "{\"baseFeePerGas\":[1]}",
					  "{\"baseFeePerGas\":[\"0x1\"],\"reward\":[[\"x\"]]}"};
	struct rpc_fee_history h;
	struct why why;
	json_t *v;
	size_t i;

	(void)state;
	v = json("{\"baseFeePerGas\":[\"0x1\",\"0x2\",\"0x3\"],\"reward\":[[\"0x9\"],[\"0x0\"],"
		 "[\"0x5\"],[\"0x7\"]]}");
	assert_true(rpc_parse_fee_history(v, &h, &why));
	assert_int_equal(h.next_base_fee, 3);
	assert_true(h.has_tip);
	assert_int_equal(h.tip, 7);
	json_decref(v);
	v = json("{\"baseFeePerGas\":[\"0x2\"],\"reward\":[]}");
	assert_true(rpc_parse_fee_history(v, &h, &why));
	assert_false(h.has_tip);
	json_decref(v);
	for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		v = json(bad[i]);
		assert_false(rpc_parse_fee_history(v, &h, &why));
		json_decref(v);
	}
}

static void test_blocks(void **state)
{
	struct rpc_block b;
	struct why why;
	bool found;
	json_t *v;

	(void)state;
	v = json("{\"number\":\"0x11\",\"timestamp\":\"0x65\",\"hash\":\"" HASH_A
		 "\",\"parentHash\":\"" HASH_B "\"}");
	assert_true(rpc_parse_block(v, &found, &b, &why));
	assert_true(found && b.number == 17 && b.timestamp == 101 && b.parent_hash[0] == 0xbb);
	json_decref(v);
	v = json("null");
	assert_true(rpc_parse_block(v, &found, &b, &why));
	assert_false(found);
	json_decref(v);
	v = json("{\"number\":\"0x11\"}");
	assert_false(rpc_parse_block(v, &found, &b, &why));
	assert_string_equal(why.text, "block: timestamp: (absent) is not a hex quantity");
	json_decref(v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_results),
	    cmocka_unit_test(test_bad_replies),
	    cmocka_unit_test(test_what_bad_replies_say),
	    cmocka_unit_test(test_errors),
	    cmocka_unit_test(test_an_error_with_a_null_result),
	    cmocka_unit_test(test_long_message_is_cut_between_characters),
	    cmocka_unit_test(test_classes),
	    cmocka_unit_test(test_numbers),
	    cmocka_unit_test(test_data),
	    cmocka_unit_test(test_receipts),
	    cmocka_unit_test(test_fee_history),
	    cmocka_unit_test(test_blocks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
