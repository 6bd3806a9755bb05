/* QE identity: as served with its signature, and the body alone. */
#include "verifier/internal.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct qe_identity q;
	struct tdxv_bytes text = {data, n}, body;
	uint8_t signature[64];
	struct tdxv_why why;
	unsigned i;

	if (tdxv__json_signed(text, "enclaveIdentity", &body, signature, &why))
		text = body;
	if (!tdxv__qe_identity_parse(&q, text, &why))
		return 0;
	for (i = 1; i < q.n_levels; i++)
		if (q.level[i - 1].isvsvn <= q.level[i].isvsvn)
			abort();
	return 0;
}
