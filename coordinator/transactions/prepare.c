/*~ Stop 4 of the tour: a verified quote becomes a registered key. What the chain lacks for it is
 * uploaded first; the verification itself is then rehearsed by an eth_call, for the reason. */
#include "coordinator/transactions/prepare.h"

#include "coordinator/base/clock.h"
#include "coordinator/base/log.h"
#include "coordinator/dcap/contract_model.h"
#include "coordinator/dcap/quote_call.h"
#include "coordinator/l1/call.h"
#include "coordinator/provers/quotes.h"
#include "coordinator/registrar/rows.h"
#include "coordinator/transactions/dry_run.h"
#include "encoding/utf8.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum state {
	IDLE,
	READING,    /* eth_calls are under way */
	REHEARSING, /* register() is tried as if the quote were verified */
	WAITING,    /* for the sender: an upload is next */
	SENDING,    /* an upload is with the sender */
	PROBING,    /* the quote is verified by eth_call */
	FETCHING,   /* collateral as the contracts ask for it */
};

struct reading {
	struct prepare *prep;
	size_t i;
};

struct prepare {
	const struct desk *desk;
	struct pccs *pccs;
	enum state state;
	bool given_up;           /* another leads: what is asked for still calls back */
	bool rehearsed, sounded; /* in this run */
	struct dry_run dry_run;
	bool budget_caps; /* the gas of an upload is capped by what is left of the day's budget */
	unsigned outstanding;
	struct eth_address signer;
	struct eth_address entry;
	struct buf quote;
	uint8_t fmspc[6];
	struct pccs_step step;
	struct why lack; /* FETCHING: what for */
	struct reading readings[PCCS_READS_MAX];
	uint64_t uploads;
	struct why sentence;
	char verdict[700]; /* of the last quote that came so far */
};

static void pump(struct prepare *prep);

static int64_t chain_time(const struct prepare *prep)
{
	return l1_head_time(prep->desk->p->l1);
}

static void over(struct prepare *prep)
{
	prep->state = IDLE;
	prep->sentence.text[0] = '\0';
}

/* True: what was asked for is not wanted any more. */
static bool was_given_up(struct prepare *prep)
{
	if (!prep->given_up)
		return false;
	prep->given_up = false;
	over(prep);
	wake_up(prep->desk->p->wake);
	return true;
}

static void failed(struct prepare *prep, const char *what, const char *sentence)
{
	char text[ETH_ADDRESS_TEXT_SIZE];
	struct why why = {""};

	why_set(&why, "%s%s%s", what, what[0] ? ": " : "", sentence);
	eth_address_print(text, &prep->signer);
	log_event(LOG_WARN, "registration_not_prepared", log_str("signer", text),
		  log_str("reason", why.text));
	over(prep);
	registrar_register_failed(prep->desk->p->registrar, &prep->signer, why.text, false, 0,
				  clock_wall_ms());
	prover_held_keep(prep->desk->p->store, prep->desk->p->registrar);
	wake_up(prep->desk->p->wake);
}

/* ---- collateral of another evaluation number, or the list of these ---- */

static void on_collateral(void *arg, const struct collateral_set *set, const char *sentence)
{
	struct prepare *prep = arg;

	if (prep->state != FETCHING)
		return;
	if (set && collateral_suits(prep->desk->p->collateral, set)) {
		/* The quote is judged anew with it, and then it is this one's turn again. */
		over(prep);
		wake_up(prep->desk->p->wake);
		return;
	}
	failed(prep, prep->lack.text, sentence);
}

