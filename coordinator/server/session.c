/*~ Stop 2 of the tour: a prover's message becomes an action. The table at the end says who may ask
 * what; nothing here waits for L1. */
#include "coordinator/server/session.h"

#include "coordinator/daemon.h"
#include "coordinator/provers/quotes.h"
#include "coordinator/store/input_file.h"
#include "coordinator/provers/rows.h"
#include "coordinator/transactions/agenda.h"
#include "coordinator/transactions/prepare.h"
#include "coordinator/work/proofs.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REPLY_MAX 4096

/* A reply with an input on its way: the lease goes back if it does not arrive. */
struct delivery {
	struct delivery *next;
	uint64_t conn;
	uint64_t batch, ticket;
	enum prover_type type;
};

/* A ProverSetup being verified, on its way to the disk, or waiting for its registration. */
struct setup {
	struct setup *next;
	struct session *session;
	uint64_t conn;
	char source[REGISTRAR_SOURCE_SIZE];
	struct registrar_check check;
	struct buf payload; /* what check.prover.payload points to */
	bool kept;
};

struct session {
	struct daemon *d;
	struct proto_limits limits;
	struct delivery *deliveries;
	struct setup *setups;
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

	if (!s->d->config.error_replies) {
		conn_close_silent(conn);
		return;
	}
	snprintf(m.error_code, sizeof m.error_code, "%s", code);
	snprintf(m.error_message, sizeof m.error_message, "%s", text);
	reply_message(conn, &m);
}

/* ---- InputRequest ---- */

static void reply_empty(struct conn *conn, enum dialect dialect)
{
	const struct proofdata m = {.kind = MSG_INPUT_RESPONSE, .dialect = dialect};

	reply_message(conn, &m);
}

static void reply_mismatch(struct conn *conn, const struct proofdata *m)
{
	struct proofdata out = {.dialect = m->dialect};

	/* Before p6 there was NoBatchForVersion, which a p5 client knows; older ones report an
	 * unknown variant and try again, as they would have to anyway. */
	out.kind = m->dialect == DIALECT_P3_P5 ? MSG_NO_BATCH_FOR_VERSION : MSG_VERSION_MISMATCH;
	memcpy(out.commit_hash, m->commit_hash, sizeof out.commit_hash);
	reply_message(conn, &out);
}

static void send_input(struct session *s, struct conn *conn, const struct proofdata *m,
		       const struct work_grant *grant)
{
	struct daemon *d = s->d;
	enum prover_type type = m->has_prover_type ? m->prover_type : PROVER_EXEC;
	struct delivery *delivery = malloc(sizeof *delivery);
	struct buf head, tail;
	struct why why = {""};
	uint64_t size = 0;
	int fd = -1;

	buf_init(&head, REPLY_MAX);
	buf_init(&tail, REPLY_MAX);
	if (!delivery || proofdata_input_head(&head, m->dialect, grant->batch) != PROTO_OK ||
	    proofdata_input_tail(&tail, m->dialect, PROOF_FORMAT_GROTH16, NULL) != PROTO_OK)
		why_set(&why, "out of memory");
	else
		fd = input_file_open(d->config.data_dir, grant->sha256, &size, &why);
	if (fd < 0) {
		log_event(LOG_ERROR, "input_unreadable", log_u64("batch", grant->batch),
			  log_str("reason", why.text));
		if (grant->ticket)
			work_ungrant(d->work, grant->batch, type, grant->ticket);
		reply_error(s, conn, "input_unreadable", "the stored input cannot be read");
		free(delivery);
		goto out;
	}
	*delivery =
	    (struct delivery){s->deliveries, conn_id(conn), grant->batch, grant->ticket, type};
	s->deliveries = delivery;
	conn_reply_file(conn, buf_span(&head), fd, 0, size, buf_span(&tail));
out:
	buf_free(&head);
	buf_free(&tail);
}

