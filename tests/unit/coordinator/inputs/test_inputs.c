/* Inputs that are replaced, deleted, broken, and restored. */
#include "inputs_world.h"

static void damage(const struct world *x, const char *command)
{
	char text[256];

	snprintf(text, sizeof text, "cd %s/inputs && %s", x->dir, command);
	assert_int_equal(system(text), 0);
}

static size_t broken(const struct world *x)
{
	struct work_counts c;

	work_counts(x->work, &c);
	return c.broken;
}

/* Looks at n inputs, to the end. */
static void look(struct world *x, int n)
{
	while (n--) {
		inputs_look(x->inputs);
		while (inputs_looking(x->inputs))
			uv_run(&x->loop, UV_RUN_ONCE);
	}
}

static void test_an_uncommitted_input_is_replaced_durably(void **state)
{
	struct world *x = *state;
	struct work_candidate c;
	uint8_t sha[32], now[32];
	uint64_t size, id;

	world_chain(x, 0, 0, 0);
	assert_int_equal(world_put(x, 1, "{\"a\":1}"), UPLOAD_CREATED);
	id = world_prove(x, 1, 1);
	assert_true(work_input(x->work, 1, HASH, sha, &size));
	assert_int_equal(world_put(x, 1, "{\"a\":22}"), UPLOAD_CREATED);
	assert_string_equal(x->sentence, "ready for provers, in place of another one");
	assert_true(work_input(x->work, 1, HASH, now, &size));
	assert_int_equal(size, 8);
	assert_memory_not_equal(sha, now, 32);
	assert_true(work_find_candidate(x->work, id, &c));
	assert_int_equal(c.state, WORK_ASIDE);
	/* The former one stays for a while. */
	assert_int_equal(world_files(x), 2);
	assert_int_equal(inputs_bytes(x->inputs), 7 + 8);
	assert_int_equal(inputs_counters(x->inputs)->replaced, 1);
	world_restart(x);
	assert_int_equal(x->rows, 1);
	assert_int_equal(x->replaced, 1);
	assert_int_equal(x->proof_state, WORK_ASIDE);
	assert_true(work_input(x->work, 1, HASH, sha, &size));
	assert_memory_equal(sha, now, 32);
	assert_int_equal(inputs_bytes(x->inputs), 7 + 8);
	assert_int_equal(world_files(x), 2);
	/* And comes back when it is put again; then the other one is the former. */
	world_chain(x, 0, 0, 0);
	assert_int_equal(world_put(x, 1, "{\"a\":1}"), UPLOAD_CREATED);
	assert_int_equal(inputs_old(x->inputs), 1);
	assert_int_equal(inputs_bytes(x->inputs), 7 + 8);
	world_restart(x);
	assert_int_equal(x->rows + x->replaced, 2);
	assert_true(work_input(x->work, 1, HASH, sha, &size));
	assert_int_equal(size, 7);
}

static void test_a_committed_input_is_not_replaced(void **state)
{
	struct world *x = *state;

	assert_int_equal(world_put(x, 1, "{}"), UPLOAD_CREATED);
	assert_int_equal(world_put(x, 1, "{ }"), UPLOAD_OTHER_CONTENT); /* not known yet */
	world_chain(x, 1, 0, 0);
	assert_int_equal(world_put(x, 1, "{ }"), UPLOAD_OTHER_CONTENT);
	assert_non_null(strstr(x->sentence, "is committed"));
	/* What was refused leaves nothing behind. */
	assert_int_equal(world_files(x), 1);
	assert_int_equal(inputs_bytes(x->inputs), 2);
}

static void test_files_that_batches_share_count_once(void **state)
{
	struct world *x = *state;

	assert_int_equal(world_put(x, 1, "{}"), UPLOAD_CREATED);
	assert_int_equal(world_put(x, 2, "{}"), UPLOAD_CREATED);
	assert_int_equal(inputs_bytes(x->inputs), 2);
	world_restart(x);
	assert_int_equal(inputs_bytes(x->inputs), 2);
}

static void on_deleted(void *arg, bool ok, const char *sentence)
{
	struct world *x = arg;

	assert_true(ok);
	snprintf(x->sentence, sizeof x->sentence, "%s", sentence);
	x->ended = true;
}

static void test_one_is_deleted_by_hand(void **state)
{
	struct world *x = *state;
	struct why why = {""};

	world_chain(x, 2, 0, 0);
	assert_int_equal(world_put(x, 1, "{}"), UPLOAD_CREATED);
	assert_int_equal(world_put(x, 2, "{}"), UPLOAD_CREATED);
	assert_false(inputs_delete(x->inputs, 3, HASH, on_deleted, x, &why));
	assert_string_equal(why.text, "batch 3 has no input under commit hash " HASH);
	x->ended = false;
	assert_true(inputs_delete(x->inputs, 1, HASH, on_deleted, x, &why));
	while (!x->ended)
		uv_run(&x->loop, UV_RUN_ONCE);
	assert_int_equal(world_files(x), 1); /* batch 2's too */
	x->ended = false;
	assert_true(inputs_delete(x->inputs, 2, HASH, on_deleted, x, &why));
	while (!x->ended || inputs_wasted(x->inputs))
		uv_run(&x->loop, UV_RUN_ONCE);
	assert_int_equal(world_files(x), 0);
	assert_int_equal(inputs_bytes(x->inputs), 0);
	/* Another one in its place, though the batch is committed. */
	assert_int_equal(world_put(x, 1, "{ }"), UPLOAD_CREATED);
	world_restart(x);
	assert_int_equal(x->rows, 1);
}

