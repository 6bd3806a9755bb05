/* A key knocks: with a real store and registrar; quotes and L1 say what the test wants. */
#include "../store/fenced_engine.h"
#include "coordinator/base/clock.h"
#include "coordinator/provers/setup.h"
#include "coordinator/registrar/rows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define CONN 77

struct fixture {
	uv_loop_t loop;
	char dir[64];
	struct store *store;
	struct registrar *registrar;
	struct wake *wake;
	struct setup *setup;
	unsigned answers, holds, wakes;
	enum setup_code code;
	char sentence[512];
	bool gone, store_is_closed;
	bool shared; /* the store */
	struct fenced_engine *engine;
};

static struct l1_facts facts;
static bool facts_known;
/* What quotes_verify() does: answers later where a callback is kept. */
static bool later;
static quotes_cb *waiting;
static void *waiting_arg;
static struct quotes_result result;
static uint64_t generation;
static unsigned verifications;

const struct l1_facts *l1_facts(const struct l1 *c)
{
	(void)c;
	return facts_known ? &facts : NULL;
}

bool quotes_verify(struct quotes *a, struct span quote, const char *source, quotes_cb *cb,
		   void *arg, struct quotes_result *out)
{
	(void)a;
	(void)quote;
	(void)source;
	verifications++;
	waiting = cb;
	waiting_arg = arg;
	*out = result;
	return later;
}

uint64_t quotes_generation(const struct quotes *a)
{
	(void)a;
	return generation;
}

static void on_answer(void *arg, uint64_t conn, enum setup_code code, const char *sentence)
{
	struct fixture *x = arg;

	assert_int_equal(conn, CONN);
	x->answers++;
	x->code = code;
	snprintf(x->sentence, sizeof x->sentence, "%s", sentence);
}

static void on_hold(void *arg, uint64_t conn)
{
	struct fixture *x = arg;

	assert_int_equal(conn, CONN);
	x->holds++;
}

static bool on_waits(void *arg, uint64_t conn)
{
	const struct fixture *x = arg;

	assert_int_equal(conn, CONN);
	return !x->gone;
}

static void on_wake(void *arg)
{
	((struct fixture *)arg)->wakes++;
}

static void on_store_closed(void *arg)
{
	((struct fixture *)arg)->store_is_closed = true;
}

static void nothing(void *arg)
{
	(void)arg;
}

static void open_store(struct fixture *x, size_t queue)
{
	struct store_options so = {.dir = x->dir, .max_queue = queue};
	const struct setup_events events = {on_answer, on_hold, on_waits, x};
	struct setup_parts parts = {.registrar = x->registrar, .wake = x->wake};
	struct why why = {""};

	if (x->shared) {
		x->engine = fenced_engine_new(x->dir, &why);
		assert_non_null(x->engine);
		so.engine = &x->engine->engine;
	}
	assert_int_equal(store_open(&x->store, &x->loop, &so, &why), STORE_OK);
	parts.store = x->store;
	assert_true(setup_new(&x->setup, &parts, &events, &why));
}

static int setup_store(void **state, bool shared)
{
	const struct registrar_settings rs = {.max_provers = 2,
					      .allow_dev_mode = true,
					      .silence_ms = 600000,
					      .drain_ms = 600000,
					      .gas_per_day = 50000000,
					      .gas_per_registration = 60000,
					      .retry_min_ms = 5000,
					      .retry_max_ms = 600000};
	struct fixture *x = calloc(1, sizeof *x);
	struct why why = {""};

	x->shared = shared;
	uv_loop_init(&x->loop);
	strcpy(x->dir, "/tmp/test_setup.XXXXXX");
	assert_non_null(mkdtemp(x->dir));
	x->registrar = registrar_new(&rs);
	x->wake = wake_new(&x->loop, on_wake, x, &why);
	facts = (struct l1_facts){.has_tdx_verifier = true, .tdx_dev_mode = true};
	facts_known = true;
	later = false;
	waiting = NULL;
	generation = 1;
	verifications = 0;
	registrar_set_contract(x->registrar, &(struct eth_address){{1}}, true);
	registrar_set_signer(x->registrar, &(struct eth_address){{0}}, clock_wall_ms(), &why);
	open_store(x, 100);
	*state = x;
	return 0;
}

