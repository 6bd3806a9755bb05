/* A new connection: is it a session of PostgreSQL's own on a server that writes, and what it has to
 * keep to, whatever was set for the role, the database or the server. */
#include "coordinator/pq/link.h"

#include <stdio.h>
#include <string.h>

#define SERVER_MIN 140000 /* idle_session_timeout */

/* What the operator set for the durability of a COMMIT is never lowered; that it is not durable is
 * told by a warning. Rows are not to be hidden: that is an error. */
static const char settle_sql[] =
    "SELECT pg_backend_pid(), set_config('idle_session_timeout', '6000', false),"
    " set_config('idle_in_transaction_session_timeout', '3000', false),"
    " set_config('statement_timeout', '3000', false),"
    " set_config('lock_timeout', '700', false),"
    " CASE WHEN current_setting('transaction_timeout', true) IS NOT NULL"
    " THEN set_config('transaction_timeout', '0', false) END,"
    " set_config('default_transaction_isolation', 'read committed', false),"
    " set_config('synchronous_commit',"
    " CASE WHEN current_setting('synchronous_commit') IN ('off', 'local') THEN 'on'"
    " ELSE current_setting('synchronous_commit') END, false),"
    " set_config('client_min_messages', 'warning', false),"
    " set_config('row_security', 'off', false),"
    " set_config('jit', 'off', false),"
    " set_config('tcp_keepalives_idle', '2', false),"
    " set_config('tcp_keepalives_interval', '1', false),"
    " set_config('tcp_keepalives_count', '3', false),"
    " set_config('tcp_user_timeout', '5000', false)";

static const char look_sql[] =
    "SELECT pg_is_in_recovery(), current_setting('transaction_read_only') = 'on',"
    " current_setting('session_replication_role') <> 'origin', current_setting('fsync') = 'off',"
    " current_setting('full_page_writes') = 'off', current_setting('synchronous_standby_names')"
    " <> '' AND NOT EXISTS (SELECT 1 FROM pg_stat_replication)";

static const char *const notes[] = {
    "fsync is off there: a power cut loses what was acknowledged",
    "full_page_writes is off there: a power cut may damage the database, unless its file system "
    "writes whole pages",
    "synchronous_standby_names is set there, and no standby is connected: each COMMIT waits for "
    "one",
};

enum look {
	LOOK_REPLICA,
	LOOK_READ_ONLY,
	LOOK_NO_TRIGGERS,
	LOOK_NOTES, /* one column each */
};

static void take_notes(struct link *s, const PGresult *r)
{
	size_t i, n;

	for (i = 0; i < sizeof notes / sizeof *notes; i++) {
		n = strlen(s->note);
		if (*PQgetvalue(r, 0, (int)(LOOK_NOTES + i)) != 0)
			snprintf(s->note + n, sizeof s->note - n, "%s%s", n ? "; " : "", notes[i]);
	}
}

static enum store_rc judge(const struct link *s, const PGresult *r, struct why *why)
{
	const bool replica = *PQgetvalue(r, 0, LOOK_REPLICA) != 0;

	if (replica || *PQgetvalue(r, 0, LOOK_READ_ONLY) != 0) {
		why_set(why, "%s: %s is %s", s->where, PQhost(s->conn),
			replica ? "a read-only replica; give the primary, or "
				  "target_session_attrs=read-write"
				: "set read-only: see default_transaction_read_only of the server, "
				  "the database and the role");
		return STORE_UNREACHABLE;
	}
	if (*PQgetvalue(r, 0, LOOK_NO_TRIGGERS) != 0) {
		why_set(why,
			"%s: session_replication_role is not origin, so that the tables' rules do "
			"not hold: ALTER ROLE ... RESET session_replication_role",
			s->where);
		return STORE_FOREIGN;
	}
	return STORE_OK;
}

/* sql: the number of the session that answers is its first column. */
static enum store_rc ask_session(struct link *s, const char *sql, struct why *why)
{
	enum store_rc rc;
	PGresult *r = link_query(s, sql, "", NULL, &rc, why);

	if (r && cell_int(r, 0, 0) != PQbackendPID(s->conn)) {
		why_set(why,
			"%s: a pooler such as PgBouncer is in between, which may give this "
			"coordinator's session to others: give the address and port of PostgreSQL "
			"itself",
			s->where);
		rc = STORE_FOREIGN;
	}
	PQclear(r);
	return rc;
}

static enum store_rc look(struct link *s, struct why *why)
{
	enum store_rc rc;
	PGresult *r = link_query(s, look_sql, "", NULL, &rc, why);

	if (r) {
		rc = judge(s, r, why);
		take_notes(s, r);
	}
	PQclear(r);
	return rc;
}

enum store_rc link_settle(struct link *s, struct why *why)
{
	const int version = PQserverVersion(s->conn);
	enum store_rc rc;

	if (version < SERVER_MIN) {
		why_set(why, "%s: the server is version %d.%d, and 14 is the oldest that will do",
			s->where, version / 10000, version % 100);
		return STORE_FOREIGN;
	}
	if (PQsetnonblocking(s->conn, 1) || !PQenterPipelineMode(s->conn)) {
		why_set(why, "%s: the connection cannot be used without blocking", s->where);
		return STORE_UNREACHABLE;
	}
	/* Before anything is set: behind a pooler this session is others' too. And again as one
	 * that writes, which pgpool gives to another server than what only reads. */
	rc = ask_session(s, "SELECT pg_backend_pid()", why);
	if (rc == STORE_OK)
		rc = ask_session(s, settle_sql, why);
	return rc == STORE_OK ? look(s, why) : rc;
}
