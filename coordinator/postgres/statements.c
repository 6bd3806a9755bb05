/* Every statement that is prepared. */
#include "coordinator/postgres/internal.h"

/* $1 is the writer, $2 the revision on which the change was decided. What another changed since is
 * not to be changed unknowingly. */
#define REV          "(SELECT rev FROM head)"
#define UNKNOWN      "(rev > $2 AND writer <> $1)"
#define STAMP        "rev = " REV ", writer = $1"
#define STAMPED      "rev = excluded.rev, writer = excluded.writer"
#define NOT_GONE(is) "NOT EXISTS (SELECT 1 FROM gone WHERE " UNKNOWN " AND " is ")"
/* A row is deleted unless another changed it, and it is told. */
#define DELETE(table, key, columns, values)                                                        \
	"WITH d AS (DELETE FROM " table " WHERE " key " AND NOT " UNKNOWN " RETURNING 1),"         \
	" g AS (INSERT INTO gone (kind, rev, writer, " columns ") SELECT '" table "', " REV        \
	", $1, " values " FROM d)"                                                                 \
	" SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM " table " WHERE " key " AND " UNKNOWN ")"
/* The same where it does not matter who changed it. */
#define DELETE_ANY(table, key, columns, values)                                                    \
	"WITH d AS (DELETE FROM " table " WHERE " key " RETURNING 1)"                              \
	" INSERT INTO gone (kind, rev, writer, " columns ") SELECT '" table "', " REV ", $1, "     \
	" " values " FROM d"
/* From 0 on: a number beyond 63 bits, which is stored as a negative one, is beyond them all. */
#define DELETE_THROUGH(table)                                                                      \
	"WITH d AS (DELETE FROM " table " WHERE batch BETWEEN 0 AND $3 RETURNING 1)"               \
	" INSERT INTO gone (kind, rev, writer, number) SELECT '" table "s', " REV ", $1, $3"       \
	" WHERE EXISTS (SELECT 1 FROM d)"

#define STRING(x)  STRING_(x)
#define STRING_(x) #x
#define LIMITED(column)                                                                            \
	"CASE WHEN length(" column ") <= " STRING(STORE_VISIT_BLOB_MAX) " THEN " column            \
									" END, length(" column ")"
#define PROOF_COLUMNS                                                                              \
	"rev, id, batch, prover_type, source, received_ms, state, signer, reason, judged_ms"
#define SINCE "WHERE rev > $1 ORDER BY rev LIMIT $2"
#define NOW   "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"

#define LEADER_LOCK "1414809688, 2"

