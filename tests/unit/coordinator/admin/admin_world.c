#include "admin_world.h"

#include "coordinator/admin/listen.h"
#include "coordinator/base/clock.h"
#include "coordinator/base/listen_at.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_MS 60000

/* ---- the rooms below ---- */

static void on_wake(void *arg)
{
	((struct admin_world *)arg)->wakes++;
}

static void on_facts(void *arg, const struct l1_facts *f)
{
	struct admin_world *x = arg;

	(void)f;
	x->facts++;
}

static void on_failed(void *arg, const char *sentence)
{
	(void)arg;
	fail_msg("%s", sentence);
}

static void on_fatal(void *arg, const char *event, const char *sentence)
{
	(void)arg;
	fail_msg("%s: %s", event, sentence);
}

static void on_answer(void *arg, uint64_t conn, enum setup_code code, const char *sentence)
{
	(void)arg, (void)conn, (void)code, (void)sentence;
}

static void on_hold(void *arg, uint64_t conn)
{
	(void)arg, (void)conn;
}

static bool waits(void *arg, uint64_t conn)
{
	(void)arg, (void)conn;
	return false;
}

static void make_book(struct admin_world *x, struct why *why)
{
	const struct registrar_settings rs = {.max_provers = 8,
					      .allow_dev_mode = true,
					      .silence_ms = 60000,
					      .drain_ms = 60000,
					      .gas_per_day = 10000000,
					      .gas_per_registration = 60000,
					      .retry_min_ms = 1000,
					      .retry_max_ms = 2000};
	struct work_limits wl = {.max_batches = 100,
				 .max_inputs = 200,
				 .max_versions = 4,
				 .max_candidates = 4,
				 .max_candidates_per_source = 4,
				 .lease_ms = 60000};
	int t;

	for (t = 0; t < PROVER_TYPES; t++)
		wl.proof_max[t] = 100000;
	x->p.work = work_new(&wl);
	x->p.registrar = registrar_new(&rs);
	assert_true(x->p.work && x->p.registrar);
	work_set_needed(x->p.work, PROVER_TYPE_BIT(PROVER_TDX));
	assert_true(commit_hash_rule_new(&x->rule, "^[0-9a-f]{7,40}$", why));
}

static void make_work(struct admin_world *x, struct why *why)
{
	const struct inputs_options io = {
	    .data_dir = x->dir, .max_bytes = WORLD_INPUT_MAX, .quota_bytes = WORLD_INPUT_QUOTA};
	const struct inputs_parts ip = {&x->loop, x->p.store, x->p.work, x->rule};
	struct serve_parts sp = {x->p.store, x->p.work, NULL, x->rule, x->p.registrar};
	struct serve *serve;

	assert_true(inputs_new(&x->p.inputs, &ip, &io, why));
	sp.inputs = x->p.inputs;
	assert_true(serve_new(&serve, &sp, why));
	x->p.serve = serve;
}

static struct l1 *make_l1(struct admin_world *x, struct why *why)
{
	const struct l1_parts lp = {&x->loop, x->w.rpc, x->p.store};
	const struct l1_options lo = {
	    .proposer = x->w.proposer, .confirmations = 2, .every_ms = 100000};
	const struct l1_events le = {on_facts, on_failed, on_fatal, x};
	struct l1 *l1;

	assert_true(l1_new(&l1, &lp, &lo, &le, why));
	assert_true(commitments_new(&x->commitments, x->w.rpc, &x->w.proposer, why));
	x->p.l1 = l1;
	x->p.rpc = x->w.rpc;
	return l1;
}

static void make_quotes(struct admin_world *x, struct why *why)
{
	const struct collateral_settings cs = {.sources = x->collateral_source,
					       .root_crl_url = "http://127.0.0.1:9/root.der",
					       .ca_file = "",
					       .root_file = "",
					       .data_dir = ""};
	const struct quotes_options qo = {
	    .policy_file = "", .max_provers = 8, .max_verifications = 1, .max_refusals = 8};
	struct quotes_parts qp = {.loop = &x->loop,
				  .store = x->p.store,
				  .l1 = x->p.l1,
				  .registrar = x->p.registrar,
				  .wake = x->p.wake};
	struct quotes *quotes;

	if (!collateral_new(&x->p.collateral, &x->loop, &cs, (int64_t)(clock_wall_ms() / 1000),
			    why))
		fail_msg("%s", why->text);
	qp.collateral = x->p.collateral;
	qp.verdicts = verdicts_new(8);
	x->p.verdicts = qp.verdicts;
	assert_true(quotes_new(&quotes, &qp, &qo, why));
	x->p.quotes = quotes;
}

