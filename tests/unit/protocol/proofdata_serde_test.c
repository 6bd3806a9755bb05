/* serde's rules, one line each: what is accepted, what is refused, and in which words. */
#include "protocol/proofdata.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct proto_limits limits = {.proof_max = 64, .payload_max = 16};

struct rule {
	const char *json;
	enum proto_err err;
	const char *words; /* in the sentence, where err */
};

#define REQUEST(x) "{\"InputRequest\":" x "}"
#define SETUP(x)   "{\"ProverSetup\":{\"prover_type\":\"TDX\",\"payload\":" x "}}"
#define PROOF(x)                                                                                   \
	"{\"ProofSubmit\":{\"id\":7,\"proof\":{\"Proof\":{\"prover_type\":\"TDX\",\"proof\":" x    \
	"}}}}"
#define ACK(x) "{\"ProofSubmitACK\":{\"id\":" x "}}"
#define CALLDATA(x)                                                                                \
	"{\"ProofSubmit\":{\"batch_number\":7,\"batch_proof\":{\"ProofCalldata\":{\"prover_"       \
	"type\":\"SP1\",\"calldata\":" x "}}}}"
#define OF_TYPE(x)  "{\"ProverTypeNotNeeded\":{\"prover_type\":" x "}}"
#define RESPONSE(x) "{\"InputResponse\":" x "}"

