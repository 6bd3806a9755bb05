/*
 * signing.h -- signs every transaction that goes to L1, wherever the key is: in a process of its
 * own (signer.h), or at a Web3Signer (remote.h).
 *
 * Asynchronous: one answer to each request, at its deadline at the latest. What is signed is held
 * against one list (policy.h), in the process that has the key, or here before a remote one is
 * asked. Whoever signed, the transaction is put together here, its hash computed here, and its
 * signature recovers to the expected address, or it is refused.
 */
#ifndef COORDINATOR_SIGNING_SIGNING_H
#define COORDINATOR_SIGNING_SIGNING_H

#include "coordinator/signing/policy.h"

#include <uv.h>

#define SIGNING_REQUESTS_MAX 64 /* under way at once */

/* What the ceiling on fees is above the setting, for that may change while running. */
#define SIGNING_FEE_ROOM 16

struct signing;

enum signing_way { SIGNING_NONE, SIGNING_LOCAL, SIGNING_REMOTE };

struct signing_account {
	enum signing_way way;
	const struct eth_key *key; /* LOCAL; not kept: the caller may wipe it after signing_new() */
	struct eth_address address; /* of the key, or of the remote public key */
};

struct signing_options {
	struct signing_account accounts[SIGNING_ACCOUNTS];
	uint64_t chain_id; /* 0: the first transaction's */
	uint64_t max_fee;  /* wei a gas, SIGNING_FEE_ROOM times of it are signed for */
	uint64_t max_gas;
	struct eth_address verify_to;
	uint32_t local_timeout_ms;
	/* REMOTE; the strings outlive it */
	const char *remote_url, *remote_ca_file; /* no file: "" */
	uint8_t remote_point[ETH_POINT_SIZE];
	uint32_t remote_timeout_ms;
	uint64_t seed;
};

struct signing_events {
	/* The process that holds the keys has ended: nothing is signed any more. */
	void (*lost)(void *arg, const char *sentence);
	void *arg;
};

/* False with the sentence; *out is NULL. */
bool signing_new(struct signing **out, uv_loop_t *loop, const struct signing_options *options,
		 const struct signing_events *events, struct why *why);

/* Valid during the callback. */
struct signing_answer {
	bool ok;
	struct span raw; /* as eth_sendRawTransaction takes it */
	uint8_t hash[32];
	const char *sentence; /* not ok */
};
typedef void signing_cb(void *arg, const struct signing_answer *answer);

/* tx and its data are copied. cb may be called from inside. */
void signing_sign(struct signing *s, enum signing_kind kind, const struct eth_tx *tx,
		  signing_cb *cb, void *arg);

/* L1 has named the contracts that this call goes to, by way of others or not: from now on
 * transactions of its kind may. What is refused (policy.h) is said by the refusal of what goes
 * there. */
void signing_add_contracts(struct signing *s, enum signing_kind kind, const struct eth_address *to,
			   struct span data);
/* What was signed at this nonce has come to its end. */
void signing_settle(struct signing *s, enum signing_kind kind, uint64_t nonce);

/* Who signs it? False: nobody. */
bool signing_address(const struct signing *s, enum signing_kind kind, struct eth_address *out);

struct signing_info {
	enum signing_way way;
	struct eth_address address;
	const char *where;   /* "process 4711, confined", the signer's host */
	const char *trouble; /* "": none since the last signature */
	uint64_t made, failed;
};
/* False: nobody signs for it. Its texts are valid until the loop turns. */
bool signing_info(const struct signing *s, enum signing_who who, struct signing_info *out);

/* Whoever still waits is told that it is not signed; then done, from the loop. NULL is fine. */
void signing_close(struct signing *s, void (*done)(void *arg), void *arg);

#endif
