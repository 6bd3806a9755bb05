/*~ Stop 6 of the tour: persist, then speak. The ACK is sent from the callback of the commit. */
#include "coordinator/proofs/proofs.h"

#include "coordinator/base/clock.h"
#include "coordinator/base/log.h"
#include "coordinator/proofs/internal.h"
#include "coordinator/proofs/proof_check.h"
#include "coordinator/registrar/rows.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#define ASKING_MAX 16 /* proofs of batches that are not known yet */

/* ---- received -> kept ---- */

struct keeping {
	struct proofs *proofs;
	uint64_t id, batch;
	enum prover_type type;
	char source[WORK_SOURCE_SIZE];
	proof_answer_cb *cb;
	void *arg;
};

bool proofs_digest(uint8_t out[32], struct span bytes, struct span public_values)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	const uint64_t n = bytes.n; /* keeps (ab, c) and (a, bc) apart */
	bool ok;

	ok = ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1 &&
	     EVP_DigestUpdate(ctx, &n, sizeof n) == 1 &&
	     EVP_DigestUpdate(ctx, bytes.p, bytes.n) == 1 &&
	     EVP_DigestUpdate(ctx, public_values.p, public_values.n) == 1 &&
	     EVP_DigestFinal_ex(ctx, out, NULL) == 1;
	EVP_MD_CTX_free(ctx);
	return ok;
}

void proofs_forget(struct proofs *p, uint64_t id)
{
	const struct store_change change = {.kind = CHANGE_PROOF_DEL, .proof = {.id = id}};

	store_commit_lazy(p->p.store, &change, 1);
}

static void on_kept(void *arg, enum store_rc rc, const struct why *why)
{
	struct keeping *k = arg;
	struct proofs *p = k->proofs;

	struct why sentence;

	if (rc != STORE_OK) {
		work_release(p->p.work, k->id);
		why_set(&sentence, "the proof could not be stored: %s", store_rc_text(rc));
		log_limited(LOG_ERROR, "proof_not_kept", "", "", log_u64("batch", k->batch),
			    log_str("reason", why->text));
		k->cb(k->arg, PROOF_REFUSED, "try_again", sentence.text);
		free(k);
		return;
	}
	if (!work_kept(p->p.work, k->id, clock_mono_ms()))
		proofs_forget(p, k->id);
	log_limited(LOG_INFO, "proof_kept", "", k->source, log_u64("batch", k->batch),
		    log_str("type", prover_type_name(k->type)), log_u64("id", k->id),
		    log_str("source", k->source));
	k->cb(k->arg, PROOF_ACK, "", "");
	free(k);
	proofs_judge(p);
}

static const char *refusal_code(enum work_submit_rc rc)
{
	switch (rc) {
	case WORK_ACCEPT:
	case WORK_DUPLICATE:
	case WORK_AGAIN: return "ok";
	case WORK_IN_FLIGHT:
	case WORK_NOT_YET:
	case WORK_NO_MEMORY: return "try_again";
	case WORK_UNKNOWN_BATCH: return "unknown_batch";
	case WORK_TYPE_NOT_NEEDED: return "type_not_needed";
	case WORK_NO_ROOM: return "no_room";
	case WORK_SOURCE_QUOTA: return "source_quota";
	case WORK_TOO_BIG: return "too_big";
	}
	return "refused";
}

/* A standby that proves the same batch again is alive: its proof shows it, kept or not. Only it has
 * it, for what does not count is never sent to L1. */
static void duplicate_shown(struct proofs *p, uint64_t id)
{
	const struct eth_address *holds = registrar_signer(p->p.registrar);
	struct work_candidate c;

	if (!work_find_candidate(p->p.work, id, &c) || c.state != WORK_GOOD || !c.has_signer ||
	    (holds && eth_address_equal(holds, &c.signer)))
		return;
	registrar_proof_shown(p->p.registrar, &c.signer, clock_wall_ms());
	prover_keep(p->p.store, p->p.registrar, &c.signer);
	wake_up(p->p.wake);
}

/* Nothing is to be made durable. */
static void answer_at_once(struct proofs *p, const struct work_proof *wp, enum work_submit_rc rc,
			   uint64_t id, const struct why *why, proof_answer_cb *cb, void *arg)
{
	const bool ack = rc == WORK_DUPLICATE;

	log_limited(ack ? LOG_INFO : LOG_WARN, ack ? "proof_duplicate" : "proof_refused",
		    refusal_code(rc), wp->source, log_u64("batch", wp->batch),
		    log_str("type", prover_type_name(wp->type)), log_str("source", wp->source),
		    log_str("reason", why->text));
	if (ack)
		duplicate_shown(p, id);
	cb(arg, ack ? PROOF_ACK : PROOF_REFUSED, refusal_code(rc), why->text);
}

