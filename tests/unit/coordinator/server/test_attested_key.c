/* attested_key: which TLS keys the kept quotes vouch for. */
#include "coordinator/server/attested_key.h"
#include "tests/unit/verifier/forge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct eth_address verifier = {{0x11}}, signer = {{0x5a, 0x5a}};

static struct forge f;
static struct forged x;
static struct registrar *r;
static uint8_t hash[TLS_KEY_HASH];

static int start(void **state)
{
	const struct registrar_settings settings = {
	    .max_provers = 4, .gas_per_day = 1, .retry_min_ms = 1, .retry_max_ms = 1};

	(void)state;
	memset(hash, 0xa7, sizeof hash);
	forge_init(&f);
	memset(f.body + TDXV_TD_REPORTDATA, 0, 64);
	memcpy(f.body + TDXV_TD_REPORTDATA, signer.b, 20);
	memcpy(f.body + TDXV_TD_REPORTDATA + 32, hash, sizeof hash);
	r = registrar_new(&settings);
	registrar_set_contract(r, &verifier, false);
	return r ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	registrar_free(r);
	forged_free(&x);
	return 0;
}

/* Its quote has passed. */
static void keep(void)
{
	struct registrar_check check;
	struct why why;

	forge_build(&x, &f);
	registrar_set_signer(r, &(struct eth_address){{0}}, 1, NULL);
	assert_true(registrar_check(r, buf_span(&x.quote), &signer, "10.0.0.7", 2, &check, &why));
	assert_true(registrar_setup(r, &check, &why));
}

static void the_key_that_a_quote_names(void **state)
{
	uint8_t other[TLS_KEY_HASH];

	(void)state;
	assert_false(attested_key(r, hash));
	keep();
	assert_true(attested_key(r, hash));
	memcpy(other, hash, sizeof other);
	other[31] ^= 1;
	assert_false(attested_key(r, other));
}

static bool revoke(const struct eth_address *whom)
{
	const struct revocation what = revocation_of_key(whom);

	return registrar_revoke(r, &what, NULL);
}

static void not_of_a_quote_that_no_longer_passes(void **state)
{
	(void)state;
	keep();
	registrar_set_fit(r, &signer, REGISTRAR_UNFIT, "a TCB recovery");
	assert_false(attested_key(r, hash));
	registrar_set_fit(r, &signer, REGISTRAR_FIT, "");
	assert_true(attested_key(r, hash));
	assert_true(revoke(&signer));
	assert_false(attested_key(r, hash));
}

static void bytes_of_another_meaning(void **state)
{
	(void)state;
	f.body[TDXV_TD_REPORTDATA + 31] = 1;
	keep();
	assert_false(attested_key(r, hash));
}

/* Nobody's key hashes to zero, and who names none has none. */
static void no_key(void **state)
{
	(void)state;
	memset(f.body + TDXV_TD_REPORTDATA + 32, 0, 32);
	keep();
	assert_false(attested_key(r, hash));
}

static void without_a_quote(void **state)
{
	const struct registrar_prover bare = {
	    .signer = signer, .kind = REGISTRAR_DEV, .payload = span_of(signer.b, 20)};

	(void)state;
	assert_true(registrar_restore(r, &bare));
	assert_false(attested_key(r, hash));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, start, end)
	const struct CMUnitTest tests[] = {
	    TEST(the_key_that_a_quote_names),
	    TEST(not_of_a_quote_that_no_longer_passes),
	    TEST(bytes_of_another_meaning),
	    TEST(no_key),
	    TEST(without_a_quote),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
