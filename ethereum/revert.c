#include "ethereum/revert.h"

#include "ethereum/abi.h"

#include <stdio.h>
#include <string.h>

#define SELECTOR_STRING 0x08c379a0u /* Error(string) */
#define SELECTOR_PANIC  0x4e487b71u /* Panic(uint256) */

/* Contracts choose these bytes: nothing but printable ASCII may reach a log. */
static void copy_printable(char *out, size_t size, struct span text)
{
	size_t n = text.n < size - 1 ? text.n : size - 1;

	for (size_t i = 0; i < n; i++)
		out[i] = text.p[i] >= 0x20 && text.p[i] < 0x7f ? (char)text.p[i] : '?';
	out[n] = '\0';
	if (text.n > n && n > 3)
		memcpy(out + n - 3, "...", 3);
}

static void append(struct eth_revert *r, const char *text)
{
	size_t n = strlen(r->text);

	snprintf(r->text + n, sizeof r->text - n, "%s", text);
}

static void append_meaning(struct eth_revert *r)
{
	if (!r->meaning)
		return;
	append(r, ": ");
	append(r, r->meaning);
}

static void read_unknown(struct eth_revert *out, struct span data)
{
	char hex[2 * 32 + 1];
	size_t n = data.n < 32 ? data.n : 32;

	out->kind = REVERT_UNKNOWN;
	hex_encode(hex, data.p, n);
	if (data.n < 4)
		snprintf(out->text, sizeof out->text,
			 "0x%s: data too short for any error, an error this program does not know",
			 hex);
	else
		snprintf(out->text, sizeof out->text,
			 "0x%.8s: an error this program does not know (%zu bytes: 0x%s%s)", hex,
			 data.n, hex, n < data.n ? "..." : "");
}

static bool read_string(struct eth_revert *out, struct span arguments)
{
	struct abi_value *v;

	if (abi_decode(&v, "(string)", arguments, NULL) != ETH_OK)
		return false;
	out->kind = REVERT_STRING;
	out->signature = "Error(string)";
	copy_printable(out->reason, sizeof out->reason, v->items.p[0].bytes);
	out->meaning = revert_reason_meaning(out->reason);
	snprintf(out->text, sizeof out->text, "\"%s\"", out->reason);
	append_meaning(out);
	abi_value_free(v);
	return true;
}

static bool read_panic(struct eth_revert *out, struct span arguments)
{
	char code[UINT256_HEX_SIZE];
	struct abi_value *v;

	if (abi_decode(&v, "(uint256)", arguments, NULL) != ETH_OK)
		return false;
	out->kind = REVERT_PANIC;
	out->signature = "Panic(uint256)";
	if (!abi_to_u64(&out->panic_code, &v->items.p[0]))
		out->panic_code = UINT64_MAX;
	out->meaning = revert_panic_meaning(out->panic_code);
	uint256_to_hex(code, &v->items.p[0].word);
	snprintf(out->text, sizeof out->text, "Panic(%s)", code);
	append_meaning(out);
	abi_value_free(v);
	return true;
}

static void append_value(struct eth_revert *out, const struct abi_value *v)
{
	char text[UINT256_DECIMAL_SIZE];
	struct eth_address address;

	switch (v->kind) {
	case ABI_UINT:
	case ABI_BOOL: uint256_to_decimal(text, &v->word); break;
	case ABI_ADDRESS:
		abi_to_address(&address, v);
		eth_address_print(text, &address);
		break;
	case ABI_FIXED_BYTES:
		memcpy(text, "0x", 2);
		hex_encode(text + 2, v->word.be, 32);
		break;
	case ABI_BYTES:
	case ABI_STRING:
	case ABI_LIST: memcpy(text, "...", sizeof "..."); break;
	}
	append(out, text);
}

static bool read_custom(struct eth_revert *out, const struct revert_entry *entry,
			struct span arguments)
{
	const char *types = strchr(entry->signature, '('), *name = entry->names;
	struct abi_value *v;

	if (abi_decode(&v, types, arguments, NULL) != ETH_OK)
		return false;
	out->kind = REVERT_CUSTOM;
	out->signature = entry->signature;
	out->meaning = entry->meaning;
	snprintf(out->text, sizeof out->text, "%.*s(", (int)(types - entry->signature),
		 entry->signature);
	for (size_t i = 0; i < v->items.n; i++) {
		size_t n = strcspn(name, ",");
		char label[40];

		snprintf(label, sizeof label, "%s%.*s ", i ? ", " : "", (int)n, name);
		append(out, label);
		append_value(out, &v->items.p[i]);
		name += n + (name[n] == ',');
	}
	append(out, ")");
	append_meaning(out);
	abi_value_free(v);
	return true;
}

void revert_read(struct eth_revert *out, struct span data)
{
	const struct revert_entry *entry;
	struct span arguments;
	uint32_t selector;
	size_t n;

	*out = (struct eth_revert){.kind = REVERT_NONE};
	if (data.n == 0) {
		out->meaning = "the contract gave no reason; a quote's verification ends so when "
			       "collateral is missing, a signature is bad or gas is too low";
		snprintf(out->text, sizeof out->text, "no data: %s", out->meaning);
		return;
	}
	if (data.n < 4) {
		read_unknown(out, data);
		return;
	}
	memcpy(out->selector, data.p, 4);
	selector = (uint32_t)data.p[0] << 24 | (uint32_t)data.p[1] << 16 |
		   (uint32_t)data.p[2] << 8 | data.p[3];
	arguments = span_of(data.p + 4, data.n - 4);
	if (selector == SELECTOR_STRING && read_string(out, arguments))
		return;
	if (selector == SELECTOR_PANIC && read_panic(out, arguments))
		return;
	entry = revert_table(&n);
	for (; n > 0; n--, entry++)
		if (entry->selector == selector && read_custom(out, entry, arguments))
			return;
	read_unknown(out, data);
}

bool revert_is(const struct eth_revert *r, const char *signature)
{
	uint8_t selector[4];

	abi_selector(selector, signature);
	return r->kind != REVERT_NONE && memcmp(selector, r->selector, sizeof selector) == 0;
}

bool revert_says(const struct eth_revert *r, const char *reason)
{
	return r->kind == REVERT_STRING && strcmp(r->reason, reason) == 0;
}
