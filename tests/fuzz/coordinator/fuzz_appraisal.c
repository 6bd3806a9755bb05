/*
 * Edits to a good quote, which the make-believe platform then signs anew unless the first byte's
 * high bit is set; 0x40 cuts it. Weighed as the daemon does, without collateral and with.
 *
 * Promise: what passes has the contract's image and somebody's key, passes both times, and can be
 * put into a call of register(); what does not pass has a sentence.
 */
#include "coordinator/dcap/quote_call.h"
#include "coordinator/verdicts/quote_check.h"
#include "tests/fuzz/coordinator/edits.h"
#include "tests/unit/verifier/forge.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const struct {
	unsigned version;
	enum tdxv_body body;
} kinds[] = {{4, TDXV_BODY_TD10}, {3, TDXV_BODY_SGX}, {5, TDXV_BODY_TD15}, {5, TDXV_BODY_TD15EX}};
#define KINDS (sizeof kinds / sizeof kinds[0])

static struct world {
	struct forged x;
	struct tdxv_collateral *nothing, *all;
} world[KINDS];
static struct tdxv_cache *cache;
static struct tdxv_policy policy;
static struct contract_image image;

static void build(void)
{
	static const struct tdxv_collateral_input no_pieces;
	struct tdxv_collateral_input in;
	struct tdxv_bytes root;
	struct forge f;
	size_t i;

	for (i = 0; i < KINDS; i++) {
		forge_init_kind(&f, kinds[i].version, kinds[i].body);
		forge_build(&world[i].x, &f);
		forged_input(&in, &world[i].x);
		root = (struct tdxv_bytes){world[i].x.root.p, world[i].x.root.len};
		if (tdxv_collateral_new(&world[i].nothing, &no_pieces, root, NULL) != TDXV_OK ||
		    tdxv_collateral_new(&world[i].all, &in, root, NULL) != TDXV_OK)
			abort();
		if (i > 0)
			continue;
		memcpy(image.measurement[0], f.body + TDXV_TD_MRTD, 48);
		for (int k = 0; k < 3; k++)
			memcpy(image.measurement[1 + k], f.body + TDXV_TD_RTMR0 + 48 * k, 48);
	}
	tdxv_policy_default(&policy);
	cache = tdxv_cache_new(8);
}

static void weigh(struct quote_checked *a, const struct world *w, struct span quote, bool whole)
{
	const struct quote_check_input in = {.quote = quote,
					     .collateral = whole ? w->all : w->nothing,
					     .whole = whole,
					     .policy = &policy,
					     .image = &image,
					     .cache = cache,
					     .now = FORGE_NOW};

	quote_check(a, &in);
	if (a->passed != !a->sentence[0] || (a->passed && !a->authentic_bytes))
		abort();
}

static void check_passed(const struct quote_checked *a, struct span quote)
{
	struct tdxv_quote q;
	struct buf out;

	if (tdxv_quote_parse(&q, quote.p, quote.n, NULL) != TDXV_OK || !q.tdx ||
	    memcmp(q.body.p + TDXV_TD_MRTD, image.measurement[0], 48) != 0 ||
	    q.body.p[TDXV_TD_TDATTRIBUTES] & 0x0f || eth_address_is_zero(&a->signer) ||
	    a->tcb_status != TDXV_TCB_UP_TO_DATE)
		abort();
	buf_init(&out, TDXV_QUOTE_MAX);
	if (!quote_call_quote(&out, quote, false, NULL) ||
	    !quote_call_quote(&out, quote, true, NULL))
		abort();
	buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static uint8_t quote[TDXV_QUOTE_MAX];
	static struct quote_checked own, whole;
	const struct world *w;
	size_t size;

	if (!cache)
		build();
	if (n == 0)
		return 0;
	w = &world[data[0] % KINDS];
	size = w->x.quote.len;
	memcpy(quote, w->x.quote.p, size);
	if (data[0] & 0x40 && n > 2)
		size = (size_t)(data[1] | data[2] << 8) % (size + 1);
	apply_edits(quote, size, data + 1, n - 1);
	if (!(data[0] & 0x80))
		forge_resign(quote, size);
	weigh(&own, w, span_of(quote, size), false);
	weigh(&whole, w, span_of(quote, size), true);
	if (whole.passed && !own.passed)
		abort();
	if (memcmp(&own.keys, &whole.keys, sizeof own.keys) != 0)
		abort();
	if (whole.passed)
		check_passed(&whole, span_of(quote, size));
	buf_free(&own.json);
	buf_free(&whole.json);
	return 0;
}
