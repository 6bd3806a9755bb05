/* What the operator can ask, who may ask, and what a prover's key is told: durably. */
#include "admin_world.h"

#include "coordinator/registrar/rows.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static const struct eth_address key_a = {{0xaa, 1}}, key_b = {{0xbb, 2}};

static int begin(void **state)
{
	static struct admin_world x;

	admin_world_open(&x, NULL);
	*state = &x;
	return 0;
}

static int end(void **state)
{
	admin_world_close(*state);
	admin_world_remove(*state);
	return 0;
}

static int begin_tcp(void **state)
{
	static struct admin_world x;
	char listen[32];

	snprintf(listen, sizeof listen, "127.0.0.1:%d", fake_dead_port());
	admin_world_open(&x, listen);
	*state = &x;
	return 0;
}

/* ---- documents ---- */

static void has_keys(const json_t *j, const char *keys)
{
	char list[512], *key, *save = NULL;

	snprintf(list, sizeof list, "%s", keys);
	for (key = strtok_r(list, " ", &save); key; key = strtok_r(NULL, " ", &save))
		if (!json_object_get(j, key))
			fail_msg("\"%s\" is missing", key);
}

static void expect_text(struct admin_world *x, const char *url, int status, const char *text)
{
	struct answer a;

	admin_world_ask(x, &a, "GET", url, "", span_of(NULL, 0));
	assert_int_equal(a.status, status);
	assert_true(a.body.len >= strlen(text));
	assert_non_null(memmem(a.body.p, a.body.len, text, strlen(text)));
	assert_non_null(strstr(a.head, "text/plain"));
	assert_non_null(strstr(a.head, "no-store"));
	answer_free(&a);
}

static void test_open_to_all(void **state)
{
	struct admin_world *x = *state;

	expect_text(x, "/healthz", 200, "ok\n");
	expect_text(x, "/readyz", 200, "ready\n");
	expect_text(x, "/metrics", 200, "\nproof_coordinator_up 1\n");
	admin_set_state(x->admin, ADMIN_STARTING);
	expect_text(x, "/readyz", 503, "starting\n");
	expect_text(x, "/metrics", 200, "\nproof_coordinator_up 0\n");
	admin_set_state(x->admin, ADMIN_DRAINING);
	expect_text(x, "/readyz", 503, "draining\n");
	expect_text(x, "/healthz", 200, "ok\n");
}

static void test_metrics(void **state)
{
	static const char *const names[] = {"batches",
					    "inputs_stored_total",
					    "l1_readable",
					    "quotes_total{verdict=\"attested\"}",
					    "collateral_answers_total",
					    "store_transactions_total",
					    "submits_total{answer=\"accepted\"}",
					    "transactions_total",
					    "gas_used_total{kind=\"verify\"}",
					    "build_info{version=\"9.8.7\"} 1\n",
					    "decoder_queue 0\n",
					    "decoder_refusals_total 0\n",
					    "transactions_total{outcome=\"failed_on_chain\"} 0",
					    "log_lines_dropped_total"};
	static const char *const standard[] = {
	    "start_time_seconds 1",  "cpu_seconds_total ", "resident_memory_bytes ",
	    "virtual_memory_bytes ", "open_fds ",          "max_fds "};
	struct admin_world *x = *state;
	char line[96];
	size_t i;

	for (i = 0; i < sizeof names / sizeof *names; i++) {
		snprintf(line, sizeof line, "\nproof_coordinator_%s", names[i]);
		expect_text(x, "/metrics", 200, line);
	}
	for (i = 0; i < sizeof standard / sizeof *standard; i++) {
		snprintf(line, sizeof line, "\nprocess_%s", standard[i]);
		expect_text(x, "/metrics", 200, line);
	}
}

