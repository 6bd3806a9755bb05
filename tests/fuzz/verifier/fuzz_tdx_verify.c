/*
 * Structure-aware: the input is a list of edits to a good quote, which is then signed anew by the
 * make-believe platform, so that the checks behind the signatures are reached. An edit is an
 * offset (2 bytes) and a value (1 byte). The first byte chooses the kind of quote and whether the
 * signatures are mended.
 *
 * Promise: nothing but an edit of free fields leaves the quote accepted with an authentic TCB, and
 * what is accepted has measurements that the policy was told to expect.
 */
#include "tests/unit/verifier/forge.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const struct {
	unsigned version;
	enum tdxv_body body;
} kinds[] = {{3, TDXV_BODY_SGX}, {4, TDXV_BODY_TD10}, {5, TDXV_BODY_TD15}, {5, TDXV_BODY_TD15EX}};

#define KINDS (sizeof kinds / sizeof kinds[0])

static struct world {
	struct forged x;
	struct tdxv_collateral *collateral;
} world[KINDS];

static struct tdxv_cache *cache;
static struct tdxv_policy policy;

static void build(void)
{
	static struct tdxv_verdict v;
	struct forge f;
	size_t i;

	tdxv_policy_default(&policy);
	policy.n_images = 1;
	strcpy(policy.image[0].name, "forged");
	policy.image[0].valid_from = INT64_MIN;
	policy.image[0].valid_until = INT64_MAX;
	policy.image[0].reg[TDXV_MRTD].n = 1;
	memset(policy.image[0].reg[TDXV_MRTD].value[0], 0xa0, 48);
	cache = tdxv_cache_new(8);
	for (i = 0; i < KINDS; i++) {
		forge_init_kind(&f, kinds[i].version, kinds[i].body);
		forge_build(&world[i].x, &f);
		forged_verify(&v, &world[i].collateral, &world[i].x, NULL, FORGE_NOW);
		if (!v.accepted)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct tdxv_verdict v;
	static uint8_t quote[TDXV_QUOTE_MAX];
	static char text[262144];
	const struct world *w;
	size_t size;
	bool mend;

	if (!cache)
		build();
	if (n == 0)
		return 0;
	mend = !(data[0] & 0x80);
	w = &world[data[0] % KINDS];
	size = w->x.quote.len;
	memcpy(quote, w->x.quote.p, size);
	if (data[0] & 0x40 && n > 2)
		size = (size_t)(data[1] | data[2] << 8) % (size + 1);
	for (n--, data++; n >= 3; n -= 3, data += 3)
		if (size)
			quote[(size_t)(data[0] | data[1] << 8) % size] = data[2];
	if (mend)
		forge_resign(quote, size);
	tdxv_verify(&v, quote, size, w->collateral, &policy, cache, FORGE_NOW);
	if (tdxv_verdict_json(text, sizeof text, &v) >= sizeof text)
		abort();
	tdxv_verdict_summary(text, sizeof text, &v);
	if (v.accepted &&
	    (!v.quote.tdx || v.quote.body.p[TDXV_TD_MRTD] != 0xa0 ||
	     v.quote.body.p[TDXV_TD_TDATTRIBUTES] & 1 || v.tcb_status != TDXV_TCB_UP_TO_DATE))
		abort();
	return 0;
}
