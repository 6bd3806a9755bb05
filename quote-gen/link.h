/*
 * link.h -- one exchange with the coordinator: connect, send, half-close, read to the end.
 */
#ifndef QUOTE_GEN_LINK_H
#define QUOTE_GEN_LINK_H

#include "encoding/bytes.h"
#include "encoding/why.h"

struct link_options {
	const char *host, *port;
	uint64_t connect_timeout_ms;
	uint64_t io_timeout_ms; /* without a byte in either direction */
};

/* Sends message and appends the whole reply to reply, whose ceiling bounds it. False with a
 * sentence in the words of the operating system, "Connection refused (os error 111)". Stops early
 * when *stop becomes true. */
bool link_exchange(struct buf *reply, const struct link_options *options, struct span message,
		   const volatile int *stop, struct why *why);

#endif
