/* The JSON-RPC client against scripted nodes on 127.0.0.1. */
#include "coordinator/base/url.h"
#include "coordinator/l1/rpc.h"
#include "fake_node.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
	uv_loop_t loop;
	struct fake_node node[3];
	char url[3][128];
	const char *urls[3];
	struct rpc_options opts;
	struct rpc *rpc;
};

struct got {
	unsigned n;
	enum rpc_status status;
	int endpoint;
	uint64_t value;
	char sentence[512];
	char message[RPC_MESSAGE_SIZE];
	int64_t code;
	enum node_error node_error;
	bool has_data;
	size_t data_len;
};

static void on_reply(void *arg, const struct rpc_reply *r)
{
	struct got *g = arg;

	g->n++;
	g->status = r->status;
	g->endpoint = r->endpoint;
	snprintf(g->sentence, sizeof g->sentence, "%s", r->sentence);
	if (r->status == RPC_OK)
		assert_true(rpc_parse_u64(r->result, &g->value, NULL));
	if (r->status == RPC_ERROR) {
		snprintf(g->message, sizeof g->message, "%s", r->message);
		g->code = r->code;
		g->node_error = r->node_error;
		g->has_data = r->has_data;
		g->data_len = r->data.n;
	}
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	int i;

	assert_non_null(f);
	uv_loop_init(&f->loop);
	for (i = 0; i < 3; i++) {
		fake_node_start(&f->node[i], &f->loop, 0);
		snprintf(f->url[i], sizeof f->url[i], "http://127.0.0.1:%d/", f->node[i].port);
		f->urls[i] = f->url[i];
	}
	f->opts = (struct rpc_options){.urls = f->urls,
				       .n_urls = 2,
				       .chain_id = 31337,
				       .call_timeout_ms = 2000,
				       .deadline_ms = 5000,
				       .backoff_min_ms = 20,
				       .backoff_max_ms = 100,
				       .body_max = 65536};
	*state = f;
	return 0;
}

static void on_closed(void *arg)
{
	*(bool *)arg = true;
}

static void close_rpc(struct fixture *f)
{
	bool closed = false;

	rpc_close(f->rpc, on_closed, &closed);
	while (!closed)
		uv_run(&f->loop, UV_RUN_ONCE);
	f->rpc = NULL;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	int i;

	if (f->rpc)
		close_rpc(f);
	for (i = 0; i < 3; i++)
		fake_node_stop(&f->node[i]);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	free(f);
	return 0;
}

static void open_rpc(struct fixture *f)
{
	struct why why = {""};

	f->rpc = rpc_new(&f->loop, &f->opts, &why);
	assert_non_null(f->rpc);
}

static void call(struct fixture *f, const struct rpc_call_options *o, struct got *g)
{
	struct why why = {""};

	*g = (struct got){0};
	assert_true(rpc_call(f->rpc, "eth_test", "[1,\"0x2\"]", o, on_reply, g, &why) != 0);
	while (!g->n)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_int_equal(g->n, 1);
}

static void test_answer(void **state)
{
	struct fixture *f = *state;
	struct rpc_endpoint_info info;
	struct got g;

	open_rpc(f);
	call(f, NULL, &g);
	assert_int_equal(g.status, RPC_OK);
	assert_int_equal(g.value, 42);
	assert_int_equal(g.endpoint, 0);
	assert_int_equal(rpc_chain_id(f->rpc), 31337);
	assert_int_equal(rpc_pending(f->rpc), 0);
	assert_int_equal(rpc_endpoint_count(f->rpc), 2);
	assert_true(rpc_endpoint_info(f->rpc, 0, &info));
	assert_int_equal(info.state, RPC_READY);
	assert_true(info.answers >= 2 && info.latency_ms > 0);
	assert_false(rpc_endpoint_info(f->rpc, 2, &info));
	/* one probe each, not one a call */
	call(f, NULL, &g);
	assert_int_equal(f->node[0].n_chain_id, 1);
}

