#include "coordinator/server/internal.h"

#include <stdlib.h>

#define NOWHERE UINT32_MAX

static void put(struct server *s, size_t at, struct deadline d)
{
	s->heap[at] = d;
	d.conn->due_at = (uint32_t)at;
}

static void sift_up(struct server *s, size_t at)
{
	struct deadline d = s->heap[at];

	while (at > 0 && s->heap[(at - 1) / 2].key > d.key) {
		put(s, at, s->heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	put(s, at, d);
}

static void sift_down(struct server *s, size_t at)
{
	struct deadline d = s->heap[at];

	for (;;) {
		size_t child = 2 * at + 1;

		if (child >= s->heap_len)
			break;
		if (child + 1 < s->heap_len && s->heap[child + 1].key < s->heap[child].key)
			child++;
		if (s->heap[child].key >= d.key)
			break;
		put(s, at, s->heap[child]);
		at = child;
	}
	put(s, at, d);
}

/* The timer is never set later than it is: an early tick costs less than a reset for each change.
 */
static void arm(struct server *s)
{
	uint64_t now = uv_now(s->loop), top;

	if (s->heap_len == 0 || s->stopping)
		return;
	top = s->heap[0].key;
	if (s->timer_at <= top)
		return;
	s->timer_at = top;
	uv_timer_start(&s->timer, deadlines_tick, top > now ? top - now : 0, 0);
}

bool deadlines_reserve(struct server *s)
{
	size_t cap = s->heap_cap ? s->heap_cap * 2 : 64;
	struct deadline *heap;

	if (s->counters.connections < s->heap_cap)
		return true;
	heap = realloc(s->heap, cap * sizeof *heap);
	if (!heap)
		return false;
	s->heap = heap;
	s->heap_cap = cap;
	return true;
}

void deadlines_set(struct conn *c, uint64_t due)
{
	struct server *s = c->server;

	if (c->due == 0) {
		c->due = due;
		s->heap[s->heap_len] = (struct deadline){due, c};
		sift_up(s, s->heap_len++);
		arm(s);
		return;
	}
	c->due = due;
	if (due < s->heap[c->due_at].key) {
		s->heap[c->due_at].key = due;
		sift_up(s, c->due_at);
		arm(s);
	}
}

void deadlines_remove(struct conn *c)
{
	struct server *s = c->server;
	size_t at = c->due_at;
	struct deadline last;

	if (c->due == 0)
		return;
	c->due = 0;
	c->due_at = NOWHERE;
	last = s->heap[--s->heap_len];
	if (at == s->heap_len)
		return;
	put(s, at, last);
	sift_up(s, at);
	sift_down(s, last.conn->due_at);
}

void deadlines_tick(uv_timer_t *timer)
{
	struct server *s = timer->data;
	uint64_t now = uv_now(s->loop);

	s->timer_at = UINT64_MAX;
	while (!s->stopping && s->heap_len > 0 && s->heap[0].key <= now) {
		struct conn *c = s->heap[0].conn;

		if (c->due > now) {
			s->heap[0].key = c->due;
			sift_down(s, 0);
			continue;
		}
		deadlines_remove(c);
		conn_expired(c);
	}
	arm(s);
}
