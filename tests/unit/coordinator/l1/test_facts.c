/* What L1 says: whole rounds or none, contracts of another kind, and what is kept of it. */
#include "coordinator/l1/commitments.h"
#include "coordinator/l1/facts.h"
#include "coordinator/l1/facts_row.h"
#include "l1_world.h"
#include "protocol/proofdata.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* What a node answers instead of what it should. */
struct way {
	const char *method, *answer, *said;
};

struct fixture {
	const struct way *way;
	uv_loop_t loop;
	struct l1_world w;
	char dir[64];
	struct store *store;
	struct l1 *l1;
	unsigned n_facts, n_failed, n_fatal;
	char sentence[768], event[64];
	bool again; /* a round asked for from inside an event */
};

static void on_facts(void *arg, const struct l1_facts *f)
{
	struct fixture *x = arg;

	assert_ptr_equal(f, l1_facts(x->l1));
	x->n_facts++;
	if (x->again) {
		x->again = false;
		l1_refresh(x->l1);
	}
}

static void on_failed(void *arg, const char *sentence)
{
	struct fixture *x = arg;

	x->n_failed++;
	snprintf(x->sentence, sizeof x->sentence, "%s", sentence);
}

static void on_fatal(void *arg, const char *event, const char *sentence)
{
	struct fixture *x = arg;

	x->n_fatal++;
	snprintf(x->event, sizeof x->event, "%s", event);
	snprintf(x->sentence, sizeof x->sentence, "%s", sentence);
}

static bool has_news(void *arg)
{
	struct fixture *x = arg;

	return x->n_facts + x->n_failed + x->n_fatal > 0;
}

static int setup_world(void **state, void (*open)(struct l1_world *w, uv_loop_t *loop))
{
	struct fixture *x = calloc(1, sizeof *x);
	struct store_options so = {0};
	struct l1_options o = {.confirmations = 2, .every_ms = 100000};
	struct l1_events events = {on_facts, on_failed, on_fatal, x};
	struct l1_parts parts;
	struct why why = {""};

	uv_loop_init(&x->loop);
	x->way = *state;
	open(&x->w, &x->loop);
	strcpy(x->dir, "/tmp/test_facts.XXXXXX");
	assert_non_null(mkdtemp(x->dir));
	so.dir = x->dir;
	assert_int_equal(store_open(&x->store, &x->loop, &so, &why), STORE_OK);
	parts = (struct l1_parts){&x->loop, x->w.rpc, x->store};
	o.proposer = x->w.proposer;
	assert_true(l1_new(&x->l1, &parts, &o, &events, &why));
	*state = x;
	return 0;
}

static int setup(void **state)
{
	return setup_world(state, l1_world_open);
}

static int setup_two(void **state)
{
	return setup_world(state, l1_world_open_two);
}

static int setup_patient(void **state)
{
	return setup_world(state, l1_world_open_patient);
}

static void nothing(void *arg)
{
	(void)arg;
}

static int teardown(void **state)
{
	struct fixture *x = *state;
	char command[128];

	l1_close(x->l1, nothing, NULL);
	store_close(x->store, NULL, NULL);
	l1_world_close(&x->w);
	l1_free(x->l1);
	assert_int_equal(uv_loop_close(&x->loop), 0);
	snprintf(command, sizeof command, "rm -rf %s", x->dir);
	assert_int_equal(system(command), 0);
	free(x);
	return 0;
}

static void read_a_round(struct fixture *x)
{
	x->n_facts = x->n_failed = x->n_fatal = 0;
	l1_start(x->l1);
	l1_world_until(&x->w, has_news, x);
}

