/* Statements over one connection, without ever waiting beyond its deadline. */
#include "coordinator/pq/link.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#define OID_BIGINT 20
#define OID_INT    23
#define OID_TEXT   25
#define OID_BYTEA  17

void link_close(struct link *s)
{
	PQfinish(s->conn);
	s->conn = NULL;
	s->unsettled = 0;
}

void link_deadline(struct link *s, unsigned ms)
{
	s->due = uv_hrtime() + (uint64_t)ms * 1000000;
}

static void lost(struct link *s, const char *how, struct why *why)
{
	char text[256];

	link_flatten(text, sizeof text, PQerrorMessage(s->conn));
	if (how)
		why_set(why, "%s: %s%s%s", s->where, how, s->note[0] ? "; " : "", s->note);
	else
		why_set(why, "%s: the connection was lost: %s", s->where,
			text[0] ? text : "no reason was given");
	link_close(s);
}

/* ---- sending ---- */

static int types_of(Oid out[PARAMS_MAX], const char *types)
{
	int n;

	for (n = 0; types[n]; n++)
		switch (types[n]) {
		case 'l': out[n] = OID_BIGINT; break;
		case 'i': out[n] = OID_INT; break;
		case 't': out[n] = OID_TEXT; break;
		default: out[n] = OID_BYTEA; break;
		}
	return n;
}

void link_send(struct link *s, int which, const struct params *p)
{
	static const struct params none;
	char name[16];

	if (!p)
		p = &none;
	snprintf(name, sizeof name, "s%d", which);
	if (s->conn &&
	    PQsendQueryPrepared(s->conn, name, p->n, p->values, p->lengths, p->formats, 1))
		s->unsettled++;
}

void link_send_sql(struct link *s, const char *sql, const char *types, const struct params *p)
{
	static const struct params none;
	Oid oids[PARAMS_MAX];

	if (!p)
		p = &none;
	types_of(oids, types);
	if (s->conn &&
	    PQsendQueryParams(s->conn, sql, p->n, oids, p->values, p->lengths, p->formats, 1))
		s->unsettled++;
}

void link_sync(struct link *s)
{
	if (s->conn)
		PQpipelineSync(s->conn);
}

/* ---- receiving ---- */

/* False: lost, and closed. *out may be NULL, which is the end of a statement's answers. */
static bool next_result(struct link *s, PGresult **out, struct why *why)
{
	struct pollfd p = {.events = POLLIN};
	int flushing, n;
	uint64_t now;

	for (;;) {
		if (!s->conn)
			return false;
		flushing = PQflush(s->conn);
		if (flushing >= 0 && !PQisBusy(s->conn)) {
			*out = PQgetResult(s->conn);
			return true;
		}
		now = uv_hrtime();
		if (now >= s->due) {
			lost(s, "it has not answered in time", why);
			return false;
		}
		p.fd = PQsocket(s->conn);
		p.events = (short)(POLLIN | (flushing > 0 ? POLLOUT : 0));
		if (flushing < 0 && PQstatus(s->conn) != CONNECTION_OK) {
			lost(s, NULL, why);
			return false;
		}
		n = poll(&p, 1, (int)((s->due - now) / 1000000 + 1));
		if (n > 0 && (p.revents & ~POLLOUT) && !PQconsumeInput(s->conn)) {
			lost(s, NULL, why);
			return false;
		}
	}
}

PGresult *link_take(struct link *s, struct why *why)
{
	PGresult *r = NULL, *rest = NULL;

	if (!s->conn)
		return NULL;
	if (!s->unsettled) {
		lost(s, NULL, why);
		return NULL;
	}
	s->unsettled--;
	if (!next_result(s, &r, why))
		return NULL;
	if (!r || PQstatus(s->conn) != CONNECTION_OK) {
		if (r)
			link_rc(s, r, why);
		PQclear(r);
		if (r)
			link_close(s);
		else
			lost(s, NULL, why);
		return NULL;
	}
	do {
		PQclear(rest);
		if (!next_result(s, &rest, why)) {
			PQclear(r);
			return NULL;
		}
	} while (rest);
	return r;
}

bool link_end(struct link *s, struct why *why)
{
	PGresult *r = NULL;
	bool ok;

	if (!next_result(s, &r, why))
		return false;
	ok = r && PQresultStatus(r) == PGRES_PIPELINE_SYNC;
	PQclear(r);
	if (!ok)
		lost(s, NULL, why);
	return ok;
}

bool link_ok(const PGresult *r)
{
	const ExecStatusType status = PQresultStatus(r);

	return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

PGresult *link_expect(struct link *s, enum store_rc *rc, struct why *why)
{
	const bool first = *rc == STORE_OK;
	PGresult *r;

	if (!s->conn) {
		if (first)
			*rc = STORE_UNREACHABLE;
		return NULL;
	}
	r = link_take(s, first ? why : NULL);
	if (!r && first)
		*rc = STORE_UNREACHABLE;
	if (r && !link_ok(r)) {
		if (first)
			*rc = link_rc(s, r, why);
		PQclear(r);
		r = NULL;
	}
	return r;
}

static PGresult *settle(struct link *s, enum store_rc *rc, struct why *why)
{
	PGresult *r;

	*rc = STORE_OK;
	link_sync(s);
	r = link_expect(s, rc, why);
	if (s->conn && !link_end(s, *rc == STORE_OK ? why : NULL))
		*rc = STORE_UNREACHABLE;
	if (*rc != STORE_OK) {
		PQclear(r);
		r = NULL;
	}
	return r;
}

PGresult *link_ask(struct link *s, int which, const struct params *p, enum store_rc *rc,
		   struct why *why)
{
	link_send(s, which, p);
	return settle(s, rc, why);
}

PGresult *link_query(struct link *s, const char *sql, const char *types, const struct params *p,
		     enum store_rc *rc, struct why *why)
{
	link_send_sql(s, sql, types, p);
	return settle(s, rc, why);
}

enum store_rc link_run(struct link *s, const char *sql, struct why *why)
{
	enum store_rc rc;

	PQclear(link_query(s, sql, "", NULL, &rc, why));
	return rc;
}

enum store_rc link_prepare(struct link *s, const struct link_statement *all, int count,
			   struct why *why)
{
	enum store_rc rc = STORE_OK;
	Oid oids[PARAMS_MAX];
	char name[16];
	int i, n;

	for (i = 0; i < count && s->conn; i++) {
		snprintf(name, sizeof name, "s%d", i);
		n = types_of(oids, all[i].types);
		if (PQsendPrepare(s->conn, name, all[i].sql, n, oids))
			s->unsettled++;
	}
	link_sync(s);
	for (i = 0; i < count && s->conn; i++)
		PQclear(link_expect(s, &rc, why));
	if (s->conn && !link_end(s, rc == STORE_OK ? why : NULL))
		rc = STORE_UNREACHABLE;
	return s->conn || rc != STORE_OK ? rc : STORE_UNREACHABLE;
}
