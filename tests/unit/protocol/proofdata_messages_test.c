/* Every message of every generation: what it says, and the bytes that say it. */
#include "samples.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct span text(const char *s)
{
	return span_of(s, strlen(s));
}

static void check_optional_text(struct span got, const char *want)
{
	assert_int_equal(got.n, want ? strlen(want) : 0);
	if (want)
		assert_memory_equal(got.p, want, got.n);
}

static void check_sample(const struct sample *s, const struct proofdata *m)
{
	assert_int_equal(m->kind, s->kind);
	assert_int_equal(m->dialect, s->dialect);
	assert_string_equal(m->commit_hash, s->commit_hash ? s->commit_hash : "");
	assert_int_equal(m->has_prover_type, s->has_type);
	assert_int_equal(m->prover_type, s->prover_type);
	assert_int_equal(m->has_id, s->has_id);
	assert_true(m->id == s->id);
	assert_int_equal(m->proof.bytes.len, s->proof_len);
	assert_int_equal(m->proof.has_public_values, s->has_public_values);
	assert_int_equal(m->proof.public_values.len, s->public_values_len);
	assert_int_equal(m->proof.is_calldata, s->is_calldata);
	assert_int_equal(m->payload.len, s->payload_len);
	assert_int_equal(m->has_input, s->has_input);
	check_optional_text(m->input, s->input);
	assert_int_equal(m->format, s->format);
	assert_int_equal(m->has_program_id, s->has_program_id);
	assert_string_equal(m->program_id, s->program_id ? s->program_id : "");
	check_optional_text(m->supported_programs, s->programs);
	if (s->kind == MSG_PROOF_SUBMIT)
		assert_int_equal(m->proof.prover_type, s->prover_type);
}

static void test_samples(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < SAMPLES; i++) {
		const struct sample *s = &samples[i];
		struct proofdata m, again;
		struct why why = {""};
		struct buf out;

		if (proofdata_decode(&m, text(s->json), &sample_limits, &why))
			fail_msg("%s: %s", s->json, why.text);
		check_sample(s, &m);
		buf_init(&out, 8192);
		if (proofdata_encode(&out, &m, &why))
			fail_msg("%s: %s", s->json, why.text);
		if (span_eq(buf_span(&out), text(s->json)) != (s->spelling == SAME))
			fail_msg("%s came back as %.*s", s->json, (int)out.len, (char *)out.p);
		assert_int_equal(proofdata_decode(&again, buf_span(&out), &sample_limits, &why), 0);
		assert_int_equal(again.kind, s->kind);
		assert_int_equal(again.dialect, s->dialect);
		assert_true(span_eq(buf_span(&again.proof.bytes), buf_span(&m.proof.bytes)));
		proofdata_free(&again);
		proofdata_free(&m);
		buf_free(&out);
	}
}

static void test_every_kind_has_a_sample(void **state)
{
	unsigned seen = 0;
	size_t i;

	(void)state;
	for (i = 0; i < SAMPLES; i++)
		seen |= 1u << samples[i].kind;
	assert_int_equal(seen, (1u << MESSAGE_KINDS) - 1);
}

static void test_signature_bytes(void **state)
{
	static const char *const heads[] = {
	    "{\"ProofSubmit\":{\"id\":7,\"proof\":{\"Proof\":{\"prover_type\":\"TDX\","
	    "\"proof\":" SIGNATURE "}}}}",
	    "{\"ProofSubmit\":{\"batch_number\":7,\"batch_proof\":{\"ProofCalldata\":{\"prover_"
	    "type\":"
	    "\"TDX\",\"calldata\":[{\"Bytes\":[7]},{\"Bytes\":" SIGNATURE "}]}}}}",
	    "{\"ProofSubmit\":{\"batch_number\":7,\"batch_proof\":{\"ProofCalldata\":{\"calldata\":"
	    "[{\"Bytes\":" SIGNATURE "}],\"prover_type\":\"TDX\"}}}}",
	};
	struct proofdata m;
	struct why why;
	size_t i, k;

	(void)state;
	for (i = 0; i < sizeof heads / sizeof heads[0]; i++) {
		assert_int_equal(proofdata_decode(&m, text(heads[i]), &sample_limits, &why), 0);
		assert_int_equal(m.proof.bytes.len, 65);
		for (k = 0; k < 65; k++)
			assert_int_equal(m.proof.bytes.p[k], (k * 5 + 1) % 256);
		if (m.proof.has_public_values)
			assert_int_equal(m.proof.public_values.p[0], 7);
		proofdata_free(&m);
	}
}

