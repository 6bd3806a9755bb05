#include "coordinator/l1/node_error.h"

#include <ctype.h>
#include <string.h>

const char *node_error_text(enum node_error e)
{
	static const char *const text[] = {
#define X(name, words) [name] = words,
	    NODE_ERROR_LIST(X)
#undef X
	};

	return text[e];
}

/* The first row that matches wins: a revert reason may quote any of the others, and
 * "replacement ... underpriced" is not "underpriced". docs/NODES.md says whose words each are. */
static const struct {
	const char *part;
	enum node_error error;
} messages[] = {
    {"execution reverted", NODE_REVERTED},
    {"nonce mismatch", NODE_SIMULATION_NONCE},
    {"shouldn't be a contract", NODE_SENDER_IS_CONTRACT},
    {"sender not an eoa", NODE_SENDER_IS_CONTRACT},
    {"sender is not an eoa", NODE_SENDER_IS_CONTRACT},
    {"senders with deployed code", NODE_SENDER_IS_CONTRACT},
    {"senderiscontract", NODE_SENDER_IS_CONTRACT},
    {"vm execution error.", NODE_REVERTED},
    {"processing transaction: revert", NODE_REVERTED},
    {"reverted with", NODE_REVERTED},

    /* "unknown transaction" is not "known transaction" */
    {"unknown transaction type", NODE_OTHER},
    {"unknown tx type", NODE_OTHER},
    {"unknown transaction", NODE_NOT_FOUND},
    {"transaction not found", NODE_NOT_FOUND},
    {"receipt not found", NODE_NOT_FOUND},

    {"already known", NODE_ALREADY_KNOWN},
    {"alreadyknown", NODE_ALREADY_KNOWN},
    {"already imported", NODE_ALREADY_KNOWN},
    {"already exists", NODE_ALREADY_KNOWN},
    {"already_exists", NODE_ALREADY_KNOWN},
    {"already in mempool", NODE_ALREADY_KNOWN},
    {"known transaction", NODE_ALREADY_KNOWN},
    {"with same hash", NODE_ALREADY_KNOWN},

    {"nonce too low", NODE_NONCE_TOO_LOW},
    {"nonce is too low", NODE_NONCE_TOO_LOW},
    {"for account too low", NODE_NONCE_TOO_LOW},
    {"for account is too low", NODE_NONCE_TOO_LOW},
    {"oldnonce", NODE_NONCE_TOO_LOW},
    {"lower than the current nonce", NODE_NONCE_TOO_LOW},
    {"nonce is not consistent", NODE_NONCE_TOO_LOW},
    {"too low, expected", NODE_NONCE_TOO_LOW},
    {"nonce too high", NODE_NONCE_TOO_HIGH},
    {"nonce is too high", NODE_NONCE_TOO_HIGH},
    {"too high, expected", NODE_NONCE_TOO_HIGH},
    {"nonce too far in future", NODE_NONCE_TOO_HIGH},
    {"noncetoofarinfuture", NODE_NONCE_TOO_HIGH},
    {"noncegap", NODE_NONCE_TOO_HIGH},
    {"too distant from current sender nonce", NODE_NONCE_TOO_HIGH},
    {"lower nonce exists", NODE_NONCE_TOO_HIGH},
    {"gapped-nonce", NODE_NONCE_TOO_HIGH},

    {"replacement transaction underpriced", NODE_REPLACEMENT_UNDERPRICED},
    {"replacement fee too low", NODE_REPLACEMENT_UNDERPRICED},
    {"replacementnotallowed", NODE_REPLACEMENT_UNDERPRICED},
    {"could not replace existing", NODE_REPLACEMENT_UNDERPRICED},
    {"to replace existing transaction", NODE_REPLACEMENT_UNDERPRICED},
    {"future transaction tries to replace pending", NODE_REPLACEMENT_UNDERPRICED},
    {"replaced by transaction with higher tip", NODE_REPLACEMENT_UNDERPRICED},

    {"less than block base fee", NODE_FEE_BELOW_BASE},
    {"below current base fee", NODE_FEE_BELOW_BASE},
    {"insufficient max fee per gas", NODE_FEE_BELOW_BASE},
    {"less than basefee", NODE_FEE_BELOW_BASE},
    {"too low for the next block", NODE_FEE_BELOW_BASE},

    {"insufficient funds", NODE_INSUFFICIENT_FUNDS},
    {"insufficientfunds", NODE_INSUFFICIENT_FUNDS},
    {"insufficient account funds", NODE_INSUFFICIENT_FUNDS},
    {"insufficient balance", NODE_INSUFFICIENT_FUNDS},
    {"upfront cost exceeds account balance", NODE_INSUFFICIENT_FUNDS},
    {"does not have enough balance", NODE_INSUFFICIENT_FUNDS},
    {"doesn't have enough funds", NODE_INSUFFICIENT_FUNDS},
    {"lack of funds", NODE_INSUFFICIENT_FUNDS},

    {"gas required exceeds allowance", NODE_GAS_TOO_HIGH},
    {"gas limit too high", NODE_GAS_TOO_HIGH},
    {"gas limit is too high", NODE_GAS_TOO_HIGH},
    {"gas limit cap exceeded", NODE_GAS_TOO_HIGH},
    {"gaslimitcapexceeded", NODE_GAS_TOO_HIGH},
    {"is greater than the cap", NODE_GAS_TOO_HIGH},
    {"gas limit exceeds maximum", NODE_GAS_TOO_HIGH},
    {"exceeds max transaction gas limit", NODE_GAS_TOO_HIGH},
    {"tx.gas_limit > env.block.gas_limit", NODE_EXCEEDS_BLOCK_GAS},
    {"intrinsic gas too high", NODE_GAS_TOO_HIGH},
    {"exceeds block gas limit", NODE_EXCEEDS_BLOCK_GAS},
    {"exceeds the block gas limit", NODE_EXCEEDS_BLOCK_GAS},
    {"gas limit reached", NODE_EXCEEDS_BLOCK_GAS},
    {"gaslimitexceeded", NODE_EXCEEDS_BLOCK_GAS},
    {"gas limit exceeded", NODE_EXCEEDS_BLOCK_GAS},
    {"gas allowance exceeded", NODE_EXCEEDS_BLOCK_GAS},

    {"exceeds the configured cap", NODE_FEE_OVER_CAP},
    {"fee cap exceeded", NODE_FEE_OVER_CAP},
    {"oversized data", NODE_OVERSIZED},
    {"rlptoolong", NODE_OVERSIZED},
    {"rlp too long", NODE_OVERSIZED},
    {"transaction too large", NODE_OVERSIZED},
    {"maxtxsizeexceeded", NODE_OVERSIZED},
    {"invalid chain id", NODE_WRONG_CHAIN_ID},
    {"wrong chainid", NODE_WRONG_CHAIN_ID},
    {"chainid not supported", NODE_WRONG_CHAIN_ID},
    {"chain id mismatch", NODE_WRONG_CHAIN_ID},

    {"indexing is in progress", NODE_INDEXING},
    {"initial sync is still in progress", NODE_NOT_SYNCED},
    {"syncing", NODE_NOT_SYNCED},
    {"not synced", NODE_NOT_SYNCED},
    {"pool not enabled", NODE_NOT_SYNCED},
    {"txpool is full", NODE_POOL_FULL},
    {"pool is full", NODE_POOL_FULL},
    {"account limit exceeded", NODE_POOL_FULL},
    {"in-flight transaction limit", NODE_POOL_FULL},
    {"method not found", NODE_NO_METHOD},
    {"method not enabled", NODE_NO_METHOD},
    {"does not exist/is not available", NODE_NO_METHOD},
    {"method not supported", NODE_NO_METHOD},
    {"unsupported method", NODE_NO_METHOD},
    {"not whitelisted", NODE_NO_METHOD},

    /* after "gas limit exceeded" and "account limit exceeded" */
    {"rate limit", NODE_RATE_LIMITED},
    {"request rate", NODE_RATE_LIMITED},
    {"request limit", NODE_RATE_LIMITED},
    {"request count exceeded", NODE_RATE_LIMITED},
    {"too many requests", NODE_RATE_LIMITED},
    {"too many queued requests", NODE_RATE_LIMITED},
    {"compute units", NODE_RATE_LIMITED},
    {"capacity limit exceeded", NODE_RATE_LIMITED},
    {"throughput limit", NODE_RATE_LIMITED},
    {"capacity exceeded", NODE_RATE_LIMITED},
    {"quota", NODE_RATE_LIMITED},
    {"usage limit", NODE_RATE_LIMITED},
    {"call rate", NODE_RATE_LIMITED},
    {"server is busy", NODE_RATE_LIMITED},
    {"server is too busy", NODE_RATE_LIMITED},

    {"out of gas", NODE_GAS_TOO_HIGH},
    {"outofgas", NODE_GAS_TOO_HIGH},
    {"invalid opcode", NODE_REVERTED},
    {"database error", NODE_OTHER},
    {"databaseerror", NODE_OTHER},
    {"evm error", NODE_REVERTED},

    {"underpriced", NODE_UNDERPRICED},
    {"below minimum", NODE_UNDERPRICED},
    {"below configured minimum", NODE_UNDERPRICED},
    {"below chain minimum", NODE_UNDERPRICED},
    {"feetoolow", NODE_UNDERPRICED},
    {"fee too low", NODE_UNDERPRICED},
    {"mingaspricetoolow", NODE_UNDERPRICED},
};

