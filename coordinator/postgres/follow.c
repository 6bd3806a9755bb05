/* The rows since a revision: all of them at the start, later what others stored. */
#include "coordinator/postgres/internal.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOAD_MS 30000 /* for a page, at the start */

void head_read(struct head *out, const PGresult *r)
{
	out->there = PQntuples(r) == 1;
	out->rev = cell_u64(r, 0, 0);
	out->mark = cell_u64(r, 0, 1);
	out->fence = cell_u64(r, 0, 2);
	out->trimmed = cell_u64(r, 0, 3);
	out->identity = cell_u64(r, 0, 4);
	out->has_past = !PQgetisnull(r, 0, 5);
	out->past = cell_u64(r, 0, 5);
}

void head_send(struct postgres *e)
{
	struct params p = {0};

	param_u64(&p, e->seen);
	link_send(&e->main, S_HEAD, &p);
}

enum store_rc head_ask(struct postgres *e, struct head *head, struct why *why)
{
	struct params p = {0};
	enum store_rc rc;
	PGresult *r;

	param_u64(&p, e->seen);
	r = link_ask(&e->main, S_HEAD, &p, &rc, why);
	if (r)
		head_read(head, r);
	PQclear(r);
	return rc;
}

/* ---- what others stored ---- */

void follow_send(struct link *s, uint64_t rev, int limit)
{
	struct params p = {0};
	int i;

	param_u64(&p, rev);
	param_int(&p, limit);
	for (i = 0; i < S_TABLES; i++)
		link_send(s, S_SINCE_FACT + i, &p);
}

struct row {
	uint64_t rev;
	int rank; /* what was deleted comes first: it may have been put again */
	size_t at;
	struct store_change change;
};

static int compare_rows(const void *left, const void *right)
{
	const struct row *a = left, *b = right;

	if (a->rev != b->rev)
		return a->rev < b->rev ? -1 : 1;
	if (a->rank != b->rank)
		return a->rank - b->rank;
	return a->at < b->at ? -1 : a->at > b->at;
}

/* Up to where nothing is missing although some pages are full. */
static uint64_t horizon_of(PGresult *const tables[S_TABLES], uint64_t head, int limit)
{
	uint64_t last;
	int i, n;

	for (i = 0; i < S_TABLES; i++) {
		n = PQntuples(tables[i]);
		if (n < limit)
			continue;
		last = cell_u64(tables[i], n - 1, 0) - 1;
		if (last < head)
			head = last;
	}
	return head;
}

static enum store_rc out_of_memory(struct why *why)
{
	why_set(why, "out of memory for the rows of others");
	return STORE_NO_MEMORY;
}

/* The rows up to rev, in order, as one piece of news. */
static enum store_rc show(const struct link *s, PGresult *const tables[S_TABLES], uint64_t rev,
			  struct engine_news_list *news, struct why *why)
{
	enum store_rc rc = STORE_NO_MEMORY;
	struct change_group *group = NULL;
	struct store_change *changes = NULL;
	struct row *rows = NULL;
	size_t n = 0, max = 0, k;
	int i, j;

	for (i = 0; i < S_TABLES; i++)
		max += (size_t)PQntuples(tables[i]);
	rows = calloc(max + 1, sizeof *rows);
	changes = calloc(max + 1, sizeof *changes);
	if (!rows || !changes)
		goto out;
	for (i = 0; i < S_TABLES; i++)
		for (j = 0; j < PQntuples(tables[i]); j++) {
			struct row *row = &rows[n];

			if (!row_read(&row->rev, &row->change, tables[i], j, i)) {
				why_set(why, "%s: a row of table %d has a column of a wrong size",
					s->where, i);
				rc = STORE_CORRUPT;
				goto out;
			}
			row->rank = i == S_SINCE_GONE - S_SINCE_FACT ? -1 : i;
			row->at = n;
			n += row->rev <= rev;
		}
	if (n)
		qsort(rows, n, sizeof *rows, compare_rows);
	for (k = 0; k < n; k++)
		changes[k] = rows[k].change;
	if (n)
		group = change_group_new(changes, n);
	if ((!n || group) && engine_news_add(news, NEWS_FOREIGN, group, rev, "")) {
		group = NULL;
		rc = STORE_OK;
	}
out:
	if (rc == STORE_NO_MEMORY)
		out_of_memory(why);
	free(group);
	free(changes);
	free(rows);
	return rc;
}

