#include "coordinator/admin/client.h"
#include "coordinator/admin/show.h"
#include "coordinator/base/file.h"
#include "coordinator/config/config.h"
#include "coordinator/daemon.h"
#include "coordinator/fetch_collateral.h"
#include "coordinator/verdicts/quote_check.h"
#include "verifier/tools/quote_text.h"

#include <ctype.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define USAGE_ERROR    64 /* sysexits.h */
#define QUOTE_FILE_MAX (4u * 1024 * 1024)

static int verb_run(int argc, char **argv);
static int verb_config(int argc, char **argv);
static int verb_put_input(int argc, char **argv);
static int verb_drop_input(int argc, char **argv);
static int verb_status(int argc, char **argv);
static int verb_provers(int argc, char **argv);
static int verb_explain(int argc, char **argv);
static int verb_tcb_status(int argc, char **argv);
static int verb_collateral(int argc, char **argv);
static int verb_promote(int argc, char **argv);
static int verb_revoke(int argc, char **argv);
static int verb_resume(int argc, char **argv);
static int verb_checkpoints(int argc, char **argv);
static int verb_metrics(int argc, char **argv);
static int verb_healthcheck(int argc, char **argv);
static int verb_help(int argc, char **argv);

static const struct verb {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *arguments, *help;
} verbs[] = {
    {"run", verb_run, "[SETTINGS]", "serve provers until SIGTERM"},
    {"config", verb_config, "[--json] [SETTINGS]", "check and print the effective settings"},
    {"put-input", verb_put_input, "BATCH COMMIT_HASH FILE [SETTINGS]",
     "give a running coordinator the input of a batch"},
    {"drop-input", verb_drop_input, "BATCH COMMIT_HASH [SETTINGS]",
     "delete the stored input of a batch; another one may then be put"},
    {"status", verb_status, "[SETTINGS]", "what a running coordinator does and waits for (JSON)"},
    {"provers", verb_provers, "[--json] [SETTINGS]", "the prover keys: who, state, TCB, expiry"},
    {"explain", verb_explain, "QUOTE|HASH [--json] [SETTINGS]",
     "why a quote (a file, or its SHA-256) was refused"},
    {"tcb-status", verb_tcb_status, "[--json] [SETTINGS]",
     "the evidence of each key, and the collateral here and on chain"},
    {"collateral", verb_collateral, "[refresh|fetch QUOTE|--json] [SETTINGS]",
     "what is cached from which source; refresh: fetch it anew; fetch: a quote's, as one file"},
    {"promote", verb_promote, "ADDRESS [SETTINGS]", "register this key next"},
    {"revoke", verb_revoke, "ADDRESS [SETTINGS]", "never register this key again"},
    {"resume", verb_resume, "[SETTINGS]", "send again after a transaction that had no effect"},
    {"checkpoints", verb_checkpoints, "[DIRECTORY] [SETTINGS]",
     "the checkpoint_batch_N of an ethrex upstream that may go; of its data directory, by path"},
    {"metrics", verb_metrics, "[SETTINGS]", "its numbers (Prometheus text)"},
    {"healthcheck", verb_healthcheck, "[SETTINGS]", "exit 0 if provers are served"},
    {"help", verb_help, "", "this text and every setting"},
};

/* Loads what a verb needs to find the daemon. */
static bool load_for_client(struct config *c, int argc, char **argv)
{
	return config_load(c, argc, argv, false, stderr);
}

/* show: unless the first argument is --json. */
static int client_verb(int argc, char **argv, const char *path, void (*show)(const json_t *))
{
	static struct config c;
	const bool json = argc > 0 && strcmp(argv[0], "--json") == 0;
	int code = EXIT_CONFIG;

	if (load_for_client(&c, argc - json, argv + json))
		code = client_get(&c, path, json ? NULL : show);
	config_wipe(&c);
	return code;
}

static int client_post_verb(int argc, char **argv, const char *path)
{
	static struct config c;
	int code = EXIT_CONFIG;

	if (load_for_client(&c, argc, argv))
		code = client_post(&c, path);
	config_wipe(&c);
	return code;
}

