/*
 * The embedded engine: SQLite in WAL mode with synchronous=FULL, so that a COMMIT is one fsync of
 * the log. Folding the log back is done between transactions, not inside one.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "coordinator/base/file.h"
#include "coordinator/store/sqlite_rows.h"

#define BUSY_MS 5000 /* an operator's sqlite3 shell may hold the database for a moment */

struct sqlite {
	struct engine engine;
	sqlite3 *db;
	sqlite3_stmt *change[CHANGE_KINDS];
	unsigned checkpoint_pages;
	unsigned wal_pages; /* in the log after the last commit */
	char path[PATH_MAX], wal[PATH_MAX + 8];
	struct file_place at, log_at; /* where they were opened */
	bool taken_away;
};

static struct sqlite *of(struct engine *engine)
{
	return (struct sqlite *)engine;
}

/* ---- errors ---- */

static enum store_rc rc_of(int sqlite)
{
	if (sqlite == SQLITE_IOERR_NOMEM)
		return STORE_NO_MEMORY;
	switch (sqlite & 0xff) {
	case SQLITE_OK: return STORE_OK;
	case SQLITE_NOMEM: return STORE_NO_MEMORY;
	case SQLITE_CONSTRAINT:
	case SQLITE_TOOBIG: return STORE_CONFLICT;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_ERROR: return STORE_CORRUPT; /* such as a table that is missing */
	default: return STORE_DISK;
	}
}

/* The code and the sentence for the connection's last error. SQLite forgets the system's reason for
 * a failed write, so errno, cleared before the attempt, stands in. */
static enum store_rc failed(struct sqlite *e, struct why *why)
{
	int rc = sqlite3_extended_errcode(e->db);
	int os = sqlite3_system_errno(e->db) ? sqlite3_system_errno(e->db) : errno;

	if (((rc & 0xff) == SQLITE_IOERR || (rc & 0xff) == SQLITE_CANTOPEN) && os)
		why_set(why, "%s: %s (%s)", e->path, sqlite3_errmsg(e->db), strerror(os));
	else
		why_set(why, "%s: %s", e->path, sqlite3_errmsg(e->db));
	return rc_of(rc);
}

static enum store_rc run(struct sqlite *e, const char *sql, struct why *why)
{
	errno = 0;
	return sqlite3_exec(e->db, sql, NULL, NULL, NULL) == SQLITE_OK ? STORE_OK : failed(e, why);
}

/* The number, or the text when `text` is wanted, in the first row of a query. */
static enum store_rc ask(struct sqlite *e, const char *sql, int *number, char *text, size_t n,
			 struct why *why)
{
	enum store_rc rc = STORE_OK;
	sqlite3_stmt *s = NULL;

	errno = 0;
	if (sqlite3_prepare_v2(e->db, sql, -1, &s, NULL) != SQLITE_OK ||
	    sqlite3_step(s) != SQLITE_ROW)
		rc = failed(e, why);
	else if (text)
		snprintf(text, n, "%s", (const char *)sqlite3_column_text(s, 0));
	else
		*number = sqlite3_column_int(s, 0);
	sqlite3_finalize(s);
	return rc;
}

/* ---- opening ---- */

/* SQLite would take an empty database for a new one and drop the log of the lost one. */
static enum store_rc check_not_lost(struct sqlite *e, struct why *why)
{
	struct stat db, log;

	if ((stat(e->path, &db) || db.st_size == 0) && !stat(e->wal, &log) && log.st_size > 0) {
		why_set(why,
			"%s is missing or empty, but its log %s is there: put the database back",
			e->path, e->wal);
		return STORE_CORRUPT;
	}
	return STORE_OK;
}

/* Says whose database it is before anything in it is touched. *found: its version, 0 for a fresh
 * one. */
static enum store_rc check_identity(struct sqlite *e, int *found, struct why *why)
{
	int application = 0, version = 0, tables = 0;
	enum store_rc rc;

