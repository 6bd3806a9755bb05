#include "tests/differential/cases.h"
#include "tests/differential/subject.h"
#include "tests/unit/verifier/mutations.h"
#include "tests/unit/verifier/strictness.h"

#include <string.h>

static const char *const status_name[] = {"UpToDate",
					  "SWHardeningNeeded",
					  "ConfigurationNeeded",
					  "ConfigurationAndSWHardeningNeeded",
					  "OutOfDate",
					  "OutOfDateConfigurationNeeded",
					  "Revoked"};
static const char *const component_status[] = {"UpToDate", "OutOfDate", "Revoked"};

#define STATUSES   (sizeof status_name / sizeof status_name[0])
#define COMPONENTS (sizeof component_status / sizeof component_status[0])

static void build_and_write(FILE *out, const char *id, const struct forge *f)
{
	struct forged x;

	forge_build(&x, f);
	subject_write_forged(out, id, &x, FORGE_NOW, FORGE_NOW);
	forged_free(&x);
}

static void kinds(FILE *out)
{
	static const struct {
		unsigned version;
		enum tdxv_body body;
	} kind[] = {{3, TDXV_BODY_SGX},   {4, TDXV_BODY_SGX},  {5, TDXV_BODY_SGX},
		    {4, TDXV_BODY_TD10},  {5, TDXV_BODY_TD10}, {5, TDXV_BODY_TD15},
		    {5, TDXV_BODY_TD15EX}};
	static const unsigned auth_size[] = {0, 1, 31, 33, 1000};
	struct forge f;
	char id[64];
	size_t i;

	for (i = 0; i < sizeof kind / sizeof kind[0]; i++) {
		forge_init_kind(&f, kind[i].version, kind[i].body);
		snprintf(id, sizeof id, "version %u, %s", kind[i].version,
			 tdxv_body_name(kind[i].body));
		build_and_write(out, id, &f);
	}
	for (i = 0; i < sizeof auth_size / sizeof auth_size[0]; i++) {
		forge_init(&f);
		f.auth_size = auth_size[i];
		snprintf(id, sizeof id, "%u bytes of authentication data", auth_size[i]);
		build_and_write(out, id, &f);
	}
	forge_init(&f);
	f.ca.name = f.pck.issuer = f.pck_crl.issuer = "Intel SGX PCK Processor CA";
	build_and_write(out, "Processor CA", &f);
}

