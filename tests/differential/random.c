#include "tests/differential/cases.h"
#include "tests/differential/edit.h"
#include "tests/differential/subject.h"
#include "verifier/internal.h"

#include <stdlib.h>
#include <string.h>

#define ROOM (1u << 18)

static struct buf fresh(void)
{
	struct buf b;

	buf_init(&b, ROOM);
	return b;
}

static void become(struct buf *b, struct buf *other)
{
	buf_free(b);
	*b = *other;
}

/* -- Signed DER -- */

/* Edits the signed part and seals it again, or edits the whole after signing. */
static void edit_signed(struct buf *out, struct rng *r, struct tdxv_bytes der,
			enum forge_key signer, char *what, size_t cap)
{
	struct tdxv_bytes in = der, outer, value, tbs;
	struct buf edited = fresh();

	if (rng_below(r, 6) == 0 || !tdxv__der_take(&in, DER_SEQUENCE, &outer, NULL) ||
	    !tdxv__der_take(&outer, DER_SEQUENCE, &value, &tbs)) {
		edit_der(out, r, der.p, der.n, what, cap);
	} else {
		edit_der(&edited, r, tbs.p, tbs.n, what, cap);
		forge_seal(out, edited.p, edited.len, signer);
	}
	buf_free(&edited);
}

static struct buf der_of(struct tdxv_bytes *pem)
{
	struct buf der = fresh();
	uint8_t bytes[CERT_DER_MAX];
	size_t n;
	bool wrong;

	if (!tdxv__pem_next(pem, "CERTIFICATE", bytes, sizeof bytes, &n, &wrong))
		abort(); /* the forge made it */
	buf_add(&der, bytes, n);
	return der;
}

/* The chain with its first certificate edited; what followed it follows. */
static void edit_first_cert(struct buf *pem, struct rng *r, enum forge_key signer, char *what,
			    size_t cap)
{
	struct tdxv_bytes rest = {pem->p, pem->len};
	struct buf der = der_of(&rest), edited = fresh(), out = fresh();

	edit_signed(&edited, r, (struct tdxv_bytes){der.p, der.len}, signer, what, cap);
	forge_pem(&out, "CERTIFICATE", edited.p, edited.len);
	rest.p += 1; /* the newline that ends the first */
	rest.n -= 1;
	buf_add(&out, rest.p, rest.n);
	become(pem, &out);
	buf_free(&der);
	buf_free(&edited);
}

static void edit_crl(struct buf *crl, struct rng *r, enum forge_key signer, char *what, size_t cap)
{
	struct buf out = fresh();

	edit_signed(&out, r, (struct tdxv_bytes){crl->p, crl->len}, signer, what, cap);
	become(crl, &out);
}

/* -- The quote -- */

static struct buf chain_of(const struct buf *quote)
{
	struct buf chain = fresh();
	struct tdxv_quote q;

	if (tdxv_quote_parse(&q, quote->p, quote->len, NULL) != TDXV_OK)
		abort();
	buf_add(&chain, q.cert_data.p, q.cert_data.n);
	return chain;
}

static void set_chain(struct buf *quote, const struct buf *chain)
{
	struct buf out = fresh();

	subject_rewrap(&out, quote->p, quote->len, chain->p, chain->len);
	become(quote, &out);
}

static void edit_leaf(struct buf *quote, struct rng *r, char *what, size_t cap)
{
	struct buf chain = chain_of(quote);

	edit_first_cert(&chain, r, KEY_CA, what, cap);
	set_chain(quote, &chain);
	buf_free(&chain);
}

static void edit_quote_pem(struct buf *quote, struct rng *r, char *what, size_t cap)
{
	struct buf chain = chain_of(quote), out = fresh();

	edit_pem(&out, r, chain.p, chain.len, what, cap);
	set_chain(quote, &out);
	buf_free(&chain);
	buf_free(&out);
}

/* The CA's certificate in the quote as in the collateral. */
static void edit_ca(struct forged *x, struct rng *r, char *what, size_t cap)
{
	struct buf chain = chain_of(&x->quote), out = fresh();
	struct tdxv_bytes all = {chain.p, chain.len}, rest = all;
	struct buf leaf = der_of(&rest);

	edit_first_cert(&x->pck_crl_chain, r, KEY_ROOT, what, cap);
	forge_pem(&out, "CERTIFICATE", leaf.p, leaf.len);
	buf_add(&out, x->pck_crl_chain.p, x->pck_crl_chain.len);
	buf_add(&out, "", 1);
	set_chain(&x->quote, &out);
	buf_free(&leaf);
	buf_free(&chain);
	buf_free(&out);
}

