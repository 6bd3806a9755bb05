/*
 * Never laxer than the readers that Intel's library stands on: what is accepted here of structures
 * edited at random, OpenSSL accepts too and reads as the same, and of JSON a writer makes the same
 * bytes again.
 */
#include "tests/differential/edit.h"
#include "tests/unit/verifier/forge.h"
#include "verifier/internal.h"

#include <jansson.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROUNDS 5000
#define ROOM   (1u << 18)

static struct forged good;
static struct rng rng = {1};
static char what[160];

static struct buf fresh(void)
{
	struct buf b;

	buf_init(&b, ROOM);
	return b;
}

/* -- PEM -- */

/* The certificates of a text as Intel's library cuts it up: from dash to the end of the end line,
 * each for OpenSSL. Returns how many, -1 when one cannot be read. */
static int by_openssl(X509 *out[4], const char *text)
{
	static const char begin[] = "-----BEGIN CERTIFICATE-----",
			  end[] = "-----END CERTIFICATE-----";
	const char *from = strstr(text, begin), *to = strstr(text, end);
	int n = 0;

	if (!from || !to || from >= to)
		return 0;
	for (; to; to = strstr(from, end)) {
		while (*from != '-')
			from++;
		to += sizeof end - 1;
		if (memmem(from, (size_t)(to - from), begin, sizeof begin - 1)) {
			BIO *bio = BIO_new_mem_buf(from, (int)(to - from));

			out[n] = n < 4 ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
			BIO_free(bio);
			if (!out[n])
				return -1;
			n++;
		}
		from = to;
	}
	return n;
}

static void same_der(X509 *cert, struct tdxv_bytes der)
{
	uint8_t *p = NULL;
	int n = i2d_X509(cert, &p);

	if (n < 0 || (size_t)n != der.n || memcmp(p, der.p, der.n) != 0)
		fail_msg("%s: OpenSSL reads another certificate", what);
	OPENSSL_free(p);
}

static void chains_in_pem(void **state)
{
	static struct chain chain;
	struct tdxv_quote q;
	unsigned taken = 0;
	size_t round;
	int n, i;

	(void)state;
	assert_int_equal(tdxv_quote_parse(&q, good.quote.p, good.quote.len, NULL), TDXV_OK);
	for (round = 0; round < ROUNDS; round++) {
		struct buf text = fresh();
		X509 *cert[5] = {NULL};

		edit_pem(&text, &rng, q.cert_data.p, q.cert_data.n, what, sizeof what);
		assert_true(buf_add(&text, "", 1));
		if (tdxv__chain_parse(&chain, tdxv__bytes(text.p, text.len), 3, NULL)) {
			taken++;
			n = by_openssl(cert, (const char *)text.p);
			if (n != 3)
				fail_msg(
				    "round %zu, %s: Intel's library finds %d certificates in\n%s",
				    round, what, n, (const char *)text.p);
			for (i = 0; i < n; i++)
				same_der(cert[i], chain.cert[i].der);
		}
		for (i = 0; i < 4; i++)
			X509_free(cert[i]);
		buf_free(&text);
	}
	printf("%u of %d edited chains are taken\n", taken, ROUNDS);
	assert_true(taken > ROUNDS / 20);
}

/* A CRL's issuer is compared with the name that its CA's certificate has: of another name no more
 * is asked than that it is an element. */
static struct tdxv_bytes crl_issuer;

static void good_issuer(void)
{
	static uint8_t kept[ROOM];
	struct crl c;

	assert_true(tdxv__crl_parse(&c, kept, tdxv__bytes(good.pck_crl.p, good.pck_crl.len), NULL));
	crl_issuer = c.issuer;
}

/* CRLs are read where the text begins. */
static void a_list_in_pem(void **state)
{
	static uint8_t scratch[ROOM];
	struct buf pem = fresh();
	unsigned taken = 0;
	struct crl c;
	size_t round;

	(void)state;
	good_issuer();
	forge_pem(&pem, "X509 CRL", good.pck_crl.p, good.pck_crl.len);
	for (round = 0; round < ROUNDS; round++) {
		struct buf text = fresh();
		X509_CRL *x;
		BIO *bio;

		edit_pem(&text, &rng, pem.p, pem.len, what, sizeof what);
		assert_true(buf_add(&text, "", 1));
		if (text.p[0] != '3' &&
		    tdxv__crl_parse(&c, scratch, tdxv__bytes(text.p, text.len - 1), NULL) &&
		    tdxv__bytes_eq(c.issuer, crl_issuer)) {
			taken++;
			bio = BIO_new_mem_buf(text.p, -1);
			x = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL);
			BIO_free(bio);
			if (!x)
				fail_msg("round %zu, %s: OpenSSL finds no CRL in\n%s", round, what,
					 (const char *)text.p);
			X509_CRL_free(x);
		}
		buf_free(&text);
	}
	buf_free(&pem);
	printf("%u of %d edited CRLs in PEM are taken\n", taken, ROUNDS);
	assert_true(taken > ROUNDS / 20);
}

