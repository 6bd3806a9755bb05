#include "coordinator/relay/forward_plan.h"

#include "coordinator/base/retry.h"

#include <stdlib.h>
#include <string.h>

/* ---- the entries ---- */

static bool is_before(const struct forward_entry *e, uint64_t batch, enum prover_type type)
{
	return e->batch != batch ? e->batch < batch : e->type < type;
}

static size_t lower_bound(const struct forward_plan *p, uint64_t batch, enum prover_type type)
{
	size_t from = 0, to = p->n;

	while (from < to) {
		const size_t mid = from + (to - from) / 2;

		if (is_before(&p->e[mid], batch, type))
			from = mid + 1;
		else
			to = mid;
	}
	return from;
}

static struct forward_entry *find(const struct forward_plan *p, uint64_t batch,
				  enum prover_type type)
{
	const size_t i = lower_bound(p, batch, type);

	return i < p->n && p->e[i].batch == batch && p->e[i].type == type ? &p->e[i] : NULL;
}

const struct forward_entry *forward_plan_find(const struct forward_plan *p, uint64_t batch,
					      enum prover_type type)
{
	return find(p, batch, type);
}

static struct forward_entry *make(struct forward_plan *p, uint64_t batch, enum prover_type type)
{
	const size_t i = lower_bound(p, batch, type);

	if (i < p->n && p->e[i].batch == batch && p->e[i].type == type)
		return &p->e[i];
	if (p->n == FORWARD_MAX)
		return NULL;
	if (p->n == p->cap) {
		const size_t cap = p->cap ? 2 * p->cap : 64;
		struct forward_entry *more = realloc(p->e, cap * sizeof *more);

		if (!more)
			return NULL;
		p->e = more;
		p->cap = cap;
	}
	memmove(&p->e[i + 1], &p->e[i], (p->n - i) * sizeof *p->e);
	p->n++;
	p->e[i] = (struct forward_entry){.batch = batch, .type = type};
	return &p->e[i];
}

static void set_acknowledged(struct forward_plan *p, struct forward_entry *e, bool acknowledged)
{
	p->acknowledged -= e->acknowledged;
	e->acknowledged = acknowledged;
	p->acknowledged += acknowledged;
}

/* ---- what is next ---- */

/* The chosen proof, while it stands; else what is good now. */
static bool is_due(const struct forward_plan *p, const struct work *w, const struct work_good *good,
		   uint64_t now_ms, struct forward_due *due)
{
	const struct forward_entry *e = find(p, good->batch, good->type);
	const bool stands = e && work_is_good(w, e->id);

	if (e && (now_ms < e->next_ms || (stands && e->acknowledged)))
		return false;
	*due = (struct forward_due){.batch = good->batch,
				    .type = good->type,
				    .id = stands ? e->id : good->id,
				    .chosen = stands && e->stored};
	return true;
}

bool forward_plan_next(struct forward_plan *p, const struct work *w, uint64_t through,
		       uint64_t now_ms, struct forward_due *due)
{
	size_t looked = 0;

	while (looked < FORWARD_LOOK && work_next_good(w, &p->at, FORWARD_LOOK - looked)) {
		if (p->at.batch > through)
			break;
		looked++;
		if (is_due(p, w, &p->at, now_ms, due))
			return true;
	}
	/* At the end: from the first one again at the next look. */
	if (looked < FORWARD_LOOK)
		forward_plan_rewind(p);
	return false;
}

bool forward_plan_has(const struct forward_plan *p, uint64_t after, uint64_t through,
		      enum prover_type type)
{
	size_t i = lower_bound(p, after + 1, (enum prover_type)0);

	for (; i < p->n && p->e[i].batch <= through; i++)
		if (p->e[i].type == type)
			return true;
	return false;
}

void forward_plan_rewind(struct forward_plan *p)
{
	p->at = (struct work_good){0};
}

bool forward_plan_chosen(struct forward_plan *p, const struct forward_due *due)
{
	struct forward_entry *e = make(p, due->batch, due->type);

	if (!e)
		return false;
	set_acknowledged(p, e, false);
	e->id = due->id;
	e->stored = false;
	return true;
}

void forward_plan_stored(struct forward_plan *p, const struct forward_due *due)
{
	struct forward_entry *e = find(p, due->batch, due->type);

	if (e && e->id == due->id)
		e->stored = true;
}

void forward_plan_acknowledged(struct forward_plan *p, uint64_t batch, enum prover_type type,
			       uint64_t wall_ms)
{
	struct forward_entry *e = find(p, batch, type);

	if (!e)
		return;
	set_acknowledged(p, e, true);
	e->acknowledged_ms = wall_ms;
	e->failures = 0;
	e->next_ms = 0;
}

void forward_plan_failed(struct forward_plan *p, uint64_t batch, enum prover_type type,
			 uint64_t now_ms)
{
	struct forward_entry *e = find(p, batch, type);

	if (e)
		e->next_ms = now_ms + retry_backoff(FORWARD_RETRY_MIN_MS, FORWARD_RETRY_MAX_MS,
						    e->failures++);
}

bool forward_plan_handed_out(struct forward_plan *p, uint64_t batch, enum prover_type type,
			     uint64_t asked_ms, uint64_t now_ms, struct forward_entry *entry)
{
	struct forward_entry *e = find(p, batch, type);

	if (!e || !e->acknowledged || asked_ms <= e->acknowledged_ms)
		return false;
	set_acknowledged(p, e, false);
	e->next_ms = now_ms + retry_backoff(FORWARD_RETRY_MIN_MS, FORWARD_RETRY_MAX_MS, e->again++);
	*entry = *e;
	forward_plan_rewind(p);
	return true;
}

bool forward_plan_overdue(struct forward_plan *p, uint64_t batch, uint64_t wall_ms,
			  struct forward_entry *entry)
{
	size_t i = lower_bound(p, batch, (enum prover_type)0);

	for (; i < p->n && p->e[i].batch == batch; i++) {
		struct forward_entry *e = &p->e[i];

		if (!e->acknowledged || wall_ms < e->acknowledged_ms ||
		    wall_ms - e->acknowledged_ms < FORWARD_OVERDUE_MS)
			continue;
		set_acknowledged(p, e, false);
		*entry = *e;
		forward_plan_rewind(p);
		return true;
	}
	return false;
}

/* ---- the rows ---- */

bool forward_plan_restore(struct forward_plan *p, const struct forward_entry *entry)
{
	struct forward_entry *e = make(p, entry->batch, entry->type);

	if (!e)
		return false;
	p->acknowledged += entry->acknowledged;
	p->acknowledged -= e->acknowledged;
	*e = *entry;
	e->stored = true;
	return true;
}

bool forward_plan_drop(struct forward_plan *p, uint64_t through, struct forward_entry *dropped)
{
	if (!p->n || p->e[0].batch > through)
		return false;
	*dropped = p->e[0];
	p->acknowledged -= p->e[0].acknowledged;
	p->n--;
	memmove(&p->e[0], &p->e[1], p->n * sizeof *p->e);
	return true;
}

void forward_plan_free(struct forward_plan *p)
{
	free(p->e);
	*p = (struct forward_plan){0};
}
