#include "tests/differential/subject.h"

#include "verifier/internal.h"

#include <stdlib.h>
#include <string.h>

#define PIECE_MAX (1u << 20)

static struct buf fresh(void)
{
	struct buf b;

	buf_init(&b, PIECE_MAX);
	return b;
}

static void put_le(uint8_t *p, size_t n, size_t x)
{
	size_t i;

	for (i = 0; i < n; i++)
		p[i] = (uint8_t)(x >> 8 * i);
}

bool subject_rewrap(struct buf *out, const uint8_t *quote, size_t n, const void *cert_data,
		    size_t cert_size)
{
	size_t head, data, shrunk;
	struct tdxv_quote q;

	if (tdxv_quote_parse(&q, quote, n, NULL) != TDXV_OK)
		return false;
	head = (size_t)(q.cert_data.p - quote);
	data = q.signed_part.n; /* where the size of the signature data stands */
	if (!buf_add(out, quote, head) || !buf_add(out, cert_data, cert_size))
		return false;
	put_le(out->p + head - 4, 4, cert_size);
	shrunk = out->len - (data + 4);
	put_le(out->p + data, 4, shrunk);
	if (q.version > 3)
		put_le(out->p + data + 4 + 130, 4, shrunk - 134);
	return true;
}

/* -- JSON -- */

static void put_hex(FILE *out, const char *key, const uint8_t *p, size_t n)
{
	char *text = malloc(2 * n + 1);

	if (!text)
		abort();
	hex_encode(text, p, n);
	fprintf(out, ",\"%s\":\"%s\"", key, text);
	free(text);
}

static void put_text(FILE *out, const char *s)
{
	putc('"', out);
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			putc('\\', out);
		putc(*s < ' ' || *s > '~' ? '?' : *s, out);
	}
	putc('"', out);
}

static void put_report(FILE *out, const char *key, enum tdxv_report_layout layout,
		       const struct tdxv_verdict *v)
{
	static uint8_t report[TDXV_REPORT_MAX];
	size_t n = sizeof report;

	if (tdxv_report_from_verdict(report, &n, layout, v, NULL) == TDXV_OK)
		put_hex(out, key, report, n);
	else
		fprintf(out, ",\"%s\":null", key);
}

static void put_verdict(FILE *out, const struct tdxv_verdict *v)
{
	static char summary[4096];
	const char *comma = "";
	int i;

	fprintf(out, "{\"authentic\":%s,\"status\":\"%s\",\"version\":%u,\"body\":%d,\"failed\":[",
		v->authentic ? "true" : "false", tdxv_tcb_status_name(v->tcb_status),
		v->quote.version, (int)v->quote.body_type);
	for (i = 0; i < TDXV_CHECK_POLICY_TCB_STATUS; i++) {
		if (v->check[i].status != TDXV_FAIL)
			continue;
		fprintf(out, "%s\"%s\"", comma, tdxv_check_name((enum tdxv_check_id)i));
		comma = ",";
	}
	tdxv_verdict_summary(summary, sizeof summary, v);
	fputs("],\"summary\":", out);
	put_text(out, summary);
	put_report(out, "v1_0", TDXV_REPORT_V1_0, v);
	put_report(out, "v1_1", TDXV_REPORT_V1_1, v);
	putc('}', out);
}

/* -- Pieces -- */

struct chain_der {
	unsigned n;
	size_t size[3];
	uint8_t der[3][CERT_DER_MAX];
};

/* The certificates of a chain, or none when there are not exactly want. */
static void chain_of(struct chain_der *c, struct tdxv_bytes pem, unsigned want)
{
	bool wrong = false;

	c->n = 0;
	while (c->n < 3 && tdxv__pem_next(&pem, "CERTIFICATE", c->der[c->n], CERT_DER_MAX,
					  &c->size[c->n], &wrong))
		c->n++;
	if (c->n != want || wrong)
		c->n = 0;
}

