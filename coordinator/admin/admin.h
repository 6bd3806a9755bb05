/*
 * admin.h -- the operator's HTTP listener: inputs in, state out.
 *
 *     GET  /healthz                              200 while the loop turns
 *     GET  /readyz                               200 while provers are served, else 503
 *     GET  /metrics                              Prometheus text
 *     GET  /                                     the status page (page.h)
 *     GET  /api/v1/status                        JSON
 *     PUT  /api/v1/batches/{number}?commit_hash= the batch input
 *
 * and so on: docs/API.md and docs/openapi.json have each route, the table is routes.c's.
 *
 * The first three have a second listener (probes.c), on any address, for Prometheus and Kubernetes.
 *
 * A Unix socket (mode 0600) or a loopback port; the Host header must be loopback's, so that no web
 * page can reach it by DNS rebinding. /api/ wants the bearer token, but for reads where open_reads
 * says so. libmicrohttpd parses HTTP; its epoll descriptor is watched by the daemon's own loop, so
 * no thread is added.
 */
#ifndef COORDINATOR_ADMIN_ADMIN_H
#define COORDINATOR_ADMIN_ADMIN_H

#include "coordinator/collateral/collateral.h"
#include "coordinator/inputs/inputs.h"
#include "coordinator/inputs/serve.h"
#include "coordinator/proofs/proofs.h"
#include "coordinator/provers/quotes.h"
#include "coordinator/provers/setup.h"
#include "coordinator/relay/relay.h"
#include "coordinator/server/session.h"
#include "coordinator/transactions/agenda.h"

#include <uv.h>

struct admin;

/* Views of the rooms below, and what the verbs change in them. */
struct admin_parts {
	uv_loop_t *loop;
	struct store *store;
	struct work *work;
	struct inputs *inputs;
	const struct serve *serve;
	const struct proofs *proofs;
	struct registrar *registrar;
	struct quotes *quotes;
	const struct verdicts *verdicts;
	const struct setup *setup;
	struct collateral *collateral;
	const struct session *session;
	struct agenda *agenda;
	const struct relay *relay; /* NULL: no upstream */
	const struct l1 *l1;
	const struct rpc *rpc;
	struct wake *wake;
	const struct signing *signing;
};
struct admin_options {
	const char *listen;       /* "unix:PATH", or a loopback ADDRESS:PORT */
	const char *token;        /* a secret that outlives the admin */
	unsigned max_connections; /* at least 4; half of them for requests with the token */
	unsigned idle_timeout_s;
	const char *metrics_address; /* numeric: of the metrics' own listener; NULL or "": none */
	uint16_t metrics_port;       /* 0: any free one */
	bool open_reads;             /* what only reads needs no token; on a loopback port alone */
	int64_t max_clock_skew_s;    /* as the quotes have it */
	bool tdx_dev_mode;           /* to be said */
	const char *version;
	const char *instance; /* this one's name among the coordinators */
	const char *settings; /* of cluster_settings(); NULL: others are not told */
	uint64_t started_ms;
};
enum admin_state { ADMIN_STARTING, ADMIN_READY, ADMIN_DRAINING };

/* Listens. False with the sentence; *out is NULL. */
bool admin_new(struct admin **out, const struct admin_parts *parts,
	       const struct admin_options *options, struct why *why);

/* Where the metrics' listener stands; 0: there is none. */
uint16_t admin_metrics_port(const struct admin *admin);
void admin_set_state(struct admin *admin, enum admin_state state);
/* Whose connections are counted; NULL: none. */
void admin_set_server(struct admin *admin, const struct server *server);
/* Tells the other coordinators on this database how this one does; to be called every few seconds.
 */
void admin_say(struct admin *admin);

/* Ends: unfinished uploads hear that the daemon stops, what is on its way to the disk is answered
 * when it is there; done is called from the loop. NULL is fine. */
void admin_close(struct admin *admin, void (*done)(void *arg), void *arg);

#endif
