#include "protocol/proofdata.h"

#include <string.h>

static const char *const prover_names[PROVER_TYPES] = {
    [PROVER_EXEC] = "Exec", [PROVER_RISC0] = "RISC0",     [PROVER_SP1] = "SP1",
    [PROVER_TDX] = "TDX",   [PROVER_ALIGNED] = "Aligned", [PROVER_PICO] = "Pico",
};

const char *prover_type_name(enum prover_type type)
{
	return prover_names[type];
}

bool prover_type_parse(enum prover_type *out, const char *name, size_t n)
{
	size_t i;

	for (i = 0; i < PROVER_TYPES; i++) {
		if (strlen(prover_names[i]) == n && memcmp(prover_names[i], name, n) == 0) {
			*out = (enum prover_type)i;
			return true;
		}
	}
	return false;
}

const char *dialect_name(enum dialect dialect)
{
	switch (dialect) {
	case DIALECT_ANY: return "any";
	case DIALECT_P1_P2: return "p1..p2";
	case DIALECT_P3_P5: return "p3..p5";
	case DIALECT_P6: return "p6";
	case DIALECT_P1_P6: return "p1..p6";
	case DIALECT_TOKAMAK: return "tokamak";
	case DIALECT_P7: return "p7";
	}
	return "?";
}

const char *message_kind_name(enum message_kind kind)
{
	switch (kind) {
	case MSG_INPUT_REQUEST: return "InputRequest";
	case MSG_INPUT_RESPONSE: return "InputResponse";
	case MSG_VERSION_MISMATCH: return "VersionMismatch";
	case MSG_INVALID_CODE_VERSION: return "InvalidCodeVersion";
	case MSG_NO_BATCH_FOR_VERSION: return "NoBatchForVersion";
	case MSG_PROVER_TYPE_NOT_NEEDED: return "ProverTypeNotNeeded";
	case MSG_PROOF_SUBMIT: return "ProofSubmit";
	case MSG_PROOF_SUBMIT_ACK: return "ProofSubmitACK";
	case MSG_PROVER_SETUP: return "ProverSetup";
	case MSG_PROVER_SETUP_ACK: return "ProverSetupACK";
	case MSG_ERROR: return "Error";
	case MSG_KEY_STATE: return "KeyState";
	case MSG_KEY_STATE_RESPONSE: return "KeyStateResponse";
	}
	return "?";
}

const char *proto_err_name(enum proto_err err)
{
	switch (err) {
#define X(id, name)                                                                                \
	case id: return name;
		PROTO_ERR_LIST(X)
#undef X
	}
	return "?";
}