static const struct rule rules[] = {
    /* white space, one document */
    {" \t\r\n\"VersionMismatch\" \r\n", PROTO_OK, ""},
    {"", PROTO_NOT_JSON, "the text ends at byte 0 where a value was expected"},
    {"  ", PROTO_NOT_JSON, "byte 2"},
    {"\xef\xbb\xbf\"VersionMismatch\"", PROTO_NOT_JSON,
     "byte 0: expected a value, found the byte 239"},
    {"\"VersionMismatch\"\"VersionMismatch\"", PROTO_NOT_JSON, "byte 17"},
    {"\"VersionMismatch\" x", PROTO_NOT_JSON, "byte 18: expected nothing but white space"},
    {"{\"VersionMismatch\":null}{}", PROTO_NOT_JSON, "byte 24"},
    {"{\"VersionMismatch\":null,}", PROTO_NOT_JSON, "byte 24: expected a key"},
    {"{\"VersionMismatch\":null", PROTO_NOT_JSON, "the text ends at byte 23"},
    {"{'VersionMismatch':null}", PROTO_NOT_JSON, "byte 1"},
    {"GET / HTTP/1.1\r\n\r\n", PROTO_NOT_JSON, "byte 0: expected a value, found 'G'"},

    /* the outer enum */
    {"{}", PROTO_WRONG_LENGTH, "{}"},
    {"[]", PROTO_WRONG_TYPE, "found an array at byte 0"},
    {"null", PROTO_WRONG_TYPE, "found null"},
    {"7", PROTO_WRONG_TYPE, "found a number"},
    {"true", PROTO_WRONG_TYPE, "found a boolean"},
    {"\"Hello\"", PROTO_UNKNOWN_VARIANT,
     "unknown variant `Hello` at byte 0, expected one of `InputRequest`, `BatchRequest`"},
    {"{\"Hello\":1}", PROTO_UNKNOWN_VARIANT, "`ProofSubmitACK`, `ProverSetup`"},
    {"\"inputrequest\"", PROTO_UNKNOWN_VARIANT, "`inputrequest`"},
    {"\"VersionMismatch\\u0000\"", PROTO_UNKNOWN_VARIANT, ""},
    {"\"\"", PROTO_UNKNOWN_VARIANT, "unknown variant ``"},
    {"{\"VersionMismatch\":null,\"VersionMismatch\":null}", PROTO_WRONG_LENGTH,
     "a second key at byte 24"},
    {"{\"VersionMismatch\":null,\"x\":1}", PROTO_WRONG_LENGTH, "second key"},
    {REQUEST("[\"a\",\"TDX\"],\"x\":1"), PROTO_WRONG_LENGTH, "second key"},

    /* unit variants */
    {"{\"VersionMismatch\":null}", PROTO_OK, ""},
    {"{\"VersionMismatch\":{}}", PROTO_WRONG_TYPE, "VersionMismatch: expected null"},
    {"{\"VersionMismatch\":[]}", PROTO_WRONG_TYPE, "found an array"},
    {"{\"ProverSetupACK\":null}", PROTO_OK, ""},
    {"{\"ProverSetupACK\":\"ProverSetupACK\"}", PROTO_WRONG_TYPE, "found a string"},
    {"{\"ProverSetupACK\":false}", PROTO_WRONG_TYPE, "found a boolean"},
    {"{\"BatchRequest\":null}", PROTO_OK, ""},

    /* struct variants: objects */
    {REQUEST("{\"prover_type\":\"TDX\",\"commit_hash\":\"a\"}"), PROTO_OK, ""},
    {REQUEST("{\"x\":{\"y\":[1,{}]},\"commit_hash\":\"a\",\"z\":\"\",\"prover_type\":\"TDX\"}"),
     PROTO_OK, ""},
    {REQUEST("{\"x\":1,\"x\":2,\"commit_hash\":\"a\",\"prover_type\":\"TDX\"}"), PROTO_OK, ""},
    {REQUEST("{\"x\":\"\xff\xfe\\ud800\",\"commit_hash\":\"a\",\"prover_type\":\"TDX\"}"), PROTO_OK,
     ""},
    {REQUEST("{\"\xff\":1,\"commit_hash\":\"a\",\"prover_type\":\"TDX\"}"), PROTO_BAD_STRING,
     "not UTF-8"},
    {REQUEST("{\"commit_hash\":\"a\"}"), PROTO_MISSING_FIELD, "missing field `prover_type`"},
    {REQUEST("{\"prover_type\":\"TDX\"}"), PROTO_MISSING_FIELD, "missing field `commit_hash`"},
    {REQUEST("{}"), PROTO_MISSING_FIELD, "InputRequest: missing field `commit_hash`"},
    {REQUEST("{\"commit_hash\":\"a\",\"prover_type\":\"TDX\",\"commit_hash\":\"a\"}"),
     PROTO_DUPLICATE_FIELD, "duplicate field `commit_hash` at byte"},
    {REQUEST("{\"commit_hash\":\"a\",\"prover_type\":\"TDX\",\"commit\\u005fhash\":\"a\"}"),
     PROTO_DUPLICATE_FIELD, "`commit_hash`"},
    {REQUEST("{\"Commit_Hash\":\"a\",\"prover_type\":\"TDX\"}"), PROTO_MISSING_FIELD,
     "`commit_hash`"},
    {REQUEST("null"), PROTO_WRONG_TYPE, "found null"},
    {REQUEST("7"), PROTO_WRONG_TYPE, "found a number"},
    {REQUEST("\"a\""), PROTO_WRONG_TYPE, "found a string"},
    {"\"InputRequest\"", PROTO_WRONG_TYPE, "found a bare name"},
    {"\"ProofSubmit\"", PROTO_WRONG_TYPE, "found a bare name"},
    {"{\"BatchRequest\":{}}", PROTO_MISSING_FIELD, "`commit_hash`"},
    {"{\"BatchRequest\":true}", PROTO_WRONG_TYPE, "found a boolean"},
    {REQUEST("{\"commit_hash\":null,\"prover_type\":\"TDX\"}"), PROTO_WRONG_TYPE,
     "commit_hash: expected a string, found null"},
    {REQUEST("{\"commit_hash\":7,\"prover_type\":\"TDX\"}"), PROTO_WRONG_TYPE, "found a number"},

    /* struct variants: arrays in field order */
    {REQUEST("[\"abc\",\"TDX\"]"), PROTO_OK, ""},
    {REQUEST("[\"abc\"]"), PROTO_WRONG_LENGTH, "expected 2 elements, found 1"},
    {REQUEST("[]"), PROTO_WRONG_LENGTH, "found 0"},
    {REQUEST("[\"abc\",\"TDX\",1]"), PROTO_WRONG_LENGTH, "expected 2 elements, found more"},
    {REQUEST("[\"TDX\",\"abc\"]"), PROTO_UNKNOWN_VARIANT, "prover_type: unknown variant `abc`"},
    {"{\"BatchRequest\":[\"abc\"]}", PROTO_OK, ""},
    {"{\"BatchRequest\":[\"abc\",{\"TDX\":null}]}", PROTO_OK, ""},
    {"{\"BatchRequest\":[\"abc\",\"TDX\",[\"evm-l2\"]]}", PROTO_OK, ""},
    {"{\"BatchRequest\":[]}", PROTO_WRONG_LENGTH, "`commit_hash`"},
    {"{\"BatchResponse\":[null,null]}", PROTO_OK, ""},
    {"{\"BatchResponse\":[1,{},null]}", PROTO_OK, ""},
    {"{\"BatchResponse\":[1,{},null,null]}", PROTO_OK, ""},
    {"{\"BatchResponse\":[1]}", PROTO_WRONG_LENGTH, "`input`"},
    {RESPONSE("[1,{}]"), PROTO_WRONG_LENGTH, "`format`"},
    {RESPONSE("[1,{},null]"), PROTO_OK, ""},
    {"{\"ProverSetup\":[\"TDX\",[1,2]]}", PROTO_OK, ""},
    {"{\"ProofSubmit\":[7,{\"Proof\":[\"TDX\",[1,2]]}]}", PROTO_OK, ""},
    {"{\"ProofSubmit\":[7,{\"ProofWithPublicValues\":[[\"TDX\",[1,2]],[3]]}]}", PROTO_OK, ""},
    {"{\"ProofSubmit\":[7,{\"ProofCalldata\":[\"TDX\",[{\"Bytes\":[1]}]]}]}", PROTO_OK, ""},
    {"{\"ProofSubmit\":[7,{\"ProofBytes\":[[1],[2]]}]}", PROTO_OK, ""},
    {"{\"ProofSubmit\":[7,{\"ProofBytes\":[\"SP1\",[1],[2]]}]}", PROTO_OK, ""},
    {"{\"ProofSubmit\":[7,{\"ProofBytes\":[\"SP1\",[1],[2]]},\"evm-l2\"]}", PROTO_OK, ""},
    {"{\"ProofSubmit\":[7,[\"TDX\",[{\"Bytes\":[1]}]]]}", PROTO_OK, ""},
    {"{\"ProofSubmit\":[7,{\"prover_type\":\"TDX\",\"calldata\":[]}]}", PROTO_OK, ""},
    {"{\"ProofSubmit\":[7]}", PROTO_WRONG_LENGTH, ""},
    {"{\"ProofSubmitACK\":[7]}", PROTO_OK, ""},
    {"{\"ProofSubmitACK\":[]}", PROTO_WRONG_LENGTH, ""},
    {"{\"ProverTypeNotNeeded\":[\"SP1\"]}", PROTO_OK, ""},
    {"{\"NoBatchForVersion\":[\"abc\"]}", PROTO_OK, ""},

    /* options */
    {RESPONSE("{}"), PROTO_OK, ""},
    {RESPONSE("{\"id\":1}"), PROTO_OK, ""},
    {RESPONSE("{\"id\":\"1\"}"), PROTO_WRONG_TYPE,
     "id: expected an unsigned integer, found a string"},
    {RESPONSE("{\"format\":\"Groth17\"}"), PROTO_UNKNOWN_VARIANT,
     "expected one of `Groth16`, `Compressed`"},
    {RESPONSE("{\"format\":{\"Compressed\":null}}"), PROTO_OK, ""},
    {RESPONSE("{\"format\":{\"Compressed\":1}}"), PROTO_WRONG_TYPE, "format"},
    {"{\"BatchResponse\":{}}", PROTO_OK, ""},

    /* prover types */
    {OF_TYPE("\"Exec\""), PROTO_OK, ""},
    {OF_TYPE("{\"RISC0\":null}"), PROTO_OK, ""},
    {OF_TYPE("\"\\u0054D\\u0058\""), PROTO_OK, ""},
    {OF_TYPE("\"tdx\""), PROTO_UNKNOWN_VARIANT, "unknown variant `tdx`"},
    {OF_TYPE("\"ZisK\""), PROTO_UNKNOWN_VARIANT, "expected one of `Exec`, `RISC0`, `SP1`, `TDX`"},
    {OF_TYPE("3"), PROTO_WRONG_TYPE, "found a number"},
    {OF_TYPE("null"), PROTO_WRONG_TYPE, "found null"},
    {OF_TYPE("{\"TDX\":{}}"), PROTO_WRONG_TYPE, "expected null"},
    {OF_TYPE("{\"TDX\":null,\"SP1\":null}"), PROTO_WRONG_LENGTH, "second key"},
    {OF_TYPE("{}"), PROTO_WRONG_LENGTH, "{}"},

    /* numbers */
    {ACK("0"), PROTO_OK, ""},
    {ACK("9007199254740993"), PROTO_OK, ""},
    {ACK("18446744073709551615"), PROTO_OK, ""},
    {ACK("18446744073709551616"), PROTO_OUT_OF_RANGE, "18446744073709551616 at byte"},
    {ACK("99999999999999999999999999"), PROTO_OUT_OF_RANGE, "more than 18446744073709551615"},
    {ACK("1.0"), PROTO_WRONG_TYPE, "expected an unsigned integer, found 1.0"},
    {ACK("1e0"), PROTO_WRONG_TYPE, "found 1e0"},
    {ACK("-1"), PROTO_WRONG_TYPE, "found -1"},
    {ACK("-0"), PROTO_WRONG_TYPE, "found -0"},
    {ACK("\"1\""), PROTO_WRONG_TYPE, "found a string"},
    {ACK("null"), PROTO_WRONG_TYPE, "found null"},
    {ACK("[1]"), PROTO_WRONG_TYPE, "found an array"},
    {ACK("01"), PROTO_NOT_JSON, "starts with 0"},
    {ACK("+1"), PROTO_NOT_JSON, "found '+'"},
    {ACK("0x1"), PROTO_NOT_JSON, "found 'x'"},
    {ACK("NaN"), PROTO_NOT_JSON, "found 'N'"},

    /* bytes::Bytes */
    {SETUP("[]"), PROTO_OK, ""},
    {SETUP("[0,255]"), PROTO_OK, ""},
    {SETUP("\"\""), PROTO_OK, ""},
    {SETUP("\"0xab\""), PROTO_OK, ""},
    {SETUP("\"\\ud83d\\ude00\""), PROTO_OK, ""},
    {SETUP("\"\\ud83d\""), PROTO_BAD_STRING, "surrogate"},
    {SETUP("\"\\ude00\\ud83d\""), PROTO_BAD_STRING, "surrogate"},
    {SETUP("\"\\ud83d\\u0041\""), PROTO_BAD_STRING, "surrogate"},
    {SETUP("\"\xc0\x80\""), PROTO_BAD_STRING, "not UTF-8"},
    {SETUP("[256]"), PROTO_OUT_OF_RANGE, "payload: 256 at byte"},
    {SETUP("[18446744073709551616]"), PROTO_OUT_OF_RANGE, "payload"},
    {SETUP("[-1]"), PROTO_WRONG_TYPE, "-1"},
    {SETUP("[1.0]"), PROTO_WRONG_TYPE, "1.0"},
    {SETUP("[\"1\"]"), PROTO_WRONG_TYPE, "found a string"},
    {SETUP("[null]"), PROTO_WRONG_TYPE, "found null"},
    {SETUP("[[1]]"), PROTO_WRONG_TYPE, "found an array"},
    {SETUP("{}"), PROTO_WRONG_TYPE, "found an object"},
    {SETUP("null"), PROTO_WRONG_TYPE,
     "payload: expected an array of bytes or a string, found null"},
    {SETUP("[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]"), PROTO_OK, ""},
    {SETUP("[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]"), PROTO_TOO_LONG,
     "payload: longer than the limit of 16 bytes"},
    {SETUP("\"12345678901234567\""), PROTO_TOO_LONG, "16 bytes"},

    /* Vec<u8> */
    {PROOF("[]"), PROTO_OK, ""},
    {PROOF("\"abc\""), PROTO_WRONG_TYPE, "expected an array of bytes, found a string"},
    {PROOF("[256]"), PROTO_OUT_OF_RANGE, "ProofSubmit: proof: Proof: proof: 256 at byte"},
    {"{\"ProofSubmit\":{\"id\":7,\"proof\":{\"ProofWithPublicValues\":{\"proof_bytes\":{\"prover_"
     "type\":"
     "\"TDX\",\"proof\":[]},\"public_values\":\"\"}}}}",
     PROTO_WRONG_TYPE, "public_values"},

    /* which ProofSubmit */
    {"{\"ProofSubmit\":{}}", PROTO_MISSING_FIELD, "`id`"},
    {"{\"ProofSubmit\":{\"id\":7}}", PROTO_MISSING_FIELD, "`proof`"},
    {"{\"ProofSubmit\":{\"batch_number\":7,\"proof\":{\"Proof\":[\"TDX\",[]]}}}",
     PROTO_MISSING_FIELD, "`id`"},
    {"{\"ProofSubmit\":{\"id\":7,\"batch_proof\":{\"ProofBytes\":[[],[]]}}}", PROTO_MISSING_FIELD,
     "`batch_number`"},
    {"{\"ProofSubmit\":{\"id\":7,\"proof\":{\"ProofBytes\":[[],[]]}}}", PROTO_UNKNOWN_VARIANT,
     "proof: unknown variant `ProofBytes` at byte 32, expected one of `Proof`, "
     "`ProofWithPublicValues`"},
    {"{\"ProofSubmit\":{\"id\":7,\"proof\":\"Proof\"}}", PROTO_WRONG_TYPE, "bare name"},
    {"{\"ProofSubmit\":{\"id\":7,\"proof\":{\"Proof\":[\"TDX\",[]],\"x\":1}}}", PROTO_WRONG_LENGTH,
     "second key"},
    {"{\"ProofSubmit\":{\"id\":7,\"proof\":{\"Proof\":[\"TDX\",[]]},\"batch_number\":\"x\",\"batch_"
     "proof\":3,"
     "\"calldata\":null,\"program_id\":4}}",
     PROTO_OK, ""},
    {"{\"ProofSubmit\":{\"batch_number\":7,\"batch_proof\":{\"ProofBytes\":[[],[]]},\"program_id\":"
     "null}}",
     PROTO_WRONG_TYPE, "program_id: expected a string"},
    {"{\"BatchRequest\":{\"commit_hash\":\"a\",\"prover_type\":\"TDX\",\"supported_programs\":[1]}"
     "}",
     PROTO_WRONG_TYPE, "supported_programs: expected a string"},
    {"{\"BatchRequest\":{\"commit_hash\":\"a\",\"prover_type\":\"TDX\",\"supported_programs\":"
     "\"a\"}}",
     PROTO_WRONG_TYPE, "an array of strings"},
    {"{\"BatchRequest\":{\"commit_hash\":\"a\",\"prover_type\":\"TDX\",\"supported_programs\":["
     "\"\xff\"]}}",
     PROTO_BAD_STRING, "supported_programs"},
    {"{\"BatchRequest\":{\"commit_hash\":\"a\",\"supported_programs\":[]}}", PROTO_MISSING_FIELD,
     "`prover_type`"},

    /* calldata: every kind of Value */
    {CALLDATA("[]"), PROTO_OK, ""},
    {CALLDATA("[{\"Address\":\"0x00000000000000000000000000000000000000aA\"}]"), PROTO_OK, ""},
    {CALLDATA("[{\"Address\":\"0x00\"}]"), PROTO_BAD_STRING, "Address: the string at byte"},
    {CALLDATA("[{\"Address\":\"00000000000000000000000000000000000000aAbb\"}]"), PROTO_BAD_STRING,
     "0x"},
    {CALLDATA("[{\"Uint\":\"0x5\"},{\"Int\":\"0x0\"}]"), PROTO_OK, ""},
    {CALLDATA("[{\"Uint\":\"0\\u00785\"}]"), PROTO_OK, ""},
    {CALLDATA("[{\"Uint\":\"0x\"}]"), PROTO_BAD_STRING, "1..64 hexadecimal digits"},
    {CALLDATA("[{\"Uint\":\"0xg\"}]"), PROTO_BAD_STRING, "Uint"},
    {CALLDATA("[{\"Uint\":5}]"), PROTO_WRONG_TYPE, "found a number"},
    {CALLDATA(
	 "[{\"Int\":\"0x11111111112222222222333333333344444444445555555555666666666677777\"}]"),
     PROTO_TOO_LONG, "67 bytes long"},
    {CALLDATA("[{\"Bool\":true},{\"Bool\":false}]"), PROTO_OK, ""},
    {CALLDATA("[{\"Bool\":null}]"), PROTO_WRONG_TYPE, "expected a boolean"},
    {CALLDATA("[{\"Bytes\":[1]},{\"Bytes\":\"ab\"}]"), PROTO_OK, ""},
    {CALLDATA("[{\"Bytes\":7}]"), PROTO_WRONG_TYPE, "Bytes"},
    {CALLDATA("[{\"FixedBytes\":[1]},{\"FixedBytes\":\"ab\"}]"), PROTO_OK, ""},
    {CALLDATA("[{\"String\":\"x\"}]"), PROTO_OK, ""},
    {CALLDATA("[{\"String\":\"\xff\"}]"), PROTO_BAD_STRING, "String"},
    {CALLDATA("[{\"String\":1}]"), PROTO_WRONG_TYPE, "String"},
    {CALLDATA("[{\"Array\":[]},{\"Tuple\":[{\"Bool\":true}]}]"), PROTO_OK, ""},
    {CALLDATA("[{\"FixedArray\":[{\"Array\":[{\"Uint\":\"0x1\"}]}]}]"), PROTO_OK, ""},
    {CALLDATA("[{\"Tuple\":{}}]"), PROTO_WRONG_TYPE, "an array of values"},
    {CALLDATA("[{\"Tuple\":[{\"Array\":[{\"Uint\":true}]}]}]"), PROTO_WRONG_TYPE,
     "calldata: Tuple: Array: Uint: expected a string"},
    {CALLDATA("[{\"Float\":1}]"), PROTO_UNKNOWN_VARIANT, "expected one of `Address`, `Uint`"},
    {CALLDATA("[\"Bytes\"]"), PROTO_WRONG_TYPE, "bare name"},
    {CALLDATA("[{\"Bytes\":[],\"Bytes\":[]}]"), PROTO_WRONG_LENGTH, "second key"},
    {CALLDATA("[{}]"), PROTO_WRONG_LENGTH, "{}"},
    {CALLDATA("[[]]"), PROTO_WRONG_TYPE, "found an array"},
    {CALLDATA("{}"), PROTO_WRONG_TYPE, "an array of values"},
    {CALLDATA("[{\"String\":\"01234567890123456789012345678901234\"},{\"Bool\":true}]"), PROTO_OK,
     ""},
    {CALLDATA("[{\"String\":\"01234567890123456789012345678901234567890\"},{\"Bool\":true},{}]"),
     PROTO_WRONG_LENGTH, "{}"},
    {CALLDATA("[{\"String\":\"012345678901234567890123456789012345\"},{\"Bool\":true}]"),
     PROTO_TOO_LONG, "bytes of text, the limit is 64"},

    /* our own limits */
    {REQUEST("[\"0123456789012345678901234567890123456789012345678901234567890123\",\"TDX\"]"),
     PROTO_OK, ""},
    {REQUEST("[\"01234567890123456789012345678901234567890123456789012345678901234\",\"TDX\"]"),
     PROTO_TOO_LONG, "commit_hash: the string at byte 17 is 65 bytes long, at most 64 are allowed"},
    {REQUEST("[\"a\\u0000b\",\"TDX\"]"), PROTO_BAD_STRING,
     "commit_hash: the string at byte 17 has a NUL"},
    {REQUEST("[\"\\ud800\",\"TDX\"]"), PROTO_BAD_STRING, "commit_hash"},
    {REQUEST("[\"\xed\xa0\x80\",\"TDX\"]"), PROTO_BAD_STRING, "commit_hash"},

    /* our own message */
    {"{\"Error\":{\"code\":\"x\",\"message\":\"y\"}}", PROTO_OK, ""},
    {"{\"Error\":{\"code\":1,\"message\":\"y\"}}", PROTO_WRONG_TYPE,
     "Error: code: expected a string"},
    {"{\"Error\":{\"code\":\"x\"}}", PROTO_MISSING_FIELD, "`message`"},
};

