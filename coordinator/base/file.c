#include "coordinator/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

bool file_dir_sync(const char *path, struct why *why)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int failed;

	if (fd < 0) {
		why_set(why, "cannot open the directory %s: %s", path, strerror(errno));
		return false;
	}
	failed = fsync(fd);
	if (failed)
		why_set(why, "cannot sync the directory %s: %s", path, strerror(errno));
	close(fd);
	return !failed;
}

bool file_dir_make(const char *path, struct why *why)
{
	char parent[PATH_MAX];
	struct stat st;
	bool made;
	int n;

	made = mkdir(path, 0700) == 0;
	if (!made && errno != EEXIST) {
		why_set(why, "cannot create the directory %s: %s", path, strerror(errno));
		return false;
	}
	if (stat(path, &st) || !S_ISDIR(st.st_mode)) {
		why_set(why, "%s is not a directory", path);
		return false;
	}
	n = snprintf(parent, sizeof parent, "%s", path);
	if (n < 0 || (size_t)n >= sizeof parent) {
		why_set(why, "the path %.80s... is too long", path);
		return false;
	}
	/* Who may not read the parent of an old directory did not make that directory either. */
	if (!made && access(dirname(parent), R_OK))
		return true;
	snprintf(parent, sizeof parent, "%s", path);
	return file_dir_sync(dirname(parent), why);
}

enum file_dir_lock file_dir_lock(const char *path, int *fd, struct why *why)
{
	char name[PATH_MAX], pid[32];
	ssize_t got;
	int n;

	*fd = -1;
	n = snprintf(name, sizeof name, "%s/lock", path);
	if (n < 0 || (size_t)n >= sizeof name) {
		why_set(why, "the path %.80s... is too long", path);
		return FILE_DIR_FAILED;
	}
	*fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (*fd < 0) {
		why_set(why, "cannot open %s: %s", name, strerror(errno));
		return FILE_DIR_FAILED;
	}
	if (flock(*fd, LOCK_EX | LOCK_NB)) {
		int error = errno;

		if (error == EWOULDBLOCK) {
			got = pread(*fd, pid, sizeof pid - 1, 0);
			pid[got > 0 ? got : 0] = '\0';
			pid[strspn(pid, "0123456789")] = '\0';
			why_set(why, "the data directory %s is in use by process %s", path,
				pid[0] ? pid : "(unknown)");
		} else {
			why_set(why, "cannot lock %s: %s", name, strerror(error));
		}
		close(*fd);
		*fd = -1;
		return error == EWOULDBLOCK ? FILE_DIR_IN_USE : FILE_DIR_FAILED;
	}
	n = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
	if (ftruncate(*fd, 0) || pwrite(*fd, pid, (size_t)n, 0) != n) {
		why_set(why, "cannot write %s: %s", name, strerror(errno));
		close(*fd);
		*fd = -1;
		return FILE_DIR_FAILED;
	}
	return FILE_DIR_LOCKED;
}

bool file_read(struct buf *out, const char *path, struct why *why)
{
	char chunk[4096];
	bool fits = true, ok;
	size_t n;
	FILE *f = fopen(path, "re");

	if (!f) {
		why_set(why, "cannot read %s: %s", path, strerror(errno));
		return false;
	}
	while (fits && (n = fread(chunk, 1, sizeof chunk, f)) > 0)
		fits = buf_add(out, chunk, n);
	ok = fits && !ferror(f);
	if (!fits)
		why_set(why, "%s is longer than the %zu bytes allowed", path, out->max);
	else if (!ok)
		why_set(why, "cannot read %s: %s", path, strerror(errno));
	fclose(f);
	return ok;
}