static void edit_bytes(struct buf *quote, struct rng *r, char *what, size_t cap)
{
	static const uint8_t special[] = {0, 1, 2, 3, 4, 5, 6, 0x7f, 0x80, 0x81, 0xff};
	size_t edits = 1 + rng_below(r, 2), used = 0, at, head, n = quote->len;
	struct tdxv_quote q;

	if (tdxv_quote_parse(&q, quote->p, n, NULL) != TDXV_OK)
		abort();
	head = (size_t)(q.cert_data.p - quote->p);
	while (edits--) {
		switch (rng_below(r, 6)) {
		case 0: at = rng_below(r, 60); break;
		case 1: at = q.signed_part.n + rng_below(r, 4); break;
		case 2: at = q.signed_part.n + 132 + rng_below(r, 6); break;
		case 3: at = (size_t)(q.qe_auth_data.p - quote->p) - 2 + rng_below(r, 2); break;
		case 4: at = head - 6 + rng_below(r, 6); break;
		default: at = rng_below(r, head); break;
		}
		switch (rng_below(r, 3)) {
		case 0: quote->p[at] = special[rng_below(r, sizeof special)]; break;
		case 1: quote->p[at] ^= (uint8_t)(1u << rng_below(r, 8)); break;
		default: quote->p[at] = (uint8_t)(quote->p[at] + (rng_below(r, 2) ? 1 : -1)); break;
		}
		if (used < cap)
			used += (size_t)snprintf(what + used, cap - used, "%sbyte %zu",
						 used ? ", " : "", at);
	}
	if (rng_below(r, 20) == 0)
		quote->len -= 1 + rng_below(r, 700);
	if (rng_below(r, 20) == 0)
		buf_add(quote, "padding", 7);
	if (rng_below(r, 4))
		forge_resign(quote->p, quote->len);
}

/* -- JSON -- */

static void edit_body(struct buf *text, struct rng *r, const char *name, char *what, size_t cap)
{
	struct buf body = fresh(), out = fresh();
	struct tdxv_bytes old = {0};
	uint8_t signature[64];
	struct tdxv_why why;
	char hex[129];

	if (!tdxv__json_signed((struct tdxv_bytes){text->p, text->len}, name, &old, signature,
			       &why))
		abort();
	edit_json(&body, r, old.p, old.n, what, cap);
	forge_sign(signature, KEY_TCB, body.p, body.len);
	hex_encode(hex, signature, 64);
	buf_printf(&out, "{\"%s\":", name);
	if (body.len)
		buf_add(&out, body.p, body.len);
	buf_printf(&out, ",\"signature\":\"%s\"}", hex);
	become(text, &out);
	buf_free(&body);
}

/* -- Levels -- */

static const char *random_advisories(struct rng *r)
{
	/* The text of one string of an array; the quotes inside make it several. */
	static const char *const text[] = {
	    NULL,
	    "INTEL-SA-00001",
	    "INTEL-SA-00001\",\"INTEL-SA-00002",
	    "A\",\"B\",\"A",
	    "thirty-one-characters-have-one.",
	    "thirty-two-characters-have-none.",
	    "thirty-three-characters-have-two.",
	    "sixty-three-characters-are-the-most-that-an-identifier-may-have",
	    "sixty-four-characters-are-more-than-what-an-identifier-may-have."};

	return text[rng_below(r, sizeof text / sizeof text[0] - (rng_below(r, 8) != 0))];
}

/* SVN of the i-th level: mostly all different, often down to 0. */
static unsigned random_svn(struct rng *r, unsigned start, unsigned i)
{
	return rng_below(r, 30) ? (start + 3 * i) % 7 : (unsigned)rng_below(r, 7);
}

/* That of a module or enclave, of at most four: mostly falling, as nothing else is read. */
static unsigned falling_svn(struct rng *r, unsigned start, unsigned i)
{
	return rng_below(r, 30) ? 3 + start % 4 - i : (unsigned)rng_below(r, 7);
}

static void random_level(struct forge_level *l, struct rng *r, unsigned svn, size_t statuses)
{
	static const char *const status[] = {"UpToDate",
					     "OutOfDate",
					     "Revoked",
					     "SWHardeningNeeded",
					     "ConfigurationNeeded",
					     "ConfigurationAndSWHardeningNeeded",
					     "OutOfDateConfigurationNeeded"};

	size_t k = rng_below(r, statuses);

	k = k == 2 && rng_below(r, 4) ? 0 : k; /* less often Revoked, which ends the matter */
	*l = (struct forge_level){.sgx = svn,
				  .pcesvn = (unsigned)rng_below(r, 11),
				  .tdx = (unsigned)rng_below(r, 6),
				  .status = status[k],
				  .date = "2024-03-13T00:00:00Z",
				  .advisory = random_advisories(r)};
}