static void mutate(FILE *out, unsigned version, enum tdxv_body body)
{
	struct forge plain, *f = &plain;
	struct forged x, good;
	char id[256];

	forge_init_kind(f, version, body);
	forge_build(&good, f);
#define M(change, check, how)                                                                      \
	forge_init_kind(f, version, body);                                                         \
	change;                                                                                    \
	forge_build(&x, f);                                                                        \
	if ((how) == keep_root) {                                                                  \
		buf_free(&x.root);                                                                 \
		buf_add(&x.root, good.root.p, good.root.len);                                      \
	}                                                                                          \
	snprintf(id, sizeof id, "version %u: %s", version, #change);                               \
	subject_write_forged(out, id, &x, FORGE_NOW, FORGE_NOW);                                   \
	forged_free(&x);
	MUTATIONS(M)
#undef M
	forged_free(&good);
}

/* What is signed and yet not to be taken. */
static void strictness(FILE *out)
{
	struct forge plain, *f = &plain;
	char member[80], qe[80];
	size_t i;

#define S(change, check)                                                                           \
	forge_init(f);                                                                             \
	change;                                                                                    \
	build_and_write(out, #change, f);
	STRICT_SERIALS(S)
	STRICT_NUMBERS(S)
	STRICT_CERTIFICATES(S)
	STRICT_SGX_ENTRIES(S)
	STRICT_COMPONENTS(S)
	STRICT_LABELS(S)
	STRICT_IDENTITIES(S)
#undef S
	for (i = 0; i < sizeof strict_value / sizeof strict_value[0]; i++) {
		forge_init(f);
		snprintf(member, sizeof member, "\"tcbType\":0,\"zz\":%s", strict_value[i].value);
		f->tcb_find = "\"tcbType\":0";
		f->tcb_replace = member;
		build_and_write(out, member, f);
		forge_init(f);
		snprintf(qe, sizeof qe, "\"isvprodid\":2,\"zz\":%s", strict_value[i].value);
		f->qe_find = "\"isvprodid\":2";
		f->qe_replace = qe;
		build_and_write(out, qe, f);
	}
}

/* The serial number at each end of a long list, inside it, and beside it. */
static void revocation(FILE *out)
{
	static const unsigned first[] = {1000, 936, 872, 871, 1001};
	struct forge f;
	char id[64];
	size_t i;

	for (i = 0; i < sizeof first / sizeof first[0]; i++) {
		forge_init(&f);
		f.pck.serial = f.ca.serial = 1000;
		f.pck_crl.revoked = first[i];
		f.pck_crl.more = 128;
		snprintf(id, sizeof id, "PCK 1000, revoked %u to %u", first[i], first[i] + 128);
		build_and_write(out, id, &f);
		f.root_crl.revoked = first[i];
		f.root_crl.more = 128;
		f.pck_crl.revoked = 0;
		snprintf(id, sizeof id, "CA 1000, revoked %u to %u", first[i], first[i] + 128);
		build_and_write(out, id, &f);
	}
}

static void statuses(FILE *out)
{
	struct forge f;
	char id[128];
	size_t p, m, q;

	for (p = 0; p < STATUSES; p++) {
		for (m = 0; m < COMPONENTS; m++) {
			for (q = 0; q < COMPONENTS; q++) {
				forge_init(&f);
				f.level[0].status = status_name[p];
				f.module_level[0].status = component_status[m];
				f.qe_level[0].status = component_status[q];
				f.level[0].advisory = "INTEL-SA-00100";
				snprintf(id, sizeof id, "platform %s, module %s, QE %s",
					 status_name[p], component_status[m], component_status[q]);
				build_and_write(out, id, &f);
			}
		}
	}
}

/* A TD 1.5 under a module SVN at launch and another now, each UpToDate, OutOfDate, Revoked or
 * below all levels. */
static void relaunch(FILE *out)
{
	static const uint8_t svn[] = {5, 3, 2, 1};
	struct forge f;
	char id[128];
	size_t p, launch, now;

	for (p = 0; p < STATUSES; p++) {
		for (launch = 0; launch < sizeof svn; launch++) {
			for (now = 0; now < sizeof svn; now++) {
				forge_init_kind(&f, 5, TDXV_BODY_TD15);
				f.level[0].status = status_name[p];
				f.module_level[2] = f.module_level[1];
				f.module_level[2].sgx = 2;
				f.module_level[2].status = "Revoked";
				f.n_module_levels = 3;
				f.body[0] = svn[launch];
				f.body[TDXV_TD_TEE_TCB_SVN2] = svn[now];
				snprintf(id, sizeof id, "platform %s, module SVN %u then %u",
					 status_name[p], svn[launch], svn[now]);
				build_and_write(out, id, &f);
			}
		}
	}
	forge_init_kind(&f, 5, TDXV_BODY_TD15);
	f.body[TDXV_TD_TEE_TCB_SVN2 + 1] = 9;
	build_and_write(out, "now under an unknown module", &f);
	f.body[TDXV_TD_TEE_TCB_SVN2 + 1] = 0;
	build_and_write(out, "now under a module of major 0", &f);
	f.body[TDXV_TD_TEE_TCB_SVN2 + 1] = 1;
	f.body[TDXV_TD_TEE_TCB_SVN2 + 7] = 4;
	build_and_write(out, "now on a lower platform level", &f);
}

static void levels(FILE *out)
{
	struct forge f;
	char id[64];
	unsigned i;

	for (i = 0; i < 16; i++) {
		forge_init(&f);
		f.comp_svn[i] = 4;
		snprintf(id, sizeof id, "SGX component %u lower", i);
		build_and_write(out, id, &f);
		forge_init(&f);
		f.body[i] = i == 1 ? 0 : 4;
		snprintf(id, sizeof id, "TDX component %u lower", i);
		build_and_write(out, id, &f);
	}
	forge_init(&f);
	f.pcesvn = 10;
	build_and_write(out, "PCESVN lower", &f);
	f.pcesvn = 65535;
	build_and_write(out, "the highest PCESVN", &f);
	forge_init(&f);
	f.level[1] = f.level[0];
	f.level[0] = (struct forge_level){3, 5, 3, "OutOfDate", "2023-08-09T00:00:00Z", NULL};
	build_and_write(out, "levels from low to high", &f);
	forge_init(&f);
	f.body[1] = 0;
	build_and_write(out, "a module of major 0", &f);
	memset(f.body, 5, 16);
	f.module_id = "tdx_05";
	build_and_write(out, "a module id in lower case", &f);
	f.body[1] = 0x0a;
	f.module_id = "TDX_0A";
	build_and_write(out, "a module id in hex", &f);
	forge_init(&f);
	f.qe_report[259] = 1;
	build_and_write(out, "a QE SVN of two bytes", &f);
}

/* Each window alone: verified a second before, at each end, and a second after; uploaded then, or
 * when all was well. */
static void time_boundaries(FILE *out)
{
	static const char from_text[] = "2026-01-15T00:00:00Z", to_text[] = "2026-01-16T00:00:00Z";
	static const char *const what[] = {"root",     "PCK CA",  "PCK",      "TCB signing",
					   "root CRL", "PCK CRL", "TCB info", "QE identity"};
	const int64_t from = FORGE_NOW, to = FORGE_NOW + FORGE_DAY;
	const int64_t at[] = {from - 1, from, to, to + 1};
	struct forge_cert *cert;
	struct forge_crl *crl;
	struct forged x;
	struct forge f;
	char id[128];
	size_t i, k;

	for (i = 0; i < sizeof what / sizeof what[0]; i++) {
		forge_init(&f);
		cert = i == 0 ? &f.root : i == 1 ? &f.ca : i == 2 ? &f.pck : &f.tcb;
		crl = i == 4 ? &f.root_crl : &f.pck_crl;
		if (i < 4) {
			cert->from = from;
			cert->to = to;
		} else if (i < 6) {
			crl->from = from;
			crl->to = to;
		} else if (i == 6) {
			f.tcb_issued = from_text;
			f.tcb_next = to_text;
		} else {
			f.qe_issued = from_text;
			f.qe_next = to_text;
		}
		forge_build(&x, &f);
		for (k = 0; k < sizeof at / sizeof at[0]; k++) {
			snprintf(id, sizeof id, "%s window, uploaded and verified at %+lld s",
				 what[i], (long long)(at[k] - from));
			subject_write_forged(out, id, &x, at[k], at[k]);
			snprintf(id, sizeof id, "%s window, verified at %+lld s", what[i],
				 (long long)(at[k] - from));
			subject_write_forged(out, id, &x, from, at[k]);
		}
		forged_free(&x);
	}
}

static void flips(FILE *out, unsigned stride)
{
	static const char *const what[] = {"quote",   "TCB info", "QE identity", "TCB chain",
					   "PCK CRL", "CA chain", "root CRL"};
	struct forge f;
	struct forged x;
	char id[64];
	size_t i, k;

	forge_init(&f);
	forge_build(&x, &f);
	for (k = 0; k < sizeof what / sizeof what[0]; k++) {
		struct buf *b[] = {&x.quote,   &x.tcb_info,      &x.qe_identity, &x.tcb_chain,
				   &x.pck_crl, &x.pck_crl_chain, &x.root_crl};

		for (i = k; i < b[k]->len; i += stride) {
			b[k]->p[i] ^= 1;
			snprintf(id, sizeof id, "a bit of byte %zu of the %s", i, what[k]);
			subject_write_forged(out, id, &x, FORGE_NOW, FORGE_NOW);
			b[k]->p[i] ^= 1;
		}
		i = b[k]->len;
		b[k]->len = 0;
		snprintf(id, sizeof id, "no %s", what[k]);
		subject_write_forged(out, id, &x, FORGE_NOW, FORGE_NOW);
		b[k]->len = i;
	}
	buf_add(&x.quote, "padding", 7);
	subject_write_forged(out, "bytes after the quote", &x, FORGE_NOW, FORGE_NOW);
	while (x.quote.len < TDXV_QUOTE_MAX)
		buf_add(&x.quote, "", 1);
	subject_write_forged(out, "the longest quote", &x, FORGE_NOW, FORGE_NOW);
	buf_add(&x.quote, "", 1);
	subject_write_forged(out, "a quote that is too long", &x, FORGE_NOW, FORGE_NOW);
	forged_free(&x);
}

void cases_forged(FILE *out, unsigned stride)
{
	kinds(out);
	mutate(out, 4, TDXV_BODY_TD10);
	mutate(out, 5, TDXV_BODY_TD15);
	strictness(out);
	revocation(out);
	statuses(out);
	relaunch(out);
	levels(out);
	time_boundaries(out);
	flips(out, stride);
}
