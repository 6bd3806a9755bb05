#include "coordinator/transactions/agenda.h"

#include "coordinator/base/clock.h"
#include "coordinator/base/log.h"
#include "coordinator/registrar/rows.h"
#include "coordinator/relay/relay.h"
#include "coordinator/transactions/addresses.h"
#include "coordinator/transactions/fixed_number.h"
#include "coordinator/transactions/funds.h"
#include "coordinator/transactions/prepare.h"
#include "coordinator/transactions/register.h"
#include "coordinator/transactions/verify_batches.h"

#include <stdlib.h>
#include <string.h>

struct agenda {
	struct agenda_parts p;
	struct agenda_options o;
	struct desk desk;
	struct why now;
	struct outbox *outbox;
	struct addresses *addresses;
	struct fixed_number *fixed_number;
	struct funds *funds;
	struct verify *verify;
	struct prepare *prepare;
	struct eth_address offered; /* whose registration waits in a file */
	bool stopped;
	bool leads; /* always, where the store is not shared */
	struct agenda_counters counters;
	struct agenda_past past[AGENDA_PAST_MAX]; /* a ring */
	size_t past_n;                            /* ever */
};

/* ---- what is next ---- */

static void set_aside(struct agenda *a, const struct registrar_step *step)
{
	char from[ETH_ADDRESS_TEXT_SIZE], to[ETH_ADDRESS_TEXT_SIZE];
	struct why why;

	eth_address_print(from, &step->signer);
	eth_address_print(to, &step->next);
	why_set(&why,
		"the key is replaced by %s and its proofs could not be verified in time; their "
		"batches are handed out again",
		to);
	log_event(LOG_WARN, "proofs_set_aside", log_str("signer", from),
		  log_u64("batches", work_signer_batches(a->p.work, &step->signer)),
		  log_str("reason", why.text));
	work_set_signer(a->p.work, WORK_SIGNER_IS, &step->next);
	registrar_set_aside_done(a->p.registrar, &step->signer);
}

static void tell_registrar(struct agenda *a)
{
	const struct eth_address *signer = registrar_signer(a->p.registrar);
	struct work_counts counts;

	work_counts(a->p.work, &counts);
	registrar_set_work(a->p.registrar, counts.wanting[PROVER_TDX] > 0, clock_wall_ms());
	registrar_set_pace(a->p.registrar, work_longest_ms(a->p.work, PROVER_TDX));
	registrar_set_unverified(a->p.registrar, signer ? work_signer_run(a->p.work, signer) : 0);
}

/* True: the registration has the turn. */
static bool register_next(struct agenda *a)
{
	struct registrar_step step;
	struct why why = {""};

	tell_registrar(a);
	registrar_next(a->p.registrar, clock_wall_ms(), &step, &why);
	if ((step.action == REGISTRAR_PREPARE || step.action == REGISTRAR_REGISTER) &&
	    !addresses_allow(a->addresses, SENDER_REGISTER, &why)) {
		desk_say(&a->desk, "%s", why.text);
		return false;
	}
	switch (step.action) {
	case REGISTRAR_NOTHING: break;
	case REGISTRAR_PREPARE: prepare_begin(a->prepare, &step); break;
	case REGISTRAR_SET_ASIDE:
		if (!a->p.relay || !relay_holds(a->p.relay, &step.signer)) {
			set_aside(a, &step);
			return true;
		}
		desk_say(&a->desk, "upstream has proofs by the key on chain that it can verify: "
				   "the next key waits for that");
		return a->o.verify_elsewhere; /* else they are verified from here, now */
	case REGISTRAR_REGISTER:
		if (!a->o.register_by_file) {
			register_start(&a->desk, a->prepare, &step);
			return true;
		}
		register_offer(&a->desk, a->prepare, &step, &a->offered);
		break;
	}
	return prepare_send(a->prepare);
}

static void say_who_leads(struct agenda *a)
{
	char name[STORE_INSTANCE_SIZE];

	if (*store_lost(a->p.store))
		desk_say(&a->desk, "nothing can be stored: %s", store_lost(a->p.store));
	else if (store_leader(a->p.store, name))
		desk_say(&a->desk, "another coordinator (%s) leads; this one accepts provers",
			 name);
	else
		desk_say(&a->desk, "no coordinator leads yet; this one accepts provers");
}

