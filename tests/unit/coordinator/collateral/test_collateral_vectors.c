/* Real collateral, as a directory source under Intel's own root, for the platforms of real quotes.
 */
#include "collateral_world.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char vectors[2048];

static const char *text(const json_t *vector, const char *member)
{
	const char *s = json_string_value(json_object_get(vector, member));

	assert_non_null(s);
	return s;
}

static void link_piece(const char *dir, const char *name, const json_t *vector, const char *member)
{
	char from[4096], to[256];

	snprintf(from, sizeof from, "%s/%s", vectors, text(vector, member));
	snprintf(to, sizeof to, "%s/%s", dir, name);
	unlink(to);
	assert_int_equal(symlink(from, to), 0);
}

static void link_pieces(const char *dir, const json_t *vector)
{
	static const char *const pieces[][2] = {
	    {"tcb_info.json", "tcb_info"},
	    {"qe_identity.json", "qe_identity"},
	    {"tcb_signing_chain.pem", "tcb_signing_chain"},
	    {"qe_identity_signing_chain.pem", "qe_identity_signing_chain"},
	    {"pck_crl", "pck_crl"},
	    {"pck_crl_issuer_chain.pem", "pck_crl_issuer_chain"},
	    {"root_ca_crl", "root_ca_crl"},
	};
	size_t i;

	for (i = 0; i < sizeof pieces / sizeof pieces[0]; i++)
		link_piece(dir, pieces[i][0], vector, pieces[i][1]);
}

static void load_quote(struct buf *quote, const json_t *vector)
{
	uint8_t block[65536];
	char path[4096];
	size_t n;
	FILE *f;

	snprintf(path, sizeof path, "%s/%s", vectors, text(vector, "quote"));
	f = fopen(path, "rb");
	assert_non_null(f);
	n = fread(block, 1, sizeof block, f);
	fclose(f);
	buf_init(quote, sizeof block);
	assert_true(buf_add(quote, block, n));
}

/* Gets collateral as the daemon would; true when the platform is a TDX one and it was served. */
static bool one_vector(struct world *w, const json_t *vector)
{
	struct tdxv_verdict v;
	struct buf quote;
	struct got g;
	bool served;

	w->now = json_integer_value(json_object_get(vector, "now"));
	load_quote(&quote, vector);
	world_open(w);
	tdxv_verify(&v, quote.p, quote.len, collateral_root_only(w->c), NULL, NULL, w->now);
	if (v.check[TDXV_CHECK_PCK_LEAF_SIGNATURE].status != TDXV_PASS) {
		/* Nothing would be fetched for it. */
		assert_string_not_equal(text(json_object_get(vector, "expect"), "pck_chain"),
					"STATUS_OK");
		world_close(w);
		buf_free(&quote);
		return false;
	}
	w->key = collateral_key_of(&v.pck);
	world_get(w, w->now, &g);
	served = g.set != NULL;
	if (v.quote.tdx) {
		if (!served)
			fail_msg("%s: %s", text(vector, "id"), g.sentence);
		tdxv_verify(&v, quote.p, quote.len, g.set->checked, NULL, NULL, w->now);
		assert_int_equal(v.check[TDXV_CHECK_TCB_INFO_FMSPC].status, TDXV_PASS);
		assert_int_equal(v.check[TDXV_CHECK_QE_IDENTITY_TEE].status, TDXV_PASS);
		assert_int_equal(v.check[TDXV_CHECK_PCK_CRL_ISSUER].status, TDXV_PASS);
		assert_int_equal(v.check[TDXV_CHECK_PCK_LEAF_NOT_REVOKED].status, TDXV_PASS);
	} else {
		assert_false(served);
		assert_says(g.sentence, "its TCB info is for SGX, not for TDX");
	}
	got_free(&g);
	world_close(w);
	buf_free(&quote);
	return served;
}

static void test_real_platforms(void **state)
{
	struct world *w = *state;
	char path[4096], dir[160];
	json_t *manifest, *vector;
	unsigned served = 0;
	size_t i;

	snprintf(path, sizeof path, "%s/MANIFEST.json", vectors);
	manifest = json_load_file(path, 0, NULL);
	assert_non_null(manifest);
	snprintf(dir, sizeof dir, "%s/real", w->dir);
	assert_int_equal(mkdir(dir, 0700), 0);
	snprintf(w->sources, sizeof w->sources, "dir:%s", dir);
	w->settings.root_file = "";
	json_array_foreach (json_object_get(manifest, "positive"), i, vector) {
		link_pieces(dir, vector);
		served += one_vector(w, vector);
	}
	printf("%u TDX platforms of %zu quotes\n", served, i);
	assert_true(served > 50);
	json_decref(manifest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_real_platforms, world_setup, world_teardown),
	};
	const char *dir = getenv("VECTORS_DIR"), *source = getenv("SOURCE_DIR");

	if (dir && *dir)
		snprintf(vectors, sizeof vectors, "%.2000s/dcap", dir);
	else
		snprintf(vectors, sizeof vectors, "%.1900s/../shared/vectors/dcap",
			 source ? source : ".");
	if (access(vectors, R_OK)) {
		printf("SKIPPED: %s is absent\n", vectors);
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
