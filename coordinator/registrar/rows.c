#include "coordinator/registrar/rows.h"

#include "coordinator/base/clock.h"
#include "encoding/endian.h"

#include <stdio.h>
#include <string.h>

static struct span text(const char *s)
{
	return span_of(s, strlen(s));
}

static void text_of(char *out, size_t size, struct span s)
{
	const size_t n = s.n < size ? s.n : size - 1;

	if (n)
		memcpy(out, s.p, n);
	out[n] = '\0';
}

/* ---- a prover ---- */

void prover_row_put(struct store_change *out, const struct registrar_prover *p)
{
	*out = (struct store_change){.kind = CHANGE_PROVER_PUT};
	out->prover = (struct store_prover){.payload = p->payload,
					    .payload_kind = (int)p->kind,
					    .source = text(p->source),
					    .first_seen_ms = p->first_seen_ms,
					    .last_seen_ms = p->last_seen_ms,
					    .last_proof_ms = p->last_proof_ms,
					    .proofs_good = p->proofs,
					    .reason = text(p->refused.text)};
	memcpy(out->prover.signer, p->signer.b, 20);
}

static const char no_room[] =
    "the stored provers do not fit: raise ETHREX_PROOF_COORDINATOR_MAX_PROVERS";

static struct registrar_prover prover_of(const struct store_prover *row)
{
	struct registrar_prover p = {.kind = (enum registrar_payload_kind)row->payload_kind,
				     .payload = row->payload,
				     .first_seen_ms = row->first_seen_ms,
				     .last_seen_ms = row->last_seen_ms,
				     .last_proof_ms = row->last_proof_ms,
				     .proofs = row->proofs_good};

	memcpy(p.signer.b, row->signer, 20);
	text_of(p.source, sizeof p.source, row->source);
	text_of(p.refused.text, sizeof p.refused.text, row->reason);
	return p;
}

bool prover_row_get(struct registrar *r, const struct store_prover *row, struct why *why)
{
	const struct registrar_prover p = prover_of(row);

	if (registrar_restore(r, &p))
		return true;
	why_set(why, "%s", no_room);
	return false;
}

static void foreign_gone(struct registrar *r, const struct store_prover *row, struct store *leaders)
{
	struct eth_address signer;

	memcpy(signer.b, row->signer, sizeof signer.b);
	if (!registrar_foreign_gone(r, &signer) && leaders)
		prover_keep(leaders, r, &signer);
}

bool prover_row_foreign(struct registrar *r, const struct store_change *change,
			struct store *leaders, struct why *why)
{
	struct registrar_prover p;
	struct eth_address surplus;
	bool ahead;

	if (change->kind == CHANGE_PROVER_DEL) {
		foreign_gone(r, &change->prover, leaders);
		return true;
	}
	p = prover_of(&change->prover);
	if (!registrar_foreign(r, &p, &ahead)) {
		why_set(why, "%s", no_room);
		return false;
	}
	if (ahead && leaders)
		prover_keep(leaders, r, &p.signer);
	if (leaders && registrar_surplus(r, clock_wall_ms(), &surplus) &&
	    registrar_foreign_gone(r, &surplus))
		prover_row_follow(leaders, r, &surplus);
	return true;
}

void prover_keep(struct store *store, const struct registrar *r, const struct eth_address *signer)
{
	const struct registrar_prover *p = registrar_find(r, signer);
	struct store_change change;

	if (!p)
		return;
	prover_row_put(&change, p);
	store_commit_lazy(store, &change, 1);
}

void prover_row_follow(struct store *store, const struct registrar *r,
		       const struct eth_address *signer)
{
	struct store_change change = {.kind = CHANGE_PROVER_DEL};

	if (registrar_find(r, signer)) {
		prover_keep(store, r, signer);
		return;
	}
	memcpy(change.prover.signer, signer->b, 20);
	store_commit_lazy(store, &change, 1);
}

/* ---- facts ---- */

/* Two little-endian numbers: the day, and the gas. */
void prover_gas_keep(struct store *store, const struct registrar *r, uint64_t now_ms)
{
	uint8_t kept[16];
	uint64_t day;

	put_le64(kept + 8, registrar_gas_used(r, now_ms, &day));
	put_le64(kept, day);
	store_put_fact(store, PROVER_GAS_FACT, kept, sizeof kept);
}

