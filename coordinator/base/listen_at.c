#include "coordinator/base/listen_at.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

/* What may be wrong with a text that is no numeric address; "": who knows. */
static const char *hint(const char *text)
{
	const char *colon = strrchr(text, ':');
	struct in_addr v4;
	char host[16];

	if (strcmp(text, "localhost") == 0)
		return " (write 127.0.0.1)";
	if (strcmp(text, "*") == 0)
		return " (write 0.0.0.0)";
	if (*text == '[')
		return " (write it without brackets, and its port in the port's setting)";
	if (!colon || (size_t)(colon - text) >= sizeof host)
		return "";
	memcpy(host, text, (size_t)(colon - text));
	host[colon - text] = '\0';
	return inet_pton(AF_INET, host, &v4) == 1 ? " (its port has a setting of its own)" : "";
}

bool listen_at_ip(struct listen_at *out, const char *ip, uint16_t port, struct why *why)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

	memset(out, 0, sizeof *out);
	if (inet_pton(AF_INET, ip, &v4.sin_addr) == 1) {
		memcpy(&out->address, &v4, out->size = sizeof v4);
		return true;
	}
	if (inet_pton(AF_INET6, ip, &v6.sin6_addr) == 1) {
		memcpy(&out->address, &v6, out->size = sizeof v6);
		return true;
	}
	why_set(why, "it is not a numeric IPv4 or IPv6 address%s", hint(ip));
	return false;
}

const char *listen_at_path(const char *text)
{
	return strncmp(text, "unix:", 5) == 0 ? text + 5 : NULL;
}

static bool at_path(struct listen_at *out, const char *path, struct why *why)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};

	if (!*path || strlen(path) >= sizeof to.sun_path) {
		why_set(why, "the socket's path is %s",
			*path ? "longer than 107 characters" : "empty");
		return false;
	}
	strcpy(to.sun_path, path);
	memcpy(&out->address, &to, out->size = sizeof to);
	return true;
}

static bool parse_port(uint16_t *out, const char *text)
{
	char *end;
	unsigned long port = strtoul(text, &end, 10);

	*out = (uint16_t)port;
	return *text >= '0' && *text <= '9' && !*end && port <= 65535;
}

bool listen_at_local(struct listen_at *out, const char *text, struct why *why)
{
	const char *colon = strrchr(text, ':'), *path = listen_at_path(text);
	const struct sockaddr_in *v4 = (const void *)&out->address;
	const struct sockaddr_in6 *v6 = (const void *)&out->address;
	char host[64] = "";
	bool v6_wanted = false;
	uint16_t port;

	memset(out, 0, sizeof *out);
	if (path)
		return at_path(out, path, why);
	if (colon && (size_t)(colon - text) < sizeof host)
		memcpy(host, text, (size_t)(colon - text));
	if (strcmp(host, "localhost") == 0)
		strcpy(host, "127.0.0.1");
	if (host[0] == '[' && host[strlen(host) - 1] == ']') {
		memmove(host, host + 1, strlen(host));
		host[strlen(host) - 1] = '\0';
		v6_wanted = true;
	}
	if (!host[0] || !parse_port(&port, colon + 1) || !listen_at_ip(out, host, port, NULL) ||
	    v6_wanted != (out->address.ss_family == AF_INET6)) {
		why_set(why, "it is none of unix:PATH, 127.x.x.x:PORT and [::1]:PORT");
		return false;
	}
	if (v6_wanted ? !IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr)
		      : (ntohl(v4->sin_addr.s_addr) >> 24) != 127) {
		why_set(why, "it must be on loopback (127.x.x.x:PORT, [::1]:PORT) or a Unix socket "
			     "(unix:PATH)");
		return false;
	}
	return true;
}

static bool is_any(const struct listen_at *at)
{
	const struct sockaddr_in *v4 = (const void *)&at->address;
	const struct sockaddr_in6 *v6 = (const void *)&at->address;

	if (at->address.ss_family == AF_INET)
		return v4->sin_addr.s_addr == htonl(INADDR_ANY);
	return IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr);
}

bool listen_at_overlap(const struct listen_at *a, const struct listen_at *b)
{
	/* The port lies at the same place in both kinds of address. */
	const struct sockaddr_in *pa = (const void *)&a->address, *pb = (const void *)&b->address;

	if (a->address.ss_family == AF_UNIX || b->address.ss_family == AF_UNIX ||
	    pa->sin_port != pb->sin_port || !pa->sin_port)
		return false;
	return is_any(a) || is_any(b) ||
	       (a->size == b->size && memcmp(&a->address, &b->address, a->size) == 0);
}

void listen_at_refused(struct why *why, const char *what, int error, const char *setting)
{
	const char *then;

	switch (error) {
	case EADDRINUSE:
		then = ": another process has that port (ss -ltnp shows it); end it, or set ";
		break;
	case EADDRNOTAVAIL: then = ": this machine has no such address; correct "; break;
	case EACCES: then = ": the user may not use that place; allow it, or set "; break;
	default: then = ": see ";
	}
	why_set(why, "cannot listen on %s: %s%s%s", what, strerror(error), then, setting);
}
