/* Questions for inputs, each on a connection of its own: the row that it was asked, the answer as
 * it comes to the upload, the row of the input. */
#include "coordinator/base/clock.h"
#include "coordinator/base/log.h"
#include "coordinator/relay/internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SLOW_MS     2000  /* without a byte: said */
#define LONG_MS     30000 /* without its end: said */
#define GAP_MS      5000  /* an input that is missing for so long: said */
#define GAP_AGAIN   600000u
#define REQUEST_MAX 512
#define SPIN_AGAIN  600000u

bool fetch_key_of(struct fetch_key *key, const struct proofdata *m)
{
	if (m->dialect == DIALECT_P1_P2 || !m->commit_hash[0])
		return false;
	*key = (struct fetch_key){
	    .dialect = m->dialect, .has_type = m->has_prover_type, .type = m->prover_type};
	memcpy(key->commit_hash, m->commit_hash, sizeof key->commit_hash);
	return true;
}

/* ---- the end of one ---- */

static void warn_of_spinning(struct relay *r, const struct fetch_demand *d, uint64_t now_ms)
{
	if (!fetch_demand_spins(d) || (r->spin_said_ms && now_ms - r->spin_said_ms < SPIN_AGAIN))
		return;
	r->spin_said_ms = now_ms;
	log_event(LOG_WARN, "upstream_spins", log_u64("batch", d->batch),
		  log_u64("times", d->repeats + 1),
		  log_str("reason",
			  "upstream hands out the same batch again and again: it looks "
			  "as if it ran with --proof-coordinator.prover-timeout 0, with "
			  "which it spins for ever once it holds a proof; give it 600000"));
}

/* It is handed out, and not here: until upstream gives it again. */
static void note_loss(struct flight *f, enum fetch_heard heard, const char *sentence)
{
	struct relay *r = f->relay;
	const bool lost = heard == FETCH_CUT || (heard == FETCH_NOT_KEPT && f->asked_ms) ||
			  (heard == FETCH_DOWN && f->demand->row_due);

	if (lost && f->batch)
		why_set(&r->lost, "batch %" PRIu64 ": %s", f->batch, sentence);
	else if (lost)
		why_set(&r->lost, "%s", sentence);
	if (heard != FETCH_NEW || work_has_gap(r->p.work))
		return;
	r->lost = (struct why){""};
	r->resumed = false;
}

void fetch_describe_gap(const struct relay *r, struct why *out)
{
	const char *again = "upstream gives it again after its --proof-coordinator.prover-timeout";

	if (r->lost.text[0])
		why_set(out, "an input is missing before others; %s; the last that was lost: %s",
			again, r->lost.text);
	else if (r->resumed)
		why_set(out,
			"an input is missing before others; %s; it was on its way when who asked "
			"before ended",
			again);
	else
		why_set(out,
			"an input is missing before others; %s; none was lost here: does another "
			"coordinator, or a prover, ask this upstream?",
			again);
}

static void say_gap(struct relay *r, bool gap, uint64_t now_ms)
{
	struct why why;

	if (!gap) {
		r->gap_ms = r->gap_said_ms = 0;
		return;
	}
	r->gap_ms = r->gap_ms ? r->gap_ms : now_ms;
	if (now_ms - r->gap_ms < GAP_MS || (r->gap_said_ms && now_ms - r->gap_said_ms < GAP_AGAIN))
		return;
	r->gap_said_ms = now_ms;
	fetch_describe_gap(r, &why);
	log_event(LOG_WARN, "input_missing", log_str("reason", why.text));
}

/* A question without demand goes out as often as any may: what is no coordinator would fill the
 * log. */
