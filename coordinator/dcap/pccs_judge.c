/*
 * What the chain holds against what the job brought: which piece is uploaded, which is left alone,
 * which is missing everywhere. Automata v1.0 verifies with expired collateral as if it were fresh,
 * so expiry is judged here for every stack.
 */
#include "coordinator/dcap/internal.h"

#include "coordinator/dcap/words.h"
#include "encoding/utf8.h"
#include "ethereum/revert.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define HOUR 3600
#define DAY  86400

/* What an upload costs Automata's parsers, as measured: CRLs of 44 and 129 entries 3.2 and 27.4
 * million; TCB info of 2 and 6 levels 5.8 and 14.8, half of it where it overwrites. */
#define CRL_GAS(bytes) ((uint64_t)(bytes) * (bytes) / 2)
#define TCB_GAS(bytes) ((uint64_t)(bytes)*1800)

static const char no_attester[] =
    "the versioned DAO takes uploads only from its attesters (ATTESTER_ROLE), and the sending key "
    "is none: they must upload it, or the owner grant the role";

enum verdict {
	FINE,   /* as it is; the note may say what was left alone */
	UPLOAD, /* ours goes there */
	STUCK,  /* neither the chain's nor ours will do; the note says why */
};

static bool absent(const struct item *item)
{
	return item->chain_from == 0 && item->chain_to == 0;
}

static bool differs(const struct item *item)
{
	return item->ours && !absent(item) &&
	       memcmp(item->hash, item->chain_hash, sizeof item->hash) != 0;
}

static int64_t margin(const struct pccs *p)
{
	return p->settings.margin_s > INT32_MAX ? INT32_MAX : (int64_t)p->settings.margin_s;
}

/* What the contracts keep for each evaluation number by itself. */
static bool numbered(const struct pccs *p, const struct item *item)
{
	return (p->stack == PCCS_STACK_AUTOMATA_V1_1 ||
		(p->stack == PCCS_STACK_OWN && p->counts)) &&
	       (item == &p->item[ITEM_IDENTITY] || item == &p->item[ITEM_TCB]);
}

/* DcapVerifier goes by the newest list for as long as there is none newer. */
static bool never_ends(const struct pccs *p, const struct item *item)
{
	return p->stack == PCCS_STACK_OWN && item == &p->item[ITEM_NUMBERS];
}

/* What counts by our list; 0: nothing does. */
static uint32_t listed(const struct pccs *p)
{
	return p->choice == CHOICE_EARLY ? p->listed_early : p->listed_standard;
}

static bool automata(const struct pccs *p)
{
	return p->stack == PCCS_STACK_AUTOMATA_V1_0 || p->stack == PCCS_STACK_AUTOMATA_V1_1;
}

/* v1.0 keeps one document, and takes none of a lower number. */
static bool falls(const struct pccs *p, const struct item *item)
{
	return p->stack == PCCS_STACK_AUTOMATA_V1_0 && item->chain_number > item->number;
}

static bool rises(const struct pccs *p, const struct item *item)
{
	return p->stack == PCCS_STACK_AUTOMATA_V1_0 && item->chain_number &&
	       item->number > item->chain_number;
}

/* 0: not known, and no matter. */
static uint64_t upload_gas(const struct pccs *p, const struct item *item)
{
	if (!automata(p))
		return 0;
	if (item == &p->item[ITEM_PCK_CRL])
		return CRL_GAS(item->exact.len);
	if (item == &p->item[ITEM_TCB])
		return TCB_GAS(item->exact.len) / (absent(item) ? 1 : 2);
	return 0;
}

