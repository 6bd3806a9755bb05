/* store_verbs and store_copy: from SQLite to PostgreSQL and back, the same comes out. */
#include "coordinator/store_copy.h"
#include "coordinator/store_verbs.h"
#include "tests/unit/coordinator/postgres/pg_world.h"

#include <openssl/evp.h>

#include "coordinator/base/file.h"

#include "coordinator/store/input_file.h"

static struct config config;
static char first[96], second[96];

/* ---- a store with a row of each kind ---- */

static void put_file(struct store_input *in, const char *content)
{
	char path[PATH_MAX];
	struct why why;
	FILE *f;

	in->size = strlen(content);
	EVP_Digest(content, in->size, in->sha256, NULL, EVP_sha256(), NULL);
	assert_true(input_file_path(path, first, in->sha256, &why));
	f = fopen(path, "wb");
	assert_non_null(f);
	fputs(content, f);
	assert_int_equal(fclose(f), 0);
}

static void commit_one(struct engine *e, const struct store_change *c, size_t n)
{
	struct engine_item item = {.group = change_group_new(c, n)}, *items[] = {&item};
	struct engine_news_list news;
	struct why why;
	uint64_t ns;

	engine_news_list_init(&news);
	assert_int_equal(e->ops->commit(e, items, 1, &news, &ns, &why), STORE_OK);
	assert_int_equal(item.rc, STORE_OK);
	free((void *)item.group);
}

static void fill(struct engine *e)
{
	static uint8_t blob[70000] = {1, 2, 3};
	struct store_change in = an_input(8, 0), replaced = an_input(8, 0);
	struct store_change c[8] = {a_fact("chain", "1"),
				    a_fact("empty", ""),
				    a_proof(3, text("short")),
				    a_proof(4, span_of(blob, sizeof blob)),
				    a_lease(9, "192.0.2.1"),
				    an_intent(1),
				    an_intent(2)};
	char key[16];
	int i;

	c[7] = (struct store_change){.kind = CHANGE_PROVER_PUT,
				     .prover = {.signer = {7},
						.payload = span_of(blob, 5000),
						.source = span_of("\xff\0", 2),
						.first_seen_ms = 1,
						.proofs_good = UINT64_MAX,
						.state = 2}};
	commit_one(e, c, 8);
	put_file(&replaced.input, "{\"old\":1}");
	commit_one(e, &replaced, 1);
	replaced.kind = CHANGE_INPUT_REPLACED;
	replaced.input.replaced_ms = 77;
	commit_one(e, &replaced, 1);
	put_file(&in.input, "{\"new\":1}");
	commit_one(e, &in, 1);
	/* One whose file was lost. */
	in = an_input(9, 3);
	commit_one(e, &in, 1);
	/* More than a group takes. */
	for (i = 0; i < 600; i++) {
		snprintf(key, sizeof key, "key %d", i);
		c[0] = a_fact(key, "v");
		commit_one(e, c, 1);
	}
}

/* ---- what is there, as text ---- */

struct dump {
	struct buf text;
	struct engine *e;
};

static void dump_span(struct dump *d, struct span v)
{
	size_t i;

	buf_printf(&d->text, " %zu:", v.n);
	for (i = 0; v.p && i < v.n; i++)
		buf_printf(&d->text, "%02x", v.p[i]);
}

static bool dump_fact(void *arg, const struct store_fact *r, struct why *why)
{
	(void)why;
	buf_add_str(&((struct dump *)arg)->text, "\nfact");
	dump_span(arg, r->key);
	dump_span(arg, r->value);
	return true;
}

static bool dump_input(void *arg, const struct store_input *r, struct why *why)
{
	struct dump *d = arg;

	(void)why;
	buf_printf(&d->text, "\ninput %lu %lu %lu %lu", r->batch, r->size, r->created_ms,
		   r->replaced_ms);
	dump_span(d, r->commit_hash);
	dump_span(d, span_of(r->sha256, 32));
	return true;
}

static bool dump_proof(void *arg, const struct store_proof *r, struct why *why)
{
	struct change_group *g = NULL;
	struct dump *d = arg;

	buf_printf(&d->text, "\nproof %lu %lu %d %lu %d", r->id, r->batch, r->prover_type,
		   r->received_ms, r->state);
	assert_int_equal(d->e->ops->read_proof(d->e, r->id, &g, why), STORE_OK);
	dump_span(d, g->changes[0].proof.bytes);
	dump_span(d, g->changes[0].proof.source);
	free(g);
	return true;
}

static bool dump_lease(void *arg, const struct store_lease *r, struct why *why)
{
	(void)why;
	buf_printf(&((struct dump *)arg)->text, "\nlease %lu %d %lu", r->batch, r->prover_type,
		   r->expires_ms);
	dump_span(arg, r->source);
	return true;
}

