#include "coordinator/collateral/client.h"
#include "encoding/utf8.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FETCHES_MAX 4 /* at once */
#define WAITERS_MAX 1024

/* ---- keys ---- */

static int64_t clock_now(const struct collateral *c)
{
	return c->now + (int64_t)((uv_now(c->s.loop) - c->now_at) / 1000);
}

void collateral_set_clock(struct collateral *c, int64_t now)
{
	uv_update_time(c->s.loop);
	c->now = now;
	c->now_at = uv_now(c->s.loop);
}

static bool may_serve(const struct collateral *c, const struct collateral_set *set, int64_t now)
{
	return set && now >= set->facts.valid_from && now <= set->facts.valid_to + c->s.max_stale;
}

bool collateral_suits(const struct collateral *c, const struct collateral_set *set)
{
	const uint32_t number = c->s.want.number;

	return (number == 0 || (set->facts.tcb_evaluation_number == number &&
				set->facts.qe_evaluation_number == number)) &&
	       (!c->s.want.numbers || set->numbers.n || set->want.numbers);
}

static struct entry *find(const struct collateral *c, const struct collateral_key *key)
{
	size_t i;

	for (i = 0; i < c->n_entries; i++)
		if (memcmp(c->entries[i]->key.fmspc, key->fmspc, 6) == 0 &&
		    c->entries[i]->key.ca == key->ca)
			return c->entries[i];
	return NULL;
}

void collateral_entry_free(struct entry *e)
{
	collateral_set_unref(e->set);
	free(e);
}

static bool may_go(const struct entry *e)
{
	return !e->fetch && (!e->wanted || e->disk_only);
}

/* The least recently used that nobody waits for makes room. */
static bool make_room(struct collateral *c, struct why *why)
{
	size_t i, least = c->n_entries;

	if (c->n_entries < c->s.max_keys)
		return true;
	for (i = 0; i < c->n_entries; i++)
		if (may_go(c->entries[i]) &&
		    (least == c->n_entries ||
		     c->entries[i]->last_used < c->entries[least]->last_used))
			least = i;
	if (least == c->n_entries) {
		why_set(why, "collateral is being fetched for %zu platforms, no more are allowed",
			c->n_entries);
		return false;
	}
	collateral_entry_free(c->entries[least]);
	c->entries[least] = c->entries[--c->n_entries];
	return true;
}

static struct entry *entry_of(struct collateral *c, const struct collateral_key *key,
			      struct why *why)
{
	struct entry *e = find(c, key);

	if (!e) {
		if (!make_room(c, why))
			return NULL;
		e = calloc(1, sizeof *e);
		if (!e) {
			why_set(why, "out of memory");
			return NULL;
		}
		e->c = c;
		e->key = *key;
		c->entries[c->n_entries++] = e;
	}
	e->last_used = ++c->uses;
	return e;
}

/* ---- disk ---- */

static void pump_save(struct collateral *c);

static void save_work(uv_work_t *w)
{
	struct collateral *c = w->data;

	c->saved = collateral_disk_write(c->s.cache, c->saved_set, c->s.update, c->s.number,
					 c->s.max_keys, &c->save_why);
}

static void after_save(uv_work_t *w, int status)
{
	struct collateral *c = w->data;

	(void)status;
	c->saving = false;
	if (!c->saved)
		collateral_note(c, &c->saved_set->key, c->save_why.text);
	collateral_set_unref(c->saved_set);
	c->saved_set = NULL;
	if (!c->closing)
		pump_save(c);
	collateral_unref(c);
}

/* One at a time: two writers of one directory would mix their files. */
static void pump_save(struct collateral *c)
{
	size_t i;

	for (i = 0; !c->saving && i < c->n_entries; i++) {
		if (!c->entries[i]->unsaved)
			continue;
		c->entries[i]->unsaved = false;
		c->saved_set = collateral_set_ref(c->entries[i]->set);
		c->saving = true;
		c->live++;
		c->save.data = c;
		uv_queue_work(c->s.loop, &c->save, save_work, after_save);
	}
}

/* ---- fetches ---- */

static void pump(struct collateral *c);

static void plan(struct entry *e)
{
	e->refresh_at = collateral_refresh_time(&e->set->facts, e->set->fetched_at,
						collateral_random(&e->c->s));
}

