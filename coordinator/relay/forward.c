/* Proofs go upstream, one at a time: the choice is durable, the proof is sent, its acknowledgement
 * is durable. */
#include "coordinator/base/clock.h"
#include "coordinator/base/log.h"
#include "coordinator/registrar/registrar.h"
#include "coordinator/relay/internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGE_MAX (32u << 20) /* a proof of 4 MiB, and its public values, as decimal numbers */

static void say(struct relay *r, const struct forward_due *due, const char *what,
		const char *sentence)
{
	why_set(&r->forward_said, "%s proof of batch %" PRIu64 " %s%s%s",
		prover_type_name(due->type), due->batch, what, *sentence ? ": " : "", sentence);
}

static void errand_over(struct relay *r)
{
	struct errand *e = &r->errand;

	exchange_abort(e->exchange);
	e->exchange = NULL;
	e->busy = false;
	buf_free(&e->message);
	relay_soon(r);
}

/* ---- what became of it ---- */

static void not_forwarded(struct relay *r, const char *sentence)
{
	const struct forward_due *due = &r->errand.due;

	r->counters.forward_failures++;
	forward_plan_failed(&r->forward, due->batch, due->type, clock_mono_ms());
	log_limited(LOG_WARN, "proof_not_forwarded", "", "", log_u64("batch", due->batch),
		    log_str("type", prover_type_name(due->type)), log_u64("id", due->id),
		    log_str("dialect", dialect_name(r->errand.dialect)),
		    log_str("reason", sentence));
	say(r, due, "is not acknowledged", sentence);
	errand_over(r);
}

static void on_ack_row(void *arg, enum store_rc rc, const struct why *why)
{
	struct relay *r = arg;

	/* Not durable: it may be sent again after a crash, which ethrex acknowledges and drops. */
	if (rc != STORE_OK)
		log_limited(LOG_WARN, "forward_row_not_kept", "", "", log_str("reason", why->text));
	if (!r->stopped)
		errand_over(r);
}

static void acknowledged(struct relay *r)
{
	const struct forward_due *due = &r->errand.due;
	const struct forward_entry *e;
	struct relay_row row;

	forward_plan_acknowledged(&r->forward, due->batch, due->type, clock_wall_ms());
	r->counters.forwarded++;
	log_limited(LOG_INFO, "proof_forwarded", "", "", log_u64("batch", due->batch),
		    log_str("type", prover_type_name(due->type)), log_u64("id", due->id),
		    log_str("dialect", dialect_name(r->errand.dialect)));
	say(r, due, "is acknowledged", "");
	e = forward_plan_find(&r->forward, due->batch, due->type);
	if (e)
		forward_row_put(&row, e);
	if (!e || store_commit(r->p.store, &row.change, 1, on_ack_row, r) != STORE_OK)
		errand_over(r);
}

/* It closed without a byte: it failed, or speaks another dialect than it was last heard in. */
static void was_silent(struct relay *r)
{
	static const enum dialect ladder[] = {DIALECT_P7, DIALECT_P6, DIALECT_P3_P5};

	r->submit_dialect = ladder[r->submit_rung++ % (sizeof ladder / sizeof *ladder)];
	not_forwarded(r, "upstream closed without a byte");
}

static void answered(struct relay *r)
{
	struct errand *e = &r->errand;
	const enum answer_kind kind = answer_end(&e->answer);
	const struct proofdata *m = &e->answer.message;

	if (kind == ANSWER_NOTHING) {
		was_silent(r);
		return;
	}
	r->submit_dialect = DIALECT_ANY;
	if (kind == ANSWER_MESSAGE && m->kind == MSG_PROOF_SUBMIT_ACK && m->id == e->due.batch) {
		acknowledged(r);
		return;
	}
	if (kind == ANSWER_MESSAGE)
		answer_other(&e->answer,
			     "upstream answered with something else than its acknowledgement");
	not_forwarded(r, e->answer.why.text);
}

static void on_bytes(void *arg, const uint8_t *bytes, size_t n)
{
	struct relay *r = arg;
	struct errand *e = &r->errand;
	struct span rest = span_of(bytes, n), piece;

	while (rest.n)
		if (!answer_take(&e->answer, &rest, &piece)) {
			not_forwarded(r, e->answer.why.text);
			return;
		}
	if (!e->answer.complete) {
		exchange_more(e->exchange);
		return;
	}
	relay_good(r);
	answered(r);
}

