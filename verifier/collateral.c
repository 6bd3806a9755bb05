#include "verifier/internal.h"

#include <stdlib.h>
#include <string.h>

/* Intel SGX Root CA: the key is pinned, not a certificate, for three certificates carry it. */
static const uint8_t intel_root_key[64] = {
    0x0b, 0xa9, 0xc4, 0xc0, 0xc0, 0xc8, 0x61, 0x93, 0xa3, 0xfe, 0x23, 0xd6, 0xb0, 0x2c, 0xda, 0x10,
    0xa8, 0xbb, 0xd4, 0xe8, 0x8e, 0x48, 0xb4, 0x45, 0x85, 0x61, 0xa3, 0x6e, 0x70, 0x55, 0x25, 0xf5,
    0x67, 0x91, 0x8e, 0x2e, 0xdc, 0x88, 0xe4, 0x0d, 0x86, 0x0b, 0xd0, 0xcc, 0x4e, 0xe2, 0x6a, 0xac,
    0xc9, 0x88, 0xe5, 0x05, 0xa9, 0x53, 0x55, 0x8c, 0x45, 0x3f, 0x6b, 0x09, 0x04, 0xae, 0x73, 0x94};

/* SHA-256 of the certificate of today that carries it, whose own signature is known to hold. */
static const uint8_t intel_root_sha256[32] = {
    0x44, 0xa0, 0x19, 0x6b, 0x2b, 0x99, 0xf8, 0x89, 0xb8, 0xe1, 0x49, 0xe9, 0x5b, 0x80, 0x7a, 0x35,
    0x0e, 0x74, 0x24, 0x96, 0x43, 0x99, 0xe8, 0x85, 0xa7, 0xcb, 0xb8, 0xcc, 0xfa, 0xb6, 0x74, 0xd3};

static const char root_name[] = "Intel SGX Root CA";
const char tdxv__platform_ca[] = "Intel SGX PCK Platform CA";

const char *tdxv__root_wrong(const struct root *root, const struct cert *cert,
			     const struct cert *known, unsigned *operations)
{
	uint8_t hash[32];

	if (!tdxv__bytes_are(cert->common_name, root_name))
		return "the root has another name";
	if (memcmp(cert->key, root->key.xy, 64) != 0)
		return "the root has another key than the trusted one";
	if (!cert->is_ca || !(cert->usage & USAGE_CERT_SIGN))
		return "the root certificate is not a CA's";
	if (!tdxv__bytes_eq(cert->issuer, cert->subject))
		return "the root is not issued by itself";
	if (known && tdxv__bytes_eq(known->der, cert->der))
		return NULL;
	tdxv__sha256(hash, cert->der, tdxv__bytes(NULL, 0));
	if (memcmp(hash, intel_root_sha256, sizeof hash) == 0)
		return NULL;
	++*operations;
	return tdxv__verify(&root->key, cert->tbs, cert->signature)
		   ? NULL
		   : "the root's own signature does not hold";
}

const char *tdxv__issue_wrong(const struct cert *cert, const struct cert *issuer,
			      const struct key *issuer_key, unsigned *operations)
{
	if (!tdxv__bytes_eq(cert->issuer, issuer->subject))
		return "it names another issuer";
	++*operations;
	return tdxv__verify(issuer_key, cert->tbs, cert->signature) ? NULL
								    : "the signature does not hold";
}

static struct tdxv_check *check(struct tdxv_collateral *c, enum tdxv_check_id id)
{
	return &c->check[id];
}

/* Fails a check with the sentence that a parser left in the next free text. */
static void fail_with_text(struct tdxv_collateral *c, enum tdxv_check_id id, const char *reason)
{
	tdxv__judge(check(c, id), false, reason);
	tdxv__got(check(c, id), "", tdxv__text(c->text[c->n_text].text));
	c->n_text++;
}

