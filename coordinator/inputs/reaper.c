#include "coordinator/inputs/reaper.h"

#include "coordinator/base/clock.h"
#include "coordinator/base/log.h"
#include "coordinator/inputs/retention.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SLICE_BATCHES     128
#define SLICE_PROOF_BYTES (8u << 20) /* the store's thread walks through them */
#define SLICE_OLD         32         /* replaced inputs that go before their time */
#define WASTE_MAX         1024       /* files that wait to be removed: then no more rows go */
#define ALONE_PART        24 /* of the retention, that must be over with one endpoint alone */
#define SAY_EVERY_MS      600000

/* Rows that are going, and the files that go after them. */
struct slice {
	bool full;
	uint64_t through; /* 0: only `old` */
	struct old_input old[SLICE_OLD];
	size_t n_old;
	struct file {
		uint8_t sha256[32];
		uint64_t size;
	} * files;
	size_t n_files, cap_files;
};

struct reaper {
	struct reaper_parts p;
	struct reaper_options o;
	struct retention marks;
	struct slice slice;
	bool stopped, committing, asking;
	uv_fs_t statfs;
	bool disk_known; /* since rows last went for its sake */
	uint64_t disk_free;
	uint64_t said_at; /* monotonic ms; 0: never */
};

/* ---- a slice ---- */

static void add_file(struct slice *s, const uint8_t sha256[32], uint64_t size)
{
	if (s->n_files == s->cap_files) {
		size_t cap = s->cap_files ? 2 * s->cap_files : 64;
		struct file *grown = realloc(s->files, cap * sizeof *grown);

		if (!grown)
			return; /* the next start sweeps it */
		s->files = grown;
		s->cap_files = cap;
	}
	memcpy(s->files[s->n_files].sha256, sha256, 32);
	s->files[s->n_files++].size = size;
}

static void gone_input(void *arg, uint64_t batch, const char *commit_hash, const uint8_t sha256[32],
		       uint64_t size, bool last_use)
{
	struct reaper *r = arg;

	(void)batch;
	(void)commit_hash;
	if (last_use)
		add_file(&r->slice, sha256, size);
}

/* Those that were replaced go with their batches. */
static void take_old_ones(struct reaper *r, uint64_t through)
{
	struct old_input old[SLICE_OLD];
	size_t n, i;

	while ((n = inputs_take_old(r->p.inputs, through, old, SLICE_OLD)))
		for (i = 0; i < n; i++)
			add_file(&r->slice, old[i].sha256, old[i].size);
}

static bool take_batches(struct reaper *r, uint64_t through, size_t max)
{
	const struct work_gone gone = {.input = gone_input, .arg = r};

	if (!through || !work_drop_through(r->p.work, through, max, SLICE_PROOF_BYTES, &gone,
					   &r->slice.through))
		return false;
	take_old_ones(r, r->slice.through);
	r->slice.full = true;
	return true;
}

static bool take_old_early(struct reaper *r)
{
	struct slice *s = &r->slice;
	size_t i;

	s->n_old = inputs_take_old(r->p.inputs, UINT64_MAX, s->old, SLICE_OLD);
	for (i = 0; i < s->n_old; i++)
		add_file(s, s->old[i].sha256, s->old[i].size);
	s->full = s->n_old > 0;
	return s->full;
}

static void step(struct reaper *r);

static void on_gone(void *arg, enum store_rc rc, const struct why *why)
{
	struct reaper *r = arg;
	struct slice *s = &r->slice;
	size_t i;

	r->committing = false;
	if (rc != STORE_OK) {
		/* The rows are still there and so are the files: the next tick tries again. */
		log_limited(LOG_WARN, "retention_stuck", "", "", log_u64("through", s->through),
			    log_str("reason", why->text));
		return;
	}
	for (i = 0; i < s->n_files; i++)
		inputs_waste(r->p.inputs, s->files[i].sha256, s->files[i].size);
	s->n_files = s->n_old = 0;
	s->through = 0;
	s->full = false;
	step(r);
}

static void old_row(struct store_change *out, const struct old_input *old)
{
	*out = (struct store_change){.kind = CHANGE_INPUT_DEL};
	out->input.batch = old->batch;
	out->input.commit_hash = span_of(old->commit_hash, strlen(old->commit_hash));
	memcpy(out->input.sha256, old->sha256, 32);
}

static void commit(struct reaper *r)
{
	static const enum store_change_kind ranges[] = {
	    CHANGE_INPUT_DEL_THROUGH, CHANGE_PROOF_DEL_THROUGH, CHANGE_LEASE_DEL_THROUGH};
	struct store_change changes[SLICE_OLD + sizeof ranges / sizeof *ranges];
	const struct slice *s = &r->slice;
	size_t n = 0, i;

	for (i = 0; i < s->n_old; i++)
		old_row(&changes[n++], &s->old[i]);
	for (i = 0; s->through && i < sizeof ranges / sizeof *ranges; i++)
		changes[n++] = (struct store_change){.kind = ranges[i], .through = s->through};
	/* A full queue: the next tick tries again. */
	r->committing = store_commit(r->p.store, changes, n, on_gone, r) == STORE_OK;
}

/* ---- is it crowded? ---- */

static bool near(uint64_t used, uint64_t quota, uint64_t room)
{
	if (room < quota / 10)
		room = quota / 10;
	if (room > quota / 2)
		room = quota / 2;
	return quota && used > quota - room;
}

static bool inputs_crowded(const struct reaper *r, const struct work_counts *counts,
			   struct why *why)
{
	const uint64_t bytes = inputs_bytes(r->p.inputs) - inputs_wasted_bytes(r->p.inputs);

