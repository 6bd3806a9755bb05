/* The coordinators beside this one, in the answers: who leads, what each says of itself, and that
 * this one is not ready while its database is out of reach. */
#include "admin_world.h"
#include "cluster_json.h"
#include "fake_engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct admin_world world;
static struct fake_engine engine;
static struct answer answer;

static const struct store_instance here = {.slot = 3,
					   .name = "here-3900",
					   .version = "9.8.7",
					   .schema = 4,
					   .started_ms = 1700000000000,
					   .seen_before_ms = 900,
					   .skew_ms = -40,
					   .is_this = true};
static const struct store_instance there = {
    .slot = 9,
    .name = "there-3900",
    .version = "9.8.8",
    .schema = 4,
    .started_ms = 1700000000001,
    .seen_before_ms = 1400,
    .skew_ms = 2700,
    .leads = true,
    .status = "{\"state\":\"ready\",\"connections\":12,\"leases\":3,\"provers\":5,"
	      "\"inputs_granted\":70,\"proofs_accepted\":61,\"l1_block\":1234,\"l1_age_s\":9,"
	      "\"uptime_s\":86400}"};

static int begin_alone(void **state)
{
	admin_world_open(&world, NULL);
	*state = &world;
	return 0;
}

static int begin_shared(void **state)
{
	admin_world_open_shared(&world, fake_engine_init(&engine, 3));
	*state = &world;
	return 0;
}

static int end(void **state)
{
	answer_free(&answer);
	memset(&answer, 0, sizeof answer);
	admin_world_close(*state);
	admin_world_remove(*state);
	return 0;
}

static const json_t *get(const char *url)
{
	answer_free(&answer);
	admin_world_get(&world, &answer, url);
	assert_int_equal(answer.status, 200);
	return answer.json;
}

static bool leads(struct admin_world *x)
{
	return store_leads(x->p.store);
}

static bool is_lost(struct admin_world *x)
{
	return *store_lost(x->p.store) != '\0';
}

static bool is_back(struct admin_world *x)
{
	return !is_lost(x);
}

static void expect_metric(const char *line)
{
	struct answer a;

	admin_world_get(&world, &a, "/metrics");
	assert_int_equal(a.status, 200);
	if (!memmem(a.body.p, a.body.len, line, strlen(line)))
		fail_msg("no %s in %.*s", line, (int)a.body.len, (const char *)a.body.p);
	answer_free(&a);
}

static void test_alone(void **state)
{
	const json_t *c = get("/api/v1/cluster");

	(void)state;
	assert_true(json_is_false(json_object_get(c, "shared")));
	assert_true(json_is_true(json_object_get(c, "leads")));
	assert_non_null(strstr(text_of(c, "says"), "alone"));
	assert_int_equal(json_array_size(json_object_get(c, "coordinators")), 1);
	assert_string_equal(text_of(coordinator(c, 0), "name"), "here-3900");
	assert_string_equal(text_of(json_object_get(coordinator(c, 0), "figures"), "state"),
			    "ready");
	c = json_object_get(get("/api/v1/status"), "cluster");
	assert_true(json_is_false(json_object_get(c, "shared")));
	expect_metric("\nproof_coordinator_leader 1\n");
	expect_metric("\nproof_coordinator_database_reachable 1\n");
	expect_metric("\nproof_coordinator_cluster_instances 1\n");
	expect_metric("\nproof_coordinator_cluster_settings_differ 0\n");
	expect_metric("\nproof_coordinator_instance_info{name=\"here-3900\",slot=\"0\"} 1\n");
	expect_metric("_cluster_seen_seconds{name=\"here-3900\",slot=\"0\"} 0.000\n");
}

static void test_another_leads(void **state)
{
	const json_t *c, *other;
	char line[200];

	(void)state;
	fake_engine_add(&engine, &here);
	fake_engine_add(&engine, &there);
	c = get("/api/v1/cluster");
	assert_true(json_is_true(json_object_get(c, "shared")));
	assert_true(json_is_false(json_object_get(c, "leads")));
	assert_string_equal(text_of(c, "says"),
			    "another coordinator leads: there-3900; clock off: there-3900");
	/* Of itself it need not read what it said. */
	assert_true(json_is_object(json_object_get(coordinator(c, 0), "figures")));
	other = coordinator(c, 1);
	assert_int_equal(number_of(other, "slot"), 9);
	assert_int_equal(number_of(other, "schema"), 4);
	assert_int_equal(number_of(other, "seen_s_ago"), 1);
	assert_int_equal(number_of(other, "clock_skew_ms"), 2700);
	assert_true(json_is_false(json_object_get(other, "gone")));
	assert_int_equal(number_of(json_object_get(other, "figures"), "connections"), 12);
	assert_int_equal(number_of(json_object_get(other, "figures"), "proofs_accepted"), 61);
	expect_metric("\nproof_coordinator_leader 0\n");
	expect_metric("\nproof_coordinator_cluster_instances 2\n");
	expect_metric("\nproof_coordinator_instance_info{name=\"here-3900\",slot=\"3\"} 1\n");
	expect_metric("_cluster_seen_seconds{name=\"there-3900\",slot=\"9\"} 1.400\n");
	snprintf(line, sizeof line,
		 "_cluster_version_info{name=\"there-3900\",slot=\"9\",version=\"%s\",schema=\"4\"}"
		 " 1\n",
		 there.version);
	expect_metric(line);
	expect_metric("_cluster_clock_skew_seconds{name=\"here-3900\",slot=\"3\"} -0.040\n");
	/* What is to be done another does. */
	admin_world_read_l1(&world);
	c = json_object_get(get("/api/v1/status"), "l1");
	assert_string_equal(text_of(c, "next"),
			    "another coordinator leads: there-3900; clock off: there-3900");
}