/* What stands against the upload of ours; empty: nothing. */
static void obstacle(const struct pccs *p, const struct item *item, int64_t now, struct why *out)
{
	char when[32];

	*out = item->blocked;
	if (out->text[0])
		return;
	if (item->to < now && !never_ends(p, item)) {
		tdxv_time_text(when, sizeof when, item->to);
		why_set(out, "ours expired at %s and must be fetched again", when);
	} else if (item->from > now) {
		tdxv_time_text(when, sizeof when, item->from);
		why_set(out, "ours is not valid before %s", when);
	} else if (item->overtaken) {
		why_set(out, "the contract says that ours is not newer than its own");
	} else if (numbered(p, item) && item->number != p->counts) {
		why_set(out,
			"the contracts verify with tcbEvaluationDataNumber %u, ours has %u: "
			"collateral of number %u must be fetched",
			p->counts, item->number, p->counts);
	} else if (falls(p, item)) {
		why_set(out,
			"the PCCS's has tcbEvaluationDataNumber %u, ours %u, and the contract "
			"takes no lower one",
			item->chain_number, item->number);
	} else if (item->no_attester) {
		why_set(out, "%s", no_attester);
	} else if (p->gas_cap && upload_gas(p, item) > p->gas_cap) {
		why_set(out,
			"its %zu bytes would take these contracts some %" PRIu64
			" million gas, more than one transaction may have",
			item->exact.len, upload_gas(p, item) / 1000000);
	} else if (item == &p->item[ITEM_TCB] && p->async_upload) {
		why_set(out, "its DAO takes TCB info in several steps and from its attesters only "
			     "(asynchronous uploads, protocol 2), which this program does not do");
	} else if (item->sends >= SENDS_MAX) {
		why_set(out, "it was uploaded, yet the contract still shows another");
	} else if (!p->settings.enabled) {
		why_set(out, "uploads are switched off here (--no-onchain-pccs)");
	}
}

static bool about_to_expire(const struct pccs *p, const struct item *item, int64_t now)
{
	return item->chain_to < now + margin(p);
}

static void say_hours(const struct item *item, int64_t now, const char *rest, struct why *note)
{
	why_set(note, "it expires within %" PRId64 " hours, and %s",
		(item->chain_to - now) / HOUR + 1, rest);
}

static enum verdict judge_without_ours(const struct pccs *p, const struct item *item, int64_t now,
				       struct why *note)
{
	bool ended = item->chain_to < now;

	if (absent(item))
		why_set(note, "it is not on the PCCS, and no collateral source has given it");
	else if (ended)
		why_set(note, "the PCCS's has expired, and no collateral source has given another");
	else if (about_to_expire(p, item, now))
		say_hours(item, now, "no collateral source has given another", note);
	return absent(item) || ended ? STUCK : FINE;
}

/* The list of a DcapVerifier: a newer one matters where another number counts by it. */
static enum verdict judge_list(const struct pccs *p, const struct item *item, int64_t now,
			       struct why *note)
{
	const uint32_t mine = listed(p);

	if (!item->ours && !p->numbers_sought) {
		why_set(note, "the contract goes by it, and it must be fetched");
		return STUCK;
	}
	if (!item->ours && absent(item))
		return judge_without_ours(p, item, now, note);
	if (absent(item) || (item->ours && item->from > item->chain_from && mine != p->number)) {
		obstacle(p, item, now, note);
		if (!note->text[0] && mine == 0)
			why_set(note, "none of the numbers of ours is a year old");
		if (!note->text[0])
			return UPLOAD;
		if (absent(item))
			why_wrap(note, "it is not on the PCCS");
		else
			why_wrap(note,
				 "by the PCCS's number %u counts, by ours, which is newer, %u",
				 p->number, mine);
	} else if (p->number && item->ours && mine != p->number) {
		why_set(note, "the PCCS's is newer than ours: by it number %u counts, by ours %u",
			p->number, mine);
	}
	if (!absent(item) && p->number == 0)
		why_wrap(note, "none of the numbers of the PCCS's is a year old");
	return absent(item) || p->number == 0 ? STUCK : FINE;
}

static enum verdict judge(const struct pccs *p, const struct item *item, int64_t now,
			  struct why *note)
{
	bool ended = item->chain_to < now;
	char theirs[32], mine[32];

