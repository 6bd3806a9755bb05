#include "quote-gen/quote.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define REPORTS  "/sys/kernel/config/tsm/report"
#define TRIES    5
#define RETRY_MS 200

/* Reads a whole attribute; -1 with errno. */
static ssize_t read_attribute(int dir, const char *name, void *to, size_t n)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	size_t at = 0;
	ssize_t got = 0;

	if (fd < 0)
		return -1;
	while (at < n && (got = read(fd, (char *)to + at, n - at)) > 0)
		at += (size_t)got;
	close(fd);
	return got < 0 ? -1 : (ssize_t)at;
}

static bool write_attribute(int dir, const char *name, const void *from, size_t n)
{
	int fd = openat(dir, name, O_WRONLY | O_CLOEXEC);
	ssize_t put;

	if (fd < 0)
		return false;
	put = write(fd, from, n);
	close(fd);
	if (put >= 0 && (size_t)put != n)
		errno = EIO;
	return put == (ssize_t)n;
}

/* -1 when the attribute cannot be read. */
static long read_generation(int dir)
{
	char text[32] = "";

	return read_attribute(dir, "generation", text, sizeof text - 1) > 0 ? strtol(text, NULL, 10)
									    : -1;
}

/* One request in a fresh directory. False with errno; EAGAIN: another process raced. */
static bool ask_once(int dir, struct buf *out, const uint8_t report_data[REPORT_DATA_SIZE])
{
	uint8_t *quote = malloc(QUOTE_SIZE_MAX);
	long before = read_generation(dir), after;
	ssize_t n = -1;
	bool ok = false;

	if (!quote)
		return false;
	if (write_attribute(dir, "inblob", report_data, REPORT_DATA_SIZE))
		n = read_attribute(dir, "outblob", quote, QUOTE_SIZE_MAX);
	after = read_generation(dir);
	/* Each write of an attribute counts one: more means that the answer is not to our question.
	 */
	if (n > 0 && before >= 0 && after != before + 1)
		errno = EAGAIN;
	else if (n == 0)
		errno = ENODATA;
	else if (n > 0)
		ok = buf_add(out, quote, (size_t)n);
	free(quote);
	return ok;
}

bool quote_from_kernel(struct buf *out, const uint8_t report_data[REPORT_DATA_SIZE],
		       struct why *why)
{
	const struct timespec pause = {0, RETRY_MS * 1000000l};
	char path[128], provider[64];
	int i, dir, error = 0;
	ssize_t n;

	if (access(REPORTS, F_OK) != 0) {
		why_set(why, "the kernel has no " REPORTS " (configfs-tsm): %s", strerror(errno));
		return false;
	}
	for (i = 0; i < TRIES; i++) {
		bool ok = false;

		snprintf(path, sizeof path, REPORTS "/quote-gen-%ld-%d", (long)getpid(), i);
		if (mkdir(path, 0700) != 0 && errno != EEXIST) {
			why_set(why, "cannot make %s: %s%s", path, strerror(errno),
				errno == ENXIO ? " (no TDX module: this machine is no trust domain)"
					       : "");
			return false;
		}
		dir = open(path, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
		if (dir < 0) {
			error = errno;
		} else {
			memset(provider, 0, sizeof provider);
			n = read_attribute(dir, "provider", provider, sizeof provider - 1);
			if (n > 0 && strncmp(provider, "tdx_guest", 9) != 0) {
				provider[strcspn(provider, "\n")] = '\0';
				why_set(why, "the report provider is \"%s\", not tdx_guest",
					provider);
				close(dir);
				rmdir(path);
				return false;
			}
			ok = ask_once(dir, out, report_data);
			error = errno;
			close(dir);
		}
		rmdir(path);
		if (ok)
			return true;
		if (error != EBUSY && error != EINTR && error != ETIMEDOUT && error != EAGAIN)
			break;
		nanosleep(&pause, NULL);
	}
	why_set(why, "the TDX module gave no quote: %s", strerror(error));
	return false;
}
