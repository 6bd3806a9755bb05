/* The small things that everything stands on: waking, waiting, files, URLs, the machine around. */
#include "coordinator/base/clock.h"
#include "coordinator/base/file.h"
#include "coordinator/base/retry.h"
#include "coordinator/base/system.h"
#include "coordinator/base/url.h"
#include "coordinator/base/wake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- wake ---- */

struct sleeper {
	uv_loop_t loop;
	struct wake *wake;
	unsigned runs, again;
	bool inside, closed;
};

static void on_run(void *arg)
{
	struct sleeper *s = arg;

	assert_false(s->inside);
	s->inside = true;
	s->runs++;
	if (s->again) {
		s->again--;
		wake_up(s->wake);
	}
	s->inside = false;
}

static void on_closed(void *arg)
{
	((struct sleeper *)arg)->closed = true;
}

static struct sleeper *sleeper_new(void)
{
	struct sleeper *s = calloc(1, sizeof *s);
	struct why why = {""};

	uv_loop_init(&s->loop);
	s->wake = wake_new(&s->loop, on_run, s, &why);
	assert_non_null(s->wake);
	return s;
}

static void sleeper_free(struct sleeper *s)
{
	assert_int_equal(uv_loop_close(&s->loop), 0);
	free(s);
}

static void test_many_wakes_are_one_run(void **state)
{
	struct sleeper *s = sleeper_new();

	(void)state;
	wake_up(s->wake);
	wake_up(s->wake);
	wake_up(s->wake);
	assert_int_equal(s->runs, 0); /* never from inside the call */
	uv_run(&s->loop, UV_RUN_DEFAULT);
	assert_int_equal(s->runs, 1);
	/* From inside a run it is run again, after it. */
	s->again = 3;
	wake_up(s->wake);
	uv_run(&s->loop, UV_RUN_DEFAULT);
	assert_int_equal(s->runs, 5);
	wake_close(s->wake, on_closed, s);
	uv_run(&s->loop, UV_RUN_DEFAULT);
	assert_true(s->closed);
	sleeper_free(s);
}

static void test_no_run_after_the_close(void **state)
{
	struct sleeper *s = sleeper_new();

	(void)state;
	wake_up(s->wake);
	wake_close(s->wake, on_closed, s);
	wake_up(s->wake);
	assert_false(s->closed); /* from the loop */
	uv_run(&s->loop, UV_RUN_DEFAULT);
	assert_true(s->closed);
	assert_int_equal(s->runs, 0);
	s->closed = false;
	wake_close(NULL, on_closed, s);
	assert_true(s->closed);
	sleeper_free(s);
}

/* ---- waits ---- */

static void test_backoff(void **state)
{
	uint64_t random = 7, seen = 0;
	int i;

	(void)state;
	assert_int_equal(retry_backoff(100, 1000, 0), 100);
	assert_int_equal(retry_backoff(100, 1000, 3), 800);
	assert_int_equal(retry_backoff(100, 1000, 4), 1000);
	assert_int_equal(retry_backoff(100, 1000, 4000000000u), 1000);
	assert_int_equal(retry_backoff(2000, 1000, 0), 1000);
	assert_true(retry_backoff(1, UINT64_MAX, 4000000000u) == UINT64_MAX);
	for (i = 0; i < 1000; i++) {
		uint64_t n = retry_spread(100, 4, retry_random(&random));

		assert_true(n >= 75 && n <= 125);
		seen |= n < 80 ? 1 : n > 120 ? 2 : 0;
	}
	assert_int_equal(seen, 3);
	assert_int_equal(retry_spread(0, 4, 99), 0);
}

static void test_clocks(void **state)
{
	const uint64_t before = clock_mono_ms();

	(void)state;
	assert_true(clock_wall_ms() > 1700000000000ull);
	usleep(2000);
	assert_true(clock_mono_ms() > before);
}

/* ---- files ---- */

static char dir[64], path[128];

static int make_dir(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/test_base.XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/file", dir);
	return 0;
}

static int remove_dir(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof command, "rm -rf %s", dir);
	return system(command);
}

static void write_file(const char *text, mode_t mode)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(chmod(path, mode), 0);
}

static void test_a_file_is_replaced_as_a_whole(void **state)
{
	struct why why = {""};
	struct buf got;
	struct stat st;

	(void)state;
	buf_init(&got, 100);
	assert_true(file_write_whole(path, span_of("one", 3), 0600, &why));
	assert_true(file_write_whole(path, span_of("second", 6), 0640, &why));
	assert_true(file_read(&got, path, &why));
	assert_true(span_eq(buf_span(&got), span_of("second", 6)));
	buf_free(&got);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	/* A directory in the way of the temporary file: the former one stays. */
	strcat(path, ".tmp");
	assert_int_equal(mkdir(path, 0700), 0);
	path[strlen(path) - 4] = '\0';
	assert_false(file_write_whole(path, span_of("third", 5), 0600, &why));
	assert_non_null(strstr(why.text, "cannot write"));
	buf_init(&got, 100);
	assert_true(file_read(&got, path, &why));
	assert_true(span_eq(buf_span(&got), span_of("second", 6)));
	buf_free(&got);
	buf_init(&got, 3);
	assert_false(file_read(&got, path, &why));
	assert_non_null(strstr(why.text, "longer than the 3 bytes"));
	buf_free(&got);
}

