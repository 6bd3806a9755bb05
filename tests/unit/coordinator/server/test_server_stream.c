#include "server_world.h"

#include <sys/stat.h>

#define ASK "{\"InputRequest\":{}}"

/* A file whose byte at i is a function of i. */
static uint8_t byte_at(uint64_t i)
{
	return (uint8_t)((i * UINT64_C(0x9e3779b97f4a7c15)) >> 56);
}

static struct world *world_with_file(uint64_t length)
{
	struct world *w = world_new();
	uint8_t piece[4096];
	FILE *f = tmpfile();
	uint64_t i;

	assert_non_null(f);
	for (i = 0; i < length; i++) {
		piece[i % sizeof piece] = byte_at(i);
		if ((i + 1) % sizeof piece == 0 || i + 1 == length)
			assert_int_equal(fwrite(piece, i % sizeof piece + 1, 1, f), 1);
	}
	fflush(f);
	w->file = dup(fileno(f));
	fclose(f);
	w->answer = ANSWER_FILE;
	w->file_length = length;
	return w;
}

static void check_reply(const uint8_t *got, long n, uint64_t offset, uint64_t length)
{
	uint64_t i;

	assert_int_equal(n, world_head.n + length + world_tail.n);
	assert_memory_equal(got, world_head.p, world_head.n);
	for (i = 0; i < length; i++)
		if (got[world_head.n + i] != byte_at(offset + i))
			fail_msg("byte %llu differs", (unsigned long long)i);
	assert_memory_equal(got + world_head.n + length, world_tail.p, world_tail.n);
}

static void test_whole_file(void **state)
{
	static const uint64_t lengths[] = {0, 1, 4096, 1000003, 24 << 20};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
		struct world *w = world_with_file(lengths[i]);
		size_t max = lengths[i] + 100;
		uint8_t *got = malloc(max);
		int fd;

		world_start(w);
		for (int half_close = 0; half_close < 2; half_close++) {
			fd = client(w);
			client_say(w, fd, ASK);
			if (half_close)
				client_half_close(fd);
			check_reply(got, client_read(w, fd, (char *)got, max), 0, lengths[i]);
			close(fd);
			WORLD_UNTIL(w, world_counters(w)->connections == 0);
		}
		assert_int_equal(w->delivered, 2);
		assert_int_equal(world_counters(w)->bytes_out,
				 2 * (world_head.n + lengths[i] + world_tail.n));
		assert_int_equal(world_counters(w)->buffered, 0);
		free(got);
		world_free(w);
	}
}

static void test_part_of_a_file(void **state)
{
	struct world *w = world_with_file(100000);
	uint8_t *got = malloc(100000);
	int fd;

	(void)state;
	w->file_offset = 12345;
	w->file_length = 54321;
	world_start(w);
	fd = client(w);
	client_say(w, fd, ASK);
	check_reply(got, client_read(w, fd, (char *)got, 100000), 12345, 54321);
	close(fd);
	free(got);
	world_free(w);
}

/* Answered later, when the end of the peer's stream comes while the file is on its way. */
static void test_late_file(void **state)
{
	struct world *w = world_with_file(8 << 20);
	size_t max = (8 << 20) + 100;
	uint8_t *got = malloc(max);
	int fd;

	(void)state;
	w->answer = ANSWER_LATER;
	world_start(w);
	fd = client_from(w, "127.0.0.1", 16384);
	client_say(w, fd, ASK);
	WORLD_UNTIL(w, world_counters(w)->waiting == 1);
	conn_reply_file(server_conn(w->server, w->last_id), world_head, dup(w->file), 0,
			w->file_length, world_tail);
	assert_null(server_conn(w->server, w->last_id));
	world_turns(w, 10);
	client_half_close(fd);
	world_turns(w, 10);
	check_reply(got, client_read(w, fd, (char *)got, max), 0, w->file_length);
	close(fd);
	WORLD_UNTIL(w, w->delivered == 1);
	free(got);
	world_free(w);
}

static void test_slow_readers_and_a_fast_client(void **state)
{
	struct world *w = world_with_file(4 << 20);
	enum { N = 12 };
	size_t max = (4 << 20) + 100, got_n[N] = {0};
	uint8_t *got[N];
	int fds[N], left = N;

	(void)state;
	world_start(w);
	for (int i = 0; i < N; i++) {
		got[i] = malloc(max);
		fds[i] = client_from(w, "127.0.0.1", 8192);
		client_say(w, fds[i], ASK);
	}
	WORLD_UNTIL(w, world_counters(w)->messages == N);
	/* More readers than pool threads stand still; another is served. */
	world_turns(w, 50);
	w->answer = ANSWER_ECHO;
	{
		int fd = client(w);

		client_say(w, fd, "\"quick\"");
		client_expect(w, fd, "\"quick\"");
	}
	while (left > 0) {
		for (int i = 0; i < N; i++) {
			ssize_t n;

			if (fds[i] < 0)
				continue;
			n = recv(fds[i], got[i] + got_n[i], max - got_n[i], 0);
			if (n > 0) {
				got_n[i] += (size_t)n;
			} else if (n == 0) {
				check_reply(got[i], (long)got_n[i], 0, w->file_length);
				close(fds[i]);
				fds[i] = -1;
				left--;
			} else {
				assert_int_equal(errno, EAGAIN);
			}
		}
		uv_run(&w->loop, UV_RUN_NOWAIT);
	}
	WORLD_UNTIL(w, world_counters(w)->connections == 0);
	assert_int_equal(w->delivered, N + 1);
	for (int i = 0; i < N; i++)
		free(got[i]);
	world_free(w);
}

