/* ProofSubmit and its acknowledgement: four spellings of "here is my proof". */
#include "protocol/message.h"

static enum proto_err read_vec(struct reading *rd, struct buf *out)
{
	return read_bytes(rd, out, rd->limits->proof_max, false);
}

static enum proto_err field_proof_prover_type(struct reading *rd, struct proofdata *out)
{
	return read_prover_type(rd, &out->proof.prover_type);
}

static enum proto_err field_proof_bytes(struct reading *rd, struct proofdata *out)
{
	return read_vec(rd, &out->proof.bytes);
}

static enum proto_err field_public_values(struct reading *rd, struct proofdata *out)
{
	out->proof.has_public_values = true;
	return read_vec(rd, &out->proof.public_values);
}

/* ---- p2..p6: BatchProof ---- */

static const struct field p4_bytes[] = {
    {"prover_type", field_proof_prover_type, REQUIRED},
    {"proof", field_proof_bytes, REQUIRED},
    {"public_values", field_public_values, REQUIRED},
};
/* p2, p3: only Aligned used it, so it names no type. The vk of early p2 is an unknown field. */
static const struct shape p2_shape = {.fields = p4_bytes + 1, .n = 2};
static const struct shape p4_shape = {
    .fields = p4_bytes, .n = 3, .marker = "prover_type", .next = &p2_shape};

static enum proto_err read_either(struct reading *rd, struct proofdata *out,
				  const char *const names[2], field_reader *const read[2])
{
	enum proto_err err;
	struct variant v;
	size_t i;

	err = variant_open(rd, &v);
	if (!err)
		err = variant_find(rd, &v, names, 2, &i);
	if (err)
		return err;
	if (v.bare)
		return refuse(rd, PROTO_WRONG_TYPE,
			      "expected {\"%s\":...}, found a bare name at byte %zu", names[i],
			      v.offset);
	err = read[i](rd, out);
	if (err) {
		why_wrap(rd->why, "%s", names[i]);
		return err;
	}
	return variant_close(rd, &v);
}

static enum proto_err read_batch_proof_bytes(struct reading *rd, struct proofdata *out)
{
	const struct variant keyed = {.bare = false};
	const struct shape *shape = shape_of(rd, &keyed, &p4_shape);

	out->proof.prover_type = PROVER_ALIGNED;
	return read_struct(rd, out, shape->fields, shape->n);
}

static const char *const batch_proof_names[2] = {"ProofCalldata", "ProofBytes"};

static enum proto_err field_batch_proof(struct reading *rd, struct proofdata *out)
{
	static field_reader *const read[2] = {read_proof_calldata, read_batch_proof_bytes};

	return read_either(rd, out, batch_proof_names, read);
}

/* ---- p7: ProverOutput ---- */

static const struct field proof_fields[] = {
    {"prover_type", field_proof_prover_type, REQUIRED},
    {"proof", field_proof_bytes, REQUIRED},
};

static enum proto_err field_proof_only(struct reading *rd, struct proofdata *out)
{
	return read_struct(rd, out, proof_fields, 2);
}

static const struct field public_fields[] = {
    {"proof_bytes", field_proof_only, REQUIRED},
    {"public_values", field_public_values, REQUIRED},
};

static enum proto_err read_with_public_values(struct reading *rd, struct proofdata *out)
{
	return read_struct(rd, out, public_fields, 2);
}

static const char *const output_names[2] = {"Proof", "ProofWithPublicValues"};

static enum proto_err field_output(struct reading *rd, struct proofdata *out)
{
	static field_reader *const read[2] = {field_proof_only, read_with_public_values};

	return read_either(rd, out, output_names, read);
}

/* ---- the message ---- */

static enum proto_err field_program_id(struct reading *rd, struct proofdata *out)
{
	out->has_program_id = true;
	return read_string(rd, out->program_id, PROGRAM_ID_MAX);
}

static bool key_is_one_of(struct json_read at, const char *const names[2])
{
	struct span key;

	if (json_read_peek(&at) != JSON_OBJECT)
		return false;
	json_read_enter(&at);
	if (!json_read_more(&at))
		return false;
	key = json_read_key(&at);
	return json_read_string_is(key, names[0]) || json_read_string_is(key, names[1]);
}

/* In array form the second element alone tells the generation. */
static enum proto_err field_any_proof(struct reading *rd, struct proofdata *out)
{
	if (key_is_one_of(rd->at, output_names)) {
		out->dialect = DIALECT_P7;
		return field_output(rd, out);
	}
	if (key_is_one_of(rd->at, batch_proof_names)) {
		out->dialect = DIALECT_P1_P6;
		return field_batch_proof(rd, out);
	}
	out->dialect = DIALECT_P1_P2;
	return read_proof_calldata(rd, out);
}

static const struct field p7_fields[] = {
    {"id", field_id, REQUIRED},
    {"proof", field_output, REQUIRED},
};
static const struct field batch_fields[] = {
    {"batch_number", field_id, REQUIRED},
    {"batch_proof", field_batch_proof, REQUIRED},
    {"program_id", field_program_id, DEFAULTED},
};
static const struct field p1_fields[] = {
    {"batch_number", field_id, REQUIRED},
    {"calldata", read_proof_calldata, REQUIRED},
};
static const struct field array_fields[] = {
    {"id", field_id, REQUIRED},
    {"proof", field_any_proof, REQUIRED},
};
static const struct shape neither = {.dialect = DIALECT_P7, .fields = p7_fields, .n = 2};
static const struct shape p1 = {
    .dialect = DIALECT_P1_P2, .fields = p1_fields, .n = 2, .marker = "calldata", .next = &neither};
