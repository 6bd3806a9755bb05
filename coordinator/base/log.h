/*
 * log.h -- one line an event, on stderr: logfmt, or JSON by a switch.
 *
 *     ts=2026-01-02T03:04:05.678Z level=info event=proof_kept batch=7 type=TDX source=10.0.0.5
 *
 * Event names are stable; fields are key, value pairs. Values are escaped, so that a peer cannot
 * forge a line. No secret is ever handed to these functions.
 */
#ifndef COORDINATOR_BASE_LOG_H
#define COORDINATOR_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_LOGFMT, LOG_JSON };

/* The only global state of the program: where its words go. */
void log_configure(enum log_level level, enum log_format format);
bool log_enabled(enum log_level level);

/* Fields are a printf-like list of key=conversion pairs separated by blanks, for example
 * log_event(LOG_INFO, "proof_kept", "batch=%" PRIu64 " source=%s", n, src). A value ends where the
 * next " key=" of the format begins, so values may hold blanks. At most 12 fields, 1 KiB a value.
 */
void log_event(enum log_level level, const char *event, const char *fields, ...)
    __attribute__((format(printf, 3, 4)));

const char *log_level_name(enum log_level level);
bool log_level_parse(enum log_level *out, const char *name);

#endif
