/* A bundle of collateral and a policy, as other languages hand them over: text that ends in a NUL.
 */
#include "verifier/include/tdxverify.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const uint8_t quote[64];
	char *text = calloc(1, n + 2), *verdict;
	size_t bundle;

	if (!text)
		return 0;
	memcpy(text, data, n);
	/* What follows the first NUL is the policy; nothing: none. */
	bundle = strlen(text);
	verdict = tdxv_judge(quote, sizeof quote, text, text[bundle + 1] ? text + bundle + 1 : NULL,
			     NULL, 0);
	if (verdict && verdict[0] != '{')
		abort();
	tdxv_text_free(verdict);
	free(text);
	return 0;
}
