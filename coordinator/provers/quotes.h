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
struct attestation;

/* False with the sentence: the policy file cannot be used, or memory is out. */
bool attestation_new(struct attestation **out, struct daemon *d, struct why *why);
/* No callback comes after this; done is called when the pool's jobs have come back. NULL is fine.
 */
void attestation_close(struct attestation *a, void (*done)(void *arg), void *arg);
void attestation_free(struct attestation *a);

enum attestation_rc {
	ATTESTED,
	ATTESTATION_REFUSED, /* never, with this quote and what is known now */
	ATTESTATION_RETRY,   /* not now: no collateral, no L1, too busy, or the source must wait */
};

struct attestation_result {
	enum attestation_rc rc;
	struct eth_address signer; /* ATTESTED: the key that the quote vouches for */
	const char *sentence;      /* else: all that is wrong, joined by "; " */
};
typedef void attestation_cb(void *arg, const struct attestation_result *result);

/* Verifies a copy of the quote. True: cb comes later, unless the daemon is stopping. False: *out is
 * the answer already (known, penalised, too busy); its sentence is good until the next call.
 * source: an address, as limits_source_text() gives it. */
bool attestation_verify(struct attestation *a, struct span quote, const char *source,
			attestation_cb *cb, void *arg, struct attestation_result *out);

/* Collateral, policy or contract are others: what was refused may pass now, and what passed may
 * not. All that the registrar keeps is verified again. */
void attestation_changed(struct attestation *a);
/* L1's facts are new. */
void attestation_on_chain(struct attestation *a);
/* From time to time: expiry, warnings. */
void attestation_tick(struct attestation *a);
/* The settings were read again: with the policy file as it is now, all that is kept is verified
 * again. False with the sentence: the former policy stays. */
bool attestation_reload(struct attestation *a, struct why *why);

/* What the last verification of a key's quote found. */
struct standing {
	struct eth_address signer;
	enum tdxv_tcb_status tcb_status;
	int64_t tcb_date, valid_to; /* valid_to: the earliest end of all collateral */
	uint32_t evaluation_number;
	struct collateral_key platform;
	uint8_t quote_sha256[32]; /* of the declared bytes: the verdict's name */
	int64_t warned_of;        /* the valid_to that was warned of */
	/* With Intel's early TCB info: what the next TCB recovery will make of it. Empty: no
	 * trouble in sight, or not looked at. */
	char early[APPRAISAL_SENTENCE_MAX];
	/* Kept alive by the standing; NULL while the quote has not been verified. */
	const struct collateral_set *collateral;
};
const struct standing *attestation_standing(const struct attestation *a,
					    const struct eth_address *signer);

struct attestation_counters {
	uint64_t verdicts[ATTESTATION_RETRY + 1]; /* of quotes that provers offered, by rc */
	uint64_t remembered;                      /* answered without looking again */
	uint64_t penalties;                       /* answered with "wait" */
	uint64_t rechecks, became_unfit;
	uint64_t ecdsa_operations;
};
const struct attestation_counters *attestation_counters(const struct attestation *a);
/* Seconds until the first piece of evidence of a registered or standby key ends; INT64_MAX: none.
 */
int64_t attestation_seconds_left(const struct attestation *a, int64_t now);

/* ---- verdicts, kept for `explain` ---- */

/* At the start: a verdict that an earlier run kept, under its key in the store's facts. */
#define ATTESTATION_FACT "verdict/" /* and 64 hex digits */
void attestation_restore_verdict(struct attestation *a, const char *hex, struct span json);
/* The newest verdict whose quote's SHA-256 begins with these digits. NULL: none. Borrowed. */
const json_t *attestation_verdict(const struct attestation *a, const char *hex_prefix);
/* The hashes, newest first; a new reference. */
json_t *attestation_verdict_list(const struct attestation *a);

/* The time that verifications use: L1's head, while it agrees with this machine's clock as far as
 * the setting asks. False with the sentence. */
bool attestation_now(const struct attestation *a, int64_t *now, struct why *why);

#endif
