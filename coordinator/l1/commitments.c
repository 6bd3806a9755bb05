#include "coordinator/l1/commitments.h"

#include "coordinator/l1/call.h"
#include "encoding/utf8.h"
#include "ethereum/abi.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define COMMITMENT_CACHE 64

struct commitment_slot {
	uint64_t batch; /* 0 with !used */
	bool used;
	struct batch_commitment c; /* without initial_state_root */
};

struct commitments {
	struct rpc *rpc;
	struct eth_address proposer;
	struct commitment_slot cache[COMMITMENT_CACHE];
};

struct commitment_wish {
	struct commitments *book;
	uint64_t batch, l2_chain_id;
	unsigned outstanding;
	bool failed;
	char sentence[768];
	commitment_cb *cb;
	void *arg;
	struct half {
		struct commitment_wish *wish;
		uint64_t batch;
		struct batch_commitment c;
	} half[2]; /* the batch, and the one before */
};

static void commitment_end(struct commitment_wish *w)
{
	struct batch_commitment c = w->half[0].c;

	if (--w->outstanding)
		return;
	if (w->failed) {
		w->cb(w->arg, NULL, w->sentence);
	} else {
		memcpy(c.initial_state_root, w->half[1].c.new_state_root, 32);
		c.chain_id = uint256_from_u64(w->l2_chain_id);
		w->cb(w->arg, &c, "");
	}
	free(w);
}

static void on_commitment(void *arg, const struct l1_read *read)
{
	struct half *h = arg;
	struct commitment_wish *w = h->wish;
	struct commitment_slot *slot = &w->book->cache[h->batch % COMMITMENT_CACHE];
	static const uint8_t nothing[32];
	const uint8_t *p = read->data.p;

	/* newStateRoot, blobVersionedHash, privilegedRollingHash, withdrawalsRoot, lastBlockHash,
	 * nonPrivilegedTransactions, commitHash: the getter leaves out the struct's arrays. */
	if (read->kind != L1_READ_OK || read->data.n < 7 * 32) {
		w->failed = true;
		utf8_print(w->sentence, sizeof w->sentence, "batchCommitments(%" PRIu64 "): %s",
			   h->batch,
			   read->kind == L1_READ_REVERTED ? read->revert.text
			   : read->kind == L1_READ_FAILED ? read->sentence
							  : "no usable answer");
	} else if (memcmp(p, nothing, sizeof nothing) == 0) {
		/* A node that lags: no proof is judged by a commitment of zeros. */
		w->failed = true;
		utf8_print(w->sentence, sizeof w->sentence,
			   "the node that was asked knows no commitment of batch %" PRIu64,
			   h->batch);
	} else {
		memcpy(h->c.new_state_root, p, 32);
		memcpy(h->c.blob_versioned_hash, p + 32, 32);
		memcpy(h->c.privileged_rolling_hash, p + 64, 32);
		memcpy(h->c.withdrawals_root, p + 96, 32);
		memcpy(h->c.last_block_hash, p + 128, 32);
		memcpy(h->c.non_privileged_count.be, p + 160, 32);
		*slot = (struct commitment_slot){.batch = h->batch, .used = true, .c = h->c};
	}
	commitment_end(w);
}

bool commitments_get(struct commitments *c, uint64_t batch, uint64_t l2_chain_id, commitment_cb *cb,
		     void *arg)
{
	struct commitment_wish *w = calloc(1, sizeof *w);
	struct buf calldata;
	int i;

	if (!w)
		return false;
	*w = (struct commitment_wish){.book = c,
				      .batch = batch,
				      .l2_chain_id = l2_chain_id,
				      .cb = cb,
				      .arg = arg,
				      .outstanding = 1};
	buf_init(&calldata, 1024);
	for (i = 0; i < 2; i++) {
		struct half *h = &w->half[i];
		const struct commitment_slot *slot;
		struct abi_value v;
		struct l1_call call = {.to = &c->proposer};

		h->wish = w;
		h->batch = batch - (uint64_t)i;
		slot = &c->cache[h->batch % COMMITMENT_CACHE];
		if (slot->used && slot->batch == h->batch) {
			h->c = slot->c;
			continue;
		}
		v = abi_u64(h->batch);
		calldata.len = 0;
		w->outstanding++;
		if (abi_encode_call(&calldata, "batchCommitments(uint256)", &v, 1, NULL) ==
		    ETH_OK) {
			call.calldata = buf_span(&calldata);
			if (l1_call(c->rpc, &call, on_commitment, h))
				continue;
		}
		w->outstanding--;
		w->failed = true;
		snprintf(w->sentence, sizeof w->sentence, "too many JSON-RPC calls at once");
	}
	buf_free(&calldata);
	commitment_end(w);
	return true;
}

void commitments_forget(struct commitments *c)
{
	memset(c->cache, 0, sizeof c->cache);
}

bool commitments_new(struct commitments **out, struct rpc *rpc, const struct eth_address *proposer,
		     struct why *why)
{
	struct commitments *c = *out = calloc(1, sizeof *c);

	if (!c) {
		why_set(why, "out of memory");
		return false;
	}
	c->rpc = rpc;
	c->proposer = *proposer;
	return true;
}

void commitments_free(struct commitments *c)
{
	free(c);
}
