#include "tests/unit/verifier/forge.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <openssl/param_build.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX (256u * 1024u)

/* -- Keys -- */

static struct {
	EVP_PKEY *pkey;
	uint8_t point[65];
} keys[KEYS];

static void must(bool ok)
{
	if (!ok)
		abort();
}

static EVP_PKEY *key(enum forge_key k)
{
	EC_GROUP *group;
	EC_POINT *point;
	BIGNUM *secret;
	OSSL_PARAM_BLD *bld;
	OSSL_PARAM *params;
	EVP_PKEY_CTX *ctx;
	uint8_t seed[32];
	char name[] = "forged key 0";

	if (keys[k].pkey)
		return keys[k].pkey;
	name[sizeof name - 2] = (char)('0' + (int)k);
	SHA256((const uint8_t *)name, sizeof name - 1, seed);
	seed[0] &= 0x7f; /* below the group's order */
	secret = BN_bin2bn(seed, 32, NULL);
	group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
	point = EC_POINT_new(group);
	must(EC_POINT_mul(group, point, secret, NULL, NULL, NULL) == 1);
	must(EC_POINT_point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED, keys[k].point, 65,
				NULL) == 65);
	bld = OSSL_PARAM_BLD_new();
	OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0);
	OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, keys[k].point, 65);
	OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_PRIV_KEY, secret);
	params = OSSL_PARAM_BLD_to_param(bld);
	ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	must(EVP_PKEY_fromdata_init(ctx) == 1 &&
	     EVP_PKEY_fromdata(ctx, &keys[k].pkey, EVP_PKEY_KEYPAIR, params) == 1);
	EVP_PKEY_CTX_free(ctx);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(bld);
	EC_POINT_free(point);
	EC_GROUP_free(group);
	BN_free(secret);
	return keys[k].pkey;
}

void forge_keys_free(void)
{
	int k;

	for (k = 0; k < KEYS; k++) {
		EVP_PKEY_free(keys[k].pkey);
		keys[k].pkey = NULL;
	}
}

/* DER signature of n bytes; returns its length (at most 72). */
static size_t sign(uint8_t out[80], enum forge_key k, const void *p, size_t n)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t len = 80;

	must(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key(k)) == 1 &&
	     EVP_DigestSign(ctx, out, &len, p, n) == 1);
	EVP_MD_CTX_free(ctx);
	return len;
}

void forge_sign(uint8_t out[64], enum forge_key k, const void *p, size_t n)
{
	uint8_t der[80];
	const uint8_t *q = der;
	size_t len = sign(der, k, p, n);
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &q, (long)len);

	must(sig && BN_bn2binpad(ECDSA_SIG_get0_r(sig), out, 32) == 32 &&
	     BN_bn2binpad(ECDSA_SIG_get0_s(sig), out + 32, 32) == 32);
	ECDSA_SIG_free(sig);
}

/* -- DER -- */

static void tlv(struct buf *b, uint8_t tag, const void *p, size_t n)
{
	uint8_t head[4] = {tag};
	size_t k = 2;

	if (n < 128) {
		head[1] = (uint8_t)n;
	} else if (n < 256) {
		head[1] = 0x81;
		head[2] = (uint8_t)n;
		k = 3;
	} else {
		head[1] = 0x82;
		head[2] = (uint8_t)(n >> 8);
		head[3] = (uint8_t)n;
		k = 4;
	}
	must(buf_add(b, head, k) && buf_add(b, p, n));
}

/* Appends b's content under a tag to out, and empties b. */
static void wrap(struct buf *out, uint8_t tag, struct buf *b)
{
	tlv(out, tag, b->p, b->len);
	buf_free(b);
}

static struct buf fresh(void)
{
	struct buf b;

	buf_init(&b, MAX);
	return b;
}

static void integer(struct buf *b, unsigned x)
{
	uint8_t v[5] = {0, (uint8_t)(x >> 24), (uint8_t)(x >> 16), (uint8_t)(x >> 8), (uint8_t)x};
	size_t skip = 0;

	while (skip < 4 && v[skip] == 0 && !(v[skip + 1] & 0x80))
		skip++;
	tlv(b, 0x02, v + skip, 5 - skip);
}

