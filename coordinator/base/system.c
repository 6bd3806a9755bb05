#include "coordinator/base/system.h"

#include "ethereum/keccak.h"

#include "encoding/bytes.h"

#include <dirent.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int system_lock_key(const struct eth_address *key, const char *where, struct why *why)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	char text[ETH_ADDRESS_TEXT_SIZE], place[17];
	uint8_t hash[32];
	int fd, n;

	keccak256(hash, where, strlen(where));
	hex_encode(place, hash, 8);
	eth_address_print(text, key);
	n = snprintf(name.sun_path + 1, sizeof name.sun_path - 1, "proof-coordinator/%s/%s", text,
		     place);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 &&
	    bind(fd, (struct sockaddr *)&name,
		 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n)) == 0)
		return fd;
	if (errno == EADDRINUSE)
		why_set(
		    why,
		    "another proof-coordinator on this machine sends from %s to the same L1: two "
		    "would take each other's nonces",
		    text);
	else
		why_set(why, "cannot claim the key %s: %s", text, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

/* The protocol is one datagram, so the dependency on libsystemd is not worth its weight. */
void system_notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	size_t n = path ? strlen(path) : 0;
	int fd;

	if (n < 2 || n >= sizeof to.sun_path || (path[0] != '/' && path[0] != '@'))
		return;
	memcpy(to.sun_path, path, n);
	if (to.sun_path[0] == '@')
		to.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	/* Nobody to tell, or one who does not listen, is no reason to fail or to wait. */
	(void)!sendto(fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *)&to,
		      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
	close(fd);
}

static bool count_descriptors(uint64_t *out)
{
	DIR *d = opendir("/proc/self/fd");
	uint64_t entries = 0;

	if (!d)
		return false;
	while (readdir(d))
		entries++;
	closedir(d);
	*out = entries > 3 ? entries - 3 : 0; /* ".", "..", and the directory's own */
	return true;
}

static bool read_memory(uint64_t *mapped, uint64_t *resident)
{
	FILE *f = fopen("/proc/self/statm", "re");
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	char line[128] = "", *end;
	bool ok;

	if (!f)
		return false;
	ok = fgets(line, sizeof line, f) != NULL;
	fclose(f);
	*mapped = page * strtoull(line, &end, 10);
	*resident = page * strtoull(end, NULL, 10);
	return ok && end != line;
}

bool system_usage(struct system_usage *out)
{
	struct rusage used;
	struct rlimit files;

	memset(out, 0, sizeof *out);
	if (getrusage(RUSAGE_SELF, &used) != 0 || getrlimit(RLIMIT_NOFILE, &files) != 0 ||
	    !read_memory(&out->virtual_bytes, &out->resident_bytes) ||
	    !count_descriptors(&out->open_fds))
		return false;
	out->max_fds = files.rlim_cur;
	out->cpu_seconds = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
			   (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
	return true;
}
