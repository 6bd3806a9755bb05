/* Long messages: refused by their beginning, read by jobs while their connections come and go,
 * decoded in turn. */
#include "server_world.h"

#include "coordinator/server/decode.h"

#define LONG (300 * 1024)
#define ASK  "{\"InputRequest\":{}}"

/* A ProofSubmit of n bytes and a bit; the caller's to free. */
static char *submit_of(size_t n, uint64_t batch, size_t *length)
{
	char *text = malloc(n + 200);
	size_t at = (size_t)sprintf(text,
				    "{\"ProofSubmit\":{\"id\":%llu,\"proof\":{\"Proof\":"
				    "{\"prover_type\":\"SP1\",\"proof\":[1",
				    (unsigned long long)batch);

	while (at < n)
		at += (size_t)sprintf(text + at, ",25");
	*length = at + (size_t)sprintf(text + at, "]}}}}");
	return text;
}

/* Closes so that the server hears of it at once. */
static void client_reset(int fd)
{
	const struct linger none = {.l_onoff = 1, .l_linger = 0};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
	close(fd);
}

/* ---- the beginning ---- */

static size_t shown[16];
static unsigned n_shown;

static void on_beginning(void *arg, struct conn *conn, struct span beginning, const char *source)
{
	enum prover_type type;
	uint64_t batch;

	(void)arg;
	assert_string_equal(source, "127.0.0.1");
	shown[n_shown++ % 16] = beginning.n;
	if (proofdata_peek_submit(beginning, &batch, &type) && batch == 13)
		conn_reply(conn, span_of("\"no\"", 4));
}

static void test_the_beginning_of_a_long_message(void **state)
{
	struct world *w = world_new();
	size_t n, i;
	char *text;
	int fd;

	(void)state;
	n_shown = 0;
	w->options.on_beginning = on_beginning;
	w->answer = ANSWER_SILENT;
	world_start(w);
	/* A short one is not shown. */
	text = submit_of(1000, 13, &n);
	fd = client(w);
	client_send(w, fd, text, n);
	client_expect(w, fd, "");
	assert_int_equal(n_shown, 0);
	free(text);
	/* A long one is, each time that it has doubled. */
	text = submit_of(900 * 1024, 12, &n);
	fd = client(w);
	client_send(w, fd, text, n);
	client_expect(w, fd, "");
	assert_in_range(n_shown, 2, 4);
	for (i = 0; i < n_shown; i++)
		assert_true(shown[i] >= (i ? 2 * shown[i - 1] : 64 * 1024));
	assert_int_equal(world_counters(w)->messages, 2);
	free(text);
	/* A refused one is read to its end, so that the answer behind it is heard. */
	text = submit_of(900 * 1024, 13, &n);
	fd = client(w);
	client_send(w, fd, text, n);
	client_expect(w, fd, "\"no\"");
	WORLD_UNTIL(w, world_counters(w)->connections == 0);
	assert_int_equal(world_counters(w)->messages, 2);
	assert_int_equal(world_counters(w)->buffered, 0);
	free(text);
	world_free(w);
}

/* However many long messages come at once, a turn of the loop is short. */
static void test_long_messages_share_a_turn(void **state)
{
	struct world *w = world_new();
	const size_t first = 70 * 1024, more = 100 * 1024, turn = (256 + 64) * 1024;
	uint64_t before, most = 0;
	char *text = malloc(more);
	int fds[40], small, i;

	(void)state;
	memset(text, 'x', more);
	world_start(w);
	for (i = 0; i < 40; i++) {
		fds[i] = client(w);
		client_say(w, fds[i], "\"");
		client_send(w, fds[i], text, first);
	}
	WORLD_UNTIL(w, world_counters(w)->bytes_in == 40 * (first + 1));
	for (i = 0; i < 40; i++)
		assert_int_equal(send(fds[i], text, more, MSG_NOSIGNAL), more);
	small = client(w);
	client_say(w, small, ASK);
	while (world_counters(w)->bytes_in < 40 * (first + 1 + more) + strlen(ASK)) {
		before = world_counters(w)->bytes_in;
		world_turn(w);
		if (world_counters(w)->bytes_in - before > most)
			most = world_counters(w)->bytes_in - before;
	}
	assert_in_range(most, 1, turn);
	client_expect(w, small, ASK);
	for (i = 0; i < 40; i++)
		close(fds[i]);
	free(text);
	world_free(w);
}

/* ---- a pinned message ---- */

