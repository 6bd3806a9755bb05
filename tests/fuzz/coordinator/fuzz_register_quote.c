/*
 * Any bytes, or edits to a good quote, as a quote on its way to L1.
 *
 * Promise: what comes out is a quote of its declared length that says what the other said: header,
 * body, signature, QE report. Doing it again changes nothing. What is refused has a sentence and
 * leaves no bytes.
 */
#include "coordinator/dcap/quote_call.h"
#include "coordinator/dcap/rehearsal.h"
#include "tests/fuzz/coordinator/edits.h"
#include "tests/unit/verifier/forge.h"

#include <stdlib.h>
#include <string.h>

#define RAW       0x80
#define LEAF_ONLY 0x40

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct forged good;

static bool same(struct tdxv_bytes a, struct tdxv_bytes b)
{
	return a.n == b.n && memcmp(a.p, b.p, a.n) == 0;
}

static void check(struct span in, struct span sent, bool leaf_only)
{
	struct tdxv_quote before, after;
	struct buf again;

	if (tdxv_quote_parse(&before, in.p, in.n, NULL) != TDXV_OK ||
	    tdxv_quote_parse(&after, sent.p, sent.n, NULL) != TDXV_OK ||
	    after.declared_size != sent.n || !same(before.signed_part, after.signed_part) ||
	    !same(before.qe_report, after.qe_report) || before.cert_type != after.cert_type)
		abort();
	buf_init(&again, TDXV_QUOTE_MAX);
	if (!quote_call_quote(&again, sent, leaf_only, NULL) || !span_eq(buf_span(&again), sent))
		abort();
	buf_free(&again);
}

/* The rehearsal's code holds whatever body the quote has. */
static void rehearse(struct span quote)
{
	static const uint8_t fmspc[6] = {1, 2, 3};
	struct why why = {""};
	struct buf code;

	buf_init(&code, 8192);
	if (!rehearsal_code(&code, quote, fmspc, TDXV_REPORT_V1_1, &why) &&
	    (!why.text[0] || code.len))
		abort();
	buf_free(&code);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static uint8_t edited[TDXV_QUOTE_MAX];
	struct span in;
	struct why why = {""};
	struct buf out;
	struct forge f;

	if (!good.quote.len) {
		forge_init(&f);
		forge_build(&good, &f);
	}
	if (n == 0)
		return 0;
	in = span_of(data + 1, n - 1);
	if (!(data[0] & RAW)) {
		memcpy(edited, good.quote.p, good.quote.len);
		apply_edits(edited, good.quote.len, data + 1, n - 1);
		in = span_of(edited, good.quote.len);
	}
	buf_init(&out, TDXV_QUOTE_MAX);
	if (quote_call_quote(&out, in, data[0] & LEAF_ONLY, &why))
		check(in, buf_span(&out), data[0] & LEAF_ONLY);
	else if (!why.text[0] || out.len)
		abort();
	buf_free(&out);
	rehearse(in);
	return 0;
}