	rc = ask(e, "PRAGMA application_id", &application, NULL, 0, why);
	if (rc == STORE_OK)
		rc = ask(e, "PRAGMA user_version", &version, NULL, 0, why);
	if (rc == STORE_OK)
		rc = ask(e, "SELECT count(*) FROM sqlite_schema", &tables, NULL, 0, why);
	if (rc != STORE_OK)
		return rc;
	*found = version;
	if (application == 0 && version == 0 && tables == 0)
		return STORE_OK;
	if (application == SCHEMA_APPLICATION && version >= 1 && version <= SCHEMA_VERSION)
		return STORE_OK;
	if (application != SCHEMA_APPLICATION)
		why_set(why, "%s is a database of another program (application id %d, not %d)",
			e->path, application, SCHEMA_APPLICATION);
	else if (version > SCHEMA_VERSION)
		why_set(why,
			"%s has schema version %d, this program knows up to %d: use the newer "
			"program that wrote it",
			e->path, version, SCHEMA_VERSION);
	else
		why_set(why, "%s has schema version %d, which this program cannot read", e->path,
			version);
	return STORE_FOREIGN;
}

static bool sync_file(const char *path, struct why *why)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	const bool ok = fd >= 0 && fsync(fd) == 0;

	if (!ok)
		why_set(why, "%s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return ok;
}

/* For whoever goes back to the program that wrote it, which refuses what it becomes: beside it, as
 * DIR/store.db.schema-N. */
static enum store_rc keep_copy(struct sqlite *e, int version, struct why *why)
{
	char path[PATH_MAX + 32], *sql;
	enum store_rc rc;

	snprintf(path, sizeof path, "%s.schema-%d", e->path, version);
	sql = sqlite3_mprintf("VACUUM INTO %Q", path);
	if (!sql) {
		why_set(why, "out of memory");
		return STORE_NO_MEMORY;
	}
	/* What is there is a part: its copying was the last that was done to the original. */
	unlink(path);
	rc = run(e, sql, why);
	sqlite3_free(sql);
	if (rc == STORE_OK && !sync_file(path, why))
		rc = STORE_DISK;
	if (rc != STORE_OK)
		why_wrap(why, "it stays at version %d, for it cannot be copied to %s", version,
			 path);
	return rc;
}

/* A fresh database, or one of an earlier version, becomes one of this version: whole or not at all.
 */
static enum store_rc make_schema(struct sqlite *e, int version, struct why *why)
{
	enum store_rc rc = run(e, "BEGIN IMMEDIATE", why);
	char sql[80];

	if (rc == STORE_OK && !version)
		rc = run(e, rows_schema, why);
	for (; rc == STORE_OK && version && version < SCHEMA_VERSION; version++)
		rc = run(e, rows_migration[version], why);
	snprintf(sql, sizeof sql, "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
		 SCHEMA_APPLICATION, SCHEMA_VERSION);
	if (rc == STORE_OK)
		rc = run(e, sql, why);
	return rc;
}

static enum store_rc set_up(struct sqlite *e, int version, struct why *why)
{
	char mode[16];
	enum store_rc rc;
	size_t i;

	rc = run(e,
		 "PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY;"
		 " PRAGMA journal_size_limit = 67108864",
		 why);
	if (rc == STORE_OK)
		rc = ask(e, "PRAGMA journal_mode = WAL", NULL, mode, sizeof mode, why);
	if (rc == STORE_OK && strcmp(mode, "wal") != 0) {
		why_set(why, "%s: the file system does not allow a write-ahead log", e->path);
		rc = STORE_DISK;
	}
	if (rc == STORE_OK && version && version < SCHEMA_VERSION)
		rc = keep_copy(e, version, why);
	if (rc == STORE_OK && version < SCHEMA_VERSION)
		rc = make_schema(e, version, why);
	for (i = 0; rc == STORE_OK && i < CHANGE_KINDS; i++)
		if (sqlite3_prepare_v3(e->db, rows_change_sql[i], -1, SQLITE_PREPARE_PERSISTENT,
				       &e->change[i], NULL) != SQLITE_OK)
			rc = failed(e, why);
	return rc;
}

static int on_wal(void *arg, sqlite3 *db, const char *name, int pages)
{
	struct sqlite *e = arg;

	(void)db;
	(void)name;
	e->wal_pages = (unsigned)pages;
	return SQLITE_OK;
}

