/* The sender's life, its waits, and which answer goes to which decision. */
#include "coordinator/base/retry.h"
#include "coordinator/sender/internal.h"
#include "encoding/utf8.h"
#include "encoding/words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A view this many blocks behind another one's is an endpoint that hangs, not an opinion. */
#define STALE_BLOCKS  32
#define EXPLAIN_TRIES 3

const char *sender_outcome_text(enum sender_outcome o)
{
	static const char *const text[] = {
#define X(name, words) [name] = words,
	    SENDER_OUTCOME_LIST(X)
#undef X
	};

	return text[o];
}

void sender_options_default(struct sender_options *o)
{
	*o = (struct sender_options){
	    .max_fee = 10000000000u,
	    .min_tip = 1,
	    .gas_cap = 16777216,
	    .gas_percent = 120,
	    .bump_permille = 1300,
	    .confirmations = 3,
	    .action_timeout_ms = 60000,
	    .poll_ms = 2000,
	    .resend_ms = 24000,
	    .bump_min_ms = 96000,
	    .bump_max_ms = 1800000,
	    .retry_min_ms = 1000,
	    .retry_max_ms = 60000,
	    .foreign_wait_ms = 300000,
	    .replace_foreign = true,
	    .no_funds_give_up_ms = 0, /* money comes, or the wish is taken back */
	    .give_up_ms = 0,
	};
}

/* ---- waits ---- */

/* 80 to 120 % */
uint64_t sender_jitter(struct sender *s, uint64_t ms)
{
	return retry_spread(ms, 5, retry_random(&s->random));
}

uint64_t sender_backoff(struct sender *s, unsigned failures)
{
	return sender_jitter(s,
			     retry_backoff(s->opts.retry_min_ms, s->opts.retry_max_ms, failures));
}

void sender_rest(struct sender *s, enum phase after, uint64_t ms, uint64_t now)
{
	s->phase = PH_SLEEP;
	s->after_sleep = after;
	s->asked = 0;
	s->wake_at = now + ms;
}

/* ---- opinions ---- */

static uint32_t asked_mask(const struct sender *s)
{
	uint32_t mask = 0;
	unsigned i;

	for (i = 0; i < s->n_opinions; i++)
		if (s->opinions[i].endpoint >= 0 && s->opinions[i].endpoint < 32)
			mask |= 1u << s->opinions[i].endpoint;
	return mask;
}

enum verdict sender_weigh(struct sender *s, struct opinion o, bool drop_stale)
{
	uint64_t best = o.head;
	bool repeated = false, all_equal = true;
	unsigned i;

	for (i = 0; i < s->n_opinions; i++)
		if (s->opinions[i].head > best)
			best = s->opinions[i].head;
	for (i = 0; i < s->n_opinions; i++) {
		const struct opinion *p = &s->opinions[i];
		bool stale = drop_stale && best - p->head > STALE_BLOCKS;
		bool new_stale = drop_stale && best - o.head > STALE_BLOCKS;

		if (p->endpoint == o.endpoint) {
			repeated = true;
			if (p->value != o.value)
				return DISAGREE;
		} else if (!stale && !new_stale && p->value == o.value) {
			return AGREED;
		} else if (!stale && !new_stale) {
			all_equal = false;
		}
	}
	if (repeated || s->n_opinions == OPINIONS_MAX) {
		/* nobody else is left to ask */
		return all_equal && best - o.head <= STALE_BLOCKS ? AGREED : DISAGREE;
	}
	s->opinions[s->n_opinions++] = o;
	return ASK_ANOTHER;
}

/* ---- actions ---- */

const struct sender_attempt *sender_newest(const struct sender *s)
{
	unsigned n = s->intent.n_attempts;

	return n ? &s->intent.attempts[n - 1] : NULL;
}

static struct sender_action *act(struct sender *s, enum sender_action_kind kind,
				 struct sender_actions *out)
{
	struct sender_action *a = &out->a[0];

	*a = (struct sender_action){.kind = kind,
				    .ticket = ++s->last_ticket,
				    .intent = &s->intent,
				    .sentence = s->note.text};
	out->n = 1;
	return a;
}

