/* judge: whose signature is it, and does the contract accept it? */
#include "coordinator/proofs/proof_check.h"

#include "encoding/bytes.h"
#include "ethereum/key.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct eth_key key_one, key_two, key_three;
static struct eth_address one, two, three;

static struct batch_commitment commitment(void)
{
	struct batch_commitment c = {.chain_id = uint256_from_u64(560048),
				     .non_privileged_count = uint256_from_u64(11)};

	memset(c.initial_state_root, 1, 32);
	memset(c.new_state_root, 2, 32);
	memset(c.last_block_hash, 6, 32);
	return c;
}

/* The eight words laid out by hand, so that the judge is not compared with itself. */
static void sign(uint8_t sig[65], const struct eth_key *key)
{
	uint8_t words[8][32];

	memset(words, 0, sizeof words);
	memset(words[0], 1, 32);
	memset(words[1], 2, 32);
	memset(words[5], 6, 32);
	words[6][29] = 0x08; /* 560048 = 0x88bb0 */
	words[6][30] = 0x8b;
	words[6][31] = 0xb0;
	words[7][31] = 11;
	assert_true(eip191_sign(sig, key, words, sizeof words));
}

static enum proof_check_result judge(const uint8_t *sig, size_t n,
				     const struct proof_check_keys *keys,
				     struct eth_address *signer, struct why *why)
{
	struct batch_commitment c = commitment();

	why->text[0] = '\0';
	return proof_check_tdx(signer, &c, keys, span_of(sig, n), why);
}

static int make_keys(void **state)
{
	(void)state;
	key_one.secret[31] = 1;
	key_two.secret[31] = 2;
	key_three.secret[31] = 3;
	assert_true(eth_key_address(&one, &key_one));
	assert_true(eth_key_address(&two, &key_two));
	assert_true(eth_key_address(&three, &key_three));
	return 0;
}

static void by_the_registered_key(void **state)
{
	struct proof_check_keys keys = {.authorized = &one, .known = &two, .known_n = 1};
	struct eth_address signer;
	uint8_t sig[65];
	struct why why;

	(void)state;
	sign(sig, &key_one);
	assert_int_equal(judge(sig, 65, &keys, &signer, &why), PROOF_CHECK_GOOD);
	assert_true(eth_address_equal(&signer, &one));
	/* The address of the private key 1, in its EIP-55 spelling. */
	assert_non_null(strstr(why.text, "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf"));
}

static void by_another_prover(void **state)
{
	struct eth_address known[] = {one, two};
	struct proof_check_keys keys = {.authorized = &one, .known = known, .known_n = 2};
	struct eth_address signer;
	uint8_t sig[65];
	struct why why;

	(void)state;
	sign(sig, &key_two);
	assert_int_equal(judge(sig, 65, &keys, &signer, &why), PROOF_CHECK_OTHER_SIGNER);
	assert_true(eth_address_equal(&signer, &two));
	assert_non_null(strstr(why.text, "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf"));
	keys.authorized = NULL;
	assert_int_equal(judge(sig, 65, &keys, &signer, &why), PROOF_CHECK_OTHER_SIGNER);
}

static void by_nobody_known(void **state)
{
	struct proof_check_keys keys = {.authorized = &one, .known = &two, .known_n = 1};
	struct eth_address signer;
	struct batch_commitment other = commitment();
	uint8_t sig[65];
	struct why why;

	(void)state;
	sign(sig, &key_three);
	assert_int_equal(judge(sig, 65, &keys, &signer, &why), PROOF_CHECK_UNKNOWN_SIGNER);
	assert_true(eth_address_equal(&signer, &three));
	/* The right key over another outcome is as unknown as a wrong key. */
	sign(sig, &key_one);
	other.new_state_root[5] ^= 1;
	assert_int_equal(proof_check_tdx(&signer, &other, &keys, span_of(sig, 65), &why),
			 PROOF_CHECK_UNKNOWN_SIGNER);
	assert_false(eth_address_equal(&signer, &one));
}

static void what_no_contract_accepts(void **state)
{
	static const uint8_t order[32] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
					  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe,
					  0xba, 0xae, 0xdc, 0xe6, 0xaf, 0x48, 0xa0, 0x3b,
					  0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41};
	struct proof_check_keys keys = {.authorized = &one};
	uint8_t sig[66] = {0}, high[65];
	struct eth_address signer;
	struct why why;
	int i, borrow = 0;

	(void)state;
	sign(sig, &key_one);
	assert_int_equal(judge(sig, 64, &keys, &signer, &why), PROOF_CHECK_MALFORMED);
	assert_non_null(strstr(why.text, "64"));
	assert_int_equal(judge(sig, 66, &keys, &signer, &why), PROOF_CHECK_MALFORMED);
	assert_int_equal(judge(sig, 0, &keys, &signer, &why), PROOF_CHECK_MALFORMED);
	/* The same signature with s mirrored is valid ECDSA, but OpenZeppelin refuses it. */
	memcpy(high, sig, sizeof high);
	for (i = 31; i >= 0; i--) {
		int d = order[i] - sig[32 + i] - borrow;

		borrow = d < 0;
		high[32 + i] = (uint8_t)d;
	}
	high[64] ^= 27 ^ 28;
	assert_int_equal(judge(high, 65, &keys, &signer, &why), PROOF_CHECK_MALFORMED);
	assert_true(strlen(why.text) > 10);
	sig[64] -= 27;
	assert_int_equal(judge(sig, 65, &keys, &signer, &why), PROOF_CHECK_MALFORMED);
	sig[64] = 29;
	assert_int_equal(judge(sig, 65, &keys, &signer, &why), PROOF_CHECK_MALFORMED);
	memset(sig, 0, sizeof sig);
	sig[64] = 27;
	assert_int_equal(judge(sig, 65, &keys, &signer, &why), PROOF_CHECK_MALFORMED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(by_the_registered_key),
	    cmocka_unit_test(by_another_prover),
	    cmocka_unit_test(by_nobody_known),
	    cmocka_unit_test(what_no_contract_accepts),
	};

	return cmocka_run_group_tests(tests, make_keys, NULL);
}
