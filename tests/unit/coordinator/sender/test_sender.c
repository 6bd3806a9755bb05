/* The sender: each ending once, in a calm world; random worlds are in test_sender_random.c. */
#include "sender_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HOUR 3600000u

static void calm(struct world_options *o)
{
	world_options_default(o, 5);
	o->include_percent = 100;
	o->heal_ms = UINT64_MAX;
}

static void test_confirmed(void **state)
{
	struct world_options o;
	struct world w;
	unsigned ok;

	(void)state;
	calm(&o);
	world_init(&w, &o);
	world_run(&w, HOUR);
	assert_int_equal(w.outcome, SENDER_CONFIRMED);
	assert_true(w.finished && w.had_receipt);
	assert_int_equal(w.signatures, 1);
	assert_int_equal(w.broadcasts, 1);
	assert_int_equal(world_mined(&w, &ok), 1);
	assert_int_equal(ok, 1);
	assert_false(sender_busy(w.sender));
	assert_null(sender_intent(w.sender));
	world_free(&w);
}

static void test_reverted_before_sending(void **state)
{
	struct world_options o;
	struct world w;

	(void)state;
	calm(&o);
	o.refuses = true;
	world_init(&w, &o);
	world_run(&w, HOUR);
	assert_int_equal(w.outcome, SENDER_REVERTED);
	assert_string_equal(w.sentence, "InvalidTdxProof()");
	assert_int_equal(w.revert_n, 4);
	assert_int_equal(w.signatures, 0);
	world_free(&w);
}

static void test_failed_on_chain(void **state)
{
	struct world_options o;
	struct world w;

	(void)state;
	calm(&o);
	o.include_percent = 0;
	world_init(&w, &o);
	while (!w.broadcasts)
		world_run(&w, w.now + 100);
	w.o.refuses = true;
	w.o.include_percent = 100;
	world_run(&w, HOUR);
	assert_int_equal(w.outcome, SENDER_FAILED_ON_CHAIN);
	assert_true(w.had_receipt);
	assert_int_equal(w.revert_n, 4);
	assert_non_null(strstr(w.sentence, "InvalidTdxProof()"));
	world_free(&w);
}

static void test_a_receipt_without_effect(void **state)
{
	struct world_options o;
	struct world w;

	(void)state;
	calm(&o);
	o.no_effect = true;
	world_init(&w, &o);
	world_run(&w, HOUR);
	assert_int_equal(w.outcome, SENDER_NO_EFFECT);
	assert_true(w.had_receipt);
	assert_non_null(strstr(w.sentence, "the contract did not move"));
	assert_int_equal(w.signatures, 1);
	world_free(&w);
}

/* One "no" is not the truth. */
static void test_an_effect_denied_once(void **state)
{
	struct world_options o;
	struct world w;

	(void)state;
	calm(&o);
	o.goal_lies = 1;
	world_init(&w, &o);
	world_run(&w, HOUR);
	assert_int_equal(w.outcome, SENDER_CONFIRMED);
	world_free(&w);
}

static void test_another_was_faster(void **state)
{
	struct world_options o;
	struct world w;

	(void)state;
	calm(&o);
	o.race = true;
	world_init(&w, &o);
	world_run(&w, HOUR);
	assert_int_equal(w.outcome, SENDER_ALREADY_TRUE);
	assert_true(w.had_receipt);
	world_free(&w);
}

static void test_too_much_gas(void **state)
{
	struct world_options o;
	struct world w;

	(void)state;
	calm(&o);
	o.estimate = 16777217;
	world_init(&w, &o);
	world_run(&w, HOUR);
	assert_int_equal(w.outcome, SENDER_TOO_BIG);
	assert_non_null(strstr(w.sentence, "16777217"));
	assert_int_equal(w.signatures, 0);
	world_free(&w);
	/* the margin is cut at the cap, not the wish */
	o.estimate = 16000000;
	world_init(&w, &o);
	world_run(&w, HOUR);
	assert_int_equal(w.outcome, SENDER_CONFIRMED);
	world_free(&w);
}

static void test_too_much_data(void **state)
{
	static uint8_t data[SENDER_TX_BYTES_MAX];
	struct sender_wish wish = {.id = 1, .calldata = {data, sizeof data}};
	struct sender_actions out;
	struct sender_options o;
	struct sender *s;
	struct why why;

	(void)state;
	sender_options_default(&o);
	o.chain_id = 1;
	s = sender_new(&o, &why);
	assert_true(sender_wish(s, &wish, 0, &out, &why));
	assert_int_equal(out.n, 1);
	assert_int_equal(out.a[0].kind, SENDER_FINISHED);
	assert_int_equal(out.a[0].outcome, SENDER_TOO_BIG);
	assert_false(sender_busy(s));
	/* and it can go on */
	wish.calldata.n = 4;
	assert_true(sender_wish(s, &wish, 0, &out, &why));
	assert_int_equal(out.a[0].kind, SENDER_READ_VIEW);
	assert_false(sender_wish(s, &wish, 0, &out, &why));
	assert_non_null(strstr(why.text, "intent 1 is still open"));
	sender_free(s);
}

