/* What holds up the others is ended, what is not heard is not believed, and what is looked at is
 * looked at in its own past: the guards of several coordinators on one database. */
#include "pg_world.h"

#define BIG_ROWS 4000

static uint64_t ms_since(uint64_t start)
{
	return (uv_hrtime() - start) / 1000000;
}

/* Of the session that a connection is. */
static long count_where(const char *database, const PGconn *conn, const char *what)
{
	char sql[200];

	snprintf(sql, sizeof sql, "SELECT count(*) FROM pg_stat_activity WHERE pid = %d AND %s",
		 PQbackendPID(conn), what);
	return pg_do(database, sql);
}

static long locks_of_leaders(const char *database)
{
	return pg_do(database, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
			       " AND objid = 2 AND granted");
}

/* As another coordinator would, in one transaction. */
static void store_much(const char *database)
{
	char sql[400];

	snprintf(sql, sizeof sql,
		 "WITH h AS (UPDATE head SET rev = rev + 1, mark = 5 RETURNING rev), m AS (INSERT"
		 " INTO mark (rev, mark) SELECT rev, 5 FROM h) INSERT INTO fact SELECT"
		 " convert_to('much' || i, 'UTF8'), convert_to(repeat('x', 500), 'UTF8'), rev, 9"
		 " FROM h, generate_series(1, %d) i",
		 BIG_ROWS);
	pg_do(database, sql);
}

/* ---- sessions that hold up all others ---- */

static uint64_t commits_after(struct node *n, const char *key, unsigned most_ms)
{
	const uint64_t start = uv_hrtime();
	struct store_change c = a_fact(key, "v");

	while (node_commit(n, &c, 1) != STORE_OK && ms_since(start) < most_ms) {
		usleep(50000);
		node_turn(n);
	}
	return ms_since(start);
}

/* A process that is stopped right after it has asked: the server has its say, and then waits for no
 * longer than it has to. */
static void test_little_is_read_while_all_wait(void **state)
{
	struct node a, b;
	struct link *s;

	node_start(&a, *state, "a");
	node_start(&b, *state, "b");
	store_much(*state);
	s = &postgres_of(a.e)->main;
	commit_begin_send(postgres_of(a.e), HEAD_ROWS);
	link_sync(s);
	assert_int_equal(PQflush(s->conn), 0);
	usleep(500000);
	assert_int_equal(count_where(*state, s->conn, "state = 'idle in transaction'"), 1);
	assert_in_range(commits_after(&b, "b", 15000), 1000, 10000);
	assert_int_equal(b.rows, BIG_ROWS);
	/* It was ended by the server; it goes on. */
	assert_in_range(commits_after(&a, "a", 15000), 0, 2000);
	assert_true(a.lost && a.back);
	assert_int_equal(a.rows, BIG_ROWS + 1);
	node_stop(&a);
	node_stop(&b);
}

static void open_stuck(struct link *s, const char *database, const char *name)
{
	char url[160];
	struct why why;

	snprintf(url, sizeof url, "postgres://postgres@/%s?host=%s", database, pg.root);
	assert_int_equal(link_open(s, url, "", name, "it", 0, 5000, &why), STORE_OK);
}

/* Asks for more than the sockets hold, and reads nothing of it. */
static void read_nothing(struct link *s, const char *database)
{
	link_send_sql(s, "SELECT repeat('x', 1000) FROM generate_series(1, 20000)", "", NULL);
	link_sync(s);
	assert_int_equal(PQflush(s->conn), 0);
	usleep(300000);
	assert_int_equal(
	    count_where(database, s->conn, "state = 'active' AND wait_event = 'ClientWrite'"), 1);
}