static void sqlite_close(struct engine *engine);
static const struct engine_ops sqlite_ops;

enum store_rc sqlite_open(struct engine **out, const char *dir, unsigned checkpoint_pages,
			  struct why *why)
{
	struct sqlite *e = calloc(1, sizeof *e);
	enum store_rc rc;
	int version = 0;
	int n;

	*out = NULL;
	if (!e) {
		why_set(why, "out of memory");
		return STORE_NO_MEMORY;
	}
	e->engine.ops = &sqlite_ops;
	e->checkpoint_pages = checkpoint_pages;
	n = snprintf(e->path, sizeof e->path, "%s/store.db", dir);
	if (n < 0 || (size_t)n >= sizeof e->path) {
		why_set(why, "the path %.80s... is too long", dir);
		rc = STORE_DISK;
		goto err;
	}
	snprintf(e->wal, sizeof e->wal, "%s-wal", e->path);
	rc = check_not_lost(e, why);
	if (rc != STORE_OK)
		goto err;
	errno = 0;
	if (sqlite3_open_v2(e->path, &e->db,
			    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
				SQLITE_OPEN_EXRESCODE,
			    NULL) != SQLITE_OK) {
		rc = e->db ? failed(e, why) : STORE_NO_MEMORY;
		goto err;
	}
	sqlite3_busy_timeout(e->db, BUSY_MS);
	/* What is refused is closed as it was found. */
	sqlite3_db_config(e->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	rc = check_identity(e, &version, why);
	if (rc == STORE_OK)
		rc = set_up(e, version, why);
	if (rc == STORE_OK && !file_dir_sync(dir, why))
		rc = STORE_DISK;
	if (rc != STORE_OK)
		goto err;
	if (!file_place_note(&e->at, e->path, why)) {
		rc = STORE_DISK;
		goto err;
	}
	file_place_note(&e->log_at, e->wal, NULL);
	sqlite3_db_config(e->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
	sqlite3_wal_hook(e->db, on_wal, e);
	*out = &e->engine;
	return STORE_OK;

err:
	sqlite_close(&e->engine);
	return rc;
}

static void sqlite_close(struct engine *engine)
{
	struct sqlite *e = of(engine);
	size_t i;

	for (i = 0; i < CHANGE_KINDS; i++)
		sqlite3_finalize(e->change[i]);
	sqlite3_close(e->db);
	free(e);
}

/* ---- reading ---- */

static enum store_rc load(struct engine *engine, const struct store_visitor *visitor, void *arg,
			  struct why *why)
{
	struct sqlite *e = of(engine);

	errno = 0;
	switch (rows_visit(e->db, visitor, arg, why)) {
	case ROWS_OK: return STORE_OK;
	case ROWS_STOPPED: return STORE_CONFLICT;
	case ROWS_WRONG: why_wrap(why, "%s", e->path); return STORE_CORRUPT;
	case ROWS_ERROR: break;
	}
	return failed(e, why);
}

static enum store_rc read_proof(struct engine *engine, uint64_t id, struct change_group **out,
				struct why *why)
{
	struct sqlite *e = of(engine);

	errno = 0;
	switch (rows_read_proof(e->db, id, out, why)) {
	case ROWS_OK:
		if (*out)
			return STORE_OK;
		why_set(why, "out of memory for a proof");
		return STORE_NO_MEMORY;
	case ROWS_STOPPED: return STORE_NOT_FOUND;
	case ROWS_WRONG: why_wrap(why, "%s", e->path); return STORE_CORRUPT;
	case ROWS_ERROR: break;
	}
	return failed(e, why);
}

/* ---- writing ---- */

static enum store_rc begin(struct sqlite *e, struct why *why)
{
	if (e->taken_away) {
		why_set(why, "%s was taken away under the daemon; stop it and put the files back",
			e->path);
		return STORE_TAKEN_AWAY;
	}
	return run(e, "BEGIN IMMEDIATE", why);
}

static enum store_rc apply_one(struct sqlite *e, const struct store_change *c, struct why *why)
{
	/* These change exactly one row, or contradict what is stored. */
	bool must_hit = c->kind == CHANGE_INPUT_PUT || c->kind == CHANGE_PROOF_STATE;
	sqlite3_stmt *s = e->change[c->kind];
	enum store_rc rc = STORE_OK;
	char what[160];

	errno = 0;
	if (rows_bind(s, c) != SQLITE_OK || sqlite3_step(s) != SQLITE_DONE) {
		rc = failed(e, why);
	} else if (must_hit && sqlite3_changes(e->db) != 1) {
		rc = STORE_CONFLICT;
		why_set(why, c->kind == CHANGE_INPUT_PUT ? "other content is stored under this key"
							 : "there is no such proof");
	}
	if (rc != STORE_OK) {
		change_describe(c, what, sizeof what);
		why_wrap(why, "%s", what);
	}
	sqlite3_reset(s);
	sqlite3_clear_bindings(s);
	return rc;
}

static enum store_rc apply(struct sqlite *e, const struct change_group *g, struct why *why)
{
	enum store_rc rc = STORE_OK;
	size_t i;

	/* A statement alone is atomic already. */
	if (g->n > 1)
		rc = run(e, "SAVEPOINT one_group", why);
	for (i = 0; rc == STORE_OK && i < g->n; i++)
		rc = apply_one(e, &g->changes[i], why);
	if (g->n == 1)
		return rc;
	if (rc == STORE_CONFLICT && run(e, "ROLLBACK TO one_group", NULL) != STORE_OK)
		return STORE_DISK;
	if ((rc == STORE_OK || rc == STORE_CONFLICT) &&
	    run(e, "RELEASE one_group", NULL) != STORE_OK)
		return failed(e, why);
	return rc;
}

/* What was written to files that nobody will find again is not stored. */
static bool still_in_place(struct sqlite *e, struct why *why)
{
	/* The log may be made by the first commit only. */
	if (!e->log_at.inode)
		file_place_note(&e->log_at, e->wal, NULL);
	return file_place_is(&e->at, e->path, why) &&
	       (!e->log_at.inode || file_place_is(&e->log_at, e->wal, why));
}

static enum store_rc commit_applied(struct sqlite *e, struct why *why)
{
	enum store_rc rc = run(e, "COMMIT", why);

	if (rc != STORE_OK || still_in_place(e, why))
		return rc;
	e->taken_away = true;
	why_wrap(why,
		 "the database was taken away under the daemon; stop it and put the files back");
	return STORE_TAKEN_AWAY;
}

static void rollback(struct sqlite *e)
{
	/* SQLite may have rolled back on its own; what is left to do cannot fail. */
	if (!sqlite3_get_autocommit(e->db))
		sqlite3_exec(e->db, "ROLLBACK", NULL, NULL, NULL);
}

static enum store_rc commit(struct engine *engine, struct engine_item *items[], size_t n,
			    struct engine_news_list *news, uint64_t *ns, struct why *why)
{
	struct sqlite *e = of(engine);
	enum store_rc rc = begin(e, why);
	bool any = false;
	uint64_t start;
	size_t i;

	(void)news;
	*ns = 0;
	if (rc != STORE_OK)
		return rc;
	for (i = 0; i < n; i++) {
		why_set(&items[i]->why, "%s", "");
		items[i]->rc = apply(e, items[i]->group, &items[i]->why);
		if (items[i]->rc == STORE_OK) {
			any = true;
		} else if (items[i]->rc != STORE_CONFLICT) {
			*why = items[i]->why;
			rollback(e);
			return items[i]->rc;
		}
	}
	if (any) {
		start = uv_hrtime();
		rc = commit_applied(e, why);
		*ns = uv_hrtime() - start;
	}
	if (!any || rc != STORE_OK)
		rollback(e);
	return rc;
}

static bool tidy(struct engine *engine)
{
	struct sqlite *e = of(engine);

	if (e->wal_pages < e->checkpoint_pages)
		return false;
	/* A failure leaves the log as it is, and the next commit brings us here again. */
	if (sqlite3_wal_checkpoint_v2(e->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL) !=
	    SQLITE_OK)
		return false;
	e->wal_pages = 0;
	return true;
}

static const struct engine_ops sqlite_ops = {
    .load = load, .read_proof = read_proof, .commit = commit, .tidy = tidy, .close = sqlite_close};
