/*
 * reaper.h -- takes away what is verified, confirmed, and has been for long enough.
 *
 * Nothing goes on one node's word: a batch must be final (see l1/facts.h) and stay so for the
 * retention. Where a quota or the disk's floor comes near, the oldest final ones go before their
 * time; where one endpoint alone speaks for L1, a part of the retention must be over even then.
 * What is not final is never touched. On a shared store the leader alone takes away, and writes
 * down for how long it was confirmed; the others restore that. Rows go first, by ranges of batches
 * and in slices, then files, off the loop.
 */
#ifndef COORDINATOR_INPUTS_REAPER_H
#define COORDINATOR_INPUTS_REAPER_H

#include "coordinator/inputs/inputs.h"

struct reaper;

struct reaper_parts {
	uv_loop_t *loop;
	struct store *store;
	struct work *work;
	struct inputs *inputs;
};
struct reaper_options {
	const char *data_dir; /* outlives the reaper */
	uint64_t keep_ms;     /* the retention */
	bool alone;           /* one endpoint speaks for L1 */
	/* beyond nine tenths of these, or where no input of the largest size finds room, it is
	 * crowded */
	uint64_t input_quota, input_max, proof_quota;
	size_t max_batches, max_inputs;
	uint64_t disk_floor;      /* 0: none */
	uint64_t (*now_ms)(void); /* NULL: the monotonic clock */
};

/* False with the sentence; *out is NULL. */
bool reaper_new(struct reaper **out, const struct reaper_parts *parts,
		const struct reaper_options *options, struct why *why);
void reaper_set_keep(struct reaper *r, uint64_t keep_ms);
/* Starts nothing more. */
void reaper_stop(struct reaper *r);
/* Is something on its way out? */
bool reaper_busy(const struct reaper *r);
/* After the store has closed and the loop has ended. NULL is fine. */
void reaper_free(struct reaper *r);

/* At the start: for how long batches had been confirmed when that was last written down. */
#define REAPER_FACT "retention"
void reaper_restore(struct reaper *r, struct span row);

/* After each round of L1: what is final may have grown, or be so no more. */
void reaper_on_facts(struct reaper *r);
/* Now and then: time has gone by, and the disk may have filled. */
void reaper_tick(struct reaper *r);

#endif