static int setup(void **state)
{
	return setup_store(state, false);
}

static int setup_shared(void **state)
{
	return setup_store(state, true);
}

static int teardown(void **state)
{
	struct fixture *x = *state;
	char command[128];

	setup_stop(x->setup);
	wake_close(x->wake, nothing, NULL);
	store_close(x->store, on_store_closed, x);
	uv_run(&x->loop, UV_RUN_DEFAULT);
	assert_true(x->store_is_closed);
	setup_free(x->setup);
	registrar_free(x->registrar);
	assert_int_equal(uv_loop_close(&x->loop), 0);
	snprintf(command, sizeof command, "rm -rf %s", x->dir);
	assert_int_equal(system(command), 0);
	free(x);
	return 0;
}

static void knock(struct fixture *x, uint8_t key)
{
	const uint8_t payload[20] = {key, 5};

	setup_begin(x->setup, CONN, span_of(payload, sizeof payload), "10.0.0.5");
}

/* Whoever knocked last is the next to be registered, by a clock of milliseconds. */
static void let_a_millisecond_pass(void)
{
	const uint64_t before = clock_wall_ms();

	while (clock_wall_ms() == before)
		;
}

static void turn_until_woken(struct fixture *x)
{
	while (!x->wakes)
		uv_run(&x->loop, UV_RUN_ONCE);
}

/* The chain holds this key now. */
static void registered(struct fixture *x, uint8_t key)
{
	const struct eth_address signer = {{key, 5}};
	struct why why = {""};

	registrar_set_signer(x->registrar, &signer, clock_wall_ms(), &why);
	setup_answer_all(x->setup);
}

static void test_the_first_key_waits_for_its_registration(void **state)
{
	struct fixture *x = *state;

	knock(x, 1);
	assert_int_equal(x->answers, 0); /* nothing before it is durable */
	turn_until_woken(x);
	assert_int_equal(registrar_count(x->registrar), 1);
	assert_int_equal(x->holds, 1);
	assert_int_equal(x->answers, 0);
	assert_int_equal(setup_waiting(x->setup), 1);
	registered(x, 1);
	assert_int_equal(x->answers, 1);
	assert_int_equal(x->code, SETUP_ACK);
	assert_string_equal(x->sentence, "");
	assert_int_equal(setup_waiting(x->setup), 0);
	assert_int_equal(setup_counters(x->setup)[REGISTRAR_ACK_ACTIVE], 1);
	setup_answer_all(x->setup);
	assert_int_equal(x->answers, 1);
}

static void test_a_second_key_is_a_standby_at_once(void **state)
{
	struct fixture *x = *state;

	knock(x, 1);
	turn_until_woken(x);
	registered(x, 1);
	x->wakes = 0;
	knock(x, 2);
	turn_until_woken(x);
	assert_int_equal(x->answers, 2);
	assert_int_equal(x->code, SETUP_ACK);
	assert_int_equal(setup_counters(x->setup)[REGISTRAR_ACK_STANDBY], 1);
}

static void test_a_prover_that_went(void **state)
{
	struct fixture *x = *state;

	knock(x, 1);
	turn_until_woken(x);
	x->gone = true;
	setup_answer_all(x->setup);
	assert_int_equal(setup_waiting(x->setup), 0);
	assert_int_equal(x->answers, 0);
	assert_int_equal(registrar_count(x->registrar), 1); /* its row stays: it may come again */
}