static void test_first_answer_pins(void **state)
{
	struct fixture *f = *state;
	struct got g;

	f->opts.chain_id = 0;
	f->opts.n_urls = 1;
	f->node[0].chain_id = 560048;
	open_rpc(f);
	call(f, NULL, &g);
	assert_int_equal(g.status, RPC_OK);
	assert_int_equal(rpc_chain_id(f->rpc), 560048);
}

static void test_avoid_and_prefer(void **state)
{
	struct fixture *f = *state;
	struct rpc_call_options avoid = {.avoid = 1}, prefer = {.prefer = 2}, all = {.avoid = 3};
	struct got g;

	open_rpc(f);
	call(f, NULL, &g);
	while (!f->node[1].n_chain_id)
		uv_run(&f->loop, UV_RUN_ONCE);
	call(f, &avoid, &g);
	assert_int_equal(g.endpoint, 1);
	call(f, &prefer, &g);
	assert_int_equal(g.endpoint, 1);
	call(f, &all, &g);
	assert_int_equal(g.endpoint, 0);
}

static void error_answer(void *arg, const char *method, const json_t *params, char *out,
			 size_t size, bool *is_error)
{
	(void)method;
	(void)params;
	*is_error = true;
	snprintf(out, size, "%s", (const char *)arg);
}

static void test_node_error(void **state)
{
	struct fixture *f = *state;
	struct got g;

	f->node[0].answer = error_answer;
	f->node[0].arg =
	    "{\"code\":3,\"message\":\"execution reverted: no\",\"data\":\"0x62013a95\"}";
	open_rpc(f);
	call(f, NULL, &g);
	assert_int_equal(g.status, RPC_ERROR);
	assert_int_equal(g.code, 3);
	assert_int_equal(g.node_error, NODE_REVERTED);
	assert_true(g.has_data);
	assert_int_equal(g.data_len, 4);
	assert_non_null(strstr(g.sentence, "execution reverted: no"));
	/* the node's own no is an answer: nobody else was asked */
	assert_int_equal(f->node[1].n_requests, f->node[1].n_chain_id);
}

/* Endpoint 0 is broken in each way; endpoint 1 answers. */
static void test_failover(void **state)
{
	static const struct {
		enum fake_mode mode;
		int status;
		const char *said;
	} ways[] = {
	    {FAKE_SILENT, 0, "timed out"},         {FAKE_GARBAGE, 0, "not JSON"},
	    {FAKE_TRAILING, 0, "not JSON"},        {FAKE_HUGE, 0, "longer than 65536 bytes"},
	    {FAKE_WRONG_ID, 0, "another id"},      {FAKE_STATUS, 500, "HTTP status 500"},
	    {FAKE_STATUS, 503, "HTTP status 503"}, {FAKE_STATUS, 429, "HTTP status 429"},
	    {FAKE_STATUS, 404, "HTTP status 404"}, {FAKE_STATUS, 301, "redirects are not followed"},
	    {FAKE_STATUS, 204, "HTTP status 204"}, {FAKE_CUT, 0, "bytes"},
	    {FAKE_SLAM, 0, "Empty reply"},
	};
	struct fixture *f = *state;
	size_t i;

	f->opts.call_timeout_ms = 300;
	for (i = 0; i < sizeof ways / sizeof ways[0]; i++) {
		struct rpc_endpoint_info info;
		struct got g;

		f->node[0].mode = ways[i].mode;
		f->node[0].mode_spares_chain_id = true;
		f->node[0].status = ways[i].status;
		open_rpc(f);
		call(f, NULL, &g);
		assert_int_equal(g.status, RPC_OK);
		assert_int_equal(g.endpoint, 1);
		assert_true(rpc_endpoint_info(f->rpc, 0, &info));
		assert_true(info.failures >= 1);
		if (!strstr(info.last_error, ways[i].said))
			fail_msg("case %zu: '%s'", i, info.last_error);
		close_rpc(f);
	}
}

