/*
 * cases.h -- the lists of subjects: made by hand, from the shared vectors, at random.
 */
#ifndef TESTS_DIFFERENTIAL_CASES_H
#define TESTS_DIFFERENTIAL_CASES_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Every kind of quote, every mutation, every strictness, every convergence of statuses, every
 * boundary of time, and a flipped bit in every stride-th byte of a quote and its collateral. */
void cases_forged(FILE *out, unsigned stride);
/* Every entry of the manifest in dir (the one that holds MANIFEST.json). False when it is absent.
 */
bool cases_vectors(FILE *out, const char *dir);
/* n random edits of signed structures, each signed anew where its signer would; equal seeds make
 * equal edits. */
void cases_random(FILE *out, uint64_t seed, unsigned n);

#endif