static void test_secrets(void **state)
{
	struct why why = {""};
	char out[16];

	(void)state;
	assert_false(file_read_secret(out, sizeof out, path, &why));
	assert_non_null(strstr(why.text, "cannot open"));
	write_file(" \tsecret \r\n\n", 0600);
	assert_true(file_read_secret(out, sizeof out, path, &why));
	assert_string_equal(out, "secret");
	write_file("\n", 0600);
	assert_true(file_read_secret(out, sizeof out, path, &why));
	assert_string_equal(out, "");
	write_file("s\xff", 0600);
	assert_int_equal(truncate(path, 4), 0); /* two NULs */
	assert_false(file_read_secret(out, sizeof out, path, &why));
	assert_non_null(strstr(why.text, "NUL byte"));
	write_file("a secret that is longer", 0600);
	assert_false(file_read_secret(out, sizeof out, path, &why));
	assert_non_null(strstr(why.text, "too long"));
	write_file("secret", 0604);
	assert_false(file_read_secret(out, sizeof out, path, &why));
	assert_non_null(strstr(why.text, "chmod 0600"));
	write_file("secret", 0640); /* a group of its own, as systemd and Docker do it */
	assert_true(file_read_secret(out, sizeof out, path, &why));
}

/* ---- URLs ---- */

static void test_urls(void **state)
{
	static const struct {
		const char *url, *says;
	} bad[] = {{"ftp://a.example", "neither http"},
		   {"http://a.example/", "not on this host"},
		   {"https://user@a.example", "user or password"},
		   {"https://a.example/?key=1", "query"},
		   {"nonsense", "not a URL"},
		   {"", "not a URL"}};
	static const char *const good[] = {"https://a.example/path", "http://127.0.0.1:99/x",
					   "http://localhost", "http://[::1]:8081"};
	char masked[URL_MASKED_SIZE];
	struct why why;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof bad / sizeof *bad; i++) {
		why.text[0] = '\0';
		assert_false(url_ok(bad[i].url, &why));
		if (!strstr(why.text, bad[i].says))
			fail_msg("%s: %s", bad[i].url, why.text);
	}
	for (i = 0; i < sizeof good / sizeof *good; i++)
		assert_true(url_ok(good[i], &why));
	url_mask(masked, sizeof masked, "https://user:pass@host.example/v3/secret-key?x=1");
	assert_string_equal(masked, "https://host.example:443");
	assert_false(url_ok("https://host.example/secret-key?x=1", &why));
	assert_null(strstr(why.text, "secret-key"));
}

/* ---- the machine around ---- */

static void test_one_daemon_a_key(void **state)
{
	const struct eth_address key = {{(uint8_t)getpid(), (uint8_t)(getpid() >> 8), 3}};
	struct why why = {""};
	int first = system_lock_key(&key, "chain a", "", &why), second;

	(void)state;
	assert_true(first >= 0);
	assert_int_equal(system_lock_key(&key, "chain a", "", &why), -1);
	assert_non_null(strstr(why.text, "another proof-coordinator"));
	second = system_lock_key(&key, "chain b", "", &why);
	assert_true(second >= 0);
	close(second);
	close(first);
	first = system_lock_key(&key, "chain a", "", &why);
	assert_true(first >= 0);
	close(first);
}

static void test_those_of_one_database_share_a_key(void **state)
{
	const struct eth_address key = {{(uint8_t)getpid(), (uint8_t)(getpid() >> 8), 4}};
	struct why why = {""};
	int first = system_lock_key(&key, "chain", "one", &why), second, alone;

	(void)state;
	second = system_lock_key(&key, "chain", "one", &why);
	assert_true(first >= 0 && second >= 0);
	assert_int_equal(system_lock_key(&key, "chain", "another", &why), -1);
	assert_non_null(strstr(why.text, "not by the same database"));
	assert_int_equal(system_lock_key(&key, "chain", "", &why), -1);
	close(first);
	assert_int_equal(system_lock_key(&key, "chain", "another", &why), -1);
	close(second);
	alone = system_lock_key(&key, "chain", "", &why);
	assert_true(alone >= 0);
	assert_int_equal(system_lock_key(&key, "chain", "one", &why), -1);
	close(alone);
	first = system_lock_key(&key, "chain", "one", &why);
	assert_true(first >= 0);
	close(first);
}

static void test_the_service_manager_is_told(void **state)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	char got[64];
	ssize_t n;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	(void)state;
	unsetenv("NOTIFY_SOCKET");
	system_notify("READY=1");
	snprintf(at.sun_path, sizeof at.sun_path, "%s/notify", dir);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
	setenv("NOTIFY_SOCKET", at.sun_path, 1);
	system_notify("READY=1\nSTATUS=x");
	n = recv(fd, got, sizeof got - 1, 0);
	assert_int_equal(n, 16);
	setenv("NOTIFY_SOCKET", "relative", 1);
	system_notify("READY=1");
	assert_int_equal(recv(fd, got, sizeof got, 0), -1);
	unsetenv("NOTIFY_SOCKET");
	close(fd);
}

#define IN_A_DIRECTORY(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_many_wakes_are_one_run),
					   cmocka_unit_test(test_no_run_after_the_close),
					   cmocka_unit_test(test_backoff),
					   cmocka_unit_test(test_clocks),
					   IN_A_DIRECTORY(test_a_file_is_replaced_as_a_whole),
					   IN_A_DIRECTORY(test_secrets),
					   cmocka_unit_test(test_urls),
					   cmocka_unit_test(test_one_daemon_a_key),
					   cmocka_unit_test(test_those_of_one_database_share_a_key),
					   IN_A_DIRECTORY(test_the_service_manager_is_told)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
