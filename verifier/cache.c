#include "verifier/internal.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define CAPACITY_MAX 4096u
#define NONE         UINT32_MAX

struct entry {
	uint64_t hash, used_at; /* used_at: value of the cache's tick */
	uint8_t *pem;           /* owned; NULL: free entry */
	size_t n;
	uint8_t root_key[64];
	struct verified_chain *chain;
	uint32_t next; /* in its bucket */
};

struct tdxv_cache {
	pthread_mutex_t lock;
	unsigned capacity, used, buckets;
	uint64_t tick, hits, misses, evictions;
	struct entry *entry;
	uint32_t *bucket;
};

/* Spreads only: the bytes are compared in full, so a collision costs time, not truth. */
static uint64_t spread(struct tdxv_bytes b)
{
	uint64_t h = 0x9e3779b97f4a7c15u ^ b.n, w;

	while (b.n >= 8) {
		memcpy(&w, b.p, 8);
		h = (h ^ w) * 0xff51afd7ed558ccdu;
		h ^= h >> 32;
		b.p += 8;
		b.n -= 8;
	}
	while (b.n--)
		h = (h ^ *b.p++) * 0xff51afd7ed558ccdu;
	return h ^ h >> 29;
}

struct tdxv_cache *tdxv_cache_new(unsigned capacity)
{
	struct tdxv_cache *c;
	unsigned i;

	if (capacity < 1 || capacity > CAPACITY_MAX)
		return NULL;
	c = calloc(1, sizeof *c);
	if (!c)
		return NULL;
	c->capacity = capacity;
	for (c->buckets = 1; c->buckets < capacity; c->buckets *= 2)
		;
	c->entry = calloc(capacity, sizeof *c->entry);
	c->bucket = calloc(c->buckets, sizeof *c->bucket);
	if (!c->entry || !c->bucket || pthread_mutex_init(&c->lock, NULL) != 0) {
		free(c->entry);
		free(c->bucket);
		free(c);
		return NULL;
	}
	for (i = 0; i < c->buckets; i++)
		c->bucket[i] = NONE;
	return c;
}

void tdxv_cache_free(struct tdxv_cache *c)
{
	unsigned i;

	if (!c)
		return;
	for (i = 0; i < c->used; i++) {
		free(c->entry[i].pem);
		tdxv__chain_release(c->entry[i].chain);
	}
	pthread_mutex_destroy(&c->lock);
	free(c->entry);
	free(c->bucket);
	free(c);
}

void tdxv_cache_stats(struct tdxv_cache_stats *out, struct tdxv_cache *c)
{
	pthread_mutex_lock(&c->lock);
	*out = (struct tdxv_cache_stats){c->hits, c->misses, c->evictions, c->used, c->capacity};
	pthread_mutex_unlock(&c->lock);
}

static struct entry *lookup(struct tdxv_cache *c, uint64_t hash, struct tdxv_bytes pem,
			    const uint8_t root_key[64])
{
	uint32_t i;

	for (i = c->bucket[hash & (c->buckets - 1)]; i != NONE; i = c->entry[i].next) {
		struct entry *e = &c->entry[i];

		if (e->hash == hash && tdxv__bytes_eq(tdxv__bytes(e->pem, e->n), pem) &&
		    memcmp(e->root_key, root_key, 64) == 0)
			return e;
	}
	return NULL;
}

struct verified_chain *tdxv__cache_get(struct tdxv_cache *c, struct tdxv_bytes pem,
				       const uint8_t root_key[64])
{
	uint64_t hash = spread(pem);
	struct verified_chain *chain = NULL;
	struct entry *e;

	pthread_mutex_lock(&c->lock);
	e = lookup(c, hash, pem, root_key);
	if (e) {
		e->used_at = ++c->tick;
		chain = e->chain;
		atomic_fetch_add(&chain->references, 1);
		c->hits++;
	} else {
		c->misses++;
	}
	pthread_mutex_unlock(&c->lock);
	return chain;
}

bool tdxv__cache_has_issuer(struct tdxv_cache *c, const struct chain *chain,
			    const uint8_t root_key[64])
{
	bool found = false;
	unsigned i;

	pthread_mutex_lock(&c->lock);
	for (i = 0; i < c->used && !found; i++) {
		const struct entry *e = &c->entry[i];
		const struct cert *known = e->chain->chain.cert;

		found = tdxv__bytes_eq(known[1].der, chain->cert[1].der) &&
			tdxv__bytes_eq(known[2].der, chain->cert[2].der) &&
			memcmp(e->root_key, root_key, 64) == 0;
	}
	pthread_mutex_unlock(&c->lock);
	return found;
}

/* Takes the least recently used entry out of its bucket and empties it. */
static struct entry *evict(struct tdxv_cache *c)
{
	struct entry *oldest = &c->entry[0];
	uint32_t *link, i;

	for (i = 1; i < c->used; i++)
		if (c->entry[i].used_at < oldest->used_at)
			oldest = &c->entry[i];
	i = (uint32_t)(oldest - c->entry);
	for (link = &c->bucket[oldest->hash & (c->buckets - 1)]; *link != i;)
		link = &c->entry[*link].next;
	*link = oldest->next;
	free(oldest->pem);
	tdxv__chain_release(oldest->chain);
	c->evictions++;
	return oldest;
}

void tdxv__cache_put(struct tdxv_cache *c, struct tdxv_bytes pem, const uint8_t root_key[64],
		     struct verified_chain *chain)
{
	uint64_t hash = spread(pem);
	uint8_t *copy = malloc(pem.n + 1);
	uint32_t *bucket;
	struct entry *e;

	if (!copy)
		return;
	memcpy(copy, pem.p, pem.n);
	pthread_mutex_lock(&c->lock);
	if (lookup(c, hash, pem, root_key)) { /* another thread was faster */
		pthread_mutex_unlock(&c->lock);
		free(copy);
		return;
	}
	e = c->used < c->capacity ? &c->entry[c->used++] : evict(c);
	bucket = &c->bucket[hash & (c->buckets - 1)];
	*e = (struct entry){.hash = hash,
			    .used_at = ++c->tick,
			    .pem = copy,
			    .n = pem.n,
			    .chain = chain,
			    .next = *bucket};
	memcpy(e->root_key, root_key, 64);
	*bucket = (uint32_t)(e - c->entry);
	atomic_fetch_add(&chain->references, 1);
	pthread_mutex_unlock(&c->lock);
}