static void test_status(void **state)
{
	struct admin_world *x = *state;
	const uint8_t sha[32] = {1};
	const json_t *l1, *batch;
	struct answer a;
	struct why why;

	assert_int_equal(work_add_input(x->p.work, 7, "abc1234", sha, 99, &why), WORK_INPUT_NEW);
	admin_world_get(x, &a, "/api/v1/status");
	assert_int_equal(a.status, 200);
	has_keys(a.json, "version ready tdx_dev_mode uptime_s l1 work batches");
	assert_string_equal(json_string_value(json_object_get(a.json, "version")), "9.8.7");
	assert_true(json_is_true(json_object_get(a.json, "ready")));
	assert_true(json_is_true(json_object_get(a.json, "tdx_dev_mode")));
	has_keys(json_object_get(a.json, "work"),
		 "batches inputs input_bytes leases oldest_waiting");
	l1 = json_object_get(a.json, "l1");
	has_keys(l1, "readable trouble chain_id l2_chain_id last_committed_batch needs signer "
		     "last_verified_batch endpoints sender next");
	assert_true(json_is_false(json_object_get(l1, "readable")));
	batch = json_array_get(json_object_get(a.json, "batches"), 0);
	has_keys(batch, "batch committed verified input_bytes types");
	assert_int_equal(json_integer_value(json_object_get(batch, "batch")), 7);
	has_keys(json_object_get(json_object_get(batch, "types"), "TDX"),
		 "done leased_to unjudged good bad");
	answer_free(&a);
}

static void test_status_with_l1(void **state)
{
	struct admin_world *x = *state;
	const json_t *l1;
	struct answer a;

	x->w.committed = 9;
	x->w.verified = 4;
	admin_world_read_l1(x);
	admin_world_get(x, &a, "/api/v1/status");
	l1 = json_object_get(a.json, "l1");
	assert_true(json_is_true(json_object_get(l1, "readable")));
	assert_int_equal(json_integer_value(json_object_get(l1, "last_committed_batch")), 9);
	assert_int_equal(json_integer_value(json_object_get(l1, "last_verified_batch")), 4);
	assert_int_equal(json_integer_value(json_object_get(l1, "chain_id")), L1_WORLD_CHAIN_ID);
	assert_int_equal(json_array_size(json_object_get(l1, "needs")), 1);
	has_keys(json_array_get(json_object_get(l1, "endpoints"), 0),
		 "endpoint state latency_ms last_error");
	answer_free(&a);
	admin_world_post(x, &a, "/api/v1/collateral/refresh");
	assert_int_equal(a.status, 202);
	assert_string_equal(answer_code(&a), "refreshing");
	answer_free(&a);
}

static void test_collateral(void **state)
{
	struct admin_world *x = *state;
	struct answer a;

	admin_world_get(x, &a, "/api/v1/collateral");
	assert_int_equal(a.status, 200);
	has_keys(a.json, "platforms sources");
	has_keys(json_array_get(json_object_get(a.json, "sources"), 0),
		 "source failures_in_a_row rests_until last_failure answers");
	answer_free(&a);
	admin_world_get(x, &a, "/api/v1/tcb-status");
	assert_int_equal(a.status, 200);
	has_keys(a.json, "provers platforms on_chain");
	has_keys(json_object_get(a.json, "on_chain"),
		 "stack wanted_evaluation_number at verdict items");
	answer_free(&a);
	/* What time it is, L1 has not said yet. */
	admin_world_post(x, &a, "/api/v1/collateral/refresh");
	assert_int_equal(a.status, 503);
	assert_string_equal(answer_code(&a), "not_refreshed");
	answer_free(&a);
}

static void test_verdicts(void **state)
{
	struct admin_world *x = *state;
	static const char json[] = "{\"accepted\":false}";
	const uint8_t sha[32] = {0xab, 0xcd};
	const struct verdict_note note = {.sha256 = sha,
					  .at = 1000,
					  .source = "10.0.0.7",
					  .answer = "refused",
					  .sentence = "too old",
					  .json = span_of(json, sizeof json - 1)};
	struct answer a;

	verdicts_keep((struct verdicts *)x->p.verdicts, x->p.store, &note);
	admin_world_get(x, &a, "/api/v1/verdicts");
	assert_int_equal(a.status, 200);
	assert_int_equal(json_array_size(json_object_get(a.json, "verdicts")), 1);
	answer_free(&a);
	admin_world_get(x, &a, "/api/v1/verdicts/abcd");
	assert_int_equal(a.status, 200);
	assert_string_equal(json_string_value(json_object_get(a.json, "reason")), "too old");
	answer_free(&a);
	admin_world_get(x, &a, "/api/v1/verdicts/abce");
	assert_int_equal(a.status, 404);
	assert_string_equal(answer_code(&a), "no_verdict");
	answer_free(&a);
}

/* ---- who may ask, and what ---- */

