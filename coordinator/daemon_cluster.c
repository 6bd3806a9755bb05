/* Several coordinators on one store: what the others stored reaches the rooms, and who leads.
 * Alone, none of this is called. */
#include "coordinator/base/clock.h"
#include "coordinator/base/log.h"
#include "coordinator/daemon_internal.h"
#include "coordinator/registrar/rows.h"

#include <inttypes.h>
#include <string.h>

/* ---- what others stored ---- */

static bool is_fact(const struct store_change *change, const char *key)
{
	return span_eq(change->fact.key, span_of(key, strlen(key)));
}

/* The leader keeps what is bounded within its bounds. */
static struct store *leaders(const struct daemon *d)
{
	return store_leads(d->store) ? d->store : NULL;
}

static void take_fact(struct daemon *d, const struct store_change *change)
{
	const bool put = change->kind == CHANGE_FACT_PUT;
	struct why why = {""};
	bool unrevoked;

	if (d->relay && relay_foreign(d->relay, change))
		return;
	if (quotes_fact_foreign(d->quotes, change, leaders(d)))
		return;
	if (prover_fact_foreign(d->registrar, change, &unrevoked)) {
		if (unrevoked)
			quotes_changed(d->quotes);
		return;
	}
	if (put && is_fact(change, REAPER_FACT) && !store_leads(d->store))
		reaper_restore(d->reaper, change->fact.value);
	if (put && is_fact(change, L1_FACT) && !l1_foreign(d->l1, change->fact.value, &why))
		daemon_fail(d, "other_contract", why.text);
}

/* False with the sentence: there is no room for it here. */
static bool take(struct daemon *d, const struct store_change *change, struct why *why)
{
	switch (change->kind) {
	case CHANGE_FACT_PUT:
	case CHANGE_FACT_DEL: take_fact(d, change); return true;
	case CHANGE_INPUT_PUT:
	case CHANGE_INPUT_REPLACED:
	case CHANGE_INPUT_DEL:
	case CHANGE_INPUT_DEL_THROUGH: return inputs_foreign(d->inputs, change, why);
	case CHANGE_PROOF_PUT:
	case CHANGE_PROOF_STATE:
	case CHANGE_PROOF_RANGE:
	case CHANGE_PROOF_DEL:
	case CHANGE_PROOF_DEL_THROUGH: return proofs_foreign(d->proofs, change, why);
	case CHANGE_LEASE_PUT:
	case CHANGE_LEASE_DEL:
	case CHANGE_LEASE_DEL_THROUGH: lease_foreign(d->work, change); return true;
	case CHANGE_PROVER_PUT:
	case CHANGE_PROVER_DEL: return prover_row_foreign(d->registrar, change, leaders(d), why);
	case CHANGE_INTENT_PUT:
	case CHANGE_INTENT_DEL: agenda_foreign(d->agenda, change); return true;
	}
	return true;
}

/* Whoever started it starts it anew, and all is read from the database. */
static void fail_anew(struct daemon *d, const char *event, const char *sentence)
{
	if (d->closing || d->exit_code)
		return;
	d->exit_code = EXIT_FAILURE;
	daemon_fail(d, event, sentence);
}

/* A key that there is no room for is offered again by its prover. Without an input or a proof what
 * is in memory is no copy of what is stored any more. */
static void not_taken(struct daemon *d, const struct store_change *change, const struct why *why)
{
	if (change->kind == CHANGE_PROVER_PUT)
		log_limited(LOG_ERROR, "row_not_taken", "", "", log_str("reason", why->text));
	else
		fail_anew(d, "row_not_taken", why->text);
}

static void on_foreign(void *arg, const struct store_change *changes, size_t n)
{
	struct daemon *d = arg;
	bool provers = false, work = false;
	struct why why = {""};
	size_t i;

	if (d->closing)
		return;
	for (i = 0; i < n; i++) {
		if (!take(d, &changes[i], &why)) {
			not_taken(d, &changes[i], &why);
			if (d->exit_code)
				return;
		}
		provers = provers || changes[i].kind == CHANGE_PROVER_PUT;
		work = work || changes[i].kind == CHANGE_PROOF_PUT;
	}
	if (provers)
		quotes_look(d->quotes);
	if (work)
		proofs_judge(d->proofs);
	wake_up(d->wake);
}