static int verb_run(int argc, char **argv)
{
	static struct config c;
	int code = EXIT_CONFIG;

	if (config_load(&c, argc, argv, true, stderr))
		code = daemon_run(&c);
	config_wipe(&c);
	return code;
}

static int verb_config(int argc, char **argv)
{
	static struct config c;
	bool json = argc > 0 && strcmp(argv[0], "--json") == 0, ok;

	ok = config_load(&c, argc - json, argv + json, true, stderr);
	config_print(&c, stdout, json);
	config_wipe(&c);
	return ok ? EXIT_SUCCESS : EXIT_CONFIG;
}

static int verb_put_input(int argc, char **argv)
{
	static struct config c;
	int code = EXIT_CONFIG;

	if (argc < 3) {
		fputs("usage: proof-coordinator put-input BATCH COMMIT_HASH FILE [SETTINGS]\n",
		      stderr);
		return USAGE_ERROR;
	}
	if (load_for_client(&c, argc - 3, argv + 3))
		code = client_put_input(&c, argv[0], argv[1], argv[2]);
	config_wipe(&c);
	return code;
}

static int verb_drop_input(int argc, char **argv)
{
	static struct config c;
	int code = EXIT_CONFIG;

	if (argc < 2) {
		fputs("usage: proof-coordinator drop-input BATCH COMMIT_HASH [SETTINGS]\n", stderr);
		return USAGE_ERROR;
	}
	if (load_for_client(&c, argc - 2, argv + 2))
		code = client_drop_input(&c, argv[0], argv[1]);
	config_wipe(&c);
	return code;
}

static int verb_status(int argc, char **argv)
{
	return client_verb(argc, argv, "/api/v1/status", NULL);
}

static int verb_provers(int argc, char **argv)
{
	return client_verb(argc, argv, "/api/v1/provers", show_provers);
}

static int verb_tcb_status(int argc, char **argv)
{
	return client_verb(argc, argv, "/api/v1/tcb-status", show_tcb_status);
}

/* A quote in a file: bytes, or text as logs have it. Says what is wrong. */
static bool read_quote(struct buf *quote, const char *path)
{
	struct why why;

	buf_init(quote, QUOTE_FILE_MAX);
	if (file_read(quote, path, &why)) {
		if (quote_is_binary(buf_span(quote)) || decode_quote_text(quote))
			return true;
		why_set(&why, "%s: no quote in it: neither bytes, hex, base64 nor a log", path);
	}
	buf_free(quote);
	fprintf(stderr, "proof-coordinator: %s\n", why.text);
	return false;
}

/* Asks no daemon. */
static int collateral_fetch(int argc, char **argv)
{
	static struct config c;
	struct buf quote, bundle;
	struct why why;
	int code = EXIT_CONFIG;

	if (argc < 1) {
		fputs("usage: proof-coordinator collateral fetch QUOTE [SETTINGS]\n", stderr);
		return USAGE_ERROR;
	}
	if (!read_quote(&quote, argv[0]))
		return EXIT_FAILURE;
	buf_init(&bundle, QUOTE_FILE_MAX);
	if (load_for_client(&c, argc - 1, argv + 1)) {
		code = EXIT_FAILURE;
		if (!fetch_collateral(&bundle, &c, buf_span(&quote), &why))
			fprintf(stderr, "proof-coordinator: %s\n", why.text);
		else if (fwrite(bundle.p, 1, bundle.len, stdout) == bundle.len)
			code = EXIT_SUCCESS;
	}
	config_wipe(&c);
	buf_free(&bundle);
	buf_free(&quote);
	return code;
}

static int verb_collateral(int argc, char **argv)
{
	if (argc > 0 && strcmp(argv[0], "fetch") == 0)
		return collateral_fetch(argc - 1, argv + 1);
	if (argc > 0 && strcmp(argv[0], "refresh") == 0)
		return client_post_verb(argc - 1, argv + 1, "/api/v1/collateral/refresh");
	return client_verb(argc, argv, "/api/v1/collateral", show_collateral);
}

static int change_prover(int argc, char **argv, const char *verb)
{
	char path[128];

	if (argc < 1 || strlen(argv[0]) + 1 != ETH_ADDRESS_TEXT_SIZE) {
		fprintf(stderr,
			"usage: proof-coordinator %s ADDRESS [SETTINGS]; the address is 0x and 40 "
			"hex digits\n",
			verb);
		return USAGE_ERROR;
	}
	snprintf(path, sizeof path, "/api/v1/provers/%s/%s", argv[0], verb);
	return client_post_verb(argc - 1, argv + 1, path);
}

