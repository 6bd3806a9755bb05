/* Who proves, with what evidence, and how long that holds. */
#include "coordinator/admin/internal.h"

#include "coordinator/base/clock.h"
#include "coordinator/base/log.h"
#include "coordinator/registrar/rows.h"
#include "coordinator/transactions/prepare.h"
#include "encoding/words.h"

#include <inttypes.h>
#include <string.h>

/* ---- keys ---- */

static json_t *time_json(int64_t t)
{
	char text[32];

	if (t <= 0 || t == INT64_MAX)
		return json_null();
	tdxv_time_text(text, sizeof text, t);
	return json_string(text);
}

static json_t *hex_json(const void *p, size_t n)
{
	char text[129];

	hex_encode(text, p, n < 64 ? n : 64);
	return json_string(text);
}

static json_t *evidence_json(const struct evidence *s)
{
	if (!s)
		return json_null();
	return json_pack("{s:s, s:s, s:s, s:o, s:o, s:I, s:o, s:o}", "ahead", s->early, "contract",
			 s->contract, "tcb_status", tdxv_tcb_status_name(s->tcb_status), "tcb_date",
			 time_json(s->tcb_date), "valid_to", time_json(s->valid_to),
			 "tcb_evaluation_number", (json_int_t)s->evaluation_number, "fmspc",
			 hex_json(s->platform.fmspc, sizeof s->platform.fmspc), "quote_sha256",
			 hex_json(s->quote_sha256, sizeof s->quote_sha256));
}

/* As `revoke` takes them: the key, and what its quote says. */
static json_t *names_json(const struct registrar_prover *p)
{
	char text[REVOCATION_TEXT_SIZE];
	json_t *list = json_array();
	struct revocation name;
	int kind;

	for (kind = 0; kind < REVOCATION_KINDS; kind++) {
		if (!traits_at(&p->traits, (enum revocation_kind)kind, &name))
			continue;
		revocation_print(text, &name);
		json_array_append_new(list, json_string(text));
	}
	return list;
}

static json_t *prover_json(const struct admin_parts *d, const struct registrar_prover *p)
{
	static const char *const kinds[] = {"dev", "quote", "none"};
	const struct eth_address *active = registrar_signer(d->registrar);
	struct why why = {""};

	registrar_describe(d->registrar, &p->signer, clock_wall_ms(), &why);
	return json_pack(
	    "{s:o, s:b, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:o, s:o}", "signer",
	    admin_address(&p->signer), "active", active && eth_address_equal(active, &p->signer),
	    "state", why.text, "payload", kinds[p->kind], "source", p->source, "first_seen_ms",
	    (json_int_t)p->first_seen_ms, "last_seen_ms", (json_int_t)p->last_seen_ms,
	    "last_proof_ms", (json_int_t)p->last_proof_ms, "proofs", (json_int_t)p->proofs,
	    "evidence", evidence_json(quotes_evidence(d->quotes, &p->signer)), "names",
	    names_json(p));
}

json_t *admin_provers_json(const struct admin *a, size_t max)
{
	const struct registrar_prover *p;
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < max && (p = registrar_at(a->p.registrar, i)); i++)
		json_array_append_new(list, prover_json(&a->p, p));
	return list;
}

void admin_provers(struct admin_request *r, const char *rest)
{
	(void)rest;
	admin_json(r, MHD_HTTP_OK,
		   json_pack("{s:o}", "provers", admin_provers_json(r->admin, SIZE_MAX)));
}

static void promote_key(struct admin_request *r, const struct eth_address *signer)
{
	const struct admin_parts *d = &r->admin->p;
	struct store_change change;
	char text[ETH_ADDRESS_TEXT_SIZE];
	struct why why = {""};

	if (!registrar_promote(d->registrar, signer, &why)) {
		admin_reply(r, MHD_HTTP_CONFLICT, "not_promoted", "%s", why.text);
		return;
	}
	eth_address_print(text, signer);
	log_event(LOG_INFO, "prover_promoted", log_str("signer", text));
	admin_reply(r, MHD_HTTP_OK, "promoted",
		    "%s is registered next: proofs of the key on chain are verified first", text);
	prover_promoted_put(&change, signer);
	admin_commit(r, &change, 1);
	wake_up(d->wake);
}

void admin_change_prover(struct admin_request *r, const char *rest)
{
	char address[ETH_ADDRESS_TEXT_SIZE];
	const char *verb = strchr(rest, '/');
	struct eth_address signer;
	struct revocation what;
	struct why why = {""};
	size_t n = verb ? (size_t)(verb - rest) : 0;

	if (!verb || n >= sizeof address ||
	    (strcmp(verb, "/promote") != 0 && strcmp(verb, "/revoke") != 0)) {
		admin_reply(r, MHD_HTTP_NOT_FOUND, "not_found",
			    "POST to ADDRESS/promote or ADDRESS/revoke");
		return;
	}
	memcpy(address, rest, n);
	address[n] = '\0';
	if (!eth_address_parse(&signer, address, &why)) {
		admin_reply(r, MHD_HTTP_BAD_REQUEST, "bad_address", "%s", why.text);
		return;
	}
	what = revocation_of_key(&signer);
	if (strcmp(verb, "/promote") == 0)
		promote_key(r, &signer);
	else
		admin_revoke(r, &what);
}

/* ---- verdicts ---- */

