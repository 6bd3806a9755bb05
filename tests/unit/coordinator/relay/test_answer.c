/* Upstream's answers, however they are cut into pieces. */
#include "coordinator/relay/answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define INPUT "{\"blocks\":[{\"header\":\"}{\"},[]],\"n\":18446744073709551615}"

struct heard {
	struct answer a;
	char input[256];
	size_t n;
	uint64_t batch;
	enum answer_kind kind;
};

static void hear(struct heard *h, const char *text, size_t step)
{
	const size_t all = strlen(text);
	size_t at = 0;
	bool fine = true;

	memset(h, 0, sizeof *h);
	answer_init(&h->a);
	while (at < all && fine) {
		const size_t n = all - at < step ? all - at : step;
		uint8_t *copy = malloc(n); /* so that nothing is read beyond it */
		struct span rest = span_of(copy, n), piece;

		memcpy(copy, text + at, n);
		while (rest.n && (fine = answer_take(&h->a, &rest, &piece))) {
			if (piece.n && !h->n)
				assert_true(answer_batch(&h->a, &h->batch));
			assert_true(h->n + piece.n < sizeof h->input);
			if (piece.n)
				memcpy(h->input + h->n, piece.p, piece.n);
			h->n += piece.n;
		}
		free(copy);
		at += n;
	}
	h->kind = answer_end(&h->a);
}

static void an_input_in_pieces(void **state)
{
	static const char *const texts[] = {
	    "{\"InputResponse\":{\"id\":7,\"input\":" INPUT ",\"format\":\"Groth16\"}}",
	    " {\"InputResponse\" : {\"id\": 7 ,\"input\" : " INPUT " , \"format\" : null } } \n",
	    "{\"BatchResponse\":{\"batch_number\":7,\"input\":" INPUT "}}",
	    /* of a version that is ahead */
	    "{\"InputResponse\":{\"id\":7,\"input\":" INPUT
	    ",\"format\":\"Groth16\",\"more\":[{\"a\":null}],\"still\":1.5}}",
	    "{\"InputResponse\":{\"new\":{\"input\":1,\"id\":9},\"id\":7,\"input\":" INPUT
	    ",\"format\":\"Groth16\"}}",
	    "{\"InputResponse\":{\"new\":[1,[2]],\"id\":7,\"priority\":3,\"input\":" INPUT
	    ",\"format\":\"Groth16\"}}",
	    /* it came twice */
	    "{\"BatchResponse\":{\"batch_number\":7,\"input\":" INPUT
	    ",\"format\":null}}{\"BatchResponse\":{\"batch_number\":8,\"input\":{}}}",
	};
	struct heard h;
	size_t i, step;

	(void)state;
	for (i = 0; i < sizeof texts / sizeof *texts; i++)
		for (step = 1; step <= strlen(texts[i]); step++) {
			hear(&h, texts[i], step);
			assert_int_equal(h.kind, ANSWER_MESSAGE);
			assert_int_equal(h.a.message.kind, MSG_INPUT_RESPONSE);
			assert_true(h.a.message.has_input && h.a.complete);
			assert_int_equal(h.batch, 7);
			assert_int_equal(h.n, strlen(INPUT));
			assert_memory_equal(h.input, INPUT, h.n);
		}
}

static void what_is_no_input(void **state)
{
	static const struct {
		const char *text;
		enum message_kind kind;
	} rows[] = {
	    {"\"VersionMismatch\"", MSG_VERSION_MISMATCH},
	    {"{\"InvalidCodeVersion\":{\"commit_hash\":\"52e4b64\"}}", MSG_INVALID_CODE_VERSION},
	    {"{\"NoBatchForVersion\":{\"commit_hash\":\"aaaaaaa\"}}", MSG_NO_BATCH_FOR_VERSION},
	    {"{\"ProverTypeNotNeeded\":{\"prover_type\":\"SP1\"}}", MSG_PROVER_TYPE_NOT_NEEDED},
	    {"{\"InputResponse\":{\"id\":null,\"input\":null,\"format\":null}}",
	     MSG_INPUT_RESPONSE},
	    {"{\"ProofSubmitACK\":{\"batch_number\":7}}", MSG_PROOF_SUBMIT_ACK},
	};
	struct heard h;
	size_t i, step;

	(void)state;
	for (i = 0; i < sizeof rows / sizeof *rows; i++)
		for (step = 1; step <= strlen(rows[i].text); step++) {
			hear(&h, rows[i].text, step);
			assert_int_equal(h.kind, ANSWER_MESSAGE);
			assert_int_equal(h.a.message.kind, rows[i].kind);
			assert_false(h.a.message.has_input);
			assert_int_equal(h.n, 0);
		}
}

/* Wherever it ends too early, it is no answer; what it was of is known if it came that far. */
static void every_cut(void **state)
{
	static const char whole[] =
	    "{\"InputResponse\":{\"id\":7,\"input\":" INPUT ",\"format\":\"Groth16\"}}";
	char part[sizeof whole];
	struct heard h;
	size_t n;

	(void)state;
	for (n = 0; n < sizeof whole - 1; n++) {
		memcpy(part, whole, n);
		part[n] = '\0';
		hear(&h, part, 5);
		assert_int_equal(h.kind, n ? ANSWER_CUT : ANSWER_NOTHING);
		assert_int_equal(strlen(h.a.why.text) > 0, n > 0);
		assert_int_equal(h.batch, h.n ? 7 : 0);
	}
}

static void what_is_no_answer(void **state)
{
	static const char *const texts[] = {
	    "HTTP/1.1 400 Bad Request\r\n",
	    "{\"InputResponse\":{\"id\":7,\"input\":{]}",
	    "{\"InputResponse\":{\"id\":7,\"input\":{},\"format\":\"Other\"}}",
	    "{\"InputResponse\":{\"id\":7,\"input\":{}}]",
	    "{\"SomethingElse\":{}}",
	    "{\"SomethingElse\":\"of more bytes than the sentence shows, in two lines, or one\"}",
	    "17",
	};
	char *long_one = malloc(2 * ANSWER_SMALL_MAX);
	const char *shown;
	struct heard h;
	size_t i, step;

	(void)state;
	for (i = 0; i < sizeof texts / sizeof *texts; i++)
		for (step = 1; step <= strlen(texts[i]); step += 3) {
			hear(&h, texts[i], step);
			assert_int_equal(h.kind, ANSWER_BAD);
			shown = strstr(h.a.why.text, "; it begins: ");
			assert_non_null(shown);
			shown += strlen("; it begins: ");
			assert_true(*shown && strncmp(shown, texts[i], strlen(shown)) == 0);
		}
	hear(&h, "{\"ProofSubmitACK\":{\"id\":7}}", 3);
	assert_int_equal(h.kind, ANSWER_MESSAGE);
	answer_other(&h.a, "no");
	assert_string_equal(h.a.why.text, "no; it begins: {\"ProofSubmitACK\":{\"id\":7}}");
	memset(long_one, ' ', 2 * ANSWER_SMALL_MAX);
	long_one[2 * ANSWER_SMALL_MAX - 1] = '\0';
	hear(&h, long_one, 1000);
	assert_int_equal(h.kind, ANSWER_BAD);
	free(long_one);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_input_in_pieces),
	    cmocka_unit_test(what_is_no_input),
	    cmocka_unit_test(every_cut),
	    cmocka_unit_test(what_is_no_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
