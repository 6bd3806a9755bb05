#include "server_world.h"

#include <sys/resource.h>

#define ASK "{\"InputRequest\":{\"commit_hash\":\"abc1234\",\"prover_type\":\"TDX\"}}"

/* -- framing ----------------------------------------------------------------------------------- */

static void test_half_close(void **state)
{
	struct world *w = world_new();
	int fd;

	(void)state;
	world_start(w);
	fd = client(w);
	client_say(w, fd, ASK);
	client_half_close(fd);
	client_expect(w, fd, ASK);
	WORLD_UNTIL(w, world_counters(w)->connections == 0);
	assert_string_equal(w->message, ASK);
	assert_string_equal(w->source, "127.0.0.1");
	assert_memory_equal(w->peer, "127.0.0.1:", 10);
	assert_int_equal(w->ends, 1);
	assert_int_equal(w->delivered, 1);
	assert_true(w->last_id == w->last_ended && w->last_id != 0);
	assert_int_equal(world_counters(w)->accepted, 1);
	assert_int_equal(world_counters(w)->messages, 1);
	assert_int_equal(world_counters(w)->replies, 1);
	assert_int_equal(world_counters(w)->bytes_in, strlen(ASK));
	assert_int_equal(world_counters(w)->bytes_out, strlen(ASK));
	assert_int_equal(world_counters(w)->buffered, 0);
	world_free(w);
}

static void test_no_half_close(void **state)
{
	static const char *const messages[] = {ASK, "\"ProofSubmitACK\"", " \n{} ",
					       "{\"a\":[[]]}\n"};
	struct world *w = world_new();
	size_t i;

	(void)state;
	world_start(w);
	for (i = 0; i < sizeof messages / sizeof messages[0]; i++) {
		int fd = client(w);

		client_say(w, fd, messages[i]);
		client_expect(w, fd, messages[i]);
	}
	WORLD_UNTIL(w, world_counters(w)->connections == 0);
	assert_int_equal(world_counters(w)->messages, i);
	assert_int_equal(w->delivered, i);
	world_free(w);
}

static void test_byte_by_byte(void **state)
{
	struct world *w = world_new();
	const char *p;
	int fd;

	(void)state;
	world_start(w);
	fd = client(w);
	for (p = ASK; *p; p++) {
		assert_int_equal(world_counters(w)->messages, 0);
		client_send(w, fd, p, 1);
		WORLD_UNTIL(w, world_counters(w)->bytes_in == (uint64_t)(p - ASK) + 1);
	}
	client_expect(w, fd, ASK);
	world_free(w);
}

static void test_large_message(void **state)
{
	struct world *w = world_new();
	size_t n = w->options.max_message;
	char *message = malloc(n), *got = malloc(n + 1);
	int fd;

	(void)state;
	memset(message, 'x', n);
	message[0] = message[n - 1] = '"';
	world_start(w);
	fd = client(w);
	client_send(w, fd, message, n);
	client_half_close(fd);
	assert_int_equal(client_read(w, fd, got, n + 1), n);
	assert_memory_equal(got, message, n);
	close(fd);
	WORLD_UNTIL(w, world_counters(w)->connections == 0);
	assert_int_equal(world_counters(w)->buffered, 0);
	free(message);
	free(got);
	world_free(w);
}