void admin_verdicts(struct admin_request *r, const char *rest)
{
	const struct admin_parts *d = &r->admin->p;
	const json_t *found;

	if (!rest[0]) {
		admin_json(r, MHD_HTTP_OK,
			   json_pack("{s:o}", "verdicts", verdicts_list(d->verdicts)));
		return;
	}
	found = rest[0] == '/' ? verdicts_find(d->verdicts, rest + 1) : NULL;
	if (found)
		admin_json(r, MHD_HTTP_OK, json_deep_copy(found));
	else
		admin_reply(r, MHD_HTTP_NOT_FOUND, "no_verdict",
			    strlen(rest) == 65 ? "no verdict is kept on the quote of SHA-256 %.64s"
					       : "no verdict is kept on a quote whose SHA-256 "
						 "begins with \"%.64s\" (at least 4 digits)",
			    rest + (rest[0] == '/'));
}

/* ---- collateral, here and on chain ---- */

json_t *admin_sources_json(const struct admin *a)
{
	const struct collateral *c = a->p.collateral;
	json_t *list = json_array(), *counts;
	struct collateral_source_info s;
	size_t i;
	int o;

	for (i = 0; collateral_source_at(c, i, &s); i++) {
		counts = json_object();
		for (o = 0; o < COLLATERAL_OUTCOME_COUNT; o++)
			if (s.count[o])
				json_object_set_new(
				    counts, collateral_outcome_name((enum collateral_outcome)o),
				    json_integer((json_int_t)s.count[o]));
		json_array_append_new(
		    list, json_pack("{s:s, s:i, s:o, s:s, s:o}", "source", s.name,
				    "failures_in_a_row", (int)s.failures, "rests_until",
				    time_json(s.rest_until), "last_failure",
				    s.last_failure ? s.last_failure : "", "answers", counts));
	}
	return list;
}

static json_t *platform_json(const struct collateral_info *info, int64_t now)
{
	const struct collateral_set *set = info->set;
	char key[COLLATERAL_KEY_SIZE];
	json_t *j;

	collateral_key_text(key, &info->key);
	j = json_pack("{s:s, s:b, s:o, s:s}", "platform", key, "fetching", info->fetching,
		      "refresh_at", time_json(info->refresh_at), "last_failure",
		      info->last_failure ? info->last_failure : "");
	if (set)
		json_object_update_new(j, json_pack("{s:o, s:o, s:b, s:I, s:o, s:s}", "valid_from",
						    time_json(set->facts.valid_from), "valid_to",
						    time_json(set->facts.valid_to), "stale",
						    collateral_set_stale(set, now),
						    "tcb_evaluation_number",
						    (json_int_t)set->facts.tcb_evaluation_number,
						    "fetched_at", time_json(set->fetched_at),
						    "source", set->source[COLLATERAL_TCB_INFO]));
	return j;
}

json_t *admin_platforms_json(const struct admin *a)
{
	json_t *list = json_array();
	struct collateral_info info;
	struct why why = {""};
	int64_t now = 0;
	size_t i;

	l1_time(a->p.l1, a->o.max_clock_skew_s, &now, &why);
	for (i = 0; collateral_at(a->p.collateral, i, &info); i++)
		json_array_append_new(list, platform_json(&info, now));
	return list;
}

void admin_collateral(struct admin_request *r, const char *rest)
{
	(void)rest;
	admin_json(r, MHD_HTTP_OK,
		   json_pack("{s:o, s:o}", "platforms", admin_platforms_json(r->admin), "sources",
			     admin_sources_json(r->admin)));
}

void admin_collateral_refresh(struct admin_request *r, const char *rest)
{
	const struct admin_parts *d = &r->admin->p;
	struct why why = {""};
	int64_t now;

	(void)rest;
	if (!l1_time(d->l1, r->admin->o.max_clock_skew_s, &now, &why)) {
		admin_reply(r, MHD_HTTP_SERVICE_UNAVAILABLE, "not_refreshed", "%s", why.text);
		return;
	}
	collateral_refresh(d->collateral, NULL, now);
	if (!collateral_count(d->collateral))
		admin_reply(
		    r, MHD_HTTP_ACCEPTED, "refreshing",
		    "there is no collateral yet: it is fetched when a prover shows a quote");
	else
		admin_reply(r, MHD_HTTP_ACCEPTED, "refreshing",
			    "the collateral of %zu platform%s is being fetched anew",
			    collateral_count(d->collateral),
			    words_s(collateral_count(d->collateral)));
}

static json_t *on_chain_json(const struct admin_parts *d)
{
	const struct pccs *p = prepare_pccs(agenda_prepare(d->agenda));
	json_t *items = json_array();
	struct pccs_item item;
	size_t i;

	for (i = 0; pccs_describe(p, i, l1_head_time(d->l1), &item); i++)
		json_array_append_new(items,
				      json_pack("{s:s, s:o, s:s, s:o, s:o}", "what", item.name,
						"dao", admin_address(&item.dao), "state", item.text,
						"valid_from", time_json(item.valid_from),
						"valid_to", time_json(item.valid_to)));
	return json_pack("{s:s, s:I, s:s, s:s, s:o}", "stack", pccs_stack_name(pccs_stack(p)),
			 "wanted_evaluation_number", (json_int_t)pccs_wanted_evaluation_number(p),
			 "at", prepare_sentence(agenda_prepare(d->agenda)), "verdict",
			 prepare_verdict(agenda_prepare(d->agenda)), "items", items);
}

void admin_tcb(struct admin_request *r, const char *rest)
{
	const struct admin_parts *d = &r->admin->p;
	const struct registrar_prover *p;
	json_t *provers = json_array();
	size_t i;

	(void)rest;
	for (i = 0; (p = registrar_at(d->registrar, i)); i++)
		if (p->kind == REGISTRAR_QUOTE)
			json_array_append_new(provers, prover_json(d, p));
	admin_json(r, MHD_HTTP_OK,
		   json_pack("{s:o, s:o, s:o}", "provers", provers, "platforms",
			     admin_platforms_json(r->admin), "on_chain", on_chain_json(d)));
}
