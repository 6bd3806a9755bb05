/* guess.h -- what a misspelt word might have been meant for. */
#ifndef CLI_GUESS_H
#define CLI_GUESS_H

#include <stddef.h>

struct guess {
	const char *typed;
	size_t n;
	const char *best; /* of those considered so far; NULL: none is near */
	unsigned distance;
};

/* typed has n characters, and stays. */
struct guess guess_of(const char *typed, size_t n);
/* word stays. */
void guess_consider(struct guess *g, const char *word);

#endif