static void test_who_reads_nothing_is_ended(void **state)
{
	struct link stuck, other, harmless;
	struct node b;

	node_start(&b, *state, "b");
	open_stuck(&harmless, *state, "proof-coordinator harmless");
	open_stuck(&other, *state, "another program");
	open_stuck(&stuck, *state, "proof-coordinator a");
	read_nothing(&harmless, *state);
	link_send_sql(&other, "SELECT pg_advisory_lock(1414809688, 2)", "", NULL);
	read_nothing(&other, *state);
	link_send_sql(&stuck, "BEGIN", "", NULL);
	link_send_sql(&stuck, "SELECT 1 FROM head FOR UPDATE", "", NULL);
	read_nothing(&stuck, *state);
	assert_in_range(commits_after(&b, "b", 15000), 3000, 10000);
	assert_string_equal(b.trouble.text,
			    "the session of proof-coordinator a held up the others and took no "
			    "answer for 5 s: it was ended");
	assert_int_equal(count_where(*state, stuck.conn, "true"), 0);
	assert_int_equal(count_where(*state, other.conn, "true"), 1);
	assert_int_equal(count_where(*state, harmless.conn, "true"), 1);
	link_close(&stuck);
	link_close(&other);
	link_close(&harmless);
	node_stop(&b);
}

/* Somebody's psql, or another program of the same numbers. */
static void test_who_holds_the_lead_and_leads_nothing_is_named(void **state)
{
	struct link other;
	enum store_rc rc;
	struct why why;
	char who[96];
	struct node a;
	int i;

	node_start(&a, *state, "a");
	open_stuck(&other, *state, "another program");
	assert_int_equal(link_run(&other, "SET idle_session_timeout = 0", &why), STORE_OK);
	PQclear(link_query(&other, "SELECT pg_advisory_lock(1414809688, 2)", "", NULL, &rc, &why));
	assert_int_equal(rc, STORE_OK);
	for (i = 0; i < 200 && !postgres_of(a.e)->unled; i++) {
		node_turn(&a);
		usleep(20000);
	}
	assert_null(strstr(a.trouble.text, "seen to lead"));
	postgres_of(a.e)->unled -= TROUBLE_MS * UINT64_C(1000000);
	node_turn(&a);
	snprintf(who, sizeof who, "process %d of the server's (another program, user postgres)",
		 PQbackendPID(other.conn));
	assert_non_null(strstr(a.trouble.text, who));
	assert_int_equal(link_run(&other, "SELECT pg_advisory_unlock_all()", &why), STORE_OK);
	link_close(&other);
	node_lead(&a);
	assert_int_equal(postgres_of(a.e)->unled, 0);
	node_stop(&a);
}

/* What waited for an exchange that waited for a lock would else wait for the same one again, and
 * its prover for longer than a second. */
static void test_nothing_waits_twice_for_a_lock(void **state)
{
	static const char *const tables[] = {"mark", "head", "fact"};
	struct store_change c = a_fact("key", "v");
	struct postgres *e;
	struct link holder;
	char sql[64];
	struct why why;
	struct node a;
	size_t i;

	node_start(&a, *state, "a");
	e = postgres_of(a.e);
	node_turn(&a);
	for (i = 0; i < 3; i++) {
		open_stuck(&holder, *state, "somebody");
		snprintf(sql, sizeof sql, "LOCK TABLE %s", tables[i]);
		assert_int_equal(
		    link_run(&holder, "SET idle_in_transaction_session_timeout = 0", &why),
		    STORE_OK);
		assert_int_equal(link_run(&holder, "BEGIN", &why), STORE_OK);
		assert_int_equal(link_run(&holder, sql, &why), STORE_OK);
		e->vain_until = 0;
		if (i < 2)
			node_turn(&a);
		else
			assert_int_equal(node_commit(&a, &c, 1), STORE_UNREACHABLE);
		assert_true(e->vain_until > 0);
		link_deadline(&holder, 5000);
		assert_int_equal(link_run(&holder, "ROLLBACK", &why), STORE_OK);
		link_close(&holder);
		/* As if no time had passed. */
		e->vain_until = after_ms(60000);
		assert_int_equal(node_commit(&a, &c, 1), STORE_UNREACHABLE);
		assert_non_null(strstr(a.why.text, "another session holds what this one"));
		node_turn(&a);
		e->vain_until = 0;
		assert_int_equal(node_commit(&a, &c, 1), STORE_OK);
	}
	node_stop(&a);
}

