#include "store_world.h"

#include "coordinator/base/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sqlite3.h>

/* ---- what a load finds, as text, so that two loads can be compared ---- */

struct seen {
	unsigned replaced; /* inputs that count no more */
	int states[8];     /* of proofs by id */
	struct buf text;
	unsigned facts, inputs, proofs, leases, provers, intents;
};

static void see_span(struct seen *s, struct span v)
{
	size_t i;

	buf_printf(&s->text, " %zu:", v.n);
	for (i = 0; v.p && i < v.n; i++)
		buf_printf(&s->text, "%02x", v.p[i]);
	if (!v.p && v.n)
		buf_add_str(&s->text, "?");
}

static bool see_fact(void *arg, const struct store_fact *r, struct why *why)
{
	struct seen *s = arg;

	(void)why;
	s->facts++;
	buf_add_str(&s->text, "fact");
	see_span(s, r->key);
	see_span(s, r->value);
	return buf_add_str(&s->text, "\n");
}

static bool see_input(void *arg, const struct store_input *r, struct why *why)
{
	struct seen *s = arg;

	(void)why;
	s->inputs++;
	s->replaced += r->replaced_ms != 0;
	buf_printf(&s->text, "input %lu %lu %lu", r->batch, r->size, r->created_ms);
	see_span(s, r->commit_hash);
	see_span(s, span_of(r->sha256, 32));
	return buf_add_str(&s->text, "\n");
}

static bool see_proof(void *arg, const struct store_proof *r, struct why *why)
{
	struct seen *s = arg;

	(void)why;
	s->proofs++;
	if (r->id < 8)
		s->states[r->id] = r->state;
	buf_printf(&s->text, "proof %lu %lu %d %lu %d %lu %d", r->id, r->batch, r->prover_type,
		   r->received_ms, r->state, r->judged_ms, r->has_signer);
	see_span(s, r->bytes);
	see_span(s, r->public_values);
	see_span(s, r->source);
	see_span(s, r->reason);
	see_span(s, span_of(r->signer, 20));
	return buf_add_str(&s->text, "\n");
}

static bool see_lease(void *arg, const struct store_lease *r, struct why *why)
{
	struct seen *s = arg;

	(void)why;
	s->leases++;
	buf_printf(&s->text, "lease %lu %d %lu", r->batch, r->prover_type, r->expires_ms);
	see_span(s, r->source);
	return buf_add_str(&s->text, "\n");
}

static bool see_prover(void *arg, const struct store_prover *r, struct why *why)
{
	struct seen *s = arg;

	(void)why;
	s->provers++;
	buf_printf(&s->text, "prover %d %lu %lu %lu %lu %d", r->payload_kind, r->first_seen_ms,
		   r->last_seen_ms, r->last_proof_ms, r->proofs_good, r->state);
	see_span(s, span_of(r->signer, 20));
	see_span(s, r->payload);
	see_span(s, r->source);
	see_span(s, r->reason);
	return buf_add_str(&s->text, "\n");
}

static bool see_intent(void *arg, const struct store_intent *r, struct why *why)
{
	struct seen *s = arg;

	(void)why;
	s->intents++;
	buf_printf(&s->text, "intent %lu", r->id);
	see_span(s, r->data);
	return buf_add_str(&s->text, "\n");
}

static const struct store_visitor see_all = {
    .fact = see_fact,
    .input = see_input,
    .proof = see_proof,
    .lease = see_lease,
    .prover = see_prover,
    .intent = see_intent,
};

static void load(struct world *w, struct seen *s)
{
	memset(s, 0, sizeof *s);
	buf_init(&s->text, 1 << 20);
	assert_int_equal(store_load(w->store, &see_all, s, &w->why), STORE_OK);
	buf_add(&s->text, "", 1);
}

static unsigned count_proofs(struct world *w)
{
	unsigned proofs;
	struct seen s;

	load(w, &s);
	proofs = s.proofs;
	buf_free(&s.text);
	return proofs;
}

/* ---- one row of each kind, every field set ---- */

static const struct store_fact fact = {{(const uint8_t *)"chain_id", 8},
				       {(const uint8_t *)"\0\1\xff", 3}};
static const struct store_input input = {UINT64_MAX, {(const uint8_t *)"abc", 3}, {1, 2, 3}, 99, 7,
					 0};
