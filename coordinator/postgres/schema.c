/* How an older schema becomes this one while others run. */
#include "coordinator/postgres/internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define STEP_MAX     8192
#define OTHER_MS     30000 /* for another that makes the steps */
#define STEPS_MS     40000 /* all that are missing */
#define LOCK_MS      500   /* for a table: who comes behind waits 700 ms, and is served after it */
#define LAST_LOCK_MS 1500  /* a server's autovacuum gives way after 1 s */
#define TRY_MS       3000
#define REST_MS      300

/* The statements of a step one by one: a pipeline takes no list of them. */
static enum store_rc run_step(struct link *s, const char *sql, struct why *why)
{
	enum store_rc rc = STORE_OK;
	char one[STEP_MAX];
	const char *end;

	for (; rc == STORE_OK && (end = strstr(sql, ";\n")); sql = end + 2) {
		snprintf(one, sizeof one, "%.*s", (int)(end - sql), sql);
		rc = link_run(s, one, why);
	}
	return rc;
}

/* *version: 0 where there is no schema yet. */
enum store_rc schema_read(struct link *s, int *version, int *compatible_from, struct why *why)
{
	enum store_rc rc;
	PGresult *r;
	bool there;

	*version = *compatible_from = 0;
	/* to_regclass() may answer from before another's COMMIT. */
	r = link_query(s,
		       "SELECT EXISTS (SELECT 1 FROM pg_class WHERE relname = 'schema_version'"
		       " AND pg_table_is_visible(oid))",
		       "", NULL, &rc, why);
	if (!r)
		return rc;
	there = *PQgetvalue(r, 0, 0) != 0;
	PQclear(r);
	if (!there)
		return STORE_OK;
	r = link_query(s,
		       "SELECT version, compatible_from FROM schema_version"
		       " WHERE program = 'proof-coordinator' ORDER BY version DESC LIMIT 1",
		       "", NULL, &rc, why);
	if (r && PQntuples(r) == 1) {
		*version = cell_int(r, 0, 0);
		*compatible_from = cell_int(r, 0, 1);
	} else if (r || rc == STORE_CORRUPT) {
		why_set(why,
			"%s: the table schema_version there is another program's, or was emptied",
			s->where);
		rc = STORE_FOREIGN;
	}
	PQclear(r);
	return rc;
}

/* ---- who may go on ---- */

static enum store_rc judge(const struct link *s, int version, int compatible_from, int known,
			   bool make, struct why *why)
{
	if (!version && !make)
		why_set(why, "%s: there is no coordinator's state in it", s->where);
	else if (version < known && !make)
		why_set(why,
			"%s: its schema has version %d, older than this program's %d: the first "
			"coordinator of this version that starts brings it up to date",
			s->where, version, known);
	else if (version > known && compatible_from > known)
		why_set(why,
			"%s: its schema has version %d, for programs that know %d or later; this "
			"one knows %d: use the newer one",
			s->where, version, compatible_from, known);
	else
		return STORE_OK;
	return STORE_FOREIGN;
}

/* Those that run and would not understand the tables any more: who is connected has the lock on its
 * slot, but for a moment after its connection was lost. */
static enum store_rc check_others(struct link *s, int compatible_from, struct why *why)
{
	struct params p = {0};
	char names[256] = "";
	enum store_rc rc;
	PGresult *r;

	param_int(&p, compatible_from);
	r = link_query(s,
		       "SELECT left(string_agg(name || ' (version ' || version || ', schema ' ||"
		       " schema || ')', ', ' ORDER BY slot), 250) FROM instance WHERE name <> ''"
		       " AND schema < $1 AND (seen > clock_timestamp() - interval '3 seconds' OR"
		       " EXISTS (SELECT 1 FROM pg_locks l WHERE l.locktype = 'advisory'"
		       " AND l.classid = 1414809688 AND l.objid::bigint = 100 + slot AND l.granted"
		       " AND l.database = (SELECT oid FROM pg_database"
		       " WHERE datname = current_database())))",
		       "i", &p, &rc, why);
	if (!r)
		return rc;
	cell_text(names, sizeof names, r, 0, 0);
	PQclear(r);
	if (!names[0])
		return STORE_OK;
	why_set(why, "%s: these could not go on with the new schema: %s; stop them first", s->where,
		names);
	return STORE_FOREIGN;
}

