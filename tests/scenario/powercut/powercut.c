/*
 * powercut.c -- an LD_PRELOAD object that knows what a power cut would leave of one directory tree.
 *
 *   POWERCUT_DIR      the tree that is watched
 *   POWERCUT_JOURNAL  a directory outside of it that is created; powercut.py reads it
 *   POWERCUT_IGNORE   classes of syncs that do nothing, separated by commas; see classes[]
 *
 * Nothing is recorded of a write. The journal holds, of every file, the bytes that it had at its
 * last fsync or fdatasync, and of every directory what happened to its entries, with marks where
 * it was synced. So mmap, stdio and any way of writing are covered, and a sync that this object
 * does not see (sync_file_range, O_SYNC, syncfs) counts as none. A sync returns at once: the page
 * cache survives a killed process, and the cut is what powercut.py makes of the tree.
 *
 * The journal (one process writes it at a time; it goes on where a killed one stopped):
 *   inodes    "INODE UID": which file an inode number now is; the last line counts
 *   f<UID>    the bytes that are durable; absent: none
 *   d<UID>    "+ KIND UID NAME", "- NAME", "> NAME\tNEW-NAME", "sync"; KIND is f or d
 * The root has UID 0. What the tree holds when the journal begins counts as durable; the journal
 * has its name only once all of that is recorded.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The first that fits a synced path, relative to the root ("." is the root), is its class. */
static const struct {
	const char *name, *pattern;
	bool directory;
} classes[] = {
    {"wal", "*-wal", false},        {"journal", "*-journal", false},
    {"db", "*.db", false},          {"input-file", "*inputs/*", false},
    {"other-file", "*", false},     {"parent-dir", ".", true},
    {"input-dir", "*inputs", true}, {"data-dir", "*", true},
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static char root[PATH_MAX], journal[PATH_MAX];
static size_t root_len; /* 0: not watching */
static const char *ignored;
static struct binding {
	ino_t inode;
	unsigned long uid;
} * bindings;
static size_t n_bindings;
static unsigned long next_uid = 1;

static void die(const char *what)
{
	dprintf(2, "powercut: %s: %s\n", what, strerror(errno));
	abort();
}

/* ---- the journal; with system calls of its own, for the functions below are interposed ---- */

static void append(const char *name, const char *line)
{
	char path[PATH_MAX + 64];
	int fd;

	snprintf(path, sizeof path, "%s/%s", journal, name);
	fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
			  0600);
	if (fd < 0 || write(fd, line, strlen(line)) != (ssize_t)strlen(line))
		die(path);
	close(fd);
}

