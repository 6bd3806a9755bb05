/* Who waits, what upstream's word is to whom, and the hand that keeps it all going. */
#include "coordinator/relay/relay.h"

#include "coordinator/base/clock.h"
#include "coordinator/base/log.h"
#include "coordinator/relay/internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TICK_MS    100
#define CONNECT_MS 1500 /* an upstream that is away is known to be within 2 s */
#define TOTAL_IDLE 20   /* an answer takes this many times the idle deadline at most */

const char *relay_submit_name(enum relay_submit submit)
{
	switch (submit) {
	case RELAY_SUBMIT_L1: return "l1";
	case RELAY_SUBMIT_UPSTREAM: return "upstream";
	case RELAY_SUBMIT_BOTH: return "both";
	}
	return "l1";
}

struct exchange_options relay_exchange(const struct relay *r)
{
	return (struct exchange_options){.host = r->o.host,
					 .port = r->o.port,
					 .connect_ms = CONNECT_MS,
					 .idle_ms = r->o.idle_ms,
					 .total_ms = TOTAL_IDLE * r->o.idle_ms};
}

/* ---- is upstream there? ---- */

void relay_good(struct relay *r)
{
	const uint64_t now_ms = clock_mono_ms(), since_ms = r->health.since_ms;
	const bool was_down = r->health.state == HEALTH_DOWN;

	/* Of one that leads no more: it does not find out when that changes. */
	if (!store_leads(r->p.store))
		return;
	if (health_good(&r->health, now_ms) == HEALTH_QUIET)
		return;
	log_event(LOG_INFO, "upstream_up", log_str("upstream", r->o.host),
		  log_u64("port", r->o.port),
		  log_u64("was_down_ms", was_down ? now_ms - since_ms : 0));
}

void relay_bad(struct relay *r, const char *sentence)
{
	const uint64_t now_ms = clock_mono_ms();

	if (!store_leads(r->p.store) || health_bad(&r->health, sentence, now_ms) == HEALTH_QUIET)
		return;
	log_event(LOG_WARN, "upstream_down", log_str("upstream", r->o.host),
		  log_u64("port", r->o.port), log_u64("for_ms", now_ms - r->health.since_ms),
		  log_str("reason", sentence),
		  log_str("note", "what is cached is served on; proofs are kept here"));
}

/* ---- provers that wait ---- */

static struct waiting *waiting_take(struct relay *r, struct waiting **at)
{
	struct waiting *w = *at;

	*at = w->next;
	w->demand->waiting--;
	r->n_waiting--;
	return w;
}

/* False: nobody is there any more. */
static bool waiting_answer(struct relay *r, struct waiting *w)
{
	const bool there = r->events.again(r->events.arg, w->conn, &w->request, w->source);

	free(w);
	return there;
}

void relay_wake(struct relay *r, const struct fetch_demand *d, bool all)
{
	struct waiting **at = &r->waiting;

	while (*at) {
		if ((*at)->demand != d) {
			at = &(*at)->next;
			continue;
		}
		if (waiting_answer(r, waiting_take(r, at)) && !all)
			return;
	}
}

static void wake_late(struct relay *r, uint64_t now_ms)
{
	while (r->waiting && now_ms >= r->waiting->until_ms)
		waiting_answer(r, waiting_take(r, &r->waiting));
}

static bool wait_for(struct relay *r, uint64_t conn, struct fetch_demand *d,
		     const struct proofdata *request, const char *source, uint64_t now_ms)
{
	struct waiting **at = &r->waiting, *w;

	if (!r->o.wait_ms || r->n_waiting == RELAY_WAITING_MAX || r->stopped)
		return false;
	w = calloc(1, sizeof *w);
	if (!w)
		return false;
	w->conn = conn;
	w->until_ms = now_ms + r->o.wait_ms;
	w->demand = d;
	w->request = (struct proofdata){.kind = request->kind,
					.dialect = request->dialect,
					.has_prover_type = request->has_prover_type,
					.prover_type = request->prover_type};
	memcpy(w->request.commit_hash, request->commit_hash, sizeof w->request.commit_hash);
	snprintf(w->source, sizeof w->source, "%s", source);
	while (*at)
		at = &(*at)->next;
	*at = w;
	d->waiting++;
	r->n_waiting++;
	return true;
}

/* ---- what a prover is told ---- */

static bool only_type(const struct relay *r, enum prover_type *type)
{
	unsigned needed;
	int t;

	if (!work_needed(r->p.work, &needed) || !needed || needed & (needed - 1))
		return false;
	for (t = 0; !(needed & PROVER_TYPE_BIT(t)); t++)
		;
	*type = (enum prover_type)t;
	return true;
}

