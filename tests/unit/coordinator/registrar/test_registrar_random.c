/*
 * registrar in random worlds: provers come, go silent and come back, transactions succeed, revert
 * or vanish, others register keys of their own. After every step the promises are checked against
 * what really happened in that world.
 */
#include "coordinator/registrar/registrar.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define KEYS    5 /* the last one never sends a ProverSetup here */
#define GAS     1000u
#define BUDGET  (4 * GAS)
#define SILENCE 400u
#define DAY     86400000u

struct world {
	struct registrar *r;
	uint64_t seed, now;
	bool slow_l1;      /* most verifications take long */
	bool silent_keys;  /* most keys stop once they are registered */
	unsigned on_chain; /* 0: none; else key number */
	unsigned proofs[KEYS + 1];
	uint64_t last_proof[KEYS + 1];
	uint64_t active_since;
	bool set_up[KEYS + 1], refused[KEYS + 1];
	bool verify_in_flight;
	unsigned registering; /* key number; 0: none */
	bool must_read_back;
	size_t unverified;
	bool aside;
	uint64_t gas_day, gas_used;
	unsigned registered, switched, set_aside;
};

static uint64_t pick(struct world *o, uint64_t n)
{
	o->seed ^= o->seed << 13;
	o->seed ^= o->seed >> 7;
	o->seed ^= o->seed << 17;
	return (o->seed >> 11) % n;
}

static struct eth_address key(unsigned k)
{
	struct eth_address a;

	memset(a.b, (int)k, sizeof a.b);
	return a;
}

static void take_key(struct world *o, unsigned k)
{
	if (o->on_chain == k)
		return;
	o->on_chain = k;
	o->active_since = o->now;
	o->unverified = 0;
	o->aside = false;
	registrar_set_unverified(o->r, 0);
}

static void step_setup(struct world *o)
{
	unsigned k = 1 + (unsigned)pick(o, KEYS - 1);
	struct eth_address a = key(k);
	struct registrar_check check;
	struct why why = {{0}};

	if (!registrar_check(o->r, span_of(a.b, 20), NULL, "x", o->now, &check, &why)) {
		assert_true(strlen(why.text) > 10);
		assert_true(o->refused[k]);
		return;
	}
	if (pick(o, 5) == 0)
		return; /* the disk refused */
	assert_true(registrar_setup(o->r, &check, &why));
	o->set_up[k] = true;
	if (o->must_read_back) /* until then it knows the chain as it was */
		return;
	switch (registrar_answer(o->r, &a, o->now, &why)) {
	case REGISTRAR_ACK_ACTIVE: assert_int_equal(o->on_chain, k); break;
	case REGISTRAR_ACK_STANDBY: assert_int_not_equal(o->on_chain, k); break;
	case REGISTRAR_WAIT: assert_true(o->on_chain == 0 || o->registering == k); break;
	case REGISTRAR_RETRY: assert_true(o->on_chain == 0); break;
	case REGISTRAR_REFUSE: fail();
	}
	assert_true(strlen(why.text) > 5);
}

static void step_proof(struct world *o)
{
	unsigned k = 1 + (unsigned)pick(o, KEYS);
	struct eth_address a = key(k);

	if (o->silent_keys && k == o->on_chain && o->proofs[k] && pick(o, 4))
		return;
	if (registrar_proof_shown(o->r, &a, o->now)) {
		o->proofs[k]++;
		o->last_proof[k] = o->now;
		if (k == o->on_chain)
			registrar_set_unverified(o->r, ++o->unverified);
	} else {
		assert_int_not_equal(k, o->on_chain);
		assert_false(o->set_up[k]);
	}
}

static void check_switch(struct world *o, unsigned k)
{
	unsigned a = o->on_chain;

	assert_true(k >= 1 && k < KEYS && o->set_up[k] && !o->refused[k] && k != a);
	assert_false(o->verify_in_flight);
	if (!a)
		return;
	o->switched++;
	assert_true(o->proofs[k] > 0);
	assert_true(o->unverified == 0 || o->aside);
	if (o->proofs[a])
		assert_true(o->now - o->last_proof[a] >= SILENCE &&
			    o->last_proof[k] > o->last_proof[a]);
}

static void step_next(struct world *o)
{
	struct registrar_step step;
	struct why why = {{0}};

	registrar_next(o->r, o->now, &step, &why);
	assert_true(strlen(why.text) > 5);
	switch (step.action) {
	case REGISTRAR_NOTHING: return;
	case REGISTRAR_PREPARE: fail_msg("an address needs no preparing"); break;
	case REGISTRAR_SET_ASIDE:
		assert_int_equal(step.signer.b[0], o->on_chain);
		assert_true(o->unverified > 0 && !o->verify_in_flight);
		if (pick(o, 3) == 0)
			return;
		registrar_set_aside_done(o->r, &step.signer);
		o->aside = true;
		o->set_aside++;
		assert_int_equal(registrar_counting_signer(o->r)->b[0], step.next.b[0]);
		return;
	case REGISTRAR_REGISTER: break;
	}
	assert_false(registrar_may_verify(o->r, &why));
	check_switch(o, step.signer.b[0]);
	if (pick(o, 4) == 0)
		return;
	if (pick(o, 6) == 0) {
		bool refused = pick(o, 8) == 0;

		registrar_register_failed(o->r, &step.signer, "the dry run failed", refused, 0,
					  o->now);
		o->refused[step.signer.b[0]] |= refused;
		o->aside = false;
		return;
	}
	if (registrar_register_begin(o->r, &step.signer, GAS, o->now, &why))
		o->registering = step.signer.b[0];
}

