/* http: a name that nobody answers for holds up nobody but who asks for it. */
#include "coordinator/base/http.h"

#include <netdb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static atomic_bool let_go;
static atomic_uint looking, looked_up;

/* The program's own symbol comes before the C library's, also for libcurl. */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
		struct addrinfo **out)
{
	int i;

	(void)node;
	(void)service;
	(void)hints;
	(void)out;
	looking++;
	for (i = 0; i < 1000 && !let_go; i++)
		usleep(10000);
	looked_up++;
	return EAI_AGAIN;
}

struct got {
	unsigned n;
	char sentence[256];
};

static void on_answer(void *arg, const struct http_answer *a)
{
	struct got *g = arg;

	g->n++;
	assert_false(a->arrived);
	snprintf(g->sentence, sizeof g->sentence, "%s", a->sentence);
}

static void after(void *arg)
{
	(void)arg;
}

static void test_silent_dns(void **state)
{
	const struct http_request req = {.url = "http://silent.test:8545/",
					 .timeout_ms = 200,
					 .connect_timeout_ms = 200,
					 .answer_max = 1024};
	struct http_transfer *t;
	struct got got = {0};
	struct why why = {""};
	struct http *http;
	uv_loop_t loop;

	(void)state;
	assert_int_equal(uv_loop_init(&loop), 0);
	http = http_new(&loop, false, after, NULL, &why);
	assert_non_null(http);
	/* It comes to its end, */
	assert_non_null(http_get(http, &req, on_answer, &got));
	while (!got.n)
		uv_run(&loop, UV_RUN_ONCE);
	assert_non_null(strstr(got.sentence, "Resolving timed out"));
	/* or is stopped before. */
	t = http_get(http, &req, on_answer, &got);
	assert_non_null(t);
	while (looking < 2)
		uv_run(&loop, UV_RUN_ONCE);
	http_stop(t);
	assert_int_equal(looked_up, 0);
	let_go = true;
	while (looked_up < 2)
		usleep(1000);
	usleep(100000); /* libcurl's threads end */
	http_close(http, NULL, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	assert_int_equal(got.n, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_silent_dns)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
