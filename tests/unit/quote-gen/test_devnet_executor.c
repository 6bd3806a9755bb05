/* The devnet's executor: what it derives from a chain of headers, and what it refuses. */
#include "quote-gen/devnet_executor.h"

#include "ethereum/header.h"
#include "ethereum/keccak.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BLOCKS   3
#define CHAIN_ID 560048

/* ---- an input made here: a parent and three blocks on it ---- */

static void put_hex(json_t *to, const char *name, const void *p, size_t n)
{
	char text[2 + 2 * 256 + 1] = "0x";

	hex_encode(text + 2, p, n);
	json_object_set_new(to, name, json_string(text));
}

static void put_number(json_t *to, const char *name, uint64_t n)
{
	char text[24];

	snprintf(text, sizeof text, "0x%llx", (unsigned long long)n);
	json_object_set_new(to, name, json_string(text));
}

static struct eth_header header_of(uint64_t number, const uint8_t parent[32])
{
	struct eth_header h = {.number = number,
			       .gas_limit = 30000000,
			       .gas_used = 21000,
			       .timestamp = 1700000000 + number,
			       .base_fee = 7,
			       .optional = 5};

	memcpy(h.parent_hash, parent, 32);
	memset(h.state_root, (int)number, 32);
	memset(h.withdrawals_root, 0x55, 32);
	h.extra_data = span_of("devnet", 6);
	return h;
}

static json_t *header_json(const struct eth_header *h)
{
	json_t *j = json_object();

	put_hex(j, "parentHash", h->parent_hash, 32);
	put_hex(j, "sha3Uncles", h->ommers_hash, 32);
	put_hex(j, "miner", h->beneficiary.b, 20);
	put_hex(j, "stateRoot", h->state_root, 32);
	put_hex(j, "transactionsRoot", h->transactions_root, 32);
	put_hex(j, "receiptsRoot", h->receipts_root, 32);
	put_hex(j, "logsBloom", h->logs_bloom, 256);
	put_number(j, "difficulty", 0);
	put_number(j, "number", h->number);
	put_number(j, "gasLimit", h->gas_limit);
	put_number(j, "gasUsed", h->gas_used);
	put_number(j, "timestamp", h->timestamp);
	put_hex(j, "extraData", h->extra_data.p, h->extra_data.n);
	put_hex(j, "mixHash", h->mix_hash, 32);
	put_hex(j, "nonce", h->nonce, 8);
	put_number(j, "baseFeePerGas", h->base_fee);
	put_hex(j, "withdrawalsRoot", h->withdrawals_root, 32);
	put_number(j, "blobGasUsed", h->blob_gas_used);
	put_number(j, "excessBlobGas", h->excess_blob_gas);
	put_hex(j, "parentBeaconBlockRoot", h->parent_beacon_block_root, 32);
	return j;
}

static json_t *numbers(const uint8_t *p, size_t n)
{
	json_t *a = json_array();
	size_t i;

	for (i = 0; i < n; i++)
		json_array_append_new(a, json_integer(p[i]));
	return a;
}

static json_t *input_made_here(uint8_t last_hash[32])
{
	static const uint8_t zero[48];
	json_t *j = json_object(), *witness = json_object(), *blocks = json_array();
	json_t *chain = json_object(), *headers = json_array();
	struct eth_header h = header_of(41, zero);
	struct buf rlp;
	uint64_t i, t;

	buf_init(&rlp, 4096);
	assert_int_equal(eth_header_encode(&rlp, &h, NULL), ETH_OK);
	json_array_append_new(headers, json_pack("[i,i]", 1, 2)); /* earlier ones do not matter */
	json_array_append_new(headers, numbers(rlp.p, rlp.len));
	keccak256(last_hash, rlp.p, rlp.len);
	buf_free(&rlp);
	for (i = 0; i < BLOCKS; i++) {
		json_t *txs = json_array();

		h = header_of(42 + i, last_hash);
		for (t = 0; t < i + 2; t++)
			json_array_append_new(txs, json_object());
		json_array_append_new(blocks, json_pack("{s:o,s:{s:o}}", "header", header_json(&h),
							"body", "transactions", txs));
		assert_int_equal(eth_header_hash(last_hash, &h, NULL), ETH_OK);
	}
	json_object_set_new(chain, "chainId", json_integer(CHAIN_ID));
	json_object_set_new(witness, "chain_config", chain);
	json_object_set_new(witness, "block_headers_bytes", headers);
	json_object_set_new(j, "blocks", blocks);
	json_object_set_new(j, "execution_witness", witness);
	json_object_set_new(j, "blob_commitment", numbers(zero, 48));
	return j;
}

