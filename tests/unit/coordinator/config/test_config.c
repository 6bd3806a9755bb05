/* Settings: precedence, every mistake at once, secrets never shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "coordinator/base/file.h"
#include "coordinator/config/config_table.h"
#include "coordinator/config/internal.h"
#include "coordinator/config/retired.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318"
/* The same key in a keystore that cast made, with the password "sesame open". */
#define KEYSTORE                                                                                   \
	"{\"crypto\":{\"cipher\":\"aes-128-ctr\",\"cipherparams\":{\"iv\":\"40f7d863115b54"        \
	"54522a49ed9b0acbd4\"},\"ciphertext\":\"e0e3bf23b738ac080357d2233cada15d9d9"               \
	"b46cc7012e2b1fe975cdb25fb76d2\",\"kdf\":\"scrypt\",\"kdfparams\":{\"dklen\":32,"          \
	"\"n\":8192,\"p\":1,\"r\":8,\"salt\":\"5f5f8c0cc2a0f82a70bed9c00f23e84e6651d4e38"          \
	"6b0beaf48270cbfe5981289\"},\"mac\":\"0e109c9781b64b43bf4ba7cc6b7cd3e359c87"               \
	"2d6e0eb0d000d02d55d11b2b6e1\"},\"id\":\"394b37f4-024a-4a63-b8ee-7249df199b"               \
	"2b\",\"version\":3}"
#define ADDRESS "0x2c7536e3605d9c16a7a3d7b1898e529396a65c23"

static struct config c;
static char *errors;
static size_t errors_size;

static bool load(bool need_chain, int argc, char **argv)
{
	FILE *f;
	bool ok;

	free(errors);
	errors = NULL;
	f = open_memstream(&errors, &errors_size);
	ok = config_load(&c, argc, argv, need_chain, f);
	fclose(f);
	return ok;
}

static int set_minimum(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < config_rows_count; i++)
		if (config_rows[i].name)
			unsetenv(config_rows[i].name);
	for (i = 0; config_retired_at(i); i++)
		unsetenv(config_retired_env(config_retired_at(i)));
	setenv("ETHREX_ETH_RPC_URL",
	       "http://user:pass@127.0.0.1:8545/secret-path,https://b.example", 1);
	setenv("ETHREX_COMMITTER_ON_CHAIN_PROPOSER_ADDRESS", ADDRESS, 1);
	setenv("ETHREX_PROOF_COORDINATOR_L1_PRIVATE_KEY", KEY, 1);
	return 0;
}

static int forget(void **state)
{
	(void)state;
	config_wipe(&c);
	return 0;
}

static void test_defaults_are_ethrex_s(void **state)
{
	(void)state;
	assert_true(load(true, 0, NULL));
	assert_string_equal(c.listen_address, "127.0.0.1");
	assert_int_equal(c.listen_port, 3900);
	assert_int_equal(c.send_interval_ms, 5000);
	assert_int_equal(c.prover_timeout_ms, 600000);
	assert_int_equal(c.max_fee_per_gas, 10000000000);
	assert_int_equal(c.min_retry_delay_s, 96);
	assert_int_equal(c.max_retry_delay_s, 1800);
	assert_int_equal(c.n_rpc_urls, 2);
	assert_string_equal(c.admin_listen, "unix:proof-coordinator-data/admin.sock");
	assert_false(c.tdx_dev_mode);
}

static void test_every_default_is_in_its_range(void **state)
{
	size_t i;

	(void)state;
	assert_true(load(true, 0, NULL));
	for (i = 0; i < config_rows_count; i++) {
		const struct config_row *r = &config_rows[i];
		uint64_t v;

		if (!r->name || r->type != TYPE_U64)
			continue;
		memcpy(&v, (char *)&c + r->at, sizeof v);
		assert_true(v >= r->min && v <= r->max);
		assert_non_null(r->help);
	}
}

static void test_flag_wins_over_environment_over_file(void **state)
{
	char path[] = "/tmp/config-test-XXXXXX", env_file[64],
	     port[] = "--proof-coordinator.port=3";
	char *argv[] = {env_file, port};
	int fd = mkstemp(path);
	const char *text = "# a comment\nETHREX_PROOF_COORDINATOR_LISTEN_PORT=1\n"
			   "export ETHREX_PROOF_COORDINATOR_SEND_INTERVAL='777'\n";

	(void)state;
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	snprintf(env_file, sizeof env_file, "--env-file=%s", path);
	assert_true(load(true, 1, argv));
	assert_int_equal(c.listen_port, 1);
	assert_int_equal(c.send_interval_ms, 777);
	setenv("ETHREX_PROOF_COORDINATOR_LISTEN_PORT", "2", 1);
	assert_true(load(true, 1, argv));
	assert_int_equal(c.listen_port, 2);
	assert_true(load(true, 2, argv));
	assert_int_equal(c.listen_port, 3);
	unlink(path);
}

