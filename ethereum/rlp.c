#include "ethereum/rlp.h"

#include <string.h>

#define SHORT_MAX 55 /* the longest string or list whose length sits in the prefix byte */
#define STRING    0x80u
#define LIST      0xc0u

/* The prefix for a payload of n bytes; returns its size, at most 9. */
static size_t prefix_make(uint8_t out[9], unsigned base, size_t n)
{
	size_t size = 0;

	if (n <= SHORT_MAX) {
		out[0] = (uint8_t)(base + n);
		return 1;
	}
	for (size_t left = n; left > 0; left >>= 8)
		size++;
	out[0] = (uint8_t)(base + SHORT_MAX + size);
	for (size_t i = size; i > 0; i--, n >>= 8)
		out[i] = (uint8_t)n;
	return 1 + size;
}

bool rlp_add_bytes(struct buf *out, const void *src, size_t n)
{
	const uint8_t *p = src;
	uint8_t prefix[9];

	if (n == 1 && p[0] < STRING)
		return buf_add(out, p, 1);
	return buf_add(out, prefix, prefix_make(prefix, STRING, n)) && buf_add(out, p, n);
}

bool rlp_add_u64(struct buf *out, uint64_t v)
{
	struct uint256 wide = uint256_from_u64(v);

	return rlp_add_uint256(out, &wide);
}

bool rlp_add_uint256(struct buf *out, const struct uint256 *v)
{
	size_t n = uint256_length(v);

	return rlp_add_bytes(out, v->be + 32 - n, n);
}

size_t rlp_list_begin(const struct buf *out)
{
	return out->len;
}

bool rlp_list_end(struct buf *out, size_t list)
{
	uint8_t prefix[9];
	size_t n = out->len - list, size = prefix_make(prefix, LIST, n);

	/* Make room by appending, then move the items behind their prefix. */
	if (!buf_add(out, prefix, size))
		return false;
	memmove(out->p + list + size, out->p + list, n);
	memcpy(out->p + list, prefix, size);
	return true;
}

/* The length that follows a long form's prefix byte. */
static bool read_length(struct span in, size_t size, size_t *n, struct why *why)
{
	uint64_t v = 0;

	if (in.n < 1 + size) {
		why_set(why, "RLP: a length of %zu bytes, but only %zu bytes are left", size,
			in.n - 1);
		return false;
	}
	if (in.p[1] == 0) {
		why_set(why, "RLP: a length starts with a zero byte");
		return false;
	}
	for (size_t i = 1; i <= size; i++)
		v = v << 8 | in.p[i];
	if (v <= SHORT_MAX) {
		why_set(why, "RLP: a length of %u is written in the long form", (unsigned)v);
		return false;
	}
	if (v > in.n - 1 - size) {
		why_set(why, "RLP: an item of %llu bytes, but only %zu bytes are left",
			(unsigned long long)v, in.n - 1 - size);
		return false;
	}
	*n = (size_t)v;
	return true;
}

bool rlp_read(struct span *in, struct rlp_item *out, struct why *why)
{
	unsigned first;
	size_t head, n;
	bool is_list;

	if (in->n == 0) {
		why_set(why, "RLP: an item is missing");
		return false;
	}
	first = in->p[0];
	is_list = first >= LIST;
	if (first < STRING) {
		head = 0;
		n = 1;
	} else if ((first & 0x3f) <= SHORT_MAX) {
		head = 1;
		n = first & 0x3f;
		if (n > in->n - 1) {
			why_set(why, "RLP: an item of %zu bytes, but only %zu bytes are left", n,
				in->n - 1);
			return false;
		}
		if (!is_list && n == 1 && in->p[1] < STRING) {
			why_set(why, "RLP: the byte 0x%02x has a prefix that it must not have",
				in->p[1]);
			return false;
		}
	} else {
		head = 1 + (first & 0x3f) - SHORT_MAX;
		if (!read_length(*in, head - 1, &n, why))
			return false;
	}
	*out = (struct rlp_item){is_list, {in->p + head, n}, {in->p, head + n}};
	in->p += head + n;
	in->n -= head + n;
	return true;
}

static bool read_kind(struct span *in, struct span *body, bool want_list, struct why *why)
{
	struct span rest = *in;
	struct rlp_item item;

	if (!rlp_read(&rest, &item, why))
		return false;
	if (item.is_list != want_list) {
		why_set(why, "RLP: a %s of %zu bytes where a %s is expected",
			item.is_list ? "list" : "string", item.body.n,
			want_list ? "list" : "string");
		return false;
	}
	*body = item.body;
	*in = rest;
	return true;
}

bool rlp_read_list(struct span *in, struct span *items, struct why *why)
{
	return read_kind(in, items, true, why);
}

bool rlp_read_bytes(struct span *in, struct span *out, struct why *why)
{
	return read_kind(in, out, false, why);
}

bool rlp_read_fixed(struct span *in, void *out, size_t n, struct why *why)
{
	struct span rest = *in, bytes;

	if (!rlp_read_bytes(&rest, &bytes, why))
		return false;
	if (bytes.n != n) {
		why_set(why, "RLP: a string of %zu bytes where %zu are expected", bytes.n, n);
		return false;
	}
	memcpy(out, bytes.p, n);
	*in = rest;
	return true;
}

static bool read_number(struct span *in, struct uint256 *out, size_t max, struct why *why)
{
	struct span rest = *in, bytes;

	if (!rlp_read_bytes(&rest, &bytes, why))
		return false;
	if (bytes.n > max) {
		why_set(why, "RLP: a number of %zu bytes where at most %zu are expected", bytes.n,
			max);
		return false;
	}
	if (bytes.n > 0 && bytes.p[0] == 0) {
		why_set(why, "RLP: a number of %zu bytes starts with a zero byte", bytes.n);
		return false;
	}
	*in = rest;
	return uint256_from_bytes(out, bytes.p, bytes.n);
}

bool rlp_read_u64(struct span *in, uint64_t *out, struct why *why)
{
	struct uint256 wide;

	return read_number(in, &wide, 8, why) && uint256_to_u64(out, &wide);
}

bool rlp_read_uint256(struct span *in, struct uint256 *out, struct why *why)
{
	return read_number(in, out, 32, why);
}

bool rlp_check(struct span in, unsigned depth_max, struct why *why)
{
	struct span left[RLP_DEPTH_MAX + 1]; /* what is unread at each depth */
	struct rlp_item item;
	unsigned depth = 0;

	if (depth_max > RLP_DEPTH_MAX)
		depth_max = RLP_DEPTH_MAX;
	if (!rlp_read(&in, &item, why))
		return false;
	if (in.n > 0) {
		why_set(why, "RLP: %zu bytes follow the item", in.n);
		return false;
	}
	left[0] = item.whole;
	for (;;) {
		while (left[depth].n == 0) {
			if (depth == 0)
				return true;
			depth--;
		}
		if (!rlp_read(&left[depth], &item, why))
			return false;
		if (!item.is_list)
			continue;
		if (depth == depth_max) {
			why_set(why, "RLP: lists nest deeper than %u", depth_max);
			return false;
		}
		left[++depth] = item.body;
	}
}
