#include "coordinator/base/retry.h"
#include "coordinator/registrar/internal.h"
#include "encoding/words.h"

#include <inttypes.h>
#include <string.h>

#define SILENCE_MIN_MS 60000

static const char *batches(size_t n)
{
	return n == 1 ? "batch" : "batches";
}

void registrar_set_pace(struct registrar *r, uint64_t longest_ms)
{
	r->longest_ms = longest_ms;
}

uint64_t registrar_silence_ms(const struct registrar *r)
{
	const uint64_t most = r->settings.silence_ms;
	uint64_t ms = r->longest_ms < most ? 3 * r->longest_ms : most;

	if (ms < SILENCE_MIN_MS)
		ms = SILENCE_MIN_MS;
	/* Before any proof was good here, nothing says how long they take. */
	if (r->longest_ms == 0 || ms > most)
		ms = most;
	return r->successor ? ms / 2 : ms;
}

void registrar_tick(struct registrar *r, uint64_t now_ms)
{
	uint64_t passed = now_ms > r->tick_ms ? now_ms - r->tick_ms : 0;

	/* A daemon that was suspended has not seen silence: it has not looked. */
	if (passed > registrar_silence_ms(r) / 2)
		passed = registrar_silence_ms(r) / 2;
	if (r->work_available && r->tick_ms)
		r->silent_ms += passed;
	r->tick_ms = now_ms;
}

void registrar_set_work(struct registrar *r, bool available, uint64_t now_ms)
{
	registrar_tick(r, now_ms);
	r->work_available = available;
}

void registrar_set_unverified(struct registrar *r, size_t batches)
{
	r->unverified = batches;
}

void registrar_set_verify_in_flight(struct registrar *r, bool in_flight)
{
	r->verify_in_flight = in_flight;
}

static void revoked_say(const struct registrar *r, struct why *why)
{
	char text[ETH_ADDRESS_TEXT_SIZE];

	eth_address_print(text, &r->signer);
	why_set(
	    why,
	    "nothing is sent with proofs of the registered key %s, which is revoked: another has "
	    "to be registered (start a prover, or promote one)",
	    text);
}

bool registrar_may_verify(const struct registrar *r, struct why *why)
{
	char text[ETH_ADDRESS_TEXT_SIZE];

	eth_address_print(text, &r->registering_key);
	if (r->registering)
		why_set(why, "verifyBatches waits for the registration of %s", text);
	else if (r->reading_back)
		why_set(why, "verifyBatches waits until the registration of %s is read back", text);
	else if (active_is_revoked(r) && !r->aside)
		revoked_say(r, why);
	else if (r->hold_verify || r->aside)
		why_set(why, "verifyBatches waits for a registration that is about to be sent");
	else
		return true;
	return false;
}

/* Forgets how far a switch has come. */
void registrar_switch_over(struct registrar *r)
{
	r->draining = false;
	r->aside = false;
	r->hold_verify = false;
}

/* ---- gas ---- */

static uint64_t gas_of_day(const struct registrar *r, uint64_t now_ms)
{
	return now_ms / DAY_MS == r->gas_day ? r->gas_used : 0;
}

void registrar_gas_spent(struct registrar *r, uint64_t gas, uint64_t now_ms)
{
	r->gas_used = gas_of_day(r, now_ms) + gas;
	r->gas_day = now_ms / DAY_MS;
}

void registrar_restore_gas(struct registrar *r, uint64_t day, uint64_t used)
{
	r->gas_day = day;
	r->gas_used = used;
}

uint64_t registrar_gas_used(const struct registrar *r, uint64_t now_ms, uint64_t *day)
{
	*day = now_ms / DAY_MS;
	return gas_of_day(r, now_ms) + (r->registering ? r->registering_gas : 0);
}

bool registrar_gas_allows(const struct registrar *r, uint64_t gas, uint64_t now_ms, struct why *why)
{
	uint64_t used = gas_of_day(r, now_ms), budget = r->settings.gas_per_day;

	if (used <= budget && gas <= budget - used)
		return true;
	why_set(why,
		"today's gas budget for registrations is exhausted: %" PRIu64 " of %" PRIu64
		" used, one more may take %" PRIu64,
		used, budget, gas);
	return false;
}

