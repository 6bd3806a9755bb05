/*
 * executor.h -- input JSON -> program output, by a program that is given.
 *
 * The program gets the input on stdin and writes the output to stdout; exit status 0 means that the
 * batch was executed. ethrex's guest program plugs in here. Its stderr is ours.
 */
#ifndef QUOTE_GEN_EXECUTOR_H
#define QUOTE_GEN_EXECUTOR_H

#include "encoding/bytes.h"
#include "encoding/why.h"

/* Appends the output to out, whose ceiling bounds it. False with the sentence: it cannot be
 * started, failed, took longer than timeout_ms, wrote too much or nothing. It is killed in any
 * case. */
bool executor_run(struct buf *out, const char *path, struct span input, uint64_t timeout_ms,
		  const volatile int *stop, struct why *why);

#endif