static void test_older_name(void **state)
{
	(void)state;
	setenv("PROOF_COORDINATOR_ADDRESS", "0.0.0.0", 1);
	assert_true(load(true, 0, NULL));
	assert_string_equal(c.listen_address, "0.0.0.0");
	unsetenv("PROOF_COORDINATOR_ADDRESS");
}

static void test_all_mistakes_at_once(void **state)
{
	char bad_flag[] = "--no-such-flag=1";
	char *argv[] = {bad_flag};

	(void)state;
	setenv("ETHREX_PROOF_COORDINATOR_LISTEN_PORT", "70000", 1);
	setenv("ETHREX_PROOF_COORDINATOR_SEND_INTERVAL", "5s", 1);
	setenv("ETHREX_TDX_DEV_MODE", "maybe", 1);
	setenv("ETHREX_PROOF_COORDINATOR_LISTEN_PROT", "1", 1);
	setenv("ETHREX_ETH_RPC_URL", "ftp://x", 1);
	setenv("ETHREX_ALIGNED_MODE", "true", 1);
	setenv("ETHREX_PROOF_COORDINATOR_COMMIT_HASH_PATTERN", "(", 1);
	assert_false(load(true, 1, argv));
	assert_non_null(strstr(errors, "LISTEN_PORT: 70000 is not between 0 and 65535"));
	assert_non_null(strstr(errors, "SEND_INTERVAL: \"5s\" is not a whole number"));
	assert_non_null(strstr(errors, "ETHREX_TDX_DEV_MODE: \"maybe\" is neither true nor false"));
	assert_non_null(strstr(errors, "LISTEN_PROT is not a setting of this program (is "
				       "ETHREX_PROOF_COORDINATOR_LISTEN_PORT meant?)"));
	assert_non_null(strstr(errors, "neither http:// nor https://"));
	assert_non_null(strstr(errors, "ETHREX_ALIGNED_MODE"));
	assert_non_null(strstr(errors, "regular expression"));
	assert_non_null(strstr(errors, "--no-such-flag"));
	unsetenv("ETHREX_PROOF_COORDINATOR_LISTEN_PROT");
}

static unsigned lines_of_errors(void)
{
	const char *p;
	unsigned n = 0;

	for (p = errors; (p = strchr(p, '\n')); p++)
		n++;
	return n;
}

/* A value that makes none is said once: nothing is deduced from it. And in one line. */
static void test_one_mistake_is_one_line(void **state)
{
	static const struct {
		const char *name, *value, *words;
	} cases[] = {
	    {"ETHREX_MAX_RETRY_DELAY", "often", "\"often\" is not a whole number of seconds"},
	    {"ETHREX_COMMITTER_ON_CHAIN_PROPOSER_ADDRESS", "0x12", "is not an address"},
	    {"ETHREX_COMMITTER_ON_CHAIN_PROPOSER_ADDRESS",
	     "0x0000000000000000000000000000000000000000",
	     "is the zero address, where no contract"},
	    {"ETHREX_TIMELOCK_ADDRESS", "0x0000000000000000000000000000000000000000",
	     "leave it empty where there is none"},
	    {"ETHREX_ETH_RPC_URL", "http://h:99999", "has no host, or a port that is none"},
	    {"ETHREX_ETH_RPC_URL", "https://", "has no host, or a port that is none"},
	    {"ETHREX_PROOF_COORDINATOR_COLLATERAL_SOURCES", "pccs.example.org",
	     "is not a URL (not shown: it may hold a key), which is https://HOST[:PORT][/PATH]"},
	    {"ETHREX_PROOF_COORDINATOR_COLLATERAL_SOURCES", "pccs://h",
	     "\"pccs://h\" is neither http:// nor https://"},
	    {"ETHREX_PROOF_COORDINATOR_LISTEN_ADDRESS", "localhost", "address (write 127.0.0.1)"},
	    {"ETHREX_PROOF_COORDINATOR_LISTEN_ADDRESS", "0.0.0.0:3900", "(its port has a setting"},
	    {"ETHREX_PROOF_COORDINATOR_LISTEN_ADDRESS", "[::]", "(write it without brackets"},
	    {"ETHREX_PROOF_COORDINATOR_POLICY_FILE", "/etc/passwd",
	     "\"/etc/passwd\": policy, byte 0"},
	    {"ETHREX_ETH_RPC_URL", "http://127.0.0.1:1,localhost:8545",
	     "its URL 2 (not shown: it may hold a key) is neither http:// nor https://"},
	    {"ETHREX_PROOF_COORDINATOR_ADMIN_TOKEN", "two words", "ADMIN_TOKEN has a space"},
	    {"ETHREX_PROOF_COORDINATOR_L1_PRIVATE_KEY", "0x12", "not a secp256k1 private key"},
	    {"ETHREX_PROOF_COORDINATOR_LISTEN_PORT", "5\n6\x1b[1m", "\"5?6?[1m\" is not"},
	    {"ETHREX_PROOF_COORDINATOR_LISTEN_PORT", "99999999999999999999",
	     "99999999999999999999 is not between 0 and 65535"},
	};
	char was[256];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof cases / sizeof *cases; i++) {
		const char *old = getenv(cases[i].name);

		snprintf(was, sizeof was, "%s", old ? old : "");
		setenv(cases[i].name, cases[i].value, 1);
		assert_false(load(true, 0, NULL));
		assert_non_null(strstr(errors, cases[i].words));
		assert_int_equal(lines_of_errors(), 1);
		if (*was)
			setenv(cases[i].name, was, 1);
		else
			unsetenv(cases[i].name);
	}
}