static bool dump_prover(void *arg, const struct store_prover *r, struct why *why)
{
	(void)why;
	buf_printf(&((struct dump *)arg)->text, "\nprover %lu %lu %d", r->first_seen_ms,
		   r->proofs_good, r->state);
	dump_span(arg, span_of(r->signer, 20));
	dump_span(arg, r->payload);
	dump_span(arg, r->source);
	return true;
}

static bool dump_intent(void *arg, const struct store_intent *r, struct why *why)
{
	(void)why;
	buf_printf(&((struct dump *)arg)->text, "\nintent %lu", r->id);
	dump_span(arg, r->data);
	return true;
}

static void dump(struct dump *d, const char *dir)
{
	static const struct store_visitor all = {dump_fact,  dump_input,  dump_proof,
						 dump_lease, dump_prover, dump_intent};
	struct why why;

	buf_init(&d->text, 1 << 22);
	assert_int_equal(sqlite_open(&d->e, dir, 1000, &why), STORE_OK);
	assert_int_equal(d->e->ops->load(d->e, &all, d, &why), STORE_OK);
	d->e->ops->close(d->e);
}

/* ---- the tests ---- */

static int set_up(void **state)
{
	struct engine *e;
	struct why why;

	pg_database(state);
	memset(&config, 0, sizeof config);
	snprintf(first, sizeof first, "%s/first%u", pg.root, pg.databases);
	snprintf(second, sizeof second, "%s/second%u", pg.root, pg.databases);
	snprintf(config.store_url, sizeof config.store_url, "postgres://postgres@/%s?host=%s",
		 (char *)*state, pg.root);
	strcpy(config.store_conninfo, config.store_url);
	strcpy(config.instance, "c1");
	strcpy(config.data_dir, first);
	assert_int_equal(mkdir(first, 0700), 0);
	assert_int_equal(input_files_prepare(first, &why), INPUT_OK);
	assert_int_equal(sqlite_open(&e, first, 1000, &why), STORE_OK);
	fill(e);
	e->ops->close(e);
	return 0;
}

static void test_there_and_back(void **state)
{
	struct dump was, is;
	char path[PATH_MAX];
	uint8_t sha256[32];
	struct why why;

	assert_int_equal(store_verb(&config, STORE_MIGRATE, NULL), 0);
	assert_int_equal(pg_do(*state, "SELECT count(*) FROM fact"), 602);
	assert_int_equal(pg_do(*state, "SELECT count(*) FROM input_file"), 2);
	assert_int_equal(store_verb(&config, STORE_STATUS, NULL), 0);
	/* Nothing is put over what is there. */
	assert_int_equal(store_verb(&config, STORE_MIGRATE, NULL), 1);
	assert_int_equal(store_verb(&config, STORE_EXPORT, second), 0);
	assert_int_equal(store_verb(&config, STORE_EXPORT, second), 1);
	dump(&was, first);
	dump(&is, second);
	assert_true(was.text.len > 140000);
	assert_true(span_eq(buf_span(&was.text), buf_span(&is.text)));
	buf_free(&was.text);
	buf_free(&is.text);
	EVP_Digest("{\"new\":1}", 9, sha256, NULL, EVP_sha256(), NULL);
	assert_true(input_file_path(path, second, sha256, &why));
	assert_int_equal(access(path, R_OK), 0);
	(void)state;
}

/* Any row is one that is not written over, and any file. */
static void test_the_target_is_empty(void **state)
{
	static const char *const rows[] = {
	    "INSERT INTO fact VALUES ('a', 'b', 1, 1)",
	    "INSERT INTO input VALUES (1, 'a', decode(repeat('07', 32), 'hex'), 1, 1, 1, 1, 1)",
	    "INSERT INTO proof VALUES (1, 1, 1, '', 1, 1, NULL, '', 1, '', '', 1, 1)",
	    "INSERT INTO lease VALUES (1, 1, 'a', 1, 1, 1)",
	    ("INSERT INTO prover VALUES (decode(repeat('07', 20), 'hex'), '', 1, '', 1, 1, 1, 1, 1,"
	     " '', 1, 1)"),
	    "INSERT INTO intent VALUES (1, '', 1, 1, 1)"};
	static const char *const tables[] = {"fact", "input", "proof", "lease", "prover", "intent"};
	char sql[64], path[128];
	struct node n;
	size_t i;
	FILE *f;

	node_start(&n, *state, "another"); /* makes the tables */
	node_stop(&n);
	for (i = 0; i < sizeof rows / sizeof *rows; i++) {
		pg_do(*state, rows[i]);
		assert_int_equal(store_verb(&config, STORE_MIGRATE, NULL), 1);
		assert_int_equal(store_verb(&config, STORE_IMPORT, first), 1);
		snprintf(sql, sizeof sql, "DELETE FROM %s", tables[i]);
		pg_do(*state, sql);
	}
	assert_int_equal(pg_do(*state, "SELECT count(*) FROM input_file"), 0);
	assert_int_equal(store_verb(&config, STORE_MIGRATE, NULL), 0);
	assert_int_equal(mkdir(second, 0700), 0);
	snprintf(path, sizeof path, "%s/somebody's", second);
	f = fopen(path, "w");
	assert_int_equal(fclose(f), 0);
	assert_int_equal(store_verb(&config, STORE_EXPORT, second), 1);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(store_verb(&config, STORE_EXPORT, second), 0);
}

