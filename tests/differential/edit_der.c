/* A DER structure as a tree; an edit changes one node, and writing it mends the lengths above. */
#include "tests/differential/edit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NODES_MAX   2048
#define CONTENT_MAX 65536
#define DEPTH_MAX   24

enum form { FORM_SHORTEST, FORM_PADDED, FORM_INDEFINITE, FORM_ONE_MORE, FORM_ONE_LESS };

struct node {
	uint8_t tag,
	    prefix; /* prefix: 1 when a zero byte stands before the children, as in a BIT STRING */
	bool has_children, removed;
	enum form form;
	int first, next;  /* children and siblings by index, -1: none */
	const uint8_t *p; /* content, when there are no children */
	size_t n;
};

struct tree {
	int count;
	struct node node[NODES_MAX];
	size_t used;
	uint8_t content[CONTENT_MAX]; /* of edited nodes */
};

static int new_node(struct tree *t)
{
	if (t->count == NODES_MAX)
		abort();
	t->node[t->count] = (struct node){.first = -1, .next = -1};
	return t->count++;
}

/* One element; its size, or 0 when the bytes hold none. */
static size_t head_of(const uint8_t *p, size_t n, size_t *head)
{
	size_t len, k, i;

	if (n < 2)
		return 0;
	*head = 2;
	len = p[1];
	if (len & 0x80) {
		k = len & 0x7f;
		if (k == 0 || k > 3 || n < 2 + k)
			return 0;
		for (len = 0, i = 0; i < k; i++)
			len = len << 8 | p[2 + i];
		*head += k;
	}
	return len <= n - *head ? *head + len : 0;
}

static bool is_list(const uint8_t *p, size_t n)
{
	size_t head, size;

	if (n == 0)
		return false;
	for (; n; p += size, n -= size) {
		size = head_of(p, n, &head);
		if (!size || p[0] == 0)
			return false;
	}
	return true;
}

static int parse(struct tree *t, const uint8_t *p, size_t n, int depth)
{
	int first = -1, *link = &first;
	size_t head, size, skip;

	for (; n && (size = head_of(p, n, &head)) != 0; p += size, n -= size) {
		int k = new_node(t);
		struct node *x = &t->node[k];

		*link = k;
		x->tag = p[0];
		x->p = p + head;
		x->n = size - head;
		skip = x->tag == 0x03 && x->n && x->p[0] == 0;
		/* Octet and bit strings that hold DER are opened too. */
		if (depth < DEPTH_MAX && (x->tag & 0x20 || x->tag == 0x04 || x->tag == 0x03) &&
		    is_list(x->p + skip, x->n - skip) &&
		    (x->tag & 0x20 || x->p[skip] == 0x30 || x->p[skip] == 0x03)) {
			x->has_children = true;
			x->prefix = (uint8_t)skip;
			k = parse(t, x->p + skip, x->n - skip, depth + 1);
			x->first = k;
		}
		link = &x->next;
	}
	return first;
}

static void put_head(struct buf *out, const struct node *x, size_t n)
{
	uint8_t head[8] = {x->tag};
	size_t k = 2, octets;

	if (x->form == FORM_INDEFINITE) {
		head[1] = 0x80;
		buf_add(out, head, 2);
		return;
	}
	n += x->form == FORM_ONE_MORE;
	n -= x->form == FORM_ONE_LESS && n;
	if (n < 128 && x->form != FORM_PADDED) {
		head[1] = (uint8_t)n;
	} else {
		octets = n < 256 ? 1 : n < 65536 ? 2 : 3;
		octets += x->form == FORM_PADDED && n >= 128;
		head[1] = (uint8_t)(0x80 | octets);
		while (octets--)
			head[k++] = (uint8_t)(n >> 8 * octets);
	}
	buf_add(out, head, k);
}

static void write_list(struct buf *out, const struct tree *t, int k)
{
	for (; k >= 0; k = t->node[k].next) {
		const struct node *x = &t->node[k];
		struct buf inner;

		if (x->removed)
			continue;
		buf_init(&inner, out->max);
		if (x->has_children) {
			buf_add(&inner, "", x->prefix);
			write_list(&inner, t, x->first);
		} else {
			buf_add(&inner, x->p, x->n);
		}
		put_head(out, x, inner.len);
		if (inner.len)
			buf_add(out, inner.p, inner.len);
		buf_free(&inner);
	}
}

/* Room for n bytes of content of its own, beginning with what it had. */
static uint8_t *own(struct tree *t, struct node *x, size_t n)
{
	uint8_t *p = t->content + t->used;

	if (t->used + n > CONTENT_MAX)
		abort();
	t->used += n;
	memcpy(p, x->p, x->n < n ? x->n : n);
	x->p = p;
	return p;
}