/* No timeout of the server's runs between the statements of one that has not asked for answers. */
static void test_who_stops_half_way_is_ended(void **state)
{
	struct link stuck;
	struct node b;

	node_start(&b, *state, "b");
	open_stuck(&stuck, *state, "proof-coordinator a");
	link_send_sql(&stuck, "BEGIN", "", NULL);
	link_send_sql(&stuck, "SELECT 1 FROM head FOR UPDATE", "", NULL);
	assert_int_equal(PQflush(stuck.conn), 0);
	usleep(300000);
	assert_int_equal(
	    count_where(*state, stuck.conn, "state = 'active' AND wait_event = 'ClientRead'"), 1);
	assert_in_range(commits_after(&b, "b", 15000), 3000, 10000);
	link_close(&stuck);
	node_stop(&b);
}

static void test_a_leader_that_reads_nothing_is_followed(void **state)
{
	uint64_t start;
	struct node a, b;

	node_start(&a, *state, "a");
	node_lead(&a);
	node_start(&b, *state, "b");
	read_nothing(&postgres_of(a.e)->main, *state);
	start = uv_hrtime();
	while (!b.led && ms_since(start) < 15000) {
		node_turn(&b);
		usleep(20000);
	}
	assert_true(b.led);
	assert_in_range(ms_since(start), 4000, 10000);
	node_stop(&a);
	node_stop(&b);
}

/* ---- a COMMIT that is not heard ---- */

/* Does a COMMIT wait? */
static bool waits(const char *database)
{
	PGconn *c = pg_connect(database);
	bool busy;

	PQsendQuery(c, "UPDATE mark SET at = at");
	usleep(100000);
	PQconsumeInput(c);
	busy = PQisBusy(c);
	if (busy)
		pg_do(database, "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity"
				" WHERE wait_event = 'SyncRep'");
	PQfinish(c);
	return busy;
}

/* It is the checkpointer that lets all know, when it has time. */
static void wait_for_nobody(const char *database, bool wait)
{
	int i;

	pg_do(database, wait ? "ALTER SYSTEM SET synchronous_standby_names = 'nobody'"
			     : "ALTER SYSTEM RESET synchronous_standby_names");
	pg_do(database, "SELECT pg_reload_conf()");
	for (i = 0; wait && i < 100 && !waits(database); i++)
		;
	usleep(200000);
}

/* It becomes durable after all that was there was read on the new connection. */
static void test_a_commit_that_comes_late(void **state)
{
	struct store_change c = a_lease(4, "mine");
	enum store_rc rc = STORE_UNREACHABLE;
	struct node a;
	int i;

	node_start(&a, *state, "a");
	wait_for_nobody(*state, true);
	assert_int_equal(node_commit(&a, &c, 1), STORE_UNREACHABLE);
	/* It answers, and stores nothing: it is not back. */
	for (i = 0; i < 8; i++) {
		usleep(100000);
		node_turn(&a);
	}
	assert_true(a.lost);
	assert_false(a.back);
	assert_int_equal(a.rows, 0);
	assert_int_equal(pg_do(*state, "SELECT count(*) FROM lease"), 0);
	wait_for_nobody(*state, false);
	for (i = 0; i < 100 && rc == STORE_UNREACHABLE; i++) {
		usleep(50000);
		rc = node_commit(&a, &c, 1);
	}
	assert_int_equal(rc, STORE_CONFLICT);
	assert_string_equal(a.text, "lease of batch 4, prover type 3; ");
	assert_int_equal(node_commit(&a, &c, 1), STORE_OK);
	assert_true(a.back);
	node_stop(&a);
}

static void cancel_soon(void *arg)
{
	usleep(400000);
	pg_do(arg, "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity"
		   " WHERE wait_event = 'SyncRep'");
}

