/* Each allocation fails once: nothing leaks, nothing lies, and the error says what it is. */
#include "test.h"

#include "ethereum/abi.h"
#include "ethereum/header.h"
#include "ethereum/public_inputs.h"
#include "ethereum/revert.h"
#include "ethereum/tx.h"

/* The linker sends the library's calls here: -Wl,--wrap. */
void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);

static unsigned seen, fail_at; /* the allocation, counted from 1, that fails; 0 for none */

static bool fails(void)
{
	return ++seen == fail_at;
}

void *__wrap_malloc(size_t n)
{
	return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
	return fails() ? NULL : __real_realloc(p, n);
}

/* Runs until a run has not reached its failure. */
static void torture(bool (*scenario)(void), unsigned at_least)
{
	unsigned n = 0;
	bool ok;

	do {
		n++;
		seen = 0;
		fail_at = n;
		ok = scenario();
		fail_at = 0;
		assert_int_equal(ok, seen < n);
	} while (seen >= n);
	assert_true(n > at_least);
}

static bool encode_and_decode(void)
{
	static const char types[] = "(uint256,bytes[],(string,uint8[])[2])";
	struct abi_value bytes[2], numbers[1], pair[2], pairs[2], args[3], *back = NULL;
	struct why why = {{0}};
	enum eth_error err;
	struct buf b;

	bytes[0] = bytes[1] = abi_bytes(span_of("1234", 4));
	numbers[0] = abi_u64(9);
	pair[0] = abi_string("text");
	pair[1] = abi_list(numbers, 1);
	pairs[0] = pairs[1] = abi_list(pair, 2);
	args[0] = abi_u64(1);
	args[1] = abi_list(bytes, 2);
	args[2] = abi_list(pairs, 2);
	buf_init(&b, 4096);
	err = abi_encode(&b, types, args, 3, &why);
	if (!err)
		err = abi_decode(&back, types, buf_span(&b), &why);
	if (err) {
		assert_int_equal(err, ETH_NO_ROOM);
		assert_null(back);
		assert_says(&why, "memory");
	}
	abi_value_free(back);
	buf_free(&b);
	return !err;
}

static bool sign(void)
{
	struct eth_tx tx = {.type = ETH_TX_DYNAMIC_FEE, .chain_id = 1}, back;
	struct eth_address sender;
	struct eth_key key = {{[31] = 1}};
	uint8_t hash[32];
	struct why why = {{0}};
	enum eth_error err;
	struct buf raw;

	buf_init(&raw, 1000);
	err = eth_tx_sign(&raw, hash, &tx, &key, &why);
	if (!err)
		err = eth_tx_decode(&back, &sender, hash, buf_span(&raw), &why);
	if (err)
		assert_int_equal(err, ETH_NO_ROOM);
	buf_free(&raw);
	return !err;
}

static bool hash_header(void)
{
	struct eth_header h = {.optional = 8};
	uint8_t hash[32];
	enum eth_error err = eth_header_hash(hash, &h, NULL);

	assert_true(err == ETH_OK || err == ETH_NO_ROOM);
	return !err;
}

static bool pack_public_inputs(void)
{
	struct batch_commitment c = {.chain_id = {{0}}};
	struct buf b;
	bool ok;

	buf_init(&b, 256);
	ok = public_inputs_encode(&b, &c);
	assert_int_equal(b.len, ok ? 256 : 0);
	buf_free(&b);
	return ok;
}

/* Without memory the words are fewer, but the selector is still there to decide by. */
static bool read_revert(void)
{
	uint8_t data[36] = {0x48, 0x2b, 0x71, 0x29};
	struct eth_revert r;

	revert_read(&r, span_of(data, sizeof data));
	assert_true(revert_is(&r, "CrlExpiredOrNotFound(uint8)"));
	return r.kind == REVERT_CUSTOM;
}

static void every_allocation(void **state)
{
	(void)state;
	torture(encode_and_decode, 8);
	torture(sign, 3);
	torture(hash_header, 2);
	torture(pack_public_inputs, 1);
	torture(read_revert, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
