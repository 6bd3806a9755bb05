/*
 * executor.h -- input JSON -> program output, by a program that is given.
 *
 * The program gets the input on stdin and writes the output to stdout; exit status 0 means that the
 * batch was executed. ethrex-executor (docs/EXECUTOR.md) is the one that is meant: statuses 65 and
 * 80 to 94 are its refusals of an input. The last line that the program writes to stderr is the
 * sentence for how it ended.
 */
#ifndef QUOTE_GEN_EXECUTOR_H
#define QUOTE_GEN_EXECUTOR_H

#include "encoding/bytes.h"
#include "encoding/why.h"

#define EXECUTOR_NAME "ethrex-executor"

enum executor_rc {
	EXECUTOR_OK,
	EXECUTOR_REFUSED, /* the input's fault: it is refused */
	EXECUTOR_FAILED   /* the program's: not started, killed, over a limit, no output */
};

struct executor_limits {
	uint64_t timeout_ms;
	uint64_t memory; /* bytes of its address space */
};

/* The program beside this one, or on PATH. False when there is none. */
bool executor_find(char *path, size_t size);

/* Whether the program can be started, as far as can be told before. False with the sentence. */
bool executor_check(const char *path, struct why *why);

/* Feeds input as the program reads it and appends its output to out, whose ceiling bounds it. why
 * gets the sentence, when all is well the program's own (it may be empty). The program and what it
 * started are killed in any case. */
enum executor_rc executor_run(struct buf *out, const char *path, struct span input,
			      const struct executor_limits *limits, const volatile int *stop,
			      struct why *why);

#endif
