/*
 * A type's text, a zero byte, then data: what decodes encodes again, and that decodes to the same.
 * The text is the fuzzer's or, when the first byte is below the number of types, one of a list.
 */
#include "ethereum/abi.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const types[] = {
    "(bool,bytes)",
    "(uint256,bytes[],bytes[],bytes[])",
    "(uint256,bytes32,(uint256,uint256,(address,uint256)[],bytes32[])[],(uint256,bytes32)[])",
    "(string,(uint8[2][],bool)[2])",
    "(uint256[][][])",
    "(address,bytes4,uint24)",
};

#define TYPES_N (sizeof types / sizeof types[0])

static void require(bool held)
{
	if (!held)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct abi_value *first, *second;
	struct buf once, twice;
	char own[256];
	const char *text = own;
	const uint8_t *end;
	struct why why = {{0}};
	struct span body;
	enum eth_error err;

	if (size == 0)
		return 0;
	if (data[0] < TYPES_N) {
		text = types[data[0]];
		body = span_of(data + 1, size - 1);
	} else {
		end = memchr(data, 0, size);
		if (!end || (size_t)(end - data) >= sizeof own)
			return 0;
		memcpy(own, data, (size_t)(end - data) + 1);
		body = span_of(end + 1, size - (size_t)(end - data) - 1);
	}

	err = abi_decode(&first, text, body, &why);
	if (err) {
		require(!first && why.text[0] != '\0');
		return 0;
	}
	/* Overlapping offsets may stand for more bytes than came in. */
	buf_init(&once, 1 << 26);
	buf_init(&twice, 1 << 26);
	err = abi_encode(&once, text, first->items.p, first->items.n, &why);
	require(err == ETH_OK || err == ETH_NO_ROOM);
	if (err == ETH_OK && abi_decode(&second, text, buf_span(&once), &why) == ETH_OK) {
		require(abi_encode(&twice, text, second->items.p, second->items.n, &why) == ETH_OK);
		require(span_eq(buf_span(&once), buf_span(&twice)));
		abi_value_free(second);
	} else {
		require(err == ETH_NO_ROOM);
	}
	buf_free(&once);
	buf_free(&twice);
	abi_value_free(first);
	return 0;
}
