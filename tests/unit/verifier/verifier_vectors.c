/*
 * Every quote of the shared vectors against its own collateral at its own time. The manifest says
 * what Intel's library answers; where this library is meant to differ, the table below says how.
 */
#include "tests/unit/verifier/tables.h"
#include "verifier/include/tdxverify.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char root_dir[4096];

struct file {
	uint8_t *p;
	size_t n;
};

static struct file load(const char *name)
{
	struct file f = {NULL, 0};
	char path[8192];
	FILE *in;
	long n;

	snprintf(path, sizeof path, "%s/dcap/%s", root_dir, name);
	in = fopen(path, "rb");
	if (!in) {
		fprintf(stderr, "%s is missing\n", path);
		abort();
	}
	fseek(in, 0, SEEK_END);
	n = ftell(in);
	rewind(in);
	f.p = malloc((size_t)n + 1);
	f.n = fread(f.p, 1, (size_t)n, in);
	fclose(in);
	return f;
}

static const char *text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

/* An answer of Intel's library and the checks of which at least one must then fail. */
static const struct {
	const char *call, *status;
	enum tdxv_check_id any_of[4];
	int n;
} meaning[] = {
#define C(x) TDXV_CHECK_##x
    {"pck_chain", "UNSUPPORTED_CERT_FORMAT", {C(PCK_CHAIN_FORMAT)}, 1},
    {"pck_chain", "SGX_PCK_INVALID_ISSUER", {C(PCK_LEAF_SIGNATURE)}, 1},
    {"pck_chain", "SGX_INTERMEDIATE_CA_INVALID_ISSUER", {C(PCK_CA_SIGNATURE)}, 1},
    {"pck_chain", "SGX_PCK_CERT_CHAIN_UNTRUSTED", {C(PCK_ROOT_TRUSTED)}, 1},
    {"pck_chain", "SGX_PCK_CERT_CHAIN_EXPIRED", {C(PCK_CHAIN_TIME)}, 1},
    {"pck_chain", "SGX_PCK_MISSING", {C(PCK_CHAIN_NAMES)}, 1},
    {"pck_chain", "SGX_PCK_INVALID_EXTENSIONS", {C(PCK_EXTENSION)}, 1},
    {"pck_chain", "SGX_ROOT_CA_INVALID_EXTENSIONS", {C(PCK_CHAIN_FORMAT)}, 1},
    {"pck_chain", "SGX_PCK_REVOKED", {C(PCK_LEAF_NOT_REVOKED)}, 1},
    {"pck_chain", "SGX_INTERMEDIATE_CA_REVOKED", {C(PCK_CA_NOT_REVOKED)}, 1},
    {"pck_chain", "SGX_CRL_EXPIRED", {C(PCK_CRL_TIME), C(ROOT_CRL_TIME)}, 2},
    {"pck_chain", "SGX_CRL_INVALID_SIGNATURE", {C(PCK_CRL_SIGNATURE), C(ROOT_CRL_SIGNATURE)}, 2},
    {"pck_chain", "SGX_CRL_UNSUPPORTED_FORMAT", {C(PCK_CRL_FORMAT), C(ROOT_CRL_FORMAT)}, 2},
    {"pck_chain",
     "SGX_CRL_UNKNOWN_ISSUER",
     {C(PCK_CRL_SIGNATURE), C(PCK_CRL_ISSUER), C(ROOT_CRL_ISSUER)},
     3},
    {"tcb_info", "TCB_INFO_INVALID_SIGNATURE", {C(TCB_INFO_SIGNATURE)}, 1},
    {"tcb_info", "SGX_TCB_INFO_UNSUPPORTED_FORMAT", {C(TCB_INFO_FORMAT)}, 1},
    {"tcb_info", "SGX_TCB_INFO_INVALID", {C(TCB_INFO_FORMAT)}, 1},
    {"tcb_info", "SGX_TCB_INFO_EXPIRED", {C(TCB_INFO_TIME)}, 1},
    {"tcb_info", "SGX_CRL_EXPIRED", {C(ROOT_CRL_TIME)}, 1},
    {"tcb_info", "SGX_CRL_INVALID_SIGNATURE", {C(ROOT_CRL_SIGNATURE)}, 1},
    {"tcb_info", "SGX_CRL_UNSUPPORTED_FORMAT", {C(ROOT_CRL_FORMAT)}, 1},
    {"tcb_info", "SGX_SIGNING_CERT_CHAIN_EXPIRED", {C(TCB_SIGNING_TIME)}, 1},
    {"tcb_info", "UNSUPPORTED_CERT_FORMAT", {C(TCB_SIGNING_CHAIN)}, 1},
    {"tcb_info", "SGX_TCB_SIGNING_CERT_MISSING", {C(TCB_SIGNING_CHAIN)}, 1},
    {"tcb_info", "SGX_TCB_SIGNING_CERT_INVALID_ISSUER", {C(TCB_SIGNING_CHAIN)}, 1},
    {"tcb_info", "SGX_TCB_SIGNING_CERT_CHAIN_UNTRUSTED", {C(TCB_SIGNING_CHAIN)}, 1},
    {"qe_identity", "SGX_ENCLAVE_IDENTITY_INVALID_SIGNATURE", {C(QE_IDENTITY_SIGNATURE)}, 1},
    {"qe_identity", "SGX_ENCLAVE_IDENTITY_UNSUPPORTED_FORMAT", {C(QE_IDENTITY_FORMAT)}, 1},
    {"qe_identity", "SGX_ENCLAVE_IDENTITY_UNSUPPORTED_VERSION", {C(QE_IDENTITY_FORMAT)}, 1},
    {"qe_identity", "SGX_ENCLAVE_IDENTITY_INVALID", {C(QE_IDENTITY_FORMAT)}, 1},
    {"qe_identity", "SGX_ENCLAVE_IDENTITY_EXPIRED", {C(QE_IDENTITY_TIME)}, 1},
    {"qe_identity", "SGX_CRL_EXPIRED", {C(ROOT_CRL_TIME)}, 1},
    {"qe_identity", "SGX_CRL_INVALID_SIGNATURE", {C(ROOT_CRL_SIGNATURE)}, 1},
    {"qe_identity", "SGX_CRL_UNSUPPORTED_FORMAT", {C(ROOT_CRL_FORMAT)}, 1},
    {"qe_identity", "SGX_SIGNING_CERT_CHAIN_EXPIRED", {C(QE_SIGNING_TIME)}, 1},
    {"qe_identity", "UNSUPPORTED_CERT_FORMAT", {C(QE_SIGNING_CHAIN)}, 1},
    {"qe_identity", "SGX_TCB_SIGNING_CERT_MISSING", {C(QE_SIGNING_CHAIN)}, 1},
    {"qe_identity", "SGX_TCB_SIGNING_CERT_INVALID_ISSUER", {C(QE_SIGNING_CHAIN)}, 1},
    {"qe_identity", "SGX_TCB_SIGNING_CERT_CHAIN_UNTRUSTED", {C(QE_SIGNING_CHAIN)}, 1},
    {"quote", "INVALID_QUOTE_SIGNATURE", {C(QUOTE_SIGNATURE)}, 1},
    {"quote", "INVALID_QE_REPORT_SIGNATURE", {C(QE_REPORT_SIGNATURE)}, 1},
    {"quote", "INVALID_QE_REPORT_DATA", {C(QE_REPORT_BINDING)}, 1},
    {"quote", "UNSUPPORTED_QUOTE_FORMAT", {C(QUOTE_FORMAT), C(QUOTE_KEY)}, 2},
    {"quote", "UNSUPPORTED_PCK_CERT_FORMAT", {C(PCK_CHAIN_FORMAT)}, 1},
    {"quote", "INVALID_PCK_CERT", {C(PCK_CHAIN_NAMES), C(PCK_EXTENSION), C(PCK_CHAIN_FORMAT)}, 3},
    {"quote", "UNSUPPORTED_PCK_RL_FORMAT", {C(PCK_CRL_FORMAT)}, 1},
    {"quote", "INVALID_PCK_CRL", {C(PCK_CRL_ISSUER), C(PCK_CRL_SIGNATURE)}, 2},
    {"quote", "PCK_REVOKED", {C(PCK_LEAF_NOT_REVOKED)}, 1},
    {"quote", "UNSUPPORTED_TCB_INFO_FORMAT", {C(TCB_INFO_FORMAT)}, 1},
    {"quote", "UNSUPPORTED_QE_IDENTITY_FORMAT", {C(QE_IDENTITY_FORMAT)}, 1},
    {"quote", "TCB_INFO_MISMATCH", {C(TCB_INFO_TEE), C(TCB_INFO_FMSPC), C(TCB_INFO_PCEID)}, 3},
    {"quote",
     "QE_IDENTITY_MISMATCH",
     {C(QE_IDENTITY_TEE), C(QE_MRSIGNER), C(QE_ISVPRODID), C(QE_ATTRIBUTES)},
     4},
    {"quote",
     "TDX_MODULE_MISMATCH",
     {C(TDX_MODULE_KNOWN), C(TDX_MODULE_SIGNER), C(TDX_MODULE_ATTRIBUTES)},
     3},
    {"quote",
     "TCB_NOT_SUPPORTED",
     {C(PLATFORM_TCB), C(TDX_MODULE_TCB), C(QE_TCB), C(CURRENT_TCB)},
     4},
};

