/*
 * contract_fit.h -- would this TDXVerifier take this quote?
 *
 * A production TDXVerifier names one image in its constructor and looks at the report that the
 * quote verifier returns. What it would refuse is found here, before anything is fetched or sent,
 * with the values that differ. Pure.
 *
 * Source: ethrex, TDXVerifier.sol, _validateReport().
 */
#ifndef COORDINATOR_DCAP_CONTRACT_FIT_H
#define COORDINATOR_DCAP_CONTRACT_FIT_H

#include "encoding/bytes.h"
#include "ethereum/address.h"
#include "verifier/include/tdxverify.h"

/* MRTD, RTMR0, RTMR1, RTMR2 of the contract. */
struct contract_image {
	uint8_t measurement[4][48];
};

/* Appends one more sentence, behind "; " where there are some. */
void reasons_add(struct buf *reasons, const char *sentence);

/* Appends a sentence for each reason, joined by "; ". True: none. The body must be a TD's. */
bool contract_fits_quote(const struct tdxv_quote *quote, const struct contract_image *image,
			 struct buf *reasons);
/* The same for the TCB status, which only a verification with collateral gives. */
bool contract_fits_status(enum tdxv_tcb_status status, struct buf *reasons);

#endif
