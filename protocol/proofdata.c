#include "protocol/proofdata.h"

#include "encoding/json_scan.h"
#include "protocol/message.h"

static const struct message *const messages[] = {
    &message_input_request,
    &message_batch_request,
    &message_input_response,
    &message_batch_response,
    &message_proof_submit,
    &message_proof_submit_ack,
    &message_prover_setup,
    &message_prover_setup_ack,
    &message_version_mismatch,
    &message_invalid_code_version,
    &message_no_batch_for_version,
    &message_prover_type_not_needed,
    &message_error,
    &message_key_state,
    &message_key_state_response,
};
#define MESSAGES (sizeof messages / sizeof messages[0])

static enum proto_err check_json(struct span json, struct why *why)
{
	struct json_scan scan;

	json_scan_init(&scan, JSON_SCAN_DEPTH_MAX, false);
	if (json_scan_feed(&scan, json.p, json.n, why) == JSON_SCAN_WRONG ||
	    json_scan_end(&scan, why) == JSON_SCAN_WRONG) {
		why_wrap(why, "not one JSON document");
		return PROTO_NOT_JSON;
	}
	return PROTO_OK;
}

static enum proto_err find_message(struct reading *rd, const struct variant *v,
				   const struct message **out)
{
	const char *names[MESSAGES];
	enum proto_err err;
	size_t i;

	for (i = 0; i < MESSAGES; i++)
		names[i] = messages[i]->name;
	err = variant_find(rd, v, names, MESSAGES, &i);
	if (!err)
		*out = messages[i];
	return err;
}

static enum proto_err read_content(struct reading *rd, const struct variant *v,
				   const struct message *type, struct proofdata *out)
{
	const struct shape *shape = shape_of(rd, v, type->shape);

	out->kind = type->kind;
	out->dialect = shape->dialect;
	if (!shape->fields)
		return variant_unit(rd, v);
	if (v->bare)
		return refuse(rd, PROTO_WRONG_TYPE,
			      "expected {\"%s\":{...}}, found a bare name at byte %zu", type->name,
			      v->offset);
	return read_struct(rd, out, shape->fields, shape->n);
}

enum proto_err proofdata_decode(struct proofdata *out, struct span json,
				const struct proto_limits *limits, struct why *why)
{
	enum proto_err err = check_json(json, why);

	if (!err)
		return proofdata_decode_scanned(out, json, limits, why);
	*out = (struct proofdata){0};
	return err;
}

enum proto_err proofdata_decode_scanned(struct proofdata *out, struct span json,
					const struct proto_limits *limits, struct why *why)
{
	struct reading rd = {.limits = limits, .why = why};
	const struct message *type;
	enum proto_err err;
	struct variant v;

	*out = (struct proofdata){0};
	json_read_init(&rd.at, json);
	err = variant_open(&rd, &v);
	if (err)
		return err;
	err = find_message(&rd, &v, &type);
	if (err)
		return err;
	err = read_content(&rd, &v, type, out);
	if (err)
		why_wrap(why, "%s", type->name);
	else
		err = variant_close(&rd, &v);
	if (err) {
		proofdata_free(out);
		return err;
	}
	if (out->kind == MSG_PROOF_SUBMIT) {
		out->has_prover_type = true;
		out->prover_type = out->proof.prover_type;
	}
	return PROTO_OK;
}

void proofdata_free(struct proofdata *m)
{
	if (!m)
		return;
	buf_free(&m->proof.bytes);
	buf_free(&m->proof.public_values);
	buf_free(&m->payload);
	*m = (struct proofdata){0};
}

enum proto_err write_not_in_dialect(const struct proofdata *m, struct why *why)
{
	why_set(why, "dialect %s has no words for this %s", dialect_name(m->dialect),
		message_kind_name(m->kind));
	return PROTO_NOT_IN_DIALECT;
}

enum proto_err write_missing(const char *field, struct why *why)
{
	why_set(why, "missing field `%s`", field);
	return PROTO_MISSING_FIELD;
}

/* Turns what stuck in the writer into an error, and takes back what was written before it. */
static enum proto_err finish(struct json_write *w, size_t before, enum proto_err err,
			     struct why *why)
{
	if (!err && w->full) {
		why_set(why, "no room: %zu bytes written, the ceiling is %zu", w->out->len,
			w->out->max);
		err = PROTO_NO_MEMORY;
	}
	if (!err && w->not_utf8) {
		why_set(why, "a string to be sent is not UTF-8");
		err = PROTO_BAD_STRING;
	}
	if (err)
		w->out->len = before;
	return err;
}

enum proto_err proofdata_encode(struct buf *out, const struct proofdata *m, struct why *why)
{
	struct json_write w = {.out = out};
	size_t before = out->len, i;
	enum proto_err err = PROTO_OK;

	for (i = 0; i < MESSAGES; i++) {
		if (messages[i]->kind == m->kind) {
			err = messages[i]->write(&w, m, why);
			break;
		}
	}
	err = finish(&w, before, err, why);
	if (err)
		why_wrap(why, "%s", message_kind_name(m->kind));
	return err;
}

enum proto_err proofdata_input_head(struct buf *out, enum dialect dialect, uint64_t id)
{
	const struct proofdata m = {
	    .kind = MSG_INPUT_RESPONSE, .dialect = dialect, .has_id = true, .id = id};
	struct json_write w = {.out = out};
	size_t before = out->len;

	return finish(&w, before, write_response_head(&w, &m, NULL), NULL);
}

enum proto_err proofdata_input_tail(struct buf *out, enum dialect dialect, enum proof_format format,
				    const char *program_id)
{
	struct json_write w = {.out = out};
	size_t before = out->len;

	if (dialect == DIALECT_ANY)
		return PROTO_NOT_IN_DIALECT;
	write_response_tail(&w, dialect, format, program_id);
	return finish(&w, before, PROTO_OK, NULL);
}
