/*
 * link.h -- a connection to PostgreSQL through libpq, always in pipeline mode, on which no wait is
 * without an end: whoever waits gave a deadline, after which the connection is closed.
 */
#ifndef COORDINATOR_PQ_LINK_H
#define COORDINATOR_PQ_LINK_H

#include <libpq-fe.h>

#include "coordinator/store/store.h"

/* ---- parameters and columns (params.c); all are binary ---- */

#define PARAMS_MAX 16

/* Must not be moved: it points into itself. The memory of spans is borrowed. */
struct params {
	int n;
	const char *values[PARAMS_MAX];
	int lengths[PARAMS_MAX], formats[PARAMS_MAX];
	uint8_t numbers[PARAMS_MAX][8];
};

void param_u64(struct params *p, uint64_t v);
void param_int(struct params *p, int v);
void param_bytes(struct params *p, struct span v);
void param_text(struct params *p, const char *v);
void param_null(struct params *p);

uint64_t cell_u64(const PGresult *r, int row, int column);
int cell_int(const PGresult *r, int row, int column);
struct span cell_bytes(const PGresult *r, int row, int column);
void cell_text(char *out, size_t size, const PGresult *r, int row, int column);

/* ---- statements that are prepared ---- */

/* types: a letter for each parameter, l bigint, i int, b bytea, t text. */
struct link_statement {
	const char *sql, *types;
};

/* ---- a connection (link.c, connect.c, settle.c, sentences.c) ---- */

struct link {
	PGconn *conn;       /* NULL: none */
	uint64_t due;       /* uv_hrtime() at which whoever waits gives up */
	const char *where;  /* for sentences: the hosts and the database */
	unsigned unsettled; /* statements that were sent and not answered yet */
	char warning[160];  /* the last one that the server gave; "": none */
	char state[6];      /* the SQLSTATE of the last answer that was not ok */
	char note[400];     /* of the server, for the operator; "": nothing */
};

/* Connects, and settles it for this program; in pipeline mode. where is borrowed. attempt turns the
 * list of hosts, so that one that is silent does not hide the next. */
enum store_rc link_open(struct link *s, const char *url, const char *password, const char *name,
			const char *where, unsigned attempt, unsigned ms, struct why *why);
void link_close(struct link *s);
void link_deadline(struct link *s, unsigned ms);
/* Makes n statements known to the server, by their numbers; their tables must be there. */
enum store_rc link_prepare(struct link *s, const struct link_statement *all, int n,
			   struct why *why);
/* For sentences, from an URL, without the user. False with the sentence: it is not one. */
bool link_where(char *out, size_t size, const char *url, struct why *why);

/* Of link_open(): may this session be used, and what it has to keep to. */
enum store_rc link_settle(struct link *s, struct why *why);

/* libpq's message on one line. */
void link_flatten(char *out, size_t size, const char *text);
/* What an operator does about it, of a message with a SQLSTATE ("FATAL:  28P01: ..."); or NULL. */
const char *link_hint(const char *message);

/* These only queue. What goes wrong shows when the answer is taken. */
void link_send(struct link *s, int which, const struct params *p);
void link_send_sql(struct link *s, const char *sql, const char *types, const struct params *p);
void link_sync(struct link *s);

/* The answer of the next statement, in order, for PQclear(). NULL: the connection is lost, or the
 * time is over, and closed; with the sentence. */
PGresult *link_take(struct link *s, struct why *why);
/* Takes the answer to link_sync(). */
bool link_end(struct link *s, struct why *why);
bool link_ok(const PGresult *r);
/* Of an answer that is not ok: what it means, and the sentence. */
enum store_rc link_rc(struct link *s, const PGresult *r, struct why *why);

/* Takes an answer that should be ok; the first *rc that is not stays. NULL if there is none. */
PGresult *link_expect(struct link *s, enum store_rc *rc, struct why *why);
/* One statement by itself: NULL unless *rc is STORE_OK. */
PGresult *link_ask(struct link *s, int which, const struct params *p, enum store_rc *rc,
		   struct why *why);
/* One text by itself. */
enum store_rc link_run(struct link *s, const char *sql, struct why *why);
PGresult *link_query(struct link *s, const char *sql, const char *types, const struct params *p,
		     enum store_rc *rc, struct why *why);

#endif