static enum store_rc whole(struct why *why)
{
	const struct postgres_options o = {
	    .url = config.store_conninfo, .instance = "c1", .version = "1", .observe = true};
	struct engine *e;
	enum store_rc rc;

	assert_int_equal(postgres_open(&e, &o, why), STORE_OK);
	rc = store_copy_whole(e, why);
	e->ops->close(e);
	return rc;
}

/* kill -9 in the middle: what is there is never taken for all, by nobody. */
static void test_a_copy_that_is_killed(void **state)
{
	struct why why = {""};
	struct node n;
	int status, i;
	pid_t pid;

	node_start(&n, *state, "another");
	node_stop(&n);
	pg_do(*state, "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS"
		      " 'BEGIN PERFORM pg_sleep(0.001); RETURN NULL; END'");
	pg_do(*state, "CREATE TRIGGER slow AFTER INSERT ON fact EXECUTE FUNCTION slow()");
	fflush(NULL);
	pid = fork();
	if (!pid)
		_exit(store_verb(&config, STORE_MIGRATE, NULL));
	for (i = 0; i < 2000 && pg_do(*state, "SELECT count(*) FROM fact") < 200; i++)
		usleep(5000);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_true(pg_do(*state, "SELECT count(*) FROM fact") < 602);
	assert_int_equal(whole(&why), STORE_CONFLICT);
	assert_non_null(strstr(why.text, "is not all: the copy failed or was killed"));
	pg_do(*state, "DROP TRIGGER slow ON fact");
	assert_int_equal(store_verb(&config, STORE_MIGRATE, NULL), 1);
	assert_int_equal(store_verb(&config, STORE_STATUS, NULL), 1);
	assert_int_equal(store_verb(&config, STORE_EXPORT, second), 1);
	/* And nothing is made of it that a coordinator would begin with. */
	assert_int_equal(access(second, F_OK), -1);
	/* Made anew, as it is said. */
	pg_database(state);
	snprintf(config.store_conninfo, sizeof config.store_conninfo,
		 "postgres://postgres@/%s?host=%s", (char *)*state, pg.root);
	assert_int_equal(store_verb(&config, STORE_MIGRATE, NULL), 0);
	assert_int_equal(whole(&why), STORE_OK);
	assert_int_equal(pg_do(*state, "SELECT count(*) FROM fact"), 602);
}

static void test_nothing_may_run(void **state)
{
	char path[128];
	struct node n;
	struct stat st;
	struct why why;
	int lock;
	FILE *f;

	/* A coordinator on the directory. */
	assert_int_equal(file_dir_lock(first, &lock, &why), FILE_DIR_LOCKED);
	assert_int_equal(store_verb(&config, STORE_MIGRATE, NULL), 1);
	close(lock);
	/* Or on the database. */
	node_start(&n, *state, "another");
	node_lead(&n);
	assert_int_equal(store_verb(&config, STORE_MIGRATE, NULL), 1);
	assert_int_equal(store_verb(&config, STORE_EXPORT, second), 1);
	assert_int_equal(store_verb(&config, STORE_STATUS, NULL), 0);
	node_stop(&n);
	assert_int_equal(store_verb(&config, STORE_IMPORT, second), 1);
	/* What a copy on a full disk left is no store, and stays as it is. */
	assert_int_equal(mkdir(second, 0700), 0);
	snprintf(path, sizeof path, "%s/store.db", second);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(store_verb(&config, STORE_IMPORT, second), 1);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 0);
	assert_int_equal(store_verb(&config, STORE_IMPORT, first), 0);
	config.store_url[0] = '\0';
	assert_int_equal(store_verb(&config, STORE_STATUS, NULL), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_there_and_back, set_up),
	    cmocka_unit_test_setup(test_the_target_is_empty, set_up),
	    cmocka_unit_test_setup(test_a_copy_that_is_killed, set_up),
	    cmocka_unit_test_setup(test_nothing_may_run, set_up)};

	return PG_RUN(tests);
}
