/* A key knocks: the store's callback comes before the answer, L1's before that of a first key. */
#include "coordinator/provers/setup.h"

#include "coordinator/base/clock.h"
#include "coordinator/base/log.h"
#include "coordinator/registrar/rows.h"
#include "coordinator/verdicts/quote_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROW_YOUNG_MS 10000 /* a replayed quote costs a row at most this often */
#define ROUNDS_MAX   8     /* of one visit, while others change what it is decided on */

/* One that is being verified, on its way to the disk, or waiting for its registration. */
struct visit {
	struct visit *next;
	struct setup *setup;
	uint64_t conn;
	char source[REGISTRAR_SOURCE_SIZE];
	struct registrar_check check;
	struct buf payload; /* what check.prover.payload points to */
	bool verified;      /* its quote, in this generation: */
	uint64_t generation;
	unsigned rounds; /* that ended with another coordinator's row */
	bool stored;     /* its row, which the registrar may not know */
	bool kept;
};

struct setup {
	struct setup_parts p;
	struct setup_events events;
	bool stopped;
	struct visit *visits;
	uint64_t counters[REGISTRAR_RETRY + 1];
};

static void visit_free(struct visit *v)
{
	struct visit **at;

	for (at = &v->setup->visits; *at; at = &(*at)->next)
		if (*at == v) {
			*at = v->next;
			break;
		}
	buf_free(&v->payload);
	free(v);
}

/* Its verdict is of today's collateral, policy and contract. */
static bool is_current(const struct visit *v)
{
	return !v->verified || v->generation == quotes_generation(v->setup->p.quotes);
}

static void answer(const struct visit *v, enum setup_code code, const char *sentence)
{
	const struct setup *s = v->setup;

	if (!s->stopped)
		s->events.answer(s->events.arg, v->conn, code, sentence);
}

static enum setup_code code_of(enum registrar_answer a)
{
	switch (a) {
	case REGISTRAR_ACK_ACTIVE:
	case REGISTRAR_ACK_STANDBY: return SETUP_ACK;
	case REGISTRAR_REFUSE: return SETUP_REFUSED;
	case REGISTRAR_RETRY:
	case REGISTRAR_WAIT: break;
	}
	return SETUP_TRY_AGAIN;
}

/* The rows were written for the table as it was then: others that knocked meanwhile may have taken
 * the place, or whoever was to go may be registered now. A row too many would stop the next start.
 */
static void rows_follow(const struct visit *v)
{
	const struct setup *s = v->setup;

	prover_row_follow(s->p.store, s->p.registrar, &v->check.prover.signer);
	if (v->check.has_evicted)
		prover_row_follow(s->p.store, s->p.registrar, &v->check.evicted);
}

/* Consumes the visit. */
static void refuse(struct visit *v, enum registrar_answer a, const char *sentence)
{
	struct quote_keys keys;
	struct tdxv_quote q;
	char name[65]; /* under which `explain` finds the verdict */

	quote_check_keys(&keys, &q, buf_span(&v->payload));
	hex_encode(name, keys.whole.sha256, sizeof keys.whole.sha256);
	v->setup->counters[a]++;
	log_limited(LOG_WARN, "setup_refused", code_of(a) == SETUP_REFUSED ? "refused" : "retry",
		    v->source, log_str("source", v->source), log_u64("bytes", v->payload.len),
		    log_str("quote_sha256", name), log_str("reason", sentence));
	answer(v, code_of(a), sentence);
	if (v->stored)
		rows_follow(v);
	visit_free(v);
}

/* True when the visit is over. */
static bool answer_now(struct visit *v)
{
	struct setup *s = v->setup;
	char signer[ETH_ADDRESS_TEXT_SIZE];
	struct why why = {""};
	enum registrar_answer a;

	if (!s->events.waits(s->events.arg, v->conn))
		return true;
	a = registrar_answer(s->p.registrar, &v->check.prover.signer, clock_wall_ms(), &why);
	if (a == REGISTRAR_WAIT)
		return false;
	eth_address_print(signer, &v->check.prover.signer);
	s->counters[a]++;
	if (code_of(a) == SETUP_ACK)
		log_limited(LOG_INFO, "setup_acknowledged", "", v->check.prover.source,
			    log_str("signer", signer), log_str("source", v->check.prover.source),
			    log_str("as", a == REGISTRAR_ACK_ACTIVE ? "active" : "standby"));
	else
		log_limited(LOG_WARN, "setup_refused", "key", v->check.prover.source,
			    log_str("signer", signer), log_str("source", v->check.prover.source),
			    log_str("reason", why.text));
	answer(v, code_of(a), code_of(a) == SETUP_ACK ? "" : why.text);
	return true;
}

void setup_answer_all(struct setup *s)
{
	struct visit *v, *next;

	for (v = s->stopped ? NULL : s->visits; v; v = next) {
		next = v->next;
		if (v->kept && answer_now(v))
			visit_free(v);
	}
}

/* ---- the row ---- */

static void verify(struct visit *v);
static void enlist(struct visit *v, const struct eth_address *attested);

/* Another coordinator changed one of the rows meanwhile, and the registrar knows it by now. */
static void enlist_again(struct visit *v)
{
	const struct eth_address signer = v->check.prover.signer;

	v->rounds++;
	enlist(v, v->verified ? &signer : NULL);
}

