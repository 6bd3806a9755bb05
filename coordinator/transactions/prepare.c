/*~ Stop 4 of the tour: a verified quote becomes a registered key. What the chain lacks for it is
 * uploaded first; the verification itself is then rehearsed by an eth_call, for the reason. */
#include "coordinator/transactions/prepare.h"

#include "coordinator/daemon.h"
#include "coordinator/provers/quotes.h"
#include "coordinator/transactions/dcap_words.h"
#include "coordinator/transactions/quote_call.h"
#include "coordinator/transactions/rehearsal.h"
#include "coordinator/transactions/verify_batches.h"
#include "ethereum/abi.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define CALL_MAX (128u * 1024)

enum state {
	IDLE,
	READING,    /* eth_calls are under way */
	REHEARSING, /* register() is tried as if the quote were verified */
	WAITING,    /* for the sender: an upload is next */
	SENDING,    /* an upload is with the sender */
	PROBING,    /* the quote is verified by eth_call */
};

struct reading {
	struct prepare *e;
	size_t i;
};

struct prepare {
	struct daemon *d;
	struct pccs *pccs;
	enum state state;
	bool rehearsed;
	bool budget_caps; /* the gas of an upload is capped by what is left of the day's budget */
	unsigned outstanding;
	struct eth_address signer;
	struct eth_address entry;
	struct buf quote;
	uint8_t fmspc[6];
	struct pccs_step step;
	struct reading readings[PCCS_READS_MAX];
	uint64_t uploads;
	char sentence[512];
};

static void pump(struct prepare *e);

static int64_t chain_time(const struct prepare *e)
{
	return l1_head_time(e->d->l1);
}

static void over(struct prepare *e)
{
	e->state = IDLE;
	e->sentence[0] = '\0';
}

static void failed(struct prepare *e, const char *what, const char *sentence)
{
	struct daemon *d = e->d;
	char text[ETH_ADDRESS_TEXT_SIZE];
	struct why why = {""};

	why_set(&why, "%s%s%s", what, what[0] ? ": " : "", sentence);
	eth_address_print(text, &e->signer);
	log_event(LOG_WARN, "registration_not_prepared", log_str("signer", text),
		  log_str("reason", why.text));
	over(e);
	registrar_register_failed(d->registrar, &e->signer, why.text, false, 0, clock_wall_ms());
	wake_up(d->wake);
}

/* ---- the dry run of the verification itself ---- */

static void on_probe(void *arg, const struct l1_read *read)
{
	struct prepare *e = arg;
	struct abi_value *v = NULL;
	struct why why = {""};
	char reason[256];
	const char *words;
	size_t n;

	if (read->kind == L1_READ_FAILED || read->kind == L1_READ_NO_CODE) {
		failed(e, "verifyAndAttestOnChain",
		       read->kind == L1_READ_FAILED ? read->sentence
						    : "the quote verifier has no code");
	} else if (read->kind == L1_READ_REVERTED) {
		failed(e, "verifyAndAttestOnChain reverts",
		       read->revert.kind == REVERT_NONE ? dcap_empty_revert_words()
							: read->revert.text);
	} else if (abi_decode(&v, "(bool,bytes)", read->data, &why) != ETH_OK) {
		failed(e, "verifyAndAttestOnChain answers with something else", why.text);
	} else if (!abi_is_true(&v->items.p[0])) {
		n = v->items.p[1].bytes.n < sizeof reason ? v->items.p[1].bytes.n
							  : sizeof reason - 1;
		if (n)
			memcpy(reason, v->items.p[1].bytes.p, n);
		reason[n] = '\0';
		words = dcap_reason_words(reason);
		failed(e, "the quote verifier refuses the quote", words ? words : reason);
	} else {
		over(e);
		registrar_prepared(e->d->registrar, &e->signer);
		wake_up(e->d->wake);
	}
	abi_value_free(v);
}

