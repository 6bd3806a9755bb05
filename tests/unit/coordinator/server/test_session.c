/* A request whose prover goes away while its lease is being stored: the lease is given back, in the
 * shared store too, and nothing of it stays. */
#include "../store/shared_db.h"
#include "server_world.h"

#include "coordinator/registrar/registrar.h"
#include "coordinator/server/session.h"

#include <openssl/evp.h>

#define HASH "abcdef0"

struct fixture {
	struct world *w;
	struct shared_db db;
	char dir[64];
	struct store *store;
	struct work *work;
	struct commit_hash_rule *rule;
	struct inputs *inputs;
	struct registrar *registrar;
	struct serve *serve;
	struct session *session;
	bool closed;
};

/* Batch 1, whose input is in the directory. */
static void put_input(struct fixture *x)
{
	char path[PATH_MAX];
	uint8_t sha256[32];
	struct why why;
	FILE *f;

	EVP_Digest("{}", 2, sha256, NULL, EVP_sha256(), NULL);
	assert_true(input_file_path(path, x->dir, sha256, &why));
	f = fopen(path, "wb");
	assert_non_null(f);
	fputs("{}", f);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(work_add_input(x->work, 1, HASH, sha256, 2, &why), WORK_INPUT_NEW);
}

static void make_rooms(struct fixture *x)
{
	struct work_limits wl = {.max_batches = 10,
				 .max_inputs = 10,
				 .max_versions = 4,
				 .max_candidates = 4,
				 .max_candidates_per_source = 10,
				 .lease_ms = 60000};
	const struct inputs_options io = {
	    .data_dir = x->dir, .max_bytes = 1 << 20, .quota_bytes = 1000};
	struct store_options so = {.dir = x->dir, .lazy_ms = 10};
	struct session_options o = {.error_replies = true, .setup_timeout_ms = 1000};
	struct session_parts parts;
	struct why why = {""};
	int t;

	so.engine = shared_engine(&x->db, 0);
	assert_int_equal(store_open(&x->store, &x->w->loop, &so, &why), STORE_OK);
	for (t = 0; t < PROVER_TYPES; t++)
		wl.proof_max[t] = 1000;
	x->work = work_new(&wl);
	work_set_needed(x->work, PROVER_TYPE_BIT(PROVER_TDX));
	x->registrar = registrar_new(&(struct registrar_settings){.max_provers = 4});
	assert_true(commit_hash_rule_new(&x->rule, "^[0-9a-f]{7,40}$", &why));
	assert_true(inputs_new(&x->inputs,
			       &(struct inputs_parts){&x->w->loop, x->store, x->work, x->rule}, &io,
			       &why));
	assert_true(serve_new(
	    &x->serve, &(struct serve_parts){x->store, x->work, x->inputs, x->rule, x->registrar},
	    &why));
	parts = (struct session_parts){
	    .loop = &x->w->loop, .serve = x->serve, .registrar = x->registrar};
	assert_true(session_new(&x->session, &parts, &o, &why));
}

static int setup(void **state)
{
	struct fixture *x = calloc(1, sizeof *x);

	x->w = world_new();
	shared_db_init(&x->db);
	strcpy(x->dir, "/tmp/test_session.XXXXXX");
	assert_non_null(mkdtemp(x->dir));
	make_rooms(x);
	x->w->options.handler = session_message;
	x->w->options.on_bad = session_bad;
	x->w->options.on_end = session_end;
	x->w->options.log = session_server_log;
	x->w->options.arg = x->session;
	world_start(x->w);
	session_set_server(x->session, x->w->server);
	put_input(x);
	*state = x;
	return 0;
}

static void on_closed(void *arg)
{
	((struct fixture *)arg)->closed = true;
}

static int teardown(void **state)
{
	struct fixture *x = *state;
	char command[128];

	inputs_stop(x->inputs);
	store_close(x->store, on_closed, x);
	WORLD_UNTIL(x->w, x->closed);
	world_free(x->w);
	session_free(x->session);
	serve_free(x->serve);
	inputs_free(x->inputs);
	commit_hash_rule_free(x->rule);
	work_free(x->work);
	registrar_free(x->registrar);
	shared_db_free(&x->db);
	snprintf(command, sizeof command, "rm -rf %s", x->dir);
	assert_int_equal(system(command), 0);
	free(x);
	return 0;
}

/* ---- steps ---- */

static size_t leases(const struct fixture *x)
{
	struct work_counts c;

	work_counts(x->work, &c);
	return c.leases;
}

static unsigned descriptors(void)
{
	unsigned n = 0;
	int fd;

	for (fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static int request(struct fixture *x)
{
	const struct proofdata m = {.kind = MSG_INPUT_REQUEST,
				    .dialect = DIALECT_P7,
				    .has_prover_type = true,
				    .prover_type = PROVER_TDX,
				    .commit_hash = HASH};
	const int fd = client(x->w);
	struct buf out;

	buf_init(&out, 1000);
	assert_int_equal(proofdata_encode(&out, &m, NULL), PROTO_OK);
	client_send(x->w, fd, out.p, out.len);
	client_half_close(fd);
	buf_free(&out);
	return fd;
}

static void expect_input(struct fixture *x, int fd)
{
	char got[1000] = "";

	assert_true(client_read(x->w, fd, got, sizeof got - 1) > 0);
	assert_non_null(strstr(got, "{}"));
	close(fd);
}

/* As a prover that is killed: its connection is reset. */
static void reset(int fd)
{
	const struct linger now = {.l_onoff = 1};

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
	close(fd);
}

/* ---- tests ---- */

static void test_an_input_goes_out_once_its_lease_is_stored(void **state)
{
	struct fixture *x = *state;
	char got[8];
	int fd;

	shared_set(&x->db, STORE_OK, true);
	fd = request(x);
	WORLD_UNTIL(x->w, leases(x) == 1);
	world_turns(x->w, 20);
	assert_int_equal(recv(fd, got, sizeof got, 0), -1);
	shared_set(&x->db, STORE_OK, false);
	expect_input(x, fd);
	assert_int_equal(leases(x), 1);
	assert_int_equal(shared_count(&x->db, CHANGE_LEASE_PUT), 1);
}

static void test_who_goes_meanwhile_leaves_no_lease(void **state)
{
	static const enum store_rc verdicts[] = {STORE_OK, STORE_UNREACHABLE};
	struct fixture *x = *state;
	const unsigned before = descriptors();
	unsigned i;
	int fd;

	for (i = 0; i < 2; i++) {
		shared_set(&x->db, STORE_OK, true);
		fd = request(x);
		WORLD_UNTIL(x->w, leases(x) == 1);
		reset(fd);
		WORLD_UNTIL(x->w, world_counters(x->w)->connections == 0);
		assert_int_equal(leases(x), 1); /* it may be stored already */
		shared_set(&x->db, verdicts[i], false);
		WORLD_UNTIL(x->w, leases(x) == 0);
		assert_int_equal(descriptors(), before);
	}
	/* Who comes next has it. */
	shared_set(&x->db, STORE_OK, false);
	WORLD_UNTIL(x->w, shared_count(&x->db, CHANGE_LEASE_DEL) >= 1);
	assert_int_equal(shared_count(&x->db, CHANGE_LEASE_PUT), 1);
	expect_input(x, request(x));
	assert_int_equal(shared_count(&x->db, CHANGE_LEASE_PUT), 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_an_input_goes_out_once_its_lease_is_stored),
	    TEST(test_who_goes_meanwhile_leaves_no_lease),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
