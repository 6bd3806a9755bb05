/*
 * exchange.h -- one message to the upstream coordinator, and its answer to the last byte.
 *
 * A connection of its own: connect, write, half-close (without which ethrex waits for ever), read
 * to the end of the stream. Every step has a deadline. The reader holds back what comes by not
 * asking for more.
 */
#ifndef COORDINATOR_RELAY_EXCHANGE_H
#define COORDINATOR_RELAY_EXCHANGE_H

#include "encoding/bytes.h"
#include "encoding/why.h"

#include <uv.h>

#define EXCHANGE_CHUNK (256u << 10) /* bytes that one call hands over at most */

struct exchange;

enum exchange_end {
	EXCHANGE_WHOLE,     /* the peer has closed, in order */
	EXCHANGE_NO_PEER,   /* nobody was reached: refused, unreachable, no such name, too late */
	EXCHANGE_NO_ANSWER, /* connected, and no byte in time */
	EXCHANGE_BROKEN,    /* reset, or it stopped in the middle, or took too long in all */
};

struct exchange_options {
	const char *host; /* a name or a numeric address */
	uint16_t port;
	uint64_t connect_ms; /* for name and connection */
	uint64_t idle_ms;    /* without a byte */
	uint64_t total_ms;   /* of the whole exchange, what the reader itself needs left out */
};

struct exchange_events {
	/* n >= 1 bytes, valid during the call; no more come before exchange_more(). */
	void (*bytes)(void *arg, const uint8_t *bytes, size_t n);
	/* Once; the exchange is gone. Not after exchange_abort(). */
	void (*end)(void *arg, enum exchange_end end, const char *sentence);
};

/* message is copied; end comes later, never from inside. False with the sentence; *out is NULL. */
bool exchange_new(struct exchange **out, uv_loop_t *loop, const struct exchange_options *options,
		  struct span message, const struct exchange_events *events, void *arg,
		  struct why *why);
void exchange_more(struct exchange *x);
/* Ends it without a word; allowed in any event. NULL is fine. */
void exchange_abort(struct exchange *x);

#endif
