/* The store's own connection: lost, made anew, and gone on with where the former one ended. */
#include "coordinator/postgres/internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

uint64_t postgres_random(void)
{
	uint64_t v = 0;

	uv_random(NULL, NULL, &v, sizeof v, 0, NULL);
	return v;
}

void postgres_late(struct postgres *e, struct engine_news_list *news)
{
	if (!e->late.first)
		return;
	*news->end = e->late.first;
	news->end = e->late.end;
	engine_news_list_init(&e->late);
}

void postgres_end(struct postgres *e, struct engine_news_list *news, const char *sentence)
{
	link_close(&e->main);
	e->ended = true;
	why_set(&e->lost, "%s", sentence);
	leader_lost(e, news);
	engine_news_add(news, NEWS_OTHER_PAST, NULL, 0, sentence);
}

static void say_lost(struct postgres *e, struct engine_news_list *news)
{
	const bool new =
	    !e->said_lost || (uv_hrtime() >= e->say_due && strcmp(e->said.text, e->lost.text) != 0);

	leader_lost(e, news);
	if (!new || !engine_news_add(news, NEWS_LOST, NULL, 0, e->lost.text))
		return;
	e->said_lost = true;
	e->said = e->lost;
	e->say_due = after_ms(SAY_MS);
}

static void note_vain(struct postgres *e, const struct why *why)
{
	if (strcmp(e->main.state, "55P03") != 0)
		return;
	e->main.state[0] = '\0';
	e->vain = *why;
	e->vain_until = after_ms(VAIN_MS);
}

bool postgres_in_vain(const struct postgres *e, struct why *why)
{
	if (uv_hrtime() >= e->vain_until)
		return false;
	*why = e->vain;
	return true;
}

enum store_rc postgres_check(struct postgres *e, struct engine_news_list *news, enum store_rc rc,
			     const struct why *why)
{
	if (rc != STORE_OK)
		note_vain(e, why);
	/* The next connection looks at the tables and the rights anew. */
	if (rc == STORE_FOREIGN || rc == STORE_CORRUPT) {
		link_close(&e->main);
		rc = STORE_UNREACHABLE;
	}
	if (e->main.conn || e->ended)
		return rc;
	e->lost = *why;
	e->attempt_due = after_ms(RECONNECT_MS);
	say_lost(e, news);
	return rc;
}

void postgres_note(struct postgres *e, struct engine_news_list *news)
{
	if (strcmp(e->noted, e->main.note) == 0)
		return;
	if (!*e->main.note || engine_news_add(news, NEWS_TROUBLE, NULL, 0, e->main.note))
		memcpy(e->noted, e->main.note, sizeof e->noted);
}

bool postgres_goes_on(struct postgres *e, const struct head *head, struct engine_news_list *news)
{
	char text[512];

	if (!head->there)
		snprintf(text, sizeof text, HEAD_EMPTY, e->where);
	else if (head->identity != e->engine.identity)
		snprintf(text, sizeof text, "%s: it is another database than before", e->where);
	else if (e->seen < head->trimmed)
		snprintf(text, sizeof text,
			 "%s: this coordinator was away for too long: it knows revision %" PRIu64
			 ", and what was deleted is told from %" PRIu64 " on",
			 e->where, e->seen, head->trimmed);
	else if (!head->has_past || head->past != e->mark)
		snprintf(text, sizeof text,
			 "%s: it went back, or is another copy: revision %" PRIu64
			 ", which was seen, is not there",
			 e->where, e->seen);
	else
		return true;
	postgres_end(e, news, text);
	return false;
}

static enum store_rc resume(struct postgres *e, struct engine_news_list *news, struct why *why)
{
	enum store_rc rc = link_run(&e->main, "BEGIN", why);

	/* Whoever makes steps sees this one by its slot's lock, or it sees the steps. */
	if (rc == STORE_OK)
		rc = schema_hold(&e->main, &schema_known, why);
	if (rc == STORE_OK && !e->observe)
		rc = slot_lock(e, why);
	if (rc == STORE_OK)
		rc = link_run(&e->main, "COMMIT", why);
	/* What the former connection's last transaction did is unknown: it counts as another's. */
	e->writer = postgres_random();
	if (rc == STORE_OK)
		rc = tables_check(&e->main, e->observe, why);
	if (rc == STORE_OK)
		rc = link_prepare(&e->main, statements, STATEMENTS, why);
	if (rc == STORE_OK && e->loaded)
		rc = follow(e, news, why);
	return rc;
}

/* To connect takes a dozen round trips, and to go on another: both come about where the database is
 * far away, and what is next door and silent holds up nobody for long. */
static unsigned half_ms(const struct postgres *e)
{
	const uint64_t ms = 16 * e->trip_us / 1000;

	return ms < RUN_MS ? RUN_MS : ms > OPEN_MS ? OPEN_MS : (unsigned)ms;
}

bool postgres_reach(struct postgres *e, struct engine_news_list *news, struct why *why)
{
	enum store_rc rc;

	if (e->main.conn) {
		link_deadline(&e->main, RUN_MS);
		return true;
	}
	if (e->ended || uv_hrtime() < e->attempt_due) {
		*why = e->lost;
		return false;
	}
	e->slot_locked = e->locked = false;
	e->beat_due = 0;
	rc = link_open(&e->main, e->url, e->password, e->app, e->where, e->attempts, half_ms(e),
		       &e->lost);
	link_deadline(&e->main, half_ms(e));
	if (rc == STORE_OK)
		rc = resume(e, news, &e->lost);
	if (rc != STORE_OK) {
		link_close(&e->main);
		e->attempts++;
		e->attempt_due = after_ms(RECONNECT_MS);
		*why = e->lost;
		if (!e->ended)
			say_lost(e, news);
		return false;
	}
	if (e->observe)
		postgres_stored(e, news);
	postgres_note(e, news);
	link_deadline(&e->main, RUN_MS);
	return true;
}

void postgres_stored(struct postgres *e, struct engine_news_list *news)
{
	if (e->said_lost)
		e->said_lost = !engine_news_add(news, NEWS_BACK, NULL, 0, "");
}