static void gas(struct world *o, uint64_t used)
{
	if (o->gas_day != o->now / DAY) {
		o->gas_day = o->now / DAY;
		o->gas_used = 0;
	}
	o->gas_used += used;
	assert_true(o->gas_used <= BUDGET);
}

static void step_registration_ends(struct world *o)
{
	struct eth_address a = key(o->registering);
	uint64_t used = GAS - pick(o, GAS / 2);

	if (!o->registering)
		return;
	if (pick(o, 4)) {
		gas(o, used);
		registrar_register_done(o->r, used, o->now);
		o->must_read_back = true;
		if (pick(o, 8))
			take_key(o, o->registering);
		o->registered++;
	} else {
		used = pick(o, 2) ? used : 0;
		gas(o, used);
		registrar_register_failed(o->r, &a, "reverted", false, used, o->now);
		o->aside = false;
	}
	o->registering = 0;
}

static void step_read_back(struct world *o)
{
	struct eth_address a = key(o->on_chain);

	registrar_set_signer(o->r, &a, o->now, NULL);
	o->must_read_back = false;
	if (!registrar_counting_signer(o->r) ||
	    registrar_counting_signer(o->r)->b[0] == o->on_chain)
		o->aside = false;
}

static void step_foreign(struct world *o)
{
	if (o->registering || o->must_read_back || o->verify_in_flight || pick(o, 10))
		return;
	take_key(o, (unsigned)pick(o, KEYS + 1));
	step_read_back(o);
}

static void step_verify(struct world *o)
{
	struct why why = {{0}};

	if (o->slow_l1 && pick(o, 16))
		return;
	if (o->verify_in_flight) {
		o->verify_in_flight = false;
		o->unverified -= o->unverified ? 1 : 0;
		registrar_set_unverified(o->r, o->unverified);
	} else if (o->unverified && registrar_may_verify(o->r, &why)) {
		assert_int_equal(o->registering, 0);
		assert_false(o->must_read_back);
		o->verify_in_flight = true;
	} else if (o->unverified) {
		assert_true(strlen(why.text) > 10);
	}
	registrar_set_verify_in_flight(o->r, o->verify_in_flight);
}

static void calm_ending(struct world *o)
{
	unsigned i;

	/* One prover is left, it works, and everything succeeds: in the end it is the one. */
	for (i = 0; i < 400 && o->on_chain != 1; i++) {
		struct eth_address a = key(1);
		struct registrar_step step;

		o->now += 100;
		if (i % 50 == 0)
			o->now += DAY;
		registrar_set_work(o->r, true, o->now);
		if (o->set_up[1])
			registrar_proof_shown(o->r, &a, o->now);
		else
			step_setup(o);
		registrar_set_verify_in_flight(o->r, false);
		if (o->registering) {
			a = key(o->registering);
			registrar_register_done(o->r, 1, o->now);
			take_key(o, o->registering);
			o->registering = 0;
		}
		a = key(o->on_chain);
		registrar_set_signer(o->r, &a, o->now, NULL);
		registrar_next(o->r, o->now, &step, NULL);
		if (step.action == REGISTRAR_SET_ASIDE)
			registrar_set_aside_done(o->r, &step.signer);
		else if (step.action == REGISTRAR_REGISTER &&
			 registrar_register_begin(o->r, &step.signer, GAS, o->now, NULL))
			o->registering = step.signer.b[0];
	}
	if (!o->refused[1])
		assert_int_equal(o->on_chain, 1);
}

static void one_world(uint64_t seed, struct world *sum)
{
	struct registrar_settings s = {.max_provers = KEYS,
				       .allow_dev_mode = true,
				       .silence_ms = SILENCE,
				       .drain_ms = 200,
				       .gas_per_day = BUDGET,
				       .gas_per_registration = GAS,
				       .retry_min_ms = 20,
				       .retry_max_ms = 100};
	struct eth_address verifier = key(0x77);
	struct world o = {.seed = seed * 0x9e3779b97f4a7c15u + 1,
			  .now = 1000,
			  .slow_l1 = seed % 2,
			  .silent_keys = seed % 3};
	int i;

	o.r = registrar_new(&s);
	assert_non_null(o.r);
	registrar_set_contract(o.r, &verifier, true);
	step_read_back(&o);
	for (i = 0; i < 600; i++) {
		o.now += pick(&o, 40) + (pick(&o, 200) == 0 ? DAY / 4 : 0);
		registrar_set_work(o.r, pick(&o, 4) != 0, o.now);
		switch (pick(&o, 9)) {
		case 0: step_setup(&o); break;
		case 1: step_proof(&o); break;
		case 2:
		case 3: step_next(&o); break;
		case 4: step_registration_ends(&o); break;
		case 5: step_foreign(&o); break;
		case 6:
		case 7: step_verify(&o); break;
		default:
			if (!o.registering)
				step_read_back(&o);
			break;
		}
		assert_false(o.verify_in_flight && o.registering);
	}
	sum->registered += o.registered;
	sum->switched += o.switched;
	sum->set_aside += o.set_aside;
	calm_ending(&o);
	registrar_free(o.r);
}

static void many_random_worlds(void **state)
{
	struct world sum = {0};
	uint64_t seed;

	(void)state;
	for (seed = 1; seed <= 400; seed++)
		one_world(seed, &sum);
	/* The worlds were not idle. */
	assert_true(sum.registered > 1000 && sum.switched > 500 && sum.set_aside > 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(many_random_worlds)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
