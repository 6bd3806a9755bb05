#include "coordinator/inputs/retention.h"

#include "encoding/endian.h"

#include <string.h>

static uint64_t age_of(const struct retention_mark *m, uint64_t now_ms)
{
	const int64_t age = (int64_t)now_ms - m->since_ms;

	return age > 0 ? (uint64_t)age : 0;
}

/* What is confirmed no more loses its age. */
static bool cut(struct retention *r, uint64_t final)
{
	size_t i;

	for (i = 0; i < r->n && r->mark[i].batch <= final; i++)
		;
	if (i == r->n)
		return false;
	if (i && r->mark[i - 1].batch == final) {
		r->n = i;
	} else {
		r->mark[i].batch = final;
		r->n = i + 1;
	}
	return true;
}

static void drop_oldest(struct retention *r)
{
	r->n--;
	memmove(r->mark, r->mark + 1, r->n * sizeof *r->mark);
}

bool retention_note(struct retention *r, uint64_t final, uint64_t now_ms, uint64_t keep_ms)
{
	bool changed = cut(r, final);
	const struct retention_mark *last = r->n ? &r->mark[r->n - 1] : NULL;

	r->final = final;
	while (r->n >= 2 && age_of(&r->mark[1], now_ms) >= keep_ms)
		drop_oldest(r);
	last = r->n ? &r->mark[r->n - 1] : NULL;
	if (!final ||
	    (last && (last->batch >= final || age_of(last, now_ms) < keep_ms / RETENTION_STEPS)))
		return changed;
	/* Its batches then count from the next mark on: younger than they are. */
	if (r->n == RETENTION_MARKS)
		drop_oldest(r);
	r->mark[r->n++] = (struct retention_mark){final, (int64_t)now_ms};
	return true;
}

uint64_t retention_through(const struct retention *r, uint64_t now_ms, uint64_t age_ms)
{
	uint64_t through = 0;
	size_t i;

	if (!age_ms)
		return r->final;
	for (i = 0; i < r->n && age_of(&r->mark[i], now_ms) >= age_ms; i++)
		through = r->mark[i].batch;
	return through;
}

uint64_t retention_age(const struct retention *r, uint64_t batch, uint64_t now_ms)
{
	size_t i;

	for (i = 0; i < r->n; i++)
		if (r->mark[i].batch >= batch)
			return age_of(&r->mark[i], now_ms);
	return 0;
}

/* ---- the row: a version, then batch and age of each mark, big-endian ---- */

#define VERSION_HERE 1
#define MARK_SIZE    16

bool retention_put(struct buf *out, const struct retention *r, uint64_t now_ms)
{
	const uint8_t version = VERSION_HERE;
	bool ok = buf_add(out, &version, 1);
	size_t i;

	for (i = 0; ok && i < r->n; i++) {
		uint8_t mark[MARK_SIZE];

		put_be64(mark, r->mark[i].batch);
		put_be64(mark + 8, age_of(&r->mark[i], now_ms));
		ok = buf_add(out, mark, sizeof mark);
	}
	return ok;
}

void retention_get(struct retention *out, struct span row, uint64_t now_ms)
{
	const size_t n = row.n ? (row.n - 1) / MARK_SIZE : 0;
	size_t i;

	*out = (struct retention){0};
	if (!row.n || row.p[0] != VERSION_HERE || row.n != 1 + n * MARK_SIZE || n > RETENTION_MARKS)
		return;
	for (i = 0; i < n; i++) {
		const uint8_t *mark = row.p + 1 + i * MARK_SIZE;

		out->mark[i].batch = be64(mark);
		out->mark[i].since_ms = (int64_t)(now_ms - be64(mark + 8));
		if (i && out->mark[i].batch <= out->mark[i - 1].batch)
			return;
		out->n = i + 1;
	}
}