static const struct store_proof proof = {
    .id = 5,
    .batch = UINT64_MAX - 1,
    .prover_type = 4,
    .bytes = {(const uint8_t *)"\0sig", 4},
    .public_values = {(const uint8_t *)"pv", 2},
    .source = {(const uint8_t *)"10.0.0.1", 8},
    .received_ms = 11,
    .state = 1,
    .has_signer = true,
    .signer = {9, 8, 7},
    .reason = {(const uint8_t *)"why", 3},
    .judged_ms = 12,
};
static const struct store_lease lease = {3, 2, {(const uint8_t *)"10.0.0.2", 8}, 1234567890123};
static const struct store_prover prover = {
    .signer = {1},
    .payload = {(const uint8_t *)"quote", 5},
    .payload_kind = 1,
    .source = {(const uint8_t *)"s", 1},
    .first_seen_ms = 1,
    .last_seen_ms = 2,
    .last_proof_ms = 3,
    .proofs_good = 4,
    .state = 5,
    .reason = {(const uint8_t *)"r", 1},
};
static const struct store_intent intent = {
    .id = 1,
    .data = {(const uint8_t *)"data", 4},
};

#define PUT_ALL                                                                                    \
	{                                                                                          \
		{.kind = CHANGE_FACT_PUT, .fact = fact},                                           \
		    {.kind = CHANGE_INPUT_PUT, .input = input},                                    \
		    {.kind = CHANGE_PROOF_PUT, .proof = proof},                                    \
		    {.kind = CHANGE_LEASE_PUT, .lease = lease},                                    \
		    {.kind = CHANGE_PROVER_PUT, .prover = prover},                                 \
		    {.kind = CHANGE_INTENT_PUT, .intent = intent},                                 \
	}

static void test_round_trip(void **state)
{
	struct store_change put[] = PUT_ALL;
	struct seen want = {0}, got;
	struct world w;

	(void)state;
	buf_init(&want.text, 1 << 20);
	see_fact(&want, &fact, NULL);
	see_input(&want, &input, NULL);
	see_proof(&want, &proof, NULL);
	see_lease(&want, &lease, NULL);
	see_prover(&want, &prover, NULL);
	see_intent(&want, &intent, NULL);
	buf_add(&want.text, "", 1);

	world_make(&w);
	assert_int_equal(world_open(&w), STORE_OK);
	load(&w, &got);
	assert_int_equal(got.text.len, 1);
	buf_free(&got.text);
	assert_int_equal(world_commit(&w, put, 6), STORE_OK);
	world_close(&w);

	assert_int_equal(world_open(&w), STORE_OK);
	load(&w, &got);
	assert_string_equal((char *)got.text.p, (char *)want.text.p);
	buf_free(&got.text);
	buf_free(&want.text);

	/* The same group again would repeat the proof's id: nothing of it may stay. */
	put[0].fact.value = text("changed");
	assert_int_equal(world_commit(&w, put, 6), STORE_CONFLICT);
	assert_non_null(strstr(w.why.text, "proof 5 of batch 18446744073709551614"));
	world_close(&w);
	assert_int_equal(world_open(&w), STORE_OK);
	load(&w, &got);
	assert_null(strstr((char *)got.text.p, "6368616e676564"));
	buf_free(&got.text);
	world_close(&w);
	world_free(&w);
}

static void test_replace_and_delete(void **state)
{
	struct store_change put[] = PUT_ALL, del[6], judged = {.kind = CHANGE_PROOF_STATE};
	struct world w;
	struct seen got;
	size_t i;

	(void)state;
	world_make(&w);
	assert_int_equal(world_open(&w), STORE_OK);
	assert_int_equal(world_commit(&w, put, 6), STORE_OK);

	put[0].fact.value = text("");
	put[3].lease.expires_ms = 42;
	put[4].prover.proofs_good = 43;
	put[5].intent.data = text("new");
	put[2] = (struct store_change){
	    .kind = CHANGE_PROOF_STATE,
	    .proof_state = {
		.id = 5, .state = 77, .judged_ms = 78, .reason = text("bad signature")}};
	assert_int_equal(world_commit(&w, put, 6), STORE_OK);
	load(&w, &got);
	assert_int_equal(got.facts, 1);
	assert_int_equal(got.proofs, 1);
	assert_int_equal(got.leases, 1);
	assert_int_equal(got.provers, 1);
	assert_int_equal(got.intents, 1);
	assert_non_null(strstr((char *)got.text.p, "fact 8:636861696e5f6964 0:\n"));
	assert_non_null(strstr((char *)got.text.p, "lease 3 2 42 "));
	assert_non_null(strstr((char *)got.text.p, "proof 5 18446744073709551614 4 11 77 78 0 "));
	assert_non_null(strstr((char *)got.text.p, "prover 1 1 2 3 43 5 "));
	assert_non_null(strstr((char *)got.text.p, "intent 1 3:6e6577"));
	buf_free(&got.text);

	judged.proof_state.id = 6;
	assert_int_equal(world_commit(&w, &judged, 1), STORE_CONFLICT);
	assert_string_equal(w.why.text, "proof 6: there is no such proof");

	del[0] = (struct store_change){.kind = CHANGE_FACT_DEL, .fact = fact};
	del[1] = (struct store_change){.kind = CHANGE_INPUT_DEL, .input = input};
	del[2] = (struct store_change){.kind = CHANGE_PROOF_DEL, .proof = {.id = 5}};
	del[3] = (struct store_change){.kind = CHANGE_LEASE_DEL, .lease = lease};
	del[4] = (struct store_change){.kind = CHANGE_PROVER_DEL, .prover = prover};
	del[5] = (struct store_change){.kind = CHANGE_INTENT_DEL, .intent = intent};
	for (i = 0; i < 2; i++) {
		assert_int_equal(world_commit(&w, del, 6), STORE_OK);
		load(&w, &got);
		assert_int_equal(got.text.len, 1);
		buf_free(&got.text);
	}
	world_close(&w);
	world_free(&w);
}

