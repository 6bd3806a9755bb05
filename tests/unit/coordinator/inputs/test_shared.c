/* Two coordinators on one database: what one takes in the other hands out, and no batch goes out
 * twice. */
#include "../store/shared_db.h"

#include "coordinator/base/clock.h"
#include "coordinator/inputs/serve.h"
#include "coordinator/inputs/upload.h"
#include "coordinator/registrar/registrar.h"

#include <dirent.h>
#include <unistd.h>

#define HASH "abcdef0"

struct side {
	struct world *world;
	char dir[64];
	struct store *store;
	struct work *work;
	struct inputs *inputs;
	struct serve *serve;
};

struct world {
	uv_loop_t loop;
	struct shared_db db;
	struct commit_hash_rule *rule;
	struct registrar *registrar;
	struct side side[2];
	unsigned closed;
	bool ended, progressed;
	enum upload_rc rc;
	/* the last answers to requests */
	unsigned answers;
	enum serve_rc served[64];
	uint64_t batch[64];
	char sentence[256];
};

static void on_foreign(void *arg, const struct store_change *changes, size_t n)
{
	struct side *x = arg;
	struct why why = {""};
	size_t i;

	for (i = 0; i < n; i++)
		switch (changes[i].kind) {
		case CHANGE_INPUT_PUT:
		case CHANGE_INPUT_DEL:
		case CHANGE_INPUT_DEL_THROUGH:
			assert_true(inputs_foreign(x->inputs, &changes[i], &why));
			break;
		case CHANGE_LEASE_PUT:
		case CHANGE_LEASE_DEL:
		case CHANGE_LEASE_DEL_THROUGH: lease_foreign(x->work, &changes[i]); break;
		default: break;
		}
}

static void make_side(struct world *w, unsigned slot)
{
	struct work_limits wl = {.max_batches = 100,
				 .max_inputs = 100,
				 .max_versions = 4,
				 .max_candidates = 4,
				 .max_candidates_per_source = 10,
				 .lease_ms = 60000};
	struct side *x = &w->side[slot];
	const struct store_events events = {.foreign = on_foreign, .arg = x};
	const struct inputs_options io = {
	    .data_dir = x->dir, .max_bytes = 1 << 20, .quota_bytes = slot ? 100 : 1000};
	struct store_options so = {.dir = x->dir, .lazy_ms = 10, .events = &events};
	struct why why = {""};
	int t;

	x->world = w;
	strcpy(x->dir, "/tmp/test_side.XXXXXX");
	assert_non_null(mkdtemp(x->dir));
	so.engine = shared_engine(&w->db, slot);
	assert_int_equal(store_open(&x->store, &w->loop, &so, &why), STORE_OK);
	for (t = 0; t < PROVER_TYPES; t++)
		wl.proof_max[t] = 1000;
	x->work = work_new(&wl);
	work_set_ids(x->work, slot, STORE_SLOTS);
	work_set_needed(x->work, PROVER_TYPE_BIT(PROVER_TDX));
	assert_true(inputs_new(
	    &x->inputs, &(struct inputs_parts){&w->loop, x->store, x->work, w->rule}, &io, &why));
	assert_true(serve_new(
	    &x->serve, &(struct serve_parts){x->store, x->work, x->inputs, w->rule, w->registrar},
	    &why));
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof *w);
	struct why why = {""};

	uv_loop_init(&w->loop);
	shared_db_init(&w->db);
	assert_true(commit_hash_rule_new(&w->rule, "^[0-9a-f]{7,40}$", &why));
	w->registrar = registrar_new(&(struct registrar_settings){.max_provers = 4});
	assert_non_null(w->registrar);
	make_side(w, 0);
	make_side(w, 1);
	*state = w;
	return 0;
}

static void on_closed(void *arg)
{
	((struct world *)arg)->closed++;
}

static int teardown(void **state)
{
	struct world *w = *state;
	char command[256];
	unsigned i;

	for (i = 0; i < 2; i++) {
		inputs_stop(w->side[i].inputs);
		store_close(w->side[i].store, on_closed, w);
	}
	uv_run(&w->loop, UV_RUN_DEFAULT);
	assert_int_equal(w->closed, 2);
	assert_int_equal(uv_loop_close(&w->loop), 0);
	for (i = 0; i < 2; i++) {
		serve_free(w->side[i].serve);
		inputs_free(w->side[i].inputs);
		work_free(w->side[i].work);
		snprintf(command, sizeof command, "rm -rf %s", w->side[i].dir);
		assert_int_equal(system(command), 0);
	}
	commit_hash_rule_free(w->rule);
	registrar_free(w->registrar);
	shared_db_free(&w->db);
	free(w);
	return 0;
}

/* ---- steps ---- */

static void on_progress(void *arg)
{
	((struct world *)arg)->progressed = true;
}

static void on_end(void *arg, enum upload_rc rc, const char *sentence)
{
	struct world *w = arg;

	w->ended = true;
	w->rc = rc;
	snprintf(w->sentence, sizeof w->sentence, "%s", sentence);
}

static struct upload *begin_put(struct world *w, unsigned side, uint64_t batch, const char *text)
{
	static const struct upload_events events = {on_progress, on_end};
	struct why why = {""};
	struct upload *u;

