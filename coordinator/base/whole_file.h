/*
 * whole_file.h -- a small file into a buffer with a ceiling.
 */
#ifndef COORDINATOR_BASE_WHOLE_FILE_H
#define COORDINATOR_BASE_WHOLE_FILE_H

#include "encoding/bytes.h"
#include "encoding/why.h"

/* Appends the file's bytes. False with a sentence naming the file: it cannot be read, or does not
 * fit out's ceiling. */
bool whole_file_read(struct buf *out, const char *path, struct why *why);

#endif
