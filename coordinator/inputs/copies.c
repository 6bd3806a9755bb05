/* Where the store is shared, DIR/inputs holds copies: a file that is not here is fetched before it
 * is read, and those that were not read for longest make room. */
#include "coordinator/inputs/internal.h"

#include <stdlib.h>
#include <string.h>

#define FETCHES_MAX 2 /* at once: each has a thread of libuv's pool, which sends files too */

struct opening {
	struct opening *next;
	inputs_open_cb *cb;
	void *arg;
};

struct copy {
	struct copy *next;  /* of its bucket */
	struct copy *later; /* of those that wait to be fetched */
	struct inputs *in;
	uint8_t sha256[32];
	uint64_t size;
	bool here;     /* else it waits, or comes */
	uint64_t used; /* the higher, the later */
	unsigned readers;
	struct opening *openings;
};

/* ---- the table ---- */

static struct copy **bucket_of(struct copies *cs, const uint8_t sha256[32])
{
	size_t h;

	memcpy(&h, sha256, sizeof h);
	return &cs->bucket[h % COPY_BUCKETS];
}

static struct copy *find(const struct inputs *in, const uint8_t sha256[32])
{
	struct copy *c = *bucket_of((struct copies *)&in->copies, sha256);

	while (c && memcmp(c->sha256, sha256, 32) != 0)
		c = c->next;
	return c;
}

static struct copy *make(struct inputs *in, const uint8_t sha256[32], uint64_t size)
{
	struct copy **bucket = bucket_of(&in->copies, sha256), *c = calloc(1, sizeof *c);

	if (!c)
		return NULL;
	c->in = in;
	c->size = size;
	memcpy(c->sha256, sha256, 32);
	c->next = *bucket;
	*bucket = c;
	return c;
}

static void unlink_copy(struct inputs *in, struct copy *c)
{
	struct copy **at = bucket_of(&in->copies, c->sha256);

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	free(c);
}

void copies_add(struct inputs *in, const uint8_t sha256[32], uint64_t size)
{
	struct copy *c;

	if (!store_is_shared(in->p.store) || find(in, sha256))
		return;
	c = make(in, sha256, size);
	if (!c)
		return;
	c->here = true;
	c->used = ++in->copies.uses;
	in->copies.bytes += size;
}

bool copies_have(const struct inputs *in, const uint8_t sha256[32])
{
	const struct copy *c = find(in, sha256);

	return c && c->here;
}

void copies_forget(struct inputs *in, const uint8_t sha256[32])
{
	struct copy *c = find(in, sha256);

	if (!c || !c->here)
		return;
	in->copies.bytes -= c->size;
	unlink_copy(in, c);
}

void copies_drop(struct inputs *in, const uint8_t sha256[32])
{
	struct why why;
	uint8_t gone[32];

	memcpy(gone, sha256, 32); /* it may be the entry's own */
	copies_forget(in, gone);
	input_file_remove(in->o.data_dir, gone, &why);
}

/* ---- room ---- */

static struct copy *least_used(const struct inputs *in)
{
	struct copy *c, *least = NULL;
	size_t b;

	for (b = 0; b < COPY_BUCKETS; b++)
		for (c = in->copies.bucket[b]; c; c = c->next)
			if (c->here && !c->readers && (!least || c->used < least->used))
				least = c;
	return least;
}

static bool make_room(struct inputs *in, uint64_t size, struct why *why)
{
	struct copy *least;

	while (!inputs_fit(in, in->copies.bytes, size, why)) {
		least = least_used(in);
		if (!least)
			return false;
		copies_drop(in, least->sha256);
	}
	return true;
}

/* ---- opening ---- */

static enum input_rc open_here(struct inputs *in, const uint8_t sha256[32], uint64_t size, int *fd,
			       struct why *why)
{
	const enum input_rc rc = input_file_open(fd, in->o.data_dir, sha256, size, why);
	struct copy *c;

	if (rc != INPUT_OK || !store_is_shared(in->p.store))
		return rc;
	copies_add(in, sha256, size);
	c = find(in, sha256);
	if (c) {
		c->used = ++in->copies.uses;
		c->readers++;
	}
	return rc;
}

void inputs_done(struct inputs *in, const uint8_t sha256[32])
{
	struct copy *c = find(in, sha256);

	if (c && c->readers)
		c->readers--;
}

