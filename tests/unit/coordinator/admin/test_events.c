/* Event streams: told at once and again, an eighth of the places at most, and their places given
 * back; /healthz finds room beside them and they end in order. */
#include "admin_world.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define CONNECTIONS 16
#define STREAMS     (CONNECTIONS / 8)
#define STRANGERS   40

static struct admin_world world;
static int stream[STREAMS], stranger[STRANGERS];
static char text[1u << 20];
static size_t got;
static int wanted;

static int begin(void **state)
{
	admin_world_open(&world, NULL);
	got = 0;
	*state = &world;
	return 0;
}

static int end(void **state)
{
	admin_world_close(*state);
	admin_world_remove(*state);
	return 0;
}

static int open_stream(void)
{
	static const char ask[] =
	    "GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n" WORLD_BEARER "\r\n";
	const int fd = admin_world_connect(&world);

	admin_world_send(&world, fd, ask, sizeof ask - 1);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

/* Reads what the first stream has to say. */
static void read_first(void)
{
	ssize_t n;

	while (got < sizeof text - 1 &&
	       (n = recv(stream[0], text + got, sizeof text - 1 - got, MSG_DONTWAIT)) > 0)
		got += (size_t)n;
	text[got] = '\0';
}

static bool told(struct admin_world *x)
{
	const char *at = text;
	int n = 0;

	(void)x;
	read_first();
	while ((at = strstr(at, "event: overview\ndata: {"))) {
		at++;
		n++;
	}
	return n >= wanted;
}

static void expect(const char *url, int status, const char *code)
{
	struct answer a;

	admin_world_get(&world, &a, url);
	assert_int_equal(a.status, status);
	if (code)
		assert_string_equal(answer_code(&a), code);
	answer_free(&a);
}

static bool all_open(struct admin_world *x)
{
	return x->admin->events.n == STREAMS;
}

static bool none_open(struct admin_world *x)
{
	return x->admin->events.n == 0 && x->admin->kept == 0;
}

static void open_all(void)
{
	size_t i;

	for (i = 0; i < STREAMS; i++)
		stream[i] = open_stream();
	admin_world_until(&world, all_open);
}

static void close_all(void)
{
	size_t i;

	for (i = 0; i < STREAMS; i++)
		close(stream[i]);
}

static void test_told_at_once_and_when_it_changes(void **state)
{
	struct answer a;

	(void)state;
	open_all();
	wanted = 1;
	admin_world_until(&world, told);
	assert_non_null(strstr(text, "Content-Type: text/event-stream"));
	assert_non_null(strstr(text, "Content-Security-Policy: default-src 'none'"));
	assert_non_null(strstr(text, "\"state\":\"ready\""));
	admin_world_ask(&world, &a, "PUT", "/api/v1/batches/7?commit_hash=52e4b64", WORLD_BEARER,
			span_of("{\"a\":1}", 7));
	assert_int_equal(a.status, 201);
	answer_free(&a);
	wanted = 2;
	admin_world_until(&world, told);
	assert_non_null(strstr(text, "\"last\":7"));
	close_all();
	admin_world_until(&world, none_open);
	assert_null(world.admin->events.last);
}

static void test_a_ceiling(void **state)
{
	size_t i;

	(void)state;
	open_all();
	expect("/api/v1/events", 503, "too_many_streams");
	expect("/api/v1/overview", 200, NULL);
	for (i = 0; i < STRANGERS; i++) {
		stranger[i] = admin_world_connect(&world);
		admin_world_send(&world, stranger[i], "GET /heal", 9);
		admin_world_turn(&world);
		if (i % 8 == 7)
			expect("/healthz", 200, NULL);
	}
	/* They stay, whoever comes. */
	assert_int_equal(world.admin->events.n, STREAMS);
	for (i = 0; i < STRANGERS; i++)
		close(stranger[i]);
	close_all();
	admin_world_until(&world, none_open);
	stream[0] = open_stream();
	wanted = 1;
	admin_world_until(&world, told);
	close(stream[0]);
}

static void test_it_ends_in_order(void **state)
{
	(void)state;
	open_all();
	wanted = 1;
	admin_world_until(&world, told);
	admin_world_close_admin(&world);
	read_first();
	assert_true(got > 5);
	assert_string_equal(text + got - 5, "0\r\n\r\n");
	close_all();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_told_at_once_and_when_it_changes, begin, end),
	    cmocka_unit_test_setup_teardown(test_a_ceiling, begin, end),
	    cmocka_unit_test_setup_teardown(test_it_ends_in_order, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
