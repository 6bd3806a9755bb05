#include "coordinator/l1/call.h"

#include "coordinator/l1/rpc_parse.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CALL_BODY_MAX (512u * 1024)

struct pending_call {
	struct rpc *rpc;
	l1_read_cb *cb;
	void *arg;
	struct rpc_call_options options;
	/* the parameters before and after the nonce */
	struct buf head, tail;
	bool has_from;
	bool ordinary; /* the newest state as it is: every node that is well has an answer */
	char from[ETH_ADDRESS_TEXT_SIZE];
	char block[96]; /* as JSON */
	unsigned nonce_reads;
};

static bool read_nonce(struct pending_call *p, struct why *why);

static void pending_free(struct pending_call *p)
{
	if (!p)
		return;
	buf_free(&p->head);
	buf_free(&p->tail);
	free(p);
}

static void call_over(struct pending_call *p, const struct l1_read *read)
{
	p->cb(p->arg, read);
	pending_free(p);
}

static void call_failed(struct pending_call *p, int endpoint, const char *sentence)
{
	call_over(p, &(struct l1_read){
			 .kind = L1_READ_FAILED, .endpoint = endpoint, .sentence = sentence});
}

/* Neither a result nor a word about the call: the endpoint's own trouble. */
static bool is_no_answer(enum node_error e)
{
	return e == NODE_OTHER || e == NODE_NOT_SYNCED || e == NODE_INDEXING || e == NODE_NO_METHOD;
}

static void on_reply(void *arg, const struct rpc_reply *reply)
{
	struct pending_call *p = arg;
	struct l1_read read = {.endpoint = reply->endpoint, .sentence = ""};
	struct buf data;
	struct why why = {""};

	if (reply->status == RPC_ERROR && reply->node_error == NODE_SIMULATION_NONCE &&
	    p->nonce_reads < L1_NONCE_READS && read_nonce(p, &why))
		return;
	buf_init(&data, CALL_BODY_MAX);
	switch (reply->status) {
	case RPC_OK:
		if (!rpc_parse_data(reply->result, &data, &why)) {
			why_wrap(&why, "eth_call");
			read.kind = L1_READ_FAILED;
			read.sentence = why.text;
		} else if (data.len == 0) {
			read.kind = L1_READ_NO_CODE;
		} else {
			read.kind = L1_READ_OK;
			read.data = buf_span(&data);
		}
		break;
	case RPC_ERROR:
		if (reply->node_error == NODE_REVERTED || reply->has_data) {
			read.kind = L1_READ_REVERTED;
			read.data = reply->data;
			revert_read(&read.revert, reply->data);
		} else {
			read.kind = L1_READ_FAILED;
			read.sentence = reply->message;
			if (p->ordinary && is_no_answer(reply->node_error))
				rpc_doubt(p->rpc, reply->endpoint, reply->message);
		}
		break;
	case RPC_UNREACHABLE:
	case RPC_BAD_REPLY:
	case RPC_CANCELLED:
		read.kind = L1_READ_FAILED;
		read.sentence = reply->sentence;
		break;
	}
	call_over(p, &read);
	buf_free(&data);
}

/* nonce: ',"nonce":"0x.."' or nothing. */
static bool start(struct pending_call *p, const char *nonce, struct why *why)
{
	struct buf params;
	bool ok;

	buf_init(&params, 3 * CALL_BODY_MAX);
	ok = buf_add(&params, p->head.p, p->head.len) && buf_add_str(&params, nonce) &&
	     buf_add(&params, p->tail.p, p->tail.len) && buf_add(&params, "", 1);
	if (!ok)
		why_set(why, "out of memory for an eth_call");
	ok = ok && rpc_call(p->rpc, "eth_call", (const char *)params.p, &p->options, on_reply, p,
			    why) != 0;
	buf_free(&params);
	return ok;
}

static void on_nonce(void *arg, const struct rpc_reply *reply)
{
	struct pending_call *p = arg;
	char nonce[40] = "";
	struct why why = {""};
	uint64_t n;

	if (reply->status != RPC_OK && reply->status != RPC_ERROR) {
		call_failed(p, reply->endpoint, reply->sentence);
		return;
	}
	/* one that does not tell it will hardly want it */
	if (reply->status == RPC_OK && rpc_parse_u64(reply->result, &n, &why))
		snprintf(nonce, sizeof nonce, ",\"nonce\":\"0x%" PRIx64 "\"", n);
	p->options.prefer = reply->endpoint + 1;
	if (!start(p, nonce, &why))
		call_failed(p, -1, why.text);
}

static bool read_nonce(struct pending_call *p, struct why *why)
{
	char params[ETH_ADDRESS_TEXT_SIZE + sizeof p->block + 8];

	p->nonce_reads++;
	snprintf(params, sizeof params, "[\"%s\",%s]", p->from, p->block);
	return rpc_call(p->rpc, "eth_getTransactionCount", params, &p->options, on_nonce, p, why) !=
	       0;
}

static bool put_hex(struct buf *b, struct span data)
{
	char *hex = malloc(2 * data.n + 1);
	bool ok = hex != NULL;

	if (ok) {
		hex_encode(hex, data.p, data.n);
		ok = buf_add_str(b, hex);
	}
	free(hex);
	return ok;
}

static void put_block(struct pending_call *p, const struct l1_call *call)
{
	char hash[65];

	if (call->block_hash) {
		hex_encode(hash, call->block_hash, 32);
		snprintf(p->block, sizeof p->block, "{\"blockHash\":\"0x%s\"}", hash);
	} else if (call->block) {
		snprintf(p->block, sizeof p->block, "\"0x%" PRIx64 "\"", call->block);
	} else {
		snprintf(p->block, sizeof p->block, "\"latest\"");
	}
}

/* "[{"to":...,"data":..." and "},block]" with the replaced code. */
static bool put_params(struct pending_call *p, const struct l1_call *call)
{
	char text[ETH_ADDRESS_TEXT_SIZE];
	bool ok;

	put_block(p, call);
	eth_address_print(text, call->to);
	ok = buf_printf(&p->head, "[{\"to\":\"%s\"", text);
	if (call->from) {
		p->has_from = true;
		eth_address_print(p->from, call->from);
		ok = ok && buf_printf(&p->head, ",\"from\":\"%s\"", p->from);
	}
	ok = ok && buf_add_str(&p->head, ",\"data\":\"0x") && put_hex(&p->head, call->calldata) &&
	     buf_add_str(&p->head, "\"") && buf_printf(&p->tail, "},%s", p->block);
	if (call->replaced) {
		eth_address_print(text, call->replaced);
		ok = ok && buf_printf(&p->tail, ",{\"%s\":{\"code\":\"0x", text) &&
		     put_hex(&p->tail, call->code) && buf_add_str(&p->tail, "\"}}");
	}
	return ok && buf_add_str(&p->tail, "]");
}

bool l1_call(struct rpc *rpc, const struct l1_call *call, l1_read_cb *cb, void *arg)
{
	struct pending_call *p = calloc(1, sizeof *p);
	struct why why = {""};

	if (!p)
		return false;
	*p = (struct pending_call){.rpc = rpc,
				   .cb = cb,
				   .arg = arg,
				   .options = {.avoid = call->avoid, .prefer = call->prefer}};
	p->ordinary = !call->block && !call->block_hash && !call->replaced;
	buf_init(&p->head, 2 * CALL_BODY_MAX);
	buf_init(&p->tail, 2 * CALL_BODY_MAX);
	if (put_params(p, call) && (p->has_from ? read_nonce(p, &why) : start(p, "", &why)))
		return true;
	pending_free(p);
	return false;
}
