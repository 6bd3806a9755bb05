/* The verbs that ask a running daemon: exit codes, what is printed where, and tables. */
#include "admin_world.h"

#include "coordinator/admin/client.h"
#include "coordinator/admin/listen.h"
#include "coordinator/admin/show.h"
#include "coordinator/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
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
	      "ppid:0011  never, keys kept here: 1");
	SHOWS(show_provers, "{}", "no prover has registered here");
	SHOWS(show_provers,
	      "{\"provers\":[{\"signer\":\"0xAb\",\"state\":\"active\",\"source\":\"10.0.0.7\","
	      "\"last_seen_ms\":1000,\"last_proof_ms\":0,\"proofs\":3,\"evidence\":{\"ahead\":"
	      "\"revoked then\",\"tcb_status\":\"UpToDate\",\"tcb_date\":\"2025-01-01T00:00:00Z\","
	      "\"tcb_evaluation_number\":18,\"fmspc\":\"50806f000000\",\"valid_to\":null,"
	      "\"quote_sha256\":\"0123456789abcdef0123\"}}]}",
	      "0xAb  active\n", "from 10.0.0.7, setup ", " d ago, last proof never, 3 proofs\n",
	      "TCB UpToDate of 2025-01-01T00:00:00Z (evaluation 18), FMSPC 50806f000000",
	      "evidence good until -\n", "quote 0123456789abcdef\n",
	      "at the next TCB recovery: revoked then\n");
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
	      "50806f-platform  May to June (STALE), evaluation 17, from dir:/x\n",
	      "next refresh soon, being fetched now\n", "last fetch failed: no route\n",
	      "dir:/x  good 4, rests until noon\n", "last failure: absent\n");
}

static void test_show_tcb_status(void **state)
{
	(void)state;
	SHOWS(show_tcb_status, "{}", "none has shown a quote", "not read yet");
	SHOWS(show_tcb_status,
	      "{\"platforms\":[" PLATFORM "],\"on_chain\":{\"stack\":\"old\",\"at\":\"reading\","
	      "\"items\":[{\"what\":\"root CRL\",\"state\":\"equal\"}]}}",
	      "Collateral on chain (old):\n  now: reading\n", "  root CRL  ", " equal\n",
	      "(STALE)");
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
		r->code = client_post(r->config, r->a);
	else if (strcmp(r->verb, "healthcheck") == 0)
		r->code = client_healthcheck(r->config);
	else
		r->code = client_put_input(r->config, r->a, r->b, r->file);
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

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(chmod(path, 0600), 0);
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
	write_file(path, WORLD_TOKEN "\n");
	assert_int_equal(RUN(x, .verb = "get", .a = "/api/v1/provers"), 0);
	strcpy(config->admin_token, "another");
	assert_int_equal(RUN(x, .verb = "get", .a = "/api/v1/provers"), 1);
	assert_null(strstr(said[1], "another"));
}

static void test_put_input(void **state)
{
	struct admin_world *x = *state;
	char path[128];

	snprintf(path, sizeof path, "%s/input.json", x->dir);
	write_file(path, "{\"a\":1}");
	assert_int_equal(RUN(x, .verb = "put", .a = "4", .b = "abc1234", .file = path), 0);
	assert_non_null(strstr(said[0], "created"));
	assert_int_equal(inputs_bytes(x->p.inputs), 7);
	assert_int_equal(RUN(x, .verb = "put", .a = "4", .b = "a&b=1/..", .file = path), 1);
	assert_non_null(strstr(said[1], "a&b=1/.."));
	assert_int_equal(RUN(x, .verb = "put", .a = "4x", .b = "abc1234", .file = path), 1);
	assert_non_null(strstr(said[1], "\"4x\" is not a batch number"));
	assert_int_equal(RUN(x, .verb = "put", .a = "", .b = "abc1234", .file = path), 1);
	unlink(path);
	assert_int_equal(RUN(x, .verb = "put", .a = "5", .b = "abc1234", .file = path), 1);
	assert_non_null(strstr(said[1], "cannot read the file"));
}

static void test_nobody_there(void **state)
{
	struct admin_world *x = *state;

	admin_world_close_admin(x);
	assert_int_equal(RUN(NULL, .verb = "healthcheck"), 2);
	assert_non_null(strstr(said[1], "no answer from unix:"));
	snprintf(config->admin_listen, sizeof config->admin_listen, "127.0.0.1:%d",
		 fake_dead_port());
	assert_int_equal(RUN(NULL, .verb = "get", .a = "/api/v1/status"), 2);
	assert_non_null(strstr(said[1], config->admin_listen));
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
	    cmocka_unit_test(test_show_collateral),
	    cmocka_unit_test(test_show_tcb_status),
	    cmocka_unit_test(test_show_verdict),
	    TEST(test_get_and_health),
	    TEST(test_token_from_the_directory),
	    TEST(test_put_input),
	    TEST(test_nobody_there),
	    TEST(test_a_daemon_that_hangs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
