/*~ Stop 3 of the tour: here a stranger's bytes become a fact. Nothing of it costs gas. */
#include "coordinator/verdicts/quote_check.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

/* The checks that read nothing but the quote, the pinned root and the time. */
static const enum tdxv_check_id own_checks[] = {
    TDXV_CHECK_QUOTE_FORMAT,      TDXV_CHECK_QUOTE_CERT_TYPE,    TDXV_CHECK_PCK_CHAIN_FORMAT,
    TDXV_CHECK_PCK_CHAIN_NAMES,   TDXV_CHECK_PCK_ROOT_TRUSTED,   TDXV_CHECK_PCK_CA_SIGNATURE,
    TDXV_CHECK_PCK_CA_USAGE,      TDXV_CHECK_PCK_LEAF_SIGNATURE, TDXV_CHECK_PCK_LEAF_USAGE,
    TDXV_CHECK_PCK_EXTENSION,     TDXV_CHECK_PCK_CHAIN_TIME,     TDXV_CHECK_QE_REPORT_SIGNATURE,
    TDXV_CHECK_QE_REPORT_BINDING, TDXV_CHECK_QE_REPORT_PADDING,  TDXV_CHECK_QUOTE_KEY,
    TDXV_CHECK_QUOTE_SIGNATURE,
};
#define OWN_CHECKS (sizeof own_checks / sizeof *own_checks)

#define SHORTFALLS_NAMED 8

static void sha256(struct refusal_key *out, const struct tdxv_bytes *parts, size_t n)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1;
	size_t i;

	/* Each with its length, so that nothing moves from one to the next. */
	for (i = 0; ok && i < n; i++)
		ok = (n == 1 || EVP_DigestUpdate(ctx, &parts[i].n, sizeof parts[i].n) == 1) &&
		     EVP_DigestUpdate(ctx, parts[i].p, parts[i].n) == 1;
	if (!ok || EVP_DigestFinal_ex(ctx, out->sha256, NULL) != 1)
		memset(out, 0, sizeof *out);
	EVP_MD_CTX_free(ctx);
}

void quote_check_keys(struct quote_keys *keys, struct tdxv_quote *q, struct span quote)
{
	struct tdxv_bytes whole = {quote.p, quote.n};

	memset(keys, 0, sizeof *keys);
	if (tdxv_quote_parse(q, quote.p, quote.n, NULL) == TDXV_OK) {
		const struct tdxv_bytes judged[] = {q->signed_part, q->attestation_key,
						    q->qe_report, q->qe_auth_data, q->cert_data};

		whole.n = q->declared_size;
		sha256(&keys->judged, judged, sizeof judged / sizeof *judged);
		sha256(&keys->signed_part, &q->signed_part, 1);
	}
	sha256(&keys->whole, &whole, 1);
}

/* True when all passed. *lasting: what failed would fail at any time. */
static bool own_ok(const struct tdxv_verdict *v, struct buf *reasons, bool *lasting)
{
	char sentence[512];
	bool ok = true;
	size_t i;

	*lasting = false;
	for (i = 0; i < OWN_CHECKS; i++) {
		enum tdxv_check_status status = v->check[own_checks[i]].status;

		if (status == TDXV_PASS)
			continue;
		ok = false;
		if (status != TDXV_FAIL)
			continue; /* what it depends on has failed, and is named */
		tdxv_check_sentence(sentence, sizeof sentence, v, own_checks[i]);
		reasons_add(reasons, sentence);
		if (own_checks[i] != TDXV_CHECK_PCK_CHAIN_TIME)
			*lasting = true;
	}
	return ok;
}

static bool is_own(enum tdxv_check_id id)
{
	size_t i;

	for (i = 0; i < OWN_CHECKS; i++)
		if (own_checks[i] == id)
			return true;
	return false;
}

/* What collateral and policy say. */
static bool rest_ok(const struct tdxv_verdict *v, struct buf *reasons)
{
	char sentence[512];
	int i;

	if (v->accepted)
		return true;
	for (i = 0; i < TDXV_CHECK_COUNT; i++)
		if (v->check[i].status == TDXV_FAIL && !is_own((enum tdxv_check_id)i)) {
			tdxv_check_sentence(sentence, sizeof sentence, v, (enum tdxv_check_id)i);
			reasons_add(reasons, sentence);
		}
	return false;
}

