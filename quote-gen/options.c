#include "quote-gen/options.h"

#include "cli/units.h"
#include "cli/version.h"
#include "quote-gen/executor.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { TEXT, NUMBER };

static const struct option {
	const char *flag, *env;
	enum kind kind;
	size_t at, size; /* size of a TEXT field */
	uint64_t min, max;
	const char *fallback, *help;
} table[] = {
#define TEXT_AT(field)                                                                             \
	TEXT, offsetof(struct options, field), sizeof((struct options *)0)->field, 0, 0
#define NUMBER_AT(field) NUMBER, offsetof(struct options, field), 0
    {"--executor", "QUOTE_GEN_EXECUTOR", TEXT_AT(executor), "",
     "program that executes a batch: input JSON on stdin, program output on stdout; by "
     "default " EXECUTOR_NAME
     " beside this program or on PATH; \"none\" executes NOTHING and is for the "
     "devnet only"},
    {"--commit-hash", "VERGEN_GIT_SHA", TEXT_AT(commit_hash), "52e4b64",
     "git hash of the guest program that the executor runs"},
    {"--interval", "QUOTE_GEN_INTERVAL", NUMBER_AT(interval_ms), 1, 3600000, "5000",
     "ms between two requests, and before a retry"},
    {"--key-ask-interval", "QUOTE_GEN_KEY_ASK_INTERVAL", NUMBER_AT(key_ask_ms), 10, 86400000,
     "300000", "ms between two questions whether our key is still known"},
    {"--register-again-interval", "QUOTE_GEN_REGISTER_AGAIN_INTERVAL", NUMBER_AT(register_again_ms),
     10, 86400000, "600000",
     "ms between two registrations of a key that is not known any more, at least"},
    {"--batches", "QUOTE_GEN_BATCHES", NUMBER_AT(batches), 0, UINT64_MAX, "0",
     "stop after so many batches (0: never)"},
    {"--input-max", "QUOTE_GEN_INPUT_MAX", NUMBER_AT(input_max), 1024, 1ull << 40, "1073741824",
     "bytes of a batch input at most"},
    {"--output-max", "QUOTE_GEN_OUTPUT_MAX", NUMBER_AT(output_max), 256, 1ull << 30, "1048576",
     "bytes of a program output at most"},
    {"--executor-timeout", "QUOTE_GEN_EXECUTOR_TIMEOUT", NUMBER_AT(executor_timeout_ms), 100,
     86400000, "3600000", "ms that the executor may take"},
    {"--executor-memory", "QUOTE_GEN_EXECUTOR_MEMORY", NUMBER_AT(executor_memory), 1 << 20,
     1ull << 40, "8589934592", "bytes of address space that the executor may take"},
    {"--connect-timeout", "QUOTE_GEN_CONNECT_TIMEOUT", NUMBER_AT(connect_timeout_ms), 100, 3600000,
     "10000", "ms to connect to the coordinator"},
    {"--io-timeout", "QUOTE_GEN_IO_TIMEOUT", NUMBER_AT(io_timeout_ms), 100, 3600000, "60000",
     "ms without a byte from the coordinator before giving up"},
    {"--setup-timeout", "QUOTE_GEN_SETUP_TIMEOUT", NUMBER_AT(setup_timeout_ms), 100, 86400000,
     "900000", "ms to wait for the registration on L1"},
    {"--tls-server-key", "QUOTE_GEN_TLS_SERVER_KEY", TEXT_AT(tls_server_keys), "",
     "speak TLS, with a coordinator that has this key: SHA-256 of its SubjectPublicKeyInfo in hex"},
    {"--tls-ca", "QUOTE_GEN_TLS_CA", TEXT_AT(tls_ca), "",
     "speak TLS, with a coordinator whose certificate is for HOST and signed by an authority in "
     "this PEM file"},
    {"--tls-identity", "QUOTE_GEN_TLS_IDENTITY", TEXT_AT(tls_identity), OPTIONS_NONE,
     "who we are: a PEM file with certificate and private key; \"attested\": a fresh key, which "
     "the quote names; \"none\""},
    {"--tsm-report-dir", "QUOTE_GEN_TSM_REPORT_DIR", TEXT_AT(reports), QUOTE_REPORTS,
     "where quotes come from: the kernel's configfs-tsm; a devnet without TDX names the "
     "directory of its stand-in"},
    {"--without-quote", "QUOTE_GEN_WITHOUT_QUOTE", TEXT_AT(without_quote), OPTIONS_REGISTER,
     "where the kernel gives no quote: \"register\" the bare address, which only a verifier in "
     "development mode takes; \"wait\" and ask the kernel again"},
};
#define TABLE_SIZE (sizeof table / sizeof *table)

