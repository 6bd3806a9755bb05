/*
 * policy.h -- what may be signed. Pure: no I/O, no clock, no keys.
 *
 * One list for the process that holds a local key and for what is asked of a remote signer: calls
 * of value 0 on one chain, to known contracts, of known functions, with a ceiling on fee and gas,
 * and one call a nonce until the owner says that it is settled.
 */
#ifndef COORDINATOR_SIGNING_POLICY_H
#define COORDINATOR_SIGNING_POLICY_H

#include "encoding/why.h"
#include "ethereum/tx.h"

#define POLICY_CONTRACTS_MAX 8   /* of one kind */
#define POLICY_NONCES_MAX    256 /* signed for and not settled */
#define POLICY_FUNCTIONS_MAX 8   /* of one kind */

enum signing_kind {
	SIGNING_VERIFY,   /* verifyBatches */
	SIGNING_REGISTER, /* register */
	SIGNING_UPLOAD,   /* collateral to an on-chain PCCS */
	SIGNING_KINDS,
};

/* Who signs: the first sends verifyBatches, the second the rest. May be one account. */
enum signing_who { SIGNING_SENDER, SIGNING_REGISTRAR, SIGNING_ACCOUNTS };

enum signing_who signing_who(enum signing_kind kind);

struct policy {
	uint64_t chain_id; /* 0: the first call's, from then on */
	uint64_t max_fee;  /* wei a gas */
	uint64_t max_gas;
	struct eth_address from[SIGNING_ACCOUNTS]; /* zero: none */
	struct eth_address contracts[SIGNING_KINDS][POLICY_CONTRACTS_MAX];
	unsigned n_contracts[SIGNING_KINDS];
	uint8_t functions[SIGNING_KINDS][POLICY_FUNCTIONS_MAX][4]; /* selectors */
	unsigned n_functions[SIGNING_KINDS];
	struct policy_nonce {
		struct eth_address from;
		uint64_t nonce;
		uint8_t call[32]; /* hash of contract and data */
	} nonces[POLICY_NONCES_MAX];
	unsigned n_nonces;
};

/* No contract is known yet; the functions are. */
void policy_init(struct policy *p, uint64_t chain_id, uint64_t max_fee, uint64_t max_gas);

/* From now on calls of this kind may go to it. One that is known is fine. False with the sentence:
 * POLICY_CONTRACTS_MAX others are. */
bool policy_add_contract(struct policy *p, enum signing_kind kind, const struct eth_address *to,
			 struct why *why);

/* Visits each call that a transaction of this kind makes: itself, or, of an upload by way of
 * Multicall3's aggregate3, each that is in it. False with the sentence: a visit was, or what should
 * be a list of calls is none. */
typedef bool policy_visit(void *arg, const struct eth_address *to, struct span data,
			  struct why *why);
bool policy_each_call(enum signing_kind kind, const struct eth_address *to, struct span data,
		      policy_visit *visit, void *arg, struct why *why);

/* May it be signed? True: it counts as signed from now on. What is always allowed besides: the same
 * call again at its nonce (other fees), and an empty call of the account to itself, which cancels
 * or fills a nonce. False with the sentence, and nothing has changed. */
bool policy_permits(struct policy *p, enum signing_kind kind, const struct eth_tx *tx,
		    struct why *why);

/* What was signed at this nonce has come to its end: another call may be signed there. */
void policy_settle(struct policy *p, enum signing_who who, uint64_t nonce);

#endif
