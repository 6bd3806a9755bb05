/*
 * dry_run.h -- what the contracts say of a quote before gas is spent: eth_calls of the verification
 * itself, for the reason that register() swallows, and of register() as if the quote were verified.
 */
#ifndef COORDINATOR_TRANSACTIONS_DRY_RUN_H
#define COORDINATOR_TRANSACTIONS_DRY_RUN_H

#include "coordinator/transactions/desk.h"

enum dry_run_rc {
	DRY_RUN_PASSED,
	DRY_RUN_NOT_YET, /* refused; with other collateral it may pass */
	DRY_RUN_REVOKED, /* refused by the CRLs that the chain holds: only others can help */
	DRY_RUN_NEVER,   /* refused, whatever is uploaded */
	DRY_RUN_FAILED,  /* nobody could say */
};
/* sentence: why it did not pass; empty when it did. From the loop, never from inside a call. */
typedef void dry_run_cb(void *arg, enum dry_run_rc rc, const char *sentence);

/* One at a time; zeroed but for desk when not under way. Must live until the callback. */
struct dry_run {
	const struct desk *desk;
	enum tdxv_report_layout layout;
	dry_run_cb *cb;
	void *arg;
};

struct dry_run_subject {
	struct span quote;
	uint8_t fmspc[6];
	struct eth_address entry; /* the quote verifier */
	enum tdxv_report_layout layout;
	bool leaf_only; /* as the quote verifier takes quotes */
};

/* verifyAndAttestOnChain() with what the chain holds now: it must say UpToDate. False with the
 * sentence: not started, no callback. */
bool dry_run_verify(struct dry_run *d, const struct dry_run_subject *s, dry_run_cb *cb, void *arg,
		    struct why *why);
/* register() with a quote verifier that is content (rehearsal.h): PASSED, or NEVER. A node that
 * cannot play it is no objection. */
bool dry_run_register(struct dry_run *d, const struct dry_run_subject *s, dry_run_cb *cb, void *arg,
		      struct why *why);

#endif
