/* What a shared store knows of itself: whether it leads, whether it is reached, and what it counts
 * of the others' coming first. */
#include "coordinator/base/clock.h"
#include "fake_engine.h"
#include "store_world.h"

static struct world w;
static struct fake_engine engine;

static char reach_note[256]; /* of the last event */

static void on_reached(void *arg, bool reached, const char *sentence)
{
	(void)arg;
	(void)reached;
	snprintf(reach_note, sizeof reach_note, "%s", sentence);
}

static int begin(void **state)
{
	static const struct store_events events = {.reached = on_reached};

	world_make(&w);
	w.options.events = &events;
	w.options.engine = fake_engine_init(&engine, 5);
	assert_int_equal(world_open(&w), STORE_OK);
	*state = &w;
	return 0;
}

static int end(void **state)
{
	(void)state;
	world_close(&w);
	assert_true(engine.closed);
	world_free(&w);
	return 0;
}

static struct store_stats figures(void)
{
	struct store_stats s;

	store_stats(w.store, &s);
	return s;
}

static void await_lead(bool leads)
{
	while (store_leads(w.store) != leads)
		uv_run(&w.loop, UV_RUN_ONCE);
}

static void test_who_leads(void **state)
{
	(void)state;
	assert_true(store_is_shared(w.store));
	assert_int_equal(store_slot(w.store), 5);
	assert_false(store_leads(w.store));
	fake_engine_tell(&engine, NEWS_LEADS, 7, "");
	await_lead(true);
	fake_engine_tell(&engine, NEWS_LEADS, 7, "");
	fake_engine_tell(&engine, NEWS_LEADS_NOT, 0, "");
	await_lead(false);
	/* Said twice it is one change. */
	assert_int_equal(figures().leads_changed, 2);
}

/* For what no database can refuse afterwards. */
static void test_who_surely_leads(void **state)
{
	(void)state;
	engine.e.led_ms = clock_boot_ms();
	assert_false(store_leads_surely(w.store));
	fake_engine_tell(&engine, NEWS_LEADS, 7, "");
	await_lead(true);
	engine.e.led_ms = clock_boot_ms();
	assert_true(store_leads_surely(w.store));
	/* It was stopped, and has not heard yet what happened meanwhile. */
	engine.e.led_ms = clock_boot_ms() - STORE_SURE_MS - 1;
	assert_false(store_leads_surely(w.store));
	assert_true(store_leads(w.store));
}

static void await_reach(bool reached)
{
	while (!*store_lost(w.store) != reached)
		uv_run(&w.loop, UV_RUN_ONCE);
}

static void test_is_it_reached(void **state)
{
	(void)state;
	assert_string_equal(store_lost(w.store), "");
	fake_engine_tell(&engine, NEWS_LOST, 0, "the server went away");
	await_reach(false);
	assert_string_equal(store_lost(w.store), "the server went away");
	assert_string_equal(reach_note, "the server went away");
	while (store_lost_ms(w.store) < 2)
		usleep(1000);
	fake_engine_tell(&engine, NEWS_BACK, 0, "");
	await_reach(true);
	assert_int_equal(store_lost_ms(w.store), 0);
	assert_ptr_equal(strstr(reach_note, "it was away for "), reach_note);
	fake_engine_tell(&engine, NEWS_LOST, 0, "");
	await_reach(false);
	assert_int_equal(figures().times_lost, 2);
}

static void test_what_is_no_failure(void **state)
{
	const struct store_change changes[] = {
	    {.kind = CHANGE_FACT_PUT, .fact = {text("a"), text("b")}},
	    {.kind = CHANGE_LEASE_PUT, .lease = {.batch = 1, .source = text("here")}}};
	struct store_stats s;

	(void)state;
	fake_engine_answer(&engine, STORE_CONFLICT);
	assert_int_equal(world_commit(&w, changes, 1), STORE_CONFLICT);
	assert_int_equal(world_commit(&w, changes, 2), STORE_CONFLICT);
	fake_engine_answer(&engine, STORE_NOT_LEADER);
	assert_int_equal(world_commit(&w, changes, 1), STORE_NOT_LEADER);
	fake_engine_answer(&engine, STORE_UNREACHABLE);
	assert_int_equal(world_commit(&w, changes, 1), STORE_UNREACHABLE);
	s = figures();
	assert_int_equal(s.conflicts, 2);
	assert_int_equal(s.lease_conflicts, 1);
	assert_int_equal(s.not_leader, 1);
	assert_int_equal(s.unreachable, 1);
	assert_int_equal(s.groups_failed, 0);
	fake_engine_answer(&engine, STORE_DISK);
	assert_int_equal(world_commit(&w, changes, 1), STORE_DISK);
	assert_int_equal(figures().groups_failed, 1);
}

/* What was seen by a transaction that failed comes before what the next one saw. */
static void test_what_is_seen_stays_in_order(void **state)
{
	const struct store_change change = {.kind = CHANGE_FACT_PUT,
					    .fact = {text("a"), text("b")}};

	(void)state;
	uv_mutex_lock(&engine.mutex);
	engine.fail_whole = 2; /* both together, and the first one alone */
	uv_mutex_unlock(&engine.mutex);
	assert_int_equal(store_commit_lazy(w.store, &change, 1), STORE_OK);
	assert_int_equal(world_commit(&w, &change, 1), STORE_OK);
	assert_int_equal(world_commit(&w, &change, 1), STORE_OK);
	assert_int_equal(engine.rev, 2);
	assert_int_equal(engine.seen, 2);
}

static void test_alone_it_leads(void **state)
{
	const struct store_change proof = a_proof(1, text("x"));
	struct world alone;
	struct store_stats s;

	(void)state;
	world_make(&alone);
	assert_int_equal(world_open(&alone), STORE_OK);
	assert_false(store_is_shared(alone.store));
	assert_true(store_leads(alone.store));
	assert_true(store_leads_surely(alone.store));
	assert_string_equal(store_lost(alone.store), "");
	assert_int_equal(store_instances(alone.store, NULL, 0), 0);
	/* Nobody else wrote it: that the id exists is a failure. */
	assert_int_equal(world_commit(&alone, &proof, 1), STORE_OK);
	assert_int_equal(world_commit(&alone, &proof, 1), STORE_CONFLICT);
	store_stats(alone.store, &s);
	assert_int_equal(s.conflicts, 0);
	assert_int_equal(s.groups_failed, 1);
	world_close(&alone);
	world_free(&alone);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_who_leads, begin, end),
	    cmocka_unit_test_setup_teardown(test_who_surely_leads, begin, end),
	    cmocka_unit_test_setup_teardown(test_is_it_reached, begin, end),
	    cmocka_unit_test_setup_teardown(test_what_is_no_failure, begin, end),
	    cmocka_unit_test_setup_teardown(test_what_is_seen_stays_in_order, begin, end),
	    cmocka_unit_test(test_alone_it_leads),
	};

	gate_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