static void refused(struct admin_world *x, const char *method, const char *url, const char *head,
		    int status, const char *code)
{
	struct answer a;

	admin_world_ask(x, &a, method, url, head, span_of(NULL, 0));
	if (a.status != status || strcmp(answer_code(&a), code) != 0)
		fail_msg("%s %s %s: %d %s", method, url, head, a.status, answer_code(&a));
	assert_true(json_is_string(json_object_get(a.json, "message")));
	if (status == 401)
		assert_non_null(strstr(a.head, "WWW-Authenticate: Bearer"));
	answer_free(&a);
}

static void test_no_token(void **state)
{
	static const char *const heads[] = {"",
					    "Authorization: Bearer \r\n",
					    "Authorization: Bearer 0123456789abcde\r\n",
					    "Authorization: Bearer 0123456789abcdeff\r\n",
					    "Authorization: Bearer 0123456789abcdeF\r\n",
					    "Authorization: Basic 0123456789abcdef\r\n",
					    "Authorization: " WORLD_TOKEN "\r\n"};
	static const char *const urls[][2] = {{"GET", "/api/v1/status"},
					      {"GET", "/api/v1/provers"},
					      {"GET", "/api/v1/overview"},
					      {"GET", "/api/v1/events"},
					      {"GET", "/api/v1/verdicts"},
					      {"GET", "/api/v1/tcb-status"},
					      {"GET", "/api/v1/collateral"},
					      {"POST", "/api/v1/collateral/refresh"},
					      {"POST", "/api/v1/provers/x/promote"},
					      {"PUT", "/api/v1/batches/1?commit_hash=abc1234"}};
	size_t i;

	for (i = 0; i < sizeof heads / sizeof *heads; i++)
		refused(*state, "GET", "/api/v1/status", heads[i], 401, "bad_token");
	for (i = 0; i < sizeof urls / sizeof *urls; i++)
		refused(*state, urls[i][0], urls[i][1], "", 401, "bad_token");
}

/* As RFC 9110 has a scheme and its credentials. */
static void test_ways_to_write_the_token(void **state)
{
	static const char *const heads[] = {"Authorization: bearer " WORLD_TOKEN "\r\n",
					    "authorization: BEARER " WORLD_TOKEN "\r\n",
					    "Authorization: Bearer   " WORLD_TOKEN "\r\n",
					    "Authorization: Bearer " WORLD_TOKEN "  \r\n"};
	struct answer a;
	size_t i;

	for (i = 0; i < sizeof heads / sizeof *heads; i++) {
		admin_world_ask(*state, &a, "GET", "/api/v1/status", heads[i], span_of(NULL, 0));
		assert_int_equal(a.status, 200);
		answer_free(&a);
	}
}

static void test_unknown(void **state)
{
	static const char *const unknown[] = {
	    "//",        "/page",           "/api/v1/nothing",  "/healthz/",
	    "/metricsx", "/api/v1/status/", "/api/v1/verdictsx"};
	size_t i;

	for (i = 0; i < sizeof unknown / sizeof *unknown; i++)
		refused(*state, "GET", unknown[i], WORLD_BEARER, 404, "not_found");
	refused(*state, "POST", "/healthz", WORLD_BEARER, 405, "bad_method");
	refused(*state, "DELETE", "/api/v1/status", WORLD_BEARER, 405, "bad_method");
	refused(*state, "GET", "/api/v1/batches/1", WORLD_BEARER, 405, "bad_method");
	refused(*state, "GET", "/api/v1/collateral/refresh", WORLD_BEARER, 405, "bad_method");
}

static void test_host_on_tcp(void **state)
{
	static const char *const bad[] = {"Host: example.org\r\n",
					  "Host: 127.0.0.1.example.org\r\n",
					  "Host: localhost.example.org:80\r\n",
					  "Host: 10.0.0.1\r\n",
					  "Host: [::2]\r\n",
					  "Host: [::1].example.org\r\n",
					  "Host: \r\n"};
	static const char *const good[] = {"Host: 127.0.0.1:1\r\n", "Host: localhost\r\n",
					   "Host: 127.9.9.9\r\n", "Host: localhost:80\r\n"};
	struct answer a;
	size_t i;

	for (i = 0; i < sizeof bad / sizeof *bad; i++)
		refused(*state, "GET", "/healthz", bad[i], 403, "bad_host");
	for (i = 0; i < sizeof good / sizeof *good; i++) {
		admin_world_ask(*state, &a, "GET", "/healthz", good[i], span_of(NULL, 0));
		assert_int_equal(a.status, 200);
		answer_free(&a);
	}
}

