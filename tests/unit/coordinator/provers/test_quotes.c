/* A stranger's quote becomes a verdict: the pool, the collateral, what is remembered, and looking
 * again. With the collateral client's own world; L1 says what the test wants. */
#include "collateral_world.h"
#include "coordinator/provers/quotes.h"
#include "coordinator/verdicts/policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
	struct world *w;
	struct store *store;
	struct registrar *registrar;
	struct verdicts *verdicts;
	struct wake *wake;
	struct quotes *quotes;
	struct quotes_options options;
	struct eth_address signer;
	unsigned answers, wakes;
	struct quotes_result got;
	char sentence[QUOTE_CHECK_SENTENCE_MAX];
	bool closed;
};

static struct l1_facts facts;
static bool facts_known, time_known;
static int64_t time_there;

const struct l1_facts *l1_facts(const struct l1 *c)
{
	(void)c;
	return facts_known ? &facts : NULL;
}

bool l1_time(const struct l1 *c, int64_t max_skew_s, int64_t *now, struct why *why)
{
	(void)c;
	(void)max_skew_s;
	*now = time_there;
	if (!time_known)
		why_set(why, "L1 has not yet said what time it is there");
	return time_known;
}

static void on_result(void *arg, const struct quotes_result *result)
{
	struct fixture *x = arg;

	x->answers++;
	x->got = *result;
	snprintf(x->sentence, sizeof x->sentence, "%s", result->sentence);
}

static void on_wake(void *arg)
{
	((struct fixture *)arg)->wakes++;
}

static void on_closed(void *arg)
{
	((struct fixture *)arg)->closed = true;
}

static bool make(struct fixture *x, struct why *why)
{
	const struct quotes_parts parts = {.loop = &x->w->loop,
					   .store = x->store,
					   .registrar = x->registrar,
					   .collateral = x->w->c,
					   .verdicts = x->verdicts,
					   .wake = x->wake};

	return quotes_new(&x->quotes, &parts, &x->options, why);
}

static int setup(void **state)
{
	const struct registrar_settings rs = {.max_provers = 4, .silence_ms = 600000};
	struct fixture *x = calloc(1, sizeof *x);
	struct store_options so = {0};
	struct why why = {""};
	void *w;
	int i;

	assert_int_equal(world_setup(&w), 0);
	x->w = w;
	/* The first 20 bytes of the report data are the key; built again with them. */
	forged_free(&x->w->good);
	memset(x->w->forge.body + TDXV_TD_REPORTDATA, 0, 64);
	memset(x->w->forge.body + TDXV_TD_REPORTDATA, 0x5a, 20);
	memset(x->signer.b, 0x5a, 20);
	forge_build(&x->w->good, &x->w->forge);
	world_open(x->w);
	so.dir = x->w->dir;
	assert_int_equal(store_open(&x->store, &x->w->loop, &so, &why), STORE_OK);
	x->registrar = registrar_new(&rs);
	x->verdicts = verdicts_new(8);
	x->wake = wake_new(&x->w->loop, on_wake, x, &why);
	x->options = (struct quotes_options){.policy_file = "",
					     .max_provers = 4,
					     .max_verifications = 2,
					     .max_refusals = 16,
					     .expiry_warning_s = 604800};
	facts = (struct l1_facts){.has_tdx_verifier = true, .has_measurements = true};
	memcpy(facts.measurement[0], x->w->forge.body + TDXV_TD_MRTD, 48);
	for (i = 0; i < 3; i++)
		memcpy(facts.measurement[1 + i], x->w->forge.body + TDXV_TD_RTMR0 + 48 * i, 48);
	facts_known = time_known = true;
	time_there = FORGE_NOW;
	if (!make(x, &why))
		fail_msg("%s", why.text);
	*state = x;
	return 0;
}

static void close_quotes(struct fixture *x)
{
	quotes_close(x->quotes, on_closed, x);
	while (!x->closed)
		uv_run(&x->w->loop, UV_RUN_ONCE);
}

