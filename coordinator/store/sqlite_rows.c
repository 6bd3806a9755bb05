#include "coordinator/store/sqlite_rows.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Unsigned 64-bit numbers are stored as the signed ones with the same bits. */
const char rows_schema[] =
    "CREATE TABLE fact (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE input (batch INTEGER NOT NULL, commit_hash TEXT NOT NULL,"
    " sha256 BLOB NOT NULL, size INTEGER NOT NULL, created_ms INTEGER NOT NULL,"
    " replaced_ms INTEGER NOT NULL, PRIMARY KEY (batch, commit_hash, sha256))"
    " STRICT, WITHOUT ROWID;"
    "CREATE TABLE proof (id INTEGER PRIMARY KEY, batch INTEGER NOT NULL,"
    " prover_type INTEGER NOT NULL, source TEXT NOT NULL, received_ms INTEGER NOT NULL,"
    " state INTEGER NOT NULL, signer BLOB, reason TEXT NOT NULL, judged_ms INTEGER NOT NULL,"
    " public_values BLOB NOT NULL, bytes BLOB NOT NULL) STRICT;"
    "CREATE INDEX proof_batch ON proof (batch);"
    "CREATE TABLE lease (batch INTEGER NOT NULL, prover_type INTEGER NOT NULL,"
    " source TEXT NOT NULL, expires_ms INTEGER NOT NULL,"
    " PRIMARY KEY (batch, prover_type)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE prover (signer BLOB PRIMARY KEY, payload BLOB NOT NULL,"
    " payload_kind INTEGER NOT NULL, source TEXT NOT NULL, first_seen_ms INTEGER NOT NULL,"
    " last_seen_ms INTEGER NOT NULL, last_proof_ms INTEGER NOT NULL,"
    " proofs_good INTEGER NOT NULL, state INTEGER NOT NULL, reason TEXT NOT NULL) STRICT;"
    "CREATE TABLE intent (id INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;";

const char *const rows_migration[SCHEMA_VERSION] = {
    /* 2: of an intent only id and data were ever read; data holds all of it. */
    [1] = "CREATE TABLE intent_2 (id INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;"
	  "INSERT INTO intent_2 SELECT id, data FROM intent;"
	  "DROP TABLE intent;"
	  "ALTER TABLE intent_2 RENAME TO intent;",
    /* 3: a replaced input stays for a while; proofs go by ranges of batches. */
    [2] = "CREATE TABLE input_3 (batch INTEGER NOT NULL, commit_hash TEXT NOT NULL,"
	  " sha256 BLOB NOT NULL, size INTEGER NOT NULL, created_ms INTEGER NOT NULL,"
	  " replaced_ms INTEGER NOT NULL, PRIMARY KEY (batch, commit_hash, sha256))"
	  " STRICT, WITHOUT ROWID;"
	  "INSERT INTO input_3 SELECT batch, commit_hash, sha256, size, created_ms, 0 FROM input;"
	  "DROP TABLE input;"
	  "ALTER TABLE input_3 RENAME TO input;"
	  "CREATE INDEX proof_batch ON proof (batch);",
};

