/*
 * quote_call_register.h -- the quote as it is sent to L1, and the call that carries it.
 *
 * A capture buffer pads its quote; only the declared length is sent. A contract that
 * takes_leaf_only() gets the PCK certificate in DER instead of the PEM chain: the certification
 * data and the three length fields around it are not signed, and 2 kB of calldata are saved.
 */
#ifndef COORDINATOR_DCAP_QUOTE_CALL_H
#define COORDINATOR_DCAP_QUOTE_CALL_H

#include "encoding/bytes.h"
#include "encoding/why.h"

/* Appends the quote (version 4 or 5) as it goes to verifyAndAttestOnChain(bytes) or
 * register(bytes). False, with out as it was: no such quote, or no room; the sentence says which.
 */
bool quote_call_quote(struct buf *out, struct span quote, bool leaf_only, struct why *why);

/* Appends the calldata of TDXVerifier.register(bytes) for that quote. */
bool quote_call_register(struct buf *out, struct span quote, bool leaf_only, struct why *why);

#endif
