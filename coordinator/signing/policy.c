#include "coordinator/signing/policy.h"

#include "ethereum/abi.h"
#include "ethereum/keccak.h"

#include <string.h>

static const char *const functions[SIGNING_KINDS][POLICY_FUNCTIONS_MAX] = {
    [SIGNING_VERIFY] = {"verifyBatches(uint256,bytes[],bytes[],bytes[])"},
    [SIGNING_REGISTER] = {"register(bytes)"},
    [SIGNING_UPLOAD] = {"upsertPcsCertificates(uint8,bytes)", "upsertRootCACrl(bytes)",
			"upsertPckCrl(uint8,bytes)", "upsertTcbEvaluationData((string,bytes))",
			"upsertEnclaveIdentity(uint256,uint256,(string,bytes))",
			"upsertFmspcTcb((string,bytes))"},
};
static const char *const kinds[SIGNING_KINDS] = {"verifyBatches", "a registration", "an upload"};

enum signing_who signing_who(enum signing_kind kind)
{
	return kind == SIGNING_VERIFY ? SIGNING_SENDER : SIGNING_REGISTRAR;
}

void policy_init(struct policy *p, uint64_t chain_id, uint64_t max_fee, uint64_t max_gas)
{
	int k;
	unsigned i;

	memset(p, 0, sizeof *p);
	p->chain_id = chain_id;
	p->max_fee = max_fee;
	p->max_gas = max_gas;
	for (k = 0; k < SIGNING_KINDS; k++)
		for (i = 0; i < POLICY_FUNCTIONS_MAX && functions[k][i]; i++)
			abi_selector(p->functions[k][p->n_functions[k]++], functions[k][i]);
}

static bool knows_contract(const struct policy *p, enum signing_kind kind,
			   const struct eth_address *to)
{
	unsigned i;

	for (i = 0; i < p->n_contracts[kind]; i++)
		if (eth_address_equal(&p->contracts[kind][i], to))
			return true;
	return false;
}

static bool knows_function(const struct policy *p, enum signing_kind kind, struct span data)
{
	unsigned i;

	for (i = 0; data.n >= 4 && i < p->n_functions[kind]; i++)
		if (memcmp(p->functions[kind][i], data.p, 4) == 0)
			return true;
	return false;
}

bool policy_add_contract(struct policy *p, enum signing_kind kind, const struct eth_address *to,
			 struct why *why)
{
	char text[ETH_ADDRESS_TEXT_SIZE];

	if (knows_contract(p, kind, to))
		return true;
	if (p->n_contracts[kind] == POLICY_CONTRACTS_MAX) {
		eth_address_print(text, to);
		why_set(why,
			"%s would go to %s, the ninth contract of its kind since the start; a "
			"restart begins anew",
			kinds[kind], text);
		return false;
	}
	p->contracts[kind][p->n_contracts[kind]++] = *to;
	return true;
}

static bool within_ceilings(const struct policy *p, const struct eth_tx *tx, struct why *why)
{
	if (p->chain_id && tx->chain_id != p->chain_id)
		why_set(why, "the transaction is for chain %llu, and what is signed here for %llu",
			(unsigned long long)tx->chain_id, (unsigned long long)p->chain_id);
	else if (tx->type != ETH_TX_DYNAMIC_FEE || !uint256_is_zero(&tx->value))
		why_set(why, "only EIP-1559 calls of value 0 are signed");
	else if (tx->max_fee > p->max_fee || tx->max_priority_fee > tx->max_fee)
		why_set(why,
			"a fee of %llu wei a gas (priority %llu) is above the signer's ceiling of "
			"%llu",
			(unsigned long long)tx->max_fee, (unsigned long long)tx->max_priority_fee,
			(unsigned long long)p->max_fee);
	else if (tx->gas > p->max_gas)
		why_set(why, "%llu gas are above the signer's ceiling of %llu",
			(unsigned long long)tx->gas, (unsigned long long)p->max_gas);
	else
		return true;
	return false;
}

/* ---- which calls ---- */

#define AGGREGATE "aggregate3((address,bool,bytes)[])"

/* Its address on the chains that have it. */
static const struct eth_address multicall3 = {{0xca, 0x11, 0xbd, 0xe0, 0x59, 0x77, 0xb3,
					       0x63, 0x11, 0x67, 0x02, 0x88, 0x62, 0xbe,
					       0x2a, 0x17, 0x39, 0x76, 0xca, 0x11}};

static bool is_aggregate(enum signing_kind kind, const struct eth_address *to, struct span data)
{
	uint8_t selector[4];

	abi_selector(selector, AGGREGATE);
	return kind == SIGNING_UPLOAD && eth_address_equal(to, &multicall3) && data.n > 4 &&
	       memcmp(selector, data.p, 4) == 0;
}

