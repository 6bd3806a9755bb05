/*~ Stop 5 of the tour: a batch input comes in. The bytes that a prover will get are the bytes that
 * were put, so they are checked on their way to the disk and never again. */
#include "coordinator/inputs/upload.h"

#include "coordinator/base/clock.h"
#include "coordinator/base/log.h"
#include "coordinator/inputs/internal.h"
#include "coordinator/inputs/serve.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define INPUT_DEPTH_MAX 256

struct upload {
	struct inputs *in;
	uint64_t batch;
	char commit_hash[COMMIT_HASH_MAX + 1];
	struct input_writer *writer;
	const struct upload_events *events;
	void *arg;
	uint64_t counted;    /* bytes that the quota holds for this upload */
	struct upload *next; /* of those that wait to land */
	bool landing;        /* its file is being made, or is there */
	bool landed, known;  /* it is there; and was some other row's before */
	bool replaces;
	struct old_input old; /* what it replaces */
	uint8_t sha256[32];
	uint64_t size;
};

/* The quota counts a file once, and no more once it is gone. */
static void settle_bytes(struct upload *u, bool created)
{
	struct inputs *in = u->in;

	if (created ? !u->known : u->landed && !u->known && !inputs_knows(in, u->sha256)) {
		if (!created)
			inputs_waste(in, u->sha256, u->counted);
	} else {
		in->bytes -= u->counted;
	}
	in->finishing -= u->landing;
	if (u->landing)
		inputs_turn(in);
}

static void upload_end(struct upload *u, enum upload_rc rc, const char *sentence)
{
	const struct upload_events *events = u->events;
	void *arg = u->arg;

	if (rc == UPLOAD_SAME)
		sentence = "this input is there already, byte for byte";
	if (rc == UPLOAD_CREATED || rc == UPLOAD_SAME)
		copies_add(u->in, u->sha256, u->size);
	settle_bytes(u, rc == UPLOAD_CREATED);
	if (rc == UPLOAD_CREATED)
		u->in->counters.stored++;
	else if (rc != UPLOAD_SAME)
		u->in->counters.refused++;
	log_event((rc == UPLOAD_CREATED && !u->replaces) || rc == UPLOAD_SAME ? LOG_INFO : LOG_WARN,
		  rc == UPLOAD_CREATED ? u->replaces ? "input_replaced" : "input_stored"
		  : rc == UPLOAD_SAME  ? "input_known"
				       : "input_refused",
		  log_u64("batch", u->batch), log_str("commit_hash", u->commit_hash),
		  log_u64("bytes", u->counted), log_str("note", sentence));
	free(u);
	events->end(arg, rc, sentence);
}

static enum upload_rc writer_rc(enum input_rc rc)
{
	switch (rc) {
	case INPUT_OK: return UPLOAD_CREATED;
	case INPUT_NOT_JSON: return UPLOAD_INVALID;
	case INPUT_TOO_BIG: return UPLOAD_TOO_BIG;
	case INPUT_DISK_FULL: return UPLOAD_NO_SPACE;
	case INPUT_BROKEN:
	case INPUT_IO: return UPLOAD_FAILED;
	}
	return UPLOAD_FAILED;
}

static enum upload_rc work_rc(enum work_input_rc rc)
{
	switch (rc) {
	case WORK_INPUT_NEW: return UPLOAD_CREATED;
	case WORK_INPUT_SAME: return UPLOAD_SAME;
	case WORK_INPUT_REPLACE:
	case WORK_INPUT_CONFLICT: return UPLOAD_OTHER_CONTENT;
	case WORK_INPUT_VERIFIED: return UPLOAD_GONE;
	case WORK_INPUT_NO_ROOM: return UPLOAD_NO_SPACE;
	case WORK_INPUT_BAD: return UPLOAD_INVALID;
	case WORK_INPUT_NO_MEMORY: return UPLOAD_FAILED;
	}
	return UPLOAD_FAILED;
}

