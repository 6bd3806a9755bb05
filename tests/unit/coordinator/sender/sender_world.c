#include "sender_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FIRST_NONCE    40
#define FIRST_VERIFIED 6

static uint64_t rnd(struct world *w)
{
	uint64_t z = w->random += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static bool chance(struct world *w, unsigned percent)
{
	return rnd(w) % 100 < percent;
}

static bool healed(const struct world *w)
{
	return w->now >= w->o.heal_ms;
}

static bool trouble(struct world *w, unsigned percent)
{
	bool hit = chance(w, percent);

	return hit && !healed(w);
}

void world_options_default(struct world_options *o, uint64_t seed)
{
	*o = (struct world_options){
	    .seed = seed, .n_endpoints = 2, .include_percent = 60, .heal_ms = 3600000};
	sender_options_default(&o->sender);
	o->sender.chain_id = 31337;
	o->sender.seed = seed;
	o->sender.min_tip = 1000000;
}

static void say(struct world *w, const char *text)
{
	for (; *text; text++)
		w->trace = (w->trace ^ (uint8_t)*text) * 0x100000001b3u;
	w->trace = (w->trace ^ w->now) * 0x100000001b3u;
}

/* ---- the chain ---- */

static uint64_t chain_nonce(const struct world *w)
{
	return w->blocks[w->head].nonce;
}

uint64_t world_verified(const struct world *w)
{
	return w->blocks[w->head].verified;
}

unsigned world_mined(const struct world *w, unsigned *ok)
{
	unsigned n = 0;
	uint64_t i;

	*ok = 0;
	for (i = 1; i <= w->head; i++) {
		n += w->blocks[i].has_tx && w->blocks[i].tx.ours;
		*ok += w->blocks[i].has_tx && w->blocks[i].tx.ours && w->blocks[i].ok;
	}
	return n;
}

static void pool_remove(struct world *w, unsigned i)
{
	w->pool[i] = w->pool[--w->n_pool];
}

static void pool_add(struct world *w, const struct wtx *tx)
{
	unsigned i;

	for (i = 0; i < w->n_pool; i++)
		if (w->pool[i].nonce == tx->nonce)
			pool_remove(w, i--);
	assert_true(w->n_pool < WORLD_POOL);
	w->pool[w->n_pool++] = *tx;
}

static bool passes(const struct world *w, const struct wblock *b)
{
	return !w->o.refuses && b->verified + 1 == w->wish.first_batch;
}

static void add_block(struct world *w)
{
	struct wblock *before = &w->blocks[w->head], *b = before + 1;
	unsigned i;

	assert_true(w->head + 1 < WORLD_BLOCKS);
	*b = (struct wblock){.salt = rnd(w), .nonce = before->nonce, .verified = before->verified};
	b->base_fee =
	    before->base_fee - before->base_fee / 16 + rnd(w) % (before->base_fee / 8 + 1000);
	if (b->base_fee > 2000000000u)
		b->base_fee = 2000000000u;
	if (w->o.base_fee_spikes && !healed(w) && chance(w, 3))
		b->base_fee = 5000000000u + rnd(w) % 30000000000u;
	if (b->base_fee > 2000000000u && (healed(w) || chance(w, 10)))
		b->base_fee = 1000000000u;
	for (i = 0; i < w->n_pool; i++) {
		struct wtx *tx = &w->pool[i];

		if (tx->nonce != b->nonce || tx->max_fee < b->base_fee ||
		    !chance(w, healed(w) ? 90 : w->o.include_percent))
			continue;
		if (w->o.race && tx->ours && b->verified < w->wish.last_batch)
			b->verified = w->wish.last_batch;
		b->has_tx = true;
		b->tx = *tx;
		b->ok = !tx->ours || passes(w, b);
		if (b->ok && tx->ours && !w->o.no_effect)
			b->verified = w->wish.last_batch;
		b->nonce++;
		break;
	}
	w->head++;
	for (i = 0; i < w->n_pool; i++)
		if (w->pool[i].nonce < b->nonce)
			pool_remove(w, i--);
}

static void reorg(struct world *w)
{
	/* never as deep as the confirmations that the sender waits for */
	uint64_t depth = 1 + rnd(w) % (w->o.sender.confirmations - 1), i;
	struct wtx back[8];
	unsigned n = 0;

	if (w->head < WORLD_FIRST + depth)
		return;
	for (i = 0; i < depth; i++, w->head--) {
		if (w->blocks[w->head].has_tx && !chance(w, 30))
			back[n++] = w->blocks[w->head].tx;
	}
	while (n)
		pool_add(w, &back[--n]);
	for (i = 0; i < depth; i++)
		add_block(w);
}

static void foreign_tx(struct world *w)
{
	struct wtx tx = {.nonce = chain_nonce(w),
			 .max_fee = 3000000000u + rnd(w) % 9000000000u,
			 .tip = 2000000000u,
			 .gas = 21000};

	memset(tx.hash, 0xf0, 24);
	memcpy(tx.hash + 24, &w->random, 8);
	pool_add(w, &tx);
}

static void tick_block(struct world *w)
{
	unsigned i;

	if (w->o.sender.confirmations > 1 && trouble(w, w->o.reorg_percent))
		reorg(w);
	if (trouble(w, w->o.foreign_percent))
		foreign_tx(w);
	for (i = 0; i < w->n_pool; i++)
		if (trouble(w, w->o.drop_percent))
			pool_remove(w, i--);
	add_block(w);
	w->next_block_at = w->now + 12000;
}

/* ---- the endpoints ---- */

static int reach(struct world *w, uint32_t avoid)
{
	int pass;
	unsigned i;

	for (pass = 0; pass < 2; pass++)
		for (i = 0; i < w->o.n_endpoints; i++)
			if ((pass || !(avoid >> i & 1)) &&
			    !trouble(w, w->endpoints[i].down_percent))
				return (int)i;
	return -1;
}

static uint64_t endpoint_head(struct world *w, int e)
{
	uint64_t lag = w->endpoints[e].lag && !healed(w) ? rnd(w) % w->endpoints[e].lag : 0;

	return w->head - lag;
}

static uint64_t lie(struct world *w, int e, uint64_t nonce)
{
	if (w->now >= w->o.liar_from_ms && w->endpoints[e].nonce_lie &&
	    trouble(w, w->endpoints[e].lie_percent))
		return nonce + (uint64_t)w->endpoints[e].nonce_lie;
	return nonce;
}

static void balance(const struct world *w, struct uint256 *out)
{
	*out = uint256_from_u64(w->now < w->o.poor_until_ms ? 1000 : UINT64_MAX);
}

static void block_hash(const struct wblock *b, uint8_t out[32])
{
	memset(out, 0x0b, 32);
	memcpy(out, &b->salt, 8);
}

static void find_receipt(const struct world *w, const uint8_t hash[32], uint64_t head,
			 struct sender_receipt *r)
{
	uint64_t i;

	*r = (struct sender_receipt){0};
	for (i = WORLD_FIRST; i <= head; i++) {
		const struct wblock *b = &w->blocks[i];

		if (!b->has_tx || memcmp(b->tx.hash, hash, 32) != 0)
			continue;
		*r = (struct sender_receipt){.found = true,
					     .ok = b->ok,
					     .block_number = i,
					     .gas_used = b->tx.gas / 2,
					     .gas_price = b->base_fee};
		block_hash(b, r->block_hash);
	}
}

static bool answer_view(struct world *w, int e, struct sender_event *ev)
{
	const struct sender_intent *in = w->asked.intent;
	uint64_t head = endpoint_head(w, e), pending;
	struct sender_view *v = &ev->view;
	uint64_t delta;
	unsigned i, j;

	ev->kind = SENDER_EV_VIEW;
	v->head = head;
	v->nonce_latest = w->blocks[head].nonce;
	v->nonce_deep = w->blocks[head - w->asked.depth].nonce;
	pending = v->nonce_latest;
	for (i = 0; i < w->n_pool; i++)
		for (j = 0; j < w->n_pool; j++)
			pending += w->pool[j].nonce == pending;
	delta = lie(w, e, 0);
	v->nonce_latest += delta;
	v->nonce_deep += delta;
	v->nonce_pending = pending + delta;
	v->has_balance = true;
	balance(w, &v->balance);
	v->n_receipts = in->n_attempts;
	v->receipts = w->receipts;
	for (i = 0; i < in->n_attempts; i++)
		find_receipt(w, in->attempts[i].hash, head, &w->receipts[i]);
	return true;
}

static bool node_takes(struct world *w, int e, const struct wtx *tx, char *text, size_t size)
{
	enum flavour f = w->endpoints[e].flavour;
	uint64_t head = endpoint_head(w, e), next = w->blocks[head].nonce;
	unsigned i;

	if (tx->gas > 16777216) {
		snprintf(text, size, "transaction gas limit too high (cap: 16777216, tx: %llu)",
			 (unsigned long long)tx->gas);
		return false;
	}
	if (w->o.node_gas_cap && tx->gas > w->o.node_gas_cap) {
		snprintf(text, size, "gas limit too high");
		return false;
	}
	if (tx->nonce < next) {
		if (f == ANVIL)
			snprintf(text, size, "nonce too low");
		else
			snprintf(text, size, "nonce too low: next nonce %llu, tx nonce %llu",
				 (unsigned long long)next, (unsigned long long)tx->nonce);
		return false;
	}
	if (f == ANVIL && tx->max_fee < w->blocks[head].base_fee) {
		snprintf(text, size, "max fee per gas less than block base fee");
		return false;
	}
	if (w->now < w->o.poor_until_ms) {
		snprintf(text, size, "%snsufficient funds for gas * price + value",
			 f == ANVIL ? "I" : "i");
		return false;
	}
	for (i = 0; i < w->n_pool; i++) {
		const struct wtx *old = &w->pool[i];

		if (old->nonce != tx->nonce)
			continue;
		if (memcmp(old->hash, tx->hash, 32) == 0) {
			snprintf(text, size, "%s",
				 f == ANVIL ? "transaction already imported" : "already known");
			return false;
		}
		if (f == ANVIL
			? tx->max_fee <= old->max_fee
			: tx->max_fee * 10 < old->max_fee * 11 || tx->tip * 10 < old->tip * 11) {
			snprintf(text, size, "replacement transaction underpriced");
			return false;
		}
	}
	/* the chain may be ahead of a node that lags: such a transaction is never mined */
	if (tx->nonce >= chain_nonce(w))
		pool_add(w, tx);
	return true;
}

static void answer_sent(struct world *w, int e, struct sender_event *ev, char *text, size_t size)
{
	struct wtx tx;
	bool has_next;
	uint64_t next;

	ev->kind = SENDER_EV_SENT;
	assert_int_equal(w->asked_raw.len, sizeof tx);
	memcpy(&tx, w->asked_raw.p, sizeof tx);
	if (node_takes(w, e, &tx, text, size)) {
		ev->sent = NODE_OK;
		return;
	}
	if (w->o.strange_words)
		snprintf(text, size, "the transaction is not to my taste");
	ev->sent = node_error_classify(-32000, text, &has_next, &next);
	assert_true((ev->sent == NODE_OTHER) == w->o.strange_words);
	ev->sentence = text;
}

static void answer_called(struct world *w, int e, struct sender_event *ev)
{
	static const uint8_t reason[4] = {0x62, 0x01, 0x3a, 0x95};
	uint64_t block = w->asked.at_block == SENDER_LATEST || w->asked.kind == SENDER_ESTIMATE
			     ? endpoint_head(w, e)
			     : w->asked.at_block;

	ev->kind = SENDER_EV_CALLED;
	if (!passes(w, &w->blocks[block])) {
		ev->called.result = SENDER_CALL_REVERTED;
		ev->called.data = span_of(reason, sizeof reason);
		ev->sentence = "InvalidTdxProof()";
		return;
	}
	ev->called.result = SENDER_CALL_OK;
	ev->called.gas = w->o.estimate ? w->o.estimate : 200000;
}

/* ---- what the sender must never do ---- */

static void check_signature(struct world *w, const struct sender_action *a)
{
	const struct sender_intent *in = a->intent;
	unsigned i;

	assert_true(a->max_fee <= w->o.sender.max_fee);
	assert_true(a->tip <= a->max_fee);
	assert_true(a->tip >= w->o.sender.min_tip);
	assert_true(a->gas <= w->o.sender.gas_cap);
	assert_int_equal(a->chain_id, 31337);
	if (!a->data.n) {
		/* an empty call to ourselves, below a nonce that is out already */
		assert_true(eth_address_equal(&a->to, &in->from));
		assert_int_equal(a->gas, 21000);
		assert_true(in->n_attempts && a->nonce < in->attempts[in->n_attempts - 1].nonce);
		w->fills++;
		return;
	}
	assert_true(eth_address_equal(&a->to, &in->to));
	for (i = 0; i < in->n_attempts; i++) {
		const struct sender_attempt *old = &in->attempts[i];

		if (old->nonce == a->nonce)
			continue;
		/* a second nonce: the truth must be that the first is gone for good, or far out of
		 * the chain's reach */
		assert_true(w->blocks[w->head - (w->o.sender.confirmations - 1)].nonce >
				old->nonce ||
			    old->nonce > chain_nonce(w) + 16);
	}
	w->signatures++;
	if (in->n_attempts + 1 > w->max_attempts)
		w->max_attempts = in->n_attempts + 1;
}

static void check_bump(const struct world *w, const struct sender_action *a)
{
	const struct sender_intent *in = a->intent;
	const struct sender_attempt *old =
	    in->n_attempts ? &in->attempts[in->n_attempts - 1] : NULL;

	if (!a->data.n || !old || old->nonce != a->nonce)
		return;
	/* no room is left: the same again, of another gas limit */
	if (a->max_fee == old->max_fee && a->tip == old->tip) {
		assert_true(old->max_fee * 1125 > w->o.sender.max_fee * 1000);
		return;
	}
	assert_true(a->max_fee * 1000 >= old->max_fee * 1125);
	assert_true(a->tip * 1000 >= old->tip * 1125);
}

static void check_broadcast(struct world *w, const struct sender_action *a)
{
	struct sender_intent stored;
	struct why why;
	struct wtx tx;

	assert_int_equal(a->raw.n, sizeof tx);
	memcpy(&tx, a->raw.p, sizeof tx);
	if (!tx.ours)
		return;
	sender_intent_init(&stored);
	assert_true(sender_intent_decode(&stored, buf_span(&w->durable), &why));
	assert_true(span_eq(buf_span(&stored.raw), a->raw));
	sender_intent_free(&stored);
	w->broadcasts++;
}

/* ---- answers ---- */

static void perform(struct world *w, const struct sender_actions *out);

static void give(struct world *w, struct sender_event *ev)
{
	struct sender_actions out;

	sender_step(w->sender, ev, w->now, &out);
	perform(w, &out);
}

static void answer_signed(struct world *w, struct sender_event *ev)
{
	const struct sender_action *a = &w->asked;
	struct wtx tx;

	memset(&tx, 0, sizeof tx);
	tx.ours = a->data.n != 0;
	tx.intent = a->intent->id;
	tx.nonce = a->nonce;
	tx.max_fee = a->max_fee;
	tx.tip = a->tip;
	tx.gas = a->gas;
	memcpy(tx.hash, &tx.nonce, 8);
	memcpy(tx.hash + 8, &tx.max_fee, 8);
	memcpy(tx.hash + 16, &tx.tip, 8);
	memcpy(tx.hash + 24, &tx.gas, 8);
	ev->kind = SENDER_EV_SIGNED;
	w->asked_raw.len = 0;
	assert_true(buf_add(&w->asked_raw, &tx, sizeof tx));
	ev->done_signed.raw = buf_span(&w->asked_raw);
	memcpy(ev->done_signed.hash, tx.hash, 32);
}

static void make_durable(struct world *w)
{
	w->durable.len = 0;
	assert_true(buf_add(&w->durable, w->storing.p, w->storing.len));
}

static void answer(struct world *w)
{
	struct sender_event ev = {.kind = SENDER_EV_FAILED,
				  .ticket = w->asked.ticket,
				  .endpoint = -1,
				  .sentence = "connection refused"};
	char text[256];
	int e = reach(w, w->asked.avoid);
	bool lost = w->answer_lost;

	w->waiting = false;
	switch (w->asked.kind) {
	case SENDER_SIGN: answer_signed(w, &ev); break;
	case SENDER_PERSIST:
		make_durable(w);
		ev.kind = SENDER_EV_DONE;
		break;
	case SENDER_READ_VIEW:
		if (e >= 0)
			answer_view(w, e, &ev);
		break;
	case SENDER_READ_FEES:
		if (e >= 0) {
			ev.kind = SENDER_EV_FEES;
			ev.fees.next_base_fee = w->blocks[w->head].base_fee;
			ev.fees.tip = 1000000 + rnd(w) % 100000000;
		}
		break;
	case SENDER_DRY_RUN:
	case SENDER_ESTIMATE:
		if (e >= 0)
			answer_called(w, e, &ev);
		break;
	case SENDER_BROADCAST:
		if (e >= 0)
			answer_sent(w, e, &ev, text, sizeof text);
		break;
	case SENDER_CHECK_GOAL:
		if (e >= 0) {
			ev.kind = SENDER_EV_GOAL;
			ev.goal = world_verified(w) >= w->wish.last_batch;
			if (ev.goal && w->o.goal_lies) {
				w->o.goal_lies--;
				ev.goal = false;
			}
		}
		break;
	case SENDER_FINISHED: fail();
	}
	ev.endpoint = e;
	if (!lost)
		give(w, &ev);
}

static void crash(struct world *w)
{
	struct sender_intent stored;
	struct sender_actions out;
	struct why why = {""};

	say(w, "crash");
	w->crashes++;
	if (w->waiting) {
		/* what was under way may have happened or not */
		if (w->asked.kind == SENDER_PERSIST && chance(w, 50))
			make_durable(w);
		if (w->asked.kind == SENDER_BROADCAST && chance(w, 50)) {
			struct sender_event ev = {0};
			char text[256];

			answer_sent(w, 0, &ev, text, sizeof text);
		}
	}
	w->waiting = false;
	sender_free(w->sender);
	w->sender = sender_new(&w->o.sender, &why);
	assert_non_null(w->sender);
	if (w->durable.len) {
		sender_intent_init(&stored);
		assert_true(sender_intent_decode(&stored, buf_span(&w->durable), &why));
		assert_true(sender_resume(w->sender, &stored, w->now, &out, &why));
		sender_intent_free(&stored);
	} else {
		assert_true(sender_wish(w->sender, &w->wish, w->now, &out, &why));
	}
	perform(w, &out);
}

static void perform(struct world *w, const struct sender_actions *out)
{
	const struct sender_action *a = &out->a[0];
	char text[512];

	w->steps++;
	w->wake_at = out->wake_at_ms;
	assert_true(sender_busy(w->sender) == (out->wake_at_ms != UINT64_MAX));
	sender_describe(w->sender, w->now, text, sizeof text);
	assert_true(text[0]);
	say(w, text);
	if (!out->n) {
		w->waiting = w->waiting && sender_busy(w->sender);
	} else if (a->kind == SENDER_FINISHED) {
		w->finished = true;
		w->outcome = a->outcome;
		w->had_receipt = a->has_receipt;
		snprintf(w->sentence, sizeof w->sentence, "%s", a->sentence);
		w->revert_n = a->revert_data.n < 64 ? a->revert_data.n : 64;
		if (w->revert_n)
			memcpy(w->revert_data, a->revert_data.p, w->revert_n);
		return;
	} else {
		w->waiting = true;
		w->asked = *a;
		w->asked_raw.len = 0;
		if (a->kind == SENDER_BROADCAST) {
			check_broadcast(w, a);
			assert_true(buf_add(&w->asked_raw, a->raw.p, a->raw.n));
		}
		if (a->kind == SENDER_SIGN) {
			check_signature(w, a);
			check_bump(w, a);
		}
		if (a->kind == SENDER_PERSIST) {
			w->storing.len = 0;
			assert_true(sender_intent_encode(a->intent, &w->storing));
		}
		w->answer_at = w->now + 5 + rnd(w) % 1500;
		w->answer_lost = trouble(w, w->o.lost_reply_percent);
	}
	if ((w->o.crash_at_step && w->steps == w->o.crash_at_step) ||
	    (w->o.crash_percent && trouble(w, w->o.crash_percent)))
		crash(w);
}

/* ---- life ---- */

void world_init(struct world *w, const struct world_options *o)
{
	struct sender_actions out;
	struct why why = {""};
	uint64_t i;
	unsigned e;

	memset(w, 0, sizeof *w);
	w->o = *o;
	w->random = o->seed * 2 + 1;
	w->blocks = calloc(WORLD_BLOCKS, sizeof *w->blocks);
	assert_non_null(w->blocks);
	for (i = 0; i <= WORLD_FIRST; i++)
		w->blocks[i] = (struct wblock){.salt = i,
					       .base_fee = 1000000000u,
					       .nonce = FIRST_NONCE,
					       .verified = FIRST_VERIFIED};
	w->head = WORLD_FIRST;
	w->now = 1000;
	w->next_block_at = 5000;
	for (e = 0; e < o->n_endpoints; e++)
		w->endpoints[e] = (struct wendpoint){.flavour = (enum flavour)(rnd(w) % 3),
						     .down_percent = o->down_percent,
						     .lag = o->lag};
	w->endpoints[0].nonce_lie = o->liar_delta;
	w->endpoints[0].lie_percent = o->liar_percent;
	buf_init(&w->durable, 1 << 20);
	buf_init(&w->storing, 1 << 20);
	buf_init(&w->asked_raw, 1 << 20);
	if (o->foreign_pending)
		foreign_tx(w);
	w->wish = (struct sender_wish){.id = 7,
				       .kind = SENDER_VERIFY,
				       .to = {{1}},
				       .from = {{2}},
				       .calldata = span_of("calldata", 8),
				       .first_batch = FIRST_VERIFIED + 1,
				       .last_batch = FIRST_VERIFIED + 3};
	w->sender = sender_new(&o->sender, &why);
	assert_non_null(w->sender);
	assert_true(sender_wish(w->sender, &w->wish, w->now, &out, &why));
	perform(w, &out);
}

void world_run(struct world *w, uint64_t until_ms)
{
	while (!w->finished && w->now < until_ms) {
		uint64_t at = w->next_block_at;

		if (w->wake_at < at)
			at = w->wake_at;
		if (w->waiting && w->answer_at < at)
			at = w->answer_at;
		if (at > w->now)
			w->now = at;
		if (w->now >= w->next_block_at) {
			tick_block(w);
		} else if (w->waiting && w->now >= w->answer_at) {
			answer(w);
		} else {
			struct sender_event tick = {.kind = SENDER_EV_TICK};

			give(w, &tick);
		}
		/* at 1.5 s an answer and 2 s a poll there is no honest way to be busier */
		assert_true(w->steps < 1000 + w->now / 20);
	}
}

void world_free(struct world *w)
{
	sender_free(w->sender);
	free(w->blocks);
	buf_free(&w->durable);
	buf_free(&w->storing);
	buf_free(&w->asked_raw);
}
