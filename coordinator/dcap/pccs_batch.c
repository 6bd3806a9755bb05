/*
 * Several uploads in one transaction, through the Multicall3 that most chains have at one address
 * (aggregate3): one after the other would take a block each. The contracts that anybody may upload
 * to see no difference; those of v1.1 ask who calls, so there each goes by itself.
 *
 * What becomes of it is read from the chain, as after every upload, so a contract at that address
 * that is something else costs one transaction at most: what it did not bring goes alone then.
 */
#include "coordinator/dcap/internal.h"

#include "ethereum/abi.h"

#include <string.h>

#define AGGREGATE "aggregate3((address,bool,bytes)[])"
/* Nodes refuse transactions above 128 KiB. */
#define BATCH_BYTES (96u * 1024)

static const struct eth_address multicall3 = {{0xca, 0x11, 0xbd, 0xe0, 0x59, 0x77, 0xb3,
					       0x63, 0x11, 0x67, 0x02, 0x88, 0x62, 0xbe,
					       0x2a, 0x17, 0x39, 0x76, 0xca, 0x11}};

const struct eth_address *pccs_multicall(void)
{
	return &multicall3;
}

bool pccs_multicall_probe(struct buf *out)
{
	const struct abi_value nothing = abi_list(NULL, 0);

	return abi_encode_call(out, AGGREGATE, &nothing, 1, NULL) == ETH_OK;
}

bool pccs_multicall_is_there(const uint8_t *answer, size_t n)
{
	uint8_t empty_list[64] = {0};

	empty_list[31] = 32;
	return n == sizeof empty_list && memcmp(answer, empty_list, n) == 0;
}

/* The calls of the first n that are due, in the order in which the contracts take them. */
static bool encode(struct pccs *p, size_t n, struct why *why)
{
	struct abi_value part[ITEMS][3], call[ITEMS], all;
	struct buf one[ITEMS];
	bool ok = true;
	size_t i;

	for (i = 0; i < n; i++) {
		const struct item *item = &p->item[p->sending[i]];

		buf_init(&one[i], BATCH_BYTES);
		ok = ok && pccs_upload_calldata(&one[i], p, item, why);
		part[i][0] = abi_address(&item->dao);
		part[i][1] = abi_bool(false); /* none may fail */
		part[i][2] = abi_bytes(buf_span(&one[i]));
		call[i] = abi_list(part[i], 3);
	}
	all = abi_list(call, n);
	ok = ok && abi_encode_call(&p->calldata, AGGREGATE, &all, 1, why) == ETH_OK;
	for (i = 0; i < n; i++)
		buf_free(&one[i]);
	return ok;
}

/* How many of those that are due go together. */
static size_t together(const struct pccs *p)
{
	size_t n = 0, bytes = 0;

	if (!p->multicall || p->stack == PCCS_STACK_AUTOMATA_V1_1)
		return 1;
	/* One that went before and is still due is looked at alone. */
	while (n < p->n_sending && n < p->together_max && p->item[p->sending[n]].sends == 0 &&
	       bytes + p->item[p->sending[n]].exact.len + 512 <= BATCH_BYTES)
		bytes += p->item[p->sending[n++]].exact.len + 512;
	return n ? n : 1;
}

bool pccs_batch_calldata(struct pccs *p, struct why *why)
{
	const size_t n = together(p);

	p->calldata.len = 0;
	if (n > 1 && encode(p, n, why)) {
		p->n_sending = n;
		return true;
	}
	p->calldata.len = 0;
	p->n_sending = 1;
	return pccs_upload_calldata(&p->calldata, p, &p->item[p->sending[0]], why);
}

bool pccs_batch_smaller(struct pccs *p, enum pccs_sent sent)
{
	if (p->n_sending < 2)
		return false;
	switch (sent) {
	case PCCS_MINED:
	case PCCS_SEND_FAILED: return false;
	case PCCS_SEND_REVERTED: p->together_max = 1; return true; /* whose fault it is */
	case PCCS_SEND_DOES_NOT_FIT: p->together_max = p->n_sending / 2; return true;
	}
	return false;
}
