/*
 * slice.h -- bounded pieces, and integers, out of untrusted bytes.
 */
#ifndef MEASUREMENT_SLICE_H
#define MEASUREMENT_SLICE_H

#include "encoding/bytes.h"
#include "encoding/endian.h"

/* The n bytes at an offset; false when they are not all there. */
static inline bool slice(struct span *out, struct span from, uint64_t at, uint64_t n)
{
	if (at > from.n || n > from.n - at)
		return false;
	*out = (struct span){from.p + at, (size_t)n};
	return true;
}

#endif
