/* What may be signed, and what may not. */
#include "coordinator/signing/policy.h"

#include "ethereum/abi.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define CHAIN 31337
#define FEE   10000000000ull
#define GAS   16777216ull

static struct policy p;
static uint8_t verify_data[36], register_data[36];

static struct eth_address address(uint8_t last)
{
	return (struct eth_address){.b = {[0] = 0xaa, [19] = last}};
}

static int setup(void **state)
{
	const struct eth_address proposer = address(1), verifier = address(2);
	struct why why;

	(void)state;
	policy_init(&p, 0, FEE, GAS);
	p.from[SIGNING_SENDER] = address(0x51);
	p.from[SIGNING_REGISTRAR] = address(0x52);
	assert_true(policy_add_contract(&p, SIGNING_VERIFY, &proposer, &why));
	assert_true(policy_add_contract(&p, SIGNING_REGISTER, &verifier, &why));
	abi_selector(verify_data, "verifyBatches(uint256,bytes[],bytes[],bytes[])");
	abi_selector(register_data, "register(bytes)");
	return 0;
}

static struct eth_tx good(void)
{
	return (struct eth_tx){.type = ETH_TX_DYNAMIC_FEE,
			       .chain_id = CHAIN,
			       .nonce = 7,
			       .max_priority_fee = 1,
			       .max_fee = FEE,
			       .gas = GAS,
			       .to = address(1),
			       .data = span_of(verify_data, sizeof verify_data)};
}

/* words NULL: it is permitted. */
static void expect(enum signing_kind kind, const struct eth_tx *tx, const char *words)
{
	const struct policy before = p;
	struct why why = {""};
	const bool ok = policy_permits(&p, kind, tx, &why);

	if (ok != !words || (words && !strstr(why.text, words)))
		fail_msg("permitted: %d, \"%s\"", ok, why.text);
	if (!ok)
		assert_memory_equal(&p, &before, sizeof p);
}

static void test_known_calls(void **state)
{
	struct eth_tx tx = good();

	(void)state;
	expect(SIGNING_VERIFY, &tx, NULL);
	tx.to = address(2);
	tx.data = span_of(register_data, sizeof register_data);
	expect(SIGNING_REGISTER, &tx, NULL);
	assert_int_equal(p.n_nonces, 2); /* of two accounts */
}

static void test_what_is_refused(void **state)
{
	struct eth_tx tx = good();

	(void)state;
	tx.to = address(9);
	expect(SIGNING_VERIFY, &tx, "no contract of its kind");
	tx.to = address(2); /* of another kind */
	expect(SIGNING_VERIFY, &tx, "no contract of its kind");
	tx = good();
	tx.data = span_of(register_data, sizeof register_data);
	expect(SIGNING_VERIFY, &tx, "is not one for verifyBatches");
	tx.data.n = 3;
	expect(SIGNING_VERIFY, &tx, "the function none");
	tx.data.n = 0;
	expect(SIGNING_VERIFY, &tx, "the function none");
	tx = good();
	tx.value.be[31] = 1;
	expect(SIGNING_VERIFY, &tx, "value 0");
	tx = good();
	tx.type = ETH_TX_LEGACY;
	expect(SIGNING_VERIFY, &tx, "EIP-1559");
	tx = good();
	tx.max_fee = FEE + 1;
	expect(SIGNING_VERIFY, &tx, "10000000001 wei a gas");
	tx.max_fee = 5;
	tx.max_priority_fee = 6;
	expect(SIGNING_VERIFY, &tx, "priority 6");
	tx = good();
	tx.gas = GAS + 1;
	expect(SIGNING_VERIFY, &tx, "16777217 gas");
	tx = good();
	expect(SIGNING_UPLOAD, &tx, "no contract of its kind");
	memset(&p.from[SIGNING_SENDER], 0, sizeof p.from[0]);
	expect(SIGNING_VERIFY, &tx, "no key is given");
}

static void test_one_chain(void **state)
{
	struct eth_tx tx = good();

	(void)state;
	expect(SIGNING_VERIFY, &tx, NULL);
	assert_int_equal(p.chain_id, CHAIN); /* the first one's */
	tx.chain_id = 1;
	tx.nonce = 8;
	expect(SIGNING_VERIFY, &tx, "for chain 1, and what is signed here for 31337");
}

static void test_one_call_a_nonce(void **state)
{
	struct eth_tx tx = good();
	uint8_t other[36];

	(void)state;
	expect(SIGNING_VERIFY, &tx, NULL);
	/* Other fees and another limit are a replacement. */
	tx.max_fee = FEE / 2;
	tx.gas = 100000;
	expect(SIGNING_VERIFY, &tx, NULL);
	memcpy(other, verify_data, sizeof other);
	other[35] = 1;
	tx.data = span_of(other, sizeof other);
	expect(SIGNING_VERIFY, &tx, "another call is signed at nonce 7");
	tx.nonce = 8;
	expect(SIGNING_VERIFY, &tx, NULL);
	/* The other account's nonces are its own. */
	tx = good();
	tx.to = address(2);
	tx.data = span_of(register_data, sizeof register_data);
	expect(SIGNING_REGISTER, &tx, NULL);
	/* Settled: free. */
	policy_settle(&p, SIGNING_SENDER, 7);
	policy_settle(&p, SIGNING_SENDER, 7);
	tx = good();
	tx.data = span_of(other, sizeof other);
	expect(SIGNING_VERIFY, &tx, NULL);
	assert_int_equal(p.n_nonces, 3);
}

