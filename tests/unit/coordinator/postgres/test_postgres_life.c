/* What the engine does when the database, the connection, the schema or another coordinator is not
 * as it should be; and the inputs. */
#include "pg_world.h"

#include "coordinator/store/input_file.h"

#include <openssl/evp.h>

/* ---- names and places ---- */

static void test_a_name_is_one_coordinators(void **state)
{
	struct node a, again, other;
	unsigned slot;

	node_start(&a, *state, "a");
	assert_int_equal(node_open(&other, *state, "b"), STORE_OK);
	assert_int_equal(other.e->slot, 1);
	node_stop(&other);
	/* It lives, and its row says so. */
	usleep(1100000);
	node_turn(&a);
	slot = a.e->slot;
	node_stop(&a);
	assert_int_equal(node_open(&again, *state, "a"), STORE_OK);
	assert_int_equal(again.e->slot, slot);
	node_stop(&again);
	/* Who stops gives its place back: nobody misses it. */
	assert_int_equal(pg_do(*state, "SELECT count(*) FROM instance WHERE name <> ''"), 0);
}

struct beating {
	struct node *node;
	volatile bool stop;
};

static void beat_on(void *arg)
{
	struct beating *b = arg;

	while (!b->stop) {
		node_turn(b->node);
		usleep(50000);
	}
}

static void test_a_name_that_lives_is_refused(void **state)
{
	struct beating beating = {0};
	struct node a, again;
	uv_thread_t thread;

	node_start(&a, *state, "a");
	beating.node = &a;
	uv_thread_create(&thread, beat_on, &beating);
	assert_int_equal(node_open(&again, *state, "a"), STORE_IN_USE);
	assert_non_null(strstr(again.why.text, "a coordinator with the name a is there"));
	beating.stop = true;
	uv_thread_join(&thread);
	node_stop(&a);
}

static void test_a_place_that_was_taken_is_lost(void **state)
{
	struct node a;

	node_start(&a, *state, "a");
	pg_do(*state, "UPDATE instance SET token = 1 WHERE name = 'a'");
	node_turn_until(&a, &a.past);
	assert_non_null(strstr(a.why.text, "another one has its place"));
	node_stop(&a);
}

static void test_all_see_all(void **state)
{
	struct store_instance seen[STORE_SLOTS];
	struct node a, b;

	node_start(&a, *state, "a");
	node_start(&b, *state, "b");
	b.e->ops->say(b.e, "{\"connections\":7}");
	node_lead(&b);
	postgres_of(b.e)->beat_due = 0;
	node_turn(&b);
	postgres_of(a.e)->beat_due = 0;
	node_turn(&a);
	assert_int_equal(a.e->ops->instances(a.e, seen, STORE_SLOTS), 2);
	/* Who made the tables says so. */
	assert_string_equal(a.schema.text, "a made the tables, of schema version 1");
	assert_string_equal(b.schema.text, "");
	assert_string_equal(seen[0].name, "a");
	assert_true(seen[0].is_this && !seen[0].leads);
	assert_string_equal(seen[1].name, "b");
	assert_true(!seen[1].is_this && seen[1].leads);
	assert_string_equal(seen[1].status, "{\"connections\":7}");
	assert_string_equal(seen[1].version, "1.2.3");
	assert_in_range(seen[1].seen_before_ms, 0, 5000);
	assert_true(llabs(seen[1].skew_ms) < 1000);
	node_stop(&a);
	node_stop(&b);
}

/* ---- the connection ---- */

static uint64_t ms_since(uint64_t start)
{
	return (uv_hrtime() - start) / 1000000;
}

static void test_a_server_that_went_and_came(void **state)
{
	struct store_change c = a_fact("k", "v");
	struct node a;
	uint64_t start;
	int i;

	node_start(&a, *state, "a");
	node_lead(&a);
	assert_int_equal(node_commit(&a, &c, 1), STORE_OK);
	pg_stop(SIGQUIT);
	start = uv_hrtime();
	for (i = 0; i < 5; i++) {
		assert_int_equal(node_commit(&a, &c, 1), STORE_UNREACHABLE);
		usleep(100000);
	}
	assert_in_range(ms_since(start), 0, 2500);
	assert_true(a.lost && !a.back);
	assert_int_equal(a.fence, 0);
	assert_non_null(strstr(a.why.text, "PostgreSQL, database db"));
	pg_start();
	node_turn_until(&a, &a.back);
	node_lead(&a);
	assert_int_equal(a.fence, 2);
	assert_int_equal(node_commit(&a, &c, 1), STORE_OK);
	node_stop(&a);
}

