/*
 * fsync_floor DIR SECONDS: how many records a second one can make durable one at a time: a write
 * of 200 bytes and fdatasync, and one SQLite transaction each (WAL, synchronous=FULL).
 */
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double plain(const char *path, double seconds)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	double start = now(), end = start;
	char record[200];
	long n = 0;

	memset(record, 'r', sizeof record);
	while (fd >= 0 && end - start < seconds) {
		if (write(fd, record, sizeof record) != sizeof record || fdatasync(fd))
			exit(1);
		n++;
		end = now();
	}
	close(fd);
	return (double)n / (end - start);
}

static double sqlite(const char *path, double seconds)
{
	double start, end;
	char record[200];
	sqlite3 *db;
	sqlite3_stmt *insert;
	long n = 0;

	memset(record, 'r', sizeof record);
	if (sqlite3_open(path, &db) ||
	    sqlite3_exec(db,
			 "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
			 "CREATE TABLE t (id INTEGER PRIMARY KEY, record BLOB NOT NULL)",
			 NULL, NULL, NULL) ||
	    sqlite3_prepare_v2(db, "INSERT INTO t (record) VALUES (?1)", -1, &insert, NULL))
		exit(1);
	start = end = now();
	while (end - start < seconds) {
		sqlite3_bind_blob(insert, 1, record, sizeof record, SQLITE_STATIC);
		if (sqlite3_step(insert) != SQLITE_DONE)
			exit(1);
		sqlite3_reset(insert);
		n++;
		end = now();
	}
	sqlite3_finalize(insert);
	sqlite3_close(db);
	return (double)n / (end - start);
}

int main(int argc, char **argv)
{
	char path[4096];
	double seconds;

	if (argc != 3) {
		fprintf(stderr, "usage: %s DIR SECONDS\n", argv[0]);
		return 2;
	}
	seconds = atof(argv[2]);
	snprintf(path, sizeof path, "%s/fsync_floor.records", argv[1]);
	printf("fdatasync=%.1f ", plain(path, seconds));
	unlink(path);
	snprintf(path, sizeof path, "%s/fsync_floor.sqlite", argv[1]);
	unlink(path);
	printf("sqlite=%.1f\n", sqlite(path, seconds));
	unlink(path);
	strcat(path, "-wal");
	unlink(path);
	path[strlen(path) - 4] = '\0';
	strcat(path, "-shm");
	unlink(path);
	return 0;
}