/* As many hosted nodes say it: HTTP 200, and an error in words of their own. */
static void test_rate_limits(void **state)
{
	static const char *const words[] = {
	    "{\"code\":429,\"message\":\"Your app has exceeded its compute units per second "
	    "capacity.\"}",
	    "{\"code\":-32005,\"message\":\"daily request count exceeded, request rate limited\"}",
	    "{\"code\":-32005,\"message\":\"project ID request rate exceeded\"}",
	    "{\"code\":-32007,\"message\":\"50/second request limit reached - reduce calls per "
	    "second\"}",
	    "{\"code\":-32090,\"message\":\"Too many requests, reason: call rate limit exhausted, "
	    "retry in 10s\"}",
	    "{\"code\":429,\"message\":\"slow down\"}",
	    "{\"code\":-32009,\"message\":\"Server is busy, try again later\"}",
	    "{\"code\":-32005,\"message\":\"Unable to start new queued requests for eth_call. Too "
	    "many queued requests. Queue size 500.\"}",
	};
	struct fixture *f = *state;
	struct rpc_call_options soon = {.deadline_ms = 300};
	struct rpc_endpoint_info info;
	struct got g;
	size_t i;

	f->node[0].answer = error_answer;
	for (i = 0; i < sizeof words / sizeof words[0]; i++) {
		f->node[0].arg = (void *)(uintptr_t)words[i];
		open_rpc(f);
		call(f, NULL, &g);
		if (g.status != RPC_OK || g.endpoint != 1)
			fail_msg("%s: %s", words[i], g.sentence);
		assert_true(rpc_endpoint_info(f->rpc, 0, &info));
		assert_true(info.failures >= 1);
		close_rpc(f);
	}
	/* where there is no other, the call waits, less and less often, and says why */
	f->opts.n_urls = 1;
	open_rpc(f);
	call(f, &soon, &g);
	assert_int_equal(g.status, RPC_UNREACHABLE);
	assert_non_null(strstr(g.sentence, "Too many queued requests"));
	f->node[0].answer = NULL;
	call(f, NULL, &g);
	assert_int_equal(g.status, RPC_OK);
}

/* It is left alone for as long as it asks for, whether it serves calls or is asked who it is;
 * within the longest rest there is. */
static void test_retry_after(void **state)
{
	struct fixture *f = *state;
	struct rpc_call_options patient = {.deadline_ms = 20000};
	struct got g;
	uint64_t start;

	f->opts.n_urls = 1;
	f->opts.backoff_max_ms = 1500;
	f->node[0].mode = FAKE_STATUS;
	f->node[0].status = 503;
	f->node[0].header = "Retry-After: 1\r\n";
	f->node[0].mode_spares_chain_id = true;
	open_rpc(f);
	start = uv_hrtime();
	g = (struct got){0};
	assert_true(rpc_call(f->rpc, "eth_test", "[]", &patient, on_reply, &g, NULL) != 0);
	while (f->node[0].n_requests - f->node[0].n_chain_id < 2)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_true(uv_hrtime() - start >= 1000000000);
	f->node[0].mode_spares_chain_id = false;
	f->node[0].header = "Retry-After: 86400\r\n";
	while (f->node[0].n_chain_id < 3)
		uv_run(&f->loop, UV_RUN_ONCE);
	start = uv_hrtime();
	f->node[0].mode = FAKE_OK;
	while (!g.n)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_int_equal(g.status, RPC_OK);
	assert_true(uv_hrtime() - start >= 1400000000);
}