static void test_input_is_a_view(void **state)
{
	const char *json = " { \"InputResponse\" : { \"format\" : null , \"id\" : 3 , \"input\" : "
			   "[ {\"a\":\"}\\\"]\"} , 1.5e3 ] } } ";
	struct proofdata m;
	struct why why;

	(void)state;
	assert_int_equal(proofdata_decode(&m, text(json), &sample_limits, &why), 0);
	assert_true(m.has_input);
	assert_ptr_equal(m.input.p, strstr(json, "[ {"));
	assert_int_equal(m.input.n, strlen("[ {\"a\":\"}\\\"]\"} , 1.5e3 ]"));
	assert_true(m.id == 3);
	proofdata_free(&m);
}

/* head + input + tail is what encoding the whole message gives. */
static void test_input_head_and_tail(void **state)
{
	static const struct {
		enum dialect dialect;
		enum proof_format format;
		const char *program_id, *json;
	} cases[] = {
	    {DIALECT_P1_P2, PROOF_FORMAT_GROTH16, "evm-l2",
	     "{\"BatchResponse\":{\"batch_number\":18446744073709551615,\"input\":{ }}}"},
	    {DIALECT_P3_P5, PROOF_FORMAT_GROTH16, NULL,
	     "{\"BatchResponse\":{\"batch_number\":18446744073709551615,\"input\":{ "
	     "},\"format\":\"Groth16\"}}"},
	    {DIALECT_P6, PROOF_FORMAT_COMPRESSED, "evm-l2",
	     "{\"BatchResponse\":{\"batch_number\":18446744073709551615,\"input\":{ "
	     "},\"format\":\"Compressed\"}}"},
	    {DIALECT_P1_P6, PROOF_FORMAT_NONE, NULL,
	     "{\"BatchResponse\":{\"batch_number\":18446744073709551615,\"input\":{ "
	     "},\"format\":null}}"},
	    {DIALECT_TOKAMAK, PROOF_FORMAT_GROTH16, "evm-l2",
	     "{\"BatchResponse\":{\"batch_number\":18446744073709551615,\"input\":{ "
	     "},\"format\":\"Groth16\",\"program_id\":\"evm-l2\"}}"},
	    {DIALECT_TOKAMAK, PROOF_FORMAT_GROTH16, NULL,
	     "{\"BatchResponse\":{\"batch_number\":18446744073709551615,\"input\":{ "
	     "},\"format\":\"Groth16\",\"program_id\":null}}"},
	    {DIALECT_P7, PROOF_FORMAT_GROTH16, "evm-l2",
	     "{\"InputResponse\":{\"id\":18446744073709551615,\"input\":{ "
	     "},\"format\":\"Groth16\"}}"},
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct proofdata m = {.kind = MSG_INPUT_RESPONSE,
				      .dialect = cases[i].dialect,
				      .has_id = true,
				      .id = UINT64_MAX,
				      .has_input = true,
				      .input = text("{ }"),
				      .format = cases[i].format,
				      .has_program_id = cases[i].program_id != NULL};
		struct buf parts, whole;

		if (cases[i].program_id)
			strcpy(m.program_id, cases[i].program_id);
		buf_init(&parts, 4096);
		buf_init(&whole, 4096);
		assert_int_equal(proofdata_input_head(&parts, m.dialect, m.id), 0);
		assert_true(buf_add_str(&parts, "{ }"));
		assert_int_equal(
		    proofdata_input_tail(&parts, m.dialect, m.format, cases[i].program_id), 0);
		assert_int_equal(proofdata_encode(&whole, &m, NULL), 0);
		assert_true(span_eq(buf_span(&parts), text(cases[i].json)));
		assert_true(span_eq(buf_span(&whole), text(cases[i].json)));
		buf_free(&parts);
		buf_free(&whole);
	}
}

