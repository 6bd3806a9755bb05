#include "coordinator/work/internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void work_release_memory(struct work *w)
{
	size_t v;
	int t;

	for (v = 0; w->versions && v < w->limits.max_versions; v++)
		for (t = 0; t < PROVER_TYPES; t++) {
			order_free(&w->versions[v].open[t]);
			order_free(&w->versions[v].leased[t]);
		}
	sources_free(&w->sources);
	order_free(&w->batches);
	order_free(&w->candidates);
	order_free(&w->unjudged);
	free(w->versions);
	free(w->inputs_by_hash);
	free(w->heap);
	free(w);
}

struct work *work_new(const struct work_limits *limits)
{
	struct work *w;
	size_t buckets = 1;

	if (limits->max_batches == 0 || limits->max_inputs == 0 || limits->max_versions == 0 ||
	    limits->max_candidates == 0 || limits->max_candidates > WORK_CANDIDATES_MAX ||
	    limits->max_candidates_per_source == 0 || limits->lease_ms == 0)
		return NULL;
	w = calloc(1, sizeof *w);
	if (!w)
		return NULL;
	w->limits = *limits;
	work_set_ids(w, 0, 1);
	w->next_ticket = 1;
	while (buckets < limits->max_inputs && buckets < (size_t)1 << 24)
		buckets *= 2;
	w->inputs_mask = buckets - 1;
	w->inputs_by_hash = calloc(buckets, sizeof *w->inputs_by_hash);
	w->versions = calloc(limits->max_versions, sizeof *w->versions);
	if (!w->inputs_by_hash || !w->versions) {
		work_release_memory(w);
		return NULL;
	}
	return w;
}

void work_free(struct work *w)
{
	static const struct work_gone nobody;

	if (!w)
		return;
	while (w->batches.n)
		work_drop_batch(w, order_at(&w->batches, w->batches.n - 1).item, &nobody);
	work_release_memory(w);
}

/* ---- batches ---- */

struct batch *work_batch(const struct work *w, uint64_t number)
{
	return order_find(&w->batches, number);
}

struct batch *work_batch_make(struct work *w, uint64_t number)
{
	struct batch *b = work_batch(w, number);

	if (b)
		return b;
	b = calloc(1, sizeof *b);
	if (!b)
		return NULL;
	b->number = number;
	if (!order_insert(&w->batches, number, b)) {
		free(b);
		return NULL;
	}
	batch_refresh_all(w, b);
	return b;
}

struct slot *batch_slot_make(struct batch *b, enum prover_type type)
{
	if (!b->slot[type])
		b->slot[type] = calloc(1, sizeof *b->slot[type]);
	return b->slot[type];
}

bool batch_is_verified(const struct work *w, const struct batch *b)
{
	return w->chain_known && b->number <= w->chain.verified;
}

bool batch_is_committed(const struct work *w, const struct batch *b)
{
	return w->chain_known && b->number <= w->chain.committed;
}

size_t first_open(const struct work *w)
{
	return w->chain_known ? order_lower_bound(&w->batches, w->chain.verified + 1) : 0;
}

uint64_t work_first_open(const struct work *w)
{
	return w->chain_known ? w->chain.verified + 1 : 0;
}

bool candidate_counts(const struct work *w, const struct candidate *c)
{
	if (c->state != WORK_GOOD)
		return false;
	if (c->type != PROVER_TDX)
		return true;
	switch (w->signer_kind) {
	case WORK_SIGNER_UNKNOWN: return true;
	case WORK_SIGNER_NONE: return false;
	case WORK_SIGNER_IS: return c->has_signer && eth_address_equal(&c->signer, &w->signer);
	}
	return false;
}

/* Its source is known to do well, now or when it came. */
static bool candidate_is_trusted(const struct candidate *c)
{
	return source_is_trusted(c->source, c->trusted);
}

bool slot_satisfied(const struct work *w, const struct slot *s)
{
	bool undecided = false;
	const struct candidate *c;

	for (c = s ? s->first : NULL; c; c = c->next) {
		if (candidate_counts(w, c))
			return true;
		/* Until its batch is committed nobody can judge it, and a stranger's may be
		 * anything: others go on proving. */
		if (c->state == WORK_REVERTED ||
		    (c->state == WORK_CANDIDATE &&
		     (candidate_is_trusted(c) || batch_is_committed(w, c->batch))))
			return true;
		/* Only a dry run tells whether it is good, and that may be hours away: a stranger's
		 * may be anything. Where another TDX signer is known, one by nobody's key is none.
		 */
		undecided |= c->state == WORK_UNDECIDED && candidate_is_trusted(c);
	}
	return undecided && !slot_is_rebuilt(s);
}

/* Inserting never fails: room was reserved with the input. */
static void set_of_version(struct order *o, struct batch *b, bool in)
{
	if (in)
		order_insert(o, b->number, b);
	else
		order_remove(o, b->number);
}