static void test_rules(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof rules / sizeof rules[0]; i++) {
		/* A heap copy of just that size: a read past the end is seen by the sanitizer. */
		size_t n = strlen(rules[i].json);
		char *copy = malloc(n ? n : 1);
		struct why why = {""};
		struct proofdata m;
		enum proto_err err;

		assert_non_null(copy);
		memcpy(copy, rules[i].json, n);
		err = proofdata_decode(&m, span_of(copy, n), &limits, &why);
		if (err != rules[i].err)
			fail_msg("%s: got %s (%s)", rules[i].json, proto_err_name(err), why.text);
		if (!strstr(why.text, rules[i].words))
			fail_msg("%s: \"%s\" is not in \"%s\"", rules[i].json, rules[i].words,
				 why.text);
		if (err)
			assert_null(m.proof.bytes.p);
		proofdata_free(&m);
		assert_int_equal(proofdata_decode(&m, span_of(copy, n), &limits, NULL), err);
		proofdata_free(&m);
		free(copy);
	}
}

/* Every proper prefix of a document is an error, and so is any byte behind it. */
static void test_truncated(void **state)
{
	static const char json[] =
	    "{\"ProofSubmit\":{\"id\":7,\"proof\":{\"ProofWithPublicValues\":{\"proof_bytes\":{"
	    "\"prover_type\":{\"SP1\":null},\"proof\":[1,23]},\"public_values\":[]}}}}";
	struct proofdata m;
	struct why why;
	char longer[sizeof json];
	size_t n;
	int c;

	(void)state;
	for (n = 0; n < strlen(json); n++)
		assert_int_equal(proofdata_decode(&m, span_of(json, n), &limits, &why),
				 PROTO_NOT_JSON);
	memcpy(longer, json, sizeof json);
	for (c = 0; c < 256; c++) {
		bool space = c == ' ' || c == '\t' || c == '\n' || c == '\r';

		longer[n] = (char)c;
		assert_int_equal(proofdata_decode(&m, span_of(longer, n + 1), &limits, &why),
				 space ? PROTO_OK : PROTO_NOT_JSON);
		proofdata_free(&m);
	}
}

