/* registrar, with a production contract: verified quotes, fitness, preparing, promote and revoke.
 */
#include "coordinator/registrar/registrar.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define GAS 100000u

static const struct eth_address verifier = {{0x11}}, nobody;

static struct registrar *r;
static struct why why;

static struct registrar_settings settings(void)
{
	return (struct registrar_settings){.max_provers = 4,
					   .silence_ms = 1000,
					   .drain_ms = 500,
					   .gas_per_day = 10 * GAS,
					   .gas_per_registration = GAS,
					   .retry_min_ms = 100,
					   .retry_max_ms = 350};
}

static struct eth_address key(uint8_t k)
{
	struct eth_address a;

	memset(a.b, k, sizeof a.b);
	return a;
}

static int start(void **state)
{
	struct registrar_settings s = settings();

	(void)state;
	r = registrar_new(&s);
	registrar_set_contract(r, &verifier, false);
	registrar_set_signer(r, &nobody, 1, NULL);
	return r ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	registrar_free(r);
	return 0;
}

static struct span quote_of(uint8_t k)
{
	static uint8_t quote[256][700];

	memcpy(quote[k], (const uint8_t[]){4, 0, 2, 0, 0x81}, 5);
	quote[k][699] = k;
	return span_of(quote[k], sizeof quote[k]);
}

/* A ProverSetup with a quote that was verified to vouch for key k. */
static enum registrar_answer setup_from(const char *source, uint8_t k, uint64_t now)
{
	struct eth_address a = key(k);
	struct registrar_check check;

	assert_true(registrar_wants_attestation(r, quote_of(k)));
	if (!registrar_check(r, quote_of(k), &a, source, now, &check, &why))
		return check.answer;
	assert_int_equal(check.prover.kind, REGISTRAR_QUOTE);
	assert_true(registrar_setup(r, &check, &why));
	return registrar_answer(r, &a, now, &why);
}

static enum registrar_answer setup(uint8_t k, uint64_t now)
{
	return setup_from("10.0.0.7", k, now);
}

static void next_is(uint64_t now, enum registrar_action action, uint8_t k)
{
	struct eth_address a = key(k);
	struct registrar_step step;

	registrar_next(r, now, &step, &why);
	assert_int_equal(step.action, action);
	assert_true(strlen(why.text) > 5);
	if (action != REGISTRAR_NOTHING) {
		assert_true(eth_address_equal(&step.signer, &a));
		assert_true(span_eq(step.payload, quote_of(k)));
	}
}

static void prepared(uint8_t k)
{
	struct eth_address a = key(k);

	registrar_prepared(r, &a);
}

static void registered(uint8_t k, uint64_t now)
{
	struct eth_address a = key(k);

	next_is(now, REGISTRAR_REGISTER, k);
	assert_true(registrar_register_begin(r, &a, GAS, now, &why));
	registrar_register_done(r, GAS, now);
	assert_int_equal(registrar_set_signer(r, &a, now, &why), REGISTRAR_SIGNER_OURS);
}

static void shown(uint8_t k, uint64_t now)
{
	struct eth_address a = key(k);

	assert_true(registrar_proof_shown(r, &a, now));
}

static void fit(uint8_t k, enum registrar_fit f)
{
	struct eth_address a = key(k);

	registrar_set_fit(r, &a, f, "TCB status OutOfDate is not accepted");
}

static void a_quote_is_registered_once_the_chain_is_prepared(void **state)
{
	(void)state;
	assert_int_equal(setup(1, 10), REGISTRAR_WAIT);
	next_is(11, REGISTRAR_PREPARE, 1);
	/* Uploads take minutes; proofs of the key on chain go on meanwhile. */
	assert_true(registrar_may_verify(r, &why));
	/* A newcomer does not change what is under way. */
	assert_int_equal(setup(2, 12), REGISTRAR_ACK_STANDBY);
	assert_int_equal(setup(1, 12), REGISTRAR_WAIT);
	next_is(12, REGISTRAR_PREPARE, 1);
	prepared(1);
	registered(1, 13);
	assert_int_equal(setup(1, 14), REGISTRAR_ACK_ACTIVE);
	assert_int_equal(setup(2, 15), REGISTRAR_ACK_STANDBY);
}

