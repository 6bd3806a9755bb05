/* software-qe: stands in for the kernel's configfs-tsm, the quoting enclave and Intel. */
#include "tests/software-qe/software_qe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY (24u * 60 * 60)

enum verb { PKI = 1, SERVE = 2, QUOTE = 4, SIGN = 8, ANY_QUOTE = SERVE | QUOTE };

struct args {
	enum verb verb;
	struct pki_wish wish;
	struct qe qe;
	const char *pki, *report_dir, *mount, *member;
	uint8_t report_data[REPORT_DATA_SIZE];
};

static const char usage[] =
    "usage: software-qe pki DIR [flags]     make a platform and its collateral, or renew the "
    "collateral\n"
    "       software-qe serve --pki DIR --report-dir DIR [flags]    play "
    "/sys/kernel/config/tsm/report\n"
    "       software-qe serve --pki DIR --mount DIR [flags]         the same, to the file "
    "operation\n"
    "       software-qe quote --pki DIR [flags]                     one quote, to standard output\n"
    "       software-qe sign NAME           {\"NAME\":<standard input>,\"signature\":...}, as "
    "Intel "
    "signs JSON\n"
    "pki:\n"
    "  --fmspc HEX         FMSPC of a new platform [90c06f000000]\n"
    "  --ca NAME           platform or processor: the CA of a new platform [platform]\n"
    "  --tcb-status WORD   what the collateral says of the platform [UpToDate]\n"
    "  --evaluation N      tcbEvaluationDataNumber [17]\n"
    "  --early N           another number in the list of these, which is not yet a year old\n"
    "  --age SECONDS       since the collateral was issued [86400]\n"
    "  --valid SECONDS     for which it is still good [2592000]\n"
    "  --expired PIECE     tcb_info, qe_identity, pck_crl or root_ca_crl ended a second ago\n"
    "  --revoked WHAT      pck, ca or tcb-signing\n"
    "serve and quote:\n"
    "  --version WORD      v4, v5 (TD report 1.5) or v5-td10 [v4]\n"
    "  --mrtd, --rtmr0, --rtmr1, --rtmr2, --rtmr3 HEX     48 bytes [the image that "
    "contracts/deploy.mjs expects]\n"
    "  --tcb-svn N         each byte of TEE_TCB_SVN but the module's version [5]\n"
    "  --module-version N  of the TDX module, which picks its identity [1]\n"
    "  --attributes HEX    the 8 bytes of TDATTRIBUTES\n"
    "  --debug-td          a trust domain that its host can look into\n"
    "  --break WHAT        signature, qe-signature, binding, chain, report-data, cut, provider, "
    "generation\n"
    "  --delay MS          between question and answer (serve) [0]\n"
    "  --report-data HEX   64 bytes (quote) [zeros]\n"
    "Every key in this program is public. Its quotes prove nothing.\n";

static const char *const measurements[] = {
    "91eb2b44d141d4ece09f0c75c2c53d247a3c68edd7fafe8a3520c942a604a407"
    "de03ae6dc5f87f27428b2538873118b7",
    "4f3d617a1c89bd9a89ea146c15b04383b7db7318f41a851802bba8eace5a6cf7"
    "1050e65f65fd50176e4f006764a42643",
    "53827a034d1e4c7f13fd2a12aee4497e7097f15a04794553e12fe73e2ffb8bd5"
    "7585e771951115a13ec4d7e6bc193038",
    "2ca1a728ff13c36195ad95e8f725bf00d7f9c5d6ed730fb8f50cccad692ab81a"
    "efc83d594819375649be934022573528",
    "000000000000000000000000000000000000000000000000"
    "000000000000000000000000000000000000000000000000",
};

static const struct {
	const char *word;
	enum flaw flaw;
} flaws[] = {
    {"signature", FLAW_SIGNATURE}, {"qe-signature", FLAW_QE_SIGNATURE}, {"binding", FLAW_BINDING},
    {"chain", FLAW_CHAIN},         {"report-data", FLAW_REPORT_DATA},   {"cut", FLAW_CUT},
    {"provider", FLAW_PROVIDER},   {"generation", FLAW_GENERATION},
};

