/* CRLs in DER, PEM and hex. */
#include "verifier/internal.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint8_t *scratch = malloc(n + !n); /* no more room than is promised */
	struct tdxv_why why;
	struct crl crl;

	if (scratch && tdxv__crl_parse(&crl, scratch, (struct tdxv_bytes){data, n}, &why))
		(void)tdxv__crl_has(&crl, (struct tdxv_bytes){data, n < 20 ? n : 20});
	free(scratch);
	return 0;
}