static char *repeat(const char *before, const char *open, const char *middle, const char *shut,
		    const char *after, size_t times)
{
	size_t n = strlen(before) + strlen(middle) + strlen(after) +
		   times * (strlen(open) + strlen(shut)) + 1;
	char *text = malloc(n), *at = text;
	size_t i;

	assert_non_null(text);
	at = stpcpy(at, before);
	for (i = 0; i < times; i++)
		at = stpcpy(at, open);
	at = stpcpy(at, middle);
	for (i = 0; i < times; i++)
		at = stpcpy(at, shut);
	stpcpy(at, after);
	return text;
}

static enum proto_err decode_nested(const char *before, const char *open, const char *middle,
				    const char *shut, const char *after, size_t times)
{
	const struct proto_limits wide = {.proof_max = 1 << 20, .payload_max = 16};
	char *text = repeat(before, open, middle, shut, after, times);
	struct proofdata m;
	enum proto_err err = proofdata_decode(&m, span_of(text, strlen(text)), &wide, NULL);

	proofdata_free(&m);
	free(text);
	return err;
}

/* serde_json allows 127 containers inside one another; text that nobody looks at may go deeper. */
static void test_depth(void **state)
{
	const char *values =
	    "{\"ProofSubmit\":{\"batch_number\":7,\"batch_proof\":{\"ProofCalldata\":{"
	    "\"prover_type\":\"SP1\",\"calldata\":[";
	const char *ignored =
	    "{\"InputRequest\":{\"commit_hash\":\"a\",\"prover_type\":\"TDX\",\"x\":";

	(void)state;
	/* 5 containers around, 2 a round, 1 in the middle */
	assert_int_equal(
	    decode_nested(values, "{\"Array\":[", "{\"Bool\":true}", "]}", "]}}}}", 60), PROTO_OK);
	assert_int_equal(decode_nested(values, "{\"Array\":[", "", "]}", "]}}}}", 61), PROTO_OK);
	assert_int_equal(
	    decode_nested(values, "{\"Array\":[", "{\"Bool\":true}", "]}", "]}}}}", 61),
	    PROTO_NOT_JSON);
	assert_int_equal(decode_nested(values, "{\"Array\":[", "", "]}", "]}}}}", 62),
			 PROTO_NOT_JSON);
	assert_int_equal(
	    decode_nested(values, "{\"Array\":[", "{\"Bytes\":\"\"}", "]}", "]}}}}", 60), PROTO_OK);
	assert_int_equal(decode_nested(values, "{\"Array\":[", "{\"Bytes\":[]}", "]}", "]}}}}", 60),
			 PROTO_OK);
	assert_int_equal(decode_nested(ignored, "[", "", "]", "}}", 510), PROTO_OK);
	assert_int_equal(decode_nested(ignored, "[", "", "]", "}}", 511), PROTO_NOT_JSON);
	assert_int_equal(decode_nested("", "[", "", "]", "", 1000000), PROTO_NOT_JSON);
	assert_int_equal(decode_nested("", "{\"InputRequest\":", "", "", "", 100000),
			 PROTO_NOT_JSON);
}