/* The row of a new proof, or that one which was found bad is to be judged again. */
static struct store_change keep_change(const struct work_proof *wp, enum work_submit_rc rc,
				       uint64_t id, const struct proof *proof)
{
	struct store_change change = {.kind = CHANGE_PROOF_PUT};

	if (rc == WORK_AGAIN) {
		change.kind = CHANGE_PROOF_STATE;
		change.proof_state = (struct store_proof_state){
		    .id = id, .state = WORK_CANDIDATE, .judged_ms = clock_wall_ms()};
		return change;
	}
	change.proof = (struct store_proof){.id = id,
					    .batch = wp->batch,
					    .prover_type = (int)wp->type,
					    .bytes = buf_span(&proof->bytes),
					    .public_values = buf_span(&proof->public_values),
					    .source = span_of(wp->source, strlen(wp->source)),
					    .received_ms = clock_wall_ms(),
					    .state = WORK_CANDIDATE};
	return change;
}

const char *proofs_unwanted(struct proofs *p, uint64_t batch, enum prover_type type, size_t text,
			    struct why *why)
{
	enum work_submit_rc rc = work_submit_wanted(p->p.work, batch, type, text, why);

	if (rc == WORK_ACCEPT || (rc == WORK_UNKNOWN_BATCH && store_is_shared(p->p.store)))
		return NULL;
	p->counters.submits[rc]++;
	return refusal_code(rc);
}

/* A proof of a batch that another coordinator may have handed out just now: what others stored is
 * shown before the answer of a group. */
struct asking {
	struct proofs *proofs;
	uint64_t batch;
	struct proof proof;
	uint8_t sha256[32];
	char source[WORK_SOURCE_SIZE];
	proof_answer_cb *cb;
	void *arg;
};

static void submit(struct proofs *p, uint64_t batch, const struct proof *proof,
		   const uint8_t *sha256, const char *source, bool asked, proof_answer_cb *cb,
		   void *arg);

static void asking_end(struct asking *a)
{
	a->proofs->asking--;
	buf_free(&a->proof.bytes);
	buf_free(&a->proof.public_values);
	free(a);
}

static void on_asked(void *arg, enum store_rc rc, const struct why *why)
{
	struct asking *a = arg;

	(void)why;
	if (rc == STORE_OK)
		submit(a->proofs, a->batch, &a->proof, a->sha256, a->source, true, a->cb, a->arg);
	else
		a->cb(a->arg, PROOF_REFUSED, "try_again", "the batch cannot be looked up now");
	asking_end(a);
}

/* False: too many ask. */
static bool ask(struct proofs *p, const struct work_proof *wp, const struct proof *proof,
		proof_answer_cb *cb, void *arg)
{
	/* Deletes nothing: no id is 0. */
	static const struct store_change nothing = {.kind = CHANGE_PROOF_DEL};
	struct asking *a;

	if (p->asking >= ASKING_MAX)
		return false;
	a = calloc(1, sizeof *a);
	if (!a)
		return false;
	*a = (struct asking){.proofs = p, .batch = wp->batch, .cb = cb, .arg = arg};
	p->asking++;
	a->proof.prover_type = wp->type;
	memcpy(a->sha256, wp->sha256, sizeof a->sha256);
	snprintf(a->source, sizeof a->source, "%s", wp->source);
	buf_init(&a->proof.bytes, proof->bytes.len);
	buf_init(&a->proof.public_values, proof->public_values.len);
	if (buf_add(&a->proof.bytes, proof->bytes.p, proof->bytes.len) &&
	    buf_add(&a->proof.public_values, proof->public_values.p, proof->public_values.len) &&
	    store_commit(p->p.store, &nothing, 1, on_asked, a) == STORE_OK)
		return true;
	asking_end(a);
	return false;
}

