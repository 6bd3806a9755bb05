/* From a signed transaction to its end: persist, broadcast, poll, resend, outbid, judge. */
#include "coordinator/sender/internal.h"

#include <string.h>

static bool known_hash(const struct sender *s, const uint8_t hash[32])
{
	unsigned i;

	for (i = 0; i < s->intent.n_attempts; i++)
		if (memcmp(s->intent.attempts[i].hash, hash, 32) == 0)
			return true;
	return false;
}

void follow_on_signed(struct sender *s, const struct sender_event *e, uint64_t now,
		      struct sender_actions *out)
{
	struct sender_intent *in = &s->intent;
	struct span raw = e->done_signed.raw;
	struct buf fresh;

	if (raw.n > SENDER_TX_BYTES_MAX || in->n_attempts == SENDER_ATTEMPTS_MAX) {
		why_set(&s->note, "signed %zu bytes for attempt %u: over %u bytes or %d attempts",
			raw.n, in->n_attempts + 1, SENDER_TX_BYTES_MAX, SENDER_ATTEMPTS_MAX);
		if (s->exposed)
			sender_rest(s, PH_FOLLOW, sender_jitter(s, s->opts.poll_ms), now);
		else
			sender_finish(
			    s, raw.n > SENDER_TX_BYTES_MAX ? SENDER_TOO_BIG : SENDER_GAVE_UP, out);
		return;
	}
	/* the old bytes stay until the new ones are whole: they may be sent again */
	buf_init(&fresh, SENDER_TX_BYTES_MAX);
	if (!buf_add(&fresh, raw.p, raw.n)) {
		why_set(&s->note, "out of memory for a transaction of %zu bytes", raw.n);
		sender_rest(s, PH_SIGN, sender_backoff(s, s->failures++), now);
		return;
	}
	buf_free(&in->raw);
	in->raw = fresh;
	in->gas = s->gas;
	if (!known_hash(s, e->done_signed.hash)) {
		struct sender_attempt *a = &in->attempts[in->n_attempts++];

		*a = (struct sender_attempt){
		    .nonce = s->nonce, .max_fee = s->max_fee, .tip = s->tip};
		memcpy(a->hash, e->done_signed.hash, 32);
	}
	s->refused_as_used = false;
	s->refused_since = 0;
	s->bump_at = now + sender_jitter(s, s->bump_wait);
	s->bump_wait *= 2;
	if (s->bump_wait > s->opts.bump_max_ms)
		s->bump_wait = s->opts.bump_max_ms;
	sender_ask(s, PH_PERSIST, now, out);
}

static void refused(struct sender *s, uint64_t now, bool for_certain)
{
	uint64_t wait = sender_backoff(s, s->send_failures++);

	if (for_certain)
		s->exposed = s->was_exposed;
	if (!s->refused_since)
		s->refused_since = now ? now : 1;
	s->resend_at = now + wait;
	sender_rest(s, PH_FOLLOW, wait, now);
}

static void outbid(struct sender *s, uint64_t now)
{
	uint64_t wait = sender_backoff(s, s->send_failures++);

	s->exposed = s->was_exposed;
	s->bump_at = now;
	s->resend_at = now + wait;
	sender_rest(s, PH_FOLLOW, wait, now);
}

void follow_on_sent(struct sender *s, const struct sender_event *e, uint64_t now,
		    struct sender_actions *out)
{
	uint32_t bit = e->endpoint >= 0 && e->endpoint < 32 ? 1u << e->endpoint : 0;

