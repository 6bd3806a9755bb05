/* One message of every kind and generation, as a prover or ethrex would send it, and what it says.
 */
#ifndef TESTS_PROTOCOL_SAMPLES_H
#define TESTS_PROTOCOL_SAMPLES_H

#include "protocol/proofdata.h"

/* 65 bytes: 1, 6, 11 ... modulo 256 */
#define SIGNATURE                                                                                  \
	"[1,6,11,16,21,26,31,36,41,46,51,56,61,66,71,76,81,86,91,96,101,106,111,116,121,126,131,"  \
	"136,141,146,151,156,161,166,171,176,181,186,191,196,201,206,211,216,221,226,231,236,241," \
	"246,251,0,5,10,15,20,25,30,35,40,45,50,55,60,65]"

enum spelling {
	SAME,  /* encoding it again gives the same bytes */
	OTHER, /* it comes back in another spelling of the same meaning */
};

struct sample {
	const char *json;
	enum spelling spelling;
	enum message_kind kind;
	enum dialect dialect;
	const char *commit_hash;
	enum prover_type prover_type; /* where has_type */
	bool has_type, has_id, has_public_values, is_calldata, has_input, has_program_id;
	uint64_t id;
	size_t proof_len, public_values_len, payload_len;
	enum proof_format format;
	const char *input, *program_id, *programs;
};

#define CASE(text) .json = text
#define TYPE(x)    .has_type = true, .prover_type = PROVER_##x
#define ID(n)      .has_id = true, .id = n