static void test_no_verifier(void **state)
{
	struct fixture *x = *state;

	facts.has_tdx_verifier = false;
	knock(x, 1);
	assert_int_equal(x->code, SETUP_REFUSED);
	assert_non_null(strstr(x->sentence, "no verifier to register a key with"));
	assert_int_equal(setup_waiting(x->setup), 0);
}

static void test_a_payload_of_another_kind(void **state)
{
	struct fixture *x = *state;

	setup_begin(x->setup, CONN, span_of("short", 5), "10.0.0.5");
	assert_int_equal(x->answers, 1);
	assert_int_not_equal(x->code, SETUP_ACK);
	assert_true(x->sentence[0]);
	assert_int_equal(registrar_count(x->registrar), 0);
}

static void knock_with_a_quote(struct fixture *x)
{
	static uint8_t quote[1000] = {4};

	registrar_set_contract(x->registrar, &(struct eth_address){{1}}, false);
	facts.tdx_dev_mode = false;
	setup_begin(x->setup, CONN, span_of(quote, sizeof quote), "10.0.0.5");
}

static void test_a_quote_that_is_refused_at_once(void **state)
{
	struct fixture *x = *state;

	result = (struct quotes_result){.rc = QUOTES_REFUSED, .sentence = "RTMR1 differs"};
	knock_with_a_quote(x);
	assert_int_equal(x->code, SETUP_REFUSED);
	assert_string_equal(x->sentence, "RTMR1 differs");
	assert_int_equal(setup_counters(x->setup)[REGISTRAR_REFUSE], 1);
}

static void test_a_quote_that_is_attested_later(void **state)
{
	struct fixture *x = *state;

	later = true;
	knock_with_a_quote(x);
	assert_int_equal(x->holds, 1);
	assert_int_equal(x->answers, 0);
	result = (struct quotes_result){
	    .rc = QUOTES_ATTESTED, .signer = {{1, 5}}, .sentence = "", .generation = 1};
	waiting(waiting_arg, &result);
	turn_until_woken(x);
	assert_int_equal(registrar_count(x->registrar), 1);
	assert_int_equal(x->holds, 2);
}

/* Another coordinator changed the row meanwhile: what it says is known by now, and it is decided
 * anew. */
static void test_a_row_that_another_changed(void **state)
{
	struct fixture *x = *state;

	x->engine->conflicts = 2;
	knock(x, 1);
	turn_until_woken(x);
	assert_int_equal(registrar_count(x->registrar), 1);
	assert_int_equal(x->answers, 0);
	registered(x, 1);
	assert_int_equal(x->code, SETUP_ACK);
}

static void test_a_row_that_others_change_for_ever(void **state)
{
	struct fixture *x = *state;

	x->engine->conflicts = 1000;
	knock(x, 1);
	while (!x->answers)
		uv_run(&x->loop, UV_RUN_ONCE);
	assert_int_equal(x->code, SETUP_TRY_AGAIN);
	assert_int_equal(registrar_count(x->registrar), 0);
	assert_int_equal(setup_waiting(x->setup), 0);
}

/* A stranger does not hear where the database is. */
static void test_a_key_that_cannot_be_stored(void **state)
{
	struct fixture *x = *state;

	uv_mutex_lock(&x->engine->mutex);
	x->engine->lost = true;
	uv_mutex_unlock(&x->engine->mutex);
	knock(x, 1);
	while (!x->answers)
		uv_run(&x->loop, UV_RUN_ONCE);
	assert_int_equal(x->code, SETUP_TRY_AGAIN);
	assert_string_equal(x->sentence,
			    "the key could not be stored: the database cannot be reached");
	assert_int_equal(registrar_count(x->registrar), 0);
	assert_int_equal(setup_waiting(x->setup), 0);
}

/* It is acknowledged when the chain holds it, whoever registered it; and refused when it is
 * revoked, whoever was told so. */
