/*
 * dcap_words.h -- what a DCAP contract's refusal of a quote means to the operator.
 *
 * verifyAndAttestOnChain answers (false, reason): a sentence in v1.0 of Automata's contracts, a
 * code of a few capitals in v1.1. TDXVerifier.register swallows both.
 */
#ifndef COORDINATOR_DCAP_WORDS_H
#define COORDINATOR_DCAP_WORDS_H

/* The meaning of such a reason; NULL when it is not known (then it speaks for itself). */
const char *dcap_reason_words(const char *reason);

/* The causes that a revert without data has in these contracts, as half a sentence. */
const char *dcap_empty_revert_words(void);

#endif
