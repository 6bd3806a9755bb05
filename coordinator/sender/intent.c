/* An intent as one blob: big-endian numbers and length-prefixed bytes behind a magic word. */
#include "coordinator/sender/sender.h"

#include "encoding/endian.h"

#include <string.h>

#define INTENT_MAGIC 0x49545831u /* "ITX1": another layout gets another word */

void sender_intent_init(struct sender_intent *in)
{
	memset(in, 0, sizeof *in);
	/* the rest of a signed transaction (fields, signature, lengths) is below 256 bytes */
	buf_init(&in->calldata, SENDER_TX_BYTES_MAX - 256);
	buf_init(&in->raw, SENDER_TX_BYTES_MAX);
}

void sender_intent_free(struct sender_intent *in)
{
	buf_free(&in->calldata);
	buf_free(&in->raw);
	sender_intent_init(in);
}

static bool put(struct buf *b, uint64_t v)
{
	uint8_t be[8];

	put_be64(be, v);
	return buf_add(b, be, sizeof be);
}

static bool put_bytes(struct buf *b, const struct buf *v)
{
	return put(b, v->len) && buf_add(b, v->p, v->len);
}

bool sender_intent_encode(const struct sender_intent *in, struct buf *out)
{
	size_t before = out->len;
	unsigned i;
	bool ok;

	ok = put(out, INTENT_MAGIC) && put(out, in->id) && put(out, (uint64_t)in->kind) &&
	     buf_add(out, in->from.b, 20) && buf_add(out, in->to.b, 20) &&
	     put(out, in->first_batch) && put(out, in->last_batch) &&
	     buf_add(out, in->signer.b, 20) && put(out, in->gas) && put_bytes(out, &in->calldata) &&
	     put_bytes(out, &in->raw) && put(out, in->n_attempts);
	for (i = 0; ok && i < in->n_attempts; i++) {
		const struct sender_attempt *a = &in->attempts[i];

		ok = put(out, a->nonce) && put(out, a->max_fee) && put(out, a->tip) &&
		     buf_add(out, a->hash, 32);
	}
	if (!ok)
		out->len = before;
	return ok;
}

static bool get_raw(struct span *in, void *out, size_t n)
{
	if (in->n < n)
		return false;
	memcpy(out, in->p, n);
	in->p += n;
	in->n -= n;
	return true;
}

static bool get(struct span *in, uint64_t *out)
{
	uint8_t be[8];

	if (!get_raw(in, be, sizeof be))
		return false;
	*out = be64(be);
	return true;
}

static bool get_bytes(struct span *in, struct buf *out)
{
	uint64_t n;

	if (!get(in, &n) || n > in->n || !buf_add(out, in->p, (size_t)n))
		return false;
	in->p += n;
	in->n -= (size_t)n;
	return true;
}

bool sender_intent_decode(struct sender_intent *in, struct span blob, struct why *why)
{
	uint64_t magic, kind, n, i;
	struct span b = blob;

	sender_intent_free(in);
	if (!get(&b, &magic) || magic != INTENT_MAGIC) {
		why_set(why, "the stored intent of %zu bytes does not begin as one", blob.n);
		goto bad;
	}
	if (!get(&b, &in->id) || !get(&b, &kind) || !get_raw(&b, in->from.b, 20) ||
	    !get_raw(&b, in->to.b, 20) || !get(&b, &in->first_batch) || !get(&b, &in->last_batch) ||
	    !get_raw(&b, in->signer.b, 20) || !get(&b, &in->gas) || !get_bytes(&b, &in->calldata) ||
	    !get_bytes(&b, &in->raw) || !get(&b, &n)) {
		why_set(why, "the stored intent ends early, after %zu bytes", blob.n);
		goto bad;
	}
	if (kind > SENDER_UPLOAD || n > SENDER_ATTEMPTS_MAX || (n > 0) != (in->raw.len > 0) ||
	    b.n != n * 56) {
		why_set(why,
			"the stored intent has kind %llu, %llu attempts, %zu bytes of transaction "
			"and %zu at the end, which do not go together",
			(unsigned long long)kind, (unsigned long long)n, in->raw.len, b.n);
		goto bad;
	}
	in->kind = (enum sender_kind)kind;
	in->n_attempts = (unsigned)n;
	for (i = 0; i < n; i++) {
		struct sender_attempt *a = &in->attempts[i];

		if (!get(&b, &a->nonce) || !get(&b, &a->max_fee) || !get(&b, &a->tip) ||
		    !get_raw(&b, a->hash, 32)) {
			why_set(why, "attempt %llu of the stored intent ends early",
				(unsigned long long)i + 1);
			goto bad;
		}
	}
	return true;
bad:
	sender_intent_free(in);
	return false;
}
