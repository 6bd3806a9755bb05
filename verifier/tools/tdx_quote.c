#include "verifier/tools/tdx_quote.h"

#include <getopt.h>
#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FETCHER "proof-coordinator"

static const char usage[] =
    "usage: tdx-quote VERB [options] [FILE...]\n"
    "\n"
    "  inspect QUOTE                every field of a quote or report\n"
    "  verify QUOTE --collateral PATH [--policy FILE] [--time TIME] [--root PEM]\n"
    "                               every check; exit 0 accepted, 1 refused, 2 could not judge\n"
    "  measurements QUOTE|REPORT    MRTD and RTMRs by name; --solidity: constructor arguments;\n"
    "                               --policy-json: a policy for verify (--name names the image)\n"
    "  report QUOTE [--collateral PATH | --status WORD] [--layout 1.0|1.1] [--raw] [--fmspc HEX]\n"
    "                               the bytes verifyAndAttestOnChain returns; --fmspc: for a "
    "quote\n"
    "                               without a PCK certificate\n"
    "  diff QUOTE|REPORT QUOTE|REPORT\n"
    "                               which measurement changed, and what usually causes it;\n"
    "                               exit 0 equal, 1 different\n"
    "  measure IMAGE [--firmware FILE] [--memory SIZE] [--from-quote QUOTE | --learnt FILE]\n"
    "                               what MRTD and RTMR0..2 of a TD that boots this disk will be, "
    "with\n"
    "                               the events that lead there; --json: measurements.json;\n"
    "                               --policy-json, --solidity: of confirmed values, or with\n"
    "                               --accept-unconfirmed\n"
    "  replay EVENTLOG [--quote QUOTE] [--expect measurements.json|EVENTLOG] [--tpm]\n"
    "                               the registers that a CCEL event log leads to, and the first "
    "event\n"
    "                               that differs; exit 0 equal, 1 different; --tpm: a TPM's log\n"
    "  collateral fetch QUOTE [SETTINGS] > FILE\n"
    "                               collateral for verify, from proof-coordinator's sources or "
    "cache\n"
    "\n"
    "FILE is binary, hex, base64, base64url or [4,0,2,...], or a log with a line 'Sending quote\n"
    "...'; '-' or none is stdin.\n"
    "PATH is a directory with tcb_info.json, qe_identity.json, tcb_signing_chain.pem,\n"
    "pck_crl.{der,pem,hex}, pck_crl_issuer_chain.pem, root_ca_crl.{der,pem,hex} and, if it "
    "differs\n"
    "from the TCB signing chain, qe_identity_signing_chain.pem; or one JSON file of strings with\n"
    "those names without their endings (CRLs as PEM or hex).\n"
    "Without a policy, or with one that names no image, measurements are not compared.\n"
    "\n"
    "  --json           machine-readable output\n"
    "  --time TIME      2026-01-31T00:00:00Z or seconds since 1970; default: now\n"
    "  --root PEM       trust this root instead of Intel's (for tests)\n"
    "  --help, --version\n";

