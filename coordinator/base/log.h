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

#include "encoding/why.h"

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_LOGFMT, LOG_JSON };

/* The only global state of the program: where its words go. */
void log_configure(enum log_level level, enum log_format format);
bool log_level_parse(enum log_level *out, const char *name);
bool log_is_on(enum log_level level);

/* From start to stop no line waits for whoever reads stderr: a thread writes them, up to 1 MiB of
 * them wait, what finds no room is dropped, and a line "log_dropped" says how many once it flows
 * again. Outside, each line is written at once. Stop returns when all is written or nobody reads:
 * in 5 s at most. */
bool log_start(struct why *why);
void log_stop(void);
/* Lines dropped since the process began. */
uint64_t log_dropped(void);

struct log_field {
	const char *key; /* NULL ends a list */
	enum { LOG_TEXT, LOG_UNSIGNED, LOG_SIGNED } kind;
	union {
		const char *text;
		uint64_t u;
		int64_t i;
	};
};

static inline struct log_field log_str(const char *key, const char *text)
{
	return (struct log_field){.key = key, .kind = LOG_TEXT, .text = text};
}

static inline struct log_field log_u64(const char *key, uint64_t n)
{
	return (struct log_field){.key = key, .kind = LOG_UNSIGNED, .u = n};
}

static inline struct log_field log_i64(const char *key, int64_t n)
{
	return (struct log_field){.key = key, .kind = LOG_SIGNED, .i = n};
}

/* A line with at least one field; texts are borrowed for the call, 1 KiB of each is written, 8 KiB
 * of the line.
 *
 *     log_event(LOG_INFO, "proof_kept", log_u64("batch", n), log_str("source", source)); */
#define log_event(level, event, ...)                                                               \
	log_fields(level, event, (const struct log_field[]){__VA_ARGS__, {.key = NULL}})
void log_fields(enum log_level level, const char *event, const struct log_field *fields);

/* A line that a stranger can provoke, as often as it likes. Of each kind (a literal: a word for the
 * reason), from each source (may be ""), one a minute is written of errors and warnings, twenty of
 * others; then a line says how many more there were:
 *
 *     event=repeated of=message_refused kind=bad_json source=10.0.0.5 more=1200 within_s=60
 *
 * At LOG_DEBUG each is written. For the loop's thread alone. */
#define log_limited(level, event, kind, source, ...)                                               \
	log_limited_fields(level, event, kind, source,                                             \
			   (const struct log_field[]){__VA_ARGS__, {.key = NULL}})
void log_limited_fields(enum log_level level, const char *event, const char *kind,
			const char *source, const struct log_field *fields);
/* The counts whose minute is over, or all of them: from time to time, and at the end. */
void log_limited_say(bool all);
/* Lines that were only counted since the process began. */
uint64_t log_limited_left_out(void);

#endif
