/*
 * pg_world.h -- a PostgreSQL server of the test's own, and coordinators' engines on it. Without the
 * server's programs the test is skipped.
 */
#ifndef TESTS_PG_WORLD_H
#define TESTS_PG_WORLD_H

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "coordinator/postgres/internal.h"

static struct {
	char bin[64], root[64], data[80], log[96];
	pid_t pid;
	unsigned databases;
} pg;

/* ---- the server ---- */

/* The server refuses to run as root. */
static inline pid_t pg_spawn(char *const argv[])
{
	const struct passwd *who = getuid() ? NULL : getpwnam("postgres");
	pid_t pid;
	int log;

	if (!getuid() && !who)
		who = getpwnam("nobody");
	pid = fork();
	if (pid)
		return pid;
	log = open(pg.root[0] ? pg.log : "/dev/null", O_WRONLY | O_APPEND | O_CREAT, 0644);
	dup2(log, 1);
	dup2(log, 2);
	if (who && (setgroups(0, NULL) || setgid(who->pw_gid) || setuid(who->pw_uid)))
		_exit(126);
	if (chdir("/"))
		_exit(126);
	setenv("LC_ALL", "C", 1);
	execv(argv[0], argv);
	_exit(127);
}

static inline bool pg_is_up(void)
{
	char url[160];
	PGconn *c;
	bool up;

	snprintf(url, sizeof url, "host=%s user=postgres dbname=postgres", pg.root);
	c = PQconnectdb(url);
	up = PQstatus(c) == CONNECTION_OK;
	PQfinish(c);
	return up;
}

static inline void pg_start(void)
{
	char path[96];
	char *argv[] = {path,
			"-D",
			pg.data,
			"-k",
			pg.root,
			"-c",
			"listen_addresses=",
			"-c",
			"fsync=off",
			"-c",
			"max_connections=40",
			"-c",
			"autovacuum=off",
			NULL};
	int i;

	snprintf(path, sizeof path, "%s/postgres", pg.bin);
	pg.pid = pg_spawn(argv);
	for (i = 0; i < 200 && !pg_is_up(); i++)
		usleep(50000);
	assert_true(i < 200);
}

/* SIGINT: with its sessions; SIGKILL: a crash; SIGQUIT likewise, but it cleans up. */
static inline void pg_stop(int sig)
{
	kill(pg.pid, sig);
	waitpid(pg.pid, NULL, 0);
	pg.pid = 0;
}

static inline bool pg_make(void)
{
	static const char *const versions[] = {"17", "16", "15", "14"};
	const struct passwd *who = getuid() ? NULL : getpwnam("postgres");
	char path[96];
	char *argv[] = {path,    "-D",        pg.data, "-U",   "postgres",   "-A",
			"trust", "--no-sync", "-E",    "UTF8", "--locale=C", NULL};
	int status = 0;
	FILE *hba;
	size_t i;

	if (!getuid() && !who)
		who = getpwnam("nobody");
	for (i = 0; i < 4; i++) {
		snprintf(pg.bin, sizeof pg.bin, "/usr/lib/postgresql/%s/bin", versions[i]);
		snprintf(path, sizeof path, "%s/initdb", pg.bin);
		if (!access(path, X_OK))
			break;
	}
	if (i == 4) {
		printf("SKIPPED: there is no PostgreSQL server (Debian: postgresql)\n");
		return false;
	}
	strcpy(pg.root, "/tmp/test_pg.XXXXXX");
	assert_non_null(mkdtemp(pg.root));
	assert_int_equal(chmod(pg.root, 0755), 0);
	snprintf(pg.data, sizeof pg.data, "%s/data", pg.root);
	snprintf(pg.log, sizeof pg.log, "%s/log", pg.root);
	if (who)
		assert_int_equal(chown(pg.root, who->pw_uid, who->pw_gid), 0);
	waitpid(pg_spawn(argv), &status, 0);
	assert_int_equal(status, 0);
	snprintf(path, sizeof path, "%s/pg_hba.conf", pg.data);
	hba = fopen(path, "w");
	assert_non_null(hba);
	fputs("local all pw scram-sha-256\nlocal all all trust\n", hba);
	assert_int_equal(fclose(hba), 0);
	pg_start();
	return true;
}

