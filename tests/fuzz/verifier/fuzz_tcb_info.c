/* TCB info: as served with its signature, and the body alone. */
#include "verifier/internal.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct tcb_info t;
	struct tdxv_bytes text = {data, n}, body;
	uint8_t signature[64];
	struct tdxv_why why;
	unsigned i;

	if (tdxv__json_signed(text, "tcbInfo", &body, signature, &why))
		text = body;
	if (!tdxv__tcb_info_parse(&t, text, &why))
		return 0;
	for (i = 0; i < t.n_levels; i++)
		if (t.level[i].advisory + t.level[i].n_advisories > t.pool.n)
			abort();
	return 0;
}
