/*
 * A good quote with good collateral, broken in one place at a time: each break is refused, and the
 * check that names it is the one that fails.
 */
#include "tests/unit/verifier/forge.h"
#include "tests/unit/verifier/mutations.h"
#include "tests/unit/verifier/tables.h"

#include <openssl/x509.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct tdxv_verdict v;

static bool failed(enum tdxv_check_id id)
{
	return v.check[id].status == TDXV_FAIL;
}

/* The rest of the checks. other_ca, beside keep_root: the CRL and its issuer chain are another
 * CA's. */
#define other_ca 2

static const char ones48[] = "111111111111111111111111111111111111111111111111"
			     "111111111111111111111111111111111111111111111111";
static const char ones32[] = "1111111111111111111111111111111111111111111111111111111111111111";

#define MORE_MUTATIONS(M)                                                                          \
	M(f->root.from = FORGE_NOW + 1, PCK_CHAIN_TIME, 0)                                         \
	M(f->root.name = f->root.issuer = "Intel SGX Root C", PCK_CHAIN_NAMES, 0)                  \
	M(f->root.usage = 0x04, ROOT_CRL_ISSUER, 0)                                                \
	M(f->root.usage = 0x02, PCK_ROOT_TRUSTED, 0)                                               \
	M(f->root.no_constraints = true, PCK_CHAIN_FORMAT, keep_root)                              \
	M(f->pck.no_constraints = true, PCK_CHAIN_FORMAT, 0)                                       \
	M(f->tcb.no_constraints = true, TCB_SIGNING_CHAIN, 0)                                      \
	M(f->tcb.issuer = "Intel SGX Root C", TCB_SIGNING_CHAIN, 0)                                \
	M(f->tcb.from = FORGE_NOW + 1, TCB_SIGNING_TIME, 0)                                        \
	M(f->root_crl.signer = KEY_CA, ROOT_CRL_SIGNATURE, 0)                                      \
	M(f->pck_crl.signer = KEY_ROOT, PCK_CRL_SIGNATURE, 0)                                      \
	M((void)f, PCK_CRL_ISSUER, other_ca)                                                       \
	M(f->level[0].sgx = f->level[1].sgx = 6, PLATFORM_TCB, 0)                                  \
	M(f->module_mrsigner = ones48, TDX_MODULE_SIGNER, 0)                                       \
	M(f->qe_mrsigner = ones32, QE_MRSIGNER, 0)                                                 \
	M(f->qe_attributes = "13000000000000000000000000000000", QE_ATTRIBUTES, 0)                 \
	M(f->n_qe_levels = 0, QE_IDENTITY_FORMAT, 0)                                               \
	M(f->qe_level[1].sgx = 4, QE_IDENTITY_FORMAT, 0)                                           \
	M(f->qe_level[0].status = "SWHardeningNeeded", QE_IDENTITY_FORMAT, 0)                      \
	M(f->qe_level[0].status = "Revoked", POLICY_TCB_STATUS, 0)                                 \
	M(f->attestation_key = KEY_EVIL, QUOTE_SIGNATURE, 0)                                       \
	M(f->key_off_curve = true, QUOTE_KEY, 0)                                                   \
	M(f->cert_type = 4, QUOTE_CERT_TYPE, 0)                                                    \
	M(f->cert_type = 6, QUOTE_FORMAT, 0)                                                       \
	M(forge_init_kind(f, 5, TDXV_BODY_TD15);                                                   \
	  f->body[TDXV_TD_TEE_TCB_SVN2 + 1] = 9, CURRENT_TCB, 0)

static void swap(struct buf *a, struct buf *b)
{
	struct buf t = *a;

	*a = *b;
	*b = t;
}

static void good_ones_pass(void **state)
{
	static const struct {
		unsigned version;
		enum tdxv_body body;
	} kinds[] = {{3, TDXV_BODY_SGX},   {4, TDXV_BODY_SGX},  {5, TDXV_BODY_SGX},
		     {4, TDXV_BODY_TD10},  {5, TDXV_BODY_TD10}, {5, TDXV_BODY_TD15},
		     {5, TDXV_BODY_TD15EX}};
	struct tdxv_collateral_facts facts;
	struct tdxv_collateral *c;
	struct forge f;
	struct forged x;
	char why[2048];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		forge_init_kind(&f, kinds[i].version, kinds[i].body);
		forge_build(&x, &f);
		forged_verify(&v, &c, &x, NULL, FORGE_NOW);
		tdxv_verdict_summary(why, sizeof why, &v);
		if (!v.accepted)
			fprintf(stderr, "version %u body %d: %s\n", kinds[i].version,
				(int)kinds[i].body, why);
		assert_true(v.accepted);
		assert_int_equal(v.tcb_status, TDXV_TCB_UP_TO_DATE);
		tdxv_collateral_facts(&facts, c);
		assert_true(facts.usable);
		assert_int_equal(facts.valid_from, FORGE_NOW - FORGE_DAY); /* the CRLs */
		assert_int_equal(facts.valid_to, 1770595200);
		/* Root, TCB signing, PCK CA, two CRLs, two bodies; PCK, QE report, quote. */
		assert_int_equal(facts.ecdsa_operations + v.ecdsa_operations, 10);
		tdxv_collateral_free(c);
		forged_free(&x);
	}
}