static const char *signer_wrong(struct tdxv_collateral *c, const struct cert *leaf,
				const struct cert *root, bool is_ca)
{
	const char *wrong = tdxv__root_wrong(&c->root, root, c->known_root, &c->ecdsa_operations);

	if (wrong)
		return wrong;
	c->known_root = root;
	if (is_ca) {
		if (!tdxv__bytes_are(leaf->common_name, tdxv__platform_ca) &&
		    !tdxv__bytes_are(leaf->common_name, "Intel SGX PCK Processor CA"))
			return "the certificate is not that of a PCK CA";
		if (!leaf->is_ca || !(leaf->usage & USAGE_CERT_SIGN) ||
		    !(leaf->usage & USAGE_CRL_SIGN))
			return "the PCK CA's certificate may not sign certificates and CRLs";
	} else {
		if (!tdxv__bytes_are(leaf->common_name, "Intel SGX TCB Signing"))
			return "the certificate is not that of TCB signing";
		if (leaf->is_ca || !(leaf->usage & USAGE_SIGN))
			return "the certificate is a CA's, or may not sign";
	}
	return tdxv__issue_wrong(leaf, root, &c->root.key, &c->ecdsa_operations);
}

/* False only for want of memory. */
static bool load_signer(struct tdxv_collateral *c, struct signing_chain *s, struct tdxv_bytes pem,
			enum tdxv_check_id id, bool is_ca)
{
	const struct cert *leaf = &s->chain.cert[0], *root = &s->chain.cert[1];
	const char *wrong;

	if (!tdxv__chain_parse(&s->chain, pem, 2, &c->text[c->n_text])) {
		s->chain.n = 0;
		fail_with_text(c, id, "it cannot be read");
		return true;
	}
	wrong = signer_wrong(c, leaf, root, is_ca);
	tdxv__judge(check(c, id), !wrong, wrong);
	tdxv__got(check(c, id), "certificate", tdxv__text_bytes(leaf->common_name));
	if (wrong)
		return true;
	if (!tdxv__key_load(&s->own, leaf->key))
		return false; /* a signed key off the curve, or no memory: neither can go on */
	s->key = &s->own;
	return true;
}

static void load_crl(struct tdxv_collateral *c, struct crl *crl, bool *has, uint8_t *scratch,
		     struct tdxv_bytes raw, enum tdxv_check_id format)
{
	*has = tdxv__crl_parse(crl, scratch, raw, &c->text[c->n_text]);
	if (!*has) {
		fail_with_text(c, format, "it cannot be read");
		return;
	}
	tdxv__judge(check(c, format), true, NULL);
	tdxv__got(check(c, format), "entries", tdxv__number(crl->entries));
}

static void check_root_crl(struct tdxv_collateral *c)
{
	struct tdxv_check *issuer = check(c, TDXV_CHECK_ROOT_CRL_ISSUER);
	bool ok;

	if (!c->has_root_crl || !c->known_root)
		return;
	ok = tdxv__bytes_eq(c->root_crl.issuer, c->known_root->subject);
	tdxv__judge(issuer, ok, "it names another issuer");
	if (ok && !(c->known_root->usage & USAGE_CRL_SIGN)) {
		ok = false;
		tdxv__judge(issuer, false, "the root's certificate may not sign CRLs");
	}
	if (!ok)
		return;
	c->ecdsa_operations++;
	tdxv__judge(check(c, TDXV_CHECK_ROOT_CRL_SIGNATURE),
		    tdxv__verify(&c->root.key, c->root_crl.tbs, c->root_crl.signature),
		    "the signature does not hold");
}

static void check_pck_crl(struct tdxv_collateral *c)
{
	const struct cert *ca = &c->pck_ca.chain.cert[0];

	if (!c->has_pck_crl || !c->pck_ca.key)
		return;
	if (!tdxv__bytes_eq(c->pck_crl.issuer, ca->subject)) {
		tdxv__judge(check(c, TDXV_CHECK_PCK_CRL_SIGNATURE), false,
			    "it names another issuer than its issuer chain");
		return;
	}
	c->ecdsa_operations++;
	tdxv__judge(check(c, TDXV_CHECK_PCK_CRL_SIGNATURE),
		    tdxv__verify(c->pck_ca.key, c->pck_crl.tbs, c->pck_crl.signature),
		    "the signature does not hold");
}

static void check_not_revoked(struct tdxv_collateral *c, const struct signing_chain *s,
			      enum tdxv_check_id id)
{
	const struct cert *leaf = &s->chain.cert[0];

