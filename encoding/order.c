#include "encoding/order.h"

#include <stdlib.h>
#include <string.h>

void order_free(struct order *o)
{
	free(o->e);
	*o = (struct order){0};
}

bool order_reserve(struct order *o, size_t n)
{
	struct order_entry *e;
	size_t cap;

	if (n <= o->cap)
		return true;
	cap = o->cap ? o->cap * 2 : 16;
	if (cap < n)
		cap = n;
	e = calloc(cap, sizeof *e);
	if (!e)
		return false;
	/* A quarter of the new room goes in front, where batches come back to. */
	if (o->n)
		memcpy(e + (cap - o->n) / 4, o->e + o->head, o->n * sizeof *e);
	free(o->e);
	o->e = e;
	o->head = (cap - o->n) / 4;
	o->cap = cap;
	return true;
}

size_t order_lower_bound(const struct order *o, uint64_t key)
{
	size_t lo = 0, hi = o->n;

	/* New keys are mostly the largest. */
	if (o->n && o->e[o->head + o->n - 1].key < key)
		return o->n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (o->e[o->head + mid].key < key)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void order_move(struct order *o, size_t from, size_t n, size_t to)
{
	memmove(o->e + to, o->e + from, n * sizeof *o->e);
}

static void order_shift(struct order *o, size_t head)
{
	order_move(o, o->head, o->n, head);
	o->head = head;
}

bool order_insert(struct order *o, uint64_t key, void *item)
{
	size_t at = order_lower_bound(o, key);
	bool room_in_front, room_behind;

	/* With an eighth of slack, or a queue that is nearly full would be moved at every step. */
	if (!order_reserve(o, o->n + o->n / 8 + 1) && o->n == o->cap)
		return false;
	room_in_front = o->head > 0;
	room_behind = o->head + o->n < o->cap;
	if (!room_in_front && at < o->n / 2) {
		order_shift(o, (o->cap - o->n + 1) / 2);
		room_in_front = true;
	} else if (!room_behind && at >= o->n / 2) {
		order_shift(o, (o->cap - o->n) / 4);
		room_behind = true;
	}
	if (room_in_front && (at < o->n / 2 || !room_behind)) {
		order_move(o, o->head, at, o->head - 1);
		o->head--;
	} else {
		order_move(o, o->head + at, o->n - at, o->head + at + 1);
	}
	o->e[o->head + at] = (struct order_entry){key, item};
	o->n++;
	return true;
}

void order_remove(struct order *o, uint64_t key)
{
	size_t at = order_lower_bound(o, key);

	if (at < o->n / 2) {
		order_move(o, o->head, at, o->head + 1);
		o->head++;
	} else {
		order_move(o, o->head + at + 1, o->n - at - 1, o->head + at);
	}
	o->n--;
}

void *order_find(const struct order *o, uint64_t key)
{
	size_t at = order_lower_bound(o, key);

	if (at == o->n || o->e[o->head + at].key != key)
		return NULL;
	return o->e[o->head + at].item;
}

struct order_entry order_at(const struct order *o, size_t i)
{
	return o->e[o->head + i];
}
