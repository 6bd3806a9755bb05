/*~ Stop 5 of the tour: a batch input comes in. The bytes that a prover will get are the bytes that
 * were put, so they are checked on their way to the disk and never again. */
#include "coordinator/work/upload.h"

#include "coordinator/daemon.h"
#include "coordinator/provers/rows.h"
#include "coordinator/transactions/agenda.h"
#include "coordinator/transactions/prepare.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define INPUT_DEPTH_MAX 256

struct upload {
	struct daemon *d;
	uint64_t batch;
	char commit_hash[COMMIT_HASH_MAX + 1];
	struct input_writer *writer;
	const struct upload_events *events;
	void *arg;
	uint64_t counted; /* bytes that the quota holds for this upload */
	uint8_t sha256[32];
	uint64_t size;
};

static void upload_end(struct upload *u, enum intake_rc rc, const char *sentence)
{
	const struct upload_events *events = u->events;
	void *arg = u->arg;

	if (rc != INTAKE_CREATED)
		u->d->input_bytes -= u->counted;
	if (rc == INTAKE_CREATED)
		u->d->counters.inputs_stored++;
	else if (rc != INTAKE_SAME)
		u->d->counters.inputs_refused++;
	log_event(rc == INTAKE_CREATED || rc == INTAKE_SAME ? LOG_INFO : LOG_WARN,
		  rc == INTAKE_CREATED ? "input_stored"
		  : rc == INTAKE_SAME  ? "input_known"
				       : "input_refused",
		  log_u64("batch", u->batch), log_str("commit_hash", u->commit_hash),
		  log_u64("bytes", u->counted), log_str("note", sentence));
	free(u);
	events->end(arg, rc, sentence);
}

static enum intake_rc writer_rc(enum input_rc rc)
{
	switch (rc) {
	case INPUT_OK: return INTAKE_CREATED;
	case INPUT_NOT_JSON: return INTAKE_INVALID;
	case INPUT_TOO_BIG: return INTAKE_TOO_BIG;
	case INPUT_DISK_FULL: return INTAKE_NO_SPACE;
	case INPUT_IO: return INTAKE_FAILED;
	}
	return INTAKE_FAILED;
}

static enum intake_rc work_rc(enum work_input_rc rc)
{
	switch (rc) {
	case WORK_INPUT_NEW: return INTAKE_CREATED;
	case WORK_INPUT_SAME: return INTAKE_SAME;
	case WORK_INPUT_CONFLICT: return INTAKE_OTHER_CONTENT;
	case WORK_INPUT_VERIFIED: return INTAKE_GONE;
	case WORK_INPUT_NO_ROOM: return INTAKE_NO_SPACE;
	case WORK_INPUT_BAD: return INTAKE_INVALID;
	case WORK_INPUT_NO_MEMORY: return INTAKE_FAILED;
	}
	return INTAKE_FAILED;
}

bool upload_new(struct upload **out, struct daemon *d, uint64_t batch, const char *commit_hash,
		const struct upload_events *events, void *arg, struct why *why)
{
	const struct input_limits limits = {.max_bytes = d->config.max_input_bytes,
					    .disk_floor = d->config.disk_floor_bytes,
					    .depth_max = INPUT_DEPTH_MAX};
	struct upload *u;

	*out = NULL;
	if (batch == 0) {
		why_set(why, "batch 0 is the genesis: it has no input");
		return false;
	}
	if (strlen(commit_hash) > COMMIT_HASH_MAX ||
	    regexec(&d->commit_hash_pattern, commit_hash, 0, NULL, 0) != 0) {
		why_set(why, "commit_hash \"%.80s\" does not match %s", commit_hash,
			d->config.commit_hash_pattern);
		return false;
	}
	u = calloc(1, sizeof *u);
	if (u)
		u->writer = input_writer_new(&d->loop, d->config.data_dir, &limits);
	if (!u || !u->writer) {
		free(u);
		why_set(why, "out of memory");
		return false;
	}
	u->d = d;
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
	struct daemon *d = u->d;

	/* The callback of a refusal must not come from inside this call: the writer gives it one.
	 */
	if (d->input_bytes + n <= d->config.input_quota_bytes) {
		d->input_bytes += n;
		u->counted += n;
	} else {
		struct why why;

		why_set(&why, "the inputs' quota of %" PRIu64 " bytes is used up",
			d->config.input_quota_bytes);
		input_writer_abort(u->writer);
		upload_end(u, INTAKE_NO_SPACE, why.text);
		return;
	}
	input_writer_write(u->writer, bytes, n, on_written, u);
}

static void on_row_kept(void *arg, enum store_rc rc, const struct why *why)
{
	struct upload *u = arg;
	struct why note = {""};
	enum work_input_rc added;

	if (rc != STORE_OK) {
		upload_end(u, rc == STORE_CONFLICT ? INTAKE_OTHER_CONTENT : INTAKE_FAILED,
			   why->text);
		return;
	}
	added = work_add_input(u->d->work, u->batch, u->commit_hash, u->sha256, u->size, &note);
	upload_end(u, work_rc(added), added == WORK_INPUT_NEW ? "ready for provers" : note.text);
}

static void on_finished(void *arg, enum input_rc rc, const uint8_t sha256[32], uint64_t size,
			const struct why *why)
{
	struct upload *u = arg;
	struct store_change change = {.kind = CHANGE_INPUT_PUT};
	struct why note = {""};
	enum work_input_rc known;

	if (rc != INPUT_OK) {
		upload_end(u, writer_rc(rc), why->text);
		return;
	}
	memcpy(u->sha256, sha256, 32);
	u->size = size;
	known = work_check_input(u->d->work, u->batch, u->commit_hash, sha256, &note);
	if (known != WORK_INPUT_NEW) {
		upload_end(u, work_rc(known), note.text);
		return;
	}
	change.input =
	    (struct store_input){.batch = u->batch,
				 .commit_hash = span_of(u->commit_hash, strlen(u->commit_hash)),
				 .size = size,
				 .created_ms = clock_wall_ms()};
	memcpy(change.input.sha256, sha256, 32);
	if (store_commit(u->d->store, &change, 1, on_row_kept, u) != STORE_OK)
		upload_end(u, INTAKE_FAILED, "the store's queue is full");
}

void upload_finish(struct upload *u)
{
	input_writer_finish(u->writer, on_finished, u);
}

void upload_abort(struct upload *u)
{
	input_writer_abort(u->writer);
	u->d->input_bytes -= u->counted;
	free(u);
}

void upload_drop(struct daemon *d, uint64_t batch, const char *commit_hash,
		 const uint8_t sha256[32], bool last_use)
{
	struct store_change change = {.kind = CHANGE_INPUT_DEL};
	struct why why = {""};
	uint64_t size = 0;
	int fd;

	change.input.batch = batch;
	change.input.commit_hash = span_of(commit_hash, strlen(commit_hash));
	store_commit_lazy(d->store, &change, 1);
	if (!last_use)
		return;
	fd = input_file_open(d->config.data_dir, sha256, &size, &why);
	if (fd >= 0)
		close(fd);
	/* A row that outlives its file for a moment is swept at the next start. */
	if (input_file_remove(d->config.data_dir, sha256, &why) != INPUT_OK)
		log_event(LOG_WARN, "input_not_removed", log_u64("batch", batch),
			  log_str("reason", why.text));
	else
		d->input_bytes -= size < d->input_bytes ? size : d->input_bytes;
}