const char *const rows_change_sql[CHANGE_KINDS] = {
    [CHANGE_FACT_PUT] = "REPLACE INTO fact (key, value) VALUES (?, ?)",
    [CHANGE_FACT_DEL] = "DELETE FROM fact WHERE key = ?",
    [CHANGE_INPUT_PUT] =
	"INSERT INTO input (batch, commit_hash, sha256, size, created_ms, replaced_ms)"
	" SELECT ?1, ?2, ?3, ?4, ?5, 0 WHERE NOT EXISTS (SELECT 1 FROM input WHERE batch = ?1"
	" AND commit_hash = ?2 AND replaced_ms = 0 AND sha256 <> ?3)"
	" ON CONFLICT (batch, commit_hash, sha256) DO UPDATE SET replaced_ms = 0"
	" WHERE size = excluded.size",
    [CHANGE_INPUT_REPLACED] = "UPDATE input SET replaced_ms = ?4"
			      " WHERE batch = ?1 AND commit_hash = ?2 AND sha256 = ?3",
    [CHANGE_INPUT_DEL] = "DELETE FROM input WHERE batch = ? AND commit_hash = ? AND sha256 = ?",
    [CHANGE_PROOF_PUT] = "INSERT INTO proof (id, batch, prover_type, bytes, public_values,"
			 " source, received_ms, state, signer, reason, judged_ms)"
			 " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [CHANGE_PROOF_STATE] = "UPDATE proof SET state = ?, signer = ?, reason = ?, judged_ms = ?"
			   " WHERE id = ?",
    [CHANGE_PROOF_RANGE] = "UPDATE proof SET state = ?4, signer = NULL, reason = ?5, judged_ms = 0"
			   " WHERE batch BETWEEN ?1 AND ?2 AND (1 << state) & ?3",
    [CHANGE_PROOF_DEL] = "DELETE FROM proof WHERE id = ?",
    [CHANGE_LEASE_PUT] = "REPLACE INTO lease (batch, prover_type, source, expires_ms)"
			 " VALUES (?, ?, ?, ?)",
    [CHANGE_LEASE_DEL] = "DELETE FROM lease WHERE batch = ? AND prover_type = ?",
    [CHANGE_PROVER_PUT] = "REPLACE INTO prover (signer, payload, payload_kind, source,"
			  " first_seen_ms, last_seen_ms, last_proof_ms, proofs_good, state,"
			  " reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [CHANGE_PROVER_DEL] = "DELETE FROM prover WHERE signer = ?",
    [CHANGE_INTENT_PUT] = "REPLACE INTO intent (id, data) VALUES (?, ?)",
    [CHANGE_INTENT_DEL] = "DELETE FROM intent WHERE id = ?",
    /* From 0 on: a number beyond 63 bits, which is stored as a negative one, is beyond them all. */
    [CHANGE_INPUT_DEL_THROUGH] = "DELETE FROM input WHERE batch BETWEEN 0 AND ?",
    [CHANGE_PROOF_DEL_THROUGH] = "DELETE FROM proof WHERE batch BETWEEN 0 AND ?",
    [CHANGE_LEASE_DEL_THROUGH] = "DELETE FROM lease WHERE batch BETWEEN 0 AND ?",
};

/* ---- structs to parameters ---- */

struct binder {
	sqlite3_stmt *s;
	int at; /* the last parameter that was bound */
	int rc; /* the first error */
};

static void bound(struct binder *b, int rc)
{
	if (b->rc == SQLITE_OK)
		b->rc = rc;
}

static void bind_u64(struct binder *b, uint64_t v)
{
	bound(b, sqlite3_bind_int64(b->s, ++b->at, (sqlite3_int64)v));
}

static void bind_int(struct binder *b, int v)
{
	bound(b, sqlite3_bind_int(b->s, ++b->at, v));
}

/* An empty span may have a NULL pointer, which SQLite would take for an SQL NULL. */
static void bind_blob(struct binder *b, struct span v)
{
	bound(b,
	      sqlite3_bind_blob64(b->s, ++b->at, v.n ? (const void *)v.p : "", v.n, SQLITE_STATIC));
}

static void bind_text(struct binder *b, struct span v)
{
	bound(b, sqlite3_bind_text64(b->s, ++b->at, v.n ? (const char *)v.p : "", v.n,
				     SQLITE_STATIC, SQLITE_UTF8));
}

static void bind_address(struct binder *b, const uint8_t v[20])
{
	bind_blob(b, span_of(v, 20));
}

static void bind_signer(struct binder *b, bool has, const uint8_t v[20])
{
	if (has)
		bind_address(b, v);
	else
		bound(b, sqlite3_bind_null(b->s, ++b->at));
}

static void bind_input_key(struct binder *b, const struct store_input *r)
{
	bind_u64(b, r->batch);
	bind_text(b, r->commit_hash);
	bind_blob(b, span_of(r->sha256, sizeof r->sha256));
}

static void bind_input(struct binder *b, const struct store_input *r)
{
	bind_input_key(b, r);
	bind_u64(b, r->size);
	bind_u64(b, r->created_ms);
}

