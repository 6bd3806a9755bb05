/* quote_call_register: the quote is trimmed, and its chain becomes the leaf, with every length
 * right. */
#include "coordinator/dcap/quote_call.h"

#include "../../verifier/forge.h"
#include "ethereum/abi.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* What is not certification data or its length is as it was; the data is the leaf in DER. */
static void check_leaf_only(struct span quote)
{
	struct tdxv_quote before, after;
	struct tdxv_piece leaf, chain_leaf;
	uint8_t room[2048];
	struct buf out;
	struct why why = {{0}};
	size_t lengths[3], n;

	buf_init(&out, TDXV_QUOTE_MAX);
	assert_int_equal(tdxv_quote_parse(&before, quote.p, quote.n, NULL), TDXV_OK);
	if (!quote_call_quote(&out, quote, true, &why))
		fail_msg("%s", why.text);
	assert_int_equal(tdxv_quote_parse(&after, out.p, out.len, NULL), TDXV_OK);
	assert_int_equal(after.declared_size, out.len);
	assert_int_equal(after.trailing_size, 0);
	assert_int_equal(after.cert_type, 5);
	assert_int_equal(
	    tdxv_piece_certificate(&chain_leaf, room, sizeof room, before.cert_data, 0, NULL),
	    TDXV_OK);
	assert_int_equal(after.cert_data.n, chain_leaf.exact.n);
	assert_memory_equal(after.cert_data.p, chain_leaf.exact.p, chain_leaf.exact.n);
	assert_int_equal(after.cert_data.p[0], 0x30);
	n = (size_t)(after.cert_data.p - out.p);
	assert_true(out.len < before.declared_size);

	lengths[0] = (size_t)(before.signature.p - quote.p) - 4;
	lengths[1] = (size_t)(before.qe_report.p - quote.p) - 4;
	lengths[2] = n - 4;
	for (size_t i = 0; i < n; i++) {
		bool length = false;

		for (size_t k = 0; k < 3; k++)
			length = length || (i >= lengths[k] && i < lengths[k] + 4);
		if (!length && out.p[i] != quote.p[i])
			fail_msg("byte %zu was changed", i);
	}
	/* Doing it again changes nothing. */
	{
		struct buf again;

		buf_init(&again, TDXV_QUOTE_MAX);
		assert_true(quote_call_quote(&again, buf_span(&out), true, NULL));
		assert_true(span_eq(buf_span(&again), buf_span(&out)));
		buf_free(&again);
	}
	/* A PEM chain does not hide behind that; the leaf is no chain of one in PEM. */
	assert_int_not_equal(
	    tdxv_piece_certificate(&leaf, room, sizeof room, after.cert_data, 0, NULL), TDXV_OK);
	buf_free(&out);
}

static void check_trimmed(struct span quote, size_t declared)
{
	struct abi_value *v;
	uint8_t selector[4] = {0x82, 0xfb, 0xdc, 0x9c};
	struct buf out;

	buf_init(&out, TDXV_QUOTE_MAX + 100);
	assert_true(quote_call_register(&out, quote, false, NULL));
	assert_memory_equal(out.p, selector, 4);
	assert_int_equal(abi_decode(&v, "(bytes)", span_of(out.p + 4, out.len - 4), NULL), ETH_OK);
	assert_int_equal(v->items.p[0].bytes.n, declared);
	assert_memory_equal(v->items.p[0].bytes.p, quote.p, declared);
	abi_value_free(v);
	buf_free(&out);
}

static void forged_quotes(void **state)
{
	static const struct {
		unsigned version;
		enum tdxv_body body;
	} kinds[] = {{4, TDXV_BODY_TD10}, {5, TDXV_BODY_TD10}, {5, TDXV_BODY_TD15}};

	(void)state;
	for (size_t k = 0; k < 3; k++)
		for (unsigned auth = 0; auth <= 32; auth += 16) {
			static const uint8_t padding[70];
			struct forge f;
			struct forged x;
			size_t n;

			forge_init_kind(&f, kinds[k].version, kinds[k].body);
			f.auth_size = auth;
			forge_build(&x, &f);
			n = x.quote.len;
			check_trimmed(buf_span(&x.quote), n);
			check_leaf_only(buf_span(&x.quote));
			assert_true(buf_add(&x.quote, padding, sizeof padding));
			check_trimmed(buf_span(&x.quote), n);
			check_leaf_only(buf_span(&x.quote));
			forged_free(&x);
		}
}

static void refuse(struct span quote, bool leaf_only, size_t room, const char *words)
{
	struct why why = {{0}};
	struct buf out;

	buf_init(&out, room);
	assert_false(quote_call_quote(&out, quote, leaf_only, &why));
	assert_int_equal(out.len, 0);
	if (!strstr(why.text, words))
		fail_msg("\"%s\" does not say \"%s\"", why.text, words);
	assert_false(quote_call_register(&out, quote, leaf_only, &why));
	assert_int_equal(out.len, 0);
	buf_free(&out);
}

static void quotes_that_cannot_be_sent(void **state)
{
	struct tdxv_quote q;
	struct forge f;
	struct forged x;
	size_t at;

	(void)state;
	forge_init(&f);
	forge_build(&x, &f);
	refuse(span_of(x.quote.p, 100), false, 100000, "the quote ends inside its body");
	refuse(buf_span(&x.quote), false, 1000, "there is no room for a quote");
	assert_int_equal(tdxv_quote_parse(&q, x.quote.p, x.quote.len, NULL), TDXV_OK);
	at = (size_t)(q.cert_data.p - x.quote.p);
	x.quote.p[at - 6] = 3;
	refuse(buf_span(&x.quote), true, 100000, "certification data of type 3");
	x.quote.p[at - 6] = 5;
	x.quote.p[at + 100] = '*';
	refuse(buf_span(&x.quote), true, 100000, "PCK certificate cannot be read");
	forged_free(&x);
	forge_init_kind(&f, 3, TDXV_BODY_SGX);
	forge_build(&x, &f);
	refuse(buf_span(&x.quote), false, 100000, "version 3 cannot be registered");
	forged_free(&x);
}

static void the_shared_quote(void **state)
{
	const char *dir = getenv("VECTORS_DIR"), *source = getenv("SOURCE_DIR");
	char path[4096], *hex;
	struct buf quote;
	size_t n;
	FILE *in;

	(void)state;
	if (dir && dir[0])
		snprintf(path, sizeof path, "%s/quote.example", dir);
	else
		snprintf(path, sizeof path, "%s/../shared/vectors/quote.example",
			 source ? source : ".");
	in = fopen(path, "r");
	if (!in) {
		print_message("SKIPPED: %s is absent\n", path);
		skip();
	}
	hex = malloc(65536);
	n = fread(hex, 1, 65535, in);
	fclose(in);
	while (n && hex[n - 1] <= ' ')
		n--;
	buf_init(&quote, TDXV_QUOTE_MAX);
	assert_true(hex_decode_buf(&quote, hex, n));
	free(hex);
	assert_int_equal(quote.len, 5006);
	check_trimmed(buf_span(&quote), 4936);
	check_leaf_only(buf_span(&quote));
	buf_free(&quote);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(forged_quotes),
	    cmocka_unit_test(quotes_that_cannot_be_sent),
	    cmocka_unit_test(the_shared_quote),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	forge_keys_free();
	return failed;
}