/* The contracts want what only time, or other collateral, brings. */
static void wait_or_fetch(struct prepare *prep, const struct why *waits)
{
	struct collateral *c = prep->desk->p->collateral;
	const struct evidence *s = quotes_evidence(prep->desk->p->quotes, &prep->signer);
	struct collateral_want want;
	struct pccs_lack lack;
	struct why why = {""};

	if (!c || !s || !s->collateral || !pccs_lacks(prep->pccs, &lack)) {
		failed(prep, "", waits->text);
		return;
	}
	want = (struct collateral_want){lack.number, lack.numbers};
	if (!collateral_want(c, &want, &why) || collateral_suits(c, s->collateral)) {
		failed(prep, why.text, waits->text);
		return;
	}
	prep->state = FETCHING;
	prep->lack = *waits;
	why_set(&prep->sentence, "%.400s: it is being fetched", waits->text);
	if (!collateral_get(c, &s->platform, chain_time(prep), on_collateral, prep, &why))
		failed(prep, waits->text, why.text);
}

/* With what the contracts ask for, which has come meanwhile. */
static bool is_being_judged(const struct prepare *prep, const struct evidence *s)
{
	struct collateral *c = prep->desk->p->collateral;
	const struct collateral_set *set;

	if (!c || collateral_suits(c, s->collateral))
		return false;
	set = collateral_peek(c, &s->platform, chain_time(prep));
	return set && set != s->collateral && collateral_suits(c, set);
}

/* ---- what is found out for free ---- */

static enum tdxv_report_layout layout_of(const struct prepare *prep)
{
	return pccs_stack(prep->pccs) == PCCS_STACK_AUTOMATA_V1_1 ? TDXV_REPORT_V1_1
								  : TDXV_REPORT_V1_0;
}

static struct dry_run_subject subject_of(const struct prepare *prep)
{
	struct dry_run_subject s = {.quote = buf_span(&prep->quote),
				    .entry = prep->entry,
				    .layout = layout_of(prep),
				    .leaf_only = pccs_takes_leaf_only(prep->pccs)};

	memcpy(s.fmspc, prep->fmspc, sizeof s.fmspc);
	return s;
}

static void tell_verdict(struct prepare *prep, const char *words)
{
	char signer[ETH_ADDRESS_TEXT_SIZE];

	eth_address_print(signer, &prep->signer);
	utf8_print(prep->verdict, sizeof prep->verdict, "%s: %s", signer, words);
	quotes_note_contract(prep->desk->p->quotes, &prep->signer, words);
}

/* Whether the contract agrees with Intel's UpToDate, by TCB info, QE identity and CRLs that it will
 * judge with. Where its own will not do, ours may. */
static bool weigh(struct prepare *prep, struct why *why)
{
	const struct evidence *s = quotes_evidence(prep->desk->p->quotes, &prep->signer);
	char ours[48] = "";
	struct tdxv_quote q;
	struct tdxv_pck pck;
	uint32_t number;
	const struct span info = pccs_tcb_info(prep->pccs, &number);

	if (tdxv_quote_parse(&q, prep->quote.p, prep->quote.len, NULL) != TDXV_OK ||
	    tdxv_quote_pck(&pck, &q, NULL) != TDXV_OK)
		return true; /* found out by others, in their words */
	if (contract_model_agrees(pccs_stack(prep->pccs), &q, &pck, info,
				  pccs_qe_identity(prep->pccs), why) &&
	    !pccs_revokes(prep->pccs, &q, why))
		return true;
	if (s && s->evaluation_number != number)
		snprintf(ours, sizeof ours, " (ours has %" PRIu32 ")", s->evaluation_number);
	why_wrap(why,
		 "Intel's verdict is UpToDate, that of this contract with tcbEvaluationDataNumber "
		 "%" PRIu32 "%s would not be",
		 number, ours);
	return false;
}

static void on_rehearsed(void *arg, enum dry_run_rc rc, const char *sentence)
{
	struct prepare *prep = arg;

	if (was_given_up(prep))
		return;
	if (rc != DRY_RUN_PASSED) {
		failed(prep, "", sentence);
		return;
	}
	prep->rehearsed = true;
	pump(prep);
}

static void rehearse(struct prepare *prep)
{
	const struct dry_run_subject s = subject_of(prep);
	struct why why = {""};

	prep->state = REHEARSING;
	why_set(&prep->sentence, "the registration is being rehearsed");
	if (!dry_run_register(&prep->dry_run, &s, on_rehearsed, prep, &why))
		failed(prep, "the rehearsal was not started", why.text);
}

