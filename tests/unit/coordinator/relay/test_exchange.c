/* One message and its answer, over loopback, with a peer of each kind. */
#include "coordinator/relay/exchange.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum peer { ECHOES, HANGS, RESETS, STOPS_IN_THE_MIDDLE };

struct fixture {
	uv_loop_t loop;
	uv_thread_t thread;
	int listener;
	uint16_t port;
	enum peer peer;
	struct buf got;
	bool ended, slow, abort;
	enum exchange_end end;
	char sentence[512];
	struct exchange *x;
};

/* Answers once what it read to the end of the stream. */
static void serve(void *arg)
{
	static const struct linger now = {1, 0};
	struct fixture *f = arg;
	char text[1 << 16];
	ssize_t n, all = 0;
	int fd = accept(f->listener, NULL, NULL);

	while ((n = read(fd, text + all, sizeof text - (size_t)all)) > 0)
		all += n;
	switch (f->peer) {
	case ECHOES:
		for (n = 0; n < 64; n++)
			if (write(fd, text, (size_t)all) != all)
				break;
		break;
	case HANGS: usleep(300000); break;
	case RESETS: setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now); break;
	case STOPS_IN_THE_MIDDLE:
		if (write(fd, text, (size_t)all) == all)
			usleep(300000);
		break;
	}
	close(fd);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof at;

	uv_loop_init(&f->loop);
	buf_init(&f->got, 64 << 20);
	f->listener = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(f->listener, (struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(listen(f->listener, 8), 0);
	getsockname(f->listener, (struct sockaddr *)&at, &size);
	f->port = ntohs(at.sin_port);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(uv_loop_close(&f->loop), 0);
	close(f->listener);
	buf_free(&f->got);
	free(f);
	return 0;
}

static void on_bytes(void *arg, const uint8_t *bytes, size_t n)
{
	struct fixture *f = arg;

	assert_true(n > 0 && n <= EXCHANGE_CHUNK);
	buf_add(&f->got, bytes, n);
	if (f->abort)
		exchange_abort(f->x);
	else
		exchange_more(f->x);
}

static void on_end(void *arg, enum exchange_end end, const char *sentence)
{
	struct fixture *f = arg;

	assert_false(f->ended);
	f->ended = true;
	f->end = end;
	snprintf(f->sentence, sizeof f->sentence, "%s", sentence);
}

static void run(struct fixture *f, const char *host, uint16_t port, size_t n)
{
	static const struct exchange_events events = {on_bytes, on_end};
	const struct exchange_options o = {
	    .host = host, .port = port, .connect_ms = 2000, .idle_ms = 100, .total_ms = 5000};
	char *text = malloc(n);
	struct why why = {""};

	memset(text, 'x', n);
	if (!exchange_new(&f->x, &f->loop, &o, span_of(text, n), &events, f, &why))
		fail_msg("%s", why.text);
	free(text);
	uv_run(&f->loop, UV_RUN_DEFAULT);
}

static void with_peer(struct fixture *f, enum peer peer)
{
	f->peer = peer;
	uv_thread_create(&f->thread, serve, f);
	run(f, "127.0.0.1", f->port, 60000);
	uv_thread_join(&f->thread);
}

static void a_whole_answer(void **state)
{
	struct fixture *f = *state;

	with_peer(f, ECHOES);
	assert_int_equal(f->end, EXCHANGE_WHOLE);
	assert_int_equal(f->got.len, 64 * 60000);
}

static void by_name(void **state)
{
	struct fixture *f = *state;

	f->peer = ECHOES;
	uv_thread_create(&f->thread, serve, f);
	run(f, "localhost", f->port, 100);
	uv_thread_join(&f->thread);
	assert_int_equal(f->end, EXCHANGE_WHOLE);
	assert_int_equal(f->got.len, 6400);
}

static void nobody_there(void **state)
{
	struct fixture *f = *state;

	run(f, "127.0.0.1", 1, 10);
	assert_int_equal(f->end, EXCHANGE_NO_PEER);
	assert_non_null(strstr(f->sentence, "127.0.0.1:1"));
	f->ended = false;
	run(f, "no-such-host.invalid", 3901, 10);
	assert_int_equal(f->end, EXCHANGE_NO_PEER);
	assert_non_null(strstr(f->sentence, "no-such-host.invalid:3901"));
}

static void no_answer(void **state)
{
	struct fixture *f = *state;

	with_peer(f, HANGS);
	assert_int_equal(f->end, EXCHANGE_NO_ANSWER);
	assert_non_null(strstr(f->sentence, "no answer within 100 ms"));
	f->ended = false;
	with_peer(f, RESETS);
	assert_int_equal(f->end, EXCHANGE_NO_ANSWER);
}

static void half_an_answer(void **state)
{
	struct fixture *f = *state;

	with_peer(f, STOPS_IN_THE_MIDDLE);
	assert_int_equal(f->end, EXCHANGE_BROKEN);
	assert_int_equal(f->got.len, 60000);
}

static void aborted(void **state)
{
	struct fixture *f = *state;

	f->abort = true;
	with_peer(f, ECHOES);
	assert_false(f->ended);
	assert_true(f->got.len > 0 && f->got.len < 64 * 60000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(a_whole_answer, setup, teardown),
	    cmocka_unit_test_setup_teardown(by_name, setup, teardown),
	    cmocka_unit_test_setup_teardown(nobody_there, setup, teardown),
	    cmocka_unit_test_setup_teardown(no_answer, setup, teardown),
	    cmocka_unit_test_setup_teardown(half_an_answer, setup, teardown),
	    cmocka_unit_test_setup_teardown(aborted, setup, teardown),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