/* asked: all that others stored until it came is known. */
static void submit(struct proofs *p, uint64_t batch, const struct proof *proof,
		   const uint8_t *sha256, const char *source, bool asked, proof_answer_cb *cb,
		   void *arg)
{
	struct work_proof wp = {.batch = batch,
				.type = proof->prover_type,
				.source = source,
				.attested = registrar_source_attested(p->p.registrar, source),
				.received_ms = clock_mono_ms(),
				.size = proof->bytes.len + proof->public_values.len};
	struct keeping *k = malloc(sizeof *k);
	struct store_change change;
	struct why why = {""};
	enum work_submit_rc rc;
	uint64_t id = 0;

	if (sha256)
		memcpy(wp.sha256, sha256, sizeof wp.sha256);
	if (!k || (!sha256 && !proofs_digest(wp.sha256, buf_span(&proof->bytes),
					     buf_span(&proof->public_values)))) {
		free(k);
		cb(arg, PROOF_REFUSED, "try_again", "out of memory");
		return;
	}
	rc = work_submit_check(p->p.work, &wp, &id, &why);
	if (rc == WORK_UNKNOWN_BATCH && !asked && store_is_shared(p->p.store)) {
		free(k);
		/* A prover that hears unknown_batch may drop the proof. */
		if (!ask(p, &wp, proof, cb, arg))
			cb(arg, PROOF_REFUSED, "try_again", "the batch cannot be looked up now");
		return;
	}
	p->counters.submits[rc]++;
	if (rc != WORK_ACCEPT && rc != WORK_AGAIN) {
		free(k);
		answer_at_once(p, &wp, rc, id, &why, cb, arg);
		return;
	}
	*k = (struct keeping){
	    .proofs = p, .id = id, .batch = batch, .type = wp.type, .cb = cb, .arg = arg};
	snprintf(k->source, sizeof k->source, "%s", source);
	change = keep_change(&wp, rc, id, proof);
	if (store_commit(p->p.store, &change, 1, on_kept, k) != STORE_OK) {
		work_release(p->p.work, id);
		free(k);
		cb(arg, PROOF_REFUSED, "try_again", "the store's queue is full");
	}
}

void proofs_submit(struct proofs *p, uint64_t batch, const struct proof *proof,
		   const uint8_t *sha256, const char *source, proof_answer_cb *cb, void *arg)
{
	submit(p, batch, proof, sha256, source, false, cb, arg);
}

/* ---- kept -> judged ---- */

static void on_gone_candidate(void *arg, uint64_t id)
{
	proofs_forget(arg, id);
}

void proofs_verdict(struct proofs *p, uint64_t id, enum work_state state,
		    const struct eth_address *signer, const char *reason)
{
	const struct work_gone gone = {.candidate = on_gone_candidate, .arg = p};
	struct store_change change = {.kind = CHANGE_PROOF_STATE};
	struct work_candidate c;
	char text[ETH_ADDRESS_TEXT_SIZE] = "";
	uint64_t now = clock_wall_ms();

	if (!store_leads(p->p.store) || !work_find_candidate(p->p.work, id, &c))
		return;
	state = work_verdict(p->p.work, id, state);
	if (state == WORK_ASIDE)
		signer = NULL;
	if (signer)
		eth_address_print(text, signer);
	log_limited(state == WORK_BAD ? LOG_WARN : LOG_INFO,
		    state == WORK_BAD ? "proof_set_aside" : "proof_judged", "", c.source,
		    log_u64("batch", c.batch), log_str("type", prover_type_name(c.type)),
		    log_u64("id", id), log_str("source", c.source),
		    log_str("verdict", work_state_name(state)), log_str("signer", text),
		    log_str("reason", reason));
	p->counters.judged[state]++;
	change.proof_state = (struct store_proof_state){.id = id,
							.state = (int)state,
							.has_signer = signer != NULL,
							.reason = span_of(reason, strlen(reason)),
							.judged_ms = now};
	if (signer)
		memcpy(change.proof_state.signer, signer->b, 20);
	work_judged(p->p.work, id, state, signer, clock_mono_ms(), &gone);
	verdict_keep(p, &change);
	wake_up(p->p.wake);
}

struct judging {
	struct proofs *proofs;
	unsigned slot;
	struct work_candidate c;
	struct buf bytes;
};

static void judging_end(struct judging *j)
{
	struct proofs *p = j->proofs;

	p->under_way[j->slot] = 0;
	p->judging--;
	buf_free(&j->bytes);
	free(j);
}

/* The public inputs were rebuilt, as this signer shows: what recovers to nobody's key is no proof,
 * and no dry run is paid for it. */
static void condemn_undecided(struct proofs *p, uint64_t batch)
{
	struct work_candidate c[WORK_CANDIDATES_MAX];
	size_t n = work_candidates(p->p.work, batch, PROVER_TDX, c, WORK_CANDIDATES_MAX), i;

	for (i = 0; i < n && i < WORK_CANDIDATES_MAX; i++)
		if (c[i].state == WORK_UNDECIDED)
			proofs_verdict(p, c[i].id, WORK_BAD, c[i].has_signer ? &c[i].signer : NULL,
				       "recovers to nobody's key, and another proof of this batch "
				       "shows what is signed");
}