	/* resends go round the endpoints */
	s->send_avoid = s->send_avoid & bit ? bit : s->send_avoid | bit;
	s->refused_as_used = e->sent == NODE_NONCE_TOO_LOW;
	if (e->sent != NODE_OK)
		why_set(&s->note, "%s", e->sentence ? e->sentence : node_error_text(e->sent));
	switch (e->sent) {
	case NODE_OK:
	case NODE_ALREADY_KNOWN:
		s->send_failures = 0;
		s->failures = 0;
		s->refused_since = 0;
		s->note.text[0] = '\0';
		s->resend_at = now + sender_jitter(s, s->opts.resend_ms);
		sender_rest(s, PH_FOLLOW, sender_jitter(s, s->opts.poll_ms), now);
		return;
	case NODE_NONCE_TOO_LOW:
		/* mined already, ours or a foreign one: the view will tell */
		refused(s, now, false);
		return;
	case NODE_REPLACEMENT_UNDERPRICED:
		if (!s->opts.replace_foreign && s->intent.n_attempts == 1)
			refused(s, now, true);
		else
			outbid(s, now);
		return;
	case NODE_UNDERPRICED:
	case NODE_FEE_BELOW_BASE: outbid(s, now); return;
	case NODE_GAS_TOO_HIGH:
	case NODE_EXCEEDS_BLOCK_GAS:
	case NODE_OVERSIZED:
		refused(s, now, true);
		if (!s->exposed)
			sender_finish(s, SENDER_TOO_BIG, out);
		return;
	case NODE_REVERTED:
		refused(s, now, true);
		if (!s->exposed) {
			buf_free(&s->revert_data);
			s->goal_reason = GOAL_AFTER_REVERT;
			sender_ask(s, PH_GOAL, now, out);
		}
		return;
	case NODE_INSUFFICIENT_FUNDS:
	case NODE_WRONG_CHAIN_ID:
	case NODE_FEE_OVER_CAP: refused(s, now, true); return;
	case NODE_NONCE_TOO_HIGH:
	case NODE_INDEXING:
	case NODE_POOL_FULL:
	case NODE_NOT_SYNCED:
	case NODE_SIMULATION_NONCE:
	case NODE_SENDER_IS_CONTRACT:
	case NODE_NO_METHOD:
	case NODE_NOT_FOUND:
	case NODE_RATE_LIMITED:
	case NODE_OTHER: refused(s, now, false); return;
	}
}

static void on_receipt(struct sender *s, unsigned i, const struct sender_event *e, uint64_t now,
		       struct sender_actions *out)
{
	const struct sender_view *v = &e->view;
	const struct sender_receipt *r = &v->receipts[i];

	if (s->mined && memcmp(s->receipt.block_hash, r->block_hash, 32) != 0)
		why_set(&s->note, "a reorg moved the transaction from block %llu to block %llu",
			(unsigned long long)s->receipt.block_number,
			(unsigned long long)r->block_number);
	s->mined = true;
	s->mined_attempt = i;
	s->receipt = *r;
	s->receipt_by = e->endpoint;
	s->n_opinions = 0;
	if (v->head < r->block_number || v->head - r->block_number + 1 < s->opts.confirmations) {
		sender_rest(s, PH_FOLLOW, sender_jitter(s, s->opts.poll_ms), now);
	} else if (r->ok && s->intent.kind == SENDER_UPLOAD) {
		s->note.text[0] = '\0';
		sender_finish(s, SENDER_CONFIRMED, out);
	} else if (r->ok) {
		s->goal_reason = GOAL_AFTER_RECEIPT;
		sender_ask(s, PH_GOAL, now, out);
	} else {
		why_set(&s->note, "the transaction failed in block %llu",
			(unsigned long long)r->block_number);
		s->goal_reason = GOAL_AFTER_FAILURE;
		sender_ask(s, PH_GOAL, now, out);
	}
}

/* Is what the views say of our nonce the reason why nodes refuse our transaction? One of them says
 * so, or all have refused for long in words that are not known: then the state decides. */
static bool refused_for_its_nonce(struct sender *s, uint64_t now)
{
	if (!s->lost_since)
		s->lost_since = now ? now : 1;
	return s->refused_as_used ||
	       (s->refused_since && now - s->refused_since >= s->opts.foreign_wait_ms &&
		now - s->lost_since >= s->opts.foreign_wait_ms);
}

/* Has a transaction that is not ours used up the nonce? True when the view is dealt with. */
static bool nonce_lost(struct sender *s, const struct sender_event *e, uint64_t now,
		       struct sender_actions *out)
{
	const struct sender_view *v = &e->view;
	uint64_t ours = sender_newest(s)->nonce;
	bool lost = v->nonce_latest > ours && v->nonce_deep > ours;

