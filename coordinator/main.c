#include "coordinator/base/file.h"
#include "coordinator/cli/client.h"
#include "coordinator/cli/show.h"
#include "coordinator/cli/verbs.h"
#include "coordinator/cli/where.h"
#include "coordinator/config/config.h"
#include "coordinator/daemon.h"
#include "coordinator/fetch_collateral.h"
#include "coordinator/registrar/revocations.h"
#include "coordinator/signing/signer.h"
#include "coordinator/store_verbs.h"
#include "coordinator/verdicts/quote_check.h"
#include "verifier/tools/quote_text.h"

#include <ctype.h>
#include <curl/curl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUOTE_FILE_MAX (4u * 1024 * 1024)

static bool load(struct config *c, const struct cli_call *call)
{
	return where_load(c, call->n_settings, call->settings, &where_service, stderr);
}

/* show: unless --json was given. */
static int get(const struct cli_call *call, const char *path, void (*show)(const json_t *))
{
	static struct config c;
	int code = EXIT_CONFIG;

	if (load(&c, call))
		code = client_get(&c, path, cli_value(call, "json") ? NULL : show);
	config_wipe(&c);
	return code;
}

static int post(const struct cli_call *call, const char *path)
{
	static struct config c;
	int code = EXIT_CONFIG;

	if (load(&c, call))
		code = client_post(&c, path, cli_value(call, "json") != NULL);
	config_wipe(&c);
	return code;
}