	w->ended = w->progressed = false;
	if (!upload_new(&u, w->side[side].inputs, batch, HASH, &events, w, &why))
		fail_msg("%s", why.text);
	upload_write(u, text, strlen(text));
	while (!w->progressed && !w->ended)
		uv_run(&w->loop, UV_RUN_ONCE);
	if (!w->ended)
		upload_finish(u);
	return u;
}

static enum upload_rc put(struct world *w, unsigned side, uint64_t batch, const char *text)
{
	begin_put(w, side, batch, text);
	while (!w->ended)
		uv_run(&w->loop, UV_RUN_ONCE);
	return w->rc;
}

static bool has_looked(const struct shared_look *then, const struct shared_look *now, unsigned side)
{
	return now->holds[side] || now->turns[side] - then->turns[side] >= 6;
}

/* Until both sides have been shown all: nothing has happened for 60 ms, in which each looked, and
 * nothing is under way but what is held. */
static void settle(struct world *w)
{
	const uint64_t end = clock_mono_ms() + 20000;
	struct shared_look then = shared_look(&w->db), now;
	uint64_t since = clock_mono_ms();

	do {
		assert_true(clock_mono_ms() < end);
		uv_run(&w->loop, UV_RUN_NOWAIT);
		usleep(1000);
		now = shared_look(&w->db);
		if (w->loop.active_reqs.count == now.held_jobs &&
		    memcmp(&then, &now, offsetof(struct shared_look, turns)) == 0)
			continue;
		then = now;
		since = clock_mono_ms();
	} while (clock_mono_ms() < since + 60 || !has_looked(&then, &now, 0) ||
		 !has_looked(&then, &now, 1));
}

static void on_served(void *arg, const struct served *a)
{
	struct world *w = arg;

	assert_string_equal(a->request->commit_hash, HASH);
	assert_true(a->request->has_prover_type);
	w->served[w->answers] = a->rc;
	w->batch[w->answers++] = a->rc == SERVE_INPUT ? a->input.batch : 0;
	snprintf(w->sentence, sizeof w->sentence, "%s", a->sentence);
	if (a->rc == SERVE_INPUT)
		close(a->input.fd);
}

static void begin_ask(struct world *w, unsigned side, uint64_t conn, const char *source)
{
	struct proofdata m = {.kind = MSG_INPUT_REQUEST,
			      .dialect = DIALECT_P7,
			      .has_prover_type = true,
			      .prover_type = PROVER_TDX,
			      .commit_hash = HASH};

	serve_request(w->side[side].serve, conn, &m, source, on_served, w);
}

static void await_answers(struct world *w, unsigned n)
{
	while (w->answers < n)
		uv_run(&w->loop, UV_RUN_ONCE);
}

static enum serve_rc ask(struct world *w, unsigned side, uint64_t conn, const char *source,
			 uint64_t *batch)
{
	w->answers = 0;
	begin_ask(w, side, conn, source);
	await_answers(w, 1);
	*batch = w->batch[0];
	return w->served[0];
}

static size_t leases(const struct world *w, unsigned side)
{
	struct work_counts c;

	work_counts(w->side[side].work, &c);
	return c.leases;
}

static size_t known(const struct world *w, unsigned side)
{
	struct work_counts c;

	work_counts(w->side[side].work, &c);
	return c.inputs;
}

static unsigned files(const struct world *w, unsigned side)
{
	char path[128];
	struct dirent *entry;
	unsigned n = 0;
	DIR *d;

	snprintf(path, sizeof path, "%s/inputs", w->side[side].dir);
	d = opendir(path);
	assert_non_null(d);
	while ((entry = readdir(d)))
		n += entry->d_name[0] != '.';
	closedir(d);
	return n;
}

/* ---- tests ---- */

static void test_one_takes_in_and_the_other_hands_out(void **state)
{
	struct world *w = *state;
	uint64_t batch;

	assert_int_equal(put(w, 0, 1, "{\"a\":1}"), UPLOAD_CREATED);
	assert_int_equal(w->db.shares, 1);
	settle(w);
	assert_int_equal(known(w, 1), 1);
	assert_int_equal(inputs_bytes(w->side[1].inputs), 7);
	assert_int_equal(files(w, 1), 0); /* fetched when it is wanted */
	assert_int_equal(ask(w, 1, 5, "a", &batch), SERVE_INPUT);
	assert_int_equal(batch, 1);
	assert_int_equal(files(w, 1), 1);
	assert_int_equal(w->db.fetches, 1);
	/* Durable, and the other has heard of it. */
	assert_int_equal(shared_count(&w->db, CHANGE_LEASE_PUT), 1);
	settle(w);
	assert_int_equal(leases(w, 0), 1);
	assert_int_equal(ask(w, 0, 6, "b", &batch), SERVE_EMPTY);
	/* It did not arrive: the other may have it, from its own file. */
	serve_end(w->side[1].serve, 5, false);
	settle(w);
	assert_int_equal(leases(w, 0), 0);
	assert_int_equal(ask(w, 0, 7, "b", &batch), SERVE_INPUT);
	assert_int_equal(w->db.fetches, 1);
}