static void probe(struct prepare *e)
{
	const struct daemon *d = e->d;
	struct eth_address from;
	struct l1_call call = {.from = &from, .to = &e->entry};
	struct why why = {""};
	struct buf quote, calldata;
	struct abi_value arg;
	bool ok;

	buf_init(&quote, CALL_MAX);
	buf_init(&calldata, CALL_MAX);
	ok = eth_key_address(&from, &d->config.tdx_key) &&
	     quote_call_quote(&quote, buf_span(&e->quote), pccs_takes_leaf_only(e->pccs), &why);
	arg = abi_bytes(buf_span(&quote));
	ok = ok &&
	     abi_encode_call(&calldata, "verifyAndAttestOnChain(bytes)", &arg, 1, &why) == ETH_OK;
	call.calldata = buf_span(&calldata);
	e->state = PROBING;
	snprintf(e->sentence, sizeof e->sentence, "the quote is being verified by an eth_call");
	if (!ok || !l1_call(d->rpc, &call, on_probe, e))
		failed(e, "the dry run was not started",
		       why.text[0] ? why.text : "too many JSON-RPC calls at once");
	buf_free(&quote);
	buf_free(&calldata);
}

/* ---- the rehearsal ---- */

static enum tdxv_report_layout layout_of(const struct prepare *e)
{
	return pccs_stack(e->pccs) == PCCS_STACK_AUTOMATA_V1_1 ? TDXV_REPORT_V1_1
							       : TDXV_REPORT_V1_0;
}

static void on_rehearsal(void *arg, const struct l1_read *read)
{
	struct prepare *e = arg;
	struct why why = {""};

	if (read->kind == L1_READ_REVERTED &&
	    rehearsal_objects(&read->revert, layout_of(e), e->d->config.register_by_file, &why)) {
		failed(e, "", why.text);
		return;
	}
	if (read->kind == L1_READ_FAILED)
		log_event(LOG_DEBUG, "registration_not_rehearsed",
			  log_str("reason", read->sentence));
	e->rehearsed = true;
	pump(e);
}

static void rehearse(struct prepare *e)
{
	struct daemon *d = e->d;
	const struct l1_facts *f = l1_facts(d->l1);
	struct eth_address from;
	struct l1_call call = {.from = &from, .to = &f->tdx_verifier, .replaced = &e->entry};
	struct why why = {""};
	struct buf code, calldata;
	bool ok;

	buf_init(&code, CALL_MAX);
	buf_init(&calldata, CALL_MAX);
	ok = eth_key_address(&from, &d->config.tdx_key) &&
	     quote_call_register(&calldata, buf_span(&e->quote), pccs_takes_leaf_only(e->pccs),
				 &why) &&
	     rehearsal_code(&code, buf_span(&e->quote), e->fmspc, layout_of(e), &why);
	call.calldata = buf_span(&calldata);
	call.code = buf_span(&code);
	e->state = REHEARSING;
	snprintf(e->sentence, sizeof e->sentence, "the registration is being rehearsed");
	if (!ok || !l1_call(d->rpc, &call, on_rehearsal, e))
		failed(e, "the rehearsal was not started",
		       why.text[0] ? why.text : "too many JSON-RPC calls at once");
	buf_free(&code);
	buf_free(&calldata);
}

/* ---- reads and uploads ---- */

static void on_read(void *arg, const struct l1_read *read)
{
	const struct reading *r = arg;
	struct prepare *e = r->e;

	switch (read->kind) {
	case L1_READ_OK: pccs_answer(e->pccs, r->i, PCCS_OK, read->data, NULL); break;
	case L1_READ_REVERTED:
		pccs_answer(e->pccs, r->i, PCCS_REVERTED, read->data, read->revert.text);
		break;
	case L1_READ_NO_CODE:
		pccs_answer(e->pccs, r->i, PCCS_NO_CODE, span_of(NULL, 0), NULL);
		break;
	case L1_READ_FAILED:
		pccs_answer(e->pccs, r->i, PCCS_FAILED, span_of(NULL, 0), read->sentence);
		break;
	}
	if (--e->outstanding == 0)
		pump(e);
}

