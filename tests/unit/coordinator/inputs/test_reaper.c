/* What is verified goes: when, in which order, and never before. */
#include "coordinator/inputs/reaper.h"
#include "inputs_world.h"

#include <inttypes.h>

static uint64_t now;

static uint64_t now_ms(void)
{
	return now;
}

static struct reaper_options options(const struct world *x)
{
	return (struct reaper_options){.data_dir = x->dir,
				       .now_ms = now_ms,
				       .keep_ms = 300,
				       .input_quota = 1 << 20,
				       .proof_quota = 1 << 30,
				       .max_batches = 100000,
				       .max_inputs = 200000};
}

static struct reaper *make(struct world *x, const struct reaper_options *o)
{
	const struct reaper_parts parts = {&x->loop, x->store, x->work, x->inputs};
	struct reaper *r;
	struct why why = {""};

	assert_true(reaper_new(&r, &parts, o, &why));
	return r;
}

static struct work_counts counts(const struct world *x)
{
	struct work_counts c;

	work_counts(x->work, &c);
	return c;
}

/* Time goes by, and what goes has gone. */
static void turn(struct world *x, struct reaper *r, unsigned ms)
{
	now += ms;
	do {
		reaper_tick(r);
		uv_run(&x->loop, UV_RUN_NOWAIT);
	} while (reaper_busy(r) || inputs_wasted(x->inputs));
}

static void feed(struct world *x, uint64_t first, uint64_t last)
{
	char text[64];
	uint64_t b;

	for (b = first; b <= last; b++) {
		snprintf(text, sizeof text, "{\"batch\":%" PRIu64 "}", b);
		assert_int_equal(world_put(x, b, text), UPLOAD_CREATED);
		world_prove(x, b, b);
	}
}

static void end(struct world *x, struct reaper *r)
{
	reaper_stop(r);
	while (uv_run(&x->loop, UV_RUN_NOWAIT) && inputs_wasted(x->inputs))
		;
	world_restart(x); /* the store's callbacks come before */
	reaper_free(r);
}

static void test_final_ones_go_after_the_retention(void **state)
{
	struct world *x = *state;
	const struct reaper_options o = options(x);
	struct reaper *r = make(x, &o);

	world_chain(x, 5, 0, 0);
	feed(x, 1, 5);
	world_chain(x, 5, 4, 3);
	reaper_on_facts(r);
	turn(x, r, 100);
	assert_int_equal(counts(x).retained, 4);
	assert_int_equal(world_files(x), 5);
	turn(x, r, 400);
	assert_int_equal(counts(x).retained, 1); /* 4 is verified, and not final */
	assert_int_equal(counts(x).inputs, 2);
	assert_int_equal(world_files(x), 2);
	end(x, r);
	assert_int_equal(x->rows, 2);
	assert_int_equal(x->proofs, 2);
	assert_int_equal(inputs_bytes(x->inputs), 2 * 11);
}

static void test_what_is_taken_back_stays(void **state)
{
	struct world *x = *state;
	const struct reaper_options o = options(x);
	struct reaper *r = make(x, &o);

	world_chain(x, 5, 0, 0);
	feed(x, 1, 5);
	world_chain(x, 5, 5, 5);
	reaper_on_facts(r);
	turn(x, r, 200);
	world_chain(x, 5, 0, 0);
	reaper_on_facts(r);
	turn(x, r, 300);
	assert_int_equal(counts(x).batches, 5);
	end(x, r);
	assert_int_equal(x->rows + x->proofs, 10);
}

static void test_near_the_quota_the_oldest_go_early(void **state)
{
	struct world *x = *state;
	struct reaper_options o = options(x);
	struct reaper *r;

	o.keep_ms = 1000000;
	o.input_quota = 2000; /* 200 batches or so have 1,800 */
	r = make(x, &o);
	world_chain(x, 220, 0, 0);
	feed(x, 1, 180);
	world_chain(x, 220, 100, 100);
	reaper_on_facts(r);
	turn(x, r, 50);
	/* Down to nine tenths, and no further. */
	assert_true(inputs_bytes(x->inputs) <= 1800);
	assert_true(counts(x).retained > 0 && counts(x).retained < 100);
	assert_int_equal(counts(x).batches, 80);
	feed(x, 181, 220);
	turn(x, r, 50);
	/* Never one that is not final, however crowded it is. */
	feed(x, 221, 260);
	turn(x, r, 50);
	assert_int_equal(counts(x).retained, 0);
	assert_int_equal(counts(x).batches, 160);
	end(x, r);
}

static void test_with_one_endpoint_alone_time_must_have_gone_by(void **state)
{
	struct world *x = *state;
	struct reaper_options o = options(x);
	struct reaper *r;

	o.keep_ms = 24 * 400;
	o.proof_quota = 65;
	o.alone = true;
	r = make(x, &o);
	world_chain(x, 5, 0, 0);
	feed(x, 1, 5);
	world_chain(x, 5, 5, 5);
	reaper_on_facts(r);
	turn(x, r, 200);
	assert_int_equal(counts(x).retained, 5);
	turn(x, r, 400);
	assert_int_equal(counts(x).retained, 0);
	end(x, r);
}

