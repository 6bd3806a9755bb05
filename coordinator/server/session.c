/*~ Stop 2 of the tour: a prover's message becomes an action. The table at the end says who may ask
 * what; nothing here waits for L1. */
#include "coordinator/server/session.h"

#include "coordinator/base/log.h"
#include "coordinator/server/attested_key.h"
#include "coordinator/server/decode.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REPLY_MAX  4096
#define INLINE_MAX (128 * 1024) /* a longer message is not decoded on the loop */

/* One at a time: on a small machine it shares a core with the loop. */
static const struct decoder_options decoding = {
    .max_jobs = 1, .max_waiting = 256, .max_waiting_per_source = 16};

struct session {
	struct session_parts p;
	struct session_options o;
	struct decoder *decoder;
	struct server *server; /* NULL before the server is, and after it closed */
	bool draining;
	uint64_t acks;
};

static void reply_message(struct conn *conn, const struct proofdata *m)
{
	struct buf out;

	buf_init(&out, REPLY_MAX);
	if (proofdata_encode(&out, m, NULL) == PROTO_OK)
		conn_reply(conn, buf_span(&out));
	else
		conn_close_silent(conn);
	buf_free(&out);
}

static void reply_error(struct session *s, struct conn *conn, const char *code, const char *text)
{
	struct proofdata m = {.kind = MSG_ERROR};

	if (!s->o.error_replies) {
		conn_close_silent(conn);
		return;
	}
	snprintf(m.error_code, sizeof m.error_code, "%s", code);
	snprintf(m.error_message, sizeof m.error_message, "%s", text);
	reply_message(conn, &m);
}

/* The connection, while the prover still waits on it. */
static struct conn *find(const struct session *s, uint64_t id)
{
	return s->server ? server_conn(s->server, id) : NULL;
}

/* ---- InputRequest ---- */

static void reply_empty(struct conn *conn, enum dialect dialect)
{
	const struct proofdata m = {.kind = MSG_INPUT_RESPONSE, .dialect = dialect};

	reply_message(conn, &m);
}

/* code_hash: of an upstream that speaks p3 or p4, whose clients know InvalidCodeVersion; else "".
 */
static void reply_mismatch(struct conn *conn, const struct proofdata *m, const char *code_hash)
{
	struct proofdata out = {.dialect = m->dialect, .kind = MSG_VERSION_MISMATCH};

	/* Before p6 there was NoBatchForVersion, which a p5 client knows; older ones report an
	 * unknown variant and try again, as they would have to anyway. */
	if (m->dialect == DIALECT_P3_P5)
		out.kind = *code_hash ? MSG_INVALID_CODE_VERSION : MSG_NO_BATCH_FOR_VERSION;
	snprintf(out.commit_hash, sizeof out.commit_hash, "%s",
		 *code_hash ? code_hash : m->commit_hash);
	reply_message(conn, &out);
}

static void reply_not_needed(struct conn *conn, const struct proofdata *m)
{
	const struct proofdata out = {.kind = MSG_PROVER_TYPE_NOT_NEEDED,
				      .dialect = m->dialect,
				      .has_prover_type = true,
				      .prover_type = m->prover_type};

	/* Before p6 there was no such message. */
	if (m->dialect == DIALECT_P3_P5)
		reply_empty(conn, m->dialect);
	else
		reply_message(conn, &out);
}

/* The bytes around an input are written here; those of the input go verbatim from the disk. */
static void reply_input(struct session *s, struct conn *conn, const struct proofdata *m,
			const struct serve_input *input)
{
	struct buf head, tail;

	buf_init(&head, REPLY_MAX);
	buf_init(&tail, REPLY_MAX);
	if (proofdata_input_head(&head, m->dialect, input->batch) == PROTO_OK &&
	    proofdata_input_tail(&tail, m->dialect, PROOF_FORMAT_GROTH16, NULL) == PROTO_OK) {
		conn_reply_file(conn, buf_span(&head), input->fd, 0, input->size, buf_span(&tail));
	} else {
		close(input->fd);
		reply_error(s, conn, "busy", "out of memory");
	}
	buf_free(&head);
	buf_free(&tail);
}

