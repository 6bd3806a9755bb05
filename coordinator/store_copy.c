#include "coordinator/store_copy.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "coordinator/store/input_file.h"

#define GROUP_ROWS  256
#define GROUP_BYTES (1u << 20)
#define LEAD_MS     15000 /* a former session of a coordinator may hold the lead for 6 s */

const char *const store_table_names[STORE_TABLES] = {
    [STORE_FACTS] = "facts",   [STORE_INPUTS] = "inputs",   [STORE_PROOFS] = "proofs",
    [STORE_LEASES] = "leases", [STORE_PROVERS] = "provers", [STORE_INTENTS] = "intents",
};

/* ---- a copy that is not whole ---- */

#define UNFINISHED_FACT "unfinished_copy" /* is there from the first row to the last */

bool store_copy_mark(const struct store_fact *row, struct why *why)
{
	if (!span_eq(row->key, span_of(UNFINISHED_FACT, strlen(UNFINISHED_FACT))))
		return false;
	why_set(why, "what was copied into this store is not all: the copy failed or was killed. "
		     "Make the database, or the directory, anew and copy again");
	return true;
}

static bool see_mark(void *arg, const struct store_fact *row, struct why *why)
{
	(void)arg;
	return !store_copy_mark(row, why);
}

enum store_rc store_copy_whole(struct engine *e, struct why *why)
{
	static const struct store_visitor visitor = {.fact = see_mark};

	return e->ops->load(e, &visitor, NULL, why);
}

/* ---- counting ---- */

static bool count(uint64_t *counts, enum store_table table)
{
	counts[table]++;
	return true;
}

static bool count_fact(void *arg, const struct store_fact *row, struct why *why)
{
	(void)row;
	(void)why;
	return count(arg, STORE_FACTS);
}

static bool count_input(void *arg, const struct store_input *row, struct why *why)
{
	(void)row;
	(void)why;
	return count(arg, STORE_INPUTS);
}

static bool count_proof(void *arg, const struct store_proof *row, struct why *why)
{
	(void)row;
	(void)why;
	return count(arg, STORE_PROOFS);
}

static bool count_lease(void *arg, const struct store_lease *row, struct why *why)
{
	(void)row;
	(void)why;
	return count(arg, STORE_LEASES);
}

static bool count_prover(void *arg, const struct store_prover *row, struct why *why)
{
	(void)row;
	(void)why;
	return count(arg, STORE_PROVERS);
}

static bool count_intent(void *arg, const struct store_intent *row, struct why *why)
{
	(void)row;
	(void)why;
	return count(arg, STORE_INTENTS);
}

enum store_rc store_count(uint64_t out[STORE_TABLES], struct engine *e, struct why *why)
{
	static const struct store_visitor counter = {.fact = count_fact,
						     .input = count_input,
						     .proof = count_proof,
						     .lease = count_lease,
						     .prover = count_prover,
						     .intent = count_intent};

	memset(out, 0, STORE_TABLES * sizeof *out);
	return e->ops->load(e, &counter, out, why);
}

/* ---- the target ---- */

struct copy {
	const struct store_end *from, *to;
	struct store_copied *out;
	uint64_t seen;  /* of the target's revisions */
	uint64_t fence; /* 0: another leads */
	bool replaced;  /* this pass takes the inputs that were replaced, or all the rest */
	struct buf group;
	size_t bytes;
	uint64_t *long_proofs; /* their ids: their blobs are read one by one */
	size_t n_long, max_long;
	enum store_rc rc;
};

static void take_news(struct copy *c, struct engine_news *news)
{
	struct engine_news *next;

	for (; news; news = next) {
		next = news->next;
		if (news->kind == NEWS_FOREIGN)
			c->seen = news->rev;
		if (news->kind == NEWS_LEADS || news->kind == NEWS_LEADS_NOT)
			c->fence = news->fence;
		free(news->changes);
		free(news);
	}
}

/* Some rows are the leader's to store. */
static bool lead(struct copy *c, struct why *why)
{
	const struct engine_ops *ops = c->to->engine->ops;
	const uint64_t until = uv_hrtime() + LEAD_MS * UINT64_C(1000000);
	struct engine_news_list news;

	if (!ops->turn_ms)
		return true;
	do {
		engine_news_list_init(&news);
		ops->turn(c->to->engine, &news);
		take_news(c, news.first);
		if (c->fence)
			return true;
		uv_sleep(ops->turn_ms);
	} while (uv_hrtime() < until);
	why_set(why, "another coordinator leads on the target: stop it first");
	return false;
}