static enum sender_action_kind kind_of(enum phase phase)
{
	switch (phase) {
	case PH_IDLE:
	case PH_SLEEP: break;
	case PH_PLAN_VIEW:
	case PH_FOLLOW: return SENDER_READ_VIEW;
	case PH_PLAN_FEES:
	case PH_FILL_FEES:
	case PH_BUMP_FEES: return SENDER_READ_FEES;
	case PH_DRY_RUN:
	case PH_EXPLAIN: return SENDER_DRY_RUN;
	case PH_ESTIMATE: return SENDER_ESTIMATE;
	case PH_FILL_SIGN:
	case PH_SIGN: return SENDER_SIGN;
	case PH_PERSIST: return SENDER_PERSIST;
	case PH_FILL_SEND:
	case PH_BROADCAST: return SENDER_BROADCAST;
	case PH_GOAL: return SENDER_CHECK_GOAL;
	}
	abort(); /* a phase that asks nothing was entered by asking */
}

struct sender_action *sender_ask(struct sender *s, enum phase phase, uint64_t now,
				 struct sender_actions *out)
{
	struct sender_action *a = act(s, kind_of(phase), out);

	s->phase = phase;
	s->asked = a->ticket;
	s->wake_at = now + s->opts.action_timeout_ms;
	switch (a->kind) {
	case SENDER_READ_VIEW:
		a->avoid = asked_mask(s);
		a->depth = s->opts.confirmations - 1;
		break;
	case SENDER_DRY_RUN:
		a->avoid = phase == PH_DRY_RUN ? s->dry_run_avoid : 0;
		a->at_block = phase == PH_DRY_RUN ? SENDER_LATEST : s->receipt.block_number;
		break;
	case SENDER_ESTIMATE: a->avoid = s->dry_run_avoid; break;
	case SENDER_SIGN:
		a->chain_id = s->opts.chain_id;
		a->nonce = phase == PH_SIGN ? s->nonce : s->fill_nonce;
		a->gas = phase == PH_SIGN ? s->gas : FILL_GAS;
		a->to = phase == PH_SIGN ? s->intent.to : s->intent.from;
		if (phase == PH_SIGN)
			a->data = buf_span(&s->intent.calldata);
		a->max_fee = s->max_fee;
		a->tip = s->tip;
		break;
	case SENDER_BROADCAST:
		if (phase == PH_FILL_SEND) {
			a->raw = buf_span(&s->fill_raw);
			break;
		}
		a->raw = buf_span(&s->intent.raw);
		a->avoid = s->send_avoid;
		s->was_exposed = s->exposed;
		s->exposed = true;
		break;
	case SENDER_CHECK_GOAL:
		a->at_block = SENDER_LATEST;
		if (s->goal_reason != GOAL_AFTER_RECEIPT)
			break;
		a->at_block = s->receipt.block_number;
		memcpy(a->block_hash, s->receipt.block_hash, 32);
		a->endpoint = s->receipt_by;
		a->avoid = s->goal_avoid;
		break;
	case SENDER_READ_FEES:
	case SENDER_PERSIST:
	case SENDER_FINISHED: break;
	}
	return a;
}

void sender_finish(struct sender *s, enum sender_outcome outcome, struct sender_actions *out)
{
	struct sender_action *a = act(s, SENDER_FINISHED, out);

	a->outcome = outcome;
	if (outcome == SENDER_REVERTED || outcome == SENDER_FAILED_ON_CHAIN)
		a->revert_data = buf_span(&s->revert_data);
	if (s->mined) {
		a->has_receipt = true;
		memcpy(a->tx_hash, s->intent.attempts[s->mined_attempt].hash, 32);
		a->block_number = s->receipt.block_number;
		a->gas_used = s->receipt.gas_used;
		a->gas_price = s->receipt.gas_price;
	}
	s->phase = PH_IDLE;
	s->asked = 0;
	s->wake_at = UINT64_MAX;
}

bool sender_out_of_time(struct sender *s, uint64_t now, struct sender_actions *out)
{
	if (s->exposed || !s->opts.give_up_ms || now - s->started_ms < s->opts.give_up_ms)
		return false;
	why_wrap(&s->note, "nothing could be sent for %llu s",
		 (unsigned long long)((now - s->started_ms) / 1000));
	sender_finish(s, SENDER_GAVE_UP, out);
	return true;
}

/* ---- life ---- */

