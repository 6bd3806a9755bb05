#include "coordinator/l1/rpc_parse.h"

#include "encoding/utf8.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static void copy_printable(char *out, size_t size, const char *s, size_t n)
{
	size_t i;

	for (i = 0; i < n && i < size - 1; i++)
		out[i] = (unsigned char)s[i] < 0x20 || s[i] == 0x7f ? ' ' : s[i];
	/* a cut must not leave half a UTF-8 character */
	if (i < n) {
		while (i && ((unsigned char)out[i - 1] & 0xc0) == 0x80)
			i--;
		if (i && (unsigned char)out[i - 1] >= 0xc0)
			i--;
	}
	out[i] = '\0';
}

#define QUOTED 56

/* A sentence may quote what a node sent, but only a bounded, printable piece of it. */
static const char *quote(char out[QUOTED], const json_t *v)
{
	char text[QUOTED + 8] = "(absent)";
	size_t n = strlen(text);

	if (v)
		n = json_dumpb(v, text, sizeof text, JSON_ENCODE_ANY | JSON_COMPACT);
	copy_printable(out, QUOTED, text, n < sizeof text ? n : sizeof text);
	return out;
}

void rpc_body_words(char out[RPC_WORDS_SIZE], struct span body)
{
	char text[RPC_WORDS_SIZE - 3];
	size_t i;

	out[0] = '\0';
	if (body.n == 0 || body.p[0] == '<')
		return;
	for (i = 0; i < body.n && i < sizeof text; i++)
		if (body.p[i] < 0x20 && !memchr("\t\r\n", body.p[i], 3))
			return;
	copy_printable(text, sizeof text, (const char *)body.p, body.n);
	utf8_print(out, RPC_WORDS_SIZE, " (%s)", text);
}

static bool take_hex(struct rpc_parsed *out, const char *s, size_t n)
{
	if (n < 2 || s[0] != '0' || s[1] != 'x' || !hex_decode_buf(&out->data, s, n))
		return false;
	out->has_data = true;
	return true;
}

/* Some providers write "Reverted 0x..." or "execution reverted: 0x..." instead of plain data. */
static bool take_hex_tail(struct rpc_parsed *out, const char *s, size_t n)
{
	size_t i = n;

	while (i && isxdigit((unsigned char)s[i - 1]))
		i--;
	if (i < 2 || s[i - 1] != 'x' || s[i - 2] != '0' || n - i < 8)
		return false;
	return take_hex(out, s + i - 2, n - i + 2);
}

static void take_error_data(struct rpc_parsed *out, const json_t *error, const json_t *message)
{
	const json_t *data = json_object_get(error, "data");
	int depth;

	for (depth = 0; depth < 3 && json_is_object(data); depth++) {
		const json_t *inner = json_object_get(data, "data");

		data = inner ? inner : json_object_get(data, "originalError");
	}
	if (json_is_string(data)) {
		const char *s = json_string_value(data);
		size_t n = json_string_length(data);

		if (take_hex(out, s, n) ||
		    (out->node_error == NODE_REVERTED && take_hex_tail(out, s, n)))
			return;
	}
	if (out->node_error == NODE_REVERTED)
		take_hex_tail(out, json_string_value(message), json_string_length(message));
}

static bool id_matches(const json_t *id, uint64_t want)
{
	return json_is_integer(id) && json_integer_value(id) >= 0 &&
	       (uint64_t)json_integer_value(id) == want;
}

static bool read_error(struct rpc_parsed *out, const json_t *error, struct why *why)
{
	const json_t *code = json_object_get(error, "code");
	const json_t *message = json_object_get(error, "message");
	char text[QUOTED];

	if (!json_is_object(error) || !json_is_integer(code) || !json_is_string(message)) {
		why_set(why, "the error of the reply has no integer code and string message: %s",
			quote(text, error));
		return false;
	}
	out->code = json_integer_value(code);
	copy_printable(out->message, sizeof out->message, json_string_value(message),
		       json_string_length(message));
	out->node_error = node_error_classify(out->code, json_string_value(message),
					      &out->has_next_nonce, &out->next_nonce);
	take_error_data(out, error, message);
	return true;
}

