/* What a job weighs is in quote_checked.h; this file says when, with what, and what follows. */
#include "coordinator/provers/internal.h"

#include "coordinator/base/clock.h"
#include "coordinator/base/log.h"
#include "encoding/utf8.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHAINS_CACHED 256
#define EPOCH_MS      3600000u /* a refusal that time may have healed is not believed longer */
#define SOURCES_MAX   1024
#define ROUNDS_MAX    8  /* of one quote, while what it is judged by goes on changing */
#define EVIDENCE_MORE 16 /* of keys that have no row yet */

void quotes_changed(struct quotes *a)
{
	a->generation++;
	refusals_new_epoch(a->refusals);
	quotes_doubt(a);
	quotes_recheck(a);
}

uint64_t quotes_generation(const struct quotes *a)
{
	return a->generation;
}

bool quotes_reload(struct quotes *a, const struct quotes_options *options, struct why *why)
{
	struct policy *fresh = policy_load(options->policy_file, why);

	if (!fresh)
		return false;
	policy_unref(a->policy);
	a->policy = fresh;
	a->o = *options;
	quotes_changed(a);
	return true;
}

/* ---- the end of a job ---- */

void quote_job_free(struct quote_job *job)
{
	struct quotes *a = job->a;
	struct quote_job **at;

	for (at = &a->jobs; *at; at = &(*at)->next)
		if (*at == job) {
			*at = job->next;
			a->n_jobs--;
			break;
		}
	policy_unref(job->policy);
	collateral_set_unref(job->set);
	buf_free(&job->quote);
	buf_free(&job->result.json);
	buf_free(&job->early.json);
	free(job);
}

void quote_job_keep_verdict(const struct quote_job *job, const char *answer, const char *sentence)
{
	const struct quote_checked *r = &job->result;
	const struct verdict_note note = {.sha256 = r->keys.whole.sha256,
					  .at = job->now,
					  .source = job->source,
					  .answer = answer,
					  .sentence = sentence,
					  .signer = r->authentic_bytes ? &r->signer : NULL,
					  .lasting = r->lasting,
					  .json = buf_span(&r->json)};

	verdicts_keep(job->a->p.verdicts, job->a->p.store, &note);
}

static void remember_refusal(const struct quote_job *job, const char *sentence)
{
	const struct quote_checked *r = &job->result;

	refusals_add(job->a->refusals, &r->keys.whole, r->lasting, sentence);
	/* Whoever comes with the same again is refused the same, whatever he did to the rest. */
	if (r->authentic_bytes)
		refusals_add(job->a->refusals,
			     r->signed_part_refused ? &r->keys.signed_part : &r->keys.judged, false,
			     sentence);
}

bool quotes_fact_foreign(struct quotes *a, const struct store_change *change, struct store *leaders)
{
	struct refusal_key whole;
	const char *sentence;

	if (!verdicts_fact_foreign(a->p.verdicts, change, leaders))
		return false;
	sentence = change->kind == CHANGE_FACT_PUT
		       ? verdicts_lasting_refusal(a->p.verdicts, &change->fact, whole.sha256)
		       : NULL;
	if (sentence)
		refusals_add(a->refusals, &whole, true, sentence);
	return true;
}

/* Consumes the job. */
static void end_job(struct quote_job *job, enum quotes_rc rc, const char *sentence)
{
	struct quotes *a = job->a;
	struct quotes_result out = {rc, job->result.signer, sentence, job->generation};

	if (!job->cb) {
		quotes_recheck_end(job, sentence);
		return;
	}
	if (rc == QUOTES_ATTESTED)
		evidence_put(a->evidence, &job->result, job->set, job->generation);
	a->counters.verdicts[rc]++;
	switch (rc) {
	case QUOTES_ATTESTED:
		refusals_absolve(a->refusals, job->source);
		quote_job_keep_verdict(job, "attested", "");
		break;
	case QUOTES_REFUSED:
		refusals_blame(a->refusals, job->source, clock_mono_ms());
		remember_refusal(job, sentence);
		quote_job_keep_verdict(job, "refused", sentence);
		break;
	case QUOTES_RETRY: break;
	}
	job->cb(job->arg, &out);
	quote_job_free(job);
}

