/* Turns: what others stored, who leads, the row of this coordinator, and the leader's upkeep. */
#include "coordinator/postgres/internal.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coordinator/base/clock.h"

#define INTENTS_MAX 1000000
#define FAREWELL_MS 300

void leader_lost(struct postgres *e, struct engine_news_list *news)
{
	if (!e->fence)
		return;
	e->fence = 0;
	engine_news_add(news, NEWS_LEADS_NOT, NULL, 0, "");
}

/* ---- becoming the leader ---- */

static int compare_intents(const void *left, const void *right)
{
	const struct store_change *a = left, *b = right;

	return a->intent.id < b->intent.id ? -1 : a->intent.id > b->intent.id;
}

static struct change_group *intents_of(const PGresult *r)
{
	const size_t n = (size_t)PQntuples(r);
	struct store_change *changes = calloc(n + 1, sizeof *changes);
	struct change_group *group = NULL;
	uint64_t rev;
	size_t i;

	for (i = 0; changes && i < n; i++)
		row_read(&rev, &changes[i], r, (int)i, S_SINCE_INTENT - S_SINCE_FACT);
	if (changes && n)
		qsort(changes, n, sizeof *changes, compare_intents);
	if (changes)
		group = change_group_new(changes, n);
	free(changes);
	return group;
}

/* In one transaction: all that others stored, a fence that is higher, and the open intents. */
static enum store_rc raise_fence(struct postgres *e, struct engine_news_list *news, bool *full,
				 struct why *why)
{
	const uint64_t mark = postgres_random(), now_ms = clock_boot_ms();
	struct params p = {0}, all = {0};
	struct change_group *intents = NULL;
	struct link *s = &e->main;
	struct head head = {0};
	uint64_t fence = 0;
	enum store_rc rc;
	PGresult *r;

	param_u64(&p, mark);
	param_u64(&all, 0);
	param_int(&all, INTENTS_MAX);
	commit_begin_send(e, HEAD_ROWS);
	link_send(s, S_FENCE_NEXT, &p);
	link_send(s, S_SINCE_INTENT, &all);
	link_sync(s);
	rc = commit_begin_take(e, &head, HEAD_ROWS, full, news, why);
	r = link_expect(s, &rc, why);
	if (r)
		fence = cell_u64(r, 0, 2);
	PQclear(r);
	r = link_expect(s, &rc, why);
	if (r)
		intents = intents_of(r);
	PQclear(r);
	if (s->conn && !link_end(s, rc == STORE_OK ? why : NULL))
		rc = STORE_UNREACHABLE;
	if (rc == STORE_OK && !*full)
		rc = commit_end(e, head.rev + 1, mark, news, why);
	else if (s->conn)
		link_run(s, "ROLLBACK", NULL);
	/* What is decided from now on is decided with all that was there before. */
	if (rc == STORE_OK && !*full && intents &&
	    engine_news_add(news, NEWS_FOREIGN, NULL, e->seen, "") &&
	    engine_news_add(news, NEWS_LEADS, intents, fence, "")) {
		e->engine.led_ms = now_ms;
		e->fence = fence;
		return STORE_OK;
	}
	free(intents);
	return rc == STORE_OK && !*full ? STORE_NO_MEMORY : rc;
}

static void give_lock_back(struct postgres *e)
{
	enum store_rc rc;

	if (e->main.conn)
		PQclear(link_ask(&e->main, S_LEAD_NOT, NULL, &rc, NULL));
	e->locked = false;
	e->lock_due = after_ms(LOCK_TRY_MS);
}

/* Has the one that has the lock stopped? */
static bool leader_is_silent(struct postgres *e)
{
	bool silent = true;
	size_t i;

	uv_mutex_lock(&e->shown);
	for (i = 0; i < e->n_instances; i++)
		if (e->instances[i].leads && e->instances[i].seen_before_ms < STUCK_MS)
			silent = false;
	uv_mutex_unlock(&e->shown);
	return silent;
}

static enum store_rc try_to_lead(struct postgres *e, struct engine_news_list *news, struct why *why)
{
	enum store_rc rc;
	bool full = false;
	PGresult *r;

