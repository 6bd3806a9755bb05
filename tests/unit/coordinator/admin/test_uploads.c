/* A batch input comes in: whole or in chunks, stored byte for byte, or refused with a reason. */
#include "admin_world.h"

#include <openssl/sha.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define URL(batch) "/api/v1/batches/" batch "?commit_hash=abc1234"

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

/* One JSON object of n bytes, another for each seed. */
static char *make_input(size_t n, unsigned seed)
{
	char *p = malloc(n);
	size_t i;

	assert_non_null(p);
	for (i = 0; i < n; i++)
		p[i] = (char)('a' + (i * 7 + i / 1000 + seed) % 26);
	memcpy(p, "{\"x\":\"", 6);
	memcpy(p + n - 2, "\"}", 2);
	return p;
}

static void is_stored(struct admin_world *x, const char *input, size_t n)
{
	char *read_back = malloc(n + 1);
	uint8_t sha[SHA256_DIGEST_LENGTH];
	struct why why = {""};
	int fd;

	assert_non_null(read_back);
	SHA256((const unsigned char *)input, n, sha);
	assert_int_equal(input_file_open(&fd, x->dir, sha, n, &why), INPUT_OK);
	assert_int_equal(read(fd, read_back, n + 1), n);
	assert_memory_equal(read_back, input, n);
	close(fd);
	free(read_back);
}

static void put(struct admin_world *x, const char *url, const char *body, size_t n, int status,
		const char *code)
{
	struct answer a;

	admin_world_ask(x, &a, "PUT", url, WORLD_BEARER, span_of(body, n));
	if (a.status != status || strcmp(answer_code(&a), code) != 0)
		fail_msg("PUT %s: %d %s, not %d %s", url, a.status, answer_code(&a), status, code);
	answer_free(&a);
}

static void put_text(struct admin_world *x, const char *url, const char *body, int status,
		     const char *code)
{
	put(x, url, body, strlen(body), status, code);
}

/* ---- what is taken ---- */

static void test_whole(void **state)
{
	static const size_t sizes[] = {8, 1000, 68000, 131072, 300000};
	struct admin_world *x = *state;
	size_t i, sum = 0;
	char url[96], *input;

	for (i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		input = make_input(sizes[i], (unsigned)i);
		snprintf(url, sizeof url, "/api/v1/batches/%zu?commit_hash=abc1234", i + 1);
		put(x, url, input, sizes[i], 201, "created");
		is_stored(x, input, sizes[i]);
		put(x, url, input, sizes[i], 200, "same");
		free(input);
		sum += sizes[i];
	}
	assert_int_equal(inputs_bytes(x->p.inputs), sum);
	assert_int_equal(inputs_counters(x->p.inputs)->stored, i);
}

/* Chunks of many sizes, the loop turning between them as on a slow line. */
static void send_chunks(struct admin_world *x, int fd, const char *input, size_t n)
{
	size_t at, take, k = 0;
	char line[32];

	for (at = 0; at < n; at += take) {
		take = k++ % 7 == 0 ? 1 : 1 + k * 97 % 1500;
		if (take > n - at)
			take = n - at;
		snprintf(line, sizeof line, "%zx\r\n", take);
		admin_world_send(x, fd, line, strlen(line));
		admin_world_send(x, fd, input + at, take);
		admin_world_send(x, fd, "\r\n", 2);
	}
	admin_world_send(x, fd, "0\r\n\r\n", 5);
	assert_true(k > 80);
}

static void test_chunked(void **state)
{
	static const char head[] = "PUT " URL("3") " HTTP/1.1\r\nHost: localhost\r\n" WORLD_BEARER
						   "Transfer-Encoding: chunked\r\n\r\n";
	static const size_t sizes[] = {69632, 400000};
	struct admin_world *x = *state;
	struct answer a;
	size_t i;
	char *input;
	int fd = admin_world_connect(x);

	for (i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		input = make_input(sizes[i], (unsigned)i);
		/* The second is other content, on the same connection. */
		admin_world_send(x, fd, head, sizeof head - 1);
		send_chunks(x, fd, input, sizes[i]);
		admin_world_receive(x, fd, &a);
		assert_int_equal(a.status, i ? 409 : 201);
		assert_string_equal(answer_code(&a), i ? "other_content" : "created");
		answer_free(&a);
		if (!i)
			is_stored(x, input, sizes[i]);
		free(input);
	}
	while (inputs_wasted(x->p.inputs)) /* what was refused goes */
		uv_run(&x->loop, UV_RUN_ONCE);
	assert_int_equal(inputs_bytes(x->p.inputs), sizes[0]);
	close(fd);
}

