/* Clients that are slow, silent or many: the listener goes on, and /healthz always finds room. */
#include "admin_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define CONNECTIONS 16
#define MANY        60

static int begin(void **state)
{
	static struct admin_world x;

	admin_world_open(&x, NULL);
	*state = &x;
	return 0;
}

static int begin_hasty(void **state)
{
	static struct admin_world x;

	admin_world_open_with(&x, NULL, CONNECTIONS, 1);
	*state = &x;
	return 0;
}

static int end(void **state)
{
	admin_world_close(*state);
	admin_world_remove(*state);
	return 0;
}

static void expect_health(struct admin_world *x)
{
	struct answer a;

	admin_world_ask(x, &a, "GET", "/healthz", "", span_of(NULL, 0));
	assert_int_equal(a.status, 200);
	answer_free(&a);
}

static int say(struct admin_world *x, const char *text)
{
	const int fd = admin_world_connect(x);

	admin_world_send(x, fd, text, strlen(text));
	admin_world_turn(x);
	return fd;
}

static int clients[MANY];

static bool all_ended(struct admin_world *x)
{
	char byte;
	size_t i;

	(void)x;
	for (i = 0; i < CONNECTIONS; i++)
		if (recv(clients[i], &byte, 1, MSG_PEEK) != 0)
			return false;
	return true;
}

static void close_all(size_t n)
{
	while (n--)
		close(clients[n]);
}

static void test_accepts_after_all_timed_out(void **state)
{
	struct admin_world *x = *state;
	size_t i;

	for (i = 0; i < CONNECTIONS; i++)
		clients[i] = say(x, "");
	admin_world_until(x, all_ended);
	expect_health(x);
	close_all(CONNECTIONS);
	expect_health(x);
}

/* In whatever part of a request they stop. */
static void test_strangers_leave_room(void **state)
{
	static const char *const parts[] = {
	    "",
	    "GET /heal",
	    "GET /healthz HTTP/1.1\r\nHost: loc",
	    "PUT /api/v1/batches/1?commit_hash=52e4b64 HTTP/1.1\r\nHost: localhost\r\n"
	    "Content-Length: 100\r\n\r\n{",
	    "POST /api/v1/status HTTP/1.1\r\nHost: localhost\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n5\r\nab",
	    "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n",
	};
	struct admin_world *x = *state;
	size_t i;

	for (i = 0; i < MANY; i++) {
		clients[i] = say(x, parts[i % (sizeof parts / sizeof *parts)]);
		if (i % 5 == 4)
			expect_health(x);
	}
	expect_health(x);
	close_all(MANY);
	expect_health(x);
}

static int begin_put(struct admin_world *x, unsigned batch)
{
	char text[256];

	snprintf(text, sizeof text,
		 "PUT /api/v1/batches/%u?commit_hash=52e4b64 HTTP/1.1\r\nHost: localhost\r\n"
		 "%sContent-Length: 7\r\n\r\n{\"a\"",
		 batch, WORLD_BEARER);
	return say(x, text);
}

static void expect_answer(struct admin_world *x, int fd, int status, const char *code)
{
	struct answer a;

	admin_world_receive(x, fd, &a);
	assert_int_equal(a.status, status);
	assert_string_equal(answer_code(&a), code);
	answer_free(&a);
}

/* Nobody takes the place of who has the token; and those leave room for /healthz. */
static void test_uploads_stay_and_leave_room(void **state)
{
	const unsigned places = CONNECTIONS / 2;
	struct admin_world *x = *state;
	int strangers[CONNECTIONS];
	struct answer a;
	size_t i;

	for (i = 0; i < places; i++)
		clients[i] = begin_put(x, (unsigned)i + 1);
	admin_world_get(x, &a, "/api/v1/status");
	assert_int_equal(a.status, 503);
	assert_string_equal(answer_code(&a), "busy");
	answer_free(&a);
	for (i = 0; i < CONNECTIONS; i++)
		strangers[i] = say(x, "GET /");
	expect_health(x);
	for (i = 0; i < places; i++) {
		admin_world_send(x, clients[i], ":1}", 3);
		expect_answer(x, clients[i], 201, "created");
	}
	admin_world_get(x, &a, "/api/v1/status");
	assert_int_equal(a.status, 200);
	answer_free(&a);
	close_all(places);
	for (i = 0; i < CONNECTIONS; i++)
		close(strangers[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_accepts_after_all_timed_out, begin_hasty, end),
	    cmocka_unit_test_setup_teardown(test_strangers_leave_room, begin, end),
	    cmocka_unit_test_setup_teardown(test_uploads_stay_and_leave_room, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
