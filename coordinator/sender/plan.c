/* From a wish to the fields of a transaction: nonce, fees, dry run, gas. */
#include "coordinator/sender/internal.h"

#include <string.h>

/* Rounds in which one endpoint's dry run passes and another's reverts before the pass is
 * believed: a block between the two answers explains one such round, not three in a row. */
#define SPLIT_DRY_RUNS_MAX 3

static uint64_t add_sat(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/* ceil(a * num / den), saturated */
static uint64_t scale(uint64_t a, uint64_t num, uint64_t den)
{
	__extension__ unsigned __int128 v = (unsigned __int128)a * num + den - 1;

	v /= den;
	return v > UINT64_MAX ? UINT64_MAX : (uint64_t)v;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t most(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static void plan_again(struct sender *s, uint64_t now, struct sender_actions *out)
{
	s->n_opinions = 0;
	s->abandoning = false;
	if (sender_out_of_time(s, now, out))
		return;
	sender_rest(s, s->exposed ? PH_FOLLOW : PH_PLAN_VIEW, sender_backoff(s, s->failures++),
		    now);
}

/* The one gate to a second nonce: an earlier one must be used up below any likely reorg, or so far
 * above the chain's that it is given up. Attempts at it are still looked for. */
static bool may_sign_at(struct sender *s, const struct sender_view *v)
{
	const struct sender_attempt *newest = sender_newest(s);
	const bool abandoning = s->abandoning;

	s->abandoning = false;
	if (!newest || newest->nonce == v->nonce_latest)
		return true;
	if (newest->nonce < v->nonce_latest)
		return v->nonce_deep > newest->nonce;
	if (!abandoning || newest->nonce - v->nonce_latest <= GAP_MAX)
		return false;
	why_set(&s->note, "nonce %llu is out of reach, for the chain is at %llu: abandoned",
		(unsigned long long)newest->nonce, (unsigned long long)v->nonce_latest);
	s->exposed = false;
	s->gap_since = 0;
	s->bump_wait = s->opts.bump_min_ms;
	return true;
}

/* Is somebody else using the account (a shared key, or our store was lost)? Pending at our nonce,
 * or mined so lately that a reorg could leave our transaction with a gap before it. */
static bool foreign_activity(struct sender *s, const struct sender_view *v, uint64_t now)
{
	bool pending = v->nonce_pending > v->nonce_latest;

	if (!pending && v->nonce_deep >= v->nonce_latest) {
		s->foreign_since = 0;
		return false;
	}
	if (!s->foreign_since)
		s->foreign_since = now ? now : 1;
	if (now - s->foreign_since >= s->opts.foreign_wait_ms &&
	    (!pending || s->opts.replace_foreign))
		return false;
	why_set(&s->note,
		"transactions of the sending key that are not ours are %s (nonce %llu; %llu in "
		"blocks deep enough)",
		pending ? "pending" : "not confirmed yet", (unsigned long long)v->nonce_latest,
		(unsigned long long)v->nonce_deep);
	return true;
}

void plan_on_view(struct sender *s, const struct sender_event *e, uint64_t now,
		  struct sender_actions *out)
{
	const struct sender_view *v = &e->view;

	switch (sender_weigh(s, (struct opinion){e->endpoint, v->nonce_latest, v->head}, true)) {
	case ASK_ANOTHER: sender_ask(s, PH_PLAN_VIEW, now, out); return;
	case DISAGREE:
		why_set(&s->note,
			"the RPC endpoints disagree on the account's nonce (one says %llu)",
			(unsigned long long)v->nonce_latest);
		plan_again(s, now, out);
		return;
	case AGREED: break;
	}
	s->n_opinions = 0;
	if (!may_sign_at(s, v)) {
		s->exposed = true;
		sender_rest(s, PH_FOLLOW, sender_jitter(s, s->opts.poll_ms), now);
		return;
	}
	if (foreign_activity(s, v, now)) {
		if (!sender_out_of_time(s, now, out))
			sender_rest(s, PH_PLAN_VIEW, sender_jitter(s, s->opts.poll_ms), now);
		return;
	}
	s->nonce = v->nonce_latest;
	s->has_balance = v->has_balance;
	s->balance = v->balance;
	sender_ask(s, PH_PLAN_FEES, now, out);
}

static void fresh_fees(const struct sender *s, const struct sender_event *e, uint64_t *max_fee,
		       uint64_t *tip)
{
	uint64_t base = e->fees.next_base_fee;

	*tip = least(most(e->fees.tip, s->opts.min_tip), s->opts.max_fee);
	*max_fee = least(add_sat(add_sat(base, base), *tip), s->opts.max_fee);
}

/* What geth and reth ask of a replacement is 10 %; an eighth keeps clear of rounding. */
static uint64_t replacement(uint64_t old, uint64_t permille)
{
	return most(scale(old, permille, 1000), add_sat(old, 1));
}

bool plan_can_bump(const struct sender *s)
{
	const struct sender_attempt *a = sender_newest(s);

	return s->intent.n_attempts < SENDER_ATTEMPTS_MAX &&
	       replacement(a->max_fee, 1125) <= s->opts.max_fee &&
	       replacement(a->tip, 1125) <= s->opts.max_fee;
}

/* What another transaction at the nonce of the newest attempt must offer; where the maximum leaves
 * no room, what it offered. */
static void raised_fees(struct sender *s, const struct sender_event *e)
{
	const struct sender_attempt *a = sender_newest(s);
	uint64_t max_fee, tip;

	if (!plan_can_bump(s)) {
		s->max_fee = a->max_fee;
		s->tip = a->tip;
		return;
	}
	fresh_fees(s, e, &max_fee, &tip);
	tip = least(most(tip, replacement(a->tip, s->opts.bump_permille)), s->opts.max_fee);
	max_fee = most(max_fee, replacement(a->max_fee, s->opts.bump_permille));
	s->max_fee = least(most(max_fee, tip), s->opts.max_fee);
	s->tip = tip;
}

void plan_on_fees(struct sender *s, const struct sender_event *e, uint64_t now,
		  struct sender_actions *out)
{
	const struct sender_attempt *newest = sender_newest(s);

	if (e->fees.next_base_fee >= s->opts.max_fee) {
		why_set(&s->note,
			"the base fee of %llu wei is not below the maximum of %llu wei "
			"(ETHREX_MAXIMUM_ALLOWED_MAX_FEE_PER_GAS)",
			(unsigned long long)e->fees.next_base_fee,
			(unsigned long long)s->opts.max_fee);
		plan_again(s, now, out);
		return;
	}
	if (newest && newest->nonce == s->nonce)
		raised_fees(s, e);
	else
		fresh_fees(s, e, &s->max_fee, &s->tip);
	s->dry_run_avoid = 0;
	sender_ask(s, PH_DRY_RUN, now, out);
}

static void keep_revert(struct sender *s, const struct sender_event *e)
{
	size_t n = e->called.data.n;

	buf_free(&s->revert_data);
	if (n)
		buf_add(&s->revert_data, e->called.data.p, least(n, SENDER_REVERT_DATA_MAX));
	why_set(&s->note, "%s", e->sentence ? e->sentence : "reverted without a reason");
}

static void does_not_fit(struct sender *s, const struct sender_event *e, struct sender_actions *out)
{
	why_set(&s->note, "%s",
		e->sentence ? e->sentence : "needs more gas than a transaction may have");
	sender_finish(s, SENDER_TOO_BIG, out);
}

static void unusable(struct sender *s, const char *what, const struct sender_event *e)
{
	why_set(&s->note, "the node makes no %s of this call: %s", what,
		e->sentence ? e->sentence : "it does not say why");
}

void plan_on_dry_run(struct sender *s, const struct sender_event *e, uint64_t now,
		     struct sender_actions *out)
{
	bool split;

	switch (e->called.result) {
	case SENDER_CALL_OK:
		split = s->dry_run_avoid != 0;
		if (split && s->split_dry_runs++ < SPLIT_DRY_RUNS_MAX) {
			s->reverts = 0;
			plan_again(s, now, out);
			return;
		}
		sender_ask(s, PH_ESTIMATE, now, out);
		return;
	case SENDER_CALL_REVERTED:
		keep_revert(s, e);
		if (++s->reverts < 2) {
			/* one endpoint's word does not condemn; an unnumbered one avoids nobody */
			s->dry_run_avoid =
			    e->endpoint >= 0 && e->endpoint < 32 ? 1u << e->endpoint : 1u << 31;
			sender_ask(s, PH_DRY_RUN, now, out);
			return;
		}
		s->goal_reason = GOAL_AFTER_REVERT;
		sender_ask(s, PH_GOAL, now, out);
		return;
	case SENDER_CALL_DOES_NOT_FIT: does_not_fit(s, e, out); return;
	case SENDER_CALL_UNUSABLE:
		/* the estimate runs the call as well, and after it the receipt's effect is looked
		 * at */
		unusable(s, "dry run", e);
		sender_ask(s, PH_ESTIMATE, now, out);
		return;
	}
}

static bool affordable(struct sender *s, uint64_t now, struct sender_actions *out)
{
	struct uint256 cost, price = uint256_from_u64(s->max_fee);
	char has[UINT256_DECIMAL_SIZE], needs[UINT256_DECIMAL_SIZE];

	if (!s->has_balance)
		return true;
	if (uint256_mul_u64(&cost, &price, s->gas) && uint256_cmp(&s->balance, &cost) >= 0) {
		s->funds_since = 0;
		return true;
	}
	if (!s->funds_since)
		s->funds_since = now ? now : 1;
	uint256_to_decimal(has, &s->balance);
	uint256_to_decimal(needs, &cost);
	why_set(&s->note,
		"insufficient funds: the sending key has %s wei, the transaction may cost %s", has,
		needs);
	if (s->opts.no_funds_give_up_ms && now - s->funds_since >= s->opts.no_funds_give_up_ms)
		sender_finish(s, SENDER_NO_FUNDS, out);
	else
		plan_again(s, now, out);
	return false;
}

void plan_on_estimate(struct sender *s, const struct sender_event *e, uint64_t now,
		      struct sender_actions *out)
{
	switch (e->called.result) {
	case SENDER_CALL_OK: break;
	case SENDER_CALL_REVERTED:
		keep_revert(s, e);
		if (++s->reverts < 2) {
			plan_again(s, now, out);
			return;
		}
		s->goal_reason = GOAL_AFTER_REVERT;
		sender_ask(s, PH_GOAL, now, out);
		return;
	case SENDER_CALL_DOES_NOT_FIT: does_not_fit(s, e, out); return;
	case SENDER_CALL_UNUSABLE:
		unusable(s, "estimate", e);
		plan_again(s, now, out);
		return;
	}
	if (e->called.gas > s->gas_cap) {
		why_set(&s->note, "the gas estimate of %llu exceeds the cap of %llu",
			(unsigned long long)e->called.gas, (unsigned long long)s->gas_cap);
		sender_finish(s, SENDER_TOO_BIG, out);
		return;
	}
	s->gas = least(scale(e->called.gas, s->opts.gas_percent, 100), s->gas_cap);
	if (!affordable(s, now, out))
		return;
	s->failures = 0;
	s->reverts = 0;
	s->split_dry_runs = 0;
	sender_ask(s, PH_SIGN, now, out);
}

void plan_on_bump_fees(struct sender *s, const struct sender_event *e, uint64_t now,
		       struct sender_actions *out)
{
	raised_fees(s, e);
	s->nonce = sender_newest(s)->nonce;
	sender_ask(s, PH_SIGN, now, out);
}

void plan_on_fill_fees(struct sender *s, const struct sender_event *e, uint64_t now,
		       struct sender_actions *out)
{
	unsigned i;

	fresh_fees(s, e, &s->max_fee, &s->tip);
	for (i = 0; i < s->fill_raises && s->max_fee < s->opts.max_fee; i++) {
		s->tip = least(replacement(s->tip, s->opts.bump_permille), s->opts.max_fee);
		s->max_fee = least(replacement(s->max_fee, s->opts.bump_permille), s->opts.max_fee);
	}
	sender_ask(s, PH_FILL_SIGN, now, out);
}

struct eth_tx sender_action_tx(const struct sender_action *a)
{
	return (struct eth_tx){.type = ETH_TX_DYNAMIC_FEE,
			       .chain_id = a->chain_id,
			       .nonce = a->nonce,
			       .max_priority_fee = a->tip,
			       .max_fee = a->max_fee,
			       .gas = a->gas,
			       .to = a->to,
			       .data = a->data};
}
