/*
 * input_sink.h -- an input file from bytes that are known already, such as another coordinator's:
 * in a thread of libuv's pool, synchronously. As input_file.h, it is durable under its hash or not
 * there at all.
 */
#ifndef COORDINATOR_STORE_INPUT_SINK_H
#define COORDINATOR_STORE_INPUT_SINK_H

#include "coordinator/store/input_file.h"

struct input_sink;

/* INPUT_OK: the caller ends it with input_sink_publish() or input_sink_abort(). */
enum input_rc input_sink_open(struct input_sink **out, const char *dir, struct why *why);
enum input_rc input_sink_write(struct input_sink *sink, struct span bytes, struct why *why);
/* Frees the sink. INPUT_BROKEN: these were not the bytes. */
enum input_rc input_sink_publish(struct input_sink *sink, const uint8_t sha256[32], uint64_t size,
				 struct why *why);
/* NULL is fine. */
void input_sink_abort(struct input_sink *sink);

#endif
