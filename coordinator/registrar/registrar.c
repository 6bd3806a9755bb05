#include "coordinator/registrar/internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* The smallest TDX quote: header 48, TD report 584, length 4 (Intel DCAP, quote format v4). */
#define QUOTE_SIZE_MIN 636

struct registrar *registrar_new(const struct registrar_settings *settings)
{
	struct registrar *r;

	if (settings->max_provers == 0)
		return NULL;
	r = calloc(1, sizeof *r);
	if (!r)
		return NULL;
	r->settings = *settings;
	r->room = 2 * settings->max_provers;
	r->provers = calloc(r->room, sizeof *r->provers);
	r->keys = calloc(r->room, sizeof *r->keys);
	if (!r->provers || !r->keys) {
		registrar_free(r);
		return NULL;
	}
	return r;
}

void registrar_free(struct registrar *r)
{
	size_t i;

	if (!r)
		return;
	for (i = 0; i < r->n; i++)
		free((void *)r->provers[i].payload.p);
	free(r->provers);
	free(r->keys);
	revocations_free(&r->revoked);
	free(r);
}

void registrar_set_settings(struct registrar *r, const struct registrar_settings *settings)
{
	size_t max_provers = r->settings.max_provers;

	r->settings = *settings;
	r->settings.max_provers = max_provers;
}

/* ---- the table of provers ---- */

struct registrar_prover *prover_find(const struct registrar *r, const struct eth_address *signer)
{
	size_t i;

	for (i = 0; i < r->n; i++)
		if (eth_address_equal(&r->keys[i], signer))
			return &r->provers[i];
	return NULL;
}

bool prover_is_active(const struct registrar *r, const struct registrar_prover *p)
{
	return r->signer_known && eth_address_equal(&r->signer, &p->signer);
}

bool prover_may_go(const struct registrar *r, const struct registrar_prover *p)
{
	return !prover_is_active(r, p) &&
	       !(r->registering && eth_address_equal(&r->registering_key, &p->signer));
}

static uint64_t prover_last_heard(const struct registrar_prover *p)
{
	return p->last_proof_ms > p->last_seen_ms ? p->last_proof_ms : p->last_seen_ms;
}

/* Least recently heard of: first those that never showed a proof, then those long silent. */
const struct registrar_prover *prover_to_evict(const struct registrar *r, uint64_t now_ms)
{
	const struct registrar_prover *new_one = NULL, *old_one = NULL;
	size_t i;

	for (i = 0; i < r->n; i++) {
		const struct registrar_prover *p = &r->provers[i];
		uint64_t heard = prover_last_heard(p);

		if (!prover_may_go(r, p))
			continue;
		if (p->proofs == 0 && (!new_one || heard < prover_last_heard(new_one)))
			new_one = p;
		if (p->proofs && heard + r->settings.silence_ms < now_ms &&
		    (!old_one || heard < prover_last_heard(old_one)))
			old_one = p;
	}
	return new_one ? new_one : old_one;
}

#define CROWD_MIN 8

/* Whoever sends many keys that never show a proof pushes out his own: the least recently heard of,
 * once they are a quarter of the table, and eight. NULL: they are not. */
static const struct registrar_prover *prover_of_crowd(const struct registrar *r, const char *source)
{
	const struct registrar_prover *oldest = NULL;
	size_t i, n = 0, most = r->settings.max_provers / 4;

	for (i = 0; i < r->n; i++) {
		const struct registrar_prover *p = &r->provers[i];

		if (p->proofs || strncmp(p->source, source, sizeof p->source - 1) != 0)
			continue;
		n++;
		if (prover_may_go(r, p) &&
		    (!oldest || prover_last_heard(p) < prover_last_heard(oldest)))
			oldest = p;
	}
	return n >= CROWD_MIN && n >= most ? oldest : NULL;
}

void prover_remove(struct registrar *r, const struct registrar_prover *p)
{
	size_t i = (size_t)(p - r->provers);

	free((void *)p->payload.p);
	memmove(r->provers + i, r->provers + i + 1, (r->n - i - 1) * sizeof *r->provers);
	memmove(r->keys + i, r->keys + i + 1, (r->n - i - 1) * sizeof *r->keys);
	r->n--;
}

