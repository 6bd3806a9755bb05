#include "ethereum/abi.h"

#include "ethereum/abi_type.h"
#include "ethereum/keccak.h"

#include <stdlib.h>
#include <string.h>

static const uint8_t zero_word[32];

struct abi_value abi_u64(uint64_t v)
{
	return (struct abi_value){.kind = ABI_UINT, .word = uint256_from_u64(v)};
}

struct abi_value abi_uint(const struct uint256 *v)
{
	return (struct abi_value){.kind = ABI_UINT, .word = *v};
}

struct abi_value abi_address(const struct eth_address *a)
{
	struct abi_value v = {.kind = ABI_ADDRESS};

	uint256_from_bytes(&v.word, a->b, sizeof a->b);
	return v;
}

struct abi_value abi_bool(bool b)
{
	return (struct abi_value){.kind = ABI_BOOL, .word = uint256_from_u64(b)};
}

struct abi_value abi_bytes32(const uint8_t b[32])
{
	struct abi_value v = {.kind = ABI_FIXED_BYTES};

	memcpy(v.word.be, b, 32);
	return v;
}

struct abi_value abi_bytes(struct span bytes)
{
	return (struct abi_value){.kind = ABI_BYTES, .bytes = bytes};
}

struct abi_value abi_string(const char *text)
{
	return (struct abi_value){.kind = ABI_STRING, .bytes = span_of(text, strlen(text))};
}

struct abi_value abi_list(struct abi_value *items, size_t n)
{
	return (struct abi_value){.kind = ABI_LIST, .items = {items, n}};
}

bool abi_is_true(const struct abi_value *v)
{
	return v->kind == ABI_BOOL && !uint256_is_zero(&v->word);
}

bool abi_to_u64(uint64_t *out, const struct abi_value *v)
{
	return v->kind == ABI_UINT && uint256_to_u64(out, &v->word);
}

bool abi_to_address(struct eth_address *out, const struct abi_value *v)
{
	if (v->kind != ABI_ADDRESS)
		return false;
	memcpy(out->b, v->word.be + 12, sizeof out->b);
	return true;
}

void abi_selector(uint8_t out[4], const char *signature)
{
	uint8_t hash[32];

	keccak256(hash, signature, strlen(signature));
	memcpy(out, hash, 4);
}

static const char *kind_name(enum abi_kind kind)
{
	switch (kind) {
	case ABI_UINT: return "a number";
	case ABI_ADDRESS: return "an address";
	case ABI_BOOL: return "a bool";
	case ABI_FIXED_BYTES: return "bytes of a fixed size";
	case ABI_BYTES: return "bytes";
	case ABI_STRING: return "a string";
	case ABI_LIST: return "a list";
	}
	return "nothing";
}

/* Does this word hold a value of the scalar type? The same rule for both directions. */
static bool word_fits(const struct abi_type *t, const struct uint256 *word, struct why *why)
{
	char text[UINT256_HEX_SIZE];
	bool fits = false;

	switch (t->kind) {
	case ABI_UINT: fits = uint256_length(word) <= t->size / 8; break;
	case ABI_ADDRESS: fits = uint256_length(word) <= sizeof(struct eth_address); break;
	case ABI_BOOL: fits = uint256_length(word) <= 1 && word->be[31] <= 1; break;
	case ABI_FIXED_BYTES:
		fits = memcmp(word->be + t->size, zero_word, 32 - t->size) == 0;
		break;
	case ABI_BYTES:
	case ABI_STRING:
	case ABI_LIST: break;
	}
	if (!fits) {
		uint256_to_hex(text, word);
		if (t->size)
			why_set(why, "%s does not fit %s%u", text,
				t->kind == ABI_UINT ? "uint" : "bytes", t->size);
		else
			why_set(why, "%s is not %s", text, kind_name(t->kind));
	}
	return fits;
}

/* --- encoding --- */

static enum eth_error no_room(const struct buf *out, struct why *why)
{
	why_set(why, "no room: the encoding passes the ceiling of %zu bytes, or memory is short",
		out->max);
	return ETH_NO_ROOM;
}

static bool add_word(struct buf *out, uint64_t v)
{
	struct uint256 word = uint256_from_u64(v);

	return buf_add(out, word.be, 32);
}

static enum eth_error put_members(struct buf *out, const struct abi_type *t, struct abi_list items,
				  struct why *why);

