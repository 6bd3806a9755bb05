#include "coordinator/inputs/inputs.h"

#include "coordinator/base/clock.h"
#include "coordinator/base/log.h"
#include "coordinator/inputs/internal.h"
#include "coordinator/inputs/serve.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* ---- rows ---- */

void input_row_put(struct store_change *out, uint64_t batch, const char *commit_hash,
		   const uint8_t sha256[32], uint64_t size, uint64_t now_ms)
{
	*out = (struct store_change){.kind = CHANGE_INPUT_PUT};
	out->input = (struct store_input){.batch = batch,
					  .commit_hash = span_of(commit_hash, strlen(commit_hash)),
					  .size = size,
					  .created_ms = now_ms};
	memcpy(out->input.sha256, sha256, 32);
}

void proofs_aside_put(struct store_change *out, uint64_t batch)
{
	static const char reason[] = "its input was replaced";

	*out = (struct store_change){.kind = CHANGE_PROOF_RANGE};
	out->proof_range = (struct store_proof_range){
	    .first = batch,
	    .last = batch,
	    .from = 1u << WORK_CANDIDATE | 1u << WORK_UNDECIDED | 1u << WORK_REVERTED,
	    .state = WORK_ASIDE,
	    .reason = span_of(reason, sizeof reason - 1)};
}

/* ---- at the start ---- */

static bool remember_file(struct inputs *in, const uint8_t sha256[32])
{
	if (!inputs_room((void **)&in->files, &in->cap_files, in->n_files, sizeof *in->files))
		return false;
	memcpy(in->files[in->n_files++], sha256, 32);
	return true;
}

static bool restore_old(struct inputs *in, const struct store_input *row, const char *hash)
{
	struct old_input old = {.batch = row->batch, .size = row->size};

	snprintf(old.commit_hash, sizeof old.commit_hash, "%s", hash);
	memcpy(old.sha256, row->sha256, 32);
	return old_add(in, &old);
}

/* Its file may be missing, or may have lost its end: then its batch waits for it to be put again.
 */
static void check_length(struct inputs *in, const struct store_input *row, const char *hash)
{
	struct why note = {""};
	int fd;

	if (input_file_open(&fd, in->o.data_dir, row->sha256, row->size, &note) == INPUT_OK) {
		close(fd);
		copies_add(in, row->sha256, row->size);
		return;
	}
	if (store_is_shared(in->p.store))
		return;
	in->counters.broken++;
	log_event(LOG_ERROR, "input_missing", log_u64("batch", row->batch),
		  log_str("commit_hash", hash), log_str("reason", note.text));
	work_input_broken(in->p.work, row->batch, hash);
}

bool input_row_hash(char out[COMMIT_HASH_MAX + 1], const struct store_input *row)
{
	if (row->commit_hash.n > COMMIT_HASH_MAX)
		return false;
	if (row->commit_hash.n)
		memcpy(out, row->commit_hash.p, row->commit_hash.n);
	out[row->commit_hash.n] = '\0';
	return true;
}

bool inputs_restore(struct inputs *in, const struct store_input *row, struct why *why)
{
	char hash[COMMIT_HASH_MAX + 1];
	struct why note = {""};
	enum work_input_rc rc = WORK_INPUT_NEW;
	bool known;

	if (!input_row_hash(hash, row))
		return true;
	known = inputs_knows(in, row->sha256);
	if (!remember_file(in, row->sha256) || (row->replaced_ms && !restore_old(in, row, hash))) {
		why_set(why, "out of memory");
		return false;
	}
	if (!row->replaced_ms)
		rc =
		    work_restore_input(in->p.work, row->batch, hash, row->sha256, row->size, &note);
	switch (rc) {
	case WORK_INPUT_NEW:
		in->bytes += known ? 0 : row->size;
		if (!row->replaced_ms)
			check_length(in, row, hash);
		return true;
	case WORK_INPUT_SAME:
	case WORK_INPUT_VERIFIED: return true;
	case WORK_INPUT_REPLACE:
	case WORK_INPUT_CONFLICT:
	case WORK_INPUT_NO_ROOM:
	case WORK_INPUT_BAD:
	case WORK_INPUT_NO_MEMORY: break;
	}
	why_set(why, "batch %" PRIu64 ": %s", row->batch, note.text);
	return false;
}

bool inputs_sweep(struct inputs *in, size_t *removed, struct why *why)
{
	const bool ok = input_files_sweep(in->o.data_dir, (const uint8_t(*)[32])in->files,
					  in->n_files, removed, why) == INPUT_OK;

	free(in->files);
	in->files = NULL;
	in->n_files = in->cap_files = 0;
	return ok;
}