/* One of the two sets of the batch's versions. */
static void batch_set(struct batch *b, enum prover_type type, bool leased, bool in)
{
	unsigned *bits = leased ? &b->leased : &b->open, bit = PROVER_TYPE_BIT(type);
	const struct input *i;

	if (in == !!(*bits & bit))
		return;
	*bits ^= bit;
	for (i = b->inputs; i; i = i->next_in_batch)
		if (!i->broken)
			set_of_version(leased ? &i->version->leased[type] : &i->version->open[type],
				       b, in);
}

void batch_refresh(struct work *w, struct batch *b, enum prover_type type)
{
	unsigned bit = PROVER_TYPE_BIT(type);
	const struct slot *s = b->slot[type];
	bool wants =
	    w->needed_known && w->needed & bit && !batch_is_verified(w, b) && !slot_satisfied(w, s);
	bool leased = s && s->lease.ticket;
	const struct input *in;

	if (wants != !!(b->wanting & bit)) {
		b->wanting ^= bit;
		w->wanting[type] += wants ? 1 : (size_t)-1;
		for (in = b->inputs; in; in = in->next_in_batch)
			if (!in->broken)
				in->version->wanting[type] += wants ? 1 : (size_t)-1;
	}
	if ((wants && leased) != !!(b->leased & bit))
		w->worked_on += wants && leased ? 1 : (size_t)-1;
	batch_set(b, type, false, wants && !leased);
	batch_set(b, type, true, wants && leased);
}

void batch_refresh_all(struct work *w, struct batch *b)
{
	int t;

	for (t = 0; t < PROVER_TYPES; t++)
		batch_refresh(w, b, (enum prover_type)t);
}

/* ---- inputs ---- */

static struct input **input_bucket(const struct work *w, const uint8_t sha256[32])
{
	size_t h;

	memcpy(&h, sha256, sizeof h);
	return &w->inputs_by_hash[h & w->inputs_mask];
}

bool work_uses_bytes(const struct work *w, const uint8_t sha256[32])
{
	const struct input *in;

	for (in = *input_bucket(w, sha256); in; in = in->next_same_bucket)
		if (memcmp(in->sha256, sha256, 32) == 0)
			return true;
	return false;
}

struct version *version_find(const struct work *w, const char *commit_hash)
{
	size_t v;

	for (v = 0; v < w->limits.max_versions; v++)
		if (w->versions[v].inputs && strcmp(w->versions[v].commit_hash, commit_hash) == 0)
			return &w->versions[v];
	return NULL;
}

static struct version *version_free_place(const struct work *w)
{
	size_t v;

	for (v = 0; v < w->limits.max_versions; v++)
		if (!w->versions[v].inputs)
			return &w->versions[v];
	return NULL;
}

static struct input *batch_input(const struct batch *b, const char *commit_hash)
{
	struct input *in;

	for (in = b ? b->inputs : NULL; in; in = in->next_in_batch)
		if (strcmp(in->version->commit_hash, commit_hash) == 0)
			return in;
	return NULL;
}

enum work_input_rc work_check_input(const struct work *w, uint64_t batch, const char *commit_hash,
				    const uint8_t *sha256, struct why *why)
{
	const struct batch *b = work_batch(w, batch);
	const struct input *in = batch_input(b, commit_hash);
	size_t n = strlen(commit_hash);
	bool next = w->chain_known && batch == w->chain.verified + 1;

	if (n == 0 || n > COMMIT_HASH_MAX) {
		why_set(why, "the commit hash has %zu characters, not 1 to %d", n, COMMIT_HASH_MAX);
		return WORK_INPUT_BAD;
	}
	if (in && (!sha256 || memcmp(in->sha256, sha256, 32) == 0))
		return in->broken ? WORK_INPUT_NEW : WORK_INPUT_SAME;
	if (in && w->chain_known && !w->chain_old && batch > w->chain.committed)
		return WORK_INPUT_REPLACE;
	if (in) {
		why_set(why,
			"batch %" PRIu64 " has another input under commit hash %s already, and %s",
			batch, commit_hash,
			w->chain_known && batch <= w->chain.committed
			    ? "is committed"
			    : "L1 has not yet said whether it is committed");
		return WORK_INPUT_CONFLICT;
	}
	if (w->chain_known && batch <= w->chain.final) {
		why_set(why, "batch %" PRIu64 " is verified: the last verified one is %" PRIu64,
			batch, w->chain.verified);
		return WORK_INPUT_VERIFIED;
	}
	/* The batch that all others wait for is taken even when these have filled the place. */
	if (!b && w->batches.n - first_open(w) >= w->limits.max_batches && !next) {
		why_set(why, "%zu batches are stored and wait to be verified: that is the limit",
			w->batches.n - first_open(w));
		return WORK_INPUT_NO_ROOM;
	}
	if (w->inputs_n >= w->limits.max_inputs && !next) {
		why_set(why, "%zu inputs are stored: that is the limit", w->inputs_n);
		return WORK_INPUT_NO_ROOM;
	}
	if (!version_find(w, commit_hash) && !version_free_place(w)) {
		why_set(
		    why,
		    "inputs for %zu commit hashes are stored: that is the limit, %s is one more",
		    w->limits.max_versions, commit_hash);
		return WORK_INPUT_NO_ROOM;
	}
	return WORK_INPUT_NEW;
}