static bool number_after(const char *text, const char *label, uint64_t *out)
{
	const char *p = strstr(text, label);
	uint64_t v = 0;

	if (!p || !isdigit((unsigned char)p[strlen(label)]))
		return false;
	for (p += strlen(label); isdigit((unsigned char)*p); p++) {
		unsigned digit = (unsigned)(*p - '0');

		if (v > (UINT64_MAX - digit) / 10)
			return false;
		v = v * 10 + digit;
	}
	*out = v;
	return true;
}

enum node_error node_error_classify(int64_t code, const char *message, bool *has_next,
				    uint64_t *next_nonce)
{
	char low[512];
	size_t i;

	*has_next = false;
	for (i = 0; i < sizeof low - 1 && message[i]; i++)
		low[i] = (char)tolower((unsigned char)message[i]);
	low[i] = '\0';
	for (i = 0; i < sizeof messages / sizeof messages[0]; i++) {
		if (!strstr(low, messages[i].part))
			continue;
		if (messages[i].error == NODE_NONCE_TOO_LOW)
			*has_next = number_after(low, "next nonce ", next_nonce) ||
				    number_after(low, "state: ", next_nonce) ||
				    number_after(low, "current nonce: ", next_nonce);
		return messages[i].error;
	}
	switch (code) {
	case 3: return NODE_REVERTED;
	case -32601: return NODE_NO_METHOD;
	case 429: return NODE_RATE_LIMITED;
	default: return NODE_OTHER;
	}
}
