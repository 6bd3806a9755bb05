#include "coordinator/server/limits.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX

struct entry {
	struct limits_source source;
	uint32_t connections; /* 0: on the free list */
	uint32_t next;        /* in the bucket, or in the free list */
	size_t bytes;
};

struct limits {
	struct limits_options options;
	size_t connections, bytes, sources;
	uint32_t *buckets; /* first entry of each */
	uint32_t mask;
	struct entry *entries;
	uint32_t used, cap, free;
};

struct limits *limits_new(const struct limits_options *options)
{
	struct limits *l = calloc(1, sizeof *l);
	size_t buckets = 64;

	if (!l)
		return NULL;
	l->options = *options;
	l->free = NONE;
	while (buckets < options->max_connections)
		buckets *= 2;
	l->mask = (uint32_t)(buckets - 1);
	l->buckets = malloc(buckets * sizeof *l->buckets);
	if (!l->buckets) {
		free(l);
		return NULL;
	}
	memset(l->buckets, 0xff, buckets * sizeof *l->buckets);
	return l;
}

void limits_free(struct limits *l)
{
	if (!l)
		return;
	free(l->entries);
	free(l->buckets);
	free(l);
}

struct limits_source limits_source_of(const struct sockaddr *address)
{
	struct limits_source out = {{0}};
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	if (address->sa_family == AF_INET) {
		memcpy(&v4, address, sizeof v4);
		out.bytes[10] = out.bytes[11] = 0xff;
		memcpy(out.bytes + 12, &v4.sin_addr, 4);
	} else if (address->sa_family == AF_INET6) {
		memcpy(&v6, address, sizeof v6);
		memcpy(out.bytes, &v6.sin6_addr, IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr) ? 16 : 8);
	}
	return out;
}

const char *limits_source_text(struct limits_source source, char out[LIMITS_SOURCE_TEXT])
{
	struct in6_addr address;

	memcpy(&address, source.bytes, sizeof address);
	if (IN6_IS_ADDR_V4MAPPED(&address)) {
		const uint8_t *b = source.bytes + 12;

		snprintf(out, LIMITS_SOURCE_TEXT, "%u.%u.%u.%u", b[0], b[1], b[2], b[3]);
	} else {
		inet_ntop(AF_INET6, &address, out, INET6_ADDRSTRLEN);
		strcat(out, "/64");
	}
	return out;
}

static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 32)) * UINT64_C(0xd6e8feb86659fd93);
	x = (x ^ (x >> 32)) * UINT64_C(0xd6e8feb86659fd93);
	return x ^ (x >> 32);
}

static uint32_t *bucket_of(struct limits *l, const struct limits_source *source)
{
	uint64_t a, b;

	memcpy(&a, source->bytes, 8);
	memcpy(&b, source->bytes + 8, 8);
	return &l->buckets[mix(mix(a ^ l->options.seed) ^ b ^ (l->options.seed << 1)) & l->mask];
}

static uint32_t find(struct limits *l, const struct limits_source *source)
{
	uint32_t at = *bucket_of(l, source);

	while (at != NONE && memcmp(&l->entries[at].source, source, sizeof *source) != 0)
		at = l->entries[at].next;
	return at;
}

static uint32_t add(struct limits *l, const struct limits_source *source)
{
	uint32_t at = l->free, *bucket;

	if (at != NONE) {
		l->free = l->entries[at].next;
	} else {
		if (l->used == l->cap) {
			uint32_t cap = l->cap ? l->cap * 2 : 16;
			struct entry *entries = realloc(l->entries, cap * sizeof *entries);

			if (!entries)
				return NONE;
			l->entries = entries;
			l->cap = cap;
		}
		at = l->used++;
	}
	bucket = bucket_of(l, source);
	l->entries[at] = (struct entry){.source = *source, .next = *bucket};
	*bucket = at;
	l->sources++;
	return at;
}

static void forget(struct limits *l, uint32_t at)
{
	uint32_t *link = bucket_of(l, &l->entries[at].source);

	while (*link != at)
		link = &l->entries[*link].next;
	*link = l->entries[at].next;
	l->entries[at].next = l->free;
	l->free = at;
	l->sources--;
}

enum limits_verdict limits_enter(struct limits *l, uint32_t *ticket, struct limits_source source)
{
	uint32_t at;

	if (l->connections >= l->options.max_connections)
		return LIMITS_CONNECTIONS;
	at = find(l, &source);
	if (at == NONE)
		at = add(l, &source);
	else if (l->options.max_connections_per_source &&
		 l->entries[at].connections >= l->options.max_connections_per_source)
		return LIMITS_SOURCE_CONNECTIONS;
	if (at == NONE)
		return LIMITS_MEMORY;
	l->entries[at].connections++;
	l->connections++;
	*ticket = at;
	return LIMITS_OK;
}

void limits_leave(struct limits *l, uint32_t ticket)
{
	l->connections--;
	if (--l->entries[ticket].connections == 0)
		forget(l, ticket);
}

enum limits_verdict limits_move(struct limits *l, uint32_t *ticket, struct limits_source to)
{
	const uint32_t from = *ticket;
	enum limits_verdict verdict;

	l->connections--; /* it is one of them already */
	verdict = limits_enter(l, ticket, to);
	l->connections++;
	if (!verdict)
		limits_leave(l, from);
	return verdict;
}

/* The last eighth of a ceiling is not for everything. */
static bool fits(size_t held, size_t more, size_t ceiling, bool to_the_last)
{
	if (!to_the_last)
		ceiling -= ceiling / 8;
	return held <= ceiling && more <= ceiling - held;
}

enum limits_verdict limits_grow(struct limits *l, uint32_t ticket, size_t old, size_t want)
{
	const struct limits_options *o = &l->options;
	struct entry *e = &l->entries[ticket];
	size_t more = want > old ? want - old : 0;
	bool small = want <= o->small;

	if (o->max_bytes_per_source && !fits(e->bytes, more, o->max_bytes_per_source, small))
		return LIMITS_SOURCE_BYTES;
	if (!fits(l->bytes, more, o->max_bytes,
		  small && more <= o->small && e->bytes <= o->small - more))
		return LIMITS_BYTES;
	l->bytes += more;
	e->bytes += more;
	return LIMITS_OK;
}

void limits_shrink(struct limits *l, uint32_t ticket, size_t by)
{
	l->bytes -= by;
	l->entries[ticket].bytes -= by;
}

size_t limits_connections(const struct limits *l)
{
	return l->connections;
}

size_t limits_bytes(const struct limits *l)
{
	return l->bytes;
}

size_t limits_sources(const struct limits *l)
{
	return l->sources;
}
