#include "coordinator/admin/listen.h"

#include "coordinator/base/file.h"
#include "coordinator/base/listen_at.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define TOKEN_BYTES 32
#define PATH_BYTES  1200

/* A live listener answers; a stale file of a dead one does not and may go. The lock on the data
 * directory has already kept a second daemon out. */
static bool make_way(const char *path, const struct listen_at *at, struct why *why)
{
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct stat st;
	bool alive;

	alive = fd >= 0 && connect(fd, (const struct sockaddr *)&at->address, at->size) == 0;
	if (fd >= 0)
		close(fd);
	if (alive)
		why_set(why, "another program listens on %s", path);
	else if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
		why_set(why, "%s is there, and is no socket", path);
	else {
		unlink(path);
		return true;
	}
	return false;
}

int admin_listen(const char *text, struct why *why)
{
	const char *path = listen_at_path(text);
	struct listen_at at;
	const int one = 1;
	char what[240];
	mode_t old = 0;
	bool bound;
	int fd, error;

	if (!listen_at_local(&at, text, why)) {
		why_wrap(why, "the admin listener \"%s\"", text);
		return -1;
	}
	if (path && !make_way(path, &at, why))
		return -1;
	fd = socket(at.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && !path)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (path)
		old = umask(0177);
	bound = fd >= 0 && bind(fd, (const struct sockaddr *)&at.address, at.size) == 0 &&
		listen(fd, 64) == 0;
	error = errno;
	if (path)
		umask(old);
	if (bound)
		return fd;
	snprintf(what, sizeof what, "%.200s for admin", text);
	listen_at_refused(why, what, error, "ETHREX_PROOF_COORDINATOR_ADMIN_LISTEN");
	if (fd >= 0)
		close(fd);
	return -1;
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
