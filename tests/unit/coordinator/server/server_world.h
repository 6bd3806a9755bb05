/*
 * server_world.h -- a server and its clients in one thread: the loop turns while a client waits.
 */
#ifndef TESTS_SERVER_WORLD_H
#define TESTS_SERVER_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "coordinator/server/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Long enough for a loaded machine under valgrind; reaching it is a failure. */
#define WORLD_PATIENCE_S 60

enum world_answer { ANSWER_ECHO, ANSWER_LATER, ANSWER_SILENT, ANSWER_FILE };

struct world {
	uv_loop_t loop;
	struct server *server;
	struct server_options options;
	enum world_answer answer;
	bool bad_is_silent;
	/* what the callbacks saw */
	uint64_t last_id, last_ended;
	char message[256], source[SERVER_SOURCE_TEXT], peer[CONN_PEER_TEXT], sentence[512],
	    events[4096];
	unsigned bads, ends, delivered;
	enum server_bad bad;
	bool drained, stopped;
	/* what ANSWER_FILE sends */
	int file;
	uint64_t file_offset, file_length;
};

static const struct span world_refusal = {(const uint8_t *)"\"refused\"", 9};
static const struct span world_head = {(const uint8_t *)"{\"input\":", 9};
static const struct span world_tail = {(const uint8_t *)"}", 1};

static inline void world_on_message(void *arg, struct conn *conn, struct span message,
				    const char *source)
{
	struct world *w = arg;

	w->last_id = conn_id(conn);
	snprintf(w->message, sizeof w->message, "%.*s", (int)message.n, (const char *)message.p);
	snprintf(w->source, sizeof w->source, "%s", source);
	conn_peer(conn, w->peer);
	switch (w->answer) {
	case ANSWER_ECHO: conn_reply(conn, message); break;
	case ANSWER_LATER: break;
	case ANSWER_SILENT: conn_close_silent(conn); break;
	case ANSWER_FILE:
		conn_reply_file(conn, world_head, dup(w->file), w->file_offset, w->file_length,
				world_tail);
		break;
	}
}

static inline void world_on_bad(void *arg, struct conn *conn, enum server_bad bad,
				const struct why *why)
{
	struct world *w = arg;
	char text[64];
	int n = snprintf(text, sizeof text, "\"bad %s\"", server_bad_name(bad));

	w->bad = bad;
	w->bads++;
	snprintf(w->sentence, sizeof w->sentence, "%s", why->text);
	if (!w->bad_is_silent)
		conn_reply(conn, span_of(text, (size_t)n));
}

static inline void world_on_end(void *arg, uint64_t id, bool delivered)
{
	struct world *w = arg;

	w->ends++;
	w->delivered += delivered;
	w->last_ended = id;
}

static inline void world_on_log(void *arg, bool usual, const char *event, const char *sentence)
{
	struct world *w = arg;
	size_t used = strlen(w->events);

	(void)usual;
	snprintf(w->events + used, sizeof w->events - used, "%s: %s\n", event, sentence);
}

static inline void world_on_drained(void *arg)
{
	((struct world *)arg)->drained = true;
}

static inline void world_on_stopped(void *arg)
{
	((struct world *)arg)->stopped = true;
}

/* Defaults that no test runs into by accident. */
static inline struct world *world_new(void)
{
	struct world *w = calloc(1, sizeof *w);

	assert_non_null(w);
	assert_int_equal(uv_loop_init(&w->loop), 0);
	w->file = -1;
	w->options = (struct server_options){
	    .address = "127.0.0.1",
	    .max_message = 1 << 20,
	    .max_connections = 500,
	    .max_buffered_total = 8 << 20,
	    .read_timeout_ms = 600000,
	    .write_timeout_ms = 600000,
	    .total_timeout_ms = 600000,
	    .hold_timeout_ms = 600000,
	    .linger_timeout_ms = 600000,
	    .refusal = world_refusal,
	    .handler = world_on_message,
	    .on_bad = world_on_bad,
	    .on_end = world_on_end,
	    .log = world_on_log,
	    .arg = w,
	};
	return w;
}

