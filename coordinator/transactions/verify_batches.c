/*~ Stop 8 of the tour: proofs become one transaction. Everything is asked of the contract before
 * gas is spent, and after any refusal the contract's own state decides what was achieved. */
#include "coordinator/transactions/verify_batches.h"

#include "coordinator/base/clock.h"
#include "coordinator/base/log.h"
#include "coordinator/l1/call.h"
#include "coordinator/proofs/proofs.h"
#include "encoding/words.h"
#include "ethereum/abi.h"

#include <stdlib.h>
#include <string.h>

#define REFUSED_WAIT_MS 15000ull

/* What a verifyBatches costs whatever is in it, and a batch of it before one was measured: a TDX
 * signature through a Timelock. ZK proofs cost more, which the first estimate tells. */
#define GAS_OF_A_CALL  60000ull
#define GAS_OF_A_BATCH 38000ull
#define GAS_LEAST      10000ull

struct verify {
	const struct desk *desk;
	bool stopped;
	bool given_up;          /* another leads: what is asked for still calls back */
	size_t limit;           /* batches in the next run: halved by refusals, reset by success */
	size_t fits;            /* batches that one transaction was seen to be too small for */
	uint64_t gas_a_batch;   /* measured; 0: not yet */
	uint64_t not_before_ms; /* monotonic; after a refusal that sets nothing aside */
	uint64_t gas;
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
	unsigned opinions; /* that agreed so far */
};

/* ---- a run of proofs ---- */