static void test_a_whole_round(void **state)
{
	struct fixture *x = *state;
	const struct l1_facts *f;
	struct why why = {""};
	int64_t now;

	assert_null(l1_facts(x->l1));
	assert_false(l1_is_fresh(x->l1));
	assert_false(l1_time(x->l1, 0, &now, &why));
	x->w.committed = 9;
	x->w.verified = 4;
	x->w.final_lags = 1;
	x->w.signer = (struct eth_address){{0xcc}};
	read_a_round(x);
	assert_int_equal(x->n_facts, 1);
	f = l1_facts(x->l1);
	assert_int_equal(f->needed, PROVER_TYPE_BIT(PROVER_TDX));
	assert_int_equal(f->l1_chain_id, L1_WORLD_CHAIN_ID);
	assert_int_equal(f->l2_chain_id, L1_WORLD_L2_CHAIN);
	assert_int_equal(f->committed, 9);
	assert_int_equal(f->verified, 4);
	assert_int_equal(f->final, 3);
	assert_true(f->has_tdx_verifier && f->tdx_dev_mode && !f->has_measurements);
	assert_true(eth_address_equal(&f->signer, &x->w.signer));
	assert_true(l1_is_fresh(x->l1));
	assert_true(l1_time(x->l1, 3600, &now, &why));
	assert_int_equal(now, x->w.time);
}

static void test_clocks_that_differ(void **state)
{
	struct fixture *x = *state;
	struct why why = {""};
	int64_t now;

	x->w.time += 7200;
	read_a_round(x);
	assert_false(l1_time(x->l1, 3600, &now, &why));
	assert_non_null(strstr(why.text, "ahead of this machine's clock"));
	assert_true(l1_time(x->l1, 0, &now, &why));
}

static void test_a_round_that_fails_leaves_the_facts(void **state)
{
	struct fixture *x = *state;

	x->w.committed = 3;
	read_a_round(x);
	x->w.committed = 8;
	x->w.reads_fail = true;
	read_a_round(x);
	assert_int_equal(x->n_failed, 1);
	assert_non_null(strstr(x->sentence, "the node is ill"));
	assert_string_equal(l1_trouble(x->l1), x->sentence);
	assert_int_equal(l1_facts(x->l1)->committed, 3);
	x->w.reads_fail = false;
	read_a_round(x);
	assert_int_equal(l1_facts(x->l1)->committed, 8);
	assert_string_equal(l1_trouble(x->l1), "");
	x->w.huge = true;
	read_a_round(x);
	assert_non_null(strstr(x->sentence, "beyond 64 bits"));
	assert_int_equal(l1_facts(x->l1)->committed, 8);
}

static void test_a_round_asked_for_from_inside_an_event(void **state)
{
	struct fixture *x = *state;

	x->again = true;
	read_a_round(x);
	while (x->n_facts < 2)
		uv_run(&x->loop, UV_RUN_ONCE);
}

/* It may lack what the former leader sent last. */
static void test_a_round_that_began_before_it_led(void **state)
{
	struct fixture *x = *state;
	unsigned whole, calls;

	x->w.committed = 3;
	read_a_round(x);
	whole = x->w.n_calls;
	l1_refresh(x->l1);
	while (x->n_facts < 2)
		uv_run(&x->loop, UV_RUN_ONCE);
	whole = x->w.n_calls - whole; /* calls of a round like the next ones */
	calls = x->w.n_calls;
	l1_refresh(x->l1);
	while (x->w.n_calls == calls)
		uv_run(&x->loop, UV_RUN_ONCE);
	x->w.verified = 3; /* some of it was read, and some is not yet */
	l1_lead(x->l1);
	calls = x->w.n_calls;
	while (x->n_facts < 3)
		uv_run(&x->loop, UV_RUN_ONCE);
	assert_int_equal(l1_facts(x->l1)->verified, 3);
	/* More than were left of it: a whole one. */
	assert_true(x->w.n_calls - calls >= whole);
}

static void expect_fatal(struct fixture *x, const char *words)
{
	read_a_round(x);
	assert_int_equal(x->n_fatal, 1);
	assert_string_equal(x->event, "contract_of_another_kind");
	if (!strstr(x->sentence, words))
		fail_msg("\"%s\" does not say \"%s\"", x->sentence, words);
	assert_false(l1_is_fresh(x->l1));
}

static void test_aligned(void **state)
{
	struct fixture *x = *state;

	x->w.aligned = true;
	expect_fatal(x, "ALIGNED_MODE");
}

static void test_based(void **state)
{
	struct fixture *x = *state;

	x->w.based = true;
	expect_fatal(x, "based rollups");
}

static void test_an_older_contract(void **state)
{
	struct fixture *x = *state;

	x->w.old = true;
	expect_fatal(x, "upgrade the contract");
}