static void test_bad_messages(void **state)
{
	static const struct {
		const char *text;
		enum server_bad bad;
		const char *sentence;
	} cases[] = {
	    {"", SERVER_BAD_EMPTY, "without sending"},
	    {"{\"a\":1", SERVER_BAD_TRUNCATED, "after 6 bytes"},
	    {"   ", SERVER_BAD_TRUNCATED, "after 3 bytes"},
	    {"{\"a\":1}{\"b\":2}", SERVER_BAD_JSON, "byte 7"},
	    {"\"a\" x", SERVER_BAD_JSON, "byte 4"},
	    {"{]", SERVER_BAD_JSON, "byte 1"},
	    {"GET / HTTP/1.1\r\n\r\n", SERVER_BAD_JSON, "byte 0"},
	    {"POST /prove HTTP/1.1\r\n\r\n{}", SERVER_BAD_JSON, "an HTTP request, where"},
	    {"GETTING", SERVER_BAD_JSON, "expected a value, found 'G'"},
	    {"[1]", SERVER_BAD_JSON, "neither"},
	    {"17", SERVER_BAD_JSON, "neither"},
	    {"null", SERVER_BAD_JSON, "neither"},
	};
	struct world *w = world_new();
	char want[64];
	size_t i;

	(void)state;
	world_start(w);
	for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		int fd = client(w);

		client_say(w, fd, cases[i].text);
		client_half_close(fd);
		snprintf(want, sizeof want, "\"bad %s\"", server_bad_name(cases[i].bad));
		client_expect(w, fd, want);
		assert_int_equal(w->bad, cases[i].bad);
		assert_non_null(strstr(w->sentence, cases[i].sentence));
	}
	WORLD_UNTIL(w, world_counters(w)->connections == 0);
	assert_int_equal(w->bads, i);
	assert_int_equal(w->ends, 0);
	assert_int_equal(world_counters(w)->messages, 0);
	assert_int_equal(world_counters(w)->bad[SERVER_BAD_JSON], 9);

	/* Without a reply the peer reads an empty body, not a reset. */
	w->bad_is_silent = true;
	for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		int fd = client(w);

		client_say(w, fd, cases[i].text);
		client_half_close(fd);
		client_expect(w, fd, "");
	}
	world_free(w);
}

static void test_too_deep(void **state)
{
	struct world *w = world_new();
	char nested[1200];
	int fd;

	(void)state;
	memset(nested, '[', sizeof nested);
	memcpy(nested, "{\"a\":", 5);
	world_start(w);
	fd = client(w);
	client_send(w, fd, nested, sizeof nested);
	client_expect(w, fd, "\"bad json\"");
	assert_non_null(strstr(w->sentence, "deep"));
	world_free(w);
}

static void test_oversize(void **state)
{
	struct world *w = world_new();
	size_t n = 4 << 20;
	char *message = malloc(n);
	int fd;

	(void)state;
	memset(message, 'x', n);
	message[0] = '"';
	w->options.max_message = 1000;
	world_start(w);
	/* Exactly the ceiling is fine, one more is not. */
	message[999] = '"';
	fd = client(w);
	client_send(w, fd, message, 1000);
	WORLD_UNTIL(w, world_counters(w)->messages == 1);
	close(fd);
	message[999] = 'x';
	message[1000] = '"';
	fd = client(w);
	client_send(w, fd, message, 1001);
	client_expect(w, fd, "\"bad oversize\"");
	assert_non_null(strstr(w->sentence, "1000"));
	/* A peer that only reads after writing all of it still learns why. */
	message[1000] = 'x';
	fd = client(w);
	client_send(w, fd, message, n);
	client_half_close(fd);
	client_expect(w, fd, "\"bad oversize\"");
	WORLD_UNTIL(w, world_counters(w)->connections == 0);
	assert_int_equal(world_counters(w)->buffered, 0);
	free(message);
	world_free(w);
}

static void test_silent(void **state)
{
	struct world *w = world_new();
	int fd;

	(void)state;
	w->answer = ANSWER_SILENT;
	world_start(w);
	fd = client(w);
	client_say(w, fd, ASK);
	client_expect(w, fd, "");
	WORLD_UNTIL(w, world_counters(w)->connections == 0);
	assert_int_equal(w->ends, 1);
	assert_int_equal(w->delivered, 0);
	world_free(w);
}

/* -- deadlines --------------------------------------------------------------------------------- */

static void test_read_timeout(void **state)
{
	struct world *w = world_new();
	int idle, started;

	(void)state;
	w->options.read_timeout_ms = 40;
	world_start(w);
	idle = client(w);
	started = client(w);
	client_say(w, started, "{\"a\":");
	client_expect(w, idle, "\"bad read_timeout\"");
	client_expect(w, started, "\"bad read_timeout\"");
	assert_int_equal(world_counters(w)->bad[SERVER_BAD_READ_TIMEOUT], 2);
	world_free(w);
}

