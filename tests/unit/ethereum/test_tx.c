#include "test.h"

#include "ethereum/keccak.h"
#include "ethereum/rlp.h"
#include "ethereum/tx.h"

#define ORDER "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"

/* Encodings in this file are by Foundry's cast mktx with the first key of its test mnemonic. */

#define TEST_KEY "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
#define DYNAMIC_FEE                                                                                \
	"02f87b82053907843b9aca008506fc23ac008301e24094d8da6bf26964af9d7eed9e03e53415d37a"         \
	"a9604588"                                                                                 \
	"ab54a98ceb1f0ad285deadbeef00c001a053e5ffec0164fbaf41e035597aeb784e6df9331edd4d913c666d89" \
	"84bcc59b6ea01c009f947afc62be06aa0f3b45a3dc911b7d79535a7980ecb37bd1029a6aff8a"
#define LEGACY                                                                                     \
	"f86c078506fc23ac008301e24094d8da6bf26964af9d7eed9e03e53415d37aa960450585deadbeef"         \
	"00820a95"                                                                                 \
	"a0ede7c841fac4177dd7c65939accf0e0a5ce3f5ae4d3cbf077aac57451c2697c1a028ad45490d9941a8d9fe" \
	"e0aff3bfdd1fdcd109f3d8eddfd2bf4fddcbe9dd97f8"

static struct eth_tx example(enum eth_tx_type type)
{
	struct eth_tx tx = {.type = type,
			    .chain_id = 1337,
			    .nonce = 7,
			    .max_priority_fee = type == ETH_TX_LEGACY ? 0 : 1000000000,
			    .max_fee = 30000000000,
			    .gas = 123456,
			    .data = span_of("\xde\xad\xbe\xef", 5)};

	assert_true(eth_address_parse(&tx.to, "0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96045", NULL));
	assert_true(uint256_from_hex(&tx.value,
				     type == ETH_TX_LEGACY ? "0x5" : "0xab54a98ceb1f0ad2", NULL));
	return tx;
}

static void assert_same_tx(const struct eth_tx *a, const struct eth_tx *b)
{
	assert_int_equal(a->type, b->type);
	assert_true(a->chain_id == b->chain_id && a->nonce == b->nonce &&
		    a->max_priority_fee == b->max_priority_fee && a->max_fee == b->max_fee &&
		    a->gas == b->gas);
	assert_true(eth_address_equal(&a->to, &b->to));
	assert_int_equal(uint256_cmp(&a->value, &b->value), 0);
	assert_true(span_eq(a->data, b->data));
}

static void check(enum eth_tx_type type, const char *want)
{
	struct eth_tx tx = example(type), back;
	struct eth_address me, sender;
	uint8_t hash[32], again[32];
	struct eth_key key;
	struct why why;
	struct buf raw;

	assert_true(eth_key_parse(&key, TEST_KEY, &why));
	assert_true(eth_key_address(&me, &key));
	buf_init(&raw, 1000);
	assert_true(buf_add(&raw, "kept", 4));
	assert_int_equal(eth_tx_sign(&raw, hash, &tx, &key, &why), ETH_OK);
	assert_memory_equal(raw.p, "kept", 4);
	assert_hex(raw.p + 4, raw.len - 4, want);
	keccak256(again, raw.p + 4, raw.len - 4);
	assert_memory_equal(hash, again, 32);

	assert_int_equal(
	    eth_tx_decode(&back, &sender, again, span_of(raw.p + 4, raw.len - 4), &why), ETH_OK);
	assert_same_tx(&tx, &back);
	assert_true(eth_address_equal(&me, &sender));
	assert_memory_equal(hash, again, 32);
	for (size_t n = 0; n < raw.len - 4; n++) {
		struct span cut = span_of(raw.p + 4, n);

		assert_int_equal(eth_tx_decode(&back, &sender, again, cut, &why), ETH_MALFORMED);
		assert_says(&why, "transaction of");
	}
	assert_true(buf_add(&raw, "", 1));
	assert_int_equal(
	    eth_tx_decode(&back, &sender, again, span_of(raw.p + 4, raw.len - 4), &why),
	    ETH_MALFORMED);
	assert_says(&why, "1 bytes follow the transaction");

	buf_free(&raw);
	for (size_t max = 0; max < 100; max += 9) {
		buf_init(&raw, max);
		assert_int_equal(eth_tx_sign(&raw, hash, &tx, &key, &why), ETH_NO_ROOM);
		assert_int_equal(raw.len, 0);
		buf_free(&raw);
	}
	eth_key_wipe(&key);
	buf_init(&raw, 1000);
	assert_int_equal(eth_tx_sign(&raw, hash, &tx, &key, &why), ETH_BAD_ARGUMENT);
	assert_says(&why, "the key is empty");
	buf_free(&raw);
}

static void dynamic_fee(void **state)
{
	(void)state;
	check(ETH_TX_DYNAMIC_FEE, DYNAMIC_FEE);
}

