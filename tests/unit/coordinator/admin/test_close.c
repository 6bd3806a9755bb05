/* The admin ends: whatever is under way, nothing aborts, nothing leaks, and what is owed is said.
 */
#include "admin_world.h"

#include "coordinator/admin/listen.h"
#include "coordinator/base/listen_at.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define PUT_HEAD                                                                                   \
	"PUT /api/v1/batches/1?commit_hash=abc1234 HTTP/1.1\r\nHost: localhost\r\n" WORLD_BEARER

static const struct eth_address key_b = {{0xbb, 2}};

static int begin(void **state)
{
	static struct admin_world x;

	admin_world_open(&x, NULL);
	*state = &x;
	return 0;
}

static int end(void **state)
{
	admin_world_close(*state);
	admin_world_remove(*state);
	return 0;
}

static bool has_request(struct admin_world *x)
{
	return x->admin->requests != NULL;
}

static bool is_finishing(struct admin_world *x)
{
	return has_request(x) && x->admin->requests->finishing;
}

static bool is_committing(struct admin_world *x)
{
	return has_request(x) && x->admin->requests->committing;
}

static bool is_forgotten(struct admin_world *x)
{
	return !has_request(x);
}

static bool has_bytes(struct admin_world *x)
{
	return inputs_bytes(x->p.inputs) > 0;
}

static void hears(struct admin_world *x, int fd, int status, const char *code)
{
	struct answer a;

	admin_world_receive(x, fd, &a);
	assert_int_equal(a.status, status);
	assert_string_equal(answer_code(&a), code);
	answer_free(&a);
	close(fd);
}

static void say(struct admin_world *x, int fd, const char *text)
{
	admin_world_send(x, fd, text, strlen(text));
}

static void test_nothing(void **state)
{
	struct admin_world *x = *state;

	assert_int_equal(access(listen_at_path(x->listen), F_OK), 0);
	admin_world_close_admin(x);
	assert_int_not_equal(access(listen_at_path(x->listen), F_OK), 0);
	/* There is none any more: that is said at once. */
	admin_world_close_admin(x);
}

static void test_idle_connections(void **state)
{
	struct admin_world *x = *state;
	int silent = admin_world_connect(x), half = admin_world_connect(x),
	    kept = admin_world_connect(x);
	struct answer a;

	say(x, half, "GET /healthz HTTP/1.1\r\nHost: loc");
	say(x, kept, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
	admin_world_receive(x, kept, &a);
	assert_int_equal(a.status, 200);
	answer_free(&a);
	admin_world_close_admin(x);
	hears(x, silent, 0, "");
	hears(x, half, 0, "");
	hears(x, kept, 0, "");
}

/* The body is not all there: the upload is dropped, and nothing of it is kept. */
static void test_upload_in_the_middle(void **state)
{
	struct admin_world *x = *state;
	int fd = admin_world_connect(x);
	struct answer a;

	say(x, fd, PUT_HEAD "Content-Length: 1000\r\n\r\n{\"x\":\"abc");
	admin_world_until(x, has_bytes);
	admin_world_close_admin(x);
	assert_int_equal(inputs_bytes(x->p.inputs), 0);
	admin_world_receive(x, fd, &a);
	assert_true(a.status == 0 || a.status == 503);
	answer_free(&a);
	close(fd);
}

/* A write is on its way to the disk when the end comes. */
static void test_upload_being_written(void **state)
{
	struct admin_world *x = *state;
	int fd = admin_world_connect(x);

	say(x, fd, PUT_HEAD "Transfer-Encoding: chunked\r\n\r\n9\r\n{\"x\":\"abc\r\n");
	admin_world_until(x, has_request);
	while (!x->admin->requests->suspended && !has_bytes(x))
		uv_run(&x->loop, UV_RUN_NOWAIT);
	admin_world_close_admin(x);
	assert_int_equal(inputs_bytes(x->p.inputs), 0);
	close(fd);
}

static void begin_finishing(struct admin_world *x, int fd)
{
	say(x, fd, PUT_HEAD "Content-Length: 7\r\n\r\n{\"a\":1");
	assert_true(send(fd, "}", 1, MSG_NOSIGNAL) == 1);
	while (!is_finishing(x))
		uv_run(&x->loop, UV_RUN_NOWAIT);
}

static void test_upload_being_finished(void **state)
{
	struct admin_world *x = *state;
	int fd = admin_world_connect(x);

	begin_finishing(x, fd);
	admin_world_close_admin(x);
	assert_int_equal(inputs_counters(x->p.inputs)->stored, 1);
	assert_int_equal(inputs_bytes(x->p.inputs), 7);
	hears(x, fd, 201, "created");
}

/* A POST of promote, brought to where its row is on the way to the disk. */
static int begin_committing(struct admin_world *x)
{
	const struct registrar_prover p = {.signer = key_b,
					   .kind = REGISTRAR_DEV,
					   .payload = span_of(key_b.b, 20),
					   .fit = REGISTRAR_FIT};
	char text[ETH_ADDRESS_TEXT_SIZE], request[512];
	int fd = admin_world_connect(x);

	registrar_set_contract(x->p.registrar, &x->w.verifier, true);
	assert_true(registrar_restore(x->p.registrar, &p));
	eth_address_print(text, &key_b);
	snprintf(request, sizeof request,
		 "POST /api/v1/provers/%s/promote HTTP/1.1\r\nHost: localhost\r\n" WORLD_BEARER
		 "Content-Length: 0\r\n\r\n",
		 text);
	assert_true(send(fd, request, strlen(request), MSG_NOSIGNAL) == (ssize_t)strlen(request));
	while (!is_committing(x))
		uv_run(&x->loop, UV_RUN_NOWAIT);
	return fd;
}

static void test_commit_under_way(void **state)
{
	struct admin_world *x = *state;
	int fd = begin_committing(x);

	admin_world_close_admin(x);
	hears(x, fd, 200, "promoted");
}

/* The client is gone, what it asked for goes on, and the listener does not wait for it. */
static void test_client_gone_before(void **state)
{
	struct admin_world *x = *state;
	int fd = begin_committing(x);

	close(fd);
	admin_world_close_admin(x);
	assert_non_null(registrar_promoted(x->p.registrar));
}

static void test_finishing_client_gone_before(void **state)
{
	struct admin_world *x = *state;
	int fd = admin_world_connect(x);

	begin_finishing(x, fd);
	close(fd);
	admin_world_close_admin(x);
	assert_int_equal(inputs_counters(x->p.inputs)->stored, 1);
}

/* As above, and the listener stays. */
static void test_client_gone_and_served_on(void **state)
{
	struct admin_world *x = *state;
	struct answer a;
	int fd = begin_committing(x);

	close(fd);
	admin_world_until(x, is_forgotten);
	fd = admin_world_connect(x);
	begin_finishing(x, fd);
	close(fd);
	admin_world_until(x, is_forgotten);
	admin_world_get(x, &a, "/api/v1/status");
	assert_int_equal(a.status, 200);
	answer_free(&a);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_nothing),
	    TEST(test_idle_connections),
	    TEST(test_upload_in_the_middle),
	    TEST(test_upload_being_written),
	    TEST(test_upload_being_finished),
	    TEST(test_commit_under_way),
	    TEST(test_client_gone_before),
	    TEST(test_finishing_client_gone_before),
	    TEST(test_client_gone_and_served_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
