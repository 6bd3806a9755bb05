/* The verbs that ask a running daemon: exit codes, what is printed where, and tables. */
#include "admin_world.h"

#include "coordinator/admin/listen.h"
#include "coordinator/base/clock.h"
#include "coordinator/cli/client.h"
#include "coordinator/cli/show.h"
#include "tests/unit/coordinator/cli/write_private.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- what is printed ---- */

struct capture {
	int was[2];
	FILE *to[2];
};

static char said[2][8192]; /* on stdout and stderr */

static void capture_begin(struct capture *c)
{
	int i;

	fflush(NULL);
	for (i = 0; i < 2; i++) {
		c->to[i] = tmpfile();
		assert_non_null(c->to[i]);
		c->was[i] = dup(i + 1);
		assert_true(dup2(fileno(c->to[i]), i + 1) == i + 1);
	}
}

static void capture_end(struct capture *c)
{
	size_t n;
	int i;

	fflush(NULL);
	for (i = 0; i < 2; i++) {
		dup2(c->was[i], i + 1);
		close(c->was[i]);
		rewind(c->to[i]);
		n = fread(said[i], 1, sizeof said[i] - 1, c->to[i]);
		said[i][n] = '\0';
		fclose(c->to[i]);
	}
}

static void shows(void (*show)(const json_t *), const char *text, const char *const *lines)
{
	json_t *j = json_loads(text, 0, NULL);
	struct capture c;

	assert_non_null(j);
	capture_begin(&c);
	show(j);
	capture_end(&c);
	json_decref(j);
	for (; *lines; lines++)
		if (!strstr(said[0], *lines))
			fail_msg("\"%s\" is not in:\n%s", *lines, said[0]);
}

#define SHOWS(show, text, ...) shows(show, text, (const char *const[]){__VA_ARGS__, NULL})

static void test_show_provers(void **state)
{
	(void)state;
	SHOWS(show_provers, "{\"provers\":[]}", "no prover has registered here");
	SHOWS(show_provers,
	      "{\"provers\":[{\"names\":[\"0xab\",\"ppid:0011\",\"fmspc:22\",\"mrtd:33\"]}]}",
	      "platform ppid:0011, fmspc:22\n");
	SHOWS(show_provers, "{\"provers\":[{\"evidence\":{\"contract\":\"OutOfDate there\"}}]}",
	      "    OutOfDate there\n");
	SHOWS(show_verdict, "{\"contract\":\"OutOfDate there\"}", "contract  OutOfDate there\n");
	SHOWS(show_revocations, "{\"revocations\":[]}", "nothing is revoked");
	SHOWS(show_revocations,
	      "{\"revocations\":[{\"what\":\"ppid:0011\",\"at_ms\":0,\"keys\":[\"0xab\"]}]}",
	      "REVOKED    SINCE  KEYS KEPT HERE\nppid:0011  never  1\n");
	SHOWS(show_provers, "{}", "no prover has registered here");
	SHOWS(show_provers,
	      "{\"provers\":[{\"signer\":\"0xAb\",\"state\":\"active\",\"source\":\"10.0.0.7\","
	      "\"last_seen_ms\":1000,\"last_proof_ms\":0,\"proofs\":3,\"evidence\":{\"ahead\":"
	      "\"revoked then\",\"tcb_status\":\"UpToDate\",\"tcb_date\":\"2025-01-01T00:00:00Z\","
	      "\"tcb_evaluation_number\":18,\"fmspc\":\"50806f000000\",\"valid_to\":null,"
	      "\"quote_sha256\":\"0123456789abcdef0123\"}}]}",
	      "KEY   TCB       EVIDENCE UNTIL  SETUP        LAST PROOF  PROOFS  FROM      STATE\n",
	      "0xAb  UpToDate  -               ", " d ago  never       3       10.0.0.7  active\n",
	      "\n    at the next TCB recovery: revoked then\n");
	assert_null(strchr(said[0], '\033'));
}

