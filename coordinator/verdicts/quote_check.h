/*
 * quote_check.h -- one quote weighed: its own signatures, the contract's demands, collateral,
 * policy.
 *
 * Pure, and safe in any thread: everything it reads is an argument. What libtdxverify finds and
 * what the TDXVerifier would refuse become one answer with one sentence for each thing that is
 * wrong.
 */
#ifndef COORDINATOR_VERDICTS_QUOTE_CHECK_H
#define COORDINATOR_VERDICTS_QUOTE_CHECK_H

#include "coordinator/collateral/collateral.h"
#include "coordinator/dcap/contract_fit.h"
#include "coordinator/verdicts/refusals.h"
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

/* Names of a quote. Signatures are malleable and white space is not signed: whoever has a quote can
 * make others that are judged like it, so that a refusal may have to be known by less than all
 * bytes. But it must not be known by less than what was judged, or a stranger has others' quotes
 * refused. */
struct quote_keys {
	struct refusal_key whole;       /* the declared bytes */
	struct refusal_key judged;      /* the same without the two signatures, once these hold */
	struct refusal_key signed_part; /* what the quoting enclave signed: header and body */
};

struct quote_checked {
	bool passed;
	bool undecided; /* memory was short: nothing was found out */
	/* Not passed, for reasons in the bytes themselves: nothing outside will change it. */
	bool lasting;
	char sentence[QUOTE_CHECK_SENTENCE_MAX]; /* empty when passed */
	struct quote_keys keys;
	bool authentic_bytes; /* chain and signatures hold */
	/* What the enclave signed was refused, whoever signs it: the image, the key that it names.
	 */
	bool signed_part_refused;
	struct eth_address signer; /* the first 20 bytes of the report data */
	struct collateral_key platform;
	enum tdxv_tcb_status tcb_status;
	int64_t tcb_date, valid_to;
	uint32_t evaluation_number;
	unsigned ecdsa_operations;
	struct buf json; /* the verdict; empty when memory was short */
};

/* The names of a quote, without judging it. q receives the parsed quote; for bytes that are none it
 * is zeroed, whole names them all, and the others are zero. */
void quote_check_keys(struct quote_keys *keys, struct tdxv_quote *q, struct span quote);

/* out->json is the caller's to buf_free(). */
void quote_check(struct quote_checked *out, const struct quote_check_input *in);

#endif
