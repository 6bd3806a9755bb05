#include "coordinator/l1/second.h"

#include "coordinator/l1/call.h"
#include "ethereum/abi.h"

#include <string.h>

static void on_second(void *arg, const struct l1_read *read)
{
	struct second *s = arg;
	struct uint256 word;
	uint64_t theirs;

	s->asking = false;
	/* Where no other endpoint is well, the first one answers once more: that is no second word.
	 */
	if (read->kind != L1_READ_OK || read->data.n < 32 || read->endpoint == s->first)
		return;
	memcpy(word.be, read->data.p, 32);
	if (!uint256_to_u64(&theirs, &word))
		return;
	s->confirmed = theirs < s->claimed ? theirs : s->claimed;
}

static void ask(struct second *s, uint64_t block)
{
	struct l1_call call = {
	    .to = &s->proposer, .block = block, .avoid = UINT32_C(1) << s->first};
	struct buf calldata;

	buf_init(&calldata, 64);
	if (abi_encode_call(&calldata, "lastVerifiedBatch()", NULL, 0, NULL) == ETH_OK) {
		call.calldata = buf_span(&calldata);
		s->asking = l1_call(s->rpc, &call, on_second, s);
	}
	buf_free(&calldata);
}

uint64_t second_confirm(struct second *s, int first, uint64_t claimed, uint64_t block)
{
	if (rpc_endpoint_count(s->rpc) < 2 || first < 0)
		return claimed;
	/* What the first one takes back is confirmed no more, whatever the other one said. */
	if (claimed < s->confirmed)
		s->confirmed = claimed;
	if (claimed > s->confirmed && !s->asking) {
		s->first = first;
		s->claimed = claimed;
		ask(s, block);
	}
	return s->confirmed;
}