static void when(struct buf *b, int64_t t)
{
	char text[32], out[16];

	tdxv_time_text(text, sizeof text, t);
	snprintf(out, sizeof out, "%.4s%.2s%.2s%.2s%.2s%.2sZ", text, text + 5, text + 8, text + 11,
		 text + 14, text + 17);
	if (memcmp(out, "2050", 4) < 0)
		tlv(b, 0x17, out + 2, 13);
	else
		tlv(b, 0x18, out, 15);
}

static void name(struct buf *out, const char *cn)
{
	struct buf pair = fresh(), seq = fresh(), set = fresh();

	tlv(&pair, 0x06, "\x55\x04\x03", 3);
	tlv(&pair, 0x0c, cn, strlen(cn));
	wrap(&seq, 0x30, &pair);
	wrap(&set, 0x31, &seq);
	wrap(out, 0x30, &set);
}

static void ecdsa_sha256(struct buf *b)
{
	tlv(b, 0x30, "\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02", 10);
}

static void extension(struct buf *out, const char *oid, size_t oid_n, struct buf *value)
{
	struct buf ext = fresh();

	tlv(&ext, 0x06, oid, oid_n);
	wrap(&ext, 0x04, value);
	wrap(out, 0x30, &ext);
}

/* {arc.last, value} */
static void sgx_entry(struct buf *out, const uint8_t *oid, size_t n, uint8_t tag, const void *p,
		      size_t len)
{
	struct buf b = fresh();

	tlv(&b, 0x06, oid, n);
	tlv(&b, tag, p, len);
	wrap(out, 0x30, &b);
}

/* Platform instance id, and the configuration: three flags. */
static void platform_entries(struct buf *list, uint8_t oid[11])
{
	struct buf flags = fresh(), seq = fresh(), entry = fresh();
	uint8_t id[16] = {9};

	oid[9] = 6;
	sgx_entry(list, oid, 10, 0x04, id, 16);
	oid[9] = 7;
	tlv(&entry, 0x06, oid, 10);
	for (oid[10] = 1; oid[10] <= 3; oid[10]++)
		sgx_entry(&flags, oid, 11, 0x01, "\xff", 1);
	wrap(&seq, 0x30, &flags);
	must(buf_add(&entry, seq.p, seq.len));
	buf_free(&seq);
	wrap(list, 0x30, &entry);
}

static void sgx_extension(struct buf *out, const struct forge *f)
{
	uint8_t oid[11] = {0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01};
	struct buf list = fresh(), tcb = fresh(), tcb_seq = fresh(), entry;
	unsigned i;

	oid[9] = 1;
	sgx_entry(&list, oid, 10, 0x04, f->ppid, 16);
	oid[9] = 2;
	for (i = 1; i <= 17; i++) {
		if (i == f->no_tcb_entry)
			continue;
		entry = fresh();
		oid[10] = (uint8_t)i;
		tlv(&entry, 0x06, oid, 11);
		integer(&entry, i == 17 ? f->pcesvn : f->comp_svn[i - 1]);
		wrap(&tcb, 0x30, &entry);
	}
	oid[10] = 18;
	if (f->no_tcb_entry != 18)
		sgx_entry(&tcb, oid, 11, 0x04, f->comp_svn, 16);
	entry = fresh();
	tlv(&entry, 0x06, oid, 10);
	wrap(&tcb_seq, 0x30, &tcb);
	must(buf_add(&entry, tcb_seq.p, tcb_seq.len));
	buf_free(&tcb_seq);
	wrap(&list, 0x30, &entry);
	oid[9] = 3;
	sgx_entry(&list, oid, 10, 0x04, f->pceid, 2);
	oid[9] = 4;
	if (!f->no_fmspc)
		sgx_entry(&list, oid, 10, 0x04, f->fmspc, 6);
	oid[9] = 5;
	sgx_entry(&list, oid, 10, 0x0a, "\x01", 1);
	if (f->has_platform)
		platform_entries(&list, oid);
	if (f->sgx_more.n)
		must(buf_add(&list, f->sgx_more.p, f->sgx_more.n));
	wrap(out, 0x30, &list);
}