static void say_answer(const struct flight *f, enum fetch_heard heard, const char *sentence)
{
	const bool bad = heard == FETCH_CUT || heard == FETCH_NOT_KEPT;
	const struct fetch_demand *d = f->demand;

	if (d)
		log_event(bad ? LOG_WARN : LOG_DEBUG, "upstream_answered",
			  log_str("answer", fetch_heard_name(heard)),
			  log_str("dialect", dialect_name(f->dialect)),
			  log_str("commit_hash", d->key.commit_hash),
			  log_str("type", prover_type_name(f->type)), log_u64("batch", f->batch),
			  log_str("reason", sentence));
	else
		log_limited(bad ? LOG_WARN : LOG_DEBUG, "upstream_probed", "", "",
			    log_str("answer", fetch_heard_name(heard)),
			    log_str("dialect", dialect_name(f->dialect)),
			    log_str("reason", sentence));
}

static void flight_over(struct flight *f, enum fetch_heard heard, const char *sentence)
{
	struct relay *r = f->relay;
	struct fetch_demand *d = f->demand;
	const uint64_t now_ms = clock_mono_ms(), batch = f->batch;
	struct exchange *x = f->exchange;
	bool last_word;

	f->used = false;
	f->exchange = NULL;
	exchange_abort(x);
	if (heard != FETCH_DOWN)
		relay_good(r);
	say_answer(f, heard, sentence);
	if (!d) {
		fetch_plan_probed(&r->fetch, f->dialect, heard);
		return;
	}
	r->counters.heard[heard]++;
	note_loss(f, heard, sentence);
	fetch_plan_heard(&r->fetch, d, heard, batch, now_ms);
	warn_of_spinning(r, d, now_ms);
	if (batch && d->key.has_type && (heard == FETCH_NEW || heard == FETCH_KNOWN))
		forward_see(r, batch, f->type, f->asked_wall_ms);
	/* On silence another dialect is tried first. */
	last_word = heard != FETCH_SILENCE || !d->silent;
	if (last_word && heard != FETCH_KNOWN)
		relay_heard(r, d);
	relay_soon(r);
}

static void flight_cut(struct flight *f, const char *sentence)
{
	struct upload *u = f->upload;

	f->upload = NULL;
	if (u)
		upload_abort(u);
	flight_over(f, FETCH_CUT, sentence);
}

/* ---- the answer is whole ---- */

static enum fetch_heard heard_of(const struct proofdata *m)
{
	switch (m->kind) {
	case MSG_INPUT_RESPONSE: return FETCH_NOTHING;
	case MSG_VERSION_MISMATCH:
	case MSG_INVALID_CODE_VERSION:
	case MSG_NO_BATCH_FOR_VERSION: return FETCH_MISMATCH;
	case MSG_PROVER_TYPE_NOT_NEEDED: return FETCH_NOT_NEEDED;
	case MSG_INPUT_REQUEST:
	case MSG_PROOF_SUBMIT:
	case MSG_PROOF_SUBMIT_ACK:
	case MSG_PROVER_SETUP:
	case MSG_PROVER_SETUP_ACK:
	case MSG_KEY_STATE:
	case MSG_KEY_STATE_RESPONSE:
	case MSG_ERROR: return FETCH_CUT;
	}
	return FETCH_CUT;
}

/* Everything that upstream said is here; of an input, the last write may be under way. */
static void flight_whole(struct flight *f)
{
	struct relay *r = f->relay;
	struct exchange *x = f->exchange;
	const struct proofdata *m = &f->answer.message;
	const enum answer_kind kind = answer_end(&f->answer);
	struct why why;

	if (kind == ANSWER_NOTHING) {
		flight_over(f, FETCH_SILENCE, "closed without a byte");
		return;
	}
	if (kind != ANSWER_MESSAGE) {
		flight_cut(f, f->answer.why.text);
		return;
	}
	f->exchange = NULL;
	exchange_abort(x);
	f->whole = true;
	if (f->upload) {
		f->finishing = !f->writing;
		if (f->finishing)
			upload_finish(f->upload);
		return;
	}
	if (m->kind == MSG_INPUT_RESPONSE && m->has_id) {
		why_set(&why, "batch %" PRIu64 " comes without an input", m->id);
		flight_over(f, FETCH_CUT, why.text);
		return;
	}
	if (m->kind == MSG_INVALID_CODE_VERSION)
		memcpy(r->code_hash, m->commit_hash, sizeof r->code_hash);
	else if (m->kind == MSG_NO_BATCH_FOR_VERSION)
		r->code_hash[0] = '\0';
	flight_over(f, heard_of(m), heard_of(m) == FETCH_CUT ? message_kind_name(m->kind) : "");
}

