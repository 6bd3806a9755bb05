/* A key knocks: the store's callback comes before the answer, L1's before that of a first key. */
#include "coordinator/provers/setup.h"

#include "coordinator/base/clock.h"
#include "coordinator/base/log.h"
#include "coordinator/provers/quote_check.h"
#include "coordinator/provers/rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One that is being verified, on its way to the disk, or waiting for its registration. */
struct visit {
	struct visit *next;
	struct setup *setup;
	uint64_t conn;
	char source[REGISTRAR_SOURCE_SIZE];
	struct registrar_check check;
	struct buf payload; /* what check.prover.payload points to */
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

/* Consumes the visit. */
static void refuse(struct visit *v, enum registrar_answer a, const char *sentence)
{
	struct refusal_key whole, ignored;
	struct tdxv_quote q;
	char name[65]; /* under which `explain` finds the verdict */

	quote_check_keys(&whole, &ignored, &q, buf_span(&v->payload));
	hex_encode(name, whole.sha256, sizeof whole.sha256);
	v->setup->counters[a]++;
	log_event(LOG_WARN, "setup_refused", log_str("source", v->source),
		  log_u64("bytes", v->payload.len), log_str("quote_sha256", name),
		  log_str("reason", sentence));
	answer(v, code_of(a), sentence);
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
		log_event(LOG_INFO, "setup_acknowledged", log_str("signer", signer),
			  log_str("source", v->check.prover.source),
			  log_str("as", a == REGISTRAR_ACK_ACTIVE ? "active" : "standby"));
	else
		log_event(LOG_WARN, "setup_refused", log_str("signer", signer),
			  log_str("source", v->check.prover.source), log_str("reason", why.text));
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

static void on_kept(void *arg, enum store_rc rc, const struct why *why)
{
	struct visit *v = arg;
	struct setup *s = v->setup;
	struct why trouble = {""};
	const bool placed = rc == STORE_OK && registrar_setup(s->p.registrar, &v->check, &trouble);

	if (rc == STORE_OK && (!placed || v->check.has_evicted))
		rows_follow(v);
	if (!placed) {
		const char *sentence = rc != STORE_OK ? why->text : trouble.text;

		log_event(LOG_ERROR, "setup_not_kept", log_str("reason", sentence));
		answer(v, SETUP_TRY_AGAIN, sentence);
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
	case QUOTES_ATTESTED: enlist(v, &result->signer); break;
	case QUOTES_REFUSED: refuse(v, REGISTRAR_REFUSE, result->sentence); break;
	case QUOTES_RETRY: refuse(v, REGISTRAR_RETRY, result->sentence); break;
	}
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
	struct quotes_result result;
	struct visit *v;

	if (facts && !facts->has_tdx_verifier) {
		log_event(LOG_WARN, "setup_refused", log_str("source", source),
			  log_str("reason", no_verifier));
		s->events.answer(s->events.arg, conn, SETUP_REFUSED, no_verifier);
		return;
	}
	v = visit_new(s, conn, payload, source);
	if (!v)
		s->events.answer(s->events.arg, conn, SETUP_TRY_AGAIN, "out of memory");
	else if (!registrar_wants_attestation(s->p.registrar, buf_span(&v->payload)))
		enlist(v, NULL);
	else if (quotes_verify(s->p.quotes, buf_span(&v->payload), source, on_attested, v, &result))
		s->events.hold(s->events.arg, conn);
	else
		on_attested(v, &result);
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