static inline void pg_free(void)
{
	char command[96];

	if (pg.pid)
		pg_stop(SIGINT);
	snprintf(command, sizeof command, "rm -rf %s", pg.root);
	assert_int_equal(system(command), 0);
}

/* ---- databases ---- */

static inline PGconn *pg_connect(const char *database)
{
	char url[160];
	PGconn *c;

	snprintf(url, sizeof url, "host=%s user=postgres dbname=%s", pg.root, database);
	c = PQconnectdb(url);
	assert_int_equal(PQstatus(c), CONNECTION_OK);
	return c;
}

/* The first column of the first row, as a number. */
static inline long pg_do(const char *database, const char *sql)
{
	PGconn *c = pg_connect(database);
	PGresult *r = PQexec(c, sql);
	long v = 0;

	if (PQresultStatus(r) != PGRES_COMMAND_OK && PQresultStatus(r) != PGRES_TUPLES_OK)
		fail_msg("%s: %s", sql, PQerrorMessage(c));
	if (PQntuples(r) && PQnfields(r))
		v = strtol(PQgetvalue(r, 0, 0), NULL, 10);
	PQclear(r);
	PQfinish(c);
	return v;
}

/* A fresh one for each test; the name is kept in *name. */
static inline int pg_database(void **state)
{
	static char name[32];
	char sql[64];

	snprintf(name, sizeof name, "db%u", ++pg.databases);
	snprintf(sql, sizeof sql, "CREATE DATABASE %s", name);
	pg_do("postgres", sql);
	*state = name;
	return 0;
}

static inline void link_make(struct link *s, const char *database, const char *user)
{
	char url[160];
	struct why why;

	snprintf(url, sizeof url, "postgres://%s@/%s?host=%s", user, database, pg.root);
	assert_int_equal(link_open(s, url, "", "test", "it", 0, 5000, &why), STORE_OK);
}

/* ---- a coordinator: an engine, and what its loop would know ---- */

struct node {
	struct engine *e;
	uint64_t seen, fence;
	bool led, lost, back, past;
	unsigned intents, rows;
	char text[8192]; /* the foreign rows */
	struct why why, trouble, schema;
};

static inline enum store_rc node_open(struct node *n, const char *database, const char *name)
{
	char url[160];
	struct postgres_options o = {
	    .url = url, .instance = name, .version = "1.2.3", .listen = "127.0.0.1:3900"};

	memset(n, 0, sizeof *n);
	snprintf(url, sizeof url, "postgres://postgres@/%s?host=%s", database, pg.root);
	return postgres_open(&n->e, &o, &n->why);
}

static inline void node_show(struct node *n, struct engine_news_list *list)
{
	struct engine_news *i, *next;
	char what[160];
	size_t k;

	for (i = list->first; i; i = next) {
		next = i->next;
		switch (i->kind) {
		case NEWS_FOREIGN:
			n->seen = i->rev;
			for (k = 0; i->changes && k < i->changes->n; k++) {
				const struct store_change *c = &i->changes->changes[k];
				const size_t at = strlen(n->text);

				n->rows++;
				change_describe(c, what, sizeof what);
				if (at + 200 < sizeof n->text)
					snprintf(n->text + at, sizeof n->text - at, "%s; ", what);
			}
			break;
		case NEWS_LEADS:
			n->fence = i->fence;
			n->led = true;
			n->intents = i->changes ? (unsigned)i->changes->n : 0;
			break;
		case NEWS_LEADS_NOT: n->fence = 0; break;
		case NEWS_LOST:
			n->lost = true;
			n->why = i->sentence;
			break;
		case NEWS_BACK: n->back = true; break;
		case NEWS_OTHER_PAST:
			n->past = true;
			n->why = i->sentence;
			break;
		case NEWS_SCHEMA: n->schema = i->sentence; break;
		case NEWS_TROUBLE: n->trouble = i->sentence; break;
		}
		free(i->changes);
		free(i);
	}
}

static inline void node_turn(struct node *n)
{
	struct engine_news_list list;

	engine_news_list_init(&list);
	n->e->ops->turn(n->e, &list);
	node_show(n, &list);
}

