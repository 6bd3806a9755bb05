/*
 * read_le.h -- little-endian integers and bounded slices out of untrusted bytes.
 */
#ifndef MEASUREMENT_READ_LE_H
#define MEASUREMENT_READ_LE_H

#include "encoding/bytes.h"

static inline uint16_t le16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t le32(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t le64(const uint8_t *p)
{
	return le32(p) | (uint64_t)le32(p + 4) << 32;
}

/* The n bytes at an offset; false when they are not all there. */
static inline bool slice(struct span *out, struct span from, uint64_t at, uint64_t n)
{
	if (at > from.n || n > from.n - at)
		return false;
	*out = (struct span){from.p + at, (size_t)n};
	return true;
}

#endif