static void on_kept(void *arg, enum store_rc rc, const struct why *why)
{
	struct visit *v = arg;
	struct setup *s = v->setup;
	struct why trouble = {""};
	bool placed;

	v->stored |= rc == STORE_OK;
	if (rc == STORE_OK && !is_current(v) && !s->stopped) {
		verify(v);
		return;
	}
	if (rc == STORE_CONFLICT && v->rounds < ROUNDS_MAX && !s->stopped) {
		enlist_again(v);
		return;
	}
	placed = rc == STORE_OK && registrar_setup(s->p.registrar, &v->check, &trouble);
	if (rc == STORE_OK && (!placed || v->check.has_evicted))
		rows_follow(v);
	if (!placed) {
		log_limited(LOG_ERROR, "setup_not_kept", "", "",
			    log_str("reason", rc != STORE_OK ? why->text : trouble.text));
		/* Where the database is, is none of a stranger's business. */
		if (rc != STORE_OK)
			why_set(&trouble, "the key could not be stored: %s", store_rc_text(rc));
		answer(v, SETUP_TRY_AGAIN, trouble.text);
		visit_free(v);
		return;
	}
	v->kept = true;
	if (!s->stopped)
		s->events.hold(s->events.arg, v->conn);
	if (s->stopped || answer_now(v))
		visit_free(v);
	wake_up(s->p.wake);
}

/* The same quote again, of a key whose row is young: nothing about it is new. */
static bool is_known(const struct visit *v)
{
	const struct registrar_prover *fresh = &v->check.prover, *p;

	p = registrar_find(v->setup->p.registrar, &fresh->signer);
	return v->verified && p && p->fit == REGISTRAR_FIT && !p->refused.text[0] &&
	       span_eq(p->payload, fresh->payload) &&
	       fresh->last_seen_ms - p->last_seen_ms < ROW_YOUNG_MS;
}

/* Registrar and store: the last steps of a visit. Consumes it when it is over. attested: the key
 * that its quote vouches for, NULL for a payload that needs no verification. */
static void enlist(struct visit *v, const struct eth_address *attested)
{
	struct setup *s = v->setup;
	struct store_change change[2];
	struct why why = {""};
	size_t n = 0;

	if (!registrar_check(s->p.registrar, buf_span(&v->payload), attested, v->source,
			     clock_wall_ms(), &v->check, &why)) {
		refuse(v, v->check.answer, why.text);
		return;
	}
	if (is_known(v)) {
		v->kept = true;
		s->events.hold(s->events.arg, v->conn);
		if (answer_now(v))
			visit_free(v);
		return;
	}
	prover_row_put(&change[n++], &v->check.prover);
	if (v->check.has_evicted) {
		change[n] = (struct store_change){.kind = CHANGE_PROVER_DEL};
		memcpy(change[n++].prover.signer, v->check.evicted.b, 20);
	}
	if (store_commit(s->p.store, change, n, on_kept, v) == STORE_OK)
		return;
	answer(v, SETUP_TRY_AGAIN, "the store's queue is full");
	visit_free(v);
}

static void on_attested(void *arg, const struct quotes_result *result)
{
	struct visit *v = arg;

	switch (result->rc) {
	case QUOTES_ATTESTED:
		v->verified = true;
		v->generation = result->generation;
		enlist(v, &result->signer);
		break;
	case QUOTES_REFUSED: refuse(v, REGISTRAR_REFUSE, result->sentence); break;
	case QUOTES_RETRY: refuse(v, REGISTRAR_RETRY, result->sentence); break;
	}
}

static void verify(struct visit *v)
{
	struct setup *s = v->setup;
	struct quotes_result result;

	if (quotes_verify(s->p.quotes, buf_span(&v->payload), v->source, on_attested, v, &result))
		s->events.hold(s->events.arg, v->conn);
	else
		on_attested(v, &result);
}

/* ---- the beginning ---- */

static struct visit *visit_new(struct setup *s, uint64_t conn, struct span payload,
			       const char *source)
{
	struct visit *v = calloc(1, sizeof *v);

	if (!v)
		return NULL;
	v->setup = s;
	v->conn = conn;
	snprintf(v->source, sizeof v->source, "%s", source);
	buf_init(&v->payload, payload.n);
	v->next = s->visits;
	s->visits = v;
	if (buf_add(&v->payload, payload.p, payload.n))
		return v;
	visit_free(v);
	return NULL;
}

void setup_begin(struct setup *s, uint64_t conn, struct span payload, const char *source)
{
	static const char no_verifier[] = "the OnChainProposer requires no TDX proofs, so there is "
					  "no verifier to register a key with";
	const struct l1_facts *facts = l1_facts(s->p.l1);
	struct visit *v;

	if (facts && !facts->has_tdx_verifier) {
		log_limited(LOG_WARN, "setup_refused", "no_verifier", source,
			    log_str("source", source), log_str("reason", no_verifier));
		s->events.answer(s->events.arg, conn, SETUP_REFUSED, no_verifier);
		return;
	}
	v = visit_new(s, conn, payload, source);
	if (!v)
		s->events.answer(s->events.arg, conn, SETUP_TRY_AGAIN, "out of memory");
	else if (!registrar_wants_attestation(s->p.registrar, buf_span(&v->payload)))
		enlist(v, NULL);
	else
		verify(v);
}

/* ---- life ---- */

void setup_stop(struct setup *s)
{
	s->stopped = true;
}

size_t setup_waiting(const struct setup *s)
{
	const struct visit *v;
	size_t n = 0;

	for (v = s->visits; v; v = v->next)
		n++;
	return n;
}

const uint64_t *setup_counters(const struct setup *s)
{
	return s->counters;
}

bool setup_new(struct setup **out, const struct setup_parts *parts,
	       const struct setup_events *events, struct why *why)
{
	struct setup *s = *out = calloc(1, sizeof *s);

	if (!s) {
		why_set(why, "out of memory");
		return false;
	}
	s->p = *parts;
	s->events = *events;
	return true;
}

void setup_free(struct setup *s)
{
	if (!s)
		return;
	while (s->visits)
		visit_free(s->visits);
	free(s);
}
