#include "guest/init/network.h"

#include "guest/init/dhcp.h"
#include "guest/init/say.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <net/route.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define INTERFACES "/sys/class/net"
#define WAIT_TURNS 200 /* of 50 ms */

static bool find_interface(char out[IFNAMSIZ])
{
	DIR *d = opendir(INTERFACES);
	struct dirent *entry;
	bool found = false;

	while (d && !found && (entry = readdir(d)) != NULL) {
		found = entry->d_name[0] != '.' && strcmp(entry->d_name, "lo") != 0 &&
			strlen(entry->d_name) < IFNAMSIZ;
		if (found)
			strcpy(out, entry->d_name);
	}
	if (d)
		closedir(d);
	return found;
}

static bool await_interface(char out[IFNAMSIZ], struct why *why)
{
	int i;

	for (i = 0; i < WAIT_TURNS; i++) {
		if (find_interface(out))
			return true;
		nanosleep(&(struct timespec){0, 50000000}, NULL);
	}
	why_set(why, "there is no network interface");
	return false;
}

static bool bring_up(int fd, const char *name, struct why *why)
{
	struct ifreq r = {0};

	strcpy(r.ifr_name, name);
	if (ioctl(fd, SIOCGIFFLAGS, &r) == 0) {
		r.ifr_flags |= IFF_UP;
		if (ioctl(fd, SIOCSIFFLAGS, &r) == 0)
			return true;
	}
	why_set(why, "%s does not come up: %s", name, strerror(errno));
	return false;
}

static struct sockaddr socket_address(struct in_addr address)
{
	const struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = address};
	struct sockaddr out;

	memcpy(&out, &in, sizeof out);
	return out;
}

static bool set_address(int fd, const char *name, const struct lease *l, struct why *why)
{
	const struct in_addr mask = {htonl(UINT32_MAX << (32 - l->prefix))}, any = {0};
	struct ifreq r = {0};
	struct rtentry route = {.rt_flags = RTF_UP | RTF_GATEWAY,
				.rt_dst = socket_address(any),
				.rt_genmask = socket_address(any),
				.rt_gateway = socket_address(l->gateway)};
	char text[INET_ADDRSTRLEN];

	strcpy(r.ifr_name, name);
	r.ifr_addr = socket_address(l->address);
	if (ioctl(fd, SIOCSIFADDR, &r) != 0) {
		why_set(why, "%s does not take its address: %s", name, strerror(errno));
		return false;
	}
	r.ifr_netmask = socket_address(mask);
	if (ioctl(fd, SIOCSIFNETMASK, &r) != 0) {
		why_set(why, "%s does not take its net mask: %s", name, strerror(errno));
		return false;
	}
	/* A net without a way out may be enough. */
	if (l->gateway.s_addr != 0 && ioctl(fd, SIOCADDRT, &route) != 0) {
		why_set(why, "no default route by way of %s: %s",
			inet_ntop(AF_INET, &l->gateway, text, sizeof text), strerror(errno));
		return false;
	}
	return true;
}

bool network_up(const struct guest_settings *s, struct why *why)
{
	struct lease l = {s->address, s->gateway, s->prefix};
	char name[IFNAMSIZ], text[INET_ADDRSTRLEN];
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool ok;

	if (fd < 0) {
		why_set(why, "no socket: %s", strerror(errno));
		return false;
	}
	ok = bring_up(fd, "lo", why) && await_interface(name, why) && bring_up(fd, name, why) &&
	     (!s->dhcp || dhcp_ask(&l, name, why)) && set_address(fd, name, &l, why);
	close(fd);
	if (ok)
		say("%s has the address %s/%u", name,
		    inet_ntop(AF_INET, &l.address, text, sizeof text), l.prefix);
	return ok;
}
