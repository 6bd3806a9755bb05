/* Whatever `run` would refuse is refused when the settings are read, and no secret is ever shown.
 */
#include <dlfcn.h>
#include <netdb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>

#include <cmocka.h>

#include "coordinator/config/config_table.h"
#include "coordinator/config/retired.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define KEY     "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318"
#define ADDRESS "0x2c7536e3605d9c16a7a3d7b1898e529396a65c23"
#define P       "ETHREX_PROOF_COORDINATOR_"

static unsigned looked_up;
static atomic_bool let_go, ended;

/* The program's own symbol comes before the C library's. No DNS is asked: without one it would say
 * of any name that it may be there later. */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
		struct addrinfo **out)
{
	int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

	int i;

	looked_up++;
	if (strcmp(node, "silent.test") == 0 && !(hints->ai_flags & AI_NUMERICHOST)) {
		for (i = 0; i < 3000 && !let_go; i++)
			usleep(10000);
		ended = true;
		return EAI_AGAIN;
	}
	if (strcmp(node, "not-yet.test") == 0)
		return EAI_AGAIN;
	if (strcmp(node, "no-such-host.invalid") == 0)
		return EAI_NONAME;
	*(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
	return real(node, service, hints, out);
}

static struct config c;
static char *said; /* mistakes, then all settings as `config` prints them, twice */
static char dir[] = "/tmp/test_check.XXXXXX", path[128];

static bool load(int argc, char **argv)
{
	size_t n;
	FILE *f;
	bool ok;

	free(said);
	said = NULL;
	f = open_memstream(&said, &n);
	ok = config_load(&c, argc, argv, true, f);
	config_print(&c, f, false);
	config_print(&c, f, true);
	fclose(f);
	return ok;
}

static int begin_group(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int end_group(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof command, "rm -rf %s", dir);
	return system(command);
}

static int begin(void **state)
{
	char name[128];
	size_t i;

	(void)state;
	for (i = 0; i < config_rows_count; i++) {
		if (!config_rows[i].name)
			continue;
		unsetenv(config_rows[i].name);
		snprintf(name, sizeof name, "%s_FILE", config_rows[i].name);
		unsetenv(name);
	}
	setenv("ETHREX_ETH_RPC_URL", "http://127.0.0.1:8545", 1);
	setenv("ETHREX_COMMITTER_ON_CHAIN_PROPOSER_ADDRESS", ADDRESS, 1);
	setenv(P "L1_PRIVATE_KEY", KEY, 1);
	snprintf(path, sizeof path, "%s/data", dir);
	setenv(P "DATA_DIR", path, 1);
	snprintf(path, sizeof path, "%s/file", dir);
	return 0;
}

static int end(void **state)
{
	(void)state;
	config_wipe(&c);
	unlink(path);
	return 0;
}

static void write_file(const char *text, mode_t mode)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(chmod(path, mode), 0);
}

static void expect_said(const char *words)
{
	if (!strstr(said, words))
		fail_msg("\"%s\" is not in: %s", words, said);
}

static void expect_unsaid(const char *words)
{
	if (strstr(said, words))
		fail_msg("\"%s\" is in: %s", words, said);
}

static void refused(const char *name, const char *value, const char *words)
{
	setenv(name, value, 1);
	if (load(0, NULL))
		fail_msg("%s=%s passes", name, value);
	expect_said(name);
	expect_said(words);
	unsetenv(name);
}

static void accepted(const char *name, const char *value)
{
	setenv(name, value, 1);
	if (!load(0, NULL))
		fail_msg("%s=%s: %s", name, value, said);
	unsetenv(name);
}

/* ---- where it listens ---- */

