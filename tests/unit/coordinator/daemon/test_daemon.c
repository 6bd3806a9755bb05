/* The whole of it, in a process of its own: each step of the start that fails, each moment to stop.
 */
#include "../signing/signing_world.h"
#include "coordinator/base/file.h"
#include "coordinator/base/system.h"
#include "coordinator/daemon.h"
#include "coordinator/l1/facts_row.h"
#include "coordinator/store/store.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define PROPOSER "0x2c7536e3605d9c16a7a3d7b1898e529396a65c23"
/* Nobody listens there: a dead L1 does not stop the start. */
#define L1 "http://127.0.0.1:1"

static char root[64], data[128], said[128], env[128];
static char sender_key[65]; /* of this run alone: no other daemon here may use it */

static int make_root(void **state)
{
	(void)state;
	strcpy(root, "/tmp/test_daemon.XXXXXX");
	assert_non_null(mkdtemp(root));
	snprintf(data, sizeof data, "%s/data", root);
	snprintf(said, sizeof said, "%s/said", root);
	snprintf(env, sizeof env, "%s/env", root);
	snprintf(sender_key, sizeof sender_key, "%064x", (unsigned)getpid());
	return 0;
}

static int remove_root(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof command, "rm -rf %s", root);
	return system(command);
}

static void write_env(const char *more)
{
	FILE *f = fopen(env, "w");

	assert_non_null(f);
	fprintf(f,
		"ETHREX_ETH_RPC_URL=" L1 "\nETHREX_COMMITTER_ON_CHAIN_PROPOSER_ADDRESS=" PROPOSER
		"\nETHREX_PROOF_COORDINATOR_L1_PRIVATE_KEY=%s"
		"\nETHREX_PROOF_COORDINATOR_DATA_DIR=%s\nETHREX_PROOF_COORDINATOR_LISTEN_PORT=0\n"
		"ETHREX_PROOF_COORDINATOR_DISK_FLOOR_BYTES=0\n%s",
		sender_key, data, more);
	fclose(f);
	assert_int_equal(chmod(env, 0600), 0);
}

/* A daemon with these settings besides; change is done to the struct that was loaded. */
static pid_t start(const char *more, void (*change)(struct config *c))
{
	char flag[] = "--env-file", *argv[] = {flag, env};
	struct config *c;
	pid_t pid;

	write_env(more);
	unlink(said); /* what an earlier one said is not this one's */
	pid = fork();
	assert_true(pid >= 0);
	if (pid)
		return pid;
	if (!freopen(said, "w", stderr))
		_exit(99);
	c = calloc(1, sizeof *c);
	if (!c || !config_load(c, 2, argv, true, stderr))
		_exit(98);
	if (change)
		change(c);
	pid = daemon_run(c);
	free(c);
	exit((int)pid); /* with what the sanitizers have to say */
}

static int end_of(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFEXITED(status))
		fail_msg("ended by signal %d", WTERMSIG(status));
	return WEXITSTATUS(status);
}

static bool has_said(const char *words)
{
	struct buf text;
	bool found = false;

	buf_init(&text, 1 << 20);
	if (file_read(&text, said, NULL) && buf_add(&text, "", 1))
		found = strstr((char *)text.p, words) != NULL;
	buf_free(&text);
	return found;
}

static void expect_said(const char *words)
{
	struct buf text;

	if (has_said(words))
		return;
	buf_init(&text, 1 << 20);
	file_read(&text, said, NULL);
	buf_add(&text, "", 1);
	print_error("%s\n", (char *)text.p);
	fail_msg("it did not say \"%s\"", words);
}

static void await(const char *words)
{
	int i;

	for (i = 0; i < 3000 && !has_said(words); i++)
		usleep(10000);
	expect_said(words);
}

static void expect_no_start(const char *more, void (*change)(struct config *c), const char *words)
{
	assert_int_equal(end_of(start(more, change)), EXIT_FAILURE);
	expect_said("event=start_failed");
	expect_said(words);
	expect_said("event=stopped");
}

