/* The PCK chain that a quote carries: leaf, PCK CA, root. */
#include "verifier/internal.h"

#include <stdlib.h>
#include <string.h>

void tdxv__chain_release(struct verified_chain *chain)
{
	if (!chain || atomic_fetch_sub(&chain->references, 1) != 1)
		return;
	tdxv__key_clear(&chain->key);
	free(chain);
}

static void pass_all(struct tdxv_verdict *v, const struct verified_chain *k)
{
	enum tdxv_check_id id;

	for (id = TDXV_CHECK_PCK_CHAIN_FORMAT; id <= TDXV_CHECK_PCK_EXTENSION; id++)
		tdxv__judge(&v->check[id], true, NULL);
	v->pck = k->pck;
	tdxv__got(&v->check[TDXV_CHECK_PCK_EXTENSION], "FMSPC", tdxv__hex(v->pck.fmspc, 6));
}

static bool judge(struct tdxv_verdict *v, enum tdxv_check_id id, const char *wrong)
{
	return tdxv__judge(&v->check[id], !wrong, wrong)->status == TDXV_PASS;
}

static const char *names_wrong(const struct cert *leaf, const struct cert *ca,
			       const struct cert *root)
{
	if (!tdxv__bytes_are(leaf->common_name, "Intel SGX PCK Certificate"))
		return "the first certificate is no PCK certificate";
	if (!tdxv__bytes_are(ca->common_name, "Intel SGX PCK Platform CA") &&
	    !tdxv__bytes_are(ca->common_name, "Intel SGX PCK Processor CA"))
		return "the second certificate is not that of a PCK CA";
	return tdxv__bytes_are(root->common_name, "Intel SGX Root CA")
		   ? NULL
		   : "the third certificate is not that of the root";
}

static bool judge_signatures(struct tdxv_verdict *v, struct verified_chain *k,
			     const struct tdxv_collateral *c, struct tdxv_cache *cache)
{
	const struct cert *leaf = &k->chain.cert[0], *ca = &k->chain.cert[1],
			  *root = &k->chain.cert[2], *known_ca = &c->pck_ca.chain.cert[0];
	struct key fresh = {.table = NULL};
	const struct key *ca_key = c->pck_ca.key;
	/* The issuers of another leaf whose chain held: only this leaf is new. */
	bool cached = cache && tdxv__cache_has_issuer(cache, &k->chain, c->root.key.xy), known, ok;

	ok = judge(
	    v, TDXV_CHECK_PCK_ROOT_TRUSTED,
	    tdxv__root_wrong(&c->root, root, cached ? root : c->known_root, &v->ecdsa_operations));
	/* The collateral's issuer chain usually carries the very same CA certificate. */
	known = c->pck_ca.key && tdxv__bytes_eq(known_ca->der, ca->der);
	if (!ok)
		goto out;
	ok = judge(v, TDXV_CHECK_PCK_CA_SIGNATURE,
		   known || cached
		       ? NULL
		       : tdxv__issue_wrong(ca, root, &c->root.key, &v->ecdsa_operations));
	if (!ok)
		goto out;
	if (!known)
		ca_key = tdxv__key_load(&fresh, ca->key) ? &fresh : NULL;
	ok = judge(v, TDXV_CHECK_PCK_LEAF_SIGNATURE,
		   ca_key ? tdxv__issue_wrong(leaf, ca, ca_key, &v->ecdsa_operations)
			  : "the PCK CA's key is unusable, or memory is short");
	tdxv__key_clear(&fresh);
	if (!ok)
		goto out;
	if (!tdxv__key_load(&k->key, leaf->key))
		ok = judge(v, TDXV_CHECK_PCK_LEAF_SIGNATURE,
			   "the PCK key is not on the curve, or memory is short");
out:
	return ok;
}

static bool judge_chain(struct tdxv_verdict *v, struct verified_chain *k,
			const struct tdxv_collateral *c, struct tdxv_cache *cache)
{
	const struct cert *leaf = &k->chain.cert[0], *ca = &k->chain.cert[1];
	struct tdxv_check *extension = &v->check[TDXV_CHECK_PCK_EXTENSION];
	bool ok;

	if (!tdxv__chain_parse(&k->chain, v->quote.cert_data, 3, &v->text[1])) {
		tdxv__judge(&v->check[TDXV_CHECK_PCK_CHAIN_FORMAT], false, "it cannot be read");
		tdxv__got(&v->check[TDXV_CHECK_PCK_CHAIN_FORMAT], "",
			  (struct tdxv_value){.kind = TDXV_VALUE_SENTENCE, .num = 1});
		return false;
	}
	tdxv__judge(&v->check[TDXV_CHECK_PCK_CHAIN_FORMAT], true, NULL);
	ok = judge(v, TDXV_CHECK_PCK_CHAIN_NAMES, names_wrong(leaf, ca, &k->chain.cert[2]));
	ok &= judge(v, TDXV_CHECK_PCK_CA_USAGE,
		    ca->is_ca && ca->usage & USAGE_CERT_SIGN
			? NULL
			: "it is no CA's, or may not sign certificates");
	ok &= judge(v, TDXV_CHECK_PCK_LEAF_USAGE,
		    !leaf->is_ca && leaf->usage & USAGE_SIGN ? NULL
							     : "it is a CA's, or may not sign");
	if (tdxv__pck_parse(&k->pck, leaf, &v->text[1])) {
		tdxv__judge(extension, true, NULL);
		v->pck = k->pck;
		tdxv__got(extension, "FMSPC", tdxv__hex(v->pck.fmspc, 6));
	} else {
		tdxv__judge(extension, false, "it cannot be read");
		tdxv__got(extension, "",
			  (struct tdxv_value){.kind = TDXV_VALUE_SENTENCE, .num = 1});
		ok = false;
	}
	return judge_signatures(v, k, c, cache) && ok;
}

static void judge_times(struct tdxv_verdict *v, const struct chain *chain)
{
	struct tdxv_check *check = &v->check[TDXV_CHECK_PCK_CHAIN_TIME];
	int64_t from = INT64_MIN, to = INT64_MAX;
	unsigned i;

	for (i = 0; i < chain->n; i++) {
		if (chain->cert[i].not_before > from)
			from = chain->cert[i].not_before;
		if (chain->cert[i].not_after < to)
			to = chain->cert[i].not_after;
	}
	tdxv__judge_window(check, v->now, from, to);
	if (to < v->collateral_valid_to)
		v->collateral_valid_to = to;
}

struct verified_chain *tdxv__pck_chain(struct tdxv_verdict *v, const struct tdxv_collateral *c,
				       struct tdxv_cache *cache)
{
	struct verified_chain *k;

	k = cache ? tdxv__cache_get(cache, v->quote.cert_data, c->root.key.xy) : NULL;
	if (k) {
		pass_all(v, k);
		judge_times(v, &k->chain);
		return k;
	}
	k = calloc(1, sizeof *k);
	if (!k) {
		tdxv__judge(&v->check[TDXV_CHECK_PCK_CHAIN_FORMAT], false, "memory is short");
		return NULL;
	}
	atomic_init(&k->references, 1);
	if (!judge_chain(v, k, c, cache)) {
		if (v->check[TDXV_CHECK_PCK_CHAIN_FORMAT].status == TDXV_PASS)
			judge_times(v, &k->chain);
		tdxv__chain_release(k);
		return NULL;
	}
	judge_times(v, &k->chain);
	if (cache)
		tdxv__cache_put(cache, v->quote.cert_data, c->root.key.xy, k);
	return k;
}
