/*
 * What Automata's verifyAndAttestOnChain returns: big-endian packed fields, the body as in the
 * quote, and abi.encode(string[]) of the platform level's advisories when there are any.
 */
#include "verifier/internal.h"

#include <string.h>

uint8_t tdxv_report_status(enum tdxv_tcb_status s)
{
	switch (s) {
	case TDXV_TCB_UP_TO_DATE: return 0;
	case TDXV_TCB_SW_HARDENING_NEEDED: return 1;
	case TDXV_TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED: return 2;
	case TDXV_TCB_CONFIGURATION_NEEDED: return 3;
	case TDXV_TCB_OUT_OF_DATE: return 4;
	case TDXV_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED: return 5;
	case TDXV_TCB_REVOKED: return 6;
	case TDXV_TCB_NOT_SUPPORTED:
	case TDXV_TCB_NOT_EVALUATED: return 7;
	case TDXV_TCB_TD_RELAUNCH_ADVISED: return 8;
	case TDXV_TCB_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED: return 9;
	}
	return 7;
}

struct writer {
	uint8_t *p;
	size_t cap, n;
	bool full;
};

static void put(struct writer *w, const void *src, size_t n)
{
	if (n > w->cap - w->n) {
		w->full = true;
		return;
	}
	if (n)
		memcpy(w->p + w->n, src, n);
	w->n += n;
}

static void put_be(struct writer *w, uint32_t x, size_t n)
{
	uint8_t b[32] = {0};
	size_t i;

	for (i = 0; i < 4 && i < n; i++)
		b[n - 1 - i] = (uint8_t)(x >> 8 * i);
	put(w, b, n);
}

static size_t padded(size_t n)
{
	return (n + 31) / 32 * 32;
}

static void put_string_array(struct writer *w, const struct tdxv_bytes *s, size_t n)
{
	static const uint8_t zero[32];
	size_t i, at = 32 * n;

	put_be(w, 32, 32); /* where the array begins */
	put_be(w, (uint32_t)n, 32);
	for (i = 0; i < n; i++) {
		put_be(w, (uint32_t)at, 32);
		at += 32 + padded(s[i].n);
	}
	for (i = 0; i < n; i++) {
		put_be(w, (uint32_t)s[i].n, 32);
		put(w, s[i].p, s[i].n);
		put(w, zero, padded(s[i].n) - s[i].n);
	}
}

enum tdxv_error tdxv_report_build(uint8_t *out, size_t *n, enum tdxv_report_layout layout,
				  const struct tdxv_quote *q, enum tdxv_tcb_status status,
				  const uint8_t fmspc[6], const struct tdxv_bytes *advisory,
				  size_t n_advisories, struct tdxv_why *why)
{
	static const uint8_t tee_tdx[4] = {0x81}, tee_sgx[4];
	struct writer w = {out, *n, 0, false};

	*n = 0;
	if (q->body_type == TDXV_BODY_TD15EX ||
	    (layout == TDXV_REPORT_V1_0 && q->body_type == TDXV_BODY_TD15)) {
		tdxv__why(why, "report layout %s knows no %s",
			  layout == TDXV_REPORT_V1_0 ? "1.0" : "1.1", tdxv_body_name(q->body_type));
		return TDXV_ERR_ARGUMENT;
	}
	if (layout == TDXV_REPORT_V1_0 && q->version == 5) {
		tdxv__why(why, "report layout 1.0 knows no version 5 quotes");
		return TDXV_ERR_ARGUMENT;
	}
	put_be(&w, q->version, 2);
	if (layout == TDXV_REPORT_V1_0)
		put(&w, q->tdx ? tee_tdx : tee_sgx, 4);
	else
		put_be(&w, (uint32_t)q->body_type, 2);
	put_be(&w, tdxv_report_status(status), 1);
	put(&w, fmspc, 6);
	put(&w, q->body.p, q->body.n);
	if (n_advisories)
		put_string_array(&w, advisory, n_advisories);
	if (w.full) {
		tdxv__why(why, "the report does not fit into %zu bytes", w.cap);
		return TDXV_ERR_ARGUMENT;
	}
	*n = w.n;
	return TDXV_OK;
}

enum tdxv_error tdxv_report_from_verdict(uint8_t *out, size_t *n, enum tdxv_report_layout layout,
					 const struct tdxv_verdict *v, struct tdxv_why *why)
{
	/* The chain answers (false, reason) for a revoked TCB too. */
	if (!v->authentic || v->tcb_status == TDXV_TCB_REVOKED) {
		*n = 0;
		tdxv_verdict_summary(why ? why->text : NULL, why ? sizeof why->text : 0, v);
		tdxv__why_prefix(why, "the chain would refuse this quote: ");
		return TDXV_ERR_ARGUMENT;
	}
	return tdxv_report_build(out, n, layout, &v->quote, v->tcb_status, v->pck.fmspc,
				 v->platform_advisory, v->n_platform_advisories, why);
}

enum tdxv_error tdxv_report_parse(struct tdxv_report *r, const uint8_t *bytes, size_t n,
				  struct tdxv_why *why)
{
	static const uint8_t tee_tdx[4] = {0x81}, tee_sgx[4];
	size_t head, size;

	memset(r, 0, sizeof *r);
	if (n < 13 || bytes[0] != 0 || bytes[1] < 3 || bytes[1] > 5)
		goto wrong;
	r->version = bytes[1];
	if (memcmp(bytes + 2, tee_tdx, 4) == 0 || memcmp(bytes + 2, tee_sgx, 4) == 0) {
		r->layout = TDXV_REPORT_V1_0;
		r->body_type = bytes[2] ? TDXV_BODY_TD10 : TDXV_BODY_SGX;
		head = 13;
	} else if (bytes[2] == 0 && bytes[3] >= 1 && bytes[3] <= 3) {
		r->layout = TDXV_REPORT_V1_1;
		r->body_type = (enum tdxv_body)bytes[3];
		head = 11;
	} else {
		goto wrong;
	}
	size = tdxv_body_size(r->body_type);
	if (n - head < size || bytes[head - 7] > 9)
		goto wrong;
	r->status = bytes[head - 7];
	memcpy(r->fmspc, bytes + head - 6, 6);
	r->body = tdxv__bytes(bytes + head, size);
	r->advisories = tdxv__bytes(bytes + head + size, n - head - size);
	return TDXV_OK;
wrong:
	memset(r, 0, sizeof *r);
	tdxv__why(why, "%zu bytes are no report of verifyAndAttestOnChain", n);
	return TDXV_ERR_QUOTE_FORMAT;
}