static void test_start_and_stop(void **state)
{
	char path[192];
	struct stat st;
	pid_t pid = start("", NULL);

	(void)state;
	await("event=ready");
	await("event=l1_unreadable");
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(end_of(pid), 0);
	expect_said("event=draining");
	snprintf(path, sizeof path, "%s/admin.token", data);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, 65);
	snprintf(path, sizeof path, "%s/admin.sock", data);
	assert_int_equal(stat(path, &st), -1);
	/* Again, over what the first left behind. */
	pid = start("", NULL);
	await("event=ready");
	assert_int_equal(kill(pid, SIGINT), 0);
	assert_int_equal(end_of(pid), 0);
}

/* At every moment of the start and after it. */
static void test_a_stop_at_any_time(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < 24; i++) {
		pid_t pid = start("", NULL);
		int status;

		usleep(1000 * i * i / 4);
		assert_int_equal(kill(pid, SIGTERM), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		/* Before the handlers stand, the signal ends it as it ends any process. */
		if (!(WIFEXITED(status) && WEXITSTATUS(status) == 0) &&
		    !(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM)) {
			print_error("at %u: status %x\n", i, (unsigned)status);
			expect_said("nothing like it");
		}
	}
}

static void test_two_signals(void **state)
{
	pid_t pid = start("", NULL);

	(void)state;
	await("event=ready");
	kill(pid, SIGTERM);
	usleep(1000);
	kill(pid, SIGTERM);
	assert_int_equal(end_of(pid), 0);
}

static void bad_pattern(struct config *c)
{
	strcpy(c->commit_hash_pattern, "(");
}

static void bad_admin(struct config *c)
{
	strcpy(c->admin_listen, "nonsense");
}

static void bad_address(struct config *c)
{
	strcpy(c->listen_address, "no-address");
}

static void bad_policy(struct config *c)
{
	strcpy(c->policy_file, "/nowhere/policy.json");
}

static void bad_sources(struct config *c)
{
	strcpy(c->collateral_sources, "ftp://x");
}

static void many_provers(struct config *c)
{
	c->max_batches = 0;
}

static void test_every_step_that_fails(void **state)
{
	(void)state;
	expect_no_start("", bad_pattern, "the commit hash pattern");
	expect_no_start("", many_provers, "out of memory for the work book");
	expect_no_start("", bad_sources, "neither http:// nor https://");
	expect_no_start("", bad_policy, "/nowhere/policy.json");
	expect_no_start("", bad_admin, "none of unix:PATH, ");
	expect_no_start("", bad_address, "no-address");
}

/* After the settings were checked: that check finds one that is there before (test_check.c). */
static void a_file_there(struct config *c)
{
	fclose(fopen(c->data_dir, "w"));
}

static void test_a_data_directory_that_is_none(void **state)
{
	(void)state;
	expect_no_start("", a_file_there, "is not a directory");
}

static void test_a_port_that_is_taken(void **state)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof at;
	char more[128];
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &n), 0);
	snprintf(more, sizeof more, "ETHREX_PROOF_COORDINATOR_LISTEN_PORT=%u\n",
		 ntohs(at.sin_port));
	expect_no_start(more, NULL, "in use");
	close(fd);
}

static void test_a_key_that_another_daemon_uses(void **state)
{
	struct eth_key key;
	struct eth_address a, proposer;
	char where[256], text[ETH_ADDRESS_TEXT_SIZE];
	struct why why = {""};
	int lock;

	(void)state;
	assert_true(eth_key_parse(&key, sender_key, &why) && eth_key_address(&a, &key));
	assert_true(eth_address_parse(&proposer, PROPOSER, &why));
	eth_address_print(text, &proposer);
	snprintf(where, sizeof where, "%s " L1, text);
	lock = system_lock_key(&a, where, "", &why);
	assert_true(lock >= 0);
	expect_no_start("", NULL, "another proof-coordinator");
	close(lock);
}