static void test_what_the_leader_did_is_answered_here(void **state)
{
	struct fixture *x = *state;
	struct revocation what = revocation_of_key(&(struct eth_address){{2, 5}});
	struct prover_revoked_row room;
	struct store_change change;
	bool unrevoked;

	knock(x, 1);
	turn_until_woken(x);
	x->wakes = 0;
	let_a_millisecond_pass();
	knock(x, 2);
	turn_until_woken(x);
	prover_revoked_put(&change, &room, &what);
	assert_true(prover_fact_foreign(x->registrar, &change, &unrevoked));
	setup_answer_all(x->setup);
	assert_int_equal(x->code, SETUP_REFUSED);
	assert_non_null(strstr(x->sentence, "revoked"));
	registered(x, 1);
	assert_int_equal(x->code, SETUP_ACK);
	knock(x, 2);
	assert_int_equal(x->code, SETUP_REFUSED);
}

struct stored {
	unsigned n;
	bool has[8]; /* by the key's first byte */
};
static struct stored reopen(struct fixture *x);

/* While the row was on its way to the disk, the policy became stricter. */
static void test_a_verdict_that_is_old_when_the_row_is_kept(void **state)
{
	struct fixture *x = *state;
	struct stored t;

	result = (struct quotes_result){
	    .rc = QUOTES_ATTESTED, .signer = {{1, 5}}, .sentence = "", .generation = 1};
	knock_with_a_quote(x);
	assert_int_equal(verifications, 1);
	generation = 2;
	later = true;
	while (verifications < 2)
		uv_run(&x->loop, UV_RUN_ONCE);
	assert_int_equal(registrar_count(x->registrar), 0);
	assert_int_equal(x->answers, 0);
	result = (struct quotes_result){.rc = QUOTES_REFUSED, .sentence = "SEPT_VE_DISABLE"};
	waiting(waiting_arg, &result);
	assert_int_equal(x->code, SETUP_REFUSED);
	assert_int_equal(registrar_count(x->registrar), 0);
	t = reopen(x);
	assert_int_equal(t.n, 0);
}

/* The same quote again within seconds is answered, and costs no row. */
static void test_a_replayed_quote(void **state)
{
	struct fixture *x = *state;

	result = (struct quotes_result){
	    .rc = QUOTES_ATTESTED, .signer = {{1, 5}}, .sentence = "", .generation = 1};
	knock_with_a_quote(x);
	turn_until_woken(x);
	registered(x, 1);
	assert_int_equal(x->answers, 1);
	knock_with_a_quote(x);
	assert_int_equal(x->answers, 2); /* at once */
	assert_int_equal(x->code, SETUP_ACK);
	assert_int_equal(setup_waiting(x->setup), 0);
}

/* The answer of the first key waits while its quote is in doubt, and is no ACK when it fails. */
static void test_a_key_in_doubt_is_not_acknowledged(void **state)
{
	struct fixture *x = *state;
	const struct eth_address signer = {{1, 5}};

	result = (struct quotes_result){
	    .rc = QUOTES_ATTESTED, .signer = signer, .sentence = "", .generation = 1};
	knock_with_a_quote(x);
	turn_until_woken(x);
	registrar_set_fit(x->registrar, &signer, REGISTRAR_FIT_UNKNOWN, "");
	setup_answer_all(x->setup);
	assert_int_equal(x->answers, 0);
	registrar_set_fit(x->registrar, &signer, REGISTRAR_UNFIT, "the policy demands more");
	setup_answer_all(x->setup);
	assert_int_equal(x->code, SETUP_TRY_AGAIN);
	assert_non_null(strstr(x->sentence, "the policy demands more"));
}

static void test_a_quote_for_which_it_is_too_early(void **state)
{
	struct fixture *x = *state;

	later = true;
	knock_with_a_quote(x);
	result = (struct quotes_result){.rc = QUOTES_RETRY, .sentence = "no collateral"};
	waiting(waiting_arg, &result);
	assert_int_equal(x->code, SETUP_TRY_AGAIN);
	assert_string_equal(x->sentence, "no collateral");
	assert_int_equal(setup_waiting(x->setup), 0);
}