/* What is here for it, else what upstream says. again: it has waited for that. */
static void answer_request(struct session *s, const struct served *a, bool again)
{
	struct conn *conn = find(s, a->conn);
	enum relay_answer upstream = RELAY_AS_SERVED;
	char code_hash[COMMIT_HASH_MAX + 1] = "";
	const struct proofdata *m = a->request;
	enum serve_rc rc = a->rc;

	if (!conn) { /* it has gone meanwhile */
		if (rc == SERVE_INPUT) {
			close(a->input.fd);
			serve_end(s->p.serve, a->conn, false);
		}
		return;
	}
	if (s->p.relay)
		upstream = relay_request(s->p.relay, a->conn, m, a->source, rc, again, code_hash);
	switch (upstream) {
	case RELAY_AS_SERVED: break;
	case RELAY_WAIT: return;
	case RELAY_MISMATCH:
	case RELAY_INVALID_CODE: rc = SERVE_MISMATCH; break;
	case RELAY_NOT_NEEDED: rc = SERVE_NOT_NEEDED; break;
	}
	switch (rc) {
	case SERVE_INPUT: reply_input(s, conn, m, &a->input); break;
	case SERVE_EMPTY: reply_empty(conn, m->dialect); break;
	case SERVE_MISMATCH: reply_mismatch(conn, m, code_hash); break;
	case SERVE_NOT_NEEDED: reply_not_needed(conn, m); break;
	case SERVE_BAD_HASH: reply_error(s, conn, "bad_commit_hash", a->sentence); break;
	case SERVE_UNREADABLE: reply_error(s, conn, "input_unreadable", a->sentence); break;
	case SERVE_TRY_AGAIN: reply_error(s, conn, "try_again", a->sentence); break;
	}
}

static void on_served(void *arg, const struct served *answer)
{
	answer_request(arg, answer, false);
}

static void on_served_again(void *arg, const struct served *answer)
{
	answer_request(arg, answer, true);
}

static void ask(struct session *s, struct conn *conn, const struct proofdata *m, const char *source,
		bool again)
{
	if (!s->draining) {
		serve_request(s->p.serve, conn_id(conn), m, source,
			      again ? on_served_again : on_served, s);
		return;
	}
	log_event(LOG_DEBUG, "request", log_str("dialect", dialect_name(m->dialect)),
		  log_str("source", source), log_str("answer", "empty"));
	reply_empty(conn, m->dialect);
}

static void on_input_request(struct session *s, struct conn *conn, const struct proofdata *m,
			     const uint8_t *digest, const char *source)
{
	(void)digest;
	ask(s, conn, m, source, false);
}

bool session_again(void *arg, uint64_t id, const struct proofdata *request, const char *source)
{
	struct session *s = arg;
	struct conn *conn = find(s, id);

	if (conn)
		ask(s, conn, request, source, true);
	return conn != NULL;
}

/* ---- ProofSubmit ---- */

struct submit {
	struct session *session;
	uint64_t conn;
	enum dialect dialect;
	uint64_t batch;
};

static void acknowledge(struct session *s, struct conn *conn, enum dialect dialect, uint64_t batch)
{
	const struct proofdata m = {
	    .kind = MSG_PROOF_SUBMIT_ACK, .dialect = dialect, .has_id = true, .id = batch};

	s->acks++;
	reply_message(conn, &m);
}

static void on_proof_kept(void *arg, enum proof_answer answer, const char *code,
			  const char *sentence)
{
	struct submit *submit = arg;
	struct session *s = submit->session;
	struct conn *conn = find(s, submit->conn);

	if (conn && answer == PROOF_ACK)
		acknowledge(s, conn, submit->dialect, submit->batch);
	else if (conn)
		reply_error(s, conn, code, sentence);
	free(submit);
}

static void on_proof_submit(struct session *s, struct conn *conn, const struct proofdata *m,
			    const uint8_t *digest, const char *source)
{
	struct submit *submit = malloc(sizeof *submit);

	if (!submit) {
		reply_error(s, conn, "busy", "out of memory");
		return;
	}
	*submit = (struct submit){s, conn_id(conn), m->dialect, m->id};
	proofs_submit(s->p.proofs, m->id, &m->proof, digest, source, on_proof_kept, submit);
}

/* ---- ProverSetup ---- */