struct fetch_demand *relay_want(struct relay *r, const struct fetch_key *key, const char *source,
				uint64_t now_ms)
{
	struct fetch_key evicted;
	struct relay_row row;
	enum prover_type type;
	struct fetch_demand *d = fetch_plan_want(&r->fetch, key, only_type(r, &type) ? &type : NULL,
						 source, now_ms, &evicted);

	if (evicted.commit_hash[0] && store_leads(r->p.store)) {
		demand_row_drop(&row, &evicted);
		store_commit_lazy(r->p.store, &row.change, 1);
	}
	return d;
}

static enum relay_answer upstreams_word(const struct relay *r, const struct fetch_demand *d,
					uint64_t now_ms, char hash[COMMIT_HASH_MAX + 1])
{
	switch (fetch_demand_word(d, now_ms)) {
	case FETCH_WORD_NONE: break;
	case FETCH_WORD_NOT_NEEDED: return RELAY_NOT_NEEDED;
	case FETCH_WORD_MISMATCH:
		/* What is out here may come back and be theirs. */
		if (work_wanting(r->p.work, d->key.commit_hash, WORK_TYPES_ALL))
			break;
		memcpy(hash, r->code_hash, sizeof r->code_hash);
		return r->code_hash[0] && d->key.dialect == DIALECT_P3_P5 ? RELAY_INVALID_CODE
									  : RELAY_MISMATCH;
	}
	return RELAY_AS_SERVED;
}

enum relay_answer relay_request(struct relay *r, uint64_t conn, const struct proofdata *request,
				const char *source, enum serve_rc served, bool again,
				char hash[COMMIT_HASH_MAX + 1])
{
	const uint64_t now_ms = clock_mono_ms();
	struct fetch_demand *d;
	struct fetch_key key;
	enum relay_answer answer;

	if (served != SERVE_INPUT && served != SERVE_EMPTY && served != SERVE_MISMATCH)
		return RELAY_AS_SERVED;
	if (!fetch_key_of(&key, request))
		return request->dialect == DIALECT_P1_P2 ? RELAY_AS_SERVED : RELAY_MISMATCH;
	d = relay_want(r, &key, source, now_ms);
	if (!d)
		return RELAY_AS_SERVED;
	relay_soon(r);
	relay_note_leader(r, d, now_ms);
	if (served == SERVE_INPUT)
		return RELAY_AS_SERVED;
	if (!again && r->health.state != HEALTH_DOWN && !r->trouble.text[0] &&
	    !fetch_demand_is_fresh(&r->fetch, d, now_ms) &&
	    wait_for(r, conn, d, request, source, now_ms))
		return RELAY_WAIT;
	answer = upstreams_word(r, d, now_ms, hash);
	return answer;
}

/* ---- the hand that keeps it going ---- */

static void on_tick(uv_timer_t *t)
{
	struct relay *r = t->data;

	if (r->stopped || !r->started)
		return;
	uv_timer_start(t, on_tick, TICK_MS, TICK_MS);
	wake_late(r, clock_mono_ms());
	if (!store_leads(r->p.store))
		relay_tell_leader(r);
	if (!store_leads_surely(r->p.store))
		return;
	fetch_pump(r);
	forward_pump(r);
}

void relay_soon(struct relay *r)
{
	if (!r->stopped && r->started)
		uv_timer_start(&r->timer, on_tick, 0, TICK_MS);
}

void relay_on_facts(struct relay *r)
{
	forward_drop(r);
	if (store_leads(r->p.store))
		forward_overdue(r);
	relay_soon(r);
}

static const char *submit_sentence(enum relay_submit submit)
{
	switch (submit) {
	case RELAY_SUBMIT_L1:
		return "verifyBatches is sent from here, no proof goes upstream; its "
		       "checkpoint_batch_N directories stay: proof-coordinator checkpoints lists "
		       "those that may go";
	case RELAY_SUBMIT_UPSTREAM:
		return "proofs go upstream, whose sender sends verifyBatches; keys are registered "
		       "from here";
	case RELAY_SUBMIT_BOTH:
		return "proofs go upstream, and verifyBatches is sent from here too: whoever comes "
		       "second finds it done; the checkpoint_batch_N directories of those verified "
		       "from here stay: proof-coordinator checkpoints lists those that may go";
	}
	return "";
}

void relay_start(struct relay *r)
{
	log_event(LOG_INFO, "relay", log_str("upstream", r->o.host), log_u64("port", r->o.port),
		  log_str("submit", relay_submit_name(r->o.submit)),
		  log_str("note", submit_sentence(r->o.submit)));
	r->started = true;
	relay_soon(r);
}