static void preparing_that_fails_is_tried_again_later(void **state)
{
	struct eth_address one = key(1);

	(void)state;
	setup(1, 10);
	next_is(10, REGISTRAR_PREPARE, 1);
	registrar_register_failed(r, &one, "the source answers 429", false, 0, 10);
	next_is(11, REGISTRAR_NOTHING, 0);
	assert_int_equal(registrar_answer(r, &one, 11, &why), REGISTRAR_RETRY);
	assert_non_null(strstr(why.text, "429"));
	next_is(110, REGISTRAR_PREPARE, 1);
	prepared(1);
	/* A failed registration needs preparing anew: the chain may have moved. */
	next_is(110, REGISTRAR_REGISTER, 1);
	registrar_register_failed(r, &one, "reverted", false, 0, 120);
	next_is(1000, REGISTRAR_PREPARE, 1);
}

/* Other collateral, policy or contract: what it failed for may be past. */
static void a_quote_that_passes_anew_ends_the_wait(void **state)
{
	struct eth_address one = key(1);

	(void)state;
	setup(1, 10);
	registrar_register_failed(r, &one, "no list of numbers", false, 0, 10);
	registrar_register_failed(r, &one, "no list of numbers", false, 0, 110);
	registrar_register_failed(r, &one, "no list of numbers", false, 0, 310);
	fit(1, REGISTRAR_FIT); /* as it was: nothing has changed */
	next_is(500, REGISTRAR_NOTHING, 0);
	fit(1, REGISTRAR_FIT_UNKNOWN);
	fit(1, REGISTRAR_FIT);
	next_is(500, REGISTRAR_PREPARE, 1);
	/* However often something changes, the shortest wait is kept. */
	registrar_register_failed(r, &one, "no list of numbers", false, 0, 500);
	fit(1, REGISTRAR_UNFIT);
	fit(1, REGISTRAR_FIT);
	next_is(599, REGISTRAR_NOTHING, 0);
	next_is(600, REGISTRAR_PREPARE, 1);
}

static void an_unfit_quote_is_not_registered_until_it_is_fit_again(void **state)
{
	(void)state;
	setup(1, 10);
	fit(1, REGISTRAR_UNFIT);
	next_is(11, REGISTRAR_NOTHING, 0);
	fit(1, REGISTRAR_FIT);
	next_is(12, REGISTRAR_PREPARE, 1);
}

static void an_unfit_active_yields_to_a_fit_key_that_works(void **state)
{
	struct eth_address one = key(1);

	(void)state;
	setup(1, 10);
	prepared(1);
	registered(1, 11);
	setup(2, 12);
	shown(1, 20);
	fit(1, REGISTRAR_UNFIT);
	registrar_describe(r, &one, 21, &why);
	assert_non_null(strstr(why.text, "OutOfDate"));
	/* A quote alone can be replayed; what works now is not given up for it. */
	next_is(21, REGISTRAR_NOTHING, 0);
	assert_non_null(strstr(why.text, "no longer passes"));
	shown(2, 15); /* even one older than the active's */
	next_is(22, REGISTRAR_PREPARE, 2);
}

static void a_restored_quote_waits_for_its_verification(void **state)
{
	struct eth_address one = key(1);
	struct registrar_prover row = {
	    .signer = one, .kind = REGISTRAR_QUOTE, .payload = quote_of(1), .fit = REGISTRAR_FIT};

	(void)state;
	assert_true(registrar_restore(r, &row));
	next_is(5, REGISTRAR_NOTHING, 0);
	registrar_describe(r, &one, 5, &why);
	assert_non_null(strstr(why.text, "not verified yet"));
	fit(1, REGISTRAR_FIT);
	next_is(6, REGISTRAR_PREPARE, 1);
}

