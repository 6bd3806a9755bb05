#include "coordinator/inputs/serve.h"

#include "coordinator/base/clock.h"
#include "coordinator/base/log.h"
#include "coordinator/base/retry.h"
#include "coordinator/registrar/registrar.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TRIES_MAX     16 /* batches that one request passes over: broken, or wanted no more */
#define CONFLICTS_MAX 16 /* batches that others took meanwhile */
#define SPREAD_MAX    8  /* of so many conflicts on, one of the next 2^8 is asked for */
#define SKEW_EVERY_MS 1000

/* A request on its way to its answer; then an input on its way: the lease goes back if it does not
 * arrive. */
struct request {
	struct request *next; /* of the deliveries */
	struct serve *serve;
	uint64_t conn;
	enum dialect dialect;
	bool has_type;
	enum prover_type type;
	char commit_hash[COMMIT_HASH_MAX + 1]; /* under which it is served */
	char source[WORK_SOURCE_SIZE];
	unsigned passed_over, conflicts;
	struct work_grant grant;
	serve_answer_cb *cb;
	void *arg;
};

struct serve {
	struct serve_parts p;
	struct request *deliveries;
	size_t waiting;
	uint64_t random;
	int64_t skew_ms;
	uint64_t skew_at; /* monotonic ms */
	uint64_t counters[WORK_NOT_NEEDED + 1];
};

/* ---- the lease's row ---- */

/* Work counts on the monotonic clock; the row's time must mean something after a restart, and to
 * others on a shared store: there it is the database's clock. */
static struct store_change lease_row(const struct work_grant *grant, enum prover_type type,
				     const char *source, int64_t skew_ms)
{
	const uint64_t left_ms = grant->expires_ms - clock_mono_ms();

	return (struct store_change){.kind = CHANGE_LEASE_PUT,
				     .lease = {grant->batch, (int)type,
					       span_of(source, strlen(source)),
					       clock_wall_ms() - (uint64_t)skew_ms + left_ms}};
}

static bool lease_read(const struct store_lease *row, char source[WORK_SOURCE_SIZE],
		       uint64_t *left_ms)
{
	const uint64_t wall_ms = clock_wall_ms();

	if (row->prover_type < 0 || row->prover_type >= PROVER_TYPES)
		return false;
	source[0] = '\0';
	if (row->source.n && row->source.n < WORK_SOURCE_SIZE) {
		memcpy(source, row->source.p, row->source.n);
		source[row->source.n] = '\0';
	}
	*left_ms = row->expires_ms > wall_ms ? row->expires_ms - wall_ms : 0;
	return true;
}

void lease_restore(struct work *work, const struct store_lease *row)
{
	char source[WORK_SOURCE_SIZE];
	uint64_t left_ms;

	if (lease_read(row, source, &left_ms))
		work_restore_lease(work, row->batch, (enum prover_type)row->prover_type, source,
				   left_ms, clock_mono_ms());
}

void lease_foreign(struct work *work, const struct store_change *change)
{
	const struct store_lease *row = &change->lease;
	char source[WORK_SOURCE_SIZE];
	uint64_t left_ms;

	if (change->kind == CHANGE_LEASE_DEL_THROUGH || !lease_read(row, source, &left_ms))
		return;
	if (change->kind == CHANGE_LEASE_PUT)
		work_foreign_lease(work, row->batch, (enum prover_type)row->prover_type, source,
				   left_ms, clock_mono_ms());
	else
		work_foreign_unlease(work, row->batch, (enum prover_type)row->prover_type);
}

void lease_drop(struct store *store, uint64_t batch, enum prover_type type)
{
	const struct store_change change = {.kind = CHANGE_LEASE_DEL,
					    .lease = {.batch = batch, .prover_type = (int)type}};

	store_commit_lazy(store, &change, 1);
}

/* ---- requests ---- */

