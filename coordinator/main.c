#include "coordinator/client.h"
#include "coordinator/config.h"
#include "coordinator/daemon.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define USAGE_ERROR 64 /* sysexits.h */

static int verb_run(int argc, char **argv);
static int verb_config(int argc, char **argv);
static int verb_put_input(int argc, char **argv);
static int verb_status(int argc, char **argv);
static int verb_provers(int argc, char **argv);
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
    {"status", verb_status, "[SETTINGS]", "what a running coordinator does and waits for (JSON)"},
    {"provers", verb_provers, "[SETTINGS]", "the prover keys that it knows (JSON)"},
    {"metrics", verb_metrics, "[SETTINGS]", "its numbers (Prometheus text)"},
    {"healthcheck", verb_healthcheck, "[SETTINGS]", "exit 0 if provers are served"},
    {"help", verb_help, "", "this text and every setting"},
};

/* Loads what a verb needs to find the daemon. */
static bool load_for_client(struct config *c, int argc, char **argv)
{
	return config_load(c, argc, argv, false, stderr);
}

static int client_verb(int argc, char **argv, const char *path)
{
	static struct config c;
	int code = EXIT_CONFIG;

	if (load_for_client(&c, argc, argv))
		code = client_get(&c, path);
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

static int verb_status(int argc, char **argv)
{
	return client_verb(argc, argv, "/api/v1/status");
}

static int verb_provers(int argc, char **argv)
{
	return client_verb(argc, argv, "/api/v1/provers");
}

static int verb_metrics(int argc, char **argv)
{
	return client_verb(argc, argv, "/metrics");
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