static void make_session(struct admin_world *x, struct l1 *l1, struct why *why)
{
	const struct proofs_parts pp = {.store = x->p.store,
					.work = x->p.work,
					.registrar = x->p.registrar,
					.l1 = l1,
					.commitments = x->commitments,
					.wake = x->p.wake};
	const struct setup_parts up = {.store = x->p.store,
				       .registrar = x->p.registrar,
				       .quotes = (struct quotes *)x->p.quotes,
				       .l1 = l1,
				       .wake = x->p.wake};
	const struct setup_events ue = {on_answer, on_hold, waits, x};
	const struct session_options so = {.limits = {.proof_max = 100000, .payload_max = 65536}};
	struct session_parts sp = {.serve = (struct serve *)x->p.serve};
	struct session *session;

	assert_true(proofs_new(&sp.proofs, &pp, 100000, why));
	assert_true(setup_new(&sp.setup, &up, &ue, why));
	assert_true(session_new(&session, &sp, &so, why));
	x->p.proofs = sp.proofs;
	x->p.setup = sp.setup;
	x->p.session = session;
}

/* Nobody signs here. */
static struct signing *make_signing(struct admin_world *x, struct why *why)
{
	const struct signing_options options = {.verify_to = x->w.proposer};
	const struct signing_events events = {NULL, NULL};
	struct signing *signing;

	assert_true(signing_new(&signing, &x->loop, &options, &events, why));
	return signing;
}

static void make_agenda(struct admin_world *x, struct l1 *l1, struct why *why)
{
	struct signing *signing = make_signing(x, why);
	const struct agenda_parts ap = {.loop = &x->loop,
					.store = x->p.store,
					.rpc = x->w.rpc,
					.l1 = l1,
					.registrar = x->p.registrar,
					.work = x->p.work,
					.proofs = (struct proofs *)x->p.proofs,
					.quotes = x->p.quotes,
					.wake = x->p.wake,
					.signing = signing};
	struct agenda_options ao = {.outbox = {.proposer = x->w.proposer},
				    .verify_to = x->w.proposer,
				    .max_batches = 4,
				    .max_proof_bytes = 100000,
				    .gas_cap = 10000000,
				    .data_dir = x->dir};
	struct agenda *agenda;

	sender_options_default(&ao.outbox.sender);
	assert_true(agenda_new(&agenda, &ap, &ao, why));
	x->p.agenda = agenda;
	x->p.signing = signing;
}

static void open_on(struct admin_world *x, struct engine *engine, const char *listen,
		    unsigned max_connections, unsigned idle_timeout_s)
{
	const struct store_options so = {.dir = x->dir, .engine = engine};
	struct admin_options ao = {.listen = x->listen,
				   .token = WORLD_TOKEN,
				   .max_connections = max_connections,
				   .idle_timeout_s = idle_timeout_s,
				   .tdx_dev_mode = true,
				   .version = "9.8.7",
				   .instance = "here-3900",
				   .started_ms = clock_wall_ms()};
	struct why why = {""};
	struct l1 *l1;

	memset(x, 0, sizeof *x);
	uv_loop_init(&x->loop);
	l1_world_open(&x->w, &x->loop);
	strcpy(x->dir, "/tmp/test_admin.XXXXXX");
	assert_non_null(mkdtemp(x->dir));
	snprintf(x->listen, sizeof x->listen, "unix:%s/socket", x->dir);
	if (listen)
		snprintf(x->listen, sizeof x->listen, "%s", listen);
	snprintf(x->collateral_source, sizeof x->collateral_source, "dir:%s", x->dir);
	x->p.loop = &x->loop;
	assert_int_equal(store_open(&x->p.store, &x->loop, &so, &why), STORE_OK);
	x->p.wake = wake_new(&x->loop, on_wake, x, &why);
	assert_non_null(x->p.wake);
	make_book(x, &why);
	make_work(x, &why);
	l1 = make_l1(x, &why);
	make_quotes(x, &why);
	make_session(x, l1, &why);
	make_agenda(x, l1, &why);
	if (!admin_new(&x->admin, &x->p, &ao, &why))
		fail_msg("%s", why.text);
	admin_set_state(x->admin, ADMIN_READY);
}