bool policy_each_call(enum signing_kind kind, const struct eth_address *to, struct span data,
		      policy_visit *visit, void *arg, struct why *why)
{
	struct abi_value *decoded = NULL;
	const struct abi_list *calls;
	struct eth_address target;
	bool ok;
	size_t i;

	if (!is_aggregate(kind, to, data))
		return visit(arg, to, data, why);
	if (abi_decode(&decoded, "((address,bool,bytes)[])", span_of(data.p + 4, data.n - 4),
		       why) != ETH_OK) {
		why_wrap(why, "what Multicall3 is to be given");
		return false;
	}
	calls = &decoded->items.p[0].items;
	ok = calls->n > 0;
	if (!ok)
		why_set(why, "Multicall3 is to be given nothing");
	for (i = 0; ok && i < calls->n; i++) {
		const struct abi_list *call = &calls->p[i].items;

		ok = abi_to_address(&target, &call->p[0]) &&
		     visit(arg, &target, call->p[2].bytes, why);
	}
	abi_value_free(decoded);
	return ok;
}

struct look {
	const struct policy *policy;
	enum signing_kind kind;
};

static bool is_known_one(void *arg, const struct eth_address *to, struct span data, struct why *why)
{
	const struct look *l = arg;
	char text[ETH_ADDRESS_TEXT_SIZE], selector[9] = "none";

	eth_address_print(text, to);
	if (data.n >= 4)
		hex_encode(selector, data.p, 4);
	if (!knows_contract(l->policy, l->kind, to))
		why_set(why, "%s to %s: no contract of its kind that is known", kinds[l->kind],
			text);
	else if (!knows_function(l->policy, l->kind, data))
		why_set(why, "a call of the function %s of %s, which is not one for %s", selector,
			text, kinds[l->kind]);
	else
		return true;
	return false;
}

static bool is_known_call(const struct policy *p, enum signing_kind kind, const struct eth_tx *tx,
			  struct why *why)
{
	struct look look = {p, kind};

	return policy_each_call(kind, &tx->to, tx->data, is_known_one, &look, why);
}

/* ---- one a nonce ---- */

static void call_hash(uint8_t out[32], const struct eth_tx *tx)
{
	struct keccak k;

	keccak_init(&k);
	keccak_update(&k, tx->to.b, sizeof tx->to.b);
	keccak_update(&k, tx->data.p, tx->data.n);
	keccak_final(&k, out);
}

static struct policy_nonce *find(struct policy *p, const struct eth_address *from, uint64_t nonce)
{
	unsigned i;

	for (i = 0; i < p->n_nonces; i++)
		if (p->nonces[i].nonce == nonce && eth_address_equal(&p->nonces[i].from, from))
			return &p->nonces[i];
	return NULL;
}

static bool take_nonce(struct policy *p, const struct eth_address *from, const struct eth_tx *tx,
		       struct why *why)
{
	struct policy_nonce made = {.from = *from, .nonce = tx->nonce};
	const struct policy_nonce *before = find(p, from, tx->nonce);

	call_hash(made.call, tx);
	if (before && memcmp(before->call, made.call, sizeof made.call) != 0) {
		why_set(why, "another call is signed at nonce %llu, and not settled yet",
			(unsigned long long)tx->nonce);
		return false;
	}
	if (before)
		return true;
	if (p->n_nonces == POLICY_NONCES_MAX) {
		why_set(why, "%u nonces are signed for and not settled", POLICY_NONCES_MAX);
		return false;
	}
	p->nonces[p->n_nonces] = made;
	p->n_nonces++; /* last: whoever dies in between has added nothing */
	return true;
}

bool policy_permits(struct policy *p, enum signing_kind kind, const struct eth_tx *tx,
		    struct why *why)
{
	const struct eth_address *from = &p->from[signing_who(kind)];

	if (eth_address_is_zero(from)) {
		why_set(why, "no key is given for %s", kinds[kind]);
		return false;
	}
	if (!within_ceilings(p, tx, why))
		return false;
	if (tx->data.n > 0 || !eth_address_equal(&tx->to, from)) {
		if (!is_known_call(p, kind, tx, why) || !take_nonce(p, from, tx, why))
			return false;
	}
	p->chain_id = tx->chain_id;
	return true;
}

void policy_settle(struct policy *p, enum signing_who who, uint64_t nonce)
{
	struct policy_nonce *found = find(p, &p->from[who], nonce);

	if (found) {
		*found = p->nonces[p->n_nonces - 1];
		p->n_nonces--;
	}
}
