/* registrar: payloads refused in words, active and standby, the switch, the budget. */
#include "coordinator/registrar/registrar.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define GAS  100000u
#define HOUR 3600000u

static const struct eth_address verifier = {{0x11}}, zero;

static struct registrar_settings settings(void)
{
	return (struct registrar_settings){.max_provers = 3,
					   .allow_dev_mode = true,
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

static struct registrar *world(struct registrar_settings s, uint8_t on_chain)
{
	struct registrar *r = registrar_new(&s);
	struct eth_address k = on_chain ? key(on_chain) : zero;

	assert_non_null(r);
	registrar_set_contract(r, &verifier, true);
	assert_int_equal(registrar_set_signer(r, &k, 1, NULL), REGISTRAR_SIGNER_FIRST);
	return r;
}

static enum registrar_answer setup(struct registrar *r, uint8_t k, uint64_t now)
{
	struct eth_address a = key(k);
	struct registrar_check check;
	struct why why;

	if (!registrar_check(r, span_of(a.b, 20), NULL, "10.0.0.7", now, &check, &why))
		return check.answer;
	assert_true(registrar_setup(r, &check, &why));
	return registrar_answer(r, &a, now, &why);
}

static enum registrar_action next(struct registrar *r, uint64_t now, uint8_t expect)
{
	struct eth_address a = key(expect);
	struct registrar_step step;
	struct why why = {{0}};

	registrar_next(r, now, &step, &why);
	assert_true(strlen(why.text) > 5);
	if (step.action != REGISTRAR_NOTHING)
		assert_true(eth_address_equal(&step.signer, &a));
	return step.action;
}

static void registered(struct registrar *r, uint8_t k, uint64_t now)
{
	struct eth_address a = key(k);
	struct why why;

	assert_int_equal(next(r, now, k), REGISTRAR_REGISTER);
	assert_true(registrar_register_begin(r, &a, GAS, now, &why));
	registrar_register_done(r, GAS / 2, now);
	assert_int_equal(registrar_set_signer(r, &a, now, &why), REGISTRAR_SIGNER_OURS);
}

static void shown(struct registrar *r, uint8_t k, uint64_t now)
{
	struct eth_address a = key(k);

	assert_true(registrar_proof_shown(r, &a, now));
}

static void pass_time(struct registrar *r, uint64_t from, uint64_t to)
{
	for (; from < to; from += 100)
		registrar_set_work(r, true, from);
	registrar_set_work(r, true, to);
}

/* ---- payloads ---- */

static enum registrar_answer refuse(const struct registrar *r, const void *p, size_t n,
				    const char *words)
{
	struct registrar_check check;
	struct why why = {{0}};

	assert_false(registrar_check(r, span_of(p, n), NULL, "x", 5, &check, &why));
	if (!strstr(why.text, words))
		fail_msg("\"%s\" does not say \"%s\"", why.text, words);
	return check.answer;
}

static void payloads_are_refused_in_words(void **state)
{
	static const uint8_t quote[5006] = {4, 0, 2, 0, 0x81};
	uint8_t address[21] = {7}, other[636] = {0};
	struct registrar_settings s = settings();
	struct registrar *r = registrar_new(&s);

	(void)state;
	/* Lengths are wrong whatever L1 says. */
	assert_int_equal(refuse(r, address, 21, "a payload of 21 bytes"), REGISTRAR_REFUSE);
	assert_int_equal(refuse(r, address, 0, "a payload of 0 bytes"), REGISTRAR_REFUSE);
	assert_int_equal(refuse(r, other, 635, "635 bytes"), REGISTRAR_REFUSE);
	/* The rest cannot be decided before L1 has spoken. */
	assert_int_equal(refuse(r, address, 20, "L1 has not yet said"), REGISTRAR_RETRY);
	registrar_set_contract(r, &verifier, true);
	assert_int_equal(refuse(r, &zero, 20, "zero address"), REGISTRAR_REFUSE);
	assert_int_equal(refuse(r, quote, sizeof quote, "quote of 5006 bytes"), REGISTRAR_REFUSE);
	assert_int_equal(refuse(r, quote, sizeof quote, "0400020081"), REGISTRAR_REFUSE);
	assert_int_equal(refuse(r, quote, 100, "quote of 100 bytes"), REGISTRAR_REFUSE);
	assert_int_equal(refuse(r, other, 636, "quote of 636 bytes"), REGISTRAR_REFUSE);
	registrar_set_contract(r, &verifier, false);
	assert_int_equal(refuse(r, address, 20, "0x1100000000000000000000000000000000000000"),
			 REGISTRAR_REFUSE);
	assert_int_equal(refuse(r, address, 20, "bare address"), REGISTRAR_REFUSE);
	assert_int_equal(refuse(r, quote, sizeof quote, "has not been verified"), REGISTRAR_RETRY);
	registrar_set_contract(r, &verifier, true);
	s.allow_dev_mode = false;
	registrar_set_settings(r, &s);
	assert_int_equal(refuse(r, address, 20, "ETHREX_TDX_DEV_MODE"), REGISTRAR_REFUSE);
	registrar_free(r);
}

static void nothing_is_decided_before_the_key_is_known(void **state)
{
	struct registrar_settings s = settings();
	struct registrar *r = registrar_new(&s);

	(void)state;
	registrar_set_contract(r, &verifier, true);
	assert_int_equal(setup(r, 1, 5), REGISTRAR_RETRY);
	assert_int_equal(next(r, 5, 0), REGISTRAR_NOTHING);
	assert_false(registrar_signer_known(r));
	assert_null(registrar_counting_signer(r));
	registrar_free(r);
	s.max_provers = 0;
	assert_null(registrar_new(&s));
	registrar_free(NULL);
}

/* ---- who is active ---- */

static void the_first_is_registered_and_waits_for_it(void **state)
{
	struct registrar *r = world(settings(), 0);
	struct eth_address one = key(1);
	struct registrar_step step;
	struct why why;

	(void)state;
	assert_int_equal(setup(r, 1, 10), REGISTRAR_WAIT);
	registrar_next(r, 10, &step, &why);
	assert_int_equal(step.action, REGISTRAR_REGISTER);
	assert_int_equal(step.payload.n, 20);
	assert_memory_equal(step.payload.p, one.b, 20);
	/* A newcomer does not change what is about to happen. */
	assert_int_equal(setup(r, 2, 20), REGISTRAR_ACK_STANDBY);
	assert_false(registrar_may_verify(r, &why));
	assert_true(registrar_register_begin(r, &one, GAS, 30, &why));
	assert_int_equal(registrar_answer(r, &one, 30, &why), REGISTRAR_WAIT);
	assert_int_equal(next(r, 30, 1), REGISTRAR_NOTHING);
	assert_false(registrar_may_verify(r, &why));
	assert_false(registrar_register_begin(r, &one, GAS, 30, &why));
	registrar_register_done(r, 90000, 40);
	assert_int_equal(registrar_answer(r, &one, 40, &why), REGISTRAR_WAIT);
	assert_int_equal(registrar_set_signer(r, &one, 50, &why), REGISTRAR_SIGNER_OURS);
	assert_int_equal(registrar_answer(r, &one, 50, &why), REGISTRAR_ACK_ACTIVE);
	assert_true(registrar_may_verify(r, &why));
	assert_int_equal(setup(r, 1, 60), REGISTRAR_ACK_ACTIVE);
	assert_int_equal(setup(r, 3, 60), REGISTRAR_ACK_STANDBY);
	assert_int_equal(next(r, 60, 0), REGISTRAR_NOTHING);
	registrar_free(r);
}

static void a_live_active_stays_whatever_others_show(void **state)
{
	struct registrar *r = world(settings(), 1);
	uint64_t t;

	(void)state;
	setup(r, 1, 1);
	setup(r, 2, 1);
	for (t = 10; t < 5000; t += 400) {
		pass_time(r, t, t + 400);
		shown(r, 2, t + 100);
		shown(r, 1, t + 200);
		assert_int_equal(next(r, t + 400, 0), REGISTRAR_NOTHING);
	}
	registrar_free(r);
}

static void one_that_has_shown_nothing_yields_to_one_that_has(void **state)
{
	struct registrar *r = world(settings(), 1);

	(void)state;
	setup(r, 1, 1);
	setup(r, 2, 2);
	pass_time(r, 3, 9000);
	assert_int_equal(next(r, 9000, 0), REGISTRAR_NOTHING); /* silent, but so are all */
	shown(r, 2, 9001);
	registered(r, 2, 9002);
	assert_int_equal(setup(r, 1, 9003), REGISTRAR_ACK_STANDBY);
	registrar_free(r);
}

static void a_silent_active_is_replaced_by_one_that_works(void **state)
{
	struct registrar *r = world(settings(), 1);

	(void)state;
	setup(r, 1, 1);
	setup(r, 2, 1);
	shown(r, 2, 50); /* before the active's last proof: it says nothing */
	shown(r, 1, 100);
	/* Without work nobody is silent. */
	registrar_set_work(r, false, 100);
	assert_int_equal(next(r, 50000, 0), REGISTRAR_NOTHING);
	pass_time(r, 50000, 52000);
	assert_int_equal(next(r, 52000, 0), REGISTRAR_NOTHING);
	shown(r, 2, 52100);
	registered(r, 2, 52200);
	/* And back again, only after a silence of its own. */
	shown(r, 1, 52300);
	assert_int_equal(next(r, 52400, 0), REGISTRAR_NOTHING);
	registrar_free(r);
}

/* What counts as silence follows what proofs take here: a minute at least, the setting at most. */
static void silence_is_measured_in_proofs(void **state)
{
	static const struct {
		uint64_t longest_ms, silent_ms;
	} cases[] = {{0, 600000}, {1, 60000}, {20000, 60000}, {50000, 150000}, {900000, 600000}};
	struct registrar_settings s = settings();
	const struct eth_address a = key(1), b = key(2);
	size_t i;

	(void)state;
	s.silence_ms = 600000;
	for (i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct registrar *r = world(s, 1);
		const uint64_t limit = cases[i].silent_ms;
		uint64_t now = 10;

		setup(r, 1, now);
		setup(r, 2, now);
		registrar_set_pace(r, cases[i].longest_ms);
		registrar_set_work(r, true, now);
		assert_true(registrar_proof_shown(r, &a, now));
		for (; now + 1000 < limit; now += 1000)
			next(r, now, 0);
		assert_true(registrar_proof_shown(r, &b, now));
		assert_int_equal(next(r, now, 0), REGISTRAR_NOTHING);
		registrar_set_work(r, true, now + 1000);
		assert_int_equal(next(r, limit + 1010, 2), REGISTRAR_REGISTER);
		registrar_free(r);
	}
}

static void a_setup_alone_breaks_no_silence(void **state)
{
	struct registrar *r = world(settings(), 1);

	(void)state;
	setup(r, 1, 1);
	setup(r, 2, 1);
	shown(r, 1, 100);
	pass_time(r, 100, 2000);
	shown(r, 2, 2000);
	setup(r, 1, 2001); /* anybody can replay it */
	assert_int_equal(next(r, 2002, 2), REGISTRAR_REGISTER);
	shown(r, 1, 2003); /* nobody can replay that */
	assert_int_equal(next(r, 2004, 0), REGISTRAR_NOTHING);
	registrar_free(r);
}

static void a_pause_of_the_daemon_is_no_silence(void **state)
{
	struct registrar *r = world(settings(), 1);

	(void)state;
	setup(r, 1, 1);
	setup(r, 2, 1);
	shown(r, 1, 100);
	registrar_set_work(r, true, 100);
	registrar_set_work(r, true, 1000000);
	shown(r, 2, 1000000);
	assert_int_equal(next(r, 1000000, 0), REGISTRAR_NOTHING);
	registrar_free(r);
}

static void a_key_registered_by_somebody_else(void **state)
{
	struct registrar *r = world(settings(), 9);
	struct eth_address nine = key(9), one = key(1), five = key(5);
	struct why why;

	(void)state;
	assert_int_equal(setup(r, 1, 10), REGISTRAR_ACK_STANDBY);
	/* It works: leave it alone. Its proofs give it a row, without a payload. */
	shown(r, 9, 20);
	assert_int_equal(registrar_find(r, &nine)->kind, REGISTRAR_NONE);
	shown(r, 1, 30);
	assert_int_equal(next(r, 30, 0), REGISTRAR_NOTHING);
	assert_false(registrar_proof_shown(r, &five, 30));
	/* Somebody else takes over again, behind our back. */
	assert_int_equal(registrar_set_signer(r, &five, 40, &why), REGISTRAR_SIGNER_CHANGED);
	assert_non_null(strstr(why.text, "0x0909090909090909090909090909090909090909"));
	assert_non_null(strstr(why.text, "0x0505050505050505050505050505050505050505"));
	registered(r, 1, 50);
	assert_int_equal(registrar_set_signer(r, &one, 60, &why), REGISTRAR_SIGNER_SAME);
	/* A key without a payload cannot be registered again. */
	pass_time(r, 60, 3000);
	shown(r, 9, 3000);
	assert_int_equal(next(r, 3000, 0), REGISTRAR_NOTHING);
	registrar_free(r);
}

/* ---- the switch ---- */

static void a_switch_waits_for_the_old_proofs(void **state)
{
	struct registrar *r = world(settings(), 1);
	struct eth_address two = key(2);
	struct why why;

	(void)state;
	setup(r, 2, 1);
	shown(r, 2, 10);
	registrar_set_unverified(r, 3);
	assert_int_equal(next(r, 20, 0), REGISTRAR_NOTHING);
	assert_true(registrar_may_verify(r, &why));
	assert_false(registrar_register_begin(r, &two, GAS, 20, &why));
	registrar_set_verify_in_flight(r, true);
	registrar_set_unverified(r, 0);
	assert_int_equal(next(r, 30, 0), REGISTRAR_NOTHING);
	assert_false(registrar_may_verify(r, &why)); /* no other after this one */
	assert_false(registrar_register_begin(r, &two, GAS, 30, &why));
	registrar_set_verify_in_flight(r, false);
	registered(r, 2, 40);
	assert_true(registrar_may_verify(r, &why));
	registrar_free(r);
}

static void after_the_deadline_they_are_set_aside(void **state)
{
	struct registrar *r = world(settings(), 1);
	struct eth_address one = key(1), two = key(2);
	struct registrar_step step;
	struct why why;

	(void)state;
	setup(r, 2, 1);
	shown(r, 2, 10);
	registrar_set_unverified(r, 3);
	registrar_next(r, 20, &step, &why);
	assert_non_null(strstr(why.text, "3 batches"));
	registrar_set_verify_in_flight(r, true);
	assert_int_equal(next(r, 600, 0), REGISTRAR_NOTHING);
	assert_true(eth_address_equal(registrar_counting_signer(r), &one));
	registrar_set_verify_in_flight(r, false);
	registrar_next(r, 610, &step, &why);
	assert_int_equal(step.action, REGISTRAR_SET_ASIDE);
	assert_true(eth_address_equal(&step.signer, &one));
	assert_true(eth_address_equal(&step.next, &two));
	assert_int_equal(next(r, 611, 1), REGISTRAR_SET_ASIDE);
	registrar_set_aside_done(r, &one);
	assert_true(eth_address_equal(registrar_counting_signer(r), &two));
	assert_false(registrar_may_verify(r, &why));
	registered(r, 2, 620);
	assert_true(eth_address_equal(registrar_counting_signer(r), &two));
	registrar_free(r);
}

static void what_was_set_aside_counts_again_when_the_switch_fails(void **state)
{
	struct registrar *r = world(settings(), 1);
	struct eth_address one = key(1), two = key(2);
	struct why why;

	(void)state;
	setup(r, 2, 1);
	shown(r, 2, 10);
	registrar_set_unverified(r, 1);
	next(r, 20, 0);
	assert_int_equal(next(r, 520, 1), REGISTRAR_SET_ASIDE);
	registrar_set_aside_done(r, &one);
	assert_int_equal(next(r, 521, 2), REGISTRAR_REGISTER);
	registrar_register_failed(r, &two, "only sequencer can update keys", false, 0, 530);
	assert_true(eth_address_equal(registrar_counting_signer(r), &one));
	assert_true(registrar_may_verify(r, &why));
	assert_int_equal(next(r, 531, 0), REGISTRAR_NOTHING);
	registrar_free(r);
}

/* ---- failures and gas ---- */

static void failures_are_retried_later_and_say_why(void **state)
{
	struct registrar *r = world(settings(), 0);
	struct eth_address one = key(1);
	uint64_t now = 10, wait[] = {100, 200, 350, 350};
	struct why why;
	size_t i;

	(void)state;
	setup(r, 1, now);
	for (i = 0; i < 4; i++) {
		assert_int_equal(next(r, now, 1), REGISTRAR_REGISTER);
		assert_true(registrar_register_begin(r, &one, GAS, now, &why));
		registrar_register_failed(r, &one, "nonce too low", false, 0, now);
		assert_int_equal(registrar_answer(r, &one, now, &why), REGISTRAR_RETRY);
		assert_non_null(strstr(why.text, "nonce too low"));
		assert_int_equal(next(r, now + wait[i] - 1, 0), REGISTRAR_NOTHING);
		now += wait[i];
	}
	registered(r, 1, now);
	registrar_free(r);
}

static void a_refused_payload_is_not_tried_again(void **state)
{
	struct registrar *r = world(settings(), 0);
	struct eth_address one = key(1);
	struct why why;

	(void)state;
	setup(r, 1, 10);
	assert_int_equal(next(r, 10, 1), REGISTRAR_REGISTER);
	registrar_register_failed(r, &one, "RTMR1 differs", true, 0, 20);
	assert_int_equal(registrar_answer(r, &one, 30, &why), REGISTRAR_REFUSE);
	assert_string_equal(why.text, "RTMR1 differs");
	assert_int_equal(setup(r, 1, 5000), REGISTRAR_REFUSE);
	assert_int_equal(next(r, 5000, 0), REGISTRAR_NOTHING);
	registrar_describe(r, &one, 5000, &why);
	assert_string_equal(why.text, "refused: RTMR1 differs");
	assert_int_equal(setup(r, 2, 5000), REGISTRAR_WAIT);
	registered(r, 2, 5000);
	registrar_free(r);
}

static void mined_and_yet_another_key_is_a_failure(void **state)
{
	struct registrar *r = world(settings(), 0);
	struct eth_address one = key(1);
	struct why why;

	(void)state;
	setup(r, 1, 10);
	assert_int_equal(next(r, 10, 1), REGISTRAR_REGISTER);
	assert_true(registrar_register_begin(r, &one, GAS, 10, &why));
	registrar_register_done(r, GAS, 20);
	assert_int_equal(next(r, 20, 0), REGISTRAR_NOTHING);
	assert_int_equal(registrar_set_signer(r, &zero, 30, &why), REGISTRAR_SIGNER_SAME);
	assert_int_equal(next(r, 30, 0), REGISTRAR_NOTHING);
	assert_int_equal(registrar_answer(r, &one, 30, &why), REGISTRAR_RETRY);
	assert_non_null(strstr(why.text, "was mined, but the contract holds"));
	assert_int_equal(next(r, 130, 1), REGISTRAR_REGISTER);
	/* It was only an old reading: the next one tells better. */
	assert_int_equal(registrar_set_signer(r, &one, 140, &why), REGISTRAR_SIGNER_OURS);
	assert_int_equal(registrar_answer(r, &one, 140, &why), REGISTRAR_ACK_ACTIVE);
	registrar_free(r);
}

static void gas_per_day_is_a_budget(void **state)
{
	struct registrar_settings s = settings();
	struct registrar *r;
	struct eth_address one = key(1);
	uint64_t now = 10, day;
	struct why why;

	(void)state;
	s.gas_per_day = 2 * GAS;
	s.retry_min_ms = s.retry_max_ms = 1;
	r = world(s, 0);
	setup(r, 1, now);
	assert_false(registrar_register_begin(r, &one, 2 * GAS + 1, now, &why));
	assert_non_null(strstr(why.text, "200001"));
	assert_int_equal(next(r, now, 1), REGISTRAR_REGISTER);
	assert_true(registrar_register_begin(r, &one, GAS, now, &why));
	assert_int_equal(registrar_gas_used(r, now, &day), GAS);
	registrar_register_failed(r, &one, "reverted", false, GAS - 1, now);
	assert_int_equal(registrar_gas_used(r, now, &day), GAS - 1);
	assert_int_equal(next(r, now + 1, 1), REGISTRAR_REGISTER);
	assert_true(registrar_register_begin(r, &one, GAS, now + 1, &why));
	registrar_register_failed(r, &one, "reverted", false, GAS, now + 1);
	assert_int_equal(next(r, now + 2, 0), REGISTRAR_NOTHING);
	assert_int_equal(registrar_answer(r, &one, now + 2, &why), REGISTRAR_RETRY);
	assert_non_null(strstr(why.text, "199999 of 200000 used"));
	registered(r, 1, 24 * HOUR);
	assert_int_equal(registrar_gas_used(r, 24 * HOUR, &day), GAS / 2);
	assert_int_equal(day, 1);
	registrar_free(r);
}

/* The wait is as long as it was meant to be at most. */
static void a_clock_that_is_set_back(void **state)
{
	struct registrar *r = world(settings(), 0);
	struct eth_address one = key(1);
	struct why why;

	(void)state;
	setup(r, 1, 10 * HOUR);
	assert_int_equal(next(r, 10 * HOUR, 1), REGISTRAR_REGISTER);
	assert_true(registrar_register_begin(r, &one, GAS, 10 * HOUR, &why));
	registrar_register_failed(r, &one, "reverted", false, 0, 10 * HOUR);
	assert_int_equal(next(r, 10 * HOUR, 0), REGISTRAR_NOTHING);
	assert_int_equal(next(r, 9 * HOUR, 1), REGISTRAR_REGISTER);
	registrar_free(r);
	/* So is that for the old key's proofs. */
	r = world(settings(), 1);
	setup(r, 2, 10 * HOUR);
	shown(r, 2, 10 * HOUR);
	registrar_set_unverified(r, 1);
	assert_int_equal(next(r, 10 * HOUR, 0), REGISTRAR_NOTHING);
	assert_int_equal(next(r, 9 * HOUR, 0), REGISTRAR_NOTHING);
	assert_int_equal(next(r, 9 * HOUR + 500, 1), REGISTRAR_SET_ASIDE);
	registrar_free(r);
}

static void a_restart_remembers(void **state)
{
	struct registrar_settings s = settings();
	struct registrar *r = registrar_new(&s);
	struct eth_address one = key(1), two = key(2);
	struct registrar_prover p = {.signer = one,
				     .kind = REGISTRAR_DEV,
				     .payload = span_of(one.b, 20),
				     .source = "10.0.0.7",
				     .first_seen_ms = 1,
				     .last_seen_ms = 2,
				     .last_proof_ms = 3,
				     .proofs = 4};
	size_t n;
	struct why why;

	(void)state;
	assert_true(registrar_restore(r, &p));
	assert_false(registrar_restore(r, &p));
	p.signer = two;
	p.payload = span_of(two.b, 20);
	p.last_proof_ms = 2;
	assert_true(registrar_restore(r, &p));
	registrar_restore_gas(r, 0, 9 * GAS + 1);
	registrar_register_resume(r, &two, 1);
	registrar_set_contract(r, &verifier, true);
	assert_int_equal(registrar_set_signer(r, &one, 100, &why), REGISTRAR_SIGNER_FIRST);
	assert_false(registrar_may_verify(r, &why));
	registrar_register_failed(r, &two, "dropped", false, 0, 100);
	assert_true(registrar_may_verify(r, &why));
	pass_time(r, 200, 2000);
	shown(r, 2, 2000);
	assert_int_equal(next(r, 2000, 0), REGISTRAR_NOTHING); /* the budget */
	assert_int_equal(next(r, 24 * HOUR, 2), REGISTRAR_REGISTER);
	assert_int_equal(registrar_count(r), 2);
	assert_string_equal(registrar_at(r, 0)->source, "10.0.0.7");
	assert_null(registrar_at(r, 2));
	assert_true(eth_address_equal(&registrar_keys(r, &n)[1], &two));
	assert_int_equal(n, 2);
	registrar_free(r);
}

/* A quote is public: who replays it takes neither its place nor its source's privileges. */
static void whoever_replays_a_payload_is_not_its_source(void **state)
{
	struct registrar_settings s = settings();
	struct registrar *r = registrar_new(&s);
	struct eth_address one = key(1);
	struct registrar_check check;
	struct why why;

	(void)state;
	registrar_set_contract(r, &verifier, true);
	assert_true(registrar_check(r, span_of(one.b, 20), NULL, "10.0.0.1", 1, &check, &why));
	assert_true(registrar_setup(r, &check, &why));
	assert_true(registrar_check(r, span_of(one.b, 20), NULL, "10.6.6.6", 2, &check, &why));
	assert_true(registrar_setup(r, &check, &why));
	assert_string_equal(registrar_at(r, 0)->source, "10.0.0.1");
	assert_int_equal(registrar_at(r, 0)->last_seen_ms, 2);
	registrar_free(r);
}

static void another_verifier_holds_another_key(void **state)
{
	struct registrar *r = world(settings(), 1);
	struct eth_address other = {{0x22}};

	(void)state;
	registrar_set_contract(r, &verifier, true);
	assert_true(registrar_signer_known(r));
	registrar_set_contract(r, &other, true);
	assert_false(registrar_signer_known(r));
	registrar_free(r);
}

/* ---- the table ---- */

static void the_table_keeps_who_matters(void **state)
{
	struct registrar *r = world(settings(), 1);
	struct eth_address a = key(4), two = key(2);
	struct registrar_check check;
	struct why why;

	(void)state;
	setup(r, 1, 1);
	shown(r, 1, 2);
	setup(r, 2, 3);
	setup(r, 3, 4);
	setup(r, 2, 5);
	assert_true(registrar_check(r, span_of(a.b, 20), NULL, "x", 10, &check, &why));
	assert_true(check.has_evicted);
	a = key(3); /* the active is older, the second was heard of later */
	assert_true(eth_address_equal(&check.evicted, &a));
	assert_true(registrar_setup(r, &check, &why));
	assert_null(registrar_find(r, &a));
	assert_int_equal(registrar_count(r), 3);
	/* All have shown proofs lately: a newcomer has to wait. */
	shown(r, 2, 20);
	shown(r, 4, 20);
	assert_int_equal(setup(r, 5, 30), REGISTRAR_RETRY);
	/* Long silent ones make place. */
	shown(r, 4, 900);
	assert_int_equal(setup(r, 5, 1100), REGISTRAR_ACK_STANDBY);
	assert_null(registrar_find(r, &two));
	registrar_free(r);
}

static void provers_are_described(void **state)
{
	struct registrar *r = world(settings(), 1);
	struct eth_address one = key(1), two = key(2), three = key(3);
	struct why why;

	(void)state;
	setup(r, 1, 1);
	setup(r, 2, 1);
	shown(r, 1, 2);
	registrar_describe(r, &one, 5, &why);
	assert_string_equal(why.text, "active, 1 proof shown");
	registrar_describe(r, &two, 5, &why);
	assert_string_equal(why.text, "standby, no proof shown");
	pass_time(r, 5, 1500);
	registrar_describe(r, &one, 1500, &why);
	assert_string_equal(why.text, "active, 1 proof shown, silent for 1 s");
	shown(r, 2, 1500);
	shown(r, 2, 1500);
	registrar_describe(r, &two, 1500, &why);
	assert_string_equal(why.text, "next to be registered, 2 proofs shown");
	assert_int_equal(next(r, 1500, 2), REGISTRAR_REGISTER);
	assert_true(registrar_register_begin(r, &two, GAS, 1500, &why));
	registrar_describe(r, &two, 1500, &why);
	assert_string_equal(why.text, "being registered, 2 proofs shown");
	registrar_describe(r, &three, 1500, &why);
	assert_string_equal(why.text, "not registered here");
	registrar_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(payloads_are_refused_in_words),
	    cmocka_unit_test(nothing_is_decided_before_the_key_is_known),
	    cmocka_unit_test(the_first_is_registered_and_waits_for_it),
	    cmocka_unit_test(a_live_active_stays_whatever_others_show),
	    cmocka_unit_test(one_that_has_shown_nothing_yields_to_one_that_has),
	    cmocka_unit_test(a_silent_active_is_replaced_by_one_that_works),
	    cmocka_unit_test(silence_is_measured_in_proofs),
	    cmocka_unit_test(a_setup_alone_breaks_no_silence),
	    cmocka_unit_test(a_pause_of_the_daemon_is_no_silence),
	    cmocka_unit_test(a_key_registered_by_somebody_else),
	    cmocka_unit_test(a_switch_waits_for_the_old_proofs),
	    cmocka_unit_test(after_the_deadline_they_are_set_aside),
	    cmocka_unit_test(what_was_set_aside_counts_again_when_the_switch_fails),
	    cmocka_unit_test(failures_are_retried_later_and_say_why),
	    cmocka_unit_test(a_refused_payload_is_not_tried_again),
	    cmocka_unit_test(mined_and_yet_another_key_is_a_failure),
	    cmocka_unit_test(gas_per_day_is_a_budget),
	    cmocka_unit_test(a_clock_that_is_set_back),
	    cmocka_unit_test(a_restart_remembers),
	    cmocka_unit_test(whoever_replays_a_payload_is_not_its_source),
	    cmocka_unit_test(another_verifier_holds_another_key),
	    cmocka_unit_test(the_table_keeps_who_matters),
	    cmocka_unit_test(provers_are_described),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