/* A key's identifier as Intel makes it: the issuer's SKI is the AKI of what it signs. */
static void key_id(uint8_t id[SHA_DIGEST_LENGTH], enum forge_key k)
{
	key(k);
	SHA1(keys[k].point, 65, id);
}

static void authority_key_id(struct buf *list, enum forge_key signer)
{
	uint8_t id[SHA_DIGEST_LENGTH];
	struct buf inner = fresh(), v = fresh();

	key_id(id, signer);
	tlv(&inner, 0x80, id, sizeof id);
	wrap(&v, 0x30, &inner);
	extension(list, "\x55\x1d\x23", 3, &v);
}

static void extensions(struct buf *out, const struct forge_cert *c, const struct forge *pck)
{
	struct buf list = fresh(), seq = fresh(), v = fresh(), inner = fresh();
	uint8_t bits[4] = {0x03, 0x02, 0x00, (uint8_t)c->usage}, id[SHA_DIGEST_LENGTH];

	key_id(id, c->key);
	tlv(&v, 0x04, id, sizeof id);
	extension(&list, "\x55\x1d\x0e", 3, &v);
	authority_key_id(&list, c->signer);
	tlv(&v, 0x30, "", 0);
	extension(&list, "\x55\x1d\x1f", 3, &v);
	must(buf_add(&v, bits, 4));
	extension(&list, "\x55\x1d\x0f", 3, &v);
	if (c->is_ca)
		tlv(&inner, 0x01, "\xff", 1);
	wrap(&v, 0x30, &inner);
	if (!c->no_constraints)
		extension(&list, "\x55\x1d\x13", 3, &v);
	buf_free(&v);
	if (pck) {
		sgx_extension(&v, pck);
		extension(&list, "\x2a\x86\x48\x86\xf8\x4d\x01\x0d\x01", 9, &v);
	}
	if (c->more_extensions.n)
		must(buf_add(&list, c->more_extensions.p, c->more_extensions.n));
	wrap(&seq, 0x30, &list);
	wrap(out, 0xa3, &seq);
}

void forge_seal(struct buf *out, const uint8_t *tbs, size_t size, enum forge_key signer)
{
	struct buf outer = fresh(), bits = fresh();
	uint8_t sig[81] = {0};
	size_t n = sign(sig + 1, signer, tbs, size);

	must(buf_add(&outer, tbs, size));
	ecdsa_sha256(&outer);
	tlv(&bits, 0x03, sig, n + 1);
	must(buf_add(&outer, bits.p, bits.len));
	buf_free(&bits);
	wrap(out, 0x30, &outer);
}

void forge_pem(struct buf *out, const char *label, const uint8_t *der, size_t n)
{
	char *text = malloc(n * 2 + 8);

	EVP_EncodeBlock((uint8_t *)text, der, (int)n);
	must(buf_printf(out, "-----BEGIN %s-----\n", label) && buf_add_str(out, text) &&
	     buf_printf(out, "\n-----END %s-----\n", label));
	free(text);
}

static void seal(struct buf *out, struct buf *tbs, enum forge_key signer)
{
	forge_seal(out, tbs->p, tbs->len, signer);
	buf_free(tbs);
}

static void cert(struct buf *out, const struct forge_cert *c, const struct forge *pck)
{
	struct buf tbs = fresh(), v = fresh(), seq = fresh(), spki = fresh(), der = fresh();
	uint8_t bits[66] = {0};

	tlv(&v, 0x02, "\x02", 1);
	wrap(&tbs, 0xa0, &v);
	if (c->serial_der.n)
		must(buf_add(&tbs, c->serial_der.p, c->serial_der.n));
	else
		integer(&tbs, c->serial);
	ecdsa_sha256(&tbs);
	name(&tbs, c->issuer);
	when(&seq, c->from);
	when(&seq, c->to);
	wrap(&tbs, 0x30, &seq);
	if (c->name_der.n)
		must(buf_add(&tbs, c->name_der.p, c->name_der.n));
	else
		name(&tbs, c->name);
	key(c->key);
	memcpy(bits + 1, keys[c->key].point, 65);
	tlv(&spki, 0x30,
	    "\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07", 19);
	tlv(&spki, 0x03, bits, 66);
	wrap(&tbs, 0x30, &spki);
	extensions(&tbs, c, pck);
	wrap(&seq, 0x30, &tbs);
	seal(&der, &seq, c->signer);
	forge_pem(out, "CERTIFICATE", der.p, der.len);
	buf_free(&der);
}

