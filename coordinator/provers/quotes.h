/*
 * attestation.h -- a stranger's quote becomes a verdict in words, before any gas is spent.
 *
 * A quote's own chain and signatures come first, then what the contract demands of its image; only
 * then is collateral looked for, and the whole verified against it, the policy, and L1's time. The
 * work is done in libuv's pool on a copy. What was refused is remembered, so that it costs a hash
 * when it comes again, and a source that offers bad quotes has to wait.
 *
 * Quotes that were accepted are verified again whenever collateral, policy or contract change, and
 * the registrar is told whether each is still fit.
 *
 * Everything is called on the loop's thread.
 */
#ifndef COORDINATOR_PROVERS_QUOTES_H
#define COORDINATOR_PROVERS_QUOTES_H

#include "coordinator/provers/quote_check.h"
#include "encoding/bytes.h"
#include "encoding/why.h"
#include "ethereum/address.h"
#include "verifier/include/tdxverify.h"

#include <jansson.h>

struct daemon;
struct quotes;

/* False with the sentence: the policy file cannot be used, or memory is out. */
bool quotes_new(struct quotes **out, struct daemon *d, struct why *why);
/* No callback comes after this; done is called when the pool's jobs have come back. NULL is fine.
 */
void quotes_close(struct quotes *a, void (*done)(void *arg), void *arg);
void quotes_free(struct quotes *a);

enum quotes_rc {
	QUOTES_ATTESTED,
	QUOTES_REFUSED, /* never, with this quote and what is known now */
	QUOTES_RETRY,   /* not now: no collateral, no L1, too busy, or the source must wait */
};

struct quotes_result {
	enum quotes_rc rc;
	struct eth_address signer; /* QUOTES_ATTESTED: the key that the quote vouches for */
	const char *sentence;      /* else: all that is wrong, joined by "; " */
};
typedef void quotes_cb(void *arg, const struct quotes_result *result);

/* Verifies a copy of the quote. True: cb comes later, unless the daemon is stopping. False: *out is
 * the answer already (known, penalised, too busy); its sentence is good until the next call.
 * source: an address, as limits_source_text() gives it. */
bool quotes_verify(struct quotes *a, struct span quote, const char *source, quotes_cb *cb,
		   void *arg, struct quotes_result *out);

/* Collateral, policy or contract are others: what was refused may pass now, and what passed may
 * not. All that the registrar keeps is verified again. */
void quotes_changed(struct quotes *a);
/* L1's facts are new. */
void quotes_on_facts(struct quotes *a);
/* From time to time: expiry, warnings. */
void quotes_tick(struct quotes *a);
/* The settings were read again: with the policy file as it is now, all that is kept is verified
 * again. False with the sentence: the former policy stays. */
bool quotes_reload(struct quotes *a, struct why *why);

/* What the last verification of a key's quote found. */
struct evidence {
	struct eth_address signer;
	enum tdxv_tcb_status tcb_status;
	int64_t tcb_date, valid_to; /* valid_to: the earliest end of all collateral */
	uint32_t evaluation_number;
	struct collateral_key platform;
	uint8_t quote_sha256[32]; /* of the declared bytes: the verdict's name */
	int64_t warned_of;        /* the valid_to that was warned of */
	/* With Intel's early TCB info: what the next TCB recovery will make of it. Empty: no
	 * trouble in sight, or not looked at. */
	char early[QUOTE_CHECK_SENTENCE_MAX];
	/* Kept alive by the standing; NULL while the quote has not been verified. */
	const struct collateral_set *collateral;
};
const struct evidence *quotes_evidence(const struct quotes *a, const struct eth_address *signer);

struct quotes_counters {
	uint64_t verdicts[QUOTES_RETRY + 1]; /* of quotes that provers offered, by rc */
	uint64_t remembered;                 /* answered without looking again */
	uint64_t penalties;                  /* answered with "wait" */
	uint64_t rechecks, became_unfit;
	uint64_t ecdsa_operations;
};
const struct quotes_counters *quotes_counters(const struct quotes *a);
/* Seconds until the first piece of evidence of a registered or standby key ends; INT64_MAX: none.
 */
int64_t quotes_seconds_left(const struct quotes *a, int64_t now);

/* ---- verdicts, kept for `explain` ---- */

/* At the start: a verdict that an earlier run kept, under its key in the store's facts. */
#define QUOTES_FACT "verdict/" /* and 64 hex digits */
void quotes_restore_verdict(struct quotes *a, const char *hex, struct span json);
/* The newest verdict whose quote's SHA-256 begins with these digits. NULL: none. Borrowed. */
const json_t *quotes_verdict(const struct quotes *a, const char *hex_prefix);
/* The hashes, newest first; a new reference. */
json_t *quotes_verdict_list(const struct quotes *a);

/* The time that verifications use: L1's head, while it agrees with this machine's clock as far as
 * the setting asks. False with the sentence. */
bool quotes_now(const struct quotes *a, int64_t *now, struct why *why);

#endif