	e->lock_due = after_ms(LOCK_TRY_MS);
	r = link_ask(&e->main, S_LEAD, NULL, &rc, why);
	if (!r)
		return rc;
	e->locked = *PQgetvalue(r, 0, 0) != 0;
	PQclear(r);
	if (!e->locked && leader_is_silent(e)) {
		e->held_up = true;
		e->unled = e->unled ? e->unled : uv_hrtime();
		return STORE_OK;
	}
	e->unled = 0;
	if (!e->locked)
		return STORE_OK;
	rc = raise_fence(e, news, &full, why);
	if (rc == STORE_OK && full)
		rc = follow(e, news, why);
	if (!e->fence)
		give_lock_back(e);
	return rc;
}

/* ---- the row of this coordinator ---- */

static void note_skew(struct postgres *e, int64_t skew_ms, struct engine_news_list *news)
{
	const bool was_wrong = llabs(e->skew_ms) > STORE_SKEW_MAX_MS,
		   wrong = llabs(skew_ms) > STORE_SKEW_MAX_MS;
	char text[200];

	e->skew_ms = skew_ms;
	if (wrong && e->fence) {
		give_lock_back(e);
		leader_lost(e, news);
	}
	if (llabs(skew_ms) <= STORE_SKEW_WARN_MS) {
		e->said_skew = false;
		return;
	}
	if (e->said_skew && wrong == was_wrong)
		return;
	snprintf(text, sizeof text, "this host's clock is %lld.%03lld s %s the database's%s",
		 (long long)(llabs(skew_ms) / 1000), (long long)(llabs(skew_ms) % 1000),
		 skew_ms > 0 ? "ahead of" : "behind",
		 wrong ? ": it does not lead and gives no leases before that is right" : "");
	e->said_skew = engine_news_add(news, NEWS_TROUBLE, NULL, 0, text);
}

enum store_rc leader_look(struct postgres *e, struct why *why)
{
	struct store_instance *i;
	enum store_rc rc;
	PGresult *r = link_ask(&e->main, S_INSTANCES, NULL, &rc, why);
	uint64_t now;
	int row;

	if (!r)
		return rc;
	uv_mutex_lock(&e->shown);
	e->n_instances = 0;
	for (row = 0; row < PQntuples(r) && row < STORE_SLOTS; row++) {
		i = &e->instances[e->n_instances++];
		memset(i, 0, sizeof *i);
		i->slot = (unsigned)cell_int(r, row, 0);
		cell_text(i->name, sizeof i->name, r, row, 1);
		cell_text(i->version, sizeof i->version, r, row, 2);
		i->schema = (unsigned)cell_int(r, row, 3);
		i->started_ms = cell_u64(r, row, 4);
		i->seen_ms = cell_u64(r, row, 5);
		now = cell_u64(r, row, 6);
		i->seen_before_ms = now > i->seen_ms ? now - i->seen_ms : 0;
		i->skew_ms = (int64_t)cell_u64(r, row, 7);
		i->leads = *PQgetvalue(r, row, 8) != 0;
		i->is_this = !e->observe && cell_u64(r, row, 9) == e->token;
		cell_text(i->status, sizeof i->status, r, row, 10);
	}
	uv_mutex_unlock(&e->shown);
	PQclear(r);
	return STORE_OK;
}

/* Outside the head's lock, so that it holds up nobody. */
static enum store_rc beat(struct postgres *e, struct engine_news_list *news, struct why *why)
{
	char text[400], status[STORE_STATUS_SIZE];
	const uint64_t before = clock_wall_ms(), start = uv_hrtime();
	struct params p = {0};
	enum store_rc rc;
	uint64_t now, trip_us;
	PGresult *r;

	e->beat_due = after_ms(HEARTBEAT_MS);
	uv_mutex_lock(&e->shown);
	memcpy(status, e->status, sizeof status);
	uv_mutex_unlock(&e->shown);
	param_int(&p, (int)e->engine.slot);
	param_u64(&p, e->token);
	param_u64(&p, e->seen);
	param_u64(&p, (uint64_t)e->skew_ms);
	param_u64(&p, e->fence);
	param_text(&p, status);
	r = link_ask(&e->main, S_HEARTBEAT, &p, &rc, why);
	if (!r)
		return rc;
	if (PQntuples(r) == 0) {
		snprintf(
		    text, sizeof text,
		    "%s: this coordinator was away, and another one has its place, or somebody "
		    "removed its row",
		    e->where);
		postgres_end(e, news, text);
		why_set(why, "%s", text);
		rc = STORE_UNREACHABLE;
	} else {
		postgres_stored(e, news);
		trip_us = (uv_hrtime() - start) / 1000;
		if (!e->trip_us || trip_us < e->trip_us)
			e->trip_us = trip_us;
		now = cell_u64(r, 0, 0);
		note_skew(e, (int64_t)((before + clock_wall_ms()) / 2 - now), news);
	}
	PQclear(r);
	return rc == STORE_OK && e->main.conn ? leader_look(e, why) : rc;
}