static void test_input_keys(void **state)
{
	struct store_change c = {.kind = CHANGE_INPUT_PUT, .input = input};
	struct world w;
	struct seen got;

	(void)state;
	world_make(&w);
	assert_int_equal(world_open(&w), STORE_OK);
	assert_int_equal(world_commit(&w, &c, 1), STORE_OK);
	assert_int_equal(world_commit(&w, &c, 1), STORE_OK);
	c.input.sha256[31] = 1;
	assert_int_equal(world_commit(&w, &c, 1), STORE_CONFLICT);
	assert_string_equal(w.why.text, "input of batch 18446744073709551615 for commit abc: other "
					"content is stored under this key");
	c.input.commit_hash = text("abd");
	assert_int_equal(world_commit(&w, &c, 1), STORE_OK);
	load(&w, &got);
	assert_int_equal(got.inputs, 2);
	buf_free(&got.text);
	world_close(&w);
	world_free(&w);
}

static void test_ranges_of_batches(void **state)
{
	struct store_change put[9], del[3], again = {.kind = CHANGE_PROOF_RANGE};
	struct world w;
	struct seen got;
	uint64_t i;

	(void)state;
	world_make(&w);
	assert_int_equal(world_open(&w), STORE_OK);
	for (i = 0; i < 3; i++) {
		put[3 * i] = (struct store_change){.kind = CHANGE_INPUT_PUT, .input = input};
		put[3 * i].input.batch = i == 2 ? UINT64_MAX : i + 1;
		put[3 * i + 1] = a_proof(i + 1, text("x"));
		put[3 * i + 1].proof.batch = put[3 * i].input.batch;
		put[3 * i + 1].proof.state = (int)i + 1;
		put[3 * i + 2] = (struct store_change){.kind = CHANGE_LEASE_PUT, .lease = lease};
		put[3 * i + 2].lease.batch = put[3 * i].input.batch;
	}
	assert_int_equal(world_commit(&w, put, 9), STORE_OK);
	again.proof_range = (struct store_proof_range){
	    .first = 1, .last = 2, .from = 1 << 2 | 1 << 3, .state = 6, .reason = text("so")};
	assert_int_equal(world_commit(&w, &again, 1), STORE_OK);
	load(&w, &got);
	assert_int_equal(got.states[1], 1); /* not one of these states */
	assert_int_equal(got.states[2], 6);
	assert_int_equal(got.states[3], 3); /* not one of these batches */
	buf_free(&got.text);
	for (i = 0; i < 3; i++)
		del[i] = (struct store_change){.kind = i == 0   ? CHANGE_INPUT_DEL_THROUGH
						       : i == 1 ? CHANGE_PROOF_DEL_THROUGH
								: CHANGE_LEASE_DEL_THROUGH,
					       .through = 1};
	assert_int_equal(world_commit(&w, del, 3), STORE_OK);
	load(&w, &got);
	assert_int_equal(got.inputs * 100 + got.proofs * 10 + got.leases, 222);
	buf_free(&got.text);
	/* What is beyond 63 bits is beyond every range. */
	for (i = 0; i < 3; i++)
		del[i].through = INT64_MAX;
	assert_int_equal(world_commit(&w, del, 3), STORE_OK);
	load(&w, &got);
	assert_int_equal(got.inputs * 100 + got.proofs * 10 + got.leases, 111);
	buf_free(&got.text);
	for (i = 0; i < 3; i++)
		del[i].through = UINT64_MAX - 1;
	assert_int_equal(world_commit(&w, del, 3), STORE_OK);
	load(&w, &got);
	assert_int_equal(got.inputs, 1);
	buf_free(&got.text);
	world_close(&w);
	world_free(&w);
}

