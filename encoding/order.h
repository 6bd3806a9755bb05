/*
 * order.h -- a sorted array with unique keys and room at both ends: for what comes at the back and
 * leaves at the front, inserting and removing move few entries. Starts zeroed; items are borrowed.
 */
#ifndef ENCODING_ORDER_H
#define ENCODING_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct order_entry {
	uint64_t key;
	void *item;
};
struct order {
	struct order_entry *e;
	size_t head, n, cap;
};

void order_free(struct order *o);
/* Makes sure that n entries in all fit, so that inserting cannot fail. */
bool order_reserve(struct order *o, size_t n);
/* The key must be new. False: out of memory. */
bool order_insert(struct order *o, uint64_t key, void *item);
/* The key must be there. */
void order_remove(struct order *o, uint64_t key);
void *order_find(const struct order *o, uint64_t key);
/* Index of the first key >= key; o->n if there is none. */
size_t order_lower_bound(const struct order *o, uint64_t key);
struct order_entry order_at(const struct order *o, size_t i);

#endif