/* DER of a CRL without the byte that may follow it. */
static bool crl_of(struct buf *out, struct tdxv_bytes raw)
{
	struct tdxv_bytes in, value, whole;
	size_t n = 0;
	bool wrong;

	if (raw.n == 0 || !buf_add(out, raw.p, raw.n))
		return false;
	if (raw.p[0] == '3' || raw.p[0] == '"') {
		if (!hex_decode(out->p, raw.n / 2, (const char *)raw.p, raw.n))
			return false;
		out->len = raw.n / 2;
	} else if (raw.p[0] == '-') {
		if (!tdxv__pem_next(&raw, "X509 CRL", out->p, out->cap, &n, &wrong))
			return false;
		out->len = n;
	}
	in = tdxv__bytes(out->p, out->len);
	if (tdxv__der_take(&in, DER_SEQUENCE, &value, &whole) && in.n == 1)
		out->len = whole.n;
	return true;
}

static void put_crl(FILE *out, const char *key, struct tdxv_bytes raw)
{
	struct buf der = fresh();

	if (crl_of(&der, raw))
		put_hex(out, key, der.p, der.len);
	buf_free(&der);
}

static void put_signed(FILE *out, const char *key, const char *signature_key, const char *name,
		       struct tdxv_bytes text)
{
	struct tdxv_bytes body = {0};
	uint8_t signature[64];
	struct tdxv_why why;

	if (!tdxv__json_signed(text, name, &body, signature, &why))
		return;
	put_hex(out, key, body.p, body.n);
	put_hex(out, signature_key, signature, 64);
}

static void put_roots(FILE *out, const struct chain_der *chain, unsigned n)
{
	const char *comma = "";
	unsigned i, k;
	char text[2 * CERT_DER_MAX + 1];

	fputs(",\"roots\":[", out);
	for (i = 0; i < n; i++) {
		if (chain[i].n < 2)
			continue;
		for (k = 0; k < i; k++)
			if (chain[k].n == 2 && chain[k].size[1] == chain[i].size[1] &&
			    memcmp(chain[k].der[1], chain[i].der[1], chain[i].size[1]) == 0)
				break;
		if (k < i)
			continue;
		hex_encode(text, chain[i].der[1], chain[i].size[1]);
		fprintf(out, "%s\"%s\"", comma, text);
		comma = ",";
	}
	putc(']', out);
}

static void put_pieces(FILE *out, const struct tdxv_collateral_input *in)
{
	static struct chain_der chain[3];
	bool processor;
	struct cert ca;

	chain_of(&chain[0], in->tcb_signing_chain, 2);
	chain_of(&chain[1], in->qe_identity_signing_chain, 2);
	chain_of(&chain[2], in->pck_crl_issuer_chain, 2);
	put_roots(out, chain, 3);
	if (chain[0].n)
		put_hex(out, "tcb_signer", chain[0].der[0], chain[0].size[0]);
	if (in->qe_identity_signing_chain.n == 0)
		chain[1] = chain[0];
	if (chain[1].n)
		put_hex(out, "qe_signer", chain[1].der[0], chain[1].size[0]);
	processor = chain[2].n &&
		    tdxv__cert_parse(&ca, tdxv__bytes(chain[2].der[0], chain[2].size[0]), NULL) &&
		    tdxv__bytes_are(ca.common_name, "Intel SGX PCK Processor CA");
	fprintf(out, ",\"ca_id\":%d", processor ? 1 : 2);
	if (chain[2].n)
		put_hex(out, "ca", chain[2].der[0], chain[2].size[0]);
	put_crl(out, "root_crl", in->root_ca_crl);
	put_crl(out, "pck_crl", in->pck_crl);
	put_signed(out, "tcb_info", "tcb_info_signature", "tcbInfo", in->tcb_info);
	put_signed(out, "qe_identity", "qe_identity_signature", "enclaveIdentity", in->qe_identity);
}

/* -- The whole line -- */

