#include "ethereum/public_inputs.h"

#include <openssl/evp.h>
#include <string.h>

#define WORD        32
#define EIGHT_WORDS (8 * WORD)
#define PAIR        (2 * WORD) /* what a balance diff begins with, and a rolling hash is */
#define ASSET       (3 * 20 + WORD)

static bool add_balance_diff(struct buf *out, const struct balance_diff *d)
{
	if (!buf_add(out, d->chain_id.be, 32) || !buf_add(out, d->value.be, 32))
		return false;
	for (size_t i = 0; i < d->assets_n; i++) {
		const struct asset_diff *a = &d->assets[i];

		if (!(buf_add(out, a->token_l1.b, 20) && buf_add(out, a->token_l2.b, 20) &&
		      buf_add(out, a->dest_token_l2.b, 20) && buf_add(out, a->value.be, 32)))
			return false;
	}
	for (size_t i = 0; i < d->message_hashes_n; i++)
		if (!buf_add(out, d->message_hashes[i], 32))
			return false;
	return true;
}

bool public_inputs_encode(struct buf *out, const struct batch_commitment *c)
{
	size_t start = out->len;

	if (!(buf_add(out, c->initial_state_root, 32) && buf_add(out, c->new_state_root, 32) &&
	      buf_add(out, c->withdrawals_root, 32) &&
	      buf_add(out, c->privileged_rolling_hash, 32) &&
	      buf_add(out, c->blob_versioned_hash, 32) && buf_add(out, c->last_block_hash, 32) &&
	      buf_add(out, c->chain_id.be, 32) && buf_add(out, c->non_privileged_count.be, 32)))
		goto no_room;
	for (size_t i = 0; i < c->balance_diffs_n; i++)
		if (!add_balance_diff(out, &c->balance_diffs[i]))
			goto no_room;
	for (size_t i = 0; i < c->l2_in_n; i++)
		if (!buf_add(out, c->l2_in[i].chain_id.be, 32) ||
		    !buf_add(out, c->l2_in[i].hash, 32))
			goto no_room;
	return true;
no_room:
	out->len = start;
	return false;
}

bool public_inputs_size(size_t n)
{
	size_t assets, rest;

	if (n < EIGHT_WORDS)
		return false;
	rest = n - EIGHT_WORDS;
	/* All but assets are whole words, and so are eight assets. */
	for (assets = 0; assets < 8 && rest % WORD != 0 && rest >= ASSET; assets++)
		rest -= ASSET;
	return rest % WORD == 0 && (rest >= PAIR || (rest == 0 && assets == 0));
}

bool blob_versioned_hash(uint8_t out[32], const uint8_t commitment[BLOB_COMMITMENT_SIZE])
{
	static const uint8_t none[BLOB_COMMITMENT_SIZE];

	if (memcmp(commitment, none, sizeof none) == 0) {
		memset(out, 0, 32);
		return true;
	}
	if (EVP_Digest(commitment, BLOB_COMMITMENT_SIZE, out, NULL, EVP_sha256(), NULL) != 1)
		return false;
	out[0] = 0x01;
	return true;
}