	if (!lost)
		s->lost_since = 0;
	/* counts alone are one kind of word: the node must also refuse the transaction itself */
	if (lost && !refused_for_its_nonce(s, now)) {
		if (now >= s->resend_at)
			sender_ask(s, PH_BROADCAST, now, out);
		else
			sender_rest(s, PH_FOLLOW, sender_jitter(s, s->opts.poll_ms), now);
		return true;
	}
	if (!lost && s->n_opinions == 0)
		return false;
	switch (sender_weigh(s, (struct opinion){e->endpoint, lost, v->head}, false)) {
	case ASK_ANOTHER:
		sender_rest(s, PH_FOLLOW, sender_jitter(s, s->opts.poll_ms), now);
		return true;
	case DISAGREE:
		s->n_opinions = 0;
		why_set(&s->note, "the RPC endpoints disagree on whether nonce %llu is used up",
			(unsigned long long)ours);
		return false;
	case AGREED: break;
	}
	s->n_opinions = 0;
	if (!lost)
		return false;
	why_set(&s->note, "nonce %llu was used up by a transaction that is not ours",
		(unsigned long long)ours);
	s->goal_reason = GOAL_AFTER_LOST_NONCE;
	sender_ask(s, PH_GOAL, now, out);
	return true;
}

/* Nonces below ours are missing, so that ours cannot be mined: an endpoint's lie, or foreign
 * transactions that a reorg took away. A few are filled, more are not worth it: then ours is
 * abandoned and the nonce planned anew, where two views must agree. To be believed wrongly here
 * costs nothing: a nonce that is used up already is refused. */
static bool fill_gap(struct sender *s, const struct sender_view *v, uint64_t now,
		     struct sender_actions *out)
{
	uint64_t ours = sender_newest(s)->nonce;

	why_set(&s->note, "the account's nonce is %llu, ours is %llu: the ones between are missing",
		(unsigned long long)v->nonce_latest, (unsigned long long)ours);
	if (!s->gap_since) {
		s->gap_since = now ? now : 1;
		s->fill_at = now + s->opts.foreign_wait_ms;
		s->fill_raises = 0;
	}
	if (now < s->fill_at)
		return false;
	if (ours - v->nonce_latest > GAP_MAX) {
		s->abandoning = true;
		s->n_opinions = 0;
		sender_ask(s, PH_PLAN_VIEW, now, out);
		return true;
	}
	if (s->fill_nonce != v->nonce_latest)
		s->fill_raises = 0;
	s->fill_nonce = v->nonce_latest;
	sender_ask(s, PH_FILL_FEES, now, out);
	return true;
}

void follow_on_fill_signed(struct sender *s, const struct sender_event *e, uint64_t now,
			   struct sender_actions *out)
{
	struct span raw = e->done_signed.raw;

	s->fill_raw.len = 0;
	if (buf_add(&s->fill_raw, raw.p, raw.n))
		sender_ask(s, PH_FILL_SEND, now, out);
	else
		sender_rest(s, PH_FOLLOW, sender_jitter(s, s->opts.poll_ms), now);
}

void follow_on_fill_sent(struct sender *s, const struct sender_event *e, uint64_t now)
{
	if (e->sent == NODE_REPLACEMENT_UNDERPRICED || e->sent == NODE_UNDERPRICED ||
	    e->sent == NODE_FEE_BELOW_BASE)
		s->fill_raises++;
	s->fill_at = now + sender_jitter(s, s->opts.resend_ms);
	sender_rest(s, PH_FOLLOW, sender_jitter(s, s->opts.poll_ms), now);
}

void follow_on_view(struct sender *s, const struct sender_event *e, uint64_t now,
		    struct sender_actions *out)
{
	const struct sender_view *v = &e->view;
	uint64_t ours = sender_newest(s)->nonce;
	unsigned i;

