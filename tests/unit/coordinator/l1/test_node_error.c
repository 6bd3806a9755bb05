/* What each client says, and what is made of it. Words by client: docs/NODES.md. */
#include "coordinator/l1/node_error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct sample {
	const char *client;
	int64_t code;
	const char *message;
	enum node_error meaning;
};

static const struct sample samples[] = {
    {"geth", -32000, "nonce too low: next nonce 12, tx nonce 9", NODE_NONCE_TOO_LOW},
    {"geth", -32000, "already known", NODE_ALREADY_KNOWN},
    {"geth", -32000, "replacement transaction underpriced", NODE_REPLACEMENT_UNDERPRICED},
    {"geth", -32000, "future transaction tries to replace pending", NODE_REPLACEMENT_UNDERPRICED},
    {"geth", -32000, "transaction underpriced: tip needed 1, tip permitted 0", NODE_UNDERPRICED},
    {"geth", -32000, "insufficient funds for gas * price + value: balance 1, tx cost 2, overshot 1",
     NODE_INSUFFICIENT_FUNDS},
    {"geth", -32000, "gas required exceeds allowance (16777216)", NODE_GAS_TOO_HIGH},
    {"geth", -32000, "transaction gas limit too high (cap: 16777216, tx: 20000000)",
     NODE_GAS_TOO_HIGH},
    {"geth", -32000, "exceeds block gas limit", NODE_EXCEEDS_BLOCK_GAS},
    {"geth", -32000, "invalid sender: invalid chain id for signer: have 1 want 2",
     NODE_WRONG_CHAIN_ID},
    {"geth", -32000, "tx fee (2.00 ether) exceeds the configured cap (1.00 ether)",
     NODE_FEE_OVER_CAP},
    {"geth", -32000, "oversized data: transaction size 140000, limit 131072", NODE_OVERSIZED},
    {"geth", -32000, "txpool is full", NODE_POOL_FULL},
    {"geth", -32000, "account limit exceeded: pooled 16 txs", NODE_POOL_FULL},
    {"geth", -32000, "in-flight transaction limit reached for delegated accounts", NODE_POOL_FULL},
    {"geth", -32000, "gapped-nonce tx from delegated accounts", NODE_NONCE_TOO_HIGH},
    {"geth", -32000, "transaction indexing is in progress", NODE_INDEXING},
    {"geth", -32601, "the method eth_feeHistory does not exist/is not available", NODE_NO_METHOD},
    {"geth", 3, "execution reverted: nonce too low", NODE_REVERTED},

    {"reth", -32000, "already known", NODE_ALREADY_KNOWN},
    {"reth", -32003, "insufficient funds for gas * price + value: have 1 want 2",
     NODE_INSUFFICIENT_FUNDS},
    {"reth", -32003, "gas limit too high", NODE_GAS_TOO_HIGH},
    {"reth", -32000, "exceeds max transaction gas limit", NODE_GAS_TOO_HIGH},
    {"reth", -32000, "invalid chain ID", NODE_WRONG_CHAIN_ID},
    {"reth", -32000, "insufficient gas price to replace existing transaction",
     NODE_REPLACEMENT_UNDERPRICED},
    {"reth", -32000, "Transaction feeCap 1 below chain minimum.", NODE_UNDERPRICED},
    {"reth", -32000, "txpool is full", NODE_POOL_FULL},
    {"reth", -32601, "Method not found", NODE_NO_METHOD},

    {"anvil", -32003, "transaction already imported", NODE_ALREADY_KNOWN},
    {"anvil", -32003, "nonce too low", NODE_NONCE_TOO_LOW},
    {"anvil", -32003, "Insufficient funds for gas * price + value", NODE_INSUFFICIENT_FUNDS},
    {"anvil", -32003, "max fee per gas less than block base fee", NODE_FEE_BELOW_BASE},
    {"anvil", -32000, "intrinsic gas too high -- tx.gas_limit > env.cfg.tx_gas_limit_cap",
     NODE_GAS_TOO_HIGH},
    {"anvil", -32000, "intrinsic gas too high -- tx.gas_limit > env.block.gas_limit",
     NODE_EXCEEDS_BLOCK_GAS},
    {"anvil", -32003, "invalid chain id for signer", NODE_WRONG_CHAIN_ID},

    {"Nethermind", -32010, "AlreadyKnown", NODE_ALREADY_KNOWN},
    {"Nethermind", -32010, "OldNonce, Current nonce: 7, nonce of rejected tx: 6",
     NODE_NONCE_TOO_LOW},
    {"Nethermind", -32010, "NonceGap, Future nonce. Expected nonce: 4", NODE_NONCE_TOO_HIGH},
    {"Nethermind", -32010, "NonceTooFarInFuture", NODE_NONCE_TOO_HIGH},
    {"Nethermind", -32010, "nonce too far in future", NODE_NONCE_TOO_HIGH},
    {"Nethermind", -32010, "ReplacementNotAllowed, existing hash: 0x1",
     NODE_REPLACEMENT_UNDERPRICED},
    {"Nethermind", -32010,
     "FeeTooLow, MaxFeePerGas too low. MaxFeePerGas: 1, BaseFee: 7, MaxPriorityFeePerGas: 1",
     NODE_UNDERPRICED},
    {"Nethermind", -32010, "FeeTooLowToCompete", NODE_UNDERPRICED},
    {"Nethermind", -32010, "MinGasPriceTooLow", NODE_UNDERPRICED},
    {"Nethermind", -32010, "InsufficientFunds, Account balance: 1, cumulative cost: 2",
     NODE_INSUFFICIENT_FUNDS},
    {"Nethermind", -32010,
     "GasLimitExceeded, Gas limit: 30000000, gas limit of rejected tx: 40000000",
     NODE_EXCEEDS_BLOCK_GAS},
    {"Nethermind", -32010, "gas limit reached", NODE_EXCEEDS_BLOCK_GAS},
    {"Nethermind", -32010, "MaxTxSizeExceeded", NODE_OVERSIZED},
    {"Nethermind", -32010, "transaction too large", NODE_OVERSIZED},
    {"Nethermind", -32010, "SenderIsContract", NODE_SENDER_IS_CONTRACT},
    {"Nethermind", -32010, "sender not an eoa", NODE_SENDER_IS_CONTRACT},
    {"Nethermind", -32010, "node is syncing", NODE_NOT_SYNCED},
    {"Nethermind", -32015, "VM execution error.", NODE_REVERTED},

    {"Besu", -32000, "Known transaction", NODE_ALREADY_KNOWN},
    {"Besu", -32001, "Nonce too low", NODE_NONCE_TOO_LOW},
    {"Besu", -32006, "Nonce too high", NODE_NONCE_TOO_HIGH},
    {"Besu", -32000, "Transaction nonce is too distant from current sender nonce",
     NODE_NONCE_TOO_HIGH},
    {"Besu", -32000, "An invalid transaction with a lower nonce exists", NODE_NONCE_TOO_HIGH},
    {"Besu", -32000, "Replacement transaction underpriced", NODE_REPLACEMENT_UNDERPRICED},
    {"Besu", -32004, "Upfront cost exceeds account balance", NODE_INSUFFICIENT_FUNDS},
    {"Besu", -32005, "Transaction gas limit exceeds block gas limit", NODE_EXCEEDS_BLOCK_GAS},
    {"Besu", -32005, "Transaction gas limit cap exceeded", NODE_GAS_TOO_HIGH},
    {"Besu", -32009, "Gas price below configured minimum gas price", NODE_UNDERPRICED},
    {"Besu", -32009, "Gas price below current base fee", NODE_FEE_BELOW_BASE},
    {"Besu", -32000, "Wrong chainId", NODE_WRONG_CHAIN_ID},
    {"Besu", -32000, "ChainId not supported", NODE_WRONG_CHAIN_ID},
    {"Besu", -32000, "Transaction fee cap exceeded", NODE_FEE_OVER_CAP},
    {"Besu", -32008, "Initial sync is still in progress", NODE_NOT_SYNCED},
    {"Besu", -32002,
     "Transaction pool not enabled. (Either txpool explicitly disabled, or node not yet in sync).",
     NODE_NOT_SYNCED},
    {"Besu", -32604, "Method not enabled", NODE_NO_METHOD},
    {"Besu", -32000, "Execution reverted", NODE_REVERTED},

    {"Erigon", -32000, "ALREADY_EXISTS: already known", NODE_ALREADY_KNOWN},
    {"Erigon", -32000, "existing txn with same hash", NODE_ALREADY_KNOWN},
    {"Erigon", -32000, "INTERNAL_ERROR: existing tx with same hash", NODE_ALREADY_KNOWN},
    {"Erigon", -32000, "INTERNAL_ERROR: could not replace existing tx",
     NODE_REPLACEMENT_UNDERPRICED},
    {"Erigon", -32000, "replaced by transaction with higher tip", NODE_REPLACEMENT_UNDERPRICED},
    {"Erigon", -32000, "FEE_TOO_LOW: underpriced", NODE_UNDERPRICED},
    {"Erigon", -32000, "fee too low", NODE_UNDERPRICED},
    {"Erigon", -32000, "INTERNAL_ERROR: insufficient funds", NODE_INSUFFICIENT_FUNDS},
    {"Erigon", -32000, "INTERNAL_ERROR: nonce too low", NODE_NONCE_TOO_LOW},
    {"Erigon", -32000, "gas limit is too high", NODE_GAS_TOO_HIGH},
    {"Erigon", -32000, "RLPTooLong", NODE_OVERSIZED},
    {"Erigon", -32000, "pending sub-pool is full", NODE_POOL_FULL},
    {"Erigon", -32000, "baseFee sub-pool is full", NODE_POOL_FULL},
    {"Erigon", -32000, "queued sub-pool is full", NODE_POOL_FULL},

    {"ethrex", -32015, "Vm execution error: Invalid Transaction: Nonce mismatch: expected 1, got 0",
     NODE_SIMULATION_NONCE},
    {"ethrex", -32015,
     "Vm execution error: Invalid Transaction: Sender account 0x12ab shouldn't be a contract",
     NODE_SENDER_IS_CONTRACT},
    {"ethrex", -32000, "Invalid params: Nonce for account too low", NODE_NONCE_TOO_LOW},
    {"ethrex", -32000, "Invalid params: Account does not have enough balance to cover the tx cost",
     NODE_INSUFFICIENT_FUNDS},
    {"ethrex", -32015, "Vm execution error: Invalid Transaction: Insufficient account funds",
     NODE_INSUFFICIENT_FUNDS},
    {"ethrex", -32015, "Vm execution error: Invalid Transaction: Insufficient max fee per gas",
     NODE_FEE_BELOW_BASE},
    {"ethrex", -32000, "Invalid params: Transaction gas limit exceeded", NODE_EXCEEDS_BLOCK_GAS},
    {"ethrex", -32015,
     "Gas allowance exceeded. Block gas limit: 30000000, transaction gas limit: 40000000",
     NODE_EXCEEDS_BLOCK_GAS},
    {"ethrex", -32015,
     "Transaction gas limit exceeds maximum. Transaction hash: 0x1, transaction gas limit: "
     "20000000",
     NODE_GAS_TOO_HIGH},
    {"ethrex", -32000, "Invalid params: Transaction chain id mismatch, expected chain id: 9",
     NODE_WRONG_CHAIN_ID},
    {"ethrex", 3, "execution reverted: ", NODE_REVERTED},
    {"ethrex", 3, "execution halted: reason=OutOfGas, gas_used=30000000", NODE_GAS_TOO_HIGH},
    {"ethrex", -32601, "Method not found: eth_x", NODE_NO_METHOD},

    {"hardhat", -32603,
     "VM Exception while processing transaction: reverted with custom error 'A()'", NODE_REVERTED},
    {"hosted", -32603, "tx already in mempool", NODE_ALREADY_KNOWN},

    {"Nethermind", -32010,
     "Invalid, TxGasLimitCapExceeded: Gas limit 20000000 exceeded cap of 16777216.",
     NODE_GAS_TOO_HIGH},
    {"Nethermind", -32010, "Syncing", NODE_NOT_SYNCED},
    {"reth", -32000, "transaction nonce is not consistent: next nonce 12, tx nonce 9",
     NODE_NONCE_TOO_LOW},
    {"hardhat", -32000, "nonce 9 too low, expected 12", NODE_NONCE_TOO_LOW},
    {"hardhat", -32000, "nonce 15 too high, expected 12", NODE_NONCE_TOO_HIGH},
    {"anvil", -32603, "gas price is less than basefee", NODE_FEE_BELOW_BASE},
    {"hardhat", -32000,
     "Transaction maxFeePerGas (1) is too low for the next block, which has a baseFeePerGas of 2",
     NODE_FEE_BELOW_BASE},
    {"hardhat", -32000,
     "Sender doesn't have enough funds to send tx. The max upfront cost is: 2 and the sender's "
     "balance is: 1.",
     NODE_INSUFFICIENT_FUNDS},
    {"anvil", -32603, "lack of funds (1) for max fee (2)", NODE_INSUFFICIENT_FUNDS},
    {"anvil", -32603, "transaction gas limit (20000000) is greater than the cap (16777216)",
     NODE_GAS_TOO_HIGH},
    {"anvil", -32603, "caller gas limit exceeds the block gas limit", NODE_EXCEEDS_BLOCK_GAS},
    {"hosted", -32000, "node is still syncing, try again later", NODE_NOT_SYNCED},
    {"hosted", -32000, "node is not synced", NODE_NOT_SYNCED},
    {"hosted", -32601, "rpc method is not whitelisted", NODE_NO_METHOD},
    {"hosted", -32005, "Monthly capacity exceeded", NODE_RATE_LIMITED},
    {"hosted", -32005, "You have exceeded your monthly quota", NODE_RATE_LIMITED},
    {"hosted", -32005, "usage limit reached", NODE_RATE_LIMITED},
    {"hosted", -32090, "call rate exceeded", NODE_RATE_LIMITED},

    /* what is like other words */
    {"geth", 3, "execution reverted: Quota: nonce 1 too low, expected 2", NODE_REVERTED},
    {"hosted", -32000, "unknown transaction", NODE_NOT_FOUND},
    {"hosted", -32000, "Transaction not found", NODE_NOT_FOUND},
    {"hosted", -32000, "Unknown transaction type", NODE_OTHER},
    {"Besu", -32005, "Transaction gas limit exceeded", NODE_EXCEEDS_BLOCK_GAS},
    {"anvil", -32603,
     "EVM error DatabaseError: failed to get account for 0x1: max retries exceeded", NODE_OTHER},
    {"anvil", -32603, "EVM error StackUnderflow", NODE_REVERTED},
    {"hosted", -32005, "Monthly capacity limit exceeded.", NODE_RATE_LIMITED},
    {"hosted", 429, "Too Many Requests", NODE_RATE_LIMITED},
    {"geth", 3, "execution reverted: rate limit", NODE_REVERTED},

    /* nobody's: the state decides */
    {"", -32000, "max priority fee per gas higher than max fee per gas", NODE_OTHER},
    {"", -32015, "Vm execution error: Internal error", NODE_OTHER},
    {"", -32000, "", NODE_OTHER},
};

static void test_every_client(void **state)
{
	uint64_t next = 0;
	bool has;
	size_t i;
	unsigned wrong = 0;

	(void)state;
	for (i = 0; i < sizeof samples / sizeof samples[0]; i++) {
		const struct sample *s = &samples[i];
		enum node_error e = node_error_classify(s->code, s->message, &has, &next);

		if (e != s->meaning) {
			print_error("%s \"%s\": %s, not %s\n", s->client, s->message,
				    node_error_text(e), node_error_text(s->meaning));
			wrong++;
		}
	}
	assert_int_equal(wrong, 0);
}

static void test_the_next_nonce_of_nethermind(void **state)
{
	uint64_t next = 0;
	bool has;

	(void)state;
	node_error_classify(-32010, "OldNonce, Current nonce: 7, nonce of rejected tx: 6", &has,
			    &next);
	assert_true(has && next == 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_every_client),
	    cmocka_unit_test(test_the_next_nonce_of_nethermind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
