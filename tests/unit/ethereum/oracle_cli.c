/*
 * oracle_cli.c -- lets oracle_test.py ask this library and Foundry's cast the same questions.
 *
 * One JSON array a line on stdin, ["keccak", "0x61"]; one JSON object a line on stdout, {"ok": ...}
 * or {"error": "sentence"}. Bytes and the ABI's strings are "0x" hex, numbers are "0x" quantities.
 */
#include "ethereum/abi.h"
#include "ethereum/abi_type.h"
#include "ethereum/keccak.h"
#include "ethereum/key.h"
#include "ethereum/rlp.h"
#include "ethereum/tx.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OUTPUT_MAX (1u << 24)

/* Everything one question allocates; freed when it is answered. */
static void *owned[65536];
static size_t owned_n;

static void fail(struct why *why, const char *what)
{
	why_set(why, "oracle_cli: %s", what);
}

static void *keep(void *p)
{
	if (!p || owned_n == sizeof owned / sizeof owned[0])
		abort();
	owned[owned_n++] = p;
	return p;
}

static void free_owned(void)
{
	while (owned_n > 0)
		free(owned[--owned_n]);
}

static const char *text_at(const json_t *args, size_t i)
{
	const char *text = json_string_value(json_array_get(args, i));

	return text ? text : "";
}

static bool bytes_of(struct span *out, const char *hex, struct why *why)
{
	size_t n = strlen(hex);
	uint8_t *p = keep(malloc(n / 2 + 1));

	if (n < 2 || n % 2 || memcmp(hex, "0x", 2) != 0 || !hex_decode(p, n / 2 - 1, hex, n)) {
		fail(why, "not hex");
		return false;
	}
	*out = span_of(p, n / 2 - 1);
	return true;
}

static bool fixed_of(uint8_t *out, size_t n, const char *hex, struct why *why)
{
	struct span bytes;

	if (!bytes_of(&bytes, hex, why))
		return false;
	if (bytes.n != n) {
		fail(why, "a wrong number of bytes");
		return false;
	}
	memcpy(out, bytes.p, n);
	return true;
}

static json_t *hex_json(const void *p, size_t n)
{
	char *text = malloc(2 * n + 3);
	json_t *j;

	if (!text)
		abort();
	memcpy(text, "0x", 2);
	hex_encode(text + 2, p, n);
	j = json_string(text);
	free(text);
	return j;
}

static json_t *number_json(const struct uint256 *v)
{
	char text[UINT256_HEX_SIZE];

	uint256_to_hex(text, v);
	return json_string(text);
}

static json_t *u64_json(uint64_t v)
{
	struct uint256 wide = uint256_from_u64(v);

	return number_json(&wide);
}

static json_t *address_json(const struct eth_address *a)
{
	char text[ETH_ADDRESS_TEXT_SIZE];

	eth_address_print(text, a);
	return json_string(text);
}

/* --- the questions --- */

static json_t *ask_keccak(const json_t *args, struct why *why)
{
	struct span in;
	uint8_t hash[32];

	if (!bytes_of(&in, text_at(args, 1), why))
		return NULL;
	keccak256(hash, in.p, in.n);
	return hex_json(hash, 32);
}

static json_t *ask_checksum(const json_t *args, struct why *why)
{
	struct eth_address a;

	return eth_address_parse(&a, text_at(args, 1), why) ? address_json(&a) : NULL;
}

static json_t *ask_decimal(const json_t *args, struct why *why)
{
	char text[UINT256_DECIMAL_SIZE];
	struct uint256 v;

	if (!uint256_from_hex(&v, text_at(args, 1), why))
		return NULL;
	uint256_to_decimal(text, &v);
	return json_string(text);
}

static bool rlp_put(struct buf *out, const json_t *tree, struct why *why)
{
	struct span bytes;
	const json_t *item;
	size_t i, list;

	if (json_is_string(tree))
		return bytes_of(&bytes, json_string_value(tree), why) &&
		       rlp_add_bytes(out, bytes.p, bytes.n);
	list = rlp_list_begin(out);
	json_array_foreach (tree, i, item) {
		if (!rlp_put(out, item, why))
			return false;
	}
	return rlp_list_end(out, list);
}

static json_t *ask_rlp_encode(const json_t *args, struct why *why)
{
	json_t *j = NULL;
	struct buf out;

	buf_init(&out, OUTPUT_MAX);
	if (rlp_put(&out, json_array_get(args, 1), why))
		j = hex_json(out.p, out.len);
	buf_free(&out);
	return j;
}

/* rlp_check() has passed: only the shape is left to read. */
static json_t *rlp_get(struct span *in)
{
	struct rlp_item item;
	json_t *list;

	if (!rlp_read(in, &item, NULL))
		abort();
	if (!item.is_list)
		return hex_json(item.body.p, item.body.n);
	list = json_array();
	while (item.body.n > 0)
		json_array_append_new(list, rlp_get(&item.body));
	return list;
}