static void test_listeners(void **state)
{
	static const char *const elsewhere[] = {"0.0.0.0:3902", "10.0.0.1:3902", "8.8.8.8:1",
						"[::]:3902", "[fe80::1]:3902"};
	static const char *const malformed[] = {
	    "::1:3902",     "[127.0.0.1]:1", "[::1]",
	    "[::1]3902",    "localhost",     "127.0.0.1",
	    "127.0.0.1:",   "127.0.0.1:x",   "127.0.0.1:70000",
	    "127.0.0.1:-1", "example.org:1", "127.1:80",
	    ":3902",        "127.0.0.1:+1",  "http://127.0.0.1:1"};
	static const char *const addresses[] = {"localhost", "[::1]", "127.0.0.1:80", "0.0.0.0.0",
						"eth0"};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++)
		refused(P "ADMIN_LISTEN", elsewhere[i], "must be on loopback");
	for (i = 0; i < sizeof malformed / sizeof *malformed; i++)
		refused(P "ADMIN_LISTEN", malformed[i],
			"none of unix:PATH, 127.x.x.x:PORT and [::1]:PORT");
	refused(P "ADMIN_LISTEN", "unix:", "is empty");
	for (i = 0; i < sizeof addresses / sizeof *addresses; i++)
		refused(P "LISTEN_ADDRESS", addresses[i], "not a numeric IPv4 or IPv6 address");
	accepted(P "LISTEN_ADDRESS", "::1");
	accepted(P "ADMIN_LISTEN", "localhost:3902");
	accepted(P "ADMIN_LISTEN", "[::1]:3902");
	accepted(P "ADMIN_LISTEN", "127.3.2.1:3900");
	refused(P "ADMIN_LISTEN", "127.0.0.1:3900", "are the same");
	setenv(P "LISTEN_ADDRESS", "0.0.0.0", 1);
	refused(P "ADMIN_LISTEN", "127.3.2.1:3900", "are the same");
	setenv(P "LISTEN_PORT", "0", 1);
	accepted(P "ADMIN_LISTEN", "127.3.2.1:0");
}

static void test_sockets(void **state)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	char text[256];
	int fd;

	(void)state;
	refused(P "ADMIN_LISTEN", "unix:/nonexistent/admin.sock", "\"/nonexistent\"");
	snprintf(text, sizeof text, "unix:/%0120d", 0);
	refused(P "ADMIN_LISTEN", text, "longer than 107");
	/* The one in the data directory: of 107 characters, and of one more. */
	for (fd = 107; fd <= 108; fd++) {
		snprintf(text, sizeof text, "%s/%0*d", dir,
			 fd - (int)strlen(dir) - (int)strlen("//admin.sock"), 0);
		setenv(P "DATA_DIR", text, 1);
		assert_true(load(0, NULL) == (fd == 107));
	}
	expect_said(text);
	expect_said("/admin.sock is longer than the 107 characters of a Unix socket's path");
	begin(state);
	/* It would be unlinked. */
	write_file("precious", 0600);
	snprintf(text, sizeof text, "unix:%s", path);
	refused(P "ADMIN_LISTEN", text, "is no socket");
	unlink(path);
	accepted(P "ADMIN_LISTEN", text);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	strcpy(at.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
	accepted(P "ADMIN_LISTEN", text);
	close(fd);
}

/* ---- files and directories ---- */

static void test_files(void **state)
{
	(void)state;
	refused(P "POLICY_FILE", "/nonexistent/policy.json", "cannot read");
	refused(P "POLICY_FILE", dir, dir);
	write_file("{\"no such rule\": 1}", 0644);
	refused(P "POLICY_FILE", path, "an unknown member of the policy");
	refused(P "DCAP_ROOT_FILE", path, path);
	refused(P "COLLATERAL_CA_FILE", path, "no certificate");
	write_file("", 0644);
	refused(P "POLICY_FILE", path, "POLICY_FILE");
	refused(P "DCAP_ROOT_FILE", path, "is empty");
	write_file("-----BEGIN CERTIFICATE-----\n", 0644);
	accepted(P "COLLATERAL_CA_FILE", path);
}

static void test_data_directory(void **state)
{
	char inner[160];

	(void)state;
	refused(P "DATA_DIR", "/nonexistent/data", "\"/nonexistent\": No such file");
	write_file("", 0600);
	refused(P "DATA_DIR", path, "is not a directory");
	snprintf(inner, sizeof inner, "%s/data", path);
	refused(P "DATA_DIR", inner, "Not a directory");
	if (geteuid() != 0) {
		snprintf(inner, sizeof inner, "%s/locked", dir);
		assert_int_equal(mkdir(inner, 0500), 0);
		refused(P "DATA_DIR", inner, "cannot write to the directory");
	} else {
		refused(P "DATA_DIR", "/proc/self/data", "cannot write to the directory");
	}
	/* The token that is there, where none is given. */
	snprintf(inner, sizeof inner, "%s/kept", dir);
	assert_int_equal(mkdir(inner, 0700), 0);
	snprintf(path, sizeof path, "%s/kept/admin.token", dir);
	write_file("token", 0604);
	refused(P "DATA_DIR", inner, "chmod 0600");
	setenv(P "ADMIN_TOKEN", "sesame", 1);
	accepted(P "DATA_DIR", inner);
}