static bool execute(struct buf *out, struct devnet_summary *s, const json_t *j, struct why *why)
{
	char *text = json_dumps(j, JSON_COMPACT);
	bool ok;

	assert_non_null(text);
	why->text[0] = '\0';
	ok = devnet_execute(out, s, span_of(text, strlen(text)), why);
	free(text);
	return ok;
}

static void a_word(const struct buf *out, size_t i, uint8_t first, uint8_t all)
{
	size_t k;

	assert_int_equal(out->p[32 * i], first);
	for (k = 1; k < 32; k++)
		assert_int_equal(out->p[32 * i + k], all);
}

static void eight_words_come_out(void **state)
{
	static const uint8_t chain_id[] = {0x08, 0x8b, 0xb0};
	struct devnet_summary s;
	uint8_t hash[32];
	struct buf out;
	struct why why;
	json_t *j = input_made_here(hash);

	(void)state;
	buf_init(&out, 4096);
	assert_true(execute(&out, &s, j, &why));
	assert_int_equal(out.len, 256);
	a_word(&out, 0, 41, 41);
	a_word(&out, 1, 44, 44);
	a_word(&out, 2, 0, 0);
	a_word(&out, 3, 0, 0);
	a_word(&out, 4, 0, 0);
	assert_memory_equal(out.p + 160, hash, 32);
	assert_memory_equal(out.p + 6 * 32 + 29, chain_id, 3);
	assert_int_equal(out.p[255], 2 + 3 + 4);
	assert_int_equal(s.first_block, 42);
	assert_int_equal(s.last_block, 44);
	assert_int_equal(s.transactions, 9);
	assert_memory_equal(s.last_block_hash, hash, 32);
	buf_free(&out);
	json_decref(j);
}

static void a_blob_has_its_versioned_hash(void **state)
{
	/* EIP-4844: the commitment to the empty blob and its well-known versioned hash */
	static const uint8_t commitment[48] = {0xc0};
	uint8_t expect[32], hash[32];
	struct buf out;
	struct why why;
	json_t *j = input_made_here(hash);
	const char *known = "010657f37554c781402a22917dee2f75def7ab966d7b770905398eba3c444014";

	(void)state;
	assert_true(hex_decode(expect, 32, known, 64));
	json_object_set_new(j, "blob_commitment", numbers(commitment, 48));
	buf_init(&out, 4096);
	assert_true(execute(&out, NULL, j, &why));
	assert_memory_equal(out.p + 128, expect, 32);
	buf_free(&out);
	json_decref(j);
}

/* ---- refusals ---- */

static json_t *block(json_t *j, size_t i)
{
	return json_array_get(json_object_get(j, "blocks"), i);
}

static json_t *header(json_t *j, size_t i)
{
	return json_object_get(block(j, i), "header");
}

static json_t *witness(json_t *j)
{
	return json_object_get(j, "execution_witness");
}

static void parent_of_the_first(json_t *j)
{
	put_hex(header(j, 0), "parentHash", "................................", 32);
}

static void parent_in_the_middle(json_t *j)
{
	put_hex(header(j, 1), "parentHash", "................................", 32);
}

