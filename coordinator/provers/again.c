/* Kept quotes are verified again, one at a time through the registrar's table, and with what is to
 * come. */
#include "coordinator/provers/internal.h"

#include "coordinator/base/log.h"
#include "encoding/utf8.h"

#include <stdio.h>
#include <string.h>

static void recheck_next(struct quotes *a);

static void fitness_found(struct quotes *a, const struct quote_job *job, const char *unfit)
{
	const struct registrar_prover *p = registrar_find(a->p.registrar, &job->signer);
	const enum registrar_fit before = p ? p->fit : REGISTRAR_FIT_UNKNOWN;
	const enum registrar_fit now = unfit ? REGISTRAR_UNFIT : REGISTRAR_FIT;
	char text[ETH_ADDRESS_TEXT_SIZE];

	if (!p)
		return;
	eth_address_print(text, &job->signer);
	if (unfit && before != REGISTRAR_UNFIT) {
		a->counters.became_unfit++;
		log_event(LOG_WARN, "quote_unfit", log_str("signer", text),
			  log_str("reason", unfit));
	} else if (!unfit && before != REGISTRAR_FIT) {
		log_event(LOG_INFO, "quote_fit", log_str("signer", text),
			  log_str("tcb_status", tdxv_tcb_status_name(job->result.tcb_status)));
	}
	registrar_set_fit(a->p.registrar, &job->signer, now, unfit ? unfit : "");
}

void quotes_recheck_end(struct quote_job *job, const char *unfit)
{
	struct quotes *a = job->a;

	/* A verdict of a former generation says nothing: another round is due then. */
	if (job->generation == a->generation)
		fitness_found(a, job, unfit);
	if (unfit && job->result.json.len)
		quote_job_keep_verdict(job, "refused", unfit);
	quote_job_free(job);
	recheck_next(a);
}

/* ---- what is to come ---- */

void quotes_early_end(struct quote_job *job, const char *sentence)
{
	struct evidence *s = evidence_find(job->a->evidence, &job->signer);
	char text[ETH_ADDRESS_TEXT_SIZE];
	struct why why;

	if (s && strcmp(s->early, sentence) != 0) {
		utf8_print(s->early, sizeof s->early, "%s", sentence);
		eth_address_print(text, &s->signer);
		why_set(&why, "with Intel's early TCB info it does not pass: %s", sentence);
		if (sentence[0])
			log_event(LOG_WARN, "tcb_recovery_ahead", log_str("signer", text),
				  log_str("reason", why.text));
	}
	quotes_recheck_end(job, NULL);
}

static void on_early_collateral(void *arg, const struct collateral_set *set, const char *sentence)
{
	struct quote_job *job = arg;

	(void)sentence;
	if (job->a->closing)
		return;
	if (!set) {
		quotes_early_end(job, "");
		return;
	}
	collateral_set_unref(job->set);
	job->set = collateral_set_ref(set);
	quote_job_start(job, PHASE_EARLY);
}

/* A kept quote passes today. Will it pass when the early TCB info becomes the standard one? */
void quotes_look_ahead(struct quote_job *job)
{
	struct why why = {""};

	evidence_put(job->a->evidence, &job->result, job->set, job->generation);
	job->phase = PHASE_FETCH_EARLY;
	if (!job->a->p.early || !collateral_get(job->a->p.early, &job->result.platform, job->now,
						on_early_collateral, job, &why))
		quotes_early_end(job, "");
}

/* ---- again ---- */

static bool is_due(const struct quotes *a, const struct registrar_prover *p)
{
	return p->kind == REGISTRAR_QUOTE && (!a->unknown_only || p->fit == REGISTRAR_FIT_UNKNOWN);
}

static void recheck_next(struct quotes *a)
{
	const struct registrar_prover *p;
	struct why why = {""};
	struct quote_job *job;

	while ((p = registrar_at(a->p.registrar, a->recheck_at)) && !is_due(a, p))
		a->recheck_at++;
	if (!p) {
		a->rechecking = false;
		if (a->recheck_again)
			quotes_recheck(a);
		else if (a->look_again)
			quotes_look(a);
		wake_up(a->p.wake);
		return;
	}
	a->recheck_at++;
	job = quote_job_new(a, p->payload, p->source, &why);
	if (!job) {
		/* L1 or memory is not there: quotes_tick() comes back to it. */
		a->rechecking = false;
		a->recheck_again = true;
		log_event(LOG_WARN, "recheck_postponed", log_str("reason", why.text));
		return;
	}
	a->counters.rechecks++;
	job->signer = p->signer;
	quote_job_start(job, PHASE_OWN);
}

void quotes_doubt(struct quotes *a)
{
	const struct registrar_prover *p;
	size_t i;

	for (i = 0; (p = registrar_at(a->p.registrar, i)); i++)
		if (p->kind == REGISTRAR_QUOTE && p->fit == REGISTRAR_FIT)
			registrar_set_fit(a->p.registrar, &p->signer, REGISTRAR_FIT_UNKNOWN, "");
}

static void begin_round(struct quotes *a, bool unknown_only)
{
	a->unknown_only = unknown_only;
	a->rechecking = true;
	a->recheck_at = 0;
	recheck_next(a);
}

void quotes_recheck(struct quotes *a)
{
	if (a->closing || !a->has_image)
		return;
	if (a->rechecking) {
		a->recheck_again = true;
		return;
	}
	a->recheck_again = a->look_again = false;
	begin_round(a, false);
}

void quotes_look(struct quotes *a)
{
	if (a->closing || !a->has_image)
		return;
	if (a->rechecking) {
		a->look_again = true;
		return;
	}
	a->look_again = false;
	begin_round(a, true);
}
