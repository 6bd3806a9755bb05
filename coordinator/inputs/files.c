/* The files behind the rows: what uses them, what is removed, and whether they are still what was
 * put. */
#include "coordinator/base/log.h"
#include "coordinator/inputs/internal.h"
#include "coordinator/store/input_jobs.h"

#include <stdlib.h>
#include <string.h>

#define OLD_MAX     10000 /* replaced inputs kept; the reaper takes the oldest earlier */
#define BATCH_LOOKS 64 /* inputs of one batch that are looked at: as many as there are versions */

bool inputs_room(void **array, size_t *cap, size_t n, size_t size)
{
	size_t more = *cap ? 2 * *cap : 64;
	void *grown;

	if (n < *cap)
		return true;
	grown = realloc(*array, more * size);
	if (!grown)
		return false;
	*array = grown;
	*cap = more;
	return true;
}

/* ---- replaced inputs ---- */

static bool old_has(const struct inputs *in, const uint8_t sha256[32])
{
	size_t i;

	for (i = 0; i < in->n_old; i++)
		if (memcmp(in->old[i].sha256, sha256, 32) == 0)
			return true;
	return false;
}

bool old_add(struct inputs *in, const struct old_input *old)
{
	if (in->n_old >= OLD_MAX ||
	    !inputs_room((void **)&in->old, &in->cap_old, in->n_old, sizeof *in->old))
		return false;
	in->old[in->n_old++] = *old;
	return true;
}

static void old_remove(struct inputs *in, size_t i)
{
	in->n_old--;
	memmove(&in->old[i], &in->old[i + 1], (in->n_old - i) * sizeof *in->old);
}

static bool old_is(const struct old_input *old, uint64_t batch, const char *commit_hash,
		   const uint8_t sha256[32])
{
	return old->batch == batch && memcmp(old->sha256, sha256, 32) == 0 &&
	       strcmp(old->commit_hash, commit_hash) == 0;
}

bool old_knows(const struct inputs *in, uint64_t batch, const char *commit_hash,
	       const uint8_t sha256[32])
{
	size_t i;

	for (i = 0; i < in->n_old; i++)
		if (old_is(&in->old[i], batch, commit_hash, sha256))
			return true;
	return false;
}

uint64_t old_forget(struct inputs *in, uint64_t batch, const char *commit_hash,
		    const uint8_t sha256[32])
{
	uint64_t size = 0;
	size_t i;

	for (i = in->n_old; i-- > 0;) {
		if (!old_is(&in->old[i], batch, commit_hash, sha256))
			continue;
		size = in->old[i].size;
		old_remove(in, i);
	}
	return size;
}

size_t inputs_old(const struct inputs *in)
{
	return in->n_old;
}

size_t inputs_take_old(struct inputs *in, uint64_t through, struct old_input *out, size_t max)
{
	size_t i = 0, n = 0;

	while (i < in->n_old && n < max) {
		if (in->old[i].batch > through) {
			i++;
			continue;
		}
		out[n++] = in->old[i];
		old_remove(in, i);
	}
	return n;
}

/* ---- what is removed ---- */

/* Those that are the pool's now are not looked at: no upload lands meanwhile. */
static void waste_take_back(struct inputs *in, size_t i)
{
	in->n_waste--;
	memmove(&in->waste[i], &in->waste[i + 1], (in->n_waste - i) * sizeof *in->waste);
}

bool inputs_knows(struct inputs *in, const uint8_t sha256[32])
{
	size_t i;

	for (i = in->removing; i < in->n_waste; i++) {
		if (memcmp(in->waste[i].sha256, sha256, 32) != 0)
			continue;
		waste_take_back(in, i);
		return true;
	}
	return work_uses_bytes(in->p.work, sha256) || old_has(in, sha256);
}

size_t inputs_wasted(const struct inputs *in)
{
	return in->n_waste;
}

uint64_t inputs_wasted_bytes(const struct inputs *in)
{
	uint64_t bytes = 0;
	size_t i;

	for (i = 0; i < in->n_waste; i++)
		bytes += in->waste[i].size;
	return bytes;
}

void inputs_waste(struct inputs *in, const uint8_t sha256[32], uint64_t size)
{
	if (work_uses_bytes(in->p.work, sha256) || old_has(in, sha256))
		return;
	copies_forget(in, sha256);
	if (!inputs_room((void **)&in->waste, &in->cap_waste, in->n_waste, sizeof *in->waste)) {
		in->bytes -= size; /* the next start sweeps it */
		return;
	}
	memcpy(in->waste[in->n_waste].sha256, sha256, 32);
	in->waste[in->n_waste++].size = size;
	inputs_turn(in);
}

