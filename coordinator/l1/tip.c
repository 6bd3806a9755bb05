#include "coordinator/l1/tip.h"

#include "coordinator/l1/call.h"
#include "ethereum/abi.h"

#include <string.h>

static void on_commitment(void *arg, const struct l1_read *read)
{
	static const uint8_t nothing[32];
	struct tip *t = arg;

	t->asking = false;
	/* A node that lags knows no such batch: its new state root is zero. */
	if (read->kind != L1_READ_OK || read->data.n < sizeof t->commitment ||
	    memcmp(read->data.p, nothing, sizeof nothing) == 0)
		return;
	if (t->known && memcmp(t->commitment, read->data.p, sizeof t->commitment) != 0)
		t->changed = true;
	memcpy(t->commitment, read->data.p, sizeof t->commitment);
	t->known = true;
	if (t->batch == t->newest)
		return;
	t->batch = t->newest;
	t->known = false;
}

bool tip_changed(struct tip *t, uint64_t committed)
{
	struct l1_call call = {.to = &t->proposer};
	const bool changed = t->changed;
	struct abi_value number;
	struct buf calldata;

	t->changed = false;
	t->newest = committed;
	if (committed < t->batch || !t->batch) { /* a fall is seen without our help */
		t->batch = committed;
		t->known = false;
	}
	if (t->asking || !t->batch)
		return changed;
	number = abi_u64(t->batch);
	buf_init(&calldata, 64);
	if (abi_encode_call(&calldata, "batchCommitments(uint256)", &number, 1, NULL) == ETH_OK) {
		call.calldata = buf_span(&calldata);
		t->asking = l1_call(t->rpc, &call, on_commitment, t);
	}
	buf_free(&calldata);
	return changed;
}
