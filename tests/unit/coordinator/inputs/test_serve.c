/* InputRequest: with a real store, real files and a real book of work. */
#include "coordinator/base/clock.h"
#include "coordinator/inputs/serve.h"
#include "coordinator/inputs/upload.h"
#include "coordinator/registrar/registrar.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define HASH "abcdef0"

struct fixture {
	uv_loop_t loop;
	char dir[64];
	struct store *store;
	struct work *work;
	struct commit_hash_rule *rule;
	struct inputs *inputs;
	struct registrar *registrar;
	struct serve *serve;
	bool ended, progressed, closed;
	enum upload_rc rc;
	char sentence[512];
};

static void on_progress(void *arg)
{
	((struct fixture *)arg)->progressed = true;
}

static void on_end(void *arg, enum upload_rc rc, const char *sentence)
{
	struct fixture *x = arg;

	x->ended = true;
	x->rc = rc;
	snprintf(x->sentence, sizeof x->sentence, "%s", sentence);
}

static const struct upload_events events = {on_progress, on_end};

static int setup(void **state)
{
	struct fixture *x = calloc(1, sizeof *x);
	struct work_limits wl = {.max_batches = 10,
				 .max_inputs = 10,
				 .max_versions = 4,
				 .max_candidates = 4,
				 .max_candidates_per_source = 10,
				 .max_leases_per_source = 2,
				 .lease_ms = 60000};
	struct inputs_options io = {.max_bytes = 1 << 20, .quota_bytes = 3000};
	struct store_options so = {0};
	struct why why = {""};
	int t;

	uv_loop_init(&x->loop);
	strcpy(x->dir, "/tmp/test_serve.XXXXXX");
	assert_non_null(mkdtemp(x->dir));
	so.dir = io.data_dir = x->dir;
	assert_int_equal(store_open(&x->store, &x->loop, &so, &why), STORE_OK);
	for (t = 0; t < PROVER_TYPES; t++)
		wl.proof_max[t] = 1000;
	x->work = work_new(&wl);
	work_set_needed(x->work, PROVER_TYPE_BIT(PROVER_TDX));
	assert_true(commit_hash_rule_new(&x->rule, "^[0-9a-f]{7,40}$", &why));
	assert_true(inputs_new(
	    &x->inputs, &(struct inputs_parts){&x->loop, x->store, x->work, x->rule}, &io, &why));
	x->registrar = registrar_new(&(struct registrar_settings){.max_provers = 4});
	assert_non_null(x->registrar);
	assert_true(serve_new(
	    &x->serve, &(struct serve_parts){x->store, x->work, x->inputs, x->rule, x->registrar},
	    &why));
	*state = x;
	return 0;
}

static void on_closed(void *arg)
{
	((struct fixture *)arg)->closed = true;
}

static int teardown(void **state)
{
	struct fixture *x = *state;
	char command[128];

	store_close(x->store, on_closed, x);
	uv_run(&x->loop, UV_RUN_DEFAULT);
	assert_true(x->closed);
	serve_free(x->serve);
	inputs_free(x->inputs);
	commit_hash_rule_free(x->rule);
	work_free(x->work);
	registrar_free(x->registrar);
	assert_int_equal(uv_loop_close(&x->loop), 0);
	snprintf(command, sizeof command, "rm -rf %s", x->dir);
	assert_int_equal(system(command), 0);
	free(x);
	return 0;
}

static enum upload_rc put(struct fixture *x, uint64_t batch, const char *text)
{
	struct upload *u;
	struct why why = {""};

	x->ended = x->progressed = false;
	if (!upload_new(&u, x->inputs, batch, HASH, &events, x, &why))
		fail_msg("%s", why.text);
	upload_write(u, text, strlen(text));
	while (!x->progressed && !x->ended)
		uv_run(&x->loop, UV_RUN_ONCE);
	if (!x->ended)
		upload_finish(u);
	/* What was refused leaves no file. */
	while (!x->ended || inputs_wasted(x->inputs))
		uv_run(&x->loop, UV_RUN_ONCE);
	return x->rc;
}