static void log_entry(unsigned long dir, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void log_entry(unsigned long dir, const char *format, ...)
{
	char name[32], line[2 * PATH_MAX];
	va_list ap;

	va_start(ap, format);
	vsnprintf(line, sizeof line, format, ap);
	va_end(ap);
	snprintf(name, sizeof name, "d%lu", dir);
	append(name, line);
}

static unsigned long bind(ino_t inode)
{
	char line[64];

	bindings = realloc(bindings, (n_bindings + 1) * sizeof *bindings);
	if (!bindings)
		die("out of memory");
	bindings[n_bindings++] = (struct binding){inode, next_uid};
	snprintf(line, sizeof line, "%lu %lu\n", (unsigned long)inode, next_uid);
	append("inodes", line);
	return next_uid++;
}

static unsigned long uid_of(ino_t inode)
{
	size_t i;

	for (i = n_bindings; i-- > 0;)
		if (bindings[i].inode == inode)
			return bindings[i].uid;
	return bind(inode);
}

/* Aside and renamed: a process that is killed here must not lose what was durable before. */
static void keep_content(const char *path, unsigned long uid)
{
	static char block[1 << 20];
	char aside[PATH_MAX + 64], final[PATH_MAX + 64];
	ssize_t n;
	int in, out;

	snprintf(final, sizeof final, "%s/f%lu", journal, uid);
	snprintf(aside, sizeof aside, "%s/aside", journal);
	in = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	out = (int)syscall(SYS_openat, AT_FDCWD, aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
			   0600);
	if (in < 0 || out < 0)
		die(path);
	while ((n = read(in, block, sizeof block)) > 0)
		if (write(out, block, (size_t)n) != n)
			die(aside);
	if (n < 0)
		die(path);
	close(in);
	close(out);
	if (syscall(SYS_renameat2, AT_FDCWD, aside, AT_FDCWD, final, 0))
		die(final);
}

/* ---- the start ---- */

/* What is there when the journal begins is durable. */
static void record_tree(const char *path, unsigned long uid)
{
	char name[PATH_MAX + 256];
	unsigned long child;
	struct dirent *d;
	struct stat st;
	DIR *entries = opendir(path);

	if (!entries)
		die(path);
	while ((d = readdir(entries))) {
		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
			continue;
		snprintf(name, sizeof name, "%s/%s", path, d->d_name);
		if (lstat(name, &st))
			die(name);
		child = bind(st.st_ino);
		log_entry(uid, "+ %c %lu %s\n", S_ISDIR(st.st_mode) ? 'd' : 'f', child, d->d_name);
		if (S_ISDIR(st.st_mode))
			record_tree(name, child);
		else if (S_ISREG(st.st_mode))
			keep_content(name, child);
	}
	closedir(entries);
	log_entry(uid, "sync\n");
}

static void read_inodes(void)
{
	char path[PATH_MAX + 64];
	unsigned long inode, uid;
	FILE *f;

	snprintf(path, sizeof path, "%s/inodes", journal);
	f = fopen(path, "r");
	if (!f)
		die(path);
	while (fscanf(f, "%lu %lu", &inode, &uid) == 2) {
		bindings = realloc(bindings, (n_bindings + 1) * sizeof *bindings);
		if (!bindings)
			die("out of memory");
		bindings[n_bindings++] = (struct binding){inode, uid};
		if (uid >= next_uid)
			next_uid = uid + 1;
	}
	fclose(f);
}

/* In a directory of its own first: a process killed in here leaves no half of a journal. */
static void begin_journal(const char *to)
{
	char name[PATH_MAX + 512];
	struct dirent *d;
	struct stat st;
	DIR *old;

	snprintf(journal, sizeof journal, "%.*s.begun", PATH_MAX - 16, to);
	old = opendir(journal);
	while (old && (d = readdir(old))) {
		snprintf(name, sizeof name, "%s/%s", journal, d->d_name);
		syscall(SYS_unlinkat, AT_FDCWD, name, 0);
	}
	if (old)
		closedir(old);
	else if (syscall(SYS_mkdirat, AT_FDCWD, journal, 0700))
		die(journal);
	if (stat(root, &st))
		die(root);
	next_uid = 0;
	record_tree(root, bind(st.st_ino));
	if (syscall(SYS_renameat2, AT_FDCWD, journal, AT_FDCWD, to, 0))
		die(to);
}

__attribute__((constructor)) static void start(void)
{
	const char *dir = getenv("POWERCUT_DIR"), *to = getenv("POWERCUT_JOURNAL");
	bool going_on;

	if (!dir || !to)
		return;
	ignored = getenv("POWERCUT_IGNORE");
	if (!realpath(dir, root))
		die(dir);
	going_on = access(to, F_OK) == 0;
	if (!going_on)
		begin_journal(to);
	if (!realpath(to, journal))
		die(to);
	if (going_on)
		read_inodes();
	root_len = strlen(root);
}

/* ---- paths ---- */

struct place {
	char parent[PATH_MAX]; /* absolute, without symbolic links */
	char name[NAME_MAX + 1];
	char path[PATH_MAX + NAME_MAX + 2];
	unsigned long dir; /* the parent's UID */
};

static bool inside(const char *path)
{
	return strncmp(path, root, root_len) == 0 && (path[root_len] == '/' || !path[root_len]);
}

/* True when the path names an entry of a watched directory; errno is left alone. */
static bool find_place(struct place *p, int dirfd, const char *path)
{
	char whole[2 * PATH_MAX + 2], base[PATH_MAX] = "", link[64];
	int saved = errno;
	bool ok = false;
	struct stat st;
	ssize_t n;
	char *slash;

	if (!root_len)
		return false;
	if (path[0] != '/' && dirfd == AT_FDCWD && !getcwd(base, sizeof base))
		goto out;
	if (path[0] != '/' && dirfd != AT_FDCWD) {
		snprintf(link, sizeof link, "/proc/self/fd/%d", dirfd);
		n = readlink(link, base, sizeof base - 1);
		if (n < 0)
			goto out;
		base[n] = '\0';
	}
	n = snprintf(whole, sizeof whole, "%s/%s", base, path);
	while (n > 1 && whole[n - 1] == '/')
		whole[--n] = '\0';
	slash = strrchr(whole, '/');
	if (!slash || strlen(slash + 1) > NAME_MAX)
		goto out;
	strcpy(p->name, slash + 1);
	*slash = '\0';
	if (!realpath(whole[0] ? whole : "/", p->parent) || !inside(p->parent) ||
	    stat(p->parent, &st))
		goto out;
	snprintf(p->path, sizeof p->path, "%s/%s", p->parent, p->name);
	p->dir = uid_of(st.st_ino);
	ok = true;
out:
	errno = saved;
	return ok;
}

static bool exists(const struct place *p, struct stat *st)
{
	int saved = errno;
	bool there = lstat(p->path, st) == 0;

	errno = saved;
	return there;
}

/* A new file has a new identity, also where the file system uses an inode number again. */
static void created(const struct place *p)
{
	struct stat st;

	if (exists(p, &st))
		log_entry(p->dir, "+ %c %lu %s\n", S_ISDIR(st.st_mode) ? 'd' : 'f', bind(st.st_ino),
			  p->name);
}

/* ---- what is interposed ---- */

static int sync_fd(int fd, long call)
{
	char link[64], path[PATH_MAX];
	const char *relative, *at, *end;
	unsigned long uid;
	struct stat st;
	size_t i, len;
	ssize_t n;

	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	n = root_len ? readlink(link, path, sizeof path - 1) : -1;
	if (n >= 0)
		path[n] = '\0';
	if (n < 0 || !inside(path) || fstat(fd, &st))
		return (int)syscall(call, fd);
	relative = path[root_len] ? path + root_len + 1 : ".";
	for (i = 0; classes[i].directory != S_ISDIR(st.st_mode) ||
		    fnmatch(classes[i].pattern, relative, 0);
	     i++)
		;
	len = strlen(classes[i].name);
	for (at = ignored; at && *at; at = *end ? end + 1 : end) {
		end = strchrnul(at, ',');
		if ((size_t)(end - at) == len && strncmp(at, classes[i].name, len) == 0)
			return 0;
	}
	pthread_mutex_lock(&mutex);
	uid = uid_of(st.st_ino);
	if (S_ISDIR(st.st_mode))
		log_entry(uid, "sync\n");
	else if (st.st_nlink)
		keep_content(path, uid);
	pthread_mutex_unlock(&mutex);
	return 0;
}

int fsync(int fd)
{
	return sync_fd(fd, SYS_fsync);
}

int fdatasync(int fd)
{
	return sync_fd(fd, SYS_fdatasync);
}

static int open_at(int dirfd, const char *path, int flags, mode_t mode)
{
	struct place p;
	struct stat st;
	bool new;
	int fd;

	if (!(flags & O_CREAT))
		return (int)syscall(SYS_openat, dirfd, path, flags, mode);
	pthread_mutex_lock(&mutex);
	new = find_place(&p, dirfd, path) && !exists(&p, &st);
	fd = (int)syscall(SYS_openat, dirfd, path, flags, mode);
	if (fd >= 0 && new)
		created(&p);
	pthread_mutex_unlock(&mutex);
	return fd;
}

static mode_t mode_in(int flags, va_list ap)
{
	return flags & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY)) ? va_arg(ap, mode_t) : 0;
}

