/*
 * numbers.h -- Intel's list of TCB evaluation numbers for TDX, and which of them counts.
 *
 * With each TCB recovery Intel begins to publish TCB info and QE identity under one number more. A
 * number becomes the standard one 365 days after its recovery event; the newest is the early one.
 * The dates lie in the past and stay true, so a list counts after its next update too. Pure.
 *
 * Source: Intel PCS API v4, tcbevaluationdatanumbers; contracts/src/dcap/EvaluationNumbers.sol.
 */
#ifndef COORDINATOR_COLLATERAL_NUMBERS_H
#define COORDINATOR_COLLATERAL_NUMBERS_H

#include "encoding/why.h"
#include "verifier/include/tdxverify.h"

#define COLLATERAL_NUMBERS_MAX 64 /* real lists: 3 to 8 */

struct collateral_numbers {
	int64_t issued, next_update;
	size_t n; /* 0: no list */
	struct {
		uint32_t number;
		int64_t recovery; /* the event's date */
	} entry[COLLATERAL_NUMBERS_MAX];
};

/* A response {"tcbEvaluationDataNumbers":{...},"signature":"..."}; strictly. False with the
 * sentence, and out is empty. The signature is not looked at. */
bool collateral_numbers_read(struct collateral_numbers *out, struct tdxv_bytes response,
			     struct why *why);
/* Whether the response is signed with the key of the chain's first certificate, which the caller
 * trusts. False with the sentence. */
bool collateral_numbers_signed(struct tdxv_bytes response, struct tdxv_bytes chain_pem,
			       struct why *why);

/* The standard number at that time; 0: none of the list is old enough. */
uint32_t collateral_numbers_standard(const struct collateral_numbers *list, int64_t now);
/* The newest; 0: no list. */
uint32_t collateral_numbers_early(const struct collateral_numbers *list);

#endif
