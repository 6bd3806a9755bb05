#include "coordinator/dcap/internal.h"

#include "encoding/utf8.h"
#include "ethereum/revert.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The largest upload: a piece, its signature, and the words of the ABI around them. */
#define CALLDATA_MAX (TDXV_COLLATERAL_PIECE_MAX + 1024u)

struct pccs *pccs_new(const struct pccs_settings *settings)
{
	struct pccs *p = calloc(1, sizeof *p);

	if (!p)
		return NULL;
	p->settings = *settings;
	buf_init(&p->calldata, CALLDATA_MAX);
	for (size_t i = 0; i < ITEMS; i++) {
		buf_init(&p->item[i].exact, TDXV_COLLATERAL_PIECE_MAX);
		buf_init(&p->item[i].held, TDXV_COLLATERAL_PIECE_MAX);
	}
	pccs_end(p, PCCS_WAIT, "no quote has been looked at yet");
	return p;
}

void pccs_free(struct pccs *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < ITEMS; i++) {
		buf_free(&p->item[i].exact);
		buf_free(&p->item[i].held);
	}
	buf_free(&p->calldata);
	free(p);
}

void pccs_end(struct pccs *p, enum pccs_step_kind kind, const char *fmt, ...)
{
	va_list ap;

	p->stage = STAGE_OVER;
	p->end = kind;
	va_start(ap, fmt);
	utf8_vprint(p->sentence.text, sizeof p->sentence.text, fmt, ap);
	va_end(ap);
}

static void forget(struct pccs *p)
{
	for (size_t i = 0; i < ITEMS; i++) {
		struct buf exact = p->item[i].exact, held = p->item[i].held;

		buf_free(&exact);
		buf_free(&held);
		p->item[i] =
		    (struct item){.needed = i != ITEM_NUMBERS, .exact = exact, .held = held};
	}
	p->stage = STAGE_ENTRY;
	p->asked = false;
	p->n_reads = 0;
	p->stack = PCCS_STACK_UNKNOWN;
	p->leaf_only = p->async_upload = p->multicall = false;
	p->together_max = ITEMS;
	p->n_sending = 0;
	p->choice = CHOICE_FIXED;
	p->number = p->counts = 0;
	p->lack = (struct pccs_lack){0};
	p->number_text[0] = '\0';
}

bool pccs_begin(struct pccs *p, const struct pccs_job *job, struct why *why)
{
	forget(p);
	p->entry = job->entry;
	memcpy(p->fmspc, job->fmspc, sizeof p->fmspc);
	p->ca = job->ca;
	p->sender = job->sender;
	p->gas_cap = job->gas_cap;
	p->insists = false;
	p->listed_standard = job->listed_standard;
	p->listed_early = job->listed_early;
	p->numbers_sought = job->numbers_sought;
	if (pccs_take_pieces(p, job))
		return true;
	if (why)
		*why = p->sentence;
	return false;
}

static void show_reads(const struct pccs *p, struct pccs_step *step, struct why *why)
{
	step->kind = PCCS_READ;
	step->n_reads = p->n_reads;
	for (size_t i = 0; i < p->n_reads; i++) {
		step->reads[i].to = p->read[i].to;
		step->reads[i].calldata = span_of(p->read[i].calldata, p->read[i].n);
	}
	why_set(why, "asks the contracts of the on-chain PCCS (%zu calls, first %s)", p->n_reads,
		p->read[0].signature);
}

static void show_send(const struct pccs *p, struct pccs_step *step, struct why *why)
{
	const struct item *item = &p->item[p->sending[0]];

	step->kind = PCCS_SEND;
	step->to = p->n_sending > 1 ? *pccs_multicall() : item->dao;
	step->calldata = buf_span(&p->calldata);
	step->pieces = (unsigned)p->n_sending;
	if (p->n_sending > 1)
		snprintf(step->name, sizeof step->name, "%.40s and %u more", item->name,
			 step->pieces - 1);
	else
		memcpy(step->name, item->name, sizeof step->name);
	step->order = p->order;
	step->of = p->of;
	why_set(why, "the %s: to be uploaded (%u of %u)", step->name, p->order, p->of);
}

static bool all_answered(const struct pccs *p)
{
	for (size_t i = 0; i < p->n_reads; i++)
		if (!p->read[i].answer.here)
			return false;
	return true;
}

