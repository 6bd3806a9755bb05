/*
 * Groups of changes in one transaction: its place in the order first, then what others stored
 * before it, then the changes, all in one go; the verdicts decide between COMMIT and ROLLBACK.
 */
#include "coordinator/postgres/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FULL_MAX   4
#define FREE_BYTES 1048576 /* above these a transaction has more time, 16 MiB a second */

struct batch {
	struct postgres *e;
	struct engine_item **items;
	size_t n;
	struct engine_news_list *news;
	uint64_t mark; /* of the revision that it makes */
	struct head head;
	unsigned full; /* how often there was too much that others stored */
	bool again;    /* it was rolled back, and is to be tried as it is now */
	bool singly;
};

/* ---- what is decided without the database ---- */

static bool is_leaders(enum store_change_kind kind)
{
	return kind == CHANGE_INTENT_PUT || kind == CHANGE_INTENT_DEL ||
	       kind == CHANGE_PROOF_STATE || kind == CHANGE_PROOF_RANGE;
}

static bool has_leaders(const struct change_group *g)
{
	size_t i;

	for (i = 0; i < g->n && !is_leaders(g->changes[i].kind); i++)
		;
	return i < g->n;
}

static bool has_lease(const struct change_group *g)
{
	size_t i;

	for (i = 0; i < g->n && g->changes[i].kind != CHANGE_LEASE_PUT; i++)
		;
	return i < g->n;
}

static void refuse(struct engine_item *item, enum store_rc rc, const char *sentence)
{
	item->rc = rc;
	why_set(&item->why, "%s", sentence);
}

/* Those that go no further have their verdict; the others have STORE_OK. */
static bool judge(const struct postgres *e, struct engine_item *items[], size_t n)
{
	bool any = false;
	char text[160];
	size_t i;

	for (i = 0; i < n; i++) {
		struct engine_item *item = items[i];

		if (item->rc == STORE_CONFLICT)
			continue;
		item->rc = STORE_OK;
		/* What was decided before this one led, or when it did the last time, is void. */
		if (has_leaders(item->group) && (!e->fence || item->fence != e->fence)) {
			refuse(item, STORE_NOT_LEADER, "this coordinator does not lead");
		} else if (llabs(e->skew_ms) > STORE_SKEW_MAX_MS && has_lease(item->group)) {
			snprintf(text, sizeof text,
				 "this host's clock is %lld s off the database's: no lease is "
				 "given before it is right",
				 (long long)(e->skew_ms / 1000));
			refuse(item, STORE_UNREACHABLE, text);
		}
		any = any || item->rc == STORE_OK;
	}
	return any;
}

static const char *conflict_of(enum store_change_kind kind)
{
	switch (kind) {
	case CHANGE_INPUT_PUT: return "other content is stored under this key";
	case CHANGE_PROOF_PUT: return "there is a proof with this number";
	case CHANGE_PROOF_STATE: return "there is no such proof";
	case CHANGE_FACT_PUT:
	case CHANGE_FACT_DEL:
	case CHANGE_LEASE_PUT:
	case CHANGE_LEASE_DEL:
	case CHANGE_PROVER_PUT:
	case CHANGE_PROVER_DEL: return "another coordinator changed it meanwhile";
	case CHANGE_INPUT_REPLACED:
	case CHANGE_INPUT_DEL:
	case CHANGE_PROOF_RANGE:
	case CHANGE_PROOF_DEL:
	case CHANGE_INTENT_PUT:
	case CHANGE_INTENT_DEL:
	case CHANGE_INPUT_DEL_THROUGH:
	case CHANGE_PROOF_DEL_THROUGH:
	case CHANGE_LEASE_DEL_THROUGH: break;
	}
	return NULL;
}

/* ---- the beginning ---- */

void commit_begin_send(struct postgres *e, int limit)
{
	link_send_sql(&e->main, "BEGIN", "", NULL);
	link_send(&e->main, S_HEAD_LOCK, NULL);
	head_send(e);
	follow_send(&e->main, e->seen, limit);
}

enum store_rc commit_begin_take(struct postgres *e, struct head *head, int limit, bool *full,
				struct engine_news_list *news, struct why *why)
{
	struct link *s = &e->main;
	enum store_rc rc = STORE_OK;
	uint64_t rev = e->seen;
	bool all = false;
	PGresult *r;
	int i;

