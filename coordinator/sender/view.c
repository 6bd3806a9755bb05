/* One endpoint's view of the chain: the head first, then everything else from who answered it. */
#include "coordinator/sender/sender_io_internal.h"

#include <stdio.h>
#include <string.h>

enum view_call {
	CALL_HEAD = 0,
	CALL_LATEST = 0,
	CALL_PENDING,
	CALL_DEEP,
	CALL_BALANCE,
	CALL_RECEIPTS
};

static void view_progress(struct job *j)
{
	struct sender_view *view = &j->event.view;

	if (j->n_open)
		return;
	if (j->lacks_pending)
		view->nonce_pending = view->nonce_latest;
	sender_io_done(j);
}

static const char *method_of(unsigned i)
{
	if (i >= CALL_RECEIPTS)
		return "eth_getTransactionReceipt";
	return i == CALL_BALANCE ? "eth_getBalance" : "eth_getTransactionCount";
}

static bool read_number(struct job *j, unsigned i, const json_t *v, struct why *why)
{
	struct sender_view *view = &j->event.view;

	switch (i) {
	case CALL_LATEST: return rpc_parse_u64(v, &view->nonce_latest, why);
	case CALL_PENDING: return rpc_parse_u64(v, &view->nonce_pending, why);
	case CALL_DEEP: return rpc_parse_u64(v, &view->nonce_deep, why);
	default: view->has_balance = true; return rpc_parse_quantity(v, view->balance.be, why);
	}
}

static bool read_receipt(struct job *j, unsigned i, const json_t *v, struct why *why)
{
	const struct sender_intent *intent = sender_intent(j->io->sender);
	struct sender_receipt *out = &j->receipts[i];
	struct rpc_receipt r;

	if (!rpc_parse_receipt(v, &out->found, &r, why))
		return false;
	if (!out->found)
		return true;
	if (memcmp(r.tx_hash, intent->attempts[i].hash, 32) != 0) {
		why_set(why, "the receipt is of another transaction than was asked for");
		return false;
	}
	out->ok = r.ok;
	out->block_number = r.block_number;
	out->gas_used = r.gas_used;
	out->gas_price = r.effective_gas_price;
	memcpy(out->block_hash, r.block_hash, 32);
	return true;
}

/* Not every node tells everything. One that has dropped old state cannot prove the nonce at depth:
 * nothing is concluded then. */
static bool do_without(struct job *j, unsigned i, enum node_error e)
{
	struct sender_view *view = &j->event.view;

	switch (i) {
	case CALL_PENDING: j->lacks_pending = true; return true;
	case CALL_DEEP: view->nonce_deep = 0; return true;
	case CALL_BALANCE: view->has_balance = false; return true;
	default: return e == NODE_NOT_FOUND; /* some say so where others answer null */
	}
}

static void on_part(void *arg, const struct rpc_reply *reply)
{
	struct job_call *c = arg;
	struct job *j = c->job;
	unsigned i = (unsigned)(c - j->calls);
	struct why why = {""};

	if (!sender_io_take(c))
		return;
	if (reply->status == RPC_ERROR && do_without(j, i, reply->node_error)) {
		view_progress(j);
		return;
	}
	if (reply->status != RPC_OK) {
		sender_io_no_answer(j, reply->endpoint, reply->sentence);
		return;
	}
	if (reply->endpoint != j->event.endpoint) {
		sender_io_failed(j, "the endpoint failed in the middle of a view");
		return;
	}
	if (i < CALL_RECEIPTS ? !read_number(j, i, reply->result, &why)
			      : !read_receipt(j, i - CALL_RECEIPTS, reply->result, &why)) {
		why_wrap(&why, "%s", method_of(i));
		sender_io_no_answer(j, reply->endpoint, why.text);
		return;
	}
	view_progress(j);
}

static bool ask_part(struct job *j, unsigned i, const struct sender_intent *in)
{
	struct rpc_call_options o = {.prefer = j->event.endpoint + 1,
				     .deadline_ms = j->io->opts.sender.action_timeout_ms};
	uint64_t head = j->event.view.head;
	const char *block = i == CALL_PENDING ? "pending" : "latest";
	char number[24];
	struct buf params;
	bool ok;

	buf_init(&params, 256);
	if (i == CALL_DEEP) {
		snprintf(number, sizeof number, "0x%llx",
			 (unsigned long long)(head > j->depth ? head - j->depth : 0));
		block = number;
	}
	if (i >= CALL_RECEIPTS) {
		ok = buf_add_str(&params, "[\"") &&
		     sender_io_add_hex(&params, in->attempts[i - CALL_RECEIPTS].hash, 32) &&
		     buf_add_str(&params, "\"]");
	} else {
		ok = buf_add_str(&params, "[\"") && sender_io_add_hex(&params, in->from.b, 20) &&
		     buf_printf(&params, "\",\"%s\"]", block);
	}
	if (ok)
		ok = sender_io_call(j, i, method_of(i), &params, &o, on_part);
	else
		sender_io_failed(j, "out of memory");
	buf_free(&params);
	return ok;
}

static void on_head(void *arg, const struct rpc_reply *reply)
{
	struct job_call *c = arg;
	struct job *j = c->job;
	const struct sender_intent *in = sender_intent(j->io->sender);
	struct rpc_block block;
	struct why why = {""};
	bool found;
	unsigned i;

	if (!sender_io_take(c))
		return;
	if (reply->status != RPC_OK) {
		sender_io_no_answer(j, reply->endpoint, reply->sentence);
		return;
	}
	if (!rpc_parse_block(reply->result, &found, &block, &why) || !found) {
		sender_io_no_answer(j, reply->endpoint,
				    why.text[0] ? why.text : "the node has no latest block");
		return;
	}
	j->event.kind = SENDER_EV_VIEW;
	j->event.endpoint = reply->endpoint;
	j->lacks_pending = false;
	j->event.view = (struct sender_view){
	    .head = block.number, .n_receipts = in->n_attempts, .receipts = j->receipts};
	j->n_calls = CALL_RECEIPTS + in->n_attempts;
	for (i = 0; i < j->n_calls; i++)
		if (!ask_part(j, i, in))
			return;
}

void sender_io_read_view(struct job *j, const struct sender_action *a)
{
	struct rpc_call_options o = {.avoid = a->avoid,
				     .deadline_ms = j->io->opts.sender.action_timeout_ms};
	struct buf params;

	j->depth = a->depth;
	buf_init(&params, 64);
	if (!buf_add_str(&params, "[\"latest\",false]"))
		sender_io_failed(j, "out of memory");
	else
		sender_io_call(j, CALL_HEAD, "eth_getBlockByNumber", &params, &o, on_head);
	buf_free(&params);
}
