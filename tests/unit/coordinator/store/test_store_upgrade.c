/* A data directory of an older version becomes one of this, whatever stops that half way: killed
 * where a file gets longer than it may, or told that the disk is full. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <signal.h>
#include <sqlite3.h>

#include "coordinator/base/file.h"
#include "coordinator/store/engine.h"

#define STEP 7000 /* bytes: not of a page, so that one is cut in two */

/* More than fits beside the log's index, which is a file of 32 KiB. */
#define MANY(n) "WITH RECURSIVE n(i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n WHERE i < " #n ")"
static const char more[] =
    MANY(400) "INSERT INTO proof SELECT i, i, 3, '', i, 1, NULL, '', 0, X'', randomblob(65) FROM "
	      "n;" MANY(1000) "INSERT INTO intent SELECT i, 0, 0, i, X'', X'', randomblob(99), i, "
			      "i, NULL, X'',"
			      " X'', 1, 1, 1, i, i, '' FROM n;";

static char root[64], dir[80], store[96], copy[112];

static sqlite3 *open_db(const char *path)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "PRAGMA synchronous = OFF", NULL, NULL, NULL), SQLITE_OK);
	return db;
}

static long ask(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *s;
	long v;

	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(s), SQLITE_ROW);
	v = sqlite3_column_int(s, 0);
	sqlite3_finalize(s);
	return v;
}

/* As 0.1.0 left it, with rows enough. */
static void make_old(void)
{
	char path[512], command[256];
	struct buf sql;
	sqlite3 *db;

	snprintf(command, sizeof command, "rm -rf %s && mkdir %s", dir, dir);
	assert_int_equal(system(command), 0);
	snprintf(path, sizeof path, "%s/tests/unit/coordinator/store/schema1.sql",
		 getenv("SOURCE_DIR"));
	buf_init(&sql, 1 << 16);
	assert_true(file_read(&sql, path, NULL) && buf_add(&sql, "", 1));
	db = open_db(store);
	assert_int_equal(sqlite3_exec(db, "PRAGMA journal_mode = WAL", NULL, NULL, NULL),
			 SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, (const char *)sql.p, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, more, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	buf_free(&sql);
}

/* What a program of that version needs, or of this one; nothing in between. */
static long check_whole(const char *path)
{
	sqlite3 *db = open_db(path);
	const long version = ask(db, "PRAGMA user_version");

	assert_int_equal(ask(db, "SELECT count(*) FROM pragma_integrity_check"
				 " WHERE integrity_check <> 'ok'"),
			 0);
	assert_int_equal(ask(db, "SELECT count(*) FROM intent"), 902);
	assert_int_equal(ask(db, "SELECT count(*) FROM proof"), 302);
	assert_int_equal(ask(db, "SELECT count(*) FROM pragma_table_info('intent')"),
			 version == 1 ? 18 : 2);
	assert_int_equal(ask(db, "SELECT count(*) FROM pragma_table_info('input')"),
			 version == 1 ? 5 : 6);
	assert_int_equal(ask(db, "SELECT count(*) FROM sqlite_schema WHERE name IN"
				 " ('proof_batch', 'intent_2', 'input_3')"),
			 version == 1 ? 0 : 1);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	return version;
}

static enum store_rc open_it(struct why *why)
{
	struct engine *e = NULL;
	const enum store_rc rc = sqlite_open(&e, dir, 1000, why);

	if (e)
		e->ops->close(e);
	return rc;
}

/* In a process whose files end at limit. Returns whether it got to its end. */
static bool open_limited(rlim_t limit, bool kill)
{
	struct rlimit r = {limit, limit};
	struct why why = {""};
	pid_t pid = fork();
	int status;

	if (!pid) {
		signal(SIGXFSZ, kill ? SIG_DFL : SIG_IGN);
		setrlimit(RLIMIT_FSIZE, &r);
		_exit(open_it(&why) == STORE_OK ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) || (kill && WTERMSIG(status) == SIGXFSZ));
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void stop_half_way(bool kill)
{
	unsigned stopped = 0, in_the_log = 0;
	struct why why;
	rlim_t limit;
	bool done = false;

	for (limit = 0; !done; limit += STEP) {
		assert_true(limit < 4000000);
		make_old();
		done = open_limited(limit, kill);
		if (!done) {
			stopped++;
			in_the_log += limit > 32768;
		}
		assert_true(check_whole(store) == 1 || done || kill);
		if (open_it(&why) != STORE_OK)
			fail_msg("%lu: %s", (unsigned long)limit, why.text);
		assert_int_equal(check_whole(store), 3);
		assert_int_equal(check_whole(copy), 1);
	}
	assert_in_range(in_the_log, 10, stopped);
}

static void test_killed(void **state)
{
	(void)state;
	stop_half_way(true);
}

static void test_a_full_disk(void **state)
{
	(void)state;
	stop_half_way(false);
}

/* A copy is made of what is older, and of nothing else. */
static void test_the_copy(void **state)
{
	char line[200];
	struct why why;
	struct stat st;

	(void)state;
	make_old();
	/* There is no place for it: all stays. */
	snprintf(line, sizeof line, "mkdir %s", copy);
	assert_int_equal(system(line), 0);
	assert_int_not_equal(open_it(&why), STORE_OK);
	snprintf(line, sizeof line, "it stays at version 1, for it cannot be copied to %s: ", copy);
	assert_non_null(strstr(why.text, line));
	assert_int_equal(check_whole(store), 1);
	assert_int_equal(rmdir(copy), 0);
	assert_int_equal(open_it(&why), STORE_OK);
	assert_int_equal(check_whole(copy), 1);
	assert_int_equal(unlink(copy), 0);
	assert_int_equal(open_it(&why), STORE_OK);
	assert_int_not_equal(stat(copy, &st), 0);
}

static int make(void **state)
{
	(void)state;
	strcpy(root, "/tmp/test_store.XXXXXX");
	if (!mkdtemp(root))
		return -1;
	snprintf(dir, sizeof dir, "%s/data", root);
	snprintf(store, sizeof store, "%s/store.db", dir);
	snprintf(copy, sizeof copy, "%s.schema-1", store);
	return 0;
}

static int end(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof command, "rm -rf %s", root);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_killed),
	    cmocka_unit_test(test_a_full_disk),
	    cmocka_unit_test(test_the_copy),
	};

	return cmocka_run_group_tests(tests, make, end);
}
