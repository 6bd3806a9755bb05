/*
 * fields.h -- serde's rules for structs, enums and scalars, as tables and readers. Private to this
 * room.
 *
 * A message variant has one shape a generation; a shape is a table of fields; a field is a name
 * and the function that reads its value. Every reader leaves the cursor behind the value, or
 * returns an error with a sentence in reading.why, which the layers around it wrap with names.
 */
#ifndef PROTOCOL_FIELDS_H
#define PROTOCOL_FIELDS_H

#include "protocol/json_read.h"
#include "protocol/json_write.h"
#include "protocol/proofdata.h"

/* serde_json refuses the 128th container inside one another. */
#define SERDE_DEPTH_MAX 127

struct reading {
	struct json_read at;
	const struct proto_limits *limits;
	struct why *why;
	/* Calldata means something only together with the prover type, which may come after it. */
	struct json_read calldata;
};

typedef enum proto_err field_reader(struct reading *rd, struct proofdata *out);

enum presence {
	REQUIRED,
	OPTION,    /* Option: may be missing from an object */
	DEFAULTED, /* serde default: may also be missing at the end of an array */
};

struct field {
	const char *name;
	field_reader *read;
	enum presence presence;
};

struct shape {
	enum dialect dialect;
	const struct field *fields; /* NULL: a unit variant */
	size_t n;
	const char *marker;       /* an object has this shape if it has this key; NULL: always */
	const struct shape *next; /* NULL: the last resort */
	bool array_only;
};

/* "A": x or "B": x, or a bare "A" */
struct variant {
	struct span name; /* raw */
	size_t offset;
	bool bare;
};

/* Quotes a piece of a peer's text: printable ASCII, cut short. */
#define QUOTE_SIZE 52
const char *quote(char out[QUOTE_SIZE], struct span text);

/* Sets the sentence and returns err. */
enum proto_err refuse(struct reading *rd, enum proto_err err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* "expected X, found a string at byte N" */
enum proto_err refuse_type(struct reading *rd, const char *wanted);

/* An enum in serde's outside tagging. After open() the cursor stands on the content unless the
 * variant is bare; close() sees to it that it was the only key. */
enum proto_err variant_open(struct reading *rd, struct variant *v);
enum proto_err variant_close(struct reading *rd, const struct variant *v);
/* Nothing for a bare variant, null for a keyed one. */
enum proto_err variant_unit(struct reading *rd, const struct variant *v);
/* The index of the variant among names; else the sentence lists them. */
enum proto_err variant_find(struct reading *rd, const struct variant *v, const char *const *names,
			    size_t n, size_t *index);

/* Picks the shape that the value at the cursor (bare: no value) has. */
const struct shape *shape_of(const struct reading *rd, const struct variant *v,
			     const struct shape *first);
/* A struct as an object, or as an array in field order. */
enum proto_err read_struct(struct reading *rd, struct proofdata *out, const struct field *fields,
			   size_t n);

/* Scalars. */
bool read_null(struct reading *rd);
enum proto_err read_u64(struct reading *rd, uint64_t *out);
/* Checks a string that nobody keeps. */
enum proto_err check_string(struct reading *rd, struct span raw, size_t offset);
enum proto_err read_string(struct reading *rd, char *out, size_t max);
enum proto_err read_prover_type(struct reading *rd, enum prover_type *out);
/* Vec<u8> (numbers only) or, with text_too, bytes::Bytes, which takes a string's UTF-8 as well.
 * out may be NULL: checked only. */
enum proto_err read_bytes(struct reading *rd, struct buf *out, size_t max, bool text_too);

/* Readers of fields that several messages have. */
enum proto_err field_id(struct reading *rd, struct proofdata *out);
enum proto_err field_optional_id(struct reading *rd, struct proofdata *out);
enum proto_err field_commit_hash(struct reading *rd, struct proofdata *out);
enum proto_err field_prover_type(struct reading *rd, struct proofdata *out);

#endif
