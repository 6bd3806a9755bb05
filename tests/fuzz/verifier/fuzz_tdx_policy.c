/* Policies. */
#include "verifier/include/tdxverify.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct tdxv_policy p;
	struct tdxv_why why;

	if (tdxv_policy_parse(&p, (const char *)data, n, &why) != TDXV_OK)
		return 0;
	if (p.n_images > TDXV_IMAGES_MAX || p.n_advisories > TDXV_ADVISORY_MAX ||
	    p.accepted_statuses & 1u << TDXV_TCB_REVOKED)
		abort();
	return 0;
}
