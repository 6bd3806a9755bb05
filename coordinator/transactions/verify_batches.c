/*~ Stop 8 of the tour: proofs become one transaction. Everything is asked of the contract before
 * gas is spent, and after any refusal the contract's own state decides what was achieved. */
#include "coordinator/transactions/verify_batches.h"

#include "coordinator/daemon.h"
#include "coordinator/provers/quotes.h"
#include "coordinator/server/session.h"
#include "coordinator/transactions/agenda.h"
#include "coordinator/transactions/prepare.h"
#include "coordinator/transactions/register.h"
#include "coordinator/work/proofs.h"
#include "coordinator/work/upload.h"
#include "ethereum/abi.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define RESEND_POLLS         12u
#define REFUSED_WAIT_MS      15000ull
#define GAS_PER_REGISTRATION 60000ull /* a dev-mode register uses about 48,000 */

struct settle {
	struct daemon *d;
	size_t limit;           /* batches in the next run: halved by refusals, reset by success */
	uint64_t not_before_ms; /* after a refusal that sets nothing aside */
	char sentence[512];
	/* the run under way */
	struct work_run run;
	struct work_run_batch batches[WORK_RUN_BATCHES_MAX];
	struct buf *proofs; /* run.n * 3: RISC0, SP1, TDX */
	size_t reading;
	bool assembling, read_failed;
	/* a second endpoint is asked before a proof is condemned */
	struct buf opinion_calldata;
	struct eth_revert opinion_of;
	bool asking;
	unsigned opinions;            /* that agreed so far */
	struct sender_intent resumed; /* id 0: none */
	struct eth_address offered;   /* whose registration waits in a file */
};