static void test_payload_bytes(void **state)
{
	static const struct {
		const char *json;
		const char *bytes;
		size_t n;
	} cases[] = {
	    {SETUP("[0,1,10,99,100,255]"), "\x00\x01\x0a\x63\x64\xff", 6},
	    {SETUP("[ 0 , 1 ]"), "\x00\x01", 2},
	    {SETUP("\"0xab\""), "0xab", 4},
	    {SETUP("\"\\u0000\\n\\/\\\"\\\\\""), "\0\n/\"\\", 5},
	    {SETUP("\"\\u00e9\\u20ac\\ud83d\\ude00\""), "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9},
	    {SETUP("\"\xc3\xa9\""), "\xc3\xa9", 2},
	};
	struct proofdata m;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		assert_int_equal(proofdata_decode(&m, span_of(cases[i].json, strlen(cases[i].json)),
						  &limits, NULL),
				 0);
		assert_int_equal(m.payload.len, cases[i].n);
		assert_memory_equal(m.payload.p, cases[i].bytes, cases[i].n);
		proofdata_free(&m);
	}
}

/* Hostile text reaches the sentence cut short and in printable ASCII. */
static void test_sentences_are_clean(void **state)
{
	char json[4096];
	struct proofdata m;
	struct why why;
	size_t i;

	(void)state;
	memset(json, 'A', sizeof json);
	memcpy(json, "\"\x7f\xc3\xa9\\u001b[2J", 12);
	json[sizeof json - 1] = '"';
	assert_int_equal(proofdata_decode(&m, span_of(json, sizeof json), &limits, &why),
			 PROTO_UNKNOWN_VARIANT);
	for (i = 0; why.text[i]; i++)
		assert_true(why.text[i] >= 0x20 && why.text[i] < 0x7f);
	assert_non_null(strstr(why.text, "AAAA...` at byte 0, expected one of"));
}

/* A large input costs no copy and is found between fields in any order. */
static void test_large_input(void **state)
{
	const size_t size = 4 << 20;
	char *json = malloc(size + 128);
	struct proofdata m;
	size_t n, i;

	(void)state;
	assert_non_null(json);
	n = (size_t)sprintf(json, "{\"InputResponse\":{\"format\":\"Groth16\",\"input\":[");
	for (i = 0; i < size / 4; i++, n += 4)
		memcpy(json + n, "255,", 4);
	n += (size_t)sprintf(json + n, "0],\"id\":12}}");
	assert_int_equal(proofdata_decode(&m, span_of(json, n), &limits, NULL), PROTO_OK);
	assert_int_equal(m.input.n, size + 3);
	assert_ptr_equal(m.input.p, strchr(json, '['));
	assert_true(m.id == 12);
	proofdata_free(&m);
	free(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rules),
	    cmocka_unit_test(test_truncated),
	    cmocka_unit_test(test_depth),
	    cmocka_unit_test(test_payload_bytes),
	    cmocka_unit_test(test_sentences_are_clean),
	    cmocka_unit_test(test_large_input),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