/* It is over, unless an input goes out with it: that ends with serve_end(). */
static void answer(struct request *r, enum serve_rc rc, int fd, const char *sentence)
{
	struct serve *s = r->serve;
	struct proofdata m = {.kind = MSG_INPUT_REQUEST,
			      .dialect = r->dialect,
			      .has_prover_type = r->has_type,
			      .prover_type = r->type};
	const struct served a = {.conn = r->conn,
				 .request = &m,
				 .source = r->source,
				 .rc = rc,
				 .input = {r->grant.batch, r->grant.size, fd},
				 .sentence = sentence};
	struct request *over = rc == SERVE_INPUT ? NULL : r;

	if (r->dialect != DIALECT_P1_P2)
		memcpy(m.commit_hash, r->commit_hash, sizeof m.commit_hash);
	s->waiting--;
	if (!over) {
		r->next = s->deliveries;
		s->deliveries = r;
	}
	r->cb(r->arg, &a);
	free(over);
}

/* While the store or a file was waited for, its proof may have come or its batch been verified. */
static bool is_still_wanted(const struct request *r)
{
	return work_wants(r->serve->p.work, r->grant.batch,
			  r->has_type ? PROVER_TYPE_BIT(r->type) : WORK_TYPES_ALL);
}

/* Likewise it may have been replaced, or have gone. */
static bool is_still_it(const struct request *r)
{
	uint8_t sha256[32];
	uint64_t size;

	return is_still_wanted(r) &&
	       work_input(r->serve->p.work, r->grant.batch, r->commit_hash, sha256, &size) &&
	       memcmp(sha256, r->grant.sha256, 32) == 0;
}

/* A grant that came to nothing, and its row. ticket 0: none was taken. A lease that ended with its
 * batch has a row too, and would hold the batch up where it is wanted again. */
static void give_back(struct request *r)
{
	struct serve *s = r->serve;

	if (r->grant.ticket && (work_ungrant(s->p.work, r->grant.batch, r->type, r->grant.ticket) ||
				!is_still_wanted(r)))
		lease_drop(s->p.store, r->grant.batch, r->type);
}

static void choose(struct request *r);

static void on_open(void *arg, enum input_rc rc, int fd, const struct why *why)
{
	struct request *r = arg;
	const bool still = is_still_it(r);

	if (rc == INPUT_OK && still) {
		answer(r, SERVE_INPUT, fd, "");
		return;
	}
	if (rc == INPUT_OK) {
		close(fd);
		inputs_done(r->serve->p.inputs, r->grant.sha256);
	} else {
		log_limited(LOG_ERROR, "input_unreadable", "", "", log_u64("batch", r->grant.batch),
			    log_str("reason", why->text));
	}
	/* Its bytes cannot be had: it is not handed out again, and another one may be. */
	if (rc == INPUT_BROKEN && still)
		work_input_broken(r->serve->p.work, r->grant.batch, r->commit_hash);
	give_back(r);
	if ((rc == INPUT_BROKEN || !still) && ++r->passed_over < TRIES_MAX)
		choose(r);
	else if (rc != INPUT_BROKEN && store_is_shared(r->serve->p.store))
		answer(r, SERVE_TRY_AGAIN, -1, "the stored input cannot be had now");
	else
		answer(r, SERVE_UNREADABLE, -1, "the stored input cannot be read");
}

static void hand_out(struct request *r)
{
	struct serve *s = r->serve;

	s->counters[WORK_GRANT]++;
	log_limited(LOG_INFO, "work_granted", "", r->source, log_u64("batch", r->grant.batch),
		    log_str("type", r->has_type ? prover_type_name(r->type) : "any"),
		    log_str("dialect", dialect_name(r->dialect)),
		    log_str("commit_hash", r->commit_hash), log_str("source", r->source),
		    log_u64("bytes", r->grant.size));
	inputs_open(s->p.inputs, r->grant.sha256, r->grant.size, on_open, r);
}

static void refuse_lease(struct request *r, const char *reason)
{
	log_limited(LOG_WARN, "lease_not_stored", "", "", log_u64("batch", r->grant.batch),
		    log_str("reason", reason));
	give_back(r);
	answer(r, SERVE_TRY_AGAIN, -1, "no lease can be stored now");
}

