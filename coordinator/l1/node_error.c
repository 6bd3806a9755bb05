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
 * "replacement ... underpriced" is not "underpriced". */
static const struct {
	const char *part;
	enum node_error error;
} messages[] = {
    {"execution reverted", NODE_REVERTED},
    {"already known", NODE_ALREADY_KNOWN},
    {"already imported", NODE_ALREADY_KNOWN},
    {"known transaction", NODE_ALREADY_KNOWN},
    {"nonce too low", NODE_NONCE_TOO_LOW},
    {"nonce is too low", NODE_NONCE_TOO_LOW},
    {"replacement transaction underpriced", NODE_REPLACEMENT_UNDERPRICED},
    {"replacement fee too low", NODE_REPLACEMENT_UNDERPRICED},
    {"less than block base fee", NODE_FEE_BELOW_BASE},
    {"insufficient funds", NODE_INSUFFICIENT_FUNDS},
    {"gas required exceeds allowance", NODE_GAS_TOO_HIGH},
    {"gas limit too high", NODE_GAS_TOO_HIGH},
    {"intrinsic gas too high", NODE_GAS_TOO_HIGH},
    {"exceeds max transaction gas limit", NODE_GAS_TOO_HIGH},
    {"exceeds block gas limit", NODE_EXCEEDS_BLOCK_GAS},
    {"exceeds the configured cap", NODE_FEE_OVER_CAP},
    {"oversized data", NODE_OVERSIZED},
    {"invalid chain id", NODE_WRONG_CHAIN_ID},
    {"indexing is in progress", NODE_INDEXING},
    {"out of gas", NODE_GAS_TOO_HIGH},
    {"outofgas", NODE_GAS_TOO_HIGH},
    {"invalid opcode", NODE_REVERTED},
    {"evm error", NODE_REVERTED},
    {"underpriced", NODE_UNDERPRICED},
    {"below minimum", NODE_UNDERPRICED},
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
				    number_after(low, "state: ", next_nonce);
		return messages[i].error;
	}
	return code == 3 ? NODE_REVERTED : NODE_OTHER;
}
