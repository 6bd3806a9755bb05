/* What another coordinator on the same store did to inputs, done here. */
#include "coordinator/base/log.h"
#include "coordinator/inputs/internal.h"

#include <string.h>

static void gone_input(void *arg, uint64_t batch, const char *commit_hash, const uint8_t sha256[32],
		       uint64_t size, bool last_use)
{
	(void)batch;
	(void)commit_hash;
	if (last_use)
		inputs_waste(arg, sha256, size);
}

/* What is stored of the proofs of an input that is no more is the leader's to say; without it they
 * are judged as if they were of the next one. */
static void set_proofs_aside(struct inputs *in, uint64_t batch)
{
	struct store_change change;

	if (!store_leads(in->p.store))
		return;
	proofs_aside_put(&change, batch);
	store_commit_lazy(in->p.store, &change, 1);
}

static bool is_here(const struct inputs *in, const struct store_input *row, const char *hash,
		    struct old_input *is)
{
	*is = (struct old_input){.batch = row->batch};
	memcpy(is->commit_hash, hash, strlen(hash));
	return work_input(in->p.work, row->batch, hash, is->sha256, &is->size);
}

/* Without memory for it, its file is swept at the next start. */
static void keep_old(struct inputs *in, const struct old_input *old, bool counted)
{
	const bool kept = old_add(in, old);

	if (kept && !counted)
		in->bytes += old->size;
	if (!kept && counted)
		in->bytes -= old->size;
}

static void replaced(struct inputs *in, const struct store_input *row, const char *hash, bool known)
{
	struct old_input old;

	/* The one in its place comes in a moment, and puts it aside. */
	if (is_here(in, row, hash, &old) && memcmp(old.sha256, row->sha256, 32) == 0)
		return;
	if (old_knows(in, row->batch, hash, row->sha256))
		return;
	old.size = row->size;
	memcpy(old.sha256, row->sha256, 32);
	keep_old(in, &old, known);
}

static bool put(struct inputs *in, const struct store_input *row, const char *hash, bool known,
		struct why *why)
{
	static const struct work_gone nobody;
	struct old_input old;
	enum work_input_rc rc;

	rc = work_restore_input(in->p.work, row->batch, hash, row->sha256, row->size, why);
	switch (rc) {
	case WORK_INPUT_NEW: in->bytes += known ? 0 : row->size; break;
	case WORK_INPUT_SAME: break;
	case WORK_INPUT_REPLACE:
	case WORK_INPUT_CONFLICT:
		is_here(in, row, hash, &old);
		work_replace_input(in->p.work, row->batch, hash, row->sha256, row->size, &nobody);
		in->bytes += known ? 0 : row->size;
		in->counters.replaced++;
		keep_old(in, &old, true);
		set_proofs_aside(in, row->batch);
		break;
	case WORK_INPUT_VERIFIED:
	case WORK_INPUT_NO_ROOM:
	case WORK_INPUT_BAD:
		log_event(LOG_WARN, "input_refused", log_u64("batch", row->batch),
			  log_str("commit_hash", hash), log_str("note", why->text));
		break;
	case WORK_INPUT_NO_MEMORY: return false;
	}
	return true;
}

static void del(struct inputs *in, const struct store_input *row, const char *hash)
{
	const struct work_gone gone = {.input = gone_input, .arg = in};
	struct old_input is;
	uint64_t size;

	if (is_here(in, row, hash, &is) && memcmp(is.sha256, row->sha256, 32) == 0) {
		work_drop_input(in->p.work, row->batch, hash, &gone);
		set_proofs_aside(in, row->batch);
		return;
	}
	size = old_forget(in, row->batch, hash, row->sha256);
	if (size)
		inputs_waste(in, row->sha256, size);
}

static void through(struct inputs *in, uint64_t last)
{
	const struct work_gone gone = {.input = gone_input, .arg = in};
	struct old_input old;

	work_foreign_through(in->p.work, last, &gone);
	while (inputs_take_old(in, last, &old, 1))
		inputs_waste(in, old.sha256, old.size);
}

bool inputs_foreign(struct inputs *in, const struct store_change *change, struct why *why)
{
	const struct store_input *row = &change->input;
	char hash[COMMIT_HASH_MAX + 1];
	bool known;

	if (change->kind == CHANGE_INPUT_DEL_THROUGH) {
		through(in, change->through);
		return true;
	}
	if (!input_row_hash(hash, row))
		return true;
	if (change->kind == CHANGE_INPUT_DEL) {
		del(in, row, hash);
		return true;
	}
	known = inputs_knows(in, row->sha256);
	if (row->replaced_ms) {
		replaced(in, row, hash, known);
		return true;
	}
	old_forget(in, row->batch, hash, row->sha256);
	return put(in, row, hash, known, why);
}