/* Where Intel's library accepts and this one must not, and the reverse. TDXV_CHECK_COUNT: the
 * refusal is Intel's alone. "why" is the section of the facts that asks for it. */
static const struct {
	const char *id;
	enum tdxv_check_id fails;
	const char *why;
} differs[] = {
    {"neg_chain_old_root_in_quote", TDXV_CHECK_COUNT, "9.2.14: the root is anchored by key"},
    {"pos0334", TDXV_CHECK_COUNT, "9.2.14: the root is anchored by key"},
    {"pos0335", TDXV_CHECK_COUNT, "9.2.14: the root is anchored by key"},
    {"pos0436", TDXV_CHECK_COUNT, "9.2.14: the root is anchored by key"},
    {"pos0442", TDXV_CHECK_COUNT, "9.2.14: the root is anchored by key"},
    {"pos0443", TDXV_CHECK_COUNT, "9.2.14: the root is anchored by key"},
    {"neg_tcb_body_whitespace", C(TCB_INFO_SIGNATURE), "9.2.4: the exact bytes are signed"},
    {"neg_tcb_body_pretty", C(TCB_INFO_SIGNATURE), "9.2.4: the exact bytes are signed"},
    {"neg_qe_body_whitespace", C(QE_IDENTITY_SIGNATURE), "9.2.4: the exact bytes are signed"},
    {"syn_ti_pretty_signed", C(TCB_INFO_FORMAT), "2.3: not the spelling that is verified there"},
    {"syn_lvl_dup_key", C(TCB_INFO_FORMAT), "9.2.4: duplicate keys"},
    {"syn_ti_issue_future", C(TCB_INFO_TIME), "9.2.6: issued in the future"},
    {"syn_pck_not_yet", C(PCK_CHAIN_TIME), "9.2.6: not valid yet"},
    {"syn_td_debug", C(POLICY_DEBUG), "9.2.7: the DEBUG bit"},
    {"syn_td_reserved", C(POLICY_RESERVED), "4: reserved attribute bits"},
    {"syn_lvl_svn_256", C(TCB_INFO_FORMAT), "9.2.12: SVN integer widths"},
    {"syn_lvl_pck_comp_256", C(PCK_EXTENSION), "9.2.12: SVN integer widths"},
    {"syn_lvl_pck_pcesvn_65536", C(PCK_EXTENSION), "9.2.12: SVN integer widths"},
    {"syn_mod_status_bad", C(TCB_INFO_FORMAT), "2.1: a status that modules do not have"},
    {"syn_int_not_ca", C(PCK_CA_USAGE), "9.2.18: basicConstraints"},
    {"syn_relaunch_cur_revoked_mod", C(CURRENT_TCB), "4: check the current TCB oneself"},
    {"syn_adv_many", TDXV_CHECK_COUNT, "9.2.17: advisories are not cut off"},
};

