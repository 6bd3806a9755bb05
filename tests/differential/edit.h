/*
 * edit.h -- random edits that keep most of a structure, so that readers are met behind their first
 * check.
 */
#ifndef TESTS_DIFFERENTIAL_EDIT_H
#define TESTS_DIFFERENTIAL_EDIT_H

#include "encoding/bytes.h"

struct rng {
	uint64_t state;
};

uint64_t rng_next(struct rng *r);
/* 0 to n - 1. */
size_t rng_below(struct rng *r, size_t n);

/* Edits one to three elements of a DER structure; the lengths around them are mended, unless the
 * edit is a wrong length. what (cap bytes) says what was done. */
void edit_der(struct buf *out, struct rng *r, const uint8_t *der, size_t n, char *what, size_t cap);
/* Edits one or two tokens or members of a JSON text. */
void edit_json(struct buf *out, struct rng *r, const uint8_t *text, size_t n, char *what,
	       size_t cap);
/* Edits the certificates in PEM of a quote. */
void edit_pem(struct buf *out, struct rng *r, const uint8_t *text, size_t n, char *what,
	      size_t cap);

#endif