/* ---- the input ---- */

static void on_progress(void *arg)
{
	struct flight *f = arg;

	f->writing = false;
	if (f->whole) {
		f->finishing = true;
		upload_finish(f->upload);
	} else {
		exchange_more(f->exchange);
	}
}

static void on_kept(void *arg, enum upload_rc rc, const char *sentence)
{
	struct flight *f = arg;
	enum fetch_heard heard = FETCH_NOT_KEPT;

	f->upload = NULL;
	f->writing = false;
	if (f->relay->stopped) {
		f->used = false;
		return;
	}
	switch (rc) {
	case UPLOAD_CREATED: heard = FETCH_NEW; break;
	case UPLOAD_SAME:
	case UPLOAD_GONE: heard = FETCH_KNOWN; break;
	case UPLOAD_OTHER_CONTENT:
		log_limited(LOG_WARN, "upstream_input_differs", "", "", log_u64("batch", f->batch),
			    log_str("commit_hash", f->demand->key.commit_hash),
			    log_str("reason",
				    "the batch is committed, and upstream's input is another than "
				    "the one kept here; if upstream is right: proof-coordinator "
				    "drop-input"));
		break;
	case UPLOAD_INVALID:
	case UPLOAD_TOO_BIG:
	case UPLOAD_NO_SPACE:
	case UPLOAD_FAILED: break;
	}
	flight_over(f, heard, sentence);
}

static const struct upload_events uploading = {on_progress, on_kept};

/* The batch that came a moment ago, as before p6 it does until it is proven: nothing is new in it.
 */
static bool is_said_again(const struct flight *f)
{
	uint8_t sha256[32];
	uint64_t size;

	return fetch_demand_just_had(f->demand, f->batch, clock_mono_ms()) &&
	       work_input(f->relay->p.work, f->batch, f->demand->key.commit_hash, sha256, &size);
}

/* False: the flight is over. */
static bool take_piece(struct flight *f, struct span piece)
{
	struct why why = {""};

	if (!f->upload) {
		if (!answer_batch(&f->answer, &f->batch)) {
			flight_cut(f, f->answer.why.text);
			return false;
		}
		if (is_said_again(f)) {
			flight_over(f, FETCH_KNOWN, "it came a moment ago");
			return false;
		}
		if (!upload_new(&f->upload, f->relay->p.inputs, f->batch,
				f->demand->key.commit_hash, &uploading, f, &why)) {
			flight_over(f, FETCH_NOT_KEPT, why.text);
			return false;
		}
	}
	f->writing = true;
	upload_write(f->upload, piece.p, piece.n);
	return f->used;
}

static void on_bytes(void *arg, const uint8_t *bytes, size_t n)
{
	struct flight *f = arg;
	struct span rest = span_of(bytes, n), piece;
	struct why why;

	if (f->answer.bytes + n > f->relay->o.max_bytes) {
		why_set(&why, "the answer is longer than UPSTREAM_MAX_BYTES, %" PRIu64,
			f->relay->o.max_bytes);
		flight_cut(f, why.text);
		return;
	}
	while (rest.n) {
		if (!answer_take(&f->answer, &rest, &piece)) {
			flight_cut(f, f->answer.why.text);
			return;
		}
		if (piece.n && f->demand && !take_piece(f, piece))
			return;
	}
	if (f->answer.complete)
		flight_whole(f);
	else if (!f->writing)
		exchange_more(f->exchange);
}

