#include "coordinator/inputs/inputs.h"

#include "coordinator/base/log.h"
#include "coordinator/inputs/internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

static bool remember_file(struct inputs *in, const uint8_t sha256[32])
{
	uint8_t(*grown)[32];

	if (in->n_files == in->cap_files) {
		in->cap_files = in->cap_files ? 2 * in->cap_files : 256;
		grown = realloc(in->files, in->cap_files * sizeof *grown);
		if (!grown)
			return false;
		in->files = grown;
	}
	memcpy(in->files[in->n_files++], sha256, 32);
	return true;
}

/* Is the row's file there, and as long as the row says? */
static bool has_file(const struct inputs *in, const struct store_input *row, struct why *note)
{
	uint64_t size;
	int fd = inputs_open(in, row->sha256, &size, note);

	if (fd < 0)
		return false;
	close(fd);
	if (size != row->size)
		why_set(note, "its file has %" PRIu64 " bytes instead of %" PRIu64, size,
			row->size);
	return size == row->size;
}

bool inputs_restore(struct inputs *in, const struct store_input *row, struct why *why)
{
	char hash[COMMIT_HASH_MAX + 1];
	struct why note = {""};

	if (row->commit_hash.n >= sizeof hash)
		return true;
	memcpy(hash, row->commit_hash.p, row->commit_hash.n);
	hash[row->commit_hash.n] = '\0';
	if (!has_file(in, row, &note)) {
		/* Its batch can be put again: nothing was promised about inputs but their 201. */
		log_event(LOG_ERROR, "input_missing", log_u64("batch", row->batch),
			  log_str("commit_hash", hash), log_str("reason", note.text));
		return true;
	}
	if (!remember_file(in, row->sha256)) {
		why_set(why, "out of memory");
		return false;
	}
	switch (work_add_input(in->p.work, row->batch, hash, row->sha256, row->size, &note)) {
	case WORK_INPUT_NEW: in->bytes += row->size; return true;
	case WORK_INPUT_SAME:
	case WORK_INPUT_VERIFIED: return true;
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

int inputs_open(const struct inputs *in, const uint8_t sha256[32], uint64_t *size, struct why *why)
{
	return input_file_open(in->o.data_dir, sha256, size, why);
}

void inputs_drop(struct inputs *in, uint64_t batch, const char *commit_hash,
		 const uint8_t sha256[32], bool last_use)
{
	struct store_change change = {.kind = CHANGE_INPUT_DEL};
	struct why why = {""};
	uint64_t size = 0;
	int fd;

	change.input.batch = batch;
	change.input.commit_hash = span_of(commit_hash, strlen(commit_hash));
	store_commit_lazy(in->p.store, &change, 1);
	if (!last_use)
		return;
	fd = inputs_open(in, sha256, &size, &why);
	if (fd >= 0)
		close(fd);
	/* A row that outlives its file for a moment is swept at the next start. */
	if (input_file_remove(in->o.data_dir, sha256, &why) != INPUT_OK)
		log_event(LOG_WARN, "input_not_removed", log_u64("batch", batch),
			  log_str("reason", why.text));
	else
		in->bytes -= size < in->bytes ? size : in->bytes;
}

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
	free(in->files);
	free(in);
}
