/*
 * The order of the checks is Intel's; unlike there, a failed one does not hide those that do not
 * depend on it.
 */
#include "verifier/internal.h"

#include <string.h>

#define QE_MISCSELECT 16
#define QE_ATTRIBUTES 48
#define QE_MRSIGNER   128
#define QE_ISVPRODID  256
#define QE_ISVSVN     258
#define QE_REPORTDATA 320

static unsigned u16(const uint8_t *p)
{
	return p[0] | (unsigned)p[1] << 8;
}

static struct tdxv_check *at(struct tdxv_verdict *v, enum tdxv_check_id id)
{
	return &v->check[id];
}

static void window(struct tdxv_verdict *v, enum tdxv_check_id id, int64_t from, int64_t to)
{
	tdxv__judge_window(at(v, id), v->now, from, to);
	if (to < v->collateral_valid_to)
		v->collateral_valid_to = to;
}

static void chain_window(struct tdxv_verdict *v, enum tdxv_check_id id, const struct chain *c)
{
	int64_t from = INT64_MIN, to = INT64_MAX;
	unsigned i;

	if (c->n == 0)
		return;
	for (i = 0; i < c->n; i++) {
		if (c->cert[i].not_before > from)
			from = c->cert[i].not_before;
		if (c->cert[i].not_after < to)
			to = c->cert[i].not_after;
	}
	window(v, id, from, to);
}

static void judge_collateral_times(struct tdxv_verdict *v, const struct tdxv_collateral *c)
{
	chain_window(v, TDXV_CHECK_TCB_SIGNING_TIME, &c->tcb_signer.chain);
	chain_window(v, TDXV_CHECK_QE_SIGNING_TIME, &c->qe_signer.chain);
	chain_window(v, TDXV_CHECK_PCK_CRL_CHAIN_TIME, &c->pck_ca.chain);
	if (c->has_root_crl)
		window(v, TDXV_CHECK_ROOT_CRL_TIME, c->root_crl.this_update,
		       c->root_crl.next_update);
	if (c->has_pck_crl)
		window(v, TDXV_CHECK_PCK_CRL_TIME, c->pck_crl.this_update, c->pck_crl.next_update);
	if (c->has_tcb_info)
		window(v, TDXV_CHECK_TCB_INFO_TIME, c->tcb_info.issued, c->tcb_info.next_update);
	if (c->has_qe_identity)
		window(v, TDXV_CHECK_QE_IDENTITY_TIME, c->qe_identity.issued,
		       c->qe_identity.next_update);
}

static void judge_revocation(struct tdxv_verdict *v, const struct tdxv_collateral *c,
			     const struct verified_chain *k)
{
	const struct cert *leaf = &k->chain.cert[0], *ca = &k->chain.cert[1];
	const struct cert *crl_ca = &c->pck_ca.chain.cert[0];
	struct tdxv_check *check;
	bool ok;

	/* Copies: the chain is given back before the verdict is read. */
	v->ca_serial_size = ca->serial.n;
	memcpy(v->ca_serial, ca->serial.p, ca->serial.n);
	v->leaf_serial_size = leaf->serial.n;
	memcpy(v->leaf_serial, leaf->serial.p, leaf->serial.n);
	if (c->check[TDXV_CHECK_ROOT_CRL_SIGNATURE].status == TDXV_PASS) {
		check = tdxv__judge(at(v, TDXV_CHECK_PCK_CA_NOT_REVOKED),
				    !tdxv__crl_has(&c->root_crl, ca->serial),
				    "its serial number is in the root CRL");
		tdxv__got(check, "serial number", tdxv__hex(v->ca_serial, v->ca_serial_size));
	}
	if (c->check[TDXV_CHECK_PCK_CRL_SIGNATURE].status != TDXV_PASS)
		return;
	/* The same name under another key would be another CA. */
	ok = tdxv__bytes_eq(c->pck_crl.issuer, leaf->issuer) &&
	     memcmp(crl_ca->key, ca->key, 64) == 0;
	check = tdxv__judge(at(v, TDXV_CHECK_PCK_CRL_ISSUER), ok,
			    "the CRL and the PCK certificate come from different CAs");
	tdxv__want(check, "CRL of", tdxv__text_bytes(crl_ca->common_name));
	if (!ok)
		return;
	check = tdxv__judge(at(v, TDXV_CHECK_PCK_LEAF_NOT_REVOKED),
			    !tdxv__crl_has(&c->pck_crl, leaf->serial),
			    "its serial number is in the PCK CRL");
	tdxv__got(check, "serial number", tdxv__hex(v->leaf_serial, v->leaf_serial_size));
}