/* ---- secrets in the wrong place ---- */

static void test_a_key_in_any_other_setting(void **state)
{
	static const char *const forms[] = {KEY, "0x" KEY, " 0x" KEY " ", "\"" KEY "\""};
	size_t i, j;

	(void)state;
	for (i = 0; i < config_rows_count; i++) {
		const struct config_row *r = &config_rows[i];
		const char *was;

		if (!r->name || config_row_is_secret(r) || r->type == TYPE_HASHES)
			continue;
		was = getenv(r->name);
		was = was ? strdup(was) : NULL;
		for (j = 0; j < sizeof forms / sizeof *forms; j++) {
			refused(r->name, forms[j], "private key");
			expect_unsaid(KEY);
		}
		if (was)
			setenv(r->name, was, 1);
		free((char *)was);
	}
}

/* SHA-256 of a public key looks like a private one, and is none. */
static void test_hashes_are_no_keys(void **state)
{
	(void)state;
	accepted(P "TLS_CLIENT_KEYS", KEY);
	expect_said(P "TLS_CLIENT_KEYS=" KEY "\n");
}

static void test_a_secret_instead_of_its_file(void **state)
{
	static const char *const tokens[] = {"sesame", "c2VzYW1l/3NlYW1l==", "/sesame", "a.b.c",
					     "/c2VzYW1lc2VzYW1lc2VzYW1lc2VzYW1lc2VzYW1l/x"};
	size_t i;

	(void)state;
	unsetenv(P "L1_PRIVATE_KEY");
	refused(P "L1_PRIVATE_KEY_FILE", "0x" KEY, "is it the secret itself?");
	expect_unsaid(KEY);
	for (i = 0; i < sizeof tokens / sizeof *tokens; i++) {
		refused(P "ADMIN_TOKEN_FILE", tokens[i], "is it the secret itself?");
		expect_unsaid(tokens[i]);
	}
	/* What is clearly a path is named. */
	refused(P "L1_PRIVATE_KEY_FILE", "/tmp/no-such.key", "\"/tmp/no-such.key\": No such file");
	refused(P "L1_PRIVATE_KEY_FILE", "/nonexistent/l1.key", "\"/nonexistent/l1.key\"");
}

static void test_a_key_in_flags(void **state)
{
	char positional[] = "0x" KEY, unknown[] = "--l1-private-key=0x" KEY,
	     two[] = "--proof-coordinator.port", env_file[] = "--env-file=0x" KEY,
	     retired[] = "--proof-coordinator.store-queue=" KEY;
	char *argv[] = {positional, unknown, two, positional, env_file, retired};

	(void)state;
	assert_false(load(6, argv));
	expect_unsaid(KEY);
	expect_said("looks like a private key");
	expect_said("--l1-private-key is not a flag");
}

static void test_secrets_in_urls(void **state)
{
	static const char *const settings[][2] = {
	    {P "COLLATERAL_SOURCES", "https://user:hunter2@pcs.example/"},
	    {P "COLLATERAL_SOURCES", "dir:/x, pccs+https://hunter2@pccs.example:8081/a"},
	    {P "COLLATERAL_SOURCES", "https://pcs.example/?subscription-key=hunter2"},
	    {P "COLLATERAL_ROOT_CRL_URL", "https://u:hunter2@crl.example/root.der"},
	    {P "COLLATERAL_ROOT_CRL_URL", "https://crl.example/root.der?key=hunter2"},
	    {P "COLLATERAL_ROOT_CRL_URL", "https://crl.example/root.der#hunter2"},
	    {P "DATA_DIR", "https://u:hunter2@data.example/"},
	    {P "LISTEN_PORT", "https://u:hunter2@data.example/"},
	    {P "REGISTER_ROUTE", "https://u:hunter2@data.example/"},
	    {P "ADMIN_LISTEN", "https://u:hunter2@data.example/"},
	    {P "POLICY_FILE", "https://u:hunter2@data.example/"},
	    {P "TLS_LISTEN", "https://u:hunter2@data.example/"},
	    {P "RPC_MAX_IN_FLIGHT", "https://u:hunter2@data.example/"},
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof settings / sizeof *settings; i++) {
		refused(settings[i][0], settings[i][1], settings[i][0]);
		expect_unsaid("hunter2");
	}
	/* What passes may have one in its path. */
	accepted(P "COLLATERAL_SOURCES", "pccs+https://pccs.example:8081/hunter2,dir:/var/lib/x");
	expect_unsaid("hunter2");
	expect_said("COLLATERAL_SOURCES=pccs+https://pccs.example:8081,dir:/var/lib/x\n");
	accepted(P "COLLATERAL_ROOT_CRL_URL", "https://crl.example/hunter2.der");
	expect_unsaid("hunter2");
	accepted("ETHREX_ETH_RPC_URL", "https://u:hunter2@l1.example/hunter2?k=hunter2");
	expect_unsaid("hunter2");
	/* The defaults are shown whole. */
	begin(state);
	assert_true(load(0, NULL));
	expect_said("trustedservices.intel.com/IntelSGXRootCA.der\n");
}

