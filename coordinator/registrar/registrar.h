/*
 * registrar.h -- which prover key the contract should hold, and what to do next about it.
 *
 * TDXVerifier holds one signer for the whole chain. Every prover that registered here is kept with
 * its payload; one is active (the contract holds its key), the others stand by:
 *   - with no signer on chain, the first payload is registered at once and its ACK waits for it;
 *   - a live active is never displaced by a newcomer;
 *   - an active that has not shown a proof yields to a key that has (a genuine quote can be
 *     replayed, a proof cannot);
 *   - an active that is silent while there is work yields to a key that has shown a proof;
 *   - a switch waits until the old key's proofs that can be are verified, or set aside in time;
 *   - register and verifyBatches are never both in flight; gas per day is a budget.
 *   - a quote counts only while it is fit (verified here, and still so with today's collateral); an
 *     active whose quote no longer is yields to a fit key that has shown a proof;
 *   - before a quote is registered the chain is prepared for it: its collateral is uploaded first;
 *   - the operator may promote a key, or revoke one, and whole platforms or images (revocations.h).
 * A key has shown a proof when a proof for a committed batch recovers to it.
 *
 * Pure, as work.h: time is an argument, the caller makes changes durable and then tells.
 */
#ifndef COORDINATOR_REGISTRAR_REGISTRAR_H
#define COORDINATOR_REGISTRAR_REGISTRAR_H

#include "coordinator/registrar/revocations.h"
#include "encoding/bytes.h"
#include "encoding/why.h"
#include "ethereum/address.h"

#define REGISTRAR_SOURCE_SIZE 72 /* with the NUL; longer ones are cut */
#define REGISTRAR_PAYLOAD_MAX 65536

struct registrar_settings {
	size_t max_provers;
	bool allow_dev_mode;                 /* ETHREX_TDX_DEV_MODE */
	uint64_t silence_ms;                 /* the longest silence; see registrar_set_pace() */
	uint64_t drain_ms;                   /* how long a switch waits for the old key's proofs */
	uint64_t gas_per_day;                /* UTC days */
	uint64_t gas_per_registration;       /* what one must be able to use, or it is not begun */
	uint64_t retry_min_ms, retry_max_ms; /* between failed registrations; doubles */
	/* register is sent by somebody else (governance): no prover and no verifyBatches waits for
	 * it. */
	bool external_route;
};

struct registrar;

/* NULL: out of memory, or max_provers is 0. */
struct registrar *registrar_new(const struct registrar_settings *settings);
void registrar_free(struct registrar *r);
/* Takes over all but max_provers. */
void registrar_set_settings(struct registrar *r, const struct registrar_settings *settings);

enum registrar_payload_kind {
	REGISTRAR_DEV,   /* 20 address bytes */
	REGISTRAR_QUOTE, /* a TDX quote */
	REGISTRAR_NONE,  /* the key is known from the chain and its proofs only */
};

/* Would what is asked of a payload now still be true of it? */
enum registrar_fit {
	REGISTRAR_FIT_UNKNOWN, /* a quote that this run has not verified yet */
	REGISTRAR_FIT,
	REGISTRAR_UNFIT, /* for now: other collateral, policy or contract may change it */
};

struct registrar_prover {
	struct eth_address signer;
	enum registrar_payload_kind kind;
	struct span payload; /* the registrar's, valid until the prover is forgotten */
	char source[REGISTRAR_SOURCE_SIZE]; /* that came with this payload first */
	uint64_t first_seen_ms, last_seen_ms;
	uint64_t last_proof_ms; /* 0: none shown */
	uint64_t proofs;        /* shown */
	struct why refused;     /* empty: not refused */
	unsigned failures;      /* registrations of this payload that failed; of this run */
	enum registrar_fit fit;
	bool arrived;         /* from another coordinator, and not verified here since */
	struct why unfit;     /* why, where it is */
	struct traits traits; /* of key and payload; the registrar's to fill */
};

