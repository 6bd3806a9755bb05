/*
 * retention.h -- for how long batches have been confirmed as verified. Pure.
 *
 * A mark says: all batches up to this one have been confirmed since then, without a break. Marks
 * are taken now and then, so a batch seems at most one step younger than it is. Times are the
 * monotonic clock's; what is stored are ages, so that neither a clock that jumps nor the time that
 * the daemon was down makes anything older.
 */
#ifndef COORDINATOR_INPUTS_RETENTION_H
#define COORDINATOR_INPUTS_RETENTION_H

#include "encoding/bytes.h"

#define RETENTION_STEPS 64 /* marks that one retention is made of */
#define RETENTION_MARKS (RETENTION_STEPS + 8)

struct retention {
	uint64_t final; /* confirmed just now */
	size_t n;
	struct retention_mark {
		uint64_t batch;
		int64_t since_ms;
	} mark[RETENTION_MARKS]; /* the oldest first */
};

/* All up to `final` are confirmed now, and nothing beyond. keep_ms: the age that is of interest.
 * True: there is something new to store. */
bool retention_note(struct retention *r, uint64_t final, uint64_t now_ms, uint64_t keep_ms);
/* The last batch that has been confirmed for this long; 0: none. */
uint64_t retention_through(const struct retention *r, uint64_t now_ms, uint64_t age_ms);
/* For how long this batch has been. */
uint64_t retention_age(const struct retention *r, uint64_t batch, uint64_t now_ms);

/* The stored form, and back; a row of another version is passed over. */
#define RETENTION_ROW_MAX 4096
bool retention_put(struct buf *out, const struct retention *r, uint64_t now_ms);
void retention_get(struct retention *out, struct span row, uint64_t now_ms);

#endif