static volatile sig_atomic_t stop;

static void on_stop_signal(int number)
{
	(void)number;
	stop = 1;
}

/* -- Flags: each setter says false for a value that it cannot take -- */

static bool set_number(unsigned *to, const char *value, unsigned max)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(value, &end, 10);
	if (*value < '0' || *value > '9' || *end || errno || n > max)
		return false;
	*to = (unsigned)n;
	return true;
}

static bool set_fmspc(struct args *a, const char *v)
{
	a->wish.fmspc = v;
	return true;
}

static bool set_ca(struct args *a, const char *v)
{
	a->wish.ca = v;
	return true;
}

static bool set_tcb_status(struct args *a, const char *v)
{
	a->wish.tcb_status = v;
	return true;
}

static bool set_expired(struct args *a, const char *v)
{
	a->wish.expired = v;
	return true;
}

static bool set_revoked(struct args *a, const char *v)
{
	a->wish.revoked = v;
	return true;
}

static bool set_evaluation(struct args *a, const char *v)
{
	return set_number(&a->wish.evaluation, v, 1000000);
}

static bool set_early(struct args *a, const char *v)
{
	return set_number(&a->wish.early, v, 1000000);
}

static bool set_age(struct args *a, const char *v)
{
	return set_number(&a->wish.age, v, 10 * 365 * DAY);
}

static bool set_valid(struct args *a, const char *v)
{
	return set_number(&a->wish.valid, v, 10 * 365 * DAY);
}

static bool set_pki(struct args *a, const char *v)
{
	a->pki = v;
	return true;
}

static bool set_report_dir(struct args *a, const char *v)
{
	a->report_dir = v;
	return true;
}

static bool set_mount(struct args *a, const char *v)
{
	a->mount = v;
	return true;
}

static bool set_report_data(struct args *a, const char *v)
{
	return hex_decode(a->report_data, REPORT_DATA_SIZE, v, strlen(v));
}

/* The kind of quote decides the layout of the body, so it is settled before the other flags. */
static bool set_version(struct args *a, const char *v)
{
	(void)a;
	return strcmp(v, "v4") == 0 || strcmp(v, "v5") == 0 || strcmp(v, "v5-td10") == 0;
}

static bool set_register(struct args *a, size_t at, const char *v)
{
	return hex_decode(a->qe.forge.body + at, 48, v, strlen(v));
}

static bool set_mrtd(struct args *a, const char *v)
{
	return set_register(a, TDXV_TD_MRTD, v);
}

static bool set_rtmr0(struct args *a, const char *v)
{
	return set_register(a, TDXV_TD_RTMR0, v);
}

static bool set_rtmr1(struct args *a, const char *v)
{
	return set_register(a, TDXV_TD_RTMR0 + 48, v);
}

static bool set_rtmr2(struct args *a, const char *v)
{
	return set_register(a, TDXV_TD_RTMR0 + 96, v);
}

static bool set_rtmr3(struct args *a, const char *v)
{
	return set_register(a, TDXV_TD_RTMR0 + 144, v);
}

static bool set_tcb_svn(struct args *a, const char *v)
{
	uint8_t *body = a->qe.forge.body;
	unsigned n;

	if (!set_number(&n, v, 255))
		return false;
	memset(body, (int)n, 16);
	body[1] = 1; /* the module's version, which picks its identity */
	if (a->qe.forge.body_type != TDXV_BODY_TD10)
		memcpy(body + TDXV_TD_TEE_TCB_SVN2, body, 16);
	return true;
}

static bool set_module_version(struct args *a, const char *v)
{
	unsigned n;

	if (!set_number(&n, v, 255))
		return false;
	a->qe.forge.body[1] = (uint8_t)n;
	return true;
}

