/* InputResponse and, before p7, BatchResponse: work for a prover, or none. */
#include "protocol/message.h"

static const char *const formats[] = {"Groth16", "Compressed"};

static enum proto_err field_input(struct reading *rd, struct proofdata *out)
{
	if (read_null(rd))
		return PROTO_OK;
	out->has_input = true;
	out->input = json_read_value(&rd->at);
	return PROTO_OK;
}

static enum proto_err field_format(struct reading *rd, struct proofdata *out)
{
	enum proto_err err;
	struct variant v;
	size_t i;

	if (read_null(rd))
		return PROTO_OK;
	err = variant_open(rd, &v);
	if (!err)
		err = variant_find(rd, &v, formats, 2, &i);
	if (!err)
		err = variant_unit(rd, &v);
	if (!err)
		err = variant_close(rd, &v);
	if (!err)
		out->format = i == 0 ? PROOF_FORMAT_GROTH16 : PROOF_FORMAT_COMPRESSED;
	return err;
}

static enum proto_err field_optional_program_id(struct reading *rd, struct proofdata *out)
{
	if (read_null(rd))
		return PROTO_OK;
	out->has_program_id = true;
	return read_string(rd, out->program_id, PROGRAM_ID_MAX);
}

static const struct field p7_fields[] = {
    {"id", field_optional_id, OPTION},
    {"input", field_input, OPTION},
    {"format", field_format, OPTION},
};
static const struct shape p7 = {.dialect = DIALECT_P7, .fields = p7_fields, .n = 3};

static const struct field batch_fields[] = {
    {"batch_number", field_optional_id, OPTION},
    {"input", field_input, OPTION},
    {"format", field_format, OPTION},
    {"program_id", field_optional_program_id, DEFAULTED},
};
/* p3 has no format either; only who asked knows which of the two has answered. */
static const struct shape p1_p2 = {.dialect = DIALECT_P1_P2, .fields = batch_fields, .n = 2};
static const struct shape p4_p6 = {
    .dialect = DIALECT_P1_P6, .fields = batch_fields, .n = 3, .marker = "format", .next = &p1_p2};
static const struct shape tokamak = {.dialect = DIALECT_TOKAMAK,
				     .fields = batch_fields,
				     .n = 4,
				     .marker = "program_id",
				     .next = &p4_p6};

enum proto_err write_response_head(struct json_write *w, const struct proofdata *m, struct why *why)
{
	switch (m->dialect) {
	case DIALECT_ANY: return write_not_in_dialect(m, why);
	case DIALECT_P1_P2:
	case DIALECT_P3_P5:
	case DIALECT_P6:
	case DIALECT_P1_P6:
	case DIALECT_TOKAMAK: json_put(w, "{\"BatchResponse\":{\"batch_number\":"); break;
	case DIALECT_P7: json_put(w, "{\"InputResponse\":{\"id\":"); break;
	}
	if (m->has_id)
		json_put_u64(w, m->id);
	else
		json_put(w, "null");
	json_put(w, ",\"input\":");
	return PROTO_OK;
}

void write_response_tail(struct json_write *w, enum dialect dialect, enum proof_format format,
			 const char *program_id)
{
	if (dialect != DIALECT_P1_P2) {
		json_put(w, ",\"format\":");
		switch (format) {
		case PROOF_FORMAT_NONE: json_put(w, "null"); break;
		case PROOF_FORMAT_GROTH16: json_put_string(w, formats[0]); break;
		case PROOF_FORMAT_COMPRESSED: json_put_string(w, formats[1]); break;
		}
	}
	if (dialect == DIALECT_TOKAMAK) {
		json_put(w, ",\"program_id\":");
		if (program_id)
			json_put_string(w, program_id);
		else
			json_put(w, "null");
	}
	json_put(w, "}}");
}

static enum proto_err write(struct json_write *w, const struct proofdata *m, struct why *why)
{
	enum proto_err err = write_response_head(w, m, why);

	if (err)
		return err;
	if (m->has_input)
		json_put_raw(w, m->input);
	else
		json_put(w, "null");
	write_response_tail(w, m->dialect, m->format, m->has_program_id ? m->program_id : NULL);
	return PROTO_OK;
}

const struct message message_input_response = {MSG_INPUT_RESPONSE, "InputResponse", &p7, write};
const struct message message_batch_response = {MSG_INPUT_RESPONSE, "BatchResponse", &tokamak,
					       write};
