/* The batches as a strip: what each waits for, neighbours of one state together. A window of it
 * from the last that are verified; what is beyond is told as a range, so that 50,000 cost no more.
 */
#include "coordinator/admin/internal.h"

#include "coordinator/base/clock.h"

#include <string.h>

#define VERIFIED_SHOWN 16
#define WINDOW         256 /* batches looked at in all */

/* In the order in which a batch goes through them. */
enum stage {
	STAGE_WAITING_FOR_INPUT,
	STAGE_INPUT_BROKEN,
	STAGE_OPEN,
	STAGE_LEASED,
	STAGE_PROVEN, /* kept, and not judged */
	STAGE_JUDGED, /* good, and not in a transaction */
	STAGE_SENT,
	STAGE_VERIFIED
};

struct cell {
	uint64_t batch;
	enum stage stage;
	bool committed;
	enum prover_type type; /* that it waits for; OPEN and LEASED */
	unsigned bad;          /* proofs of it that were wrong */
	uint64_t since_ms;     /* STAGE_LEASED: wall clock */
	char to[WORK_SOURCE_SIZE];
};

static const char *stage_name(enum stage s)
{
	static const char *const names[] = {
	    "waiting_for_input", "input_broken", "open", "leased", "proven", "judged", "sent",
	    "verified"};

	return names[s];
}

static enum stage type_stage(const struct work_batch_info *b, const struct work_type_info *i)
{
	if (i->candidates[WORK_GOOD] && i->satisfied)
		return STAGE_JUDGED;
	if (i->candidates[WORK_CANDIDATE] + i->candidates[WORK_UNDECIDED] +
	    i->candidates[WORK_REVERTED])
		return STAGE_PROVEN;
	if (i->leased)
		return STAGE_LEASED;
	if (!b->inputs)
		return STAGE_WAITING_FOR_INPUT;
	return b->broken == b->inputs ? STAGE_INPUT_BROKEN : STAGE_OPEN;
}

/* A batch is as far as the type that is least far. */
static void look_at(struct cell *c, const struct work_batch_info *b)
{
	const uint64_t wall = clock_wall_ms(), mono = clock_mono_ms();
	bool any = false;
	int t;

	c->committed = b->committed;
	c->stage = STAGE_JUDGED;
	for (t = 0; t < PROVER_TYPES; t++) {
		const struct work_type_info *i = &b->type[t];
		enum stage s;

		if (!i->needed)
			continue;
		s = type_stage(b, i);
		any = true;
		c->bad += i->candidates[WORK_BAD];
		if (s >= c->stage && s != STAGE_JUDGED)
			continue;
		c->stage = s;
		c->type = (enum prover_type)t;
		c->since_ms = s == STAGE_LEASED ? wall - (mono - i->lease_since_ms) : 0;
		memcpy(c->to, i->lease_source, sizeof c->to);
	}
	if (!any)
		c->stage = b->inputs ? STAGE_OPEN : STAGE_WAITING_FOR_INPUT;
	if (b->verified)
		c->stage = STAGE_VERIFIED;
}

static void cell_of(struct cell *c, const struct admin_parts *d, uint64_t batch,
		    const struct sender_intent *sent)
{
	const struct l1_facts *f = l1_facts(d->l1);
	struct work_batch_info b = {.batch = 0};

	*c = (struct cell){.batch = batch, .committed = f && batch <= f->committed};
	if (f && batch <= f->verified)
		c->stage = STAGE_VERIFIED;
	else if (work_next_batch(d->work, batch, clock_mono_ms(), &b) && b.batch == batch)
		look_at(c, &b);
	if (sent && sent->kind == SENDER_VERIFY && c->stage != STAGE_VERIFIED &&
	    batch >= sent->first_batch && batch <= sent->last_batch)
		c->stage = STAGE_SENT;
}

static bool alike(const struct cell *a, const struct cell *b)
{
	if (a->stage != b->stage || a->committed != b->committed || a->bad != b->bad)
		return false;
	if (a->stage == STAGE_OPEN || a->stage == STAGE_LEASED)
		return a->type == b->type && a->since_ms / 1000 == b->since_ms / 1000 &&
		       strcmp(a->to, b->to) == 0;
	return true;
}

static json_t *run_json(const struct cell *c, uint64_t last)
{
	json_t *j = json_pack("{s:I, s:I, s:s, s:b, s:i}", "first", (json_int_t)c->batch, "last",
			      (json_int_t)last, "state", stage_name(c->stage), "committed",
			      c->committed, "bad_proofs", (int)c->bad);

	if (c->stage == STAGE_OPEN || c->stage == STAGE_LEASED)
		json_object_set_new(j, "wants", json_string(prover_type_name(c->type)));
	if (c->stage == STAGE_LEASED)
		json_object_update_new(j, json_pack("{s:s, s:I}", "leased_to", c->to, "since_ms",
						    (json_int_t)c->since_ms));
	return j;
}

static json_t *runs_json(const struct admin_parts *d, uint64_t first, uint64_t end,
			 const struct sender_intent *sent)
{
	json_t *runs = json_array();
	struct cell run = {.batch = 0}, c;
	uint64_t n;

	for (n = first; n < end; n++) {
		cell_of(&c, d, n, sent);
		if (n > first && alike(&run, &c))
			continue;
		if (n > first)
			json_array_append_new(runs, run_json(&run, n - 1));
		run = c;
	}
	if (end > first)
		json_array_append_new(runs, run_json(&run, end - 1));
	return runs;
}

json_t *admin_strip_json(const struct admin *a, const struct sender_intent *sent)
{
	const struct admin_parts *d = &a->p;
	const struct l1_facts *f = l1_facts(d->l1);
	const uint64_t open = f ? f->verified + 1 : work_first_open(d->work);
	const uint64_t first = open > VERIFIED_SHOWN ? open - VERIFIED_SHOWN : 1;
	struct work_counts counts;
	uint64_t last, end;

	work_counts(d->work, &counts);
	last = f && f->committed > counts.last ? f->committed : counts.last;
	if (f && f->verified > last)
		last = f->verified;
	end = last - first >= WINDOW ? first + WINDOW : last + 1;
	if (last < first)
		end = first;
	return json_pack("{s:I, s:o, s:o}", "last", (json_int_t)last, "runs",
			 runs_json(d, first, end, sent), "beyond",
			 end <= last ? json_pack("{s:I, s:I}", "first", (json_int_t)end, "last",
						 (json_int_t)last)
				     : json_null());
}