static void test_an_input_takes_anothers_place(void **state)
{
	struct store_change c[2] = {{.kind = CHANGE_INPUT_REPLACED, .input = input},
				    {.kind = CHANGE_INPUT_PUT, .input = input}};
	struct world w;
	struct seen got;

	(void)state;
	world_make(&w);
	assert_int_equal(world_open(&w), STORE_OK);
	assert_int_equal(world_commit(&w, &c[1], 1), STORE_OK);
	c[0].input.replaced_ms = 1234;
	c[1].input.sha256[31] = 1;
	assert_int_equal(world_commit(&w, c, 2), STORE_OK);
	load(&w, &got);
	assert_int_equal(got.inputs, 2);
	assert_int_equal(got.replaced, 1);
	buf_free(&got.text);
	/* And back: the former counts again, once the other one does not. */
	assert_int_equal(
	    world_commit(&w, &(struct store_change){.kind = CHANGE_INPUT_PUT, .input = input}, 1),
	    STORE_CONFLICT);
	c[0].input.sha256[31] = 1;
	c[1].input.sha256[31] = 0;
	assert_int_equal(world_commit(&w, c, 2), STORE_OK);
	load(&w, &got);
	assert_int_equal(got.inputs, 2);
	assert_int_equal(got.replaced, 1);
	buf_free(&got.text);
	world_close(&w);
	world_free(&w);
}

/* ---- files that are taken away ---- */

static void take_away(const char *command)
{
	struct store_change c = {.kind = CHANGE_FACT_PUT, .fact = fact};
	char text_of_command[256];
	struct world w;

	world_make(&w);
	assert_int_equal(world_open(&w), STORE_OK);
	assert_int_equal(world_commit(&w, &c, 1), STORE_OK);
	snprintf(text_of_command, sizeof text_of_command, "cd %s && %s", w.dir, command);
	assert_int_equal(system(text_of_command), 0);
	assert_int_equal(world_commit(&w, &c, 1), STORE_TAKEN_AWAY);
	assert_non_null(strstr(w.why.text, "was taken away under the daemon"));
	/* For good: what was written between would be missing in what is there then. */
	assert_int_equal(world_commit(&w, &c, 1), STORE_TAKEN_AWAY);
	world_close(&w);
	world_free(&w);
}

static void test_files_that_are_taken_away(void **state)
{
	(void)state;
	take_away("rm store.db");
	take_away("rm store.db-wal");
	take_away("cp store.db x && mv x store.db");
	take_away("mv store.db old.db && mv store.db-wal old.db-wal");
	take_away("mkdir ../x && mv * ../x");
}

/* ---- lazy changes ---- */

static void test_lazy_changes_never_take_the_place_of_others(void **state)
{
	struct store_change c = {.kind = CHANGE_FACT_PUT, .fact = fact};
	struct store_stats stats;
	struct world w;
	unsigned i;

	(void)state;
	world_make(&w);
	w.options.max_queue = 40;
	w.options.lazy_ms = 1000000;
	assert_int_equal(world_open(&w), STORE_OK);
	gate_close();
	assert_int_equal(world_submit(&w, &c, 1), STORE_OK);
	gate_await();
	for (i = 0; i < 100; i++)
		assert_int_equal(store_commit_lazy(w.store, &c, 1), i < 10 ? STORE_OK : STORE_FULL);
	for (i = 0; i < 29; i++)
		assert_int_equal(world_submit(&w, &c, 1), STORE_OK);
	assert_int_equal(world_submit(&w, &c, 1), STORE_FULL);
	gate_open();
	world_await(&w, 30);
	store_stats(w.store, &stats);
	assert_int_equal(stats.lazy_refused, 90);
	assert_int_equal(stats.groups_refused, 91);
	assert_int_equal(w.ok, 30);
	/* Half of their share does not wait for its time. */
	for (i = 0; i < 6; i++)
		assert_int_equal(store_commit_lazy(w.store, &c, 1), STORE_OK);
	do {
		uv_run(&w.loop, UV_RUN_ONCE);
		store_stats(w.store, &stats);
	} while (stats.queue);
	world_close(&w);
	world_free(&w);
}

/* ---- blobs ---- */

struct reading {
	unsigned called;
	enum store_rc rc;
	struct buf bytes;
	char source[32];
};

static void on_proof(void *arg, enum store_rc rc, const struct store_proof *p,
		     const struct why *why)
{
	struct reading *r = arg;

	(void)why;
	r->called++;
	r->rc = rc;
	assert_true((rc == STORE_OK) == (p != NULL));
	if (p) {
		r->bytes.len = 0;
		assert_true(buf_add(&r->bytes, p->bytes.p, p->bytes.n));
		snprintf(r->source, sizeof r->source, "%.*s", (int)p->source.n, p->source.p);
	}
}

