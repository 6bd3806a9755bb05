#include "ethereum/address.h"

#include "encoding/bytes.h"
#include "ethereum/keccak.h"

#include <string.h>

bool eth_address_parse(struct eth_address *out, const char *text, struct why *why)
{
	struct eth_address parsed;
	char right[ETH_ADDRESS_TEXT_SIZE];
	bool lower = false, upper = false;

	if (strlen(text) != ETH_ADDRESS_TEXT_SIZE - 1 || memcmp(text, "0x", 2) != 0 ||
	    !hex_decode(parsed.b, sizeof parsed.b, text, ETH_ADDRESS_TEXT_SIZE - 1)) {
		why_set(why, "\"%.80s\" is not an address: 0x and 40 hex digits are expected",
			text);
		return false;
	}
	for (const char *c = text + 2; *c; c++) {
		lower = lower || (*c >= 'a' && *c <= 'f');
		upper = upper || (*c >= 'A' && *c <= 'F');
	}
	eth_address_print(right, &parsed);
	if (lower && upper && strcmp(text, right) != 0) {
		why_set(why,
			"address %s has a wrong checksum (EIP-55): a digit is mistyped, or it is "
			"meant to be %s",
			text, right);
		return false;
	}
	*out = parsed;
	return true;
}

void eth_address_print(char out[ETH_ADDRESS_TEXT_SIZE], const struct eth_address *a)
{
	uint8_t hash[32];

	memcpy(out, "0x", 2);
	hex_encode(out + 2, a->b, sizeof a->b);
	keccak256(hash, out + 2, 40);
	for (size_t i = 0; i < 40; i++) {
		unsigned nibble = i % 2 ? hash[i / 2] & 15u : hash[i / 2] >> 4;

		if (nibble >= 8 && out[2 + i] >= 'a')
			out[2 + i] = (char)(out[2 + i] - 'a' + 'A');
	}
}

bool eth_address_equal(const struct eth_address *a, const struct eth_address *b)
{
	return memcmp(a->b, b->b, sizeof a->b) == 0;
}

bool eth_address_is_zero(const struct eth_address *a)
{
	static const struct eth_address zero;

	return eth_address_equal(a, &zero);
}