/* The server's process for this session is stopped: it neither answers nor ends. */
static void test_a_silent_server_has_its_time(void **state)
{
	struct store_change c = a_fact("k", "v");
	struct node a;
	uint64_t start;
	pid_t pid;

	node_start(&a, *state, "a");
	pid = PQbackendPID(postgres_of(a.e)->main.conn);
	kill(pid, SIGSTOP);
	start = uv_hrtime();
	assert_int_equal(node_commit(&a, &c, 1), STORE_UNREACHABLE);
	assert_in_range(ms_since(start), 700, 1000);
	assert_non_null(strstr(a.why.text, "has not answered in time"));
	/* What comes meanwhile is answered at once. */
	start = uv_hrtime();
	assert_int_equal(node_commit(&a, &c, 1), STORE_UNREACHABLE);
	assert_in_range(ms_since(start), 0, 100);
	kill(pid, SIGCONT);
	node_turn_until(&a, &a.back);
	assert_int_equal(node_commit(&a, &c, 1), STORE_OK);
	node_stop(&a);
}

/* A COMMIT was sent, and its answer did not come: the rows are another's, if they are there. */
static void test_a_commit_that_was_not_answered(void **state)
{
	struct store_change c = a_lease(4, "mine");
	struct node a;

	node_start(&a, *state, "a");
	pg_do(*state, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
	pg_do(*state, "SELECT pg_reload_conf()");
	usleep(200000);
	assert_int_equal(node_commit(&a, &c, 1), STORE_UNREACHABLE);
	assert_int_equal(a.rows, 0);
	pg_do(*state, "ALTER SYSTEM RESET synchronous_standby_names");
	pg_do(*state, "SELECT pg_reload_conf()");
	/* It was decided without knowing that row. */
	usleep(300000);
	assert_int_equal(node_commit(&a, &c, 1), STORE_CONFLICT);
	assert_string_equal(a.text, "lease of batch 4, prover type 3; ");
	assert_int_equal(node_commit(&a, &c, 1), STORE_OK);
	assert_int_equal(a.rows, 1);
	node_stop(&a);
}

/* ---- the past ---- */

static void test_a_database_that_went_back(void **state)
{
	struct store_change c = a_fact("k", "v");
	struct node a;

	node_start(&a, *state, "a");
	assert_int_equal(node_commit(&a, &c, 1), STORE_OK);
	/* As if another copy had gone its own way. */
	pg_do(*state, "UPDATE mark SET mark = 1 WHERE rev = (SELECT rev FROM head)");
	node_cut(&a, *state);
	node_turn_until(&a, &a.past);
	assert_non_null(strstr(a.why.text, "which was seen, is not there"));
	assert_int_equal(node_commit(&a, &c, 1), STORE_UNREACHABLE);
	node_stop(&a);
}

static void test_another_database(void **state)
{
	struct node a;

	node_start(&a, *state, "a");
	pg_do(*state, "UPDATE head SET identity = identity + 1");
	node_cut(&a, *state);
	node_turn_until(&a, &a.past);
	assert_non_null(strstr(a.why.text, "another database than before"));
	node_stop(&a);
}

static void test_what_all_know_is_forgotten(void **state)
{
	struct store_change c = a_fact("k", "v");
	struct node a, b;

	node_start(&a, *state, "a");
	node_start(&b, *state, "b");
	node_lead(&a);
	assert_int_equal(node_commit(&a, &c, 1), STORE_OK);
	c.kind = CHANGE_FACT_DEL;
	assert_int_equal(node_commit(&a, &c, 1), STORE_OK);
	c = a_fact("l", "v");
	assert_int_equal(node_commit(&a, &c, 1), STORE_OK);
	/* Not within an hour, even if all know it. */
	node_turn(&b);
	postgres_of(b.e)->beat_due = postgres_of(a.e)->beat_due = 0;
	node_turn(&b);
	node_turn(&a);
	assert_true(a.e->ops->tidy(a.e));
	assert_int_equal(pg_do(*state, "SELECT count(*) FROM gone"), 1);
	pg_do(*state, "UPDATE instance SET rev = 1 WHERE name = 'b'");
	postgres_of(b.e)->seen = 1;
	pg_do(*state, "UPDATE mark SET at = at - interval '2 hours'");
	postgres_of(a.e)->tidy_due = 0;
	/* The other one lives, and has not seen it. */
	assert_true(a.e->ops->tidy(a.e));
	assert_int_equal(pg_do(*state, "SELECT count(*) FROM gone"), 1);
	/* It is away for more than an hour. */
	pg_do(*state, "UPDATE instance SET seen = seen - interval '2 hours' WHERE name = 'b'");
	postgres_of(a.e)->tidy_due = 0;
	assert_true(a.e->ops->tidy(a.e));
	assert_int_equal(pg_do(*state, "SELECT count(*) FROM gone"), 0);
	assert_int_equal(pg_do(*state, "SELECT count(*) FROM mark"), 1);
	node_cut(&b, *state);
	node_turn_until(&b, &b.past);
	assert_non_null(strstr(b.why.text, "away for too long"));
	/* The leader itself may lose its connection. */
	node_cut(&a, *state);
	node_turn(&a);
	usleep(250000);
	node_turn_until(&a, &a.back);
	assert_false(a.past);
	node_stop(&a);
	node_stop(&b);
}

/* ---- what the operator reads ---- */

static enum store_rc open_url(struct why *why, const char *url, const char *password)
{
	const struct postgres_options o = {
	    .url = url, .password = password, .instance = "x", .version = "1", .listen = ""};
	struct engine *e;
	enum store_rc rc = postgres_open(&e, &o, why);

	if (rc == STORE_OK)
		e->ops->close(e);
	return rc;
}

static void test_sentences(void **state)
{
	char url[200];
	struct why why;

	pg_do(*state, "CREATE ROLE pw LOGIN PASSWORD 'right'");
	snprintf(url, sizeof url, "postgres://pw@/%s?host=%s", (char *)*state, pg.root);
	assert_int_equal(open_url(&why, url, "wrong-secret"), STORE_UNREACHABLE);
	assert_non_null(strstr(why.text, "password authentication failed for user \"pw\""));
	assert_null(strstr(why.text, "wrong-secret"));
	assert_int_equal(open_url(&why, url, ""), STORE_UNREACHABLE);
	assert_non_null(strstr(why.text, "no password supplied"));
	/* Since version 15 nobody may create tables in the schema public but the owner. */
	pg_do(*state, "REVOKE CREATE ON SCHEMA public FROM PUBLIC");
	assert_int_equal(open_url(&why, url, "right"), STORE_FOREIGN);
	assert_non_null(strstr(why.text, "permission denied"));
	assert_non_null(strstr(why.text, "GRANT"));
	snprintf(url, sizeof url, "postgres://postgres@/nowhere?host=%s", pg.root);
	assert_int_equal(open_url(&why, url, ""), STORE_UNREACHABLE);
	assert_non_null(strstr(why.text, "database \"nowhere\" does not exist"));
	assert_int_equal(open_url(&why, "postgres://postgres@/x?host=/nowhere", ""),
			 STORE_UNREACHABLE);
	assert_non_null(strstr(why.text, "database x at /nowhere"));
	assert_int_equal(open_url(&why, "postgres://postgres@/x?nonsense=1", ""), STORE_FOREIGN);
	assert_non_null(strstr(why.text, "nonsense"));
	snprintf(url, sizeof url,
		 "postgres://postgres@/%s?host=%s&options=-c%%20search_path%%3D"
		 "pg_temp,public",
		 (char *)*state, pg.root);
	assert_int_equal(open_url(&why, url, ""), STORE_FOREIGN);
	assert_non_null(strstr(why.text, "begins with pg_temp"));
	pg_do(*state, "DROP TABLE IF EXISTS schema_version");
	/* Nobody's table is overwritten. */
	pg_do(*state, "CREATE TABLE head (n integer)");
	snprintf(url, sizeof url, "postgres://postgres@/%s?host=%s", (char *)*state, pg.root);
	assert_int_equal(open_url(&why, url, ""), STORE_FOREIGN);
	assert_non_null(strstr(why.text, "another program"));
	pg_do(*state, "ALTER DATABASE db1 RESET ALL");
	snprintf(url, sizeof url,
		 "postgres://postgres@/%s?host=%s&options=-c%%20"
		 "default_transaction_read_only%%3Don",
		 (char *)*state, pg.root);
	if (open_url(&why, url, "") != STORE_UNREACHABLE)
		fail_msg("%s", why.text);
	assert_non_null(strstr(why.text, "set read-only"));
	pg_do(*state, "DROP ROLE pw");
}

/* Durability that the operator asked for is never lowered, and less than a COMMIT's is raised. */
static void test_commits_are_durable(void **state)
{
	char sql[96], url[160];
	enum store_rc rc;
	struct why why;
	struct link s;
	PGresult *r;

	snprintf(url, sizeof url, "postgres://postgres@/%s?host=%s", (char *)*state, pg.root);
	snprintf(sql, sizeof sql, "ALTER DATABASE %s SET synchronous_commit = off", (char *)*state);
	pg_do(*state, sql);
	link_make(&s, *state, "postgres");
	r = link_query(&s, "SELECT current_setting('synchronous_commit')", "", NULL, &rc, &why);
	assert_true(span_eq(cell_bytes(r, 0, 0), text("on")));
	PQclear(r);
	link_close(&s);
	snprintf(sql, sizeof sql, "ALTER DATABASE %s SET synchronous_commit = remote_apply",
		 (char *)*state);
	pg_do(*state, sql);
	link_make(&s, *state, "postgres");
	r = link_query(&s, "SELECT current_setting('synchronous_commit')", "", NULL, &rc, &why);
	assert_true(span_eq(cell_bytes(r, 0, 0), text("remote_apply")));
	PQclear(r);
	link_close(&s);
}

/* ---- inputs ---- */

#define INPUT_BYTES (2 * INPUT_CHUNK_MAX + 12345)

static void input_make(const char *dir, uint8_t sha256[32])
{
	uint8_t *bytes = malloc(INPUT_BYTES);
	char path[PATH_MAX];
	struct why why;
	size_t i;
	FILE *f;

	for (i = 0; i < INPUT_BYTES; i++)
		bytes[i] = (uint8_t)(i * 7 + i / 251);
	assert_int_equal(EVP_Digest(bytes, INPUT_BYTES, sha256, NULL, EVP_sha256(), NULL), 1);
	assert_true(input_file_path(path, dir, sha256, &why));
	f = fopen(path, "wb");
	assert_int_equal(fwrite(bytes, 1, INPUT_BYTES, f), INPUT_BYTES);
	assert_int_equal(fclose(f), 0);
	free(bytes);
}

/* One byte becomes another. */
static void input_harm(const char *dir, const uint8_t sha256[32])
{
	char path[PATH_MAX];
	struct why why;
	FILE *f;

	assert_true(input_file_path(path, dir, sha256, &why));
	f = fopen(path, "r+b");
	assert_non_null(f);
	assert_int_equal(fseek(f, INPUT_CHUNK_MAX, SEEK_SET), 0);
	assert_int_equal(fwrite("?", 1, 1, f), 1);
	assert_int_equal(fclose(f), 0);
}

static void test_an_input_gets_to_the_others(void **state)
{
	static const char *const harms[] = {
	    "UPDATE input_chunk SET bytes = bytes || 'x' WHERE n = 2",
	    ("UPDATE input_chunk SET bytes = set_byte(bytes, 7, 255 - get_byte(bytes, 7))"
	     " WHERE n = 1"),
	    "DELETE FROM input_chunk WHERE n = 1",
	    "UPDATE input_file SET size = size - 1",
	};
	char here[96], there[96];
	uint8_t sha256[32], other[32] = {1};
	struct store_change c = an_input(1, 0);
	struct link holder;
	struct node a, b;
	uint64_t start;
	struct why why;
	size_t i;
	long was;
	int fd;

	snprintf(here, sizeof here, "%s/here", pg.root);
	snprintf(there, sizeof there, "%s/there", pg.root);
	assert_int_equal(mkdir(here, 0700), 0);
	assert_int_equal(mkdir(there, 0700), 0);
	assert_int_equal(input_files_prepare(here, &why), INPUT_OK);
	assert_int_equal(input_files_prepare(there, &why), INPUT_OK);
	input_make(here, sha256);
	node_start(&a, *state, "a");
	node_start(&b, *state, "b");
	assert_int_equal(b.e->ops->fetch_input(b.e, there, sha256, INPUT_BYTES, &why),
			 INPUT_BROKEN);
	assert_int_equal(a.e->ops->share_input(a.e, here, sha256, INPUT_BYTES, &why), INPUT_OK);
	assert_int_equal(a.e->ops->share_input(a.e, here, sha256, INPUT_BYTES, &why), INPUT_OK);
	assert_int_equal(pg_do(*state, "SELECT count(*) FROM input_chunk"), 3);
	assert_int_equal(b.e->ops->fetch_input(b.e, there, sha256, INPUT_BYTES - 1, &why),
			 INPUT_BROKEN);
	assert_int_equal(b.e->ops->fetch_input(b.e, there, sha256, INPUT_BYTES, &why), INPUT_OK);
	assert_int_equal(input_file_open(&fd, there, sha256, INPUT_BYTES, &why), INPUT_OK);
	close(fd);
	assert_int_equal(a.e->ops->share_input(a.e, here, other, 5, &why), INPUT_BROKEN);
	/* Bytes that were changed there do not become a file here. */
	pg_do(*state, "UPDATE input_chunk SET bytes = bytes || 'x' WHERE n = 2");
	assert_int_equal(input_file_remove(there, sha256, &why), INPUT_OK);
	assert_int_equal(b.e->ops->fetch_input(b.e, there, sha256, INPUT_BYTES, &why),
			 INPUT_BROKEN);
	assert_int_equal(input_file_open(&fd, there, sha256, INPUT_BYTES, &why), INPUT_BROKEN);
	/* Given again it is whole again, whatever was wrong, and only that is written. */
	for (i = 0; i < sizeof harms / sizeof *harms; i++) {
		pg_do(*state, harms[i]);
		assert_int_equal(b.e->ops->fetch_input(b.e, there, sha256, INPUT_BYTES, &why),
				 INPUT_BROKEN);
		was = pg_do(*state, "SELECT xmin::text::bigint FROM input_chunk WHERE n = 0");
		assert_int_equal(a.e->ops->share_input(a.e, here, sha256, INPUT_BYTES, &why),
				 INPUT_OK);
		assert_int_equal(
		    pg_do(*state, "SELECT xmin::text::bigint FROM input_chunk WHERE n = 0"), was);
		assert_int_equal(b.e->ops->fetch_input(b.e, there, sha256, INPUT_BYTES, &why),
				 INPUT_OK);
		assert_int_equal(input_file_remove(there, sha256, &why), INPUT_OK);
	}
	/* A prover waits for what is fetched: who locked the table is not waited for for long. */
	link_make(&holder, *state, "postgres");
	assert_int_equal(link_run(&holder, "SET idle_in_transaction_session_timeout = 0", &why),
			 STORE_OK);
	assert_int_equal(link_run(&holder, "BEGIN", &why), STORE_OK);
	assert_int_equal(link_run(&holder, "LOCK TABLE input_chunk", &why), STORE_OK);
	start = uv_hrtime();
	assert_int_equal(b.e->ops->fetch_input(b.e, there, sha256, INPUT_BYTES, &why), INPUT_IO);
	assert_in_range(ms_since(start), 0, 5000);
	assert_non_null(strstr(why.text, "another session holds what this one waits for"));
	link_close(&holder);
	/* A file that is damaged itself takes no place there. */
	input_harm(here, sha256);
	assert_int_equal(a.e->ops->share_input(a.e, here, sha256, INPUT_BYTES, &why), INPUT_BROKEN);
	assert_int_equal(b.e->ops->fetch_input(b.e, there, sha256, INPUT_BYTES, &why), INPUT_OK);
	/* What no row names goes after an hour; what one names stays. */
	node_lead(&a);
	pg_do(*state, "UPDATE input_file SET shared = shared - interval '2 hours'");
	memcpy(c.input.sha256, sha256, 32);
	assert_int_equal(node_commit(&a, &c, 1), STORE_OK);
	assert_true(a.e->ops->tidy(a.e));
	assert_int_equal(pg_do(*state, "SELECT count(*) FROM input_chunk"), 3);
	c.kind = CHANGE_INPUT_DEL;
	assert_int_equal(node_commit(&a, &c, 1), STORE_OK);
	postgres_of(a.e)->tidy_due = 0;
	assert_true(a.e->ops->tidy(a.e));
	assert_int_equal(pg_do(*state, "SELECT count(*) FROM input_chunk"), 0);
	node_stop(&a);
	node_stop(&b);
}

#define TEST(name) cmocka_unit_test_setup(name, pg_database)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_a_name_is_one_coordinators),
	    TEST(test_a_name_that_lives_is_refused),
	    TEST(test_a_place_that_was_taken_is_lost),
	    TEST(test_all_see_all),
	    TEST(test_a_server_that_went_and_came),
	    TEST(test_a_silent_server_has_its_time),
	    TEST(test_a_commit_that_was_not_answered),
	    TEST(test_a_database_that_went_back),
	    TEST(test_another_database),
	    TEST(test_what_all_know_is_forgotten),
	    TEST(test_sentences),
	    TEST(test_commits_are_durable),
	    TEST(test_an_input_gets_to_the_others),
	};

	return PG_RUN(tests);
}
