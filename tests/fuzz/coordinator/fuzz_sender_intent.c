/* A stored intent that was damaged: refused, or the same again when it is written back. */
#include "coordinator/sender/sender.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sender_intent in;
	struct why why = {""};
	struct buf again;

	sender_intent_init(&in);
	buf_init(&again, 1 << 20);
	if (sender_intent_decode(&in, span_of(data, size), &why)) {
		if (!sender_intent_encode(&in, &again) ||
		    !span_eq(buf_span(&again), span_of(data, size)))
			abort();
	} else if (!why.text[0]) {
		abort();
	}
	buf_free(&again);
	sender_intent_free(&in);
	return 0;
}