static void test_one_account_for_both(void **state)
{
	struct eth_tx tx = good();

	(void)state;
	p.from[SIGNING_REGISTRAR] = p.from[SIGNING_SENDER];
	expect(SIGNING_VERIFY, &tx, NULL);
	tx.to = address(2);
	tx.data = span_of(register_data, sizeof register_data);
	expect(SIGNING_REGISTER, &tx, "another call is signed at nonce 7");
}

static void test_a_cancel(void **state)
{
	struct eth_tx tx = good();

	(void)state;
	expect(SIGNING_VERIFY, &tx, NULL);
	tx.to = p.from[SIGNING_SENDER];
	tx.data.n = 0;
	expect(SIGNING_VERIFY, &tx, NULL);
	assert_int_equal(p.n_nonces, 1);
	expect(SIGNING_REGISTER, &tx, "no contract of its kind"); /* another account's */
	tx.max_fee = FEE + 1;
	expect(SIGNING_VERIFY, &tx, "ceiling");
	/* With data it is a call like any other. */
	tx = good();
	tx.to = p.from[SIGNING_SENDER];
	expect(SIGNING_VERIFY, &tx, "no contract of its kind");
}

static void test_ceilings(void **state)
{
	struct eth_tx tx = good();
	struct why why = {""};
	struct eth_address a;
	unsigned i;

	(void)state;
	for (i = 0; i < POLICY_NONCES_MAX; i++) {
		tx.nonce = 100 + i;
		expect(SIGNING_VERIFY, &tx, NULL);
	}
	tx.nonce = 5;
	expect(SIGNING_VERIFY, &tx, "256 nonces are signed for");
	policy_settle(&p, SIGNING_SENDER, 100);
	expect(SIGNING_VERIFY, &tx, NULL);
	for (i = 0; i < POLICY_CONTRACTS_MAX; i++) {
		a = address((uint8_t)(0x60 + i));
		assert_true(policy_add_contract(&p, SIGNING_UPLOAD, &a, &why));
	}
	assert_true(policy_add_contract(&p, SIGNING_UPLOAD, &a, &why)); /* known */
	a = address(0x70);
	assert_false(policy_add_contract(&p, SIGNING_UPLOAD, &a, &why));
	assert_non_null(strstr(why.text, "the ninth contract"));
}

/* An upload of n calls by way of Multicall3. */
static void aggregate(struct buf *out, const struct eth_address *to, struct span data, size_t n)
{
	struct abi_value part[4][3], calls[4], all;
	size_t i;

	for (i = 0; i < n; i++) {
		part[i][0] = abi_address(&to[i]);
		part[i][1] = abi_bool(false);
		part[i][2] = abi_bytes(data);
		calls[i] = abi_list(part[i], 3);
	}
	all = abi_list(calls, n);
	out->len = 0;
	assert_int_equal(abi_encode_call(out, "aggregate3((address,bool,bytes)[])", &all, 1, NULL),
			 ETH_OK);
}

static void test_several_uploads_in_one(void **state)
{
	const struct eth_address daos[] = {address(3), address(4), address(9)};
	struct eth_tx tx = good();
	struct why why;
	uint8_t upload[40];
	struct buf call;

	(void)state;
	buf_init(&call, 4096);
	abi_selector(upload, "upsertPckCrl(uint8,bytes)");
	assert_true(eth_address_parse(&tx.to, "0xcA11bde05977b3631167028862bE2a173976CA11", &why));
	assert_true(policy_add_contract(&p, SIGNING_UPLOAD, &daos[0], &why));
	assert_true(policy_add_contract(&p, SIGNING_UPLOAD, &daos[1], &why));
	aggregate(&call, daos, span_of(upload, sizeof upload), 2);
	tx.data = buf_span(&call);
	expect(SIGNING_UPLOAD, &tx, NULL);
	tx.nonce = 8;
	expect(SIGNING_REGISTER, &tx, "no contract of its kind"); /* uploads alone go there */
	tx.data.n -= 32;
	expect(SIGNING_UPLOAD, &tx, "what Multicall3 is to be given: ");
	tx.data.n = 4;
	expect(SIGNING_UPLOAD, &tx, "no contract of its kind");
	aggregate(&call, daos, span_of(upload, sizeof upload), 3);
	tx.data = buf_span(&call);
	expect(SIGNING_UPLOAD, &tx, "no contract of its kind"); /* the third */
	aggregate(&call, daos, span_of(verify_data, sizeof verify_data), 2);
	tx.data = buf_span(&call);
	expect(SIGNING_UPLOAD, &tx, "is not one for an upload");
	aggregate(&call, daos, span_of(upload, sizeof upload), 0);
	tx.data = buf_span(&call);
	expect(SIGNING_UPLOAD, &tx, "is to be given nothing");
	/* A contract at another address is not looked through. */
	tx.to = address(5);
	aggregate(&call, daos, span_of(upload, sizeof upload), 2);
	tx.data = buf_span(&call);
	expect(SIGNING_UPLOAD, &tx, "no contract of its kind");
	buf_free(&call);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {TEST(test_known_calls),
					   TEST(test_what_is_refused),
					   TEST(test_one_chain),
					   TEST(test_one_call_a_nonce),
					   TEST(test_one_account_for_both),
					   TEST(test_a_cancel),
					   TEST(test_several_uploads_in_one),
					   TEST(test_ceilings)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