static int failures;

static void complain(const char *id, const struct tdxv_verdict *v, const char *what)
{
	char why[2048];

	tdxv_verdict_summary(why, sizeof why, v);
	fprintf(stderr, "%s: %s\n    verdict: %s\n", id, what, why);
	failures++;
}

static bool failed(const struct tdxv_verdict *v, enum tdxv_check_id id)
{
	return v->check[id].status == TDXV_FAIL;
}

/* Whether one of the calls' answers is a refusal, and if so whether the right check failed. */
static bool refused_as_expected(const char *id, const struct tdxv_verdict *v, const char *call,
				const char *status)
{
	size_t i;
	int k;
	char what[256];

	if (strncmp(status, "STATUS_", 7) == 0)
		status += 7;
	if (*status == '\0' || strcmp(status, "OK") == 0 ||
	    strncmp(status, "TCB_OUT_OF", 10) == 0 || strcmp(status, "TCB_REVOKED") == 0 ||
	    strncmp(status, "TCB_SW", 6) == 0 || strncmp(status, "TCB_CONF", 8) == 0 ||
	    strncmp(status, "TCB_TD", 6) == 0)
		return false;
	for (i = 0; i < sizeof meaning / sizeof meaning[0]; i++) {
		if (strcmp(call, meaning[i].call) != 0 || strcmp(status, meaning[i].status) != 0)
			continue;
		for (k = 0; k < meaning[i].n; k++)
			if (failed(v, meaning[i].any_of[k]))
				return true;
		snprintf(what, sizeof what, "%s should be refused like %s", call, status);
		complain(id, v, what);
		return true;
	}
	snprintf(what, sizeof what, "%s: the meaning of %s is not in the table", call, status);
	complain(id, v, what);
	return true;
}

