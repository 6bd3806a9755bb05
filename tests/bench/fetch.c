/*
 * fetch PORT MESSAGE: asks once, reads to the end of the stream, prints bytes and seconds.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static char buffer[256 * 1024];

int main(int argc, char **argv)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct timespec a, b;
	long long bytes = 0;
	ssize_t n;

	if (argc != 3) {
		fprintf(stderr, "usage: %s PORT MESSAGE\n", argv[0]);
		return 2;
	}
	to.sin_port = htons((uint16_t)atoi(argv[1]));
	clock_gettime(CLOCK_MONOTONIC, &a);
	if (connect(fd, (struct sockaddr *)&to, sizeof to) ||
	    write(fd, argv[2], strlen(argv[2])) < 0 || shutdown(fd, SHUT_WR)) {
		perror("fetch");
		return 1;
	}
	while ((n = read(fd, buffer, sizeof buffer)) > 0)
		bytes += n;
	clock_gettime(CLOCK_MONOTONIC, &b);
	if (n < 0) {
		perror("read");
		return 1;
	}
	close(fd);
	printf("bytes=%lld seconds=%.6f\n", bytes,
	       (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9);
	return 0;
}