static void test_a_contract_without_verify_batches(void **state)
{
	struct fixture *x = *state;

	x->w.no_verify = true;
	expect_fatal(x, "one batch at a time");
}

static void test_an_address_without_code(void **state)
{
	struct fixture *x = *state;

	/* Or a node that has not synced: that is not for one node to say. */
	x->w.proposer = (struct eth_address){{0xee}};
	read_a_round(x);
	assert_int_equal(x->n_fatal, 0);
	assert_int_equal(x->n_failed, 1);
	assert_non_null(strstr(x->sentence, "REQUIRE_RISC0_PROOF() of the OnChainProposer 0x"));
	assert_non_null(strstr(x->sentence, "0000 is answered with nothing at block"));
}

static void test_a_node_at_its_genesis(void **state)
{
	struct fixture *x = *state;

	x->w.genesis = true;
	read_a_round(x);
	assert_int_equal(x->n_fatal, 0);
	assert_int_equal(x->n_failed, 1);
	assert_false(l1_is_fresh(x->l1));
	/* It catches up. */
	x->w.genesis = false;
	x->w.committed = 3;
	read_a_round(x); /* at once: there is no other one, so it does not rest */
	assert_int_equal(x->n_facts, 1);
	assert_int_equal(l1_facts(x->l1)->committed, 3);
}

static void test_the_first_of_two_nodes_at_its_genesis(void **state)
{
	struct fixture *x = *state;
	struct rpc_endpoint_info info;

	x->w.genesis = true;
	x->w.committed = 4;
	read_a_round(x);
	assert_int_equal(x->n_fatal + x->n_failed, 0);
	assert_int_equal(l1_facts(x->l1)->committed, 4);
	assert_true(rpc_endpoint_info(x->w.rpc, 0, &info));
	assert_non_null(strstr(info.last_error, "is answered with nothing"));
}

/* What would end the coordinator for good is not for one of them to say, nor what is read every
 * time. */
static void test_the_first_of_two_nodes_reverts_all(void **state)
{
	struct fixture *x = *state;

	x->w.committed = 4;
	x->w.ill_method = "eth_call";
	x->w.ill_answer = "{\"code\":3,\"message\":\"execution reverted\",\"data\":\"0x\"}";
	read_a_round(x);
	assert_int_equal(x->n_fatal + x->n_failed, 0);
	assert_int_equal(l1_facts(x->l1)->committed, 4);
}

static void test_the_first_of_two_nodes_begins_to_revert_all(void **state)
{
	struct fixture *x = *state;

	x->w.committed = 4;
	read_a_round(x);
	x->w.committed = 5;
	x->w.ill_method = "eth_call";
	x->w.ill_answer = "{\"code\":3,\"message\":\"execution reverted\",\"data\":\"0x\"}";
	read_a_round(x);
	assert_int_equal(x->n_fatal + x->n_failed, 0);
	assert_int_equal(l1_facts(x->l1)->committed, 5);
}

/* Both do. */
static void test_two_nodes_of_another_contract(void **state)
{
	struct fixture *x = *state;

	x->w.old = true;
	expect_fatal(x, "upgrade the contract");
}

static void test_more_verified_than_committed(void **state)
{
	struct fixture *x = *state;

	x->w.committed = 4;
	x->w.verified = 10;
	read_a_round(x);
	assert_int_equal(x->n_failed, 1);
	assert_non_null(strstr(x->sentence, "lastVerifiedBatch is 10 and lastCommittedBatch 4"));
	assert_null(l1_facts(x->l1));
}

static void test_of_two_nodes_the_one_that_makes_sense_counts(void **state)
{
	struct fixture *x = *state;

	x->w.committed = 4;
	x->w.verified = 10;
	x->w.other_differs = true;
	x->w.other_verified = 2;
	read_a_round(x);
	assert_int_equal(x->n_failed, 0);
	assert_int_equal(l1_facts(x->l1)->verified, 2);
}