enum store_rc follow_take(struct link *s, uint64_t *rev, uint64_t head, int limit, bool parts,
			  bool *all, struct engine_news_list *news, struct why *why)
{
	PGresult *tables[S_TABLES];
	enum store_rc rc = STORE_OK;
	uint64_t to = *rev;
	int i;

	*all = false;
	for (i = 0; i < S_TABLES; i++)
		tables[i] = link_expect(s, &rc, why);
	if (rc == STORE_OK) {
		to = horizon_of(tables, head, limit);
		*all = to == head;
	}
	/* One revision may be longer than a page: then nothing can be shown of it yet. */
	if (rc == STORE_OK && (*all || (parts && to > *rev)))
		rc = show(s, tables, to, news, why);
	if (rc == STORE_OK && to > *rev)
		*rev = to;
	for (i = 0; i < S_TABLES; i++)
		PQclear(tables[i]);
	return rc;
}

static enum store_rc follow_pages(struct link *s, uint64_t rev, uint64_t head,
				  struct engine_news_list *news, struct why *why)
{
	enum store_rc rc = STORE_OK;
	int limit = PAGE_ROWS;
	bool all = false;
	uint64_t before;

	while (rc == STORE_OK && !all) {
		before = rev;
		link_deadline(s, RUN_MS);
		follow_send(s, rev, limit);
		link_sync(s);
		rc = follow_take(s, &rev, head, limit, true, &all, news, why);
		if (s->conn && !link_end(s, rc == STORE_OK ? why : NULL))
			rc = STORE_UNREACHABLE;
		if (rev == before && limit < INT_MAX / 2)
			limit *= 2;
	}
	return rc;
}

/* One snapshot for the head, the past and all tables. */
static enum store_rc look(struct postgres *e, struct head *head, struct why *why)
{
	enum store_rc rc =
	    link_run(&e->main, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", why);

	return rc == STORE_OK ? head_ask(e, head, why) : rc;
}

static enum store_rc let_go(struct link *s, enum store_rc rc, struct why *why)
{
	enum store_rc last = STORE_UNREACHABLE;

	if (s->conn)
		last = link_run(s, "COMMIT", rc == STORE_OK ? why : NULL);
	return rc == STORE_OK ? last : rc;
}

enum store_rc follow(struct postgres *e, struct engine_news_list *news, struct why *why)
{
	struct head head = {0};
	enum store_rc rc = look(e, &head, why);

	if (rc == STORE_OK && e->loaded && !postgres_goes_on(e, &head, news)) {
		*why = e->lost;
		return STORE_UNREACHABLE;
	}
	if (rc == STORE_OK)
		rc = follow_pages(&e->main, e->seen, head.rev, news, why);
	if (rc == STORE_OK) {
		e->seen = head.rev;
		e->mark = head.mark;
	}
	return let_go(&e->main, rc, why);
}

/* ---- loading ---- */

static bool visit(const struct store_visitor *v, void *arg, const struct store_change *c,
		  struct why *why)
{
	switch (c->kind) {
	case CHANGE_FACT_PUT: return v->fact(arg, &c->fact, why);
	case CHANGE_INPUT_PUT: return v->input(arg, &c->input, why);
	case CHANGE_PROOF_PUT: return v->proof(arg, &c->proof, why);
	case CHANGE_LEASE_PUT: return v->lease(arg, &c->lease, why);
	case CHANGE_PROVER_PUT: return v->prover(arg, &c->prover, why);
	case CHANGE_INTENT_PUT: return v->intent(arg, &c->intent, why);
	default: return true;
	}
}

static enum store_rc visit_page(const struct link *s, const PGresult *r, int table,
				const struct store_visitor *v, void *arg, struct why *why)
{
	struct store_change c;
	uint64_t rev;
	int i;

	for (i = 0; i < PQntuples(r); i++) {
		if (!row_read(&rev, &c, r, i, table)) {
			why_set(why, "%s: a row has a column of a wrong size", s->where);
			return STORE_CORRUPT;
		}
		if (!visit(v, arg, &c, why))
			return STORE_CONFLICT;
	}
	return STORE_OK;
}

static enum store_rc visit_table(struct link *s, int table, const struct store_visitor *v,
				 void *arg, struct why *why)
{
	const char *since = statements[S_SINCE_FACT + table].sql;
	const int select = (int)(strstr(since, " WHERE ") - since);
	const bool by_id =
	    table + S_SINCE_FACT == S_SINCE_PROOF || table + S_SINCE_FACT == S_SINCE_INTENT;
	enum store_rc rc;
	char sql[600];
	PGresult *r;
	int n;

	snprintf(sql, sizeof sql, "DECLARE page NO SCROLL CURSOR FOR %.*s%s", select, since,
		 by_id ? " ORDER BY id" : "");
	rc = link_run(s, sql, why);
	snprintf(sql, sizeof sql, "FETCH %d FROM page", PAGE_ROWS);
	for (n = PAGE_ROWS; rc == STORE_OK && n == PAGE_ROWS;) {
		link_deadline(s, LOAD_MS);
		r = link_query(s, sql, "", NULL, &rc, why);
		if (!r)
			break;
		n = PQntuples(r);
		rc = visit_page(s, r, table, v, arg, why);
		PQclear(r);
	}
	return rc == STORE_OK ? link_run(s, "CLOSE page", why) : rc;
}

static enum store_rc load(struct postgres *e, const struct store_visitor *v, void *arg,
			  struct why *why)
{
	const bool wanted[] = {v->fact, v->input, v->proof, v->lease, v->prover, v->intent};
	struct link *s = &e->main;
	struct head head = {0};
	enum store_rc rc;
	size_t i;

