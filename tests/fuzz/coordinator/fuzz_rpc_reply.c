/* A node's bytes through every typed reader: no crash, no leak, and nothing over its ceiling. */
#include "coordinator/l1/rpc_parse.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_typed(const json_t *v)
{
	struct rpc_fee_history fees;
	struct rpc_receipt receipt;
	struct rpc_block block;
	struct why why = {""};
	struct buf b;
	uint8_t word[32];
	uint64_t n;
	bool found;

	buf_init(&b, 64);
	rpc_parse_u64(v, &n, &why);
	rpc_parse_quantity(v, word, &why);
	rpc_parse_fixed(v, word, sizeof word, &why);
	if (rpc_parse_data(v, &b, &why) && b.len > b.max)
		abort();
	rpc_parse_receipt(v, &found, &receipt, &why);
	rpc_parse_fee_history(v, &fees, &why);
	rpc_parse_block(v, &found, &block, &why);
	buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rpc_parsed p;
	struct why why = {""};

	switch (rpc_parse_reply(&p, span_of(data, size), 1, &why)) {
	case RPC_PARSED_RESULT: read_typed(p.result); break;
	case RPC_PARSED_ERROR:
		if (p.data.len > RPC_ERROR_DATA_MAX || p.node_error == NODE_OK)
			abort();
		break;
	case RPC_PARSED_BAD:
		if (!why.text[0] || p.root)
			abort();
		break;
	}
	rpc_parsed_free(&p);
	return 0;
}