static const struct way ways[] = {
    {"eth_call", "{\"code\":-32000,\"message\":\"missing trie node 4bf0 (path )\"}",
     "missing trie node"},
    {"eth_call", "{\"code\":-32603,\"message\":\"Internal error\"}", "Internal error"},
    {"eth_call", "{\"code\":-32005,\"message\":\"request rate limited\"}", "request rate limited"},
    {"eth_getBlockByNumber", "null", "knows no latest block"},
    {"eth_getBlockByNumber", "{}", "hex quantity"},
    {"eth_getBlockByNumber", "{\"code\":-39001,\"message\":\"Unknown block\"}", "Unknown block"},
};

/* It shows its chain id and answers in JSON-RPC, and reads nothing: no such answer stops the round
 * while another node reads. */
static void test_of_two_nodes_the_first_reads_nothing(void **state)
{
	struct fixture *x = *state;
	struct rpc_endpoint_info info;

	x->w.ill_method = x->way->method;
	x->w.ill_answer = x->way->answer;
	x->w.committed = 4;
	read_a_round(x);
	if (x->n_failed)
		fail_msg("%s", x->sentence);
	assert_int_equal(l1_facts(x->l1)->committed, 4);
	assert_true(rpc_endpoint_info(x->w.rpc, 0, &info));
	if (!strstr(info.last_error, x->way->said))
		fail_msg("%s", info.last_error);
}

/* Both are ill: neither rests longer than an answer that is none makes it. */
static void test_two_nodes_that_read_nothing_are_asked_on(void **state)
{
	struct fixture *x = *state;

	x->w.ill_method = "eth_call";
	x->w.ill_answer = "{\"code\":-32603,\"message\":\"Internal error\"}";
	x->w.other.mode = FAKE_SLAM;
	read_a_round(x);
	assert_int_equal(x->n_failed, 1);
	assert_non_null(strstr(x->sentence, "Internal error"));
	x->w.ill_method = NULL;
	x->w.committed = 3;
	read_a_round(x);
	assert_int_equal(x->n_facts, 1);
	assert_int_equal(l1_facts(x->l1)->committed, 3);
}

/* Reads rounds until the other node has been heard. */
static uint64_t final_after_rounds(struct fixture *x)
{
	int i;

	for (i = 0; i < 3; i++) {
		read_a_round(x);
		assert_int_equal(x->n_facts, 1);
		l1_world_wait(&x->w, 50);
	}
	return l1_facts(x->l1)->final;
}

static void test_final_is_what_two_nodes_say(void **state)
{
	struct fixture *x = *state;

	x->w.committed = 10;
	x->w.verified = 10;
	x->w.other_differs = true;
	x->w.other_verified = 0;
	assert_int_equal(final_after_rounds(x), 0);
	x->w.other_verified = 7;
	assert_int_equal(final_after_rounds(x), 7);
	x->w.other_verified = 12;
	assert_int_equal(final_after_rounds(x), 10);
	/* What the first one takes back is final no more. */
	x->w.verified = 6;
	assert_int_equal(final_after_rounds(x), 6);
}

static void test_a_second_node_that_is_ill_confirms_nothing(void **state)
{
	struct fixture *x = *state;

	x->w.committed = 10;
	x->w.verified = 10;
	x->w.other.mode = FAKE_SLAM;
	assert_int_equal(final_after_rounds(x), 0);
	x->w.other.mode = FAKE_OK;
	l1_world_wait(&x->w, 200); /* until it has rested */
	assert_int_equal(final_after_rounds(x), 10);
}

static struct l1_facts some_facts(void)
{
	struct l1_facts f = {.needed = 8,
			     .l1_chain_id = L1_WORLD_CHAIN_ID,
			     .l2_chain_id = UINT64_MAX,
			     .committed = 7,
			     .verified = 6,
			     .final = 5,
			     .has_tdx_verifier = true,
			     .paused = true,
			     .has_measurements = true};

	memset(f.measurement, 0xab, sizeof f.measurement);
	memset(f.signer.b, 0xcd, 20);
	f.proposer = (struct eth_address){{0x0a, 1}};
	return f;
}