/* What it says about its refusal is shown; what it repeats of a URL with a key in it is not. */
static void test_words_beside_a_status(void **state)
{
	static const struct {
		int status;
		const char *body, *said;
	} ways[] = {
	    {503, "{\"error\":{\"message\":\"maintenance until noon\"}}",
	     "ETHREX_ETH_RPC_URL ({\"error\":{\"message\":\"maintenance until noon\"}})"},
	    {403, "host not\r\nallowed", "right? (host not  allowed)"},
	    {502, "<html><h1>502</h1>", "add an endpoint to ETHREX_ETH_RPC_URL"},
	    {502, "\x1f\x8b\x08 packed", "add an endpoint to ETHREX_ETH_RPC_URL"},
	    {301, "moved", "not followed; it leads to http://127.0.0.1:1"},
	    {404, "{\"message\":\"Cannot POST /v3/0123456789abcdef\"}",
	     "right?, and words (not shown, for it repeats a part of the URL)"},
	    {400,
	     "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-1,\"message\":\"project "
	     "0123456789abcdef is over its quota\"}}",
	     "error -1: (not shown, for it repeats a part of the URL)"},
	};
	struct rpc_call_options once = {.no_retry = true};
	struct fixture *f = *state;
	char url[160];
	size_t i;

	snprintf(url, sizeof url, "http://127.0.0.1:%d/v3/0123456789abcdef", f->node[0].port);
	f->urls[0] = url;
	f->opts.n_urls = 1;
	f->node[0].mode = FAKE_STATUS;
	f->node[0].mode_spares_chain_id = true;
	for (i = 0; i < sizeof ways / sizeof ways[0]; i++) {
		const size_t n = strlen(ways[i].said);
		struct got g;

		f->node[0].status = ways[i].status;
		f->node[0].body = ways[i].body;
		open_rpc(f);
		call(f, &once, &g);
		if (strlen(g.sentence) < n ||
		    strcmp(g.sentence + strlen(g.sentence) - n, ways[i].said) != 0)
			fail_msg("%s", g.sentence);
		assert_null(strstr(g.message, "0123456789abcdef"));
		close_rpc(f);
	}
}

static void test_400_with_error_is_an_answer(void **state)
{
	struct fixture *f = *state;
	struct got g;

	f->node[0].mode = FAKE_400_ERROR;
	f->node[0].mode_spares_chain_id = true;
	open_rpc(f);
	call(f, NULL, &g);
	assert_int_equal(g.status, RPC_ERROR);
	assert_int_equal(g.code, -32600);
}

static void test_dead_port_and_recovery(void **state)
{
	struct fixture *f = *state;
	int port = f->node[0].port;
	struct rpc_endpoint_info info;
	struct got g;

	fake_node_stop(&f->node[0]);
	uv_run(&f->loop, UV_RUN_NOWAIT);
	open_rpc(f);
	call(f, NULL, &g);
	assert_int_equal(g.status, RPC_OK);
	assert_int_equal(g.endpoint, 1);
	memset(&f->node[0], 0, sizeof f->node[0]);
	fake_node_start(&f->node[0], &f->loop, port);
	do {
		uv_run(&f->loop, UV_RUN_ONCE);
		assert_true(rpc_endpoint_info(f->rpc, 0, &info));
	} while (info.state != RPC_READY);
	call(f, NULL, &g);
	assert_int_equal(g.endpoint, 0);
}

static void test_all_dead(void **state)
{
	struct fixture *f = *state;
	struct rpc_call_options soon = {.deadline_ms = 200};
	struct got g;

	snprintf(f->url[0], sizeof f->url[0], "http://user:sesame@127.0.0.1:%d/v3/APIKEY",
		 fake_dead_port());
	snprintf(f->url[1], sizeof f->url[1], "http://127.0.0.1:%d/?key=APIKEY", fake_dead_port());
	open_rpc(f);
	call(f, &soon, &g);
	assert_int_equal(g.status, RPC_UNREACHABLE);
	assert_int_equal(g.endpoint, -1);
	assert_non_null(strstr(g.sentence, "http://127.0.0.1:"));
	assert_non_null(strstr(g.sentence, "; http://127.0.0.1:"));
	assert_null(strstr(g.sentence, "APIKEY"));
	assert_null(strstr(g.sentence, "sesame"));
}

static void test_bad_reply(void **state)
{
	struct fixture *f = *state;
	struct rpc_call_options once = {.no_retry = true};
	struct got g;

	f->opts.n_urls = 1;
	f->node[0].mode = FAKE_GARBAGE;
	f->node[0].mode_spares_chain_id = true;
	open_rpc(f);
	call(f, &once, &g);
	assert_int_equal(g.status, RPC_BAD_REPLY);
	assert_non_null(strstr(g.sentence, "not JSON"));
}