static void state_root_in_the_middle(json_t *j)
{
	put_hex(header(j, 1), "stateRoot", "................................", 32);
}

static void gas_in_the_middle(json_t *j)
{
	put_number(header(j, 0), "gasUsed", 21001);
}

static void a_missing_block(json_t *j)
{
	json_array_remove(json_object_get(j, "blocks"), 1);
}

static void swapped_blocks(json_t *j)
{
	json_t *blocks = json_object_get(j, "blocks"), *first = json_incref(block(j, 0));

	json_array_remove(blocks, 0);
	json_array_append_new(blocks, first);
}

static void no_blocks(json_t *j)
{
	json_array_clear(json_object_get(j, "blocks"));
}

static void a_flipped_byte_in_the_witness(json_t *j)
{
	json_t *headers = json_object_get(witness(j), "block_headers_bytes");

	json_array_set_new(json_array_get(headers, 1), 40, json_integer(0xee));
}

static void a_number_that_is_no_byte(json_t *j)
{
	json_t *headers = json_object_get(witness(j), "block_headers_bytes");

	json_array_set_new(json_array_get(headers, 1), 40, json_integer(256));
}

static void no_witness_headers(json_t *j)
{
	json_array_clear(json_object_get(witness(j), "block_headers_bytes"));
}

static void no_chain_id(json_t *j)
{
	json_object_del(json_object_get(witness(j), "chain_config"), "chainId");
}

static void a_short_commitment(json_t *j)
{
	json_array_remove(json_object_get(j, "blob_commitment"), 0);
}

static void no_state_root(json_t *j)
{
	json_object_del(header(j, 2), "stateRoot");
}

static void a_long_state_root(json_t *j)
{
	json_object_set_new(header(j, 2), "stateRoot", json_string("0x1234"));
}

static void a_decimal_number(json_t *j)
{
	json_object_set_new(header(j, 2), "gasUsed", json_string("12 apples"));
}

static void a_number_over_64_bits(json_t *j)
{
	json_object_set_new(header(j, 2), "gasUsed", json_string("0x10000000000000000"));
}

static void a_fork_left_out(json_t *j)
{
	json_object_set_new(header(j, 2), "withdrawalsRoot", json_null());
}

static void no_transactions(json_t *j)
{
	json_object_clear(json_object_get(block(j, 2), "body"));
}

static void tampered_inputs_are_refused_in_words(void **state)
{
	static const struct {
		void (*tamper)(json_t *j);
		const char *words;
	} cases[] = {
	    {parent_of_the_first, "block 42 names 0x2e2e2e"},
	    {parent_of_the_first, "the last header of the witness hashes to 0x"},
	    {parent_in_the_middle, "block 43 names 0x2e2e2e"},
	    {parent_in_the_middle, "the block before it hashes to 0x"},
	    {state_root_in_the_middle, "block 44 names"},
	    {gas_in_the_middle, "block 43 names"},
	    {a_missing_block, "block 44 follows block 42"},
	    {swapped_blocks, "block 43 follows block 41"},
	    {no_blocks, "no blocks"},
	    {a_flipped_byte_in_the_witness, "block 42 names"},
	    {a_number_that_is_no_byte, "block_headers_bytes"},
	    {no_witness_headers, "block_headers_bytes"},
	    {no_chain_id, "chainId"},
	    {a_short_commitment, "blob_commitment is not 48 bytes"},
	    {no_state_root, "the header has no stateRoot"},
	    {a_long_state_root, "stateRoot \"0x1234\" is malformed"},
	    {a_decimal_number, "gasUsed \"12 apples\" is malformed"},
	    {a_number_over_64_bits, "gasUsed \"0x10000000000000000\" is malformed"},
	    {a_fork_left_out, "blobGasUsed without the field"},
	    {no_transactions, "block 44 has no list of transactions"},
	};
	uint8_t hash[32];
	struct buf out;
	struct why why;
	size_t i;

	(void)state;
	buf_init(&out, 4096);
	for (i = 0; i < sizeof cases / sizeof *cases; i++) {
		json_t *j = input_made_here(hash);

		cases[i].tamper(j);
		assert_false(execute(&out, NULL, j, &why));
		if (!strstr(why.text, cases[i].words))
			fail_msg("case %zu: \"%s\" does not say \"%s\"", i, why.text,
				 cases[i].words);
		assert_int_equal(out.len, 0);
		json_decref(j);
	}
	buf_free(&out);
}

