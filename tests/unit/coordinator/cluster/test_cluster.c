/* Nothing of what others wrote is taken in another form than it should have; what is said is read
 * again as it was meant; time that passes is no news. */
#include "cluster_json.h"
#include "coordinator/cluster/cluster.h"
#include "fake_engine.h"
#include "store_world.h"

static struct world w;
static struct fake_engine engine;
static json_t *seen;

static const struct cluster_self self = {
    .name = "here-3900", .version = "9.8.7", .started_ms = 1, .figures = {.state = "ready"}};
static const struct store_instance there = {.slot = 9,
					    .name = "there-3900",
					    .version = "9.8.8",
					    .seen_before_ms = 1400,
					    .skew_ms = 2700,
					    .leads = true};

/* The longest that can be said of a coordinator. */
static const struct cluster_figures largest = {.state = "starting",
					       .connections = INT64_MAX,
					       .leases = INT64_MAX,
					       .provers = INT64_MAX,
					       .inputs_granted = INT64_MAX,
					       .proofs_accepted = INT64_MAX,
					       .l1_block = INT64_MAX,
					       .l1_age_s = INT64_MAX,
					       .uptime_s = INT64_MAX};

static int begin(void **state)
{
	world_make(&w);
	w.options.engine = fake_engine_init(&engine, 3);
	assert_int_equal(world_open(&w), STORE_OK);
	*state = &w;
	return 0;
}

static int end(void **state)
{
	(void)state;
	json_decref(seen);
	seen = NULL;
	world_close(&w);
	world_free(&w);
	return 0;
}

static const json_t *see(void)
{
	json_decref(seen);
	seen = cluster_json(w.store, &self);
	assert_non_null(seen);
	return seen;
}

/* Before it is seen in the database it is there all the same. */
static void test_itself(void **state)
{
	const json_t *c = coordinator(see(), 0);

	(void)state;
	assert_int_equal(json_array_size(json_object_get(seen, "coordinators")), 1);
	assert_string_equal(text_of(c, "name"), "here-3900");
	assert_int_equal(number_of(c, "slot"), 3);
	assert_true(json_is_true(json_object_get(c, "this")));
	assert_string_equal(text_of(seen, "says"),
			    "no coordinator leads now: nothing is judged or sent");
}

/* Of itself it knows more than the database, which may be out of reach. */
static void test_itself_as_it_is_now(void **state)
{
	struct store_instance was = {
	    .slot = 3, .name = "here-3900", .is_this = true, .leads = true};
	const json_t *c;

	(void)state;
	strcpy(was.status, "{\"state\":\"starting\",\"connections\":9}");
	fake_engine_add(&engine, &was);
	c = coordinator(see(), 0);
	assert_false(json_is_true(json_object_get(c, "leads")));
	assert_string_equal(text_of(json_object_get(c, "figures"), "state"), "ready");
	assert_int_equal(number_of(json_object_get(c, "figures"), "connections"), 0);
}

/* The largest numbers have room, and come back. */
static void test_what_is_said(void **state)
{
	const struct cluster_figures small = {.state = "ready", .l1_age_s = -1};
	struct store_instance reader = {.slot = 1, .name = "reader"};
	const json_t *figures;

	(void)state;
	cluster_say(w.store, &largest);
	strcpy(reader.status, engine.said);
	fake_engine_add(&engine, &reader);
	cluster_say(w.store, &small);
	strcpy(reader.status, engine.said);
	fake_engine_add(&engine, &reader);
	figures = json_object_get(coordinator(see(), 0), "figures");
	assert_string_equal(text_of(figures, "state"), "starting");
	assert_int_equal(number_of(figures, "connections"), INT64_MAX);
	assert_int_equal(number_of(figures, "uptime_s"), INT64_MAX);
	figures = json_object_get(coordinator(seen, 1), "figures");
	assert_int_equal(number_of(figures, "connections"), 0);
	assert_true(json_is_null(json_object_get(figures, "l1_age_s")));
}