static void test_two_at_once(void **state)
{
	struct admin_world *x = *state;
	char *input[2], head[2][256];
	const size_t n = 90000;
	struct answer a;
	size_t i, at;
	int fd[2];

	for (i = 0; i < 2; i++) {
		input[i] = make_input(n, (unsigned)i);
		fd[i] = admin_world_connect(x);
		snprintf(head[i], sizeof head[i],
			 "PUT /api/v1/batches/%zu?commit_hash=abc1234 HTTP/1.1\r\nHost: "
			 "localhost\r\n" WORLD_BEARER "Content-Length: %zu\r\n\r\n",
			 i + 1, n);
		admin_world_send(x, fd[i], head[i], strlen(head[i]));
	}
	for (at = 0; at < n; at += 10000)
		for (i = 0; i < 2; i++)
			admin_world_send(x, fd[i], input[i] + at, 10000);
	for (i = 0; i < 2; i++) {
		admin_world_receive(x, fd[i], &a);
		assert_int_equal(a.status, 201);
		answer_free(&a);
		is_stored(x, input[i], n);
		free(input[i]);
		close(fd[i]);
	}
}

static void test_same_batch_other_version(void **state)
{
	put_text(*state, URL("5"), "{\"a\":1}", 201, "created");
	put_text(*state, "/api/v1/batches/5?commit_hash=def5678", "{\"a\":2}", 201, "created");
}

/* ---- what is refused ---- */

static void test_bad_names(void **state)
{
	static const char *const numbers[] = {"",
					      "-1",
					      "+1",
					      "x",
					      "1x",
					      "1/2",
					      "%201",
					      "0x1",
					      "1.0",
					      "18446744073709551616",
					      "99999999999999999999999"};
	struct admin_world *x = *state;
	char url[128];
	size_t i;

	for (i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		snprintf(url, sizeof url, "/api/v1/batches/%s?commit_hash=abc1234", numbers[i]);
		put_text(x, url, "{}", 400, "bad_batch");
	}
	put_text(x, "/api/v1/batches/18446744073709551615?commit_hash=abc1234", "{}", 400,
		 "bad_request");
	put_text(x, "/api/v1/batches/9007199254740992?commit_hash=abc1234", "{}", 400,
		 "bad_request");
	put_text(x, "/api/v1/batches/1", "{}", 400, "no_commit_hash");
	put_text(x, "/api/v1/batches/1?commit=abc1234", "{}", 400, "no_commit_hash");
	put_text(x, "/api/v1/batches/1?commit_hash=", "{}", 400, "bad_request");
	put_text(x, "/api/v1/batches/1?commit_hash=abc", "{}", 400, "bad_request");
	put_text(x, "/api/v1/batches/1?commit_hash=..%2F..%2Fx", "{}", 400, "bad_request");
	put_text(x, URL("0"), "{}", 400, "bad_request");
	assert_int_equal(inputs_bytes(x->p.inputs), 0);
	put_text(x, "/api/v1/batches/9007199254740991?commit_hash=abc1234", "{}", 201, "created");
}

static void test_not_json(void **state)
{
	static const char *const texts[] = {"",      "[]",      "1",          "{",
					    "{} {}", "{\"a\"}", "{\"a\":1}x", "{\"a\":01}"};
	struct admin_world *x = *state;
	size_t i;

	for (i = 0; i < sizeof texts / sizeof *texts; i++)
		put_text(x, URL("1"), texts[i], 422, "invalid_input");
	assert_int_equal(inputs_bytes(x->p.inputs), 0);
	assert_int_equal(inputs_counters(x->p.inputs)->refused, i);
	put_text(x, URL("1"), "{}", 201, "created");
}

