/*
 * shared_db.h -- a database that several stores of one program share, in memory: all groups in one
 * order, what others wrote shown before the answers, conflicts as store.h has them. For the rooms
 * above the store.
 */
#ifndef TESTS_SHARED_DB_H
#define TESTS_SHARED_DB_H

#include "coordinator/base/file.h"
#include "coordinator/store/engine.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define SHARED_LOG_MAX 4096
#define SHARED_SIDES   4

struct shared_db {
	uv_mutex_t mutex;
	struct {
		struct change_group *group;
		unsigned writer;
	} log[SHARED_LOG_MAX];
	size_t n;
	char dir[64];        /* the inputs */
	enum store_rc fault; /* of all commits; STORE_OK: none */
	enum input_rc fetch_fault, share_fault;
	unsigned fetches, shares;
	bool hold;        /* commits wait */
	bool quiet;       /* what others stored is shown with answers only */
	bool away;        /* it cannot be reached, and stores are told so */
	bool hold_inputs; /* what goes there or comes from there waits */
	uv_cond_t changed;
	int64_t skew_ms;
	int leader; /* a slot; -1: nobody */
	unsigned turns[SHARED_SIDES];
	bool holds[SHARED_SIDES]; /* a commit */
	unsigned held_jobs;       /* of the pool */
};

struct shared_engine {
	struct engine engine;
	struct shared_db *db;
	size_t seen;
	bool leads, away; /* and the store was told so */
};

static inline void shared_db_init(struct shared_db *db)
{
	memset(db, 0, sizeof *db);
	db->leader = -1;
	uv_mutex_init(&db->mutex);
	uv_cond_init(&db->changed);
	strcpy(db->dir, "/tmp/test_shared.XXXXXX");
	assert_non_null(mkdtemp(db->dir));
}

static inline void shared_db_free(struct shared_db *db)
{
	char command[128];
	size_t i;

	for (i = 0; i < db->n; i++)
		free(db->log[i].group);
	uv_cond_destroy(&db->changed);
	uv_mutex_destroy(&db->mutex);
	snprintf(command, sizeof command, "rm -rf %s", db->dir);
	assert_int_equal(system(command), 0);
}

static inline void shared_set(struct shared_db *db, enum store_rc fault, bool hold)
{
	uv_mutex_lock(&db->mutex);
	db->fault = fault;
	db->hold = hold;
	uv_cond_broadcast(&db->changed);
	uv_mutex_unlock(&db->mutex);
}

static inline void shared_go(struct shared_db *db, bool away)
{
	uv_mutex_lock(&db->mutex);
	db->away = away;
	uv_mutex_unlock(&db->mutex);
}

/* Of fetches, or of shares. */
static inline unsigned shared_number(struct shared_db *db, const unsigned *which)
{
	unsigned n;

	uv_mutex_lock(&db->mutex);
	n = *which;
	uv_mutex_unlock(&db->mutex);
	return n;
}

static inline void shared_lead(struct shared_db *db, int slot)
{
	uv_mutex_lock(&db->mutex);
	db->leader = slot;
	uv_mutex_unlock(&db->mutex);
}

static inline void shared_hold_inputs(struct shared_db *db, bool hold)
{
	uv_mutex_lock(&db->mutex);
	db->hold_inputs = hold;
	uv_cond_broadcast(&db->changed);
	uv_mutex_unlock(&db->mutex);
}

/* How many changes of a kind are durable. */
static inline unsigned shared_count(struct shared_db *db, enum store_change_kind kind)
{
	unsigned n = 0;
	size_t i, j;

	uv_mutex_lock(&db->mutex);
	for (i = 0; i < db->n; i++)
		for (j = 0; j < db->log[i].group->n; j++)
			n += db->log[i].group->changes[j].kind == kind;
	uv_mutex_unlock(&db->mutex);
	return n;
}

/* What has happened so far, and how often each side has looked. */
struct shared_look {
	size_t n;
	unsigned fetches, shares, held_jobs;
	bool holds[SHARED_SIDES];
	unsigned turns[SHARED_SIDES];
};