static void test_an_upstream(void **state)
{
	static const char *const malformed[] = {
	    "127.0.0.1:3901",   "http://127.0.0.1:3901", "tcp://127.0.0.1",
	    "tcp://127.0.0.1:", "tcp://127.0.0.1:0",     "tcp://127.0.0.1:70000",
	    "tcp://:3901",      "tcp://a/b:3901",        "tcp://::1:3901",
	    "tcp://[::1:3901",  "tcp://127.0.0.1:+1",    "tcp://127.0.0.1:3901/"};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof malformed / sizeof *malformed; i++)
		refused(P "UPSTREAM", malformed[i], "is not tcp://HOST:PORT");
	refused(P "UPSTREAM", malformed[i - 1], "\"tcp://127.0.0.1:3901/\" is not"); /* as given */
	refused(P "UPSTREAM", "tcp://u:hunter2@127.0.0.1:3901", "is not tcp://HOST:PORT");
	expect_unsaid("hunter2");
	refused(P "UPSTREAM", "tcp://no-such-host.invalid:3901", "cannot be resolved");
	refused(P "UPSTREAM", "tcp://127.0.0.1:3900", "where this coordinator listens itself");
	refused(P "UPSTREAM", "tcp://localhost:3900", "where this coordinator listens itself");
	accepted(P "UPSTREAM", "tcp://127.0.0.1:3901");
	assert_string_equal(c.upstream_host, "127.0.0.1");
	assert_int_equal(c.upstream_port, 3901);
	expect_said("UPSTREAM=tcp://127.0.0.1:3901\n");
	accepted(P "UPSTREAM", "tcp://[::1]:3900"); /* another address than ours */
	assert_string_equal(c.upstream_host, "::1");
	accepted(P "UPSTREAM", "tcp://localhost:3901");
	refused(P "SUBMIT", "upstream", "UPSTREAM is not set");
	refused(P "SUBMIT", "both", "UPSTREAM is not set");
	refused(P "SUBMIT", "L1", "is not l1, upstream or both");
	accepted(P "SUBMIT", "l1");
	assert_true(c.submit_l1 && !c.submit_upstream);
	setenv(P "UPSTREAM", "tcp://127.0.0.1:3901", 1);
	accepted(P "SUBMIT", "both");
	assert_true(c.submit_l1 && c.submit_upstream);
	/* Who sends no verifyBatches needs no key for it. */
	unsetenv(P "L1_PRIVATE_KEY");
	accepted(P "SUBMIT", "upstream");
	assert_true(!c.submit_l1 && c.submit_upstream);
	refused(P "SUBMIT", "both", "L1_PRIVATE_KEY_FILE is needed");
}

/* Whoever answers for names is not there yet: no mistake, and a service is not to stay down. */
static void test_a_name_that_cannot_be_resolved_now(void **state)
{
	(void)state;
	accepted(P "UPSTREAM", "tcp://not-yet.test:3901");
	assert_int_equal(c.n_notes, 1);
	assert_true(c.notes[0].suspect);
	assert_non_null(
	    strstr(c.notes[0].sentence.text, "the name \"not-yet.test\" cannot be resolved now: "));
	assert_string_equal(c.upstream_host, "not-yet.test");
}

/* DNS is silent: a start waits for it for a while, and says so. */
static void test_a_name_that_nobody_answers_for(void **state)
{
	(void)state;
	accepted(P "UPSTREAM", "tcp://silent.test:3901");
	assert_false(ended);
	assert_int_equal(c.n_notes, 1);
	assert_non_null(
	    strstr(c.notes[0].sentence.text,
		   "the name \"silent.test\" cannot be resolved now: no answer in time"));
	let_go = true;
	while (!ended)
		usleep(1000);
	usleep(100000); /* its thread ends */
}