/* The bytes of an input enter, or leave, the table by hash. */
static void input_hash(struct work *w, struct input *in)
{
	struct input **bucket = input_bucket(w, in->sha256);

	in->next_same_bucket = *bucket;
	*bucket = in;
}

static void input_unhash(struct work *w, struct input *in)
{
	struct input **at = input_bucket(w, in->sha256);

	while (*at != in)
		at = &(*at)->next_same_bucket;
	*at = in->next_same_bucket;
}

/* Into the sets of its version, from which the batch can be handed out, or out of them. */
static void input_offer(struct batch *b, struct input *in, bool offered)
{
	int t;

	for (t = 0; t < PROVER_TYPES; t++) {
		if (b->wanting & PROVER_TYPE_BIT(t))
			in->version->wanting[t] += offered ? 1 : (size_t)-1;
		if (b->open & PROVER_TYPE_BIT(t))
			set_of_version(&in->version->open[t], b, offered);
		if (b->leased & PROVER_TYPE_BIT(t))
			set_of_version(&in->version->leased[t], b, offered);
	}
}

static void input_withdraw(struct batch *b, struct input *in)
{
	if (!in->broken)
		input_offer(b, in, false);
}

static void input_link(struct work *w, struct batch *b, struct input *in)
{
	in->next_in_batch = b->inputs;
	b->inputs = in;
	input_hash(w, in);
	w->inputs_n++;
	in->version->inputs++;
	input_offer(b, in, true);
}

static enum work_input_rc add_input(struct work *w, uint64_t batch, const char *commit_hash,
				    const uint8_t sha256[32], uint64_t size, struct why *why)
{
	struct version *v = version_find(w, commit_hash);
	struct input *in;
	struct batch *b;
	int t;

	if (!v) {
		v = version_free_place(w);
		memcpy(v->commit_hash, commit_hash, strlen(commit_hash) + 1);
		v->newest = 0;
	}
	in = calloc(1, sizeof *in);
	if (!in)
		goto no_memory;
	for (t = 0; t < PROVER_TYPES; t++)
		if (!order_reserve(&v->open[t], v->inputs + 1) ||
		    !order_reserve(&v->leased[t], v->inputs + 1))
			goto no_memory;
	b = work_batch_make(w, batch);
	if (!b)
		goto no_memory;
	in->version = v;
	in->size = size;
	memcpy(in->sha256, sha256, 32);
	input_link(w, b, in);
	version_note_newest(w, v, batch);
	return WORK_INPUT_NEW;

no_memory:
	free(in);
	why_set(why, "out of memory for the input of batch %" PRIu64, batch);
	return WORK_INPUT_NO_MEMORY;
}

enum work_input_rc work_add_input(struct work *w, uint64_t batch, const char *commit_hash,
				  const uint8_t sha256[32], uint64_t size, struct why *why)
{
	enum work_input_rc rc = work_check_input(w, batch, commit_hash, sha256, why);
	struct batch *b = work_batch(w, batch);
	struct input *in = batch_input(b, commit_hash);

	if (rc != WORK_INPUT_NEW)
		return rc;
	if (!in)
		return add_input(w, batch, commit_hash, sha256, size, why);
	in->broken = false;
	w->broken_n--;
	input_offer(b, in, true);
	return WORK_INPUT_NEW;
}

enum work_input_rc work_restore_input(struct work *w, uint64_t batch, const char *commit_hash,
				      const uint8_t sha256[32], uint64_t size, struct why *why)
{
	enum work_input_rc rc = work_add_input(w, batch, commit_hash, sha256, size, why);

	if ((rc == WORK_INPUT_VERIFIED || rc == WORK_INPUT_NO_ROOM) &&
	    (version_find(w, commit_hash) || version_free_place(w)))
		return add_input(w, batch, commit_hash, sha256, size, why);
	return rc;
}

void work_input_broken(struct work *w, uint64_t batch, const char *commit_hash)
{
	struct batch *b = work_batch(w, batch);
	struct input *in = batch_input(b, commit_hash);

	if (!in || in->broken)
		return;
	input_withdraw(b, in);
	in->broken = true;
	w->broken_n++;
}