void agenda_next(struct agenda *a)
{
	const struct l1_facts *f = l1_facts(a->p.l1);
	struct why why = {""};

	if (!a->leads)
		say_who_leads(a);
	if (!f || !l1_is_fresh(a->p.l1) || a->stopped)
		return;
	fixed_number_pump(a->fixed_number);
	if (!a->leads) {
		tell_registrar(a);
		return;
	}
	funds_pump(a->funds);
	outbox_watch(a->outbox);
	if (verify_is_busy(a->verify) || !outbox_is_free(a->outbox))
		return;
	addresses_pump(a->addresses);
	if (f->has_tdx_verifier && register_next(a))
		return;
	if (a->o.verify_elsewhere)
		desk_say(&a->desk, "the proofs go upstream, whose sender sends verifyBatches");
	else if (addresses_allow(a->addresses, SENDER_VERIFY, &why))
		verify_next(a->verify);
	else
		desk_say(&a->desk, "%s", why.text);
}

/* ---- what became of it ---- */

static void remember(struct agenda *a, const struct sender_action *action)
{
	const struct sender_intent *in = action->intent;
	struct agenda_past *p = &a->past[a->past_n++ % AGENDA_PAST_MAX];

	*p = (struct agenda_past){.kind = in->kind,
				  .first_batch = in->first_batch,
				  .last_batch = in->last_batch,
				  .signer = in->signer,
				  .outcome = action->outcome,
				  .at_ms = clock_wall_ms(),
				  .attempts = in->n_attempts,
				  .has_receipt = action->has_receipt,
				  .block = action->block_number,
				  .gas_used = action->gas_used,
				  .gas_price = action->gas_price};
	memcpy(p->hash, action->tx_hash, sizeof p->hash);
	why_set(&p->sentence, "%s", action->sentence ? action->sentence : "");
}

static void on_finished(void *arg, const struct sender_action *action)
{
	struct agenda *a = arg;

	a->counters.txs[action->outcome]++;
	remember(a, action);
	if (action->outcome == SENDER_NO_EFFECT)
		addresses_doubt(a->addresses, action->intent->kind, action->sentence);
	else if (action->outcome == SENDER_CONFIRMED)
		addresses_took_effect(a->addresses, action->intent->kind);
	switch (action->intent->kind) {
	case SENDER_VERIFY:
		verify_over(a->verify, action);
		a->counters.gas_verify = verify_gas(a->verify);
		break;
	case SENDER_REGISTER: a->counters.gas_register += register_over(&a->desk, action); break;
	case SENDER_UPLOAD:
		a->counters.gas_upload += action->has_receipt ? action->gas_used : 0;
		prepare_upload_over(a->prepare, action);
		prover_gas_keep(a->p.store, a->p.registrar, clock_wall_ms());
		break;
	}
	funds_refresh(a->funds);
	l1_refresh(a->p.l1);
}

/* ---- life ---- */

bool agenda_restore_intent(struct agenda *a, const struct store_intent *row, struct why *why)
{
	const struct store_change change = {.kind = CHANGE_INTENT_PUT, .intent = *row};

	if (a->leads)
		return outbox_restore(a->outbox, row, why);
	agenda_foreign(a, &change);
	return true;
}

void agenda_resume(struct agenda *a)
{
	const struct sender_intent *in = outbox_left_open(a->outbox);

	if (!in)
		return;
	if (in->kind == SENDER_VERIFY)
		registrar_set_verify_in_flight(a->p.registrar, true);
	else if (in->kind == SENDER_REGISTER)
		registrar_register_resume(a->p.registrar, &in->signer, in->gas);
}

bool agenda_open(struct agenda *a, uint64_t chain_id, struct why *why)
{
	return !a->leads || outbox_open(a->outbox, chain_id, why);
}