static void compare_launch(const char *id, const struct tdxv_verdict *v, const json_t *launch)
{
	char list[8192] = "", what[512];
	unsigned i;

	if (!json_is_object(launch))
		return;
	for (i = 0; i < v->n_advisories; i++) {
		strcat(list, i ? "," : "");
		strncat(list, (const char *)v->advisory[i].p, v->advisory[i].n);
	}
	if (strcmp(list, text(launch, "advisories")) != 0) {
		snprintf(what, sizeof what, "advisories %.200s, not %.200s", list,
			 text(launch, "advisories"));
		complain(id, v, what);
	}
	if (v->tcb_date != json_integer_value(json_object_get(launch, "tcb_date"))) {
		snprintf(what, sizeof what, "TCB date %lld differs", (long long)v->tcb_date);
		complain(id, v, what);
	}
	if (strcmp(tdxv_tcb_status_name(v->tcb_status), text(launch, "status")) != 0) {
		snprintf(what, sizeof what, "status %s, not %s",
			 tdxv_tcb_status_name(v->tcb_status), text(launch, "status"));
		complain(id, v, what);
	}
}

static void judge(const json_t *entry, const struct tdxv_verdict *v)
{
	static const char *const call[] = {"pck_chain", "tcb_info", "qe_identity", "quote"};
	const json_t *expect = json_object_get(entry, "expect");
	const char *id = text(entry, "id"), *stage = text(expect, "stage");
	bool refused = false;
	size_t i;

	for (i = 0; i < sizeof differs / sizeof differs[0]; i++) {
		if (strcmp(id, differs[i].id) != 0)
			continue;
		if (differs[i].fails == TDXV_CHECK_COUNT ? !v->authentic
							 : !failed(v, differs[i].fails))
			complain(id, v, differs[i].why);
		return;
	}
	if (strcmp(stage, "certdata") == 0) {
		const char *status = text(expect, "stage_status");
		enum tdxv_check_id want = TDXV_CHECK_QUOTE_FORMAT;

		if (strcmp(status, "STATUS_OK") == 0)
			want = TDXV_CHECK_QUOTE_CERT_TYPE;
		else if (strcmp(status, "STATUS_MISSING_PARAMETERS") == 0)
			want = TDXV_CHECK_PCK_CHAIN_FORMAT;
		if (!failed(v, want) || v->authentic)
			complain(id, v, tdxv_check_name(want));
		return;
	}
	for (i = 0; i < 4; i++)
		refused |= refused_as_expected(id, v, call[i], text(expect, call[i]));
	if (refused == v->authentic)
		complain(id, v, refused ? "should be refused" : "should be authentic");
	if (!refused)
		compare_launch(id, v, json_object_get(expect, "launch"));
	if (v->accepted && (!v->authentic || v->tcb_status != TDXV_TCB_UP_TO_DATE))
		complain(id, v, "accepted without reason");
}

