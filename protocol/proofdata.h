/*
 * proofdata.h -- ethrex's ProofData messages <-> bytes, in every dialect that provers speak.
 *
 * One message is one JSON document in the form that Rust's serde_json writes and accepts. All
 * generations (p1..p7 and the tokamak fork) are normalized into one struct proofdata; its dialect
 * says how a reply has to be spelled. No sockets, no clock, no files.
 *
 * A struct proofdata that is all zeros is an empty message: set kind, dialect and the fields of
 * that kind, then encode. Only the three bufs in it own memory.
 */
#ifndef PROTOCOL_PROOFDATA_H
#define PROTOCOL_PROOFDATA_H

#include "encoding/bytes.h"
#include "encoding/why.h"

/* The numbers are the ones that ethrex's store uses (Aligned was 4); Pico's is ours. */
enum prover_type {
	PROVER_EXEC = 0,
	PROVER_RISC0 = 1,
	PROVER_SP1 = 2,
	PROVER_TDX = 3,
	PROVER_ALIGNED = 4, /* p2, p3 */
	PROVER_PICO = 5,    /* p1 */
};
#define PROVER_TYPES 6
/* A set of types is an unsigned of these. */
#define PROVER_TYPE_BIT(type) (1u << (type))

/* As on the wire: "Exec", "RISC0", "SP1", "TDX", "Aligned", "Pico"; case matters. */
const char *prover_type_name(enum prover_type type);
bool prover_type_parse(enum prover_type *out, const char *name, size_t n);

/* What a message tells about the generation of its sender. A reply copies it from the request. */
enum dialect {
	DIALECT_ANY, /* the message looks the same everywhere (ProverSetup, VersionMismatch, ...) */
	DIALECT_P1_P2,   /* "BatchRequest" without fields; ProofSubmit with calldata (p1) */
	DIALECT_P3_P5,   /* BatchRequest with a commit hash only */
	DIALECT_P6,      /* BatchRequest with commit hash and prover type */
	DIALECT_P1_P6,   /* something with batch_number: older than p7, it does not tell more */
	DIALECT_TOKAMAK, /* p6 with supported_programs or program_id */
	DIALECT_P7,      /* InputRequest; everything with id */
};
/* For the log: "any", "p1..p2", "p3..p5", "p6", "p1..p6", "tokamak", "p7". */
const char *dialect_name(enum dialect dialect);

enum message_kind {
	MSG_INPUT_REQUEST,          /* BatchRequest, InputRequest */
	MSG_INPUT_RESPONSE,         /* BatchResponse, InputResponse */
	MSG_VERSION_MISMATCH,       /* p6, p7 */
	MSG_INVALID_CODE_VERSION,   /* p3, p4: commit_hash is the server's */
	MSG_NO_BATCH_FOR_VERSION,   /* p5: commit_hash is the client's */
	MSG_PROVER_TYPE_NOT_NEEDED, /* p6, p7 */
	MSG_PROOF_SUBMIT,
	MSG_PROOF_SUBMIT_ACK,
	MSG_PROVER_SETUP,
	MSG_PROVER_SETUP_ACK,
	/* Not ethrex's: */
	MSG_ERROR,              /* {"Error":{"code":"...","message":"..."}} */
	MSG_KEY_STATE,          /* {"KeyState":{"key":"0x..."}}, of a prover that has set up */
	MSG_KEY_STATE_RESPONSE, /* {"KeyStateResponse":{"state":"..."}} */
};
#define MESSAGE_KINDS 13
/* "InputRequest" ...: the name in p7 where generations differ. */
const char *message_kind_name(enum message_kind kind);

enum proof_format { PROOF_FORMAT_NONE, PROOF_FORMAT_GROTH16, PROOF_FORMAT_COMPRESSED };

/* As on the wire: "active", "standby", "unknown". */
enum key_state { KEY_ACTIVE, KEY_STANDBY, KEY_UNKNOWN };
#define KEY_STATES       3
#define KEY_ADDRESS_SIZE 20u

#define COMMIT_HASH_MAX   64
#define PROGRAM_ID_MAX    64
#define ERROR_CODE_MAX    48
#define ERROR_MESSAGE_MAX 511

struct proof {
	enum prover_type prover_type;
	/* The proof; for TDX the 65-byte signature (its length is not checked here). One exception:
	 * calldata that is neither one Bytes value nor, for TDX, two (public values, signature) is
	 * kept here as the JSON text of its array, and is_calldata says so. */
	struct buf bytes;
	struct buf public_values;
	bool has_public_values; /* true also for empty ones */
	bool is_calldata;
};

