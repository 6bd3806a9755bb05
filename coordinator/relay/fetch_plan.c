#include "coordinator/relay/fetch_plan.h"

#include "coordinator/base/retry.h"

#include <stdio.h>
#include <string.h>

/* In which upstream may answer where it does not know the prover's own: the newest first. */
static const enum dialect ladder[] = {DIALECT_P7, DIALECT_P6, DIALECT_P3_P5};
#define RUNGS (sizeof ladder / sizeof *ladder)

const char *fetch_heard_name(enum fetch_heard heard)
{
	static const char *const names[FETCH_HEARD_COUNT] = {
	    "never",    "new",        "known",   "not_kept", "nothing",
	    "mismatch", "not_needed", "silence", "cut",      "down"};

	return names[heard];
}

void fetch_plan_init(struct fetch_plan *p, unsigned ahead, uint64_t poll_ms)
{
	memset(p, 0, sizeof *p);
	p->ahead = ahead;
	p->poll_ms = poll_ms;
}

/* ---- demands ---- */

static bool same_key(const struct fetch_key *a, const struct fetch_key *b)
{
	return a->dialect == b->dialect && a->has_type == b->has_type &&
	       (!a->has_type || a->type == b->type) && strcmp(a->commit_hash, b->commit_hash) == 0;
}

struct fetch_demand *fetch_plan_find(struct fetch_plan *p, const struct fetch_key *key)
{
	size_t i;

	for (i = 0; i < FETCH_DEMANDS_MAX; i++)
		if (p->demand[i].used && same_key(&p->demand[i].key, key))
			return &p->demand[i];
	return NULL;
}

/* One that was asked for, here or by the leader that was told of it, brought nothing, and is
 * nobody's now. */
static bool may_go(const struct fetch_demand *d, uint64_t now_ms)
{
	if (d->in_flight || d->waiting)
		return false;
	return (!d->proven && (d->heard != FETCH_NEVER || d->told_ms)) ||
	       now_ms - d->wanted_ms >= FETCH_LIVE_MS;
}

static struct fetch_demand *older(struct fetch_demand *a, struct fetch_demand *b)
{
	return !a || b->wanted_ms < a->wanted_ms ? b : a;
}

/* For one that brings inputs: a stranger's makes room. */
static struct fetch_demand *place_for_proven(struct fetch_plan *p)
{
	struct fetch_demand *oldest = NULL;
	size_t i;

	for (i = 0; i < FETCH_DEMANDS_MAX; i++) {
		struct fetch_demand *d = &p->demand[i];

		if (!d->used)
			return d;
		if (!d->proven && !d->in_flight && !d->waiting)
			oldest = older(oldest, d);
	}
	return oldest;
}

/* A free place, this source's own, or the one that was asked for longest ago. */
static struct fetch_demand *place_for(struct fetch_plan *p, const char *source, uint64_t now_ms)
{
	struct fetch_demand *free_one = NULL, *own = NULL, *any = NULL;
	unsigned owns = 0;
	size_t i;

	for (i = 0; i < FETCH_DEMANDS_MAX; i++) {
		struct fetch_demand *d = &p->demand[i];

		if (!d->used) {
			free_one = free_one ? free_one : d;
			continue;
		}
		if (!d->proven && strcmp(d->source, source) == 0) {
			owns++;
			own = may_go(d, now_ms) ? older(own, d) : own;
		}
		any = may_go(d, now_ms) ? older(any, d) : any;
	}
	if (owns >= (*source ? FETCH_NEW_A_SOURCE : FETCH_NEW_OF_OTHERS))
		return own;
	return free_one ? free_one : any;
}

struct fetch_demand *fetch_plan_want(struct fetch_plan *p, const struct fetch_key *key,
				     const enum prover_type *only_type, const char *source,
				     uint64_t now_ms, struct fetch_key *evicted)
{
	struct fetch_demand *d = fetch_plan_find(p, key);

	evicted->commit_hash[0] = '\0';
	if (!d) {
		d = source ? place_for(p, source, now_ms) : place_for_proven(p);
		if (!d)
			return NULL;
		if (d->used)
			*evicted = d->key;
		*d = (struct fetch_demand){
		    .used = true, .key = *key, .speaks = key->dialect, .row_due = true};
		snprintf(d->source, sizeof d->source, "%s", source ? source : "");
	}
	d->has_ask_type = key->has_type || only_type;
	d->ask_type = key->has_type ? key->type : only_type ? *only_type : PROVER_EXEC;
	d->wanted_ms = now_ms;
	return d;
}

