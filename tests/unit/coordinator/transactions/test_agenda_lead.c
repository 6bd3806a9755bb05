/* Several coordinators on one store, and one leads: who does not signs and sends nothing. */
#include "agenda_world.h"

static bool has_a_sender(void *arg)
{
	return agenda_sender(((struct fixture *)arg)->agenda) != NULL;
}

static bool has_no_sender(void *arg)
{
	return !has_a_sender(arg);
}

static bool says_who_leads(void *arg)
{
	return strcmp(agenda_sentence(((struct fixture *)arg)->agenda),
		      "another coordinator (other) leads; this one accepts provers") == 0;
}

static bool was_refused(void *arg)
{
	return fenced_refused(((struct fixture *)arg)->engine) >= 2;
}

static bool was_sent(void *arg)
{
	return ((struct fixture *)arg)->w.n_raw > 0;
}

static uint64_t signatures(const struct fixture *x)
{
	struct signing_info info;

	assert_true(signing_info(x->signing, SIGNING_REGISTRAR, &info));
	return info.made;
}

static void test_a_follower_sends_nothing(void **state)
{
	struct fixture *x = *state;

	l1_start(x->l1);
	enlist(x);
	l1_world_until(&x->w, says_who_leads, x);
	l1_world_wait(&x->w, 100);
	assert_null(agenda_sender(x->agenda));
	assert_int_equal(signatures(x), 0);
	assert_int_equal(x->w.n_raw, 0);
}

static void test_a_leader_registers(void **state)
{
	struct fixture *x = *state;

	l1_start(x->l1);
	enlist(x);
	l1_world_until(&x->w, says_who_leads, x);
	fenced_lead(x->engine, 1);
	l1_world_until(&x->w, is_registered, x);
	assert_int_equal(x->w.n_raw, 1);
	assert_int_equal(signatures(x), 1);
}

/* It was paused, and has not heard yet that another leads. */
static void test_the_fence_refuses_the_intent(void **state)
{
	struct fixture *x = *state;

	l1_start(x->l1);
	fenced_lead(x->engine, 1);
	l1_world_until(&x->w, has_a_sender, x);
	fenced_set_fence(x->engine, 0);
	enlist(x);
	l1_world_until(&x->w, was_refused, x);
	assert_int_equal(signatures(x), 0);
	assert_int_equal(x->w.n_raw, 0);
	fenced_lead(x->engine, 0);
	l1_world_until(&x->w, has_no_sender, x);
	l1_world_wait(&x->w, 50);
	assert_int_equal(signatures(x), 0);
	assert_int_equal(x->w.n_raw, 0);
	assert_true(says_who_leads(x));
	/* What it had begun is forgotten: with its turn it begins anew. */
	fenced_lead(x->engine, 3);
	l1_world_until(&x->w, is_registered, x);
	assert_int_equal(x->w.n_raw, 1);
}

/* Another led in between: what was submitted under the former fence is not stored. */
static void test_another_fence_refuses_too(void **state)
{
	struct fixture *x = *state;

	l1_start(x->l1);
	fenced_lead(x->engine, 1);
	l1_world_until(&x->w, has_a_sender, x);
	fenced_set_fence(x->engine, 5);
	enlist(x);
	l1_world_until(&x->w, was_refused, x);
	assert_int_equal(signatures(x), 0);
	fenced_lead(x->engine, 5);
	l1_world_until(&x->w, is_registered, x);
	assert_int_equal(x->w.n_raw, 1);
}

static void test_a_lost_database_stops_the_sender(void **state)
{
	struct fixture *x = *state;

	l1_start(x->l1);
	fenced_lead(x->engine, 1);
	l1_world_until(&x->w, has_a_sender, x);
	uv_mutex_lock(&x->engine->mutex);
	x->engine->lost = true;
	uv_mutex_unlock(&x->engine->mutex);
	enlist(x);
	l1_world_wait(&x->w, 150);
	assert_int_equal(signatures(x), 0);
	assert_int_equal(x->w.n_raw, 0);
	uv_mutex_lock(&x->engine->mutex);
	x->engine->lost = false;
	uv_mutex_unlock(&x->engine->mutex);
	l1_world_until(&x->w, is_registered, x);
	assert_int_equal(x->w.n_raw, 1);
}

/* The next leader finds the intent, and the receipt of what the former one sent. */
static void test_a_takeover_follows_what_was_sent(void **state)
{
	struct fixture *x = *state;
	uint64_t made;

	l1_start(x->l1);
	enlist(x);
	fenced_lead(x->engine, 1);
	l1_world_until(&x->w, was_sent, x);
	made = signatures(x);
	/* It ends before it has heard of the receipt. */
	fenced_lead(x->engine, 0);
	l1_world_until(&x->w, has_no_sender, x);
	fenced_lead(x->engine, 2);
	l1_world_until(&x->w, is_registered, x);
	assert_int_equal(x->w.n_raw, 1);
	assert_int_equal(signatures(x), made);
}

/* Whatever it was at when it lost the lead: it is registered once, and what comes goes on. */
static void test_leadership_that_flaps(void **state)
{
	struct fixture *x = *state;
	uint64_t fence = 1;
	unsigned i;

	l1_start(x->l1);
	enlist(x);
	for (i = 0; i < 60; i++) {
		fenced_lead(x->engine, fence++);
		l1_world_wait(&x->w, i % 30);
		fenced_lead(x->engine, 0);
		if (i % 3)
			l1_world_wait(&x->w, i % 7);
	}
	fenced_lead(x->engine, fence);
	for (i = 1; i <= BATCHES; i++)
		prove(x, i, &x->prover);
	l1_world_until(&x->w, all_verified, x);
	assert_true(eth_address_equal(&x->w.signer, &x->signer));
	/* A registration, and a run of the batches, whose proofs may come one after the other. */
	assert_in_range(x->w.n_raw, 2, 1 + BATCHES);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_shared, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_a_follower_sends_nothing),
	    TEST(test_a_leader_registers),
	    TEST(test_the_fence_refuses_the_intent),
	    TEST(test_another_fence_refuses_too),
	    TEST(test_a_lost_database_stops_the_sender),
	    TEST(test_a_takeover_follows_what_was_sent),
	    TEST(test_leadership_that_flaps),
	};

	if (signing_world_is_it(argc, argv))
		return signer_main();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