/* A line of the metrics stays one, whatever a row's name is. */
static void test_a_strange_name(void **state)
{
	struct store_instance strange = there;

	(void)state;
	strcpy(strange.name, "a\"} 1\nb");
	fake_engine_add(&engine, &strange);
	expect_metric("_cluster_seen_seconds{name=\"a???1?b\",slot=\"9\"} 1.400\n");
}

static void test_this_leads(void **state)
{
	const json_t *c;

	(void)state;
	fake_engine_add(&engine, &here);
	fake_engine_tell(&engine, NEWS_LEADS, 4, "");
	admin_world_until(&world, leads);
	c = get("/api/v1/cluster");
	assert_string_equal(text_of(c, "says"), "this coordinator leads; others beside it: 0");
	expect_metric("\nproof_coordinator_leader 1\n");
	expect_metric("\nproof_coordinator_leadership_changes_total 1\n");
}

static void test_nobody_leads(void **state)
{
	struct store_instance gone = there;

	(void)state;
	gone.seen_before_ms = 30001;
	fake_engine_add(&engine, &here);
	fake_engine_add(&engine, &gone);
	assert_non_null(strstr(text_of(get("/api/v1/cluster"), "says"), "no coordinator leads"));
	assert_true(json_is_true(json_object_get(coordinator(answer.json, 1), "gone")));
}

static void expect_ready(int status, const char *text)
{
	struct answer a;

	admin_world_get(&world, &a, "/readyz");
	assert_int_equal(a.status, status);
	assert_int_equal(a.body.len, strlen(text));
	assert_memory_equal(a.body.p, text, a.body.len);
	answer_free(&a);
	admin_world_get(&world, &a, "/healthz");
	assert_int_equal(a.status, 200);
	answer_free(&a);
}

/* What is said of this one among the coordinators. */
static const char *state_here(void)
{
	const json_t *c = coordinator(get("/api/v1/cluster"), 0);

	assert_true(json_is_true(json_object_get(c, "this")));
	return text_of(json_object_get(c, "figures"), "state");
}

static void test_unreachable_it_is_not_ready(void **state)
{
	const json_t *j;

	(void)state;
	fake_engine_add(&engine, &here);
	fake_engine_add(&engine, &there);
	expect_ready(200, "ready\n");
	assert_string_equal(state_here(), "ready");
	fake_engine_tell(&engine, NEWS_LOST, 0, "the server closed the connection");
	admin_world_until(&world, is_lost);
	expect_ready(503, "database unreachable\n");
	assert_string_equal(state_here(), "lost");
	/* Others read it when it is there again. */
	admin_say(world.admin);
	assert_non_null(strstr(engine.said, "\"state\":\"ready\""));
	j = get("/api/v1/status");
	assert_true(json_is_false(json_object_get(j, "ready")));
	assert_string_equal(text_of(json_object_get(j, "cluster"), "trouble"),
			    "the server closed the connection");
	assert_string_equal(text_of(json_object_get(j, "l1"), "next"),
			    "nothing can be stored: the server closed the connection");
	expect_metric("\nproof_coordinator_database_reachable 0\n");
	expect_metric("\nproof_coordinator_database_losses_total 1\n");
	fake_engine_tell(&engine, NEWS_BACK, 0, "");
	admin_world_until(&world, is_back);
	expect_ready(200, "ready\n");
	assert_string_equal(state_here(), "ready");
	admin_set_state(world.admin, ADMIN_DRAINING);
	expect_ready(503, "draining\n");
}

/* What this one says the others read: whole, within its bounds, whatever the numbers are. */
static void test_what_it_says(void **state)
{
	struct store_instance other = {.slot = 1, .name = "reader"};
	const json_t *figures;

	(void)state;
	admin_world_read_l1(&world);
	admin_say(world.admin);
	assert_in_range(strlen(engine.said), 2, STORE_STATUS_SIZE / 2);
	strcpy(other.status, engine.said);
	fake_engine_add(&engine, &other);
	figures = json_object_get(coordinator(get("/api/v1/cluster"), 0), "figures");
	assert_string_equal(text_of(figures, "state"), "ready");
	assert_true(number_of(figures, "l1_block") > 0);
	assert_int_equal(number_of(figures, "connections"), 0);
	admin_set_state(world.admin, ADMIN_DRAINING);
	admin_say(world.admin);
	assert_non_null(strstr(engine.said, "\"state\":\"draining\""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_alone, begin_alone, end),
	    cmocka_unit_test_setup_teardown(test_another_leads, begin_shared, end),
	    cmocka_unit_test_setup_teardown(test_a_strange_name, begin_shared, end),
	    cmocka_unit_test_setup_teardown(test_this_leads, begin_shared, end),
	    cmocka_unit_test_setup_teardown(test_nobody_leads, begin_shared, end),
	    cmocka_unit_test_setup_teardown(test_unreachable_it_is_not_ready, begin_shared, end),
	    cmocka_unit_test_setup_teardown(test_what_it_says, begin_shared, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