size_t leader_instances(struct engine *engine, struct store_instance *out, size_t max)
{
	struct postgres *e = postgres_of(engine);
	size_t n;

	uv_mutex_lock(&e->shown);
	n = e->n_instances;
	memcpy(out, e->instances, (n < max ? n : max) * sizeof *out);
	uv_mutex_unlock(&e->shown);
	return n;
}

void leader_say(struct engine *engine, const char *status)
{
	struct postgres *e = postgres_of(engine);
	char *p;

	uv_mutex_lock(&e->shown);
	/* Half of it would be no JSON, and what is no ASCII perhaps no text to the database. */
	if (snprintf(e->status, sizeof e->status, "%s", status) >= (int)sizeof e->status)
		e->status[0] = '\0';
	for (p = e->status; *p; p++)
		*p = *p & 0x80 ? '?' : *p;
	uv_mutex_unlock(&e->shown);
}

/* So that nobody takes it for the leader any longer, or misses it: its place is free. */
void leader_farewell(struct postgres *e)
{
	struct params p = {0};
	enum store_rc rc;

	param_int(&p, (int)e->engine.slot);
	param_u64(&p, e->token);
	link_deadline(&e->main, FAREWELL_MS);
	PQclear(link_query(&e->main,
			   "UPDATE instance SET name = '', token = 0, fence = 0, status = ''"
			   " WHERE slot = $1 AND token = $2",
			   "il", &p, &rc, NULL));
}

/* ---- a turn ---- */

static enum store_rc look_at_head(struct postgres *e, struct engine_news_list *news,
				  struct why *why)
{
	const uint64_t now_ms = clock_boot_ms();
	struct head head = {0};
	enum store_rc rc = head_ask(e, &head, why);

	if (rc != STORE_OK)
		return rc;
	if (e->loaded && !postgres_goes_on(e, &head, news)) {
		*why = e->lost;
		return STORE_UNREACHABLE;
	}
	if (e->fence && head.fence != e->fence)
		leader_lost(e, news);
	e->engine.led_ms = e->fence ? now_ms : 0;
	return e->loaded && head.rev != e->seen ? follow(e, news, why) : STORE_OK;
}

/* A process that is stopped, or cut off, while the server has more for it than the sockets hold, or
 * waits for the rest of what it sends: none of the server's timeouts ends such a session, but
 * tcp_user_timeout where it is written to over TCP; what it holds would be held for ever.
 */
static enum store_rc end_stuck(struct postgres *e, struct engine_news_list *news, struct why *why)
{
	struct params p = {0};
	char name[96], text[300];
	enum store_rc rc;
	PGresult *r;
	int i;

	e->held_up = false;
	param_u64(&p, STUCK_MS);
	r = link_ask(&e->main, S_END_STUCK, &p, &rc, why);
	for (i = 0; r && i < PQntuples(r); i++) {
		cell_text(name, sizeof name, r, i, 0);
		snprintf(text, sizeof text,
			 "the session of %s held up the others and took no answer for %d s: it was "
			 "ended",
			 name, STUCK_MS / 1000);
		engine_news_add(news, NEWS_TROUBLE, NULL, 0, text);
	}
	PQclear(r);
	return rc;
}

static bool may_lead(const struct postgres *e)
{
	return e->loaded && llabs(e->skew_ms) <= STORE_SKEW_MAX_MS && uv_hrtime() >= e->lock_due;
}

/* Who leads no more has no use for the lock, and others have. */
static enum store_rc settle_lead(struct postgres *e, struct engine_news_list *news, struct why *why)
{
	if (e->fence)
		return STORE_OK;
	if (e->locked)
		give_lock_back(e);
	return e->main.conn && may_lead(e) ? try_to_lead(e, news, why) : STORE_OK;
}

/* Who has the lock and leads nothing is another program, a person, or a coordinator whose row of
 * instance is not to be written. */
static enum store_rc note_unled(struct postgres *e, struct engine_news_list *news, struct why *why)
{
	char program[64], user[64], text[300];
	enum store_rc rc;
	PGresult *r;