/* The daemon's loop would wait for as long as DNS does; and what is as it was is no mistake now. */
static void test_a_reload_looks_no_name_up(void **state)
{
	static struct config again;
	unsigned before;
	FILE *f = fopen("/dev/null", "w");

	(void)state;
	assert_non_null(f);
	accepted(P "UPSTREAM", "tcp://not-yet.test:3901");
	before = looked_up;
	setenv(P "UPSTREAM", "tcp://no-such-host.invalid:3901", 1);
	assert_true(config_load_again(&again, &c, 0, NULL, f));
	assert_int_equal(looked_up, before);
	unsetenv(P "UPSTREAM");
	config_wipe(&again);
	fclose(f);
}

static void test_rpc_urls(void **state)
{
	static const struct {
		const char *url, *says;
	} bad[] = {{"http://", "has no host, or a port that is none"},
		   {"https://:8545", "has no host, or a port that is none"},
		   {"http://127.0.0.1:port", "has no host, or a port that is none"},
		   {"http://127.0.0.1:99999", "has no host, or a port that is none"},
		   {"127.0.0.1:8545", "neither http:// nor https://"},
		   {"ws://127.0.0.1:8546", "ws://127.0.0.1:8546 is neither http:// nor https://"}};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof bad / sizeof *bad; i++)
		refused("ETHREX_ETH_RPC_URL", bad[i].url, bad[i].says);
	accepted("ETHREX_ETH_RPC_URL", "HTTP://127.0.0.1:8545");
}

/* It is one node, whose word alone deletes nothing. */
static void test_a_node_that_is_named_twice(void **state)
{
	(void)state;
	accepted("ETHREX_ETH_RPC_URL",
		 "http://127.0.0.1:1/k,http://127.0.0.1:2,http://127.0.0.1:1/k");
	assert_int_equal(c.n_rpc_urls, 2);
	assert_string_equal(c.rpc_urls[1], "http://127.0.0.1:2");
	assert_int_equal(c.n_notes, 1);
	assert_string_equal(c.notes[0].sentence.text,
			    "http://127.0.0.1:1 is given twice: it is one node, and counts once");
}

static void test_a_remote_signers_url(void **state)
{
	(void)state;
	unsetenv(P "L1_PRIVATE_KEY");
	setenv(P "REMOTE_SIGNER_PUBLIC_KEY",
	       "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798", 1);
	accepted(P "REMOTE_SIGNER_URL", "http://127.0.0.1:9000/base/");
	refused(P "REMOTE_SIGNER_URL", "http://", "has no host, or a port that is none");
	refused(P "REMOTE_SIGNER_URL", "http://h:port", "has no host, or a port that is none");
	refused(P "REMOTE_SIGNER_URL", "ws://h:9000", "\"ws://h:9000\" is neither http://");
	refused(P "REMOTE_SIGNER_URL", "http://h:9000?x", "has a query");
	unsetenv(P "REMOTE_SIGNER_PUBLIC_KEY");
}

/* ---- the environment file ---- */

static bool load_file(const char *text, mode_t mode)
{
	char flag[160], *argv[] = {flag};

	write_file(text, mode);
	snprintf(flag, sizeof flag, "--env-file=%s", path);
	return load(1, argv);
}

static void test_env_file_forms(void **state)
{
	(void)state;
	/* What editors of Windows leave behind. */
	assert_true(load_file("\xef\xbb\xbf" P "LISTEN_PORT=1234\r\n" P "MAX_BATCHES=\"55\"\r\n\r\n"
			      "# a comment\r\n" P "MAX_INPUTS='66'\r\n",
			      0644));
	assert_int_equal(c.listen_port, 1234);
	assert_int_equal(c.max_batches, 55);
	assert_int_equal(c.max_inputs, 66);
	assert_true(load_file("  export\t" P "LISTEN_PORT = 1235 \n" P "MAX_BATCHES= \" 56\"",
			      0644) == false);
	expect_said("MAX_BATCHES: \" 56\" is not a whole number");
	assert_int_equal(c.listen_port, 1235);
	assert_false(load_file("A=1\n" P "DATA_DIR=\"/tmp\nB=2\n", 0644));
	expect_said("file:2: the quote before the value of " P "DATA_DIR is not closed");
	assert_false(load_file(P "DATA_DIR='/tmp\"\n", 0644));
	expect_said("is not closed");
	assert_false(load_file("A=1\n0x" KEY "\n", 0644));
	expect_said("file:2: there is no '='");
	expect_unsaid(KEY);
	assert_false(load_file(P "COLOUR=0x" KEY "\n", 0644));
	expect_unsaid(KEY);
}

