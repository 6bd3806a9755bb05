/*
 * rehearsal.h -- register() tried before anything is paid for.
 *
 * An eth_call of the TDXVerifier with other code at its quote verifier's address: code that answers
 * every quote with the report that the real one would give once its collateral is there. What the
 * TDXVerifier itself objects to -- the sender's role, the report's layout, the image -- is known so
 * before the uploads cost gas. A node that cannot replace code tells nothing, which is no
 * objection.
 */
#ifndef COORDINATOR_DCAP_REHEARSAL_H
#define COORDINATOR_DCAP_REHEARSAL_H

#include "encoding/bytes.h"
#include "encoding/why.h"
#include "ethereum/revert.h"
#include "verifier/include/tdxverify.h"

/* Appends EVM code that returns (true, report of this quote with the status UpToDate). False: the
 * layout cannot hold the quote, or no room; the sentence says which. */
bool rehearsal_code(struct buf *out, struct span quote, const uint8_t fmspc[6],
		    enum tdxv_report_layout layout, struct why *why);

/* True: the TDXVerifier itself refused, whatever the quote verifier will say; objection says why.
 * others_send: register() is left to others, so our role is no matter. */
bool rehearsal_objects(const struct eth_revert *revert, enum tdxv_report_layout layout,
		       bool others_send, struct why *objection);

#endif