/* With what is there: most refusals are for want of the rest. */
static void on_sounded(void *arg, enum dry_run_rc rc, const char *sentence)
{
	struct prepare *prep = arg;
	const bool revoked = rc == DRY_RUN_REVOKED && !pccs_sends_crl(prep->pccs);

	if (was_given_up(prep))
		return;
	/* Once more with a newer CRL, if there is one. */
	if (revoked ? !pccs_insist(prep->pccs) : rc == DRY_RUN_NEVER) {
		tell_verdict(prep, sentence);
		failed(prep, "", sentence);
		return;
	}
	prep->sounded = !revoked;
	pump(prep);
}

/* With all that it needs. */
static void on_probed(void *arg, enum dry_run_rc rc, const char *sentence)
{
	struct prepare *prep = arg;

	if (was_given_up(prep))
		return;
	if (rc == DRY_RUN_PASSED) {
		tell_verdict(prep, "Intel's verdict and this contract's are UpToDate");
		over(prep);
		registrar_prepared(prep->desk->p->registrar, &prep->signer);
		wake_up(prep->desk->p->wake);
	} else if ((rc == DRY_RUN_NOT_YET || rc == DRY_RUN_REVOKED) && pccs_insist(prep->pccs)) {
		pump(prep); /* with ours where the chain's is older */
	} else {
		if (rc != DRY_RUN_FAILED)
			tell_verdict(prep, sentence);
		failed(prep, "", sentence);
	}
}

static void verify(struct prepare *prep, dry_run_cb *then)
{
	const struct dry_run_subject s = subject_of(prep);
	struct why why = {""};

	prep->state = PROBING;
	why_set(&prep->sentence, "the quote is being verified by an eth_call");
	if (!dry_run_verify(&prep->dry_run, &s, then, prep, &why))
		failed(prep, "the dry run was not started", why.text);
}

/* ---- reads and uploads ---- */

static void on_read(void *arg, const struct l1_read *read)
{
	const struct reading *r = arg;
	struct prepare *prep = r->prep;

	switch (read->kind) {
	case L1_READ_OK: pccs_answer(prep->pccs, r->i, PCCS_OK, read->data, NULL); break;
	case L1_READ_REVERTED:
		pccs_answer(prep->pccs, r->i, PCCS_REVERTED, read->data, read->revert.text);
		break;
	case L1_READ_NO_CODE:
		pccs_answer(prep->pccs, r->i, PCCS_NO_CODE, span_of(NULL, 0), NULL);
		break;
	case L1_READ_FAILED:
		pccs_answer(prep->pccs, r->i, PCCS_FAILED, span_of(NULL, 0), read->sentence);
		break;
	}
	if (--prep->outstanding == 0 && !was_given_up(prep))
		pump(prep);
}

static void read_all(struct prepare *prep)
{
	size_t i;

	prep->state = READING;
	prep->outstanding = 1; /* held until all are asked */
	for (i = 0; i < prep->step.n_reads; i++) {
		const struct l1_call call = {.to = &prep->step.reads[i].to,
					     .calldata = prep->step.reads[i].calldata};

		prep->readings[i] = (struct reading){prep, i};
		if (l1_call(prep->desk->p->rpc, &call, on_read, &prep->readings[i]))
			prep->outstanding++;
		else
			pccs_answer(prep->pccs, i, PCCS_FAILED, span_of(NULL, 0),
				    "too many JSON-RPC calls at once");
	}
	if (--prep->outstanding == 0)
		pump(prep);
}