/* Both ask before either has heard of the other: each batch goes out once. */
static void test_no_batch_goes_out_twice(void **state)
{
	struct world *w = *state;
	unsigned i, j, inputs = 0;
	uint64_t b;

	for (b = 1; b <= 8; b++)
		assert_int_equal(put(w, 0, b, "{}"), UPLOAD_CREATED);
	settle(w);
	w->answers = 0;
	shared_set(&w->db, STORE_OK, true);
	for (i = 0; i < 8; i++)
		begin_ask(w, i % 2, 100 + i, "a");
	assert_int_equal(w->answers, 0); /* nothing goes out before its lease is durable */
	shared_set(&w->db, STORE_OK, false);
	await_answers(w, 8);
	for (i = 0; i < 8; i++) {
		inputs += w->served[i] == SERVE_INPUT;
		for (j = 0; j < i; j++)
			assert_true(w->served[i] != SERVE_INPUT || w->batch[i] != w->batch[j]);
	}
	assert_int_equal(inputs, 8);
	settle(w);
	assert_int_equal(leases(w, 0), 8);
	assert_int_equal(leases(w, 1), 8);
}

static void test_one_batch_and_two_who_want_it(void **state)
{
	struct world *w = *state;

	assert_int_equal(put(w, 0, 1, "{}"), UPLOAD_CREATED);
	settle(w);
	w->answers = 0;
	shared_set(&w->db, STORE_OK, true);
	begin_ask(w, 0, 5, "a");
	begin_ask(w, 1, 6, "b");
	shared_set(&w->db, STORE_OK, false);
	await_answers(w, 2);
	assert_int_equal(w->served[0] + w->served[1], SERVE_INPUT + SERVE_EMPTY);
	settle(w);
	assert_int_equal(leases(w, 0), 1);
	assert_int_equal(leases(w, 1), 1);
}

static void test_a_database_that_cannot_be_reached(void **state)
{
	static const enum store_rc faults[] = {STORE_UNREACHABLE, STORE_DISK, STORE_TAKEN_AWAY};
	struct world *w = *state;
	uint64_t batch;
	size_t i;

	assert_int_equal(put(w, 0, 1, "{}"), UPLOAD_CREATED);
	for (i = 0; i < sizeof faults / sizeof *faults; i++) {
		shared_set(&w->db, faults[i], false);
		assert_int_equal(ask(w, 0, 5, "a", &batch), SERVE_TRY_AGAIN);
		assert_string_equal(w->sentence, "no lease can be stored now");
		assert_int_equal(leases(w, 0), 0);
	}
	assert_int_equal(put(w, 0, 2, "{ }"), UPLOAD_FAILED);
	assert_int_equal(known(w, 0), 1);
	shared_set(&w->db, STORE_OK, false);
	assert_int_equal(ask(w, 0, 6, "a", &batch), SERVE_INPUT);
	assert_int_equal(put(w, 0, 2, "{ }"), UPLOAD_CREATED);
}

static void test_a_clock_that_is_wrong(void **state)
{
	struct world *w = *state;
	uint64_t batch;

	assert_int_equal(put(w, 0, 1, "{}"), UPLOAD_CREATED);
	w->db.skew_ms = -30001;
	assert_int_equal(ask(w, 0, 5, "a", &batch), SERVE_TRY_AGAIN);
	assert_non_null(strstr(w->sentence, "clock is -30001 ms off"));
}

static void test_files_that_cannot_be_had(void **state)
{
	struct world *w = *state;
	struct work_counts c;
	uint64_t batch;

	assert_int_equal(put(w, 0, 1, "{}"), UPLOAD_CREATED);
	settle(w);
	w->db.fetch_fault = INPUT_IO;
	assert_int_equal(ask(w, 1, 5, "a", &batch), SERVE_TRY_AGAIN);
	work_counts(w->side[1].work, &c);
	assert_int_equal(c.broken, 0);
	settle(w);
	assert_int_equal(leases(w, 0), 0); /* given back, and the other knows */
	w->db.fetch_fault = INPUT_BROKEN;
	assert_int_equal(ask(w, 1, 6, "a", &batch), SERVE_EMPTY);
	work_counts(w->side[1].work, &c);
	assert_int_equal(c.broken, 1);
	/* Put again by the other: whole here too. */
	w->db.fetch_fault = INPUT_OK;
	work_input_broken(w->side[0].work, 1, HASH);
	assert_int_equal(put(w, 0, 1, "{}"), UPLOAD_CREATED);
	settle(w);
	assert_int_equal(ask(w, 1, 7, "a", &batch), SERVE_INPUT);
	work_counts(w->side[1].work, &c);
	assert_int_equal(c.broken, 0);
	assert_int_equal(inputs_bytes(w->side[0].inputs), 2);
	assert_int_equal(inputs_bytes(w->side[1].inputs), 2);
}

/* The one that it is put to again has it whole, and does not know that it is broken there. */
static void test_the_same_put_again_mends_it_for_all(void **state)
{
	struct world *w = *state;
	char command[128];
	uint64_t batch;

	assert_int_equal(put(w, 0, 1, "{\"a\":1}"), UPLOAD_CREATED);
	settle(w);
	snprintf(command, sizeof command, "rm %s/inputs/*", w->db.dir);
	assert_int_equal(system(command), 0);
	assert_int_equal(ask(w, 1, 5, "a", &batch), SERVE_EMPTY);
	settle(w);
	assert_int_equal(put(w, 0, 1, "{\"a\":1}"), UPLOAD_SAME);
	assert_int_equal(w->db.shares, 2);
	settle(w);
	assert_int_equal(ask(w, 1, 6, "a", &batch), SERVE_INPUT);
	assert_int_equal(batch, 1);
	assert_int_equal(inputs_bytes(w->side[0].inputs), 7);
	assert_int_equal(inputs_bytes(w->side[1].inputs), 7);
	/* What cannot be stored now is not said to be. */
	shared_set(&w->db, STORE_UNREACHABLE, false);
	assert_int_equal(put(w, 0, 1, "{\"a\":1}"), UPLOAD_FAILED);
	shared_set(&w->db, STORE_OK, false);
	assert_int_equal(inputs_bytes(w->side[0].inputs), 7);
	assert_int_equal(files(w, 0), 1);
}