static const char *edit_content(struct tree *t, struct node *x, struct rng *r)
{
	static const uint8_t special[] = {0x00, 0x01, 0x7f, 0x80, 0xff, '0', '9', 'Z', ' '};
	size_t n = x->n, at = n ? rng_below(r, n) : 0;
	uint8_t *p = own(t, x, n + 40);

	switch (rng_below(r, 8)) {
	case 0:
		if (n)
			p[at] ^= (uint8_t)(1u << rng_below(r, 8));
		return "a flipped bit";
	case 1:
		if (n)
			p[at] = special[rng_below(r, sizeof special)];
		return "a special byte";
	case 2:
		p[n] = special[rng_below(r, sizeof special)];
		x->n++;
		return "a byte more";
	case 3: x->n -= n != 0; return "a byte less";
	case 4:
		memmove(p + 1, p, n);
		p[0] = rng_below(r, 2) ? 0x00 : 0xff;
		x->n++;
		return "a byte in front";
	case 5: x->n = 0; return "no content";
	case 6:
		x->n = 1 + rng_below(r, 2);
		p[0] = special[rng_below(r, sizeof special)];
		p[1] = special[rng_below(r, sizeof special)];
		return "short content";
	default: /* a number that grows past a width */
		memset(p + n, 0, 33);
		x->n = n + 1 + rng_below(r, 32);
		return "zeros at the end";
	}
}

static const char *edit_tag(struct node *x, struct rng *r)
{
	static const uint8_t tag[] = {0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0a, 0x0c, 0x13, 0x16,
				      0x17, 0x18, 0x30, 0x31, 0xa0, 0xa1, 0xa3, 0x1f, 0x24, 0x80};

	x->tag = tag[rng_below(r, sizeof tag)];
	return "another tag";
}

/* A copy of a node and what is below it, as its next sibling. */
static void duplicate(struct tree *t, int k)
{
	int copy = new_node(t);

	/* The children are shared: writing reads them only. */
	t->node[copy] = t->node[k];
	t->node[k].next = copy;
}

static const char *insert(struct tree *t, int k, struct rng *r)
{
	static const struct {
		uint8_t tag;
		const char *p;
		size_t n;
	} some[] = {{0x05, "", 0},
		    {0x02, "\x01", 1},
		    {0x01, "\xff", 1},
		    {0x01, "\x01", 1},
		    {0x01, "\0", 1},
		    {0x04, "\x30\0", 2},
		    {0x30, "", 0},
		    {0x30, "\x06\x03\x55\x1d\x20\x04\x02\x30\0", 9},
		    {0x30, "\x06\x03\x55\x1d\x20\x01\x01\xff\x04\x02\x30\0", 12},
		    {0x30, "\x06\x0a\x2a\x86\x48\x86\xf8\x4d\x01\x0d\x01\x09\x02\x01\x05", 15},
		    {0x31, "", 0}};
	size_t i = rng_below(r, sizeof some / sizeof some[0]);
	int new = new_node(t);

	t->node[new].tag = some[i].tag;
	t->node[new].p = (const uint8_t *)some[i].p;
	t->node[new].n = some[i].n;
	t->node[new].next = t->node[k].next;
	t->node[k].next = new;
	return "an element more";
}

static const char *swap_with_next(struct tree *t, int k)
{
	int other = t->node[k].next;
	struct node keep;

	if (other < 0)
		return "nothing";
	keep = t->node[k];
	t->node[k] = t->node[other];
	t->node[other] = keep;
	t->node[other].next = t->node[k].next;
	t->node[k].next = other;
	return "two elements swapped";
}

static const char *edit(struct tree *t, int k, struct rng *r)
{
	struct node *x = &t->node[k];

	switch (rng_below(r, 12)) {
	case 0: x->form = FORM_PADDED; return "a length in a longer form";
	case 1: x->form = FORM_INDEFINITE; return "an indefinite length";
	case 2:
		x->form = rng_below(r, 2) ? FORM_ONE_MORE : FORM_ONE_LESS;
		return "a length off by one";
	case 3: x->removed = true; return "an element less";
	case 4: duplicate(t, k); return "an element twice";
	case 5: return insert(t, k, r);
	case 6: return swap_with_next(t, k);
	case 7: return edit_tag(x, r);
	default: return x->has_children ? swap_with_next(t, k) : edit_content(t, x, r);
	}
}

void edit_der(struct buf *out, struct rng *r, const uint8_t *der, size_t n, char *what, size_t cap)
{
	static struct tree t;
	size_t edits = 1 + rng_below(r, 8) / 6, used = 0;
	const char *did;
	int root, k;

	t.count = 0;
	t.used = 0;
	root = parse(&t, der, n, 0);
	while (edits--) {
		k = (int)rng_below(r, (size_t)t.count);
		did = edit(&t, k, r);
		if (used < cap)
			used +=
			    (size_t)snprintf(what + used, cap - used, "%s%s (element %d, tag %02x)",
					     used ? ", " : "", did, k, t.node[k].tag);
	}
	write_list(out, &t, root);
}
