/*
 * sqlite_rows.h -- the SQLite engine's rows: schema, and structs to columns and back.
 */
#ifndef COORDINATOR_STORE_SQLITE_ROWS_H
#define COORDINATOR_STORE_SQLITE_ROWS_H

#include <sqlite3.h>

#include "coordinator/store/engine.h"

#define CHANGE_KINDS (CHANGE_LEASE_DEL_THROUGH + 1)

#define SCHEMA_APPLICATION 0x54445843 /* "TDXC", in the header of the database file */
#define SCHEMA_VERSION     3

extern const char rows_schema[];
/* From version i to i + 1, for each i from 1 on. */
extern const char *const rows_migration[SCHEMA_VERSION];
/* The statement of each kind of change; rows_bind() fills in its parameters. */
extern const char *const rows_change_sql[CHANGE_KINDS];

/* The memory of the change's spans is borrowed until the statement is reset. An SQLite code. */
int rows_bind(sqlite3_stmt *s, const struct store_change *c);

enum rows_verdict {
	ROWS_OK,
	ROWS_STOPPED, /* by the visitor, with its sentence */
	ROWS_WRONG,   /* a row that this program cannot have written, with the sentence */
	ROWS_ERROR,   /* an SQLite error; ask the connection */
};

enum rows_verdict rows_visit(sqlite3 *db, const struct store_visitor *visitor, void *arg,
			     struct why *why);
/* ROWS_STOPPED: there is no such proof. */
enum rows_verdict rows_read_proof(sqlite3 *db, uint64_t id, struct change_group **out,
				  struct why *why);

#endif