static void refused(const struct proofdata *m, enum proto_err want, const char *words)
{
	struct why why = {""};
	struct buf out;

	buf_init(&out, 4096);
	assert_true(buf_add_str(&out, "before"));
	assert_int_equal(proofdata_encode(&out, m, &why), want);
	if (!strstr(why.text, words))
		fail_msg("\"%s\" is not in \"%s\"", words, why.text);
	assert_true(span_eq(buf_span(&out), text("before")));
	buf_free(&out);
}

static void test_what_cannot_be_encoded(void **state)
{
	struct proofdata m;
	struct buf out;

	(void)state;
	m = (struct proofdata){.kind = MSG_INPUT_REQUEST};
	refused(&m, PROTO_NOT_IN_DIALECT, "InputRequest: dialect any has no words");
	m.dialect = DIALECT_P1_P6;
	refused(&m, PROTO_NOT_IN_DIALECT, "p1..p6");
	m.dialect = DIALECT_P7;
	refused(&m, PROTO_MISSING_FIELD, "`prover_type`");
	m.has_prover_type = true;
	strcpy(m.commit_hash, "a\xff");
	refused(&m, PROTO_BAD_STRING, "not UTF-8");

	m = (struct proofdata){.kind = MSG_INPUT_RESPONSE};
	refused(&m, PROTO_NOT_IN_DIALECT, "InputResponse");
	m = (struct proofdata){.kind = MSG_PROVER_SETUP};
	refused(&m, PROTO_MISSING_FIELD, "`prover_type`");
	m = (struct proofdata){.kind = MSG_PROVER_TYPE_NOT_NEEDED};
	refused(&m, PROTO_MISSING_FIELD, "`prover_type`");

	m = (struct proofdata){.kind = MSG_PROOF_SUBMIT_ACK, .dialect = DIALECT_P7};
	refused(&m, PROTO_MISSING_FIELD, "`id`");
	m.dialect = DIALECT_P6;
	refused(&m, PROTO_MISSING_FIELD, "`batch_number`");
	m.has_id = true;
	m.dialect = DIALECT_ANY;
	refused(&m, PROTO_NOT_IN_DIALECT, "ProofSubmitACK");

	m = (struct proofdata){.kind = MSG_PROOF_SUBMIT, .dialect = DIALECT_P7};
	refused(&m, PROTO_MISSING_FIELD, "`id`");
	m.has_id = true;
	m.proof.is_calldata = true;
	refused(&m, PROTO_NOT_IN_DIALECT, "p7");
	m.proof = (struct proof){.prover_type = PROVER_SP1, .has_public_values = true};
	m.dialect = DIALECT_P1_P2;
	refused(&m, PROTO_NOT_IN_DIALECT, "p1..p2");
	m.dialect = DIALECT_ANY;
	refused(&m, PROTO_NOT_IN_DIALECT, "any");

	buf_init(&out, 20);
	m = (struct proofdata){.kind = MSG_VERSION_MISMATCH};
	assert_true(buf_add_str(&out, "1234"));
	assert_int_equal(proofdata_encode(&out, &m, NULL), PROTO_NO_MEMORY);
	assert_int_equal(out.len, 4);
	assert_int_equal(proofdata_input_head(&out, DIALECT_P7, 1), PROTO_NO_MEMORY);
	assert_int_equal(proofdata_input_tail(&out, DIALECT_P7, PROOF_FORMAT_GROTH16, NULL),
			 PROTO_NO_MEMORY);
	assert_int_equal(proofdata_input_head(&out, DIALECT_ANY, 1), PROTO_NOT_IN_DIALECT);
	assert_int_equal(proofdata_input_tail(&out, DIALECT_ANY, PROOF_FORMAT_NONE, NULL),
			 PROTO_NOT_IN_DIALECT);
	assert_int_equal(out.len, 4);
	buf_free(&out);
}