struct fetch_demand *fetch_plan_restore(struct fetch_plan *p, const struct fetch_key *key,
					uint64_t batch, uint64_t now_ms)
{
	struct fetch_key none;
	struct fetch_demand *d =
	    fetch_plan_want(p, key, key->has_type ? &key->type : NULL, NULL, now_ms, &none);

	if (d) {
		d->proven = batch != 0;
		d->batch = batch;
	}
	return d;
}

/* ---- what is next ---- */

static bool is_wanted(struct fetch_plan *p, const struct fetch_demand *d,
		      const struct fetch_view *view, uint64_t now_ms)
{
	size_t open;

	if (!d->used || d->in_flight || now_ms < d->next_ms ||
	    now_ms - d->wanted_ms >= FETCH_LIVE_MS)
		return false;
	if (d->has_ask_type && !(view->needed & PROVER_TYPE_BIT(d->ask_type)))
		return false;
	if (d->waiting)
		return true;
	open = view->open(view->arg, &d->key);
	if (open < p->ahead)
		return true;
	return view->gap && open < 4 * (size_t)p->ahead + 64 &&
	       now_ms - p->gap_asked_ms >= FETCH_GAP_EVERY_MS;
}

/* Who brought inputs before comes first, then who waits longest. */
static bool goes_before(const struct fetch_demand *a, const struct fetch_demand *b)
{
	if (!b || a->proven != b->proven)
		return !b || a->proven;
	return a->asked_ms < b->asked_ms;
}

struct fetch_demand *fetch_plan_next(struct fetch_plan *p, const struct fetch_view *view,
				     uint64_t now_ms)
{
	struct fetch_demand *best = NULL;
	size_t i;

	for (i = 0; i < FETCH_DEMANDS_MAX; i++) {
		struct fetch_demand *d = &p->demand[i];

		if (!is_wanted(p, d, view, now_ms) ||
		    (!d->proven && now_ms - p->new_asked_ms < FETCH_NEW_EVERY_MS))
			continue;
		if (goes_before(d, best))
			best = d;
	}
	if (!best)
		return NULL;
	if (!best->proven)
		p->new_asked_ms = now_ms;
	if (view->open(view->arg, &best->key) >= p->ahead)
		p->gap_asked_ms = now_ms;
	best->in_flight = true;
	best->asked_ms = p->asked_ms = now_ms;
	return best;
}

/* ---- what was heard ---- */

/* Another dialect to try, once each. False: all were. */
static bool next_rung(const struct fetch_plan *p, struct fetch_demand *d)
{
	size_t i;

	d->silent |= 1u << d->speaks;
	if (p->spoken != DIALECT_ANY && !(d->silent & 1u << p->spoken) &&
	    (d->has_ask_type || p->spoken == DIALECT_P3_P5)) {
		d->speaks = p->spoken;
		return true;
	}
	for (i = 0; i < RUNGS; i++)
		if (!(d->silent & 1u << ladder[i]) &&
		    (d->has_ask_type || ladder[i] == DIALECT_P3_P5)) {
			d->speaks = ladder[i];
			return true;
		}
	d->silent = 0;
	d->speaks = d->key.dialect;
	return false;
}

static uint64_t pause_after(const struct fetch_plan *p, struct fetch_demand *d, uint64_t max_ms)
{
	return retry_backoff(p->poll_ms, max_ms, d->failures++);
}

bool fetch_demand_just_had(const struct fetch_demand *d, uint64_t batch, uint64_t now_ms)
{
	return batch && batch == d->batch && d->batch_ms && now_ms - d->batch_ms < FETCH_SPIN_MS;
}

static void heard_known(const struct fetch_plan *p, struct fetch_demand *d, uint64_t batch,
			uint64_t now_ms)
{
	const bool again = fetch_demand_just_had(d, batch, now_ms);

	/* Before p6 everybody gets the next batch until it is proven. */
	d->repeats = again && d->speaks != DIALECT_P3_P5 ? d->repeats + 1 : 0;
	d->known++;
	d->next_ms = now_ms + (again || d->known % FETCH_KNOWN_AT_ONCE == 0 ? p->poll_ms : 0);
}