static void choose_another(struct request *r, bool may)
{
	if (may)
		choose(r);
	else
		answer(r, SERVE_EMPTY, -1, "others took what there was");
}

/* What other coordinators stored before the lease has come before this. */
static void on_leased(void *arg, enum store_rc rc, const struct why *why)
{
	struct request *r = arg;

	if (rc == STORE_CONFLICT) { /* one took it first */
		work_ungrant(r->serve->p.work, r->grant.batch, r->type, r->grant.ticket);
		choose_another(r, ++r->conflicts < CONFLICTS_MAX);
	} else if (rc != STORE_OK) {
		refuse_lease(r, why->text);
	} else if (is_still_it(r)) {
		hand_out(r);
	} else {
		give_back(r);
		choose_another(r, ++r->passed_over < TRIES_MAX);
	}
}

static void granted(struct request *r)
{
	struct serve *s = r->serve;
	struct store_change row;
	enum store_rc rc;

	if (!r->grant.ticket) {
		hand_out(r);
		return;
	}
	row = lease_row(&r->grant, r->type, r->source, s->skew_ms);
	if (!store_is_shared(s->p.store)) {
		store_commit_lazy(s->p.store, &row, 1);
		hand_out(r);
		return;
	}
	rc = store_commit(s->p.store, &row, 1, on_leased, r);
	if (rc != STORE_OK)
		refuse_lease(r, store_rc_text(rc));
}

/* How many of the open batches to pass over, so that coordinators which met go apart. */
static unsigned spread(struct request *r)
{
	const unsigned n = r->conflicts < SPREAD_MAX ? r->conflicts : SPREAD_MAX;

	return n ? (unsigned)(retry_random(&r->serve->random) % (1u << n)) : 0;
}

static void choose(struct request *r)
{
	struct serve *s = r->serve;
	const struct work_source from = {
	    r->source, registrar_source_attested(s->p.registrar, r->source), spread(r)};
	struct why why = {""};
	enum work_request_rc rc;

	rc = work_request(s->p.work, r->commit_hash, r->has_type ? &r->type : NULL, &from,
			  clock_mono_ms(), &r->grant, &why);
	if (rc != WORK_GRANT)
		s->counters[rc]++;
	switch (rc) {
	case WORK_GRANT: granted(r); return;
	case WORK_EMPTY:
		log_event(LOG_DEBUG, "request", log_str("dialect", dialect_name(r->dialect)),
			  log_str("source", r->source), log_str("answer", "empty"),
			  log_str("reason", why.text));
		answer(r, SERVE_EMPTY, -1, why.text);
		return;
	case WORK_VERSION_MISMATCH:
		log_limited(LOG_WARN, "version_mismatch", "", r->source,
			    log_str("commit_hash", r->commit_hash), log_str("source", r->source),
			    log_str("reason", why.text));
		answer(r, SERVE_MISMATCH, -1, why.text);
		return;
	case WORK_NOT_NEEDED:
		log_event(LOG_DEBUG, "type_not_needed", log_str("type", prover_type_name(r->type)),
			  log_str("source", r->source));
		answer(r, SERVE_NOT_NEEDED, -1, why.text);
		return;
	}
}

/* What others took in and gave out meanwhile is not known: neither that there is nothing to prove
 * nor that a batch is nobody's. What the contract needs is, for each reads that by itself. */
static bool is_cut_off(const struct request *r, struct why *why)
{
	unsigned needed;

	if (!*store_lost(r->serve->p.store) ||
	    (r->has_type && work_needed(r->serve->p.work, &needed) &&
	     !(needed & PROVER_TYPE_BIT(r->type))))
		return false;
	why_set(why, "the coordinator's database cannot be reached now");
	return true;
}