void admin_world_open_with(struct admin_world *x, const char *listen, unsigned max_connections,
			   unsigned idle_timeout_s)
{
	open_on(x, NULL, listen, max_connections, idle_timeout_s);
}

void admin_world_open(struct admin_world *x, const char *listen)
{
	admin_world_open_with(x, listen, 16, 60);
}

void admin_world_open_shared(struct admin_world *x, struct engine *engine)
{
	open_on(x, engine, NULL, 16, 60);
}

/* ---- the loop ---- */

void admin_world_turn(struct admin_world *x)
{
	uv_run(&x->loop, UV_RUN_NOWAIT);
	usleep(100);
}

void admin_world_until(struct admin_world *x, bool (*done)(struct admin_world *x))
{
	const uint64_t until = clock_mono_ms() + PATIENCE_MS;

	while (!done(x)) {
		assert_true(clock_mono_ms() < until);
		admin_world_turn(x);
	}
}

static bool has_facts(struct admin_world *x)
{
	return x->facts > 0;
}

void admin_world_read_l1(struct admin_world *x)
{
	x->facts = 0;
	l1_start((struct l1 *)x->p.l1);
	admin_world_until(x, has_facts);
}

/* ---- the end, in the daemon's order ---- */

static void on_closed(void *arg)
{
	((struct admin_world *)arg)->closed = true;
}

static bool is_closed(struct admin_world *x)
{
	return x->closed;
}

static void wait_closed(struct admin_world *x)
{
	admin_world_until(x, is_closed);
	x->closed = false;
}

void admin_world_close_admin(struct admin_world *x)
{
	admin_close(x->admin, on_closed, x);
	x->admin = NULL;
	wait_closed(x);
}

void admin_world_close(struct admin_world *x)
{
	const struct admin_parts *p = &x->p;

	admin_world_close_admin(x);
	l1_close((struct l1 *)p->l1, on_closed, x);
	wait_closed(x);
	agenda_close(p->agenda, on_closed, x);
	wait_closed(x);
	signing_close((struct signing *)p->signing, on_closed, x);
	wait_closed(x);
	quotes_close((struct quotes *)p->quotes, on_closed, x);
	wait_closed(x);
	collateral_close(p->collateral, on_closed, x);
	wait_closed(x);
	wake_close(p->wake, on_closed, x);
	wait_closed(x);
	store_close(p->store, on_closed, x);
	wait_closed(x);
	l1_world_close(&x->w);
	session_free((struct session *)p->session);
	setup_free((struct setup *)p->setup);
	agenda_free(p->agenda);
	quotes_free((struct quotes *)p->quotes);
	verdicts_free((struct verdicts *)p->verdicts);
	proofs_free((struct proofs *)p->proofs);
	serve_free((struct serve *)p->serve);
	l1_free((struct l1 *)p->l1);
	commitments_free(x->commitments);
	inputs_free(p->inputs);
	work_free(p->work);
	registrar_free(p->registrar);
	commit_hash_rule_free(x->rule);
	assert_int_equal(uv_loop_close(&x->loop), 0);
}

void admin_world_remove(struct admin_world *x)
{
	char command[128];

	snprintf(command, sizeof command, "rm -rf %s", x->dir);
	assert_int_equal(system(command), 0);
}

/* ---- clients ---- */

static int connect_tcp(const char *listen)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port =
				     htons((uint16_t)strtoul(strrchr(listen, ':') + 1, NULL, 10)),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
	return fd;
}

