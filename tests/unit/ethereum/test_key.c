#include "test.h"

#include "ethereum/address.h"
#include "ethereum/key.h"

#include <pthread.h>
#include <stdio.h>

/* The first account of Foundry's and Hardhat's well-known test mnemonic. */
#define TEST_KEY "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
#define ORDER    "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"

static struct eth_key test_key(void)
{
	struct eth_key key;

	assert_true(eth_key_parse(&key, TEST_KEY, NULL));
	return key;
}

static void checksums(void **state)
{
	/* EIP-55's own examples. */
	static const char *const texts[] = {
	    "0x52908400098527886E0F7030069857D2E4169EE7",
	    "0x8617E340B3D01FA5F11F306F4090FD50E238070D",
	    "0xde709f2102306220921060314715629080e2fb77",
	    "0x27b1fdb04752bbc536007a920d24acb045561c26",
	    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
	    "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
	    "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
	    "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
	};
	char printed[ETH_ADDRESS_TEXT_SIZE], lower[ETH_ADDRESS_TEXT_SIZE];
	struct eth_address a, b;
	struct why why = {{0}};

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		assert_true(eth_address_parse(&a, texts[i], &why));
		eth_address_print(printed, &a);
		assert_string_equal(printed, texts[i]);
		memcpy(lower, "0x", 2);
		hex_encode(lower + 2, a.b, 20);
		assert_true(eth_address_parse(&b, lower, &why));
		assert_true(eth_address_equal(&a, &b));
	}
	assert_false(eth_address_is_zero(&a));
	b.b[19] ^= 1;
	assert_false(eth_address_equal(&a, &b));
	memset(&a, 0, sizeof a);
	assert_true(eth_address_is_zero(&a));
}

static void bad_addresses(void **state)
{
	static const char *const texts[] = {
	    "",
	    "0x",
	    "52908400098527886E0F7030069857D2E4169EE7",
	    "5290840009852788 E0F7030069857D2E4169EE7aa",
	    "0x52908400098527886E0F7030069857D2E4169EE",
	    "0x52908400098527886E0F7030069857D2E4169EE70",
	    "0x52908400098527886E0F7030069857D2E4169EEg",
	    "0X52908400098527886E0F7030069857D2E4169EE7",
	};
	struct eth_address a = {{7}}, before = a;
	struct why why;

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		assert_false(eth_address_parse(&a, texts[i], &why));
		assert_says(&why, "is not an address");
	}
	assert_false(eth_address_parse(&a, "0x5aaeb6053F3E94C9b9A09f33669435E7Ef1BeAed", &why));
	assert_says(&why, "wrong checksum");
	assert_says(&why, "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed");
	assert_true(eth_address_equal(&a, &before));
}

static void keys(void **state)
{
	char text[ETH_ADDRESS_TEXT_SIZE];
	struct eth_address a;
	struct eth_key key;

	(void)state;
	assert_true(eth_key_parse(&key, TEST_KEY, NULL));
	assert_true(eth_key_parse(&key, "0x" TEST_KEY, NULL));
	assert_true(eth_key_address(&a, &key));
	eth_address_print(text, &a);
	assert_string_equal(text, "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266");

	eth_key_wipe(&key);
	assert_false(eth_key_address(&a, &key));
	for (size_t i = 0; i < 32; i++)
		assert_int_equal(key.secret[i], 0);
}

static void bad_keys(void **state)
{
	static const char *const texts[] = {
	    "",
	    "0x",
	    "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff8",
	    "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff8z",
	    TEST_KEY "00",
	    ("0x0x" TEST_KEY),
	    "0000000000000000000000000000000000000000000000000000000000000000",
	    ORDER,
	    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	};
	uint8_t random[32];
	struct eth_key key;
	struct why why;

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		key = test_key();
		assert_false(eth_key_parse(&key, texts[i], &why));
		assert_says(&why, "not a private key");
		assert_null(strstr(why.text, "ac0974"));
		for (size_t j = 0; j < 32; j++)
			assert_int_equal(key.secret[j], 0);
	}
	memset(random, 0, sizeof random);
	assert_false(eth_key_generate(&key, random));
	assert_true(hex_decode(random, 32, ORDER, 64));
	assert_false(eth_key_generate(&key, random));
	random[31]--;
	assert_true(eth_key_generate(&key, random));
	assert_memory_equal(key.secret, random, 32);
}

