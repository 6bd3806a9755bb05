/*
 * daemon_internal.h -- what the daemon is made of; for daemon.c and daemon_*.c, the only files that
 * see every room.
 */
#ifndef COORDINATOR_DAEMON_INTERNAL_H
#define COORDINATOR_DAEMON_INTERNAL_H

#include "cli/version.h"
#include "coordinator/admin/admin.h"
#include "coordinator/cluster/cluster.h"
#include "coordinator/daemon.h"
#include "coordinator/inputs/reaper.h"

struct daemon {
	struct config *config; /* the caller's, which never moves: keys and texts are borrowed */
	uv_loop_t loop;
	char admin_token[CONFIG_TEXT_MAX]; /* secret */
	char settings[CLUSTER_SETTINGS_SIZE];
	int key_locks[2]; /* descriptors; -1: none */
	uint64_t started_ms;
	uint64_t asked,
	    asked_ms; /* requests for inputs, and when there was one, or no want of any */
	uint64_t unasked_said_ms; /* for how long nobody asks when that is said next */
	bool head_far;            /* as said last */

	struct wake *wake; /* the agenda, and the setups that wait */
	struct store *store;
	struct commit_hash_rule *rule;
	struct work *work;
	struct inputs *inputs;
	struct reaper *reaper;
	struct serve *serve;
	struct registrar *registrar;
	struct rpc *rpc;
	struct l1 *l1;
	struct commitments *commitments;
	struct proofs *proofs;
	struct collateral *collateral;
	struct collateral *early; /* to look ahead; NULL: not wanted */
	struct verdicts *verdicts;
	struct quotes *quotes;
	struct setup *setup;
	struct signing *signing;
	struct agenda *agenda;
	struct relay *relay; /* NULL: no upstream */
	struct session *session;
	struct admin *admin;
	struct certificates *certificates; /* NULL: no TLS listener */
	struct server *server;

	uv_signal_t on_term, on_int, on_hup;
	uv_timer_t drain_timer, watch_timer;
	bool draining, closing;
	bool store_is_lost; /* and was said to be */
	size_t closing_step;
	int exit_code;
};

/* Ends the daemon in order with EXIT_CONFIG; a sentence for the log. */
void daemon_fail(struct daemon *d, const char *event, const char *sentence);

/* ---- daemon_parts.c ---- */

/* Makes every part in order, and loads what an earlier run made durable. False with the sentence;
 * what was made is closed as at any end. */
bool daemon_make_parts(struct daemon *d, struct why *why);
/* Whatever no callback can name any more. */
void daemon_free_parts(struct daemon *d);
/* What a reload changed reaches the rooms. */
void daemon_take_settings(struct daemon *d, FILE *notes);

/* ---- daemon_load.c: what an earlier run made durable ---- */

bool daemon_load(struct daemon *d, struct why *why);

/* ---- daemon_cluster.c: a store that is shared with other coordinators ---- */

struct store_events daemon_store_events(struct daemon *d);
/* What of its settings the others compare with theirs. */
void daemon_cluster_settings(struct daemon *d);

/* ---- daemon_relay.c: without UPSTREAM there is none ---- */

bool daemon_make_relay(struct daemon *d, struct why *why);

/* ---- daemon_tls.c: the TLS listener's settings ---- */

/* Without TLS_LISTEN there are none. */
bool daemon_make_tls(struct daemon *d, struct why *why);
/* At a reload: the files may be others under the same names. */
void daemon_take_tls(struct daemon *d, FILE *notes);
struct server_tls_options daemon_tls_options(const struct daemon *d);

/* ---- daemon_signing.c: whoever signs gets the keys, and they are forgotten here ---- */

/* One daemon a key. */
bool daemon_lock_keys(struct daemon *d, struct why *why);
bool daemon_make_signing(struct daemon *d, struct why *why);

/* ---- daemon_facts.c: what is new below reaches the rooms above; arg is the struct daemon ---- */

void daemon_on_facts(void *arg, const struct l1_facts *f);
void daemon_on_l1_failed(void *arg, const char *sentence);
void daemon_on_fatal(void *arg, const char *event, const char *sentence);
void daemon_on_wake(void *arg);
/* At the start, after the load: what an earlier run was told counts until L1 answers. */
void daemon_restore_facts(struct daemon *d);

#endif