static void test_show_cluster(void **state)
{
	(void)state;
	SHOWS(show_cluster,
	      "{\"shared\":false,\"says\":\"this coordinator is alone\","
	      "\"coordinators\":[{\"name\":\"a\"}]}",
	      "this coordinator is alone\n");
	assert_null(strstr(said[0], "COORDINATOR"));
	SHOWS(show_cluster,
	      "{\"shared\":true,\"says\":\"another coordinator leads: b\",\"upstream\":\"b "
	      "leads, and asks upstream\",\"coordinators\":["
	      "{\"name\":\"a\",\"slot\":0,\"this\":true,\"version\":\"1\",\"seen_s_ago\":1,"
	      "\"clock_skew_ms\":-40,\"figures\":null},"
	      "{\"name\":\"b\",\"slot\":7,\"leads\":true,\"version\":\"2\",\"seen_s_ago\":2,"
	      "\"clock_skew_ms\":2740,\"figures\":{\"state\":\"draining\",\"connections\":12,"
	      "\"leases\":3,\"proofs_accepted\":null}},"
	      "{\"name\":\"d\",\"slot\":9,\"seen_s_ago\":6,\"figures\":{\"state\":\"ready\"}},"
	      "{\"name\":\"c\",\"slot\":8,\"leads\":true,\"gone\":true,\"seen_s_ago\":340,"
	      "\"figures\":{\"state\":\"ready\"}}]}",
	      "another coordinator leads: b\nb leads, and asks upstream\n\nCOORDINATOR  SLOT  ROLE "
	      "    STATE",
	      "a (this)     0     follows  -         1 s ago    +0.0 s  -      -       -       1\n",
	      "b            7     leads    draining  2 s ago    +2.7 s  12     3       -       2\n",
	      "d            9     follows  silent    6 s ago    +0.0 s  -",
	      "c            8     gone     -         5 min ago");
}

#define PLATFORM                                                                                   \
	"{\"platform\":\"50806f-platform\",\"fetching\":true,\"refresh_at\":\"soon\","             \
	"\"last_failure\":\"no route\",\"valid_from\":\"May\",\"valid_to\":\"June\","              \
	"\"stale\":true,\"tcb_evaluation_number\":17,\"source\":\"dir:/x\"}"

static void test_show_collateral(void **state)
{
	(void)state;
	SHOWS(show_collateral, "{}", "none is known yet\n", "none is set\n");
	SHOWS(show_collateral,
	      "{\"platforms\":[" PLATFORM "],\"sources\":[{\"source\":\"dir:/x\",\"rests_until\":"
	      "\"noon\",\"last_failure\":\"absent\",\"answers\":{\"good\":4}}]}",
	      "PLATFORM         VALID FROM  VALID TO      EVALUATION  NEXT REFRESH       SOURCE\n"
	      "50806f-platform  May         June (STALE)  17          being fetched now  dir:/x\n"
	      "    last fetch failed: no route\n",
	      "SOURCE  RESTS UNTIL  ANSWERS\ndir:/x  noon         good 4\n"
	      "    last failure: absent\n");
}

static void test_show_tcb_status(void **state)
{
	(void)state;
	SHOWS(show_tcb_status, "{}", "none has shown a quote", "not read yet");
	SHOWS(
	    show_tcb_status,
	    "{\"provers\":[{\"signer\":\"0xAb\",\"evidence\":{\"ahead\":\"too old\","
	    "\"tcb_status\":\"UpToDate\",\"tcb_date\":\"2025\",\"tcb_evaluation_number\":18,"
	    "\"fmspc\":\"50806f\",\"valid_to\":\"2026\",\"quote_sha256\":\"0123456789abcdef01\"}}],"
	    "\"platforms\":[" PLATFORM "],\"on_chain\":{\"stack\":\"old\",\"at\":\"reading\","
	    "\"items\":[{\"what\":\"root CRL\",\"state\":\"equal\"}]}}",
	    "Collateral on chain (old):\n  now: reading\n", "root CRL  equal\n", "(STALE)",
	    "0xAb  UpToDate  2025      18          50806f  2026            0123456789abcdef\n"
	    "    at the next TCB recovery: too old\n");
}