static void test_large_blobs(void **state)
{
	uint8_t *big = malloc(300000);
	struct reading r = {0};
	struct store_change c;
	struct world w;
	struct seen got;
	size_t i;

	(void)state;
	buf_init(&r.bytes, 1 << 20);
	for (i = 0; i < 300000; i++)
		big[i] = (uint8_t)(i * 7 + i / 251);
	world_make(&w);
	assert_int_equal(world_open(&w), STORE_OK);
	c = a_proof(8, span_of(big, 300000));
	assert_int_equal(world_submit(&w, &c, 1), STORE_OK);
	/* A read sees what was submitted before it; the changes were copied. */
	memset(&c, 0xee, sizeof c);
	assert_int_equal(store_read_proof(w.store, 8, on_proof, &r), STORE_OK);
	c = (struct store_change){.kind = CHANGE_PROOF_DEL, .proof = {.id = 8}};
	assert_int_equal(world_submit(&w, &c, 1), STORE_OK);
	world_await(&w, 2);
	assert_int_equal(r.called, 1);
	assert_int_equal(r.rc, STORE_OK);
	assert_int_equal(r.bytes.len, 300000);
	assert_memory_equal(r.bytes.p, big, 300000);
	assert_string_equal(r.source, "192.0.2.7");

	assert_int_equal(store_read_proof(w.store, 8, on_proof, &r), STORE_OK);
	while (r.called < 2)
		uv_run(&w.loop, UV_RUN_ONCE);
	assert_int_equal(r.rc, STORE_NOT_FOUND);

	c = a_proof(1, span_of(big, STORE_VISIT_BLOB_MAX));
	assert_int_equal(world_commit(&w, &c, 1), STORE_OK);
	c = a_proof(2, span_of(big, STORE_VISIT_BLOB_MAX + 1));
	assert_int_equal(world_commit(&w, &c, 1), STORE_OK);
	load(&w, &got);
	assert_null(strstr((char *)got.text.p, " 512:?"));
	assert_non_null(strstr((char *)got.text.p, " 513:?"));
	buf_free(&got.text);
	world_close(&w);
	world_free(&w);
	buf_free(&r.bytes);
	free(big);
}

/* ---- the queue ---- */

static void test_group_commit(void **state)
{
	struct store_stats stats;
	struct store_change c;
	struct world w;
	uint64_t i, base;

	(void)state;
	world_make(&w);
	assert_int_equal(world_open(&w), STORE_OK);
	store_stats(w.store, &stats);
	base = stats.transactions;

	gate_close();
	c = a_proof(0, text("first"));
	assert_int_equal(world_submit(&w, &c, 1), STORE_OK);
	gate_await();
	for (i = 1; i <= 32; i++) {
		/* Number 7 repeats an id: it must fail alone. */
		c = a_proof(i == 7 ? 6 : i, text("x"));
		assert_int_equal(world_submit(&w, &c, 1), STORE_OK);
	}
	store_stats(w.store, &stats);
	assert_int_equal(stats.queue, 33);
	assert_int_equal(w.called, 0);
	gate_open();
	world_await(&w, 33);
	assert_int_equal(w.ok, 32);
	store_stats(w.store, &stats);
	assert_int_equal(stats.transactions - base, 2);
	assert_int_equal(stats.groups, 32);
	assert_int_equal(stats.changes, 32);
	assert_int_equal(stats.groups_failed, 1);
	assert_int_equal(stats.queue, 0);
	assert_int_equal(stats.queue_bytes, 0);
	assert_true(stats.commit_ns_last > 0);
	world_close(&w);
	assert_int_equal(world_open(&w), STORE_OK);
	assert_int_equal(count_proofs(&w), 32);
	world_close(&w);
	world_free(&w);
}

struct order {
	struct world *w;
	unsigned number;
};
static unsigned order_next;

static void on_order(void *arg, enum store_rc rc, const struct why *why)
{
	struct order *o = arg;

	(void)rc;
	(void)why;
	assert_int_equal(o->number, order_next++);
}

static void test_order(void **state)
{
	struct order orders[100];
	struct store_change c;
	struct world w;
	unsigned i;

	(void)state;
	world_make(&w);
	assert_int_equal(world_open(&w), STORE_OK);
	order_next = 0;
	for (i = 0; i < 100; i++) {
		orders[i] = (struct order){&w, i};
		c = a_proof(i / 2, text("x"));
		assert_int_equal(store_commit(w.store, &c, 1, on_order, &orders[i]), STORE_OK);
		if (i % 10 == 0)
			uv_run(&w.loop, UV_RUN_NOWAIT);
	}
	world_close(&w);
	assert_int_equal(order_next, 100);
	world_free(&w);
}