static inline void node_turn_until(struct node *n, const bool *done)
{
	int i;

	for (i = 0; i < 200 && !*done; i++) {
		node_turn(n);
		if (!*done)
			usleep(20000);
	}
	if (!*done)
		fail_msg("it did not come; last: %s; %s", n->why.text,
			 postgres_of(n->e)->lost.text);
}

static const struct store_visitor visit_nothing;

static inline void node_start(struct node *n, const char *database, const char *name)
{
	if (node_open(n, database, name) != STORE_OK)
		fail_msg("%s", n->why.text);
	assert_int_equal(n->e->ops->load(n->e, &visit_nothing, NULL, &n->why), STORE_OK);
	n->seen = postgres_of(n->e)->seen;
}

static inline void node_lead(struct node *n)
{
	n->led = n->fence != 0;
	node_turn_until(n, &n->led);
}

static inline void node_stop(struct node *n)
{
	n->e->ops->close(n->e);
	n->e = NULL;
}

/* As a crash would: the server sees the session end, the engine does not know. */
static inline void node_cut(const struct node *n, const char *database)
{
	char sql[160];

	snprintf(sql, sizeof sql, "SELECT pg_terminate_backend(%d, 2000)",
		 PQbackendPID(postgres_of(n->e)->main.conn));
	pg_do(database, sql);
}

static inline enum store_rc node_commit_many(struct node *n, struct engine_item *items[],
					     size_t count)
{
	struct engine_news_list list;
	struct why why = {""};
	enum store_rc rc;
	uint64_t ns;

	engine_news_list_init(&list);
	rc = n->e->ops->commit(n->e, items, count, &list, &ns, &why);
	node_show(n, &list);
	if (rc != STORE_OK)
		n->why = why;
	return rc;
}

/* One group; its verdict. */
static inline enum store_rc node_commit(struct node *n, const struct store_change *c, size_t count)
{
	struct change_group *g = change_group_new(c, count);
	struct engine_item item = {.group = g, .seen = n->seen, .fence = n->fence};
	struct engine_item *items[] = {&item};
	enum store_rc rc = node_commit_many(n, items, 1);

	if (rc == STORE_OK && item.rc != STORE_OK)
		n->why = item.why;
	free(g);
	return rc == STORE_OK ? item.rc : rc;
}

/* ---- changes ---- */

static inline struct span text(const char *s)
{
	return span_of(s, strlen(s));
}

static inline struct store_change a_fact(const char *key, const char *value)
{
	return (struct store_change){.kind = CHANGE_FACT_PUT,
				     .fact = {.key = text(key), .value = text(value)}};
}

static inline struct store_change a_lease(uint64_t batch, const char *source)
{
	return (struct store_change){
	    .kind = CHANGE_LEASE_PUT,
	    .lease = {.batch = batch, .prover_type = 3, .source = text(source), .expires_ms = 7}};
}

static inline struct store_change a_proof(uint64_t id, struct span bytes)
{
	return (struct store_change){.kind = CHANGE_PROOF_PUT,
				     .proof = {.id = id,
					       .batch = id / 3,
					       .prover_type = 2,
					       .bytes = bytes,
					       .public_values = text("public"),
					       .source = text("192.0.2.7"),
					       .received_ms = 1700000000000 + id}};
}

static inline struct store_change an_intent(uint64_t id)
{
	return (struct store_change){.kind = CHANGE_INTENT_PUT,
				     .intent = {.id = id, .data = text("transaction")}};
}

static inline struct store_change an_input(uint64_t batch, uint8_t content)
{
	struct store_change c = {
	    .kind = CHANGE_INPUT_PUT,
	    .input = {.batch = batch, .commit_hash = text("v1"), .size = 100, .created_ms = 5}};

	memset(c.input.sha256, content, 32);
	return c;
}

/* What main() returns: 77, which is a SKIP, where there is no server. */
#define PG_RUN(tests) (pg_make() ? pg_end(cmocka_run_group_tests(tests, NULL, NULL)) : 77)

static inline int pg_end(int failed)
{
	pg_free();
	return failed;
}

#endif