/* Others read the time of a lease: none is given on a clock that is wrong. */
static bool is_skewed(struct serve *s, struct why *why)
{
	const uint64_t now_ms = clock_mono_ms();

	if (!store_is_shared(s->p.store))
		return false;
	if (now_ms - s->skew_at >= SKEW_EVERY_MS) {
		s->skew_ms = store_skew_ms(s->p.store);
		s->skew_at = now_ms;
	}
	if (s->skew_ms <= STORE_SKEW_MAX_MS && s->skew_ms >= -STORE_SKEW_MAX_MS)
		return false;
	why_set(why,
		"the coordinator's clock is %" PRId64 " ms off the database's: no lease is given",
		s->skew_ms);
	return true;
}

/* False with what is to be answered. */
static bool may_ask(struct request *r, enum serve_rc *rc, struct why *why)
{
	struct serve *s = r->serve;
	const char *only;

	/* ethrex answers an empty one as any other that is not its own. */
	*rc = SERVE_BAD_HASH;
	if (r->commit_hash[0] && !commit_hash_ok(s->p.rule, r->commit_hash, why))
		return false;
	*rc = SERVE_TRY_AGAIN;
	if (s->waiting > SERVE_WAITING_MAX) {
		why_set(why, "%d requests wait already: that is the limit", SERVE_WAITING_MAX);
		return false;
	}
	if (is_cut_off(r, why) || is_skewed(s, why))
		return false;
	/* p1 and p2 name no version: they get what there is, where it is of one. */
	*rc = SERVE_EMPTY;
	only = r->dialect == DIALECT_P1_P2 ? work_only_hash(s->p.work) : r->commit_hash;
	if (only && only != r->commit_hash)
		snprintf(r->commit_hash, sizeof r->commit_hash, "%s", only);
	return only != NULL;
}

void serve_request(struct serve *s, uint64_t conn, const struct proofdata *m, const char *source,
		   serve_answer_cb *cb, void *arg)
{
	struct request *r = malloc(sizeof *r);
	struct why why = {""};
	enum serve_rc rc;

	if (!r) {
		cb(arg, &(struct served){.conn = conn,
					 .request = m,
					 .source = source,
					 .rc = SERVE_TRY_AGAIN,
					 .sentence = "out of memory"});
		return;
	}
	*r = (struct request){.serve = s,
			      .conn = conn,
			      .dialect = m->dialect,
			      .has_type = m->has_prover_type,
			      .type = m->has_prover_type ? m->prover_type : PROVER_EXEC,
			      .cb = cb,
			      .arg = arg};
	memcpy(r->commit_hash, m->commit_hash, sizeof r->commit_hash);
	snprintf(r->source, sizeof r->source, "%s", source);
	s->waiting++;
	if (may_ask(r, &rc, &why)) {
		choose(r);
		return;
	}
	if (rc != SERVE_EMPTY)
		log_limited(LOG_WARN, "request_refused", "", source, log_str("source", source),
			    log_str("reason", why.text));
	answer(r, rc, -1, why.text);
}

void serve_end(struct serve *s, uint64_t conn, bool delivered)
{
	struct request **at, *found;

	for (at = &s->deliveries; *at; at = &(*at)->next)
		if ((*at)->conn == conn)
			break;
	found = *at;
	if (!found)
		return;
	*at = found->next;
	inputs_done(s->p.inputs, found->grant.sha256);
	if (!delivered && found->grant.ticket) {
		log_limited(LOG_INFO, "input_not_delivered", "", "",
			    log_u64("batch", found->grant.batch),
			    log_str("type", prover_type_name(found->type)));
		give_back(found);
	}
	free(found);
}

/* ---- life ---- */

const uint64_t *serve_counters(const struct serve *s)
{
	return s->counters;
}

bool serve_new(struct serve **out, const struct serve_parts *parts, struct why *why)
{
	struct serve *s = *out = calloc(1, sizeof *s);

	if (!s) {
		why_set(why, "out of memory");
		return false;
	}
	s->p = *parts;
	s->random = uv_hrtime() ^ (uint64_t)store_slot(parts->store) << 48;
	return true;
}

void serve_free(struct serve *s)
{
	struct request *r;

	if (!s)
		return;
	while ((r = s->deliveries)) {
		s->deliveries = r->next;
		free(r);
	}
	free(s);
}
