/* The steps of the schema: one after another while others run, whole or not at all. */
#include "pg_world.h"

/* What schema.c itself knows of the tables. */
#define FIRST                                                                                      \
	"CREATE TABLE head (rev integer);\nINSERT INTO head VALUES (0);\n"                         \
	"CREATE TABLE instance (slot integer, name text, version text, schema integer, seen "      \
	"timestamptz);\nCREATE TABLE one (n integer);\n"

static const struct schema_step side_by_side[] = {
    {FIRST, 1},
    {"CREATE TABLE two (n integer);\nALTER TABLE one ADD m integer NOT NULL DEFAULT 7;\n", 1},
    {"DROP TABLE one;\nDROP TABLE two;\n", 3}};
static const struct schema first = {side_by_side, 1}, second = {side_by_side, 2},
			   third = {side_by_side, 3};

static int from; /* of the last schema_settle() */

static long tables(const char *database)
{
	return pg_do(database, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'");
}

static void test_schemas_side_by_side(void **state)
{
	struct link s, old;
	struct node a;
	struct why why;

	link_make(&s, *state, "postgres");
	link_make(&old, *state, "postgres");
	assert_int_equal(schema_settle(&s, &from, &first, false, &why), STORE_FOREIGN);
	assert_int_equal(schema_settle(&s, &from, &first, true, &why), STORE_OK);
	assert_int_equal(from, 0);
	assert_int_equal(schema_settle(&s, &from, &first, true, &why), STORE_OK);
	assert_int_equal(from, -1);
	assert_int_equal(schema_settle(&s, &from, &second, false, &why), STORE_FOREIGN);
	assert_non_null(strstr(why.text, "has version 1, older than this program's 2"));
	/* The second step is one that the older program goes on with. */
	assert_int_equal(schema_settle(&s, &from, &second, true, &why), STORE_OK);
	assert_int_equal(from, 1);
	assert_int_equal(pg_do(*state, "SELECT count(*) FROM two"), 0);
	assert_int_equal(schema_settle(&s, &from, &first, true, &why), STORE_OK);
	/* The third is not: as long as an older one is connected it is not made. */
	assert_int_equal(link_run(&old, "SELECT pg_advisory_lock(1414809688, 105)", &why),
			 STORE_OK);
	pg_do(*state, "INSERT INTO instance VALUES (5, 'old', '0.1', 2, '-infinity'),"
		      " (6, 'gone', '0.1', 2, now() - interval '4 s'),"
		      " (7, 'back', '0.0', 1, now()), (8, 'new', '0.2', 3, now())");
	assert_int_equal(schema_settle(&s, &from, &third, true, &why), STORE_FOREIGN);
	assert_non_null(strstr(why.text, "the schema stays at version 2"));
	assert_non_null(strstr(why.text, "new schema: old (version 0.1, schema 2), back (version "
					 "0.0, schema 1); stop them first"));
	pg_do(*state, "DELETE FROM instance WHERE name = 'back'");
	link_close(&old);
	/* It was let go; nor does this session's end come later than the next look. */
	pg_do(*state, "BEGIN; SELECT pg_advisory_xact_lock(1414809688, 105); COMMIT");
	assert_int_equal(schema_settle(&s, &from, &third, true, &why), STORE_OK);
	assert_int_equal(schema_settle(&s, &from, &second, true, &why), STORE_FOREIGN);
	assert_non_null(strstr(why.text, "its schema has version 3, for programs that know 3"));
	link_close(&s);
	assert_int_equal(node_open(&a, *state, "a"), STORE_FOREIGN);
}

/* Between a look at the schema and a place among the coordinators another makes a step. */
static void test_who_begins_to_store_holds_the_schema(void **state)
{
	struct link s, other;
	struct why why;

	link_make(&s, *state, "postgres");
	link_make(&other, *state, "postgres");
	assert_int_equal(schema_settle(&s, &from, &first, true, &why), STORE_OK);
	assert_int_equal(link_run(&other, "BEGIN", &why), STORE_OK);
	assert_int_equal(link_run(&other, "SELECT pg_advisory_xact_lock(1414809688, 1)", &why),
			 STORE_OK);
	assert_int_equal(link_run(&s, "BEGIN", &why), STORE_OK);
	assert_int_equal(schema_hold(&s, &first, &why), STORE_UNREACHABLE);
	assert_non_null(strstr(why.text, "another coordinator is bringing the schema up to date"));
	assert_int_equal(link_run(&other, "COMMIT", &why), STORE_OK);
	assert_int_equal(link_run(&s, "ROLLBACK", &why), STORE_OK);
	assert_int_equal(schema_settle(&other, &from, &third, true, &why), STORE_OK);
	assert_int_equal(link_run(&s, "BEGIN", &why), STORE_OK);
	assert_int_equal(schema_hold(&s, &first, &why), STORE_FOREIGN);
	assert_non_null(strstr(why.text, "use the newer one"));
	link_close(&s);
	link_close(&other);
}

static void test_a_step_that_fails_leaves_nothing(void **state)
{
	const struct schema_step bad[] = {
	    {FIRST "CREATE TABLE one (n integer);\n", 1},
	};
	struct why why;
	struct link s;

	link_make(&s, *state, "postgres");
	assert_int_equal(schema_settle(&s, &from, &(struct schema){bad, 1}, true, &why),
			 STORE_FOREIGN);
	assert_non_null(strstr(why.text, "there is no schema yet: "));
	assert_int_equal(tables(*state), 0);
	link_close(&s);
}

/* At each statement of a step the server says that it cannot. */
static void test_a_server_that_fails_in_a_step_has_the_old_schema(void **state)
{
	static const struct {
		const char *state, *says;
	} faults[] = {{"53100", "the disk of the database is full"},
		      {"57014", "the statement took too long"},
		      {"XX001", "the database is damaged"},
		      {"57P01", "the server was shut down, or ended this session"}};
	char sql[500];
	struct why why;
	struct link s;
	size_t i, k;

	link_make(&s, *state, "postgres");
	assert_int_equal(schema_settle(&s, &from, &first, true, &why), STORE_OK);
	for (i = 0; i < sizeof faults / sizeof *faults; i++)
		for (k = 0; k < 2; k++) {
			snprintf(sql, sizeof sql,
				 "CREATE FUNCTION f() RETURNS event_trigger LANGUAGE plpgsql AS"
				 " 'BEGIN RAISE EXCEPTION ''no'' USING ERRCODE = ''%s''; END';"
				 "CREATE EVENT TRIGGER f ON ddl_command_end WHEN TAG IN ('%s')"
				 " EXECUTE FUNCTION f()",
				 faults[i].state, k ? "ALTER TABLE" : "CREATE TABLE");
			pg_do(*state, sql);
			assert_int_not_equal(schema_settle(&s, &from, &second, true, &why),
					     STORE_OK);
			assert_non_null(strstr(why.text, "the schema stays at version 1: "));
			assert_non_null(strstr(why.text, faults[i].says));
			assert_int_equal(schema_settle(&s, &from, &first, false, &why), STORE_OK);
			pg_do(*state, "DROP EVENT TRIGGER f; DROP FUNCTION f");
		}
	assert_int_equal(tables(*state), 4);
	assert_int_equal(schema_settle(&s, &from, &second, true, &why), STORE_OK);
	link_close(&s);
}

struct opening {
	const char *database;
	struct node node;
	enum store_rc rc;
};

static void open_it(void *arg)
{
	struct opening *o = arg;

	o->rc = node_open(&o->node, o->database, "late");
}

/* What it saw of the schema at first does not hold any more when it takes its place. */
static void test_a_step_that_is_made_during_a_start(void **state)
{
	struct opening o = {.database = *state};
	struct node a;
	uv_thread_t thread;
	struct link s;
	struct why why;
	int i;

	node_start(&a, *state, "a");
	node_stop(&a);
	link_make(&s, *state, "postgres");
	for (o.rc = STORE_UNREACHABLE; o.rc == STORE_UNREACHABLE;) {
		link_deadline(&s, 20000);
		assert_int_equal(link_run(&s, "BEGIN", &why), STORE_OK);
		assert_int_equal(link_run(&s, "LOCK TABLE head", &why), STORE_OK);
		uv_thread_create(&thread, open_it, &o);
		for (i = 0; i < 400 && !pg_do(*state, "SELECT count(*) FROM pg_locks WHERE NOT"
						      " granted AND relation = 'head'::regclass");
		     i++)
			usleep(5000);
		link_run(&s,
			 "INSERT INTO schema_version (version, compatible_from, program)"
			 " VALUES (99, 99, 'proof-coordinator') ON CONFLICT DO NOTHING",
			 &why);
		/* On a slow machine it may have given up waiting. */
		assert_int_equal(link_run(&s, "COMMIT", &why), STORE_OK);
		uv_thread_join(&thread);
		pg_do(*state, "DELETE FROM schema_version WHERE version = 99");
	}
	assert_int_equal(o.rc, STORE_FOREIGN);
	assert_non_null(strstr(o.node.why.text, "its schema has version 99"));
	link_close(&s);
}

static const char *together; /* the database that they open */

static void open_one(void *arg)
{
	struct node *n = arg;
	char name[16];

	snprintf(name, sizeof name, "n%u", n->rows);
	node_open(n, together, name);
}

static void test_they_may_start_together(void **state)
{
	struct node n[4];
	uv_thread_t thread[4];
	unsigned i, slots = 0;

	together = *state;
	for (i = 0; i < 4; i++) {
		n[i].rows = i;
		uv_thread_create(&thread[i], open_one, &n[i]);
	}
	for (i = 0; i < 4; i++) {
		uv_thread_join(&thread[i]);
		if (!n[i].e)
			fail_msg("%s", n[i].why.text);
		slots |= 1u << n[i].e->slot;
	}
	assert_int_equal(slots, 15);
	for (i = 0; i < 4; i++)
		node_stop(&n[i]);
}

#define TEST(f) cmocka_unit_test_setup(f, pg_database)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_schemas_side_by_side),
	    TEST(test_who_begins_to_store_holds_the_schema),
	    TEST(test_a_step_that_fails_leaves_nothing),
	    TEST(test_a_server_that_fails_in_a_step_has_the_old_schema),
	    TEST(test_a_step_that_is_made_during_a_start),
	    TEST(test_they_may_start_together),
	};

	return PG_RUN(tests);
}