static void bind_proof(struct binder *b, const struct store_proof *r)
{
	bind_u64(b, r->id);
	bind_u64(b, r->batch);
	bind_int(b, r->prover_type);
	bind_blob(b, r->bytes);
	bind_blob(b, r->public_values);
	bind_text(b, r->source);
	bind_u64(b, r->received_ms);
	bind_int(b, r->state);
	bind_signer(b, r->has_signer, r->signer);
	bind_text(b, r->reason);
	bind_u64(b, r->judged_ms);
}

static void bind_proof_state(struct binder *b, const struct store_proof_state *r)
{
	bind_int(b, r->state);
	bind_signer(b, r->has_signer, r->signer);
	bind_text(b, r->reason);
	bind_u64(b, r->judged_ms);
	bind_u64(b, r->id);
}

static void bind_proof_range(struct binder *b, const struct store_proof_range *r)
{
	bind_u64(b, r->first);
	bind_u64(b, r->last);
	bind_int(b, (int)r->from);
	bind_int(b, r->state);
	bind_text(b, r->reason);
}

static void bind_lease(struct binder *b, const struct store_lease *r)
{
	bind_u64(b, r->batch);
	bind_int(b, r->prover_type);
	bind_text(b, r->source);
	bind_u64(b, r->expires_ms);
}

static void bind_prover(struct binder *b, const struct store_prover *r)
{
	bind_address(b, r->signer);
	bind_blob(b, r->payload);
	bind_int(b, r->payload_kind);
	bind_text(b, r->source);
	bind_u64(b, r->first_seen_ms);
	bind_u64(b, r->last_seen_ms);
	bind_u64(b, r->last_proof_ms);
	bind_u64(b, r->proofs_good);
	bind_int(b, r->state);
	bind_text(b, r->reason);
}

static void bind_intent(struct binder *b, const struct store_intent *r)
{
	bind_u64(b, r->id);
	bind_blob(b, r->data);
}

int rows_bind(sqlite3_stmt *s, const struct store_change *c)
{
	struct binder b = {.s = s, .rc = SQLITE_OK};

	switch (c->kind) {
	case CHANGE_FACT_PUT:
		bind_text(&b, c->fact.key);
		bind_blob(&b, c->fact.value);
		break;
	case CHANGE_FACT_DEL: bind_text(&b, c->fact.key); break;
	case CHANGE_INPUT_PUT: bind_input(&b, &c->input); break;
	case CHANGE_INPUT_REPLACED:
		bind_input_key(&b, &c->input);
		bind_u64(&b, c->input.replaced_ms);
		break;
	case CHANGE_INPUT_DEL: bind_input_key(&b, &c->input); break;
	case CHANGE_PROOF_PUT: bind_proof(&b, &c->proof); break;
	case CHANGE_PROOF_STATE: bind_proof_state(&b, &c->proof_state); break;
	case CHANGE_PROOF_RANGE: bind_proof_range(&b, &c->proof_range); break;
	case CHANGE_PROOF_DEL: bind_u64(&b, c->proof.id); break;
	case CHANGE_LEASE_PUT: bind_lease(&b, &c->lease); break;
	case CHANGE_LEASE_DEL:
		bind_u64(&b, c->lease.batch);
		bind_int(&b, c->lease.prover_type);
		break;
	case CHANGE_PROVER_PUT: bind_prover(&b, &c->prover); break;
	case CHANGE_PROVER_DEL: bind_address(&b, c->prover.signer); break;
	case CHANGE_INTENT_PUT: bind_intent(&b, &c->intent); break;
	case CHANGE_INTENT_DEL: bind_u64(&b, c->intent.id); break;
	case CHANGE_INPUT_DEL_THROUGH:
	case CHANGE_PROOF_DEL_THROUGH:
	case CHANGE_LEASE_DEL_THROUGH: bind_u64(&b, c->through); break;
	}
	return b.rc;
}

/* ---- columns to structs ---- */

struct reader {
	sqlite3_stmt *s;
	int at;    /* the next column */
	bool sane; /* false: a fixed-size column has another size */
};