static void test_show_verdict(void **state)
{
	(void)state;
	SHOWS(
	    show_verdict,
	    "{\"quote_sha256\":\"ab12\",\"at\":1000,\"answer\":\"refused\",\"source\":\"10.0.0.7\""
	    ",\"reason\":\"too old\",\"verdict\":{\"tcb_status\":\"OutOfDate\",\"checks\":["
	    "{\"check\":\"tcb\",\"status\":\"fail\",\"claim\":\"it is new\",\"reason\":\"old\","
	    "\"got\":{\"svn\":\"3\"},\"want\":{\"svn\":\"5\"}},{\"check\":\"chain\","
	    "\"status\":\"pass\"}]}}",
	    "quote     ab12\n", "answer    refused, 1970-01-01T00:16:40Z, to 10.0.0.7\n",
	    "key       -\n", "reason    too old\n", "TCB       OutOfDate",
	    "not true: it is new: old\n", " svn: 3\n", " svn: 5\n");
	assert_null(strstr(said[0], "chain"));
	SHOWS(show_verdict, "{\"answer\":\"retry\"}", "quote     -\n", "answer    retry, ");
	assert_null(strstr(said[0], "TCB"));
	SHOWS(show_verdict,
	      "{\"answer\":\"refused\",\"reason\":\"RTMR1 differs\",\"verdict\":{"
	      "\"tcb_status\":\"NotEvaluated\",\"collateral_valid_to\":\"1970\",\"checks\":["
	      "{\"check\":\"chain\",\"status\":\"pass\"},{\"check\":\"tcb\",\"status\":\"not_run\"}"
	      "]}}",
	      "reason    RTMR1 differs\n", "checks    none of Intel's failed\n");
	assert_null(strstr(said[0], "1970\n"));
	assert_null(strstr(said[0], "failed checks"));
}

static void test_show_verdicts(void **state)
{
	(void)state;
	SHOWS(show_verdicts, "{\"verdicts\":[]}", "no verdict on a quote is kept\n");
	SHOWS(show_verdicts,
	      "{\"verdicts\":[{\"quote_sha256\":\"0123456789abcdef0123\",\"at\":1000,\"answer\":"
	      "\"refused\",\"source\":\"10.0.0.7\",\"reason\":\"RTMR1 differs\"}]}",
	      "0123456789abcdef  1970-01-01T00:16:40Z  refused  10.0.0.7  RTMR1 differs\n");
}

#define STATUS                                                                                     \
	"{\"version\":\"9\",\"ready\":true,\"tdx_dev_mode\":false,\"uptime_s\":7300,\"l1\":{"      \
	"\"readable\":true,\"trouble\":\"\",\"chain_id\":1,\"l2_chain_id\":2,"                     \
	"\"last_committed_batch\":9,\"last_verified_batch\":7,\"needs\":[\"TDX\",\"SP1\"],"        \
	"\"signer\":\"0xAb\",\"endpoints\":[{\"endpoint\":\"http://a\",\"state\":\"ready\","       \
	"\"latency_ms\":3,\"last_error\":\"\"}],\"funds\":[{\"key\":\"l1\",\"address\":\"0x1\","   \
	"\"balance_wei\":\"1234567890123456789\",\"low\":false},{\"key\":\"tdx\",\"address\":"     \
	"\"0x2\",\"balance_wei\":\"42000000000000\",\"low\":true},{\"key\":\"x\",\"address\":"     \
	"\"0x3\",\"balance_wei\":null,\"low\":false}],\"sender\":\"idle\",\"next\":"               \
	"\"batch 8 waits for a TDX proof\"},\"work\":{\"batches\":2,\"inputs\":1,"                 \
	"\"input_bytes\":2097152,\"leases\":1,\"proof_bytes\":70,\"inputs_broken\":[{\"batch\":8," \
	"\"commit_hash\":\"abc\"}],\"oldest_waiting\":\"batch 8 "                                  \
	"waits\"},\"batches\":[{\"batch\":8,"                                                      \
	"\"committed\":true,\"verified\":false,\"input_bytes\":2048,\"types\":{\"TDX\":{\"done\":" \
	"false,\"leased_to\":\"10.0.0.7\",\"unjudged\":0,\"good\":0,\"bad\":1},\"SP1\":{\"done\":" \
	"true,\"leased_to\":\"\",\"unjudged\":0,\"bad\":0}}},{\"batch\":9,\"committed\":false,"    \
	"\"verified\":false,\"input_bytes\":0,\"types\":{}}]}"