static void on_open(void *arg, enum input_rc rc, int fd, const struct why *why)
{
	struct world *w = arg;

	(void)why;
	w->answers++;
	assert_int_equal(rc, INPUT_OK);
	close(fd);
}

static void test_one_fetch_for_all(void **state)
{
	struct world *w = *state;
	uint8_t sha256[32];
	uint64_t size;
	unsigned i;

	assert_int_equal(put(w, 0, 1, "{}"), UPLOAD_CREATED);
	settle(w);
	assert_true(work_input(w->side[1].work, 1, HASH, sha256, &size));
	for (i = 0; i < 5; i++)
		inputs_open(w->side[1].inputs, sha256, size, on_open, w);
	await_answers(w, 5);
	assert_int_equal(w->db.fetches, 1);
}

static char *object_of(char *out, size_t n, char fill)
{
	memset(out, ' ', n);
	out[0] = '{';
	out[1] = '"';
	out[2] = fill;
	memcpy(out + 3, "\":1", 3);
	out[n - 1] = '}';
	out[n] = '\0';
	return out;
}

/* The second one's quota of 100 bytes holds two of 40: what was not read for longest goes, never
 * one that is being read. */
static void test_copies_make_room(void **state)
{
	struct world *w = *state;
	uint64_t b, batch;
	char text[64];

	for (b = 1; b <= 3; b++)
		assert_int_equal(put(w, 0, b, object_of(text, 40, (char)('a' + b))),
				 UPLOAD_CREATED);
	settle(w);
	assert_int_equal(known(w, 1), 3); /* what is stored is never refused */
	assert_int_equal(ask(w, 1, 5, "a", &batch), SERVE_INPUT);
	assert_int_equal(ask(w, 1, 6, "a", &batch), SERVE_INPUT);
	assert_int_equal(files(w, 1), 2);
	/* Both are being read: there is no room, and nothing is broken. */
	assert_int_equal(ask(w, 1, 7, "a", &batch), SERVE_TRY_AGAIN);
	serve_end(w->side[1].serve, 6, true);
	assert_int_equal(ask(w, 1, 8, "a", &batch), SERVE_INPUT);
	assert_int_equal(batch, 3);
	assert_int_equal(files(w, 1), 2);
	assert_int_equal(w->db.fetches, 3);
}

static void on_commit(void *arg, enum store_rc rc, const struct why *why)
{
	(void)why;
	assert_int_equal(rc, STORE_OK);
	((struct world *)arg)->ended = true;
}

static void commit_on(struct world *w, unsigned side, const struct store_change *c, size_t n)
{
	w->ended = false;
	assert_int_equal(store_commit(w->side[side].store, c, n, on_commit, w), STORE_OK);
	while (!w->ended)
		uv_run(&w->loop, UV_RUN_ONCE);
}

static void on_deleted(void *arg, bool ok, const char *sentence)
{
	(void)sentence;
	assert_true(ok);
	((struct world *)arg)->ended = true;
}

static void test_what_goes_goes_everywhere(void **state)
{
	const struct store_change through = {.kind = CHANGE_INPUT_DEL_THROUGH, .through = 2};
	struct world *w = *state;
	struct why why = {""};
	uint64_t batch;

	assert_int_equal(put(w, 0, 1, "{\"a\":1}"), UPLOAD_CREATED);
	assert_int_equal(put(w, 0, 2, "{\"a\":2}"), UPLOAD_CREATED);
	assert_int_equal(put(w, 0, 3, "{\"a\":2}"), UPLOAD_CREATED);
	settle(w);
	assert_int_equal(inputs_bytes(w->side[1].inputs), 14);
	assert_int_equal(ask(w, 1, 5, "a", &batch), SERVE_INPUT);
	assert_int_equal(ask(w, 1, 6, "a", &batch), SERVE_INPUT);
	assert_int_equal(files(w, 1), 2);
	/* By hand, on the other; who does not lead says nothing of proofs. */
	w->ended = false;
	assert_true(inputs_delete(w->side[0].inputs, 1, HASH, on_deleted, w, &why));
	while (!w->ended)
		uv_run(&w->loop, UV_RUN_ONCE);
	settle(w);
	assert_int_equal(known(w, 1), 2);
	assert_int_equal(files(w, 1), 1);
	assert_int_equal(inputs_bytes(w->side[1].inputs), 7);
	/* By the leader's retention: a file that another row names stays. */
	commit_on(w, 0, &through, 1);
	settle(w);
	assert_int_equal(known(w, 1), 1);
	assert_int_equal(files(w, 1), 1);
	assert_int_equal(inputs_bytes(w->side[1].inputs), 7);
}

