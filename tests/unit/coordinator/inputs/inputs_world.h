/* inputs_world.h -- a data directory with a real store, a real book of work, real files. */
#ifndef TESTS_INPUTS_WORLD_H
#define TESTS_INPUTS_WORLD_H

#include "coordinator/base/clock.h"
#include "coordinator/inputs/inputs.h"
#include "coordinator/inputs/upload.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define HASH "abcdef0"

struct world {
	uv_loop_t loop;
	char dir[64];
	uint64_t quota;
	struct store *store;
	struct work *work;
	struct commit_hash_rule *rule;
	struct inputs *inputs;
	bool ended, progressed, closed;
	enum upload_rc rc;
	char sentence[512];
	/* what a load showed */
	unsigned rows, replaced, proofs, leases;
	int proof_state;
};

static inline void world_on_progress(void *arg)
{
	((struct world *)arg)->progressed = true;
}

static inline void world_on_end(void *arg, enum upload_rc rc, const char *sentence)
{
	struct world *x = arg;

	x->ended = true;
	x->rc = rc;
	snprintf(x->sentence, sizeof x->sentence, "%s", sentence);
}

/* What one run of the daemon makes; the directory is there. */
static inline void world_open(struct world *x)
{
	struct work_limits wl = {.max_batches = 100000,
				 .max_inputs = 200000,
				 .max_versions = 4,
				 .max_candidates = 4,
				 .max_candidates_per_source = 100000,
				 .lease_ms = 60000};
	struct inputs_options io = {.max_bytes = 1 << 20, .quota_bytes = x->quota};
	struct store_options so = {.dir = x->dir};
	struct why why = {""};
	int t;

	io.data_dir = x->dir;
	uv_loop_init(&x->loop);
	if (store_open(&x->store, &x->loop, &so, &why) != STORE_OK)
		fail_msg("%s", why.text);
	for (t = 0; t < PROVER_TYPES; t++)
		wl.proof_max[t] = 1 << 20;
	x->work = work_new(&wl);
	work_set_needed(x->work, PROVER_TYPE_BIT(PROVER_TDX));
	assert_true(commit_hash_rule_new(&x->rule, "^[0-9a-f]{7,40}$", &why));
	assert_true(inputs_new(
	    &x->inputs, &(struct inputs_parts){&x->loop, x->store, x->work, x->rule}, &io, &why));
}

static inline void world_on_closed(void *arg)
{
	((struct world *)arg)->closed = true;
}

static inline void world_on_inputs_closed(void *arg)
{
	struct world *x = arg;

	store_close(x->store, world_on_closed, x);
}

static inline void world_close(struct world *x)
{
	inputs_close(x->inputs, world_on_inputs_closed, x);
	uv_run(&x->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&x->loop), 0);
	inputs_free(x->inputs);
	work_free(x->work);
	commit_hash_rule_free(x->rule);
}

static inline void world_make(struct world *x)
{
	memset(x, 0, sizeof *x);
	x->quota = 1 << 20;
	strcpy(x->dir, "/tmp/test_inputs.XXXXXX");
	assert_non_null(mkdtemp(x->dir));
	world_open(x);
}

static inline void world_free(struct world *x)
{
	char command[128];

	world_close(x);
	snprintf(command, sizeof command, "rm -rf %s", x->dir);
	assert_int_equal(system(command), 0);
}

static inline int world_setup(void **state)
{
	struct world *x = malloc(sizeof *x);

	world_make(x);
	*state = x;
	return 0;
}

static inline int world_teardown(void **state)
{
	world_free(*state);
	free(*state);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

static inline enum upload_rc world_put(struct world *x, uint64_t batch, const char *text)
{
	static const struct upload_events events = {world_on_progress, world_on_end};
	struct why why = {""};
	struct upload *u;

	x->ended = x->progressed = false;
	if (!upload_new(&u, x->inputs, batch, HASH, &events, x, &why))
		fail_msg("%s", why.text);
	upload_write(u, text, strlen(text));
	while (!x->progressed && !x->ended)
		uv_run(&x->loop, UV_RUN_ONCE);
	if (!x->ended)
		upload_finish(u);
	while (!x->ended || inputs_wasted(x->inputs))
		uv_run(&x->loop, UV_RUN_ONCE);
	return x->rc;
}

static inline void world_chain(struct world *x, uint64_t committed, uint64_t verified,
			       uint64_t final)
{
	struct work_chain c = {committed, verified, final};
	struct why why;

	work_set_chain(x->work, &c, &why);
}

static inline unsigned world_files(const struct world *x)
{
	char command[128], text[32] = "";
	FILE *f;

	snprintf(command, sizeof command, "ls %s/inputs | wc -l", x->dir);
	f = popen(command, "r");
	assert_non_null(f);
	assert_non_null(fgets(text, sizeof text, f));
	pclose(f);
	return (unsigned)atoi(text);
}

static inline void world_on_commit(void *arg, enum store_rc rc, const struct why *why)
{
	(void)why;
	assert_int_equal(rc, STORE_OK);
	((struct world *)arg)->ended = true;
}

static inline void world_commit(struct world *x, const struct store_change *changes, size_t n)
{
	x->ended = false;
	assert_int_equal(store_commit(x->store, changes, n, world_on_commit, x), STORE_OK);
	while (!x->ended)
		uv_run(&x->loop, UV_RUN_ONCE);
}

/* A proof that is kept: its row, and work's candidate. */
static inline uint64_t world_prove(struct world *x, uint64_t batch, uint64_t content)
{
	struct work_proof p = {
	    .batch = batch, .type = PROVER_TDX, .source = "10.0.0.1", .size = 65};
	struct store_change c = {.kind = CHANGE_PROOF_PUT};
	static const uint8_t bytes[65];
	struct why why = {""};
	uint64_t id;

	memcpy(p.sha256, &content, sizeof content);
	p.sha256[31] = 1;
	if (work_submit_check(x->work, &p, &id, &why) != WORK_ACCEPT)
		fail_msg("%s", why.text);
	c.proof = (struct store_proof){.id = id,
				       .batch = batch,
				       .prover_type = PROVER_TDX,
				       .bytes = span_of(bytes, sizeof bytes),
				       .source = span_of("10.0.0.1", 8),
				       .state = WORK_CANDIDATE};
	world_commit(x, &c, 1);
	assert_true(work_kept(x->work, id, 0));
	return id;
}

static inline bool world_see_input(void *arg, const struct store_input *row, struct why *why)
{
	struct world *x = arg;

	x->rows += !row->replaced_ms;
	x->replaced += row->replaced_ms != 0;
	return inputs_restore(x->inputs, row, why);
}

static inline bool world_see_proof(void *arg, const struct store_proof *row, struct why *why)
{
	struct world *x = arg;

	(void)why;
	x->proofs++;
	x->proof_state = row->state;
	return true;
}

static inline bool world_see_lease(void *arg, const struct store_lease *row, struct why *why)
{
	(void)row;
	(void)why;
	((struct world *)arg)->leases++;
	return true;
}

/* Another run: what is stored becomes work again. */
static inline void world_restart(struct world *x)
{
	const struct store_visitor visitor = {
	    .input = world_see_input, .proof = world_see_proof, .lease = world_see_lease};
	struct why why = {""};
	size_t removed;

	world_close(x);
	world_open(x);
	x->rows = x->replaced = x->proofs = x->leases = 0;
	if (store_load(x->store, &visitor, x, &why) != STORE_OK)
		fail_msg("%s", why.text);
	assert_true(inputs_sweep(x->inputs, &removed, &why));
}

#endif