static void pump(struct prepare *prep)
{
	struct why why = {""};
	const enum pccs_step_kind kind = pccs_next(prep->pccs, chain_time(prep), &prep->step, &why);

	switch (kind) {
	case PCCS_READ:
		prep->sentence = why;
		read_all(prep);
		break;
	case PCCS_SEND:
	case PCCS_READY:
		if (!weigh(prep, &why)) {
			if (pccs_insist(prep->pccs)) {
				pump(prep);
			} else {
				tell_verdict(prep, why.text);
				failed(prep, "", why.text);
			}
		} else if (!prep->rehearsed) {
			rehearse(prep);
		} else if (kind == PCCS_SEND && !prep->sounded) {
			verify(prep, on_sounded);
		} else if (kind == PCCS_SEND) {
			why_set(&prep->sentence, "the upload of the %s waits for its turn",
				prep->step.name);
			prep->state = WAITING;
			wake_up(prep->desk->p->wake);
		} else {
			log_event(LOG_INFO, "collateral_on_chain",
				  log_str("stack", pccs_stack_name(pccs_stack(prep->pccs))),
				  log_str("note", why.text));
			verify(prep, on_probed);
		}
		break;
	case PCCS_REFUSED: failed(prep, "", why.text); break;
	case PCCS_WAIT: wait_or_fetch(prep, &why); break;
	}
}

bool prepare_send(struct prepare *prep)
{
	const uint64_t left = registrar_gas_left(prep->desk->p->registrar, clock_wall_ms());
	const bool budget_caps = left < prep->desk->o->gas_cap;
	struct sender_wish wish = {.kind = SENDER_UPLOAD,
				   .to = prep->step.to,
				   .calldata = prep->step.calldata,
				   .signer = prep->signer,
				   .gas_cap = budget_caps ? left : 0};
	struct why why = {""};

	if (prep->state != WAITING)
		return false;
	if (!registrar_gas_allows(prep->desk->p->registrar, 1, clock_wall_ms(), &why) ||
	    !outbox_wish(prep->desk->outbox, &wish, &why)) {
		failed(prep, "the upload was not started", why.text);
		return false;
	}
	prep->state = SENDING;
	prep->budget_caps = budget_caps;
	why_set(&prep->sentence, "uploading the %s (%u of %u)", prep->step.name, prep->step.order,
		prep->step.of);
	log_event(LOG_INFO, "collateral_upload_started", log_str("what", prep->step.name),
		  log_u64("number", prep->step.order), log_u64("of", prep->step.of),
		  log_u64("bytes", prep->step.calldata.n));
	return true;
}

void prepare_upload_over(struct prepare *prep, const struct sender_action *a)
{
	struct why why = {""};

	if (a->has_receipt)
		registrar_gas_spent(prep->desk->p->registrar, a->gas_used, clock_wall_ms());
	if (prep->state != SENDING)
		return; /* an earlier run's: what it achieved is read from the chain */
	if (a->outcome == SENDER_CONFIRMED) {
		prep->uploads++;
		log_event(LOG_INFO, "collateral_uploaded", log_str("what", prep->step.name),
			  log_u64("gas", a->gas_used));
	}
	switch (a->outcome) {
	case SENDER_CONFIRMED:
	case SENDER_NO_EFFECT:
	case SENDER_ALREADY_TRUE: pccs_sent(prep->pccs, PCCS_MINED, span_of(NULL, 0), NULL); break;
	case SENDER_REVERTED:
	case SENDER_FAILED_ON_CHAIN:
		pccs_sent(prep->pccs, PCCS_SEND_REVERTED, a->revert_data, a->sentence);
		break;
	case SENDER_TOO_BIG:
		if (prep->budget_caps) {
			registrar_gas_allows(prep->desk->p->registrar, prep->desk->o->gas_cap,
					     clock_wall_ms(), &why);
			pccs_sent(prep->pccs, PCCS_SEND_FAILED, span_of(NULL, 0), why.text);
			break;
		}
		pccs_sent(prep->pccs, PCCS_SEND_DOES_NOT_FIT, span_of(NULL, 0), a->sentence);
		break;
	case SENDER_NO_FUNDS:
	case SENDER_GAVE_UP:
		pccs_sent(prep->pccs, PCCS_SEND_FAILED, span_of(NULL, 0), a->sentence);
		break;
	}
	pump(prep);
}

/* ---- the beginning ---- */

