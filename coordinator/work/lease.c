#include "coordinator/work/internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* How many batches that this source has just failed to prove are passed over in one request. */
#define AVOID_SCAN_MAX 256

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
	if (source) {
		source->refs++;
		source->leases++;
	}
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
	if (s->lease.source) {
		s->lease.source->leases--;
		source_put(&w->sources, s->lease.source);
	}
	s->lease = (struct lease){0};
}

void lease_expire(struct work *w, uint64_t now_ms)
{
	while (w->heap_n && w->heap[0]->expires_ms <= now_ms) {
		struct batch *b = work_batch(w, w->heap[0]->batch);
		enum prover_type type = w->heap[0]->type;

		lease_end(w, b->slot[type]);
		batch_refresh(w, b, type);
	}
}

void work_restore_lease(struct work *w, uint64_t batch, enum prover_type type, const char *source,
			uint64_t expires_ms, uint64_t now_ms)
{
	struct batch *b = work_batch(w, batch);
	struct source *src;

	if (!b || expires_ms <= now_ms || (b->slot[type] && b->slot[type]->lease.ticket))
		return;
	/* A clock that was wrong, or a longer setting of old, must not hold a batch for years. */
	if (expires_ms - now_ms > w->limits.lease_ms)
		expires_ms = now_ms + w->limits.lease_ms;
	src = source_get(&w->sources, source);
	if (!src)
		return;
	if (lease_begin(w, b, type, src, expires_ms))
		batch_refresh(w, b, type);
	source_put(&w->sources, src);
}

void work_ungrant(struct work *w, uint64_t batch, enum prover_type type, uint64_t ticket)
{
	struct batch *b = work_batch(w, batch);

	if (!b || ticket == 0 || !b->slot[type] || b->slot[type]->lease.ticket != ticket)
		return;
	lease_end(w, b->slot[type]);
	batch_refresh(w, b, type);
}

/* ---- requests ---- */

static bool slot_avoids(const struct slot *s, const struct source *source, uint64_t now_ms)
{
	return s && source && s->avoid == source && now_ms < s->avoid_until_ms;
}

static struct batch *version_oldest(const struct version *v, enum prover_type type,
				    const struct source *source, uint64_t now_ms)
{
	const struct order *open = &v->open[type];
	size_t i, end = open->n < AVOID_SCAN_MAX ? open->n : AVOID_SCAN_MAX;

	for (i = 0; i < end; i++) {
		struct batch *b = order_at(open, i).item;

		if (!slot_avoids(b->slot[type], source, now_ms))
			return b;
	}
	return NULL;
}

static size_t version_wanting(const struct version *v, unsigned mask)
{
	size_t n = 0;
	int t;

	for (t = 0; t < PROVER_TYPES; t++)
		if (mask & PROVER_TYPE_BIT(t))
			n += v->wanting[t];
	return n;
}

static enum work_request_rc request_nothing(const struct work *w, const struct version *mine,
					    const char *commit_hash, unsigned mask, struct why *why)
{
	size_t v;

	if (mine && version_wanting(mine, mask)) {
		why_set(why, "all that commit hash %s could prove is being proven", commit_hash);
		return WORK_EMPTY;
	}
	for (v = 0; v < w->limits.max_versions; v++) {
		const struct version *other = &w->versions[v];

		if (other != mine && other->inputs && version_wanting(other, mask)) {
			why_set(why, "nothing to prove for commit hash %s, but for %s", commit_hash,
				other->commit_hash);
			return WORK_VERSION_MISMATCH;
		}
	}
	why_set(why, "nothing to prove");
	return WORK_EMPTY;
}

static void grant_fill(struct work_grant *grant, const struct batch *b, const struct version *v)
{
	const struct input *in = b->inputs;

	while (in->version != v)
		in = in->next_in_batch;
	*grant = (struct work_grant){.batch = b->number, .size = in->size};
	memcpy(grant->sha256, in->sha256, sizeof grant->sha256);
}

static enum work_request_rc grant_lease(struct work *w, struct batch *b, enum prover_type type,
					const char *source, uint64_t now_ms,
					struct work_grant *grant, struct why *why)
{
	struct source *src = source_get(&w->sources, source);
	enum work_request_rc rc = WORK_EMPTY;

	if (!src || !lease_begin(w, b, type, src, now_ms + w->limits.lease_ms)) {
		why_set(why, "out of memory for a lease");
	} else {
		batch_refresh(w, b, type);
		grant->ticket = b->slot[type]->lease.ticket;
		grant->expires_ms = b->slot[type]->lease.expires_ms;
		rc = WORK_GRANT;
	}
	source_put(&w->sources, src);
	return rc;
}

enum work_request_rc work_request(struct work *w, const char *commit_hash,
				  const enum prover_type *type, const char *source, uint64_t now_ms,
				  struct work_grant *grant, struct why *why)
{
	const struct source *src;
	const struct version *mine = NULL;
	struct batch *b = NULL;
	unsigned mask;
	size_t v;
	int t;

	*grant = (struct work_grant){0};
	if (!w->needed_known) {
		why_set(why, "L1 has not yet said which proof types it needs");
		return WORK_EMPTY;
	}
	mask = type ? PROVER_TYPE_BIT(*type) : WORK_TYPES_ALL;
	if (!(mask & w->needed)) {
		why_set(why, "the contract needs no %s proof",
			type ? prover_type_name(*type) : "single");
		return WORK_NOT_NEEDED;
	}
	lease_expire(w, now_ms);
	src = source_find(&w->sources, source);
	if (type && w->limits.max_leases_per_source && src &&
	    src->leases >= w->limits.max_leases_per_source) {
		why_set(why, "%s has %u batches in work: that is the limit", source, src->leases);
		return WORK_EMPTY;
	}
	for (v = 0; v < w->limits.max_versions; v++)
		if (w->versions[v].inputs && strcmp(w->versions[v].commit_hash, commit_hash) == 0)
			mine = &w->versions[v];
	for (t = 0; mine && t < PROVER_TYPES; t++) {
		struct batch *oldest;

		if (!(mask & PROVER_TYPE_BIT(t)))
			continue;
		oldest = version_oldest(mine, (enum prover_type)t, src, now_ms);
		if (oldest && (!b || oldest->number < b->number))
			b = oldest;
	}
	if (!b)
		return request_nothing(w, mine, commit_hash, mask, why);
	grant_fill(grant, b, mine);
	return type ? grant_lease(w, b, *type, source, now_ms, grant, why) : WORK_GRANT;
}