uint64_t registrar_gas_left(const struct registrar *r, uint64_t now_ms)
{
	const uint64_t used = gas_of_day(r, now_ms), budget = r->settings.gas_per_day;

	return used < budget ? budget - used : 0;
}

bool registrar_held_up(const struct registrar *r, uint64_t now_ms, struct why *why)
{
	/* Further away than any wait is: the clock was set back. */
	if (now_ms < r->retry_at_ms && r->retry_at_ms - now_ms <= r->settings.retry_max_ms) {
		why_set(why, "the last registration failed: %.380s; next attempt in %" PRIu64 " s",
			r->failure.text, (r->retry_at_ms - now_ms + 999) / 1000);
		return true;
	}
	return !registrar_gas_allows(r, r->settings.gas_per_registration, now_ms, why);
}

/* ---- who should be registered ---- */

static bool can_be_registered(const struct registrar *r, const struct registrar_prover *p)
{
	/* The kind must be the contract's: a quote's header is no address, an address no quote. */
	enum registrar_payload_kind kind = r->dev_mode ? REGISTRAR_DEV : REGISTRAR_QUOTE;

	return p->kind == kind && p->refused.text[0] == '\0' && p->fit == REGISTRAR_FIT &&
	       !eth_address_equal(&p->signer, &r->signer) &&
	       (!r->dev_mode || r->settings.allow_dev_mode) &&
	       !revocations_find(&r->revoked, &p->traits);
}

/* With no key on chain: who was heard of last, but whoever has lately shown a proof goes first. */
static const struct registrar_prover *target_when_none(const struct registrar *r, uint64_t now_ms)
{
	const struct registrar_prover *best = r->chosen ? prover_find(r, &r->chosen_key) : NULL;
	bool best_lately = false;
	uint64_t best_heard = 0;
	size_t i;

	if (best && can_be_registered(r, best))
		return best;
	best = NULL;
	for (i = 0; i < r->n; i++) {
		const struct registrar_prover *p = &r->provers[i];
		uint64_t heard =
		    p->last_seen_ms > p->last_proof_ms ? p->last_seen_ms : p->last_proof_ms;
		bool lately = p->proofs && p->last_proof_ms + r->settings.silence_ms >= now_ms;

		if (!can_be_registered(r, p))
			continue;
		/* What passes here may fail on chain again and again: others first. */
		if (best && p->failures > best->failures)
			continue;
		if (best && p->failures == best->failures &&
		    (best_lately != lately ? best_lately : best_heard >= heard))
			continue;
		best = p;
		best_lately = lately;
		best_heard = heard;
	}
	return best;
}

/* The standby whose proof is the newest. since_ms: only proofs later than that tell that it is
 * alive now; bare: one that has shown none will do where there is no better. */
static const struct registrar_prover *best_standby(const struct registrar *r, uint64_t since_ms,
						   bool bare)
{
	const struct registrar_prover *best = NULL;
	size_t i;

	for (i = 0; i < r->n; i++) {
		const struct registrar_prover *p = &r->provers[i];

		if (can_be_registered(r, p) &&
		    (bare || (p->proofs && p->last_proof_ms > since_ms)) &&
		    (!best || p->failures < best->failures ||
		     (p->failures == best->failures && p->last_proof_ms > best->last_proof_ms)))
			best = p;
	}
	return best;
}

/* A contract's key that should not stay, whatever it shows. True: *best may be set. */
static bool active_must_go(const struct registrar *r, const struct registrar_prover **best,
			   struct why *why)
{
	const struct registrar_prover *active = prover_find(r, &r->signer);
	char text[ETH_ADDRESS_TEXT_SIZE];

	const bool revoked = active_is_revoked(r);

	if (!revoked && (!active || active->fit != REGISTRAR_UNFIT))
		return false;
	eth_address_print(text, &r->signer);
	*best = best_standby(r, 0, revoked);
	if (!*best && revoked)
		why_set(why,
			"the registered key %s is revoked, but there is no other to replace it",
			text);
	else if (!*best)
		why_set(
		    why,
		    "the quote of the registered key %s no longer passes (%.200s), but no other "
		    "key has shown a proof",
		    text, active->unfit.text);
	return true;
}