static uint64_t read_u64(struct reader *r)
{
	return (uint64_t)sqlite3_column_int64(r->s, r->at++);
}

static int read_int(struct reader *r)
{
	return sqlite3_column_int(r->s, r->at++);
}

static struct span read_span(struct reader *r)
{
	const void *p = sqlite3_column_blob(r->s, r->at);

	return span_of(p, (size_t)sqlite3_column_bytes(r->s, r->at++));
}

/* Two columns: the blob, NULL when it is over the limit, and its length. */
static struct span read_limited(struct reader *r)
{
	struct span v = read_span(r);

	v.n = (size_t)read_u64(r);
	return v;
}

static void read_fixed(struct reader *r, uint8_t *out, size_t n)
{
	struct span v = read_span(r);

	if (v.n == n)
		memcpy(out, v.p, n);
	else
		r->sane = false;
}

static bool read_signer(struct reader *r, uint8_t out[20])
{
	if (sqlite3_column_type(r->s, r->at) == SQLITE_NULL) {
		r->at++;
		return false;
	}
	read_fixed(r, out, 20);
	return true;
}

#define PROOF_COLUMNS                                                                              \
	"id, batch, prover_type, source, received_ms, state, signer, reason, judged_ms"

static void read_proof(struct reader *r, struct store_proof *p)
{
	p->id = read_u64(r);
	p->batch = read_u64(r);
	p->prover_type = read_int(r);
	p->source = read_span(r);
	p->received_ms = read_u64(r);
	p->state = read_int(r);
	p->has_signer = read_signer(r, p->signer);
	p->reason = read_span(r);
	p->judged_ms = read_u64(r);
}

typedef bool visit_fn(struct reader *r, const struct store_visitor *v, void *arg, struct why *why);

static bool visit_fact(struct reader *r, const struct store_visitor *v, void *arg, struct why *why)
{
	struct store_fact row = {0};

	row.key = read_span(r);
	row.value = read_span(r);
	return v->fact(arg, &row, why);
}

static bool visit_input(struct reader *r, const struct store_visitor *v, void *arg, struct why *why)
{
	struct store_input row = {0};

	row.batch = read_u64(r);
	row.commit_hash = read_span(r);
	read_fixed(r, row.sha256, sizeof row.sha256);
	row.size = read_u64(r);
	row.created_ms = read_u64(r);
	row.replaced_ms = read_u64(r);
	return r->sane && v->input(arg, &row, why);
}

static bool visit_proof(struct reader *r, const struct store_visitor *v, void *arg, struct why *why)
{
	struct store_proof row = {0};

	read_proof(r, &row);
	row.bytes = read_limited(r);
	row.public_values = read_limited(r);
	return r->sane && v->proof(arg, &row, why);
}

static bool visit_lease(struct reader *r, const struct store_visitor *v, void *arg, struct why *why)
{
	struct store_lease row = {0};

	row.batch = read_u64(r);
	row.prover_type = read_int(r);
	row.source = read_span(r);
	row.expires_ms = read_u64(r);
	return v->lease(arg, &row, why);
}

static bool visit_prover(struct reader *r, const struct store_visitor *v, void *arg,
			 struct why *why)
{
	struct store_prover row = {0};

	read_fixed(r, row.signer, sizeof row.signer);
	row.payload = read_span(r);
	row.payload_kind = read_int(r);
	row.source = read_span(r);
	row.first_seen_ms = read_u64(r);
	row.last_seen_ms = read_u64(r);
	row.last_proof_ms = read_u64(r);
	row.proofs_good = read_u64(r);
	row.state = read_int(r);
	row.reason = read_span(r);
	return r->sane && v->prover(arg, &row, why);
}

static bool visit_intent(struct reader *r, const struct store_visitor *v, void *arg,
			 struct why *why)
{
	struct store_intent row = {0};

	row.id = read_u64(r);
	row.data = read_span(r);
	return r->sane && v->intent(arg, &row, why);
}