static inline struct shared_look shared_look(struct shared_db *db)
{
	struct shared_look out;

	memset(&out, 0, sizeof out);
	uv_mutex_lock(&db->mutex);
	out.n = db->n;
	out.fetches = db->fetches;
	out.shares = db->shares;
	out.held_jobs = db->held_jobs;
	memcpy(out.holds, db->holds, sizeof out.holds);
	memcpy(out.turns, db->turns, sizeof out.turns);
	uv_mutex_unlock(&db->mutex);
	return out;
}

/* ---- the engine ---- */

static inline const struct store_change *shared_proof(const struct shared_db *db, uint64_t id)
{
	size_t i, j;

	for (i = 0; i < db->n; i++)
		for (j = 0; j < db->log[i].group->n; j++)
			if (db->log[i].group->changes[j].kind == CHANGE_PROOF_PUT &&
			    db->log[i].group->changes[j].proof.id == id)
				return &db->log[i].group->changes[j];
	return NULL;
}

/* As rows: a replaced input is shown as one, a state as the proof that it made. */
static inline void shared_show(struct shared_engine *e, struct engine_news_list *news)
{
	struct store_change rows[64];
	size_t i, n;

	for (; e->seen < e->db->n; e->seen++) {
		const struct change_group *g = e->db->log[e->seen].group;

		if (e->db->log[e->seen].writer == e->engine.slot)
			continue;
		for (i = n = 0; i < g->n; i++) {
			const struct store_proof_state *s = &g->changes[i].proof_state;

			if (g->changes[i].kind == CHANGE_PROOF_RANGE)
				continue;
			rows[n] = g->changes[i];
			if (rows[n].kind == CHANGE_PROOF_STATE) {
				rows[n] = *shared_proof(e->db, s->id);
				rows[n].proof.state = s->state;
				rows[n].proof.has_signer = s->has_signer;
				memcpy(rows[n].proof.signer, s->signer, 20);
				rows[n].proof.reason = s->reason;
				rows[n].proof.judged_ms = s->judged_ms;
			}
			if (rows[n].kind == CHANGE_INPUT_REPLACED)
				rows[n].kind = CHANGE_INPUT_PUT;
			n++;
		}
		if (n)
			engine_news_add(news, NEWS_FOREIGN, change_group_new(rows, n), e->seen + 1,
					"");
	}
}

static inline bool shared_same_lease(const struct store_change *a, const struct store_change *b)
{
	return (a->kind == CHANGE_LEASE_PUT || a->kind == CHANGE_LEASE_DEL) &&
	       (b->kind == CHANGE_LEASE_PUT || b->kind == CHANGE_LEASE_DEL) &&
	       a->lease.batch == b->lease.batch && a->lease.prover_type == b->lease.prover_type;
}

static inline bool shared_lease_conflicts(const struct shared_engine *e,
					  const struct engine_item *item,
					  const struct store_change *c)
{
	size_t i, j;

	for (i = item->seen; i < e->db->n; i++)
		for (j = 0; j < e->db->log[i].group->n; j++)
			if (e->db->log[i].writer != e->engine.slot &&
			    shared_same_lease(c, &e->db->log[i].group->changes[j]))
				return true;
	return false;
}

static inline void shared_follow_input(const struct store_change *c, const struct store_input *of,
				       uint8_t counts[32], bool *any)
{
	if (c->kind == CHANGE_INPUT_DEL_THROUGH && of->batch <= c->through)
		*any = false;
	if ((c->kind != CHANGE_INPUT_PUT && c->kind != CHANGE_INPUT_REPLACED &&
	     c->kind != CHANGE_INPUT_DEL) ||
	    c->input.batch != of->batch || !span_eq(c->input.commit_hash, of->commit_hash))
		return;
	if (c->kind == CHANGE_INPUT_PUT) {
		memcpy(counts, c->input.sha256, 32);
		*any = true;
	} else if (*any && memcmp(counts, c->input.sha256, 32) == 0) {
		*any = false;
	}
}

