/* Where the operator's listener may stand, and its token: made once, whole, for its owner only. */
#include "coordinator/admin/listen.h"
#include "coordinator/base/listen_at.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define TOKEN_SIZE 128

static char dir[64], path[96], text[128];
static struct why why;

static int begin(void **state)
{
	(void)state;
	why = (struct why){""};
	strcpy(dir, "/tmp/test_listen.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof path, "%s/admin.token", dir);
	snprintf(text, sizeof text, "unix:%s/socket", dir);
	return 0;
}

static int end(void **state)
{
	(void)state;
	unlink(listen_at_path(text));
	if (unlink(path) != 0)
		rmdir(path);
	return rmdir(dir);
}

static unsigned mode_of(const char *file)
{
	struct stat st;

	assert_int_equal(lstat(file, &st), 0);
	return st.st_mode & 07777;
}

/* ---- the listener ---- */

static int connect_to(const char *file)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	assert_true(strlen(file) < sizeof to.sun_path);
	strcpy(to.sun_path, file);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
	return fd;
}

static void test_unix_socket(void **state)
{
	const char *file = listen_at_path(text);
	int fd = admin_listen(text, &why), client;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(mode_of(file), 0600);
	client = connect_to(file);
	close(client);
	/* Who lives is not displaced. */
	assert_int_equal(admin_listen(text, &why), -1);
	assert_non_null(strstr(why.text, file));
	client = connect_to(file);
	close(client);
	/* Who died has left a file, which goes. */
	close(fd);
	assert_int_equal(access(file, F_OK), 0);
	fd = admin_listen(text, &why);
	assert_true(fd >= 0);
	close(connect_to(file));
	close(fd);
}

static void test_unix_refusals(void **state)
{
	char longest[200];

	(void)state;
	snprintf(longest, sizeof longest, "unix:/%0150d", 0);
	assert_int_equal(admin_listen(longest, &why), -1);
	assert_non_null(strstr(why.text, "longer than 107"));
	snprintf(longest, sizeof longest, "unix:%s/absent/socket", dir);
	assert_int_equal(admin_listen(longest, &why), -1);
	assert_non_null(strstr(why.text, "cannot listen on unix:"));
	assert_non_null(strstr(why.text, "No such file"));
}

static unsigned port_of(int fd)
{
	struct sockaddr_in at;
	socklen_t n = sizeof at;

	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &n), 0);
	assert_int_equal(ntohl(at.sin_addr.s_addr) >> 24, 127);
	return ntohs(at.sin_port);
}

static void test_loopback(void **state)
{
	static const char *const good[] = {"127.0.0.1:0", "127.9.8.7:0", "localhost:0"};
	char taken[64];
	size_t i;
	int fd;

	(void)state;
	for (i = 0; i < sizeof good / sizeof *good; i++) {
		fd = admin_listen(good[i], &why);
		assert_true(fd >= 0);
		snprintf(taken, sizeof taken, "%.*s:%u", (int)(strchr(good[i], ':') - good[i]),
			 good[i], port_of(fd));
		assert_int_equal(admin_listen(taken, &why), -1);
		assert_non_null(strstr(why.text, taken));
		assert_non_null(strstr(why.text, "in use"));
		close(fd);
	}
}

static void test_elsewhere_is_refused(void **state)
{
	static const char *const malformed[] = {"",
						"127.0.0.1",
						"127.0.0.1:",
						"127.0.0.1:70000",
						"127.0.0.1:12x",
						"127.0.0.1:-1",
						"example.org:80",
						"::1:80",
						":80",
						"Unix:/tmp/x",
						"127.1:80"};
	static const char *const foreign[] = {"0.0.0.0:80", "10.0.0.1:80", "128.0.0.1:80",
					      "126.255.255.255:80", "[::2]:80"};
	char longest[200];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof malformed / sizeof *malformed; i++) {
		assert_int_equal(admin_listen(malformed[i], &why), -1);
		assert_non_null(strstr(why.text, "is none of unix:PATH, "));
		assert_null(listen_at_path(malformed[i]));
	}
	for (i = 0; i < sizeof foreign / sizeof *foreign; i++) {
		assert_int_equal(admin_listen(foreign[i], &why), -1);
		assert_non_null(strstr(why.text, "must be on loopback"));
	}
	snprintf(longest, sizeof longest, "%0150d:80", 0);
	assert_int_equal(admin_listen(longest, &why), -1);
}

/* ---- the token ---- */

static void put(const char *line, unsigned mode)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(line, f);
	fclose(f);
	assert_int_equal(chmod(path, mode), 0);
}

