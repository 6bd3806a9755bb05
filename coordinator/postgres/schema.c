/* The tables, and how an older schema becomes this one while others run. */
#include "coordinator/postgres/internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Unsigned 64-bit numbers are stored as the signed ones with the same bits. Names and sentences are
 * bytes: what a peer sent need not be text in the database's encoding. */
#define ROW ", rev bigint NOT NULL, writer bigint NOT NULL"

/* Of an instance's rows 64 are there from the start: a slot is taken by locking one of them. */
const struct schema_step schema_steps[] = {
    {"CREATE TABLE head (one boolean PRIMARY KEY DEFAULT true CHECK (one), rev bigint NOT NULL,"
     " mark bigint NOT NULL, fence bigint NOT NULL, trimmed bigint NOT NULL,"
     " identity bigint NOT NULL) WITH (fillfactor = 10);\n"
     "INSERT INTO head SELECT true, 0, 0, 0, 0,"
     " ('x' || substr(md5(random()::text || clock_timestamp()::text), 1, 16))::bit(64)::bigint;\n"
     "CREATE TABLE mark (rev bigint PRIMARY KEY, mark bigint NOT NULL,"
     " at timestamptz NOT NULL DEFAULT clock_timestamp());\n"
     "INSERT INTO mark (rev, mark) VALUES (0, 0);\n"
     "CREATE TABLE fact (key bytea PRIMARY KEY, value bytea NOT NULL" ROW ");\n"
     "CREATE INDEX fact_rev ON fact (rev);\n"
     "CREATE TABLE input (batch bigint, commit_hash bytea, sha256 bytea, size bigint NOT NULL,"
     " created_ms bigint NOT NULL, replaced_ms bigint NOT NULL" ROW
     ", PRIMARY KEY (batch, commit_hash, sha256));\n"
     "CREATE INDEX input_rev ON input (rev);\n"
     "CREATE INDEX input_sha256 ON input (sha256);\n"
     "CREATE TABLE proof (id bigint PRIMARY KEY, batch bigint NOT NULL,"
     " prover_type integer NOT NULL, source bytea NOT NULL, received_ms bigint NOT NULL,"
     " state integer NOT NULL, signer bytea, reason bytea NOT NULL, judged_ms bigint NOT NULL,"
     " public_values bytea NOT NULL, bytes bytea NOT NULL" ROW ");\n"
     "CREATE INDEX proof_rev ON proof (rev);\n"
     "CREATE INDEX proof_batch ON proof (batch);\n"
     "CREATE TABLE lease (batch bigint, prover_type integer, source bytea NOT NULL,"
     " expires_ms bigint NOT NULL" ROW ", PRIMARY KEY (batch, prover_type));\n"
     "CREATE INDEX lease_rev ON lease (rev);\n"
     "CREATE TABLE prover (signer bytea PRIMARY KEY, payload bytea NOT NULL,"
     " payload_kind integer NOT NULL, source bytea NOT NULL, first_seen_ms bigint NOT NULL,"
     " last_seen_ms bigint NOT NULL, last_proof_ms bigint NOT NULL,"
     " proofs_good bigint NOT NULL, state integer NOT NULL, reason bytea NOT NULL" ROW ");\n"
     "CREATE INDEX prover_rev ON prover (rev);\n"
     "CREATE TABLE intent (id bigint PRIMARY KEY, data bytea NOT NULL,"
     " fence bigint NOT NULL" ROW ");\n"
     "CREATE INDEX intent_rev ON intent (rev);\n"
     "CREATE TABLE gone (kind text NOT NULL, number bigint, type integer, name bytea,"
     " sha256 bytea" ROW ");\n"
     "CREATE INDEX gone_rev ON gone (rev);\n"
     "CREATE TABLE input_file (sha256 bytea PRIMARY KEY, size bigint NOT NULL,"
     " shared timestamptz NOT NULL DEFAULT clock_timestamp());\n"
     "CREATE TABLE input_chunk (sha256 bytea REFERENCES input_file ON DELETE CASCADE,"
     " n integer, bytes bytea NOT NULL, PRIMARY KEY (sha256, n));\n"
     "ALTER TABLE input_chunk ALTER COLUMN bytes SET STORAGE EXTERNAL;\n"
     "CREATE TABLE instance (slot integer PRIMARY KEY, name text NOT NULL DEFAULT '',"
     " token bigint NOT NULL DEFAULT 0, version text NOT NULL DEFAULT '',"
     " schema integer NOT NULL DEFAULT 0, listen text NOT NULL DEFAULT '',"
     " started timestamptz NOT NULL DEFAULT '-infinity',"
     " seen timestamptz NOT NULL DEFAULT '-infinity', rev bigint NOT NULL DEFAULT 0,"
     " skew_ms bigint NOT NULL DEFAULT 0, fence bigint NOT NULL DEFAULT 0,"
     " status text NOT NULL DEFAULT '') WITH (fillfactor = 50);\n"
     "CREATE UNIQUE INDEX instance_name ON instance (name) WHERE name <> '';\n"
     "INSERT INTO instance (slot) SELECT generate_series(0, 63);\n",
     1},
};

