#include "coordinator/collateral/internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *collateral_part_name(enum collateral_part_id id)
{
	static const char *const name[COLLATERAL_PARTS] = {
	    [COLLATERAL_TCB_INFO] = "TCB info",
	    [COLLATERAL_QE_IDENTITY] = "QE identity",
	    [COLLATERAL_PCK_CRL] = "PCK CRL",
	    [COLLATERAL_ROOT_CRL] = "root CRL",
	    [COLLATERAL_NUMBERS] = "list of TCB evaluation numbers",
	};

	return name[id];
}

static int evaluation(char *out, size_t size, const struct collateral_asking *a)
{
	if (a->number)
		return snprintf(out, size, "tcbEvaluationDataNumber=%" PRIu32, a->number);
	return snprintf(out, size, "update=%s",
			a->update == COLLATERAL_EARLY ? "early" : "standard");
}

bool collateral_request_url(char *out, size_t size, const struct collateral_asking *a,
			    enum collateral_part_id id)
{
	const char *base = a->source->at;
	char fmspc[13], which[48];
	int n = -1;

	hex_encode(fmspc, a->key->fmspc, 6);
	evaluation(which, sizeof which, a);
	switch (id) {
	case COLLATERAL_TCB_INFO:
		n = snprintf(out, size, "%s/tdx/certification/v4/tcb?fmspc=%s&%s", base, fmspc,
			     which);
		break;
	case COLLATERAL_QE_IDENTITY:
		n = snprintf(out, size, "%s/tdx/certification/v4/qe/identity?%s", base, which);
		break;
	case COLLATERAL_PCK_CRL:
		n = snprintf(out, size, "%s/sgx/certification/v4/pckcrl?ca=%s&encoding=der", base,
			     a->key->ca == COLLATERAL_PLATFORM ? "platform" : "processor");
		break;
	case COLLATERAL_ROOT_CRL:
		if (a->source->kind == COLLATERAL_PCCS)
			n = snprintf(out, size, "%s/sgx/certification/v4/rootcacrl", base);
		else
			n = snprintf(out, size, "%s", a->root_crl_url);
		break;
	case COLLATERAL_NUMBERS:
		n = snprintf(out, size, "%s/tdx/certification/v4/tcbevaluationdatanumbers", base);
		break;
	case COLLATERAL_PARTS: break;
	}
	return n > 0 && (size_t)n < size;
}

void collateral_chain_headers(const char *name[2], enum collateral_part_id id)
{
	static const char *const headers[COLLATERAL_PARTS][2] = {
	    [COLLATERAL_TCB_INFO] = {"TCB-Info-Issuer-Chain", "SGX-TCB-Info-Issuer-Chain"},
	    [COLLATERAL_QE_IDENTITY] = {"SGX-Enclave-Identity-Issuer-Chain", NULL},
	    [COLLATERAL_PCK_CRL] = {"SGX-PCK-CRL-Issuer-Chain", NULL},
	};

	name[0] = headers[id][0];
	name[1] = headers[id][1];
}

bool collateral_url_decode(struct buf *out, const char *text, struct why *why)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
				    "-._~+/=";
	size_t i;

	for (i = 0; text[i]; i++) {
		char c = text[i];

		if (c == '%') {
			uint8_t byte;

			if (!text[i + 1] || !hex_decode(&byte, 1, text + i + 1, 2)) {
				why_set(why, "a '%%' without two hex digits at offset %zu", i);
				return false;
			}
			c = (char)byte;
			i += 2;
			if (c != '\n' && c != '\r' && (c < 0x20 || c > 0x7e)) {
				why_set(why, "byte 0x%02x at offset %zu is no text",
					(unsigned char)c, i - 2);
				return false;
			}
		} else if (!strchr(plain, c)) {
			why_set(why, "byte 0x%02x at offset %zu is not URL-encoded",
				(unsigned char)c, i);
			return false;
		}
		if (!buf_add(out, &c, 1)) {
			why_set(why, "it is longer than %zu bytes", out->max);
			return false;
		}
	}
	return true;
}

static enum collateral_outcome read_status(const struct collateral_asking *a,
					   enum collateral_part_id id, long status, struct why *why)
{
	const char *what = collateral_part_name(id);
	char fmspc[13];

	switch (status) {
	case 200: return COLLATERAL_OK;
	case 404:
		hex_encode(fmspc, a->key->fmspc, 6);
		why_set(why, "it has no %s%s%s (HTTP 404)", what,
			id == COLLATERAL_TCB_INFO ? " for FMSPC " : "",
			id == COLLATERAL_TCB_INFO ? fmspc : "");
		return COLLATERAL_NOT_FOUND;
	case 410:
		why_set(why,
			"it no longer has the %s of tcbEvaluationDataNumber %" PRIu32 " (HTTP 410)",
			what, a->number);
		return COLLATERAL_NOT_FOUND;
	case 429: why_set(why, "it asks to slow down (HTTP 429)"); return COLLATERAL_RATE_LIMITED;
	default: break;
	}
	if (status >= 300 && status < 400)
		why_set(why, "it redirects (HTTP %ld), which is not followed", status);
	else
		why_set(why, "it answers with HTTP %ld", status);
	return COLLATERAL_BAD_STATUS;
}

enum collateral_outcome collateral_reply_read(struct collateral_part *part,
					      const struct collateral_asking *a,
					      enum collateral_part_id id,
					      const struct collateral_reply *r, struct why *why)
{
	enum collateral_outcome outcome;
	const char *header[2];

	if (!r->arrived) {
		why_set(why, "no answer: %s", r->sentence);
		return COLLATERAL_UNREACHABLE;
	}
	outcome = read_status(a, id, r->status, why);
	if (outcome != COLLATERAL_OK)
		return outcome;
	collateral_chain_headers(header, id);
	if (r->body.n == 0) {
		why_set(why, "its %s is empty", collateral_part_name(id));
		return COLLATERAL_MALFORMED;
	}
	if (header[0] && !r->chain) {
		why_set(why, "its %s comes without its issuer chain (header %s)",
			collateral_part_name(id), header[0]);
		return COLLATERAL_MALFORMED;
	}
	buf_init(&part->body, r->body.n);
	buf_init(&part->chain, HTTP_HEADERS_MAX);
	if (header[0] && !collateral_url_decode(&part->chain, r->chain, why)) {
		why_wrap(why, "header %s", header[0]);
		collateral_part_free(part);
		return COLLATERAL_MALFORMED;
	}
	if (!buf_add(&part->body, r->body.p, r->body.n)) {
		why_set(why, "out of memory for its %s", collateral_part_name(id));
		collateral_part_free(part);
		return COLLATERAL_MALFORMED;
	}
	snprintf(part->source, sizeof part->source, "%s", a->source->name);
	return COLLATERAL_OK;
}
