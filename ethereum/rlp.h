/*
 * rlp.h -- Recursive Length Prefix: Ethereum's encoding of byte strings and lists of them.
 *
 * Yellow paper, appendix B. The reader takes canonical encodings only: the shortest form of each
 * length, no leading zero in a number, every length inside its parent.
 */
#ifndef ETHEREUM_RLP_H
#define ETHEREUM_RLP_H

#include "encoding/bytes.h"
#include "encoding/why.h"
#include "ethereum/uint256.h"

#define RLP_DEPTH_MAX 64

/* Writing. False when the buffer's ceiling or memory is exhausted; the buffer then holds a part of
 * the encoding and is good for nothing but buf_free(). */
bool rlp_add_bytes(struct buf *out, const void *src, size_t n);
bool rlp_add_u64(struct buf *out, uint64_t v);
bool rlp_add_uint256(struct buf *out, const struct uint256 *v);
/* Everything added between the two becomes the list's items; lists nest.
 *     size_t list = rlp_list_begin(&b);
 *     ok = rlp_add_u64(&b, 1) && rlp_add_bytes(&b, p, n) && rlp_list_end(&b, list); */
size_t rlp_list_begin(const struct buf *out);
bool rlp_list_end(struct buf *out, size_t list);

/* Reading. Each call takes one item off the front of *in. On false *in is unchanged and the
 * sentence says what is wrong with which bytes. What comes out borrows from the input. */
struct rlp_item {
	bool is_list;
	struct span body;  /* the string's bytes, or the list's encoded items */
	struct span whole; /* with the prefix */
};

bool rlp_read(struct span *in, struct rlp_item *out, struct why *why);
/* A list's encoded items, to be read on with the same functions until n is 0. */
bool rlp_read_list(struct span *in, struct span *items, struct why *why);
bool rlp_read_bytes(struct span *in, struct span *out, struct why *why);
/* A string of exactly n bytes. */
bool rlp_read_fixed(struct span *in, void *out, size_t n, struct why *why);
bool rlp_read_u64(struct span *in, uint64_t *out, struct why *why);
bool rlp_read_uint256(struct span *in, struct uint256 *out, struct why *why);

/* Is this exactly one canonical item, lists not nested deeper than depth_max (a list of strings has
 * depth 1; at most RLP_DEPTH_MAX is looked at)? */
bool rlp_check(struct span in, unsigned depth_max, struct why *why);

#endif