/* What the coordinator answers in the request's dialect. */
static void test_replies_in_each_dialect(void **state)
{
	static const struct {
		enum dialect dialect;
		const char *empty, *ack;
	} cases[] = {
	    {DIALECT_P1_P2, "{\"BatchResponse\":{\"batch_number\":null,\"input\":null}}",
	     "{\"ProofSubmitACK\":{\"batch_number\":5}}"},
	    {DIALECT_P3_P5,
	     "{\"BatchResponse\":{\"batch_number\":null,\"input\":null,\"format\":null}}",
	     "{\"ProofSubmitACK\":{\"batch_number\":5}}"},
	    {DIALECT_P6,
	     "{\"BatchResponse\":{\"batch_number\":null,\"input\":null,\"format\":null}}",
	     "{\"ProofSubmitACK\":{\"batch_number\":5}}"},
	    {DIALECT_P1_P6,
	     "{\"BatchResponse\":{\"batch_number\":null,\"input\":null,\"format\":null}}",
	     "{\"ProofSubmitACK\":{\"batch_number\":5}}"},
	    {DIALECT_TOKAMAK,
	     "{\"BatchResponse\":{\"batch_number\":null,\"input\":null,\"format\":null,\"program_"
	     "id\":"
	     "null}}",
	     "{\"ProofSubmitACK\":{\"batch_number\":5}}"},
	    {DIALECT_P7, "{\"InputResponse\":{\"id\":null,\"input\":null,\"format\":null}}",
	     "{\"ProofSubmitACK\":{\"id\":5}}"},
	};
	struct proofdata m;
	struct buf out;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		buf_init(&out, 1024);
		m = (struct proofdata){.kind = MSG_INPUT_RESPONSE, .dialect = cases[i].dialect};
		assert_int_equal(proofdata_encode(&out, &m, NULL), 0);
		assert_true(span_eq(buf_span(&out), text(cases[i].empty)));
		out.len = 0;
		m = (struct proofdata){.kind = MSG_PROOF_SUBMIT_ACK,
				       .dialect = cases[i].dialect,
				       .has_id = true,
				       .id = 5};
		assert_int_equal(proofdata_encode(&out, &m, NULL), 0);
		assert_true(span_eq(buf_span(&out), text(cases[i].ack)));
		buf_free(&out);
	}
}

static void test_strings_are_escaped_as_serde_does(void **state)
{
	struct proofdata m = {.kind = MSG_ERROR, .error_code = "a/\"b\\"};
	struct proofdata again;
	struct buf out;

	(void)state;
	strcpy(m.error_message, "\x01\b\t\n\v\f\r\x1f\x7f \xc3\xa9\xf0\x9f\x98\x80 \xc3");
	buf_init(&out, 1024);
	assert_int_equal(proofdata_encode(&out, &m, NULL), 0);
	assert_true(span_eq(buf_span(&out), text("{\"Error\":{\"code\":\"a/\\\"b\\\\\",\"message\":"
						 "\"\\u0001\\b\\t\\n\\u000b\\f\\r\\u001f\x7f "
						 "\xc3\xa9\xf0\x9f\x98\x80 ?\"}}")));
	assert_int_equal(proofdata_decode(&again, buf_span(&out), &sample_limits, NULL), 0);
	assert_string_equal(again.error_code, m.error_code);
	assert_memory_equal(again.error_message, m.error_message, strlen(m.error_message) - 1);
	proofdata_free(&again);
	buf_free(&out);
}

static void test_names(void **state)
{
	enum prover_type type;
	int i;

	(void)state;
	for (i = 0; i < PROVER_TYPES; i++) {
		const char *name = prover_type_name((enum prover_type)i);

		assert_true(prover_type_parse(&type, name, strlen(name)));
		assert_int_equal(type, i);
	}
	assert_int_equal(PROVER_TDX, 3);
	assert_int_equal(PROVER_ALIGNED, 4);
	assert_string_equal(prover_type_name(PROVER_TDX), "TDX");
	assert_false(prover_type_parse(&type, "tdx", 3));
	assert_false(prover_type_parse(&type, "TDX ", 4));
	assert_false(prover_type_parse(&type, "", 0));
	for (i = 0; i <= DIALECT_P7; i++)
		assert_string_not_equal(dialect_name((enum dialect)i), "?");
	for (i = 0; i < MESSAGE_KINDS; i++)
		assert_string_not_equal(message_kind_name((enum message_kind)i), "?");
	for (i = 0; i <= PROTO_NOT_IN_DIALECT; i++)
		assert_string_not_equal(proto_err_name((enum proto_err)i), "?");
	assert_string_equal(dialect_name(DIALECT_P7), "p7");
	assert_string_equal(proto_err_name(PROTO_TOO_LONG), "too_long");
}