static void judge_bindings(struct tdxv_verdict *v, const struct tdxv_collateral *c)
{
	struct tdxv_check *check;

	if (c->has_tcb_info) {
		check = tdxv__judge(at(v, TDXV_CHECK_TCB_INFO_TEE), c->tcb_info.tdx == v->quote.tdx,
				    "it is for another kind of TEE");
		tdxv__got(check, "quote", tdxv__text(v->quote.tdx ? "TDX" : "SGX"));
		tdxv__want(check, "TCB info", tdxv__text(c->tcb_info.tdx ? "TDX" : "SGX"));
	}
	if (c->has_qe_identity) {
		static const char *const name[] = {"QE", "TD_QE", "QVE"};
		enum qe_kind want = v->quote.tdx ? QE_TDX : QE_SGX;

		check = tdxv__judge(at(v, TDXV_CHECK_QE_IDENTITY_TEE), c->qe_identity.kind == want,
				    "it is for another enclave");
		tdxv__got(check, "QE identity", tdxv__text(name[c->qe_identity.kind]));
		tdxv__want(check, "needed", tdxv__text(name[want]));
	}
	if (!c->has_tcb_info || at(v, TDXV_CHECK_PCK_EXTENSION)->status != TDXV_PASS)
		return;
	check = tdxv__judge(at(v, TDXV_CHECK_TCB_INFO_FMSPC),
			    memcmp(v->pck.fmspc, c->tcb_info.fmspc, 6) == 0,
			    "it is for another platform");
	tdxv__got(check, "PCK certificate", tdxv__hex(v->pck.fmspc, 6));
	tdxv__want(check, "TCB info", tdxv__hex(c->tcb_info.fmspc, 6));
	check =
	    tdxv__judge(at(v, TDXV_CHECK_TCB_INFO_PCEID),
			memcmp(v->pck.pceid, c->tcb_info.pceid, 2) == 0, "it is for another PCE");
	tdxv__got(check, "PCK certificate", tdxv__hex(v->pck.pceid, 2));
	tdxv__want(check, "TCB info", tdxv__hex(c->tcb_info.pceid, 2));
}

static bool masked_equal(const uint8_t *have, const uint8_t *mask, const uint8_t *want, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if ((have[i] & mask[i]) != want[i])
			return false;
	return true;
}

static void judge_qe(struct tdxv_verdict *v, const struct tdxv_collateral *c)
{
	const uint8_t *report = v->quote.qe_report.p;
	const struct qe_identity *id = &c->qe_identity;
	struct tdxv_check *check;

	check = tdxv__judge(at(v, TDXV_CHECK_QE_REPORT_PADDING),
			    tdxv__is_zero(report + QE_REPORTDATA + 32, 32), "it is not zero");
	tdxv__got(check, "report data", tdxv__hex(report + QE_REPORTDATA + 32, 32));
	if (!c->has_qe_identity)
		return;
	check = tdxv__judge(
	    at(v, TDXV_CHECK_QE_MISCSELECT),
	    masked_equal(report + QE_MISCSELECT, id->miscselect_mask, id->miscselect, 4),
	    "it differs under the mask");
	tdxv__got(check, "QE", tdxv__hex(report + QE_MISCSELECT, 4));
	tdxv__want(check, "identity", tdxv__hex(id->miscselect, 4));
	check = tdxv__judge(
	    at(v, TDXV_CHECK_QE_ATTRIBUTES),
	    masked_equal(report + QE_ATTRIBUTES, id->attributes_mask, id->attributes, 16),
	    "they differ under the mask");
	tdxv__got(check, "QE", tdxv__hex(report + QE_ATTRIBUTES, 16));
	tdxv__want(check, "identity", tdxv__hex(id->attributes, 16));
	check = tdxv__judge(at(v, TDXV_CHECK_QE_MRSIGNER),
			    memcmp(report + QE_MRSIGNER, id->mrsigner, 32) == 0, "it differs");
	tdxv__got(check, "QE", tdxv__hex(report + QE_MRSIGNER, 32));
	tdxv__want(check, "identity", tdxv__hex(id->mrsigner, 32));
	check = tdxv__judge(at(v, TDXV_CHECK_QE_ISVPRODID),
			    u16(report + QE_ISVPRODID) == id->isvprodid, "it differs");
	tdxv__got(check, "QE", tdxv__number(u16(report + QE_ISVPRODID)));
	tdxv__want(check, "identity", tdxv__number(id->isvprodid));
}