static void read_all(struct prepare *e)
{
	size_t i;

	e->state = READING;
	e->outstanding = 1; /* held until all are asked */
	for (i = 0; i < e->step.n_reads; i++) {
		const struct l1_call call = {.to = &e->step.reads[i].to,
					     .calldata = e->step.reads[i].calldata};

		e->readings[i] = (struct reading){e, i};
		if (l1_call(e->d->rpc, &call, on_read, &e->readings[i]))
			e->outstanding++;
		else
			pccs_answer(e->pccs, i, PCCS_FAILED, span_of(NULL, 0),
				    "too many JSON-RPC calls at once");
	}
	if (--e->outstanding == 0)
		pump(e);
}

static void pump(struct prepare *e)
{
	struct why why = {""};
	const enum pccs_step_kind kind = pccs_next(e->pccs, chain_time(e), &e->step, &why);

	switch (kind) {
	case PCCS_READ:
		snprintf(e->sentence, sizeof e->sentence, "%s", why.text);
		read_all(e);
		break;
	case PCCS_SEND:
	case PCCS_READY:
		if (!e->rehearsed) {
			rehearse(e);
		} else if (kind == PCCS_SEND) {
			snprintf(e->sentence, sizeof e->sentence,
				 "the upload of the %s waits for its turn", e->step.name);
			e->state = WAITING;
			wake_up(e->d->wake);
		} else {
			log_event(LOG_INFO, "collateral_on_chain",
				  log_str("stack", pccs_stack_name(pccs_stack(e->pccs))),
				  log_str("note", why.text));
			probe(e);
		}
		break;
	case PCCS_REFUSED:
	case PCCS_WAIT: failed(e, "", why.text); break;
	}
}

bool prepare_send(struct prepare *e)
{
	struct daemon *d = e->d;
	const uint64_t left = registrar_gas_left(d->registrar, clock_wall_ms());
	const bool budget_caps = left < d->config.tx_gas_cap;
	struct sender_wish wish = {.id = d->next_intent,
				   .kind = SENDER_UPLOAD,
				   .to = e->step.to,
				   .calldata = e->step.calldata,
				   .signer = e->signer,
				   .gas_cap = budget_caps ? left : 0};
	struct why why = {""};

	if (e->state != WAITING)
		return false;
	if (!registrar_gas_allows(d->registrar, 1, clock_wall_ms(), &why) ||
	    !eth_key_address(&wish.from, &d->config.tdx_key) ||
	    !sender_io_wish(d->sender, &wish, &why)) {
		failed(e, "the upload was not started", why.text);
		return false;
	}
	d->next_intent++;
	e->state = SENDING;
	e->budget_caps = budget_caps;
	snprintf(e->sentence, sizeof e->sentence, "uploading the %s (%u of %u)", e->step.name,
		 e->step.order, e->step.of);
	log_event(LOG_INFO, "collateral_upload_started", log_str("what", e->step.name),
		  log_u64("number", e->step.order), log_u64("of", e->step.of),
		  log_u64("bytes", e->step.calldata.n));
	return true;
}