void prepare_begin(struct prepare *prep, const struct registrar_step *step)
{
	const struct l1_facts *f = l1_facts(prep->desk->p->l1);
	const struct evidence *s;
	struct pccs_job job = {0};
	struct why why = {""};
	char text[ETH_ADDRESS_TEXT_SIZE];

	if (prep->state != IDLE)
		return;
	prep->signer = step->signer;
	prep->entry = f->quote_verifier;
	prep->quote.len = 0;
	s = quotes_evidence(prep->desk->p->quotes, &step->signer);
	if (!s || !s->collateral) {
		failed(prep, "", "its collateral is not at hand");
		return;
	}
	if (is_being_judged(prep, s)) {
		why_set(&prep->sentence, "the quote is being judged with what the contracts go by");
		return;
	}
	if (!buf_add(&prep->quote, step->payload.p, step->payload.n)) {
		failed(prep, "", "out of memory");
		return;
	}
	eth_address_print(text, &step->signer);
	log_event(LOG_INFO, "registration_preparing", log_str("signer", text),
		  log_str("tcb_status", tdxv_tcb_status_name(s->tcb_status)));
	job.entry = prep->entry;
	memcpy(job.fmspc, s->platform.fmspc, sizeof job.fmspc);
	memcpy(prep->fmspc, s->platform.fmspc, sizeof prep->fmspc);
	outbox_from(prep->desk->outbox, SENDER_UPLOAD, &job.sender);
	job.gas_cap = prep->desk->o->gas_cap;
	job.ca = s->platform.ca == COLLATERAL_PROCESSOR ? PCCS_PROCESSOR : PCCS_PLATFORM;
	job.pieces = s->collateral->pieces;
	job.evaluation_numbers = s->collateral->numbers_response;
	job.listed_standard =
	    collateral_numbers_standard(&s->collateral->numbers, chain_time(prep));
	job.listed_early = collateral_numbers_early(&s->collateral->numbers);
	job.numbers_sought = s->collateral->want.numbers;
	prep->state = READING;
	prep->rehearsed = prep->sounded = false;
	pccs_begin(prep->pccs, &job, &why);
	pump(prep);
}

bool prepare_register_call(const struct prepare *prep, struct buf *out, struct span quote,
			   struct why *why)
{
	return quote_call_register(out, quote, pccs_takes_leaf_only(prep->pccs), why);
}

const char *prepare_sentence(const struct prepare *prep)
{
	return prep->sentence.text;
}

const char *prepare_verdict(const struct prepare *prep)
{
	return prep->verdict;
}

const struct pccs *prepare_pccs(const struct prepare *prep)
{
	return prep->pccs;
}

uint64_t prepare_uploads(const struct prepare *prep)
{
	return prep->uploads;
}

bool prepare_new(struct prepare **out, const struct desk *desk, struct why *why)
{
	struct prepare *prep = calloc(1, sizeof *prep);

	*out = NULL;
	if (prep) {
		prep->desk = desk;
		prep->dry_run.desk = desk;
		buf_init(&prep->quote, TDXV_QUOTE_MAX);
		prep->pccs = pccs_new(&desk->o->pccs);
	}
	if (!prep || !prep->pccs) {
		why_set(why, "out of memory");
		prepare_free(prep);
		return false;
	}
	*out = prep;
	return true;
}

void prepare_yield(struct prepare *prep)
{
	switch (prep->state) {
	case IDLE: return;
	case READING:
	case REHEARSING:
	case PROBING: prep->given_up = true; return;
	case FETCHING: collateral_cancel(prep->desk->p->collateral, prep); break;
	case WAITING:
	case SENDING: break;
	}
	over(prep);
}

void prepare_stop(struct prepare *prep)
{
	if (prep && prep->state == FETCHING)
		collateral_cancel(prep->desk->p->collateral, prep);
}

void prepare_free(struct prepare *prep)
{
	if (!prep)
		return;
	pccs_free(prep->pccs);
	buf_free(&prep->quote);
	free(prep);
}
