/* The relay with a real store, book and files, before an upstream that says what it is told to. */
#include "coordinator/relay/relay.h"

#include "coordinator/registrar/registrar.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HASH    "abcdef0"
#define SCRIPT  16
#define ASKED   64
#define NOTHING "{\"InputResponse\":{\"id\":null,\"input\":null,\"format\":null}}"

struct said {
	const char *head; /* NULL: closes without a byte */
	size_t filler;    /* so many 'x' of a string after it */
	const char *tail;
	bool hangs;
};

struct peer;

struct fixture {
	uv_loop_t loop;
	char dir[64];
	struct store *store;
	struct work *work;
	struct commit_hash_rule *rule;
	struct inputs *inputs;
	struct relay *relay;
	uv_tcp_t listener;
	uint16_t port;
	struct said script[SCRIPT]; /* what is said next; after the last, NOTHING */
	size_t at, n_asked;
	char asked[ASKED][256];
	unsigned again, open;
	struct peer *hung;
	enum serve_rc served;
	bool closed;
	char hash[COMMIT_HASH_MAX + 1];
	uint64_t wait_ms; /* 0: a short one */
};

/* ---- upstream ---- */

struct peer {
	uv_tcp_t tcp;
	uv_write_t write;
	uv_shutdown_t shutdown;
	struct fixture *f;
	char text[512];
	size_t n;
	char *reply;
};

static void on_peer_closed(uv_handle_t *h)
{
	struct peer *p = h->data;

	p->f->open--;
	free(p->reply);
	free(p);
}

static void on_peer_written(uv_write_t *r, int rc)
{
	struct peer *p = r->data;

	(void)rc;
	if (!uv_is_closing((uv_handle_t *)&p->tcp))
		uv_close((uv_handle_t *)&p->tcp, on_peer_closed);
}

static void answer(struct peer *p)
{
	static const struct said nothing = {NOTHING, 0, "", false};
	struct fixture *f = p->f;
	const struct said *s = f->at < SCRIPT && (f->script[f->at].tail || f->script[f->at].hangs)
				   ? &f->script[f->at++]
				   : &nothing;
	size_t head;
	uv_buf_t b;

	/* An empty commit hash only asks whether anybody is there. */
	if (strstr(p->text, "\"commit_hash\":\"\"")) {
		f->at -= s != &nothing;
		s = &nothing;
	} else if (f->n_asked < ASKED) {
		snprintf(f->asked[f->n_asked++], sizeof f->asked[0], "%.*s", (int)p->n, p->text);
	}
	if (s->hangs) {
		f->hung = p;
		return;
	}
	if (!s->head) {
		uv_close((uv_handle_t *)&p->tcp, on_peer_closed);
		return;
	}
	head = strlen(s->head);
	p->reply = malloc(head + s->filler + strlen(s->tail) + 1);
	memcpy(p->reply, s->head, head);
	memset(p->reply + head, 'x', s->filler);
	strcpy(p->reply + head + s->filler, s->tail);
	b = uv_buf_init(p->reply, (unsigned)strlen(p->reply));
	uv_write(&p->write, (uv_stream_t *)&p->tcp, &b, 1, on_peer_written);
}

static void on_peer_alloc(uv_handle_t *h, size_t wanted, uv_buf_t *out)
{
	struct peer *p = h->data;

	(void)wanted;
	*out = uv_buf_init(p->text + p->n, (unsigned)(sizeof p->text - 1 - p->n));
}

static void on_peer_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
	struct peer *p = s->data;

	(void)b;
	if (n > 0) {
		p->n += (size_t)n;
		return;
	}
	uv_read_stop(s);
	if (n == UV_EOF)
		answer(p);
	else if (n < 0 && !uv_is_closing((uv_handle_t *)s))
		uv_close((uv_handle_t *)s, on_peer_closed);
}