/* ---- what could be read in two ways ---- */

/* Answered once, with 400, and the connection ends whatever else was sent. */
static void malformed(struct admin_world *x, const char *request, const char *fault)
{
	int fd = admin_world_connect(x);
	struct answer a;
	ssize_t n = -1;
	char byte;

	admin_world_send(x, fd, request, strlen(request));
	admin_world_receive(x, fd, &a);
	if (a.status != 400 || strcmp(answer_code(&a), "malformed") != 0)
		fail_msg("%d %s to %s", a.status, answer_code(&a), request);
	if (!memmem(a.body.p, a.body.len, fault, strlen(fault)))
		fail_msg("\"%s\" is not in %.*s", fault, (int)a.body.len, (char *)a.body.p);
	answer_free(&a);
	while (n < 0) {
		admin_world_turn(x);
		n = recv(fd, &byte, 1, 0);
		if (n < 0 && errno == ECONNRESET)
			n = 0;
	}
	assert_int_equal(n, 0);
	close(fd);
}

#define PUT_1                                                                                      \
	"PUT /api/v1/batches/1?commit_hash=abc1234 HTTP/1.1\r\nHost: localhost\r\n" WORLD_BEARER

static void test_malformed(void **state)
{
	static const char *const cases[][2] = {
	    {PUT_1 "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
	     "two Content-Length headers"},
	    {PUT_1 "Content-Length: 2\r\ncontent-length: 7\r\n\r\n{}\r\nGET",
	     "two Content-Length headers"},
	    {PUT_1 "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
	     "both Content-Length and Transfer-Encoding"},
	    {PUT_1 "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
	     "both Content-Length and Transfer-Encoding"},
	    {PUT_1 "Transfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
	     "a transfer encoding other than chunked"},
	    {PUT_1 "Content-Length : 2\r\n\r\n{}", "white space in the name of a header"},
	    {PUT_1 "Host: localhost\r\nContent-Length: 2\r\n\r\n{}", "two Host headers"},
	    {PUT_1 WORLD_BEARER "Content-Length: 2\r\n\r\n{}", "two Authorization headers"},
	    {"PUT /api/v1/batches/1?commit_hash=abc1234%00 HTTP/1.1\r\nHost: "
	     "localhost\r\n" WORLD_BEARER "Content-Length: 2\r\n\r\n{}",
	     "a zero byte"},
	    {"PUT /api/v1/batches/1%00?commit_hash=abc1234 HTTP/1.1\r\nHost: "
	     "localhost\r\n" WORLD_BEARER "Content-Length: 2\r\n\r\n{}",
	     "a zero byte"},
	    {"PUT /api/v1/batches/1?commit_hash=abc1234&x%00=1 HTTP/1.1\r\nHost: "
	     "localhost\r\n" WORLD_BEARER "Content-Length: 2\r\n\r\n{}",
	     "a zero byte"},
	    {"PUT /api/v1/batches/1?commit_hash=abc1234&commit_hash=abc1235 HTTP/1.1\r\n"
	     "Host: localhost\r\n" WORLD_BEARER "Content-Length: 2\r\n\r\n{}",
	     "two commit_hash"},
	    {"PUT /api/v1/batches/1?commit_hash=abc1234&Commit_Hash=abc1235 HTTP/1.1\r\n"
	     "Host: localhost\r\n" WORLD_BEARER "Content-Length: 2\r\n\r\n{}",
	     "two commit_hash"},
	    {"GET /healthz%00 HTTP/1.1\r\nHost: localhost\r\n\r\n", "a zero byte"},
	    {"GET /api/v1/verdicts/ab%00cd HTTP/1.1\r\nHost: localhost\r\n\r\n", "a zero byte"},
	};
	struct admin_world *x = *state;
	struct answer a;
	size_t i;

	for (i = 0; i < sizeof cases / sizeof *cases; i++)
		malformed(x, cases[i][0], cases[i][1]);
	assert_int_equal(inputs_bytes(x->p.inputs), 0);
	/* An escaped percent sign is none. */
	admin_world_get(x, &a, "/api/v1/nothing%2500");
	assert_int_equal(a.status, 404);
	answer_free(&a);
}

/* ---- provers ---- */