static void on_filled(void *arg, enum store_rc rc, const struct why *why)
{
	(void)arg;
	(void)rc;
	(void)why;
}

static void test_a_full_queue_is_no_ack(void **state)
{
	struct fixture *x = *state;
	const struct store_change fill = {.kind = CHANGE_FACT_PUT,
					  .fact = {span_of("a", 1), span_of("b", 1)}};
	unsigned i;

	for (i = 0; i < 2000 && x->answers == 0; i++) {
		while (store_commit(x->store, &fill, 1, on_filled, NULL) == STORE_OK)
			;
		knock(x, 1);
	}
	assert_int_equal(x->code, SETUP_TRY_AGAIN);
	assert_non_null(strstr(x->sentence, "queue is full"));
	assert_int_equal(registrar_count(x->registrar), 0);
}

static void test_stopped_while_a_row_is_on_its_way(void **state)
{
	struct fixture *x = *state;

	knock(x, 1);
	setup_stop(x->setup);
	turn_until_woken(x);
	assert_int_equal(x->answers, 0);
	assert_int_equal(x->holds, 0);
	assert_int_equal(setup_waiting(x->setup), 0);
}

/* ---- rows ---- */

static bool count_row(void *arg, const struct store_prover *row, struct why *why)
{
	struct stored *t = arg;

	(void)why;
	t->n++;
	t->has[row->signer[0] & 7] = true;
	return true;
}

/* Everything under way is stored, and what a new start would read of it counted. */
static struct stored reopen(struct fixture *x)
{
	const struct store_visitor visitor = {.prover = count_row};
	struct stored t = {0};
	struct why why = {""};

	store_close(x->store, on_store_closed, x);
	while (!x->store_is_closed)
		uv_run(&x->loop, UV_RUN_ONCE);
	x->store_is_closed = false;
	setup_free(x->setup);
	open_store(x, 100);
	assert_int_equal(store_load(x->store, &visitor, &t, &why), STORE_OK);
	return t;
}

static void turn_until_answers(struct fixture *x, unsigned n)
{
	while (x->answers < n)
		uv_run(&x->loop, UV_RUN_ONCE);
}

/* Key 1 is the contract's, key 2 stands by: the table is full. */
static void fill_the_table(struct fixture *x)
{
	knock(x, 1);
	turn_until_woken(x);
	registered(x, 1);
	knock(x, 2);
	turn_until_answers(x, 2);
	assert_int_equal(registrar_count(x->registrar), 2);
}

static void test_two_knock_for_one_place(void **state)
{
	struct fixture *x = *state;
	struct stored t;

	fill_the_table(x);
	knock(x, 3);
	knock(x, 4);
	turn_until_answers(x, 4);
	assert_int_equal(x->code, SETUP_TRY_AGAIN);
	assert_non_null(strstr(x->sentence, "no place for prover"));
	t = reopen(x);
	assert_int_equal(t.n, 2);
	assert_true(t.has[1] && t.has[3]);
}

static void test_whoever_was_to_go_is_registered_meanwhile(void **state)
{
	struct fixture *x = *state;
	struct stored t;

	fill_the_table(x);
	knock(x, 3);
	registered(x, 2);
	turn_until_answers(x, 3);
	assert_int_equal(x->code, SETUP_TRY_AGAIN);
	t = reopen(x);
	assert_int_equal(t.n, 2);
	assert_true(t.has[1] && t.has[2]);
}

static void test_a_key_knocks_twice_for_one_place(void **state)
{
	struct fixture *x = *state;
	struct stored t;

	fill_the_table(x);
	knock(x, 3);
	knock(x, 3);
	turn_until_answers(x, 4);
	assert_int_equal(x->code, SETUP_ACK);
	t = reopen(x);
	assert_int_equal(t.n, 2);
	assert_true(t.has[1] && t.has[3]);
}