static void legacy(void **state)
{
	(void)state;
	check(ETH_TX_LEGACY, LEGACY);
}

/* EIP-155's own example. */
static void eip155_example(void **state)
{
	struct span raw = unhex("f86c098504a817c800825208943535353535353535353535353535353535353535"
				"880de0b6b3a76400008025a028ef61340bd939bc2195fe537567866003e1a15d3c"
				"71ff63e1590620aa636276a067cbe9d8997f761aecb703304b3800ccf555c9f3dc"
				"64214b297fb1966a3b6d83");
	struct eth_address sender;
	struct eth_key key;
	struct why why;
	struct eth_tx tx;
	struct buf again;
	uint8_t hash[32];

	(void)state;
	assert_int_equal(eth_tx_decode(&tx, &sender, hash, raw, &why), ETH_OK);
	assert_int_equal(tx.chain_id, 1);
	assert_int_equal(tx.nonce, 9);
	assert_true(tx.max_fee == 20000000000);
	assert_hex(sender.b, 20, "9d8a62f656a8d1615c1294fd71e9cfb3e4855a4f");
	assert_true(eth_key_parse(
	    &key, "4646464646464646464646464646464646464646464646464646464646464646", &why));
	buf_init(&again, 1000);
	assert_int_equal(eth_tx_sign(&again, hash, &tx, &key, &why), ETH_OK);
	assert_true(span_eq(buf_span(&again), raw));
	buf_free(&again);
	unhex_free(raw);
}

static void refused_to_sign(void **state)
{
	static const uint64_t bad_ids[] = {0, ETH_CHAIN_ID_MAX + 1, UINT64_MAX};
	struct eth_tx tx = example(ETH_TX_DYNAMIC_FEE), back;
	struct eth_address sender;
	uint8_t hash[32];
	struct eth_key key;
	struct why why;
	struct buf raw;

	(void)state;
	assert_true(eth_key_parse(&key, TEST_KEY, &why));
	buf_init(&raw, 1000);
	for (size_t i = 0; i < sizeof bad_ids / sizeof bad_ids[0]; i++) {
		tx.chain_id = bad_ids[i];
		assert_int_equal(eth_tx_sign(&raw, hash, &tx, &key, &why), ETH_BAD_ARGUMENT);
		assert_says(&why, "chain id");
	}
	tx = example(ETH_TX_DYNAMIC_FEE);
	tx.max_priority_fee = tx.max_fee + 1;
	assert_int_equal(eth_tx_sign(&raw, hash, &tx, &key, &why), ETH_BAD_ARGUMENT);
	assert_says(&why, "the priority fee of 30000000001 wei is above");
	assert_int_equal(raw.len, 0);

	tx = example(ETH_TX_LEGACY);
	tx.chain_id = ETH_CHAIN_ID_MAX;
	assert_int_equal(eth_tx_sign(&raw, hash, &tx, &key, &why), ETH_OK);
	assert_int_equal(eth_tx_decode(&back, &sender, hash, buf_span(&raw), &why), ETH_OK);
	assert_same_tx(&tx, &back);
	buf_free(&raw);
}

/* Signed by somebody else: the same bytes as if signed here, or refused. */
static void assembled(void **state)
{
	const struct eth_tx tx = example(ETH_TX_DYNAMIC_FEE);
	uint8_t digest[32], hash[32], same[32], sig[ETH_SIGNATURE_SIZE];
	struct buf payload, raw, here;
	struct eth_address from, other;
	struct eth_key key;
	struct why why;

	(void)state;
	assert_true(eth_key_parse(&key, TEST_KEY, &why));
	assert_true(eth_key_address(&from, &key));
	buf_init(&payload, 1000);
	buf_init(&raw, 1000);
	buf_init(&here, 1000);
	assert_int_equal(eth_tx_payload(&payload, &tx, &why), ETH_OK);
	keccak256(digest, payload.p, payload.len);
	assert_true(eth_sign_digest(sig, &key, digest));
	assert_int_equal(eth_tx_sign(&here, same, &tx, &key, &why), ETH_OK);
	for (int high = 0; high < 2; high++) {
		raw.len = 0;
		if (high) {
			struct uint256 s, order;

			uint256_from_bytes(&s, sig + 32, 32);
			assert_true(hex_decode(order.be, 32, ORDER, 64));
			assert_true(uint256_sub(&s, &order, &s));
			memcpy(sig + 32, s.be, 32);
			sig[64] = (uint8_t)(28 - sig[64]);
		}
		assert_int_equal(eth_tx_assemble(&raw, hash, &tx, sig, &from, &why), ETH_OK);
		assert_true(span_eq(buf_span(&raw), buf_span(&here)));
		assert_memory_equal(hash, same, 32);
	}
	raw.len = 0;
	other = from;
	other.b[0] ^= 1;
	assert_int_equal(eth_tx_assemble(&raw, hash, &tx, sig, &other, &why), ETH_BAD_SIGNATURE);
	assert_says(&why, "the signature is of 0x");
	sig[64] = 29;
	assert_int_equal(eth_tx_assemble(&raw, hash, &tx, sig, &from, &why), ETH_BAD_SIGNATURE);
	assert_says(&why, "last byte is 29");
	sig[64] = 0;
	memset(sig + 32, 0xff, 32);
	assert_int_equal(eth_tx_assemble(&raw, hash, &tx, sig, &from, &why), ETH_BAD_SIGNATURE);
	assert_says(&why, "not below the order");
	memset(sig, 0, 64);
	assert_int_equal(eth_tx_assemble(&raw, hash, &tx, sig, &from, &why), ETH_BAD_SIGNATURE);
	assert_int_equal(raw.len, 0);
	payload.max = payload.len = 0;
	assert_int_equal(eth_tx_payload(&payload, &tx, &why), ETH_NO_ROOM);
	buf_free(&payload);
	buf_free(&raw);
	buf_free(&here);
}

