/* fetch_collateral: from a directory of files, as one JSON object that holds each of them. */
#include "coordinator/fetch_collateral.h"
#include "tests/unit/verifier/forge.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/test_fetch_collateral.XXXXXX";
static struct config config;
static struct forged x;
static struct why why;

static const struct {
	const char *name;
	const struct buf *piece;
} files[] = {
    {"tcb_info.json", &x.tcb_info},
    {"qe_identity.json", &x.qe_identity},
    {"tcb_signing_chain.pem", &x.tcb_chain},
    {"pck_crl.der", &x.pck_crl},
    {"pck_crl_issuer_chain.pem", &x.pck_crl_chain},
    {"root_ca_crl.der", &x.root_crl},
    {"root.pem", &x.root},
};
#define FILES (sizeof files / sizeof *files)

static void write_file(const char *name, struct span content)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	f = fopen(path, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(content.p, 1, content.n, f), content.n);
	assert_int_equal(fclose(f), 0);
}

/* Collateral of today: the forge's own is of one day. */
static int start(void **state)
{
	const int64_t now = time(NULL);
	struct forge f;
	size_t i;

	(void)state;
	forge_init(&f);
	f.root_crl.from = f.pck_crl.from = now - FORGE_DAY;
	f.root_crl.to = f.pck_crl.to = now + FORGE_DAY;
	f.tcb_next = f.qe_next = "2045-01-01T00:00:00Z";
	forge_build(&x, &f);
	assert_non_null(mkdtemp(dir));
	for (i = 0; i < FILES; i++)
		write_file(files[i].name, buf_span(files[i].piece));
	snprintf(config.collateral_sources, sizeof config.collateral_sources, "dir:%s", dir);
	snprintf(config.dcap_root_file, sizeof config.dcap_root_file, "%s/root.pem", dir);
	snprintf(config.collateral_root_crl_url, sizeof config.collateral_root_crl_url,
		 "http://127.0.0.1:1/root.der");
	snprintf(config.data_dir, sizeof config.data_dir, "%s/data", dir);
	return 0;
}

static int end(void **state)
{
	char path[128];
	size_t i;

	(void)state;
	for (i = 0; i < FILES; i++) {
		snprintf(path, sizeof path, "%s/%s", dir, files[i].name);
		unlink(path);
	}
	forged_free(&x);
	forge_keys_free();
	return rmdir(dir);
}

static void is_piece(const json_t *bundle, const char *key, const struct buf *piece, bool hex)
{
	const char *text = json_string_value(json_object_get(bundle, key));
	struct buf bytes;

	assert_non_null(text);
	buf_init(&bytes, 1 << 16);
	assert_true(hex ? hex_decode_buf(&bytes, text, strlen(text)) : buf_add_str(&bytes, text));
	assert_int_equal(bytes.len, piece->len);
	assert_memory_equal(bytes.p, piece->p, piece->len);
	buf_free(&bytes);
}

static void each_piece_is_in_the_bundle(void **state)
{
	struct buf out;
	json_t *bundle;

	(void)state;
	buf_init(&out, 1 << 18);
	if (!fetch_collateral(&out, &config, buf_span(&x.quote), &why))
		fail_msg("%s", why.text);
	bundle = json_loadb((const char *)out.p, out.len, 0, NULL);
	is_piece(bundle, "tcb_info", &x.tcb_info, false);
	is_piece(bundle, "qe_identity", &x.qe_identity, false);
	is_piece(bundle, "tcb_signing_chain", &x.tcb_chain, false);
	is_piece(bundle, "pck_crl", &x.pck_crl, true);
	is_piece(bundle, "pck_crl_issuer_chain", &x.pck_crl_chain, false);
	is_piece(bundle, "root_ca_crl", &x.root_crl, true);
	json_decref(bundle);
	buf_free(&out);
}

static void what_cannot_be_fetched_is_told(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 1 << 18);
	assert_false(fetch_collateral(&out, &config, (struct span){x.quote.p, 100}, &why));
	assert_true(strlen(why.text) > 10);
	snprintf(config.collateral_sources, sizeof config.collateral_sources, "dir:%s/no", dir);
	assert_false(fetch_collateral(&out, &config, buf_span(&x.quote), &why));
	assert_non_null(strstr(why.text, "/no"));
	snprintf(config.collateral_sources, sizeof config.collateral_sources, "ftp://x");
	assert_false(fetch_collateral(&out, &config, buf_span(&x.quote), &why));
	assert_non_null(strstr(why.text, "ftp"));
	assert_int_equal(out.len, 0);
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_piece_is_in_the_bundle),
	    cmocka_unit_test(what_cannot_be_fetched_is_told),
	};

	return cmocka_run_group_tests(tests, start, end);
}
