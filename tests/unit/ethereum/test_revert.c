#include "test.h"

#include "ethereum/abi.h"
#include "ethereum/revert.h"

#define WORD(last) "00000000000000000000000000000000000000000000000000000000000000" last

static struct eth_revert read_hex(const char *hex)
{
	struct span data = unhex(hex);
	struct eth_revert r;

	revert_read(&r, data);
	unhex_free(data);
	assert_true(r.text[0] != '\0');
	return r;
}

static void assert_part(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" does not say \"%s\"", text, part);
}

static struct eth_revert read_string(const char *text, size_t n)
{
	struct abi_value v = abi_bytes(span_of(text, n));
	struct eth_revert r;
	struct buf b;

	v.kind = ABI_STRING;
	buf_init(&b, 4096);
	assert_int_equal(abi_encode_call(&b, "Error(string)", &v, 1, NULL), ETH_OK);
	revert_read(&r, buf_span(&b));
	buf_free(&b);
	return r;
}

/* Every line: the selector is the signature's, the types can be decoded, each argument has a name,
 * there is something to say, and no selector stands there twice. */
static void the_table(void **state)
{
	size_t n;
	const struct revert_entry *table = revert_table(&n);

	(void)state;
	assert_true(n > 80);
	for (size_t i = 0; i < n; i++) {
		const struct revert_entry *e = &table[i];
		uint8_t data[4 + 8 * 32] = {0}, selector[4];
		struct eth_revert r;
		size_t arguments, names;

		abi_selector(selector, e->signature);
		data[0] = (uint8_t)(e->selector >> 24);
		data[1] = (uint8_t)(e->selector >> 16);
		data[2] = (uint8_t)(e->selector >> 8);
		data[3] = (uint8_t)e->selector;
		if (memcmp(selector, data, 4) != 0)
			fail_msg("the selector of %s is wrong", e->signature);
		for (size_t j = 0; j < i; j++)
			assert_int_not_equal(table[j].selector, e->selector);

		revert_read(&r, span_of(data, sizeof data));
		assert_int_equal(r.kind, REVERT_CUSTOM);
		assert_string_equal(r.signature, e->signature);
		assert_ptr_equal(r.meaning, e->meaning);
		assert_true(strlen(e->meaning) > 15);
		assert_true(strlen(r.text) < sizeof r.text - 1);
		assert_part(r.text, e->meaning);
		assert_true(revert_is(&r, e->signature));

		arguments = strstr(e->signature, "()") ? 0 : 1;
		for (const char *c = e->signature; *c; c++)
			arguments += *c == ',';
		names = e->names[0] ? 1 : 0;
		for (const char *c = e->names; *c; c++)
			names += *c == ',';
		assert_int_equal(names, arguments);
		if (arguments > 0) {
			revert_read(&r, span_of(data, 4));
			assert_int_equal(r.kind, REVERT_UNKNOWN);
			assert_true(revert_is(&r, e->signature));
		}
	}
}

static void custom_errors(void **state)
{
	struct eth_revert r = read_hex("0x62013a95");

	(void)state;
	assert_int_equal(r.kind, REVERT_CUSTOM);
	assert_true(revert_is(&r, "InvalidTdxProof()"));
	assert_false(revert_is(&r, "InvalidSp1Proof()"));
	assert_false(revert_says(&r, ""));
	assert_part(r.text, "InvalidTdxProof(): the TDX signature is not by the signer");

	r = read_hex("e2517d3f000000000000000000000000d8da6bf26964af9d7eed9e03e53415d37aa96045"
		     "ac33ff75c19e70fe83507db0d683fd3465c996598dc972688b7ace676c89077b");
	assert_string_equal(r.signature, "AccessControlUnauthorizedAccount(address,bytes32)");
	assert_part(r.text,
		    "AccessControlUnauthorizedAccount(account "
		    "0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96045, role "
		    "0xac33ff75c19e70fe83507db0d683fd3465c996598dc972688b7ace676c89077b): the "
		    "sending key lacks this role");

	r = read_hex("0a2a9142" WORD("02") WORD("04"));
	assert_part(r.text, "QEIdentityExpiredOrNotFound(id 2, version 4): the QE identity");
	/* An argument outside its type: nothing is made up. */
	r = read_hex("482b7129" WORD("02"));
	assert_int_equal(r.kind, REVERT_CUSTOM);
	r = read_hex("482b7129ff"
		     "00000000000000000000000000000000000000000000000000000000000002");
	assert_int_equal(r.kind, REVERT_UNKNOWN);
	assert_true(revert_is(&r, "CrlExpiredOrNotFound(uint8)"));
}

