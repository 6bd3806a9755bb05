/*
 * address.h -- a 20-byte account address and its text with the checksum of EIP-55.
 */
#ifndef ETHEREUM_ADDRESS_H
#define ETHEREUM_ADDRESS_H

#include "encoding/why.h"

#include <stdbool.h>
#include <stdint.h>

#define ETH_ADDRESS_TEXT_SIZE 43 /* "0x", 40 digits, NUL */

struct eth_address {
	uint8_t b[20];
};

/* "0x" and 40 hex digits. Letters of one case carry no checksum; in mixed case each letter must be
 * as EIP-55 wants it, and the sentence gives the spelling that would be right. On false *out is
 * untouched. */
bool eth_address_parse(struct eth_address *out, const char *text, struct why *why);
/* With the EIP-55 checksum. */
void eth_address_print(char out[ETH_ADDRESS_TEXT_SIZE], const struct eth_address *a);

bool eth_address_equal(const struct eth_address *a, const struct eth_address *b);
bool eth_address_is_zero(const struct eth_address *a);

#endif