static void test_rows_come_back_as_they_went(void **state)
{
	struct fixture *x = *state;
	const struct registrar_settings rs = {.max_provers = 1, .allow_dev_mode = true};
	const struct registrar_prover *p;
	struct registrar *again = registrar_new(&rs);
	struct store_change change, promoted;
	struct prover_revoked_row room;
	struct revocation what;
	struct store_fact other = {span_of("verdict/x", 9), span_of("y", 1)};
	struct why why = {""};

	knock(x, 1);
	turn_until_woken(x);
	p = registrar_at(x->registrar, 0);
	prover_row_put(&change, p);
	assert_true(prover_row_get(again, &change.prover, &why));
	assert_string_equal(registrar_at(again, 0)->source, "10.0.0.5");
	assert_true(span_eq(registrar_at(again, 0)->payload, p->payload));
	assert_int_equal(registrar_at(again, 0)->first_seen_ms, p->first_seen_ms);
	assert_null(registrar_revoked_by(again, &p->signer));
	change.prover.signer[0] ^= 1;
	assert_false(prover_row_get(again, &change.prover, &why));
	assert_non_null(strstr(why.text, "MAX_PROVERS"));

	prover_promoted_put(&promoted, &p->signer);
	assert_true(prover_fact_get(again, &promoted.fact));
	assert_true(eth_address_equal(registrar_promoted(again), &p->signer));
	assert_false(prover_fact_get(again, &other));
	what = revocation_of_key(&p->signer);
	what.at_ms = 1234567890123;
	prover_revoked_put(&promoted, &room, &what);
	assert_true(prover_fact_get(again, &promoted.fact));
	assert_int_equal(registrar_revoked_by(again, &p->signer)->at_ms, what.at_ms);
	assert_true(revocation_parse(&what, "ppid:00112233445566778899aabbccddeeff", &why));
	prover_revoked_put(&promoted, &room, &what);
	assert_true(prover_fact_get(again, &promoted.fact));
	assert_int_equal(registrar_revocation_at(again, 1)->kind, REVOCATION_PPID);
	prover_promoted_put(&promoted, &p->signer);
	/* What is not well formed is passed over. */
	promoted.fact.value.n = 3;
	assert_true(prover_fact_get(again, &promoted.fact));
	other = (struct store_fact){span_of(PROVER_GAS_FACT, strlen(PROVER_GAS_FACT)),
				    span_of("short", 5)};
	assert_true(prover_fact_get(again, &other));
	registrar_free(again);
}

#define TEST(name)   cmocka_unit_test_setup_teardown(name, setup, teardown)
#define SHARED(name) cmocka_unit_test_setup_teardown(name, setup_shared, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {TEST(test_the_first_key_waits_for_its_registration),
					   TEST(test_a_second_key_is_a_standby_at_once),
					   TEST(test_a_prover_that_went),
					   TEST(test_no_verifier),
					   TEST(test_a_payload_of_another_kind),
					   TEST(test_a_quote_that_is_refused_at_once),
					   TEST(test_a_quote_that_is_attested_later),
					   TEST(test_a_verdict_that_is_old_when_the_row_is_kept),
					   TEST(test_a_replayed_quote),
					   TEST(test_a_key_in_doubt_is_not_acknowledged),
					   TEST(test_a_quote_for_which_it_is_too_early),
					   TEST(test_a_full_queue_is_no_ack),
					   TEST(test_stopped_while_a_row_is_on_its_way),
					   TEST(test_two_knock_for_one_place),
					   TEST(test_whoever_was_to_go_is_registered_meanwhile),
					   TEST(test_a_key_knocks_twice_for_one_place),
					   TEST(test_rows_come_back_as_they_went),
					   SHARED(test_a_row_that_another_changed),
					   SHARED(test_a_row_that_others_change_for_ever),
					   SHARED(test_a_key_that_cannot_be_stored),
					   SHARED(test_what_the_leader_did_is_answered_here)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
