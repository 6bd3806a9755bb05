/* What decodes must encode, and decode again to the same message; what its beginning tells is what
 * it says. */
#include "encoding/json_scan.h"
#include "protocol/proofdata.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void must_agree(const struct proofdata *a, const struct proofdata *b)
{
	must(a->kind == b->kind && a->dialect == b->dialect);
	must(a->has_prover_type == b->has_prover_type && a->prover_type == b->prover_type);
	must(strcmp(a->commit_hash, b->commit_hash) == 0);
	must(a->has_id == b->has_id && a->id == b->id);
	must(a->proof.prover_type == b->proof.prover_type);
	must(a->proof.is_calldata == b->proof.is_calldata);
	must(a->proof.has_public_values == b->proof.has_public_values);
	must(span_eq(buf_span(&a->proof.bytes), buf_span(&b->proof.bytes)));
	must(span_eq(buf_span(&a->proof.public_values), buf_span(&b->proof.public_values)));
	must(span_eq(buf_span(&a->payload), buf_span(&b->payload)));
	must(a->has_input == b->has_input && span_eq(a->input, b->input));
	must(a->format == b->format);
	must(a->has_program_id == b->has_program_id);
	must(strcmp(a->program_id, b->program_id) == 0);
	must(span_eq(a->supported_programs, b->supported_programs));
	must(strcmp(a->error_code, b->error_code) == 0);
	must(strcmp(a->error_message, b->error_message) == 0);
}

/* The first half, as far as it is JSON, in memory of its own. */
static void peek_at_half(const uint8_t *data, size_t size)
{
	struct json_scan scan;
	enum prover_type type;
	uint8_t *half;
	uint64_t id;

	json_scan_init(&scan, 128, false);
	if (json_scan_feed(&scan, data, size / 2, NULL) == JSON_SCAN_WRONG)
		return;
	half = malloc(size / 2 + 1);
	must(half);
	half = realloc(half, size / 2 ? size / 2 : 1);
	if (size)
		memcpy(half, data, size / 2);
	proofdata_peek_submit(span_of(half, size / 2), &id, &type);
	free(half);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct proto_limits limits = {.proof_max = 2048, .payload_max = 2048};
	struct proofdata first, second;
	struct why why = {""};
	enum proto_err err;
	enum prover_type type;
	struct buf out;
	uint64_t id;
	size_t i;

	peek_at_half(data, size);
	err = proofdata_decode(&first, span_of(data, size), &limits, &why);
	if (err) {
		must(why.text[0] != '\0');
		for (i = 0; why.text[i]; i++)
			must(why.text[i] >= 0x20 && why.text[i] < 0x7f);
		must(!first.proof.bytes.p && !first.proof.public_values.p && !first.payload.p);
		return 0;
	}
	/* Of a message in which names come twice the beginning may tell another half. */
	proofdata_peek_submit(span_of(data, size), &id, &type);
	buf_init(&out, 64 * 1024 + 8 * size);
	must(proofdata_encode(&out, &first, &why) == PROTO_OK);
	if (proofdata_peek_submit(buf_span(&out), &id, &type))
		must(first.kind == MSG_PROOF_SUBMIT && first.id == id && first.prover_type == type);
	must(proofdata_decode(&second, buf_span(&out), &limits, &why) == PROTO_OK);
	must_agree(&first, &second);
	proofdata_free(&second);
	proofdata_free(&first);
	buf_free(&out);
	return 0;
}