static void test_reader_vanishes_midway(void **state)
{
	const struct linger none = {.l_onoff = 1};
	struct world *w = world_with_file(24 << 20);
	char some[4096];

	(void)state;
	world_start(w);
	for (int reset = 0; reset < 2; reset++) {
		int fd = client_from(w, "127.0.0.1", 8192);
		ssize_t n = -1;

		client_say(w, fd, ASK);
		while (n <= 0) {
			n = recv(fd, some, sizeof some, 0);
			world_turn(w);
		}
		if (reset)
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
		close(fd);
		WORLD_UNTIL(w, world_counters(w)->connections == 0);
	}
	assert_int_equal(w->ends, 2);
	assert_int_equal(w->delivered, 0);
	assert_int_equal(world_counters(w)->resets, 2);
	assert_int_equal(world_counters(w)->buffered, 0);
	world_free(w);
}

static void test_reader_that_stands_still(void **state)
{
	struct world *w = world_with_file(24 << 20);
	char *rest = malloc(25 << 20);
	int fd;

	(void)state;
	w->options.write_timeout_ms = 60;
	world_start(w);
	fd = client_from(w, "127.0.0.1", 8192);
	client_say(w, fd, ASK);
	WORLD_UNTIL(w, world_counters(w)->write_timeouts == 1);
	WORLD_UNTIL(w, world_counters(w)->connections == 0);
	/* Cut with a reset: a part is not taken for the whole. */
	assert_int_equal(client_read(w, fd, rest, 25 << 20), -ECONNRESET);
	assert_int_equal(w->delivered, 0);
	close(fd);
	free(rest);
	world_free(w);
}

static void test_file_ends_early(void **state)
{
	struct world *w = world_with_file(100000);
	char *got = malloc(300000);
	int fd;

	(void)state;
	w->file_length = 200000;
	world_start(w);
	fd = client(w);
	client_say(w, fd, ASK);
	assert_int_equal(client_read(w, fd, got, 300000), -ECONNRESET);
	assert_int_equal(world_counters(w)->file_errors, 1);
	assert_non_null(strstr(w->events, "file_failed"));
	assert_non_null(strstr(w->events, "100000 bytes before the end"));
	assert_int_equal(w->delivered, 0);
	close(fd);
	free(got);
	world_free(w);
}

static void test_not_a_file(void **state)
{
	struct world *w = world_with_file(1);
	int fd, pipes[2];
	char got[64];

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	close(w->file);
	w->file = pipes[1];
	world_start(w);
	fd = client(w);
	client_say(w, fd, ASK);
	assert_int_equal(client_read(w, fd, got, sizeof got), -ECONNRESET);
	assert_int_equal(world_counters(w)->file_errors, 1);
	close(fd);
	close(pipes[0]);
	world_free(w);
}

static void test_stop_and_drain_midway(void **state)
{
	(void)state;
	for (int drain = 0; drain < 2; drain++) {
		struct world *w = world_with_file(24 << 20);
		int fds[6];

		world_start(w);
		for (int i = 0; i < 6; i++) {
			fds[i] = client_from(w, "127.0.0.1", 8192);
			client_say(w, fds[i], ASK);
		}
		WORLD_UNTIL(w, world_counters(w)->messages == 6);
		if (drain) {
			server_drain(w->server, 20, world_on_drained, w);
			WORLD_UNTIL(w, w->drained);
		}
		server_stop(w->server, world_on_stopped, w);
		WORLD_UNTIL(w, w->stopped);
		w->server = NULL;
		for (int i = 0; i < 6; i++)
			close(fds[i]);
		world_free(w);
	}
}

/* Answering a second time is harmless, and a file handed over for it is closed. */
static void answer_twice(void *arg, struct conn *conn, struct span message, const char *source)
{
	struct world *w = arg;

	(void)message;
	(void)source;
	conn_reply_file(conn, world_head, dup(w->file), 0, w->file_length, world_tail);
	/* conn still lives: the file is on its way in the pool. */
	conn_reply_file(conn, world_head, dup(w->file), 0, w->file_length, world_tail);
	conn_reply(conn, span_of("1", 1));
	conn_close_silent(conn);
	conn_hold(conn, 1);
}

static void test_answered_twice(void **state)
{
	struct world *w = world_with_file(1 << 20);
	uint8_t *got = malloc(2 << 20);
	int fd;

	(void)state;
	w->options.handler = answer_twice;
	world_start(w);
	fd = client(w);
	client_say(w, fd, ASK);
	check_reply(got, client_read(w, fd, (char *)got, 2 << 20), 0, w->file_length);
	close(fd);
	free(got);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_whole_file),
	    cmocka_unit_test(test_part_of_a_file),
	    cmocka_unit_test(test_late_file),
	    cmocka_unit_test(test_slow_readers_and_a_fast_client),
	    cmocka_unit_test(test_reader_vanishes_midway),
	    cmocka_unit_test(test_reader_that_stands_still),
	    cmocka_unit_test(test_file_ends_early),
	    cmocka_unit_test(test_not_a_file),
	    cmocka_unit_test(test_stop_and_drain_midway),
	    cmocka_unit_test(test_answered_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
