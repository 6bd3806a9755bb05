/* Two coordinators on one database: one order, what each shows the other, conflicts, who leads. */
#include "pg_world.h"

/* ---- order ---- */

static void test_rows_come_before_the_answer(void **state)
{
	struct store_change c = a_fact("chain", "1");
	struct node a, b;

	node_start(&a, *state, "a");
	node_start(&b, *state, "b");
	assert_int_equal(a.e->slot, 0);
	assert_int_equal(b.e->slot, 1);
	assert_int_equal(node_commit(&a, &c, 1), STORE_OK);
	c = a_lease(4, "there");
	assert_int_equal(node_commit(&a, &c, 1), STORE_OK);
	assert_int_equal(b.rows, 0);
	c = a_fact("other", "2");
	assert_int_equal(node_commit(&b, &c, 1), STORE_OK);
	assert_string_equal(b.text, "fact chain; lease of batch 4, prover type 3; ");
	node_turn(&a);
	assert_string_equal(a.text, "fact other; ");
	/* Nothing comes twice, nor one's own. */
	node_turn(&a);
	node_turn(&b);
	assert_int_equal(a.rows, 1);
	assert_int_equal(b.rows, 2);
	node_stop(&a);
	node_stop(&b);
}

static void test_deletions_are_told_in_their_place(void **state)
{
	struct store_change c[4] = {a_fact("x", "1"), a_fact("y", "1"), an_input(5, 1),
				    a_proof(6, text("proof"))};
	struct node a, b;

	node_start(&a, *state, "a");
	node_start(&b, *state, "b");
	assert_int_equal(node_commit(&a, c, 4), STORE_OK);
	node_turn(&b);
	assert_int_equal(b.rows, 4);
	b.text[0] = '\0';
	c[0].kind = CHANGE_FACT_DEL;
	assert_int_equal(node_commit(&a, c, 1), STORE_OK);
	c[1] = a_fact("x", "2");
	assert_int_equal(node_commit(&a, &c[1], 1), STORE_OK);
	c[2].kind = CHANGE_INPUT_DEL;
	c[3].kind = CHANGE_PROOF_DEL_THROUGH;
	c[3].through = 9;
	assert_int_equal(node_commit(&a, &c[2], 2), STORE_OK);
	node_turn(&b);
	assert_string_equal(b.text, "fact x; fact x; input of batch 5 for commit v1; "
				    "batches up to 9; ");
	/* What was not there is no news. */
	assert_int_equal(node_commit(&a, &c[2], 2), STORE_OK);
	node_turn(&b);
	assert_int_equal(b.rows, 8);
	node_stop(&a);
	node_stop(&b);
}

/* More rows than a page, and more in one transaction than a page. */
static void test_many_rows_come_in_pages(void **state)
{
	static struct store_change c[PAGE_ROWS + 500];
	static char keys[PAGE_ROWS + 500][8];
	struct node a, b;
	size_t i;

	node_start(&a, *state, "a");
	node_start(&b, *state, "b");
	for (i = 0; i < PAGE_ROWS + 500; i++) {
		snprintf(keys[i], sizeof keys[i], "%zu", i);
		c[i] = a_fact(keys[i], "v");
	}
	assert_int_equal(node_commit(&a, c, 700), STORE_OK);
	assert_int_equal(node_commit(&a, c + 700, 700), STORE_OK);
	c[0] = a_proof(77, text("mine"));
	assert_int_equal(node_commit(&b, c, 1), STORE_OK);
	assert_int_equal(b.rows, 1400);
	c[0] = a_fact("0", "w");
	assert_int_equal(node_commit(&a, c, PAGE_ROWS + 500), STORE_OK);
	node_turn(&b);
	assert_int_equal(b.rows, 1400 + PAGE_ROWS + 500);
	assert_true(b.seen >= postgres_of(a.e)->seen);
	node_stop(&a);
	node_stop(&b);
}

/* ---- conflicts ---- */

static void test_what_another_changed_is_not_overwritten(void **state)
{
	struct store_change c = a_lease(4, "a's");
	struct node a, b;

	node_start(&a, *state, "a");
	node_start(&b, *state, "b");
	assert_int_equal(node_commit(&a, &c, 1), STORE_OK);
	c = a_lease(4, "b's");
	assert_int_equal(node_commit(&b, &c, 1), STORE_CONFLICT);
	assert_string_equal(b.why.text, "lease of batch 4, prover type 3: another coordinator "
					"changed it meanwhile");
	assert_string_equal(b.text, "lease of batch 4, prover type 3; ");
	/* Decided anew, it goes. */
	assert_int_equal(node_commit(&b, &c, 1), STORE_OK);
	/* One's own row may be changed as often as one likes. */
	assert_int_equal(node_commit(&b, &c, 1), STORE_OK);
	c.kind = CHANGE_LEASE_DEL;
	assert_int_equal(node_commit(&a, &c, 1), STORE_CONFLICT);
	assert_int_equal(node_commit(&a, &c, 1), STORE_OK);
	assert_int_equal(node_commit(&a, &c, 1), STORE_OK);
	/* Nor is what it deleted put again. */
	c = a_lease(4, "b's");
	assert_int_equal(node_commit(&b, &c, 1), STORE_CONFLICT);
	assert_int_equal(node_commit(&b, &c, 1), STORE_OK);
	node_stop(&a);
	node_stop(&b);
}