/* Rows are others' words. */
static void test_strange_rows(void **state)
{
	static const char odd[] = "{\"connections\":\"<script>\",\"leases\":-1,\"provers\":1.5,"
				  "\"state\":\"<b>\",\"more\":\"<b>\"}";
	static const char *const said[] = {
	    "", "null", "[1]", "{\"connections\":1", "{\"connections\":1,\"connections\":2}", odd,
	};
	struct store_instance strange = {.slot = 60, .name = "a\"} 1\nx{\\<b>\xff", .leads = true};
	const json_t *c, *figures;
	size_t i;

	(void)state;
	memset(strange.version, 'v', sizeof strange.version);
	for (i = 0; i < sizeof said / sizeof *said; i++) {
		strcpy(strange.status, said[i]);
		fake_engine_add(&engine, &strange);
	}
	c = see();
	assert_string_equal(text_of(c, "says"), "another coordinator leads: a???1?x???b??");
	assert_int_equal(strlen(text_of(coordinator(c, 0), "version")), STORE_INSTANCE_SIZE - 1);
	for (i = 0; i + 1 < sizeof said / sizeof *said; i++)
		assert_true(json_is_null(json_object_get(coordinator(c, i), "figures")));
	figures = json_object_get(coordinator(c, i), "figures");
	assert_int_equal(json_object_size(figures), 9);
	assert_true(json_is_null(json_object_get(figures, "connections")));
	assert_true(json_is_null(json_object_get(figures, "leases")));
	assert_true(json_is_null(json_object_get(figures, "provers")));
	assert_true(json_is_null(json_object_get(figures, "state")));
	assert_null(json_object_get(figures, "more"));
}

static void test_a_full_database(void **state)
{
	struct store_instance c = there;

	(void)state;
	for (c.slot = 0; c.slot <= STORE_SLOTS; c.slot++)
		fake_engine_add(&engine, &c);
	see();
	assert_int_equal(json_array_size(json_object_get(seen, "coordinators")), STORE_SLOTS);
}

/* The first of each is named, whoever leads. */
static void test_who_is_to_be_seen_to(void **state)
{
	struct store_instance gone = {.slot = 1, .name = "gone-1", .seen_before_ms = 30001};
	struct store_instance off = {.slot = 2, .name = "off-1", .skew_ms = -2001};

	(void)state;
	fake_engine_add(&engine, &gone);
	gone.skew_ms = 90000; /* what it was when it was there is no matter */
	fake_engine_add(&engine, &gone);
	assert_string_equal(text_of(see(), "says"),
			    "no coordinator leads now: nothing is judged or "
			    "sent; gone: gone-1 and 1 more");
	fake_engine_add(&engine, &off);
	gone.seen_before_ms = 5001; /* not yet gone, and others beside it do not count it */
	gone.skew_ms = 0;
	strcpy(gone.name, "quiet-1");
	fake_engine_add(&engine, &gone);
	fake_engine_tell(&engine, NEWS_LEADS, 1, "");
	while (!store_leads(w.store))
		uv_run(&w.loop, UV_RUN_ONCE);
	assert_string_equal(text_of(see(), "says"),
			    "this coordinator leads; others beside it: 1; silent: quiet-1; gone: "
			    "gone-1 and 1 more; clock off: off-1");
	fake_engine_tell(&engine, NEWS_LOST, 0, "it is silent");
	while (!*store_lost(w.store))
		uv_run(&w.loop, UV_RUN_ONCE);
	assert_string_equal(text_of(see(), "says"), "nothing can be stored: it is silent");
	/* As long as that lasts nobody is seen. */
	while (store_lost_ms(w.store) < 1000)
		usleep(10000);
	assert_int_equal(number_of(coordinator(see(), 2), "seen_s_ago"), 1);
}

