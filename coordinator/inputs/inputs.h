/*
 * inputs.h -- the inputs that are kept: their rows, their files, and the bytes they may take.
 *
 * A row and a content-addressed file belong together; the file is durable before the row that names
 * it. A quota counts every stored byte and every byte that unfinished uploads have written.
 */
#ifndef COORDINATOR_INPUTS_INPUTS_H
#define COORDINATOR_INPUTS_INPUTS_H

#include "coordinator/store/input_file.h"
#include "coordinator/store/store.h"
#include "coordinator/work/commit_hash.h"
#include "coordinator/work/work.h"

#include <uv.h>

struct inputs;

struct inputs_parts {
	uv_loop_t *loop;
	struct store *store;
	struct work *work;
	const struct commit_hash_rule *rule;
};
struct inputs_options {
	const char *data_dir; /* outlives the inputs */
	uint64_t max_bytes;   /* of one input */
	uint64_t quota_bytes; /* of all */
	uint64_t disk_floor;  /* bytes that stay free on the disk */
};
struct inputs_counters {
	uint64_t stored, refused;
};

/* False with the sentence; *out is NULL. */
bool inputs_new(struct inputs **out, const struct inputs_parts *parts,
		const struct inputs_options *options, struct why *why);
/* NULL is fine. No upload may be left. */
void inputs_free(struct inputs *in);

/* At the start: a row of an earlier run becomes work, when its file is as the row says. False with
 * the sentence: there is no room for it. */
bool inputs_restore(struct inputs *in, const struct store_input *row, struct why *why);
/* At the start, after the rows: files that no row names go. False with the sentence. */
bool inputs_sweep(struct inputs *in, size_t *removed, struct why *why);

/* Forgets an input that work no longer knows: its row and, at the last use of the bytes, the file.
 */
void inputs_drop(struct inputs *in, uint64_t batch, const char *commit_hash,
		 const uint8_t sha256[32], bool last_use);

/* Opens the bytes of an input for reading. Returns a descriptor that is the caller's, or -1 with
 * the sentence. */
int inputs_open(const struct inputs *in, const uint8_t sha256[32], uint64_t *size, struct why *why);

/* Stored, and written by unfinished uploads. */
uint64_t inputs_bytes(const struct inputs *in);
const struct inputs_counters *inputs_counters(const struct inputs *in);

#endif