#define STEP_MAX 8192

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
		why_set(why, "%s: the table schema_version there is another program's", s->where);
		rc = STORE_FOREIGN;
	}
	PQclear(r);
	return rc;
}

/* Those that run and would not understand the tables any more. */
static enum store_rc check_others(struct link *s, int compatible_from, struct why *why)
{
	struct params p = {0};
	char name[STORE_INSTANCE_SIZE] = "";
	enum store_rc rc;
	PGresult *r;
	int found = 0;

	param_int(&p, compatible_from);
	r = link_query(s,
		       "SELECT name, schema FROM instance WHERE name <> '' AND schema < $1"
		       " AND seen > clock_timestamp() - interval '30 seconds' LIMIT 1",
		       "i", &p, &rc, why);
	if (!r)
		return rc;
	if (PQntuples(r)) {
		cell_text(name, sizeof name, r, 0, 0);
		found = cell_int(r, 0, 1);
	}
	PQclear(r);
	if (!found)
		return STORE_OK;
	why_set(why,
		"%s: the coordinator %s runs with schema %d, and could not go on with the new one: "
		"stop those that are older than %d first",
		s->where, name, found, compatible_from);
	return STORE_FOREIGN;
}

static enum store_rc run_steps(struct link *s, const struct schema_step *steps, int from, int n,
			       struct why *why)
{
	struct params p = {0};
	enum store_rc rc = STORE_OK;
	int i;

	if (!from)
		rc = link_run(s,
			      "CREATE TABLE schema_version (version integer PRIMARY KEY,"
			      " compatible_from integer NOT NULL, program text NOT NULL,"
			      " made timestamptz NOT NULL DEFAULT clock_timestamp())",
			      why);
	else
		rc = check_others(s, steps[n - 1].compatible_from, why);
	for (i = from; rc == STORE_OK && i < n; i++)
		rc = run_step(s, steps[i].sql, why);
	if (rc != STORE_OK)
		return rc;
	param_int(&p, n);
	param_int(&p, steps[n - 1].compatible_from);
	PQclear(link_query(s,
			   "INSERT INTO schema_version (version, compatible_from, program)"
			   " VALUES ($1, $2, 'proof-coordinator')",
			   "ii", &p, &rc, why));
	return rc;
}

static enum store_rc judge(const struct link *s, int version, int compatible_from, int known,
			   bool make, struct why *why)
{
	if (!version && !make) {
		why_set(why, "%s: there is no coordinator's state in it", s->where);
		return STORE_FOREIGN;
	}
	if (version <= known || compatible_from <= known)
		return STORE_OK;
	why_set(why,
		"%s: its schema has version %d, for programs that know %d or later; this one knows "
		"%d: use the newer one",
		s->where, version, compatible_from, known);
	return STORE_FOREIGN;
}

enum store_rc schema_settle(struct link *s, const struct schema_step *steps, int n, bool make,
			    struct why *why)
{
	int version, compatible_from;
	enum store_rc rc = schema_read(s, &version, &compatible_from, why);

	if (rc == STORE_OK)
		rc = judge(s, version, compatible_from, n, make, why);
	if (rc != STORE_OK || version >= n || !make)
		return rc;
	rc = link_run(s, "BEGIN", why);
	if (rc == STORE_OK)
		rc = link_run(s, "SELECT set_config('lock_timeout', '0', true)", why);
	if (rc == STORE_OK)
		rc = link_run(s, "SELECT pg_advisory_xact_lock(1414809688, 1)", why);
	/* Another may have been faster. */
	if (rc == STORE_OK)
		rc = schema_read(s, &version, &compatible_from, why);
	if (rc == STORE_OK)
		rc = judge(s, version, compatible_from, n, make, why);
	if (rc == STORE_OK && version < n)
		rc = run_steps(s, steps, version, n, why);
	if (rc == STORE_OK)
		return link_run(s, "COMMIT", why);
	if (s->conn)
		link_run(s, "ROLLBACK", NULL);
	return rc;
}