static void test_token_made_once(void **state)
{
	char first[TOKEN_SIZE], second[TOKEN_SIZE];

	(void)state;
	assert_true(admin_token(first, sizeof first, "", dir, &why));
	assert_int_equal(strlen(first), 64);
	assert_int_equal(strspn(first, "0123456789abcdef"), 64);
	assert_int_equal(mode_of(path), 0600);
	assert_true(admin_token(second, sizeof second, "", dir, &why));
	assert_string_equal(first, second);
	/* Another directory's is another. */
	unlink(path);
	assert_true(admin_token(second, sizeof second, "", dir, &why));
	assert_string_not_equal(first, second);
}

static void test_token_given(void **state)
{
	char token[TOKEN_SIZE];

	(void)state;
	assert_true(admin_token(token, sizeof token, "from the settings", dir, &why));
	assert_string_equal(token, "from the settings");
	assert_int_not_equal(access(path, F_OK), 0);
}

static void test_token_of_the_operator(void **state)
{
	char token[TOKEN_SIZE];

	(void)state;
	put("  secret \t\r\n\n", 0640);
	assert_true(admin_token(token, sizeof token, "", dir, &why));
	assert_string_equal(token, "secret");
	assert_int_equal(mode_of(path), 0640);
}

static void test_token_empty_is_made_anew(void **state)
{
	static const char *const empty[] = {"", " \n", "\n\n\t"};
	char token[TOKEN_SIZE];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof empty / sizeof *empty; i++) {
		put(empty[i], 0600);
		assert_true(admin_token(token, sizeof token, "", dir, &why));
		assert_int_equal(strlen(token), 64);
	}
}

static void test_token_for_everyone_is_refused(void **state)
{
	static const unsigned modes[] = {0644, 0606, 0602, 0601};
	char token[TOKEN_SIZE], mode[8];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof modes / sizeof *modes; i++) {
		put("secret\n", modes[i]);
		assert_false(admin_token(token, sizeof token, "", dir, &why));
		snprintf(mode, sizeof mode, "%04o", modes[i]);
		assert_non_null(strstr(why.text, path));
		assert_non_null(strstr(why.text, mode));
		assert_null(strstr(why.text, "secret"));
	}
}

static void test_token_unreadable_is_not_written_over(void **state)
{
	char token[TOKEN_SIZE], other[128];
	struct stat st;

	(void)state;
	assert_int_equal(mkdir(path, 0700), 0);
	assert_false(admin_token(token, sizeof token, "", dir, &why));
	assert_non_null(strstr(why.text, "Is a directory"));
	assert_int_equal(rmdir(path), 0);
	/* A link to itself cannot be read, and stays. */
	assert_int_equal(symlink("admin.token", path), 0);
	assert_false(admin_token(token, sizeof token, "", dir, &why));
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(unlink(path), 0);
	/* A link to nowhere gives way: nothing is written to where it points. */
	snprintf(other, sizeof other, "%s/elsewhere", dir);
	assert_int_equal(symlink("elsewhere", path), 0);
	assert_true(admin_token(token, sizeof token, "", dir, &why));
	assert_int_not_equal(access(other, F_OK), 0);
	assert_int_equal(mode_of(path), 0600);
}

static void test_token_too_long(void **state)
{
	char token[TOKEN_SIZE], line[TOKEN_SIZE + 2];
	size_t i;

	(void)state;
	memset(line, 'x', sizeof line);
	line[TOKEN_SIZE] = '\0';
	put(line, 0600);
	assert_false(admin_token(token, sizeof token, "", dir, &why));
	assert_non_null(strstr(why.text, "too long"));
	for (i = 0; i < sizeof token; i++)
		assert_int_equal(token[i], 0);
	line[TOKEN_SIZE - 1] = '\0';
	put(line, 0600);
	assert_true(admin_token(token, sizeof token, "", dir, &why));
	assert_string_equal(token, line);
}

static void test_token_without_a_directory(void **state)
{
	char token[TOKEN_SIZE], absent[96];

	(void)state;
	snprintf(absent, sizeof absent, "%s/absent", dir);
	assert_false(admin_token(token, sizeof token, "", absent, &why));
	assert_non_null(strstr(why.text, absent));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_unix_socket),
	    TEST(test_unix_refusals),
	    TEST(test_loopback),
	    TEST(test_elsewhere_is_refused),
	    TEST(test_token_made_once),
	    TEST(test_token_given),
	    TEST(test_token_of_the_operator),
	    TEST(test_token_empty_is_made_anew),
	    TEST(test_token_for_everyone_is_refused),
	    TEST(test_token_unreadable_is_not_written_over),
	    TEST(test_token_too_long),
	    TEST(test_token_without_a_directory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