bool prover_put(struct registrar *r, const struct registrar_prover *row)
{
	struct registrar_prover *p = prover_find(r, &row->signer);
	uint8_t *payload = NULL;

	if (!p && r->n >= r->room)
		return false;
	if (row->payload.n) {
		payload = malloc(row->payload.n);
		if (!payload)
			return false;
		memcpy(payload, row->payload.p, row->payload.n);
	}
	if (p) {
		free((void *)p->payload.p);
	} else {
		r->keys[r->n] = row->signer;
		p = &r->provers[r->n++];
	}
	*p = *row;
	p->payload = span_of(payload, row->payload.n);
	traits_of(&p->traits, &p->signer,
		  p->kind == REGISTRAR_QUOTE ? p->payload : span_of(NULL, 0));
	return true;
}

static bool is_full(const struct registrar *r)
{
	return r->n >= r->settings.max_provers;
}

bool registrar_restore(struct registrar *r, const struct registrar_prover *prover)
{
	struct registrar_prover row = *prover;

	row.fit = row.kind == REGISTRAR_QUOTE ? REGISTRAR_FIT_UNKNOWN : REGISTRAR_FIT;
	if (prover_find(r, &prover->signer) || is_full(r) || !prover_put(r, &row))
		return false;
	if (r->signer_known && eth_address_equal(&r->signer, &prover->signer))
		r->active_proof_ms = prover->last_proof_ms;
	return true;
}

size_t registrar_count(const struct registrar *r)
{
	return r->n;
}

const struct registrar_prover *registrar_at(const struct registrar *r, size_t i)
{
	return i < r->n ? &r->provers[i] : NULL;
}

const struct registrar_prover *registrar_find(const struct registrar *r,
					      const struct eth_address *signer)
{
	return prover_find(r, signer);
}

bool registrar_source_attested(const struct registrar *r, const char *source)
{
	size_t i;

	for (i = 0; i < r->n; i++) {
		const struct registrar_prover *p = &r->provers[i];

		if (p->kind == REGISTRAR_QUOTE && p->fit == REGISTRAR_FIT &&
		    !revocations_find(&r->revoked, &p->traits) &&
		    strncmp(p->source, source, sizeof p->source - 1) == 0)
			return true;
	}
	return false;
}

const struct eth_address *registrar_keys(const struct registrar *r, size_t *n)
{
	*n = r->n;
	return r->keys;
}

/* ---- what the chain says ---- */

void registrar_set_contract(struct registrar *r, const struct eth_address *verifier, bool dev_mode)
{
	/* Another contract holds another key. */
	if (r->contract_known && !eth_address_equal(&r->verifier, verifier)) {
		r->signer_known = false;
		registrar_switch_over(r);
	}
	r->contract_known = true;
	r->verifier = *verifier;
	r->dev_mode = dev_mode;
}

const struct eth_address *registrar_signer(const struct registrar *r)
{
	return r->signer_known && !eth_address_is_zero(&r->signer) ? &r->signer : NULL;
}

bool registrar_signer_known(const struct registrar *r)
{
	return r->signer_known;
}

bool active_is_revoked(const struct registrar *r)
{
	return registrar_signer(r) && registrar_revoked_by(r, &r->signer);
}

const struct eth_address *registrar_counting_signer(const struct registrar *r)
{
	if (r->aside)
		return &r->drain_to;
	return active_is_revoked(r) ? NULL : registrar_signer(r);
}

/* ---- ProverSetup ---- */

static bool payload_is_quote(struct span payload)
{
	static const uint8_t v4_tdx[] = {4, 0, 2, 0, 0x81};

	return payload.n >= QUOTE_SIZE_MIN ||
	       (payload.n >= sizeof v4_tdx && memcmp(payload.p, v4_tdx, sizeof v4_tdx) == 0);
}