static void test_no_funds(void **state)
{
	struct world_options o;
	struct world w;
	char text[512];

	(void)state;
	calm(&o);
	o.poor_until_ms = HOUR;
	world_init(&w, &o);
	world_run(&w, HOUR / 2);
	assert_false(w.finished);
	assert_int_equal(w.signatures, 0);
	sender_describe(w.sender, w.now, text, sizeof text);
	assert_non_null(strstr(text, "insufficient funds: the sending key has 1000 wei"));
	world_run(&w, 2 * HOUR);
	assert_int_equal(w.outcome, SENDER_CONFIRMED);
	world_free(&w);

	o.sender.no_funds_give_up_ms = 600000;
	world_init(&w, &o);
	world_run(&w, HOUR);
	assert_int_equal(w.outcome, SENDER_NO_FUNDS);
	world_free(&w);
}

static void test_gives_up_before_sending(void **state)
{
	struct world_options o;
	struct world w;

	(void)state;
	calm(&o);
	o.down_percent = 100;
	o.sender.give_up_ms = 600000;
	world_init(&w, &o);
	world_run(&w, HOUR);
	assert_int_equal(w.outcome, SENDER_GAVE_UP);
	assert_non_null(strstr(w.sentence, "nothing could be sent"));
	assert_non_null(strstr(w.sentence, "connection refused"));
	world_free(&w);
}

static void test_never_gives_up_after_sending(void **state)
{
	struct world_options o;
	struct world w;

	(void)state;
	calm(&o);
	o.include_percent = 0;
	o.sender.give_up_ms = 60000;
	world_init(&w, &o);
	world_run(&w, HOUR);
	assert_false(w.finished);
	w.o.include_percent = 100;
	world_run(&w, 2 * HOUR);
	assert_int_equal(w.outcome, SENDER_CONFIRMED);
	world_free(&w);
}

static void test_fees_rise_to_the_maximum_and_stay(void **state)
{
	struct world_options o;
	struct world w;
	const struct sender_intent *in;
	unsigned n;
	char text[512];

	(void)state;
	calm(&o);
	o.include_percent = 0;
	world_init(&w, &o);
	world_run(&w, 12 * HOUR);
	in = sender_intent(w.sender);
	assert_non_null(in);
	n = in->n_attempts;
	assert_true(n > 3 && n < SENDER_ATTEMPTS_MAX);
	/* what is left is not enough for a replacement that nodes accept */
	assert_true(in->attempts[n - 1].max_fee * 9 / 8 > o.sender.max_fee);
	assert_true(w.broadcasts > 2 * n);
	sender_describe(w.sender, w.now, text, sizeof text);
	assert_non_null(strstr(text, "waiting for the receipt of 0x"));
	assert_non_null(strstr(text, "(nonce 40, attempt "));
	w.o.include_percent = 100;
	world_run(&w, 13 * HOUR);
	assert_int_equal(w.outcome, SENDER_CONFIRMED);
	world_free(&w);
}

static void test_foreign_transaction_is_waited_for_then_replaced(void **state)
{
	struct world_options o;
	struct world w;
	char text[512];
	unsigned ok;

	(void)state;
	calm(&o);
	o.foreign_pending = true;
	o.include_percent = 0;
	world_init(&w, &o);
	world_run(&w, o.sender.foreign_wait_ms - 30000);
	assert_int_equal(w.signatures, 0);
	sender_describe(w.sender, w.now, text, sizeof text);
	assert_non_null(strstr(text, "not ours are pending (nonce 40"));
	world_run(&w, 10 * o.sender.foreign_wait_ms);
	assert_true(w.broadcasts > 0);
	w.o.include_percent = 100;
	world_run(&w, 2 * HOUR);
	assert_int_equal(w.outcome, SENDER_CONFIRMED);
	assert_int_equal(world_mined(&w, &ok), 1);
	assert_int_equal(w.n_pool, 0);
	world_free(&w);

	o.sender.replace_foreign = false;
	world_init(&w, &o);
	world_run(&w, 2 * HOUR);
	assert_int_equal(w.signatures, 0);
	world_free(&w);
}

/* The endpoint says once that fifty more transactions were sent; what was signed on its word can
 * never be mined. */