static const char *bad_option(const struct sender_options *o)
{
	if (!o->chain_id)
		return "chain_id is 0";
	if (!o->min_tip || o->max_fee <= o->min_tip)
		return "min_tip is 0, or not below max_fee";
	if (!o->gas_cap || o->gas_percent < 100)
		return "gas_cap is 0, or gas_percent below 100";
	if (o->bump_permille < 1125)
		return "bump_permille is below 1125: nodes refuse such replacements";
	if (!o->confirmations)
		return "confirmations is 0";
	if (!o->action_timeout_ms || !o->poll_ms || !o->resend_ms || !o->retry_min_ms)
		return "a wait is 0";
	if (!o->bump_min_ms || o->bump_max_ms < o->bump_min_ms || o->retry_max_ms < o->retry_min_ms)
		return "a longest wait is below its shortest";
	return NULL;
}

struct sender *sender_new(const struct sender_options *options, struct why *why)
{
	const char *bad = bad_option(options);
	struct sender *s;

	if (bad) {
		why_set(why, "sender: %s", bad);
		return NULL;
	}
	s = calloc(1, sizeof *s);
	if (!s) {
		why_set(why, "out of memory");
		return NULL;
	}
	s->opts = *options;
	s->random = options->seed;
	s->wake_at = UINT64_MAX;
	sender_intent_init(&s->intent);
	buf_init(&s->revert_data, SENDER_REVERT_DATA_MAX);
	buf_init(&s->fill_raw, 1024);
	return s;
}

void sender_free(struct sender *s)
{
	if (!s)
		return;
	sender_intent_free(&s->intent);
	buf_free(&s->revert_data);
	buf_free(&s->fill_raw);
	free(s);
}

/* Forgets the intent before. */
static void reset(struct sender *s, uint64_t now)
{
	sender_intent_free(&s->intent);
	buf_free(&s->revert_data);
	s->note.text[0] = '\0';
	s->gas_cap = s->opts.gas_cap;
	s->started_ms = now;
	s->failures = 0;
	s->exposed = s->was_exposed = false;
	s->n_opinions = 0;
	s->foreign_since = s->funds_since = 0;
	s->reverts = s->split_dry_runs = 0;
	s->dry_run_avoid = 0;
	s->bump_wait = s->opts.bump_min_ms;
	s->resend_at = now;
	s->send_failures = 0;
	s->send_avoid = 0;
	s->refused_as_used = false;
	s->refused_since = s->lost_since = 0;
	s->gap_since = 0;
	s->abandoning = false;
	s->fill_nonce = s->fill_at = 0;
	s->mined = false;
	s->unmoved = 0;
	s->goal_avoid = 0;
	s->explain_tries = 0;
}

bool sender_wish(struct sender *s, const struct sender_wish *wish, uint64_t now_ms,
		 struct sender_actions *out, struct why *why)
{
	struct sender_intent *in = &s->intent;

	out->n = 0;
	out->wake_at_ms = s->wake_at;
	if (s->phase != PH_IDLE) {
		why_set(why, "intent %llu is still open", (unsigned long long)in->id);
		return false;
	}
	reset(s, now_ms);
	if (wish->calldata.n <= in->calldata.max &&
	    !buf_add(&in->calldata, wish->calldata.p, wish->calldata.n)) {
		why_set(why, "out of memory for %zu bytes of call data", wish->calldata.n);
		return false;
	}
	in->id = wish->id;
	in->kind = wish->kind;
	in->from = wish->from;
	in->to = wish->to;
	in->first_batch = wish->first_batch;
	in->last_batch = wish->last_batch;
	in->signer = wish->signer;
	if (wish->gas_cap && wish->gas_cap < s->gas_cap)
		s->gas_cap = wish->gas_cap;
	if (wish->calldata.n > in->calldata.max) {
		why_set(&s->note, "%zu bytes of call data do not fit a transaction of %u",
			wish->calldata.n, SENDER_TX_BYTES_MAX);
		sender_finish(s, SENDER_TOO_BIG, out);
	} else {
		sender_ask(s, PH_PLAN_VIEW, now_ms, out);
	}
	out->wake_at_ms = s->wake_at;
	return true;
}