static void judge_with(struct judging *j, const struct batch_commitment *commitment)
{
	struct proofs *p = j->proofs;
	struct proof_check_keys keys = {.authorized = registrar_signer(p->p.registrar)};
	struct eth_address signer;
	struct why why = {""};
	enum proof_check_result verdict;

	keys.known = registrar_keys(p->p.registrar, &keys.known_n);
	verdict = proof_check_tdx(&signer, commitment, &keys, buf_span(&j->bytes), &why);
	switch (verdict) {
	case PROOF_CHECK_GOOD:
	case PROOF_CHECK_OTHER_SIGNER:
		registrar_proof_shown(p->p.registrar, &signer, clock_wall_ms());
		prover_keep(p->p.store, p->p.registrar, &signer);
		proofs_verdict(p, j->c.id, WORK_GOOD, &signer, why.text);
		condemn_undecided(p, j->c.batch);
		break;
	case PROOF_CHECK_UNKNOWN_SIGNER:
		proofs_verdict(p, j->c.id,
			       work_is_rebuilt(p->p.work, j->c.batch) ? WORK_BAD : WORK_UNDECIDED,
			       &signer, why.text);
		break;
	case PROOF_CHECK_MALFORMED: proofs_verdict(p, j->c.id, WORK_BAD, NULL, why.text); break;
	case PROOF_CHECK_NO_MEMORY: break;
	}
}

static void on_commitment(void *arg, const struct batch_commitment *commitment,
			  const char *sentence)
{
	struct judging *j = arg;

	if (commitment && store_leads(j->proofs->p.store))
		judge_with(j, commitment);
	else if (!commitment)
		log_event(LOG_DEBUG, "judge_later", log_u64("batch", j->c.batch),
			  log_str("reason", sentence));
	judging_end(j);
}

static void on_proof_read(void *arg, enum store_rc rc, const struct store_proof *proof,
			  const struct why *why)
{
	struct judging *j = arg;

	if (rc != STORE_OK || !buf_add(&j->bytes, proof->bytes.p, proof->bytes.n)) {
		log_limited(LOG_ERROR, "proof_unreadable", "", "", log_u64("id", j->c.id),
			    log_str("reason", rc != STORE_OK ? why->text : "out of memory"));
		judging_end(j);
		return;
	}
	if (!commitments_get(j->proofs->p.commitments, j->c.batch,
			     l1_facts(j->proofs->p.l1)->l2_chain_id, on_commitment, j))
		judging_end(j);
}

static bool is_under_way(const struct proofs *p, uint64_t id)
{
	unsigned i;

	for (i = 0; i < JUDGING_MAX; i++)
		if (p->under_way[i] == id)
			return true;
	return false;
}

static void judge_tdx_candidate(struct proofs *p, const struct work_candidate *c)
{
	struct judging *j = calloc(1, sizeof *j);
	unsigned slot = 0;

	if (!j)
		return;
	while (p->under_way[slot])
		slot++;
	*j = (struct judging){.proofs = p, .slot = slot, .c = *c};
	buf_init(&j->bytes, p->max_bytes);
	p->under_way[slot] = c->id;
	p->judging++;
	if (store_read_proof(p->p.store, c->id, on_proof_read, j) != STORE_OK)
		judging_end(j);
}

void proofs_judge(struct proofs *p)
{
	struct work_judge_at at = {0, 0};
	struct work_candidate c;

	if (!store_leads(p->p.store) || !l1_is_fresh(p->p.l1) || p->stopped)
		return;
	while (p->judging < JUDGING_MAX && work_next_to_judge(p->p.work, &at, &c)) {
		if (is_under_way(p, c.id))
			continue;
		switch (c.type) {
		case PROVER_TDX: judge_tdx_candidate(p, &c); break;
		case PROVER_EXEC:
			proofs_verdict(p, c.id, WORK_GOOD, NULL,
				       "Exec proofs carry nothing that could be checked");
			break;
		case PROVER_RISC0:
		case PROVER_SP1:
		case PROVER_ALIGNED:
		case PROVER_PICO:
			proofs_verdict(p, c.id, WORK_UNDECIDED, NULL,
				       "only the contract can judge it");
			break;
		}
	}
}

/* ---- life ---- */

bool proofs_new(struct proofs **out, const struct proofs_parts *parts, size_t max_bytes,
		struct why *why)
{
	struct proofs *p = *out = calloc(1, sizeof *p);

	if (!p) {
		why_set(why, "out of memory");
		return false;
	}
	p->p = *parts;
	p->max_bytes = max_bytes;
	return true;
}

void proofs_stop(struct proofs *p)
{
	p->stopped = true;
}

const struct proofs_counters *proofs_counters(const struct proofs *p)
{
	return &p->counters;
}

void proofs_free(struct proofs *p)
{
	free(p);
}
