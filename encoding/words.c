#include "encoding/words.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

bool words_have(const char *const *words, const char *word)
{
	while (*words && strcmp(word, *words) != 0)
		words++;
	return *words != NULL;
}

const char *words_s(uint64_t n)
{
	return n == 1 ? "" : "s";
}

const char *words_are(uint64_t n)
{
	return n == 1 ? "is" : "are";
}

const char *words_were(uint64_t n)
{
	return n == 1 ? "was" : "were";
}

const char *words_batches(char out[WORDS_RANGE_SIZE], uint64_t first, uint64_t last)
{
	if (first == last)
		snprintf(out, WORDS_RANGE_SIZE, "batch %" PRIu64, first);
	else
		snprintf(out, WORDS_RANGE_SIZE, "batches %" PRIu64 " to %" PRIu64, first, last);
	return out;
}