	note->text[0] = '\0';
	if (never_ends(p, item))
		return judge_list(p, item, now, note);
	if (!item->ours)
		return judge_without_ours(p, item, now, note);
	if (differs(item) && item->from > item->chain_from && !p->insists && !rises(p, item) &&
	    !about_to_expire(p, item, now)) {
		tdxv_time_text(theirs, sizeof theirs, item->chain_to);
		why_set(note, "ours is newer, and the PCCS's is good until %s", theirs);
		return FINE;
	}
	if (absent(item) || (differs(item) && item->from > item->chain_from)) {
		obstacle(p, item, now, note);
		if (!note->text[0])
			return UPLOAD;
		if (absent(item))
			why_wrap(note, "it is not on the PCCS");
		else
			why_wrap(note, ended ? "the PCCS's has expired" : "the PCCS's is older");
		return absent(item) || ended ? STUCK : FINE;
	}
	tdxv_time_text(theirs, sizeof theirs, item->chain_from);
	tdxv_time_text(mine, sizeof mine, item->from);
	if (ended)
		why_set(note, "the PCCS's has expired, and ours is no newer (%s and %s)", theirs,
			mine);
	else if (item->chain_from > item->from)
		why_set(note, "the PCCS's is newer than ours (%s and %s)", theirs, mine);
	else if (differs(item))
		why_set(note, "the PCCS's is another of the same date (%s)", theirs);
	else if (about_to_expire(p, item, now))
		say_hours(item, now, "ours is the same", note);
	return ended ? STUCK : FINE;
}

/* ---- the choice ---- */