static void the_operator_promotes(void **state)
{
	struct eth_address one = key(1), two = key(2), nine = key(9);

	(void)state;
	setup(1, 10);
	prepared(1);
	registered(1, 11);
	shown(1, 12);
	assert_false(registrar_promote(r, &nine, &why));
	assert_false(registrar_promote(r, &one, &why));
	setup(2, 13);
	fit(2, REGISTRAR_UNFIT);
	assert_false(registrar_promote(r, &two, &why));
	assert_non_null(strstr(why.text, "OutOfDate"));
	fit(2, REGISTRAR_FIT);
	assert_true(registrar_promote(r, &two, &why));
	assert_true(eth_address_equal(registrar_promoted(r), &two));
	next_is(14, REGISTRAR_PREPARE, 2);
	prepared(2);
	registrar_set_unverified(r, 1);
	next_is(15, REGISTRAR_NOTHING, 0); /* the old key's proofs first */
	registrar_set_unverified(r, 0);
	registered(2, 16);
	assert_null(registrar_promoted(r));
	next_is(17, REGISTRAR_NOTHING, 0);
}

static bool revoke(const struct eth_address *signer)
{
	const struct revocation what = revocation_of_key(signer);

	return registrar_revoke(r, &what, NULL);
}

static void the_operator_revokes(void **state)
{
	struct eth_address one = key(1), two = key(2), nine = key(9);

	(void)state;
	setup(1, 10);
	prepared(1);
	registered(1, 11);
	shown(1, 12);
	/* One that has no row is not to get one either. */
	assert_true(revoke(&nine));
	assert_int_equal(setup(9, 12), REGISTRAR_REFUSE);
	assert_true(registrar_may_verify(r, &why));
	assert_true(revoke(&one));
	/* Its proofs are of no use from now on. */
	assert_null(registrar_counting_signer(r));
	assert_false(registrar_may_verify(r, &why));
	assert_non_null(strstr(why.text, "revoked"));
	registrar_set_unverified(r, 2);
	next_is(13, REGISTRAR_NOTHING, 0);
	assert_non_null(strstr(why.text, "no other"));
	assert_int_equal(setup(1, 14), REGISTRAR_REFUSE);
	assert_non_null(strstr(why.text, "revoked"));
	/* Any fit key will do, shown or not. */
	setup(2, 15);
	next_is(16, REGISTRAR_PREPARE, 2);
	assert_true(registrar_promote(r, &two, &why));
	assert_true(revoke(&two));
	assert_null(registrar_promoted(r));
	next_is(17, REGISTRAR_NOTHING, 0);
}

/* The row of a revoked key may be pushed out; that it is revoked stays. */
static void a_revocation_outlives_its_row(void **state)
{
	const struct eth_address one = key(1), two = key(2);
	uint8_t k;

	(void)state;
	setup(1, 10);
	assert_true(revoke(&one));
	for (k = 2; k < 10; k++)
		setup(k, 10 + k);
	assert_null(registrar_find(r, &one));
	assert_int_equal(setup(1, 30), REGISTRAR_REFUSE);
	assert_non_null(strstr(why.text, "revoked"));
	assert_true(registrar_revoked_by(r, &one) && !registrar_revoked_by(r, &two));
}

static void a_revoked_active_is_replaced_without_waiting_for_its_proofs(void **state)
{
	const struct eth_address one = key(1);

	(void)state;
	setup(1, 10);
	prepared(1);
	registered(1, 11);
	shown(1, 12);
	setup(2, 13);
	registrar_set_unverified(r, 5);
	assert_true(revoke(&one));
	next_is(14, REGISTRAR_PREPARE, 2);
	prepared(2);
	registered(2, 15);
	assert_true(registrar_may_verify(r, &why));
}

static void one_that_fails_on_chain_does_not_block_the_others(void **state)
{
	const struct eth_address two = key(2);

	(void)state;
	setup(1, 10);
	setup(2, 11);
	next_is(12, REGISTRAR_PREPARE, 2);
	registrar_register_failed(r, &two, "reverted", false, 0, 12);
	next_is(200, REGISTRAR_PREPARE, 1);
}

