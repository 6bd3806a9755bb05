/* What the operator trusts no more: said, taken back, and listed. */
#include "coordinator/admin/internal.h"

#include "coordinator/base/clock.h"
#include "coordinator/base/log.h"
#include "coordinator/registrar/rows.h"

#include <string.h>

/* Is this why that key is not used? Of several reasons the first is named. */
static bool applies(const struct registrar_prover *p, const struct revocation *what)
{
	struct revocation has;

	return traits_at(&p->traits, what->kind, &has) &&
	       memcmp(has.value, what->value, sizeof has.value) == 0;
}

static json_t *keys_json(const struct registrar *r, const struct revocation *what)
{
	const struct registrar_prover *p;
	json_t *list = json_array();
	size_t i;

	for (i = 0; (p = registrar_at(r, i)); i++)
		if (applies(p, what))
			json_array_append_new(list, admin_address(&p->signer));
	return list;
}

void admin_revocations(struct admin_request *r, const char *rest)
{
	const struct registrar *registrar = r->admin->p.registrar;
	char text[REVOCATION_TEXT_SIZE];
	const struct revocation *what;
	json_t *list = json_array();
	size_t i;

	(void)rest;
	for (i = 0; (what = registrar_revocation_at(registrar, i)); i++) {
		revocation_print(text, what);
		json_array_append_new(list, json_pack("{s:s, s:I, s:o}", "what", text, "at_ms",
						      (json_int_t)what->at_ms, "keys",
						      keys_json(registrar, what)));
	}
	admin_json(r, MHD_HTTP_OK,
		   json_pack("{s:o, s:i}", "revocations", list, "most", REVOCATIONS_MAX));
}

/* What follows from it, and what is left to do. */
static void reply_revoked(struct admin_request *r, const struct revocation *what)
{
	const struct registrar *registrar = r->admin->p.registrar;
	const struct eth_address *active = registrar_signer(registrar);
	const struct registrar_prover *next;
	char text[REVOCATION_TEXT_SIZE], key[ETH_ADDRESS_TEXT_SIZE];
	size_t i, n = 0;
	struct why why = {""};

	for (i = 0; i < registrar_count(registrar); i++)
		n += applies(registrar_at(registrar, i), what);
	revocation_print(text, what);
	if (!active || !registrar_revoked_by(registrar, active)) {
		admin_reply(r, MHD_HTTP_OK, "revoked",
			    "%s is revoked: of the keys that are kept here it concerns %zu, the "
			    "registered one not among them",
			    text, n);
		return;
	}
	next = registrar_successor(registrar, clock_wall_ms(), &why);
	if (!next) {
		eth_address_print(key, active);
		admin_reply(r, MHD_HTTP_OK, "revoked",
			    "%s is revoked: nothing is sent with proofs of the registered key %s "
			    "any more, and no other key here can take its place: start a prover "
			    "that this does not concern, and `proof-coordinator promote` its key",
			    text, key);
		return;
	}
	eth_address_print(key, &next->signer);
	admin_reply(r, MHD_HTTP_OK, "revoked",
		    "%s is revoked: nothing is sent with proofs of the registered key any more, "
		    "and %s is registered in its place; `proof-coordinator promote` another one "
		    "of `provers` if that is not the one you want",
		    text, key);
}

void admin_revoke(struct admin_request *r, const struct revocation *named)
{
	const struct admin_parts *d = &r->admin->p;
	const bool promoted = registrar_promoted(d->registrar) != NULL;
	char text[REVOCATION_TEXT_SIZE];
	struct revocation what = *named;
	struct prover_revoked_row room;
	struct store_change change;
	struct why why = {""};

	what.at_ms = clock_wall_ms();
	if (!registrar_revoke(d->registrar, &what, &why)) {
		admin_reply(r, MHD_HTTP_CONFLICT, "not_revoked", "%s", why.text);
		return;
	}
	revocation_print(text, &what);
	log_event(LOG_WARN, "prover_revoked", log_str("what", text));
	if (promoted && !registrar_promoted(d->registrar))
		prover_promoted_drop(d->store);
	prover_revoked_put(&change, &room, &what);
	reply_revoked(r, &what);
	admin_commit(r, &change, 1);
	wake_up(d->wake);
}

/* False: it has been answered. */
static bool read_name(struct admin_request *r, struct revocation *what, const char *text)
{
	struct why why;

	if (revocation_parse(what, text, &why))
		return true;
	admin_reply(r, MHD_HTTP_BAD_REQUEST, "bad_revocation", "%s", why.text);
	return false;
}

void admin_revoke_named(struct admin_request *r, const char *rest)
{
	struct revocation what;

	if (read_name(r, &what, rest))
		admin_revoke(r, &what);
}

/* Its row has gone. */
static void lift(struct admin_request *r)
{
	char text[REVOCATION_TEXT_SIZE];
	struct why why;

	revocation_print(text, &r->lifting);
	/* Another coordinator may have been told the same. */
	if (registrar_unrevoke(r->registrar, &r->lifting, &why))
		log_event(LOG_WARN, "prover_unrevoked", log_str("what", text));
	if (!r->admin)
		return;
	/* What was refused for it is looked at anew. */
	quotes_changed(r->admin->p.quotes);
	wake_up(r->admin->p.wake);
}

/* In force until its row has gone: what could not be stored can be said again. */
void admin_unrevoke(struct admin_request *r, const char *rest)
{
	char text[REVOCATION_TEXT_SIZE];
	struct prover_revoked_row room;
	struct store_change change;

	if (!read_name(r, &r->lifting, rest))
		return;
	revocation_print(text, &r->lifting);
	r->registrar = r->admin->p.registrar;
	if (!registrar_revokes(r->registrar, &r->lifting)) {
		admin_reply(r, MHD_HTTP_NOT_FOUND, "not_revoked", "%s is not revoked", text);
		return;
	}
	r->on_kept = lift;
	prover_revoked_drop(&change, &room, &r->lifting);
	admin_reply(r, MHD_HTTP_OK, "unrevoked",
		    "%s is revoked no more; its provers are taken again when they knock", text);
	admin_commit(r, &change, 1);
}