static inline void world_start(struct world *w)
{
	struct why why = {""};

	assert_int_equal(server_new(&w->server, &w->loop, &w->options, &why), SERVER_OK);
	assert_string_equal(why.text, "");
	assert_true(server_port(w->server) > 0);
}

static inline const struct server_counters *world_counters(struct world *w)
{
	return server_counters(w->server);
}

static inline void world_turn(struct world *w)
{
	const struct timespec little = {.tv_nsec = 200000};

	uv_run(&w->loop, UV_RUN_NOWAIT);
	nanosleep(&little, NULL);
}

static inline time_t world_give_up(void)
{
	return time(NULL) + WORLD_PATIENCE_S;
}

/* Turns the loop until the condition holds. */
#define WORLD_UNTIL(w, condition)                                                                  \
	do {                                                                                       \
		time_t give_up_ = world_give_up();                                                 \
		while (!(condition)) {                                                             \
			world_turn(w);                                                             \
			assert_true(time(NULL) < give_up_);                                        \
		}                                                                                  \
	} while (0)

static inline void world_turns(struct world *w, int n)
{
	while (n-- > 0)
		world_turn(w);
}

/* Stops the server, checks that nothing of it is left in the loop, frees all. */
static inline void world_free(struct world *w)
{
	if (w->server) {
		server_stop(w->server, world_on_stopped, w);
		WORLD_UNTIL(w, w->stopped);
	}
	uv_run(&w->loop, UV_RUN_NOWAIT);
	assert_int_equal(uv_loop_close(&w->loop), 0);
	if (w->file >= 0)
		close(w->file);
	free(w);
}

/* -- a client ---------------------------------------------------------------------------------- */

static inline int client_to(struct world *w, struct sockaddr_in to, const char *source,
			    int receive_buffer)
{
	struct sockaddr_in from = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)w;
	assert_true(fd >= 0);
	inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
	inet_pton(AF_INET, source, &from.sin_addr);
	assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof from), 0);
	if (receive_buffer)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

static inline int client_from(struct world *w, const char *source, int receive_buffer)
{
	const struct sockaddr_in to = {.sin_family = AF_INET,
				       .sin_port = htons(server_port(w->server))};

	return client_to(w, to, source, receive_buffer);
}

static inline int client(struct world *w)
{
	return client_from(w, "127.0.0.1", 0);
}

static inline void client_send(struct world *w, int fd, const void *bytes, size_t n)
{
	const char *p = bytes;
	time_t give_up = world_give_up();

	while (n > 0) {
		ssize_t k = send(fd, p, n, MSG_NOSIGNAL);

		if (k > 0) {
			p += k;
			n -= (size_t)k;
			continue;
		}
		assert_int_equal(errno, EAGAIN);
		assert_true(time(NULL) < give_up);
		world_turn(w);
	}
}

static inline void client_say(struct world *w, int fd, const char *text)
{
	client_send(w, fd, text, strlen(text));
}

static inline void client_half_close(int fd)
{
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
}

/* Reads to the end of the stream: its length, or -errno. */
static inline long client_read(struct world *w, int fd, char *out, size_t max)
{
	time_t give_up = world_give_up();
	size_t got = 0;

	for (;;) {
		ssize_t n = recv(fd, out + got, max - got, 0);

		if (n == 0)
			return (long)got;
		if (n > 0) {
			got += (size_t)n;
			continue;
		}
		if (errno != EAGAIN)
			return -errno;
		assert_true(time(NULL) < give_up);
		world_turn(w);
	}
}

/* Expects this reply, an orderly end, and closes. */
static inline void client_expect(struct world *w, int fd, const char *want)
{
	char got[4096];
	long n = client_read(w, fd, got, sizeof got - 1);

	assert_true(n >= 0);
	got[n] = '\0';
	assert_string_equal(got, want);
	close(fd);
}

#endif