static void replace(struct entry *e, const struct collateral_set *set, bool from_disk)
{
	const struct collateral_set *old = e->set;
	struct collateral *c = e->c;

	if (old && (!collateral_set_same(old, set) || old->want.number != set->want.number ||
		    old->want.numbers != set->want.numbers))
		collateral_changed(e, set);
	collateral_set_unref(old);
	e->set = set;
	if (from_disk && c->s.want.number == 0 && !c->s.want.numbers)
		c->s.want = set->want; /* as the run before was told */
	e->unsaved = !from_disk && c->s.cache[0];
	plan(e);
}

static void rest(struct entry *e)
{
	struct collateral *c = e->c;

	collateral_rest_failed(&e->rest, &c->s.rest, clock_now(c), 0, collateral_random(&c->s));
}

static void fetch_failed(struct entry *e, const char *story)
{
	struct collateral *c = e->c;
	char fmspc[13];

	hex_encode(fmspc, e->key.fmspc, 6);
	utf8_print(e->last_failure, sizeof e->last_failure,
		   "no %scollateral for FMSPC %s (%s CA): %s", e->set ? "newer " : "", fmspc,
		   e->key.ca == COLLATERAL_PLATFORM ? "Platform" : "Processor", story);
	rest(e);
	collateral_note(c, &e->key, e->last_failure);
}

static void on_fetched(void *arg, const struct collateral_fetched *got)
{
	struct entry *e = arg;
	struct collateral *c = e->c;
	bool disk_only = e->disk_only;

	e->fetch = NULL;
	c->n_fetches--;
	if (c->closing) {
		collateral_set_unref(got->set);
		collateral_unref(c);
		return;
	}
	if (got->set) {
		replace(e, got->set, got->from_disk);
		e->last_failure[0] = '\0';
		e->owed = c->s.want.numbers && !e->set->numbers.n;
		if (e->owed)
			rest(e);
		else
			collateral_rest_worked(&e->rest);
		if (got->story[0])
			collateral_note(c, &e->key, got->story);
		/* A stale set has its reasons in the story. */
		collateral_answer(e, e->set,
				  collateral_set_stale(e->set, clock_now(c)) ? got->story : "");
	} else if (!disk_only) {
		fetch_failed(e, got->story);
		collateral_answer(e, may_serve(c, e->set, clock_now(c)) ? e->set : NULL,
				  e->last_failure);
	} else if (got->story[0]) {
		collateral_note(c, &e->key, got->story);
	}
	if (e->again) {
		e->again = false;
		e->owed = true;
		e->wanted = true;
		e->disk_only = false;
	}
	pump_save(c);
	pump(c);
}

static void pump(struct collateral *c)
{
	size_t i;

	for (i = 0; i < c->n_entries && c->n_fetches < FETCHES_MAX; i++) {
		struct entry *e = c->entries[i];

		if (!e->wanted || e->fetch)
			continue;
		e->wanted = false;
		e->fetch = collateral_fetch_start(&c->s, &e->key, e->set, e->disk_only,
						  clock_now(c), on_fetched, e);
		if (e->fetch) {
			c->n_fetches++;
		} else {
			fetch_failed(e, "out of memory");
			collateral_answer(e, NULL, e->last_failure);
		}
	}
}

/* Asks for a fetch, or widens the one that looks at the disk alone. */
static void want(struct entry *e, bool disk_only)
{
	if (e->fetch || e->wanted) {
		if (e->disk_only && !disk_only) {
			e->disk_only = false;
			if (e->fetch)
				collateral_fetch_widen(e->fetch);
		}
		return;
	}
	e->wanted = true;
	e->disk_only = disk_only;
	pump(e->c);
}

void collateral_on_http_round(void *arg)
{
	struct collateral *c = arg;
	size_t i;

	for (i = 0; !c->closing && i < c->n_entries; i++)
		if (c->entries[i]->fetch)
			collateral_fetch_step(c->entries[i]->fetch);
}

/* What is on disk is read in the background, so that it is listed and refreshed: a get meanwhile
 * waits for it. There stays room for a new key. */
void collateral_load_cache(struct collateral *c)
{
	struct collateral_key *keys = calloc(c->s.max_keys, sizeof *keys);
	size_t n, i;

	n = keys && c->s.cache[0] ? collateral_disk_keys(keys, c->s.max_keys - 1, c->s.cache) : 0;
	for (i = 0; i < n; i++) {
		struct entry *e = entry_of(c, &keys[i], NULL);

		if (e)
			want(e, true);
	}
	free(keys);
}

/* ---- the calls ---- */