void complain(const char *fmt, ...)
{
	va_list ap;

	fputs("tdx-quote: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

static const struct verb {
	const char *name;
	int (*run)(const struct options *o);
	int files_min, files_max;
} verbs[] = {
    {"inspect", verb_inspect, 0, 1},
    {"verify", verb_verify, 0, 1},
    {"measurements", verb_measurements, 0, 1},
    {"report", verb_report, 0, 1},
    {"diff", verb_diff, 2, 2},
    {"measure", verb_measure, 1, 1},
    {"replay", verb_replay, 0, 1},
};

enum {
	OPT_VERSION = 256,
	OPT_SOLIDITY,
	OPT_POLICY_JSON,
	OPT_RAW,
	OPT_COLLATERAL,
	OPT_POLICY,
	OPT_ROOT,
	OPT_STATUS,
	OPT_TIME,
	OPT_LAYOUT,
	OPT_NAME,
	OPT_FMSPC,
	OPT_QUOTE,
	OPT_EXPECT,
	OPT_TPM,
	OPT_FIRMWARE,
	OPT_MEMORY,
	OPT_FROM_QUOTE,
	OPT_LEARNT,
	OPT_ACCEPT_UNCONFIRMED
};

static const struct option long_options[] = {
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, OPT_VERSION},
    {"json", no_argument, NULL, 'j'},
    {"solidity", no_argument, NULL, OPT_SOLIDITY},
    {"policy-json", no_argument, NULL, OPT_POLICY_JSON},
    {"raw", no_argument, NULL, OPT_RAW},
    {"collateral", required_argument, NULL, OPT_COLLATERAL},
    {"policy", required_argument, NULL, OPT_POLICY},
    {"root", required_argument, NULL, OPT_ROOT},
    {"status", required_argument, NULL, OPT_STATUS},
    {"time", required_argument, NULL, OPT_TIME},
    {"layout", required_argument, NULL, OPT_LAYOUT},
    {"name", required_argument, NULL, OPT_NAME},
    {"fmspc", required_argument, NULL, OPT_FMSPC},
    {"quote", required_argument, NULL, OPT_QUOTE},
    {"expect", required_argument, NULL, OPT_EXPECT},
    {"tpm", no_argument, NULL, OPT_TPM},
    {"firmware", required_argument, NULL, OPT_FIRMWARE},
    {"memory", required_argument, NULL, OPT_MEMORY},
    {"from-quote", required_argument, NULL, OPT_FROM_QUOTE},
    {"learnt", required_argument, NULL, OPT_LEARNT},
    {"accept-unconfirmed", no_argument, NULL, OPT_ACCEPT_UNCONFIRMED},
    {NULL, 0, NULL, 0},
};

/* 0: go on; else the exit status + 1. */
static int parse_options(struct options *o, int argc, char **argv)
{
	int c;

	while ((c = getopt_long(argc, argv, "hj", long_options, NULL)) != -1) {
		switch (c) {
		case 'h': fputs(usage, stdout); return EXIT_ACCEPTED + 1;
		case OPT_VERSION: puts("tdx-quote " TDXV_VERSION); return EXIT_ACCEPTED + 1;
		case 'j': o->json = true; break;
		case OPT_SOLIDITY: o->solidity = true; break;
		case OPT_POLICY_JSON: o->policy_json = true; break;
		case OPT_RAW: o->raw = true; break;
		case OPT_COLLATERAL: o->collateral = optarg; break;
		case OPT_POLICY: o->policy = optarg; break;
		case OPT_ROOT: o->root = optarg; break;
		case OPT_STATUS: o->status = optarg; break;
		case OPT_TIME: o->time = optarg; break;
		case OPT_LAYOUT: o->layout = optarg; break;
		case OPT_NAME: o->name = optarg; break;
		case OPT_FMSPC: o->fmspc = optarg; break;
		case OPT_QUOTE: o->quote = optarg; break;
		case OPT_EXPECT: o->expect = optarg; break;
		case OPT_TPM: o->tpm = true; break;
		case OPT_FIRMWARE: o->firmware = optarg; break;
		case OPT_MEMORY: o->memory = optarg; break;
		case OPT_FROM_QUOTE: o->from_quote = optarg; break;
		case OPT_LEARNT: o->learnt = optarg; break;
		case OPT_ACCEPT_UNCONFIRMED: o->accept_unconfirmed = true; break;
		default: fputs(usage, stderr); return EXIT_TROUBLE + 1;
		}
	}
	return 0;
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
	struct options o = {0};
	const char *name;
	size_t i;
	int stop, n;

	if (argc > 2 && strcmp(argv[1], "collateral") == 0 && strcmp(argv[2], "fetch") == 0)
		return fetch_collateral(argv);
	/* Nothing here is configurable: half a millisecond, and whatever the file would load. */
	OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
	stop = parse_options(&o, argc, argv);
	if (stop)
		return stop - 1;
	if (optind >= argc) {
		fputs(usage, stderr);
		return EXIT_TROUBLE;
	}
	name = argv[optind++];
	n = argc - optind;
	for (i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
		if (strcmp(name, verbs[i].name) != 0)
			continue;
		if (n < verbs[i].files_min || n > verbs[i].files_max) {
			complain("%s takes %d to %d files, not %d", name, verbs[i].files_min,
				 verbs[i].files_max, n);
			return EXIT_TROUBLE;
		}
		for (; o.n_files < n; o.n_files++)
			o.file[o.n_files] = argv[optind + o.n_files];
		stop = verbs[i].run(&o);
		if (fflush(stdout) != 0) {
			complain("the output could not be written");
			return EXIT_TROUBLE;
		}
		return stop;
	}
	complain("unknown verb '%s'; see tdx-quote --help", name);
	return EXIT_TROUBLE;
}