static void on_connection(uv_stream_t *s, int rc)
{
	struct peer *p = calloc(1, sizeof *p);

	assert_int_equal(rc, 0);
	p->f = s->data;
	uv_tcp_init(s->loop, &p->tcp);
	p->tcp.data = p->write.data = p;
	p->f->open++;
	assert_int_equal(uv_accept(s, (uv_stream_t *)&p->tcp), 0);
	uv_read_start((uv_stream_t *)&p->tcp, on_peer_alloc, on_peer_read);
}

/* ---- the rest ---- */

static bool on_again(void *arg, uint64_t conn, const struct proofdata *request, const char *source)
{
	struct fixture *f = arg;
	uint8_t sha256[32];
	uint64_t size;

	assert_int_equal(conn, 7);
	assert_string_equal(source, "10.0.0.1");
	assert_string_equal(request->commit_hash, HASH);
	f->again++;
	f->served = work_input(f->work, 1, HASH, sha256, &size) ? SERVE_INPUT : SERVE_EMPTY;
	return true;
}

static void make_relay(struct fixture *f, uint16_t port)
{
	const struct relay_parts parts = {
	    .loop = &f->loop, .store = f->store, .work = f->work, .inputs = f->inputs};
	const struct relay_options options = {.host = "127.0.0.1",
					      .port = port,
					      .ahead = 2,
					      .poll_ms = 50,
					      .idle_ms = 400,
					      .wait_ms = f->wait_ms ? f->wait_ms : 500,
					      .max_bytes = 8 << 20};
	const struct relay_events events = {on_again, f};
	struct why why = {""};

	assert_true(relay_new(&f->relay, &parts, &options, &events, &why));
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	struct work_limits wl = {.max_batches = 100,
				 .max_inputs = 100,
				 .max_versions = 2,
				 .max_candidates = 4,
				 .max_candidates_per_source = 10,
				 .lease_ms = 60000};
	struct inputs_options io = {.max_bytes = 16 << 20, .quota_bytes = 40 << 20};
	struct store_options so = {0};
	struct sockaddr_in at;
	int size = sizeof at, t;
	struct why why = {""};

	uv_loop_init(&f->loop);
	strcpy(f->dir, "/tmp/test_relay.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	so.dir = io.data_dir = f->dir;
	assert_int_equal(store_open(&f->store, &f->loop, &so, &why), STORE_OK);
	for (t = 0; t < PROVER_TYPES; t++)
		wl.proof_max[t] = 1000;
	f->work = work_new(&wl);
	work_set_needed(f->work, PROVER_TYPE_BIT(PROVER_TDX));
	assert_true(commit_hash_rule_new(&f->rule, "^[0-9a-f]{7,40}$", &why));
	assert_true(inputs_new(
	    &f->inputs, &(struct inputs_parts){&f->loop, f->store, f->work, f->rule}, &io, &why));
	uv_tcp_init(&f->loop, &f->listener);
	f->listener.data = f;
	uv_ip4_addr("127.0.0.1", 0, &at);
	uv_tcp_bind(&f->listener, (struct sockaddr *)&at, 0);
	uv_listen((uv_stream_t *)&f->listener, 8, on_connection);
	uv_tcp_getsockname(&f->listener, (struct sockaddr *)&at, &size);
	f->port = ntohs(at.sin_port);
	*state = f;
	return 0;
}

static void on_closed(void *arg)
{
	((struct fixture *)arg)->closed = true;
}

static void on_inputs_closed(void *arg)
{
	struct fixture *f = arg;

	store_close(f->store, on_closed, f);
}

static void on_relay_closed(void *arg)
{
	struct fixture *f = arg;

	inputs_close(f->inputs, on_inputs_closed, f);
	if (f->hung)
		uv_close((uv_handle_t *)&f->hung->tcp, on_peer_closed);
	uv_close((uv_handle_t *)&f->listener, NULL);
}

/* Whatever is under way ends without harm. */
static int teardown(void **state)
{
	struct fixture *f = *state;
	char command[128];

	relay_close(f->relay, on_relay_closed, f);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_true(f->closed);
	assert_int_equal(f->open, 0);
	relay_free(f->relay);
	inputs_free(f->inputs);
	work_free(f->work);
	commit_hash_rule_free(f->rule);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	snprintf(command, sizeof command, "rm -rf %s", f->dir);
	free(f);
	return system(command);
}

static void begin(struct fixture *f)
{
	make_relay(f, f->port);
	relay_start(f->relay);
}

static struct proofdata request(void)
{
	struct proofdata m = {.kind = MSG_INPUT_REQUEST,
			      .dialect = DIALECT_P7,
			      .has_prover_type = true,
			      .prover_type = PROVER_TDX};

	strcpy(m.commit_hash, HASH);
	return m;
}

static enum relay_answer ask(struct fixture *f, bool again)
{
	const struct proofdata m = request();

	return relay_request(f->relay, 7, &m, "10.0.0.1", SERVE_EMPTY, again, f->hash);
}

static uint64_t heard(const struct fixture *f, enum fetch_heard h)
{
	return relay_counters(f->relay)->heard[h];
}

#define UNTIL(f, condition)                                                                        \
	do {                                                                                       \
		const uint64_t end_ = uv_hrtime() + 10000000000ull;                                \
		while (!(condition)) {                                                             \
			assert_true(uv_hrtime() < end_);                                           \
			uv_run(&(f)->loop, UV_RUN_ONCE);                                           \
		}                                                                                  \
	} while (0)

/* ---- what happens ---- */

static void a_prover_waits_and_gets_it(void **state)
{
	struct fixture *f = *state;
	struct relay_info i;
	uint8_t sha256[32];
	uint64_t size;

	f->script[0] = (struct said){"{\"InputResponse\":{\"id\":1,\"input\":{\"a\":\"", 3000000,
				     "\"},\"format\":\"Groth16\"}}", false};
	f->script[1] = (struct said){"{\"InputResponse\":{\"id\":2,\"input\":{\"b\":2},\"for", 0,
				     "mat\":\"Groth16\"}}", false};
	f->wait_ms = 20000; /* however busy the machine is */
	begin(f);
	assert_int_equal(ask(f, false), RELAY_WAIT);
	UNTIL(f, f->again);
	assert_int_equal(f->served, SERVE_INPUT);
	assert_true(work_input(f->work, 1, HASH, sha256, &size));
	assert_int_equal(size, 3000000 + strlen("{\"a\":\"\"}"));
	UNTIL(f, heard(f, FETCH_NEW) == 2);
	assert_string_equal(f->asked[0], "{\"InputRequest\":{\"commit_hash\":\"" HASH
					 "\",\"prover_type\":\"TDX\"}}");
	/* Two are ahead: that is enough. */
	assert_int_equal(f->n_asked, 2);
	relay_info(f->relay, &i);
	assert_int_equal(i.health->state, HEALTH_UP);
	assert_string_equal(i.dialect, "p7");
	assert_int_equal(i.waiting, 0);
}

static void nothing_and_a_mismatch_are_told(void **state)
{
	struct fixture *f = *state;

	f->script[0] = (struct said){"\"VersionMismatch\"", 0, "", false};
	f->script[1] =
	    (struct said){"{\"ProverTypeNotNeeded\":{\"prover_type\":\"TDX\"}}", 0, "", false};
	begin(f);
	assert_int_equal(ask(f, false), RELAY_WAIT);
	UNTIL(f, f->again);
	assert_int_equal(f->served, SERVE_EMPTY);
	assert_int_equal(ask(f, true), RELAY_MISMATCH);
	UNTIL(f, heard(f, FETCH_NOT_NEEDED));
	assert_int_equal(ask(f, true), RELAY_NOT_NEEDED);
	UNTIL(f, heard(f, FETCH_NOTHING));
	assert_int_equal(ask(f, true), RELAY_AS_SERVED);
	/* It was asked a moment ago: nobody waits to hear the same. */
	assert_int_equal(ask(f, false), RELAY_AS_SERVED);
}

static void what_is_cut_is_asked_again(void **state)
{
	struct fixture *f = *state;
	uint8_t sha256[32];
	uint64_t size;

	f->script[0] =
	    (struct said){"{\"InputResponse\":{\"id\":1,\"input\":{\"a\":\"", 200000, "", false};
	f->script[1] = (struct said){"{\"InputResponse\":{\"id\":1,\"input\":{]", 0, "", false};
	f->script[2] = (struct said){"{\"InputResponse\":{\"id\":1,\"input\":{\"a\":\"", 9 << 20,
				     "\"}}}", false};
	f->script[3] = (struct said){"{\"InputResponse\":{\"id\":0,\"input\":{}}}", 0, "", false};
	f->script[4] = (struct said){"HTTP/1.1 404", 0, "", false};
	f->script[5] = (struct said){NULL, 0, "", false};
	f->script[6] = (struct said){NULL, 0, "", false};
	f->script[7] = (struct said){NULL, 0, "", false};
	f->script[8] =
	    (struct said){"{\"InputResponse\":{\"id\":1,\"input\":{\"a\":1}}}", 0, "", false};
	begin(f);
	ask(f, false);
	UNTIL(f, heard(f, FETCH_NEW) == 1);
	assert_int_equal(heard(f, FETCH_CUT), 4); /* broken off, no JSON, too long, no message */
	assert_int_equal(heard(f, FETCH_NOT_KEPT), 1); /* batch 0 */
	assert_int_equal(heard(f, FETCH_SILENCE), 3);  /* in each dialect */
	assert_non_null(strstr(f->asked[6], "BatchRequest"));
	assert_true(work_input(f->work, 1, HASH, sha256, &size));
	assert_int_equal(size, strlen("{\"a\":1}"));
	assert_int_equal(inputs_bytes(f->inputs), size);
}

/* It would be nobody's for its time, and nobody would know. */
static void a_batch_without_an_input_is_said(void **state)
{
	struct fixture *f = *state;

	f->script[0] =
	    (struct said){"{\"InputResponse\":{\"id\":1,\"input\":null}}", 0, " ", false};
	f->script[1] =
	    (struct said){"{\"InputResponse\":{\"id\":1,\"input\":\"abc\"}}", 0, " ", false};
	f->script[2] =
	    (struct said){"{\"InputResponse\":{\"id\":1,\"input\":{\"a\":1}}}", 0, " ", false};
	begin(f);
	ask(f, false);
	UNTIL(f, heard(f, FETCH_NEW) == 1);
	assert_int_equal(heard(f, FETCH_CUT), 2);
}

static void one_that_hangs_keeps_a_prover_for_its_time(void **state)
{
	struct fixture *f = *state;
	struct relay_info i;

	f->script[0] = (struct said){.hangs = true};
	begin(f);
	assert_int_equal(ask(f, false), RELAY_WAIT);
	UNTIL(f, f->again);
	UNTIL(f, heard(f, FETCH_DOWN) == 1);
	relay_info(f->relay, &i);
	assert_int_equal(i.health->state, HEALTH_DOWN);
	assert_int_equal(ask(f, false), RELAY_AS_SERVED); /* nobody waits for it now */
	UNTIL(f, heard(f, FETCH_NOTHING));
	relay_info(f->relay, &i);
	assert_int_equal(i.health->state, HEALTH_UP);
}

static void nobody_there(void **state)
{
	struct fixture *f = *state;
	const uint64_t from = uv_hrtime();
	struct relay_info i = {0};

	make_relay(f, 1);
	relay_start(f->relay);
	assert_int_equal(ask(f, false), RELAY_WAIT);
	UNTIL(f, f->again);
	UNTIL(f, (relay_info(f->relay, &i), i.health->state == HEALTH_DOWN));
	assert_true(uv_hrtime() - from < 2000000000ull);
	assert_non_null(strstr(i.health->why.text, "127.0.0.1:1"));
}

static void as_many_wait_as_may(void **state)
{
	struct fixture *f = *state;
	unsigned i;

	f->script[0] = (struct said){.hangs = true};
	begin(f);
	for (i = 0; i < RELAY_WAITING_MAX; i++)
		assert_int_equal(ask(f, false), RELAY_WAIT);
	assert_int_equal(ask(f, false), RELAY_AS_SERVED);
	UNTIL(f, f->again == RELAY_WAITING_MAX);
}

static void no_room_no_question(void **state)
{
	struct fixture *f = *state;
	struct relay_info i;
	struct why why = {""};

	assert_true(inputs_have_room(f->inputs, 40 << 20, &why));
	assert_false(inputs_have_room(f->inputs, (40 << 20) + 1, &why));
	assert_non_null(strstr(why.text, "quota"));
	inputs_stop(f->inputs);
	inputs_free(f->inputs);
	assert_true(inputs_new(
	    &f->inputs, &(struct inputs_parts){&f->loop, f->store, f->work, f->rule},
	    &(struct inputs_options){.data_dir = f->dir, .max_bytes = 1000, .quota_bytes = 1000},
	    &why));
	begin(f);
	ask(f, false);
	UNTIL(f, f->again);
	relay_info(f->relay, &i);
	assert_non_null(strstr(i.trouble, "quota"));
	assert_int_equal(f->n_asked, 0);
	assert_int_equal(ask(f, false), RELAY_AS_SERVED);
}

/* The end in the middle of an input; teardown looks at what is left. */
static void closed_in_the_middle(void **state)
{
	struct fixture *f = *state;

	f->script[0] = (struct said){"{\"InputResponse\":{\"id\":1,\"input\":{\"a\":\"", 3000000,
				     "\"},\"format\":null}}", false};
	begin(f);
	ask(f, false);
	UNTIL(f, inputs_bytes(f->inputs) > 0);
}

static bool see_fact(void *arg, const struct store_fact *row, struct why *why)
{
	struct fixture *f = arg;
	bool ours;

	assert_true(relay_restore(f->relay, row, &ours, why));
	assert_true(ours);
	f->again++;
	return true;
}

/* What was asked is durable before its answer is. */
static void another_run_goes_on(void **state)
{
	struct fixture *f = *state;
	const struct store_visitor visitor = {.fact = see_fact};
	const struct store_options so = {.dir = f->dir};
	const struct fetch_demand *d;
	struct why why = {""};
	size_t i = 0;

	f->script[0] = (struct said){"{\"InputResponse\":{\"id\":5,\"input\":{}}}", 0, "", false};
	f->script[1] = (struct said){.hangs = true};
	begin(f);
	ask(f, false);
	UNTIL(f, f->n_asked == 2);
	relay_close(f->relay, on_closed, f);
	UNTIL(f, f->closed);
	f->closed = false;
	store_close(f->store, on_closed, f);
	UNTIL(f, f->closed);
	f->closed = false;
	relay_free(f->relay);
	assert_int_equal(store_open(&f->store, &f->loop, &so, &why), STORE_OK);
	make_relay(f, f->port);
	f->again = 0;
	assert_int_equal(store_load(f->store, &visitor, f, &why), STORE_OK);
	assert_int_equal(f->again, 1);
	d = relay_demand(f->relay, &i);
	assert_non_null(d);
	assert_string_equal(d->key.commit_hash, HASH);
	assert_int_equal(d->batch, 5);
	assert_true(d->proven);
	assert_null(relay_demand(f->relay, &i));
	/* No prover has come yet: it is fetched for all the same. */
	f->n_asked = 0;
	relay_start(f->relay);
	UNTIL(f, f->n_asked == 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(a_prover_waits_and_gets_it, setup, teardown),
	    cmocka_unit_test_setup_teardown(nothing_and_a_mismatch_are_told, setup, teardown),
	    cmocka_unit_test_setup_teardown(what_is_cut_is_asked_again, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_batch_without_an_input_is_said, setup, teardown),
	    cmocka_unit_test_setup_teardown(one_that_hangs_keeps_a_prover_for_its_time, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(nobody_there, setup, teardown),
	    cmocka_unit_test_setup_teardown(as_many_wait_as_may, setup, teardown),
	    cmocka_unit_test_setup_teardown(no_room_no_question, setup, teardown),
	    cmocka_unit_test_setup_teardown(closed_in_the_middle, setup, teardown),
	    cmocka_unit_test_setup_teardown(another_run_goes_on, setup, teardown),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
