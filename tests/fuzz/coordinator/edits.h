/* A fuzzer's input as edits to something good: an offset (2 bytes, little-endian) and a value each.
 */
#ifndef TESTS_FUZZ_EDITS_H
#define TESTS_FUZZ_EDITS_H

#include <stddef.h>
#include <stdint.h>

static inline void apply_edits(uint8_t *good, size_t size, const uint8_t *data, size_t n)
{
	for (; n >= 3 && size; n -= 3, data += 3)
		good[(size_t)(data[0] | data[1] << 8) % size] = data[2];
}

#endif
