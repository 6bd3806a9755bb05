/* ProofCalldata, p1..p6: a proof as the Solidity arguments that the contract of its day took. */
#include "protocol/message.h"

#include <string.h>

enum value_kind {
	VALUE_ADDRESS,
	VALUE_UINT,
	VALUE_INT,
	VALUE_BOOL,
	VALUE_BYTES,
	VALUE_STRING,
	VALUE_ARRAY,
	VALUE_TUPLE,
	VALUE_FIXED_ARRAY,
	VALUE_FIXED_BYTES,
};

static const char *const value_names[] = {
    [VALUE_ADDRESS] = "Address",
    [VALUE_UINT] = "Uint",
    [VALUE_INT] = "Int",
    [VALUE_BOOL] = "Bool",
    [VALUE_BYTES] = "Bytes",
    [VALUE_STRING] = "String",
    [VALUE_ARRAY] = "Array",
    [VALUE_TUPLE] = "Tuple",
    [VALUE_FIXED_ARRAY] = "FixedArray",
    [VALUE_FIXED_BYTES] = "FixedBytes",
};

/* "0x" and low..high hex digits */
static enum proto_err check_hex(struct reading *rd, size_t low, size_t high)
{
	char text[2 + 64 + 1];
	enum proto_err err;
	size_t offset, n;

	json_read_peek(&rd->at);
	offset = json_read_offset(&rd->at);
	err = read_string(rd, text, sizeof text - 1);
	if (err)
		return err;
	n = strlen(text);
	if (n < 2 + low || n > 2 + high || memcmp(text, "0x", 2) != 0 ||
	    strspn(text + 2, "0123456789abcdefABCDEF") != n - 2)
		return refuse(rd, PROTO_BAD_STRING,
			      "the string at byte %zu is not 0x and %zu..%zu hexadecimal digits",
			      offset, low, high);
	return PROTO_OK;
}

static enum proto_err check_value(struct reading *rd, enum value_kind *kind);

static enum proto_err check_depth(struct reading *rd)
{
	if (rd->at.depth < SERDE_DEPTH_MAX)
		return PROTO_OK;
	return refuse(rd, PROTO_NOT_JSON, "nested more than %d deep at byte %zu", SERDE_DEPTH_MAX,
		      json_read_offset(&rd->at));
}

/* Recursion ends at SERDE_DEPTH_MAX containers, that is after 64 rounds. */
static enum proto_err check_values(struct reading *rd)
{
	enum value_kind kind;
	enum proto_err err;

	if (json_read_peek(&rd->at) != JSON_ARRAY)
		return refuse_type(rd, "an array of values");
	err = check_depth(rd);
	if (err)
		return err;
	json_read_enter(&rd->at);
	while (json_read_more(&rd->at)) {
		err = check_value(rd, &kind);
		if (err)
			return err;
	}
	return PROTO_OK;
}

static enum proto_err check_content(struct reading *rd, enum value_kind kind)
{
	enum json_type type = json_read_peek(&rd->at);
	size_t offset = json_read_offset(&rd->at);

	switch (kind) {
	case VALUE_ADDRESS: return check_hex(rd, 40, 40);
	case VALUE_UINT:
	case VALUE_INT: return check_hex(rd, 1, 64);
	case VALUE_BOOL:
		if (type != JSON_BOOL)
			return refuse_type(rd, "a boolean");
		json_read_value(&rd->at);
		return PROTO_OK;
	case VALUE_STRING:
		if (type != JSON_STRING)
			return refuse_type(rd, "a string");
		return check_string(rd, json_read_string(&rd->at), offset);
	case VALUE_BYTES:
	case VALUE_FIXED_BYTES: {
		enum proto_err err = type == JSON_ARRAY ? check_depth(rd) : PROTO_OK;

		return err ? err : read_bytes(rd, NULL, rd->limits->proof_max, true);
	}
	case VALUE_ARRAY:
	case VALUE_TUPLE:
	case VALUE_FIXED_ARRAY: return check_values(rd);
	}
	return PROTO_OK;
}

static enum proto_err check_value(struct reading *rd, enum value_kind *kind)
{
	const size_t kinds = sizeof value_names / sizeof value_names[0];
	enum proto_err err = check_depth(rd);
	struct variant v;
	size_t i;