void prover_promoted_put(struct store_change *out, const struct eth_address *signer)
{
	*out = (struct store_change){.kind = CHANGE_FACT_PUT,
				     .fact = {.key = text(PROVER_PROMOTED_FACT),
					      .value = span_of(signer->b, sizeof signer->b)}};
}

void prover_promoted_drop(struct store *store)
{
	store_drop_fact(store, PROVER_PROMOTED_FACT);
}

void prover_revoked_put(struct store_change *out, struct prover_revoked_row *room,
			const struct revocation *what)
{
	snprintf(room->key, sizeof room->key, "%s", PROVER_REVOKED_FACT);
	revocation_print(room->key + strlen(PROVER_REVOKED_FACT), what);
	put_le64(room->value, what->at_ms);
	*out = (struct store_change){
	    .kind = CHANGE_FACT_PUT,
	    .fact = {.key = text(room->key), .value = span_of(room->value, sizeof room->value)}};
}

void prover_revoked_drop(struct store_change *out, struct prover_revoked_row *room,
			 const struct revocation *what)
{
	prover_revoked_put(out, room, what);
	out->kind = CHANGE_FACT_DEL;
}

void prover_held_keep(struct store *store, const struct registrar *r)
{
	uint8_t kept[8 + sizeof(struct why)];
	struct why reason;
	uint64_t until;
	size_t n;

	if (!store_is_shared(store))
		return;
	if (!registrar_holds(r, &until, &reason)) {
		store_drop_fact(store, PROVER_HELD_FACT);
		return;
	}
	n = strlen(reason.text);
	put_le64(kept, until);
	memcpy(kept + 8, reason.text, n);
	store_put_fact(store, PROVER_HELD_FACT, kept, 8 + n);
}

static void get_held(struct registrar *r, struct span value)
{
	struct why reason;

	if (value.n < 8)
		return;
	text_of(reason.text, sizeof reason.text, span_of(value.p + 8, value.n - 8));
	registrar_held(r, le64(value.p), reason.text);
}

/* What stands behind the prefix is the revocation as the operator writes it; the value is when. */
static bool name_revocation(struct revocation *what, const struct store_fact *row)
{
	const size_t prefix = strlen(PROVER_REVOKED_FACT);
	char name[REVOCATION_TEXT_SIZE];
	struct why why;

	text_of(name, sizeof name, span_of(row->key.p + prefix, row->key.n - prefix));
	return revocation_parse(what, name, &why);
}

static void get_revocation(struct registrar *r, const struct store_fact *row)
{
	struct revocation what;

	if (!name_revocation(&what, row))
		return;
	what.at_ms = row->value.n == 8 ? le64(row->value.p) : 0;
	registrar_revoke(r, &what, NULL);
}

static bool is_revocation(const struct store_fact *row)
{
	const struct span prefix = text(PROVER_REVOKED_FACT);

	return row->key.n > prefix.n && memcmp(row->key.p, prefix.p, prefix.n) == 0;
}

bool prover_fact_get(struct registrar *r, const struct store_fact *row)
{
	struct eth_address promoted;

	if (span_eq(row->key, text(PROVER_GAS_FACT))) {
		if (row->value.n == 16)
			registrar_restore_gas(r, le64(row->value.p), le64(row->value.p + 8));
		return true;
	}
	if (is_revocation(row)) {
		get_revocation(r, row);
		return true;
	}
	if (span_eq(row->key, text(PROVER_HELD_FACT))) {
		get_held(r, row->value);
		return true;
	}
	if (!span_eq(row->key, text(PROVER_PROMOTED_FACT)))
		return false;
	if (row->value.n == sizeof promoted.b) {
		memcpy(promoted.b, row->value.p, sizeof promoted.b);
		registrar_restore_promoted(r, &promoted);
	}
	return true;
}

bool prover_fact_foreign(struct registrar *r, const struct store_change *change, bool *unrevoked)
{
	const struct store_fact *row = &change->fact;
	struct revocation what;
	struct why why;

	*unrevoked = false;
	if (change->kind == CHANGE_FACT_PUT)
		return prover_fact_get(r, row);
	if (is_revocation(row))
		*unrevoked = name_revocation(&what, row) && registrar_unrevoke(r, &what, &why);
	else if (span_eq(row->key, text(PROVER_PROMOTED_FACT)))
		registrar_unpromote(r);
	else if (span_eq(row->key, text(PROVER_HELD_FACT)))
		registrar_held(r, 0, "");
	else
		return false;
	return true;
}