static void test_wrong_chain(void **state)
{
	struct fixture *f = *state;
	struct rpc_call_options soon = {.deadline_ms = 300};
	struct rpc_endpoint_info info;
	struct got g;

	f->node[0].chain_id = 1;
	open_rpc(f);
	call(f, NULL, &g);
	assert_int_equal(g.status, RPC_OK);
	assert_int_equal(g.endpoint, 1);
	assert_true(rpc_endpoint_info(f->rpc, 0, &info));
	assert_int_equal(info.state, RPC_SET_ASIDE);
	assert_non_null(strstr(info.last_error, "is on chain 1, not on chain 31337"));
	assert_int_equal(f->node[0].n_requests, f->node[0].n_chain_id);
	/* nor is it used when nothing else is left */
	f->node[1].mode = FAKE_STATUS;
	f->node[1].status = 500;
	call(f, &soon, &g);
	assert_int_equal(g.status, RPC_UNREACHABLE);
	assert_int_equal(f->node[0].n_requests, f->node[0].n_chain_id);
	/* and it comes back when it is on the right chain */
	f->node[0].chain_id = 31337;
	call(f, NULL, &g);
	assert_int_equal(g.status, RPC_OK);
	assert_int_equal(g.endpoint, 0);
}

static void test_chain_id_shown_again_after_failure(void **state)
{
	struct fixture *f = *state;
	struct got g;
	unsigned before;

	f->opts.n_urls = 1;
	open_rpc(f);
	call(f, NULL, &g);
	before = f->node[0].n_chain_id;
	f->node[0].mode = FAKE_SLAM;
	call(f, &(struct rpc_call_options){.no_retry = true}, &g);
	assert_int_equal(g.status, RPC_UNREACHABLE);
	f->node[0].mode = FAKE_OK;
	f->node[0].chain_id = 5;
	call(f, &(struct rpc_call_options){.deadline_ms = 300}, &g);
	assert_int_equal(g.status, RPC_UNREACHABLE);
	assert_true(f->node[0].n_chain_id > before);
	assert_non_null(strstr(g.sentence, "is on chain 5"));
}

static void test_cancel(void **state)
{
	struct fixture *f = *state;
	struct got a = {0}, b = {0};
	uint64_t ca, cb;

	f->node[0].mode = FAKE_SILENT;
	f->node[0].mode_spares_chain_id = true;
	open_rpc(f);
	ca = rpc_call(f->rpc, "eth_test", "[]", NULL, on_reply, &a, NULL);
	cb = rpc_call(f->rpc, "eth_test", "[]", NULL, on_reply, &b, NULL);
	assert_true(ca && cb && ca != cb);
	rpc_cancel(f->rpc, ca); /* still waiting for the chain id */
	assert_int_equal(a.n, 1);
	assert_int_equal(a.status, RPC_CANCELLED);
	while (f->node[0].n_requests == f->node[0].n_chain_id)
		uv_run(&f->loop, UV_RUN_ONCE);
	rpc_cancel(f->rpc, cb); /* on the wire */
	assert_int_equal(b.n, 1);
	rpc_cancel(f->rpc, cb);
	rpc_cancel(f->rpc, 12345);
	assert_int_equal(a.n + b.n, 2);
	assert_int_equal(rpc_pending(f->rpc), 0);
}

static void test_ceiling(void **state)
{
	struct fixture *f = *state;
	struct got g[5] = {{0}};
	struct why why = {""};
	int i;

	f->node[0].mode = f->node[1].mode = FAKE_SILENT;
	f->opts.max_calls = 4;
	f->opts.max_in_flight = 2;
	open_rpc(f);
	for (i = 0; i < 4; i++)
		assert_true(rpc_call(f->rpc, "eth_test", "[]", NULL, on_reply, &g[i], &why));
	assert_false(rpc_call(f->rpc, "eth_test", "[]", NULL, on_reply, &g[4], &why));
	assert_non_null(strstr(why.text, "4 RPC calls"));
	close_rpc(f);
	for (i = 0; i < 4; i++) {
		assert_int_equal(g[i].n, 1);
		assert_int_equal(g[i].status, RPC_CANCELLED);
	}
	assert_int_equal(g[4].n, 0);
}