static struct tdxv_bytes view(const struct file *f)
{
	return (struct tdxv_bytes){f->p, f->n};
}

static void same_verdict(const char *id, const struct tdxv_verdict *v, struct tdxv_bytes quote,
			 const struct tdxv_collateral *c, struct tdxv_cache *cache, int64_t now,
			 const char *otherwise)
{
	static struct tdxv_verdict again;
	static char a[131072], b[131072];

	tdxv_verify(&again, quote.p, quote.n, c, NULL, cache, now);
	tdxv_verdict_json(a, sizeof a, v);
	tdxv_verdict_json(b, sizeof b, &again);
	if (strcmp(a, b) != 0)
		complain(id, &again, otherwise);
}

static void run(const json_t *entry, struct tdxv_cache *cache)
{
	static const char *const key[] = {"quote",
					  "tcb_info",
					  "qe_identity",
					  "tcb_signing_chain",
					  "qe_identity_signing_chain",
					  "pck_crl",
					  "pck_crl_issuer_chain",
					  "root_ca_crl",
					  "root_ca"};
	static struct tdxv_verdict v;
	struct tdxv_collateral_input in = {.tcb_info = {NULL, 0}};
	struct tdxv_collateral *c, *slow;
	struct tdxv_why why;
	struct file f[9];
	const char *id = text(entry, "id");
	int64_t now = json_integer_value(json_object_get(entry, "now"));
	size_t i;

	for (i = 0; i < 9; i++)
		f[i] = load(text(entry, key[i]));
	in.tcb_info = view(&f[1]);
	in.qe_identity = view(&f[2]);
	in.tcb_signing_chain = view(&f[3]);
	in.qe_identity_signing_chain = view(&f[4]);
	in.pck_crl = view(&f[5]);
	in.pck_crl_issuer_chain = view(&f[6]);
	in.root_ca_crl = view(&f[7]);
	assert_int_equal(tdxv_collateral_new(&c, &in, view(&f[8]), &why), TDXV_OK);
	tdxv_verify(&v, f[0].p, f[0].n, c, NULL, NULL, now);
	judge(entry, &v);
	/* With a cache shared by all vectors, twice: the same verdict each time. */
	same_verdict(id, &v, view(&f[0]), c, cache, now, "the cache changes the verdict");
	same_verdict(id, &v, view(&f[0]), c, cache, now, "the cache changes the verdict");
	tables_on = false;
	assert_int_equal(tdxv_collateral_new(&slow, &in, view(&f[8]), &why), TDXV_OK);
	same_verdict(id, &v, view(&f[0]), slow, NULL, now, "tables change the verdict");
	tables_on = true;
	tdxv_collateral_free(slow);
	tdxv_collateral_free(c);
	for (i = 0; i < 9; i++)
		free(f[i].p);
}

static void every_vector(void **state)
{
	static const char *const list[] = {"positive", "negative", "synthetic"};
	struct tdxv_cache *cache = tdxv_cache_new(16);
	struct file f = load("MANIFEST.json");
	json_t *manifest, *entry;
	size_t i, k, n = 0;

	(void)state;
	manifest = json_loadb((const char *)f.p, f.n, 0, NULL);
	assert_non_null(manifest);
	for (i = 0; i < 3; i++) {
		json_array_foreach (json_object_get(manifest, list[i]), k, entry) {
			run(entry, cache);
			n++;
		}
	}
	printf("%zu vectors, %d disagree\n", n, failures);
	assert_int_equal(failures, 0);
	assert_true(n > 400);
	json_decref(manifest);
	tdxv_cache_free(cache);
	free(f.p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(every_vector)};
	const char *dir = getenv("VECTORS_DIR"), *source = getenv("SOURCE_DIR");
	FILE *probe;

	if (dir && *dir)
		snprintf(root_dir, sizeof root_dir, "%s", dir);
	else
		snprintf(root_dir, sizeof root_dir, "%s/../shared/vectors", source ? source : ".");
	{
		char path[8192];

		snprintf(path, sizeof path, "%s/dcap/MANIFEST.json", root_dir);
		probe = fopen(path, "rb");
	}
	if (!probe) {
		puts("SKIPPED: there are no vectors (set VECTORS_DIR)");
		return 77;
	}
	fclose(probe);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