bool collateral_get(struct collateral *c, const struct collateral_key *key, int64_t now,
		    collateral_cb *cb, void *arg, struct why *why)
{
	struct waiter *w;
	struct entry *e;

	if (c->closing) {
		why_set(why, "the collateral client is closing");
		return false;
	}
	collateral_set_clock(c, now);
	if (c->n_waiters >= WAITERS_MAX) {
		why_set(why, "%u callers wait for collateral already", c->n_waiters);
		return false;
	}
	e = entry_of(c, key, why);
	if (!e)
		return false;
	w = calloc(1, sizeof *w);
	if (!w) {
		why_set(why, "out of memory");
		return false;
	}
	*w = (struct waiter){e->waiters, cb, arg};
	e->waiters = w;
	c->n_waiters++;
	if (e->set && !collateral_set_stale(e->set, now) && collateral_suits(c, e->set))
		collateral_answer(e, e->set, "");
	else if (!e->fetch && !e->wanted && e->rest.until > now)
		collateral_answer(e, may_serve(c, e->set, now) ? e->set : NULL, e->last_failure);
	else
		want(e, false);
	return true;
}

const struct collateral_set *collateral_peek(struct collateral *c, const struct collateral_key *key,
					     int64_t now)
{
	struct entry *e = find(c, key);

	if (!e || !may_serve(c, e->set, now))
		return NULL;
	e->last_used = ++c->uses;
	return e->set;
}

bool collateral_want(struct collateral *c, const struct collateral_want *want, struct why *why)
{
	if (want->number && c->s.number && want->number != c->s.number) {
		why_set(why,
			"the contracts verify with tcbEvaluationDataNumber %" PRIu32
			", and the settings ask for %" PRIu32 " (COLLATERAL_TCB_EVALUATION_NUMBER)",
			want->number, c->s.number);
		return false;
	}
	if (want->number)
		c->s.want.number = want->number;
	c->s.want.numbers = c->s.want.numbers || want->numbers;
	return true;
}

const struct tdxv_collateral *collateral_root_only(const struct collateral *c)
{
	return c->s.root_only;
}

static void refresh(struct entry *e)
{
	if (e->fetch) {
		e->again = true;
	} else {
		e->owed = true;
		want(e, false);
	}
}

void collateral_refresh(struct collateral *c, const struct collateral_key *key, int64_t now)
{
	struct entry *e;
	size_t i;

	if (c->closing)
		return;
	collateral_set_clock(c, now);
	for (i = 0; i < c->s.n_sources; i++)
		collateral_rest_cut(&c->s.source[i].rest);
	if (key) {
		e = entry_of(c, key, NULL);
		if (e)
			refresh(e);
		return;
	}
	for (i = 0; i < c->n_entries; i++)
		refresh(c->entries[i]);
}

void collateral_tick(struct collateral *c, int64_t now)
{
	size_t i;

	if (c->closing)
		return;
	collateral_set_clock(c, now);
	for (i = 0; i < c->n_entries; i++) {
		struct entry *e = c->entries[i];

		if ((e->owed ||
		     (e->set && (now >= e->refresh_at || !collateral_suits(c, e->set)))) &&
		    now >= e->rest.until)
			want(e, false);
	}
}

/* ---- for status output and metrics ---- */

size_t collateral_count(const struct collateral *c)
{
	return c->n_entries;
}

bool collateral_at(const struct collateral *c, size_t i, struct collateral_info *out)
{
	const struct entry *e;

	if (i >= c->n_entries)
		return false;
	e = c->entries[i];
	*out = (struct collateral_info){.key = e->key,
					.set = e->set,
					.fetching = e->fetch || e->wanted,
					.refresh_at = e->set ? e->refresh_at : 0,
					.last_failure = e->last_failure};
	return true;
}

bool collateral_source_at(const struct collateral *c, size_t i, struct collateral_source_info *out)
{
	const struct collateral_standing *st;

	if (i >= c->s.n_sources)
		return false;
	st = &c->s.source[i];
	*out = (struct collateral_source_info){.name = st->source.name,
					       .failures = st->rest.failures,
					       .rest_until = st->rest.until,
					       .last_failure_at = st->last_failure_at,
					       .last_failure = st->last_failure.text};
	memcpy(out->count, st->count, sizeof out->count);
	return true;
}

const char *collateral_outcome_name(enum collateral_outcome outcome)
{
	static const char *const name[] = {
#define NAME(id, text) [COLLATERAL_##id] = (text),
	    COLLATERAL_OUTCOMES(NAME)
#undef NAME
	};

	return name[outcome];
}