	PQclear(link_expect(s, &rc, why));
	PQclear(link_expect(s, &rc, why));
	e->held_up = e->held_up || rc != STORE_OK;
	r = link_expect(s, &rc, why);
	if (r)
		head_read(head, r);
	PQclear(r);
	if (rc == STORE_OK && e->loaded && !postgres_goes_on(e, head, news)) {
		*why = e->lost;
		rc = STORE_UNREACHABLE;
	}
	if (rc == STORE_OK && head->rev != e->seen) {
		rc = follow_take(s, &rev, head->rev, limit, false, &all, news, why);
	} else {
		/* Nobody else was there, so that there is nothing to show. */
		for (i = 0; i < S_TABLES; i++)
			PQclear(link_expect(s, &rc, why));
		all = true;
	}
	*full = !all;
	if (rc == STORE_OK && all) {
		e->seen = head->rev;
		e->mark = head->mark;
	}
	return rc;
}

enum store_rc commit_end(struct postgres *e, uint64_t rev, uint64_t mark,
			 struct engine_news_list *news, struct why *why)
{
	struct link *s = &e->main;
	enum store_rc rc;
	PGresult *r;

	/* It is never cancelled from here: a COMMIT that was is there, and the standby may lack it.
	 * The server then says so with a warning. */
	s->warning[0] = '\0';
	r = link_query(s, "COMMIT", "", NULL, &rc, why);
	if (r && s->warning[0]) {
		why_set(why, "%s: whether the transaction is durable is unknown: %s", s->where,
			s->warning);
		link_close(s);
		rc = STORE_UNREACHABLE;
	} else if (r && strcmp(PQcmdStatus(r), "COMMIT") != 0) {
		why_set(why, "%s: the transaction was rolled back", s->where);
		rc = STORE_DISK;
	}
	PQclear(r);
	if (rc == STORE_OK) {
		e->seen = rev;
		e->mark = mark;
		e->loaded = true;
		postgres_stored(e, news);
	}
	return rc;
}

/* ---- the changes ---- */

static void send_group(struct batch *b, const struct engine_item *item)
{
	size_t i;

	for (i = 0; i < item->group->n; i++) {
		const struct store_change *c = &item->group->changes[i];
		struct params p = {0};

		param_u64(&p, b->e->writer);
		param_u64(&p, item->seen);
		params_of_change(&p, c);
		link_send(&b->e->main, (enum statement)c->kind, &p);
	}
}

/* The first conflict of a group is its verdict. */
static void take_group(struct batch *b, struct engine_item *item, enum store_rc *rc,
		       struct why *why)
{
	char what[160];
	size_t i;

	for (i = 0; i < item->group->n; i++) {
		const struct store_change *c = &item->group->changes[i];
		const enum store_rc before = *rc;
		PGresult *r = link_expect(&b->e->main, rc, why);

		if (!r && before == STORE_OK && b->e->main.conn) {
			change_describe(c, what, sizeof what);
			why_wrap(why, "%s", what);
		}
		if (r && item->rc == STORE_OK && conflict_of(c->kind) &&
		    strcmp(PQcmdTuples(r), "0") == 0) {
			change_describe(c, what, sizeof what);
			item->rc = STORE_CONFLICT;
			why_set(&item->why, "%s: %s", what, conflict_of(c->kind));
		}
		PQclear(r);
	}
}

/* A group of several that conflicts is undone without its neighbours. */
static enum store_rc apply_singly(struct batch *b, struct why *why)
{
	struct link *s = &b->e->main;
	enum store_rc rc = STORE_OK;
	size_t i;

	for (i = 0; rc == STORE_OK && i < b->n; i++) {
		struct engine_item *item = b->items[i];

		if (item->rc != STORE_OK)
			continue;
		link_send_sql(s, "SAVEPOINT one_group", "", NULL);
		send_group(b, item);
		link_sync(s);
		PQclear(link_expect(s, &rc, why));
		take_group(b, item, &rc, why);
		if (s->conn && !link_end(s, rc == STORE_OK ? why : NULL))
			rc = STORE_UNREACHABLE;
		if (rc == STORE_OK)
			rc = link_run(s,
				      item->rc == STORE_OK ? "RELEASE SAVEPOINT one_group"
							   : "ROLLBACK TO SAVEPOINT one_group",
				      why);
	}
	return rc;
}

/* False: another leads by now, and it was said. */
static bool still_leads(struct batch *b)
{
	if (!b->e->fence || b->head.fence == b->e->fence)
		return true;
	leader_lost(b->e, b->news);
	return false;
}

/* After all answers: may what was done stay? */
static bool may_stay(struct batch *b)
{
	bool any = false;
	size_t i;

	if (!still_leads(b)) {
		b->again = true;
		return false;
	}
	for (i = 0; i < b->n; i++) {
		any = any || b->items[i]->rc == STORE_OK;
		/* Half of it may be done. */
		if (b->items[i]->rc == STORE_CONFLICT && b->items[i]->group->n > 1 && !b->singly)
			b->again = true;
	}
	b->singly = b->singly || b->again;
	return any && !b->again;
}