static enum registrar_answer check_for_contract(const struct registrar *r, struct span payload,
						bool is_quote, struct why *why)
{
	char verifier[ETH_ADDRESS_TEXT_SIZE], head[41];

	if (!r->contract_known) {
		why_set(why,
			"L1 has not yet said which TDXVerifier there is and whether it is in dev "
			"mode: nothing can be registered now");
		return REGISTRAR_RETRY;
	}
	eth_address_print(verifier, &r->verifier);
	if (!r->dev_mode && is_quote)
		return REGISTRAR_ACK_STANDBY;
	if (!r->dev_mode) {
		why_set(
		    why,
		    "production TDXVerifier %s takes TDX quotes; this payload is a bare address "
		    "(%zu bytes): the prover found no quote interface (configfs-tsm) or is not "
		    "in a TD",
		    verifier, payload.n);
		return REGISTRAR_REFUSE;
	}
	if (is_quote) {
		hex_encode(head, payload.p, payload.n < 20 ? payload.n : 20);
		why_set(why,
			"TDXVerifier %s is in dev mode and would take the first 20 bytes of this "
			"quote of %zu bytes, its header %s, as the signer's address",
			verifier, payload.n, head);
		return REGISTRAR_REFUSE;
	}
	if (!r->settings.allow_dev_mode) {
		why_set(why,
			"TDXVerifier %s is in dev mode, where nothing is attested, and this daemon "
			"was not told to accept that (ETHREX_TDX_DEV_MODE=true)",
			verifier);
		return REGISTRAR_REFUSE;
	}
	return REGISTRAR_ACK_STANDBY;
}

bool registrar_wants_attestation(const struct registrar *r, struct span payload)
{
	return r->contract_known && !r->dev_mode && payload_is_quote(payload) &&
	       payload.n <= REGISTRAR_PAYLOAD_MAX;
}

static enum registrar_answer check_payload(const struct registrar *r, struct span payload,
					   struct why *why)
{
	static const struct eth_address zero;
	enum registrar_answer answer;
	bool is_quote = payload_is_quote(payload);

	if (payload.n > REGISTRAR_PAYLOAD_MAX || (payload.n != sizeof zero.b && !is_quote)) {
		why_set(why,
			"a payload of %zu bytes is neither an address (20 bytes) nor a TDX quote "
			"(%d to %d bytes)",
			payload.n, QUOTE_SIZE_MIN, REGISTRAR_PAYLOAD_MAX);
		return REGISTRAR_REFUSE;
	}
	answer = check_for_contract(r, payload, is_quote, why);
	if (answer == REGISTRAR_ACK_STANDBY && !is_quote &&
	    memcmp(payload.p, zero.b, sizeof zero.b) == 0) {
		why_set(why, "the payload is the zero address 0x%040d, which is nobody's key", 0);
		return REGISTRAR_REFUSE;
	}
	return answer;
}

/* Header and body, which the quoting enclave signed: of v4 to the end of the TD report; of v5 at
 * least that far. */
#define QUOTE_SIGNED_MIN 632

/* Is it the same quote with other bytes around what is signed? Whoever has somebody's quote can
 * make such copies, and one of them may be refused on chain: the one that is kept stays. */
static bool is_copy_of_kept(const struct registrar_prover *known, struct span payload)
{
	return known && known->kind == REGISTRAR_QUOTE && known->fit != REGISTRAR_UNFIT &&
	       known->refused.text[0] == '\0' && known->failures == 0 &&
	       known->payload.n >= QUOTE_SIGNED_MIN && payload.n >= QUOTE_SIGNED_MIN &&
	       memcmp(known->payload.p, payload.p, QUOTE_SIGNED_MIN) == 0;
}

bool registrar_check(const struct registrar *r, struct span payload,
		     const struct eth_address *attested, const char *source, uint64_t now_ms,
		     struct registrar_check *out, struct why *why)
{
	const bool is_quote = registrar_wants_attestation(r, payload);
	const struct registrar_prover *known, *evict;
	struct registrar_prover *p = &out->prover;
	struct eth_address signer;

