/* InputRequest and, before p7, BatchRequest: a prover asks for work. */
#include "protocol/message.h"

/* Kept as text: nobody here needs the names, but a relay has to repeat them. */
static enum proto_err field_supported_programs(struct reading *rd, struct proofdata *out)
{
	enum proto_err err;
	const uint8_t *from;
	size_t offset;

	if (json_read_peek(&rd->at) != JSON_ARRAY)
		return refuse_type(rd, "an array of strings");
	from = rd->at.p;
	json_read_enter(&rd->at);
	while (json_read_more(&rd->at)) {
		if (json_read_peek(&rd->at) != JSON_STRING)
			return refuse_type(rd, "a string");
		offset = json_read_offset(&rd->at);
		err = check_string(rd, json_read_string(&rd->at), offset);
		if (err)
			return err;
	}
	out->supported_programs = span_of(from, (size_t)(rd->at.p - from));
	return PROTO_OK;
}

static const struct field fields[] = {
    {"commit_hash", field_commit_hash, REQUIRED},
    {"prover_type", field_prover_type, REQUIRED},
    {"supported_programs", field_supported_programs, DEFAULTED},
};

static const struct shape p3_p5 = {.dialect = DIALECT_P3_P5, .fields = fields, .n = 1};
static const struct shape p6 = {
    .dialect = DIALECT_P6, .fields = fields, .n = 2, .marker = "prover_type", .next = &p3_p5};
static const struct shape tokamak = {.dialect = DIALECT_TOKAMAK,
				     .fields = fields,
				     .n = 3,
				     .marker = "supported_programs",
				     .next = &p6};
static const struct shape p1_p2 = {.dialect = DIALECT_P1_P2, .next = &tokamak};
static const struct shape p7 = {.dialect = DIALECT_P7, .fields = fields, .n = 2};

static enum proto_err write(struct json_write *w, const struct proofdata *m, struct why *why)
{
	switch (m->dialect) {
	case DIALECT_ANY:
	case DIALECT_P1_P6: return write_not_in_dialect(m, why);
	case DIALECT_P1_P2: json_put(w, "\"BatchRequest\""); return PROTO_OK;
	case DIALECT_P3_P5:
	case DIALECT_P6:
	case DIALECT_TOKAMAK: json_put(w, "{\"BatchRequest\":{\"commit_hash\":"); break;
	case DIALECT_P7: json_put(w, "{\"InputRequest\":{\"commit_hash\":"); break;
	}
	json_put_string(w, m->commit_hash);
	if (m->dialect != DIALECT_P3_P5) {
		if (!m->has_prover_type)
			return write_missing("prover_type", why);
		json_put(w, ",\"prover_type\":");
		json_put_string(w, prover_type_name(m->prover_type));
	}
	if (m->dialect == DIALECT_TOKAMAK) {
		json_put(w, ",\"supported_programs\":");
		if (m->supported_programs.n)
			json_put_raw(w, m->supported_programs);
		else
			json_put(w, "[]");
	}
	json_put(w, "}}");
	return PROTO_OK;
}

const struct message message_input_request = {MSG_INPUT_REQUEST, "InputRequest", &p7, write};
const struct message message_batch_request = {MSG_INPUT_REQUEST, "BatchRequest", &p1_p2, write};