/* Expectations by Foundry's cast wallet sign. */
static void signatures(void **state)
{
	uint8_t sig[ETH_SIGNATURE_SIZE], digest[32], zeros[256] = {0};
	struct eth_address a, signer;
	struct eth_key key = test_key();

	(void)state;
	memset(digest, 0x11, sizeof digest);
	assert_true(eth_sign_digest(sig, &key, digest));
	assert_hex(sig, 65,
		   "0f7ab7fdc86593590dfcf2e79ffe37056ed62d7191979e42979d39942847fbb9"
		   "04f14566b0640bb3c10128294cda733f61fa74f3dc846979c55115e92b0a1b7500");
	assert_true(eip191_sign(sig, &key, "hello", 5));
	assert_hex(sig, 65,
		   "f16ea9a3478698f695fd1401bfe27e9e4a7e8e3da94aa72b021125e31fa899cc"
		   "573c48ea3fe1d4ab61a9db10c19032026e3ed2dbccba5a178235ac27f94504311c");
	assert_true(eip191_sign(sig, &key, zeros, sizeof zeros));
	assert_hex(sig, 65,
		   "7db214eb4376fa47d898357460cdadfc3caec7233f7f9f2d38d5abad08f269aa"
		   "1efa4393675c76c96a01f30ce8dedfc46747eef7ae23adba9b3c3d59faea4e0c1b");

	eip191_digest(digest, zeros, sizeof zeros);
	assert_true(eth_key_address(&a, &key));
	assert_true(eth_recover(&signer, digest, sig, ETH_RECOVER_OPENZEPPELIN, NULL));
	assert_true(eth_address_equal(&a, &signer));
	digest[0] ^= 1;
	assert_true(eth_recover(&signer, digest, sig, ETH_RECOVER_OPENZEPPELIN, NULL));
	assert_false(eth_address_equal(&a, &signer));

	eth_key_wipe(&key);
	assert_false(eth_sign_digest(sig, &key, digest));
	assert_false(eip191_sign(sig, &key, "hello", 5));
}

/* s' = order - s with the other v is a signature by the same key: only strict rules refuse it. */
static void turn_over(uint8_t sig[ETH_SIGNATURE_SIZE])
{
	uint8_t order[32];
	int borrow = 0;

	assert_true(hex_decode(order, 32, ORDER, 64));
	for (size_t i = 32; i-- > 0;) {
		int d = order[i] - sig[32 + i] - borrow;

		borrow = d < 0;
		sig[32 + i] = (uint8_t)(d + 256 * borrow);
	}
	sig[64] = (uint8_t)(55 - sig[64]);
}

