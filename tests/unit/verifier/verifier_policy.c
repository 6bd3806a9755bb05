/* Policies: what is read from JSON, and what each member refuses. The cache, and memory. */
#include "encoding/endian.h"
#include "tests/unit/verifier/forge.h"

#include <openssl/crypto.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct tdxv_verdict v;
static struct tdxv_policy p;
static struct forged x;
static struct tdxv_collateral *c;

static int setup(void **state)
{
	struct forge f;

	(void)state;
	forge_init(&f);
	forge_build(&x, &f);
	forged_verify(&v, &c, &x, NULL, FORGE_NOW);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	tdxv_collateral_free(c);
	forged_free(&x);
	forge_keys_free();
	return 0;
}

static char *repeat(char *out, const char *two, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		memcpy(out + 2 * i, two, 2);
	out[2 * n] = '\0';
	return out;
}

/* MRTD is a0 x 48, RTMR0..3 are a1..a4 x 48: see the forger. */
static void judge(const char *json, bool accepted, int failing)
{
	struct tdxv_why why;
	char text[2048];

	if (tdxv_policy_parse(&p, json, strlen(json), &why) != TDXV_OK) {
		fprintf(stderr, "%s: %s\n", json, why.text);
		fail();
	}
	tdxv_verify(&v, x.quote.p, x.quote.len, c, &p, NULL, FORGE_NOW);
	tdxv_verdict_summary(text, sizeof text, &v);
	if (v.accepted != accepted)
		fprintf(stderr, "%s: %s\n", json, text);
	assert_int_equal(v.accepted, accepted);
	if (failing >= 0)
		assert_int_equal(v.check[failing].status, TDXV_FAIL);
}

static void images(void **state)
{
	char a0[97], a1[97], a2[97], json[4096];

	(void)state;
	repeat(a0, "a0", 48);
	repeat(a1, "a1", 48);
	repeat(a2, "a2", 48);
	snprintf(json, sizeof json, "{\"images\":[{\"name\":\"one\",\"mrtd\":\"%s\"}]}", a0);
	judge(json, true, -1);
	assert_string_equal(v.image, "one");
	snprintf(json, sizeof json,
		 "{\"images\":[{\"name\":\"one\",\"mrtd\":\"%s\",\"rtmr0\":[\"%s\",\"%s\"]}]}", a0,
		 a2, a1);
	judge(json, true, -1);
	snprintf(json, sizeof json,
		 "{\"images\":[{\"name\":\"one\",\"mrtd\":\"%s\",\"rtmr1\":\"%s\"}]}", a0, a1);
	judge(json, false, TDXV_CHECK_POLICY_RTMR1);
	assert_int_equal(v.check[TDXV_CHECK_POLICY_MRTD].status, TDXV_PASS);
	assert_int_equal(v.check[TDXV_CHECK_POLICY_RTMR0].status, TDXV_NOT_RUN);
	tdxv_check_sentence(json, sizeof json, &v, TDXV_CHECK_POLICY_RTMR1);
	assert_non_null(strstr(json, a2)); /* the value that it is */
	assert_non_null(strstr(json, a1)); /* and the one that it should be */
	/* Registers of two images do not add up to one. */
	snprintf(json, sizeof json,
		 "{\"images\":[{\"name\":\"one\",\"mrtd\":\"%s\",\"rtmr0\":\"%s\"},"
		 "{\"name\":\"two\",\"mrtd\":\"%s\",\"rtmr0\":\"%s\"}]}",
		 a0, a0, a1, a1);
	judge(json, false, TDXV_CHECK_POLICY_IMAGE);
	/* The second of two that are valid at once; and the one that is not valid yet, or any more.
	 */
	snprintf(
	    json, sizeof json,
	    "{\"images\":[{\"name\":\"one\",\"mrtd\":\"%s\"},{\"name\":\"two\",\"mrtd\":\"%s\","
	    "\"valid_from\":\"2026-01-15T00:00:00Z\","
	    "\"valid_until\":\"2026-01-15T00:00:00Z\"}]}",
	    a1, a0);
	judge(json, true, -1);
	assert_string_equal(v.image, "two");
	snprintf(json, sizeof json,
		 "{\"images\":[{\"name\":\"two\",\"mrtd\":\"%s\","
		 "\"valid_from\":\"2026-01-15T00:00:01Z\"}]}",
		 a0);
	judge(json, false, TDXV_CHECK_POLICY_IMAGE);
	snprintf(json, sizeof json,
		 "{\"images\":[{\"name\":\"two\",\"mrtd\":\"%s\","
		 "\"valid_until\":\"2026-01-14T23:59:59Z\"}]}",
		 a0);
	judge(json, false, TDXV_CHECK_POLICY_IMAGE);
}