/* -- DER -- */

static bool is_number(struct tdxv_bytes serial, const ASN1_INTEGER *theirs)
{
	BIGNUM *a = BN_bin2bn(serial.p, (int)serial.n, NULL), *b = ASN1_INTEGER_to_BN(theirs, NULL);
	bool same = a && b && BN_cmp(a, b) == 0;

	BN_free(a);
	BN_free(b);
	return same;
}

static int64_t seconds(const ASN1_TIME *t)
{
	struct tm tm;

	assert_int_equal(ASN1_TIME_to_tm(t, &tm), 1);
	return timegm(&tm);
}

static void compare_cert(const struct cert *c, X509 *x)
{
	const ASN1_BIT_STRING *key = X509_get0_pubkey_bitstr(x);

	assert_int_equal(X509_get_version(x), 2);
	assert_true(is_number(c->serial, X509_get0_serialNumber(x)));
	assert_int_equal(c->not_before, seconds(X509_get0_notBefore(x)));
	assert_int_equal(c->not_after, seconds(X509_get0_notAfter(x)));
	assert_int_equal(key->length, 65);
	assert_memory_equal(key->data + 1, c->key, 64);
	/* What a reader of other extensions than ours finds wrong with them is not our matter. */
	if (!(X509_get_extension_flags(x) & EXFLAG_INVALID))
		assert_int_equal(c->is_ca, (X509_get_extension_flags(x) & EXFLAG_CA) != 0);
}

static void certificates(void **state)
{
	uint8_t der[2][CERT_DER_MAX];
	size_t n[2], round, i;
	unsigned taken = 0;
	struct tdxv_bytes issuer[2];
	struct tdxv_quote q;
	struct cert c;
	bool wrong;

	(void)state;
	assert_int_equal(tdxv_quote_parse(&q, good.quote.p, good.quote.len, NULL), TDXV_OK);
	for (i = 0; i < 2; i++) { /* the leaf and its CA */
		assert_true(tdxv__pem_next(&q.cert_data, "CERTIFICATE", der[i], sizeof der[i],
					   &n[i], &wrong));
		assert_true(tdxv__cert_parse(&c, tdxv__bytes(der[i], n[i]), NULL));
		issuer[i] = c.issuer;
	}
	for (round = 0; round < ROUNDS; round++) {
		struct buf edited = fresh();
		const uint8_t *p;
		X509 *x;

		edit_der(&edited, &rng, der[round % 2], n[round % 2], what, sizeof what);
		/* The issuer's name is compared with the one that the CA's certificate has. */
		if (edited.len && tdxv__cert_parse(&c, tdxv__bytes(edited.p, edited.len), NULL) &&
		    tdxv__bytes_eq(c.issuer, issuer[round % 2])) {
			taken++;
			p = edited.p;
			x = d2i_X509(NULL, &p, (long)edited.len);
			if (!x || p != edited.p + edited.len)
				fail_msg("round %zu, %s: OpenSSL does not read it", round, what);
			compare_cert(&c, x);
			X509_free(x);
		}
		buf_free(&edited);
	}
	printf("%u of %d edited certificates are taken\n", taken, ROUNDS);
	assert_true(taken > ROUNDS / 20);
}

static void compare_crl(const struct crl *c, X509_CRL *x)
{
	STACK_OF(X509_REVOKED) *list = X509_CRL_get_REVOKED(x);
	struct tdxv_bytes entries = c->revoked, entry, serial;
	/* As Intel's library asks for it, and gives up where there is none, or two. */
	ASN1_INTEGER *number = X509_CRL_get_ext_d2i(x, NID_crl_number, NULL, NULL);
	int i;

	assert_non_null(number);
	ASN1_INTEGER_free(number);
	assert_int_equal(X509_CRL_get_version(x), 1);
	assert_int_equal(c->this_update, seconds(X509_CRL_get0_lastUpdate(x)));
	assert_int_equal(c->next_update, seconds(X509_CRL_get0_nextUpdate(x)));
	assert_int_equal(c->entries, list ? sk_X509_REVOKED_num(list) : 0);
	for (i = 0; i < (int)c->entries; i++) {
		const ASN1_INTEGER *theirs =
		    X509_REVOKED_get0_serialNumber(sk_X509_REVOKED_value(list, i));

		assert_true(tdxv__der_take(&entries, DER_SEQUENCE, &entry, NULL) &&
			    tdxv__der_take(&entry, DER_INTEGER, &serial, NULL));
		assert_true(is_number(serial, theirs));
		assert_true(tdxv__crl_has(c, serial));
	}
}