	if (c->check[TDXV_CHECK_ROOT_CRL_SIGNATURE].status != TDXV_PASS || !s->key)
		return;
	tdxv__judge(check(c, id), !tdxv__crl_has(&c->root_crl, leaf->serial),
		    "its serial number is in the root CRL");
	tdxv__got(check(c, id), "serial number", tdxv__hex(leaf->serial.p, leaf->serial.n));
}

static void check_body(struct tdxv_collateral *c, const struct signing_chain *s,
		       struct tdxv_bytes body, const uint8_t signature[64], enum tdxv_check_id id)
{
	if (!s->key)
		return;
	c->ecdsa_operations++;
	tdxv__judge(check(c, id), tdxv__verify(s->key, body, signature),
		    "the signature does not hold over the exact bytes of the body");
}

static void load_tcb_info(struct tdxv_collateral *c, struct tdxv_bytes text)
{
	struct tdxv_why *why = &c->text[c->n_text];
	struct tdxv_bytes body;
	uint8_t signature[64];

	if (!tdxv__json_signed(text, "tcbInfo", &body, signature, why)) {
		fail_with_text(c, TDXV_CHECK_TCB_INFO_FORMAT, "it cannot be read");
		return;
	}
	check_body(c, &c->tcb_signer, body, signature, TDXV_CHECK_TCB_INFO_SIGNATURE);
	c->has_tcb_info = tdxv__tcb_info_parse(&c->tcb_info, body, why);
	if (!c->has_tcb_info) {
		fail_with_text(c, TDXV_CHECK_TCB_INFO_FORMAT, "it cannot be read");
		return;
	}
	tdxv__judge(check(c, TDXV_CHECK_TCB_INFO_FORMAT), true, NULL);
	tdxv__got(check(c, TDXV_CHECK_TCB_INFO_FORMAT), "evaluation number",
		  tdxv__number(c->tcb_info.evaluation_number));
}

static void load_qe_identity(struct tdxv_collateral *c, const struct signing_chain *signer,
			     struct tdxv_bytes text)
{
	struct tdxv_why *why = &c->text[c->n_text];
	struct tdxv_bytes body;
	uint8_t signature[64];

	if (!tdxv__json_signed(text, "enclaveIdentity", &body, signature, why)) {
		fail_with_text(c, TDXV_CHECK_QE_IDENTITY_FORMAT, "it cannot be read");
		return;
	}
	check_body(c, signer, body, signature, TDXV_CHECK_QE_IDENTITY_SIGNATURE);
	c->has_qe_identity = tdxv__qe_identity_parse(&c->qe_identity, body, why);
	if (!c->has_qe_identity) {
		fail_with_text(c, TDXV_CHECK_QE_IDENTITY_FORMAT, "it cannot be read");
		return;
	}
	tdxv__judge(check(c, TDXV_CHECK_QE_IDENTITY_FORMAT), true, NULL);
	tdxv__got(check(c, TDXV_CHECK_QE_IDENTITY_FORMAT), "evaluation number",
		  tdxv__number(c->qe_identity.evaluation_number));
}

static enum tdxv_error load_root(struct root *root, struct tdxv_bytes pem, struct tdxv_why *why)
{
	const uint8_t *key = intel_root_key;
	struct chain chain;

	if (pem.n) {
		if (!tdxv__chain_parse(&chain, pem, 1, why)) {
			tdxv__why_prefix(why, "root to trust: ");
			return TDXV_ERR_CERT_FORMAT;
		}
		if (!tdxv__bytes_eq(chain.cert[0].issuer, chain.cert[0].subject)) {
			tdxv__why(why, "root to trust: it is not issued by itself");
			return TDXV_ERR_CERT_FORMAT;
		}
		key = chain.cert[0].key;
	}
	if (tdxv__key_load(&root->key, key))
		return TDXV_OK;
	tdxv__why(why, "the root's key is not on the curve, or memory is short");
	return pem.n ? TDXV_ERR_CERT_FORMAT : TDXV_ERR_NO_MEMORY;
}