/* The leaf that the quote carries in PEM. *leads: nothing stands in front of it. */
static bool leaf_of(uint8_t der[CERT_DER_MAX], size_t *n, bool *leads, struct tdxv_bytes quote)
{
	static const char begin[] = "-----BEGIN CERTIFICATE-----";
	struct tdxv_quote q;
	bool wrong;

	if (tdxv_quote_parse(&q, quote.p, quote.n, NULL) != TDXV_OK || q.cert_type != 5)
		return false;
	*leads = q.cert_data.n >= sizeof begin - 1 &&
		 memcmp(q.cert_data.p, begin, sizeof begin - 1) == 0;
	return tdxv__pem_next(&q.cert_data, "CERTIFICATE", der, CERT_DER_MAX, n, &wrong);
}

static void put_canonical(FILE *out, const struct subject *s, const struct tdxv_collateral *c)
{
	static struct tdxv_verdict v;
	struct buf chain = fresh(), quote = fresh();
	uint8_t der[CERT_DER_MAX];
	bool leads;
	size_t n;

	if (!leaf_of(der, &n, &leads, s->quote)) {
		fputs(",\"canonical\":null}\n", out);
		return;
	}
	fprintf(out, ",\"leaf_leads\":%s", leads ? "true" : "false");
	subject_rewrap(&quote, s->quote.p, s->quote.n, der, n);
	put_hex(out, "leaf_quote", quote.p, quote.len);
	buf_free(&quote);
	forge_pem(&chain, "CERTIFICATE", der, n);
	buf_add(&chain, s->in.pck_crl_issuer_chain.p, s->in.pck_crl_issuer_chain.n);
	subject_rewrap(&quote, s->quote.p, s->quote.n, chain.p, chain.len);
	tdxv_verify(&v, quote.p, quote.len, c, NULL, NULL, s->now);
	fputs(",\"canonical\":", out);
	put_verdict(out, &v);
	fputs("}\n", out);
	buf_free(&chain);
	buf_free(&quote);
}

static void put_root_key(FILE *out, struct tdxv_bytes pem)
{
	struct cert cert;
	uint8_t der[CERT_DER_MAX];
	size_t n;
	bool wrong;

	if (!tdxv__pem_next(&pem, "CERTIFICATE", der, sizeof der, &n, &wrong) ||
	    !tdxv__cert_parse(&cert, tdxv__bytes(der, n), NULL))
		abort(); /* tdxv_collateral_new() took it a moment ago */
	put_hex(out, "root_key", cert.key, 64);
}

void subject_write(FILE *out, const struct subject *s)
{
	static struct tdxv_verdict v;
	struct tdxv_collateral *c;
	struct tdxv_why why;

	fputs("{\"id\":", out);
	put_text(out, s->id);
	fprintf(out, ",\"uploaded\":%lld,\"now\":%lld", (long long)s->uploaded, (long long)s->now);
	put_root_key(out, s->root);
	put_pieces(out, &s->in);
	put_hex(out, "quote", s->quote.p, s->quote.n);
	fputs(",\"library\":", out);
	if (tdxv_collateral_new(&c, &s->in, s->root, &why) != TDXV_OK) {
		/* A signed CA key that is no point of the curve: there is not even a verdict. */
		fputs("{\"authentic\":false,\"status\":\"NotEvaluated\",\"version\":0,\"body\":0,"
		      "\"failed\":[\"collateral\"],\"summary\":",
		      out);
		put_text(out, why.text);
		fputs(",\"v1_0\":null,\"v1_1\":null},\"canonical\":null}\n", out);
		return;
	}
	tdxv_verify(&v, s->quote.p, s->quote.n, c, NULL, NULL, s->now);
	put_verdict(out, &v);
	put_canonical(out, s, c);
	tdxv_collateral_free(c);
}

void subject_write_forged(FILE *out, const char *id, const struct forged *x, int64_t uploaded,
			  int64_t now)
{
	struct subject s = {.id = id,
			    .quote = {x->quote.p, x->quote.len},
			    .root = {x->root.p, x->root.len},
			    .uploaded = uploaded,
			    .now = now};

	forged_input(&s.in, x);
	subject_write(out, &s);
}
