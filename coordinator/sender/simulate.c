/* A dry run or an estimate: is there code at the address, what is the account's nonce, and only
 * then the call itself, all of one endpoint. Without code every call "passes"; without the nonce
 * some nodes simulate nothing (ethrex). */
#include "coordinator/sender/sender_io_internal.h"
#include "ethereum/revert.h"

#include <stdio.h>

/* Times that the nonce is read before a node is taken at its word that it simulates nothing. */
#define NONCE_READS 3

/* Of any transaction. */
#define GAS_LEAST 21000

static void read_nonce(struct job *j, int endpoint);

static struct rpc_call_options options_of(const struct job *j, int endpoint)
{
	return (struct rpc_call_options){.avoid = j->avoid,
					 .prefer = endpoint + 1,
					 .deadline_ms = j->io->opts.sender.action_timeout_ms};
}

static bool put_block(struct buf *b, const struct job *j)
{
	return j->at_block == SENDER_LATEST
		   ? buf_add_str(b, "\"latest\"")
		   : buf_printf(b, "\"0x%llx\"", (unsigned long long)j->at_block);
}

/* ---- the call ---- */

static void called(struct job *j, enum sender_called result)
{
	j->event.called.result = result;
	sender_io_done(j);
}

static void on_error(struct job *j, const struct rpc_reply *reply)
{
	/* data comes with a revert, whatever the words are */
	const bool data = reply->node_error == NODE_OTHER && reply->has_data;
	struct eth_revert revert;

	switch (data ? NODE_REVERTED : reply->node_error) {
	case NODE_GAS_TOO_HIGH:
	case NODE_EXCEEDS_BLOCK_GAS: called(j, SENDER_CALL_DOES_NOT_FIT); return;
	case NODE_SIMULATION_NONCE:
		if (j->nonce_reads < NONCE_READS)
			read_nonce(j, reply->endpoint);
		else
			called(j, SENDER_CALL_UNUSABLE);
		return;
	case NODE_NO_METHOD:
		rpc_doubt(j->io->rpc, reply->endpoint, reply->message);
		called(j, SENDER_CALL_UNUSABLE);
		return;
	case NODE_SENDER_IS_CONTRACT: called(j, SENDER_CALL_UNUSABLE); return;
	case NODE_REVERTED:
		j->event.called.data = reply->data;
		revert_read(&revert, reply->data);
		if (revert.kind != REVERT_NONE)
			j->event.sentence = revert.text;
		called(j, SENDER_CALL_REVERTED);
		return;
	case NODE_OK:
	case NODE_NONCE_TOO_LOW:
	case NODE_NONCE_TOO_HIGH:
	case NODE_ALREADY_KNOWN:
	case NODE_REPLACEMENT_UNDERPRICED:
	case NODE_UNDERPRICED:
	case NODE_INSUFFICIENT_FUNDS:
	case NODE_WRONG_CHAIN_ID:
	case NODE_FEE_OVER_CAP:
	case NODE_OVERSIZED:
	case NODE_FEE_BELOW_BASE:
	case NODE_INDEXING:
	case NODE_POOL_FULL:
	case NODE_NOT_SYNCED:
	case NODE_NOT_FOUND:
	case NODE_RATE_LIMITED:
	case NODE_OTHER: break;
	}
	if (j->at_block == SENDER_LATEST)
		sender_io_no_answer(j, reply->endpoint, reply->sentence);
	else
		sender_io_failed(j, reply->sentence); /* the state of then may be gone */
}

static bool read_estimate(struct job *j, const json_t *result, struct why *why)
{
	uint64_t gas = 0;

	if (rpc_parse_u64(result, &gas, why) && gas < GAS_LEAST)
		why_set(why, "%llu gas is less than any transaction uses", (unsigned long long)gas);
	why_wrap(why, "eth_estimateGas");
	j->event.called.gas = gas;
	return gas >= GAS_LEAST;
}

static void on_called(void *arg, const struct rpc_reply *reply)
{
	struct job_call *c = arg;
	struct job *j = c->job;
	struct why why = {""};

	if (!sender_io_take(c))
		return;
	j->event = (struct sender_event){
	    .kind = SENDER_EV_CALLED, .endpoint = reply->endpoint, .sentence = reply->message};
	if (reply->status == RPC_ERROR)
		on_error(j, reply);
	else if (reply->status != RPC_OK)
		sender_io_failed(j, reply->sentence);
	else if (j->kind == SENDER_ESTIMATE && !read_estimate(j, reply->result, &why))
		sender_io_no_answer(j, reply->endpoint, why.text);
	else
		called(j, SENDER_CALL_OK);
}