struct proofdata {
	enum message_kind kind;
	enum dialect dialect;
	/* INPUT_REQUEST (from p6), PROVER_SETUP, PROVER_TYPE_NOT_NEEDED; decoding a PROOF_SUBMIT
	 * puts proof.prover_type here too. */
	bool has_prover_type;
	enum prover_type prover_type;
	/* INPUT_REQUEST (from p3), INVALID_CODE_VERSION, NO_BATCH_FOR_VERSION */
	char commit_hash[COMMIT_HASH_MAX + 1];
	/* The id of p7, the batch_number of the others: INPUT_RESPONSE (none: nothing to prove),
	 * PROOF_SUBMIT, PROOF_SUBMIT_ACK (always). */
	bool has_id;
	uint64_t id;
	struct proof proof; /* PROOF_SUBMIT */
	struct buf payload; /* PROVER_SETUP */
	/* INPUT_RESPONSE: the JSON text of the input, a view into the decoded bytes */
	bool has_input;
	struct span input;
	enum proof_format format; /* INPUT_RESPONSE, from p4 */
	/* tokamak: INPUT_RESPONSE, PROOF_SUBMIT */
	bool has_program_id;
	char program_id[PROGRAM_ID_MAX + 1];
	/* tokamak INPUT_REQUEST: JSON text of an array of strings, a view into the decoded bytes */
	struct span supported_programs;
	uint8_t key[KEY_ADDRESS_SIZE]; /* KEY_STATE: the key's address */
	enum key_state key_state;      /* KEY_STATE_RESPONSE */
	/* ERROR */
	char error_code[ERROR_CODE_MAX + 1];
	char error_message[ERROR_MESSAGE_MAX + 1];
};

#define PROTO_ERR_LIST(X)                                                                          \
	X(PROTO_OK, "ok")                                                                          \
	X(PROTO_NOT_JSON, "not_json")               /* not one JSON document, or too deep */       \
	X(PROTO_UNKNOWN_VARIANT, "unknown_variant") /* message, prover type, format ... */         \
	X(PROTO_WRONG_TYPE, "wrong_type")           /* a string where a number belongs ... */      \
	X(PROTO_MISSING_FIELD, "missing_field")                                                    \
	X(PROTO_DUPLICATE_FIELD, "duplicate_field")                                                \
	X(PROTO_WRONG_LENGTH, "wrong_length") /* too many or too few keys or elements */           \
	X(PROTO_OUT_OF_RANGE, "out_of_range") /* a number that does not fit its field */           \
	X(PROTO_BAD_STRING, "bad_string")     /* not UTF-8, lone surrogate, not hex ... */         \
	X(PROTO_TOO_LONG, "too_long")         /* over a limit of ours */                           \
	X(PROTO_NO_MEMORY, "no_memory")                                                            \
	X(PROTO_NOT_IN_DIALECT, "not_in_dialect") /* encoding: the dialect has no words for it */

enum proto_err {
#define X(id, name) id,
	PROTO_ERR_LIST(X)
#undef X
};
const char *proto_err_name(enum proto_err err);

struct proto_limits {
	size_t proof_max;   /* bytes of proof.bytes and, apart from that, of proof.public_values */
	size_t payload_max; /* bytes of payload */
};

/* Reads one whole document. On success *out belongs to the caller (proofdata_free) and json must
 * outlive out->input and out->supported_programs. On failure *out holds no memory and the sentence
 * names the field, the value and the byte. Nesting up to JSON_SCAN_DEPTH_MAX. */
enum proto_err proofdata_decode(struct proofdata *out, struct span json,
				const struct proto_limits *limits, struct why *why);
/* The same of a text that json_scan has found to be one value, nested at most JSON_SCAN_DEPTH_MAX
 * deep: it is not looked at twice. */
enum proto_err proofdata_decode_scanned(struct proofdata *out, struct span json,
					const struct proto_limits *limits, struct why *why);

/* What the beginning of a ProofSubmit tells before its proof comes, where its batch and type stand
 * in front as serde_json writes them. False: nothing, or another message. beginning: what came so
 * far of a text in which json_scan found nothing wrong. */
bool proofdata_peek_submit(struct span beginning, uint64_t *id, enum prover_type *type);
/* Where the input of an INPUT_RESPONSE begins, whose number stands somewhere before it, as
 * serde_json writes it. False: not seen yet, there is none, or another message. beginning: as
 * above. */
bool proofdata_peek_input(struct span beginning, size_t *input_at);
/* Leaves an empty message; NULL is fine. */
void proofdata_free(struct proofdata *m);

/* Appends the document as serde_json's compact form. On failure *out is as before. NO_MEMORY also
 * when out's ceiling is reached. */
enum proto_err proofdata_encode(struct buf *out, const struct proofdata *m, struct why *why);

/* An INPUT_RESPONSE with an input is these bytes, the input's own bytes, and those of the tail.
 * program_id (may be NULL) goes out in DIALECT_TOKAMAK only, format not in DIALECT_P1_P2.
 * DIALECT_ANY is refused: NOT_IN_DIALECT. */
enum proto_err proofdata_input_head(struct buf *out, enum dialect dialect, uint64_t id);
enum proto_err proofdata_input_tail(struct buf *out, enum dialect dialect, enum proof_format format,
				    const char *program_id);

#endif