static void test_a_nonce_far_too_high_once(void **state)
{
	struct world_options o;
	struct world w;
	unsigned ok, restart;

	(void)state;
	for (restart = 0; restart < 2; restart++) {
		calm(&o);
		o.n_endpoints = 1;
		o.liar_delta = 50;
		o.liar_percent = 100;
		world_init(&w, &o);
		while (!w.broadcasts)
			world_run(&w, w.now + 100);
		assert_int_equal(sender_intent(w.sender)->attempts[0].nonce, 90);
		w.o.heal_ms = w.now;
		if (restart)
			w.o.crash_at_step = w.steps + 1;
		world_run(&w, HOUR);
		assert_int_equal(w.crashes, restart);
		assert_true(w.finished);
		assert_int_equal(w.outcome, SENDER_CONFIRMED);
		assert_int_equal(world_mined(&w, &ok), 1);
		assert_int_equal(w.fills, 0);
		assert_int_equal(w.blocks[w.head].nonce, 41);
		world_free(&w);
	}
}

/* One that goes on to lie cannot have a pending transaction abandoned where another answers. */
static void test_a_nonce_far_too_low_abandons_nothing(void **state)
{
	struct world_options o;
	struct world w;

	(void)state;
	calm(&o);
	o.include_percent = 0;
	o.liar_delta = -40;
	o.liar_percent = 100;
	o.liar_from_ms = UINT64_MAX;
	world_init(&w, &o);
	while (!w.broadcasts)
		world_run(&w, w.now + 100);
	w.o.liar_from_ms = 0;
	world_run(&w, HOUR);
	assert_int_equal(sender_intent(w.sender)->attempts[w.max_attempts - 1].nonce, 40);
	w.o.include_percent = 100;
	w.o.heal_ms = w.now;
	world_run(&w, 2 * HOUR);
	assert_int_equal(w.outcome, SENDER_CONFIRMED);
	assert_true(w.had_receipt);
	world_free(&w);
}

/* Somebody else's transaction took our nonce, and the node says so in words of its own. */
static void test_a_lost_nonce_in_strange_words(void **state)
{
	struct world_options o;
	struct world w;
	unsigned ok;

	(void)state;
	calm(&o);
	o.strange_words = true;
	o.include_percent = 0;
	world_init(&w, &o);
	while (!w.broadcasts)
		world_run(&w, w.now + 100);
	w.o.drop_percent = 100;
	world_run(&w, w.now + 30000);
	w.o.drop_percent = 0;
	w.o.foreign_percent = w.o.include_percent = 100;
	world_run(&w, w.now + 15000);
	w.o.foreign_percent = 0;
	world_run(&w, 2 * HOUR);
	assert_int_equal(w.outcome, SENDER_CONFIRMED);
	assert_int_equal(world_mined(&w, &ok), 1);
	world_free(&w);
}

/* What no node takes is planned anew, with the gas that it needs now. */
static void test_what_nobody_takes_is_replaced(void **state)
{
	struct world_options o;
	struct world w;

	(void)state;
	calm(&o);
	o.strange_words = true;
	o.node_gas_cap = 2000000;
	o.estimate = 3000000;
	world_init(&w, &o);
	world_run(&w, 600000);
	assert_true(w.broadcasts > 1);
	assert_false(w.finished);
	w.o.estimate = 200000;
	world_run(&w, HOUR);
	assert_int_equal(w.outcome, SENDER_CONFIRMED);
	world_free(&w);
}

static void test_old_tickets_and_wrong_answers(void **state)
{
	struct sender_wish wish = {.id = 1, .calldata = {(const uint8_t *)"abcd", 4}};
	struct sender_event e = {.kind = SENDER_EV_GOAL, .endpoint = 0};
	struct sender_actions out;
	struct sender_options o;
	struct sender *s;
	struct why why;
	uint64_t ticket, now = 1000;
	int i;

	(void)state;
	sender_options_default(&o);
	o.chain_id = 1;
	s = sender_new(&o, &why);
	assert_non_null(s);
	sender_step(s, &e, now, &out); /* idle */
	assert_int_equal(out.n, 0);
	assert_true(sender_wish(s, &wish, now, &out, &why));
	ticket = out.a[0].ticket;
	e.ticket = ticket + 1;
	sender_step(s, &e, now, &out);
	assert_int_equal(out.n, 0);
	/* an answer of the wrong kind is a failure, and the ticket is used up */
	e.ticket = ticket;
	sender_step(s, &e, now, &out);
	assert_int_equal(out.n, 0);
	sender_step(s, &e, now, &out);
	assert_int_equal(out.n, 0);
	/* every silence ends: each tick at the wake-up time goes on */
	for (i = 0; i < 50; i++) {
		struct sender_event tick = {.kind = SENDER_EV_TICK};

		assert_true(out.wake_at_ms > now && out.wake_at_ms < now + 100000);
		now = out.wake_at_ms;
		sender_step(s, &tick, now - 1, &out);
		assert_int_equal(out.n, 0);
		sender_step(s, &tick, now, &out);
		assert_int_equal(out.n, i % 2 == 0);
	}
	sender_free(s);
}