/* Levels of the platform in any order, and SVNs around them. */
static void random_levels(struct forge *f, struct rng *r)
{
	unsigned i, start = (unsigned)rng_below(r, 7);

	f->n_levels = 1 + (unsigned)rng_below(r, 8);
	for (i = 0; i < f->n_levels; i++)
		random_level(&f->level[i], r, random_svn(r, start, i), 7);
	f->n_module_levels = 1 + (unsigned)rng_below(r, 4);
	for (i = 0; i < f->n_module_levels; i++)
		random_level(&f->module_level[i], r, falling_svn(r, start, i), 3);
	f->n_qe_levels = 1 + (unsigned)rng_below(r, 4);
	for (i = 0; i < f->n_qe_levels; i++)
		random_level(&f->qe_level[i], r, falling_svn(r, start + 1, i), 3);
	for (i = 0; i < 4; i++) {
		f->comp_svn[rng_below(r, 16)] = (uint8_t)(3 + rng_below(r, 4));
		f->body[2 + rng_below(r, 14)] = (uint8_t)(3 + rng_below(r, 4));
		f->body[TDXV_TD_TEE_TCB_SVN2 + 2 + rng_below(r, 14)] =
		    (uint8_t)(3 + rng_below(r, 4));
	}
	f->pcesvn = 6 + (unsigned)rng_below(r, 8);
	f->body[0] = (uint8_t)rng_below(r, 8);
	f->body[1] = (uint8_t)rng_below(r, 2);
	f->body[TDXV_TD_TEE_TCB_SVN2] = (uint8_t)rng_below(r, 8);
	f->body[TDXV_TD_TEE_TCB_SVN2 + 1] = (uint8_t)rng_below(r, 2);
	f->qe_report[258] = (uint8_t)rng_below(r, 8);
}

/* -- Together -- */

static void base(struct forge *f, struct rng *r)
{
	static const char *const status[] = {"UpToDate", "SWHardeningNeeded", "OutOfDate",
					     "ConfigurationNeeded"};

	if (rng_below(r, 2))
		forge_init(f);
	else
		forge_init_kind(f, 5, rng_below(r, 3) ? TDXV_BODY_TD15 : TDXV_BODY_TD10);
	f->level[0].status = status[rng_below(r, 4)];
	f->level[0].advisory = rng_below(r, 2) ? "INTEL-SA-00100" : NULL;
	f->root_crl.revoked = rng_below(r, 2) ? 99 : 0;
	f->pck_crl.revoked = rng_below(r, 2) ? 98 : 0;
	f->root_crl.more = f->pck_crl.more = (unsigned)rng_below(r, 3);
	f->has_platform = rng_below(r, 2);
	if (rng_below(r, 4) == 0)
		f->auth_size = (unsigned)rng_below(r, 100);
}

static void one(FILE *out, struct rng *r, unsigned number)
{
	static const char *const kind[] = {"quote",       "PEM",      "PCK",     "PCK CA",
					   "TCB signing", "root CRL", "PCK CRL", "TCB info",
					   "QE identity", "levels"};
	char what[160] = "", id[256];
	size_t k = rng_below(r, 10);
	struct forge f;
	struct forged x;

	base(&f, r);
	if (k == 9)
		random_levels(&f, r);
	forge_build(&x, &f);
	switch (k) {
	case 0: edit_bytes(&x.quote, r, what, sizeof what); break;
	case 1: edit_quote_pem(&x.quote, r, what, sizeof what); break;
	case 2: edit_leaf(&x.quote, r, what, sizeof what); break;
	case 3: edit_ca(&x, r, what, sizeof what); break;
	case 4: edit_first_cert(&x.tcb_chain, r, KEY_ROOT, what, sizeof what); break;
	case 5: edit_crl(&x.root_crl, r, KEY_ROOT, what, sizeof what); break;
	case 6: edit_crl(&x.pck_crl, r, KEY_CA, what, sizeof what); break;
	case 7: edit_body(&x.tcb_info, r, "tcbInfo", what, sizeof what); break;
	case 8: edit_body(&x.qe_identity, r, "enclaveIdentity", what, sizeof what); break;
	default: break;
	}
	snprintf(id, sizeof id, "random %u: %s: %s", number, kind[k], what);
	subject_write_forged(out, id, &x, FORGE_NOW, FORGE_NOW);
	forged_free(&x);
}

void cases_random(FILE *out, uint64_t seed, unsigned n)
{
	unsigned i;

	for (i = 0; i < n; i++) {
		struct rng r = {seed * 1000003 + i};

		one(out, &r, i);
	}
}
