/* internal.h -- what inputs.c, files.c and upload.c share. */
#ifndef COORDINATOR_INPUTS_INTERNAL_H
#define COORDINATOR_INPUTS_INTERNAL_H

#include "coordinator/inputs/inputs.h"
#include "coordinator/inputs/upload.h"

struct waste {
	uint8_t sha256[32];
	uint64_t size;
};

struct copy;
#define COPY_BUCKETS 4096

/* Where the store is shared: the files that are here, and those that come (copies.c). */
struct copies {
	struct copy *bucket[COPY_BUCKETS];
	struct copy *waiting; /* to be fetched, in their order */
	unsigned coming;
	uint64_t bytes; /* here and coming */
	uint64_t uses;
};

struct inputs {
	struct inputs_parts p;
	struct inputs_options o;
	uint64_t bytes;
	struct inputs_counters counters;
	uint8_t (*files)[32]; /* during the load: hashes that rows name */
	size_t n_files, cap_files;
	struct old_input *old; /* replaced ones, the oldest first */
	size_t n_old, cap_old;

	/* Files that no row names, and uploads that are about to make a file. The two take turns,
	 * so that no file is removed that a row will name in a moment. */
	struct waste *waste;
	size_t n_waste, cap_waste;
	size_t removing; /* the first of them are the pool's now */
	struct upload *waiting;
	unsigned finishing;
	unsigned in_pool; /* of those: whose file is not durable yet */
	bool stopped;
	void (*closed)(void *arg); /* to be told once the pool has nothing */
	void *closed_arg;
	struct copies copies;

	struct work_input_info looked_at; /* by inputs_look() */
	bool looking;
	uint64_t look_batch;
	size_t look_next;
};

/* Grows an array by doubling. False: no memory, all is as it was. */
bool inputs_room(void **array, size_t *cap, size_t n, size_t size);

/* ---- files.c ---- */

/* Is this file some row's, or was just now? One that was about to be removed stays. */
bool inputs_knows(struct inputs *in, const uint8_t sha256[32]);
/* Whose turn is it? */
void inputs_turn(struct inputs *in);
/* The pool has let go of something. */
void inputs_ended(struct inputs *in);
/* False: no memory; its file is swept at the next start. */
bool old_add(struct inputs *in, const struct old_input *old);
bool old_knows(const struct inputs *in, uint64_t batch, const char *commit_hash,
	       const uint8_t sha256[32]);
/* The size of what it was; 0: it was not there. */
uint64_t old_forget(struct inputs *in, uint64_t batch, const char *commit_hash,
		    const uint8_t sha256[32]);

/* ---- copies.c ---- */

/* The file is here, whole. Without memory for it, it stays until the next start. */
void copies_add(struct inputs *in, const uint8_t sha256[32], uint64_t size);
/* Its file goes, or is not what it should be. */
void copies_forget(struct inputs *in, const uint8_t sha256[32]);
/* And the file is removed. */
void copies_drop(struct inputs *in, const uint8_t sha256[32]);
bool copies_have(const struct inputs *in, const uint8_t sha256[32]);
void copies_free(struct inputs *in);

/* ---- upload.c ---- */

/* It is its turn; all that wait behind it too. */
void upload_land(struct upload *u);

/* ---- inputs.c ---- */

/* Do so many bytes more fit beside these, and on the disk? False with the sentence. */
bool inputs_fit(const struct inputs *in, uint64_t beside, uint64_t bytes, struct why *why);
/* Its text, with a NUL. False: it is longer than any commit hash. */
bool input_row_hash(char out[COMMIT_HASH_MAX + 1], const struct store_input *row);

/* ---- rows; they borrow from the arguments ---- */

void input_row_put(struct store_change *out, uint64_t batch, const char *commit_hash,
		   const uint8_t sha256[32], uint64_t size, uint64_t now_ms);
/* The proofs of this batch that no commitment has confirmed are of an input that is no more. */
void proofs_aside_put(struct store_change *out, uint64_t batch);

#endif
