#include "verifier/tools/tdx_quote.h"

#include "cli/cli.h"
#include "cli/version.h"

#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FETCHER "proof-coordinator"

#define JSON                                                                                       \
	{                                                                                          \
		"json", NULL, NULL, NULL, "machine-readable output", false                         \
	}
#define COLLATERAL                                                                                 \
	{                                                                                          \
		"collateral", "PATH", NULL, NULL,                                                  \
		    "Intel's collateral: a directory, or one JSON file; see verify --help", false  \
	}
#define TIME                                                                                       \
	{                                                                                          \
		"time", "TIME", NULL, "now",                                                       \
		    "the moment to judge by: 2026-01-31T00:00:00Z or seconds since 1970", false    \
	}
#define ROOT                                                                                       \
	{                                                                                          \
		"root", "PEM", NULL, NULL, "trust this root instead of Intel's (for tests)", false \
	}

static const struct cli_option of_inspect[] = {JSON, {0}};
static const struct cli_option of_verify[] = {
    COLLATERAL,
    {"policy", "FILE", NULL, NULL, "what is accepted (JSON); without: genuine is enough", false},
    TIME,
    ROOT,
    JSON,
    {0}};
static const struct cli_option of_measurements[] = {
    {"solidity", NULL, NULL, NULL, "as constructor arguments of the TDXVerifier", false},
    {"policy-json", NULL, NULL, NULL, "as a policy for verify", false},
    {"name", "NAME", NULL, "image", "what that policy calls the image", false},
    JSON,
    {0}};
static const struct cli_option of_report[] = {
    COLLATERAL,
    {"status", "WORD", NULL, "UpToDate", "the TCB status to write, where nothing is verified",
     false},
    {"layout", "1.0|1.1", NULL, "1.0", "of Automata's contracts", false},
    {"raw", NULL, NULL, NULL, "bytes instead of hex", false},
    {"fmspc", "HEX", NULL, NULL, "for a quote without a PCK certificate", false},
    TIME,
    ROOT,
    JSON,
    {0}};

static const struct cli_option of_measure[] = {
    {"firmware", "FILE", NULL, NULL, "the merged firmware file: MRTD and the first of RTMR0",
     false},
    {"memory", "SIZE", NULL, NULL, "of the machine (2G), for the memory map in RTMR0", false},
    {"from-quote", "QUOTE", NULL, NULL,
     "a TD's quote: MRTD and RTMR0 are learnt from it, what it holds is confirmed", false},
    {"learnt", "FILE", NULL, NULL,
     "measurements.json of an earlier image with the same firmware and machine", false},
    {"accept-unconfirmed", NULL, NULL, NULL, "a policy or arguments of what no quote has shown",
     false},
    {"solidity", NULL, NULL, NULL, "as constructor arguments of the TDXVerifier", false},
    {"policy-json", NULL, NULL, NULL, "as a policy for verify", false},
    {"name", "NAME", NULL, "image", "what that policy calls the image", false},
    {"json", NULL, NULL, NULL, "as measurements.json", false},
    {0}};
static const struct cli_option of_replay[] = {
    {"quote", "QUOTE", NULL, NULL, "a quote that the log should lead to", false},
    {"expect", "FILE", NULL, NULL, "measurements.json, or another event log", false},
    {"tpm", NULL, NULL, NULL, "it is a TPM's log: told as the registers of a TD", false},
    JSON,
    {0}};

#define FORMS                                                                                      \
	"Files are binary, hex, base64, base64url or [4,0,2,...], or a log with a line 'Sending "  \
	"quote\n...'; '-' or none is stdin."

enum { INSPECT, VERIFY, MEASUREMENTS, REPORT, DIFF, MEASURE, REPLAY, FETCH, VERBS };

static const struct cli_verb verbs[VERBS] = {
    [INSPECT] = {"inspect", "[QUOTE|REPORT]", 0, 1, of_inspect, false,
		 "every field of a quote or report", FORMS},
    [VERIFY] =
	{"verify", "[QUOTE]", 0, 1, of_verify, false,
	 "every check, and the verdict: 0 accepted, 1 refused, 2 not judged",
	 FORMS
	 "\nPATH is a directory with tcb_info.json, qe_identity.json, tcb_signing_chain.pem,\n"
	 "pck_crl.{der,pem,hex}, pck_crl_issuer_chain.pem, root_ca_crl.{der,pem,hex} and, if "
	 "it\ndiffers from the TCB signing chain, qe_identity_signing_chain.pem; or one JSON "
	 "file of\nstrings with those names without their endings (CRLs as PEM or hex).\n"
	 "Without a policy, or with one that names no image, measurements are not compared."},
    [MEASUREMENTS] = {"measurements", "[QUOTE|REPORT]", 0, 1, of_measurements, false,
		      "MRTD and RTMRs by name", FORMS},
    [REPORT] = {"report", "[QUOTE]", 0, 1, of_report, false,
		"the bytes that verifyAndAttestOnChain returns",
		FORMS "\nWith --collateral the quote is verified first, without it nothing is."},
    [DIFF] = {"diff", "QUOTE|REPORT QUOTE|REPORT", 2, 2, of_inspect, false,
	      "which measurement changed, and what usually causes it: 0 equal, 1 different", FORMS},
    [MEASURE] = {"measure", "IMAGE", 1, 1, of_measure, false,
		 "what MRTD and RTMR0..2 of a TD that boots this disk will be, and why",
		 "IMAGE boots a unified kernel image with systemd-stub 252 to 255 from its EFI\n"
		 "system partition. What no quote has shown is marked UNCONFIRMED."},
    [REPLAY] = {"replay", "[EVENTLOG]", 0, 1, of_replay, false,
		"the RTMRs that a CCEL event log leads to, and the first event that differs",
		"EVENTLOG is /sys/firmware/acpi/tables/data/CCEL of the TD."},
    [FETCH] = {"collateral", "fetch QUOTE [SETTINGS]", 2, 2, NULL, false,
	       "collateral for verify, by proof-coordinator, from its sources or cache",
	       "What it prints is one file for verify --collateral. SETTINGS are "
	       "proof-coordinator's."},
};