static void test_options(void **state)
{
	struct sender_options good, o;
	struct why why;

	(void)state;
	sender_options_default(&good);
	assert_null(sender_new(&good, &why)); /* without a chain id */
	good.chain_id = 1;
#define BAD(change)                                                                                \
	do {                                                                                       \
		o = good;                                                                          \
		why.text[0] = '\0';                                                                \
		change;                                                                            \
		assert_null(sender_new(&o, &why));                                                 \
		assert_true(why.text[0]);                                                          \
	} while (0)
	BAD(o.min_tip = 0);
	BAD(o.max_fee = o.min_tip);
	BAD(o.gas_cap = 0);
	BAD(o.gas_percent = 99);
	BAD(o.bump_permille = 1124);
	BAD(o.confirmations = 0);
	BAD(o.poll_ms = 0);
	BAD(o.action_timeout_ms = 0);
	BAD(o.bump_max_ms = o.bump_min_ms - 1);
	BAD(o.retry_max_ms = 0);
}

static void test_stored_intent(void **state)
{
	struct sender_intent in, back;
	struct buf blob, cut;
	struct why why;
	size_t n;

	(void)state;
	sender_intent_init(&in);
	sender_intent_init(&back);
	buf_init(&blob, 1 << 20);
	in.id = UINT64_MAX;
	in.kind = SENDER_REGISTER;
	in.first_batch = 3;
	in.last_batch = 9;
	in.gas = 123456;
	memset(in.from.b, 1, 20);
	memset(in.to.b, 2, 20);
	memset(in.signer.b, 3, 20);
	assert_true(buf_add(&in.calldata, "call", 4));
	assert_true(buf_add(&in.raw, "raw bytes", 9));
	in.n_attempts = 2;
	in.attempts[1] = (struct sender_attempt){7, 8, 9, {10}};
	assert_true(sender_intent_encode(&in, &blob));
	assert_true(sender_intent_decode(&back, buf_span(&blob), &why));
	assert_true(back.id == UINT64_MAX && back.kind == SENDER_REGISTER && back.gas == 123456);
	assert_true(back.first_batch == 3 && back.last_batch == 9 && back.n_attempts == 2);
	assert_int_equal(back.from.b[19] * 100 + back.to.b[19] * 10 + back.signer.b[0], 123);
	assert_true(span_eq(buf_span(&back.calldata), span_of("call", 4)));
	assert_true(span_eq(buf_span(&back.raw), span_of("raw bytes", 9)));
	assert_memory_equal(&back.attempts[1], &in.attempts[1], sizeof in.attempts[1]);
	for (n = 0; n < blob.len; n++) {
		why.text[0] = '\0';
		assert_false(sender_intent_decode(&back, span_of(blob.p, n), &why));
		assert_true(why.text[0]);
		assert_null(back.raw.p);
	}
	for (n = 0; n < blob.len; n++) {
		uint8_t old = blob.p[n];

		blob.p[n] = 0xff; /* must not be believed as a length or count, nor crash */
		sender_intent_decode(&back, buf_span(&blob), &why);
		sender_intent_free(&back);
		blob.p[n] = old;
	}
	assert_true(buf_add(&blob, "x", 1));
	assert_false(sender_intent_decode(&back, buf_span(&blob), &why));
	buf_init(&cut, 100);
	assert_false(sender_intent_encode(&in, &cut));
	assert_int_equal(cut.len, 0);
	buf_free(&cut);
	buf_free(&blob);
	sender_intent_free(&in);
	sender_intent_free(&back);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_confirmed),
	    cmocka_unit_test(test_reverted_before_sending),
	    cmocka_unit_test(test_failed_on_chain),
	    cmocka_unit_test(test_a_receipt_without_effect),
	    cmocka_unit_test(test_an_effect_denied_once),
	    cmocka_unit_test(test_another_was_faster),
	    cmocka_unit_test(test_too_much_gas),
	    cmocka_unit_test(test_too_much_data),
	    cmocka_unit_test(test_no_funds),
	    cmocka_unit_test(test_gives_up_before_sending),
	    cmocka_unit_test(test_never_gives_up_after_sending),
	    cmocka_unit_test(test_fees_rise_to_the_maximum_and_stay),
	    cmocka_unit_test(test_foreign_transaction_is_waited_for_then_replaced),
	    cmocka_unit_test(test_a_nonce_far_too_high_once),
	    cmocka_unit_test(test_a_nonce_far_too_low_abandons_nothing),
	    cmocka_unit_test(test_a_lost_nonce_in_strange_words),
	    cmocka_unit_test(test_what_nobody_takes_is_replaced),
	    cmocka_unit_test(test_old_tickets_and_wrong_answers),
	    cmocka_unit_test(test_options),
	    cmocka_unit_test(test_stored_intent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
