/* The shared wire vectors: each decodes to what its name says and comes back byte for byte. */
#include "protocol/proofdata.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct proto_limits limits = {.proof_max = 1 << 20, .payload_max = 1 << 20};
static char directory[4096];

static bool starts(const char *s, const char *with)
{
	return strncmp(s, with, strlen(with)) == 0;
}

/* p4_BatchResponse_empty.json: generation, kind, remark. */
static enum message_kind kind_of(const char *name)
{
	static const struct {
		const char *word;
		enum message_kind kind;
	} words[] = {
	    {"BatchRequest", MSG_INPUT_REQUEST},
	    {"InputRequest", MSG_INPUT_REQUEST},
	    {"BatchResponse", MSG_INPUT_RESPONSE},
	    {"InputResponse", MSG_INPUT_RESPONSE},
	    {"VersionMismatch", MSG_VERSION_MISMATCH},
	    {"InvalidCodeVersion", MSG_INVALID_CODE_VERSION},
	    {"NoBatchForVersion", MSG_NO_BATCH_FOR_VERSION},
	    {"ProverTypeNotNeeded", MSG_PROVER_TYPE_NOT_NEEDED},
	    {"ProofSubmitACK", MSG_PROOF_SUBMIT_ACK},
	    {"ProofSubmit", MSG_PROOF_SUBMIT},
	    {"ProverSetupACK", MSG_PROVER_SETUP_ACK},
	    {"ProverSetup", MSG_PROVER_SETUP},
	};
	const char *word = strchr(name, '_') + 1;
	size_t i;

	for (i = 0; i < sizeof words / sizeof words[0]; i++) {
		if (starts(word, words[i].word))
			return words[i].kind;
	}
	fail_msg("%s: no known message", name);
	return MSG_ERROR;
}

/* The dialect that a message of this generation can give away. */
static enum dialect dialect_of(const char *name, enum message_kind kind)
{
	if (kind == MSG_PROVER_SETUP || kind == MSG_PROVER_SETUP_ACK ||
	    kind == MSG_VERSION_MISMATCH || kind == MSG_PROVER_TYPE_NOT_NEEDED)
		return DIALECT_ANY;
	if (starts(name, "p7"))
		return DIALECT_P7;
	if (starts(name, "tokamak"))
		return DIALECT_TOKAMAK;
	if (kind == MSG_PROOF_SUBMIT_ACK)
		return DIALECT_P1_P6;
	if (kind == MSG_PROOF_SUBMIT)
		return starts(name, "p1") ? DIALECT_P1_P2 : DIALECT_P1_P6;
	if (kind == MSG_INPUT_RESPONSE)
		return name[1] <= '3' ? DIALECT_P1_P2 : DIALECT_P1_P6;
	if (starts(name, "p6"))
		return DIALECT_P6;
	return name[1] <= '2' ? DIALECT_P1_P2 : DIALECT_P3_P5;
}

static void check_submit(const char *name, const struct proofdata *m)
{
	const struct proof *proof = &m->proof;

	assert_true(m->id == 7);
	assert_false(proof->is_calldata);
	if (strstr(name, "TDX")) {
		assert_int_equal(proof->prover_type, PROVER_TDX);
		assert_int_equal(proof->bytes.len, 65);
		assert_int_equal(proof->bytes.p[1], 3);
		assert_int_equal(proof->bytes.p[64], 27);
		if (proof->has_public_values) {
			assert_int_equal(proof->public_values.len, 256);
			assert_int_equal(proof->public_values.p[255], 255);
		}
		assert_int_equal(proof->has_public_values, name[1] <= '4');
	} else if (strstr(name, "Exec")) {
		assert_int_equal(proof->prover_type, PROVER_EXEC);
		assert_int_equal(proof->bytes.len, starts(name, "p7") ? 1 : 256);
	} else {
		assert_int_equal(proof->prover_type,
				 strstr(name, "aligned") ? PROVER_ALIGNED : PROVER_SP1);
		assert_int_equal(proof->bytes.len, 3);
		assert_memory_equal(proof->bytes.p, "\1\2\3", 3);
		assert_int_equal(proof->public_values.len, 1);
		assert_int_equal(proof->public_values.p[0], 4);
	}
}

static void check_values(const char *name, const struct proofdata *m)
{
	enum message_kind kind = kind_of(name);

	assert_int_equal(m->kind, kind);
	assert_int_equal(m->dialect, dialect_of(name, kind));
	if (kind == MSG_PROOF_SUBMIT)
		check_submit(name, m);
	if (kind == MSG_INPUT_REQUEST)
		assert_int_equal(strlen(m->commit_hash), m->dialect == DIALECT_P1_P2 ? 0 : 7);
	if (kind == MSG_INPUT_RESPONSE) {
		bool empty = strstr(name, "empty") != NULL;

		assert_int_equal(m->has_id, !empty);
		assert_int_equal(m->has_input, !empty);
		if (!empty) {
			assert_true(m->id == 7);
			assert_memory_equal(m->input.p, "{\"blocks\":[", 11);
			assert_int_equal(m->input.p[m->input.n - 1], '}');
			assert_int_equal(m->format, PROOF_FORMAT_GROTH16);
		}
	}
	if (kind == MSG_PROVER_SETUP) {
		assert_int_equal(m->prover_type, PROVER_TDX);
		if (strstr(name, "devmode"))
			assert_int_equal(m->payload.len, 20);
	}
}

static void check_file(const char *name)
{
	char path[sizeof directory + 256];
	struct proofdata m;
	struct why why = {""};
	struct buf text, again;
	uint8_t chunk[4096];
	size_t n;
	FILE *f;

	snprintf(path, sizeof path, "%s/%s", directory, name);
	buf_init(&text, 1 << 20);
	buf_init(&again, 1 << 20);
	f = fopen(path, "rb");
	assert_non_null(f);
	while ((n = fread(chunk, 1, sizeof chunk, f)) > 0)
		assert_true(buf_add(&text, chunk, n));
	fclose(f);
	while (text.len && text.p[text.len - 1] == '\n')
		text.len--;
	if (proofdata_decode(&m, buf_span(&text), &limits, &why))
		fail_msg("%s: %s", name, why.text);
	check_values(name, &m);
	if (proofdata_encode(&again, &m, &why))
		fail_msg("%s: %s", name, why.text);
	/* Early p2 sent a vk, which later servers ignore and which is not kept. */
	if (!strstr(name, "p2_ProofSubmit_ProofBytes") &&
	    !span_eq(buf_span(&text), buf_span(&again)))
		fail_msg("%s came back as %.*s", name, (int)again.len, (char *)again.p);
	proofdata_free(&m);
	buf_free(&text);
	buf_free(&again);
}

static void test_wire_vectors(void **state)
{
	DIR *dir = opendir(directory);
	struct dirent *entry;
	unsigned files = 0;

	(void)state;
	if (!dir) {
		fprintf(stderr, "SKIPPED: no wire vectors in %s (set VECTORS_DIR)\n", directory);
		skip();
	}
	while ((entry = readdir(dir))) {
		size_t n = strlen(entry->d_name);

		if (n > 5 && strcmp(entry->d_name + n - 5, ".json") == 0) {
			check_file(entry->d_name);
			files++;
		}
	}
	closedir(dir);
	assert_true(files >= 40);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_wire_vectors)};
	const char *vectors = getenv("VECTORS_DIR"), *source = getenv("SOURCE_DIR");

	if (vectors && *vectors)
		snprintf(directory, sizeof directory, "%s/wire", vectors);
	else
		snprintf(directory, sizeof directory, "%s/../shared/vectors/wire",
			 source ? source : ".");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
