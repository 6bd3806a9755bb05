/* The replies that say no. */
#include "protocol/message.h"

#include "encoding/utf8.h"

#include <string.h>

/* ---- VersionMismatch (p6, p7) ---- */

static const struct shape unit = {.dialect = DIALECT_ANY};

static enum proto_err write_mismatch(struct json_write *w, const struct proofdata *m,
				     struct why *why)
{
	(void)m;
	(void)why;
	json_put(w, "\"VersionMismatch\"");
	return PROTO_OK;
}

const struct message message_version_mismatch = {MSG_VERSION_MISMATCH, "VersionMismatch", &unit,
						 write_mismatch};

/* ---- InvalidCodeVersion (p3, p4) and NoBatchForVersion (p5) ---- */

static const struct field hash_fields[] = {{"commit_hash", field_commit_hash, REQUIRED}};
static const struct shape hash = {.dialect = DIALECT_P3_P5, .fields = hash_fields, .n = 1};

static enum proto_err write_hash(struct json_write *w, const struct proofdata *m, struct why *why)
{
	(void)why;
	json_put(w, "{\"");
	json_put(w, message_kind_name(m->kind));
	json_put(w, "\":{\"commit_hash\":");
	json_put_string(w, m->commit_hash);
	json_put(w, "}}");
	return PROTO_OK;
}

const struct message message_invalid_code_version = {MSG_INVALID_CODE_VERSION, "InvalidCodeVersion",
						     &hash, write_hash};
const struct message message_no_batch_for_version = {MSG_NO_BATCH_FOR_VERSION, "NoBatchForVersion",
						     &hash, write_hash};

/* ---- ProverTypeNotNeeded (p6, p7) ---- */

static const struct field type_fields[] = {{"prover_type", field_prover_type, REQUIRED}};
static const struct shape type = {.dialect = DIALECT_ANY, .fields = type_fields, .n = 1};

static enum proto_err write_not_needed(struct json_write *w, const struct proofdata *m,
				       struct why *why)
{
	if (!m->has_prover_type)
		return write_missing("prover_type", why);
	json_put(w, "{\"ProverTypeNotNeeded\":{\"prover_type\":");
	json_put_string(w, prover_type_name(m->prover_type));
	json_put(w, "}}");
	return PROTO_OK;
}

const struct message message_prover_type_not_needed = {
    MSG_PROVER_TYPE_NOT_NEEDED, "ProverTypeNotNeeded", &type, write_not_needed};

/* ---- Error (ours) ---- */

static enum proto_err field_code(struct reading *rd, struct proofdata *out)
{
	return read_string(rd, out->error_code, ERROR_CODE_MAX);
}

static enum proto_err field_message(struct reading *rd, struct proofdata *out)
{
	return read_string(rd, out->error_message, ERROR_MESSAGE_MAX);
}

static const struct field error_fields[] = {
    {"code", field_code, REQUIRED},
    {"message", field_message, REQUIRED},
};
static const struct shape error = {.dialect = DIALECT_ANY, .fields = error_fields, .n = 2};

static enum proto_err write_error(struct json_write *w, const struct proofdata *m, struct why *why)
{
	char message[sizeof m->error_message];

	(void)why;
	memcpy(message, m->error_message, sizeof message);
	utf8_mend(message); /* it may quote a peer */
	json_put(w, "{\"Error\":{\"code\":");
	json_put_string(w, m->error_code);
	json_put(w, ",\"message\":");
	json_put_string(w, message);
	json_put(w, "}}");
	return PROTO_OK;
}

const struct message message_error = {MSG_ERROR, "Error", &error, write_error};