static void test_replaced_on_one(void **state)
{
	const struct work_chain none = {0, 0, 0};
	struct world *w = *state;
	uint8_t is[32], was[32];
	struct why why = {""};
	uint64_t size, batch;
	unsigned i;

	for (i = 0; i < 2; i++)
		work_set_chain(w->side[i].work, &none, &why);
	/* The second leads: it says what becomes of the proofs. */
	shared_lead(&w->db, 1);
	settle(w);
	assert_int_equal(put(w, 0, 1, "{\"a\":1}"), UPLOAD_CREATED);
	settle(w);
	assert_int_equal(ask(w, 1, 5, "a", &batch), SERVE_INPUT);
	assert_true(work_input(w->side[0].work, 1, HASH, was, &size));
	assert_int_equal(put(w, 0, 1, "{\"a\":22}"), UPLOAD_CREATED);
	settle(w);
	assert_true(work_input(w->side[0].work, 1, HASH, is, &size));
	assert_memory_not_equal(is, was, 32);
	assert_true(work_input(w->side[1].work, 1, HASH, was, &size));
	assert_memory_equal(is, was, 32);
	assert_int_equal(size, 8);
	assert_int_equal(leases(w, 1), 0);
	assert_int_equal(inputs_old(w->side[1].inputs), 1);
	assert_int_equal(inputs_bytes(w->side[1].inputs), 15);
	assert_int_equal(shared_count(&w->db, CHANGE_PROOF_RANGE), 1);
	/* And back again, by the other. */
	assert_int_equal(put(w, 1, 1, "{\"a\":1}"), UPLOAD_CREATED);
	settle(w);
	assert_int_equal(inputs_old(w->side[0].inputs), 1);
	assert_int_equal(inputs_old(w->side[1].inputs), 1);
	assert_int_equal(inputs_bytes(w->side[0].inputs), 15);
	assert_int_equal(inputs_bytes(w->side[1].inputs), 15);
	assert_int_equal(shared_count(&w->db, CHANGE_PROOF_RANGE), 2);
}

static void test_rows_of_a_replacement_in_any_order(void **state)
{
	struct store_change now = {.kind = CHANGE_INPUT_PUT}, then = {.kind = CHANGE_INPUT_PUT};
	struct world *w = *state;
	struct why why = {""};
	unsigned order;

	for (order = 0; order < 2; order++) {
		struct inputs *in = w->side[order].inputs;

		now.input = (struct store_input){
		    .batch = 1, .commit_hash = span_of(HASH, 7), .size = 5, .sha256 = {1}};
		assert_true(inputs_foreign(in, &now, &why));
		then.input = now.input;
		then.input.replaced_ms = 9;
		now.input.sha256[0] = 2;
		now.input.size = 7;
		assert_true(inputs_foreign(in, order ? &then : &now, &why));
		assert_true(inputs_foreign(in, order ? &now : &then, &why));
		assert_true(inputs_foreign(in, &then, &why)); /* again */
		assert_true(inputs_foreign(in, &now, &why));
		assert_int_equal(inputs_old(in), 1);
		assert_int_equal(inputs_bytes(in), 12);
		/* The old one goes. */
		then.kind = CHANGE_INPUT_DEL;
		assert_true(inputs_foreign(in, &then, &why));
		assert_true(inputs_foreign(in, &then, &why));
		then.kind = CHANGE_INPUT_PUT;
		while (inputs_wasted(in))
			uv_run(&w->loop, UV_RUN_ONCE);
		assert_int_equal(inputs_old(in), 0);
		assert_int_equal(inputs_bytes(in), 7);
	}
}

static void test_other_bytes_for_the_same_batch(void **state)
{
	struct world *w = *state;

	assert_int_equal(put(w, 0, 1, "{\"a\":1}"), UPLOAD_CREATED);
	/* The other side has not heard of it when it checks: the store says it. */
	assert_int_equal(put(w, 1, 1, "{\"a\":2}"), UPLOAD_OTHER_CONTENT);
	settle(w);
	assert_int_equal(put(w, 1, 1, "{\"a\":2}"), UPLOAD_OTHER_CONTENT);
	assert_int_equal(put(w, 1, 1, "{\"a\":1}"), UPLOAD_SAME);
	settle(w);
	assert_int_equal(inputs_bytes(w->side[0].inputs), 7);
	assert_int_equal(inputs_bytes(w->side[1].inputs), 7);
}

static void test_the_same_bytes_at_once(void **state)
{
	struct world *w = *state;

	shared_set(&w->db, STORE_OK, true);
	begin_put(w, 0, 1, "{\"a\":1}");
	begin_put(w, 1, 1, "{\"a\":1}");
	w->ended = false;
	settle(w);
	shared_set(&w->db, STORE_OK, false);
	settle(w);
	assert_true(w->ended);
	assert_true(w->rc == UPLOAD_CREATED || w->rc == UPLOAD_SAME);
	assert_int_equal(known(w, 0), 1);
	assert_int_equal(known(w, 1), 1);
	assert_int_equal(inputs_bytes(w->side[0].inputs), 7);
	assert_int_equal(inputs_bytes(w->side[1].inputs), 7);
}