/* It is here, or will not come: all who wanted it are told. */
static void settle(struct inputs *in, struct copy *c, enum input_rc rc, const struct why *why)
{
	const struct why sentence = *why;
	const uint64_t size = c->size;
	struct opening *o, *next;
	uint8_t sha256[32];

	memcpy(sha256, c->sha256, 32);
	next = c->openings;
	c->openings = NULL;
	if (rc != INPUT_OK)
		unlink_copy(in, c);
	while ((o = next)) {
		struct why note = sentence;
		enum input_rc opened = rc;
		int fd = -1;

		next = o->next;
		if (rc == INPUT_OK)
			opened = open_here(in, sha256, size, &fd, &note);
		/* It came, and has gone again: not now, for it is not broken. */
		if (rc == INPUT_OK && opened == INPUT_BROKEN)
			opened = INPUT_IO;
		o->cb(o->arg, opened, fd, &note);
		free(o);
	}
}

static void fetch_next(struct inputs *in);

static void on_fetched(void *arg, enum input_rc rc, const struct why *why)
{
	struct copy *c = arg;
	struct inputs *in = c->in;
	uint8_t sha256[32];

	memcpy(sha256, c->sha256, 32);
	in->copies.coming--;
	c->here = rc == INPUT_OK;
	if (!c->here)
		in->copies.bytes -= c->size;
	c->used = ++in->copies.uses;
	settle(in, c, rc, why);
	if (rc == INPUT_OK && !work_uses_bytes(in->p.work, sha256))
		copies_drop(in, sha256); /* no row names it any more */
	fetch_next(in);
}

static void fetch_next(struct inputs *in)
{
	struct copies *cs = &in->copies;
	struct why why, note;
	struct copy *c;

	while (cs->coming < FETCHES_MAX && (c = cs->waiting)) {
		cs->waiting = c->later;
		c->later = NULL;
		if (!make_room(in, c->size, &why)) {
			settle(in, c, INPUT_DISK_FULL, &why);
			continue;
		}
		/* One that is not as long as it should be. */
		input_file_remove(in->o.data_dir, c->sha256, &note);
		if (!in->stopped &&
		    store_fetch_input(in->p.store, c->sha256, c->size, on_fetched, c)) {
			cs->coming++;
			cs->bytes += c->size;
			continue;
		}
		why_set(&why, "it cannot be fetched now");
		settle(in, c, INPUT_IO, &why);
	}
}

/* Taken out of the table first: who is told may want another. */
static struct opening *take_openings(struct inputs *in)
{
	struct opening *all = NULL, **end = &all;
	struct copies *cs = &in->copies;
	struct copy *c;
	size_t b;

	for (b = 0; b < COPY_BUCKETS; b++)
		for (c = cs->bucket[b]; c; c = c->next) {
			*end = c->openings;
			c->openings = NULL;
			while (*end)
				end = &(*end)->next;
		}
	while ((c = cs->waiting)) {
		cs->waiting = c->later;
		unlink_copy(in, c);
	}
	return all;
}

void inputs_give_up(struct inputs *in, const char *sentence)
{
	struct opening *o, *next = take_openings(in);
	struct why why;

	while ((o = next)) {
		next = o->next;
		why_set(&why, "%s", sentence);
		o->cb(o->arg, INPUT_IO, -1, &why);
		free(o);
	}
}

static bool want(struct inputs *in, const uint8_t sha256[32], uint64_t size, inputs_open_cb *cb,
		 void *arg)
{
	struct copy *c = find(in, sha256), **end = &in->copies.waiting;
	struct opening *o = malloc(sizeof *o);

	if (c && c->here) { /* the file was taken away */
		copies_forget(in, sha256);
		c = NULL;
	}
	if (o && !c) {
		c = make(in, sha256, size);
		while (*end)
			end = &(*end)->later;
		*end = c;
	}
	if (!o || !c) {
		free(o);
		return false;
	}
	*o = (struct opening){c->openings, cb, arg};
	c->openings = o;
	return true;
}

void inputs_open(struct inputs *in, const uint8_t sha256[32], uint64_t size, inputs_open_cb *cb,
		 void *arg)
{
	struct why why = {""};
	int fd = -1;
	const enum input_rc rc = open_here(in, sha256, size, &fd, &why);

	if (rc != INPUT_BROKEN || !store_is_shared(in->p.store)) {
		cb(arg, rc, fd, &why);
		return;
	}
	if (want(in, sha256, size, cb, arg)) {
		fetch_next(in);
		return;
	}
	why_set(&why, "out of memory");
	cb(arg, INPUT_IO, -1, &why);
}

void copies_free(struct inputs *in)
{
	struct copy *c;
	size_t b;

	for (b = 0; b < COPY_BUCKETS; b++)
		while ((c = in->copies.bucket[b]))
			unlink_copy(in, c);
}