static void test_replaced_inputs_go_with_their_batch_or_first_when_crowded(void **state)
{
	struct world *x = *state;
	struct reaper_options o = options(x);
	struct reaper *r;

	o.keep_ms = 1000000;
	o.input_quota = 1000;
	r = make(x, &o);
	world_chain(x, 0, 0, 0);
	assert_int_equal(world_put(x, 1, "{\"a\":1}"), UPLOAD_CREATED);
	assert_int_equal(world_put(x, 1, "{\"a\":22}"), UPLOAD_CREATED);
	turn(x, r, 20);
	assert_int_equal(world_files(x), 2);
	reaper_stop(r);
	reaper_free(r);
	o.input_quota = 15;
	r = make(x, &o);
	turn(x, r, 50);
	assert_int_equal(world_files(x), 1);
	assert_int_equal(inputs_bytes(x->inputs), 8);
	end(x, r);
	assert_int_equal(x->rows, 1);
	assert_int_equal(x->replaced, 0);

	/* With its batch. */
	o = options(x);
	o.keep_ms = 0;
	r = make(x, &o);
	world_chain(x, 0, 0, 0);
	assert_int_equal(world_put(x, 1, "{\"a\":333}"), UPLOAD_CREATED);
	assert_int_equal(world_files(x), 2);
	world_chain(x, 1, 1, 1);
	reaper_on_facts(r);
	turn(x, r, 50);
	assert_int_equal(world_files(x), 0);
	end(x, r);
	assert_int_equal(x->rows + x->replaced, 0);
}

static void test_ages_outlive_a_restart(void **state)
{
	struct world *x = *state;
	struct reaper_options o = options(x);
	static const uint8_t row[] = {1, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 3, 0xe8};
	struct reaper *r = make(x, &o);

	o.keep_ms = 1000;
	world_chain(x, 5, 0, 0);
	feed(x, 1, 5);
	reaper_free(r);
	r = make(x, &o);
	reaper_restore(r, span_of(row, sizeof row)); /* 3 had been confirmed for 1,000 ms */
	turn(x, r, 20);
	assert_int_equal(counts(x).inputs, 5); /* nothing is final in this run */
	world_chain(x, 5, 5, 5);
	reaper_on_facts(r);
	turn(x, r, 100);
	assert_int_equal(counts(x).inputs, 2);
	end(x, r);
}

/* A backlog in one look, and its end: rows and files, all gone, and the loop never stands still. */
#define BACKLOG 20000

static void load_backlog(struct world *x)
{
	static struct store_change changes[1000];
	static const uint8_t bytes[65];
	char command[256];
	uint64_t b;

	for (b = 1; b <= BACKLOG; b++) {
		struct store_change *c = &changes[(b - 1) % 500 * 2];
		struct work_proof p = {
		    .batch = b, .type = PROVER_TDX, .source = "10.0.0.1", .size = 65};

		c[0] = (struct store_change){.kind = CHANGE_INPUT_PUT};
		c[0].input.batch = b;
		c[0].input.commit_hash = span_of(HASH, 7);
		c[0].input.size = 1;
		memcpy(c[0].input.sha256, &b, sizeof b);
		c[1] = (struct store_change){.kind = CHANGE_PROOF_PUT};
		c[1].proof = (struct store_proof){.id = b,
						  .batch = b,
						  .prover_type = PROVER_TDX,
						  .bytes = span_of(bytes, 65),
						  .state = WORK_CANDIDATE};
		memcpy(p.sha256, &b, sizeof b);
		assert_int_equal(work_restore_input(x->work, b, HASH, c[0].input.sha256, 1, NULL),
				 WORK_INPUT_NEW);
		assert_true(work_restore_candidate(x->work, b, &p, WORK_CANDIDATE, NULL));
		if (b % 500 == 0)
			world_commit(x, changes, 1000);
	}
	snprintf(command, sizeof command,
		 "cd %s/inputs && python3 -c 'import struct\n"
		 "for b in range(1, %d): open(struct.pack(\"<Q\", b).hex() + 48 * \"0\", \"w\")'",
		 x->dir, BACKLOG + 1);
	assert_int_equal(system(command), 0);
}

static void test_a_backlog_goes_in_slices(void **state)
{
	struct world *x = *state;
	struct reaper_options o = options(x);
	struct store_stats stats;
	uint64_t start, took, longest = 0;
	struct reaper *r;

	o.keep_ms = 0;
	r = make(x, &o);
	load_backlog(x);
	start = uv_hrtime();
	world_chain(x, BACKLOG, BACKLOG, BACKLOG);
	reaper_on_facts(r);
	longest = uv_hrtime() - start;
	while (reaper_busy(r) || inputs_wasted(x->inputs)) {
		reaper_tick(r);
		uv_run(&x->loop, UV_RUN_NOWAIT);
		start = uv_hrtime();
		uv_run(&x->loop, UV_RUN_NOWAIT);
		took = uv_hrtime() - start;
		longest = took > longest ? took : longest;
		usleep(100);
	}
	assert_int_equal(counts(x).retained, 0);
	print_message("longest turn of the loop: %.2f ms\n", (double)longest / 1e6);
	store_stats(x->store, &stats);
	assert_int_equal(stats.groups_refused, 0);
	assert_int_equal(stats.groups_failed, 0);
	assert_int_equal(world_files(x), 0);
	end(x, r);
	assert_int_equal(x->rows + x->proofs, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_final_ones_go_after_the_retention),
	    TEST(test_what_is_taken_back_stays),
	    TEST(test_near_the_quota_the_oldest_go_early),
	    TEST(test_with_one_endpoint_alone_time_must_have_gone_by),
	    TEST(test_replaced_inputs_go_with_their_batch_or_first_when_crowded),
	    TEST(test_ages_outlive_a_restart),
	    TEST(test_a_backlog_goes_in_slices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
