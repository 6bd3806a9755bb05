/* A certificate in DER, and the same bytes as PEM text: chain parser and SGX extension. */
#include "verifier/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct chain chain;
	struct tdxv_bytes in = {data, n};
	struct tdxv_pck pck;
	struct tdxv_why why;
	struct cert cert;

	if (tdxv__cert_parse(&cert, in, &why))
		(void)tdxv__pck_parse(&pck, &cert, &why);
	if (tdxv__chain_parse(&chain, in, 1, &why))
		(void)tdxv__pck_parse(&pck, &chain.cert[0], &why);
	return 0;
}
