/*
 * file.h -- small files whole, and directories: made durable, owned by one daemon at a time.
 */
#ifndef COORDINATOR_BASE_FILE_H
#define COORDINATOR_BASE_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "encoding/bytes.h"
#include "encoding/why.h"

/* Appends the file's bytes. False with a sentence naming the file: it cannot be read, or does not
 * fit out's ceiling. */
bool file_read(struct buf *out, const char *path, struct why *why);

/* A secret of one line, white space around it dropped. False with the sentence, out wiped: it
 * cannot be opened (errno is set), is longer than out, has a NUL byte, or everyone may read or
 * write the file, which is refused as ssh does. */
bool file_read_secret(char *out, size_t size, const char *path, struct why *why);

/* Replaces path as a whole, durably: a temporary file beside it, synced, renamed, and the directory
 * synced. False with the sentence; the former file is then as it was. */
bool file_write_whole(const char *path, struct span bytes, unsigned mode, struct why *why);

/* Makes the entries of a directory survive a power cut. False with the sentence. */
bool file_dir_sync(const char *path, struct why *why);

/* Creates path (mode 0700) where it is absent, and syncs its parent in any case: a former run may
 * have died between the two. False with the sentence. */
bool file_dir_make(const char *path, struct why *why);

/* Which file a path led to. */
struct file_place {
	uint64_t device, inode;
};

/* False with the sentence: it leads nowhere. */
bool file_place_note(struct file_place *out, const char *path, struct why *why);
/* Does the path still lead to that file? False with the sentence. One stat(2). */
bool file_place_is(const struct file_place *place, const char *path, struct why *why);

enum file_dir_lock {
	FILE_DIR_LOCKED,
	FILE_DIR_IN_USE, /* the sentence names the other process */
	FILE_DIR_FAILED,
};

/* Takes the exclusive lock on the directory. *fd holds it: closing it, or dying, releases it. */
enum file_dir_lock file_dir_lock(const char *path, int *fd, struct why *why);

#endif
