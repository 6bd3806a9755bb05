/*
 * dhcp.h -- the least of a DHCP client: one lease, asked for at boot (RFC 2131). It is not renewed:
 * the address is taken to be the guest's as long as it runs, as with every DHCP server of a
 * hypervisor. Whoever answers decides nothing but where packets go.
 */
#ifndef GUEST_INIT_DHCP_H
#define GUEST_INIT_DHCP_H

#include "encoding/bytes.h"
#include "encoding/why.h"

#include <net/if.h>
#include <netinet/in.h>

struct lease {
	struct in_addr address, gateway; /* gateway 0: none */
	unsigned prefix;
};

enum dhcp_kind { DHCP_DISCOVER = 1, DHCP_OFFER = 2, DHCP_REQUEST = 3, DHCP_ACK = 5, DHCP_NAK = 6 };

#define DHCP_MESSAGE_MAX 1500
#define DHCP_MAC         6

/* What is said; server 0 and address 0 in a DISCOVER. Its length. Pure. */
size_t dhcp_write(uint8_t out[DHCP_MESSAGE_MAX], enum dhcp_kind kind, uint32_t transaction,
		  const uint8_t mac[DHCP_MAC], struct in_addr address, struct in_addr server);

/* What came: its kind, the lease and the server's address. False: not an answer to that
 * transaction of that MAC, or malformed. Pure. */
bool dhcp_read(enum dhcp_kind *kind, struct lease *lease, struct in_addr *server,
	       struct span message, uint32_t transaction, const uint8_t mac[DHCP_MAC]);

/* Asks on that interface, which is up, a few times. False with the sentence. */
bool dhcp_ask(struct lease *out, const char *interface, struct why *why);

#endif