static void on_input_request(struct session *s, struct conn *conn, const struct proofdata *m,
			     const char *source)
{
	struct daemon *d = s->d;
	const enum prover_type *type = m->has_prover_type ? &m->prover_type : NULL;
	struct store_change change = {.kind = CHANGE_LEASE_PUT};
	struct proofdata out = {.dialect = m->dialect};
	struct work_grant grant;
	struct why why = {""};
	enum work_request_rc rc;

	if (d->draining) {
		reply_empty(conn, m->dialect);
		return;
	}
	/* p1 and p2 name no version: nothing that is stored can be meant for them. */
	if (m->dialect == DIALECT_P1_P2) {
		log_event(LOG_DEBUG, "request", log_str("dialect", dialect_name(m->dialect)),
			  log_str("source", source), log_str("answer", "empty"));
		reply_empty(conn, m->dialect);
		return;
	}
	if (regexec(&d->commit_hash_pattern, m->commit_hash, 0, NULL, 0) != 0) {
		why_set(&why, "commit hash \"%s\" does not match %s", m->commit_hash,
			d->config.commit_hash_pattern);
		log_event(LOG_WARN, "request_refused", log_str("source", source),
			  log_str("reason", why.text));
		reply_error(s, conn, "bad_commit_hash", why.text);
		return;
	}
	rc = work_request(d->work, m->commit_hash, type, source, clock_wall_ms(), &grant, &why);
	d->counters.requests[rc]++;
	switch (rc) {
	case WORK_GRANT:
		log_event(LOG_INFO, "work_granted", log_u64("batch", grant.batch),
			  log_str("type", type ? prover_type_name(*type) : "any"),
			  log_str("dialect", dialect_name(m->dialect)),
			  log_str("commit_hash", m->commit_hash), log_str("source", source),
			  log_u64("bytes", grant.size));
		if (grant.ticket) {
			change.lease =
			    (struct store_lease){grant.batch, (int)*type,
						 span_of(source, strlen(source)), grant.expires_ms};
			store_commit_lazy(d->store, &change, 1);
		}
		send_input(s, conn, m, &grant);
		break;
	case WORK_EMPTY:
		log_event(LOG_DEBUG, "request", log_str("dialect", dialect_name(m->dialect)),
			  log_str("source", source), log_str("answer", "empty"),
			  log_str("reason", why.text));
		reply_empty(conn, m->dialect);
		break;
	case WORK_VERSION_MISMATCH:
		log_event(LOG_DEBUG, "version_mismatch", log_str("commit_hash", m->commit_hash),
			  log_str("source", source), log_str("reason", why.text));
		reply_mismatch(conn, m);
		break;
	case WORK_NOT_NEEDED:
		log_event(LOG_DEBUG, "type_not_needed", log_str("type", prover_type_name(*type)),
			  log_str("source", source));
		if (m->dialect == DIALECT_P3_P5) {
			reply_empty(conn, m->dialect);
			break;
		}
		out.kind = MSG_PROVER_TYPE_NOT_NEEDED;
		out.has_prover_type = true;
		out.prover_type = *type;
		reply_message(conn, &out);
		break;
	}
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

	s->d->counters.acks++;
	reply_message(conn, &m);
}

static void on_proof_kept(void *arg, enum proof_answer answer, const char *code,
			  const char *sentence)
{
	struct submit *submit = arg;
	struct session *s = submit->session;
	struct conn *conn = s->d->server ? server_conn(s->d->server, submit->conn) : NULL;

	if (conn && answer == PROOF_ACK)
		acknowledge(s, conn, submit->dialect, submit->batch);
	else if (conn)
		reply_error(s, conn, code, sentence);
	free(submit);
}

static void on_proof_submit(struct session *s, struct conn *conn, const struct proofdata *m,
			    const char *source)
{
	struct submit *submit = malloc(sizeof *submit);

	if (!submit) {
		reply_error(s, conn, "busy", "out of memory");
		return;
	}
	*submit = (struct submit){s, conn_id(conn), m->dialect, m->id};
	proofs_submit(s->d, m->id, &m->proof, source, on_proof_kept, submit);
}

/* ---- ProverSetup ---- */

static void setup_free(struct setup *setup)
{
	struct setup **at;

	for (at = &setup->session->setups; *at; at = &(*at)->next)
		if (*at == setup) {
			*at = setup->next;
			break;
		}
	buf_free(&setup->payload);
	free(setup);
}

static void count_setup(struct session *s, enum registrar_answer answer)
{
	s->d->counters.setups[answer]++;
}

static void refuse_setup(struct setup *setup, enum registrar_answer answer, const char *sentence)
{
	struct session *s = setup->session;
	struct conn *conn = s->d->server ? server_conn(s->d->server, setup->conn) : NULL;

	count_setup(s, answer);
	log_event(LOG_WARN, "setup_refused", log_str("source", setup->source),
		  log_u64("bytes", setup->payload.len), log_str("reason", sentence));
	if (conn)
		reply_error(s, conn, answer == REGISTRAR_REFUSE ? "setup_refused" : "try_again",
			    sentence);
	setup_free(setup);
}

