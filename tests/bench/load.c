/*
 * load --port P --clients N --seconds S --message TEMPLATE [...]: N clients, each in a loop:
 * connect, write, half-close, read to the end of the stream, close.
 *
 * {id} in the template becomes a number that no other request of the run has, counted from
 * --first-id. A reply counts when it begins with --expect. --pause-ms waits between a client's
 * requests. Sources are 127.0.1.1, 127.0.1.2, ... so that no address runs out of ports.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LATENCIES (4u << 20)

struct client {
	int fd; /* -1: pausing */
	double started, wake;
	char reply[512];
	size_t got;
};

struct load {
	int epoll;
	struct sockaddr_in to;
	const char *before, *after; /* the template around {id} */
	const char *expect;
	unsigned sources, source;
	unsigned long long id;
	double pause, end;
	unsigned long ok, wrong, failed;
	float *latencies;
	size_t latency_n;
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void begin(struct load *l, struct client *c)
{
	struct sockaddr_in from = {.sin_family = AF_INET};
	struct epoll_event event = {.events = EPOLLOUT, .data.ptr = c};
	const int on = 1;

	from.sin_addr.s_addr = htonl(0x7f000101u + l->source);
	l->source = (l->source + 1) % l->sources;
	c->got = 0;
	c->started = now();
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
	if (c->fd < 0 || bind(c->fd, (struct sockaddr *)&from, sizeof from) ||
	    (connect(c->fd, (struct sockaddr *)&l->to, sizeof l->to) && errno != EINPROGRESS) ||
	    epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &event)) {
		perror("client");
		exit(1);
	}
}

static void finish(struct load *l, struct client *c, bool good)
{
	double t = now();

	close(c->fd);
	c->fd = -1;
	if (!good)
		l->failed++;
	else if (c->got < strlen(l->expect) || memcmp(c->reply, l->expect, strlen(l->expect)) != 0)
		l->wrong++;
	else
		l->ok++;
	if (good && l->latency_n < LATENCIES)
		l->latencies[l->latency_n++] = (float)(t - c->started);
	c->wake = t + l->pause;
	if (l->pause <= 0 && t < l->end)
		begin(l, c);
}

static void speak(struct load *l, struct client *c)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
	static char message[1 << 20];
	int n;

	if (l->after)
		n = snprintf(message, sizeof message, "%s%llu%s", l->before, l->id++, l->after);
	else
		n = snprintf(message, sizeof message, "%s", l->before);
	if (send(c->fd, message, (size_t)n, MSG_NOSIGNAL) != n) {
		finish(l, c, false);
		return;
	}
	shutdown(c->fd, SHUT_WR);
	epoll_ctl(l->epoll, EPOLL_CTL_MOD, c->fd, &event);
}

static void listen_to(struct load *l, struct client *c)
{
	char rest[4096];

	for (;;) {
		size_t room = sizeof c->reply - c->got;
		ssize_t n =
		    recv(c->fd, room ? c->reply + c->got : rest, room ? room : sizeof rest, 0);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			finish(l, c, n == 0);
			return;
		}
		if (room)
			c->got += (size_t)n;
	}
}

static int by_value(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

static double percentile(struct load *l, double p)
{
	return l->latency_n ? 1e6 * (double)l->latencies[(size_t)((double)(l->latency_n - 1) * p)]
			    : 0;
}

static void run(struct load *l, struct client *clients, unsigned n)
{
	struct epoll_event events[256];
	unsigned busy = n, i;

	for (i = 0; i < n; i++)
		begin(l, &clients[i]);
	while (busy > 0) {
		int k = epoll_wait(l->epoll, events, 256, l->pause > 0 ? 1 : 1000);

		/* Whoever has not answered 10 s after the end is given up. */
		if (now() > l->end + 10)
			break;
		for (int j = 0; j < k; j++) {
			struct client *c = events[j].data.ptr;

			if (events[j].events & EPOLLOUT)
				speak(l, c);
			else
				listen_to(l, c);
		}
		for (i = 0, busy = 0; i < n; i++) {
			if (clients[i].fd < 0 && l->pause > 0 && now() < l->end) {
				if (now() >= clients[i].wake)
					begin(l, &clients[i]);
				busy++;
			} else if (clients[i].fd >= 0) {
				busy++;
			}
		}
	}
	l->failed += busy;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
	    {"port", required_argument, NULL, 'p'},
	    {"clients", required_argument, NULL, 'c'},
	    {"seconds", required_argument, NULL, 's'},
	    {"message", required_argument, NULL, 'm'},
	    {"expect", required_argument, NULL, 'e'},
	    {"sources", required_argument, NULL, 'a'},
	    {"pause-ms", required_argument, NULL, 'w'},
	    {"first-id", required_argument, NULL, 'i'},
	    {NULL, 0, NULL, 0},
	};
	struct load l = {.expect = "", .sources = 1, .id = 1};
	double seconds = 1, start, took;
	struct client *clients;
	unsigned n = 1;
	char *at;
	int c;

	l.to.sin_family = AF_INET;
	l.to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'p': l.to.sin_port = htons((uint16_t)atoi(optarg)); break;
		case 'c': n = (unsigned)atoi(optarg); break;
		case 's': seconds = atof(optarg); break;
		case 'm':
			l.before = optarg;
			at = strstr(optarg, "{id}");
			if (at) {
				*at = '\0';
				l.after = at + 4;
			}
			break;
		case 'e': l.expect = optarg; break;
		case 'a': l.sources = (unsigned)atoi(optarg); break;
		case 'w': l.pause = atof(optarg) / 1000; break;
		case 'i': l.id = strtoull(optarg, NULL, 10); break;
		default: return 2;
		}
	}
	clients = calloc(n, sizeof *clients);
	l.latencies = malloc(LATENCIES * sizeof *l.latencies);
	l.epoll = epoll_create1(0);
	if (!l.before || !clients || !l.latencies || l.epoll < 0) {
		fprintf(stderr, "usage: %s --port P --message TEXT [--clients N] ...\n", argv[0]);
		return 2;
	}
	start = now();
	l.end = start + seconds;
	run(&l, clients, n);
	took = now() - start;
	qsort(l.latencies, l.latency_n, sizeof *l.latencies, by_value);
	printf("ok=%lu wrong=%lu failed=%lu seconds=%.3f rate=%.1f p50_us=%.1f p99_us=%.1f "
	       "p999_us=%.1f\n",
	       l.ok, l.wrong, l.failed, took, (double)l.ok / took, percentile(&l, 0.5),
	       percentile(&l, 0.99), percentile(&l, 0.999));
	free(l.latencies);
	free(clients);
	return 0;
}
