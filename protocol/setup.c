/* ProverSetup: a TDX prover shows its quote. The same in every generation. */
#include "protocol/message.h"

static enum proto_err field_payload(struct reading *rd, struct proofdata *out)
{
	return read_bytes(rd, &out->payload, rd->limits->payload_max, true);
}

static const struct field fields[] = {
    {"prover_type", field_prover_type, REQUIRED},
    {"payload", field_payload, REQUIRED},
};
static const struct shape setup = {.fields = fields, .n = 2};

static enum proto_err write(struct json_write *w, const struct proofdata *m, struct why *why)
{
	if (!m->has_prover_type)
		return write_missing("prover_type", why);
	json_put(w, "{\"ProverSetup\":{\"prover_type\":");
	json_put_string(w, prover_type_name(m->prover_type));
	json_put(w, ",\"payload\":");
	json_put_bytes(w, buf_span(&m->payload));
	json_put(w, "}}");
	return PROTO_OK;
}

const struct message message_prover_setup = {MSG_PROVER_SETUP, "ProverSetup", &setup, write};

static const struct shape unit = {.dialect = DIALECT_ANY};

static enum proto_err write_ack(struct json_write *w, const struct proofdata *m, struct why *why)
{
	(void)m;
	(void)why;
	json_put(w, "\"ProverSetupACK\"");
	return PROTO_OK;
}

const struct message message_prover_setup_ack = {MSG_PROVER_SETUP_ACK, "ProverSetupACK", &unit,
						 write_ack};