static const char *note_of(const char *name)
{
	size_t i;

	for (i = 0; i < c.n_notes; i++)
		if (strcmp(c.notes[i].name, name) == 0)
			return c.notes[i].sentence.text;
	return "";
}

static void test_what_does_nothing_is_noted(void **state)
{
	(void)state;
	setenv("ETHREX_TIMELOCK_ADRESS", "0x12", 1);
	setenv("ETHREX_NO_MONITOR", "true", 1);
	setenv("ETHREX_PROOF_COORDINATOR_METRICS_PORT", "9000", 1);
	setenv("ETHREX_PROOF_COORDINATOR_TLS_KEY_FILE", "/nowhere", 1);
	assert_true(load(true, 0, NULL));
	assert_string_equal(
	    note_of("ETHREX_TIMELOCK_ADDRESS"),
	    "ETHREX_TIMELOCK_ADRESS is set, and nothing here reads that: is this name meant?");
	assert_string_equal(note_of("ETHREX_PROOF_COORDINATOR_METRICS_PORT"),
			    "it does nothing without ETHREX_PROOF_COORDINATOR_METRICS_ADDRESS");
	assert_string_equal(note_of("ETHREX_PROOF_COORDINATOR_TLS_KEY_FILE"),
			    "it does nothing without ETHREX_PROOF_COORDINATOR_TLS_LISTEN");
	assert_int_equal(c.n_notes, 3);
	unsetenv("ETHREX_TIMELOCK_ADRESS");
	unsetenv("ETHREX_NO_MONITOR");
	unsetenv("ETHREX_PROOF_COORDINATOR_METRICS_PORT");
	unsetenv("ETHREX_PROOF_COORDINATOR_TLS_KEY_FILE");
}

static void test_collateral_settings(void **state)
{
	(void)state;
	assert_true(load(true, 0, NULL));
	assert_string_equal(c.collateral_sources, "https://api.trustedservices.intel.com");
	assert_false(c.collateral_early);
	assert_int_equal(c.collateral_max_stale_s, 0);
	setenv("ETHREX_PROOF_COORDINATOR_COLLATERAL_SOURCES",
	       "pccs+https://pccs.example:8081,dir:/var/lib/collateral", 1);
	setenv("ETHREX_PROOF_COORDINATOR_COLLATERAL_UPDATE", "early", 1);
	assert_true(load(true, 0, NULL));
	assert_true(c.collateral_early);
	setenv("ETHREX_PROOF_COORDINATOR_COLLATERAL_SOURCES", "http://pccs.example", 1);
	setenv("ETHREX_PROOF_COORDINATOR_COLLATERAL_ROOT_CRL_URL", "ftp://127.0.0.1/x", 1);
	setenv("ETHREX_PROOF_COORDINATOR_COLLATERAL_UPDATE", "late", 1);
	setenv("ETHREX_PROOF_COORDINATOR_COLLATERAL_CA_FILE", "/nonexistent/ca.pem", 1);
	setenv("ETHREX_PROOF_COORDINATOR_DCAP_ROOT_FILE", "/nonexistent/root.pem", 1);
	assert_false(load(true, 0, NULL));
	assert_non_null(strstr(errors, "COLLATERAL_SOURCES: \"http://pccs.example:80\" is plain "
				       "http and not on this host"));
	assert_non_null(strstr(errors, "COLLATERAL_ROOT_CRL_URL: "));
	assert_non_null(strstr(errors, "COLLATERAL_UPDATE: \"late\" is not standard or early"));
	assert_non_null(strstr(errors, "COLLATERAL_CA_FILE: cannot read \"/nonexistent/ca.pem\""));
	assert_non_null(strstr(errors, "DCAP_ROOT_FILE: cannot read \"/nonexistent/root.pem\""));
}