static void on_end(void *arg, enum exchange_end end, const char *sentence)
{
	struct relay *r = arg;

	r->errand.exchange = NULL;
	switch (end) {
	case EXCHANGE_WHOLE:
		relay_good(r);
		answered(r);
		return;
	case EXCHANGE_NO_PEER:
	case EXCHANGE_NO_ANSWER: relay_bad(r, sentence); break;
	case EXCHANGE_BROKEN: break;
	}
	not_forwarded(r, sentence);
}

/* ---- on its way ---- */

static enum dialect dialect_now(const struct relay *r)
{
	if (r->submit_dialect != DIALECT_ANY)
		return r->submit_dialect;
	return r->fetch.spoken != DIALECT_ANY ? r->fetch.spoken : DIALECT_P7;
}

/* As its prover sent it, in the dialect that upstream speaks. What the store has does not say
 * whether it was one of the older calldata that are kept as their JSON text: it looks like one
 * then. */
static bool message_of(struct errand *e, const struct store_proof *row, struct why *why)
{
	struct proofdata m = {
	    .kind = MSG_PROOF_SUBMIT, .dialect = e->dialect, .has_id = true, .id = row->batch};
	const bool tdx = e->due.type == PROVER_TDX;
	bool ok;

	m.proof.prover_type = e->due.type;
	m.proof.has_public_values = row->public_values.n && !(tdx && e->dialect == DIALECT_P7);
	m.proof.is_calldata = !tdx && row->bytes.n >= 2 && row->bytes.p[0] == '[' &&
			      (row->bytes.p[1] == '{' || row->bytes.p[1] == ']');
	buf_init(&m.proof.bytes, row->bytes.n + 1);
	buf_init(&m.proof.public_values, row->public_values.n + 1);
	buf_init(&e->message, MESSAGE_MAX);
	why_set(why, "out of memory");
	ok = buf_add(&m.proof.bytes, row->bytes.p, row->bytes.n) &&
	     buf_add(&m.proof.public_values, row->public_values.p, row->public_values.n) &&
	     proofdata_encode(&e->message, &m, why) == PROTO_OK;
	proofdata_free(&m);
	return ok;
}

/* The one that leads sends it, as it is chosen. */
static bool leads_no_more(struct relay *r)
{
	if (store_leads_surely(r->p.store))
		return false;
	errand_over(r);
	return true;
}

static void on_proof(void *arg, enum store_rc rc, const struct store_proof *row,
		     const struct why *why)
{
	static const struct exchange_events events = {on_bytes, on_end};
	struct relay *r = arg;
	struct errand *e = &r->errand;
	struct exchange_options o = relay_exchange(r);
	struct why trouble = {""};

	if (r->stopped || leads_no_more(r))
		return;
	if (rc != STORE_OK) {
		not_forwarded(r, why->text);
		return;
	}
	o.total_ms = 2 * o.idle_ms; /* its answer is short, and others wait behind it */
	e->dialect = dialect_now(r);
	answer_init(&e->answer);
	if (!message_of(e, row, &trouble) ||
	    !exchange_new(&e->exchange, r->p.loop, &o, buf_span(&e->message), &events, r, &trouble))
		not_forwarded(r, trouble.text);
	buf_free(&e->message);
}

static void read_it(struct relay *r)
{
	if (store_read_proof(r->p.store, r->errand.due.id, on_proof, r) != STORE_OK)
		not_forwarded(r, "the store's queue is full");
}

static void on_choice_row(void *arg, enum store_rc rc, const struct why *why)
{
	struct relay *r = arg;

	if (r->stopped)
		return;
	if (rc == STORE_OK) {
		forward_plan_stored(&r->forward, &r->errand.due);
		read_it(r);
	} else {
		not_forwarded(r, why->text);
	}
}

static void choose(struct relay *r)
{
	const struct forward_due *due = &r->errand.due;
	struct relay_row row;

	if (!forward_plan_chosen(&r->forward, due)) {
		not_forwarded(r, "no more proofs can be remembered as forwarded");
		return;
	}
	forward_row_put(&row, forward_plan_find(&r->forward, due->batch, due->type));
	if (store_commit(r->p.store, &row.change, 1, on_choice_row, r) != STORE_OK)
		not_forwarded(r, "the store's queue is full");
}

/* ethrex keeps the first that it gets: only what the key on chain signed, and no switch of it is
 * under way. */
