/* Packets to and from the process that holds the keys: refused, or the same again when written
 * back; and whatever is to be signed goes past the policy. */
#include "coordinator/signing/wire.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct eth_address from = {.b = {1}};
	struct policy policy;
	struct wire_message m;
	struct why why = {""};
	struct buf again;

	if (!wire_decode(&m, span_of(data, size)))
		return 0;
	buf_init(&again, WIRE_MESSAGE_MAX);
	if (!wire_encode(&again, &m) || !span_eq(buf_span(&again), span_of(data, size)))
		abort();
	policy_init(&policy, 0, 1000, 1000000);
	policy.from[SIGNING_SENDER] = policy.from[SIGNING_REGISTRAR] = from;
	policy_add_contract(&policy, SIGNING_UPLOAD, &m.tx.to, &why);
	if (m.kind == WIRE_SIGN && policy_permits(&policy, m.what, &m.tx, &why) &&
	    (m.tx.max_fee > 1000 || m.tx.gas > 1000000 ||
	     (m.tx.data.n && m.what != SIGNING_UPLOAD)))
		abort();
	buf_free(&again);
	return 0;
}