static void judge_signatures(struct tdxv_verdict *v, const struct verified_chain *k)
{
	const struct tdxv_quote *q = &v->quote;
	struct key key;
	bool on_curve;
	struct tdxv_check *check;
	uint8_t hash[32];

	if (k) {
		v->ecdsa_operations++;
		tdxv__judge(at(v, TDXV_CHECK_QE_REPORT_SIGNATURE),
			    tdxv__verify(&k->key, q->qe_report, q->qe_report_signature.p),
			    "the signature does not hold under the PCK certificate's key");
	}
	tdxv__sha256(hash, q->attestation_key, q->qe_auth_data);
	check = tdxv__judge(at(v, TDXV_CHECK_QE_REPORT_BINDING),
			    memcmp(hash, q->qe_report.p + QE_REPORTDATA, 32) == 0,
			    "the report data is not the hash of key and authentication data");
	tdxv__got(check, "report data", tdxv__hex(q->qe_report.p + QE_REPORTDATA, 32));
	on_curve = tdxv__key_load(&key, q->attestation_key.p);
	tdxv__judge(at(v, TDXV_CHECK_QUOTE_KEY), on_curve,
		    "the point is not on the curve, or memory is short");
	if (!on_curve)
		return;
	v->ecdsa_operations++;
	tdxv__judge(at(v, TDXV_CHECK_QUOTE_SIGNATURE),
		    tdxv__verify(&key, q->signed_part, q->signature.p),
		    "the signature does not hold under the attestation key");
	tdxv__key_clear(&key);
}

static void judge_module(struct tdxv_verdict *v, const struct tcb_info *t)
{
	const uint8_t *body = v->quote.body.p, *svn = body + TDXV_TD_TEE_TCB_SVN;
	const struct module *m = &t->plain;
	struct tdxv_check *check;

	if (svn[1] > 0) {
		m = tdxv__module(t, svn);
		check = tdxv__judge(at(v, TDXV_CHECK_TDX_MODULE_KNOWN), m != NULL,
				    "it has no identity of this version");
		tdxv__got(check, "major version", tdxv__number(svn[1]));
		if (!m)
			return;
	}
	check =
	    tdxv__judge(at(v, TDXV_CHECK_TDX_MODULE_SIGNER),
			memcmp(body + TDXV_TD_MRSIGNERSEAM, m->mrsigner, 48) == 0, "it differs");
	tdxv__got(check, "quote", tdxv__hex(body + TDXV_TD_MRSIGNERSEAM, 48));
	tdxv__want(check, "TCB info", tdxv__hex(m->mrsigner, 48));
	check = tdxv__judge(at(v, TDXV_CHECK_TDX_MODULE_ATTRIBUTES),
			    tdxv__is_zero(body + TDXV_TD_SEAMATTRIBUTES, 8) &&
				memcmp(body + TDXV_TD_SEAMATTRIBUTES, m->attributes, 8) == 0,
			    "they are not");
	tdxv__got(check, "quote", tdxv__hex(body + TDXV_TD_SEAMATTRIBUTES, 8));
	tdxv__want(check, "TCB info", tdxv__hex(m->attributes, 8));
}

struct match {
	const struct level *platform, *module, *qe;
	bool module_applies;
};

static bool find_levels(struct match *m, const struct tdxv_verdict *v,
			const struct tdxv_collateral *c, const uint8_t *svn)
{
	const struct module *module;

	*m = (struct match){0};
	m->platform = tdxv__platform_level(&c->tcb_info, &v->pck, svn);
	m->qe = tdxv__isvsvn_level(c->qe_identity.level, c->qe_identity.n_levels,
				   u16(v->quote.qe_report.p + QE_ISVSVN));
	m->module_applies = v->quote.tdx && svn[1] > 0;
	if (m->module_applies) {
		module = tdxv__module(&c->tcb_info, svn);
		if (module)
			m->module = tdxv__isvsvn_level(module->level, module->n_levels, svn[0]);
	}
	return m->platform && m->qe && (m->module || !m->module_applies);
}

