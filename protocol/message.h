/*
 * message.h -- how a message is described to the codec. Private to this room.
 *
 * Reading and writing of one message live in one file: its shapes are what is read, its write
 * function is what is written.
 */
#ifndef PROTOCOL_MESSAGE_H
#define PROTOCOL_MESSAGE_H

#include "protocol/fields.h"

struct message {
	enum message_kind kind;
	const char *name;
	const struct shape *shape;
	/* Writes the content of a message whose dialect is sensible for it; else NOT_IN_DIALECT. */
	enum proto_err (*write)(struct json_write *w, const struct proofdata *m, struct why *why);
};

/* Every name on the wire, in the order in which an unknown one is told what was expected. */
extern const struct message message_input_request, message_batch_request;
extern const struct message message_input_response, message_batch_response;
extern const struct message message_version_mismatch, message_invalid_code_version,
    message_no_batch_for_version, message_prover_type_not_needed;
extern const struct message message_proof_submit, message_proof_submit_ack;
extern const struct message message_prover_setup, message_prover_setup_ack, message_error;
extern const struct message message_key_state, message_key_state_response;

/* "this message cannot be said in dialect p3..p5" */
enum proto_err write_not_in_dialect(const struct proofdata *m, struct why *why);
/* The message lacks what its dialect needs. */
enum proto_err write_missing(const char *field, struct why *why);

/* The part of a response before and after its input. */
enum proto_err write_response_head(struct json_write *w, const struct proofdata *m,
				   struct why *why);
void write_response_tail(struct json_write *w, enum dialect dialect, enum proof_format format,
			 const char *program_id);

/* ProofCalldata (calldata.c): the fields prover_type and calldata, then what they mean together. */
enum proto_err read_proof_calldata(struct reading *rd, struct proofdata *out);
void write_proof_calldata(struct json_write *w, const struct proof *proof);

#endif
