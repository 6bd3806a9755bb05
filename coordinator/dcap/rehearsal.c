#include "coordinator/dcap/rehearsal.h"

#include "ethereum/abi.h"

#include <string.h>

#define OF_TDX_VERIFIER "TDXVerifier: "
#define CODE_HEAD       14u

/* Copies what follows it to memory and returns it. */
static bool put_code(struct buf *out, struct span answer)
{
	const uint8_t hi = (uint8_t)(answer.n >> 8), lo = (uint8_t)answer.n;
	const uint8_t head[CODE_HEAD] = {
	    0x61, hi,        lo,   /* PUSH2 size */
	    0x60, CODE_HEAD,       /* PUSH1 from */
	    0x60, 0,         0x39, /* PUSH1 to, CODECOPY */
	    0x61, hi,        lo,   /* PUSH2 size */
	    0x60, 0,         0xf3, /* PUSH1 at, RETURN */
	};

	return buf_add(out, head, sizeof head) && buf_add(out, answer.p, answer.n);
}

bool rehearsal_code(struct buf *out, struct span quote, const uint8_t fmspc[6],
		    enum tdxv_report_layout layout, struct why *why)
{
	const size_t start = out->len;
	uint8_t report[1024];
	size_t n = sizeof report;
	struct tdxv_quote q;
	struct tdxv_why reason;
	struct abi_value answer[2];
	struct buf b;
	bool ok;

	if (tdxv_quote_parse(&q, quote.p, quote.n, &reason) != TDXV_OK ||
	    tdxv_report_build(report, &n, layout, &q, TDXV_TCB_UP_TO_DATE, fmspc, NULL, 0,
			      &reason) != TDXV_OK) {
		why_set(why, "%s", reason.text);
		return false;
	}
	answer[0] = abi_bool(true);
	answer[1] = abi_bytes(span_of(report, n));
	buf_init(&b, 4 * sizeof report);
	ok = abi_encode(&b, "(bool,bytes)", answer, 2, why) == ETH_OK;
	if (ok && !put_code(out, buf_span(&b))) {
		why_set(why, "there is no room for the rehearsal's code");
		out->len = start;
		ok = false;
	}
	buf_free(&b);
	return ok;
}

bool rehearsal_objects(const struct eth_revert *r, enum tdxv_report_layout layout, bool others_send,
		       struct why *objection)
{
	const bool role = revert_says(r, OF_TDX_VERIFIER "only sequencer can update keys");

	if (r->kind != REVERT_STRING ||
	    strncmp(r->reason, OF_TDX_VERIFIER, strlen(OF_TDX_VERIFIER)) != 0 ||
	    revert_says(r, OF_TDX_VERIFIER "quote verification failed") || (role && others_send))
		return false;
	if (layout == TDXV_REPORT_V1_1 && !role)
		why_set(objection,
			"the quote verifier answers in the layout of Automata v1.1, with the TD "
			"report at byte 11, and this TDXVerifier does not read it (v1.0 has it at "
			"byte 13): register() would revert with \"%s\"",
			r->reason);
	else
		why_set(objection, "register() would revert: %s", r->text);
	return true;
}