static const struct cli_exit exits[] = {
    {EXIT_ACCEPTED, "accepted; of diff and replay: equal"},
    {EXIT_REFUSED, "refused; of diff and replay: different"},
    {EXIT_TROUBLE, "nothing could be judged: what was to be read cannot be"},
    {CLI_USAGE, "the command line makes no sense"},
};

static const struct cli_program program = {
    .name = "tdx-quote",
    .version = program_version,
    .summary = "looks into TDX quotes and judges them, offline",
    .about = "It asks nobody and keeps nothing: a quote, Intel's collateral, a policy and a time "
	     "go in,\na verdict with every check comes out.",
    .verbs = verbs,
    .n_verbs = VERBS,
    .exits = exits,
    .n_exits = sizeof exits / sizeof *exits,
    .see_also = "proof-coordinator(1), quote-gen(1)",
};

void complain(const char *fmt, ...)
{
	va_list ap;

	fputs("tdx-quote: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

static void take_options(struct options *o, const struct cli_call *call)
{
	o->json = cli_value(call, "json");
	o->solidity = cli_value(call, "solidity");
	o->policy_json = cli_value(call, "policy-json");
	o->raw = cli_value(call, "raw");
	o->collateral = cli_value(call, "collateral");
	o->policy = cli_value(call, "policy");
	o->root = cli_value(call, "root");
	o->status = cli_value(call, "status");
	o->time = cli_value(call, "time");
	o->layout = cli_value(call, "layout");
	o->name = cli_value(call, "name");
	o->fmspc = cli_value(call, "fmspc");
	o->quote = cli_value(call, "quote");
	o->expect = cli_value(call, "expect");
	o->tpm = cli_value(call, "tpm");
	o->firmware = cli_value(call, "firmware");
	o->memory = cli_value(call, "memory");
	o->from_quote = cli_value(call, "from-quote");
	o->learnt = cli_value(call, "learnt");
	o->accept_unconfirmed = cli_value(call, "accept-unconfirmed");
	for (; o->n_files < (int)call->n_arguments && o->n_files < 2; o->n_files++)
		o->file[o->n_files] = call->argument[o->n_files];
}

/* Of two flags one would go unheard. */
static bool contradicts(const struct cli_call *call)
{
	static const char *const pairs[][3] = {
	    {"json", "solidity", "are two forms of output: one of them"},
	    {"json", "policy-json", "are two forms of output: one of them"},
	    {"json", "raw", "are two forms of output: one of them"},
	    {"solidity", "policy-json", "are two forms of output: one of them"},
	    {"collateral", "status", "are two sources of the status: one of them"},
	    {"collateral", "fmspc", "are two sources of the FMSPC: one of them"},
	};
	size_t i;

	for (i = 0; i < sizeof pairs / sizeof *pairs; i++)
		if (cli_value(call, pairs[i][0]) && cli_value(call, pairs[i][1])) {
			complain("--%s and --%s %s", pairs[i][0], pairs[i][1], pairs[i][2]);
			return true;
		}
	return false;
}

/* This program asks nobody: proof-coordinator, beside it or in PATH, has the sources. */
static int fetch_collateral(char **argv)
{
	char path[4096];
	const ssize_t n = readlink("/proc/self/exe", path, sizeof path - sizeof FETCHER);
	char *slash;

	path[n > 0 ? n : 0] = '\0';
	slash = strrchr(path, '/');
	if (slash) {
		memcpy(slash + 1, FETCHER, sizeof FETCHER);
		execv(path, argv);
	}
	execvp(FETCHER, argv);
	complain(FETCHER " is neither beside this program nor in PATH");
	return EXIT_TROUBLE;
}

int main(int argc, char **argv)
{
	static int (*const run[VERBS])(const struct options *o) = {
	    [INSPECT] = verb_inspect, [VERIFY] = verb_verify, [MEASUREMENTS] = verb_measurements,
	    [REPORT] = verb_report,   [DIFF] = verb_diff,     [MEASURE] = verb_measure,
	    [REPLAY] = verb_replay,
	};
	struct options o = {0};
	struct cli_call call;
	size_t verb;
	int status;

	/* Settings of another program: it reads the line. */
	if (argc > 2 && strcmp(argv[1], "collateral") == 0 && strcmp(argv[2], "fetch") == 0)
		return fetch_collateral(argv);
	/* Nothing here is configurable: half a millisecond, and whatever the file would load. */
	OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
	if (cli_start(&call, &program, argc, argv, &status) != CLI_RUN)
		return status;
	verb = (size_t)(call.verb - verbs);
	if (!run[verb]) {
		complain("collateral can only be fetched: tdx-quote collateral fetch QUOTE");
		return CLI_USAGE;
	}
	if (contradicts(&call))
		return CLI_USAGE;
	take_options(&o, &call);
	status = run[verb](&o);
	if (fflush(stdout) != 0) {
		complain("the output could not be written");
		return EXIT_TROUBLE;
	}
	return status;
}