/* ---- life ---- */

static bool restore_demand(struct relay *r, const struct demand_row *row)
{
	/* A stranger's, that brought nothing: it is said again by who wants it. */
	if (!row->batch)
		return true;
	if (!store_is_shared(r->p.store))
		relay_say_resumed(r, &row->key, row->batch);
	return fetch_plan_restore(&r->fetch, &row->key, row->batch, clock_mono_ms()) != NULL;
}

bool relay_restore(struct relay *r, const struct store_fact *row, bool *ours, struct why *why)
{
	struct demand_row demand;
	struct forward_entry entry;

	*ours = true;
	switch (relay_row_get(row, &demand, &entry)) {
	case RELAY_ROW_NONE: *ours = false; return true;
	case RELAY_ROW_DEMAND: restore_demand(r, &demand); return true;
	case RELAY_ROW_WANTED: /* who still wants it says so again, and is answered */
	case RELAY_ROW_HEARD: return true;
	case RELAY_ROW_FORWARD:
		if (forward_plan_restore(&r->forward, &entry))
			return true;
		why_set(why, "out of memory for what was forwarded");
		return false;
	}
	return true;
}

bool relay_new(struct relay **out, const struct relay_parts *parts,
	       const struct relay_options *options, const struct relay_events *events,
	       struct why *why)
{
	struct relay *r = *out = calloc(1, sizeof *r);

	if (!r) {
		why_set(why, "out of memory");
		return false;
	}
	r->p = *parts;
	r->o = *options;
	r->events = *events;
	fetch_plan_init(&r->fetch, options->ahead, options->poll_ms);
	uv_timer_init(parts->loop, &r->timer);
	r->timer.data = r;
	return true;
}

static void on_timer_closed(uv_handle_t *h)
{
	struct relay *r = h->data;

	r->done(r->done_arg);
}

void relay_close(struct relay *r, void (*done)(void *arg), void *arg)
{
	if (!r) {
		done(arg);
		return;
	}
	r->stopped = true;
	r->done = done;
	r->done_arg = arg;
	fetch_stop(r);
	forward_stop(r);
	uv_close((uv_handle_t *)&r->timer, on_timer_closed);
}

void relay_free(struct relay *r)
{
	if (!r)
		return;
	while (r->waiting)
		free(waiting_take(r, &r->waiting));
	forward_plan_free(&r->forward);
	free(r);
}

/* ---- for people ---- */

const struct relay_counters *relay_counters(const struct relay *r)
{
	return &r->counters;
}

/* Who asks upstream, and what it lacks. */
static void describe(const struct relay *r, struct why *out)
{
	char leader[STORE_INSTANCE_SIZE];

	if (*store_lost(r->p.store))
		why_set(out, "upstream is not asked from here: nothing can be stored");
	else if (!store_leads(r->p.store) && store_leader(r->p.store, leader))
		why_set(out, "%s leads, and asks upstream", leader);
	else if (!store_leads(r->p.store))
		why_set(out, "no coordinator leads now: upstream is not asked");
	else if (work_has_gap(r->p.work))
		fetch_describe_gap(r, out);
	else
		why_set(out, "this coordinator asks upstream");
}

void relay_info(const struct relay *r, struct relay_info *out)
{
	size_t i;

	*out = (struct relay_info){.asks = store_leads(r->p.store),
				   .submit = r->o.submit,
				   .host = r->o.host,
				   .port = r->o.port,
				   .health = &r->health,
				   .state_for_ms = clock_mono_ms() - r->health.since_ms,
				   .dialect = dialect_name(r->fetch.spoken),
				   .waiting = r->n_waiting,
				   .trouble = r->trouble.text,
				   .acknowledged = r->forward.acknowledged,
				   .not_acknowledged = r->forward.n - r->forward.acknowledged,
				   .forward = r->forward_said.text};
	describe(r, &out->says);
	for (i = 0; i < FETCH_DEMANDS_MAX; i++)
		out->spins = out->spins ||
			     (r->fetch.demand[i].used && fetch_demand_spins(&r->fetch.demand[i]));
	for (i = 0; i < r->forward.n && !out->forward_batch; i++)
		if (!r->forward.e[i].acknowledged)
			out->forward_batch = r->forward.e[i].batch;
}

const struct fetch_demand *relay_demand(const struct relay *r, size_t *i)
{
	for (; *i < FETCH_DEMANDS_MAX; ++*i)
		if (r->fetch.demand[*i].used)
			return &r->fetch.demand[(*i)++];
	return NULL;
}

uint64_t relay_checkpoints(const struct l1_facts *f)
{
	return f && f->final ? f->final - 1 : 0;
}
