/*
 * collateral_source.h -- where collateral may come from, as text and as a struct.
 *
 *     https://api.trustedservices.intel.com   Intel's PCS, or a service of its kind
 *     pccs+https://host:8081                  a PCCS, which also serves the root CRL
 *     dir:/path                               files: /path/<fmspc>-<ca>/tcb_info.json and so on, or
 *                                             /path/tcb_info.json where that directory is not there
 *
 * Plain http only to loopback addresses. No user, query or fragment in a URL.
 */
#ifndef COORDINATOR_COLLATERAL_SOURCE_H
#define COORDINATOR_COLLATERAL_SOURCE_H

#include <stdbool.h>
#include <stddef.h>

#include "encoding/why.h"

#define COLLATERAL_SOURCES_MAX 8
#define COLLATERAL_NAME_SIZE   128

enum collateral_source_kind { COLLATERAL_PCS, COLLATERAL_PCCS, COLLATERAL_DIRECTORY };

struct collateral_source {
	enum collateral_source_kind kind;
	char at[1024];                   /* base URL without a slash at its end, or a path */
	char name[COLLATERAL_NAME_SIZE]; /* for sentences and metrics: scheme://host:port, dir:/path
					  */
};

/* Comma separated, in order. False with the sentence: none, too many, or one that is none. */
bool collateral_sources_parse(struct collateral_source out[COLLATERAL_SOURCES_MAX], size_t *n,
			      const char *text, struct why *why);

#endif