static void test_env_file_in_utf16(void **state)
{
	char flag[160], *argv[] = {flag};
	FILE *f = fopen(path, "w");

	(void)state;
	assert_int_equal(fwrite("\xff\xfe"
				"A\0=\0"
				"1\0",
				1, 8, f),
			 8);
	fclose(f);
	snprintf(flag, sizeof flag, "--env-file=%s", path);
	assert_false(load(1, argv));
	expect_said("it must be UTF-8");
}

static void test_env_file_that_all_may_read(void **state)
{
	(void)state;
	unsetenv(P "L1_PRIVATE_KEY");
	assert_false(load_file(P "L1_PRIVATE_KEY=0x" KEY "\n", 0644));
	expect_said("holds " P "L1_PRIVATE_KEY, and everyone may read it: chmod 0600");
	expect_unsaid(KEY);
	assert_true(load_file(P "L1_PRIVATE_KEY=0x" KEY "\n", 0640));
	setenv(P "L1_PRIVATE_KEY", KEY, 1);
	assert_false(load_file(P "ADMIN_TOKEN='sesame'\n", 0604));
	expect_unsaid("sesame");
	/* Without a secret in it everybody may. */
	assert_true(load_file(P "ADMIN_TOKEN=\n" P "LISTEN_PORT=1\n", 0644));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

/* ---- a store that several coordinators share ---- */

#define STORE P "STORE"
#define LOCAL "postgres://coordinator@127.0.0.1/proofs"

static void test_the_store(void **state)
{
	(void)state;
	assert_true(load(0, NULL));
	assert_string_equal(c.store_url, "");
	assert_string_equal(c.store_conninfo, "");
	setenv(STORE "_PASSWORD", "hunter2", 1);
	assert_false(load(0, NULL));
	expect_said(STORE "_PASSWORD is given, and no " STORE);
	setenv(STORE, LOCAL, 1);
	assert_true(load(0, NULL));
	assert_string_equal(c.store_url, LOCAL);
	assert_string_equal(c.store_conninfo, LOCAL "?sslmode=prefer");
	assert_string_equal(c.store_password, "hunter2");
	assert_int_equal(c.n_notes, 0);
	expect_said(STORE "=" LOCAL "?sslmode=prefer\n");
	expect_said(STORE "_PASSWORD=(set, hidden)\n");
	expect_unsaid("hunter2");
	unsetenv(STORE "_PASSWORD");
	write_file("sesame\n", 0600);
	setenv(STORE "_PASSWORD_FILE", path, 1);
	assert_true(load(0, NULL));
	assert_string_equal(c.store_password, "sesame");
	expect_unsaid("sesame");
	write_file("sesame\n", 0644);
	assert_false(load(0, NULL));
	expect_said(STORE "_PASSWORD_FILE: ");
	/* An empty one is how a service says that there is none. */
	unsetenv(STORE);
	write_file("\n", 0600);
	assert_true(load(0, NULL));
	assert_string_equal(c.store_password, "");
}

static void test_a_store_with_a_password_in_it_is_shown_nowhere(void **state)
{
	(void)state;
	refused(STORE, "postgres://a:hunter2@127.0.0.1/p", "there is a password in it");
	expect_said(STORE "=(hidden)\n");
	expect_unsaid("hunter2");
	refused(STORE, "postgres://a@127.0.0.1/p?password=hunter2", "STORE_PASSWORD_FILE");
	expect_unsaid("hunter2");
}

static void test_files_of_the_store(void **state)
{
	char url[400];

	(void)state;
	snprintf(url, sizeof url, "postgres://a@db.example/p?sslrootcert=%s", path);
	refused(STORE, url, "cannot read sslrootcert");
	write_file("-", 0644);
	accepted(STORE, url);
	assert_int_equal(c.n_notes, 0);
	/* libpq would do without it. */
	snprintf(url, sizeof url, "postgres://a@db.example/p?sslcrl=%s", path);
	refused(STORE, url, "has no list of revocations in it");
	snprintf(url, sizeof url, "postgres://a@127.0.0.1/p?sslcert=%s&sslkey=%s", path, path);
	refused(STORE, url, "may be read or written by everyone");
	chmod(path, 0600);
	accepted(STORE, url);
	snprintf(url, sizeof url, "postgres://a@db.example/p?sslrootcert=%s", dir);
	refused(STORE, url, "is not a file");
}

static void test_a_store_without_tls_is_warned_of(void **state)
{
	static const char *const modes[] = {"disable", "allow", "prefer", "require"};
	char url[128];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof modes / sizeof *modes; i++) {
		snprintf(url, sizeof url, "postgres://a@db.example/p?sslmode=%s", modes[i]);
		accepted(STORE, url);
		assert_int_equal(c.n_notes, 1);
		assert_string_equal(c.notes[0].name, STORE);
		assert_non_null(strstr(c.notes[0].sentence.text, modes[i]));
		snprintf(url, sizeof url, "postgres://a@127.0.0.1/p?sslmode=%s", modes[i]);
		accepted(STORE, url);
		assert_int_equal(c.n_notes, 0);
	}
}

