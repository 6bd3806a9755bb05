/* What other coordinators found out about provers, and what only the leader knows. */
#include "coordinator/base/clock.h"
#include "coordinator/registrar/rows.h"
#include "encoding/endian.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define SILENCE 100000u

static const struct eth_address verifier = {{0x11}}, none;
static const uint8_t quote_a[700] = {4, 0, 2, 0, 0x81, 1}, quote_b[700] = {4, 0, 2, 0, 0x81, 2};

static struct eth_address key(uint8_t k)
{
	struct eth_address a;

	memset(a.b, k, sizeof a.b);
	return a;
}

static struct registrar *world(uint8_t on_chain)
{
	const struct registrar_settings s = {.max_provers = 3,
					     .silence_ms = SILENCE,
					     .gas_per_day = 1000000,
					     .gas_per_registration = 1000,
					     .retry_min_ms = 100,
					     .retry_max_ms = 10000};
	const struct eth_address k = on_chain ? key(on_chain) : none;
	struct registrar *r = registrar_new(&s);

	assert_non_null(r);
	registrar_set_contract(r, &verifier, false);
	registrar_set_signer(r, &k, 1, NULL);
	return r;
}

/* A row of another coordinator: a quote. */
static struct store_change row(uint8_t k, const uint8_t *quote, uint64_t proofs, uint64_t last)
{
	struct store_change c = {.kind = CHANGE_PROVER_PUT};

	c.prover = (struct store_prover){.payload = span_of(quote, sizeof quote_a),
					 .payload_kind = REGISTRAR_QUOTE,
					 .source = span_of("10.0.0.9", 8),
					 .first_seen_ms = 1000u + k,
					 .last_seen_ms = 1000u + k,
					 .last_proof_ms = last,
					 .proofs_good = proofs};
	memset(c.prover.signer, k, sizeof c.prover.signer);
	return c;
}

static void take(struct registrar *r, const struct store_change *c)
{
	struct why why = {""};

	if (!prover_row_foreign(r, c, NULL, &why))
		fail_msg("%s", why.text);
}

static const struct registrar_prover *find(const struct registrar *r, uint8_t k)
{
	const struct eth_address a = key(k);

	return registrar_find(r, &a);
}

/* Another's verdict is no verdict here: nothing is registered on its word alone. */
static void test_a_foreign_quote_is_to_be_verified(void **state)
{
	const struct eth_address a = key(1);
	const struct store_change c = row(1, quote_a, 0, 0);
	struct registrar *r = world(0);
	struct registrar_step step;
	struct why why = {""};

	(void)state;
	take(r, &c);
	assert_int_equal(find(r, 1)->fit, REGISTRAR_FIT_UNKNOWN);
	registrar_next(r, 2000, &step, &why);
	assert_int_equal(step.action, REGISTRAR_NOTHING);
	registrar_set_fit(r, &a, REGISTRAR_FIT, "");
	registrar_next(r, 2000, &step, &why);
	assert_int_equal(step.action, REGISTRAR_PREPARE);
	assert_true(eth_address_equal(&step.signer, &a));
	assert_true(span_eq(step.payload, c.prover.payload));
	registrar_free(r);
}

static void test_what_is_counted_does_not_go_down(void **state)
{
	const struct eth_address a = key(1);
	struct store_change c = row(1, quote_a, 5, 9000);
	struct registrar *r = world(0);
	struct registrar_prover older = {.signer = a};
	bool ahead;

	(void)state;
	take(r, &c);
	registrar_set_fit(r, &a, REGISTRAR_FIT, "");
	c = row(1, quote_a, 4, 8000);
	c.prover.last_seen_ms = 7777;
	take(r, &c);
	assert_int_equal(find(r, 1)->proofs, 5);
	assert_int_equal(find(r, 1)->last_proof_ms, 9000);
	assert_int_equal(find(r, 1)->last_seen_ms, 7777);
	assert_int_equal(find(r, 1)->fit, REGISTRAR_FIT); /* the same quote */
	older.kind = REGISTRAR_QUOTE;
	older.payload = c.prover.payload;
	assert_true(registrar_foreign(r, &older, &ahead));
	assert_true(ahead);
	c = row(1, quote_b, 6, 9500);
	take(r, &c);
	assert_int_equal(find(r, 1)->fit, REGISTRAR_FIT_UNKNOWN);
	assert_int_equal(find(r, 1)->proofs, 6);
	registrar_free(r);
}

