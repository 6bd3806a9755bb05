/*
 * resolve.h -- the addresses of a host's name, with an end to the waiting, which getaddrinfo(3)
 * does not have.
 */
#ifndef COORDINATOR_BASE_RESOLVE_H
#define COORDINATOR_BASE_RESOLVE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

#include "encoding/why.h"

#define RESOLVE_MAX 8 /* addresses of a name that are taken */

struct resolved {
	size_t n;
	char address[RESOLVE_MAX][INET6_ADDRSTRLEN]; /* numeric, in the resolver's order */
	bool again; /* none was found: nobody said that there is no such name, it may be later */
};

/* From any thread but the loop's: it waits, for ms at most. False with the sentence: there is no
 * such name, or no answer in time. A lookup that is given up ends on a thread of its own. */
bool resolve(struct resolved *out, const char *host, unsigned ms, struct why *why);

#endif
