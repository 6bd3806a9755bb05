/*
 * admin.h -- the operator's HTTP listener: inputs in, state out.
 *
 *     GET  /healthz                              200 while the loop turns
 *     GET  /readyz                               200 once provers are served, else 503
 *     GET  /metrics                              Prometheus text
 *     GET  /api/v1/status                        JSON
 *     GET  /api/v1/provers                       JSON
 *     PUT  /api/v1/batches/{number}?commit_hash= the batch input; 201, 200 (had it), 409 (other)
 *
 * A Unix socket (mode 0600) or a loopback port; the Host header must be loopback's, so that no web
 * page can reach it by DNS rebinding. /api/ wants the bearer token. libmicrohttpd parses HTTP; its
 * epoll descriptor is watched by the daemon's own loop, so no thread is added.
 */
#ifndef COORDINATOR_ADMIN_ADMIN_H
#define COORDINATOR_ADMIN_ADMIN_H

#include "coordinator/config/config.h"

#include <uv.h>

struct admin;
struct daemon;

/* Listens. False with the sentence. */
bool admin_new(struct admin **out, struct daemon *daemon, struct why *why);

/* Lets uploads fail and closes; done is called from the loop. NULL is allowed. */
void admin_close(struct admin *admin, void (*done)(void *arg), void *arg);

#endif
