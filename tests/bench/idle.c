/*
 * idle PORT CONNECTIONS SOURCES DRIBBLE_MS: opens connections from 127.1.x.y addresses and keeps
 * them. Every second one writes a byte of an endless JSON string each DRIBBLE_MS; the others are
 * silent. Prints "open N" and stays until its standard input ends, then prints how many live.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct rlimit limit;
	int count, sources, dribble_ms, i, at = 1, open = 0, step;
	const int on = 1;
	int *fds;

	if (argc != 5) {
		fprintf(stderr, "usage: %s PORT CONNECTIONS SOURCES DRIBBLE_MS\n", argv[0]);
		return 2;
	}
	to.sin_port = htons((uint16_t)atoi(argv[1]));
	count = atoi(argv[2]);
	sources = atoi(argv[3]);
	dribble_ms = atoi(argv[4]);
	signal(SIGPIPE, SIG_IGN);
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = (rlim_t)count + 64;
	if (limit.rlim_max < limit.rlim_cur)
		limit.rlim_max = limit.rlim_cur;
	setrlimit(RLIMIT_NOFILE, &limit);
	fds = calloc((size_t)count, sizeof *fds);
	if (!fds)
		return 1;
	for (i = 0; i < count; i++) {
		struct sockaddr_in from = {
		    .sin_family = AF_INET,
		    .sin_addr.s_addr = htonl(0x7f010001u + (uint32_t)(i % sources)),
		};

		fds[i] = socket(AF_INET, SOCK_STREAM, 0);
		if (fds[i] < 0) {
			perror("socket");
			return 1;
		}
		setsockopt(fds[i], IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
		if (bind(fds[i], (struct sockaddr *)&from, sizeof from) ||
		    connect(fds[i], (struct sockaddr *)&to, sizeof to)) {
			perror("connect");
			return 1;
		}
		if (i % 2)
			(void)!write(fds[i], "\"", 1);
	}
	printf("open %d\n", count);
	fflush(stdout);

	/* A few each tick rather than all at once: load, not bursts. */
	step = dribble_ms >= 10 ? count / (dribble_ms / 10) : count;
	for (;;) {
		struct pollfd in = {.fd = 0, .events = POLLIN};

		if (poll(&in, 1, 10) > 0)
			break;
		for (i = 0; i < step && i < count; i++, at = (at + 1) % count)
			if (at % 2)
				(void)!send(fds[at], "x", 1, MSG_DONTWAIT);
	}
	for (i = 0; i < count; i++) {
		char c;

		if (recv(fds[i], &c, 1, MSG_DONTWAIT | MSG_PEEK) < 0)
			open++;
	}
	printf("alive %d\n", open);
	return 0;
}
