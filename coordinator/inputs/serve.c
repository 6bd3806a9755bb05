#include "coordinator/inputs/serve.h"

#include "coordinator/base/clock.h"
#include "coordinator/base/log.h"
#include "coordinator/provers/registrar.h"
#include "coordinator/store/input_file.h"

#include <stdlib.h>
#include <string.h>

#define TRIES_MAX 16 /* broken inputs that one request passes over */

/* An input on its way: the lease goes back if it does not arrive. */
struct delivery {
	struct delivery *next;
	uint64_t conn;
	uint64_t batch, ticket;
	enum prover_type type;
};

struct serve {
	struct serve_parts p;
	struct delivery *deliveries;
	uint64_t counters[WORK_NOT_NEEDED + 1];
};

/* ---- the lease's row ---- */

/* Work counts on the monotonic clock; the row's time must mean something after a restart. */
static void lease_keep(struct store *store, const struct work_grant *grant, enum prover_type type,
		       const char *source)
{
	const uint64_t left_ms = grant->expires_ms - clock_mono_ms();
	const struct store_change change = {.kind = CHANGE_LEASE_PUT,
					    .lease = {grant->batch, (int)type,
						      span_of(source, strlen(source)),
						      clock_wall_ms() + left_ms}};

	store_commit_lazy(store, &change, 1);
}

void lease_restore(struct work *work, const struct store_lease *row)
{
	const uint64_t wall_ms = clock_wall_ms();
	char source[WORK_SOURCE_SIZE] = "";

	if (row->prover_type < 0 || row->prover_type >= PROVER_TYPES)
		return;
	if (row->source.n && row->source.n < sizeof source) {
		memcpy(source, row->source.p, row->source.n);
		source[row->source.n] = '\0';
	}
	work_restore_lease(work, row->batch, (enum prover_type)row->prover_type, source,
			   row->expires_ms > wall_ms ? row->expires_ms - wall_ms : 0,
			   clock_mono_ms());
}

void lease_drop(struct store *store, uint64_t batch, enum prover_type type)
{
	const struct store_change change = {.kind = CHANGE_LEASE_DEL,
					    .lease = {.batch = batch, .prover_type = (int)type}};

	store_commit_lazy(store, &change, 1);
}

/* ---- requests ---- */

/* A grant that came to nothing, and its row. ticket 0: none was taken. */
static void give_back(struct serve *s, uint64_t batch, enum prover_type type, uint64_t ticket)
{
	if (ticket && work_ungrant(s->p.work, batch, type, ticket))
		lease_drop(s->p.store, batch, type);
}

/* *broken: its bytes cannot be had, it is not handed out again, and another one may be. */
static enum serve_rc hand_out(struct serve *s, uint64_t conn, enum prover_type type,
			      const char *commit_hash, const struct work_grant *grant,
			      struct serve_input *out, bool *broken, struct why *why)
{
	struct delivery *d = malloc(sizeof *d);
	struct why trouble = {"out of memory"};
	enum input_rc rc = INPUT_IO;

	out->batch = grant->batch;
	out->size = grant->size;
	if (d)
		rc = input_file_open(&out->fd, s->p.data_dir, grant->sha256, grant->size, &trouble);
	if (rc != INPUT_OK) {
		log_limited(LOG_ERROR, "input_unreadable", "", "", log_u64("batch", grant->batch),
			    log_str("reason", trouble.text));
		if (rc == INPUT_BROKEN)
			work_input_broken(s->p.work, grant->batch, commit_hash);
		give_back(s, grant->batch, type, grant->ticket);
		*broken = rc == INPUT_BROKEN;
		why_set(why, "the stored input cannot be read");
		free(d);
		return SERVE_UNREADABLE;
	}
	*d = (struct delivery){s->deliveries, conn, grant->batch, grant->ticket, type};
	s->deliveries = d;
	return SERVE_INPUT;
}

