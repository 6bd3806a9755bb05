/*
 * The sender in random worlds. What it must never do is asserted inside sender_world.c; here, that
 * it comes to the right end once the trouble is over.
 */
#include "sender_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define DAY_MS   86400000u
#define END_MS   (DAY_MS + DAY_MS / 4)
#define N_WORLDS 1500

static unsigned n_worlds(void)
{
	const char *n = getenv("SENDER_WORLDS");

	return n ? (unsigned)strtoul(n, NULL, 10) : N_WORLDS;
}

static unsigned pick(uint64_t *r, unsigned n)
{
	*r = *r * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(*r >> 33) % n;
}

/* A mixture of troubles that end. */
static void mix(struct world_options *o, uint64_t seed)
{
	uint64_t r = seed * 77 + 5;

	world_options_default(o, seed);
	o->n_endpoints = 1 + pick(&r, WORLD_ENDPOINTS);
	o->down_percent = pick(&r, 3) * 20;
	o->lost_reply_percent = pick(&r, 3) * 8;
	o->lag = pick(&r, 4);
	o->drop_percent = pick(&r, 3) * 8;
	o->reorg_percent = pick(&r, 3) * 8;
	o->include_percent = 5 + pick(&r, 90);
	o->crash_percent = pick(&r, 3) * 4;
	o->foreign_percent = pick(&r, 4) == 0 ? 3 : 0;
	o->foreign_pending = pick(&r, 4) == 0;
	o->base_fee_spikes = pick(&r, 2);
	o->race = pick(&r, 8) == 0;
	o->poor_until_ms = pick(&r, 5) == 0 ? 1200000 : 0;
	if (pick(&r, 2)) {
		o->sender.bump_min_ms = 15000;
		o->sender.bump_max_ms = 120000;
	}
	o->sender.confirmations = 1 + pick(&r, 4);
	o->sender.bump_permille = 1125 + 100 * pick(&r, 10);
	o->strange_words = pick(&r, 4) == 0;
}

static void assert_good_end(const struct world *w)
{
	unsigned ok, mined = world_mined(w, &ok);

	char text[512];

	if (!w->finished || (w->outcome != SENDER_CONFIRMED && w->outcome != SENDER_ALREADY_TRUE)) {
		sender_describe(w->sender, w->now, text, sizeof text);
		print_error("seed %llu: %s: %s\n", (unsigned long long)w->o.seed,
			    w->finished ? sender_outcome_text(w->outcome) : text, w->sentence);
	}
	assert_true(w->finished);
	assert_true(w->outcome == SENDER_CONFIRMED || w->outcome == SENDER_ALREADY_TRUE);
	assert_true(world_verified(w) >= w->wish.last_batch);
	if (mined > 1 || w->had_receipt != (mined == 1))
		print_error("seed %llu: %s: %u mined, receipt %d\n", (unsigned long long)w->o.seed,
			    sender_outcome_text(w->outcome), mined, w->had_receipt);
	assert_true(mined <= 1);
	assert_true(w->had_receipt == (mined == 1));
	if (w->outcome == SENDER_CONFIRMED)
		assert_int_equal(ok, 1);
}

static void test_trouble_that_ends(void **state)
{
	unsigned i, n = n_worlds(), already = 0, bumped = 0, crashes = 0;

	(void)state;
	for (i = 0; i < n; i++) {
		struct world_options o;
		struct world w;

		mix(&o, i + 1);
		world_init(&w, &o);
		world_run(&w, END_MS);
		assert_good_end(&w);
		already += w.outcome == SENDER_ALREADY_TRUE;
		bumped += w.max_attempts > 1;
		crashes += w.crashes;
		world_free(&w);
	}
	print_message("%u worlds: %u goals reached by another, %u with raised fees, %u crashes\n",
		      n, already, bumped, crashes);
	assert_true(already && bumped && crashes);
}

static void test_one_of_three_lies(void **state)
{
	unsigned i, n = n_worlds() / 2;

	(void)state;
	for (i = 0; i < n; i++) {
		struct world_options o;
		struct world w;

		mix(&o, 1000000 + i);
		o.n_endpoints = 3;
		/* the others must be there: an endpoint that is alone is believed */
		o.down_percent = 0;
		o.lag = 0;
		o.liar_delta = (int64_t)(i % 9) - 4;
		o.liar_percent = 30 + i % 71;
		o.heal_ms = END_MS;
		o.crash_percent = i % 2;
		o.lost_reply_percent = 0;
		o.base_fee_spikes = false;
		world_init(&w, &o);
		world_run(&w, END_MS);
		assert_good_end(&w);
		world_free(&w);
	}
}

