#include "coordinator/admin/listen.h"

#include "coordinator/base/file.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define TOKEN_BYTES 32
#define PATH_BYTES  1200

static int listen_unix(const char *path, struct why *why)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd;
	mode_t old;

	if (strlen(path) >= sizeof to.sun_path) {
		why_set(why, "the admin socket's path \"%s\" is longer than %zu characters", path,
			sizeof to.sun_path - 1);
		return -1;
	}
	strcpy(to.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		goto failed;
	/* A live listener answers; a stale file of a dead one does not and may go. The lock on the
	 * data directory has already kept a second daemon out. */
	if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0) {
		why_set(why, "another program listens on %s", path);
		close(fd);
		return -1;
	}
	close(fd);
	unlink(path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	old = umask(0177);
	if (fd < 0 || bind(fd, (struct sockaddr *)&to, sizeof to) < 0 || listen(fd, 64) < 0) {
		umask(old);
		goto failed;
	}
	umask(old);
	return fd;
failed:
	why_set(why, "cannot listen on unix:%s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

static int listen_tcp(const char *text, struct why *why)
{
	char host[64];
	const char *colon = strrchr(text, ':');
	struct sockaddr_in to = {.sin_family = AF_INET};
	int fd, one = 1;
	unsigned long port;
	char *end;

	if (!colon || (size_t)(colon - text) >= sizeof host)
		goto malformed;
	memcpy(host, text, (size_t)(colon - text));
	host[colon - text] = '\0';
	port = strtoul(colon + 1, &end, 10);
	if (*end || !colon[1] || port > 65535)
		goto malformed;
	if (strcmp(host, "localhost") == 0)
		strcpy(host, "127.0.0.1");
	if (inet_pton(AF_INET, host, &to.sin_addr) != 1)
		goto malformed;
	if ((ntohl(to.sin_addr.s_addr) >> 24) != 127) {
		why_set(why, "the admin listener must be on loopback or a Unix socket, not on %s",
			host);
		return -1;
	}
	to.sin_port = htons((uint16_t)port);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (fd < 0 || bind(fd, (struct sockaddr *)&to, sizeof to) < 0 || listen(fd, 64) < 0) {
		why_set(why, "cannot listen on %s for admin: %s", text, strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
malformed:
	why_set(why, "the admin listener \"%s\" is neither unix:PATH nor 127.x.x.x:PORT", text);
	return -1;
}

const char *admin_listen_path(const char *text)
{
	return strncmp(text, "unix:", 5) == 0 ? text + 5 : NULL;
}

int admin_listen(const char *text, struct why *why)
{
	const char *path = admin_listen_path(text);

	return path ? listen_unix(path, why) : listen_tcp(text, why);
}

static bool make_token(char *out, const char *path, struct why *why)
{
	uint8_t random[TOKEN_BYTES];
	char line[2 * TOKEN_BYTES + 2];
	bool ok = getrandom(random, sizeof random, 0) == (ssize_t)sizeof random;

	if (ok) {
		hex_encode(line, random, sizeof random);
		memcpy(out, line, 2 * TOKEN_BYTES + 1);
		strcpy(line + 2 * TOKEN_BYTES, "\n");
		ok = file_write_whole(path, span_of(line, strlen(line)), 0600, why);
	} else {
		why_set(why, "no randomness for the admin token");
	}
	secret_wipe(random, sizeof random);
	secret_wipe(line, sizeof line);
	return ok;
}

bool admin_token(char *out, size_t size, const char *given, const char *data_dir, struct why *why)
{
	char path[PATH_BYTES];

	if (given[0]) {
		snprintf(out, size, "%s", given);
		return true;
	}
	snprintf(path, sizeof path, "%s/admin.token", data_dir);
	if (file_read_secret(out, size, path, why)) {
		if (out[0])
			return true;
	} else if (errno != ENOENT) {
		return false;
	}
	return make_token(out, path, why);
}