static void test_a_connection_that_ends_while_a_job_reads_it(void **state)
{
	struct world *w = world_new();
	size_t n;
	char *text = submit_of(LONG, 1, &n);
	int fd;

	(void)state;
	w->answer = ANSWER_LATER;
	world_start(w);
	fd = client(w);
	client_send(w, fd, text, n);
	WORLD_UNTIL(w, world_counters(w)->waiting == 1);
	conn_pin(server_conn(w->server, w->last_id));
	client_reset(fd);
	WORLD_UNTIL(w, w->ends == 1);
	assert_null(server_conn(w->server, w->last_id));
	assert_int_equal(world_counters(w)->connections, 1);
	assert_true(world_counters(w)->buffered >= n);
	conn_unpin(w->server, w->last_id);
	assert_int_equal(world_counters(w)->connections, 0);
	assert_int_equal(world_counters(w)->buffered, 0);
	/* Answered while it is pinned: the memory goes with the pin. */
	fd = client(w);
	client_send(w, fd, text, n);
	WORLD_UNTIL(w, world_counters(w)->waiting == 1);
	conn_pin(server_conn(w->server, w->last_id));
	conn_reply(server_conn(w->server, w->last_id), span_of("\"ok\"", 4));
	assert_true(world_counters(w)->buffered >= n);
	client_expect(w, fd, "\"ok\"");
	conn_unpin(w->server, w->last_id);
	WORLD_UNTIL(w, world_counters(w)->connections == 0);
	assert_int_equal(world_counters(w)->buffered, 0);
	/* And the server does not end under it. */
	fd = client(w);
	client_send(w, fd, text, n);
	WORLD_UNTIL(w, world_counters(w)->waiting == 1);
	conn_pin(server_conn(w->server, w->last_id));
	server_stop(w->server, world_on_stopped, w);
	world_turns(w, 50);
	assert_false(w->stopped);
	conn_unpin(w->server, w->last_id);
	WORLD_UNTIL(w, w->stopped);
	w->server = NULL;
	close(fd);
	free(text);
	world_free(w);
}

/* ---- in turn ---- */

struct house {
	struct world *w;
	struct decoder *decoder;
	struct proto_limits limits;
	uint64_t order[64]; /* batches as they were decoded */
	unsigned done, refused;
	char sentence[512];
};
static struct house house;

static void on_message(void *arg, struct conn *conn, struct span message, const char *source)
{
	struct why why = {""};

	(void)arg;
	if (decoder_take(house.decoder, house.w->server, conn, message, source, &house.limits,
			 &why))
		return;
	house.refused++;
	snprintf(house.sentence, sizeof house.sentence, "%s", why.text);
	conn_reply(conn, span_of("\"busy\"", 6));
}

static void on_decoded(void *arg, struct decoded *d)
{
	struct conn *conn = server_conn(house.w->server, d->conn);

	(void)arg;
	assert_non_null(conn);
	assert_true(d->bytes >= LONG);
	if (d->err) {
		conn_reply(conn, span_of("\"bad\"", 5));
		return;
	}
	assert_true(d->has_digest);
	house.order[house.done++] = d->message.id;
	conn_reply(conn, span_of("\"ok\"", 4));
}

static struct world *house_new(size_t jobs, size_t waiting, size_t of_source)
{
	const struct decoder_options options = {jobs, waiting, of_source};
	struct world *w = world_new();

	house = (struct house){.w = w, .limits = {1 << 20, 1 << 10}};
	w->options.handler = on_message;
	w->options.max_buffered_total = 64 << 20;
	world_start(w);
	house.decoder = decoder_new(&w->loop, &options, on_decoded, NULL);
	assert_non_null(house.decoder);
	return w;
}

/* Blocks the pool, so that what happens before a job runs can be arranged. */
static uv_sem_t gate;

static void wait_at_gate(uv_work_t *work)
{
	(void)work;
	uv_sem_wait(&gate);
}

static uv_work_t blocks[64];
static unsigned n_blocks, n_held; /* at the gate; and those that the loop has not heard of again */

static void passed_gate(uv_work_t *work, int status)
{
	(void)work;
	(void)status;
	n_held--;
}

static void house_free(void)
{
	struct world *w = house.w;

	WORLD_UNTIL(w, n_held == 0);
	world_free(w);
	decoder_free(house.decoder);
}

static int send_submit(const char *source, uint64_t batch)
{
	size_t n;
	char *text = submit_of(LONG, batch, &n);
	uint64_t before = world_counters(house.w)->messages;
	int fd = client_from(house.w, source, 0);

	client_send(house.w, fd, text, n);
	WORLD_UNTIL(house.w, world_counters(house.w)->messages > before);
	free(text);
	return fd;
}

