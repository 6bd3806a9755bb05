/*
 * fake_pccs.h -- the contracts of an on-chain PCCS in memory, with the order, the errors and the
 * quirks of each stack. Signatures are not verified.
 */
#ifndef TESTS_COORDINATOR_FAKE_PCCS_H
#define TESTS_COORDINATOR_FAKE_PCCS_H

#include "coordinator/dcap/onchain_pccs.h"

#define FAKE_CELLS 24
#define FAKE_LOG   32

struct fake_cell {
	struct eth_address dao;
	uint8_t key[32], hash[32];
	int64_t from, to;
	uint32_t number; /* DcapVerifier: of a document; 0: none */
	char json[64];   /* of a document: what getTcbInfo() answers, but for most of it */
};

struct fake_pccs {
	enum pccs_stack stack;
	int64_t now;
	uint64_t choice;      /* DcapVerifier: 0 standard, 1 early, 2 fixed, 3: from before that */
	uint32_t number;      /* the one that counts; known while the list of numbers is there */
	uint32_t next_number; /* not 0: the standard one after the next list */
	uint64_t fee_bp, own_version;
	bool attester, async, no_verifier, no_versioned, both_routers, no_router, no_identity_dao,
	    down;
	bool multicall;       /* Multicall3 is there */
	bool multicall_lies;  /* and does nothing */
	size_t multicall_max; /* not 0: more calls than that do not fit */
	unsigned transactions;
	bool deaf;               /* takes uploads and stores nothing */
	const char *revert_with; /* every upload: an error without arguments; "": no data */

	struct fake_cell cell[FAKE_CELLS];
	size_t n_cells;
	unsigned reads;
	size_t n_log;
	char log[FAKE_LOG][PCCS_NAME_MAX]; /* names of uploads that were tried */
};

void fake_pccs_init(struct fake_pccs *f, enum pccs_stack stack, int64_t now);

enum pccs_answer fake_pccs_call(struct fake_pccs *f, const struct eth_address *to,
				struct span calldata, struct buf *out);
/* out: the revert's data. */
enum pccs_sent fake_pccs_send(struct fake_pccs *f, const struct eth_address *to,
			      struct span calldata, struct buf *out);

/* Answers a READ or does a SEND. */
void fake_pccs_do(struct fake_pccs *f, struct pccs *p, const struct pccs_step *step);

/* Runs a job until it ends; fails the test when it does not. */
enum pccs_step_kind fake_pccs_run(struct fake_pccs *f, struct pccs *p, struct why *why);

extern const struct eth_address fake_entry;

#endif
