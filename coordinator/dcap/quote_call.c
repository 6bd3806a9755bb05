#include "coordinator/dcap/quote_call.h"

#include "ethereum/abi.h"
#include "verifier/include/tdxverify.h"

#include <string.h>

#define LEAF_ROOM    2048u
#define PCK_CHAIN    5u
#define DER_SEQUENCE 0x30u

static bool read_quote(struct tdxv_quote *q, struct span quote, struct why *why)
{
	struct tdxv_why reason;

	if (tdxv_quote_parse(q, quote.p, quote.n, &reason) != TDXV_OK) {
		why_set(why, "%s", reason.text);
		return false;
	}
	if (q->version < 4) {
		why_set(why, "a quote of version %u cannot be registered: only 4 and 5 are TDX's",
			q->version);
		return false;
	}
	return true;
}

/* Little-endian, in front of what it measures. */
static void put_length(uint8_t *measured, size_t n)
{
	for (size_t i = 0; i < 4; i++)
		(measured - 4)[i] = (uint8_t)(n >> 8 * i);
}

/* The certification data is the end of all that encloses it, so each length shrinks alike. */
static bool replace_chain(uint8_t *quote, size_t *n, const struct tdxv_quote *q,
			  const uint8_t *base, struct why *why)
{
	size_t data_at = (size_t)(q->signature.p - base),
	       wrapped_at = (size_t)(q->qe_report.p - base),
	       chain_at = (size_t)(q->cert_data.p - base);
	struct tdxv_piece leaf;
	struct tdxv_why reason;
	uint8_t room[LEAF_ROOM];

	if (q->cert_type != PCK_CHAIN) {
		why_set(why,
			"the quote carries certification data of type %u, the PCK chain is type %u",
			q->cert_type, PCK_CHAIN);
		return false;
	}
	if (q->cert_data.n && q->cert_data.p[0] == DER_SEQUENCE)
		return true;
	if (tdxv_piece_certificate(&leaf, room, sizeof room, q->cert_data, 0, &reason) != TDXV_OK) {
		why_set(why, "the quote's PCK certificate cannot be read: %s", reason.text);
		return false;
	}
	memcpy(quote + chain_at, leaf.exact.p, leaf.exact.n);
	*n = chain_at + leaf.exact.n;
	put_length(quote + chain_at, leaf.exact.n);
	put_length(quote + wrapped_at, *n - wrapped_at);
	put_length(quote + data_at, *n - data_at);
	return true;
}

bool quote_call_quote(struct buf *out, struct span quote, bool leaf_only, struct why *why)
{
	size_t start = out->len, n;
	struct tdxv_quote q;

	if (!read_quote(&q, quote, why))
		return false;
	n = q.declared_size;
	if (!buf_add(out, quote.p, n)) {
		why_set(why, "there is no room for a quote of %zu bytes", n);
		return false;
	}
	if (leaf_only && !replace_chain(out->p + start, &n, &q, quote.p, why))
		n = 0;
	out->len = start + n;
	return n > 0;
}

bool quote_call_register(struct buf *out, struct span quote, bool leaf_only, struct why *why)
{
	struct abi_value arg;
	struct buf sent;
	bool ok;

	buf_init(&sent, TDXV_QUOTE_MAX);
	ok = quote_call_quote(&sent, quote, leaf_only, why);
	if (ok) {
		arg = abi_bytes(buf_span(&sent));
		ok = abi_encode_call(out, "register(bytes)", &arg, 1, why) == ETH_OK;
	}
	buf_free(&sent);
	return ok;
}