static enum store_rc commit(struct copy *c, const struct store_change *changes, size_t n,
			    struct why *why)
{
	struct change_group *g = change_group_new(changes, n);
	struct engine_item item = {.group = g}, *items[] = {&item};
	struct engine_news_list news;
	enum store_rc rc;
	uint64_t ns;

	if (!g) {
		why_set(why, "out of memory");
		return STORE_NO_MEMORY;
	}
	rc = lead(c, why) ? STORE_OK : STORE_NOT_LEADER;
	if (rc == STORE_OK) {
		engine_news_list_init(&news);
		item.seen = c->seen;
		item.fence = c->fence;
		rc = c->to->engine->ops->commit(c->to->engine, items, 1, &news, &ns, why);
		take_news(c, news.first);
	}
	if (rc == STORE_OK && item.rc != STORE_OK) {
		*why = item.why;
		rc = item.rc;
	}
	free(g);
	return rc;
}

/* ---- rows on their way ---- */

static struct span kept_changes(const struct copy *c)
{
	return buf_span(&c->group);
}

/* The changes' spans are borrowed: each row is stored as a copy of its own. */
static void drop_group(struct copy *c)
{
	struct change_group *const *g = (void *)c->group.p;
	size_t i, n = kept_changes(c).n / sizeof *g;

	for (i = 0; i < n; i++)
		free(g[i]);
	c->group.len = 0;
	c->bytes = 0;
}

static bool flush(struct copy *c, struct why *why)
{
	struct change_group *const *g = (void *)c->group.p;
	size_t i, k, n = kept_changes(c).n / sizeof *g, rows = 0;
	struct store_change *all;

	if (!n)
		return true;
	for (i = 0; i < n; i++)
		rows += g[i]->n;
	all = calloc(rows, sizeof *all);
	for (i = 0, k = 0; all && i < n; k += g[i++]->n)
		memcpy(&all[k], g[i]->changes, g[i]->n * sizeof *all);
	c->rc = all ? commit(c, all, rows, why) : STORE_NO_MEMORY;
	free(all);
	drop_group(c);
	return c->rc == STORE_OK;
}

/* Goes with others in a group of bounded size. */
static bool add(struct copy *c, const struct store_change *changes, size_t n, struct why *why)
{
	struct change_group *g = change_group_new(changes, n);

	if (!g || !buf_add(&c->group, &g, sizeof g)) {
		free(g);
		why_set(why, "out of memory");
		c->rc = STORE_NO_MEMORY;
		return false;
	}
	c->bytes += g->bytes;
	return (c->bytes < GROUP_BYTES && c->group.len < GROUP_ROWS * sizeof g) || flush(c, why);
}

/* ---- what is visited ---- */

static bool take_fact(void *arg, const struct store_fact *row, struct why *why)
{
	return add(arg, &(struct store_change){.kind = CHANGE_FACT_PUT, .fact = *row}, 1, why);
}

/* From the source's directory or its database to the target's. */
static bool move_file(struct copy *c, const struct store_input *row, struct why *why)
{
	struct engine *from = c->from->engine, *to = c->to->engine;
	enum input_rc rc = INPUT_OK;

	/* The directory between them is the one of the end that is not shared. */
	if (from->ops->fetch_input)
		rc = from->ops->fetch_input(from, c->to->dir, row->sha256, row->size, why);
	else if (to->ops->share_input)
		rc = to->ops->share_input(to, c->from->dir, row->sha256, row->size, why);
	if (rc == INPUT_BROKEN) {
		c->out->missing++;
		return true;
	}
	if (rc == INPUT_OK) {
		c->out->files++;
		c->out->bytes += row->size;
	} else {
		c->rc = STORE_DISK;
	}
	return rc == INPUT_OK;
}

static bool take_input(void *arg, const struct store_input *row, struct why *why)
{
	struct store_change changes[2] = {{.kind = CHANGE_INPUT_PUT, .input = *row},
					  {.kind = CHANGE_INPUT_REPLACED, .input = *row}};
	struct copy *c = arg;

	/* Those that were replaced come first: of one batch only one may count. */
	if ((row->replaced_ms != 0) != c->replaced)
		return true;
	return move_file(c, row, why) && add(c, changes, c->replaced ? 2 : 1, why);
}

static bool take_proof(void *arg, const struct store_proof *row, struct why *why)
{
	struct copy *c = arg;
	uint64_t *more;

	if (row->bytes.p && row->public_values.p)
		return add(c, &(struct store_change){.kind = CHANGE_PROOF_PUT, .proof = *row}, 1,
			   why);
	if (c->n_long == c->max_long) {
		c->max_long = c->max_long ? 2 * c->max_long : 256;
		more = realloc(c->long_proofs, c->max_long * sizeof *more);
		if (!more) {
			why_set(why, "out of memory");
			c->rc = STORE_NO_MEMORY;
			return false;
		}
		c->long_proofs = more;
	}
	c->long_proofs[c->n_long++] = row->id;
	return true;
}

