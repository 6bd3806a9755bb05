/*
 * bytes.h -- views, buffers with a ceiling, hex, and the wiping of secrets.
 *
 * A struct span borrows. A struct buf owns heap memory and is born with a ceiling: no call makes
 * it grow past buf.max, whatever a peer sends.
 */
#ifndef ENCODING_BYTES_H
#define ENCODING_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct span {
	const uint8_t *p;
	size_t n;
};

struct buf {
	uint8_t *p; /* owned; NULL while cap is 0 */
	size_t len; /* bytes in use, <= cap */
	size_t cap; /* bytes allocated, <= max */
	size_t max; /* the ceiling given at birth */
};

void buf_init(struct buf *b, size_t max);
/* Frees the memory; the ceiling stays, so the buffer can be used again. */
void buf_free(struct buf *b);
/* Appends. False, with the buffer unchanged, when the ceiling or memory is exhausted. */
bool buf_add(struct buf *b, const void *src, size_t n);
bool buf_add_str(struct buf *b, const char *s);
bool buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
struct span buf_span(const struct buf *b);

struct span span_of(const void *p, size_t n);
bool span_eq(struct span a, struct span b);

/* Lower-case hex without a prefix; out takes 2n + 1 characters. */
void hex_encode(char *out, const void *src, size_t n);
/* "0x" in front is allowed. Exactly n bytes must come out; false for anything else. */
bool hex_decode(uint8_t *out, size_t n, const char *s, size_t slen);
/* As hex_decode, appended to b: any even number of digits. */
bool hex_decode_buf(struct buf *b, const char *s, size_t slen);

/* Overwrites memory in a way that a compiler does not remove. */
void secret_wipe(void *p, size_t n);
/* Compares without a data-dependent branch. */
bool secret_equal(const void *a, const void *b, size_t n);

#endif