/* The bytes of a proof come in runs; whatever interrupts a run is read like anything else. */
static void test_byte_arrays(void **state)
{
	static const char *const wrong[] = {"256",  "-1",    "1.0",  "1e1", "999",
					    "1000", "\"7\"", "null", "[]"};
	static char text[200000];
	const struct proto_limits limits = {.proof_max = 20000, .payload_max = 1};
	unsigned seed = 4711;
	size_t round, i, n, bytes;
	uint8_t want[20001];

	(void)state;
	for (round = 0; round < 300; round++) {
		const char *bad =
		    round % 3 ? NULL : wrong[round / 3 % (sizeof wrong / sizeof *wrong)];
		struct why why = {""};
		struct proofdata m;
		enum proto_err err;
		size_t bad_at;

		bytes = (size_t)rand_r(&seed) % (round % 50 ? 3000 : 20002);
		bad_at = bytes ? (size_t)rand_r(&seed) % bytes : 0;
		n = (size_t)sprintf(text, "{\"ProofSubmit\":{\"id\":7,\"proof\":{\"Proof\":"
					  "{\"prover_type\":\"SP1\",\"proof\":[");
		for (i = 0; i < bytes; i++) {
			want[i] = (uint8_t)rand_r(&seed);
			if (rand_r(&seed) % 40 == 0)
				n += (size_t)sprintf(text + n, "\n ");
			if (bad && i == bad_at)
				n += (size_t)sprintf(text + n, "%s", bad);
			else
				n += (size_t)sprintf(text + n, "%u", want[i]);
			if (rand_r(&seed) % 40 == 0)
				text[n++] = ' ';
			if (i + 1 < bytes)
				text[n++] = ',';
		}
		n += (size_t)sprintf(text + n, "]}}}}");
		err = proofdata_decode(&m, span_of(text, n), &limits, &why);
		if (bad && bytes) {
			assert_true(err == PROTO_OUT_OF_RANGE || err == PROTO_WRONG_TYPE);
		} else if (bytes > limits.proof_max) {
			assert_int_equal(err, PROTO_TOO_LONG);
		} else {
			assert_int_equal(err, PROTO_OK);
			assert_int_equal(m.proof.bytes.len, bytes);
			if (bytes)
				assert_memory_equal(m.proof.bytes.p, want, bytes);
		}
		proofdata_free(&m);
	}
}

static void expect_peek(const char *text, bool found, uint64_t id, enum prover_type type)
{
	uint64_t got_id = 0;
	enum prover_type got = PROVER_PICO;

	assert_int_equal(proofdata_peek_submit(span_of(text, strlen(text)), &got_id, &got), found);
	if (found) {
		assert_int_equal(got_id, id);
		assert_int_equal(got, type);
	}
}

