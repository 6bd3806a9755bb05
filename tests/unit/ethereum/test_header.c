#include "test.h"

#include "ethereum/header.h"
#include "ethereum/keccak.h"
#include "ethereum/rlp.h"

#include <jansson.h>
#include <stdio.h>

/* The real batch input: see VECTORS_DIR in the test's environment. */
static json_t *vector;

static int load_vector(void **state)
{
	const char *dir = getenv("VECTORS_DIR"), *source = getenv("SOURCE_DIR");
	char path[4096];
	json_error_t err;

	(void)state;
	if (dir && *dir)
		snprintf(path, sizeof path, "%s/batch/hoodi-1265656.input.json", dir);
	else
		snprintf(path, sizeof path, "%s/../shared/vectors/batch/hoodi-1265656.input.json",
			 source ? source : ".");
	vector = json_load_file(path, 0, &err);
	if (!vector)
		fprintf(stderr, "SKIPPED: the tests on a real block: %s\n", err.text);
	return 0;
}

static int free_vector(void **state)
{
	(void)state;
	json_decref(vector);
	return 0;
}

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	if (!text)
		fail_msg("the vector has no %s", name);
	return text;
}

static void fixed(void *out, size_t n, const json_t *object, const char *name)
{
	const char *text = text_of(object, name);

	assert_true(hex_decode(out, n, text, strlen(text)));
}

static uint64_t number(const json_t *object, const char *name)
{
	struct uint256 wide;
	uint64_t v;

	assert_true(uint256_from_hex(&wide, text_of(object, name), NULL));
	assert_true(uint256_to_u64(&v, &wide));
	return v;
}

/* Freed by the caller: h->extra_data. */
static void header_from_json(struct eth_header *h, const json_t *j)
{
	*h = (struct eth_header){.optional = 6};
	fixed(h->parent_hash, 32, j, "parentHash");
	fixed(h->ommers_hash, 32, j, "sha3Uncles");
	fixed(h->beneficiary.b, 20, j, "miner");
	fixed(h->state_root, 32, j, "stateRoot");
	fixed(h->transactions_root, 32, j, "transactionsRoot");
	fixed(h->receipts_root, 32, j, "receiptsRoot");
	fixed(h->logs_bloom, 256, j, "logsBloom");
	assert_true(uint256_from_hex(&h->difficulty, text_of(j, "difficulty"), NULL));
	h->number = number(j, "number");
	h->gas_limit = number(j, "gasLimit");
	h->gas_used = number(j, "gasUsed");
	h->timestamp = number(j, "timestamp");
	h->extra_data = unhex(text_of(j, "extraData"));
	fixed(h->mix_hash, 32, j, "mixHash");
	fixed(h->nonce, 8, j, "nonce");
	h->base_fee = number(j, "baseFeePerGas");
	fixed(h->withdrawals_root, 32, j, "withdrawalsRoot");
	h->blob_gas_used = number(j, "blobGasUsed");
	h->excess_blob_gas = number(j, "excessBlobGas");
	fixed(h->parent_beacon_block_root, 32, j, "parentBeaconBlockRoot");
	fixed(h->requests_hash, 32, j, "requestsHash");
}

static void real_block(void **state)
{
	const json_t *block;
	struct eth_header h, back;
	struct why why = {{0}};
	uint8_t hash[32];
	struct buf b;

	(void)state;
	if (!vector)
		skip();
	block = json_array_get(json_object_get(vector, "blocks"), 0);
	header_from_json(&h, json_object_get(block, "header"));
	assert_int_equal(h.number, 1265656);
	assert_hex(h.parent_hash, 32,
		   "5ec43aa09c9145c93f7bc57a0d4e19e6eacdfe1b4b053e48825f9c88e120c62b");
	assert_int_equal(eth_header_hash(hash, &h, &why), ETH_OK);
	assert_hex(hash, 4, "ac77c202");
	assert_hex(hash + 30, 2, "e6db");

	buf_init(&b, 4096);
	assert_int_equal(eth_header_encode(&b, &h, &why), ETH_OK);
	if (eth_header_decode(&back, buf_span(&b), &why) != ETH_OK)
		fail_msg("%s", why.text);
	assert_int_equal(back.optional, 6);
	assert_true(span_eq(back.extra_data, h.extra_data));
	back.extra_data = h.extra_data;
	assert_int_equal(eth_header_hash(hash, &back, &why), ETH_OK);
	assert_hex(hash, 4, "ac77c202");
	buf_free(&b);
	unhex_free(h.extra_data);
}

/* The witness brings the headers before the block as RLP: each must be its successor's parent. */
static void real_ancestors(void **state)
{
	const json_t *headers, *bytes, *byte;
	uint8_t parents[8][32], hashes[8][32];
	uint64_t numbers[8];
	size_t n, i, j;
	unsigned linked = 0;

	(void)state;
	if (!vector)
		skip();
	headers =
	    json_object_get(json_object_get(vector, "execution_witness"), "block_headers_bytes");
	n = json_array_size(headers);
	assert_in_range(n, 1, 8);
	json_array_foreach (headers, i, bytes) {
		struct eth_header h;
		struct why why = {{0}};
		struct buf b;

		buf_init(&b, 4096);
		json_array_foreach (bytes, j, byte) {
			uint8_t v = (uint8_t)json_integer_value(byte);

			assert_true(buf_add(&b, &v, 1));
		}
		if (eth_header_decode(&h, buf_span(&b), &why) != ETH_OK)
			fail_msg("header %zu: %s", i, why.text);
		numbers[i] = h.number;
		memcpy(parents[i], h.parent_hash, 32);
		keccak256(hashes[i], b.p, b.len);
		buf_free(&b);
	}
	for (i = 0; i < n; i++)
		for (j = 0; j < n; j++)
			if (numbers[j] == numbers[i] + 1) {
				assert_memory_equal(parents[j], hashes[i], 32);
				linked++;
			}
	assert_int_equal(linked, n - 1);
}