/* ---- what the chain says ---- */

/* The TDXVerifier's address and isDevMode(). Before this, no setup can be decided. */
void registrar_set_contract(struct registrar *r, const struct eth_address *verifier, bool dev_mode);

enum registrar_signer_change {
	REGISTRAR_SIGNER_SAME,
	REGISTRAR_SIGNER_FIRST,   /* it was not known before */
	REGISTRAR_SIGNER_OURS,    /* the key whose registration is in flight: it has happened */
	REGISTRAR_SIGNER_CHANGED, /* somebody else did it, or a reorg undid ours; see the sentence
				   */
};
/* authorizedSignature(); all zero: none. */
enum registrar_signer_change registrar_set_signer(struct registrar *r,
						  const struct eth_address *signer, uint64_t now_ms,
						  struct why *why);
/* NULL: not known yet, or none. */
const struct eth_address *registrar_signer(const struct registrar *r);
bool registrar_signer_known(const struct registrar *r);
/* Is the key on chain silent, and another one in waiting? The sentence says which, when it takes
 * over, and how it does so now; false leaves it as it is. */
bool registrar_takeover(const struct registrar *r, struct why *why);

/* Whose proofs count for batches not verified yet: the contract's key or, once that one's proofs
 * are set aside, the key that comes. NULL: none, or not known. */
const struct eth_address *registrar_counting_signer(const struct registrar *r);

/* Is there a batch that wants a TDX proof? Silence is counted only while there is. */
void registrar_set_work(struct registrar *r, bool available, uint64_t now_ms);
/* What the slowest of the last good TDX proofs took; 0: none was seen. An active key is silent when
 * it has shown none for three times as long while there was work: for at least a minute, and never
 * longer than silence_ms. Half of that is enough once a new key with a verified quote came from its
 * address after its last proof. */
void registrar_set_pace(struct registrar *r, uint64_t longest_ms);
/* Batches that can still be verified with proofs of the contract's signer: those in a row from the
 * first one that is not verified. What lies behind a batch that it did not prove is not waited for.
 */
void registrar_set_unverified(struct registrar *r, size_t batches);
void registrar_set_verify_in_flight(struct registrar *r, bool in_flight);
/* May verifyBatches be sent? The sentence says why not. To be asked right before each intent. */
bool registrar_may_verify(const struct registrar *r, struct why *why);

/* ---- ProverSetup ---- */

enum registrar_answer {
	REGISTRAR_ACK_ACTIVE,  /* the contract holds this key */
	REGISTRAR_ACK_STANDBY, /* kept; another key is active */
	REGISTRAR_WAIT,        /* to be registered now: ask again after the next event */
	REGISTRAR_REFUSE,      /* never with this payload; the sentence says why */
	REGISTRAR_RETRY,       /* cannot be decided or done now; the sentence says why */
};

/* Is this a quote for a production contract, so that it has to be verified before
 * registrar_check()? */
bool registrar_wants_attestation(const struct registrar *r, struct span payload);

/* What the rules say about a payload, before anything is stored. attested: the key that a verified
 * quote vouches for; NULL for a payload that needs no verification.
 * False: *answer is REFUSE or RETRY. True: out->prover is the row to make durable (payload borrows
 * from the argument). has_evicted: the table is full, and this one is forgotten with
 * registrar_setup(): delete its row in the same group. It is not active, and never showed a proof
 * or not within silence_ms. */
struct registrar_check {
	enum registrar_answer answer;
	struct registrar_prover prover;
	bool has_evicted;
	struct eth_address evicted;
};
bool registrar_check(const struct registrar *r, struct span payload,
		     const struct eth_address *attested, const char *source, uint64_t now_ms,
		     struct registrar_check *out, struct why *why);

/* The row is durable. False: out of memory, or the table is full of others now: delete the row. */
bool registrar_setup(struct registrar *r, const struct registrar_check *check, struct why *why);