static void test_what_cannot_be_shared_is_not_taken(void **state)
{
	struct world *w = *state;

	w->db.share_fault = INPUT_IO;
	assert_int_equal(put(w, 0, 1, "{}"), UPLOAD_FAILED);
	assert_string_equal(w->sentence, "the database cannot be reached");
	assert_int_equal(shared_count(&w->db, CHANGE_INPUT_PUT), 0);
	while (inputs_wasted(w->side[0].inputs))
		uv_run(&w->loop, UV_RUN_ONCE);
	assert_int_equal(files(w, 0), 0);
	assert_int_equal(inputs_bytes(w->side[0].inputs), 0);
	w->db.share_fault = INPUT_OK;
	assert_int_equal(put(w, 0, 1, "{}"), UPLOAD_CREATED);
}

/* A copy that is not what it should be is fetched again; the input is not broken. */
static void test_a_copy_that_rots(void **state)
{
	struct world *w = *state;
	struct work_counts c;
	char command[256];
	uint64_t batch;

	assert_int_equal(put(w, 0, 1, "{\"a\":1}"), UPLOAD_CREATED);
	snprintf(command, sizeof command, "for f in %s/inputs/*; do printf '{\"a\":2}' > $f; done",
		 w->side[0].dir);
	assert_int_equal(system(command), 0);
	inputs_look(w->side[0].inputs);
	while (inputs_looking(w->side[0].inputs))
		uv_run(&w->loop, UV_RUN_ONCE);
	work_counts(w->side[0].work, &c);
	assert_int_equal(c.broken, 0);
	assert_int_equal(inputs_counters(w->side[0].inputs)->broken, 1);
	assert_int_equal(files(w, 0), 0);
	inputs_look(w->side[0].inputs); /* not here: nothing to look at */
	assert_false(inputs_looking(w->side[0].inputs));
	assert_int_equal(ask(w, 0, 5, "a", &batch), SERVE_INPUT);
	assert_int_equal(w->db.fetches, 1);
	/* Cut short behind its back: the same. */
	serve_end(w->side[0].serve, 5, false);
	snprintf(command, sizeof command, "truncate -s 3 %s/inputs/*", w->side[0].dir);
	assert_int_equal(system(command), 0);
	assert_int_equal(ask(w, 0, 6, "a", &batch), SERVE_INPUT);
	assert_int_equal(w->db.fetches, 2);
}

/* ---- the database is away ---- */

static void go(struct world *w, bool away)
{
	unsigned i;

	shared_go(&w->db, away);
	for (i = 0; i < 2; i++)
		while (!*store_lost(w->side[i].store) == away)
			uv_run(&w->loop, UV_RUN_ONCE);
}

struct told {
	bool is;
	enum serve_rc rc;
	char sentence[256];
};

static void on_told(void *arg, const struct served *a)
{
	struct told *t = arg;

	t->is = true;
	t->rc = a->rc;
	snprintf(t->sentence, sizeof t->sentence, "%s", a->sentence);
	if (a->rc == SERVE_INPUT)
		close(a->input.fd);
}

/* What the first one answers. type PROVER_TYPES: none is named. */
static struct told tell(struct world *w, enum dialect dialect, enum prover_type type,
			const char *hash)
{
	struct proofdata m = {.kind = MSG_INPUT_REQUEST,
			      .dialect = dialect,
			      .has_prover_type = type != PROVER_TYPES,
			      .prover_type = type == PROVER_TYPES ? PROVER_EXEC : type};
	static uint64_t conn = 1000;
	struct told told = {false};

	snprintf(m.commit_hash, sizeof m.commit_hash, "%s", hash);
	serve_request(w->side[0].serve, ++conn, &m, "a", on_told, &told);
	while (!told.is)
		uv_run(&w->loop, UV_RUN_ONCE);
	return told;
}

/* Each way to ask, and what is true with the database and without. */
static const struct {
	enum dialect dialect;
	enum prover_type type;
	const char *hash;
	enum serve_rc with, without;
} ways[] = {
    {DIALECT_P7, PROVER_TDX, HASH, SERVE_EMPTY, SERVE_TRY_AGAIN},
    {DIALECT_P6, PROVER_TDX, HASH, SERVE_EMPTY, SERVE_TRY_AGAIN},
    {DIALECT_P7, PROVER_TDX, "1234567", SERVE_MISMATCH, SERVE_TRY_AGAIN},
    {DIALECT_P3_P5, PROVER_TYPES, "1234567", SERVE_MISMATCH, SERVE_TRY_AGAIN},
    {DIALECT_P3_P5, PROVER_TYPES, HASH, SERVE_EMPTY, SERVE_TRY_AGAIN},
    {DIALECT_P1_P2, PROVER_TYPES, "", SERVE_EMPTY, SERVE_TRY_AGAIN},
    /* What each coordinator reads by itself. */
    {DIALECT_P7, PROVER_RISC0, HASH, SERVE_NOT_NEEDED, SERVE_NOT_NEEDED},
    {DIALECT_P7, PROVER_TDX, "no hash", SERVE_BAD_HASH, SERVE_BAD_HASH},
};

static void expect_each(struct world *w, bool away)
{
	size_t i;

	for (i = 0; i < sizeof ways / sizeof *ways; i++) {
		const struct told t = tell(w, ways[i].dialect, ways[i].type, ways[i].hash);

		if (t.rc != (away ? ways[i].without : ways[i].with))
			fail_msg("way %zu: %d, %s", i, t.rc, t.sentence);
		if (t.rc == SERVE_TRY_AGAIN)
			assert_string_equal(t.sentence,
					    "the coordinator's database cannot be reached now");
	}
}