static void test_dribbler_meets_the_total_timeout(void **state)
{
	struct world *w = world_new();
	time_t give_up = world_give_up();
	int fd;

	(void)state;
	w->options.read_timeout_ms = 5000;
	w->options.total_timeout_ms = 300;
	world_start(w);
	fd = client(w);
	client_say(w, fd, "\"");
	while (w->bads == 0) {
		(void)!send(fd, "x", 1, MSG_NOSIGNAL);
		world_turns(w, 5);
		assert_true(time(NULL) < give_up);
	}
	client_expect(w, fd, "\"bad total_timeout\"");
	assert_int_equal(w->bad, SERVER_BAD_TOTAL_TIMEOUT);
	world_free(w);
}

static void test_hold_timeout(void **state)
{
	struct world *w = world_new();
	int fd;

	(void)state;
	w->answer = ANSWER_LATER;
	w->options.hold_timeout_ms = 40;
	world_start(w);
	fd = client(w);
	client_say(w, fd, ASK);
	client_expect(w, fd, "\"bad hold_timeout\"");
	assert_null(server_conn(w->server, w->last_id));
	WORLD_UNTIL(w, w->ends == 1);

	/* A longer hold outlives it; then a shorter one ends it. */
	fd = client(w);
	client_say(w, fd, ASK);
	WORLD_UNTIL(w, world_counters(w)->messages == 2);
	conn_hold(server_conn(w->server, w->last_id), 600000);
	world_turns(w, 400);
	assert_int_equal(w->bads, 1);
	assert_int_equal(world_counters(w)->waiting, 1);
	conn_hold(server_conn(w->server, w->last_id), 1);
	client_expect(w, fd, "\"bad hold_timeout\"");
	assert_int_equal(w->bads, 2);
	assert_int_equal(world_counters(w)->waiting, 0);
	world_free(w);
}

static void test_write_timeout(void **state)
{
	struct world *w = world_new();
	size_t n = 16 << 20;
	char *large = malloc(n);
	int fd;

	(void)state;
	memset(large, 'x', n);
	w->answer = ANSWER_LATER;
	w->options.write_timeout_ms = 50;
	w->options.max_buffered_total = 64 << 20;
	world_start(w);
	fd = client_from(w, "127.0.0.1", 4096);
	client_say(w, fd, ASK);
	client_half_close(fd);
	WORLD_UNTIL(w, world_counters(w)->waiting == 1);
	conn_reply(server_conn(w->server, w->last_id), span_of(large, n));
	assert_true(world_counters(w)->buffered > 0);
	WORLD_UNTIL(w, w->ends == 1);
	assert_int_equal(w->delivered, 0);
	assert_int_equal(world_counters(w)->write_timeouts, 1);
	assert_int_equal(world_counters(w)->buffered, 0);
	assert_int_equal(client_read(w, fd, large, n), -ECONNRESET);
	close(fd);
	free(large);
	world_free(w);
}

static void test_reader_below_the_least_rate(void **state)
{
	struct world *w = world_new();
	size_t n = 16 << 20;
	char *large = malloc(n);
	int fd;

	(void)state;
	memset(large, 'x', n);
	w->answer = ANSWER_LATER;
	w->options.total_timeout_ms = 100;
	w->options.min_write_rate = 1 << 30;
	w->options.max_buffered_total = 64 << 20;
	world_start(w);
	fd = client_from(w, "127.0.0.1", 4096);
	client_say(w, fd, ASK);
	WORLD_UNTIL(w, world_counters(w)->waiting == 1);
	conn_reply(server_conn(w->server, w->last_id), span_of(large, n));
	while (w->ends == 0) {
		char few[512];

		(void)!recv(fd, few, sizeof few, 0);
		world_turn(w);
	}
	assert_int_equal(world_counters(w)->write_timeouts, 1);
	close(fd);
	free(large);
	world_free(w);
}

static void test_linger_timeout(void **state)
{
	struct world *w = world_new();
	int fd;

	(void)state;
	w->options.linger_timeout_ms = 30;
	world_start(w);
	fd = client(w);
	client_say(w, fd, ASK);
	WORLD_UNTIL(w, world_counters(w)->linger_timeouts == 1);
	assert_int_equal(world_counters(w)->connections, 0);
	assert_int_equal(w->delivered, 1);
	client_expect(w, fd, ASK);
	world_free(w);
}