/* A dynamic fee transaction with some fields replaced by the given RLP. */
static void build(struct buf *b, const char *to, const char *access_list, const char *end)
{
	size_t list;

	b->len = 0;
	assert_true(buf_add(b, "\x02", 1));
	list = rlp_list_begin(b);
	for (unsigned i = 0; i < 5; i++)
		assert_true(rlp_add_u64(b, 1));
	assert_true(hex_decode_buf(b, to, strlen(to)));
	assert_true(rlp_add_u64(b, 0) && rlp_add_bytes(b, NULL, 0));
	assert_true(hex_decode_buf(b, access_list, strlen(access_list)));
	assert_true(hex_decode_buf(b, end, strlen(end)));
	assert_true(rlp_list_end(b, list));
}

#define TO   "941111111111111111111111111111111111111111"
#define HALF "a07fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a1"

static void refused_to_read(void **state)
{
	static const struct {
		const char *to, *access_list, *end, *says;
		enum eth_error err;
	} vectors[] = {
	    {TO, "c0", "010101", NULL, ETH_OK},
	    {"80", "c0", "010101", "creates a contract", ETH_MALFORMED},
	    {"821111", "c0", "010101", "2 bytes where 20", ETH_MALFORMED},
	    {TO, "c1c0", "010101", "access list", ETH_MALFORMED},
	    {TO, "80", "010101", "where a list is expected", ETH_MALFORMED},
	    {TO, "c0", "020101", "a v of 2", ETH_MALFORMED},
	    {TO, "c0", "1b0101", "a v of 27", ETH_MALFORMED},
	    {TO, "c0", "01010101", "1 bytes follow the signature", ETH_MALFORMED},
	    {TO, "c0", "0101", "an item is missing", ETH_MALFORMED},
	    {TO, "c0", "018001", "no key can have made", ETH_BAD_SIGNATURE},
	    {TO, "c0", "010180", "no key can have made", ETH_BAD_SIGNATURE},
	    {TO, "c0", "010500", "starts with a zero byte", ETH_MALFORMED},
	    {TO, "c0", "0101" HALF, "upper half", ETH_BAD_SIGNATURE},
	};
	struct span odd = unhex("01c0"),
		    unprotected = unhex("df80018252089411111111111111111111111111111111111111118080"
					"1b0101");
	struct eth_address sender;
	uint8_t hash[32];
	struct eth_tx tx;
	struct why why;
	struct buf b;

	(void)state;
	buf_init(&b, 1000);
	for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
		build(&b, vectors[i].to, vectors[i].access_list, vectors[i].end);
		assert_int_equal(eth_tx_decode(&tx, &sender, hash, buf_span(&b), &why),
				 vectors[i].err);
		if (vectors[i].says)
			assert_says(&why, vectors[i].says);
	}
	buf_free(&b);
	assert_int_equal(eth_tx_decode(&tx, &sender, hash, odd, &why), ETH_MALFORMED);
	assert_says(&why, "type 1, which is not supported");
	assert_int_equal(eth_tx_decode(&tx, &sender, hash, unprotected, &why), ETH_MALFORMED);
	assert_says(&why, "a v of 27 in a transaction of type 0");
	assert_int_equal(eth_tx_decode(&tx, &sender, hash, span_of(NULL, 0), &why), ETH_MALFORMED);
	unhex_free(odd);
	unhex_free(unprotected);
}

static void intrinsic_gas(void **state)
{
	uint8_t data[100] = {0};

	(void)state;
	assert_int_equal(eth_tx_intrinsic_gas(span_of(NULL, 0)), 21000);
	assert_int_equal(eth_tx_intrinsic_gas(span_of(data, 100)), 22000);
	memset(data, 1, 50);
	assert_int_equal(eth_tx_intrinsic_gas(span_of(data, 100)), 23500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(dynamic_fee),    cmocka_unit_test(legacy),
	    cmocka_unit_test(eip155_example), cmocka_unit_test(refused_to_sign),
	    cmocka_unit_test(assembled),      cmocka_unit_test(refused_to_read),
	    cmocka_unit_test(intrinsic_gas),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