static void test_nothing_is_known_without_the_database(void **state)
{
	struct world *w = *state;
	unsigned rows;

	/* Nothing is open: all there is is proven. */
	assert_int_equal(put(w, 0, 1, "{}"), UPLOAD_CREATED);
	work_set_chain(w->side[0].work, &(struct work_chain){1, 1, 0}, &(struct why){""});
	expect_each(w, false);
	go(w, true);
	expect_each(w, true);
	go(w, false);
	expect_each(w, false);
	/* Something is, which others may have taken meanwhile. */
	work_set_chain(w->side[0].work, &(struct work_chain){1, 0, 0}, &(struct why){""});
	go(w, true);
	expect_each(w, true);
	assert_int_equal(leases(w, 0), 0);
	rows = shared_count(&w->db, CHANGE_LEASE_PUT);
	assert_int_equal(rows, 0);
	go(w, false);
	assert_int_equal(tell(w, DIALECT_P3_P5, PROVER_TYPES, HASH).rc, SERVE_INPUT);
	assert_int_equal(tell(w, DIALECT_P7, PROVER_TDX, HASH).rc, SERVE_INPUT);
}

/* No thread of the pool waits for a database that is known to be away. */
static void test_an_upload_without_the_database(void **state)
{
	struct world *w = *state;

	go(w, true);
	assert_int_equal(put(w, 0, 1, "{}"), UPLOAD_FAILED);
	assert_string_equal(w->sentence, "10.1.2.3 does not answer");
	assert_int_equal(w->db.shares, 0);
	while (inputs_wasted(w->side[0].inputs))
		uv_run(&w->loop, UV_RUN_ONCE);
	assert_int_equal(inputs_bytes(w->side[0].inputs), 0);
	go(w, false);
	assert_int_equal(put(w, 0, 1, "{}"), UPLOAD_CREATED);
}

/* Who waits for files is told at once; what is on its way may still come. */
static void test_the_database_goes_while_files_are_fetched(void **state)
{
	struct world *w = *state;
	uint64_t b, batch;
	char text[16];

	for (b = 1; b <= 5; b++) {
		snprintf(text, sizeof text, "{\"a\":%u}", (unsigned)b);
		assert_int_equal(put(w, 0, b, text), UPLOAD_CREATED);
	}
	settle(w);
	shared_hold_inputs(&w->db, true);
	w->answers = 0;
	for (b = 1; b <= 5; b++)
		begin_ask(w, 1, b, "a");
	while (leases(w, 0) < 5 || shared_number(&w->db, &w->db.fetches) < 2)
		uv_run(&w->loop, UV_RUN_NOWAIT);
	settle(w);
	assert_int_equal(w->answers, 0);
	inputs_give_up(w->side[1].inputs, "it went away");
	assert_int_equal(w->answers, 5);
	for (b = 0; b < 5; b++)
		assert_int_equal(w->served[b], SERVE_TRY_AGAIN);
	assert_int_equal(leases(w, 1), 0);
	shared_hold_inputs(&w->db, false);
	settle(w);
	assert_int_equal(shared_number(&w->db, &w->db.fetches), 2);
	for (b = 1; b <= 5; b++)
		assert_int_equal(ask(w, 1, 10 + b, "a", &batch), SERVE_INPUT);
	assert_int_equal(w->db.fetches, 5);
}

static void on_shared_input(void *arg, enum input_rc rc, const struct why *why)
{
	struct world *w = arg;

	w->served[w->answers++] = rc == INPUT_OK ? SERVE_INPUT : SERVE_TRY_AGAIN;
	snprintf(w->sentence, sizeof w->sentence, "%.255s", why->text);
}

/* The pool has other work than to wait for a database that is slow. */
static void test_one_input_at_a_time_goes_there(void **state)
{
	struct world *w = *state;
	uint8_t sha256[32];
	uint64_t size;
	unsigned i;

	assert_int_equal(put(w, 0, 1, "{}"), UPLOAD_CREATED);
	assert_true(work_input(w->side[0].work, 1, HASH, sha256, &size));
	shared_hold_inputs(&w->db, true);
	w->answers = 0;
	for (i = 0; i < 4; i++)
		assert_true(store_share_input(w->side[0].store, sha256, size, on_shared_input, w));
	settle(w);
	assert_int_equal(shared_number(&w->db, &w->db.shares), 2);
	shared_hold_inputs(&w->db, false);
	await_answers(w, 4);
	assert_int_equal(w->db.shares, 5);
	for (i = 0; i < 4; i++)
		assert_int_equal(w->served[i], SERVE_INPUT);
	/* Those that wait while it goes do not try. */
	shared_hold_inputs(&w->db, true);
	w->answers = 0;
	for (i = 0; i < 4; i++)
		assert_true(store_share_input(w->side[0].store, sha256, size, on_shared_input, w));
	go(w, true);
	shared_hold_inputs(&w->db, false);
	await_answers(w, 4);
	assert_int_equal(w->db.shares, 6);
	assert_int_equal(w->served[3], SERVE_TRY_AGAIN);
	assert_string_equal(w->sentence, "10.1.2.3 does not answer");
	go(w, false);
}