/* The forger's certificates are certificates to OpenSSL too. */
static void openssl_agrees(void **state)
{
	struct forge f;
	struct forged x;
	X509 *cert[2];
	X509_CRL *crl;
	const uint8_t *p;

	(void)state;
	forge_init(&f);
	forge_build(&x, &f);
	p = x.pck_crl.p;
	crl = d2i_X509_CRL(NULL, &p, (long)x.pck_crl.len);
	assert_non_null(crl);
	assert_ptr_equal(p, x.pck_crl.p + x.pck_crl.len);
	{
		uint8_t der[2][4096];
		int i;
		char pem[16384] = ""; /* strstr needs the NUL that a view does not have */
		const char *at = pem;

		assert_true(x.pck_crl_chain.len < sizeof pem);
		memcpy(pem, x.pck_crl_chain.p, x.pck_crl_chain.len);
		for (i = 0; i < 2; i++) {
			const char *b = strstr(at, "-----\n") + 6, *e = strchr(b, '\n');

			assert_true(EVP_DecodeBlock(der[i], (const uint8_t *)b, (int)(e - b)) > 0);
			p = der[i];
			cert[i] = d2i_X509(NULL, &p, sizeof der[i]);
			assert_non_null(cert[i]);
			at = strstr(e, "-----BEGIN");
		}
	}
	assert_int_equal(X509_verify(cert[0], X509_get0_pubkey(cert[1])), 1);
	assert_int_equal(X509_verify(cert[1], X509_get0_pubkey(cert[1])), 1);
	assert_int_equal(X509_CRL_verify(crl, X509_get0_pubkey(cert[0])), 1);
	X509_free(cert[0]);
	X509_free(cert[1]);
	X509_CRL_free(crl);
	forged_free(&x);
}