	if (!err)
		err = variant_open(rd, &v);
	if (!err)
		err = variant_find(rd, &v, value_names, kinds, &i);
	if (err)
		return err;
	*kind = (enum value_kind)i;
	if (v.bare)
		return refuse(rd, PROTO_WRONG_TYPE,
			      "expected {\"%s\":...}, found a bare name at byte %zu",
			      value_names[i], v.offset);
	err = check_content(rd, *kind);
	if (err) {
		why_wrap(rd->why, "%s", value_names[i]);
		return err;
	}
	return variant_close(rd, &v);
}

/* Checks all values now; what they mean waits for the prover type. */
static enum proto_err field_calldata(struct reading *rd, struct proofdata *out)
{
	(void)out;
	json_read_peek(&rd->at);
	rd->calldata = rd->at;
	return check_values(rd);
}

/* The values at the cursor are as many as out has places, and all Bytes. */
static bool are_bytes(struct json_read at, size_t wanted)
{
	size_t n = 0;

	json_read_enter(&at);
	while (json_read_more(&at)) {
		json_read_peek(&at);
		json_read_enter(&at);
		json_read_more(&at);
		if (!json_read_string_is(json_read_key(&at), "Bytes"))
			return false;
		json_read_value(&at);
		json_read_more(&at);
		n++;
	}
	return n == wanted;
}

static enum proto_err next_bytes(struct reading *rd, struct buf *out)
{
	enum proto_err err;

	json_read_more(&rd->at);
	json_read_peek(&rd->at);
	json_read_enter(&rd->at);
	json_read_more(&rd->at);
	json_read_key(&rd->at);
	err = read_bytes(rd, out, rd->limits->proof_max, true);
	json_read_more(&rd->at);
	return err;
}

static enum proto_err keep_calldata(struct reading *rd, struct proof *proof)
{
	bool two = proof->prover_type == PROVER_TDX && are_bytes(rd->at, 2);
	enum proto_err err = PROTO_OK;
	struct span text;

	if (two || are_bytes(rd->at, 1)) {
		json_read_enter(&rd->at);
		proof->has_public_values = two;
		if (two)
			err = next_bytes(rd, &proof->public_values);
		return err ? err : next_bytes(rd, &proof->bytes);
	}
	text = json_read_value(&rd->at);
	proof->is_calldata = true;
	buf_init(&proof->bytes, rd->limits->proof_max);
	if (text.n > rd->limits->proof_max)
		return refuse(rd, PROTO_TOO_LONG, "%zu bytes of text, the limit is %zu", text.n,
			      rd->limits->proof_max);
	if (!buf_add(&proof->bytes, text.p, text.n))
		return refuse(rd, PROTO_NO_MEMORY, "no memory for %zu bytes", text.n);
	return PROTO_OK;
}

static enum proto_err field_calldata_prover_type(struct reading *rd, struct proofdata *out)
{
	return read_prover_type(rd, &out->proof.prover_type);
}

static const struct field fields[] = {
    {"prover_type", field_calldata_prover_type, REQUIRED},
    {"calldata", field_calldata, REQUIRED},
};

enum proto_err read_proof_calldata(struct reading *rd, struct proofdata *out)
{
	enum proto_err err = read_struct(rd, out, fields, 2);
	struct json_read after = rd->at;

	if (err)
		return err;
	rd->at = rd->calldata;
	err = keep_calldata(rd, &out->proof);
	if (err)
		why_wrap(rd->why, "calldata");
	rd->at = after;
	return err;
}

void write_proof_calldata(struct json_write *w, const struct proof *proof)
{
	json_put(w, "{\"prover_type\":");
	json_put_string(w, prover_type_name(proof->prover_type));
	json_put(w, ",\"calldata\":");
	if (proof->is_calldata) {
		json_put_raw(w, buf_span(&proof->bytes));
	} else {
		json_put(w, "[");
		if (proof->has_public_values) {
			json_put(w, "{\"Bytes\":");
			json_put_bytes(w, buf_span(&proof->public_values));
			json_put(w, "},");
		}
		json_put(w, "{\"Bytes\":");
		json_put_bytes(w, buf_span(&proof->bytes));
		json_put(w, "}]");
	}
	json_put(w, "}");
}