static inline bool shared_input_conflicts(const struct shared_engine *e,
					  const struct change_group *g, size_t at)
{
	const struct store_input *row = &g->changes[at].input;
	uint8_t counts[32];
	bool any = false;
	size_t i, j;

	for (i = 0; i < e->db->n; i++)
		for (j = 0; j < e->db->log[i].group->n; j++)
			shared_follow_input(&e->db->log[i].group->changes[j], row, counts, &any);
	for (j = 0; j < at; j++)
		shared_follow_input(&g->changes[j], row, counts, &any);
	return any && memcmp(counts, row->sha256, 32) != 0;
}

static inline enum store_rc shared_verdict(const struct shared_engine *e,
					   const struct engine_item *item)
{
	const struct change_group *g = item->group;
	size_t i;

	for (i = 0; i < g->n; i++) {
		const struct store_change *c = &g->changes[i];

		if ((c->kind == CHANGE_PROOF_STATE || c->kind == CHANGE_PROOF_RANGE) &&
		    e->db->leader != (int)e->engine.slot)
			return STORE_NOT_LEADER;
		if ((c->kind == CHANGE_LEASE_PUT || c->kind == CHANGE_LEASE_DEL) &&
		    shared_lease_conflicts(e, item, c))
			return STORE_CONFLICT;
		if (c->kind == CHANGE_INPUT_PUT && shared_input_conflicts(e, g, i))
			return STORE_CONFLICT;
	}
	return STORE_OK;
}

static inline enum store_rc shared_commit(struct engine *engine, struct engine_item *items[],
					  size_t n, struct engine_news_list *news, uint64_t *ns,
					  struct why *why)
{
	struct shared_engine *e = (struct shared_engine *)engine;
	struct shared_db *db = e->db;
	enum store_rc rc;
	size_t i;

	*ns = 1;
	uv_mutex_lock(&db->mutex);
	db->holds[engine->slot] = db->hold;
	while (db->hold)
		uv_cond_wait(&db->changed, &db->mutex);
	db->holds[engine->slot] = false;
	rc = db->away ? STORE_UNREACHABLE : db->fault;
	if (rc == STORE_OK) {
		shared_show(e, news);
		for (i = 0; i < n; i++) {
			items[i]->rc = shared_verdict(e, items[i]);
			why_set(&items[i]->why, "%s", store_rc_text(items[i]->rc));
			if (items[i]->rc != STORE_OK)
				continue;
			assert_true(db->n < SHARED_LOG_MAX);
			db->log[db->n].writer = engine->slot;
			db->log[db->n++].group =
			    change_group_new(items[i]->group->changes, items[i]->group->n);
		}
	} else {
		why_set(why, "%s", store_rc_text(rc));
	}
	uv_mutex_unlock(&db->mutex);
	return rc;
}

static inline void shared_turn(struct engine *engine, struct engine_news_list *news)
{
	struct shared_engine *e = (struct shared_engine *)engine;

	bool leads;

	uv_mutex_lock(&e->db->mutex);
	e->db->turns[engine->slot]++;
	leads = e->db->leader == (int)engine->slot && !e->db->away;
	if (e->db->away != e->away)
		engine_news_add(news, e->db->away ? NEWS_LOST : NEWS_BACK, NULL, 0,
				e->db->away ? "10.1.2.3 does not answer" : "");
	e->away = e->db->away;
	if (e->db->fault == STORE_OK && !e->db->hold && !e->db->quiet && !e->db->away)
		shared_show(e, news);
	if (leads != e->leads)
		engine_news_add(news, leads ? NEWS_LEADS : NEWS_LEADS_NOT, NULL, 1, "");
	e->leads = leads;
	uv_mutex_unlock(&e->db->mutex);
}

static inline enum store_rc shared_load(struct engine *e, const struct store_visitor *visitor,
					void *arg, struct why *why)
{
	(void)e, (void)visitor, (void)arg, (void)why;
	return STORE_OK;
}