static void the_rest(void **state)
{
	char z[97], json[1024];

	(void)state;
	judge("{}", true, -1);
	judge("{\"accepted_tcb_statuses\":[]}", false, TDXV_CHECK_POLICY_TCB_STATUS);
	judge("{\"accepted_tcb_statuses\":[\"UpToDate\",\"SWHardeningNeeded\"]}", true, -1);
	judge("{\"min_tcb_evaluation_number\":17}", true, -1);
	judge("{\"min_tcb_evaluation_number\":18}", false, TDXV_CHECK_POLICY_TCB_EVALUATION);
	judge("{\"td_attributes\":{\"mask\":\"0000001000000000\",\"value\":\"0000001000000000\"}}",
	      true, -1);
	judge("{\"td_attributes\":{\"mask\":\"0000001000000000\",\"value\":\"0000000000000000\"}}",
	      false, TDXV_CHECK_POLICY_TD_ATTRIBUTES);
	judge("{\"xfam\":{\"mask\":\"ff00000000000000\",\"value\":\"e700000000000000\"}}", true,
	      -1);
	judge("{\"xfam\":{\"mask\":\"ff00000000000000\",\"value\":\"e600000000000000\"}}", false,
	      TDXV_CHECK_POLICY_XFAM);
	snprintf(json, sizeof json, "{\"mrseam\":[\"%s\"],\"mrsignerseam\":\"%s\"}",
		 repeat(z, "00", 48), z);
	judge(json, true, -1);
	snprintf(json, sizeof json, "{\"mrseam\":\"%s\"}", repeat(z, "01", 48));
	judge(json, false, TDXV_CHECK_POLICY_MRSEAM);
	snprintf(json, sizeof json, "{\"mrsignerseam\":\"%s\"}", z);
	judge(json, false, TDXV_CHECK_POLICY_MRSIGNERSEAM);
	judge("{\"allowed_advisories\":[]}", true, -1);
}

/* What an SGX enclave does not have is not skipped. */
static void an_enclave_is_no_td(void **state)
{
	static const char z[] = "000000000000000000000000000000000000000000000000"
				"000000000000000000000000000000000000000000000000";
	static const struct {
		const char *json;
		int failing;
	} row[] = {
	    {"{\"td_attributes\":{\"mask\":\"0000000000000001\",\"value\":\"0000000000000000\"}}",
	     TDXV_CHECK_POLICY_TD_ATTRIBUTES},
	    {"{\"xfam\":{\"mask\":\"0000000000000001\",\"value\":\"0000000000000000\"}}",
	     TDXV_CHECK_POLICY_XFAM},
	    {"{\"mrseam\":\"%s\"}", TDXV_CHECK_POLICY_MRSEAM},
	    {"{\"mrsignerseam\":\"%s\"}", TDXV_CHECK_POLICY_MRSIGNERSEAM},
	    {"{\"images\":[{\"name\":\"one\",\"mrtd\":\"%s\"}]}", TDXV_CHECK_POLICY_IMAGE},
	};
	struct tdxv_collateral *of_sgx;
	struct forged enclave;
	struct forge f;
	char json[512];
	size_t i;

	(void)state;
	forge_init_kind(&f, 3, TDXV_BODY_SGX);
	forge_build(&enclave, &f);
	forged_verify(&v, &of_sgx, &enclave, NULL, FORGE_NOW);
	assert_true(v.accepted);
	for (i = 0; i < sizeof row / sizeof row[0]; i++) {
		const char *hole = strstr(row[i].json, "%s");

		if (hole)
			snprintf(json, sizeof json, "%.*s%s%s", (int)(hole - row[i].json),
				 row[i].json, z, hole + 2);
		else
			snprintf(json, sizeof json, "%s", row[i].json);
		assert_int_equal(tdxv_policy_parse(&p, json, strlen(json), NULL), TDXV_OK);
		tdxv_verify(&v, enclave.quote.p, enclave.quote.len, of_sgx, &p, NULL, FORGE_NOW);
		assert_false(v.accepted);
		assert_int_equal(v.check[row[i].failing].status, TDXV_FAIL);
	}
	tdxv_collateral_free(of_sgx);
	forged_free(&enclave);
}