/* Those that are more than text or a number. */
static const struct cli_option special[] = {
    {"coordinator", "HOST:PORT", "ETHREX_PROOF_COORDINATOR_URL", NULL,
     "where the coordinator listens (default: 172.17.0.1:3900, or localhost:3900 when "
     "ETHREX_TDX_DEV_MODE is set)",
     false},
    {"prover-type", "TDX|Exec", "QUOTE_GEN_PROVER_TYPE", "TDX",
     "Exec: no key and no quote, for a contract that requires no proofs", false},
};
#define SPECIAL_SIZE (sizeof special / sizeof *special)

static bool flag_at(struct cli_option *out, size_t i)
{
	const struct option *row;

	if (i < SPECIAL_SIZE) {
		*out = special[i];
		return true;
	}
	if (i - SPECIAL_SIZE >= TABLE_SIZE)
		return false;
	row = &table[i - SPECIAL_SIZE];
	*out =
	    (struct cli_option){row->flag + 2, "VALUE", row->env, row->fallback, row->help, false};
	return true;
}

static bool flag_of(struct cli_option *out, const char *flag, size_t n)
{
	size_t i;

	for (i = 0; flag_at(out, i); i++)
		if (strlen(out->flag) == n && memcmp(out->flag, flag, n) == 0)
			return true;
	return false;
}

static const struct cli_verb only = {.arguments = "", .settings = true};
static const struct cli_exit exits[] = {
    {0, "the batches that were asked for are proven, or SIGTERM came"},
    {1, "no key could be made, or TLS cannot be set up"},
    {CLI_USAGE, "the command line, or a setting, makes no sense"},
};

static const struct cli_program program = {
    .name = "quote-gen",
    .version = program_version,
    .summary = "the TDX prover of an ethrex L2",
    .about = "It makes a key, has it quoted by the TDX module, registers it with the proof "
	     "coordinator,\nthen proves batch after batch. A flag wins over the environment.",
    .verbs = &only,
    .n_verbs = 1,
    .setting_at = flag_at,
    .setting_of = flag_of,
    .exits = exits,
    .n_exits = sizeof exits / sizeof *exits,
    .see_also = "proof-coordinator(1), tdx-quote(1)",
};

static bool set_row(struct options *o, const struct option *row, const char *value, struct why *why)
{
	const struct unit_number number = {unit_of_help(row->help), row->min, row->max,
					   strtoull(row->fallback, NULL, 10)};
	char *at = (char *)o + row->at;
	struct why doubt;
	uint64_t n;

	if (row->kind == TEXT) {
		if (strlen(value) < row->size) {
			strcpy(at, value);
			return true;
		}
		why_set(why, "%s: \"%.40s...\" is longer than %zu characters", row->flag, value,
			row->size - 1);
		return false;
	}
	if (!unit_read(&n, &number, value, why)) {
		why_wrap(why, "%s", row->flag);
		return false;
	}
	memcpy(at, &n, sizeof n);
	if (unit_suspect(&number, n, &doubt))
		snprintf(o->doubt, sizeof o->doubt, "%s: %s", row->flag, doubt.text);
	return true;
}

static bool set_coordinator(struct options *o, const char *value, struct why *why)
{
	const char *text = strncmp(value, "tcp://", 6) == 0 ? value + 6 : value;
	const char *colon = strrchr(text, ':');
	size_t n = colon ? (size_t)(colon - text) : 0;
	const unsigned long port = colon ? strtoul(colon + 1, NULL, 10) : 0;

	if (!colon || n == 0 || n >= sizeof o->host || strcspn(text, "/@ ") < n ||
	    strlen(colon + 1) > 5 || strspn(colon + 1, "0123456789") != strlen(colon + 1) ||
	    port > 65535 || port == 0) {
		why_set(why, "--coordinator: \"%.80s\" is not HOST:PORT", value);
		return false;
	}
	if (text[0] == '[' && text[n - 1] == ']') { /* [IPv6]:port */
		text++;
		n -= 2;
	}
	memcpy(o->host, text, n);
	o->host[n] = '\0';
	strcpy(o->port, colon + 1);
	return true;
}