void session_setup_answer(void *arg, uint64_t id, enum setup_code code, const char *sentence)
{
	static const struct proofdata ack = {.kind = MSG_PROVER_SETUP_ACK};
	struct session *s = arg;
	struct conn *conn = find(s, id);

	if (!conn)
		return;
	switch (code) {
	case SETUP_ACK: reply_message(conn, &ack); break;
	case SETUP_REFUSED: reply_error(s, conn, "setup_refused", sentence); break;
	case SETUP_TRY_AGAIN: reply_error(s, conn, "try_again", sentence); break;
	}
}

void session_setup_hold(void *arg, uint64_t id)
{
	struct session *s = arg;
	struct conn *conn = find(s, id);

	if (conn)
		conn_hold(conn, s->o.setup_timeout_ms);
}

bool session_setup_waits(void *arg, uint64_t id)
{
	return find(arg, id) != NULL;
}

static void on_prover_setup(struct session *s, struct conn *conn, const struct proofdata *m,
			    const uint8_t *digest, const char *source)
{
	static const struct proofdata ack = {.kind = MSG_PROVER_SETUP_ACK};

	(void)digest;
	if (m->prover_type != PROVER_TDX) {
		log_limited(LOG_WARN, "setup_unneeded", "", source,
			    log_str("type", prover_type_name(m->prover_type)),
			    log_str("source", source));
		reply_message(conn, &ack);
	} else if (s->draining) {
		reply_error(s, conn, "stopping", "the coordinator is stopping; try again later");
	} else {
		setup_begin(s->p.setup, conn_id(conn), buf_span(&m->payload), source);
	}
}

/* ---- KeyState ---- */

static void on_key_state(struct session *s, struct conn *conn, const struct proofdata *m,
			 const uint8_t *digest, const char *source)
{
	struct proofdata reply = {.kind = MSG_KEY_STATE_RESPONSE, .key_state = KEY_UNKNOWN};
	const struct eth_address *signer = registrar_signer(s->p.registrar);
	const struct registrar_prover *known;
	struct eth_address key;

	(void)digest;
	(void)source;
	memcpy(key.b, m->key, sizeof key.b);
	known = registrar_find(s->p.registrar, &key);
	if (signer && eth_address_equal(signer, &key))
		reply.key_state = KEY_ACTIVE;
	else if (known && !known->refused.text[0] && !registrar_revoked_by(s->p.registrar, &key))
		reply.key_state = KEY_STANDBY;
	reply_message(conn, &reply);
}

/* ---- the table ---- */

static void on_not_for_us(struct session *s, struct conn *conn, const struct proofdata *m,
			  const uint8_t *digest, const char *source)
{
	struct why why;

	(void)digest;
	why_set(&why, "%s is a coordinator's message, not a prover's", message_kind_name(m->kind));
	log_limited(LOG_WARN, "message_refused", "not_for_us", source, log_str("source", source),
		    log_str("reason", why.text));
	reply_error(s, conn, "invalid_request", why.text);
}

/* digest: of a proof, where it is known already; else NULL. */
typedef void action(struct session *s, struct conn *conn, const struct proofdata *m,
		    const uint8_t *digest, const char *source);

static action *const actions[MESSAGE_KINDS] = {
    [MSG_INPUT_REQUEST] = on_input_request,
    [MSG_PROOF_SUBMIT] = on_proof_submit,
    [MSG_PROVER_SETUP] = on_prover_setup,
    [MSG_INPUT_RESPONSE] = on_not_for_us,
    [MSG_VERSION_MISMATCH] = on_not_for_us,
    [MSG_INVALID_CODE_VERSION] = on_not_for_us,
    [MSG_NO_BATCH_FOR_VERSION] = on_not_for_us,
    [MSG_PROVER_TYPE_NOT_NEEDED] = on_not_for_us,
    [MSG_PROOF_SUBMIT_ACK] = on_not_for_us,
    [MSG_PROVER_SETUP_ACK] = on_not_for_us,
    [MSG_ERROR] = on_not_for_us,
    [MSG_KEY_STATE] = on_key_state,
    [MSG_KEY_STATE_RESPONSE] = on_not_for_us,
};