/* -- ceilings ---------------------------------------------------------------------------------- */

static void test_limit_per_source(void **state)
{
	struct world *w = world_new();
	int fds[3], over, other;

	(void)state;
	w->options.max_connections_per_source = 3;
	world_start(w);
	for (int i = 0; i < 3; i++)
		fds[i] = client(w);
	over = client(w);
	client_expect(w, over, "\"refused\"");
	assert_int_equal(world_counters(w)->refused[SERVER_REFUSED_SOURCE], 1);
	assert_non_null(strstr(w->events, "refused: connection from 127.0.0.1 refused"));
	other = client_from(w, "127.0.0.2", 0);
	client_say(w, other, ASK);
	client_expect(w, other, ASK);
	close(fds[0]);
	WORLD_UNTIL(w, world_counters(w)->bad[SERVER_BAD_EMPTY] == 1);
	WORLD_UNTIL(w, world_counters(w)->connections == 2);
	over = client(w);
	client_say(w, over, ASK);
	client_expect(w, over, ASK);
	close(fds[1]);
	close(fds[2]);
	world_free(w);
}

static void test_limit_in_all(void **state)
{
	struct world *w = world_new();
	int a, b, over;

	(void)state;
	w->options.max_connections = 2;
	world_start(w);
	a = client_from(w, "127.0.0.2", 0);
	b = client_from(w, "127.0.0.3", 0);
	over = client_from(w, "127.0.0.4", 0);
	client_say(w, over, ASK);
	client_half_close(over);
	client_expect(w, over, "\"refused\"");
	assert_int_equal(world_counters(w)->refused[SERVER_REFUSED_CONNECTIONS], 1);
	client_say(w, a, ASK);
	client_expect(w, a, ASK);
	client_say(w, b, ASK);
	client_expect(w, b, ASK);
	world_free(w);
}

static void test_buffered_ceiling(void **state)
{
	struct world *w = world_new();
	size_t n = 600 * 1024;
	char *part = malloc(n);
	int hogs[2], small;

	(void)state;
	memset(part, 'x', n);
	part[0] = '"';
	w->options.max_buffered_total = 2 << 20;
	world_start(w);
	hogs[0] = client(w);
	client_send(w, hogs[0], part, n);
	WORLD_UNTIL(w, world_counters(w)->bytes_in == n);
	assert_true(world_counters(w)->buffered >= n);
	hogs[1] = client(w);
	client_send(w, hogs[1], part, n);
	client_expect(w, hogs[1], "\"bad busy\"");
	assert_true(world_counters(w)->buffered <= w->options.max_buffered_total);
	/* Small messages go on. */
	small = client(w);
	client_say(w, small, ASK);
	client_expect(w, small, ASK);
	close(hogs[0]);
	WORLD_UNTIL(w, world_counters(w)->connections == 0);
	assert_int_equal(world_counters(w)->buffered, 0);
	free(part);
	world_free(w);
}

static void test_buffered_ceiling_per_source(void **state)
{
	struct world *w = world_new();
	size_t n = 100 * 1024;
	char *part = malloc(n), *got = malloc(n + 1);
	int hog, other;

	(void)state;
	memset(part, 'x', n);
	part[0] = part[n - 1] = '"';
	w->options.max_buffered_per_source = 64 * 1024;
	world_start(w);
	hog = client(w);
	client_send(w, hog, part, n);
	client_expect(w, hog, "\"bad busy\"");
	assert_non_null(strstr(w->sentence, "this address"));
	w->options.max_buffered_per_source = 0;
	other = client_from(w, "127.0.0.9", 0);
	client_send(w, other, part, 1000);
	client_say(w, other, "\"");
	assert_int_equal(client_read(w, other, got, n), 1001);
	close(other);
	free(part);
	free(got);
	world_free(w);
}