/* ---- what an earlier run kept ---- */

static void keep(const struct store_change *change)
{
	const struct store_options so = {.dir = data};
	struct store *store;
	struct why why = {""};
	uv_loop_t loop;

	uv_loop_init(&loop);
	assert_int_equal(store_open(&store, &loop, &so, &why), STORE_OK);
	assert_int_equal(store_commit_lazy(store, change, 1), STORE_OK);
	store_close(store, NULL, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
}

static void test_rows_that_cannot_be_loaded(void **state)
{
	struct l1_facts f = {.l1_chain_id = 1, .proposer = {{9}}};
	struct store_change change = {.kind = CHANGE_FACT_PUT};
	struct buf row;

	(void)state;
	buf_init(&row, L1_ROW_MAX);
	assert_true(l1_row_put(&row, &f));
	change.fact = (struct store_fact){span_of(L1_FACT, strlen(L1_FACT)), buf_span(&row)};
	keep(&change);
	expect_no_start("", NULL, "belongs to another OnChainProposer");
	change = (struct store_change){.kind = CHANGE_FACT_DEL,
				       .fact = {.key = span_of(L1_FACT, strlen(L1_FACT))}};
	keep(&change);
	buf_free(&row);

	change = (struct store_change){.kind = CHANGE_PROOF_PUT,
				       .proof = {.id = 3, .batch = 7, .prover_type = 99}};
	keep(&change);
	expect_no_start("", NULL, "the stored proof 3 of batch 7 cannot be taken over");
	change.kind = CHANGE_PROOF_DEL;
	keep(&change);

	change = (struct store_change){.kind = CHANGE_INTENT_PUT,
				       .intent = {.id = 1, .data = span_of("nonsense", 8)}};
	keep(&change);
	expect_no_start("", NULL, "intent");
}

/* ---- a reload ---- */

static void test_a_reload(void **state)
{
	pid_t pid = start("", NULL);

	(void)state;
	await("event=ready");
	/* What `run` would refuse changes nothing at all. */
	write_env("ETHREX_PROOF_COORDINATOR_LOG_LEVEL=debug\n"
		  "ETHREX_PROOF_COORDINATOR_POLICY_FILE=/nowhere/policy.json\n");
	kill(pid, SIGHUP);
	await("changed=0 result=\"refused, the former settings stay\"");
	expect_said("POLICY_FILE: cannot read");
	write_env("ETHREX_PROOF_COORDINATOR_LOG_LEVEL=debug\n"
		  "ETHREX_PROOF_COORDINATOR_SEND_INTERVAL=100\n"
		  "ETHREX_PROOF_COORDINATOR_ERROR_REPLIES=false\n"
		  "ETHREX_PROOF_COORDINATOR_MAX_CONNECTIONS=5\n");
	kill(pid, SIGHUP);
	await("event=reload changed=3 result=\"taken over\"");
	expect_said("MAX_CONNECTIONS differs from the running one");
	write_env("ETHREX_PROOF_COORDINATOR_SEND_INTERVAL=never\n");
	kill(pid, SIGHUP);
	await("SEND_INTERVAL: \\\"never\\\" is not a whole number");
	kill(pid, SIGTERM);
	assert_int_equal(end_of(pid), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_root, remove_root)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {TEST(test_start_and_stop),
					   TEST(test_a_stop_at_any_time),
					   TEST(test_two_signals),
					   TEST(test_every_step_that_fails),
					   TEST(test_a_data_directory_that_is_none),
					   TEST(test_a_port_that_is_taken),
					   TEST(test_a_key_that_another_daemon_uses),
					   TEST(test_rows_that_cannot_be_loaded),
					   TEST(test_a_reload)};

	if (signing_world_is_it(argc, argv))
		return signer_main();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