static json_t *ask_rlp_decode(const json_t *args, struct why *why)
{
	struct span in;

	if (!bytes_of(&in, text_at(args, 1), why) || !rlp_check(in, RLP_DEPTH_MAX, why))
		return NULL;
	return rlp_get(&in);
}

static bool value_of(struct abi_value *out, const struct abi_type *t, const json_t *j,
		     struct why *why)
{
	const char *text = json_string_value(j);
	const struct abi_type *member;
	struct eth_address address;
	struct span bytes;
	uint8_t word[32] = {0};
	const json_t *item;
	size_t i;

	switch (t->kind) {
	case ABI_UINT:
		*out = abi_u64(0);
		return uint256_from_hex(&out->word, text ? text : "", why);
	case ABI_ADDRESS:
		if (!eth_address_parse(&address, text ? text : "", why))
			return false;
		*out = abi_address(&address);
		return true;
	case ABI_BOOL: *out = abi_bool(json_is_true(j)); return true;
	case ABI_FIXED_BYTES:
		if (!fixed_of(word, t->size, text ? text : "", why))
			return false;
		*out = abi_bytes32(word);
		return true;
	case ABI_BYTES:
	case ABI_STRING:
		if (!bytes_of(&bytes, text ? text : "", why))
			return false;
		*out = abi_bytes(bytes);
		out->kind = t->kind;
		return true;
	case ABI_LIST:
		*out =
		    abi_list(keep(calloc(json_array_size(j) + 1, sizeof *out)), json_array_size(j));
		member = t->first;
		json_array_foreach (j, i, item) {
			if (!member) {
				fail(why, "too many members");
				return false;
			}
			if (!value_of(&out->items.p[i], member, item, why))
				return false;
			member = abi_type_after(t, member);
		}
		return true;
	}
	return false;
}

static json_t *ask_abi_encode(const json_t *args, struct why *why)
{
	struct abi_type_table table;
	const struct abi_type *t = abi_type_parse(&table, text_at(args, 1), why);
	struct abi_value v;
	json_t *j = NULL;
	struct buf out;

	buf_init(&out, OUTPUT_MAX);
	if (t && value_of(&v, t, json_array_get(args, 2), why) &&
	    abi_encode(&out, text_at(args, 1), v.items.p, v.items.n, why) == ETH_OK)
		j = hex_json(out.p, out.len);
	buf_free(&out);
	return j;
}

static json_t *value_json(const struct abi_type *t, const struct abi_value *v)
{
	const struct abi_type *member = t->first;
	struct eth_address address;
	json_t *list;

	switch (t->kind) {
	case ABI_UINT: return number_json(&v->word);
	case ABI_ADDRESS: abi_to_address(&address, v); return address_json(&address);
	case ABI_BOOL: return json_boolean(abi_is_true(v));
	case ABI_FIXED_BYTES: return hex_json(v->word.be, t->size);
	case ABI_BYTES:
	case ABI_STRING: return hex_json(v->bytes.p, v->bytes.n);
	case ABI_LIST:
		list = json_array();
		for (size_t i = 0; i < v->items.n; i++) {
			json_array_append_new(list, value_json(member, &v->items.p[i]));
			member = abi_type_after(t, member);
		}
		return list;
	}
	return NULL;
}

static json_t *ask_abi_decode(const json_t *args, struct why *why)
{
	struct abi_type_table table;
	const struct abi_type *t = abi_type_parse(&table, text_at(args, 1), why);
	struct abi_value *v;
	struct span data;
	json_t *j;

	if (!t || !bytes_of(&data, text_at(args, 2), why) ||
	    abi_decode(&v, text_at(args, 1), data, why) != ETH_OK)
		return NULL;
	j = value_json(t, v);
	abi_value_free(v);
	return j;
}

static json_t *ask_selector(const json_t *args, struct why *why)
{
	uint8_t selector[4];

	(void)why;
	abi_selector(selector, text_at(args, 1));
	return hex_json(selector, 4);
}

static json_t *ask_address(const json_t *args, struct why *why)
{
	struct eth_address a;
	struct eth_key key;
	json_t *j = NULL;

	if (eth_key_parse(&key, text_at(args, 1), why) && eth_key_address(&a, &key))
		j = address_json(&a);
	eth_key_wipe(&key);
	return j;
}

static json_t *ask_sign(const json_t *args, struct why *why)
{
	bool message = strcmp(text_at(args, 0), "sign-message") == 0;
	uint8_t sig[ETH_SIGNATURE_SIZE];
	struct eth_key key = {{0}};
	struct span in;
	json_t *j = NULL;

	if (eth_key_parse(&key, text_at(args, 1), why) && bytes_of(&in, text_at(args, 2), why) &&
	    (message || in.n == 32) &&
	    (message ? eip191_sign(sig, &key, in.p, in.n) : eth_sign_digest(sig, &key, in.p)))
		j = hex_json(sig, sizeof sig);
	eth_key_wipe(&key);
	return j;
}