static void on_end(void *arg, enum exchange_end end, const char *sentence)
{
	struct flight *f = arg;

	f->exchange = NULL;
	switch (end) {
	case EXCHANGE_WHOLE: flight_whole(f); break;
	case EXCHANGE_NO_PEER:
		relay_bad(f->relay, sentence);
		flight_over(f, FETCH_DOWN, sentence);
		break;
	case EXCHANGE_NO_ANSWER:
		/* What it was about to hand out is nobody's now. */
		relay_bad(f->relay, sentence);
		if (f->demand)
			f->demand->row_due = true;
		flight_over(f, FETCH_DOWN, sentence);
		break;
	case EXCHANGE_BROKEN: flight_cut(f, sentence); break;
	}
}

/* ---- the question ---- */

static void flight_ask(struct flight *f)
{
	static const struct exchange_events events = {on_bytes, on_end};
	struct proofdata m = {.kind = MSG_INPUT_REQUEST, .dialect = f->dialect};
	const struct exchange_options o = relay_exchange(f->relay);
	struct why why = {"out of memory"};
	struct buf text;

	if (f->demand)
		memcpy(m.commit_hash, f->demand->key.commit_hash, sizeof m.commit_hash);
	m.has_prover_type = f->dialect != DIALECT_P3_P5;
	m.prover_type = f->type;
	answer_init(&f->answer);
	f->asked_ms = clock_mono_ms();
	f->asked_wall_ms = clock_wall_ms();
	buf_init(&text, REQUEST_MAX);
	if (proofdata_encode(&text, &m, &why) != PROTO_OK ||
	    !exchange_new(&f->exchange, f->relay->p.loop, &o, buf_span(&text), &events, f, &why)) {
		relay_bad(f->relay, why.text);
		flight_over(f, FETCH_DOWN, why.text);
	}
	buf_free(&text);
}

static void on_row(void *arg, enum store_rc rc, const struct why *why)
{
	struct flight *f = arg;

	if (f->relay->stopped) {
		f->used = false;
	} else if (rc == STORE_OK && !store_leads_surely(f->relay->p.store)) {
		f->used = f->demand->in_flight = false; /* not asked: the one that leads does */
	} else if (rc != STORE_OK) {
		flight_over(f, FETCH_NOT_KEPT, why->text);
	} else {
		f->demand->row_due = false;
		flight_ask(f);
	}
}

/* Durable first: after a crash it is known that an input may have been handed out. */
static void flight_begin(struct flight *f, struct fetch_demand *d)
{
	struct relay_row row;

	*f = (struct flight){.relay = f->relay,
			     .used = true,
			     .demand = d,
			     .dialect = d->speaks,
			     .type = d->ask_type};
	if (!d->row_due) {
		flight_ask(f);
		return;
	}
	demand_row_put(&row, d, clock_wall_ms());
	if (store_commit(f->relay->p.store, &row.change, 1, on_row, f) != STORE_OK)
		flight_over(f, FETCH_NOT_KEPT, "the store's queue is full");
}

/* An empty commit hash names no batch, so that nothing is handed out for it. */
static void flight_probe(struct flight *f, enum dialect dialect, unsigned needed)
{
	int t = 0;

	while (t < PROVER_TYPES - 1 && !(needed & PROVER_TYPE_BIT(t)))
		t++;
	*f = (struct flight){.relay = f->relay,
			     .used = true,
			     .dialect = dialect,
			     .type = needed ? (enum prover_type)t : PROVER_EXEC};
	flight_ask(f);
}

static struct flight *free_flight(struct relay *r)
{
	size_t i;

	for (i = 0; i < RELAY_FLIGHTS; i++) {
		r->flights[i].relay = r;
		if (!r->flights[i].used)
			return &r->flights[i];
	}
	return NULL;
}