/* ---- the phases ---- */

static void on_collateral(void *arg, const struct collateral_set *set, const char *sentence)
{
	struct quote_job *job = arg;
	char text[QUOTE_CHECK_SENTENCE_MAX];

	if (job->a->closing)
		return;
	if (!set) {
		utf8_print(text, sizeof text, "%s", sentence);
		end_job(job, QUOTES_RETRY, text);
		return;
	}
	collateral_set_unref(job->set);
	job->set = collateral_set_ref(set);
	quote_job_start(job, PHASE_WHOLE);
}

static void fetch(struct quote_job *job)
{
	struct why why = {""};

	job->phase = PHASE_FETCH;
	if (!collateral_get(job->a->p.collateral, &job->result.platform, job->now, on_collateral,
			    job, &why))
		end_job(job, QUOTES_RETRY, why.text);
}

static void in_pool(uv_work_t *work)
{
	struct quote_job *job = work->data;
	const bool whole = job->phase != PHASE_OWN;
	const struct quote_check_input in = {
	    .quote = buf_span(&job->quote),
	    .collateral = whole ? job->set->checked : job->a->nothing,
	    .whole = whole,
	    .policy = &job->policy->policy,
	    .image = &job->image,
	    .cache = job->a->cache,
	    .now = whole ? collateral_set_time(job->set, job->now) : job->now};

	quote_check(job->phase == PHASE_EARLY ? &job->early : &job->result, &in);
}

static void maybe_closed(struct quotes *a)
{
	if (a->closing && a->in_pool == 0 && a->done) {
		void (*done)(void *arg) = a->done;

		a->done = NULL;
		done(a->done_arg);
	}
}

/* Collateral, policy or contract changed under it. */
static void judge_again(struct quote_job *job)
{
	if (++job->rounds >= ROUNDS_MAX)
		end_job(job, QUOTES_RETRY,
			"collateral, policy or contract changed while the quote was looked at");
	else if (job->phase == PHASE_OWN)
		quote_job_start(job, PHASE_OWN);
	else
		fetch(job);
}

static void after_pool(uv_work_t *work, int status)
{
	struct quote_job *job = work->data;
	struct quotes *a = job->a;
	struct why revoked;

	(void)status;
	a->in_pool--;
	if (a->closing) {
		maybe_closed(a);
		return;
	}
	a->counters.ecdsa_operations += job->result.ecdsa_operations;
	if (job->phase == PHASE_EARLY)
		quotes_early_end(job, job->early.undecided ? "" : job->early.sentence);
	else if (job->generation != a->generation && !job->result.lasting)
		judge_again(job);
	else if (!job->result.passed)
		end_job(job, job->result.undecided ? QUOTES_RETRY : QUOTES_REFUSED,
			job->result.sentence);
	else if (job->phase == PHASE_OWN)
		fetch(job);
	else if (!job->cb)
		quotes_look_ahead(job);
	else if (registrar_refuses(a->p.registrar, &job->result.signer, buf_span(&job->quote),
				   &revoked))
		end_job(job, QUOTES_REFUSED, revoked.text);
	else
		end_job(job, QUOTES_ATTESTED, "");
}

void quote_job_start(struct quote_job *job, enum quote_phase phase)
{
	struct quotes *a = job->a;

	job->phase = phase;
	if (phase != PHASE_EARLY) {
		buf_free(&job->result.json);
		job->generation = a->generation;
		job->image = a->image;
		policy_unref(job->policy);
		job->policy = policy_ref(a->policy);
	}
	job->work.data = job;
	if (uv_queue_work(a->p.loop, &job->work, in_pool, after_pool) == 0)
		a->in_pool++;
	else
		end_job(job, QUOTES_RETRY, "libuv's pool takes no work");
}