static int verb_promote(int argc, char **argv)
{
	return change_prover(argc, argv, "promote");
}

static int verb_revoke(int argc, char **argv)
{
	return change_prover(argc, argv, "revoke");
}

static int verb_resume(int argc, char **argv)
{
	return client_post_verb(argc, argv, "/api/v1/sender/resume");
}

static bool is_hash(const char *text)
{
	const size_t n = strspn(text, "0123456789abcdefABCDEF");

	return n >= 4 && n <= 64 && !text[n];
}

static bool quote_hash(char out[65], const char *path)
{
	struct quote_keys keys;
	struct buf quote;
	struct tdxv_quote q;

	if (!read_quote(&quote, path))
		return false;
	quote_check_keys(&keys, &q, buf_span(&quote));
	hex_encode(out, keys.whole.sha256, 32);
	buf_free(&quote);
	return true;
}

static int verb_explain(int argc, char **argv)
{
	char hash[65], path[128];
	size_t i;

	if (argc < 1) {
		fputs("usage: proof-coordinator explain QUOTE|HASH [--json] [SETTINGS]\n", stderr);
		return USAGE_ERROR;
	}
	if (is_hash(argv[0]))
		snprintf(hash, sizeof hash, "%s", argv[0]);
	else if (!quote_hash(hash, argv[0]))
		return EXIT_FAILURE;
	for (i = 0; hash[i]; i++)
		hash[i] = (char)tolower((unsigned char)hash[i]);
	snprintf(path, sizeof path, "/api/v1/verdicts/%s", hash);
	return client_verb(argc - 1, argv + 1, path, show_verdict);
}

static int verb_checkpoints(int argc, char **argv)
{
	static struct config c;
	const bool named = argc > 0 && strncmp(argv[0], "--", 2) != 0;
	int code = EXIT_CONFIG;

	if (load_for_client(&c, argc - named, argv + named))
		code = client_checkpoints(&c, named ? argv[0] : NULL);
	config_wipe(&c);
	return code;
}

static int verb_metrics(int argc, char **argv)
{
	return client_verb(argc, argv, "/metrics", NULL);
}

static int verb_healthcheck(int argc, char **argv)
{
	static struct config c;
	int code = EXIT_CONFIG;

	if (load_for_client(&c, argc, argv))
		code = client_healthcheck(&c);
	config_wipe(&c);
	return code;
}

static void print_usage(FILE *out)
{
	size_t i;

	fputs("proof-coordinator " VERSION " - hands ethrex L2 batches to provers, keeps their "
	      "proofs,\nregisters TDX keys and gets the batches verified on L1.\n\nusage:\n",
	      out);
	for (i = 0; i < sizeof verbs / sizeof *verbs; i++)
		fprintf(out, "  proof-coordinator %-12s %-36s %s\n", verbs[i].name,
			verbs[i].arguments, verbs[i].help);
	fputs(
	    "\nSETTINGS are environment variables, the same names in a file (--env-file FILE), or\n"
	    "flags. A flag wins over the environment, the environment over the file.\n",
	    out);
}

static int verb_help(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	print_usage(stdout);
	config_help(stdout);
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	size_t i;
	int code;

	if (argc < 2) {
		print_usage(stderr);
		return USAGE_ERROR;
	}
	if (strcmp(argv[1], "--version") == 0) {
		puts("proof-coordinator " VERSION);
		return EXIT_SUCCESS;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return verb_help(0, NULL);
	for (i = 0; i < sizeof verbs / sizeof *verbs; i++) {
		if (strcmp(argv[1], verbs[i].name) != 0)
			continue;
		curl_global_init(CURL_GLOBAL_DEFAULT);
		code = verbs[i].run(argc - 2, argv + 2);
		curl_global_cleanup();
		return code;
	}
	fprintf(stderr, "proof-coordinator: \"%s\" is not a verb; see proof-coordinator help\n",
		argv[1]);
	return USAGE_ERROR;
}
