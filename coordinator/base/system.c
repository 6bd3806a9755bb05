#include "coordinator/base/system.h"

#include "ethereum/keccak.h"

#include "encoding/bytes.h"

#include <dirent.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Does a name of this machine's abstract sockets, as the kernel lists them, belong to somebody else
 * who has this key? mine: the names that are no trouble begin with it. */
static bool is_rival(const char *line, const char *key, const char *mine)
{
	const char *name = strchr(line, '@');
	size_t n = strlen(key);

	if (!name || strncmp(++name, key, n) != 0 || (name[n] != '\n' && name[n] != '/'))
		return false;
	return !*mine || strncmp(name, mine, strlen(mine)) != 0;
}

/* Where the list cannot be read, nobody is seen. */
static bool has_rival(const char *key, const char *mine)
{
	FILE *f = fopen("/proc/net/unix", "re");
	char line[512];
	unsigned seen = 0;

	while (f && fgets(line, sizeof line, f))
		/* Our own name is one of them. */
		seen += is_rival(line, key, mine);
	if (f)
		fclose(f);
	return seen > (*mine ? 0 : 1);
}

static int bind_abstract(const char *text)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	const size_t n = strlen(text);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), error;

	memcpy(name.sun_path + 1, text, n);
	if (fd < 0 || bind(fd, (struct sockaddr *)&name,
			   (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + n)) == 0)
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

static void hash_name(char out[17], const char *text)
{
	uint8_t hash[32];

	keccak256(hash, text, strlen(text));
	hex_encode(out, hash, 8);
}

int system_lock_key(const struct eth_address *key, const char *where, const char *store,
		    struct why *why)
{
	char text[ETH_ADDRESS_TEXT_SIZE], place[17], group[17];
	char name[80], mine[90] = "", full[107];
	unsigned any = 0;
	int fd;

	hash_name(place, where);
	hash_name(group, store);
	eth_address_print(text, key);
	snprintf(name, sizeof name, "proof-coordinator/%s/%s", text, place);
	snprintf(full, sizeof full, "%s", name);
	if (*store) {
		snprintf(mine, sizeof mine, "%s/%.8s/", name, group);
		/* Processes that share these names need not share their numbers. */
		(void)!getrandom(&any, sizeof any, GRND_NONBLOCK);
		snprintf(full, sizeof full, "%s%08x", mine, any);
	}
	fd = bind_abstract(full);
	if (fd >= 0 && !has_rival(name, mine))
		return fd;
	if (fd >= 0 || errno == EADDRINUSE)
		why_set(
		    why,
		    "another proof-coordinator on this machine sends from %s to the same L1%s: two "
		    "would take each other's nonces",
		    text, *store ? ", and not by the same database" : "");
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