/* "SGX TCB component 3 is 2 and must be 4": which update is missing. */
static void name_shortfalls(const struct tdxv_verdict *v, const struct tdxv_collateral *c,
			    struct buf *reasons)
{
	struct tdxv_shortfall s[SHORTFALLS_NAMED];
	const size_t n = tdxv_tcb_shortfalls(s, SHORTFALLS_NAMED, v, c);
	struct why why;
	size_t i;

	for (i = 0; i < n && i < SHORTFALLS_NAMED; i++) {
		why_set(&why, "%s is %u and must be %u", s[i].what, s[i].have, s[i].need);
		reasons_add(reasons, why.text);
	}
	if (n > SHORTFALLS_NAMED) {
		why_set(&why, "and %zu more", n - SHORTFALLS_NAMED);
		reasons_add(reasons, why.text);
	}
}

static void keep_json(struct quote_checked *out, const struct tdxv_verdict *v)
{
	size_t n = tdxv_verdict_json(NULL, 0, v);
	char *text = n < QUOTE_CHECK_JSON_MAX ? malloc(n + 1) : NULL;

	if (!text)
		return;
	tdxv_verdict_json(text, n + 1, v);
	buf_add(&out->json, text, n);
	free(text);
}

static void weigh(struct quote_checked *out, const struct quote_check_input *in,
		  const struct tdxv_verdict *v, struct buf *reasons)
{
	const struct tdxv_quote *q = &v->quote;
	struct tdxv_quote ignored;
	bool ok;

	quote_check_keys(&out->keys, &ignored, in->quote);
	if (!own_ok(v, reasons, &out->lasting))
		return;
	out->authentic_bytes = true;
	ok = contract_fits_quote(q, in->image, reasons);
	if (q->tdx) {
		memcpy(out->signer.b, q->body.p + TDXV_TD_REPORTDATA, sizeof out->signer.b);
		if (eth_address_is_zero(&out->signer)) {
			reasons_add(reasons,
				    "the report data names the zero address, nobody's key");
			ok = false;
		}
	}
	out->signed_part_refused = !ok;
	if (in->whole) {
		ok &= rest_ok(v, reasons);
		if (v->accepted)
			ok &= contract_fits_status(v->tcb_status, reasons);
		if (!ok)
			name_shortfalls(v, in->collateral, reasons);
	}
	out->passed = ok;
}

void quote_check(struct quote_checked *out, const struct quote_check_input *in)
{
	struct tdxv_verdict *v = malloc(sizeof *v);
	struct buf reasons;
	int i;

	memset(out, 0, sizeof *out);
	buf_init(&out->json, QUOTE_CHECK_JSON_MAX);
	buf_init(&reasons, QUOTE_CHECK_SENTENCE_MAX - 1);
	if (!v) {
		memcpy(out->sentence, "out of memory", sizeof "out of memory");
		out->undecided = true;
		return;
	}
	tdxv_verify(v, in->quote.p, in->quote.n, in->collateral, in->policy, in->cache, in->now);
	out->platform = collateral_key_of(&v->pck);
	out->tcb_status = v->tcb_status;
	out->tcb_date = v->tcb_date;
	out->valid_to = v->collateral_valid_to;
	out->evaluation_number = v->tcb_evaluation_number;
	out->ecdsa_operations = v->ecdsa_operations;
	weigh(out, in, v, &reasons);
	for (i = 0; !in->whole && i < TDXV_CHECK_COUNT; i++) /* these want collateral */
		if (!is_own((enum tdxv_check_id)i))
			v->check[i].status = TDXV_NOT_RUN;
	if (in->whole || !out->passed)
		keep_json(out, v);
	if (!out->passed && !reasons.len)
		buf_add_str(&reasons, "the quote does not pass, and no check says why");
	memcpy(out->sentence, reasons.len ? reasons.p : (const uint8_t *)"", reasons.len);
	out->sentence[reasons.len] = '\0';
	buf_free(&reasons);
	free(v);
}