static void test_show_status(void **state)
{
	(void)state;
	SHOWS(show_status, STATUS, "coordinator  ready, version 9, up 2 h\n",
	      "L1           readable, chain 1 (L2 2)\n             http://a ready, 3 ms\n",
	      "batches      9 committed, 7 verified on L1\n",
	      "needs        TDX, SP1; the key on chain is 0xAb\n",
	      "balances     l1        0x1 has 1.234567 ETH\n",
	      "             tdx       0x2 has 0.000042 ETH: LOW, fund it\n",
	      "             x         0x3 has not been read yet\n",
	      "kept         2 batches, 1 input (2.0 MiB), proofs of 70 B; 1 leased to provers\n",
	      "the input of batch 8 for abc cannot be read: put it again",
	      "waiting      batch 8 waits\n", "sender       idle\n",
	      "next         batch 8 waits for a TDX proof\n",
	      "8      committed      2.0 KiB  TDX leased to 10.0.0.7, 1 bad; SP1 proven\n",
	      "9      not committed  missing  \n");
	SHOWS(show_status, "{}", "NOT READY", "NOT READABLE, chain not known yet\n",
	      "needs        not known yet\n", "no batch is open");
}

/* ---- the client, in a thread of its own; the daemon's loop turns here ---- */

struct run {
	const struct config *config;
	const char *verb, *a, *b, *file;
	int code;
	atomic_bool done;
};

static void run_verb(void *arg)
{
	struct run *r = arg;

	if (strcmp(r->verb, "get") == 0)
		r->code = client_get(r->config, r->a, NULL);
	else if (strcmp(r->verb, "provers") == 0)
		r->code = client_get(r->config, "/api/v1/provers", show_provers);
	else if (strcmp(r->verb, "post") == 0)
		r->code = client_post(r->config, r->a, false);
	else if (strcmp(r->verb, "healthcheck") == 0)
		r->code = client_healthcheck(r->config);
	else
		r->code = client_put_input(r->config, r->a, r->b, r->file, true);
	atomic_store(&r->done, true);
}

static int run(struct admin_world *x, struct run *r)
{
	struct capture c;
	uv_thread_t thread;

	atomic_init(&r->done, false);
	capture_begin(&c);
	uv_thread_create(&thread, run_verb, r);
	while (x && !atomic_load(&r->done))
		admin_world_turn(x);
	uv_thread_join(&thread);
	capture_end(&c);
	return r->code;
}

#define RUN(x, ...) run(x, &(struct run){.config = config, __VA_ARGS__})

static struct config *config;

static int begin(void **state)
{
	static struct admin_world x;

	admin_world_open(&x, NULL);
	config = calloc(1, sizeof *config);
	if (!config)
		return -1;
	snprintf(config->admin_listen, sizeof config->admin_listen, "%s", x.listen);
	snprintf(config->data_dir, sizeof config->data_dir, "%s", x.dir);
	strcpy(config->admin_token, WORLD_TOKEN);
	*state = &x;
	return 0;
}