static void run_free(struct verify *v)
{
	size_t i;

	for (i = 0; v->proofs && i < 3 * v->run.n; i++)
		buf_free(&v->proofs[i]);
	free(v->proofs);
	v->proofs = NULL;
	v->assembling = false;
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

static bool verify_calldata(struct verify *v, struct buf *out, struct why *why)
{
	const size_t n = v->run.n;
	struct abi_value *items = calloc(3 * n, sizeof *items), args[4];
	enum eth_error err = ETH_NO_ROOM;
	size_t c, i;

	if (items) {
		args[0] = abi_u64(v->run.first);
		for (c = 0; c < 3; c++) {
			for (i = 0; i < n; i++)
				items[c * n + i] = abi_bytes(buf_span(&v->proofs[i * 3 + c]));
			args[c + 1] = abi_list(items + c * n, n);
		}
		err = abi_encode_call(out, "verifyBatches(uint256,bytes[],bytes[],bytes[])", args,
				      4, why);
	}
	free(items);
	return err == ETH_OK;
}

static void start_verify(struct verify *v)
{
	struct sender_wish wish = {.kind = SENDER_VERIFY, .to = v->desk->o->verify_to};
	char range[WORDS_RANGE_SIZE];
	struct why why = {""};
	struct buf calldata;

	buf_init(&calldata, OUTBOX_INTENT_MAX);
	wish.first_batch = v->run.first;
	wish.last_batch = v->run.first + v->run.n - 1;
	wish.signer = v->run.signer;
	if (!verify_calldata(v, &calldata, &why)) {
		if (calldata.len == 0 && v->run.n > 1 && !why.text[0])
			v->limit = v->run.n / 2;
		log_event(LOG_ERROR, "verify_not_started",
			  log_str("reason", why.text[0] ? why.text
							: "the proofs do not fit one transaction"));
		goto out;
	}
	wish.calldata = buf_span(&calldata);
	registrar_set_verify_in_flight(v->desk->p->registrar, true);
	if (!outbox_wish(v->desk->outbox, &wish, &why)) {
		registrar_set_verify_in_flight(v->desk->p->registrar, false);
		log_event(LOG_ERROR, "verify_not_started", log_str("reason", why.text));
		goto out;
	}
	log_event(LOG_INFO, "verify_started", log_u64("first", wish.first_batch),
		  log_u64("last", wish.last_batch));
	desk_say(v->desk, "verifying %s", words_batches(range, wish.first_batch, wish.last_batch));
out:
	buf_free(&calldata);
}

struct reading {
	struct verify *verify;
	size_t at;
};

/* True: what was asked for is not wanted any more, and the next run may begin. */
static bool was_given_up(struct verify *v)
{
	if (!v->given_up)
		return false;
	v->given_up = false;
	run_free(v);
	v->run.n = 0;
	if (!v->stopped)
		wake_up(v->desk->p->wake);
	return true;
}

static void reading_end(struct verify *v)
{
	if (--v->reading || was_given_up(v))
		return;
	if (!v->read_failed && !v->stopped && outbox_is_free(v->desk->outbox))
		start_verify(v);
	v->assembling = false;
	/* The run's bytes are kept: a refusal is looked at with them (second opinion, bisecting).
	 */
}

static void on_proof(void *arg, enum store_rc rc, const struct store_proof *proof,
		     const struct why *why)
{
	struct reading *r = arg;
	struct verify *v = r->verify;

	if (rc != STORE_OK || !buf_add(&v->proofs[r->at], proof->bytes.p, proof->bytes.n)) {
		v->read_failed = true;
		log_event(LOG_ERROR, "proof_unreadable",
			  log_str("reason", rc != STORE_OK ? why->text : "out of memory"));
	}
	free(r);
	reading_end(v);
}

static void read_proofs(struct verify *v)
{
	size_t i;
	int t;

	v->proofs = calloc(3 * v->run.n, sizeof *v->proofs);
	if (!v->proofs)
		return;
	v->assembling = true;
	v->read_failed = false;
	v->reading = 1;
	for (i = 0; i < 3 * v->run.n; i++)
		buf_init(&v->proofs[i], v->desk->o->max_proof_bytes);
	for (i = 0; i < v->run.n; i++)
		for (t = 0; t < PROVER_TYPES; t++) {
			int col = column((enum prover_type)t);
			struct reading *r;

			if (!v->run.batches[i].id[t] || col < 0)
				continue;
			r = malloc(sizeof *r);
			if (r)
				*r = (struct reading){v, i * 3 + (size_t)col};
			v->reading++;
			if (!r || store_read_proof(v->desk->p->store, v->run.batches[i].id[t],
						   on_proof, r) != STORE_OK) {
				free(r);
				v->read_failed = true;
				v->reading--;
			}
		}
	reading_end(v);
}

/* As many batches as the gas of one transaction allows, with an eighth to spare. */
static size_t most_batches(const struct verify *v)
{
	const struct agenda_options *o = v->desk->o;
	const uint64_t each = v->gas_a_batch ? v->gas_a_batch : GAS_OF_A_BATCH;
	const uint64_t room = o->gas_cap - o->gas_cap / 8;
	uint64_t most = room > GAS_OF_A_CALL ? (room - GAS_OF_A_CALL) / each : 0;

	most = most < o->max_batches ? most : o->max_batches;
	if (v->fits && v->fits < most)
		most = v->fits;
	if (v->limit && v->limit < most)
		most = v->limit;
	return most ? (size_t)most : 1;
}

/* The gas of a receipt, for the next run. */
static void measure(struct verify *v, const struct sender_action *a)
{
	const uint64_t n = a->intent->last_batch - a->intent->first_batch + 1;

	v->gas_a_batch = a->gas_used > GAS_OF_A_CALL ? (a->gas_used - GAS_OF_A_CALL) / n : 0;
	if (v->gas_a_batch < GAS_LEAST)
		v->gas_a_batch = GAS_LEAST;
	/* what did not fit once may fit later, but is not tried each time */
	if (v->fits && n >= v->fits)
		v->fits += v->fits / 8;
}

void verify_next(struct verify *v)
{
	const struct desk *d = v->desk;
	const struct l1_facts *f = l1_facts(d->p->l1);
	const bool tdx = f->needed & PROVER_TYPE_BIT(PROVER_TDX);
	const struct eth_address *signer = registrar_signer(d->p->registrar);
	struct why why = {""};

	if (v->stopped || verify_is_busy(v) || clock_mono_ms() < v->not_before_ms)
		return;
	if (f->paused) {
		desk_say(d, "the OnChainProposer is paused");
		return;
	}
	if (tdx && !registrar_may_verify(d->p->registrar, &why)) {
		desk_say(d, "%s", why.text);
		return;
	}
	/* Whatever is sent would be refused, and a good proof would be blamed for it. */
	if (tdx && !signer) {
		desk_say(d, "no key is registered yet: nothing can be verified");
		return;
	}
	run_free(v);
	v->run = (struct work_run){.batches = v->batches};
	work_run(d->p->work, most_batches(v), true, tdx ? signer : NULL, &v->run, &why);
	if (!v->run.n) {
		if (tdx && registrar_takeover(d->p->registrar, &why))
			log_limited(LOG_WARN, "key_silent", "", "", log_str("reason", why.text));
		desk_say(d, "%s", why.text);
		return;
	}
	read_proofs(v);
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

static void condemn(struct verify *v, const struct eth_revert *r)
{
	enum prover_type type;

	if (!refused_type(r, &type) || v->run.n != 1 || !v->batches[0].id[type])
		return;
	proofs_verdict(v->desk->p->proofs, v->batches[0].id[type], WORK_BAD, NULL, r->text);
	v->limit = 0;
	wake_up(v->desk->p->wake);
}

static void on_opinion(void *arg, const struct l1_read *read);

static void ask_another(struct verify *v)
{
	struct eth_address from;
	struct l1_call call = {.from = &from, .avoid = v->opinions == 0 ? 1u : ~1u};
	struct why why = {""};

	buf_free(&v->opinion_calldata);
	call.to = &v->desk->o->verify_to;
	if (outbox_from(v->desk->outbox, SENDER_VERIFY, &from) &&
	    verify_calldata(v, &v->opinion_calldata, &why)) {
		call.calldata = buf_span(&v->opinion_calldata);
		v->asking = l1_call(v->desk->p->rpc, &call, on_opinion, v);
	}
	if (!v->asking)
		v->not_before_ms = clock_mono_ms() + REFUSED_WAIT_MS;
}

static void on_opinion(void *arg, const struct l1_read *read)
{
	struct verify *v = arg;
	enum prover_type first, second;

	v->asking = false;
	if (v->stopped || was_given_up(v))
		return;
	if (read->kind == L1_READ_REVERTED && refused_type(&v->opinion_of, &first) &&
	    refused_type(&read->revert, &second) && first == second) {
		if (++v->opinions == 2)
			condemn(v, &v->opinion_of);
		else
			ask_another(v);
		return;
	}
	log_event(LOG_WARN, "second_opinion_differs", log_u64("batch", v->run.first),
		  log_str("first", v->opinion_of.text),
		  log_str("second", read->kind == L1_READ_OK         ? "accepted"
				    : read->kind == L1_READ_REVERTED ? read->revert.text
								     : "no answer"));
	v->not_before_ms = clock_mono_ms() + REFUSED_WAIT_MS;
}

/* A single endpoint may lie: where there are several, the first and another must agree before a
 * proof is condemned. */
static void ask_again(struct verify *v, const struct eth_revert *r)
{
	if (rpc_endpoint_count(v->desk->p->rpc) < 2) {
		condemn(v, r);
		return;
	}
	if (r != &v->opinion_of)
		v->opinion_of = *r;
	v->opinions = 0;
	ask_another(v);
}

/* A proof by a key that the contract no longer holds is not bad: it is the key that went. */
static void on_signer_now(void *arg, const struct l1_read *read)
{
	struct verify *v = arg;
	const bool same = read->kind == L1_READ_OK && read->data.n >= 32 &&
			  memcmp(read->data.p + 12, v->run.signer.b, 20) == 0;

	v->asking = false;
	if (v->stopped || was_given_up(v))
		return;
	if (same) {
		ask_again(v, &v->opinion_of);
		return;
	}
	log_event(LOG_WARN, "verify_refused_for_another_key", log_u64("batch", v->run.first),
		  log_str("reason", read->kind == L1_READ_OK
					? "the contract holds another key than its signer's"
					: "the contract does not say which key it holds"));
	v->not_before_ms = clock_mono_ms() + REFUSED_WAIT_MS;
	l1_refresh(v->desk->p->l1);
}

static void ask_for_the_signer(struct verify *v, const struct eth_revert *r)
{
	uint8_t selector[4];
	const struct l1_call call = {.to = &l1_facts(v->desk->p->l1)->tdx_verifier,
				     .calldata = span_of(selector, sizeof selector)};

	abi_selector(selector, "authorizedSignature()");
	v->opinion_of = *r;
	v->asking = l1_call(v->desk->p->rpc, &call, on_signer_now, v);
	if (!v->asking)
		v->not_before_ms = clock_mono_ms() + REFUSED_WAIT_MS;
}

static void verify_refused(struct verify *v, const struct sender_action *a)
{
	struct eth_revert r;
	enum prover_type type;

	revert_read(&r, a->revert_data);
	log_event(LOG_WARN, "verify_refused", log_u64("first", a->intent->first_batch),
		  log_u64("last", a->intent->last_batch),
		  log_str("outcome", sender_outcome_text(a->outcome)),
		  log_str("reason", r.kind == REVERT_NONE ? a->sentence : r.text));
	/* What was resumed from an earlier run has no proofs at hand: it is tried again. */
	if (!v->proofs || v->run.first != a->intent->first_batch || !v->run.n) {
		v->not_before_ms = clock_mono_ms() + REFUSED_WAIT_MS;
		return;
	}
	if (v->run.n > 1) {
		v->limit = (v->run.n + 1) / 2;
		return;
	}
	if (refused_type(&r, &type) && type == PROVER_TDX && v->run.has_signer)
		ask_for_the_signer(v, &r);
	else if (refused_type(&r, &type))
		ask_again(v, &r);
	else
		v->not_before_ms = clock_mono_ms() + REFUSED_WAIT_MS;
}

void verify_over(struct verify *v, const struct sender_action *a)
{
	char hash[67] = "0x";

	registrar_set_verify_in_flight(v->desk->p->registrar, false);
	hex_encode(hash + 2, a->tx_hash, 32);
	if (a->has_receipt)
		v->gas += a->gas_used;
	switch (a->outcome) {
	case SENDER_CONFIRMED:
		log_event(LOG_INFO, "batches_verified", log_u64("first", a->intent->first_batch),
			  log_u64("last", a->intent->last_batch), log_str("tx", hash),
			  log_u64("gas", a->gas_used));
		v->limit = 0;
		measure(v, a);
		break;
	case SENDER_NO_EFFECT:
		log_event(LOG_ERROR, "verified_nothing", log_u64("first", a->intent->first_batch),
			  log_u64("last", a->intent->last_batch), log_str("tx", hash),
			  log_u64("gas", a->gas_used), log_str("reason", a->sentence));
		break;
	case SENDER_ALREADY_TRUE:
		log_event(LOG_INFO, "batches_verified", log_u64("first", a->intent->first_batch),
			  log_u64("last", a->intent->last_batch),
			  log_str("note", "the contract has verified them already"));
		v->limit = 0;
		break;
	case SENDER_REVERTED:
	case SENDER_FAILED_ON_CHAIN: verify_refused(v, a); break;
	case SENDER_TOO_BIG:
		log_event(LOG_WARN, "verify_too_big", log_u64("first", a->intent->first_batch),
			  log_u64("last", a->intent->last_batch), log_str("reason", a->sentence));
		if (v->run.n > 1)
			v->fits = (v->run.n + 1) / 2;
		else
			v->not_before_ms = clock_mono_ms() + REFUSED_WAIT_MS;
		break;
	case SENDER_NO_FUNDS:
	case SENDER_GAVE_UP:
		log_event(LOG_WARN, "verify_given_up", log_str("reason", a->sentence));
		v->not_before_ms = clock_mono_ms() + REFUSED_WAIT_MS;
		break;
	}
}

/* ---- life ---- */

bool verify_is_busy(const struct verify *v)
{
	return v->assembling || v->asking;
}

void verify_stop(struct verify *v)
{
	v->stopped = true;
}

void verify_yield(struct verify *v)
{
	v->given_up = true;
	if (!verify_is_busy(v))
		was_given_up(v);
}

uint64_t verify_gas(const struct verify *v)
{
	return v->gas;
}

bool verify_new(struct verify **out, const struct desk *desk, struct why *why)
{
	struct verify *v = *out = calloc(1, sizeof *v);

	if (!v) {
		why_set(why, "out of memory");
		return false;
	}
	v->desk = desk;
	buf_init(&v->opinion_calldata, OUTBOX_INTENT_MAX);
	return true;
}

void verify_free(struct verify *v)
{
	if (!v)
		return;
	run_free(v);
	buf_free(&v->opinion_calldata);
	free(v);
}