static void readings_of_our_key_do_not_shorten_the_wait_of_another(void **state)
{
	const struct eth_address one = key(1), two = key(2);
	uint64_t now;

	(void)state;
	setup(1, 10);
	prepared(1);
	registered(1, 11);
	setup(2, 12);
	assert_true(registrar_promote(r, &two, &why));
	for (now = 1000; now < 1350; now += 10) {
		if (now == 1000)
			registrar_register_failed(r, &two, "reverted", false, 0, now);
		registrar_set_signer(r, &one, now, &why);
		next_is(now, now < 1100 ? REGISTRAR_NOTHING : REGISTRAR_PREPARE, 2);
	}
}

/* The same header and body, and other bytes around them: anybody can make that of a quote. */
static void a_copy_does_not_take_the_place_of_a_kept_quote(void **state)
{
	const struct eth_address one = key(1);
	struct registrar_check check;
	struct registrar_step step;
	uint8_t copy[700];

	(void)state;
	setup(1, 10);
	memcpy(copy, quote_of(1).p, sizeof copy);
	copy[650] ^= 1;
	assert_true(registrar_check(r, span_of(copy, sizeof copy), &one, "x", 11, &check, &why));
	assert_true(registrar_setup(r, &check, &why));
	assert_true(span_eq(registrar_find(r, &one)->payload, quote_of(1)));
	/* Another quote does, and the chain was not prepared for it. */
	prepared(1);
	copy[100] ^= 1;
	assert_true(registrar_check(r, span_of(copy, sizeof copy), &one, "x", 12, &check, &why));
	assert_true(registrar_setup(r, &check, &why));
	registrar_next(r, 13, &step, &why);
	assert_int_equal(step.action, REGISTRAR_PREPARE);
	assert_true(span_eq(step.payload, span_of(copy, sizeof copy)));
	/* Where the kept one failed, a copy may do better. */
	registrar_register_failed(r, &one, "reverted", false, 0, 13);
	copy[650] ^= 1;
	assert_true(registrar_check(r, span_of(copy, sizeof copy), &one, "x", 14, &check, &why));
	assert_true(registrar_setup(r, &check, &why));
	assert_int_equal(registrar_find(r, &one)->payload.p[650], copy[650]);
}

static void whoever_sends_many_keys_pushes_out_his_own(void **state)
{
	struct registrar_settings s = settings();
	const struct eth_address honest = key(200), first = key(1);
	struct registrar_check check;
	uint8_t k;

	(void)state;
	registrar_free(r);
	s.max_provers = 16;
	r = registrar_new(&s);
	registrar_set_contract(r, &verifier, false);
	registrar_set_signer(r, &nobody, 1, NULL);
	assert_true(registrar_check(r, quote_of(200), &honest, "honest", 1, &check, &why));
	assert_true(registrar_setup(r, &check, &why));
	for (k = 1; k < 60; k++)
		setup(k, 10 + k);
	assert_int_equal(registrar_count(r), 9);
	assert_non_null(registrar_find(r, &honest));
	assert_null(registrar_find(r, &first));
}

static void an_external_route_holds_nothing_back(void **state)
{
	struct registrar_settings s = settings();
	struct eth_address one = key(1);

	(void)state;
	s.external_route = true;
	registrar_set_settings(r, &s);
	assert_int_equal(setup(1, 10), REGISTRAR_ACK_STANDBY);
	prepared(1);
	next_is(11, REGISTRAR_REGISTER, 1);
	next_is(12, REGISTRAR_REGISTER, 1);
	assert_true(registrar_may_verify(r, &why));
	assert_int_equal(registrar_set_signer(r, &one, 13, &why), REGISTRAR_SIGNER_CHANGED);
	next_is(14, REGISTRAR_NOTHING, 0);
	assert_int_equal(registrar_answer(r, &one, 14, &why), REGISTRAR_ACK_ACTIVE);
}