static void act(struct session *s, struct conn *conn, const struct decoded *d)
{
	const struct proofdata *m = &d->message;

	if (d->err != PROTO_OK) {
		log_limited(LOG_WARN, "message_refused", proto_err_name(d->err), d->source,
			    log_str("source", d->source), log_u64("bytes", d->bytes),
			    log_str("reason", d->why.text));
		reply_error(s, conn, proto_err_name(d->err), d->why.text);
		return;
	}
	log_event(LOG_DEBUG, "message", log_str("kind", message_kind_name(m->kind)),
		  log_str("dialect", dialect_name(m->dialect)), log_str("source", d->source),
		  log_u64("bytes", d->bytes));
	actions[m->kind](s, conn, m, d->has_digest ? d->digest : NULL, d->source);
}

static void on_decoded(void *arg, struct decoded *d)
{
	struct session *s = arg;
	struct conn *conn = find(s, d->conn);

	if (conn)
		act(s, conn, d);
}

void session_message(void *arg, struct conn *conn, struct span message, const char *source)
{
	struct decoded d = {.source = source, .bytes = message.n};
	struct session *s = arg;

	if (message.n <= INLINE_MAX) {
		d.err = proofdata_decode_scanned(&d.message, message, &s->o.limits, &d.why);
		act(s, conn, &d);
		proofdata_free(&d.message);
	} else if (!decoder_take(s->decoder, s->server, conn, message, source, &s->o.limits,
				 &d.why)) {
		log_limited(LOG_WARN, "message_refused", "busy", source, log_str("source", source),
			    log_u64("bytes", message.n), log_str("reason", d.why.text));
		reply_error(s, conn, "busy", d.why.text);
	}
}

void session_beginning(void *arg, struct conn *conn, struct span beginning, const char *source)
{
	struct session *s = arg;
	struct why why = {""};
	enum prover_type type;
	const char *code;
	uint64_t batch;

	if (!proofdata_peek_submit(beginning, &batch, &type))
		return;
	code = proofs_unwanted(s->p.proofs, batch, type, beginning.n, &why);
	if (!code)
		return;
	log_limited(LOG_WARN, "proof_refused", code, source, log_u64("batch", batch),
		    log_str("type", prover_type_name(type)), log_str("source", source),
		    log_str("reason", why.text));
	reply_error(s, conn, code, why.text);
}

void session_bad(void *arg, struct conn *conn, enum server_bad bad, const struct why *why)
{
	struct session *s = arg;
	char peer[CONN_PEER_TEXT], address[CONN_PEER_TEXT];

	conn_peer(conn, peer);
	snprintf(address, sizeof address, "%.*s", (int)(strrchr(peer, ':') - peer), peer);
	/* A port scan or a health check connects and says nothing. */
	log_limited(bad == SERVER_BAD_EMPTY ? LOG_DEBUG : LOG_WARN, "message_refused",
		    server_bad_name(bad), address, log_str("source", peer),
		    log_str("reason", why->text));
	if (bad != SERVER_BAD_EMPTY)
		reply_error(s, conn, server_bad_name(bad), why->text);
}

void session_end(void *arg, uint64_t id, bool delivered)
{
	struct session *s = arg;

	serve_end(s->p.serve, id, delivered);
}

bool session_attested(void *arg, const uint8_t hash[TLS_KEY_HASH])
{
	const struct session *s = arg;

	return attested_key(s->p.registrar, hash);
}

void session_server_log(void *arg, bool usual, const char *event, const char *sentence)
{
	(void)arg;
	log_limited(usual ? LOG_INFO : LOG_WARN, event, "", "", log_str("reason", sentence));
}

/* ---- life ---- */

void session_set_server(struct session *s, struct server *server)
{
	s->server = server;
}

void session_drain(struct session *s)
{
	s->draining = true;
}

void session_set_options(struct session *s, const struct session_options *options)
{
	s->o = *options;
}

const struct decoder_counters *session_decoder(const struct session *s)
{
	return decoder_counters(s->decoder);
}

uint64_t session_acks(const struct session *s)
{
	return s->acks;
}

bool session_new(struct session **out, const struct session_parts *parts,
		 const struct session_options *options, struct why *why)
{
	struct session *s = *out = calloc(1, sizeof *s);

	if (s)
		s->decoder = decoder_new(parts->loop, &decoding, on_decoded, s);
	if (!s || !s->decoder) {
		free(s);
		*out = NULL;
		why_set(why, "out of memory");
		return false;
	}
	s->p = *parts;
	s->o = *options;
	return true;
}

void session_free(struct session *s)
{
	if (s)
		decoder_free(s->decoder);
	free(s);
}