static void test_one_of_two_lies_for_a_while(void **state)
{
	unsigned i, n = n_worlds() / 2;

	(void)state;
	for (i = 0; i < n; i++) {
		struct world_options o;
		struct world w;

		mix(&o, 2000000 + i);
		o.n_endpoints = 2;
		o.down_percent = 0;
		o.lag = 0;
		o.liar_delta = (int64_t)(i % 9) - 4;
		o.liar_percent = 100;
		world_init(&w, &o);
		world_run(&w, END_MS);
		assert_good_end(&w);
		world_free(&w);
	}
}

/* Alone it is believed; what its lies broke is mended when it has come to reason. */
static void test_the_only_one_lies_for_a_while(void **state)
{
	unsigned i, n = n_worlds() / 2, fills = 0;

	(void)state;
	for (i = 0; i < n; i++) {
		struct world_options o;
		struct world w;

		mix(&o, 4000000 + i);
		o.n_endpoints = 1;
		o.foreign_percent = 0;
		o.foreign_pending = false;
		o.reorg_percent = 0;
		/* alone, lying and speaking in riddles it cannot be seen through */
		o.strange_words = false;
		o.liar_delta = i % 4 ? 1 + i % 9 : 20 + i % 60;
		o.liar_percent = 100;
		world_init(&w, &o);
		world_run(&w, END_MS);
		assert_good_end(&w);
		fills += w.fills;
		world_free(&w);
	}
	print_message("%u gaps filled\n", fills);
	assert_true(fills);
}

/* It begins when a transaction is out: no second nonce may come of it. */
static void test_the_only_one_begins_to_lie(void **state)
{
	unsigned i, n = n_worlds() / 2;

	(void)state;
	for (i = 0; i < n; i++) {
		struct world_options o;
		struct world w;

		mix(&o, 5000000 + i);
		o.n_endpoints = 1;
		o.foreign_percent = 0;
		o.foreign_pending = false;
		o.reorg_percent = 0;
		o.poor_until_ms = 0;
		o.crash_percent = 0;
		/* alone, lying and speaking in riddles it cannot be seen through */
		o.strange_words = false;
		o.include_percent = 3;
		o.lag = 0; /* old and wrong at once hides our own receipt */
		o.base_fee_spikes = false;
		o.liar_delta = (int64_t)(i % 9) - 4;
		o.liar_percent = 100;
		o.liar_from_ms = UINT64_MAX;
		world_init(&w, &o);
		while (!w.broadcasts)
			world_run(&w, w.now + 100);
		w.o.liar_from_ms = 0;
		world_run(&w, END_MS);
		assert_good_end(&w);
		/* a fill for a gap that is none is refused, not mined */
		assert_int_equal(w.blocks[w.head].nonce - w.blocks[0].nonce, 1);
		world_free(&w);
	}
}

static void test_refusing_contract(void **state)
{
	unsigned i, n = n_worlds() / 4, ok;

	(void)state;
	for (i = 0; i < n; i++) {
		struct world_options o;
		struct world w;

		mix(&o, 3000000 + i);
		o.refuses = true;
		o.foreign_percent = 0;
		world_init(&w, &o);
		world_run(&w, END_MS);
		assert_true(w.finished);
		assert_int_equal(w.outcome, SENDER_REVERTED);
		assert_int_equal(w.revert_n, 4);
		assert_int_equal(w.revert_data[0], 0x62);
		assert_int_equal(w.broadcasts, 0);
		assert_int_equal(world_mined(&w, &ok), 0);
		world_free(&w);
	}
}

static void test_crash_at_every_step(void **state)
{
	unsigned step, steps = 0, kind;

	(void)state;
	for (kind = 0; kind < 4; kind++) {
		for (step = 1; step == 1 || step <= steps; step++) {
			struct world_options o;
			struct world w;

			world_options_default(&o, 99 + kind);
			o.include_percent = kind == 1 ? 10 : 60;
			o.sender.bump_min_ms = 20000;
			o.reorg_percent = kind == 2 ? 20 : 0;
			o.foreign_percent = kind == 3 ? 20 : 0;
			o.crash_at_step = step;
			world_init(&w, &o);
			world_run(&w, END_MS);
			assert_good_end(&w);
			if (step == 1)
				steps = w.steps;
			world_free(&w);
		}
	}
}

static void test_same_seed_same_trace(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < 50; i++) {
		struct world_options o;
		struct world a, b;

		mix(&o, i + 1);
		world_init(&a, &o);
		world_run(&a, END_MS);
		world_init(&b, &o);
		world_run(&b, END_MS);
		assert_true(a.trace == b.trace);
		assert_int_equal(a.steps, b.steps);
		world_free(&a);
		world_free(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_trouble_that_ends),
	    cmocka_unit_test(test_one_of_three_lies),
	    cmocka_unit_test(test_one_of_two_lies_for_a_while),
	    cmocka_unit_test(test_the_only_one_lies_for_a_while),
	    cmocka_unit_test(test_the_only_one_begins_to_lie),
	    cmocka_unit_test(test_refusing_contract),
	    cmocka_unit_test(test_crash_at_every_step),
	    cmocka_unit_test(test_same_seed_same_trace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
