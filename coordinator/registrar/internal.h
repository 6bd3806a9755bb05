/*
 * internal.h -- what the room's files share; nobody else includes it.
 */
#ifndef COORDINATOR_REGISTRAR_INTERNAL_H
#define COORDINATOR_REGISTRAR_INTERNAL_H

#include "coordinator/registrar/registrar.h"

struct registrar {
	struct registrar_settings settings;
	struct registrar_prover *provers; /* in the order of first arrival; payloads are owned */
	struct eth_address *keys;         /* parallel to provers */
	size_t n;
	size_t room; /* rows of others come whether there is a place by max_provers or not */

	bool contract_known, dev_mode;
	struct eth_address verifier;
	bool signer_known;
	struct eth_address signer; /* all zero: none */
	uint64_t active_proof_ms;  /* the contract's key, known here or not; 0: none shown */

	/* silence of the contract's key, counted while there is work */
	bool work_available;
	uint64_t tick_ms, silent_ms;
	uint64_t longest_ms; /* a good proof took; 0: not known */
	bool successor; /* an attested new key came from the active's address since its last proof
			 */

	size_t unverified;
	bool verify_in_flight;
	bool hold_verify; /* a registration is about to begin */

	bool registering, reading_back;
	bool mined; /* registering_key's registration; a late reading may still say otherwise */
	struct eth_address registering_key;
	uint64_t registering_gas;

	struct revocations revoked;

	uint64_t gas_day, gas_used;
	unsigned failures;
	uint64_t failed_at_ms, retry_at_ms;
	struct why failure;

	/* With no key on chain, newcomers do not change a choice that was made. */
	bool chosen;
	struct eth_address chosen_key;

	bool promoted;
	struct eth_address promoted_key;
	bool by_operator; /* the contract's key is there at the operator's word */

	bool prepared; /* the chain, for prepared_key's quote */
	struct eth_address prepared_key;

	bool draining, aside;
	struct eth_address drain_to;
	uint64_t drain_until_ms;
};

#define DAY_MS 86400000u

/* registrar.c */
struct registrar_prover *prover_find(const struct registrar *r, const struct eth_address *signer);
/* Copies the payload. False: out of memory, or no place; the table is as it was. */
bool prover_put(struct registrar *r, const struct registrar_prover *row);
void prover_remove(struct registrar *r, const struct registrar_prover *p);
/* Neither the contract's nor being registered? */
bool prover_may_go(const struct registrar *r, const struct registrar_prover *p);
/* Least recently heard of; NULL: all are at work. */
const struct registrar_prover *prover_to_evict(const struct registrar *r, uint64_t now_ms);
/* Does the contract hold a key that the operator revoked? */
bool active_is_revoked(const struct registrar *r);
bool prover_is_active(const struct registrar *r, const struct registrar_prover *p);

/* next.c */
/* Without a proof, while there is work, before a standby takes over. */
uint64_t registrar_silence_ms(const struct registrar *r);
void registrar_tick(struct registrar *r, uint64_t now_ms);
/* Who should be registered instead of what the contract holds? NULL: nobody; the sentence says
 * why. */
const struct registrar_prover *registrar_target(const struct registrar *r, uint64_t now_ms,
						struct why *why);
/* Is there a reason in time or money not to register now? */
bool registrar_held_up(const struct registrar *r, uint64_t now_ms, struct why *why);
void registrar_switch_over(struct registrar *r);

#endif