/* ---- one goes by hand ---- */

struct deleting {
	struct inputs *in;
	uint64_t batch;
	char commit_hash[COMMIT_HASH_MAX + 1];
	inputs_deleted_cb *cb;
	void *arg;
};

static void gone_input(void *arg, uint64_t batch, const char *commit_hash, const uint8_t sha256[32],
		       uint64_t size, bool last_use)
{
	struct deleting *d = arg;

	(void)batch;
	(void)commit_hash;
	if (last_use)
		inputs_waste(d->in, sha256, size);
}

static void gone_lease(void *arg, uint64_t batch, enum prover_type type)
{
	struct deleting *d = arg;

	lease_drop(d->in->p.store, batch, type);
}

static void on_deleted(void *arg, enum store_rc rc, const struct why *why)
{
	struct deleting *d = arg;
	const struct work_gone gone = {.input = gone_input, .lease = gone_lease, .arg = d};

	if (rc == STORE_OK) {
		work_drop_input(d->in->p.work, d->batch, d->commit_hash, &gone);
		log_event(LOG_WARN, "input_deleted", log_u64("batch", d->batch),
			  log_str("commit_hash", d->commit_hash));
	}
	d->cb(d->arg, rc == STORE_OK, rc == STORE_OK ? "deleted" : why->text);
	free(d);
}

bool inputs_delete(struct inputs *in, uint64_t batch, const char *commit_hash,
		   inputs_deleted_cb *cb, void *arg, struct why *why)
{
	struct store_change changes[2];
	struct deleting *d;
	uint8_t sha256[32];
	uint64_t size;

	if (!work_input(in->p.work, batch, commit_hash, sha256, &size)) {
		why_set(why, "batch %" PRIu64 " has no input under commit hash %s", batch,
			commit_hash);
		return false;
	}
	d = malloc(sizeof *d);
	if (!d) {
		why_set(why, "out of memory");
		return false;
	}
	*d = (struct deleting){.in = in, .batch = batch, .cb = cb, .arg = arg};
	snprintf(d->commit_hash, sizeof d->commit_hash, "%s", commit_hash);
	input_row_put(&changes[0], batch, commit_hash, sha256, size, 0);
	changes[0].kind = CHANGE_INPUT_DEL;
	proofs_aside_put(&changes[1], batch);
	if (store_commit(in->p.store, changes, store_leads(in->p.store) ? 2 : 1, on_deleted, d) ==
	    STORE_OK)
		return true;
	free(d);
	why_set(why, "the store's queue is full");
	return false;
}

/* ---- room ---- */

bool inputs_have_room(const struct inputs *in, uint64_t bytes, struct why *why)
{
	return inputs_fit(in, in->bytes, bytes, why);
}

bool inputs_fit(const struct inputs *in, uint64_t beside, uint64_t bytes, struct why *why)
{
	struct statvfs fs;
	uint64_t free_bytes;

	if (beside + bytes > in->o.quota_bytes) {
		why_set(why,
			"%" PRIu64 " bytes of inputs are stored: the quota of %" PRIu64
			" leaves no room for one of %" PRIu64,
			beside, in->o.quota_bytes, bytes);
		return false;
	}
	if (!in->o.disk_floor || statvfs(in->o.data_dir, &fs))
		return true;
	free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
	if (free_bytes >= bytes && free_bytes - bytes >= in->o.disk_floor)
		return true;
	why_set(why,
		"%" PRIu64 " bytes are free on the disk, and %" PRIu64
		" are to stay free (ETHREX_PROOF_COORDINATOR_DISK_FLOOR_BYTES)",
		free_bytes, in->o.disk_floor);
	return false;
}

/* ---- life ---- */

uint64_t inputs_bytes(const struct inputs *in)
{
	return in->bytes;
}

const struct inputs_counters *inputs_counters(const struct inputs *in)
{
	return &in->counters;
}

bool inputs_new(struct inputs **out, const struct inputs_parts *parts,
		const struct inputs_options *options, struct why *why)
{
	struct inputs *in = *out = NULL;

	if (input_files_prepare(options->data_dir, why) != INPUT_OK)
		return false;
	in = calloc(1, sizeof *in);
	if (!in) {
		why_set(why, "out of memory");
		return false;
	}
	in->p = *parts;
	in->o = *options;
	*out = in;
	return true;
}

void inputs_free(struct inputs *in)
{
	if (!in)
		return;
	copies_free(in);
	free(in->files);
	free(in->old);
	free(in->waste);
	free(in);
}
