/* Where a verb looks for the daemon. */
#include "coordinator/cli/where.h"
#include "tests/unit/coordinator/cli/write_private.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/where.XXXXXX", was[1024], file[64], data[64];
static struct where_service service;
static struct config c;

static int begin(void **state)
{
	(void)state;
	strcpy(dir + strlen(dir) - 6, "XXXXXX");
	if (!mkdtemp(dir) || !getcwd(was, sizeof was) || chdir(dir))
		return -1;
	snprintf(file, sizeof file, "%s/service.env", dir);
	snprintf(data, sizeof data, "%s/service", dir);
	service = (struct where_service){file, data};
	unsetenv("ETHREX_PROOF_COORDINATOR_DATA_DIR");
	unsetenv("ETHREX_PROOF_COORDINATOR_ADMIN_LISTEN");
	return 0;
}

static int end(void **state)
{
	char command[128];

	(void)state;
	config_wipe(&c);
	snprintf(command, sizeof command, "rm -rf %s", dir);
	return chdir(was) || system(command);
}

static void load(const char *flag)
{
	char word[128];
	char *argv[] = {word, NULL};

	snprintf(word, sizeof word, "%s", flag ? flag : "");
	assert_true(where_load(&c, flag ? 1 : 0, argv, &service, stderr));
}

static void test_nobody_anywhere(void **state)
{
	(void)state;
	load(NULL);
	assert_true(c.place_by_default);
	assert_string_equal(c.admin_listen, "unix:proof-coordinator-data/admin.sock");
}

static void test_the_service(void **state)
{
	char wanted[128];

	(void)state;
	assert_int_equal(mkdir(data, 0700), 0);
	load(NULL);
	assert_false(c.place_by_default);
	snprintf(wanted, sizeof wanted, "unix:%s/admin.sock", data);
	assert_string_equal(c.admin_listen, wanted);
	/* Its file says more, but not where its data are: the unit does. Keys are not read. */
	write_private(file, "ETHREX_PROOF_COORDINATOR_ADMIN_LISTEN=127.0.0.1:3902\n"
			    "ETHREX_PROOF_COORDINATOR_DATA_DIR=/elsewhere\n"
			    "ETHREX_PROOF_COORDINATOR_L1_PRIVATE_KEY_FILE=/nonexistent/l1.key\n");
	load(NULL);
	assert_string_equal(c.admin_listen, "127.0.0.1:3902");
	assert_string_equal(c.data_dir, data);
	/* Who says something else is believed. */
	load("--proof-coordinator.data-dir=x");
	assert_string_equal(c.admin_listen, "unix:x/admin.sock");
	setenv("ETHREX_PROOF_COORDINATOR_ADMIN_LISTEN", "127.0.0.1:1", 1);
	load(NULL);
	assert_string_equal(c.admin_listen, "127.0.0.1:1");
}

static void test_one_here_comes_first(void **state)
{
	(void)state;
	assert_int_equal(mkdir(data, 0700), 0);
	assert_int_equal(mkdir("proof-coordinator-data", 0700), 0);
	write_private("proof-coordinator-data/admin.sock", "");
	load(NULL);
	assert_string_equal(c.admin_listen, "unix:proof-coordinator-data/admin.sock");
}

static void test_a_file_that_is_given(void **state)
{
	char flag[128];

	(void)state;
	assert_int_equal(mkdir(data, 0700), 0);
	write_private("mine.env", "ETHREX_PROOF_COORDINATOR_LISTEN_PORT=1\n");
	snprintf(flag, sizeof flag, "--env-file=%s/mine.env", dir);
	load(flag);
	assert_string_equal(c.admin_listen, "unix:proof-coordinator-data/admin.sock");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_nobody_anywhere),
	    TEST(test_the_service),
	    TEST(test_one_here_comes_first),
	    TEST(test_a_file_that_is_given),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