static void test_a_bad_key_is_not_quoted(void **state)
{
	(void)state;
	setenv("ETHREX_PROOF_COORDINATOR_L1_PRIVATE_KEY", "abcdef0123456789not-a-key", 1);
	assert_false(load(true, 0, NULL));
	assert_non_null(strstr(errors, "ETHREX_PROOF_COORDINATOR_L1_PRIVATE_KEY: not a secp256k1"));
	assert_null(strstr(errors, "abcdef0123456789"));
}

/* What it is instead is said, without a part of it. */
static void test_what_a_bad_key_is(void **state)
{
	static const struct {
		const char *value, *words;
	} cases[] = {
	    {"0x1234", "(32 bytes in hex): it has 4 hex digits\n"},
	    {"0xCf7Ed3AccA5a467e9e704C703E8D87F634fB0Fc9",
	     "it has 40 hex digits, as an address has"},
	    {"{\"crypto\":{},\"version\":3}", "is given as ETHREX_PROOF_COORDINATOR_KEYSTORE_FILE"},
	    {"-----BEGIN EC PRIVATE KEY-----\nAAA\n", "it is PEM"},
	    {"test test test test test test test test test test test junk",
	     "of a mnemonic the key of one account is wanted"},
	    {"0000000000000000000000000000000000000000000000000000000000000000",
	     "its number is 0, or not below the curve's order"},
	    {"0xfffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	     "65 hex digits"},
	    {"hello", "character 1 of 5 is no hex digit"},
	    {"0x12zz", "character 5 of 6 is no hex digit"},
	};
	static const char name[] = "ETHREX_PROOF_COORDINATOR_L1_PRIVATE_KEY";
	char was[256], path[] = "/tmp/test_config_key_XXXXXX";
	const char *old = getenv(name);
	size_t i;
	int fd;

	(void)state;
	snprintf(was, sizeof was, "%s", old ? old : "");
	for (i = 0; i < sizeof cases / sizeof *cases; i++) {
		setenv(name, cases[i].value, 1);
		assert_false(load(true, 0, NULL));
		if (!strstr(errors, cases[i].words))
			fail_msg("\"%s\" is not in: %s", cases[i].words, errors);
		assert_null(strstr(errors, "junk"));
	}
	/* Whose fault it is: the file's. */
	unsetenv(name);
	fd = mkstemp(path);
	assert_true(fd >= 0 && write(fd, "0x1234\n", 7) == 7);
	close(fd);
	setenv("ETHREX_PROOF_COORDINATOR_L1_PRIVATE_KEY_FILE", path, 1);
	assert_false(load(true, 0, NULL));
	assert_non_null(strstr(errors, "L1_PRIVATE_KEY_FILE: not a secp256k1 private key"));
	unsetenv("ETHREX_PROOF_COORDINATOR_L1_PRIVATE_KEY_FILE");
	unlink(path);
	setenv(name, was, 1);
}

static void test_key_file_that_all_may_read(void **state)
{
	char path[] = "/tmp/config-key-XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	assert_int_equal(write(fd, KEY "\n", 65), 65);
	close(fd);
	unsetenv("ETHREX_PROOF_COORDINATOR_L1_PRIVATE_KEY");
	setenv("ETHREX_PROOF_COORDINATOR_L1_PRIVATE_KEY_FILE", path, 1);
	chmod(path, 0644);
	assert_false(load(true, 0, NULL));
	assert_non_null(strstr(errors, "chmod 0600"));
	chmod(path, 0600);
	assert_true(load(true, 0, NULL));
	assert_true(c.has_l1_key);
	unsetenv("ETHREX_PROOF_COORDINATOR_L1_PRIVATE_KEY_FILE");
	unlink(path);
}

/* As the service has it whose key file is not there. */
static void test_an_empty_key_file_is_no_key(void **state)
{
	char path[] = "/tmp/config-key-XXXXXX", file[] = "/tmp/config-env-XXXXXX", flag[64];
	char *argv[] = {flag};
	const int fd = mkstemp(path), settings = mkstemp(file);

	(void)state;
	assert_int_equal(write(fd, "\n", 1), 1);
	close(fd);
	dprintf(settings, "ETHREX_PROOF_COORDINATOR_TDX_PRIVATE_KEY_FILE=/nonexistent/tdx.key\n");
	close(settings);
	snprintf(flag, sizeof flag, "--env-file=%s", file);
	assert_false(load(true, 1, argv));
	assert_non_null(strstr(errors, "/nonexistent/tdx.key"));
	setenv("ETHREX_PROOF_COORDINATOR_TDX_PRIVATE_KEY_FILE", path, 1);
	assert_true(load(true, 1, argv));
	assert_false(c.has_tdx_key);
	unsetenv("ETHREX_PROOF_COORDINATOR_TDX_PRIVATE_KEY_FILE");
	unsetenv("ETHREX_PROOF_COORDINATOR_L1_PRIVATE_KEY");
	setenv("ETHREX_PROOF_COORDINATOR_L1_PRIVATE_KEY_FILE", path, 1);
	assert_false(load(true, 0, NULL));
	assert_non_null(strstr(errors, "L1_PRIVATE_KEY"));
	unsetenv("ETHREX_PROOF_COORDINATOR_L1_PRIVATE_KEY_FILE");
	unlink(path);
	unlink(file);
}

static void test_printing_masks_secrets(void **state)
{
	char *text = NULL;
	size_t n;
	FILE *f;

	(void)state;
	setenv("ETHREX_PROOF_COORDINATOR_ADMIN_TOKEN", "hush-hush", 1);
	assert_true(load(true, 0, NULL));
	f = open_memstream(&text, &n);
	config_print(&c, f, false);
	config_print(&c, f, true);
	fclose(f);
	assert_null(strstr(text, KEY));
	assert_null(strstr(text, "hush"));
	assert_null(strstr(text, "pass"));
	assert_null(strstr(text, "secret-path"));
	assert_non_null(strstr(text, "http://127.0.0.1:8545,https://b.example"));
	assert_non_null(
	    strstr(text, "(set, hidden) address 0x2c7536E3605D9C16a7a3D7b1898e529396a65c23"));
	free(text);
}

static void test_reload_takes_the_safe_subset(void **state)
{
	static struct config fresh;
	char *text = NULL;
	size_t n;
	FILE *f;

	(void)state;
	assert_true(load(true, 0, NULL));
	fresh = c;
	fresh.max_fee_per_gas = 5;
	fresh.listen_port = 1;
	f = open_memstream(&text, &n);
	assert_int_equal(config_reload(&c, &fresh, f), 1);
	fclose(f);
	assert_int_equal(c.max_fee_per_gas, 5);
	assert_int_equal(c.listen_port, 3900);
	assert_non_null(strstr(text, "LISTEN_PORT differs"));
	free(text);
}

/* ---- names that are no settings any more ---- */

/* The example file of 0.1 with every line uncommented, as an operator may have it. */
static void test_the_settings_of_0_1_still_start(void **state)
{
	char path[512], *line, *save = NULL;
	struct buf text;

	(void)state;
	snprintf(path, sizeof path, "%s/tests/unit/coordinator/config/settings-0.1.env",
		 getenv("SOURCE_DIR"));
	setenv("ETHREX_TIMELOCK_ADDRESS", ADDRESS, 1); /* to be filled in, in that file */
	buf_init(&text, 1 << 18);
	assert_true(file_read(&text, path, NULL) && buf_add(&text, "", 1));
	for (line = strtok_r((char *)text.p, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		char *name = line + (*line == '#'), *eq = strchr(name, '=');

		if (!eq ||
		    strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != (size_t)(eq - name))
			continue;
		*eq = '\0';
		if (!strstr(name, "_FILE") && !getenv(name))
			setenv(name, eq + 1, 1);
	}
	buf_free(&text);
	unsetenv("ETHREX_PROOF_COORDINATOR_COLLATERAL_CA_FILE");
	if (!load(true, 0, NULL))
		fail_msg("%s", errors);
	/* The 12 ceilings and the names that are accepted and ignored, as far as they had a value.
	 */
	assert_true(c.n_notes >= 14);
}

static void test_each_ceiling_is_connected_to_its_sentence(void **state)
{
	static const struct {
		const char *name;
		unsigned long long fixed;
	} ceilings[] = {{"MAX_BUFFERED_BYTES", CONFIG_MAX_BUFFERED_BYTES},
			{"WRITE_TIMEOUT", CONFIG_WRITE_TIMEOUT_MS},
			{"MAX_PROOF_BYTES", CONFIG_MAX_PROOF_BYTES},
			{"STORE_QUEUE", CONFIG_STORE_QUEUE},
			{"STORE_QUEUE_BYTES", CONFIG_STORE_QUEUE_BYTES},
			{"ADMIN_MAX_CONNECTIONS", CONFIG_ADMIN_MAX_CONNECTIONS},
			{"RPC_MAX_IN_FLIGHT", CONFIG_RPC_MAX_IN_FLIGHT},
			{"RPC_MAX_BODY_BYTES", CONFIG_RPC_MAX_BODY_BYTES},
			{"MAX_REFUSALS", CONFIG_MAX_REFUSALS},
			{"MAX_VERDICTS", CONFIG_MAX_VERDICTS},
			{"COLLATERAL_MAX_PIECE_BYTES", CONFIG_COLLATERAL_MAX_PIECE_BYTES},
			{"COLLATERAL_MAX_PLATFORMS", CONFIG_COLLATERAL_MAX_PLATFORMS}};
	char name[128], value[32], said[128];
	size_t i;
	int more;

	(void)state;
	for (i = 0; i < sizeof ceilings / sizeof *ceilings; i++) {
		snprintf(name, sizeof name, "ETHREX_PROOF_COORDINATOR_%s", ceilings[i].name);
		snprintf(said, sizeof said, "is fixed at %llu since 0.2", ceilings[i].fixed);
		for (more = 0; more < 2; more++) {
			snprintf(value, sizeof value, "%llu", ceilings[i].fixed + (unsigned)more);
			setenv(name, value, 1);
			assert_true(load(true, 0, NULL));
			assert_int_equal(c.n_notes, 1);
			assert_string_equal(c.notes[0].name, name);
			assert_string_equal(c.notes[0].sentence.text, said);
			config_wipe(&c);
		}
		snprintf(value, sizeof value, "%llu", ceilings[i].fixed - 1);
		setenv(name, value, 1);
		assert_false(load(true, 0, NULL));
		assert_non_null(strstr(errors, said));
		assert_non_null(strstr(errors, "the stricter"));
		/* Of no matter to a verb that only talks to the daemon. */
		assert_true(load(false, 0, NULL));
		setenv(name, "many", 1);
		assert_false(load(true, 0, NULL));
		assert_non_null(strstr(errors, "\"many\" is not a whole number"));
		unsetenv(name);
	}
}

/* What a name promises, the unit keeps. */
static enum unit unit_of_name(const char *name)
{
	static const struct {
		const char *part;
		enum unit unit;
	} parts[] = {
	    {"TIMEOUT", UNIT_MS},        {"INTERVAL", UNIT_MS},       {"PROVER_SILENCE", UNIT_MS},
	    {"UPSTREAM_POLL", UNIT_MS},  {"UPSTREAM_WAIT", UNIT_MS},  {"DELAY", UNIT_SECONDS},
	    {"RETENTION", UNIT_SECONDS}, {"SKEW", UNIT_SECONDS},      {"EXPIRY", UNIT_SECONDS},
	    {"MARGIN", UNIT_SECONDS},    {"MAX_STALE", UNIT_SECONDS}, {"_BYTES", UNIT_BYTES},
	    {"FUNDS", UNIT_WEI},         {"FEE_PER_GAS", UNIT_WEI},   {"GAS", UNIT_GAS}};
	size_t i;

	for (i = 0; i < sizeof parts / sizeof *parts; i++)
		if (strstr(name, parts[i].part))
			return parts[i].unit;
	return UNIT_NONE;
}

static void test_each_number_has_its_unit(void **state)
{
	char said[256];
	size_t i, with = 0;

	(void)state;
	for (i = 0; i < config_rows_count; i++) {
		const struct config_row *r = &config_rows[i];
		struct unit_number n;
		struct why why;

		if (!r->name || r->type != TYPE_U64)
			continue;
		n = config_number(r);
		if (unit_of_name(r->name) != UNIT_NONE && n.unit != unit_of_name(r->name))
			fail_msg("%s is in %s", r->name, unit_name(n.unit));
		assert_false(unit_suspect(&n, n.fallback, &why));
		with += n.unit != UNIT_NONE;
		setenv(r->name, "30 somethings", 1);
		assert_false(load(true, 0, NULL));
		snprintf(said, sizeof said, "%s: \"30 somethings\" is not a whole number%s%s",
			 r->name, n.unit ? " of " : "", unit_name(n.unit));
		assert_non_null(strstr(errors, said));
		unsetenv(r->name);
	}
	assert_true(with > 20);
}

static void test_a_value_in_another_unit_is_suspected(void **state)
{
	(void)state;
	setenv("ETHREX_MAXIMUM_ALLOWED_MAX_FEE_PER_GAS", "10", 1);
	setenv("ETHREX_PROOF_COORDINATOR_PROVER_TIMEOUT", "1000", 1);
	assert_true(load(true, 0, NULL));
	assert_int_equal(c.n_notes, 2);
	assert_true(c.notes[0].suspect && c.notes[1].suspect);
	assert_string_equal(c.notes[1].name, "ETHREX_MAXIMUM_ALLOWED_MAX_FEE_PER_GAS");
	assert_string_equal(c.notes[1].sentence.text,
			    "it is 10 wei: are 10 gwei meant? then write 10000000000");
	assert_non_null(strstr(c.notes[0].sentence.text, "1000 seconds meant"));
	unsetenv("ETHREX_MAXIMUM_ALLOWED_MAX_FEE_PER_GAS");
	setenv("ETHREX_PROOF_COORDINATOR_PROVER_TIMEOUT", "10m", 1);
	assert_false(load(true, 0, NULL));
	assert_non_null(strstr(errors, "PROVER_TIMEOUT: \"10m\" is not a whole number of "
				       "milliseconds (write 600000)"));
	unsetenv("ETHREX_PROOF_COORDINATOR_PROVER_TIMEOUT");
}

static void test_modes_that_there_are_not(void **state)
{
	char flag[] = "--based", ignored[] = "--eth.backoff-factor", three[] = "3";
	char *argv[] = {flag, ignored, three};

	(void)state;
	setenv("ETHREX_ALIGNED_MODE", "false", 1);
	assert_true(load(true, 0, NULL));
	assert_int_equal(c.n_notes, 0);
	assert_false(load(true, 3, argv));
	assert_non_null(strstr(errors, "ETHREX_BASED: based rollups are not supported"));
	assert_int_equal(c.n_notes, 1);
	assert_non_null(strstr(c.notes[0].sentence.text, "accepted and ignored"));
}

#define P "ETHREX_PROOF_COORDINATOR_"
/* Of the secret KEY, with the 04 in front. */
#define POINT                                                                                      \
	"044e3b81af9c2234cad09d679ce6035ed1392347ce64ce405f5dcd36228a25de6e47fd35c4215d1edf53e6f8" \
	"3de344615ce719bdb0fd878f6ed76f06dd277956de"

static void expect_mistake(const char *words)
{
	assert_false(load(true, 0, NULL));
	if (!strstr(errors, words))
		fail_msg("\"%s\" does not say \"%s\"", errors, words);
	assert_null(strstr(errors, KEY));
}

static void test_one_way_to_the_key(void **state)
{
	char *text = NULL;
	size_t n;
	FILE *f;

	(void)state;
	setenv(P "REMOTE_SIGNER_PUBLIC_KEY", "0x" POINT, 1);
	expect_mistake("there are 2 ways to the key that sends verifyBatches, and one is wanted: " P
		       "L1_PRIVATE_KEY " P "REMOTE_SIGNER_URL");
	setenv(P "KEYSTORE_FILE", "/nowhere/keystore.json", 1);
	expect_mistake("there are 3 ways");
	unsetenv(P "KEYSTORE_FILE");
	unsetenv(P "L1_PRIVATE_KEY");
	expect_mistake("REMOTE_SIGNER_URL and " P "REMOTE_SIGNER_PUBLIC_KEY belong together");
	setenv(P "REMOTE_SIGNER_URL", "ftp://user:hunter2@signer", 1);
	expect_mistake("REMOTE_SIGNER_URL: \"ftp://signer:21\" is neither");
	assert_null(strstr(errors, "hunter2"));
	setenv(P "REMOTE_SIGNER_URL", "http://signer:9000/?k=hunter2", 1);
	expect_mistake("has a query");
	assert_null(strstr(errors, "hunter2"));
	setenv(P "REMOTE_SIGNER_URL", "http://user:hunter2@signer:9000/path", 1);
	setenv(P "REMOTE_SIGNER_PUBLIC_KEY", "0x1234", 1);
	expect_mistake("REMOTE_SIGNER_PUBLIC_KEY: not a public key: 33, 64 or 65 bytes");
	setenv(P "REMOTE_SIGNER_PUBLIC_KEY", POINT, 1);
	assert_true(load(true, 0, NULL));
	assert_true(c.has_verify_from && c.has_register_from);
	f = open_memstream(&text, &n);
	config_print(&c, f, false);
	fclose(f);
	assert_non_null(strstr(text, P "L1_PRIVATE_KEY=(at the remote signer) address "
				       "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23\n"));
	assert_non_null(strstr(text, P "TDX_PRIVATE_KEY=(at the remote signer) address 0x2c"));
	assert_non_null(strstr(text, P "REMOTE_SIGNER_URL=http://signer:9000\n"));
	assert_null(strstr(text, "hunter2"));
	free(text);
	/* A key of its own for registrations, as ethrex has it. */
	setenv(P "TDX_PRIVATE_KEY", KEY, 1);
	assert_true(load(true, 0, NULL));
	assert_true(eth_address_equal(&c.register_from, &c.verify_from));
}

static void write_file(char *path, const char *text)
{
	const int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void test_a_keystore(void **state)
{
	char path[] = "/tmp/test_config.XXXXXX", password[] = "/tmp/test_config.XXXXXX";

	(void)state;
	write_file(path, KEYSTORE);
	write_file(password, "sesame open\n");
	unsetenv(P "L1_PRIVATE_KEY");
	setenv(P "KEYSTORE_PASSWORD", "wrong", 1);
	expect_mistake("KEYSTORE_PASSWORD is given, and no");
	setenv(P "KEYSTORE_FILE", path, 1);
	expect_mistake("KEYSTORE_FILE: the password is wrong");
	unsetenv(P "KEYSTORE_PASSWORD");
	expect_mistake("KEYSTORE_PASSWORD or ..._KEYSTORE_PASSWORD_FILE is needed");
	/* what is wrong with the file is all there is to say */
	setenv(P "KEYSTORE_PASSWORD_FILE", "/nowhere/password", 1);
	expect_mistake("KEYSTORE_PASSWORD_FILE: cannot open \"/nowhere/password\"");
	assert_null(strstr(errors, "is needed"));
	setenv(P "KEYSTORE_PASSWORD_FILE", password, 1);
	assert_true(load(true, 0, NULL));
	assert_true(c.has_verify_from && c.has_register_from && !c.has_l1_key);
	setenv(P "KEYSTORE_FILE", "/nowhere/keystore.json", 1);
	expect_mistake("KEYSTORE_FILE: ");
	assert_non_null(strstr(errors, "/nowhere/keystore.json"));
	unsetenv(P "KEYSTORE_PASSWORD_FILE");
	unlink(path);
	unlink(password);
}

static void test_keys_are_read_once(void **state)
{
	static struct config again;
	static const struct eth_key none;
	FILE *f = fopen("/dev/null", "w");

	(void)state;
	setenv(P "TDX_PRIVATE_KEY", KEY, 1);
	assert_true(load(true, 0, NULL));
	config_forget_keys(&c);
	assert_memory_equal(&c.l1_key, &none, sizeof none);
	assert_memory_equal(&c.tdx_key, &none, sizeof none);
	assert_string_equal(getenv(P "L1_PRIVATE_KEY"), "");
	assert_string_equal(getenv(P "TDX_PRIVATE_KEY"), "");
	/* A reload wants none, and reads none. */
	setenv(P "L1_PRIVATE_KEY", "nonsense", 1);
	assert_true(config_load_again(&again, &c, 0, NULL, f));
	assert_memory_equal(&again.l1_key, &none, sizeof none);
	assert_true(again.has_l1_key && again.has_verify_from && again.has_register_from);
	assert_int_equal(config_reload(&c, &again, f), 0);
	config_wipe(&again);
	fclose(f);
}

#define TLS "ETHREX_PROOF_COORDINATOR_TLS_"

static void test_the_tls_listener(void **state)
{
	static const char *const addresses[] = {
	    "localhost:3901", ":3901",           "127.0.0.1", "127.0.0.1:",     "::1:3901",
	    "[::1]",          "127.0.0.1:65536", "[::1:3901", "127.0.0.1:39o1", "[127.0.0.1]:3901"};
	size_t i;

	(void)state;
	/* Without it the others are of no matter. */
	setenv(TLS "KEY_FILE", "/nowhere/key.pem", 1);
	assert_true(load(true, 0, NULL));
	for (i = 0; i < sizeof addresses / sizeof *addresses; i++) {
		setenv(TLS "LISTEN", addresses[i], 1);
		assert_false(load(true, 0, NULL));
		assert_non_null(strstr(errors, TLS "LISTEN: "));
		assert_non_null(strstr(errors, addresses[i]));
	}
	setenv(TLS "LISTEN", "[::1]:3901", 1);
	assert_false(load(true, 0, NULL));
	assert_string_equal(c.tls_address, "::1");
	assert_int_equal(c.tls_port, 3901);
	assert_non_null(strstr(errors, TLS "CERTIFICATE_FILE is needed"));
	setenv(TLS "LISTEN", "127.0.0.1:3901", 1);
	setenv(TLS "CERTIFICATE_FILE", "/nowhere/certificate.pem", 1);
	setenv(TLS "CLIENT_KEYS", "00ff", 1);
	assert_false(load(true, 0, NULL));
	assert_non_null(strstr(errors, TLS "CLIENT_KEYS: \"00ff\""));
	unsetenv(TLS "CLIENT_KEYS");
	/* What the daemon could not start with is refused here; a verb need not read the key. */
	assert_false(load(true, 0, NULL));
	assert_non_null(strstr(errors, "/nowhere/certificate.pem"));
	assert_true(load(false, 0, NULL));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_minimum, forget)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_defaults_are_ethrex_s),
	    TEST(test_every_default_is_in_its_range),
	    TEST(test_flag_wins_over_environment_over_file),
	    TEST(test_one_mistake_is_one_line),
	    TEST(test_what_does_nothing_is_noted),
	    TEST(test_older_name),
	    TEST(test_all_mistakes_at_once),
	    TEST(test_collateral_settings),
	    TEST(test_a_bad_key_is_not_quoted),
	    TEST(test_what_a_bad_key_is),
	    TEST(test_key_file_that_all_may_read),
	    TEST(test_an_empty_key_file_is_no_key),
	    TEST(test_printing_masks_secrets),
	    TEST(test_the_settings_of_0_1_still_start),
	    TEST(test_each_ceiling_is_connected_to_its_sentence),
	    TEST(test_each_number_has_its_unit),
	    TEST(test_a_value_in_another_unit_is_suspected),
	    TEST(test_modes_that_there_are_not),
	    TEST(test_one_way_to_the_key),
	    TEST(test_a_keystore),
	    TEST(test_keys_are_read_once),
	    TEST(test_the_tls_listener),
	    TEST(test_reload_takes_the_safe_subset),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	free(errors);
	return failed;
}
