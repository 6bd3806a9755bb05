/*
 * verdicts.h -- the last verdicts on quotes, kept for `proof-coordinator explain`.
 *
 * Bounded: the oldest makes room. Each is also a fact in the store, lazily written, under
 * "verdict/" and the SHA-256 of the quote's declared bytes.
 */
#ifndef COORDINATOR_VERDICTS_VERDICTS_H
#define COORDINATOR_VERDICTS_VERDICTS_H

#include "coordinator/store/store.h"
#include "encoding/bytes.h"
#include "ethereum/address.h"

#include <jansson.h>

struct verdicts;

struct verdict_note {
	const uint8_t *sha256; /* 32 bytes */
	int64_t at;            /* unix seconds, L1's */
	const char *source, *answer, *sentence;
	const struct eth_address *signer; /* NULL: not known */
	struct span json;                 /* libtdxverify's verdict; may be empty */
};

/* NULL: out of memory. max: at least 1. */
struct verdicts *verdicts_new(size_t max);
void verdicts_free(struct verdicts *v);
/* Replaces a former verdict on the same quote. Without memory it is dropped. */
void verdicts_keep(struct verdicts *v, struct store *store, const struct verdict_note *note);
/* What the contract that is faced says of a quote whose verdict is kept. It stays when that verdict
 * is replaced. Nothing to do where none is kept. */
void verdicts_note_contract(struct verdicts *v, struct store *store, const uint8_t sha256[32],
			    const char *words);
/* At the start: the row of a verdict that an earlier run kept. False: another fact. What cannot be
 * read is passed over. */
bool verdicts_fact_get(struct verdicts *v, const struct store_fact *row);
/* The newest whose hash begins with these digits; NULL: none. Borrowed. */
const json_t *verdicts_find(const struct verdicts *v, const char *hex_prefix);
/* [{quote_sha256, at, source, answer, reason, signer}], newest first; a new reference. */
json_t *verdicts_list(const struct verdicts *v);

#endif