	if (!e->unled || uv_hrtime() - e->unled < TROUBLE_MS * UINT64_C(1000000))
		return STORE_OK;
	e->unled = 0;
	r = link_ask(&e->main, S_LEAD_WHO, NULL, &rc, why);
	if (r && PQntuples(r)) {
		cell_text(program, sizeof program, r, 0, 0);
		cell_text(user, sizeof user, r, 0, 1);
		snprintf(text, sizeof text,
			 "no coordinator is seen to lead, and process %d of the server's (%s, user "
			 "%s) has the lock of the one that does: see what it does, or end it",
			 cell_int(r, 0, 2), program, user);
		engine_news_add(news, NEWS_TROUBLE, NULL, 0, text);
	}
	PQclear(r);
	return rc;
}

/* On a connection that is well, as when somebody locks a table or makes the server read-only. */
static void note_failing(struct postgres *e, struct engine_news_list *news, enum store_rc rc,
			 const struct why *why)
{
	if (rc == STORE_OK || !e->main.conn) {
		e->failing = 0;
	} else if (!e->failing) {
		e->failing = uv_hrtime();
	} else if (uv_hrtime() - e->failing > TROUBLE_MS * UINT64_C(1000000)) {
		engine_news_add(news, NEWS_TROUBLE, NULL, 0, why->text);
		e->failing = uv_hrtime();
	}
}

void leader_turn(struct engine *engine, struct engine_news_list *news)
{
	struct postgres *e = postgres_of(engine);
	struct why why = {""};
	enum store_rc rc;

	uv_mutex_lock(&e->mutex);
	postgres_late(e, news);
	if (!postgres_in_vain(e, &why) && postgres_reach(e, news, &why)) {
		rc = look_at_head(e, news, &why);
		if (rc == STORE_OK && !e->observe && uv_hrtime() >= e->beat_due) {
			rc = beat(e, news, &why);
			note_failing(e, news, rc, &why);
		}
		if (rc == STORE_OK && !e->observe && !e->slot_locked)
			rc = slot_lock(e, &why);
		if (rc == STORE_OK && !e->observe)
			rc = settle_lead(e, news, &why);
		if (e->main.conn && e->held_up && !e->observe)
			end_stuck(e, news, &why);
		if (rc == STORE_OK && e->main.conn)
			rc = note_unled(e, news, &why);
		postgres_check(e, news, rc, &why);
	}
	uv_mutex_unlock(&e->mutex);
}

/* ---- the leader's upkeep ---- */

static enum store_rc trim(struct postgres *e, struct why *why)
{
	struct link *s = &e->main;
	struct params keep = {0}, to = {0};
	enum store_rc rc;
	PGresult *r;
	bool known;
	int i;

	param_u64(&keep, KEEP_MS);
	r = link_ask(s, S_TRIM_TO, &keep, &rc, why);
	if (!r)
		return rc;
	known = !PQgetisnull(r, 0, 0);
	param_u64(&to, cell_u64(r, 0, 0));
	PQclear(r);
	link_send_sql(s, "BEGIN", "", NULL);
	if (known) {
		link_send(s, S_TRIM_HEAD, &to);
		link_send(s, S_TRIM_GONE, &to);
		link_send(s, S_TRIM_MARKS, &to);
	}
	link_send(s, S_TRIM_INPUTS, &keep);
	link_send(s, S_TRIM_INSTANCES, NULL);
	link_send_sql(s, "COMMIT", "", NULL);
	link_sync(s);
	for (i = 0; i < (known ? 7 : 4); i++)
		PQclear(link_expect(s, &rc, why));
	if (s->conn)
		link_end(s, rc == STORE_OK ? why : NULL);
	if (rc != STORE_OK && s->conn)
		link_run(s, "ROLLBACK", NULL);
	return rc;
}

bool leader_tidy(struct engine *engine)
{
	struct postgres *e = postgres_of(engine);
	struct why why = {""};
	bool done = false;

	uv_mutex_lock(&e->mutex);
	if (!postgres_in_vain(e, &why) && e->main.conn && e->fence && uv_hrtime() >= e->tidy_due) {
		e->tidy_due = after_ms(TIDY_MS);
		link_deadline(&e->main, RUN_MS);
		done = postgres_check(e, &e->late, trim(e, &why), &why) == STORE_OK;
	}
	uv_mutex_unlock(&e->mutex);
	return done;
}