static void recovery_rules(void **state)
{
	uint8_t sig[ETH_SIGNATURE_SIZE], bad[ETH_SIGNATURE_SIZE], digest[32];
	static const unsigned other_v[] = {2, 3, 4, 26, 29, 30, 255};
	struct eth_address a, signer, before;
	struct eth_key key = test_key();
	struct why why;

	(void)state;
	eip191_digest(digest, "hello", 5);
	assert_true(eth_key_address(&a, &key));
	for (unsigned n = 0; n < 50; n++) {
		digest[0] = (uint8_t)n;
		assert_true(eth_sign_digest(sig, &key, digest));
		assert_true(sig[64] <= 1);
		assert_true(sig[32] < 0x80);
		assert_true(eth_recover(&signer, digest, sig, ETH_RECOVER_ANY, &why));
		assert_true(eth_address_equal(&a, &signer));
		assert_false(eth_recover(&signer, digest, sig, ETH_RECOVER_OPENZEPPELIN, &why));
		assert_says(&why, "27 or 28 is expected");
		sig[64] = (uint8_t)(sig[64] + 27);
		assert_true(eth_recover(&signer, digest, sig, ETH_RECOVER_OPENZEPPELIN, &why));

		memcpy(bad, sig, sizeof bad);
		turn_over(bad);
		memset(&signer, 0, sizeof signer);
		assert_true(eth_recover(&signer, digest, bad, ETH_RECOVER_ANY, &why));
		assert_true(eth_address_equal(&a, &signer));
		assert_false(eth_recover(&signer, digest, bad, ETH_RECOVER_OPENZEPPELIN, &why));
		assert_says(&why, "upper half");
	}
	before = signer;
	for (size_t i = 0; i < sizeof other_v / sizeof other_v[0]; i++) {
		memcpy(bad, sig, sizeof bad);
		bad[64] = (uint8_t)other_v[i];
		assert_false(eth_recover(&signer, digest, bad, ETH_RECOVER_ANY, &why));
		assert_says(&why, "last byte");
	}
	memcpy(bad, sig, sizeof bad);
	memset(bad, 0xff, 32);
	assert_false(eth_recover(&signer, digest, bad, ETH_RECOVER_ANY, &why));
	assert_says(&why, "not below the order");
	memset(bad, 0, 32);
	assert_false(eth_recover(&signer, digest, bad, ETH_RECOVER_ANY, &why));
	assert_says(&why, "no key can have made");
	memcpy(bad, sig, sizeof bad);
	memset(bad + 32, 0, 32);
	assert_false(eth_recover(&signer, digest, bad, ETH_RECOVER_ANY, &why));
	/* 5 is the x of no point: x^3 + 7 = 132 is no square. */
	memcpy(bad, sig, sizeof bad);
	memset(bad, 0, 32);
	bad[31] = 5;
	assert_false(eth_recover(&signer, digest, bad, ETH_RECOVER_ANY, &why));
	assert_says(&why, "no point");
	assert_true(eth_address_equal(&signer, &before));
}

static void *sign_many(void *wanted)
{
	uint8_t sig[ETH_SIGNATURE_SIZE];
	struct eth_key key;
	bool ok = eth_key_parse(&key, TEST_KEY, NULL);

	for (unsigned i = 0; ok && i < 50; i++)
		ok = eip191_sign(sig, &key, "hello", 5) && memcmp(sig, wanted, sizeof sig) == 0;
	return ok ? wanted : NULL;
}

static void threads_agree(void **state)
{
	uint8_t sig[ETH_SIGNATURE_SIZE];
	struct eth_key key = test_key();
	pthread_t thread[4];
	void *result;

	(void)state;
	assert_true(eip191_sign(sig, &key, "hello", 5));
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, sign_many, sig), 0);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(pthread_join(thread[i], &result), 0);
		assert_ptr_equal(result, sig);
	}
}

static void public_keys(void **state)
{
	/* The generator of the group: the public key of the secret 1. */
	static const char x[] = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
	static const char y[] = "483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8";
	static const struct {
		const char *before;
		bool y, same;
	} forms[] = {{"0x04", true, true}, {"04", true, true},  {"", true, true},
		     {"0x", true, true},   {"02", false, true}, {"03", false, false}};
	static const struct {
		const char *before;
		bool y;
	} none[] = {{"06", true}, {"", false}, {"02", true}, {"zz", true}, {"0404", true}};
	uint8_t point[ETH_POINT_SIZE];
	struct eth_address a, expected;
	struct eth_key one = {{0}};
	char text[200];
	struct why why;

	(void)state;
	one.secret[31] = 1;
	assert_true(eth_key_address(&expected, &one));
	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
		snprintf(text, sizeof text, "%s%s%s", forms[i].before, x, forms[i].y ? y : "");
		assert_true(eth_public_key_parse(point, text, &why));
		eth_public_key_address(&a, point);
		assert_int_equal(eth_address_equal(&a, &expected), forms[i].same);
	}
	for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
		snprintf(text, sizeof text, "%s%s%s", none[i].before, x, none[i].y ? y : "");
		assert_false(eth_public_key_parse(point, text, &why));
		assert_says(&why, "not a public key");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(checksums),     cmocka_unit_test(bad_addresses),
	    cmocka_unit_test(keys),          cmocka_unit_test(bad_keys),
	    cmocka_unit_test(signatures),    cmocka_unit_test(recovery_rules),
	    cmocka_unit_test(threads_agree), cmocka_unit_test(public_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