static void what_is_no_input_is_refused(void **state)
{
	static const char *const texts[] = {"",
					    "[",
					    "[]",
					    "{}",
					    "null",
					    "\"blocks\"",
					    "{} x",
					    "{\"blocks\":3}",
					    "{\"blocks\":[3]}",
					    "{\"blocks\":[],\"blocks\":[]}"};
	struct buf out;
	size_t i;

	(void)state;
	buf_init(&out, 4096);
	for (i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct why why = {{0}};

		assert_false(devnet_execute(&out, NULL, span_of(texts[i], strlen(texts[i])), &why));
		assert_true(strlen(why.text) > 10);
	}
	buf_free(&out);
}

/* ---- the real block ---- */

static char *real_input(size_t *n)
{
	const char *dir = getenv("VECTORS_DIR"), *root = getenv("SOURCE_DIR");
	char path[1024], *text = NULL;
	long size;
	FILE *f;

	if (dir && *dir)
		snprintf(path, sizeof path, "%s/batch/hoodi-1265656.input.json", dir);
	else
		snprintf(path, sizeof path, "%s/../shared/vectors/batch/hoodi-1265656.input.json",
			 root && *root ? root : ".");
	f = fopen(path, "rb");
	if (!f)
		return NULL;
	if (fseek(f, 0, SEEK_END) == 0 && (size = ftell(f)) > 0) {
		rewind(f);
		text = malloc((size_t)size);
		*n = text ? fread(text, 1, (size_t)size, f) : 0;
	}
	fclose(f);
	return text;
}

static void a_real_block_of_hoodi(void **state)
{
	struct devnet_summary s;
	char hash[65], root[67] = "0x", *text;
	struct buf out;
	struct why why = {{0}};
	size_t n = 0;
	json_t *j;

	(void)state;
	text = real_input(&n);
	if (!text) {
		print_message("SKIPPED: batch/hoodi-1265656.input.json is absent (VECTORS_DIR)\n");
		skip();
	}
	buf_init(&out, 4096);
	assert_true(devnet_execute(&out, &s, span_of(text, n), &why));
	assert_int_equal(s.first_block, 1265656);
	assert_int_equal(s.last_block, 1265656);
	assert_int_equal(s.transactions, 11);
	hex_encode(hash, out.p + 160, 32);
	assert_int_equal(strncmp(hash, "ac77c202", 8), 0);
	assert_string_equal(hash + 60, "e6db");
	j = json_loadb(text, n, 0, NULL);
	assert_non_null(j);
	hex_encode(root + 2, out.p + 32, 32);
	assert_string_equal(root, json_string_value(json_object_get(header(j, 0), "stateRoot")));
	/* Any other field of the header, and it is another block: its parent no longer fits it. */
	put_hex(header(j, 0), "parentHash", "................................", 32);
	assert_false(execute(&out, NULL, j, &why));
	assert_non_null(strstr(why.text, "hashes to 0x5ec43aa0"));
	json_decref(j);
	buf_free(&out);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(eight_words_come_out),
	    cmocka_unit_test(a_blob_has_its_versioned_hash),
	    cmocka_unit_test(tampered_inputs_are_refused_in_words),
	    cmocka_unit_test(what_is_no_input_is_refused),
	    cmocka_unit_test(a_real_block_of_hoodi),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
