/* Are the tables whole, each one of ours, and may this user use them? */
#include "coordinator/postgres/internal.h"

#include <stdio.h>
#include <string.h>

enum flaw {
	FLAW_MISSING,
	FLAW_SHADOWED, /* search_path finds another program's first */
	FLAW_SUBSCRIBED,
	FLAW_TEMPORARY,
	FLAW_UNLOGGED,
	FLAW_KEYLESS,
	FLAW_HIDDEN,
	FLAW_RIGHTS,
	FLAW_READ,
	FLAWS,
};

/* Of the first table that has one: its name, schema and owner, this user, and the flaws. What
 * search_path finds is what all statements use. */
static const char flaws_sql[] =
    "SELECT t, n.nspname::text, pg_get_userbyid(c.relowner)::text, current_user::text,"
    " c.oid IS NULL, c.relnamespace <> v.relnamespace,"
    " EXISTS (SELECT 1 FROM pg_subscription_rel WHERE srrelid = c.oid), c.relpersistence = 't',"
    " c.relpersistence <> 'p',"
    " t <> 'gone' AND NOT EXISTS (SELECT 1 FROM pg_index WHERE indrelid = c.oid AND indisprimary),"
    " row_security_active(c.oid),"
    " NOT (has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')"
    " AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE')),"
    " NOT has_table_privilege(c.oid, 'SELECT')"
    " FROM unnest(ARRAY['head', 'mark', 'fact', 'input', 'proof', 'lease', 'prover', 'intent',"
    " 'gone', 'input_file', 'input_chunk', 'instance']) t JOIN pg_class v"
    " ON v.relname = 'schema_version' AND pg_table_is_visible(v.oid)"
    " LEFT JOIN pg_class c ON c.relname = t AND pg_table_is_visible(c.oid)"
    " LEFT JOIN pg_namespace n ON n.oid = c.relnamespace";

#define FLAW_COLUMN 4

static bool has_flaw(const PGresult *r, int row, enum flaw flaw)
{
	const int column = FLAW_COLUMN + (int)flaw;

	return !PQgetisnull(r, row, column) && *PQgetvalue(r, row, column) != 0;
}

static enum store_rc say_flaw(const struct link *s, const PGresult *r, int row, enum flaw flaw,
			      struct why *why)
{
	char table[64], schema[64], owner[64], user[64];

	cell_text(table, sizeof table, r, row, 0);
	cell_text(schema, sizeof schema, r, row, 1);
	cell_text(owner, sizeof owner, r, row, 2);
	cell_text(user, sizeof user, r, row, 3);
	switch (flaw) {
	case FLAW_MISSING:
		why_set(why,
			"%s: the table %s is missing: go back to a backup, or begin with an empty "
			"database",
			s->where, table);
		return STORE_CORRUPT;
	case FLAW_SHADOWED:
		why_set(why,
			"%s: the table %s that the search_path of %s finds first is another "
			"program's, in the schema %s: ALTER ROLE %s SET search_path",
			s->where, table, user, schema, user);
		break;
	case FLAW_SUBSCRIBED:
		why_set(why,
			"%s: it is a logical replica (the table %s has a subscription): give the "
			"database that it follows, or DROP SUBSCRIPTION once nobody writes there",
			s->where, table);
		break;
	case FLAW_TEMPORARY:
		why_set(why,
			"%s: the search_path of %s begins with pg_temp, so that tables would end "
			"with this session: ALTER ROLE %s SET search_path = public",
			s->where, user, user);
		break;
	case FLAW_UNLOGGED:
		why_set(why,
			"%s: the table %s is not durable: ALTER TABLE %s SET LOGGED, each that is "
			"so",
			s->where, table, table);
		break;
	case FLAW_KEYLESS:
		why_set(why, "%s: the table %s has no primary key: was a backup restored in part?",
			s->where, table);
		return STORE_CORRUPT;
	case FLAW_HIDDEN:
		why_set(why,
			"%s: rows of the table %s are hidden from %s: ALTER TABLE %s DISABLE ROW "
			"LEVEL SECURITY",
			s->where, table, user, table);
		break;
	case FLAW_RIGHTS:
	case FLAW_READ:
		why_set(why,
			"%s: %s lacks rights on the table %s, which is %s's: GRANT %s ON ALL "
			"TABLES IN SCHEMA %s TO %s, or make it the owner",
			s->where, user, table, owner,
			flaw == FLAW_READ ? "SELECT" : "SELECT, INSERT, UPDATE, DELETE", schema,
			user);
		break;
	case FLAWS: break;
	}
	return STORE_FOREIGN;
}

enum store_rc tables_check(struct link *s, bool observe, struct why *why)
{
	const enum flaw unwanted = observe ? FLAW_RIGHTS : FLAW_READ;
	enum store_rc rc;
	PGresult *r;
	int row, flaw;

	r = link_query(s, flaws_sql, "", NULL, &rc, why);
	for (row = 0; r && rc == STORE_OK && row < PQntuples(r); row++)
		for (flaw = 0; rc == STORE_OK && flaw < FLAWS; flaw++)
			if (flaw != (int)unwanted && has_flaw(r, row, (enum flaw)flaw))
				rc = say_flaw(s, r, row, (enum flaw)flaw, why);
	PQclear(r);
	return rc;
}

enum store_rc tables_elsewhere(struct link *s, struct why *why)
{
	char schema[64], user[64], path[160];
	enum store_rc rc;
	PGresult *r;

	r = link_query(s,
		       "SELECT n.nspname::text, current_user::text,"
		       " current_setting('search_path'), has_schema_privilege(n.oid, 'USAGE')"
		       " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
		       " WHERE c.relname = 'input_chunk' AND NOT pg_table_is_visible(c.oid)"
		       " AND EXISTS (SELECT 1 FROM pg_class v WHERE v.relnamespace = n.oid"
		       " AND v.relname = 'schema_version') LIMIT 1",
		       "", NULL, &rc, why);
	if (!r || !PQntuples(r)) {
		PQclear(r);
		return rc;
	}
	cell_text(schema, sizeof schema, r, 0, 0);
	cell_text(user, sizeof user, r, 0, 1);
	cell_text(path, sizeof path, r, 0, 2);
	if (*PQgetvalue(r, 0, 3) == 0)
		why_set(why,
			"%s: the coordinators' tables are in the schema %s, which %s may not use: "
			"GRANT USAGE ON SCHEMA %s TO %s",
			s->where, schema, user, schema, user);
	else
		why_set(why,
			"%s: the coordinators' tables are in the schema %s, and the search_path of "
			"%s is %s: ALTER ROLE %s SET search_path = %s",
			s->where, schema, user, path, user, schema);
	PQclear(r);
	return STORE_FOREIGN;
}
