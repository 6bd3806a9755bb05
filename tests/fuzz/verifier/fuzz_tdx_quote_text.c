/* Quotes as people paste them: hex, base64, arrays of bytes, logs. */
#include "verifier/tools/quote_text.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct buf b;

	buf_init(&b, 1 << 16);
	if (n && buf_add(&b, data, n) && !decode_quote_text(&b) && b.len > n)
		abort(); /* a text stands for no more bytes than it has itself */
	if (b.len > n)
		abort();
	buf_free(&b);
	return 0;
}
