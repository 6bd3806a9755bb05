/*
 * log_writer.h -- lines to stderr without waiting for whoever reads it.
 *
 * A thread writes; what it has not written yet is kept up to 1 MiB, and what finds no room is
 * dropped and counted. Once there is room again a note says how many lines are missing, at the
 * place where they are. For log.c alone.
 */
#ifndef COORDINATOR_BASE_LOG_WRITER_H
#define COORDINATOR_BASE_LOG_WRITER_H

#include "encoding/why.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOG_NOTE_SIZE 256

/* Writes the line that says how many are missing; returns its length. Called by the thread. */
typedef size_t log_note_fn(char out[LOG_NOTE_SIZE], uint64_t dropped);

bool log_writer_start(log_note_fn *note, struct why *why);
bool log_writer_runs(void);
/* n bytes with their newline at the end: all of them or none. */
void log_writer_put(const char *line, size_t n);
/* Ends when all is written, when nothing was taken for a second, or after 5 s. */
void log_writer_stop(void);
/* Lines, since the process began. */
uint64_t log_writer_dropped(void);

#endif