static bool take_lease(void *arg, const struct store_lease *row, struct why *why)
{
	return add(arg, &(struct store_change){.kind = CHANGE_LEASE_PUT, .lease = *row}, 1, why);
}

static bool take_prover(void *arg, const struct store_prover *row, struct why *why)
{
	return add(arg, &(struct store_change){.kind = CHANGE_PROVER_PUT, .prover = *row}, 1, why);
}

static bool take_intent(void *arg, const struct store_intent *row, struct why *why)
{
	return add(arg, &(struct store_change){.kind = CHANGE_INTENT_PUT, .intent = *row}, 1, why);
}

static enum store_rc pass(struct copy *c, const struct store_visitor *v, struct why *why)
{
	const enum store_rc rc = c->from->engine->ops->load(c->from->engine, v, c, why);

	if (c->rc != STORE_OK)
		return c->rc;
	return rc == STORE_OK && !flush(c, why) ? c->rc : rc;
}

static enum store_rc copy_long_proofs(struct copy *c, struct why *why)
{
	struct engine *from = c->from->engine;
	enum store_rc rc = STORE_OK;
	size_t i;

	for (i = 0; rc == STORE_OK && i < c->n_long; i++) {
		struct change_group *g = NULL;

		rc = from->ops->read_proof(from, c->long_proofs[i], &g, why);
		if (rc == STORE_OK && !add(c, g->changes, g->n, why))
			rc = c->rc;
		free(g);
	}
	return rc == STORE_OK && !flush(c, why) ? c->rc : rc;
}

/* ---- the whole ---- */

static enum store_rc check_empty(const struct copy *c, struct why *why)
{
	uint64_t there[STORE_TABLES];
	enum store_rc rc = store_copy_whole(c->to->engine, why);
	size_t i;

	if (rc == STORE_OK)
		rc = store_count(there, c->to->engine, why);

	for (i = 0; rc == STORE_OK && i < STORE_TABLES; i++)
		if (there[i]) {
			why_set(why, "the target is not empty: it has %" PRIu64 " %s", there[i],
				store_table_names[i]);
			rc = STORE_CONFLICT;
		}
	return rc;
}

static enum store_rc mark(struct copy *c, enum store_change_kind kind, struct why *why)
{
	const struct store_change change = {
	    .kind = kind, .fact = {.key = span_of(UNFINISHED_FACT, strlen(UNFINISHED_FACT))}};

	return commit(c, &change, 1, why);
}

/* The mark is still there. */
static enum store_rc check_counts(struct copy *c, struct why *why)
{
	enum store_rc rc = store_count(c->out->from, c->from->engine, why);
	size_t i;

	if (rc == STORE_OK)
		rc = store_count(c->out->to, c->to->engine, why);
	c->out->to[STORE_FACTS]--;
	for (i = 0; rc == STORE_OK && i < STORE_TABLES; i++)
		if (c->out->from[i] != c->out->to[i]) {
			why_set(why, "%" PRIu64 " %s became %" PRIu64, c->out->from[i],
				store_table_names[i], c->out->to[i]);
			rc = STORE_CONFLICT;
		}
	return rc;
}

enum store_rc store_copy(struct store_copied *out, const struct store_end *from,
			 const struct store_end *to, struct why *why)
{
	static const struct store_visitor replaced = {.input = take_input};
	static const struct store_visitor rest = {.fact = take_fact,
						  .input = take_input,
						  .proof = take_proof,
						  .lease = take_lease,
						  .prover = take_prover,
						  .intent = take_intent};
	struct copy c = {.from = from, .to = to, .out = out, .replaced = true};
	enum store_rc rc;

	memset(out, 0, sizeof *out);
	buf_init(&c.group, GROUP_ROWS * sizeof(struct change_group *));
	rc = check_empty(&c, why);
	if (rc == STORE_OK)
		rc = mark(&c, CHANGE_FACT_PUT, why);
	if (rc == STORE_OK)
		rc = pass(&c, &replaced, why);
	c.replaced = false;
	if (rc == STORE_OK)
		rc = pass(&c, &rest, why);
	if (rc == STORE_OK)
		rc = copy_long_proofs(&c, why);
	if (rc == STORE_OK)
		rc = check_counts(&c, why);
	if (rc == STORE_OK)
		rc = mark(&c, CHANGE_FACT_DEL, why);
	drop_group(&c);
	buf_free(&c.group);
	free(c.long_proofs);
	return rc;
}