/* ---- who leads ---- */

/* L1 is read before anything is sent: agenda_open() comes with the next facts. */
static void on_leads(void *arg, uint64_t fence, const struct store_change *intents, size_t n)
{
	struct daemon *d = arg;
	const bool did = agenda_leads(d->agenda);
	struct why why = {""};

	if (d->closing)
		return;
	if (d->relay)
		relay_lead(d->relay, fence != 0);
	if (!fence) {
		agenda_yield(d->agenda);
		if (did)
			log_event(LOG_WARN, "leads_no_more",
				  log_str("note", "nothing is signed or sent from here until this "
						  "coordinator leads again"));
		return;
	}
	log_event(LOG_INFO, "leads", log_u64("fence", fence), log_u64("open_intents", n));
	if (!agenda_lead(d->agenda, intents, n, &why)) {
		daemon_fail(d, "intent_unreadable", why.text);
		return;
	}
	l1_lead(d->l1);
	l1_refresh(d->l1);
	proofs_judge(d->proofs);
	wake_up(d->wake);
}

static void on_reached(void *arg, bool reached, const char *sentence)
{
	struct daemon *d = arg;

	if (reached)
		log_event(LOG_INFO, "store_reached", log_str("note", sentence));
	else if (!d->store_is_lost)
		log_event(LOG_ERROR, "store_lost", log_str("reason", sentence));
	else
		log_limited(LOG_ERROR, "store_lost", "still", "", log_str("reason", sentence));
	if (!reached && !d->store_is_lost && d->inputs && !d->closing)
		inputs_give_up(d->inputs, "the database cannot be reached now");
	d->store_is_lost = !reached;
	if (!d->closing)
		wake_up(d->wake);
}

static void on_other_past(void *arg, const char *sentence)
{
	fail_anew(arg, "store_is_another", sentence);
}

static void on_schema(void *arg, const char *sentence)
{
	(void)arg;
	log_event(LOG_INFO, "store_schema", log_str("note", sentence));
}

static void on_trouble(void *arg, const char *sentence)
{
	(void)arg;
	log_limited(LOG_WARN, "store_trouble", "", sentence, log_str("reason", sentence));
}

struct store_events daemon_store_events(struct daemon *d)
{
	return (struct store_events){
	    .foreign = on_foreign,
	    .leads = on_leads,
	    .reached = on_reached,
	    .other_past = on_other_past,
	    .schema = on_schema,
	    .trouble = on_trouble,
	    .arg = d,
	};
}

void daemon_cluster_settings(struct daemon *d)
{
	const struct config *c = d->config;
	char timelock[ETH_ADDRESS_TEXT_SIZE] = "", verify[ETH_ADDRESS_TEXT_SIZE] = "",
	     registers[ETH_ADDRESS_TEXT_SIZE] = "";
	const char *const values[CLUSTER_SETTINGS] = {
	    [CLUSTER_TIMELOCK] = timelock,
	    [CLUSTER_VERIFY_FROM] = verify,
	    [CLUSTER_REGISTER_FROM] = registers,
	    [CLUSTER_REGISTER_ROUTE] = c->register_route,
	    [CLUSTER_DEV_MODE] = c->tdx_dev_mode ? "true" : "false",
	    [CLUSTER_COMMIT_HASH_PATTERN] = c->commit_hash_pattern,
	    [CLUSTER_UPSTREAM] = c->upstream,
	    [CLUSTER_SUBMIT] = c->submit_text};

	if (c->has_timelock)
		eth_address_print(timelock, &c->timelock);
	if (c->has_verify_from)
		eth_address_print(verify, &c->verify_from);
	if (c->has_register_from)
		eth_address_print(registers, &c->register_from);
	cluster_settings(d->settings, values);
}