static void let_land(struct inputs *in)
{
	struct upload *waiting = in->waiting;

	in->waiting = NULL;
	if (waiting)
		upload_land(waiting);
}

static void on_removed(void *arg, const struct why *why)
{
	struct inputs *in = arg;
	size_t i;

	if (why->text[0])
		log_event(LOG_WARN, "input_not_removed", log_str("reason", why->text));
	for (i = 0; i < in->removing; i++)
		in->bytes -= in->waste[i].size;
	in->n_waste -= in->removing;
	memmove(in->waste, in->waste + in->removing, in->n_waste * sizeof *in->waste);
	in->removing = 0;
	let_land(in);
	inputs_turn(in);
	inputs_ended(in);
}

static void start_removing(struct inputs *in)
{
	static uint8_t hashes[INPUT_REMOVE_MAX][32];
	const size_t n = in->n_waste < INPUT_REMOVE_MAX ? in->n_waste : INPUT_REMOVE_MAX;
	size_t i;

	for (i = 0; i < n; i++)
		memcpy(hashes[i], in->waste[i].sha256, 32);
	if (input_files_remove(in->p.loop, in->o.data_dir, (const uint8_t(*)[32])hashes, n,
			       on_removed, in))
		in->removing = n;
}

void inputs_turn(struct inputs *in)
{
	if (in->removing)
		return;
	/* Uploads that come while others land wait, so that the files get their turn. */
	if (in->n_waste && !in->stopped) {
		if (in->finishing)
			return;
		start_removing(in);
	}
	if (!in->removing)
		let_land(in);
}

void inputs_stop(struct inputs *in)
{
	in->stopped = true;
	inputs_turn(in);
}

void inputs_ended(struct inputs *in)
{
	void (*closed)(void *arg) = in->closed;

	if (!closed || in->in_pool || in->waiting || in->removing || in->looking)
		return;
	in->closed = NULL;
	closed(in->closed_arg);
}

void inputs_close(struct inputs *in, void (*done)(void *arg), void *arg)
{
	inputs_stop(in);
	in->closed = done;
	in->closed_arg = arg;
	inputs_ended(in);
}

/* ---- are they still what was put? ---- */

static void take_look(struct inputs *in, enum input_rc rc, const struct why *why)
{
	const struct work_input_info *i = &in->looked_at;
	struct why note = {""};
	uint8_t sha256[32];
	uint64_t size;

	/* It may have been replaced or have gone meanwhile. */
	if (!work_input(in->p.work, i->batch, i->commit_hash, sha256, &size) ||
	    memcmp(sha256, i->sha256, 32) != 0)
		return;
	if (rc == INPUT_BROKEN && !i->broken) {
		in->counters.broken++;
		log_event(LOG_ERROR, "input_broken", log_u64("batch", i->batch),
			  log_str("commit_hash", i->commit_hash), log_str("reason", why->text));
		/* A copy is fetched again. */
		if (store_is_shared(in->p.store))
			copies_drop(in, sha256);
		else
			work_input_broken(in->p.work, i->batch, i->commit_hash);
	} else if (rc == INPUT_OK && i->broken &&
		   work_add_input(in->p.work, i->batch, i->commit_hash, sha256, size, &note) ==
		       WORK_INPUT_NEW) {
		log_event(LOG_INFO, "input_whole_again", log_u64("batch", i->batch),
			  log_str("commit_hash", i->commit_hash));
	}
}

static void on_looked(void *arg, enum input_rc rc, const struct why *why)
{
	struct inputs *in = arg;

	in->looking = false;
	take_look(in, rc, why);
	inputs_ended(in);
}

bool inputs_looking(const struct inputs *in)
{
	return in->looking;
}

void inputs_look(struct inputs *in)
{
	static struct work_input_info found[BATCH_LOOKS];
	size_t n;

	if (in->looking || in->stopped)
		return;
	n = work_next_inputs(in->p.work, in->look_batch, found, BATCH_LOOKS);
	if (n && found[0].batch != in->look_batch)
		in->look_next = 0;
	if (n && in->look_next >= n) {
		in->look_next = 0;
		n = work_next_inputs(in->p.work, in->look_batch + 1, found, BATCH_LOOKS);
	}
	if (!n) { /* from the first one again */
		in->look_batch = 0;
		in->look_next = 0;
		return;
	}
	in->looked_at = found[in->look_next++];
	in->look_batch = in->looked_at.batch;
	if (store_is_shared(in->p.store) && !copies_have(in, in->looked_at.sha256))
		return;
	in->looking = input_file_check(in->p.loop, in->o.data_dir, in->looked_at.sha256,
				       in->looked_at.size, on_looked, in);
}