/* The server says COMMIT, and that the standby may lack it, even where it is told to say less. */
static void test_a_commit_that_was_cancelled_is_not_believed(void **state)
{
	struct store_change c = a_lease(4, "mine");
	uv_thread_t thread;
	struct node a;
	char sql[96];

	snprintf(sql, sizeof sql, "ALTER DATABASE %s SET client_min_messages = error",
		 (char *)*state);
	pg_do(*state, sql);
	node_start(&a, *state, "a");
	wait_for_nobody(*state, true);
	uv_thread_create(&thread, cancel_soon, *state);
	assert_int_equal(node_commit(&a, &c, 1), STORE_UNREACHABLE);
	uv_thread_join(&thread);
	assert_non_null(strstr(a.why.text, "durable is unknown: canceling wait for synchronous"));
	assert_int_equal(a.rows, 0);
	wait_for_nobody(*state, false);
	node_turn_until(&a, &a.back);
	assert_string_equal(a.text, "lease of batch 4, prover type 3; ");
	node_stop(&a);
}

/* Nor does the server's limit for statements end the wait, nor are those ended that wait so. */
static void test_nothing_cuts_a_commit(void **state)
{
	struct params p = {0};
	struct node a, b;
	struct link *s;
	int i;

	node_start(&a, *state, "a");
	node_start(&b, *state, "b");
	wait_for_nobody(*state, true);
	s = &postgres_of(a.e)->main;
	param_u64(&p, 5);
	commit_begin_send(postgres_of(a.e), HEAD_ROWS);
	link_send(s, S_HEAD_NEXT, &p);
	link_send_sql(s, "COMMIT", "", NULL);
	link_sync(s);
	assert_int_equal(PQflush(s->conn), 0);
	/* Else b may have the head first. */
	for (i = 0; i < 300 && !count_where(*state, s->conn, "wait_event = 'SyncRep'"); i++)
		usleep(10000);
	assert_in_range(commits_after(&b, "b", 7000), 7000, 10000);
	assert_int_equal(count_where(*state, s->conn, "wait_event = 'SyncRep'"), 1);
	assert_null(strstr(b.trouble.text, "ended"));
	assert_non_null(strstr(b.trouble.text, "no standby is connected"));
	wait_for_nobody(*state, false);
	assert_in_range(commits_after(&b, "b", 7000), 0, 2000);
	node_stop(&a);
	node_stop(&b);
}

/* ---- each look is in its own past ---- */

static void test_what_was_trimmed_is_missed(void **state)
{
	struct store_change c = a_fact("k", "v");
	struct node a, b, d;

	node_start(&a, *state, "a");
	node_start(&b, *state, "b");
	node_start(&d, *state, "d");
	assert_int_equal(node_commit(&d, &c, 1), STORE_OK);
	pg_do(*state, "UPDATE head SET trimmed = rev");
	/* Without a new connection, and before anything is stored. */
	node_turn(&a);
	assert_true(a.past);
	assert_int_equal(a.rows, 0);
	assert_non_null(strstr(a.why.text, "away for too long"));
	c = a_fact("l", "v");
	assert_int_equal(node_commit(&b, &c, 1), STORE_UNREACHABLE);
	assert_true(b.past);
	assert_int_equal(pg_do(*state, "SELECT count(*) FROM fact"), 1);
	pg_do(*state, "UPDATE mark SET mark = 1 WHERE rev = (SELECT rev FROM head)");
	node_turn(&d);
	assert_true(d.past);
	assert_non_null(strstr(d.why.text, "went back"));
	node_stop(&a);
	node_stop(&b);
	node_stop(&d);
}

