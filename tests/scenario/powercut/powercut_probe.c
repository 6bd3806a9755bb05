/*
 * powercut_probe.c -- does to files what its arguments say, so that the rig's test can be read:
 *
 *   write FILE TEXT   open, create, truncate and write     put FILE OFFSET TEXT   pwrite
 *   stdio FILE TEXT   the same with fopen                  map FILE TEXT          over its start
 *   cut FILE LENGTH   ftruncate                            temp TEMPLATE TEXT     mkostemp
 *   sync FILE | syncdir DIR | mkdir DIR | unlink FILE | rename OLD NEW | open FILE
 *   kill              die of SIGKILL
 */
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static bool done_with(int fd, bool ok)
{
	return fd >= 0 && ok && close(fd) == 0;
}

static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	return done_with(fd, write(fd, text, strlen(text)) == (ssize_t)strlen(text));
}

static bool put_file(const char *path, const char *at, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0600);

	return done_with(fd, pwrite(fd, text, strlen(text), atol(at)) == (ssize_t)strlen(text));
}

static bool stdio_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	return f && fputs(text, f) >= 0 && fclose(f) == 0;
}

static bool map_file(const char *path, const char *text)
{
	int fd = open(path, O_RDWR);
	void *p = mmap(NULL, strlen(text), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		return false;
	memcpy(p, text, strlen(text));
	return done_with(fd, munmap(p, strlen(text)) == 0);
}

static bool cut_file(const char *path, const char *length)
{
	int fd = open(path, O_WRONLY);

	return done_with(fd, ftruncate(fd, atol(length)) == 0);
}

static bool temp_file(char *template, const char *text)
{
	int fd = mkostemp(template, O_CLOEXEC);

	return done_with(fd, write(fd, text, strlen(text)) == (ssize_t)strlen(text));
}

static bool sync_path(const char *path, int flags)
{
	int fd = open(path, O_RDONLY | flags);

	return done_with(fd, fsync(fd) == 0);
}

int main(int argc, char **argv)
{
	char **a = argv + 1, **end = argv + argc;
	bool ok = true;

	while (ok && a < end) {
		const char *op = *a++;

		if (strcmp(op, "kill") == 0) {
			raise(SIGKILL);
		} else if (strcmp(op, "sync") == 0 && a + 1 <= end) {
			ok = sync_path(*a++, 0);
		} else if (strcmp(op, "syncdir") == 0 && a + 1 <= end) {
			ok = sync_path(*a++, O_DIRECTORY);
		} else if (strcmp(op, "mkdir") == 0 && a + 1 <= end) {
			ok = mkdir(*a++, 0700) == 0;
		} else if (strcmp(op, "unlink") == 0 && a + 1 <= end) {
			ok = unlink(*a++) == 0;
		} else if (strcmp(op, "open") == 0 && a + 1 <= end) {
			ok = done_with(open(*a++, O_RDWR | O_CREAT, 0600), true);
		} else if (strcmp(op, "rename") == 0 && a + 2 <= end) {
			ok = rename(a[0], a[1]) == 0;
			a += 2;
		} else if (strcmp(op, "write") == 0 && a + 2 <= end) {
			ok = write_file(a[0], a[1]);
			a += 2;
		} else if (strcmp(op, "stdio") == 0 && a + 2 <= end) {
			ok = stdio_file(a[0], a[1]);
			a += 2;
		} else if (strcmp(op, "map") == 0 && a + 2 <= end) {
			ok = map_file(a[0], a[1]);
			a += 2;
		} else if (strcmp(op, "cut") == 0 && a + 2 <= end) {
			ok = cut_file(a[0], a[1]);
			a += 2;
		} else if (strcmp(op, "temp") == 0 && a + 2 <= end) {
			ok = temp_file(a[0], a[1]);
			a += 2;
		} else if (strcmp(op, "put") == 0 && a + 3 <= end) {
			ok = put_file(a[0], a[1], a[2]);
			a += 3;
		} else {
			ok = false;
		}
		if (!ok)
			perror(op);
	}
	return ok ? 0 : 1;
}