/* Two keys without attestation; the contract holds the first. */
static void meet(struct admin_world *x)
{
	const struct eth_address *const keys[] = {&key_a, &key_b};
	struct registrar_prover p = {
	    .kind = REGISTRAR_DEV, .source = "10.0.0.7", .fit = REGISTRAR_FIT};
	struct why why;
	size_t i;

	registrar_set_contract(x->p.registrar, &x->w.verifier, true);
	registrar_set_signer(x->p.registrar, &key_a, 1, &why);
	for (i = 0; i < 2; i++) {
		p.signer = *keys[i];
		p.payload = span_of(keys[i]->b, 20);
		p.first_seen_ms = p.last_seen_ms = 1 + i;
		assert_true(registrar_restore(x->p.registrar, &p));
	}
}

static void url_of(char out[128], const struct eth_address *key, const char *verb)
{
	char text[ETH_ADDRESS_TEXT_SIZE];

	eth_address_print(text, key);
	snprintf(out, 128, "/api/v1/provers/%s/%s", text, verb);
}

static void post(struct admin_world *x, const struct eth_address *key, const char *verb, int status,
		 const char *code)
{
	char url[128];

	url_of(url, key, verb);
	refused(x, "POST", url, WORLD_BEARER, status, code);
}

static void test_provers(void **state)
{
	struct admin_world *x = *state;
	const json_t *list;
	struct answer a;

	meet(x);
	admin_world_get(x, &a, "/api/v1/provers");
	assert_int_equal(a.status, 200);
	list = json_object_get(a.json, "provers");
	assert_int_equal(json_array_size(list), 2);
	has_keys(json_array_get(list, 0), "signer active state payload source first_seen_ms "
					  "last_seen_ms last_proof_ms proofs evidence names");
	answer_free(&a);
}

static void test_change_refusals(void **state)
{
	static const struct eth_address stranger = {{0xcc}};
	struct admin_world *x = *state;

	meet(x);
	post(x, &stranger, "promote", 409, "not_promoted");
	post(x, &key_a, "promote", 409, "not_promoted"); /* the contract's already */
	post(x, &key_b, "forget", 404, "not_found");
	refused(x, "POST", "/api/v1/provers/", WORLD_BEARER, 404, "not_found");
	refused(x, "POST", "/api/v1/provers/0x12/promote", WORLD_BEARER, 400, "bad_address");
	assert_int_equal(x->wakes, 0);
	/* One that has not come yet may be revoked. */
	post(x, &stranger, "revoke", 200, "revoked");
	assert_non_null(registrar_revoked_by(x->p.registrar, &stranger));
}

struct found {
	bool promoted, revoked;
	struct registrar *registrar;
};

static bool on_fact(void *arg, const struct store_fact *row, struct why *why)
{
	struct found *f = arg;

	(void)why;
	if (span_eq(row->key, span_of(PROVER_PROMOTED_FACT, strlen(PROVER_PROMOTED_FACT))))
		f->promoted = row->value.n == 20 && memcmp(row->value.p, key_b.b, 20) == 0;
	/* As an earlier run left it: a registrar that reads the row knows. */
	else if (prover_fact_get(f->registrar, row))
		f->revoked |= registrar_revoked_by(f->registrar, &key_a) != NULL;
	return true;
}