static void test_rules_of_the_rows(void **state)
{
	struct store_change c = an_input(5, 1);
	struct node a, b;

	node_start(&a, *state, "a");
	node_start(&b, *state, "b");
	assert_int_equal(node_commit(&a, &c, 1), STORE_OK);
	assert_int_equal(node_commit(&b, &c, 1), STORE_OK);
	c = an_input(5, 2);
	assert_int_equal(node_commit(&b, &c, 1), STORE_CONFLICT);
	c = an_input(5, 1);
	c.kind = CHANGE_INPUT_REPLACED;
	c.input.replaced_ms = 9;
	assert_int_equal(node_commit(&b, &c, 1), STORE_OK);
	c = an_input(5, 2);
	assert_int_equal(node_commit(&b, &c, 1), STORE_OK);
	c = a_proof(64, text("one"));
	assert_int_equal(node_commit(&a, &c, 1), STORE_OK);
	assert_int_equal(node_commit(&b, &c, 1), STORE_CONFLICT);
	node_stop(&a);
	node_stop(&b);
}

/* Neighbours of what conflicts are stored; a group of several is stored whole or not at all. */
static void test_a_conflict_leaves_no_trace(void **state)
{
	struct store_change c[5] = {a_lease(1, "a"), a_lease(2, "b"), a_fact("half", "1"),
				    a_lease(1, "b"), a_fact("whole", "1")};
	struct change_group *g[3];
	struct engine_item item[3] = {0}, *items[3];
	struct node a, b;
	size_t i;

	node_start(&a, *state, "a");
	node_start(&b, *state, "b");
	assert_int_equal(node_commit(&a, c, 1), STORE_OK);
	g[0] = change_group_new(&c[1], 1);
	g[1] = change_group_new(&c[2], 2);
	g[2] = change_group_new(&c[4], 1);
	for (i = 0; i < 3; i++) {
		item[i].group = g[i];
		item[i].seen = b.seen;
		item[i].fence = b.fence;
		items[i] = &item[i];
	}
	assert_int_equal(node_commit_many(&b, items, 3), STORE_OK);
	assert_int_equal(item[0].rc, STORE_OK);
	assert_int_equal(item[1].rc, STORE_CONFLICT);
	assert_int_equal(item[2].rc, STORE_OK);
	assert_int_equal(pg_do(*state, "SELECT count(*) FROM fact WHERE key = 'half'"), 0);
	assert_int_equal(pg_do(*state, "SELECT count(*) FROM fact WHERE key = 'whole'"), 1);
	assert_int_equal(pg_do(*state, "SELECT count(*) FROM lease"), 2);
	node_turn(&a);
	assert_string_equal(a.text, "fact whole; lease of batch 2, prover type 3; ");
	for (i = 0; i < 3; i++)
		free(g[i]);
	node_stop(&a);
	node_stop(&b);
}

/* ---- the leader ---- */

static void test_one_leads(void **state)
{
	struct store_change c = an_intent(1), judged = {.kind = CHANGE_PROOF_STATE};
	struct node a, b;

	node_start(&a, *state, "a");
	node_start(&b, *state, "b");
	assert_int_equal(node_commit(&a, &c, 1), STORE_NOT_LEADER);
	node_lead(&a);
	assert_int_equal(a.fence, 1);
	assert_int_equal(node_commit(&a, &c, 1), STORE_OK);
	judged.proof_state.id = 99;
	assert_int_equal(node_commit(&a, &judged, 1), STORE_CONFLICT);
	usleep(600000);
	node_turn(&b);
	assert_int_equal(b.fence, 0);
	assert_int_equal(node_commit(&b, &judged, 1), STORE_NOT_LEADER);
	/* It goes, and the other has all that it left open. */
	node_stop(&a);
	node_lead(&b);
	assert_int_equal(b.fence, 2);
	assert_int_equal(b.intents, 1);
	c = an_intent(2);
	assert_int_equal(node_commit(&b, &c, 1), STORE_OK);
	assert_int_equal(pg_do(*state, "SELECT fence FROM intent WHERE id = 1"), 1);
	assert_int_equal(pg_do(*state, "SELECT fence FROM intent WHERE id = 2"), 2);
	node_stop(&b);
}

