/*
 * dcap_words.h -- what a DCAP contract's refusal of a quote means to the operator.
 *
 * verifyAndAttestOnChain answers (false, reason): a sentence in v1.0 of Automata's contracts, a
 * code of a few capitals in v1.1. TDXVerifier.register swallows both.
 */
#ifndef COORDINATOR_DCAP_WORDS_H
#define COORDINATOR_DCAP_WORDS_H

#include "ethereum/revert.h"

/* The meaning of such a reason; NULL when it is not known (then it speaks for itself). */
const char *dcap_reason_words(const char *reason);

/* Whether no collateral on the PCCS would change it: the quote's form, or the stack's own state. */
bool dcap_reason_is_final(const char *reason);
/* Whether what it finds wrong lies in the CRLs that the chain holds, for a quote whose chain and
 * collateral hold here. */
bool dcap_reason_is_of_crls(const char *reason);
bool dcap_revert_is_final(const struct eth_revert *revert);

/* A report's status byte as Automata numbers it: "OutOfDate". Never NULL. */
const char *dcap_status_name(uint8_t status);

/* The causes that a revert without data has in these contracts, as half a sentence. */
const char *dcap_empty_revert_words(void);

#endif
