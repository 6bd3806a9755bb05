/*
 * json_write.h -- JSON as serde_json's compact form writes it, appended to a buf.
 *
 * The first failure sticks and the calls after it do nothing, so that a message can be written
 * without a test on every line.
 */
#ifndef PROTOCOL_JSON_WRITE_H
#define PROTOCOL_JSON_WRITE_H

#include "encoding/bytes.h"

struct json_write {
	struct buf *out;
	bool full;     /* out's ceiling or memory is exhausted */
	bool not_utf8; /* a string was not UTF-8 */
};

/* Punctuation, names and ready JSON text. */
void json_put(struct json_write *w, const char *text);
void json_put_raw(struct json_write *w, struct span text);
void json_put_u64(struct json_write *w, uint64_t n);
/* An array of decimal numbers. */
void json_put_bytes(struct json_write *w, struct span bytes);
void json_put_string(struct json_write *w, const char *text);

#endif