static void converge(struct tdxv_tcb *t, const struct match *m)
{
	t->platform = m->platform->status;
	t->qe = m->qe->status;
	t->module = m->module ? m->module->status : TDXV_TCB_NOT_EVALUATED;
	t->date = m->platform->date < m->qe->date ? m->platform->date : m->qe->date;
	t->status = tdxv_tcb_converge(t->platform, t->qe);
	if (m->module) {
		t->status = tdxv_tcb_converge(t->status, t->module);
		if (m->module->date < t->date)
			t->date = m->module->date;
	}
}

static int order(struct tdxv_bytes a, struct tdxv_bytes b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int c = memcmp(a.p, b.p, n);

	return c ? c : (a.n > b.n) - (a.n < b.n);
}

/* Into a list that stays sorted, without repetition. */
static void add_advisories(struct tdxv_bytes *list, unsigned *n, const struct level *l,
			   const struct advisory_pool *pool)
{
	unsigned i, k, at_most;

	for (i = 0; l && i < l->n_advisories; i++) {
		struct tdxv_bytes id = pool->id[l->advisory + i];

		for (k = 0; k < *n && order(list[k], id) < 0; k++)
			;
		if (k < *n && order(list[k], id) == 0)
			continue;
		/* Three levels of at most 64 each: there is always room. */
		for (at_most = *n; at_most > k; at_most--)
			list[at_most] = list[at_most - 1];
		list[k] = id;
		++*n;
	}
}

static void add_match(struct tdxv_bytes *list, unsigned *n, const struct match *m,
		      const struct tdxv_collateral *c)
{
	add_advisories(list, n, m->platform, &c->tcb_info.pool);
	add_advisories(list, n, m->module, &c->tcb_info.pool);
	add_advisories(list, n, m->qe, &c->qe_identity.pool);
}

static void judge_level(struct tdxv_check *check, const struct level *l, const char *what,
			struct tdxv_value svn)
{
	tdxv__judge(check, l != NULL, "it is below every level");
	tdxv__got(check, l ? "level" : what, l ? tdxv__status(l->status) : svn);
}

static void judge_tcb(struct tdxv_verdict *v, const struct tdxv_collateral *c)
{
	static const uint8_t no_svn[16];
	const uint8_t *body = v->quote.body.p, *svn = v->quote.tdx ? body : no_svn;
	struct tdxv_check *check;
	struct match m, now;
	bool found;

	if (!c->has_tcb_info || !c->has_qe_identity || c->tcb_info.tdx != v->quote.tdx ||
	    at(v, TDXV_CHECK_PCK_EXTENSION)->status != TDXV_PASS)
		return;
	if (v->quote.tdx)
		judge_module(v, &c->tcb_info);
	found = find_levels(&m, v, c, svn);
	judge_level(at(v, TDXV_CHECK_PLATFORM_TCB), m.platform, "component SVNs",
		    tdxv__hex(v->pck.comp_svn, 16));
	judge_level(at(v, TDXV_CHECK_QE_TCB), m.qe, "ISVSVN",
		    tdxv__number(u16(v->quote.qe_report.p + QE_ISVSVN)));
	if (m.module_applies)
		judge_level(at(v, TDXV_CHECK_TDX_MODULE_TCB), m.module, "SVN",
			    tdxv__number(svn[0]));
	v->launch.status = v->tcb_status = TDXV_TCB_NOT_SUPPORTED;
	if (!found)
		return;
	converge(&v->launch, &m);
	v->tcb_status = v->launch.status;
	v->tcb_date = v->launch.date;
	add_match(v->advisory, &v->n_advisories, &m, c);
	v->n_platform_advisories = m.platform->n_advisories;
	v->platform_advisory = &c->tcb_info.pool.id[m.platform->advisory];

	if (v->quote.body_type != TDXV_BODY_TD15 && v->quote.body_type != TDXV_BODY_TD15EX)
		return;
	v->has_current = true;
	svn = body + TDXV_TD_TEE_TCB_SVN2;
	check = at(v, TDXV_CHECK_CURRENT_TCB);
	if (!find_levels(&now, v, c, svn)) {
		tdxv__judge(check, false, "no level covers it");
		tdxv__got(check, "TEE_TCB_SVN_2", tdxv__hex(svn, 16));
		v->current.status = v->tcb_status = TDXV_TCB_NOT_SUPPORTED;
		return;
	}
	converge(&v->current, &now);
	add_match(v->current_advisory, &v->n_current_advisories, &now, c);
	v->tcb_status = tdxv__relaunch(v->launch.status, v->current.status);
	/* Intel's library ignores a current TCB that is worse than the one at launch. */
	tdxv__judge(check,
		    v->current.status != TDXV_TCB_REVOKED || v->launch.status == TDXV_TCB_REVOKED,
		    "it is revoked");
	tdxv__got(check, "status", tdxv__status(v->current.status));
}