static void test_the_row(void **state)
{
	const struct l1_facts f = some_facts();
	struct l1_facts got;
	struct buf row;
	size_t i;

	(void)state;
	buf_init(&row, L1_ROW_MAX);
	assert_true(l1_row_put(&row, &f));
	assert_true(l1_row_get(&got, buf_span(&row)));
	assert_int_equal(got.needed, f.needed);
	assert_int_equal(got.l2_chain_id, UINT64_MAX);
	assert_int_equal(got.final, 5);
	assert_true(got.paused && got.has_measurements && got.has_tdx_verifier &&
		    !got.tdx_dev_mode);
	assert_memory_equal(got.measurement, f.measurement, sizeof f.measurement);
	assert_memory_equal(&got.signer, &f.signer, 20);
	/* Every truncation, and every byte that is no longer what it was, is no row or another. */
	for (i = 0; i < row.len; i++)
		assert_false(l1_row_get(&got, span_of(row.p, i)));
	row.p[row.len / 2] ^= 0x80;
	assert_false(l1_row_get(&got, buf_span(&row)));
	/* The former version was the bytes of a struct. */
	memset(row.p, 2, row.len);
	assert_false(l1_row_get(&got, buf_span(&row)));
	buf_free(&row);
}

static bool put_facts(struct fixture *x, const struct l1_facts *f, struct why *why)
{
	struct buf row;
	bool ok;

	buf_init(&row, L1_ROW_MAX);
	assert_true(l1_row_put(&row, f));
	ok = l1_restore(x->l1, buf_span(&row), why);
	buf_free(&row);
	return ok;
}

static void test_restore(void **state)
{
	struct fixture *x = *state;
	struct l1_facts f = some_facts();
	struct why why = {""};

	assert_true(l1_restore(x->l1, span_of("\2\0\0\0", 4), &why));
	assert_null(l1_facts(x->l1));
	f.proposer.b[3] = 9;
	assert_false(put_facts(x, &f, &why));
	assert_non_null(strstr(why.text, "another OnChainProposer"));
	f = some_facts();
	assert_true(put_facts(x, &f, &why));
	assert_int_equal(l1_facts(x->l1)->committed, 7);
	assert_false(l1_is_fresh(x->l1));
	assert_int_equal(rpc_chain_id(x->w.rpc), L1_WORLD_CHAIN_ID);
	f.l1_chain_id = 1;
	assert_false(put_facts(x, &f, &why));
	assert_non_null(strstr(why.text, "L1 chain id 1"));
}

struct commitment_seen {
	bool came, found;
	struct batch_commitment c;
};

static void on_commitment(void *arg, const struct batch_commitment *c, const char *sentence)
{
	struct commitment_seen *s = arg;

	(void)sentence;
	s->came = true;
	s->found = c != NULL;
	if (c)
		s->c = *c;
}

static bool has_commitment(void *arg)
{
	return ((struct commitment_seen *)arg)->came;
}

static void test_commitments(void **state)
{
	struct fixture *x = *state;
	struct commitment_seen s = {false};
	struct commitments *book;
	struct why why = {""};
	unsigned calls;

	assert_true(commitments_new(&book, x->w.rpc, &x->w.proposer, &why));
	assert_true(commitments_get(book, 7, 42, on_commitment, &s));
	l1_world_until(&x->w, has_commitment, &s);
	assert_true(s.found);
	assert_int_equal(s.c.new_state_root[30], 7);
	assert_int_equal(s.c.initial_state_root[30], 6);
	assert_int_equal(s.c.chain_id.be[31], 42);
	/* Remembered: the answer is there at once, and nothing is asked. */
	calls = x->w.n_calls;
	s.came = false;
	assert_true(commitments_get(book, 7, 42, on_commitment, &s));
	assert_true(s.came && s.found);
	assert_int_equal(x->w.n_calls, calls);
	commitments_forget(book);
	x->w.reads_fail = true;
	s.came = false;
	assert_true(commitments_get(book, 7, 42, on_commitment, &s));
	l1_world_until(&x->w, has_commitment, &s);
	assert_false(s.found);
	commitments_free(book);
}

static bool recommitted(struct fixture *x)
{
	read_a_round(x);
	assert_int_equal(x->n_facts, 1);
	l1_world_wait(&x->w, 50); /* for the answer beside the round */
	return l1_facts(x->l1)->recommitted;
}