/* Without another coordinator the answer comes at once. */
struct heard {
	struct served served;
	struct why why;
	unsigned times;
};

static void on_served(void *arg, const struct served *served)
{
	struct heard *h = arg;

	h->served = *served;
	why_set(&h->why, "%s", served->sentence);
	h->times++;
}

static enum serve_rc request(struct fixture *x, uint64_t conn, const struct proofdata *m,
			     const char *source, struct serve_input *out, struct why *why)
{
	struct heard h = {.times = 0};

	serve_request(x->serve, conn, m, source, on_served, &h);
	assert_int_equal(h.times, 1);
	assert_int_equal(h.served.conn, conn);
	*out = h.served.input;
	*why = h.why;
	return h.served.rc;
}

static enum serve_rc ask(struct fixture *x, uint64_t conn, const char *hash, const char *source,
			 struct serve_input *out, struct why *why)
{
	struct proofdata m = {.kind = MSG_INPUT_REQUEST,
			      .dialect = DIALECT_P7,
			      .has_prover_type = true,
			      .prover_type = PROVER_TDX};

	snprintf(m.commit_hash, sizeof m.commit_hash, "%s", hash);
	return request(x, conn, &m, source, out, why);
}

static size_t leases(const struct fixture *x)
{
	struct work_counts c;

	work_counts(x->work, &c);
	return c.leases;
}

static void test_an_input_goes_out(void **state)
{
	struct fixture *x = *state;
	struct serve_input in;
	struct why why = {""};
	char text[32] = "";

	assert_int_equal(put(x, 1, "{\"a\":1}"), UPLOAD_CREATED);
	assert_int_equal(ask(x, 5, HASH, "10.0.0.1", &in, &why), SERVE_INPUT);
	assert_int_equal(in.batch, 1);
	assert_int_equal(in.size, 7);
	assert_int_equal(read(in.fd, text, sizeof text), 7);
	assert_string_equal(text, "{\"a\":1}");
	close(in.fd);
	assert_int_equal(leases(x), 1);
	serve_end(x->serve, 5, true);
	assert_int_equal(leases(x), 1);
	assert_int_equal(ask(x, 6, HASH, "10.0.0.2", &in, &why), SERVE_EMPTY);
	assert_int_equal(serve_counters(x->serve)[WORK_GRANT], 1);
}

static void test_what_did_not_arrive_is_handed_out_again(void **state)
{
	struct fixture *x = *state;
	struct serve_input in;
	struct why why = {""};

	assert_int_equal(put(x, 1, "{}"), UPLOAD_CREATED);
	assert_int_equal(ask(x, 5, HASH, "10.0.0.1", &in, &why), SERVE_INPUT);
	close(in.fd);
	serve_end(x->serve, 4, false); /* another connection */
	assert_int_equal(leases(x), 1);
	serve_end(x->serve, 5, false);
	assert_int_equal(leases(x), 0);
	assert_int_equal(ask(x, 6, HASH, "10.0.0.2", &in, &why), SERVE_INPUT);
	close(in.fd);
}

static void test_a_file_that_is_gone(void **state)
{
	struct fixture *x = *state;
	struct serve_input in;
	struct why why = {""};
	char command[128];

	assert_int_equal(put(x, 1, "{}"), UPLOAD_CREATED);
	snprintf(command, sizeof command, "rm %s/inputs/*", x->dir);
	assert_int_equal(system(command), 0);
	assert_int_equal(ask(x, 5, HASH, "10.0.0.1", &in, &why), SERVE_EMPTY);
	assert_int_equal(leases(x), 0); /* given back */
	/* It is put again, and there are two batches on the way. */
	assert_int_equal(put(x, 1, "{}"), UPLOAD_CREATED);
	assert_int_equal(put(x, 1, "{}"), UPLOAD_SAME);
	assert_int_equal(inputs_bytes(x->inputs), 2);
	assert_int_equal(ask(x, 5, HASH, "10.0.0.1", &in, &why), SERVE_INPUT);
	close(in.fd);
}