/* What to tell the prover with this key: any of the answers. */
enum registrar_answer registrar_answer(const struct registrar *r, const struct eth_address *signer,
				       uint64_t now_ms, struct why *why);

/* A kept quote was verified again. The sentence is copied; only UNFIT has one. One that passes anew
 * (with other collateral, policy or contract) ends the wait after failed registrations, but for the
 * shortest. */
void registrar_set_fit(struct registrar *r, const struct eth_address *signer,
		       enum registrar_fit fit, const char *sentence);

/* The operator's word: this key is registered next, whoever is active; it must be known and able
 * to be registered. Forgotten once the contract holds it. */
bool registrar_promote(struct registrar *r, const struct eth_address *signer, struct why *why);
/* At the start: as an earlier run was told. */
void registrar_restore_promoted(struct registrar *r, const struct eth_address *signer);
/* NULL: none. */
const struct eth_address *registrar_promoted(const struct registrar *r);
/* A key to which this applies, known or not, is never registered again, nothing is sent with its
 * proofs from now on, and where the contract holds it, any fit key replaces it. A key on chain
 * whose quote never was shown here can be revoked by its address only. False: as
 * revocations_add(). */
bool registrar_revoke(struct registrar *r, const struct revocation *what, struct why *why);
/* It no longer applies. False with the sentence: it did not. */
bool registrar_unrevoke(struct registrar *r, const struct revocation *what, struct why *why);
/* By these very words. */
bool registrar_revokes(const struct registrar *r, const struct revocation *what);
/* In order; NULL when i is too large. */
const struct revocation *registrar_revocation_at(const struct registrar *r, size_t i);
/* By what this key is revoked; NULL: it is not. */
const struct revocation *registrar_revoked_by(const struct registrar *r,
					      const struct eth_address *signer);
/* The same of a key with a quote that need not be kept here; with the sentence. */
const struct revocation *registrar_refuses(const struct registrar *r,
					   const struct eth_address *signer, struct span payload,
					   struct why *why);
/* Who is registered next, as far as is known now. NULL with the sentence: nobody. */
const struct registrar_prover *registrar_successor(const struct registrar *r, uint64_t now_ms,
						   struct why *why);

/* At the start, for each stored row. A quote's fitness is unknown then. False: out of memory, the
 * table is full, or it is there. */
bool registrar_restore(struct registrar *r, const struct registrar_prover *prover);
void registrar_restore_gas(struct registrar *r, uint64_t day, uint64_t used);

/* ---- what to do ---- */

enum registrar_action {
	REGISTRAR_NOTHING,
	REGISTRAR_PREPARE,   /* make the chain ready for this quote, then registrar_prepared() or
			      * registrar_register_failed() */
	REGISTRAR_REGISTER,  /* send register(payload of signer); no verifyBatches until it is over
			      */
	REGISTRAR_SET_ASIDE, /* signer's proofs will not be verified: lease their batches again,
			      * then registrar_set_aside_done() */
};
struct registrar_step {
	enum registrar_action action;
	struct eth_address signer; /* to register, or whose proofs are set aside */
	struct eth_address next;   /* SET_ASIDE: the key that will be registered then */
	struct span payload;       /* PREPARE, REGISTER; borrowed */
};
/* Nothing has a sentence too. Repeats its answer until told of the event. */
void registrar_next(struct registrar *r, uint64_t now_ms, struct registrar_step *out,
		    struct why *why);

/* The chain has what verifying this key's quote needs. Holds until a registration ends. */
void registrar_prepared(struct registrar *r, const struct eth_address *signer);

void registrar_set_aside_done(struct registrar *r, const struct eth_address *signer);

/* To be asked right before the intent is made durable; true: the registration is in flight. False,
 * with the sentence: it must not be sent (verifyBatches or another registration is in flight, this
 * key is no longer the one to register, or gas_limit is more than the day's budget has left). */