static void crl(struct buf *out, const struct forge_crl *c)
{
	struct buf tbs = fresh(), seq = fresh(), v = fresh(), entry = fresh(), list = fresh();
	unsigned i;

	integer(&tbs, 1);
	ecdsa_sha256(&tbs);
	name(&tbs, c->issuer);
	when(&tbs, c->from);
	when(&tbs, c->to);
	for (i = 0; c->revoked && i <= c->more; i++) {
		if (c->revoked_der.n)
			must(buf_add(&entry, c->revoked_der.p, c->revoked_der.n));
		else
			integer(&entry, c->revoked + i);
		when(&entry, c->from);
		wrap(&seq, 0x30, &entry);
	}
	if (c->revoked)
		wrap(&tbs, 0x30, &seq);
	for (i = 0; !c->no_number && i <= (c->number_twice ? 1u : 0u); i++) {
		if (c->number_der.n)
			must(buf_add(&v, c->number_der.p, c->number_der.n));
		else
			integer(&v, 1);
		extension(&list, "\x55\x1d\x14", 3, &v);
	}
	authority_key_id(&list, c->signer);
	wrap(&seq, 0x30, &list);
	wrap(&tbs, 0xa0, &seq);
	wrap(&seq, 0x30, &tbs);
	seal(out, &seq, c->signer);
}

/* -- JSON -- */

static void advisories(struct buf *b, const struct forge_level *l)
{
	if (l->advisory)
		must(buf_printf(b, ",\"advisoryIDs\":[\"%s\"]", l->advisory));
}

static void isvsvn_levels(struct buf *b, const struct forge_level *l, unsigned n)
{
	unsigned i;

	must(buf_add_str(b, ",\"tcbLevels\":["));
	for (i = 0; i < n; i++) {
		must(buf_printf(
		    b, "%s{\"tcb\":{\"isvsvn\":%u},\"tcbDate\":\"%s\",\"tcbStatus\":\"%s\"",
		    i ? "," : "", l[i].sgx, l[i].date, l[i].status));
		advisories(b, &l[i]);
		must(buf_add_str(b, "}"));
	}
	must(buf_add_str(b, "]"));
}

/* empty: a component without an SVN, or -1. */
static void components(struct buf *b, const char *what, unsigned svn, int empty)
{
	int i;

	must(buf_printf(b, "\"%s\":[", what));
	for (i = 0; i < 16; i++)
		must(buf_printf(b, "%s{\"svn\":%u}", i ? "," : "", i == empty ? 0 : svn));
	must(buf_add_str(b, "]"));
}

static void sign_body(struct buf *out, const char *what, struct buf *body, enum forge_key signer)
{
	uint8_t raw[64];
	char hex[129];

	forge_sign(raw, signer, body->p, body->len);
	hex_encode(hex, raw, 64);
	must(buf_printf(out, "{\"%s\":", what) && buf_add(out, body->p, body->len) &&
	     buf_printf(out, ",\"signature\":\"%s\"}", hex));
	buf_free(body);
}

static void substitute(struct buf *b, const char *find, const char *replace)
{
	struct buf out = fresh();
	const uint8_t *at = find ? memmem(b->p, b->len, find, strlen(find)) : NULL;
	size_t before;

	if (!find)
		return;
	must(at != NULL);
	before = (size_t)(at - b->p);
	must(buf_add(&out, b->p, before) && buf_add_str(&out, replace) &&
	     buf_add(&out, at + strlen(find), b->len - before - strlen(find)));
	buf_free(b);
	*b = out;
}