	s->failures = 0;
	for (i = 0; i < v->n_receipts && i < s->intent.n_attempts; i++) {
		if (v->receipts[i].found) {
			on_receipt(s, i, e, now, out);
			return;
		}
	}
	if (s->mined) {
		s->mined = false;
		s->resend_at = now;
		why_set(&s->note, "the receipt from block %llu is gone (a reorg)",
			(unsigned long long)s->receipt.block_number);
	}
	if (nonce_lost(s, e, now, out))
		return;
	if (sender_out_of_time(s, now, out))
		return;
	if (v->nonce_latest >= ours)
		s->gap_since = 0;
	else if (fill_gap(s, v, now, out))
		return;
	if (v->nonce_latest == ours && s->refused_since &&
	    now - s->refused_since >= s->opts.foreign_wait_ms) {
		s->refused_since = 0;
		s->n_opinions = 0;
		sender_ask(s, PH_PLAN_VIEW, now, out);
		return;
	}
	if (v->nonce_latest <= ours && now >= s->bump_at) {
		if (plan_can_bump(s)) {
			sender_ask(s, PH_BUMP_FEES, now, out);
			return;
		}
		why_set(&s->note, "the fees are at the maximum of %llu wei a gas",
			(unsigned long long)s->opts.max_fee);
		s->bump_at = now + sender_jitter(s, s->bump_wait);
		sender_ask(s, PH_BROADCAST, now, out);
		return;
	}
	if (v->nonce_latest <= ours && v->nonce_pending <= ours && now >= s->resend_at) {
		sender_ask(s, PH_BROADCAST, now, out);
		return;
	}
	sender_rest(s, PH_FOLLOW, sender_jitter(s, s->opts.poll_ms), now);
}

/* Is it at its block as the receipt has it? One "no" may be an endpoint that has not got there: all
 * is read once more, rather from another. */
static void on_effect(struct sender *s, const struct sender_event *e, uint64_t now,
		      struct sender_actions *out)
{
	if (e->goal) {
		s->note.text[0] = '\0';
		sender_finish(s, SENDER_CONFIRMED, out);
		return;
	}
	why_set(&s->note, "the transaction succeeded in block %llu, and the contract did not move",
		(unsigned long long)s->receipt.block_number);
	if (s->unmoved++) {
		sender_finish(s, SENDER_NO_EFFECT, out);
		return;
	}
	s->goal_avoid = e->endpoint >= 0 && e->endpoint < 32 ? 1u << e->endpoint : 0;
	sender_rest(s, PH_FOLLOW, sender_jitter(s, s->opts.poll_ms), now);
}

void follow_on_goal(struct sender *s, const struct sender_event *e, uint64_t now,
		    struct sender_actions *out)
{
	if (s->goal_reason == GOAL_AFTER_RECEIPT) {
		on_effect(s, e, now, out);
		return;
	}
	if (e->goal) {
		sender_finish(s, SENDER_ALREADY_TRUE, out);
		return;
	}
	switch (s->goal_reason) {
	case GOAL_AFTER_RECEIPT: return; /* above */
	case GOAL_AFTER_REVERT: sender_finish(s, SENDER_REVERTED, out); return;
	case GOAL_AFTER_LOST_NONCE:
		s->exposed = false;
		s->bump_wait = s->opts.bump_min_ms;
		s->started_ms = now;
		sender_ask(s, PH_PLAN_VIEW, now, out);
		return;
	case GOAL_AFTER_FAILURE:
		s->explain_tries = 0;
		buf_free(&s->revert_data);
		sender_ask(s, PH_EXPLAIN, now, out);
		return;
	}
}

void follow_on_explained(struct sender *s, const struct sender_event *e, struct sender_actions *out)
{
	switch (e->called.result) {
	case SENDER_CALL_OK:
		why_wrap(&s->note, "the call passes when repeated on that block's state");
		break;
	case SENDER_CALL_DOES_NOT_FIT: why_wrap(&s->note, "out of gas when repeated"); break;
	case SENDER_CALL_UNUSABLE:
		why_wrap(&s->note, "the node does not repeat it: %s",
			 e->sentence ? e->sentence : "");
		break;
	case SENDER_CALL_REVERTED:
		if (e->called.data.n)
			buf_add(&s->revert_data, e->called.data.p,
				e->called.data.n < SENDER_REVERT_DATA_MAX ? e->called.data.n
									  : SENDER_REVERT_DATA_MAX);
		why_wrap(&s->note, "%s", e->sentence ? e->sentence : "reverted without a reason");
		break;
	}
	sender_finish(s, SENDER_FAILED_ON_CHAIN, out);
}
