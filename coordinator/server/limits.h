/*
 * limits.h -- how many connections and buffered bytes there are, in all and from each source.
 *
 * A source is an IPv4 address or the /64 of an IPv6 address: what one peer is given by its network.
 *
 * Of both ceilings on bytes the last eighth is kept for small buffers. Those of a source that holds
 * little (small, all together) may use that of all; so whoever fills the memory with large
 * messages, from however many addresses, does not keep others' small ones out.
 *
 * Pure counting, no I/O. Memory is bounded by max_connections: a source without a connection is
 * forgotten.
 */
#ifndef COORDINATOR_SERVER_LIMITS_H
#define COORDINATOR_SERVER_LIMITS_H

#include "encoding/bytes.h"

#include <netinet/in.h>
#include <sys/socket.h>

struct limits;

struct limits_options {
	size_t max_connections;            /* 1..2^31 */
	size_t max_connections_per_source; /* 0: no own ceiling */
	size_t max_bytes;
	size_t max_bytes_per_source; /* 0: no own ceiling */
	size_t small;                /* a buffer up to this size is small */
	uint64_t seed;               /* of the hash, so that a peer cannot choose its bucket */
};

struct limits_source {
	/* IPv4 as ::ffff:a.b.c.d; IPv6 with the last 8 bytes zero; the first bytes of a key's hash
	 */
	uint8_t bytes[16];
};

enum limits_verdict {
	LIMITS_OK,
	LIMITS_CONNECTIONS,
	LIMITS_SOURCE_CONNECTIONS,
	LIMITS_BYTES,
	LIMITS_SOURCE_BYTES,
	LIMITS_MEMORY, /* an allocation failed */
};

/* NULL when memory is out. */
struct limits *limits_new(const struct limits_options *options);
void limits_free(struct limits *limits);

/* Any address that is neither IPv4 nor IPv6 is the all-zero source. */
struct limits_source limits_source_of(const struct sockaddr *address);
#define LIMITS_SOURCE_TEXT 56
/* "192.0.2.1" or "2001:db8:1:2::/64"; returns out. */
const char *limits_source_text(struct limits_source source, char out[LIMITS_SOURCE_TEXT]);

/* Counts one connection; *ticket names its source in the calls below until limits_leave(). Nothing
 * is counted unless LIMITS_OK is returned. */
enum limits_verdict limits_enter(struct limits *limits, uint32_t *ticket,
				 struct limits_source source);
void limits_leave(struct limits *limits, uint32_t ticket);
/* A connection that holds no bytes is another source's from now on. Unless LIMITS_OK is returned it
 * stays whose it was. */
enum limits_verdict limits_move(struct limits *limits, uint32_t *ticket, struct limits_source to);

/* One buffer of the source grows from old to want bytes: LIMITS_OK and counted, or not counted. */
enum limits_verdict limits_grow(struct limits *limits, uint32_t ticket, size_t old, size_t want);
void limits_shrink(struct limits *limits, uint32_t ticket, size_t by);

size_t limits_connections(const struct limits *limits);
size_t limits_bytes(const struct limits *limits);
size_t limits_sources(const struct limits *limits);

#endif