static void look_after(struct admin_world *x, struct found *out)
{
	const struct store_visitor visitor = {.fact = on_fact};
	const struct registrar_settings rs = {.max_provers = 8, .allow_dev_mode = true};
	const struct store_options so = {.dir = x->dir};
	struct why why = {""};
	struct store *store;
	uv_loop_t loop;

	*out = (struct found){.registrar = registrar_new(&rs)};
	uv_loop_init(&loop);
	assert_int_equal(store_open(&store, &loop, &so, &why), STORE_OK);
	assert_int_equal(store_load(store, &visitor, out, &why), STORE_OK);
	store_close(store, NULL, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	registrar_free(out->registrar);
}

static void test_promote_and_revoke_last(void **state)
{
	static struct admin_world x;
	struct found found;

	(void)state;
	admin_world_open(&x, NULL);
	meet(&x);
	post(&x, &key_b, "promote", 200, "promoted");
	assert_true(eth_address_equal(registrar_promoted(x.p.registrar), &key_b));
	post(&x, &key_a, "revoke", 200, "revoked");
	assert_non_null(registrar_revoked_by(x.p.registrar, &key_a));
	assert_true(x.wakes > 0);
	admin_world_close(&x);
	look_after(&x, &found);
	assert_true(found.promoted);
	assert_true(found.revoked);
	admin_world_remove(&x);
}

static void call_revocation(struct admin_world *x, const char *method, const char *name, int status,
			    const char *code)
{
	char url[192];

	snprintf(url, sizeof url, "/api/v1/revocations/%s", name);
	refused(x, method, url, WORLD_BEARER, status, code);
}

static void test_revocations(void **state)
{
	static const char ppid[] = "ppid:00112233445566778899aabbccddeeff";
	struct admin_world *x = *state;
	char key[ETH_ADDRESS_TEXT_SIZE];
	const json_t *list;
	struct answer a;

	meet(x);
	eth_address_print(key, &key_a);
	call_revocation(x, "POST", "ppid:0011", 400, "bad_revocation");
	call_revocation(x, "DELETE", "serial:1", 400, "bad_revocation");
	call_revocation(x, "DELETE", ppid, 404, "not_revoked");
	call_revocation(x, "POST", ppid, 200, "revoked");
	call_revocation(x, "POST", key, 200, "revoked");
	admin_world_get(x, &a, "/api/v1/revocations");
	assert_int_equal(a.status, 200);
	list = json_object_get(a.json, "revocations");
	assert_int_equal(json_array_size(list), 2);
	has_keys(json_array_get(list, 0), "what at_ms keys");
	assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "what")),
			    key);
	assert_int_equal(json_array_size(json_object_get(json_array_get(list, 0), "keys")), 1);
	assert_int_equal(json_array_size(json_object_get(json_array_get(list, 1), "keys")), 0);
	answer_free(&a);
	call_revocation(x, "DELETE", key, 200, "unrevoked");
	assert_null(registrar_revoked_by(x->p.registrar, &key_a));
}

static void test_revoking_the_promoted(void **state)
{
	static struct admin_world x;
	struct found found;

	(void)state;
	admin_world_open(&x, NULL);
	meet(&x);
	post(&x, &key_b, "promote", 200, "promoted");
	post(&x, &key_b, "revoke", 200, "revoked");
	assert_null(registrar_promoted(x.p.registrar));
	post(&x, &key_b, "promote", 409, "not_promoted");
	admin_world_close(&x);
	look_after(&x, &found);
	assert_false(found.promoted);
	admin_world_remove(&x);
}

/* No file may grow: the disk refuses, and the operator must not believe that it is kept. */
static void test_a_disk_that_refuses(void **state)
{
	struct admin_world *x = *state;
	struct rlimit was, none;

	meet(x);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	none = (struct rlimit){0, was.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	post(x, &key_b, "promote", 503, "not_kept");
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	post(x, &key_b, "promote", 200, "promoted");
}

/* What could not be stored is not done: it can be said again, and no restart undoes it. */
static void test_unrevoking_on_a_disk_that_refuses(void **state)
{
	static struct admin_world x;
	char key[ETH_ADDRESS_TEXT_SIZE];
	struct rlimit was, none;
	struct found found;

	(void)state;
	admin_world_open(&x, NULL);
	meet(&x);
	eth_address_print(key, &key_a);
	call_revocation(&x, "POST", key, 200, "revoked");
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	none = (struct rlimit){0, was.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	call_revocation(&x, "DELETE", key, 503, "not_kept");
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	assert_non_null(registrar_revoked_by(x.p.registrar, &key_a));
	call_revocation(&x, "DELETE", key, 200, "unrevoked");
	assert_null(registrar_revoked_by(x.p.registrar, &key_a));
	call_revocation(&x, "DELETE", key, 404, "not_revoked");
	admin_world_close(&x);
	look_after(&x, &found);
	assert_false(found.revoked);
	admin_world_remove(&x);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_open_to_all),
	    TEST(test_metrics),
	    TEST(test_status),
	    TEST(test_status_with_l1),
	    TEST(test_collateral),
	    TEST(test_verdicts),
	    TEST(test_no_token),
	    TEST(test_ways_to_write_the_token),
	    TEST(test_unknown),
	    TEST(test_malformed),
	    cmocka_unit_test_setup_teardown(test_host_on_tcp, begin_tcp, end),
	    TEST(test_provers),
	    TEST(test_change_refusals),
	    TEST(test_revocations),
	    cmocka_unit_test(test_promote_and_revoke_last),
	    cmocka_unit_test(test_revoking_the_promoted),
	    TEST(test_a_disk_that_refuses),
	    cmocka_unit_test(test_unrevoking_on_a_disk_that_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