static inline enum store_rc shared_read(struct engine *engine, uint64_t id,
					struct change_group **out, struct why *why)
{
	struct shared_engine *e = (struct shared_engine *)engine;
	const struct store_change *put;

	uv_mutex_lock(&e->db->mutex);
	if (e->db->away) {
		uv_mutex_unlock(&e->db->mutex);
		why_set(why, "10.1.2.3 does not answer");
		return STORE_UNREACHABLE;
	}
	put = shared_proof(e->db, id);
	*out = put ? change_group_new(put, 1) : NULL;
	uv_mutex_unlock(&e->db->mutex);
	why_set(why, "no such proof");
	return *out ? STORE_OK : STORE_NOT_FOUND;
}

static inline bool shared_tidy(struct engine *e)
{
	(void)e;
	return false;
}

static inline void shared_close(struct engine *e)
{
	free(e);
}

static inline size_t shared_instances(struct engine *engine, struct store_instance *out, size_t max)
{
	struct shared_engine *e = (struct shared_engine *)engine;

	if (max)
		out[0] = (struct store_instance){
		    .slot = engine->slot, .is_this = true, .skew_ms = e->db->skew_ms};
	return 1;
}

static inline enum input_rc shared_copy(const char *from, const char *to, const uint8_t sha256[32],
					struct why *why)
{
	char command[400], hex[65];
	size_t i;

	for (i = 0; i < 32; i++)
		snprintf(hex + 2 * i, 3, "%02x", sha256[i]);
	snprintf(command, sizeof command, "mkdir -p %s/inputs && cp %s/inputs/%s %s/inputs/%s.tmp",
		 to, from, hex, to, hex);
	if (system(command)) {
		why_set(why, "chunks are missing");
		return INPUT_BROKEN;
	}
	snprintf(command, sizeof command, "mv %s/inputs/%s.tmp %s/inputs/%s", to, hex, to, hex);
	return system(command) ? INPUT_IO : INPUT_OK;
}

/* Under the mutex. */
static inline void shared_job_waits(struct shared_db *db)
{
	db->held_jobs++;
	while (db->hold_inputs)
		uv_cond_wait(&db->changed, &db->mutex);
	db->held_jobs--;
}

static inline enum input_rc shared_share(struct engine *engine, const char *dir,
					 const uint8_t sha256[32], uint64_t size, struct why *why)
{
	struct shared_engine *e = (struct shared_engine *)engine;

	(void)size;
	uv_mutex_lock(&e->db->mutex);
	e->db->shares++;
	shared_job_waits(e->db);
	uv_mutex_unlock(&e->db->mutex);
	why_set(why, "the database cannot be reached");
	return e->db->share_fault ? e->db->share_fault : shared_copy(dir, e->db->dir, sha256, why);
}

static inline enum input_rc shared_fetch(struct engine *engine, const char *dir,
					 const uint8_t sha256[32], uint64_t size, struct why *why)
{
	struct shared_engine *e = (struct shared_engine *)engine;

	(void)size;
	uv_mutex_lock(&e->db->mutex);
	e->db->fetches++;
	shared_job_waits(e->db);
	uv_mutex_unlock(&e->db->mutex);
	why_set(why, "the database cannot be reached");
	return e->db->fetch_fault ? e->db->fetch_fault : shared_copy(e->db->dir, dir, sha256, why);
}

/* The store's from then on. */
static inline struct engine *shared_engine(struct shared_db *db, unsigned slot)
{
	static const struct engine_ops ops = {.load = shared_load,
					      .read_proof = shared_read,
					      .commit = shared_commit,
					      .tidy = shared_tidy,
					      .close = shared_close,
					      .turn = shared_turn,
					      .turn_ms = 5,
					      .instances = shared_instances,
					      .share_input = shared_share,
					      .fetch_input = shared_fetch};
	struct shared_engine *e = calloc(1, sizeof *e);

	assert_non_null(e);
	assert_true(slot < SHARED_SIDES);
	e->engine.ops = &ops;
	e->engine.slot = slot;
	e->db = db;
	return &e->engine;
}

#endif