static void test_libpq_hears_the_settings_alone(void **state)
{
	(void)state;
	setenv("PGHOSTADDR", "10.0.0.1", 1);
	setenv("PGOPTIONS", "-c fsync=off", 1);
	assert_true(load(0, NULL));
	assert_string_equal(getenv("PGHOSTADDR"), "10.0.0.1");
	accepted(STORE, LOCAL);
	assert_null(getenv("PGHOSTADDR"));
	assert_null(getenv("PGOPTIONS"));
	assert_int_equal(c.n_notes, 1);
	assert_non_null(strstr(c.notes[0].sentence.text, "PGHOSTADDR and what else"));
}

static void test_the_name_among_several(void **state)
{
	static const char *const bad[] = {
	    "a b",      "a/b",  "a:1",
	    "\xc3\xa4", "a\"b", "x012345678901234567890123456789012345678901234567890123456789023"};
	char host[256] = "", wanted[300];
	size_t i;

	(void)state;
	gethostname(host, sizeof host - 1);
	setenv(P "LISTEN_PORT", "4900", 1);
	assert_true(load(0, NULL));
	snprintf(wanted, sizeof wanted, "%.57s-4900", host);
	assert_string_equal(c.instance, wanted);
	expect_said(P "INSTANCE=\n");
	for (i = 0; i < sizeof bad / sizeof *bad; i++)
		refused(P "INSTANCE", bad[i], "is not 1 to 63 letters, digits");
	accepted(P "INSTANCE", "north.1_A-b");
	assert_string_equal(c.instance, "north.1_A-b");
	/* Where none can be made up that is another's as well. */
	setenv(P "LISTEN_PORT", "0", 1);
	assert_true(load(0, NULL));
	setenv(STORE, LOCAL, 1);
	refused(P "LISTEN_PORT", "0", P "INSTANCE is needed");
	setenv(P "LISTEN_PORT", "0", 1);
	accepted(P "INSTANCE", "north");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_listeners),
	    TEST(test_sockets),
	    TEST(test_files),
	    TEST(test_data_directory),
	    TEST(test_a_key_in_any_other_setting),
	    TEST(test_hashes_are_no_keys),
	    TEST(test_a_secret_instead_of_its_file),
	    TEST(test_a_key_in_flags),
	    TEST(test_secrets_in_urls),
	    TEST(test_an_upstream),
	    TEST(test_rpc_urls),
	    TEST(test_a_name_that_cannot_be_resolved_now),
	    TEST(test_a_name_that_nobody_answers_for),
	    TEST(test_a_reload_looks_no_name_up),
	    TEST(test_a_node_that_is_named_twice),
	    TEST(test_a_remote_signers_url),
	    TEST(test_env_file_forms),
	    TEST(test_env_file_in_utf16),
	    TEST(test_env_file_that_all_may_read),
	    TEST(test_the_store),
	    TEST(test_a_store_with_a_password_in_it_is_shown_nowhere),
	    TEST(test_files_of_the_store),
	    TEST(test_a_store_without_tls_is_warned_of),
	    TEST(test_libpq_hears_the_settings_alone),
	    TEST(test_the_name_among_several),
	};
	int failed = cmocka_run_group_tests(tests, begin_group, end_group);

	free(said);
	return failed;
}
