/*
 * abi_type.h -- private to abi*.c: a type's text, parsed into a small table.
 */
#ifndef ETHEREUM_ABI_TYPE_H
#define ETHEREUM_ABI_TYPE_H

#include "ethereum/abi.h"

enum abi_shape {
	ABI_SCALAR,
	ABI_TUPLE,
	ABI_FIXED_ARRAY, /* T[k] */
	ABI_ARRAY,       /* T[] */
};

struct abi_type {
	enum abi_kind kind;
	enum abi_shape shape;
	unsigned size;                /* UINT: bits; FIXED_BYTES: bytes */
	unsigned height;              /* lists inside each other: 0 for a scalar */
	size_t count;                 /* TUPLE: members; FIXED_ARRAY: k */
	const struct abi_type *first; /* lists: the first member's type, or each element's */
	const struct abi_type *next;  /* the next member of the tuple that this one is in */
	bool dynamic;                 /* stands behind its list's head, which holds an offset */
	size_t slot;                  /* bytes taken in its list's head */
	size_t head;                  /* TUPLE and FIXED_ARRAY: bytes of all members' slots */
};

struct abi_type_table {
	struct abi_type node[ABI_TYPE_NODES_MAX];
	unsigned used;
};

/* Parses a tuple's text. The types point into the table, which must stay where it is.
 * NULL, with a sentence, when the text is no such type or too large. */
const struct abi_type *abi_type_parse(struct abi_type_table *table, const char *text,
				      struct why *why);

/* The type of member i + 1, given that of member i. */
const struct abi_type *abi_type_after(const struct abi_type *list, const struct abi_type *member);

#endif
