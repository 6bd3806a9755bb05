/*
 * intake.h -- a batch input on its way in: file, row, work, in this order.
 *
 * An upload streams to a content-addressed file; when that is durable its row is committed; when
 * that is durable the batch may be handed out. A quota counts every stored byte and every byte that
 * unfinished uploads have written.
 */
#ifndef COORDINATOR_WORK_UPLOAD_H
#define COORDINATOR_WORK_UPLOAD_H

#include "coordinator/store/input_file.h"

struct daemon;
struct upload;

enum intake_rc {
	INTAKE_CREATED,
	INTAKE_SAME,          /* the same content was there */
	INTAKE_OTHER_CONTENT, /* this batch and commit hash have other content */
	INTAKE_INVALID,       /* not one JSON object ... */
	INTAKE_TOO_BIG,
	INTAKE_NO_SPACE, /* quota, free-disk floor, or a ceiling on batches and inputs */
	INTAKE_GONE,     /* the batch is verified */
	INTAKE_FAILED,   /* disk or queue: try again */
};

struct upload_events {
	void (*progress)(void *arg); /* the last write is done, the next may come */
	/* The upload has ended and is freed. May come instead of progress; never after abort. */
	void (*end)(void *arg, enum intake_rc rc, const char *sentence);
};

/* False with the sentence when the commit hash or the number is refused, or memory is out. */
bool upload_new(struct upload **out, struct daemon *d, uint64_t batch, const char *commit_hash,
		const struct upload_events *events, void *arg, struct why *why);
/* One call at a time, until progress or end. n <= INPUT_CHUNK_MAX; the bytes are copied. */
void upload_write(struct upload *u, const void *bytes, size_t n);
/* Makes it durable; end follows. After it abort is not allowed. */
void upload_finish(struct upload *u);
void upload_abort(struct upload *u);

/* Forgets an input that work no longer knows: its row and, at the last use of the bytes, the file.
 */
void upload_drop(struct daemon *d, uint64_t batch, const char *commit_hash,
		 const uint8_t sha256[32], bool last_use);

#endif