static void strings(void **state)
{
	char dirty[300];
	struct eth_revert r;

	(void)state;
	r = read_string("TDXVerifier: RTMR1 mismatch", 27);
	assert_int_equal(r.kind, REVERT_STRING);
	assert_true(revert_says(&r, "TDXVerifier: RTMR1 mismatch"));
	assert_string_equal(r.signature, "Error(string)");
	assert_part(r.text, "\"TDXVerifier: RTMR1 mismatch\": the guest's kernel image");
	r = read_string("something new", 13);
	assert_string_equal(r.text, "\"something new\"");
	assert_null(r.meaning);
	r = read_string("", 0);
	assert_int_equal(r.kind, REVERT_STRING);
	assert_string_equal(r.text, "\"\"");

	memset(dirty, '\n', sizeof dirty);
	memcpy(dirty, "a\0\x1b[31m\xff\x80z", 10);
	r = read_string(dirty, sizeof dirty);
	assert_int_equal(r.kind, REVERT_STRING);
	for (const char *c = r.text; *c; c++)
		assert_true(*c >= 0x20 && *c < 0x7f);
	assert_int_equal(strlen(r.reason), sizeof r.reason - 1);
	assert_part(r.reason, "a??[31m");
	assert_string_equal(r.reason + strlen(r.reason) - 4, "?...");

	/* Error(string) whose string is not there. */
	r = read_hex("08c379a0" WORD("20"));
	assert_int_equal(r.kind, REVERT_UNKNOWN);
	assert_part(r.text, "0x08c379a0: an error this program does not know");
}

static void panics(void **state)
{
	struct eth_revert r = read_hex("4e487b71" WORD("11"));

	(void)state;
	assert_int_equal(r.kind, REVERT_PANIC);
	assert_true(r.panic_code == 0x11);
	assert_string_equal(r.text, "Panic(0x11): an arithmetic operation overflowed");
	assert_true(revert_is(&r, "Panic(uint256)"));
	r = read_hex("4e487b71" WORD("99"));
	assert_string_equal(r.text, "Panic(0x99)");
	r = read_hex("4e487b71ff"
		     "00000000000000000000000000000000000000000000000000000000000011");
	assert_int_equal(r.kind, REVERT_PANIC);
	assert_true(r.panic_code == UINT64_MAX);
}

static void nothing_and_unknown(void **state)
{
	struct eth_revert r = read_hex("");

	(void)state;
	assert_int_equal(r.kind, REVERT_NONE);
	assert_part(r.text, "no data");
	assert_false(revert_is(&r, "InvalidTdxProof()"));
	r = read_hex("0102");
	assert_int_equal(r.kind, REVERT_UNKNOWN);
	assert_part(r.text, "0x0102");
	assert_part(r.text, "an error this program does not know");
	r = read_hex("deadbeef");
	assert_int_equal(r.kind, REVERT_UNKNOWN);
	assert_null(r.signature);
	assert_part(r.text, "0xdeadbeef: an error this program does not know");
	r = read_hex("deadbeef" WORD("01") WORD("02"));
	assert_part(r.text, "(68 bytes: 0xdeadbeef0000");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_table),
	    cmocka_unit_test(custom_errors),
	    cmocka_unit_test(strings),
	    cmocka_unit_test(panics),
	    cmocka_unit_test(nothing_and_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