void fetch_plan_heard(struct fetch_plan *p, struct fetch_demand *d, enum fetch_heard heard,
		      uint64_t batch, uint64_t now_ms)
{
	const bool answered = heard >= FETCH_NEW && heard <= FETCH_NOT_NEEDED;

	d->in_flight = false;
	d->next_ms = now_ms + p->poll_ms;
	if (answered) {
		p->spoken = d->speaks;
		d->silent = 0;
	}
	switch (heard) {
	case FETCH_NEVER: break;
	case FETCH_NEW:
		d->proven = d->row_due = true;
		d->next_ms = now_ms;
		d->failures = d->known = d->repeats = 0;
		break;
	case FETCH_KNOWN:
		d->failures = 0;
		heard_known(p, d, batch, now_ms);
		break;
	case FETCH_NOTHING:
	case FETCH_MISMATCH:
	case FETCH_NOT_NEEDED: d->failures = d->known = d->repeats = 0; break;
	case FETCH_SILENCE:
		if (next_rung(p, d)) {
			d->next_ms = now_ms;
			return; /* not its last word */
		}
		d->next_ms = now_ms + pause_after(p, d, FETCH_BACKOFF_MS);
		break;
	case FETCH_CUT:
		d->row_due = true;
		d->next_ms = now_ms + pause_after(p, d, FETCH_BACKOFF_MS);
		break;
	case FETCH_NOT_KEPT: d->next_ms = now_ms + pause_after(p, d, FETCH_FULL_MS); break;
	case FETCH_DOWN: d->next_ms = now_ms; break; /* health says when */
	}
	d->heard = heard;
	d->heard_ms = now_ms;
	if (batch) {
		d->batch = batch;
		d->batch_ms = now_ms;
	}
}

struct fetch_demand *fetch_plan_tell(struct fetch_plan *p, uint64_t now_ms)
{
	struct fetch_demand *best = NULL;
	size_t i;

	for (i = 0; i < FETCH_DEMANDS_MAX; i++) {
		struct fetch_demand *d = &p->demand[i];

		if (!d->used || !d->tell_due ||
		    (!d->proven && now_ms - p->new_asked_ms < FETCH_NEW_EVERY_MS))
			continue;
		if (!best || d->told_ms < best->told_ms)
			best = d;
	}
	if (!best)
		return NULL;
	if (!best->proven)
		p->new_asked_ms = now_ms;
	best->tell_due = false;
	best->told_ms = now_ms;
	return best;
}

void fetch_plan_told(struct fetch_demand *d, enum fetch_heard heard, uint64_t now_ms)
{
	d->heard = heard;
	d->heard_ms = now_ms;
}

bool fetch_demand_spins(const struct fetch_demand *d)
{
	return d->repeats >= FETCH_SPIN_TIMES;
}

bool fetch_demand_is_fresh(const struct fetch_plan *p, const struct fetch_demand *d,
			   uint64_t now_ms)
{
	return d->heard != FETCH_NEVER && !d->in_flight && now_ms < d->heard_ms + p->poll_ms;
}

enum fetch_word fetch_demand_word(const struct fetch_demand *d, uint64_t now_ms)
{
	if (d->heard == FETCH_NEVER || now_ms - d->heard_ms > FETCH_WORD_MS)
		return FETCH_WORD_NONE;
	if (d->heard == FETCH_MISMATCH)
		return FETCH_WORD_MISMATCH;
	return d->heard == FETCH_NOT_NEEDED ? FETCH_WORD_NOT_NEEDED : FETCH_WORD_NONE;
}

/* ---- is anybody there? ---- */

bool fetch_plan_probe(struct fetch_plan *p, uint64_t now_ms, enum dialect *dialect)
{
	size_t i;

	if (now_ms - p->asked_ms < p->poll_ms)
		return false;
	for (i = 0; i < FETCH_DEMANDS_MAX; i++)
		if (p->demand[i].used && p->demand[i].in_flight)
			return false;
	*dialect = p->spoken != DIALECT_ANY ? p->spoken : ladder[p->probe % RUNGS];
	p->asked_ms = now_ms;
	return true;
}

void fetch_plan_probed(struct fetch_plan *p, enum dialect dialect, enum fetch_heard heard)
{
	if (heard == FETCH_SILENCE) {
		p->spoken = DIALECT_ANY;
		p->probe++;
	} else if (heard != FETCH_DOWN && heard != FETCH_CUT) {
		p->spoken = dialect;
	}
}