static void tcb_info(struct buf *out, const struct forge *f)
{
	struct buf b = fresh();
	bool tdx = strcmp(f->tcb_id, "TDX") == 0;
	unsigned i;

	must(buf_printf(&b,
			"{\"id\":\"%s\",\"version\":%u,\"issueDate\":\"%s\",\"nextUpdate\":\"%s\","
			"\"fmspc\":\"%s\",\"pceId\":\"%s\",\"tcbType\":0,"
			"\"tcbEvaluationDataNumber\":%u",
			f->tcb_id, f->tcb_version, f->tcb_issued, f->tcb_next, f->tcb_fmspc,
			f->tcb_pceid, f->tcb_number));
	if (tdx) {
		must(buf_printf(&b,
				",\"tdxModule\":{\"mrsigner\":\"%s\",\"attributes\":\"%s\","
				"\"attributesMask\":\"FFFFFFFFFFFFFFFF\"}",
				f->module_mrsigner, f->module_attributes));
		must(buf_printf(&b,
				",\"tdxModuleIdentities\":[{\"id\":\"%s\",\"mrsigner\":\"%s\","
				"\"attributes\":\"%s\",\"attributesMask\":\"FFFFFFFFFFFFFFFF\"",
				f->module_id, f->module_mrsigner, f->module_attributes));
		isvsvn_levels(&b, f->module_level, f->n_module_levels);
		must(buf_add_str(&b, "}]"));
	}
	must(buf_printf(&b, "%s,\"tcbLevels\":[", f->tcb_extra ? f->tcb_extra : ""));
	for (i = 0; i < f->n_levels; i++) {
		must(buf_printf(&b, "%s{\"tcb\":{", i ? "," : ""));
		components(&b, "sgxtcbcomponents", f->level[i].sgx, -1);
		must(buf_printf(&b, ",\"pcesvn\":%u", f->level[i].pcesvn));
		if (tdx) {
			must(buf_add_str(&b, ","));
			/* Component 1 is the module's version: Intel gives it no SVN. */
			components(&b, "tdxtcbcomponents", f->level[i].tdx, 1);
		}
		must(buf_printf(&b, "},\"tcbDate\":\"%s\",\"tcbStatus\":\"%s\"", f->level[i].date,
				f->level[i].status));
		advisories(&b, &f->level[i]);
		must(buf_add_str(&b, "}"));
	}
	must(buf_add_str(&b, "]}"));
	substitute(&b, f->tcb_find, f->tcb_replace);
	sign_body(out, "tcbInfo", &b, f->tcb_signer);
}

static void qe_identity(struct buf *out, const struct forge *f)
{
	struct buf b = fresh();

	must(buf_printf(&b,
			"{\"id\":\"%s\",\"version\":%u,\"issueDate\":\"%s\",\"nextUpdate\":\"%s\","
			"\"tcbEvaluationDataNumber\":%u,\"miscselect\":\"%s\","
			"\"miscselectMask\":\"FFFFFFFF\",\"attributes\":\"%s\","
			"\"attributesMask\":\"FBFFFFFFFFFFFFFF0000000000000000\","
			"\"mrsigner\":\"%s\",\"isvprodid\":%u",
			f->qe_id, f->qe_version, f->qe_issued, f->qe_next,
			f->qe_number ? f->qe_number : f->tcb_number, f->qe_misc, f->qe_attributes,
			f->qe_mrsigner, f->qe_prodid));
	isvsvn_levels(&b, f->qe_level, f->n_qe_levels);
	must(buf_add_str(&b, "}"));
	substitute(&b, f->qe_find, f->qe_replace);
	sign_body(out, "enclaveIdentity", &b, f->qe_signer);
}

/* -- Quote -- */

static void le(struct buf *b, uint32_t x, size_t n)
{
	uint8_t v[4] = {(uint8_t)x, (uint8_t)(x >> 8), (uint8_t)(x >> 16), (uint8_t)(x >> 24)};

	must(buf_add(b, v, n));
}