static void test_reply_over_the_ceiling(void **state)
{
	struct world *w = world_new();
	size_t n = 32 << 20;
	char *large = malloc(n);
	int fd;

	(void)state;
	memset(large, 'x', n);
	w->answer = ANSWER_LATER;
	w->options.max_buffered_total = 1 << 20;
	world_start(w);
	fd = client_from(w, "127.0.0.1", 4096);
	client_say(w, fd, ASK);
	WORLD_UNTIL(w, world_counters(w)->waiting == 1);
	conn_reply(server_conn(w->server, w->last_id), span_of(large, n));
	assert_non_null(strstr(w->events, "reply_dropped"));
	assert_int_equal(world_counters(w)->connections, 0);
	assert_int_equal(world_counters(w)->buffered, 0);
	assert_int_equal(w->delivered, 0);
	close(fd);
	free(large);
	world_free(w);
}

static void test_descriptors_run_out(void **state)
{
	struct world *w = world_new();
	struct rlimit before, few;
	int waiting[40], spare, i;
	char got[64];

	(void)state;
	world_start(w);
	/* The clients connect to the backlog first: they need descriptors of this process, too. */
	for (i = 0; i < 40; i++)
		waiting[i] = client(w);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	spare = dup(0);
	assert_true(spare >= 0);
	few = before;
	few.rlim_cur = (rlim_t)spare + 3; /* room for three connections */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	close(spare);
	WORLD_UNTIL(w, world_counters(w)->accept_pauses > 0);
	assert_true(world_counters(w)->refused[SERVER_REFUSED_DESCRIPTORS] > 0);
	assert_true(world_counters(w)->connections > 0);
	assert_non_null(strstr(w->events, "accept_failed"));
	/* The last one was refused in words and in order. */
	assert_int_equal(client_read(w, waiting[39], got, sizeof got), world_refusal.n);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	for (i = 0; i < 40; i++)
		close(waiting[i]);
	WORLD_UNTIL(w, world_counters(w)->connections == 0);
	/* Served again. */
	waiting[0] = client(w);
	client_say(w, waiting[0], ASK);
	client_expect(w, waiting[0], ASK);
	world_free(w);
}

static void test_descriptor_limit_is_said(void **state)
{
	struct world *w = world_new();
	struct rlimit before, low;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	low = (struct rlimit){300, before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	w->options.max_connections = 1000;
	world_start(w);
	/* Raised where that is allowed. */
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &low), 0);
	assert_true(low.rlim_cur >= 1000);
	assert_null(strstr(w->events, "fd_limit"));
	world_free(w);

	/* No process may have this many. */
	w = world_new();
	w->options.max_connections = INT32_MAX;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &low), 0);
	{
		struct why why;
		enum server_err err = server_new(&w->server, &w->loop, &w->options, &why);

		/* The table of sources for it may be refused, too. */
		assert_true(err == SERVER_OK || err == SERVER_SYSTEM);
	}
	assert_non_null(strstr(w->events, "fd_limit"));
	world_free(w);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

/* -- answers that come later ------------------------------------------------------------------- */

static void test_late_answer(void **state)
{
	struct world *w = world_new();
	int fd;

	(void)state;
	w->answer = ANSWER_LATER;
	world_start(w);
	for (int half_close = 0; half_close < 2; half_close++) {
		fd = client(w);
		client_say(w, fd, ASK);
		if (half_close)
			client_half_close(fd);
		WORLD_UNTIL(w, world_counters(w)->waiting == 1);
		world_turns(w, 20);
		/* More of the peer's words are dropped. */
		if (!half_close) {
			client_say(w, fd, "{}{}{}");
			world_turns(w, 20);
			client_half_close(fd);
			world_turns(w, 20);
		}
		assert_non_null(server_conn(w->server, w->last_id));
		conn_reply(server_conn(w->server, w->last_id), span_of("\"later\"", 7));
		assert_null(server_conn(w->server, w->last_id));
		client_expect(w, fd, "\"later\"");
		WORLD_UNTIL(w, world_counters(w)->connections == 0);
	}
	assert_int_equal(w->delivered, 2);
	world_free(w);
}