/* The same signing chain twice is checked once: the second takes the first one's results. */
static bool load_qe_signer(struct tdxv_collateral *c, const struct tdxv_collateral_input *in)
{
	if (in->qe_identity_signing_chain.n &&
	    !tdxv__bytes_eq(in->qe_identity_signing_chain, in->tcb_signing_chain))
		return load_signer(c, &c->qe_signer, in->qe_identity_signing_chain,
				   TDXV_CHECK_QE_SIGNING_CHAIN, false);
	*check(c, TDXV_CHECK_QE_SIGNING_CHAIN) = *check(c, TDXV_CHECK_TCB_SIGNING_CHAIN);
	c->qe_signer.key = c->tcb_signer.key;
	c->qe_signer.chain.n = c->tcb_signer.chain.n;
	c->qe_signer.chain.cert[0] = c->tcb_signer.chain.cert[0];
	c->qe_signer.chain.cert[1] = c->tcb_signer.chain.cert[1];
	return true;
}

static enum tdxv_error load(struct tdxv_collateral *c, const struct tdxv_collateral_input *in,
			    struct tdxv_bytes root_pem, struct tdxv_why *why)
{
	size_t total = in->tcb_info.n + in->qe_identity.n + in->root_ca_crl.n + in->pck_crl.n;
	struct tdxv_bytes tcb_info, qe_identity;
	enum tdxv_error e = load_root(&c->root, root_pem, why);
	uint8_t *p;

	if (e != TDXV_OK)
		return e;
	c->bytes = malloc(total + 1);
	if (!c->bytes)
		goto no_memory;
	p = c->bytes;
	if (in->tcb_info.n)
		memcpy(p, in->tcb_info.p, in->tcb_info.n);
	tcb_info = tdxv__bytes(p, in->tcb_info.n);
	p += in->tcb_info.n;
	if (in->qe_identity.n)
		memcpy(p, in->qe_identity.p, in->qe_identity.n);
	qe_identity = tdxv__bytes(p, in->qe_identity.n);
	p += in->qe_identity.n;

	if (!load_signer(c, &c->tcb_signer, in->tcb_signing_chain, TDXV_CHECK_TCB_SIGNING_CHAIN,
			 false) ||
	    !load_qe_signer(c, in) ||
	    !load_signer(c, &c->pck_ca, in->pck_crl_issuer_chain, TDXV_CHECK_PCK_CRL_CHAIN, true))
		goto no_memory;
	load_crl(c, &c->root_crl, &c->has_root_crl, p, in->root_ca_crl, TDXV_CHECK_ROOT_CRL_FORMAT);
	p += in->root_ca_crl.n;
	load_crl(c, &c->pck_crl, &c->has_pck_crl, p, in->pck_crl, TDXV_CHECK_PCK_CRL_FORMAT);
	check_root_crl(c);
	check_pck_crl(c);
	check_not_revoked(c, &c->tcb_signer, TDXV_CHECK_TCB_SIGNING_NOT_REVOKED);
	check_not_revoked(c, &c->qe_signer, TDXV_CHECK_QE_SIGNING_NOT_REVOKED);
	load_tcb_info(c, tcb_info);
	load_qe_identity(c, &c->qe_signer, qe_identity);
	return TDXV_OK;
no_memory:
	tdxv__why(why, "memory is short");
	return TDXV_ERR_NO_MEMORY;
}

enum tdxv_error tdxv_collateral_new(struct tdxv_collateral **out,
				    const struct tdxv_collateral_input *in,
				    struct tdxv_bytes root_pem, struct tdxv_why *why)
{
	const struct tdxv_bytes *piece[] = {
	    &in->tcb_info,   &in->qe_identity,          &in->tcb_signing_chain,
	    &in->pck_crl,    &in->pck_crl_issuer_chain, &in->qe_identity_signing_chain,
	    &in->root_ca_crl};
	struct tdxv_collateral *c;
	enum tdxv_error e;
	size_t i;

	*out = NULL;
	for (i = 0; i < sizeof piece / sizeof piece[0]; i++) {
		if (piece[i]->n > TDXV_COLLATERAL_PIECE_MAX) {
			tdxv__why(why, "a piece of %zu bytes is larger than %u", piece[i]->n,
				  TDXV_COLLATERAL_PIECE_MAX);
			return TDXV_ERR_ARGUMENT;
		}
	}
	c = calloc(1, sizeof *c);
	if (!c) {
		tdxv__why(why, "memory is short");
		return TDXV_ERR_NO_MEMORY;
	}
	e = load(c, in, root_pem, why);
	if (e == TDXV_OK)
		*out = c;
	else
		tdxv_collateral_free(c);
	return e;
}

