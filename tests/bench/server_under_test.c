/*
 * The server room with a handler of one line, for benchmarks and scenario tests.
 * Prints "port N"; SIGTERM drains and ends it, SIGUSR1 prints the counters.
 */
#include "coordinator/server/server.h"

#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char empty_reply[] =
    "{\"InputResponse\":{\"id\":null,\"input\":null,\"format\":null}}";

struct program {
	uv_loop_t loop;
	struct server *server;
	uv_signal_t term, usr1;
	bool echo;
	int file;
	uint64_t file_length;
};

static void on_message(void *arg, struct conn *conn, struct span message, const char *source)
{
	struct program *p = arg;

	(void)source;
	if (p->file >= 0)
		conn_reply_file(conn, span_of("{\"input\":", 9), fcntl(p->file, F_DUPFD_CLOEXEC, 0),
				0, p->file_length, span_of("}", 1));
	else
		conn_reply(conn, p->echo ? message : span_of(empty_reply, sizeof empty_reply - 1));
}

static void on_bad(void *arg, struct conn *conn, enum server_bad bad, const struct why *why)
{
	char text[700];
	int n;

	(void)arg;
	n = snprintf(text, sizeof text, "{\"Error\":{\"code\":\"%s\",\"message\":\"",
		     server_bad_name(bad));
	for (const char *s = why->text; *s; s++)
		if (*s != '"' && *s != '\\')
			text[n++] = *s;
	n += snprintf(text + n, sizeof text - (size_t)n, "\"}}");
	conn_reply(conn, span_of(text, (size_t)n));
}

static void on_log(void *arg, bool usual, const char *event, const char *sentence)
{
	(void)arg;
	(void)usual;
	fprintf(stderr, "%s: %s\n", event, sentence);
}

static void on_drained(void *arg)
{
	struct program *p = arg;

	server_stop(p->server, NULL, NULL);
	uv_close((uv_handle_t *)&p->term, NULL);
	uv_close((uv_handle_t *)&p->usr1, NULL);
}

static void on_term(uv_signal_t *signal, int number)
{
	struct program *p = signal->data;

	(void)number;
	uv_signal_stop(signal);
	server_drain(p->server, 2000, on_drained, p);
}

static void on_usr1(uv_signal_t *signal, int number)
{
	struct program *p = signal->data;
	const struct server_counters *c = server_counters(p->server);

	(void)number;
	printf("counters accepted=%llu messages=%llu replies=%llu resets=%llu connections=%zu "
	       "waiting=%zu buffered=%zu write_timeouts=%llu",
	       (unsigned long long)c->accepted, (unsigned long long)c->messages,
	       (unsigned long long)c->replies, (unsigned long long)c->resets, c->connections,
	       c->waiting, c->buffered, (unsigned long long)c->write_timeouts);
	for (int i = 0; i < SERVER_BAD_COUNT; i++)
		printf(" bad_%s=%llu", server_bad_name((enum server_bad)i),
		       (unsigned long long)c->bad[i]);
	for (int i = 0; i < SERVER_REFUSED_COUNT; i++)
		printf(" refused_%s=%llu", server_refusal_name((enum server_refusal)i),
		       (unsigned long long)c->refused[i]);
	printf("\n");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	static const struct option long_options[] = {
	    {"echo", no_argument, NULL, 'e'},
	    {"file", required_argument, NULL, 'f'},
	    {"max-connections", required_argument, NULL, 'c'},
	    {"per-source", required_argument, NULL, 's'},
	    {"max-message", required_argument, NULL, 'm'},
	    {"buffered", required_argument, NULL, 'b'},
	    {"read-timeout", required_argument, NULL, 'r'},
	    {"total-timeout", required_argument, NULL, 't'},
	    {"write-timeout", required_argument, NULL, 'w'},
	    {NULL, 0, NULL, 0},
	};
	struct program p = {.file = -1};
	struct server_options options = {
	    .address = "127.0.0.1",
	    .max_message = 16 << 20,
	    .max_connections = 12000,
	    .max_buffered_total = 256 << 20,
	    .read_timeout_ms = 120000,
	    .write_timeout_ms = 120000,
	    .total_timeout_ms = 600000,
	    .hold_timeout_ms = 60000,
	    .refusal = span_of("{\"Error\":{\"code\":\"refused\"}}", 28),
	    .handler = on_message,
	    .on_bad = on_bad,
	    .log = on_log,
	    .arg = &p,
	};
	struct stat st;
	struct why why;
	int c;

	while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		switch (c) {
		case 'e': p.echo = true; break;
		case 'f':
			p.file = open(optarg, O_RDONLY | O_CLOEXEC);
			if (p.file < 0 || fstat(p.file, &st)) {
				perror(optarg);
				return 1;
			}
			p.file_length = (uint64_t)st.st_size;
			break;
		case 'c': options.max_connections = strtoul(optarg, NULL, 10); break;
		case 's': options.max_connections_per_source = strtoul(optarg, NULL, 10); break;
		case 'm': options.max_message = strtoul(optarg, NULL, 10); break;
		case 'b': options.max_buffered_total = strtoul(optarg, NULL, 10); break;
		case 'r': options.read_timeout_ms = strtoul(optarg, NULL, 10); break;
		case 't': options.total_timeout_ms = strtoul(optarg, NULL, 10); break;
		case 'w': options.write_timeout_ms = strtoul(optarg, NULL, 10); break;
		default: return 2;
		}
	}
	uv_loop_init(&p.loop);
	if (server_new(&p.server, &p.loop, &options, &why)) {
		fprintf(stderr, "%s\n", why.text);
		return 1;
	}
	p.term.data = p.usr1.data = &p;
	uv_signal_init(&p.loop, &p.term);
	uv_signal_init(&p.loop, &p.usr1);
	uv_signal_start(&p.term, on_term, SIGTERM);
	uv_signal_start(&p.usr1, on_usr1, SIGUSR1);
	printf("port %u\n", server_port(p.server));
	fflush(stdout);
	uv_run(&p.loop, UV_RUN_DEFAULT);
	uv_loop_close(&p.loop);
	if (p.file >= 0)
		close(p.file);
	return 0;
}
