/*
 * json_scan.h -- says, byte by byte, whether a stream is one JSON value (RFC 8259).
 *
 * Constant memory, no allocation, any chunking: the verdict does not depend on where a chunk ends.
 * The server asks it when a message is complete; the input store asks it whether the bytes that
 * will later be spliced into a reply verbatim are one object, in UTF-8, of bounded depth.
 */
#ifndef ENCODING_JSON_SCAN_H
#define ENCODING_JSON_SCAN_H

#include "encoding/bytes.h"
#include "encoding/why.h"

#define JSON_SCAN_DEPTH_MAX 512

enum json_scan_state {
	JSON_SCAN_MORE,  /* what came is fine so far, the value is not complete */
	JSON_SCAN_DONE,  /* one whole value; see json_scan.used */
	JSON_SCAN_WRONG, /* not JSON, too deep, or not UTF-8; final */
};

struct json_scan {
	/* read by callers */
	uint64_t used; /* bytes consumed, up to and including the value's last one */
	uint8_t first; /* first byte of the value: '{', '[', '"', ...; 0 before it came */
	/* private */
	enum json_scan_state state;
	uint8_t mode;
	uint8_t utf8_left, utf8_low, utf8_high;
	uint8_t literal, literal_at, hex_left;
	bool check_utf8, in_key;
	uint64_t at; /* offset of the next byte */
	uint16_t depth, depth_max;
	uint64_t is_object[JSON_SCAN_DEPTH_MAX / 64];
};

/* check_utf8: invalid UTF-8 inside strings is WRONG (serde tolerates it in fields that it ignores,
 * so the server passes false and the codec checks the strings that it uses).
 * depth_max: nesting of arrays and objects allowed, 1..JSON_SCAN_DEPTH_MAX. */
void json_scan_init(struct json_scan *s, unsigned depth_max, bool check_utf8);

/* Feeds n bytes. After DONE only white space may follow: anything else is WRONG. A number at the
 * top level is never DONE before json_scan_end(). On WRONG the sentence names the byte's offset. */
enum json_scan_state json_scan_feed(struct json_scan *s, const void *bytes, size_t n,
				    struct why *why);

/* The same up to the value's last byte, however it goes on behind it. *taken: bytes of it. For an
 * object or an array. */
enum json_scan_state json_scan_feed_value(struct json_scan *s, const void *bytes, size_t n,
					  size_t *taken, struct why *why);

/* The stream has ended: DONE if it was one value, else WRONG. */
enum json_scan_state json_scan_end(struct json_scan *s, struct why *why);

#endif