static int teardown(void **state)
{
	struct fixture *x = *state;
	struct fixture store = {.w = x->w};
	void *w = x->w;

	if (!x->closed)
		close_quotes(x);
	wake_close(x->wake, on_closed, x);
	store_close(x->store, on_closed, &store);
	while (!store.closed)
		uv_run(&x->w->loop, UV_RUN_ONCE);
	quotes_free(x->quotes);
	verdicts_free(x->verdicts);
	registrar_free(x->registrar);
	free(x);
	return world_teardown(&w);
}

static bool offer(struct fixture *x)
{
	return quotes_verify(x->quotes, buf_span(&x->w->good.quote), "10.0.0.5", on_result, x,
			     &x->got);
}

static void await(struct fixture *x, unsigned answers)
{
	while (x->answers < answers)
		uv_run(&x->w->loop, UV_RUN_ONCE);
}

static void expect_now(struct fixture *x, enum quotes_rc rc, const char *words)
{
	assert_false(offer(x));
	assert_int_equal(x->got.rc, rc);
	if (!strstr(x->got.sentence, words))
		fail_msg("\"%s\" does not say \"%s\"", x->got.sentence, words);
}

static void test_a_good_quote(void **state)
{
	struct fixture *x = *state;
	json_t *list;

	quotes_on_facts(x->quotes);
	assert_true(offer(x));
	assert_int_equal(x->answers, 0); /* never from inside */
	await(x, 1);
	if (x->got.rc != QUOTES_ATTESTED)
		fail_msg("%s", x->sentence);
	assert_true(eth_address_equal(&x->got.signer, &x->signer));
	assert_int_equal(quotes_counters(x->quotes)->verdicts[QUOTES_ATTESTED], 1);
	assert_int_equal(quotes_evidence(x->quotes, &x->signer)->tcb_status, TDXV_TCB_UP_TO_DATE);
	assert_true(quotes_seconds_left(x->quotes, FORGE_NOW) > 0);
	list = verdicts_list(x->verdicts);
	assert_int_equal(json_array_size(list), 1);
	json_decref(list);
}