static void bad_policies(void **state)
{
	static const char *const bad[] = {
	    "",
	    "[]",
	    "{",
	    "{}x",
	    "null",
	    "{\"accepted_tcb_status\":[]}",
	    "{\"accepted_tcb_statuses\":\"UpToDate\"}",
	    "{\"accepted_tcb_statuses\":[\"Revoked\"]}",
	    "{\"accepted_tcb_statuses\":[\"uptodate\"]}",
	    "{\"grace_days\":-1}",
	    "{\"grace_days\":1.5}",
	    "{\"grace_days\":1e3}",
	    "{\"grace_days\":36501}",
	    "{\"grace_days\":99999999999999999999}",
	    "{\"grace_days\":1,\"grace_days\":2}",
	    "{\"gr\\u0061ce_days\":1}",
	    "{\"allow_debug\":1}",
	    "{\"mrseam\":[]}",
	    "{\"mrseam\":\"00\"}",
	    "{\"images\":[]}",
	    "{\"images\":[{\"name\":\"x\"}]}",
	    "{\"images\":[{\"name\":\"\"}]}",
	    "{\"xfam\":{\"mask\":\"0000000000000000\"}}",
	    "{\"td_attributes\":{}}",
	    "{\"allow_debug\":true,}",
	    "{\"allowed_advisories\":[1]}",
	    "{\"min_tcb_evaluation_number\":4294967296}",
	};
	struct tdxv_why why;
	char deep[4096];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		why.text[0] = '\0';
		if (tdxv_policy_parse(&p, bad[i], strlen(bad[i]), &why) == TDXV_OK)
			fprintf(stderr, "accepted: %s\n", bad[i]);
		assert_int_equal(tdxv_policy_parse(&p, bad[i], strlen(bad[i]), &why),
				 TDXV_ERR_POLICY_FORMAT);
		assert_true(why.text[0] != '\0');
		assert_int_equal(p.accepted_statuses, 0); /* what is left accepts nothing */
	}
	memset(deep, '[', sizeof deep);
	assert_int_equal(tdxv_policy_parse(&p, deep, sizeof deep, NULL), TDXV_ERR_POLICY_FORMAT);
}

static void cache_is_bounded_and_exact(void **state)
{
	struct tdxv_cache *cache = tdxv_cache_new(2);
	struct tdxv_cache_stats s;
	struct forged other[3];
	struct forge f;
	int i;

	(void)state;
	assert_null(tdxv_cache_new(0));
	assert_null(tdxv_cache_new(4097));
	for (i = 0; i < 3; i++) {
		forge_init(&f);
		f.pck.serial = 100 + (unsigned)i;
		forge_build(&other[i], &f);
	}
	for (i = 0; i < 6; i++) {
		tdxv_verify(&v, other[i % 2].quote.p, other[i % 2].quote.len, c, NULL, cache,
			    FORGE_NOW);
		/* The collateral of one forging signs with the same keys as another's. */
		assert_true(v.accepted);
		assert_int_equal(v.ecdsa_operations, i < 2 ? 5 : 2);
	}
	tdxv_cache_stats(&s, cache);
	assert_int_equal(s.hits, 4);
	assert_int_equal(s.misses, 2);
	assert_int_equal(s.used, 2);
	tdxv_verify(&v, other[2].quote.p, other[2].quote.len, c, NULL, cache, FORGE_NOW);
	tdxv_cache_stats(&s, cache);
	assert_int_equal(s.evictions, 1);
	assert_int_equal(s.used, 2);
	/* Number 0 was the older one: it is the one that went. */
	tdxv_verify(&v, other[1].quote.p, other[1].quote.len, c, NULL, cache, FORGE_NOW);
	tdxv_cache_stats(&s, cache);
	assert_int_equal(s.hits, 5);
	/* Revoked after it was cached: the CRL decides, not the cache. */
	{
		struct tdxv_collateral *newer;
		struct forged y;

		forge_init(&f);
		f.pck_crl.revoked = 101;
		forge_build(&y, &f);
		forged_verify(&v, &newer, &y, NULL, FORGE_NOW);
		tdxv_verify(&v, other[1].quote.p, other[1].quote.len, newer, NULL, cache,
			    FORGE_NOW);
		assert_int_equal(v.check[TDXV_CHECK_PCK_LEAF_NOT_REVOKED].status, TDXV_FAIL);
		assert_false(v.accepted);
		tdxv_collateral_free(newer);
		forged_free(&y);
	}
	/* Trusted under the forged root is not trusted under Intel's. */
	{
		struct tdxv_collateral_input in;
		struct tdxv_collateral *intel;

		forged_input(&in, &other[1]);
		assert_int_equal(
		    tdxv_collateral_new(&intel, &in, (struct tdxv_bytes){NULL, 0}, NULL), TDXV_OK);
		tdxv_verify(&v, other[1].quote.p, other[1].quote.len, intel, NULL, cache,
			    FORGE_NOW);
		assert_int_equal(v.check[TDXV_CHECK_PCK_ROOT_TRUSTED].status, TDXV_FAIL);
		tdxv_collateral_free(intel);
	}
	for (i = 0; i < 3; i++)
		forged_free(&other[i]);
	tdxv_cache_free(cache);
}