bool upload_new(struct upload **out, struct inputs *in, uint64_t batch, const char *commit_hash,
		const struct upload_events *events, void *arg, struct why *why)
{
	const struct input_limits limits = {.max_bytes = in->o.max_bytes,
					    .disk_floor = in->o.disk_floor,
					    .depth_max = INPUT_DEPTH_MAX};
	struct upload *u;

	*out = NULL;
	if (batch == 0) {
		why_set(why, "batch 0 is the genesis: it has no input");
		return false;
	}
	if (batch > INPUT_BATCH_MAX) {
		why_set(why, "batch %" PRIu64 " is beyond %" PRIu64 ", the last that is served",
			batch, INPUT_BATCH_MAX);
		return false;
	}
	if (!commit_hash_ok(in->p.rule, commit_hash, why))
		return false;
	u = calloc(1, sizeof *u);
	if (u)
		u->writer = input_writer_new(in->p.loop, in->o.data_dir, &limits);
	if (!u || !u->writer) {
		free(u);
		why_set(why, "out of memory");
		return false;
	}
	u->in = in;
	u->batch = batch;
	snprintf(u->commit_hash, sizeof u->commit_hash, "%s", commit_hash);
	u->events = events;
	u->arg = arg;
	*out = u;
	return true;
}

static void on_written(void *arg, enum input_rc rc, const struct why *why)
{
	struct upload *u = arg;

	if (rc == INPUT_OK) {
		u->events->progress(u->arg);
		return;
	}
	input_writer_abort(u->writer);
	upload_end(u, writer_rc(rc), why->text);
}

void upload_write(struct upload *u, const void *bytes, size_t n)
{
	struct inputs *in = u->in;

	/* A full quota ends the upload from inside this call: see upload.h. */
	if (in->bytes + n <= in->o.quota_bytes) {
		in->bytes += n;
		u->counted += n;
	} else {
		struct why why;

		why_set(&why, "the inputs' quota of %" PRIu64 " bytes is used up",
			in->o.quota_bytes);
		input_writer_abort(u->writer);
		upload_end(u, UPLOAD_NO_SPACE, why.text);
		return;
	}
	input_writer_write(u->writer, bytes, n, on_written, u);
}

static void gone_lease(void *arg, uint64_t batch, enum prover_type type)
{
	struct upload *u = arg;

	lease_drop(u->in->p.store, batch, type);
}

/* False: what was to be replaced has gone meanwhile. */
static bool take_place(struct upload *u)
{
	const struct work_gone gone = {.lease = gone_lease, .arg = u};

	if (!work_replace_input(u->in->p.work, u->batch, u->commit_hash, u->sha256, u->size, &gone))
		return false;
	u->in->counters.replaced++;
	if (!old_add(u->in, &u->old)) /* its row goes with its batch, its file at the next start */
		u->in->bytes -= u->old.size;
	return true;
}

/* Another coordinator put the same bytes meanwhile. */
static bool is_there(const struct upload *u)
{
	uint8_t sha256[32];
	uint64_t size;

	return work_input(u->in->p.work, u->batch, u->commit_hash, sha256, &size) &&
	       memcmp(sha256, u->sha256, 32) == 0;
}

static void on_row_kept(void *arg, enum store_rc rc, const struct why *why)
{
	struct upload *u = arg;
	struct why note = {""};
	enum work_input_rc added;

	if (rc != STORE_OK) {
		upload_end(u, rc == STORE_CONFLICT ? UPLOAD_OTHER_CONTENT : UPLOAD_FAILED,
			   why->text);
		return;
	}
	u->known = inputs_knows(u->in, u->sha256);
	old_forget(u->in, u->batch, u->commit_hash, u->sha256);
	if (u->replaces && !is_there(u) && take_place(u)) {
		upload_end(u, UPLOAD_CREATED, "ready for provers, in place of another one");
		return;
	}
	added = work_add_input(u->in->p.work, u->batch, u->commit_hash, u->sha256, u->size, &note);
	upload_end(u, work_rc(added), added == WORK_INPUT_NEW ? "ready for provers" : note.text);
}

