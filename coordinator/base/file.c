#include "coordinator/base/file.h"

#include <ctype.h>
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

bool file_place_note(struct file_place *out, const char *path, struct why *why)
{
	struct stat st;

	if (stat(path, &st)) {
		why_set(why, "cannot find %s: %s", path, strerror(errno));
		return false;
	}
	*out = (struct file_place){(uint64_t)st.st_dev, (uint64_t)st.st_ino};
	return true;
}

bool file_place_is(const struct file_place *place, const char *path, struct why *why)
{
	struct file_place now;

	if (!file_place_note(&now, path, why))
		return false;
	if (now.device == place->device && now.inode == place->inode)
		return true;
	why_set(why, "%s is another file than the one that was opened", path);
	return false;
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
		why_set(why, "cannot read \"%s\": %s", path, strerror(errno));
		return false;
	}
	while (fits && (n = fread(chunk, 1, sizeof chunk, f)) > 0)
		fits = buf_add(out, chunk, n);
	ok = fits && !ferror(f);
	if (!fits)
		why_set(why, "\"%s\" is longer than the %zu bytes allowed", path, out->max);
	else if (!ok)
		why_set(why, "cannot read \"%s\": %s", path, strerror(errno));
	fclose(f);
	return ok;
}

bool file_read_secret(char *out, size_t size, const char *path, struct why *why)
{
	struct stat st;
	size_t start;
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0) {
		why_set(why, "cannot open \"%s\": %s", path, strerror(errno));
		return false;
	}
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 0007)) {
		why_set(why, "\"%s\" may be read or written by everyone (mode %04o); chmod 0600 it",
			path, (unsigned)(st.st_mode & 07777));
		close(fd);
		errno = EPERM;
		return false;
	}
	n = read(fd, out, size);
	if (n < 0 || (size_t)n == size) {
		why_set(why, "\"%s\" %s", path,
			n < 0 ? strerror(errno) : "is too long for a secret");
		secret_wipe(out, size);
		close(fd);
		errno = EINVAL;
		return false;
	}
	close(fd);
	if (memchr(out, '\0', (size_t)n)) {
		why_set(why, "\"%s\" has a NUL byte in it: it is no text, or UTF-16", path);
		secret_wipe(out, size);
		errno = EINVAL;
		return false;
	}
	while (n > 0 && isspace((unsigned char)out[n - 1]))
		n--;
	out[n] = '\0';
	start = strspn(out, " \t\r\n\v\f");
	memmove(out, out + start, (size_t)n - start + 1);
	return true;
}

static bool write_all(int fd, struct span bytes)
{
	size_t done;
	ssize_t n;

	for (done = 0; done < bytes.n; done += (size_t)n) {
		n = write(fd, bytes.p + done, bytes.n - done);
		if (n < 0)
			return false;
	}
	return fsync(fd) == 0;
}

bool file_write_whole(const char *path, struct span bytes, unsigned mode, struct why *why)
{
	char fresh[PATH_MAX], parent[PATH_MAX];
	int fd = -1, n = snprintf(fresh, sizeof fresh, "%s.tmp", path);
	bool ok = false;

	if (n < 0 || (size_t)n >= sizeof fresh) {
		why_set(why, "the path %.80s... is too long", path);
		return false;
	}
	fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd >= 0)
		ok = fchmod(fd, mode) == 0 && write_all(fd, bytes);
	if (!ok || rename(fresh, path) != 0) {
		why_set(why, "cannot write %s: %s", path, strerror(errno));
		ok = false;
	}
	if (fd >= 0)
		close(fd);
	if (!ok) {
		unlink(fresh);
		return false;
	}
	snprintf(parent, sizeof parent, "%s", path);
	return file_dir_sync(dirname(parent), why);
}