static bool set_prover_type(struct options *o, const char *value, struct why *why)
{
	if (prover_type_parse(&o->prover_type, value, strlen(value)) &&
	    (o->prover_type == PROVER_TDX || o->prover_type == PROVER_EXEC))
		return true;
	why_set(why, "--prover-type: \"%.40s\" is neither TDX nor Exec", value);
	return false;
}

static bool set_named(struct options *o, const char *flag, const char *value, struct why *why)
{
	size_t i;

	if (strcmp(flag, "--coordinator") == 0)
		return set_coordinator(o, value, why);
	if (strcmp(flag, "--prover-type") == 0)
		return set_prover_type(o, value, why);
	for (i = 0; i < TABLE_SIZE; i++)
		if (strcmp(flag, table[i].flag) == 0)
			return set_row(o, &table[i], value, why);
	why_set(why, "\"%.60s\" is not a flag (see --help)", flag);
	return false;
}

static bool set_from_environment(struct options *o, struct why *why)
{
	const char *value;
	size_t i;

	/* As ethrex's: any value counts, even "false". */
	if (!set_coordinator(
		o, getenv("ETHREX_TDX_DEV_MODE") ? "localhost:3900" : "172.17.0.1:3900", why))
		return false;
	value = getenv("ETHREX_PROOF_COORDINATOR_URL");
	if (value && *value && !set_coordinator(o, value, why))
		return false;
	o->prover_type = PROVER_TDX;
	value = getenv("QUOTE_GEN_PROVER_TYPE");
	if (value && *value && !set_prover_type(o, value, why))
		return false;
	for (i = 0; i < TABLE_SIZE; i++) {
		value = getenv(table[i].env);
		if (!set_row(o, &table[i], value && *value ? value : table[i].fallback, why))
			return false;
	}
	return true;
}

bool options_tls(const struct options *o)
{
	return o->tls_server_keys[0] || o->tls_ca[0];
}

/* What no flag shows by itself. */
static bool check_together(const struct options *o, struct why *why)
{
	if (strcmp(o->without_quote, OPTIONS_REGISTER) != 0 &&
	    strcmp(o->without_quote, OPTIONS_WAIT) != 0) {
		why_set(why,
			"--without-quote: \"%s\" is neither " OPTIONS_REGISTER " nor " OPTIONS_WAIT,
			o->without_quote);
		return false;
	}
	if (!options_tls(o) && strcmp(o->tls_identity, OPTIONS_NONE) != 0) {
		why_set(why, "--tls-identity needs TLS: give --tls-server-key or --tls-ca");
		return false;
	}
	if (strcmp(o->tls_identity, OPTIONS_ATTESTED) == 0 && o->prover_type != PROVER_TDX) {
		why_set(why,
			"--tls-identity " OPTIONS_ATTESTED
			" needs a quote, which --prover-type %s does without",
			prover_type_name(o->prover_type));
		return false;
	}
	return true;
}

/* The flags as they were typed, their values inlined or after them. */
static bool set_flags(struct options *o, const struct cli_call *call, struct why *why)
{
	char flag[64];
	int i;

	for (i = 0; i < call->n_settings; i++) {
		const char *word = call->settings[i], *eq = strchr(word, '=');
		const char *value = eq ? eq + 1 : call->settings[++i];

		snprintf(flag, sizeof flag, "%.*s", (int)(eq ? (size_t)(eq - word) : strlen(word)),
			 word);
		if (!set_named(o, flag, value, why))
			return false;
	}
	return true;
}

enum options_rc options_read(struct options *o, int argc, char **argv, struct why *why)
{
	struct cli_call call;

	memset(o, 0, sizeof *o);
	switch (cli_read(&call, &program, argc, argv, stdout, why)) {
	case CLI_DONE: return OPTIONS_EXIT;
	case CLI_WRONG: return OPTIONS_WRONG;
	case CLI_RUN: break;
	}
	if (!set_from_environment(o, why) || !set_flags(o, &call, why))
		return OPTIONS_WRONG;
	if (!check_together(o, why))
		return OPTIONS_WRONG;
	if (!o->executor[0] && o->prover_type == PROVER_TDX &&
	    !executor_find(o->executor, sizeof o->executor)) {
		why_set(why, "--executor is needed: " EXECUTOR_NAME
			     ", which executes batches, is neither beside this program nor on PATH "
			     "(for a devnet without it: --executor " OPTIONS_NONE ")");
		return OPTIONS_WRONG;
	}
	return OPTIONS_RUN;
}
