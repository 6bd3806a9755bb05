#include "quote-gen/quote.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define TRIES        5
#define RETRY_MS     200
#define LOOK_MS      10
#define ATTRIBUTE_MS 5000  /* for an attribute to appear */
#define QUOTE_MS     30000 /* as long as the kernel's driver waits for the quoting enclave */

static void pause_ms(long ms)
{
	nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

/* The kernel makes a request's attributes together with its directory; elsewhere they may come a
 * moment later. -1 with errno, ETIMEDOUT when it did not come. */
static int open_attribute(int dir, const char *name, int flags, long wait_ms,
			  const volatile int *stop)
{
	int fd;

	while ((fd = openat(dir, name, flags | O_CLOEXEC)) < 0 && errno == ENOENT && wait_ms > 0 &&
	       !*stop) {
		pause_ms(LOOK_MS);
		wait_ms -= LOOK_MS;
	}
	if (fd < 0 && errno == ENOENT)
		errno = *stop ? EINTR : ETIMEDOUT;
	return fd;
}

/* Reads a whole attribute; -1 with errno. */
static ssize_t read_attribute(int dir, const char *name, void *to, size_t n, long wait_ms,
			      const volatile int *stop)
{
	int fd = open_attribute(dir, name, O_RDONLY, wait_ms, stop);
	size_t at = 0;
	ssize_t got = 0;

	if (fd < 0)
		return -1;
	while (at < n && (got = read(fd, (char *)to + at, n - at)) > 0)
		at += (size_t)got;
	close(fd);
	return got < 0 ? -1 : (ssize_t)at;
}

static bool write_attribute(int dir, const char *name, const void *from, size_t n,
			    const volatile int *stop)
{
	int fd = open_attribute(dir, name, O_WRONLY, ATTRIBUTE_MS, stop);
	ssize_t put;

	if (fd < 0)
		return false;
	put = write(fd, from, n);
	close(fd);
	if (put >= 0 && (size_t)put != n)
		errno = EIO;
	return put == (ssize_t)n;
}

/* -1 with errno when the attribute cannot be read. */
static long read_generation(int dir, const volatile int *stop)
{
	char text[32] = "";
	ssize_t n = read_attribute(dir, "generation", text, sizeof text - 1, ATTRIBUTE_MS, stop);

	if (n == 0)
		errno = ENODATA;
	return n > 0 ? strtol(text, NULL, 10) : -1;
}

/* One request in a fresh directory. False with errno; EAGAIN: another process raced. */
static bool ask_once(int dir, struct buf *out, const uint8_t report_data[REPORT_DATA_SIZE],
		     const volatile int *stop)
{
	uint8_t *quote = malloc(QUOTE_SIZE_MAX);
	long before = read_generation(dir, stop), after = -1;
	ssize_t n = -1;
	bool ok = false;

	if (quote && before >= 0 &&
	    write_attribute(dir, "inblob", report_data, REPORT_DATA_SIZE, stop))
		n = read_attribute(dir, "outblob", quote, QUOTE_SIZE_MAX, QUOTE_MS, stop);
	if (n >= 0)
		after = read_generation(dir, stop);
	/* Each write of an attribute counts one: more means that the answer is not to our question.
	 */
	if (n >= 0 && after >= 0 && after != before + 1)
		errno = EAGAIN;
	else if (n == 0)
		errno = ENODATA;
	else if (n > 0 && after >= 0)
		ok = buf_add(out, quote, (size_t)n);
	free(quote);
	return ok;
}

/* False: its name is in `provider`, which takes n bytes and is empty when there is none. */
static bool provider_is_tdx(int dir, char *provider, size_t n, const volatile int *stop)
{
	ssize_t got;

	memset(provider, 0, n);
	got = read_attribute(dir, "provider", provider, n - 1, ATTRIBUTE_MS, stop);
	if (got == 0)
		errno = ENODATA;
	if (got <= 0)
		return false;
	provider[strcspn(provider, "\n")] = '\0';
	return strcmp(provider, "tdx_guest") == 0;
}

bool quote_from_kernel(struct buf *out, const char *reports,
		       const uint8_t report_data[REPORT_DATA_SIZE], const volatile int *stop,
		       struct why *why)
{
	static unsigned requests; /* no two of this process meet in one directory */
	char path[QUOTE_REPORTS_MAX + 64], provider[64] = "";
	int i, dir, error = EINTR;

	if (access(reports, F_OK) != 0) {
		why_set(why, "the kernel has no %s (configfs-tsm): %s", reports, strerror(errno));
		return false;
	}
	for (i = 0; i < TRIES && !*stop; i++) {
		bool tdx = false, ok = false;

		snprintf(path, sizeof path, "%s/quote-gen-%ld-%u", reports, (long)getpid(),
			 requests++);
		if (mkdir(path, 0700) != 0 && errno != EEXIST) {
			why_set(why, "cannot make %s: %s%s", path, strerror(errno),
				errno == ENXIO ? " (no TDX module: this machine is no trust domain)"
					       : "");
			return false;
		}
		dir = open(path, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
		if (dir >= 0) {
			tdx = provider_is_tdx(dir, provider, sizeof provider, stop);
			ok = tdx && ask_once(dir, out, report_data, stop);
		}
		error = errno;
		if (dir >= 0)
			close(dir);
		rmdir(path);
		if (ok)
			return true;
		if (!tdx && provider[0]) {
			why_set(why, "the report provider is \"%s\", not tdx_guest", provider);
			return false;
		}
		if (error != EBUSY && error != EINTR && error != ETIMEDOUT && error != EAGAIN)
			break;
		pause_ms(RETRY_MS);
	}
	why_set(why, "the TDX module gave no quote: %s", strerror(error));
	return false;
}