static enum serve_rc request_once(struct serve *s, uint64_t conn, const struct proofdata *m,
				  const char *source, struct serve_input *out, bool *broken,
				  struct why *why)
{
	const enum prover_type *type = m->has_prover_type ? &m->prover_type : NULL;
	const struct work_source from = {
	    source, registrar_source_attested(s->p.registrar, source), 0};
	struct work_grant grant;
	enum work_request_rc rc;

	*broken = false;
	rc = work_request(s->p.work, m->commit_hash, type, &from, clock_mono_ms(), &grant, why);
	s->counters[rc]++;
	switch (rc) {
	case WORK_GRANT:
		log_limited(LOG_INFO, "work_granted", "", source, log_u64("batch", grant.batch),
			    log_str("type", type ? prover_type_name(*type) : "any"),
			    log_str("dialect", dialect_name(m->dialect)),
			    log_str("commit_hash", m->commit_hash), log_str("source", source),
			    log_u64("bytes", grant.size));
		if (grant.ticket)
			lease_keep(s->p.store, &grant, *type, source);
		return hand_out(s, conn, type ? *type : PROVER_EXEC, m->commit_hash, &grant, out,
				broken, why);
	case WORK_EMPTY:
		log_event(LOG_DEBUG, "request", log_str("dialect", dialect_name(m->dialect)),
			  log_str("source", source), log_str("answer", "empty"),
			  log_str("reason", why->text));
		return SERVE_EMPTY;
	case WORK_VERSION_MISMATCH:
		log_limited(LOG_WARN, "version_mismatch", "", source,
			    log_str("commit_hash", m->commit_hash), log_str("source", source),
			    log_str("reason", why->text));
		return SERVE_MISMATCH;
	case WORK_NOT_NEEDED:
		log_event(LOG_DEBUG, "type_not_needed", log_str("type", prover_type_name(*type)),
			  log_str("source", source));
		return SERVE_NOT_NEEDED;
	}
	return SERVE_EMPTY;
}

enum serve_rc serve_request(struct serve *s, uint64_t conn, const struct proofdata *m,
			    const char *source, struct serve_input *out, struct why *why)
{
	enum serve_rc rc = SERVE_EMPTY;
	struct proofdata named;
	bool broken = true;
	int i;

	/* p1 and p2 name no version: they get what there is, where it is of one. */
	if (m->dialect == DIALECT_P1_P2) {
		if (!work_only_hash(s->p.work))
			return SERVE_EMPTY;
		named = *m;
		snprintf(named.commit_hash, sizeof named.commit_hash, "%s",
			 work_only_hash(s->p.work));
		m = &named;
	}
	/* ethrex answers an empty one as any other that is not its own. */
	if (m->commit_hash[0] && !commit_hash_ok(s->p.rule, m->commit_hash, why)) {
		log_limited(LOG_WARN, "request_refused", "", source, log_str("source", source),
			    log_str("reason", why->text));
		return SERVE_BAD_HASH;
	}
	for (i = 0; i < TRIES_MAX && broken; i++)
		rc = request_once(s, conn, m, source, out, &broken, why);
	return rc;
}

void serve_end(struct serve *s, uint64_t conn, bool delivered)
{
	struct delivery **at, *found;

	for (at = &s->deliveries; *at; at = &(*at)->next)
		if ((*at)->conn == conn)
			break;
	found = *at;
	if (!found)
		return;
	*at = found->next;
	if (!delivered && found->ticket) {
		log_limited(LOG_INFO, "input_not_delivered", "", "", log_u64("batch", found->batch),
			    log_str("type", prover_type_name(found->type)));
		give_back(s, found->batch, found->type, found->ticket);
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
	return true;
}

void serve_free(struct serve *s)
{
	struct delivery *d;

	if (!s)
		return;
	while ((d = s->deliveries)) {
		s->deliveries = d->next;
		free(d);
	}
	free(s);
}