	link_deadline(s, LOAD_MS);
	rc = look(e, &head, why);
	if (rc == STORE_OK)
		rc = link_run(s,
			      "SELECT set_config('statement_timeout', '30s', true),"
			      " set_config('idle_in_transaction_session_timeout', '600s', true)",
			      why);
	for (i = 0; rc == STORE_OK && i < sizeof wanted / sizeof *wanted; i++)
		if (wanted[i])
			rc = visit_table(s, (int)i, v, arg, why);
	rc = let_go(s, rc, why);
	if (rc == STORE_OK) {
		e->seen = head.rev;
		e->mark = head.mark;
		e->loaded = true;
	}
	return rc;
}

enum store_rc follow_load(struct engine *engine, const struct store_visitor *v, void *arg,
			  struct why *why)
{
	struct postgres *e = postgres_of(engine);
	enum store_rc rc = STORE_UNREACHABLE;

	uv_mutex_lock(&e->mutex);
	if (postgres_reach(e, &e->late, why)) {
		rc = load(e, v, arg, why);
		postgres_check(e, &e->late, rc, why);
	}
	uv_mutex_unlock(&e->mutex);
	return rc;
}

/* Somebody took it away by hand: it is shown as gone, so that it is made again. */
static void forget_proof(struct postgres *e, uint64_t id)
{
	const struct store_change gone = {.kind = CHANGE_PROOF_DEL, .proof.id = id};
	struct change_group *group = change_group_new(&gone, 1);

	uv_mutex_lock(&e->mutex);
	if (group && !engine_news_add(&e->late, NEWS_FOREIGN, group, e->seen, ""))
		free(group);
	uv_mutex_unlock(&e->mutex);
}

enum store_rc follow_read_proof(struct engine *engine, uint64_t id, struct change_group **out,
				struct why *why)
{
	struct store_change c = {.kind = CHANGE_PROOF_PUT};
	struct postgres *e = postgres_of(engine);
	enum store_rc rc = STORE_UNREACHABLE;
	struct params p = {0};
	PGresult *r = NULL;

	*out = NULL;
	param_u64(&p, id);
	uv_mutex_lock(&e->mutex);
	if (!postgres_in_vain(e, why) && postgres_reach(e, &e->late, why)) {
		r = link_ask(&e->main, S_PROOF, &p, &rc, why);
		rc = postgres_check(e, &e->late, rc, why);
	}
	uv_mutex_unlock(&e->mutex);
	if (!r)
		return rc;
	if (PQntuples(r) == 0) {
		why_set(why, "there is no proof %" PRIu64, id);
		rc = STORE_NOT_FOUND;
		forget_proof(e, id);
	} else if (!row_read_proof(&c.proof, r)) {
		why_set(why, "proof %" PRIu64 " has a signer of a wrong size", id);
		rc = STORE_CORRUPT;
	} else {
		*out = change_group_new(&c, 1);
		if (!*out)
			rc = out_of_memory(why);
	}
	PQclear(r);
	return rc;
}