bool registrar_takeover(const struct registrar *r, struct why *why)
{
	const uint64_t limit = registrar_silence_ms(r);
	const struct registrar_prover *next = best_standby(r, r->active_proof_ms, false);
	char active[ETH_ADDRESS_TEXT_SIZE], text[ETH_ADDRESS_TEXT_SIZE];

	if (!next || !registrar_signer(r) || r->silent_ms < 1000 || r->silent_ms >= limit ||
	    !(r->active_proof_ms || r->by_operator))
		return false;
	eth_address_print(active, &r->signer);
	eth_address_print(text, &next->signer);
	why_set(why,
		"the registered key %s is silent for %" PRIu64
		" s; %s, which has shown a proof since, takes over in %" PRIu64
		" s; `promote %s` does it now",
		active, r->silent_ms / 1000, text, (limit - r->silent_ms + 999) / 1000, text);
	return true;
}

const struct registrar_prover *registrar_target(const struct registrar *r, uint64_t now_ms,
						struct why *why)
{
	const struct registrar_prover *best = NULL, *promoted;
	char text[ETH_ADDRESS_TEXT_SIZE];

	if (!r->contract_known || !r->signer_known) {
		why_set(why,
			"L1 has not yet said which TDXVerifier there is and which key it holds");
		return NULL;
	}
	promoted = r->promoted ? prover_find(r, &r->promoted_key) : NULL;
	if (promoted && can_be_registered(r, promoted))
		return promoted;
	if (!registrar_signer(r)) {
		best = target_when_none(r, now_ms);
		if (!best)
			why_set(why, "no key is registered, and no prover that could be");
		return best;
	}
	if (active_must_go(r, &best, why))
		return best;
	eth_address_print(text, &r->signer);
	if (registrar_takeover(r, why))
		return NULL;
	if ((r->active_proof_ms || r->by_operator) && r->silent_ms < registrar_silence_ms(r)) {
		why_set(why, "the registered key %s is at work", text);
		return NULL;
	}
	best = best_standby(r, r->active_proof_ms, false);
	if (best)
		return best;
	if (r->active_proof_ms)
		why_set(why,
			"the registered key %s is silent for %" PRIu64
			" s, but no other has shown a proof since its last",
			text, r->silent_ms / 1000);
	else
		why_set(why, "the registered key %s has not shown a proof, but neither has another",
			text);
	return NULL;
}

const struct registrar_prover *registrar_successor(const struct registrar *r, uint64_t now_ms,
						   struct why *why)
{
	return registrar_target(r, now_ms, why);
}

/* ---- the next step ---- */

/* True: the old key's proofs stand in the way no longer. */
static bool drained(struct registrar *r, const struct registrar_prover *target, uint64_t now_ms,
		    struct registrar_step *out, struct why *why)
{
	r->drain_to = target->signer;
	if (!registrar_signer(r) || r->unverified == 0 || r->aside || active_is_revoked(r))
		return true;
	/* Or anew: the clock was set back. */
	if (!r->draining || r->drain_until_ms > now_ms + r->settings.drain_ms) {
		r->draining = true;
		r->drain_until_ms = now_ms + r->settings.drain_ms;
	}
	if (now_ms < r->drain_until_ms) {
		why_set(why,
			"a switch waits for %zu %s proven with the old key to be verified, at "
			"most %" PRIu64 " s more",
			r->unverified, batches(r->unverified),
			(r->drain_until_ms - now_ms + 999) / 1000);
		return false;
	}
	r->hold_verify = true;
	if (r->verify_in_flight) {
		why_set(why, "a switch waits for verifyBatches, which is in flight");
		return false;
	}
	*out = (struct registrar_step){
	    .action = REGISTRAR_SET_ASIDE, .signer = r->signer, .next = target->signer};
	why_set(why, "%zu %s proven with the old key %s not verified in time", r->unverified,
		batches(r->unverified), words_were(r->unverified));
	return false;
}

void registrar_next(struct registrar *r, uint64_t now_ms, struct registrar_step *out,
		    struct why *why)
{
	const struct registrar_prover *target;
	char text[ETH_ADDRESS_TEXT_SIZE];