static int usage(const struct cli_call *call, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static int usage(const struct cli_call *call, const char *fmt, ...)
{
	va_list ap;

	fputs("proof-coordinator: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "; see proof-coordinator %s --help\n", call->verb->name);
	return CLI_USAGE;
}

/* Also beside mistakes: "... is needed" may be what was misspelt. */
static void print_notes(const struct config *c)
{
	size_t i;

	for (i = 0; i < c->n_notes; i++)
		fprintf(stderr, "config: note: %s: %s\n", c->notes[i].name,
			c->notes[i].sentence.text);
}

static int verb_run(const struct cli_call *call)
{
	static struct config c;
	int code = EXIT_CONFIG;

	if (config_load(&c, call->n_settings, call->settings, true, stderr))
		code = daemon_run(&c);
	else
		print_notes(&c);
	config_wipe(&c);
	return code;
}

static int verb_config(const struct cli_call *call)
{
	static struct config c;
	bool ok = config_load(&c, call->n_settings, call->settings, true, stderr);

	config_print(&c, stdout, cli_value(call, "json") != NULL);
	print_notes(&c);
	config_wipe(&c);
	return ok ? EXIT_SUCCESS : EXIT_CONFIG;
}

static int verb_put_input(const struct cli_call *call)
{
	static struct config c;
	int code = EXIT_CONFIG;
	struct why why;

	if (!client_batch_ok(call->argument[0], call->argument[1], &why))
		return usage(call, "%s", why.text);
	if (load(&c, call))
		code = client_put_input(&c, call->argument[0], call->argument[1], call->argument[2],
					cli_value(call, "json") != NULL);
	config_wipe(&c);
	return code;
}

static int verb_drop_input(const struct cli_call *call)
{
	static struct config c;
	int code = EXIT_CONFIG;
	struct why why;

	if (!client_batch_ok(call->argument[0], call->argument[1], &why))
		return usage(call, "%s", why.text);
	if (load(&c, call))
		code = client_drop_input(&c, call->argument[0], call->argument[1]);
	config_wipe(&c);
	return code;
}

static int verb_status(const struct cli_call *call)
{
	return get(call, "/api/v1/status", show_status);
}

static int verb_cluster(const struct cli_call *call)
{
	return get(call, "/api/v1/cluster", show_cluster);
}

static int verb_provers(const struct cli_call *call)
{
	return get(call, "/api/v1/provers", show_provers);
}

static int verb_tcb_status(const struct cli_call *call)
{
	return get(call, "/api/v1/tcb-status", show_tcb_status);
}

/* A quote in a file: bytes, or text as logs have it. Says what is wrong. */
static bool read_quote(struct buf *quote, const char *path)
{
	struct why why;

	buf_init(quote, QUOTE_FILE_MAX);
	if (file_read(quote, path, &why)) {
		if (!quote->len)
			why_set(&why, "%s is empty", path);
		else if (quote_is_binary(buf_span(quote)) || decode_quote_text(quote))
			return true;
		else
			why_set(&why,
				"\"%s\": no quote in it: neither bytes, hex, base64 nor a log",
				path);
	}
	buf_free(quote);
	fprintf(stderr, "proof-coordinator: %s\n", why.text);
	return false;
}

/* Asks no daemon. */
static int collateral_fetch(const struct cli_call *call)
{
	static struct config c;
	struct buf quote, bundle;
	struct why why;
	int code = EXIT_CONFIG;

	if (!read_quote(&quote, call->argument[1]))
		return EXIT_FAILURE;
	buf_init(&bundle, QUOTE_FILE_MAX);
	if (load(&c, call)) {
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

static int verb_collateral(const struct cli_call *call)
{
	const char *what = call->n_arguments ? call->argument[0] : "";

	if (!*what)
		return get(call, "/api/v1/collateral", show_collateral);
	if (strcmp(what, "refresh") == 0 && call->n_arguments == 1)
		return post(call, "/api/v1/collateral/refresh");
	if (strcmp(what, "fetch") == 0 && call->n_arguments == 2)
		return collateral_fetch(call);
	if (strcmp(what, "fetch") == 0)
		return usage(call, "collateral %s needs a QUOTE", what);
	if (strcmp(what, "refresh") == 0)
		return usage(call, "collateral refresh takes no \"%.40s\"", call->argument[1]);
	return usage(call, "collateral can be refreshed or fetched, not \"%.40s\"", what);
}

static int verb_promote(const struct cli_call *call)
{
	struct eth_address address;
	char path[128];
	struct why why;

	if (!eth_address_parse(&address, call->argument[0], &why))
		return usage(call, "%s", why.text);
	snprintf(path, sizeof path, "/api/v1/provers/%s/promote", call->argument[0]);
	return post(call, path);
}

/* The URL of what is named: a key, a platform, an image. */
static bool revocation_path(char out[256], const struct cli_call *call, struct why *why)
{
	char name[REVOCATION_TEXT_SIZE];
	struct revocation what;

	if (!revocation_parse(&what, call->argument[0], why))
		return false;
	revocation_print(name, &what);
	snprintf(out, 256, "/api/v1/revocations/%s", name);
	return true;
}

static int verb_revoke(const struct cli_call *call)
{
	char path[256];
	struct why why;

	if (!revocation_path(path, call, &why))
		return usage(call, "%s", why.text);
	return post(call, path);
}

static int verb_unrevoke(const struct cli_call *call)
{
	static struct config c;
	int code = EXIT_CONFIG;
	char path[256];
	struct why why;

	if (!revocation_path(path, call, &why))
		return usage(call, "%s", why.text);
	if (load(&c, call))
		code = client_delete(&c, path);
	config_wipe(&c);
	return code;
}

static int verb_revocations(const struct cli_call *call)
{
	return get(call, "/api/v1/revocations", show_revocations);
}

static int verb_resume(const struct cli_call *call)
{
	return post(call, "/api/v1/sender/resume");
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

static int verb_explain(const struct cli_call *call)
{
	char hash[65], path[128];
	size_t i;

	if (!call->n_arguments)
		return get(call, "/api/v1/verdicts", show_verdicts);
	if (is_hash(call->argument[0]))
		snprintf(hash, sizeof hash, "%s", call->argument[0]);
	else if (!quote_hash(hash, call->argument[0]))
		return EXIT_FAILURE;
	for (i = 0; hash[i]; i++)
		hash[i] = (char)tolower((unsigned char)hash[i]);
	snprintf(path, sizeof path, "/api/v1/verdicts/%s", hash);
	return get(call, path, show_verdict);
}

static int verb_checkpoints(const struct cli_call *call)
{
	static struct config c;
	int code = EXIT_CONFIG;

	if (cli_value(call, "json") && call->n_arguments)
		return usage(call, "checkpoints takes a DIRECTORY or --json, not both");
	if (cli_value(call, "json"))
		return get(call, "/api/v1/checkpoints", NULL);
	if (load(&c, call))
		code = client_checkpoints(&c, call->n_arguments ? call->argument[0] : NULL);
	config_wipe(&c);
	return code;
}

static int verb_metrics(const struct cli_call *call)
{
	return get(call, "/metrics", NULL);
}

static int verb_healthcheck(const struct cli_call *call)
{
	static struct config c;
	int code = EXIT_CONFIG;

	if (load(&c, call))
		code = client_healthcheck(&c);
	config_wipe(&c);
	return code;
}

/* "help" is answered where the command line is read. */
/* Asks no daemon. */
static int verb_store(const struct cli_call *call)
{
	static struct config c;
	int code = EXIT_CONFIG;
	enum store_verb verb;
	bool wants;

	if (!store_verb_of(&verb, call->argument[0]))
		return usage(call,
			     "a store has a status, or can be migrated, imported or exported, "
			     "not \"%.40s\"",
			     call->argument[0]);
	wants = verb == STORE_IMPORT || verb == STORE_EXPORT;
	if (wants != (call->n_arguments == 2))
		return usage(call, "store %s %s", call->argument[0],
			     wants ? "needs a DIR" : "takes no DIR");
	if (cli_value(call, "json") && verb != STORE_STATUS)
		return usage(call, "store %s takes no --json", call->argument[0]);
	if (cli_value(call, "json"))
		verb = STORE_STATUS_JSON;
	if (load(&c, call))
		code = store_verb(&c, verb, wants ? call->argument[1] : NULL);
	config_wipe(&c);
	return code;
}

static int (*const run[VERB_COUNT])(const struct cli_call *call) = {
    [VERB_RUN] = verb_run,
    [VERB_CONFIG] = verb_config,
    [VERB_PUT_INPUT] = verb_put_input,
    [VERB_DROP_INPUT] = verb_drop_input,
    [VERB_STATUS] = verb_status,
    [VERB_CLUSTER] = verb_cluster,
    [VERB_PROVERS] = verb_provers,
    [VERB_EXPLAIN] = verb_explain,
    [VERB_TCB_STATUS] = verb_tcb_status,
    [VERB_COLLATERAL] = verb_collateral,
    [VERB_PROMOTE] = verb_promote,
    [VERB_REVOKE] = verb_revoke,
    [VERB_UNREVOKE] = verb_unrevoke,
    [VERB_REVOCATIONS] = verb_revocations,
    [VERB_RESUME] = verb_resume,
    [VERB_CHECKPOINTS] = verb_checkpoints,
    [VERB_STORE] = verb_store,
    [VERB_METRICS] = verb_metrics,
    [VERB_HEALTHCHECK] = verb_healthcheck,
};

int main(int argc, char **argv)
{
	struct cli_call call;
	int status;

	/* Before anything is begun: it reads nothing but its socket. */
	if (argc > 1 && strcmp(argv[1], SIGNER_VERB) == 0)
		return signer_main();
	if (cli_start(&call, &verbs_program, argc, argv, &status) != CLI_RUN)
		return status;
	curl_global_init(CURL_GLOBAL_DEFAULT);
	status = run[verbs_of(&call)](&call);
	curl_global_cleanup();
	return cli_end(&verbs_program, status);
}