static void write_policy(const struct fixture *x, char path[160], const char *text)
{
	FILE *f;

	snprintf(path, 160, "%s/policy.json", x->w->dir);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

/* A policy that wants another image than the quotes have. */
static void make_stricter(struct fixture *x)
{
	char path[160], other[97];
	char text[256];
	struct quotes_options options = x->options;
	struct why why = {""};

	memset(other, 'a', 96);
	other[96] = '\0';
	snprintf(text, sizeof text, "{\"images\":[{\"name\":\"one\",\"mrtd\":\"%s\"}]}", other);
	write_policy(x, path, text);
	options.policy_file = path;
	if (!quotes_reload(x->quotes, &options, &why))
		fail_msg("%s", why.text);
}

/* What passed is known by its bytes, for as long as what it was judged by. */
static void test_a_good_quote_again(void **state)
{
	struct fixture *x = *state;
	uint64_t operations;

	quotes_on_facts(x->quotes);
	assert_true(offer(x));
	await(x, 1);
	operations = quotes_counters(x->quotes)->ecdsa_operations;
	assert_false(offer(x));
	assert_int_equal(x->got.rc, QUOTES_ATTESTED);
	assert_true(eth_address_equal(&x->got.signer, &x->signer));
	assert_int_equal(x->got.generation, quotes_generation(x->quotes));
	assert_int_equal(quotes_counters(x->quotes)->ecdsa_operations, operations);
	assert_int_equal(quotes_counters(x->quotes)->remembered, 1);
	/* One byte of it is another: no signature holds, whatever is remembered. */
	x->w->good.quote.p[x->w->good.quote.len - 3000] ^= 1;
	assert_true(offer(x));
	await(x, 2);
	assert_int_equal(x->got.rc, QUOTES_REFUSED);
	x->w->good.quote.p[x->w->good.quote.len - 3000] ^= 1;
	assert_false(offer(x));
	assert_int_equal(x->got.rc, QUOTES_ATTESTED);
	/* Without L1's time nothing is known to hold. */
	time_known = false;
	assert_false(offer(x));
	assert_int_equal(x->got.rc, QUOTES_RETRY);
	time_known = true;
	/* Past the end of its collateral. */
	time_there = quotes_evidence(x->quotes, &x->signer)->valid_to;
	assert_true(offer(x));
	await(x, 3);
	time_there = FORGE_NOW;
	/* Collateral, policy or contract moved. */
	quotes_changed(x->quotes);
	assert_true(offer(x));
	await(x, 4);
	assert_int_equal(x->got.rc, QUOTES_ATTESTED);
	make_stricter(x);
	assert_true(offer(x));
	await(x, 5);
	assert_int_equal(x->got.rc, QUOTES_REFUSED);
	assert_non_null(strstr(x->sentence, "MRTD"));
}

/* The verdict is of the policy that holds when it is given. */
static void test_a_stricter_policy_while_a_quote_waits_for_collateral(void **state)
{
	struct fixture *x = *state;

	quotes_on_facts(x->quotes);
	assert_true(offer(x));
	while (!x->w->a.n_requests && !x->w->b.n_requests)
		uv_run(&x->w->loop, UV_RUN_ONCE);
	assert_int_equal(x->answers, 0);
	make_stricter(x);
	await(x, 1);
	assert_int_equal(x->got.rc, QUOTES_REFUSED);
	assert_non_null(strstr(x->sentence, "MRTD"));
}

/* A refusal under the former policy is none under this one, nor is it remembered. */
static void test_a_milder_contract_while_a_quote_is_looked_at(void **state)
{
	struct fixture *x = *state;

	facts.measurement[2][0] ^= 1;
	quotes_on_facts(x->quotes);
	assert_true(offer(x));
	facts.measurement[2][0] ^= 1;
	quotes_on_facts(x->quotes); /* the job is in the pool */
	await(x, 1);
	if (x->got.rc != QUOTES_ATTESTED)
		fail_msg("%s", x->sentence);
	assert_int_equal(x->got.generation, quotes_generation(x->quotes));
}

static void test_what_changes_without_end(void **state)
{
	struct fixture *x = *state;

	quotes_on_facts(x->quotes);
	assert_true(offer(x));
	while (!x->answers) {
		quotes_changed(x->quotes);
		uv_run(&x->w->loop, UV_RUN_NOWAIT);
	}
	assert_int_equal(x->got.rc, QUOTES_RETRY);
	assert_non_null(strstr(x->sentence, "changed while"));
}

/* An OutOfDate platform may sign somebody's header and body: that is held against it alone. */
static void test_a_refused_platform_poisons_no_other(void **state)
{
	struct fixture *x = *state;
	struct buf good = x->w->good.quote;
	struct forged old = {0};

	quotes_on_facts(x->quotes);
	x->w->forge.comp_svn[3] = 1;
	forge_build(&old, &x->w->forge);
	x->w->forge.comp_svn[3] = 5;
	x->w->good.quote = old.quote;
	assert_true(offer(x));
	await(x, 1);
	assert_int_equal(x->got.rc, QUOTES_REFUSED);
	expect_now(x, QUOTES_REFUSED, "refused before: ");
	x->w->good.quote = good;
	assert_true(offer(x));
	await(x, 2);
	if (x->got.rc != QUOTES_ATTESTED)
		fail_msg("%s", x->sentence);
	forged_free(&old);
}

static void test_before_l1_has_spoken(void **state)
{
	struct fixture *x = *state;

	expect_now(x, QUOTES_RETRY, "which measurements the TDXVerifier demands");
	quotes_on_facts(x->quotes);
	time_known = false;
	expect_now(x, QUOTES_RETRY, "what time it is");
}

static void test_too_many_at_once(void **state)
{
	struct fixture *x = *state;

	quotes_on_facts(x->quotes);
	assert_true(offer(x));
	assert_true(offer(x));
	expect_now(x, QUOTES_RETRY, "2 quotes are being verified");
	await(x, 2);
}

/* Another image than the contract's: refused in words, and remembered. */
static void test_a_refusal_is_remembered(void **state)
{
	struct fixture *x = *state;

	facts.measurement[2][0] ^= 1; /* RTMR1 */
	quotes_on_facts(x->quotes);
	assert_true(offer(x));
	await(x, 1);
	assert_int_equal(x->got.rc, QUOTES_REFUSED);
	assert_non_null(strstr(x->sentence, "RTMR1"));
	expect_now(x, QUOTES_REFUSED, "refused before: ");
	assert_int_equal(quotes_counters(x->quotes)->remembered, 1);
	/* What the contract demands has changed: it is looked at again. */
	facts.measurement[2][0] ^= 1;
	quotes_on_facts(x->quotes);
	assert_true(offer(x));
	await(x, 2);
	assert_int_equal(x->got.rc, QUOTES_ATTESTED);
}

/* It is the operator's word, and not of the quote's bytes: the verdict says so, and it can be taken
 * back. */
static void test_a_revoked_platform(void **state)
{
	struct fixture *x = *state;
	struct revocation fmspc;
	struct traits traits;
	struct why why = {""};

	quotes_on_facts(x->quotes);
	assert_true(offer(x));
	await(x, 1);
	assert_int_equal(x->got.rc, QUOTES_ATTESTED);
	traits_of(&traits, &x->signer, buf_span(&x->w->good.quote));
	assert_true(traits_at(&traits, REVOCATION_FMSPC, &fmspc));
	assert_true(registrar_revoke(x->registrar, &fmspc, &why));
	assert_true(offer(x)); /* that it was good counts no more */
	await(x, 2);
	assert_int_equal(x->got.rc, QUOTES_REFUSED);
	assert_non_null(strstr(x->sentence, "the operator revoked fmspc:"));
	expect_now(x, QUOTES_REFUSED, "the operator revoked fmspc:");
	assert_true(registrar_unrevoke(x->registrar, &fmspc, &why));
	quotes_changed(x->quotes);
	assert_true(offer(x));
	await(x, 3);
	assert_int_equal(x->got.rc, QUOTES_ATTESTED);
}

static void test_a_source_of_bad_quotes_waits(void **state)
{
	const struct eth_address neighbour = {{7}};
	struct fixture *x = *state;
	struct registrar_check check;
	struct why why = {""};
	unsigned i = 0;

	registrar_set_contract(x->registrar, &(struct eth_address){{1}}, false);
	do { /* each time another image is asked for, so that none is known already */
		facts.measurement[2][0]++;
		quotes_on_facts(x->quotes);
		if (!offer(x))
			break;
		await(x, ++i);
	} while (i < 20 && x->got.rc == QUOTES_REFUSED);
	assert_int_equal(x->got.rc, QUOTES_RETRY);
	assert_non_null(strstr(x->got.sentence, "refused one after the other"));
	assert_int_equal(quotes_counters(x->quotes)->penalties, 1);
	/* An address is not an identity: where one key does well, another's quote is looked at. */
	assert_true(registrar_check(x->registrar, buf_span(&x->w->good.quote), &neighbour,
				    "10.0.0.5", 1000, &check, &why));
	assert_true(registrar_setup(x->registrar, &check, &why));
	assert_true(offer(x));
	await(x, i + 1);
	assert_int_equal(x->got.rc, QUOTES_REFUSED);
}

/* What is kept is verified again when the world changes, and the registrar is told. */
static void test_a_recheck(void **state)
{
	struct fixture *x = *state;
	struct registrar_check check;
	struct why why = {""};

	quotes_on_facts(x->quotes);
	registrar_set_contract(x->registrar, &(struct eth_address){{1}}, false);
	assert_true(registrar_check(x->registrar, buf_span(&x->w->good.quote), &x->signer,
				    "10.0.0.5", 1000, &check, &why));
	assert_true(registrar_setup(x->registrar, &check, &why));
	quotes_changed(x->quotes);
	while (registrar_at(x->registrar, 0)->fit != REGISTRAR_FIT || !x->wakes)
		uv_run(&x->w->loop, UV_RUN_ONCE);
	facts.measurement[3][5] ^= 1;
	x->wakes = 0;
	quotes_on_facts(x->quotes);
	while (registrar_at(x->registrar, 0)->fit != REGISTRAR_UNFIT || !x->wakes)
		uv_run(&x->w->loop, UV_RUN_ONCE);
	assert_int_equal(quotes_counters(x->quotes)->became_unfit, 1);
	assert_true(quotes_counters(x->quotes)->rechecks >= 2);
}

/* A quote that knocked at another coordinator is verified here too, and no other with it: then
 * there is evidence, as preparing its registration needs. */
static void test_a_quote_of_another_coordinator(void **state)
{
	struct fixture *x = *state;
	struct registrar_prover row = {.signer = x->signer,
				       .kind = REGISTRAR_QUOTE,
				       .payload = buf_span(&x->w->good.quote),
				       .source = "10.0.0.9"};
	bool ahead;

	quotes_on_facts(x->quotes);
	registrar_set_contract(x->registrar, &(struct eth_address){{1}}, false);
	assert_true(registrar_foreign(x->registrar, &row, &ahead));
	assert_null(quotes_evidence(x->quotes, &x->signer));
	quotes_look(x->quotes);
	while (registrar_at(x->registrar, 0)->fit != REGISTRAR_FIT || !x->wakes)
		uv_run(&x->w->loop, UV_RUN_ONCE);
	assert_non_null(quotes_evidence(x->quotes, &x->signer)->collateral);
	assert_int_equal(quotes_counters(x->quotes)->rechecks, 1);
	x->wakes = 0;
	quotes_look(x->quotes);
	while (!x->wakes)
		uv_run(&x->w->loop, UV_RUN_ONCE);
	assert_int_equal(quotes_counters(x->quotes)->rechecks, 1);
}

/* Another coordinator's row of a verdict on the good quote. */
static void told(struct fixture *x, const char *more)
{
	struct store_change change = {.kind = CHANGE_FACT_PUT};
	char key[80] = "verdict/", value[512];
	struct quote_keys keys;
	struct tdxv_quote q;

	quote_check_keys(&keys, &q, buf_span(&x->w->good.quote));
	hex_encode(key + strlen(key), keys.whole.sha256, 32);
	snprintf(value, sizeof value,
		 "{\"quote_sha256\":\"%s\",\"answer\":\"refused\",\"reason\":\"its "
		 "signature is broken\"%s}",
		 key + strlen("verdict/"), more);
	change.fact.key = span_of(key, strlen(key));
	change.fact.value = span_of(value, strlen(value));
	assert_true(quotes_fact_foreign(x->quotes, &change, NULL));
	assert_non_null(verdicts_find(x->verdicts, key + strlen("verdict/")));
}

/* What another refused for good is refused without a look; what other collateral may change is not.
 */
static void test_what_another_coordinator_refused(void **state)
{
	struct fixture *x = *state;
	const struct store_change other = {.kind = CHANGE_FACT_PUT,
					   .fact = {.key = span_of("chain", 5)}};

	quotes_on_facts(x->quotes);
	assert_false(quotes_fact_foreign(x->quotes, &other, NULL));
	told(x, "");
	assert_true(offer(x));
	await(x, 1);
	assert_int_equal(x->got.rc, QUOTES_ATTESTED);
	told(x, ",\"lasting\":true");
	expect_now(x, QUOTES_REFUSED, "refused before: its signature is broken");
}

static void test_no_collateral(void **state)
{
	struct fixture *x = *state;

	fake_pcs_stop(&x->w->a);
	fake_pcs_stop(&x->w->b);
	quotes_on_facts(x->quotes);
	assert_true(offer(x));
	await(x, 1);
	assert_int_equal(x->got.rc, QUOTES_RETRY);
	assert_true(x->sentence[0]);
	/* Nothing is held against it. */
	assert_int_equal(quotes_counters(x->quotes)->verdicts[QUOTES_REFUSED], 0);
	fake_pcs_start(&x->w->a, &x->w->loop, &x->w->good);
	fake_pcs_start(&x->w->b, &x->w->loop, &x->w->good);
}

static void test_closing_with_a_job_in_the_pool(void **state)
{
	struct fixture *x = *state;

	quotes_on_facts(x->quotes);
	assert_true(offer(x));
	close_quotes(x);
	assert_int_equal(x->answers, 0);
	quotes_changed(x->quotes);
	quotes_tick(x->quotes);
	assert_int_equal(x->answers, 0);
}

static void test_policies(void **state)
{
	struct fixture *x = *state;
	struct quotes *kept = x->quotes;
	struct quotes_options other = x->options;
	struct why why = {""};
	char path[160];

	other.policy_file = "/nowhere/policy.json";
	assert_false(quotes_reload(x->quotes, &other, &why));
	assert_non_null(strstr(why.text, "/nowhere/policy.json"));
	write_policy(x, path, "{\"no_such_rule\": 1}");
	other.policy_file = path;
	assert_false(quotes_reload(x->quotes, &other, &why));
	assert_non_null(strstr(why.text, "policy file"));
	/* Nothing was taken over: a start with it would fail as well, and says so. */
	x->options.policy_file = path;
	assert_false(make(x, &why));
	assert_null(x->quotes);
	x->quotes = kept;
	x->options.policy_file = "";
	write_policy(x, path, "{}");
	other.policy_file = path;
	assert_true(quotes_reload(x->quotes, &other, &why));
}

static void test_evidence_is_kept_of_so_many(void **state)
{
	struct fixture *x = *state;
	struct evidence_book *b = evidence_new(x->registrar, 1);
	struct quote_checked found = {.signer = {{1}}, .valid_to = FORGE_NOW + 100};
	struct got g = {0};

	assert_non_null(b);
	world_get(x->w, FORGE_NOW, &g);
	assert_non_null(g.set);
	evidence_put(b, &found, g.set, 1);
	assert_int_equal(evidence_seconds_left(b, FORGE_NOW), 100);
	/* The first belongs to nobody that the registrar knows: it makes room. */
	found.signer.b[0] = 2;
	evidence_put(b, &found, g.set, 1);
	assert_null(evidence_find(b, &(struct eth_address){{1}}));
	assert_non_null(evidence_find(b, &(struct eth_address){{2}}));
	evidence_tick(b, FORGE_NOW, 604800);
	assert_true(evidence_seconds_left(b, FORGE_NOW) == INT64_MAX);
	evidence_free(b);
	got_free(&g);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_a_good_quote),
	    TEST(test_a_good_quote_again),
	    TEST(test_a_stricter_policy_while_a_quote_waits_for_collateral),
	    TEST(test_a_milder_contract_while_a_quote_is_looked_at),
	    TEST(test_what_changes_without_end),
	    TEST(test_a_refused_platform_poisons_no_other),
	    TEST(test_before_l1_has_spoken),
	    TEST(test_too_many_at_once),
	    TEST(test_a_refusal_is_remembered),
	    TEST(test_a_revoked_platform),
	    TEST(test_a_source_of_bad_quotes_waits),
	    TEST(test_a_recheck),
	    TEST(test_a_quote_of_another_coordinator),
	    TEST(test_what_another_coordinator_refused),
	    TEST(test_no_collateral),
	    TEST(test_closing_with_a_job_in_the_pool),
	    TEST(test_policies),
	    TEST(test_evidence_is_kept_of_so_many)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