static void quote(struct buf *out, const struct forge *f, const struct buf *ca,
		  const struct buf *root)
{
	static const uint8_t vendor[16] = {0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9,
					   0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07};
	uint8_t user[20] = {0}, sig[64], report[TDXV_SGX_SIZE], joined[64 + 2048] = {0};
	struct buf tail = fresh(), chain = fresh();
	bool tdx = f->body_type != TDXV_BODY_SGX;

	le(out, f->version, 2);
	le(out, 2, 2);
	le(out, tdx ? 0x81 : 0, 4);
	le(out, 0, 4);
	must(buf_add(out, vendor, 16) && buf_add(out, user, 20));
	if (f->version == 5) {
		le(out, (uint32_t)f->body_type, 2);
		le(out, (uint32_t)tdxv_body_size(f->body_type), 4);
	}
	must(buf_add(out, f->body, tdxv_body_size(f->body_type)));
	forge_sign(sig, f->quote_signer, out->p, out->len);
	key(f->attestation_key);
	memcpy(joined, keys[f->attestation_key].point + 1, 64);
	joined[63] ^= f->key_off_curve;
	memset(joined + 64, 0x5a, f->auth_size);
	memcpy(report, f->qe_report, sizeof report);
	if (!f->keep_report_data)
		SHA256(joined, 64 + f->auth_size, report + 320);

	must(buf_add(&tail, report, sizeof report));
	if (f->pck_chain.n) {
		must(buf_add(&chain, f->pck_chain.p, f->pck_chain.n));
	} else {
		cert(&chain, &f->pck, f);
		must(buf_add(&chain, ca->p, ca->len) && buf_add(&chain, root->p, root->len));
		must(buf_add(&chain, "", 1)); /* the NUL that real ones end in */
	}
	{
		uint8_t qe_sig[64];

		forge_sign(qe_sig, f->qe_report_signer, report, sizeof report);
		must(buf_add(&tail, qe_sig, 64));
	}
	le(&tail, f->auth_size, 2);
	must(buf_add(&tail, joined + 64, f->auth_size));
	le(&tail, f->cert_type, 2);
	le(&tail, (uint32_t)chain.len, 4);
	must(buf_add(&tail, chain.p, chain.len));

	le(out, (uint32_t)(128 + (f->version > 3 ? 6 : 0) + tail.len), 4);
	must(buf_add(out, sig, 64) && buf_add(out, joined, 64));
	if (f->version > 3) {
		le(out, 6, 2);
		le(out, (uint32_t)tail.len, 4);
	}
	must(buf_add(out, tail.p, tail.len));
	buf_free(&tail);
	buf_free(&chain);
}

void forge_resign(uint8_t *bytes, size_t n)
{
	uint8_t joined[64 + 65536];
	struct tdxv_quote q;

	if (tdxv_quote_parse(&q, bytes, n, NULL) != TDXV_OK)
		return;
	key(KEY_ATTESTATION);
	memcpy(bytes + (q.attestation_key.p - bytes), keys[KEY_ATTESTATION].point + 1, 64);
	memcpy(joined, q.attestation_key.p, 64);
	memcpy(joined + 64, q.qe_auth_data.p, q.qe_auth_data.n);
	SHA256(joined, 64 + q.qe_auth_data.n, bytes + (q.qe_report.p - bytes) + 320);
	forge_sign(bytes + (q.qe_report_signature.p - bytes), KEY_PCK, q.qe_report.p,
		   q.qe_report.n);
	forge_sign(bytes + (q.signature.p - bytes), KEY_ATTESTATION, q.signed_part.p,
		   q.signed_part.n);
}

/* -- Together -- */