/* The quote of one forging with its own leaf, but CA and root of another: nothing signs the chain.
 */
static void with_issuers_of(struct buf *out, const struct buf *leaf, const struct buf *issuers)
{
	static const char end[] = "-----END CERTIFICATE-----\n";
	struct tdxv_quote q, other;
	const uint8_t *mine, *theirs;
	size_t head, n;

	assert_int_equal(tdxv_quote_parse(&q, leaf->p, leaf->len, NULL), TDXV_OK);
	assert_int_equal(tdxv_quote_parse(&other, issuers->p, issuers->len, NULL), TDXV_OK);
	mine = memmem(q.cert_data.p, q.cert_data.n, end, sizeof end - 1);
	theirs = memmem(other.cert_data.p, other.cert_data.n, end, sizeof end - 1);
	assert_true(mine && theirs);
	buf_init(out, TDXV_QUOTE_MAX);
	assert_true(buf_add(out, leaf->p, (size_t)(mine - leaf->p)));
	assert_true(buf_add(out, theirs, (size_t)(other.cert_data.p + other.cert_data.n - theirs)));
	head = (size_t)(q.cert_data.p - leaf->p);
	n = out->len - head;
	put_le32(out->p + head - 4, (uint32_t)n);
	put_le32(out->p + 632, (uint32_t)(out->len - 636));
	put_le32(out->p + 636 + 128 + 2, (uint32_t)(out->len - (636 + 134)));
}

/* A CA that another leaf came with is not verified again, under the same root and no other. */
static void issuers_are_verified_once(void **state)
{
	struct tdxv_cache *cache = tdxv_cache_new(4);
	struct forged first, second;
	struct buf mixed;
	struct forge f;
	unsigned i;

	(void)state;
	forge_init(&f);
	forge_build(&first, &f);
	f.pck.serial = 200;
	forge_build(&second, &f);
	with_issuers_of(&mixed, &second.quote, &first.quote);
	tdxv_verify(&v, first.quote.p, first.quote.len, c, NULL, cache, FORGE_NOW);
	assert_true(v.accepted);
	assert_int_equal(v.ecdsa_operations, 5); /* root, CA, leaf, QE report, quote */
	tdxv_verify(&v, mixed.p, mixed.len, c, NULL, NULL, FORGE_NOW);
	assert_true(v.accepted);
	assert_int_equal(v.ecdsa_operations, 5);
	for (i = 0; i < 2; i++) {
		tdxv_verify(&v, mixed.p, mixed.len, c, NULL, cache, FORGE_NOW);
		assert_true(v.accepted);
		assert_int_equal(v.ecdsa_operations, i ? 2 : 3);
	}
	/* What the issuers did not sign is refused under them as ever. */
	buf_free(&mixed);
	f.pck.signer = KEY_EVIL;
	forged_free(&second);
	forge_build(&second, &f);
	with_issuers_of(&mixed, &second.quote, &first.quote);
	tdxv_verify(&v, mixed.p, mixed.len, c, NULL, cache, FORGE_NOW);
	assert_int_equal(v.check[TDXV_CHECK_PCK_LEAF_SIGNATURE].status, TDXV_FAIL);
	assert_false(v.accepted);
	buf_free(&mixed);
	forged_free(&first);
	forged_free(&second);
	tdxv_cache_free(cache);
}