static void preparing_spends_the_same_budget(void **state)
{
	(void)state;
	assert_true(registrar_gas_allows(r, 10 * GAS, 10, &why));
	registrar_gas_spent(r, 9 * GAS + 1, 10);
	assert_false(registrar_gas_allows(r, GAS, 10, &why));
	setup(1, 11);
	next_is(12, REGISTRAR_NOTHING, 0);
	assert_non_null(strstr(why.text, "budget"));
}

/* The active's last proof was now, key 2 has shown one since: how long until it takes over? */
static uint64_t silence_until_switch(uint64_t now)
{
	const struct eth_address standby = key(2);
	const uint64_t began = now;
	struct registrar_step step;

	shown(2, now + 1);
	do {
		registrar_set_work(r, true, now += 10);
		registrar_next(r, now, &step, &why);
	} while (step.action == REGISTRAR_NOTHING && now < began + 5000);
	assert_true(eth_address_equal(&step.signer, &standby));
	return now - began;
}

static void one_at_work(void)
{
	setup(1, 10);
	prepared(1);
	registered(1, 11);
	registrar_set_work(r, true, 12);
	shown(1, 12);
}

/* A guest that was started again: it needs half the silence, and a proof all the same. */
static void a_new_key_from_the_actives_address_halves_the_silence(void **state)
{
	struct registrar_step step;
	uint64_t now;

	(void)state;
	one_at_work();
	assert_int_equal(setup(2, 13), REGISTRAR_ACK_STANDBY);
	for (now = 20; now < 3000; now += 10) {
		registrar_set_work(r, true, now);
		registrar_next(r, now, &step, &why);
		assert_int_equal(step.action, REGISTRAR_NOTHING);
	}
	shown(1, now);
	assert_in_range(silence_until_switch(now), 1000, 1020); /* it was alive after all */
	now += 5000;
	shown(1, now);
	setup(3, now); /* new, after the last proof */
	assert_in_range(silence_until_switch(now), 500, 520);
}

static void from_elsewhere_or_again_it_halves_nothing(void **state)
{
	(void)state;
	setup(2, 5); /* before there was an active */
	one_at_work();
	setup_from("10.0.0.8", 3, 13);
	setup(2, 14); /* known: anybody can send it again */
	setup(1, 15);
	assert_in_range(silence_until_switch(12), 1000, 1020);
}

/* Both at work: whichever is registered, the other one's starting again disturbs nothing. */
static void two_guests_of_one_address(void **state)
{
	struct registrar_step step;
	uint64_t now;

	(void)state;
	one_at_work();
	setup(2, 13);
	for (now = 100; now < 6000; now += 100) {
		registrar_set_work(r, true, now);
		shown(2, now);
		if (now % 400 == 0)
			shown(1, now);
		registrar_next(r, now, &step, &why);
		assert_int_equal(step.action, REGISTRAR_NOTHING);
	}
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, start, end)
	const struct CMUnitTest tests[] = {
	    TEST(a_quote_is_registered_once_the_chain_is_prepared),
	    TEST(preparing_that_fails_is_tried_again_later),
	    TEST(a_quote_that_passes_anew_ends_the_wait),
	    TEST(an_unfit_quote_is_not_registered_until_it_is_fit_again),
	    TEST(an_unfit_active_yields_to_a_fit_key_that_works),
	    TEST(a_restored_quote_waits_for_its_verification),
	    TEST(the_operator_promotes),
	    TEST(the_operator_revokes),
	    TEST(a_revocation_outlives_its_row),
	    TEST(a_revoked_active_is_replaced_without_waiting_for_its_proofs),
	    TEST(one_that_fails_on_chain_does_not_block_the_others),
	    TEST(readings_of_our_key_do_not_shorten_the_wait_of_another),
	    TEST(a_copy_does_not_take_the_place_of_a_kept_quote),
	    TEST(whoever_sends_many_keys_pushes_out_his_own),
	    TEST(an_external_route_holds_nothing_back),
	    TEST(preparing_spends_the_same_budget),
	    TEST(a_new_key_from_the_actives_address_halves_the_silence),
	    TEST(from_elsewhere_or_again_it_halves_nothing),
	    TEST(two_guests_of_one_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
