/*
 * json_read.h -- a pull reader over a JSON text that json_scan has already found to be valid, or
 * over the beginning of one.
 *
 * A cursor over the caller's bytes: it allocates nothing and copies nothing. Saving a place is
 * copying the struct. Strings come out raw (the bytes between the quotes, escapes included) and
 * are taken apart character by character.
 */
#ifndef PROTOCOL_JSON_READ_H
#define PROTOCOL_JSON_READ_H

#include "encoding/bytes.h"

enum json_type {
	JSON_NULL,
	JSON_BOOL,
	JSON_NUMBER,
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT,
};
/* "null", "a boolean", "a number" ... */
const char *json_read_type_name(enum json_type type);

struct json_read {
	const uint8_t *start, *p, *end;
	unsigned depth; /* containers entered and not left */
};

void json_read_init(struct json_read *r, struct span valid_text);
/* The type of the value that comes next; after this the cursor stands on its first byte. */
enum json_type json_read_peek(struct json_read *r);
/* Where the cursor stands, from the start of the text. */
size_t json_read_offset(const struct json_read *r);

/* Containers: json_read_enter() once, then json_read_more() before each element or key.
 * json_read_more() leaves the container when it returns false. */
void json_read_enter(struct json_read *r);
bool json_read_more(struct json_read *r);
/* The raw key and its colon. */
struct span json_read_key(struct json_read *r);

/* Inside an array, before an element: takes plain numbers 0..255, each with the comma behind it, as
 * many as there are and at most max, and leaves the cursor before the next element. Returns how
 * many. */
size_t json_read_plain_bytes(struct json_read *r, uint8_t *out, size_t max);

/* Any value: its text. */
struct span json_read_value(struct json_read *r);
/* A value that json_read_peek() found to be a string: the raw text between its quotes. */
struct span json_read_string(struct json_read *r);

enum json_char {
	JSON_CHAR_END,
	JSON_CHAR,
	JSON_CHAR_BAD, /* not UTF-8, or half of a surrogate pair */
};
/* Takes one character off the front of a raw string: 1..4 bytes of UTF-8 in out. */
enum json_char json_read_next_char(struct span *raw, uint8_t out[4], size_t *n);
/* False if the raw string is bad or its characters are not these. */
bool json_read_string_is(struct span raw, const char *text);

#endif
