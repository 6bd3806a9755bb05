/*
 * evidence.h -- what the last verification of each key's quote found, and how long it holds.
 */
#ifndef COORDINATOR_PROVERS_EVIDENCE_H
#define COORDINATOR_PROVERS_EVIDENCE_H

#include "coordinator/registrar/registrar.h"
#include "coordinator/verdicts/quote_check.h"

#define EVIDENCE_CONTRACT_MAX 512

struct evidence {
	struct eth_address signer;
	enum tdxv_tcb_status tcb_status;
	int64_t tcb_date, valid_to; /* valid_to: the earliest end of all collateral */
	uint32_t evaluation_number;
	struct collateral_key platform;
	uint8_t quote_sha256[32]; /* of the declared bytes: the verdict's name */
	uint64_t generation;      /* of collateral, policy and contract, by which it was found */
	int64_t warned_of;        /* the valid_to that was warned of */
	/* With Intel's early TCB info: what the next TCB recovery will make of it. Empty: no
	 * trouble in sight, or not looked at. */
	char early[QUOTE_CHECK_SENTENCE_MAX];
	/* What the contract that is faced says of that quote; empty: it was not asked yet. */
	char contract[EVIDENCE_CONTRACT_MAX];
	/* Kept alive by the evidence; NULL while the quote has not been verified. */
	const struct collateral_set *collateral;
};

struct evidence_book;

/* For at most max keys, of those that the registrar knows. NULL: out of memory. */
struct evidence_book *evidence_new(const struct registrar *registrar, size_t max);
void evidence_free(struct evidence_book *b);

/* NULL: none of that key. */
struct evidence *evidence_find(struct evidence_book *b, const struct eth_address *signer);
/* What a quote of these declared bytes was found to be in this generation, while it holds; else
 * NULL. */
const struct evidence *evidence_of_quote(const struct evidence_book *b, const uint8_t sha256[32],
					 uint64_t generation, int64_t now);
/* Keeps what a verification with this collateral found. Without room for a newcomer nothing. */
void evidence_put(struct evidence_book *b, const struct quote_checked *found,
		  const struct collateral_set *collateral, uint64_t generation);

/* Drops what belongs to forgotten keys, and warns once of each end that is nearer than that. */
void evidence_tick(struct evidence_book *b, int64_t now, int64_t warning_s);
/* Seconds until the first piece ends; INT64_MAX: none. */
int64_t evidence_seconds_left(const struct evidence_book *b, int64_t now);

#endif
