/*
 * The two bare ways to send a file: blocking sendfile(2), and a read/write loop. One connection at
 * a time, nothing else.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

static char buffer[256 * 1024];

static void send_with_sendfile(int to, int file, off_t length)
{
	off_t at = 0;

	while (at < length && sendfile(to, file, &at, (size_t)(length - at)) > 0)
		;
}

static void send_with_loop(int to, int file)
{
	ssize_t n, k, sent;

	lseek(file, 0, SEEK_SET);
	while ((n = read(file, buffer, sizeof buffer)) > 0)
		for (sent = 0; sent < n; sent += k)
			if ((k = write(to, buffer + sent, (size_t)(n - sent))) <= 0)
				return;
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof address;
	int listener = socket(AF_INET, SOCK_STREAM, 0), file, on = 1;
	struct stat st;

	if (argc != 3 || (file = open(argv[2], O_RDONLY)) < 0 || fstat(file, &st)) {
		fprintf(stderr, "usage: %s sendfile|loop FILE\n", argv[0]);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 16) ||
	    getsockname(listener, (struct sockaddr *)&address, &size))
		return 1;
	printf("port %u\n", ntohs(address.sin_port));
	fflush(stdout);
	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd < 0)
			return 1;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
		while (read(fd, buffer, sizeof buffer) > 0)
			;
		if (strcmp(argv[1], "sendfile") == 0)
			send_with_sendfile(fd, file, st.st_size);
		else
			send_with_loop(fd, file);
		close(fd);
	}
}