int admin_world_connect(struct admin_world *x)
{
	const char *path = listen_at_path(x->listen);
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd;

	if (path) {
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_true(strlen(path) < sizeof to.sun_path);
		strcpy(to.sun_path, path);
		assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
	} else {
		fd = connect_tcp(x->listen);
	}
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

/* A peer that has closed takes no more; what it has said is still there to be read. */
void admin_world_send(struct admin_world *x, int fd, const void *bytes, size_t n)
{
	const uint64_t until = clock_mono_ms() + PATIENCE_MS;
	const char *p = bytes;
	ssize_t sent;

	while (n) {
		sent = send(fd, p, n, MSG_NOSIGNAL);
		if (sent < 0 && (errno == EPIPE || errno == ECONNRESET))
			return;
		assert_true(sent >= 0 || errno == EAGAIN);
		if (sent > 0) {
			p += sent;
			n -= (size_t)sent;
		}
		admin_world_turn(x);
		assert_true(clock_mono_ms() < until);
	}
}

static size_t length_of(const char *head)
{
	const char *at = strcasestr(head, "\r\nContent-Length:");

	return at ? strtoul(at + 17, NULL, 10) : 0;
}

/* Is all of it there? */
static bool take_answer(struct answer *out, const struct buf *got)
{
	const char *end = got->len ? memmem(got->p, got->len, "\r\n\r\n", 4) : NULL;
	size_t n = end ? (size_t)(end - (const char *)got->p) + 4 : 0;

	if (!end)
		return false;
	assert_true(n < sizeof out->head);
	memcpy(out->head, got->p, n);
	out->head[n] = '\0';
	assert_int_equal(strncmp(out->head, "HTTP/1.1 ", 9), 0);
	if (strncmp(out->head + 9, "100", 3) == 0 || got->len < n + length_of(out->head))
		return false;
	out->status = (int)strtol(out->head + 9, NULL, 10);
	assert_true(buf_add(&out->body, got->p + n, got->len - n));
	return true;
}

void admin_world_receive(struct admin_world *x, int fd, struct answer *out)
{
	const uint64_t until = clock_mono_ms() + PATIENCE_MS;
	char chunk[16384];
	struct buf got;
	ssize_t n = -1;

	memset(out, 0, sizeof *out);
	buf_init(&got, 8u << 20);
	buf_init(&out->body, 8u << 20);
	while (n && !take_answer(out, &got)) {
		admin_world_turn(x);
		n = recv(fd, chunk, sizeof chunk, 0);
		assert_true(n >= 0 || errno == EAGAIN || errno == ECONNRESET);
		if (n < 0 && errno == ECONNRESET)
			break;
		if (n > 0)
			assert_true(buf_add(&got, chunk, (size_t)n));
		assert_true(clock_mono_ms() < until);
	}
	buf_free(&got);
	if (out->body.len)
		out->json = json_loadb((const char *)out->body.p, out->body.len, 0, NULL);
}

void admin_world_ask(struct admin_world *x, struct answer *out, const char *method, const char *url,
		     const char *head, struct span body)
{
	int fd = admin_world_connect(x);
	char request[2048];
	int n;

	n = snprintf(request, sizeof request, "%s %s HTTP/1.1\r\n%s%sContent-Length: %zu\r\n\r\n",
		     method, url, strcasestr(head, "Host:") ? "" : "Host: localhost\r\n", head,
		     body.n);
	assert_true(n > 0 && (size_t)n < sizeof request);
	admin_world_send(x, fd, request, (size_t)n);
	admin_world_send(x, fd, body.p, body.n);
	admin_world_receive(x, fd, out);
	close(fd);
}

void admin_world_get(struct admin_world *x, struct answer *out, const char *url)
{
	admin_world_ask(x, out, "GET", url, WORLD_BEARER, span_of(NULL, 0));
}

void admin_world_post(struct admin_world *x, struct answer *out, const char *url)
{
	admin_world_ask(x, out, "POST", url, WORLD_BEARER, span_of(NULL, 0));
}

void answer_free(struct answer *a)
{
	json_decref(a->json);
	buf_free(&a->body);
}

const char *answer_code(const struct answer *a)
{
	const char *code = json_string_value(json_object_get(a->json, "code"));

	return code ? code : "";
}
