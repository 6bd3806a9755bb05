/* The engine: its birth, its end, and its table of functions. */
#include "coordinator/postgres/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void postgres_close(struct engine *engine)
{
	struct postgres *e = postgres_of(engine);
	struct engine_news *next;

	for (; e->late.first; e->late.first = next) {
		next = e->late.first->next;
		free(e->late.first->changes);
		free(e->late.first);
	}
	if (e->main.conn && !e->observe)
		leader_farewell(e);
	link_close(&e->main);
	secret_wipe(e->password, sizeof e->password);
	uv_mutex_destroy(&e->shown);
	uv_mutex_destroy(&e->mutex);
	free(e->url);
	free(e);
}

static const struct engine_ops postgres_ops = {
    .load = follow_load,
    .read_proof = follow_read_proof,
    .commit = commit_groups,
    .tidy = leader_tidy,
    .close = postgres_close,
    .turn = leader_turn,
    .turn_ms = TURN_MS,
    .instances = leader_instances,
    .say = leader_say,
    .share_input = inputs_share,
    .fetch_input = inputs_fetch,
};

static bool copy(char *out, size_t size, const char *value, const char *what, struct why *why)
{
	if ((size_t)snprintf(out, size, "%s", value ? value : "") < size)
		return true;
	why_set(why, "%s is longer than %zu characters", what, size - 1);
	return false;
}

static bool set_up(struct postgres *e, const struct postgres_options *o, struct why *why)
{
	e->observe = o->observe;
	e->token = postgres_random();
	e->writer = postgres_random();
	snprintf(e->app, sizeof e->app, APPLICATION "%.64s", o->instance ? o->instance : "");
	return copy(e->password, sizeof e->password, o->password, "the database's password", why) &&
	       copy(e->name, sizeof e->name, o->instance, "the coordinator's name", why) &&
	       copy(e->version, sizeof e->version, o->version, "the version", why) &&
	       copy(e->listen, sizeof e->listen, o->listen, "the listen address", why) &&
	       link_where(e->where, sizeof e->where, e->url, why);
}

/* A host that is silent takes its time; then the next one is the first. */
static enum store_rc connect_first(struct postgres *e, struct why *why)
{
	const bool several = strchr(e->url, ',') != NULL;
	enum store_rc rc;

	do {
		rc = link_open(&e->main, e->url, e->password, e->app, e->where, e->attempts,
			       several ? OPEN_MS / 2 : OPEN_MS, why);
	} while (rc == STORE_UNREACHABLE && several && e->attempts++ < 2);
	link_deadline(&e->main, OPEN_MS);
	return rc;
}

static enum store_rc read_identity(struct postgres *e, struct why *why)
{
	struct head head = {0};
	enum store_rc rc = head_ask(e, &head, why);

	if (rc == STORE_OK && !head.there) {
		why_set(why, HEAD_EMPTY, e->where);
		rc = STORE_CORRUPT;
	}
	if (rc == STORE_OK)
		e->engine.identity = head.identity;
	return rc;
}

static void note_steps(struct postgres *e, int from)
{
	const int to = schema_known.version;
	char text[STORE_INSTANCE_SIZE + 160];

	if (from < 0)
		return;
	if (from)
		snprintf(
		    text, sizeof text,
		    "%s brought the schema from version %d to %d, for programs that know %d or "
		    "later",
		    e->name, from, to, schema_known.steps[to - 1].compatible_from);
	else
		snprintf(text, sizeof text, "%s made the tables, of schema version %d", e->name,
			 to);
	engine_news_add(&e->late, NEWS_SCHEMA, NULL, 0, text);
}

enum store_rc postgres_open(struct engine **out, const struct postgres_options *o, struct why *why)
{
	struct postgres *e = calloc(1, sizeof *e);
	enum store_rc rc = STORE_FOREIGN;
	int from = -1;

	*out = NULL;
	why_set(why, "out of memory");
	if (!e)
		return STORE_NO_MEMORY;
	e->engine.ops = &postgres_ops;
	engine_news_list_init(&e->late);
	e->url = strdup(o->url);
	if (!e->url || uv_mutex_init(&e->mutex))
		goto err0;
	if (uv_mutex_init(&e->shown))
		goto err1;
	if (set_up(e, o, why))
		rc = connect_first(e, why);
	if (rc == STORE_OK)
		rc = schema_settle(&e->main, &from, &schema_known, !e->observe, why);
	link_deadline(&e->main, OPEN_MS);
	if (rc == STORE_OK)
		rc = tables_check(&e->main, e->observe, why);
	if (rc == STORE_OK)
		rc = link_prepare(&e->main, statements, STATEMENTS, why);
	if (rc == STORE_OK)
		rc = read_identity(e, why);
	if (rc == STORE_OK && !e->observe)
		rc = slot_take(e, why);
	if (rc == STORE_OK)
		rc = leader_look(e, why);
	if (rc != STORE_OK) {
		postgres_close(&e->engine);
		return rc;
	}
	why_set(why, "%s", "");
	note_steps(e, from);
	postgres_note(e, &e->late);
	*out = &e->engine;
	return STORE_OK;

err1:
	uv_mutex_destroy(&e->mutex);
err0:
	free(e->url);
	free(e);
	return STORE_NO_MEMORY;
}

enum store_rc postgres_facts(struct engine *engine, struct postgres_facts *out, struct why *why)
{
	struct postgres *e = postgres_of(engine);
	struct head head = {0};
	enum store_rc rc = STORE_UNREACHABLE;
	PGresult *r;

	memset(out, 0, sizeof *out);
	out->known = schema_known.version;
	uv_mutex_lock(&e->mutex);
	if (postgres_reach(e, &e->late, why))
		rc = schema_read(&e->main, &out->schema, &out->compatible_from, why);
	if (rc == STORE_OK)
		rc = head_ask(e, &head, why);
	if (rc == STORE_OK)
		snprintf(out->server, sizeof out->server, "%s",
			 PQparameterStatus(e->main.conn, "server_version"));
	r = rc == STORE_OK ? link_query(&e->main,
					"SELECT count(*)::integer FROM pg_locks WHERE locktype ="
					" 'advisory' AND classid = 1414809688 AND objid >= 100 AND"
					" database = (SELECT oid FROM pg_database WHERE datname ="
					" current_database())",
					"", NULL, &rc, why)
			   : NULL;
	if (r)
		out->running = (unsigned)cell_int(r, 0, 0);
	uv_mutex_unlock(&e->mutex);
	PQclear(r);
	out->revision = head.rev;
	out->fence = head.fence;
	return rc;
}