/* Of each coordinator any may lead: what it would do otherwise is said. */
static void test_settings_that_are_others(void **state)
{
	const char *values[CLUSTER_SETTINGS];
	char ours[CLUSTER_SETTINGS_SIZE], theirs[CLUSTER_SETTINGS_SIZE];
	struct store_instance other = {.slot = 1, .name = "other-1"};
	struct cluster_self me = self;
	struct why why;
	size_t i;

	(void)state;
	for (i = 0; i < CLUSTER_SETTINGS; i++)
		values[i] = "as it is everywhere";
	cluster_settings(ours, values);
	assert_int_equal(strlen(ours), CLUSTER_SETTINGS_SIZE - 1);
	values[CLUSTER_SUBMIT] = "both";
	values[CLUSTER_TIMELOCK] = "";
	cluster_settings(theirs, values);
	me.figures.settings = ours;
	fake_engine_add(&engine, &other);
	/* A former version says nothing of them. */
	cluster_differ(&why, w.store, &me);
	assert_string_equal(why.text, "");
	snprintf(engine.instance[0].status, STORE_STATUS_SIZE, "{\"settings\":\"%s\"}", ours);
	cluster_differ(&why, w.store, &me);
	assert_string_equal(why.text, "");
	snprintf(engine.instance[0].status, STORE_STATUS_SIZE, "{\"settings\":\"%s\"}", theirs);
	cluster_differ(&why, w.store, &me);
	assert_string_equal(why.text, "other-1 (ETHREX_TIMELOCK_ADDRESS, SUBMIT)");
	cluster_describe(&why, w.store, &me);
	assert_non_null(strstr(why.text, "; other settings: other-1 (ETHREX_TIMELOCK_ADDRESS, "
					 "SUBMIT)"));
	/* Another version may know fewer, or more. */
	snprintf(engine.instance[0].status, STORE_STATUS_SIZE, "{\"settings\":\"%.20s\"}", theirs);
	cluster_differ(&why, w.store, &me);
	assert_string_equal(why.text, "other-1 (ETHREX_TIMELOCK_ADDRESS)");
	snprintf(engine.instance[0].status, STORE_STATUS_SIZE, "{\"settings\":\"%s01234567\"}",
		 ours);
	cluster_differ(&why, w.store, &me);
	assert_string_equal(why.text, "");
	strcpy(engine.instance[0].status, "{\"settings\":7}");
	cluster_differ(&why, w.store, &me);
	assert_string_equal(why.text, "");
	/* What it says of itself has room for them, whatever the figures. */
	me.figures = largest;
	me.figures.settings = ours;
	cluster_say(w.store, &me.figures);
	assert_non_null(strstr(engine.said, ours));
}

/* Time that passes is no news, a coordinator that goes is. */
static void test_what_is_news(void **state)
{
	struct store_instance later = there;
	json_t *first, *second, *third;

	(void)state;
	strcpy(later.status, "{\"state\":\"ready\",\"l1_age_s\":10,\"uptime_s\":5}");
	fake_engine_add(&engine, &later);
	first = cluster_json(w.store, &self);
	engine.instance[0].seen_before_ms = 4000;
	engine.instance[0].skew_ms++;
	strcpy(engine.instance[0].status, "{\"state\":\"ready\",\"l1_age_s\":11,\"uptime_s\":6}");
	second = cluster_json(w.store, &self);
	assert_false(json_equal(first, second));
	engine.instance[0].seen_before_ms = 31000;
	third = cluster_json(w.store, &self);
	cluster_json_still(first);
	cluster_json_still(second);
	cluster_json_still(third);
	assert_true(json_equal(first, second));
	assert_false(json_equal(second, third));
	json_decref(first);
	json_decref(second);
	json_decref(third);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_itself, begin, end),
	    cmocka_unit_test_setup_teardown(test_itself_as_it_is_now, begin, end),
	    cmocka_unit_test_setup_teardown(test_what_is_said, begin, end),
	    cmocka_unit_test_setup_teardown(test_strange_rows, begin, end),
	    cmocka_unit_test_setup_teardown(test_a_full_database, begin, end),
	    cmocka_unit_test_setup_teardown(test_who_is_to_be_seen_to, begin, end),
	    cmocka_unit_test_setup_teardown(test_settings_that_are_others, begin, end),
	    cmocka_unit_test_setup_teardown(test_what_is_news, begin, end),
	};

	gate_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
