/* One message and its answer, over loopback, with a peer of each kind. */
#include "coordinator/relay/exchange.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* The program's own symbol comes before the C library's: "several.test" leads to [::1], where
 * nobody is or no IPv6 is, to 127.0.0.2, where nobody is, and to 127.0.0.1. */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
		struct addrinfo **out)
{
	static struct sockaddr_in6 v6 = {.sin6_family = AF_INET6,
					 .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	static struct sockaddr_in v4[2] = {{.sin_family = AF_INET}, {.sin_family = AF_INET}};
	static struct addrinfo list[3];

	(void)hints;
	if (strcmp(node, "no-such-host.invalid") == 0)
		return EAI_NONAME;
	v6.sin6_port = v4[0].sin_port = v4[1].sin_port = htons((uint16_t)atoi(service));
	v4[0].sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
	v4[1].sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	list[0] = (struct addrinfo){.ai_family = AF_INET6,
				    .ai_addr = (struct sockaddr *)&v6,
				    .ai_addrlen = sizeof v6,
				    .ai_next = &list[1]};
	list[1] = (struct addrinfo){.ai_family = AF_INET,
				    .ai_addr = (struct sockaddr *)&v4[0],
				    .ai_addrlen = sizeof v4[0],
				    .ai_next = &list[2]};
	list[2] = (struct addrinfo){
	    .ai_family = AF_INET, .ai_addr = (struct sockaddr *)&v4[1], .ai_addrlen = sizeof v4[1]};
	*out = &list[strcmp(node, "several.test") == 0 ? 0 : 2];
	return 0;
}

void freeaddrinfo(struct addrinfo *list)
{
	(void)list;
}

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
	const bool stops = f->peer == HANGS || f->peer == STOPS_IN_THE_MIDDLE;
	const struct exchange_options o = {.host = host,
					   .port = port,
					   .connect_ms = 20000,
					   .idle_ms = stops ? 100 : 20000, /* a busy machine's */
					   .total_ms = 60000};
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

static void by_a_name_of_several_addresses(void **state)
{
	struct fixture *f = *state;

	f->peer = ECHOES;
	uv_thread_create(&f->thread, serve, f);
	run(f, "several.test", f->port, 100);
	assert_int_equal(f->end, EXCHANGE_WHOLE);
	uv_thread_join(&f->thread);
	assert_int_equal(f->got.len, 6400);
}

static void nobody_there(void **state)
{
	struct fixture *f = *state;

	run(f, "127.0.0.1", 1, 10);
	assert_int_equal(f->end, EXCHANGE_NO_PEER);
	assert_non_null(strstr(f->sentence, "127.0.0.1:1"));
	f->ended = false;
	run(f, "several.test", 1, 10);
	assert_int_equal(f->end, EXCHANGE_NO_PEER);
	assert_non_null(strstr(f->sentence, "several.test:1: no connection: "));
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
	    cmocka_unit_test_setup_teardown(by_a_name_of_several_addresses, setup, teardown),
	    cmocka_unit_test_setup_teardown(nobody_there, setup, teardown),
	    cmocka_unit_test_setup_teardown(no_answer, setup, teardown),
	    cmocka_unit_test_setup_teardown(half_an_answer, setup, teardown),
	    cmocka_unit_test_setup_teardown(aborted, setup, teardown),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