static bool may_forward(struct relay *r, struct why *why)
{
	const struct l1_facts *f = l1_facts(r->p.l1);
	const struct eth_address *holds = registrar_signer(r->p.registrar);
	const struct eth_address *counts = registrar_counting_signer(r->p.registrar);

	if (!f || !l1_is_fresh(r->p.l1)) {
		why_set(why, "L1 has not been read yet");
		return false;
	}
	if (!(f->needed & PROVER_TYPE_BIT(PROVER_TDX)))
		return true;
	if (!holds || !counts || !eth_address_equal(holds, counts)) {
		why_set(why,
			"no key is registered yet, or another one comes: nothing is forwarded");
		return false;
	}
	return registrar_may_verify(r->p.registrar, why);
}

/* What lies behind a batch that the key on chain did not prove may have another by then. */
static uint64_t last_to_forward(const struct relay *r)
{
	const struct l1_facts *f = l1_facts(r->p.l1);
	const struct eth_address *signer = registrar_signer(r->p.registrar);

	if (!(f->needed & PROVER_TYPE_BIT(PROVER_TDX)))
		return UINT64_MAX;
	return f->verified + work_signer_run(r->p.work, signer);
}

bool relay_holds(const struct relay *r, const struct eth_address *signer)
{
	const struct l1_facts *f = l1_facts(r->p.l1);

	if (r->o.submit == RELAY_SUBMIT_L1 || !f || registrar_revoked_by(r->p.registrar, signer))
		return false;
	return forward_plan_has(&r->forward, f->verified,
				f->verified + work_signer_run(r->p.work, signer), PROVER_TDX);
}

void forward_pump(struct relay *r)
{
	const uint64_t now_ms = clock_mono_ms();
	struct errand *e = &r->errand;
	struct why why = {""};

	if (r->o.submit == RELAY_SUBMIT_L1 || e->busy || now_ms < r->health.try_at_ms)
		return;
	if (!may_forward(r, &why)) {
		r->forward_said = why;
		return;
	}
	if (!forward_plan_next(&r->forward, r->p.work, last_to_forward(r), now_ms, &e->due))
		return;
	e->busy = true;
	if (e->due.chosen)
		read_it(r);
	else
		choose(r);
}

/* ---- what upstream shows of what it has ---- */

void forward_see(struct relay *r, uint64_t batch, enum prover_type type, uint64_t asked_wall_ms)
{
	struct forward_entry entry;
	struct relay_row row;

	if (!forward_plan_handed_out(&r->forward, batch, type, asked_wall_ms, clock_mono_ms(),
				     &entry))
		return;
	r->counters.forward_lost++;
	log_limited(LOG_WARN, "forwarded_proof_lost", "", "", log_u64("batch", batch),
		    log_str("type", prover_type_name(type)), log_u64("times", entry.again),
		    log_str("reason",
			    "upstream hands the batch out again after it acknowledged this proof: "
			    "its sender threw it away, or its store was lost; it is sent again"));
	forward_row_put(&row, &entry);
	store_commit_lazy(r->p.store, &row.change, 1);
	/* Nobody here can judge it: the batch is proven once more. */
	if (entry.again >= FORWARD_AGAIN_DOUBTFUL && type != PROVER_TDX && type != PROVER_EXEC)
		proofs_verdict(r->p.proofs, entry.id, WORK_ASIDE, NULL,
			       "upstream lost it twice: its sender may have found it bad");
}

void forward_overdue(struct relay *r)
{
	const struct l1_facts *f = l1_facts(r->p.l1);
	struct forward_entry entry;
	struct relay_row row;

	while (f && forward_plan_overdue(&r->forward, f->verified + 1, clock_wall_ms(), &entry)) {
		log_event(
		    LOG_WARN, "forwarded_not_verified", log_u64("batch", entry.batch),
		    log_str("type", prover_type_name(entry.type)), log_u64("id", entry.id),
		    log_str("reason",
			    "upstream acknowledged this proof ten minutes ago, and its batch, "
			    "the next, is not verified: its sender does not send, or its "
			    "store was lost; it is sent again"));
		forward_row_put(&row, &entry);
		store_commit_lazy(r->p.store, &row.change, 1);
	}
}

void forward_drop(struct relay *r)
{
	const struct l1_facts *f = l1_facts(r->p.l1);
	struct forward_entry entry;
	struct relay_row row;

	while (f && forward_plan_drop(&r->forward, f->final, &entry)) {
		forward_row_drop(&row, &entry);
		store_commit_lazy(r->p.store, &row.change, 1);
	}
	forward_plan_rewind(&r->forward);
}

void forward_stop(struct relay *r)
{
	exchange_abort(r->errand.exchange);
	r->errand.exchange = NULL;
	buf_free(&r->errand.message);
}
