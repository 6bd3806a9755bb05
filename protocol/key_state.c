/* KeyState and its answer: ours. A prover asks whether its key is still known. */
#include "protocol/message.h"

#include <string.h>

static const char *const states[KEY_STATES] = {"active", "standby", "unknown"};

static enum proto_err field_key(struct reading *rd, struct proofdata *out)
{
	char text[2 * KEY_ADDRESS_SIZE + 3];
	const enum proto_err err = read_string(rd, text, sizeof text - 1);

	if (err)
		return err;
	if (strncmp(text, "0x", 2) != 0 ||
	    !hex_decode(out->key, KEY_ADDRESS_SIZE, text, strlen(text)))
		return refuse(rd, PROTO_BAD_STRING, "not an address of 20 bytes in hex behind 0x");
	return PROTO_OK;
}

static const struct field key_fields[] = {{"key", field_key, REQUIRED}};
static const struct shape key = {.dialect = DIALECT_ANY, .fields = key_fields, .n = 1};

static enum proto_err write_key(struct json_write *w, const struct proofdata *m, struct why *why)
{
	char text[2 * KEY_ADDRESS_SIZE + 3] = "0x";

	(void)why;
	hex_encode(text + 2, m->key, KEY_ADDRESS_SIZE);
	json_put(w, "{\"KeyState\":{\"key\":");
	json_put_string(w, text);
	json_put(w, "}}");
	return PROTO_OK;
}

const struct message message_key_state = {MSG_KEY_STATE, "KeyState", &key, write_key};

static enum proto_err field_state(struct reading *rd, struct proofdata *out)
{
	char text[16];
	const enum proto_err err = read_string(rd, text, sizeof text - 1);
	unsigned i;

	if (err)
		return err;
	for (i = 0; i < KEY_STATES; i++)
		if (strcmp(text, states[i]) == 0) {
			out->key_state = (enum key_state)i;
			return PROTO_OK;
		}
	return refuse(rd, PROTO_UNKNOWN_VARIANT, "\"%s\" is none of active, standby, unknown",
		      text);
}

static const struct field state_fields[] = {{"state", field_state, REQUIRED}};
static const struct shape state = {.dialect = DIALECT_ANY, .fields = state_fields, .n = 1};

static enum proto_err write_state(struct json_write *w, const struct proofdata *m, struct why *why)
{
	(void)why;
	json_put(w, "{\"KeyStateResponse\":{\"state\":");
	json_put_string(w, states[m->key_state]);
	json_put(w, "}}");
	return PROTO_OK;
}

const struct message message_key_state_response = {MSG_KEY_STATE_RESPONSE, "KeyStateResponse",
						   &state, write_state};