static void test_peer_vanishes_before_the_answer(void **state)
{
	const struct linger none = {.l_onoff = 1};
	struct world *w = world_new();
	uint64_t first;
	int fd;

	(void)state;
	w->answer = ANSWER_LATER;
	world_start(w);
	for (int half_close = 0; half_close < 2; half_close++) {
		fd = client(w);
		client_say(w, fd, ASK);
		if (half_close)
			client_half_close(fd);
		WORLD_UNTIL(w, world_counters(w)->waiting == 1);
		first = w->last_id;
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
		close(fd);
		WORLD_UNTIL(w, world_counters(w)->connections == 0);
		assert_null(server_conn(w->server, first));
	}
	assert_int_equal(world_counters(w)->resets, 2);
	assert_int_equal(w->ends, 2);
	assert_int_equal(w->delivered, 0);

	/* The place is used again, the name is not. */
	fd = client(w);
	client_say(w, fd, ASK);
	WORLD_UNTIL(w, world_counters(w)->waiting == 1);
	assert_true(w->last_id != first);
	assert_null(server_conn(w->server, first));
	assert_null(server_conn(w->server, 0));
	assert_null(server_conn(w->server, UINT64_MAX));

	/* Closed without a reset: it may still read, so this is found out when answering. */
	close(fd);
	world_turns(w, 50);
	conn_reply(server_conn(w->server, w->last_id), span_of("\"later\"", 7));
	WORLD_UNTIL(w, world_counters(w)->connections == 0);
	world_free(w);
}

static void test_many_at_once(void **state)
{
	struct world *w = world_new();
	enum { N = 300 };
	static int fds[N];

	(void)state;
	world_start(w);
	for (int i = 0; i < N; i++)
		fds[i] = client(w);
	for (int i = 0; i < N; i++) {
		char text[32];

		snprintf(text, sizeof text, "{\"n\":%d}", i);
		client_say(w, fds[i], text);
	}
	for (int i = N - 1; i >= 0; i--) {
		char text[32];

		snprintf(text, sizeof text, "{\"n\":%d}", i);
		client_expect(w, fds[i], text);
	}
	WORLD_UNTIL(w, world_counters(w)->connections == 0);
	assert_int_equal(world_counters(w)->messages, N);
	world_free(w);
}

/* -- start and end ----------------------------------------------------------------------------- */

static void test_options(void **state)
{
	struct world *w = world_new();
	struct server_options good = w->options;
	struct server *again;
	struct why why;

	(void)state;
	w->options.handler = NULL;
	assert_int_equal(server_new(&w->server, &w->loop, &w->options, &why), SERVER_OPTIONS);
	assert_non_null(strstr(why.text, "handler"));
	w->options = good;
	w->options.read_timeout_ms = 0;
	assert_int_equal(server_new(&w->server, &w->loop, &w->options, &why), SERVER_OPTIONS);
	assert_non_null(strstr(why.text, "read_timeout_ms"));
	w->options = good;
	w->options.address = "localhost";
	assert_int_equal(server_new(&w->server, &w->loop, &w->options, &why), SERVER_OPTIONS);
	assert_non_null(strstr(why.text, "localhost"));
	w->options.address = "192.0.2.77";
	assert_int_equal(server_new(&w->server, &w->loop, &w->options, &why), SERVER_BIND);
	assert_non_null(strstr(why.text, "192.0.2.77"));
	assert_null(w->server);
	w->options = good;
	world_start(w);
	good.port = server_port(w->server);
	assert_int_equal(server_new(&again, &w->loop, &good, &why), SERVER_BIND);
	assert_null(again);
	server_stop(NULL, NULL, NULL);
	world_free(w);
}

static void test_ipv6(void **state)
{
	struct world *w = world_new();
	struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	int fd = socket(AF_INET6, SOCK_STREAM, 0);
	struct why why;

	(void)state;
	w->options.address = "::1";
	if (fd < 0 || server_new(&w->server, &w->loop, &w->options, &why) != SERVER_OK) {
		print_message("SKIPPED: no IPv6 here\n");
		close(fd);
		world_free(w);
		skip();
	}
	to.sin6_port = htons(server_port(w->server));
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	client_say(w, fd, ASK);
	client_expect(w, fd, ASK);
	assert_string_equal(w->source, "::/64");
	assert_memory_equal(w->peer, "[::1]:", 6);
	world_free(w);
}