/* Checks that have no meaning for this kind of quote. */
static bool inapplicable(const struct tdxv_verdict *v, enum tdxv_check_id id)
{
	switch ((int)id) {
	case TDXV_CHECK_TDX_MODULE_SIGNER:
	case TDXV_CHECK_TDX_MODULE_ATTRIBUTES: return !v->quote.tdx;
	case TDXV_CHECK_TDX_MODULE_KNOWN:
	case TDXV_CHECK_TDX_MODULE_TCB:
		return !v->quote.tdx || v->quote.body.p[TDXV_TD_TEE_TCB_SVN + 1] == 0;
	case TDXV_CHECK_CURRENT_TCB:
		return v->quote.body_type != TDXV_BODY_TD15 &&
		       v->quote.body_type != TDXV_BODY_TD15EX;
	}
	return false;
}

static void conclude(struct tdxv_verdict *v)
{
	int i;

	/* Nothing is taken as good because it was not looked at. */
	v->authentic = v->quote.body.p != NULL;
	for (i = 0; v->authentic && i < TDXV_CHECK_POLICY_TCB_STATUS; i++)
		if (v->check[i].status != TDXV_PASS && !inapplicable(v, (enum tdxv_check_id)i))
			v->authentic = false;
	v->accepted = v->authentic && v->check[TDXV_CHECK_POLICY_TCB_STATUS].status == TDXV_PASS &&
		      v->tcb_status != TDXV_TCB_REVOKED;
	for (i = TDXV_CHECK_POLICY_TCB_STATUS; v->accepted && i < TDXV_CHECK_COUNT; i++)
		if (v->check[i].status == TDXV_FAIL)
			v->accepted = false;
}

void tdxv_verify(struct tdxv_verdict *v, const uint8_t *quote, size_t n,
		 const struct tdxv_collateral *c, const struct tdxv_policy *policy,
		 struct tdxv_cache *cache, int64_t now)
{
	static const struct tdxv_policy strict = TDXV__POLICY_STRICT;
	struct verified_chain *k = NULL;

	memset(v, 0, sizeof *v);
	memcpy(v->check, c->check, sizeof v->check);
	v->now = now;
	v->tcb_status = v->launch.status = v->current.status = TDXV_TCB_NOT_EVALUATED;
	v->launch.platform = v->launch.module = v->launch.qe = TDXV_TCB_NOT_EVALUATED;
	v->current.platform = v->current.module = v->current.qe = TDXV_TCB_NOT_EVALUATED;
	v->collateral_valid_to = INT64_MAX;
	/* The lower one, as Intel counts it: an old QE identity is old collateral too. */
	v->tcb_evaluation_number = c->tcb_info.evaluation_number;
	if (c->has_qe_identity && c->qe_identity.evaluation_number < v->tcb_evaluation_number)
		v->tcb_evaluation_number = c->qe_identity.evaluation_number;
	judge_collateral_times(v, c);
	if (tdxv_quote_parse(&v->quote, quote, n, &v->text[0]) != TDXV_OK) {
		tdxv__judge(at(v, TDXV_CHECK_QUOTE_FORMAT), false, "it cannot be read");
		tdxv__got(at(v, TDXV_CHECK_QUOTE_FORMAT), "",
			  (struct tdxv_value){.kind = TDXV_VALUE_SENTENCE, .num = 0});
		return;
	}
	tdxv__judge(at(v, TDXV_CHECK_QUOTE_FORMAT), true, NULL);
	tdxv__judge(at(v, TDXV_CHECK_QUOTE_CERT_TYPE), v->quote.cert_type == 5,
		    "only certification data of type 5 can be verified offline");
	tdxv__got(at(v, TDXV_CHECK_QUOTE_CERT_TYPE), "type", tdxv__number(v->quote.cert_type));
	if (v->quote.cert_type == 5)
		k = tdxv__pck_chain(v, c, cache);
	if (k)
		judge_revocation(v, c, k);
	judge_bindings(v, c);
	judge_qe(v, c);
	judge_signatures(v, k);
	judge_tcb(v, c);
	tdxv__policy_apply(v, policy ? policy : &strict, now);
	conclude(v);
	tdxv__chain_release(k);
}