	*out = (struct registrar_step){.action = REGISTRAR_NOTHING};
	registrar_tick(r, now_ms);
	eth_address_print(text, &r->registering_key);
	if (r->registering) {
		why_set(why, "the registration of %s is in flight", text);
		return;
	}
	if (r->reading_back) {
		why_set(why, "the key on chain is to be read back after registering %s", text);
		return;
	}
	target = registrar_target(r, now_ms, why);
	if (!target) {
		registrar_switch_over(r);
		return;
	}
	r->hold_verify = false;
	if (registrar_held_up(r, now_ms, why)) {
		registrar_switch_over(r);
		return;
	}
	eth_address_print(text, &target->signer);
	r->chosen = true;
	r->chosen_key = target->signer;
	if (target->kind == REGISTRAR_QUOTE &&
	    !(r->prepared && eth_address_equal(&r->prepared_key, &target->signer))) {
		*out = (struct registrar_step){.action = REGISTRAR_PREPARE,
					       .signer = target->signer,
					       .next = target->signer,
					       .payload = target->payload};
		why_set(why, "the chain is being prepared for the quote of %s", text);
		return;
	}
	if (r->settings.external_route) {
		registrar_switch_over(r);
		*out = (struct registrar_step){.action = REGISTRAR_REGISTER,
					       .signer = target->signer,
					       .next = target->signer,
					       .payload = target->payload};
		why_set(why, "the registration of %s waits for somebody else to send it", text);
		return;
	}
	if (!drained(r, target, now_ms, out, why))
		return;
	r->hold_verify = true;
	if (r->verify_in_flight) {
		why_set(why, "a registration waits for verifyBatches, which is in flight");
		return;
	}
	*out = (struct registrar_step){.action = REGISTRAR_REGISTER,
				       .signer = target->signer,
				       .next = target->signer,
				       .payload = target->payload};
	if (r->promoted && eth_address_equal(&r->promoted_key, &target->signer))
		why_set(why, "%s is registered at the operator's word", text);
	else if (registrar_signer(r))
		why_set(why, "%s replaces the key on chain", text);
	else
		why_set(why, "no key is registered: %s is the first", text);
}

void registrar_prepared(struct registrar *r, const struct eth_address *signer)
{
	r->prepared = true;
	r->prepared_key = *signer;
}

void registrar_set_aside_done(struct registrar *r, const struct eth_address *signer)
{
	if (r->draining && r->signer_known && eth_address_equal(signer, &r->signer)) {
		r->draining = false;
		r->aside = true;
	}
}

/* ---- a registration ---- */

void registrar_register_resume(struct registrar *r, const struct eth_address *signer,
			       uint64_t gas_limit)
{
	r->registering = true;
	r->reading_back = false;
	r->mined = false;
	r->registering_key = *signer;
	r->registering_gas = gas_limit;
	r->hold_verify = false;
}

bool registrar_register_begin(struct registrar *r, const struct eth_address *signer,
			      uint64_t gas_limit, uint64_t now_ms, struct why *why)
{
	const struct registrar_prover *target;
	char text[ETH_ADDRESS_TEXT_SIZE];

	if (r->registering || r->reading_back) {
		eth_address_print(text, &r->registering_key);
		why_set(why, "the registration of %s is in flight", text);
		return false;
	}
	if (r->verify_in_flight) {
		why_set(why, "verifyBatches is in flight");
		return false;
	}
	target = registrar_target(r, now_ms, why);
	if (!target)
		return false;
	if (!eth_address_equal(&target->signer, signer)) {
		eth_address_print(text, &target->signer);
		why_set(why, "the key to be registered is now %s", text);
		return false;
	}
	if (registrar_signer(r) && r->unverified && !r->aside && !active_is_revoked(r)) {
		why_set(why, "%zu %s proven with the old key %s not verified yet", r->unverified,
			batches(r->unverified), words_are(r->unverified));
		return false;
	}
	if (!registrar_gas_allows(r, gas_limit, now_ms, why))
		return false;
	registrar_register_resume(r, signer, gas_limit);
	return true;
}

static void failed(struct registrar *r, const char *reason, uint64_t now_ms)
{
	const uint64_t wait =
	    retry_backoff(r->settings.retry_min_ms, r->settings.retry_max_ms, r->failures);

	r->failures++;
	r->chosen = false;
	r->prepared = false;
	r->failed_at_ms = now_ms;
	r->retry_at_ms = now_ms + wait;
	why_set(&r->failure, "%s", reason);
	/* The contract still holds the old key, and its proofs count again. */
	registrar_switch_over(r);
}

