/* Whatever a contract says becomes one printable line, of a kind that fits its parts. */
#include "ethereum/revert.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool held)
{
	if (!held)
		abort();
}

static void require_printable(const char *text, size_t size)
{
	require(memchr(text, 0, size) != NULL);
	for (; *text; text++)
		require(*text >= 0x20 && *text < 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct eth_revert r;

	revert_read(&r, span_of(data, size));
	require(r.text[0] != '\0');
	require_printable(r.text, sizeof r.text);
	require_printable(r.reason, sizeof r.reason);
	switch (r.kind) {
	case REVERT_NONE: require(size == 0 && !r.signature); break;
	case REVERT_STRING:
	case REVERT_PANIC: require(revert_is(&r, r.signature)); break;
	case REVERT_CUSTOM: require(revert_is(&r, r.signature) && r.meaning); break;
	case REVERT_UNKNOWN: require(size > 0 && !r.signature && !r.meaning); break;
	}
	return 0;
}
