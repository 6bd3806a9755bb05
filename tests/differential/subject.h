/*
 * subject.h -- one quote with its collateral, and what libtdxverify says about it, as a line of
 * JSON for the driver that shows the same to the contract.
 *
 * The framing of the pieces (PEM, hex, the object around a signed body) ends here: the contract
 * takes DER and bodies. A piece whose framing is malformed is left out, as nobody could upload it.
 */
#ifndef TESTS_DIFFERENTIAL_SUBJECT_H
#define TESTS_DIFFERENTIAL_SUBJECT_H

#include "tests/unit/verifier/forge.h"

#include <stdio.h>

struct subject {
	const char *id;
	struct tdxv_bytes quote, root; /* root: PEM, the key to trust */
	struct tdxv_collateral_input in;
	int64_t uploaded, now; /* when the collateral is uploaded, when the quote is verified */
};

/*
 * Writes {"id", "uploaded", "now", "root_key", pieces..., "quote", "leaf_leads", "leaf_quote",
 * "library", "canonical"}; bytes are hex.
 *
 * leaf_leads: whether the quote's certification data begins with its leaf, in PEM.
 * leaf_quote: the quote with its certification data replaced by the leaf in DER, where it has one.
 * library: the verdict on the quote: "authentic", "status", "failed" checks, "summary", and as
 * "v1_0" and "v1_1" the bytes that a contract of that layout returns, or null.
 * canonical: the verdict when the certificates above the leaf are those of the collateral, which is
 * what a contract sees that has the CA in its storage. null when the quote carries no leaf.
 */
void subject_write(FILE *out, const struct subject *s);

/* The same for a forged quote, at one time. */
void subject_write_forged(FILE *out, const char *id, const struct forged *x, int64_t uploaded,
			  int64_t now);

/* Appends the quote with other certification data, its sizes mended. False when it is no quote. */
bool subject_rewrap(struct buf *out, const uint8_t *quote, size_t n, const void *cert_data,
		    size_t cert_size);

#endif
