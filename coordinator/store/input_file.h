/*
 * input_file.h -- batch inputs as content-addressed files: DIR/inputs/<SHA-256 in hex>.
 *
 * Inputs are large and are sent to provers verbatim, so they stand beside the database. A writer
 * takes chunks from the loop; the disk, the SHA-256 and the JSON check (one object, UTF-8, bounded
 * depth) are work for libuv's pool. A finished file is synced, renamed to its hash and its
 * directory synced before the callback: only then may a row name it.
 */
#ifndef COORDINATOR_STORE_INPUT_FILE_H
#define COORDINATOR_STORE_INPUT_FILE_H

#include <limits.h>
#include <uv.h>

#include "encoding/bytes.h"
#include "encoding/why.h"

enum input_rc {
	INPUT_OK,
	INPUT_NOT_JSON,  /* not one JSON object; the sentence names the offset */
	INPUT_TOO_BIG,   /* over max_bytes */
	INPUT_DISK_FULL, /* no space, or less than the floor would be left */
	INPUT_BROKEN,    /* missing, or not the bytes that the row names */
	INPUT_IO,        /* any other error of the file system, or no memory */
};

#define INPUT_CHUNK_MAX (1u << 20) /* the most that one write takes */

struct input_limits {
	uint64_t max_bytes;
	uint64_t disk_floor; /* bytes that must stay free on the file system */
	unsigned depth_max;  /* nesting, 1..JSON_SCAN_DEPTH_MAX */
};

/* ---- the directory; synchronous, for the start ---- */

/* Creates DIR/inputs (mode 0700), syncs DIR, and removes what unfinished writers left behind. */
enum input_rc input_files_prepare(const char *dir, struct why *why);

/* Removes the files that none of the n hashes in keep names, and counts them. Only names that are
 * a hash are touched. No writer may be at work: its file may be there before its row is. */
enum input_rc input_files_sweep(const char *dir, const uint8_t (*keep)[32], size_t n,
				size_t *removed, struct why *why);

/* INPUT_OK: *fd is for reading, and the caller's. INPUT_BROKEN: the file is missing, or not as long
 * as it should be. INPUT_IO: not now. */
enum input_rc input_file_open(int *fd, const char *dir, const uint8_t sha256[32], uint64_t size,
			      struct why *why);

/* Removes a file that no row names any more. One that is not there is fine. */
enum input_rc input_file_remove(const char *dir, const uint8_t sha256[32], struct why *why);

/* DIR/inputs, and a file there; what begins with INPUT_TMP_PREFIX is unfinished. False with the
 * sentence: the path is too long. */
#define INPUT_TMP_PREFIX "tmp-"
bool input_files_path(char out[PATH_MAX], const char *dir, struct why *why);
bool input_file_path(char out[PATH_MAX], const char *dir, const uint8_t sha256[32],
		     struct why *why);

/* ---- the writer; asynchronous, on the loop ---- */

struct input_writer;

typedef void input_write_cb(void *arg, enum input_rc rc, const struct why *why);
/* sha256 and size are meaningful with INPUT_OK only. */
typedef void input_finish_cb(void *arg, enum input_rc rc, const uint8_t sha256[32], uint64_t size,
			     const struct why *why);

/* NULL: out of memory. The caller ends it with input_writer_finish() or input_writer_abort(). */
struct input_writer *input_writer_new(uv_loop_t *loop, const char *dir,
				      const struct input_limits *limits);

/* Copies n <= INPUT_CHUNK_MAX bytes and appends them; cb comes later, from the loop. One call at a
 * time: the next write, or the finish, is legal only from cb on. After an error cb the writer
 * takes no more; abort it. */
void input_writer_write(struct input_writer *writer, const void *bytes, size_t n,
			input_write_cb *cb, void *arg);

/* Makes the file durable under its hash; a file with the same content is replaced by this one.
 * The writer is freed, and nothing is left behind on an error, before cb is called. */
void input_writer_finish(struct input_writer *writer, input_finish_cb *cb, void *arg);

/* Legal at any time before the finish's cb, also with a call in flight, whose cb then never comes.
 * Removes the file (unless a finish in flight has just published it: the sweep finds that one) and
 * frees the writer, once the pool has let go. NULL is fine. */
void input_writer_abort(struct input_writer *writer);

#endif
