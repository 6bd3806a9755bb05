/*
 * quotes.h -- a stranger's quote becomes a verdict in words, before any gas is spent.
 *
 * A quote's own chain and signatures come first, then what the contract demands of its image; only
 * then is collateral looked for, and the whole verified against it, the policy, and L1's time. The
 * work is done in libuv's pool on a copy. What was refused is remembered, and what passed, so that
 * it costs a hash when it comes again, and a source that offers bad quotes has to wait.
 *
 * Quotes that were accepted are verified again whenever collateral, policy or contract change, and
 * the registrar is told whether each is still fit.
 *
 * Everything is called on the loop's thread.
 */
#ifndef COORDINATOR_PROVERS_QUOTES_H
#define COORDINATOR_PROVERS_QUOTES_H

#include "coordinator/base/wake.h"
#include "coordinator/l1/facts.h"
#include "coordinator/provers/evidence.h"
#include "coordinator/verdicts/verdicts.h"
#include "encoding/bytes.h"
#include "encoding/why.h"
#include "ethereum/address.h"
#include "verifier/include/tdxverify.h"

struct quotes;

struct quotes_parts {
	uv_loop_t *loop;
	struct store *store; /* where verdicts are kept */
	const struct l1 *l1;
	struct registrar *registrar;
	struct collateral *collateral;
	struct collateral *early; /* to look ahead; NULL: not wanted */
	struct verdicts *verdicts;
	struct wake *wake; /* a key that became fit or unfit changes what is next */
};
struct quotes_options {
	const char *policy_file;  /* "": the default policy; outlives the quotes */
	size_t max_provers;       /* evidence is kept of */
	size_t max_verifications; /* at once */
	size_t max_refusals;      /* remembered */
	int64_t max_clock_skew_s; /* between L1's head and this machine; 0: any */
	int64_t expiry_warning_s;
};

/* False with the sentence, *out is NULL: the policy file cannot be used, or memory is out. */
bool quotes_new(struct quotes **out, const struct quotes_parts *parts,
		const struct quotes_options *options, struct why *why);
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
	uint64_t generation;       /* in which it was attested: see quotes_generation() */
};
typedef void quotes_cb(void *arg, const struct quotes_result *result);

/* Verifies a copy of the quote. True: cb comes later, unless the daemon is stopping. False: *out is
 * the answer already (known, refused or good; penalised; too busy); its sentence is good until the
 * next call. source: an address or a key, see server_message_fn. */
bool quotes_verify(struct quotes *a, struct span quote, const char *source, quotes_cb *cb,
		   void *arg, struct quotes_result *out);

/* Collateral, policy or contract are others: what was refused may pass now, and what passed may
 * not. All that the registrar keeps is verified again. */
void quotes_changed(struct quotes *a);
/* A FACT_PUT or FACT_DEL of another coordinator; leaders as for verdicts_fact_foreign(). What was
 * refused there for what no collateral, policy or contract will change is refused here too, without
 * a look. False: no verdict. */
bool quotes_fact_foreign(struct quotes *a, const struct store_change *change,
			 struct store *leaders);
/* Quotes came that were verified elsewhere only: those whose fitness is not known are verified. */
void quotes_look(struct quotes *a);
/* The generation of collateral, policy and contract. What was attested in a former one has to be
 * verified again before anything is built on it. */
uint64_t quotes_generation(const struct quotes *a);
/* L1's facts are new. */
void quotes_on_facts(struct quotes *a);
/* From time to time: expiry, warnings. */
void quotes_tick(struct quotes *a);
/* The settings were read again: with the policy file as it is now, all that is kept is verified
 * again. False with the sentence: the former policy stays. */
bool quotes_reload(struct quotes *a, const struct quotes_options *options, struct why *why);

/* NULL: no verification of that key's quote has passed here. */
const struct evidence *quotes_evidence(const struct quotes *a, const struct eth_address *signer);

/* What the contract that is faced says of that key's quote, beside Intel's verdict: kept with both
 * evidence and verdict. */
void quotes_note_contract(struct quotes *a, const struct eth_address *signer, const char *words);

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

#endif