static json_t *ask_recover(const json_t *args, struct why *why)
{
	uint8_t digest[32], sig[ETH_SIGNATURE_SIZE];
	struct eth_address a;

	if (!fixed_of(digest, 32, text_at(args, 1), why) ||
	    !fixed_of(sig, sizeof sig, text_at(args, 2), why) ||
	    !eth_recover(&a, digest, sig, ETH_RECOVER_OPENZEPPELIN, why))
		return NULL;
	return address_json(&a);
}

static json_t *ask_message_digest(const json_t *args, struct why *why)
{
	uint8_t digest[32];
	struct span in;

	if (!bytes_of(&in, text_at(args, 1), why))
		return NULL;
	eip191_digest(digest, in.p, in.n);
	return hex_json(digest, 32);
}

static bool u64_of(uint64_t *out, const json_t *args, size_t i, struct why *why)
{
	struct uint256 wide;

	if (!uint256_from_hex(&wide, text_at(args, i), why))
		return false;
	if (!uint256_to_u64(out, &wide)) {
		fail(why, "a number above 64 bits");
		return false;
	}
	return true;
}

/* ["tx", key, type, chain id, nonce, tip, fee, gas, to, value, data] */
static json_t *ask_tx(const json_t *args, struct why *why)
{
	struct eth_key key = {{0}};
	struct eth_tx tx = {0};
	uint64_t type = 0;
	uint8_t hash[32];
	json_t *j = NULL;
	struct buf raw;

	buf_init(&raw, OUTPUT_MAX);
	if (!eth_key_parse(&key, text_at(args, 1), why) || !u64_of(&type, args, 2, why) ||
	    !u64_of(&tx.chain_id, args, 3, why) || !u64_of(&tx.nonce, args, 4, why) ||
	    !u64_of(&tx.max_priority_fee, args, 5, why) || !u64_of(&tx.max_fee, args, 6, why) ||
	    !u64_of(&tx.gas, args, 7, why) || !eth_address_parse(&tx.to, text_at(args, 8), why) ||
	    !uint256_from_hex(&tx.value, text_at(args, 9), why) ||
	    !bytes_of(&tx.data, text_at(args, 10), why))
		goto out;
	tx.type = type ? ETH_TX_DYNAMIC_FEE : ETH_TX_LEGACY;
	if (eth_tx_sign(&raw, hash, &tx, &key, why) == ETH_OK)
		j = json_pack("[o, o]", hex_json(raw.p, raw.len), hex_json(hash, 32));
out:
	buf_free(&raw);
	eth_key_wipe(&key);
	return j;
}

static json_t *ask_tx_decode(const json_t *args, struct why *why)
{
	struct eth_address sender;
	struct eth_tx tx;
	uint8_t hash[32];
	struct span raw;

	if (!bytes_of(&raw, text_at(args, 1), why) ||
	    eth_tx_decode(&tx, &sender, hash, raw, why) != ETH_OK)
		return NULL;
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "hash", hex_json(hash, 32),
			 "signer", address_json(&sender), "chainId", u64_json(tx.chain_id), "nonce",
			 u64_json(tx.nonce), "gas", u64_json(tx.gas), "to", address_json(&tx.to),
			 "value", number_json(&tx.value), "input", hex_json(tx.data.p, tx.data.n));
}

static const struct question {
	const char *name;
	json_t *(*ask)(const json_t *args, struct why *why);
} questions[] = {
    {"keccak", ask_keccak},         {"checksum", ask_checksum},
    {"decimal", ask_decimal},       {"rlp-encode", ask_rlp_encode},
    {"rlp-decode", ask_rlp_decode}, {"abi-encode", ask_abi_encode},
    {"abi-decode", ask_abi_decode}, {"selector", ask_selector},
    {"address", ask_address},       {"sign", ask_sign},
    {"sign-message", ask_sign},     {"message-digest", ask_message_digest},
    {"recover", ask_recover},       {"tx", ask_tx},
    {"tx-decode", ask_tx_decode},
};

static json_t *answer(const json_t *args, struct why *why)
{
	fail(why, "no such question");
	for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++)
		if (strcmp(questions[i].name, text_at(args, 0)) == 0)
			return questions[i].ask(args, why);
	return NULL;
}

int main(void)
{
	char *line = NULL;
	size_t size = 0;

	while (getline(&line, &size, stdin) > 0) {
		json_t *args = json_loads(line, 0, NULL), *ok, *reply;
		struct why why = {{0}};

		ok = answer(args, &why);
		reply = ok ? json_pack("{s:o}", "ok", ok) : json_pack("{s:s}", "error", why.text);
		if (!reply || json_dumpf(reply, stdout, JSON_COMPACT) != 0)
			abort();
		putchar('\n');
		fflush(stdout);
		json_decref(reply);
		json_decref(args);
		free_owned();
	}
	free(line);
	return 0;
}