static void test_a_file_that_lost_its_end_is_passed_over(void **state)
{
	struct fixture *x = *state;
	struct serve_input in;
	struct why why = {""};
	char command[128];
	struct work_counts c;

	assert_int_equal(put(x, 1, "{\"n\":1}"), UPLOAD_CREATED);
	snprintf(command, sizeof command, "truncate -s 3 %s/inputs/*", x->dir);
	assert_int_equal(system(command), 0);
	assert_int_equal(put(x, 2, "{\"n\":22}"), UPLOAD_CREATED);
	assert_int_equal(ask(x, 5, HASH, "10.0.0.1", &in, &why), SERVE_INPUT);
	assert_int_equal(in.batch, 2);
	assert_int_equal(in.size, 8);
	close(in.fd);
	work_counts(x->work, &c);
	assert_int_equal(c.broken, 1);
	assert_int_equal(leases(x), 1);
}

static void test_nothing_to_hand_out(void **state)
{
	struct fixture *x = *state;
	struct serve_input in;
	struct why why = {""};

	assert_int_equal(ask(x, 5, HASH, "10.0.0.1", &in, &why), SERVE_EMPTY);
	assert_int_equal(put(x, 1, "{}"), UPLOAD_CREATED);
	assert_int_equal(ask(x, 5, "1234567", "10.0.0.1", &in, &why), SERVE_MISMATCH);
	assert_int_equal(ask(x, 5, "not-hex", "10.0.0.1", &in, &why), SERVE_BAD_HASH);
	assert_string_equal(why.text, "commit hash \"not-hex\" does not match ^[0-9a-f]{7,40}$");
	work_set_needed(x->work, PROVER_TYPE_BIT(PROVER_SP1));
	assert_int_equal(ask(x, 5, HASH, "10.0.0.1", &in, &why), SERVE_NOT_NEEDED);
}

/* p1 and p2 name no commit hash: they get what there is, where it is of one. */
static void test_who_names_no_version(void **state)
{
	struct fixture *x = *state;
	struct proofdata m = {.kind = MSG_INPUT_REQUEST, .dialect = DIALECT_P1_P2};
	struct serve_input in;
	struct why why = {""};
	uint8_t sha256[32] = {7};

	assert_int_equal(request(x, 5, &m, "10.0.0.1", &in, &why), SERVE_EMPTY);
	assert_int_equal(put(x, 1, "{}"), UPLOAD_CREATED);
	assert_int_equal(request(x, 5, &m, "10.0.0.1", &in, &why), SERVE_INPUT);
	assert_int_equal(in.batch, 1);
	close(in.fd);
	assert_int_equal(leases(x), 0);
	assert_int_equal(work_add_input(x->work, 2, "7654321", sha256, 1, &why), WORK_INPUT_NEW);
	assert_int_equal(request(x, 6, &m, "10.0.0.1", &in, &why), SERVE_EMPTY);
	/* Who names an empty one is answered as any that inputs do not come under. */
	assert_int_equal(ask(x, 7, "", "10.0.0.1", &in, &why), SERVE_MISMATCH);
}

/* The ceiling that was built and never set. */
static void test_leases_of_one_source(void **state)
{
	struct fixture *x = *state;
	struct serve_input in;
	struct why why = {""};
	uint64_t b;

	for (b = 1; b <= 3; b++)
		assert_int_equal(put(x, b, "{}"), UPLOAD_CREATED);
	for (b = 1; b <= 2; b++) {
		assert_int_equal(ask(x, b, HASH, "10.0.0.1", &in, &why), SERVE_INPUT);
		close(in.fd);
	}
	assert_int_equal(ask(x, 3, HASH, "10.0.0.1", &in, &why), SERVE_EMPTY);
	assert_int_equal(ask(x, 3, HASH, "10.0.0.2", &in, &why), SERVE_INPUT);
	close(in.fd);
}