static int end(void **state)
{
	free(config);
	admin_world_close(*state);
	admin_world_remove(*state);
	return 0;
}

static void test_get_and_health(void **state)
{
	struct admin_world *x = *state;

	assert_int_equal(RUN(x, .verb = "get", .a = "/api/v1/status"), 0);
	assert_non_null(strstr(said[0], "\"version\": \"9.8.7\""));
	assert_int_equal(RUN(x, .verb = "get", .a = "/api/v1/nothing"), 1);
	assert_string_equal(said[0], "");
	assert_non_null(strstr(said[1], "not_found"));
	assert_int_equal(RUN(x, .verb = "provers"), 0);
	assert_string_equal(said[0], "no prover has registered here\n");
	assert_int_equal(RUN(x, .verb = "healthcheck"), 0);
	assert_string_equal(said[0], "");
	admin_set_state(x->admin, ADMIN_STARTING);
	assert_int_equal(RUN(x, .verb = "healthcheck"), 1);
	assert_non_null(strstr(said[1], "starting"));
	assert_int_equal(RUN(x, .verb = "post", .a = "/api/v1/collateral/refresh"), 1);
	assert_string_equal(said[0], "");
	assert_true(strlen(said[1]) > 1 && said[1][0] != '{');
}

static void test_token_from_the_directory(void **state)
{
	struct admin_world *x = *state;
	char path[128];

	config->admin_token[0] = '\0';
	assert_int_equal(RUN(x, .verb = "get", .a = "/api/v1/provers"), 1);
	assert_non_null(strstr(said[1], "bad_token"));
	snprintf(path, sizeof path, "%s/admin.token", x->dir);
	assert_non_null(strstr(said[1], "no token was sent: cannot read \""));
	assert_non_null(strstr(said[1], path));
	write_private(path, "older\n");
	assert_int_equal(RUN(x, .verb = "get", .a = "/api/v1/provers"), 1);
	assert_non_null(strstr(said[1], "and the daemon has another: is that its data directory?"));
	assert_null(strstr(said[1], "older"));
	write_private(path, WORLD_TOKEN "\n");
	assert_int_equal(RUN(x, .verb = "get", .a = "/api/v1/provers"), 0);
	strcpy(config->admin_token, "another-one");
	assert_int_equal(RUN(x, .verb = "get", .a = "/api/v1/provers"), 1);
	assert_non_null(strstr(said[1], "_ADMIN_TOKEN was sent, and the daemon has another token"));
	assert_null(strstr(said[1], "another-one"));
}

static void batch_refused(const char *batch, const char *commit_hash, const char *words)
{
	struct why why = {""};

	assert_false(client_batch_ok(batch, commit_hash, &why));
	assert_string_equal(why.text, words);
}

static void test_batch_and_hash(void **state)
{
	char long_hash[66];
	struct why why;

	(void)state;
	memset(long_hash, 'a', 65);
	long_hash[65] = '\0';
	batch_refused("4x", "abc1234", "\"4x\" is not a batch number");
	batch_refused("", "abc1234", "\"\" is not a batch number");
	batch_refused("-1", "abc1234", "\"-1\" is not a batch number");
	batch_refused("111111111111111111111", "abc1234",
		      "\"111111111111111111111\" is not a batch number");
	batch_refused("4", "", "a commit hash has 1 to 64 characters, not 0");
	batch_refused("4", long_hash, "a commit hash has 1 to 64 characters, not 65");
	assert_true(client_batch_ok("4", long_hash + 1, &why));
}