static size_t open_inputs(void *arg, const struct fetch_key *key)
{
	const struct relay *r = arg;

	return work_open(r->p.work, key->commit_hash,
			 key->has_type ? PROVER_TYPE_BIT(key->type) : WORK_TYPES_ALL);
}

/* What upstream hands out and cannot be kept is lost for its timeout: it is not asked then. */
static bool have_room(struct relay *r)
{
	struct why why = {""};
	const bool room = inputs_have_room(r->p.inputs, r->o.max_bytes, &why);

	if (!room)
		log_limited(LOG_WARN, "fetch_waits", "", "", log_str("reason", why.text));
	r->trouble = why;
	return room;
}

/* A ceiling on batches, inputs or commit hashes. What others wait for has a place beyond it. */
static bool no_place(struct relay *r, const struct fetch_demand *d, bool gap)
{
	struct why why = {""};

	if (gap || work_check_input(r->p.work, UINT64_MAX, d->key.commit_hash, NULL, &why) !=
		       WORK_INPUT_NO_ROOM)
		return false;
	log_limited(LOG_WARN, "fetch_waits", "", "", log_str("reason", why.text));
	return true;
}

static void say_slow(struct relay *r, uint64_t now_ms)
{
	size_t i;

	for (i = 0; i < RELAY_FLIGHTS; i++) {
		struct flight *f = &r->flights[i];

		if (!f->used || !f->exchange)
			continue;
		if (!f->slow && !f->answer.bytes && now_ms - f->asked_ms >= SLOW_MS) {
			f->slow = 1;
			log_event(LOG_WARN, "upstream_slow",
				  log_str("reason", "asked 2 s ago, and not a byte has come"),
				  log_u64("given_up_after_ms", r->o.idle_ms));
		} else if (f->slow < 2 && f->answer.bytes && now_ms - f->asked_ms >= LONG_MS) {
			f->slow = 2;
			log_event(LOG_WARN, "upstream_slow", log_u64("batch", f->batch),
				  log_str("reason", "asked 30 s ago, and the answer has not ended"),
				  log_u64("bytes", f->answer.bytes),
				  log_u64("given_up_after_ms", relay_exchange(r).total_ms));
		}
	}
}

void fetch_pump(struct relay *r)
{
	struct fetch_view view = {.open = open_inputs, .arg = r};
	const uint64_t now_ms = clock_mono_ms();
	struct fetch_demand *d;
	enum dialect dialect;
	struct flight *f;

	say_slow(r, now_ms);
	view.gap = work_has_gap(r->p.work);
	say_gap(r, view.gap, now_ms);
	if (now_ms < r->health.try_at_ms || !(f = free_flight(r)))
		return;
	if (work_needed(r->p.work, &view.needed) && have_room(r)) {
		/* While it is down one question at a time finds out. */
		while (f && now_ms >= r->health.try_at_ms &&
		       (d = fetch_plan_next(&r->fetch, &view, now_ms))) {
			if (no_place(r, d, view.gap)) {
				fetch_plan_heard(&r->fetch, d, FETCH_NOT_KEPT, 0, now_ms);
				relay_heard(r, d);
				continue;
			}
			flight_begin(f, d);
			f = r->health.state == HEALTH_UP ? free_flight(r) : NULL;
		}
	}
	if (f && fetch_plan_probe(&r->fetch, now_ms, &dialect))
		flight_probe(f, dialect, view.needed);
}

void fetch_stop(struct relay *r)
{
	size_t i;

	for (i = 0; i < RELAY_FLIGHTS; i++) {
		struct flight *f = &r->flights[i];

		exchange_abort(f->exchange);
		f->exchange = NULL;
		/* One that is being made durable ends by itself. */
		if (f->upload && !f->finishing) {
			upload_abort(f->upload);
			f->upload = NULL;
		}
	}
}