static void test_peek(void **state)
{
	static const char p7[] = "{\"ProofSubmit\":{\"id\":70,\"proof\":{\"ProofWithPublicValues\":"
				 "{\"proof_bytes\":{\"prover_type\":\"RISC0\",\"proof\":[1,2";
	const size_t enough = (size_t)(strstr(p7, ",\"proof\":[") - p7);
	size_t i, samples_seen = 0;

	(void)state;
	/* Every beginning of it, in memory of exactly that length. */
	for (i = 0; i < sizeof p7; i++) {
		char *copy = malloc(i + 1);
		uint64_t id = 0;
		enum prover_type type = PROVER_PICO;

		memcpy(copy, p7, i);
		copy = realloc(copy, i ? i : 1);
		assert_int_equal(proofdata_peek_submit(span_of(copy, i), &id, &type), i > enough);
		free(copy);
	}
	expect_peek(p7, true, 70, PROVER_RISC0);
	expect_peek("{\"ProofSubmit\":{\"id\":1,\"proof\":{\"Proof\":{\"prover_type\":\"TDX\",",
		    true, 1, PROVER_TDX);
	expect_peek("{\"ProofSubmit\":{\"id\":-1,\"proof\":{\"Proof\":{\"prover_type\":\"TDX\",",
		    false, 0, 0);
	expect_peek("{\"ProofSubmit\":{\"id\":1,\"proof\":{\"Proof\":{\"prover_type\":\"XXX\",",
		    false, 0, 0);
	expect_peek("{\"ProofSubmit\":{\"id\":1,\"proof\":{\"Proof\":{\"proof\":[", false, 0, 0);
	expect_peek("{\"ProofSubmit\":{\"proof\":{\"Proof\":{\"prover_type\":\"TDX\",", false, 0,
		    0);
	/* Found by the fuzzer: a type inside of something that nobody reads is not the proof's. */
	expect_peek("{\"ProofSubmit\":{\"batch_number\":7,\"batch_proof\":{\"ProofBytes\":{\"x\":{"
		    "\"ProofBytes\":{"
		    "\"prover_type\":\"SP1\",",
		    false, 0, 0);
	expect_peek("{\"ProofSubmit\":{\"id\":1,\"x\":{\"Proof\":{\"prover_type\":\"TDX\",", false,
		    0, 0);
	expect_peek("{\"ProofSubmit\":[1,", false, 0, 0);
	expect_peek("\"ProverSetupACK\"", false, 0, 0);
	/* Where it says something of a whole message, the decoder says the same. */
	for (i = 0; i < SAMPLES; i++) {
		struct span text = span_of(samples[i].json, strlen(samples[i].json));
		enum prover_type type;
		uint64_t id;

		if (!proofdata_peek_submit(text, &id, &type))
			continue;
		assert_int_equal(samples[i].kind, MSG_PROOF_SUBMIT);
		assert_int_equal(id, samples[i].id);
		assert_int_equal(type, samples[i].prover_type);
		samples_seen++;
	}
	assert_true(samples_seen >= 4);
}

static void test_peek_input(void **state)
{
	static const char p7[] =
	    "{\"InputResponse\":{\"id\":7,\"input\":{\"blocks\":[]},\"format\"";
	static const char p6[] =
	    " { \"BatchResponse\" : {\"batch_number\":18446744073709551615, \"input\": {\"a";
	static const char *const others[] = {
	    "{\"InputResponse\":{\"id\":null,\"input\":null,\"format\":null}}",
	    "{\"InputResponse\":{\"batch_number\":7,\"input\":{",
	    "{\"BatchResponse\":{\"id\":7,\"input\":{",
	    "{\"InputResponse\":{\"input\":{",
	    "{\"InputResponse\":{\"id\":7,\"inputs\":{",
	    "{\"ProofSubmitACK\":{\"id\":7}}",
	    "\"VersionMismatch\"",
	};
	const size_t input = (size_t)(strstr(p7, "{\"blocks") - p7);
	size_t i, at = 0;

	(void)state;
	for (i = 0; i < sizeof p7; i++) {
		char *copy = malloc(i + 1);

		memcpy(copy, p7, i);
		copy = realloc(copy, i ? i : 1);
		assert_int_equal(proofdata_peek_input(span_of(copy, i), &at), i > input);
		free(copy);
	}
	assert_int_equal(at, input);
	assert_true(proofdata_peek_input(span_of(p6, strlen(p6)), &at));
	assert_ptr_equal(p6 + at, strstr(p6, "{\"a"));
	for (i = 0; i < sizeof others / sizeof *others; i++)
		assert_false(proofdata_peek_input(span_of(others[i], strlen(others[i])), &at));
}

static void test_free_twice(void **state)
{
	struct proofdata m;

	(void)state;
	assert_int_equal(
	    proofdata_decode(&m, text(samples[SAMPLES - 3].json), &sample_limits, NULL), 0);
	proofdata_free(&m);
	proofdata_free(&m);
	proofdata_free(NULL);
	assert_null(m.proof.bytes.p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_samples),
	    cmocka_unit_test(test_every_kind_has_a_sample),
	    cmocka_unit_test(test_signature_bytes),
	    cmocka_unit_test(test_input_is_a_view),
	    cmocka_unit_test(test_input_head_and_tail),
	    cmocka_unit_test(test_what_cannot_be_encoded),
	    cmocka_unit_test(test_replies_in_each_dialect),
	    cmocka_unit_test(test_strings_are_escaped_as_serde_does),
	    cmocka_unit_test(test_names),
	    cmocka_unit_test(test_byte_arrays),
	    cmocka_unit_test(test_peek),
	    cmocka_unit_test(test_peek_input),
	    cmocka_unit_test(test_free_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