static void test_a_former_leader_stores_nothing(void **state)
{
	struct store_change c = an_intent(1);
	struct change_group *g = change_group_new(&c, 1);
	struct engine_item item = {.group = g}, *items[] = {&item};
	struct node a, b;

	node_start(&a, *state, "a");
	node_start(&b, *state, "b");
	node_lead(&a);
	item.seen = a.seen;
	item.fence = a.fence;
	/* Its session ends unnoticed; the other leads before it hears of it. */
	node_cut(&a, *state);
	node_lead(&b);
	assert_int_equal(node_commit(&a, &c, 1), STORE_UNREACHABLE);
	assert_int_equal(a.fence, 0);
	assert_true(a.lost);
	usleep(250000);
	assert_int_equal(node_commit(&a, &c, 1), STORE_NOT_LEADER);
	node_turn_until(&a, &a.back);
	/* It leads again; what it decided the last time is void. */
	node_stop(&b);
	node_lead(&a);
	assert_int_equal(a.fence, 3);
	assert_int_equal(node_commit_many(&a, items, 1), STORE_OK);
	assert_int_equal(item.rc, STORE_NOT_LEADER);
	assert_int_equal(node_commit(&a, &c, 1), STORE_OK);
	free(g);
	node_stop(&a);
}

/* The fence in the database is the judge, not what this one believes. */
static void test_the_fence_is_the_judge(void **state)
{
	struct store_change c = an_intent(1);
	struct node a;

	node_start(&a, *state, "a");
	node_lead(&a);
	pg_do(*state, "UPDATE head SET fence = 7");
	assert_int_equal(node_commit(&a, &c, 1), STORE_NOT_LEADER);
	assert_int_equal(a.fence, 0);
	assert_int_equal(pg_do(*state, "SELECT count(*) FROM intent"), 0);
	node_stop(&a);
}

/* ---- rows, there and back ---- */

static struct store_proof seen_proof;

static bool on_proof(void *arg, const struct store_proof *row, struct why *why)
{
	(void)why;
	seen_proof = *row;
	++*(unsigned *)arg;
	return true;
}

static void test_numbers_and_bytes_keep_their_range(void **state)
{
	const struct store_visitor visitor = {.proof = on_proof};
	static uint8_t bytes[100000];
	struct store_change c = a_proof(UINT64_MAX, span_of(bytes, sizeof bytes));
	struct change_group *g = NULL;
	unsigned count = 0;
	struct node a, b;
	size_t i;

	for (i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)i;
	c.proof.batch = UINT64_MAX - 1;
	c.proof.prover_type = -3;
	c.proof.source = span_of("\xff\0\xfe", 3);
	c.proof.public_values = span_of(NULL, 0);
	node_start(&a, *state, "a");
	node_start(&b, *state, "b");
	assert_int_equal(node_commit(&a, &c, 1), STORE_OK);
	assert_int_equal(b.e->ops->load(b.e, &visitor, &count, &b.why), STORE_OK);
	assert_int_equal(count, 1);
	assert_true(seen_proof.id == UINT64_MAX && seen_proof.batch == UINT64_MAX - 1);
	assert_int_equal(seen_proof.prover_type, -3);
	assert_null(seen_proof.bytes.p);
	assert_int_equal(seen_proof.bytes.n, sizeof bytes);
	assert_int_equal(b.e->ops->read_proof(b.e, UINT64_MAX, &g, &b.why), STORE_OK);
	assert_true(span_eq(g->changes[0].proof.bytes, c.proof.bytes));
	assert_true(span_eq(g->changes[0].proof.source, c.proof.source));
	free(g);
	/* What is not there, whoever took it away, is shown as gone. */
	node_turn(&b);
	b.text[0] = '\0';
	assert_int_equal(b.e->ops->read_proof(b.e, 5, &g, &b.why), STORE_NOT_FOUND);
	node_turn(&b);
	assert_string_equal(b.text, "proof 5; ");
	node_stop(&a);
	node_stop(&b);
}

#define TEST(name) cmocka_unit_test_setup(name, pg_database)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_rows_come_before_the_answer),
	    TEST(test_deletions_are_told_in_their_place),
	    TEST(test_many_rows_come_in_pages),
	    TEST(test_what_another_changed_is_not_overwritten),
	    TEST(test_rules_of_the_rows),
	    TEST(test_a_conflict_leaves_no_trace),
	    TEST(test_one_leads),
	    TEST(test_a_former_leader_stores_nothing),
	    TEST(test_the_fence_is_the_judge),
	    TEST(test_numbers_and_bytes_keep_their_range),
	};

	return PG_RUN(tests);
}