/* A web server answers too: what stands there is most likely no node. */
static void say_no_json(struct span body, const json_error_t *je, struct why *why)
{
	char text[96];

	copy_printable(text, sizeof text, je->text, strlen(je->text));
	if (body.n == 0)
		why_set(why, "the reply is empty: no JSON-RPC is served there; is "
			     "ETHREX_ETH_RPC_URL right?");
	else if (body.n > 1 && body.p[0] == 0x1f && body.p[1] == 0x8b)
		why_set(why, "the reply of %zu bytes is compressed, which was not asked for",
			body.n);
	else if (body.p[0] == '<')
		why_set(why,
			"the reply of %zu bytes is not JSON but a web page: no JSON-RPC is served "
			"there; "
			"is ETHREX_ETH_RPC_URL right?",
			body.n);
	else
		why_set(why, "the reply of %zu bytes is not JSON: %s", body.n, text);
}

enum rpc_parsed_kind rpc_parse_reply(struct rpc_parsed *out, struct span body, uint64_t id,
				     struct why *why)
{
	const json_t *error, *version, *got;
	char words[RPC_WORDS_SIZE], text[QUOTED];
	json_error_t je;

	*out = (struct rpc_parsed){.kind = RPC_PARSED_BAD};
	buf_init(&out->data, RPC_ERROR_DATA_MAX);
	/* A node may quote what a contract said in its message, zero bytes and all. */
	out->root =
	    json_loadb((const char *)body.p, body.n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &je);
	if (!out->root) {
		say_no_json(body, &je, why);
		goto bad;
	}
	version = json_object_get(out->root, "jsonrpc");
	if (!json_is_string(version) || strcmp(json_string_value(version), "2.0") != 0) {
		rpc_body_words(words, body);
		why_set(why, "the reply is not a JSON-RPC 2.0 object%s", words);
		goto bad;
	}
	out->result = json_object_get(out->root, "result");
	error = json_object_get(out->root, "error");
	if (json_is_null(error) && out->result)
		error = NULL;
	else if (error && json_is_null(out->result))
		out->result = NULL; /* JSON-RPC 1.0 has both, one of them null */
	if (!out->result == !error) {
		rpc_body_words(words, body);
		why_set(why, "the reply has %s result and error%s", error ? "both" : "neither",
			words);
		goto bad;
	}
	got = json_object_get(out->root, "id");
	/* JSON-RPC 2.0, 5: the id is null when the server could not read the request's */
	if (!id_matches(got, id) && !(error && json_is_null(got))) {
		why_set(why, "the reply carries another id (%s) than the request's %llu",
			quote(text, got), (unsigned long long)id);
		goto bad;
	}
	if (error) {
		if (!read_error(out, error, why))
			goto bad;
		out->kind = RPC_PARSED_ERROR;
	} else {
		out->kind = RPC_PARSED_RESULT;
	}
	return out->kind;
bad:
	rpc_parsed_free(out);
	return RPC_PARSED_BAD;
}

void rpc_parsed_free(struct rpc_parsed *p)
{
	json_decref(p->root);
	buf_free(&p->data);
	p->root = NULL;
	p->result = NULL;
	p->kind = RPC_PARSED_BAD;
}

bool rpc_parse_quantity(const json_t *v, uint8_t out[32], struct why *why)
{
	const char *s = json_string_value(v);
	size_t n = json_string_length(v);
	char padded[64], text[QUOTED];

	if (!s || n < 3 || n > 66 || s[0] != '0' || s[1] != 'x')
		goto bad;
	memset(padded, '0', sizeof padded);
	memcpy(padded + sizeof padded - (n - 2), s + 2, n - 2);
	/* hex_decode would take a second prefix */
	if (padded[1] == 'x' || padded[1] == 'X' || !hex_decode(out, 32, padded, sizeof padded))
		goto bad;
	return true;
bad:
	why_set(why, "%s is not a hex quantity", quote(text, v));
	return false;
}

bool rpc_parse_u64(const json_t *v, uint64_t *out, struct why *why)
{
	uint8_t be[32];
	uint64_t n = 0;
	char text[QUOTED];
	int i;

	if (!rpc_parse_quantity(v, be, why))
		return false;
	for (i = 0; i < 24; i++) {
		if (be[i]) {
			why_set(why, "the quantity %s does not fit 64 bits", quote(text, v));
			return false;
		}
	}
	for (; i < 32; i++)
		n = n << 8 | be[i];
	*out = n;
	return true;
}

bool rpc_parse_data(const json_t *v, struct buf *b, struct why *why)
{
	const char *s = json_string_value(v);
	size_t n = json_string_length(v);
	char text[QUOTED];

	if (!s || n < 2 || s[0] != '0' || s[1] != 'x' || !hex_decode_buf(b, s, n)) {
		why_set(why, "%s (%zu characters) is not hex data of at most %zu bytes",
			quote(text, v), n, b->max - b->len);
		return false;
	}
	return true;
}

