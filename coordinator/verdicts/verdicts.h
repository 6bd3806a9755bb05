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
	bool lasting;                     /* refused for what nothing outside will change */
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
/* The same of a FACT_PUT or FACT_DEL of another coordinator. What had to make room for it is
 * dropped from the leader's store; NULL: this one does not lead. */
bool verdicts_fact_foreign(struct verdicts *v, const struct store_change *change,
			   struct store *leaders);
/* Of a verdict's row that is kept: the sentence of a lasting refusal, and the hash of the quote's
 * declared bytes; else NULL. Valid until the next call that keeps one. */
const char *verdicts_lasting_refusal(const struct verdicts *v, const struct store_fact *row,
				     uint8_t sha256[32]);
/* The newest whose hash begins with these digits; NULL: none. Borrowed. */
const json_t *verdicts_find(const struct verdicts *v, const char *hex_prefix);
/* [{quote_sha256, at, source, answer, reason, signer}], newest first; a new reference. */
json_t *verdicts_list(const struct verdicts *v);

#endif
