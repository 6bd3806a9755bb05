#include "test.h"

#include "ethereum/public_inputs.h"

#define REPEAT_4(x)  x x x x
#define REPEAT_20(x) REPEAT_4(x) REPEAT_4(x) REPEAT_4(x) REPEAT_4(x) REPEAT_4(x)
#define REPEAT_32(x) REPEAT_20(x) REPEAT_4(x) REPEAT_4(x) REPEAT_4(x)
#define WORD(last)   "00000000000000000000000000000000000000000000000000000000000000" last

static struct batch_commitment example(void)
{
	struct batch_commitment c = {.chain_id = uint256_from_u64(7),
				     .non_privileged_count = uint256_from_u64(8)};

	memset(c.initial_state_root, 0x11, 32);
	memset(c.new_state_root, 0x22, 32);
	memset(c.withdrawals_root, 0x33, 32);
	memset(c.privileged_rolling_hash, 0x44, 32);
	memset(c.blob_versioned_hash, 0x55, 32);
	memset(c.last_block_hash, 0x66, 32);
	return c;
}

#define EIGHT_WORDS                                                                                \
	REPEAT_32("11")                                                                            \
	REPEAT_32("22")                                                                            \
	REPEAT_32("33")                                                                            \
	REPEAT_32("44") REPEAT_32("55") REPEAT_32("66") WORD("07") WORD("08")

static void plain_batch(void **state)
{
	struct batch_commitment c = example();
	struct buf b;

	(void)state;
	buf_init(&b, 256);
	assert_true(public_inputs_encode(&b, &c));
	assert_int_equal(b.len, 256);
	assert_hex(b.p, b.len, EIGHT_WORDS);
	buf_free(&b);
}

static void messages_between_chains(void **state)
{
	struct asset_diff asset = {.value = uint256_from_u64(0xa4)};
	uint8_t hashes[2][32];
	struct balance_diff diffs[2] = {
	    {.chain_id = uint256_from_u64(0xc1),
	     .value = uint256_from_u64(0xc2),
	     .assets = &asset,
	     .assets_n = 1,
	     .message_hashes = (const uint8_t(*)[32])hashes,
	     .message_hashes_n = 2},
	    {.chain_id = uint256_from_u64(0xd1), .value = uint256_from_u64(0xd2)},
	};
	struct message_rolling_hash in[1] = {{.chain_id = uint256_from_u64(0xe1)}};
	struct batch_commitment c = example();
	struct buf b;

	(void)state;
	memset(asset.token_l1.b, 0xa1, 20);
	memset(asset.token_l2.b, 0xa2, 20);
	memset(asset.dest_token_l2.b, 0xa3, 20);
	memset(hashes[0], 0xb1, 32);
	memset(hashes[1], 0xb2, 32);
	memset(in[0].hash, 0xe2, 32);
	c.balance_diffs = diffs;
	c.balance_diffs_n = 2;
	c.l2_in = in;
	c.l2_in_n = 1;
	buf_init(&b, 1000);
	assert_true(public_inputs_encode(&b, &c));
	assert_hex(b.p, b.len,
		   EIGHT_WORDS WORD("c1") WORD("c2") REPEAT_20("a1") REPEAT_20("a2") REPEAT_20("a3")
		       WORD("a4") REPEAT_32("b1") REPEAT_32("b2") WORD("d1") WORD("d2") WORD("e1")
			   REPEAT_32("e2"));
	buf_free(&b);

	assert_true(public_inputs_size(256 + 64 + 92 + 64 + 64 + 64));
	for (size_t max = 0; max < 256 + 64 + 92 + 64 + 64 + 64; max++) {
		buf_init(&b, max);
		assert_false(public_inputs_encode(&b, &c));
		assert_int_equal(b.len, 0);
		buf_free(&b);
	}
}

/* Against every batch of up to 2,000 bytes: so many words that begin a diff or are a rolling hash,
 * message hashes and assets, of which only a diff has any. */
static void sizes(void **state)
{
	static bool of_some_batch[2001];
	size_t pairs, hashes, assets, n;

	(void)state;
	for (pairs = 0; pairs < 30; pairs++)
		for (hashes = 0; hashes < (pairs ? 60u : 1u); hashes++)
			for (assets = 0; assets < (pairs ? 20u : 1u); assets++) {
				n = 256 + 64 * pairs + 32 * hashes + 92 * assets;
				if (n <= 2000)
					of_some_batch[n] = true;
			}
	for (n = 0; n <= 2000; n++)
		assert_int_equal(public_inputs_size(n), of_some_batch[n]);
	assert_false(public_inputs_size(SIZE_MAX));
}

static void versioned_hashes(void **state)
{
	uint8_t commitment[BLOB_COMMITMENT_SIZE] = {0}, out[32];

	(void)state;
	memset(out, 0xff, sizeof out);
	assert_true(blob_versioned_hash(out, commitment));
	assert_hex(out, 32, REPEAT_32("00"));
	/* The commitment of the empty blob, the point at infinity: a hash that every client knows.
	 */
	commitment[0] = 0xc0;
	assert_true(blob_versioned_hash(out, commitment));
	assert_hex(out, 32, "010657f37554c781402a22917dee2f75def7ab966d7b770905398eba3c444014");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(plain_batch),
	    cmocka_unit_test(messages_between_chains),
	    cmocka_unit_test(sizes),
	    cmocka_unit_test(versioned_hashes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