static void test_decoded_off_the_loop(void **state)
{
	size_t n;
	char *text;
	int fd;

	(void)state;
	house_new(2, 8, 8);
	fd = send_submit("127.0.0.2", 5);
	client_expect(house.w, fd, "\"ok\"");
	assert_int_equal(house.order[0], 5);
	/* What is no proof is said. */
	text = submit_of(LONG, 5, &n);
	memcpy(strstr(text, "SP1"), "XXX", 3);
	fd = client(house.w);
	client_send(house.w, fd, text, n);
	client_expect(house.w, fd, "\"bad\"");
	free(text);
	assert_int_equal(decoder_counters(house.decoder)->jobs, 2);
	assert_int_equal(decoder_counters(house.decoder)->waiting, 0);
	house_free();
}

static void block_pool(void)
{
	const char *size = getenv("UV_THREADPOOL_SIZE");
	unsigned threads = size ? (unsigned)atoi(size) : 4;

	WORLD_UNTIL(house.w, n_held == 0);
	assert_int_equal(uv_sem_init(&gate, 0), 0);
	for (n_blocks = 0; n_blocks < threads && n_blocks < 64; n_blocks++, n_held++)
		uv_queue_work(&house.w->loop, &blocks[n_blocks], wait_at_gate, passed_gate);
}

static void open_pool(void)
{
	while (n_blocks-- > 0)
		uv_sem_post(&gate);
}

static void test_one_at_a_time_of_a_source(void **state)
{
	int a[4], b, c;

	(void)state;
	house_new(2, 6, 4);
	block_pool();
	a[0] = send_submit("127.0.0.2", 1);
	a[1] = send_submit("127.0.0.2", 2);
	a[2] = send_submit("127.0.0.2", 3);
	a[3] = send_submit("127.0.0.2", 4);
	/* A fifth of the same source is one too many; another source's is not, and goes before
	 * them. */
	client_expect(house.w, send_submit("127.0.0.2", 99), "\"busy\"");
	assert_non_null(strstr(house.sentence, "4 of them from 127.0.0.2"));
	assert_int_equal(decoder_counters(house.decoder)->jobs, 1);
	b = send_submit("127.0.0.3", 5);
	assert_int_equal(decoder_counters(house.decoder)->jobs, 2);
	c = send_submit("127.0.0.4", 6);
	client_expect(house.w, send_submit("127.0.0.5", 98), "\"busy\"");
	assert_int_equal(decoder_counters(house.decoder)->refused, 2);
	assert_int_equal(decoder_counters(house.decoder)->waiting, 6);
	open_pool();
	client_expect(house.w, a[0], "\"ok\"");
	client_expect(house.w, a[1], "\"ok\"");
	client_expect(house.w, a[2], "\"ok\"");
	client_expect(house.w, a[3], "\"ok\"");
	client_expect(house.w, b, "\"ok\"");
	client_expect(house.w, c, "\"ok\"");
	assert_int_equal(house.done, 6);
	house_free();
}

/* A connection that is gone loses its turn, one whose job runs is let go when it ends. */
static void test_connections_that_end_meanwhile(void **state)
{
	int running, waiting, other;

	(void)state;
	house_new(1, 8, 8);
	block_pool();
	running = send_submit("127.0.0.2", 1);
	waiting = send_submit("127.0.0.3", 2);
	other = send_submit("127.0.0.4", 3);
	client_reset(running);
	client_reset(waiting);
	WORLD_UNTIL(house.w, house.w->ends == 2);
	open_pool();
	client_expect(house.w, other, "\"ok\"");
	assert_int_equal(house.done, 1);
	assert_int_equal(house.order[0], 3);
	assert_int_equal(decoder_counters(house.decoder)->jobs, 2);
	WORLD_UNTIL(house.w, world_counters(house.w)->connections == 0);
	assert_int_equal(world_counters(house.w)->buffered, 0);
	/* And a stop with one in the pool and one that waits. */
	block_pool();
	running = send_submit("127.0.0.2", 4);
	waiting = send_submit("127.0.0.2", 5);
	server_stop(house.w->server, world_on_stopped, house.w);
	world_turns(house.w, 20);
	assert_false(house.w->stopped);
	open_pool();
	WORLD_UNTIL(house.w, house.w->stopped);
	house.w->server = NULL;
	assert_int_equal(house.done, 1);
	close(running);
	close(waiting);
	house_free();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_the_beginning_of_a_long_message),
	    cmocka_unit_test(test_long_messages_share_a_turn),
	    cmocka_unit_test(test_a_connection_that_ends_while_a_job_reads_it),
	    cmocka_unit_test(test_decoded_off_the_loop),
	    cmocka_unit_test(test_one_at_a_time_of_a_source),
	    cmocka_unit_test(test_connections_that_end_meanwhile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