/* nonce: NULL: the node does not tell it. */
static void call(struct job *j, int endpoint, const uint64_t *nonce)
{
	const struct sender_intent *in = sender_intent(j->io->sender);
	const struct rpc_call_options o = options_of(j, endpoint);
	struct buf b;
	bool ok;

	buf_init(&b, PARAMS_MAX);
	ok = buf_add_str(&b, "[{\"from\":\"") && sender_io_add_hex(&b, in->from.b, 20) &&
	     buf_add_str(&b, "\",\"to\":\"") && sender_io_add_hex(&b, in->to.b, 20) &&
	     buf_add_str(&b, "\",\"data\":\"") &&
	     sender_io_add_hex(&b, in->calldata.p, in->calldata.len) && buf_add_str(&b, "\"");
	if (nonce)
		ok = ok && buf_printf(&b, ",\"nonce\":\"0x%llx\"", (unsigned long long)*nonce);
	ok = ok && buf_add_str(&b, "}");
	if (j->kind == SENDER_DRY_RUN)
		ok = ok && buf_add_str(&b, ",") && put_block(&b, j);
	if (ok && buf_add_str(&b, "]"))
		sender_io_call(j, 0, j->kind == SENDER_DRY_RUN ? "eth_call" : "eth_estimateGas", &b,
			       &o, on_called);
	else
		sender_io_failed(j, "out of memory for the parameters of an RPC call");
	buf_free(&b);
}

/* ---- what is read before ---- */

static void on_nonce(void *arg, const struct rpc_reply *reply)
{
	struct job_call *c = arg;
	struct job *j = c->job;
	uint64_t nonce;

	if (!sender_io_take(c))
		return;
	if (reply->status != RPC_OK && reply->status != RPC_ERROR)
		sender_io_failed(j, reply->sentence);
	else if (reply->status == RPC_OK && rpc_parse_u64(reply->result, &nonce, NULL))
		call(j, reply->endpoint, &nonce);
	else
		call(j, reply->endpoint, NULL);
}

/* Of the account, or with at an address the code: both are asked of an address and a block. */
static void ask(struct job *j, const char *method, const struct eth_address *address, int endpoint,
		rpc_cb *cb)
{
	const struct rpc_call_options o = options_of(j, endpoint);
	struct buf b;

	buf_init(&b, 256);
	if (buf_add_str(&b, "[\"") && sender_io_add_hex(&b, address->b, 20) &&
	    buf_add_str(&b, "\",") && put_block(&b, j) && buf_add_str(&b, "]"))
		sender_io_call(j, 0, method, &b, &o, cb);
	else
		sender_io_failed(j, "out of memory");
	buf_free(&b);
}

static void read_nonce(struct job *j, int endpoint)
{
	j->nonce_reads++;
	ask(j, "eth_getTransactionCount", &sender_intent(j->io->sender)->from, endpoint, on_nonce);
}

static void on_code(void *arg, const struct rpc_reply *reply)
{
	struct job_call *c = arg;
	struct job *j = c->job;
	char to[ETH_ADDRESS_TEXT_SIZE];
	struct why why = {""};

	if (!sender_io_take(c))
		return;
	if (reply->status != RPC_OK && reply->status != RPC_ERROR) {
		sender_io_failed(j, reply->sentence);
		return;
	}
	if (reply->status == RPC_OK && json_string_length(reply->result) == 2) {
		eth_address_print(to, &sender_intent(j->io->sender)->to);
		why_set(&why,
			"there is no contract at %s: every call to it passes and does nothing", to);
		j->event = (struct sender_event){
		    .kind = SENDER_EV_CALLED, .endpoint = reply->endpoint, .sentence = why.text};
		called(j, SENDER_CALL_REVERTED);
		return;
	}
	/* where a node does not tell, the receipt's effect will */
	read_nonce(j, reply->endpoint);
}

void sender_io_simulate(struct job *j, const struct sender_action *a)
{
	j->at_block = a->kind == SENDER_DRY_RUN ? a->at_block : SENDER_LATEST;
	j->avoid = a->avoid;
	j->nonce_reads = 0;
	if (a->kind == SENDER_DRY_RUN && a->at_block == SENDER_LATEST)
		ask(j, "eth_getCode", &a->intent->to, -1, on_code);
	else
		read_nonce(j, -1);
}