static const struct shape p2_p6 = {
    .dialect = DIALECT_P1_P6, .fields = batch_fields, .n = 2, .marker = "batch_proof", .next = &p1};
static const struct shape tokamak = {.dialect = DIALECT_TOKAMAK,
				     .fields = batch_fields,
				     .n = 3,
				     .marker = "program_id",
				     .next = &p2_p6};
/* Before tokamak: to p7 a program_id is an unknown field. */
static const struct shape p7 = {
    .dialect = DIALECT_P7, .fields = p7_fields, .n = 2, .marker = "proof", .next = &tokamak};
static const struct shape array = {.fields = array_fields, .n = 2, .array_only = true, .next = &p7};

static enum proto_err write_p7(struct json_write *w, const struct proofdata *m, struct why *why)
{
	const struct proof *proof = &m->proof;

	if (proof->is_calldata)
		return write_not_in_dialect(m, why);
	json_put(w, "{\"ProofSubmit\":{\"id\":");
	json_put_u64(w, m->id);
	json_put(w, proof->has_public_values
			? ",\"proof\":{\"ProofWithPublicValues\":{\"proof_bytes\":"
			: ",\"proof\":{\"Proof\":");
	json_put(w, "{\"prover_type\":");
	json_put_string(w, prover_type_name(proof->prover_type));
	json_put(w, ",\"proof\":");
	json_put_bytes(w, buf_span(&proof->bytes));
	if (proof->has_public_values) {
		json_put(w, "},\"public_values\":");
		json_put_bytes(w, buf_span(&proof->public_values));
	}
	json_put(w, "}}}}");
	return PROTO_OK;
}

static void write_batch_proof_bytes(struct json_write *w, const struct proof *proof)
{
	json_put(w, "{");
	if (proof->prover_type != PROVER_ALIGNED) {
		json_put(w, "\"prover_type\":");
		json_put_string(w, prover_type_name(proof->prover_type));
		json_put(w, ",");
	}
	json_put(w, "\"proof\":");
	json_put_bytes(w, buf_span(&proof->bytes));
	json_put(w, ",\"public_values\":");
	json_put_bytes(w, buf_span(&proof->public_values));
	json_put(w, "}");
}

static enum proto_err write_older(struct json_write *w, const struct proofdata *m, struct why *why)
{
	const struct proof *proof = &m->proof;
	bool calldata = !proof->has_public_values || proof->prover_type == PROVER_TDX;

	if (m->dialect == DIALECT_P1_P2 && !calldata)
		return write_not_in_dialect(m, why);
	json_put(w, "{\"ProofSubmit\":{\"batch_number\":");
	json_put_u64(w, m->id);
	if (m->dialect == DIALECT_P1_P2) {
		json_put(w, ",\"calldata\":");
		write_proof_calldata(w, proof);
	} else {
		json_put(w, ",\"batch_proof\":{\"");
		json_put(w, batch_proof_names[calldata ? 0 : 1]);
		json_put(w, "\":");
		if (calldata)
			write_proof_calldata(w, proof);
		else
			write_batch_proof_bytes(w, proof);
		json_put(w, "}");
	}
	if (m->dialect == DIALECT_TOKAMAK && m->has_program_id) {
		json_put(w, ",\"program_id\":");
		json_put_string(w, m->program_id);
	}
	json_put(w, "}}");
	return PROTO_OK;
}

static enum proto_err write(struct json_write *w, const struct proofdata *m, struct why *why)
{
	if (!m->has_id)
		return write_missing(m->dialect == DIALECT_P7 ? "id" : "batch_number", why);
	switch (m->dialect) {
	case DIALECT_ANY: break;
	case DIALECT_P1_P2:
	case DIALECT_P3_P5:
	case DIALECT_P6:
	case DIALECT_P1_P6:
	case DIALECT_TOKAMAK: return write_older(w, m, why);
	case DIALECT_P7: return write_p7(w, m, why);
	}
	return write_not_in_dialect(m, why);
}

const struct message message_proof_submit = {MSG_PROOF_SUBMIT, "ProofSubmit", &array, write};

/* ---- ProofSubmitACK ---- */

static const struct shape ack_p7 = {.dialect = DIALECT_P7, .fields = p7_fields, .n = 1};
static const struct shape ack = {.dialect = DIALECT_P1_P6,
				 .fields = batch_fields,
				 .n = 1,
				 .marker = "batch_number",
				 .next = &ack_p7};
/* p7 first, so that {"id":1,"batch_number":2} is p7's; in array form both look alike. */
static const struct shape ack_first = {
    .dialect = DIALECT_P7, .fields = p7_fields, .n = 1, .marker = "id", .next = &ack};

static enum proto_err write_ack(struct json_write *w, const struct proofdata *m, struct why *why)
{
	if (!m->has_id)
		return write_missing(m->dialect == DIALECT_P7 ? "id" : "batch_number", why);
	switch (m->dialect) {
	case DIALECT_ANY: return write_not_in_dialect(m, why);
	case DIALECT_P1_P2:
	case DIALECT_P3_P5:
	case DIALECT_P6:
	case DIALECT_P1_P6:
	case DIALECT_TOKAMAK: json_put(w, "{\"ProofSubmitACK\":{\"batch_number\":"); break;
	case DIALECT_P7: json_put(w, "{\"ProofSubmitACK\":{\"id\":"); break;
	}
	json_put_u64(w, m->id);
	json_put(w, "}}");
	return PROTO_OK;
}

const struct message message_proof_submit_ack = {MSG_PROOF_SUBMIT_ACK, "ProofSubmitACK", &ack_first,
						 write_ack};