bool sender_resume(struct sender *s, struct sender_intent *intent, uint64_t now_ms,
		   struct sender_actions *out, struct why *why)
{
	out->n = 0;
	out->wake_at_ms = s->wake_at;
	if (s->phase != PH_IDLE) {
		why_set(why, "intent %llu is still open", (unsigned long long)s->intent.id);
		return false;
	}
	reset(s, now_ms);
	s->intent = *intent;
	sender_intent_init(intent);
	s->gas = s->intent.gas;
	s->exposed = s->intent.n_attempts > 0;
	s->bump_at = now_ms + sender_jitter(s, s->bump_wait);
	sender_ask(s, s->exposed ? PH_FOLLOW : PH_PLAN_VIEW, now_ms, out);
	out->wake_at_ms = s->wake_at;
	return true;
}

/* ---- events ---- */

static void failed(struct sender *s, const char *sentence, uint64_t now, struct sender_actions *out)
{
	uint64_t wait = sender_backoff(s, s->failures++);
	enum phase after = s->phase;

	why_set(&s->note, "%s", sentence);
	switch (s->phase) {
	case PH_IDLE:
	case PH_SLEEP: return;
	case PH_PLAN_VIEW:
	case PH_PLAN_FEES:
	case PH_DRY_RUN:
	case PH_ESTIMATE:
		if (sender_out_of_time(s, now, out))
			return;
		s->n_opinions = 0;
		s->abandoning = false;
		after = s->exposed ? PH_FOLLOW : PH_PLAN_VIEW;
		break;
	case PH_SIGN:
		if (sender_out_of_time(s, now, out))
			return;
		after = s->exposed ? PH_FOLLOW : PH_PLAN_VIEW;
		break;
	case PH_FILL_FEES:
	case PH_FILL_SIGN:
	case PH_FILL_SEND:
	case PH_BUMP_FEES: after = PH_FOLLOW; break;
	case PH_BROADCAST:
		/* it may have arrived all the same */
		s->resend_at = now;
		after = PH_FOLLOW;
		break;
	case PH_EXPLAIN:
		if (++s->explain_tries >= EXPLAIN_TRIES) {
			why_set(&s->note, "failed in block %llu; the reason could not be read: %s",
				(unsigned long long)s->receipt.block_number, sentence);
			sender_finish(s, SENDER_FAILED_ON_CHAIN, out);
			return;
		}
		break;
	case PH_GOAL:
		if (s->goal_reason == GOAL_AFTER_REVERT && sender_out_of_time(s, now, out))
			return;
		break;
	case PH_PERSIST:
	case PH_FOLLOW: break;
	}
	sender_rest(s, after, wait, now);
}

static enum sender_event_kind answer_to(enum sender_action_kind kind)
{
	switch (kind) {
	case SENDER_READ_VIEW: return SENDER_EV_VIEW;
	case SENDER_READ_FEES: return SENDER_EV_FEES;
	case SENDER_DRY_RUN:
	case SENDER_ESTIMATE: return SENDER_EV_CALLED;
	case SENDER_SIGN: return SENDER_EV_SIGNED;
	case SENDER_PERSIST: return SENDER_EV_DONE;
	case SENDER_BROADCAST: return SENDER_EV_SENT;
	case SENDER_CHECK_GOAL: return SENDER_EV_GOAL;
	case SENDER_FINISHED: break;
	}
	return SENDER_EV_FAILED;
}

static void answered(struct sender *s, const struct sender_event *e, uint64_t now,
		     struct sender_actions *out)
{
	switch (s->phase) {
	case PH_IDLE:
	case PH_SLEEP: return;
	case PH_PLAN_VIEW: plan_on_view(s, e, now, out); return;
	case PH_PLAN_FEES: plan_on_fees(s, e, now, out); return;
	case PH_DRY_RUN: plan_on_dry_run(s, e, now, out); return;
	case PH_ESTIMATE: plan_on_estimate(s, e, now, out); return;
	case PH_BUMP_FEES: plan_on_bump_fees(s, e, now, out); return;
	case PH_SIGN: follow_on_signed(s, e, now, out); return;
	case PH_PERSIST:
		s->failures = 0;
		sender_ask(s, PH_BROADCAST, now, out);
		return;
	case PH_BROADCAST: follow_on_sent(s, e, now, out); return;
	case PH_FOLLOW: follow_on_view(s, e, now, out); return;
	case PH_FILL_FEES: plan_on_fill_fees(s, e, now, out); return;
	case PH_FILL_SIGN: follow_on_fill_signed(s, e, now, out); return;
	case PH_FILL_SEND: follow_on_fill_sent(s, e, now); return;
	case PH_GOAL: follow_on_goal(s, e, now, out); return;
	case PH_EXPLAIN: follow_on_explained(s, e, out); return;
	}
}