/* The end comes while an input is being made durable: its row is asked for after that, so that the
 * store must be there still. */
static void test_closed_while_one_lands(void **state)
{
	static const struct upload_events events = {world_on_progress, world_on_end};
	struct world *x = *state;
	struct upload *u;
	struct why why = {""};

	world_chain(x, 0, 0, 0);
	assert_true(upload_new(&u, x->inputs, 1, HASH, &events, x, &why));
	upload_write(u, "{}", 2);
	while (!x->progressed)
		uv_run(&x->loop, UV_RUN_ONCE);
	x->ended = x->closed = false;
	upload_finish(u);
	inputs_close(x->inputs, world_on_closed, x);
	assert_false(x->closed);
	while (!x->ended)
		uv_run(&x->loop, UV_RUN_ONCE);
	assert_true(x->closed);
	assert_int_equal(x->rc, UPLOAD_CREATED);
	x->closed = false;
}

static void test_a_flipped_byte_is_found(void **state)
{
	struct world *x = *state;

	world_chain(x, 0, 0, 0);
	assert_int_equal(world_put(x, 1, "{\"a\":1}"), UPLOAD_CREATED);
	look(x, 3);
	assert_int_equal(broken(x), 0);
	assert_int_equal(world_put(x, 2, "{\"a\":2}"), UPLOAD_CREATED);
	damage(x, "for f in *; do grep -q 2 $f && printf '{\"a\":3}' > $f; done; true");
	look(x, 4);
	assert_int_equal(broken(x), 1);
	assert_int_equal(inputs_counters(x->inputs)->broken, 1);
	/* It is asked for again, and taken. */
	assert_int_equal(world_put(x, 2, "{\"a\":2}"), UPLOAD_CREATED);
	assert_int_equal(broken(x), 0);
	look(x, 4);
	assert_int_equal(broken(x), 0);
	assert_int_equal(inputs_bytes(x->inputs), 14);
	/* Somebody puts a file back by hand: it counts again. */
	damage(x, "mkdir ../away && mv * ../away");
	look(x, 4);
	assert_int_equal(broken(x), 2);
	damage(x, "mv ../away/* .");
	look(x, 4);
	assert_int_equal(broken(x), 0);
}

static void test_missing_and_truncated_ones_wait_after_a_restart(void **state)
{
	struct world *x = *state;

	assert_int_equal(world_put(x, 1, "{\"a\":1}"), UPLOAD_CREATED);
	assert_int_equal(world_put(x, 2, "{\"a\":2}"), UPLOAD_CREATED);
	assert_int_equal(world_put(x, 3, "{\"a\":3}"), UPLOAD_CREATED);
	damage(x, "for f in *; do grep -q 2 $f && rm $f; done; true");
	damage(x, "for f in *; do grep -q 3 $f && truncate -s 3 $f; done; true");
	world_restart(x);
	assert_int_equal(broken(x), 2);
	assert_int_equal(world_put(x, 2, "{\"a\":2}"), UPLOAD_CREATED);
	assert_int_equal(world_put(x, 3, "{\"a\":3}"), UPLOAD_CREATED);
	assert_int_equal(broken(x), 0);
	assert_int_equal(inputs_bytes(x->inputs), 21);
	world_restart(x);
	assert_int_equal(broken(x), 0);
	assert_int_equal(x->rows, 3);
}

static void test_files_without_rows_are_swept(void **state)
{
	struct world *x = *state;

	assert_int_equal(world_put(x, 1, "{}"), UPLOAD_CREATED);
	damage(x, "touch $(printf %064d 7) tmp-abc");
	world_restart(x);
	assert_int_equal(world_files(x), 1);
}

/* Removing a file and making the same one meet again and again: no row is ever left without its
 * file. */
static void test_a_file_that_goes_while_it_comes(void **state)
{
	struct world *x = *state;
	struct why why = {""};
	int i;

	for (i = 0; i < 40; i++) {
		assert_int_equal(world_put(x, 1, "{}"), UPLOAD_CREATED);
		x->ended = false;
		assert_true(inputs_delete(x->inputs, 1, HASH, on_deleted, x, &why));
		while (!x->ended)
			uv_run(&x->loop, UV_RUN_ONCE);
		/* Its file is on its way out now. */
		assert_int_equal(world_put(x, 2, "{}"), UPLOAD_CREATED);
		assert_int_equal(world_files(x), 1);
		assert_int_equal(inputs_bytes(x->inputs), 2);
		x->ended = false;
		assert_true(inputs_delete(x->inputs, 2, HASH, on_deleted, x, &why));
		while (!x->ended || (i % 2 && inputs_wasted(x->inputs)))
			uv_run(&x->loop, UV_RUN_ONCE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_an_uncommitted_input_is_replaced_durably),
	    TEST(test_a_committed_input_is_not_replaced),
	    TEST(test_files_that_batches_share_count_once),
	    TEST(test_one_is_deleted_by_hand),
	    TEST(test_a_flipped_byte_is_found),
	    TEST(test_closed_while_one_lands),
	    TEST(test_missing_and_truncated_ones_wait_after_a_restart),
	    TEST(test_files_without_rows_are_swept),
	    TEST(test_a_file_that_goes_while_it_comes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