/* True when the setup is over. */
static bool answer_setup(struct setup *setup)
{
	static const struct proofdata ack = {.kind = MSG_PROVER_SETUP_ACK};
	struct session *s = setup->session;
	struct conn *conn = server_conn(s->d->server, setup->conn);
	char signer[ETH_ADDRESS_TEXT_SIZE];
	struct why why = {""};
	enum registrar_answer answer;

	if (!conn)
		return true;
	answer =
	    registrar_answer(s->d->registrar, &setup->check.prover.signer, clock_wall_ms(), &why);
	if (answer == REGISTRAR_WAIT)
		return false;
	eth_address_print(signer, &setup->check.prover.signer);
	count_setup(s, answer);
	switch (answer) {
	case REGISTRAR_ACK_ACTIVE:
	case REGISTRAR_ACK_STANDBY:
		log_event(LOG_INFO, "setup_acknowledged", log_str("signer", signer),
			  log_str("source", setup->check.prover.source),
			  log_str("as", answer == REGISTRAR_ACK_ACTIVE ? "active" : "standby"));
		reply_message(conn, &ack);
		break;
	case REGISTRAR_REFUSE:
	case REGISTRAR_RETRY:
		log_event(LOG_WARN, "setup_refused", log_str("signer", signer),
			  log_str("source", setup->check.prover.source),
			  log_str("reason", why.text));
		reply_error(s, conn, answer == REGISTRAR_REFUSE ? "setup_refused" : "try_again",
			    why.text);
		break;
	case REGISTRAR_WAIT: return false;
	}
	return true;
}

void session_answer_setups(struct session *s)
{
	struct setup *setup, *next;

	for (setup = s->d->server ? s->setups : NULL; setup; setup = next) {
		next = setup->next;
		if (setup->kept && answer_setup(setup))
			setup_free(setup);
	}
}

size_t session_waiting_setups(const struct session *s)
{
	const struct setup *setup;
	size_t n = 0;

	for (setup = s->setups; setup; setup = setup->next)
		n++;
	return n;
}

static void on_setup_kept(void *arg, enum store_rc rc, const struct why *why)
{
	struct setup *setup = arg;
	struct session *s = setup->session;
	struct conn *conn = s->d->server ? server_conn(s->d->server, setup->conn) : NULL;
	struct why trouble = {""};

	if (rc != STORE_OK || !registrar_setup(s->d->registrar, &setup->check, &trouble)) {
		const char *text = rc != STORE_OK ? why->text : trouble.text;

		log_event(LOG_ERROR, "setup_not_kept", log_str("reason", text));
		if (conn)
			reply_error(s, conn, "try_again", text);
		setup_free(setup);
		return;
	}
	setup->kept = true;
	if (conn)
		conn_hold(conn, s->d->config.setup_timeout_ms);
	if (answer_setup(setup))
		setup_free(setup);
	wake_up(s->d->wake);
}

/* Registrar and store: the last steps of a setup. Consumes it when it is over. attested: the key
 * that its quote vouches for, NULL for a payload that needs no verification. */
static void enlist(struct setup *setup, const struct eth_address *attested)
{
	struct session *s = setup->session;
	struct daemon *d = s->d;
	struct conn *conn = d->server ? server_conn(d->server, setup->conn) : NULL;
	struct store_change change[2];
	struct why why = {""};
	size_t n = 0;

	if (!registrar_check(d->registrar, buf_span(&setup->payload), attested, setup->source,
			     clock_wall_ms(), &setup->check, &why)) {
		refuse_setup(setup, setup->check.answer, why.text);
		return;
	}
	prover_row_put(&change[n++], &setup->check.prover);
	if (setup->check.has_evicted) {
		change[n] = (struct store_change){.kind = CHANGE_PROVER_DEL};
		memcpy(change[n++].prover.signer, setup->check.evicted.b, 20);
	}
	if (store_commit(d->store, change, n, on_setup_kept, setup) == STORE_OK)
		return;
	if (conn)
		reply_error(s, conn, "try_again", "the store's queue is full");
	setup_free(setup);
}

static void on_attested(void *arg, const struct quotes_result *result)
{
	struct setup *setup = arg;

	switch (result->rc) {
	case QUOTES_ATTESTED: enlist(setup, &result->signer); break;
	case QUOTES_REFUSED: refuse_setup(setup, REGISTRAR_REFUSE, result->sentence); break;
	case QUOTES_RETRY: refuse_setup(setup, REGISTRAR_RETRY, result->sentence); break;
	}
}

/* What can be said of a setup without looking at its payload. True: it was answered. */
static bool answered_at_once(struct session *s, struct conn *conn, const struct proofdata *m,
			     const char *source)
{
	static const struct proofdata ack = {.kind = MSG_PROVER_SETUP_ACK};
	static const char no_verifier[] = "the OnChainProposer requires no TDX proofs, so there is "
					  "no verifier to register a key with";
	const struct l1_facts *facts = l1_facts(s->d->l1);

	if (m->prover_type != PROVER_TDX) {
		log_event(LOG_WARN, "setup_unneeded",
			  log_str("type", prover_type_name(m->prover_type)),
			  log_str("source", source));
		reply_message(conn, &ack);
	} else if (s->d->draining) {
		reply_error(s, conn, "stopping", "the coordinator is stopping; try again later");
	} else if (facts && !facts->has_tdx_verifier) {
		log_event(LOG_WARN, "setup_refused", log_str("source", source),
			  log_str("reason", no_verifier));
		reply_error(s, conn, "setup_refused", no_verifier);
	} else {
		return false;
	}
	return true;
}

