/*
 * data_dir.h -- the data directory: made durable, and owned by one daemon at a time.
 */
#ifndef COORDINATOR_BASE_FILE_H
#define COORDINATOR_BASE_FILE_H

#include <stdbool.h>

#include "encoding/why.h"

/* Makes the entries of a directory survive a power cut. False with the sentence. */
bool data_dir_sync(const char *path, struct why *why);

/* Creates path (mode 0700) where it is absent, and syncs its parent in any case: a former run may
 * have died between the two. False with the sentence. */
bool data_dir_make(const char *path, struct why *why);

enum data_dir_lock {
	DATA_DIR_LOCKED,
	DATA_DIR_IN_USE, /* the sentence names the other process */
	DATA_DIR_FAILED,
};

/* Takes the exclusive lock on the directory. *fd holds it: closing it, or dying, releases it. */
enum data_dir_lock data_dir_lock(const char *path, int *fd, struct why *why);

#endif