enum pccs_step_kind pccs_next(struct pccs *p, int64_t now, struct pccs_step *step, struct why *why)
{
	*step = (struct pccs_step){.kind = PCCS_WAIT};
	while (p->stage < STAGE_DECIDE) {
		if (!p->asked) {
			pccs_ask(p);
			continue;
		}
		if (!all_answered(p)) {
			show_reads(p, step, why);
			return step->kind;
		}
		p->asked = false;
		pccs_take_answers(p);
	}
	if (p->stage == STAGE_DECIDE)
		pccs_decide(p, now);
	if (p->stage == STAGE_SEND) {
		show_send(p, step, why);
	} else {
		step->kind = p->end;
		if (why)
			*why = p->sentence;
	}
	return step->kind;
}

void pccs_answer(struct pccs *p, size_t i, enum pccs_answer answer, struct span data,
		 const char *sentence)
{
	struct eth_revert revert;
	struct answer *a;

	if (p->stage >= STAGE_DECIDE || !p->asked || i >= p->n_reads || p->read[i].answer.here)
		return;
	a = &p->read[i].answer;
	*a = (struct answer){.here = true, .kind = answer};
	if (answer == PCCS_OK && data.n == 0)
		a->kind = PCCS_NO_CODE;
	switch (a->kind) {
	case PCCS_OK:
		a->n = data.n < sizeof a->data ? data.n : sizeof a->data;
		memcpy(a->data, data.p, a->n);
		if (p->read[i].holds)
			pccs_take_held(p, p->read[i].holds, data);
		break;
	case PCCS_REVERTED:
		revert_read(&revert, data);
		utf8_print(a->text, sizeof a->text, "it reverts: %.180s", revert.text);
		break;
	case PCCS_NO_CODE:
		utf8_print(a->text, sizeof a->text, "there is no contract that knows this call");
		break;
	case PCCS_FAILED:
		utf8_print(a->text, sizeof a->text, "%.190s", sentence ? sentence : "no answer");
		break;
	}
}

/* Whatever happened: the chain is asked what it holds now. New evaluation numbers may mean other
 * DAOs, or other documents in one. */
static void read_again(struct pccs *p, bool count)
{
	p->stage = STAGE_STATE;
	p->asked = false;
	for (size_t i = 0; i < p->n_sending; i++) {
		struct item *item = &p->item[p->sending[i]];

		item->sends += count;
		item->read = false;
		if (p->sending[i] != ITEM_NUMBERS)
			continue;
		p->item[ITEM_IDENTITY].read = p->item[ITEM_TCB].read = false;
		p->stage = STAGE_NUMBER;
	}
}

void pccs_sent(struct pccs *p, enum pccs_sent sent, struct span data, const char *sentence)
{
	struct item *item = &p->item[p->sending[0]];

	if (p->stage != STAGE_SEND)
		return;
	buf_free(&p->calldata);
	read_again(p, !pccs_batch_smaller(p, sent));
	if (p->n_sending > 1 && sent != PCCS_SEND_FAILED)
		return;
	switch (sent) {
	case PCCS_MINED: break;
	case PCCS_SEND_REVERTED: pccs_upload_reverted(p, item, data); break;
	case PCCS_SEND_DOES_NOT_FIT:
		item->permanent = true;
		why_set(&item->blocked,
			"its upload needs more gas than one transaction may have%s%s",
			sentence ? ": " : "", sentence ? sentence : "");
		break;
	case PCCS_SEND_FAILED:
		pccs_end(p, PCCS_WAIT, "the upload of the %s could not be made: %.300s", item->name,
			 sentence ? sentence : "no reason is known");
		break;
	}
}

bool pccs_insist(struct pccs *p)
{
	if (p->insists ||
	    !(p->stage == STAGE_SEND || (p->stage == STAGE_OVER && p->end == PCCS_READY)))
		return false;
	buf_free(&p->calldata);
	p->insists = true;
	p->stage = STAGE_DECIDE;
	return true;
}

bool pccs_lacks(const struct pccs *p, struct pccs_lack *out)
{
	*out = p->lack;
	return p->stage == STAGE_OVER && p->end == PCCS_WAIT && (out->number || out->numbers);
}

enum pccs_stack pccs_stack(const struct pccs *p)
{
	return p->stack;
}

const char *pccs_stack_name(enum pccs_stack stack)
{
	switch (stack) {
	case PCCS_STACK_UNKNOWN: return "unknown";
	case PCCS_STACK_AUTOMATA_V1_0: return "Automata v1.0";
	case PCCS_STACK_AUTOMATA_V1_1: return "Automata v1.1";
	case PCCS_STACK_OWN: return "DcapVerifier";
	}
	return "unknown";
}

bool pccs_takes_leaf_only(const struct pccs *p)
{
	return p->leaf_only;
}

uint32_t pccs_wanted_evaluation_number(const struct pccs *p)
{
	return p->number;
}