void prepare_upload_over(struct prepare *e, const struct sender_action *a)
{
	struct daemon *d = e->d;
	struct why why = {""};

	if (a->has_receipt)
		registrar_gas_spent(d->registrar, a->gas_used, clock_wall_ms());
	if (e->state != SENDING)
		return; /* an earlier run's: what it achieved is read from the chain */
	if (a->outcome == SENDER_CONFIRMED) {
		e->uploads++;
		log_event(LOG_INFO, "collateral_uploaded", log_str("what", e->step.name),
			  log_u64("gas", a->gas_used));
	}
	switch (a->outcome) {
	case SENDER_CONFIRMED:
	case SENDER_ALREADY_TRUE: pccs_sent(e->pccs, PCCS_MINED, span_of(NULL, 0), NULL); break;
	case SENDER_REVERTED:
	case SENDER_FAILED_ON_CHAIN:
		pccs_sent(e->pccs, PCCS_SEND_REVERTED, a->revert_data, a->sentence);
		break;
	case SENDER_TOO_BIG:
		if (e->budget_caps) {
			registrar_gas_allows(d->registrar, d->config.tx_gas_cap, clock_wall_ms(),
					     &why);
			pccs_sent(e->pccs, PCCS_SEND_FAILED, span_of(NULL, 0), why.text);
			break;
		}
		pccs_sent(e->pccs, PCCS_SEND_DOES_NOT_FIT, span_of(NULL, 0), a->sentence);
		break;
	case SENDER_NO_FUNDS:
	case SENDER_GAVE_UP:
	case SENDER_CANCELLED:
		pccs_sent(e->pccs, PCCS_SEND_FAILED, span_of(NULL, 0), a->sentence);
		break;
	}
	pump(e);
}

/* ---- the beginning ---- */

void prepare_begin(struct prepare *e, const struct registrar_step *step)
{
	struct daemon *d = e->d;
	const struct l1_facts *f = l1_facts(d->l1);
	const struct evidence *s;
	struct pccs_job job = {0};
	struct why why = {""};
	char text[ETH_ADDRESS_TEXT_SIZE];

	if (e->state != IDLE)
		return;
	e->signer = step->signer;
	e->entry = f->quote_verifier;
	e->quote.len = 0;
	s = quotes_evidence(d->quotes, &step->signer);
	if (!s || !s->collateral) {
		failed(e, "", "its collateral is not at hand");
		return;
	}
	if (!buf_add(&e->quote, step->payload.p, step->payload.n)) {
		failed(e, "", "out of memory");
		return;
	}
	eth_address_print(text, &step->signer);
	log_event(LOG_INFO, "registration_preparing", log_str("signer", text),
		  log_str("tcb_status", tdxv_tcb_status_name(s->tcb_status)));
	job.entry = e->entry;
	memcpy(job.fmspc, s->platform.fmspc, sizeof job.fmspc);
	memcpy(e->fmspc, s->platform.fmspc, sizeof e->fmspc);
	job.ca = s->platform.ca == COLLATERAL_PROCESSOR ? PCCS_PROCESSOR : PCCS_PLATFORM;
	job.pieces = s->collateral->pieces;
	e->state = READING;
	e->rehearsed = false;
	pccs_begin(e->pccs, &job, &why);
	pump(e);
}

bool prepare_register_call(const struct prepare *e, struct buf *out, struct span quote,
			   struct why *why)
{
	return quote_call_register(out, quote, pccs_takes_leaf_only(e->pccs), why);
}

const char *prepare_sentence(const struct prepare *e)
{
	return e->sentence;
}

const struct pccs *prepare_pccs(const struct prepare *e)
{
	return e->pccs;
}

uint64_t prepare_uploads(const struct prepare *e)
{
	return e->uploads;
}

bool prepare_new(struct prepare **out, struct daemon *d, struct why *why)
{
	const struct config *c = &d->config;
	const struct pccs_settings settings = {.enclave_id_dao = c->enclave_id_dao,
					       .fmspc_tcb_dao = c->fmspc_tcb_dao,
					       .pcs_dao = c->pcs_dao,
					       .margin_s = c->onchain_margin_s,
					       .enabled = !c->no_onchain_pccs};
	struct prepare *e = calloc(1, sizeof *e);

	*out = e;
	if (!e) {
		why_set(why, "out of memory");
		return false;
	}
	e->d = d;
	buf_init(&e->quote, TDXV_QUOTE_MAX);
	e->pccs = pccs_new(&settings);
	if (!e->pccs)
		why_set(why, "out of memory");
	return e->pccs != NULL;
}

void prepare_free(struct prepare *e)
{
	if (!e)
		return;
	pccs_free(e->pccs);
	buf_free(&e->quote);
	free(e);
}