static void append(struct why *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void append(struct why *w, const char *fmt, ...)
{
	size_t n = strlen(w->text);
	va_list ap;

	va_start(ap, fmt);
	utf8_vprint(w->text + n, sizeof w->text - n, fmt, ap);
	va_end(ap);
}

static void ready(struct pccs *p, const struct why *left_alone)
{
	char fmspc[13];

	hex_encode(fmspc, p->fmspc, sizeof p->fmspc);
	pccs_end(p, PCCS_READY, "the on-chain PCCS (%s) has what a quote of FMSPC %s needs%.380s",
		 pccs_stack_name(p->stack), fmspc, left_alone->text);
}

/* With which number the contracts will verify when all uploads are made. */
static uint32_t will_count(const struct pccs *p, int64_t now)
{
	const struct item *list = &p->item[ITEM_NUMBERS];
	struct why note;

	if (p->stack == PCCS_STACK_OWN && list->needed && list->read &&
	    judge_list(p, list, now, &note) == UPLOAD)
		return listed(p);
	return p->number;
}

/* What the contracts hold of a number that will count only then was not read. */
static enum verdict judge_ahead(const struct pccs *p, const struct item *item, int64_t now,
				struct why *note)
{
	note->text[0] = '\0';
	if (!item->ours)
		why_set(note, "no collateral source has given it");
	else
		obstacle(p, item, now, note);
	return note->text[0] ? STUCK : UPLOAD;
}

/* What the job's caller may fetch so that it is no longer stuck. */
static void note_lack(struct pccs *p, const struct item *item)
{
	if (numbered(p, item) && item->ours && item->number != p->counts)
		p->lack.number = p->counts;
	if (item == &p->item[ITEM_NUMBERS] && !item->ours &&
	    (never_ends(p, item) || (!eth_address_is_zero(&p->sender) && !item->no_attester)))
		p->lack.numbers = !p->numbers_sought;
}

void pccs_decide(struct pccs *p, int64_t now)
{
	struct why note, left_alone = {{0}};
	int due = 0, sent = 0;
	enum verdict v;

	p->counts = will_count(p, now);
	p->n_sending = 0;
	p->crl_due = false;
	for (int i = 0; i < ITEMS; i++) {
		struct item *item = &p->item[i];

		if (!item->needed)
			continue;
		sent += (int)item->sends;
		item->judges = item->ours;
		if (!item->read) { /* its DAO is found when the evaluation number is known */
			due++;
			continue;
		}
		v = p->stack == PCCS_STACK_OWN && numbered(p, item) && p->counts != p->number
			? judge_ahead(p, item, now, &note)
			: judge(p, item, now, &note);
		switch (v) {
		case FINE:
			item->judges = item->ours && !differs(item);
			if (note.text[0])
				append(&left_alone, "; %s: %s", item->name, note.text);
			break;
		case UPLOAD:
			due++;
			p->crl_due = p->crl_due || i == ITEM_ROOT_CRL || i == ITEM_PCK_CRL;
			p->sending[p->n_sending++] = (enum item_id)i;
			break;
		case STUCK: /* then nothing is uploaded at all: it would be gas for nothing */
			note_lack(p, item);
			pccs_end(p, item->permanent ? PCCS_REFUSED : PCCS_WAIT, "%s: %s",
				 item->name, note.text);
			return;
		}
	}
	/* The number follows from the list: only another list can help. */
	if (p->stack == PCCS_STACK_AUTOMATA_V1_1 && p->number == 0 &&
	    (p->n_sending == 0 || judge(p, &p->item[ITEM_NUMBERS], now, &note) != UPLOAD)) {
		pccs_end(p, PCCS_WAIT,
			 "the router does not say with which tcbEvaluationDataNumber the contracts "
			 "verify (%s)",
			 p->number_text);
		return;
	}
	if (p->n_sending == 0) {
		ready(p, &left_alone);
		return;
	}
	p->order = (unsigned)sent + 1;
	p->of = (unsigned)(sent + due);
	if (pccs_batch_calldata(p, &note))
		p->stage = STAGE_SEND;
	else
		pccs_end(p, PCCS_WAIT, "%s: %s", p->item[p->sending[0]].name, note.text);
}

bool pccs_sends_crl(const struct pccs *p)
{
	return p->crl_due;
}

struct span pccs_tcb_info(const struct pccs *p, uint32_t *number)
{
	const struct item *item = &p->item[ITEM_TCB];

	*number = item->judges ? item->number : item->chain_number;
	return buf_span(item->judges ? &item->exact : &item->held);
}

struct span pccs_qe_identity(const struct pccs *p)
{
	const struct item *item = &p->item[ITEM_IDENTITY];

	return buf_span(item->judges ? &item->exact : &item->held);
}

static bool held_names(const struct item *item, const struct tdxv_quote *q, unsigned certificate)
{
	const struct tdxv_bytes crl = {item->held.p, item->held.len};

	return !item->judges && crl.n && tdxv_crl_names(crl, q->cert_data, certificate);
}

bool pccs_revokes(const struct pccs *p, const struct tdxv_quote *quote, struct why *why)
{
	const bool leaf = held_names(&p->item[ITEM_PCK_CRL], quote, 0);

	if (!leaf && !held_names(&p->item[ITEM_ROOT_CRL], quote, 1))
		return false;
	why_set(why, "%s: the PCK%s certificate is revoked by the %s CRL that the PCCS holds",
		pccs_stack_name(p->stack), leaf ? "" : " CA's", leaf ? "PCK" : "root");
	return true;
}

/* ---- what the contract said to an upload ---- */

enum effect {
	IT_HAS_NEWER, /* or the same: look again */
	NOT_NOW,      /* time, or somebody else, can change it */
	NEVER,        /* not these bytes */
};

static const struct {
	const char *error;
	enum effect effect;
} effects[] = {
    {"Duplicate_Collateral()", IT_HAS_NEWER},
    {"TCB_Out_Of_Date()", IT_HAS_NEWER},
    {"Enclave_Id_Out_Of_Date()", IT_HAS_NEWER},
    {"Certificate_Out_Of_Date()", IT_HAS_NEWER},
    {"TCB_Eval_Out_Of_Date()", IT_HAS_NEWER},
    {"Invalid_TCB_Cert_Signature()", NEVER},
    {"Invalid_TCB_Eval_Cert_Signature()", NEVER},
    {"TCB_Cert_Revoked(uint256)", NEVER},
    {"Certificate_Revoked(uint8,uint256)", NEVER},
    {"Root_Key_Mismatch()", NEVER},
    {"Invalid_Issuer_Name()", NEVER},
    {"Invalid_Subject_Name()", NEVER},
    {"Invalid_Signature()", NEVER},
    {"Invalid_PCK_CA(uint8)", NEVER},
    {"Enclave_Id_Mismatch()", NEVER},
    {"Incorrect_Enclave_Id_Version()", NEVER},
    {"Invalid_Tcb_Evaluation_Data_Number()", NEVER},
    {"TCBInfo_Invalid()", NEVER},
    {"TCB_TDX_Version_Invalid()", NEVER},
    {"TCB_TDX_ID_Invalid()", NEVER},
    {"ParsingFailed()", NEVER},
};

void pccs_upload_reverted(struct pccs *p, struct item *item, struct span data)
{
	enum effect effect = NOT_NOW;
	struct eth_revert r;

	revert_read(&r, data);
	for (size_t i = 0; i < sizeof effects / sizeof effects[0]; i++)
		if (revert_is(&r, effects[i].error))
			effect = effects[i].effect;
	item->overtaken = effect == IT_HAS_NEWER;
	item->permanent = effect == NEVER;
	if (effect == IT_HAS_NEWER)
		return;
	if (r.kind == REVERT_NONE)
		why_set(&item->blocked, "the contract refuses it: %s", dcap_empty_revert_words());
	else if (revert_is(&r, "Unauthorized()") && p->stack == PCCS_STACK_AUTOMATA_V1_1)
		why_set(&item->blocked, "%s", no_attester);
	else
		why_set(&item->blocked, "the contract refuses it: %s", r.text);
}

/* ---- for people ---- */

static void say_span(char *out, size_t size, int64_t seconds)
{
	if (seconds >= 2 * DAY)
		snprintf(out, size, "%" PRId64 " days", seconds / DAY);
	else
		snprintf(out, size, "%" PRId64 " hours", seconds / HOUR);
}

static void describe_state(const struct pccs *p, const struct item *item, int64_t now,
			   struct pccs_item *out)
{
	char span[32], end[32];

	if (!item->read) {
		out->state = PCCS_UNREAD;
		snprintf(out->text, sizeof out->text, "not read yet");
		return;
	}
	if (absent(item)) {
		out->state = PCCS_ABSENT;
		snprintf(out->text, sizeof out->text, "absent");
		return;
	}
	tdxv_time_text(end, sizeof end, item->chain_to);
	if (never_ends(p, item)) {
		out->state = PCCS_FRESH;
		snprintf(out->text, sizeof out->text,
			 p->number ? "by it number %u counts" : "none of its numbers is a year old",
			 p->number);
		return;
	}
	if (item->chain_to < now) {
		out->state = PCCS_EXPIRED;
		say_span(span, sizeof span, now - item->chain_to);
		snprintf(out->text, sizeof out->text, "expired %s ago (%s)", span, end);
	} else {
		out->state = about_to_expire(p, item, now) ? PCCS_EXPIRING : PCCS_FRESH;
		say_span(span, sizeof span, item->chain_to - now);
		snprintf(out->text, sizeof out->text, "%s, expires in %s (%s)",
			 out->state == PCCS_FRESH ? "fresh" : "about to expire", span, end);
	}
}

bool pccs_describe(const struct pccs *p, size_t i, int64_t now, struct pccs_item *out)
{
	const struct item *item = p->item;
	size_t n;

	*out = (struct pccs_item){.state = PCCS_UNREAD};
	for (; item < p->item + ITEMS; item++)
		if (item->needed && i-- == 0)
			break;
	if (item == p->item + ITEMS)
		return false;
	memcpy(out->name, item->name, sizeof out->name);
	if (item->has_dao)
		out->dao = item->dao;
	describe_state(p, item, now, out);
	if (!item->read)
		return true;
	out->valid_from = item->chain_from;
	out->valid_to = item->chain_to;
	out->differs = differs(item);
	n = strlen(out->text);
	if (out->differs)
		snprintf(out->text + n, sizeof out->text - n, ", %s than ours",
			 item->chain_from > item->from   ? "newer"
			 : item->chain_from < item->from ? "older"
							 : "another of the same date");
	return true;
}