struct quote_job *quote_job_new(struct quotes *a, struct span quote, const char *source,
				struct why *why)
{
	struct quote_job *job;
	int64_t now;

	if (!a->has_image) {
		why_set(why, "L1 has not yet said which measurements the TDXVerifier demands");
		return NULL;
	}
	if (!l1_time(a->p.l1, a->o.max_clock_skew_s, &now, why))
		return NULL;
	job = calloc(1, sizeof *job);
	if (!job) {
		why_set(why, "out of memory");
		return NULL;
	}
	job->a = a;
	job->now = now;
	snprintf(job->source, sizeof job->source, "%s", source);
	buf_init(&job->result.json, QUOTE_CHECK_JSON_MAX);
	buf_init(&job->quote, TDXV_QUOTE_MAX);
	job->next = a->jobs;
	a->jobs = job;
	a->n_jobs++;
	if (!buf_add(&job->quote, quote.p, quote.n)) {
		why_set(why, "a quote of %zu bytes is over %u, or memory is short", quote.n,
			TDXV_QUOTE_MAX);
		quote_job_free(job);
		return NULL;
	}
	return job;
}

/* ---- a prover's quote ---- */

/* True: *out is the answer already. */
static bool is_remembered(struct quotes *a, struct span quote, struct quotes_result *out)
{
	const struct evidence *good = NULL;
	const char *refused;
	struct quote_keys keys;
	struct tdxv_quote q;
	struct why why = {""};
	int64_t now;

	quote_check_keys(&keys, &q, quote);
	refused = refusals_find(a->refusals, &keys.whole);
	if (!refused && q.signed_part.n)
		refused = refusals_find(a->refusals, &keys.judged);
	if (!refused && q.signed_part.n)
		refused = refusals_find(a->refusals, &keys.signed_part);
	if (!refused && a->has_image && l1_time(a->p.l1, a->o.max_clock_skew_s, &now, &why))
		good = evidence_of_quote(a->evidence, keys.whole.sha256, a->generation, now);
	if (good && registrar_refuses(a->p.registrar, &good->signer, quote, &why))
		good = NULL;
	if (refused) {
		utf8_print(a->answer, sizeof a->answer, "refused before: %s", refused);
		out->rc = QUOTES_REFUSED;
	} else if (good) {
		*out = (struct quotes_result){QUOTES_ATTESTED, good->signer, "", a->generation};
	}
	return refused || good;
}

bool quotes_verify(struct quotes *a, struct span quote, const char *source, quotes_cb *cb,
		   void *arg, struct quotes_result *out)
{
	const uint64_t now = clock_mono_ms(), wait = refusals_wait_ms(a->refusals, source, now);
	struct why why = {""};
	struct quote_job *job;

	*out = (struct quotes_result){.rc = QUOTES_RETRY, .sentence = a->answer};
	if (is_remembered(a, quote, out)) {
		a->counters.remembered++;
		return false;
	}
	/* An address is not an identity: where one key does well, another's quote is looked at. */
	if (wait && !registrar_source_attested(a->p.registrar, source)) {
		a->counters.penalties++;
		snprintf(
		    a->answer, sizeof a->answer,
		    "quotes from %s were refused one after the other: the next is looked at in "
		    "%" PRIu64 " s",
		    source, (wait + 999) / 1000);
		return false;
	}
	if (a->n_jobs >= a->o.max_verifications) {
		utf8_print(a->answer, sizeof a->answer, "%zu quotes are being verified: try again",
			   a->n_jobs);
		return false;
	}
	job = quote_job_new(a, quote, source, &why);
	if (!job) {
		utf8_print(a->answer, sizeof a->answer, "%s", why.text);
		return false;
	}
	job->cb = cb;
	job->arg = arg;
	quote_job_start(job, PHASE_OWN);
	return true;
}