#define OPEN(name)                                                                                 \
	int name(const char *path, int flags, ...)                                                 \
	{                                                                                          \
		mode_t mode;                                                                       \
		va_list ap;                                                                        \
		va_start(ap, flags);                                                               \
		mode = mode_in(flags, ap);                                                         \
		va_end(ap);                                                                        \
		return open_at(AT_FDCWD, path, flags, mode);                                       \
	}
#define OPENAT(name)                                                                               \
	int name(int dirfd, const char *path, int flags, ...)                                      \
	{                                                                                          \
		mode_t mode;                                                                       \
		va_list ap;                                                                        \
		va_start(ap, flags);                                                               \
		mode = mode_in(flags, ap);                                                         \
		va_end(ap);                                                                        \
		return open_at(dirfd, path, flags, mode);                                          \
	}
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

int creat(const char *path, mode_t mode)
{
	return open_at(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

int creat64(const char *path, mode_t mode)
{
	return creat(path, mode);
}

/* The C library opens on its own in here, past our open(). */
static int make_temporary(const char *function, char *template, int flags)
{
	int (*next)(char *, int) = (int (*)(char *, int))dlsym(RTLD_NEXT, function);
	struct place p;
	int fd;

	pthread_mutex_lock(&mutex);
	fd = next(template, flags);
	if (fd >= 0 && find_place(&p, AT_FDCWD, template))
		created(&p);
	pthread_mutex_unlock(&mutex);
	return fd;
}

int mkostemp(char *template, int flags)
{
	return make_temporary("mkostemp", template, flags);
}

int mkostemp64(char *template, int flags)
{
	return make_temporary("mkostemp", template, flags);
}

int mkstemp(char *template)
{
	return make_temporary("mkostemp", template, 0);
}

int mkstemp64(char *template)
{
	return make_temporary("mkostemp", template, 0);
}

FILE *fopen(const char *path, const char *mode)
{
	FILE *(*next)(const char *, const char *) =
	    (FILE * (*)(const char *, const char *)) dlsym(RTLD_NEXT, "fopen");
	struct place p;
	struct stat st;
	bool new;
	FILE *f;

	pthread_mutex_lock(&mutex);
	new = mode[0] != 'r' && find_place(&p, AT_FDCWD, path) && !exists(&p, &st);
	f = next(path, mode);
	if (f && new)
		created(&p);
	pthread_mutex_unlock(&mutex);
	return f;
}

FILE *fopen64(const char *path, const char *mode)
{
	return fopen(path, mode);
}

int mkdirat(int dirfd, const char *path, mode_t mode)
{
	struct place p;
	int rc;

	pthread_mutex_lock(&mutex);
	rc = (int)syscall(SYS_mkdirat, dirfd, path, mode);
	if (rc == 0 && find_place(&p, dirfd, path))
		created(&p);
	pthread_mutex_unlock(&mutex);
	return rc;
}

int mkdir(const char *path, mode_t mode)
{
	return mkdirat(AT_FDCWD, path, mode);
}

int unlinkat(int dirfd, const char *path, int flags)
{
	struct place p;
	int rc;

	pthread_mutex_lock(&mutex);
	rc = (int)syscall(SYS_unlinkat, dirfd, path, flags);
	if (rc == 0 && find_place(&p, dirfd, path))
		log_entry(p.dir, "- %s\n", p.name);
	pthread_mutex_unlock(&mutex);
	return rc;
}

int unlink(const char *path)
{
	return unlinkat(AT_FDCWD, path, 0);
}

int rmdir(const char *path)
{
	return unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

int remove(const char *path)
{
	struct stat st;

	return unlinkat(AT_FDCWD, path,
			!lstat(path, &st) && S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0);
}

int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
	struct place a, b;
	bool in_a, in_b;
	struct stat st;
	int rc;

	pthread_mutex_lock(&mutex);
	rc = (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, flags);
	if (rc == 0) {
		in_a = find_place(&a, from_fd, from);
		in_b = find_place(&b, to_fd, to);
		if (in_a && in_b && a.dir == b.dir) {
			log_entry(a.dir, "> %s\t%s\n", a.name, b.name);
		} else {
			if (in_b && exists(&b, &st))
				log_entry(b.dir, "+ %c %lu %s\n", S_ISDIR(st.st_mode) ? 'd' : 'f',
					  uid_of(st.st_ino), b.name);
			if (in_a)
				log_entry(a.dir, "- %s\n", a.name);
		}
	}
	pthread_mutex_unlock(&mutex);
	return rc;
}

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	return renameat2(from_fd, from, to_fd, to, 0);
}

int rename(const char *from, const char *to)
{
	return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0);
}
