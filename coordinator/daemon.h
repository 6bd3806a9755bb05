/*
 * daemon.h -- the running coordinator: who holds what, and the order of starting and stopping.
 *
 *~ Stop 1 of the tour (docs/TOUR.md). Everything that the daemon is made of hangs on struct
 * daemon. One libuv loop owns it all; the store's thread and libuv's pool only ever see copies.
 * The pure parts (work, registrar, judge, sender) decide; session, intake, proofs, chain and settle
 * carry their decisions to the network, the disk and L1.
 */
#ifndef COORDINATOR_DAEMON_H
#define COORDINATOR_DAEMON_H

#include "coordinator/base/clock.h"
#include "coordinator/base/log.h"
#include "coordinator/base/wake.h"
#include "coordinator/config/config.h"
#include "coordinator/l1/call.h"
#include "coordinator/l1/commitments.h"
#include "coordinator/l1/facts.h"
#include "coordinator/l1/rpc.h"
#include "coordinator/provers/registrar.h"
#include "coordinator/server/server.h"
#include "coordinator/store/store.h"
#include "coordinator/work/work.h"

#include <regex.h>

struct admin;
struct quotes;
struct collateral;
struct session;
struct proofs;
struct agenda;

struct daemon_counters {
	uint64_t requests[WORK_NOT_NEEDED + 1]; /* by enum work_request_rc */
	uint64_t submits[WORK_NO_MEMORY + 1];   /* by enum work_submit_rc */
	uint64_t acks;
	uint64_t setups[REGISTRAR_RETRY + 1]; /* by enum registrar_answer */
	uint64_t judged[WORK_UNDECIDED + 1];  /* by enum work_state */
	uint64_t inputs_stored, inputs_refused;
};

struct daemon {
	struct config config;
	uv_loop_t loop;
	regex_t commit_hash_pattern;
	struct why start_failure; /* why a reload or a start was refused */

	struct store *store;
	struct work *work;
	struct registrar *registrar;
	struct rpc *rpc;
	struct l1 *l1;
	struct commitments *commitments;
	struct wake *wake; /* the agenda, and the setups that wait */
	struct collateral *collateral;
	struct collateral *collateral_early; /* to look ahead; NULL: not wanted */
	struct quotes *quotes;
	struct agenda *agenda;
	struct proofs *proofs;
	struct session *session;
	struct server *server;
	struct admin *admin;

	uint64_t input_bytes;              /* stored, and written by unfinished uploads */
	char admin_token[CONFIG_TEXT_MAX]; /* secret */
	struct daemon_counters counters;
	uint64_t started_ms;
	int key_claims[2]; /* descriptors; -1: none */

	uv_signal_t on_term, on_int, on_hup;
	uv_timer_t drain_timer, watch_timer;
	bool ready, draining;
	bool closing;
	size_t closing_step;
	unsigned open_handles;
	int exit_code;
};

/* Runs until a signal or a fatal error; returns the exit code. config is taken over (and wiped). */
int daemon_run(struct config *config);

/* Ends the daemon in order with this exit code; a sentence for the log. */
void daemon_fail(struct daemon *d, const char *event, const char *sentence);

/* Fills work, registrar and the rest from the store. False with the sentence. */
bool daemon_load(struct daemon *d, struct why *why);

#define EXIT_CONFIG 78 /* sysexits.h: wrong settings, or a contract of another kind */

#endif