static const struct sample samples[] = {
    /* requests */
    {CASE("\"BatchRequest\""), SAME, MSG_INPUT_REQUEST, DIALECT_P1_P2},
    {CASE("{\"BatchRequest\":null}"), OTHER, MSG_INPUT_REQUEST, DIALECT_P1_P2},
    {CASE("{\"BatchRequest\":{\"commit_hash\":\"4a7c088\"}}"), SAME, MSG_INPUT_REQUEST,
     DIALECT_P3_P5, "4a7c088"},
    {CASE("{\"BatchRequest\":{\"commit_hash\":\"da0ddba\",\"prover_type\":\"TDX\"}}"), SAME,
     MSG_INPUT_REQUEST, DIALECT_P6, "da0ddba", TYPE(TDX)},
    {CASE("{\"BatchRequest\":{\"commit_hash\":\"2d0def3\",\"prover_type\":\"SP1\","
	  "\"supported_programs\":[\"evm-l2\",\"zk-dex\"]}}"),
     SAME, MSG_INPUT_REQUEST, DIALECT_TOKAMAK, "2d0def3", TYPE(SP1),
     .programs = "[\"evm-l2\",\"zk-dex\"]"},
    {CASE("{\"InputRequest\":{\"commit_hash\":\"52e4b64\",\"prover_type\":\"RISC0\"}}"), SAME,
     MSG_INPUT_REQUEST, DIALECT_P7, "52e4b64", TYPE(RISC0)},
    /* responses */
    {CASE("{\"BatchResponse\":{\"batch_number\":null,\"input\":null}}"), SAME, MSG_INPUT_RESPONSE,
     DIALECT_P1_P2},
    {CASE("{\"BatchResponse\":{\"batch_number\":8,\"input\":{\"blocks\":[],\"db\":{}}}}"), SAME,
     MSG_INPUT_RESPONSE, DIALECT_P1_P2, ID(8), .has_input = true,
     .input = "{\"blocks\":[],\"db\":{}}"},
    {CASE("{\"BatchResponse\":{\"batch_number\":null,\"input\":null,\"format\":null}}"), SAME,
     MSG_INPUT_RESPONSE, DIALECT_P1_P6},
    {CASE("{\"BatchResponse\":{\"batch_number\":9,\"input\":{},\"format\":\"Groth16\"}}"), SAME,
     MSG_INPUT_RESPONSE, DIALECT_P1_P6, ID(9), .has_input = true, .input = "{}",
     .format = PROOF_FORMAT_GROTH16},
    {CASE("{\"BatchResponse\":{\"batch_number\":9,\"input\":{},\"format\":\"Compressed\","
	  "\"program_id\":\"evm-l2\"}}"),
     SAME, MSG_INPUT_RESPONSE, DIALECT_TOKAMAK, ID(9), .has_input = true, .input = "{}",
     .format = PROOF_FORMAT_COMPRESSED, .has_program_id = true, .program_id = "evm-l2"},
    {CASE("{\"BatchResponse\":{\"batch_number\":null,\"input\":null,\"format\":null,"
	  "\"program_id\":null}}"),
     SAME, MSG_INPUT_RESPONSE, DIALECT_TOKAMAK},
    {CASE("{\"InputResponse\":{\"id\":null,\"input\":null,\"format\":null}}"), SAME,
     MSG_INPUT_RESPONSE, DIALECT_P7},
    {CASE("{\"InputResponse\":{\"id\":18446744073709551615,\"input\":{\"blocks\":[ 1 ]},"
	  "\"format\":\"Groth16\"}}"),
     SAME, MSG_INPUT_RESPONSE, DIALECT_P7, ID(UINT64_MAX), .has_input = true,
     .input = "{\"blocks\":[ 1 ]}", .format = PROOF_FORMAT_GROTH16},
    /* no */
    {CASE("\"VersionMismatch\""), SAME, MSG_VERSION_MISMATCH, DIALECT_ANY},
    {CASE("{\"InvalidCodeVersion\":{\"commit_hash\":\"6e0cacd\"}}"), SAME, MSG_INVALID_CODE_VERSION,
     DIALECT_P3_P5, "6e0cacd"},
    {CASE("{\"NoBatchForVersion\":{\"commit_hash\":\"4a7c088\"}}"), SAME, MSG_NO_BATCH_FOR_VERSION,
     DIALECT_P3_P5, "4a7c088"},
    {CASE("{\"ProverTypeNotNeeded\":{\"prover_type\":\"SP1\"}}"), SAME, MSG_PROVER_TYPE_NOT_NEEDED,
     DIALECT_ANY, TYPE(SP1)},
    {CASE("{\"Error\":{\"code\":\"busy\",\"message\":\"no room\"}}"), SAME, MSG_ERROR, DIALECT_ANY},
    /* set-up */
    {CASE("{\"ProverSetup\":{\"prover_type\":\"TDX\",\"payload\":[4,0,2,0,129,0,255]}}"), SAME,
     MSG_PROVER_SETUP, DIALECT_ANY, TYPE(TDX), .payload_len = 7},
    {CASE("{\"ProverSetup\":{\"prover_type\":\"TDX\",\"payload\":\"0xab\"}}"), OTHER,
     MSG_PROVER_SETUP, DIALECT_ANY, TYPE(TDX), .payload_len = 4},
    {CASE("{\"KeyState\":{\"key\":\"0x00112233445566778899aabbccddeeff00112233\"}}"), SAME,
     MSG_KEY_STATE, DIALECT_ANY},
    {CASE("{\"KeyStateResponse\":{\"state\":\"active\"}}"), SAME, MSG_KEY_STATE_RESPONSE,
     DIALECT_ANY},
    {CASE("{\"KeyStateResponse\":{\"state\":\"standby\"}}"), SAME, MSG_KEY_STATE_RESPONSE,
     DIALECT_ANY},
    {CASE("{\"KeyStateResponse\":{\"state\":\"unknown\"}}"), SAME, MSG_KEY_STATE_RESPONSE,
     DIALECT_ANY},
    {CASE("\"ProverSetupACK\""), SAME, MSG_PROVER_SETUP_ACK, DIALECT_ANY},
    /* proofs */
    {CASE(
	 "{\"ProofSubmit\":{\"batch_number\":7,\"calldata\":{\"prover_type\":\"TDX\",\"calldata\":["
	 "{\"Bytes\":[1,2,3]},{\"Bytes\":" SIGNATURE "}]}}}"),
     SAME, MSG_PROOF_SUBMIT, DIALECT_P1_P2, TYPE(TDX), ID(7), .proof_len = 65,
     .has_public_values = true, .public_values_len = 3},
    {CASE("{\"ProofSubmit\":{\"batch_number\":7,\"calldata\":{\"prover_type\":\"Pico\","
	  "\"calldata\":["
	  "{\"Bytes\":[1]},{\"FixedArray\":[{\"Uint\":\"0x5\"},{\"Uint\":\"0x0\"}]}]}}}"),
     SAME, MSG_PROOF_SUBMIT, DIALECT_P1_P2, TYPE(PICO), ID(7), .proof_len = 62,
     .is_calldata = true},
    {CASE("{\"ProofSubmit\":{\"batch_number\":7,\"batch_proof\":{\"ProofBytes\":{\"proof\":[1,2,3],"
	  "\"public_values\":[4],\"vk\":[5]}}}}"),
     OTHER, MSG_PROOF_SUBMIT, DIALECT_P1_P6, TYPE(ALIGNED), ID(7), .proof_len = 3,
     .has_public_values = true, .public_values_len = 1},
    {CASE("{\"ProofSubmit\":{\"batch_number\":7,\"batch_proof\":{\"ProofBytes\":{\"proof\":[1,2,3],"
	  "\"public_values\":[4]}}}}"),
     SAME, MSG_PROOF_SUBMIT, DIALECT_P1_P6, TYPE(ALIGNED), ID(7), .proof_len = 3,
     .has_public_values = true, .public_values_len = 1},
    {CASE("{\"ProofSubmit\":{\"batch_number\":7,\"batch_proof\":{\"ProofBytes\":{"
	  "\"prover_type\":\"SP1\",\"proof\":[1,2,3],\"public_values\":[]}}}}"),
     SAME, MSG_PROOF_SUBMIT, DIALECT_P1_P6, TYPE(SP1), ID(7), .proof_len = 3,
     .has_public_values = true},
    {CASE("{\"ProofSubmit\":{\"batch_number\":7,\"batch_proof\":{\"ProofCalldata\":{"
	  "\"prover_type\":\"TDX\",\"calldata\":[{\"Bytes\":[9,9]},{\"Bytes\":" SIGNATURE "}]}}}}"),
     SAME, MSG_PROOF_SUBMIT, DIALECT_P1_P6, TYPE(TDX), ID(7), .proof_len = 65,
     .has_public_values = true, .public_values_len = 2},
    {CASE("{\"ProofSubmit\":{\"batch_number\":7,\"batch_proof\":{\"ProofCalldata\":{"
	  "\"prover_type\":\"TDX\",\"calldata\":[{\"Bytes\":" SIGNATURE "}]}}}}"),
     SAME, MSG_PROOF_SUBMIT, DIALECT_P1_P6, TYPE(TDX), ID(7), .proof_len = 65},
    {CASE("{\"ProofSubmit\":{\"batch_number\":7,\"batch_proof\":{\"ProofCalldata\":{"
	  "\"prover_type\":\"Exec\",\"calldata\":[{\"Bytes\":[0,1]}]}}}}"),
     SAME, MSG_PROOF_SUBMIT, DIALECT_P1_P6, TYPE(EXEC), ID(7), .proof_len = 2},
    {CASE("{\"ProofSubmit\":{\"batch_number\":7,\"batch_proof\":{\"ProofCalldata\":{"
	  "\"prover_type\":\"SP1\",\"calldata\":[{\"Bytes\":[0]},{\"Bytes\":[1]}]}}}}"),
     SAME, MSG_PROOF_SUBMIT, DIALECT_P1_P6, TYPE(SP1), ID(7), .proof_len = 29, .is_calldata = true},
    {CASE("{\"ProofSubmit\":{\"batch_number\":7,\"batch_proof\":{\"ProofBytes\":{"
	  "\"prover_type\":\"SP1\",\"proof\":[1,2,3],\"public_values\":[4]}},"
	  "\"program_id\":\"evm-l2\"}}"),
     SAME, MSG_PROOF_SUBMIT, DIALECT_TOKAMAK, TYPE(SP1), ID(7), .proof_len = 3,
     .has_public_values = true, .public_values_len = 1, .has_program_id = true,
     .program_id = "evm-l2"},
    {CASE("{\"ProofSubmit\":{\"id\":7,\"proof\":{\"Proof\":{\"prover_type\":\"TDX\","
	  "\"proof\":" SIGNATURE "}}}}"),
     SAME, MSG_PROOF_SUBMIT, DIALECT_P7, TYPE(TDX), ID(7), .proof_len = 65},
    {CASE("{\"ProofSubmit\":{\"id\":0,\"proof\":{\"Proof\":{\"prover_type\":\"Exec\",\"proof\":[0]}"
	  "}}}"),
     SAME, MSG_PROOF_SUBMIT, DIALECT_P7, TYPE(EXEC), ID(0), .proof_len = 1},
    {CASE("{\"ProofSubmit\":{\"id\":7,\"proof\":{\"ProofWithPublicValues\":{\"proof_bytes\":{"
	  "\"prover_type\":\"SP1\",\"proof\":[1,2,3]},\"public_values\":[4]}}}}"),
     SAME, MSG_PROOF_SUBMIT, DIALECT_P7, TYPE(SP1), ID(7), .proof_len = 3,
     .has_public_values = true, .public_values_len = 1},
    {CASE("{\"ProofSubmitACK\":{\"batch_number\":7}}"), SAME, MSG_PROOF_SUBMIT_ACK, DIALECT_P1_P6,
     ID(7)},
    {CASE("{\"ProofSubmitACK\":{\"id\":7}}"), SAME, MSG_PROOF_SUBMIT_ACK, DIALECT_P7, ID(7)},
};
#define SAMPLES (sizeof samples / sizeof samples[0])

static const struct proto_limits sample_limits = {.proof_max = 4096, .payload_max = 8192};

#endif
