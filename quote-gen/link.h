/*
 * link.h -- one exchange with the coordinator: connect, send, half-close, read to the end.
 *
 * With TLS close_notify is the half-close, and the coordinator's the end: a reply that ends without
 * it may have been cut on the way, and is none.
 */
#ifndef QUOTE_GEN_LINK_H
#define QUOTE_GEN_LINK_H

#include "encoding/bytes.h"
#include "encoding/why.h"
#include "quote-gen/link_tls.h"

struct link_options {
	const char *host, *port;
	uint64_t connect_timeout_ms;
	uint64_t io_timeout_ms; /* without a byte in either direction */
	struct link_tls *tls;   /* NULL: plain TCP */
};

/* Sends message and appends the whole reply to reply, whose ceiling bounds it. False with a
 * sentence in the words of the operating system, "Connection refused (os error 111)". Stops early
 * when *stop becomes true. */
bool link_exchange(struct buf *reply, const struct link_options *options, struct span message,
		   const volatile int *stop, struct why *why);

#endif