/* Its proof was judged by the leader. */
static void test_a_foreign_proof_is_a_sign_of_life(void **state)
{
	struct store_change active = row(1, quote_a, 1, 1500), standby = row(2, quote_b, 3, 2500);
	const struct eth_address b = key(2);
	struct registrar *r = world(1);
	struct why why = {""};
	uint64_t now = 3000;

	(void)state;
	take(r, &active);
	take(r, &standby);
	registrar_set_fit(r, &b, REGISTRAR_FIT, "");
	registrar_set_work(r, true, now);
	while (now < 3000 + 2 * SILENCE) {
		now += 1000;
		registrar_set_work(r, true, now);
	}
	assert_non_null(registrar_successor(r, now, &why));
	active = row(1, quote_a, 2, now);
	take(r, &active);
	assert_null(registrar_successor(r, now, &why));
	assert_non_null(strstr(why.text, "at work"));
	registrar_free(r);
}

static void test_more_than_the_limit_came_at_once(void **state)
{
	struct registrar *r = world(1);
	struct eth_address out;
	struct store_change c;
	struct why why = {""};
	uint8_t k;

	(void)state;
	for (k = 1; k <= 6; k++) {
		c = row(k, quote_a, 0, 0);
		assert_false(registrar_surplus(r, 5000, &out) && k <= 4);
		take(r, &c);
	}
	assert_int_equal(registrar_count(r), 6);
	c = row(7, quote_a, 0, 0);
	assert_false(prover_row_foreign(r, &c, NULL, &why));
	assert_non_null(strstr(why.text, "MAX_PROVERS"));
	/* The leader lets them go, the least recently heard of first, but never the contract's. */
	for (k = 2; registrar_surplus(r, 5000, &out); k++) {
		assert_int_equal(out.b[0], k);
		assert_true(registrar_foreign_gone(r, &out));
	}
	assert_int_equal(registrar_count(r), 3);
	assert_non_null(find(r, 1));
	c = row(1, quote_a, 0, 0);
	c.kind = CHANGE_PROVER_DEL;
	take(r, &c);
	assert_non_null(find(r, 1));
	c = row(6, quote_a, 0, 0);
	c.kind = CHANGE_PROVER_DEL;
	take(r, &c);
	assert_null(find(r, 6));
	registrar_free(r);
}

static struct store_change fact(const char *name, const void *value, size_t n)
{
	return (struct store_change){
	    .kind = CHANGE_FACT_PUT,
	    .fact = {.key = span_of(name, strlen(name)), .value = span_of(value, n)}};
}

static void test_the_operator_spoke_elsewhere(void **state)
{
	const struct eth_address a = key(1), b = key(2);
	struct revocation what = revocation_of_key(&b);
	struct prover_revoked_row room;
	struct registrar *r = world(1);
	struct store_change c;
	struct why why = {""};
	bool unrevoked;

	(void)state;
	c = row(2, quote_b, 0, 0);
	take(r, &c);
	c = fact(PROVER_PROMOTED_FACT, b.b, sizeof b.b);
	assert_true(prover_fact_foreign(r, &c, &unrevoked));
	assert_true(eth_address_equal(registrar_promoted(r), &b));
	c.kind = CHANGE_FACT_DEL;
	assert_true(prover_fact_foreign(r, &c, &unrevoked));
	assert_null(registrar_promoted(r));
	prover_revoked_put(&c, &room, &what);
	assert_true(prover_fact_foreign(r, &c, &unrevoked));
	assert_false(unrevoked);
	assert_non_null(registrar_revoked_by(r, &b));
	assert_int_equal(registrar_answer(r, &b, 2000, &why), REGISTRAR_REFUSE);
	prover_revoked_drop(&c, &room, &what);
	assert_true(prover_fact_foreign(r, &c, &unrevoked));
	assert_true(unrevoked);
	assert_null(registrar_revoked_by(r, &b));
	assert_int_equal(registrar_answer(r, &b, 2000, &why), REGISTRAR_ACK_STANDBY);
	c = fact("something", a.b, 20);
	assert_false(prover_fact_foreign(r, &c, &unrevoked));
	registrar_free(r);
}