static enum eth_error put(struct buf *out, const struct abi_type *t, const struct abi_value *v,
			  struct why *why)
{
	if (v->kind != t->kind) {
		why_set(why, "%s is given where %s is expected", kind_name(v->kind),
			kind_name(t->kind));
		return ETH_BAD_ARGUMENT;
	}
	switch (t->kind) {
	case ABI_UINT:
	case ABI_ADDRESS:
	case ABI_BOOL:
	case ABI_FIXED_BYTES:
		if (!word_fits(t, &v->word, why))
			return ETH_BAD_ARGUMENT;
		return buf_add(out, v->word.be, 32) ? ETH_OK : no_room(out, why);
	case ABI_BYTES:
	case ABI_STRING:
		if (add_word(out, v->bytes.n) && buf_add(out, v->bytes.p, v->bytes.n) &&
		    buf_add(out, zero_word, -v->bytes.n % 32))
			return ETH_OK;
		return no_room(out, why);
	case ABI_LIST:
		if (t->shape == ABI_ARRAY) {
			if (!add_word(out, v->items.n))
				return no_room(out, why);
		} else if (v->items.n != t->count) {
			why_set(why, "a list of %zu values is given where %zu are expected",
				v->items.n, t->count);
			return ETH_BAD_ARGUMENT;
		}
		return put_members(out, t, v->items, why);
	}
	return ETH_BAD_ARGUMENT;
}

/* The head, in which an offset stands for each dynamic member, then those members. */
static enum eth_error put_members(struct buf *out, const struct abi_type *t, struct abi_list items,
				  struct why *why)
{
	const struct abi_type *member = t->first;
	size_t base = out->len, slot, i;
	enum eth_error err;

	for (i = 0; i < items.n; i++, member = abi_type_after(t, member)) {
		if (member->dynamic)
			err = add_word(out, 0) ? ETH_OK : no_room(out, why);
		else
			err = put(out, member, &items.p[i], why);
		if (err)
			goto named;
	}
	member = t->first;
	slot = base;
	for (i = 0; i < items.n; i++, member = abi_type_after(t, member)) {
		if (member->dynamic) {
			struct uint256 offset = uint256_from_u64(out->len - base);

			memcpy(out->p + slot, offset.be, 32);
			err = put(out, member, &items.p[i], why);
			if (err)
				goto named;
		}
		slot += member->slot;
	}
	return ETH_OK;
named:
	why_wrap(why, "value %zu", i + 1);
	return err;
}

enum eth_error abi_encode(struct buf *out, const char *types, const struct abi_value *args,
			  size_t n, struct why *why)
{
	struct abi_type_table table;
	const struct abi_type *t = abi_type_parse(&table, types, why);
	struct abi_list list = {(struct abi_value *)args, n}; /* only read */
	size_t start = out->len;
	enum eth_error err;

	if (!t)
		return ETH_BAD_ARGUMENT;
	if (n != t->count) {
		why_set(why, "%zu values are given for %s", n, types);
		return ETH_BAD_ARGUMENT;
	}
	err = put_members(out, t, list, why);
	if (err) {
		why_wrap(why, "encoding %.200s", types);
		out->len = start;
	}
	return err;
}

enum eth_error abi_encode_call(struct buf *out, const char *signature, const struct abi_value *args,
			       size_t n, struct why *why)
{
	const char *types = strchr(signature, '(');
	size_t start = out->len;
	uint8_t selector[4];
	enum eth_error err;

	if (!types || types == signature) {
		why_set(why, "\"%.200s\" is no function's signature", signature);
		return ETH_BAD_ARGUMENT;
	}
	abi_selector(selector, signature);
	if (!buf_add(out, selector, sizeof selector))
		return no_room(out, why);
	err = abi_encode(out, types, args, n, why);
	if (err)
		out->len = start;
	return err;
}

/* --- decoding --- */

/* How many more values may come. Overlapping offsets can name the same bytes many times over, so
 * the sum is bounded, not only each count. */
struct decoding {
	size_t budget;
	struct why *why;
};

/* The 32 bytes at the front of region. */
static bool get_word(const struct decoding *d, struct span region, struct uint256 *word)
{
	if (region.n < 32) {
		why_set(d->why, "the data ends %zu bytes into a word", region.n);
		return false;
	}
	memcpy(word->be, region.p, 32);
	return true;
}

static bool get_size(const struct decoding *d, struct span region, size_t max, const char *what,
		     size_t *size)
{
	char text[UINT256_HEX_SIZE];
	struct uint256 word;
	uint64_t v;

	if (!get_word(d, region, &word))
		return false;
	if (!uint256_to_u64(&v, &word) || v > max) {
		uint256_to_hex(text, &word);
		why_set(d->why, "%s of %s, but the data has room for %zu", what, text, max);
		return false;
	}
	*size = (size_t)v;
	return true;
}

static struct span span_from(struct span s, size_t at)
{
	return span_of(s.p + at, s.n - at);
}

static enum eth_error get_bytes(const struct decoding *d, struct span region, struct span *out)
{
	size_t n, padding;

