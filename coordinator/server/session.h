/*
 * session.h -- one message from a prover -> one action -> one reply.
 *
 * What can be asked is a table by message kind. Replies speak the dialect of their request. What
 * cannot be served is answered with {"Error":{...}} (a setting) and closed.
 */
#ifndef COORDINATOR_SERVER_SESSION_H
#define COORDINATOR_SERVER_SESSION_H

#include "coordinator/server/server.h"

struct daemon;
struct session;

bool session_new(struct session **out, struct daemon *d, struct why *why);
void session_free(struct session *s);

/* The server's callbacks; arg is the struct session. */
void session_message(void *arg, struct conn *conn, struct span message, const char *source);
void session_bad(void *arg, struct conn *conn, enum server_bad bad, const struct why *why);
void session_end(void *arg, uint64_t conn_id, bool delivered);
void session_server_log(void *arg, const char *event, const char *sentence);

/* Something about the registered key changed: answers the setups that waited for it. */
void session_answer_setups(struct session *s);
size_t session_waiting_setups(const struct session *s);

#endif
