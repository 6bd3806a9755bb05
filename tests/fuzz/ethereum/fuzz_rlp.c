/* What the RLP reader takes, the writer writes again byte for byte. Transactions and headers too.
 */
#include "ethereum/header.h"
#include "ethereum/rlp.h"
#include "ethereum/tx.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool held)
{
	if (!held)
		abort();
}

static void rewrite(struct buf *out, struct span *in)
{
	struct rlp_item item;
	size_t list;

	require(rlp_read(in, &item, NULL));
	if (!item.is_list) {
		require(rlp_add_bytes(out, item.body.p, item.body.n));
		return;
	}
	list = rlp_list_begin(out);
	while (item.body.n > 0)
		rewrite(out, &item.body);
	require(rlp_list_end(out, list));
}

static void same(const struct buf *b, struct span in)
{
	require(b->len == in.n && memcmp(b->p, in.p, in.n) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = span_of(data, size), rest = in;
	struct why why = {{0}};
	struct eth_address sender;
	struct eth_header header;
	struct eth_tx tx;
	uint8_t hash[32];
	struct buf out;

	buf_init(&out, size + 16);
	if (rlp_check(in, RLP_DEPTH_MAX, &why)) {
		rewrite(&out, &rest);
		same(&out, in);
	} else {
		require(why.text[0] != '\0');
	}
	out.len = 0;
	if (eth_header_decode(&header, in, &why) == ETH_OK) {
		require(eth_header_encode(&out, &header, &why) == ETH_OK);
		same(&out, in);
	}
	/* The signature cannot be made again, only its place checked: the rest must be canonical.
	 */
	if (eth_tx_decode(&tx, &sender, hash, in, &why) == ETH_OK)
		require(tx.data.n < size &&
			rlp_check(span_of(data + (tx.type ? 1 : 0), size - (tx.type ? 1 : 0)), 2,
				  &why));
	buf_free(&out);
	return 0;
}
