#include "guest/init/dhcp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#define FIXED         240 /* bytes up to the options, the magic cookie among them */
#define AT_XID        4
#define AT_FLAGS      10
#define AT_YOUR       16
#define AT_MAC        28
#define AT_COOKIE     236
#define OPT_MASK      1
#define OPT_ROUTER    3
#define OPT_REQUESTED 50
#define OPT_KIND      53
#define OPT_SERVER    54
#define OPT_WANTED    55
#define OPT_END       255
#define SERVER_PORT   67
#define CLIENT_PORT   68
#define TRIES         6
#define ANSWER_MS     2000

static const uint8_t cookie[4] = {99, 130, 83, 99};

static size_t option(uint8_t *at, uint8_t code, const void *value, uint8_t n)
{
	at[0] = code;
	at[1] = n;
	memcpy(at + 2, value, n);
	return (size_t)n + 2;
}

size_t dhcp_write(uint8_t out[DHCP_MESSAGE_MAX], enum dhcp_kind kind, uint32_t transaction,
		  const uint8_t mac[DHCP_MAC], struct in_addr address, struct in_addr server)
{
	const uint8_t wanted[] = {OPT_MASK, OPT_ROUTER}, type = (uint8_t)kind;
	size_t n = FIXED;

	memset(out, 0, DHCP_MESSAGE_MAX);
	out[0] = 1; /* BOOTREQUEST */
	out[1] = 1; /* Ethernet */
	out[2] = DHCP_MAC;
	memcpy(out + AT_XID, &transaction, 4);
	out[AT_FLAGS] = 0x80; /* answer by broadcast: we have no address yet */
	memcpy(out + AT_MAC, mac, DHCP_MAC);
	memcpy(out + AT_COOKIE, cookie, sizeof cookie);
	n += option(out + n, OPT_KIND, &type, 1);
	if (kind == DHCP_REQUEST) {
		n += option(out + n, OPT_REQUESTED, &address, 4);
		n += option(out + n, OPT_SERVER, &server, 4);
	}
	n += option(out + n, OPT_WANTED, wanted, sizeof wanted);
	out[n++] = OPT_END;
	return n < 300 ? 300 : n; /* BOOTP's least, which some relays insist on */
}

/* The ones of a net mask; 0: it is none. */
static unsigned ones(struct in_addr mask)
{
	uint32_t m = ntohl(mask.s_addr);
	unsigned n = 0;

	while (n < 32 && m & (0x80000000u >> n))
		n++;
	return n < 32 && m << n ? 0 : n;
}

bool dhcp_read(enum dhcp_kind *kind, struct lease *lease, struct in_addr *server,
	       struct span message, uint32_t transaction, const uint8_t mac[DHCP_MAC])
{
	const uint8_t *p = message.p;
	struct in_addr mask = {htonl(0xffffff00)};
	size_t at = FIXED;

	memset(lease, 0, sizeof *lease);
	server->s_addr = 0;
	if (message.n < FIXED || p[0] != 2 || memcmp(p + AT_XID, &transaction, 4) != 0 ||
	    memcmp(p + AT_MAC, mac, DHCP_MAC) != 0 || memcmp(p + AT_COOKIE, cookie, 4) != 0)
		return false;
	*kind = 0;
	memcpy(&lease->address, p + AT_YOUR, 4);
	while (at < message.n && p[at] != OPT_END) {
		uint8_t code = p[at++], n;

		if (code == 0) /* padding */
			continue;
		if (at == message.n || p[at] > message.n - at - 1)
			return false;
		n = p[at++];
		if (code == OPT_KIND && n == 1)
			*kind = p[at];
		else if (code == OPT_MASK && n == 4)
			memcpy(&mask, p + at, 4);
		else if (code == OPT_ROUTER && n >= 4)
			memcpy(&lease->gateway, p + at, 4);
		else if (code == OPT_SERVER && n == 4)
			memcpy(server, p + at, 4);
		at += n;
	}
	lease->prefix = ones(mask);
	return *kind == DHCP_NAK || ((*kind == DHCP_OFFER || *kind == DHCP_ACK) &&
				     lease->address.s_addr != 0 && lease->prefix > 0);
}

/* ---- asking ---- */

static int open_socket(const char *interface, uint8_t mac[DHCP_MAC], struct why *why)
{
	const struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(CLIENT_PORT)};
	struct ifreq r = {0};
	int one = 1, fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	strcpy(r.ifr_name, interface);
	if (fd >= 0 && ioctl(fd, SIOCGIFHWADDR, &r) == 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &one, sizeof one) == 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, interface, (socklen_t)strlen(interface)) ==
		0 &&
	    bind(fd, (const struct sockaddr *)&here, sizeof here) == 0) {
		memcpy(mac, r.ifr_hwaddr.sa_data, DHCP_MAC);
		return fd;
	}
	why_set(why, "DHCP on %s: %s", interface, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

/* Until that kind, or a NAK, comes in time. */
static bool await(int fd, enum dhcp_kind wanted, struct lease *lease, struct in_addr *server,
		  uint32_t transaction, const uint8_t mac[DHCP_MAC])
{
	uint8_t in[DHCP_MESSAGE_MAX];
	struct pollfd p = {.fd = fd, .events = POLLIN};
	enum dhcp_kind kind;
	int strangers;

	for (strangers = 0; strangers < 100 && poll(&p, 1, ANSWER_MS) > 0; strangers++) {
		ssize_t n = recv(fd, in, sizeof in, 0);

		if (n > 0 &&
		    dhcp_read(&kind, lease, server, span_of(in, (size_t)n), transaction, mac) &&
		    (kind == wanted || kind == DHCP_NAK))
			return kind == wanted;
	}
	return false;
}

bool dhcp_ask(struct lease *out, const char *interface, struct why *why)
{
	const struct sockaddr_in all = {.sin_family = AF_INET,
					.sin_port = htons(SERVER_PORT),
					.sin_addr = {htonl(INADDR_BROADCAST)}};
	uint8_t message[DHCP_MESSAGE_MAX], mac[DHCP_MAC];
	struct in_addr server = {0}, address = {0};
	uint32_t transaction;
	int i, fd = open_socket(interface, mac, why);
	bool ok = false;

	for (i = 0; fd >= 0 && !ok && i < TRIES; i++) {
		enum dhcp_kind kind = server.s_addr ? DHCP_REQUEST : DHCP_DISCOVER;
		enum dhcp_kind answer = server.s_addr ? DHCP_ACK : DHCP_OFFER;
		size_t n;

		if (kind == DHCP_DISCOVER &&
		    getrandom(&transaction, sizeof transaction, 0) != (ssize_t)sizeof transaction)
			break;
		n = dhcp_write(message, kind, transaction, mac, address, server);
		if (sendto(fd, message, n, 0, (const struct sockaddr *)&all, sizeof all) < 0)
			continue;
		if (await(fd, answer, out, &server, transaction, mac)) {
			address = out->address;
			ok = answer == DHCP_ACK;
		} else {
			server.s_addr = 0; /* from the start */
		}
	}
	if (fd >= 0)
		close(fd);
	if (fd >= 0 && !ok)
		why_set(why, "DHCP on %s: no server offers an address", interface);
	return ok;
}
