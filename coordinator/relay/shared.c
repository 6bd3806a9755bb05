/* The relay of several coordinators on one store: one asks upstream, and hears from the others what
 * their provers want. */
#include "coordinator/base/clock.h"
#include "coordinator/base/log.h"
#include "coordinator/relay/internal.h"

#include <string.h>

#define TELL_MS 2000 /* between two words to the leader that something is wanted */

static void on_kept(void *arg, enum store_rc rc, const struct why *why)
{
	/* What is lost is said again. */
	(void)arg, (void)rc, (void)why;
}

/* At once: somebody waits. */
static void commit(struct relay *r, const struct relay_row *row)
{
	store_commit(r->p.store, &row->change, 1, on_kept, NULL);
}

static unsigned place_of(const struct relay *r, const struct fetch_demand *d)
{
	return (unsigned)(d - r->fetch.demand);
}

/* ---- what is wanted here ---- */

/* It was told, and what came back is old. */
static bool is_to_be_told_again(const struct relay *r, const struct fetch_demand *d,
				uint64_t now_ms)
{
	return d->heard_ms >= d->told_ms && !fetch_demand_is_fresh(&r->fetch, d, now_ms);
}

void relay_note_leader(const struct relay *r, struct fetch_demand *d, uint64_t now_ms)
{
	if (!store_leads(r->p.store) &&
	    (!d->told_ms || now_ms - d->told_ms >= TELL_MS || is_to_be_told_again(r, d, now_ms)))
		d->tell_due = true;
}

void relay_tell_leader(struct relay *r)
{
	const uint64_t now_ms = clock_mono_ms();
	struct fetch_demand *d;
	struct relay_row row;

	while ((d = fetch_plan_tell(&r->fetch, now_ms))) {
		wanted_row_put(&row, store_slot(r->p.store), place_of(r, d), &d->key);
		commit(r, &row);
	}
}

static void take_heard(struct relay *r, const struct demand_row *row)
{
	struct fetch_demand *d = fetch_plan_find(&r->fetch, &row->key);

	if (!d || store_leads(r->p.store))
		return;
	fetch_plan_told(d, row->heard, clock_mono_ms());
	memcpy(r->code_hash, row->code_hash, sizeof r->code_hash);
	relay_wake(r, d, row->heard != FETCH_NEW);
}

/* ---- what is wanted elsewhere ---- */

static void tell_others(struct relay *r, struct fetch_demand *d, enum fetch_heard heard)
{
	struct relay_row row;

	d->others = false;
	heard_row_put(&row, place_of(r, d), &d->key, heard, r->code_hash);
	commit(r, &row);
}

void relay_heard(struct relay *r, struct fetch_demand *d)
{
	if (d->others)
		tell_others(r, d, d->heard);
	relay_wake(r, d, d->heard != FETCH_NEW);
}

static void take_wanted(struct relay *r, const struct fetch_key *key)
{
	struct fetch_demand *d = relay_want(r, key, "", clock_mono_ms());

	if (!d)
		return;
	d->others = true;
	if (r->health.state == HEALTH_DOWN)
		tell_others(r, d, FETCH_DOWN);
	else if (r->trouble.text[0])
		tell_others(r, d, FETCH_NOT_KEPT);
	relay_soon(r);
}

bool relay_foreign(struct relay *r, const struct store_change *change)
{
	const bool put = change->kind == CHANGE_FACT_PUT;
	struct demand_row demand;
	struct forward_entry entry;

	switch (relay_row_get(&change->fact, &demand, &entry)) {
	case RELAY_ROW_NONE: return false;
	case RELAY_ROW_DEMAND:
		if (put && demand.batch)
			fetch_plan_restore(&r->fetch, &demand.key, demand.batch, clock_mono_ms());
		break;
	case RELAY_ROW_WANTED:
		if (put && store_leads(r->p.store))
			take_wanted(r, &demand.key);
		break;
	case RELAY_ROW_HEARD:
		if (put)
			take_heard(r, &demand);
		break;
	case RELAY_ROW_FORWARD:
		/* Rows go when their batch is final, which is seen here too. */
		if (put)
			forward_plan_restore(&r->forward, &entry);
		break;
	}
	return true;
}

/* ---- who leads ---- */

void relay_say_resumed(struct relay *r, const struct fetch_key *key, uint64_t batch)
{
	r->resumed = true;
	log_event(LOG_INFO, "relay_resumed", log_str("dialect", dialect_name(key->dialect)),
		  log_str("commit_hash", key->commit_hash), log_u64("last_batch", batch),
		  log_str("note", "an input that was on its way when who asked for it ended comes "
				  "again after upstream's --proof-coordinator.prover-timeout"));
}

/* What it knew of upstream is of when it last led, and another may have asked since. */
void relay_lead(struct relay *r, bool leads)
{
	size_t i;

	r->health = (struct health){.since_ms = clock_mono_ms()};
	r->trouble = r->lost = (struct why){""};
	r->resumed = false;
	r->gap_ms = 0;
	r->forward_said = (struct why){""};
	forward_plan_rewind(&r->forward);
	for (i = 0; leads && i < FETCH_DEMANDS_MAX; i++) {
		struct fetch_demand *d = &r->fetch.demand[i];

		if (!d->used)
			continue;
		d->row_due = true;
		d->next_ms = 0;
		if (d->proven)
			relay_say_resumed(r, &d->key, d->batch);
	}
	relay_soon(r);
}
