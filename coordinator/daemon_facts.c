/* What is new below reaches the rooms above: L1's facts, and the wake. */
#include "coordinator/base/clock.h"
#include "coordinator/base/log.h"
#include "coordinator/daemon_internal.h"
#include "coordinator/registrar/rows.h"

/* What waits is judged by the commitments that come instead. */
static void keep_reverted(struct daemon *d, uint64_t after, uint64_t last)
{
	static const char reason[] = "its commitment is no more";
	struct store_change change = {.kind = CHANGE_PROOF_RANGE};

	change.proof_range = (struct store_proof_range){
	    .first = after + 1,
	    .last = last,
	    .from = 1u << WORK_CANDIDATE | 1u << WORK_GOOD | 1u << WORK_UNDECIDED,
	    .state = WORK_REVERTED,
	    .reason = span_of(reason, sizeof reason - 1)};
	store_commit_lazy(d->store, &change, 1);
}

static void tell_registrar(struct daemon *d, const struct l1_facts *f)
{
	const bool promoting = registrar_promoted(d->registrar) != NULL;
	enum registrar_signer_change change;
	const struct eth_address *counting;
	struct why why = {""};
	char text[ETH_ADDRESS_TEXT_SIZE];

	registrar_set_contract(d->registrar, &f->tdx_verifier, f->tdx_dev_mode);
	change = registrar_set_signer(d->registrar, &f->signer, clock_wall_ms(), &why);
	eth_address_print(text, &f->signer);
	/* Where another coordinator leads, it is its registration, as far as is known here. */
	if (change == REGISTRAR_SIGNER_CHANGED && store_leads(d->store))
		log_event(LOG_WARN, "signer_changed", log_str("reason", why.text));
	else if (change != REGISTRAR_SIGNER_SAME)
		log_event(LOG_INFO, "signer_on_chain",
			  log_str("signer", eth_address_is_zero(&f->signer) ? "none" : text));
	if (store_leads(d->store) && promoting && !registrar_promoted(d->registrar))
		prover_promoted_drop(d->store);
	/* Not simply the chain's: while a switch is under way, the key that comes. */
	counting = registrar_counting_signer(d->registrar);
	work_set_signer(d->work, counting ? WORK_SIGNER_IS : WORK_SIGNER_NONE, counting);
}

static uint32_t needed_types(const struct daemon *d, const struct l1_facts *f)
{
	return d->config->exec_only ? PROVER_TYPE_BIT(PROVER_EXEC) : f->needed;
}

void daemon_restore_facts(struct daemon *d)
{
	const struct l1_facts *f = l1_facts(d->l1);
	struct work_chain chain = {0};
	struct why why = {""};

	if (!f)
		return;
	/* final stays 0: nothing goes, and nothing is dropped, on what an earlier run was told. */
	chain.committed = f->committed;
	chain.verified = f->verified;
	work_set_needed(d->work, needed_types(d, f));
	work_set_chain(d->work, &chain, &why);
	work_chain_is_old(d->work);
	if (f->has_tdx_verifier)
		tell_registrar(d, f);
}

/* Settings that cannot go with this chain: the event and the sentence; NULL: none. */
static const char *misfit(const struct daemon *d, const struct l1_facts *f, const char **event)
{
	if (f->l1_chain_id == 1 && d->config->tdx_dev_mode) {
		*event = "dev_mode_on_mainnet";
		return "ETHREX_TDX_DEV_MODE is on and the L1 is Ethereum mainnet (chain id 1): "
		       "anyone could register any key; refused";
	}
	if (d->config->exec_only && f->needed != PROVER_TYPE_BIT(PROVER_EXEC)) {
		*event = "dev_mode_on_contract_with_proofs";
		return "ETHREX_PROOF_COORDINATOR_DEV_MODE sends empty proofs, but the "
		       "OnChainProposer requires real ones; unset it";
	}
	if ((f->needed & PROVER_TYPE_BIT(PROVER_TDX)) && !d->config->has_register_from) {
		*event = "tdx_key_missing";
		return "the OnChainProposer requires TDX proofs: give "
		       "ETHREX_PROOF_COORDINATOR_TDX_PRIVATE_KEY_FILE, the key that registers";
	}
	return NULL;
}

/* Forward, or back: then what was judged waits for the commitments that come instead. */
static void take_chain(struct daemon *d, const struct work_chain *chain)
{
	struct work_chain was;
	const bool known = work_chain(d->work, &was);
	struct why why = {""};

	switch (work_set_chain(d->work, chain, &why)) {
	case WORK_CHAIN_SAME:
	case WORK_CHAIN_FORWARD: break;
	case WORK_CHAIN_BACK:
	case WORK_CHAIN_BACK_LOST:
		log_event(LOG_WARN, "l1_went_back", log_str("reason", why.text));
		commitments_forget(d->commitments);
		if (store_leads(d->store) && known && chain->committed < was.committed)
			keep_reverted(d, chain->committed, was.committed);
		break;
	}
}

/* revertBatch and another commitment since the last look: which batches they were is not known, so
 * all that are open are judged again. */
static void take_recommitted(struct daemon *d, const struct work_chain *chain)
{
	const struct work_chain back = {chain->verified, chain->verified, chain->final};

	log_event(LOG_WARN, "l1_recommitted",
		  log_str("reason", "a batch has another commitment than before; the proofs of "
				    "all open batches will be judged again"));
	commitments_forget(d->commitments);
	take_chain(d, &back);
}

void daemon_on_facts(void *arg, const struct l1_facts *f)
{
	struct daemon *d = arg;
	const struct work_chain chain = {f->committed, f->verified, f->final};
	const char *event = NULL, *sentence = misfit(d, f, &event);
	unsigned before;
	struct why why = {""};

	if (sentence) {
		daemon_fail(d, event, sentence);
		return;
	}
	if (!work_needed(d->work, &before) || before != needed_types(d, f))
		work_set_needed(d->work, needed_types(d, f));
	if (f->recommitted)
		take_recommitted(d, &chain);
	take_chain(d, &chain);
	reaper_on_facts(d->reaper);
	if (f->has_tdx_verifier)
		tell_registrar(d, f);
	quotes_on_facts(d->quotes);
	if (!agenda_open(d->agenda, f->l1_chain_id, &why)) {
		daemon_fail(d, "sender_failed", why.text);
		return;
	}
	proofs_judge(d->proofs);
	if (d->relay)
		relay_on_facts(d->relay);
	wake_up(d->wake);
}

void daemon_on_wake(void *arg)
{
	struct daemon *d = arg;

	if (d->closing || !d->agenda)
		return;
	setup_answer_all(d->setup);
	agenda_next(d->agenda);
}

void daemon_on_l1_failed(void *arg, const char *sentence)
{
	struct daemon *d = arg;

	(void)sentence;
	wake_up(d->wake);
}

void daemon_on_fatal(void *arg, const char *event, const char *sentence)
{
	daemon_fail(arg, event, sentence);
}
