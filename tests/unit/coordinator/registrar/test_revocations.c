/* revocations: names, the set and its ceiling, and what the registrar does with them. */
#include "coordinator/registrar/registrar.h"
#include "tests/unit/verifier/forge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define GAS     100000u
#define SIXTEEN "000102030405060708090a0b0c0d0e0f"

static const struct eth_address verifier = {{0x11}}, nobody, one = {{0x5a, 1}}, two = {{0x5a, 2}};

static struct forge f;
static struct forged x[3];
static struct registrar *r;
static struct why why;

static int start(void **state)
{
	const struct registrar_settings settings = {.max_provers = 4,
						    .silence_ms = 1000,
						    .drain_ms = 500,
						    .gas_per_day = 10 * GAS,
						    .gas_per_registration = GAS,
						    .retry_min_ms = 1,
						    .retry_max_ms = 1};

	(void)state;
	r = registrar_new(&settings);
	registrar_set_contract(r, &verifier, false);
	registrar_set_signer(r, &nobody, 1, NULL);
	return r ? 0 : -1;
}

static int end(void **state)
{
	int i;

	(void)state;
	registrar_free(r);
	for (i = 0; i < 3; i++)
		forged_free(&x[i]);
	return 0;
}

/* A quote of platform and image number i. */
static void forge_one(int i)
{
	forge_init(&f);
	f.ppid[0] = (uint8_t)(0xa0 + i);
	f.body[TDXV_TD_RTMR0 + 3 * 48] = (uint8_t)(0xb0 + i); /* RTMR3, of which no contract asks */
	forge_build(&x[i], &f);
}

static enum registrar_answer knock(int i, const struct eth_address *signer, uint64_t now)
{
	struct registrar_check check;

	if (!registrar_check(r, buf_span(&x[i].quote), signer, "10.0.0.7", now, &check, &why))
		return check.answer;
	assert_true(registrar_setup(r, &check, &why));
	return registrar_answer(r, signer, now, &why);
}

static struct revocation named(const char *text)
{
	struct revocation out;

	if (!revocation_parse(&out, text, &why))
		fail_msg("%s", why.text);
	return out;
}

static void names(void **state)
{
	static const char *const good[] = {"0x891B076178c399FBD30d6C9bd999c3D3D4739540",
					   "ppid:00112233445566778899aabbccddeeff",
					   "fmspc:00906ed50000", "rtmr3:" SIXTEEN SIXTEEN SIXTEEN};
	static const char *const bad[][2] = {
	    {"", "neither an address"},
	    {"0x12", "neither an address"},
	    {"ppid:0011", "32 hex digits"},
	    {"fmspc:00906ed5000g", "12 hex digits"},
	    {"mrtd:00", "96 hex digits"},
	    {"rtmr4:00", "rtmr0: to rtmr3:"},
	    {"0x891B076178c399FBD30d6C9bd999c3D3D4739541", "(EIP-55): a digit is mistyped, or it "},
	    {"0x891B076178c399FBD30d6C9bd999c3D3D473954g", "40 hex digits are expected"},
	    {"0x891B076178c399FBD30d6C9bd999c3D3D473954",
	     "\"0x891B076178c399FBD30d6C9bd999c3D3D473954\" is neither an address (0x and 40 hex "
	     "digits) nor ppid:, fmspc:, mrtd: or rtmr0: to rtmr3: with hex digits"},
	};
	char text[REVOCATION_TEXT_SIZE];
	struct revocation what;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof good / sizeof *good; i++) {
		what = named(good[i]);
		revocation_print(text, &what);
		assert_string_equal(text, good[i]);
	}
	for (i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_false(revocation_parse(&what, bad[i][0], &why));
		assert_non_null(strstr(why.text, bad[i][1]));
	}
}

static struct revocation numbered(uint32_t i)
{
	struct eth_address key = {{0}};

	memcpy(key.b + 3, &i, sizeof i);
	return revocation_of_key(&key);
}