/* A header in which every field differs from every other. */
static struct eth_header example(unsigned optional)
{
	struct eth_header h = {.number = 1,
			       .gas_limit = 2,
			       .gas_used = 3,
			       .timestamp = 4,
			       .extra_data = span_of("extra", 5),
			       .optional = optional,
			       .base_fee = 1000000007,
			       .blob_gas_used = 131072,
			       .excess_blob_gas = UINT64_MAX,
			       .slot_number = 0};

	memset(h.parent_hash, 1, 32);
	memset(h.ommers_hash, 2, 32);
	memset(h.beneficiary.b, 3, 20);
	memset(h.state_root, 4, 32);
	memset(h.transactions_root, 5, 32);
	memset(h.receipts_root, 6, 32);
	memset(h.logs_bloom, 7, 256);
	memset(h.difficulty.be, 8, 32);
	memset(h.mix_hash, 9, 32);
	memset(h.nonce, 10, 8);
	memset(h.withdrawals_root, 11, 32);
	memset(h.parent_beacon_block_root, 12, 32);
	memset(h.requests_hash, 13, 32);
	memset(h.block_access_list_hash, 14, 32);
	return h;
}

static void every_fork(void **state)
{
	uint8_t hash[32], last[32] = {0};
	struct eth_header h, back;
	struct why why;
	struct buf b, again;

	(void)state;
	for (unsigned optional = 0; optional <= ETH_HEADER_OPTIONAL_MAX; optional++) {
		h = example(optional);
		buf_init(&b, 4096);
		buf_init(&again, 4096);
		assert_int_equal(eth_header_encode(&b, &h, &why), ETH_OK);
		assert_true(rlp_check(buf_span(&b), 1, &why));
		assert_int_equal(eth_header_decode(&back, buf_span(&b), &why), ETH_OK);
		assert_int_equal(back.optional, optional);
		assert_int_equal(eth_header_encode(&again, &back, &why), ETH_OK);
		assert_true(span_eq(buf_span(&b), buf_span(&again)));
		assert_int_equal(eth_header_hash(hash, &h, &why), ETH_OK);
		assert_memory_not_equal(hash, last, 32);
		memcpy(last, hash, 32);
		for (size_t n = 0; n < b.len; n++)
			assert_int_equal(eth_header_decode(&back, span_of(b.p, n), &why),
					 ETH_MALFORMED);
		buf_free(&b);
		buf_free(&again);
	}
}

static void refused(void **state)
{
	static const uint8_t long_extra[ETH_HEADER_EXTRA_MAX + 1];
	struct eth_header h = example(9), back;
	uint8_t hash[32];
	struct why why;
	struct buf b;

	(void)state;
	buf_init(&b, 8192);
	assert_int_equal(eth_header_encode(&b, &h, &why), ETH_BAD_ARGUMENT);
	h = example(8);
	h.extra_data = span_of(long_extra, sizeof long_extra);
	assert_int_equal(eth_header_hash(hash, &h, &why), ETH_BAD_ARGUMENT);
	h.extra_data.n--;
	assert_int_equal(eth_header_hash(hash, &h, &why), ETH_OK);

	/* A ninth optional field; then something behind the list. */
	h = example(8);
	assert_int_equal(eth_header_encode(&b, &h, &why), ETH_OK);
	memmove(b.p, b.p + 3, b.len - 3);
	b.len -= 3;
	assert_true(rlp_add_u64(&b, 1) && rlp_list_end(&b, 0));
	assert_int_equal(eth_header_decode(&back, buf_span(&b), &why), ETH_MALFORMED);
	assert_says(&why, "block header: 1 bytes follow the last field");
	b.len = 0;
	assert_int_equal(eth_header_encode(&b, &h, &why), ETH_OK);
	assert_true(buf_add(&b, "", 1));
	assert_int_equal(eth_header_decode(&back, buf_span(&b), &why), ETH_MALFORMED);
	assert_says(&why, "1 bytes follow it");
	buf_free(&b);

	buf_init(&b, 600);
	assert_int_equal(eth_header_encode(&b, &h, &why), ETH_NO_ROOM);
	assert_int_equal(b.len, 0);
	buf_free(&b);
	assert_int_equal(eth_header_decode(&back, span_of("\x80", 1), &why), ETH_MALFORMED);
	assert_says(&why, "where a list is expected");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(real_block),
	    cmocka_unit_test(real_ancestors),
	    cmocka_unit_test(every_fork),
	    cmocka_unit_test(refused),
	};

	return cmocka_run_group_tests(tests, load_vector, free_vector);
}