/* An input of the batch is no more: whoever proves it need not go on, and nobody is to blame. */
static void forget_input(struct work *w, struct batch *b, const struct work_gone *gone)
{
	int t;

	b->blameless = true;
	for (t = 0; t < PROVER_TYPES; t++) {
		struct slot *s = b->slot[t];

		if (!s)
			continue;
		slot_set_aside(w, s);
		claims_free(w, s);
		s->granted = false;
		s->again = 0;
		if (!s->lease.ticket)
			continue;
		if (gone->lease)
			gone->lease(gone->arg, b->number, (enum prover_type)t);
		lease_end(w, s);
	}
	batch_refresh_all(w, b);
}

bool work_replace_input(struct work *w, uint64_t batch, const char *commit_hash,
			const uint8_t sha256[32], uint64_t size, const struct work_gone *gone)
{
	struct batch *b = work_batch(w, batch);
	struct input *in = batch_input(b, commit_hash);

	if (!in)
		return false;
	input_unhash(w, in);
	memcpy(in->sha256, sha256, 32);
	in->size = size;
	input_hash(w, in);
	if (in->broken) {
		in->broken = false;
		w->broken_n--;
		input_offer(b, in, true);
	}
	forget_input(w, b, gone);
	return true;
}

bool work_input(const struct work *w, uint64_t batch, const char *commit_hash, uint8_t sha256[32],
		uint64_t *size)
{
	const struct input *in = batch_input(work_batch(w, batch), commit_hash);

	if (!in)
		return false;
	memcpy(sha256, in->sha256, 32);
	*size = in->size;
	return true;
}

size_t work_next_inputs(const struct work *w, uint64_t from, struct work_input_info *out,
			size_t max)
{
	size_t i, n = 0;

	if (w->chain_known && from <= w->chain.final)
		from = w->chain.final + 1;
	for (i = order_lower_bound(&w->batches, from); i < w->batches.n && !n; i++) {
		const struct batch *b = order_at(&w->batches, i).item;
		const struct input *in;

		for (in = b->inputs; in; in = in->next_in_batch, n++) {
			if (n >= max)
				continue;
			out[n] = (struct work_input_info){
			    .batch = b->number, .size = in->size, .broken = in->broken};
			memcpy(out[n].commit_hash, in->version->commit_hash,
			       sizeof out[n].commit_hash);
			memcpy(out[n].sha256, in->sha256, 32);
		}
	}
	return n;
}

/* The input must be out of the sets of its version. */
static void input_unlink(struct work *w, struct batch *b, struct input *in,
			 const struct work_gone *gone)
{
	struct version *v = in->version;
	struct input **at = &b->inputs;
	int t;

	input_unhash(w, in);
	while (*at != in)
		at = &(*at)->next_in_batch;
	*at = in->next_in_batch;
	w->inputs_n--;
	w->broken_n -= in->broken;
	if (gone->input)
		gone->input(gone->arg, b->number, v->commit_hash, in->sha256, in->size,
			    !work_uses_bytes(w, in->sha256));
	if (--v->inputs == 0)
		for (t = 0; t < PROVER_TYPES; t++) {
			order_free(&v->open[t]);
			order_free(&v->leased[t]);
		}
	free(in);
}

bool work_drop_input(struct work *w, uint64_t batch, const char *commit_hash,
		     const struct work_gone *gone)
{
	struct batch *b = work_batch(w, batch);
	struct input *in = batch_input(b, commit_hash);

	if (!in)
		return false;
	input_withdraw(b, in);
	input_unlink(w, b, in, gone);
	forget_input(w, b, gone);
	return true;
}

void work_drop_batch(struct work *w, struct batch *b, const struct work_gone *gone)
{
	struct input *in;
	int t;

	/* Out of all sets first: what is in none has no trace outside itself. */
	for (in = b->inputs; in; in = in->next_in_batch)
		input_withdraw(b, in);
	for (t = 0; t < PROVER_TYPES; t++) {
		w->wanting[t] -= (b->wanting & PROVER_TYPE_BIT(t)) != 0;
		w->worked_on -= (b->leased & PROVER_TYPE_BIT(t)) != 0;
	}
	for (t = 0; t < PROVER_TYPES; t++) {
		struct slot *s = b->slot[t];

		if (!s)
			continue;
		if (s->lease.ticket) {
			if (gone->lease)
				gone->lease(gone->arg, b->number, (enum prover_type)t);
			lease_end(w, s);
		}
		while (s->first) {
			/* A reserved one has no row yet; work_kept() will say that it is gone. */
			if (s->first->state != WORK_RESERVED && gone->candidate)
				gone->candidate(gone->arg, s->first->id);
			candidate_unlink(w, s->first);
		}
		claims_free(w, s);
		free(s);
	}
	while (b->inputs)
		input_unlink(w, b, b->inputs, gone);
	order_remove(&w->batches, b->number);
	free(b);
}