static void *many(void *cache)
{
	static _Thread_local struct tdxv_verdict mine;
	size_t good = 0;
	int i;

	for (i = 0; i < 50; i++) {
		tdxv_verify(&mine, x.quote.p, x.quote.len, c, NULL, cache, FORGE_NOW);
		good += mine.accepted;
	}
	return (void *)good;
}

static void threads_share(void **state)
{
	struct tdxv_cache *cache = tdxv_cache_new(1);
	pthread_t t[4];
	void *good;
	int i;

	(void)state;
	for (i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&t[i], NULL, many, cache), 0);
	for (i = 0; i < 4; i++) {
		pthread_join(t[i], &good);
		assert_int_equal((size_t)good, 50);
	}
	tdxv_cache_free(cache);
}

/* -- Each allocation fails once: malloc and calloc are wrapped by the linker (the library calls no
 * other), OpenSSL is given the same. A failure may refuse; it must not crash, leak or accept
 * something else. -- */

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);

static long fail_at = -1, seen, own;

static bool fails_here(void)
{
	return fail_at >= 0 && seen++ == fail_at;
}

void *__wrap_malloc(size_t n)
{
	own++;
	return fails_here() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
	own++;
	return fails_here() ? NULL : __real_calloc(n, size);
}

static void *openssl_malloc(size_t n, const char *file, int line)
{
	(void)file;
	(void)line;
	return fails_here() ? NULL : __real_malloc(n);
}

static void *openssl_realloc(void *old, size_t n, const char *file, int line)
{
	(void)file;
	(void)line;
	return fails_here() ? NULL : realloc(old, n);
}

static void openssl_free(void *old, const char *file, int line)
{
	(void)file;
	(void)line;
	free(old);
}

/* With chain and collateral cached the library itself allocates nothing. */
static void warm_path_allocates_nothing(void **state)
{
	struct tdxv_cache *cache = tdxv_cache_new(2);

	(void)state;
	tdxv_verify(&v, x.quote.p, x.quote.len, c, NULL, cache, FORGE_NOW);
	assert_true(own > 0);
	own = 0;
	tdxv_verify(&v, x.quote.p, x.quote.len, c, NULL, cache, FORGE_NOW);
	assert_true(v.accepted);
	assert_int_equal(own, 0);
	tdxv_cache_free(cache);
}

static void each_allocation_fails_once(void **state)
{
	struct tdxv_collateral_input in;
	struct tdxv_collateral *fresh;
	struct tdxv_cache *cache;
	struct tdxv_why why;
	unsigned refused = 0;
	long n;

	(void)state;
	forged_input(&in, &x);
	for (n = 0;; n++) {
		bool accepted = false;

		seen = 0;
		fail_at = n;
		cache = tdxv_cache_new(2);
		if (tdxv_collateral_new(&fresh, &in, (struct tdxv_bytes){x.root.p, x.root.len},
					&why) == TDXV_OK) {
			tdxv_verify(&v, x.quote.p, x.quote.len, fresh, NULL, cache, FORGE_NOW);
			accepted = v.accepted;
			tdxv_verify(&v, x.quote.p, x.quote.len, fresh, NULL, cache, FORGE_NOW);
		} else {
			assert_null(fresh);
		}
		fail_at = -1;
		refused += !accepted;
		tdxv_collateral_free(fresh);
		tdxv_cache_free(cache);
		if (seen <= n) { /* the failure was never reached */
			assert_true(accepted);
			break;
		}
	}
	printf("%ld allocations failed one by one, %u verifications refused for it\n", n, refused);
	assert_true(n > 20);
	assert_true(refused > 0);
}

