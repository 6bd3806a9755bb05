/*
 * wire.h -- what the daemon and the process that holds its keys say to each other. Pure.
 *
 * One message a packet of a SOCK_SEQPACKET socketpair: a byte for its kind, then big-endian numbers
 * of fixed size, then at most one run of bytes up to the packet's end. No value is in it: only
 * calls of value 0 are signed.
 */
#ifndef COORDINATOR_SIGNING_WIRE_H
#define COORDINATOR_SIGNING_WIRE_H

#include "coordinator/signing/policy.h"

#define WIRE_DATA_MAX     (128u * 1024) /* call data of one transaction */
#define WIRE_SENTENCE_MAX 256u
#define WIRE_MESSAGE_MAX  (WIRE_DATA_MAX + 128)

enum wire_kind {
	WIRE_HELLO = 1, /* to the process, once, first: the keys and the ceilings */
	WIRE_CONTRACT,  /* to the process: calls of kind may go to tx.to */
	WIRE_SIGN,      /* to the process: id, kind, tx -> WIRE_SIGNED or WIRE_REFUSED */
	WIRE_SETTLED,   /* to the process: who, tx.nonce */
	WIRE_READY,     /* from it: addresses, whether it is confined */
	WIRE_SIGNED,    /* from it: id, sig */
	WIRE_REFUSED,   /* from it: id (0: it cannot serve at all), sentence */
	WIRE_ANEW,      /* from it: what was asked before is lost; sentence */
};

struct wire_message {
	enum wire_kind kind;
	uint64_t id;
	enum signing_kind what;
	enum signing_who who;
	struct eth_tx tx; /* of type 2; its data borrows from the packet */
	uint8_t sig[ETH_SIGNATURE_SIZE];
	struct span sentence; /* borrows from the packet */
	/* HELLO: secret, wiped by whoever holds the message. A zero key: none. */
	struct eth_key keys[SIGNING_ACCOUNTS];
	uint64_t chain_id, max_fee, max_gas;
	/* READY */
	struct eth_address from[SIGNING_ACCOUNTS];
	bool confined;
};

/* Appends the packet; false when out's ceiling is reached or a run is too long. */
bool wire_encode(struct buf *out, const struct wire_message *m);
/* False: no such message, in every byte. */
bool wire_decode(struct wire_message *m, struct span packet);

#endif