	if (!get_size(d, region, region.n < 32 ? 0 : region.n - 32, "a length", &n))
		return ETH_MALFORMED;
	*out = span_of(region.p + 32, n);
	region = span_from(region, 32 + n);
	padding = -n % 32;
	if (region.n < padding || memcmp(region.p, zero_word, padding) != 0) {
		why_set(d->why, "the padding behind %zu bytes is missing or not zero", n);
		return ETH_MALFORMED;
	}
	return ETH_OK;
}

static enum eth_error get_members(struct decoding *d, const struct abi_type *t, struct span region,
				  size_t n, struct abi_value *out);

/* A value whose encoding starts at the front of region. */
static enum eth_error get(struct decoding *d, const struct abi_type *t, struct span region,
			  struct abi_value *out)
{
	size_t n = t->count;

	out->kind = t->kind;
	switch (t->kind) {
	case ABI_UINT:
	case ABI_ADDRESS:
	case ABI_BOOL:
	case ABI_FIXED_BYTES:
		if (!get_word(d, region, &out->word) || !word_fits(t, &out->word, d->why))
			return ETH_MALFORMED;
		return ETH_OK;
	case ABI_BYTES:
	case ABI_STRING: return get_bytes(d, region, &out->bytes);
	case ABI_LIST:
		if (t->shape == ABI_ARRAY) {
			size_t room = region.n < 32 ? 0 : (region.n - 32) / t->first->slot;

			if (!get_size(d, region, room, "a count", &n))
				return ETH_MALFORMED;
			region = span_from(region, 32);
		}
		return get_members(d, t, region, n, out);
	}
	return ETH_MALFORMED;
}

static enum eth_error get_members(struct decoding *d, const struct abi_type *t, struct span region,
				  size_t n, struct abi_value *out)
{
	size_t head = t->shape == ABI_ARRAY ? n * t->first->slot : t->head, slot = 0, i;
	const struct abi_type *member = t->first;
	enum eth_error err = ETH_OK;

	out->kind = ABI_LIST;
	out->items = (struct abi_list){NULL, 0};
	if (head > region.n) {
		why_set(d->why, "%zu bytes are expected, %zu are left", head, region.n);
		return ETH_MALFORMED;
	}
	if (n > d->budget) {
		why_set(d->why, "more values than the data can hold, or than %d", ABI_VALUES_MAX);
		return ETH_MALFORMED;
	}
	d->budget -= n;
	if (n == 0)
		return ETH_OK;
	out->items.p = calloc(n, sizeof *out->items.p);
	if (!out->items.p) {
		why_set(d->why, "no memory for %zu values", n);
		return ETH_NO_ROOM;
	}
	out->items.n = n;
	for (i = 0; i < n; i++, member = abi_type_after(t, member)) {
		size_t at = slot;

		if (member->dynamic) {
			err = get_size(d, span_from(region, slot), region.n, "an offset", &at)
				  ? ETH_OK
				  : ETH_MALFORMED;
			if (!err && (at < head || at % 32 != 0)) {
				why_set(d->why, "an offset of %zu into a head of %zu bytes", at,
					head);
				err = ETH_MALFORMED;
			}
		}
		if (!err)
			err = get(d, member, span_from(region, at), &out->items.p[i]);
		if (err) {
			why_wrap(d->why, "value %zu", i + 1);
			return err;
		}
		slot += member->slot;
	}
	return ETH_OK;
}

static void free_members(struct abi_value *v)
{
	if (v->kind != ABI_LIST)
		return;
	for (size_t i = 0; i < v->items.n; i++)
		free_members(&v->items.p[i]);
	free(v->items.p);
}

enum eth_error abi_decode(struct abi_value **out, const char *types, struct span data,
			  struct why *why)
{
	struct abi_type_table table;
	const struct abi_type *t = abi_type_parse(&table, types, why);
	struct decoding d = {.why = why};
	struct abi_value *v;
	enum eth_error err;

	*out = NULL;
	if (!t)
		return ETH_BAD_ARGUMENT;
	v = calloc(1, sizeof *v);
	if (!v) {
		why_set(why, "no memory to decode %.200s", types);
		return ETH_NO_ROOM;
	}
	/* Honest data has a word for each scalar, inside at most ABI_DEPTH_MAX lists. */
	d.budget = data.n / 32 < ABI_VALUES_MAX / (ABI_DEPTH_MAX + 1)
		       ? data.n / 32 * (ABI_DEPTH_MAX + 1)
		       : ABI_VALUES_MAX;
	err = get_members(&d, t, data, t->count, v);
	if (err) {
		why_wrap(why, "decoding %.200s from %zu bytes", types, data.n);
		abi_value_free(v);
		return err;
	}
	*out = v;
	return ETH_OK;
}

void abi_value_free(struct abi_value *v)
{
	if (!v)
		return;
	free_members(v);
	free(v);
}