/* ---- one transaction ---- */

static enum store_rc begin(struct link *s, struct why *why)
{
	link_deadline(s, OPEN_MS);
	/* A statement is over when its coordinator was killed, where the server can see that. */
	link_run(s, "SELECT set_config('client_connection_check_interval', '1000', false)", NULL);
	return link_run(s, "BEGIN", why);
}

static enum store_rc end(struct link *s, enum store_rc rc, struct why *why)
{
	if (rc == STORE_OK)
		return link_run(s, "COMMIT", why);
	if (s->conn)
		link_run(s, "ROLLBACK", NULL);
	return rc;
}

static enum store_rc limit(struct link *s, unsigned lock_ms, struct why *why)
{
	char sql[160];

	snprintf(sql, sizeof sql,
		 "SELECT set_config('lock_timeout', '%u', true),"
		 " set_config('statement_timeout', '%u', true)",
		 lock_ms, STEPS_MS);
	link_deadline(s, STEPS_MS + REST_MS);
	return link_run(s, sql, why);
}

static bool was_held(const struct link *s)
{
	return strcmp(s->state, "55P03") == 0 || strcmp(s->state, "40P01") == 0;
}

/* To the transaction's end nobody makes a step, or (alone) nobody begins to store. */
static enum store_rc lock_schema(struct link *s, bool alone, struct why *why)
{
	const enum store_rc rc =
	    link_run(s,
		     alone ? "SELECT pg_advisory_xact_lock(1414809688, 1)"
			   : "SELECT pg_advisory_xact_lock_shared(1414809688, 1)",
		     why);

	if (rc != STORE_OK && s->conn && was_held(s))
		why_set(why, "%s: another coordinator is bringing the schema up to date", s->where);
	return rc;
}

static enum store_rc look(struct link *s, int *version, int known, bool make, struct why *why)
{
	int compatible_from;
	enum store_rc rc = schema_read(s, version, &compatible_from, why);

	if (rc == STORE_OK && !*version)
		rc = tables_elsewhere(s, why);
	return rc == STORE_OK ? judge(s, *version, compatible_from, known, make, why) : rc;
}

enum store_rc schema_hold(struct link *s, const struct schema *known, struct why *why)
{
	enum store_rc rc = lock_schema(s, false, why);
	int version;

	return rc == STORE_OK ? look(s, &version, known->version, false, why) : rc;
}

/* Waits for one that makes steps. */
static enum store_rc look_first(struct link *s, int *version, const struct schema *known, bool make,
				struct why *why)
{
	enum store_rc rc = begin(s, why);

	if (rc == STORE_OK)
		rc = limit(s, OTHER_MS, why);
	if (rc == STORE_OK)
		rc = lock_schema(s, false, why);
	if (rc == STORE_OK)
		rc = look(s, version, known->version, make, why);
	return end(s, rc, why);
}

/* ---- the steps ---- */

static enum store_rc run_steps(struct link *s, const struct schema *known, int from,
			       struct why *why)
{
	const int compatible_from = known->steps[known->version - 1].compatible_from;
	struct params p = {0};
	enum store_rc rc;
	int i;

	if (from) {
		/* No transaction of the others' is under way, nor begins. */
		rc = link_run(s, "SELECT 1 FROM head FOR UPDATE", why);
		if (rc == STORE_OK)
			rc = check_others(s, compatible_from, why);
	} else {
		rc = link_run(s,
			      "CREATE TABLE schema_version (version integer PRIMARY KEY,"
			      " compatible_from integer NOT NULL, program text NOT NULL,"
			      " made timestamptz NOT NULL DEFAULT clock_timestamp())",
			      why);
	}
	for (i = from; rc == STORE_OK && i < known->version; i++)
		rc = run_step(s, known->steps[i].sql, why);
	if (rc != STORE_OK)
		return rc;
	param_int(&p, known->version);
	param_int(&p, compatible_from);
	PQclear(link_query(s,
			   "INSERT INTO schema_version (version, compatible_from, program)"
			   " VALUES ($1, $2, 'proof-coordinator')",
			   "ii", &p, &rc, why));
	return rc;
}

