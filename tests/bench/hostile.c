/*
 * hostile --port P --seconds S --sources N FILE...: N addresses (127.0.2.1 and so on), each with
 * one connection after the other, as fast as it may: the message of one FILE, half-close, the reply
 * to its end.
 *
 * In a message of up to 64 KiB "~~~" becomes a random byte (100..255) and "#######" the number of
 * the batch that a reply named last. Prints a line for each file.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CHANGED_MAX 65536
#define KINDS_MAX   16
#define RETRY_S     0.01

struct kind {
	const char *name;
	char *text;
	size_t size;
	unsigned long answered, refused, failed; /* refused: with an Error document */
};

struct client {
	int fd; /* -1: waits for its next turn */
	struct kind *kind;
	struct sockaddr_in from;
	char *own; /* a changed copy; NULL: the file's text as it is */
	size_t sent, got;
	char reply[64];
	double wake;
};

struct flood {
	int epoll;
	struct sockaddr_in to;
	struct kind kinds[KINDS_MAX];
	unsigned n_kinds;
	unsigned long batch;
	unsigned seed;
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool read_file(struct kind *k, const char *path)
{
	struct stat st;
	int fd = open(path, O_RDONLY);
	bool ok;

	if (fd < 0 || fstat(fd, &st))
		return false;
	k->name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	k->size = (size_t)st.st_size;
	k->text = malloc(k->size + 1);
	ok = k->text && read(fd, k->text, k->size) == (ssize_t)k->size;
	close(fd);
	if (ok)
		k->text[k->size] = '\0';
	return ok;
}

static void change(struct flood *f, char *text)
{
	char number[8];
	char *at;

	for (at = text; (at = strstr(at, "~~~")); at += 3) {
		snprintf(number, sizeof number, "%3d", 100 + rand_r(&f->seed) % 156);
		memcpy(at, number, 3);
	}
	for (at = text; (at = strstr(at, "#######")); at += 7) {
		snprintf(number, sizeof number, "%7lu", f->batch % 10000000);
		memcpy(at, number, 7);
	}
}

static const char *text_of(const struct client *c)
{
	return c->own ? c->own : c->kind->text;
}

static void begin(struct flood *f, struct client *c)
{
	struct epoll_event event = {.events = EPOLLOUT | EPOLLIN, .data.ptr = c};
	const int on = 1;

	c->sent = c->got = 0;
	if (c->own) {
		memcpy(c->own, c->kind->text, c->kind->size + 1);
		change(f, c->own);
	}
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
	if (c->fd >= 0 && bind(c->fd, (struct sockaddr *)&c->from, sizeof c->from) == 0 &&
	    (connect(c->fd, (struct sockaddr *)&f->to, sizeof f->to) == 0 ||
	     errno == EINPROGRESS) &&
	    epoll_ctl(f->epoll, EPOLL_CTL_ADD, c->fd, &event) == 0)
		return;
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	c->kind->failed++;
	c->wake = now() + RETRY_S;
}

static void finish(struct flood *f, struct client *c, bool answered)
{
	static const char granted[] = "{\"InputResponse\":{\"id\":", error[] = "{\"Error\"";

	close(c->fd);
	c->fd = -1;
	c->reply[c->got < sizeof c->reply ? c->got : sizeof c->reply - 1] = '\0';
	if (!answered)
		c->kind->failed++;
	else if (strncmp(c->reply, error, sizeof error - 1) == 0)
		c->kind->refused++;
	else
		c->kind->answered++;
	if (strncmp(c->reply, granted, sizeof granted - 1) == 0 &&
	    c->reply[sizeof granted - 1] != 'n')
		f->batch = strtoul(c->reply + sizeof granted - 1, NULL, 10);
	if (answered)
		begin(f, c);
	else
		c->wake = now() + RETRY_S;
}

/* False: the connection is gone. */
static bool speak(struct flood *f, struct client *c)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
	ssize_t n;

	while (c->sent < c->kind->size) {
		n = send(c->fd, text_of(c) + c->sent, c->kind->size - c->sent, MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN)
			return true;
		if (n < 0) {
			finish(f, c, false);
			return false;
		}
		c->sent += (size_t)n;
	}
	shutdown(c->fd, SHUT_WR);
	epoll_ctl(f->epoll, EPOLL_CTL_MOD, c->fd, &event);
	return true;
}

static void hear(struct flood *f, struct client *c)
{
	static char rest[65536];
	int i;

	for (i = 0; i < 16; i++) {
		bool head = c->got < sizeof c->reply - 1;
		size_t room = head ? sizeof c->reply - 1 - c->got : sizeof rest;
		ssize_t n = recv(c->fd, head ? c->reply + c->got : rest, room, 0);

		if (n < 0 && errno == EAGAIN)
			return;
		/* The end of an answer may be seen before all is sent; the rest is not wanted. */
		if (n <= 0) {
			finish(f, c, n == 0 && c->got > 0);
			return;
		}
		c->got += (size_t)n;
	}
}

static void run(struct flood *f, struct client *clients, unsigned n, double end)
{
	struct epoll_event events[128];
	unsigned i;
	double t;

	while ((t = now()) < end) {
		int k = epoll_wait(f->epoll, events, 128, 10), j;

		for (j = 0; j < k; j++) {
			struct client *c = events[j].data.ptr;

			if (c->fd >= 0 && c->sent < c->kind->size && !speak(f, c))
				continue;
			if (events[j].events & (EPOLLIN | EPOLLERR | EPOLLHUP))
				hear(f, c);
		}
		for (i = 0; i < n; i++)
			if (clients[i].fd < 0 && clients[i].wake <= t)
				begin(f, &clients[i]);
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
	    {"port", required_argument, NULL, 'p'},
	    {"seconds", required_argument, NULL, 's'},
	    {"sources", required_argument, NULL, 'n'},
	    {NULL, 0, NULL, 0},
	};
	static struct flood f = {.batch = 1, .seed = 1};
	struct client *clients;
	double seconds = 1;
	unsigned n = 50, i;
	int c;

	f.to.sin_family = AF_INET;
	f.to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'p': f.to.sin_port = htons((uint16_t)atoi(optarg)); break;
		case 's': seconds = atof(optarg); break;
		case 'n': n = (unsigned)atoi(optarg); break;
		default: return 2;
		}
	}
	for (; optind < argc && f.n_kinds < KINDS_MAX; optind++)
		if (!read_file(&f.kinds[f.n_kinds++], argv[optind])) {
			perror(argv[optind]);
			return 1;
		}
	clients = calloc(n, sizeof *clients);
	f.epoll = epoll_create1(0);
	if (!f.n_kinds || !clients || f.epoll < 0) {
		fprintf(stderr, "usage: %s --port P FILE... [--seconds S] [--sources N]\n",
			argv[0]);
		return 2;
	}
	for (i = 0; i < n; i++) {
		clients[i].fd = -1;
		clients[i].kind = &f.kinds[i % f.n_kinds];
		clients[i].from.sin_family = AF_INET;
		clients[i].from.sin_addr.s_addr = htonl(0x7f000201u + i);
		if (clients[i].kind->size <= CHANGED_MAX)
			clients[i].own = malloc(clients[i].kind->size + 1);
	}
	run(&f, clients, n, now() + seconds);
	for (i = 0; i < f.n_kinds; i++)
		printf("kind=%s answered=%lu refused=%lu failed=%lu\n", f.kinds[i].name,
		       f.kinds[i].answered, f.kinds[i].refused, f.kinds[i].failed);
	return 0;
}