	if (near(bytes, r->o.input_quota, r->o.input_max)) {
		why_set(why, "the inputs have %" PRIu64 " of their quota of %" PRIu64 " bytes",
			bytes, r->o.input_quota);
		return true;
	}
	if (near(counts->inputs, r->o.max_inputs, 0)) {
		why_set(why, "%zu inputs are stored, and %zu are the limit", counts->inputs,
			r->o.max_inputs);
		return true;
	}
	if (r->o.disk_floor && r->disk_known &&
	    r->disk_free < r->o.disk_floor + r->o.disk_floor / 8) {
		why_set(why,
			"the disk has %" PRIu64 " bytes free, and %" PRIu64 " are to stay free",
			r->disk_free, r->o.disk_floor);
		return true;
	}
	return false;
}

static bool crowded(const struct reaper *r, struct why *why)
{
	struct work_counts counts;

	work_counts(r->p.work, &counts);
	if (inputs_crowded(r, &counts, why))
		return true;
	if (near(counts.proof_bytes, r->o.proof_quota, 0)) {
		why_set(why, "the proofs have %" PRIu64 " of their quota of %" PRIu64 " bytes",
			counts.proof_bytes, r->o.proof_quota);
		return true;
	}
	if (near(counts.retained, r->o.max_batches, 0)) {
		why_set(why, "%zu verified batches are kept, and %zu are the limit",
			counts.retained, r->o.max_batches);
		return true;
	}
	return false;
}

static void say_shortened(struct reaper *r, uint64_t age_ms, const struct why *why)
{
	const uint64_t now = r->o.now_ms();

	if (r->said_at && now - r->said_at < SAY_EVERY_MS)
		return;
	r->said_at = now;
	log_event(LOG_WARN, "retention_shortened", log_u64("retention_left_s", age_ms / 1000),
		  log_u64("retention_s", r->o.keep_ms / 1000), log_str("reason", why->text));
}

/* One slice before its time, the replaced inputs first. */
static bool take_early(struct reaper *r)
{
	const uint64_t now = r->o.now_ms();
	const uint64_t least = r->o.alone ? r->o.keep_ms / ALONE_PART : 0;
	struct work_counts counts;
	struct why why = {""};
	uint64_t age;

	if (!crowded(r, &why))
		return false;
	work_counts(r->p.work, &counts);
	if (inputs_crowded(r, &counts, &why) && take_old_early(r)) {
		r->disk_known = false;
		return true;
	}
	if (!take_batches(r, retention_through(&r->marks, now, least), SLICE_BATCHES / 4))
		return false;
	age = retention_age(&r->marks, r->slice.through, now);
	r->disk_known = false; /* to be asked again before more goes */
	say_shortened(r, age, &why);
	return true;
}

static bool take_some(struct reaper *r)
{
	return take_batches(r, retention_through(&r->marks, r->o.now_ms(), r->o.keep_ms),
			    SLICE_BATCHES) ||
	       take_early(r);
}

static void step(struct reaper *r)
{
	if (r->stopped || r->committing)
		return;
	if (!r->slice.full && inputs_wasted(r->p.inputs) > WASTE_MAX)
		return;
	/* What is out of the book goes, whoever leads by then. */
	if (r->slice.full || (store_leads(r->p.store) && take_some(r)))
		commit(r);
}

/* ---- from outside ---- */

void reaper_on_facts(struct reaper *r)
{
	const uint64_t now = r->o.now_ms();
	struct work_chain chain;
	struct buf row;

	if (r->stopped || !work_chain(r->p.work, &chain))
		return;
	if (store_leads(r->p.store) && retention_note(&r->marks, chain.final, now, r->o.keep_ms)) {
		buf_init(&row, RETENTION_ROW_MAX);
		if (retention_put(&row, &r->marks, now))
			store_put_fact(r->p.store, REAPER_FACT, row.p, row.len);
		buf_free(&row);
	}
	step(r);
}

void reaper_restore(struct reaper *r, struct span row)
{
	retention_get(&r->marks, row, r->o.now_ms());
}

static void on_statfs(uv_fs_t *req)
{
	struct reaper *r = req->data;
	const uv_statfs_t *fs = req->ptr;

	r->asking = false;
	if (req->result == 0 && fs) {
		r->disk_known = true;
		r->disk_free = fs->f_bavail * fs->f_bsize;
	}
	uv_fs_req_cleanup(req);
	step(r);
}

void reaper_tick(struct reaper *r)
{
	if (r->stopped)
		return;
	if (r->o.disk_floor && !r->asking) {
		r->statfs.data = r;
		r->asking = uv_fs_statfs(r->p.loop, &r->statfs, r->o.data_dir, on_statfs) == 0;
	}
	step(r);
}

/* ---- life ---- */

bool reaper_new(struct reaper **out, const struct reaper_parts *parts,
		const struct reaper_options *options, struct why *why)
{
	struct reaper *r = *out = calloc(1, sizeof *r);

	if (!r) {
		why_set(why, "out of memory");
		return false;
	}
	r->p = *parts;
	r->o = *options;
	if (!r->o.now_ms)
		r->o.now_ms = clock_mono_ms;
	return true;
}

void reaper_set_keep(struct reaper *r, uint64_t keep_ms)
{
	r->o.keep_ms = keep_ms;
}

bool reaper_busy(const struct reaper *r)
{
	return r->slice.full || r->committing || r->asking;
}

void reaper_stop(struct reaper *r)
{
	r->stopped = true;
}

void reaper_free(struct reaper *r)
{
	if (!r)
		return;
	free(r->slice.files);
	free(r);
}
