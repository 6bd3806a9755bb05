#include "coordinator/work/internal.h"

#include <stdlib.h>

/* ---- a binary heap of leases, the next to expire on top ---- */

static void heap_put(struct work *w, size_t at, struct lease *l)
{
	w->heap[at] = l;
	l->heap_at = at;
}

static void heap_up(struct work *w, struct lease *l)
{
	size_t at = l->heap_at;

	while (at && w->heap[(at - 1) / 2]->expires_ms > l->expires_ms) {
		heap_put(w, at, w->heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	heap_put(w, at, l);
}

static void heap_down(struct work *w, struct lease *l)
{
	size_t at = l->heap_at;

	for (;;) {
		size_t child = 2 * at + 1;

		if (child + 1 < w->heap_n &&
		    w->heap[child + 1]->expires_ms < w->heap[child]->expires_ms)
			child++;
		if (child >= w->heap_n || w->heap[child]->expires_ms >= l->expires_ms)
			break;
		heap_put(w, at, w->heap[child]);
		at = child;
	}
	heap_put(w, at, l);
}

bool lease_begin(struct work *w, struct batch *b, enum prover_type type, struct source *source,
		 uint64_t expires_ms)
{
	struct slot *s = batch_slot_make(b, type);

	if (!s)
		return false;
	if (w->heap_n == w->heap_cap) {
		size_t cap = w->heap_cap ? w->heap_cap * 2 : 64;
		struct lease **heap = realloc(w->heap, cap * sizeof(*heap));

		if (!heap)
			return false;
		w->heap = heap;
		w->heap_cap = cap;
	}
	s->lease = (struct lease){
	    .ticket = w->next_ticket++,
	    .expires_ms = expires_ms,
	    .batch = b->number,
	    .type = type,
	    .source = source,
	    .heap_at = w->heap_n,
	};
	source->refs++;
	source->leases++;
	w->heap_n++;
	heap_up(w, &s->lease);
	return true;
}

void lease_end(struct work *w, struct slot *s)
{
	size_t at = s->lease.heap_at;
	struct lease *last = w->heap[--w->heap_n];

	if (last != &s->lease) {
		heap_put(w, at, last);
		heap_up(w, last);
		heap_down(w, last);
	}
	s->lease.source->leases--;
	source_put(&w->sources, s->lease.source);
	s->lease = (struct lease){0};
}

void work_expire(struct work *w, uint64_t now_ms)
{
	while (w->heap_n && w->heap[0]->expires_ms <= now_ms) {
		struct batch *b = work_batch(w, w->heap[0]->batch);
		enum prover_type type = w->heap[0]->type;

		lease_end(w, b->slot[type]);
		batch_refresh(w, b, type);
	}
}

void work_restore_lease(struct work *w, uint64_t batch, enum prover_type type, const char *source,
			uint64_t left_ms, uint64_t now_ms)
{
	const uint64_t whole_ms = w->limits.lease_ms;
	struct batch *b = work_batch(w, batch);
	struct source *src;

	if (!b || left_ms == 0 || (b->slot[type] && b->slot[type]->lease.ticket))
		return;
	/* A clock that was wrong, or a longer setting of old, must not hold a batch for years. */
	if (left_ms > whole_ms)
		left_ms = whole_ms;
	src = source_get(&w->sources, source);
	if (!src)
		return;
	if (lease_begin(w, b, type, src, now_ms + left_ms)) {
		slot_note_grant(w, b->slot[type], src, source_is_trusted(src, false),
				now_ms > whole_ms - left_ms ? now_ms - (whole_ms - left_ms) : 0);
		batch_refresh(w, b, type);
	}
	source_put(&w->sources, src);
}

bool work_ungrant(struct work *w, uint64_t batch, enum prover_type type, uint64_t ticket)
{
	const struct batch *b = work_batch(w, batch);

	if (!b || ticket == 0 || !b->slot[type] || b->slot[type]->lease.ticket != ticket)
		return false;
	work_foreign_unlease(w, batch, type);
	return true;
}