static void test_a_lease_outlives_a_restart(void **state)
{
	struct fixture *x = *state;
	const uint64_t later = clock_wall_ms() + 30000;
	const struct store_lease row = {1, PROVER_TDX, span_of("10.0.0.9", 8), later};
	const struct store_lease none = {1, 99, span_of("10.0.0.9", 8), later};
	const struct store_lease over = {1, PROVER_TDX, span_of("10.0.0.9", 8), 2000};

	assert_int_equal(put(x, 1, "{}"), UPLOAD_CREATED);
	lease_restore(x->work, &none);
	lease_restore(x->work, &over);
	assert_int_equal(leases(x), 0);
	lease_restore(x->work, &row);
	assert_int_equal(leases(x), 1);
	lease_drop(x->store, 1, PROVER_TDX);
}

static void test_uploads_that_are_refused(void **state)
{
	struct fixture *x = *state;
	struct upload *u;
	struct why why = {""};
	char big[2500];

	assert_false(upload_new(&u, x->inputs, 0, HASH, &events, x, &why));
	assert_non_null(strstr(why.text, "genesis"));
	assert_false(upload_new(&u, x->inputs, 1, "XYZ", &events, x, &why));
	assert_int_equal(put(x, 1, "[1]"), UPLOAD_INVALID);
	assert_int_equal(put(x, 1, "{} x"), UPLOAD_INVALID);
	assert_int_equal(put(x, 1, "{}"), UPLOAD_CREATED);
	assert_int_equal(put(x, 1, "{}"), UPLOAD_SAME);
	assert_int_equal(put(x, 1, "{ }"), UPLOAD_OTHER_CONTENT);
	assert_int_equal(inputs_bytes(x->inputs), 2); /* the refused ones hold nothing */
	memset(big, ' ', sizeof big);
	memcpy(big, "{", 1);
	big[sizeof big - 2] = '}';
	big[sizeof big - 1] = '\0';
	assert_int_equal(put(x, 2, big), UPLOAD_CREATED);
	assert_int_equal(put(x, 3, big), UPLOAD_NO_SPACE);
	assert_non_null(strstr(x->sentence, "quota of 3000 bytes"));
	assert_int_equal(inputs_counters(x->inputs)->stored, 2);
	assert_int_equal(inputs_counters(x->inputs)->refused, 4);
	/* Given up in the middle: its bytes are nobody's. */
	assert_true(upload_new(&u, x->inputs, 4, HASH, &events, x, &why));
	upload_write(u, "{", 1);
	upload_abort(u);
	assert_int_equal(inputs_bytes(x->inputs), 2 + strlen(big));
}

static void test_inputs_come_back(void **state)
{
	struct fixture *x = *state;
	struct store_input row = {.batch = 7, .commit_hash = span_of(HASH, 7), .size = 2};
	struct why why = {""};
	size_t removed = 99;

	assert_int_equal(put(x, 1, "{}"), UPLOAD_CREATED);
	/* Its file is missing: said, and not handed out. */
	assert_true(inputs_restore(x->inputs, &row, &why));
	assert_int_equal(ask(x, 5, HASH, "10.0.0.1", &(struct serve_input){0}, &why), SERVE_INPUT);
	/* No row names the file of batch 1 in this load: it goes. */
	assert_true(inputs_sweep(x->inputs, &removed, &why));
	assert_int_equal(removed, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_an_input_goes_out),        TEST(test_what_did_not_arrive_is_handed_out_again),
	    TEST(test_a_file_that_is_gone),      TEST(test_a_file_that_lost_its_end_is_passed_over),
	    TEST(test_nothing_to_hand_out),      TEST(test_who_names_no_version),
	    TEST(test_leases_of_one_source),     TEST(test_a_lease_outlives_a_restart),
	    TEST(test_uploads_that_are_refused), TEST(test_inputs_come_back)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