/* ---- what was proven or verified while a lease was being stored, or a file fetched ---- */

static void verify_through(struct world *w, unsigned side, uint64_t last)
{
	work_set_chain(w->side[side].work, &(struct work_chain){9, last, 0}, &(struct why){""});
}

static void prove_elsewhere(struct world *w, unsigned side, uint64_t batch)
{
	const struct work_proof proof = {
	    .batch = batch, .type = PROVER_TDX, .source = "b", .received_ms = clock_mono_ms()};

	assert_true(work_foreign_candidate(w->side[side].work, 77, &proof, WORK_GOOD, true,
					   &(struct eth_address){{1}}));
}

static void test_proven_while_its_lease_was_stored(void **state)
{
	struct world *w = *state;
	uint64_t b;

	for (b = 1; b <= 3; b++)
		assert_int_equal(put(w, 0, b, "{}"), UPLOAD_CREATED);
	settle(w);
	w->answers = 0;
	shared_set(&w->db, STORE_OK, true);
	begin_ask(w, 0, 5, "a");
	assert_int_equal(leases(w, 0), 1); /* batch 1, and the store is asked */
	prove_elsewhere(w, 0, 1);
	shared_set(&w->db, STORE_OK, false);
	await_answers(w, 1);
	assert_int_equal(w->served[0], SERVE_INPUT);
	assert_int_equal(w->batch[0], 2);
	/* The lease of what is proven is no row that stays: else it would hold the batch up where
	 * it is wanted again. */
	settle(w);
	assert_int_equal(shared_count(&w->db, CHANGE_LEASE_PUT), 2);
	assert_int_equal(shared_count(&w->db, CHANGE_LEASE_DEL), 1);
	assert_int_equal(leases(w, 0), 1);
	assert_int_equal(leases(w, 1), 1);
	assert_int_equal(serve_counters(w->side[0].serve)[WORK_GRANT], 1);
}

static void test_verified_while_its_lease_was_stored(void **state)
{
	struct world *w = *state;

	assert_int_equal(put(w, 0, 1, "{}"), UPLOAD_CREATED);
	settle(w);
	w->answers = 0;
	shared_set(&w->db, STORE_OK, true);
	begin_ask(w, 0, 5, "a");
	verify_through(w, 0, 1);
	shared_set(&w->db, STORE_OK, false);
	await_answers(w, 1);
	assert_int_equal(w->served[0], SERVE_EMPTY);
	settle(w);
	assert_int_equal(shared_count(&w->db, CHANGE_LEASE_DEL), 1);
	assert_int_equal(leases(w, 0), 0);
}

static void test_proven_while_its_file_was_fetched(void **state)
{
	struct world *w = *state;

	assert_int_equal(put(w, 0, 1, "{\"a\":1}"), UPLOAD_CREATED);
	assert_int_equal(put(w, 0, 2, "{\"a\":2}"), UPLOAD_CREATED);
	settle(w);
	w->answers = 0;
	begin_ask(w, 1, 5, "a");
	shared_hold_inputs(&w->db, true);
	while (!shared_number(&w->db, &w->db.fetches))
		uv_run(&w->loop, UV_RUN_NOWAIT);
	prove_elsewhere(w, 1, 1);
	shared_hold_inputs(&w->db, false);
	await_answers(w, 1);
	assert_int_equal(w->served[0], SERVE_INPUT);
	assert_int_equal(w->batch[0], 2);
}

/* The store closes while requests wait: all are answered. */
static void test_closing_answers_all(void **state)
{
	struct world *w = *state;
	uint64_t b;

	for (b = 1; b <= 4; b++)
		assert_int_equal(put(w, 0, b, "{}"), UPLOAD_CREATED);
	settle(w);
	w->answers = 0;
	begin_ask(w, 1, 5, "a");
	begin_ask(w, 1, 6, "a");
	inputs_stop(w->side[1].inputs);
	await_answers(w, 2);
	assert_int_equal(w->served[0], SERVE_TRY_AGAIN);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_one_takes_in_and_the_other_hands_out),
	    TEST(test_no_batch_goes_out_twice),
	    TEST(test_one_batch_and_two_who_want_it),
	    TEST(test_a_database_that_cannot_be_reached),
	    TEST(test_a_clock_that_is_wrong),
	    TEST(test_files_that_cannot_be_had),
	    TEST(test_the_same_put_again_mends_it_for_all),
	    TEST(test_one_fetch_for_all),
	    TEST(test_copies_make_room),
	    TEST(test_what_goes_goes_everywhere),
	    TEST(test_replaced_on_one),
	    TEST(test_rows_of_a_replacement_in_any_order),
	    TEST(test_other_bytes_for_the_same_batch),
	    TEST(test_the_same_bytes_at_once),
	    TEST(test_what_cannot_be_shared_is_not_taken),
	    TEST(test_a_copy_that_rots),
	    TEST(test_nothing_is_known_without_the_database),
	    TEST(test_an_upload_without_the_database),
	    TEST(test_the_database_goes_while_files_are_fetched),
	    TEST(test_one_input_at_a_time_goes_there),
	    TEST(test_proven_while_its_lease_was_stored),
	    TEST(test_verified_while_its_lease_was_stored),
	    TEST(test_proven_while_its_file_was_fetched),
	    TEST(test_closing_answers_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
