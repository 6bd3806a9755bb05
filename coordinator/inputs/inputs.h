/*
 * inputs.h -- the inputs that are kept: their rows, their files, and the bytes they may take.
 *
 * A row and a content-addressed file belong together; the file is durable before the row that names
 * it, and the row is gone before its file. A quota counts the bytes of every file once, and every
 * byte that unfinished uploads have written. An input that was replaced stays beside the new one,
 * as long as what was verified does.
 */
#ifndef COORDINATOR_INPUTS_INPUTS_H
#define COORDINATOR_INPUTS_INPUTS_H

#include "coordinator/inputs/commit_hash.h"
#include "coordinator/store/input_file.h"
#include "coordinator/store/store.h"
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
	uint64_t stored, refused, replaced, broken;
};

/* False with the sentence; *out is NULL. */
bool inputs_new(struct inputs **out, const struct inputs_parts *parts,
		const struct inputs_options *options, struct why *why);
/* Starts nothing more in the pool. */
void inputs_stop(struct inputs *in);
/* The same; done when the pool has let go of what lands, is removed or looked at: until then the
 * store must not close. It may come from inside. What the store has, it ends itself. */
void inputs_close(struct inputs *in, void (*done)(void *arg), void *arg);
/* NULL is fine. No upload may be left, nor anything in the pool or the store. */
void inputs_free(struct inputs *in);

/* At the start: a row of an earlier run becomes work; one whose file is not as the row says is work
 * that waits for its input to be put again. False with the sentence: there is no room for it. */
bool inputs_restore(struct inputs *in, const struct store_input *row, struct why *why);
/* At the start, after the rows: files that no row names go. False with the sentence. */
bool inputs_sweep(struct inputs *in, size_t *removed, struct why *why);

/* Compares the next input's file with its hash, in the pool; one whose bytes are not what was put
 * is broken, a broken one whose bytes are there again is not. To be called now and then. */
void inputs_look(struct inputs *in);

bool inputs_looking(const struct inputs *in);

/* ---- reading; where the store is shared, DIR/inputs is a copy of some of what is stored ---- */

/* rc and why as of input_file_open(), and INPUT_DISK_FULL: nothing here can make room for it. fd is
 * the callee's; inputs_done() follows when it is read no more. */
typedef void inputs_open_cb(void *arg, enum input_rc rc, int fd, const struct why *why);
/* cb is called exactly once, maybe at once. A file that is not here is fetched first, by one fetch
 * for all who want it; others that nobody reads make room, those that were not read for longest. */
void inputs_open(struct inputs *in, const uint8_t sha256[32], uint64_t size, inputs_open_cb *cb,
		 void *arg);
void inputs_done(struct inputs *in, const uint8_t sha256[32]);
/* Who waits for a file that is to be fetched is told INPUT_IO with this sentence; one that is on
 * its way may still come. */
void inputs_give_up(struct inputs *in, const char *sentence);

/* ---- several coordinators ---- */

/* INPUT_PUT, INPUT_DEL and INPUT_DEL_THROUGH of another coordinator; the last takes batches away
 * with all they have. False with the sentence: out of memory. */
bool inputs_foreign(struct inputs *in, const struct store_change *change, struct why *why);

/* ---- what goes ---- */

/* Takes an input out of the store and, when that is durable, out of work. cb comes later. False
 * with the sentence, and no callback: there is no such input, or no room in the store's queue. */
typedef void inputs_deleted_cb(void *arg, bool ok, const char *sentence);
bool inputs_delete(struct inputs *in, uint64_t batch, const char *commit_hash,
		   inputs_deleted_cb *cb, void *arg, struct why *why);

/* An input that was replaced. */
struct old_input {
	uint64_t batch, size;
	char commit_hash[COMMIT_HASH_MAX + 1];
	uint8_t sha256[32];
};
size_t inputs_old(const struct inputs *in);
/* Takes the oldest ones out of memory, those of batches up to `through`, at most max of them. Their
 * rows and files are the caller's to remove. */
size_t inputs_take_old(struct inputs *in, uint64_t through, struct old_input *out, size_t max);
/* No row names this file any more: it is removed in its turn, unless something still uses it. */
void inputs_waste(struct inputs *in, const uint8_t sha256[32], uint64_t size);
/* Files that wait to be removed. */
size_t inputs_wasted(const struct inputs *in);

/* Would an input of this size be taken now? False with the sentence: the quota, the disk's floor,
 * or a ceiling on batches or inputs. */
bool inputs_have_room(const struct inputs *in, uint64_t bytes, struct why *why);

/* ---- numbers ---- */

/* Of files that wait to be removed; part of inputs_bytes(). */
uint64_t inputs_wasted_bytes(const struct inputs *in);
/* Stored, and written by unfinished uploads. */
uint64_t inputs_bytes(const struct inputs *in);
const struct inputs_counters *inputs_counters(const struct inputs *in);

#endif
