/*
 * fetch_collateral.h -- one platform's collateral for a tool, without a daemon.
 */
#ifndef COORDINATOR_FETCH_COLLATERAL_H
#define COORDINATOR_FETCH_COLLATERAL_H

#include "coordinator/config/config.h"
#include "encoding/bytes.h"
#include "encoding/why.h"

/*
 * What the platform of a quote needs, from the cache in DATA_DIR while it is fresh, else from the
 * settings' sources, checked as the daemon checks it; nothing is written. out, born with its
 * ceiling, receives one JSON object of strings, named as tdx-quote reads it (CRLs that are no text
 * in hex). The quote is the operator's own: its chain is not judged here, tdx-quote does that.
 * False with a sentence.
 */
bool fetch_collateral(struct buf *out, const struct config *c, struct span quote, struct why *why);

#endif
