/*
 * quote_check.h -- one quote weighed: its own signatures, the contract's demands, collateral,
 * policy.
 *
 * Pure, and safe in any thread: everything it reads is an argument. What libtdxverify finds and
 * what the TDXVerifier would refuse become one answer with one sentence for each thing that is
 * wrong.
 */
#ifndef COORDINATOR_PROVERS_QUOTE_CHECK_H
#define COORDINATOR_PROVERS_QUOTE_CHECK_H

#include "coordinator/collateral/collateral.h"
#include "coordinator/dcap/contract_fit.h"
#include "coordinator/provers/refusals.h"
#include "encoding/bytes.h"
#include "ethereum/address.h"

#define QUOTE_CHECK_SENTENCE_MAX 2048
#define QUOTE_CHECK_JSON_MAX     (64u * 1024)

struct quote_check_input {
	struct span quote;
	/* The collateral, or one made of no pieces where whole is false. */
	const struct tdxv_collateral *collateral;
	bool whole; /* else only what needs no collateral: chain, signatures, image */
	const struct tdxv_policy *policy;
	const struct contract_image *image;
	struct tdxv_cache *cache;
	int64_t now;
};

struct quote_checked {
	bool passed;
	bool undecided; /* memory was short: nothing was found out */
	/* Not passed, for reasons in the bytes themselves: nothing outside will change it. */
	bool lasting;
	char sentence[QUOTE_CHECK_SENTENCE_MAX]; /* empty when passed */
	/* Of the declared bytes, and of what the quoting enclave signed; zero when unreadable. */
	struct refusal_key whole_key, signed_key;
	bool authentic_bytes; /* chain and signatures hold: signed_key names what was refused */
	struct eth_address signer; /* the first 20 bytes of the report data */
	struct collateral_key platform;
	enum tdxv_tcb_status tcb_status;
	int64_t tcb_date, valid_to;
	uint32_t evaluation_number;
	unsigned ecdsa_operations;
	struct buf json; /* the verdict; empty when memory was short */
};

/* The two names of a quote, without judging it: of its declared bytes, and of what its enclave
 * signed. q receives the parsed quote; for bytes that are none it is zeroed, whole names them all,
 * and signed_part is zero. */
void quote_check_keys(struct refusal_key *whole, struct refusal_key *signed_part,
		      struct tdxv_quote *q, struct span quote);

/* out->json is the caller's to buf_free(). */
void quote_check(struct quote_checked *out, const struct quote_check_input *in);

#endif