static void test_other_commitments_under_the_same_number(void **state)
{
	struct fixture *x = *state;
	int i;

	x->w.committed = 5;
	for (i = 0; i < 3; i++)
		assert_false(recommitted(x));
	x->w.recommitted = 1;
	assert_false(recommitted(x)); /* asked for in this round, known in the next */
	assert_true(recommitted(x));
	assert_false(recommitted(x));
	/* Grown meanwhile: what was there before is what is compared. */
	x->w.committed = 7;
	x->w.recommitted = 2;
	assert_false(recommitted(x));
	assert_true(recommitted(x));
	for (i = 0; i < 3; i++)
		assert_false(recommitted(x));
	/* A node that lags has nothing to say. */
	x->w.lags = true;
	for (i = 0; i < 3; i++)
		assert_false(recommitted(x));
}

static void test_a_node_that_lags_knows_no_commitment(void **state)
{
	struct fixture *x = *state;
	struct commitment_seen s = {false};
	struct commitments *book;
	struct why why = {""};

	assert_true(commitments_new(&book, x->w.rpc, &x->w.proposer, &why));
	x->w.lags = true;
	assert_true(commitments_get(book, 7, 42, on_commitment, &s));
	l1_world_until(&x->w, has_commitment, &s);
	assert_false(s.found);
	/* And nothing of it is remembered. */
	x->w.lags = s.came = false;
	assert_true(commitments_get(book, 7, 42, on_commitment, &s));
	l1_world_until(&x->w, has_commitment, &s);
	assert_true(s.found);
	commitments_free(book);
}

static void test_closing_in_the_middle_of_a_round(void **state)
{
	struct fixture *x = *state;

	l1_start(x->l1);
	while (!x->w.n_calls)
		uv_run(&x->loop, UV_RUN_ONCE);
	/* teardown closes: no event may come after that */
	assert_int_equal(x->n_facts + x->n_failed + x->n_fatal, 0);
}

#define TEST(name)     cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TEST_TWO(name) cmocka_unit_test_setup_teardown(name, setup_two, teardown)
#define TEST_PATIENT(name, way)                                                                    \
	cmocka_unit_test_prestate_setup_teardown(name, setup_patient, teardown,                    \
						 (void *)(uintptr_t)(way))

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_a_whole_round),
	    TEST(test_clocks_that_differ),
	    TEST(test_a_round_that_fails_leaves_the_facts),
	    TEST(test_a_round_asked_for_from_inside_an_event),
	    TEST(test_a_round_that_began_before_it_led),
	    TEST(test_aligned),
	    TEST(test_based),
	    TEST(test_an_older_contract),
	    TEST(test_a_contract_without_verify_batches),
	    TEST(test_an_address_without_code),
	    TEST(test_a_node_at_its_genesis),
	    TEST_PATIENT(test_the_first_of_two_nodes_at_its_genesis, NULL),
	    TEST_PATIENT(test_the_first_of_two_nodes_reverts_all, NULL),
	    TEST_PATIENT(test_the_first_of_two_nodes_begins_to_revert_all, NULL),
	    TEST_PATIENT(test_two_nodes_of_another_contract, NULL),
	    TEST(test_more_verified_than_committed),
	    TEST_PATIENT(test_of_two_nodes_the_one_that_makes_sense_counts, NULL),
	    TEST_PATIENT(test_of_two_nodes_the_first_reads_nothing, &ways[0]),
	    TEST_PATIENT(test_of_two_nodes_the_first_reads_nothing, &ways[1]),
	    TEST_PATIENT(test_of_two_nodes_the_first_reads_nothing, &ways[2]),
	    TEST_PATIENT(test_of_two_nodes_the_first_reads_nothing, &ways[3]),
	    TEST_PATIENT(test_of_two_nodes_the_first_reads_nothing, &ways[4]),
	    TEST_PATIENT(test_of_two_nodes_the_first_reads_nothing, &ways[5]),
	    TEST_TWO(test_two_nodes_that_read_nothing_are_asked_on),
	    TEST_TWO(test_final_is_what_two_nodes_say),
	    TEST_TWO(test_a_second_node_that_is_ill_confirms_nothing),
	    cmocka_unit_test(test_the_row),
	    TEST(test_restore),
	    TEST(test_commitments),
	    TEST(test_other_commitments_under_the_same_number),
	    TEST(test_a_node_that_lags_knows_no_commitment),
	    TEST(test_closing_in_the_middle_of_a_round)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