static void test_drain(void **state)
{
	struct world *w = world_new();
	int idle, half, pending, late;

	(void)state;
	w->answer = ANSWER_LATER;
	world_start(w);
	pending = client(w);
	client_say(w, pending, ASK);
	WORLD_UNTIL(w, world_counters(w)->waiting == 1);
	idle = client(w);
	half = client(w);
	client_say(w, half, "{\"a\"");
	WORLD_UNTIL(w, world_counters(w)->bytes_in == strlen(ASK) + 4);
	WORLD_UNTIL(w, world_counters(w)->connections == 3);
	late = client(w);
	close(late);

	server_drain(w->server, 600000, world_on_drained, w);
	client_expect(w, idle, "");
	assert_false(w->drained);
	conn_reply(server_conn(w->server, w->last_id), span_of("1", 1));
	client_expect(w, pending, "1");
	w->answer = ANSWER_ECHO;
	client_say(w, half, ":1}");
	client_expect(w, half, "{\"a\":1}");
	WORLD_UNTIL(w, w->drained);
	assert_int_equal(world_counters(w)->connections, 0);
	world_free(w);
}

static void test_drain_deadline(void **state)
{
	struct world *w = world_new();
	int fd;

	(void)state;
	w->answer = ANSWER_LATER;
	world_start(w);
	fd = client(w);
	client_say(w, fd, ASK);
	WORLD_UNTIL(w, world_counters(w)->waiting == 1);
	server_drain(w->server, 600000, NULL, NULL);
	server_drain(w->server, 30, world_on_drained, w);
	WORLD_UNTIL(w, w->drained);
	assert_non_null(strstr(w->events, "drain_deadline: 1 connections"));
	assert_int_equal(world_counters(w)->connections, 0);
	assert_int_equal(w->ends, 1);
	close(fd);
	world_free(w);
}

static void test_drain_of_nothing(void **state)
{
	struct world *w = world_new();

	(void)state;
	world_start(w);
	server_drain(w->server, 600000, world_on_drained, w);
	assert_false(w->drained);
	WORLD_UNTIL(w, w->drained);
	world_free(w);
}

static void stop_inside(void *arg, struct conn *conn, struct span message, const char *source)
{
	struct world *w = arg;

	(void)conn;
	(void)message;
	(void)source;
	server_stop(w->server, world_on_stopped, w);
}

static void test_stop_inside_the_handler(void **state)
{
	struct world *w = world_new();
	int fds[5];

	(void)state;
	w->options.handler = stop_inside;
	world_start(w);
	for (int i = 0; i < 5; i++) {
		fds[i] = client(w);
		client_say(w, fds[i], ASK);
	}
	WORLD_UNTIL(w, w->stopped);
	w->server = NULL;
	assert_int_equal(w->ends, 0);
	for (int i = 0; i < 5; i++)
		close(fds[i]);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_half_close),
	    cmocka_unit_test(test_no_half_close),
	    cmocka_unit_test(test_byte_by_byte),
	    cmocka_unit_test(test_large_message),
	    cmocka_unit_test(test_bad_messages),
	    cmocka_unit_test(test_too_deep),
	    cmocka_unit_test(test_oversize),
	    cmocka_unit_test(test_silent),
	    cmocka_unit_test(test_read_timeout),
	    cmocka_unit_test(test_dribbler_meets_the_total_timeout),
	    cmocka_unit_test(test_hold_timeout),
	    cmocka_unit_test(test_write_timeout),
	    cmocka_unit_test(test_reader_below_the_least_rate),
	    cmocka_unit_test(test_linger_timeout),
	    cmocka_unit_test(test_limit_per_source),
	    cmocka_unit_test(test_limit_in_all),
	    cmocka_unit_test(test_buffered_ceiling),
	    cmocka_unit_test(test_buffered_ceiling_per_source),
	    cmocka_unit_test(test_reply_over_the_ceiling),
	    cmocka_unit_test(test_descriptors_run_out),
	    cmocka_unit_test(test_descriptor_limit_is_said),
	    cmocka_unit_test(test_late_answer),
	    cmocka_unit_test(test_peer_vanishes_before_the_answer),
	    cmocka_unit_test(test_many_at_once),
	    cmocka_unit_test(test_options),
	    cmocka_unit_test(test_ipv6),
	    cmocka_unit_test(test_drain),
	    cmocka_unit_test(test_drain_deadline),
	    cmocka_unit_test(test_drain_of_nothing),
	    cmocka_unit_test(test_stop_inside_the_handler),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