static void test_put_input(void **state)
{
	struct admin_world *x = *state;
	char path[128];

	snprintf(path, sizeof path, "%s/input.json", x->dir);
	write_private(path, "{\"a\":1}");
	assert_int_equal(RUN(x, .verb = "put", .a = "4", .b = "abc1234", .file = path), 0);
	assert_non_null(strstr(said[0], "created"));
	assert_int_equal(inputs_bytes(x->p.inputs), 7);
	assert_int_equal(RUN(x, .verb = "put", .a = "4", .b = "a&b=1/..", .file = path), 1);
	assert_non_null(strstr(said[1], "a&b=1/.."));
	unlink(path);
	/* A pipe nobody writes to is not waited for. */
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(RUN(x, .verb = "put", .a = "5", .b = "abc1234", .file = path), 1);
	unlink(path);
	assert_int_equal(RUN(x, .verb = "put", .a = "5", .b = "abc1234", .file = path), 1);
	assert_non_null(strstr(said[1], "cannot read the file"));
}

static void test_nobody_there(void **state)
{
	struct admin_world *x = *state;

	admin_world_close_admin(x);
	assert_int_equal(RUN(NULL, .verb = "healthcheck"), 2);
	assert_non_null(strstr(said[1], "no answer: there is no socket "));
	assert_non_null(strstr(said[1], x->dir));
	assert_null(strstr(said[1], "localhost"));
	assert_null(strstr(said[1], "where is the daemon"));
	config->place_by_default = true;
	assert_int_equal(RUN(NULL, .verb = "get", .a = "/api/v1/status"), 2);
	assert_non_null(strstr(said[1], " nor /var/lib/proof-coordinator/admin.sock; where is the "
					"daemon? --env-file FILE or "));
	config->place_by_default = false;
	snprintf(config->admin_listen, sizeof config->admin_listen, "127.0.0.1:%d",
		 fake_dead_port());
	assert_int_equal(RUN(NULL, .verb = "get", .a = "/api/v1/status"), 2);
	assert_non_null(strstr(said[1], config->admin_listen));
	assert_non_null(strstr(said[1], "nobody listens there"));
	assert_null(strstr(said[1], WORLD_TOKEN));
}

/* It listens, and its loop does not turn. */
static void test_a_daemon_that_hangs(void **state)
{
	static const struct {
		const char *verb;
		uint64_t at_most_ms;
	} asked[] = {{"healthcheck", 5000}, {"get", 20000}, {"post", 20000}};
	struct run r[3];
	struct capture c;
	uv_thread_t threads[3];
	const uint64_t start = clock_mono_ms();
	struct why why;
	size_t i;
	int fd;

	(void)state;
	snprintf(config->admin_listen, sizeof config->admin_listen, "127.0.0.1:%d",
		 fake_dead_port());
	fd = admin_listen(config->admin_listen, &why);
	assert_true(fd >= 0);
	capture_begin(&c);
	for (i = 0; i < 3; i++) {
		r[i] = (struct run){.config = config, .verb = asked[i].verb, .a = "/api/v1/x"};
		uv_thread_create(&threads[i], run_verb, &r[i]);
	}
	for (i = 0; i < 3; i++) {
		uv_thread_join(&threads[i]);
		assert_true(clock_mono_ms() - start < asked[i].at_most_ms);
	}
	capture_end(&c);
	for (i = 0; i < 3; i++)
		assert_int_equal(r[i].code, 2);
	assert_non_null(strstr(said[1], "no answer from 127.0.0.1"));
	assert_non_null(strstr(said[1], "timed out"));
	close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_show_provers),
	    cmocka_unit_test(test_show_cluster),
	    cmocka_unit_test(test_show_collateral),
	    cmocka_unit_test(test_show_tcb_status),
	    cmocka_unit_test(test_show_verdict),
	    cmocka_unit_test(test_show_verdicts),
	    cmocka_unit_test(test_show_status),
	    TEST(test_get_and_health),
	    TEST(test_token_from_the_directory),
	    cmocka_unit_test(test_batch_and_hash),
	    TEST(test_put_input),
	    TEST(test_nobody_there),
	    TEST(test_a_daemon_that_hangs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