/* One change: the former row counts no more, and its proofs are judged by what will be committed.
 */
static enum store_rc submit_row(struct upload *u)
{
	const uint64_t now_ms = clock_wall_ms();
	struct store_change changes[3];

	input_row_put(&changes[0], u->batch, u->commit_hash, u->old.sha256, u->old.size, 0);
	changes[0].kind = CHANGE_INPUT_REPLACED;
	changes[0].input.replaced_ms = now_ms;
	input_row_put(&changes[1], u->batch, u->commit_hash, u->sha256, u->size, now_ms);
	proofs_aside_put(&changes[2], u->batch);
	return u->replaces ? store_commit(u->in->p.store, changes,
					  store_leads(u->in->p.store) ? 3 : 2, on_row_kept, u)
			   : store_commit(u->in->p.store, &changes[1], 1, on_row_kept, u);
}

/* False: it is not to be stored, and has ended. In a shared store what is known is stored again: it
 * may be broken there, and another coordinator may know that. */
static bool is_to_be_stored(struct upload *u)
{
	struct why note = {""};
	const enum work_input_rc rc =
	    work_check_input(u->in->p.work, u->batch, u->commit_hash, u->sha256, &note);

	u->known = inputs_knows(u->in, u->sha256);
	u->replaces = rc == WORK_INPUT_REPLACE;
	if (rc == WORK_INPUT_NEW || rc == WORK_INPUT_REPLACE ||
	    (rc == WORK_INPUT_SAME && store_is_shared(u->in->p.store)))
		return true;
	upload_end(u, work_rc(rc), note.text);
	return false;
}

/* Its file can be had by every coordinator. */
static void on_shared(void *arg, enum input_rc rc, const struct why *why)
{
	struct upload *u = arg;

	if (rc != INPUT_OK) {
		upload_end(u, writer_rc(rc), why->text);
		return;
	}
	if (!is_to_be_stored(u))
		return;
	u->old.batch = u->batch;
	memcpy(u->old.commit_hash, u->commit_hash, sizeof u->old.commit_hash);
	if (u->replaces)
		work_input(u->in->p.work, u->batch, u->commit_hash, u->old.sha256, &u->old.size);
	if (submit_row(u) != STORE_OK)
		upload_end(u, UPLOAD_FAILED, "the store's queue is full");
}

static void take_landed(struct upload *u, enum input_rc rc, const uint8_t sha256[32], uint64_t size,
			const struct why *why)
{
	if (rc != INPUT_OK) {
		upload_end(u, writer_rc(rc), why->text);
		return;
	}
	memcpy(u->sha256, sha256, 32);
	u->size = size;
	u->landed = true;
	if (!store_is_shared(u->in->p.store))
		on_shared(u, INPUT_OK, NULL);
	else if (*store_lost(u->in->p.store)) /* trying would take a thread of the pool for long */
		upload_end(u, UPLOAD_FAILED, store_lost(u->in->p.store));
	else if (is_to_be_stored(u) &&
		 !store_share_input(u->in->p.store, sha256, size, on_shared, u))
		upload_end(u, UPLOAD_FAILED, "out of memory");
}

/* From here on the store has it, and waits for it when it closes. */
static void on_finished(void *arg, enum input_rc rc, const uint8_t sha256[32], uint64_t size,
			const struct why *why)
{
	struct upload *u = arg;
	struct inputs *in = u->in;

	in->in_pool--;
	take_landed(u, rc, sha256, size, why);
	inputs_ended(in);
}

void upload_land(struct upload *u)
{
	struct upload *next;

	for (; u; u = next) {
		next = u->next;
		u->landing = true;
		u->in->finishing++;
		u->in->in_pool++;
		input_writer_finish(u->writer, on_finished, u);
	}
}

void upload_finish(struct upload *u)
{
	u->next = u->in->waiting;
	u->in->waiting = u;
	inputs_turn(u->in);
}

void upload_abort(struct upload *u)
{
	input_writer_abort(u->writer);
	u->in->bytes -= u->counted;
	free(u);
}