static bool set_attributes(struct args *a, const char *v)
{
	return hex_decode(a->qe.forge.body + TDXV_TD_TDATTRIBUTES, 8, v, strlen(v));
}

static bool set_debug(struct args *a, const char *v)
{
	(void)v;
	a->qe.forge.body[TDXV_TD_TDATTRIBUTES] |= 1;
	return true;
}

static bool set_break(struct args *a, const char *v)
{
	size_t i;

	for (i = 0; i < sizeof flaws / sizeof *flaws; i++) {
		if (strcmp(v, flaws[i].word) != 0)
			continue;
		a->qe.flaw = flaws[i].flaw;
		return true;
	}
	return false;
}

static bool set_delay(struct args *a, const char *v)
{
	return set_number(&a->qe.delay_ms, v, 3600000);
}

static const struct flag {
	const char *name;
	unsigned verbs;
	bool bare; /* takes no value */
	bool (*set)(struct args *a, const char *value);
} flags[] = {
    {"--fmspc", PKI, false, set_fmspc},
    {"--ca", PKI, false, set_ca},
    {"--tcb-status", PKI, false, set_tcb_status},
    {"--evaluation", PKI, false, set_evaluation},
    {"--early", PKI, false, set_early},
    {"--age", PKI, false, set_age},
    {"--valid", PKI, false, set_valid},
    {"--expired", PKI, false, set_expired},
    {"--revoked", PKI, false, set_revoked},
    {"--pki", ANY_QUOTE, false, set_pki},
    {"--report-dir", SERVE, false, set_report_dir},
    {"--mount", SERVE, false, set_mount},
    {"--report-data", QUOTE, false, set_report_data},
    {"--version", ANY_QUOTE, false, set_version},
    {"--mrtd", ANY_QUOTE, false, set_mrtd},
    {"--rtmr0", ANY_QUOTE, false, set_rtmr0},
    {"--rtmr1", ANY_QUOTE, false, set_rtmr1},
    {"--rtmr2", ANY_QUOTE, false, set_rtmr2},
    {"--rtmr3", ANY_QUOTE, false, set_rtmr3},
    {"--tcb-svn", ANY_QUOTE, false, set_tcb_svn},
    {"--module-version", ANY_QUOTE, false, set_module_version},
    {"--attributes", ANY_QUOTE, false, set_attributes},
    {"--debug-td", ANY_QUOTE, true, set_debug},
    {"--break", ANY_QUOTE, false, set_break},
    {"--delay", SERVE, false, set_delay},
};

static const struct flag *flag_of(const struct args *a, const char *name)
{
	size_t i;

	for (i = 0; i < sizeof flags / sizeof *flags; i++)
		if ((flags[i].verbs & a->verb) && strcmp(flags[i].name, name) == 0)
			return &flags[i];
	return NULL;
}

static void choose_quote(struct args *a, int argc, char **argv)
{
	static bool (*const set[])(struct args *, const char *) = {set_mrtd, set_rtmr0, set_rtmr1,
								   set_rtmr2, set_rtmr3};
	const char *version = "v4";
	size_t k;
	int i;

	for (i = 0; i + 1 < argc; i++)
		if (strcmp(argv[i], "--version") == 0)
			version = argv[i + 1];
	forge_init_kind(&a->qe.forge, strcmp(version, "v4") == 0 ? 4 : 5,
			strcmp(version, "v5") == 0 ? TDXV_BODY_TD15 : TDXV_BODY_TD10);
	for (k = 0; k < sizeof set / sizeof *set; k++)
		set[k](a, measurements[k]);
}

