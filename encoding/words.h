/* words.h -- numbers as a sentence has them: one of something is not several; lists of words. */
#ifndef ENCODING_WORDS_H
#define ENCODING_WORDS_H

#include <stdbool.h>
#include <stdint.h>

/* Whether it is one of the words, which end with NULL. */
bool words_have(const char *const *words, const char *word);

/* What follows a noun of which there are n: "proof%s". */
const char *words_s(uint64_t n);
/* "is" or "are", "was" or "were". */
const char *words_are(uint64_t n);
const char *words_were(uint64_t n);

#define WORDS_RANGE_SIZE 64
/* "batch 7", "batches 7 to 9"; returns out. */
const char *words_batches(char out[WORDS_RANGE_SIZE], uint64_t first, uint64_t last);

#endif