/* Each bit of the attributes under the default, and under a policy that names it. */
static void named_attributes(void **state)
{
	static const char *const words[] = {"allowed", "required", "refused"};
	struct tdxv_collateral *mine;
	struct forge g;
	struct forged y;
	char json[120], why[2048];
	unsigned bit, w;

	(void)state;
	for (bit = 0; bit < 64; bit++) {
		const char *word = tdxv_td_attribute_name(bit);
		bool fine = word && strchr("LPKS", word[0]) && strcmp(word, "PERFMON") != 0 &&
			    strcmp(word, "PERF_PROF") != 0 && strcmp(word, "PMT_PROF") != 0;

		forge_init(&g);
		g.body[TDXV_TD_TDATTRIBUTES + bit / 8] |= (uint8_t)(1u << bit % 8);
		forge_build(&y, &g);
		forged_verify(&v, &mine, &y, NULL, FORGE_NOW);
		assert_int_equal(v.accepted, fine);
		tdxv_verdict_summary(why, sizeof why, &v);
		if (!fine && word && bit > 7)
			assert_non_null(strstr(why, word));
		tdxv_collateral_free(mine);
		for (w = 0; word && w < 3; w++) {
			snprintf(json, sizeof json, "{\"td_attribute_bits\":{\"%s\":\"%s\"}}", word,
				 words[w]);
			assert_int_equal(tdxv_policy_parse(&p, json, strlen(json), NULL), TDXV_OK);
			forged_verify(&v, &mine, &y, &p, FORGE_NOW);
			assert_int_equal(v.accepted, w != 2);
			tdxv_collateral_free(mine);
		}
		forged_free(&y);
	}
	/* What is required and absent. */
	forge_init(&g);
	g.body[TDXV_TD_TDATTRIBUTES + 3] = 0;
	forge_build(&y, &g);
	forged_verify(&v, &mine, &y, NULL, FORGE_NOW);
	tdxv_verdict_summary(why, sizeof why, &v);
	assert_false(v.accepted);
	assert_true(v.authentic);
	assert_non_null(strstr(why, "no SEPT_VE_DISABLE"));
	tdxv_collateral_free(mine);
	forged_free(&y);
	for (w = 0; w < 4; w++) {
		static const char *const bad[] = {"{\"td_attribute_bits\":{\"TPB\":\"allowed\"}}",
						  "{\"td_attribute_bits\":{\"TPA\":\"yes\"}}",
						  "{\"td_attribute_bits\":{\"TPA\":true}}",
						  "{\"td_attribute_bits\":[]}"};

		assert_int_equal(tdxv_policy_parse(&p, bad[w], strlen(bad[w]), NULL),
				 TDXV_ERR_POLICY_FORMAT);
	}
}

/* The file that is shipped says in full what the default is. */
static void the_shipped_example_is_as_strict(void **state)
{
	const char *source = getenv("SOURCE_DIR");
	static char text[8192];
	struct tdxv_policy strict;
	char path[4096];
	size_t n;
	FILE *f;

	(void)state;
	snprintf(path, sizeof path, "%s/config/policy.example.json", source ? source : ".");
	f = fopen(path, "rb");
	assert_non_null(f);
	n = fread(text, 1, sizeof text, f);
	fclose(f);
	assert_int_equal(tdxv_policy_parse(&p, text, n, NULL), TDXV_OK);
	tdxv_policy_default(&strict);
	assert_true(p.td_allowed == strict.td_allowed && p.td_required == strict.td_required);
	assert_int_equal(p.accepted_statuses, strict.accepted_statuses);
	assert_false(p.allow_debug || p.allow_reserved_attributes);
	assert_int_equal(p.n_images, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(images),
	    cmocka_unit_test(the_rest),
	    cmocka_unit_test(an_enclave_is_no_td),
	    cmocka_unit_test(bad_policies),
	    cmocka_unit_test(cache_is_bounded_and_exact),
	    cmocka_unit_test(issuers_are_verified_once),
	    cmocka_unit_test(threads_share),
	    cmocka_unit_test(warm_path_allocates_nothing),
	    cmocka_unit_test(each_allocation_fails_once),
	    cmocka_unit_test(named_attributes),
	    cmocka_unit_test(the_shipped_example_is_as_strict),
	};

	if (CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free) != 1)
		return 1;
	return cmocka_run_group_tests(tests, setup, teardown);
}