static void test_ceilings(void **state)
{
	uint8_t *big = calloc(1, 20000);
	struct store_stats stats;
	struct store_change c;
	struct world w;
	unsigned i;

	(void)state;
	world_make(&w);
	w.options.max_queue = 4;
	w.options.max_queue_bytes = 40000;
	assert_int_equal(world_open(&w), STORE_OK);

	gate_close();
	for (i = 0; i < 4; i++) {
		c = a_proof(i, text("x"));
		assert_int_equal(world_submit(&w, &c, 1), STORE_OK);
	}
	c = a_proof(4, text("x"));
	assert_int_equal(world_submit(&w, &c, 1), STORE_FULL);
	assert_int_equal(store_commit_lazy(w.store, &c, 1), STORE_FULL);
	gate_open();
	world_await(&w, 4);
	assert_int_equal(world_commit(&w, &c, 1), STORE_OK);

	gate_close();
	c = a_proof(5, span_of(big, 20000));
	assert_int_equal(world_submit(&w, &c, 1), STORE_OK);
	c = a_proof(6, span_of(big, 20000));
	assert_int_equal(world_submit(&w, &c, 1), STORE_FULL);
	gate_open();
	world_await(&w, 6);
	assert_int_equal(w.ok, 6);
	store_stats(w.store, &stats);
	assert_int_equal(stats.groups_refused, 3);
	assert_int_equal(stats.queue_bytes, 0);
	assert_int_equal(count_proofs(&w), 6);
	world_close(&w);
	world_free(&w);
	free(big);
}

static void test_close_drains(void **state)
{
	struct store_change c, l = {.kind = CHANGE_LEASE_PUT, .lease = lease};
	struct world w;
	struct seen got;
	unsigned i;

	(void)state;
	world_make(&w);
	w.options.lazy_ms = 3600 * 1000;
	assert_int_equal(world_open(&w), STORE_OK);
	gate_close();
	for (i = 0; i < 10; i++) {
		c = a_proof(i, text("x"));
		assert_int_equal(world_submit(&w, &c, 1), STORE_OK);
	}
	assert_int_equal(store_commit_lazy(w.store, &l, 1), STORE_OK);
	store_close(w.store, world_on_close, &w);
	assert_int_equal(world_submit(&w, &c, 1), STORE_CLOSING);
	assert_int_equal(store_commit_lazy(w.store, &c, 1), STORE_CLOSING);
	gate_open();
	uv_run(&w.loop, UV_RUN_DEFAULT);
	assert_true(w.closed);
	assert_int_equal(w.ok, 10);
	assert_int_equal(world_open(&w), STORE_OK);
	load(&w, &got);
	assert_int_equal(got.proofs, 10);
	assert_int_equal(got.leases, 1);
	buf_free(&got.text);
	world_close(&w);
	world_free(&w);
}

static void test_lazy(void **state)
{
	struct store_change c, l = {.kind = CHANGE_LEASE_PUT, .lease = lease};
	struct store_stats before, stats;
	struct world w;

	(void)state;
	world_make(&w);
	w.options.lazy_ms = 3600 * 1000;
	assert_int_equal(world_open(&w), STORE_OK);
	store_stats(w.store, &before);
	assert_int_equal(store_commit_lazy(w.store, &l, 1), STORE_OK);
	/* It rides along: one transaction for both. */
	c = a_proof(1, text("x"));
	assert_int_equal(world_commit(&w, &c, 1), STORE_OK);
	store_stats(w.store, &stats);
	assert_int_equal(stats.transactions - before.transactions, 1);
	assert_int_equal(stats.groups, 2);
	world_close(&w);

	/* And it goes alone when nothing comes. */
	w.options.lazy_ms = 1;
	assert_int_equal(world_open(&w), STORE_OK);
	l.lease.batch++;
	assert_int_equal(store_commit_lazy(w.store, &l, 1), STORE_OK);
	do {
		uv_run(&w.loop, UV_RUN_ONCE);
		store_stats(w.store, &stats);
	} while (stats.groups == 0);
	assert_int_equal(stats.transactions, 1);
	world_close(&w);
	world_free(&w);
}

/* ---- what is found at the start ---- */

