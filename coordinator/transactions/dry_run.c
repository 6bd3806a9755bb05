#include "coordinator/transactions/dry_run.h"

#include "coordinator/base/log.h"
#include "coordinator/dcap/quote_call.h"
#include "coordinator/dcap/rehearsal.h"
#include "coordinator/dcap/words.h"
#include "coordinator/l1/call.h"
#include "ethereum/abi.h"

#include <stdio.h>

#define CALL_MAX (128u * 1024)

static void end(struct dry_run *d, enum dry_run_rc rc, const char *what, const char *sentence)
{
	struct why why;

	why_set(&why, "%s%s%s", what, what[0] && sentence[0] ? ": " : "", sentence);
	d->cb(d->arg, rc, why.text);
}

/* ---- the verification itself ---- */

static void take_reason(struct dry_run *d, struct span answer)
{
	char reason[256];
	const size_t n = answer.n < sizeof reason ? answer.n : sizeof reason - 1;
	enum dry_run_rc rc;
	const char *words;

	snprintf(reason, sizeof reason, "%.*s", (int)n, n ? (const char *)answer.p : "");
	words = dcap_reason_words(reason);
	rc = dcap_reason_is_final(reason) ? DRY_RUN_NEVER : DRY_RUN_NOT_YET;
	if (dcap_reason_is_of_crls(reason))
		rc = DRY_RUN_REVOKED;
	end(d, rc, "the quote verifier refuses the quote", words ? words : reason);
}

/* It verifies; the TDXVerifier looks at the status. */
static void take_report(struct dry_run *d, struct span report)
{
	const size_t at = d->layout == TDXV_REPORT_V1_1 ? 4 : 6;
	struct why why;

	if (report.n > at && report.p[at] == 0) {
		end(d, DRY_RUN_PASSED, "", "");
		return;
	}
	why_set(&why,
		"the quote verifier finds the TCB status %s, the TDXVerifier takes only "
		"UpToDate",
		report.n > at ? dcap_status_name(report.p[at]) : "that is none");
	end(d, DRY_RUN_NOT_YET, "", why.text);
}

static void on_verified(void *arg, const struct l1_read *read)
{
	struct dry_run *d = arg;
	struct abi_value *v = NULL;
	struct why why = {""};

	switch (read->kind) {
	case L1_READ_FAILED:
		end(d, DRY_RUN_FAILED, "verifyAndAttestOnChain", read->sentence);
		return;
	case L1_READ_NO_CODE:
		end(d, DRY_RUN_NEVER, "verifyAndAttestOnChain", "the quote verifier has no code");
		return;
	case L1_READ_REVERTED:
		end(d, dcap_revert_is_final(&read->revert) ? DRY_RUN_NEVER : DRY_RUN_NOT_YET,
		    "verifyAndAttestOnChain reverts",
		    read->revert.kind == REVERT_NONE ? dcap_empty_revert_words()
						     : read->revert.text);
		return;
	case L1_READ_OK: break;
	}
	if (abi_decode(&v, "(bool,bytes)", read->data, &why) != ETH_OK)
		end(d, DRY_RUN_NEVER, "verifyAndAttestOnChain answers with something else",
		    why.text);
	else if (abi_is_true(&v->items.p[0]))
		take_report(d, v->items.p[1].bytes);
	else
		take_reason(d, v->items.p[1].bytes);
	abi_value_free(v);
}

static bool start(struct dry_run *d, const struct dry_run_subject *s, dry_run_cb *cb, void *arg)
{
	d->layout = s->layout;
	d->cb = cb;
	d->arg = arg;
	return true;
}

bool dry_run_verify(struct dry_run *d, const struct dry_run_subject *s, dry_run_cb *cb, void *arg,
		    struct why *why)
{
	struct eth_address from;
	struct l1_call call = {.from = &from, .to = &s->entry};
	struct buf quote, calldata;
	struct abi_value quote_arg;
	bool ok;

	buf_init(&quote, CALL_MAX);
	buf_init(&calldata, CALL_MAX);
	ok = outbox_from(d->desk->outbox, SENDER_REGISTER, &from) &&
	     quote_call_quote(&quote, s->quote, s->leaf_only, why);
	quote_arg = abi_bytes(buf_span(&quote));
	ok = ok && abi_encode_call(&calldata, "verifyAndAttestOnChain(bytes)", &quote_arg, 1,
				   why) == ETH_OK;
	call.calldata = buf_span(&calldata);
	ok = ok && start(d, s, cb, arg) && l1_call(d->desk->p->rpc, &call, on_verified, d);
	if (!ok && !why->text[0])
		why_set(why, "too many JSON-RPC calls at once");
	buf_free(&quote);
	buf_free(&calldata);
	return ok;
}

/* ---- the rehearsal ---- */

static void on_rehearsed(void *arg, const struct l1_read *read)
{
	struct dry_run *d = arg;
	struct why why = {""};

	if (read->kind == L1_READ_REVERTED &&
	    rehearsal_objects(&read->revert, d->layout, d->desk->o->register_by_file, &why)) {
		end(d, DRY_RUN_NEVER, "", why.text);
		return;
	}
	if (read->kind == L1_READ_FAILED)
		log_event(LOG_DEBUG, "registration_not_rehearsed",
			  log_str("reason", read->sentence));
	end(d, DRY_RUN_PASSED, "", "");
}

bool dry_run_register(struct dry_run *d, const struct dry_run_subject *s, dry_run_cb *cb, void *arg,
		      struct why *why)
{
	const struct l1_facts *f = l1_facts(d->desk->p->l1);
	struct eth_address from;
	struct l1_call call = {.from = &from, .to = &f->tdx_verifier, .replaced = &s->entry};
	struct buf code, calldata;
	bool ok;

	buf_init(&code, CALL_MAX);
	buf_init(&calldata, CALL_MAX);
	ok = outbox_from(d->desk->outbox, SENDER_REGISTER, &from) &&
	     quote_call_register(&calldata, s->quote, s->leaf_only, why) &&
	     rehearsal_code(&code, s->quote, s->fmspc, s->layout, why);
	call.calldata = buf_span(&calldata);
	call.code = buf_span(&code);
	ok = ok && start(d, s, cb, arg) && l1_call(d->desk->p->rpc, &call, on_rehearsed, d);
	if (!ok && !why->text[0])
		why_set(why, "too many JSON-RPC calls at once");
	buf_free(&code);
	buf_free(&calldata);
	return ok;
}