static void revocation_lists(void **state)
{
	static uint8_t scratch[ROOM];
	unsigned taken = 0;
	struct crl c;
	size_t round;

	(void)state;
	good_issuer();
	for (round = 0; round < ROUNDS; round++) {
		struct buf edited = fresh();
		const uint8_t *p;
		X509_CRL *x;

		edit_der(&edited, &rng, good.pck_crl.p, good.pck_crl.len, what, sizeof what);
		if (edited.len && edited.p[0] == 0x30 &&
		    tdxv__crl_parse(&c, scratch, tdxv__bytes(edited.p, edited.len), NULL) &&
		    tdxv__bytes_eq(c.issuer, crl_issuer)) {
			taken++;
			p = edited.p;
			x = d2i_X509_CRL(NULL, &p, (long)edited.len);
			if (!x)
				fail_msg("round %zu, %s: OpenSSL does not read it", round, what);
			compare_crl(&c, x);
			X509_CRL_free(x);
		}
		buf_free(&edited);
	}
	printf("%u of %d edited CRLs are taken\n", taken, ROUNDS);
	assert_true(taken > ROUNDS / 20);
}

/* -- JSON -- */

/* Intel's library verifies the signature over what it read and wrote again. */
static void written_again(struct tdxv_bytes body, size_t round)
{
	json_error_t error;
	json_t *root;
	char *text;
	size_t i;

	for (i = 0; i < body.n; i++)
		if (body.p[i] & 0x80) /* that writer minds UTF-8, this one does not */
			return;
	root = json_loadb((const char *)body.p, body.n, JSON_REJECT_DUPLICATES, &error);
	if (!root && (json_error_code(&error) == json_error_numeric_overflow ||
		      json_error_code(&error) == json_error_duplicate_key))
		return; /* its integers have 63 bits; Intel's library writes a member twice */
	if (!root)
		fail_msg("round %zu, %s: no JSON: %s", round, what, error.text);
	text = json_dumps(root, JSON_COMPACT | JSON_PRESERVE_ORDER);
	if (!text || strlen(text) != body.n || memcmp(text, body.p, body.n) != 0)
		fail_msg("round %zu, %s: written again it is\n%s\nnot\n%.*s", round, what, text,
			 (int)body.n, (const char *)body.p);
	free(text);
	json_decref(root);
}

static void signed_bodies(void **state)
{
	static struct tcb_info info;
	struct qe_identity identity;
	struct tdxv_bytes body[2];
	uint8_t signature[64];
	unsigned taken = 0;
	size_t round;
	bool ok;

	(void)state;
	assert_true(tdxv__json_signed(tdxv__bytes(good.tcb_info.p, good.tcb_info.len), "tcbInfo",
				      &body[0], signature, NULL));
	assert_true(tdxv__json_signed(tdxv__bytes(good.qe_identity.p, good.qe_identity.len),
				      "enclaveIdentity", &body[1], signature, NULL));
	for (round = 0; round < ROUNDS; round++) {
		struct buf edited = fresh();
		struct tdxv_bytes view;

		edit_json(&edited, &rng, body[round % 2].p, body[round % 2].n, what, sizeof what);
		view = tdxv__bytes(edited.p, edited.len);
		ok = edited.len > 0;
		if (ok && round % 2) {
			ok = tdxv__qe_identity_parse(&identity, view, NULL);
		} else if (ok) {
			ok = tdxv__tcb_info_parse(&info, view, NULL);
		}
		if (ok) {
			taken++;
			written_again(view, round);
		}
		buf_free(&edited);
	}
	printf("%u of %d edited bodies are taken\n", taken, ROUNDS);
	assert_true(taken > ROUNDS / 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(chains_in_pem), cmocka_unit_test(a_list_in_pem),
	    cmocka_unit_test(certificates),  cmocka_unit_test(revocation_lists),
	    cmocka_unit_test(signed_bodies),
	};
	struct forge f;
	int failures;

	forge_init(&f);
	f.has_platform = true;
	f.root_crl.revoked = f.pck_crl.revoked = 98;
	f.root_crl.more = f.pck_crl.more = 3;
	forge_build(&good, &f);
	failures = cmocka_run_group_tests(tests, NULL, NULL);
	forged_free(&good);
	forge_keys_free();
	return failures;
}
