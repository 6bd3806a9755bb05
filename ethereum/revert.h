/*
 * revert.h -- what a contract says when it refuses, in words for the operator.
 *
 * Knows Solidity's Error(string) and Panic(uint256), and the custom errors of ethrex's
 * OnChainProposer, of OpenZeppelin, and of Automata's PCCS and DCAP contracts.
 */
#ifndef ETHEREUM_REVERT_H
#define ETHEREUM_REVERT_H

#include "encoding/bytes.h"

enum eth_revert_kind {
	REVERT_NONE,    /* no data at all: the contract gave no reason */
	REVERT_STRING,  /* Error(string): see eth_revert.reason */
	REVERT_PANIC,   /* Panic(uint256): see eth_revert.panic_code */
	REVERT_CUSTOM,  /* a custom error of the table: see eth_revert.signature */
	REVERT_UNKNOWN, /* another selector, or data that does not decode */
};

struct eth_revert {
	enum eth_revert_kind kind;
	uint8_t selector[4];   /* zero for REVERT_NONE and for data shorter than 4 bytes */
	const char *signature; /* static, "InvalidTdxProof()"; NULL for NONE and UNKNOWN */
	const char *meaning;   /* static, what the operator should know; NULL when there is none */
	uint64_t panic_code;   /* PANIC; UINT64_MAX when larger */
	char reason[192];      /* STRING: its text, printable, cut to fit; else empty */
	char text[512];        /* the whole as one line, never empty */
};

/* Never fails: what cannot be read becomes REVERT_UNKNOWN with its first bytes in hex. */
void revert_read(struct eth_revert *out, struct span data);

/* Was it this error? By selector, so the signature need not be one that the table knows. */
bool revert_is(const struct eth_revert *r, const char *signature);
/* Was it Error(string) with exactly this text? */
bool revert_says(const struct eth_revert *r, const char *reason);

/* The table of known custom errors, for listing and for tests. */
struct revert_entry {
	uint32_t selector;
	const char *signature;
	const char *names; /* of the arguments, separated by commas; "" for none */
	const char *meaning;
};
const struct revert_entry *revert_table(size_t *n);

/* What an Error(string) with this text means to the operator; NULL when it is not known. */
const char *revert_reason_meaning(const char *reason);
/* What Solidity's Panic code stands for; NULL when it is not known. */
const char *revert_panic_meaning(uint64_t code);

#endif