	*out = (struct registrar_check){.answer = check_payload(r, payload, why)};
	if (out->answer != REGISTRAR_ACK_STANDBY)
		return false;
	if (is_quote && !attested) {
		why_set(why, "the quote of %zu bytes has not been verified", payload.n);
		out->answer = REGISTRAR_RETRY;
		return false;
	}
	if (is_quote)
		signer = *attested;
	else
		memcpy(signer.b, payload.p, sizeof signer.b);
	known = prover_find(r, &signer);
	if (registrar_refuses(r, &signer, is_quote ? payload : span_of(NULL, 0), why)) {
		out->answer = REGISTRAR_REFUSE;
		return false;
	}
	if (known && known->refused.text[0] && span_eq(known->payload, payload)) {
		why_set(why, "this payload was refused before: %s", known->refused.text);
		out->answer = REGISTRAR_REFUSE;
		return false;
	}
	evict = known ? NULL : prover_of_crowd(r, source);
	if (!known && !evict && is_full(r)) {
		evict = prover_to_evict(r, now_ms);
		if (!evict) {
			why_set(why,
				"%zu provers are registered here and working: that is the limit",
				r->n);
			out->answer = REGISTRAR_RETRY;
			return false;
		}
	}
	if (evict) {
		out->has_evicted = true;
		out->evicted = evict->signer;
	}
	if (is_quote && is_copy_of_kept(known, payload))
		payload = known->payload;
	if (known)
		*p = *known;
	else
		p->first_seen_ms = now_ms;
	if (known && !span_eq(known->payload, payload))
		p->failures = 0;
	/* A payload can be replayed by anybody: its source stays whoever came with it first. */
	if (!known || !span_eq(known->payload, payload)) {
		memset(p->source, 0, sizeof p->source);
		memcpy(p->source, source, strnlen(source, sizeof p->source - 1));
	}
	p->signer = signer;
	p->kind = is_quote ? REGISTRAR_QUOTE : REGISTRAR_DEV;
	p->fit = REGISTRAR_FIT;
	p->unfit.text[0] = '\0';
	p->payload = payload;
	p->last_seen_ms = now_ms;
	p->refused.text[0] = '\0';
	return true;
}

/* A guest that starts again has a new key, and comes from where the active one came from. It is no
 * more than a hint, for another guest of the same host does so too; a payload that nobody verified
 * is none. */
static bool is_successor(const struct registrar *r, const struct registrar_prover *row)
{
	const struct registrar_prover *active = prover_find(r, &r->signer);

	return r->signer_known && active && active->source[0] && row->kind == REGISTRAR_QUOTE &&
	       row->fit == REGISTRAR_FIT &&
	       strncmp(active->source, row->source, sizeof row->source - 1) == 0;
}

bool registrar_setup(struct registrar *r, const struct registrar_check *check, struct why *why)
{
	const struct registrar_prover *known = prover_find(r, &check->prover.signer), *evict = NULL;
	struct registrar_prover row = check->prover;
	char text[ETH_ADDRESS_TEXT_SIZE];

	/* What happened while the row was being stored counts. */
	if (known) {
		row.proofs = known->proofs;
		row.last_proof_ms = known->last_proof_ms;
	} else if (check->has_evicted) {
		evict = prover_find(r, &check->evicted);
	}
	if (!known && is_successor(r, &row))
		r->successor = true;
	if (evict && prover_may_go(r, evict))
		prover_remove(r, evict);
	/* What the chain was prepared for, and what is registered, are bytes, not a key. */
	if (known && r->prepared && eth_address_equal(&r->prepared_key, &row.signer) &&
	    !span_eq(known->payload, row.payload))
		r->prepared = false;
	if ((known || !is_full(r)) && prover_put(r, &row))
		return true;
	eth_address_print(text, &row.signer);
	why_set(why, "no place for prover %s: %zu are kept", text, r->n);
	return false;
}

enum registrar_answer registrar_answer(const struct registrar *r, const struct eth_address *signer,
				       uint64_t now_ms, struct why *why)
{
	const struct registrar_prover *p = prover_find(r, signer), *target;
	char text[ETH_ADDRESS_TEXT_SIZE];

	eth_address_print(text, signer);
	if (!p) {
		why_set(why, "prover %s is not registered here", text);
		return REGISTRAR_RETRY;
	}
	if (p->refused.text[0]) {
		why_set(why, "%s", p->refused.text);
		return REGISTRAR_REFUSE;
	}
	if (registrar_refuses(r, signer, p->payload, why))
		return REGISTRAR_REFUSE;
	if (!r->signer_known) {
		why_set(why, "L1 has not yet said which key the TDXVerifier holds");
		return REGISTRAR_RETRY;
	}
	if (prover_is_active(r, p)) {
		why_set(why, "the TDXVerifier holds %s", text);
		return REGISTRAR_ACK_ACTIVE;
	}
	if ((r->registering || r->reading_back) && eth_address_equal(&r->registering_key, signer)) {
		why_set(why, "the registration of %s is on its way", text);
		return REGISTRAR_WAIT;
	}
	if (registrar_signer(r)) {
		why_set(why, "another key is active");
		return REGISTRAR_ACK_STANDBY;
	}
	if (p->fit == REGISTRAR_FIT_UNKNOWN) {
		why_set(why, "the quote of %s is being verified again", text);
		return REGISTRAR_WAIT;
	}
	if (p->fit == REGISTRAR_UNFIT) {
		why_set(why, "the quote of %s no longer passes: %s", text, p->unfit.text);
		return REGISTRAR_RETRY;
	}
	target = registrar_target(r, now_ms, why);
	if (r->registering || r->reading_back || target != p) {
		why_set(why, "another key is being registered");
		return REGISTRAR_ACK_STANDBY;
	}
	if (registrar_held_up(r, now_ms, why))
		return REGISTRAR_RETRY;
	/* That may take days, and proofs that come meanwhile are kept. */
	if (r->settings.external_route) {
		why_set(why, "the registration of %s waits to be sent by somebody else", text);
		return REGISTRAR_ACK_STANDBY;
	}
	why_set(why, "%s is the next to be registered", text);
	return REGISTRAR_WAIT;
}