void tdxv_collateral_free(struct tdxv_collateral *c)
{
	if (!c)
		return;
	tdxv__key_clear(&c->root.key);
	tdxv__key_clear(&c->tcb_signer.own);
	tdxv__key_clear(&c->qe_signer.own);
	tdxv__key_clear(&c->pck_ca.own);
	free(c->bytes);
	free(c);
}

static void narrow(struct tdxv_collateral_facts *f, int64_t from, int64_t to)
{
	if (from > f->valid_from)
		f->valid_from = from;
	if (to < f->valid_to)
		f->valid_to = to;
}

static struct tdxv_window piece_window(struct tdxv_collateral_facts *f, bool has, int64_t from,
				       int64_t to)
{
	if (!has)
		return (struct tdxv_window){0, 0};
	narrow(f, from, to);
	return (struct tdxv_window){from, to};
}

static void narrow_by_chain(struct tdxv_collateral_facts *f, const struct chain *c)
{
	unsigned i;

	for (i = 0; i < c->n; i++)
		narrow(f, c->cert[i].not_before, c->cert[i].not_after);
}

void tdxv_collateral_facts(struct tdxv_collateral_facts *out, const struct tdxv_collateral *c)
{
	static const enum tdxv_check_id needed[] = {
	    TDXV_CHECK_ROOT_CRL_FORMAT,    TDXV_CHECK_ROOT_CRL_ISSUER,
	    TDXV_CHECK_ROOT_CRL_SIGNATURE, TDXV_CHECK_PCK_CRL_CHAIN,
	    TDXV_CHECK_PCK_CRL_FORMAT,     TDXV_CHECK_PCK_CRL_SIGNATURE,
	    TDXV_CHECK_TCB_SIGNING_CHAIN,  TDXV_CHECK_TCB_SIGNING_NOT_REVOKED,
	    TDXV_CHECK_TCB_INFO_FORMAT,    TDXV_CHECK_TCB_INFO_SIGNATURE,
	    TDXV_CHECK_QE_SIGNING_CHAIN,   TDXV_CHECK_QE_SIGNING_NOT_REVOKED,
	    TDXV_CHECK_QE_IDENTITY_FORMAT, TDXV_CHECK_QE_IDENTITY_SIGNATURE,
	};
	size_t i;

	*out = (struct tdxv_collateral_facts){
	    .usable = true,
	    .valid_from = INT64_MIN,
	    .valid_to = INT64_MAX,
	    .tdx = c->tcb_info.tdx,
	    .tcb_evaluation_number = c->tcb_info.evaluation_number,
	    .qe_evaluation_number = c->qe_identity.evaluation_number,
	    .ecdsa_operations = c->ecdsa_operations,
	};
	memcpy(out->fmspc, c->tcb_info.fmspc, 6);
	memcpy(out->pceid, c->tcb_info.pceid, 2);
	for (i = 0; i < sizeof needed / sizeof needed[0]; i++)
		out->usable = out->usable && c->check[needed[i]].status == TDXV_PASS;
	out->tdx_qe = c->has_qe_identity && c->qe_identity.kind == QE_TDX;
	out->platform_ca = c->pck_ca.chain.n &&
			   tdxv__bytes_are(c->pck_ca.chain.cert[0].common_name, tdxv__platform_ca);
	out->tcb_info =
	    piece_window(out, c->has_tcb_info, c->tcb_info.issued, c->tcb_info.next_update);
	out->qe_identity = piece_window(out, c->has_qe_identity, c->qe_identity.issued,
					c->qe_identity.next_update);
	out->root_ca_crl =
	    piece_window(out, c->has_root_crl, c->root_crl.this_update, c->root_crl.next_update);
	out->pck_crl =
	    piece_window(out, c->has_pck_crl, c->pck_crl.this_update, c->pck_crl.next_update);
	narrow_by_chain(out, &c->tcb_signer.chain);
	narrow_by_chain(out, &c->qe_signer.chain);
	narrow_by_chain(out, &c->pck_ca.chain);
}
