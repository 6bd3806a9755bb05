/* At the start: what an earlier run made durable reaches the rooms. */
#include "coordinator/base/log.h"
#include "coordinator/daemon_internal.h"
#include "coordinator/registrar/rows.h"
#include "coordinator/store_copy.h"

static bool load_fact(void *arg, const struct store_fact *row, struct why *why)
{
	struct daemon *d = arg;
	bool ours = false;

	if (store_copy_mark(row, why))
		return false;
	if (d->relay && !relay_restore(d->relay, row, &ours, why))
		return false;
	if (ours || verdicts_fact_get(d->verdicts, row) || prover_fact_get(d->registrar, row))
		return true;
	if (span_eq(row->key, span_of(REAPER_FACT, strlen(REAPER_FACT))))
		reaper_restore(d->reaper, row->value);
	if (span_eq(row->key, span_of(L1_FACT, strlen(L1_FACT))))
		return l1_restore(d->l1, row->value, why);
	return true;
}

static bool load_input(void *arg, const struct store_input *row, struct why *why)
{
	struct daemon *d = arg;

	return inputs_restore(d->inputs, row, why);
}

static bool load_proof(void *arg, const struct store_proof *row, struct why *why)
{
	struct daemon *d = arg;

	return proofs_restore(d->proofs, row, why);
}

static bool load_lease(void *arg, const struct store_lease *row, struct why *why)
{
	struct daemon *d = arg;

	(void)why;
	lease_restore(d->work, row);
	return true;
}

static bool load_prover(void *arg, const struct store_prover *row, struct why *why)
{
	struct daemon *d = arg;
	const struct store_change change = {.kind = CHANGE_PROVER_PUT, .prover = *row};

	if (store_is_shared(d->store))
		return prover_row_foreign(d->registrar, &change, NULL, why);
	return prover_row_get(d->registrar, row, why);
}

static bool load_intent(void *arg, const struct store_intent *row, struct why *why)
{
	struct daemon *d = arg;

	return agenda_restore_intent(d->agenda, row, why);
}

bool daemon_load(struct daemon *d, struct why *why)
{
	const struct store_visitor visitor = {.fact = load_fact,
					      .input = load_input,
					      .proof = load_proof,
					      .lease = load_lease,
					      .prover = load_prover,
					      .intent = load_intent};
	struct work_counts counts;
	size_t removed = 0;

	if (store_is_shared(d->store))
		work_set_ids(d->work, store_slot(d->store), STORE_SLOTS);
	if (store_load(d->store, &visitor, d, why) != STORE_OK ||
	    !inputs_sweep(d->inputs, &removed, why))
		return false;
	daemon_restore_facts(d);
	if (store_leads(d->store))
		agenda_resume(d->agenda);
	work_counts(d->work, &counts);
	log_event(LOG_INFO, "state_loaded", log_u64("batches", counts.batches),
		  log_u64("inputs", counts.inputs),
		  log_u64("candidates", counts.candidates[WORK_CANDIDATE]),
		  log_u64("good", counts.candidates[WORK_GOOD]),
		  log_u64("provers", registrar_count(d->registrar)),
		  log_u64("swept_files", removed));
	return true;
}
