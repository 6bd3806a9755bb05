#include "measurement/digest.h"

#include <openssl/evp.h>
#include <stdlib.h>

/* SHA-384 is part of every libcrypto; without it, or without memory for its state, no measurement
 * means anything. */
static void must(int ok)
{
	if (ok != 1)
		abort();
}

void digest_start(struct digest_stream *s)
{
	s->state = EVP_MD_CTX_new();
	must(s->state != NULL);
	must(EVP_DigestInit_ex(s->state, EVP_sha384(), NULL));
}

void digest_add(struct digest_stream *s, struct span bytes)
{
	if (bytes.n)
		must(EVP_DigestUpdate(s->state, bytes.p, bytes.n));
}

void digest_end(struct digest_stream *s, uint8_t out[DIGEST_SIZE])
{
	must(EVP_DigestFinal_ex(s->state, out, NULL));
	EVP_MD_CTX_free(s->state);
	s->state = NULL;
}

void digest_of(uint8_t out[DIGEST_SIZE], struct span bytes)
{
	struct digest_stream s;

	digest_start(&s);
	digest_add(&s, bytes);
	digest_end(&s, out);
}

void digest_extend(uint8_t reg[DIGEST_SIZE], const uint8_t digest[DIGEST_SIZE])
{
	struct digest_stream s;

	digest_start(&s);
	digest_add(&s, span_of(reg, DIGEST_SIZE));
	digest_add(&s, span_of(digest, DIGEST_SIZE));
	digest_end(&s, reg);
}