static void test_second_opener(void **state)
{
	struct store *second;
	struct world w;
	char want[200];
	struct stat st;

	(void)state;
	world_make(&w);
	assert_int_equal(world_open(&w), STORE_OK);
	assert_int_equal(stat(w.dir, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_int_equal(store_open(&second, &w.loop, &w.options, &w.why), STORE_IN_USE);
	assert_null(second);
	snprintf(want, sizeof want, "the data directory %s is in use by process %d", w.dir,
		 (int)getpid());
	assert_string_equal(w.why.text, want);
	world_close(&w);
	assert_int_equal(world_open(&w), STORE_OK);
	world_close(&w);
	world_free(&w);
}

static void alter(struct world *w, const char *sql)
{
	char path[128];
	sqlite3 *db;

	snprintf(path, sizeof path, "%s/store.db", w->dir);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void test_foreign(void **state)
{
	struct world w;

	(void)state;
	world_make(&w);
	assert_int_equal(world_open(&w), STORE_OK);
	world_close(&w);
	alter(&w, "PRAGMA user_version = 4");
	assert_int_equal(world_open(&w), STORE_FOREIGN);
	assert_non_null(strstr(w.why.text, "schema version 4, this program knows up to 3"));
	alter(&w, "PRAGMA user_version = 0");
	assert_int_equal(world_open(&w), STORE_FOREIGN);
	assert_non_null(strstr(w.why.text, "schema version 0, which this program cannot read"));
	alter(&w, "PRAGMA application_id = 77");
	assert_int_equal(world_open(&w), STORE_FOREIGN);
	assert_non_null(strstr(w.why.text, "another program (application id 77"));
	alter(&w, "PRAGMA user_version = 3; PRAGMA application_id = 1413765187");
	assert_int_equal(world_open(&w), STORE_OK);
	world_close(&w);
	/* A lost table is damage, not an invitation to create it anew. */
	alter(&w, "DROP TABLE proof");
	assert_int_equal(world_open(&w), STORE_CORRUPT);
	assert_non_null(strstr(w.why.text, "no such table: proof"));
	world_free(&w);
}

/* A data directory of version 0.1.0 goes on, and what does not become one of this version whole
 * stays one of that. */
static void test_schema_1_goes_on(void **state)
{
	char path[512];
	struct buf sql;
	struct seen got;
	struct world w;

	(void)state;
	snprintf(path, sizeof path, "%s/tests/unit/coordinator/store/schema1.sql",
		 getenv("SOURCE_DIR"));
	buf_init(&sql, 1 << 16);
	assert_true(file_read(&sql, path, NULL) && buf_add(&sql, "", 1));
	world_make(&w);
	assert_int_equal(mkdir(w.dir, 0700), 0);
	alter(&w, (const char *)sql.p);
	buf_free(&sql);

	/* Something in the way of the new table: nothing may have changed. */
	alter(&w, "CREATE TABLE intent_2 (id INTEGER)");
	assert_int_not_equal(world_open(&w), STORE_OK);
	alter(&w, "DROP TABLE intent_2; SELECT max_fee FROM intent");

	assert_int_equal(world_open(&w), STORE_OK);
	load(&w, &got);
	assert_int_equal(got.facts, 1);
	assert_int_equal(got.inputs, 1);
	assert_int_equal(got.proofs, 1);
	assert_int_equal(got.leases, 1);
	assert_int_equal(got.provers, 1);
	assert_int_equal(got.intents, 1);
	assert_non_null(
	    strstr((char *)got.text.p, "intent 3 18:74686520696e74656e742773206279746573\n"));
	buf_free(&got.text);
	world_close(&w);
	assert_int_equal(world_open(&w), STORE_OK);
	world_close(&w);
	world_free(&w);
}

static void overwrite(const char *path, off_t at, const void *bytes, size_t n, bool cut)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0600);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, n, at), n);
	if (cut)
		assert_int_equal(ftruncate(fd, at + (off_t)n), 0);
	close(fd);
}

static void test_corrupt(void **state)
{
	char path[128], wal[140], noise[4096];
	struct store_change c;
	struct world w;
	struct stat before, after;
	unsigned i;

	(void)state;
	memset(noise, 0x5a, sizeof noise);
	world_make(&w);
	assert_int_equal(world_open(&w), STORE_OK);
	for (i = 0; i < 200; i++) {
		c = a_proof(i, span_of(noise, 400));
		assert_int_equal(world_submit(&w, &c, 1), STORE_OK);
	}
	world_close(&w);
	snprintf(path, sizeof path, "%s/store.db", w.dir);
	snprintf(wal, sizeof wal, "%s-wal", path);

	/* Damage inside: found by the load. */
	assert_int_equal(stat(path, &before), 0);
	for (i = 1; i < before.st_size / 4096; i++)
		overwrite(path, 4096 * i, noise, sizeof noise, false);
	if (world_open(&w) == STORE_OK) {
		struct seen s = {0};

		buf_init(&s.text, 1 << 20);
		assert_int_equal(store_load(w.store, &see_all, &s, &w.why), STORE_CORRUPT);
		buf_free(&s.text);
		world_close(&w);
	}
	assert_non_null(strstr(w.why.text, "store.db"));
	assert_non_null(strstr(w.why.text, "malformed"));

	/* Damage of the header, and a file that is something else. */
	overwrite(path, 0, noise, sizeof noise, false);
	assert_int_equal(world_open(&w), STORE_CORRUPT);
	assert_non_null(strstr(w.why.text, "not a database"));
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(after.st_size, before.st_size);
	assert_int_equal(after.st_ino, before.st_ino);

	/* An empty database beside a log: a lost database is not a new one. */
	overwrite(wal, 0, noise, sizeof noise, false);
	assert_int_equal(truncate(path, 0), 0);
	assert_int_equal(world_open(&w), STORE_CORRUPT);
	assert_non_null(strstr(w.why.text, "put the database back"));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(world_open(&w), STORE_CORRUPT);
	assert_int_equal(stat(wal, &after), 0);
	assert_int_equal(stat(path, &after), -1);
	world_free(&w);
}

