/*
 * digest.h -- SHA-384 as the measurement registers use it.
 *
 * A register starts as 48 zero bytes; extending it with a digest d makes it SHA-384(register || d)
 * (Intel TDX Module Base Architecture Specification, "TDG.MR.RTMR.EXTEND").
 */
#ifndef MEASUREMENT_DIGEST_H
#define MEASUREMENT_DIGEST_H

#include "encoding/bytes.h"

#define DIGEST_SIZE 48u
#define RTMR_COUNT  4u

void digest_of(uint8_t out[DIGEST_SIZE], struct span bytes);
void digest_extend(uint8_t reg[DIGEST_SIZE], const uint8_t digest[DIGEST_SIZE]);

/* A digest over pieces. start, add..., end; nothing else may come between. */
struct digest_stream {
	void *state; /* private */
};
void digest_start(struct digest_stream *s);
void digest_add(struct digest_stream *s, struct span bytes);
void digest_end(struct digest_stream *s, uint8_t out[DIGEST_SIZE]);

#endif