/* All that are missing. *held: a lock was not to be had within lock_ms. */
static enum store_rc make_steps(struct link *s, int *from, const struct schema *known,
				unsigned lock_ms, bool *held, struct why *why)
{
	enum store_rc rc = begin(s, why);
	int version = known->version;

	*held = false;
	if (rc == STORE_OK)
		rc = limit(s, OTHER_MS, why);
	if (rc == STORE_OK)
		rc = lock_schema(s, true, why);
	/* Another may have been faster. */
	if (rc == STORE_OK)
		rc = look(s, &version, known->version, true, why);
	if (rc == STORE_OK && version < known->version) {
		rc = limit(s, lock_ms, why);
		if (rc == STORE_OK)
			rc = run_steps(s, known, version, why);
		*held = rc != STORE_OK && s->conn && was_held(s);
	}
	rc = end(s, rc, why);
	if (rc == STORE_OK && version < known->version)
		*from = version;
	return rc;
}

/* Of other users' sessions the server tells the name, not since when. */
static void name_holder(struct link *s, struct why *why)
{
	char table[64], who[80], user[64];
	enum store_rc rc;
	PGresult *r;

	r = link_query(
	    s,
	    "SELECT c.relname::text, coalesce(nullif(a.application_name, ''),"
	    " a.backend_type, '-'), coalesce(a.usename::text, '-'), a.pid FROM pg_locks l JOIN "
	    "pg_stat_activity a USING (pid)"
	    " JOIN pg_class c ON c.oid = l.relation WHERE l.granted AND l.database ="
	    " (SELECT oid FROM pg_database WHERE datname = current_database())"
	    " AND c.relkind = 'r' AND c.relnamespace = (SELECT relnamespace FROM pg_class"
	    " WHERE oid = 'head'::regclass) AND a.pid <> pg_backend_pid()"
	    " AND (a.xact_start IS NULL OR"
	    " a.xact_start < clock_timestamp() - interval '1 second')"
	    " ORDER BY a.xact_start NULLS LAST LIMIT 1",
	    "", NULL, &rc, NULL);
	if (r && PQntuples(r)) {
		cell_text(table, sizeof table, r, 0, 0);
		cell_text(who, sizeof who, r, 0, 1);
		cell_text(user, sizeof user, r, 0, 2);
		why_set(why,
			"%s: the table %s is held by another session, process %d of the server's "
			"(%s, user %s): let it end",
			s->where, table, cell_int(r, 0, 3), who, user);
	}
	PQclear(r);
}

static enum store_rc make_in_time(struct link *s, int *from, const struct schema *known,
				  struct why *why)
{
	const uint64_t until = after_ms(TRY_MS);
	enum store_rc rc;
	bool held;

	for (;;) {
		rc = make_steps(s, from, known, LOCK_MS, &held, why);
		if (!held || uv_hrtime() >= until)
			break;
		uv_sleep(REST_MS);
	}
	if (held)
		rc = make_steps(s, from, known, LAST_LOCK_MS, &held, why);
	if (held)
		name_holder(s, why);
	return rc;
}

enum store_rc schema_settle(struct link *s, int *from, const struct schema *known, bool make,
			    struct why *why)
{
	int version = 0;
	enum store_rc rc = look_first(s, &version, known, make, why);

	*from = -1;
	if (rc != STORE_OK || version >= known->version || !make)
		return rc;
	rc = make_in_time(s, from, known, why);
	if (rc != STORE_OK)
		why_wrap(why, version ? "the schema stays at version %d" : "there is no schema yet",
			 version);
	return rc;
}