static void so_many_and_no_more(void **state)
{
	struct revocation what;
	uint32_t i;

	(void)state;
	for (i = 0; i < REVOCATIONS_MAX; i++) {
		what = numbered(i * 2654435761u);
		assert_true(registrar_revoke(r, &what, &why));
	}
	assert_true(registrar_revoke(r, &what, &why)); /* it is there */
	what = numbered(7);
	assert_false(registrar_revoke(r, &what, &why));
	assert_non_null(strstr(why.text, "4096 are revoked: that is the limit"));
	assert_false(registrar_unrevoke(r, &what, &why));
	assert_non_null(strstr(why.text, "is not revoked"));
	for (i = 0; i < REVOCATIONS_MAX; i++) {
		what = numbered(i * 2654435761u);
		assert_true(registrar_unrevoke(r, &what, &why));
	}
	assert_null(registrar_revocation_at(r, 0));
}

/* Each name of a quote stops its key, and only it; taken back, it is taken again. */
static void by_all_that_a_quote_says(void **state)
{
	const struct registrar_prover *p;
	struct revocation what;
	char text[REVOCATION_TEXT_SIZE];
	int kind;

	(void)state;
	forge_one(1);
	assert_int_equal(knock(1, &one, 10), REGISTRAR_WAIT);
	for (kind = 0; kind < REVOCATION_KINDS; kind++) {
		p = registrar_find(r, &one);
		assert_true(traits_at(&p->traits, (enum revocation_kind)kind, &what));
		assert_true(registrar_revoke(r, &what, &why));
		assert_int_equal(knock(1, &one, 11), REGISTRAR_REFUSE);
		revocation_print(text, &what);
		assert_non_null(strstr(why.text, text));
		assert_int_equal(registrar_answer(r, &one, 11, &why), REGISTRAR_REFUSE);
		assert_null(registrar_successor(r, 11, &why));
		assert_false(registrar_promote(r, &one, &why));
		registrar_describe(r, &one, 11, &why);
		assert_non_null(strstr(why.text, "revoked by the operator"));
		assert_false(registrar_source_attested(r, "10.0.0.7"));
		assert_true(registrar_unrevoke(r, &what, &why));
		assert_int_equal(knock(1, &one, 12), REGISTRAR_WAIT);
	}
}

/* The platform of the registered key is found to be broken. */
static void a_platform(void **state)
{
	const struct revocation ppid = named("ppid:a1000000000000000000000000000000");
	struct registrar_step step;

	(void)state;
	forge_one(1);
	forge_one(2);
	knock(1, &one, 10);
	registrar_prepared(r, &one);
	assert_true(registrar_register_begin(r, &one, GAS, 11, &why));
	registrar_register_done(r, GAS, 11);
	registrar_set_signer(r, &one, 11, &why);
	registrar_proof_shown(r, &one, 12);
	assert_true(registrar_may_verify(r, &why));
	/* Another of its keys is not to come either. */
	assert_true(registrar_revoke(r, &ppid, &why));
	assert_int_equal(knock(1, &two, 13), REGISTRAR_REFUSE);
	assert_non_null(strstr(why.text, "ppid:a1"));
	assert_false(registrar_may_verify(r, &why));
	assert_null(registrar_counting_signer(r));
	registrar_set_unverified(r, 3);
	assert_null(registrar_successor(r, 14, &why));
	/* One of another platform takes its place, without a proof, without waiting. */
	assert_int_equal(knock(2, &two, 15), REGISTRAR_ACK_STANDBY);
	assert_true(eth_address_equal(&registrar_successor(r, 16, &why)->signer, &two));
	registrar_next(r, 16, &step, &why);
	assert_int_equal(step.action, REGISTRAR_PREPARE);
}

/* The promoted key's image is revoked: the promotion is over. */
static void an_image(void **state)
{
	struct revocation rtmr3;

	(void)state;
	forge_one(1);
	forge_one(2);
	knock(1, &one, 10);
	knock(2, &two, 11);
	assert_true(registrar_promote(r, &two, &why));
	assert_true(traits_at(&registrar_find(r, &two)->traits, REVOCATION_RTMR3, &rtmr3));
	assert_int_equal(rtmr3.value[0], 0xb2);
	assert_true(registrar_revoke(r, &rtmr3, &why));
	assert_null(registrar_promoted(r));
	assert_null(registrar_revoked_by(r, &one));
	assert_int_equal(registrar_revoked_by(r, &two)->kind, REVOCATION_RTMR3);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(names),
	    TEST(so_many_and_no_more),
	    TEST(by_all_that_a_quote_says),
	    TEST(a_platform),
	    TEST(an_image),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