static void every_mutation_is_refused(void **state)
{
	struct tdxv_collateral *c;
	struct forge plain, *f = &plain;
	struct forged x, good, other;
	bool named[TDXV_CHECK_COUNT] = {false};
	unsigned n = 0, wrong = 0;
	char why[2048];
	int i;

	(void)state;
	forge_init(f);
	forge_build(&good, f);
	f->ca.name = f->pck.issuer = f->pck_crl.issuer = "Intel SGX PCK Processor CA";
	forge_build(&other, f);
#define M(change, id, how)                                                                         \
	forge_init(f);                                                                             \
	change;                                                                                    \
	forge_build(&x, f);                                                                        \
	if ((int)(how) == keep_root) {                                                             \
		buf_free(&x.root);                                                                 \
		buf_init(&x.root, 1 << 16);                                                        \
		buf_add(&x.root, good.root.p, good.root.len);                                      \
	} else if ((int)(how) == other_ca) {                                                       \
		swap(&x.pck_crl, &other.pck_crl);                                                  \
		swap(&x.pck_crl_chain, &other.pck_crl_chain);                                      \
	}                                                                                          \
	named[TDXV_CHECK_##id] = true;                                                             \
	forged_verify(&v, &c, &x, NULL, FORGE_NOW);                                                \
	if (v.accepted || !(failed(TDXV_CHECK_##id) ||                                             \
			    ((int)(how) == keep_root && failed(TDXV_CHECK_PCK_ROOT_TRUSTED)))) {   \
		tdxv_verdict_summary(why, sizeof why, &v);                                         \
		fprintf(stderr, "%s should fail %s: %s\n", #change, #id, why);                     \
		wrong++;                                                                           \
	}                                                                                          \
	n++;                                                                                       \
	tdxv_collateral_free(c);                                                                   \
	forged_free(&x);
	MUTATIONS(M)
	MORE_MUTATIONS(M)
#undef M
	/* No check of the quote or the collateral is left that no mutation names. */
	for (i = 0; i < TDXV_CHECK_COUNT; i++) {
		if (tdxv_check_is_policy((enum tdxv_check_id)i) || named[i])
			continue;
		fprintf(stderr, "no mutation fails %s\n", tdxv_check_name((enum tdxv_check_id)i));
		wrong++;
	}
	forged_free(&good);
	forged_free(&other);
	printf("%u mutations, %u not refused as they should be\n", n, wrong);
	assert_int_equal(wrong, 0);
}

/* A flipped bit anywhere in the declared bytes is refused; after them it is not looked at. */
static void every_byte_counts(void **state)
{
	struct tdxv_collateral *c;
	struct tdxv_cache *cache = tdxv_cache_new(8);
	struct forge f;
	struct forged x;
	size_t i, pem_end;

	(void)state;
	forge_init(&f);
	forge_build(&x, &f);
	forged_verify(&v, &c, &x, NULL, FORGE_NOW);
	assert_true(v.accepted);
	pem_end = x.quote.len - 2; /* newline and NUL after the last certificate */
	for (i = 0; i < pem_end; i += i < 1300 ? 1 : 37) {
		if (x.quote.p[i] == '\n') /* white space between certificates is free */
			continue;
		x.quote.p[i] ^= 1;
		tdxv_verify(&v, x.quote.p, x.quote.len, c, NULL, cache, FORGE_NOW);
		if (v.accepted)
			fprintf(stderr, "byte %zu may be changed\n", i);
		assert_false(v.accepted);
		x.quote.p[i] ^= 1;
	}
	for (i = 0; i < x.quote.len; i++) {
		struct tdxv_quote q;

		assert_int_equal(tdxv_quote_parse(&q, x.quote.p, i, NULL), TDXV_ERR_QUOTE_FORMAT);
	}
	assert_true(buf_add(&x.quote, "garbage", 7));
	tdxv_verify(&v, x.quote.p, x.quote.len, c, NULL, cache, FORGE_NOW);
	assert_true(v.accepted);
	assert_int_equal(v.quote.trailing_size, 7);
	tdxv_collateral_free(c);
	tdxv_cache_free(cache);
	forged_free(&x);
}

/* The same in the collateral, piece by piece. */
static void every_byte_of_collateral_counts(void **state)
{
	struct tdxv_collateral *c;
	struct forge f;
	struct forged x;
	size_t i, k;

	(void)state;
	forge_init(&f);
	forge_build(&x, &f);
	for (k = 0; k < 4; k++) {
		struct buf *b[] = {&x.tcb_info, &x.qe_identity, &x.pck_crl, &x.root_crl};

		for (i = 0; i < b[k]->len; i += 29) {
			b[k]->p[i] ^= 1;
			forged_verify(&v, &c, &x, NULL, FORGE_NOW);
			if (v.accepted)
				fprintf(stderr, "piece %zu byte %zu may be changed\n", k, i);
			assert_false(v.accepted);
			tdxv_collateral_free(c);
			b[k]->p[i] ^= 1;
		}
		/* Absent, it is a failed check and not a crash. */
		i = b[k]->len;
		b[k]->len = 0;
		forged_verify(&v, &c, &x, NULL, FORGE_NOW);
		assert_false(v.accepted);
		tdxv_collateral_free(c);
		b[k]->len = i;
	}
	forged_free(&x);
}

/* Signed is the object from brace to brace, whatever stands around it. */
static void white_space_around_the_body_is_free(void **state)
{
	static const char begin[] = "{ \n\"signature\":", middle[] = " ,\n\t\"tcbInfo\" : ",
			  end[] = "\r\n }";
	struct tdxv_collateral *c;
	struct forge f;
	struct forged x;
	size_t body = strlen("{\"tcbInfo\":"), signature = 130; /* with its quotes */
	size_t n;
	struct buf text;

	(void)state;
	forge_init(&f);
	forge_build(&x, &f);
	n = x.tcb_info.len - body - strlen(",\"signature\":") - signature - 1;
	buf_init(&text, x.tcb_info.max);
	assert_true(buf_add_str(&text, begin) &&
		    buf_add(&text, x.tcb_info.p + x.tcb_info.len - 1 - signature, signature) &&
		    buf_add_str(&text, middle) && buf_add(&text, x.tcb_info.p + body, n) &&
		    buf_add_str(&text, end));
	buf_free(&x.tcb_info);
	x.tcb_info = text;
	forged_verify(&v, &c, &x, NULL, FORGE_NOW);
	assert_true(v.accepted);
	tdxv_collateral_free(c);
	forged_free(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(white_space_around_the_body_is_free),
	    cmocka_unit_test(good_ones_pass),
	    cmocka_unit_test(openssl_agrees),
	    cmocka_unit_test(every_mutation_is_refused),
	    cmocka_unit_test(every_byte_counts),
	    cmocka_unit_test(every_byte_of_collateral_counts),
	};
	uint8_t xy[64];
	int failures, k;

	tables_on = false;
	failures = cmocka_run_group_tests_name("without tables", tests, NULL, NULL);
	/* All the same where every signer has a table. */
	tables_on = true;
	for (k = 0; k < KEYS; k++) {
		forge_public_key(xy, (enum forge_key)k);
		tables_add(xy);
	}
	failures += cmocka_run_group_tests_name("with tables", tests, NULL, NULL);
	tables_free();
	forge_keys_free();
	return failures;
}
