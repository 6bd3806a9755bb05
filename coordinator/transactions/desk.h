/*
 * desk.h -- what the room's members work with: the rooms below, the settings, the one outbox, and
 * the sentence that says what is next.
 */
#ifndef COORDINATOR_TRANSACTIONS_DESK_H
#define COORDINATOR_TRANSACTIONS_DESK_H

#include "coordinator/base/wake.h"
#include "coordinator/collateral/collateral.h"
#include "coordinator/dcap/onchain_pccs.h"
#include "coordinator/l1/facts.h"
#include "coordinator/registrar/registrar.h"
#include "coordinator/transactions/outbox.h"
#include "coordinator/work/work.h"

struct proofs;
struct quotes;
struct relay;

struct agenda_parts {
	uv_loop_t *loop;
	struct store *store;
	struct rpc *rpc;
	struct l1 *l1;
	struct registrar *registrar;
	struct work *work;
	struct proofs *proofs;
	struct quotes *quotes;
	const struct relay *relay;     /* NULL: no upstream */
	struct collateral *collateral; /* what quotes are judged with; NULL: as the settings say */
	struct wake *wake;
	struct signing *signing;
};

struct agenda_options {
	struct outbox_options outbox;
	/* Who is sent verifyBatches: the Timelock where there is one, else the OnChainProposer. */
	struct eth_address verify_to;
	size_t max_batches;     /* in one verifyBatches */
	size_t max_proof_bytes; /* of one proof */
	uint64_t gas_cap;       /* of one transaction */
	uint64_t funds_low_wei; /* a sending key with less is warned about */
	bool verify_elsewhere;  /* others send verifyBatches */
	bool register_by_file;  /* others send register(): the call is left in a file */
	const char *data_dir;   /* where; outlives the agenda */
	struct pccs_settings pccs;
};

/* What each member of the room holds on to; all outlive it. */
struct desk {
	const struct agenda_parts *p;
	const struct agenda_options *o;
	struct outbox *outbox;
	struct why *now; /* what waits and why, for status output */
};

/* Says what is next: kept in now, and in the log at debug level when it changes. */
void desk_say(const struct desk *desk, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