/* ---- fitness ---- */

/* What a registration failed for may be past. Not to nothing: something that changes all the time
 * shall not make it try all the time. */
static void cut_wait(struct registrar *r)
{
	const uint64_t least = r->failed_at_ms + r->settings.retry_min_ms;

	if (r->retry_at_ms > least)
		r->retry_at_ms = least;
}

void registrar_set_fit(struct registrar *r, const struct eth_address *signer,
		       enum registrar_fit fit, const char *sentence)
{
	struct registrar_prover *p = prover_find(r, signer);

	if (!p)
		return;
	if (fit == REGISTRAR_FIT && p->fit != REGISTRAR_FIT)
		cut_wait(r);
	p->fit = fit;
	why_set(&p->unfit, "%s", fit == REGISTRAR_UNFIT ? sentence : "");
	/* One that knocked at another coordinator, and is now known to be genuine. */
	if (p->arrived && fit == REGISTRAR_FIT && p->first_seen_ms > r->active_proof_ms &&
	    is_successor(r, p))
		r->successor = true;
	p->arrived = p->arrived && fit == REGISTRAR_FIT_UNKNOWN;
}

/* ---- for people ---- */

void registrar_describe(const struct registrar *r, const struct eth_address *signer,
			uint64_t now_ms, struct why *out)
{
	const struct registrar_prover *p = prover_find(r, signer);
	const struct revocation *revoked = registrar_revoked_by(r, signer);
	uint64_t proofs = p ? p->proofs : 0;
	char text[REVOCATION_TEXT_SIZE];
	struct why shown = {{0}};

	if (revoked)
		revocation_print(text, revoked);
	if (proofs == 0)
		why_set(&shown, "no proof shown");
	else
		why_set(&shown, "%" PRIu64 " proof%s shown", proofs, proofs == 1 ? "" : "s");
	if (!p && !revoked)
		why_set(out, "not registered here");
	else if (p && p->refused.text[0])
		why_set(out, "refused: %.400s", p->refused.text);
	else if (revoked)
		why_set(out, "revoked by the operator%s%.120s%s, %.60s",
			revoked->kind == REVOCATION_KEY ? "" : " with ",
			revoked->kind == REVOCATION_KEY ? "" : text,
			active_is_revoked(r) && eth_address_equal(&r->signer, signer)
			    ? ", but still on chain"
			    : "",
			shown.text);
	else if (p->fit == REGISTRAR_UNFIT)
		why_set(out, "%s, %.60s, but its quote no longer passes: %.300s",
			prover_is_active(r, p) ? "active" : "standby", shown.text, p->unfit.text);
	else if (prover_is_active(r, p) && r->work_available && proofs &&
		 r->silent_ms >= registrar_silence_ms(r))
		why_set(out, "active, %.60s, silent for %" PRIu64 " s", shown.text,
			r->silent_ms / 1000);
	else if (prover_is_active(r, p))
		why_set(out, "active, %.60s", shown.text);
	else if (r->registering && eth_address_equal(&r->registering_key, signer))
		why_set(out, "being registered, %.60s", shown.text);
	else if (p == registrar_target(r, now_ms, NULL))
		why_set(out, "next to be registered, %.60s", shown.text);
	else
		why_set(out, "standby, %.60s%s", shown.text,
			p->fit == REGISTRAR_FIT_UNKNOWN ? ", its quote is not verified yet" : "");
}
