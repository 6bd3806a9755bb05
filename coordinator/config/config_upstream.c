#include "coordinator/config/config_upstream.h"

#include "coordinator/base/listen_at.h"
#include "coordinator/base/resolve.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define P      "ETHREX_PROOF_COORDINATOR_"
#define SCHEME "tcp://"

#define LOOKUP_MS 3000 /* that a start waits for DNS */

/* tcp://HOST:PORT or tcp://[IPv6]:PORT, nothing behind it. */
static bool parse(struct config *c)
{
	const char *host = c->upstream + strlen(SCHEME), *colon = strrchr(host, ':');
	const bool v6 = host[0] == '[';
	size_t n;
	char *end;
	unsigned long port;

	if (strncmp(c->upstream, SCHEME, strlen(SCHEME)) != 0 || !colon)
		return false;
	n = (size_t)(colon - host);
	port = strtoul(colon + 1, &end, 10);
	if (colon[1] < '0' || colon[1] > '9' || *end || port == 0 || port > 65535)
		return false;
	if (v6 && (n < 3 || host[n - 1] != ']'))
		return false;
	host += v6;
	n -= v6 ? 2 : 0;
	if (!n || n >= sizeof c->upstream_host || memchr(host, '/', n) || memchr(host, '@', n) ||
	    (!v6 && memchr(host, ':', n)))
		return false;
	memcpy(c->upstream_host, host, n);
	c->upstream_host[n] = '\0';
	c->upstream_port = (uint16_t)port;
	return true;
}

static bool check_not_ours(struct loader *l, const struct listen_at *upstream)
{
	const struct config *c = l->c;
	struct listen_at ours;

	if (listen_at_ip(&ours, c->listen_address, (uint16_t)c->listen_port, NULL) &&
	    listen_at_overlap(upstream, &ours))
		config_mistake(l, P "UPSTREAM is where this coordinator listens itself "
				    "(LISTEN_ADDRESS, LISTEN_PORT): move ethrex's own, with "
				    "--proof-coordinator.port 3901");
	else if (c->tls_address[0] &&
		 listen_at_ip(&ours, c->tls_address, (uint16_t)c->tls_port, NULL) &&
		 listen_at_overlap(upstream, &ours))
		config_mistake(l, P "UPSTREAM is where this coordinator listens itself "
				    "(TLS_LISTEN)");
	else if (listen_at_local(&ours, c->admin_listen, NULL) &&
		 listen_at_overlap(upstream, &ours))
		config_mistake(l, P "UPSTREAM is where this coordinator listens itself "
				    "(ADMIN_LISTEN)");
	else
		return true;
	return false;
}

static void check_name(struct loader *l)
{
	const struct config *c = l->c;
	struct resolved found;
	struct listen_at at;
	struct why why;
	size_t i;

	if (!resolve(&found, c->upstream_host, LOOKUP_MS, &why) && !found.again) {
		config_mistake(l, P "UPSTREAM: the name \"%s\" cannot be resolved: %s",
			       c->upstream_host, why.text);
	} else if (!found.n) {
		/* at boot, or before the container that is to have the name: it is asked again */
		why_wrap(&why, "the name \"%s\" cannot be resolved now", c->upstream_host);
		config_note(l->c, P "UPSTREAM", true, &why);
	}
	for (i = 0; i < found.n; i++)
		if (listen_at_ip(&at, found.address[i], c->upstream_port, NULL) &&
		    !check_not_ours(l, &at))
			break;
}

static void check_address(struct loader *l)
{
	struct listen_at at;

	/* A reload changes nothing here, and its caller's loop does not wait for DNS. */
	if (listen_at_ip(&at, l->c->upstream_host, l->c->upstream_port, NULL))
		check_not_ours(l, &at);
	else if (l->need_chain && !l->running)
		check_name(l);
}

static void check_submit(struct loader *l)
{
	struct config *c = l->c;
	const bool both = strcmp(c->submit_text, "both") == 0;
	char shown[CONFIG_SHOWN_SIZE];

	c->submit_l1 = both || strcmp(c->submit_text, "l1") == 0;
	c->submit_upstream = both || strcmp(c->submit_text, "upstream") == 0;
	if (!c->submit_l1 && !c->submit_upstream)
		config_mistake(l, P "SUBMIT: \"%s\" is not l1, upstream or both",
			       config_shown(shown, c->submit_text));
	else if (c->submit_upstream && !c->upstream[0])
		config_mistake(l,
			       P "SUBMIT is %s, but " P "UPSTREAM is not set: there is nobody "
				 "to forward proofs to",
			       c->submit_text);
}

void config_check_upstream(struct loader *l)
{
	struct config *c = l->c;
	char shown[CONFIG_SHOWN_SIZE];

	check_submit(l);
	if (!c->upstream[0])
		return;
	if (parse(c))
		check_address(l);
	else if (!config_is_key(c->upstream)) /* such a value was refused already, unseen */
		config_mistake(l, P "UPSTREAM: \"%s\" is not tcp://HOST:PORT",
			       strchr(c->upstream, '@') ? config_shown(shown, c->upstream)
							: c->upstream);
}