static void on_prover_setup(struct session *s, struct conn *conn, const struct proofdata *m,
			    const char *source)
{
	struct quotes_result result;
	struct setup *setup;

	if (answered_at_once(s, conn, m, source))
		return;
	setup = calloc(1, sizeof *setup);
	if (!setup) {
		reply_error(s, conn, "busy", "out of memory");
		return;
	}
	setup->session = s;
	setup->conn = conn_id(conn);
	snprintf(setup->source, sizeof setup->source, "%s", source);
	buf_init(&setup->payload, m->payload.max);
	setup->next = s->setups;
	s->setups = setup;
	if (!buf_add(&setup->payload, m->payload.p, m->payload.len)) {
		reply_error(s, conn, "busy", "out of memory");
		setup_free(setup);
	} else if (!registrar_wants_attestation(s->d->registrar, buf_span(&setup->payload))) {
		enlist(setup, NULL);
	} else if (quotes_verify(s->d->quotes, buf_span(&setup->payload), source, on_attested,
				 setup, &result)) {
		conn_hold(conn, s->d->config.setup_timeout_ms);
	} else {
		on_attested(setup, &result);
	}
}

/* ---- the table ---- */

static void on_not_for_us(struct session *s, struct conn *conn, const struct proofdata *m,
			  const char *source)
{
	struct why why;

	why_set(&why, "%s is a coordinator's message, not a prover's", message_kind_name(m->kind));
	log_event(LOG_WARN, "message_refused", log_str("source", source),
		  log_str("reason", why.text));
	reply_error(s, conn, "invalid_request", why.text);
}

typedef void action(struct session *s, struct conn *conn, const struct proofdata *m,
		    const char *source);

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
};

void session_message(void *arg, struct conn *conn, struct span message, const char *source)
{
	struct session *s = arg;
	struct proofdata m;
	struct why why = {""};
	enum proto_err err = proofdata_decode(&m, message, &s->limits, &why);

	if (err != PROTO_OK) {
		log_event(LOG_WARN, "message_refused", log_str("source", source),
			  log_u64("bytes", message.n), log_str("reason", why.text));
		reply_error(s, conn, proto_err_name(err), why.text);
		return;
	}
	log_event(LOG_DEBUG, "message", log_str("kind", message_kind_name(m.kind)),
		  log_str("dialect", dialect_name(m.dialect)), log_str("source", source),
		  log_u64("bytes", message.n));
	actions[m.kind](s, conn, &m, source);
	proofdata_free(&m);
}

void session_bad(void *arg, struct conn *conn, enum server_bad bad, const struct why *why)
{
	struct session *s = arg;
	char peer[CONN_PEER_TEXT];

	/* A port scan or a health check connects and says nothing. */
	log_event(bad == SERVER_BAD_EMPTY ? LOG_DEBUG : LOG_WARN, "message_refused",
		  log_str("source", conn_peer(conn, peer)), log_str("reason", why->text));
	if (bad != SERVER_BAD_EMPTY)
		reply_error(s, conn, server_bad_name(bad), why->text);
}

void session_end(void *arg, uint64_t id, bool delivered)
{
	struct session *s = arg;
	struct delivery **at, *found;

	for (at = &s->deliveries; *at; at = &(*at)->next)
		if ((*at)->conn == id)
			break;
	found = *at;
	if (!found)
		return;
	*at = found->next;
	if (!delivered && found->ticket) {
		log_event(LOG_INFO, "input_not_delivered", log_u64("batch", found->batch),
			  log_str("type", prover_type_name(found->type)));
		work_ungrant(s->d->work, found->batch, found->type, found->ticket);
	}
	free(found);
}

void session_server_log(void *arg, const char *event, const char *sentence)
{
	bool is_usual = strcmp(event, "listening") == 0 || strcmp(event, "drain") == 0;

	(void)arg;
	log_event(is_usual ? LOG_INFO : LOG_WARN, event, log_str("reason", sentence));
}

bool session_new(struct session **out, struct daemon *d, struct why *why)
{
	struct session *s = calloc(1, sizeof *s);

	*out = s;
	if (!s) {
		why_set(why, "out of memory");
		return false;
	}
	s->d = d;
	s->limits.proof_max = d->config.max_proof_bytes;
	s->limits.payload_max = REGISTRAR_PAYLOAD_MAX;
	return true;
}

void session_free(struct session *s)
{
	struct delivery *delivery;

	if (!s)
		return;
	while ((delivery = s->deliveries)) {
		s->deliveries = delivery->next;
		free(delivery);
	}
	while (s->setups)
		setup_free(s->setups);
	free(s);
}
