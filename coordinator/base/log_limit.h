/*
 * log_limit.h -- how many lines of a kind are written, when strangers say how many there are.
 *
 * A kind is an event and a word for its reason. Of each kind and source some lines a minute are
 * written, the others counted; at the minute's end the count is due. 64 kinds are told apart, and
 * eight sources of each: all others share one place more. Pure: no clock, no I/O.
 */
#ifndef COORDINATOR_BASE_LOG_LIMIT_H
#define COORDINATOR_BASE_LOG_LIMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOG_LIMIT_MS      60000u
#define LOG_LIMIT_KINDS   64
#define LOG_LIMIT_SOURCES 8
#define LOG_SOURCE_SIZE   56

struct log_limit_place {
	char source[LOG_SOURCE_SIZE]; /* of the last one, where several share it */
	uint64_t since_ms;
	uint64_t written, left_out; /* both 0: free */
};

struct log_limit_kind {
	const char *event, *kind; /* literals; event NULL: none */
	struct log_limit_place place[LOG_LIMIT_SOURCES + 1];
};

/* All zero is new. */
struct log_limit {
	struct log_limit_kind kind[LOG_LIMIT_KINDS];
	uint64_t left_out; /* in all */
};

/* May a line of this kind be written now? at_most: a minute. event and kind are kept as they are;
 * source may be "". */
bool log_limit_ask(struct log_limit *l, const char *event, const char *kind, const char *source,
		   uint64_t at_most, uint64_t now_ms);

struct log_limit_count {
	const char *event, *kind;
	char source[LOG_SOURCE_SIZE]; /* "others": several */
	uint64_t left_out, within_ms;
};
/* A count whose minute is over, or any where all is set; its place is free then. False: none. */
bool log_limit_due(struct log_limit *l, struct log_limit_count *out, uint64_t now_ms, bool all);

#endif