static bool read_flags(struct args *a, int argc, char **argv, struct why *why)
{
	int i;

	if (a->verb & ANY_QUOTE)
		choose_quote(a, argc, argv);
	for (i = 0; i < argc; i++) {
		const struct flag *f = flag_of(a, argv[i]);
		const char *value = "";

		if (!f) {
			why_set(why, "\"%.60s\" is not a flag of this verb (see --help)", argv[i]);
			return false;
		}
		if (!f->bare) {
			if (++i == argc) {
				why_set(why, "%s needs a value", f->name);
				return false;
			}
			value = argv[i];
		}
		if (!f->set(a, value)) {
			why_set(why, "%s: \"%.100s\" cannot be (see --help)", f->name, value);
			return false;
		}
	}
	if ((a->verb & ANY_QUOTE) && !a->pki) {
		why_set(why, "--pki is needed: a directory that software-qe pki made");
		return false;
	}
	if (a->verb == SERVE && !a->report_dir == !a->mount) {
		why_set(
		    why,
		    "--report-dir is needed, or --mount: the directory in which requests appear");
		return false;
	}
	return true;
}

static bool print_quote(const struct args *a, struct why *why)
{
	struct buf quote;
	bool ok;

	buf_init(&quote, TDXV_QUOTE_MAX);
	qe_quote(&quote, &a->qe, a->report_data);
	ok = fwrite(quote.p, 1, quote.len, stdout) == quote.len && fflush(stdout) == 0;
	buf_free(&quote);
	if (!ok)
		why_set(why, "cannot write the quote: %s", strerror(errno));
	return ok;
}

/* With the key of the TCB signing certificate, which is the same in every directory. */
static bool sign_json(const char *member, struct why *why)
{
	static uint8_t body[TDXV_COLLATERAL_PIECE_MAX];
	const size_t n = fread(body, 1, sizeof body, stdin);
	uint8_t raw[64];
	char hex[129];

	if (ferror(stdin) || !feof(stdin)) {
		why_set(why, "standard input cannot be read, or has %zu bytes and more",
			sizeof body);
		return false;
	}
	forge_sign(raw, KEY_TCB, body, n);
	hex_encode(hex, raw, sizeof raw);
	printf("{\"%s\":", member);
	fwrite(body, 1, n, stdout);
	printf(",\"signature\":\"%s\"}", hex);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		why_set(why, "cannot write the signed JSON: %s", strerror(errno));
		return false;
	}
	return true;
}

static bool run(struct args *a, struct why *why)
{
	bool ok;

	if (a->verb == PKI)
		return pki_make(&a->wish, why);
	if (a->verb == SIGN)
		return sign_json(a->member, why);
	ok = pki_open(&a->qe, a->pki, why);
	if (ok && a->mount)
		ok = mount_serve(a->mount, &a->qe, &stop, why);
	else if (ok && a->verb == SERVE)
		ok = reports_serve(a->report_dir, &a->qe, &stop, why);
	else if (ok)
		ok = print_quote(a, why);
	pki_close(&a->qe);
	return ok;
}

int main(int argc, char **argv)
{
	const struct sigaction action = {.sa_handler = on_stop_signal};
	static struct args a = {.wish = {.evaluation = 17, .age = DAY, .valid = 30 * DAY}};
	struct why why = {""};
	int from = 2;
	bool ok;

	if (argc > 1 && strcmp(argv[1], "--help") == 0) {
		fputs(usage, stdout);
		return EXIT_SUCCESS;
	}
	if (argc > 2 && strcmp(argv[1], "pki") == 0) {
		a.verb = PKI;
		a.wish.dir = argv[2];
		from = 3;
	} else if (argc > 2 && strcmp(argv[1], "sign") == 0) {
		a.verb = SIGN;
		a.member = argv[2];
		from = 3;
	} else if (argc > 1 && strcmp(argv[1], "serve") == 0) {
		a.verb = SERVE;
	} else if (argc > 1 && strcmp(argv[1], "quote") == 0) {
		a.verb = QUOTE;
	} else {
		fputs(usage, stderr);
		return 64; /* usage, sysexits.h */
	}
	if (!read_flags(&a, argc - from, argv + from, &why)) {
		fprintf(stderr, "software-qe: %s\n", why.text);
		return 64;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	ok = run(&a, &why);
	if (!ok)
		fprintf(stderr, "software-qe: %s\n", why.text);
	forge_keys_free();
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
