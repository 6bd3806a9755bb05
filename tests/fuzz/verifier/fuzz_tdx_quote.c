/* Quotes and reports: parsing, the PCK certificate, every text that is made of them. */
#include "verifier/include/tdxverify.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct tdxv_quote q;
	struct tdxv_report r;
	struct tdxv_pck pck;
	struct tdxv_why why;

	if (tdxv_quote_parse(&q, data, n, &why) == TDXV_OK) {
		if (q.declared_size + q.trailing_size != n ||
		    q.body.n != tdxv_body_size(q.body_type) ||
		    q.cert_data.p + q.cert_data.n > data + n)
			abort();
		(void)tdxv_quote_pck(&pck, &q, &why);
	}
	if (tdxv_report_parse(&r, data, n, &why) == TDXV_OK &&
	    r.advisories.p + r.advisories.n != data + n)
		abort();
	return 0;
}