bool rpc_parse_fixed(const json_t *v, uint8_t *out, size_t n, struct why *why)
{
	const char *s = json_string_value(v);
	char text[QUOTED];

	if (!s || json_string_length(v) != 2 * n + 2 || s[0] != '0' || s[1] != 'x' ||
	    !hex_decode(out, n, s, 2 * n + 2)) {
		why_set(why, "%s is not %zu bytes of hex data", quote(text, v), n);
		return false;
	}
	return true;
}

/* ---- objects ---- */

static bool member_u64(const json_t *o, const char *name, uint64_t *out, struct why *why)
{
	if (rpc_parse_u64(json_object_get(o, name), out, why))
		return true;
	why_wrap(why, "%s", name);
	return false;
}

static bool member_hash(const json_t *o, const char *name, uint8_t out[32], struct why *why)
{
	if (rpc_parse_fixed(json_object_get(o, name), out, 32, why))
		return true;
	why_wrap(why, "%s", name);
	return false;
}

bool rpc_parse_receipt(const json_t *v, bool *found, struct rpc_receipt *out, struct why *why)
{
	struct rpc_receipt r = {0};
	const json_t *price;
	uint64_t status;

	*found = false;
	if (json_is_null(v))
		return true;
	if (!json_is_object(v)) {
		why_set(why, "the receipt is not an object");
		return false;
	}
	if (json_is_null(json_object_get(v, "blockNumber")) ||
	    json_is_null(json_object_get(v, "blockHash")))
		return true;
	if (!member_u64(v, "status", &status, why) ||
	    !member_u64(v, "blockNumber", &r.block_number, why) ||
	    !member_hash(v, "blockHash", r.block_hash, why) ||
	    !member_hash(v, "transactionHash", r.tx_hash, why) ||
	    !member_u64(v, "gasUsed", &r.gas_used, why)) {
		why_wrap(why, "receipt");
		return false;
	}
	if (status > 1) {
		why_set(why, "receipt: status %llu is neither 0 nor 1", (unsigned long long)status);
		return false;
	}
	price = json_object_get(v, "effectiveGasPrice");
	if (price && !json_is_null(price) &&
	    !member_u64(v, "effectiveGasPrice", &r.effective_gas_price, why)) {
		why_wrap(why, "receipt");
		return false;
	}
	r.ok = status == 1;
	*out = r;
	*found = true;
	return true;
}

static int cmp_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

#define FEE_BLOCKS_MAX 1024

static bool read_tip(const json_t *rewards, struct rpc_fee_history *out, struct why *why)
{
	uint64_t tips[FEE_BLOCKS_MAX];
	size_t i, n = 0;

	for (i = 0; i < json_array_size(rewards) && n < FEE_BLOCKS_MAX; i++) {
		const json_t *row = json_array_get(rewards, i);

		if (json_array_size(row) == 0)
			continue;
		if (!rpc_parse_u64(json_array_get(row, 0), &tips[n], why))
			return false;
		if (tips[n])
			n++;
	}
	if (n) {
		qsort(tips, n, sizeof tips[0], cmp_u64);
		out->tip = tips[n / 2];
		out->has_tip = true;
	}
	return true;
}

bool rpc_parse_fee_history(const json_t *v, struct rpc_fee_history *out, struct why *why)
{
	const json_t *base = json_object_get(v, "baseFeePerGas");
	struct rpc_fee_history h = {0};
	size_t n = json_array_size(base);

	if (n == 0 || n > FEE_BLOCKS_MAX + 1) {
		why_set(why, "fee history: %zu entries in baseFeePerGas", n);
		return false;
	}
	if (!rpc_parse_u64(json_array_get(base, n - 1), &h.next_base_fee, why) ||
	    !read_tip(json_object_get(v, "reward"), &h, why)) {
		why_wrap(why, "fee history");
		return false;
	}
	*out = h;
	return true;
}

bool rpc_parse_block(const json_t *v, bool *found, struct rpc_block *out, struct why *why)
{
	struct rpc_block b = {0};

	*found = false;
	if (json_is_null(v))
		return true;
	if (!json_is_object(v)) {
		why_set(why, "the block is not an object");
		return false;
	}
	if (!member_u64(v, "number", &b.number, why) ||
	    !member_u64(v, "timestamp", &b.timestamp, why) ||
	    !member_hash(v, "hash", b.hash, why) ||
	    !member_hash(v, "parentHash", b.parent_hash, why)) {
		why_wrap(why, "block");
		return false;
	}
	b.has_base_fee = rpc_parse_u64(json_object_get(v, "baseFeePerGas"), &b.base_fee, NULL);
	*out = b;
	*found = true;
	return true;
}