const struct link_statement statements[STATEMENTS] = {
    [CHANGE_FACT_PUT] = {"INSERT INTO fact AS f (key, value, rev, writer)"
			 " SELECT $3, $4, " REV ", $1 WHERE " //
			 NOT_GONE("kind = 'fact' AND name = $3") " ON CONFLICT (key) DO UPDATE SET"
								 " value = excluded.value, " STAMPED
								 " WHERE f.rev <= $2 OR f.writer ="
								 " $1",
			 "llbb"},
    [CHANGE_FACT_DEL] = {DELETE("fact", "key = $3", "name", "$3"), "llb"},
    [CHANGE_INPUT_PUT] =
	{"INSERT INTO input AS i (batch, commit_hash, sha256, size, created_ms, replaced_ms, rev,"
	 " writer) SELECT $3, $4, $5, $6, $7, 0, " REV ", $1 WHERE NOT EXISTS (SELECT 1 FROM input"
	 " WHERE batch = $3 AND commit_hash = $4 AND replaced_ms = 0 AND sha256 <> $5)"
	 " ON CONFLICT (batch, commit_hash, sha256) DO UPDATE SET replaced_ms = 0, " STAMPED
	 " WHERE i.size = excluded.size",
	 "lllbbll"},
    [CHANGE_INPUT_REPLACED] = {"UPDATE input SET replaced_ms = $6, " STAMP
			       " WHERE batch = $3 AND commit_hash = $4 AND sha256 = $5",
			       "lllbbl"},
    [CHANGE_INPUT_DEL] = {DELETE_ANY("input", "batch = $3 AND commit_hash = $4 AND sha256 = $5",
				     "number, name, sha256", "$3, $4, $5"),
			  "lllbb"},
    [CHANGE_PROOF_PUT] = {"INSERT INTO proof (id, batch, prover_type, bytes, public_values, source,"
			  " received_ms, state, signer, reason, judged_ms, rev, writer)"
			  " VALUES ($3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, " REV ", $1)"
			  " ON CONFLICT (id) DO NOTHING",
			  "llllibbblibbl"},
    [CHANGE_PROOF_STATE] = {"UPDATE proof SET state = $4, signer = $5, reason = $6,"
			    " judged_ms = $7, " STAMP " WHERE id = $3",
			    "lllibbl"},
    [CHANGE_PROOF_RANGE] = {"UPDATE proof SET state = $6, signer = NULL, reason = $7,"
			    " judged_ms = 0, " STAMP " WHERE batch BETWEEN $3 AND $4"
			    " AND ((1 << state) & $5) <> 0",
			    "lllliib"},
    [CHANGE_PROOF_DEL] = {DELETE_ANY("proof", "id = $3", "number", "$3"), "lll"},
    [CHANGE_LEASE_PUT] = {"INSERT INTO lease AS l (batch, prover_type, source, expires_ms, rev,"
			  " writer) SELECT $3, $4, $5, $6, " REV ", $1 WHERE " //
			  NOT_GONE("(kind = 'lease' AND number = $3 AND type = $4"
				   " OR kind = 'leases' AND $3 BETWEEN 0 AND number)") //
			  " ON CONFLICT (batch, prover_type) DO UPDATE SET"
			  " source = excluded.source, expires_ms = excluded.expires_ms, " STAMPED
			  " WHERE l.rev <= $2 OR l.writer = $1",
			  "lllibl"},
    [CHANGE_LEASE_DEL] = {DELETE("lease", "batch = $3 AND prover_type = $4", "number, type",
				 "$3, $4"),
			  "llli"},
    [CHANGE_PROVER_PUT] =
	{"INSERT INTO prover AS p (signer, payload, payload_kind, source, first_seen_ms,"
	 " last_seen_ms, last_proof_ms, proofs_good, state, reason, rev, writer)"
	 " SELECT $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, " REV ", $1 WHERE " //
	 NOT_GONE("kind = 'prover' AND name = $3")                               //
	 " ON CONFLICT (signer) DO UPDATE SET payload = excluded.payload,"
	 " payload_kind = excluded.payload_kind, source = excluded.source,"
	 " first_seen_ms = excluded.first_seen_ms, last_seen_ms = excluded.last_seen_ms,"
	 " last_proof_ms = excluded.last_proof_ms, proofs_good = excluded.proofs_good,"
	 " state = excluded.state, reason = excluded.reason, " STAMPED
	 " WHERE p.rev <= $2 OR p.writer = $1",
	 "llbbibllllib"},
    [CHANGE_PROVER_DEL] = {DELETE("prover", "signer = $3", "name", "$3"), "llb"},
    [CHANGE_INTENT_PUT] = {"INSERT INTO intent (id, data, fence, rev, writer)"
			   " SELECT $3, $4, fence, rev, $1 FROM head ON CONFLICT (id) DO UPDATE"
			   " SET data = excluded.data, fence = excluded.fence, " STAMPED,
			   "lllb"},
    [CHANGE_INTENT_DEL] = {DELETE_ANY("intent", "id = $3", "number", "$3"), "lll"},
    [CHANGE_INPUT_DEL_THROUGH] = {DELETE_THROUGH("input"), "lll"},
    [CHANGE_PROOF_DEL_THROUGH] = {DELETE_THROUGH("proof"), "lll"},
    [CHANGE_LEASE_DEL_THROUGH] = {DELETE_THROUGH("lease"), "lll"},

    /* Of the newest revision head has the mark too, wherever the other went. */
    [S_HEAD] = {"SELECT rev, mark, fence, trimmed, identity, coalesce((SELECT m.mark FROM mark m"
		" WHERE m.rev = $1), CASE WHEN rev = $1 THEN mark END) FROM head",
		"l"},
    [S_HEAD_LOCK] = {"SELECT 1 FROM head FOR UPDATE", ""},
    [S_HEAD_NEXT] = {"WITH h AS (UPDATE head SET rev = rev + 1, mark = $1 RETURNING rev, mark)"
		     " INSERT INTO mark (rev, mark) SELECT rev, mark FROM h RETURNING rev",
		     "l"},
    [S_FENCE_NEXT] = {"WITH h AS (UPDATE head SET rev = rev + 1, mark = $1, fence = fence + 1"
		      " RETURNING rev, mark, fence), m AS (INSERT INTO mark (rev, mark)"
		      " SELECT rev, mark FROM h) SELECT rev, mark, fence FROM h",
		      "l"},
    [S_SINCE_FACT] = {"SELECT rev, key, value FROM fact " SINCE, "li"},
    [S_SINCE_INPUT] = {"SELECT rev, batch, commit_hash, sha256, size, created_ms, replaced_ms"
		       " FROM input " SINCE,
		       "li"},
    [S_SINCE_PROOF] = {"SELECT " PROOF_COLUMNS
		       ", " LIMITED("bytes") ", " LIMITED("public_values") //
		       " FROM proof " SINCE,
		       "li"},
    [S_SINCE_LEASE] = {"SELECT rev, batch, prover_type, source, expires_ms FROM lease " SINCE,
		       "li"},
    [S_SINCE_PROVER] =
	{"SELECT rev, signer, payload, payload_kind, source, first_seen_ms,"
	 " last_seen_ms, last_proof_ms, proofs_good, state, reason FROM prover " SINCE,
	 "li"},
    [S_SINCE_INTENT] = {"SELECT rev, id, data FROM intent " SINCE, "li"},
    [S_SINCE_GONE] = {"SELECT rev, kind, number, type, name, sha256 FROM gone " SINCE, "li"},
    [S_PROOF] = {"SELECT " PROOF_COLUMNS ", bytes, length(bytes), public_values,"
		 " length(public_values) FROM proof WHERE id = $1",
		 "l"},
    [S_LEAD] = {"SELECT pg_try_advisory_lock(" LEADER_LOCK ")", ""},
    [S_LEAD_NOT] = {"SELECT pg_advisory_unlock(" LEADER_LOCK ")", ""},
    [S_LEAD_WHO] = {"SELECT coalesce(nullif(a.application_name, ''), a.backend_type, '-'),"
		    " coalesce(a.usename::text, '-'), a.pid FROM pg_locks l JOIN pg_stat_activity a"
		    " USING (pid) WHERE l.locktype = 'advisory' AND l.classid = 1414809688"
		    " AND l.objid = 2 AND l.granted AND a.datname = current_database()",
		    ""},
    /* Waiting for its client: not for a disk, another lock, or the standby of a COMMIT, which would
     * then be over without it. */
    [S_END_STUCK] = {"SELECT a.application_name, pg_terminate_backend(a.pid)"
		     " FROM pg_stat_activity a WHERE a.datname = current_database()"
		     " AND a.usename = session_user AND a.pid <> pg_backend_pid()"
		     " AND a.application_name LIKE '" APPLICATION "%'"
		     " AND a.wait_event_type = 'Client' AND a.state <> 'idle'"
		     " AND a.state_change < clock_timestamp() - $1 * interval '1 millisecond'"
		     " AND EXISTS (SELECT 1 FROM pg_locks l WHERE l.pid = a.pid AND l.granted"
		     " AND (l.relation = 'head'::regclass"
		     " AND l.mode IN ('RowShareLock', 'RowExclusiveLock')"
		     " OR l.locktype = 'advisory' AND l.classid = 1414809688 AND l.objid = 2))",
		     "l"},
    [S_HEARTBEAT] = {"UPDATE instance SET seen = clock_timestamp(), rev = $3, skew_ms = $4,"
		     " fence = $5, status = $6 WHERE slot = $1 AND token = $2 RETURNING " NOW,
		     "illllt"},
    [S_INSTANCES] = {"SELECT slot, name, version, schema, (extract(epoch FROM started) * 1000)::"
		     "bigint, (extract(epoch FROM seen) * 1000)::bigint, " NOW ", skew_ms,"
		     " fence > 0 AND fence = (SELECT fence FROM head), token, status"
		     " FROM instance WHERE name <> '' ORDER BY slot",
		     ""},
    /* Rows go when every coordinator that may come back has seen them gone. */
    [S_TRIM_TO] =
	{"SELECT least((SELECT coalesce(max(rev), 0) FROM mark WHERE at < clock_timestamp() -"
	 " $1 * interval '1 millisecond'), (SELECT min(rev) FROM instance"
	 " WHERE name <> '' AND seen > clock_timestamp() -"
	 " $1 * interval '1 millisecond'))",
	 "l"},
    [S_TRIM_GONE] = {"DELETE FROM gone WHERE rev <= $1", "l"},
    [S_TRIM_MARKS] = {"DELETE FROM mark WHERE rev < $1", "l"},
    [S_TRIM_HEAD] = {"UPDATE head SET trimmed = $1 WHERE trimmed < $1", "l"},
    /* Whoever shares it again makes it young again. A few at a time. */
    [S_TRIM_INPUTS] = {"DELETE FROM input_file WHERE shared < clock_timestamp() -"
		       " $1 * interval '1 millisecond' AND sha256 IN (SELECT f.sha256"
		       " FROM input_file f WHERE f.shared < clock_timestamp() -"
		       " $1 * interval '1 millisecond' AND NOT EXISTS (SELECT 1 FROM input i"
		       " WHERE i.sha256 = f.sha256) LIMIT 8)",
		       "l"},
    [S_TRIM_INSTANCES] = {"UPDATE instance SET name = '', token = 0, fence = 0, status = ''"
			  " WHERE name <> '' AND seen < clock_timestamp() - interval '1 day'",
			  ""},
};