static void test_other_content(void **state)
{
	put_text(*state, URL("1"), "{\"a\":1}", 201, "created");
	put_text(*state, URL("1"), "{\"a\":2}", 409, "other_content");
	put_text(*state, URL("1"), "{\"a\":1}", 200, "same");
}

static void test_too_big(void **state)
{
	struct admin_world *x = *state;
	const size_t n = WORLD_INPUT_MAX + 1;
	char *input = make_input(n, 0);

	put(x, URL("1"), input, n, 413, "too_big");
	assert_int_equal(inputs_bytes(x->p.inputs), 0);
	free(input);
	input = make_input(n - 1, 0);
	put(x, URL("1"), input, n - 1, 201, "created");
	is_stored(x, input, n - 1);
	free(input);
}

static void test_quota(void **state)
{
	struct admin_world *x = *state;
	const size_t n = WORLD_INPUT_QUOTA / 2 + 1;
	char *input = make_input(n, 0);

	put(x, URL("1"), input, n, 201, "created");
	input[10] = '-';
	put(x, URL("2"), input, n, 507, "no_space");
	assert_int_equal(inputs_bytes(x->p.inputs), n);
	put_text(x, URL("2"), "{}", 201, "created");
	free(input);
}

static void test_verified_or_not_ready(void **state)
{
	const struct work_chain chain = {5, 5, 5};
	struct admin_world *x = *state;
	struct why why;

	work_set_chain(x->p.work, &chain, &why);
	put_text(x, URL("5"), "{}", 410, "verified");
	put_text(x, URL("6"), "{}", 201, "created");
	admin_set_state(x->admin, ADMIN_STARTING);
	put_text(x, URL("7"), "{}", 503, "not_ready");
	admin_set_state(x->admin, ADMIN_DRAINING);
	put_text(x, URL("7"), "{}", 503, "not_ready");
}

/* Who asks first hears it before the body is on its way. */
static void test_expect_is_answered_early(void **state)
{
	static const char head[] = "PUT " URL("x") " HTTP/1.1\r\nHost: localhost\r\n" WORLD_BEARER
						   "Expect: 100-continue\r\nContent-Length: "
						   "900000\r\n\r\n";
	struct admin_world *x = *state;
	int fd = admin_world_connect(x);
	struct answer a;

	admin_world_send(x, fd, head, sizeof head - 1);
	admin_world_receive(x, fd, &a);
	assert_int_equal(a.status, 400);
	assert_string_equal(answer_code(&a), "bad_batch");
	answer_free(&a);
	close(fd);
}

static bool is_idle(struct admin_world *x)
{
	return !x->admin->requests;
}

static bool has_bytes(struct admin_world *x)
{
	return inputs_bytes(x->p.inputs) > 0;
}

/* Who goes away in the middle leaves nothing behind. */
static void test_a_client_that_leaves(void **state)
{
	static const char head[] = "PUT " URL("1") " HTTP/1.1\r\nHost: localhost\r\n" WORLD_BEARER
						   "Content-Length: 900000\r\n\r\n";
	struct admin_world *x = *state;
	char *input = make_input(70000, 0);
	int fd = admin_world_connect(x);

	admin_world_send(x, fd, head, sizeof head - 1);
	admin_world_send(x, fd, input, 70000);
	admin_world_until(x, has_bytes);
	close(fd);
	admin_world_until(x, is_idle);
	assert_int_equal(inputs_bytes(x->p.inputs), 0);
	put_text(x, URL("1"), "{}", 201, "created");
	free(input);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_whole),
	    TEST(test_chunked),
	    TEST(test_two_at_once),
	    TEST(test_same_batch_other_version),
	    TEST(test_bad_names),
	    TEST(test_not_json),
	    TEST(test_other_content),
	    TEST(test_too_big),
	    TEST(test_quota),
	    TEST(test_verified_or_not_ready),
	    TEST(test_expect_is_answered_early),
	    TEST(test_a_client_that_leaves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