void registrar_register_done(struct registrar *r, uint64_t gas_used, uint64_t now_ms)
{
	if (!r->registering)
		return;
	registrar_gas_spent(r, gas_used, now_ms);
	r->registering = false;
	r->reading_back = true;
	r->mined = true;
}

void registrar_register_failed(struct registrar *r, const struct eth_address *signer,
			       const char *reason, bool refused, uint64_t gas_used, uint64_t now_ms)
{
	struct registrar_prover *p = prover_find(r, signer);

	registrar_gas_spent(r, gas_used, now_ms);
	if (r->registering && eth_address_equal(&r->registering_key, signer))
		r->registering = false;
	failed(r, reason, now_ms);
	if (p)
		p->failures++;
	if (refused && p)
		why_set(&p->refused, "%s", reason);
}

static void signer_take(struct registrar *r, const struct eth_address *signer)
{
	const struct registrar_prover *p;

	r->signer = *signer;
	r->signer_known = true;
	p = prover_find(r, signer);
	r->active_proof_ms = p ? p->last_proof_ms : 0;
	r->silent_ms = 0;
	r->successor = false;
	r->chosen = false;
	r->prepared = false;
	r->by_operator = r->promoted && eth_address_equal(&r->promoted_key, signer);
	if (r->by_operator)
		r->promoted = false;
	r->mined = r->mined && eth_address_equal(&r->registering_key, signer);
	registrar_switch_over(r);
}

enum registrar_signer_change registrar_set_signer(struct registrar *r,
						  const struct eth_address *signer, uint64_t now_ms,
						  struct why *why)
{
	bool known = r->signer_known, read_back = r->reading_back;
	bool ours = (r->registering || r->mined) && eth_address_equal(&r->registering_key, signer);
	char now[ETH_ADDRESS_TEXT_SIZE], was[ETH_ADDRESS_TEXT_SIZE], mine[ETH_ADDRESS_TEXT_SIZE];
	struct why reason = {{0}};

	eth_address_print(now, signer);
	eth_address_print(was, &r->signer);
	eth_address_print(mine, &r->registering_key);
	r->reading_back = false;
	/* Once: later readings of the same key say nothing of another's registration. */
	if (r->mined && ours && (read_back || !eth_address_equal(&r->signer, signer))) {
		r->failures = 0;
		r->retry_at_ms = 0;
	}
	if (known && eth_address_equal(&r->signer, signer)) {
		/* Mined with status 1, and yet the key is another: not at once again. */
		if (read_back && !ours) {
			why_set(&reason,
				"the registration of %s was mined, but the contract holds %s", mine,
				now);
			failed(r, reason.text, now_ms);
		}
		return REGISTRAR_SIGNER_SAME;
	}
	registrar_tick(r, now_ms);
	signer_take(r, signer);
	if (!known)
		return REGISTRAR_SIGNER_FIRST;
	if (ours)
		return REGISTRAR_SIGNER_OURS;
	why_set(&reason, "the key on chain changed from %s to %s, and not by us", was, now);
	if (read_back)
		failed(r, reason.text, now_ms);
	why_set(why, "%s", reason.text);
	return REGISTRAR_SIGNER_CHANGED;
}

bool registrar_proof_shown(struct registrar *r, const struct eth_address *signer, uint64_t now_ms)
{
	struct registrar_prover *p = prover_find(r, signer), foreign;
	bool active = r->signer_known && !eth_address_is_zero(signer) &&
		      eth_address_equal(&r->signer, signer);

	registrar_tick(r, now_ms);
	if (active) {
		r->active_proof_ms = now_ms;
		r->silent_ms = 0;
		r->successor = false;
	}
	/* Registered by somebody else: worth a row, so that a restart knows that it works. */
	if (!p && active && r->n < r->settings.max_provers) {
		foreign = (struct registrar_prover){
		    .signer = *signer, .kind = REGISTRAR_NONE, .first_seen_ms = now_ms};
		if (prover_put(r, &foreign))
			p = prover_find(r, signer);
	}
	if (p) {
		p->proofs++;
		p->last_proof_ms = now_ms;
	}
	return p || active;
}