static bool make_sender(struct settle *s, struct why *why);
static void say(struct settle *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void say(struct settle *s, const char *fmt, ...)
{
	char text[sizeof s->sentence];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (strcmp(text, s->sentence) == 0)
		return;
	memcpy(s->sentence, text, sizeof text);
	log_event(LOG_DEBUG, "settle", log_str("now", s->sentence));
}

const char *settle_sentence(const struct settle *s)
{
	return s->sentence;
}

void settle_prover_row(struct store_change *out, const struct registrar_prover *p)
{
	*out = (struct store_change){.kind = CHANGE_PROVER_PUT};
	out->prover = (struct store_prover){
	    .payload = p->payload,
	    .payload_kind = (int)p->kind,
	    .source = span_of(p->source, strlen(p->source)),
	    .first_seen_ms = p->first_seen_ms,
	    .last_seen_ms = p->last_seen_ms,
	    .last_proof_ms = p->last_proof_ms,
	    .proofs_good = p->proofs,
	    .state = p->revoked ? PROVER_ROW_REVOKED : PROVER_ROW_USUAL,
	    .reason = span_of(p->refused.text, strlen(p->refused.text)),
	};
	memcpy(out->prover.signer, p->signer.b, 20);
}

void settle_keep_prover(struct daemon *d, const struct eth_address *signer)
{
	const struct registrar_prover *p = registrar_find(d->registrar, signer);
	struct store_change change;

	if (!p)
		return;
	settle_prover_row(&change, p);
	store_commit_lazy(d->store, &change, 1);
}

/* ---- the chain's facts ---- */

static void gone_input(void *arg, uint64_t batch, const char *commit_hash, const uint8_t sha256[32],
		       bool last_use)
{
	upload_drop(arg, batch, commit_hash, sha256, last_use);
}

static void gone_candidate(void *arg, uint64_t id)
{
	proofs_forget(arg, id);
}

static void gone_lease(void *arg, uint64_t batch, enum prover_type type)
{
	struct daemon *d = arg;
	const struct store_change change = {.kind = CHANGE_LEASE_DEL,
					    .lease = {.batch = batch, .prover_type = (int)type}};

	store_commit_lazy(d->store, &change, 1);
}

static void tell_registrar(struct daemon *d, const struct l1_facts *f)
{
	const struct eth_address *counting;
	struct why why = {""};
	char text[ETH_ADDRESS_TEXT_SIZE];

	const bool promoting = registrar_promoted(d->registrar) != NULL;

	registrar_set_contract(d->registrar, &f->tdx_verifier, f->tdx_dev_mode);
	switch (registrar_set_signer(d->registrar, &f->signer, clock_wall_ms(), &why)) {
	case REGISTRAR_SIGNER_SAME: break;
	case REGISTRAR_SIGNER_FIRST:
	case REGISTRAR_SIGNER_OURS:
		eth_address_print(text, &f->signer);
		log_event(LOG_INFO, "signer_on_chain",
			  log_str("signer", eth_address_is_zero(&f->signer) ? "none" : text));
		break;
	case REGISTRAR_SIGNER_CHANGED:
		log_event(LOG_WARN, "signer_changed", log_str("reason", why.text));
		break;
	}
	if (promoting && !registrar_promoted(d->registrar))
		store_drop_fact(d->store, SETTLE_PROMOTED_FACT);
	/* Not simply the chain's: while a switch is under way, the key that comes. */
	counting = registrar_counting_signer(d->registrar);
	work_set_signer(d->work, counting ? WORK_SIGNER_IS : WORK_SIGNER_NONE, counting);
}

void settle_restore(struct daemon *d)
{
	const struct l1_facts *f = l1_facts(d->l1);
	struct work_chain chain = {0};
	struct why why = {""};

	if (!f)
		return;
	/* final stays 0: nothing is dropped on what an earlier run was told. */
	chain.committed = f->committed;
	chain.verified = f->verified;
	work_set_needed(d->work, d->config.exec_only ? PROVER_TYPE_BIT(PROVER_EXEC) : f->needed);
	work_set_chain(d->work, &chain, NULL, &why);
	if (f->has_tdx_verifier)
		tell_registrar(d, f);
}

void settle_on_chain(struct daemon *d)
{
	const struct work_gone gone = {gone_input, gone_candidate, gone_lease, d};
	const struct l1_facts *f = l1_facts(d->l1);
	struct work_chain chain = {f->committed, f->verified, f->final};
	unsigned needed = d->config.exec_only ? PROVER_TYPE_BIT(PROVER_EXEC) : f->needed;
	unsigned before;
	struct why why = {""};

	if (f->l1_chain_id == 1 && d->config.tdx_dev_mode) {
		daemon_fail(
		    d, "dev_mode_on_mainnet",
		    "ETHREX_TDX_DEV_MODE is on and the L1 is Ethereum mainnet (chain id 1): "
		    "anyone could register any key; refused");
		return;
	}
	if (d->config.exec_only && f->needed != PROVER_TYPE_BIT(PROVER_EXEC)) {
		daemon_fail(d, "dev_mode_on_contract_with_proofs",
			    "ETHREX_PROOF_COORDINATOR_DEV_MODE sends empty proofs, but the "
			    "OnChainProposer requires real ones; unset it");
		return;
	}
	if ((f->needed & PROVER_TYPE_BIT(PROVER_TDX)) && !d->config.has_tdx_key) {
		daemon_fail(
		    d, "tdx_key_missing",
		    "the OnChainProposer requires TDX proofs: give "
		    "ETHREX_PROOF_COORDINATOR_TDX_PRIVATE_KEY_FILE, the key that registers");
		return;
	}
	if (!work_needed(d->work, &before) || before != needed)
		work_set_needed(d->work, needed);
	switch (work_set_chain(d->work, &chain, &gone, &why)) {
	case WORK_CHAIN_SAME:
	case WORK_CHAIN_FORWARD: break;
	case WORK_CHAIN_BACK:
	case WORK_CHAIN_BACK_LOST:
		log_event(LOG_WARN, "l1_went_back", log_str("reason", why.text));
		commitments_forget(d->commitments);
		break;
	}
	if (f->has_tdx_verifier)
		tell_registrar(d, f);
	quotes_on_facts(d->quotes);
	if (!d->sender && !make_sender(d->settle, &why)) {
		daemon_fail(d, "sender_failed", why.text);
		return;
	}
	session_answer_setups(d->session);
}

static void set_aside(struct settle *s, const struct registrar_step *step)
{
	struct daemon *d = s->d;
	char from[ETH_ADDRESS_TEXT_SIZE], to[ETH_ADDRESS_TEXT_SIZE];
	struct why why;

	eth_address_print(from, &step->signer);
	eth_address_print(to, &step->next);
	why_set(&why,
		"the key is replaced by %s and its proofs could not be verified in time; their "
		"batches are handed out again",
		to);
	log_event(LOG_WARN, "proofs_set_aside", log_str("signer", from),
		  log_u64("batches", work_signer_batches(d->work, &step->signer)),
		  log_str("reason", why.text));
	work_set_signer(d->work, WORK_SIGNER_IS, &step->next);
	registrar_set_aside_done(d->registrar, &step->signer);
}

/* ---- a run of proofs ---- */

static void run_free(struct settle *s)
{
	size_t i;

	for (i = 0; s->proofs && i < 3 * s->run.n; i++)
		buf_free(&s->proofs[i]);
	free(s->proofs);
	s->proofs = NULL;
	s->assembling = false;
}

static int column(enum prover_type type)
{
	switch (type) {
	case PROVER_RISC0: return 0;
	case PROVER_SP1: return 1;
	case PROVER_TDX: return 2;
	case PROVER_EXEC:
	case PROVER_ALIGNED:
	case PROVER_PICO: return -1;
	}
	return -1;
}

static bool verify_calldata(struct settle *s, struct buf *out, struct why *why)
{
	const size_t n = s->run.n;
	struct abi_value *items = calloc(3 * n, sizeof *items), args[4];
	enum eth_error err = ETH_NO_ROOM;
	size_t c, i;

	if (items) {
		args[0] = abi_u64(s->run.first);
		for (c = 0; c < 3; c++) {
			for (i = 0; i < n; i++)
				items[c * n + i] = abi_bytes(buf_span(&s->proofs[i * 3 + c]));
			args[c + 1] = abi_list(items + c * n, n);
		}
		err = abi_encode_call(out, "verifyBatches(uint256,bytes[],bytes[],bytes[])", args,
				      4, why);
	}
	free(items);
	return err == ETH_OK;
}

static void start_verify(struct settle *s)
{
	struct daemon *d = s->d;
	struct sender_wish wish = {.id = d->next_intent, .kind = SENDER_VERIFY};
	struct why why = {""};
	struct buf calldata;

	buf_init(&calldata, INTENT_MAX);
	wish.to = d->config.has_timelock ? d->config.timelock : d->config.proposer;
	wish.first_batch = s->run.first;
	wish.last_batch = s->run.first + s->run.n - 1;
	wish.signer = s->run.signer;
	if (!eth_key_address(&wish.from, &d->config.l1_key) ||
	    !verify_calldata(s, &calldata, &why)) {
		if (calldata.len == 0 && s->run.n > 1 && !why.text[0])
			s->limit = s->run.n / 2;
		log_event(LOG_ERROR, "verify_not_started",
			  log_str("reason", why.text[0] ? why.text
							: "the proofs do not fit one transaction"));
		goto out;
	}
	wish.calldata = buf_span(&calldata);
	registrar_set_verify_in_flight(d->registrar, true);
	if (!sender_io_wish(d->sender, &wish, &why)) {
		registrar_set_verify_in_flight(d->registrar, false);
		log_event(LOG_ERROR, "verify_not_started", log_str("reason", why.text));
		goto out;
	}
	d->next_intent++;
	log_event(LOG_INFO, "verify_started", log_u64("first", wish.first_batch),
		  log_u64("last", wish.last_batch));
	say(s, "verifying batches %" PRIu64 " to %" PRIu64, wish.first_batch, wish.last_batch);
out:
	buf_free(&calldata);
}

struct reading {
	struct settle *settle;
	size_t at;
};

static void reading_end(struct settle *s)
{
	if (--s->reading)
		return;
	if (!s->read_failed && !s->d->closing && !sender_busy(sender_io_sender(s->d->sender)))
		start_verify(s);
	s->assembling = false;
	/* The run's bytes are kept: a refusal is looked at with them (second opinion, bisecting).
	 */
}

static void on_proof(void *arg, enum store_rc rc, const struct store_proof *proof,
		     const struct why *why)
{
	struct reading *r = arg;
	struct settle *s = r->settle;

	if (rc != STORE_OK || !buf_add(&s->proofs[r->at], proof->bytes.p, proof->bytes.n)) {
		s->read_failed = true;
		log_event(LOG_ERROR, "proof_unreadable",
			  log_str("reason", rc != STORE_OK ? why->text : "out of memory"));
	}
	free(r);
	reading_end(s);
}

static void read_proofs(struct settle *s)
{
	size_t i;
	int t;

	s->proofs = calloc(3 * s->run.n, sizeof *s->proofs);
	if (!s->proofs)
		return;
	s->assembling = true;
	s->read_failed = false;
	s->reading = 1;
	for (i = 0; i < 3 * s->run.n; i++)
		buf_init(&s->proofs[i], s->d->config.max_proof_bytes);
	for (i = 0; i < s->run.n; i++)
		for (t = 0; t < PROVER_TYPES; t++) {
			int col = column((enum prover_type)t);
			struct reading *r;

			if (!s->run.batches[i].id[t] || col < 0)
				continue;
			r = malloc(sizeof *r);
			if (r)
				*r = (struct reading){s, i * 3 + (size_t)col};
			s->reading++;
			if (!r || store_read_proof(s->d->store, s->run.batches[i].id[t], on_proof,
						   r) != STORE_OK) {
				free(r);
				s->read_failed = true;
				s->reading--;
			}
		}
	reading_end(s);
}

static void next_run(struct settle *s)
{
	struct daemon *d = s->d;
	const struct l1_facts *f = l1_facts(d->l1);
	const struct eth_address *signer = registrar_signer(d->registrar);
	size_t most = d->config.verify_max_batches;
	struct why why = {""};

	if (s->limit && s->limit < most)
		most = s->limit;
	if (f->paused) {
		say(s, "the OnChainProposer is paused");
		return;
	}
	if ((f->needed & PROVER_TYPE_BIT(PROVER_TDX)) &&
	    !registrar_may_verify(d->registrar, &why)) {
		say(s, "%s", why.text);
		return;
	}
	/* Whatever is sent would be refused, and a good proof would be blamed for it. */
	if ((f->needed & PROVER_TYPE_BIT(PROVER_TDX)) && !signer) {
		say(s, "no key is registered yet: nothing can be verified");
		return;
	}
	run_free(s);
	s->run = (struct work_run){.batches = s->batches};
	work_run(d->work, most, true, (f->needed & PROVER_TYPE_BIT(PROVER_TDX)) ? signer : NULL,
		 &s->run, &why);
	if (!s->run.n) {
		say(s, "%s", why.text);
		return;
	}
	read_proofs(s);
}

void settle_tick(struct daemon *d)
{
	struct settle *s = d->settle;
	const struct l1_facts *f = l1_facts(d->l1);
	const struct eth_address *signer;
	struct registrar_step step;
	struct work_counts counts;
	struct why why = {""};

	session_answer_setups(d->session);
	if (!f || !d->sender || !l1_is_fresh(d->l1) || d->draining || d->closing || s->assembling ||
	    s->asking || sender_busy(sender_io_sender(d->sender)))
		return;
	if (f->has_tdx_verifier) {
		signer = registrar_signer(d->registrar);
		work_counts(d->work, &counts);
		registrar_set_work(d->registrar, counts.wanting[PROVER_TDX] > 0, clock_wall_ms());
		registrar_set_unverified(d->registrar,
					 signer ? work_signer_batches(d->work, signer) : 0);
		registrar_next(d->registrar, clock_wall_ms(), &step, &why);
		switch (step.action) {
		case REGISTRAR_NOTHING: break;
		case REGISTRAR_PREPARE: prepare_begin(d->prepare, &step); break;
		case REGISTRAR_SET_ASIDE: set_aside(s, &step); return;
		case REGISTRAR_REGISTER:
			if (!d->config.register_by_file) {
				register_start(d, &step, &why);
				say(s, "%s", why.text);
				return;
			}
			register_offer(d, &step, &s->offered, &why);
			say(s, "%s", why.text);
			break;
		}
		if (prepare_send(d->prepare))
			return;
	}
	if (clock_wall_ms() < s->not_before_ms)
		return;
	next_run(s);
}

/* ---- what became of it ---- */

/* The type that a refusal is about, when the contract names one. */
static bool refused_type(const struct eth_revert *r, enum prover_type *type)
{
	static const struct {
		const char *signature;
		enum prover_type type;
	} names[] = {{"InvalidTdxProof()", PROVER_TDX},
		     {"InvalidRisc0Proof()", PROVER_RISC0},
		     {"InvalidSp1Proof()", PROVER_SP1}};
	size_t i;

	for (i = 0; i < sizeof names / sizeof *names; i++)
		if (revert_is(r, names[i].signature)) {
			*type = names[i].type;
			return true;
		}
	return false;
}

static void condemn(struct settle *s, const struct eth_revert *r)
{
	enum prover_type type;

	if (!refused_type(r, &type) || s->run.n != 1 || !s->batches[0].id[type])
		return;
	proofs_verdict(s->d, s->batches[0].id[type], WORK_BAD, NULL, r->text);
	s->limit = 0;
	wake_up(s->d->wake);
}

static void on_opinion(void *arg, const struct l1_read *read);

static void ask_another(struct settle *s)
{
	struct daemon *d = s->d;
	struct eth_address from;
	struct l1_call call = {.from = &from, .avoid = s->opinions == 0 ? 1u : ~1u};
	struct why why = {""};

	buf_free(&s->opinion_calldata);
	call.to = d->config.has_timelock ? &d->config.timelock : &d->config.proposer;
	if (eth_key_address(&from, &d->config.l1_key) &&
	    verify_calldata(s, &s->opinion_calldata, &why)) {
		call.calldata = buf_span(&s->opinion_calldata);
		s->asking = l1_call(d->rpc, &call, on_opinion, s);
	}
	if (!s->asking)
		s->not_before_ms = clock_wall_ms() + REFUSED_WAIT_MS;
}

static void on_opinion(void *arg, const struct l1_read *read)
{
	struct settle *s = arg;
	enum prover_type first, second;

	s->asking = false;
	if (read->kind == L1_READ_REVERTED && refused_type(&s->opinion_of, &first) &&
	    refused_type(&read->revert, &second) && first == second) {
		if (++s->opinions == 2)
			condemn(s, &s->opinion_of);
		else
			ask_another(s);
		return;
	}
	log_event(LOG_WARN, "second_opinion_differs", log_u64("batch", s->run.first),
		  log_str("first", s->opinion_of.text),
		  log_str("second", read->kind == L1_READ_OK         ? "accepted"
				    : read->kind == L1_READ_REVERTED ? read->revert.text
								     : "no answer"));
	s->not_before_ms = clock_wall_ms() + REFUSED_WAIT_MS;
}

/* A single endpoint may lie: where there are several, the first and another must agree before a
 * proof is condemned. */
static void ask_again(struct settle *s, const struct eth_revert *r)
{
	if (rpc_endpoint_count(s->d->rpc) < 2) {
		condemn(s, r);
		return;
	}
	if (r != &s->opinion_of)
		s->opinion_of = *r;
	s->opinions = 0;
	ask_another(s);
}

/* A proof by a key that the contract no longer holds is not bad: it is the key that went. */
static void on_signer_now(void *arg, const struct l1_read *read)
{
	struct settle *s = arg;
	const bool same = read->kind == L1_READ_OK && read->data.n >= 32 &&
			  memcmp(read->data.p + 12, s->run.signer.b, 20) == 0;

	s->asking = false;
	if (same) {
		ask_again(s, &s->opinion_of);
		return;
	}
	log_event(LOG_WARN, "verify_refused_for_another_key", log_u64("batch", s->run.first),
		  log_str("reason", read->kind == L1_READ_OK
					? "the contract holds another key than its signer's"
					: "the contract does not say which key it holds"));
	s->not_before_ms = clock_wall_ms() + REFUSED_WAIT_MS;
	l1_refresh(s->d->l1);
}

static void ask_for_the_signer(struct settle *s, const struct eth_revert *r)
{
	struct daemon *d = s->d;
	uint8_t selector[4];
	const struct l1_call call = {.to = &l1_facts(d->l1)->tdx_verifier,
				     .calldata = span_of(selector, sizeof selector)};

	abi_selector(selector, "authorizedSignature()");
	s->opinion_of = *r;
	s->asking = l1_call(d->rpc, &call, on_signer_now, s);
	if (!s->asking)
		s->not_before_ms = clock_wall_ms() + REFUSED_WAIT_MS;
}

static void verify_refused(struct settle *s, const struct sender_action *a)
{
	struct eth_revert r;
	enum prover_type type;

	revert_read(&r, a->revert_data);
	log_event(LOG_WARN, "verify_refused", log_u64("first", a->intent->first_batch),
		  log_u64("last", a->intent->last_batch),
		  log_str("outcome", sender_outcome_text(a->outcome)),
		  log_str("reason", r.kind == REVERT_NONE ? a->sentence : r.text));
	/* What was resumed from an earlier run has no proofs at hand: it is tried again. */
	if (!s->proofs || s->run.first != a->intent->first_batch || !s->run.n) {
		s->not_before_ms = clock_wall_ms() + REFUSED_WAIT_MS;
		return;
	}
	if (s->run.n > 1) {
		s->limit = (s->run.n + 1) / 2;
		return;
	}
	if (refused_type(&r, &type) && type == PROVER_TDX && s->run.has_signer)
		ask_for_the_signer(s, &r);
	else if (refused_type(&r, &type))
		ask_again(s, &r);
	else
		s->not_before_ms = clock_wall_ms() + REFUSED_WAIT_MS;
}

static void verify_over(struct settle *s, const struct sender_action *a)
{
	struct daemon *d = s->d;
	char hash[67] = "0x";

	registrar_set_verify_in_flight(d->registrar, false);
	hex_encode(hash + 2, a->tx_hash, 32);
	if (a->has_receipt)
		d->counters.gas_verify += a->gas_used;
	switch (a->outcome) {
	case SENDER_CONFIRMED:
		log_event(LOG_INFO, "batches_verified", log_u64("first", a->intent->first_batch),
			  log_u64("last", a->intent->last_batch), log_str("tx", hash),
			  log_u64("gas", a->gas_used));
		s->limit = 0;
		break;
	case SENDER_ALREADY_TRUE:
		log_event(LOG_INFO, "batches_verified", log_u64("first", a->intent->first_batch),
			  log_u64("last", a->intent->last_batch),
			  log_str("note", "the contract has verified them already"));
		s->limit = 0;
		break;
	case SENDER_REVERTED:
	case SENDER_FAILED_ON_CHAIN: verify_refused(s, a); break;
	case SENDER_TOO_BIG:
		log_event(LOG_WARN, "verify_too_big", log_u64("first", a->intent->first_batch),
			  log_u64("last", a->intent->last_batch), log_str("reason", a->sentence));
		if (s->run.n > 1)
			s->limit = (s->run.n + 1) / 2;
		else
			s->not_before_ms = clock_wall_ms() + REFUSED_WAIT_MS;
		break;
	case SENDER_NO_FUNDS:
	case SENDER_GAVE_UP:
	case SENDER_CANCELLED:
		log_event(LOG_WARN, "verify_given_up", log_str("reason", a->sentence));
		s->not_before_ms = clock_wall_ms() + REFUSED_WAIT_MS;
		break;
	}
}

static void on_finished(void *arg, const struct sender_action *a)
{
	struct daemon *d = arg;
	struct settle *s = d->settle;
	const struct store_change change = {.kind = CHANGE_INTENT_DEL,
					    .intent = {.id = a->intent->id}};

	d->counters.txs[a->outcome]++;
	store_commit_lazy(d->store, &change, 1);
	switch (a->intent->kind) {
	case SENDER_VERIFY: verify_over(s, a); break;
	case SENDER_REGISTER: register_over(d, a); break;
	case SENDER_UPLOAD:
		d->counters.gas_upload += a->has_receipt ? a->gas_used : 0;
		prepare_upload_over(d->prepare, a);
		register_keep_gas(d);
		break;
	}
	l1_refresh(d->l1);
}

/* ---- life ---- */

void settle_registrar_settings(const struct daemon *d, struct registrar_settings *out)
{
	*out = (struct registrar_settings){
	    .max_provers = d->config.max_provers,
	    .allow_dev_mode = d->config.tdx_dev_mode,
	    .silence_ms = d->config.prover_silence_ms,
	    .drain_ms = d->config.prover_timeout_ms,
	    .gas_per_day = d->config.register_gas_per_day,
	    .gas_per_registration = GAS_PER_REGISTRATION,
	    .retry_min_ms = 5000,
	    .retry_max_ms = 600000,
	    .external_route = d->config.register_by_file,
	};
}

void settle_reload(struct daemon *d)
{
	struct registrar_settings settings;

	settle_registrar_settings(d, &settings);
	registrar_set_settings(d->registrar, &settings);
	if (d->sender)
		sender_set_max_fee(sender_io_sender(d->sender), d->config.max_fee_per_gas);
}

bool settle_new(struct settle **out, struct daemon *d, struct why *why)
{
	struct settle *s = calloc(1, sizeof *s);

	*out = s;
	if (!s) {
		why_set(why, "out of memory");
		return false;
	}
	s->d = d;
	buf_init(&s->opinion_calldata, INTENT_MAX);
	sender_intent_init(&s->resumed);
	return true;
}

/* A transaction is signed for one chain id, so the sender waits until L1 has named it. */
static bool make_sender(struct settle *s, struct why *why)
{
	static const char *const kinds[] = {"verify", "register", "upload"};
	const struct sender_io_owner owner = {agenda_persist, agenda_sign, agenda_check_goal,
					      on_finished, s->d};
	struct sender_io_options options = {.fee_percentile = 50};
	struct daemon *d = s->d;
	const struct config *c = &d->config;

	sender_options_default(&options.sender);
	options.sender.chain_id = rpc_chain_id(d->rpc);
	options.sender.max_fee = c->max_fee_per_gas;
	options.sender.gas_cap = c->tx_gas_cap;
	options.sender.confirmations = (unsigned)c->confirmations;
	options.sender.bump_min_ms = (uint32_t)(c->min_retry_delay_s * 1000);
	options.sender.bump_max_ms = (uint32_t)(c->max_retry_delay_s * 1000);
	if (c->send_interval_ms < options.sender.poll_ms)
		options.sender.poll_ms = (uint32_t)c->send_interval_ms;
	/* Who looks more often also says it again sooner. */
	if (RESEND_POLLS * options.sender.poll_ms < options.sender.resend_ms)
		options.sender.resend_ms = RESEND_POLLS * options.sender.poll_ms;
	uv_random(NULL, NULL, &options.sender.seed, sizeof options.sender.seed, 0, NULL);
	d->sender = sender_io_new(&d->loop, d->rpc, &options, &owner, why);
	if (!d->sender)
		return false;
	if (!s->resumed.id)
		return true;
	log_event(LOG_INFO, "intent_resumed", log_u64("id", s->resumed.id),
		  log_str("kind", kinds[s->resumed.kind]),
		  log_u64("attempts", s->resumed.n_attempts));
	return sender_io_resume(d->sender, &s->resumed, why);
}

void settle_free(struct settle *s)
{
	if (!s)
		return;
	run_free(s);
	buf_free(&s->opinion_calldata);
	sender_intent_free(&s->resumed);
	free(s);
}

void settle_resume(struct settle *s, struct sender_intent *intent)
{
	struct daemon *d = s->d;

	s->resumed = *intent;
	sender_intent_init(intent);
	if (s->resumed.kind == SENDER_VERIFY)
		registrar_set_verify_in_flight(d->registrar, true);
	else if (s->resumed.kind == SENDER_REGISTER)
		registrar_register_resume(d->registrar, &s->resumed.signer, s->resumed.gas);
}