/* A prover that waits at a follower hears why the leader does not register it now. */
static void test_the_leaders_failure_is_known(void **state)
{
	const struct eth_address a = key(1);
	const struct store_change c = row(1, quote_a, 0, 0);
	struct registrar *r = world(0);
	uint8_t held[8 + 9] = {0};
	struct store_change change;
	struct why why = {""};
	bool unrevoked;

	(void)state;
	take(r, &c);
	registrar_set_fit(r, &a, REGISTRAR_FIT, "");
	registrar_chose(r, &a);
	assert_int_equal(registrar_answer(r, &a, 2000, &why), REGISTRAR_WAIT);
	put_le64(held, 9000);
	memcpy(held + 8, "no funds.", 9);
	change = fact(PROVER_HELD_FACT, held, sizeof held);
	assert_true(prover_fact_foreign(r, &change, &unrevoked));
	assert_int_equal(registrar_answer(r, &a, 2000, &why), REGISTRAR_RETRY);
	assert_non_null(strstr(why.text, "no funds."));
	change.kind = CHANGE_FACT_DEL;
	assert_true(prover_fact_foreign(r, &change, &unrevoked));
	assert_int_equal(registrar_answer(r, &a, 2000, &why), REGISTRAR_WAIT);
	registrar_free(r);
}

/* Another is being registered by the leader: this one stands by, however late it came. */
static void test_the_leaders_choice_is_known(void **state)
{
	const struct eth_address a = key(1), b = key(2);
	struct store_change c = row(1, quote_a, 0, 0);
	struct registrar *r = world(0);
	struct why why = {""};

	(void)state;
	take(r, &c);
	registrar_set_fit(r, &a, REGISTRAR_FIT, "");
	registrar_chose(r, &a);
	c = row(2, quote_b, 0, 0);
	take(r, &c);
	registrar_set_fit(r, &b, REGISTRAR_FIT, "");
	assert_int_equal(registrar_answer(r, &b, 2000, &why), REGISTRAR_ACK_STANDBY);
	assert_int_equal(registrar_answer(r, &a, 2000, &why), REGISTRAR_WAIT);
	registrar_free(r);
}

static void test_who_leads_no_more_forgets_what_was_in_flight(void **state)
{
	const struct eth_address a = key(1);
	const struct store_change c = row(1, quote_a, 0, 0);
	struct registrar *r = world(0);
	struct registrar_step step;
	struct why why = {""};

	(void)state;
	take(r, &c);
	registrar_set_fit(r, &a, REGISTRAR_FIT, "");
	registrar_next(r, 2000, &step, &why);
	registrar_prepared(r, &a);
	assert_true(registrar_register_begin(r, &a, 1000, 2000, &why));
	assert_false(registrar_may_verify(r, &why));
	registrar_yield(r);
	assert_true(registrar_may_verify(r, &why));
	registrar_next(r, 2000, &step, &why);
	assert_int_equal(step.action, REGISTRAR_PREPARE); /* the chain may be another by then */
	registrar_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_foreign_quote_is_to_be_verified),
	    cmocka_unit_test(test_what_is_counted_does_not_go_down),
	    cmocka_unit_test(test_a_foreign_proof_is_a_sign_of_life),
	    cmocka_unit_test(test_more_than_the_limit_came_at_once),
	    cmocka_unit_test(test_the_operator_spoke_elsewhere),
	    cmocka_unit_test(test_the_leaders_failure_is_known),
	    cmocka_unit_test(test_the_leaders_choice_is_known),
	    cmocka_unit_test(test_who_leads_no_more_forgets_what_was_in_flight),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