static void close_inside(void *arg, const struct rpc_reply *r)
{
	struct fixture *f = arg;

	(void)r;
	if (f->rpc)
		rpc_close(f->rpc, NULL, NULL);
	f->rpc = NULL;
}

static void test_close_from_a_callback(void **state)
{
	struct fixture *f = *state;

	open_rpc(f);
	assert_true(rpc_call(f->rpc, "eth_test", "[]", NULL, close_inside, f, NULL));
	assert_true(rpc_call(f->rpc, "eth_test", "[]", NULL, close_inside, f, NULL));
	while (f->rpc)
		uv_run(&f->loop, UV_RUN_ONCE);
}

static void test_many_at_once(void **state)
{
	struct fixture *f = *state;
	static struct got g[200];
	unsigned i, done = 0;

	memset(g, 0, sizeof g);
	f->opts.max_in_flight = 8;
	open_rpc(f);
	for (i = 0; i < 200; i++)
		assert_true(rpc_call(f->rpc, "eth_test", "[]", NULL, on_reply, &g[i], NULL));
	while (rpc_pending(f->rpc))
		uv_run(&f->loop, UV_RUN_ONCE);
	for (i = 0; i < 200; i++)
		done += g[i].n == 1 && g[i].status == RPC_OK;
	assert_int_equal(done, 200);
}

static void test_environment_proxy_is_ignored(void **state)
{
	struct fixture *f = *state;
	char proxy[64];
	struct got g;

	snprintf(proxy, sizeof proxy, "http://127.0.0.1:%d", fake_dead_port());
	setenv("http_proxy", proxy, 1);
	setenv("all_proxy", proxy, 1);
	open_rpc(f);
	call(f, NULL, &g);
	unsetenv("http_proxy");
	unsetenv("all_proxy");
	assert_int_equal(g.status, RPC_OK);
}

static void test_credentials_are_sent(void **state)
{
	struct fixture *f = *state;
	struct got g;

	f->opts.n_urls = 1;
	snprintf(f->url[0], sizeof f->url[0], "http://user:pass@127.0.0.1:%d/", f->node[0].port);
	open_rpc(f);
	call(f, NULL, &g);
	assert_int_equal(g.status, RPC_OK);
	assert_string_equal(f->node[0].last_authorization, "Basic dXNlcjpwYXNz");
}

static void test_bad_urls(void **state)
{
	static const char *const bad[] = {"ftp://127.0.0.1/", "file:///etc/passwd", "",
					  "::", "ws://127.0.0.1:8546"};
	struct fixture *f = *state;
	char masked[RPC_NAME_SIZE];
	struct why why;
	size_t i;

	f->opts.n_urls = 1;
	for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		f->urls[0] = bad[i];
		why.text[0] = '\0';
		assert_null(rpc_new(&f->loop, &f->opts, &why));
		assert_non_null(strstr(why.text, "RPC URL 1"));
	}
	f->opts.n_urls = 0;
	assert_null(rpc_new(&f->loop, &f->opts, &why));
	url_mask(masked, sizeof masked, "https://u:p@node.example/v3/SECRET?k=SECRET#x");
	assert_string_equal(masked, "https://node.example:443");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(test_answer),
	    T(test_first_answer_pins),
	    T(test_avoid_and_prefer),
	    T(test_node_error),
	    T(test_failover),
	    T(test_rate_limits),
	    T(test_retry_after),
	    T(test_words_beside_a_status),
	    T(test_400_with_error_is_an_answer),
	    T(test_dead_port_and_recovery),
	    T(test_all_dead),
	    T(test_bad_reply),
	    T(test_wrong_chain),
	    T(test_chain_id_shown_again_after_failure),
	    T(test_cancel),
	    T(test_ceiling),
	    T(test_close_from_a_callback),
	    T(test_many_at_once),
	    T(test_environment_proxy_is_ignored),
	    T(test_credentials_are_sent),
	    T(test_bad_urls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
