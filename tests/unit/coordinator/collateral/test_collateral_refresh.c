/* A refresh that somebody asked for: what becomes of it where the sources cannot, or will not yet,
 * give what it is for. */
#include "collateral_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define MINUTE 60

/* What the forge makes is good from 2026-01-10 on. */
#define NEWER "2026-01-11T00:00:00Z"

static void build_newer(struct world *w, struct forged *x, const char *issued)
{
	struct forge f = w->forge;

	f.tcb_issued = f.qe_issued = issued;
	f.tcb_number = 18;
	forge_build(x, &f);
}

static void serve(struct world *w, const struct forged *x)
{
	w->a.serves = w->b.serves = x;
}

static void break_both(struct world *w, int status)
{
	w->a.mode = w->b.mode = status ? PCS_STATUS : PCS_OK;
	w->a.status = w->b.status = status;
}

static void open_with_a_set(struct world *w)
{
	struct got g;

	world_open(w);
	world_get(w, FORGE_NOW, &g);
	assert_non_null(g.set);
	got_free(&g);
}

static void expect_number(struct world *w, uint32_t number, int64_t now)
{
	const struct collateral_set *set = collateral_peek(w->c, &w->key, now);

	assert_non_null(set);
	assert_int_equal(set->facts.tcb_evaluation_number, number);
}

/* The half of the window is days ahead. */
static void test_one_that_fails_is_tried_again(void **state)
{
	struct world *w = *state;
	struct forged x;
	unsigned asked;

	build_newer(w, &x, NEWER);
	open_with_a_set(w);
	break_both(w, 500);
	collateral_refresh(w->c, NULL, FORGE_NOW);
	world_settle(w);
	assert_says(w->last_note, "no newer collateral");
	asked = w->a.n_requests;
	collateral_tick(w->c, FORGE_NOW); /* not at once */
	world_settle(w);
	assert_int_equal(w->a.n_requests, asked);
	break_both(w, 0);
	serve(w, &x);
	collateral_tick(w->c, FORGE_NOW + MINUTE);
	world_settle(w);
	expect_number(w, 18, FORGE_NOW + MINUTE);
	assert_int_equal(w->n_changed, 1);
	/* And with that it is done. */
	asked = w->a.n_requests;
	collateral_tick(w->c, FORGE_NOW + 20 * MINUTE);
	world_settle(w);
	assert_int_equal(w->a.n_requests, asked);
	world_close(w);
	forged_free(&x);
}

/* The clock is L1's, whose head may be minutes old. */
static void test_what_is_not_valid_yet_comes_when_it_is(void **state)
{
	struct world *w = *state;
	const int64_t from = FORGE_NOW + 5 * MINUTE;
	char issued[32];
	struct forged x;

	tdxv_time_text(issued, sizeof issued, from);
	build_newer(w, &x, issued);
	open_with_a_set(w);
	serve(w, &x);
	collateral_refresh(w->c, NULL, FORGE_NOW);
	world_settle(w);
	assert_says(w->last_note, "it is not valid yet");
	expect_number(w, 17, FORGE_NOW);
	collateral_tick(w->c, from);
	world_settle(w);
	expect_number(w, 18, from);
	world_close(w);
	forged_free(&x);
}

/* The second one waits for the first, which succeeds. */
static void test_one_that_came_during_another_is_owed_too(void **state)
{
	struct world *w = *state;
	struct collateral_info info;
	struct forged x;
	unsigned had;

	build_newer(w, &x, NEWER);
	open_with_a_set(w);
	had = w->a.n_requests;
	collateral_refresh(w->c, NULL, FORGE_NOW);
	collateral_refresh(w->c, NULL, FORGE_NOW);
	while (w->a.n_requests < had + 4)
		uv_run(&w->loop, UV_RUN_ONCE);
	break_both(w, 500);
	world_settle(w);
	assert_true(collateral_at(w->c, 0, &info));
	assert_says(info.last_failure, "no newer collateral");
	break_both(w, 0);
	serve(w, &x);
	collateral_tick(w->c, FORGE_NOW + MINUTE);
	world_settle(w);
	expect_number(w, 18, FORGE_NOW + MINUTE);
	world_close(w);
	forged_free(&x);
}

/* The operator has mended it; test_retry_after_is_respected() has the other kind of rest. */
static void test_it_ends_the_rest_after_a_failure(void **state)
{
	struct world *w = *state;
	struct collateral_source_info info;
	unsigned asked;

	open_with_a_set(w);
	break_both(w, 500);
	collateral_refresh(w->c, NULL, FORGE_NOW);
	world_settle(w);
	assert_true(collateral_source_at(w->c, 0, &info));
	assert_true(info.rest_until > FORGE_NOW);
	asked = w->a.n_requests;
	break_both(w, 0);
	collateral_refresh(w->c, NULL, FORGE_NOW);
	world_settle(w);
	assert_int_equal(w->a.n_requests, asked + 4);
	assert_true(collateral_source_at(w->c, 0, &info));
	assert_int_equal(info.failures, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_one_that_fails_is_tried_again),
	    TEST(test_what_is_not_valid_yet_comes_when_it_is),
	    TEST(test_one_that_came_during_another_is_owed_too),
	    TEST(test_it_ends_the_rest_after_a_failure),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	forge_keys_free();
	return failed;
}
