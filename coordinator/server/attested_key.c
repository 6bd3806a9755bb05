#include "coordinator/server/attested_key.h"

#include "verifier/include/tdxverify.h"

#include <string.h>

#define ZEROS_AT 20 /* in the report data */
#define HASH_AT  32

static bool names(struct span payload, const uint8_t hash[TLS_KEY_HASH])
{
	static const uint8_t zeros[HASH_AT - ZEROS_AT];
	struct tdxv_quote q;
	const uint8_t *data;

	if (tdxv_quote_parse(&q, payload.p, payload.n, NULL) != TDXV_OK || !q.tdx)
		return false;
	data = q.body.p + TDXV_TD_REPORTDATA;
	return memcmp(data + HASH_AT, hash, TLS_KEY_HASH) == 0 &&
	       memcmp(data + ZEROS_AT, zeros, sizeof zeros) == 0;
}

bool attested_key(const struct registrar *r, const uint8_t hash[TLS_KEY_HASH])
{
	const struct registrar_prover *p;
	size_t i;

	for (i = 0; (p = registrar_at(r, i)); i++)
		if (p->kind == REGISTRAR_QUOTE && p->fit != REGISTRAR_UNFIT &&
		    !registrar_revoked_by(r, &p->signer) && names(p->payload, hash))
			return true;
	return false;
}