void forge_init_kind(struct forge *f, unsigned version, enum tdxv_body body)
{
	static const char zero48[] = "000000000000000000000000000000000000000000000000"
				     "000000000000000000000000000000000000000000000000";
	static const char signer[] =
	    "dc9e2a7c6f948f17474e34a7fc43ed030f7c1563f1babddf6340c82e0e54a8c5";
	const int64_t from = FORGE_NOW - FORGE_YEAR, to = FORGE_NOW + 20ll * FORGE_YEAR;
	bool tdx = body != TDXV_BODY_SGX;
	unsigned i;

	memset(f, 0, sizeof *f);
	f->root = (struct forge_cert){"Intel SGX Root CA",
				      "Intel SGX Root CA",
				      KEY_ROOT,
				      KEY_ROOT,
				      from,
				      FORGE_NOW + 30ll * FORGE_YEAR,
				      true,
				      false,
				      0x06,
				      11,
				      {NULL, 0},
				      {NULL, 0},
				      {NULL, 0}};
	f->ca = (struct forge_cert){"Intel SGX PCK Platform CA",
				    "Intel SGX Root CA",
				    KEY_CA,
				    KEY_ROOT,
				    from,
				    to,
				    true,
				    false,
				    0x06,
				    12,
				    {NULL, 0},
				    {NULL, 0},
				    {NULL, 0}};
	f->pck = (struct forge_cert){"Intel SGX PCK Certificate",
				     "Intel SGX PCK Platform CA",
				     KEY_PCK,
				     KEY_CA,
				     from,
				     to,
				     false,
				     false,
				     0xc0,
				     13,
				     {NULL, 0},
				     {NULL, 0},
				     {NULL, 0}};
	f->tcb = (struct forge_cert){"Intel SGX TCB Signing",
				     "Intel SGX Root CA",
				     KEY_TCB,
				     KEY_ROOT,
				     from,
				     to,
				     false,
				     false,
				     0xc0,
				     14,
				     {NULL, 0},
				     {NULL, 0},
				     {NULL, 0}};
	f->root_crl = (struct forge_crl){.issuer = "Intel SGX Root CA",
					 .signer = KEY_ROOT,
					 .from = FORGE_NOW - FORGE_DAY,
					 .to = FORGE_NOW + FORGE_YEAR};
	f->pck_crl = (struct forge_crl){.issuer = "Intel SGX PCK Platform CA",
					.signer = KEY_CA,
					.from = FORGE_NOW - FORGE_DAY,
					.to = FORGE_NOW + 30 * FORGE_DAY};
	f->ppid[0] = 7;
	memcpy(f->fmspc, "\x90\xc0\x6f\x00\x00\x00", 6);
	memset(f->comp_svn, 5, 16);
	f->pcesvn = 11;

	f->tcb_id = tdx ? "TDX" : "SGX";
	f->tcb_version = 3;
	f->tcb_issued = "2026-01-10T00:00:00Z";
	f->tcb_next = "2026-02-09T00:00:00Z";
	f->tcb_fmspc = "90C06F000000";
	f->tcb_pceid = "0000";
	f->tcb_number = 17;
	f->tcb_signer = f->qe_signer = KEY_TCB;
	f->n_levels = 2;
	f->level[0] = (struct forge_level){5, 11, 5, "UpToDate", "2024-03-13T00:00:00Z", NULL};
	f->level[1] =
	    (struct forge_level){3, 5, 3, "OutOfDate", "2023-08-09T00:00:00Z", "INTEL-SA-00001"};
	f->module_id = "TDX_01";
	f->module_mrsigner = zero48;
	f->module_attributes = "0000000000000000";
	f->n_module_levels = 2;
	f->module_level[0] =
	    (struct forge_level){5, 0, 0, "UpToDate", "2024-03-13T00:00:00Z", NULL};
	f->module_level[1] =
	    (struct forge_level){3, 0, 0, "OutOfDate", "2023-08-09T00:00:00Z", "INTEL-SA-00002"};
	f->qe_id = tdx ? "TD_QE" : "QE";
	f->qe_version = 2;
	f->qe_issued = "2026-01-10T00:00:00Z";
	f->qe_next = "2026-02-09T00:00:00Z";
	f->qe_mrsigner = signer;
	f->qe_attributes = "11000000000000000000000000000000";
	f->qe_misc = "00000000";
	f->qe_prodid = 2;
	f->n_qe_levels = 2;
	f->qe_level[0] = (struct forge_level){4, 0, 0, "UpToDate", "2024-03-13T00:00:00Z", NULL};
	f->qe_level[1] =
	    (struct forge_level){2, 0, 0, "OutOfDate", "2023-08-09T00:00:00Z", "INTEL-SA-00003"};

	f->version = version;
	f->body_type = body;
	if (tdx) {
		memset(f->body, 5, 16);
		f->body[1] = 1;
		f->body[TDXV_TD_TDATTRIBUTES + 3] = 0x10; /* SEPT_VE_DISABLE */
		f->body[TDXV_TD_XFAM] = 0xe7;
		for (i = 0; i < 5; i++)
			memset(f->body + (i ? TDXV_TD_RTMR0 + 48 * (i - 1) : TDXV_TD_MRTD),
			       (int)(0xa0 + i), 48);
		if (body != TDXV_BODY_TD10)
			memcpy(f->body + TDXV_TD_TEE_TCB_SVN2, f->body, 16);
	}
	f->qe_report[48] = 0x11;
	must(hex_decode(f->qe_report + 128, 32, signer, 64));
	f->qe_report[256] = 2;
	f->qe_report[258] = 4;
	f->auth_size = 32;
	f->cert_type = 5;
	f->attestation_key = f->quote_signer = KEY_ATTESTATION;
	f->qe_report_signer = KEY_PCK;
}

