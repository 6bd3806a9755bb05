#include "coordinator/l1/call.h"

#include "coordinator/l1/rpc_parse.h"

#include <inttypes.h>
#include <stdlib.h>

#define CALL_BODY_MAX (512u * 1024)

struct pending_call {
	l1_read_cb *cb;
	void *arg;
};

static void on_reply(void *arg, const struct rpc_reply *reply)
{
	struct pending_call *p = arg;
	struct l1_read read = {.endpoint = reply->endpoint, .sentence = ""};
	struct buf data;
	struct why why = {""};

	buf_init(&data, CALL_BODY_MAX);
	switch (reply->status) {
	case RPC_OK:
		if (!rpc_parse_data(reply->result, &data, &why)) {
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
		}
		break;
	case RPC_UNREACHABLE:
	case RPC_BAD_REPLY:
	case RPC_CANCELLED:
		read.kind = L1_READ_FAILED;
		read.sentence = reply->sentence;
		break;
	}
	p->cb(p->arg, &read);
	buf_free(&data);
	free(p);
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

/* "[{"to":...,"data":...},block]", and the replaced code. */
static bool put_params(struct buf *b, const struct l1_call *call)
{
	char text[ETH_ADDRESS_TEXT_SIZE];
	bool ok;

	eth_address_print(text, call->to);
	ok = buf_printf(b, "[{\"to\":\"%s\"", text);
	if (call->from) {
		eth_address_print(text, call->from);
		ok = ok && buf_printf(b, ",\"from\":\"%s\"", text);
	}
	ok = ok && buf_add_str(b, ",\"data\":\"0x") && put_hex(b, call->calldata) &&
	     buf_add_str(b, "\"},");
	ok = ok && (call->block ? buf_printf(b, "\"0x%" PRIx64 "\"", call->block)
				: buf_add_str(b, "\"latest\""));
	if (call->replaced) {
		eth_address_print(text, call->replaced);
		ok = ok && buf_printf(b, ",{\"%s\":{\"code\":\"0x", text) &&
		     put_hex(b, call->code) && buf_add_str(b, "\"}}");
	}
	return ok && buf_add_str(b, "]") && buf_add(b, "", 1);
}

bool l1_call(struct rpc *rpc, const struct l1_call *call, l1_read_cb *cb, void *arg)
{
	struct pending_call *p = calloc(1, sizeof *p);
	struct rpc_call_options options = {.avoid = call->avoid};
	struct why why = {""};
	struct buf params;
	bool ok = false;

	buf_init(&params, 2 * CALL_BODY_MAX);
	if (p && put_params(&params, call)) {
		*p = (struct pending_call){cb, arg};
		ok = rpc_call(rpc, "eth_call", (const char *)params.p, &options, on_reply, p,
			      &why) != 0;
	}
	if (!ok)
		free(p); /* else the callback's now */
	buf_free(&params);
	return ok;
}