bool registrar_register_begin(struct registrar *r, const struct eth_address *signer,
			      uint64_t gas_limit, uint64_t now_ms, struct why *why);
/* At the start: an intent was found that may be on its way. */
void registrar_register_resume(struct registrar *r, const struct eth_address *signer,
			       uint64_t gas_limit);
/* It is over, with a receipt: gas_used counts. The caller then reads the signer back and calls
 * registrar_set_signer(). */
void registrar_register_done(struct registrar *r, uint64_t gas_used, uint64_t now_ms);
/* It failed (before sending, reverted, or given up). gas_used: 0 if nothing was mined. refused:
 * this payload will never be accepted (not only now): it is not tried again. */
void registrar_register_failed(struct registrar *r, const struct eth_address *signer,
			       const char *reason, bool refused, uint64_t gas_used,
			       uint64_t now_ms);

/* A proof for a committed batch recovers to this key. False: the key is neither known nor the
 * contract's, and nothing happened. */
bool registrar_proof_shown(struct registrar *r, const struct eth_address *signer, uint64_t now_ms);

/* Preparing costs gas of the same budget. Does it allow this much more today? */
bool registrar_gas_allows(const struct registrar *r, uint64_t gas, uint64_t now_ms,
			  struct why *why);
/* What is left of today's budget. */
uint64_t registrar_gas_left(const struct registrar *r, uint64_t now_ms);
void registrar_gas_spent(struct registrar *r, uint64_t gas, uint64_t now_ms);

/* ---- several coordinators: the leader's registrar decides, the others' answer ---- */

/* Another one leads: what was in flight, or how far a switch had come, is its own affair. */
void registrar_yield(struct registrar *r);
/* The leader has chosen this key to be registered next. */
void registrar_chose(struct registrar *r, const struct eth_address *signer);
/* The last registration, the leader's, failed; the next attempt comes then (wall clock). */
void registrar_held(struct registrar *r, uint64_t retry_at_ms, const char *reason);
/* The same of this one. False: none failed since one succeeded. */
bool registrar_holds(const struct registrar *r, uint64_t *retry_at_ms, struct why *reason);

/* A row of another coordinator. A payload that is new here is not yet fit: to be verified. What is
 * counted does not go down. *ahead: more is known here than in the row. False: out of memory, or
 * twice as many as max_provers are kept. */
bool registrar_foreign(struct registrar *r, const struct registrar_prover *row, bool *ahead);
/* Another coordinator forgot it. False: it is the contract's, or being registered, and stays. */
bool registrar_foreign_gone(struct registrar *r, const struct eth_address *signer);
/* The promotion was taken back, or is done. */
void registrar_unpromote(struct registrar *r);
/* Coordinators that took keys in at the same time may come to more than max_provers: who goes? */
bool registrar_surplus(const struct registrar *r, uint64_t now_ms, struct eth_address *out);

/* ---- for people and for the judge ---- */

size_t registrar_count(const struct registrar *r);
/* In the order of first arrival; NULL when i is too large. */
const struct registrar_prover *registrar_at(const struct registrar *r, size_t i);
const struct registrar_prover *registrar_find(const struct registrar *r,
					      const struct eth_address *signer);
/* Has a key that registered from there a quote that passes? */
bool registrar_source_attested(const struct registrar *r, const char *source);
/* All keys, for struct proof_check_keys; valid until the next call that changes the table. */
const struct eth_address *registrar_keys(const struct registrar *r, size_t *n);
/* "active, 12 proofs shown", "standby, no proof shown", "refused: ..." */
void registrar_describe(const struct registrar *r, const struct eth_address *signer,
			uint64_t now_ms, struct why *out);
/* Gas used on now's day, in-flight limits included. */
uint64_t registrar_gas_used(const struct registrar *r, uint64_t now_ms, uint64_t *day);

#endif