static enum rows_verdict visit_table(sqlite3 *db, const char *table, const char *sql, visit_fn *fn,
				     const struct store_visitor *v, void *arg, struct why *why)
{
	struct reader r = {.sane = true};
	enum rows_verdict verdict = ROWS_ERROR;
	int rc;

	if (sqlite3_prepare_v2(db, sql, -1, &r.s, NULL) != SQLITE_OK)
		return ROWS_ERROR;
	while ((rc = sqlite3_step(r.s)) == SQLITE_ROW) {
		r.at = 0;
		if (!fn(&r, v, arg, why)) {
			verdict = r.sane ? ROWS_STOPPED : ROWS_WRONG;
			goto out;
		}
	}
	if (rc == SQLITE_DONE)
		verdict = ROWS_OK;
out:
	if (verdict == ROWS_WRONG)
		why_set(why, "a row of the table %s has a column of a wrong size", table);
	sqlite3_finalize(r.s);
	return verdict;
}

#define STRING(x)  STRING_(x)
#define STRING_(x) #x
/* length() of a blob reads its header only, not the blob. */
#define LIMITED(column)                                                                            \
	"CASE WHEN length(" column ") <= " STRING(STORE_VISIT_BLOB_MAX) " THEN " column            \
									" END, length(" column ")"

enum rows_verdict rows_visit(sqlite3 *db, const struct store_visitor *v, void *arg, struct why *why)
{
	const struct {
		const char *table, *sql;
		visit_fn *fn;
		bool wanted;
	} tables[] = {
	    {"fact", "SELECT key, value FROM fact", visit_fact, v->fact},
	    {"input", "SELECT batch, commit_hash, sha256, size, created_ms, replaced_ms FROM input",
	     visit_input, v->input},
	    {"proof",
	     "SELECT " PROOF_COLUMNS ", " LIMITED("bytes") ", " LIMITED("public_values") //
	     " FROM proof ORDER BY id",
	     visit_proof, v->proof},
	    {"lease", "SELECT batch, prover_type, source, expires_ms FROM lease", visit_lease,
	     v->lease},
	    {"prover",
	     "SELECT signer, payload, payload_kind, source, first_seen_ms, last_seen_ms,"
	     " last_proof_ms, proofs_good, state, reason FROM prover",
	     visit_prover, v->prover},
	    {"intent", "SELECT id, data FROM intent ORDER BY id", visit_intent, v->intent},
	};
	enum rows_verdict verdict;
	size_t i;

	for (i = 0; i < sizeof tables / sizeof *tables; i++) {
		if (!tables[i].wanted)
			continue;
		verdict =
		    visit_table(db, tables[i].table, tables[i].sql, tables[i].fn, v, arg, why);
		if (verdict != ROWS_OK)
			return verdict;
	}
	return ROWS_OK;
}

enum rows_verdict rows_read_proof(sqlite3 *db, uint64_t id, struct change_group **out,
				  struct why *why)
{
	struct store_change c = {.kind = CHANGE_PROOF_PUT};
	enum rows_verdict verdict = ROWS_ERROR;
	struct reader r = {.sane = true};

	*out = NULL;
	if (sqlite3_prepare_v2(db,
			       "SELECT " PROOF_COLUMNS ", bytes, public_values FROM proof"
			       " WHERE id = ?",
			       -1, &r.s, NULL) != SQLITE_OK)
		return ROWS_ERROR;
	if (sqlite3_bind_int64(r.s, 1, (sqlite3_int64)id) != SQLITE_OK)
		goto out;
	switch (sqlite3_step(r.s)) {
	case SQLITE_ROW: break;
	case SQLITE_DONE:
		why_set(why, "there is no proof %" PRIu64, id);
		verdict = ROWS_STOPPED;
		goto out;
	default: goto out;
	}
	read_proof(&r, &c.proof);
	c.proof.bytes = read_span(&r);
	c.proof.public_values = read_span(&r);
	if (!r.sane) {
		why_set(why, "proof %" PRIu64 " has a signer of a wrong size", id);
		verdict = ROWS_WRONG;
		goto out;
	}
	*out = change_group_new(&c, 1);
	verdict = ROWS_OK;
out:
	sqlite3_finalize(r.s);
	return verdict;
}
