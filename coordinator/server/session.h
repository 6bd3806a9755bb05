/*
 * session.h -- one message from a prover -> one action -> one reply.
 *
 * What can be asked is a table by message kind. Replies speak the dialect of their request. What
 * cannot be served is answered with {"Error":{...}} (a setting) and closed. What is long is decoded
 * in the pool, and a long proof that nobody wants is refused when its beginning shows it.
 */
#ifndef COORDINATOR_SERVER_SESSION_H
#define COORDINATOR_SERVER_SESSION_H

#include "coordinator/inputs/serve.h"
#include "coordinator/proofs/proofs.h"
#include "coordinator/provers/setup.h"
#include "coordinator/relay/relay.h"
#include "coordinator/server/server.h"

struct session;

struct session_parts {
	uv_loop_t *loop;
	struct serve *serve;
	struct proofs *proofs;
	struct setup *setup;
	const struct registrar *registrar; /* whose quotes may name TLS keys */
	struct relay *relay;               /* NULL: no upstream */
};
struct session_options {
	struct proto_limits limits;
	bool error_replies;        /* else what cannot be served is closed without a word */
	uint64_t setup_timeout_ms; /* how long a ProverSetup may wait for its answer */
};

/* False with the sentence; *out is NULL. */
bool session_new(struct session **out, const struct session_parts *parts,
		 const struct session_options *options, struct why *why);
/* After the store has closed, which still calls back. NULL is fine. */
void session_free(struct session *s);

/* Whose connections it answers; NULL: there are none any more. */
void session_set_server(struct session *s, struct server *server);
/* No new work: requests hear "empty", setups "stopping". */
void session_drain(struct session *s);
void session_set_options(struct session *s, const struct session_options *options);
/* Proofs acknowledged. */
uint64_t session_acks(const struct session *s);
/* Of its decoder of large messages. */
struct decoder_counters;
const struct decoder_counters *session_decoder(const struct session *s);

/* The server's callbacks; arg is the struct session. */
void session_message(void *arg, struct conn *conn, struct span message, const char *source);
void session_beginning(void *arg, struct conn *conn, struct span beginning, const char *source);
void session_bad(void *arg, struct conn *conn, enum server_bad bad, const struct why *why);
void session_end(void *arg, uint64_t conn_id, bool delivered);
bool session_attested(void *arg, const uint8_t hash[TLS_KEY_HASH]);
void session_server_log(void *arg, bool usual, const char *event, const char *sentence);

/* The relay's event; arg is the struct session. */
bool session_again(void *arg, uint64_t conn, const struct proofdata *request, const char *source);

/* The setups' events; arg is the struct session. */
void session_setup_answer(void *arg, uint64_t conn, enum setup_code code, const char *sentence);
void session_setup_hold(void *arg, uint64_t conn);
bool session_setup_waits(void *arg, uint64_t conn);

#endif