/* Outside first: who reads much while all others wait is one that may be stopped there. */
static int head_rows(const struct batch *b)
{
	return HEAD_ROWS << 2 * b->full;
}

static void send_all(struct batch *b)
{
	struct params p = {0};
	size_t i;

	param_u64(&p, b->mark);
	commit_begin_send(b->e, head_rows(b));
	link_send(&b->e->main, S_HEAD_NEXT, &p);
	for (i = 0; !b->singly && i < b->n; i++)
		if (b->items[i]->rc == STORE_OK)
			send_group(b, b->items[i]);
	link_sync(&b->e->main);
}

static enum store_rc catch_up(struct batch *b, struct why *why)
{
	if (b->full == FULL_MAX) {
		why_set(why, "%s: others store faster than this coordinator reads",
			b->e->main.where);
		return STORE_UNREACHABLE;
	}
	b->full++;
	b->again = true;
	return follow(b->e, b->news, why);
}

static enum store_rc transact(struct batch *b, uint64_t *ns, struct why *why)
{
	struct link *s = &b->e->main;
	uint64_t start;
	enum store_rc rc;
	bool full = false;
	size_t i;

	send_all(b);
	rc = commit_begin_take(b->e, &b->head, head_rows(b), &full, b->news, why);
	PQclear(link_expect(s, &rc, why));
	for (i = 0; !b->singly && i < b->n; i++)
		if (b->items[i]->rc == STORE_OK)
			take_group(b, b->items[i], &rc, why);
	if (s->conn && !link_end(s, rc == STORE_OK ? why : NULL))
		rc = STORE_UNREACHABLE;
	if (rc == STORE_OK && b->singly && !full && still_leads(b))
		rc = apply_singly(b, why);
	if (rc == STORE_OK && !full && may_stay(b)) {
		start = uv_hrtime();
		rc = commit_end(b->e, b->head.rev + 1, b->mark, b->news, why);
		*ns += uv_hrtime() - start;
		return rc;
	}
	if (s->conn)
		link_run(s, "ROLLBACK", NULL);
	if (rc == STORE_OK && full && s->conn)
		rc = catch_up(b, why);
	return rc;
}

/* ---- portions ---- */

static unsigned time_for(struct engine_item *items[], size_t n)
{
	size_t i, bytes = 0;

	for (i = 0; i < n; i++)
		bytes += items[i]->group->bytes;
	bytes = bytes > FREE_BYTES ? (bytes - FREE_BYTES) >> 14 : 0;
	return bytes < HOLD_MAX_MS - RUN_MS ? RUN_MS + (unsigned)bytes : HOLD_MAX_MS;
}

static enum store_rc commit_portion(struct postgres *e, struct engine_item *items[], size_t n,
				    struct engine_news_list *news, uint64_t *ns, struct why *why)
{
	struct batch b = {.e = e, .items = items, .n = n, .news = news};
	enum store_rc rc = STORE_OK;
	size_t i;

	for (i = 0; i < n; i++)
		refuse(items[i], STORE_OK, "");
	if (postgres_in_vain(e, why) || !postgres_reach(e, news, why))
		return STORE_UNREACHABLE;
	do {
		link_deadline(&e->main, time_for(items, n));
		b.again = false;
		/* Only what stays refused keeps its verdict: a conflict may be undone. */
		for (i = 0; i < n; i++)
			if (items[i]->rc == STORE_CONFLICT)
				refuse(items[i], STORE_OK, "");
		if (!judge(e, items, n))
			return STORE_OK;
		b.mark = postgres_random();
		rc = transact(&b, ns, why);
	} while (rc == STORE_OK && b.again);
	return postgres_check(e, news, rc, why);
}

static size_t portion(struct engine_item *items[], size_t n)
{
	size_t bytes = 0, i;

	for (i = 0; i < n; i++) {
		bytes += items[i]->group->bytes;
		if (i && bytes > TRANSACTION_MAX)
			break;
	}
	return i;
}

enum store_rc commit_groups(struct engine *engine, struct engine_item *items[], size_t n,
			    struct engine_news_list *news, uint64_t *ns, struct why *why)
{
	struct postgres *e = postgres_of(engine);
	enum store_rc rc = STORE_OK;
	size_t done, take;

	*ns = 0;
	uv_mutex_lock(&e->mutex);
	postgres_late(e, news);
	for (done = 0; rc == STORE_OK && done < n; done += take) {
		take = portion(items + done, n - done);
		rc = commit_portion(e, items + done, take, news, ns, why);
		/* What is stored is stored; the rest has this verdict. */
		if (rc != STORE_OK && done) {
			for (; done < n; done++)
				refuse(items[done], rc, why->text);
			rc = STORE_OK;
			break;
		}
	}
	uv_mutex_unlock(&e->mutex);
	return rc;
}