static void test_bad_directories(void **state)
{
	struct world w;
	char path[100], longer[5000];

	(void)state;
	world_make(&w);
	snprintf(path, sizeof path, "%s/no/such", w.root);
	w.options.dir = path;
	assert_int_equal(world_open(&w), STORE_DISK);
	assert_non_null(strstr(w.why.text, path));
	snprintf(path, sizeof path, "%s/file", w.root);
	overwrite(path, 0, "x", 1, true);
	assert_int_equal(world_open(&w), STORE_DISK);
	assert_non_null(strstr(w.why.text, "not a directory"));
	memset(longer, 'a', sizeof longer - 1);
	longer[sizeof longer - 1] = '\0';
	w.options.dir = longer;
	assert_int_equal(world_open(&w), STORE_DISK);
	world_free(&w);
}

static bool refuse(void *arg, const struct store_proof *row, struct why *why)
{
	++*(unsigned *)arg;
	why_set(why, "proof %lu is not wanted", row->id);
	return false;
}

static void test_visitor_stops(void **state)
{
	struct store_visitor v = {.proof = refuse};
	struct store_change c;
	unsigned visits = 0;
	struct world w;

	(void)state;
	world_make(&w);
	assert_int_equal(world_open(&w), STORE_OK);
	c = a_proof(4, text("x"));
	world_commit(&w, &c, 1);
	c = a_proof(3, text("x"));
	world_commit(&w, &c, 1);
	assert_int_equal(store_load(w.store, &v, &visits, &w.why), STORE_CONFLICT);
	assert_int_equal(visits, 1);
	assert_string_equal(w.why.text, "proof 3 is not wanted");
	assert_string_equal(store_rc_text(STORE_FULL), "the store's queue is full");
	world_close(&w);
	world_free(&w);
}

static void on_last(void *arg, enum store_rc rc, const struct why *why)
{
	struct world *w = arg;

	(void)why;
	assert_int_equal(rc, STORE_OK);
	assert_false(store_is_shared(w->store));
	assert_true(store_leads(w->store));
	assert_int_equal(store_slot(w->store), 0);
	assert_int_equal(store_instances(w->store, NULL, 0), 0);
	assert_int_equal(store_skew_ms(w->store), 0);
}

/* The last answers come when the database is closed already. */
static void test_what_it_is_until_the_end(void **state)
{
	const struct store_change c = a_proof(4, text("x"));
	struct world w;

	(void)state;
	world_make(&w);
	assert_int_equal(world_open(&w), STORE_OK);
	assert_int_equal(store_commit(w.store, &c, 1, on_last, &w), STORE_OK);
	store_close(w.store, world_on_close, &w);
	usleep(200000); /* the store's thread has ended */
	uv_run(&w.loop, UV_RUN_DEFAULT);
	assert_true(w.closed);
	world_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_round_trip),
	    cmocka_unit_test(test_replace_and_delete),
	    cmocka_unit_test(test_input_keys),
	    cmocka_unit_test(test_large_blobs),
	    cmocka_unit_test(test_group_commit),
	    cmocka_unit_test(test_order),
	    cmocka_unit_test(test_ceilings),
	    cmocka_unit_test(test_close_drains),
	    cmocka_unit_test(test_lazy),
	    cmocka_unit_test(test_second_opener),
	    cmocka_unit_test(test_ranges_of_batches),
	    cmocka_unit_test(test_an_input_takes_anothers_place),
	    cmocka_unit_test(test_files_that_are_taken_away),
	    cmocka_unit_test(test_lazy_changes_never_take_the_place_of_others),
	    cmocka_unit_test(test_foreign),
	    cmocka_unit_test(test_schema_1_goes_on),
	    cmocka_unit_test(test_corrupt),
	    cmocka_unit_test(test_bad_directories),
	    cmocka_unit_test(test_visitor_stops),
	    cmocka_unit_test(test_what_it_is_until_the_end),
	};

	gate_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