/* Whatever the database's own level is: what is read after the head is what is there then. */
static void test_levels_of_isolation(void **state)
{
	struct store_change c = a_lease(4, "a's");
	struct node a, b;
	char sql[96];
	int i;

	snprintf(sql, sizeof sql, "ALTER DATABASE %s SET default_transaction_isolation = %s",
		 (char *)*state, "'serializable'");
	pg_do(*state, sql);
	node_start(&a, *state, "a");
	node_start(&b, *state, "b");
	for (i = 0; i < 5; i++) {
		assert_int_equal(node_commit(&a, &c, 1), i ? STORE_CONFLICT : STORE_OK);
		assert_int_equal(node_commit(&a, &c, 1), STORE_OK);
		assert_int_equal(node_commit(&b, &c, 1), STORE_CONFLICT);
		assert_int_equal(node_commit(&b, &c, 1), STORE_OK);
	}
	node_stop(&a);
	node_stop(&b);
}

/* ---- who leads no more ---- */

static void test_who_is_overtaken_lets_go(void **state)
{
	struct node a, b;

	node_start(&a, *state, "a");
	node_start(&b, *state, "b");
	node_lead(&a);
	assert_int_equal(locks_of_leaders(*state), 1);
	pg_do(*state, "UPDATE head SET fence = 7");
	node_turn(&a);
	assert_int_equal(a.fence, 0);
	assert_int_equal(locks_of_leaders(*state), 0);
	/* Anybody may lead then, the same one too, and lets go again. */
	node_lead(&b);
	assert_int_equal(b.fence, 8);
	node_stop(&b);
	node_lead(&a);
	assert_int_equal(a.fence, 9);
	pg_do(*state, "UPDATE head SET fence = 17");
	node_turn(&a);
	assert_int_equal(locks_of_leaders(*state), 0);
	node_stop(&a);
}

/* ---- tables that are altered ---- */

/* Of a column of another type no prepared statement will read: new ones do. */
static void test_a_column_that_is_altered(void **state)
{
	static const char *const done[] = {
	    "ALTER TABLE gone ALTER COLUMN kind TYPE varchar(20)",
	    "ALTER TABLE instance ALTER COLUMN status TYPE varchar(900)",
	    "ALTER TABLE gone ALTER COLUMN kind TYPE text"};
	struct node a, b;
	size_t i;
	char key[16];

	node_start(&a, *state, "a");
	node_start(&b, *state, "b");
	node_lead(&a);
	for (i = 0; i < 3; i++) {
		/* Both have used each statement. */
		postgres_of(a.e)->beat_due = 0;
		node_turn(&a);
		postgres_of(b.e)->beat_due = 0;
		node_turn(&b);
		pg_do(*state, done[i]);
		b.lost = a.lost = b.back = a.back = false;
		postgres_of(a.e)->beat_due = 0;
		node_turn(&a);
		snprintf(key, sizeof key, "key %zu", i);
		assert_in_range(commits_after(&b, key, 15000), 0, 14999);
		assert_in_range(commits_after(&a, key, 15000), 0, 14999);
		node_lead(&a);
		postgres_of(a.e)->beat_due = 0;
		node_turn(&a);
		assert_int_equal(
		    pg_do(*state, "SELECT count(*) FROM instance JOIN head USING (fence)"), 1);
	}
	node_stop(&a);
	node_stop(&b);
}

static int after(void **state)
{
	wait_for_nobody(*state, false);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, pg_database, after)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_little_is_read_while_all_wait),
	    TEST(test_who_reads_nothing_is_ended),
	    TEST(test_who_stops_half_way_is_ended),
	    TEST(test_who_holds_the_lead_and_leads_nothing_is_named),
	    TEST(test_nothing_waits_twice_for_a_lock),
	    TEST(test_a_leader_that_reads_nothing_is_followed),
	    TEST(test_a_commit_that_comes_late),
	    TEST(test_a_commit_that_was_cancelled_is_not_believed),
	    TEST(test_nothing_cuts_a_commit),
	    TEST(test_what_was_trimmed_is_missed),
	    TEST(test_levels_of_isolation),
	    TEST(test_who_is_overtaken_lets_go),
	    TEST(test_a_column_that_is_altered),
	};

	return PG_RUN(tests);
}