void forge_public_key(uint8_t point[64], enum forge_key k)
{
	key(k);
	memcpy(point, keys[k].point + 1, 64);
}

void forge_root_key(uint8_t point[64])
{
	forge_public_key(point, KEY_ROOT);
}

void forge_init(struct forge *f)
{
	forge_init_kind(f, 4, TDXV_BODY_TD10);
}

void forge_build(struct forged *x, const struct forge *f)
{
	struct buf ca = fresh();

	*x =
	    (struct forged){fresh(), fresh(), fresh(), fresh(), fresh(), fresh(), fresh(), fresh()};
	/* The same certificate bytes wherever they are carried, as Intel does it. */
	cert(&x->root, &f->root, NULL);
	cert(&ca, &f->ca, NULL);
	quote(&x->quote, f, &ca, &x->root);
	tcb_info(&x->tcb_info, f);
	qe_identity(&x->qe_identity, f);
	cert(&x->tcb_chain, &f->tcb, NULL);
	must(buf_add(&x->tcb_chain, x->root.p, x->root.len));
	must(buf_add(&x->pck_crl_chain, ca.p, ca.len) &&
	     buf_add(&x->pck_crl_chain, x->root.p, x->root.len));
	crl(&x->pck_crl, &f->pck_crl);
	crl(&x->root_crl, &f->root_crl);
	buf_free(&ca);
}

void forged_free(struct forged *x)
{
	struct buf *b[] = {&x->quote,   &x->tcb_info,      &x->qe_identity, &x->tcb_chain,
			   &x->pck_crl, &x->pck_crl_chain, &x->root_crl,    &x->root};
	size_t i;

	for (i = 0; i < sizeof b / sizeof b[0]; i++)
		buf_free(b[i]);
}

static struct tdxv_bytes view(const struct buf *b)
{
	return (struct tdxv_bytes){b->p, b->len};
}

void forged_input(struct tdxv_collateral_input *in, const struct forged *x)
{
	*in = (struct tdxv_collateral_input){
	    .tcb_info = view(&x->tcb_info),
	    .qe_identity = view(&x->qe_identity),
	    .tcb_signing_chain = view(&x->tcb_chain),
	    .pck_crl = view(&x->pck_crl),
	    .pck_crl_issuer_chain = view(&x->pck_crl_chain),
	    .root_ca_crl = view(&x->root_crl),
	};
}

void forged_verify(struct tdxv_verdict *v, struct tdxv_collateral **c, const struct forged *x,
		   const struct tdxv_policy *policy, int64_t now)
{
	struct tdxv_collateral_input in;
	struct tdxv_why why;

	forged_input(&in, x);
	if (tdxv_collateral_new(c, &in, view(&x->root), &why) != TDXV_OK) {
		fprintf(stderr, "%s\n", why.text);
		abort();
	}
	tdxv_verify(v, x->quote.p, x->quote.len, *c, policy, NULL, now);
}