/* What is under way ends in nothing here. */
static void let_go(struct agenda *a)
{
	outbox_yield(a->outbox);
	verify_yield(a->verify);
	prepare_yield(a->prepare);
	registrar_yield(a->p.registrar);
}

bool agenda_lead(struct agenda *a, const struct store_change *intents, size_t n, struct why *why)
{
	let_go(a);
	if (!outbox_lead(a->outbox, intents, n, why))
		return false;
	a->leads = true;
	desk_say(&a->desk, "this coordinator leads from now on, and reads L1 first");
	agenda_resume(a);
	return true;
}

void agenda_yield(struct agenda *a)
{
	a->leads = false;
	let_go(a);
	say_who_leads(a);
}

bool agenda_leads(const struct agenda *a)
{
	return a->leads;
}

/* A first key is told to wait while another is being registered. */
void agenda_foreign(struct agenda *a, const struct store_change *change)
{
	struct sender_intent in;
	struct why why = {""};

	if (change->kind != CHANGE_INTENT_PUT)
		return;
	sender_intent_init(&in);
	if (sender_intent_decode(&in, change->intent.data, &why) && in.kind != SENDER_VERIFY)
		registrar_chose(a->p.registrar, &in.signer);
	sender_intent_free(&in);
}

void agenda_stop(struct agenda *a)
{
	a->stopped = true;
	verify_stop(a->verify);
	addresses_stop(a->addresses);
	prepare_stop(a->prepare);
}

void agenda_set_options(struct agenda *a, const struct agenda_options *options)
{
	a->o = *options;
	addresses_recheck(a->addresses);
	outbox_set_options(a->outbox, &options->outbox.sender);
}

void agenda_resume_sending(struct agenda *a)
{
	addresses_trust(a->addresses);
	wake_up(a->p.wake);
}

const char *agenda_sentence(const struct agenda *a)
{
	return a->now.text;
}

struct sender_io *agenda_sender(const struct agenda *a)
{
	return outbox_sender(a->outbox);
}

const struct funds *agenda_funds(const struct agenda *a)
{
	return a->funds;
}

const struct prepare *agenda_prepare(const struct agenda *a)
{
	return a->prepare;
}

const struct agenda_counters *agenda_counters(const struct agenda *a)
{
	return &a->counters;
}

const struct agenda_past *agenda_past(const struct agenda *a, size_t i)
{
	if (i >= a->past_n || i >= AGENDA_PAST_MAX)
		return NULL;
	return &a->past[(a->past_n - 1 - i) % AGENDA_PAST_MAX];
}

bool agenda_new(struct agenda **out, const struct agenda_parts *parts,
		const struct agenda_options *options, struct why *why)
{
	const struct outbox_parts op = {parts->loop, parts->rpc, parts->store, parts->signing};
	struct agenda *a = calloc(1, sizeof *a);
	const struct outbox_events events = {on_finished, a};

	*out = NULL;
	if (!a) {
		why_set(why, "out of memory");
		return false;
	}
	a->p = *parts;
	a->o = *options;
	a->leads = !store_is_shared(parts->store);
	if (!outbox_new(&a->outbox, &op, &options->outbox, &events, why))
		goto failed;
	a->desk = (struct desk){&a->p, &a->o, a->outbox, &a->now};
	if (!addresses_new(&a->addresses, &a->desk, why) ||
	    !fixed_number_new(&a->fixed_number, &a->desk, why) ||
	    !funds_new(&a->funds, &a->desk, why) || !verify_new(&a->verify, &a->desk, why) ||
	    !prepare_new(&a->prepare, &a->desk, why))
		goto failed;
	*out = a;
	return true;
failed:
	agenda_free(a);
	return false;
}

void agenda_close(struct agenda *a, void (*done)(void *arg), void *arg)
{
	if (!a) {
		done(arg);
		return;
	}
	agenda_stop(a);
	outbox_close(a->outbox, done, arg);
}

void agenda_free(struct agenda *a)
{
	if (!a)
		return;
	prepare_free(a->prepare);
	verify_free(a->verify);
	addresses_free(a->addresses);
	funds_free(a->funds);
	fixed_number_free(a->fixed_number);
	outbox_free(a->outbox);
	free(a);
}
