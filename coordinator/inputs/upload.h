/*
 * upload.h -- a batch input on its way in: file, row, work, in this order.
 *
 * An upload streams to a content-addressed file; when that is durable its row is committed; when
 * that is durable the batch may be handed out.
 */
#ifndef COORDINATOR_INPUTS_UPLOAD_H
#define COORDINATOR_INPUTS_UPLOAD_H

#include "coordinator/inputs/inputs.h"

/* The last batch that is taken: numbers up to it are the same to every reader of JSON (RFC 8259,
 * 6), and to databases, whose integers have a sign. */
#define INPUT_BATCH_MAX ((UINT64_C(1) << 53) - 1)

struct upload;

enum upload_rc {
	UPLOAD_CREATED,
	UPLOAD_SAME,          /* the same content was there */
	UPLOAD_OTHER_CONTENT, /* this batch and commit hash have other content */
	UPLOAD_INVALID,       /* not one JSON object ... */
	UPLOAD_TOO_BIG,
	UPLOAD_NO_SPACE, /* quota, free-disk floor, or a ceiling on batches and inputs */
	UPLOAD_GONE,     /* the batch is verified */
	UPLOAD_FAILED,   /* disk or queue: try again */
};

struct upload_events {
	void (*progress)(void *arg); /* the last write is done, the next may come */
	/* The upload has ended and is freed. May come instead of progress; never after abort. */
	void (*end)(void *arg, enum upload_rc rc, const char *sentence);
};

/* False with the sentence when the commit hash or the number is refused, or memory is out. */
bool upload_new(struct upload **out, struct inputs *in, uint64_t batch, const char *commit_hash,
		const struct upload_events *events, void *arg, struct why *why);
/* One call at a time, until progress or end. n <= INPUT_CHUNK_MAX; the bytes are copied. Where the
 * quota is used up, end comes from inside. */
void upload_write(struct upload *u, const void *bytes, size_t n);
/* Makes it durable; end follows. After it abort is not allowed. */
void upload_finish(struct upload *u);
void upload_abort(struct upload *u);

#endif