void quotes_on_facts(struct quotes *a)
{
	const struct l1_facts *f = l1_facts(a->p.l1);
	struct contract_image image;

	if (!f || !f->has_tdx_verifier || f->tdx_dev_mode || !f->has_measurements)
		return;
	memcpy(image.measurement, f->measurement, sizeof image.measurement);
	if (a->has_image && memcmp(&image, &a->image, sizeof image) == 0)
		return;
	if (a->has_image)
		log_event(
		    LOG_WARN, "measurements_changed",
		    log_str("reason", "the TDXVerifier demands other measurements than before"));
	a->image = image;
	a->has_image = true;
	quotes_changed(a);
}

/* ---- time ---- */

void quotes_tick(struct quotes *a)
{
	const uint64_t now_ms = clock_mono_ms();
	struct why why = {""};
	int64_t now;

	if (a->closing || !l1_time(a->p.l1, a->o.max_clock_skew_s, &now, &why))
		return;
	collateral_tick(a->p.collateral, now);
	if (a->p.early)
		collateral_tick(a->p.early, now);
	if (a->recheck_again && !a->rechecking)
		quotes_recheck(a);
	if (now_ms >= a->epoch_ms + EPOCH_MS) {
		a->epoch_ms = now_ms;
		refusals_new_epoch(a->refusals);
		quotes_recheck(a);
	}
	evidence_tick(a->evidence, now, a->o.expiry_warning_s);
}

/* ---- life ---- */

const struct quotes_counters *quotes_counters(const struct quotes *a)
{
	return &a->counters;
}

const struct evidence *quotes_evidence(const struct quotes *a, const struct eth_address *signer)
{
	return evidence_find(a->evidence, signer);
}

void quotes_note_contract(struct quotes *a, const struct eth_address *signer, const char *words)
{
	struct evidence *e = evidence_find(a->evidence, signer);

	if (!e)
		return;
	utf8_print(e->contract, sizeof e->contract, "%s", words);
	verdicts_note_contract(a->p.verdicts, a->p.store, e->quote_sha256, words);
}

int64_t quotes_seconds_left(const struct quotes *a, int64_t now)
{
	return evidence_seconds_left(a->evidence, now);
}

bool quotes_new(struct quotes **out, const struct quotes_parts *parts,
		const struct quotes_options *options, struct why *why)
{
	const struct refusals_settings rs = {.max_quotes = options->max_refusals,
					     .max_sources = SOURCES_MAX,
					     .free_refusals = 8,
					     .first_wait_ms = 1000,
					     .max_wait_ms = 10000,
					     .forget_ms = 60000};
	struct quotes *a = calloc(1, sizeof *a);

	*out = NULL;
	if (!a) {
		why_set(why, "out of memory");
		return false;
	}
	a->p = *parts;
	a->o = *options;
	a->epoch_ms = clock_mono_ms();
	a->policy = policy_load(options->policy_file, why);
	if (!a->policy)
		goto failed;
	a->nothing = collateral_root_only(parts->collateral);
	a->cache = tdxv_cache_new(CHAINS_CACHED);
	a->refusals = refusals_new(&rs);
	a->evidence = evidence_new(parts->registrar, options->max_provers + EVIDENCE_MORE);
	if (!a->cache || !a->refusals || !a->evidence) {
		why_set(why, "out of memory for quote verification");
		goto failed;
	}
	*out = a;
	return true;
failed:
	quotes_free(a);
	return false;
}

void quotes_close(struct quotes *a, void (*done)(void *arg), void *arg)
{
	struct quote_job *job;

	if (!a) {
		done(arg);
		return;
	}
	a->closing = true;
	a->done = done;
	a->done_arg = arg;
	for (job = a->jobs; job; job = job->next) {
		if (a->p.collateral)
			collateral_cancel(a->p.collateral, job);
		if (a->p.early)
			collateral_cancel(a->p.early, job);
	}
	maybe_closed(a);
}

void quotes_free(struct quotes *a)
{
	if (!a)
		return;
	while (a->jobs)
		quote_job_free(a->jobs);
	evidence_free(a->evidence);
	refusals_free(a->refusals);
	tdxv_cache_free(a->cache);
	policy_unref(a->policy);
	free(a);
}