void sender_step(struct sender *s, const struct sender_event *event, uint64_t now_ms,
		 struct sender_actions *out)
{
	out->n = 0;
	if (event->kind == SENDER_EV_TICK) {
		if (s->phase != PH_IDLE && now_ms >= s->wake_at) {
			if (s->phase == PH_SLEEP)
				sender_ask(s, s->after_sleep, now_ms, out);
			else
				failed(s, "no answer in time", now_ms, out);
		}
	} else if (s->asked && event->ticket == s->asked) {
		s->asked = 0;
		if (event->kind == SENDER_EV_FAILED)
			failed(s, event->sentence ? event->sentence : "failed", now_ms, out);
		else if (event->kind != answer_to(kind_of(s->phase)))
			failed(s, "an answer of another kind than was asked for", now_ms, out);
		else
			answered(s, event, now_ms, out);
	}
	out->wake_at_ms = s->wake_at;
}

/* ---- status ---- */

bool sender_busy(const struct sender *s)
{
	return s->phase != PH_IDLE;
}

const struct sender_intent *sender_intent(const struct sender *s)
{
	return s->phase == PH_IDLE ? NULL : &s->intent;
}

const char *sender_trouble(const struct sender *s)
{
	return s->phase == PH_IDLE ? "" : s->note.text;
}

void sender_set_max_fee(struct sender *s, uint64_t max_fee)
{
	if (max_fee > s->opts.min_tip)
		s->opts.max_fee = max_fee;
}

void sender_set_poll(struct sender *s, uint32_t poll_ms, uint32_t resend_ms)
{
	if (poll_ms)
		s->opts.poll_ms = poll_ms;
	if (resend_ms)
		s->opts.resend_ms = resend_ms;
}

static const char *doing(const struct sender *s)
{
	switch (s->phase == PH_SLEEP ? s->after_sleep : s->phase) {
	case PH_IDLE:
	case PH_SLEEP: break;
	case PH_PLAN_VIEW: return "reading the account";
	case PH_PLAN_FEES: return "reading the fees";
	case PH_DRY_RUN: return "trying the call";
	case PH_ESTIMATE: return "estimating the gas";
	case PH_BUMP_FEES: return "raising the fees";
	case PH_SIGN: return "signing";
	case PH_PERSIST: return "storing the intent";
	case PH_BROADCAST: return "broadcasting";
	case PH_FOLLOW: return s->mined ? "waiting for confirmations" : "waiting for the receipt";
	case PH_FILL_FEES:
	case PH_FILL_SIGN:
	case PH_FILL_SEND: return "filling the gap before the nonce";
	case PH_GOAL: return "asking whether the goal is reached";
	case PH_EXPLAIN: return "asking why it failed";
	}
	return "idle";
}

void sender_describe(const struct sender *s, uint64_t now_ms, char *out, size_t size)
{
	const struct sender_attempt *a = sender_newest(s);
	enum phase at = s->phase == PH_SLEEP ? s->after_sleep : s->phase;
	char range[WORDS_RANGE_SIZE];
	struct why text = {""};

	if (s->phase == PH_IDLE) {
		snprintf(out, size, "idle");
		return;
	}
	if (s->intent.kind == SENDER_VERIFY)
		why_set(&text, "verify %s",
			words_batches(range, s->intent.first_batch, s->intent.last_batch));
	else
		why_set(&text, s->intent.kind == SENDER_REGISTER ? "register a prover key"
								 : "upload collateral");
	if (a && (at == PH_FOLLOW || at == PH_BROADCAST)) {
		char hash[9];

		hex_encode(hash, a->hash, 4);
		utf8_print(out, size, "%s: %s of 0x%s.. (nonce %llu, attempt %u, %llu s)%s%s",
			   text.text, doing(s), hash, (unsigned long long)a->nonce,
			   s->intent.n_attempts,
			   (unsigned long long)((now_ms - s->started_ms) / 1000),
			   s->note.text[0] ? "; " : "", s->note.text);
	} else {
		utf8_print(out, size, "%s: %s (%llu s)%s%s", text.text, doing(s),
			   (unsigned long long)((now_ms - s->started_ms) / 1000),
			   s->note.text[0] ? "; " : "", s->note.text);
	}
}
